//! TLS together with what else stands at the door, with a real broker behind: passwords and certificates at once, tokens, a load
//! balancer that says who its clients are, the drain of what nobody acknowledges, and a flood of handshakes.

use super::authentication::token;
use super::secured::{
    HANDSHAKES, LOGINS, Login, Place, SOON, by_name, counted, hundred, keyed_lines, own_login,
    producer_without_retries, value, wait_count, wait_failed, ways,
};
use super::ways::Said;
use crate::support::bystander::beside;
use crate::support::clients::franz;
use crate::support::eventually;
use crate::support::haproxy::Haproxy;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Version, java_client_command};
use crate::support::ports;
use crate::support::process::{self, Scratch};
use crate::support::raw::{Batch, PRODUCE, Produce, ProduceAnswer, request_frame};
use crate::support::rdk;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Who clients of the report are, by their principals.
pub(super) fn principals(holdfast: &Holdfast) -> BTreeSet<String> {
    let (_, text) = holdfast.get("/report").expect("an answer");
    let report: serde_json::Value = serde_json::from_str(&text).expect("a document");
    let clients = report["clients"].as_array().expect("a list");
    let names = clients.iter().filter_map(|one| one["principal"].as_str());
    names.map(str::to_owned).collect()
}

/// Holdfast's own connections by TLS and a token that is too old at first.
#[test]
fn its_own_token_goes_by_tls_and_is_read_anew_until_the_brokers_take_it() {
    let place = Place::shared();
    let file = place.file("own.token", &token("holdfast", Duration::ZERO));
    let own = format!("[cluster.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_file = \"{file}\"\n");
    let config = place.listener("gateway", "") + &place.towards("") + &own;
    let holdfast = Holdfast::launch(place.holdfast("SECURED", &config));
    let refused = [("reason", "authentication")];
    wait_count(&holdfast, "holdfast_watch_failures_total", &refused, 1.0);
    assert_eq!(holdfast.get("/readyz").expect("an answer").0, 503);
    place.file("own.token", &token("holdfast", Duration::from_secs(3600)));
    eventually("the brokers take it", SOON, || {
        match holdfast.get("/readyz") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

/// In front of brokers that want a certificate and a password, and wanting both itself.
#[test]
fn a_listener_may_ask_for_a_certificate_and_a_password_and_the_password_says_who_it_is() {
    let place = Place::shared();
    let mutual = format!(
        "client_auth = \"required\"\nclient_ca_file = \"{}\"",
        place.path("client-ca.pem")
    );
    let config = place.listener("gateway", &mutual) + &place.towards_as("client") + &own_login();
    let holdfast = Holdfast::start_with(place.holdfast("BOTH", &config));
    let [scram, plain] = LOGINS;
    let own = place.own_identity("client");
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    for (way, bootstrap) in ways(&place, &holdfast, "BOTH") {
        let topic = place.topic("both");
        let mut settings = place.java(Some(scram));
        settings.push("ssl.keystore.type=PEM".to_owned());
        settings.push(format!(
            "ssl.keystore.location={}",
            place.path("client.pem")
        ));
        settings.push("acks=1".to_owned());
        settings.push("enable.idempotence=false".to_owned());
        let run = place.run_java("IdempotentProducer", &bootstrap, &topic, &settings, &[]);
        assert_eq!(Said::by(&run).ok(), hundred(), "{way}");
        place.wait_stored(&topic, &hundred());

        let topic = place.topic("both");
        let produce = ["-P", "-K", ":", "-t", &topic];
        let more = [&own[..], &produce].concat();
        place
            .kcat(&bootstrap, Some(plain), &more, &keyed_lines())
            .ok();
        place.wait_stored(&topic, &hundred());

        // One without the other lets nobody in.
        let wrong = Some(Login("PLAIN", "guessed-wrong"));
        let refused = place.lists(&bootstrap, wrong, &own).expect_err(way);
        assert!(
            refused.contains("Authentication failed"),
            "{way}: {refused}"
        );
        place.lists(&bootstrap, Some(plain), &[]).expect_err(way);
        place.lists(&bootstrap, None, &own).expect_err(way);
    }
    wait_failed(&holdfast, "client", "no_certificate");
    let seen = principals(&holdfast);
    assert!(seen.contains("User:alice"), "{seen:?}");
}

/// Kafka's own client and librdkafka, with tokens that they make themselves.
#[test]
fn tokens_pass_through_tls_untouched_and_the_principal_is_learned_from_them() {
    let place = Place::shared();
    let token = Some(Login("OAUTHBEARER", ""));
    for (way, holdfast) in [("direct", None), ("through", Some(place.secured()))] {
        let bootstrap = match &holdfast {
            Some(holdfast) => by_name(&holdfast.bootstrap()),
            None => place.bootstrap("SECURED"),
        };
        let topic = place.topic("token");
        let settings = place.java(token);
        let run = place.run_java("IdempotentProducer", &bootstrap, &topic, &settings, &[]);
        assert_eq!(Said::by(&run).ok(), hundred(), "{way}");
        place.wait_stored(&topic, &hundred());

        let topic = place.topic("token");
        let more = ["-P", "-K", ":", "-t", &topic, "-X", "acks=0"];
        place.kcat(&bootstrap, token, &more, &keyed_lines()).ok();
        place.wait_stored(&topic, &hundred());
        if let Some(holdfast) = holdfast {
            assert_eq!(principals(&holdfast), ["User:alice".to_owned()].into());
            let raised = [("scenario", "acks_none"), ("mode", "enforce")];
            assert!(value(&holdfast, "holdfast_overrides_total", &raised) > 0.0);
        }
    }
}

/// A handshake from an address of this machine, held open until it is dropped.
struct Held(Child);

impl Held {
    /// Whether it is let in shows in `stdout`.
    fn dial(place: &Place, from: &str, to: &str, name: &str) -> Held {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-bind", &format!("{from}:0"), "-connect", to]);
        openssl.args(["-servername", name, "-quiet", "-verify_return_error"]);
        openssl.args(["-CAfile", &place.path("ca.pem")]);
        openssl.stdin(Stdio::piped()).stdout(Stdio::null());
        Held(openssl.stderr(Stdio::null()).spawn().expect("openssl"))
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_some()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// HAProxy in front of two instances, by one port, TLS passed through: clients reach each broker by its name, and limits and
/// log know the clients' addresses, not the balancer's.
#[test]
fn behind_a_balancer_of_one_port_names_lead_to_brokers_and_clients_are_known_by_their_own_address()
{
    let place = Place::shared();
    let names = [
        "kafka.test",
        "broker-1.kafka.test",
        "broker-2.kafka.test",
        "broker-3.kafka.test",
    ];
    place.identity("balanced", &place.ca.sign(&names, |_| {}));
    let balanced = ports::free();
    let instance = || {
        let port = ports::free();
        let listener = place.listener("balanced", "").replace(
            "[listener]\n",
            "[limits]\nmax_connections_per_ip = 40\n[listener]\nproxy_protocol = \"required\"\n",
        );
        let sni = format!(
            "[listener.sni]\nport = {port}\nadvertised_port = {balanced}\nbootstrap_host = \"kafka.test\"\nbroker_host = \"broker-{{id}}.kafka.test\"\n"
        );
        let config = listener + &sni + &place.towards_as("client");
        (
            Holdfast::start_with(place.holdfast("MUTUAL", &config)),
            port,
        )
    };
    let (one, two) = (instance(), instance());
    let instances = [&one.0, &two.0];
    let haproxy = Haproxy::start_by_name(balanced, &[(&one.0, one.1), (&two.0, two.1)]);
    (0..2).for_each(|number| haproxy.wait_up(number, true));
    let sum = |family: &str, labels: &[(&str, &str)]| -> f64 {
        instances.iter().map(|one| value(one, family, labels)).sum()
    };

    let bootstrap = format!("kafka.test:{balanced}");
    let hosts: String = names
        .iter()
        .map(|name| format!("127.0.0.1 {name}\n"))
        .collect();
    let hosts = place.file("balanced-hosts", &hosts);
    let topic = place.topic("balanced");
    let mut args = vec!["--bootstrap-server", &bootstrap, "--topic", &topic];
    let settings = place.java(None);
    settings
        .iter()
        .for_each(|setting| args.extend(["--set", setting]));
    let mut java = java_client_command(Version::V4_3_1, "IdempotentProducer", &args);
    java.env("JDK_JAVA_OPTIONS", format!("-Djdk.net.hosts.file={hosts}"));
    let said = Said::by(&process::run("java", java, b"", 2 * SOON));
    assert_eq!(said.ok(), hundred());
    place.wait_stored(&topic, &hundred());
    let topic = place.topic("balanced");
    let more = ["-P", "-K", ":", "-t", &topic, "-X", "acks=0"];
    place
        .kcat_by_name(&hosts, &bootstrap, &more, &keyed_lines())
        .ok();
    place.wait_stored(&topic, &hundred());
    let ca = place.path("ca.pem");
    let reach = [
        "--bootstrap-server",
        &bootstrap,
        "--ca",
        &ca,
        "--address",
        "127.0.0.1",
    ];
    let topic = place.topic("balanced");
    let run = franz(&[&["produce"], &reach[..], &["--topic", &topic]].concat());
    assert_eq!(Said::by(&run).ok(), hundred());
    place.wait_stored(&topic, &hundred());
    let served = instances.map(|one| value(one, "holdfast_client_connections_total", &[]));
    println!("connections of the two instances: {served:?}");
    assert!(served.iter().all(|count| *count > 0.0), "{served:?}");
    // But for clients that went before they were done.
    let failures = sum(HANDSHAKES, &[]) - sum(HANDSHAKES, &[("cause", "closed")]);
    assert_eq!(failures, 0.0, "{}{}", one.0.log(), two.0.log());
    assert_eq!(counted(&one.0) + counted(&two.0), 100.0);

    // The address in the log is the client's own.
    let to = format!("127.0.0.1:{balanced}");
    let mut stranger = Held::dial(&place, "127.0.0.77", &to, "nobody.test");
    let unknown = [("side", "client"), ("cause", "unknown_name")];
    eventually("a name that nobody was told", SOON, || {
        match sum(HANDSHAKES, &unknown) {
            1.0 => Ok(()),
            count => Err(format!("{count}")),
        }
    });
    let logs = one.0.log() + &two.0.log();
    let line = logs.lines().find(|line| line.contains("unknown_name"));
    assert!(
        line.is_some_and(|line| line.contains("peer=127.0.0.77")),
        "{line:?}"
    );
    eventually("it is hung up on", SOON, || match stranger.has_ended() {
        true => Ok(()),
        false => Err("it goes on".to_owned()),
    });
    drop(stranger);

    // And so is the limit's: one address takes all its seats on both instances, another is let in all the same.
    let many: Vec<Held> = (0..100)
        .map(|_| Held::dial(&place, "127.0.0.78", &to, "kafka.test"))
        .collect();
    let rejected = [("limit", "max_connections_per_ip")];
    let family = "holdfast_client_connections_rejected_total";
    eventually("what is too much is turned away", SOON, || {
        match sum(family, &rejected) {
            count if count >= 20.0 => Ok(()),
            count => Err(format!(
                "{count}, {} are open",
                sum("holdfast_client_connections", &[])
            )),
        }
    });
    assert_eq!(sum(family, &rejected), 20.0);
    let topic = place.topic("balanced");
    let run = franz(&[&["produce"], &reach[..], &["--topic", &topic]].concat());
    assert_eq!(Said::by(&run).ok(), hundred(), "another address");
    assert_eq!(sum(family, &rejected), 20.0);
    drop(many);

    // Nobody but a balancer is served.
    let mut direct = Held::dial(
        &place,
        "127.0.0.1",
        &format!("127.0.0.1:{}", one.1),
        "kafka.test",
    );
    eventually("without a header it is closed", SOON, || {
        match (
            direct.has_ended(),
            value(&one.0, "holdfast_proxy_protocol_failures_total", &[]),
        ) {
            (true, 1.0) => Ok(()),
            state => Err(format!("{state:?}")),
        }
    });
}

/// Nobody is told what becomes of it, so it must be counted: all that the client's socket took.
#[test]
fn a_drain_by_tls_counts_every_record_that_was_sent_with_acks_0() {
    let place = Place::shared();
    let mut holdfast = place.secured();
    let topic = place.topic("drain-acks0");
    let scratch = Scratch::new("drained-acks0");
    let mut client = producer_without_retries(&place, &holdfast, &topic, "acks=0", &scratch);
    wait_count(
        &holdfast,
        "holdfast_requests_total",
        &[("api_key", "Produce")],
        30.0,
    );
    holdfast.sigterm();
    let status = holdfast.wait_exit(SOON).expect("its end");
    assert!(status.success(), "{status} {}", holdfast.log());
    client.wait_exit(4 * SOON).expect("the end of the client");
    let lines = process::json_lines(&client.stdout());
    let handed_over: BTreeSet<u64> = lines
        .iter()
        .filter(|line| line["error"].is_null())
        .filter_map(|line| line["id"].as_u64())
        .collect();
    let log = holdfast.log();
    let end = log.lines().find(|line| line.contains("holdfast ends"));
    let number = |name: &str| -> u64 {
        let (_, rest) = end
            .and_then(|end| end.split_once(&format!(" {name}=")))
            .expect(name);
        let word = rest.split_whitespace().next();
        word.and_then(|word| word.parse().ok()).expect(name)
    };
    let ends = ["confirmed", "refused", "unknown"].map(number);
    let stored = rdk::ids(&place.cluster.read_all(&topic));
    println!(
        "{} handed over, {} stored; confirmed, refused, unknown: {ends:?}",
        handed_over.len(),
        stored.len()
    );
    assert!(
        (100..20_000).contains(&handed_over.len()),
        "{}",
        client.tail()
    );
    let [confirmed, refused, unknown] = ends;
    assert!(
        ends.iter().sum::<u64>() >= handed_over.len() as u64,
        "all are counted"
    );
    assert!(
        stored.len() as u64 >= confirmed,
        "what is confirmed is stored"
    );
    let lost = handed_over.difference(&stored).count() as u64;
    assert!(lost <= refused + unknown, "{lost} lost without a word");
}

/// What the gateway's certificates are signed by, and no certificate of its own.
fn config(place: &Place) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(place.ca.pem.as_bytes());
    roots.add(ca.expect("PEM")).expect("a CA");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    // A flood pays for whole handshakes, and so does who is flooded.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// After the handshake.
fn dial(config: &Arc<ClientConfig>, address: &str) -> std::io::Result<Secured> {
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(config.clone(), name).expect("a session");
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    let mut secured = StreamOwned::new(session, stream);
    while secured.conn.is_handshaking() {
        secured.conn.complete_io(&mut secured.sock)?;
    }
    Ok(secured)
}

/// A Produce acks=all of one record after the other, each of which must be acknowledged.
fn honest(mut secured: Secured, topic: String) -> impl FnMut() + Send {
    move || {
        let produce = Produce::new(9, -1, &topic, 0, Batch::of_ids(0, 1, 1000).bytes());
        let frame = request_frame(PRODUCE, 9, 7, Some("honest"), &produce.body());
        secured.write_all(&frame).expect("it reads");
        let mut size = [0; 4];
        secured.read_exact(&mut size).expect("an answer");
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        secured.read_exact(&mut answer).expect("a whole answer");
        let answer = ProduceAnswer::parse(9, &answer[5..]).expect("an answer");
        assert_eq!(answer.error_codes(), [0]);
    }
}

const FLOOD: Duration = Duration::from_secs(12);
/// Handshakes at a time that are made and thrown away, over and over.
const FLOODING: usize = 4;
/// That are begun and not ended; below `max_connections_per_ip`.
const STALLED: usize = 500;

/// In front of a real broker, beside a client whose records are acknowledged meanwhile.
#[test]
fn a_flood_of_handshakes_keeps_nobody_from_writing() {
    let place = Place::shared();
    let limits = "[limits]\nheader_timeout_ms = 4000\n";
    let config_text = place.listener("gateway", "") + &place.towards_as("client") + limits;
    let holdfast = Holdfast::start_with(place.holdfast("MUTUAL", &config_text));
    let topic = place.topic("flooded");
    let leader = place.cluster.leader(&topic, 0).expect("a leader");
    let (config, address) = (config(&place), holdfast.bootstrap());
    let secured = dial(&config, &holdfast.broker_addr(leader)).expect("it is let in");
    let made = AtomicU64::new(0);
    let ((), seen) = beside(
        "a flood of handshakes",
        holdfast.pid(),
        honest(secured, topic.clone()),
        || {
            // The beginning of a ClientHello.
            let begin = |_| {
                let mut stream = TcpStream::connect(&address).ok()?;
                stream
                    .write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])
                    .ok()?;
                Some(stream)
            };
            let stalled: Vec<_> = (0..STALLED).filter_map(begin).collect();
            assert_eq!(stalled.len(), STALLED);
            let begun = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..FLOODING {
                    scope.spawn(|| {
                        while begun.elapsed() < FLOOD {
                            dial(&config, &address).expect("a handshake");
                            made.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
        },
    );
    let made = made.load(Ordering::Relaxed);
    println!("{made} handshakes in {FLOOD:?}");
    assert!(made > 100, "{made}");
    wait_count(
        &holdfast,
        HANDSHAKES,
        &[("side", "client"), ("cause", "timeout")],
        STALLED as f64,
    );
    seen.assert(P99, (STALLED as u64 + 100) * 64 * 1024 + 16 * 1024 * 1024);
    eventually("all of the flood are gone", SOON, || {
        match value(&holdfast, "holdfast_client_connections", &[]) {
            open if open <= 2.0 => Ok(()),
            open => Err(format!("{open} are open")),
        }
    });
}

/// Of the client beside it. The flood takes what two cores have left, and with sixteen processes that want them, too, half of
/// this was seen.
const P99: Duration = Duration::from_secs(8);
