//! Faults between client, gateway and brokers: nothing that was acknowledged is lost, nothing waits for longer than its
//! timeout, and of acks=0 what is confirmed is stored.

use crate::support::eventually;
use crate::support::faults::{Fault, Faults};
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{ClientListener, Cluster, Spec, Version};
use crate::support::ports;
use crate::support::raw::{Batch, Produce, Raw};
use crate::support::rdk::{self, IdProducer, Settings};
use std::time::{Duration, Instant};

const FAULTS: [Fault; 6] = [
    Fault::Latency(Duration::from_millis(60)),
    Fault::Slices(3),
    Fault::Reset,
    Fault::HalfClose,
    Fault::BlackHole,
    Fault::Nothing,
];
const EACH: Duration = Duration::from_secs(2);

/// A cluster whose brokers name the fault proxies in front of them, and these, by node id from 1 on.
pub(super) fn behind_faults() -> (Cluster, Vec<Faults>) {
    let base = ports::base(9);
    let listener = ClientListener::plaintext("FAULTY").advertised("127.0.0.1", base);
    let cluster = Cluster::start(Spec::new(Version::V4_3_1).listener(listener));
    let faults = cluster
        .brokers()
        .zip(1..)
        .map(|(node, id)| {
            let target = format!("127.0.0.1:{}", node.port_of("FAULTY"));
            Faults::start(base + id, &target)
        })
        .collect();
    (cluster, faults)
}

pub(super) fn bootstrap(faults: &[Faults]) -> String {
    let all: Vec<String> = faults.iter().map(Faults::addr).collect();
    all.join(",")
}

#[test]
fn nothing_acknowledged_is_lost_while_the_way_to_the_brokers_fails_in_every_manner() {
    let (cluster, faults) = behind_faults();
    cluster.create_topic("all", 3, 3, &[]);
    cluster.create_topic("none", 3, 3, &[]);
    let holdfast = Holdfast::start(&bootstrap(&faults));
    let all = IdProducer::new(&holdfast.bootstrap(), "all", &Settings::idempotent());
    let none = IdProducer::new(&holdfast.bootstrap(), "none", &Settings::acks("0"));
    let mut id = 0;
    for fault in FAULTS {
        for proxy in &faults {
            proxy.set(fault);
        }
        let begun = Instant::now();
        while begun.elapsed() < EACH {
            all.send(id, 50, None);
            none.send(id, 50, None);
            id += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let begun = Instant::now();
    let told = all.finish(Duration::from_secs(60));
    none.finish(Duration::from_secs(60));
    assert!(begun.elapsed() < Duration::from_secs(70));
    assert!(told.unreported.is_empty(), "everything ends in its time");
    let stored = cluster.read_all("all");
    let lost = told.lost(&stored);
    println!(
        "{} of {id} acknowledged, {} lost",
        told.ok.len(),
        lost.len()
    );
    assert!(told.ok.len() > 1000, "{}", told.ok.len());
    assert!(lost.is_empty(), "{lost:?}");
    eventually("acks=0 settles", Duration::from_secs(60), || match holdfast
        .metrics()
        .value("holdfast_acks0_inflight_requests", &[])
    {
        0.0 => Ok(()),
        left => Err(format!("{left} are under way")),
    });
    let metrics = holdfast.metrics();
    let of = |outcome| {
        let name = "holdfast_acks0_records_total";
        metrics.value(name, &[("outcome", outcome)]) as usize
    };
    let (confirmed, refused, unknown) = (of("confirmed"), of("refused"), of("unknown"));
    let stored = cluster.read_all("none").len();
    println!("acks=0: {id} sent, {stored} stored, {confirmed}/{refused}/{unknown}");
    assert!(confirmed > 0 && confirmed <= stored && stored <= confirmed + unknown);
    assert!(confirmed + refused + unknown <= id as usize);
}

#[test]
fn nothing_acknowledged_is_lost_while_the_way_from_the_client_fails_in_every_manner() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    cluster.create_topic_on("one", &[&[1, 2, 3]], &[]);
    let config = "[limits]\nframe_timeout_ms = 3000\nheader_timeout_ms = 3000\n";
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(config));
    let proxy = Faults::start(0, &holdfast.broker_addr(1));
    let (mut acknowledged, mut id) = (Vec::new(), 0);
    for fault in FAULTS {
        proxy.set(fault);
        let begun = Instant::now();
        let mut client = None;
        while begun.elapsed() < EACH {
            id += 1;
            let produce = Produce::new(9, 1, "one", 0, Batch::of_ids(id, 1, 500).bytes());
            let mut send = || {
                let raw = match client.take() {
                    Some(raw) => client.insert(raw),
                    None => client.insert(Raw::connect(&proxy.addr())?),
                };
                raw.stream().set_read_timeout(Some(EACH))?;
                let body = produce.body();
                raw.call_within(crate::support::raw::PRODUCE, 9, &body, EACH)
            };
            match send() {
                Ok(body) => {
                    let answer = crate::support::raw::ProduceAnswer::parse(9, &body);
                    if answer.is_ok_and(|answer| answer.error_codes() == [0]) {
                        acknowledged.push(id);
                    }
                }
                Err(_) => {
                    client = None;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
    let stored = rdk::ids(&cluster.read_all("one"));
    println!("{} of {id} acknowledged", acknowledged.len());
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());
    assert!(acknowledged.iter().all(|id| stored.contains(id)));
    proxy.set(Fault::Reset);
    eventually(
        "no connection is left",
        Duration::from_secs(30),
        || match holdfast.metrics().value("holdfast_client_connections", &[]) {
            0.0 => Ok(()),
            left => Err(format!("{left} are open")),
        },
    );
}

#[test]
fn nothing_acknowledged_is_lost_when_a_brokers_disk_is_full() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1).dedicated_controller());
    cluster.create_topic_on("full", &[&[1, 2, 3]], &[]);
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let settings = Settings::acks("1").set("retries", "1000");
    let producer = IdProducer::new(&holdfast.bootstrap(), "full", &settings);
    for id in 0..500 {
        producer.send(id, 1000, Some(0));
    }
    // The segment has half of that already, or gets there.
    cluster.broker(1).limit_file_size(1024 * 1024);
    for id in 500..4_000 {
        producer.send(id, 1000, Some(0));
        if id % 10 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let told = producer.finish(Duration::from_secs(60));
    assert!(told.unreported.is_empty());
    let leader = cluster
        .broker(2)
        .metadata(Some(&["full"]))
        .expect("broker 2");
    let leader = leader.partition("full", 0).map(|p| p.leader_id);
    println!(
        "{} ok, {} failed, leader {leader:?}",
        told.ok.len(),
        told.failed.len()
    );
    assert_ne!(leader, Some(1), "the full one leads no more");
    cluster.broker(1).kill9();
    let stored = cluster.read_all("full");
    let lost = told.lost(&stored);
    assert!(told.ok.len() > 1000, "{}", told.ok.len());
    assert!(lost.is_empty(), "{lost:?}");
}
