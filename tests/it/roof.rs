//! The program from outside: what it prints where, and its exit codes. It needs no broker.

use crate::support::certificates::Ca;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Metrics, Options};
use crate::support::ports;
use crate::support::promtool;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn holdfast(arguments: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(arguments)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = ran.expect("the program was built");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn check_accepts_an_exemption_that_is_over_and_says_so() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = "[cluster]\nbootstrap_servers = [\"kafka-1:9092\"]\n[exemptions.old]\nscenarios = [\"acks_none\"]\n\
                topics = [\"metrics\"]\nowner = \"o\"\nreason = \"r\"\nexpires = \"2020-02-29\"\n";
    std::fs::write(file.path(), text).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let (code, _, errors) = holdfast(&["check", "--config", path]);
    assert_eq!(code, Some(0));
    assert_eq!(
        errors,
        "holdfast: exemptions.old: its last day was 2020-02-29, so it has no effect\n"
    );
}

#[test]
fn check_names_the_mistakes_of_tls_files() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("written");
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let (good, another) = (ca.localhost(), other.localhost());
    let expired = ca.sign(&["localhost"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    write("ca", &ca.pem);
    write("crt", &good.certificate);
    write("key", &good.key);
    write("other.key", &another.key);
    write("expired.crt", &expired.certificate);
    write("expired.key", &expired.key);
    let listener = |certificate: &str, key: &str| {
        format!(
            "[listener.tls]\ncertificate_file = \"{}\"\nprivate_key_file = \"{}\"\n",
            path(certificate),
            path(key)
        )
    };
    let cluster = |ca: &str, certificate: &str, key: &str| {
        format!(
            "[cluster.tls]\nenabled = true\nca_file = \"{}\"\ncertificate_file = \"{}\"\nprivate_key_file = \"{}\"\n",
            path(ca),
            path(certificate),
            path(key)
        )
    };
    let check = |tls: &str| {
        let text = format!("[cluster]\nbootstrap_servers = [\"kafka-1:9092\"]\n{tls}");
        write("gateway.toml", &text);
        let (code, _, errors) = holdfast(&["check", "--config", &path("gateway.toml")]);
        (code, errors)
    };
    let good = listener("crt", "key") + &cluster("ca", "crt", "key");
    assert_eq!(check(&good), (Some(0), String::new()));
    for (tls, key, file, found) in [
        (
            listener("none", "key"),
            "listener.tls.certificate_file",
            "none",
            "no file that can be read",
        ),
        (
            listener("expired.crt", "expired.key"),
            "listener.tls.certificate_file",
            "expired.crt",
            "expired on",
        ),
        (
            listener("crt", "other.key"),
            "listener.tls.private_key_file",
            "other.key",
            "does not belong to the certificate",
        ),
        (
            listener("crt", "crt"),
            "listener.tls.private_key_file",
            "crt",
            "no PEM private key",
        ),
        (
            cluster("key", "crt", "key"),
            "cluster.tls.ca_file",
            "key",
            "no PEM certificate in it",
        ),
        (
            cluster("ca", "expired.crt", "expired.key"),
            "cluster.tls.certificate_file",
            "expired.crt",
            "expired on",
        ),
        (
            cluster("ca", "crt", "other.key"),
            "cluster.tls.private_key_file",
            "other.key",
            "does not belong to the certificate",
        ),
    ] {
        let (code, errors) = check(&tls);
        assert_eq!(code, Some(2), "{errors}");
        let said = format!("{key}: {}: found ", path(file));
        assert!(errors.contains(&said) && errors.contains(found), "{errors}");
    }
}

#[test]
fn check_prints_settings_that_it_accepts_itself() {
    let (code, printed, errors) = holdfast(&["check", "--bootstrap-server", "kafka-1:9092"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &printed).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    assert_eq!(
        holdfast(&["check", "--config", path]),
        (code, printed, errors)
    );
}

#[test]
fn a_wrong_configuration_ends_with_2_and_every_mistake_in_the_place_for_errors() {
    for command in ["run", "check"] {
        let arguments = [command, "--bootstrap-port", "0", "--preset", "lenient"];
        let (code, printed, errors) = holdfast(&arguments);
        assert_eq!((code, printed.as_str()), (Some(2), ""));
        for line in [
            "holdfast: 3 problems with the configuration\n",
            "\n--bootstrap-port: listener.bootstrap_port: found 0; allowed: 1 to 65535 (port)\n",
            "\n--preset: policy.preset: found \"lenient\"; allowed: \"default\", \"observe\", \"strict\"\n",
            "\ncluster.bootstrap_servers: found nothing",
        ] {
            assert!(errors.contains(line), "{line:?} in {errors}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (code, _, errors) = holdfast(&["run", "--config", "no/such.toml"]);
    assert_eq!(code, Some(2));
    assert!(errors.starts_with("holdfast: no/such.toml: "), "{errors}");
}

#[test]
fn explain_prints_the_manual_and_the_list() {
    let (code, printed, _) = holdfast(&["explain", "acks_none"]);
    assert_eq!(code, Some(0));
    assert!(printed.starts_with("# acks_none: "), "{printed}");
    let (code, printed, _) = holdfast(&["explain"]);
    assert_eq!(
        (code, printed.contains("oversized_request")),
        (Some(0), true)
    );
    let (code, _, errors) = holdfast(&["explain", "acks_nun"]);
    assert_eq!((code, errors.contains("acks_leader")), (Some(2), true));
}

#[test]
fn report_tells_of_a_running_gateway_as_a_table_and_as_json() {
    // Nobody listens behind it: it is not ready, and reports all the same.
    let gateway = Holdfast::launch(Options::new("127.0.0.1:1"));
    let admin = gateway.admin_addr();
    let begun = Instant::now();
    while gateway.get("/livez").is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{}",
            gateway.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let (code, printed, errors) = holdfast(&["report", "--admin", &admin]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for words in ["preset default, starting\n", "\nacks_none ", "\nCLIENT ID "] {
        assert!(printed.contains(words), "{words:?} in {printed}");
    }
    let (code, printed, _) = holdfast(&["report", "--admin", &admin, "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((code, &json["preset"]), (Some(0), &"default".into()));
    assert_eq!(json["clients"], serde_json::json!([]));
}

#[test]
fn a_report_that_nobody_gives_ends_with_1_and_the_address() {
    let (code, printed, errors) = holdfast(&["report", "--admin", "127.0.0.1:1"]);
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(
        errors.starts_with("holdfast: no report from 127.0.0.1:1: "),
        "{errors}"
    );
}

#[test]
fn an_audit_that_nobody_answers_ends_with_2_and_names_every_server_and_its_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = listener.local_addr().expect("bound").port();
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = "[cluster]\nconnect_timeout_ms = 2000\n";
    std::fs::write(file.path(), text).expect("written");
    // Closes every connection at once, without a word.
    let closing = std::thread::spawn(move || drop(listener.accept()));
    let servers = format!("127.0.0.1:{silent},127.0.0.1:1");
    let config = file.path().to_str().expect("UTF-8");
    let arguments = ["audit", "--config", config, "--bootstrap-server", &servers];
    let (code, printed, errors) = holdfast(&arguments);
    closing.join().expect("accepted");
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(
        lines[0],
        "holdfast: audit: no bootstrap server could be audited:"
    );
    let first = format!("  127.0.0.1:{silent}: ");
    assert!(lines[1].starts_with(&first), "{errors}");
    assert!(lines[2].starts_with("  127.0.0.1:1: "), "{errors}");
    assert_eq!(lines.len(), 3, "{errors}");
}

#[test]
fn an_audit_takes_no_flag_that_it_does_not_know_and_its_help_names_its_exit_codes() {
    let (code, printed, _) = holdfast(&["audit", "--fail-on", "info"]);
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    let (code, printed, errors) = holdfast(&["audit"]);
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    assert!(errors.contains("--bootstrap-server HOST:PORT"), "{errors}");
    let (code, printed, _) = holdfast(&["audit", "--help"]);
    assert_eq!(code, Some(0));
    for line in ["Exit codes:\n", "--output <OUTPUT>", "--fail-on <FAIL_ON>"] {
        assert!(printed.contains(line), "{line:?} in {printed}");
    }
}

#[test]
fn version_is_one_line_and_help_names_every_flag_and_what_it_overrides() {
    let line = format!("holdfast {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(holdfast(&["--version"]), (Some(0), line, String::new()));
    let flags = [
        ("--config <FILE>", "Configuration file"),
        (
            "--bootstrap-server <HOST:PORT,…>",
            "[cluster.bootstrap_servers]",
        ),
        ("--bind <IP>", "[listener.bind, "),
        ("--bootstrap-port <PORT>", "[listener.bootstrap_port, "),
        ("--broker-port-base <PORT>", "[listener.broker_port_base, "),
        ("--broker-ids <IDS>", "[listener.broker_ids, "),
        ("--admin-bind <HOST:PORT>", "[admin.bind, "),
        ("--preset <default|observe|strict>", "[policy.preset]"),
        ("--log-level <LEVEL>", "[log.level, "),
        ("--log-format <FORMAT>", "[log.format, "),
    ];
    for arguments in [&["--help"][..], &["run", "--help"], &["check", "--help"]] {
        let (code, printed, errors) = holdfast(arguments);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        // However the lines are broken.
        let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        for (flag, says) in flags {
            let (_, after) = words
                .split_once(flag)
                .unwrap_or_else(|| panic!("{arguments:?}: no {flag} in {printed}"));
            assert!(after.contains(says), "{arguments:?} {flag}: {printed}");
        }
    }
    let (_, printed, _) = holdfast(&["--help"]);
    for part in ["run", "check", "explain", "Examples:", "SIGTERM"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

#[test]
fn json_logs_are_one_object_a_line_and_nothing_else_is_printed() {
    // Nobody listens there: looks fail, clients are turned away, and the log has something to say of both.
    let nobody = format!("127.0.0.1:{}", ports::free());
    let options = Options::new(&nobody)
        .log("debug", "json")
        .config("[drain]\ndelay_ms = 0\n");
    let mut gateway = Holdfast::launch(options);
    eventually("a port is bound", Duration::from_secs(20), || {
        let mut client = TcpStream::connect(gateway.bootstrap()).map_err(|e| e.to_string())?;
        let frame = crate::support::raw::request_frame(18, 0, 7, Some("a \"quoted\"\nid"), b"");
        std::io::Write::write_all(&mut client, &frame).map_err(|e| e.to_string())
    });
    eventually(
        "there is a log",
        Duration::from_secs(20),
        || match gateway.log().lines().count() {
            lines if lines >= 3 => Ok(()),
            lines => Err(format!("{lines} lines")),
        },
    );
    gateway.sigterm();
    let status = gateway.wait_exit(Duration::from_secs(20));
    let log = gateway.log();
    assert!(status.is_some_and(|status| status.success()), "{log}");
    for line in log.lines() {
        let object: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        for key in ["timestamp", "level"] {
            assert!(object[key].is_string(), "no {key} in {line}");
        }
    }
}

#[test]
fn a_header_of_the_proxy_protocol_is_waited_for_as_the_settings_in_force_say() {
    let toml = |timeout_ms: u32| {
        format!(
            "[listener]\nproxy_protocol = \"required\"\n[limits]\nheader_timeout_ms = {timeout_ms}\n"
        )
    };
    let mut gateway = Holdfast::launch(Options::new("127.0.0.1:1").config(&toml(600_000)));
    let applied = |gateway: &Holdfast| match gateway.get("/metrics") {
        Ok((200, text)) => {
            Metrics::parse(&text).value("holdfast_config_reloads_total", &[("outcome", "applied")])
        }
        _ => -1.0,
    };
    let waits = |gateway: &Holdfast, times: f64| {
        eventually("applied", Duration::from_secs(20), || {
            match applied(gateway) {
                found if found == times => Ok(()),
                found => Err(format!("{found} times")),
            }
        });
    };
    waits(&gateway, 0.0);
    std::fs::write(gateway.config_file(), toml(200)).expect("written");
    gateway.sighup();
    waits(&gateway, 1.0);
    let mut silent = TcpStream::connect(gateway.bootstrap()).expect("connected");
    let patience = Some(Duration::from_secs(20));
    silent.set_read_timeout(patience).expect("a socket option");
    let read = std::io::Read::read(&mut silent, &mut [0]);
    assert!(matches!(read, Ok(0)), "{read:?}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let gateway = Holdfast::launch(Options::new("127.0.0.1:1"));
    let metrics = eventually("metrics", Duration::from_secs(20), || {
        match gateway.get("/metrics") {
            Ok((200, text)) => Ok(text),
            other => Err(format!("{other:?}")),
        }
    });
    let checked = promtool::check_metrics(&metrics);
    let said = checked.ok().to_owned() + &checked.stderr;
    assert_eq!(said.trim(), "");
}
