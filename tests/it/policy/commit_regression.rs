//! commit_regression × mode × version: which commits are counted, and that none is changed.

use super::MODES;
use crate::support::offsets::{Commit, Offsets, committed, fetched, transacted, transaction_told};
use crate::support::rig::{Rig, settings};
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::{Completeness, Event};
use std::sync::Arc;

fn rig(policy: Settings) -> Rig {
    Rig::new(policy).topic("orders", None).without_broker()
}

/// Only this scenario, so that the requests are nobody else's business.
fn only(mode: Mode) -> Settings {
    let mut policy = settings(Mode::Off);
    policy.modes[Scenario::CommitRegression as usize] = mode;
    policy
}

fn counted(rig: &Rig) -> Vec<(Completeness, u64)> {
    let found = rig.events.iter().filter_map(|event| match event {
        Event::Observed {
            scenario: Scenario::CommitRegression,
            completeness,
            group: Some(group),
            topic: Some(topic),
            count,
        } => {
            assert_eq!((&**group, &**topic), ("g", "orders"));
            Some((*completeness, *count))
        }
        _ => None,
    });
    found.collect()
}

/// A commit that the broker answers with this code.
fn commit(rig: &mut Rig, version: i16, offsets: &[(i32, i64)], code: i16) -> Vec<u8> {
    let offsets: Offsets<'_> = &[("orders", offsets)];
    let sent = Commit::new(version, offsets).frame(7);
    rig.send(&sent);
    let codes: Vec<(i32, i16)> = offsets[0]
        .1
        .iter()
        .map(|(index, _)| (*index, code))
        .collect();
    rig.answer(&committed(version, 7, &[("orders", &codes)]));
    sent
}

#[test]
fn in_a_transaction_a_commit_below_the_last_one_is_counted_and_is_none_until_the_transaction_ends()
{
    for version in 0..=5 {
        let mut rig = rig(only(Mode::Observe));
        commit(&mut rig, 8, &[(0, 9)], 0);
        let mut transact = |offset| {
            rig.to_broker.clear();
            let offsets: Offsets<'_> = &[("orders", &[(0, offset)])];
            let sent = transacted(version, 7, offsets);
            rig.send(&sent);
            assert_eq!(rig.to_broker, sent);
            rig.answer(&transaction_told(version, 7, &[("orders", &[(0, 0)])]));
            counted(&rig).len()
        };
        // Before version 3 nobody says whose it is.
        let going_back = usize::from(version >= 3);
        assert_eq!(transact(8), going_back, "{version}");
        assert_eq!(transact(20), going_back, "{version}");
        // It may have been aborted.
        assert_eq!(transact(12), going_back, "{version}");
    }
}

#[test]
fn a_commit_below_the_last_one_is_counted_and_goes_on_as_it_came() {
    for mode in MODES {
        for version in 2..=10 {
            let mut rig = rig(only(mode));
            let mut sent = commit(&mut rig, version, &[(0, 9), (1, 9), (2, 9)], 0);
            sent.extend(commit(&mut rig, version, &[(0, 8), (1, 9), (2, 7)], 0));
            assert_eq!(rig.to_broker, sent, "{mode:?} {version}");
            let expected: &[_] = match mode {
                Mode::Off => &[],
                _ => &[(Completeness::Partial, 2)],
            };
            assert_eq!(counted(&rig), expected, "{mode:?} {version}");
            // The lower one is the last one now.
            commit(&mut rig, version, &[(0, 8)], 0);
            assert_eq!(counted(&rig).len(), expected.len());
        }
    }
}

#[test]
fn a_commit_that_the_broker_refused_is_no_commit() {
    for version in [2, 9, 10] {
        let mut rig = rig(only(Mode::Observe));
        commit(&mut rig, version, &[(0, 9)], 25);
        commit(&mut rig, version, &[(0, 5)], 0);
        assert_eq!(counted(&rig), []);
    }
}

#[test]
fn connections_share_what_they_know_and_one_instance_knows_all() {
    let mut policy = only(Mode::Observe);
    policy.single_instance = true;
    let mut one = rig(policy.clone());
    commit(&mut one, 8, &[(0, 9)], 0);
    let mut two = rig(policy);
    two.ledger = Arc::clone(&one.ledger);
    commit(&mut two, 10, &[(0, 8)], 0);
    assert_eq!(counted(&two), [(Completeness::Exact, 1)]);
}

#[test]
fn a_tool_that_resets_offsets_is_not_counted_nor_is_what_follows() {
    let mut rig = rig(only(Mode::Observe));
    commit(&mut rig, 8, &[(0, 9)], 0);
    let reset = Commit {
        generation: -1,
        member: "",
        ..Commit::new(8, &[("orders", &[(0, 2)])])
    };
    rig.send(&reset.frame(8));
    rig.answer(&committed(8, 8, &[("orders", &[(0, 0)])]));
    commit(&mut rig, 8, &[(0, 3)], 0);
    assert_eq!(counted(&rig), []);
}

#[test]
fn what_a_broker_tells_of_a_group_counts_like_a_commit() {
    let mut rig = rig(only(Mode::Observe));
    rig.send(&crate::support::offsets::fetch(8, 3, &["g"]));
    rig.answer(&fetched(8, 3, "g", &[("orders", &[(0, 9)])]));
    commit(&mut rig, 8, &[(0, 8)], 0);
    assert_eq!(counted(&rig), [(Completeness::Partial, 1)]);
}

#[test]
fn commits_beyond_what_is_remembered_are_relayed_and_counted_as_forgotten() {
    let mut rig = rig(only(Mode::Observe));
    let many: Vec<(i32, i64)> = (0..1001).map(|index| (index, 5)).collect();
    commit(&mut rig, 8, &many, 0);
    assert_eq!(rig.ledger.commits.forgotten(), 1);
    let sent: Vec<Vec<u8>> = (0..20)
        .map(|id| Commit::new(8, &[("orders", &[(0, 6)])]).frame(id))
        .collect();
    rig.send(&sent.concat());
    assert_eq!(rig.ledger.commits.forgotten(), 5);
    for id in 0..20 {
        rig.answer(&committed(8, id, &[("orders", &[(0, 0)])]));
    }
    assert_eq!(rig.client_frames().len(), 21);
}
