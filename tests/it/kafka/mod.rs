//! Tests against what Apache Kafka publishes: its jars and, started from them, its brokers.

mod schemas;
