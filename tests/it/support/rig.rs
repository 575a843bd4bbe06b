//! A virtual pair: what a client sends goes through a `Session` to a hand-written broker, and back. No sockets, no
//! sleeps; both directions move in chunks of any size, one byte included, and every `Want` is honoured as the driver of a
//! connection does it. What reached either side, and every event, can be looked at afterwards.

use super::raw::{self, Body, Cursor};
use holdfast::cluster::{
    Advertised, GroupOffset, IdSet, Learned, LogEnd, PartitionFacts, TopicFacts, TopicRef, View,
};
use holdfast::ledger::Ledger;
use holdfast::ledger::deliveries::Address;
use holdfast::policy::{Exemption, Mode, Pattern, Scenario, Settings, appends};
use holdfast::session::event::{CloseCause, Event, Outcome, OutcomeCause};
use holdfast::session::inflight::UpstreamId;
use holdfast::session::lane::Lane;
use holdfast::session::storage::Storage;
use holdfast::session::{Answer, Env, Limits, Question, Session, Want};
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;

/// What the session is told; a macro, as it borrows single fields of the rig.
macro_rules! env {
    ($rig:expr) => {
        Env {
            view: &$rig.view,
            ledger: &$rig.ledger,
            policy: $rig.in_force.as_ref().expect("pump sets it"),
            advertised: &$rig.advertised,
            limits: &$rig.limits,
            node_id: $rig.node_id,
            brokers_outside: $rig.brokers_outside,
            needs_login: $rig.needs_login,
            address: $rig.address,
            now_ms: $rig.now_ms,
            clock_us: $rig.clock_us,
        }
    };
}

/// How many bytes a read brings, and a write takes.
#[derive(Clone, Debug)]
pub enum Chunks {
    All,
    Of(usize),
    /// From one byte up to that many, the same for the same seed.
    Random(u64, usize),
    /// The same; and where the session wants to see nothing, every other time bytes go by the lane.
    Bypassing(u64, usize),
}

impl Chunks {
    /// What a test tries that must not depend on how bytes arrive.
    pub fn every() -> Vec<Chunks> {
        vec![
            Chunks::All,
            Chunks::Of(1),
            Chunks::Of(7),
            Chunks::Random(11, 90),
            Chunks::Random(5, 3000),
            Chunks::Bypassing(3, 90),
            Chunks::Bypassing(7, 3000),
        ]
    }

    fn next(&mut self) -> usize {
        match self {
            Chunks::All => usize::MAX,
            Chunks::Of(n) => *n,
            Chunks::Random(state, most) | Chunks::Bypassing(state, most) => {
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                1 + (*state >> 33) as usize % *most
            }
        }
    }

    /// How many of `unseen` bytes go by the lane now.
    fn bypass(&mut self, unseen: u64, lane: &Lane) -> usize {
        match self {
            Chunks::Bypassing(state, _)
                if unseen > 0 && lane.is_empty() && *state >> 40 & 1 == 0 =>
            {
                self.next()
                    .min(usize::try_from(unseen).unwrap_or(usize::MAX))
            }
            _ => 0,
        }
    }
}

/// What is answered when the session wants to know a topic's limit of this moment.
#[derive(Clone, Debug)]
pub enum Confirm {
    /// The limit that the view has.
    Same,
    /// Another one.
    Limit(u32),
    /// These facts.
    Facts(Box<TopicFacts>),
    /// Nobody answers.
    Silence,
    /// The answer has not come yet.
    Later,
}

/// Partitions by topic and number.
type PartitionNames = Vec<(Arc<str>, i32)>;

pub struct Rig {
    pub session: Session,
    pub requests: Lane,
    pub responses: Lane,
    pub view: View,
    /// Shared by the rigs of one gateway.
    pub ledger: Arc<Ledger>,
    /// What leaders tell of the ends of logs: by topic and partition.
    pub log_ends: BTreeMap<(&'static str, i32), i64>,
    /// What coordinators tell of groups' offsets: by group, topic and partition; −1: nothing is committed.
    pub group_offsets: BTreeMap<(&'static str, &'static str, i32), i64>,
    /// What brokers tell of topics that the view does not have.
    pub strangers: Vec<Arc<TopicFacts>>,
    pub policy: Settings,
    in_force: Option<Arc<Settings>>,
    pub advertised: Advertised,
    pub limits: Limits,
    pub node_id: Option<i32>,
    pub brokers_outside: bool,
    pub needs_login: bool,
    /// Where the client connects from.
    pub address: Address,
    /// Unix time in ms.
    pub now_ms: i64,
    /// How long the connection has been there, in µs.
    pub clock_us: u64,

    pub chunks: Chunks,
    pub confirm: Confirm,
    /// The largest frame that may be collected.
    pub collect_bytes: usize,
    pub grants_announcements: bool,
    /// As a driver does that has no more to grant, for what fits into its buffer.
    pub refuses_announcements: bool,
    /// How many bytes in all the broker's socket takes.
    pub broker_takes: u64,
    /// The broker, unless the test is one itself.
    pub broker: Option<Broker>,

    /// What goes by the lanes.
    requests_by: VecDeque<u8>,
    responses_by: VecDeque<u8>,
    from_client: VecDeque<u8>,
    from_broker: VecDeque<u8>,
    request_want: Want,
    response_want: Want,
    request_news: bool,
    response_news: bool,
    broker_gone: bool,
    /// The length of the frame for which there is room, or 0.
    collecting: usize,

    pub to_broker: Vec<u8>,
    pub to_client: Vec<u8>,
    pub events: Vec<Event>,
    pub learned: Vec<Learned>,
    pub confirms: Vec<Arc<str>>,
    /// What was asked of leaders: while a request waited, and while nothing did.
    pub asked: Vec<Vec<(Arc<str>, i32)>>,
    pub wondered: Vec<Vec<(Arc<str>, i32)>>,
    /// What was asked of groups' coordinators, and after topics that the view does not have.
    pub places_asked: Vec<(Arc<str>, PartitionNames)>,
    pub strangers_asked: Vec<Vec<TopicRef>>,
    pub collects: Vec<usize>,
    pub announces: Vec<usize>,
    /// The most bytes of requests that were held at a time.
    pub most_held: usize,
}

/// All scenarios in one mode, nothing else; but what batches are is only observed: in force it holds
/// every request, and has tests of its own.
pub fn settings(mode: Mode) -> Settings {
    let mut settings = Settings {
        modes: [mode; Scenario::COUNT],
        ack_timeout_floor_ms: 5_000,
        ..Settings::default()
    };
    if mode == Mode::Enforce {
        for scenario in appends::SCENARIOS {
            settings.modes[scenario as usize] = Mode::Observe;
        }
        // In force it holds answers.
        settings.modes[Scenario::DirtyRead as usize] = Mode::Observe;
    }
    settings
}

pub fn exemption(scenario: Scenario, topics: &[&str], client_ids: &[&str]) -> Exemption {
    let patterns =
        |list: &[&str]| -> Vec<Pattern> { list.iter().map(|p| Pattern((*p).into())).collect() };
    Exemption {
        name: "known".into(),
        scenarios: vec![scenario],
        topics: patterns(topics),
        client_ids: patterns(client_ids),
        groups: Vec::new(),
        principals: Vec::new(),
        owner: "team".into(),
        reason: "agreed".into(),
        expires: None,
    }
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new(settings(Mode::Enforce))
    }
}

impl Rig {
    pub fn new(policy: Settings) -> Rig {
        const RELAY_BUFFER_BYTES: usize = 64 * 1024;
        let mut lanes = [Lane::default(), Lane::default()];
        for lane in &mut lanes {
            lane.replace_storage(Storage::new(RELAY_BUFFER_BYTES));
        }
        let [requests, responses] = lanes;
        Rig {
            session: Session::new(None),
            requests,
            responses,
            view: View::default(),
            ledger: Arc::default(),
            log_ends: BTreeMap::new(),
            group_offsets: BTreeMap::new(),
            strangers: Vec::new(),
            policy,
            in_force: None,
            advertised: Advertised {
                host: "gateway".into(),
                port_base: 9100,
                port: None,
                ids: IdSet::from_ranges([(1, 3)]),
            },
            limits: Limits {
                max_in_flight: 100,
                max_absorbed_in_flight: 8,
                max_absorbed_bytes: 1024 * 1024,
                relay_buffer_bytes: RELAY_BUFFER_BYTES,
            },
            node_id: Some(1),
            brokers_outside: false,
            needs_login: false,
            address: Address([1; 16]),
            now_ms: raw::now_ms(),
            clock_us: 0,
            chunks: Chunks::All,
            confirm: Confirm::Same,
            collect_bytes: 64 * 1024 * 1024,
            grants_announcements: true,
            refuses_announcements: false,
            broker_takes: u64::MAX,
            broker: Some(Broker::default()),
            requests_by: VecDeque::new(),
            responses_by: VecDeque::new(),
            from_client: VecDeque::new(),
            from_broker: VecDeque::new(),
            request_want: Want::Bytes(1),
            response_want: Want::Bytes(1),
            request_news: false,
            response_news: false,
            broker_gone: false,
            collecting: 0,
            to_broker: Vec::new(),
            to_client: Vec::new(),
            events: Vec::new(),
            learned: Vec::new(),
            confirms: Vec::new(),
            asked: Vec::new(),
            places_asked: Vec::new(),
            strangers_asked: Vec::new(),
            wondered: Vec::new(),
            collects: Vec::new(),
            announces: Vec::new(),
            most_held: 0,
        }
    }

    pub fn chunks(mut self, chunks: &Chunks) -> Rig {
        self.chunks = chunks.clone();
        self
    }

    /// The test itself says what the broker answers.
    pub fn without_broker(mut self) -> Rig {
        self.broker = None;
        self
    }

    /// The view learns a topic: its id is [`topic_id`] of its name.
    pub fn topic(mut self, name: &str, max_message_bytes: Option<u32>) -> Rig {
        let facts = Arc::new(TopicFacts {
            max_message_bytes,
            ..stranger(name)
        });
        let view = &mut self.view;
        view.topic_names.insert(topic_id(name), name.into());
        view.smallest_batch_limit = [view.smallest_batch_limit, max_message_bytes]
            .into_iter()
            .flatten()
            .min();
        view.topics.insert(name.into(), facts);
        self
    }

    /// A partition falls below its `min.insync.replicas`.
    pub fn degraded(mut self, topic: &str, partition: i32) -> Rig {
        self.view.degraded.insert(topic.into(), partition, 1);
        self
    }

    // ---- what the two sides do ----

    pub fn send(&mut self, bytes: &[u8]) -> &mut Rig {
        self.from_client.extend(bytes);
        self.pump();
        self
    }

    pub fn answer(&mut self, bytes: &[u8]) -> &mut Rig {
        self.from_broker.extend(bytes);
        self.pump();
        self
    }

    /// The client ends its side.
    pub fn client_ends(&mut self) -> &mut Rig {
        self.pump();
        self.session.client_ended(&mut self.requests);
        self.session.close(CloseCause::ClientClosed);
        self.request_news = true;
        self.pump();
        self
    }

    /// The broker's side is lost, as the driver does it.
    pub fn broker_ends(&mut self) -> &mut Rig {
        self.lose_broker(CloseCause::BrokerClosed);
        self.pump();
        self
    }

    fn lose_broker(&mut self, cause: CloseCause) {
        self.broker_gone = true;
        self.session
            .broker_lost(self.requests.written_bytes(), cause);
        self.requests.clear_plan();
        let rest = self.responses.fresh_len();
        self.responses.skip(rest);
        self.session.flush_answers(&mut self.responses);
        self.request_news = true;
    }

    pub fn drain(&mut self) -> &mut Rig {
        self.session.drain(CloseCause::Drain);
        self.request_news = true;
        self.pump();
        self
    }

    pub fn close(&mut self, cause: CloseCause) -> &mut Rig {
        self.session.close(cause);
        self.request_news = true;
        self.pump();
        self
    }

    /// The last word.
    pub fn finish(&mut self) -> &mut Rig {
        let env = env!(self);
        self.session
            .finish(&env, &mut self.requests, OutcomeCause::Aborted);
        self.take_events();
        self
    }

    /// Bytes of the client that wait in its socket because the session does not want them now.
    pub fn unread(&self) -> usize {
        self.from_client.len()
    }

    pub fn request_want(&self) -> &Want {
        &self.request_want
    }

    /// Moves whatever can move.
    pub fn pump(&mut self) {
        if self.in_force.is_none() {
            self.in_force = Some(Arc::new(self.policy.clone()));
        }
        let mut rounds = 0;
        while self.pump_requests() | self.pump_responses() | self.pump_broker() {
            rounds += 1;
            assert!(rounds < 5_000_000, "the pair never comes to rest");
        }
        self.take_events();
    }

    /// Settings that were changed come into force.
    pub fn reload(&mut self) {
        self.in_force = None;
    }

    fn take_events(&mut self) {
        let events = &mut self.events;
        self.session.events(|event| events.push(event));
        self.learned.extend(self.session.learned());
    }

    fn pump_requests(&mut self) -> bool {
        let mut moved = false;
        loop {
            while self.requests.has_output() && !self.broker_gone {
                let left = self.broker_takes - self.requests.written_bytes();
                let most = self
                    .chunks
                    .next()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                let lane = &self.requests;
                let n = write(lane, &mut self.requests_by, &mut self.to_broker, most);
                if n == 0 {
                    return moved;
                }
                self.requests.wrote(n);
                moved = true;
            }
            if self.broker_gone {
                self.requests.clear_plan();
            }
            if may_judge(&self.request_want, self.request_news, &self.requests) {
                self.judge_requests();
                moved = true;
                continue;
            }
            if !self.ready_to_read_client() {
                return moved;
            }
            if may_judge(&self.request_want, self.request_news, &self.requests) {
                continue;
            }
            if self.from_client.is_empty() {
                return moved;
            }
            let unseen = self.session.unseen_requests();
            let n = self.chunks.bypass(unseen, &self.requests);
            if n > 0 {
                let n = n.min(self.from_client.len());
                assert!(self.requests_by.is_empty(), "filled while it holds some");
                self.requests_by = self.from_client.drain(..n).collect();
                self.requests.bypass(n);
                if self.session.requests_bypassed(n as u64) == 0 {
                    self.judge_requests();
                }
                moved = true;
                continue;
            }
            let room = self.requests.room();
            assert!(!room.is_empty(), "a frame needs more room than there is");
            let n = room
                .len()
                .min(self.chunks.next())
                .min(self.from_client.len());
            for (to, from) in room.iter_mut().zip(self.from_client.drain(..n)) {
                *to = from;
            }
            self.requests.filled(n);
            self.most_held = self.most_held.max(self.requests.held_bytes());
            self.request_news = true;
            moved = true;
        }
    }

    fn judge_requests(&mut self) {
        self.request_news = false;
        let env = env!(self);
        self.request_want = self.session.on_request(&env, &mut self.requests);
        let in_flight = self.session.in_flight().len();
        self.session.flush_answers(&mut self.responses);
        if self.request_want == Want::Answers && self.session.in_flight().len() < in_flight {
            self.request_news = true;
        }
        if self.request_want == Want::Close {
            let rest = self.requests.fresh_len();
            self.requests.skip(rest);
            self.request_want = Want::Bytes(1);
        }
    }

    /// Whether bytes are wanted; what else is wanted is given.
    fn ready_to_read_client(&mut self) -> bool {
        if !matches!(self.request_want, Want::Collect(_)) {
            self.collecting = 0;
        }
        match self.request_want.clone() {
            Want::Bytes(_) => {
                if self.requests.is_empty() && self.requests.capacity() > 64 * 1024 {
                    self.requests.replace_storage(Storage::new(64 * 1024));
                }
                true
            }
            Want::Close => true,
            Want::Answers => false,
            Want::Announce(len)
                if self.refuses_announcements && len <= self.limits.relay_buffer_bytes =>
            {
                self.session.announce_refused();
                self.request_news = true;
                true
            }
            Want::Announce(len) => {
                if self.grants_announcements {
                    self.announces.push(len);
                    self.session.announce_granted();
                    self.request_news = true;
                }
                self.grants_announcements
            }
            Want::Collect(len) => {
                if len > self.collect_bytes {
                    self.session.cannot_collect();
                    self.request_news = true;
                } else {
                    if self.collecting != len {
                        self.collects.push(len);
                    }
                    grow(&mut self.requests, len);
                }
                self.collecting = len;
                true
            }
            Want::Confirm(question) => self.ask(*question),
        }
    }

    /// What the brokers say to a question; whether they do so now.
    fn ask(&mut self, question: Question) -> bool {
        match question {
            Question::LogEnds(partitions, _) => {
                let answer = match self.confirm {
                    Confirm::Later => return false,
                    Confirm::Silence => None,
                    _ => Some(self.ends_of(&partitions)),
                };
                self.asked.push(partitions);
                self.session.confirmed(answer);
                self.request_news = true;
                true
            }
            Question::Committed(group, partitions) => {
                let answer = match self.confirm {
                    Confirm::Later => return false,
                    Confirm::Silence => None,
                    _ => Some(self.committed_of(&group, &partitions)),
                };
                self.places_asked.push((group, partitions));
                self.session.confirmed(answer);
                self.request_news = true;
                true
            }
            Question::Topics(topics) => {
                let answer = match self.confirm {
                    Confirm::Later => return false,
                    Confirm::Silence => None,
                    _ => Some(Answer::Topics(self.strangers.clone())),
                };
                self.strangers_asked.push(topics);
                self.session.confirmed(answer);
                self.request_news = true;
                true
            }
            Question::Facts(topic) => {
                let known = self.view.topic(&topic).cloned();
                let facts = match self.confirm {
                    Confirm::Later => return false,
                    Confirm::Same => known,
                    Confirm::Silence => None,
                    Confirm::Facts(ref facts) => Some(Arc::new(TopicFacts::clone(facts))),
                    Confirm::Limit(limit) => known.map(|facts| {
                        Arc::new(TopicFacts {
                            max_message_bytes: Some(limit),
                            ..(*facts).clone()
                        })
                    }),
                };
                self.confirms.push(topic);
                self.session.confirmed(facts.map(Answer::Facts));
                self.request_news = true;
                true
            }
        }
    }

    fn committed_of(&self, group: &str, partitions: &[(Arc<str>, i32)]) -> Answer {
        let told = partitions.iter().filter_map(|(topic, partition)| {
            let place = (group, &**topic, *partition);
            let found = self.group_offsets.get_key_value(&place)?;
            Some(GroupOffset {
                topic: topic.clone(),
                partition: *partition,
                offset: *found.1,
            })
        });
        Answer::Committed(told.collect())
    }

    fn ends_of(&self, partitions: &[(Arc<str>, i32)]) -> Answer {
        let told = partitions.iter().filter_map(|(topic, partition)| {
            let found = self.log_ends.get_key_value(&(&**topic, *partition));
            found.map(|(_, offset)| LogEnd {
                topic: topic.clone(),
                partition: *partition,
                offset: *offset,
            })
        });
        Answer::LogEnds(told.collect())
    }

    /// Answers what the session only wants to count by, unless answers come later.
    pub fn tell(&mut self) -> &mut Rig {
        if let Some(Question::LogEnds(partitions, _)) = self.session.question() {
            self.wondered.push(partitions);
        }
        let answer = match (self.confirm.clone(), self.wondered.last()) {
            (Confirm::Later, _) | (_, None) => return self,
            (Confirm::Silence, _) => None,
            (_, Some(partitions)) => Some(self.ends_of(partitions)),
        };
        let env = env!(self);
        self.session.told(&env, answer);
        self.take_events();
        self
    }

    fn pump_responses(&mut self) -> bool {
        let mut moved = false;
        loop {
            while self.responses.has_output() {
                let most = self.chunks.next();
                let lane = &self.responses;
                let n = write(lane, &mut self.responses_by, &mut self.to_client, most);
                self.responses.wrote(n);
                moved = true;
            }
            if may_judge(&self.response_want, self.response_news, &self.responses) {
                self.judge_responses();
                moved = true;
                continue;
            }
            if self.broker_gone || self.from_broker.is_empty() {
                return moved;
            }
            let unseen = self.session.unseen_responses();
            let n = self.chunks.bypass(unseen, &self.responses);
            if n > 0 {
                let n = n.min(self.from_broker.len());
                assert!(self.responses_by.is_empty(), "filled while it holds some");
                self.responses_by = self.from_broker.drain(..n).collect();
                self.responses.bypass(n);
                if self.session.responses_bypassed(n as u64) == 0 {
                    self.judge_responses();
                }
                moved = true;
                continue;
            }
            if let Want::Collect(len) = self.response_want {
                grow(&mut self.responses, len);
            }
            let room = self.responses.room();
            assert!(!room.is_empty(), "an answer needs more room than there is");
            let n = room
                .len()
                .min(self.chunks.next())
                .min(self.from_broker.len());
            for (to, from) in room.iter_mut().zip(self.from_broker.drain(..n)) {
                *to = from;
            }
            self.responses.filled(n);
            self.response_news = true;
            moved = true;
        }
    }

    fn judge_responses(&mut self) {
        self.response_news = false;
        let env = env!(self);
        self.response_want = self
            .session
            .on_response(&env, UpstreamId::FIRST, &mut self.responses);
        if self.request_want == Want::Answers {
            self.request_news = true;
        }
        if self.response_want == Want::Close {
            let cause = self
                .session
                .closing()
                .unwrap_or(CloseCause::CorrelationMismatch);
            self.lose_broker(cause);
        }
    }

    fn pump_broker(&mut self) -> bool {
        let Some(broker) = self.broker.as_mut().filter(|_| !self.broker_gone) else {
            return false;
        };
        let answers = broker.take(&self.to_broker);
        self.from_broker.extend(&answers);
        !answers.is_empty()
    }

    // ---- what can be looked at ----

    /// Requests that reached the broker whole.
    pub fn broker_frames(&self) -> Vec<Vec<u8>> {
        frames(&self.to_broker)
    }

    pub fn client_frames(&self) -> Vec<Vec<u8>> {
        frames(&self.to_client)
    }

    /// The Produce requests that reached the broker.
    pub fn produced(&self) -> Vec<Received> {
        let frames = self.broker_frames();
        frames
            .iter()
            .filter(|f| f[4..6] == [0, 0])
            .map(|f| Received::parse(f))
            .collect()
    }

    /// Where the records of acks=0 requests ended: by topic and partition, in order.
    pub fn ends(&self) -> Vec<End> {
        let ends = self.events.iter().filter_map(|event| match event {
            Event::Acks0 {
                outcome,
                cause,
                correlation_id,
                topic,
                partition,
                records,
                exact,
                ..
            } => Some(End {
                correlation_id: *correlation_id,
                topic: topic
                    .as_deref()
                    .map_or_else(|| "?".to_owned(), str::to_owned),
                partition: *partition,
                records: *records,
                outcome: *outcome,
                cause: *cause,
                exact: *exact,
            }),
            _ => None,
        });
        ends.collect()
    }

    /// Records by where they ended: confirmed, refused, unknown.
    pub fn sums(&self) -> (u64, u64, u64) {
        let sum = |outcome| {
            self.ends()
                .iter()
                .filter(|end| end.outcome == outcome)
                .map(|end| end.records)
                .sum()
        };
        (
            sum(Outcome::Confirmed),
            sum(Outcome::Refused),
            sum(Outcome::Unknown),
        )
    }

    /// Requests that a scenario changed, or would have.
    pub fn overrides(&self, scenario: Scenario) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for event in &self.events {
            if let Event::Override {
                scenario: s,
                mode,
                count,
                ..
            } = event
                && *s == scenario
            {
                *all.entry(mode.name()).or_default() += count;
            }
        }
        all
    }

    /// Partitions that a scenario refused, or would have.
    pub fn rejections(&self, scenario: Scenario) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for event in &self.events {
            if let Event::Rejection {
                scenario: s,
                mode,
                count,
                ..
            } = event
                && *s == scenario
            {
                *all.entry(mode.name()).or_default() += count;
            }
        }
        all
    }

    /// What is known of a topic changes.
    pub fn facts(mut self, name: &str, change: impl FnOnce(&mut TopicFacts)) -> Rig {
        if let Some(facts) = self.view.topics.get_mut(name) {
            change(Arc::make_mut(facts));
            let shrunk = facts.partitions.iter();
            let shrunk = shrunk.filter(|one| one.in_sync_replicas < one.replicas);
            self.view.shrunk.extend(shrunk.map(|one| one.leader));
        }
        self
    }

    /// Requests, and records of a topic in them, that a scenario changed, or would have.
    pub fn topic_overrides(&self, scenario: Scenario, topic: &str) -> (u64, u64) {
        let mut sums = (0, 0);
        for event in &self.events {
            if let Event::OverrideTopic {
                scenario: s,
                topic: t,
                records,
                count,
                ..
            } = event
                && *s == scenario
                && &**t == topic
            {
                sums = (sums.0 + count, sums.1 + records);
            }
        }
        sums
    }

    pub fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }

    pub fn closes(&self) -> Vec<CloseCause> {
        let causes = self.events.iter().filter_map(|event| match event {
            Event::Closed { cause } => Some(*cause),
            _ => None,
        });
        causes.collect()
    }
}

/// Where the records of one partition of one acks=0 request ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    pub correlation_id: i32,
    pub topic: String,
    pub partition: i32,
    pub records: u64,
    pub outcome: Outcome,
    pub cause: OutcomeCause,
    pub exact: bool,
}

fn may_judge(want: &Want, news: bool, lane: &Lane) -> bool {
    let enough = match want {
        Want::Bytes(n) => lane.fresh_len() >= (*n).max(1),
        _ => true,
    };
    news && enough && !lane.has_output()
}

/// `by`: what goes by the lane.
fn write(lane: &Lane, by: &mut VecDeque<u8>, to: &mut Vec<u8>, most: usize) -> usize {
    if lane.output_is_elsewhere() {
        let n = by.len().min(most);
        to.extend(by.drain(..n));
        return n;
    }
    let mut slices = [IoSlice::new(&[]); 4];
    let used = lane.output(&mut slices);
    let mut written = 0;
    for slice in &slices[..used] {
        let n = slice.len().min(most - written);
        to.extend_from_slice(&slice[..n]);
        written += n;
    }
    written
}

/// Room for the next read of a frame of `len` bytes, as the driver makes it: with what came, never by what was promised.
fn grow(lane: &mut Lane, len: usize) {
    let held = lane.held_bytes();
    let wanted = (held + 64 * 1024).max(held * 2).min(len.max(held));
    if lane.capacity() < wanted {
        lane.grow_storage(wanted);
    }
}

/// Splits a stream into whole frames, size prefix included; what is only begun is left out.
pub fn frames(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(size) = stream.first_chunk::<4>() {
        let len = 4 + i32::from_be_bytes(*size) as usize;
        match stream.split_at_checked(len) {
            Some((frame, rest)) => {
                all.push(frame.to_vec());
                stream = rest;
            }
            None => break,
        }
    }
    all
}

/// A topic of four partitions on three brokers that the view does not have.
pub fn stranger(name: &str) -> TopicFacts {
    let partition = |index| PartitionFacts {
        index,
        leader: 1,
        replicas: 3,
        in_sync_replicas: 3,
    };
    TopicFacts {
        name: name.into(),
        id: Some(topic_id(name)),
        max_message_bytes: None,
        min_insync_replicas: Some(2),
        keeping: Default::default(),
        configs: None,
        partitions: (0..4).map(partition).collect(),
    }
}

/// The id that a topic has in the view and in requests of version 13.
pub fn topic_id(name: &str) -> [u8; 16] {
    let mut id = [0xe5; 16];
    for (to, from) in id.iter_mut().zip(name.as_bytes()) {
        *to = *from;
    }
    id
}

// --------------------------------------------------------------------------------------------------------- client

/// Topics, each with its partitions and their records.
pub type Topics<'a> = [(&'a str, &'a [(i32, Vec<u8>)])];

/// A partition and its records.
pub type Partition = (i32, Vec<u8>);
pub type Partitions = Vec<Partition>;

/// A Produce request of several topics, each with its partitions.
pub fn produce(version: i16, acks: i16, topics: &Topics<'_>) -> raw::Produce {
    let topic = |(name, partitions): &(&str, &[(i32, Vec<u8>)])| raw::ProduceTopic {
        name: (*name).to_owned(),
        id: topic_id(name),
        partitions: partitions
            .iter()
            .map(|(index, records)| (*index, Some(records.clone())))
            .collect(),
    };
    raw::Produce {
        version,
        acks,
        timeout_ms: 10_000,
        transactional_id: None,
        topics: topics.iter().map(topic).collect(),
    }
}

/// One partition of the topic `orders`.
pub fn one(version: i16, acks: i16, records: Vec<u8>) -> raw::Produce {
    produce(version, acks, &[("orders", &[(0, records)])])
}

/// The frame of a Produce request from the client `app`.
pub fn frame(correlation_id: i32, produce: &raw::Produce) -> Vec<u8> {
    raw::request_frame(
        raw::PRODUCE,
        produce.version,
        correlation_id,
        Some("app"),
        &produce.body(),
    )
}

/// A batch of `count` records that is `size` bytes long.
pub fn batch(count: u64, size: usize) -> Vec<u8> {
    let mut bytes = raw::Batch::of_ids(0, count, 0).bytes();
    assert!(bytes.len() <= size, "{count} records need {}", bytes.len());
    bytes.resize(size, 0xab);
    let length = size as i32 - 12;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// The records for a version: old message sets below 3, a batch of magic 2 from there on.
pub fn records(version: i16, count: u64) -> Vec<u8> {
    match version {
        ..3 => {
            let message = |n: u64| (None, Some(n.to_string().into_bytes()));
            raw::message_set(
                i8::from(version == 2),
                &(0..count).map(message).collect::<Vec<_>>(),
            )
        }
        _ => raw::Batch::of_ids(0, count, 3).bytes(),
    }
}

/// Body of a Produce answer at `frame`, a whole frame of this version.
pub fn parse_answer(version: i16, frame: &[u8]) -> (i32, raw::ProduceAnswer) {
    let mut cursor = Cursor::new(&frame[4..]);
    let correlation_id = cursor.i32().expect("a correlation id");
    cursor.tags_if(version >= 9).expect("header tags");
    let answer = raw::ProduceAnswer::parse(version, cursor.rest());
    (
        correlation_id,
        answer.expect("an answer that follows its schema"),
    )
}

// --------------------------------------------------------------------------------------------------------- broker

/// A Produce request as the broker got it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    pub version: i16,
    pub correlation_id: i32,
    pub acks: i16,
    pub timeout_ms: i32,
    /// Topic name, or id as the name that [`topic_id`] made it of; partition; records.
    pub partitions: Vec<(String, i32, Vec<u8>)>,
}

impl Received {
    pub fn parse(frame: &[u8]) -> Received {
        let mut cursor = Cursor::new(&frame[4..]);
        let received = Received::read(&mut cursor).expect("a Produce that follows its schema");
        assert!(cursor.rest().is_empty(), "bytes behind a Produce");
        received
    }

    fn read(c: &mut Cursor<'_>) -> std::io::Result<Received> {
        let (_, version, correlation_id) = (c.i16()?, c.i16()?, c.i32()?);
        let flexible = version >= 9;
        c.string(false)?;
        c.tags_if(flexible)?;
        if version >= 3 {
            c.string(flexible)?;
        }
        let (acks, timeout_ms) = (c.i16()?, c.i32()?);
        let mut partitions = Vec::new();
        c.array(flexible, |c| {
            let topic = match version {
                0..=12 => c.string(flexible)?.unwrap_or_default(),
                _ => String::from_utf8_lossy(&c.uuid()?)
                    .trim_end_matches('\u{fffd}')
                    .to_owned(),
            };
            c.array(flexible, |c| {
                let index = c.i32()?;
                let size = match flexible {
                    true => i64::from(c.uvarint()?) - 1,
                    false => i64::from(c.i32()?),
                };
                let records = c.take(size.max(0) as usize)?.to_vec();
                c.tags_if(flexible)?;
                partitions.push((topic.clone(), index, records));
                Ok(())
            })?;
            c.tags_if(flexible)
        })?;
        c.tags_if(flexible)?;
        Ok(Received {
            version,
            correlation_id,
            acks,
            timeout_ms,
            partitions,
        })
    }

    /// Where everything went, without the bytes.
    pub fn places(&self) -> Vec<(&str, i32)> {
        self.partitions
            .iter()
            .map(|(topic, partition, _)| (topic.as_str(), *partition))
            .collect()
    }
}

/// A broker that answers Produce at any version, and anything else with an empty body.
#[derive(Clone, Debug, Default)]
pub struct Broker {
    /// Error codes by topic and partition; 0 where there is none.
    pub errors: BTreeMap<(String, i32), i16>,
    /// Partitions that its answers leave out.
    pub forgets: Vec<(String, i32)>,
    /// Topics and partitions are answered in the opposite order.
    pub reversed: bool,
    /// Its answers name brokers, where the version can.
    pub node_endpoints: bool,
    /// It answers nothing from this request on.
    pub silent_from: Option<usize>,
    /// The most that a batch may have, as it checks itself.
    pub max_message_bytes: Option<usize>,
    /// Bytes and requests that it has taken.
    pub taken: usize,
    pub requests: usize,
}

impl Broker {
    pub fn error(mut self, topic: &str, partition: i32, error_code: i16) -> Broker {
        self.errors
            .insert((topic.to_owned(), partition), error_code);
        self
    }

    /// Answers to what came since the last time.
    pub fn take(&mut self, stream: &[u8]) -> Vec<u8> {
        let mut answers = Vec::new();
        for frame in frames(&stream[self.taken..]) {
            self.taken += frame.len();
            self.requests += 1;
            if self.silent_from.is_some_and(|from| self.requests > from) {
                continue;
            }
            match frame[4..6] {
                [0, 0] => answers.extend(self.produce(&Received::parse(&frame))),
                _ => answers.extend(response(&frame[8..12], &[])),
            }
        }
        answers
    }

    /// The answer to a Produce, nothing for acks=0.
    pub fn produce(&self, request: &Received) -> Vec<u8> {
        if request.acks == 0 {
            return Vec::new();
        }
        let mut topics: Vec<(String, Vec<(i32, i16)>)> = Vec::new();
        for (topic, partition, records) in &request.partitions {
            let key = (topic.clone(), *partition);
            if self.forgets.contains(&key) {
                continue;
            }
            let mut error_code = self.errors.get(&key).copied().unwrap_or(0);
            if self
                .max_message_bytes
                .is_some_and(|max| records.len() > max)
            {
                error_code = 10;
            }
            match topics.iter_mut().find(|(name, _)| name == topic) {
                Some((_, partitions)) => partitions.push((*partition, error_code)),
                None => topics.push((topic.clone(), vec![(*partition, error_code)])),
            }
        }
        if self.reversed {
            topics.reverse();
            topics.iter_mut().for_each(|(_, all)| all.reverse());
        }
        let body = produce_answer(request.version, &topics, self.node_endpoints);
        response(&request.correlation_id.to_be_bytes(), &body)
    }
}

/// The body of a Produce answer, behind the correlation id: header tags included.
pub fn produce_answer(
    version: i16,
    topics: &[(String, Vec<(i32, i16)>)],
    node_endpoints: bool,
) -> Vec<u8> {
    let flexible = version >= 9;
    let mut body = Body::new();
    if flexible {
        body.tags();
    }
    body.array(topics.len(), flexible);
    for (topic, partitions) in topics {
        match version {
            0..=8 => body.string(topic),
            9..=12 => body.compact_string(topic),
            _ => body.bytes(&topic_id(topic)),
        };
        body.array(partitions.len(), flexible);
        for (partition, error_code) in partitions {
            let base_offset = if *error_code == 0 { 42 } else { -1 };
            body.i32(*partition).i16(*error_code).i64(base_offset);
            if version >= 2 {
                body.i64(-1);
            }
            if version >= 5 {
                body.i64(if *error_code == 0 { 0 } else { -1 });
            }
            if version >= 8 {
                body.array(0, flexible);
                match flexible {
                    true => body.compact_nullable_string(None),
                    false => body.nullable_string(None),
                };
            }
            if flexible {
                match version >= 10 && node_endpoints {
                    // current_leader { 2, 7 } is tag 0 of a partition, and stays.
                    true => body.uvarint(1).uvarint(0).uvarint(9).i32(2).i32(7).tags(),
                    false => body.tags(),
                };
            }
        }
        if flexible {
            body.tags();
        }
    }
    if version >= 1 {
        body.i32(0);
    }
    if flexible {
        match version >= 10 && node_endpoints {
            true => body.uvarint(1).uvarint(0).bytes(&node_endpoints_field()),
            false => body.tags(),
        };
    }
    body.0
}

/// Size and content of a `node_endpoints` field: node 2 at `kafka-2:9092`, no rack.
pub fn node_endpoints_field() -> Vec<u8> {
    let mut field = Body::new();
    field.array(1, true).i32(2).compact_string("kafka-2");
    field.i32(9092).compact_nullable_string(None).tags();
    let mut sized = Body::new();
    sized.uvarint(field.0.len() as u32).bytes(&field.0);
    sized.0
}

/// A whole answer frame: size, correlation id, and what follows it.
pub fn response(correlation_id: &[u8], body: &[u8]) -> Vec<u8> {
    let mut frame = Body::new();
    frame
        .i32((correlation_id.len() + body.len()) as i32)
        .bytes(correlation_id)
        .bytes(body);
    frame.0
}
