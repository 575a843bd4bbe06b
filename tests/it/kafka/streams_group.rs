//! The internal topics of a Streams group (KIP-1071) at real brokers: created as weak as the topology has them direct, at the
//! floors through a gateway that enforces them, and a group keeps the topology that it began with.

use super::expiry::coordinator;
use super::weak_topic_repair::configs;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::raw::Raw;
use crate::support::streams::{Internal, STREAMS_GROUP_HEARTBEAT, Topology, heartbeat, told};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const INVALID_REQUEST: i16 = 42;

/// Joins a group until its coordinator has an opinion; error code and text.
fn join(address: &str, group: &str, member: &str, source: &str) -> (i16, Option<String>) {
    let (changelog, repartition) = (format!("{group}-changelog"), format!("{group}-repartition"));
    let weak = [
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "true"),
    ];
    let topology = Topology {
        source,
        changelogs: &[Internal(&changelog, 1, &weak)],
        repartitions: &[Internal(&repartition, 1, &[])],
    };
    let body = heartbeat(group, member, Some(&topology));
    eventually("an answer of the coordinator", PATIENCE, || {
        let mut client = Raw::connect(address).map_err(|error| error.to_string())?;
        let answer = client.call(STREAMS_GROUP_HEARTBEAT, 0, &body);
        match answer.and_then(|answer| told(&answer)) {
            // COORDINATOR_LOAD_IN_PROGRESS and its like.
            Ok((code @ 14..=16, _)) => Err(format!("error {code}")),
            Ok(told) => Ok(told),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// Replicas and `min.insync.replicas` of a topic, once it is there.
fn created(cluster: &Cluster, topic: &str) -> (usize, Option<String>) {
    let replicas = eventually("the topic is created", PATIENCE, || {
        // Asked for with all others, it is not created.
        let all = cluster.metadata(None);
        let partition = all.partition(topic, 0).ok_or("not yet")?;
        Ok(partition.replica_nodes.len())
    });
    let found = configs(cluster, topic).expect("the topic's configs");
    (replicas, found[0].clone())
}

#[test]
fn internal_topics_are_created_at_the_floors_and_a_group_keeps_the_topology_that_it_began_with() {
    let cluster = shared_cluster();
    let options = Options::new(&cluster.bootstrap());
    let enforcing = Holdfast::start_with(options.preset("strict"));
    let source = unique("source");
    cluster.create_topic(&source, 1, 3, &[]);
    let (direct, through) = (unique("direct"), unique("through"));
    let node = coordinator(&cluster, &direct);
    let address = cluster.broker(node).addr();
    assert_eq!(join(&address, &direct, "one", &source), (0, None));
    let gateway = |group: &str| enforcing.broker_addr(coordinator(&cluster, group));
    assert_eq!(
        join(&gateway(&through), &through, "one", &source),
        (0, None)
    );

    let two = |replicas, min_isr: &str| (replicas, Some(min_isr.to_owned()));
    let of = |group: &str, kind: &str| created(&cluster, &format!("{group}-{kind}"));
    assert_eq!(of(&direct, "changelog"), two(1, "1"));
    assert_eq!(of(&direct, "repartition").0, 1);
    assert_eq!(of(&through, "changelog"), two(3, "2"));
    assert_eq!(of(&through, "repartition"), two(3, "2"));

    // Another member of the same, and one that joins a group that began without the floors.
    assert_eq!(
        join(&gateway(&through), &through, "two", &source),
        (0, None)
    );
    let (code, text) = join(&gateway(&direct), &direct, "two", &source);
    let text = text.unwrap_or_default();
    assert_eq!(code, INVALID_REQUEST, "{text}");
    assert!(
        text.contains("Topology updates are not supported yet."),
        "{text}"
    );
    let labels = [
        ("scenario", "weak_topic_creation"),
        ("api_key", "StreamsGroupHeartbeat"),
        ("mode", "enforce"),
    ];
    let counted = enforcing.metrics();
    let counted = counted.value_or_zero("holdfast_overrides_total", &labels);
    assert!(counted >= 6.0, "{counted}");
}
