//! TLS on both sides with real brokers and real clients: Java, franz-go, and librdkafka, old (Debian's kcat) and new. What a
//! client is told straight by the brokers' SSL and SASL_SSL listeners, it is told through Holdfast, mistakes included.

use super::secured::{
    HANDSHAKES, LOGINS, Login, Place, SOON, USER, by_name, counted, hundred, keyed_lines,
    own_login, producer_without_retries, value, wait_all_counted, wait_count, wait_failed, ways,
};
use super::ways::Said;
use crate::support::certificates::Ca;
use crate::support::clients::{franz, tools};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Version, java_client_command, tool_command};
use crate::support::process::{self, Process, Scratch};
use crate::support::raw::request_frame;
use crate::support::rdk;
use rcgen::date_time_ymd;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn java_with_tls_and_passwords_writes_and_reads_through_holdfast_as_direct() {
    let place = Place::shared();
    let holdfast = place.secured();
    let [scram, plain] = LOGINS;
    for (way, bootstrap) in ways(&place, &holdfast, "SECURED") {
        for (login, acks) in [(scram, "all"), (plain, "1"), (scram, "0")] {
            let topic = place.topic("java-tls");
            let mut settings = place.java(Some(login));
            if acks != "all" {
                settings.push(format!("acks={acks}"));
                settings.push("enable.idempotence=false".to_owned());
            }
            let before = counted(&holdfast);
            let run = place.run_java("IdempotentProducer", &bootstrap, &topic, &settings, &[]);
            assert_eq!(Said::by(&run).ok(), hundred(), "{way} {login:?} {acks}");
            place.wait_stored(&topic, &hundred());
            if way == "through" && acks == "0" {
                wait_all_counted(&holdfast, before, 100);
            }
            if acks == "all" {
                let (settings, group) = (place.java(Some(plain)), ["--group", &topic]);
                let run = place.run_java("GroupConsumer", &bootstrap, &topic, &settings, &group);
                assert_eq!(Said::by(&run).last["read"], 100, "{way}");
            }
        }
        let (topic, settings) = (place.topic("java-tls-txn"), place.java(Some(scram)));
        let more = ["--transactional-id", &topic, "--abort-every-second", "true"];
        let run = place.run_java(
            "TransactionalProducer",
            &bootstrap,
            &topic,
            &settings,
            &[&more[..], &["--per-transaction", "10"]].concat(),
        );
        let last = Said::by(&run).last;
        let ended = (&last["committed"], &last["aborted"]);
        assert_eq!(ended, (&5.into(), &5.into()), "{way}: {last}");
        let file = place.java_file(&settings);
        let describe = [
            "org.apache.kafka.tools.TopicCommand",
            "--bootstrap-server",
            &bootstrap,
            "--command-config",
            &file,
            "--describe",
            "--topic",
            &topic,
        ];
        let ran = tools(
            Version::V4_3_1,
            &[describe.iter().map(|word| (*word).to_owned()).collect()],
        );
        assert_eq!(ran[0].status, 0, "{way}: {ran:?}");
        assert!(ran[0].wrote.contains("PartitionCount: 3"), "{way}: {ran:?}");
    }
    raised(&holdfast);
}

/// Requests of acks=0 and acks=1 went on as acks=all, and none of their records was refused.
#[track_caller]
fn raised(holdfast: &Holdfast) {
    for scenario in ["acks_none", "acks_leader"] {
        let labels = [("scenario", scenario), ("mode", "enforce")];
        let count = value(holdfast, "holdfast_overrides_total", &labels);
        assert!(count > 0.0, "{scenario}");
    }
    let all = counted(holdfast);
    let confirmed = [("outcome", "confirmed")];
    let confirmed = value(holdfast, "holdfast_acks0_records_total", &confirmed);
    assert!(all > 0.0 && confirmed == all, "{confirmed} of {all}");
}

#[test]
fn librdkafka_and_franz_go_with_tls_and_passwords_write_and_read_through_holdfast_as_direct() {
    let place = Place::shared();
    let holdfast = place.secured();
    let ca = place.path("ca.pem");
    let input = keyed_lines();
    for (way, bootstrap) in ways(&place, &holdfast, "SECURED") {
        for login in LOGINS {
            for acks in ["0", "1", "all"] {
                let before = counted(&holdfast);
                let Login(mechanism, password) = login;
                if mechanism == "PLAIN" {
                    // An old librdkafka: Debian's, as any before 2.6.1, has a SCRAM that Kafka 4 refuses, direct too.
                    let topic = place.topic("kcat-tls");
                    let acks_set = format!("acks={acks}");
                    let more = ["-P", "-K", ":", "-t", &topic, "-X", &acks_set];
                    place.kcat(&bootstrap, Some(login), &more, &input).ok();
                    place.wait_stored(&topic, &hundred());
                    if acks == "all" {
                        let read = [
                            "-X",
                            "auto.offset.reset=earliest",
                            "-c",
                            "100",
                            "-f",
                            "%k\n",
                        ];
                        let more = [&read[..], &["-G", &topic, &topic]].concat();
                        let read = place.kcat(&bootstrap, Some(login), &more, "");
                        let keys = read.ok().lines().filter_map(|line| line.parse().ok());
                        assert_eq!(keys.collect::<BTreeSet<u64>>(), hundred(), "{way}");
                    }
                }

                let rdk_topic = place.topic("librdkafka-tls");
                let told = place.rdk(&bootstrap, login, acks, &rdk_topic);
                assert_eq!(told.ok_ids(), hundred(), "{way} {login:?} {acks}");
                place.wait_stored(&rdk_topic, &hundred());
                if acks == "all" {
                    let settings = place.rdk_login(login);
                    let settings: Vec<_> = settings.iter().map(|(k, v)| (*k, &**v)).collect();
                    let read =
                        rdk::consume(&bootstrap, &rdk_topic, &rdk_topic, 100, &settings, SOON);
                    assert_eq!(rdk::ids(&read), hundred(), "{way} {login:?}");
                }

                let franz_topic = place.topic("franz-tls");
                let reach = ["--bootstrap-server", &bootstrap, "--ca", &ca];
                let user = ["--user", USER.0, "--password", password];
                let reach = [&reach[..], &user, &["--mechanism", mechanism]].concat();
                let more = ["--topic", &franz_topic, "--acks", acks];
                let idempotent = format!("--idempotent={}", acks == "all");
                let run = franz(&[&["produce", &idempotent], &reach[..], &more].concat());
                assert_eq!(Said::by(&run).ok(), hundred(), "{way} {login:?} {acks}");
                place.wait_stored(&franz_topic, &hundred());
                if acks == "all" {
                    let more = ["--topic", &franz_topic, "--group", &franz_topic];
                    let run = franz(&[&["consume"], &reach[..], &more].concat());
                    assert_eq!(Said::by(&run).last["read"], 100, "{way}");
                }
                if way == "through" && acks == "0" {
                    let sent = if mechanism == "PLAIN" { 300 } else { 200 };
                    wait_all_counted(&holdfast, before, sent);
                }
            }
        }
    }
    raised(&holdfast);
}

#[test]
fn a_wrong_password_by_tls_is_told_in_the_brokers_words() {
    let place = Place::shared();
    let holdfast = place.secured();
    let words = |mechanism| match mechanism {
        "PLAIN" => "Authentication failed: Invalid username or password",
        _ => {
            "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512"
        }
    };
    for (way, bootstrap) in ways(&place, &holdfast, "SECURED") {
        let wrong = Some(Login("PLAIN", "guessed-wrong"));
        let refused = place.lists(&bootstrap, wrong, &[]);
        let refused = refused.expect_err("a wrong password");
        assert!(refused.contains(words("PLAIN")), "{way}: {refused}");
        let mut settings = place.java(Some(Login("SCRAM-SHA-512", "guessed-wrong")));
        settings.push("max.block.ms=5000".to_owned());
        let one = ["--records", "1"];
        let run = place.run_java("IdempotentProducer", &bootstrap, "none", &settings, &one);
        assert!(
            run.stdout.contains("SaslAuthenticationException"),
            "{run:?}"
        );
        assert!(run.stdout.contains(words("SCRAM-SHA-512")), "{run:?}");
    }
    let log = holdfast.log();
    assert!(
        !log.contains("guessed-wrong") && !log.contains("-secret"),
        "{log}"
    );
}

/// What openssl says of it: which alert it was told (70 by Java, 40 by rustls).
fn offers_tls_1_1(address: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", address, "-tls1_1"]);
    openssl.args(["-cipher", "DEFAULT@SECLEVEL=0"]);
    let output = process::run("openssl", openssl, b"", SOON);
    assert!(!output.status.success(), "{output:?}");
    output.stderr
}

/// An ApiVersions in plaintext: whether the other side hangs up, without an answer of Kafka's.
fn plaintext_is_hung_up_on(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).expect("a listener");
    stream.set_read_timeout(Some(SOON)).ok();
    let frame = request_frame(18, 0, 7, Some("plain"), b"");
    stream.write_all(&frame).expect("it reads");
    let mut rest = Vec::new();
    // A reset is an end, too.
    let end = stream.read_to_end(&mut rest);
    let in_time = end.map_or_else(
        |e| e.kind() == std::io::ErrorKind::ConnectionReset,
        |_| true,
    );
    in_time && rest.get(4..8) != Some(&[0, 0, 0, 7])
}

#[test]
fn clients_that_make_mistakes_with_tls_are_told_what_brokers_tell_them_and_are_counted_by_cause() {
    let place = Place::shared();
    let client_ca = place.path("client-ca.pem");
    let mutual = format!("client_auth = \"required\"\nclient_ca_file = \"{client_ca}\"");
    let config = place.listener("gateway", &mutual) + &place.towards_as("client");
    let holdfast = Holdfast::start_with(place.holdfast("MUTUAL", &config));

    for address in [place.bootstrap("MUTUAL"), by_name(&holdfast.bootstrap())] {
        let address = address.split(',').next().expect("an address");
        let told = offers_tls_1_1(address);
        assert!(told.contains("SSL alert number"), "{told}");
        assert!(plaintext_is_hung_up_on(address));
    }
    wait_failed(&holdfast, "client", "incompatible");
    wait_failed(&holdfast, "client", "not_tls");

    let expired = place.client_ca.sign(&[], |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    place.identity("expired", &expired);
    place.identity("stranger", &Ca::new("nobody's").sign(&[], |_| {}));
    for (way, bootstrap) in ways(&place, &holdfast, "MUTUAL") {
        let as_client = |name: &str| {
            let own = place.own_identity(name);
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            place.lists(&bootstrap, None, &own)
        };
        assert_eq!(as_client("client"), Ok(()), "{way}");
        let told = [
            place.lists(&bootstrap, None, &[]),
            as_client("expired"),
            as_client("stranger"),
        ];
        println!("{way}: {told:#?}");
        assert!(told.iter().all(Result::is_err), "{way}");
    }
    for cause in ["no_certificate", "expired", "unknown_ca"] {
        wait_failed(&holdfast, "client", cause);
    }
    // The log names the first ones and counts the others: kcat tries many times.
    let log = holdfast.log();
    for cause in ["incompatible", "not_tls"] {
        let line = format!("TLS handshake failed side=\"client\" cause=\"{cause}\"");
        assert!(log.contains(&line), "{log}");
    }
}

/// With a certificate that ends while it runs, and one of another name.
#[test]
fn clients_refuse_a_gateway_whose_certificate_is_not_good_as_they_refuse_such_brokers() {
    let place = Place::shared();
    // Long enough for it to start, and for one client to be let in.
    let ends = SystemTime::now() + Duration::from_secs(30);
    let seconds = ends.duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let brief = place.ca.sign(&["localhost"], |params| {
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    });
    place.identity("brief", &brief);
    place.identity("misnamed", &place.ca.sign(&["elsewhere.test"], |_| {}));
    place.identity("untrusted", &Ca::new("other").localhost());
    let start = |name: &str| {
        let config = place.listener(name, "") + &place.towards_as("client");
        Holdfast::start_with(place.holdfast("MUTUAL", &config))
    };
    let running = ["brief", "misnamed", "untrusted"].map(start);
    let good = place.lists(&by_name(&running[0].bootstrap()), None, &[]);
    assert_eq!(good, Ok(()), "as long as it is valid");
    let family = "holdfast_tls_certificate_not_after_timestamp_seconds";
    let told = value(&running[0], family, &[("usage", "listener")]);
    assert_eq!(told, seconds as f64);
    if let Ok(left) = ends.duration_since(SystemTime::now()) {
        std::thread::sleep(left + Duration::from_secs(2));
    }
    let listeners = ["EXPIRED", "MISNAMED", "STRANGER"];
    for (holdfast, listener) in running.iter().zip(listeners) {
        let told = ways(&place, holdfast, listener).map(|(way, bootstrap)| {
            let refused = place.lists(&bootstrap, None, &[]);
            let refused = refused.expect_err(way);
            assert!(
                refused.contains("certificate verify failed"),
                "{way} {listener}: {refused}"
            );
            refused
        });
        println!("{listener}: {told:#?}");
        wait_failed(holdfast, "client", "refused_by_peer");
    }
    // And it does not start with one that has ended.
    let config = place.listener("brief", "") + &place.towards_as("client");
    let mut late = Holdfast::launch(place.holdfast("MUTUAL", &config));
    let status = late.wait_exit(SOON).expect("an end");
    assert!(!status.success());
    let said = "listener.tls.certificate_file: ";
    let log = late.log();
    assert!(log.contains(said) && log.contains("expired on"), "{log}");
}

/// Brokers with which there is no TLS: it says why for its own connections and for clients', and is not ready.
#[test]
fn brokers_that_holdfast_has_no_tls_with_are_named_with_the_cause() {
    let place = Place::shared();
    place.identity("unknown", &Ca::new("nobody's").sign(&[], |_| {}));
    let plain = by_name(&place.cluster.bootstrap());
    let cases = [
        ("EXPIRED", place.towards(""), "expired"),
        ("STRANGER", place.towards(""), "unknown_ca"),
        ("MISNAMED", place.towards(""), "wrong_name"),
        // To a broker a ClientHello is a frame that is too large.
        ("PLAINTEXT", place.towards(""), "closed"),
        ("MUTUAL", place.towards(""), "refused_by_peer"),
        ("MUTUAL", place.towards_as("unknown"), "refused_by_peer"),
    ];
    for (listener, config, cause) in cases {
        let options = match listener {
            "PLAINTEXT" => Options::new(&plain).config(&config),
            _ => place.holdfast(listener, &config),
        };
        let holdfast = Holdfast::launch(options);
        wait_count(
            &holdfast,
            "holdfast_watch_failures_total",
            &[("reason", "tls")],
            2.0,
        );
        let log = holdfast.log();
        let said = "the gateway's own connections have no TLS with this broker";
        assert_eq!(log.matches(said).count(), 1, "{listener}: {log}");
        let words = match cause {
            "refused_by_peer" => "received fatal alert",
            cause => &format!("there is no TLS with it ({cause})"),
        };
        assert!(log.contains(words), "{listener} {words}: {log}");
        let (status, _) = holdfast.get("/readyz").expect("an answer");
        assert_eq!(status, 503, "{listener}");
        // A client is hung up on, as by a broker that goes; why is counted and logged.
        assert!(plaintext_is_hung_up_on(&holdfast.bootstrap()), "{listener}");
        let closed = [("cause", "broker_tls")];
        wait_count(
            &holdfast,
            "holdfast_client_connections_closed_total",
            &closed,
            1.0,
        );
        if cause != "refused_by_peer" {
            wait_failed(&holdfast, "broker", cause);
        }
    }
}

#[test]
fn brokers_that_speak_tls_where_holdfast_does_not_are_named_with_the_key() {
    let place = Place::shared();
    let holdfast = Holdfast::launch(place.holdfast("SECURED", &own_login()));
    let failures = "holdfast_watch_failures_total";
    wait_count(&holdfast, failures, &[("reason", "tls")], 1.0);
    let said = "the broker answers in TLS: cluster.tls.enabled must be true";
    assert!(holdfast.log().contains(said), "{}", holdfast.log());
}

/// By certificates on both sides, all of which are replaced while a real client writes.
#[test]
fn certificates_are_replaced_under_load_and_no_connection_is_dropped() {
    let place = Place::shared();
    place.identity("turning", &place.ca.localhost());
    place.identity("turning-client", &place.client_ca.sign(&[], |_| {}));
    let config = place.listener("turning", "") + &place.towards_as("turning-client");
    let holdfast = Holdfast::start_with(place.holdfast("MUTUAL", &config));
    let (topic, bootstrap) = (place.topic("rotated"), by_name(&holdfast.bootstrap()));
    let mut settings = place.java(None);
    settings.push(format!("bootstrap.servers={bootstrap}"));
    settings.push("acks=all".to_owned());
    let file = place.java_file(&settings);
    let args = [
        "--topic",
        &topic,
        "--num-records",
        "4000",
        "--record-size",
        "100",
    ];
    let more = ["--throughput", "200", "--producer.config", &file];
    let tool = "org.apache.kafka.tools.ProducerPerformance";
    let command = tool_command(Version::V4_3_1, tool, &[&args[..], &more].concat());
    let scratch = Scratch::new("performance");
    let mut client = Process::start("performance", scratch.path(), command);
    eventually("it writes", SOON, || {
        match value(
            &holdfast,
            "holdfast_requests_total",
            &[("api_key", "Produce")],
        ) {
            count if count > 10.0 => Ok(()),
            count => Err(format!("{count}")),
        }
    });
    let closed = || value(&holdfast, "holdfast_client_connections_closed_total", &[]);
    let before = closed();
    let ends = |days: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.expect("a clock").as_secs() + days * 86_400
    };
    for round in 1..=3 {
        let not_after = ends(round);
        let new = place.ca.sign(&["localhost"], |params| {
            params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_after);
        });
        place.identity("turning", &new);
        place.identity("turning-client", &place.client_ca.sign(&[], |_| {}));
        eventually("the new certificate is in force", SOON, || {
            let family = "holdfast_tls_certificate_not_after_timestamp_seconds";
            match value(&holdfast, family, &[("usage", "listener")]) {
                told if told == not_after as f64 => Ok(()),
                told => Err(format!("{told}")),
            }
        });
        assert_eq!(place.lists(&bootstrap, None, &[]), Ok(()), "round {round}");
        assert!(
            client.try_wait().is_none(),
            "round {round}: it still writes"
        );
    }
    // Those that kcat made and gave up itself, and none of the producer's.
    let by_others: f64 = ["broker_closed", "broker_reset", "broker_tls", "drain"]
        .map(|cause| {
            value(
                &holdfast,
                "holdfast_client_connections_closed_total",
                &[("cause", cause)],
            )
        })
        .iter()
        .sum();
    println!(
        "{} closed while they were replaced, {by_others} by others than clients",
        closed() - before
    );
    assert_eq!(by_others, 0.0, "{}", holdfast.log());
    let status = client.wait_exit(2 * SOON).expect("its end");
    assert!(status.success(), "{}", client.tail());
    let said = client.stdout() + &client.stderr();
    assert!(said.contains("4000 records sent"), "{said}");
    assert!(
        !said.contains("Exception") && !said.contains("isconnect"),
        "{said}"
    );
    assert_eq!(place.cluster.read_all(&topic).len(), 4000);
}

/// One port for all brokers, told apart by the server name: clients follow the names that they are told.
#[test]
fn clients_reach_each_broker_by_its_name_on_one_port() {
    let place = Place::shared();
    let names = [
        "kafka.test",
        "broker-1.kafka.test",
        "broker-2.kafka.test",
        "broker-3.kafka.test",
    ];
    place.identity(
        "named",
        &place
            .ca
            .sign(&[&names[..], &["localhost"]].concat(), |_| {}),
    );
    let port = crate::support::ports::free();
    let sni = format!(
        "[listener.sni]\nport = {port}\nbootstrap_host = \"kafka.test\"\nbroker_host = \"broker-{{id}}.kafka.test\"\n"
    );
    let config = place.listener("named", "") + &sni + &place.towards_as("client");
    let holdfast = Holdfast::start_with(place.holdfast("MUTUAL", &config));
    let bootstrap = format!("kafka.test:{port}");
    let hosts: String = names
        .iter()
        .map(|name| format!("127.0.0.1 {name}\n"))
        .collect();
    let hosts = place.file("hosts", &hosts);

    let topic = place.topic("named");
    let args = ["--bootstrap-server", &bootstrap, "--topic", &topic];
    let settings = place.java(None);
    let mut args = args.to_vec();
    settings
        .iter()
        .for_each(|setting| args.extend(["--set", setting]));
    let mut java = java_client_command(Version::V4_3_1, "IdempotentProducer", &args);
    java.env("JDK_JAVA_OPTIONS", format!("-Djdk.net.hosts.file={hosts}"));
    let said = Said::by(&process::run("java", java, b"", 2 * SOON));
    assert_eq!(said.ok(), hundred());
    place.wait_stored(&topic, &hundred());

    let topic = place.topic("named");
    let ca = place.path("ca.pem");
    let reach = [
        "--bootstrap-server",
        &bootstrap,
        "--ca",
        &ca,
        "--address",
        "127.0.0.1",
    ];
    let run = franz(&[&["produce"], &reach[..], &["--topic", &topic]].concat());
    assert_eq!(Said::by(&run).ok(), hundred());
    place.wait_stored(&topic, &hundred());
    let run = franz(
        &[
            &["consume"],
            &reach[..],
            &["--topic", &topic, "--group", &topic],
        ]
        .concat(),
    );
    assert_eq!(Said::by(&run).last["read"], 100);

    let topic = place.topic("named");
    let more = ["-P", "-K", ":", "-t", &topic, "-X", "acks=1"];
    let run = place.kcat_by_name(&hosts, &bootstrap, &more, &keyed_lines());
    run.ok();
    place.wait_stored(&topic, &hundred());
    let oldest = ["-X", "auto.offset.reset=earliest", "-c", "100"];
    let more = [&oldest[..], &["-f", "%k\n", "-G", &topic, &topic]].concat();
    let run = place.kcat_by_name(&hosts, &bootstrap, &more, "");
    let keys = run.ok().lines().filter_map(|line| line.parse().ok());
    assert_eq!(keys.collect::<BTreeSet<u64>>(), hundred());
    let failures = value(&holdfast, HANDSHAKES, &[]);
    assert_eq!(failures, 0.0, "{}", holdfast.log());

    // librdkafka, to a name that nobody was told: no broker is found by it.
    let refused = place.lists(&format!("localhost:{port}"), None, &[]);
    assert!(refused.is_err());
    wait_failed(&holdfast, "client", "unknown_name");
}

#[test]
fn two_hundred_megabytes_by_tls_are_all_stored() {
    let place = Place::shared();
    let holdfast = place.secured();
    let topic = place.topic("bulk-tls");
    let mut settings = place.java(Some(LOGINS[0]));
    settings.push(format!(
        "bootstrap.servers={}",
        by_name(&holdfast.bootstrap())
    ));
    // Raised: what the client is told is stored.
    settings.push("acks=1".to_owned());
    settings.push("enable.idempotence=false".to_owned());
    let file = place.java_file(&settings);
    let args = [
        "--topic",
        &topic,
        "--num-records",
        "20000",
        "--record-size",
        "10000",
    ];
    let more = ["--throughput", "-1", "--producer.config", &file];
    let tool = "org.apache.kafka.tools.ProducerPerformance";
    let command = tool_command(Version::V4_3_1, tool, &[&args[..], &more].concat());
    let run = process::run("bulk", command, b"", 4 * SOON);
    let last = run.ok().lines().last().unwrap_or_default().to_owned();
    println!("{last}");
    assert!(last.contains("20000 records sent"), "{run:?}");
    assert!(!run.stdout.contains("Exception"), "{run:?}");
    assert_eq!(place.cluster.read_all(&topic).len(), 20_000);
}

/// Ended under load: what the client was told is stored, and acks=0 records are all accounted for.
#[test]
fn a_drain_under_load_by_tls_keeps_what_was_acknowledged() {
    let place = Place::shared();
    let mut holdfast = place.secured();
    let topic = place.topic("drain-tls");
    let scratch = Scratch::new("drained");
    let mut client = producer_without_retries(&place, &holdfast, &topic, "acks=1", &scratch);
    eventually("it writes", SOON, || {
        match value(
            &holdfast,
            "holdfast_requests_total",
            &[("api_key", "Produce")],
        ) {
            count if count > 30.0 => Ok(()),
            count => Err(format!("{count}")),
        }
    });
    holdfast.sigterm();
    let status = holdfast.wait_exit(SOON).expect("its end");
    assert!(status.success(), "{status} {}", holdfast.log());
    client.wait_exit(4 * SOON).expect("the end of the client");
    let lines = process::json_lines(&client.stdout());
    let told = |wanted: bool| {
        let of = lines
            .iter()
            .filter(move |line| line["error"].is_null() == wanted);
        of.filter_map(|line| line["id"].as_u64())
            .collect::<BTreeSet<u64>>()
    };
    let (ok, failed) = (told(true), told(false));
    println!("{} told ok, {} told failed", ok.len(), failed.len());
    assert!(!ok.is_empty() && !failed.is_empty(), "{}", client.tail());
    let stored = rdk::ids(&place.cluster.read_all(&topic));
    let lost: Vec<&u64> = ok.difference(&stored).collect();
    assert!(lost.is_empty(), "told ok and not stored: {lost:?}");
}
