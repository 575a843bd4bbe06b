//! Random bodies of any message and version, written from the schema tables by an encoder of its own. That the tables are
//! right is not taken for granted: kafka-protocol must decode what comes out, to the last byte.

use holdfast::wire::schema::{Field, Kind, Message, Name};

/// xorshift64*: the same body for the same seed, whatever the platform.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Node ids that a body may name: none, some of the set 1-3, some outside of it.
const NODES: [i32; 6] = [-1, 1, 2, 3, 7, 40_000];
const STRINGS: [&str; 6] = [
    "",
    "a",
    "kafka-1.internal",
    "orders",
    "größe",
    "0123456789abcdef0123456789abcdef",
];

/// One random body of `message` at `version`.
pub fn body(message: &Message, version: i16, seed: u64) -> Vec<u8> {
    let mut encoder = Encoder {
        random: Random::new(seed),
        version,
        flexible: version >= message.flexible_from,
        out: Vec::new(),
    };
    encoder.fields(message.fields);
    encoder.out
}

struct Encoder {
    random: Random,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
}

impl Encoder {
    fn fields(&mut self, fields: &[Field]) {
        let (tagged, plain): (Vec<_>, Vec<_>) = fields
            .iter()
            .filter(|field| field.versions.contain(self.version))
            .partition(|field| field.tag.is_some());
        for field in plain {
            self.field(field);
        }
        if self.flexible {
            self.tags(&tagged);
        }
    }

    fn tags(&mut self, known: &[&Field]) {
        let mut tags: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in known {
            if self.random.below(2) == 0 {
                let outer = std::mem::take(&mut self.out);
                self.field(field);
                let content = std::mem::replace(&mut self.out, outer);
                tags.push((field.tag.unwrap(), content));
            }
        }
        if self.random.below(8) == 0 {
            tags.push((
                70 + self.random.below(200) as u32,
                vec![7; self.random.below(4) as usize],
            ));
        }
        self.uvarint(tags.len() as u32);
        for (number, content) in tags {
            self.uvarint(number);
            self.uvarint(content.len() as u32);
            self.out.extend(content);
        }
    }

    fn field(&mut self, field: &Field) {
        let null = field.nullable.contain(self.version) && self.random.below(3) == 0;
        match field.kind {
            Kind::Struct(_) if null => self.out.push(0xff),
            Kind::Struct(fields) => {
                if field.nullable.contain(self.version) {
                    self.out.push(1);
                }
                self.fields(fields);
            }
            Kind::Structs(_) | Kind::Array(_) | Kind::Records if null => self.length(-1, 4),
            Kind::String if null => self.length(-1, 2),
            Kind::Structs(fields) => {
                let count = self.random.below(4) as i32;
                self.length(count, 4);
                (0..count).for_each(|_| self.fields(fields));
            }
            Kind::Array(element) => {
                let count = self.random.below(4) as i32;
                self.length(count, 4);
                (0..count).for_each(|_| self.value(element, field.name));
            }
            ref kind => self.value(kind, field.name),
        }
    }

    fn value(&mut self, kind: &Kind, name: Name) {
        let random = self.random.next();
        match kind {
            Kind::Bool => self.out.push((random % 2) as u8),
            Kind::I8 if name == Name::EndpointType => self.out.push(1 + (random % 2) as u8),
            Kind::I8 => self.out.push(random as u8),
            Kind::I16 | Kind::U16 => self.out.extend(((random % 40) as i16 - 2).to_be_bytes()),
            Kind::I32 => {
                let node = NODES[random as usize % NODES.len()];
                self.out.extend(node.to_be_bytes());
            }
            Kind::I64 => self.out.extend((random as i64).to_be_bytes()),
            Kind::Uuid => {
                // Kafka's "no topic id" among them.
                let byte = if random.is_multiple_of(4) {
                    0
                } else {
                    random as u8
                };
                self.out.extend([byte; 16]);
            }
            Kind::String => {
                let text = STRINGS[random as usize % STRINGS.len()];
                self.length(text.len() as i32, 2);
                self.out.extend(text.as_bytes());
            }
            Kind::Records => {
                let length = (random % 90) as i32;
                self.length(length, 4);
                self.out.extend(vec![0xab; length as usize]);
            }
            Kind::Struct(_) | Kind::Structs(_) | Kind::Array(_) => unreachable!("no value"),
        }
    }

    fn length(&mut self, length: i32, width: usize) {
        match self.flexible {
            true => self.uvarint((length + 1) as u32),
            false => self.out.extend(&length.to_be_bytes()[4 - width..]),
        }
    }

    fn uvarint(&mut self, value: u32) {
        holdfast::wire::varint::push(&mut self.out, value);
    }
}
