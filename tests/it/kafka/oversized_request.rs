//! A request above the brokers' `socket.request.max.bytes`: direct the broker hangs up without a word; through Holdfast
//! each partition is told MESSAGE_TOO_LARGE, and the connection lives on.

use crate::support::clients::java;
use crate::support::eventually;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::process::Output;
use crate::support::raw::{Batch, PRODUCE, Produce, Raw};
use crate::support::rdk::{self, IdProducer, Settings, Told};
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

const TOO_LARGE: [i16; 2] = [10, 10];
/// Produce with error texts.
const VERSION: i16 = 9;
const PATIENCE: Duration = Duration::from_secs(20);

/// Requests are limited to 200 000 bytes; batches to the megabyte of Kafka's default.
fn cluster() -> Cluster {
    Cluster::start(Spec::new(Version::V4_3_1).property("socket.request.max.bytes", "200000"))
}

/// Two partitions with broker 1 as their leader.
fn topic(cluster: &Cluster, name: &str) {
    let replicas: &[i32] = &[1, 2, 3];
    cluster.create_topic_on(name, &[replicas, replicas], &[]);
}

/// Two batches of 150 000 bytes, four records in all: ids from `first` on.
fn large(topic: &str, acks: i16, first: u64) -> Produce {
    let batch = |first| Batch::of_ids(first, 2, 75_000).bytes();
    Produce::new(VERSION, acks, topic, 0, batch(first)).and(1, batch(first + 2))
}

fn small(topic: &str, id: u64) -> Produce {
    Produce::new(VERSION, -1, topic, 0, Batch::of_ids(id, 1, 10).bytes())
}

/// What came back of a request that nobody answers, until the end of the connection.
#[track_caller]
fn answer_before_the_end(connection: &mut Raw) -> Option<Vec<u8>> {
    match connection.read_frame(PATIENCE) {
        Ok(frame) => frame,
        Err(error) if error.kind() == ErrorKind::TimedOut => panic!("neither answered nor ended"),
        // A reset is an end, too.
        Err(_) => None,
    }
}

/// The brokers' limit is asked for after the first view: until it is known, the broker decides.
fn wait_until_the_limit_is_known(holdfast: &Holdfast, topic: &str) {
    eventually("the limit is known", PATIENCE, || {
        let mut connection = Raw::connect(&holdfast.broker_addr(1)).map_err(|e| e.to_string())?;
        let answer = connection
            .produce(&large(topic, -1, 0))
            .map_err(|e| e.to_string())?;
        match answer.error_codes() == TOO_LARGE {
            true => Ok(()),
            false => Err(format!("{answer:?}")),
        }
    });
}

/// Partitions refused for their request's size.
fn refused(holdfast: &Holdfast) -> f64 {
    let labels = [
        ("scenario", "oversized_request"),
        ("error_code", "MESSAGE_TOO_LARGE"),
        ("mode", "enforce"),
    ];
    holdfast
        .metrics()
        .value("holdfast_rejections_total", &labels)
}

#[test]
fn a_request_that_brokers_hang_up_on_is_answered_and_the_next_one_on_its_connection_is_stored() {
    let cluster = cluster();
    topic(&cluster, "raw");
    for acks in [0, 1, -1] {
        let mut direct = cluster.broker(1).connect();
        // The write may fail, too: the broker has gone after the first four bytes.
        let _ = direct.send(PRODUCE, VERSION, &large("raw", acks, 0).body());
        assert_eq!(answer_before_the_end(&mut direct), None, "direct {acks}");
    }

    let holdfast = Holdfast::start(&cluster.bootstrap());
    wait_until_the_limit_is_known(&holdfast, "raw");
    let before = refused(&holdfast);
    let mut expected = BTreeSet::new();
    for acks in [1, -1] {
        let mut connection = Raw::connect(&holdfast.broker_addr(1)).unwrap();
        for round in 0..3 {
            let answer = connection.produce(&large("raw", acks, 0)).unwrap();
            assert_eq!(answer.error_codes(), TOO_LARGE, "acks {acks}");
            for partition in &answer.partitions {
                let text = partition.error_message.as_deref().unwrap_or_default();
                assert!(
                    text.contains("oversized_request") && text.contains("limit 200000"),
                    "{text}"
                );
            }
            let id = 100 + 10 * (acks + 1) as u64 + round;
            let answer = connection.produce(&small("raw", id)).unwrap();
            assert_eq!(answer.error_codes(), [0], "acks {acks}, round {round}");
            expected.insert(id);
        }
    }
    assert_eq!(refused(&holdfast) - before, 12.0);

    let mut silent = Raw::connect(&holdfast.broker_addr(1)).unwrap();
    silent
        .send(PRODUCE, VERSION, &large("raw", 0, 0).body())
        .expect("all of it is taken");
    assert_eq!(answer_before_the_end(&mut silent), None, "acks 0");
    eventually("acks=0 is counted", PATIENCE, || {
        let metrics = holdfast.metrics();
        let ends = ["confirmed", "refused", "unknown"].map(|outcome| {
            metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)])
        });
        match ends == [0.0, 4.0, 0.0] {
            true => Ok(()),
            false => Err(format!("confirmed, refused, unknown: {ends:?}")),
        }
    });
    assert_eq!(refused(&holdfast) - before, 14.0);

    assert_eq!(rdk::ids(&cluster.read_all("raw")), expected);
}

/// 300 records of 1 KB in one batch, and so in one request.
fn librdkafka(bootstrap: &str, topic: &str) -> Told {
    let settings = Settings::acks("1")
        .set("batch.num.messages", "10000")
        .set("batch.size", "900000")
        .set("linger.ms", "1000")
        .set("message.timeout.ms", "8000");
    let producer = IdProducer::new(bootstrap, topic, &settings);
    (0..300).for_each(|id| producer.send(id, 1_000, Some(0)));
    producer.finish(Duration::from_secs(30))
}

/// The same by Java, which splits a batch that is too large.
fn java_told(bootstrap: &str, topic: &str) -> Output {
    let mut args = vec!["--bootstrap-server", bootstrap, "--topic", topic];
    args.extend([
        "--records",
        "300",
        "--value-bytes",
        "1000",
        "--partition",
        "0",
    ]);
    for setting in [
        "batch.size=900000",
        "linger.ms=1000",
        "request.timeout.ms=4000",
        "delivery.timeout.ms=8000",
    ] {
        args.extend(["--set", setting]);
    }
    java(Version::V4_3_1, "IdempotentProducer", &args)
}

#[test]
fn clients_time_out_on_a_request_that_is_too_large_direct_and_through_holdfast_are_told_why_or_split_it()
 {
    let cluster = cluster();
    for name in ["rdk-direct", "rdk-through", "java-direct", "java-through"] {
        topic(&cluster, name);
    }
    let holdfast = Holdfast::start(&cluster.bootstrap());
    wait_until_the_limit_is_known(&holdfast, "rdk-through");

    let direct = librdkafka(&cluster.bootstrap(), "rdk-direct");
    assert_eq!((direct.ok.len(), direct.failed.len()), (0, 300));
    let timed_out = |code: &RDKafkaErrorCode| *code == RDKafkaErrorCode::MessageTimedOut;
    assert!(direct.failed.values().all(timed_out), "{direct:?}");
    let through = librdkafka(&holdfast.bootstrap(), "rdk-through");
    assert_eq!((through.ok.len(), through.failed.len()), (0, 300));
    let too_large = |code: &RDKafkaErrorCode| *code == RDKafkaErrorCode::MessageSizeTooLarge;
    assert!(through.failed.values().all(too_large), "{through:?}");

    let last = |output: &Output| output.json_lines().pop().expect("a last line");
    let direct = last(&java_told(&cluster.bootstrap(), "java-direct"));
    assert_eq!((&direct["ok"], &direct["failed"]), (&0.into(), &300.into()));
    let through = last(&java_told(&holdfast.bootstrap(), "java-through"));
    assert_eq!(
        (&through["ok"], &through["failed"]),
        (&300.into(), &0.into())
    );
    for (topic, stored) in [
        ("rdk-direct", 0),
        ("rdk-through", 0),
        ("java-direct", 0),
        ("java-through", 300),
    ] {
        let records = cluster.read_all(topic);
        assert_eq!(records.len(), stored, "{topic}");
        assert_eq!(rdk::ids(&records).len(), stored, "{topic}");
    }
}
