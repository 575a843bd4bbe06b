//! ignored_error × mode: what is counted, under whose exemption, and that the client hears the same.

use super::MODES;
use crate::support::rig::{Broker, Rig, exemption, frame, one, parse_answer, records, settings};
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::{Completeness, Event};

/// Observations and exemption hits after two failed requests.
fn counted(policy: Settings, error_code: i16) -> (u64, u64) {
    let mut rig = Rig::new(policy).topic("orders", None);
    rig.broker = Some(Broker::default().error("orders", 0, error_code));
    for id in 1..=2 {
        rig.send(&frame(id, &one(9, -1, records(9, 3))));
    }
    for answer in rig.client_frames() {
        let (_, answer) = parse_answer(9, &answer);
        assert_eq!(answer.error_codes(), [error_code]);
    }
    let (mut observed, mut exempted) = (0, 0);
    for event in &rig.events {
        match event {
            Event::Observed {
                scenario: Scenario::IgnoredError,
                completeness: Completeness::Exact,
                topic: Some(topic),
                group: None,
                count,
            } if &**topic == "orders" => observed += count,
            Event::Exempted {
                scenario: Scenario::IgnoredError,
                count,
                ..
            } => exempted += count,
            _ => {}
        }
    }
    (observed, exempted)
}

#[test]
fn an_error_is_counted_in_every_mode_but_off_and_success_never() {
    for mode in MODES {
        let expected = if mode == Mode::Off { 0 } else { 2 };
        for error_code in [-1, 3, 6, 10, 19, 29, 87] {
            assert_eq!(counted(settings(mode), error_code), (expected, 0));
        }
        for error_code in [0, 46] {
            assert_eq!(counted(settings(mode), error_code), (0, 0));
        }
    }
}

#[test]
fn an_exempt_client_or_topic_is_not_counted_and_the_exemption_is() {
    for (topics, client_ids, expected) in [
        (&["orders"][..], &[][..], (0, 2)),
        (&[], &["app"], (0, 2)),
        (&["bills"], &[], (2, 0)),
        (&["orders"], &["other"], (2, 0)),
    ] {
        let mut policy = settings(Mode::Observe);
        policy.exemptions = vec![exemption(Scenario::IgnoredError, topics, client_ids)];
        assert_eq!(counted(policy, 19), expected, "{topics:?} {client_ids:?}");
    }
}
