//! What happens to acks=0 requests around the edges: other requests behind a flood of them, clients that leave at once,
//! and Holdfast being told to end.

use super::ways::assert_each_once;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Metrics, Options};
use crate::support::kafka::{Cluster, Spec, Version, shared_cluster, unique};
use crate::support::raw::{Batch, Body, METADATA, Metadata, PRODUCE, Produce, Raw};
use crate::support::rdk::{self, IdProducer, Settings};
use std::time::{Duration, Instant};

/// What Java's producer and librdkafka's wait for an answer, at most, unless told otherwise.
const CLIENTS_PATIENCE: Duration = Duration::from_secs(30);

fn acks0_records(metrics: &Metrics, outcome: &str) -> f64 {
    metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)])
}

/// `frames` acks=0 requests of ten records each, to partition 0; ids from 0 on.
fn flood(connection: &mut Raw, topic: &str, frames: u64) {
    for frame in 0..frames {
        let batch = Batch::of_ids(frame * 10, 10, 100).bytes();
        let body = Produce::new(9, 0, topic, 0, batch).body();
        connection.send(PRODUCE, 9, &body).expect("a write");
    }
}

#[track_caller]
fn wait_confirmed(holdfast: &Holdfast, records: u64) {
    eventually("all is confirmed", Duration::from_secs(60), || {
        let metrics = holdfast.metrics();
        let ends = ["confirmed", "refused", "unknown"].map(|end| acks0_records(&metrics, end));
        match ends == [records as f64, 0.0, 0.0] {
            true => Ok(()),
            false => Err(format!("confirmed, refused, unknown: {ends:?}")),
        }
    });
}

/// Freezes one follower of three and asks for all topics behind 3 000 records with acks=0: how long the answer takes. All of
/// them are confirmed in the end, and stored once.
#[track_caller]
fn metadata_behind_a_flood(spec: Spec) -> Duration {
    let cluster = Cluster::start(spec.dedicated_controller());
    cluster.create_topic_on("t", &[&[1, 2, 3]], &[]);
    let holdfast = Holdfast::start(&cluster.bootstrap());
    cluster.broker(3).freeze();
    let mut connection = Raw::connect(&holdfast.broker_addr(1)).unwrap();
    let begun = Instant::now();
    flood(&mut connection, "t", 300);
    // All topics.
    let mut body = Body::new();
    body.i32(-1);
    let asked = connection.send(METADATA, 1, &body.0).unwrap();
    let (answered, _) = connection
        .read(METADATA, 1, CLIENTS_PATIENCE)
        .expect("an answer within the client's patience");
    assert_eq!(answered, asked);
    let took = begun.elapsed();
    println!("answered after {took:?}");
    wait_confirmed(&holdfast, 3_000);
    cluster.broker(3).thaw();
    let stored = cluster.read_all("t");
    assert_each_once(&stored);
    assert_eq!(rdk::ids(&stored), (0..3_000).collect());
    took
}

#[test]
fn a_metadata_request_behind_a_flood_of_acks_0_is_answered_while_a_follower_is_frozen() {
    metadata_behind_a_flood(Spec::new(Version::V4_3_1));
}

/// Kafka's defaults: a broker that stops is taken out of the ISR when its session ends, after 9 s.
#[test]
fn a_metadata_request_behind_a_flood_of_acks_0_is_answered_under_the_defaults_of_kafka() {
    let took = metadata_behind_a_flood(
        Spec::new(Version::V4_3_1)
            .property("replica.lag.time.max.ms", "30000")
            .property("broker.session.timeout.ms", "9000"),
    );
    assert!(
        took > Duration::from_secs(2),
        "the follower held nothing up"
    );
}

#[test]
fn all_that_a_client_sent_with_acks_0_is_stored_though_it_left_at_once() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("leaves");
    cluster.create_topic(&topic, 1, 3, &[]);
    let leader = cluster.leader(&topic, 0).expect("a leader");
    let mut connection = Raw::connect(&holdfast.broker_addr(leader)).unwrap();
    flood(&mut connection, &topic, 500);
    // Nothing was read and nothing is there to be read: the socket closes with a FIN behind the last byte.
    drop(connection);
    wait_confirmed(&holdfast, 5_000);
    let stored = cluster.read_all(&topic);
    assert_each_once(&stored);
    assert_eq!(rdk::ids(&stored), (0..5_000).collect());
}

#[test]
fn sigterm_under_load_ends_in_time_with_all_that_was_acknowledged_stored() {
    let cluster = shared_cluster();
    let toml = "[drain]\ndelay_ms = 1500\ntimeout_ms = 10000\n";
    let mut holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(toml));
    let [silent, asked, raw] = ["term-0", "term-1", "term-raw"].map(unique);
    for topic in [&silent, &asked] {
        cluster.create_topic(topic, 3, 3, &[]);
    }
    cluster.create_topic(&raw, 1, 3, &[]);
    let producers = [(&silent, "0"), (&asked, "1")].map(|(topic, acks)| {
        let settings = Settings::acks(acks).set("message.timeout.ms", "5000");
        IdProducer::new(&holdfast.bootstrap(), topic, &settings)
    });
    let mut id = 0;
    let mut load_for = |span: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < span {
            for _ in 0..20 {
                producers.iter().for_each(|p| p.send(id, 100, None));
                id += 1;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    load_for(Duration::from_secs(2));
    // And a client that handed everything over before the signal: none of it may be refused.
    let leader = cluster.leader(&raw, 0).expect("a leader");
    let mut connection = Raw::connect(&holdfast.broker_addr(leader)).unwrap();
    flood(&mut connection, &raw, 300);

    let begun = Instant::now();
    holdfast.sigterm();
    eventually("not ready", Duration::from_secs(1), || {
        match holdfast.get("/readyz") {
            Ok((503, _)) => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    });
    // Clients are still served while load balancers notice.
    let late = Raw::connect(&holdfast.bootstrap());
    assert!(late.is_ok(), "{:?}", late.err());
    load_for(Duration::from_secs(2));
    let status = holdfast.wait_exit(Duration::from_secs(15));
    println!("ended after {:?}: {status:?}", begun.elapsed());
    let log = holdfast.log();
    assert!(status.is_some_and(|status| status.success()), "{log}");

    let [silent_told, asked_told] = producers.map(|p| p.finish(Duration::from_secs(10)));
    let stored = cluster.read_all(&asked);
    assert!(asked_told.ok.len() > 1_000, "{}", asked_told.ok.len());
    assert_eq!(asked_told.lost(&stored), Default::default());
    let stored = cluster.read_all(&raw);
    assert_each_once(&stored);
    assert_eq!(rdk::ids(&stored), (0..3_000).collect());
    let silent_stored = cluster.read_all(&silent);
    let lost = silent_told.lost(&silent_stored);
    println!(
        "acks=0: told ok {}, of them not stored {}",
        silent_told.ok.len(),
        lost.len()
    );
    assert_each_once(&silent_stored);
}

#[test]
fn a_client_that_has_nothing_under_way_and_stays_does_not_hold_up_the_end() {
    let cluster = shared_cluster();
    let toml = "[drain]\ndelay_ms = 0\ntimeout_ms = 60000\nclose_drain_timeout_ms = 1000\n";
    let mut holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(toml));
    let _never_spoke = Raw::connect(&holdfast.bootstrap()).unwrap();
    let mut has_spoken = Raw::connect(&holdfast.bootstrap()).unwrap();
    Metadata::ask(&mut has_spoken, Some(&[]), CLIENTS_PATIENCE).unwrap();
    holdfast.sigterm();
    let status = holdfast.wait_exit(Duration::from_secs(15));
    let log = holdfast.log();
    assert!(status.is_some_and(|status| status.success()), "{log}");
}

#[test]
fn a_second_sigterm_ends_at_once() {
    let cluster = shared_cluster();
    let toml = "[drain]\ndelay_ms = 60000\n";
    let mut holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(toml));
    let _connection = Raw::connect(&holdfast.bootstrap()).unwrap();
    holdfast.sigterm();
    eventually("not ready", Duration::from_secs(5), || {
        match holdfast.get("/readyz") {
            Ok((503, _)) => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    });
    assert!(holdfast.wait_exit(Duration::from_millis(500)).is_none());
    holdfast.sigterm();
    let status = holdfast.wait_exit(Duration::from_secs(5));
    assert_eq!(
        status.and_then(|s| s.code()),
        Some(130),
        "{}",
        holdfast.log()
    );
}
