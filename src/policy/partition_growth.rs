//! # partition_growth: a key that moves to another partition
//!
//! ## What it sees
//! A CreatePartitions request for a topic that matches `topics` of its table (none does by default), or that is compacted:
//! `cleanup.policy` has compact in it. Requests that only validate are treated alike.
//!
//! ## How records are lost
//! Producers choose a partition by the key's hash modulo the number of partitions. After it grew, new records of a key land
//! elsewhere than its old ones: their order is lost, compaction never meets both, and a consumer that keeps state by
//! partition looks for it where it is not. A group that resets to the end skips what the new partitions got before it came.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for those topics, and the rest of the request goes on. Whether a topic is compacted is known
//! of topics that clients use. In force it is looked up anew unless it is known not to be; a topic of which nobody tells
//! within `cluster.lookup_timeout_ms` grows, and `holdfast_unverified_total` counts it.
//!
//! ## What it costs
//! Such a topic grows by being copied into a new one.
//!
//! ## When to turn it off
//! When producers choose partitions by themselves, or the topic is empty: exempt it until tomorrow.

use super::Settings;
use super::standing::any_matches;

/// Whether the scenario is there, whatever the topic's configs are.
pub fn judge(settings: &Settings, topic: &str) -> bool {
    any_matches(&settings.keyed_topics, topic)
}

/// What the operator is told.
pub fn text(topic: &str, count: i32) -> String {
    format!(
        "partition_growth: found {count} partitions for {topic}, allowed: no more than it has, as its records belong to partitions by key; refused by the gateway"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Pattern;

    #[test]
    fn only_topics_that_are_declared_are_found() {
        let mut settings = Settings::default();
        assert!(!judge(&settings, "accounts"));
        settings.keyed_topics = vec![Pattern("acc*".into())];
        assert!(judge(&settings, "accounts") && !judge(&settings, "orders"));
    }
}
