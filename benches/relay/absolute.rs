//! What memory and starting take, in absolute numbers: measured once, on fresh processes.

use crate::broker::{self, Cluster};
use crate::cases::{FETCH, PRODUCE, SMALL, size_name};
use crate::client::{self, Stream, Traffic};
use crate::peers::{self, Behind, DEFAULT, Holdfast};
use crate::relay::Relay;
use crate::stats::{PAIRS, Verdict, median};
use crate::support::certificates::Ca;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// One row: figures by relay, and what is demanded of the default preset.
pub struct Figures {
    pub what: String,
    pub unit: &'static str,
    pub by_relay: Vec<(String, f64)>,
    /// The target, and what became of it.
    pub judged: Option<(String, Verdict)>,
}

const IDLE_BYTES: f64 = 4.0 * 1024.0;
const IDLE_TLS_BYTES: f64 = 20.0 * 1024.0;
const READY_SECONDS: f64 = 1.0;
/// Of the largest frames beside that of frames a thousandth as large.
const GROWTH: f64 = 1.10;
/// A connection that comes first pays for what all share; with these, `CONNECTIONS` is what `limits.max_connections` allows.
pub const WARM: usize = 16;
pub const CONNECTIONS: usize = 9_000;

/// The relays whose memory is told: one of each kind.
pub const IDLE: [&str; 5] = [
    peers::COPY,
    peers::NGINX,
    peers::HAPROXY,
    "observe",
    DEFAULT,
];

fn frame(traffic: Traffic, size: usize) -> Vec<u8> {
    Stream { traffic, size }.request()
}

/// Fresh processes: one that has carried traffic has room that idle connections would then hide in.
pub fn idle(behind: &Behind, connections: usize) -> io::Result<Vec<Figures>> {
    let mut resting = Vec::new();
    let mut after = Vec::new();
    for name in IDLE {
        match peers::start(name, behind)? {
            // The heading names it.
            Err(_) => {}
            Ok(relay) => {
                let (at_rest, after_burst) = per_connection(&relay, connections, None)?;
                resting.push((name.to_owned(), at_rest));
                after.push((name.to_owned(), after_burst));
            }
        }
    }
    Ok(vec![
        figures(
            format!("memory of an idle connection, of {connections}"),
            connections,
            resting,
            IDLE_BYTES,
        ),
        figures(
            "the same after a frame of 1 MiB each way on each".to_owned(),
            connections,
            after,
            IDLE_BYTES,
        ),
    ])
}

/// Towards clients, and on both sides. Blind relays see no TLS.
pub fn idle_tls(behind: &Behind, connections: usize) -> io::Result<Vec<Figures>> {
    let ca = Ca::new("bench");
    let identity = ca.localhost();
    let folder = tempfile::tempdir()?;
    let at = |file: &str| folder.path().join(file);
    fs::write(at("ca"), &ca.pem)?;
    fs::write(at("crt"), &identity.certificate)?;
    fs::write(at("key"), &identity.key)?;
    let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
    let chain = vec![chain.map_err(io::Error::other)?];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ca.pem.as_bytes()).map_err(io::Error::other)?;
    roots.add(root).map_err(io::Error::other)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    let cluster = Cluster {
        brokers: 1,
        partitions: 1,
        tls: Some(Arc::new(server)),
    };
    let behind_tls = Behind::one(broker::start(0, cluster)?, behind.workers);
    let clients_side = format!(
        "listener.tls.certificate_file = \"{}\"\nlistener.tls.private_key_file = \"{}\"\n",
        at("crt").display(),
        at("key").display()
    );
    let both = format!(
        "{clients_side}cluster.tls.enabled = true\ncluster.tls.ca_file = \"{}\"\n",
        at("ca").display()
    );
    let mut rows = Vec::new();
    for (side, behind, config) in [
        ("towards clients", behind, clients_side),
        ("on both sides", &behind_tls, both),
    ] {
        let mut how = Holdfast::preset(DEFAULT);
        how.config += &config;
        let relay = peers::holdfast(DEFAULT, behind, &how)?;
        let (at_rest, after) = per_connection(&relay, connections, Some(&client))?;
        let by_relay = |bytes| vec![(DEFAULT.to_owned(), bytes)];
        let what = format!("memory of an idle connection with TLS {side}, of {connections}");
        rows.push(figures(
            what,
            connections,
            by_relay(at_rest),
            IDLE_TLS_BYTES,
        ));
        let what = format!("the same after a frame of 1 MiB each way on each, TLS {side}");
        rows.push(figures(what, connections, by_relay(after), IDLE_TLS_BYTES));
    }
    Ok(rows)
}

/// Bytes of each at rest after a small request, and at rest after large ones.
fn per_connection(
    relay: &Relay,
    connections: usize,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<(f64, f64)> {
    let small = frame(PRODUCE, SMALL);
    let large = [frame(PRODUCE, 1 << 20), frame(FETCH, 1 << 20)];
    let failed = |error| io::Error::other(format!("{}: {error}", relay.name));
    let warm = client::idle(relay.address, &small, WARM, tls).map_err(failed)?;
    let before = relay.resident_bytes()?;
    let count = connections - WARM;
    let mut open = client::idle(relay.address, &small, count, tls).map_err(failed)?;
    let resident = || -> io::Result<f64> {
        thread::sleep(Duration::from_secs(2));
        Ok((relay.resident_bytes()? - before) / count as f64)
    };
    let at_rest = resident()?;
    for frame in &large {
        client::burst(&mut open, frame).map_err(failed)?;
    }
    let after = resident()?;
    drop((warm, open));
    Ok((at_rest, after))
}

fn figures(what: String, connections: usize, bytes: Vec<(String, f64)>, limit: f64) -> Figures {
    let judged = bytes.iter().find(|(name, _)| name == DEFAULT);
    let verdict = match connections {
        CONNECTIONS => at_most(judged.map_or(f64::NAN, |(_, bytes)| *bytes), limit),
        // What all share weighs more on few.
        _ => Verdict::NotJudged(format!("{CONNECTIONS} connections are needed")),
    };
    let kib = |(name, bytes): (String, f64)| (name, bytes / 1024.0);
    Figures {
        what,
        unit: "KiB",
        by_relay: bytes.into_iter().map(kib).collect(),
        judged: Some((format!("≤ {} KiB", limit / 1024.0), verdict)),
    }
}

/// The most that a fresh process ever had, by the size of the answers that it carried on eight connections.
pub fn by_frame_size(behind: &Behind, quick: bool) -> io::Result<Vec<Figures>> {
    let sizes: &[usize] = match quick {
        true => &[64 << 10, 16 << 20],
        false => &[64 << 10, 1 << 20, 16 << 20, 64 << 20],
    };
    let mut peaks = Vec::new();
    for size in sizes {
        let relay = peers::holdfast(DEFAULT, behind, &Holdfast::preset(DEFAULT))?;
        let frame = frame(FETCH, *size);
        let mut clients = client::idle(relay.address, &frame, 8, None)?;
        for _ in 0..((256 << 20) / size / clients.len()).max(1) {
            client::burst(&mut clients, &frame)?;
        }
        peaks.push((*size, relay.peak_resident_bytes()?));
    }
    let smallest = peaks.first().map_or(f64::NAN, |(_, bytes)| *bytes);
    let row = |(size, bytes): (usize, f64)| Figures {
        what: format!("most resident memory, answers of {}", size_name(size)),
        unit: "KiB",
        by_relay: vec![(DEFAULT.to_owned(), bytes / 1024.0)],
        judged: Some((
            format!("≤ {GROWTH:.2} × the smallest's"),
            at_most(bytes, GROWTH * smallest),
        )),
    };
    Ok(peaks.into_iter().map(row).collect())
}

/// From the command to `/readyz` 200.
pub fn start_to_ready(behind: &Behind) -> io::Result<Figures> {
    let mut seconds = Vec::new();
    for _ in 0..PAIRS {
        let begun = Instant::now();
        peers::holdfast(DEFAULT, behind, &Holdfast::preset(DEFAULT))?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let median = median(&seconds);
    Ok(Figures {
        what: format!("start to ready, median of {PAIRS}"),
        unit: "ms",
        by_relay: vec![(DEFAULT.to_owned(), median * 1e3)],
        judged: Some((
            format!("≤ {READY_SECONDS} s"),
            at_most(median, READY_SECONDS),
        )),
    })
}

fn at_most(value: f64, limit: f64) -> Verdict {
    match value {
        value if value.is_nan() => Verdict::NotJudged("it was not measured".to_owned()),
        value if value <= limit => Verdict::Met,
        _ => Verdict::Missed,
    }
}
