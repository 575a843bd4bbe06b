//! A whole gateway in this process, over real sockets: seats, the drain, what the admin endpoint says, and memory.

use super::fake::Fake;
use crate::support::ports;
use holdfast::config::{self, Overrides};
use holdfast::telemetry::{Readiness, Telemetry};
use holdfast::{admin, proxy};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

const SOON: Duration = Duration::from_secs(20);

/// Ends with the test.
pub(super) struct Running {
    pub(super) port: u16,
    broker_port: u16,
    admin: std::net::SocketAddr,
    pub(super) telemetry: Arc<Telemetry>,
    shutdown: CancellationToken,
    proxy: JoinHandle<Result<(), proxy::Error>>,
    _admin: DropGuard,
}

impl Running {
    pub(super) async fn start(bootstrap: &str, toml: &str) -> Running {
        let (port, base) = (ports::free(), ports::base(10));
        let overrides = Overrides {
            bootstrap_servers: Some(bootstrap.split(',').map(str::to_owned).collect()),
            bootstrap_port: Some(port.into()),
            broker_port_base: Some(base.into()),
            broker_ids: Some("1-3".to_owned()),
            admin_bind: Some("127.0.0.1:0".to_owned()),
            ..Overrides::default()
        };
        let settings = config::load("gateway.toml", toml, &overrides, &|_| None).expect("settings");
        let telemetry = Telemetry::new(&settings.telemetry, &settings.proxy.policy);
        let (shutdown, stop) = (CancellationToken::new(), CancellationToken::new());
        let admin = admin::bind(&settings.admin, None)
            .await
            .expect("a free port");
        let address = admin.address();
        tokio::spawn(admin.serve(telemetry.clone(), stop.clone()));
        let proxy = tokio::spawn(proxy::run(
            settings.proxy,
            telemetry.clone(),
            shutdown.clone(),
        ));
        Running {
            port,
            broker_port: base + 1,
            admin: address,
            telemetry,
            shutdown,
            proxy,
            _admin: stop.drop_guard(),
        }
    }

    /// In front of a fake that answers, and ready.
    pub(super) async fn ready(fake: &Fake, toml: &str) -> Running {
        let running = Running::start(&fake.server.to_string(), toml).await;
        running
            .until("ready", || {
                running.telemetry.readiness() == Readiness::Ready
            })
            .await;
        running
    }

    pub(super) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < SOON, "{what}: not within {SOON:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    fn open(&self) -> u64 {
        self.telemetry.sum("holdfast_client_connections", &[])
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }
}

/// ApiVersions v0 through the gateway: whether it was answered.
async fn asks(stream: &mut TcpStream) -> bool {
    let frame = crate::support::raw::request_frame(18, 0, 7, Some("test"), b"");
    stream.write_all(&frame).await.unwrap();
    let answer = timeout(SOON, async {
        let size = stream.read_u32().await.ok()?;
        let mut frame = vec![0; size as usize];
        stream.read_exact(&mut frame).await.ok()?;
        Some(frame)
    });
    answer
        .await
        .expect("an answer, or the end")
        .is_some_and(|frame| frame.starts_with(&[0, 0, 0, 7]))
}

#[tokio::test]
async fn a_bootstrap_server_that_takes_no_connection_is_passed_over_for_the_next() {
    // A full backlog drops further SYNs: connecting to it does not fail, it takes for ever.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    full.bind(&any.into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _filling: Vec<_> = (0..4)
        .map(|_| tokio::spawn(TcpStream::connect(address)))
        .collect();
    sleep(Duration::from_millis(100)).await;

    let fake = Fake::start(1).await;
    let servers = format!("{address},{}", fake.server);
    let running = Running::start(&servers, "[cluster]\nconnect_timeout_ms = 2000\n").await;
    let ready = || running.telemetry.readiness() == Readiness::Ready;
    running.until("ready", ready).await;
    let begun = Instant::now();
    let mut client = running.connect().await;
    assert!(asks(&mut client).await, "the next server answers");
    // Half of the time goes to the first, the rest is the next one's.
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(10),
        "{took:?}"
    );
}

#[tokio::test]
async fn connections_beyond_a_limit_are_turned_away_counted_and_let_in_when_a_seat_is_free() {
    let fake = Fake::start(1).await;
    for (toml, limit) in [
        ("[limits]\nmax_connections = 2\n", "max_connections"),
        (
            "[limits]\nmax_connections = 10\nmax_connections_per_ip = 2\n",
            "max_connections_per_ip",
        ),
    ] {
        let gateway = Running::ready(&fake, toml).await;
        let (mut one, mut two) = (gateway.connect().await, gateway.connect().await);
        assert!(asks(&mut one).await && asks(&mut two).await);
        let mut three = gateway.connect().await;
        let end = timeout(SOON, three.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        let rejected = "holdfast_client_connections_rejected_total";
        let counted = gateway.telemetry.sum(rejected, &[("limit", limit)]);
        assert_eq!((counted, gateway.open()), (1, 2));
        drop(one);
        gateway.until("a free seat", || gateway.open() == 1).await;
        let mut four = gateway.connect().await;
        assert!(asks(&mut four).await);
        gateway.shutdown.cancel();
    }
}

#[tokio::test]
async fn a_drain_says_so_still_accepts_then_does_not_finishes_what_is_in_flight_and_ends() {
    let fake = Fake::start(1).await;
    let toml = "[drain]\ndelay_ms = 1500\ntimeout_ms = 10000\n";
    let gateway = Running::ready(&fake, toml).await;
    assert!(gateway.get("/readyz").await.starts_with("HTTP/1.1 200"));
    let mut old = gateway.connect().await;
    assert!(asks(&mut old).await);
    // Half a frame: the drain waits for its end.
    let frame = crate::support::raw::request_frame(18, 0, 9, Some("test"), b"");
    old.write_all(&frame[..13]).await.unwrap();
    let begun = Instant::now();
    gateway.shutdown.cancel();
    gateway
        .until("draining", || {
            gateway.telemetry.readiness() == Readiness::Draining
        })
        .await;
    assert!(gateway.get("/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(gateway.get("/livez").await.starts_with("HTTP/1.1 200"));
    let mut late = gateway.connect().await;
    assert!(asks(&mut late).await, "still accepted during the delay");
    // At a frame boundary: told at once that it ends.
    let end = timeout(SOON, late.read(&mut [0; 1])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert!(
        TcpStream::connect(("127.0.0.1", gateway.port))
            .await
            .is_err()
    );
    drop(late);
    old.write_all(&frame[13..]).await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, old.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer[4..8], [0, 0, 0, 9], "what was begun is answered");
    drop(old);
    timeout(SOON, gateway.proxy)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let closed = "holdfast_client_connections_closed_total";
    assert_eq!(gateway.telemetry.sum(closed, &[("cause", "drain")]), 2);
}

#[tokio::test]
async fn a_drain_ends_within_its_time_although_clients_stay_and_brokers_were_never_seen() {
    let toml = "[cluster]\nconnect_timeout_ms = 60000\n[drain]\ndelay_ms = 0\ntimeout_ms = 500\nclose_drain_timeout_ms = 500\n";
    let gateway = Running::start("127.0.0.1:1", toml).await;
    let held = async {
        loop {
            // Held unread: which broker it leads to is not known.
            match TcpStream::connect(("127.0.0.1", gateway.broker_port)).await {
                Ok(stream) => return stream,
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let held = timeout(SOON, held).await.unwrap();
    let idle = gateway.connect().await;
    gateway.until("one is served", || gateway.open() == 1).await;
    sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    gateway.shutdown.cancel();
    let ended = timeout(Duration::from_secs(5), gateway.proxy).await;
    ended.expect("within the deadline").unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    drop((held, idle));
}

#[tokio::test]
async fn every_fixed_family_is_exposed_at_zero_and_capped_ones_overflow_through_a_connection() {
    let fake = Fake::start(1).await;
    let toml = "[telemetry]\nmax_label_values = 2\n";
    let gateway = Running::ready(&fake, toml).await;
    let said = gateway.get("/metrics").await;
    for series in [
        r#"holdfast_overrides_total{api_key="Produce",mode="enforce",scenario="acks_none"} 0"#,
        r#"holdfast_rejections_total{api_key="Produce",error_code="MESSAGE_TOO_LARGE",mode="enforce",scenario="oversized_batch"} 0"#,
        r#"holdfast_acks0_records_total{cause="close_deadline",outcome="refused"} 0"#,
        r#"holdfast_client_connections_closed_total{cause="panic"} 0"#,
        r#"holdfast_client_connections_rejected_total{limit="max_connections"} 0"#,
        "holdfast_panics_total 0",
        "holdfast_buffer_bytes 0",
        "holdfast_announced_bytes 0",
    ] {
        assert!(said.contains(series), "{series} is missing in {said}");
    }
    for n in 0..4 {
        let produce = crate::support::rig::one(9, 1, crate::support::rig::batch(1, 200));
        let client = format!("client-{n}");
        let frame = crate::support::raw::request_frame(0, 9, 1, Some(&client), &produce.body());
        let mut stream = gateway.connect().await;
        stream.write_all(&frame).await.unwrap();
        let overrides = [("scenario", "acks_leader")];
        gateway
            .until("overridden", || {
                gateway
                    .telemetry
                    .sum("holdfast_overrides_total", &overrides)
                    == n + 1
            })
            .await;
    }
    let said = gateway.get("/metrics").await;
    let of = |client: &str| {
        format!(
            r#"holdfast_overrides_by_client_total{{client_id="{client}",mode="enforce",scenario="acks_leader"}}"#
        )
    };
    for series in [
        format!("{} 1", of("client-0")),
        format!("{} 1", of("client-1")),
        format!("{} 2", of("__other__")),
    ] {
        assert!(said.contains(&series), "{series} is missing in {said}");
    }
    assert!(!said.contains(&of("client-2")));
}
