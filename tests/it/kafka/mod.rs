//! Tests that need a running Apache Kafka. It never runs without one: there is no skipping.

mod clients;
mod cluster;
