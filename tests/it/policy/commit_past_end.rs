//! commit_past_end × mode × version: what the broker sees of a commit beyond the end of a log, and what the consumer hears.

use super::MODES;
use crate::support::offsets::{self, Commit, Offsets, codes};
use crate::support::rig::{Confirm, Rig, exemption, settings, stranger};
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::Want;
use holdfast::session::event::Event;

/// The log of `orders` ends at 10, that of `metrics` at 20.
const MIXED: Offsets<'_> = &[("orders", &[(0, 10), (1, 11)]), ("metrics", &[(0, 21)])];
const NAMES: [&str; 2] = ["orders", "metrics"];
const PAST_END: i16 = 28;

fn rig(policy: Settings) -> Rig {
    let mut rig = Rig::new(policy)
        .topic("orders", None)
        .topic("metrics", None)
        .without_broker();
    for partition in 0..4 {
        rig.log_ends.insert(("orders", partition), 10);
        rig.log_ends.insert(("metrics", partition), 20);
    }
    rig
}

fn refused(rig: &Rig) -> Vec<(String, Mode)> {
    let found = rig.events.iter().filter_map(|event| match event {
        Event::Rejection {
            scenario: Scenario::CommitPastEnd,
            mode,
            topic: Some(topic),
            ..
        } => Some((topic.to_string(), *mode)),
        _ => None,
    });
    found.collect()
}

fn unverified(rig: &Rig) -> usize {
    let found = |event: &&Event| {
        matches!(
            event,
            Event::Unverified {
                scenario: Scenario::CommitPastEnd
            }
        )
    };
    rig.events.iter().filter(found).count()
}

#[test]
fn what_is_past_the_end_is_refused_alone_where_enforced() {
    for mode in MODES {
        for version in 2..=10 {
            let sent = Commit::new(version, MIXED).frame(7);
            for at in [0, 9, sent.len() - 1] {
                let mut rig = rig(settings(mode));
                rig.send(&sent[..at]).send(&sent[at..]).tell();
                let left = Commit::new(version, &[("orders", &[(0, 10)])]).frame(7);
                let enforced = mode == Mode::Enforce;
                assert_eq!(rig.to_broker, if enforced { left } else { sent.clone() });
                assert_eq!(rig.asked.len(), usize::from(enforced));
                assert_eq!(rig.wondered.len(), usize::from(mode == Mode::Observe));
                let counted = match mode {
                    Mode::Off => vec![],
                    mode => vec![("orders".to_owned(), mode), ("metrics".to_owned(), mode)],
                };
                assert_eq!(refused(&rig), counted, "{mode:?} {version}");
                if enforced {
                    rig.answer(&offsets::committed(version, 7, &[("orders", &[(0, 0)])]));
                    let expected = [
                        ("orders".to_owned(), vec![(0, 0), (1, PAST_END)]),
                        ("metrics".to_owned(), vec![(0, PAST_END)]),
                    ];
                    assert_eq!(
                        codes(version, &rig.to_client, &NAMES),
                        expected,
                        "{version}"
                    );
                }
            }
        }
    }
}

#[test]
fn where_nothing_is_left_the_answer_is_ours() {
    for version in 2..=10 {
        let mut rig = rig(settings(Mode::Enforce));
        rig.send(&Commit::new(version, &[("orders", &[(3, 11), (2, 99)])]).frame(7));
        assert!(rig.to_broker.is_empty(), "{version}");
        let expected = [("orders".to_owned(), vec![(3, PAST_END), (2, PAST_END)])];
        assert_eq!(codes(version, &rig.to_client, &NAMES), expected);
    }
}

#[test]
fn a_commit_up_to_an_end_that_a_leader_told_before_asks_nobody() {
    let mut rig = rig(settings(Mode::Enforce));
    rig.send(&Commit::new(8, &[("orders", &[(0, 9)])]).frame(1));
    rig.send(&Commit::new(10, &[("orders", &[(0, 10)])]).frame(2));
    assert_eq!(rig.asked.len(), 1);
    rig.send(&Commit::new(8, &[("orders", &[(0, 11)])]).frame(3));
    assert_eq!(rig.asked.len(), 2);
    assert_eq!(rig.broker_frames().len(), 2);
}

#[test]
fn a_leader_that_does_not_answer_lets_the_commit_go_on_unverified() {
    for version in 2..=10 {
        let sent = Commit::new(version, MIXED).frame(7);
        let mut silent = rig(settings(Mode::Enforce));
        silent.confirm = Confirm::Silence;
        silent.send(&sent);
        assert_eq!(
            (silent.to_broker.clone(), unverified(&silent)),
            (sent.clone(), 1)
        );
        let mut unknown = rig(settings(Mode::Enforce));
        unknown.log_ends.clear();
        unknown.send(&sent);
        assert_eq!((unknown.to_broker.clone(), unverified(&unknown)), (sent, 1));
        assert_eq!(refused(&unknown), []);
    }
}

#[test]
fn in_a_transaction_it_is_refused_alone_so_that_the_producer_aborts() {
    for mode in MODES {
        for version in 0..=5 {
            let sent = offsets::transacted(version, 7, MIXED);
            let mut rig = rig(settings(mode));
            rig.send(&sent).tell();
            let left = offsets::transacted(version, 7, &[("orders", &[(0, 10)])]);
            let enforced = mode == Mode::Enforce;
            assert_eq!(rig.to_broker, if enforced { left } else { sent });
            let counted = match mode {
                Mode::Off => vec![],
                mode => vec![("orders".to_owned(), mode), ("metrics".to_owned(), mode)],
            };
            assert_eq!(refused(&rig), counted, "{mode:?} {version}");
            let answer = offsets::transaction_told(version, 7, &[("orders", &[(0, 0)])]);
            rig.answer(&answer);
            if !enforced {
                assert_eq!(rig.to_client, answer);
                continue;
            }
            let code = if version >= 4 { 120 } else { PAST_END };
            let expected = [
                ("orders".to_owned(), vec![(0, 0), (1, code)]),
                ("metrics".to_owned(), vec![(0, code)]),
            ];
            assert_eq!(
                offsets::transaction_codes(version, &rig.to_client),
                expected
            );
        }
    }
    // Nothing of it is left.
    let mut rig = rig(settings(Mode::Enforce));
    rig.send(&offsets::transacted(5, 7, &[("metrics", &[(0, 21)])]));
    assert!(rig.to_broker.is_empty());
    let expected = [("metrics".to_owned(), vec![(0, 120)])];
    assert_eq!(offsets::transaction_codes(5, &rig.to_client), expected);
}

#[test]
fn observing_holds_nothing_up_and_asks_one_thing_at_a_time() {
    let mut rig = rig(settings(Mode::Observe));
    rig.confirm = Confirm::Later;
    let sent = [1, 2].map(|id| Commit::new(9, &[("orders", &[(0, 11)])]).frame(id));
    rig.send(&sent[0]).tell().send(&sent[1]).tell();
    assert_eq!(rig.to_broker, sent.concat());
    assert_eq!((rig.wondered.len(), unverified(&rig)), (1, 1));
    assert!(!matches!(rig.request_want(), Want::Confirm(_)));
    rig.confirm = Confirm::Same;
    rig.tell();
    assert_eq!(refused(&rig), [("orders".to_owned(), Mode::Observe)]);
    // A question that is open when the connection ends was not answered.
    rig.confirm = Confirm::Later;
    rig.send(&sent[0]).tell().client_ends();
    rig.finish();
    assert_eq!(unverified(&rig), 2);
}

#[test]
fn an_exempt_topic_or_group_may_commit_what_it_likes() {
    for (topics, groups) in [(&["orders"][..], &[][..]), (&[], &["g"])] {
        let mut policy = settings(Mode::Enforce);
        let mut exempt = exemption(Scenario::CommitPastEnd, topics, &[]);
        let patterns = groups
            .iter()
            .map(|group: &&str| holdfast::policy::Pattern((*group).into()));
        exempt.groups = patterns.collect();
        policy.exemptions = vec![exempt];
        let mut rig = rig(policy);
        let sent = Commit::new(10, &[("orders", &[(0, 99)])]).frame(7);
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
        assert_eq!(rig.asked.len(), 0);
        assert!(
            rig.events
                .iter()
                .any(|event| matches!(event, Event::Exempted { count: 1, .. }))
        );
    }
}

#[test]
fn a_topic_that_nobody_has_met_is_met_before_its_commit_goes_on() {
    for version in [9, 10] {
        let sent = Commit::new(version, &[("orders", &[(0, 11)])]).frame(7);
        let mut met = Rig::new(settings(Mode::Enforce)).without_broker();
        met.strangers = vec![std::sync::Arc::new(stranger("orders"))];
        met.log_ends.insert(("orders", 0), 10);
        met.send(&sent);
        assert_eq!((met.strangers_asked.len(), met.asked.len()), (1, 1));
        assert!(met.to_broker.is_empty());
        assert_eq!(refused(&met), [("orders".to_owned(), Mode::Enforce)]);
        // The view is told of it, once.
        assert_eq!(met.learned.len(), 1);

        let mut unknown = Rig::new(settings(Mode::Enforce)).without_broker();
        unknown.send(&sent);
        assert_eq!(
            (unknown.to_broker.clone(), unverified(&unknown)),
            (sent.clone(), 1)
        );

        let mut observed = Rig::new(settings(Mode::Observe)).without_broker();
        observed.send(&sent).tell();
        assert_eq!(observed.to_broker, sent);
        assert!(observed.strangers_asked.is_empty());
    }
}
