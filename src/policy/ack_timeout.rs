//! # ack_timeout: too little time for the replicas
//!
//! ## What it sees
//! A Produce request whose acks was 0 or 1 and whose `timeout_ms` is below `floor_ms`. The field had no meaning for such a
//! request, so a client may have put anything there.
//!
//! ## How records are lost
//! With acks=all the broker waits that long for the replicas and then answers REQUEST_TIMED_OUT, although it has appended.
//! A client that does not retry reports a stored record as lost; one that does, without idempotence, stores it twice; for
//! acks=0 nobody is there to hear it, and the record counts as unknown.
//!
//! ## What the gateway does
//! Where acks was 0 it writes `floor_ms` over the four bytes of `timeout_ms`: nobody waits for that answer. Where acks was
//! 1 it is only counted, because clients use the same figure as their own time limit. Behind other unanswered acks=0
//! requests of its connection a request gets less: see `acks_none`.
//!
//! ## What it costs
//! A connection with acks=0 may wait up to `floor_ms` for replicas that do not answer, instead of giving up earlier.
//!
//! ## When to turn it off
//! When records of acks=0 clients are better given up soon than waited for.

/// What is found about `timeout_ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// Raise it to that many milliseconds.
    Raise(i32),
    /// Too low, but the client's own clock follows it.
    CountOnly,
}

/// `acks` as the client sent it.
pub fn judge(acks: i16, timeout_ms: i32, floor_ms: i32) -> Option<Finding> {
    match acks {
        _ if timeout_ms >= floor_ms => None,
        0 => Some(Finding::Raise(floor_ms)),
        1 => Some(Finding::CountOnly),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_timeout_that_nobody_waits_for_is_raised() {
        assert_eq!(judge(0, 100, 30_000), Some(Finding::Raise(30_000)));
        assert_eq!(judge(0, 30_000, 30_000), None);
        assert_eq!(judge(1, 100, 30_000), Some(Finding::CountOnly));
        assert_eq!(judge(-1, 100, 30_000), None);
    }
}
