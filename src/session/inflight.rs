//! The queue of requests that wait for their answers, and the records of former acks=0 requests among them.
//!
//! Kafka answers in order, so an answer belongs to the front; its correlation id is checked all the same.

use super::event::OutcomeCause;
use super::judged::Offsets;
use super::merge::Merge;
use super::readers::LogEnds;
use crate::policy::Scenario;
use crate::wire::fetch::Batches;
use crate::wire::principal::Claim;
use crate::wire::produce::TopicKey;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// Which broker connection of a session is meant. There is one today; redelivery will add more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UpstreamId(pub u8);

impl UpstreamId {
    pub const FIRST: UpstreamId = UpstreamId(0);
}

/// What is done with the answer to a request.
#[derive(Debug)]
pub enum Fate {
    /// Not decided yet: the request is still being looked at.
    Open,
    /// It goes to the client as it is.
    Relay,
    /// A Produce answer: looked at in place. `raised`: the scenario that changed its acks.
    Produce { raised: Option<Scenario> },
    /// The client sent acks=0 and waits for nothing. `raised`: the scenario that changed its acks. `leader_only`: to 1, and
    /// that replicas have it, too, cannot be told from the answer.
    Absorb { raised: Scenario, leader_only: bool },
    /// A Fetch answer that is looked at while it streams, or held to be repaired.
    Fetch(FetchLook),
    /// An answer that names brokers: rewritten.
    Rewrite,
    /// An ApiVersions answer: versions are cut to what is understood.
    ApiVersions,
    /// A SaslAuthenticate answer: it says whether the client is who it claims to be, and for how long it is accepted.
    SaslAuthenticate(Claim),
    /// SaslHandshake v0: after an answer without error that many raw tokens follow.
    SaslHandshake { tokens: u8 },
    /// A raw SASL token: a size prefix and nothing else that is Kafka's.
    Token(Claim),
    /// We answer ourselves.
    Answer(Bytes),
    /// The broker's answer to what was left of a judged request, with our answer to the rest put in: a response body.
    Join(Bytes),
    /// What a group has committed: the ledger remembers it.
    Offsets(Box<Offsets>),
    /// Where logs begin and end: the ledger is told.
    LogEnds(Box<LogEnds>),
    /// The broker's answer, with partitions that we refused put in.
    Merge {
        raised: Option<Scenario>,
        refused: Box<Merge>,
    },
}

/// What of a Fetch answer is looked at, besides brokers that it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FetchLook {
    /// Whether its batches belong to transactions.
    pub batches: bool,
    /// Where its partitions stand.
    pub positions: bool,
    /// How far its records reach, and who begins to read them.
    pub joined: bool,
    /// What was aborted is taken out.
    pub repair: bool,
}

impl FetchLook {
    /// Whether partitions of the request are looked at, and remembered until the answer.
    pub fn follows(self) -> bool {
        self.positions || self.joined
    }

    pub fn of_batches(self) -> Batches {
        Batches {
            transactions: self.batches,
            ends: self.joined,
        }
    }
}

/// One request that waits for its answer, or a run of requests alike ([`InFlight::run_on`]).
#[derive(Debug)]
pub struct Pending {
    pub correlation_id: i32,
    /// How many follow it that differ in nothing but their correlation ids, each one more than the one before.
    pub run: u32,
    pub api_key: i16,
    pub api_version: i16,
    pub fate: Fate,
    pub upstream: UpstreamId,
    /// When it was judged, by [`super::Env::clock_us`].
    pub since_us: u64,
    /// Where its last byte, of a run the last one's, lies in the stream to the broker; `u64::MAX` until it was planned.
    pub end: u64,
    /// Bytes of the request while it counts against `max_absorbed_bytes`, else 0.
    pub absorbed_bytes: usize,
    /// How many entries of [`Records`] are its own.
    pub records: usize,
    /// How many of the batches that are compared when their answer comes; those of a run are kept once.
    pub sent: u32,
}

/// The batches of one partition of a request, and what was acknowledged there before it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// The highest offset; −1: none.
    pub seen: i64,
    /// Where the connection has the partition, and under which cell of the ledger.
    pub place: u32,
    pub bound: u32,
    pub records: u32,
    /// Brokers always append them, and tell so only once all in-sync replicas have them.
    pub certain: bool,
}

/// A topic as a request named it, kept until its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Topic {
    Name(Arc<str>),
    /// With the name, where the view had one.
    Id([u8; 16], Option<Arc<str>>),
}

impl Topic {
    pub fn is(&self, key: TopicKey<'_>) -> bool {
        match (self, key) {
            (Topic::Name(name), TopicKey::Name(other)) => name.as_bytes() == other,
            (Topic::Id(id, _), TopicKey::Id(other)) => *id == other,
            _ => false,
        }
    }

    pub fn key(&self) -> TopicKey<'_> {
        match self {
            Topic::Name(name) => TopicKey::Name(name.as_bytes()),
            Topic::Id(id, _) => TopicKey::Id(*id),
        }
    }

    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Topic::Name(name) => Some(name),
            Topic::Id(_, name) => name.as_ref(),
        }
    }
}

/// The records of one partition of one acks=0 request.
#[derive(Clone, Debug)]
pub struct RecordsOf {
    pub topic: Topic,
    pub partition: i32,
    pub records: u64,
    pub bytes: u64,
    /// Whether `records` counts records, rather than entries of an old message set.
    pub exact: bool,
    pub answered: bool,
}

impl RecordsOf {
    fn place(&self) -> (TopicKey<'_>, i32) {
        (self.topic.key(), self.partition)
    }
}

/// All requests of a connection that wait, oldest first, and the records of those that nobody else counts.
#[derive(Debug)]
pub struct InFlight {
    queue: VecDeque<Pending>,
    /// Requests in it beyond one per entry.
    runs: usize,
    records: VecDeque<RecordsOf>,
    sent: VecDeque<Sent>,
    absorbed: usize,
    absorbed_bytes: usize,
    own_answer_bytes: usize,
}

impl Default for InFlight {
    /// With room for one: a client that waits for each answer needs no more.
    fn default() -> InFlight {
        InFlight {
            queue: VecDeque::with_capacity(1),
            runs: 0,
            records: VecDeque::new(),
            sent: VecDeque::new(),
            absorbed: 0,
            absorbed_bytes: 0,
            own_answer_bytes: 0,
        }
    }
}

/// What an answer of our own takes while it waits: most are a few bytes, and cost more to keep than they are long.
fn own_answer_bytes(fate: &Fate) -> usize {
    match fate {
        Fate::Answer(bytes) | Fate::Join(bytes) => bytes.len() + size_of::<Pending>(),
        _ => 0,
    }
}

impl InFlight {
    pub fn len(&self) -> usize {
        self.queue.len() + self.runs
    }

    /// How many more may wait where `most` may.
    pub fn free(&self, most: usize) -> usize {
        most.saturating_sub(self.len())
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Former acks=0 requests that are unanswered, and their bytes.
    pub fn absorbed(&self) -> (usize, usize) {
        (self.absorbed, self.absorbed_bytes)
    }

    /// Memory of answers of our own, or parts of them, that wait for their turn.
    pub fn own_answer_bytes(&self) -> usize {
        self.own_answer_bytes
    }

    /// Whether any waiting answer is one that the client expects.
    pub fn client_waits(&self) -> bool {
        self.len() > self.absorbed
    }

    /// Whether the front waits for a broker.
    pub fn broker_owes(&self) -> bool {
        self.queue
            .iter()
            .any(|pending| !matches!(pending.fate, Fate::Answer(_) | Fate::Open))
    }

    pub fn push(&mut self, pending: Pending) {
        if pending.absorbed_bytes > 0 {
            self.absorbed += 1;
            self.absorbed_bytes += pending.absorbed_bytes;
        }
        self.own_answer_bytes += own_answer_bytes(&pending.fate);
        self.queue.push_back(pending);
    }

    /// So many more requests went up behind the newest, a Produce or a Fetch, and wait like it. `end`: where
    /// the last of them lies. One entry holds them all, so that a request of a flood of small ones costs next to nothing here.
    pub fn run_on(&mut self, requests: u32, end: u64) {
        if let Some(newest) = self.queue.back_mut() {
            newest.run += requests;
            newest.end = end;
            self.runs += requests as usize;
        }
    }

    /// The newest: the request that is still being read, if it waits for an answer at all.
    pub fn newest(&mut self) -> Option<&mut Pending> {
        self.queue.back_mut()
    }

    /// We answer the newest ourselves.
    pub fn answer_newest(&mut self, answer: Bytes) {
        if let Some(newest) = self.queue.back_mut() {
            let before = own_answer_bytes(&newest.fate);
            newest.fate = Fate::Answer(answer);
            self.own_answer_bytes += own_answer_bytes(&newest.fate) - before;
        }
    }

    pub fn oldest(&self) -> Option<&Pending> {
        self.queue.front()
    }

    /// Takes the newest back: it will have no answer. Its records stay at the end of the ring.
    pub fn withdraw_newest(&mut self) -> Option<Pending> {
        let pending = self.queue.pop_back()?;
        self.forget(&pending);
        let left = self.sent.len().saturating_sub(pending.sent as usize);
        self.sent.truncate(left);
        Some(pending)
    }

    pub fn pop(&mut self) -> Option<Pending> {
        if let Some(first) = self.first_of_run() {
            return Some(first);
        }
        let pending = self.queue.pop_front()?;
        self.forget(&pending);
        match pending.sent {
            0 => {}
            1 => drop(self.sent.pop_front()),
            n => drop(self.sent.drain(..self.sent.len().min(n as usize))),
        }
        Some(pending)
    }

    /// The oldest, if others like it follow; they stay.
    fn first_of_run(&mut self) -> Option<Pending> {
        let oldest = self.queue.front_mut().filter(|oldest| oldest.run > 0)?;
        let fate = match oldest.fate {
            Fate::Produce { raised } => Fate::Produce { raised },
            Fate::Fetch(look) => Fate::Fetch(look),
            _ => return None,
        };
        let first = Pending {
            run: 0,
            fate,
            ..*oldest
        };
        self.pass_over(1);
        Some(first)
    }

    /// So many of the oldest's run were answered; at least one of it is left.
    pub fn pass_over(&mut self, answers: u32) {
        if let Some(oldest) = self.queue.front_mut() {
            let answers = answers.min(oldest.run);
            oldest.run -= answers;
            oldest.correlation_id = oldest.correlation_id.wrapping_add_unsigned(answers);
            self.runs -= answers as usize;
        }
    }

    fn forget(&mut self, pending: &Pending) {
        self.own_answer_bytes -= own_answer_bytes(&pending.fate);
        if pending.absorbed_bytes > 0 {
            self.absorbed -= 1;
            self.absorbed_bytes -= pending.absorbed_bytes;
        }
    }

    /// Adds the batches of a partition of the newest request, unless there are `most` already.
    pub fn sent(&mut self, sent: Sent, most: usize) {
        if let Some(newest) = self.queue.back_mut()
            && self.sent.len() < most
        {
            newest.sent += 1;
            if self.sent.capacity() == 0 {
                self.sent.reserve_exact(1);
            }
            self.sent.push_back(sent);
        }
    }

    /// Of the newest request no answer proves anything.
    pub fn newest_proves_nothing(&mut self) {
        let n = self.queue.back().map_or(0, |newest| newest.sent as usize);
        for sent in self.sent.iter_mut().rev().take(n) {
            sent.certain = false;
        }
    }

    /// What the oldest request sent, if that is one partition.
    #[inline]
    pub fn oldest_sole(&self) -> Option<Sent> {
        let sole = self.queue.front().is_some_and(|oldest| oldest.sent == 1);
        self.sent.front().copied().filter(|_| sole)
    }

    /// What the oldest request sent.
    pub fn oldest_sent(&mut self) -> &mut [Sent] {
        let n = self.queue.front().map_or(0, |oldest| oldest.sent as usize);
        let (first, _) = self.sent.as_slices();
        let own = match n <= first.len() {
            true => self.sent.as_mut_slices().0,
            false => self.sent.make_contiguous(),
        };
        own.get_mut(..n).unwrap_or_default()
    }

    /// Adds the records of a partition of the newest request.
    pub fn count(&mut self, of: RecordsOf) {
        self.records.push_back(of);
    }

    /// Puts the `n` entries of the oldest request into the order that [`InFlight::answered`] needs: answers come in any
    /// order, and a request may have more partitions than can be looked through for each.
    pub fn sort_oldest_records(&mut self, n: usize) {
        let own = self.records.make_contiguous();
        let n = n.min(own.len());
        own[..n].sort_by(|a, b| a.place().cmp(&b.place()));
    }

    /// The entry of the oldest request, of which there are `n`, that the answer for a partition is about; once. Of a
    /// partition that stood twice in the request it is the last: a broker keeps them in a map and loses the others.
    pub fn answered(
        &mut self,
        n: usize,
        topic: TopicKey<'_>,
        partition: i32,
    ) -> Option<&RecordsOf> {
        let (own, _) = self.records.as_mut_slices();
        let own = own.get_mut(..n)?;
        let end = own.partition_point(|of| of.place() <= (topic, partition));
        let of = own[..end].last_mut()?;
        if of.place() != (topic, partition) || std::mem::replace(&mut of.answered, true) {
            return None;
        }
        Some(of)
    }

    /// Takes out the `n` entries of the oldest request.
    pub fn take_oldest_records(&mut self, n: usize) -> impl Iterator<Item = RecordsOf> + '_ {
        let n = n.min(self.records.len());
        self.records.drain(..n)
    }

    /// Takes out the `n` entries of the newest request.
    pub fn take_newest_records(&mut self, n: usize) -> impl Iterator<Item = RecordsOf> + '_ {
        let from = self.records.len().saturating_sub(n);
        self.records.drain(from..)
    }
}

/// Why everything that still waits is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    pub cause: OutcomeCause,
    /// How many bytes of the stream to the broker were written.
    pub written_bytes: u64,
}
