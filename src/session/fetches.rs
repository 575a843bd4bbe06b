//! Where each partition that a connection reads is fetched from, and where its log starts. Incremental sessions (KIP-227)
//! leave out what did not change, so it is remembered here. What all connections of the client share is told to the ledger.
//!
//! In steady state nothing is allocated: topics and partitions stay where they are.

use super::Env;
use super::inflight::Topic;
use super::produce::topic_of;
use super::topics::{Named, Topics};
use crate::cluster::Learned;
use crate::ledger::deliveries::{Cell, Client, Reset, Unseen};
use crate::ledger::room::Room;
use crate::policy::{offset_reset, retention_overrun};
use crate::wire::api::ErrorCode;
use crate::wire::produce::TopicKey;
use std::sync::Arc;

/// Partitions, and topics, that one connection is remembered to read.
const MOST: usize = 10_000;
/// Longer names cannot be topics (Kafka's `Topic.validate`), nor those that are no text; one would be kept as long as the
/// connection.
const MAX_TOPIC_BYTES: usize = 249;
/// How often a connection tells how close retention has come.
const TELL_EVERY_MS: i64 = 1000;

/// See the module.
#[derive(Debug)]
pub(super) struct Fetches {
    topics: Topics<TopicRead>,
    partitions: usize,
    room: Room,
    /// Grows with each request that lists everything that is read.
    generation: u32,
    /// The topics that the request and the answer are at; `None`: there was no room for it.
    requested: Option<usize>,
    answered: Option<usize>,
    /// The partition that the answer is at, by position.
    answering: Option<usize>,
    told_ms: i64,
    /// What all connections of the client share, while somebody wants to know.
    client: Option<Arc<Client>>,
    /// There is while something is read that the client's cells are not told of.
    unseen: Option<Unseen>,
    /// Something was read that there was no room for, or that could not be understood: it stays unseen.
    blind: bool,
}

/// What an answer says that a reader has lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Offsets that were deleted before they were read.
    pub overrun: Option<u64>,
    /// Offsets that it skipped by going on at the end, and its group.
    pub reset: Option<(u64, Option<Arc<str>>)>,
}

#[derive(Debug)]
struct TopicRead {
    topic: Topic,
    /// In the order of their indices.
    partitions: Vec<Read>,
}

/// One partition that is read. −1: not known.
#[derive(Debug)]
struct Read {
    index: i32,
    /// It is read now if this is the present one.
    generation: u32,
    position: i64,
    log_start_offset: i64,
    /// The position that was out of range, until an answer tells where the log starts.
    out_of_range: i64,
    cell: Option<Arc<Cell>>,
    /// The reader went to the end, until an answer tells where the log starts.
    reset: Option<Box<Reset>>,
}

impl Fetches {
    pub fn new(env: &Env<'_>) -> Fetches {
        Fetches {
            topics: Topics::new(),
            partitions: 0,
            room: env.ledger.fetches.room(),
            generation: 0,
            requested: None,
            answered: None,
            answering: None,
            told_ms: env.now_ms,
            client: None,
            unseen: None,
            blind: false,
        }
    }

    /// A request begins; `full`: it lists all that is read.
    pub fn request(&mut self, full: bool) {
        self.generation = self.generation.wrapping_add(u32::from(full));
    }

    /// As what the cells of what is read are held; `None`: nobody wants to know.
    pub fn join(&mut self, client: Option<&Arc<Client>>) {
        let same = match (&self.client, client) {
            (Some(mine), Some(client)) => Arc::ptr_eq(mine, client),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.client = client.cloned();
            self.unseen = None;
            for read in self
                .topics
                .iter_mut()
                .flat_map(|topic| &mut topic.partitions)
            {
                (read.cell, read.reset) = (None, None);
            }
            if self.blind {
                self.blind();
            }
            return;
        }
        let mut reads = self.topics.iter().flat_map(|topic| &topic.partitions);
        if self.unseen.is_some() && !self.blind && reads.all(|read| read.cell.is_some()) {
            self.unseen = None;
        }
    }

    /// The connection reads what is not seen here.
    pub fn blind(&mut self) {
        self.blind = true;
        unsee(&mut self.unseen, self.client.as_ref());
    }

    /// The topic, if the connection had not read it before and the view does not know it.
    pub fn requested_topic(&mut self, env: &Env<'_>, key: TopicKey<'_>) -> Option<Learned> {
        let before = self.topics.len();
        self.requested = self.topic(env, self.requested, key);
        // A client that comes back after a restart of ours reads by ids that nobody has named here.
        let new = self.topics.get(before)?;
        match &new.topic {
            Topic::Id(id, None) => Some(Learned::TopicIdSeen(*id)),
            Topic::Name(name) if env.view.topic(name).is_none() => {
                Some(Learned::TopicSeen(name.clone()))
            }
            _ => None,
        }
    }

    /// A partition of that topic is read from here.
    pub fn requested(&mut self, env: &Env<'_>, index: i32, fetch_offset: i64) {
        let Some(place) = self.read(env, index) else {
            return self.blind();
        };
        if let Some(client) = self.client.as_ref().filter(|_| !self.goes_on(place)) {
            let topic = &mut self.topics[place.0];
            let name = topic.name(env);
            let cell = name.and_then(|name| {
                let id = env.view.topic(name).and_then(|topic| topic.id);
                env.ledger.deliveries.cell(client, name, id, index)
            });
            topic.partitions[place.1].cell = cell;
        }
        self.read_on(env, place, fetch_offset);
    }

    /// A partition in its place is read from here.
    pub fn read_on(&mut self, env: &Env<'_>, (topic, at): (usize, usize), position: i64) {
        let generation = self.generation;
        let read = &mut self.topics[topic].partitions[at];
        (read.position, read.generation) = (position, generation);
        match &read.cell {
            _ if self.client.is_none() => {}
            Some(cell) => {
                if let Some(reset) = cell.read_from(env.address, position) {
                    read.reset = Some(Box::new(reset));
                }
            }
            None => unsee(&mut self.unseen, self.client.as_ref()),
        }
    }

    /// Whether a partition needs no new cell.
    pub fn goes_on(&self, (topic, at): (usize, usize)) -> bool {
        let cell = &self.topics[topic].partitions[at].cell;
        self.client.is_none() || cell.as_ref().is_some_and(|cell| !cell.is_gone())
    }

    /// The topic that the request is at, if that partition of it can be read on as it is.
    pub fn goes_on_in(&self, index: i32) -> Option<usize> {
        let topic = self.requested?;
        let place = self.place_in(topic, index)?;
        self.goes_on(place).then_some(topic)
    }

    /// A partition of a topic in its place that was read before.
    pub fn place_in(&self, topic: usize, index: i32) -> Option<(usize, usize)> {
        let at = self.topics.get(topic)?.place(index).ok()?;
        Some((topic, at))
    }

    /// A partition of that topic is not read any more.
    pub fn forgotten(&mut self, index: i32) {
        let before = self.generation.wrapping_sub(1);
        if let Some(read) = self
            .requested
            .and_then(|topic| self.topics[topic].find(index))
        {
            read.generation = before;
        }
    }

    pub fn answered_topic(&mut self, env: &Env<'_>, key: TopicKey<'_>) {
        self.answered = self.topic(env, self.answered, key);
    }

    /// The broker answered for a partition of that topic: what its reader has lost.
    pub fn answered(
        &mut self,
        env: &Env<'_>,
        index: i32,
        error_code: ErrorCode,
        log_start_offset: i64,
    ) -> Lost {
        self.answering = None;
        let Some(topic) = self.answered.map(|topic| &mut self.topics[topic]) else {
            return Lost::default();
        };
        let Ok(at) = topic.place(index) else {
            return Lost::default();
        };
        self.answering = Some(at);
        let read = &mut topic.partitions[at];
        if error_code == ErrorCode::OFFSET_OUT_OF_RANGE {
            // Asked again from where it was the first time that counts.
            if read.out_of_range < 0 {
                read.out_of_range = read.position;
            }
            if let Some(cell) = read.cell.as_ref().filter(|_| read.position >= 0) {
                cell.out_of_range(env.address, read.position);
            }
            return Lost::default();
        }
        if error_code != ErrorCode::NONE {
            return Lost::default();
        }
        let reset = read.reset.take().and_then(|reset| {
            let skipped = offset_reset::skipped(reset.from, log_start_offset, reset.to)?;
            Some((skipped, reset.group))
        });
        if log_start_offset < 0 {
            return Lost {
                overrun: None,
                reset,
            };
        }
        read.log_start_offset = log_start_offset;
        let overrun = match std::mem::replace(&mut read.out_of_range, -1) {
            -1 => None,
            position => retention_overrun::skipped(position, log_start_offset),
        };
        Lost { overrun, reset }
    }

    /// Records of that partition up to this offset go to the client.
    pub fn delivered(&mut self, end: i64) {
        let (Some(topic), Some(at)) = (self.answered, self.answering) else {
            return self.blind();
        };
        if let Some(cell) = &self.topics[topic].partitions[at].cell {
            cell.delivered(end);
        }
    }

    /// The name of the topic that the answer is at, where it is known.
    pub fn answered_name(&self, env: &Env<'_>) -> Option<Arc<str>> {
        self.topics[self.answered?].name(env).cloned()
    }

    /// Tells how close retention has come, if it is time.
    pub fn tell(&mut self, env: &Env<'_>) {
        if (0..TELL_EVERY_MS).contains(&(env.now_ms - self.told_ms)) {
            return;
        }
        self.told_ms = env.now_ms;
        for topic in self.topics.iter() {
            let read = topic.partitions.iter();
            let read = read.filter(|read| read.generation == self.generation);
            let lowest = read
                .filter_map(|read| {
                    retention_overrun::headroom(read.position, read.log_start_offset)
                })
                .min();
            if let (Some(lowest), Some(name)) = (lowest, topic.name(env)) {
                env.ledger.fetches.told(name, lowest, env.now_ms);
            }
        }
    }

    /// The place of a topic, mostly the one that came last.
    fn topic(&mut self, env: &Env<'_>, last: Option<usize>, key: TopicKey<'_>) -> Option<usize> {
        if let Some(last) = last.filter(|last| self.topics[*last].topic.is(key)) {
            return Some(last);
        }
        if let Some(known) = self.topics.find(key) {
            return Some(known);
        }
        let sound = match key {
            TopicKey::Name(name) => {
                name.len() <= MAX_TOPIC_BYTES && std::str::from_utf8(name).is_ok()
            }
            TopicKey::Id(_) => true,
        };
        if !sound || self.topics.len() >= MOST || !self.room.take() {
            return None;
        }
        let (topic, _) = topic_of(key, env);
        Some(self.topics.add(TopicRead {
            topic,
            partitions: Vec::with_capacity(1),
        }))
    }

    /// A partition of the topic that the request is at, new or not; `None`: there is no room for it.
    fn read(&mut self, env: &Env<'_>, index: i32) -> Option<(usize, usize)> {
        let Some(topic) = self.requested else {
            env.ledger.fetches.unnoticed(1);
            return None;
        };
        let known = |topic: &TopicRead| topic.place(index);
        let at = match known(&self.topics[topic]) {
            Ok(at) => at,
            Err(at) => {
                let mut at = at;
                if self.partitions >= MOST {
                    self.make_room();
                    at = known(&self.topics[topic]).unwrap_or_else(|at| at);
                }
                if self.partitions >= MOST || !self.room.take() {
                    env.ledger.fetches.unnoticed(1);
                    return None;
                }
                self.partitions += 1;
                let read = Read {
                    index,
                    generation: self.generation,
                    position: -1,
                    log_start_offset: -1,
                    out_of_range: -1,
                    cell: None,
                    reset: None,
                };
                self.topics[topic].partitions.insert(at, read);
                at
            }
        };
        Some((topic, at))
    }

    /// What is not read any more goes.
    fn make_room(&mut self) {
        let generation = self.generation;
        self.partitions = 0;
        for topic in self.topics.iter_mut() {
            topic
                .partitions
                .retain(|read| read.generation == generation);
            self.partitions += topic.partitions.len();
        }
        self.room.keep(self.topics.len() + self.partitions);
    }
}

fn unsee(unseen: &mut Option<Unseen>, client: Option<&Arc<Client>>) {
    if let Some(client) = client {
        unseen.get_or_insert_with(|| client.unseen());
    }
}

impl Named for TopicRead {
    fn topic(&self) -> &Topic {
        &self.topic
    }
}

impl TopicRead {
    fn find(&mut self, index: i32) -> Option<&mut Read> {
        let known = self.place(index);
        known.ok().map(|at| &mut self.partitions[at])
    }

    fn place(&self, index: i32) -> Result<usize, usize> {
        self.partitions
            .binary_search_by_key(&index, |read| read.index)
    }

    fn name<'a>(&'a self, env: &'a Env<'_>) -> Option<&'a Arc<str>> {
        match &self.topic {
            Topic::Id(id, None) => env.view.topic_by_id(id).map(|facts| &facts.name),
            topic => topic.name(),
        }
    }
}
