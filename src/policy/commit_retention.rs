//! # commit_retention: a commit that asks to be forgotten early
//!
//! ## What it sees
//! An OffsetCommit request of version 2, 3 or 4 whose `retention_time_ms` is set and shorter than the brokers'
//! `offsets.retention.minutes`. Later versions have no such field (KIP-211); old clients and hand-written ones do.
//!
//! ## How records are lost
//! The broker forgets the committed offset when that time is over, counted from the commit, even while the group lives. The
//! next consumer of the partition finds none and starts where `auto.offset.reset` says: with `latest`, behind everything
//! that was written in between.
//!
//! ## What the gateway does
//! It writes −1 in place of the time, eight bytes where they lie: the broker's own retention then holds, which begins only
//! when the group is empty. A time as long as the brokers' or longer passes, as −1 would shorten it. Brokers that differ are
//! taken at the shortest; while none has told its `offsets.retention.minutes` (DescribeConfigs, asked at start and every
//! five minutes), the commit passes and is counted as observed. Replicas of the gateway do nothing to it: each judges what
//! it sees, alone.
//!
//! ## What it costs
//! Nothing that a client notices: no request fails and no answer changes.
//!
//! ## When to turn it off
//! Where a client keeps its place for minutes on purpose, so that it starts at the end after a longer pause: exempt the
//! group.

/// `retention_time_ms` that leaves it to the brokers.
pub const BROKERS_OWN: i64 = -1;

/// How a time that is set compares with the brokers' own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retention {
    /// Nothing to be done: not set, or not shorter.
    Kept,
    /// Shorter than the brokers' own.
    Shorter,
    /// Set, and nobody knows how long the brokers' own is.
    Unknown,
}

/// Both times in milliseconds; `brokers_ms` is `None` while no broker has told its own.
pub fn judge(retention_time_ms: i64, brokers_ms: Option<i64>) -> Retention {
    match brokers_ms {
        _ if retention_time_ms < 0 => Retention::Kept,
        None => Retention::Unknown,
        Some(brokers_ms) if retention_time_ms < brokers_ms => Retention::Shorter,
        Some(_) => Retention::Kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_that_is_set_and_shorter_than_the_brokers_own_is_found() {
        for (set, brokers, expected) in [
            (-1, Some(1000), Retention::Kept),
            (-1, None, Retention::Kept),
            (0, Some(1000), Retention::Shorter),
            (999, Some(1000), Retention::Shorter),
            (1000, Some(1000), Retention::Kept),
            (1001, Some(1000), Retention::Kept),
            (999, None, Retention::Unknown),
        ] {
            assert_eq!(judge(set, brokers), expected, "{set} {brokers:?}");
        }
    }
}
