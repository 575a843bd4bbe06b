//! A protected group at real brokers: a gateway that has seen nothing of it lets nobody set it forward, whatever way the commit
//! takes, and nothing is written into it that only brokers write.

use super::expiry::coordinator;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, unique};
use crate::support::offsets::commit_of_nobody;
use crate::support::raw::{Body, Raw};
use std::time::Duration;

const PROTECTED: &str = "[policy.destructive_admin]\ngroups = [\"kept-*\"]\n";
const PATIENCE: Duration = Duration::from_secs(30);
const POLICY_VIOLATION: i16 = 44;
const PAST_END: i16 = 28;
const WRITE_SHARE_GROUP_STATE: i16 = 85;

fn strict(cluster: &Cluster) -> Holdfast {
    let options = Options::new(&cluster.bootstrap()).preset("strict");
    Holdfast::start_with(options.config(PROTECTED))
}

#[test]
fn the_first_commit_of_nobodys_that_a_gateway_meets_does_not_set_a_protected_group_forward() {
    let cluster = shared_cluster();
    let topic = cluster.filled_topic("jumps", 0..100);
    let (kept, free) = (unique("kept"), unique("free"));
    let nodes = [&kept, &free].map(|group| coordinator(&cluster, group));
    for (group, node) in [(&kept, nodes[0]), (&free, nodes[1])] {
        let address = cluster.broker(node).addr();
        eventually("a commit", PATIENCE, || {
            match commit_of_nobody(&address, group, &topic, 10) {
                0 => Ok(()),
                code => Err(format!("error {code}")),
            }
        });
    }
    // Each gateway is as after a restart: neither group nor topic has been met.
    let through = |node: i32, group: &str, offset| {
        let holdfast = strict(&cluster);
        let told = commit_of_nobody(&holdfast.broker_addr(node), group, &topic, offset);
        let labels = [("scenario", "destructive_admin")];
        let unverified = holdfast
            .metrics()
            .value_or_zero("holdfast_unverified_total", &labels);
        (told, unverified)
    };
    assert_eq!(through(nodes[0], &kept, 90), (POLICY_VIOLATION, 0.0));
    assert_eq!(through(nodes[0], &kept, 5), (0, 0.0));
    assert_eq!(through(nodes[1], &free, 90), (0, 0.0));
    // The topic is met on the way, and so its end is known.
    assert_eq!(through(nodes[1], &free, 1_000_000), (PAST_END, 0.0));
    // The bootstrap port leads to any broker: to the coordinator by chance, and then it is no way around.
    let holdfast = strict(&cluster);
    assert_eq!(
        commit_of_nobody(&holdfast.bootstrap(), &kept, &topic, 90),
        POLICY_VIOLATION
    );
}

#[test]
fn nobody_writes_the_state_of_a_protected_share_group_through_a_gateway() {
    let cluster = shared_cluster();
    let id = cluster.topic_id(&cluster.filled_topic("shares", 0..10));
    let holdfast = strict(&cluster);
    for version in [0, 1] {
        for (group, expected) in [(unique("kept"), true), (unique("free"), false)] {
            let mut body = Body::new();
            body.compact_string(&group);
            body.array(1, true).bytes(&id).array(1, true);
            body.i32(0).i32(0).i32(0).i64(9);
            if version == 1 {
                body.i32(-1);
            }
            body.array(0, true).tags().tags().tags();
            let mut raw = Raw::connect(&holdfast.broker_addr(1)).expect("a connection");
            let answer = raw.call(WRITE_SHARE_GROUP_STATE, version, &body.0);
            let answer = answer.expect("an answer");
            // One result and its topic, one partition and its number, then the code.
            let at = 1 + 16 + 1 + 4;
            let code = i16::from_be_bytes([answer[at], answer[at + 1]]);
            assert_eq!(
                code == POLICY_VIOLATION,
                expected,
                "{version} {answer:02x?}"
            );
        }
    }
}
