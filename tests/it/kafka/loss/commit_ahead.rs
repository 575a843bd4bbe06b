//! A live member commits an offset that it was not given yet: the broker takes it, and when records come there, whoever reads
//! on for the group passes over them.

use super::Route;
use super::sent::send;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::rdk;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const EXPERIMENT: &str = "20 a group that has read 100 records commits 600, and 500 more come";
const ENFORCED: &str =
    "[policy]\nsingle_instance = true\n[policy.commit_ahead]\nmode = \"enforce\"\n";
const EARLY: u64 = 100;
const ALL: u64 = 600;
const PATIENCE: Duration = Duration::from_secs(60);

fn at(topic: &str, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, offset)
        .expect("a valid offset");
    list
}

/// How many records the group did not read.
fn commit_ahead_and_read(cluster: &Cluster, route: Route<'_>, reported: &str) -> usize {
    let (topic, group) = (unique("ahead"), unique("ahead"));
    cluster.create_topic_on(&topic, &[&[1, 2, 3]], &[]);
    send(&route.address(1), &topic, 0, 0..EARLY);
    let member = rdk::consumer(&route.servers(), &group, &[]);
    member.subscribe(&[&topic]).expect("a subscription");
    let (begun, mut read) = (Instant::now(), 0);
    while read < EARLY {
        assert!(begun.elapsed() < PATIENCE, "{read} records read");
        let message = member.poll(Duration::from_millis(200));
        read += u64::from(matches!(message, Some(Ok(_))));
    }
    let ahead = at(&topic, Offset::Offset(ALL as i64));
    member.commit(&ahead, CommitMode::Sync).expect("committed");
    drop(member);
    let sent = send(&route.address(1), &topic, 0, EARLY..ALL);
    let settings = [("enable.partition.eof", "true")];
    let next = rdk::consumer(&route.servers(), &group, &settings);
    next.assign(&at(&topic, Offset::Stored))
        .expect("an assignment");
    let read = rdk::ids(&rdk::read_to_the_end(&next, &topic, &[0]));
    let stored = rdk::ids(&cluster.read_all(&topic)).range(EARLY..).count();
    let lost = sent.tell_read(EXPERIMENT, route.way(), stored, &read, reported);
    assert_eq!(sent.ok.len() as u64, ALL - EARLY, "{:?}", sent.codes);
    lost
}

#[test]
fn a_commit_of_what_was_not_given_skips_records_direct_and_is_lowered_through_holdfast() {
    let cluster = shared_cluster();
    let lost = commit_ahead_and_read(&cluster, Route::Direct(&cluster), "nobody");
    assert_eq!(lost as u64, ALL - EARLY, "the control");

    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(ENFORCED));
    let told = "`holdfast_overrides_total`";
    let lost = commit_ahead_and_read(&cluster, Route::Through(&holdfast), told);
    assert_eq!(lost, 0);
    let labels = [("scenario", "commit_ahead"), ("mode", "enforce")];
    let overridden = holdfast
        .metrics()
        .value("holdfast_overrides_total", &labels);
    assert_eq!(overridden, 1.0);
}
