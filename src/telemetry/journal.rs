//! What the log says about overrides and refusals (floor 4): the first of each (scenario, client, topic), then sums. Never a
//! line per request. Misdeeds of clients are held to a rate, with a count of what was left out.
//!
//! Names that clients chose appear as fields only, never in the message.

use crate::policy::{Mode, Scenario};
use crate::session::event::CloseCause;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// So many (scenario, client, topic) are told apart; those beyond share one line per scenario and mode.
const MAX_ENTRIES: usize = 10_000;
/// So many lines in one summary; the rest is summed up.
const MAX_LINES: usize = 50;
/// So many misdeeds of one cause are logged in each period.
const MAX_MISDEEDS: u64 = 5;

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
    mode: Mode,
    client_id: Option<Arc<str>>,
    topic: Option<Arc<str>>,
}

/// See the module.
#[derive(Debug)]
pub struct Journal {
    period: Duration,
    sums: Mutex<HashMap<Subject, Arc<Sum>>>,
    overflow: [[Arc<Sum>; Mode::ALL.len()]; Scenario::COUNT],
    last_summary: Mutex<Instant>,
    misdeeds: [AtomicU64; CloseCause::ALL.len()],
}

impl Journal {
    pub fn new(period: Duration) -> Journal {
        Journal {
            period,
            sums: Mutex::default(),
            overflow: Default::default(),
            last_summary: Mutex::new(Instant::now()),
            misdeeds: [const { AtomicU64::new(0) }; CloseCause::ALL.len()],
        }
    }

    /// The sum to add to, logging the subject when it is met for the first time. Takes a lock.
    pub fn meet(
        &self,
        scenario: Scenario,
        mode: Mode,
        client_id: &Option<Arc<str>>,
        topic: &Option<Arc<str>>,
    ) -> Arc<Sum> {
        let subject = Subject {
            scenario,
            mode,
            client_id: client_id.clone(),
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
        info!(
            scenario = scenario.name(),
            mode = mode.name(),
            client_id = client_id.as_deref(),
            topic = topic.as_deref(),
            "{}; further ones are summed up",
            first_words(scenario, mode),
        );
        sum
    }

    /// Logs a misdeed unless its cause has been logged enough in this period.
    pub fn misdeed(
        &self,
        cause: CloseCause,
        detail: &str,
        client_id: Option<&str>,
        client: Option<std::net::SocketAddr>,
    ) {
        if self.misdeeds[cause as usize].fetch_add(1, Ordering::Relaxed) >= MAX_MISDEEDS {
            return;
        }
        let client = client.map(tracing::field::display);
        warn!(
            cause = cause.name(),
            detail,
            client_id,
            client,
            "{}",
            misdeed_words(cause)
        );
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
        for (cause, count) in CloseCause::ALL.iter().zip(&self.misdeeds) {
            let suppressed = count
                .swap(0, Ordering::Relaxed)
                .saturating_sub(MAX_MISDEEDS);
            if suppressed > 0 {
                warn!(
                    cause = cause.name(),
                    suppressed, "more connections were closed for this cause"
                );
            }
        }
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
                topic = subject.topic.as_deref(),
                requests,
                records,
                "summary"
            );
        }
        self.summarize_others(&lines[lines.len().min(MAX_LINES)..]);
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

fn first_words(scenario: Scenario, mode: Mode) -> &'static str {
    match (scenario.refuses(), mode) {
        (false, Mode::Enforce) => "requests are overridden",
        (false, _) => "requests would be overridden",
        (true, Mode::Enforce) => "batches are refused",
        (true, _) => "batches would be refused",
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
