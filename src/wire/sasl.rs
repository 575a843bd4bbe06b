//! SaslHandshake and SaslAuthenticate: which mechanism the client asks for, the token within, what the broker answers, and the
//! refusal of a mechanism that Holdfast cannot follow. What tokens say is `principal.rs`'s and `scram.rs`'s.
//!
//! Floor 0. After version 0 raw tokens follow, without Kafka's headers; how many depends on the mechanism, so only those
//! are let through whose tokens can be counted. Does not count them: the session does.

use super::api::ErrorCode;
use super::reader::{Error, Reader};
use super::schema;

/// A mechanism whose tokens are known here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    OAuthBearer,
}

impl Mechanism {
    pub const ALL: [Mechanism; 4] = [
        Mechanism::Plain,
        Mechanism::ScramSha256,
        Mechanism::ScramSha512,
        Mechanism::OAuthBearer,
    ];

    /// Its name at IANA, and in `sasl.mechanism`.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
            Mechanism::OAuthBearer => "OAUTHBEARER",
        }
    }

    pub fn from_name(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|one| one.name() == name)
    }

    /// How many tokens the client sends.
    pub fn tokens(self) -> u8 {
        match self {
            Mechanism::Plain | Mechanism::OAuthBearer => 1,
            Mechanism::ScramSha256 | Mechanism::ScramSha512 => 2,
        }
    }

    /// Whether who sees the bytes can authenticate with them.
    pub fn shows_the_secret(self) -> bool {
        matches!(self, Mechanism::Plain | Mechanism::OAuthBearer)
    }
}

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

/// The mechanisms that a broker offers, by its SaslHandshake response of version 0 or 1.
pub fn mechanisms(version: i16, body: &[u8]) -> Result<Vec<String>, Error> {
    schema::prove(&schema::SASL_HANDSHAKE_RESPONSE, version, body)?;
    let mut reader = Reader::new(body);
    reader.i16("error_code")?;
    let count = reader.array(false, 2, "mechanisms")?.unwrap_or(0);
    let mut names = Vec::new();
    for _ in 0..count {
        let name = reader.string(false, "mechanism")?.unwrap_or_default();
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(names)
}

/// Versions of SaslAuthenticate that are understood; from 1 on the answer says when the session ends (KIP-368).
pub const AUTHENTICATE_VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
const AUTHENTICATE_FLEXIBLE_FROM: i16 = 2;

/// Whether requests and answers of that version of SaslAuthenticate have tags.
pub fn authenticate_is_flexible(version: i16) -> bool {
    version >= AUTHENTICATE_FLEXIBLE_FROM
}

/// The token in a SaslAuthenticate request.
pub fn auth_bytes(version: i16, body: &[u8]) -> Result<&[u8], Error> {
    let flexible = authenticate_is_flexible(version);
    let mut reader = Reader::new(body);
    let token = reader.bytes(flexible, "auth_bytes")?.unwrap_or_default();
    if flexible {
        reader.skip_tags()?;
    }
    reader.end("SaslAuthenticate request")?;
    Ok(token)
}

/// What a broker says to a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Authenticated<'a> {
    pub error_code: ErrorCode,
    pub error_message: Option<&'a [u8]>,
    pub auth_bytes: &'a [u8],
    /// `None`: the version has none.
    pub lifetime: Option<SessionLifetime>,
}

/// How long the broker accepts the client from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLifetime {
    /// In ms; 0: for ever, or not at all.
    pub ms: i64,
    /// Where its eight bytes lie.
    pub at: usize,
}

impl<'a> Authenticated<'a> {
    /// `answer`: what follows the correlation id of a SaslAuthenticate response.
    pub fn of_answer(version: i16, answer: &'a [u8]) -> Result<Authenticated<'a>, Error> {
        let mut reader = Reader::new(answer);
        if authenticate_is_flexible(version) {
            // Those of the header.
            reader.skip_tags()?;
        }
        Authenticated::read(version, reader)
    }

    /// Of a response without its header.
    pub fn of_body(version: i16, body: &'a [u8]) -> Result<Authenticated<'a>, Error> {
        Authenticated::read(version, Reader::new(body))
    }

    fn read(version: i16, mut reader: Reader<'a>) -> Result<Authenticated<'a>, Error> {
        let flexible = authenticate_is_flexible(version);
        let error_code = ErrorCode(reader.i16("error_code")?);
        let error_message = reader.string(flexible, "error_message")?;
        let auth_bytes = reader.bytes(flexible, "auth_bytes")?.unwrap_or_default();
        let at = reader.offset();
        let lifetime = match version {
            0 => None,
            _ => Some(reader.i64("session_lifetime_ms")?),
        };
        let accepted = error_code == ErrorCode::NONE;
        Ok(Authenticated {
            error_code,
            error_message,
            auth_bytes,
            lifetime: lifetime.map(|ms| SessionLifetime {
                ms: if accepted { ms } else { 0 },
                at,
            }),
        })
    }
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
    fn what_a_broker_offers_is_read() {
        let body = b"\x00\x21\x00\x00\x00\x02\x00\x05PLAIN\x00\x06GSSAPI";
        assert_eq!(
            mechanisms(1, body),
            Ok(vec!["PLAIN".into(), "GSSAPI".into()])
        );
        assert!(mechanisms(1, &body[..body.len() - 1]).is_err());
    }

    #[test]
    fn the_lifetime_of_a_session_is_read_from_an_answer_without_error() {
        let lifetime = [0, 0, 0, 0, 0, 0, 0x27, 0x10];
        let check = |version, head: &[u8], expected, token: &[u8]| {
            let answer = [head, &lifetime[..]].concat();
            let at = head.len();
            let found = Authenticated::of_answer(version, &answer).expect("whole");
            assert_eq!(found.lifetime, Some(SessionLifetime { ms: expected, at }));
            assert_eq!(found.auth_bytes, token);
            for len in 0..answer.len() {
                assert!(
                    Authenticated::of_answer(version, &answer[..len]).is_err(),
                    "{len}"
                );
            }
        };
        check(1, b"\x00\x00\xff\xff\x00\x00\x00\x02ab", 10_000, b"ab");
        check(1, b"\x00\x3a\x00\x02no\x00\x00\x00\x00", 0, b"");
        check(2, b"\x00\x00\x00\x00\x03ab", 10_000, b"ab");
        check(2, b"\x00\x00\x3a\x03no\x01", 0, b"");
        let old = b"\x00\x00\xff\xff\x00\x00\x00\x02ab";
        let found = Authenticated::of_answer(0, old).expect("whole");
        assert_eq!((found.lifetime, found.auth_bytes), (None, &b"ab"[..]));
    }

    #[test]
    fn a_token_is_read_only_from_a_whole_request() {
        for (version, body) in [
            (0, &b"\x00\x00\x00\x02ab"[..]),
            (1, b"\x00\x00\x00\x02ab"),
            (2, b"\x03ab\x00"),
        ] {
            assert_eq!(auth_bytes(version, body), Ok(&b"ab"[..]));
            assert!(auth_bytes(version, &body[..body.len() - 1]).is_err());
            assert!(auth_bytes(version, &[body, b"x"].concat()).is_err());
        }
        assert!(auth_bytes(1, b"\x7f\xff\xff\xff").is_err());
    }

    #[test]
    fn a_refusal_is_a_whole_frame() {
        assert_eq!(unsupported(9), [0, 0, 0, 10, 0, 0, 0, 9, 0, 35, 0, 0, 0, 0]);
    }
}
