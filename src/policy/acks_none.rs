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
//! What a client sends behind such requests waits for them, as a broker works on one request of a connection at a time: so
//! does its proving itself anew where brokers ask for that every minute or two (`connections.max.reauth.ms`). Such a client
//! is told of an earlier end of its session (of half a short one, of all but a minute of a long one), and if it was held
//! back, acks becomes 1 in the second half of a session of up to two minutes, until its handshake is there. What only the
//! leader is then known to have is counted as unknown, cause `leader_only`.
//!
//! ## What it costs
//! A broker works on one request of a connection at a time, so such a client is held to one request per replication round
//! trip and connection. The hop from the client to Holdfast stays fire-and-forget.
//!
//! ## When to turn it off
//! For clients whose records may be lost and whose rate a replication round trip cannot carry: exempt their topic or
//! client id, with an owner and a date.

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
}
