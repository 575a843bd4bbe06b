//! The highest offset that brokers acknowledged in each partition, and the appends that contradict one.
//!
//! Floor 1. A partition is one [`Cell`], which the connections that write to it hold on to: what one of them sees
//! acknowledged, the others know by the next load of an atomic, without a lock. The table itself is asked only when a
//! connection meets a partition for the first time, or when its cell was taken out of the table.
//!
//! ```text
//!   before it is sent:  seen = highest                    a request knows of what was acknowledged before it
//!   after its answer:   base_offset > seen                highest = max(highest, last offset)
//!                       base_offset <= seen, always fresh highest = last offset: told once, and followed from here on
//! ```

use super::locked;
use super::room::Room;
use crate::cluster::TopicId;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Partitions remembered; beyond it topics that nobody holds on to are forgotten first, then those met longest ago.
const CAPACITY: usize = 100_000;
/// Partitions that all connections together may hold on to.
const HELD: usize = 1_000_000;
/// Contradictions that wait to be confirmed.
const FOUND: usize = 1000;

/// See the module.
#[derive(Debug)]
pub struct Acked {
    table: Mutex<Table>,
    capacity: usize,
    held: Arc<AtomicUsize>,
    forgotten: AtomicU64,
    unnoticed: AtomicU64,
    found: Mutex<VecDeque<Truncation>>,
    left_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    topics: HashMap<Arc<str>, Topic>,
    partitions: usize,
    uses: u64,
}

#[derive(Debug)]
struct Topic {
    /// `None`: that it is another one now is known, and not which.
    id: Option<TopicId>,
    /// What it was before: whoever still takes it for that one is behind.
    was: Option<TopicId>,
    cells: HashMap<i32, Arc<Cell>>,
    used: u64,
}

/// One partition.
#[derive(Debug)]
pub struct Cell {
    /// −1: nothing was acknowledged yet.
    highest: AtomicI64,
    standing: AtomicU8,
}

/// Whether a cell is still the one of its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Live = 0,
    /// There was no room for it: the table has another one, or none.
    Forgotten = 1,
    /// The topic was deleted, and created anew or not.
    Gone = 2,
}

/// An answer that contradicts an acknowledgement: whoever confirms that the topic is still the same one has found that
/// acknowledged records are gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Truncation {
    pub topic: Arc<str>,
    pub topic_id: TopicId,
    pub partition: i32,
    /// The highest offset that was acknowledged before the request was sent.
    pub acknowledged_offset: i64,
    /// What its records were given instead of a higher one.
    pub base_offset: i64,
    /// Its batch was always appended, by a leader that all in-sync replicas follow. Else a broker may have told where it had
    /// stored it before, or one that is no leader any more may have taken it.
    pub proven: bool,
    pub client_id: Option<Arc<str>>,
    /// No other replica of the gateway can have seen more.
    pub exact: bool,
}

impl Truncation {
    /// Offsets that were acknowledged, and are given out again.
    pub fn offsets(&self) -> u64 {
        let offsets = self.acknowledged_offset.saturating_sub(self.base_offset);
        u64::try_from(offsets).map_or(0, |offsets| offsets.saturating_add(1))
    }
}

impl Default for Acked {
    fn default() -> Acked {
        Acked::of_capacity(CAPACITY)
    }
}

impl Acked {
    fn of_capacity(capacity: usize) -> Acked {
        Acked {
            table: Mutex::default(),
            capacity,
            held: Arc::default(),
            forgotten: AtomicU64::new(0),
            unnoticed: AtomicU64::new(0),
            found: Mutex::default(),
            left_out: AtomicU64::new(0),
        }
    }

    /// Room for the partitions that one connection holds on to.
    pub fn room(&self) -> Room {
        Room::of(&self.held, HELD)
    }

    /// The cell of a partition; `None`: the topic is known to be another one than this by now.
    pub fn cell(&self, topic: &Arc<str>, id: TopicId, partition: i32) -> Option<Arc<Cell>> {
        let mut table = locked(&self.table);
        table.uses += 1;
        let uses = table.uses;
        if let Some(known) = table.topics.get_mut(topic) {
            if known.was == Some(id) && known.id != Some(id) {
                return None;
            }
            if known.id == Some(id) {
                known.used = uses;
                if let Some(cell) = known.cells.get(&partition) {
                    return Some(cell.clone());
                }
            } else {
                table.replace(topic, Some(id), None);
            }
        }
        if table.partitions >= self.capacity {
            let forgotten = table.forget(self.capacity / 16);
            self.forgotten.fetch_add(forgotten, Ordering::Relaxed);
        }
        let new = Arc::new(Cell {
            highest: AtomicI64::new(-1),
            standing: AtomicU8::new(Standing::Live as u8),
        });
        table.partitions += 1;
        let known = table.topics.entry(topic.clone()).or_insert_with(|| Topic {
            id: Some(id),
            was: None,
            cells: HashMap::new(),
            used: uses,
        });
        known.cells.insert(partition, new.clone());
        Some(new)
    }

    /// The topic of that id is no more; `now`: the id of the one that has its name, where there is one.
    pub fn gone(&self, topic: &Arc<str>, was: TopicId, now: Option<TopicId>) {
        let mut table = locked(&self.table);
        if table
            .topics
            .get(topic)
            .is_some_and(|known| known.id == Some(was))
        {
            table.replace(topic, now, Some(was));
        }
    }

    /// An answer contradicts an acknowledgement.
    pub fn find(&self, truncation: Truncation) {
        let mut found = locked(&self.found);
        match found.len() < FOUND {
            true => found.push_back(truncation),
            false => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes out what was found, and how much more there was no room for.
    pub fn take_found(&self) -> (Vec<Truncation>, u64) {
        let found = locked(&self.found).drain(..).collect();
        (found, self.left_out.swap(0, Ordering::Relaxed))
    }

    /// Partitions of a request were not followed.
    pub fn unnoticed(&self, partitions: u64) {
        self.unnoticed.fetch_add(partitions, Ordering::Relaxed);
    }

    /// How many partitions were forgotten for lack of room, or not followed.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed) + self.unnoticed.load(Ordering::Relaxed)
    }
}

impl Table {
    /// Another topic has the name.
    fn replace(&mut self, topic: &Arc<str>, id: Option<TopicId>, was: Option<TopicId>) {
        let Some(known) = self.topics.get_mut(topic) else {
            return;
        };
        self.partitions -= known.cells.len();
        for (_, cell) in known.cells.drain() {
            cell.ends(Standing::Gone);
        }
        (known.id, known.was, known.used) = (id, was, self.uses);
    }

    /// Forgets topics until that many partitions are gone. Returns how many went.
    fn forget(&mut self, partitions: usize) -> u64 {
        let held = |topic: &Topic| {
            let mut cells = topic.cells.values();
            cells.any(|cell| Arc::strong_count(cell) > 1)
        };
        let mut order: Vec<(bool, u64, Arc<str>)> = self
            .topics
            .iter()
            .map(|(name, topic)| (held(topic), topic.used, name.clone()))
            .collect();
        order.sort_unstable();
        let mut forgotten = 0;
        for (.., name) in order {
            if forgotten > partitions {
                break;
            }
            let Some(topic) = self.topics.remove(&name) else {
                continue;
            };
            forgotten += topic.cells.len();
            for cell in topic.cells.values() {
                cell.ends(Standing::Forgotten);
            }
        }
        self.partitions -= forgotten;
        u64::try_from(forgotten).unwrap_or(u64::MAX)
    }
}

impl Cell {
    #[inline]
    pub fn is_live(&self) -> bool {
        self.standing.load(Ordering::Relaxed) == Standing::Live as u8
    }

    /// Whether its topic was deleted.
    pub fn is_gone(&self) -> bool {
        self.standing.load(Ordering::Relaxed) == Standing::Gone as u8
    }

    fn ends(&self, standing: Standing) {
        self.standing.store(standing as u8, Ordering::Relaxed);
    }

    /// −1: nothing was acknowledged yet.
    #[inline]
    pub fn highest(&self) -> i64 {
        self.highest.load(Ordering::Relaxed)
    }

    /// Records up to this offset were acknowledged. A plain store, which costs a fraction of an exchange: where two connections
    /// do so at once the lower offset may stay, until the next acknowledgement, and what is too low raises no false alarm.
    #[inline]
    pub fn acknowledge(&self, last_offset: i64) {
        if self.highest() < last_offset {
            self.highest.store(last_offset, Ordering::Relaxed);
        }
    }

    /// An append that proves where the log ends was given offsets up to `last_offset`, the first at or below `seen`, which had
    /// been acknowledged before it was sent. False: what has been acknowledged since is lower than that, so that another
    /// answer has told of it already.
    pub fn truncate(&self, seen: i64, last_offset: i64) -> bool {
        let mut highest = self.highest();
        while highest >= seen {
            let lowered = self.highest.compare_exchange(
                highest,
                last_offset,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match lowered {
                Ok(_) => return true,
                Err(now) => highest = now,
            }
        }
        self.acknowledge(last_offset);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[test]
    fn what_one_connection_saw_acknowledged_the_others_know() {
        let acked = Acked::default();
        let one = acked.cell(&name("t"), [1; 16], 0).unwrap();
        let other = acked.cell(&name("t"), [1; 16], 0).unwrap();
        one.acknowledge(7);
        one.acknowledge(5);
        assert_eq!(other.highest(), 7);
        let another = acked.cell(&name("t"), [1; 16], 1).unwrap();
        assert_eq!(another.highest(), -1);
    }

    #[test]
    fn a_truncation_is_told_once_and_followed_from_there() {
        let acked = Acked::default();
        let cell = acked.cell(&name("t"), [1; 16], 0).unwrap();
        cell.acknowledge(5_099);
        assert!(cell.truncate(5_099, 104));
        assert_eq!(cell.highest(), 104);
        // One that was sent at the same time, behind the first.
        assert!(!cell.truncate(5_099, 109));
        assert_eq!(cell.highest(), 109);
        // One that lies in front of the others, and whose answer comes later.
        assert!(!cell.truncate(5_099, 99));
        assert_eq!(cell.highest(), 109);
        // And one that shows that it happened again.
        assert!(cell.truncate(109, 50));
        assert_eq!(cell.highest(), 50);
    }

    #[test]
    fn a_topic_created_anew_is_another_one_and_whoever_is_behind_gets_no_cell() {
        let acked = Acked::default();
        let old = acked.cell(&name("t"), [1; 16], 0).unwrap();
        old.acknowledge(9);
        acked.gone(&name("t"), [1; 16], Some([2; 16]));
        assert!(old.is_gone() && !old.is_live());
        assert!(acked.cell(&name("t"), [1; 16], 0).is_none());
        let new = acked.cell(&name("t"), [2; 16], 0).unwrap();
        assert_eq!(new.highest(), -1);
        // The view may be the first to know.
        let newer = acked.cell(&name("t"), [3; 16], 0).unwrap();
        assert!(new.is_gone() && newer.is_live());
        // It was deleted, and nobody created another.
        acked.gone(&name("t"), [3; 16], None);
        assert!(acked.cell(&name("t"), [3; 16], 0).is_none());
        assert!(acked.cell(&name("t"), [4; 16], 0).is_some());
        assert_eq!(locked(&acked.table).partitions, 1);
    }

    #[test]
    fn topics_that_nobody_holds_on_to_are_forgotten_first_and_counted() {
        let acked = Acked::of_capacity(32);
        let held = acked.cell(&name("held"), [1; 16], 0).unwrap();
        for topic in 0..1000 {
            acked.cell(&name(&topic.to_string()), [1; 16], 0);
        }
        assert!(held.is_live());
        assert!(acked.forgotten() > 0);
        let cells: Vec<_> = (0..100)
            .map(|index| acked.cell(&name("all"), [1; 16], index).unwrap())
            .collect();
        let table = locked(&acked.table);
        assert!(table.partitions <= 32);
        let topics = table.topics.values();
        let counted = topics.map(|topic| topic.cells.len()).sum::<usize>();
        assert_eq!(table.partitions, counted);
        assert!(!cells[0].is_live() && !cells[0].is_gone());
        assert!(cells[99].is_live());
    }

    #[test]
    fn what_is_found_beyond_the_room_for_it_is_counted() {
        let acked = Acked::default();
        let truncation = Truncation {
            topic: name("t"),
            topic_id: [1; 16],
            partition: 0,
            acknowledged_offset: 5_099,
            base_offset: 100,
            proven: true,
            client_id: None,
            exact: false,
        };
        assert_eq!(truncation.offsets(), 5_000);
        (0..=FOUND).for_each(|_| acked.find(truncation.clone()));
        let (found, left_out) = acked.take_found();
        assert_eq!((found.len(), left_out), (FOUND, 1));
        assert_eq!(acked.take_found(), (Vec::new(), 0));
    }
}
