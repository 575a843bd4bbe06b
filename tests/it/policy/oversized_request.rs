//! oversized_request × acks × mode: enforced, it is answered per partition; observed, counted; off, it passes.

use super::MODES;
use crate::support::rig::{Rig, batch, frame, parse_answer, produce, settings};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::CloseCause;

#[test]
fn only_a_request_above_the_limit_is_refused_and_only_where_it_is_enforced() {
    for mode in MODES {
        for acks in [0, 1, -1] {
            for large in [false, true] {
                let batches = [(0, batch(2, 1_000)), (1, batch(3, 1_000))];
                let sent = frame(1, &produce(9, acks, &[("orders", &batches)]));
                let mut policy = settings(Mode::Off);
                policy.modes[Scenario::OversizedRequest as usize] = mode;
                policy.modes[Scenario::AcksNone as usize] = Mode::Enforce;
                // Sizes count without the prefix; the limit itself is allowed.
                policy.max_request_bytes = Some(sent.len() as u32 - 4 - u32::from(large));
                let mut rig = Rig::new(policy);
                rig.send(&sent);
                let what = format!("{mode:?} acks {acks} large {large}");
                let refused = large && mode == Mode::Enforce;
                assert_eq!(rig.broker_frames().is_empty(), refused, "{what}");
                let rejections = rig.rejections(Scenario::OversizedRequest);
                match (large, mode) {
                    (true, Mode::Enforce) => {
                        assert_eq!(rejections, [("enforce", 2)].into(), "{what}")
                    }
                    (true, Mode::Observe) => {
                        assert_eq!(rejections, [("observe", 1)].into(), "{what}")
                    }
                    _ => assert!(rejections.is_empty(), "{what}"),
                }
                if acks == 0 {
                    assert_eq!(
                        rig.sums(),
                        if refused { (0, 5, 0) } else { (5, 0, 0) },
                        "{what}"
                    );
                    let closes: &[CloseCause] = if refused {
                        &[CloseCause::RefusedUnanswerable]
                    } else {
                        &[]
                    };
                    assert_eq!(rig.closes(), closes, "{what}");
                } else {
                    let codes = parse_answer(9, &rig.to_client).1.error_codes();
                    assert_eq!(codes, if refused { [10, 10] } else { [0, 0] }, "{what}");
                    assert!(rig.closes().is_empty(), "{what}");
                }
            }
        }
    }
}

#[test]
fn what_the_brokers_say_of_their_limit_is_heeded_and_the_operator_comes_first() {
    for (explicit, learned, refused) in [
        (None, None, false),
        (None, Some(500), true),
        (Some(5_000), Some(500), false),
    ] {
        let mut rig = Rig::default();
        rig.policy.max_request_bytes = explicit;
        rig.view.socket_request_max_bytes = learned;
        rig.send(&frame(
            1,
            &produce(9, 1, &[("orders", &[(0, batch(2, 1_000))])]),
        ));
        assert_eq!(
            rig.to_broker.is_empty(),
            refused,
            "{explicit:?} {learned:?}"
        );
    }
}
