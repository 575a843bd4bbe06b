//! A transaction that is aborted: a consumer that reads uncommitted records takes what was never to be seen.

use super::{Row, Way};
use crate::support::kafka::{shared_cluster, unique};
use crate::support::rdk::{self, IdProducer, Isolation, Settings};
use std::collections::BTreeSet;
use std::time::Duration;

const EXPERIMENT: &str =
    "15 an aborted transaction, a read_uncommitted consumer (lost: read, and never committed)";
const COMMITTED: u64 = 200;
const ALL: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(30);

/// Ids below `COMMITTED` in a transaction that is committed, the others in one that is aborted; all of them reach the
/// log.
fn transact(servers: &str, topic: &str) {
    let settings = Settings::idempotent().set("transactional.id", topic);
    let producer = IdProducer::new(servers, topic, &settings);
    producer.init_transactions(PATIENCE);
    for (ids, commit) in [(0..COMMITTED, true), (COMMITTED..ALL, false)] {
        producer.transact(commit, PATIENCE, |producer| {
            ids.for_each(|id| producer.send(id, 20, Some(0)));
        });
    }
    assert_eq!(
        producer.told().ok.len() as u64,
        ALL,
        "{:?}",
        producer.told()
    );
}

fn tell(way: Way, stored: usize, read: &BTreeSet<u64>, reported: &str) -> usize {
    let never_committed = read.range(COMMITTED..).count();
    Row {
        experiment: EXPERIMENT,
        way,
        sent: ALL as usize,
        told_ok: COMMITTED as usize,
        stored,
        lost: never_committed,
        reported: reported.into(),
    }
    .tell();
    never_committed
}

#[test]
fn aborted_records_are_read_direct() {
    let cluster = shared_cluster();
    let topic = unique("aborted");
    cluster.create_topic(&topic, 1, 3, &[]);
    transact(&cluster.bootstrap(), &topic);
    let stored = cluster.read_all_as(&topic, Isolation::ReadCommitted).len();
    let read = rdk::read_all(&cluster.bootstrap(), &topic, Isolation::ReadUncommitted);
    let dirty = tell(Way::Direct, stored, &rdk::ids(&read), "nobody");
    assert_eq!(dirty as u64, ALL - COMMITTED);
}
