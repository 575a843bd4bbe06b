//! An ISR that shrinks to the leader, which is then killed: what only it had is gone wherever another may be elected.

use crate::support::kafka::{Cluster, Spec, Version};
use std::time::Duration;

/// Node 1 leads.
pub const REPLICAS: &[&[i32]] = &[&[1, 2, 3]];
/// What makes acks=all hollow.
pub const WEAK: &[(&str, &str)] = &[
    ("min.insync.replicas", "1"),
    ("unclean.leader.election.enable", "true"),
];
const LEADER: i32 = 1;
const FOLLOWERS: [i32; 2] = [2, 3];
const PATIENCE: Duration = Duration::from_secs(60);

/// Its controller stands apart, so that an ISR shrinks while brokers are stopped.
pub fn cluster() -> Cluster {
    Cluster::start(Spec::new(Version::V4_3_1).dedicated_controller())
}

/// Stops the followers until the topics' leader is alone in the ISR.
pub fn shrink_to_the_leader(cluster: &Cluster, topics: &[&str]) {
    FOLLOWERS.iter().for_each(|id| cluster.broker(*id).freeze());
    for topic in topics {
        assert_eq!(cluster.wait_isr(topic, 0, 1, PATIENCE), [LEADER]);
    }
}

/// Kills the leader and lets the followers go on, until one of them leads the topics, which allow it.
pub fn replace_the_leader(cluster: &Cluster, topics: &[&str]) {
    cluster.broker(LEADER).kill9();
    FOLLOWERS.iter().for_each(|id| cluster.broker(*id).thaw());
    for topic in topics {
        cluster.wait_leader(topic, 0, PATIENCE);
    }
}

/// Brings the old leader back, until all replicas of the topics are in sync.
pub fn bring_back_the_leader(cluster: &Cluster, topics: &[&str]) {
    cluster.broker(LEADER).restart();
    for topic in topics {
        cluster.wait_isr(topic, 0, 3, PATIENCE);
    }
}
