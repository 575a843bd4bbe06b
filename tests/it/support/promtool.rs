//! Prometheus's own judge of an exposition: `promtool` of Debian's `prometheus`.

use super::process::{self, Output};
use std::process::Command;
use std::time::Duration;

/// `promtool check metrics` on this text.
#[track_caller]
pub fn check_metrics(exposition: &str) -> Output {
    process::require("promtool", "prometheus");
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    let timeout = Duration::from_secs(60);
    process::run("promtool", command, exposition.as_bytes(), timeout)
}
