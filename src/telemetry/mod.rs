//! Floor 4: what happened -> counters, histograms, log lines with a rate limit. Opens no socket.

use std::time::Duration;

/// `[telemetry]`, and how often `[log]` wants summaries.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Client ids, and topics, that a family names; the rest is `__other__`.
    pub max_label_values: usize,
    /// Period of the summaries of overrides and refusals in the log.
    pub summary: Duration,
}
