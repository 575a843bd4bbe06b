//! oversized_batch × acks × mode: enforced, the batch is refused; observed, it is counted; off, it passes.

use super::MODES;
use crate::support::rig::{Confirm, Rig, batch, exemption, frame, parse_answer, produce, settings};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::{CloseCause, Event};

#[test]
fn only_the_batch_above_the_limit_is_refused_and_only_where_it_is_enforced() {
    for mode in MODES {
        for acks in [0, 1, -1] {
            let mut policy = settings(Mode::Off);
            policy.modes[Scenario::OversizedBatch as usize] = mode;
            policy.modes[Scenario::AcksNone as usize] = Mode::Enforce;
            let mut rig = Rig::new(policy).topic("orders", Some(1_000));
            let batches = [(0, batch(2, 1_000)), (1, batch(3, 1_001))];
            let sent = frame(1, &produce(9, acks, &[("orders", &batches)]));
            rig.send(&sent);
            let what = format!("{mode:?} acks {acks}");
            let enforced = mode == Mode::Enforce;
            let places = rig.produced()[0].places().len();
            assert_eq!(places, if enforced { 1 } else { 2 }, "{what}");
            match mode {
                Mode::Off => assert!(rig.rejections(Scenario::OversizedBatch).is_empty()),
                _ => assert_eq!(
                    rig.rejections(Scenario::OversizedBatch),
                    [(mode.name(), 1)].into()
                ),
            }
            if acks == 0 {
                assert!(rig.to_client.is_empty(), "{what}");
                assert_eq!(
                    rig.sums(),
                    if enforced { (2, 3, 0) } else { (5, 0, 0) },
                    "{what}"
                );
                let closes: &[CloseCause] = if enforced {
                    &[CloseCause::RefusedUnanswerable]
                } else {
                    &[]
                };
                assert_eq!(rig.closes(), closes, "{what}");
            } else {
                let codes = parse_answer(9, &rig.to_client).1.error_codes();
                assert_eq!(codes, if enforced { [0, 10] } else { [0, 0] }, "{what}");
                assert!(rig.closes().is_empty(), "{what}");
            }
            if !enforced && acks != 0 {
                assert_eq!(rig.to_broker, sent, "{what}");
            }
        }
    }
}

#[test]
fn a_rejection_names_records_bytes_and_topic() {
    let mut rig = Rig::default().topic("orders", Some(1_000));
    rig.send(&frame(
        1,
        &produce(9, 1, &[("orders", &[(1, batch(3, 1_001))])]),
    ));
    assert!(rig.has(|event| matches!(
        event,
        Event::Rejection { topic: Some(topic), records: 3, bytes: 1_001, .. } if &**topic == "orders"
    )));
}

#[test]
fn an_exempted_client_or_topic_is_left_to_the_broker() {
    for (topics, client_ids) in [
        (&["orders"][..], &[][..]),
        (&[], &["app"]),
        (&["o*"], &["a*"]),
    ] {
        let mut policy = settings(Mode::Enforce);
        policy.exemptions = vec![exemption(Scenario::OversizedBatch, topics, client_ids)];
        let mut rig = Rig::new(policy)
            .topic("orders", Some(1_000))
            .topic("bills", Some(1_000));
        let large = [(0, batch(2, 2_000))];
        let sent = frame(1, &produce(9, -1, &[("orders", &large)]));
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent, "{topics:?} {client_ids:?}");
        rig.send(&frame(
            2,
            &produce(9, -1, &[("orders", &large), ("bills", &large)]),
        ));
        let of_others = if topics.is_empty() { 2 } else { 1 };
        assert_eq!(
            rig.produced()[1].partitions.len(),
            of_others,
            "{topics:?} {client_ids:?}"
        );
    }
}

#[test]
fn a_limit_that_was_lowered_meanwhile_refuses_what_the_old_one_would_have_refused() {
    let mut rig = Rig::default().topic("orders", Some(1_000));
    rig.confirm = Confirm::Limit(900);
    rig.send(&frame(
        1,
        &produce(8, 1, &[("orders", &[(0, batch(1, 1_500))])]),
    ));
    let (_, answer) = parse_answer(8, &rig.to_client);
    assert!(
        answer.partitions[0]
            .error_message
            .as_ref()
            .unwrap()
            .contains("limit 900")
    );
}
