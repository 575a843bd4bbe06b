//! Holdfast: the durability gateway for Apache Kafka.

pub mod admin;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod policy;
pub mod proxy;
pub mod run;
pub mod session;
pub mod telemetry;
pub mod wire;
