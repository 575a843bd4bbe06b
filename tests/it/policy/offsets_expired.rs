//! offsets_expired and new_partition_skip × mode × version: what a consumer hears of offsets that its group has not.

use super::MODES;
use crate::support::offsets::{Commit, committed, fetch, fetched};
use crate::support::rig::{Rig, settings};
use holdfast::cluster::PartitionFacts;
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::Event;
use std::sync::Arc;

const BOTH: [Scenario; 2] = [Scenario::OffsetsExpired, Scenario::NewPartitionSkip];

fn only(mode: Mode, repair: bool) -> Settings {
    let mut policy = settings(Mode::Off);
    for scenario in BOTH {
        policy.modes[scenario as usize] = mode;
    }
    policy.repair_offsets_expired = repair;
    policy.repair_new_partition_skip = repair;
    policy
}

fn rig(policy: Settings) -> Rig {
    Rig::new(policy).topic("orders", None).without_broker()
}

fn counted(rig: &Rig) -> (Vec<Scenario>, Vec<(Scenario, Mode)>) {
    let observed = rig.events.iter().filter_map(|event| match event {
        Event::Observed { scenario, .. } => Some(*scenario),
        _ => None,
    });
    let overridden = rig.events.iter().filter_map(|event| match event {
        Event::Override { scenario, mode, .. } => Some((*scenario, *mode)),
        _ => None,
    });
    (observed.collect(), overridden.collect())
}

/// Partition 0 committed at 7, partition 1 never; the topic has 4 partitions when the group is first seen.
fn committed_once(rig: &mut Rig, version: i16) {
    rig.send(&Commit::new(version, &[("orders", &[(0, 7)])]).frame(1));
    rig.answer(&committed(version, 1, &[("orders", &[(0, 0)])]));
    rig.to_client.clear();
}

fn grow(rig: &mut Rig) {
    let mut facts = (**rig.view.topic("orders").expect("known")).clone();
    facts.partitions.push(PartitionFacts {
        index: 4,
        leader: 1,
        replicas: 3,
        in_sync_replicas: 3,
    });
    rig.view.topics.insert("orders".into(), Arc::new(facts));
}

#[test]
fn a_missing_offset_is_counted_and_repaired_in_place_where_that_is_asked_for() {
    for mode in MODES {
        for repair in [false, true] {
            for version in 1..=10 {
                let mut rig = rig(only(mode, repair));
                committed_once(&mut rig, version.max(2));
                grow(&mut rig);
                rig.send(&fetch(version, 2, &["g"]));
                let lacking = &[("orders", &[(0, -1), (1, -1), (4, -1)][..])];
                rig.answer(&fetched(version, 2, "g", lacking));
                let repaired = &[("orders", &[(0, 7), (1, -1), (4, 0)][..])];
                let expected = match (mode, repair) {
                    (Mode::Enforce, true) => fetched(version, 2, "g", repaired),
                    _ => fetched(version, 2, "g", lacking),
                };
                assert_eq!(rig.to_client, expected, "{mode:?} {repair} {version}");
                let (observed, overridden) = counted(&rig);
                let found = if mode == Mode::Off {
                    vec![]
                } else {
                    BOTH.to_vec()
                };
                assert_eq!(observed, found, "{mode:?} {repair} {version}");
                let over = found.into_iter().filter(|_| repair).map(|s| (s, mode));
                assert_eq!(overridden, over.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn another_group_and_a_topic_created_anew_have_lost_nothing() {
    let mut rig = rig(only(Mode::Enforce, true));
    committed_once(&mut rig, 8);
    let lacking = &[("orders", &[(0, -1)][..])];
    rig.send(&fetch(8, 2, &["other"]));
    rig.answer(&fetched(8, 2, "other", lacking));
    let mut facts = (**rig.view.topic("orders").expect("known")).clone();
    facts.id = Some([9; 16]);
    rig.view.topics.insert("orders".into(), Arc::new(facts));
    rig.send(&fetch(8, 3, &["g"]));
    rig.answer(&fetched(8, 3, "g", lacking));
    let unchanged = [fetched(8, 2, "other", lacking), fetched(8, 3, "g", lacking)];
    assert_eq!(rig.to_client, unchanged.concat());
    assert_eq!(counted(&rig).0, []);
}

#[test]
fn an_offset_without_a_topic_id_is_counted_and_not_repaired() {
    let mut rig = rig(only(Mode::Enforce, true));
    let mut facts = (**rig.view.topic("orders").expect("known")).clone();
    facts.id = None;
    rig.view.topics.insert("orders".into(), Arc::new(facts));
    committed_once(&mut rig, 8);
    let lacking = fetched(8, 2, "g", &[("orders", &[(0, -1)])]);
    rig.send(&fetch(8, 2, &["g"]));
    rig.answer(&lacking);
    assert_eq!(rig.to_client, lacking);
    assert_eq!(counted(&rig), (vec![Scenario::OffsetsExpired], vec![]));
}

#[test]
fn an_answer_that_follows_no_schema_is_left_to_the_client() {
    let mut rig = rig(only(Mode::Enforce, true));
    rig.send(&fetch(8, 2, &["g"]));
    let mut answer = fetched(8, 2, "g", &[("orders", &[(0, -1)])]);
    answer.pop();
    let size = (answer.len() - 4) as u32;
    answer[..4].copy_from_slice(&size.to_be_bytes());
    rig.answer(&answer);
    assert_eq!(rig.to_client, answer);
}
