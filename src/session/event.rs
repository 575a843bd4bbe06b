//! What happened on a connection, as data. The session writes events, the driver hands them to telemetry; an override
//! cannot be made without its event, because both come out of the same call.
//!
//! Equal consecutive events are folded into one with a count, so that a busy connection costs telemetry little.

use crate::policy::{Mode, Scenario};
use crate::wire::api::{ApiKey, ErrorCode};
use std::sync::Arc;

/// Where the records of an acks=0 request ended (exactly one of three).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// The broker said that they are stored (error 0 or 46).
    Confirmed,
    /// Certainly not stored.
    Refused,
    /// Nobody can tell.
    Unknown,
}

impl Outcome {
    pub const ALL: [Outcome; 3] = [Outcome::Confirmed, Outcome::Refused, Outcome::Unknown];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Confirmed => "confirmed",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
        }
    }
}

/// Why the records of an acks=0 request ended as they did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OutcomeCause {
    /// The broker's answer said so.
    BrokerAnswer,
    /// Holdfast refused them by a scenario.
    Policy,
    /// The frame ended before its last byte: the client was cut off or went away.
    ClientCut,
    /// The connection to the broker was lost, or could not be made, before the frame was wholly written or answered.
    BrokerLost,
    /// Read while the connection was being closed: not forwarded any more.
    Closing,
    /// The connection was ended by a limit or a protocol error.
    Aborted,
    /// The connection was being closed, and the time for that ran out.
    CloseDeadline,
    /// The leader has stored them, and was not asked to wait for the replicas ([`Degradation::Reauthentication`]).
    LeaderOnly,
    /// They went up as acks=0, because the scenario is observed or exempted: brokers do not answer those.
    NotAsked,
}

impl OutcomeCause {
    pub const ALL: [OutcomeCause; 9] = [
        OutcomeCause::BrokerAnswer,
        OutcomeCause::Policy,
        OutcomeCause::ClientCut,
        OutcomeCause::BrokerLost,
        OutcomeCause::Closing,
        OutcomeCause::Aborted,
        OutcomeCause::CloseDeadline,
        OutcomeCause::LeaderOnly,
        OutcomeCause::NotAsked,
    ];

    pub fn name(self) -> &'static str {
        match self {
            OutcomeCause::BrokerAnswer => "broker_answer",
            OutcomeCause::Policy => "policy",
            OutcomeCause::ClientCut => "client_cut",
            OutcomeCause::BrokerLost => "broker_lost",
            OutcomeCause::Closing => "closing",
            OutcomeCause::Aborted => "aborted",
            OutcomeCause::CloseDeadline => "close_deadline",
            OutcomeCause::LeaderOnly => "leader_only",
            OutcomeCause::NotAsked => "not_asked",
        }
    }
}

/// Why a connection ended, or was made to end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseCause {
    /// The client ended its side first.
    ClientClosed,
    /// The client's socket failed.
    ClientReset,
    /// The broker ended the connection.
    BrokerClosed,
    /// The broker's socket failed.
    BrokerReset,
    /// The broker's name has no address.
    BrokerUnresolved,
    /// No address of the broker could be connected to.
    BrokerUnreachable,
    /// The connection to the broker was not up within `connect_timeout_ms`.
    BrokerConnectTimeout,
    /// The broker was reached, and the TLS handshake with it failed.
    BrokerTls,
    /// No living broker has this port's node id.
    BrokerUnknown,
    /// A size prefix that no frame can have (negative, or above the limit on a request that cannot be refused).
    FrameSize,
    /// The plain port was sent a TLS ClientHello.
    TlsOnPlainPort,
    /// A header or a body that does not follow Kafka's schema.
    Malformed,
    /// A version of an API that Holdfast must understand and does not.
    UnsupportedVersion,
    /// An answer that does not belong to the request at the front of the queue.
    CorrelationMismatch,
    /// An acks=0 request failed in a way for which a broker closes the connection, too.
    AbsorbedError,
    /// A batch of an acks=0 request was refused.
    RefusedUnanswerable,
    /// Bytes expected within `header_timeout_ms` did not come.
    HeaderTimeout,
    /// A frame that had begun did not go on.
    FrameStalled,
    /// Nothing happened for `idle_timeout_ms`.
    Idle,
    /// It was older than `max_connection_age_ms`.
    MaxAge,
    /// The peer did not take bytes for `write_stall_timeout_ms`.
    WriteStalled,
    /// No budget within `budget_timeout_ms`.
    BudgetTimeout,
    /// A request before the client has logged in, where brokers ask for a login.
    Unauthenticated,
    /// A limit on what one connection may make us remember.
    LimitExceeded,
    /// Holdfast is going down.
    Drain,
    /// The task panicked.
    Panic,
}

impl CloseCause {
    pub const ALL: [CloseCause; 26] = [
        CloseCause::ClientClosed,
        CloseCause::ClientReset,
        CloseCause::BrokerClosed,
        CloseCause::BrokerReset,
        CloseCause::BrokerUnresolved,
        CloseCause::BrokerUnreachable,
        CloseCause::BrokerConnectTimeout,
        CloseCause::BrokerTls,
        CloseCause::BrokerUnknown,
        CloseCause::FrameSize,
        CloseCause::TlsOnPlainPort,
        CloseCause::Malformed,
        CloseCause::UnsupportedVersion,
        CloseCause::CorrelationMismatch,
        CloseCause::AbsorbedError,
        CloseCause::RefusedUnanswerable,
        CloseCause::HeaderTimeout,
        CloseCause::FrameStalled,
        CloseCause::Idle,
        CloseCause::MaxAge,
        CloseCause::WriteStalled,
        CloseCause::BudgetTimeout,
        CloseCause::Unauthenticated,
        CloseCause::LimitExceeded,
        CloseCause::Drain,
        CloseCause::Panic,
    ];

    /// Nobody did anything wrong: what is under way is brought to its end.
    pub fn is_orderly(self) -> bool {
        matches!(self, CloseCause::Drain | CloseCause::MaxAge)
    }

    pub fn name(self) -> &'static str {
        match self {
            CloseCause::ClientClosed => "client_closed",
            CloseCause::ClientReset => "client_reset",
            CloseCause::BrokerClosed => "broker_closed",
            CloseCause::BrokerReset => "broker_reset",
            CloseCause::BrokerUnresolved => "broker_unresolved",
            CloseCause::BrokerUnreachable => "broker_unreachable",
            CloseCause::BrokerConnectTimeout => "broker_connect_timeout",
            CloseCause::BrokerTls => "broker_tls",
            CloseCause::BrokerUnknown => "broker_unknown",
            CloseCause::FrameSize => "frame_size",
            CloseCause::TlsOnPlainPort => "tls_on_plain_port",
            CloseCause::Malformed => "malformed",
            CloseCause::UnsupportedVersion => "unsupported_version",
            CloseCause::CorrelationMismatch => "correlation_mismatch",
            CloseCause::AbsorbedError => "absorbed_error",
            CloseCause::RefusedUnanswerable => "refused_unanswerable",
            CloseCause::HeaderTimeout => "header_timeout",
            CloseCause::FrameStalled => "frame_stalled",
            CloseCause::Idle => "idle",
            CloseCause::MaxAge => "max_age",
            CloseCause::WriteStalled => "write_stalled",
            CloseCause::BudgetTimeout => "budget_timeout",
            CloseCause::Unauthenticated => "unauthenticated",
            CloseCause::LimitExceeded => "limit_exceeded",
            CloseCause::Drain => "drain",
            CloseCause::Panic => "panic",
        }
    }
}

/// Why acks was not raised to all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Degradation {
    /// A partition has fewer in-sync replicas than `min.insync.replicas`: all would be refused.
    BelowMinIsr,
    /// The client has to authenticate anew soon, and has a backlog in front of that.
    Reauthentication,
}

impl Degradation {
    pub const ALL: [Degradation; 2] = [Degradation::BelowMinIsr, Degradation::Reauthentication];

    pub fn name(self) -> &'static str {
        match self {
            Degradation::BelowMinIsr => "below_min_isr",
            Degradation::Reauthentication => "reauthentication",
        }
    }
}

/// Because of which limit a client is not read for a while.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    MaxInFlight,
    MaxAbsorbedInFlight,
    MaxAbsorbedBytes,
    BufferBytes,
    AnnouncedBytes,
}

impl Limit {
    pub const ALL: [Limit; 5] = [
        Limit::MaxInFlight,
        Limit::MaxAbsorbedInFlight,
        Limit::MaxAbsorbedBytes,
        Limit::BufferBytes,
        Limit::AnnouncedBytes,
    ];

    /// The key of `[limits]`.
    pub fn name(self) -> &'static str {
        match self {
            Limit::MaxInFlight => "max_in_flight",
            Limit::MaxAbsorbedInFlight => "max_absorbed_in_flight",
            Limit::MaxAbsorbedBytes => "max_absorbed_bytes",
            Limit::BufferBytes => "buffer_bytes",
            Limit::AnnouncedBytes => "announced_bytes",
        }
    }
}

/// Whose bytes they were.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    Client,
    Broker,
}

impl Side {
    pub const ALL: [Side; 2] = [Side::Client, Side::Broker];

    pub fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Broker => "broker",
        }
    }
}

/// Whether a count misses what other connections or other replicas of the gateway have seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Completeness {
    Exact,
    Partial,
}

impl Completeness {
    pub const ALL: [Completeness; 2] = [Completeness::Exact, Completeness::Partial];

    pub fn name(self) -> &'static str {
        match self {
            Completeness::Exact => "exact",
            Completeness::Partial => "partial",
        }
    }
}

/// One thing that happened. Topic names are absent where only a topic id is known.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Requests read from the client (whole headers), by API.
    Requests { api_key: ApiKey, count: u64 },
    /// The client named itself (request header `client_id`); `None` is Kafka's null. Holds until the next one.
    ClientId(Option<Arc<str>>),
    /// Who the client is, in Kafka's form (`User:alice`), by its certificate or once a broker accepted it; `None`: somebody who
    /// is not shown. Holds until the next one.
    Principal(Option<Arc<str>>),
    /// The client's library named itself (ApiVersions). Holds for the rest of the connection.
    Software { name: Arc<str>, version: Arc<str> },
    /// Produce requests by their acks, as the client sent it: 0, 1 or −1.
    Acks { acks: i16, count: u64 },
    /// A batch of a sampled Produce request. `bytes`: 12 + batchLength.
    Batch {
        topic: Option<Arc<str>>,
        idempotent: bool,
        bytes: u64,
    },
    /// The answer to a Produce tells the client of an error. One per partition.
    AnswerError {
        error_code: ErrorCode,
        topic: Option<Arc<str>>,
        count: u64,
    },
    /// A scenario changed a request (enforce) or would have (observe). One per request.
    Override {
        scenario: Scenario,
        mode: Mode,
        api_key: ApiKey,
        count: u64,
    },
    /// A topic of an overridden request. One per topic and request.
    OverrideTopic {
        scenario: Scenario,
        mode: Mode,
        topic: Arc<str>,
        records: u64,
        count: u64,
    },
    /// acks=0 went up as acks=1, or acks=1 as itself.
    Degraded {
        scenario: Scenario,
        reason: Degradation,
        count: u64,
    },
    /// An exemption kept a scenario from being applied.
    Exempted {
        scenario: Scenario,
        exemption: Arc<str>,
        count: u64,
    },
    /// Partitions of requests were refused (enforce) or would have been (observe): as many as `count`.
    Rejection {
        scenario: Scenario,
        mode: Mode,
        api_key: ApiKey,
        error_code: ErrorCode,
        topic: Option<Arc<str>>,
        records: u64,
        bytes: u64,
        count: u64,
    },
    /// A scenario that changes nothing counted something, in the unit of its manual.
    Observed {
        scenario: Scenario,
        completeness: Completeness,
        topic: Option<Arc<str>>,
        group: Option<Arc<str>>,
        count: u64,
    },
    /// A refusal by a learned limit could not be confirmed in time, so the request was forwarded.
    Unverified { scenario: Scenario },
    /// A frame that was to be collected was larger than the whole budget and streamed on, unjudged by the rules named.
    Unjudged { scenario: Scenario },
    /// Records of an acks=0 request reached their end.
    Acks0 {
        outcome: Outcome,
        cause: OutcomeCause,
        correlation_id: i32,
        topic: Option<Arc<str>>,
        partition: i32,
        records: u64,
        bytes: u64,
        exact: bool,
    },
    /// An absorbed answer (its client had sent acks=0) carried an error for a partition.
    AbsorbedError {
        error_code: ErrorCode,
        topic: Option<Arc<str>>,
        partition: i32,
    },
    /// A request failed with a code that exists only because its acks was raised (7, 19, 20), absorbed or relayed.
    OverrideFailure {
        scenario: Scenario,
        error_code: ErrorCode,
        topic: Option<Arc<str>>,
    },
    /// An answer that no client had asked for was absorbed.
    Absorbed { count: u64 },
    /// From a request's being judged to the arrival of its answer, in µs; of a sample.
    Answered { api_key: ApiKey, micros: u64 },
    /// A request, or the answer to one, that does not follow Kafka's schema. Precedes `Misdeed`.
    Undecodable { api_key: ApiKey, side: Side },
    /// A broker outside `broker_ids` was left out of an answer.
    BrokerOutsideSet { node_id: i32 },
    /// The peer broke the protocol or a limit; `detail` says what was found and what was allowed. Precedes `Closed`.
    Misdeed { cause: CloseCause, detail: String },
    /// The connection begins to end, or ended, for this cause. Exactly once per connection.
    Closed { cause: CloseCause },
}
