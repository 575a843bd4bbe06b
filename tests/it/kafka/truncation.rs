//! What must raise no alarm of `acked_truncation` on real brokers: topics created anew, and clients that retry. The
//! alarm itself is raised in the loss matrix.

use crate::support::eventually;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::raw::{Batch, Body, Cursor, Metadata, Produce, Raw};
use std::time::Duration;

const DELETE_TOPICS: i16 = 20;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

fn counted(holdfast: &Holdfast) -> [f64; 3] {
    let metrics = holdfast.metrics();
    [
        "holdfast_observations_total",
        "holdfast_suspected_total",
        "holdfast_unverified_total",
    ]
    .map(|family| metrics.value(family, &[("scenario", "acked_truncation")]))
}

fn delete(cluster: &Cluster, topic: &str) {
    let mut body = Body::new();
    body.i32(1).string(topic).i32(10_000);
    let answer = cluster.connect().call(DELETE_TOPICS, 1, &body.0).unwrap();
    let mut cursor = Cursor::new(&answer);
    cursor.i32().unwrap();
    let codes = cursor.array(false, |c| {
        c.string(false)?;
        c.i16()
    });
    assert_eq!(codes.unwrap(), [0]);
    eventually("the topic is gone everywhere", PATIENCE, || {
        let known = |topics: &crate::support::raw::Metadata| {
            topics
                .topic(topic)
                .is_some_and(|found| !found.partitions.is_empty())
        };
        match cluster
            .brokers()
            .any(|node| node.metadata(None).is_ok_and(|all| known(&all)))
        {
            true => Err("it is still known".into()),
            false => Ok(()),
        }
    });
}

/// Sends one batch of ten again and again until it is stored; the offset that it got.
fn store(holdfast: &Holdfast, cluster: &Cluster, topic: &str, batch: &Batch) -> i64 {
    let produce = Produce::new(7, -1, topic, 0, batch.bytes());
    let mut offset = -1;
    eventually("a batch is stored", PATIENCE, || {
        let leader = cluster.leader(topic, 0).ok_or("no leader")?;
        let address = holdfast.broker_addr(leader);
        let mut client = Raw::connect(&address).map_err(|error| error.to_string())?;
        Metadata::ask(&mut client, Some(&[topic]), PATIENCE).map_err(|error| error.to_string())?;
        let answer = client
            .produce(&produce)
            .map_err(|error| error.to_string())?;
        match answer.error_codes()[..] {
            [0] => {
                offset = answer.partitions[0].base_offset;
                Ok(())
            }
            [NOT_LEADER_OR_FOLLOWER | UNKNOWN_TOPIC_OR_PARTITION] => Err("not yet".into()),
            ref codes => panic!("{codes:?}"),
        }
    });
    offset
}

#[test]
fn a_topic_that_was_deleted_and_created_anew_raises_no_alarm_and_neither_does_what_follows() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("anew");
    for round in 0..3 {
        cluster.create_topic(&topic, 1, 3, &[]);
        for batch in 0..20 {
            let stored = store(&holdfast, &cluster, &topic, &Batch::of_ids(0, 10, 20));
            assert_eq!(stored, batch * 10, "round {round}");
        }
        // Whatever was found is settled.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(counted(&holdfast), [0.0; 3], "round {round}");
        delete(&cluster, &topic);
    }
    assert!(!holdfast.log().contains("records are gone"));
}

#[test]
fn an_idempotent_batch_that_is_sent_twice_is_suspected_and_no_alarm() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("twice");
    cluster.create_topic(&topic, 1, 3, &[]);
    let batch = |sequence| Batch::of_ids(0, 10, 20).producer(producer_id(&cluster), 0, sequence);
    let (first, second) = (batch(0), Batch::of_ids(0, 10, 20));
    // The view has the topic by the second one at the latest.
    store(&holdfast, &cluster, &topic, &second);
    assert_eq!(store(&holdfast, &cluster, &topic, &first), 10);
    store(&holdfast, &cluster, &topic, &second);
    assert_eq!(
        store(&holdfast, &cluster, &topic, &first),
        10,
        "stored before"
    );
    eventually("it is suspected", PATIENCE, || match counted(&holdfast) {
        [0.0, 1.0, 0.0] => Ok(()),
        found => Err(format!("{found:?}")),
    });
}

/// InitProducerId v0.
fn producer_id(cluster: &Cluster) -> i64 {
    const INIT_PRODUCER_ID: i16 = 22;
    let mut id = -1;
    eventually("a producer id", PATIENCE, || {
        let mut body = Body::new();
        body.nullable_string(None).i32(60_000);
        let answer = cluster.connect().call(INIT_PRODUCER_ID, 0, &body.0);
        let answer = answer.map_err(|error| error.to_string())?;
        let mut cursor = Cursor::new(&answer);
        let (_, code) = (cursor.i32().unwrap(), cursor.i16().unwrap());
        id = cursor.i64().unwrap();
        match code {
            0 => Ok(()),
            code => Err(format!("error {code}")),
        }
    });
    id
}
