//! TLS over real sockets: with clients that are plain rustls, with a broker behind a TLS relay of the test's own, and what is
//! said of files that cannot be used.

use super::fake::Fake;
use super::gateway::Running;
use crate::support::certificates::{Ca, Identity};
use crate::support::{ports, process, raw};
use holdfast::config::{self, Overrides};
use holdfast::proxy::passed::Passed;
use holdfast::proxy::settings::HostPort;
use holdfast::proxy::tls::{
    ClientAuth, ClusterFiles, ClusterTls, ListenerFiles, ListenerTls, MinVersion,
};
use holdfast::proxy::{self, stream::Stream, tls, upstream};
use holdfast::telemetry::Telemetry;
use rcgen::{DnType, ExtendedKeyUsagePurpose, SerialNumber, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

const SOON: Duration = Duration::from_secs(20);

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn write_identity(folder: &Path, identity: &Identity) {
    write(folder, "tls.crt", &identity.certificate);
    write(folder, "tls.key", &identity.key);
}

fn client(ca: &Ca, identity: Option<&Identity>, newest: bool) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap())
        .unwrap();
    let versions: &[&rustls::SupportedProtocolVersion] = match newest {
        true => &[&rustls::version::TLS13],
        false => &[&rustls::version::TLS12],
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(
                CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
                    .collect::<Result<_, _>>()
                    .unwrap(),
                PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
            )
            .unwrap(),
    })
}

async fn connect(
    port: u16,
    config: Arc<ClientConfig>,
) -> std::io::Result<client::TlsStream<TcpStream>> {
    connect_as("localhost", port, config).await
}

async fn connect_as(
    name: &'static str,
    port: u16,
    config: Arc<ClientConfig>,
) -> std::io::Result<client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(config).connect(name, stream).await
}

/// ApiVersions v0 there and back: whether it was answered.
async fn asks(stream: &mut client::TlsStream<TcpStream>) -> bool {
    answer(stream, 18, 0, b"").await.is_some()
}

/// The body, after the correlation id; `None`: the end came.
async fn answer(
    stream: &mut client::TlsStream<TcpStream>,
    api_key: i16,
    version: i16,
    body: &[u8],
) -> Option<Vec<u8>> {
    let answer = async {
        let frame = raw::request_frame(api_key, version, 7, Some("test"), body);
        stream.write_all(&frame).await.ok()?;
        stream.flush().await.ok()?;
        let size = stream.read_u32().await.ok()?;
        let mut frame = vec![0; size as usize];
        stream.read_exact(&mut frame).await.ok()?;
        frame.strip_prefix(&[0, 0, 0, 7]).map(<[u8]>::to_vec)
    };
    timeout(SOON, answer).await.expect("an answer, or the end")
}

/// Metadata v4 of no topic, none to be created: node id, host and port of every broker.
async fn told(stream: &mut client::TlsStream<TcpStream>) -> Vec<(i32, String, i32)> {
    let body = answer(stream, raw::METADATA, 4, &[0; 5])
        .await
        .expect("an answer");
    let brokers = raw::Metadata::parse(4, &body).unwrap().brokers.into_iter();
    brokers.map(|at| (at.node_id, at.host, at.port)).collect()
}

fn listener_toml(folder: &Path, more: &str) -> String {
    let path = folder.display();
    format!(
        "[listener.tls]\ncertificate_file = \"{path}/tls.crt\"\nprivate_key_file = \"{path}/tls.key\"\n{more}"
    )
}

#[tokio::test]
async fn files_that_were_read_to_check_them_are_not_read_again_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write_identity(folder.path(), &Ca::new("ca").localhost());
    let overrides = Overrides {
        bootstrap_servers: Some(vec!["127.0.0.1:1".to_owned()]),
        bootstrap_port: Some(ports::free().into()),
        broker_port_base: Some(ports::base(1).into()),
        broker_ids: Some("1".to_owned()),
        ..Overrides::default()
    };
    let toml = listener_toml(folder.path(), "");
    let settings = config::load("gateway.toml", &toml, &overrides, &|_| None).unwrap();
    assert_eq!(proxy::load_tls(&settings.proxy), Ok(true));
    folder.close().unwrap();
    let telemetry = Telemetry::new(&settings.telemetry, &settings.proxy.policy);
    let running = proxy::start(settings.proxy, telemetry, Passed::default());
    assert!(running.is_ok(), "{:?}", running.err());
}

/// A TLS relay in front of `server`, by this certificate.
async fn relay(server: HostPort, identity: &Identity) -> HostPort {
    relay_for(server, identity, None).await
}

/// The same, only for those who have a certificate of `clients`.
async fn relay_for(server: HostPort, identity: &Identity, clients: Option<&Ca>) -> HostPort {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap())
                .unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let config = builder
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut inside = acceptor.accept(stream).await.ok()?;
                let mut outside = TcpStream::connect((&*server.host, server.port))
                    .await
                    .ok()?;
                tokio::io::copy_bidirectional(&mut inside, &mut outside)
                    .await
                    .ok()
            });
        }
    });
    HostPort {
        host: "127.0.0.1".into(),
        port,
    }
}

impl Running {
    async fn failed(&self, side: &str, cause: &str) {
        let failures = || {
            self.telemetry.sum(
                "holdfast_tls_handshake_failures_total",
                &[("side", side), ("cause", cause)],
            )
        };
        self.until(cause, || failures() == 1).await;
    }
}

#[tokio::test]
async fn clients_by_tls_are_served_and_an_end_on_either_side_reaches_the_other() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    write_identity(folder.path(), &ca.localhost());
    let fake = Fake::start(1).await;
    let running = Running::ready(&fake, &listener_toml(folder.path(), "")).await;
    for newest in [true, false] {
        let mut stream = connect(running.port, client(&ca, None, newest))
            .await
            .unwrap();
        for _ in 0..3 {
            assert!(asks(&mut stream).await);
        }
        // A request and the end in one go: the answer comes, and after it a close_notify, which read_to_end demands.
        let frame = raw::request_frame(18, 0, 9, Some("test"), b"");
        stream.write_all(&frame).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        timeout(SOON, stream.read_to_end(&mut rest))
            .await
            .expect("the end")
            .expect("an orderly one");
        assert_eq!(rest[4..8], [0, 0, 0, 9]);
    }
    let closed = |cause| {
        let family = "holdfast_client_connections_closed_total";
        running.telemetry.sum(family, &[("cause", cause)])
    };
    running
        .until("both closed", || closed("client_closed") == 2)
        .await;
    // Without a close_notify it may be an attacker who cut the stream: a reset, not an end.
    let mut stream = connect(running.port, client(&ca, None, true))
        .await
        .unwrap();
    assert!(asks(&mut stream).await);
    let (mut tcp, _) = stream.into_inner();
    tcp.shutdown().await.unwrap();
    running.until("reset", || closed("client_reset") == 1).await;
}

#[tokio::test]
async fn on_the_port_of_names_the_name_leads_to_its_broker_and_addresses_of_that_port_are_told() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    let names = [
        "kafka.test",
        "broker-1.kafka.test",
        "broker-2.kafka.test",
        "broker-9.kafka.test",
        "other.test",
        "localhost",
    ];
    write_identity(folder.path(), &ca.sign(&names, |_| {}));
    let (first, second) = (Fake::start(1).await, Fake::start(2).await);
    let brokers = [(1, first.server.clone()), (2, second.server.clone())];
    first.state().brokers = brokers.clone().into();
    second.state().brokers = brokers.into();
    let port = ports::free();
    let sni = format!(
        "[listener.sni]\nport = {port}\nbootstrap_host = \"kafka.test\"\nbroker_host = \"broker-{{id}}.kafka.test\"\nadvertised_port = 443\n"
    );
    let running = Running::ready(&first, &listener_toml(folder.path(), &sni)).await;
    let config = client(&ca, None, true);

    // The gateway's own look goes to one of them; a client's connection is one more.
    let connections = |fake: &Fake| fake.state().connections;
    for (name, fake) in [
        ("broker-1.kafka.test", &first),
        ("Broker-2.KAFKA.test", &second),
        ("kafka.test", &first),
    ] {
        let before = connections(fake);
        let mut stream = connect_as(name, port, config.clone()).await.unwrap();
        let told = told(&mut stream).await;
        let by_name = |id: i32| (id, format!("broker-{id}.kafka.test"), 443);
        assert_eq!(told, [by_name(1), by_name(2)], "{name}");
        assert!(connections(fake) > before, "{name} leads to its broker");
    }
    let mut stream = connect(running.port, config.clone()).await.unwrap();
    let others = told(&mut stream).await;
    assert!(
        others
            .iter()
            .all(|(_, host, port)| host == "127.0.0.1" && *port != 443),
        "by the other ports: {others:?}"
    );

    // 9 is outside broker_ids. One whose name is unknown is told so, and no certificate.
    for name in ["broker-9.kafka.test", "other.test"] {
        let refused = connect_as(name, port, config.clone()).await.unwrap_err();
        assert!(
            refused.to_string().contains("UnrecognisedName"),
            "{name}: {refused}"
        );
    }
    let mut nameless = ClientConfig::clone(&config);
    nameless.enable_sni = false;
    let refused = connect_as("kafka.test", port, Arc::new(nameless)).await;
    assert!(refused.is_err());
    let counted = || {
        let labels = [("side", "client"), ("cause", "unknown_name")];
        let family = "holdfast_tls_handshake_failures_total";
        running.telemetry.sum(family, &labels)
    };
    running.until("all three counted", || counted() == 3).await;
    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    plain
        .write_all(&raw::request_frame(18, 0, 7, None, b""))
        .await
        .unwrap();
    running.failed("client", "not_tls").await;
}

#[tokio::test]
async fn brokers_are_reached_by_tls_while_clients_come_in_plaintext_and_by_tls() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    write_identity(folder.path(), &ca.localhost());
    write(folder.path(), "ca.crt", &ca.pem);
    let fake = Fake::start(1).await;
    let secured = relay(fake.server.clone(), &ca.localhost()).await;
    fake.state().brokers.insert(1, secured.clone());
    let cluster = format!(
        "[cluster.tls]\nenabled = true\nca_file = \"{}/ca.crt\"\n",
        folder.path().display()
    );
    let both = format!("{}{cluster}", listener_toml(folder.path(), ""));
    let running = Running::start(&secured.to_string(), &both).await;
    running
        .until("the watch has looked by TLS", || {
            running.telemetry.readiness() == holdfast::telemetry::Readiness::Ready
        })
        .await;
    let mut stream = connect(running.port, client(&ca, None, true))
        .await
        .unwrap();
    assert!(asks(&mut stream).await, "TLS on both sides");
    let running = Running::start(&secured.to_string(), &cluster).await;
    running
        .until("the watch has looked by TLS", || {
            running.telemetry.readiness() == holdfast::telemetry::Readiness::Ready
        })
        .await;
    let mut stream = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    let frame = raw::request_frame(18, 0, 7, Some("test"), b"");
    stream.write_all(&frame).await.unwrap();
    let answered = timeout(SOON, stream.read_u32()).await.unwrap();
    assert!(answered.is_ok(), "plaintext in, TLS out");
}

#[tokio::test]
async fn a_broker_whose_certificate_is_of_another_ca_name_or_time_is_not_talked_to() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(1).await;
    let cluster = ClusterTls::new(ClusterFiles {
        ca: Some(write(folder.path(), "ca.crt", &ca.pem)),
        identity: None,
        min_version: MinVersion::Tls12,
    });
    assert_eq!(cluster.reload(), Ok(true));
    let expired = ca.sign(&["127.0.0.1"], |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    for (identity, cause) in [
        (other.localhost(), "unknown_ca"),
        (ca.sign(&["kafka.example.com"], |_| {}), "wrong_name"),
        (expired, "expired"),
    ] {
        let server = relay(fake.server.clone(), &identity).await;
        match upstream::open(&server, SOON, SOON, Some(&cluster)).await {
            Err(upstream::DialError::Tls { reason, .. }) => assert_eq!(tls::cause(&reason), cause),
            found => panic!("{cause}: {found:?}"),
        }
    }
    let server = relay(fake.server.clone(), &ca.localhost()).await;
    let opened = upstream::open(&server, SOON, SOON, Some(&cluster)).await;
    assert!(matches!(opened, Ok(Stream::BrokerTls(_))));
}

/// The header comes before the handshake, in plaintext.
#[tokio::test]
async fn behind_a_load_balancer_clients_by_tls_are_told_apart_by_the_header_of_the_proxy_protocol()
{
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    write_identity(folder.path(), &ca.localhost());
    let fake = Fake::start(1).await;
    let toml = format!(
        "[listener]\nproxy_protocol = \"required\"\n[limits]\nmax_connections_per_ip = 1\n{}",
        listener_toml(folder.path(), "")
    );
    let running = Running::ready(&fake, &toml).await;
    let config = client(&ca, None, true);
    let connect = |last: u8| {
        let (config, port) = (config.clone(), running.port);
        async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
            header.extend([0x21, 0x11, 0, 12, 192, 0, 2, last, 127, 0, 0, 1]);
            header.extend([0x9c, 0x40, 0x23, 0x84]);
            stream.write_all(&header).await?;
            let name = ServerName::try_from("localhost").unwrap();
            TlsConnector::from(config).connect(name, stream).await
        }
    };
    let (mut first, mut second) = (connect(1).await.unwrap(), connect(2).await.unwrap());
    assert!(asks(&mut first).await && asks(&mut second).await);
    assert!(connect(1).await.is_err(), "one more of the first address");
    // Without a header the ClientHello stands where it should be.
    assert!(super::tls::connect(running.port, config).await.is_err());
}

/// In TLS 1.3 it says so when the gateway takes the handshake to be done: an alert where the first answer would be.
#[tokio::test]
async fn a_broker_that_refuses_the_gateways_certificate_is_told_of_and_not_taken_for_a_reset() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    write(folder.path(), "ca.crt", &ca.pem);
    let fake = Fake::start(1).await;
    let server = relay_for(fake.server.clone(), &ca.localhost(), Some(&ca)).await;
    let toml = format!(
        "[cluster]\nconnect_timeout_ms = 2000\n[cluster.tls]\nenabled = true\nca_file = \"{}/ca.crt\"\n",
        folder.path().display()
    );
    let running = Running::start(&server.to_string(), &toml).await;
    let count = |family: &str, labels: &[(&str, &str)]| running.telemetry.sum(family, labels);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", running.port)).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let frame = raw::request_frame(18, 0, 7, Some("test"), b"");
    stream.write_all(&frame).await.unwrap();
    let answered = timeout(SOON, stream.read_u32()).await.unwrap();
    assert!(answered.is_err(), "there is no broker");
    let closed = || {
        let labels = [("cause", "broker_tls")];
        count("holdfast_client_connections_closed_total", &labels)
    };
    running
        .until("closed with the cause", || closed() == 1)
        .await;
    assert_eq!(
        count("holdfast_upstream_errors_total", &[("kind", "tls")]),
        1
    );
}

#[tokio::test]
async fn handshakes_that_fail_are_counted_by_cause_and_a_stalled_one_ends_in_time() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    write_identity(folder.path(), &ca.localhost());
    write(folder.path(), "ca.crt", &ca.pem);
    let fake = Fake::start(1).await;
    let more = format!(
        "min_version = \"TLSv1.3\"\nclient_auth = \"required\"\nclient_ca_file = \"{}/ca.crt\"\n[limits]\nheader_timeout_ms = 1000\n",
        folder.path().display()
    );
    let running = Running::ready(&fake, &listener_toml(folder.path(), &more)).await;

    let mut plain = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    let frame = raw::request_frame(18, 0, 7, Some("test"), b"");
    plain.write_all(&frame).await.unwrap();
    running.failed("client", "not_tls").await;

    assert!(
        connect(running.port, client(&ca, None, false))
            .await
            .is_err()
    );
    running.failed("client", "incompatible").await;

    // In TLS 1.3 a client is done before the server has seen its certificate: it learns of it when it reads.
    let mut without = connect(running.port, client(&ca, None, true))
        .await
        .unwrap();
    assert!(!asks(&mut without).await);
    running.failed("client", "no_certificate").await;

    let stranger = Ca::new("other").sign(&[], |_| {});
    let mut strange = connect(running.port, client(&ca, Some(&stranger), true))
        .await
        .unwrap();
    assert!(!asks(&mut strange).await);
    running.failed("client", "unknown_ca").await;

    let begun = std::time::Instant::now();
    let mut stalled = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    stalled.write_all(&[22, 3, 1]).await.unwrap();
    let _ = timeout(SOON, stalled.read_u8()).await.expect("the end");
    assert!(begun.elapsed() < Duration::from_secs(10));
    running.failed("client", "timeout").await;

    let known = ca.sign(&[], |_| {});
    let mut stream = connect(running.port, client(&ca, Some(&known), true))
        .await
        .unwrap();
    assert!(asks(&mut stream).await);
}

#[tokio::test]
async fn a_revoked_client_is_refused_and_one_without_a_certificate_is_let_in_where_it_is_only_requested()
 {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    write_identity(folder.path(), &ca.localhost());
    write(folder.path(), "ca.crt", &ca.pem);
    write(folder.path(), "ca.crl", &ca.revoke());
    let fake = Fake::start(1).await;
    let path = folder.path().display();
    let more = format!(
        "client_auth = \"requested\"\nclient_ca_file = \"{path}/ca.crt\"\nclient_crl_files = [\"{path}/ca.crl\"]\n"
    );
    let running = Running::ready(&fake, &listener_toml(folder.path(), &more)).await;
    let revoked = ca.sign(&[], |_| {});
    let mut stream = connect(running.port, client(&ca, Some(&revoked), true))
        .await
        .unwrap();
    assert!(!asks(&mut stream).await);
    running.failed("client", "revoked").await;
    let good = ca.sign(&[], |params| {
        params.serial_number = Some(SerialNumber::from(8_u64));
    });
    for identity in [Some(&good), None] {
        let mut stream = connect(running.port, client(&ca, identity, true))
            .await
            .unwrap();
        assert!(asks(&mut stream).await);
    }
}

/// Whoever took an issuing CA away has taken away what it signed, too.
#[tokio::test]
async fn a_client_whose_issuer_was_revoked_is_refused_and_one_of_another_issuer_is_not() {
    let (root, folder) = (Ca::new("root"), tempfile::tempdir().unwrap());
    write_identity(folder.path(), &root.localhost());
    write(folder.path(), "ca.crt", &root.pem);
    write(folder.path(), "ca.crl", &root.revoke());
    let fake = Fake::start(1).await;
    let path = folder.path().display();
    let more = format!(
        "client_auth = \"required\"\nclient_ca_file = \"{path}/ca.crt\"\nclient_crl_files = [\"{path}/ca.crl\"]\n"
    );
    let running = Running::ready(&fake, &listener_toml(folder.path(), &more)).await;
    // Neither issuer has a list of its own: that says nothing against a client.
    let of = |issuer: &Ca| {
        let mut identity = issuer.sign(&[], |_| {});
        identity.certificate += &issuer.pem;
        identity
    };
    for newest in [true, false] {
        let good = client(&root, Some(&of(&root.issues("good", 8))), newest);
        let mut stream = connect(running.port, good).await.unwrap();
        assert!(asks(&mut stream).await);
    }
    let revoked = of(&root.issues("revoked", 7));
    let mut stream = connect(running.port, client(&root, Some(&revoked), true))
        .await
        .unwrap();
    assert!(!asks(&mut stream).await);
    running.failed("client", "revoked").await;
}

#[tokio::test]
async fn new_files_are_for_new_connections_and_broken_ones_for_none() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let folder = tempfile::tempdir().unwrap();
    write_identity(folder.path(), &old.localhost());
    let fake = Fake::start(1).await;
    let running = Running::ready(&fake, &listener_toml(folder.path(), "")).await;
    let mut first = connect(running.port, client(&old, None, true))
        .await
        .unwrap();
    assert!(asks(&mut first).await);

    write(folder.path(), "tls.crt", "not a certificate");
    let failures = || {
        let family = "holdfast_tls_reload_failures_total";
        running.telemetry.sum(family, &[])
    };
    running.until("told", || failures() == 1).await;
    let successful = || {
        let family = "holdfast_tls_last_reload_successful";
        running.telemetry.sum(family, &[])
    };
    assert_eq!(successful(), 0);
    let mut second = connect(running.port, client(&old, None, true))
        .await
        .unwrap();
    assert!(asks(&mut second).await, "what was in force stays");

    write_identity(folder.path(), &new.localhost());
    let mut third = None;
    for _ in 0..200 {
        third = connect(running.port, client(&new, None, true)).await.ok();
        if third.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(asks(&mut third.expect("the new certificate")).await);
    running.until("good again", || successful() == 1).await;
    assert!(asks(&mut first).await, "old connections are left alone");
    assert!(
        running.telemetry.sum(
            "holdfast_tls_certificate_not_after_timestamp_seconds",
            &[("usage", "listener")]
        ) > 0
    );
}

#[test]
fn files_that_cannot_be_used_are_told_of_with_key_file_found_and_allowed() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let good = ca.localhost();
    let certificate = write(folder, "good.crt", &good.certificate);
    let private_key = write(folder, "good.key", &good.key);
    let files = ListenerFiles {
        certificate,
        private_key,
        client_auth: ClientAuth::Required,
        client_ca: Some(write(folder, "ca.crt", &ca.pem)),
        client_crls: vec![write(folder, "ca.crl", &ca.revoke())],
        min_version: MinVersion::Tls12,
    };
    assert_eq!(ListenerTls::new(files.clone()).reload(), Ok(true));
    let expired = ca.sign(&["a"], |params| {
        params.not_after = date_time_ymd(2020, 1, 1)
    });
    let early = ca.sign(&["a"], |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
    });
    let with = |change: &dyn Fn(&mut ListenerFiles)| {
        let mut files = files.clone();
        change(&mut files);
        let error = ListenerTls::new(files).reload().expect_err("an error");
        error.to_string()
    };
    let certificate = |text: String| {
        let path = write(folder, "bad.crt", &text);
        with(&move |files| files.certificate = path.clone())
    };
    let key = |text: String| {
        let path = write(folder, "bad.key", &text);
        with(&move |files| files.private_key = path.clone())
    };
    let other = Ca::new("another");
    let for_clients = ca.sign(&["a"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (said, key, found) in [
        (
            with(&|files| files.certificate = folder.join("none")),
            "certificate_file",
            "no file that can be read",
        ),
        (
            certificate(String::new()),
            "certificate_file",
            "an empty file",
        ),
        (
            certificate(good.key.clone()),
            "certificate_file",
            "no PEM certificate in it",
        ),
        (
            certificate(expired.certificate.clone()),
            "certificate_file",
            "expired on",
        ),
        (
            certificate(early.certificate.clone()),
            "certificate_file",
            "not valid before",
        ),
        (
            certificate(format!("{}{}", good.certificate, other.pem)),
            "certificate_file",
            "that did not issue the first",
        ),
        (
            certificate(for_clients.certificate.clone()),
            "certificate_file",
            "not for servers",
        ),
        (
            certificate(RSA_1024.into()),
            "certificate_file",
            "an RSA key of 1024 bits",
        ),
        (
            with(&|files| files.client_ca = Some(files.certificate.clone())),
            "client_ca_file",
            "no CA's",
        ),
        (
            key(expired.key.clone()),
            "private_key_file",
            "does not belong to the certificate",
        ),
        (
            key("nonsense".into()),
            "private_key_file",
            "no PEM private key",
        ),
        (key(encrypted.into()), "private_key_file", "an encrypted"),
        (
            with(&|files| files.client_ca = Some(write(folder, "empty", ""))),
            "client_ca_file",
            "an empty file",
        ),
        (
            with(&|files| files.client_crls = vec![write(folder, "bad.crl", "x")]),
            "client_crl_files",
            "no PEM revocation list",
        ),
        (
            with(&|files| {
                let nonsense = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
                files.client_crls = vec![write(folder, "worse.crl", nonsense)];
            }),
            "client_crl_files",
            "found",
        ),
    ] {
        assert!(
            said.starts_with(&format!("listener.tls.{key}: {}", folder.display())),
            "{said}"
        );
        assert!(
            said.contains(found) && said.contains("; allowed: "),
            "{said}"
        );
    }
}

#[test]
fn all_files_that_cannot_be_used_are_named_at_once_on_both_sides() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    write_identity(folder, &ca.localhost());
    let for_servers = ca.sign(&["a"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    write(folder, "server.crt", &for_servers.certificate);
    write(folder, "server.key", &for_servers.key);
    write(folder, "broken.key", "x");
    write(folder, "empty", "");
    let toml = format!(
        "[listener]\nadvertised_host = \"gateway.test\"\n[listener.tls]\ncertificate_file = \"{0}/none.crt\"\n\
         private_key_file = \"{0}/broken.key\"\n\
         [cluster]\nbootstrap_servers = [\"localhost:19092\"]\n[cluster.tls]\nenabled = true\ncertificate_file = \"{0}/server.crt\"\n\
         private_key_file = \"{0}/server.key\"\nca_file = \"{0}/empty\"\n\
         [cluster.sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\npassword_file = \"{0}/empty\"\n",
        folder.display()
    );
    let path = write(folder, "gateway.toml", &toml);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["check", "--config"]).arg(&path);
    let output = process::run("holdfast check", command, b"", Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("5 problems"), "{}", output.stderr);
    for (key, found) in [
        ("listener.tls.certificate_file", "no file that can be read"),
        ("listener.tls.private_key_file", "no PEM private key"),
        ("cluster.tls.certificate_file", "not for clients"),
        ("cluster.tls.ca_file", "an empty file"),
        ("cluster.sasl.password_file", "holds no password"),
    ] {
        let mut lines = output.stderr.lines();
        let told = lines.any(|line| line.contains(key) && line.contains(found));
        assert!(told, "{key} {found}: {}", output.stderr);
    }
}

#[test]
fn a_certificate_that_is_not_for_what_clients_are_told_is_warned_of() {
    let (ca, folder) = (Ca::new("ca"), tempfile::tempdir().unwrap());
    let names = ["*.kafka.test", "broker-1.inside.test"];
    write_identity(folder.path(), &ca.sign(&names, |_| {}));
    let warned = |listener: &str, sni: &str| {
        let toml = format!(
            "cluster.bootstrap_servers = [\"k:1\"]\n[listener]\nbroker_ids = \"1-3\"\n{listener}\n{}\n{sni}",
            listener_toml(folder.path(), "")
        );
        let settings = config::load("gateway.toml", &toml, &Overrides::default(), &|_| None);
        let settings = settings.unwrap();
        proxy::load_tls(&settings.proxy).unwrap();
        config::warnings(&settings)
    };
    let sni = |bootstrap: &str| {
        format!(
            "[listener.sni]\nport = 9094\nbootstrap_host = \"{bootstrap}\"\nbroker_host = \"broker-{{id}}.kafka.test\"\n"
        )
    };
    let told = "advertised_broker_port = 9092\nadvertised_host = ";
    let good = format!("{told}\"b{{id}}.kafka.test\"");
    assert_eq!(warned(&good, &sni("all.kafka.test")), [""; 0]);
    let bad = format!("{told}\"broker-{{id}}.inside.test\"");
    let found = warned(&bad, &sni("kafka.test"));
    let parts = [
        "not for broker-2.inside.test and 1 more, which listener.advertised_host tells",
        "not for kafka.test, which listener.sni.bootstrap_host tells",
    ];
    assert_eq!(found.len(), parts.len(), "{found:?}");
    for (line, part) in found.iter().zip(parts) {
        assert!(line.contains(part), "{line}");
    }
    let found = warned("advertised_host = \"10.0.0.1\"", "");
    assert!(found[0].contains("not for 10.0.0.1, which"), "{found:?}");
}

#[test]
fn a_principal_is_written_as_kafka_writes_it() {
    let ca = Ca::new("ca");
    let identity = ca.sign(&[], |params| {
        let name = &mut params.distinguished_name;
        *name = rcgen::DistinguishedName::new();
        name.push(DnType::OrganizationName, "Acme, Inc.");
        name.push(DnType::OrganizationalUnitName, "payments");
        name.push(DnType::CommonName, "app 1");
    });
    let leaf = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    assert_eq!(
        tls::principal(Some(&[leaf])).as_deref(),
        Some("User:CN=app 1,OU=payments,O=Acme\\, Inc.")
    );
    assert_eq!(tls::principal(None), None);
}

/// Valid for a hundred years, with a key that is too short.
const RSA_1024: &str = "-----BEGIN CERTIFICATE-----\n\
MIIB/DCCAWWgAwIBAgIUKD4Ewo85+CxweVRK9HBLLikpavUwDQYJKoZIhvcNAQEL\n\
BQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjExMjcwMTA0NDFaGA8yMTI2MTEwMzAx\n\
MDQ0MVowDzENMAsGA1UEAwwEd2VhazCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkC\n\
gYEArRYLJmRCZ3BQaMoNTNVcQy1+mVjL0lVJA4aYN2IGQdOWNCDFMEoyV2pNbAvk\n\
q/ahbU1i6FdP3+SKev6V1UaK35oUSqr9dEFWfX/LrlAn/FU99ERCu7p1gXXgnEAc\n\
dTM7p9JpJaWcd3dYLqkpJn0SbIrk+Kd2r/1Fgg5Xr7htovcCAwEAAaNTMFEwHQYD\n\
VR0OBBYEFIhkz0nKiEBlEGi2Z89HOKXxIGNOMB8GA1UdIwQYMBaAFIhkz0nKiEBl\n\
EGi2Z89HOKXxIGNOMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEA\n\
rGy1pPidAscYRiYjO1d2DbNdC9h+ltr7OirVnco+FdiRXv1vzqTsU022Voc4qaXK\n\
rlgLQ6Z8tSAPem2t5fqhV5afW7rOw0SwitEZuWfojRuuwR2kW9hDrwUr0oUX8bRh\n\
BgE83hWG1do5eRvQbWoWdAbVezmsn31cas6WW3/3G+0=\n\
-----END CERTIFICATE-----\n";
