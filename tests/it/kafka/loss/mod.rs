//! The loss experiments: each runs the same client direct and through Holdfast on a real cluster that breaks, and compares
//! ids. An experiment whose direct run loses nothing has failed to reproduce the loss, and says so.

mod accounting;
mod acks_leader;
mod below_min_isr;
mod oversized;
mod table;

use crate::support::holdfast::Metrics;
use table::{Row, Way};

/// Records of acks=0 requests that ended so.
fn acks0_records(metrics: &Metrics, outcome: &str) -> u64 {
    metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)]) as u64
}
