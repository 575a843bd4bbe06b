//! # commit_ahead: a commit of records that nobody was given
//!
//! ## What it sees
//! An OffsetCommit request of a live member for an offset beyond everything that clients with its client id were given of that
//! partition: the end of the last batch in their answers to Fetch, the offsets that they fetch from, and those that
//! OffsetFetch and ListOffsets told them. An offset up to the group's last commit is never ahead.
//! A group is judged for a partition once it is known from the beginning: its offset was told to a client of that address
//! (or the start or end of the log, where it had none), and then fetched from. A consumer that was there before the gateway
//! is judged from its next rebalance on.
//!
//! ## How records are lost
//! The broker takes any offset. What lies between the records that were processed and the commit is never read: an offset
//! counted by hand, the commit of another partition, a tool that goes wrong. A commit of records that were given but not yet
//! processed is not seen: nothing on the wire tells it.
//!
//! ## What the gateway does
//! It counts partitions, in `holdfast_observations_total`, by topic and group. Enforced, it lowers the offset in place to what
//! was given (the leader epoch that came with it becomes −1): the client hears success, and after a restart reads the rest.
//! Left alone are commits without a generation (−1, as tools and consumers without a group's assignment make), transactions
//! (TxnOffsetCommit: they come from a producer, whose connections and client id are not those that the records were given to,
//! so that nothing says who reads), and consumers whose Fetch requests could not all be seen: before version 4, or without
//! room to remember.
//! Replicas of the gateway each know what went through them: what a consumer was given by another one is not known here, so
//! it must not be enforced with several. `check` refuses `mode = "enforce"` unless `policy.single_instance` says that there is
//! one, and without it counts are `completeness="partial"`, and may be of commits that are right.
//!
//! ## What it costs
//! 27 bytes are read of each batch that is fetched, and an atomic number is kept for each partition that a client reads, 200 000
//! in all (some 40 MB); those that no connection reads are forgotten first, and counted in `holdfast_ledger_forgotten_total`. Answers stream
//! on. Requests for the ends of logs and for a group's offsets are held whole, and so are their answers.
//!
//! ## When to turn it off
//! For consumers that go forward on purpose (`seek`) and commit before they have fetched from there, or that share a group's
//! offsets with something that reads past the gateway: exempt the group.

/// Whether the scenario is there, and if so what was given at most. `delivered`: `None`, it is not known; `last`: what the group
/// committed before.
pub fn judge(
    generation: i32,
    committed_offset: i64,
    delivered: Option<i64>,
    last: Option<i64>,
) -> Option<i64> {
    let most = delivered?.max(last.unwrap_or(-1));
    (generation >= 0 && most >= 0 && committed_offset > most).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_member_that_commits_more_than_was_given_and_committed_is_found() {
        assert_eq!(judge(0, 11, Some(10), None), Some(10));
        assert_eq!(judge(0, 10, Some(10), None), None);
        assert_eq!(judge(-1, 11, Some(10), None), None);
        assert_eq!(judge(0, 11, None, Some(5)), None);
        assert_eq!(judge(0, 11, Some(10), Some(11)), None);
        assert_eq!(judge(0, 12, Some(10), Some(11)), Some(11));
        assert_eq!(judge(0, 12, Some(-1), None), None);
    }
}
