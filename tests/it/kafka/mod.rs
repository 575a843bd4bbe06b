//! Tests that need what Apache Kafka publishes: its jars and, started from them, its brokers. Nothing is ever skipped.

mod absorb;
mod addresses;
mod admin_scenarios;
mod attack;
mod audit;
mod clients;
mod clients_through;
mod cluster;
mod commit_scenarios;
mod demo;
mod distribution;
mod faults;
mod fetch_scenarios;
mod joined_scenarios;
mod loss;
mod oversized_in_the_middle;
mod oversized_request;
mod produce_scenarios;
mod report;
mod sasl;
mod schemas;
mod tools;
mod truncation;
mod watch;
mod ways;
mod weak_topic_repair;
