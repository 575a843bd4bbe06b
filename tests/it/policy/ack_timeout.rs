//! ack_timeout × acks × mode: raised only where nobody waits for the answer, and only where acks is raised, too.

use super::{Case, MODES, try_one};
use crate::support::rig::{Rig, frame, one, records, settings};
use holdfast::policy::{Mode, Scenario};

#[test]
fn it_is_raised_for_acks_0_only_counted_for_acks_1_and_left_alone_for_all() {
    for mode in MODES {
        for acks in [0, 1, -1] {
            let mut policy = settings(Mode::Off);
            policy.modes[Scenario::AckTimeout as usize] = mode;
            policy.modes[Scenario::AcksNone as usize] = Mode::Enforce;
            policy.modes[Scenario::AcksLeader as usize] = Mode::Enforce;
            let seen = try_one(policy, acks);
            let raises = acks == 0 && mode == Mode::Enforce;
            let mut counted = match acks {
                0 => vec![(Scenario::AcksNone, Mode::Enforce)],
                1 => vec![(Scenario::AcksLeader, Mode::Enforce)],
                _ => vec![],
            };
            if acks != -1 && mode != Mode::Off {
                let applied = if raises { Mode::Enforce } else { Mode::Observe };
                counted.push((Scenario::AckTimeout, applied));
            }
            let expected = Case {
                acks: -1,
                timeout_ms: if raises { 5_000 } else { 100 },
                answers: usize::from(acks != 0),
                ends: if acks == 0 { (3, 0, 0) } else { (0, 0, 0) },
                counted,
            };
            assert_eq!(seen, expected, "{mode:?} acks {acks}");
        }
    }
}

#[test]
fn it_means_nothing_where_acks_stays_0() {
    let mut policy = settings(Mode::Enforce);
    policy.modes[Scenario::AcksNone as usize] = Mode::Observe;
    let seen = try_one(policy, 0);
    assert_eq!((seen.acks, seen.timeout_ms), (0, 100));
}

#[test]
fn the_floor_itself_and_what_is_above_stay() {
    for timeout_ms in [5_000, 5_001, 10_000] {
        let mut rig = Rig::default();
        rig.send(&frame(1, &one(9, 0, records(9, 1)).timeout_ms(timeout_ms)));
        assert_eq!(rig.produced()[0].timeout_ms, timeout_ms);
        assert!(rig.overrides(Scenario::AckTimeout).is_empty());
    }
    let mut rig = Rig::default();
    rig.send(&frame(1, &one(9, 0, records(9, 1)).timeout_ms(-1)));
    assert_eq!(rig.produced()[0].timeout_ms, 5_000);
}
