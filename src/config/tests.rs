//! Tests of the configuration as a whole: text and flags in, settings or lines of complaint out.

use super::*;
use crate::policy::{BelowMinIsr, Mode, Preset, Scenario};
use std::time::Duration;

const CLUSTER: &str = "[cluster]\nbootstrap_servers = [\"kafka-1:9092\"]\n";

fn load_text(text: &str) -> Result<Settings, Error> {
    load("gateway.toml", text, &Overrides::default(), &|_| None)
}

fn complaints(text: &str) -> Vec<String> {
    match load_text(text) {
        Ok(_) => Vec::new(),
        Err(Error(problems)) => problems.iter().map(Problem::to_string).collect(),
    }
}

/// The only complaint about `text` in front of a sound `[cluster]`.
fn complaint(text: &str) -> String {
    let found = complaints(&format!("{text}\n{CLUSTER}"));
    assert_eq!(found.len(), 1, "{text}: {found:#?}");
    found.into_iter().next().unwrap_or_default()
}

#[test]
fn a_topic_pattern_that_matches_no_topics_name_is_an_error() {
    for pattern in ["^orders.*$", "or ders", "orders?", "\u{e9}t\u{e9}"] {
        let text = format!("[policy.destructive_admin]\ntopics = [\"{pattern}\"]\n");
        let line = complaint(&text);
        assert!(
            line.starts_with(&format!("gateway.toml:2:10: policy.destructive_admin.topics: found \"{pattern}\"; allowed: a list of topic names")),
            "{line}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_complained_of_once() {
    let exemption =
        "scenarios = [\"acks_none\"]\nclient_ids = [\"a\"]\nowner = \"o\"\nreason = \"r\"";
    for (text, expected) in [
        (
            format!("[exemptions.a]\n{exemption}\nexpires = 2027-02-03\n"),
            "gateway.toml:6:11: exemptions.a.expires: found 2027-02-03; allowed: a date in quotes, as in \"2027-01-31\"",
        ),
        (
            "[listener]\nbind = \"${NOPE}\"\n".to_owned(),
            "gateway.toml:2:8: listener.bind: found \"${NOPE}\"; the environment variable NOPE is not set, and there is no default (\"${NOPE:-…}\")",
        ),
    ] {
        assert_eq!(complaint(&text), expected);
    }
}

#[test]
fn a_repair_of_a_scenario_that_is_not_in_force_is_warned_of() {
    for (mode, warned) in [("observe", 1), ("off", 1), ("enforce", 0)] {
        let table = format!("[policy.offsets_expired]\nmode = \"{mode}\"\nrepair = true\n");
        let settings = load_text(&format!("{table}{CLUSTER}")).expect("sound");
        let told = warnings(&settings);
        assert_eq!(told.len(), warned, "{told:?}");
        assert!(
            told.iter()
                .all(|line| line.starts_with("policy.offsets_expired.repair: "))
        );
    }
}

#[test]
fn flags_alone_are_enough() {
    let overrides = Overrides {
        bootstrap_servers: Some(vec!["kafka-1:9092".into(), "[::1]:9095".into()]),
        ..Overrides::default()
    };
    let settings = load("", "", &overrides, &|_| None).expect("sound");
    assert_eq!(
        settings.proxy.cluster.bootstrap_servers[1].to_string(),
        "[::1]:9095"
    );
    assert_eq!(settings.proxy.listener.advertised.host, "127.0.0.1");
    assert_eq!(
        settings.proxy.listener.advertised.endpoint(3),
        Some(("127.0.0.1".into(), 9103))
    );
    assert_eq!(
        settings.proxy.policy.modes,
        Scenario::ALL.map(|scenario| scenario.preset(Preset::Default))
    );
    assert_eq!(settings.proxy.limits.max_connections_per_ip, 9000);
}

#[test]
fn a_flag_replaces_the_file_and_is_named_when_it_is_wrong() {
    let overrides = Overrides {
        bootstrap_port: Some(70_000),
        preset: Some("lenient".into()),
        bind: Some("::1".into()),
        ..Overrides::default()
    };
    let text = format!("[listener]\nbootstrap_port = 1\nbind = \"nonsense\"\n{CLUSTER}");
    let Err(error) = load("gateway.toml", &text, &overrides, &|_| None) else {
        panic!("two flags are wrong");
    };
    let lines: Vec<String> = error.0.iter().map(Problem::to_string).collect();
    assert_eq!(
        lines,
        [
            "--preset: policy.preset: found \"lenient\"; allowed: \"default\", \"observe\", \"strict\"",
            "--bootstrap-port: listener.bootstrap_port: found 70000; allowed: 1 to 65535 (port)",
        ]
    );
}

#[test]
fn without_bootstrap_servers_there_is_nothing_to_stand_in_front_of() {
    assert!(
        complaints("")[0]
            .starts_with("cluster.bootstrap_servers: found nothing, and there is no default")
    );
    assert!(
        complaints("[cluster]\nbootstrap_servers = []")[0]
            .starts_with("gateway.toml:2:21: cluster.bootstrap_servers: found []")
    );
    let found = complaints("[cluster]\nbootstrap_servers = [\"a:1\", \"b\", \"http://c:1\"]");
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_in_the_order_of_the_file() {
    let found = complaints(
        "[limits]\nmax_in_flight = 0\nbogus = 1\n[log]\nlevel = \"loud\"\n[policy.acks_none]\nmode = true\n",
    );
    let keys: Vec<&str> = found
        .iter()
        .map(|line| line.split(": ").nth(1).unwrap_or_default())
        .collect();
    assert_eq!(
        keys[..4],
        [
            "limits.max_in_flight",
            "limits.bogus",
            "log.level",
            "policy.acks_none.mode"
        ]
    );
    assert!(
        found[4].starts_with("cluster.bootstrap_servers: "),
        "{found:#?}"
    );
}

#[test]
fn every_number_is_held_to_its_range() {
    for key in keys::KEYS {
        let keys::Allowed::Range(min, max, _) = key.allowed else {
            continue;
        };
        for wrong in [min - 1, max + 1] {
            // [cluster] comes twice, once with the servers: join them.
            let text = match key.table {
                "cluster" => format!("{CLUSTER}{} = {wrong}\n", key.name),
                table => format!("{CLUSTER}[{table}]\n{} = {wrong}\n", key.name),
            };
            let found = complaints(&text);
            let expected = format!("{}: found {wrong}; allowed: {min} to {max} ", key.path());
            assert!(
                found.iter().any(|line| line.contains(&expected)),
                "{expected}: {found:#?}"
            );
        }
    }
}

#[test]
fn a_mode_overrides_the_preset() {
    let text = format!(
        "[policy]\npreset = \"observe\"\n[policy.acks_none]\nmode = \"enforce\"\n[policy.oversized_batch]\nmode = \"off\"\n[policy.acks_leader]\nbelow_min_isr = \"leader\"\n{CLUSTER}"
    );
    let policy = load_text(&text).expect("sound").proxy.policy;
    let expected = Scenario::ALL.map(|scenario| match scenario {
        Scenario::AcksNone => Mode::Enforce,
        Scenario::OversizedBatch => Mode::Off,
        _ => Mode::Observe,
    });
    assert_eq!(policy.modes, expected);
    assert_eq!(policy.below_min_isr, BelowMinIsr::Leader);
}

#[test]
fn a_weak_topic_is_repaired_only_where_it_is_looked_for() {
    let line = complaint("[policy.weak_topic]\nmode = \"off\"\nrepair = \"enforce\"\n");
    assert!(
        line.starts_with(
            "gateway.toml:3:10: policy.weak_topic.repair: found \"enforce\"; allowed: \"off\" while policy.weak_topic.mode"
        ),
        "{line}"
    );
    let text = format!("[policy.weak_topic]\nrepair = \"enforce\"\n{CLUSTER}");
    let policy = load_text(&text).expect("sound").proxy.policy;
    assert_eq!(policy.repair_weak_topic, Mode::Enforce);
    assert_eq!(policy.mode(Scenario::WeakTopic), Mode::Observe);
}

#[test]
fn ports_must_not_meet() {
    let line = complaint("[listener]\nbootstrap_port = 9104\n");
    assert!(
        line.starts_with(
            "gateway.toml:2:18: listener.bootstrap_port: found 9104, which is the port of broker 4;"
        ),
        "{line}"
    );
    let line = complaint("[listener]\nbroker_ids = \"1-3,60000\"\n");
    assert!(line.starts_with("gateway.toml:2:14: listener.broker_port_base: found 9100, which with broker_ids = \"1-3,60000\" gives the ports 9101 to 69100"), "{line}");
    let line = complaint("[listener]\nadvertised_broker_port_base = 65535\n");
    assert!(
        line.contains("listener.advertised_broker_port_base: found 65535"),
        "{line}"
    );
    let line = complaint("[admin]\nbind = \"127.0.0.1:9092\"\n");
    assert!(
        line.contains("admin.bind: found 127.0.0.1:9092, which is one of the Kafka ports"),
        "{line}"
    );
    assert_eq!(
        complaints(&format!("[admin]\nbind = \"127.0.0.2:9092\"\n{CLUSTER}")),
        [""; 0]
    );
}

#[test]
fn a_gateway_does_not_stand_in_front_of_itself() {
    let found = complaints("[cluster]\nbootstrap_servers = [\"localhost:9092\"]");
    assert!(
        found[0].contains("found \"localhost:9092\", which is a port of this gateway"),
        "{found:#?}"
    );
}

#[test]
fn listening_everywhere_needs_a_host_to_advertise() {
    for bind in ["0.0.0.0", "::"] {
        let line = complaint(&format!("[listener]\nbind = \"{bind}\"\n"));
        assert!(
            line.starts_with("listener.advertised_host: found nothing, and listener.bind is "),
            "{line}"
        );
    }
    let text = format!(
        "[listener]\nbind = \"0.0.0.0\"\nadvertised_host = \"kafka.example.com\"\nadvertised_broker_port_base = 19100\n{CLUSTER}"
    );
    let listener = load_text(&text).expect("sound").proxy.listener;
    assert_eq!(
        listener.advertised.endpoint(2),
        Some(("kafka.example.com".into(), 19102))
    );
}

#[test]
fn one_port_for_all_brokers_needs_a_host_for_each() {
    let listener = |host: &str| {
        format!("[listener]\nadvertised_host = \"{host}\"\nadvertised_broker_port = 9092\n")
    };
    let line = complaint(&listener("gateway"));
    assert!(
        line.starts_with("gateway.toml:3:26: listener.advertised_broker_port: found 9092, which with advertised_host = \"gateway\" is one address for all brokers"),
        "{line}"
    );
    let text = format!("{}{CLUSTER}", listener("broker-{id}.kafka"));
    let settings = load_text(&text).expect("sound");
    let advertised = &settings.proxy.listener.advertised;
    assert_eq!(
        advertised.endpoint(7),
        Some(("broker-7.kafka".into(), 9092))
    );
    for host in ["broker-{id", "broker-{ID}", "{id}:9092", "0.0.0.0", "::"] {
        let line = complaint(&listener(host));
        assert!(line.contains("listener.advertised_host: found"), "{line}");
    }
}

#[test]
fn impossible_combinations_are_refused() {
    let line = complaint("[limits]\nmax_in_flight = 4\n");
    assert!(line.starts_with("gateway.toml:2:17: limits.max_absorbed_in_flight: found 8 by default; allowed: at most limits.max_in_flight, which is 4"), "{line}");
    let line = complaint("[drain]\ntimeout_ms = 1000\n");
    assert!(line.contains("drain.close_drain_timeout_ms: found 5000 by default; allowed: at most drain.timeout_ms, which is 1000"), "{line}");
    let line = complaint(
        "[policy.oversized_batch]\nmax_batch_bytes = 2000\n[policy.oversized_request]\nmax_request_bytes = 1500\n",
    );
    assert!(
        line.contains("policy.oversized_batch.max_batch_bytes: found 2000; allowed: at most"),
        "{line}"
    );
}

#[test]
fn an_exemption_has_an_owner_a_reason_a_scope_and_known_scenarios() {
    let found = complaints(&format!(
        "[exemptions.x]\nscenarios = [\"acks_nun\"]\nreason = \" \"\nexpires = \"2027-02-30\"\n{CLUSTER}"
    ));
    let about: Vec<&str> = found
        .iter()
        .map(|line| line.split(": ").nth(1).unwrap_or_default())
        .collect();
    for key in [
        "exemptions.x",
        "exemptions.x.scenarios",
        "exemptions.x.owner",
        "exemptions.x.reason",
        "exemptions.x.expires",
    ] {
        assert!(about.contains(&key), "{key}: {found:#?}");
    }
    assert_eq!(about.len(), 5, "{found:#?}");
}

#[test]
fn what_an_exemption_lacks_is_told_of_at_its_table() {
    let found = complaints(&format!(
        "{CLUSTER}[exemptions.x]\nscenarios = [\"acks_none\"]\ntopics = [\"a\"]\nowner = \"o\"\n"
    ));
    let lines = CLUSTER.lines().count();
    for (key, found) in ["expires", "reason"].iter().zip(&found) {
        let expected = format!(
            ":{}:1: exemptions.x.{key}: found nothing; allowed: ",
            lines + 1
        );
        assert!(found.contains(&expected), "{found}");
    }
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn what_check_prints_reads_back_as_the_same_settings() {
    let text = format!(
        "{CLUSTER}[listener]\nbind = \"::1\"\nbroker_ids = \"1-3,7\"\n[log]\nformat = \"json\"\nsummary_ms = 5000\n\
         [policy.oversized_batch]\nmax_batch_bytes = 2000000\n[exemptions.metrics]\nscenarios = [\"acks_none\"]\n\
         topics = [\"metrics.*\"]\nprincipals = [\"User:svc-*\"]\nowner = \"o\"\nreason = \"r \\\"quoted\\\"\"\nexpires = \"2027-01-31\"\n"
    );
    let settings = load_text(&text).expect("sound");
    let again = load_text(&effective(&settings)).expect("sound");
    assert_eq!(format!("{settings:?}"), format!("{again:?}"));
}

#[test]
fn the_commented_file_holds_the_defaults_and_every_key() {
    let text = commented();
    let settings = load_text(&text).expect("sound");
    let plain = load_text(
        "[cluster]\nbootstrap_servers = [\"kafka-1:9092\", \"kafka-2:9092\", \"kafka-3:9092\"]\n",
    )
    .expect("sound");
    assert_eq!(format!("{settings:?}"), format!("{plain:?}"));
    assert_eq!(settings.proxy.limits.idle_timeout, Duration::from_secs(660));
    for key in keys::KEYS {
        let line = format!("\n{} = ", key.name);
        assert!(
            text.contains(&line) || text.contains(&line.replace('\n', "\n# ")),
            "{}",
            key.path()
        );
    }
}

#[test]
fn the_examples_in_the_commented_file_are_sound() {
    // Uncommented, too: a line of the form "# key = value" or "# [table]" is an example.
    let name = |text: &str| {
        keys::KEYS
            .iter()
            .any(|key| text.starts_with(&format!("{} = ", key.name)))
    };
    let uncommented: Vec<String> = commented()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(inside) if inside.starts_with('[') || name(inside) => inside.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    // Every scenario is in force, and some only where there are no replicas.
    let text = uncommented.join("\n");
    let text = text.replace("single_instance = false", "single_instance = true");
    // And TLS on both sides.
    let text = text.replace("client_auth = \"none\"", "client_auth = \"required\"");
    let text = text.replace("enabled = false", "enabled = true");
    // What only another mechanism has, or another source of the password.
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("password = ") && !line.starts_with("token_file = "))
        .collect();
    let settings = load_text(&text.join("\n")).expect("sound");
    assert_eq!(settings.proxy.policy.exemptions.len(), 1);
    assert!(settings.proxy.cluster.sasl.is_some());
}

#[test]
fn a_port_whose_brokers_are_told_apart_by_name_needs_tls_both_names_and_a_port_of_its_own() {
    let tls = "[listener.tls]\ncertificate_file = \"a\"\nprivate_key_file = \"b\"\n";
    let names = "bootstrap_host = \"kafka.example.com\"\nbroker_host = \"b{id}.example.com\"\n";
    let text = |tls: &str, sni: &str| format!("{CLUSTER}{tls}[listener.sni]\n{sni}");
    let sound = load_text(&text(tls, &format!("port = 9094\n{names}"))).expect("sound");
    let sni = sound.proxy.listener.sni.expect("a port");
    assert_eq!(
        sni.advertised.endpoint(7),
        Some(("b7.example.com".into(), 9094))
    );
    for (text, said) in [
        (
            text("", &format!("port = 9094\n{names}")),
            "listener.sni.port: found 9094 without listener.tls.certificate_file; allowed: ",
        ),
        (
            text(tls, names),
            "listener.sni.port: found nothing beside other keys",
        ),
        (
            text(tls, "port = 9094\nbroker_host = \"b{id}\"\n"),
            "listener.sni.bootstrap_host: found nothing beside port; allowed: a host name",
        ),
        (
            text(
                tls,
                "port = 9094\nbootstrap_host = \"b\"\nbroker_host = \"b\"\n",
            ),
            "listener.sni.broker_host: found \"b\"; allowed: a host name with one {id}",
        ),
        (
            text(
                tls,
                "port = 9094\nbootstrap_host = \"B5.x\"\nbroker_host = \"b{id}.x\"\n",
            ),
            "listener.sni.bootstrap_host: found \"B5.x\", which is also a broker's",
        ),
        (
            text(
                tls,
                "port = 9094\nbootstrap_host = \"::1\"\nbroker_host = \"b{id}.x\"\n",
            ),
            "listener.sni.bootstrap_host: found \"::1\"; allowed: a host name",
        ),
        (
            text(tls, &format!("port = 9092\n{names}")),
            "listener.sni.port: found 9092, which is one of the other ports",
        ),
        (
            text(tls, &format!("port = 9103\n{names}")),
            "listener.sni.port: found 9103, which is one of the other ports",
        ),
    ] {
        let found = complaints(&text);
        assert!(
            found.iter().any(|line| line.contains(said)),
            "{said}: {found:#?}"
        );
    }
}

#[test]
fn every_key_has_a_value_in_force_when_it_is_set() {
    let text = format!(
        "{CLUSTER}[policy.oversized_batch]\nmax_batch_bytes = 2000\n[policy.oversized_request]\nmax_request_bytes = 2000\n[policy.not_idempotent]\ntopics = [\"pay*\"]\n[policy.not_transactional]\ntopics = [\"ledger\"]\n\
         [policy.destructive_admin]\ntopics = [\"orders\"]\ngroups = [\"billing\"]\n[policy.partition_growth]\ntopics = [\"accounts\"]\n\
         [policy.commit_hold_back]\ngroups = [\"mailer\"]\n\
         [listener.tls]\ncertificate_file = \"a\"\nprivate_key_file = \"b\"\nclient_auth = \"required\"\nclient_ca_file = \"c\"\nclient_crl_files = [\"d\"]\n\
         [listener.sni]\nport = 9094\nbootstrap_host = \"kafka\"\nbroker_host = \"broker-{{id}}\"\n\
         [cluster.tls]\nenabled = true\nca_file = \"a\"\ncertificate_file = \"b\"\nprivate_key_file = \"c\"\n\
         [listener]\nadvertised_host = \"broker-{{id}}\"\nadvertised_broker_port = 9092\n"
    );
    let settings = load_text(&text).expect("sound");
    let here = |key: &&&keys::Key| key.table != keys::EXEMPTION && key.table != "cluster.sasl";
    for key in keys::KEYS.iter().filter(here) {
        assert!(value(&settings, key).is_some(), "{}", key.path());
    }
}

#[test]
fn what_joins_all_connections_of_a_group_is_in_force_only_where_there_are_no_replicas() {
    for scenario in ["commit_ahead", "commit_hold_back"] {
        let text = |single, mode| {
            format!(
                "{CLUSTER}[policy]\nsingle_instance = {single}\n[policy.{scenario}]\nmode = \"{mode}\"\n"
            )
        };
        for sound in [text(true, "enforce"), text(false, "observe")] {
            assert!(load_text(&sound).is_ok(), "{sound}");
        }
        let found = complaints(&text(false, "enforce"));
        assert_eq!(found.len(), 1, "{found:?}");
        let place = format!(
            "policy.{scenario}.mode: found \"enforce\" without policy.single_instance = true; allowed: "
        );
        assert!(found[0].contains(&place), "{found:?}");
    }
}

fn sasl(table: &str) -> String {
    format!("{CLUSTER}[cluster.sasl]\n{table}")
}

#[test]
fn each_mechanism_has_credentials_of_its_own() {
    for (table, expected) in [
        (
            "mechanism = \"PLAIN\"\nusername = \"u\"\npassword = \"p\"\n",
            "[cluster.sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\n# password: given, and not shown\n",
        ),
        (
            "mechanism = \"SCRAM-SHA-512\"\nusername = \"u\"\npassword_file = \"/f\"\n",
            "[cluster.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"u\"\npassword_file = \"/f\"\n",
        ),
        (
            "mechanism = \"OAUTHBEARER\"\ntoken_file = \"/f\"\n",
            "[cluster.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_file = \"/f\"\n",
        ),
    ] {
        let settings = load_text(&sasl(table)).expect("sound");
        let printed = effective(&settings);
        assert!(printed.contains(expected), "{printed}");
        let shows = warnings(&settings);
        assert_eq!(
            shows.len(),
            usize::from(!table.contains("SCRAM")),
            "{shows:?}"
        );
    }
    let none = load_text(CLUSTER).expect("sound");
    assert!(none.proxy.cluster.sasl.is_none() && warnings(&none).is_empty());
    assert!(!effective(&none).contains("sasl"));
}

#[test]
fn credentials_that_do_not_fit_together_are_complained_of_by_key() {
    let check = |table: &str, expected: &str| {
        let found = complaints(&sasl(table));
        assert_eq!(found.len(), 1, "{table}: {found:#?}");
        assert!(found[0].contains(expected), "{found:?}");
    };
    let plain = "mechanism = \"PLAIN\"\nusername = \"u\"\n";
    check(
        &format!("{plain}password = \"p\"\npassword_file = \"/f\"\n"),
        ":7:17: cluster.sasl.password_file: found beside cluster.sasl.password; allowed: one of them",
    );
    check(
        plain,
        ":4:13: cluster.sasl.password: found nothing, and no password_file",
    );
    check(
        "mechanism = \"SCRAM-SHA-256\"\npassword = \"p\"\n",
        "cluster.sasl.username: found nothing; allowed: ",
    );
    check(
        "mechanism = \"OAUTHBEARER\"\n",
        "cluster.sasl.token_file: found nothing; allowed: ",
    );
    check(
        "mechanism = \"OAUTHBEARER\"\ntoken_file = \"/f\"\nusername = \"u\"\n",
        "cluster.sasl.username: found beside mechanism = \"OAUTHBEARER\"; allowed: nothing",
    );
    check(
        &format!("{plain}password = \"p\"\ntoken_file = \"/f\"\n"),
        "cluster.sasl.token_file: found beside mechanism = \"PLAIN\"; allowed: nothing",
    );
    check(
        "username = \"u\"\n",
        "cluster.sasl.mechanism: found nothing beside cluster.sasl.username; allowed: \"PLAIN\"",
    );
    check(
        "mechanism = \"scram\"\nusername = \"u\"\n",
        "cluster.sasl.mechanism: found \"scram\"; allowed: \"PLAIN\", \"SCRAM-SHA-256\"",
    );
    check(
        &format!("{plain}password = \"\"\n"),
        "cluster.sasl.password: found a text of 0 bytes; allowed: ",
    );
    let found = complaint(
        "[exemptions.x]\nscenarios = [\"acks_none\"]\nprincipals = [\"alice\"]\nowner = \"o\"\nreason = \"r\"\nexpires = \"2027-01-31\"\n",
    );
    assert!(
        found.contains("exemptions.x.principals: found \"alice\"; allowed: "),
        "{found}"
    );
}

/// Whatever is wrong, and however it is shown.
#[test]
fn a_password_is_never_shown() {
    let variable = |name: &str| (name == "SET").then(|| "hunter2".to_owned());
    let head = format!("{CLUSTER}[cluster.sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\n");
    let settings = load(
        "f",
        &format!("{head}password = \"${{SET}}\"\n"),
        &Overrides::default(),
        &variable,
    );
    let settings = settings.expect("sound");
    for shown in [
        effective(&settings),
        format!("{settings:?}"),
        warnings(&settings).concat(),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for wrong in [
        "password = \"hunter2\\u0000\"\n",
        "password = [\"hunter2\"]\n",
        "password = { hunter2 = 1 }\n",
        "password = \"${UNSET}hunter2\"\n",
        "password = \"${SET}\"\npassword_file = \"/f\"\n",
        "password = \"hunter2\n",
        "password = hunter2\n",
    ] {
        let found = load(
            "f",
            &format!("{head}{wrong}"),
            &Overrides::default(),
            &variable,
        );
        let text = found.expect_err("wrong").to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
    let whole = format!("{CLUSTER}sasl = \"hunter2\"\n");
    let text = complaints(&whole).concat();
    assert!(!text.is_empty() && !text.contains("hunter2"), "{text}");
}

#[test]
fn one_mistake_is_one_complaint() {
    assert_eq!(
        complaints("[cluster]\nbootstrap_servers = \"kafka-1:9092\"\n").len(),
        1
    );
    assert_eq!(complaints("[cluster\n").len(), 1);
}

/// By the published values of FNV-1a.
#[test]
fn the_hash_of_settings_is_the_same_everywhere_and_another_one_for_others() {
    assert_eq!(super::hash(""), "cbf29ce484222325");
    assert_eq!(super::hash("a"), "af63dc4c8601ec8c");
    assert_ne!(super::hash("[listener]\n"), super::hash("[cluster]\n"));
}
