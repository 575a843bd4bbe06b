//! commit_hold_back × version: commits of the named groups lag by one, and are never raised.

use super::MODES;
use crate::support::consumer::{Consumer, Versions};
use crate::support::rig::{Rig, settings};
use holdfast::ledger::Ledger;
use holdfast::policy::{Mode, Pattern, Scenario, Settings};
use std::sync::Arc;

const SCENARIO: Scenario = Scenario::CommitHoldBack;

fn only(mode: Mode) -> Settings {
    let mut policy = settings(Mode::Off);
    policy.modes[SCENARIO as usize] = mode;
    policy.single_instance = true;
    policy.held_back_groups = vec![Pattern("g*".into())];
    policy
}

fn counted(rig: &Rig, mode: Mode) -> u64 {
    let overrides = rig.overrides(SCENARIO);
    overrides.get(mode.name()).copied().unwrap_or(0)
}

fn commits(consumer: &mut Consumer, offsets: &[i64]) -> Vec<i64> {
    offsets
        .iter()
        .map(|offset| consumer.commit(*offset))
        .collect()
}

#[test]
fn a_commit_becomes_the_one_before_it_at_any_version() {
    for mode in MODES {
        for versions in Versions::some() {
            let mut consumer = Consumer::of(&only(mode), versions, &Arc::default());
            consumer.begin(10);
            let asked = [20, 30, 30, 40];
            let expected = match mode {
                // The first one becomes what the group had.
                Mode::Enforce => [10, 20, 30, 30],
                _ => asked,
            };
            assert_eq!(commits(&mut consumer, &asked), expected, "{mode:?}");
            let found = if mode == Mode::Off { 0 } else { 3 };
            assert_eq!(counted(&consumer.coordinator, mode), found, "{mode:?}");
        }
    }
}

#[test]
fn a_group_without_an_offset_commits_its_first_and_one_that_is_not_named_all() {
    let mut consumer = Consumer::new(&only(Mode::Enforce));
    assert_eq!(commits(&mut consumer, &[20, 30]), [20, 20]);
    consumer.group = "other";
    assert_eq!(commits(&mut consumer, &[20, 30]), [20, 30]);
    let mut none = only(Mode::Enforce);
    none.held_back_groups.clear();
    assert_eq!(commits(&mut Consumer::new(&none), &[20, 30]), [20, 30]);
}

#[test]
fn going_back_is_not_held_and_tools_are_not_either() {
    let mut consumer = Consumer::new(&only(Mode::Enforce));
    assert_eq!(commits(&mut consumer, &[20, 30, 5, 8]), [20, 20, 5, 5]);
    consumer.generation = -1;
    assert_eq!(commits(&mut consumer, &[90]), [90]);
}

#[test]
fn a_commit_that_was_refused_and_comes_again_is_not_taken_for_the_next_one() {
    const REBALANCE_IN_PROGRESS: i16 = 27;
    let mut consumer = Consumer::new(&only(Mode::Enforce));
    assert_eq!(commits(&mut consumer, &[20]), [20]);
    assert_eq!(consumer.commit_and(30, REBALANCE_IN_PROGRESS), 20);
    assert_eq!(commits(&mut consumer, &[30, 40]), [20, 30]);
}

#[test]
fn another_member_begins_at_what_was_committed() {
    let ledger: Arc<Ledger> = Arc::default();
    let of = || Consumer::of(&only(Mode::Enforce), Versions::some()[2], &ledger);
    let (mut one, mut other) = (of(), of());
    assert_eq!(commits(&mut one, &[20, 30]), [20, 20]);
    other.member = "m-2";
    assert_eq!(commits(&mut other, &[35, 40]), [20, 35]);
}

#[test]
fn one_of_several_replicas_changes_nothing() {
    let mut policy = only(Mode::Enforce);
    policy.single_instance = false;
    let mut consumer = Consumer::new(&policy);
    assert_eq!(commits(&mut consumer, &[20, 30]), [20, 30]);
    assert_eq!(counted(&consumer.coordinator, Mode::Observe), 1);
}

#[test]
fn what_is_ahead_is_lowered_first_and_then_held_back() {
    let mut policy = only(Mode::Enforce);
    policy.modes[Scenario::CommitAhead as usize] = Mode::Enforce;
    let mut consumer = Consumer::new(&policy);
    consumer.begin(10).fetch(10, 5);
    assert_eq!(commits(&mut consumer, &[15, 900]), [10, 15]);
    consumer.fetch(15, 5);
    assert_eq!(commits(&mut consumer, &[20, 20]), [15, 20]);
}
