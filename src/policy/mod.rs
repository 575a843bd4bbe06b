//! Floor 2: pure decisions. What a request shows, what is known of the cluster and the settings go in; what is to be done
//! comes out. No bytes are edited here and nothing is remembered.

pub mod ack_timeout;
pub mod acks_leader;
pub mod acks_none;
pub mod oversized_batch;
pub mod oversized_request;
pub mod plan;
pub mod standing;

use std::sync::Arc;
use std::time::SystemTime;

/// One way in which records get lost. Its name is the file, the config table, the metric label and the README row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Scenario {
    AcksNone,
    AcksLeader,
    AckTimeout,
    OversizedBatch,
    OversizedRequest,
}

impl Scenario {
    pub const COUNT: usize = 5;
    pub const ALL: [Scenario; Scenario::COUNT] = [
        Scenario::AcksNone,
        Scenario::AcksLeader,
        Scenario::AckTimeout,
        Scenario::OversizedBatch,
        Scenario::OversizedRequest,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Scenario::AcksNone => "acks_none",
            Scenario::AcksLeader => "acks_leader",
            Scenario::AckTimeout => "ack_timeout",
            Scenario::OversizedBatch => "oversized_batch",
            Scenario::OversizedRequest => "oversized_request",
        }
    }

    /// The scenario's manual: the `//!` of its file.
    pub fn source(self) -> &'static str {
        match self {
            Scenario::AcksNone => include_str!("acks_none.rs"),
            Scenario::AcksLeader => include_str!("acks_leader.rs"),
            Scenario::AckTimeout => include_str!("ack_timeout.rs"),
            Scenario::OversizedBatch => include_str!("oversized_batch.rs"),
            Scenario::OversizedRequest => include_str!("oversized_request.rs"),
        }
    }

    pub fn from_name(name: &str) -> Option<Scenario> {
        Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
    }

    /// Whether the scenario changes requests (`holdfast_overrides_total`) or refuses them (`holdfast_rejections_total`).
    pub fn refuses(self) -> bool {
        matches!(self, Scenario::OversizedBatch | Scenario::OversizedRequest)
    }
}

/// What is done about a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Mode {
    /// Not judged, not counted.
    Off,
    /// Judged and counted, not applied.
    Observe,
    /// Judged, counted and applied.
    Enforce,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Off, Mode::Observe, Mode::Enforce];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Observe => "observe",
            Mode::Enforce => "enforce",
        }
    }
}

/// What acks=1 becomes while a partition has fewer in-sync replicas than `min.insync.replicas`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BelowMinIsr {
    /// acks=all all the same: the client sees NOT_ENOUGH_REPLICAS.
    Refuse,
    /// acks=1 is let through as it is, counted as degraded.
    Leader,
}

/// A name or a name with `*` wildcards (any run of characters); no other special characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

/// A named, owned, expiring exception from scenarios.
#[derive(Clone, Debug)]
pub struct Exemption {
    pub name: Arc<str>,
    pub scenarios: Vec<Scenario>,
    /// Empty: every topic.
    pub topics: Vec<Pattern>,
    /// Empty: every client id. Topics and client ids must both match.
    pub client_ids: Vec<Pattern>,
    pub owner: String,
    pub reason: String,
    /// From then on it no longer works.
    pub expires: Option<SystemTime>,
}

/// The policy in force: complete, checked values.
#[derive(Clone, Debug)]
pub struct Settings {
    /// By `Scenario as usize`.
    pub modes: [Mode; Scenario::COUNT],
    /// `[policy.acks_leader] below_min_isr`.
    pub below_min_isr: BelowMinIsr,
    /// `[policy.ack_timeout] floor_ms`: smallest `timeout_ms` of a request whose acks was 0.
    pub ack_timeout_floor_ms: i32,
    /// `[policy.oversized_batch] max_batch_bytes`: the operator's own limit, in force beside the topics'.
    pub max_batch_bytes: Option<u32>,
    /// `[policy.oversized_request] max_request_bytes`: overrides what the brokers say of `socket.request.max.bytes`.
    pub max_request_bytes: Option<u32>,
    pub exemptions: Vec<Exemption>,
}

impl Settings {
    pub fn mode(&self, scenario: Scenario) -> Mode {
        self.modes[scenario as usize]
    }
}
