//! acks_none × acks × mode: what the broker sees, what the client hears, what is counted.

use super::{Case, MODES, try_one};
use crate::support::rig::{Rig, frame, one, records, settings};
use holdfast::policy::{Mode, Scenario};

#[test]
fn only_acks_0_is_touched_and_only_where_it_is_enforced() {
    for mode in MODES {
        for acks in [0, 1, -1] {
            let mut policy = settings(Mode::Off);
            policy.modes[Scenario::AcksNone as usize] = mode;
            let seen = try_one(policy, acks);
            let enforced = acks == 0 && mode == Mode::Enforce;
            let expected = Case {
                acks: if enforced { -1 } else { acks },
                timeout_ms: 100,
                answers: usize::from(acks != 0),
                // Switched off, nothing is counted: nobody asked.
                ends: match (acks, mode) {
                    (0, Mode::Enforce) => (3, 0, 0),
                    (0, Mode::Observe) => (0, 0, 3),
                    _ => (0, 0, 0),
                },
                counted: match (acks, mode) {
                    (0, Mode::Enforce | Mode::Observe) => vec![(Scenario::AcksNone, mode)],
                    _ => vec![],
                },
            };
            assert_eq!(seen, expected, "{mode:?} acks {acks}");
        }
    }
}

#[test]
fn the_answer_to_acks_0_never_reaches_the_client_and_the_next_one_does() {
    let mut rig = Rig::default();
    for id in 0..10 {
        rig.send(&frame(
            id,
            &one(9, if id % 2 == 0 { 0 } else { -1 }, records(9, 1)),
        ));
    }
    let ids: Vec<u8> = rig.client_frames().iter().map(|f| f[7]).collect();
    assert_eq!(ids, [1, 3, 5, 7, 9]);
}

#[test]
fn topics_of_a_changed_request_are_counted_by_name() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let mut rig = Rig::new(settings(mode)).topic("orders", None);
        for id in 0..3 {
            rig.send(&frame(id, &one(9, 0, records(9, 5))));
        }
        let (requests, counted) = rig.topic_overrides(Scenario::AcksNone, "orders");
        assert_eq!((requests, counted), (3, 15), "{mode:?}");
    }
}
