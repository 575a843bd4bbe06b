//! # commit_hold_back: commits that come before the work is done
//!
//! ## What it sees
//! OffsetCommit requests of live members of the groups named in `groups`. There are none by default: nothing is seen then.
//!
//! ## How records are lost
//! A client that commits by a timer (`enable.auto.commit`, librdkafka, franz-go, sarama) or before it hands a record out
//! (kafka-go's ReadMessage) commits what is still being worked on. When it dies then, the next one begins behind that.
//!
//! ## What the gateway does
//! **A heuristic.** Nothing on the wire tells what was processed. Enforced, each commit is replaced by the one that the same
//! member made before for that partition, or for its first one by what the group had committed: commits lag by one interval.
//! It helps where what was handed out is done within one. A commit is only ever lowered: records may be read twice, and none
//! is lost. One that goes back is not held, nor is one without a generation (−1), nor any in a transaction, nor the first of a
//! group without an offset.
//! The commit with which a member leaves lags like any other. It is not dropped, however far it jumps (Java's close in a finally
//! block commits what was polled last): for that each commit would have to be answered here and kept for a second, to see
//! whether the member leaves. Nor is what was held back written when the group rebalances: whoever gets the partition begins
//! one interval earlier.
//! Commits that are held back are counted in `holdfast_overrides_total`.
//! Replicas of the gateway each know what a member asked of them alone, so with several a commit would lag by more than
//! one interval, and might go back behind the last: `check` refuses `mode = "enforce"` unless `policy.single_instance` says
//! that there is one.
//!
//! ## What it costs
//! Lag is shown too high by one interval. An offset that is read back is not the one that was committed. Each handover and
//! each restart, a clean one as well, repeats the last interval; after the last commit of a group that stays quiet the lag stays.
//! Memory as for commit_regression.
//!
//! ## When to turn it off
//! For consumers that commit behind their work, that read their commits back, or that must not see a record twice: leave the
//! group out of `groups`.

/// The offset that goes on in place of the one that was asked for; `None`: that one. `before`: what the member asked for before, or
/// else what the group had committed.
pub fn judge(generation: i32, asked: i64, before: Option<i64>) -> Option<i64> {
    before.filter(|before| generation >= 0 && *before >= 0 && *before < asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_becomes_the_one_before_it_and_is_never_raised() {
        assert_eq!(judge(0, 20, Some(10)), Some(10));
        assert_eq!(judge(0, 10, Some(10)), None);
        assert_eq!(judge(0, 5, Some(10)), None);
        assert_eq!(judge(0, 20, None), None);
        assert_eq!(judge(0, 20, Some(-1)), None);
        assert_eq!(judge(-1, 20, Some(10)), None);
    }
}
