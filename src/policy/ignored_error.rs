//! # ignored_error: errors that clients were told, and may not have heard
//!
//! ## What it sees
//! The error codes of partitions in answers to Produce requests: those of the brokers, and those with which Holdfast refuses.
//!
//! ## How records are lost
//! A producer that sends and forgets (no callback, no `Future.get()`, no `flush()` before the exit) is told that its records
//! were not stored, and nobody listens. The library tries again after some errors, until `delivery.timeout.ms`; after the
//! others, and then, the records are gone. What the application made of it can't be seen from here.
//!
//! ## What the gateway does
//! It counts each partition of an answer with an error, by client and by topic, by code in
//! `holdfast_answer_errors_total`, and by client and code in `/report`. An answer that says that the records are stored
//! already (46) is none. It changes nothing. Codes that a library deals with by itself are counted as well: 6 right after a
//! leader moved is normal, 10, 29 or 32 never is.
//!
//! ## What it costs
//! Nothing: answers without an error are not looked at twice.
//!
//! ## When to turn it off
//! When a client's errors are known and dealt with elsewhere: exempt its client id, so that its count does not hide others.

use crate::wire::api::ErrorCode;

/// Whether the scenario is there.
pub fn judge(error_code: ErrorCode) -> bool {
    !matches!(
        error_code,
        ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_stored_is_an_error() {
        for code in -1..=120 {
            assert_eq!(judge(ErrorCode(code)), code != 0 && code != 46, "{code}");
        }
    }
}
