//! # acks_none: records sent with acks=0
//!
//! ## What it sees
//! A Produce request with `acks` 0. The client counts a record as sent once its bytes are in a socket buffer; the broker
//! answers nothing. `segmentio/kafka-go` does this by default.
//!
//! ## How records are lost
//! Whatever goes wrong behind the socket buffer stays unsaid: the leader dies before its followers have fetched, leadership
//! has moved, the batch is too large, the topic is gone. The broker closes the connection at most, and what was on its way
//! is lost without a trace.
//!
//! ## What the gateway does
//! It writes −1 (all) over the two bytes of `acks`, and absorbs the answer that the client never asked for. Every record
//! ends in exactly one of `holdfast_acks0_records_total{outcome="confirmed|refused|unknown"}`. Where the broker would have
//! closed the connection for an error, so does Holdfast. While a partition of the request has fewer in-sync replicas than
//! its `min.insync.replicas`, acks becomes 1 instead: acks=all would be refused there, and less would be stored than
//! without Holdfast (counted in `holdfast_degraded_total`). At most `max_absorbed_in_flight` such requests and
//! `max_absorbed_bytes` are unanswered on one connection; beyond that the client is not read.
//!
//! What a client sends behind such requests waits for them, as a broker works on one request of a connection at a time. So
//! acks becomes 1, too, for some seconds when the broker has owed an answer for two of them (or has answered
//! REQUEST_TIMED_OUT), and when a client that was not read for a while has to authenticate anew soon
//! (`connections.max.reauth.ms`; it is told of the end early: of half a short session, of all but a minute of a long one).
//! What only the leader is then known to have is counted as unknown, cause `leader_only`.
//! And `timeout_ms` is cut: to 10 s (or `ack_timeout.floor_ms`, if that is more), and to 12 s divided by
//! `max_absorbed_in_flight` for a request behind others; the answer is then REQUEST_TIMED_OUT, the records are stored by the
//! leader and counted as unknown. Nothing is stored less for either: nobody would have repeated the request.
//!
//! ## What it costs
//! A broker works on one request of a connection at a time, so such a client is held to one request per replication round
//! trip and connection. The hop from the client to Holdfast stays fire-and-forget.
//!
//! ## When to turn it off
//! For clients whose records may be lost and whose rate a replication round trip cannot carry: exempt their topic or
//! client id, with an owner and a date.

/// The most that a broker waits for replicas where no other such request of the connection is unanswered; or `floor_ms`.
const ALONE_MS: i32 = 10_000;
/// The same for all that stand in front of each other together, and the least for one of them.
const TOGETHER_MS: i32 = 12_000;
const LEAST_MS: i32 = 500;

/// Whether the scenario is there.
pub fn judge(acks: i16) -> bool {
    acks == 0
}

/// What acks becomes. `degraded`: a partition of the request is below its `min.insync.replicas`.
pub fn raised(degraded: bool) -> i16 {
    match degraded {
        true => 1,
        false => -1,
    }
}

/// The most that the broker may wait for replicas, in ms, before it goes on with what the client has sent behind this
/// request. Nobody waits for the answer, but everybody for the broker; what is stored is the same. `in_front`: former
/// acks=0 requests of the connection that are unanswered; `most`: how many there may be. `floor_ms`: that of `ack_timeout`.
pub fn patience_ms(in_front: usize, most: usize, floor_ms: i32) -> i32 {
    let most = i32::try_from(most).unwrap_or(i32::MAX).max(1);
    match in_front {
        0 => floor_ms.max(ALONE_MS),
        _ => (TOGETHER_MS / most).max(LEAST_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zero_is_none_and_it_becomes_all_unless_that_would_store_less() {
        assert!(judge(0));
        assert!(!judge(1) && !judge(-1) && !judge(7));
        assert_eq!(raised(false), -1);
        assert_eq!(raised(true), 1);
    }

    #[test]
    fn all_that_may_be_unanswered_together_takes_less_than_a_clients_patience() {
        const CLIENTS_PATIENCE_MS: i32 = 30_000;
        for most in [1, 2, 8, 32] {
            let waits = (0..most).map(|in_front| patience_ms(in_front, most, 10_000));
            assert!(waits.sum::<i32>() < CLIENTS_PATIENCE_MS, "{most}");
        }
        assert_eq!(patience_ms(0, 8, 60_000), 60_000, "the operator's word");
        assert_eq!(patience_ms(1, 8, 60_000), 1_500);
        assert_eq!(patience_ms(1, usize::MAX, 1), 500);
    }
}
