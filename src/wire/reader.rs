//! A cursor over the bytes of a peer: every read is checked against what is there, and every count against what it would take.
//!
//! Floor 0. Never panics, never allocates; an error says what was found, what was allowed, and at which offset. Encodings are
//! those of Kafka's protocol guide ("Protocol Primitive Types"). Does not know messages (`schema.rs`).

use std::ops::Range;

/// Bytes that do not follow Kafka's schemas. Offsets count from the first byte of the slice that was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{what} takes {needed} bytes at offset {offset}, {left} are left")]
    Short {
        what: &'static str,
        offset: usize,
        needed: usize,
        left: usize,
    },
    #[error("{what} of length {found} at offset {offset}, allowed is 0 to {allowed}")]
    Length {
        what: &'static str,
        offset: usize,
        found: i64,
        allowed: usize,
    },
    #[error(
        "{what} of {found} elements at offset {offset}, the bytes there hold at most {allowed}"
    )]
    Count {
        what: &'static str,
        offset: usize,
        found: i64,
        allowed: usize,
    },
    #[error("{what} at offset {offset} is null, which this version does not allow")]
    Null { what: &'static str, offset: usize },
    #[error("{what} at offset {offset} is no unsigned varint of at most 5 bytes and 32 bits")]
    Varint { what: &'static str, offset: usize },
    #[error("{what} at offset {offset} begins with {found}, allowed are -1 and 1")]
    Presence {
        what: &'static str,
        offset: usize,
        found: i8,
    },
    #[error("{what} at offset {offset} is not UTF-8")]
    Utf8 { what: &'static str, offset: usize },
    #[error("{what} is followed by {found} bytes at offset {offset}, allowed are none")]
    Trailing {
        what: &'static str,
        offset: usize,
        found: usize,
    },
    #[error("{what} version {found}, understood are {first} to {last}")]
    Version {
        what: &'static str,
        found: i16,
        first: i16,
        last: i16,
    },
}

/// The longest string of Kafka's protocol, compact or not: its classic length is an INT16.
pub const MAX_STRING: usize = 0x7fff;

/// Where the next read happens, and in what.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0 }
    }

    pub fn offset(&self) -> usize {
        self.offset
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let taken = self.bytes[self.offset..]
            .get(..length)
            .ok_or(Error::Short {
                what,
                offset: self.offset,
                needed: length,
                left: self.left(),
            })?;
        self.offset += length;
        Ok(taken)
    }

    /// A reader of the next `length` bytes alone; its offsets go on counting from the same first byte.
    pub fn sub(&mut self, length: usize, what: &'static str) -> Result<Reader<'a>, Error> {
        let start = self.offset;
        self.take(length, what)?;
        Ok(Reader {
            bytes: &self.bytes[..self.offset],
            offset: start,
        })
    }

    /// Nothing may be left.
    pub fn end(&self, what: &'static str) -> Result<(), Error> {
        match self.left() {
            0 => Ok(()),
            found => Err(Error::Trailing {
                what,
                offset: self.offset,
                found,
            }),
        }
    }

    fn fixed<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    pub fn i8(&mut self, what: &'static str) -> Result<i8, Error> {
        self.fixed(what).map(i8::from_be_bytes)
    }

    pub fn i16(&mut self, what: &'static str) -> Result<i16, Error> {
        self.fixed(what).map(i16::from_be_bytes)
    }

    pub fn i32(&mut self, what: &'static str) -> Result<i32, Error> {
        self.fixed(what).map(i32::from_be_bytes)
    }

    pub fn i64(&mut self, what: &'static str) -> Result<i64, Error> {
        self.fixed(what).map(i64::from_be_bytes)
    }

    pub fn uuid(&mut self, what: &'static str) -> Result<[u8; 16], Error> {
        self.fixed(what)
    }

    /// UNSIGNED_VARINT: seven bits per byte, least significant first, at most 32 bits in 5 bytes.
    pub fn uvarint(&mut self, what: &'static str) -> Result<u32, Error> {
        let offset = self.offset;
        let mut value = 0_u32;
        for shift in [0_u32, 7, 14, 21, 28] {
            let [byte] = self.fixed(what)?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::Varint { what, offset })
    }

    /// STRING, NULLABLE_STRING and their compact forms, unread: peers do send names that are not UTF-8.
    pub fn string(&mut self, compact: bool, what: &'static str) -> Result<Option<&'a [u8]>, Error> {
        let offset = self.offset;
        let length = match compact {
            true => i64::from(self.uvarint(what)?) - 1,
            false => i64::from(self.i16(what)?),
        };
        self.counted(length, MAX_STRING, offset, what)
    }

    /// BYTES, RECORDS, their nullable and their compact forms.
    pub fn bytes(&mut self, compact: bool, what: &'static str) -> Result<Option<&'a [u8]>, Error> {
        let offset = self.offset;
        let length = match compact {
            true => i64::from(self.uvarint(what)?) - 1,
            false => i64::from(self.i32(what)?),
        };
        self.counted(length, self.left(), offset, what)
    }

    fn counted(
        &mut self,
        length: i64,
        allowed: usize,
        offset: usize,
        what: &'static str,
    ) -> Result<Option<&'a [u8]>, Error> {
        if length == -1 {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(length) if length <= allowed => self.take(length, what).map(Some),
            _ => Err(Error::Length {
                what,
                offset,
                found: length,
                allowed,
            }),
        }
    }

    /// The count of an ARRAY or COMPACT_ARRAY, `None` for null. What it returns fits: `count * smallest_element <= left()`,
    /// so that a loop over it ends with the bytes and a `Vec` made for it costs the peer as much as us.
    pub fn array(
        &mut self,
        compact: bool,
        smallest_element: usize,
        what: &'static str,
    ) -> Result<Option<usize>, Error> {
        let offset = self.offset;
        let count = match compact {
            true => i64::from(self.uvarint(what)?) - 1,
            false => i64::from(self.i32(what)?),
        };
        if count == -1 {
            return Ok(None);
        }
        let allowed = self.left() / smallest_element.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= allowed => Ok(Some(count)),
            _ => Err(Error::Count {
                what,
                offset,
                found: count,
                allowed,
            }),
        }
    }

    /// The tag section that ends every struct of a flexible version (KIP-482), skipped.
    pub fn skip_tags(&mut self) -> Result<(), Error> {
        for _ in 0..self.tag_count()? {
            self.tag()?;
        }
        Ok(())
    }

    /// How many tagged fields follow; each takes at least its number and its size, one byte each.
    pub fn tag_count(&mut self) -> Result<usize, Error> {
        let offset = self.offset;
        let found = self.uvarint("tag section")?;
        let allowed = self.left() / 2;
        match usize::try_from(found) {
            Ok(count) if count <= allowed => Ok(count),
            _ => Err(Error::Count {
                what: "tag section",
                offset,
                found: i64::from(found),
                allowed,
            }),
        }
    }

    /// One tagged field.
    pub fn tag(&mut self) -> Result<Tag<'a>, Error> {
        let start = self.offset;
        let number = self.uvarint("tag")?;
        let number_range = start..self.offset;
        let offset = self.offset;
        let size = self.uvarint("tagged field")?;
        let allowed = self.left();
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= allowed)
            .ok_or(Error::Length {
                what: "tagged field",
                offset,
                found: i64::from(size),
                allowed,
            })?;
        Ok(Tag {
            number,
            number_range,
            content: self.sub(size, "tagged field")?,
        })
    }
}

/// One tagged field of a tag section.
#[derive(Clone, Debug)]
pub struct Tag<'a> {
    pub number: u32,
    /// Where the number lies.
    pub number_range: Range<usize>,
    /// Reads the field's bytes and no others.
    pub content: Reader<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_holds_at_most_32_bits_in_5_bytes() {
        let read = |bytes: &[u8]| Reader::new(bytes).uvarint("n");
        assert_eq!(read(&[0x7f]), Ok(127));
        assert_eq!(read(&[0x80, 0x01]), Ok(128));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
        for bad in [
            [0xff, 0xff, 0xff, 0xff, 0x1f],
            [0x80, 0x80, 0x80, 0x80, 0x80],
        ] {
            assert!(matches!(read(&bad), Err(Error::Varint { .. })), "{bad:x?}");
        }
        assert!(matches!(read(&[0x80]), Err(Error::Short { .. })));
    }

    #[test]
    fn a_count_is_measured_against_the_bytes_that_are_there() {
        let mut reader = Reader::new(&[0x7f, 0xff, 0xff, 0xff, 0x00]);
        let error = reader.array(false, 8, "brokers").unwrap_err();
        assert_eq!(
            error.to_string(),
            "brokers of 2147483647 elements at offset 0, the bytes there hold at most 0"
        );
        assert_eq!(
            Reader::new(&[0, 0, 0, 1, 9]).array(false, 1, "n"),
            Ok(Some(1))
        );
        assert_eq!(Reader::new(&[0xff; 4]).array(false, 1, "n"), Ok(None));
        assert_eq!(Reader::new(&[0]).array(true, 1, "n"), Ok(None));
        assert!(
            Reader::new(&[0xff, 0xff, 0xff, 0xfe])
                .array(false, 1, "n")
                .is_err()
        );
    }

    #[test]
    fn strings_know_null_from_empty_in_both_forms() {
        assert_eq!(Reader::new(&[0xff, 0xff]).string(false, "s"), Ok(None));
        assert_eq!(Reader::new(&[0, 0]).string(false, "s"), Ok(Some(&b""[..])));
        assert_eq!(Reader::new(&[0]).string(true, "s"), Ok(None));
        assert_eq!(Reader::new(&[1]).string(true, "s"), Ok(Some(&b""[..])));
        assert_eq!(
            Reader::new(&[3, b'h', b'i']).string(true, "s"),
            Ok(Some(&b"hi"[..]))
        );
        assert!(matches!(
            Reader::new(&[0xff, 0xfe]).string(false, "s"),
            Err(Error::Length { found: -2, .. })
        ));
        assert!(matches!(
            Reader::new(&[9, 1]).string(true, "s"),
            Err(Error::Short { .. })
        ));
    }

    #[test]
    fn a_sub_reader_keeps_the_offsets_and_sees_no_byte_beyond() {
        let mut reader = Reader::new(&[1, 2, 3, 4]);
        reader.i8("n").unwrap();
        let mut sub = reader.sub(2, "part").unwrap();
        assert_eq!((sub.offset(), sub.left(), reader.offset()), (1, 2, 3));
        assert_eq!(sub.i16("n"), Ok(0x0203));
        assert!(sub.end("part").is_ok() && sub.i8("n").is_err());
    }

    #[test]
    fn a_tag_section_must_lie_within_the_bytes() {
        assert!(Reader::new(&[2, 0, 1, 9, 99, 0]).skip_tags().is_ok());
        assert!(Reader::new(&[1, 0, 2, 9]).skip_tags().is_err());
        assert!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])
                .skip_tags()
                .is_err()
        );
    }
}
