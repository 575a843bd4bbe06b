//! The loss experiments: each runs the same client direct and through Holdfast on a real cluster that breaks, and compares
//! ids. An experiment whose direct run loses nothing has failed to reproduce the loss, and says so.

mod aborted_records;
mod accounting;
mod acks_leader;
mod added_partition;
mod asked;
mod below_min_isr;
mod commit_ahead;
mod commit_past_end;
mod deleted_records;
mod hollow_acks_all;
mod oversized;
mod route;
mod sent;
mod shrink;
mod single_replica;
mod stale_timestamps;
mod table;
mod truncation;
mod unclean_election;
mod weakened_config;

use crate::support::holdfast::Metrics;
use route::Route;
use table::{Row, Way};

/// Records of acks=0 requests that ended so.
fn acks0_records(metrics: &Metrics, outcome: &str) -> u64 {
    metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)]) as u64
}

/// Whether a scenario in force refused something.
fn refused(metrics: &Metrics, scenario: &str) -> bool {
    let labels = [("scenario", scenario), ("mode", "enforce")];
    metrics.value("holdfast_rejections_total", &labels) > 0.0
}
