//! The helper itself, on real brokers: what the other tests take for granted; and every version of Produce, direct and
//! through Holdfast.

use crate::support::clients::{java, java_login};
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{
    ClientListener, Cluster, Spec, Version, shared_cluster, shared_cluster_39, unique,
};
use crate::support::raw::{
    Batch, KeyValue, Metadata, PRODUCE, Produce, Raw, Resource, init_producer_id, message_set,
};
use crate::support::rdk::{self, IdProducer, Isolation, Settings};
use crate::support::{eventually, ports};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

const VERIFIABLE_PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";

/// VerifiableProducer, raw frames of `raw_versions` and librdkafka write; one fresh consumer reads all of it back.
fn check_that_clients_write_and_what_they_wrote_is_read(
    cluster: &Cluster,
    holdfast: Option<&Holdfast>,
    raw_versions: &[i16],
) {
    let topic = unique("smoke");
    cluster.create_topic(&topic, 1, 3, &[]);
    let id = cluster.topic_id(&topic);

    let bootstrap = holdfast.map_or_else(|| cluster.bootstrap(), Holdfast::bootstrap);
    let args = [
        "--bootstrap-server",
        &bootstrap,
        "--topic",
        &topic,
        "--max-messages",
        "50",
        "--acks",
        "-1",
    ];
    let output = cluster.tool(VERIFIABLE_PRODUCER, &args);
    output.ok();
    let acknowledged = output
        .json_lines()
        .iter()
        .filter(|l| l["name"] == "producer_send_success")
        .count();
    assert_eq!(acknowledged, 50, "{}", output.stdout);

    let mut leader = match holdfast {
        None => cluster.connect_to_leader(&topic, 0),
        Some(holdfast) => {
            let leader = cluster.wait_leader(&topic, 0, Duration::from_secs(30));
            Raw::connect(&holdfast.broker_addr(leader)).expect("the leader's port")
        }
    };
    let mut written = 50;
    for &version in raw_versions {
        let records = match version {
            0..=1 => message_set(0, &old_messages()),
            2 => message_set(1, &old_messages()),
            _ => Batch::of_ids(0, 2, 10).bytes(),
        };
        for acks in [-1, 1] {
            let produce = Produce::new(version, acks, &topic, 0, records.clone()).id(id);
            let answer = leader
                .produce(&produce)
                .unwrap_or_else(|e| panic!("Produce v{version}: {e}"));
            assert_eq!(answer.error_codes(), [0], "Produce v{version}: {answer:?}");
            assert_eq!(
                answer.partitions[0].base_offset, written,
                "Produce v{version}"
            );
            written += 2;
        }
        // acks=0: nothing comes back, and the record is there.
        let silent = Produce::new(version, 0, &topic, 0, records).id(id);
        leader.send(PRODUCE, version, &silent.body()).unwrap();
        assert!(
            leader.is_silent_for(Duration::from_millis(300)).unwrap(),
            "Produce v{version} with acks=0 was answered, or the connection ended"
        );
        written += 2;
    }
    let told = rdk::produce_ids(&bootstrap, &topic, 100..200, 20, &Settings::idempotent());
    assert_eq!(told.ok.len(), 100, "{told:?}");
    written += 100;

    let stored = cluster.read_all(&topic);
    let offsets: Vec<i64> = stored.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..written).collect::<Vec<_>>());
    let last: BTreeSet<u64> = rdk::ids(&stored[stored.len() - 100..]);
    assert_eq!(last, told.ok_ids());
    let read = rdk::consume(
        &bootstrap,
        &unique("group"),
        &topic,
        stored.len(),
        &[],
        Duration::from_secs(60),
    );
    assert_eq!(read, stored);
}

fn old_messages() -> [KeyValue; 2] {
    [
        (None, Some(b"old".to_vec())),
        (Some(b"k".to_vec()), Some(b"older".to_vec())),
    ]
}

#[test]
fn kafka_4_3_1_takes_produce_3_to_13_and_gives_back_what_it_took() {
    check_that_clients_write_and_what_they_wrote_is_read(
        &shared_cluster(),
        None,
        &(3..=13).collect::<Vec<_>>(),
    );
}

#[test]
fn kafka_3_9_2_takes_produce_0_to_11_and_gives_back_what_it_took() {
    check_that_clients_write_and_what_they_wrote_is_read(
        &shared_cluster_39(),
        None,
        &(0..=11).collect::<Vec<_>>(),
    );
}

/// The same by way of Holdfast, which raises acks 0 and 1, and answers none of the former.
#[track_caller]
fn check_that_every_version_passes(cluster: &Cluster, versions: RangeInclusive<i16>) {
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let versions: Vec<i16> = versions.collect();
    check_that_clients_write_and_what_they_wrote_is_read(cluster, Some(&holdfast), &versions);
    let metrics = holdfast.metrics();
    let frames = versions.len() as f64;
    for (outcome, records) in [
        ("confirmed", 2.0 * frames),
        ("refused", 0.0),
        ("unknown", 0.0),
    ] {
        let counted =
            metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)]);
        assert_eq!(counted, records, "{outcome}");
    }
    let hidden = versions.iter().filter(|version| **version < 3).count();
    let inexact = metrics.value("holdfast_acks0_inexact_total", &[]);
    assert_eq!(inexact, hidden as f64, "magic 0 and 1");
    for scenario in ["acks_none", "acks_leader"] {
        let labels = [("scenario", scenario), ("mode", "enforce")];
        let overrides = metrics.value("holdfast_overrides_total", &labels);
        assert_eq!(overrides, frames, "{scenario}");
    }
}

#[test]
fn kafka_4_3_1_takes_produce_3_to_13_through_holdfast_too() {
    check_that_every_version_passes(&shared_cluster(), 3..=13);
}

#[test]
fn kafka_3_9_2_takes_produce_0_to_11_through_holdfast_too() {
    check_that_every_version_passes(&shared_cluster_39(), 0..=11);
}

#[test]
fn a_frozen_and_a_killed_broker_leave_the_isr_and_come_back() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1).dedicated_controller());
    println!("dedicated controller: started in {:?}", cluster.started_in);
    cluster.create_topic_on("t", &[&[1, 2, 3]], &[("min.insync.replicas", "1")]);
    assert_eq!(
        (cluster.leader("t", 0), cluster.isr("t", 0)),
        (Some(1), vec![1, 2, 3])
    );
    let producer = IdProducer::new(&cluster.bootstrap(), "t", &Settings::acks("all"));
    producer.send(1, 10, None);

    cluster.broker(3).freeze();
    assert_eq!(cluster.wait_isr("t", 0, 2, Duration::from_secs(20)), [1, 2]);
    producer.send(2, 10, None);
    cluster.broker(3).thaw();
    cluster.wait_isr("t", 0, 3, Duration::from_secs(30));

    cluster.broker(1).kill9();
    let leader = cluster.wait_leader("t", 0, Duration::from_secs(30));
    assert_ne!(leader, 1);
    producer.send(3, 10, None);
    assert_eq!(cluster.wait_isr("t", 0, 2, Duration::from_secs(20)), [2, 3]);
    cluster.broker(1).restart();
    cluster.wait_isr("t", 0, 3, Duration::from_secs(60));

    let told = producer.finish(Duration::from_secs(30));
    let stored = cluster.read_all_as("t", Isolation::ReadCommitted);
    assert_eq!(told.ok_ids(), BTreeSet::from([1, 2, 3]), "{told:?}");
    assert_eq!(told.lost(&stored), BTreeSet::new());
}

#[test]
fn further_listeners_ask_for_a_password_and_name_the_relay_before_them() {
    let relay = ports::base(3);
    let users = [("alice", "alice-secret")];
    let sasl = ClientListener::sasl_plaintext("SASL", &["PLAIN", "SCRAM-SHA-256"], &users);
    let spec = Spec::new(Version::V4_3_1)
        .property("broker.rack", "rack-{node}")
        .listener(sasl);
    let cluster = Cluster::start(
        spec.listener(ClientListener::plaintext("RELAYED").advertised("127.0.0.1", relay)),
    );

    let mut relayed = Raw::connect(&format!(
        "127.0.0.1:{}",
        cluster.broker(2).port_of("RELAYED")
    ))
    .unwrap();
    let told = Metadata::ask(&mut relayed, None, Duration::from_secs(5)).unwrap();
    for broker in &told.brokers {
        assert_eq!(broker.port, i32::from(relay) + broker.node_id);
        assert_eq!(broker.rack, Some(format!("rack-{}", broker.node_id)));
    }
    assert_eq!(told.brokers.len(), 3);

    cluster.create_topic("t", 1, 3, &[]);
    cluster.alter_configs(Resource::Topic("t"), &[("max.message.bytes", "1000")]);
    let mut leader = cluster.connect_to_leader("t", 0);
    let (producer_id, epoch) = init_producer_id(&mut leader).unwrap();
    let batch = |value_bytes| {
        Batch::of_ids(0, 1, value_bytes)
            .producer(producer_id, epoch, 0)
            .bytes()
    };
    eventually("the limit is in force", Duration::from_secs(10), || {
        let refused = leader
            .produce(&Produce::new(9, -1, "t", 0, batch(2000)))
            .unwrap();
        match refused.error_codes()[..] {
            [10] => Ok(()),
            _ => Err(format!("{refused:?}")),
        }
    });

    let bootstrap = cluster.bootstrap_of("SASL");
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let [mechanism, jaas] = java_login(mechanism, users[0]);
        let args = [
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            "admin",
            "--set",
            "security.protocol=SASL_PLAINTEXT",
        ];
        let output = java(
            Version::V4_3_1,
            "AdminCalls",
            &[&args[..], &["--set", &mechanism, "--set", &jaas]].concat(),
        );
        let last = output.json_lines().pop().unwrap();
        assert_eq!(last["failed"], 0, "{mechanism}: {}", output.ok());
    }
}
