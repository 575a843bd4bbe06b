//! A partition that is added to a topic: its records up to the moment at which a consumer with
//! `auto.offset.reset=latest` discovers it are never read.

use super::sent::{announce, send};
use super::{Route, asked};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::raw::Raw;
use crate::support::rdk::{self, Record};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use std::collections::BTreeSet;
use std::time::Duration;

const EXPERIMENT: &str =
    "16 a partition is added, a consumer with `auto.offset.reset=latest` discovers it later";
const ENFORCED: &str = "[policy.new_partition_skip]\nmode = \"enforce\"\nrepair = true\n";
const RECORDS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(40);

/// A member of `group` that has read and committed a record of partition 0.
fn settled(servers: &str, group: &str, topic: &str, produce: impl Fn()) -> BaseConsumer {
    let settings = [
        ("auto.offset.reset", "latest"),
        ("enable.partition.eof", "true"),
        // Long enough to produce before it, short enough to wait for.
        ("topic.metadata.refresh.interval.ms", "10000"),
    ];
    let consumer = rdk::consumer(servers, group, &settings);
    consumer.subscribe(&[topic]).expect("a subscription");
    rdk::read_to_the_end(&consumer, topic, &[0]);
    produce();
    eventually("a record of partition 0", PATIENCE, || {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.partition() == 0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    consumer
        .commit_consumer_state(CommitMode::Sync)
        .expect("a commit");
    consumer
}

/// How many of the records that went to the added partition the group did not read.
fn add_and_read(cluster: &Cluster, route: Route<'_>, reported: &str) -> usize {
    let (topic, group) = (unique("grown"), unique("grown"));
    cluster.create_topic_on(&topic, &[&[1, 2, 3]], &[]);
    // How many partitions there are at first is learned when a topic is first seen.
    announce(&route.address(1), &topic);
    let produce = || drop(send(&route.address(1), &topic, 0, 0..1));
    let consumer = settled(&route.servers(), &group, &topic, produce);
    let mut tool = Raw::connect(&route.address(1)).expect("node 1");
    assert_eq!(asked::grow(&mut tool, &topic, 2).expect("an answer"), 0);
    let leader = cluster.wait_leader(&topic, 1, PATIENCE);
    cluster.wait_isr(&topic, 1, 3, PATIENCE);
    let sent = send(&route.address(leader), &topic, 1, 0..RECORDS);
    let read = rdk::read_to_the_end(&consumer, &topic, &[1]);
    let in_partition = |records: &[Record]| {
        let of_it = records.iter().filter(|record| record.partition == 1);
        of_it.map(Record::id).collect::<BTreeSet<u64>>()
    };
    let stored = in_partition(&cluster.read_all(&topic)).len();
    let read = in_partition(&read);
    let lost = sent.tell_read(EXPERIMENT, route.way(), stored, &read, reported);
    assert_eq!(sent.ok.len() as u64, RECORDS, "{:?}", sent.codes);
    lost
}

#[test]
fn a_consumer_at_latest_skips_the_first_records_of_an_added_partition_direct_and_none_through_holdfast()
 {
    let cluster = shared_cluster();
    let lost = add_and_read(&cluster, Route::Direct(&cluster), "nobody");
    assert_eq!(lost as u64, RECORDS, "the control");

    let options = Options::new(&cluster.bootstrap()).config(ENFORCED);
    let holdfast = Holdfast::start_with(options);
    let counted = "`holdfast_overrides_total`: read from the beginning";
    let lost = add_and_read(&cluster, Route::Through(&holdfast), counted);
    assert_eq!(lost, 0);
    let labels = [("scenario", "new_partition_skip"), ("mode", "enforce")];
    let metrics = holdfast.metrics();
    assert!(metrics.value("holdfast_overrides_total", &labels) > 0.0);
}
