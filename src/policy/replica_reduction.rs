//! # replica_reduction: a reassignment that leaves fewer copies
//!
//! ## What it sees
//! A partition of an AlterPartitionReassignments request whose new replicas are fewer than `replication_factor` of
//! `[policy.weak_topic_creation]` (3), or fewer than the partition has as far as known. Cancelling one (null) is not found.
//!
//! ## How records are lost
//! The copies that are dropped are deleted. With the one that is left goes everything that was acknowledged.
//!
//! ## What the gateway does
//! It answers INVALID_REPLICA_ASSIGNMENT with a text for those partitions, and the rest of the request goes on. What a
//! partition has today is known of topics that clients use, and looked up anew before a refusal rests on it; without an
//! answer the floor alone decides.
//!
//! ## What it costs
//! Shrinking a topic on purpose needs an exemption.
//!
//! ## When to turn it off
//! When space is needed more than the copies: exempt the topic, or the operator's client id, until tomorrow.

/// Whether the scenario is there. `today`: replicas of the partition, where known; a reassignment that is under way counts
/// the new ones, too, so that finishing it by hand may be found.
pub fn judge(replicas: usize, today: Option<u16>, floor: u16) -> bool {
    replicas < usize::from(floor.max(today.unwrap_or(0)))
}

/// What the operator is told.
pub fn text(replicas: usize, today: Option<u16>, floor: u16) -> String {
    let least = floor.max(today.unwrap_or(0));
    format!(
        "replica_reduction: found {replicas} replicas, allowed: at least {least}; refused by the gateway"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_the_floor_or_than_today_is_found() {
        assert!(judge(2, None, 3));
        assert!(judge(3, Some(4), 3));
        assert!(!judge(3, Some(1), 3));
        assert!(!judge(3, None, 3));
        assert!(text(3, Some(4), 3).contains("found 3 replicas, allowed: at least 4"));
    }
}
