//! # retention_overrun: records that were deleted before they were read
//!
//! ## What it sees
//! Where each partition is fetched from, and where its log starts (Fetch v5 and above). OFFSET_OUT_OF_RANGE, and in the next good
//! answer for that partition a log that starts behind the position that was out of range.
//!
//! ## How records are lost
//! Retention by time or size, or a call of DeleteRecords, deletes segments whether they were read or not. A consumer that is
//! slower than that, or was away, is told OFFSET_OUT_OF_RANGE and starts where `auto.offset.reset` says: what lay in between is
//! gone, and nothing else says so.
//!
//! ## What the gateway does
//! It counts the offsets between the position and the start of the log, in `holdfast_observations_total`, and while there is time
//! shows how many are left: `holdfast_fetch_headroom_offsets`, by topic, the lowest of its partitions in the last minute
//! or two. It changes nothing.
//! Offsets are records where the topic is neither compacted nor written by transactions; else the count is an upper bound. It is one,
//! too, for a consumer that asks for an offset on purpose that it knows to be old, as `seek(0)` does.
//! Each connection of each replica of the gateway is judged by itself, so counts are `completeness="partial"`: a consumer that
//! gives up after the error, or comes back on another connection, is not counted.
//!
//! ## What it costs
//! Partitions of Fetch requests and answers are looked at while they stream, some nanoseconds each, and 48 bytes are kept for each
//! that a connection reads, at most 10 000 of them, and a million in all; what there is no room for is counted in
//! `holdfast_ledger_forgotten_total`.
//!
//! ## When to turn it off
//! Where consumers are meant to see only what is fresh: exempt the topic. Exemptions do not reach the gauge.

/// Offsets between a position that was out of range and the start of the log; `None`: it was out of range at the other end.
pub fn skipped(position: i64, log_start_offset: i64) -> Option<u64> {
    let skipped = log_start_offset.checked_sub(position.max(0))?;
    u64::try_from(skipped).ok().filter(|skipped| *skipped > 0)
}

/// How many offsets may yet be deleted before the consumer misses some; `None`: it is not known.
pub fn headroom(position: i64, log_start_offset: i64) -> Option<u64> {
    if position < 0 || log_start_offset < 0 {
        return None;
    }
    Some(u64::try_from(position - log_start_offset).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_the_position_and_the_start_was_skipped() {
        assert_eq!(skipped(5, 100), Some(95));
        assert_eq!(skipped(0, 1), Some(1));
        assert_eq!(skipped(100, 100), None);
        assert_eq!(skipped(101, 100), None);
        assert_eq!(skipped(5, -1), None);
        assert_eq!(skipped(i64::MIN, 7), Some(7));
        assert_eq!(skipped(i64::MAX, i64::MIN), None);
    }

    #[test]
    fn headroom_is_the_way_back_to_the_start_and_never_below_nothing() {
        assert_eq!(headroom(100, 40), Some(60));
        assert_eq!(headroom(40, 100), Some(0));
        assert_eq!(headroom(-1, 0), None);
        assert_eq!(headroom(0, -1), None);
        assert_eq!(headroom(i64::MAX, 0), Some(i64::MAX as u64));
    }
}
