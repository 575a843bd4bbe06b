//! What can be typed behind `cargo run -p holdfast-demo --`. Read by the launcher, so that a mistake costs no build, and by
//! the demo itself.

use clap::Parser;

/// Three badly configured producers, a consumer, Holdfast and three brokers in one terminal; no Kafka, no Java.
///
/// The brokers are librdkafka's mock cluster: no replication, 5 MiB per partition, acks ignored. The demo shows what Holdfast
/// does; why it matters is proven on real brokers by the loss matrix of the tests.
#[derive(Parser, Clone, Debug)]
#[command(name = "holdfast-demo", version)]
pub struct Flags {
    /// A real cluster instead of the mock; a topic is created there and deleted again
    #[arg(long, value_name = "HOST:PORT,...")]
    pub bootstrap_server: Option<String>,

    /// End after so many seconds; without it, on Ctrl-C. Exit status 1 if the numbers disagree
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
}
