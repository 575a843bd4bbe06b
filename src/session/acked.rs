//! What a connection's batches are compared with when their answers come: the highest offset that was acknowledged in their
//! partition before they were sent, by any connection (`acked_truncation`).
//!
//! ```text
//!   request:  partition -> place -> cell of the ledger -> seen = highest     kept beside the request until its answer
//!   answer:   base_offset > seen: highest = last offset; else the cold way   told to the ledger, which others confirm
//! ```
//!
//! Places stay where they are as long as the connection, so that in steady state nothing is allocated and no lock is taken.

use super::event::Event;
use super::inflight::{Sent, Topic};
use super::topics::{Named, Topics};
use super::{Env, Session};
use crate::ledger::acked::{Cell, Truncation};
use crate::ledger::room::Room;
use crate::policy::standing::{Stand, Standing};
use crate::policy::{Scenario, acked_truncation};
use crate::wire::api::ErrorCode;
use crate::wire::produce::{self, TopicKey};
use crate::wire::record_batch::Entry;
use std::sync::Arc;

/// Partitions that one connection holds on to.
const MOST: usize = 10_000;
/// Batches that wait for their answers on one connection and are compared; those beyond are not.
const MOST_SENT: usize = 4096;
/// What only hints at a truncation is told of a partition once in that time.
const HINT_EVERY_MS: i64 = 1000;

/// Where a batch that is to be sent will be compared; nowhere, where nothing is known of its partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Placed(Option<Sent>);

/// The partitions that a connection writes to.
#[derive(Debug)]
pub(super) struct Acked {
    topics: Topics<TopicWritten>,
    places: Vec<Place>,
    room: Room,
    /// The topic and the place that came last.
    last: (usize, u32),
    /// The place that came twice in a row, with all that its requests and answers need.
    steady: Option<Steady>,
}

/// A copy of a place, so that the common case is not led from pointer to pointer.
#[derive(Debug)]
struct Steady {
    topic: Topic,
    partition: i32,
    place: u32,
    bound: u32,
    cell: Arc<Cell>,
}

#[derive(Debug)]
struct TopicWritten {
    topic: Topic,
    /// Indices of partitions and of places, in the order of the former.
    partitions: Vec<(i32, u32)>,
}

#[derive(Debug)]
struct Place {
    partition: i32,
    name: Arc<str>,
    id: [u8; 16],
    /// Grows with each cell that it got: answers to what was sent before concern another one.
    bound: u32,
    cell: Arc<Cell>,
    hinted_ms: i64,
}

impl Session {
    /// The same place once more, for a request that begins like the one before.
    #[inline]
    pub(super) fn placed_again(&self, placed: Placed) -> Placed {
        let (Placed(Some(before)), Some(acked)) = (placed, &self.acked) else {
            return Placed(None);
        };
        let place = acked.places.get(before.place as usize);
        let place = place.filter(|place| place.cell.is_live() && place.bound == before.bound);
        Placed(place.map(|place| place.sent(before.place)))
    }

    /// The request with that batch is the newest that waits for an answer. `acks`: as it goes up.
    #[inline]
    pub(super) fn sent(&mut self, placed: Placed, entry: Entry, acks: i16) {
        if let Placed(Some(place)) = placed {
            let sent = Sent {
                records: entry.records,
                certain: acked_truncation::is_certain(entry.producer_id, acks),
                ..place
            };
            self.in_flight.sent(sent, MOST_SENT);
        }
    }

    /// The same of all batches of a partition that is read the long way, unless it is refused.
    pub(super) fn partition_sent(&mut self, env: &Env<'_>) {
        let Some((topic, partition, records, certain)) = self.produce.kept_partition() else {
            return;
        };
        let standing = self.standing.as_ref();
        let placed = place(&mut self.acked, standing, env, topic.key(), partition);
        if let Placed(Some(place)) = placed {
            let sent = Sent {
                records: u32::try_from(records).unwrap_or(u32::MAX),
                certain,
                ..place
            };
            self.in_flight.sent(sent, MOST_SENT);
        }
    }

    /// The answer to the oldest request, the first of `frames`, says of its one partition that it was stored; so may
    /// those that follow it say of requests of the same run: how many do so, in the same words, the first included.
    #[inline]
    pub(super) fn sole_answered(
        &mut self,
        env: &Env<'_>,
        frames: &[u8],
        frame_len: usize,
        version: i16,
    ) -> u32 {
        let (frame, others) = frames.split_at(frame_len);
        let run = self.in_flight.oldest().map_or(0, |oldest| oldest.run);
        let Some(sent) = self.in_flight.oldest_sole() else {
            self.whole_answered(env, frame);
            return match self.in_flight.oldest() {
                Some(oldest) if oldest.sent == 0 => {
                    1 + produce::stored_alike(frame, others, version, run, -1).0
                }
                _ => 1,
            };
        };
        let (index, base_offset) = produce::sole_stored(frame, version);
        let compared = self.acked.as_ref().and_then(|acked| acked.cell(sent));
        let Some((_, cell)) = compared.filter(|(partition, _)| *partition == index) else {
            return 1;
        };
        if contradicts(cell, sent, base_offset) {
            self.contradicted(env, sent, base_offset);
            return 1;
        }
        if run == 0 || base_offset < 0 {
            return 1;
        }
        let (answers, highest) = produce::stored_alike(frame, others, version, run, sent.seen);
        cell.acknowledge(last(sent, highest));
        1 + answers
    }

    /// Compares what a whole answer to the oldest request says. One that does not follow its schema is found out elsewhere.
    pub(super) fn whole_answered(&mut self, env: &Env<'_>, frame: &[u8]) {
        let (in_flight, acked) = (&mut self.in_flight, &mut self.acked);
        let version = in_flight.oldest().map_or(0, |oldest| oldest.api_version);
        let all = in_flight.oldest_sent();
        let Some(acked) = acked.as_mut().filter(|_| !all.is_empty()) else {
            return;
        };
        if all.len() > 1 {
            all.sort_by_key(|sent| sent.place);
        }
        let mut topic = None;
        let mut contradicted = Vec::new();
        let _ = produce::walk_answer(frame, version, |part| match part {
            produce::Answer::Topic { key, .. } => topic = acked.topic(key),
            produce::Answer::Partition {
                index,
                error_code: ErrorCode::NONE,
                base_offset,
            } => {
                let place = topic.and_then(|topic: usize| acked.topics[topic].place(index));
                let after = all.partition_point(|sent| Some(sent.place) <= place);
                // Of a partition that stands twice in a request a broker keeps the last.
                let sent = after.checked_sub(1).map(|at| all[at]);
                if let Some(sent) = sent.filter(|sent| Some(sent.place) == place)
                    && let Some(at) = acked.places.get(sent.place as usize)
                    && at.bound == sent.bound
                    && contradicts(&at.cell, sent, base_offset)
                {
                    contradicted.push((sent, base_offset));
                }
            }
            _ => {}
        });
        for (sent, base_offset) in contradicted {
            self.contradicted(env, sent, base_offset);
        }
    }

    /// An answer contradicts an acknowledgement: for the ledger, or only a hint, or an exemption's.
    #[cold]
    fn contradicted(&mut self, env: &Env<'_>, sent: Sent, base_offset: i64) {
        let (Some(standing), Some(acked)) = (&self.standing, &mut self.acked) else {
            return;
        };
        let Some(place) = acked.places.get_mut(sent.place as usize) else {
            return;
        };
        let news = match sent.certain {
            true => place.cell.truncate(sent.seen, last(sent, base_offset)),
            false => place.hints(sent.seen, env.now_ms),
        };
        if !news {
            return;
        }
        let client_id = self.client_id.as_deref();
        match standing.for_topic(Scenario::AckedTruncation, client_id, Some(&place.name)) {
            Stand::Exempt(position) => {
                if let Some(exemption) = standing.exemption(position) {
                    self.events.push(Event::Exempted {
                        scenario: Scenario::AckedTruncation,
                        exemption: exemption.name.clone(),
                        count: 1,
                    });
                }
            }
            Stand::Off => {}
            Stand::Apply(_) | Stand::ByTopic(_) => env.ledger.acked.find(Truncation {
                topic: place.name.clone(),
                topic_id: place.id,
                partition: place.partition,
                acknowledged_offset: sent.seen,
                base_offset,
                proven: sent.certain,
                client_id: self.client_id.clone(),
                exact: standing.settings().single_instance,
            }),
        }
    }
}

/// The last offset of the records that were given `base_offset`; where an old format hides their number, at least that.
fn last(sent: Sent, base_offset: i64) -> i64 {
    base_offset.saturating_add(i64::from(sent.records.max(1)) - 1)
}

/// Whether an answer contradicts what was acknowledged before its request was sent; else it is an acknowledgement.
#[inline]
fn contradicts(cell: &Cell, sent: Sent, base_offset: i64) -> bool {
    if base_offset < 0 {
        return false;
    }
    let contradicts = acked_truncation::contradicts(base_offset, sent.seen);
    if !contradicts {
        cell.acknowledge(last(sent, base_offset));
    }
    contradicts
}

/// Where a batch will be compared.
#[inline]
pub(super) fn place(
    acked: &mut Option<Box<Acked>>,
    standing: Option<&Standing>,
    env: &Env<'_>,
    key: TopicKey<'_>,
    partition: i32,
) -> Placed {
    let stand = standing.map(|standing| standing.get(Scenario::AckedTruncation));
    let (Some(Stand::Apply(_) | Stand::ByTopic(_)), Some(standing)) = (stand, standing) else {
        return Placed(None);
    };
    debug_assert!(standing.settings().judges_appends());
    match acked {
        Some(acked) => Placed(acked.place(env, key, partition)),
        None => first_place(acked, env, key, partition),
    }
}

#[cold]
fn first_place(
    acked: &mut Option<Box<Acked>>,
    env: &Env<'_>,
    key: TopicKey<'_>,
    partition: i32,
) -> Placed {
    let acked = acked.insert(Box::new(Acked::new(env)));
    Placed(acked.other_place(env, key, partition))
}

impl Acked {
    /// The partition of a place and its cell, if that is still the one that the batch was sent under.
    #[inline]
    fn cell(&self, sent: Sent) -> Option<(i32, &Cell)> {
        match &self.steady {
            Some(steady) if (steady.place, steady.bound) == (sent.place, sent.bound) => {
                Some((steady.partition, &steady.cell))
            }
            _ => {
                let place = self.places.get(sent.place as usize)?;
                (place.bound == sent.bound).then_some((place.partition, &place.cell))
            }
        }
    }

    fn new(env: &Env<'_>) -> Acked {
        Acked {
            topics: Topics::new(),
            places: Vec::with_capacity(1),
            room: env.ledger.acked.room(),
            last: (0, u32::MAX),
            steady: None,
        }
    }

    #[inline]
    fn place(&mut self, env: &Env<'_>, key: TopicKey<'_>, partition: i32) -> Option<Sent> {
        if let Some(steady) = &self.steady
            && steady.partition == partition
            && steady.cell.is_live()
            && steady.topic.is(key)
        {
            return Some(Sent {
                seen: steady.cell.highest(),
                place: steady.place,
                bound: steady.bound,
                records: 0,
                certain: false,
            });
        }
        self.other_place(env, key, partition)
    }

    /// Not the one that comes all the time, or a new one, or one that the ledger let go of.
    #[inline(never)]
    fn other_place(&mut self, env: &Env<'_>, key: TopicKey<'_>, partition: i32) -> Option<Sent> {
        let topic = match self.topic(key) {
            Some(topic) => topic,
            None => self.new_topic(env, key, partition)?,
        };
        let place = match self.topics[topic].place(partition) {
            Some(place) => place,
            None => self.new_place(env, topic, key, partition)?,
        };
        let at = self.places.get_mut(place as usize)?;
        if !at.cell.is_live() {
            at.bind_anew(env, key)?;
        }
        let sent = at.sent(place);
        if std::mem::replace(&mut self.last, (topic, place)) == (topic, place) {
            self.steady = Some(Steady {
                topic: self.topics[topic].topic.clone(),
                partition,
                place,
                bound: at.bound,
                cell: at.cell.clone(),
            });
        }
        Some(sent)
    }

    /// A topic that is written to, mostly the one that came last.
    fn topic(&self, key: TopicKey<'_>) -> Option<usize> {
        let last = self.last.0;
        if self
            .topics
            .get(last)
            .is_some_and(|topic| topic.topic.is(key))
        {
            return Some(last);
        }
        self.topics.find(key)
    }

    /// Only what the view knows is followed, so that a client cannot make up topics.
    fn new_topic(&mut self, env: &Env<'_>, key: TopicKey<'_>, partition: i32) -> Option<usize> {
        let (name, ..) = known(env, key, partition)?;
        if self.topics.len() >= MOST || !self.room.take() {
            env.ledger.acked.unnoticed(1);
            return None;
        }
        let topic = match key {
            TopicKey::Id(id) => Topic::Id(id, Some(name)),
            TopicKey::Name(_) => Topic::Name(name),
        };
        Some(self.topics.add(TopicWritten {
            topic,
            partitions: Vec::with_capacity(1),
        }))
    }

    fn new_place(
        &mut self,
        env: &Env<'_>,
        topic: usize,
        key: TopicKey<'_>,
        partition: i32,
    ) -> Option<u32> {
        let (name, id) = known(env, key, partition)?;
        if self.places.len() >= MOST || !self.room.take() {
            env.ledger.acked.unnoticed(1);
            return None;
        }
        let cell = env.ledger.acked.cell(&name, id, partition)?;
        let new = u32::try_from(self.places.len()).ok()?;
        self.places.push(Place {
            partition,
            name,
            id,
            bound: 0,
            cell,
            hinted_ms: i64::MIN,
        });
        let partitions = &mut self.topics[topic].partitions;
        let at = partitions.partition_point(|(index, _)| *index < partition);
        partitions.insert(at, (partition, new));
        Some(new)
    }
}

impl Named for TopicWritten {
    fn topic(&self) -> &Topic {
        &self.topic
    }
}

impl TopicWritten {
    fn place(&self, partition: i32) -> Option<u32> {
        let known = self
            .partitions
            .binary_search_by_key(&partition, |(index, _)| *index);
        known.ok().map(|at| self.partitions[at].1)
    }
}

impl Place {
    /// What is kept of a batch until its answer, but for what the batch itself says.
    #[inline]
    fn sent(&self, place: u32) -> Sent {
        Sent {
            seen: self.cell.highest(),
            place,
            bound: self.bound,
            records: 0,
            certain: false,
        }
    }

    /// The ledger let go of its cell: for lack of room, or because the topic is another one now.
    fn bind_anew(&mut self, env: &Env<'_>, key: TopicKey<'_>) -> Option<()> {
        let (_, id) = known(env, key, self.partition)?;
        if self.cell.is_gone() && id == self.id {
            // The view does not know yet.
            return None;
        }
        self.cell = env.ledger.acked.cell(&self.name, id, self.partition)?;
        self.id = id;
        self.bound = self.bound.wrapping_add(1);
        Some(())
    }

    /// The answer may have another reason: not followed, and told at a rate.
    fn hints(&mut self, seen: i64, now_ms: i64) -> bool {
        let since = now_ms.saturating_sub(self.hinted_ms);
        let news = self.cell.highest() >= seen && !(0..HINT_EVERY_MS).contains(&since);
        if news {
            self.hinted_ms = now_ms;
        }
        news
    }
}

/// Name and id of a topic that the view has with that partition.
fn known(env: &Env<'_>, key: TopicKey<'_>, partition: i32) -> Option<(Arc<str>, [u8; 16])> {
    let facts = match key {
        TopicKey::Id(id) => env.view.topic_by_id(&id)?,
        TopicKey::Name(name) => env.view.topic(std::str::from_utf8(name).ok()?)?,
    };
    let partitions = &facts.partitions;
    partitions
        .binary_search_by_key(&partition, |known| known.index)
        .ok()?;
    // Brokers that know no ids cannot tell a topic from one created anew.
    Some((facts.name.clone(), facts.id?))
}
