//! A group's committed offset beyond the end of the partition: the broker takes it, and the consumer that begins there
//! with `auto.offset.reset=latest` passes over what was produced since.

use super::Route;
use super::sent::send;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::rdk;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const EXPERIMENT: &str =
    "15 a commit 1 000 beyond the end, then a consumer with `auto.offset.reset=latest`";
const EARLY: u64 = 100;
const ALL: u64 = 600;

fn at(topic: &str, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, offset)
        .expect("a valid offset");
    list
}

fn commit(consumer: &BaseConsumer, topic: &str, offset: u64) -> KafkaResult<()> {
    consumer.commit(&at(topic, Offset::Offset(offset as i64)), CommitMode::Sync)
}

/// A group that has read all there is commits an offset beyond the end; then more is produced, and the group reads on.
/// How many of those it did not read, and what came of the commit.
fn commit_and_read(
    cluster: &Cluster,
    route: Route<'_>,
    reported: &str,
) -> (usize, KafkaResult<()>) {
    let (topic, group) = (unique("committed"), unique("committed"));
    cluster.create_topic_on(&topic, &[&[1, 2, 3]], &[]);
    let settings = [
        ("auto.offset.reset", "latest"),
        ("enable.partition.eof", "true"),
    ];
    let consumer = rdk::consumer(&route.servers(), &group, &settings);
    send(&route.address(1), &topic, 0, 0..EARLY);
    commit(&consumer, &topic, EARLY).expect("the end may be committed");
    let beyond = commit(&consumer, &topic, EARLY + 1_000);
    let sent = send(&route.address(1), &topic, 0, EARLY..ALL);
    let next = rdk::consumer(&route.servers(), &group, &settings);
    let stored = at(&topic, Offset::Stored);
    next.assign(&stored).expect("an assignment");
    let read = rdk::ids(&rdk::read_to_the_end(&next, &topic, &[0]));
    let stored = rdk::ids(&cluster.read_all(&topic)).range(EARLY..).count();
    let lost = sent.tell_read(EXPERIMENT, route.way(), stored, &read, reported);
    assert_eq!(sent.ok.len() as u64, ALL - EARLY, "{:?}", sent.codes);
    (lost, beyond)
}

#[test]
fn a_commit_beyond_the_end_skips_records_direct_and_is_refused_through_holdfast() {
    let cluster = shared_cluster();
    let (lost, beyond) = commit_and_read(&cluster, Route::Direct(&cluster), "nobody");
    assert_eq!(beyond, Ok(()));
    assert_eq!(lost as u64, ALL - EARLY, "the control");

    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).preset("strict"));
    let told = "the client: INVALID_COMMIT_OFFSET_SIZE";
    let (lost, beyond) = commit_and_read(&cluster, Route::Through(&holdfast), told);
    let refused = RDKafkaErrorCode::InvalidCommitOffsetSize;
    assert_eq!(beyond, Err(KafkaError::ConsumerCommit(refused)));
    assert_eq!(lost, 0);
    assert!(super::refused(&holdfast.metrics(), "commit_past_end"));
}
