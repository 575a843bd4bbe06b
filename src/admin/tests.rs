//! Tests of the admin endpoint over real sockets on loopback.

use super::*;
use crate::policy::{self, Mode, Scenario};
use crate::session::event::Event;
use crate::telemetry;
use crate::wire::api::{ApiKey, ErrorCode};
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

async fn started() -> (SocketAddr, Arc<Telemetry>, tokio_util::sync::DropGuard) {
    let policy = policy::Settings {
        modes: [Mode::Enforce; Scenario::COUNT],
        ..policy::Settings::default()
    };
    let settings = telemetry::Settings {
        max_label_values: 10,
        summary: Duration::from_secs(60),
    };
    let telemetry = Telemetry::new(&settings, &policy);
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let admin = super::bind(&Settings { bind }, None)
        .await
        .expect("a free port");
    let address = admin.address();
    let stop = CancellationToken::new();
    tokio::spawn(admin.serve(telemetry.clone(), stop.clone()));
    (address, telemetry, stop.drop_guard())
}

async fn ask(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("{line} HTTP/1.1\r\nHost: holdfast\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}

#[tokio::test]
async fn metrics_are_text_that_prometheus_reads() {
    let (address, ..) = &started().await;
    let answer = ask(*address, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\nholdfast_build_info{version=\""),
        "{answer}"
    );
}

/// Thousands of clients that name themselves at will: some stay by name, the others are counted together.
#[tokio::test]
async fn the_report_tells_of_clients_within_its_bound() {
    let (address, telemetry, _guard) = &started().await;
    telemetry.set_preset("strict");
    for number in 0..3000 {
        let mut meter = telemetry.connection(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let software = |text: &str| text.into();
        meter.record(&Event::ClientId(Some(format!("x\u{1b}{number}").into())));
        meter.record(&Event::Software {
            name: software("librdkafka"),
            version: software("1.8.2"),
        });
        for event in [
            Event::Requests {
                api_key: ApiKey::PRODUCE,
                count: 2,
            },
            Event::Acks { acks: 0, count: 2 },
            Event::AnswerError {
                error_code: ErrorCode::MESSAGE_TOO_LARGE,
                topic: Some("orders".into()),
                count: 1,
            },
        ] {
            meter.record(&event);
        }
    }
    let answer = ask(*address, "GET /report").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("content-type: application/json"), "{head}");
    let report: Report = serde_json::from_str(body).expect("a report");
    assert_eq!(
        (report.preset.as_str(), report.readiness.as_str()),
        ("strict", "starting")
    );
    assert_eq!(report.clients.len(), telemetry::MAX_CLIENTS);
    let left_out = 3000 - telemetry::MAX_CLIENTS as u64;
    assert_eq!(report.clients_left_out, left_out);
    assert_eq!(report.others.acks.none, 2 * left_out);
    let one = &report.clients[0];
    assert_eq!(
        (one.requests, one.connections, one.open_connections),
        (2, 1, 0)
    );
    assert_eq!(one.topics, ["orders"]);
    assert_eq!(one.errors, [("MESSAGE_TOO_LARGE".to_owned(), 1)].into());
    assert_eq!(one.known_bugs[0].bug, "librdkafka #3712");
    assert_eq!(report.answer_errors["MESSAGE_TOO_LARGE"], 3000);
    assert_eq!(report.scenarios.len(), Scenario::COUNT);
}

#[tokio::test]
async fn readiness_follows_the_gateway_and_liveness_does_not() {
    let (address, telemetry, _guard) = &started().await;
    assert!(
        ask(*address, "GET /readyz")
            .await
            .starts_with("HTTP/1.1 503 ")
    );
    telemetry.set_ready();
    assert!(
        ask(*address, "GET /readyz")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    telemetry.set_draining();
    let answer = ask(*address, "GET /readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\ndraining\n"),
        "{answer}"
    );
    assert!(
        ask(*address, "GET /livez")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn anything_else_is_told_what_there_is() {
    let (address, ..) = &started().await;
    let answer = ask(*address, "GET /page").await;
    assert!(
        answer.starts_with("HTTP/1.1 404 ")
            && answer.contains("/metrics, /report, /livez and /readyz"),
        "{answer}"
    );
    let answer = ask(*address, "POST /metrics").await;
    assert!(
        answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let (address, ..) = &started().await;
    let error = super::bind(&Settings { bind: *address }, None)
        .await
        .expect_err("taken");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("admin.bind: cannot listen on {address}: ")),
        "{text}"
    );
}

/// A client at `from` that sends a request a byte at a time, and never the last.
async fn drips(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("loopback");
    let mut stream = socket.connect(to).await.expect("connected");
    stream.write_all(b"GET /met").await.expect("written");
    stream
}

async fn open_of(streams: &mut [TcpStream]) -> usize {
    let mut open = 0;
    for stream in streams {
        // An answer there is none, so that what can be read is the end.
        let mut byte = [0];
        let end = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut byte));
        open += usize::from(end.await.is_err());
    }
    open
}

#[tokio::test]
async fn clients_that_drip_bytes_keep_nobody_out_and_are_bounded() {
    let (address, ..) = &started().await;
    // Those of the address that Prometheus has, too, and then of twenty others.
    for addresses in [1..2, 2..22] {
        let mut dripping = Vec::new();
        for last in addresses.clone() {
            for _ in 0..MAX_FROM_ADDRESS * 2 {
                dripping.push(drips(Ipv4Addr::new(127, 0, 0, last), *address).await);
            }
        }
        for _ in 0..20 {
            let answer = tokio::time::timeout(HEADER_TIMEOUT / 5, ask(*address, "GET /metrics"));
            let answer = answer.await.expect("long before anybody is timed out");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        let most = MAX_CONNECTIONS.min(addresses.len() * MAX_FROM_ADDRESS);
        let open = open_of(&mut dripping).await;
        assert!(open <= most && open >= most / 2, "{open} of {most}");
        for stream in &mut dripping {
            let _ = stream.write_all(b"r").await;
        }
    }
}

/// Each would be gathered by a thread of its own, for as long as that takes.
#[tokio::test]
async fn those_who_ask_and_leave_do_not_keep_an_answer_from_others() {
    let (address, telemetry, _guard) = &started().await;
    let slow = std::sync::atomic::AtomicUsize::default();
    let most = Arc::new(std::sync::atomic::AtomicUsize::default());
    let seen = most.clone();
    telemetry.set_sampler(Box::new(move |_| {
        let now = 1 + slow.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        seen.fetch_max(now, std::sync::atomic::Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        slow.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }));
    for _ in 0..100 {
        let mut stream = TcpStream::connect(*address).await.expect("connected");
        let request = b"GET /metrics HTTP/1.1\r\nHost: holdfast\r\n\r\n";
        stream.write_all(request).await.expect("written");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let answer = ask(*address, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let most = most.load(std::sync::atomic::Ordering::SeqCst);
    assert!(most <= GATHERED_AT_A_TIME, "{most} at a time");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_request_is_cut_off() {
    let (address, ..) = &started().await;
    let mut stream = TcpStream::connect(*address).await.expect("connected");
    stream.write_all(b"GET /livez HTT").await.expect("written");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(HEADER_TIMEOUT * 3, stream.read_to_end(&mut rest)).await;
    assert!(matches!(read, Ok(Ok(0))), "{read:?} {rest:?}");
}

#[tokio::test]
async fn the_page_and_its_parts_forbid_the_browser_whatever_they_do_not_need() {
    let (address, ..) = &started().await;
    for (path, format) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/report", "application/json"),
    ] {
        let answer = ask(*address, &format!("GET {path}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(
            head.starts_with("HTTP/1.1 200 ") && !body.is_empty(),
            "{head}"
        );
        for line in [
            &format!("content-type: {format}"),
            "content-security-policy: default-src 'none'; script-src 'self';",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(head.contains(line), "{line} in\n{head}");
        }
        let head_alone = ask(*address, &format!("HEAD {path}")).await;
        assert!(head_alone.starts_with("HTTP/1.1 200 "), "{head_alone}");
        assert!(head_alone.ends_with("\r\n\r\n"), "{head_alone}");
    }
}

/// Ten thousand topics and a thousand clients, to each of which this many scenarios happen.
fn crowded(scenarios: usize) -> Arc<Telemetry> {
    let settings = telemetry::Settings {
        max_label_values: 200,
        summary: Duration::from_secs(60),
    };
    let telemetry = Telemetry::new(&settings, &policy::Settings::default());
    for client in 0..1000 {
        let mut meter = telemetry.connection(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        meter.record(&Event::ClientId(Some(format!("client-{client}").into())));
        for scenario in Scenario::ALL.into_iter().take(scenarios) {
            for topic in 0..10 {
                meter.record(&Event::OverrideTopic {
                    scenario,
                    mode: Mode::Enforce,
                    topic: format!("topic-{}", client * 10 + topic).into(),
                    records: 1,
                    count: 1,
                });
            }
            meter.record(&Event::Override {
                scenario,
                mode: Mode::Enforce,
                api_key: ApiKey::PRODUCE,
                count: 1,
            });
        }
    }
    telemetry
}

/// The caps hold: a scrape knows at most `max_label_values` names of each family and scenario.
#[test]
fn a_scrape_at_ten_thousand_topics_and_a_thousand_clients_is_quick_and_small() {
    const MIB: usize = 1024 * 1024;
    for (scenarios, most_bytes) in [(10, MIB), (Scenario::COUNT, 2 * MIB)] {
        let telemetry = crowded(scenarios);
        let scrape = || {
            let begun = std::time::Instant::now();
            (telemetry.exposition().len(), begun.elapsed())
        };
        // One must be: other tests, and who knows what else, run beside this one.
        let quick = (0..100)
            .map(|_| scrape())
            .find(|(_, time)| *time <= Duration::from_millis(50));
        let (bytes, _) = quick.expect("a scrape within 50 ms");
        assert!(bytes <= most_bytes, "{bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let (address, ..) = &started().await;
    let mut stream = TcpStream::connect(*address).await.expect("connected");
    let ask = async {
        // Answers fill the socket's buffers until the server has no room, and then requests do.
        while stream
            .write_all(b"GET /page.js HTTP/1.1\r\nHost: holdfast\r\n\r\n")
            .await
            .is_ok()
        {}
    };
    let cut = tokio::time::timeout((MAX_AGE + LAST_ANSWER) * 2, ask).await;
    assert!(cut.is_ok(), "still connected");
}
