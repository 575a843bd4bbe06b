//! What groups have committed: the last offset of each partition, and how many partitions a topic had when a group came to it.
//!
//! Floor 1. Fed with commits that a broker accepted and with offsets that it told. A topic that was created anew is another
//! one: its offsets say nothing about the old ones'. Bounded in partitions; the topics of groups that were used longest ago
//! are forgotten first.

use super::locked;
use crate::cluster::TopicId;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Partitions of groups that are remembered, each topic of a group counting one more.
pub const CAPACITY: usize = 100_000;

#[derive(Debug)]
pub struct Commits {
    table: Mutex<Table>,
    capacity: usize,
    forgotten: AtomicU64,
    unnoticed: AtomicU64,
}

/// A topic of a group: all that can be asked is asked with it.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    /// `None` where the cluster has no topic ids, or none is known yet.
    pub topic_id: Option<TopicId>,
}

#[derive(Debug, Default)]
struct Table {
    groups: HashMap<Arc<str>, HashMap<Arc<str>, Topic>>,
    /// What [`CAPACITY`] bounds.
    weight: usize,
    /// Counts uses: the order in which topics were used last.
    uses: u64,
}

#[derive(Debug)]
struct Topic {
    id: Option<TopicId>,
    offsets: BTreeMap<i32, i64>,
    partitions_at_first: Option<i32>,
    used: u64,
}

impl Default for Commits {
    fn default() -> Commits {
        Commits::of_capacity(CAPACITY)
    }
}

impl Commits {
    pub fn of_capacity(capacity: usize) -> Commits {
        Commits {
            table: Mutex::default(),
            capacity: capacity.max(2),
            forgotten: AtomicU64::new(0),
            unnoticed: AtomicU64::new(0),
        }
    }

    /// The group's offset is this one now, whatever it was.
    pub fn committed(&self, of: Of<'_>, partition: i32, offset: i64) {
        self.change(of, |topic| {
            topic.offsets.insert(partition, offset);
        });
    }

    /// The last offset that is known of.
    pub fn last(&self, of: Of<'_>, partition: i32) -> Option<i64> {
        let table = locked(&self.table);
        let topic = table.groups.get(of.group)?.get(of.topic)?;
        match topic.id == of.topic_id {
            true => topic.offsets.get(&partition).copied(),
            false => None,
        }
    }

    /// How many partitions the topic had when the group was first seen with it: `partitions`, if that is now.
    pub fn partitions_at_first(&self, of: Of<'_>, partitions: i32) -> i32 {
        let mut first = partitions;
        self.change(of, |topic| {
            first = *topic.partitions_at_first.get_or_insert(partitions);
        });
        first
    }

    /// A commit went on without being remembered, because too much waits for answers already.
    pub fn unnoticed(&self, partitions: usize) {
        let partitions = u64::try_from(partitions).unwrap_or(u64::MAX);
        self.unnoticed.fetch_add(partitions, Ordering::Relaxed);
    }

    /// How many partitions of groups were forgotten for lack of room, or never remembered.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed) + self.unnoticed.load(Ordering::Relaxed)
    }

    fn change(&self, of: Of<'_>, change: impl FnOnce(&mut Topic)) {
        let mut table = locked(&self.table);
        if table.weight >= self.capacity {
            let forgotten = table.forget(self.capacity / 16);
            self.forgotten.fetch_add(forgotten, Ordering::Relaxed);
        }
        table.uses += 1;
        let Table {
            groups,
            weight,
            uses,
        } = &mut *table;
        if !groups.contains_key(of.group) {
            groups.insert(of.group.into(), HashMap::new());
        }
        let Some(topics) = groups.get_mut(of.group) else {
            return;
        };
        if !topics.contains_key(of.topic) {
            topics.insert(of.topic.into(), Topic::new(of.topic_id));
            *weight += 1;
        }
        let Some(topic) = topics.get_mut(of.topic) else {
            return;
        };
        let before = topic.offsets.len();
        if topic.id != of.topic_id {
            *topic = Topic::new(of.topic_id);
        }
        topic.used = *uses;
        change(topic);
        *weight = *weight + topic.offsets.len() - before;
    }
}

impl Table {
    /// Forgets topics of groups, the ones used longest ago, until that much is gone. Returns how many partitions went.
    fn forget(&mut self, weight: usize) -> u64 {
        let topics = self.groups.values().flat_map(HashMap::values);
        let mut used: Vec<(u64, usize)> = topics
            .map(|topic| (topic.used, topic.offsets.len() + 1))
            .collect();
        used.sort_unstable();
        let (mut going, mut newest) = (0, 0);
        for (last_used, weighs) in used {
            if going > weight {
                break;
            }
            (going, newest) = (going + weighs, last_used);
        }
        let mut forgotten = 0;
        self.groups.retain(|_, topics| {
            topics.retain(|_, topic| {
                let stays = topic.used > newest;
                if !stays {
                    forgotten += topic.offsets.len();
                }
                stays
            });
            !topics.is_empty()
        });
        self.weight -= going;
        u64::try_from(forgotten).unwrap_or(u64::MAX)
    }
}

impl Topic {
    fn new(id: Option<TopicId>) -> Topic {
        Topic {
            id,
            offsets: BTreeMap::new(),
            partitions_at_first: None,
            used: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(group: &'a str, topic: &'a str, id: u8) -> Of<'a> {
        Of {
            group,
            topic,
            topic_id: Some([id; 16]),
        }
    }

    #[test]
    fn the_last_commit_counts_also_when_it_is_lower() {
        let commits = Commits::default();
        commits.committed(of("g", "t", 1), 0, 9);
        commits.committed(of("g", "t", 1), 0, 4);
        assert_eq!(commits.last(of("g", "t", 1), 0), Some(4));
        assert_eq!(commits.last(of("g", "t", 1), 1), None);
        assert_eq!(commits.last(of("h", "t", 1), 0), None);
    }

    #[test]
    fn a_topic_created_anew_has_no_commits() {
        let commits = Commits::default();
        commits.committed(of("g", "t", 1), 0, 9);
        assert_eq!(commits.last(of("g", "t", 2), 0), None);
        assert_eq!(commits.partitions_at_first(of("g", "t", 2), 3), 3);
        commits.committed(of("g", "t", 2), 1, 5);
        assert_eq!(commits.last(of("g", "t", 2), 0), None);
        assert_eq!(commits.last(of("g", "t", 1), 0), None);
    }

    #[test]
    fn the_number_of_partitions_is_that_of_the_first_sight() {
        let commits = Commits::default();
        assert_eq!(commits.partitions_at_first(of("g", "t", 1), 3), 3);
        assert_eq!(commits.partitions_at_first(of("g", "t", 1), 5), 3);
        assert_eq!(commits.partitions_at_first(of("h", "t", 1), 5), 5);
    }

    #[test]
    fn what_was_used_longest_ago_is_forgotten_first_and_counted() {
        let commits = Commits::of_capacity(32);
        for group in 0..16 {
            commits.committed(of(&group.to_string(), "t", 1), 0, 1);
        }
        commits.committed(of("0", "t", 1), 0, 2);
        commits.committed(of("new", "t", 1), 0, 1);
        assert_eq!(commits.last(of("1", "t", 1), 0), None);
        for kept in ["0", "15", "new"] {
            assert!(commits.last(of(kept, "t", 1), 0).is_some(), "{kept}");
        }
        assert!(commits.forgotten() > 0);
        for group in 0..1000 {
            commits.committed(of("flood", &group.to_string(), 1), 0, 1);
        }
        let table = commits.table.lock().unwrap();
        let weight = |topic: &Topic| topic.offsets.len() + 1;
        let held = table.groups.values().flat_map(HashMap::values).map(weight);
        assert_eq!(table.weight, held.sum::<usize>());
        assert!(table.weight <= 33);
    }
}
