//! acked_truncation × version × chunks: an append that is given an acknowledged offset is found, once, whichever connection
//! sends it; nothing that has another explanation is.

use super::MODES;
use crate::support::raw::{Batch, Produce};
use crate::support::rig::{self, Broker, Chunks, Received, Rig, exemption, frame, one, settings};
use holdfast::ledger::acked::Truncation;
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::Event;
use std::sync::Arc;

/// Every way in which a batch goes up: short, in pieces, and under another acks.
const VERSIONS: [i16; 5] = [3, 7, 8, 9, 13];

fn rig(mode: Mode) -> Rig {
    let mut policy = settings(Mode::Off);
    policy.modes[Scenario::AckedTruncation as usize] = mode;
    Rig::new(policy).topic("orders", None).without_broker()
}

/// A connection through the same instance of the gateway.
fn beside(rig: &Rig) -> Rig {
    let mut other = self::rig(Mode::Observe);
    other.ledger = rig.ledger.clone();
    other
}

/// Ten records, always appended.
fn fresh(version: i16) -> Produce {
    one(version, -1, rig::records(version, 10))
}

fn idempotent(version: i16) -> Produce {
    let batch = Batch::of_ids(0, 10, 3).producer(7, 0, 0);
    one(version, -1, batch.bytes())
}

/// What a broker says to a request: the offsets, one for each partition without an error, in the answer's order.
fn answer(request: &Produce, broker: &Broker, offsets: &[i64]) -> Vec<u8> {
    let mut received = Received::parse(&frame(1, request));
    received.acks = -1;
    let mut answer = broker.produce(&received);
    let placeholder = 42i64.to_be_bytes();
    let mut from = 0;
    for offset in offsets {
        let found = answer[from..].windows(8).position(|at| at == placeholder);
        from += found.expect("as many offsets as partitions");
        answer[from..from + 8].copy_from_slice(&offset.to_be_bytes());
        from += 8;
    }
    answer
}

/// A request, and its answer at once.
fn turn(rig: &mut Rig, request: &Produce, offsets: &[i64]) {
    rig.send(&frame(1, request));
    rig.answer(&answer(request, &Broker::default(), offsets));
}

/// Acknowledged and given offsets, and whether that proves a loss.
fn found(rig: &Rig) -> Vec<(i64, i64, bool)> {
    let (found, left_out) = rig.ledger.acked.take_found();
    assert_eq!(left_out, 0);
    let short = |found: &Truncation| {
        assert_eq!(
            (&*found.topic, found.topic_id, found.client_id.as_deref()),
            ("orders", rig::topic_id("orders"), Some("app"))
        );
        (found.acknowledged_offset, found.base_offset, found.proven)
    };
    found.iter().map(short).collect()
}

#[test]
fn an_append_that_is_given_an_acknowledged_offset_is_found_once_at_any_version_and_chunking() {
    for version in VERSIONS {
        for chunks in Chunks::every() {
            for acks in [-1, 1, 0] {
                let mut rig = rig(Mode::Observe).chunks(&chunks);
                for scenario in [Scenario::AcksNone, Scenario::AcksLeader] {
                    rig.policy.modes[scenario as usize] = Mode::Enforce;
                }
                let request = Produce {
                    acks,
                    ..fresh(version)
                };
                for offset in [0, 10, 5_000] {
                    turn(&mut rig, &request, &[offset]);
                }
                assert_eq!(found(&rig), []);
                turn(&mut rig, &request, &[20]);
                let what = format!("version {version} acks {acks} {chunks:?}");
                assert_eq!(found(&rig), [(5_009, 20, true)], "{what}");
                // It goes on from there.
                turn(&mut rig, &request, &[30]);
                turn(&mut rig, &request, &[40]);
                assert_eq!(found(&rig), [], "{what}");
                turn(&mut rig, &request, &[49]);
                assert_eq!(found(&rig), [(49, 49, true)], "{what}");
                assert!(rig.closes().is_empty());
            }
        }
    }
}

#[test]
fn it_is_found_on_another_connection_too() {
    let mut first = rig(Mode::Observe);
    turn(&mut first, &fresh(9), &[100]);
    let mut second = beside(&first);
    turn(&mut second, &fresh(13), &[7]);
    assert_eq!(found(&first), [(109, 7, true)]);
    turn(&mut first, &fresh(9), &[17]);
    assert_eq!(found(&first), []);
}

#[test]
fn requests_that_come_in_one_read_are_each_compared() {
    for acks in [-1, 1, 0] {
        let mut rig = rig(Mode::Observe);
        for scenario in [Scenario::AcksNone, Scenario::AcksLeader] {
            rig.policy.modes[scenario as usize] = Mode::Enforce;
        }
        let request = Produce { acks, ..fresh(9) };
        turn(&mut rig, &request, &[5_000]);
        rig.send(&frame(1, &request).repeat(4));
        for offset in [100, 110, 109, 130] {
            rig.answer(&answer(&request, &Broker::default(), &[offset]));
        }
        // The third was sent together with the second: it contradicts nothing but what the first has told of.
        assert_eq!(found(&rig), [(5_009, 100, true)]);
        rig.send(&frame(1, &request).repeat(2));
        for offset in [140, 120] {
            rig.answer(&answer(&request, &Broker::default(), &[offset]));
        }
        assert_eq!(found(&rig), [(139, 120, true)], "acks {acks}");
    }
}

#[test]
fn partitions_that_are_written_in_turn_are_told_apart() {
    let mut rig = rig(Mode::Observe).topic("bills", None);
    let to = |topic, partition| {
        let partitions = [(partition, rig::records(9, 10))];
        rig::produce(9, -1, &[(topic, &partitions)])
    };
    for offset in [100, 110] {
        turn(&mut rig, &to("orders", 0), &[offset]);
        turn(&mut rig, &to("orders", 1), &[offset + 5_000]);
    }
    // Twice in a row, and then others again, with answers under way.
    for offset in [120, 130, 140] {
        turn(&mut rig, &to("orders", 0), &[offset]);
    }
    turn(&mut rig, &to("bills", 0), &[3]);
    turn(&mut rig, &to("orders", 1), &[5_120]);
    assert_eq!(found(&rig), []);
    let (first, second) = (to("orders", 0), to("orders", 1));
    rig.send(&frame(1, &first)).send(&frame(1, &second));
    rig.answer(&answer(&first, &Broker::default(), &[149]));
    rig.answer(&answer(&second, &Broker::default(), &[5_129]));
    assert_eq!(found(&rig), [(149, 149, true), (5_129, 5_129, true)]);
}

#[test]
fn what_was_sent_before_the_acknowledgement_contradicts_nothing() {
    let mut first = rig(Mode::Observe);
    let mut second = beside(&first);
    second.send(&frame(1, &fresh(9)));
    turn(&mut first, &fresh(9), &[100]);
    second.answer(&answer(&fresh(9), &Broker::default(), &[90]));
    assert_eq!(found(&first), []);
    // In one pipeline, too: the second was sent before the first was answered.
    let mut rig = rig(Mode::Observe);
    rig.send(&frame(1, &fresh(9))).send(&frame(1, &fresh(9)));
    for offset in [10, 0] {
        rig.answer(&answer(&fresh(9), &Broker::default(), &[offset]));
    }
    assert_eq!(found(&rig), []);
}

#[test]
fn requests_in_flight_together_tell_of_one_truncation_once() {
    let mut rig = rig(Mode::Observe);
    turn(&mut rig, &fresh(9), &[5_000]);
    for _ in 0..3 {
        rig.send(&frame(1, &fresh(9)));
    }
    for offset in [100, 110, 120] {
        rig.answer(&answer(&fresh(9), &Broker::default(), &[offset]));
    }
    assert_eq!(found(&rig), [(5_009, 100, true)]);
}

#[test]
fn a_batch_with_a_producer_id_is_only_a_hint_and_told_at_a_rate() {
    let mut rig = rig(Mode::Observe);
    turn(&mut rig, &idempotent(9), &[100]);
    turn(&mut rig, &idempotent(9), &[100]);
    turn(&mut rig, &idempotent(9), &[90]);
    assert_eq!(found(&rig), [(109, 100, false)]);
    rig.now_ms += 1000;
    turn(&mut rig, &idempotent(9), &[95]);
    assert_eq!(found(&rig), [(109, 95, false)]);
    // A hint is not followed.
    turn(&mut rig, &fresh(9), &[105]);
    assert_eq!(found(&rig), [(109, 105, true)]);
    // Nor is a partition that has both kinds in a request a proof.
    let mixed = [
        rig::records(9, 10),
        Batch::of_ids(0, 1, 3).producer(7, 0, 0).bytes(),
    ];
    rig.now_ms += 1000;
    turn(&mut rig, &one(9, -1, mixed.concat()), &[3]);
    assert_eq!(found(&rig), [(114, 3, false)]);
}

#[test]
fn what_goes_up_as_acks_1_is_only_a_hint_and_is_an_acknowledgement_all_the_same() {
    for version in VERSIONS {
        for chunks in [Chunks::All, Chunks::Of(7)] {
            let mut rig = rig(Mode::Observe).chunks(&chunks);
            let leader = Produce {
                acks: 1,
                ..fresh(version)
            };
            turn(&mut rig, &leader, &[100]);
            turn(&mut rig, &leader, &[50]);
            assert_eq!(found(&rig), [(109, 50, false)], "version {version}");
            turn(&mut rig, &fresh(version), &[60]);
            assert_eq!(found(&rig), [(109, 60, true)], "version {version}");
        }
    }
}

#[test]
fn an_answer_that_leaves_out_the_partition_says_nothing_of_it() {
    let mut rig = rig(Mode::Observe);
    turn(&mut rig, &fresh(9), &[100]);
    let both = [(0, rig::records(9, 10)), (2, rig::records(9, 10))];
    for (kept, forgotten) in [(2, 0), (0, 2)] {
        let request = rig::produce(9, -1, &[("orders", &both)]);
        rig.send(&frame(1, &request));
        let broker = Broker {
            forgets: vec![("orders".to_owned(), forgotten)],
            ..Broker::default()
        };
        rig.answer(&answer(&request, &broker, &[kept + 3]));
    }
    assert_eq!(found(&rig), [(109, 3, true)]);
}

#[test]
fn errors_and_answers_without_an_offset_neither_acknowledge_nor_contradict() {
    for error_code in [3, 6, 7, 19, 20, 46] {
        let mut rig = rig(Mode::Observe);
        turn(&mut rig, &fresh(9), &[100]);
        let broker = Broker::default().error("orders", 0, error_code);
        rig.send(&frame(1, &fresh(9)));
        rig.answer(&answer(&fresh(9), &broker, &[]));
        turn(&mut rig, &fresh(9), &[-1]);
        turn(&mut rig, &fresh(9), &[110]);
        assert_eq!(found(&rig), [], "error {error_code}");
    }
}

#[test]
fn each_partition_of_a_request_is_compared_in_whatever_order_it_is_answered() {
    for version in VERSIONS {
        let records = || rig::records(version, 10);
        let request = rig::produce(
            version,
            -1,
            &[
                ("bills", &[(1, records()), (0, records())]),
                ("orders", &[(3, records()), (0, records()), (2, records())]),
            ],
        );
        let mut rig = rig(Mode::Observe).topic("bills", None);
        turn(&mut rig, &request, &[100, 200, 300, 400, 500]);
        let reversed = Broker {
            reversed: true,
            ..Broker::default()
        };
        rig.send(&frame(1, &request));
        // orders-2, -0, -3, bills-0, -1
        rig.answer(&answer(&request, &reversed, &[510, 409, 310, 210, 110]));
        assert_eq!(found(&rig), [(409, 409, true)], "version {version}");
    }
}

#[test]
fn a_partition_that_is_refused_leaves_the_others_where_they_belong() {
    let mut rig = rig(Mode::Observe).facts("orders", |facts| facts.max_message_bytes = Some(400));
    rig.policy.modes[Scenario::OversizedBatch as usize] = Mode::Enforce;
    rig.view.smallest_batch_limit = Some(400);
    turn(&mut rig, &fresh(9), &[100]);
    let small = || rig::records(9, 1);
    let request = rig::produce(
        9,
        -1,
        &[("orders", &[(1, rig::batch(1, 500)), (0, small())])],
    );
    rig.send(&frame(1, &request));
    let kept = one(9, -1, small());
    rig.answer(&answer(&kept, &Broker::default(), &[50]));
    assert_eq!(found(&rig), [(109, 50, true)]);
    assert_eq!(rig.client_frames().len(), 2);
}

#[test]
fn a_topic_created_anew_begins_anew_once_somebody_found_out() {
    let mut rig = rig(Mode::Observe);
    turn(&mut rig, &fresh(9), &[100]);
    turn(&mut rig, &fresh(9), &[0]);
    assert_eq!(found(&rig), [(109, 0, true)], "for others to confirm");
    // Nobody does: another topic has the name now.
    let (orders, old) = (Arc::from("orders"), rig::topic_id("orders"));
    rig.ledger.acked.gone(&orders, old, Some([9; 16]));
    rig.send(&frame(1, &fresh(9)));
    rig = rig.facts("orders", |facts| facts.id = Some([9; 16]));
    // What was sent under the old id says nothing of the new one, and neither did the view know yet.
    rig.answer(&answer(&fresh(9), &Broker::default(), &[300]));
    turn(&mut rig, &fresh(9), &[20]);
    turn(&mut rig, &fresh(9), &[30]);
    assert!(rig.ledger.acked.take_found().0.is_empty());
    turn(&mut rig, &fresh(9), &[5]);
    let (found, _) = rig.ledger.acked.take_found();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].topic_id, found[0].acknowledged_offset),
        ([9; 16], 39)
    );
}

#[test]
fn a_topic_or_partition_that_the_view_lacks_and_one_without_an_id_are_not_followed() {
    let without_id = rig(Mode::Observe).facts("orders", |facts| facts.id = None);
    let without_partition = rig(Mode::Observe).facts("orders", |facts| facts.partitions.clear());
    let mut without_topic = rig(Mode::Observe);
    without_topic.view = Default::default();
    for mut rig in [without_id, without_partition, without_topic] {
        turn(&mut rig, &fresh(9), &[100]);
        turn(&mut rig, &fresh(9), &[0]);
        assert_eq!(found(&rig), []);
        // Once it is known, it is.
        rig.view = self::rig(Mode::Observe).view;
        turn(&mut rig, &fresh(9), &[10]);
        turn(&mut rig, &fresh(9), &[0]);
        assert_eq!(found(&rig), [(19, 0, true)]);
    }
}

#[test]
fn it_is_found_in_every_mode_but_off_and_not_for_what_is_exempted() {
    for mode in MODES {
        let mut rig = rig(mode);
        turn(&mut rig, &fresh(9), &[100]);
        turn(&mut rig, &fresh(9), &[0]);
        assert_eq!(found(&rig).len(), usize::from(mode != Mode::Off));
    }
    for (topics, hits) in [(&["ord*"][..], 1), (&[], 0)] {
        let mut rig = rig(Mode::Observe);
        rig.policy.exemptions = vec![exemption(
            Scenario::AckedTruncation,
            topics,
            if topics.is_empty() { &["app"] } else { &[] },
        )];
        turn(&mut rig, &fresh(9), &[100]);
        turn(&mut rig, &fresh(9), &[0]);
        assert_eq!(found(&rig), []);
        let hit = |event: &&Event| matches!(event, Event::Exempted { count: 1, .. });
        assert_eq!(rig.events.iter().filter(hit).count(), hits);
    }
}
