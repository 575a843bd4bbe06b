//! # acks_leader: records acknowledged by the leader alone
//!
//! ## What it sees
//! A Produce request with `acks` 1, or any value but −1 and 0 (librdkafka's configuration takes up to 1000; a broker
//! refuses those with INVALID_REQUIRED_ACKS). Sarama, aiokafka and Java before 3.0 send 1 by default.
//!
//! ## How records are lost
//! The leader answers as soon as it has appended. When it dies before its followers have fetched, the new leader does not
//! have the record, and the application was told that it is stored. `min.insync.replicas` is not looked at for acks=1.
//!
//! ## What the gateway does
//! It writes −1 (all) over the two bytes of `acks`. The client gets the broker's own answer. Below `min.insync.replicas`
//! that answer is NOT_ENOUGH_REPLICAS, which clients retry: that is what the setting is for, and new to such a client.
//! With `below_min_isr = "leader"` acks=1 is let through while a partition of the request is below its
//! `min.insync.replicas` (counted in `holdfast_degraded_total`).
//!
//! ## What it costs
//! One replication round trip per request. While fewer replicas are in sync than `min.insync.replicas` asks for, writes
//! are refused (or, with `"leader"`, unsafe). More answers leave open whether a record was stored (7, 20), so a producer
//! without idempotence may store duplicates when it retries.
//!
//! ## When to turn it off
//! For topics where losing acknowledged records is better than waiting: exempt the topic, with an owner and a date.

use super::BelowMinIsr;

/// Whether the scenario is there.
pub fn judge(acks: i16) -> bool {
    acks != -1 && acks != 0
}

/// What acks becomes. `degraded`: a partition of the request is below its `min.insync.replicas`.
pub fn raised(acks: i16, degraded: bool, below_min_isr: BelowMinIsr) -> i16 {
    match (acks, degraded, below_min_isr) {
        (1, true, BelowMinIsr::Leader) => 1,
        _ => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_between_none_and_all_becomes_all() {
        assert!(judge(1) && judge(2) && judge(1000) && judge(-2));
        assert!(!judge(0) && !judge(-1));
        assert_eq!(raised(1, false, BelowMinIsr::Leader), -1);
        assert_eq!(raised(1, true, BelowMinIsr::Refuse), -1);
        assert_eq!(raised(1, true, BelowMinIsr::Leader), 1);
        assert_eq!(raised(2, true, BelowMinIsr::Leader), -1);
    }
}
