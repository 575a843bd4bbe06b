//! The Java and Go programs of `tests/clients`, straight to the brokers: they do what their names say, so that a
//! difference seen through Holdfast is Holdfast's.

use crate::support::clients::{franz, java};
use crate::support::kafka::{Cluster, Version, shared_cluster, shared_cluster_39, unique};
use crate::support::process::Output;
use crate::support::rdk::{self, Isolation};
use serde_json::Value;
use std::collections::BTreeSet;

/// The ids whose records were told ok, and the last line.
fn told(output: &Output) -> (BTreeSet<u64>, Value) {
    output.ok();
    let mut lines = output.json_lines();
    let last = lines
        .pop()
        .unwrap_or_else(|| panic!("no lines: {output:?}"));
    assert_eq!(last["done"], true, "{output:?}");
    let ok = lines.iter().filter(|line| line["error"].is_null());
    (ok.filter_map(|line| line["id"].as_u64()).collect(), last)
}

fn stored(cluster: &Cluster, topic: &str) -> BTreeSet<u64> {
    let records = cluster.read_all_as(topic, Isolation::ReadCommitted);
    assert_eq!(rdk::duplicates(&records), Default::default());
    rdk::ids(&records)
}

fn topic(cluster: &Cluster, name: &str, partitions: i32) -> String {
    let topic = unique(name);
    cluster.create_topic(&topic, partitions, 3, &[("max.message.bytes", "100000")]);
    topic
}

fn check_java_producers_and_consumers(cluster: &Cluster, protocols: &[&str]) {
    let bootstrap = cluster.bootstrap();
    let run = |class: &str, topic: &str, more: &[&str]| {
        let args = [&["--bootstrap-server", &bootstrap, "--topic", topic], more].concat();
        java(cluster.version(), class, &args)
    };
    let written = topic(cluster, "java", 3);
    let (ok, _) = told(&run("IdempotentProducer", &written, &["--records", "100"]));
    assert_eq!(ok, (0..100).collect());
    assert_eq!(stored(cluster, &written), ok);
    for protocol in protocols {
        let group = unique("java");
        let consumed = run(
            "GroupConsumer",
            &written,
            &["--group", &group, "--protocol", protocol],
        );
        assert_eq!(told(&consumed).1["read"], 100, "{protocol}");
    }

    let transactional = topic(cluster, "java-txn", 3);
    let args = [
        "--transactional-id",
        &transactional,
        "--per-transaction",
        "10",
        "--abort-every-second",
        "true",
    ];
    let (_, last) = told(&run("TransactionalProducer", &transactional, &args));
    assert_eq!(
        (&last["committed"], &last["aborted"]),
        (&5.into(), &5.into()),
        "{last}"
    );
    let committed: BTreeSet<u64> = (0..100).filter(|id| id / 10 % 2 == 0).collect();
    assert_eq!(stored(cluster, &transactional), committed);

    let oversized = topic(cluster, "java-oversized", 1);
    let (ok, last) = told(&run("OversizedInTheMiddle", &oversized, &[]));
    assert_eq!(last["failed"], 1, "{last}");
    assert_eq!(ok, (0..21).filter(|id| *id != 10).collect());
    assert_eq!(stored(cluster, &oversized), ok);

    let (_, last) = told(&run("AdminCalls", &unique("java-admin"), &[]));
    assert_eq!(last["failed"], 0, "{last}");
}

#[test]
fn java_4_3_1_writes_reads_and_administers() {
    let cluster = shared_cluster();
    check_java_producers_and_consumers(&cluster, &["classic", "consumer"]);

    let shared = topic(&cluster, "java-share", 3);
    let (bootstrap, group) = (cluster.bootstrap(), unique("java-share"));
    let args = ["--bootstrap-server", &bootstrap, "--topic", &shared];
    told(&java(Version::V4_3_1, "IdempotentProducer", &args));
    let (_, last) = told(&java(
        Version::V4_3_1,
        "ShareGroupConsumer",
        &[&args[..], &["--group", &group]].concat(),
    ));
    assert_eq!(
        (&last["read"], &last["acknowledged"]),
        (&100.into(), &100.into()),
        "{last}"
    );
}

#[test]
fn java_3_9_2_writes_reads_and_administers() {
    check_java_producers_and_consumers(&shared_cluster_39(), &["classic"]);
}

#[test]
fn franz_go_writes_with_every_acks_and_reads() {
    let cluster = shared_cluster();
    let bootstrap = cluster.bootstrap();
    for (acks, idempotent) in [
        ("0", "false"),
        ("1", "false"),
        ("all", "false"),
        ("all", "true"),
    ] {
        let written = topic(&cluster, "franz", 3);
        let args = ["--bootstrap-server", &bootstrap, "--topic", &written];
        let settings = [
            "--acks",
            acks,
            &format!("--idempotent={idempotent}"),
            "--compression",
            "zstd",
        ];
        let (ok, _) = told(&franz(&[&["produce"], &args[..], &settings].concat()));
        assert_eq!(ok, (0..100).collect(), "acks {acks}");
        let group = unique("franz");
        let (_, last) = told(&franz(
            &[&["consume"], &args[..], &["--group", &group]].concat(),
        ));
        assert_eq!(last["read"], 100, "acks {acks}");
        assert_eq!(stored(&cluster, &written), ok, "acks {acks}");
    }
    // One refused batch, and franz-go gives up all that waits for the same partition. With sequences the broker refuses
    // what was already in flight behind it; without them it may store some of it that is reported as failed.
    for idempotent in [true, false] {
        let oversized = topic(&cluster, "franz-oversized", 1);
        let flag = format!("--idempotent={idempotent}");
        let args = [
            "oversized",
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            &oversized,
            &flag,
        ];
        let output = franz(&args);
        let ((ok, _), stored) = (told(&output), stored(&cluster, &oversized));
        assert_eq!(ok, (0..10).collect(), "{}", output.stdout);
        assert!(ok.is_subset(&stored) && !stored.contains(&10), "{stored:?}");
        assert!(!idempotent || stored == ok, "{stored:?}");
    }
}
