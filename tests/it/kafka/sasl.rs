//! Listeners that ask for a password: Holdfast passes the exchange on, and nothing slips past the rules behind it.
//!
//! Here Holdfast has no password of its own, so it cannot look at such a cluster by itself: what it knows of it, it learned from
//! the answers that its clients were given. `authentication.rs` gives it one.

use super::ways::{Said, assert_each_once};
use crate::support::clients::{java, java_login};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Metrics, Options, Series};
use crate::support::kafka::{ClientListener, Cluster, Spec, Version, shared_cluster, unique};
use crate::support::raw::{Batch, Body, PRODUCE, Produce, Raw, SASL_HANDSHAKE, request_frame};
use crate::support::rdk::{self, IdProducer, Settings};
use std::time::{Duration, Instant};

const USER: (&str, &str) = ("alice", "alice-secret");
const MECHANISMS: [&str; 2] = ["PLAIN", "SCRAM-SHA-256"];
const PROTOCOL: &str = "security.protocol=SASL_PLAINTEXT";
const PLAIN_TOKEN: &[u8] = b"\0alice\0alice-secret";

fn librdkafka_settings(settings: Settings) -> Settings {
    settings
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", "PLAIN")
        .set("sasl.username", USER.0)
        .set("sasl.password", USER.1)
}

#[test]
fn clients_authenticate_through_holdfast_and_nothing_slips_past_the_rules_behind_it() {
    // Clients have to prove themselves anew every ten seconds, or the broker hangs up.
    let cluster = Cluster::start(
        Spec::new(Version::V4_3_1)
            .listener(ClientListener::sasl_plaintext("SASL", &MECHANISMS, &[USER]))
            .property("connections.max.reauth.ms", "10000"),
    );
    let holdfast = Holdfast::launch(
        Options::new(&cluster.bootstrap_of("SASL"))
            .config("[cluster]\nconnect_timeout_ms = 5000\n"),
    );
    holdfast.wait_bound();
    check_java(&cluster, &holdfast);
    check_raw_tokens(&cluster, &holdfast);
    check_smuggling(&cluster, &holdfast);
    check_a_flood_that_has_to_authenticate_anew(&cluster, &holdfast);
}

#[track_caller]
fn check_java(cluster: &Cluster, holdfast: &Holdfast) {
    for mechanism in MECHANISMS {
        let topic = unique("sasl");
        cluster.create_topic(&topic, 3, 3, &[]);
        let [mechanism, jaas] = java_login(mechanism, USER);
        let bootstrap = holdfast.bootstrap();
        let args = ["--bootstrap-server", &bootstrap, "--topic", &topic];
        let set = ["--set", PROTOCOL, "--set", &mechanism, "--set", &jaas];
        let said = Said::by(&java(
            Version::V4_3_1,
            "IdempotentProducer",
            &[&args[..], &set].concat(),
        ));
        assert_eq!(said.ok(), (0..100).collect(), "{mechanism}");
        let group = ["--group", &topic];
        let read = Said::by(&java(
            Version::V4_3_1,
            "GroupConsumer",
            &[&args[..], &group, &set].concat(),
        ));
        assert_eq!(read.last["read"], 100, "{mechanism}");
        assert_eq!(rdk::ids(&cluster.read_all(&topic)), said.ok());
    }
    // With a wrong password nobody gets in.
    let [mechanism, jaas] = java_login("PLAIN", (USER.0, "wrong"));
    let bootstrap = holdfast.bootstrap();
    let args = ["--bootstrap-server", &bootstrap, "--topic", "none"];
    let set = ["--set", PROTOCOL, "--set", &mechanism, "--set", &jaas];
    let refused = java(
        Version::V4_3_1,
        "IdempotentProducer",
        &[&args[..], &["--records", "1"], &set].concat(),
    );
    assert!(
        refused.stdout.contains("SaslAuthenticationException"),
        "{refused:?}"
    );
}

fn handshake(mechanism: &str) -> Vec<u8> {
    let mut body = Body::new();
    body.string(mechanism);
    request_frame(SASL_HANDSHAKE, 0, 1, Some("old"), &body.0)
}

fn token(bytes: &[u8]) -> Vec<u8> {
    let mut token = (bytes.len() as i32).to_be_bytes().to_vec();
    token.extend_from_slice(bytes);
    token
}

/// A Produce acks=0 of one record.
fn silent(topic: &str, id: u64) -> Vec<u8> {
    let body = Produce::new(9, 0, topic, 0, Batch::of_ids(id, 1, 10).bytes()).body();
    request_frame(PRODUCE, 9, 2, Some("old"), &body)
}

/// Records of acks=0 requests that Holdfast judged and the broker confirmed.
fn confirmed(holdfast: &Holdfast) -> f64 {
    let labels = [("outcome", "confirmed")];
    let metrics = holdfast.metrics();
    metrics.value_or_zero("holdfast_acks0_records_total", &labels)
}

#[track_caller]
fn wait_confirmed(holdfast: &Holdfast, expected: f64) {
    eventually(
        "it is confirmed",
        Duration::from_secs(20),
        || match confirmed(holdfast) {
            count if count == expected => Ok(()),
            count => Err(format!("{count} of {expected}")),
        },
    );
}

#[track_caller]
fn check_raw_tokens(cluster: &Cluster, holdfast: &Holdfast) {
    let topic = unique("old-handshake");
    cluster.create_topic(&topic, 1, 3, &[]);
    let leader = cluster.leader(&topic, 0).expect("a leader");
    let before = confirmed(holdfast);
    // Handshake, the only token of PLAIN, and a request: all in one write.
    let mut old = Raw::connect(&holdfast.broker_addr(leader)).unwrap();
    let all = [handshake("PLAIN"), token(PLAIN_TOKEN), silent(&topic, 1)].concat();
    old.send_bytes(&all).unwrap();
    let answer = old.read_frame(Duration::from_secs(10)).unwrap();
    let answer = answer.expect("an answer to the handshake");
    assert_eq!(answer[4..6], [0, 0], "{answer:?}");
    let answer = old.read_frame(Duration::from_secs(10)).unwrap();
    assert_eq!(answer, Some(Vec::new()), "the answer to PLAIN's token");
    // It was a request again, and judged: its answer was absorbed.
    wait_confirmed(holdfast, before + 1.0);
    assert_eq!(rdk::ids(&cluster.read_all(&topic)), [1].into());

    // SCRAM has two tokens; Kafka's own code makes them.
    let bootstrap = holdfast.bootstrap();
    let args = ["--bootstrap-server", &bootstrap, "--user", USER.0];
    let password = ["--password", USER.1, "--mechanism", "SCRAM-SHA-256"];
    let said = Said::by(&java(
        Version::V4_3_1,
        "RawTokens",
        &[&args[..], &password].concat(),
    ));
    assert_eq!(said.last["tokens"], 2, "{said:?}");
}

/// Whatever stands behind a handshake that does not lead anywhere: nothing of it is stored.
#[track_caller]
fn check_smuggling(cluster: &Cluster, holdfast: &Holdfast) {
    let topic = unique("smuggled");
    cluster.create_topic(&topic, 1, 3, &[]);
    let leader = cluster.leader(&topic, 0).expect("a leader");
    let before = confirmed(holdfast);
    let wrong = b"\0alice\0wrong";
    let attempts: [(&str, Vec<Vec<u8>>); 6] = [
        ("instead of a token", vec![handshake("PLAIN")]),
        ("instead of both", vec![handshake("SCRAM-SHA-256")]),
        (
            "after a wrong token",
            vec![handshake("PLAIN"), token(wrong)],
        ),
        (
            "as the second token",
            vec![handshake("SCRAM-SHA-256"), token(b"n,,n=alice,r=abc")],
        ),
        (
            "after an unknown mechanism",
            vec![handshake("SCRAM-SHA-512")],
        ),
        ("after one with any tokens", vec![handshake("GSSAPI")]),
    ];
    for (what, prefix) in attempts {
        for at_once in [true, false] {
            let mut connection = Raw::connect(&holdfast.broker_addr(leader)).unwrap();
            let mut parts = prefix.clone();
            parts.extend((0..3).map(|id| silent(&topic, id)));
            if at_once {
                parts = vec![parts.concat()];
            }
            for part in parts {
                // Whoever is hung up on may find it out here.
                if connection.send_bytes(&part).is_err() {
                    break;
                }
                if !at_once {
                    let _ = connection.read_frame(Duration::from_millis(300));
                }
            }
            let end = (0..4)
                .any(|_| !matches!(connection.read_frame(Duration::from_secs(10)), Ok(Some(_))));
            assert!(end, "{what}, at once: {at_once}");
        }
    }
    assert_eq!(cluster.read_all(&topic), [], "something was stored");
    assert_eq!(confirmed(holdfast), before);
}

/// How connections and the records of acks=0 requests ended.
fn ends(metrics: &Metrics) -> Vec<&Series> {
    let closed = "holdfast_client_connections_closed_total";
    let families = ["holdfast_acks0_records_total", closed];
    let series = families.iter().flat_map(|name| metrics.matching(name, &[]));
    series.filter(|series| series.value > 0.0).collect()
}

/// Records as fast as the client can for longer than two sessions last, a hundred in a request: more requests than one for
/// each round trip of replication. Direct some may be lost, as the brokers may be slower than the client: its new handshake
/// waits behind them in the sockets. Through Holdfast it is sent early, and nothing is.
#[track_caller]
fn check_a_flood_that_has_to_authenticate_anew(cluster: &Cluster, holdfast: &Holdfast) {
    let direct = flood_for_two_sessions(cluster, &cluster.bootstrap_of("SASL"));
    println!("direct: {direct:?}");
    let handshakes = || {
        let labels = [("api_key", "SaslHandshake")];
        let metrics = holdfast.metrics();
        metrics.value_or_zero("holdfast_requests_total", &labels)
    };
    let before = handshakes();
    let through = flood_for_two_sessions(cluster, &holdfast.bootstrap());
    // The first ones: of the bootstrap connection and of three brokers. Then each broker asked twice more, at least.
    let again = handshakes() - before - 4.0;
    let metrics = holdfast.metrics();
    let ended = ends(&metrics);
    println!("through: {through:?}; {again} handshakes after the first ones; {ended:?}");
    assert_eq!(through.lost, 0, "of {}; {ended:?}", through.sent);
    assert!(again >= 6.0, "{again} handshakes after the first ones");
    let hurried = [("reason", "reauthentication")];
    assert!(metrics.value_or_zero("holdfast_degraded_total", &hurried) > 0.0);
}

#[derive(Debug)]
struct Flood {
    sent: u64,
    lost: usize,
}

/// Nothing of it is stored twice.
#[track_caller]
fn flood_for_two_sessions(cluster: &Cluster, bootstrap: &str) -> Flood {
    let topic = unique("reauthenticates");
    cluster.create_topic(&topic, 3, 3, &[]);
    let settings = librdkafka_settings(Settings::acks("0"));
    let producer = IdProducer::new(bootstrap, &topic, &settings);
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(25) {
        producer.send(sent, 100, None);
        sent += 1;
    }
    let told = producer.finish(Duration::from_secs(60));
    assert!(told.failed.is_empty(), "{:?}", told.failed.len());
    // What is under way has its time to arrive; what is lost never does.
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let stored = cluster.read_all(&topic);
        let lost = told.lost(&stored).len();
        if lost == 0 || Instant::now() > patience {
            assert_each_once(&stored);
            return Flood { sent, lost };
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn a_request_behind_a_handshake_that_a_listener_without_sasl_refused_is_judged() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("no-sasl");
    cluster.create_topic(&topic, 1, 3, &[]);
    let leader = cluster.leader(&topic, 0).expect("a leader");
    for (connections, mechanism) in ["PLAIN", "SCRAM-SHA-256", "GSSAPI"].iter().enumerate() {
        let mut connection = Raw::connect(&holdfast.broker_addr(leader)).unwrap();
        let id = connections as u64;
        let all = [handshake(mechanism), silent(&topic, id)].concat();
        connection.send_bytes(&all).unwrap();
        let answer = connection.read_frame(Duration::from_secs(10)).unwrap();
        let answer = answer.expect("an answer to the handshake");
        // ILLEGAL_SASL_STATE by the broker, or UNSUPPORTED_VERSION by Holdfast, which cannot count GSSAPI's tokens.
        let code = i16::from_be_bytes([answer[4], answer[5]]);
        assert_eq!(code, if *mechanism == "GSSAPI" { 35 } else { 34 });
        // Stored, and raised: its answer was absorbed, not given to a client that did not ask.
        wait_confirmed(&holdfast, (connections + 1) as f64);
        assert!(
            connection
                .is_silent_for(Duration::from_millis(200))
                .unwrap()
        );
    }
    assert_eq!(rdk::ids(&cluster.read_all(&topic)), (0..3).collect());
}
