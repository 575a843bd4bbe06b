//! A strong topic that one request makes a weak one, before the same happens to it as to `hollow_acks_all`.

use super::sent::{TOPICS, send_both, sum};
use super::shrink::{self, REPLICAS, WEAK};
use super::{Route, Way, refused};
use crate::support::holdfast::{Holdfast, Options};
use crate::support::raw::{self, Raw, Resource};
use crate::support::rdk;
use std::collections::BTreeSet;

const EXPERIMENT: &str =
    "12 `min.insync.replicas` set to 1 and unclean election allowed by a request, then as 10";

/// The error code of the request that weakens `topic`.
fn weaken(address: &str, topic: &str) -> i16 {
    let mut tool = Raw::connect(address).expect("node 1");
    raw::alter_configs(&mut tool, Resource::Topic(topic), WEAK)
        .expect("an answer")
        .0
}

#[test]
fn a_weakened_topic_loses_acknowledged_records_direct_and_stays_strong_through_holdfast() {
    let cluster = shrink::cluster();
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).preset("strict"));
    let routes = [Route::Direct(&cluster), Route::Through(&holdfast)];
    for topic in TOPICS {
        cluster.create_topic_on(topic, REPLICAS, &[]);
    }
    let early = send_both(&routes, [1, 1], 0..100);
    let weakened = [0, 1].map(|way| weaken(&routes[way].address(1), TOPICS[way]));
    shrink::shrink_to_the_leader(&cluster, &TOPICS);
    let late = send_both(&routes, [1, 1], 100..5_100);
    shrink::replace_the_leader(&cluster, &["direct"]);
    shrink::bring_back_the_leader(&cluster, &TOPICS);
    let stored = TOPICS.map(|topic| rdk::ids(&cluster.read_all(topic)));

    let [direct, through] = sum(early, late);
    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored[0], "nobody");
    let told = "the operator: POLICY_VIOLATION; the client: NOT_ENOUGH_REPLICAS";
    let lost_through = through.tell(EXPERIMENT, Way::Through, &stored[1], told);
    assert_eq!(weakened, [0, 44]);
    assert_eq!(direct.ok.len(), 5_100, "{:?}", direct.codes);
    assert_eq!(lost, 5_000, "the control: what only the leader had");
    assert_eq!(through.ok.len(), 100);
    assert_eq!(through.codes, BTreeSet::from([19]));
    assert_eq!(lost_through, 0);
    assert!(refused(&holdfast.metrics(), "weakening_config"));
}
