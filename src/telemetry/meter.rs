//! One client connection's share of telemetry (floor 4): events -> counters. Owned by the driver, dropped with it.
//!
//! Handles of families with names are resolved when the connection first meets the name and kept, so that an event costs
//! a few comparisons and atomic additions, and no allocation.

use super::counters::timed_as;
use super::inventory::{Key, Place, Software};
use super::journal::{Sum, Who};
use super::{Direction, Telemetry, saturated};
use crate::policy::{Deed, Mode, Scenario};
use crate::session::event::{CloseCause, Completeness, Event, Limit};
use crate::wire::api::ApiKey;
use prometheus::IntCounter;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::debug;

/// Topics × scenarios that one connection keeps handles for; beyond that the oldest make room.
const MAX_TOPICS: usize = 64;
/// Longer names cannot be topics (Kafka's `Topic.validate`); a hostile client's are counted under no name.
const MAX_TOPIC_BYTES: usize = 249;
/// As much of a client id as is kept and logged.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct ConnectionMeter {
    telemetry: Arc<Telemetry>,
    client: SocketAddr,
    client_id: Option<Arc<str>>,
    principal: Option<Arc<str>>,
    /// Node id of the broker that it leads to.
    broker: Option<i32>,
    software: Option<Software>,
    /// In the inventory, once something was read that does not only introduce the client.
    place: Option<Place>,
    /// Requests that came before that: who sent them turns out with their end.
    introducing: u64,
    clients: Vec<ClientHandle>,
    topics: Vec<TopicHandle>,
    /// The next one to make room in `topics`.
    oldest: usize,
    last_outside: Option<i32>,
    upstreams: i64,
    paused: Option<(Limit, Instant)>,
    /// Requests and bytes, as told last.
    absorbing: (i64, i64),
    closed: bool,
}

/// What a connection meets: a scenario, what came of it, and in which mode.
type Met = (Scenario, Deed, Mode);

/// The present client id's counter of a scenario.
#[derive(Debug)]
struct ClientHandle {
    met: Met,
    counter: IntCounter,
}

/// A topic's counter of a scenario, and its sum in the journal under the present client id.
#[derive(Debug)]
struct TopicHandle {
    met: Met,
    topic: Option<Arc<str>>,
    counter: IntCounter,
    sum: Arc<Sum>,
}

impl ConnectionMeter {
    pub(super) fn new(telemetry: &Arc<Telemetry>, client: SocketAddr) -> ConnectionMeter {
        telemetry.counters.connections.inc();
        telemetry.counters.connections_total.inc();
        ConnectionMeter {
            telemetry: telemetry.clone(),
            client,
            client_id: None,
            principal: None,
            broker: None,
            software: None,
            place: None,
            introducing: 0,
            clients: Vec::new(),
            topics: Vec::new(),
            oldest: 0,
            last_outside: None,
            upstreams: 0,
            paused: None,
            absorbing: (0, 0),
            closed: false,
        }
    }

    /// Where the client connects from.
    pub fn client_ip(&self) -> IpAddr {
        self.client.ip()
    }

    pub fn record(&mut self, event: &Event) {
        if let Some(tap) = self.telemetry.tap.get() {
            tap(event);
        }
        let counters = &self.telemetry.counters;
        match event {
            Event::Requests { api_key, count } => {
                counters.requests.add(*api_key, *count);
                if !api_key.is_known() {
                    self.telemetry.unknown_api(*api_key, *count);
                }
                match self.place.is_none() && introduces(*api_key) {
                    true => self.introducing += count,
                    false => self.place().note(event),
                }
            }
            Event::ClientId(client_id) => self.renamed(client_id.as_ref()),
            Event::Principal(principal) => {
                self.principal = principal.clone();
                self.met_anew();
            }
            Event::Software { name, version } => {
                self.software = Some((name.clone(), version.clone()));
                self.place = None;
            }
            Event::Acks { .. } | Event::Batch { .. } => self.place().note(event),
            Event::AnswerError {
                error_code, count, ..
            } => {
                counters.answer_errors.add(*error_code, *count);
                self.place().note(event);
            }
            Event::Override {
                scenario,
                mode,
                api_key,
                count,
            } => {
                counters.overrides.add((*scenario, *api_key, *mode), *count);
                self.client((*scenario, Deed::Override, *mode))
                    .inc_by(*count);
            }
            Event::OverrideTopic {
                scenario,
                mode,
                topic,
                records,
                count,
            } => {
                if *records > 0 {
                    counters.override_records.add((*scenario, *mode), *records);
                }
                let handle = self.topic((*scenario, Deed::Override, *mode), Some(topic));
                handle.counter.inc_by(*count);
                handle.sum.add(*count, *records);
            }
            Event::Degraded {
                scenario,
                reason,
                count,
            } => {
                counters.degraded.add((*scenario, *reason), *count);
                let journal = &self.telemetry.journal;
                journal.degraded(*scenario, *reason, self.who());
            }
            Event::Exempted {
                scenario,
                exemption,
                count,
            } => self.exempted(*scenario, exemption, *count),
            Event::Rejection {
                scenario,
                mode,
                api_key,
                error_code,
                topic,
                records,
                bytes,
                count,
            } => {
                counters
                    .rejections
                    .add((*scenario, *api_key, *error_code, *mode), *count);
                counters.rejected_records.add((*scenario, *mode), *records);
                counters.rejected_bytes.add((*scenario, *mode), *bytes);
                self.client((*scenario, Deed::Reject, *mode)).inc_by(*count);
                let handle = self.topic((*scenario, Deed::Reject, *mode), topic.as_ref());
                handle.counter.inc_by(*count);
                handle.sum.add(*count, *records);
                // What a Produce is told is an event of its own: with acks=0 nobody is told.
                if *mode == Mode::Enforce && *api_key != ApiKey::PRODUCE {
                    self.place().refused(*error_code);
                }
            }
            Event::Observed {
                scenario,
                completeness,
                topic,
                group,
                count,
            } => {
                counters
                    .observations
                    .add((*scenario, *completeness), *count);
                if let Some(group) = group {
                    let label = completeness.name();
                    let family = &counters.observations_by_group;
                    let counter = family.resolve(scenario.name(), label, Some(group));
                    counter.inc_by(*count);
                }
                let met = (*scenario, Deed::Count, as_mode(*completeness));
                self.client(met).inc_by(*count);
                let handle = self.topic(met, topic.as_ref());
                handle.counter.inc_by(*count);
                handle.sum.add(*count, 0);
            }
            Event::Unverified { scenario } => counters.unverified.add(*scenario, 1),
            Event::Unjudged { scenario } => counters.unjudged.add(*scenario, 1),
            Event::Acks0 {
                outcome,
                cause,
                records,
                bytes,
                exact,
                ..
            } => {
                counters.acks0_records.add((*outcome, *cause), *records);
                counters.acks0_bytes.add((*outcome, *cause), *bytes);
                counters.acks0_inexact.inc_by(u64::from(!exact));
            }
            Event::AbsorbedError {
                error_code,
                topic,
                partition,
            } => {
                counters.absorbed_errors.add(*error_code, 1);
                let journal = &self.telemetry.journal;
                journal.absorbed_error(*error_code, topic.as_deref(), *partition, self.who());
            }
            Event::OverrideFailure {
                scenario,
                error_code,
                topic,
            } => {
                counters.override_failures.add((*scenario, *error_code), 1);
                let journal = &self.telemetry.journal;
                journal.override_failure(*scenario, *error_code, topic.as_deref(), self.who());
            }
            Event::Absorbed { count } => counters.absorbed.inc_by(*count),
            Event::Answered { api_key, micros } => {
                let seconds = Duration::from_micros(*micros).as_secs_f64();
                counters.upstream_latency[timed_as(*api_key)].observe(seconds);
            }
            Event::Undecodable { api_key, side } => {
                counters.decode_failures.add((*api_key, *side), 1);
            }
            Event::BrokerOutsideSet { node_id } => self.outside(*node_id),
            Event::Misdeed { cause, detail } => {
                let journal = &self.telemetry.journal;
                journal.misdeed(*cause, detail, self.who());
            }
            Event::Closed { cause } => self.closed(*cause),
        }
    }

    /// Bytes written to the broker (requests) or to the client (responses), and of which pipes took in how many.
    pub fn relayed(&self, direction: Direction, bytes: u64, spliced: u64) {
        let counters = &self.telemetry.counters;
        if spliced > 0 {
            counters.spliced_bytes[direction as usize].inc_by(spliced);
        }
        match direction {
            Direction::Request => counters.request_bytes.inc_by(bytes),
            Direction::Response => counters.response_bytes.inc_by(bytes),
        }
    }

    /// From the arrival of bytes to their writing, the broker's time excluded.
    pub fn added_latency(&self, direction: Direction, time: Duration) {
        self.telemetry.counters.latency[direction as usize].observe(time.as_secs_f64());
    }

    /// Because of which limit the client is not read at this moment, if any.
    pub fn paused(&mut self, by: Option<Limit>, now: Instant) {
        let before = self.paused.take();
        let counters = &self.telemetry.counters;
        if let Some((limit, since)) = before {
            let time = now.saturating_duration_since(since);
            counters.paused_seconds[limit as usize].inc_by(time.as_secs_f64());
        }
        let before = before.map(|(limit, _)| limit);
        if before != by {
            if let Some(limit) = before {
                counters.clients_paused[limit as usize].dec();
            }
            if let Some(limit) = by {
                counters.pauses[limit as usize].inc();
                counters.clients_paused[limit as usize].inc();
            }
        }
        self.paused = by.map(|limit| (limit, now));
    }

    /// Former acks=0 requests of this connection that are unanswered, and their bytes.
    pub fn absorbing(&mut self, (requests, bytes): (usize, usize)) {
        let now = (saturated(requests), saturated(bytes));
        let before = std::mem::replace(&mut self.absorbing, now);
        if before != now {
            let counters = &self.telemetry.counters;
            counters.acks0_inflight_requests.add(now.0 - before.0);
            counters.acks0_inflight_bytes.add(now.1 - before.1);
        }
    }

    /// A connection to a broker is up. It counts as open until [`ConnectionMeter::upstream_closed`] or the meter's end.
    pub fn upstream_opened(&mut self) {
        self.upstreams += 1;
        self.telemetry.counters.upstream.inc();
    }

    pub fn upstream_closed(&mut self) {
        if self.upstreams > 0 {
            self.upstreams -= 1;
            self.telemetry.counters.upstream.dec();
        }
    }

    /// A connection to a broker could not be made, or failed.
    pub fn upstream_error(&self, cause: CloseCause) {
        self.telemetry.counters.upstream_errors.add(cause, 1);
    }

    fn place(&mut self) -> &Place {
        self.place.get_or_insert_with(|| {
            let place = self.telemetry.inventory.join(Key {
                client_id: self.client_id.clone(),
                principal: self.principal.clone(),
                software: self.software.clone(),
            });
            place.requested(std::mem::take(&mut self.introducing));
            place
        })
    }

    /// Which broker the connection leads to; `None`: the bootstrap port.
    pub fn leads_to(mut self, broker: Option<i32>) -> ConnectionMeter {
        self.broker = broker;
        self
    }

    fn who(&self) -> Who<'_> {
        Who {
            client: self.client,
            client_id: self.client_id.as_deref(),
            principal: self.principal.as_deref(),
            broker: self.broker,
        }
    }

    fn renamed(&mut self, client_id: Option<&Arc<str>>) {
        self.client_id = client_id.map(|id| match id.len() > MAX_CLIENT_ID_BYTES {
            true => id[..id.floor_char_boundary(MAX_CLIENT_ID_BYTES)].into(),
            false => id.clone(),
        });
        self.met_anew();
    }

    /// What comes from now on is another client's.
    fn met_anew(&mut self) {
        self.place = None;
        self.clients.clear();
        self.topics.clear();
        self.oldest = 0;
    }

    fn client(&mut self, met: Met) -> &IntCounter {
        let before = self.clients.iter().position(|handle| handle.met == met);
        let position = before.unwrap_or_else(|| {
            let (scenario, deed, mode) = met;
            let counters = &self.telemetry.counters;
            let (family, label) = match deed {
                Deed::Reject => (&counters.rejections_by_client, mode.name()),
                Deed::Override => (&counters.overrides_by_client, mode.name()),
                Deed::Count => (&counters.observations_by_client, completeness(mode)),
            };
            let counter = family.resolve(scenario.name(), label, self.client_id.as_deref());
            self.clients.reserve_exact(1);
            self.clients.push(ClientHandle { met, counter });
            self.clients.len() - 1
        });
        &self.clients[position].counter
    }

    fn topic(&mut self, met: Met, topic: Option<&Arc<str>>) -> &TopicHandle {
        let topic = topic.filter(|topic| topic.len() <= MAX_TOPIC_BYTES);
        let before = |handle: &TopicHandle| handle.met == met && same(handle.topic.as_ref(), topic);
        let position = self
            .topics
            .iter()
            .position(before)
            .unwrap_or_else(|| self.meet(met, topic.cloned()));
        &self.topics[position]
    }

    fn meet(&mut self, met: Met, topic: Option<Arc<str>>) -> usize {
        let counters = &self.telemetry.counters;
        let (scenario, deed, mode) = met;
        let (family, label) = match deed {
            Deed::Reject => (&counters.rejections_by_topic, mode.name()),
            Deed::Override => (&counters.overrides_by_topic, mode.name()),
            Deed::Count => (&counters.observations_by_topic, completeness(mode)),
        };
        let handle = TopicHandle {
            met,
            counter: family.resolve(scenario.name(), label, topic.as_deref()),
            sum: self
                .telemetry
                .journal
                .meet(met, (&self.client_id, &self.principal), &topic),
            topic,
        };
        if self.topics.len() < MAX_TOPICS {
            self.topics.reserve_exact(1);
            self.topics.push(handle);
            return self.topics.len() - 1;
        }
        let position = self.oldest;
        self.oldest = (position + 1) % MAX_TOPICS;
        self.topics[position] = handle;
        position
    }

    fn exempted(&self, scenario: Scenario, exemption: &Arc<str>, count: u64) {
        let hits = self.telemetry.counters.exemption_hits.load();
        let hit = hits
            .iter()
            .find(|(name, of, _)| *of == scenario && same(Some(name), Some(exemption)));
        if let Some((.., counter)) = hit {
            counter.inc_by(count);
        }
    }

    fn outside(&mut self, node_id: i32) {
        // Every Metadata answer says so again; the lock is for those that are new here.
        if self.last_outside.replace(node_id) != Some(node_id) {
            self.telemetry.outside(node_id);
        }
    }

    fn closed(&mut self, cause: CloseCause) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.telemetry.counters.closed.add(cause, 1);
        if self.introducing > 0 {
            // It went no further.
            self.place();
        }
        debug!(
            cause = cause.name(),
            client = %self.client,
            client_id = self.client_id.as_deref(),
            principal = self.principal.as_deref(),
            "connection ends"
        );
    }
}

/// A connection without a cause was ended from outside: by its own panic, or at the deadline of the drain.
impl Drop for ConnectionMeter {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        self.telemetry.counters.panics.inc_by(u64::from(panicked));
        if !self.closed {
            self.closed(if panicked {
                CloseCause::Panic
            } else {
                CloseCause::Drain
            });
        }
        if let Some((limit, _)) = self.paused {
            self.telemetry.counters.clients_paused[limit as usize].dec();
        }
        self.absorbing((0, 0));
        self.telemetry.counters.connections.dec();
        self.telemetry.counters.upstream.sub(self.upstreams);
    }
}

/// What a client sends before it is known who it is.
fn introduces(api_key: ApiKey) -> bool {
    matches!(
        api_key,
        ApiKey::API_VERSIONS | ApiKey::SASL_HANDSHAKE | ApiKey::SASL_AUTHENTICATE
    )
}

/// What is only counted has no mode; its completeness stands in that place.
fn as_mode(completeness: Completeness) -> Mode {
    match completeness {
        Completeness::Exact => Mode::Enforce,
        Completeness::Partial => Mode::Observe,
    }
}

fn completeness(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => Completeness::Exact.name(),
        _ => Completeness::Partial.name(),
    }
}

fn same(one: Option<&Arc<str>>, other: Option<&Arc<str>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        (None, None) => true,
        _ => false,
    }
}
