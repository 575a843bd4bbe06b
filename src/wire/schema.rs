//! Kafka's messages as tables, and one walker that proves a whole body against them.
//!
//! Floor 0. The tables (`schema/messages.rs`) are Kafka's own `common/message/*.json`: fields with the versions that have them.
//! The walker checks every length and count against the bytes that are there, allows no byte behind the end, allocates
//! nothing, and tells a [`Visitor`] which field lies where. It must come before every `decode` of kafka-protocol, which
//! allocates what an array claims to need: five bytes abort the process.
//!
//! Does not stream: hot messages that are walked while they come are `produce.rs` and `fetch.rs`.

mod messages;

pub use messages::*;

use super::api::ApiKey;
use super::reader::{Error, Reader};
use std::ops::Range;

/// One message: `<name>.json`.
#[derive(Debug)]
pub struct Message {
    pub name: &'static str,
    pub api_key: ApiKey,
    pub versions: Versions,
    /// First version with compact encodings and tag sections (KIP-482); `i16::MAX`: never.
    pub flexible_from: i16,
    pub fields: &'static [Field],
}

/// Versions from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub first: i16,
    pub last: i16,
}

impl Versions {
    pub const NONE: Versions = Versions { first: 1, last: 0 };

    pub const fn contain(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}

/// One field of a struct, in the order of the wire.
#[derive(Debug)]
pub struct Field {
    pub name: Name,
    pub kind: Kind,
    pub versions: Versions,
    pub nullable: Versions,
    /// Set: the field lies in the tag section, under this number.
    pub tag: Option<u32>,
}

/// The type of a field.
#[derive(Debug)]
pub enum Kind {
    Bool,
    I8,
    I16,
    U16,
    I32,
    I64,
    Uuid,
    String,
    Records,
    Struct(&'static [Field]),
    /// Elements of a fixed width or strings: counted and skipped as a whole.
    Array(&'static Kind),
    /// Elements that are structs: each is entered and left.
    Structs(&'static [Field]),
}

/// A value that a field held. Strings are as they came: not all peers send UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    Uuid([u8; 16]),
    String(Option<&'a [u8]>),
    Records(Option<&'a [u8]>),
    /// A nullable struct that is not there.
    Null,
}

impl<'a> Value<'a> {
    pub fn as_i8(self) -> Option<i8> {
        match self {
            Value::I8(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_i16(self) -> Option<i16> {
        match self {
            Value::I16(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_i32(self) -> Option<i32> {
        match self {
            Value::I32(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_i64(self) -> Option<i64> {
        match self {
            Value::I64(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_bool(self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_uuid(self) -> Option<[u8; 16]> {
        match self {
            Value::Uuid(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::String(value) | Value::Records(value) => value,
            _ => None,
        }
    }

    pub fn as_str(self) -> Option<&'a str> {
        self.as_bytes()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// Told of every field of a body, in the order of the wire. Ranges are offsets into the body. What a visitor learned
/// counts only if the walk ends well.
pub trait Visitor<'a> {
    /// A field that holds one value; `range` includes its length.
    fn field(&mut self, _name: Name, _value: Value<'a>, _range: Range<usize>) {}
    /// An array begins; `count_range` is where its count lies, `None` is Kafka's null.
    fn array(&mut self, _name: Name, _count_range: Range<usize>, _count: Option<usize>) {}
    /// All elements of the array have been told.
    fn array_end(&mut self, _name: Name) {}
    /// A struct, or one element of an array of structs, begins at `start`.
    fn enter(&mut self, _name: Name, _start: usize) {}
    /// It ended; `range` is the whole of it.
    fn leave(&mut self, _name: Name, _range: Range<usize>) {}
    /// A tagged field that the table knows comes next; `number_range` is where its number lies.
    fn tag(&mut self, _name: Name, _number_range: Range<usize>) {}
}

impl Visitor<'_> for () {}

/// Proves that `body` is one whole `message` of this version and nothing else.
pub fn prove(message: &Message, version: i16, body: &[u8]) -> Result<(), Error> {
    walk(message, version, body, &mut ())
}

/// Proves like [`prove`] and tells `visitor` of every field.
pub fn walk<'a, V: Visitor<'a>>(
    message: &Message,
    version: i16,
    body: &'a [u8],
    visitor: &mut V,
) -> Result<(), Error> {
    if !message.versions.contain(version) {
        return Err(Error::Version {
            what: message.name,
            found: version,
            first: message.versions.first,
            last: message.versions.last,
        });
    }
    let mut walker = Walker {
        version,
        flexible: version >= message.flexible_from,
        visitor,
    };
    let mut reader = Reader::new(body);
    walker.fields(message.fields, &mut reader)?;
    reader.end(message.name)
}

struct Walker<'v, V> {
    version: i16,
    flexible: bool,
    visitor: &'v mut V,
}

impl<'a, V: Visitor<'a>> Walker<'_, V> {
    /// Recursion is as deep as the tables are nested, whatever the bytes say.
    fn fields(&mut self, fields: &'static [Field], reader: &mut Reader<'a>) -> Result<(), Error> {
        for field in fields {
            if field.tag.is_none() && field.versions.contain(self.version) {
                self.field(field, reader)?;
            }
        }
        match self.flexible {
            true => self.tags(fields, reader),
            false => Ok(()),
        }
    }

    fn tags(&mut self, fields: &'static [Field], reader: &mut Reader<'a>) -> Result<(), Error> {
        for _ in 0..reader.tag_count()? {
            let mut tag = reader.tag()?;
            let known = fields.iter().find(|field| {
                field.tag == Some(tag.number) && field.versions.contain(self.version)
            });
            if let Some(field) = known {
                self.visitor.tag(field.name, tag.number_range);
                self.field(field, &mut tag.content)?;
                // Decoders read a known tagged field by its type and go on from there: both ends must agree.
                tag.content.end(field.name.text())?;
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'static Field, reader: &mut Reader<'a>) -> Result<(), Error> {
        match field.kind {
            Kind::Struct(fields) => self.single(field, fields, reader),
            Kind::Structs(fields) => self.structs(field, fields, reader),
            Kind::Array(element) => self.array(field, element, reader),
            _ => self.value(field, reader),
        }
    }

    fn value(&mut self, field: &'static Field, reader: &mut Reader<'a>) -> Result<(), Error> {
        let what = field.name.text();
        let start = reader.offset();
        let value = match field.kind {
            Kind::Bool => Value::Bool(reader.i8(what)? != 0),
            Kind::I8 => Value::I8(reader.i8(what)?),
            Kind::I16 => Value::I16(reader.i16(what)?),
            Kind::U16 => Value::I32(i32::from(reader.i16(what)?.cast_unsigned())),
            Kind::I32 => Value::I32(reader.i32(what)?),
            Kind::I64 => Value::I64(reader.i64(what)?),
            Kind::Uuid => Value::Uuid(reader.uuid(what)?),
            Kind::String => Value::String(reader.string(self.flexible, what)?),
            Kind::Records => Value::Records(reader.bytes(self.flexible, what)?),
            Kind::Struct(_) | Kind::Array(_) | Kind::Structs(_) => Value::Null,
        };
        if matches!(value, Value::String(None) | Value::Records(None)) {
            self.null(field, start)?;
        }
        self.visitor
            .field(field.name, value, start..reader.offset());
        Ok(())
    }

    /// A struct that is no element of an array; where it may be null, an INT8 says whether it is there.
    fn single(
        &mut self,
        field: &'static Field,
        fields: &'static [Field],
        reader: &mut Reader<'a>,
    ) -> Result<(), Error> {
        let what = field.name.text();
        let start = reader.offset();
        if field.nullable.contain(self.version) {
            match reader.i8(what)? {
                1 => {}
                -1 => {
                    self.visitor
                        .field(field.name, Value::Null, start..reader.offset());
                    return Ok(());
                }
                found => {
                    return Err(Error::Presence {
                        what,
                        offset: start,
                        found,
                    });
                }
            }
        }
        self.element(field.name, fields, reader)
    }

    fn structs(
        &mut self,
        field: &'static Field,
        fields: &'static [Field],
        reader: &mut Reader<'a>,
    ) -> Result<(), Error> {
        let smallest = self.smallest_struct(fields);
        let count = self.count(field, smallest, reader)?;
        for _ in 0..count {
            self.element(field.name, fields, reader)?;
        }
        self.visitor.array_end(field.name);
        Ok(())
    }

    fn element(
        &mut self,
        name: Name,
        fields: &'static [Field],
        reader: &mut Reader<'a>,
    ) -> Result<(), Error> {
        let start = reader.offset();
        self.visitor.enter(name, start);
        self.fields(fields, reader)?;
        self.visitor.leave(name, start..reader.offset());
        Ok(())
    }

    fn array(
        &mut self,
        field: &'static Field,
        element: &'static Kind,
        reader: &mut Reader<'a>,
    ) -> Result<(), Error> {
        let what = field.name.text();
        let smallest = self.smallest(element);
        let count = self.count(field, smallest, reader)?;
        match element {
            Kind::String => {
                for _ in 0..count {
                    let offset = reader.offset();
                    if reader.string(self.flexible, what)?.is_none() {
                        return Err(Error::Null { what, offset });
                    }
                }
            }
            // Cannot overflow: `count` elements of this width are known to be there.
            _ => drop(reader.take(count.saturating_mul(smallest), what)?),
        }
        self.visitor.array_end(field.name);
        Ok(())
    }

    fn count(
        &mut self,
        field: &'static Field,
        smallest: usize,
        reader: &mut Reader<'a>,
    ) -> Result<usize, Error> {
        let start = reader.offset();
        let count = reader.array(self.flexible, smallest, field.name.text())?;
        if count.is_none() {
            self.null(field, start)?;
        }
        self.visitor
            .array(field.name, start..reader.offset(), count);
        Ok(count.unwrap_or(0))
    }

    fn null(&self, field: &Field, offset: usize) -> Result<(), Error> {
        match field.nullable.contain(self.version) {
            true => Ok(()),
            false => Err(Error::Null {
                what: field.name.text(),
                offset,
            }),
        }
    }

    /// The fewest bytes that an element of this kind takes in this version.
    fn smallest(&self, kind: &Kind) -> usize {
        match kind {
            Kind::Bool | Kind::I8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 => 4,
            Kind::I64 => 8,
            Kind::Uuid => 16,
            Kind::String if !self.flexible => 2,
            Kind::Records | Kind::Array(_) | Kind::Structs(_) if !self.flexible => 4,
            Kind::String | Kind::Records | Kind::Array(_) | Kind::Structs(_) => 1,
            Kind::Struct(fields) => self.smallest_struct(fields),
        }
    }

    fn smallest_struct(&self, fields: &[Field]) -> usize {
        let present = fields
            .iter()
            .filter(|field| field.tag.is_none() && field.versions.contain(self.version));
        let sizes = present.map(|field| match field.nullable.contain(self.version) {
            true if matches!(field.kind, Kind::Struct(_)) => 1,
            _ => self.smallest(&field.kind),
        });
        sizes.sum::<usize>() + usize::from(self.flexible)
    }
}
