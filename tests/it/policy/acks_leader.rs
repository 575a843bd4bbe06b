//! acks_leader × acks × mode: what the broker sees, what the client hears, what is counted.

use super::{Case, MODES, try_one};
use crate::support::rig::{Broker, Rig, frame, one, parse_answer, records, settings};
use holdfast::policy::{Mode, Scenario};

#[test]
fn only_acks_between_none_and_all_is_touched_and_only_where_it_is_enforced() {
    for mode in MODES {
        for acks in [0, 1, -1, 2, 1000, -7] {
            let mut policy = settings(Mode::Off);
            policy.modes[Scenario::AcksLeader as usize] = mode;
            let seen = try_one(policy, acks);
            let falls_under = acks != 0 && acks != -1;
            let expected = Case {
                acks: if falls_under && mode == Mode::Enforce {
                    -1
                } else {
                    acks
                },
                timeout_ms: 100,
                answers: usize::from(acks != 0),
                ends: (0, 0, 0),
                counted: match falls_under && mode != Mode::Off {
                    true => vec![(Scenario::AcksLeader, mode)],
                    false => vec![],
                },
            };
            assert_eq!(seen, expected, "{mode:?} acks {acks}");
        }
    }
}

#[test]
fn the_client_hears_the_brokers_own_answer_errors_included() {
    for version in [3, 8, 9, 13] {
        for error_code in [0, 19, 7, 20, 6] {
            let mut rig = Rig::default().topic("orders", None);
            rig.broker = Some(Broker::default().error("orders", 0, error_code));
            rig.send(&frame(4, &one(version, 1, records(version, 1))));
            let expected = rig.broker.clone().unwrap().produce(&rig.produced()[0]);
            assert_eq!(rig.to_client, expected);
            assert_eq!(
                parse_answer(version, &rig.to_client).1.error_codes(),
                [error_code]
            );
            assert!(rig.closes().is_empty());
        }
    }
}
