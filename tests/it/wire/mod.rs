//! Floor 0 against kafka-protocol as oracle: what we prove it can decode, and what we rewrite differs only where it should.

mod endpoints;
mod fetch;
mod random;
mod schema;
mod versions;
