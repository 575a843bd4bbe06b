//! Floor 1: what we know of the cluster, as plain values: brokers, topics, topic ids, limits, in-sync replicas.
//!
//! A [`View`] is immutable once published; sessions read it and emit [`Learned`] deltas, never change it. The only writer
//! is `proxy/watch.rs`, which keeps a [`Knowledge`] and publishes views of it. Nothing here asks anybody anything.

mod advertised;
pub mod configs;
mod degraded;
mod knowledge;

pub use advertised::{Advertised, IdSet, NODE_ID};
pub use configs::Configs;
pub use degraded::Degraded;
pub use knowledge::{Knowledge, Look, TopicConfig};

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Kafka's topic id: 16 bytes, `Uuid` in the schemas.
pub type TopicId = [u8; 16];

/// One broker as the cluster itself advertises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    pub rack: Option<String>,
}

/// One partition as the last Metadata answer had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFacts {
    pub index: i32,
    /// −1 when there is none.
    pub leader: i32,
    pub replicas: u16,
    pub in_sync_replicas: u16,
}

/// What is known of one topic. `None` means "not learned", never a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    pub name: Arc<str>,
    pub id: Option<TopicId>,
    /// Topic config `max.message.bytes`: limit of 12 + batchLength of one batch, in bytes.
    pub max_message_bytes: Option<u32>,
    /// Topic config `min.insync.replicas`.
    pub min_insync_replicas: Option<u16>,
    /// Topic configs that say how long its records are kept, and by whom.
    pub keeping: Keeping,
    /// What its configs are today.
    pub configs: Option<Arc<Configs>>,
    /// Ascending by index.
    pub partitions: Vec<PartitionFacts>,
}

/// The part of a topic's configs that decides whether what was acknowledged is kept. `None`: not learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: Option<bool>,
    /// `retention.ms`; −1 is for ever.
    pub retention_ms: Option<i64>,
    /// `cleanup.policy` has delete in it.
    pub deletes: Option<bool>,
    /// `cleanup.policy` has compact in it.
    pub compacts: Option<bool>,
    /// `message.timestamp.type` is CreateTime: the producer's timestamps are kept.
    pub create_time: Option<bool>,
}

/// Where the log of a partition ended when its leader was asked: the offset that the next record readable by consumers gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEnd {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

/// What a group has committed of a partition, as its coordinator told; −1: nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

/// A topic as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef {
    Name(Arc<str>),
    Id(TopicId),
}

/// The cluster as last seen.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub brokers: BTreeMap<i32, Broker>,
    pub topics: HashMap<Arc<str>, Arc<TopicFacts>>,
    pub topic_names: HashMap<TopicId, Arc<str>>,
    /// Broker config `socket.request.max.bytes`, the smallest of those that answered.
    pub socket_request_max_bytes: Option<u32>,
    /// Broker config `offsets.retention.minutes` in milliseconds, the shortest of those that answered.
    pub offsets_retention_ms: Option<i64>,
    /// The smallest `max_message_bytes` of `topics`: no batch in a frame up to this size can be too large.
    pub smallest_batch_limit: Option<u32>,
    /// Partitions with fewer in-sync replicas than `min.insync.replicas`.
    pub degraded: Degraded,
    /// Leaders of partitions with fewer in-sync replicas than replicas, whatever is demanded of them; −1: one that is not known.
    pub shrunk: HashSet<i32>,
}

impl View {
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicFacts>> {
        self.topics.get(name)
    }

    pub fn topic_by_id(&self, id: &TopicId) -> Option<&Arc<TopicFacts>> {
        self.topic_names
            .get(id)
            .and_then(|name| self.topics.get(name))
    }

    /// Whether any partition that `node_id` leads is below its `min.insync.replicas`; for a connection to the
    /// bootstrap port (`None`) whether any partition at all is.
    pub fn any_degraded(&self, node_id: Option<i32>) -> bool {
        match node_id {
            Some(id) => self.degraded.led_by(id),
            None => !self.degraded.is_empty(),
        }
    }

    /// Whether any partition that `node_id` leads, or for a connection to the bootstrap port any at all, has lost a replica from
    /// its in-sync set.
    pub fn any_shrunk(&self, node_id: Option<i32>) -> bool {
        match node_id {
            Some(id) => self.shrunk.contains(&id) || self.shrunk.contains(&-1),
            None => !self.shrunk.is_empty(),
        }
    }

    /// Whether this partition is below its `min.insync.replicas`, whoever leads it.
    pub fn is_degraded(&self, topic: &str, partition: i32) -> bool {
        self.degraded.contains(topic, partition)
    }
}

impl TopicFacts {
    /// The partition with that number, as far as it is known.
    pub fn partition(&self, index: i32) -> Option<&PartitionFacts> {
        let found = self
            .partitions
            .binary_search_by_key(&index, |partition| partition.index);
        found.ok().map(|at| &self.partitions[at])
    }

    pub fn goes_by(&self, topic: &TopicRef) -> bool {
        match topic {
            TopicRef::Name(name) => self.name == *name,
            TopicRef::Id(id) => self.id == Some(*id),
        }
    }
}

/// What a session noticed in passing and the watch should know. Sent without waiting; a full queue drops it, counted.
#[derive(Clone, Debug)]
pub enum Learned {
    /// A topic that the view did not have.
    TopicSeen(Arc<str>),
    /// A topic id that the view has no name for.
    TopicIdSeen(TopicId),
    /// A broker answered that it does not lead a partition any more: the view is stale.
    NotLeader,
    /// A broker answered NOT_ENOUGH_REPLICAS: the partition is below its `min.insync.replicas`.
    NotEnoughReplicas { topic: Arc<str>, partition: i32 },
    /// The same, where the answer named the topic by id.
    NotEnoughReplicasById { topic: TopicId, partition: i32 },
    /// A Metadata answer passed by.
    Metadata(Box<MetadataDelta>),
}

/// The part of a passing Metadata answer that is worth keeping.
#[derive(Clone, Debug, Default)]
pub struct MetadataDelta {
    pub brokers: Vec<(i32, Broker)>,
    pub topics: Vec<TopicFacts>,
}
