//! # legacy_format: messages of a time before idempotence
//!
//! ## What it sees
//! A Produce request below version 3, or messages of magic 0 or 1 in one of any version: clients from before Kafka 0.11.
//!
//! ## How records are lost
//! The old formats have no producer id, no sequence and no headers: no retry can be told from a new record, and nothing can
//! be transactional. Magic 0 has no timestamp either, so that retention goes by the time of the segment's file. Brokers
//! convert them, or since 4.0 do not take them at all: an upgrade of the brokers silences such a client.
//!
//! ## What the gateway does
//! It counts the partitions. In mode `enforce` it answers UNSUPPORTED_VERSION where the request is too old, and
//! UNSUPPORTED_FOR_MESSAGE_FORMAT where the messages are.
//!
//! ## What it costs
//! Nothing while it counts. In force a request is held until the header of its last batch, and old clients cannot write.
//!
//! ## When to turn it off
//! While a client that cannot be replaced still writes: exempt its client id.

use crate::wire::api::ErrorCode;

/// First version of Produce that knows record batches (KIP-98).
const BATCHES_FROM: i16 = 3;
/// `RecordBatch.MAGIC_VALUE_V2`.
const MAGIC_BATCH: i8 = 2;

/// With what it is refused.
pub fn judge(version: i16, magic: i8) -> Option<ErrorCode> {
    if version < BATCHES_FROM {
        Some(ErrorCode::UNSUPPORTED_VERSION)
    } else if magic < MAGIC_BATCH {
        Some(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT)
    } else {
        None
    }
}

/// What the application is told, if its version has room for it.
pub fn text(version: i16, magic: i8, topic: &str) -> String {
    format!(
        "legacy_format: Produce version {version} with magic {magic} for topic {topic}, allowed: version {BATCHES_FROM} or above with magic {MAGIC_BATCH}; refused by the gateway"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_requests_and_old_messages_are_told_apart() {
        assert_eq!(judge(2, 1), Some(ErrorCode::UNSUPPORTED_VERSION));
        assert_eq!(judge(3, 1), Some(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT));
        assert_eq!(judge(3, 2), None);
        assert!(text(7, 0, "orders").contains("Produce version 7 with magic 0"));
    }
}
