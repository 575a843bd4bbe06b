//! The loss experiments: each runs the same client direct and through Holdfast on a real cluster that breaks, and compares
//! ids. An experiment whose direct run loses nothing has failed to reproduce the loss, and says so.

mod accounting;
mod acks_leader;
mod below_min_isr;
mod oversized;

use crate::support::holdfast::Metrics;

/// Records of acks=0 requests that ended so.
fn acks0_records(metrics: &Metrics, outcome: &str) -> u64 {
    metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)]) as u64
}

/// Says in the test's output what an experiment saw; run with `--nocapture` to read it.
fn row(experiment: &str, way: &str, sent: usize, ok: usize, stored: usize, lost: usize) {
    println!(
        "{experiment} | {way} | sent {sent} | told ok {ok} | stored {stored} | lost though told ok {lost}"
    );
}
