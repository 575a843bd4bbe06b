//! Tests of the admin endpoint over real sockets on loopback.

use super::*;
use crate::policy::{self, Mode, Scenario};
use crate::telemetry;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    let admin = super::bind(&Settings { bind }).await.expect("a free port");
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
    let answer = ask(*address, "GET /").await;
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
    let error = super::bind(&Settings { bind: *address })
        .await
        .expect_err("taken");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("admin.bind: cannot listen on {address}: ")),
        "{text}"
    );
}

#[tokio::test]
async fn more_connections_than_allowed_wait_and_are_served_when_others_go() {
    let (address, ..) = &started().await;
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        idle.push(TcpStream::connect(*address).await.expect("connected"));
    }
    // All slots are taken as soon as the server has accepted them; a further client gets no answer …
    let mut answer = Box::pin(ask(*address, "GET /livez"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
    assert!(early.is_err(), "{early:?}");
    // … until one has gone.
    drop(idle);
    assert!(answer.await.starts_with("HTTP/1.1 200 "));
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
