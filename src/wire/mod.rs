//! Floor 0: bytes. Kafka's framing, headers and messages as they lie on the wire; no policy, no sockets, no clock.
//!
//! Everything here takes slices and returns facts about them, or edits to be made to them. Nothing panics on any input,
//! and nothing is allocated from a length that a peer claimed.

pub mod alike;
pub mod api;
pub mod api_versions;
pub mod edit;
pub mod endpoints;
pub mod fetch;
pub mod fetch_repair;
pub mod fetch_request;
pub mod fetch_sole;
pub mod header;
mod lengths;
pub mod offsets;
pub mod principal;
pub mod produce;
pub mod proxy_protocol;
pub mod reader;
pub mod record_batch;
pub mod sasl;
pub mod schema;
pub mod scram;
pub mod share_state;
pub mod streams_group;
pub mod varint;
pub mod versions;

pub use reader::Error;
