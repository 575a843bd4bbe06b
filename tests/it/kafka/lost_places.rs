//! Groups whose offsets are gone, and topics that grew while nobody looked: where Java's consumer with
//! `auto.offset.reset=latest` goes on, by both protocols. Straight at the brokers and under the default preset it skips what is
//! there (the control); with the repair it reads it.

use super::commit_scenarios::committed;
use crate::support::clients::java;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Version, shared_cluster, unique};
use crate::support::rdk::{self, IdProducer, Settings};
use std::time::Duration;

const EARLY: u64 = 100;
const LATE: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long a consumer waits that is given nothing.
const IN_VAIN_MS: &str = "8000";
const PROTOCOLS: [&str; 2] = ["classic", "consumer"];

fn repairing(cluster: &Cluster, scenario: &str) -> Holdfast {
    let toml = format!("[policy.{scenario}]\nmode = \"enforce\"\nrepair = true\n");
    Holdfast::start_with(Options::new(&cluster.bootstrap()).config(&toml))
}

fn produce(cluster: &Cluster, topic: &str, partition: i32, ids: std::ops::Range<u64>) {
    let producer = IdProducer::new(&cluster.bootstrap(), topic, &Settings::acks("all"));
    let count = ids.end - ids.start;
    ids.for_each(|id| producer.send(id, 10, Some(partition)));
    let told = producer.finish(PATIENCE);
    assert_eq!(told.ok.len() as u64, count, "{told:?}");
}

/// How many records a new member of the group reads, of as many as it waits for. It commits what it read.
fn read(bootstrap: &str, topic: &str, group: &str, protocol: &str, more: &[&str]) -> u64 {
    let args = ["--bootstrap-server", bootstrap, "--topic", topic];
    let by = ["--group", group, "--protocol", protocol];
    let said = java(
        Version::V4_3_1,
        "GroupConsumer",
        &[&args, &by, more].concat(),
    );
    said.ok();
    let last = said.json_lines().pop().expect("a line");
    last["read"].as_u64().expect("a count")
}

/// A group reads a topic of one partition; then something befalls it, more is written to `partition`, and the group goes on at
/// the end. How much of that it reads, and its name.
fn read_on(
    cluster: &Cluster,
    bootstrap: &str,
    protocol: &str,
    partition: i32,
    befall: fn(&Cluster, &str, &str),
) -> (u64, String) {
    let (topic, group) = (unique("places"), unique("places"));
    cluster.create_topic(&topic, 1, 3, &[]);
    produce(cluster, &topic, 0, 0..EARLY);
    assert_eq!(read(bootstrap, &topic, &group, protocol, &[]), EARLY);
    befall(cluster, &topic, &group);
    produce(cluster, &topic, partition, EARLY..EARLY + LATE);
    let late = LATE.to_string();
    let latest = ["--set", "auto.offset.reset=latest", "--records", &late];
    let more = [&latest[..], &["--timeout-ms", IN_VAIN_MS]].concat();
    (read(bootstrap, &topic, &group, protocol, &more), group)
}

fn counted(holdfast: &Holdfast, scenario: &str, group: &str) -> f64 {
    let labels = [("scenario", scenario), ("group", group)];
    let metrics = holdfast.metrics();
    metrics.value_or_zero("holdfast_observations_by_group_total", &labels)
}

fn check(scenario: &str, partition: i32, befall: fn(&Cluster, &str, &str)) {
    let cluster = shared_cluster();
    let observing = Holdfast::start(&cluster.bootstrap());
    let repairing = repairing(&cluster, scenario);
    std::thread::scope(|scope| {
        for protocol in PROTOCOLS {
            let (cluster, observing, repairing) = (&cluster, &observing, &repairing);
            scope.spawn(move || {
                let go = |bootstrap: &str| read_on(cluster, bootstrap, protocol, partition, befall);
                assert_eq!(go(&cluster.bootstrap()).0, 0, "{protocol}: the control");
                let (read, group) = go(&observing.bootstrap());
                assert_eq!(read, 0, "{protocol}: only counted");
                assert!(counted(observing, scenario, &group) > 0.0, "{protocol}");
                let (read, group) = go(&repairing.bootstrap());
                assert_eq!(read, LATE, "{protocol}: repaired");
                assert!(counted(repairing, scenario, &group) > 0.0, "{protocol}");
            });
        }
    });
    for (holdfast, mode, expected) in [
        (&observing, "enforce", false),
        (&repairing, "enforce", true),
    ] {
        let labels = [("scenario", scenario), ("mode", mode)];
        let metrics = holdfast.metrics();
        let overridden = metrics.value_or_zero("holdfast_overrides_total", &labels) > 0.0;
        assert_eq!(overridden, expected, "{scenario}");
    }
}

#[test]
fn a_java_group_whose_offsets_are_gone_goes_on_where_it_was_with_the_repair_of_offsets_expired() {
    check("offsets_expired", 0, |cluster, topic, group| {
        // As brokers do with a group that was empty for too long.
        eventually("the group is deleted", PATIENCE, || {
            rdk::delete_group(&cluster.bootstrap(), group).map_err(|code| code.to_string())
        });
        assert_eq!(committed(cluster, group, topic), None);
    });
}

#[test]
fn a_java_group_reads_an_added_partition_from_its_beginning_with_the_repair_of_new_partition_skip()
{
    check("new_partition_skip", 1, |cluster, topic, _group| {
        rdk::grow(&cluster.bootstrap(), topic, 2).expect("a second partition");
        cluster.wait_leader(topic, 1, PATIENCE);
        cluster.wait_isr(topic, 1, 3, PATIENCE);
    });
}
