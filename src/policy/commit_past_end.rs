//! # commit_past_end: a commit of records that do not exist
//!
//! ## What it sees
//! An OffsetCommit or TxnOffsetCommit request that commits, for a partition, an offset beyond the end of its log: beyond what
//! ListOffsets (latest, read_uncommitted) tells, which is the offset that the next record gets. Offsets up to an end that a leader told
//! before are known to be good; for higher ones the current leader is asked, by a request begun after the commit was read
//! (ListOffsets of version 5 and above, with which a leader that was only just elected says that it does not know yet).
//!
//! ## How records are lost
//! The broker takes any offset. The next consumer of the group asks for it, is told OFFSET_OUT_OF_RANGE, and goes where
//! `auto.offset.reset` says: with `latest` it skips what is there, and while the log grows up to that offset it reads nothing
//! at all. It comes of a group id used for two clusters, of an offset counted by hand, of a topic deleted and created anew
//! under a group that lives on, and of records that an unclean election threw away.
//!
//! ## What the gateway does
//! Enforced: it takes the partition out of the request and answers INVALID_COMMIT_OFFSET_SIZE (28) for it; the others go on.
//! Kafka's Java consumer throws InvalidCommitOffsetSizeException from commitSync, hands it to the callback of commitAsync and
//! writes a warning for an automatic commit; it goes on reading. A topic that this process has not met yet is asked for first
//! (Metadata). An error, or no answer within `cluster.lookup_timeout_ms` (each): the commit is forwarded and counted in
//! `holdfast_unverified_total`.
//! Observed: the commit goes on at once and the leader is asked behind it; what it tells is counted when it comes. A
//! connection asks one thing at a time, and what it commits meanwhile is counted as unverified. A commit that the broker
//! refuses for another reason is counted all the same.
//! In a transaction (TxnOffsetCommit) the partition is taken out as well, and answered TRANSACTION_ABORTABLE (120): Kafka's Java
//! producer throws TransactionAbortableException from sendOffsetsToTransaction or commitTransaction, aborts, and the next
//! transaction is as any other. Before version 4 (older clients) that code is not known: 28 is the answer, after which
//! Java's producer has to be closed; the transaction is aborted by the next one with its transactional id, or by its timeout.
//! Replicas of the gateway change nothing: what is compared is the commit and the log, and the log is one.
//!
//! ## What it costs
//! A ListOffsets to the leaders for commits at the tip of the log, those of all connections to one leader together in one
//! request at a time. Enforced, such a commit waits for it, a few milliseconds, and at most `cluster.lookup_timeout_ms`.
//!
//! ## When to turn it off
//! For a group that keeps something else than offsets in its commits: exempt the group.

/// Whether the scenario is there: `end` is the offset that the next record gets.
pub fn judge(committed_offset: i64, end: i64) -> bool {
    committed_offset > end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_past_the_end_when_it_is_beyond_the_next_record() {
        assert!(!judge(0, 0));
        assert!(!judge(-1, 0));
        assert!(!judge(10, 10));
        assert!(judge(11, 10));
    }
}
