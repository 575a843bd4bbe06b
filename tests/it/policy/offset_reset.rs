//! offset_reset × version: what a consumer skips that starts at the end of the log is counted once, across its connections.

use super::MODES;
use crate::support::consumer::{Consumer, EARLIEST, LATEST, Versions};
use crate::support::rig::{exemption, settings};
use holdfast::ledger::Ledger;
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::{Completeness, Event};
use std::sync::Arc;

const SCENARIO: Scenario = Scenario::OffsetReset;

fn only(mode: Mode) -> Settings {
    let mut policy = settings(Mode::Off);
    policy.modes[SCENARIO as usize] = mode;
    policy
}

fn counted(consumer: &Consumer) -> Vec<(String, u64)> {
    let found = consumer.observed(SCENARIO).into_iter();
    found.map(|(_, group, count)| (group, count)).collect()
}

#[test]
fn a_group_without_an_offset_that_starts_at_the_end_skips_what_is_in_the_log() {
    for mode in MODES {
        for versions in Versions::some() {
            let mut consumer = Consumer::of(&only(mode), versions, &Arc::default());
            consumer.begin(-1).list(LATEST, 500);
            consumer
                .fetch_from_log(500, 3, 70)
                .fetch_from_log(503, 0, 70);
            // Version 4 does not tell where the log starts.
            let tells = mode != Mode::Off && versions.fetch >= 5;
            let expected: &[_] = if tells { &[("g".to_owned(), 430)] } else { &[] };
            assert_eq!(counted(&consumer), expected, "{mode:?} {versions:?}");
        }
    }
}

#[test]
fn a_position_out_of_range_and_then_the_end_skips_what_is_in_between() {
    for versions in Versions::some() {
        let mut consumer = Consumer::of(&only(Mode::Observe), versions, &Arc::default());
        consumer
            .begin(40)
            .fetch(40, 3)
            .out_of_range(43)
            .out_of_range(43);
        consumer.list(LATEST, 500).fetch_from_log(500, 3, 70);
        // What was deleted before is retention_overrun's.
        let skipped = if versions.fetch >= 5 { 430 } else { 457 };
        assert_eq!(counted(&consumer), [("g".to_owned(), skipped)]);
    }
}

#[test]
fn whoever_starts_elsewhere_or_only_asks_skips_nothing() {
    let mut consumer = Consumer::new(&only(Mode::Observe));
    consumer.begin(-1).list(LATEST, 500).list(EARLIEST, 70);
    consumer
        .fetch_from_log(70, 3, 70)
        .fetch_from_log(500, 0, 70);
    assert_eq!(counted(&consumer), []);
    let mut consumer = Consumer::new(&only(Mode::Observe));
    consumer
        .begin(40)
        .list(LATEST, 500)
        .fetch(40, 3)
        .fetch(500, 0);
    assert_eq!(counted(&consumer), []);
    let mut consumer = Consumer::new(&only(Mode::Observe));
    consumer
        .fetch(900, 0)
        .out_of_range(900)
        .list(LATEST, 500)
        .fetch(500, 0);
    assert_eq!(counted(&consumer), [], "it was beyond the end");
}

#[test]
fn another_process_of_the_same_name_is_another_consumer() {
    let ledger: Arc<Ledger> = Arc::default();
    let of = || Consumer::of(&only(Mode::Observe), Versions::some()[3], &ledger);
    let (mut one, mut other) = (of(), of().from(9));
    one.begin(-1);
    other.list(LATEST, 500).fetch(500, 0);
    one.list(EARLIEST, 0).fetch(0, 3);
    assert_eq!((counted(&one), counted(&other)), (vec![], vec![]));
}

#[test]
fn two_groups_of_one_process_are_not_told_apart_and_one_instance_knows_all() {
    let mut policy = only(Mode::Observe);
    policy.single_instance = true;
    let ledger: Arc<Ledger> = Arc::default();
    let of = || Consumer::of(&policy, Versions::some()[3], &ledger);
    let (mut one, mut other) = (of(), of());
    other.group = "h";
    one.begin(40).fetch(40, 1);
    other.begin(90).fetch(90, 1);
    one.out_of_range(41).list(LATEST, 500).fetch(500, 0);
    let expected = (Completeness::Exact, "unattributed".to_owned(), 459);
    assert_eq!(one.observed(SCENARIO), [expected]);
}

#[test]
fn an_exempt_topic_or_group_is_not_counted_and_the_exemption_is() {
    for by_group in [false, true] {
        let mut policy = only(Mode::Observe);
        let mut exempt = exemption(SCENARIO, &["orders"], &[]);
        if by_group {
            (exempt.groups, exempt.topics) = (exempt.topics, Vec::new());
        }
        policy.exemptions = vec![exempt];
        let mut consumer = Consumer::new(&policy);
        consumer.group = "orders";
        consumer.begin(-1).list(LATEST, 500).fetch(500, 0);
        assert_eq!(counted(&consumer), []);
        let exempted = consumer.leader.events.iter().filter(|event| {
            matches!(
                event,
                Event::Exempted {
                    scenario: SCENARIO,
                    count: 500,
                    ..
                }
            )
        });
        assert_eq!(exempted.count(), 1);
    }
}
