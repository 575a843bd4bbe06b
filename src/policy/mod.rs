//! Floor 2: pure decisions. What a request shows, what is known of the cluster and the settings go in; what is to be done
//! comes out. No bytes are edited here and nothing is remembered.

pub mod appends;
pub mod plan;
pub mod standing;

use crate::wire::api::{ApiKey, ErrorCode};
use std::sync::Arc;
use std::time::SystemTime;

/// The table of scenarios: one row each makes the enum, the module and everything that is said of it elsewhere.
macro_rules! scenarios {
    ($($Scenario:ident $name:ident {
        apis: [$($api:ident),*], overrides: $overrides:expr, refuses_with: [$($code:ident),*], counts: $counts:expr,
        default: $default:ident, strict: $strict:ident,
    })*) => {
        $(pub mod $name;)*

        /// One way in which records get lost. Its name is the file, the config table, the metric label and the README row.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Scenario {
            $($Scenario),*
        }

        impl Scenario {
            pub const ALL: [Scenario; Scenario::COUNT] = [$(Scenario::$Scenario),*];
            pub const COUNT: usize = [$(stringify!($name)),*].len();
        }

        const ROWS: [Row; Scenario::COUNT] = [$(Row {
            name: stringify!($name),
            source: include_str!(concat!(stringify!($name), ".rs")),
            apis: &[$(ApiKey::$api),*],
            overrides: $overrides,
            refuses_with: &[$(ErrorCode::$code),*],
            counts: $counts,
            default: Mode::$default,
            strict: Mode::$strict,
        }),*];
    };
}

// By API, in the order of their keys. `default` and `strict` are the modes of the two presets.
scenarios! {
    AcksNone acks_none {
        apis: [PRODUCE], overrides: true, refuses_with: [], counts: false,
        default: Enforce, strict: Enforce,
    }
    AcksLeader acks_leader {
        apis: [PRODUCE], overrides: true, refuses_with: [], counts: false,
        default: Enforce, strict: Enforce,
    }
    AckTimeout ack_timeout {
        apis: [PRODUCE], overrides: true, refuses_with: [], counts: false,
        default: Enforce, strict: Enforce,
    }
    OversizedBatch oversized_batch {
        apis: [PRODUCE], overrides: false, refuses_with: [MESSAGE_TOO_LARGE], counts: false,
        default: Enforce, strict: Enforce,
    }
    OversizedRequest oversized_request {
        apis: [PRODUCE], overrides: false, refuses_with: [MESSAGE_TOO_LARGE], counts: false,
        default: Enforce, strict: Enforce,
    }
    NotIdempotent not_idempotent {
        apis: [PRODUCE], overrides: false, refuses_with: [POLICY_VIOLATION], counts: false,
        default: Observe, strict: Enforce,
    }
    NotTransactional not_transactional {
        apis: [PRODUCE], overrides: false, refuses_with: [POLICY_VIOLATION], counts: false,
        default: Observe, strict: Enforce,
    }
    WeakTopic weak_topic {
        apis: [PRODUCE], overrides: false, refuses_with: [POLICY_VIOLATION], counts: false,
        default: Observe, strict: Observe,
    }
    UnderReplicated under_replicated {
        apis: [PRODUCE], overrides: false, refuses_with: [NOT_ENOUGH_REPLICAS], counts: false,
        default: Observe, strict: Enforce,
    }
    StaleTimestamp stale_timestamp {
        apis: [PRODUCE], overrides: false, refuses_with: [INVALID_TIMESTAMP], counts: false,
        default: Observe, strict: Observe,
    }
    FutureTimestamp future_timestamp {
        apis: [PRODUCE], overrides: false, refuses_with: [INVALID_TIMESTAMP], counts: false,
        default: Observe, strict: Observe,
    }
    LegacyFormat legacy_format {
        apis: [PRODUCE], overrides: false, refuses_with: [UNSUPPORTED_VERSION, UNSUPPORTED_FOR_MESSAGE_FORMAT], counts: false,
        default: Observe, strict: Observe,
    }
    DirtyRead dirty_read {
        apis: [FETCH, LIST_OFFSETS], overrides: true, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    RetentionOverrun retention_overrun {
        apis: [FETCH], overrides: false, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    OffsetReset offset_reset {
        apis: [FETCH, LIST_OFFSETS, OFFSET_FETCH], overrides: false, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    CommitRetention commit_retention {
        apis: [OFFSET_COMMIT], overrides: true, refuses_with: [], counts: false,
        default: Enforce, strict: Enforce,
    }
    CommitPastEnd commit_past_end {
        apis: [OFFSET_COMMIT, TXN_OFFSET_COMMIT], overrides: false,
        refuses_with: [INVALID_COMMIT_OFFSET_SIZE, TRANSACTION_ABORTABLE], counts: false,
        default: Observe, strict: Enforce,
    }
    CommitAhead commit_ahead {
        apis: [OFFSET_COMMIT, OFFSET_FETCH, LIST_OFFSETS, FETCH], overrides: true, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    CommitRegression commit_regression {
        apis: [OFFSET_COMMIT, OFFSET_FETCH, TXN_OFFSET_COMMIT], overrides: false, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    CommitHoldBack commit_hold_back {
        apis: [OFFSET_COMMIT, OFFSET_FETCH], overrides: true, refuses_with: [], counts: false,
        default: Observe, strict: Observe,
    }
    OffsetsExpired offsets_expired {
        apis: [OFFSET_FETCH, OFFSET_COMMIT], overrides: true, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    NewPartitionSkip new_partition_skip {
        apis: [OFFSET_FETCH, OFFSET_COMMIT], overrides: true, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    AckedTruncation acked_truncation {
        apis: [PRODUCE], overrides: false, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    IgnoredError ignored_error {
        apis: [PRODUCE], overrides: false, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    RiskyClient risky_client {
        apis: [API_VERSIONS], overrides: false, refuses_with: [], counts: true,
        default: Observe, strict: Observe,
    }
    AutoTopicCreation auto_topic_creation {
        apis: [METADATA], overrides: true, refuses_with: [UNKNOWN_TOPIC_OR_PARTITION], counts: false,
        default: Observe, strict: Enforce,
    }
    WeakTopicCreation weak_topic_creation {
        apis: [CREATE_TOPICS, STREAMS_GROUP_HEARTBEAT], overrides: true,
        refuses_with: [POLICY_VIOLATION, STREAMS_INVALID_TOPOLOGY], counts: false,
        default: Observe, strict: Enforce,
    }
    DestructiveAdmin destructive_admin {
        apis: [OFFSET_COMMIT, DELETE_TOPICS, DELETE_RECORDS, DELETE_GROUPS, OFFSET_DELETE, INITIALIZE_SHARE_GROUP_STATE,
               WRITE_SHARE_GROUP_STATE, DELETE_SHARE_GROUP_STATE, ALTER_SHARE_GROUP_OFFSETS, DELETE_SHARE_GROUP_OFFSETS],
        overrides: false, refuses_with: [POLICY_VIOLATION, TOPIC_DELETION_DISABLED], counts: false,
        default: Observe, strict: Enforce,
    }
    WeakeningConfig weakening_config {
        apis: [ALTER_CONFIGS, INCREMENTAL_ALTER_CONFIGS], overrides: false, refuses_with: [POLICY_VIOLATION], counts: false,
        default: Observe, strict: Enforce,
    }
    PartitionGrowth partition_growth {
        apis: [CREATE_PARTITIONS], overrides: false, refuses_with: [POLICY_VIOLATION], counts: false,
        default: Observe, strict: Enforce,
    }
    UncleanElection unclean_election {
        apis: [ELECT_LEADERS], overrides: false, refuses_with: [POLICY_VIOLATION], counts: false,
        default: Observe, strict: Enforce,
    }
    ReplicaReduction replica_reduction {
        apis: [ALTER_PARTITION_REASSIGNMENTS], overrides: false, refuses_with: [INVALID_REPLICA_ASSIGNMENT], counts: false,
        default: Observe, strict: Enforce,
    }
    ClusterDowngrade cluster_downgrade {
        apis: [UPDATE_FEATURES, UNREGISTER_BROKER, REMOVE_RAFT_VOTER], overrides: false,
        refuses_with: [POLICY_VIOLATION], counts: false,
        default: Observe, strict: Enforce,
    }
}

/// What the table says of one scenario.
struct Row {
    name: &'static str,
    source: &'static str,
    apis: &'static [ApiKey],
    overrides: bool,
    refuses_with: &'static [ErrorCode],
    counts: bool,
    default: Mode,
    strict: Mode,
}

impl Scenario {
    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The scenario's manual: the `//!` of its file.
    pub fn source(self) -> &'static str {
        self.row().source
    }

    pub fn from_name(name: &str) -> Option<Scenario> {
        Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
    }

    /// The APIs whose requests or answers it judges.
    pub fn apis(self) -> &'static [ApiKey] {
        self.row().apis
    }

    /// Whether it changes requests (`holdfast_overrides_total`).
    pub fn overrides(self) -> bool {
        self.row().overrides
    }

    /// The codes with which it refuses (`holdfast_rejections_total`); none: it refuses nothing.
    pub fn refuses_with(self) -> &'static [ErrorCode] {
        self.row().refuses_with
    }

    /// Whether it only counts what it finds (`holdfast_observations_total`).
    pub fn counts(self) -> bool {
        self.row().counts
    }

    /// The mode that a preset gives it.
    pub fn preset(self, preset: Preset) -> Mode {
        match preset {
            Preset::Default => self.row().default,
            Preset::Observe => Mode::Observe,
            Preset::Strict => self.row().strict,
        }
    }
}

/// The mode of every scenario that has none of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preset {
    /// What no working client can notice on a healthy cluster is enforced, everything else observed.
    Default,
    /// Nothing is changed, everything is counted.
    Observe,
    /// Whatever can be enforced without being told names is.
    Strict,
}

impl Preset {
    pub const ALL: [Preset; 3] = [Preset::Default, Preset::Observe, Preset::Strict];

    pub fn name(self) -> &'static str {
        match self {
            Preset::Default => "default",
            Preset::Observe => "observe",
            Preset::Strict => "strict",
        }
    }
}

/// What came of a finding: each has a metric family of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Deed {
    /// A request was changed (`holdfast_overrides_total`).
    Override,
    /// A part of a request was refused (`holdfast_rejections_total`).
    Reject,
    /// It was counted (`holdfast_observations_total`).
    Count,
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
    /// Empty: every client id. What is named of topics, client ids, groups and principals must all match.
    pub client_ids: Vec<Pattern>,
    /// Empty: every group, and requests that concern none.
    pub groups: Vec<Pattern>,
    /// Empty: every principal, and clients of which none is known.
    pub principals: Vec<Pattern>,
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
    /// `[policy.not_idempotent] topics`: those that demand idempotence.
    pub idempotent_topics: Vec<Pattern>,
    /// `[policy.not_transactional] topics`: those that demand a transaction.
    pub transactional_topics: Vec<Pattern>,
    /// `[policy.under_replicated] min_in_sync_replicas`.
    pub min_in_sync_replicas: u16,
    /// `[policy.future_timestamp] max_ahead_ms`.
    pub max_ahead_ms: i64,
    /// `[policy] single_instance`: all connections of all groups go through this process.
    pub single_instance: bool,
    /// `[policy.offsets_expired] repair`, `[policy.new_partition_skip] repair`.
    pub repair_offsets_expired: bool,
    pub repair_new_partition_skip: bool,
    /// `[policy.weak_topic] repair`.
    pub repair_weak_topic: Mode,
    /// `[policy.commit_hold_back] groups`: those whose commits are held back.
    pub held_back_groups: Vec<Pattern>,
    /// `[policy.weak_topic_creation]`; by it `weakening_config` and `replica_reduction` judge, too.
    pub floors: Floors,
    /// `[policy.weakening_config] retention_floor_ms`.
    pub retention_floor_ms: i64,
    /// `[policy.destructive_admin]`: names that are protected.
    pub protected_topics: Vec<Pattern>,
    pub protected_groups: Vec<Pattern>,
    /// `[policy.partition_growth] topics`: topics whose records belong to partitions by key.
    pub keyed_topics: Vec<Pattern>,
    pub exemptions: Vec<Exemption>,
}

/// How much replication a topic must have. `min_insync_replicas` is below `replication_factor`: were they the same, one
/// broker that fails would stop all writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floors {
    pub replication_factor: u16,
    pub min_insync_replicas: u16,
}

impl Default for Settings {
    /// What holds when nothing is configured.
    fn default() -> Settings {
        Settings {
            modes: Scenario::ALL.map(|scenario| scenario.preset(Preset::Default)),
            below_min_isr: BelowMinIsr::Refuse,
            ack_timeout_floor_ms: 30_000,
            max_batch_bytes: None,
            max_request_bytes: None,
            idempotent_topics: Vec::new(),
            transactional_topics: Vec::new(),
            min_in_sync_replicas: 2,
            max_ahead_ms: 3_600_000,
            single_instance: false,
            repair_offsets_expired: false,
            repair_new_partition_skip: false,
            repair_weak_topic: Mode::Off,
            held_back_groups: Vec::new(),
            floors: Floors {
                replication_factor: 3,
                min_insync_replicas: 2,
            },
            retention_floor_ms: 86_400_000,
            protected_topics: Vec::new(),
            protected_groups: Vec::new(),
            keyed_topics: Vec::new(),
            exemptions: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether any scenario looks at this API.
    pub fn judges(&self, api_key: ApiKey) -> bool {
        Scenario::ALL
            .into_iter()
            .any(|scenario| self.mode(scenario) != Mode::Off && scenario.apis().contains(&api_key))
    }

    /// Whether any scenario may change or refuse a request of this API.
    pub fn enforces(&self, api_key: ApiKey) -> bool {
        Scenario::ALL.into_iter().any(|scenario| {
            self.mode(scenario) == Mode::Enforce && scenario.apis().contains(&api_key)
        })
    }

    pub fn mode(&self, scenario: Scenario) -> Mode {
        self.modes[scenario as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_a_scenario_refuses_with_has_its_name() {
        for scenario in Scenario::ALL {
            for code in scenario.refuses_with() {
                assert_ne!(code.name(), "UNKNOWN_CODE", "{} {code:?}", scenario.name());
            }
        }
    }
}
