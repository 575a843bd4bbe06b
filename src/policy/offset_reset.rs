//! # offset_reset: a consumer that starts at the end of the log
//!
//! ## What it sees
//! OFFSET_OUT_OF_RANGE in an answer to Fetch, or an answer to OffsetFetch without an offset (−1), then an answer to ListOffsets
//! for the end of that partition's log (timestamp −1), and then a Fetch from exactly there: all from one address with one
//! client id, mostly on different connections.
//!
//! ## How records are lost
//! `auto.offset.reset=latest` is the default of Java's consumer, librdkafka and others. A group that is new, whose offsets
//! have expired, or whose position retention has overtaken, is put at the end of the log: everything before it is skipped,
//! and nothing says so.
//!
//! ## What the gateway does
//! It counts the offsets between where the group was, or where the log starts, and where it goes on, in
//! `holdfast_observations_total`, by topic and group. It changes nothing. A position that was out of range is of the group
//! that reads that partition from that address; where there is none or more than one, the group is `unattributed`. What was
//! deleted before it was read is retention_overrun's. Offsets are records where the topic is neither compacted nor written by
//! transactions; else the count is an upper bound.
//! Replicas of the gateway each know what went through them: requests that one consumer sends through several are not joined,
//! and not counted. Counts are `completeness="partial"` unless `policy.single_instance` says that there is one.
//!
//! ## What it costs
//! As for commit_ahead: both look at the same. Requests for the ends of logs and their answers are held whole.
//!
//! ## When to turn it off
//! Where consumers are meant to see only what is new: exempt the group or the topic.

/// Offsets that a reader skips which goes on at `to`. `from`: the position that was out of range, if it had one;
/// `log_start_offset`: −1, it is not known. `None`: nothing was skipped, or nobody can tell.
pub fn skipped(from: Option<i64>, log_start_offset: i64, to: i64) -> Option<u64> {
    let start = from.unwrap_or(-1).max(log_start_offset);
    let skipped = to.checked_sub(start).filter(|_| start >= 0)?;
    u64::try_from(skipped).ok().filter(|skipped| *skipped > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_begins_at_the_position_but_not_before_the_log_does() {
        assert_eq!(skipped(Some(40), 10, 100), Some(60));
        assert_eq!(skipped(Some(40), 70, 100), Some(30));
        assert_eq!(skipped(Some(40), -1, 100), Some(60));
        assert_eq!(skipped(None, 70, 100), Some(30));
        assert_eq!(skipped(None, -1, 100), None);
        assert_eq!(skipped(None, 100, 100), None);
        // Beyond the end of the log it was out of range at the other end.
        assert_eq!(skipped(Some(900), 0, 100), None);
        assert_eq!(skipped(Some(i64::MIN), i64::MIN, i64::MAX), None);
    }
}
