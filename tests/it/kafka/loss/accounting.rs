//! acks=0 while leaders are killed in turn and come back: direct loses without a trace; through Holdfast every record that was
//! handed over is confirmed, refused or unknown, and each of these words is true.

use super::{Row, Way};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::raw::{ApiVersions, Batch, Metadata, PRODUCE, Produce, Raw, request_frame};
use crate::support::rdk;
use holdfast::session::event::{Event, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 3;
const RECORDS_PER_BATCH: u64 = 100;
const BATCHES: u64 = 10_000;
const VERSION: i16 = 7;

/// Sends the batches of one partition with acks=0, each once: a batch that was written is never written again. When the
/// connection ends it asks for the leader and goes on with the next one.
fn send_partition(bootstrap: &str, topic: &str, partition: i32, pace: &Pace) -> BTreeSet<u64> {
    let mut handed_over = BTreeSet::new();
    let mut connection: Option<Raw> = None;
    for batch in (0..BATCHES).filter(|batch| (batch % PARTITIONS as u64) as i32 == partition) {
        pace.wait_until_allowed(batch);
        if connection.as_ref().is_some_and(is_over) {
            connection = None;
        }
        let raw = connection.get_or_insert_with(|| connect(bootstrap, topic, partition));
        let records = Batch::of_ids(batch * RECORDS_PER_BATCH, RECORDS_PER_BATCH, 10).bytes();
        let produce = Produce::new(VERSION, 0, topic, partition, records);
        let frame = request_frame(
            PRODUCE,
            VERSION,
            batch as i32,
            Some("accounting"),
            &produce.body(),
        );
        match raw.stream().write_all(&frame) {
            Ok(()) => drop(handed_over.insert(batch)),
            Err(_) => connection = None,
        }
        let done = pace.done.fetch_add(1, Ordering::Relaxed);
        // Faster than brokers take it, slow enough that sockets do not hold a whole part of the experiment.
        if done.is_multiple_of(2) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    handed_over
}

/// How far the senders have come, and how far they may go while a broker is on its way back.
#[derive(Default)]
struct Pace {
    done: AtomicU64,
    allowed: AtomicU64,
}

impl Pace {
    fn wait_until_allowed(&self, batch: u64) {
        while batch >= self.allowed.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn allow(&self, batches: u64) {
        self.allowed.store(batches, Ordering::Relaxed);
    }

    #[track_caller]
    fn wait_for(&self, batches: u64) {
        eventually("batches are sent", Duration::from_secs(120), || match self
            .done
            .load(Ordering::Relaxed)
        {
            done if done >= batches => Ok(()),
            done => Err(format!("{done} of {batches}")),
        });
    }
}

/// Lets the senders go on to their end when the test fails while they wait: a scope joins its threads.
struct LetGo<'a>(&'a Pace);

impl Drop for LetGo<'_> {
    fn drop(&mut self) {
        self.0.allow(BATCHES);
    }
}

/// Whether the other side has ended the connection.
fn is_over(raw: &Raw) -> bool {
    raw.stream().set_nonblocking(true).expect("a socket");
    let seen = raw.stream().peek(&mut [0]);
    raw.stream().set_nonblocking(false).expect("a socket");
    match seen {
        Ok(n) => n == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Asks for the leader by way of `bootstrap`, until one takes a connection.
fn connect(bootstrap: &str, topic: &str, partition: i32) -> Raw {
    eventually("a leader", Duration::from_secs(60), || {
        let mut error = "no bootstrap server answers".to_owned();
        for address in bootstrap.split(',') {
            let asked = Raw::connect_within(address, Duration::from_secs(1)).and_then(|mut raw| {
                Metadata::ask(&mut raw, Some(&[topic]), Duration::from_secs(3))
            });
            let metadata = match asked {
                Ok(metadata) => metadata,
                Err(found) => {
                    error = found.to_string();
                    continue;
                }
            };
            let leader = metadata
                .partition(topic, partition)
                .map(|found| found.leader_id);
            let broker = metadata
                .brokers
                .iter()
                .find(|broker| Some(broker.node_id) == leader);
            let Some(broker) = broker else { continue };
            match Raw::connect_within(
                &format!("{}:{}", broker.host, broker.port),
                Duration::from_secs(1),
            ) {
                // As every client does before it sends anything: nobody answers where there is no broker.
                Ok(mut raw) => match ApiVersions::ask(&mut raw, 3) {
                    Ok(_) => return Ok(raw),
                    Err(found) => error = found.to_string(),
                },
                Err(found) => error = found.to_string(),
            }
        }
        Err(error)
    })
}

/// Sends everything in seven parts. In the second, fourth and sixth the leader of the next partition is killed; it is back,
/// with every replica in sync, before the part after: three different brokers, and never two of them at once.
fn send_all(cluster: &Cluster, topic: &str, bootstrap: &str) -> BTreeSet<u64> {
    cluster.create_topic_on(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[]);
    let pace = Pace::default();
    let part = |parts: u64| BATCHES * parts / 7;
    std::thread::scope(|scope| {
        let _when_a_broker_does_not_come_back = LetGo(&pace);
        let senders: Vec<_> = (0..PARTITIONS)
            .map(|partition| {
                let pace = &pace;
                scope.spawn(move || send_partition(bootstrap, topic, partition, pace))
            })
            .collect();
        let mut killed = BTreeSet::new();
        for partition in 0..PARTITIONS {
            let healthy = part(2 * partition as u64 + 1);
            let without_it = part(2 * partition as u64 + 2);
            // What is between the two is sent while the broker dies, and after it.
            pace.allow(without_it);
            pace.wait_for(healthy);
            let victim = cluster.wait_leader(topic, partition, Duration::from_secs(30));
            cluster.broker(victim).kill9();
            killed.insert(victim);
            pace.wait_for(without_it);
            cluster.broker(victim).restart();
            for partition in 0..PARTITIONS {
                cluster.wait_isr(topic, partition, 3, Duration::from_secs(60));
            }
        }
        assert_eq!(killed, BTreeSet::from([1, 2, 3]), "each leads at its turn");
        pace.allow(BATCHES);
        let joined = senders
            .into_iter()
            .flat_map(|sender| sender.join().expect("a sender"));
        joined.collect()
    })
}

#[test]
fn every_acks_0_record_is_confirmed_refused_or_unknown_and_each_word_is_true() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    let direct = send_all(&cluster, "direct", &cluster.bootstrap());
    let stored = rdk::ids(&cluster.read_all("direct"));
    let sent = direct.len() * RECORDS_PER_BATCH as usize;
    Row {
        experiment: "02 acks=0, three leaders killed and restarted in turn",
        way: Way::Direct,
        sent,
        told_ok: sent,
        stored: stored.len(),
        lost: sent - stored.len(),
        reported: "nobody".into(),
    }
    .tell();
    assert!(
        stored.len() < sent,
        "the direct run lost nothing: the experiment did not reproduce the loss"
    );

    type Ends = BTreeMap<u64, Vec<Outcome>>;
    let ends: Arc<Mutex<Ends>> = Arc::default();
    let seen = ends.clone();
    let gateway = Gateway::start(&cluster.bootstrap(), "", move |event| {
        if let Event::Acks0 {
            outcome,
            correlation_id,
            records,
            ..
        } = event
        {
            assert_eq!(*records, RECORDS_PER_BATCH);
            let mut ends = seen.lock().expect("no panic while it is held");
            ends.entry(*correlation_id as u64)
                .or_default()
                .push(*outcome);
        }
    });
    let handed_over = send_all(&cluster, "through", &gateway.bootstrap());
    let settled = Instant::now();
    eventually(
        "every batch that was handed over has its end",
        Duration::from_secs(90),
        || {
            let ends = ends.lock().expect("no panic while it is held");
            let open: Vec<_> = handed_over
                .iter()
                .filter(|batch| !ends.contains_key(batch))
                .take(5)
                .collect();
            if open.is_empty() {
                Ok(())
            } else {
                Err(format!("open: {open:?}"))
            }
        },
    );
    println!("settled {:?} after the last send", settled.elapsed());

    let records = cluster.read_all("through");
    assert!(
        rdk::duplicates(&records).is_empty(),
        "nothing may be stored twice"
    );
    let stored = rdk::ids(&records);
    let ends = ends.lock().expect("no panic while it is held").clone();
    let twice: Vec<_> = ends
        .iter()
        .filter(|(_, outcomes)| outcomes.len() != 1)
        .take(5)
        .collect();
    assert!(twice.is_empty(), "each batch ends once: {twice:?}");
    let of = |outcome| -> BTreeSet<u64> {
        let batches = ends
            .iter()
            .filter(|(_, outcomes)| outcomes[0] == outcome)
            .map(|(batch, _)| *batch);
        batches
            .flat_map(|batch| batch * RECORDS_PER_BATCH..(batch + 1) * RECORDS_PER_BATCH)
            .collect()
    };
    let (confirmed, refused, unknown) = (
        of(Outcome::Confirmed),
        of(Outcome::Refused),
        of(Outcome::Unknown),
    );
    let sent = handed_over.len() * RECORDS_PER_BATCH as usize;
    Row {
        experiment: "02 acks=0, three leaders killed and restarted in turn",
        way: Way::Through,
        sent,
        told_ok: confirmed.len(),
        stored: stored.len(),
        lost: confirmed.difference(&stored).count(),
        reported: format!(
            "{} confirmed, {} refused, {} unknown",
            confirmed.len(),
            refused.len(),
            unknown.len()
        ),
    }
    .tell();
    println!(
        "confirmed {} refused {} unknown {}",
        confirmed.len(),
        refused.len(),
        unknown.len()
    );
    assert!(
        confirmed.is_subset(&stored),
        "confirmed and not stored: {:?}",
        confirmed.difference(&stored).next()
    );
    assert!(
        refused.is_disjoint(&stored),
        "refused and stored: {:?}",
        refused.intersection(&stored).next()
    );
    assert!(
        stored
            .iter()
            .all(|id| confirmed.contains(id) || unknown.contains(id))
    );
    let truncated = [("scenario", "acked_truncation")];
    assert_eq!(
        gateway.sum("holdfast_observations_total", &truncated),
        0,
        "no acknowledged record is gone, and none is said to be"
    );
    for (outcome, set) in [
        ("confirmed", &confirmed),
        ("refused", &refused),
        ("unknown", &unknown),
    ] {
        let counted = gateway.sum("holdfast_acks0_records_total", &[("outcome", outcome)]);
        assert_eq!(counted, set.len() as u64, "{outcome}");
    }
}
