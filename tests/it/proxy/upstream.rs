//! Dialling: every address, one timeout, and the cause by its name.

use holdfast::proxy::settings::HostPort;
use holdfast::proxy::upstream::{DialError, dial};
use holdfast::session::event::CloseCause;
use socket2::{Domain, SockRef, Socket, Type};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const USER_TIMEOUT: Duration = Duration::from_secs(20);

async fn dialled(
    host: &str,
    port: u16,
    timeout_ms: u64,
) -> Result<tokio::net::TcpStream, DialError> {
    let server = HostPort {
        host: host.into(),
        port,
    };
    dial(&server, Duration::from_millis(timeout_ms), USER_TIMEOUT).await
}

#[tokio::test]
async fn a_name_is_tried_at_every_address_until_one_accepts() {
    // localhost is ::1 and 127.0.0.1 wherever both exist; only the latter listens.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = dialled("localhost", port, 5_000).await.unwrap();
    assert!(stream.nodelay().unwrap());
    let socket = SockRef::from(&stream);
    assert!(socket.keepalive().unwrap());
    assert_eq!(
        socket.tcp_keepalive_time().unwrap(),
        Duration::from_secs(60)
    );
    assert_eq!(
        socket.tcp_keepalive_interval().unwrap(),
        Duration::from_secs(10)
    );
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 6);
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = dialled("127.0.0.1", port, 5_000).await.unwrap_err();
    assert_eq!(error.close_cause(), CloseCause::BrokerUnreachable);
    assert!(
        error
            .to_string()
            .contains(&format!("127.0.0.1:{port} cannot be connected to")),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_without_an_address_is_unresolved() {
    // RFC 6761: .invalid never resolves.
    let error = dialled("broker.invalid", 9092, 10_000).await.unwrap_err();
    assert_eq!(error.close_cause(), CloseCause::BrokerUnresolved, "{error}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_costs_the_timeout_and_no_more() {
    // A full backlog drops further SYNs, as a dead host would.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _filling: Vec<_> = (0..4)
        .map(|_| tokio::spawn(tokio::net::TcpStream::connect(address)))
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    let error = dialled("127.0.0.1", address.port(), 300).await.unwrap_err();
    assert_eq!(
        error.close_cause(),
        CloseCause::BrokerConnectTimeout,
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(2));
}
