//! Every broker address that a client learns is Holdfast's, in every version and also from answers that are errors; a
//! broker outside the set is shown to nobody; brokers that go, come back and move are followed.

use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version, shared_cluster, unique};
use crate::support::ports;
use crate::support::raw::{Batch, Body, Cursor, METADATA, Metadata, PRODUCE, Produce, Raw};
use crate::support::rdk::{self, Settings};
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const FETCH: i16 = 1;
const FIND_COORDINATOR: i16 = 10;
const DESCRIBE_CLUSTER: i16 = 60;
const DESCRIBE_TOPIC_PARTITIONS: i16 = 75;
const SHARE_FETCH: i16 = 78;

// ------------------------------------------------------------------------------------------------ request bodies

fn metadata_body(version: i16, topic: &str) -> Vec<u8> {
    let flexible = version >= 9;
    let mut body = Body::new();
    body.array(1, flexible);
    match version {
        0..=8 => body.string(topic),
        9 => body.compact_string(topic).tags(),
        _ => body
            .bytes(&[0; 16])
            .compact_nullable_string(Some(topic))
            .tags(),
    };
    if version >= 4 {
        body.i8(0);
    }
    if (8..=10).contains(&version) {
        body.i8(0);
    }
    if version >= 8 {
        body.i8(0);
    }
    if flexible {
        body.tags();
    }
    body.0
}

fn find_coordinator_body(version: i16, group: &str) -> Vec<u8> {
    let mut body = Body::new();
    match version {
        0 => body.string(group),
        1..=2 => body.string(group).i8(0),
        3 => body.compact_string(group).i8(0).tags(),
        _ => body.i8(0).array(1, true).compact_string(group).tags(),
    };
    body.0
}

fn describe_cluster_body(version: i16) -> Vec<u8> {
    let mut body = Body::new();
    body.i8(0);
    if version >= 1 {
        // Endpoint type: brokers.
        body.i8(1);
    }
    if version >= 2 {
        body.i8(0);
    }
    body.tags();
    body.0
}

fn describe_topic_partitions_body(topic: &str) -> Vec<u8> {
    let mut body = Body::new();
    body.array(1, true).compact_string(topic).tags();
    // No cursor.
    body.i32(100).i8(-1).tags();
    body.0
}

/// Version 15 up: one partition, from its start, without a session.
fn fetch_body(topic_id: [u8; 16], rack: &str) -> Vec<u8> {
    let mut body = Body::new();
    body.i32(500).i32(1).i32(1 << 20).i8(0).i32(0).i32(-1);
    body.array(1, true).bytes(&topic_id).array(1, true);
    body.i32(0).i32(-1).i64(0).i32(-1).i64(-1).i32(1 << 20);
    body.tags().tags();
    body.array(0, true).compact_string(rack).tags();
    body.0
}

fn share_fetch_body(version: i16, topic_id: [u8; 16], group: &str) -> Vec<u8> {
    let mut body = Body::new();
    body.compact_string(group)
        .compact_string("AAAAAAAAAAAAAAAAAAAAAQ");
    body.i32(0).i32(500).i32(1).i32(1 << 20).i32(100).i32(100);
    if version >= 2 {
        body.i8(0).i8(0);
    }
    body.array(1, true).bytes(&topic_id).array(1, true);
    body.i32(0).array(0, true).tags().tags();
    body.array(0, true).tags();
    body.0
}

// ----------------------------------------------------------------------------------------------------- addresses

/// Whether one of these ports stands in `answer` as Kafka writes it, an int32.
fn names(answer: &[u8], ports: &[u16]) -> bool {
    ports.iter().any(|port| {
        answer
            .windows(4)
            .any(|w| w == i32::from(*port).to_be_bytes())
    })
}

fn broker_ports(cluster: &Cluster) -> Vec<u16> {
    cluster.brokers().map(|broker| broker.port()).collect()
}

fn holdfast_ports(holdfast: &Holdfast) -> Vec<u16> {
    (1..=3).map(|id| holdfast.broker_port(id)).collect()
}

/// Asks both ways and gives both answers.
#[track_caller]
fn ask(direct: &str, through: &str, api_key: i16, version: i16, body: &[u8]) -> [Vec<u8>; 2] {
    [direct, through].map(|address| {
        let what = format!("key {api_key} version {version} to {address}");
        let mut connection = Raw::connect(address).unwrap_or_else(|e| panic!("{what}: {e}"));
        connection
            .call(api_key, version, body)
            .unwrap_or_else(|e| panic!("{what}: {e}"))
    })
}

#[test]
fn no_version_of_an_answer_that_names_brokers_names_one_of_the_clusters() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("addresses");
    cluster.create_topic(&topic, 3, 3, &[]);
    let group = unique("addresses");
    let (brokers, ours) = (broker_ports(&cluster), holdfast_ports(&holdfast));
    // The coordinators' topic is made by the first who asks.
    eventually("a coordinator", Duration::from_secs(30), || {
        let answer = cluster
            .connect()
            .call(FIND_COORDINATOR, 2, &find_coordinator_body(2, &group))
            .map_err(|e| e.to_string())?;
        match names(&answer, &brokers) {
            true => Ok(()),
            false => Err(format!("{answer:?}")),
        }
    });

    let metadata = (0..=13).map(|v| (METADATA, v, metadata_body(v, &topic)));
    let coordinator = (0..=6).map(|v| (FIND_COORDINATOR, v, find_coordinator_body(v, &group)));
    let described = (0..=2).map(|v| (DESCRIBE_CLUSTER, v, describe_cluster_body(v)));
    for (api_key, version, body) in metadata.chain(coordinator).chain(described) {
        for through in [holdfast.bootstrap(), holdfast.broker_addr(2)] {
            let direct = cluster.broker(2).addr();
            let [direct, through] = ask(&direct, &through, api_key, version, &body);
            let what = format!("key {api_key} version {version}: {direct:?} {through:?}");
            assert!(names(&direct, &brokers), "{what}");
            assert!(!names(&through, &brokers), "{what}");
            assert!(names(&through, &ours), "{what}");
        }
    }

    // This one names leaders by id only; it goes through what rewrites it all the same.
    let body = describe_topic_partitions_body(&topic);
    let (direct, through) = (cluster.broker(2).addr(), holdfast.broker_addr(2));
    let [direct, through] = ask(&direct, &through, DESCRIBE_TOPIC_PARTITIONS, 0, &body);
    assert_eq!(direct, through);
}

#[test]
fn a_broker_that_does_not_lead_names_no_broker_of_the_cluster_in_its_answers() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("not-leader");
    cluster.create_topic_on(&topic, &[&[1]], &[("min.insync.replicas", "1")]);
    let id = cluster.topic_id(&topic);
    let group = unique("not-leader");
    let brokers = broker_ports(&cluster);
    let (direct, through) = (cluster.broker(2).addr(), holdfast.broker_addr(2));

    for version in 10..=13 {
        for acks in [-1, 1] {
            let produce = Produce::new(version, acks, &topic, 0, Batch::of_ids(0, 1, 10).bytes());
            let body = produce.id(id).body();
            let [direct, through] = ask(&direct, &through, PRODUCE, version, &body);
            let what = format!("Produce version {version}: {direct:?} {through:?}");
            assert!(names(&direct, &brokers), "{what}");
            assert!(!names(&through, &brokers), "{what}");
            assert_eq!(direct.len(), through.len(), "{what}");
        }
    }
    for version in 16..=18 {
        let body = fetch_body(id, "");
        let [direct, through] = ask(&direct, &through, FETCH, version, &body);
        let what = format!("Fetch version {version}: {direct:?} {through:?}");
        assert!(names(&direct, &brokers), "{what}");
        assert!(!names(&through, &brokers), "{what}");
        assert_eq!(direct.len(), through.len(), "{what}");
    }
    for version in 1..=2 {
        let body = share_fetch_body(version, id, &group);
        let [direct, through] = ask(&direct, &through, SHARE_FETCH, version, &body);
        let what = format!("ShareFetch version {version}: {direct:?} {through:?}");
        assert!(names(&direct, &brokers), "{what}");
        assert!(!names(&through, &brokers), "{what}");
        assert!(names(&through, &holdfast_ports(&holdfast)), "{what}");
    }
}

/// `error_code` and `node_id` of a FindCoordinator answer of version 3.
fn coordinator(address: &str, group: &str) -> io::Result<(i16, i32)> {
    let body = find_coordinator_body(3, group);
    let answer = Raw::connect(address)?.call(FIND_COORDINATOR, 3, &body)?;
    let mut cursor = Cursor::new(&answer);
    cursor.i32()?;
    let error_code = cursor.i16()?;
    cursor.string(true)?;
    Ok((error_code, cursor.i32()?))
}

#[test]
fn a_broker_outside_the_set_is_shown_to_nobody() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).broker_ids("1-2"));
    let topic = unique("outside");
    cluster.create_topic_on(&topic, &[&[3, 1, 2], &[1, 2, 3]], &[]);

    let mut connection = Raw::connect(&holdfast.bootstrap()).unwrap();
    let told =
        Metadata::ask(&mut connection, Some(&[&topic]), Duration::from_secs(5)).expect("metadata");
    let mut ids: Vec<i32> = told.brokers.iter().map(|b| b.node_id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
    let led_outside = told.partition(&topic, 0).expect("partition 0");
    assert_eq!((led_outside.error_code, led_outside.leader_id), (5, -1));
    let led_inside = told.partition(&topic, 1).expect("partition 1");
    assert_eq!((led_inside.error_code, led_inside.leader_id), (0, 1));

    // Three partitions of the offsets topic, one leader each: one group in three has its coordinator outside.
    let mut met = [false; 2];
    for number in 0..200 {
        let group = format!("{topic}-{number}");
        let direct = eventually(
            "a coordinator",
            Duration::from_secs(30),
            || match coordinator(&cluster.broker(1).addr(), &group) {
                Ok((0, node)) => Ok(node),
                answer => Err(format!("{answer:?}")),
            },
        );
        let through = coordinator(&holdfast.bootstrap(), &group).unwrap();
        match direct {
            3 => assert_eq!(through, (15, -1), "{group}"),
            node => assert_eq!(through, (0, node), "{group}"),
        }
        met[usize::from(direct == 3)] = true;
        if met == [true; 2] {
            break;
        }
    }
    assert_eq!(met, [true; 2], "coordinators inside, and outside");

    let gauge = holdfast
        .metrics()
        .value("holdfast_brokers_outside_set", &[]);
    assert_eq!(gauge, 1.0);
    let log = holdfast.log();
    assert!(log.contains("broker_ids"), "the key to change: {log}");
}

/// The `preferred_read_replica` that a Fetch of version 15 is told by the leader at `address`.
fn preferred_replica(address: &str, topic_id: [u8; 16], rack: &str) -> io::Result<i32> {
    let answer = Raw::connect(address)?.call(FETCH, 15, &fetch_body(topic_id, rack))?;
    let mut cursor = Cursor::new(&answer);
    // throttle_time_ms, error_code, session_id, one topic with its id, one partition: its index.
    cursor.i32()?;
    cursor.i16()?;
    cursor.i32()?;
    cursor.uvarint()?;
    cursor.uuid()?;
    cursor.uvarint()?;
    cursor.i32()?;
    let error_code = cursor.i16()?;
    if error_code != 0 {
        return Err(io::Error::other(format!("error {error_code}")));
    }
    for _ in 0..3 {
        cursor.i64()?;
    }
    // No aborted transactions.
    cursor.uvarint()?;
    cursor.i32()
}

/// A cluster that is altered, for all that alters one: starting it is the expensive part.
#[test]
fn brokers_that_go_and_come_back_and_move_are_followed_and_racks_do_not_lead_outside() {
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    let cluster = Cluster::start(
        Spec::new(Version::V4_3_1)
            .property("broker.rack", "rack-{node}")
            .property("replica.selector.class", selector),
    );
    cluster.create_topic_on("t", &[&[1, 2, 3], &[3, 1, 2]], &[]);
    let toml = "[cluster]\nmetadata_refresh_ms = 1000\nconnect_timeout_ms = 3000\n";
    let options = Options::new(&cluster.bootstrap()).config(toml);
    let holdfast = Holdfast::start_with(options.clone());
    check_racks(&cluster, &holdfast, &options);
    check_a_broker_that_goes(&cluster, &holdfast);
    check_a_broker_that_moves(&cluster, &holdfast);
}

#[track_caller]
fn check_racks(cluster: &Cluster, all: &Holdfast, options: &Options) {
    let id = cluster.topic_id("t");
    let told = rdk::produce_ids(&cluster.bootstrap(), "t", 0..10, 10, &Settings::acks("all"));
    assert_eq!(told.ok.len(), 10);
    // Only a replica that has caught up is preferred, and the leader learns that from its next fetch.
    for address in [cluster.broker(1).addr(), all.broker_addr(1)] {
        eventually(
            "the near replica",
            Duration::from_secs(20),
            || match preferred_replica(&address, id, "rack-3") {
                Ok(3) => Ok(()),
                answer => Err(format!("{address}: {answer:?}")),
            },
        );
    }
    let without_3 = Holdfast::start_with(options.clone().broker_ids("1-2"));
    let address = without_3.broker_addr(1);
    assert_eq!(preferred_replica(&address, id, "rack-3").unwrap(), -1);
}

#[track_caller]
fn check_a_broker_that_goes(cluster: &Cluster, holdfast: &Holdfast) {
    let mut before = Raw::connect(&holdfast.broker_addr(3)).unwrap();
    Metadata::ask(&mut before, Some(&[]), Duration::from_secs(5)).unwrap();
    cluster.broker(3).stop();
    let end = before.read_frame(Duration::from_secs(10));
    assert!(
        is_the_end(&end),
        "a connection to a broker that went: {end:?}"
    );

    // As a broker that is down would: a client that comes is turned away, not kept waiting.
    let closed = |holdfast: &Holdfast| {
        let causes = ["broker_unknown", "broker_unreachable"];
        let metrics = holdfast.metrics();
        let count = |cause| {
            metrics.value_or_zero(
                "holdfast_client_connections_closed_total",
                &[("cause", cause)],
            )
        };
        causes.map(count).iter().sum::<f64>()
    };
    let counted = closed(holdfast);
    let begun = Instant::now();
    let mut after = Raw::connect(&holdfast.broker_addr(3)).unwrap();
    let answer = Metadata::ask(&mut after, Some(&[]), Duration::from_secs(10));
    assert!(answer.is_err(), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{answer:?}");
    eventually("it is counted", Duration::from_secs(5), || {
        match closed(holdfast) - counted {
            1.0 => Ok(()),
            more => Err(format!("{more} more")),
        }
    });
    // The others go on, and so does the bootstrap port, wherever the list begins.
    let told = rdk::produce_ids(&holdfast.bootstrap(), "t", 10..60, 10, &Settings::acks("1"));
    assert_eq!(told.ok.len(), 50, "{told:?}");

    cluster.broker(3).restart();
    answers_as_itself(cluster, holdfast);
}

fn is_the_end(read: &io::Result<Option<Vec<u8>>>) -> bool {
    match read {
        Ok(None) => true,
        Ok(Some(_)) => false,
        Err(e) => e.kind() != ErrorKind::TimedOut,
    }
}

/// Node 3's port leads to node 3 again, without a restart of Holdfast.
#[track_caller]
fn answers_as_itself(cluster: &Cluster, holdfast: &Holdfast) {
    cluster.wait_isr("t", 1, 3, Duration::from_secs(60));
    eventually("node 3 answers", Duration::from_secs(20), || {
        let mut connection = Raw::connect(&holdfast.broker_addr(3)).map_err(|e| e.to_string())?;
        let told = Metadata::ask(&mut connection, Some(&["t"]), Duration::from_secs(5))
            .map_err(|e| e.to_string())?;
        let ports: Vec<i32> = told.brokers.iter().map(|b| b.port).collect();
        match ports.contains(&i32::from(holdfast.broker_port(3))) {
            true => Ok(()),
            false => Err(format!("{ports:?}")),
        }
    });
}

#[track_caller]
fn check_a_broker_that_moves(cluster: &Cluster, holdfast: &Holdfast) {
    cluster.broker(3).move_to(ports::free());
    answers_as_itself(cluster, holdfast);
    let told = rdk::produce_ids(
        &holdfast.bootstrap(),
        "t",
        60..200,
        10,
        &Settings::idempotent(),
    );
    assert_eq!(told.ok.len(), 140, "{told:?}");
    assert!(told.lost(&cluster.read_all("t")).is_empty());
}

/// What makes an address that nobody listens at lead to a broker: the moment at which the first broker comes up.
struct Doorway;

impl Doorway {
    fn open(port: u16, target: String) -> Doorway {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(broker) = TcpStream::connect(&target) else {
                    continue;
                };
                let pairs = [
                    (client.try_clone(), broker.try_clone()),
                    (broker.try_clone(), client.try_clone()),
                ];
                for pair in pairs {
                    if let (Ok(mut from), Ok(mut to)) = pair {
                        thread::spawn(move || {
                            let _ = io::copy(&mut from, &mut to);
                            let _ = to.shutdown(std::net::Shutdown::Write);
                        });
                    }
                }
            }
        });
        Doorway
    }
}

#[test]
fn a_client_that_comes_before_the_first_view_is_held_unread_and_then_served() {
    let cluster = shared_cluster();
    let port = ports::free();
    let holdfast = Holdfast::launch(
        Options::new(&format!("127.0.0.1:{port}"))
            .config("[cluster]\nconnect_timeout_ms = 20000\n"),
    );
    let connect = || {
        eventually("the port is bound", Duration::from_secs(20), || {
            Raw::connect(&holdfast.broker_addr(2)).map_err(|e| e.to_string())
        })
    };
    let mut early = connect();
    early.send(METADATA, 1, &metadata_body(1, "none")).unwrap();
    assert!(early.is_silent_for(Duration::from_secs(2)).unwrap());
    assert_eq!(holdfast.get("/readyz").unwrap().0, 503);

    let _doorway = Doorway::open(port, cluster.broker(1).addr());
    let (_, answer) = early.read(METADATA, 1, Duration::from_secs(15)).unwrap();
    assert!(names(&answer, &holdfast_ports(&holdfast)), "{answer:?}");
    eventually("ready", Duration::from_secs(5), || {
        match holdfast.get("/readyz") {
            Ok((200, _)) => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    });
}

#[test]
fn a_client_that_comes_before_any_view_is_closed_after_the_connect_timeout() {
    let holdfast = Holdfast::launch(
        Options::new(&format!("127.0.0.1:{}", ports::free()))
            .config("[cluster]\nconnect_timeout_ms = 1500\n"),
    );
    let mut early = eventually("the port is bound", Duration::from_secs(20), || {
        Raw::connect(&holdfast.broker_addr(2)).map_err(|e| e.to_string())
    });
    let begun = Instant::now();
    early.send(METADATA, 1, &metadata_body(1, "none")).unwrap();
    let end = early.read_frame(Duration::from_secs(10));
    assert!(is_the_end(&end), "{end:?}");
    let held = begun.elapsed();
    assert!(
        (Duration::from_millis(1_000)..Duration::from_secs(8)).contains(&held),
        "{held:?}"
    );
    let closed = [("cause", "broker_unknown")];
    let family = "holdfast_client_connections_closed_total";
    eventually("it is counted", Duration::from_secs(5), || {
        match holdfast.metrics().value_or_zero(family, &closed) {
            1.0 => Ok(()),
            other => Err(format!("{other}")),
        }
    });
}
