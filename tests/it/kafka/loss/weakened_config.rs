//! A strong topic that one request makes a weak one, before the same happens to it as to `hollow_acks_all`.

use super::Way;
use super::sent::send;
use super::shrink::{self, REPLICAS, WEAK};
use crate::support::raw::{self, Raw, Resource};
use crate::support::rdk;

const EXPERIMENT: &str =
    "10 `min.insync.replicas` set to 1 and unclean election allowed by a request, then as 07";

/// The error code of the request that weakens `topic`.
fn weaken(address: &str, topic: &str) -> i16 {
    let mut tool = Raw::connect(address).expect("node 1");
    raw::alter_configs(&mut tool, Resource::Topic(topic), WEAK)
        .expect("an answer")
        .0
}

#[test]
fn a_weakened_topic_loses_acknowledged_records_direct() {
    let cluster = shrink::cluster();
    cluster.create_topic_on("direct", REPLICAS, &[]);
    let address = cluster.broker(1).addr();
    let early = send(&address, "direct", 0, 0..100);
    assert_eq!(weaken(&address, "direct"), 0);
    shrink::shrink_to_the_leader(&cluster, &["direct"]);
    let direct = early.and(send(&address, "direct", 0, 100..5_100));
    shrink::replace_the_leader(&cluster, &["direct"]);
    let stored = rdk::ids(&cluster.read_all("direct"));
    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored, "nobody");
    assert_eq!(direct.ok.len(), 5_100, "{:?}", direct.codes);
    assert_eq!(lost, 5_000, "the control: what only the leader had");
}
