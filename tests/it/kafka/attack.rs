//! The broker behind is protected: 210 connections that each begin a request of 100 MiB and send 2 KB of it, of every API
//! key in turn. Direct they leave a broker out of memory; through Holdfast it goes on answering everybody else.

use crate::proxy::resident::resident_bytes;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::raw::{Batch, Produce, Raw, request_frame};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ATTACKERS: usize = 210;
/// The brokers' socket.request.max.bytes.
const ANNOUNCED: u32 = 104_857_600;
const SENT: usize = 2000;
/// Requests of ordinary size: one that a broker allocates little for, and one larger than a relay buffer.
const HONEST: [usize; 2] = [1_000, 300_000];
/// Generous: two cores, three brokers, other tests.
const P99: Duration = Duration::from_secs(3);
/// What the attack may add to the program's memory: a relay buffer for each, and what a debug build needs around it.
const MEMORY: u64 = (ATTACKERS as u64) * 64 * 1024 + 64 * 1024 * 1024;
const LIMITS: &str = "[limits]\nannounced_bytes = 134217728\nframe_timeout_ms = 4000\nbudget_timeout_ms = 4000\nheader_timeout_ms = 4000\n[drain]\nclose_drain_timeout_ms = 1000\n";

/// The beginning of a request that is said to be 100 MiB long. A key that a client may not use, or an unknown one, is as
/// good as any: it is the length that a broker allocates.
fn begun(n: usize) -> Vec<u8> {
    let key = (n % 93) as i16;
    let version = if key == 0 { 9 } else { 2 };
    let body = match key {
        // A Produce that is one until where it stops: acks, timeout, one topic, one partition, a batch.
        0 => Produce::new(9, 1, "honest", 0, vec![0; 10_000]).body(),
        _ => vec![0; 10_000],
    };
    let mut frame = request_frame(key, version, 1, Some("attacker"), &body);
    frame[..4].copy_from_slice(&ANNOUNCED.to_be_bytes());
    frame.truncate(SENT);
    frame
}

fn attack(address: &str) -> Vec<TcpStream> {
    let begin = |n| {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.write_all(&begun(n)).ok()?;
        Some(stream)
    };
    (0..ATTACKERS).filter_map(begin).collect()
}

/// What a well-behaved client waited for each of its answers, until `over`.
fn honest(address: &str, over: &AtomicBool) -> Vec<Duration> {
    let mut client = Raw::connect(address).expect("Holdfast listens");
    let mut waited = Vec::new();
    while !over.load(Ordering::Relaxed) {
        for bytes in HONEST {
            let records = Batch::of_ids(0, 1, bytes).bytes();
            let begun = Instant::now();
            let answer = client.produce(&Produce::new(9, -1, "honest", 0, records));
            let answer = answer.expect("an answer while others attack");
            assert_eq!(answer.error_codes(), [0]);
            waited.push(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    waited
}

#[test]
fn a_broker_behind_holdfast_answers_others_while_210_connections_announce_100_mib_each() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    cluster.create_topic_on("honest", &[&[1, 2, 3]], &[]);
    let node = cluster.broker(1);
    let options = Options::new(&cluster.bootstrap()).config(LIMITS);
    let holdfast = Holdfast::start_with(options);
    let address = holdfast.broker_addr(1);
    let before = resident_bytes(holdfast.pid());
    let over = AtomicBool::new(false);
    let (mut waited, most) = std::thread::scope(|scope| {
        let client = scope.spawn(|| honest(&address, &over));
        let (begun, mut most) = (Instant::now(), 0);
        // Whoever was closed comes again.
        for _ in 0..3 {
            let attackers = attack(&address);
            let wave = Instant::now();
            while wave.elapsed() < Duration::from_secs(7) {
                most = most.max(resident_bytes(holdfast.pid()));
                std::thread::sleep(Duration::from_millis(100));
            }
            drop(attackers);
        }
        over.store(true, Ordering::Relaxed);
        println!("attacked for {:?}", begun.elapsed());
        (client.join().expect("the honest client"), most)
    });
    waited.sort_unstable();
    let p99 = waited[waited.len() * 99 / 100];
    let added = most.saturating_sub(before);
    println!(
        "{} honest requests, p50 {:?}, p99 {p99:?}; {added} bytes added",
        waited.len(),
        waited[waited.len() / 2]
    );
    assert!(waited.len() >= 20, "{} answers", waited.len());
    assert!(p99 <= P99, "p99 of {p99:?}");
    assert!(added <= MEMORY, "{added} bytes, at most {MEMORY}");
    assert!(!node.log().contains("OutOfMemoryError"), "through Holdfast");
    eventually("all are closed", Duration::from_secs(30), || match holdfast
        .metrics()
        .value("holdfast_announced_bytes", &[])
    {
        0.0 => Ok(()),
        left => Err(format!("{left} bytes are announced")),
    });
    let metrics = holdfast.metrics();
    let closed = |cause| {
        let name = "holdfast_client_connections_closed_total";
        metrics.value(name, &[("cause", cause)])
    };
    let (stalled, waited) = (closed("frame_stalled"), closed("budget_timeout"));
    println!("{stalled} closed as stalled, {waited} for want of room");
    assert!(stalled >= 1.0 && waited >= 100.0);

    // The control: without Holdfast the same kills it.
    let _attackers = attack(&node.addr());
    eventually("out of memory", Duration::from_secs(60), || {
        match node.log().contains("OutOfMemoryError") {
            true => Ok(()),
            false => Err("the broker still has memory".to_owned()),
        }
    });
}
