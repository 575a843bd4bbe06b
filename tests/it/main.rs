//! One integration crate that mirrors `src`. Everything below `kafka` needs Maven and real brokers; the rest does not.

mod kafka;
mod wire;
