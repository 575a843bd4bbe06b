//! What the log says about overrides and refusals (floor 4): the first of each (scenario, client, topic), then sums. Never a
//! line per request. Misdeeds of clients are held to a rate, with a count of what was left out.
//!
//! Names that clients chose appear as fields only, never in the message.

use super::alarms::{Alarm, Alarms};
use crate::ledger::acked::Truncation;
use crate::policy::{Deed, Mode, Scenario};
use crate::session::event::{CloseCause, Degradation};
use crate::wire::api::ErrorCode;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// So many (scenario, client, topic) are told apart; those beyond share one line per scenario and mode.
const MAX_ENTRIES: usize = 10_000;
/// So many lines in one summary; the rest is summed up.
const MAX_LINES: usize = 50;
/// So many lines about one cause, or one error code, in each period.
const MAX_REPEATS: u64 = 5;
/// So many alarms in each period: each is of another partition.
const MAX_ALARMS: u64 = 100;
/// Error codes have 16 bits; those that Kafka has given out are below.
const CODES: usize = 160;

/// Lets a few through in each period and counts the others.
#[derive(Debug, Default)]
struct Throttle(AtomicU64);

impl Throttle {
    fn admits(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < MAX_REPEATS
    }

    /// How many were left out; begins a new period.
    fn suppressed(&self) -> Option<u64> {
        let suppressed = self
            .0
            .swap(0, Ordering::Relaxed)
            .saturating_sub(MAX_REPEATS);
        (suppressed > 0).then_some(suppressed)
    }
}

/// What one (scenario, mode, client, topic) came to. Whoever meets it keeps the handle.
#[derive(Debug, Default)]
pub struct Sum {
    requests: AtomicU64,
    records: AtomicU64,
}

impl Sum {
    pub fn add(&self, requests: u64, records: u64) {
        self.requests.fetch_add(requests, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    fn take(&self) -> (u64, u64) {
        (
            self.requests.swap(0, Ordering::Relaxed),
            self.records.swap(0, Ordering::Relaxed),
        )
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Subject {
    scenario: Scenario,
    deed: Deed,
    mode: Mode,
    client_id: Option<Arc<str>>,
    principal: Option<Arc<str>>,
    topic: Option<Arc<str>>,
}

/// See the module.
#[derive(Debug)]
pub struct Journal {
    period: Duration,
    sums: Mutex<HashMap<Subject, Arc<Sum>>>,
    overflow: [[Arc<Sum>; Mode::ALL.len()]; Scenario::COUNT],
    last_summary: Mutex<Instant>,
    misdeeds: [Throttle; CloseCause::ALL.len()],
    absorbed_errors: [Throttle; CODES],
    override_failures: [Throttle; CODES],
    rejected: Throttle,
    tls_failed: Throttle,
    proxy_failed: Throttle,
    accept_failed: Throttle,
    suspected: Throttle,
    degraded: Throttle,
    pub(super) alarms: Alarms,
    /// Alarms that the log has told of in this period.
    truncated: AtomicU64,
}

impl Journal {
    pub fn new(period: Duration) -> Journal {
        Journal {
            period,
            sums: Mutex::default(),
            overflow: std::array::from_fn(|_| Default::default()),
            last_summary: Mutex::new(Instant::now()),
            misdeeds: [const { Throttle(AtomicU64::new(0)) }; CloseCause::ALL.len()],
            absorbed_errors: [const { Throttle(AtomicU64::new(0)) }; CODES],
            override_failures: [const { Throttle(AtomicU64::new(0)) }; CODES],
            rejected: Throttle::default(),
            tls_failed: Throttle::default(),
            proxy_failed: Throttle::default(),
            accept_failed: Throttle::default(),
            suspected: Throttle::default(),
            degraded: Throttle::default(),
            alarms: Alarms::default(),
            truncated: AtomicU64::new(0),
        }
    }

    /// The sum to add to, logging the subject when it is met for the first time. Takes a lock.
    pub fn meet(
        &self,
        (scenario, deed, mode): (Scenario, Deed, Mode),
        (client_id, principal): (&Option<Arc<str>>, &Option<Arc<str>>),
        topic: &Option<Arc<str>>,
    ) -> Arc<Sum> {
        // What is only counted changes nothing, however complete its count is.
        let mode = match deed {
            Deed::Count => Mode::Observe,
            Deed::Override | Deed::Reject => mode,
        };
        let subject = Subject {
            scenario,
            deed,
            mode,
            client_id: client_id.clone(),
            principal: principal.clone(),
            topic: topic.clone(),
        };
        let mut sums = locked(&self.sums);
        if let Some(sum) = sums.get(&subject) {
            return sum.clone();
        }
        if sums.len() >= MAX_ENTRIES {
            return self.overflow[scenario as usize][mode as usize].clone();
        }
        let sum = Arc::<Sum>::default();
        sums.insert(subject, sum.clone());
        drop(sums);
        if (deed, mode) == (Deed::Reject, Mode::Enforce) {
            let text = format!("{}: parts of requests are refused", scenario.name());
            let alarm = Alarm::new("refused", text);
            self.alarms
                .raise(alarm.of(client_id.as_deref(), topic.as_deref()));
        }
        info!(
            scenario = scenario.name(),
            mode = mode.name(),
            client_id = client_id.as_deref(),
            principal = principal.as_deref(),
            topic = topic.as_deref(),
            "{}; further ones are summed up",
            first_words(deed, mode),
        );
        sum
    }

    /// Acknowledged records are gone. Of each partition a line, unless they are very many.
    pub fn truncated(&self, truncation: &Truncation) {
        if self.truncated.fetch_add(1, Ordering::Relaxed) < MAX_ALARMS {
            let text = format!(
                "partition {}: {} acknowledged records are gone",
                truncation.partition,
                truncation.offsets()
            );
            let alarm = Alarm::new("acked_truncation", text).grave();
            let client_id = truncation.client_id.as_deref();
            self.alarms
                .raise(alarm.of(client_id, Some(&truncation.topic)));
            error!(
                scenario = Scenario::AckedTruncation.name(),
                topic = &*truncation.topic,
                partition = truncation.partition,
                acknowledged_offset = truncation.acknowledged_offset,
                base_offset = truncation.base_offset,
                offsets = truncation.offsets(),
                client_id = truncation.client_id.as_deref(),
                "acknowledged records are gone: their offsets are given to others"
            );
        }
    }

    /// They may be gone; or the answer has another reason.
    pub fn suspected(&self, truncation: &Truncation) {
        if self.suspected.admits() {
            info!(
                scenario = Scenario::AckedTruncation.name(),
                topic = &*truncation.topic,
                partition = truncation.partition,
                acknowledged_offset = truncation.acknowledged_offset,
                base_offset = truncation.base_offset,
                client_id = truncation.client_id.as_deref(),
                "a batch was given an offset that was acknowledged before: it had been stored already, or was taken by a leader that was replaced, or records are gone"
            );
        }
    }

    /// The client broke the protocol or a limit.
    pub fn misdeed(&self, cause: CloseCause, detail: &str, who: Who) {
        if self.misdeeds[cause as usize].admits() {
            let Who {
                client,
                client_id,
                principal,
                broker,
            } = who;
            let text = format!("connection of {} is closed: {}", client.ip(), cause.name());
            let alarm = Alarm::new("closed", text).of(client_id, None);
            self.alarms.raise(alarm.at(broker));
            warn!(cause = cause.name(), detail, %client, client_id, principal, "{}", misdeed_words(cause));
        }
    }

    /// An error that nobody else will hear of: its client had sent acks=0.
    pub fn absorbed_error(&self, code: ErrorCode, topic: Option<&str>, partition: i32, who: Who) {
        if self.absorbed_errors[slot(code)].admits() {
            let Who {
                client,
                client_id,
                principal,
                broker,
            } = who;
            let text = format!("records sent with acks=0 failed: {}", code.name());
            let alarm = Alarm::new("absorbed_error", text).grave();
            self.alarms.raise(alarm.of(client_id, topic).at(broker));
            warn!(error_code = code.name(), topic, partition, %client, client_id, principal, "records sent with acks=0 failed");
        }
    }

    /// An error that the client would not have had with its own acks.
    pub fn override_failure(
        &self,
        scenario: Scenario,
        code: ErrorCode,
        topic: Option<&str>,
        who: Who,
    ) {
        if self.override_failures[slot(code)].admits() {
            let Who {
                client,
                client_id,
                principal,
                broker,
            } = who;
            let name = code.name();
            let text = format!("records failed because acks was raised to all: {name}");
            let alarm = Alarm::new("override_failure", text);
            self.alarms.raise(alarm.of(client_id, topic).at(broker));
            warn!(
                scenario = scenario.name(),
                error_code = code.name(),
                topic,
                %client,
                client_id,
                principal,
                "records failed because acks was raised to all"
            );
        }
    }

    /// acks was not raised, for this reason.
    pub fn degraded(&self, scenario: Scenario, reason: Degradation, who: Who) {
        if self.degraded.admits() {
            let text = format!("{}: acks is not raised: {}", scenario.name(), reason.name());
            let alarm = Alarm::new("degraded", text).of(who.client_id, None);
            self.alarms.raise(alarm.at(who.broker));
        }
    }

    /// A client connection was turned away.
    pub fn rejected(&self, limit: &'static str, client: IpAddr) {
        if self.rejected.admits() {
            let text = format!("connections of {client} are turned away by {limit}");
            self.alarms.raise(Alarm::new("connection_rejected", text));
            warn!(limit, %client, "connection is turned away by a limit");
        }
    }

    /// There is no TLS with a peer.
    pub fn tls_failed(
        &self,
        side: &'static str,
        cause: &'static str,
        peer: &dyn fmt::Display,
        reason: &dyn fmt::Display,
    ) {
        if self.tls_failed.admits() {
            warn!(side, cause, %peer, %reason, "TLS handshake failed");
        }
    }

    pub fn proxy_protocol_failed(
        &self,
        cause: &'static str,
        peer: IpAddr,
        reason: &dyn fmt::Display,
    ) {
        if self.proxy_failed.admits() {
            warn!(cause, %peer, %reason, "closed for want of a header of the PROXY protocol");
        }
    }

    /// The system gave no connection.
    pub fn accept_failed(&self, error: &io::Error) {
        if self.accept_failed.admits() {
            warn!(%error, "no connection can be accepted");
        }
    }

    /// Writes the sums when the period is over.
    pub fn tick(&self, now: Instant) {
        let mut last = locked(&self.last_summary);
        if now.saturating_duration_since(*last) >= self.period {
            *last = now;
            drop(last);
            self.summarize();
        }
    }

    /// Writes what has come together since the last time.
    pub fn summarize(&self) {
        self.summarize_suppressed();
        let mut lines = Vec::new();
        let mut sums = locked(&self.sums);
        let full = sums.len() >= MAX_ENTRIES;
        sums.retain(|subject, sum| {
            let (requests, records) = sum.take();
            if requests > 0 {
                lines.push((requests, records, subject.clone()));
            }
            // In a full table, what nothing happened to for a whole period and no connection holds makes room.
            !full || requests > 0 || Arc::strong_count(sum) > 1
        });
        drop(sums);
        lines.sort_by_key(|(requests, ..)| std::cmp::Reverse(*requests));
        for (requests, records, subject) in lines.iter().take(MAX_LINES) {
            info!(
                scenario = subject.scenario.name(),
                mode = subject.mode.name(),
                client_id = subject.client_id.as_deref(),
                principal = subject.principal.as_deref(),
                topic = subject.topic.as_deref(),
                requests,
                records,
                "summary"
            );
        }
        self.summarize_others(&lines[lines.len().min(MAX_LINES)..]);
    }

    fn summarize_suppressed(&self) {
        for (cause, throttle) in CloseCause::ALL.iter().zip(&self.misdeeds) {
            if let Some(suppressed) = throttle.suppressed() {
                warn!(
                    cause = cause.name(),
                    suppressed, "more connections were closed for this cause"
                );
            }
        }
        for (code, throttle) in self.absorbed_errors.iter().enumerate() {
            if let Some(suppressed) = throttle.suppressed() {
                warn!(
                    error_code = name_of(code),
                    suppressed, "more records sent with acks=0 failed"
                );
            }
        }
        for (code, throttle) in self.override_failures.iter().enumerate() {
            if let Some(suppressed) = throttle.suppressed() {
                warn!(
                    error_code = name_of(code),
                    suppressed, "more records failed because acks was raised to all"
                );
            }
        }
        if let Some(suppressed) = self.tls_failed.suppressed() {
            warn!(suppressed, "more TLS handshakes failed");
        }
        if let Some(suppressed) = self.proxy_failed.suppressed() {
            warn!(
                suppressed,
                "more connections without a header of the PROXY protocol"
            );
        }
        if let Some(suppressed) = self.rejected.suppressed() {
            warn!(suppressed, "more connections were turned away");
        }
        let truncated = self.truncated.swap(0, Ordering::Relaxed);
        if let Some(suppressed) = truncated.checked_sub(MAX_ALARMS).filter(|more| *more > 0) {
            error!(
                suppressed,
                "acknowledged records of more partitions are gone"
            );
        }
        if let Some(suppressed) = self.suspected.suppressed() {
            info!(
                suppressed,
                "more batches were given acknowledged offsets, which proves nothing"
            );
        }
        // In the log each client and topic has its own line; here a new period begins.
        let _ = self.degraded.suppressed();
        if let Some(suppressed) = self.accept_failed.suppressed() {
            warn!(suppressed, "more connections could not be accepted");
        }
    }

    fn summarize_others(&self, left_out: &[(u64, u64, Subject)]) {
        for scenario in Scenario::ALL {
            for mode in Mode::ALL {
                let (mut requests, mut records) =
                    self.overflow[scenario as usize][mode as usize].take();
                let of_these =
                    |subject: &Subject| (subject.scenario, subject.mode) == (scenario, mode);
                for (more, more_records, _) in
                    left_out.iter().filter(|(.., subject)| of_these(subject))
                {
                    requests += more;
                    records += more_records;
                }
                if requests > 0 {
                    info!(
                        scenario = scenario.name(),
                        mode = mode.name(),
                        requests,
                        records,
                        "summary of all other clients and topics"
                    );
                }
            }
        }
    }
}

/// Whom a line is about.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Where it connects from.
    pub client: SocketAddr,
    pub client_id: Option<&'a str>,
    pub principal: Option<&'a str>,
    /// Node id of the broker that its connection leads to; `None`: the bootstrap port.
    pub broker: Option<i32>,
}

/// The throttle of a code; 0, which is no error, stands for those that we have no room for.
fn slot(code: ErrorCode) -> usize {
    usize::try_from(code.0)
        .ok()
        .filter(|slot| *slot < CODES)
        .unwrap_or(0)
}

fn name_of(slot: usize) -> &'static str {
    match slot {
        0 => "other",
        code => ErrorCode(code as i16).name(),
    }
}

fn first_words(deed: Deed, mode: Mode) -> &'static str {
    match (deed, mode) {
        (Deed::Override, Mode::Enforce) => "requests are overridden",
        (Deed::Override, _) => "requests would be overridden",
        (Deed::Reject, Mode::Enforce) => "parts of requests are refused",
        (Deed::Reject, _) => "parts of requests would be refused",
        (Deed::Count, _) => "something to count was seen",
    }
}

fn misdeed_words(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::TlsOnPlainPort => {
            "a client speaks TLS and this port does not: set security.protocol of the client to PLAINTEXT or SASL_PLAINTEXT"
        }
        _ => "connection is closed",
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
