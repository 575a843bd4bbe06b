//! Producers that we did not write, doing what the scenarios of Produce are about: what they are told in force, that they are
//! only counted in observe, and that the broker takes it all straight.

use crate::support::clients::java;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version, shared_cluster, shared_cluster_39, unique};
use crate::support::raw::{self, Batch, Produce, Raw, now_ms};
use crate::support::rdk::{self, IdProducer, Settings, Told};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const RECORDS: u64 = 10;
const DAY_MS: i64 = 86_400_000;
const SCENARIOS: [&str; 6] = [
    "not_idempotent",
    "not_transactional",
    "under_replicated",
    "stale_timestamp",
    "future_timestamp",
    "legacy_format",
];

/// A gateway with these scenarios in `mode`; topics demand what their names say.
fn holdfast(cluster: &Cluster, mode: &str) -> Holdfast {
    holdfast_of(cluster, mode, &SCENARIOS)
}

fn holdfast_of(cluster: &Cluster, mode: &str, scenarios: &[&str]) -> Holdfast {
    let table = |scenario: &&str| {
        let topics = match *scenario {
            "not_idempotent" | "not_transactional" => format!("topics = [\"{scenario}-*\"]\n"),
            _ => String::new(),
        };
        format!("[policy.{scenario}]\nmode = \"{mode}\"\n{topics}")
    };
    let tables: String = scenarios.iter().map(table).collect();
    Holdfast::start_with(Options::new(&cluster.bootstrap()).config(&tables))
}

fn refused(holdfast: &Holdfast, scenario: &str, mode: &str) -> f64 {
    let labels = [("scenario", scenario), ("mode", mode)];
    let metrics = holdfast.metrics();
    metrics.value_or_zero("holdfast_rejections_total", &labels)
}

/// A producer that falls under a scenario, and what it is told of that.
struct Case {
    scenario: &'static str,
    /// Of a topic to which the brokers let it write.
    configs: &'static [(&'static str, &'static str)],
    librdkafka: fn() -> Settings,
    java: &'static [&'static str],
    /// From now, of its records' timestamps.
    ahead_ms: Option<i64>,
    code: Code,
    exception: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        scenario: "not_idempotent",
        configs: &[],
        librdkafka: || Settings::acks("all"),
        java: &["--set", "enable.idempotence=false"],
        ahead_ms: None,
        code: Code::PolicyViolation,
        exception: "PolicyViolationException",
    },
    Case {
        scenario: "not_transactional",
        configs: &[],
        librdkafka: Settings::idempotent,
        java: &[],
        ahead_ms: None,
        code: Code::PolicyViolation,
        exception: "PolicyViolationException",
    },
    Case {
        scenario: "stale_timestamp",
        configs: &[("retention.ms", "3600000")],
        librdkafka: Settings::idempotent,
        java: &[],
        ahead_ms: Some(-2 * DAY_MS),
        code: Code::InvalidTimestamp,
        exception: "InvalidTimestampException",
    },
    Case {
        scenario: "future_timestamp",
        // Brokers from 4.0 on refuse by themselves what is an hour ahead.
        configs: &[("message.timestamp.after.max.ms", "9223372036854775807")],
        librdkafka: Settings::idempotent,
        java: &[],
        ahead_ms: Some(2 * DAY_MS),
        code: Code::InvalidTimestamp,
        exception: "InvalidTimestampException",
    },
];

impl Case {
    /// What librdkafka is told of records with these ids.
    fn produce(&self, bootstrap: &str, topic: &str, ids: std::ops::Range<u64>) -> Told {
        let producer = IdProducer::new(bootstrap, topic, &(self.librdkafka)());
        let timestamp = self.ahead_ms.map(|ahead| now_ms() + ahead);
        ids.for_each(|id| producer.send_dated(id, 10, None, timestamp));
        producer.finish(PATIENCE)
    }

    /// The exceptions that a Java producer is told, one for each record.
    fn java_is_told(&self, bootstrap: &str, topic: &str) -> Vec<String> {
        let timestamp = self.ahead_ms.map(|ahead| (now_ms() + ahead).to_string());
        let mut args = vec![
            "--bootstrap-server",
            bootstrap,
            "--topic",
            topic,
            "--records",
            "5",
        ];
        if let Some(timestamp) = &timestamp {
            args.extend(["--timestamp-ms", timestamp]);
        }
        args.extend(self.java);
        let said = java(Version::V4_3_1, "IdempotentProducer", &args);
        said.ok();
        let lines = said.json_lines();
        let errors = lines.iter().filter(|line| line.get("done").is_none());
        let error = |line: &serde_json::Value| line["error"].as_str().unwrap_or("none").to_owned();
        errors.map(error).collect()
    }

    fn check(&self, cluster: &Cluster, enforcing: &Holdfast, observing: &Holdfast) {
        let scenario = self.scenario;
        let topic = unique(scenario);
        cluster.create_topic(&topic, 1, 3, self.configs);
        let direct = self.produce(&cluster.bootstrap(), &topic, 0..RECORDS);
        assert_eq!(direct.ok.len() as u64, RECORDS, "{scenario}: {direct:?}");

        let mut stored = 0..RECORDS;
        eventually("a count", PATIENCE, || {
            let ids = stored.end..stored.end + RECORDS;
            stored.end = ids.end;
            let told = self.produce(&observing.bootstrap(), &topic, ids);
            assert_eq!(told.ok.len() as u64, RECORDS, "{scenario}: {told:?}");
            match refused(observing, scenario, "observe") {
                0.0 => Err(format!("{scenario}: none")),
                _ => Ok(()),
            }
        });
        assert_eq!(refused(observing, scenario, "enforce"), 0.0, "{scenario}");

        let told = self.produce(&enforcing.bootstrap(), &topic, 1_000..1_000 + RECORDS);
        let codes: BTreeSet<String> = told
            .failed
            .values()
            .map(|code| format!("{code:?}"))
            .collect();
        assert_eq!(
            codes,
            BTreeSet::from([format!("{:?}", self.code)]),
            "{scenario}"
        );
        assert_eq!(told.failed.len() as u64, RECORDS, "{scenario}: {told:?}");
        let told = self.java_is_told(&enforcing.bootstrap(), &topic);
        assert_eq!(told, [self.exception; 5], "{scenario}");
        assert!(refused(enforcing, scenario, "enforce") >= 2.0, "{scenario}");
        // Of what has a stale timestamp retention may have deleted some by now.
        let left = rdk::ids(&cluster.read_all(&topic));
        assert!(left.is_subset(&stored.collect()), "{scenario}: {left:?}");
    }
}

#[test]
fn producers_are_told_what_a_topic_demands_and_are_only_counted_in_observe() {
    let cluster = shared_cluster();
    let [enforcing, observing] = ["enforce", "observe"].map(|mode| holdfast(&cluster, mode));
    std::thread::scope(|scope| {
        for case in &CASES {
            scope.spawn(|| case.check(&cluster, &enforcing, &observing));
        }
    });
}

#[test]
fn producers_are_told_that_a_topic_is_weak_and_are_only_counted_in_observe() {
    let cluster = shared_cluster();
    let weak = &["weak_topic"];
    let [enforcing, observing] =
        ["enforce", "observe"].map(|mode| holdfast_of(&cluster, mode, weak));
    let case = Case {
        scenario: "weak_topic",
        configs: &[("min.insync.replicas", "1")],
        librdkafka: Settings::idempotent,
        java: &[],
        ahead_ms: None,
        code: Code::PolicyViolation,
        exception: "PolicyViolationException",
    };
    case.check(&cluster, &enforcing, &observing);
}

#[test]
fn records_of_an_impatient_client_without_acks_are_confirmed_once_a_silent_follower_is_out() {
    // A follower that stops is taken out of the ISR after some seconds; until then acks=all waits.
    let spec = Spec::new(Version::V4_3_1).dedicated_controller();
    let cluster = Cluster::start(spec);
    let [enforcing, off] =
        ["enforce", "off"].map(|mode| holdfast_of(&cluster, mode, &["ack_timeout"]));
    for topic in ["impatient", "patient"] {
        cluster.create_topic_on(topic, &[&[1, 2, 3]], &[]);
    }
    cluster.broker(3).freeze();
    let ended = |holdfast: &Holdfast| {
        let metrics = holdfast.metrics();
        ["confirmed", "unknown"].map(|outcome| {
            metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)])
        })
    };
    // Both are under way before the follower is missed.
    let clients = [("impatient", &off), ("patient", &enforcing)].map(|(topic, holdfast)| {
        let mut client = Raw::connect(&holdfast.broker_addr(1)).expect("a connection");
        let batch = Batch::of_ids(0, 10, 20).bytes();
        let produce = Produce::new(9, 0, topic, 0, batch).timeout_ms(200);
        client.send(raw::PRODUCE, 9, &produce.body()).expect("sent");
        client
    });
    for (holdfast, expected) in [(&off, [0.0, 10.0]), (&enforcing, [10.0, 0.0])] {
        eventually("they are accounted for", PATIENCE, || {
            match ended(holdfast) {
                found if found == expected => Ok(()),
                found => Err(format!("{found:?}")),
            }
        });
    }
    drop(clients);
    cluster.broker(3).thaw();
    let overridden = |holdfast: &Holdfast| {
        let labels = [("scenario", "ack_timeout"), ("mode", "enforce")];
        let metrics = holdfast.metrics();
        metrics.value_or_zero("holdfast_overrides_total", &labels)
    };
    assert_eq!(overridden(&enforcing), 1.0);
    assert_eq!(overridden(&off), 0.0);
}

#[test]
fn who_does_what_a_topic_demands_writes_to_it_in_force() {
    let cluster = shared_cluster();
    let enforcing = holdfast(&cluster, "enforce");
    let topic = unique("not_idempotent");
    cluster.create_topic(&topic, 1, 3, &[]);
    let idempotent = Settings::idempotent();
    let told = rdk::produce_ids(&enforcing.bootstrap(), &topic, 0..RECORDS, 10, &idempotent);
    assert_eq!(told.ok.len() as u64, RECORDS, "{told:?}");

    let topic = unique("not_transactional");
    cluster.create_topic(&topic, 1, 3, &[]);
    let transactional = Settings::idempotent().set("transactional.id", &unique("txn"));
    let producer = IdProducer::new(&enforcing.bootstrap(), &topic, &transactional);
    producer.init_transactions(PATIENCE);
    producer.transact(true, PATIENCE, |producer| {
        (0..RECORDS).for_each(|id| producer.send(id, 10, None));
    });
    assert_eq!(rdk::ids(&cluster.read_all(&topic)), (0..RECORDS).collect());
    for scenario in ["not_idempotent", "not_transactional"] {
        assert_eq!(refused(&enforcing, scenario, "enforce"), 0.0, "{scenario}");
    }
}

#[test]
fn a_producer_hears_of_too_few_in_sync_replicas_in_force_and_until_there_are_enough() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    let [enforcing, observing] = ["enforce", "observe"].map(|mode| holdfast(&cluster, mode));
    const SCENARIO: &str = "under_replicated";
    let topic = unique(SCENARIO);
    cluster.create_topic_on(&topic, &[&[1, 2]], &[("min.insync.replicas", "1")]);
    cluster.broker(2).stop();
    assert_eq!(cluster.wait_isr(&topic, 0, 1, PATIENCE), [1]);

    let once = Settings::acks("all").set("retries", "0");
    let produce = |bootstrap: &str, ids| rdk::produce_ids(bootstrap, &topic, ids, 10, &once);
    let direct = produce(&cluster.living_bootstrap(), 0..RECORDS);
    assert_eq!(direct.ok.len() as u64, RECORDS, "{direct:?}");
    let mut stored = 0..RECORDS;
    eventually("a count", PATIENCE, || {
        let ids = stored.end..stored.end + RECORDS;
        stored.end = ids.end;
        let told = produce(&observing.bootstrap(), ids);
        assert_eq!(told.ok.len() as u64, RECORDS, "{told:?}");
        match refused(&observing, SCENARIO, "observe") {
            0.0 => Err("none".to_owned()),
            _ => Ok(()),
        }
    });
    eventually("a refusal", PATIENCE, || {
        let ids = stored.end..stored.end + RECORDS;
        let told = produce(&enforcing.bootstrap(), ids);
        stored.end += told.ok.len() as u64;
        let too_few = |code: &&Code| **code == Code::NotEnoughReplicas;
        match told.failed.values().filter(too_few).count() as u64 {
            RECORDS => Ok(()),
            _ => Err(format!("{told:?}")),
        }
    });
    let args = [
        "--bootstrap-server",
        &enforcing.bootstrap(),
        "--topic",
        &topic,
        "--records",
        "5",
    ];
    let once = ["--set", "enable.idempotence=false", "--set", "retries=0"];
    let said = java(
        Version::V4_3_1,
        "IdempotentProducer",
        &[&args[..], &once].concat(),
    );
    said.ok();
    let lines = said.json_lines();
    let told: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["error"].as_str())
        .collect();
    assert_eq!(told, ["NotEnoughReplicasException"; 5]);
    assert_eq!(
        rdk::ids(&cluster.read_all(&topic)),
        stored.clone().collect()
    );

    cluster.broker(2).restart();
    cluster.wait_isr(&topic, 0, 2, PATIENCE);
    eventually("records are taken again", PATIENCE, || {
        let told = produce(&enforcing.bootstrap(), 5_000..5_000 + RECORDS);
        match told.ok.len() as u64 {
            RECORDS => Ok(()),
            _ => Err(format!("{told:?}")),
        }
    });
}

/// What is answered to one record in the format of a Produce version and a magic.
fn legacy(address: &str, topic: &str, version: i16, magic: i8, id: u64) -> Vec<i16> {
    let key = id.to_string().into_bytes();
    let set = raw::message_set(magic, &[(Some(key), Some(b"value".to_vec()))]);
    let mut raw = Raw::connect(address).expect("a connection");
    let answer = raw.produce(&Produce::new(version, -1, topic, 0, set));
    answer.expect("an answer").error_codes()
}

#[test]
fn old_formats_are_taken_by_an_old_broker_counted_in_observe_and_refused_in_force() {
    let cluster = shared_cluster_39();
    let [enforcing, observing] = ["enforce", "observe"].map(|mode| holdfast(&cluster, mode));
    let topic = unique("legacy_format");
    cluster.create_topic(&topic, 1, 3, &[]);
    let leader = cluster.wait_leader(&topic, 0, PATIENCE);
    // From version 3 on a broker takes record batches only.
    let formats = [(0, 0, 0, 35), (2, 1, 0, 35), (3, 1, 87, 43), (7, 0, 87, 43)];
    let mut ids = 0..;
    for (version, magic, by_broker, refusal) in formats {
        let mut told = |address: &str| {
            let id = ids.next().expect("an id");
            legacy(address, &topic, version, magic, id)
        };
        let what = format!("version {version} magic {magic}");
        assert_eq!(told(&cluster.broker(leader).addr()), [by_broker], "{what}");
        assert_eq!(told(&observing.broker_addr(leader)), [by_broker], "{what}");
        assert_eq!(told(&enforcing.broker_addr(leader)), [refusal], "{what}");
    }
    let count = formats.len();
    assert_eq!(rdk::ids(&cluster.read_all(&topic)), [0, 1, 3, 4].into());
    assert_eq!(
        refused(&observing, "legacy_format", "observe"),
        count as f64
    );
    assert_eq!(
        refused(&enforcing, "legacy_format", "enforce"),
        count as f64
    );
}
