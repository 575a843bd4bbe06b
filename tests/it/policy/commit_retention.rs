//! commit_retention × mode × version: what the broker sees of a commit that asks to be forgotten early.

use super::MODES;
use crate::support::offsets::{self, Commit, Offsets};
use crate::support::rig::{Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::Event;

const OFFSETS: Offsets<'_> = &[("orders", &[(0, 5), (2, 9)]), ("metrics", &[(1, 7)])];

fn commit(version: i16, retention_ms: i64) -> Commit<'static> {
    Commit {
        retention_ms,
        ..Commit::new(version, OFFSETS)
    }
}

/// Modes of the overrides counted.
fn counted(rig: &Rig) -> Vec<Mode> {
    let modes = rig.events.iter().filter_map(|event| match event {
        Event::Override {
            scenario: Scenario::CommitRetention,
            mode,
            count: 1,
            ..
        } => Some(*mode),
        _ => None,
    });
    modes.collect()
}

#[test]
fn a_commit_shorter_than_the_brokers_retention_gets_theirs_where_enforced() {
    for mode in MODES {
        for version in 2..=10 {
            for retention_ms in [-1, 0, 999, 1000, 5000] {
                let sent = commit(version, retention_ms).frame(7);
                for at in [0, 9, sent.len() - 1] {
                    let mut rig = Rig::new(settings(mode)).without_broker();
                    rig.view.offsets_retention_ms = Some(1000);
                    rig.send(&sent[..at]).send(&sent[at..]);
                    let found = version <= 4 && (0..1000).contains(&retention_ms);
                    let expected = match found && mode == Mode::Enforce {
                        true => commit(version, -1).frame(7),
                        false => sent.clone(),
                    };
                    assert_eq!(rig.to_broker, expected, "{mode:?} {version} {retention_ms}");
                    let modes = if found && mode != Mode::Off {
                        vec![mode]
                    } else {
                        vec![]
                    };
                    assert_eq!(counted(&rig), modes, "{mode:?} {version} {retention_ms}");
                    let answer = offsets::committed(version, 7, &[("orders", &[(0, 0), (2, 0)])]);
                    rig.answer(&answer);
                    assert_eq!(rig.to_client, answer);
                }
            }
        }
    }
}

#[test]
fn while_no_broker_has_told_its_retention_a_commit_passes_and_is_counted_as_observed() {
    let sent = commit(2, 10).frame(7);
    let mut rig = Rig::new(settings(Mode::Enforce));
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!(counted(&rig), [Mode::Observe]);
}

#[test]
fn an_exempt_group_is_forgotten_as_early_as_it_asks() {
    let sent = commit(3, 10).frame(7);
    let mut policy = settings(Mode::Enforce);
    let mut exempt = exemption(Scenario::CommitRetention, &[], &[]);
    exempt.groups = vec![holdfast::policy::Pattern("g".into())];
    policy.exemptions = vec![exempt];
    let mut rig = Rig::new(policy);
    rig.view.offsets_retention_ms = Some(1000);
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!(counted(&rig), []);
    assert!(
        rig.events
            .iter()
            .any(|event| matches!(event, Event::Exempted { count: 1, .. }))
    );
}

#[test]
fn a_commit_that_does_not_follow_its_schema_goes_nowhere() {
    for version in 2..=10 {
        let mut sent = commit(version, 10).frame(7);
        sent.pop();
        let size = (sent.len() - 4) as u32;
        sent[..4].copy_from_slice(&size.to_be_bytes());
        let mut rig = Rig::new(settings(Mode::Observe));
        rig.send(&sent);
        assert!(rig.to_broker.is_empty(), "{version}");
        assert!(
            rig.events
                .iter()
                .any(|event| matches!(event, Event::Misdeed { .. }))
        );
    }
}
