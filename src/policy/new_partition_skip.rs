//! # new_partition_skip: a partition that is younger than its readers
//!
//! ## What it sees
//! An OffsetFetch answer of −1 (no offset) for a partition whose index the topic did not have when the group was first seen
//! with it, by an OffsetFetch or a commit.
//!
//! ## How records are lost
//! Producers find a new partition before consumers do, or the other way round, minutes apart (`metadata.max.age.ms`). A
//! consumer that starts there with `auto.offset.reset=latest` skips what was written until then (KAFKA-12478).
//!
//! ## What the gateway does
//! It counts answers, in `holdfast_observations_total`. Enforced and with `repair = true`, it writes 0 in place of −1, eight
//! bytes where they lie, so that the consumer begins where the partition does.
//! Replicas of the gateway each know what went through them alone, since they were started: a group whose members are
//! connected to several is known in part to each. Counts are `completeness="partial"` unless `policy.single_instance` says
//! that there is one.
//! A replica that sees a group for the first time takes the partitions of that moment for all there ever were, and so does
//! one that was restarted: it then finds nothing. Two replicas never contradict each other: both write 0.
//!
//! ## What it costs
//! OffsetFetch answers are held whole, as long as they are. A topic whose new partition the gateway heard of later than the
//! consumer makes a group read that partition from its beginning, if `repair` is on. Memory as for commit_regression.
//!
//! ## When to turn it off
//! Where a group is to see what is new only, also in new partitions: exempt the group.

/// The offset at which a partition begins.
pub const BEGINNING: i64 = 0;

/// Whether the scenario is there; `partitions_at_first` is how many the topic had when the group was first seen with it.
pub fn judge(fetched_offset: i64, index: i32, partitions_at_first: i32) -> bool {
    fetched_offset == -1 && index >= partitions_at_first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_partition_that_was_not_there_and_has_no_offset_is_found() {
        assert!(judge(-1, 3, 3));
        assert!(!judge(-1, 2, 3));
        assert!(!judge(0, 3, 3));
    }
}
