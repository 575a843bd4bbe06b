//! Clients that we did not write, straight at the brokers and through Holdfast: the same is told, stored, read and
//! committed.

use super::ways::{Said, Way, assert_each_once, contents, same};
use crate::support::clients::{franz, java};
use crate::support::eventually;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, Version, shared_cluster, shared_cluster_39, unique};
use crate::support::rdk::{self, Settings};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Way<'_> {
    #[track_caller]
    fn java(&self, version: Version, class: &str, topic: &str, more: &[&str]) -> Said {
        let args = ["--bootstrap-server", &self.bootstrap, "--topic", topic];
        Said::by(&java(version, class, &[&args[..], more].concat()))
    }

    #[track_caller]
    fn franz(&self, command: &str, topic: &str, more: &[&str]) -> Said {
        let args = [command, "--bootstrap-server", &self.bootstrap, "--topic"];
        Said::by(&franz(&[&args[..], &[topic], more].concat()))
    }

    /// What `group` has committed, asked straight of the brokers: a sum, as who reads which partition is its own affair.
    #[track_caller]
    fn committed(&self, group: &str, topic: &str, partitions: i32) -> i64 {
        let consumer = rdk::consumer(&self.cluster.bootstrap(), group, &[]);
        let mut asked = TopicPartitionList::new();
        for partition in 0..partitions {
            asked.add_partition(topic, partition);
        }
        let committed = consumer
            .committed_offsets(asked, Duration::from_secs(30))
            .expect("the group's offsets");
        let offsets = committed.elements();
        let offsets = offsets.iter().filter_map(|e| e.offset().to_raw());
        offsets.filter(|offset| *offset > 0).sum()
    }
}

#[track_caller]
fn check_java(cluster: &Cluster, version: Version, protocols: &[&str]) {
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let (said, stored, read) = same(cluster, &holdfast, "Java, idempotent", |way| {
        let topic = way.topic("java", 3, &[]);
        let said = way.java(version, "IdempotentProducer", &topic, &[]);
        let stored = way.stored(&topic);
        assert_each_once(&stored);
        let read: Vec<(Value, i64)> = protocols
            .iter()
            .map(|protocol| {
                let group = unique("java");
                let args = ["--group", &group, "--protocol", protocol];
                let read = way.java(version, "GroupConsumer", &topic, &args);
                (read.last["read"].clone(), way.committed(&group, &topic, 3))
            })
            .collect();
        (said, contents(&stored), read)
    });
    assert_eq!(said.ok(), (0..100).collect());
    assert_eq!(stored.len(), 100);
    assert!(read.iter().all(|r| *r == (100.into(), 100)), "{read:?}");
}

#[track_caller]
fn check_java_transactions(cluster: &Cluster, version: Version) {
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let (said, ids) = same(cluster, &holdfast, "Java, transactional", |way| {
        let topic = way.topic("java-txn", 3, &[]);
        let id = unique("txn");
        let args = ["--transactional-id", &id, "--per-transaction", "10"];
        let more = ["--abort-every-second", "true"];
        let said = way.java(
            version,
            "TransactionalProducer",
            &topic,
            &[&args[..], &more].concat(),
        );
        let stored = way.stored(&topic);
        assert_each_once(&stored);
        (said, rdk::ids(&stored))
    });
    let (committed, aborted) = (&said.last["committed"], &said.last["aborted"]);
    assert_eq!((committed, aborted), (&5.into(), &5.into()), "{said:?}");
    let committed: BTreeSet<u64> = (0..100).filter(|id| id / 10 % 2 == 0).collect();
    assert_eq!(ids, committed);
}

#[test]
fn java_reads_and_writes_exactly_once_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    for protocol in ["classic", "consumer"] {
        let what = format!("exactly once, {protocol}");
        let (said, ids, committed) = same(&cluster, &holdfast, &what, |way| {
            let [from, into] = ["from", "into"].map(|name| way.topic(name, 3, &[]));
            let told = rdk::produce_ids(&way.bootstrap, &from, 0..100, 20, &Settings::idempotent());
            assert_eq!(told.ok.len(), 100, "{told:?}");
            let [group, id] = ["eos", "txn"].map(unique);
            let names = [
                "--into",
                &into,
                "--group",
                &group,
                "--transactional-id",
                &id,
            ];
            let args = [&names[..], &["--protocol", protocol]].concat();
            let said = way.java(Version::V4_3_1, "ExactlyOnce", &from, &args);
            let stored = way.stored(&into);
            assert_each_once(&stored);
            (
                said.last,
                rdk::ids(&stored),
                way.committed(&group, &from, 3),
            )
        });
        assert_eq!(said["aborted"], true, "{said}");
        assert_eq!((ids, committed), ((0..100).collect(), 100), "{protocol}");
    }
}

/// Every call with its result, addresses replaced by `n@broker`.
fn admin_calls(way: &Way<'_>, addresses: &[(String, String)]) -> BTreeMap<String, String> {
    let topic = unique("java-admin");
    let args = ["--bootstrap-server", &way.bootstrap, "--topic", &topic];
    let output = java(way.cluster.version(), "AdminCalls", &args);
    output.ok();
    let calls = output.json_lines().into_iter().filter_map(|line| {
        let mut result = match line["error"].as_str() {
            Some(error) => format!("error {error}: {}", line["message"]),
            None => line["result"].as_str()?.to_owned(),
        };
        for (address, word) in addresses {
            result = result.replace(address, word);
        }
        // Where replicas were put is the controller's own choice: how many there are is not.
        let name = line["call"].as_str()?.to_owned();
        Some((name, result))
    });
    calls.collect()
}

#[track_caller]
fn check_admin(cluster: &Cluster) {
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let [direct, through] = Way::both(cluster, &holdfast).map(|way| {
        let addresses: Vec<(String, String)> = (1..=3)
            .map(|id| match way.name {
                "direct" => (cluster.broker(id).addr(), format!("broker-{id}")),
                _ => (holdfast.broker_addr(id), format!("broker-{id}")),
            })
            .collect();
        admin_calls(&way, &addresses)
    });
    assert_eq!(
        direct, through,
        "admin calls: direct (left), through (right)"
    );
    assert!(
        through["describeCluster"].contains("2@broker-2"),
        "{through:?}"
    );
    assert!(
        !through.values().any(|result| result.starts_with("error")),
        "{through:?}"
    );
}

#[test]
fn java_4_3_1_writes_and_reads_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    check_java(&cluster, Version::V4_3_1, &["classic", "consumer"]);
}

#[test]
fn java_3_9_2_writes_and_reads_through_holdfast_as_direct() {
    let cluster = shared_cluster_39();
    check_java(&cluster, Version::V3_9_2, &["classic"]);
    check_java_transactions(&cluster, Version::V3_9_2);
    check_admin(&cluster);
}

#[test]
fn java_transactions_of_version_2_and_of_version_1_end_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    check_java_transactions(&cluster, Version::V4_3_1);
    // A client of 3.9 speaks version 1 with any cluster.
    check_java_transactions(&cluster, Version::V3_9_2);
}

#[test]
fn java_admin_calls_answer_through_holdfast_as_direct() {
    check_admin(&shared_cluster());
}

#[test]
fn a_java_share_group_acknowledges_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let said = same(&cluster, &holdfast, "Java, share group", |way| {
        let topic = way.topic("java-share", 3, &[]);
        let told = rdk::produce_ids(&way.bootstrap, &topic, 0..100, 20, &Settings::idempotent());
        assert_eq!(told.ok.len(), 100, "{told:?}");
        let group = unique("share");
        let said = way.java(
            Version::V4_3_1,
            "ShareGroupConsumer",
            &topic,
            &["--group", &group],
        );
        (said.last["read"].clone(), said.last["acknowledged"].clone())
    });
    assert_eq!(said, (100.into(), 100.into()));
}

#[test]
fn librdkafka_writes_every_codec_and_acks_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let settings = ["none", "gzip", "snappy", "lz4", "zstd"].map(|codec| {
        let settings = Settings::idempotent().set("compression.codec", codec);
        (format!("idempotent, {codec}"), settings)
    });
    let acks = ["0", "1", "all"].map(|acks| {
        let settings = Settings::acks(acks).set("compression.codec", "lz4");
        (format!("acks {acks}, lz4"), settings)
    });
    for (what, settings) in settings.into_iter().chain(acks) {
        let (ok, stored) = same(&cluster, &holdfast, &what, |way| {
            let topic = way.topic("codec", 3, &[]);
            let told = rdk::produce_ids(&way.bootstrap, &topic, 0..1_000, 200, &settings);
            // Of acks=0 nobody is told when it is stored.
            let stored = eventually("all of it is stored", Duration::from_secs(20), || {
                let stored = way.stored(&topic);
                match stored.len() >= 1_000 {
                    true => Ok(stored),
                    false => Err(format!("{} of 1000", stored.len())),
                }
            });
            assert_each_once(&stored);
            // What a consumer reads on this way is byte for byte what is stored.
            let mut read = rdk::consume(
                &way.bootstrap,
                &unique("codec"),
                &topic,
                stored.len(),
                &[],
                Duration::from_secs(60),
            );
            read.sort_unstable();
            assert_eq!(read, stored, "{what}, {}", way.name);
            (told.ok_ids(), contents(&stored))
        });
        assert_eq!((ok.len(), stored.len()), (1_000, 1_000), "{what}");
    }
}

#[test]
fn librdkafka_groups_commit_and_go_on_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    for protocol in ["classic", "consumer"] {
        let settings = [("group.protocol", protocol)];
        let ids = same(&cluster, &holdfast, protocol, |way| {
            let topic = way.topic("group", 3, &[]);
            let group = unique("group");
            let write = |ids: std::ops::Range<u64>| {
                let told =
                    rdk::produce_ids(&way.bootstrap, &topic, ids, 50, &Settings::idempotent());
                assert!(told.failed.is_empty(), "{told:?}");
            };
            let read = |count: usize| {
                rdk::consume(
                    &way.bootstrap,
                    &group,
                    &topic,
                    count,
                    &settings,
                    Duration::from_secs(60),
                )
            };
            write(0..200);
            let first = rdk::ids(&read(200));
            assert_eq!(way.committed(&group, &topic, 3), 200);
            // The second member goes on where the first one stopped.
            write(200..300);
            let second = rdk::ids(&read(100));
            (first, second, way.committed(&group, &topic, 3))
        });
        assert_eq!(ids, ((0..200).collect(), (200..300).collect(), 300));
    }
}

#[test]
fn franz_go_writes_with_every_acks_and_reads_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    for (acks, idempotent) in [("0", false), ("1", false), ("all", false), ("all", true)] {
        let what = format!("franz-go, acks {acks}, idempotent {idempotent}");
        let (said, stored, read) = same(&cluster, &holdfast, &what, |way| {
            let topic = way.topic("franz", 3, &[]);
            let idempotent = format!("--idempotent={idempotent}");
            let args = ["--acks", acks, &idempotent, "--compression", "zstd"];
            let said = way.franz("produce", &topic, &args);
            let group = unique("franz");
            let read = way.franz("consume", &topic, &["--group", &group]);
            let stored = way.stored(&topic);
            assert_each_once(&stored);
            let committed = way.committed(&group, &topic, 3);
            let ids = rdk::ids(&stored);
            (said, ids, (read.last["read"].clone(), committed))
        });
        assert_eq!(said.ok(), (0..100).collect(), "{what}");
        assert_eq!(stored, (0..100).collect(), "{what}");
        assert_eq!(read, (100.into(), 100), "{what}");
    }
}
