//! One request of an operator or a tool deletes what consumers have not read.

use super::sent::send;
use super::{Route, asked, refused};
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::raw::Raw;
use crate::support::rdk;

const EXPERIMENT: &str = "14 acks=all, then DeleteRecords up to the end";
const ENFORCED: &str = "[policy.destructive_admin]\nmode = \"enforce\"\ntopics = [\"payments*\"]\n";
const RECORDS: u64 = 1_000;

/// What is left of the records, and what the tool was told.
fn fill_and_delete(cluster: &Cluster, route: Route<'_>, reported: &str) -> (usize, i16) {
    let topic = unique("payments");
    cluster.create_topic_on(&topic, &[&[1, 2, 3]], &[]);
    let sent = send(&route.address(1), &topic, 0, 0..RECORDS);
    let mut tool = Raw::connect(&route.address(1)).expect("node 1");
    let code = asked::delete_records(&mut tool, &topic).expect("an answer");
    let stored = rdk::ids(&cluster.read_all(&topic));
    let lost = sent.tell(EXPERIMENT, route.way(), &stored, reported);
    assert_eq!(sent.ok.len() as u64, RECORDS, "{:?}", sent.codes);
    (lost, code)
}

#[test]
fn one_request_deletes_all_records_direct_and_is_refused_through_holdfast() {
    let cluster = shared_cluster();
    let direct = fill_and_delete(&cluster, Route::Direct(&cluster), "nobody");
    assert_eq!(direct, (RECORDS as usize, 0), "the control");

    let options = Options::new(&cluster.bootstrap()).config(ENFORCED);
    let holdfast = Holdfast::start_with(options);
    let told = "the tool: POLICY_VIOLATION";
    let through = fill_and_delete(&cluster, Route::Through(&holdfast), told);
    assert_eq!(through, (0, 44));
    assert!(refused(&holdfast.metrics(), "destructive_admin"));
}
