//! Floor 5 over real sockets and over streams that the test plays, against brokers that are made up here: no Kafka, no Java.

mod activation;
mod attacked;
mod background;
mod calls;
mod driven;
mod driver;
mod ending;
mod fake;
mod gateway;
mod limits;
mod memory;
mod proxy_protocol;
mod resident;
mod room;
mod settings_change;
mod spliced;
mod tls;
mod upstream;
mod watch;
