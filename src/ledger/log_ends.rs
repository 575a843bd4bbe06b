//! The highest end that a leader ever told of each partition: an offset up to it has been in the log.
//!
//! Floor 1. Spares a look for every commit that is not at the tip. A topic that was created anew is another topic where ids
//! are known; below that a number too high lets a commit pass that a look would have refused, never the other way round.

use super::locked;
use crate::cluster::{LogEnd, TopicId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Partitions remembered; beyond it everything is forgotten, as it comes back with the next looks.
const CAPACITY: usize = 100_000;

#[derive(Debug, Default)]
pub struct LogEnds {
    topics: Mutex<Topics>,
    forgotten: AtomicU64,
}

#[derive(Debug, Default)]
struct Topics {
    ends: HashMap<Arc<str>, Topic>,
    partitions: usize,
}

#[derive(Debug, Default)]
struct Topic {
    id: Option<TopicId>,
    ends: HashMap<i32, i64>,
}

impl LogEnds {
    /// A leader told where the log ends; `id` is the topic's, where it is known.
    pub fn told(&self, id: Option<TopicId>, end: &LogEnd) {
        let mut topics = locked(&self.topics);
        if topics.partitions >= CAPACITY {
            let forgotten = u64::try_from(topics.partitions).unwrap_or(0);
            self.forgotten.fetch_add(forgotten, Ordering::Relaxed);
            *topics = Topics::default();
        }
        let Topics { ends, partitions } = &mut *topics;
        let topic = ends.entry(end.topic.clone()).or_default();
        if topic.id != id {
            *partitions -= topic.ends.len();
            *topic = Topic {
                id,
                ends: HashMap::new(),
            };
        }
        match topic.ends.get_mut(&end.partition) {
            Some(known) => *known = end.offset.max(*known),
            None => {
                topic.ends.insert(end.partition, end.offset);
                *partitions += 1;
            }
        }
    }

    /// Whether the log is known to have reached this offset.
    pub fn reached(&self, topic: &str, id: Option<TopicId>, partition: i32, offset: i64) -> bool {
        let topics = locked(&self.topics);
        topics
            .ends
            .get(topic)
            .filter(|topic| topic.id == id)
            .and_then(|topic| topic.ends.get(&partition))
            .is_some_and(|end| offset <= *end)
    }

    /// How many partitions were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(partition: i32, offset: i64) -> LogEnd {
        LogEnd {
            topic: "orders".into(),
            partition,
            offset,
        }
    }

    #[test]
    fn an_end_only_grows_until_the_topic_is_another_one() {
        let ends = LogEnds::default();
        ends.told(Some([1; 16]), &end(0, 7));
        ends.told(Some([1; 16]), &end(0, 5));
        assert!(ends.reached("orders", Some([1; 16]), 0, 7));
        assert!(!ends.reached("orders", Some([1; 16]), 0, 8));
        assert!(!ends.reached("orders", Some([1; 16]), 1, 1));
        assert!(!ends.reached("orders", Some([2; 16]), 0, 1));
        ends.told(Some([2; 16]), &end(0, 3));
        assert!(!ends.reached("orders", Some([2; 16]), 0, 7));
    }

    #[test]
    fn what_there_is_no_room_for_is_forgotten_and_counted() {
        let ends = LogEnds::default();
        for partition in 0..=CAPACITY as i32 {
            ends.told(None, &end(partition, 1));
        }
        assert_eq!(ends.forgotten(), CAPACITY as u64);
        assert!(!ends.reached("orders", None, 0, 1));
        assert!(ends.reached("orders", None, CAPACITY as i32, 1));
    }
}
