//! Partitions below their `min.insync.replicas`, for look-ups on every acks=0 request: they neither scan nor allocate.

use super::{PartitionFacts, TopicFacts};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The set, by topic and by leader.
#[derive(Clone, Debug, Default)]
pub struct Degraded {
    partitions: HashMap<Arc<str>, HashSet<i32>>,
    leaders: HashSet<i32>,
}

/// Leader of a partition that has none, or whose leader is not known: it may be any broker.
const NOBODY: i32 = -1;

impl Degraded {
    /// Adds a partition and its leader, -1 for an unknown one.
    pub fn insert(&mut self, topic: Arc<str>, partition: i32, leader: i32) {
        self.partitions.entry(topic).or_default().insert(partition);
        self.leaders.insert(leader.max(NOBODY));
    }

    pub fn contains(&self, topic: &str, partition: i32) -> bool {
        self.partitions
            .get(topic)
            .is_some_and(|partitions| partitions.contains(&partition))
    }

    /// Whether this broker leads, or may lead, one of them.
    pub fn led_by(&self, node_id: i32) -> bool {
        self.leaders.contains(&node_id) || self.leaders.contains(&NOBODY)
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.partitions.values().map(HashSet::len).sum()
    }

    /// The first `most`, in order.
    pub fn first(&self, most: usize) -> BTreeSet<(&str, i32)> {
        let mut first = BTreeSet::new();
        for (topic, partitions) in &self.partitions {
            for index in partitions {
                first.insert((&**topic, *index));
                if first.len() > most {
                    first.pop_last();
                }
            }
        }
        first
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }
}

/// Whether the broker would answer acks=all with NOT_ENOUGH_REPLICAS. More in-sync replicas than there are replicas cannot be
/// asked for: `Partition.effectiveMinIsr` caps the setting. A setting that is not known condemns nothing.
pub(super) fn below_min_isr(topic: &TopicFacts, partition: &PartitionFacts) -> bool {
    topic
        .min_insync_replicas
        .is_some_and(|wanted| partition.in_sync_replicas < wanted.min(partition.replicas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_a_known_leader_counts_for_every_broker() {
        let mut degraded = Degraded::default();
        degraded.insert("a".into(), 0, 2);
        assert!(degraded.led_by(2) && !degraded.led_by(1));
        assert!(
            degraded.contains("a", 0) && !degraded.contains("a", 1) && !degraded.contains("b", 0)
        );
        degraded.insert("a".into(), 1, -1);
        assert!(degraded.led_by(1));
        assert_eq!(degraded.len(), 2);
        degraded.insert("A".into(), 7, 1);
        assert_eq!(degraded.first(2), [("A", 7), ("a", 0)].into());
        assert_eq!(degraded.first(9).len(), 3);
    }

    #[test]
    fn min_isr_above_the_replica_count_is_capped_to_it() {
        let check = |wanted, replicas, in_sync_replicas, expected| {
            let topic = TopicFacts {
                name: "t".into(),
                id: None,
                max_message_bytes: None,
                min_insync_replicas: wanted,
                keeping: Default::default(),
                configs: None,
                partitions: Vec::new(),
            };
            let partition = PartitionFacts {
                index: 0,
                leader: 1,
                replicas,
                in_sync_replicas,
            };
            let found = below_min_isr(&topic, &partition);
            assert_eq!(found, expected, "{wanted:?} {replicas} {in_sync_replicas}");
        };
        check(Some(2), 3, 1, true);
        check(Some(2), 3, 2, false);
        check(Some(3), 2, 2, false);
        check(Some(3), 2, 1, true);
        check(None, 3, 1, false);
    }
}
