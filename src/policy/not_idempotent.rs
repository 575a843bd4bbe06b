//! # not_idempotent: records that a retry may store twice, or out of order
//!
//! ## What it sees
//! A batch with `producerId` −1 in its header: the producer runs without `enable.idempotence` (librdkafka's default, Java
//! before 3.0, Sarama, and whoever sets `acks` other than all).
//!
//! ## How records are lost
//! When an answer is lost the producer sends the batch again, and the broker cannot tell that it has it: the record is there
//! twice. With several requests in flight a retried batch lands behind its successors, and where the newest record of a key
//! wins (compaction, upserts) the older one wins instead: the newer is as good as lost.
//!
//! ## What the gateway does
//! It counts the batches. Where `topics` names the topic and the mode is `enforce`, it answers POLICY_VIOLATION for the
//! partition; no other topic is ever refused, whatever the mode and the preset.
//!
//! ## What it costs
//! Nothing while it counts: one look at a header that is there already. In force a request is held until the header of its
//! last batch. A client that cannot be idempotent cannot write to such a topic.
//!
//! ## When to turn it off
//! When duplicates are harmless, as with metrics: exempt the topics.

use super::standing::any_matches;
use super::{Pattern, Settings};

/// Whether the scenario is there.
pub fn judge(producer_id: i64) -> bool {
    producer_id == -1
}

/// Whether the topic demands idempotence: the others are only observed.
pub fn demanded(topics: &[Pattern], topic: Option<&str>) -> bool {
    topic.is_some_and(|topic| any_matches(topics, topic))
}

/// Whether it can refuse at all.
pub fn refuses(settings: &Settings) -> bool {
    !settings.idempotent_topics.is_empty()
}

/// What the application is told.
pub fn text(topic: &str) -> String {
    format!(
        "not_idempotent: batch with producer id -1, topic {topic} demands enable.idempotence=true; refused by the gateway"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_that_are_named_demand_idempotence() {
        assert!(judge(-1) && !judge(0) && !judge(7));
        let topics = [Pattern("pay*".into())];
        assert!(demanded(&topics, Some("payments")));
        assert!(!demanded(&topics, Some("orders")) && !demanded(&topics, None));
        assert!(!demanded(&[], Some("payments")));
    }
}
