//! A transaction that is aborted: a consumer that reads uncommitted records takes what was never to be seen.

use super::{Route, Row};
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::rdk::{self, IdProducer, Isolation, Settings};
use std::time::Duration;

const EXPERIMENT: &str =
    "19 an aborted transaction, a read_uncommitted consumer (lost: read, and never committed)";
const ENFORCED: &str = "[policy.dirty_read]\nmode = \"enforce\"\n";
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

/// How many records that were never committed a consumer of uncommitted ones read.
fn transact_and_read(cluster: &Cluster, route: Route<'_>, reported: &str) -> usize {
    let topic = unique("aborted");
    cluster.create_topic(&topic, 1, 3, &[]);
    transact(&route.servers(), &topic);
    let stored = cluster.read_all_as(&topic, Isolation::ReadCommitted).len();
    let read = rdk::read_all(&route.servers(), &topic, Isolation::ReadUncommitted);
    let read = rdk::ids(&read);
    let dirty = read.range(COMMITTED..).count();
    Row {
        experiment: EXPERIMENT,
        way: route.way(),
        sent: ALL as usize,
        told_ok: COMMITTED as usize,
        stored,
        lost: dirty,
        reported: reported.into(),
    }
    .tell();
    assert_eq!(read.range(..COMMITTED).count() as u64, COMMITTED);
    dirty
}

#[test]
fn aborted_records_are_read_direct_and_not_through_holdfast() {
    let cluster = shared_cluster();
    let dirty = transact_and_read(&cluster, Route::Direct(&cluster), "nobody");
    assert_eq!(dirty as u64, ALL - COMMITTED, "the control");

    let options = Options::new(&cluster.bootstrap()).config(ENFORCED);
    let holdfast = Holdfast::start_with(options);
    let counted = "`holdfast_overrides_total`";
    let dirty = transact_and_read(&cluster, Route::Through(&holdfast), counted);
    assert_eq!(dirty, 0);
    let labels = [("scenario", "dirty_read"), ("mode", "enforce")];
    let metrics = holdfast.metrics();
    assert!(metrics.value("holdfast_overrides_total", &labels) > 0.0);
}
