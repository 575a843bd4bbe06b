//! However a connection ends, each record of an acks=0 request ends once, and what the broker can still take, it gets.

use crate::support::raw;
use crate::support::rig::{
    self, Broker, Chunks, Rig, batch, frame, one, produce, records, settings,
};
use holdfast::policy::Mode;
use holdfast::session::event::{CloseCause, Outcome, OutcomeCause};

fn opaque(correlation_id: i32) -> Vec<u8> {
    raw::request_frame(9999, 0, correlation_id, Some("app"), b"body")
}

fn answer(correlation_id: i32) -> Vec<u8> {
    rig::response(&correlation_id.to_be_bytes(), b"answer")
}

/// The answer to a Produce of one partition of `orders`, version 9.
fn produced(correlation_id: i32, error_code: i16) -> Vec<u8> {
    let body = rig::produce_answer(9, &[("orders".to_owned(), vec![(0, error_code)])], false);
    rig::response(&correlation_id.to_be_bytes(), &body)
}

/// Every way in which records end, without the rest.
fn outcomes(rig: &Rig) -> Vec<(i32, Outcome, OutcomeCause)> {
    rig.ends()
        .iter()
        .map(|end| (end.correlation_id, end.outcome, end.cause))
        .collect()
}

#[test]
fn whole_frames_that_waited_their_turn_have_their_end_when_the_time_is_up() {
    let mut rig = Rig::default().without_broker().topic("orders", None);
    rig.limits.max_absorbed_in_flight = 2;
    for id in 0..5 {
        let batches = [(0, records(7, 3))];
        rig.send(&frame(id, &produce(7, 0, &[("orders", &batches)])));
    }
    rig.drain().finish();
    let ends = rig.ends();
    let records: u64 = ends.iter().map(|end| end.records).sum();
    // Two were forwarded, one was read and waited; the others are still in the client's socket.
    assert_eq!((records, rig.unread() > 0), (9, true), "{ends:?}");
    assert!(rig.session.in_flight().is_empty());
}

#[test]
fn a_frame_that_the_client_does_not_finish_is_refused_as_far_as_it_was_seen() {
    for version in [3, 8, 9, 13] {
        let batches = [(0, records(version, 3)), (1, records(version, 4))];
        let bytes = frame(1, &produce(version, 0, &[("orders", &batches)]));
        let mut seen = Vec::new();
        for at in 1..bytes.len() {
            let mut rig = Rig::default().topic("orders", None);
            rig.send(&bytes[..at]).client_ends().finish();
            assert!(rig.broker_frames().is_empty());
            assert!(rig.to_client.is_empty());
            assert!(
                rig.ends()
                    .iter()
                    .all(|e| e.outcome == Outcome::Refused && e.cause == OutcomeCause::ClientCut)
            );
            assert!(rig.session.in_flight().is_empty());
            seen.push(rig.sums().1);
        }
        assert!(seen.is_sorted(), "more bytes never show fewer records");
        assert_eq!(
            (seen[0], seen[bytes.len() - 2]),
            (0, 7),
            "version {version}"
        );
    }
}

#[test]
fn whole_frames_in_front_of_a_cut_off_one_are_delivered_and_answered() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().chunks(&chunks);
        let whole = frame(1, &one(9, 0, records(9, 3)));
        let cut = frame(2, &one(9, 0, records(9, 4)));
        rig.send(&[&whole[..], &cut[..cut.len() - 1]].concat())
            .client_ends()
            .finish();
        assert_eq!(rig.broker_frames().len(), 1);
        assert_eq!(rig.sums(), (3, 4, 0), "{chunks:?}");
        assert_eq!(rig.closes(), [CloseCause::ClientClosed]);
    }
}

#[test]
fn without_the_broker_what_was_wholly_written_is_unknown_and_the_rest_is_refused() {
    let frames: Vec<Vec<u8>> = (1..=3)
        .map(|id| frame(id, &one(9, 0, records(9, id as u64))))
        .collect();
    let all = frames.concat();
    for taken in 0..=all.len() {
        let mut rig = Rig::default().without_broker();
        rig.broker_takes = taken as u64;
        rig.send(&all).broker_ends().finish();
        let mut whole = 0;
        let mut end = 0;
        for (records, bytes) in (1..).zip(&frames) {
            end += bytes.len();
            whole += if end <= taken { records } else { 0 };
        }
        assert_eq!(
            rig.sums(),
            (0, 6 - whole, whole),
            "{taken} bytes were taken"
        );
        assert!(
            rig.ends()
                .iter()
                .all(|e| e.cause == OutcomeCause::BrokerLost
                    || (e.cause == OutcomeCause::Closing && e.outcome == Outcome::Refused))
        );
        assert!(rig.session.in_flight().is_empty());
    }
}

#[test]
fn a_frame_that_is_only_partly_read_when_the_broker_goes_is_refused() {
    let bytes = frame(1, &one(9, 0, batch(6, 5_000)));
    for at in [20, 200, 4000, bytes.len() - 1] {
        let mut rig = Rig::default().without_broker();
        rig.send(&bytes[..at]).broker_ends();
        assert_eq!(rig.closes(), [CloseCause::BrokerClosed]);
        rig.send(&bytes[at..])
            .send(&frame(2, &one(9, 0, records(9, 5))))
            .client_ends()
            .finish();
        assert_eq!(rig.sums(), (0, 11, 0), "at {at}");
        assert!(rig.to_broker.len() <= at);
    }
}

#[test]
fn our_own_answers_that_are_next_still_reach_the_client_when_the_broker_goes() {
    let mut rig = Rig::default().without_broker();
    let newer = |id| raw::request_frame(18, 99, id, None, b"");
    rig.send(&[opaque(1), newer(2), opaque(3), newer(4)].concat());
    rig.answer(&answer(1)).broker_ends();
    assert_eq!(rig.client_frames().len(), 2, "4 has no place without 3");
    assert!(rig.session.in_flight().is_empty());
}

#[test]
fn half_an_answer_is_not_followed_by_anything() {
    let mut rig = Rig::default().without_broker();
    let newer = raw::request_frame(18, 99, 2, None, b"");
    rig.send(&[opaque(1), newer].concat());
    rig.answer(&answer(1)[..10]).broker_ends().finish();
    assert_eq!(rig.to_client, answer(1)[..10]);
}

#[test]
fn outstanding_answers_are_delivered_after_closing_and_nothing_more_is_forwarded() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().without_broker().chunks(&chunks);
        rig.send(
            &[
                opaque(1),
                frame(2, &one(9, 1, records(9, 1))),
                frame(3, &one(9, 0, records(9, 3))),
            ]
            .concat(),
        );
        rig.close(CloseCause::Idle);
        let before = rig.to_broker.len();
        rig.send(
            &[
                opaque(4),
                frame(5, &one(9, 0, records(9, 5))),
                frame(6, &one(9, 1, records(9, 1))),
            ]
            .concat(),
        );
        assert_eq!(rig.to_broker.len(), before, "{chunks:?}");
        assert_eq!(rig.unread(), 0);
        rig.answer(&[answer(1), produced(2, 0), produced(3, 0)].concat());
        assert_eq!(rig.to_client, [answer(1), produced(2, 0)].concat());
        assert_eq!(rig.sums(), (3, 5, 0));
        assert!(rig.session.in_flight().is_empty());
        rig.client_ends().finish();
        assert_eq!(rig.closes(), [CloseCause::Idle]);
    }
}

#[test]
fn a_frame_that_is_being_forwarded_when_the_connection_closes_is_not_continued() {
    for acks in [0, 1, -1] {
        let bytes = frame(1, &one(9, acks, batch(6, 5_000)));
        for at in [20, 100, 3000, bytes.len() - 1] {
            let mut rig = Rig::default();
            rig.send(&bytes[..at]).close(CloseCause::Idle);
            let before = rig.to_broker.len();
            rig.send(&bytes[at..]).send(&opaque(2));
            assert_eq!(rig.to_broker.len(), before, "acks {acks} at {at}");
            assert!(
                rig.session.in_flight().is_empty(),
                "nobody waits for half a request"
            );
            assert_eq!(rig.sums().1, if acks == 0 { 6 } else { 0 });
        }
    }
}

#[test]
fn an_absorbed_error_closes_after_what_it_came_behind_and_before_what_follows() {
    let mut rig = Rig::default();
    rig.broker = Some(Broker::default().error("orders", 0, 3));
    rig.send(&frame(1, &one(9, 0, records(9, 1))));
    rig.send(&[frame(2, &one(9, 0, records(9, 2))), opaque(3)].concat());
    assert_eq!(rig.closes(), [CloseCause::AbsorbedError]);
    assert_eq!(rig.broker_frames().len(), 1);
    assert_eq!(rig.sums(), (0, 2, 1));
}

#[test]
fn while_draining_acks_0_still_goes_on_and_everything_else_is_discarded() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().chunks(&chunks);
        rig.send(&opaque(1)).drain();
        assert_eq!(rig.closes(), [CloseCause::Drain]);
        let sent = [
            frame(2, &one(9, 0, records(9, 2))),
            opaque(3),
            frame(4, &one(9, 1, records(9, 1))),
            frame(5, &one(9, -1, records(9, 1))),
            frame(6, &one(9, 0, records(9, 4))),
        ];
        rig.send(&sent.concat());
        let ids: Vec<i32> = rig.produced().iter().map(|r| r.correlation_id).collect();
        assert_eq!(ids, [2, 6], "{chunks:?}");
        assert_eq!(rig.broker_frames().len(), 3);
        assert_eq!(rig.sums(), (6, 0, 0));
        assert_eq!(rig.client_frames().len(), 1);
        rig.client_ends().finish();
        assert_eq!(rig.closes(), [CloseCause::Drain]);
    }
}

#[test]
fn a_drain_waits_for_the_end_of_the_frame_that_has_begun() {
    let bytes = frame(1, &one(9, -1, records(9, 3)));
    for at in 1..bytes.len() {
        let mut rig = Rig::default().without_broker();
        rig.send(&bytes[..at]);
        let begun = !rig.to_broker.is_empty();
        rig.drain().send(&bytes[at..]);
        assert_eq!(rig.broker_frames().len(), usize::from(begun), "at {at}");
        assert_eq!(rig.closes(), [CloseCause::Drain]);
    }
}

#[test]
fn while_draining_acks_0_that_is_only_observed_is_not_forwarded() {
    let mut rig = Rig::new(settings(Mode::Observe));
    rig.drain().send(&frame(1, &one(9, 0, records(9, 3))));
    assert!(rig.to_broker.is_empty());
    assert_eq!(rig.sums(), (0, 3, 0));
}

#[test]
fn a_drain_that_loses_its_broker_in_the_middle_of_a_frame_counts_all_of_it_once() {
    let bytes = frame(1, &one(9, 0, batch(6, 5_000)));
    for at in [13, 60, 200, 4000, bytes.len() - 1] {
        let mut rig = Rig::default();
        rig.drain().send(&bytes[..at]).broker_ends();
        rig.send(&bytes[at..])
            .send(&frame(2, &one(9, 0, records(9, 3))));
        rig.client_ends().finish();
        assert_eq!(rig.sums(), (0, 9, 0), "at {at}");
        assert!(rig.session.in_flight().is_empty());
        assert_eq!(rig.closes(), [CloseCause::Drain]);
    }
}

#[test]
fn behind_half_a_frame_nothing_follows_although_acks_0_would_be_drained() {
    let half = frame(1, &one(9, 0, batch(6, 5_000)));
    let mut rig = Rig::default().without_broker();
    rig.drain().send(&half[..2000]);
    assert_eq!(rig.to_broker.len(), 2000);
    // The broker's side breaks the protocol, or a limit ends what was being drained.
    rig.close(CloseCause::WriteStalled);
    rig.send(&half[2000..])
        .send(&frame(2, &one(9, 0, records(9, 3))));
    assert_eq!(rig.to_broker.len(), 2000);
    rig.client_ends().finish();
    assert_eq!(rig.sums(), (0, 9, 0));
}

#[test]
fn bytes_behind_a_malformed_request_are_counted_as_nothing() {
    let mut bad = frame(1, &one(9, 0, records(9, 1)));
    let topics_at = bad.len() - one(9, 0, records(9, 1)).body().len() + 7;
    bad[topics_at] = 0;
    let mut rig = Rig::default();
    rig.send(&bad).send(&frame(2, &one(9, 0, records(9, 9))));
    rig.client_ends().finish();
    assert_eq!(rig.closes(), [CloseCause::Malformed]);
    assert!(rig.ends().is_empty(), "{:?}", outcomes(&rig));
    assert!(rig.broker_frames().is_empty());
}

#[test]
fn frames_behind_a_version_that_is_not_understood_are_still_counted() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().chunks(&chunks);
        let newer = raw::request_frame(0, 14, 1, Some("app"), &[0; 500]);
        rig.send(&[newer, frame(2, &one(9, 0, records(9, 9)))].concat());
        assert_eq!(rig.closes(), [CloseCause::UnsupportedVersion]);
        assert_eq!(rig.sums(), (0, 9, 0), "{chunks:?}");
        assert!(rig.to_broker.is_empty());
    }
}

#[test]
fn the_last_word_may_be_said_twice() {
    let mut rig = Rig::default().without_broker();
    rig.send(&frame(1, &one(9, 0, records(9, 3))))
        .send(&frame(2, &one(9, 0, records(9, 3)))[..100]);
    rig.finish();
    let ends = rig.ends().len();
    rig.finish().finish();
    assert_eq!(rig.ends().len(), ends);
    assert_eq!(rig.sums().2, 3, "the one that was written may be stored");
}
