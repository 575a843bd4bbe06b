//! # acked_truncation: acknowledged records that are gone
//!
//! ## What it sees
//! The offset that each batch was given, by the answers to Produce. A batch that was sent after an acknowledgement was seen, and
//! was yet given an offset at or below the acknowledged one, shows that the log was cut back in between.
//!
//! ## How records are lost
//! An unclean election, `min.insync.replicas` 1, a disk that forgot what had been written to its cache, or a restored backup make
//! a replica the leader that lacks acknowledged records. All others cut their logs back to what it has, and new records
//! are given the old offsets. Producers were told that all is well, consumers see other records at the same offsets, and
//! no broker says a word.
//!
//! ## What the gateway does
//! It raises an alarm: a line in the log, as an error, with topic, partition and both offsets; and it counts the offsets from
//! the one given to the highest one acknowledged, in `holdfast_observations_total`. That is proof, for four things are made sure of:
//! the batch had no producer id, so that it was always a fresh append; it went up with acks=all, so that no leader that was
//! replaced and does not know can have taken it; the acknowledgement was seen before it was sent; and Metadata fetched
//! after the answer has the topic under the same id, so that it was not deleted and created anew. Where nobody tells the id
//! within a minute, it is counted in `holdfast_unverified_total`.
//! An idempotent or transactional batch may be answered with the offset under which it had been stored before, and a leader that
//! was replaced goes on taking what asks for acks=1: that is counted apart, once for each partition, connection and second, in
//! `holdfast_suspected_total`, and proves nothing by itself. Nothing is changed and nothing refused: the records were lost
//! before.
//! Each replica of the gateway knows of what went through it, so counts are `completeness="partial"` unless
//! `policy.single_instance` says otherwise: a truncation below what another replica saw acknowledged is not noticed. No alarm
//! is false for it, and several may tell of the same loss, each of the part that it knew of.
//!
//! ## What it costs
//! Some twenty nanoseconds for each Produce, 64 bytes for each partition that a connection writes to, at most 10 000 of them and
//! a million in all, and about 100 bytes for each of at most 100 000 partitions in the ledger; what there is no room
//! for is counted in `holdfast_ledger_forgotten_total`. An alarm costs one look at the topic (Metadata and DescribeConfigs).
//!
//! ## When to turn it off
//! For topics that are cut back on purpose: exempt them.

use super::not_idempotent;

/// All in-sync replicas have it before it is answered.
const ACKS_ALL: i16 = -1;

/// Whether brokers append the batch whenever they get it: one with a producer id they may have stored before, and say so
/// by the offset that it has.
#[inline]
pub fn is_fresh(producer_id: i64) -> bool {
    not_idempotent::judge(producer_id)
}

/// Whether the offset that a batch is given proves where the log ends: it is appended always, and by the leader alone that
/// the in-sync replicas follow. `acks`: as it goes up.
#[inline]
pub fn is_certain(producer_id: i64, acks: i16) -> bool {
    acks == ACKS_ALL && is_fresh(producer_id)
}

/// Whether an append that was sent after `acknowledged_offset` had been acknowledged can have been given this offset only
/// by a log that lost it. −1 stands for nothing acknowledged, and for no offset given.
#[inline]
pub fn contradicts(base_offset: i64, acknowledged_offset: i64) -> bool {
    base_offset >= 0 && base_offset <= acknowledged_offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_given_twice_only_by_a_log_that_was_cut_back() {
        assert!(!contradicts(0, -1));
        assert!(!contradicts(8, 7));
        assert!(contradicts(7, 7));
        assert!(contradicts(0, 7));
        assert!(!contradicts(-1, 7));
        assert!(!contradicts(-1, -1));
    }

    #[test]
    fn only_a_batch_without_a_producer_id_is_always_appended() {
        assert!(is_fresh(-1));
        assert!(!is_fresh(0));
        assert!(!is_fresh(i64::MAX));
    }

    #[test]
    fn only_what_all_in_sync_replicas_have_proves_anything() {
        assert!(is_certain(-1, -1));
        for (producer_id, acks) in [(-1, 1), (-1, 0), (5, -1)] {
            assert!(!is_certain(producer_id, acks));
        }
    }
}
