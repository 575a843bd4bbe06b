//! # future_timestamp: records from the future keep retention from working
//!
//! ## What it sees
//! A batch whose `maxTimestamp` is more than `max_ahead_ms` ahead of the gateway's clock.
//!
//! ## How records are lost
//! A segment with a timestamp in the future is not deleted before that time comes: the disk fills, and a broker whose disk is
//! full takes nothing any more and drops out. Seconds taken for milliseconds, or milliseconds for microseconds, are the usual
//! cause. Stream processors lose more: one such record moves their time ahead, and every later one is dropped as late.
//!
//! ## What the gateway does
//! It counts the batches. In mode `enforce` it answers INVALID_TIMESTAMP for the partition, as a broker does with
//! `message.timestamp.after.max.ms` (whose default, since Kafka 3.6, lets all pass; one hour since 4.0).
//!
//! ## What it costs
//! Nothing while it counts. In force a request is held until the header of its last batch.
//!
//! ## When to turn it off
//! When timestamps are meant to lie ahead, as for planned events: exempt the topic.

/// How far ahead, and how far is allowed, in ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ahead {
    pub ahead_ms: i64,
    pub allowed_ms: i64,
}

/// `allowed_ms` is `max_ahead_ms`.
pub fn judge(max_timestamp: i64, now_ms: i64, allowed_ms: i64) -> Option<Ahead> {
    let ahead_ms = max_timestamp.saturating_sub(now_ms);
    (ahead_ms > allowed_ms).then_some(Ahead {
        ahead_ms,
        allowed_ms,
    })
}

/// What the application is told.
pub fn text(found: Ahead, topic: &str) -> String {
    format!(
        "future_timestamp: a record of topic {topic} is {} ms ahead, allowed: {} (max_ahead_ms); refused by the gateway",
        found.ahead_ms, found.allowed_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_further_ahead_than_allowed_is_found() {
        assert_eq!(judge(1_000, 900, 100), None);
        assert_eq!(judge(-1, 900, 100), None);
        let found = judge(1_001, 900, 100).unwrap();
        assert!(text(found, "orders").contains("101 ms ahead, allowed: 100"));
        assert!(judge(i64::MAX, -1, 100).is_some());
    }
}
