//! # oversized_batch: a batch that the topic does not take
//!
//! ## What it sees
//! A batch whose size as sent (12 + batchLength, compressed; of an old message set each outer entry) is above the topic's
//! `max.message.bytes`, or above `max_batch_bytes` where the operator set it.
//!
//! ## How records are lost
//! The broker refuses the whole batch with MESSAGE_TOO_LARGE, after all of it has crossed the network. With acks=0 nobody
//! hears of it: with the client's default batching every record of a busy topic can go that way, and the client was told
//! "ok" for each.
//!
//! ## What the gateway does
//! It answers MESSAGE_TOO_LARGE for that partition as soon as the batch header is there, with a text naming size, limit and
//! topic (Produce v8+). None of its bytes goes to the broker; innocent partitions of the request are forwarded and the
//! answers merged. A client that sent acks=0 is not answered: its records are counted as refused and its connection is
//! closed, as a broker does. A learned limit is confirmed by one fresh DescribeConfigs before it refuses; without an answer
//! within `lookup_timeout_ms` the batch is forwarded, counted in `holdfast_unverified_total`. A topic whose limit is not
//! known is forwarded: the broker checks for itself.
//!
//! ## What it costs
//! A request larger than the smallest limit in force is held until its first batch header (one partition), or until the
//! rest of it is too small to hold an oversized batch. A refusal waits for one look-up.
//!
//! ## When to turn it off
//! When the brokers' own refusal is enough and every client asks for answers.

/// Why a batch is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLarge {
    pub size: u64,
    pub limit: u32,
    /// The operator's own limit: needs no confirmation.
    pub explicit: bool,
}

/// `explicit` is `max_batch_bytes`, `learned` the topic's `max.message.bytes`. The operator's word is looked at first.
pub fn judge(size: u64, explicit: Option<u32>, learned: Option<u32>) -> Option<TooLarge> {
    let above = |limit: Option<u32>, explicit| {
        limit
            .filter(|limit| size > u64::from(*limit))
            .map(|limit| TooLarge {
                size,
                limit,
                explicit,
            })
    };
    above(explicit, true).or_else(|| above(learned, false))
}

/// What the application is told.
pub fn text(found: TooLarge, topic: &str) -> String {
    let key = if found.explicit {
        "max_batch_bytes of the gateway"
    } else {
        "max.message.bytes"
    };
    format!(
        "oversized_batch: batch of {} bytes, limit {} ({key}) of topic {topic}; refused by the gateway",
        found.size, found.limit
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed_and_one_byte_more_is_not() {
        assert_eq!(judge(1_048_588, None, Some(1_048_588)), None);
        let found = judge(1_048_589, None, Some(1_048_588)).unwrap();
        assert_eq!((found.limit, found.explicit), (1_048_588, false));
        assert!(text(found, "orders").contains("1048589 bytes, limit 1048588"));
    }

    #[test]
    fn an_unknown_limit_refuses_nothing_and_an_explicit_one_needs_no_confirmation() {
        assert_eq!(judge(u64::MAX, None, None), None);
        assert!(judge(11, Some(10), Some(5)).unwrap().explicit);
        assert!(!judge(9, Some(10), Some(5)).unwrap().explicit);
    }
}
