//! The demo's parts that need no librdkafka: what is typed, what is counted, what is shown. Pure, except for the clock of clap.
//!
//! The launcher is `main.rs`; the demo itself, with the cluster, Holdfast and the clients, is `show/`.

pub mod flags;
pub mod numbers;
pub mod screen;
