//! What consumers of three kinds read of transactions that were aborted, and what they are not told of when retention was faster.

use crate::support::clients::{franz, java};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Version, shared_cluster, unique};
use crate::support::raw::Body;
use crate::support::rdk::{self, IdProducer, Isolation, Settings};
use rdkafka::consumer::Consumer;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const ENFORCED: &str = "[policy.dirty_read]\nmode = \"enforce\"\n";
const COMMITTED: u64 = 100;
/// Together larger than what one partition may give in one answer, so that some answers hold nothing else.
const ABORTED: u64 = 3_000;
const VALUE_BYTES: usize = 1_000;
const DELETE_RECORDS: i16 = 21;

/// Records that were committed, aborted, and committed. Whoever has the last has passed the aborted ones.
fn topic_with_aborted_records(cluster: &Cluster) -> (String, BTreeSet<u64>) {
    let topic = unique("dirty");
    cluster.create_topic(&topic, 1, 3, &[]);
    let settings = Settings::idempotent().set("transactional.id", &unique("txn"));
    let producer = IdProducer::new(&cluster.bootstrap(), &topic, &settings);
    producer.init_transactions(PATIENCE);
    let write = |commit: bool, ids: std::ops::Range<u64>| {
        producer.transact(commit, PATIENCE, |producer| {
            ids.for_each(|id| producer.send(id, VALUE_BYTES, Some(0)));
        });
    };
    let end = COMMITTED + ABORTED;
    write(true, 0..COMMITTED);
    write(false, COMMITTED..end);
    write(true, end..end + COMMITTED);
    let committed = (0..COMMITTED).chain(end..end + COMMITTED).collect();
    (topic, committed)
}

/// A client, by the address that it is given and the topic.
type Reads = fn(&str, &str) -> BTreeSet<u64>;

/// The ids that each client reads as its first `2 * COMMITTED` records, without any group's offsets.
fn java_reads(bootstrap: &str, topic: &str) -> BTreeSet<u64> {
    let (group, records) = (unique("dirty"), (2 * COMMITTED).to_string());
    let args = ["--bootstrap-server", bootstrap, "--topic", topic];
    let more = ["--group", &group, "--records", &records];
    let said = java(Version::V4_3_1, "GroupConsumer", &[args, more].concat());
    said.ok();
    ids(&said.json_lines())
}

fn franz_reads(bootstrap: &str, topic: &str) -> BTreeSet<u64> {
    let (group, records) = (unique("dirty"), (2 * COMMITTED).to_string());
    let args = ["consume", "--bootstrap-server", bootstrap, "--topic", topic];
    let more = ["--group", &group, "--records", &records];
    let said = franz(&[&args[..], &more].concat());
    said.ok();
    ids(&said.json_lines())
}

fn ids(lines: &[serde_json::Value]) -> BTreeSet<u64> {
    let keys = lines.iter().filter_map(|line| line["key"].as_str());
    keys.map(|key| key.parse().expect("an id")).collect()
}

fn librdkafka_reads(bootstrap: &str, topic: &str) -> BTreeSet<u64> {
    rdk::ids(&rdk::read_all(bootstrap, topic, Isolation::ReadUncommitted))
}

fn dirty(holdfast: &Holdfast) -> f64 {
    let labels = [("scenario", "dirty_read")];
    holdfast
        .metrics()
        .value_or_zero("holdfast_observations_total", &labels)
}

#[test]
fn aborted_records_are_read_direct_and_counted_and_in_force_three_clients_read_what_was_committed_to_the_end()
 {
    let cluster = shared_cluster();
    let (topic, committed) = topic_with_aborted_records(&cluster);
    let observing = Holdfast::start(&cluster.bootstrap());
    let enforcing = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(ENFORCED));
    let clients: [(&str, Reads); 3] = [
        ("Java", java_reads),
        ("franz-go", franz_reads),
        ("librdkafka", librdkafka_reads),
    ];
    for (client, reads) in clients {
        let direct = reads(&cluster.bootstrap(), &topic);
        assert!(!direct.is_subset(&committed), "{client}: the control");
        let before = dirty(&observing);
        assert_eq!(reads(&observing.bootstrap(), &topic), direct, "{client}");
        eventually("a count", PATIENCE, || match dirty(&observing) > before {
            true => Ok(()),
            false => Err(format!("{client}: {before}")),
        });
        let through = reads(&enforcing.bootstrap(), &topic);
        assert_eq!(through, committed, "{client}");
    }
}

#[test]
fn a_client_in_force_comes_to_the_end_behind_aborted_records_and_before_open_ones() {
    let cluster = shared_cluster();
    let enforcing = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(ENFORCED));
    let topic = unique("open");
    cluster.create_topic(&topic, 1, 3, &[]);
    let settings = Settings::idempotent().set("transactional.id", &unique("txn"));
    let producer = IdProducer::new(&cluster.bootstrap(), &topic, &settings);
    producer.init_transactions(PATIENCE);
    let send = |ids: std::ops::Range<u64>| {
        move |producer: &IdProducer| ids.for_each(|id| producer.send(id, 10, Some(0)))
    };
    producer.transact(true, PATIENCE, send(0..10));
    producer.transact(false, PATIENCE, send(10..20));
    producer.transact(false, PATIENCE, |producer| {
        send(20..30)(producer);
        // They are in the log, and nobody knows yet what becomes of them.
        eventually("open records", PATIENCE, || {
            let all = librdkafka_reads(&cluster.bootstrap(), &topic);
            match all.len() {
                30 => Ok(()),
                other => Err(format!("{other} records")),
            }
        });
        let read = librdkafka_reads(&enforcing.bootstrap(), &topic);
        assert_eq!(read, (0..10).collect());
    });
    assert_eq!(
        librdkafka_reads(&enforcing.bootstrap(), &topic),
        (0..10).collect()
    );
}

/// DeleteRecords v1 of partition 0 below `offset`.
pub(super) fn delete_records(cluster: &Cluster, topic: &str, offset: i64) {
    let mut body = Body::new();
    body.i32(1)
        .string(topic)
        .i32(1)
        .i32(0)
        .i64(offset)
        .i32(30_000);
    let mut leader = cluster.connect_to_leader(topic, 0);
    let answer = leader.call(DELETE_RECORDS, 1, &body.0).expect("an answer");
    assert_eq!(answer[answer.len() - 2..], [0, 0], "an error code");
}

#[test]
fn what_was_deleted_before_a_consumer_read_it_is_counted_to_the_offset() {
    const RECORDS: u64 = 2_000;
    const DELETED_TO: i64 = 1_900;
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("overrun");
    cluster.create_topic(&topic, 1, 3, &[]);
    let told = rdk::produce_ids(
        &cluster.bootstrap(),
        &topic,
        0..RECORDS,
        VALUE_BYTES,
        &Settings::acks("all"),
    );
    assert_eq!(told.ok.len() as u64, RECORDS);

    // It reads ahead as little as it can.
    let slow = [
        ("enable.partition.eof", "true"),
        ("fetch.message.max.bytes", "10000"),
        ("queued.min.messages", "1"),
        ("queued.max.messages.kbytes", "10"),
    ];
    let consumer = rdk::consumer(&holdfast.bootstrap(), &unique("slow"), &slow);
    let mut start = TopicPartitionList::new();
    start
        .add_partition_offset(&topic, 0, Offset::Beginning)
        .expect("an offset");
    consumer.assign(&start).expect("an assignment");
    let mut read = BTreeSet::new();
    while read.len() < 50 {
        if let Some(message) = consumer.poll(PATIENCE) {
            read.insert(message.expect("a record").offset());
        }
    }
    let headroom = || {
        let labels = [("topic", topic.as_str())];
        holdfast
            .metrics()
            .value_or_zero("holdfast_fetch_headroom_offsets", &labels)
    };
    delete_records(&cluster, &topic, DELETED_TO);
    let rest = rdk::read_to_the_end(&consumer, &topic, &[0]);
    read.extend(rest.iter().map(|record| record.offset));
    let lost = RECORDS as f64 - read.len() as f64;
    assert!(lost > 0.0, "the control: nothing was lost");
    let counted = || {
        let labels = [("scenario", "retention_overrun")];
        let metrics = holdfast.metrics();
        metrics.value_or_zero("holdfast_observations_total", &labels)
    };
    eventually("the offsets that were lost", PATIENCE, || match counted() {
        found if found == lost => Ok(()),
        found => Err(format!("{found} of {lost}")),
    });
    eventually("headroom", PATIENCE, || match headroom() {
        found if found > 0.0 => Ok(()),
        found => Err(format!("{found}")),
    });
}
