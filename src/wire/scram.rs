//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), the client's side: for Holdfast's own connections.
//!
//! Floor 0. No channel binding, which brokers do not offer. Names and passwords are taken as they are (no SASLprep), as Kafka
//! does. A broker proves that it knows the password, too; what it may make us compute has a limit. The nonce comes from outside:
//! nothing here is random.

use super::sasl::Mechanism;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// Kafka allows 4096 to 16384; fewer make a stolen exchange cheap to guess from, more would cost us time.
pub const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=100_000;
/// A server's messages are hardly longer than two nonces.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Why the exchange does not go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    #[error("the broker's SCRAM message is not of the form {0}")]
    Malformed(&'static str),
    #[error("the broker's nonce does not begin with ours")]
    Nonce,
    #[error("the broker asks for {0} iterations, allowed are {first} to {last}", first = ITERATIONS.start(), last = ITERATIONS.end())]
    Iterations(u64),
    #[error("the broker does not know the password: its signature is wrong")]
    Signature,
    #[error("the broker refuses: {0}")]
    Refused(String),
}

/// An exchange that has begun. Holds no password.
#[derive(Debug)]
pub struct Client {
    hash: Hash,
    nonce: String,
    /// The client's first message without the GS2 header.
    first_bare: String,
}

/// What the broker has to sign with.
pub struct Verifier {
    hash: Hash,
    server_key: Vec<u8>,
    auth_message: String,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha512,
}

impl Client {
    /// `nonce`: printable, without commas, never the same. `None`: the mechanism is another one.
    pub fn new(mechanism: Mechanism, username: &str, nonce: String) -> Option<Client> {
        let hash = match mechanism {
            Mechanism::ScramSha256 => Hash::Sha256,
            Mechanism::ScramSha512 => Hash::Sha512,
            Mechanism::Plain | Mechanism::OAuthBearer => return None,
        };
        let saslname = username.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={saslname},r={nonce}");
        Some(Client {
            hash,
            nonce,
            first_bare,
        })
    }

    /// The client's first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// The client's last message, and what its answer is to be judged by. Takes as long as the iterations that the server asks
    /// for: some milliseconds.
    ///
    /// # Errors
    /// The server's message is not to be answered.
    pub fn last(self, password: &str, server_first: &[u8]) -> Result<(String, Verifier), Error> {
        let server_first = text(server_first, "r=…,s=…,i=…")?;
        let (nonce, salt, iterations) = self.challenge(server_first)?;
        let last_bare = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{last_bare}", self.first_bare);
        let salted = self.hash.salted(password.as_bytes(), &salt, iterations);
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let stored_key = self.hash.digest(&client_key);
        let signature = self.hash.hmac(&stored_key, auth_message.as_bytes());
        let proof: Vec<u8> = std::iter::zip(client_key, signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        let last = format!("{last_bare},p={}", STANDARD.encode(proof));
        let verifier = Verifier {
            hash: self.hash,
            server_key: self.hash.hmac(&salted, b"Server Key"),
            auth_message,
        };
        Ok((last, verifier))
    }

    fn challenge<'a>(&self, server_first: &'a str) -> Result<(&'a str, Vec<u8>, u32), Error> {
        const FORM: Error = Error::Malformed("r=…,s=…,i=…");
        let mut parts = server_first.split(',');
        let mut part = |name| parts.next().and_then(|part| part.strip_prefix(name));
        let nonce: &str = part("r=").ok_or(FORM)?;
        let salt = part("s=").and_then(|salt| STANDARD.decode(salt).ok());
        let salt = salt.filter(|salt| !salt.is_empty()).ok_or(FORM)?;
        let iterations: u64 = part("i=").and_then(|i| i.parse().ok()).ok_or(FORM)?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(Error::Nonce);
        }
        let allowed = u32::try_from(iterations)
            .ok()
            .filter(|i| ITERATIONS.contains(i));
        let iterations = allowed.ok_or(Error::Iterations(iterations))?;
        Ok((nonce, salt, iterations))
    }
}

impl Verifier {
    /// Whether the server's last message proves that it knows the password.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(&self, server_last: &[u8]) -> Result<(), Error> {
        const FORM: &str = "v=…";
        let server_last = text(server_last, FORM)?;
        if let Some(error) = server_last.strip_prefix("e=") {
            let error = error.chars().take(100).flat_map(char::escape_debug);
            return Err(Error::Refused(error.collect()));
        }
        let signature = server_last.split(',').next();
        let signature = signature.and_then(|part| part.strip_prefix("v="));
        let signature = signature.and_then(|v| STANDARD.decode(v).ok());
        let signature = signature.ok_or(Error::Malformed(FORM))?;
        let message = self.auth_message.as_bytes();
        match self.hash.verifies(&self.server_key, message, &signature) {
            true => Ok(()),
            false => Err(Error::Signature),
        }
    }
}

fn text<'a>(message: &'a [u8], form: &'static str) -> Result<&'a str, Error> {
    let short = Some(message).filter(|message| message.len() <= MAX_MESSAGE_BYTES);
    short
        .and_then(|message| std::str::from_utf8(message).ok())
        .ok_or(Error::Malformed(form))
}

impl Hash {
    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(bytes).to_vec(),
            Hash::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, message)
                .finalize()
                .into_bytes()
                .to_vec(),
            Hash::Sha512 => mac::<Hmac<Sha512>>(key, message)
                .finalize()
                .into_bytes()
                .to_vec(),
        }
    }

    /// In a time that does not depend on how much of it is right.
    fn verifies(self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self {
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, message).verify_slice(signature),
            Hash::Sha512 => mac::<Hmac<Sha512>>(key, message).verify_slice(signature),
        }
        .is_ok()
    }

    /// `Hi`: PBKDF2 of one block.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Hash::Sha256 => salted::<Hmac<Sha256>>(password, salt, iterations),
            Hash::Sha512 => salted::<Hmac<Sha512>>(password, salt, iterations),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> M {
    keyed::<M>(key).chain_update(message)
}

fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("an HMAC takes keys of any length")
}

fn salted<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let keyed = keyed::<M>(password);
    let first = keyed.clone().chain_update(salt).chain_update([0, 0, 0, 1]);
    let mut last = first.finalize().into_bytes();
    let mut sum = last.to_vec();
    for _ in 1..iterations {
        last = keyed.clone().chain_update(&last).finalize().into_bytes();
        for (sum, byte) in sum.iter_mut().zip(&last) {
            *sum ^= byte;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_LAST: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    const SHA512_PROOF: &str = ",p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==";
    const SHA512_SIGNATURE: &str = "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==";

    fn client(mechanism: Mechanism, username: &str) -> Client {
        Client::new(mechanism, username, NONCE.to_owned()).expect("SCRAM")
    }

    #[test]
    fn the_exchange_of_rfc_7677_is_reproduced() {
        let client = client(Mechanism::ScramSha256, "user");
        assert_eq!(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, verifier) = client
            .last("pencil", SERVER_FIRST.as_bytes())
            .expect("sound");
        assert_eq!(last, LAST);
        assert_eq!(verifier.verify(SERVER_LAST.as_bytes()), Ok(()));
    }

    /// Computed with Python's hashlib and hmac: RFC 7677 has no vectors for SHA-512.
    #[test]
    fn sha_512_makes_a_proof_of_its_own() {
        let client = client(Mechanism::ScramSha512, "user");
        let (last, verifier) = client
            .last("pencil", SERVER_FIRST.as_bytes())
            .expect("sound");
        assert!(last.ends_with(SHA512_PROOF), "{last}");
        assert_eq!(verifier.verify(SHA512_SIGNATURE.as_bytes()), Ok(()));
    }

    #[test]
    fn commas_and_equals_signs_of_names_are_written_otherwise() {
        let client = client(Mechanism::ScramSha512, "a=b,c");
        assert_eq!(client.first(), "n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO");
        assert!(Client::new(Mechanism::Plain, "a", String::new()).is_none());
    }

    #[test]
    fn a_server_that_does_not_keep_to_the_rules_is_left() {
        let check = |server_first: &str, expected: Error| {
            let client = client(Mechanism::ScramSha256, "user");
            let found = client.last("pencil", server_first.as_bytes());
            assert_eq!(found.err(), Some(expected), "{server_first}");
        };
        let form = || Error::Malformed("r=…,s=…,i=…");
        check("r=other,s=c2FsdA==,i=4096", Error::Nonce);
        check(&format!("r={NONCE},s=c2FsdA==,i=4096"), Error::Nonce);
        let more = format!("r={NONCE}x");
        check(
            &format!("{more},s=c2FsdA==,i=4095"),
            Error::Iterations(4095),
        );
        check(
            &format!("{more},s=c2FsdA==,i=100001"),
            Error::Iterations(100_001),
        );
        check(
            &format!("{more},s=c2FsdA==,i=4294971392"),
            Error::Iterations(4_294_971_392),
        );
        for wrong in [
            "",
            "s=c2FsdA==,i=4096",
            &format!("{more},s=,i=4096"),
            &format!("{more},s=!,i=4096"),
            &format!("{more},s=c2FsdA==,i=x"),
        ] {
            check(wrong, form());
        }
        check(&"r".repeat(MAX_MESSAGE_BYTES + 1), form());
    }

    #[test]
    fn a_broker_that_does_not_know_the_password_is_found_out() {
        let client = client(Mechanism::ScramSha256, "user");
        let (_, verifier) = client
            .last("pencil", SERVER_FIRST.as_bytes())
            .expect("sound");
        for (message, expected) in [
            (
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
                Error::Malformed("v=…"),
            ),
            (
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95GA=",
                Error::Signature,
            ),
            ("v=", Error::Signature),
            (
                "e=other\x1berror",
                Error::Refused("other\\u{1b}error".into()),
            ),
            ("", Error::Malformed("v=…")),
        ] {
            assert_eq!(
                verifier.verify(message.as_bytes()),
                Err(expected),
                "{message}"
            );
        }
    }
}
