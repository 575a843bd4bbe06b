//! Tests that need what Apache Kafka publishes: its jars and, started from them, its brokers. Nothing is ever skipped.

mod clients;
mod cluster;
mod distribution;
mod loss;
mod schemas;
mod watch;
