//! What the tests stand on: real Kafka clusters, the real `holdfast` binary, clients that we did not write and one
//! raw client that is written by hand. Knows Kafka and processes; asserts nothing about Holdfast itself.
//!
//! Whatever is started here is gone when its owner is dropped, and at the latest when the test process ends, however
//! it ends (`process.rs`). Nothing skips itself: a missing tool fails with one line that names its package.

// No single test uses all of it.
#![allow(dead_code)]

pub mod browser;
pub mod bystander;
pub mod certificates;
pub mod clients;
pub mod consumer;
pub mod distribution;
pub mod echo;
pub mod faults;
pub mod fetches;
pub mod gateway;
pub mod haproxy;
pub mod holdfast;
pub mod kafka;
pub mod kerberos;
pub mod offsets;
pub mod ports;
pub mod process;
pub mod promtool;
pub mod raw;
pub mod rdk;
pub mod rig;
pub mod streams;

use std::time::{Duration, Instant};

/// Asks every 50 ms until `probe` gives a value; panics with `what` and the probe's last complaint after `timeout`.
#[track_caller]
pub fn eventually<T>(
    what: &str,
    timeout: Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(complaint) if begun.elapsed() >= timeout => {
                panic!("{what}: not within {timeout:?}: {complaint}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
