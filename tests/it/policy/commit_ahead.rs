//! commit_ahead × version: a commit beyond what was given is counted, and in force lowered; one that is right never is.

use super::MODES;
use crate::support::consumer::{Consumer, LATEST, Versions};
use crate::support::fetches::Request;
use crate::support::rig::{exemption, settings};
use holdfast::ledger::Ledger;
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::{Completeness, Event};
use proptest::prelude::*;
use std::sync::Arc;

const SCENARIO: Scenario = Scenario::CommitAhead;

/// Only this one, and everything goes through one gateway.
fn only(mode: Mode) -> Settings {
    let mut policy = settings(Mode::Off);
    policy.modes[SCENARIO as usize] = mode;
    policy.single_instance = true;
    policy
}

fn enforcing() -> Consumer {
    Consumer::new(&only(Mode::Enforce))
}

fn counted(consumer: &Consumer) -> usize {
    consumer.observed(SCENARIO).len()
}

#[test]
fn what_was_not_given_is_not_committed_at_any_version() {
    for mode in MODES {
        for versions in Versions::some() {
            let mut consumer = Consumer::of(&only(mode), versions, &Arc::default());
            consumer.begin(40).fetch(40, 10);
            assert_eq!(consumer.commit(50), 50);
            let lowered = if mode == Mode::Enforce { 50 } else { 70 };
            assert_eq!(consumer.commit(70), lowered, "{mode:?} {versions:?}");
            let expected = usize::from(mode != Mode::Off);
            assert_eq!(counted(&consumer), expected, "{mode:?} {versions:?}");
            consumer.fetch(50, 10);
            assert_eq!(consumer.commit(60), 60);
            let overrides = consumer.coordinator.overrides(SCENARIO);
            let enforced = overrides.get("enforce").copied().unwrap_or(0);
            assert_eq!(enforced, u64::from(mode == Mode::Enforce));
        }
    }
}

#[test]
fn an_offset_that_was_told_may_be_committed_before_anything_is_read_there() {
    let mut consumer = enforcing();
    consumer.begin(40).fetch(40, 0).list(LATEST, 500);
    assert_eq!(consumer.commit(500), 500);
    // A position that is sought shows when it is fetched from.
    consumer.fetch(800, 0);
    assert_eq!(consumer.commit(800), 800);
    // And so does an offset that the group has.
    consumer.begin(900);
    assert_eq!(consumer.commit(900), 900);
    assert_eq!(counted(&consumer), 0);
}

#[test]
fn a_consumer_that_was_there_before_is_left_alone_until_it_begins_anew() {
    let mut consumer = enforcing();
    consumer.fetch(40, 10);
    assert_eq!(consumer.commit(70), 70);
    // Asking for the offset is not beginning there.
    consumer.begin(30).fetch(50, 10);
    assert_eq!(consumer.commit(90), 90);
    consumer.begin(95).fetch(95, 1);
    assert_eq!(consumer.commit(97), 96);
    assert_eq!(counted(&consumer), 1);
}

#[test]
fn the_last_commit_may_be_repeated_and_tools_may_commit_what_they_like() {
    let mut consumer = enforcing();
    consumer.begin(40).fetch(40, 10);
    consumer.generation = -1;
    assert_eq!(consumer.commit(900), 900);
    consumer.generation = 3;
    assert_eq!(consumer.commit(900), 900);
    assert_eq!(consumer.commit(901), 900);
    assert_eq!(counted(&consumer), 1);
}

#[test]
fn records_that_any_connection_of_the_client_was_given_were_given() {
    let ledger: Arc<Ledger> = Arc::default();
    let of = || Consumer::of(&only(Mode::Enforce), Versions::some()[3], &ledger);
    let (mut one, mut moved, mut translated) = (of(), of(), of().from(9));
    one.begin(40).fetch(40, 10);
    // The leader moved, and with it the connection; then the address, behind a NAT.
    moved.fetch(50, 10);
    assert_eq!(one.commit(60), 60);
    translated.fetch(60, 10);
    assert_eq!(one.commit(70), 70);
    assert_eq!(one.commit(71), 70);
    // Whether commits from there are of the one that began here is not known.
    assert_eq!(translated.commit(99), 99);
}

#[test]
fn a_gateway_that_sees_a_part_only_changes_nothing() {
    let mut policy = only(Mode::Enforce);
    policy.single_instance = false;
    let mut consumer = Consumer::new(&policy);
    consumer.begin(40).fetch(40, 10);
    assert_eq!(consumer.commit(70), 70);
    let expected = (Completeness::Partial, "g".to_owned(), 1);
    assert_eq!(consumer.observed(SCENARIO), [expected]);
    assert!(consumer.coordinator.overrides(SCENARIO).is_empty());
}

#[test]
fn nothing_is_lowered_while_or_after_something_was_read_unseen() {
    // Version 3 cannot be walked.
    let mut consumer = enforcing();
    consumer.begin(40).fetch(40, 10);
    let mut old = Consumer::of(
        &only(Mode::Enforce),
        Versions::some()[0],
        &consumer.leader.ledger,
    );
    let mut request = Request::new(4, 0, 0, 50).frame();
    request[7] = 3;
    old.leader.send(&request);
    assert_eq!(consumer.commit(90), 90);
    drop(old);
    assert_eq!(consumer.commit(91), 91);
    consumer.begin(95).fetch(95, 1);
    assert_eq!(consumer.commit(97), 96);

    // A while in which nobody looked.
    let mut consumer = enforcing();
    consumer.begin(40).fetch(40, 10);
    consumer.leader.policy = settings(Mode::Off);
    consumer.leader.reload();
    consumer.fetch(50, 10);
    consumer.leader.policy = only(Mode::Enforce);
    consumer.leader.reload();
    consumer.fetch(60, 10);
    assert_eq!(consumer.commit(90), 90);
    consumer.begin(95).fetch(95, 1);
    assert_eq!(consumer.commit(97), 96);
}

#[test]
fn a_commit_that_was_lowered_is_the_last_one_only_as_what_it_was_lowered_to() {
    let mut consumer = enforcing();
    consumer.begin(40).fetch(40, 10);
    assert_eq!(consumer.commit(70), 50);
    assert_eq!(consumer.commit(60), 50);
}

#[test]
fn an_exempt_group_commits_what_it_likes() {
    let mut policy = only(Mode::Enforce);
    let mut exempt = exemption(SCENARIO, &["g"], &[]);
    (exempt.groups, exempt.topics) = (exempt.topics, Vec::new());
    policy.exemptions = vec![exempt];
    let mut consumer = Consumer::new(&policy);
    consumer.begin(40).fetch(40, 10);
    assert_eq!(consumer.commit(70), 70);
    let exempted = |event: &&Event| {
        matches!(
            event,
            Event::Exempted {
                scenario: SCENARIO,
                ..
            }
        )
    };
    assert_eq!(
        consumer.coordinator.events.iter().filter(exempted).count(),
        1
    );
}

/// What a consumer does that never commits more than it was given.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A rebalance: it goes on from its group's offset.
    Begin,
    Read(u64),
    /// It reads on another connection.
    Move,
    /// Back or forth to where it has been, read from there.
    Seek(u8),
    Commit(u8),
    Reset,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Begin),
        6 => (0_u64..20).prop_map(Act::Read),
        1 => Just(Act::Move),
        1 => any::<u8>().prop_map(Act::Seek),
        4 => any::<u8>().prop_map(Act::Commit),
        1 => Just(Act::Reset),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #[test]
    fn a_correct_commit_is_never_changed(acts in prop::collection::vec(act(), 1..60)) {
        let policy = only(Mode::Enforce);
        let mut consumer = Consumer::new(&policy);
        // Where the group is, where the consumer reads, and how far it was given records.
        let (mut last, mut position, mut given) = (-1_i64, 0_i64, 0_i64);
        for act in acts {
            match act {
                Act::Begin => {
                    consumer.begin(last);
                    if last >= 0 {
                        (position, given) = (last, last);
                    } else {
                        consumer.list(LATEST, position);
                        given = position;
                    }
                }
                Act::Read(records) => {
                    consumer.fetch(position, records);
                    position += records as i64;
                    given = position;
                }
                Act::Move => {
                    let of = Consumer::of(&policy, consumer.versions, &consumer.leader.ledger);
                    consumer.leader = of.leader;
                }
                Act::Seek(to) => {
                    position = i64::from(to) % (given + 1);
                    consumer.fetch(position, 0);
                    given = position;
                }
                Act::Commit(back) => {
                    let offset = (given - i64::from(back) % 3).max(0);
                    prop_assert_eq!(consumer.commit(offset), offset);
                    last = offset;
                }
                Act::Reset => {
                    consumer.out_of_range(position);
                    position += 100;
                    consumer.list(LATEST, position);
                    given = position;
                }
                Act::Restart => {
                    // Of the gateway: what it knew is gone, and so are connections.
                    consumer = Consumer::new(&policy);
                }
            }
        }
        prop_assert_eq!(counted(&consumer), 0);
    }
}
