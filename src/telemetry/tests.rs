//! Tests of telemetry: events in, an exposition out.

use super::*;
use crate::session::event::{Limit, Outcome, OutcomeCause, Side};
use crate::wire::api::ErrorCode;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

fn policy() -> policy::Settings {
    policy::Settings {
        modes: [Mode::Enforce; Scenario::COUNT],
        exemptions: vec![Exemption {
            name: "metrics".into(),
            scenarios: vec![Scenario::AcksNone],
            topics: Vec::new(),
            client_ids: vec![policy::Pattern("telegraf".into())],
            groups: Vec::new(),
            principals: Vec::new(),
            owner: "o".into(),
            reason: "r".into(),
            expires: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)),
        }],
        ..policy::Settings::default()
    }
}

fn telemetry() -> Arc<Telemetry> {
    let settings = Settings {
        max_label_values: 2,
        summary: Duration::from_secs(60),
    };
    Telemetry::new(&settings, &policy())
}

fn text(telemetry: &Telemetry) -> String {
    String::from_utf8(telemetry.exposition()).expect("UTF-8")
}

fn overridden(mode: Mode, count: u64) -> Event {
    Event::Override {
        scenario: Scenario::AcksNone,
        mode,
        api_key: ApiKey::PRODUCE,
        count,
    }
}

fn topic(name: &str) -> Event {
    Event::OverrideTopic {
        scenario: Scenario::AcksNone,
        mode: Mode::Enforce,
        topic: name.into(),
        records: 3,
        count: 1,
    }
}

fn rejection() -> Event {
    Event::Rejection {
        scenario: Scenario::OversizedBatch,
        mode: Mode::Enforce,
        api_key: ApiKey::PRODUCE,
        error_code: ErrorCode::MESSAGE_TOO_LARGE,
        topic: None,
        records: 7,
        bytes: 700,
        count: 1,
    }
}

fn acks0(outcome: Outcome, exact: bool) -> Event {
    Event::Acks0 {
        outcome,
        cause: OutcomeCause::BrokerAnswer,
        correlation_id: 1,
        topic: None,
        partition: 0,
        records: 5,
        bytes: 50,
        exact,
    }
}

#[test]
fn every_family_is_there_from_the_start_but_those_that_name_clients() {
    let text = text(&telemetry());
    for family in FAMILIES {
        // Those of certificates come with their files.
        let later = [["topic"], ["hash"], ["usage"]]
            .iter()
            .any(|labels| family.labels == labels);
        let named = family.name.contains("_by_") || later;
        let shown = text.contains(&format!("# TYPE {} {}\n", family.name, family.kind.name()));
        assert_eq!(shown, !named, "{}", family.name);
    }
    for line in [
        "holdfast_overrides_total{api_key=\"Produce\",mode=\"enforce\",scenario=\"acks_none\"} 0",
        "holdfast_rejections_total{api_key=\"Produce\",error_code=\"MESSAGE_TOO_LARGE\",mode=\"observe\",scenario=\"oversized_request\"} 0",
        "holdfast_acks0_records_total{cause=\"broker_lost\",outcome=\"unknown\"} 0",
        "holdfast_enforcement_mode{mode=\"enforce\",scenario=\"acks_leader\"} 1",
        "holdfast_enforcement_mode{mode=\"off\",scenario=\"acks_leader\"} 0",
        "holdfast_exemption_hits_total{exemption=\"metrics\",scenario=\"acks_none\"} 0",
        "holdfast_exemption_expiry_timestamp_seconds{exemption=\"metrics\"} 2000000000",
        "holdfast_added_latency_seconds_bucket{direction=\"request\",le=\"0.00005\"} 0",
        "process_open_fds ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        !text.contains("outcome=\"confirmed\",cause=\"policy\"")
            && !text.contains("cause=\"policy\",outcome=\"confirmed\"")
    );
}

#[test]
fn no_series_appears_by_traffic_where_all_were_foreseen() {
    let telemetry = telemetry();
    let series = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.contains("_by_"))
            .count()
    };
    let before = series(&text(&telemetry));
    let mut meter = telemetry.connection(CLIENT);
    for event in [
        overridden(Mode::Observe, 1),
        topic("t"),
        rejection(),
        acks0(Outcome::Unknown, true),
    ] {
        meter.record(&event);
    }
    drop(meter);
    assert_eq!(series(&text(&telemetry)), before);
}

#[test]
fn events_end_in_their_counters() {
    let telemetry = telemetry();
    let mut meter = telemetry.connection(CLIENT);
    meter.record(&Event::ClientId(Some("app".into())));
    meter.record(&Event::Requests {
        api_key: ApiKey::PRODUCE,
        count: 9,
    });
    meter.record(&Event::Requests {
        api_key: ApiKey(-7),
        count: 1,
    });
    meter.record(&overridden(Mode::Enforce, 4));
    meter.record(&topic("orders"));
    meter.record(&rejection());
    meter.record(&acks0(Outcome::Confirmed, true));
    meter.record(&acks0(Outcome::Refused, false));
    meter.record(&Event::Exempted {
        scenario: Scenario::AcksNone,
        exemption: "metrics".into(),
        count: 2,
    });
    meter.record(&Event::AbsorbedError {
        error_code: ErrorCode(6),
        topic: None,
        partition: 0,
    });
    for (family, labels, expected) in [
        ("holdfast_requests_total", vec![("api_key", "Produce")], 9),
        ("holdfast_requests_total", vec![("api_key", "Unknown")], 1),
        (
            "holdfast_overrides_total",
            vec![("scenario", "acks_none"), ("mode", "enforce")],
            4,
        ),
        (
            "holdfast_overrides_by_client_total",
            vec![("client_id", "app")],
            4,
        ),
        (
            "holdfast_overrides_by_topic_total",
            vec![("topic", "orders")],
            1,
        ),
        (
            "holdfast_rejections_total",
            vec![("error_code", "MESSAGE_TOO_LARGE")],
            1,
        ),
        (
            "holdfast_rejections_by_topic_total",
            vec![("topic", "__none__")],
            1,
        ),
        ("holdfast_rejected_records_total", vec![], 7),
        ("holdfast_rejected_bytes_total", vec![], 700),
        ("holdfast_acks0_records_total", vec![], 10),
        (
            "holdfast_acks0_bytes_total",
            vec![("outcome", "refused")],
            50,
        ),
        ("holdfast_acks0_inexact_total", vec![], 1),
        ("holdfast_exemption_hits_total", vec![], 2),
        (
            "holdfast_absorbed_errors_total",
            vec![("error_code", "NOT_LEADER_OR_FOLLOWER")],
            1,
        ),
    ] {
        assert_eq!(
            telemetry.sum(family, &labels),
            expected,
            "{family} {labels:?}"
        );
    }
}

#[test]
fn a_new_client_id_is_counted_under_its_own_name_and_beyond_the_cap_under_other() {
    let telemetry = telemetry();
    let mut meter = telemetry.connection(CLIENT);
    for name in ["a", "b", "c", "a"] {
        meter.record(&Event::ClientId(Some(name.into())));
        meter.record(&overridden(Mode::Enforce, 1));
    }
    let count = |name| telemetry.sum("holdfast_overrides_by_client_total", &[("client_id", name)]);
    assert_eq!(
        (count("a"), count("b"), count("c"), count("__other__")),
        (2, 1, 0, 1)
    );
    let overflow = telemetry.sum(
        "holdfast_label_overflow_total",
        &[("family", "holdfast_overrides_by_client_total")],
    );
    assert_eq!(overflow, 1);
}

#[test]
fn more_topics_than_a_connection_keeps_are_all_counted() {
    let telemetry = telemetry();
    let mut meter = telemetry.connection(CLIENT);
    for round in 0..3 {
        for number in 0..100 + round {
            meter.record(&topic(&format!("topic-{number}")));
        }
    }
    meter.record(&topic(&"x".repeat(300)));
    assert_eq!(telemetry.sum("holdfast_overrides_by_topic_total", &[]), 304);
}

#[test]
fn accepted_connections_are_those_open_and_those_closed_by_cause() {
    let telemetry = telemetry();
    let closed = |cause| {
        telemetry.sum(
            "holdfast_client_connections_closed_total",
            &[("cause", cause)],
        )
    };
    let mut meter = telemetry.connection(CLIENT);
    meter.upstream_opened();
    assert_eq!(telemetry.sum("holdfast_client_connections", &[]), 1);
    assert_eq!(telemetry.sum("holdfast_upstream_connections", &[]), 1);
    meter.record(&Event::Closed {
        cause: CloseCause::Idle,
    });
    drop(meter);
    drop(telemetry.connection(CLIENT));
    let panicking = telemetry.clone();
    let task = std::thread::spawn(move || {
        let _meter = panicking.connection(CLIENT);
        panic!("on purpose");
    });
    assert!(task.join().is_err());
    assert_eq!(
        (closed("idle"), closed("drain"), closed("panic")),
        (1, 1, 1)
    );
    assert_eq!(telemetry.sum("holdfast_panics_total", &[]), 1);
    assert_eq!(telemetry.sum("holdfast_client_connections_total", &[]), 3);
    assert_eq!(telemetry.sum("holdfast_client_connections", &[]), 0);
    assert_eq!(telemetry.sum("holdfast_upstream_connections", &[]), 0);
}

#[test]
fn a_tap_sees_every_event() {
    let telemetry = telemetry();
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    telemetry.set_tap(Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let mut meter = telemetry.connection(CLIENT);
    meter.record(&rejection());
    meter.record(&Event::Closed {
        cause: CloseCause::ClientClosed,
    });
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}

#[test]
fn an_exemption_stops_counting_as_active_when_it_expires() {
    let telemetry = telemetry();
    assert_eq!(telemetry.sum("holdfast_exemptions_active", &[]), 1);
    telemetry.exemption_expired(&policy().exemptions[0]);
    assert_eq!(telemetry.sum("holdfast_exemptions_active", &[]), 0);
}

#[test]
fn readiness_comes_once_and_ends_with_the_drain() {
    let telemetry = telemetry();
    assert_eq!(telemetry.readiness(), Readiness::Starting);
    telemetry.set_ready();
    assert_eq!(telemetry.readiness(), Readiness::Ready);
    telemetry.set_draining();
    assert_eq!(telemetry.readiness(), Readiness::Draining);
}

#[test]
fn gauges_are_sampled_before_a_scrape() {
    let telemetry = telemetry();
    telemetry.set_sampler(Box::new(|telemetry| telemetry.set_buffer_bytes(42)));
    assert!(text(&telemetry).contains("\nholdfast_buffer_bytes 42\n"));
}

/// What is logged while `work` runs.
fn logged(work: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("sound").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(lines.0.lock().expect("sound").clone()).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_is_only_counted_is_never_told_as_enforced() {
    let telemetry = telemetry();
    let lines = logged(|| {
        let mut meter = telemetry.connection(CLIENT);
        for completeness in [Completeness::Exact, Completeness::Partial] {
            meter.record(&Event::Observed {
                scenario: Scenario::IgnoredError,
                completeness,
                topic: Some("orders".into()),
                group: None,
                count: 1,
            });
        }
        telemetry.summarize();
    });
    let told = |line: &String| line.contains("scenario=\"ignored_error\" mode=\"observe\"");
    assert!(lines.len() == 2 && lines.iter().all(told), "{lines:#?}");
}

#[test]
fn an_override_is_logged_once_per_client_and_topic_and_then_summed_up() {
    let telemetry = telemetry();
    let lines = logged(|| {
        for _ in 0..3 {
            let mut meter = telemetry.connection(CLIENT);
            meter.record(&Event::ClientId(Some("app\nforged".into())));
            for _ in 0..50 {
                meter.record(&overridden(Mode::Enforce, 1));
                meter.record(&topic("orders"));
            }
        }
        telemetry.summarize();
        telemetry.summarize();
    });
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("requests are overridden"), "{}", lines[0]);
    let expected = "topic=\"orders\" requests=150 records=450";
    assert!(lines[1].contains(expected), "{}", lines[1]);
    assert!(lines[1].contains("app\\nforged"), "{}", lines[1]);
}

#[test]
fn misdeeds_are_held_to_a_rate_and_tls_is_called_by_its_name() {
    let telemetry = telemetry();
    let lines = logged(|| {
        for _ in 0..20 {
            let mut meter = telemetry.connection(CLIENT);
            meter.record(&Event::Misdeed {
                cause: CloseCause::TlsOnPlainPort,
                detail: "found 16 03 01".into(),
            });
            meter.record(&Event::Closed {
                cause: CloseCause::TlsOnPlainPort,
            });
        }
        telemetry.summarize();
    });
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines[0].contains("a client speaks TLS"), "{}", lines[0]);
    assert!(lines[5].contains("suppressed=15"), "{}", lines[5]);
}

#[test]
fn requests_of_apis_without_a_name_are_told_apart_by_number_up_to_a_cap() {
    let telemetry = telemetry();
    let mut meter = telemetry.connection(CLIENT);
    for key in 1000..1000 + MAX_UNKNOWN_APIS as i16 + 3 {
        let api_key = ApiKey(key);
        meter.record(&Event::Requests { api_key, count: 2 });
    }
    meter.record(&Event::Requests {
        api_key: ApiKey::PRODUCE,
        count: 9,
    });
    let of = |key: &str| telemetry.sum("holdfast_unknown_api_total", &[("api_key", key)]);
    assert_eq!(
        (of("1000"), of("1015"), of("1016"), of(OTHER)),
        (2, 2, 0, 6)
    );
    assert_eq!(telemetry.sum("holdfast_unknown_api_total", &[]), 38);
}

#[test]
fn what_does_not_follow_its_schema_is_counted_by_api_and_side() {
    let telemetry = telemetry();
    let mut meter = telemetry.connection(CLIENT);
    for side in [Side::Client, Side::Broker, Side::Broker] {
        let api_key = ApiKey::METADATA;
        meter.record(&Event::Undecodable { api_key, side });
    }
    let text = text(&telemetry);
    for line in [
        r#"holdfast_decode_failures_total{api_key="Metadata",side="broker"} 2"#,
        r#"holdfast_decode_failures_total{api_key="Metadata",side="client"} 1"#,
        r#"holdfast_decode_failures_total{api_key="Produce",side="client"} 0"#,
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn the_time_to_an_answer_is_told_by_api_and_of_the_rare_ones_together() {
    let telemetry = telemetry();
    let mut meter = telemetry.connection(CLIENT);
    for api_key in [
        ApiKey::PRODUCE,
        ApiKey::FIND_COORDINATOR,
        ApiKey(12),
        ApiKey(999),
    ] {
        let micros = 30_000;
        meter.record(&Event::Answered { api_key, micros });
    }
    let text = text(&telemetry);
    let count = |api_key: &str, count: u64| {
        let name = "holdfast_upstream_latency_seconds_count";
        let line = format!("{name}{{api_key=\"{api_key}\"}} {count}");
        assert!(text.contains(&line), "{line}");
    };
    count("Produce", 1);
    count("FindCoordinator", 1);
    count("Fetch", 0);
    count(OTHER, 2);
    let bucket = |le: &str| format!("_bucket{{api_key=\"Produce\",le=\"{le}\"}}");
    assert!(text.contains(&format!("{} 0", bucket("0.02"))));
    assert!(text.contains(&format!("{} 1", bucket("0.05"))));
}

#[test]
fn pauses_are_counted_by_limit_with_their_time_and_a_connection_that_ends_leaves_no_gauge_behind() {
    let telemetry = telemetry();
    let mut meter = telemetry.connection(CLIENT);
    let begun = Instant::now();
    let at = |millis| begun + Duration::from_millis(millis);
    let (one, other) = (Limit::MaxAbsorbedInFlight, Limit::BufferBytes);
    meter.paused(None, at(0));
    meter.paused(Some(one), at(100));
    // The same one, told again.
    meter.paused(Some(one), at(350));
    meter.paused(Some(other), at(600));
    meter.paused(None, at(1_100));
    meter.paused(Some(one), at(5_000));
    meter.absorbing((3, 4_000));
    meter.absorbing((8, 1_000));
    let shown = |lines: &[&str]| {
        let text = text(&telemetry);
        for line in lines {
            assert!(text.contains(&format!("{line}\n")), "{line}");
        }
    };
    shown(&[
        r#"holdfast_client_pauses_total{limit="max_absorbed_in_flight"} 2"#,
        r#"holdfast_client_pauses_total{limit="buffer_bytes"} 1"#,
        r#"holdfast_client_pauses_total{limit="max_in_flight"} 0"#,
        r#"holdfast_client_paused_seconds_total{limit="max_absorbed_in_flight"} 0.5"#,
        r#"holdfast_client_paused_seconds_total{limit="buffer_bytes"} 0.5"#,
        r#"holdfast_clients_paused{limit="max_absorbed_in_flight"} 1"#,
        r#"holdfast_clients_paused{limit="buffer_bytes"} 0"#,
        "holdfast_acks0_inflight_requests 8",
        "holdfast_acks0_inflight_bytes 1000",
    ]);
    drop(meter);
    shown(&[
        r#"holdfast_clients_paused{limit="max_absorbed_in_flight"} 0"#,
        "holdfast_acks0_inflight_requests 0",
        "holdfast_acks0_inflight_bytes 0",
    ]);
}
