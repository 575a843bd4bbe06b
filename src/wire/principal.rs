//! Who a client is, as the tokens of its SASL exchange show it. Nothing is believed here: a [`Claim`] becomes a principal only
//! by the broker's answer.
//!
//! Floor 0. Tokens are read as Kafka's own servers read them (`PlainSaslServer`, `ScramMessages`,
//! `OAuthBearerClientInitialResponse`), or not at all: where two readings are possible, nobody is shown. Passwords, proofs and
//! signatures are passed over; what is kept is a name of at most [`MAX_PRINCIPAL_BYTES`].
//!
//! | mechanism | whose name | accepted by |
//! |---|---|---|
//! | PLAIN | the username | an empty answer |
//! | SCRAM-SHA-256, SCRAM-SHA-512 | `n=` of the first token, unless it is a delegation token's | `v=` in the second answer |
//! | OAUTHBEARER | claim `sub` of the token, a JWT | an empty answer: a refused token is answered without error code, too |
//! | GSSAPI and others | nobody's | |

use super::sasl::Mechanism;
use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, general_purpose};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// A longer principal, `User:` included, is taken for none: a part of a name could be another's.
pub const MAX_PRINCIPAL_BYTES: usize = 256;
/// Longer tokens are not looked at. Signed ones of identity providers have one to four thousand bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What separates the parts of OAUTHBEARER's token (RFC 7628).
const KV_SEPARATOR: char = '\x01';
/// Of JWTs (RFC 7515); Kafka's readers do not mind padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    general_purpose::NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An exchange of tokens under way, from the client's side.
#[derive(Debug, Default)]
pub struct Exchange {
    mechanism: Option<Mechanism>,
    tokens: u8,
    /// As SCRAM's first token named the user.
    scram: Option<Arc<str>>,
}

/// Whom a token claims to be, and what the broker has to answer so that it is true.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claim {
    principal: Option<Arc<str>>,
    proof: Proof,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Proof {
    /// Whose it is is not shown: any answer without error may be the last one.
    #[default]
    Any,
    /// More tokens follow.
    None,
    Empty,
    ScramFinal,
}

impl Exchange {
    /// `None`: a mechanism that does not show anybody.
    pub fn new(mechanism: Option<Mechanism>) -> Exchange {
        Exchange {
            mechanism,
            tokens: 0,
            scram: None,
        }
    }

    /// The client's next token; `None`: it was too long to be looked at.
    pub fn token(&mut self, token: Option<&[u8]>) -> Claim {
        self.tokens = self.tokens.saturating_add(1);
        let text = token
            .filter(|token| token.len() <= MAX_TOKEN_BYTES)
            .and_then(|token| std::str::from_utf8(token).ok());
        match (self.mechanism, self.tokens) {
            (Some(Mechanism::Plain), 1) => Claim {
                principal: text.and_then(plain),
                proof: Proof::Empty,
            },
            (Some(Mechanism::OAuthBearer), 1) => Claim {
                principal: text.and_then(oauthbearer),
                proof: Proof::Empty,
            },
            (Some(Mechanism::ScramSha256 | Mechanism::ScramSha512), 1) => {
                self.scram = text.and_then(scram);
                Claim {
                    principal: None,
                    proof: Proof::None,
                }
            }
            (Some(Mechanism::ScramSha256 | Mechanism::ScramSha512), 2) => Claim {
                principal: self.scram.take(),
                proof: Proof::ScramFinal,
            },
            (None, _) => Claim::default(),
            (Some(_), _) => Claim {
                principal: None,
                proof: Proof::None,
            },
        }
    }
}

impl Claim {
    /// By the token that the broker answered without an error: `None`, it does not accept anybody yet; `Some(None)`, it may
    /// have accepted somebody who is not shown.
    pub fn accepted(&self, answer: &[u8]) -> Option<Option<&Arc<str>>> {
        let accepted = match self.proof {
            Proof::Any => true,
            Proof::None => false,
            Proof::Empty => answer.is_empty(),
            Proof::ScramFinal => answer.starts_with(b"v="),
        };
        accepted.then_some(self.principal.as_ref())
    }
}

/// As Kafka's default principal builder names who authenticated.
fn principal(name: &str) -> Option<Arc<str>> {
    let fits = !name.is_empty() && name.len() + "User:".len() <= MAX_PRINCIPAL_BYTES;
    fits.then(|| format!("User:{name}").into())
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616).
fn plain(token: &str) -> Option<Arc<str>> {
    let mut parts = token.split('\0');
    let (authzid, username) = (parts.next()?, parts.next()?);
    let password_only = parts.next().is_some() && parts.next().is_none();
    let one = authzid.is_empty() || authzid == username;
    (password_only && one)
        .then(|| principal(username))
        .flatten()
}

/// `n,[a=authzid],[m=…,]n=saslname,r=nonce[,extensions]` (RFC 5802).
fn scram(token: &str) -> Option<Arc<str>> {
    let (authzid, mut rest) = gs2_header(token)?;
    if let Some(reserved) = rest.strip_prefix("m=") {
        rest = reserved.split_once(',')?.1;
    }
    let (name, rest) = rest.strip_prefix("n=")?.split_once(',')?;
    let mut rest = rest.strip_prefix("r=")?.split(',').skip(1);
    // The user of a delegation token is its owner, whom only the broker knows.
    let delegated = rest.any(|extension| extension.starts_with("tokenauth="));
    let one = authzid.is_empty() || authzid == name;
    match one && !delegated {
        true => principal(&saslname(name)?),
        false => None,
    }
}

/// `n,[a=authzid],^Akey=value^A…^A^A` (RFC 7628), where `auth` is `Bearer <token>`.
fn oauthbearer(token: &str) -> Option<Arc<str>> {
    let (authzid, rest) = gs2_header(token)?;
    let pairs = rest.strip_prefix(KV_SEPARATOR)?;
    let mut found = pairs
        .split(KV_SEPARATOR)
        .filter_map(|pair| pair.strip_prefix("auth="));
    let auth = found.next().filter(|_| found.next().is_none())?;
    let (scheme, jwt) = auth.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let name = subject(jwt.trim_start_matches(' '))?;
    let authzid = saslname(authzid)?;
    (authzid.is_empty() || authzid == name)
        .then(|| principal(&name))
        .flatten()
}

/// What stands before the message: no channel binding, and whom the client wants to be.
fn gs2_header(token: &str) -> Option<(&str, &str)> {
    let (authzid, rest) = token.strip_prefix("n,")?.split_once(',')?;
    match authzid {
        "" => Some(("", rest)),
        _ => Some((authzid.strip_prefix("a=")?, rest)),
    }
}

/// `=2C` stands for a comma and `=3D` for an equals sign; nothing else begins with one.
fn saslname(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains('=') {
        return Some(Cow::Borrowed(name));
    }
    let plain = name.replace("=2C", ",").replace("=3D", "\0");
    let sound = !name.contains('\0') && !plain.contains('=');
    sound.then(|| Cow::Owned(plain.replace('\0', "=")))
}

/// The claim `sub` of a JWT. Twice the same claim is none; Kafka takes blanks off.
fn subject(jwt: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let mut parts = jwt.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims = BASE64.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.sub.trim_matches(|c| c <= ' ').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        let part = |text: &str| BASE64.encode(text);
        format!(
            "{}.{}.c2lnbmF0dXJl",
            part("{\"alg\":\"RS256\"}"),
            part(claims)
        )
    }

    /// What an only token shows, whatever it is accepted by.
    #[track_caller]
    fn check(mechanism: Mechanism, token: &str, expected: Option<&str>) {
        let claim = Exchange::new(Some(mechanism)).token(Some(token.as_bytes()));
        assert_eq!(claim.principal.as_deref(), expected, "{token:?}");
        assert_eq!(claim.accepted(b"{\"status\":\"invalid_token\"}"), None);
        assert_eq!(claim.accepted(b""), Some(expected.map(Arc::from).as_ref()));
    }

    #[test]
    fn plain_shows_the_username_and_never_the_password() {
        for (token, expected) in [
            ("\0alice\0secret", Some("User:alice")),
            ("alice\0alice\0secret", Some("User:alice")),
            ("bob\0alice\0secret", None),
            ("\0alice", None),
            ("\0alice\0secret\0bob", None),
            ("alice\0secret", None),
            ("\0\0secret", None),
            ("", None),
        ] {
            check(Mechanism::Plain, token, expected);
        }
        let long = "x".repeat(MAX_PRINCIPAL_BYTES - 5);
        let expected = format!("User:{long}");
        check(Mechanism::Plain, &format!("\0{long}\0p"), Some(&expected));
        check(Mechanism::Plain, &format!("\0{long}x\0p"), None);
        let mut exchange = Exchange::new(Some(Mechanism::Plain));
        assert_eq!(exchange.token(Some(b"\0\xff\0p")).principal, None);
        let huge = [b"\0alice\0", &[b'p'; MAX_TOKEN_BYTES][..]].concat();
        let mut exchange = Exchange::new(Some(Mechanism::Plain));
        assert_eq!(exchange.token(Some(&huge)).principal, None);
    }

    #[test]
    fn oauthbearer_shows_the_subject_of_a_token_that_can_be_read_in_one_way_only() {
        let token = |auth: &str| format!("n,,\x01{auth}\x01\x01");
        let bearer = |claims: &str| token(&format!("auth=Bearer {}", jwt(claims)));
        let alice = jwt("{\"sub\":\"alice\"}");
        for (token, expected) in [
            (bearer("{\"sub\":\"alice\"}"), Some("User:alice")),
            (
                bearer("{\"exp\":1e9,\"sub\":\" al\\u0069ce\\n\",\"aud\":[{}]}"),
                Some("User:alice"),
            ),
            (bearer("{\"sub\":\"mallory\",\"sub\":\"alice\"}"), None),
            (bearer("{\"sub\":7}"), None),
            (bearer("{\"sub\":\" \"}"), None),
            (bearer("{}"), None),
            (bearer("["), None),
            (token("auth=Bearer opaque"), None),
            (token(&format!("auth=Basic {alice}")), None),
            (
                token(&format!("a=b\x01auth=bearer  {alice}")),
                Some("User:alice"),
            ),
            (
                token(&format!("auth=Bearer {alice}\x01auth=Bearer x")),
                None,
            ),
            (
                format!("n,a=alice,\x01auth=Bearer {alice}\x01\x01"),
                Some("User:alice"),
            ),
            (format!("n,a=bob,\x01auth=Bearer {alice}\x01\x01"), None),
            (format!("y,,\x01auth=Bearer {alice}\x01\x01"), None),
        ] {
            check(Mechanism::OAuthBearer, &token, expected);
        }
    }

    #[test]
    fn scram_shows_the_name_of_the_first_token_once_the_second_is_proven() {
        for (first, expected) in [
            ("n,,n=alice,r=abc", Some("User:alice")),
            ("n,a=alice,n=alice,r=abc", Some("User:alice")),
            ("n,a=bob,n=alice,r=abc", None),
            ("n,,m=x,n=alice,r=abc", Some("User:alice")),
            ("n,,n=alice,r=abc,n=bob", Some("User:alice")),
            ("n,,n=a=2Cb=3D2C,r=abc", Some("User:a,b=2C")),
            ("n,,n=a=2cb,r=abc", None),
            ("n,,n=a=b,r=abc", None),
            ("n,,n=token,r=abc,tokenauth=true", None),
            ("n,,n=alice", None),
            ("n,,x=y,n=alice,r=abc", None),
            ("p=tls-unique,,n=alice,r=abc", None),
        ] {
            let mut exchange = Exchange::new(Some(Mechanism::ScramSha256));
            let claim = exchange.token(Some(first.as_bytes()));
            assert_eq!(claim.accepted(b"r=abcdef,s=c2FsdA==,i=4096"), None);
            assert_eq!(claim.accepted(b""), None);
            let claim = exchange.token(Some(b"c=biws,r=abcdef,p=proof"));
            assert_eq!(claim.accepted(b"e=invalid-proof"), None, "{first}");
            assert_eq!(claim.accepted(b""), None, "{first}");
            let expected = expected.map(Arc::from);
            assert_eq!(claim.accepted(b"v=sig"), Some(expected.as_ref()), "{first}");
            assert_eq!(exchange.token(Some(b"x")).accepted(b"v=sig"), None);
        }
    }

    #[test]
    fn other_mechanisms_show_nobody() {
        let mut exchange = Exchange::new(None);
        let claim = exchange.token(Some(b"\0alice\0secret"));
        assert_eq!(claim.accepted(b""), Some(None));
    }
}
