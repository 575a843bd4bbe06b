//! A cluster that lets nobody in without a proof: Holdfast's own connections prove who they are, by each mechanism, and say clearly
//! why not when they cannot; and who its clients are decides what is done with what they send.

use super::ways::Said;
use crate::support::clients::{java, java_login};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{ClientListener, Cluster, Spec, Version, unique};
use crate::support::process::{self, Output};
use crate::support::raw::{Batch, Body, METADATA, PRODUCE, Produce, Raw};
use crate::support::rdk::{self, IdProducer, Settings};
use base64::Engine;
use holdfast::wire::api::ApiKey;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

const USERS: [(&str, &str); 3] = [
    ("holdfast", "holdfast-secret"),
    ("alice", "alice-secret"),
    ("bob", "bob-secret"),
];
const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
/// Connections have to be proven anew after that time, or the broker hangs up.
const SESSION: Duration = Duration::from_secs(10);

/// Files of secrets, and a cluster.
struct Place {
    cluster: Cluster,
    secrets: tempfile::TempDir,
}

impl Place {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.secrets.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    fn holdfast(&self, listener: &str, config: &str) -> Options {
        Options::new(&self.cluster.bootstrap_of(listener)).config(config)
    }
}

/// An unsigned token, as Kafka's validator for development takes it.
pub(super) fn token(subject: &str, lives: Duration) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let expires = (now.expect("after 1970") + lives).as_secs();
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let claims = format!("{{\"sub\":\"{subject}\",\"exp\":{expires}}}");
    format!("{}.{}.", part("{\"alg\":\"none\"}"), part(&claims))
}

#[test]
fn the_gateways_own_connections_and_its_clients_authenticate_and_principals_decide() {
    let cluster = Cluster::start(
        Spec::new(Version::V4_3_1)
            .listener(ClientListener::sasl_plaintext("SASL", &MECHANISMS, &USERS))
            .listener(ClientListener::sasl_plaintext("ONLY", &["PLAIN"], &USERS))
            .property(
                "connections.max.reauth.ms",
                &SESSION.as_millis().to_string(),
            ),
    );
    let secrets = tempfile::tempdir().expect("a directory");
    let place = Place { cluster, secrets };
    check_refusals(&place);
    check_audit(&place);
    check_own_connections(&place);
    check_clients_by_principal(&place);
    check_before_a_login(&place);
}

/// Whoever has not logged in is hung up on without a word, as by the brokers, whatever Holdfast could tell.
fn check_before_a_login(place: &Place) {
    let topic = unique("before-a-login");
    place.cluster.create_topic(&topic, 1, 3, &[]);
    let config = own(place, "SCRAM-SHA-512") + "[policy]\npreset = \"strict\"\n";
    let holdfast = Holdfast::start_with(place.holdfast("SASL", &config));
    let mut deletes = Body::new();
    deletes.i32(1).string(&topic).i32(5000);
    let mut commits = Body::new();
    commits.string("group").i32(-1).string("").i64(-1).i32(1);
    commits.string(&topic).i32(1).i32(0).i64(1).string("");
    let mut metadata = Body::new();
    metadata.i32(1).string(&topic);
    let weak = Produce::new(7, 1, &topic, 0, Batch::of_ids(0, 3, 10).bytes());
    let asked = [
        (ApiKey::DELETE_TOPICS.0, 1, deletes.0),
        (ApiKey::OFFSET_COMMIT.0, 2, commits.0),
        (METADATA, 1, metadata.0),
        (PRODUCE, 7, weak.body()),
    ];
    for (n, (api_key, version, body)) in asked.iter().enumerate() {
        for address in [place.cluster.bootstrap_of("SASL"), holdfast.bootstrap()] {
            let address = address.split(',').next().expect("a server");
            let mut client = Raw::connect(address).expect("connected");
            client.send(*api_key, *version, body).expect("sent");
            let answer = client.read_frame(Duration::from_secs(20));
            assert!(
                !matches!(answer, Ok(Some(_))),
                "{api_key} {address}: {answer:?}"
            );
        }
        let closed = [("cause", "unauthenticated")];
        let closed = holdfast
            .metrics()
            .value("holdfast_client_connections_closed_total", &closed);
        assert_eq!(closed, (n + 1) as f64, "{api_key}");
    }
}

/// The table of a mechanism, with a secret in a file or in the environment.
fn own(place: &Place, mechanism: &str) -> String {
    let secret = match mechanism {
        "OAUTHBEARER" => {
            let file = place.file("token", &token("holdfast", Duration::from_secs(3600)));
            format!("token_file = \"{file}\"")
        }
        "PLAIN" => format!("username = \"holdfast\"\npassword = \"{}\"", USERS[0].1),
        _ => {
            let file = place.file("password", &format!("{}\n", USERS[0].1));
            format!("username = \"holdfast\"\npassword_file = \"{file}\"")
        }
    };
    format!("[cluster.sasl]\nmechanism = \"{mechanism}\"\n{secret}\n")
}

/// It gets ready without any client, and stays well informed for longer than two sessions last.
fn check_own_connections(place: &Place) {
    let running: Vec<(&str, Holdfast)> = MECHANISMS
        .into_iter()
        .map(|mechanism| {
            let config = own(place, mechanism);
            let refresh = format!("[cluster]\nmetadata_refresh_ms = 1000\n{config}");
            (
                mechanism,
                Holdfast::start_with(place.holdfast("SASL", &refresh)),
            )
        })
        .collect();
    let begun = Instant::now();
    std::thread::sleep(2 * SESSION + Duration::from_secs(4));
    let seconds = begun.elapsed().as_secs_f64();
    for (mechanism, holdfast) in running {
        let metrics = holdfast.metrics();
        let looks = |outcome| metrics.value("holdfast_watch_looks_total", &[("outcome", outcome)]);
        assert_eq!(looks("failure"), 0.0, "{mechanism}: {}", holdfast.log());
        assert!(
            looks("success") >= seconds / 4.0,
            "{mechanism}: {}",
            looks("success")
        );
        let log = holdfast.log();
        assert!(!log.contains("-secret") && !log.contains("eyJ"), "{log}");
        println!("{mechanism}: {} looks", looks("success"));
    }
}

fn check_refusals(place: &Place) {
    let wrong = |mechanism: &str| {
        format!(
            "[cluster.sasl]\nmechanism = \"{mechanism}\"\nusername = \"alice\"\npassword = \"guessed-wrong\"\n"
        )
    };
    let stale = place.file("stale", &token("holdfast", Duration::from_secs(0)));
    let oauth = format!("[cluster.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_file = \"{stale}\"\n");
    let gone = "[cluster.sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\npassword_file = \"/nowhere/password\"\n";
    let cases = [
        (
            "SASL",
            wrong("PLAIN"),
            "cluster.sasl.password: the broker refuses: Authentication failed: Invalid username or password (SASL_AUTHENTICATION_FAILED)",
        ),
        (
            "SASL",
            wrong("SCRAM-SHA-256"),
            "cluster.sasl.password: the broker refuses: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256 (SASL_AUTHENTICATION_FAILED)",
        ),
        (
            "SASL",
            wrong("SCRAM-SHA-512"),
            "cluster.sasl.password: the broker refuses: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (SASL_AUTHENTICATION_FAILED)",
        ),
        (
            "SASL",
            oauth,
            "cluster.sasl.token_file: the broker refuses: ",
        ),
        (
            "ONLY",
            wrong("SCRAM-SHA-256"),
            "cluster.sasl.mechanism: the broker does not offer SCRAM-SHA-256 on this listener; it offers PLAIN",
        ),
        (
            "PLAINTEXT",
            wrong("PLAIN"),
            "cluster.sasl: this listener does not ask for authentication (ILLEGAL_SASL_STATE)",
        ),
        (
            "SASL",
            gone.to_owned(),
            "cluster.sasl.password_file: /nowhere/password: No such file or directory",
        ),
    ];
    for (listener, config, expected) in cases {
        let options = match listener {
            "PLAINTEXT" => Options::new(&place.cluster.bootstrap()).config(&config),
            _ => place.holdfast(listener, &config),
        };
        let holdfast = Holdfast::launch(options);
        eventually(
            "the log says why",
            Duration::from_secs(30),
            || match holdfast.log().contains(expected) {
                true => Ok(()),
                false => Err(holdfast.log()),
            },
        );
        eventually("it is counted", Duration::from_secs(30), || {
            let labels = [("reason", "authentication")];
            let failed = holdfast
                .metrics()
                .value("holdfast_watch_failures_total", &labels);
            match failed >= 3.0 {
                true => Ok(()),
                false => Err(failed.to_string()),
            }
        });
        let log = holdfast.log();
        let lines = log.matches("connections cannot authenticate").count();
        assert_eq!(lines, 1, "{log}");
        assert!(
            !log.contains("guessed-wrong") && !log.contains("eyJ"),
            "{log}"
        );
        let (status, _) = holdfast.get("/readyz").expect("an answer");
        assert_eq!(status, 503);
    }
    let without = Holdfast::launch(place.holdfast("SASL", ""));
    let expected = "the broker hung up on the first Metadata: where its listener wants a login, [cluster.sasl] must be set";
    eventually(
        "the log names the key that is missing",
        Duration::from_secs(30),
        || match without.log().contains(expected) {
            true => Ok(()),
            false => Err(without.log()),
        },
    );
}

fn audit(place: &Place, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args([
        "audit",
        "--bootstrap-server",
        &place.cluster.bootstrap_of("SASL"),
    ]);
    command.args(flags);
    process::run("audit", command, b"", Duration::from_secs(60))
}

fn check_audit(place: &Place) {
    let password = place.file("audit-password", "holdfast-secret");
    let wrong = place.file("wrong-password", "guessed-wrong");
    let token = place.file("audit-token", &token("holdfast", Duration::from_secs(60)));
    for mechanism in MECHANISMS {
        let secret: &[&str] = match mechanism {
            "OAUTHBEARER" => &["--sasl-token-file", &token],
            _ => &[
                "--sasl-username",
                "holdfast",
                "--sasl-password-file",
                &password,
            ],
        };
        let flags = [&["--sasl-mechanism", mechanism, "--output", "json"], secret].concat();
        let output = audit(place, &flags);
        let report: Value = serde_json::from_str(&output.stdout).expect("a report");
        assert_eq!(
            report["brokers"].as_array().map(Vec::len),
            Some(3),
            "{report}"
        );
        assert_eq!(output.stderr, "");
    }
    let flags = [
        "--sasl-mechanism",
        "SCRAM-SHA-512",
        "--sasl-username",
        "holdfast",
    ];
    let output = audit(
        place,
        &[&flags[..], &["--sasl-password-file", &wrong]].concat(),
    );
    assert_eq!(output.status.code(), Some(2));
    let said = "cluster.sasl.password_file: the broker refuses: Authentication failed during";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert!(!output.stderr.contains("guessed"), "{}", output.stderr);
}

/// One mechanism will do: what others show is tried with Java.
fn librdkafka((user, password): (&str, &str), acks: &str) -> Settings {
    Settings::acks(acks)
        .set("client.id", "same")
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", "PLAIN")
        .set("sasl.username", user)
        .set("sasl.password", password)
}

fn java_acks0(
    bootstrap: &str,
    topic: &str,
    mechanism: &str,
    user: (&str, &str),
    records: &str,
) -> Output {
    let [mechanism, jaas] = java_login(mechanism, user);
    let mut args = vec![
        "--bootstrap-server",
        bootstrap,
        "--topic",
        topic,
        "--records",
        records,
    ];
    for set in [
        "security.protocol=SASL_PLAINTEXT",
        &mechanism,
        &jaas,
        "client.id=same",
        "acks=0",
        "enable.idempotence=false",
        // One that nobody lets in gives up; it would wait so long for each record.
        "max.block.ms=5000",
    ] {
        args.extend(["--set", set]);
    }
    java(Version::V4_3_1, "IdempotentProducer", &args)
}

/// What happened with requests of acks=0: raised to all, and exempted.
fn acks0(holdfast: &Holdfast) -> (f64, f64) {
    let metrics = holdfast.metrics();
    let scenario = ("scenario", "acks_none");
    (
        metrics.value_or_zero("holdfast_overrides_total", &[scenario, ("mode", "enforce")]),
        metrics.value_or_zero("holdfast_exemption_hits_total", &[scenario]),
    )
}

/// The clients of the report that were seen with that principal.
fn seen(holdfast: &Holdfast, principal: &str) -> Vec<Value> {
    let (_, text) = holdfast.get("/report").expect("an answer");
    let report: Value = serde_json::from_str(&text).expect("a document");
    let clients = report["clients"].as_array().expect("a list");
    let of = |client: &&Value| client["principal"] == principal;
    clients.iter().filter(of).cloned().collect()
}

fn check_clients_by_principal(place: &Place) {
    let config = own(place, "SCRAM-SHA-512")
        + "[exemptions.alice]\nscenarios = [\"acks_none\"]\nprincipals = [\"User:ali*\"]\n\
           owner = \"o\"\nreason = \"r\"\nexpires = \"2999-01-31\"\n";
    let holdfast = Holdfast::start_with(place.holdfast("SASL", &config));
    let [_, alice, bob] = USERS;
    for mechanism in MECHANISMS {
        for (user, exempted) in [(alice, true), (bob, false)] {
            let topic = unique("principals");
            place.cluster.create_topic(&topic, 3, 3, &[]);
            let check = |client: &str, before: (f64, f64)| {
                let after = acks0(&holdfast);
                let (raised, let_be) = (after.0 - before.0, after.1 - before.1);
                let found = (raised > 0.0, let_be > 0.0);
                let expected = (!exempted, exempted);
                assert_eq!(
                    found, expected,
                    "{client} {mechanism} {user:?}: {raised} {let_be}"
                );
            };
            let before = acks0(&holdfast);
            let said = Said::by(&java_acks0(
                &holdfast.bootstrap(),
                &topic,
                mechanism,
                user,
                "100",
            ));
            assert_eq!(said.ok().len(), 100, "{mechanism}");
            check("java", before);
            let mut stored = 100;
            if mechanism != "PLAIN" {
                wait_stored(place, &topic, stored);
                continue;
            }
            let before = acks0(&holdfast);
            let settings = librdkafka(user, "0");
            let producer = IdProducer::new(&holdfast.bootstrap(), &topic, &settings);
            (1000..1100).for_each(|id| producer.send(id, 100, None));
            let told = producer.finish(Duration::from_secs(60));
            assert!(told.failed.is_empty(), "{mechanism}: {:?}", told.failed);
            check("librdkafka", before);
            stored += 100;
            wait_stored(place, &topic, stored);
        }
    }
    for principal in ["User:alice", "User:bob"] {
        let clients = seen(&holdfast, principal);
        assert_eq!(clients.len(), 2, "Java and librdkafka: {clients:?}");
        for client in clients {
            assert_eq!(client["client_id"], "same");
            assert!(client["acks"]["none"].as_u64() > Some(0), "{client}");
        }
    }
    check_wrong_password(place, &holdfast);
    check_a_client_that_authenticates_anew(place, &holdfast);
    let log = holdfast.log();
    assert!(log.contains("User:bob"), "{log}");
    assert!(!log.contains("-secret") && !log.contains("eyJ"), "{log}");
}

fn wait_stored(place: &Place, topic: &str, expected: usize) {
    eventually("all is stored", Duration::from_secs(30), || match rdk::ids(
        &place.cluster.read_all(topic),
    )
    .len()
    {
        stored if stored == expected => Ok(()),
        stored => Err(format!("{stored} of {expected}")),
    });
}

/// Kafka's own words reach the client, and nobody is taken for whom it only claimed to be.
fn check_wrong_password(place: &Place, holdfast: &Holdfast) {
    let carol = ("carol", "guessed-wrong");
    for bootstrap in [place.cluster.bootstrap_of("SASL"), holdfast.bootstrap()] {
        let refused = java_acks0(&bootstrap, "none", "SCRAM-SHA-256", carol, "1");
        let words = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256";
        assert!(
            refused.stdout.contains(words) || refused.stderr.contains(words),
            "{refused:?}"
        );
    }
    assert_eq!(seen(holdfast, "User:carol"), Vec::<Value>::new());
}

/// For longer than two sessions: the principal stays, and so does what it decides.
fn check_a_client_that_authenticates_anew(place: &Place, holdfast: &Holdfast) {
    let topic = unique("anew");
    place.cluster.create_topic(&topic, 1, 3, &[]);
    let settings = librdkafka(USERS[1], "0");
    let handshakes = || {
        let labels = [("api_key", "SaslHandshake")];
        holdfast.metrics().value("holdfast_requests_total", &labels)
    };
    let (before, handshakes_before) = (acks0(holdfast), handshakes());
    let connections = || {
        let of_client = seen(holdfast, "User:alice");
        let counts = of_client
            .iter()
            .map(|client| client["connections"].as_u64());
        counts.map(Option::unwrap_or_default).sum::<u64>()
    };
    let connections_before = connections();
    let producer = IdProducer::new(&holdfast.bootstrap(), &topic, &settings);
    let begun = Instant::now();
    let mut id = 0;
    while begun.elapsed() < 2 * SESSION + Duration::from_secs(5) {
        producer.send(id, 100, Some(0));
        id += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    let told = producer.finish(Duration::from_secs(60));
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    let after = acks0(holdfast);
    assert_eq!(after.0, before.0, "a request of alice's was raised");
    assert!(after.1 > before.1 + 100.0, "{after:?} {before:?}");
    let made = connections() - connections_before;
    let again = handshakes() - handshakes_before - made as f64;
    assert!(again >= 2.0, "{again} handshakes after the first ones");
    assert_eq!(seen(holdfast, "User:alice").len(), 2);
    assert_eq!(rdk::ids(&place.cluster.read_all(&topic)).len() as u64, id);
}
