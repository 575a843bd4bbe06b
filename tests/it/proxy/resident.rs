//! The program's own memory, as the system counts it: connections that wait, and after a burst.

use crate::support::bystander::resident_bytes;
use crate::support::certificates::{Ca, Identity};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::raw::request_frame;
use holdfast::proxy::workers::DESCRIPTORS_EACH;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const IDLE: usize = 2000;
/// The target is 4 KiB, which `memory.rs` holds to the byte on the heap; pages, the allocator's own and this unoptimised
/// build add to it here.
const GUARD_BYTES: u64 = 5 * 1024;

/// The same by TLS, with rustls's state and its buffer of 4 KiB for each side that has it.
const GUARD_TLS_BYTES: u64 = 20 * 1024;

/// Answers every request with an empty body, whatever it was, on as many connections as come.
fn broker() -> u16 {
    broker_by(|stream| stream)
}

fn broker_by<S: Read + Write + Send + 'static>(
    wrap: impl Fn(TcpStream) -> S + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            // One request each is enough here; the watch's own are left unanswered, it is not asked.
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
            let mut stream = wrap(stream);
            let mut start = [0; 12];
            if stream.read_exact(&mut start).is_ok() && start[4..6] == [0, 12] {
                let len = u32::from_be_bytes([start[0], start[1], start[2], start[3]]) - 8;
                stream.read_exact(&mut vec![0; len as usize]).ok();
                let mut answer = 4_u32.to_be_bytes().to_vec();
                answer.extend(&start[8..12]);
                stream.write_all(&answer).ok();
                stream.flush().ok();
            }
            kept.push(stream);
        }
    });
    port
}

fn round_trip(address: &str, bytes: usize) -> TcpStream {
    round_trip_by(|stream| stream, address, bytes)
}

fn round_trip_by<S: Read + Write>(wrap: impl Fn(TcpStream) -> S, address: &str, bytes: usize) -> S {
    let stream = TcpStream::connect(address).expect("Holdfast listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok();
    let mut stream = wrap(stream);
    let frame = request_frame(12, 0, 1, Some("test"), &vec![b'x'; bytes]);
    stream.write_all(&frame).expect("it reads");
    stream.read_exact(&mut [0; 8]).expect("an answer");
    stream
}

/// A CA, and files of what it signed.
struct Tls {
    ca: Ca,
    identity: Identity,
    folder: tempfile::TempDir,
}

impl Tls {
    fn new() -> Tls {
        let ca = Ca::new("ca");
        let (identity, folder) = (ca.localhost(), tempfile::tempdir().expect("a directory"));
        let files = [
            ("ca", &ca.pem),
            ("crt", &identity.certificate),
            ("key", &identity.key),
        ];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        Tls {
            ca,
            identity,
            folder,
        }
    }

    fn listener(&self) -> String {
        let path = self.folder.path().display();
        format!(
            "[listener.tls]\ncertificate_file = \"{path}/crt\"\nprivate_key_file = \"{path}/key\"\n"
        )
    }

    fn towards(&self) -> String {
        let path = self.folder.path().display();
        format!("[cluster.tls]\nenabled = true\nca_file = \"{path}/ca\"\n")
    }

    fn client(&self) -> impl Fn(TcpStream) -> StreamOwned<ClientConnection, TcpStream> + use<> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca.pem.as_bytes()).expect("PEM");
        roots.add(ca).expect("a CA");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        move |stream| {
            let name = ServerName::try_from("localhost").expect("a name");
            let connection = ClientConnection::new(config.clone(), name).expect("a client");
            StreamOwned::new(connection, stream)
        }
    }

    fn server(&self) -> impl Fn(TcpStream) -> StreamOwned<ServerConnection, TcpStream> + use<> {
        let chain = CertificateDer::from_pem_slice(self.identity.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.identity.key.as_bytes()).expect("PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain.expect("PEM")], key)
            .expect("a pair");
        let config = Arc::new(config);
        move |stream| {
            let connection = ServerConnection::new(config.clone()).expect("a server");
            StreamOwned::new(connection, stream)
        }
    }
}

#[track_caller]
fn started(options: Options) -> (Holdfast, String) {
    let holdfast = Holdfast::launch(options);
    let address = holdfast.bootstrap();
    crate::support::eventually("it listens", Duration::from_secs(20), || {
        TcpStream::connect(&address).map_err(|error| error.to_string())
    });
    (holdfast, address)
}

#[test]
fn two_thousand_idle_connections_by_tls_on_one_side_and_on_both_leave_little_behind() {
    let tls = Tls::new();
    let sides = [
        ("with clients", broker(), tls.listener()),
        (
            "with brokers, too",
            broker_by(tls.server()),
            tls.listener() + &tls.towards(),
        ),
    ];
    for (side, port, config) in sides {
        let server = format!("localhost:{port}");
        let (holdfast, address) = started(Options::new(&server).config(&config));
        let client = tls.client();
        drop(
            (0..100)
                .map(|_| round_trip_by(&client, &address, 100_000))
                .collect::<Vec<_>>(),
        );
        let before = resident_bytes(holdfast.pid());
        let lines: Vec<_> = (0..IDLE)
            .map(|_| round_trip_by(&client, &address, 1000))
            .collect();
        let each = resident_bytes(holdfast.pid()).saturating_sub(before) / IDLE as u64;
        println!("TLS {side}: {each} resident bytes for each idle connection");
        assert!(each <= GUARD_TLS_BYTES, "{side}: {each} bytes");
        drop(lines);
    }
}

/// Half of them begin a handshake and half say nothing: others are served meanwhile, and their time ends.
#[test]
fn a_thousand_handshakes_that_stall_cost_little_and_end_while_others_are_served() {
    const STALLED: usize = 1000;
    let tls = Tls::new();
    let config = tls.listener() + "[limits]\nheader_timeout_ms = 15000\n";
    let (holdfast, address) =
        started(Options::new(&format!("127.0.0.1:{}", broker())).config(&config));
    let client = tls.client();
    let served = |times: usize| {
        let mut took: Vec<Duration> = (0..times)
            .map(|_| {
                let begun = Instant::now();
                drop(round_trip_by(&client, &address, 1000));
                begun.elapsed()
            })
            .collect();
        took.sort_unstable();
        (took[times / 2], took[times - 1])
    };
    let quiet = served(50);
    let before = resident_bytes(holdfast.pid());
    let begun = Instant::now();
    let stalled: Vec<TcpStream> = (0..STALLED)
        .map(|number| {
            let mut stream = TcpStream::connect(&address).expect("it accepts");
            if number % 2 == 0 {
                // A record of 512 bytes with a ClientHello, of which eleven come.
                let hello = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
                stream.write_all(&hello).expect("it reads");
            }
            stream
        })
        .collect();
    let flooded = served(50);
    let each = resident_bytes(holdfast.pid()).saturating_sub(before) / STALLED as u64;
    println!(
        "others, median and longest: {quiet:?}, under {STALLED} stalled handshakes {flooded:?}; {each} bytes for each"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "measured too late"
    );
    assert!(flooded.1 < Duration::from_secs(2), "{flooded:?}");
    assert!(each <= GUARD_TLS_BYTES, "{each} bytes");
    for mut stream in stalled {
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok();
        let end = stream.read(&mut [0; 64]);
        let in_time = end.map_or_else(
            |error| error.kind() == std::io::ErrorKind::ConnectionReset,
            |_| true,
        );
        assert!(in_time, "still open after {:?}", begun.elapsed());
    }
    println!("all closed after {:?}", begun.elapsed());
    let labels = [("side", "client"), ("cause", "timeout")];
    let counted = || {
        let metrics = holdfast.metrics();
        metrics.value_or_zero("holdfast_tls_handshake_failures_total", &labels)
    };
    crate::support::eventually(
        "all are counted",
        Duration::from_secs(20),
        || match counted() {
            all if all == STALLED as f64 => Ok(()),
            some => Err(some.to_string()),
        },
    );
}

#[test]
fn two_thousand_idle_connections_and_a_burst_leave_little_behind() {
    let holdfast = Holdfast::launch(Options::new(&format!("127.0.0.1:{}", broker())));
    let address = holdfast.bootstrap();
    crate::support::eventually("it listens", Duration::from_secs(20), || {
        TcpStream::connect(&address).map_err(|error| error.to_string())
    });
    // What is made once (buffers that are kept, tables of descriptors) is made here.
    drop(
        (0..100)
            .map(|_| round_trip(&address, 100_000))
            .collect::<Vec<_>>(),
    );
    let before = resident_bytes(holdfast.pid());
    let lines: Vec<_> = (0..IDLE).map(|_| round_trip(&address, 1000)).collect();
    let each = resident_bytes(holdfast.pid()).saturating_sub(before) / IDLE as u64;
    println!("{each} resident bytes for each idle connection");
    assert!(each <= GUARD_BYTES, "{each} bytes");
    drop(lines);
    let idle = resident_bytes(holdfast.pid());
    drop(
        (0..50)
            .map(|_| round_trip(&address, 1024 * 1024))
            .collect::<Vec<_>>(),
    );
    let after = resident_bytes(holdfast.pid());
    println!("{idle} resident bytes before a burst, {after} after it");
    assert!(
        after < idle + 8 * 1024 * 1024,
        "{idle} before, {after} after"
    );
}

/// A table that grows while threads run keeps them all waiting.
#[test]
fn there_is_room_for_the_descriptors_of_all_connections_from_the_start() {
    let holdfast = Holdfast::launch(
        Options::new("127.0.0.1:1").config("[limits]\nmax_connections = 3000\npipes = 10\n"),
    );
    eventually("room for 6000 descriptors", Duration::from_secs(20), || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", holdfast.pid()));
        let status = status.expect("a living process");
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
        let size: usize = size.expect("a size").trim().parse().expect("a number");
        match (6_000..=16_384).contains(&size) {
            true => Ok(()),
            false => Err(format!("{size}")),
        }
    });
}

#[test]
fn each_worker_holds_as_many_descriptors_as_are_counted_for_it() {
    let held = |workers: usize| {
        let config = format!("[limits]\nworker_threads = {workers}\n");
        let holdfast = Holdfast::launch(Options::new("127.0.0.1:1").config(&config));
        holdfast.wait_bound();
        // Without what it dials its broker by, now and then, and without our own connection, which has an end.
        let held = (0..100).map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            let open = std::fs::read_dir(format!("/proc/{}/fd", holdfast.pid()));
            open.expect("a living process").count()
        });
        held.min().expect("a hundred looks")
    };
    let (few, many) = (held(1), held(5));
    assert_eq!(many - few, 4 * DESCRIPTORS_EACH, "{few} and {many}");
}
