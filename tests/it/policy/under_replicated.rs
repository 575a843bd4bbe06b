//! under_replicated × acks × mode: by the in-sync replicas of the partition, confirmed before it refuses.

use super::appends::Case;
use crate::support::raw::Produce;
use crate::support::rig::{batch, frame, one, parse_answer, produce, records};
use holdfast::policy::{Mode, Scenario};

const CASE: Case = Case {
    scenario: Scenario::UnderReplicated,
    error_code: 19,
    policy: |_| {},
    facts: |facts| {
        facts.min_insync_replicas = Some(1);
        facts.partitions[0].in_sync_replicas = 1;
    },
};

fn plain(version: i16, acks: i16) -> Produce {
    one(version, acks, records(version, 3))
}

#[test]
fn a_batch_for_a_partition_with_too_few_in_sync_replicas_is_refused() {
    CASE.is_found(&[3, 8, 9, 13], plain);
    CASE.is_exempted(&plain(9, -1));
}

#[test]
fn what_the_broker_refuses_by_itself_and_a_sole_replica_pass() {
    let own: fn(&mut holdfast::cluster::TopicFacts) =
        |facts| facts.partitions[0].in_sync_replicas = 1;
    Case { facts: own, ..CASE }.is_not_found(&[9], plain);
    let sole: fn(&mut holdfast::cluster::TopicFacts) = |facts| {
        facts.min_insync_replicas = Some(1);
        (
            facts.partitions[0].replicas,
            facts.partitions[0].in_sync_replicas,
        ) = (1, 1);
    };
    Case {
        facts: sole,
        ..CASE
    }
    .is_not_found(&[9], plain);
}

#[test]
fn a_stale_view_refuses_nothing() {
    CASE.is_confirmed(&plain(9, -1), |facts| {
        facts.partitions[0].in_sync_replicas = 3
    });
}

#[test]
fn partitions_that_are_well_replicated_go_on_without_it() {
    for acks in [1, -1] {
        let mut rig = CASE.rig(Mode::Enforce);
        let batches = [(1, batch(1, 200)), (0, batch(1, 200)), (2, batch(1, 200))];
        rig.send(&frame(1, &produce(9, acks, &[("orders", &batches)])));
        assert_eq!(rig.produced()[0].places(), [("orders", 1), ("orders", 2)]);
        let mut codes = parse_answer(9, &rig.to_client).1.error_codes();
        codes.sort_unstable();
        assert_eq!(codes, [0, 0, 19]);
        assert_eq!(rig.confirms.len(), 1);
    }
}

#[test]
fn a_request_is_held_only_while_a_partition_has_lost_a_replica() {
    let healthy: fn(&mut holdfast::cluster::TopicFacts) = |_| {};
    let batches = [(1, batch(1, 200)), (0, batch(1, 200)), (2, batch(1, 200))];
    let sent = frame(1, &produce(9, -1, &[("orders", &batches)]));
    for (facts, held) in [(healthy, false), (CASE.facts, true)] {
        let mut rig = Case { facts, ..CASE }.rig(Mode::Enforce);
        rig.send(&sent[..sent.len() / 2]);
        assert_eq!(rig.to_broker.is_empty(), held);
        rig.send(&sent[sent.len() / 2..]);
        assert_eq!(rig.confirms.len(), usize::from(held));
        assert_eq!(rig.to_broker == sent, !held);
    }
}
