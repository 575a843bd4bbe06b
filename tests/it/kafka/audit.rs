//! `holdfast audit` on real brokers: topics, groups and settings that are bad on purpose are named for what they are, a good
//! topic is not named at all, and the exit code says which.

use crate::support::eventually;
use crate::support::kafka::{Cluster, Spec, Version, shared_cluster, shared_cluster_39, unique};
use crate::support::process::{self, Output};
use crate::support::raw::{Batch, Body, Cursor, Produce};
use crate::support::rdk;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, SystemTime};

const HOUR_MS: i64 = 3_600_000;

/// Runs the audit against a whole cluster, with these flags.
fn audit(cluster: &Cluster, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["audit", "--bootstrap-server", &cluster.bootstrap()]);
    command.args(flags);
    process::run("audit", command, b"", Duration::from_secs(60))
}

/// The report as JSON, and the exit code.
fn report(cluster: &Cluster, flags: &[&str]) -> (Value, Option<i32>) {
    let output = audit(cluster, &[&["--output", "json"], flags].concat());
    assert_eq!(output.stderr, "");
    let report = serde_json::from_str(&output.stdout);
    (report.expect("one JSON object"), output.status.code())
}

/// `check: found` of every finding that has `value` under `key`.
fn found(report: &Value, key: &str, value: &str) -> Vec<String> {
    let findings = report["findings"].as_array().expect("a list");
    let named = findings.iter().filter(|finding| finding[key] == value);
    named.map(line).collect()
}

fn line(finding: &Value) -> String {
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    format!("{}: {}", text("check"), text("found"))
}

fn commit(cluster: &Cluster, group: &str, topic: &str, offset: i64) {
    let consumer = rdk::consumer(&cluster.bootstrap(), group, &[]);
    let mut offsets = TopicPartitionList::new();
    let added = offsets.add_partition_offset(topic, 0, Offset::Offset(offset));
    added.expect("a valid offset");
    eventually("a commit", Duration::from_secs(30), || {
        let done = consumer.commit(&offsets, CommitMode::Sync);
        done.map_err(|error| error.to_string())
    });
}

/// Ten records in one batch, as old as said.
fn write(cluster: &Cluster, topic: &str, age_ms: i64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.expect("after 1970").as_millis()).expect("before the end of time");
    let mut batch = Batch::of_ids(0, 10, 100);
    batch.timestamp_ms = now - age_ms;
    let produce = Produce::new(9, -1, topic, 0, batch.bytes());
    let answer = cluster.connect_to_leader(topic, 0).produce(&produce);
    assert_eq!(answer.expect("an answer").error_codes(), [0]);
}

/// DeleteRecords v0: everything below `offset` of partition 0.
fn delete_records(cluster: &Cluster, topic: &str, offset: i64) {
    const DELETE_RECORDS: i16 = 21;
    let mut body = Body::new();
    body.array(1, false).string(topic);
    body.array(1, false).i32(0).i64(offset).i32(30_000);
    let answer = cluster
        .connect_to_leader(topic, 0)
        .call(DELETE_RECORDS, 0, &body.0)
        .expect("an answer");
    // throttle_time_ms, then one topic with one partition: low watermark, error code.
    let tail = answer.len() - 10;
    let mut cursor = Cursor::new(&answer[tail..]);
    let (low_watermark, error_code) = (cursor.i64().unwrap(), cursor.i16().unwrap());
    assert_eq!((low_watermark, error_code), (offset, 0));
}

fn check_what_is_named(cluster: &Cluster) {
    let name = |suffix: &str| unique(&format!("audit-{suffix}"));
    let topics = [
        "single", "pair", "whole", "lax", "unclean", "good", "trimmed",
    ]
    .map(name);
    let [single, pair, whole, lax, unclean, good, trimmed] = &topics;
    let safe = ("min.insync.replicas", "2");
    cluster.create_topic(single, 2, 1, &[safe]);
    cluster.create_topic(pair, 1, 2, &[safe]);
    cluster.create_topic(whole, 1, 3, &[("min.insync.replicas", "3")]);
    cluster.create_topic(lax, 1, 3, &[("min.insync.replicas", "1")]);
    let allowed = ("unclean.leader.election.enable", "true");
    cluster.create_topic(unclean, 1, 3, &[safe, allowed]);
    cluster.create_topic(good, 3, 3, &[safe]);
    let an_hour = ("retention.ms", "3600000");
    cluster.create_topic(trimmed, 1, 3, &[safe, an_hour]);
    // Ten records that have three of sixty minutes left, ten that are new; the first five are deleted by hand.
    write(cluster, trimmed, HOUR_MS / 60 * 57);
    write(cluster, trimmed, 0);
    delete_records(cluster, trimmed, 5);
    let groups = ["behind", "close", "reading", "done", "beyond"].map(name);
    let [behind, close, reading, done, beyond] = &groups;
    let committed = [(behind, 2), (close, 9), (reading, 10), (done, 20)];
    for (group, offset) in committed.into_iter().chain([(beyond, 1_000)]) {
        commit(cluster, group, trimmed, offset);
    }

    let (report, code) = report(cluster, &[]);
    assert_eq!(code, Some(1), "{report:#}");
    let topic = |name: &str| found(&report, "topic", name);
    assert_eq!(topic(single), ["single_replica: replication factor 1"]);
    assert_eq!(
        topic(pair),
        [
            "two_replicas: replication factor 2",
            "min_isr_leaves_no_room: min.insync.replicas 2, replication factor 2"
        ]
    );
    assert_eq!(
        topic(whole),
        ["min_isr_leaves_no_room: min.insync.replicas 3, replication factor 3"]
    );
    assert_eq!(
        topic(lax),
        ["min_isr_one: min.insync.replicas 1, replication factor 3"]
    );
    assert_eq!(
        topic(unclean),
        ["unclean_election: unclean.leader.election.enable true"]
    );
    assert_eq!(topic(good), [""; 0]);

    let group = |id: &str| found(&report, "group", id);
    assert_eq!(
        group(behind),
        ["overtaken: 3 offsets deleted unread in 1 partition"]
    );
    assert_eq!(
        group(close),
        [
            "overtaken_soon: 11 offsets unread in 1 partition, 1 of them in the last tenth of retention.ms, headroom 26.7 % of the log"
        ]
    );
    assert_eq!(
        group(beyond),
        ["committed_beyond_end: committed up to 980 offsets beyond the end in 1 partition"]
    );
    // What it reads next is new, and what it has not read stays for an hour.
    assert_eq!(group(reading), [""; 0]);
    assert_eq!(group(done), [""; 0]);
    let findings = report["findings"].as_array().expect("a list");
    let of_behind = findings.iter().find(|one| one["group"] == behind.as_str());
    let position = &of_behind.expect("found above")["positions"][0];
    assert_eq!(
        [
            "partition",
            "committed",
            "log_start",
            "log_end",
            "overtaken"
        ]
        .map(|key| position[key].as_i64()),
        [Some(0), Some(2), Some(5), Some(20), Some(3)]
    );

    // A broker that nobody told otherwise makes topics of names that are mistyped.
    let automatic = findings
        .iter()
        .map(line)
        .filter(|line| line.starts_with("auto_create"));
    assert_eq!(
        automatic.collect::<Vec<_>>(),
        ["auto_create_topics: auto.create.topics.enable true"]
    );
    let settings = &report["brokers"][0]["settings"];
    assert_eq!(settings["default.replication.factor"], "3");
    assert_eq!(settings["offsets.retention.minutes"], "10080");
    // Topics and groups of other tests may go while it looks.
    let unseen = report["unseen"].to_string();
    let all = topics.iter().chain(&groups);
    let hidden: Vec<_> = all.filter(|name| unseen.contains(name.as_str())).collect();
    assert_eq!(hidden, [""; 0], "{unseen}");

    let told = audit(cluster, &["--fail-on", "error"]);
    println!("{}", told.stdout);
    assert_eq!(told.status.code(), Some(1));
    for name in [
        single, pair, whole, lax, unclean, trimmed, behind, close, beyond,
    ] {
        assert!(told.stdout.contains(name.as_str()), "{name}");
    }
    assert!(!told.stdout.contains(good.as_str()));
}

#[test]
fn what_is_bad_on_4_3_is_named_for_what_it_is_and_what_is_good_is_not_named() {
    check_what_is_named(&shared_cluster());
}

#[test]
fn what_is_bad_on_3_9_is_named_for_what_it_is_and_what_is_good_is_not_named() {
    check_what_is_named(&shared_cluster_39());
}

/// CreateAcls v1: everybody may, or nobody, do `operation` with that.
fn acl(cluster: &Cluster, resource_type: i8, name: &str, operation: i8, permission: i8) {
    const CREATE_ACLS: i16 = 30;
    const LITERAL: i8 = 3;
    let mut body = Body::new();
    body.array(1, false)
        .i8(resource_type)
        .string(name)
        .i8(LITERAL);
    body.string("User:*")
        .string("*")
        .i8(operation)
        .i8(permission);
    let answer = cluster.connect().call(CREATE_ACLS, 1, &body.0);
    // throttle_time_ms, the count, the error code.
    let answer = answer.expect("an answer");
    assert_eq!(answer[8..10], [0, 0], "{answer:?}");
}

#[test]
fn a_sound_cluster_ends_with_0_one_that_hides_something_with_2_and_one_that_stops_with_a_replica_less_with_1()
 {
    const TOPIC: i8 = 2;
    const GROUP: i8 = 3;
    const DESCRIBE: i8 = 8;
    const DENY: i8 = 2;
    const ALLOW: i8 = 3;
    let cluster = Cluster::start(
        Spec::new(Version::V4_3_1)
            .dedicated_controller()
            .property("auto.create.topics.enable", "false")
            .property(
                "authorizer.class.name",
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            )
            .property("allow.everyone.if.no.acl.found", "true"),
    );
    let safe = [("min.insync.replicas", "2")];
    cluster.create_topic("orders", 2, 3, &safe);
    write(&cluster, "orders", 0);
    commit(&cluster, "billing", "orders", 3);

    let (sound, code) = report(&cluster, &[]);
    assert_eq!(code, Some(0), "{sound:#}");
    assert_eq!(sound["summary"]["complete"], true);
    assert_eq!(sound["seen"]["groups"], 1);
    let lines: Vec<String> = sound["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(line)
        .collect();
    assert_eq!(
        lines,
        [
            "no_racks: 3 brokers without broker.rack",
            "page_cache: flush.messages is unset on 2 of 2 topics"
        ]
    );
    // An authorizer may leave things out without a word: that much can be said.
    assert_eq!(sound["notes"].as_array().map(Vec::len), Some(1));

    // What has one ACL is denied to everybody whom none allows it.
    acl(&cluster, TOPIC, "orders", DESCRIBE, ALLOW);
    acl(&cluster, GROUP, "billing", DESCRIBE, DENY);
    eventually(
        "the brokers have heard of it",
        Duration::from_secs(20),
        || {
            let (hidden, code) = report(&cluster, &[]);
            let unseen: Vec<String> = hidden["unseen"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|one| format!("{} {}: {}", one["what"], one["examples"], one["reason"]))
                .collect();
            let expected = [
                r#""configs of topic" ["orders"]: "TOPIC_AUTHORIZATION_FAILED (29)""#,
                r#""commits of group" ["billing"]: "GROUP_AUTHORIZATION_FAILED (30)""#,
            ];
            match unseen == expected && code == Some(2) {
                true => Ok(()),
                false => Err(format!("{code:?}: {unseen:?}")),
            }
        },
    );
    let told = audit(&cluster, &[]).stdout;
    assert!(
        told.contains("configs of topic orders: TOPIC_AUTHORIZATION_FAILED (29)"),
        "{told}"
    );

    // One replica of `strict` may not be missing; the others carry on with two.
    cluster.create_topic("strict", 1, 3, &[("min.insync.replicas", "3")]);
    cluster.broker(3).stop();
    eventually("the ISR shrinks", Duration::from_secs(30), || {
        let (shrunk, code) = report(&cluster, &["--fail-on", "error"]);
        let strict = found(&shrunk, "topic", "strict");
        let expected = [
            "isr_below_min: min.insync.replicas 3, 2 of 3 replicas in sync",
            "min_isr_leaves_no_room: min.insync.replicas 3, replication factor 3",
        ];
        let orders = found(&shrunk, "topic", "orders");
        match strict == expected
            && orders == ["isr_shrunk: 2 of 3 replicas in sync"]
            && code == Some(1)
        {
            true => Ok(()),
            false => Err(format!("{code:?}: {strict:?}, {orders:?}")),
        }
    });
}

#[test]
fn a_cluster_that_is_bad_by_its_settings_is_named_for_its_defaults_its_racks_and_its_internal_topics()
 {
    let settings = [
        ("default.replication.factor", "2"),
        ("min.insync.replicas", "1"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("offsets.retention.minutes", "60"),
        ("broker.rack", "cellar"),
    ];
    let spec = Spec::new(Version::V3_9_2);
    let spec = settings
        .iter()
        .fold(spec, |spec, (key, value)| spec.property(key, value));
    let cluster = Cluster::start(spec);
    cluster.create_topic("payments", 3, 1, &[]);
    cluster.create_topic("orders", 1, 3, &[("min.insync.replicas", "3")]);
    write(&cluster, "orders", 0);
    delete_records(&cluster, "orders", 5);
    commit(&cluster, "billing", "orders", 1);

    let (report, code) = report(&cluster, &[]);
    println!("{}", audit(&cluster, &[]).stdout);
    assert_eq!(code, Some(1));
    assert_eq!(
        report["unseen"].as_array().map(Vec::len),
        Some(0),
        "{report:#}"
    );
    assert_eq!(report["brokers"][0]["rack"], "cellar");
    let findings = report["findings"].as_array().expect("a list");
    let lines: Vec<String> = findings.iter().map(line).collect();
    let expected = [
        "overtaken: 4 offsets deleted unread in 1 partition",
        "single_replica: replication factor 1",
        "single_replica: replication factor 1",
        "min_isr_leaves_no_room: min.insync.replicas 3, replication factor 3",
        "one_rack: all 3 brokers in rack \"cellar\"",
        "weak_default: default.replication.factor 2",
        "weak_default: min.insync.replicas 1",
        "weak_default: transaction.state.log.replication.factor 1, and there is no __transaction_state yet",
        "weak_default: transaction.state.log.min.isr 1, and there is no __transaction_state yet",
        "auto_create_topics: auto.create.topics.enable true",
        "short_offsets_retention: offsets.retention.minutes 60",
        "page_cache: flush.messages is unset on 3 of 3 topics",
    ];
    assert_eq!(lines, expected);
    let internal = findings.iter().find(|one| one["internal"] == true);
    assert_eq!(internal.expect("one")["topic"], "__consumer_offsets");
}
