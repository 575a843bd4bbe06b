//! The PROXY protocol over real sockets: whose connection it is by the header, and what comes of those without one.

use super::fake::Fake;
use super::gateway::Running;
use crate::support::raw;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of a client at 192.0.2.`last`.
fn header(command: u8, last: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, last, 198, 51, 100, 1, 0x12, 0x34, 0x23, 0x84];
    [SIGNATURE, &[command, 0x11, 0, 12], &addresses].concat()
}

/// `before`, then ApiVersions v0, in one write: whether that was answered.
async fn asks(port: u16, before: &[u8]) -> (TcpStream, bool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let frame = raw::request_frame(18, 0, 7, Some("test"), b"");
    stream.write_all(&[before, &frame].concat()).await.unwrap();
    let answer = timeout(SOON, stream.read_u32()).await;
    let answered = answer.expect("an answer, or the end").is_ok();
    (stream, answered)
}

#[tokio::test]
async fn limits_by_address_are_those_of_the_client_that_the_header_names() {
    let fake = Fake::start(1).await;
    let toml = "[listener]\nproxy_protocol = \"required\"\n[limits]\nmax_connections_per_ip = 1\n";
    let running = Running::ready(&fake, toml).await;
    let (_first, answered) = asks(running.port, &header(0x21, 1)).await;
    assert!(answered);
    let (_second, answered) = asks(running.port, &header(0x21, 2)).await;
    assert!(answered, "another client behind the same load balancer");
    let (_third, answered) = asks(running.port, &header(0x21, 1)).await;
    assert!(!answered, "a second one of the first");
    let (_local, answered) = asks(running.port, &header(0x20, 1)).await;
    assert!(answered, "a connection of the load balancer itself");
    let (_local, answered) = asks(running.port, &header(0x20, 3)).await;
    assert!(
        !answered,
        "which has one address, whatever the header names"
    );
    let rejected = running.telemetry.sum(
        "holdfast_client_connections_rejected_total",
        &[("limit", "max_connections_per_ip")],
    );
    assert_eq!(rejected, 2);
}

#[tokio::test]
async fn a_connection_without_a_sound_header_is_closed_in_time_and_counted_by_cause() {
    let fake = Fake::start(1).await;
    let toml = "[listener]\nproxy_protocol = \"required\"\n[limits]\nheader_timeout_ms = 1000\nmax_connections = 3\n";
    let running = Running::ready(&fake, toml).await;
    let too_long = [SIGNATURE, &[0x21, 0x11, 2, 25]].concat();
    let too_short = [SIGNATURE, &[0x21, 0x21, 0, 12], &[0; 12][..]].concat();
    for (before, cause) in [
        (&b""[..], "missing"),
        (b"\x16\x03\x01\x02\x00", "missing"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "version_1"),
        (&too_long, "too_long"),
        (&too_short, "malformed"),
        (&header(0x22, 1), "malformed"),
    ] {
        let (_, answered) = asks(running.port, before).await;
        assert!(!answered, "{cause}");
    }
    let mut stalled = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    stalled.write_all(&header(0x21, 1)[..20]).await.unwrap();
    let ended = timeout(SOON, stalled.read_u8()).await.expect("the end");
    assert!(ended.is_err());
    let mut gone = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    gone.shutdown().await.unwrap();
    for (cause, count) in [
        ("missing", 2),
        ("version_1", 1),
        ("too_long", 1),
        ("malformed", 2),
        ("timeout", 1),
        ("closed", 1),
    ] {
        let family = "holdfast_proxy_protocol_failures_total";
        let counted = || running.telemetry.sum(family, &[("cause", cause)]);
        running.until(cause, || counted() == count).await;
    }
    // None of them keeps a seat.
    let (_stream, answered) = asks(running.port, &header(0x21, 1)).await;
    assert!(answered);
}
