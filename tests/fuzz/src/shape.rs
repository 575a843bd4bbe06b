//! Bodies that follow Kafka's tables, made from any bytes: what is fuzzed gets beyond the first check of a length. The names
//! in them are those that the settings and the view of the session's target know.

use super::support::raw::{self, Batch, Body};
use super::support::rig;
use holdfast::wire::schema::{Field, Kind, Message, Versions};

/// What all times are told by, so that one input always does the same.
pub const NOW_MS: i64 = 1_700_000_000_000;
/// Beyond it nothing more is added to a body, but for the one large batch that may come last.
const MOST_BYTES: usize = 8 * 1024;
const NAMES: [&str; 12] = [
    "orders",
    "notes",
    "unheard",
    "app",
    "group",
    "min.insync.replicas",
    "retention.ms",
    "cleanup.policy",
    "1",
    "compact",
    "PLAIN",
    "",
];

/// Takes numbers from the front of an input; behind its end are zeros.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[usize::from(self.byte()) % all.len()]
    }
}

/// A version that the message has.
pub fn version(message: &Message, input: &mut Input<'_>) -> i16 {
    let Versions { first, last } = message.versions;
    first + i16::from(input.byte()) % (last - first + 1)
}

/// A body that `schema::prove` lets through, unless the input says that some bytes of it are wrong.
pub fn body(message: &Message, version: i16, input: &mut Input<'_>) -> Vec<u8> {
    let mut shape = Shape {
        version,
        flexible: version >= message.flexible_from,
        out: Body::new(),
    };
    let wrong = input.byte();
    shape.fields(message.fields, input);
    let mut bytes = shape.out.0;
    // Mostly none.
    for _ in 0..wrong.saturating_sub(252) {
        let at = usize::from(input.byte()) << 8 | usize::from(input.byte());
        if let Some(len) = bytes.len().checked_sub(1) {
            bytes[at.min(len)] = input.byte();
        }
    }
    if wrong == 252 {
        bytes.truncate(usize::from(input.byte()) * 4);
    }
    bytes
}

struct Shape {
    version: i16,
    flexible: bool,
    out: Body,
}

impl Shape {
    fn fields(&mut self, fields: &[Field], input: &mut Input<'_>) {
        let here = |field: &&Field| field.versions.contain(self.version);
        let here: Vec<_> = fields.iter().filter(here).collect();
        for field in here.iter().filter(|field| field.tag.is_none()) {
            self.field(field, input);
        }
        if self.flexible {
            self.tags(&here, input);
        }
    }

    fn tags(&mut self, fields: &[&Field], input: &mut Input<'_>) {
        let which = input.byte();
        let mut tags: Vec<(u32, Vec<u8>)> = Vec::new();
        for (n, field) in fields.iter().filter(|f| f.tag.is_some()).enumerate() {
            if which >> (n % 7) & 1 == 1 {
                let before = std::mem::take(&mut self.out);
                self.field(field, input);
                let content = std::mem::replace(&mut self.out, before);
                tags.push((field.tag.unwrap_or(0), content.0));
            }
        }
        if which & 0x80 != 0 {
            let len = usize::from(input.byte() % 16);
            tags.push((u32::from(input.byte()) + 20, input.take(len).to_vec()));
        }
        tags.sort();
        self.out.uvarint(tags.len() as u32);
        for (number, content) in tags {
            let len = content.len() as u32;
            self.out.uvarint(number).uvarint(len).bytes(&content);
        }
    }

    fn field(&mut self, field: &Field, input: &mut Input<'_>) {
        let nullable = field.nullable.contain(self.version);
        match &field.kind {
            Kind::Struct(fields) => {
                if nullable {
                    let there = input.byte() & 7 != 0;
                    self.out.i8(if there { 1 } else { -1 });
                    if !there {
                        return;
                    }
                }
                self.fields(fields, input);
            }
            Kind::Structs(fields) => {
                for _ in 0..self.count(nullable, input) {
                    self.fields(fields, input);
                }
            }
            Kind::Array(element) => {
                for _ in 0..self.count(nullable, input) {
                    self.value(element, false, input);
                }
            }
            kind => self.value(kind, nullable, input),
        }
    }

    fn count(&mut self, nullable: bool, input: &mut Input<'_>) -> usize {
        let count = match input.byte() {
            0 if nullable => {
                match self.flexible {
                    true => self.out.uvarint(0),
                    false => self.out.i32(-1),
                };
                return 0;
            }
            // Enough that none of the common ways is the only one.
            _ if self.out.0.len() > MOST_BYTES || input.0.is_empty() => 0,
            byte if byte < 160 => 1,
            byte => usize::from(byte % 8),
        };
        self.out.array(count, self.flexible);
        count
    }

    fn value(&mut self, kind: &Kind, nullable: bool, input: &mut Input<'_>) {
        match kind {
            Kind::Bool => drop(self.out.i8((input.byte() & 1) as i8)),
            Kind::I8 => drop(self.out.i8(number(input, 1) as i8)),
            Kind::I16 | Kind::U16 => drop(self.out.i16(number(input, 2) as i16)),
            Kind::I32 => drop(self.out.i32(number(input, 4) as i32)),
            Kind::I64 => drop(self.out.i64(number(input, 8))),
            Kind::Uuid => {
                let id = match input.byte() % 4 {
                    0 => rig::topic_id("orders"),
                    1 => rig::topic_id("notes"),
                    2 => [0; 16],
                    _ => [input.byte(); 16],
                };
                self.out.bytes(&id);
            }
            Kind::String => {
                let text = match input.byte() {
                    255 if nullable => None,
                    byte if byte < 240 => Some(NAMES[usize::from(byte) % NAMES.len()].as_bytes()),
                    byte => Some(input.take(usize::from(byte - 240))),
                };
                match (self.flexible, text) {
                    (true, None) => drop(self.out.uvarint(0)),
                    (true, Some(text)) => drop(self.out.uvarint(text.len() as u32 + 1).bytes(text)),
                    (false, None) => drop(self.out.i16(-1)),
                    (false, Some(text)) => drop(self.out.i16(text.len() as i16).bytes(text)),
                }
            }
            Kind::Records => {
                let records = records(nullable, input);
                match (self.flexible, records) {
                    (true, None) => drop(self.out.uvarint(0)),
                    (true, Some(r)) => drop(self.out.uvarint(r.len() as u32 + 1).bytes(&r)),
                    (false, None) => drop(self.out.i32(-1)),
                    (false, Some(r)) => drop(self.out.i32(r.len() as i32).bytes(&r)),
                }
            }
            Kind::Struct(_) | Kind::Array(_) | Kind::Structs(_) => {}
        }
    }
}

fn number(input: &mut Input<'_>, width: usize) -> i64 {
    match input.byte() {
        byte if byte < 96 => 0,
        byte if byte < 144 => 1,
        byte if byte < 192 => -1,
        byte if byte < 224 => i64::from(input.byte()),
        _ => input
            .take(width)
            .iter()
            .fold(0, |sum, byte| sum << 8 | i64::from(*byte)),
    }
}

fn records(nullable: bool, input: &mut Input<'_>) -> Option<Vec<u8>> {
    let of = |count: u8, value_bytes: usize, ahead_ms: i64| Batch {
        timestamp_ms: NOW_MS + ahead_ms,
        ..Batch::of_ids(0, u64::from(count), value_bytes)
    };
    let records = match input.byte() % 16 {
        0 if nullable => return None,
        0 => Vec::new(),
        // Below and above the limit of `orders`.
        1..=4 => of(1 + input.byte() % 4, 3, 0).bytes(),
        5 => of(2, 150, 0).bytes(),
        6 => of(1, 3, 0).producer(7, 0, i32::from(input.byte())).bytes(),
        7 => of(1, 3, -10 * 86_400_000).bytes(),
        8 => of(1, 3, 10 * 86_400_000).bytes(),
        9 => [of(1, 3, 0).bytes(), of(2, 3, 0).bytes()].concat(),
        10 => {
            let mut batch = of(1, 3, 0).producer(7, 0, 0);
            batch.attributes = i16::from(*input.pick(&[1_u8, 4, 0x10, 0x20, 0x30, 0x40]));
            batch.bytes()
        }
        11 => raw::message_set((input.byte() % 2) as i8, &[(None, Some(b"old".to_vec()))]),
        12 => {
            let mut batch = of(2, 3, 0).bytes();
            let at = usize::from(input.byte()) % batch.len();
            batch[at] = input.byte();
            batch
        }
        // Larger than a relay buffer.
        13 => of(1, usize::from(1 + input.byte() % 2) * 70_000, 0).bytes(),
        14 => {
            let mut batch = of(3, 30, 0).bytes();
            batch.truncate(usize::from(input.byte()));
            batch
        }
        _ => {
            let len = usize::from(input.byte());
            input.take(len).to_vec()
        }
    };
    Some(records)
}
