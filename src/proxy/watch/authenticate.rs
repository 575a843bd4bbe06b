//! How connections of our own prove who they are: SaslHandshake, SaslAuthenticate, as `[cluster.sasl]` says.
//!
//! Floor 5. Secrets in files are read anew each time, so that they can be replaced while Holdfast runs. Nothing secret is part of
//! a failure. A session that ends (KIP-368) is not renewed: the connection is made anew before ([`super::link::Link::is_due`]).

use super::link::{Dialing, Failure, Link};
use crate::proxy::files;
use crate::proxy::settings::{Credentials, Password, Sasl};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::sasl::{self, Authenticated, Mechanism};
use crate::wire::scram;
use base64::Engine;
use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use std::path::Path;
use std::time::Duration;

/// As much of a broker's text as is told.
const MAX_TEXT_CHARS: usize = 300;
/// Of a file that holds a password or a token.
const MAX_SECRET_BYTES: u64 = 64 * 1024;
/// What an OAUTHBEARER client says to a refusal, so that the broker ends the exchange (RFC 7628, 3.2.3).
const OAUTHBEARER_END: &[u8] = b"\x01";

/// Why a broker does not accept us, or is not asked to. Each names the key to look at.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(
        "cluster.sasl.mechanism: the broker does not offer {asked} on this listener; it offers {offered}"
    )]
    Mechanism {
        asked: &'static str,
        offered: String,
    },
    #[error("cluster.sasl: this listener does not ask for authentication ({}); leave [cluster.sasl] out, or name a SASL listener in cluster.bootstrap_servers", code.name())]
    NotAsked { code: ErrorCode },
    #[error("{key}: the broker refuses: {text} ({})", code.name())]
    Refused {
        key: &'static str,
        text: String,
        code: ErrorCode,
    },
    #[error("{key}: {reason}")]
    Secret { key: &'static str, reason: String },
    #[error("cluster.sasl: {0}")]
    Scram(#[from] scram::Error),
    #[error("cluster.sasl: no nonce: {0}")]
    Nonce(String),
}

/// Proves who we are, over a connection that was just made. For how long the broker believes it; `None`: as long as it lasts.
pub async fn authenticate(
    link: &mut Link,
    sasl: &Sasl,
    dialing: &Dialing,
) -> Result<Option<Duration>, Failure> {
    handshake(link, sasl.mechanism, dialing).await?;
    let secret = secret(sasl).await?;
    match &sasl.credentials {
        Credentials::Token { .. } => {
            let token = format!("n,,\x01auth=Bearer {secret}\x01\x01");
            oauthbearer(link, sasl, token, dialing).await
        }
        Credentials::Password { username, .. } if sasl.mechanism == Mechanism::Plain => {
            let token = format!("\0{username}\0{secret}");
            let answer = token_sent(link, sasl, token.into(), dialing).await?;
            Ok(answer.lifetime)
        }
        Credentials::Password { username, .. } => {
            scram(link, sasl, (username, secret), dialing).await
        }
    }
}

async fn handshake(
    link: &mut Link,
    mechanism: Mechanism,
    dialing: &Dialing,
) -> Result<(), Failure> {
    // From version 1 on the tokens are requests.
    let version = link.version(ApiKey::SASL_HANDSHAKE, 1, 1)?;
    let asked = mechanism.name();
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(asked));
    let body = link.call(version, &request, dialing).await?;
    let malformed = |reason| Failure::Malformed {
        api: ApiKey::SASL_HANDSHAKE.name(),
        reason,
    };
    match sasl::error_code(version, &body).map_err(malformed)? {
        ErrorCode::NONE => Ok(()),
        ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
            let offered = sasl::mechanisms(version, &body).map_err(malformed)?;
            let offered = match offered.is_empty() {
                true => "none".to_owned(),
                false => shown(&offered.join(", ")),
            };
            Err(Refusal::Mechanism { asked, offered }.into())
        }
        code => Err(Refusal::NotAsked { code }.into()),
    }
}

/// A refused token is answered with its reason and no error code; the error comes with the end of the exchange.
async fn oauthbearer(
    link: &mut Link,
    sasl: &Sasl,
    token: String,
    dialing: &Dialing,
) -> Result<Option<Duration>, Failure> {
    let answer = token_sent(link, sasl, token.into(), dialing).await?;
    if answer.token.is_empty() {
        return Ok(answer.lifetime);
    }
    let reason = shown(&String::from_utf8_lossy(&answer.token));
    let end = Bytes::from_static(OAUTHBEARER_END);
    match token_sent(link, sasl, end, dialing).await {
        Err(Failure::Sasl(Refusal::Refused { key, text, code })) => Err(Refusal::Refused {
            key,
            text: format!("{text}: {reason}"),
            code,
        }
        .into()),
        _ => Err(Refusal::Refused {
            key: sasl.secret_key(),
            text: reason,
            code: ErrorCode::SASL_AUTHENTICATION_FAILED,
        }
        .into()),
    }
}

async fn scram(
    link: &mut Link,
    sasl: &Sasl,
    (username, password): (&str, String),
    dialing: &Dialing,
) -> Result<Option<Duration>, Failure> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|error| Refusal::Nonce(error.to_string()))?;
    let nonce = base64::engine::general_purpose::STANDARD_NO_PAD.encode(random);
    let Some(client) = scram::Client::new(sasl.mechanism, username, nonce) else {
        return Err(Refusal::Nonce(format!("{} has none", sasl.mechanism.name())).into());
    };
    let first = client.first().into();
    let challenge = token_sent(link, sasl, first, dialing).await?.token;
    // Thousands of hashes: not on a thread that moves bytes.
    let computed = tokio::task::spawn_blocking(move || client.last(&password, &challenge));
    let (last, verifier) = computed.await.map_err(std::io::Error::other)??;
    let answer = token_sent(link, sasl, last.into(), dialing).await?;
    verifier.verify(&answer.token)?;
    Ok(answer.lifetime)
}

/// What a broker says to a token that it does not refuse.
struct Answer {
    token: Vec<u8>,
    lifetime: Option<Duration>,
}

async fn token_sent(
    link: &mut Link,
    sasl: &Sasl,
    token: Bytes,
    dialing: &Dialing,
) -> Result<Answer, Failure> {
    let (first, last) = sasl::AUTHENTICATE_VERSIONS.into_inner();
    let version = link.version(ApiKey::SASL_AUTHENTICATE, first, last)?;
    let request = SaslAuthenticateRequest::default().with_auth_bytes(token);
    let body = link.call(version, &request, dialing).await?;
    let said = Authenticated::of_body(version, &body).map_err(|reason| Failure::Malformed {
        api: ApiKey::SASL_AUTHENTICATE.name(),
        reason,
    })?;
    if said.error_code != ErrorCode::NONE {
        let text = said.error_message.unwrap_or_default();
        return Err(Refusal::Refused {
            key: sasl.secret_key(),
            text: shown(&String::from_utf8_lossy(text)),
            code: said.error_code,
        }
        .into());
    }
    let ms = said.lifetime.map_or(0, |lifetime| lifetime.ms);
    Ok(Answer {
        token: said.auth_bytes.to_vec(),
        lifetime: u64::try_from(ms)
            .ok()
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis),
    })
}

/// A broker's text as a log may have it.
fn shown(text: &str) -> String {
    let short = text.chars().take(MAX_TEXT_CHARS);
    short
        .flat_map(|c| match c {
            ' '..='~' => vec![c],
            _ => c.escape_debug().collect(),
        })
        .collect()
}

async fn secret(sasl: &Sasl) -> Result<String, Failure> {
    let sasl = sasl.clone();
    let read = tokio::task::spawn_blocking(move || read_secret(&sasl));
    Ok(read.await.map_err(std::io::Error::other)??)
}

/// The password or the token as it is now. Reads a file: not on a worker.
///
/// # Errors
/// The file cannot be read, or holds nothing that can be sent; what it holds is not told.
pub fn read_secret(sasl: &Sasl) -> Result<String, Refusal> {
    let key = sasl.secret_key();
    let failed = |reason: String| Refusal::Secret { key, reason };
    match &sasl.credentials {
        Credentials::Password { password, .. } => match password {
            Password::Given(password) => Ok(password.reveal().to_owned()),
            Password::File(path) => {
                let text = read(path).map_err(failed)?;
                let password = text.strip_suffix('\n').unwrap_or(&text);
                let password = password.strip_suffix('\r').unwrap_or(password);
                match password.is_empty() || password.contains('\0') {
                    true => Err(failed(format!("{} holds no password", path.display()))),
                    false => Ok(password.to_owned()),
                }
            }
        },
        Credentials::Token { file } => {
            let text = read(file).map_err(failed)?;
            let token = text.trim();
            let sendable = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            match !token.is_empty() && token.chars().all(sendable) {
                true => Ok(token.to_owned()),
                false => Err(failed(format!(
                    "{} does not hold one token of letters, digits and -._~+/=",
                    file.display()
                ))),
            }
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = files::read(path, MAX_SECRET_BYTES);
    let bytes = bytes.map_err(|error| format!("{}: {error}", path.display()))?;
    String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", path.display()))
}
