//! SaslHandshake: which mechanism the client asks for, and the refusal of one that Holdfast cannot follow.
//!
//! Floor 0. After version 0 raw tokens follow, without Kafka's headers; how many depends on the mechanism, so only those
//! are let through whose tokens can be counted. Does not count them: the session does.

use super::api::ErrorCode;
use super::reader::{Error, Reader};
use super::schema;

/// The mechanism that a SaslHandshake request of version 0 or 1 asks for.
pub fn mechanism(version: i16, body: &[u8]) -> Result<&str, Error> {
    schema::prove(&schema::SASL_HANDSHAKE_REQUEST, version, body)?;
    let what = "mechanism";
    let mechanism = Reader::new(body).string(false, what)?.unwrap_or_default();
    std::str::from_utf8(mechanism).map_err(|_| Error::Utf8 { what, offset: 0 })
}

/// The `error_code` of a SaslHandshake response of version 0 or 1.
pub fn error_code(version: i16, body: &[u8]) -> Result<ErrorCode, Error> {
    schema::prove(&schema::SASL_HANDSHAKE_RESPONSE, version, body)?;
    Reader::new(body).i16("error_code").map(ErrorCode)
}

/// Versions of SaslAuthenticate that end a session (KIP-368) and whose answers can be read.
pub const SESSION_VERSIONS: std::ops::RangeInclusive<i16> = 1..=2;

/// How long the broker accepts the client from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLifetime {
    /// In ms; 0: for ever, or not at all.
    pub ms: i64,
    /// Where its eight bytes lie.
    pub at: usize,
}

/// `answer`: what follows the correlation id of a SaslAuthenticate response of one of [`SESSION_VERSIONS`].
pub fn session_lifetime(version: i16, answer: &[u8]) -> Result<SessionLifetime, Error> {
    let flexible = version >= 2;
    let mut reader = Reader::new(answer);
    if flexible {
        // Those of the header.
        reader.skip_tags()?;
    }
    let error_code = ErrorCode(reader.i16("error_code")?);
    reader.string(flexible, "error_message")?;
    reader.bytes(flexible, "auth_bytes")?;
    let at = reader.offset();
    let ms = reader.i64("session_lifetime_ms")?;
    let accepted = error_code == ErrorCode::NONE;
    Ok(SessionLifetime {
        ms: if accepted { ms } else { 0 },
        at,
    })
}

/// The whole answer, size prefix included, that refuses a handshake: error 35 and no mechanisms.
pub fn unsupported(correlation_id: i32) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14);
    frame.extend_from_slice(&10_i32.to_be_bytes());
    frame.extend_from_slice(&correlation_id.to_be_bytes());
    frame.extend_from_slice(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
    frame.extend_from_slice(&0_i32.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mechanism_is_read_only_from_a_whole_request() {
        assert_eq!(mechanism(0, b"\x00\x05PLAIN"), Ok("PLAIN"));
        assert!(mechanism(1, b"\x00\x05PLAI").is_err());
        assert!(mechanism(1, b"\x00\x05PLAINX").is_err());
        assert!(mechanism(1, b"\xff\xff").is_err());
        assert!(mechanism(1, b"\x00\x01\xff").is_err());
        assert!(mechanism(2, b"\x00\x05PLAIN").is_err());
    }

    #[test]
    fn an_answer_is_read_only_whole() {
        assert_eq!(
            error_code(0, b"\x00\x21\x00\x00\x00\x01\x00\x05PLAIN"),
            Ok(ErrorCode(33))
        );
        assert!(error_code(0, b"\x00\x00\x7f\xff\xff\xff").is_err());
    }

    #[test]
    fn the_lifetime_of_a_session_is_read_from_an_answer_without_error() {
        let lifetime = [0, 0, 0, 0, 0, 0, 0x27, 0x10];
        let check = |version, head: &[u8], expected| {
            let answer = [head, &lifetime[..]].concat();
            let at = head.len();
            let ms = expected;
            let found = session_lifetime(version, &answer);
            assert_eq!(found, Ok(SessionLifetime { ms, at }));
            for len in 0..answer.len() {
                assert!(session_lifetime(version, &answer[..len]).is_err(), "{len}");
            }
        };
        check(1, b"\x00\x00\xff\xff\x00\x00\x00\x02ab", 10_000);
        check(1, b"\x00\x3a\x00\x02no\x00\x00\x00\x00", 0);
        check(2, b"\x00\x00\x00\x00\x03ab", 10_000);
        check(2, b"\x00\x00\x3a\x03no\x01", 0);
    }

    #[test]
    fn a_refusal_is_a_whole_frame() {
        assert_eq!(unsupported(9), [0, 0, 0, 10, 0, 0, 0, 9, 0, 35, 0, 0, 0, 0]);
    }
}
