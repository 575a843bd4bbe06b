//! # commit_regression: a group goes back behind its own commit
//!
//! ## What it sees
//! An OffsetCommit request of a live member (generation or member epoch 0 and above) for an offset below the one that the
//! group committed last for that partition, as far as it is known: from commits that a broker accepted, and from offsets
//! that it told in answer to OffsetFetch. The same in a transaction (TxnOffsetCommit, of version 3 and above, which names the
//! member); what a transaction commits is not known itself, because it may be aborted.
//!
//! ## How records are lost
//! Going back loses nothing: records are read again. But a commit that goes back by itself is the trace of what does: a
//! member that lost its partition and still commits, two applications that share a group id, an automatic commit that races
//! with a manual one. The same fault in the other direction skips records, and is not seen.
//!
//! ## What the gateway does
//! It counts partitions, in `holdfast_observations_total`, and changes nothing. Commits of tools (generation −1) are not
//! counted, as resetting offsets is what they are for; neither is what comes after them.
//! Replicas of the gateway each know what went through them alone, since they were started: a group whose members are
//! connected to several is known in part to each. Counts are `completeness="partial"` unless `policy.single_instance` says
//! that there is one.
//!
//! ## What it costs
//! Memory for the last commit of 100 000 partitions of groups; those used longest ago are forgotten, and counted in
//! `holdfast_ledger_forgotten_total`.
//!
//! ## When to turn it off
//! Where consumers go back on purpose (`seek`) and commit: exempt the group.

/// Whether the scenario is there; `last` is what the group committed before.
pub fn judge(generation: i32, committed_offset: i64, last: i64) -> bool {
    generation >= 0 && committed_offset < last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_member_that_goes_back_is_found() {
        assert!(judge(0, 4, 5));
        assert!(!judge(0, 5, 5));
        assert!(!judge(0, 6, 5));
        assert!(!judge(-1, 4, 5));
    }
}
