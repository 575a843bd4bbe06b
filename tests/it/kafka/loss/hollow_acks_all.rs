//! acks=all on a weak topic: `min.insync.replicas` 1 lets the leader acknowledge alone, and an unclean election puts a
//! replica in its place that has nothing of it.

use super::sent::{TOPICS, announce, send};
use super::shrink::{self, REPLICAS, WEAK};
use super::{Route, Way, refused};
use crate::support::holdfast::{Holdfast, Options};
use crate::support::rdk;
use std::collections::BTreeSet;

const EXPERIMENT: &str = "10 acks=all, `min.insync.replicas` 1, unclean election allowed: followers stopped, leader killed, followers resumed";
const ENFORCED: &str = "[policy.weak_topic]\nmode = \"enforce\"\n";

#[test]
fn acks_all_on_a_weak_topic_loses_acknowledged_records_direct_and_acknowledges_none_through_holdfast()
 {
    let cluster = shrink::cluster();
    let options = Options::new(&cluster.bootstrap()).config(ENFORCED);
    let holdfast = Holdfast::start_with(options);
    for topic in TOPICS {
        cluster.create_topic_on(topic, REPLICAS, WEAK);
    }
    let [direct, through] = [
        Route::Direct(&cluster).address(1),
        Route::Through(&holdfast).address(1),
    ];
    // What Holdfast judges by is learned when a topic is first seen.
    announce(&through, "through");
    let early = send(&direct, "direct", 0, 0..100);
    shrink::shrink_to_the_leader(&cluster, &TOPICS);
    let direct = early.and(send(&direct, "direct", 0, 100..5_100));
    let through = send(&through, "through", 0, 0..5_100);
    shrink::replace_the_leader(&cluster, &TOPICS);
    let stored = TOPICS.map(|topic| rdk::ids(&cluster.read_all(topic)));

    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored[0], "nobody");
    let told = "the client: POLICY_VIOLATION";
    let lost_through = through.tell(EXPERIMENT, Way::Through, &stored[1], told);
    assert_eq!(direct.ok.len(), 5_100, "{:?}", direct.codes);
    assert_eq!(lost, 5_000, "the control: what only the leader had");
    assert_eq!(lost_through, 0);
    assert_eq!(through.codes, BTreeSet::from([44]));
    assert!(through.ok.is_empty(), "each batch is refused");
    assert!(refused(&holdfast.metrics(), "weak_topic"));
}
