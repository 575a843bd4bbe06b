//! Scenarios that join what the connections of one real consumer show: what is found, and that no correct commit is changed.

use super::fetch_scenarios::delete_records;
use crate::support::clients::java;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Version, shared_cluster, unique};
use crate::support::rdk::{self, Settings};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const RECORDS: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(60);
const AHEAD: &str = "[policy]\nsingle_instance = true\n[policy.commit_ahead]\nmode = \"enforce\"\n";

fn topic(cluster: &Cluster, partitions: i32) -> String {
    let topic = unique("joined");
    cluster.create_topic(&topic, partitions, 3, &[]);
    produce(cluster, &topic, 0);
    topic
}

fn produce(cluster: &Cluster, topic: &str, first: u64) {
    let (ids, settings) = (first..first + RECORDS, Settings::acks("all"));
    let told = rdk::produce_ids(&cluster.bootstrap(), topic, ids, 10, &settings);
    assert_eq!(told.ok.len() as u64, RECORDS, "{told:?}");
}

fn enforcing(cluster: &Cluster, config: &str) -> Holdfast {
    Holdfast::start_with(Options::new(&cluster.bootstrap()).config(config))
}

fn at(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset))
        .expect("an offset");
    list
}

/// What a group has committed, asked by this consumer of it.
fn committed(consumer: &BaseConsumer, topic: &str, partition: i32) -> Option<i64> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let told = consumer
        .committed_offsets(asked, PATIENCE)
        .expect("the group's offsets");
    let offset = told.elements()[0].offset().to_raw();
    offset.filter(|offset| *offset >= 0)
}

fn subscribed(
    bootstrap: &str,
    group: &str,
    topic: &str,
    settings: &[(&str, &str)],
) -> BaseConsumer {
    let consumer = rdk::consumer(bootstrap, group, settings);
    consumer.subscribe(&[topic]).expect("a subscription");
    consumer
}

fn found(holdfast: &Holdfast, family: &str, scenario: &str) -> f64 {
    let metrics = holdfast.metrics();
    metrics.value_or_zero(family, &[("scenario", scenario)])
}

fn assert_nothing_ahead(holdfast: &Holdfast) {
    for family in ["holdfast_overrides_total", "holdfast_observations_total"] {
        assert_eq!(found(holdfast, family, "commit_ahead"), 0.0, "{family}");
    }
}

#[test]
fn a_group_whose_members_go_through_two_instances_has_no_correct_commit_changed() {
    let cluster = shared_cluster();
    let instances = [enforcing(&cluster, AHEAD), enforcing(&cluster, AHEAD)];
    let (topic, group) = (topic(&cluster, 4), unique("joined"));
    let checker = rdk::consumer(&cluster.bootstrap(), &group, &[]);
    let mut members = vec![subscribed(&instances[0].bootstrap(), &group, &topic, &[])];
    let (mut read, mut accepted) = (BTreeSet::new(), [0, 0]);
    let (begun, mut produced) = (Instant::now(), RECORDS);
    while read.len() < produced as usize || accepted[1] == 0 {
        if read.len() == produced as usize {
            // The first one was faster than the rebalance.
            produce(&cluster, &topic, produced);
            produced += RECORDS;
        }
        assert!(begun.elapsed() < PATIENCE, "{} {accepted:?}", read.len());
        if read.len() >= 20 && members.len() < 2 {
            // Partitions go from one instance to the other, and what the first one had read ahead is read again.
            members.push(subscribed(&instances[1].bootstrap(), &group, &topic, &[]));
        }
        for (member, accepted) in members.iter().zip(&mut accepted) {
            let Some(Ok(message)) = member.poll(Duration::from_millis(20)) else {
                continue;
            };
            let (partition, offset) = (message.partition(), message.offset() + 1);
            read.insert((partition, offset));
            // While the group rebalances it may be refused.
            let commit = at(&topic, partition, offset);
            if member.commit(&commit, CommitMode::Sync).is_ok() {
                *accepted += 1;
                let told = committed(&checker, &topic, partition);
                assert_eq!(told, Some(offset), "partition {partition}");
            }
        }
    }
    instances.iter().for_each(assert_nothing_ahead);
}

#[test]
fn java_consumers_commit_what_they_read() {
    let cluster = shared_cluster();
    let holdfast = enforcing(&cluster, AHEAD);
    for protocol in ["classic", "consumer"] {
        for auto in ["false", "true"] {
            let (topic, group) = (topic(&cluster, 1), unique("joined"));
            let (bootstrap, records) = (holdfast.bootstrap(), RECORDS.to_string());
            let args = ["--bootstrap-server", &bootstrap, "--topic", &topic];
            let more = [
                "--group",
                &group,
                "--protocol",
                protocol,
                "--records",
                &records,
            ];
            let set = format!("enable.auto.commit={auto}");
            let said = java(
                Version::V4_3_1,
                "GroupConsumer",
                &[
                    &args[..],
                    &more,
                    &["--set", &set, "--set", "max.poll.records=7"],
                ]
                .concat(),
            );
            said.ok();
            let direct = rdk::consumer(&cluster.bootstrap(), &group, &[]);
            let told = committed(&direct, &topic, 0);
            assert_eq!(told, Some(RECORDS as i64), "{protocol} {auto}");
        }
    }
    assert_nothing_ahead(&holdfast);
}

#[test]
fn a_new_group_that_starts_at_the_end_is_counted_to_the_offset() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let (topic, group) = (topic(&cluster, 1), unique("joined"));
    let latest = [("auto.offset.reset", "latest")];
    let consumer = subscribed(&holdfast.bootstrap(), &group, &topic, &latest);
    eventually("what was skipped", PATIENCE, || {
        let given = consumer.poll(Duration::from_millis(50));
        assert!(!matches!(given, Some(Ok(_))), "a record");
        let labels = [("scenario", "offset_reset"), ("group", group.as_str())];
        let family = "holdfast_observations_by_group_total";
        match holdfast.metrics().value_or_zero(family, &labels) {
            100.0 => Ok(()),
            other => Err(format!("{other} offsets")),
        }
    });
    let family = "holdfast_observations_total";
    assert_eq!(found(&holdfast, family, "offset_reset"), RECORDS as f64);
    // One that starts at the beginning skips nothing.
    let other = subscribed(&holdfast.bootstrap(), &unique("joined"), &topic, &[]);
    eventually("a record", PATIENCE, || {
        match other.poll(Duration::from_millis(100)) {
            Some(Ok(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(found(&holdfast, family, "offset_reset"), RECORDS as f64);
}

#[test]
fn a_group_whose_position_was_deleted_and_that_goes_on_at_the_end_is_counted_to_the_offset() {
    const POSITION: i64 = 5;
    const DELETED_TO: i64 = 60;
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let (topic, group) = (topic(&cluster, 1), unique("joined"));
    let tool = rdk::consumer(&cluster.bootstrap(), &group, &[]);
    tool.commit(&at(&topic, 0, POSITION), CommitMode::Sync)
        .expect("committed");
    delete_records(&cluster, &topic, DELETED_TO);
    let latest = [("auto.offset.reset", "latest")];
    let consumer = subscribed(&holdfast.bootstrap(), &group, &topic, &latest);
    let family = "holdfast_observations_total";
    eventually("what was skipped and what was deleted", PATIENCE, || {
        let given = consumer.poll(Duration::from_millis(50));
        assert!(!matches!(given, Some(Ok(_))), "a record");
        let by_scenario = ["offset_reset", "retention_overrun"];
        match by_scenario.map(|scenario| found(&holdfast, family, scenario)) {
            [40.0, 55.0] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let labels = [("scenario", "offset_reset"), ("group", group.as_str())];
    let family = "holdfast_observations_by_group_total";
    assert_eq!(holdfast.metrics().value(family, &labels), 40.0);
}

#[test]
fn commits_of_a_group_that_is_held_back_lag_by_one() {
    const HELD: &str = "[policy]\nsingle_instance = true\n[policy.commit_hold_back]\nmode = \"enforce\"\ngroups = [\"held-*\"]\n";
    let cluster = shared_cluster();
    let holdfast = enforcing(&cluster, HELD);
    for (name, expected) in [("held", [10, 10, 20, 30]), ("free", [10, 20, 30, 30])] {
        let (topic, group) = (topic(&cluster, 1), unique(name));
        let consumer = subscribed(&holdfast.bootstrap(), &group, &topic, &[]);
        eventually("a record", PATIENCE, || {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(_)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        let direct = rdk::consumer(&cluster.bootstrap(), &group, &[]);
        for (asked, expected) in [10, 20, 30, 30].into_iter().zip(expected) {
            let commit = at(&topic, 0, asked);
            consumer.commit(&commit, CommitMode::Sync).expect("taken");
            assert_eq!(
                committed(&direct, &topic, 0),
                Some(expected),
                "{name} {asked}"
            );
        }
    }
    assert_eq!(
        found(&holdfast, "holdfast_overrides_total", "commit_hold_back"),
        2.0
    );
}
