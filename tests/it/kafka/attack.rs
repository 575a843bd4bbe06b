//! The broker behind is protected: 210 connections that each begin a request of 100 MiB and send 2 KB of it, of every API
//! key in turn. Direct they leave a broker out of memory; through Holdfast it goes on answering everybody else.

use crate::support::bystander::beside;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::raw::{Batch, METADATA, PRODUCE, Produce, ProduceAnswer, Raw, request_frame};
use crate::support::rdk::{self, IdProducer, Settings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const ATTACKERS: usize = 210;
/// The brokers' socket.request.max.bytes.
const ANNOUNCED: u32 = 104_857_600;
const SENT: usize = 2000;
/// Requests of ordinary size: one that a broker allocates little for, and one larger than a relay buffer.
const HONEST: [usize; 2] = [1_000, 300_000];
/// Alone it is less than a tenth of a second; beside other clusters on two cores it may be many times that.
const P99: Duration = Duration::from_secs(8);
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

/// What a well-behaved client asks, one request after the other.
fn honest(address: &str, topic: &'static str) -> impl FnMut() + Send + use<> {
    let mut client = Raw::connect(address).expect("Holdfast listens");
    let mut turn = 0;
    move || {
        let records = Batch::of_ids(0, 1, HONEST[turn % HONEST.len()]).bytes();
        turn += 1;
        let answer = client.produce(&Produce::new(9, -1, topic, 0, records));
        let answer = answer.expect("an answer while others attack");
        assert_eq!(answer.error_codes(), [0]);
    }
}

#[test]
fn a_broker_behind_holdfast_answers_others_while_210_connections_announce_100_mib_each() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    cluster.create_topic_on("honest", &[&[1, 2, 3]], &[]);
    let node = cluster.broker(1);
    let options = Options::new(&cluster.bootstrap()).config(LIMITS);
    let holdfast = Holdfast::start_with(options);
    let address = holdfast.broker_addr(1);
    let ask = honest(&address, "honest");
    let ((), seen) = beside("210 that announce 100 MiB", holdfast.pid(), ask, || {
        // Whoever was closed comes again.
        for _ in 0..3 {
            let attackers = attack(&address);
            std::thread::sleep(Duration::from_secs(7));
            drop(attackers);
        }
    });
    seen.assert(P99, MEMORY);
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

/// For what is left of it after the broker stood still.
const PATIENT: Duration = Duration::from_secs(60);
/// A batch that takes most of a relay buffer.
const FLOOD_BYTES: usize = 60_000;
const FLOODING: u64 = 60;
const BUFFER_BYTES: u64 = 64 * 1024 * 1024;

/// A client that hands over requests as long as somebody takes them, and looks at its answers only afterwards.
struct Flooding {
    stream: TcpStream,
    /// What its socket did not take yet.
    rest: Vec<u8>,
    first: u64,
    sent: u64,
}

impl Flooding {
    fn new(address: &str, first: u64) -> Flooding {
        let stream = TcpStream::connect(address).expect("Holdfast listens");
        stream.set_nonblocking(true).expect("a socket option");
        Flooding {
            stream,
            rest: Vec::new(),
            first,
            sent: 0,
        }
    }

    /// Whether anything was taken.
    fn goes_on(&mut self) -> bool {
        if self.rest.is_empty() {
            let id = self.first + self.sent;
            let records = Batch::of_ids(id, 1, FLOOD_BYTES).bytes();
            let produce = Produce::new(9, 1, "stopped", 0, records).timeout_ms(60_000);
            self.rest = request_frame(PRODUCE, 9, self.sent as i32, Some("flood"), &produce.body());
            self.sent += 1;
        }
        match self.stream.write(&self.rest) {
            Ok(n) => drop(self.rest.drain(..n)),
            Err(_) => return false,
        }
        true
    }

    /// The ids that were acknowledged, once everything that was begun is sent.
    fn acknowledged(mut self) -> Vec<u64> {
        self.stream.set_nonblocking(false).expect("a socket option");
        self.stream
            .set_read_timeout(Some(PATIENT))
            .expect("a socket option");
        let mut writes = self.stream.try_clone().expect("a second handle");
        let rest = self.rest;
        let sending = std::thread::spawn(move || writes.write_all(&rest).is_ok());
        let mut acknowledged = Vec::new();
        for n in 0..self.sent {
            let mut size = [0; 4];
            if self.stream.read_exact(&mut size).is_err() {
                break;
            }
            let mut answer = vec![0; u32::from_be_bytes(size) as usize];
            self.stream.read_exact(&mut answer).expect("a whole answer");
            assert_eq!(answer[..4], (n as i32).to_be_bytes());
            let answer = ProduceAnswer::parse(9, &answer[5..]).expect("an answer");
            if answer.error_codes() == [0] {
                acknowledged.push(self.first + n);
            }
        }
        sending.join().ok();
        acknowledged
    }
}

#[test]
fn a_broker_that_stands_still_costs_bounded_memory_and_others_nothing_and_what_it_acknowledged_is_stored()
 {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1).dedicated_controller());
    cluster.create_topic_on("stopped", &[&[1]], &[]);
    cluster.create_topic_on("elsewhere", &[&[2, 3]], &[]);
    let config = format!(
        "[limits]\nbuffer_bytes = {BUFFER_BYTES}\nidle_timeout_ms = 8000\n[drain]\nclose_drain_timeout_ms = 1000\n"
    );
    let options = Options::new(&cluster.bootstrap()).config(&config);
    let holdfast = Holdfast::start_with(options);
    let settings = |acks| {
        Settings::acks(acks)
            .set("message.timeout.ms", "90000")
            .set("request.timeout.ms", "60000")
            .set("socket.timeout.ms", "60000")
            .set("retries", "1000")
    };
    let producers = ["0", "1"].map(|acks| {
        let producer = IdProducer::new(&holdfast.bootstrap(), "stopped", &settings(acks));
        for id in 0..500 {
            producer.send(id, 100, Some(0));
        }
        producer
    });
    let mut flooding: Vec<_> = (0..FLOODING)
        .map(|n| Flooding::new(&holdfast.broker_addr(1), (n + 1) * 1_000_000))
        .collect();
    let ask = honest(&holdfast.broker_addr(2), "elsewhere");
    let ((), seen) = beside("a broker that stands still", holdfast.pid(), ask, || {
        let mut flood_for = |span: Duration| {
            let begun = Instant::now();
            while begun.elapsed() < span {
                if !flooding
                    .iter_mut()
                    .fold(false, |any, one| one.goes_on() | any)
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        };
        flood_for(Duration::from_secs(1));
        cluster.broker(1).freeze();
        for id in 500..1000 {
            producers.iter().for_each(|one| one.send(id, 100, Some(0)));
        }
        flood_for(Duration::from_secs(10));
        // And 200 that ask once, are not answered, and go.
        let asking: Vec<_> = (0..200)
            .filter_map(|_| Raw::connect(&holdfast.broker_addr(1)).ok())
            .map(|mut raw| raw.send(METADATA, 1, &[0, 0, 0, 0]).map(|_| raw))
            .collect();
        assert_eq!(asking.len(), 200);
        std::thread::sleep(Duration::from_secs(2));
        drop(asking);
        eventually("those that went are gone", PATIENT, || {
            let open = holdfast.metrics().value("holdfast_client_connections", &[]);
            match open <= FLOODING as f64 + 10.0 {
                true => Ok(()),
                false => Err(format!("{open} are open")),
            }
        });
        cluster.broker(1).thaw();
    });
    seen.assert(
        P99,
        BUFFER_BYTES + (FLOODING + 200) * 16 * 1024 + 32 * 1024 * 1024,
    );
    let sent: u64 = flooding.iter().map(|one| one.sent).sum();
    let acknowledged: Vec<u64> = std::thread::scope(|scope| {
        let reading: Vec<_> = flooding
            .into_iter()
            .map(|one| scope.spawn(|| one.acknowledged()))
            .collect();
        let all = reading.into_iter().map(|one| one.join().expect("answers"));
        all.flatten().collect()
    });
    let [_, told] = producers.map(|producer| producer.finish(Duration::from_secs(100)));
    assert!(told.unreported.is_empty(), "everything ends in its time");
    let stored = cluster.read_all("stopped");
    let lost = told.lost(&stored);
    let stored = rdk::ids(&stored);
    println!(
        "{} of 1000 and {} of {sent} acknowledged",
        told.ok.len(),
        acknowledged.len()
    );
    assert!(lost.is_empty(), "{lost:?}");
    assert!(told.ok.len() > 500, "{}", told.ok.len());
    assert!(!acknowledged.is_empty());
    let lost = acknowledged.iter().filter(|id| !stored.contains(id));
    assert_eq!(lost.count(), 0);
}
