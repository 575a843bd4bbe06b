//! A topic that was created with one replica, and a broker that is lost for good: its partition is gone with it.

use super::sent::{Sent, TOPICS, send};
use super::{Route, Way};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::raw::{self, Raw};
use crate::support::rdk::{self, Isolation};
use std::collections::BTreeSet;
use std::time::Duration;

const EXPERIMENT: &str =
    "11 topic created with replication factor 1, acks=all: one broker lost for good";
const PER_PARTITION: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates the topic as a tool would, with one replica for each of three partitions, and fills them; all by
/// one route.
fn fill(cluster: &Cluster, topic: &str, route: Route<'_>) -> Sent {
    let mut tool = Raw::connect(&route.address(1)).expect("node 1");
    let created = raw::create_topic(&mut tool, topic, 3, 1, &[], None).expect("an answer");
    assert_eq!(created.0, 0, "{created:?}");
    let partitions = (0..3).map(|partition| {
        let leader = cluster.wait_leader(topic, partition, PATIENCE);
        let first = partition as u64 * PER_PARTITION;
        send(
            &route.address(leader),
            topic,
            partition,
            first..first + PER_PARTITION,
        )
    });
    partitions.fold(Sent::default(), Sent::and)
}

/// What can be read of partitions that have a leader.
fn left(cluster: &Cluster, topic: &str) -> BTreeSet<u64> {
    let led = |partition: &i32| cluster.leader(topic, *partition).is_some();
    let partitions: Vec<i32> = (0..3).filter(led).collect();
    let servers = cluster.living_bootstrap();
    rdk::ids(&rdk::read_partitions(
        &servers,
        topic,
        &partitions,
        Isolation::ReadUncommitted,
    ))
}

#[test]
fn a_topic_of_one_replica_is_lost_with_its_broker_direct_and_has_three_through_holdfast() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).preset("strict"));
    let direct = fill(&cluster, "direct", Route::Direct(&cluster));
    let through = fill(&cluster, "through", Route::Through(&holdfast));
    let doomed = cluster.wait_leader("direct", 0, PATIENCE);
    cluster.broker(doomed).kill9();
    eventually("the loss is noticed", PATIENCE, || {
        match cluster.leader("direct", 0) {
            None => Ok(()),
            Some(id) => Err(format!("node {id} leads")),
        }
    });
    for partition in 0..3 {
        cluster.wait_leader("through", partition, PATIENCE);
    }
    let stored = TOPICS.map(|topic| left(&cluster, topic));

    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored[0], "nobody");
    let counted = "`holdfast_overrides_total`: replication factor became 3";
    let lost_through = through.tell(EXPERIMENT, Way::Through, &stored[1], counted);
    let all = 3 * PER_PARTITION as usize;
    assert_eq!(direct.ok.len(), all, "{:?}", direct.codes);
    assert_eq!(
        lost as u64, PER_PARTITION,
        "the control: one partition of three"
    );
    assert_eq!(through.ok.len(), all, "{:?}", through.codes);
    assert_eq!(lost_through, 0);
    let labels = [("scenario", "weak_topic_creation"), ("mode", "enforce")];
    let metrics = holdfast.metrics();
    assert!(metrics.value("holdfast_overrides_total", &labels) > 0.0);
}
