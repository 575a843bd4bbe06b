//! How a [`View`] comes about: what looks at the cluster and passing answers told, merged. Pure; `proxy/watch.rs` feeds it.
//!
//! Floor 1. A look (Metadata asked for by the watch) is the authority: it adds, changes and removes. A passing answer adds
//! and changes only, as it may come from a broker that lags. Which topics are known is bounded: those that clients mention,
//! and of these the ones mentioned last.

use super::degraded::below_min_isr;
use super::{
    Broker, Configs, Degraded, Keeping, MetadataDelta, PartitionFacts, TopicFacts, TopicId, View,
};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A passing Metadata answer with more topics than this is somebody listing the cluster: it changes what is known of topics
/// in use and makes no other topic one.
const LISTING: usize = 200;

/// Topic ids that may wait for their names at a time; a client that invents ids fills this and nothing else.
const UNNAMED: usize = 1000;

/// Everything that is known, with what it takes to forget it again.
#[derive(Debug)]
pub struct Knowledge {
    brokers: BTreeMap<i32, Broker>,
    topics: HashMap<Arc<str>, Known>,
    /// Topic ids that clients mentioned and no name is known for.
    unnamed: HashSet<TopicId>,
    socket_request_max_bytes: Option<u32>,
    offsets_retention_ms: Option<i64>,
    /// Partitions that answered NOT_ENOUGH_REPLICAS.
    marks: HashMap<(Arc<str>, i32), Mark>,
    looks_begun: u64,
    /// Counts mentions: the order in which topics were mentioned last.
    mentions: u64,
    max_topics: usize,
    evicted: u64,
}

/// Since when a partition is known to have too few in-sync replicas.
#[derive(Debug)]
struct Mark {
    /// Looks begun until then: one under way at that time may not have seen it.
    looks_begun: u64,
    /// Passing answers that told of the partition since: the first may be older than the mark.
    passed: u64,
    /// The fewest in-sync replicas seen since.
    least: Option<u16>,
}

impl Mark {
    /// Whether what was seen of the partition shows that it has recovered. Where `min.insync.replicas` is not known (no
    /// right to describe configs) it has when more replicas are in sync than at the worst, or all are.
    fn is_over(&mut self, topic: &TopicFacts, partition: &PartitionFacts) -> bool {
        let in_sync = partition.in_sync_replicas;
        if topic.min_insync_replicas.is_some() {
            return !below_min_isr(topic, partition);
        }
        let least = *self.least.get_or_insert(in_sync);
        self.least = Some(least.min(in_sync));
        in_sync > least || in_sync >= partition.replicas
    }
}

#[derive(Debug)]
struct Known {
    /// `None` until an answer told of it.
    facts: Option<Arc<TopicFacts>>,
    mentioned: u64,
}

/// What one look found: the answer to a Metadata request for all topics in use.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// From [`Knowledge::look_begins`].
    pub number: u64,
    pub brokers: Vec<(i32, Broker)>,
    /// Topics that were answered without an error; their configs are taken from what was known before.
    pub topics: Vec<TopicFacts>,
    /// Topics and ids that were answered with UNKNOWN_TOPIC_OR_PARTITION and UNKNOWN_TOPIC_ID.
    pub gone: Vec<Arc<str>>,
    pub gone_ids: Vec<TopicId>,
}

/// What DescribeConfigs told of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    pub max_message_bytes: Option<u32>,
    pub min_insync_replicas: Option<u16>,
    pub keeping: Keeping,
    pub configs: Option<Arc<Configs>>,
}

impl Knowledge {
    /// Knows nothing, and never more than `max_topics` topics.
    pub fn new(max_topics: usize) -> Knowledge {
        Knowledge {
            brokers: BTreeMap::new(),
            topics: HashMap::new(),
            unnamed: HashSet::new(),
            socket_request_max_bytes: None,
            offsets_retention_ms: None,
            marks: HashMap::new(),
            looks_begun: 0,
            mentions: 0,
            max_topics: max_topics.max(1),
            evicted: 0,
        }
    }

    /// A client uses this topic. True when that is news.
    pub fn mention(&mut self, topic: &Arc<str>) -> bool {
        self.mentions += 1;
        if let Some(known) = self.topics.get_mut(topic) {
            known.mentioned = self.mentions;
            return false;
        }
        if self.topics.len() >= self.max_topics {
            self.evict();
        }
        let known = Known {
            facts: None,
            mentioned: self.mentions,
        };
        self.topics.insert(topic.clone(), known);
        true
    }

    /// A client uses a topic of this id. True when the next look should ask for its name.
    pub fn mention_id(&mut self, id: TopicId) -> bool {
        if self.unnamed.len() >= UNNAMED || self.unnamed.contains(&id) {
            return false;
        }
        match self.name_of(&id) {
            Some(name) => self.mention(&name),
            None => self.unnamed.insert(id),
        }
    }

    /// Makes room: a sixteenth of the topics, the ones mentioned longest ago, so that a flood of names costs one pass in
    /// so many mentions.
    fn evict(&mut self) {
        let mut mentioned: Vec<u64> = self.topics.values().map(|known| known.mentioned).collect();
        mentioned.sort_unstable();
        let going = (self.max_topics / 16).max(1).min(mentioned.len());
        let Some(newest_to_go) = mentioned.get(going - 1).copied() else {
            return;
        };
        let before = self.topics.len();
        self.topics
            .retain(|_, known| known.mentioned > newest_to_go);
        self.evicted += u64::try_from(before - self.topics.len()).unwrap_or(0);
        self.forget_marks_of_unknown_topics();
    }

    /// How many topics were forgotten for lack of room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Names of the topics in use.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    /// Topics in use of which an answer told, but not yet the configs.
    pub fn without_config(&self) -> impl Iterator<Item = &Arc<str>> {
        let lacking = |known: &Known| {
            known.facts.as_ref().is_some_and(|facts| {
                facts.max_message_bytes.is_none() || facts.min_insync_replicas.is_none()
            })
        };
        self.topics
            .iter()
            .filter(move |(_, known)| lacking(known))
            .map(|(name, _)| name)
    }

    /// Topic ids in use whose names the next look should ask for.
    pub fn unnamed(&self) -> impl Iterator<Item = &TopicId> {
        self.unnamed.iter()
    }

    pub fn name_of(&self, id: &TopicId) -> Option<Arc<str>> {
        let has_id = |known: &Known| {
            known
                .facts
                .as_ref()
                .is_some_and(|facts| facts.id == Some(*id))
        };
        let found = self.topics.iter().find(|(_, known)| has_id(known));
        found.map(|(name, _)| name.clone())
    }

    pub fn facts(&self, topic: &str) -> Option<&Arc<TopicFacts>> {
        self.topics
            .get(topic)
            .and_then(|known| known.facts.as_ref())
    }

    /// A broker refused acks=all for this partition. Counts until a look that begins later finds enough replicas. True when
    /// that is news.
    pub fn mark_not_enough_replicas(&mut self, topic: Arc<str>, partition: i32) -> bool {
        if !self.topics.contains_key(&topic) {
            return false;
        }
        let mark = Mark {
            looks_begun: self.looks_begun,
            passed: 0,
            least: None,
        };
        match self.marks.entry((topic, partition)) {
            Entry::Occupied(mut marked) => {
                marked.get_mut().looks_begun = mark.looks_begun;
                false
            }
            Entry::Vacant(vacant) => {
                vacant.insert(mark);
                true
            }
        }
    }

    /// A Metadata answer passed by. True when anything in it was news.
    pub fn passed(&mut self, delta: MetadataDelta) -> bool {
        let mut news = false;
        for (id, broker) in delta.brokers {
            news |= self.brokers.get(&id) != Some(&broker);
            self.brokers.insert(id, broker);
        }
        let listing = delta.topics.len() > LISTING;
        for topic in delta
            .topics
            .into_iter()
            .filter(|topic| !topic.name.is_empty())
        {
            if listing && !self.topics.contains_key(&topic.name) {
                continue;
            }
            if !listing {
                news |= self.mention(&topic.name);
            }
            let name = topic.name.clone();
            news |= self.learn(topic);
            news |= self.unmark(&name, |mark| {
                mark.passed += 1;
                mark.passed > 1
            });
        }
        news
    }

    /// Forgets the marks of a topic's partitions that were seen to have recovered, by an answer that `counts` for the mark.
    fn unmark(&mut self, topic: &str, counts: impl Fn(&mut Mark) -> bool) -> bool {
        if self.marks.is_empty() {
            return false;
        }
        let Some(facts) = self.topics.get(topic).and_then(|known| known.facts.clone()) else {
            return false;
        };
        let before = self.marks.len();
        self.marks.retain(|(name, index), mark| {
            let partition = facts.partitions.iter().find(|one| one.index == *index);
            let Some(partition) = partition.filter(|_| **name == *topic) else {
                return true;
            };
            !(counts(mark) && mark.is_over(&facts, partition))
        });
        self.marks.len() < before
    }

    /// A look begins; its result carries the number returned.
    pub fn look_begins(&mut self) -> u64 {
        self.looks_begun += 1;
        self.looks_begun
    }

    /// A look came back.
    pub fn looked(&mut self, look: Look) {
        self.brokers = look.brokers.into_iter().collect();
        for id in &look.gone_ids {
            self.unnamed.remove(id);
        }
        for name in &look.gone {
            self.topics.remove(name);
        }
        let mut seen: HashSet<Arc<str>> = HashSet::new();
        for topic in look.topics {
            if let Some(id) = topic.id
                && self.unnamed.remove(&id)
            {
                self.mention(&topic.name);
            }
            seen.insert(topic.name.clone());
            self.learn(topic);
        }
        // A look that began after the refusal saw what came of it; one under way at that time may not have.
        for name in &seen {
            self.unmark(name, |mark| mark.looks_begun < look.number);
        }
        self.forget_marks_of_unknown_topics();
    }

    fn forget_marks_of_unknown_topics(&mut self) {
        let topics = &self.topics;
        self.marks.retain(|(name, _), _| topics.contains_key(name));
    }

    /// Takes over what an answer said of a topic in use. Configs are kept as long as it is the same topic.
    fn learn(&mut self, mut topic: TopicFacts) -> bool {
        let Some(known) = self.topics.get_mut(&topic.name) else {
            return false;
        };
        if let Some(before) = &known.facts {
            // Below version 10 Metadata has no ids: that does not make it another topic.
            topic.id = topic.id.or(before.id);
            let recreated = before.id.is_some() && topic.id != before.id;
            if !recreated {
                topic.max_message_bytes = before.max_message_bytes;
                topic.min_insync_replicas = before.min_insync_replicas;
                topic.keeping = before.keeping;
                topic.configs = before.configs.clone();
            }
            topic.name = before.name.clone();
        }
        topic.partitions.sort_by_key(|partition| partition.index);
        let news = known.facts.as_deref() != Some(&topic);
        if news {
            known.facts = Some(Arc::new(topic));
        }
        news
    }

    /// DescribeConfigs told of a topic. Returns its facts as they are now, `None` when it is not in use (any more).
    pub fn configured(&mut self, topic: &str, config: TopicConfig) -> Option<Arc<TopicFacts>> {
        let (name, known) = match self.topics.get_key_value(topic) {
            Some((name, _)) => (name.clone(), self.topics.get_mut(topic)?),
            None => return None,
        };
        let mut facts = match &known.facts {
            Some(facts) => TopicFacts::clone(facts),
            None => TopicFacts {
                name,
                id: None,
                max_message_bytes: None,
                min_insync_replicas: None,
                keeping: Keeping::default(),
                configs: None,
                partitions: Vec::new(),
            },
        };
        facts.max_message_bytes = config.max_message_bytes.or(facts.max_message_bytes);
        facts.min_insync_replicas = config.min_insync_replicas.or(facts.min_insync_replicas);
        facts.keeping = config.keeping;
        facts.configs = config.configs;
        let facts = Arc::new(facts);
        known.facts = Some(facts.clone());
        Some(facts)
    }

    /// The smallest `socket.request.max.bytes` of the brokers that told theirs.
    pub fn set_socket_request_max_bytes(&mut self, bytes: u32) {
        self.socket_request_max_bytes = Some(bytes);
    }

    /// The shortest `offsets.retention.minutes`, in milliseconds, of the brokers that told theirs.
    pub fn set_offsets_retention_ms(&mut self, ms: i64) {
        self.offsets_retention_ms = Some(ms);
    }

    /// What sessions are to know.
    pub fn view(&self) -> View {
        let mut view = View {
            brokers: self.brokers.clone(),
            topics: HashMap::with_capacity(self.topics.len()),
            topic_names: HashMap::with_capacity(self.topics.len()),
            socket_request_max_bytes: self.socket_request_max_bytes,
            offsets_retention_ms: self.offsets_retention_ms,
            smallest_batch_limit: None,
            degraded: Degraded::default(),
            shrunk: HashSet::new(),
        };
        for facts in self
            .topics
            .values()
            .filter_map(|known| known.facts.as_ref())
        {
            if let Some(id) = facts.id {
                view.topic_names.insert(id, facts.name.clone());
            }
            let limits = [view.smallest_batch_limit, facts.max_message_bytes];
            view.smallest_batch_limit = limits.into_iter().flatten().min();
            for partition in facts
                .partitions
                .iter()
                .filter(|one| below_min_isr(facts, one))
            {
                view.degraded
                    .insert(facts.name.clone(), partition.index, partition.leader);
            }
            let shrunk = facts.partitions.iter();
            let shrunk = shrunk.filter(|one| one.in_sync_replicas < one.replicas);
            view.shrunk.extend(shrunk.map(|one| one.leader.max(-1)));
            view.topics.insert(facts.name.clone(), facts.clone());
        }
        for (name, partition) in self.marks.keys() {
            let leader = self.leader(name, *partition);
            view.degraded.insert(name.clone(), *partition, leader);
        }
        view
    }

    /// -1 when nobody knows.
    fn leader(&self, topic: &str, partition: i32) -> i32 {
        let partitions = self
            .facts(topic)
            .map(|facts| facts.partitions.as_slice())
            .unwrap_or_default();
        match partitions.binary_search_by_key(&partition, |one| one.index) {
            Ok(position) => partitions.get(position).map_or(-1, |one| one.leader),
            Err(_) => -1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::PartitionFacts;

    fn topic(name: &str, id: u8, in_sync_replicas: &[u16]) -> TopicFacts {
        let partition = |(index, isr): (usize, &u16)| PartitionFacts {
            index: i32::try_from(index).unwrap(),
            leader: 1 + i32::try_from(index).unwrap(),
            replicas: 3,
            in_sync_replicas: *isr,
        };
        TopicFacts {
            name: name.into(),
            id: Some([id; 16]),
            max_message_bytes: None,
            min_insync_replicas: None,
            keeping: Keeping::default(),
            configs: None,
            partitions: in_sync_replicas.iter().enumerate().map(partition).collect(),
        }
    }

    fn broker(host: &str) -> Broker {
        Broker {
            host: host.to_owned(),
            port: 9092,
            rack: None,
        }
    }

    fn config(max_message_bytes: u32, min_insync_replicas: u16) -> TopicConfig {
        TopicConfig {
            max_message_bytes: Some(max_message_bytes),
            min_insync_replicas: Some(min_insync_replicas),
            keeping: Keeping::default(),
            configs: None,
        }
    }

    /// Topics `a` and `b` in use, each looked at once and configured.
    fn knowing() -> Knowledge {
        let mut knowledge = Knowledge::new(100);
        assert!(knowledge.mention(&"a".into()) && knowledge.mention(&"b".into()));
        look(
            &mut knowledge,
            vec![topic("a", 1, &[3, 3]), topic("b", 2, &[3])],
        );
        knowledge.configured("a", config(1_000_000, 2));
        knowledge.configured("b", config(500, 2));
        knowledge
    }

    fn look(knowledge: &mut Knowledge, topics: Vec<TopicFacts>) {
        let number = knowledge.look_begins();
        knowledge.looked(Look {
            number,
            brokers: vec![(1, broker("k1")), (2, broker("k2"))],
            topics,
            ..Look::default()
        });
    }

    #[test]
    fn a_view_has_the_topics_in_use_by_name_and_by_id_and_their_smallest_limit() {
        let view = knowing().view();
        assert_eq!(view.topic("a").unwrap().max_message_bytes, Some(1_000_000));
        assert_eq!(view.topic_by_id(&[2; 16]).unwrap().name, "b".into());
        assert_eq!(view.smallest_batch_limit, Some(500));
        assert_eq!(view.brokers.len(), 2);
        assert!(!view.any_degraded(None) && !view.any_shrunk(None));
    }

    #[test]
    fn partitions_below_min_isr_are_degraded_at_their_leader_only() {
        let mut knowledge = knowing();
        look(
            &mut knowledge,
            vec![topic("a", 1, &[3, 1]), topic("b", 2, &[3])],
        );
        let view = knowledge.view();
        assert!(view.is_degraded("a", 1) && !view.is_degraded("a", 0) && !view.is_degraded("b", 0));
        assert!(
            view.any_degraded(None) && view.any_degraded(Some(2)) && !view.any_degraded(Some(1))
        );
        assert!(view.any_shrunk(None) && view.any_shrunk(Some(2)) && !view.any_shrunk(Some(1)));
    }

    #[test]
    fn a_refusal_for_lack_of_replicas_counts_until_a_look_begun_later_says_otherwise() {
        let mut knowledge = knowing();
        let under_way = knowledge.look_begins();
        assert!(knowledge.mark_not_enough_replicas("a".into(), 1));
        assert!(!knowledge.mark_not_enough_replicas("a".into(), 1));
        assert!(knowledge.view().is_degraded("a", 1) && knowledge.view().any_degraded(Some(2)));
        let found = || vec![topic("a", 1, &[3, 3])];
        knowledge.looked(Look {
            number: under_way,
            topics: found(),
            ..Look::default()
        });
        assert!(
            knowledge.view().is_degraded("a", 1),
            "that look may have seen the time before"
        );
        look(&mut knowledge, found());
        assert!(!knowledge.view().is_degraded("a", 1));
    }

    /// Without the right to describe configs: `min.insync.replicas` is not known.
    #[test]
    fn a_mark_outlives_looks_until_the_in_sync_replicas_grow_where_no_config_is_known() {
        let mut knowledge = Knowledge::new(10);
        knowledge.mention(&"c".into());
        look(&mut knowledge, vec![topic("c", 3, &[3])]);
        knowledge.mark_not_enough_replicas("c".into(), 0);
        for in_sync in [1, 1, 1] {
            look(&mut knowledge, vec![topic("c", 3, &[in_sync])]);
            assert!(knowledge.view().is_degraded("c", 0));
        }
        look(&mut knowledge, vec![topic("c", 3, &[2])]);
        assert!(!knowledge.view().is_degraded("c", 0));
    }

    #[test]
    fn where_nobody_looks_passing_answers_end_a_mark_but_not_the_first() {
        let mut knowledge = knowing();
        knowledge.mark_not_enough_replicas("a".into(), 0);
        for expected in [true, false] {
            let delta = MetadataDelta {
                brokers: Vec::new(),
                topics: vec![topic("a", 1, &[3, 3])],
            };
            knowledge.passed(delta);
            assert_eq!(knowledge.view().is_degraded("a", 0), expected);
        }
    }

    #[test]
    fn a_mark_outlives_a_look_that_did_not_see_its_topic_and_a_passing_answer() {
        let mut knowledge = knowing();
        knowledge.mark_not_enough_replicas("a".into(), 0);
        look(&mut knowledge, vec![topic("b", 2, &[3])]);
        let delta = MetadataDelta {
            brokers: Vec::new(),
            topics: vec![topic("a", 1, &[3, 3])],
        };
        knowledge.passed(delta);
        assert!(knowledge.view().is_degraded("a", 0));
        assert!(!knowledge.mark_not_enough_replicas("never-used".into(), 0));
    }

    #[test]
    fn a_recreated_topic_loses_its_old_id_and_its_configs_and_a_deleted_one_everything() {
        let mut knowledge = knowing();
        look(&mut knowledge, vec![topic("a", 9, &[3])]);
        let view = knowledge.view();
        assert!(view.topic_by_id(&[1; 16]).is_none());
        assert_eq!(view.topic_by_id(&[9; 16]).unwrap().max_message_bytes, None);
        assert_eq!(
            knowledge.without_config().collect::<Vec<_>>(),
            [&"a".into()]
        );
        let number = knowledge.look_begins();
        knowledge.looked(Look {
            number,
            gone: vec!["b".into()],
            ..Look::default()
        });
        let view = knowledge.view();
        assert!(view.topic("b").is_none() && view.topic_by_id(&[2; 16]).is_none());
        assert!(view.topic("a").is_some(), "not answered is not gone");
    }

    #[test]
    fn passing_answers_add_and_change_but_remove_nothing() {
        let mut knowledge = knowing();
        let mut without_id = topic("a", 1, &[3, 1]);
        without_id.id = None;
        let delta = MetadataDelta {
            brokers: vec![(2, broker("moved")), (3, broker("joined"))],
            topics: vec![without_id, topic("c", 3, &[3])],
        };
        assert!(knowledge.passed(delta.clone()));
        assert!(!knowledge.passed(delta), "the second time it is no news");
        let view = knowledge.view();
        assert_eq!(view.brokers[&1], broker("k1"));
        assert_eq!(view.brokers[&2], broker("moved"));
        assert_eq!(view.brokers[&3], broker("joined"));
        assert_eq!(view.topic("a").unwrap().max_message_bytes, Some(1_000_000));
        assert_eq!(view.topic("a").unwrap().id, Some([1; 16]));
        assert!(view.is_degraded("a", 1));
        assert!(view.topic("c").is_some());
    }

    #[test]
    fn a_listing_of_the_whole_cluster_makes_no_topic_one_in_use() {
        let mut knowledge = knowing();
        let mut topics: Vec<_> = (0..LISTING)
            .map(|n| topic(&format!("t{n}"), 7, &[3]))
            .collect();
        topics.push(topic("a", 1, &[3, 1]));
        knowledge.passed(MetadataDelta {
            brokers: Vec::new(),
            topics,
        });
        assert_eq!(knowledge.topics().count(), 2);
        assert!(knowledge.view().is_degraded("a", 1));
    }

    #[test]
    fn the_topics_mentioned_longest_ago_make_room_for_new_ones() {
        let mut knowledge = Knowledge::new(2);
        for name in ["a", "b", "a", "c"] {
            knowledge.mention(&name.into());
        }
        let mut left: Vec<_> = knowledge.topics().map(|name| name.to_string()).collect();
        left.sort();
        assert_eq!(left, ["a", "c"]);
        assert_eq!(knowledge.evicted(), 1);
    }

    #[test]
    fn a_topic_known_by_id_alone_is_in_use_once_a_look_names_it() {
        let mut knowledge = Knowledge::new(10);
        assert!(knowledge.mention_id([4; 16]));
        assert!(!knowledge.mention_id([4; 16]));
        look(&mut knowledge, vec![topic("d", 4, &[3])]);
        assert_eq!(knowledge.unnamed().count(), 0);
        assert!(knowledge.view().topic_by_id(&[4; 16]).is_some());
        assert!(!knowledge.mention_id([4; 16]));
        assert!(knowledge.mention_id([5; 16]));
        let number = knowledge.look_begins();
        knowledge.looked(Look {
            number,
            gone_ids: vec![[5; 16]],
            ..Look::default()
        });
        assert_eq!(knowledge.unnamed().count(), 0);
    }
}
