//! Holdfast: the durability gateway for Apache Kafka.

pub mod cluster;
pub mod policy;
pub mod proxy;
pub mod session;
pub mod wire;
