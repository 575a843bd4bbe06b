//! The integration tests: one crate that mirrors the floors of `src`. What needs real brokers or Kafka's jars lives under
//! `kafka::`, so `cargo test --workspace -- --skip kafka::` is the fast tier.

mod bench;
mod fuzz;
mod house;
mod kafka;
mod policy;
mod proxy;
mod roof;
mod session;
mod support;
mod wire;
