//! Floor 5 over real sockets, against brokers that are made up here: no Kafka, no Java.

mod fake;
mod upstream;
mod watch;
