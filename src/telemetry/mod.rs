//! Floor 4: what happened -> counters, histograms, log lines with a rate limit. Opens no socket and decides nothing.
//!
//! One [`Telemetry`] per process (tests make as many as they like: each has a registry of its own), one [`ConnectionMeter`]
//! per client connection. All families of the table exist at 0 from the start, so that alerts can rely on them; those
//! with labels that clients choose are capped (`capped.rs`).

mod alarms;
mod capped;
mod counters;
mod families;
mod inventory;
mod journal;
mod meter;
mod pairs;

pub use alarms::{Alarm, MAX_ALARMS};
pub use families::{FAMILIES, Family, Kind};
pub use inventory::{ClientSeen, ClientsSeen, Key, MAX_CLIENTS, Software};
pub use meter::ConnectionMeter;

use crate::cluster::Broker;
use crate::ledger::acked::Truncation;
use crate::policy::{self, Exemption, Mode, Scenario};
use crate::session::event::{CloseCause, Completeness, Event};
use crate::wire::api::ApiKey;
use arc_swap::ArcSwap;
use capped::OTHER;
use counters::{Counters, MAX_UNKNOWN_APIS};
use families::Maker;
use inventory::Inventory;
use journal::Journal;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Metric, MetricFamily};
use prometheus::{Encoder, Registry, TextEncoder};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tracing::{error, info, warn};

/// `[telemetry]`, and how often `[log]` wants summaries.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Client ids, and topics, that a family names; the rest is `__other__`.
    pub max_label_values: usize,
    /// Period of the summaries of overrides and refusals in the log.
    pub summary: Duration,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the client to the broker.
    Request,
    /// From the broker to the client.
    Response,
}

/// `kind` of `holdfast_upstream_errors_total`, by the cause that the driver gives.
const UPSTREAM_ERRORS: [(CloseCause, &str); 7] = [
    (CloseCause::BrokerTls, "tls"),
    (CloseCause::BrokerUnresolved, "dns"),
    (CloseCause::BrokerUnreachable, "connect"),
    (CloseCause::BrokerConnectTimeout, "timeout"),
    (CloseCause::BrokerReset, "reset"),
    (CloseCause::BrokerClosed, "closed"),
    (CloseCause::BrokerUnknown, "unknown_broker"),
];

fn upstream_error(cause: CloseCause) -> &'static str {
    let known = UPSTREAM_ERRORS.iter().find(|(known, _)| *known == cause);
    known.map_or("other", |(_, kind)| kind)
}

/// `limit` of `holdfast_client_connections_rejected_total`: the keys of `[limits]`, and what the system refuses.
const CONNECTION_LIMITS: [&str; 3] = ["max_connections", "max_connections_per_ip", ACCEPT_FAILED];
const ACCEPT_FAILED: &str = "system";

/// With whom a TLS handshake failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsSide {
    Client,
    Broker,
}

impl TlsSide {
    pub const ALL: [TlsSide; 2] = [TlsSide::Client, TlsSide::Broker];

    pub fn name(self) -> &'static str {
        match self {
            TlsSide::Client => "client",
            TlsSide::Broker => "broker",
        }
    }
}

/// `cause` of `holdfast_tls_handshake_failures_total`.
pub const TLS_CAUSES: [&str; 13] = [
    "timeout",
    "closed",
    "not_tls",
    "incompatible",
    "no_certificate",
    "expired",
    "revoked",
    "unknown_ca",
    "wrong_name",
    "unknown_name",
    "bad_certificate",
    "refused_by_peer",
    "other",
];

/// `cause` of `holdfast_proxy_protocol_failures_total`.
pub const PROXY_CAUSES: [&str; 6] = [
    "timeout",
    "closed",
    "missing",
    "version_1",
    "too_long",
    "malformed",
];

/// What came of the repair of a weak topic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TopicRepair {
    /// It would have been repaired.
    Observed,
    Done,
    /// The brokers answered with an error.
    Refused,
    /// Nobody answered, to the change or to the look before it.
    Unanswered,
}

impl TopicRepair {
    pub const ALL: [TopicRepair; 4] = [
        TopicRepair::Observed,
        TopicRepair::Done,
        TopicRepair::Refused,
        TopicRepair::Unanswered,
    ];

    pub fn name(self) -> &'static str {
        match self {
            TopicRepair::Observed => "observed",
            TopicRepair::Done => "done",
            TopicRepair::Refused => "refused",
            TopicRepair::Unanswered => "unanswered",
        }
    }
}

/// Why an attempt of the watch at a server failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WatchFailure {
    Dns,
    Connect,
    Timeout,
    /// The connection broke, or the broker hung up: also what a listener that wants TLS or SASL does.
    Lost,
    /// There is no TLS with the broker: its certificate, or ours, or the version.
    Tls,
    /// By SASL.
    Authentication,
    /// One that cannot be used.
    Answer,
}

impl WatchFailure {
    pub const ALL: [WatchFailure; 7] = [
        WatchFailure::Dns,
        WatchFailure::Connect,
        WatchFailure::Timeout,
        WatchFailure::Lost,
        WatchFailure::Tls,
        WatchFailure::Authentication,
        WatchFailure::Answer,
    ];

    pub fn name(self) -> &'static str {
        match self {
            WatchFailure::Dns => "dns",
            WatchFailure::Connect => "connect",
            WatchFailure::Timeout => "timeout",
            WatchFailure::Lost => "lost",
            WatchFailure::Tls => "tls",
            WatchFailure::Authentication => "authentication",
            WatchFailure::Answer => "answer",
        }
    }
}

/// What `/readyz` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Ports are not bound yet, or no view of the cluster was learned.
    Starting,
    /// For ever after, whatever the brokers do.
    Ready,
    Draining,
}

impl Readiness {
    pub fn name(self) -> &'static str {
        match self {
            Readiness::Starting => "starting",
            Readiness::Ready => "ready",
            Readiness::Draining => "draining",
        }
    }
}

type Tap = Box<dyn Fn(&Event) + Send + Sync>;
type Sampler = Box<dyn Fn(&Telemetry) + Send + Sync>;

/// All metrics and the journal of the log.
pub struct Telemetry {
    registry: Registry,
    counters: Counters,
    journal: Journal,
    inventory: Inventory,
    outside: Mutex<BTreeSet<i32>>,
    unknown_apis: Mutex<BTreeSet<i16>>,
    sampler: OnceLock<Sampler>,
    tap: OnceLock<Tap>,
    preset: Mutex<&'static str>,
    modes: ArcSwap<[Mode; Scenario::COUNT]>,
    label_cap: usize,
    sight: Mutex<Sight>,
    exemptions: ArcSwap<Vec<Exemption>>,
    config: ArcSwap<Config>,
    started: SystemTime,
}

/// A server that cannot be reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unreachable {
    /// HOST:PORT.
    pub server: String,
    /// Of the broker that it is, or was; `None`: a bootstrap server that the cluster does not know by this address.
    pub node_id: Option<i32>,
    pub reason: String,
    /// Seconds since 1970.
    pub since: u64,
}

/// The cluster as last seen, in the parts that `/report` tells of.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    pub brokers: BTreeMap<i32, Broker>,
    /// Where clients are sent for each of them; a broker without a place is outside `listener.broker_ids`.
    pub mapped: BTreeMap<i32, (String, u16)>,
    /// Topics that are known.
    pub topics: usize,
    /// Partitions below their `min.insync.replicas`.
    pub degraded_partitions: usize,
    /// The first of them, as Kafka writes them; bounded.
    pub degraded: Vec<String>,
    /// Name and reasons, by name; bounded.
    pub weak_topics: Vec<(Arc<str>, String)>,
    /// More of them, without a place in the list.
    pub weak_topics_left_out: usize,
    pub unreachable: Vec<Unreachable>,
}

/// The settings in force as text, without secrets, and what tells them from others.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub text: String,
    pub hash: String,
}

/// What the driver, the watch and the drain tell besides events. Everything about one connection goes through its
/// [`ConnectionMeter`].
impl Telemetry {
    pub fn new(settings: &Settings, policy: &policy::Settings) -> Arc<Telemetry> {
        let registry = Registry::new();
        let make = Maker(&registry);
        describe(&make);
        let counters = Counters::new(&make, settings);
        let inventory = Inventory::new(
            make.gauge("holdfast_clients_known"),
            make.counter("holdfast_clients_left_out_total"),
        );
        if registry
            .register(Box::new(ProcessCollector::for_self()))
            .is_err()
        {
            warn!("no process metrics on this system");
        }
        for exemption in &policy.exemptions {
            info!(
                exemption = &*exemption.name,
                owner = exemption.owner,
                reason = exemption.reason,
                "exemption"
            );
        }
        counters.set_policy(policy);
        counters.reload_successful.set(1);
        counters.tls_reload_successful.set(1);
        counters
            .reload_success_at
            .set(unix_seconds(SystemTime::now()));
        Arc::new(Telemetry {
            registry,
            counters,
            journal: Journal::new(settings.summary),
            inventory,
            outside: Mutex::default(),
            unknown_apis: Mutex::default(),
            sampler: OnceLock::new(),
            tap: OnceLock::new(),
            preset: Mutex::default(),
            modes: ArcSwap::from_pointee(policy.modes),
            label_cap: settings.max_label_values,
            sight: Mutex::default(),
            exemptions: ArcSwap::from_pointee(policy.exemptions.clone()),
            config: ArcSwap::default(),
            started: SystemTime::now(),
        })
    }

    /// A client connection was accepted. Its meter counts it as open until it is dropped.
    pub fn connection(self: &Arc<Telemetry>, client: SocketAddr) -> ConnectionMeter {
        ConnectionMeter::new(self, client)
    }

    /// A client connection was turned away by this key of `[limits]`.
    pub fn connection_rejected(&self, limit: &'static str, client: IpAddr) {
        self.counters.rejected.add(limit, 1);
        self.journal.rejected(limit, client);
    }

    /// There is no TLS with a peer, because of one of [`TLS_CAUSES`].
    pub fn tls_failed(
        &self,
        side: TlsSide,
        cause: &'static str,
        peer: &dyn fmt::Display,
        reason: &dyn fmt::Display,
    ) {
        self.counters.tls_failures.add((side, cause), 1);
        self.journal.tls_failed(side.name(), cause, peer, reason);
    }

    /// A connection without a header of the PROXY protocol, because of one of [`PROXY_CAUSES`].
    pub fn proxy_protocol_failed(
        &self,
        cause: &'static str,
        peer: IpAddr,
        reason: &dyn fmt::Display,
    ) {
        self.counters.proxy_failures.add(cause, 1);
        self.journal.proxy_protocol_failed(cause, peer, reason);
    }

    /// Changed files cannot be used: those before them stay in force. Once for each change.
    pub fn tls_reload_failed(&self, reason: &dyn fmt::Display) {
        self.counters.tls_reload_failures.inc();
        self.counters.tls_reload_successful.set(0);
        let text = format!("changed TLS files cannot be used: {reason}");
        self.journal
            .alarms
            .raise(Alarm::new("tls_reload_failed", text).grave());
        tracing::error!(%reason, "changed TLS files cannot be used: what was in force stays");
    }

    /// All TLS files can be used as they are now.
    pub fn tls_reloaded(&self) {
        self.counters.tls_reload_successful.set(1);
    }

    /// When the own certificate of `usage` ends, in seconds since 1970.
    pub fn set_tls_not_after(&self, usage: &str, seconds: i64) {
        let gauges = &self.counters.tls_not_after;
        gauges.with_label_values(&[usage]).set(seconds);
    }

    /// The system gave no connection: it is out of descriptors, mostly.
    pub fn accept_failed(&self, error: &io::Error) {
        self.counters.rejected.add(ACCEPT_FAILED, 1);
        self.journal.accept_failed(error);
    }

    /// A broker, or a bootstrap server, went out of reach; the log was told by whoever noticed.
    pub fn broker_lost(&self, lost: &Unreachable) {
        let text = format!("{} cannot be reached: {}", lost.server, lost.reason);
        let alarm = Alarm::new("broker_unreachable", text).grave();
        self.journal.alarms.raise(alarm.at(lost.node_id));
    }

    /// An exemption works no longer. Once for each.
    pub fn exemption_expired(&self, exemption: &Exemption) {
        self.counters.exemptions_active.dec();
        let text = format!("exemption {} has expired", exemption.name);
        self.journal
            .alarms
            .raise(Alarm::new("exemption_expired", text));
        warn!(
            exemption = &*exemption.name,
            owner = exemption.owner,
            reason = exemption.reason,
            "exemption has expired: it works no longer"
        );
    }

    /// A task that belongs to no client connection panicked. (A connection's own panic is counted when its meter is dropped.)
    pub fn panicked(&self) {
        self.counters.panics.inc();
        let text = "a task panicked; the log says where";
        self.journal.alarms.raise(Alarm::new("panic", text).grave());
    }

    pub fn set_limits(&self, buffer_bytes: usize, announced_bytes: usize) {
        self.counters.buffer_limit.set(saturated(buffer_bytes));
        self.counters
            .announced_limit
            .set(saturated(announced_bytes));
    }

    pub fn set_buffer_bytes(&self, bytes: usize) {
        self.counters.buffer.set(saturated(bytes));
    }

    pub fn set_announced_bytes(&self, bytes: usize) {
        self.counters.announced.set(saturated(bytes));
    }

    /// Requests of an API that has no name here were passed on.
    fn unknown_api(&self, api_key: ApiKey, count: u64) {
        let mut known = self
            .unknown_apis
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let room =
            known.contains(&api_key.0) || known.len() < MAX_UNKNOWN_APIS && known.insert(api_key.0);
        drop(known);
        let number = api_key.0.to_string();
        let label = if room { &*number } else { OTHER };
        let family = &self.counters.unknown_apis;
        family.with_label_values(&[label]).inc_by(count);
    }

    /// Called before every scrape, for gauges that are cheaper asked than told. The first one stays.
    pub fn set_sampler(&self, sampler: Sampler) {
        let _ = self.sampler.set(sampler);
    }

    /// The watch looked at the cluster so many times more; `last`: when it last succeeded, since 1970.
    pub fn looked(&self, success: bool, times: u64, last: Duration) {
        self.counters.looks.add(success, times);
        self.counters
            .last_look
            .set(i64::try_from(last.as_secs()).unwrap_or(i64::MAX));
    }

    /// Attempts of the watch at a server failed for that reason, so many times more.
    pub fn watch_failed(&self, reason: WatchFailure, times: u64) {
        self.counters.watch_failures.add(reason, times);
    }

    pub fn set_brokers_outside_set(&self, brokers: usize) {
        self.counters.brokers_outside.set(saturated(brokers));
    }

    /// A weak topic was repaired, or was to be.
    pub fn topic_repair(&self, outcome: TopicRepair) {
        self.counters.topic_repairs.add(outcome, 1);
    }

    /// The watch had no room for what connections learned.
    pub fn learned_dropped(&self, times: u64) {
        self.counters.learned_dropped.inc_by(times);
    }

    /// A table of the ledger had no room for that many partitions more.
    pub fn ledger_forgotten(&self, table: &'static str, partitions: u64) {
        self.counters.ledger_forgotten.add(table, partitions);
    }

    /// Acknowledged records are gone, or, where the answer may have another reason, that is suspected.
    pub fn truncated(&self, truncation: &Truncation) {
        let scenario = Scenario::AckedTruncation;
        if !truncation.proven {
            self.counters.suspected.add(scenario, 1);
            self.journal.suspected(truncation);
            return;
        }
        let completeness = match truncation.exact {
            true => Completeness::Exact,
            false => Completeness::Partial,
        };
        let (name, label, offsets) = (scenario.name(), completeness.name(), truncation.offsets());
        let counters = &self.counters;
        counters.observations.add((scenario, completeness), offsets);
        let client_id = truncation.client_id.as_deref();
        let by_client = &counters.observations_by_client;
        by_client.resolve(name, label, client_id).inc_by(offsets);
        let topic = Some(&*truncation.topic);
        let by_topic = &counters.observations_by_topic;
        by_topic.resolve(name, label, topic).inc_by(offsets);
        self.journal.truncated(truncation);
    }

    /// Nobody told whether the topic is still the same one.
    pub fn truncations_unverified(&self, times: u64) {
        let scenario = Scenario::AckedTruncation;
        self.counters.unverified.add(scenario, times);
    }

    /// Offsets that retention is away from the consumers of each topic, the lowest first. The lowest of those for which
    /// the cap leaves no name stands for all of them.
    pub fn set_fetch_headroom(&self, topics: &[(Arc<str>, u64)]) {
        let family = &self.counters.headroom;
        family.reset();
        for (position, (topic, offsets)) in topics.iter().enumerate().take(self.label_cap + 1) {
            let name = if position < self.label_cap {
                topic
            } else {
                OTHER
            };
            let offsets = i64::try_from(*offsets).unwrap_or(i64::MAX);
            family.with_label_values(&[name]).set(offsets);
        }
    }

    /// All ports are bound and a first view was learned.
    pub fn set_ready(&self) {
        self.counters.ready.set(1);
    }

    pub fn set_draining(&self) {
        self.counters.draining.set(1);
    }

    pub fn readiness(&self) -> Readiness {
        match (self.counters.draining.get(), self.counters.ready.get()) {
            (0, 0) => Readiness::Starting,
            (0, _) => Readiness::Ready,
            _ => Readiness::Draining,
        }
    }

    /// To be called every second or so: writes summaries that are due.
    pub fn tick(&self) {
        self.journal.tick(Instant::now());
    }

    /// Writes the summary at once, as at the end.
    pub fn summarize(&self) {
        self.journal.summarize();
    }

    /// Calls `tap` with every event of every connection: for tests that account for each record. The first one stays.
    pub fn set_tap(&self, tap: Tap) {
        let _ = self.tap.set(tap);
    }

    /// The exposition, text format 0.0.4. Takes milliseconds with many series: not on a worker.
    pub fn exposition(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.snapshot().0, &mut text) {
            warn!(%error, "metrics cannot be encoded");
        }
        text
    }

    /// All counters and gauges as they are now. Takes milliseconds with many series: not on a worker.
    pub fn snapshot(&self) -> Snapshot {
        if let Some(sampler) = self.sampler.get() {
            sampler(self);
        }
        Snapshot(self.registry.gather())
    }

    /// The sum of a counter's or gauge's series that carry all these labels: for tests and the demo.
    pub fn sum(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        Snapshot(self.registry.gather()).sum(family, labels)
    }

    pub fn clients_seen(&self) -> ClientsSeen {
        self.inventory.seen()
    }

    /// `[policy] preset`, for the report.
    pub fn set_preset(&self, preset: &'static str) {
        *self.preset.lock().unwrap_or_else(PoisonError::into_inner) = preset;
    }

    pub fn preset(&self) -> &'static str {
        *self.preset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mode in force.
    pub fn mode(&self, scenario: Scenario) -> Mode {
        self.modes.load()[scenario as usize]
    }

    /// The cluster as last seen.
    pub fn set_sight(&self, sight: Sight) {
        let unreachable = saturated(sight.unreachable.len());
        self.counters.brokers_unreachable.set(unreachable);
        *self.sight.lock().unwrap_or_else(PoisonError::into_inner) = sight;
    }

    pub fn sight(&self) -> Sight {
        let sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        sight.clone()
    }

    /// The settings in force, for the report, and their hash, for the metrics too.
    pub fn set_config(&self, config: Config) {
        let family = &self.counters.config_hash;
        family.reset();
        family.with_label_values(&[&*config.hash]).set(1);
        self.config.store(Arc::new(config));
    }

    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// As configured, those among them that have ended.
    pub fn exemptions(&self) -> Arc<Vec<Exemption>> {
        self.exemptions.load_full()
    }

    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// What a human may want to know of, the latest first; at most [`MAX_ALARMS`].
    pub fn alarms(&self) -> Vec<Alarm> {
        self.journal.alarms.recent()
    }

    /// Says once of each broker that clients cannot reach it, and what to do.
    fn outside(&self, node_id: i32) {
        const MAX_LOGGED: usize = 100;
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        if outside.len() < MAX_LOGGED && outside.insert(node_id) {
            let text = format!("broker {node_id} is outside listener.broker_ids");
            let alarm = Alarm::new("broker_outside_set", text)
                .grave()
                .at(Some(node_id));
            self.journal.alarms.raise(alarm);
            error!(
                node_id,
                "broker is outside listener.broker_ids and left out of all answers: add its id"
            );
        }
    }
}

/// See [`Telemetry::snapshot`].
#[derive(Debug)]
pub struct Snapshot(Vec<MetricFamily>);

impl Snapshot {
    /// The sum of a counter's or gauge's series that carry all these labels.
    pub fn sum(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        let carries = |metric: &&Metric| {
            labels
                .iter()
                .all(|(name, value)| label(metric, name) == Some(*value))
        };
        self.metrics(family).filter(carries).map(value).sum::<f64>() as u64
    }

    /// The sums of a counter's series by the values of this label, without those that are 0.
    pub fn by_label(&self, family: &str, name: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for metric in self.metrics(family) {
            if let (Some(label), 1..) = (label(metric, name), value(metric) as u64) {
                *sums.entry(label.to_owned()).or_default() += value(metric) as u64;
            }
        }
        sums
    }

    fn metrics(&self, family: &str) -> impl Iterator<Item = &Metric> {
        let families = self.0.iter().filter(move |found| found.name() == family);
        families.flat_map(|found| found.get_metric())
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    let labels = metric.get_label().iter();
    let mut labels = labels.filter(|label| label.name() == name);
    labels.next().map(|label| label.value())
}

fn value(metric: &Metric) -> f64 {
    metric.get_counter().get_value() + metric.get_gauge().get_value()
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// What is known at start and does not change.
fn describe(make: &Maker) {
    make.gauges("holdfast_build_info")
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1);
}

/// What became of reading the configuration anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReloadOutcome {
    Applied,
    /// It says what is in force already.
    Unchanged,
    /// It cannot be read, or something in it is wrong.
    Invalid,
    /// It changes what cannot change while the gateway runs; nothing of it was applied.
    RestartRequired,
}

impl ReloadOutcome {
    pub const ALL: [ReloadOutcome; 4] = [
        ReloadOutcome::Applied,
        ReloadOutcome::Unchanged,
        ReloadOutcome::Invalid,
        ReloadOutcome::RestartRequired,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ReloadOutcome::Applied => "applied",
            ReloadOutcome::Unchanged => "unchanged",
            ReloadOutcome::Invalid => "invalid",
            ReloadOutcome::RestartRequired => "restart_required",
        }
    }

    fn is_success(self) -> bool {
        matches!(self, ReloadOutcome::Applied | ReloadOutcome::Unchanged)
    }
}

impl Telemetry {
    /// Other settings are in force: their modes and exemptions are shown, and no others.
    pub fn set_policy(&self, policy: &policy::Settings) {
        self.modes.store(Arc::new(policy.modes));
        self.exemptions.store(Arc::new(policy.exemptions.clone()));
        self.counters.set_policy(policy);
    }

    pub fn reloaded(&self, outcome: ReloadOutcome) {
        let counters = &self.counters;
        counters.reloads.add(outcome, 1);
        counters
            .reload_successful
            .set(i64::from(outcome.is_success()));
        if outcome.is_success() {
            counters
                .reload_success_at
                .set(unix_seconds(SystemTime::now()));
        }
    }
}

fn saturated(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
