//! # not_transactional: records outside of a transaction on a topic that demands one
//!
//! ## What it sees
//! A Produce request without `transactional_id`, with a batch for a topic that `topics` names.
//!
//! ## How records are lost
//! A program that writes what it made of other records, and commits those, in two steps, dies between the two: either the
//! results are written twice or they are never written. A transaction makes both one step; a producer that forgot its
//! `transactional.id` looks the same from outside until the day it dies.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for the partition in mode `enforce`, and counts it in mode `observe`. Without `topics` it does
//! nothing.
//!
//! ## What it costs
//! Every producer of such a topic needs transactions: a round trip per transaction, and consumers that read committed.
//!
//! ## When to turn it off
//! For the topics of a program that has a way of its own to write exactly once: do not name them.

use super::standing::any_matches;
use super::{Pattern, Settings};

/// Whether the scenario is there.
pub fn judge(transactional: bool, topics: &[Pattern], topic: Option<&str>) -> bool {
    !transactional && topic.is_some_and(|topic| any_matches(topics, topic))
}

/// Whether it can refuse at all.
pub fn refuses(settings: &Settings) -> bool {
    !settings.transactional_topics.is_empty()
}

/// What the application is told.
pub fn text(topic: &str) -> String {
    format!(
        "not_transactional: request without transactional.id, topic {topic} demands one; refused by the gateway"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_that_are_named_demand_a_transaction() {
        let topics = [Pattern("ledger".into())];
        assert!(judge(false, &topics, Some("ledger")));
        assert!(!judge(true, &topics, Some("ledger")));
        assert!(!judge(false, &topics, Some("orders")) && !judge(false, &topics, None));
    }
}
