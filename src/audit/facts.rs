//! What an audit saw of a cluster (roof), as plain values. Judges nothing.

use crate::proxy::settings::HostPort;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A broker that Metadata names.
#[derive(Clone, Debug)]
pub struct Broker {
    pub server: HostPort,
    pub rack: Option<String>,
}

/// Brokers by node id.
pub type Brokers = BTreeMap<i32, Broker>;

/// A topic as Metadata tells of it.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: Arc<str>,
    /// One of Kafka's own: `__consumer_offsets`, `__transaction_state`, `__share_group_state`.
    pub internal: bool,
    pub partitions: Vec<Partition>,
}

#[derive(Clone, Debug)]
pub struct Partition {
    pub index: i32,
    /// Negative: none.
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync_replicas: usize,
}

/// What DescribeConfigs tells of a topic: what is in force, brokers' defaults included. `None`: not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    pub min_insync_replicas: Option<usize>,
    pub unclean_leader_election: Option<bool>,
    pub flush_messages: Option<i64>,
    /// `cleanup.policy` has `delete`.
    pub deletes: bool,
    /// Negative: kept for ever.
    pub retention_ms: Option<i64>,
}

/// The settings of one broker that an audit asks for, as the broker writes them.
pub type BrokerConfig = BTreeMap<&'static str, String>;

/// A group as its coordinator lists it.
#[derive(Clone, Debug)]
pub struct Group {
    pub id: Arc<str>,
    /// `Stable`, `Empty`, …; unknown below ListGroups 4.
    pub state: Option<String>,
}

/// Where a group stands in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub partition: i32,
    pub committed: i64,
    /// The first offset that is still there, and the one that the next record gets.
    pub log_start: i64,
    pub log_end: i64,
    /// The first offset whose record is not yet in the last tenth of its `retention.ms`. `None`: not asked for.
    pub expiring_until: Option<i64>,
}

impl Position {
    /// Offsets that were deleted before the group had read them. An upper bound of records: compaction and transactions
    /// leave offsets without one.
    pub fn overtaken(&self) -> i64 {
        self.log_start.saturating_sub(self.committed).max(0)
    }

    /// Offsets from the end of the log to the commit, where that lies beyond it. Commits are asked for before ends, so no commit
    /// that is made meanwhile is one of these.
    pub fn beyond(&self) -> i64 {
        self.committed.saturating_sub(self.log_end).max(0)
    }

    /// Offsets that the group has not read and that are still there.
    pub fn unread(&self) -> i64 {
        let next = self.committed.max(self.log_start);
        self.log_end.saturating_sub(next).max(0)
    }

    /// Of the unread ones, those whose records are in the last tenth of their `retention.ms`.
    pub fn expiring(&self) -> i64 {
        let next = self.committed.max(self.log_start);
        let until = self.expiring_until.unwrap_or(next).min(self.log_end);
        until.saturating_sub(next).max(0)
    }

    /// The part of the log, 0 to 1, that retention has to delete before it meets the group; `None` for an empty log.
    pub fn headroom(&self) -> Option<f64> {
        let log = self.log_end.saturating_sub(self.log_start);
        let ahead = self.committed.saturating_sub(self.log_start);
        (log > 0).then(|| (ahead as f64 / log as f64).clamp(0.0, 1.0))
    }
}
