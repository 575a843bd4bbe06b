//! acks=all on a weak topic: `min.insync.replicas` 1 lets the leader acknowledge alone, and an unclean election puts a
//! replica in its place that has nothing of it.

use super::Way;
use super::sent::{Sent, send};
use super::shrink::{self, REPLICAS, WEAK};
use crate::support::rdk;

const EXPERIMENT: &str = "07 acks=all, `min.insync.replicas` 1, unclean election allowed: followers stopped, leader killed, followers resumed";

#[test]
fn acks_all_on_a_weak_topic_loses_acknowledged_records_direct() {
    let cluster = shrink::cluster();
    cluster.create_topic_on("direct", REPLICAS, WEAK);
    let send_direct = |ids| send(&cluster.broker(1).addr(), "direct", 0, ids);
    let early: Sent = send_direct(0..100);
    shrink::shrink_to_the_leader(&cluster, &["direct"]);
    let direct = early.and(send_direct(100..5_100));
    shrink::replace_the_leader(&cluster, &["direct"]);
    let stored = rdk::ids(&cluster.read_all("direct"));
    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored, "nobody");
    assert_eq!(direct.ok.len(), 5_100, "{:?}", direct.codes);
    assert_eq!(lost, 5_000, "the control: what only the leader had");
}
