//! # oversized_request: a request that the broker hangs up on
//!
//! ## What it sees
//! A Produce request whose size prefix is above the brokers' `socket.request.max.bytes` (learned from the brokers, the
//! smallest of them; until then 104857600; or `max_request_bytes` where the operator set it).
//!
//! ## How records are lost
//! A broker closes the connection without an answer as soon as it has read the size. The client takes that for a network
//! fault and sends the same request again, until its delivery timeout; an acks=0 client never learns of it.
//!
//! ## What the gateway does
//! It answers MESSAGE_TOO_LARGE for every partition of the request, which makes Java split its batches, and discards the
//! bytes as they come. The connection lives on. An acks=0 client is not answered: its records are counted as refused, and
//! its connection is closed, as a broker does. A larger request of any other kind is closed, as a broker does.
//!
//! ## What it costs
//! The bytes of such a request cross the network to Holdfast for nothing; direct, the broker cuts them off.
//!
//! ## When to turn it off
//! There is hardly a reason: the broker would not take the request.

/// `socket.request.max.bytes` of a broker that was not told otherwise.
pub const DEFAULT_LIMIT: u32 = 104_857_600;

/// The limit in force. Sizes count without the prefix, as the broker counts them.
pub fn limit(explicit: Option<u32>, learned: Option<u32>) -> u32 {
    explicit.or(learned).unwrap_or(DEFAULT_LIMIT)
}

/// What the application is told.
pub fn text(size: u64, limit: u32) -> String {
    format!(
        "oversized_request: request of {size} bytes, limit {limit} (socket.request.max.bytes); refused by the gateway"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_comes_first_then_the_brokers_then_kafkas_default() {
        assert_eq!(limit(Some(1), Some(2)), 1);
        assert_eq!(limit(None, Some(2)), 2);
        assert_eq!(limit(None, None), 100 * 1024 * 1024);
        assert!(text(9, 8).contains("9 bytes, limit 8"));
    }
}
