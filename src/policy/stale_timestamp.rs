//! # stale_timestamp: records that retention deletes as soon as they are stored
//!
//! ## What it sees
//! A batch whose `maxTimestamp` is further back than the topic's `retention.ms`, on a topic that deletes by time and keeps the
//! producer's timestamps (`cleanup.policy` with delete, `message.timestamp.type` CreateTime).
//!
//! ## How records are lost
//! Retention looks at the largest timestamp of a segment, not at when it was written. Records that are brought in with their
//! old timestamps (a restored backup, a replayed archive, a migration, a device whose clock stood still) are acknowledged,
//! and gone with the next run of the cleaner once their segment is closed, often before anybody read them.
//!
//! ## What the gateway does
//! It counts the batches. In mode `enforce` it answers INVALID_TIMESTAMP for the partition, after one fresh look at the
//! topic's configs; without an answer within `lookup_timeout_ms` the batch is forwarded, counted in
//! `holdfast_unverified_total`. The gateway's clock is what "now" means. A batch without timestamps passes, and so does one
//! in which a single record is young enough.
//!
//! ## What it costs
//! Nothing while it counts. In force a request is held until the header of its last batch, and replays into such topics fail
//! (raise `retention.ms` first).
//!
//! ## When to turn it off
//! When old records are meant to pass through once, to consumers that are awake: exempt the replaying client.

use crate::cluster::Keeping;

/// How old the youngest record is, and how long the topic keeps it, in ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stale {
    pub age_ms: i64,
    pub retention_ms: i64,
}

/// What is not known of a topic is not held against the batch.
pub fn judge(max_timestamp: i64, now_ms: i64, keeping: Keeping) -> Option<Stale> {
    let retention_ms = keeping.retention_ms.filter(|ms| *ms >= 0)?;
    let deletes = keeping.deletes == Some(true) && keeping.create_time == Some(true);
    let age_ms = now_ms.saturating_sub(max_timestamp);
    (deletes && max_timestamp >= 0 && age_ms > retention_ms).then_some(Stale {
        age_ms,
        retention_ms,
    })
}

/// What the application is told.
pub fn text(found: Stale, topic: &str) -> String {
    format!(
        "stale_timestamp: youngest record is {} ms old, topic {topic} keeps records for {} ms (retention.ms); refused by the gateway",
        found.age_ms, found.retention_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPING: Keeping = Keeping {
        unclean_leader_election: None,
        retention_ms: Some(1000),
        deletes: Some(true),
        compacts: None,
        create_time: Some(true),
    };

    #[test]
    fn a_batch_is_stale_once_all_of_it_is_older_than_retention() {
        assert_eq!(judge(9_000, 10_000, KEEPING), None);
        let found = judge(8_999, 10_000, KEEPING).unwrap();
        assert!(text(found, "orders").contains("1001 ms old"));
        assert_eq!(judge(-1, 10_000, KEEPING), None);
        assert!(judge(0, i64::MAX, KEEPING).is_some());
    }

    #[test]
    fn a_topic_that_keeps_or_stamps_records_otherwise_has_no_stale_ones() {
        for keeping in [
            Keeping { retention_ms: Some(-1), ..KEEPING },
            Keeping { retention_ms: None, ..KEEPING },
            Keeping { deletes: Some(false), ..KEEPING },
            Keeping { create_time: Some(false), ..KEEPING },
            Keeping::default(),
        ] {
            assert_eq!(judge(0, 10_000, keeping), None, "{keeping:?}");
        }
    }
}
