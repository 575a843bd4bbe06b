//! weak_topic × acks × mode: by what was learned of the topic, confirmed before it refuses.

use super::appends::Case;
use crate::support::raw::Produce;
use crate::support::rig::{one, records};
use holdfast::policy::Scenario;

const CASE: Case = Case {
    scenario: Scenario::WeakTopic,
    error_code: 44,
    policy: |_| {},
    facts: |facts| facts.min_insync_replicas = Some(1),
};

fn plain(version: i16, acks: i16) -> Produce {
    one(version, acks, records(version, 3))
}

#[test]
fn a_batch_for_a_weak_topic_is_refused_for_any_of_the_reasons() {
    CASE.is_found(&[3, 8, 9, 13], plain);
    for facts in [
        (|facts| facts.partitions[0].replicas = 2) as fn(&mut holdfast::cluster::TopicFacts),
        |facts| facts.min_insync_replicas = Some(3),
        |facts| facts.keeping.unclean_leader_election = Some(true),
    ] {
        Case { facts, ..CASE }.is_found(&[9], plain);
    }
    CASE.is_exempted(&plain(9, -1));
}

#[test]
fn a_sound_topic_and_one_that_is_not_known_pass() {
    for facts in [
        (|_| {}) as fn(&mut holdfast::cluster::TopicFacts),
        |facts| {
            facts.min_insync_replicas = None;
            facts.partitions.clear();
        },
    ] {
        Case { facts, ..CASE }.is_not_found(&[3, 9, 13], plain);
    }
}

#[test]
fn a_topic_that_was_repaired_meanwhile_refuses_nothing() {
    CASE.is_confirmed(&plain(9, -1), |facts| facts.min_insync_replicas = Some(2));
}
