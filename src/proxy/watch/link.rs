//! One connection of our own to a broker: a request goes out, its answer comes back, proven before anything reads it.
//!
//! Floor 5. Requests are encoded by kafka-protocol; answers are never decoded by it, only walked by `wire/schema.rs`. An
//! answer takes as much memory as bytes have come, up to [`MAX_ANSWER`], whatever it claims. After a failure the connection
//! is of no use any more: there is no telling what else comes.

use super::authenticate::{self, Refusal};
use crate::proxy::settings::{HostPort, Sasl};
use crate::proxy::stream::Stream;
use crate::proxy::tls::{self, ClusterTls};
use crate::proxy::upstream::{self, DialError};
use crate::telemetry::WatchFailure;
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::reader::Reader;
use crate::wire::schema::{self, Name, Value, Versions, Visitor};
use crate::wire::{self, scram, versions};
use bytes::BytesMut;
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader};
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// A cluster of a million partitions answers Metadata in about this many bytes.
pub const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// Nothing after it is of use here, and version 10 adds a wait.
const LIST_OFFSETS_LAST: i16 = 9;
/// The name under which brokers see the watch.
const CLIENT_ID: &str = "holdfast";

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Dialing {
    pub connect_timeout: Duration,
    pub tcp_user_timeout: Duration,
    pub tls: Option<Arc<ClusterTls>>,
    /// From a request's first byte to its answer's last.
    pub request_timeout: Duration,
    /// How they authenticate, if they do.
    pub sasl: Option<Arc<Sasl>>,
}

/// How an alert begins that answers what is no TLS: its kind and the first byte of the version.
const TLS_ALERT: i32 = 0x1503;

/// Why a request got no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("no answer to {api} within {} ms", within.as_millis())]
    Timeout { api: &'static str, within: Duration },
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
    #[error(
        "the broker hung up on the first {api}: where its listener wants a login, [cluster.sasl] must be set"
    )]
    HungUp { api: &'static str },
    #[error("the broker answers in TLS: cluster.tls.enabled must be true for this listener")]
    SpeaksTls,
    #[error("answer of {found} bytes to {api}, allowed are 4 to {MAX_ANSWER}")]
    Size { api: &'static str, found: i64 },
    #[error("answer with correlation id {found} to {api} with {expected}")]
    CorrelationId {
        api: &'static str,
        found: i32,
        expected: i32,
    },
    #[error("answer to {api}: {reason}")]
    Malformed {
        api: &'static str,
        reason: wire::Error,
    },
    #[error("{api} answered with error {} ({})", code.0, code.name())]
    Refused { api: &'static str, code: ErrorCode },
    #[error("the broker understands {api} {}-{}, Holdfast {}-{}", theirs.first, theirs.last, ours.first, ours.last)]
    Versions {
        api: &'static str,
        theirs: Versions,
        ours: Versions,
    },
    #[error("{api} cannot be encoded: {reason}")]
    Encode { api: &'static str, reason: String },
    #[error("Metadata that names no broker")]
    NoBrokers,
    #[error(transparent)]
    Sasl(#[from] Refusal),
}

impl From<scram::Error> for Failure {
    fn from(error: scram::Error) -> Failure {
        Failure::Sasl(error.into())
    }
}

impl Failure {
    /// The cause under which it is counted.
    pub fn reason(&self) -> WatchFailure {
        match self {
            Failure::Dial(DialError::Unresolved { .. }) => WatchFailure::Dns,
            Failure::Dial(DialError::Unreachable { .. }) => WatchFailure::Connect,
            Failure::Dial(DialError::Timeout { .. }) | Failure::Timeout { .. } => {
                WatchFailure::Timeout
            }
            Failure::Dial(DialError::Tls { .. }) | Failure::SpeaksTls => WatchFailure::Tls,
            Failure::Lost(alert) if tls::is_alert(alert) => WatchFailure::Tls,
            Failure::Lost(_) | Failure::HungUp { .. } => WatchFailure::Lost,
            Failure::Sasl(_) => WatchFailure::Authentication,
            _ => WatchFailure::Answer,
        }
    }
}

/// A connection whose broker has told which versions it understands.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    pub server: HostPort,
    pub opened: Instant,
    /// When a session that ends is half over.
    renew_at: Option<Instant>,
    correlation_id: i32,
    /// More than the versions was answered, or will be once we have logged in.
    let_in: bool,
    pub metadata_version: i16,
    /// `None`: the broker has no such API (librdkafka's mock cluster).
    pub describe_configs_version: Option<i16>,
    /// What the broker understands of the APIs that have a name here, so at most as many as there are names.
    ranges: Vec<(ApiKey, Versions)>,
    /// `None`: not of a version with which a leader that was only just elected says so (KIP-207).
    pub list_offsets_version: Option<i16>,
}

impl Link {
    /// Dials, asks for the versions, and authenticates where that is configured.
    pub async fn open(server: &HostPort, dialing: &Dialing) -> Result<Link, Failure> {
        let stream = upstream::open(
            server,
            dialing.connect_timeout,
            dialing.tcp_user_timeout,
            dialing.tls.as_deref(),
        )
        .await?;
        let mut link = Link {
            stream,
            server: server.clone(),
            opened: Instant::now(),
            renew_at: None,
            correlation_id: 0,
            let_in: dialing.sasl.is_some(),
            metadata_version: 0,
            describe_configs_version: None,
            ranges: Vec::new(),
            list_offsets_version: None,
        };
        link.ranges = link.api_versions(dialing).await?.rows;
        if let Some(sasl) = &dialing.sasl {
            let lifetime = authenticate::authenticate(&mut link, sasl, dialing).await?;
            // What was asked before the session ends is answered; half of it is longer than any request of ours takes.
            link.renew_at = lifetime.map(|lifetime| Instant::now() + lifetime / 2);
        }
        // allow_auto_topic_creation, which must be false, is there from Metadata 4 on.
        link.metadata_version = link.version(ApiKey::METADATA, 4, 13)?;
        link.describe_configs_version = match link.range(ApiKey::DESCRIBE_CONFIGS) {
            Some(_) => Some(link.version(ApiKey::DESCRIBE_CONFIGS, 1, 4)?),
            None => None,
        };
        link.list_offsets_version = link
            .version(ApiKey::LIST_OFFSETS, 5, LIST_OFFSETS_LAST)
            .ok();
        Ok(link)
    }

    /// The broker will soon hang up, as we have proven who we are long ago: the connection is to be made anew.
    pub fn is_due(&self) -> bool {
        self.renew_at.is_some_and(|at| at <= Instant::now())
    }

    fn range(&self, key: ApiKey) -> Option<Versions> {
        let row = self.ranges.iter().find(|(listed, _)| *listed == key);
        row.map(|(_, versions)| *versions)
    }

    /// The newest version of an API from `first` to `last` that the broker understands, too.
    pub fn version(&self, key: ApiKey, first: i16, last: i16) -> Result<i16, Failure> {
        pick(key, self.range(key), first, last)
    }

    async fn api_versions(&mut self, dialing: &Dialing) -> Result<Ranges, Failure> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(CLIENT_ID))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        for version in [3, 0] {
            let body = self.call(version, &request, dialing).await?;
            // A broker that does not know version 3 answers in the body of version 0.
            let refused = body.starts_with(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
            if refused && version > 0 {
                continue;
            }
            let mut ranges = Ranges::default();
            walk(&schema::API_VERSIONS_RESPONSE, version, &body, &mut ranges)?;
            return match ranges.error_code {
                ErrorCode::NONE => Ok(ranges),
                code => Err(Failure::Refused {
                    api: "ApiVersions",
                    code,
                }),
            };
        }
        Err(Failure::Refused {
            api: "ApiVersions",
            code: ErrorCode::UNSUPPORTED_VERSION,
        })
    }

    /// Sends one request and returns the body of its answer, unproven.
    pub async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        dialing: &Dialing,
    ) -> Result<Vec<u8>, Failure> {
        let api = ApiKey(R::KEY).name();
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = encode(version, self.correlation_id, request)?;
        let within = dialing.request_timeout;
        let exchange = self.exchange(api, &frame);
        let answer = timeout_at(Instant::now() + within, exchange)
            .await
            .map_err(|_| Failure::Timeout { api, within })??;
        self.let_in |= R::KEY != ApiKey::API_VERSIONS.0;
        let flexible = R::Response::header_version(version) == 1;
        body(api, self.correlation_id, answer, flexible)
    }

    /// A listener that does answers for its versions, and nothing else.
    fn may_want_a_login(&self, api: &'static str) -> bool {
        !self.let_in && api != ApiKey::API_VERSIONS.name()
    }

    async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await?;
        self.stream.flush().await
    }

    async fn exchange(&mut self, api: &'static str, frame: &[u8]) -> Result<Vec<u8>, Failure> {
        if let Err(lost) = self.write(frame).await {
            // A broker that refuses our certificate has said so before it hung up.
            let said = self.stream.read_u8().await.err();
            return Err(said.filter(tls::is_alert).unwrap_or(lost).into());
        }
        let found = match self.stream.read_i32().await {
            Err(end)
                if self.may_want_a_login(api) && end.kind() == io::ErrorKind::UnexpectedEof =>
            {
                return Err(Failure::HungUp { api });
            }
            found => found?,
        };
        if found >> 16 == TLS_ALERT {
            return Err(Failure::SpeaksTls);
        }
        let size = usize::try_from(found)
            .ok()
            .filter(|size| (4..=MAX_ANSWER).contains(size))
            .ok_or(Failure::Size {
                api,
                found: i64::from(found),
            })?;
        let mut answer = Vec::new();
        let limit = u64::try_from(size).unwrap_or(0);
        (&mut self.stream)
            .take(limit)
            .read_to_end(&mut answer)
            .await?;
        match answer.len() == size {
            true => Ok(answer),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// A whole request frame.
fn encode<R: Request>(version: i16, correlation_id: i32, request: &R) -> Result<Vec<u8>, Failure> {
    let api = ApiKey(R::KEY).name();
    let failed = |reason: String| Failure::Encode { api, reason };
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    let mut frame = BytesMut::from(&[0_u8; 4][..]);
    header
        .encode(&mut frame, R::header_version(version))
        .and_then(|()| request.encode(&mut frame, version))
        .map_err(|error| failed(error.to_string()))?;
    let size = i32::try_from(frame.len() - 4).map_err(|error| failed(error.to_string()))?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame.into())
}

/// The answer without its header.
fn body(
    api: &'static str,
    expected: i32,
    mut answer: Vec<u8>,
    flexible: bool,
) -> Result<Vec<u8>, Failure> {
    let malformed = |reason| Failure::Malformed { api, reason };
    let mut reader = Reader::new(&answer);
    let found = reader.i32("correlation_id").map_err(malformed)?;
    if found != expected {
        return Err(Failure::CorrelationId {
            api,
            found,
            expected,
        });
    }
    if flexible {
        reader.skip_tags().map_err(malformed)?;
    }
    let start = reader.offset();
    answer.drain(..start);
    Ok(answer)
}

/// Proves a body and tells `visitor` of it.
pub fn walk<'a, V: Visitor<'a>>(
    message: &schema::Message,
    version: i16,
    body: &'a [u8],
    visitor: &mut V,
) -> Result<(), Failure> {
    schema::walk(message, version, body, visitor).map_err(|reason| Failure::Malformed {
        api: message.api_key.name(),
        reason,
    })
}

/// The newest version that both sides understand.
fn pick(key: ApiKey, theirs: Option<Versions>, first: i16, last: i16) -> Result<i16, Failure> {
    let theirs = theirs.unwrap_or(Versions::NONE);
    let newest = theirs.last.min(last);
    let ours = Versions { first, last };
    debug_assert!(versions::listed(key).is_none_or(|api| api.versions.last >= last));
    match theirs.contain(newest) && ours.contain(newest) {
        true => Ok(newest),
        false => Err(Failure::Versions {
            api: key.name(),
            theirs,
            ours,
        }),
    }
}

/// The rows of an ApiVersions answer whose APIs have a name.
struct Ranges {
    error_code: ErrorCode,
    rows: Vec<(ApiKey, Versions)>,
    row: Option<(ApiKey, i16)>,
}

impl Default for Ranges {
    fn default() -> Ranges {
        Ranges {
            error_code: ErrorCode::NONE,
            rows: Vec::new(),
            row: None,
        }
    }
}

impl Visitor<'_> for Ranges {
    fn enter(&mut self, _name: Name, _start: usize) {
        self.row = None;
    }

    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        let value = value.as_i16().unwrap_or_default();
        match (name, &mut self.row) {
            (Name::ErrorCode, _) => self.error_code = ErrorCode(value),
            (Name::ApiKey, row) => *row = Some((ApiKey(value), 0)),
            (Name::MinVersion, Some((_, first))) => *first = value,
            (Name::MaxVersion, Some((key, first))) => {
                let versions = Versions {
                    first: *first,
                    last: value,
                };
                let told = self.rows.iter().any(|(listed, _)| listed == key);
                if key.is_known() && !told {
                    self.rows.push((*key, versions));
                }
            }
            _ => {}
        }
    }
}
