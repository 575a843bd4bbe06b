//! # under_replicated: an acknowledgement by fewer replicas than wanted
//!
//! ## What it sees
//! A batch for a partition that has fewer in-sync replicas right now than `min_in_sync_replicas`, or than it has replicas if
//! those are fewer, while the topic's own `min.insync.replicas` lets it pass.
//!
//! ## How records are lost
//! acks=all means all replicas that are in sync. When followers fall behind, that set shrinks down to the leader, acks=all
//! becomes acks=1 without a word, and the loss of one disk loses acknowledged records. Only `min.insync.replicas` prevents
//! that, and its default is 1.
//!
//! ## What the gateway does
//! In mode `enforce` it answers NOT_ENOUGH_REPLICAS for the partition, which producers retry, after one fresh look at the
//! partition begun while the request waits: a stale view refuses nothing. Without an answer within `lookup_timeout_ms` the
//! batch is forwarded, counted in `holdfast_unverified_total`. In mode `observe` it counts by the last look. Where the set is
//! below the topic's own `min.insync.replicas` the broker refuses acks=all by itself, and nothing is counted here. A topic
//! with one replica is not refused: it is `weak_topic`'s matter.
//!
//! ## What it costs
//! Nothing while it counts. In force a request is held until the header of its last batch while the last look at the cluster knows
//! of a partition, of the broker that it goes to, with fewer in-sync replicas than replicas, and waits for a fresh look (about a
//! round trip) where they are too few; while it knows of none, requests stream on. Writes stop while replicas are too few: what
//! `min.insync.replicas` would do.
//!
//! ## When to turn it off
//! Where writing on matters more than keeping what was written. The better way is `min.insync.replicas` on the topic, which
//! the leader checks at the moment of the append; this sees it a moment earlier.

/// How many are in sync, and how many are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooFew {
    pub in_sync: u16,
    pub wanted: u16,
}

/// `wanted` is `min_in_sync_replicas`, `min_isr` the topic's `min.insync.replicas` (not known: its default, 1).
pub fn judge(in_sync: u16, replicas: u16, min_isr: Option<u16>, wanted: u16) -> Option<TooFew> {
    let wanted = wanted.min(replicas);
    let broker_refuses = min_isr.is_some_and(|least| in_sync < least);
    (in_sync < wanted && !broker_refuses).then_some(TooFew { in_sync, wanted })
}

/// What the application is told.
pub fn text(found: TooFew, topic: &str, partition: i32) -> String {
    format!(
        "under_replicated: {} in-sync replicas of {topic}-{partition}, wanted {}; refused by the gateway, try again",
        found.in_sync, found.wanted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_below_what_is_wanted_is_found_unless_the_broker_refuses_by_itself() {
        assert!(judge(1, 3, Some(1), 2).is_some());
        assert!(judge(1, 3, None, 2).is_some());
        assert_eq!(judge(2, 3, Some(1), 2), None);
        assert_eq!(judge(1, 3, Some(2), 2), None);
        assert_eq!(judge(1, 1, Some(1), 2), None);
        let found = judge(2, 3, Some(2), 3).unwrap();
        assert!(text(found, "orders", 4).contains("2 in-sync replicas of orders-4, wanted 3"));
    }
}
