//! # offsets_expired: a group that has lost its place
//!
//! ## What it sees
//! An OffsetFetch answer of −1 (no offset) for a partition of a group whose commit for it is known, from commits that a
//! broker accepted and from offsets that it told before.
//!
//! ## How records are lost
//! Brokers forget the offsets of a group that has been empty for `offsets.retention.minutes`, seven days if nothing else is
//! said: over a long stop, or for a job that runs once a month. The consumer then starts where `auto.offset.reset` says:
//! with `latest`, behind everything that was written while it was away.
//!
//! ## What the gateway does
//! It counts answers, in `holdfast_observations_total`. Enforced and with `repair = true`, it writes the last offset that is
//! known into the answer, eight bytes where they lie, so that the consumer goes on where it was; the broker learns it with
//! the next commit. Only where the topic is certainly the same one (cluster and gateway know its id): in a topic created
//! anew the old offset would skip records itself.
//! Replicas of the gateway each know what went through them alone, since they were started: a group whose members are
//! connected to several is known in part to each. Counts are `completeness="partial"` unless `policy.single_instance` says
//! that there is one.
//! An offset that another replica saw committed later is not known here: the repair then repeats records, it skips none.
//! Nothing is kept over a restart.
//!
//! ## What it costs
//! OffsetFetch answers are held whole, as long as they are. The repair gives a group its place back also where somebody
//! deleted the group or its offsets on purpose, to start anew: turn it off for that time. Memory as for commit_regression.
//!
//! ## When to turn it off
//! Where groups are deleted to make consumers start anew: exempt the group, or leave `repair` as it is.

/// Whether the scenario is there; `last` is what the group is known to have committed.
pub fn judge(fetched_offset: i64, last: Option<i64>) -> Option<i64> {
    match fetched_offset {
        -1 => last.filter(|last| *last >= 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_without_an_offset_where_one_was_committed_is_found() {
        assert_eq!(judge(-1, Some(7)), Some(7));
        assert_eq!(judge(-1, Some(0)), Some(0));
        assert_eq!(judge(-1, Some(-1)), None);
        assert_eq!(judge(-1, None), None);
        assert_eq!(judge(3, Some(7)), None);
    }
}
