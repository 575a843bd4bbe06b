//! retention_overrun × version × chunks: what was deleted before it was read is counted, once, and everything passes as it is.

use super::MODES;
use crate::support::fetches::{Answered, Request, answer, without_endpoints};
use crate::support::rig::{Chunks, Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::{Completeness, Event};
use std::sync::Arc;

const OUT_OF_RANGE: i16 = 1;

fn rig(mode: Mode) -> Rig {
    Rig::new(settings(mode))
        .topic("orders", None)
        .without_broker()
}

/// Offsets counted for `orders`, and hits of exemptions.
fn counted(rig: &Rig) -> (u64, u64) {
    let (mut observed, mut exempted) = (0, 0);
    for event in &rig.events {
        match event {
            Event::Observed {
                scenario: Scenario::RetentionOverrun,
                completeness: Completeness::Partial,
                topic: Some(topic),
                count,
                ..
            } if &**topic == "orders" => observed += count,
            Event::Exempted {
                scenario: Scenario::RetentionOverrun,
                count,
                ..
            } => exempted += count,
            Event::Observed {
                scenario: Scenario::RetentionOverrun,
                ..
            } => panic!("{event:?}"),
            _ => {}
        }
    }
    (observed, exempted)
}

fn answered(error_code: i16, log_start_offset: i64) -> Answered {
    Answered {
        index: 3,
        error_code,
        log_start_offset,
        high_watermark: 500,
        last_stable_offset: 500,
        ..Answered::default()
    }
}

/// A consumer reads on: its request, and what the broker says to it.
fn turn(rig: &mut Rig, request: &Request, partition: Answered) {
    let (before, frame) = (rig.to_client.len(), request.frame());
    let at = rig.to_broker.len();
    rig.send(&frame);
    assert_eq!(rig.to_broker[at..], frame, "the request is not touched");
    let answer = answer(
        request.version,
        request.correlation_id,
        &[("orders", vec![partition])],
    );
    rig.answer(&answer);
    let expected = without_endpoints(request.version, &answer);
    assert!(rig.to_client[before..] == expected, "nor is the answer");
}

#[test]
fn offsets_between_the_position_and_the_start_of_the_log_are_counted_once_at_any_version_and_chunking()
 {
    for version in 4..=18 {
        for chunks in Chunks::every() {
            let mut rig = rig(Mode::Observe).chunks(&chunks);
            let at = |offset| Request::new(version, 1, 3, offset);
            turn(&mut rig, &at(40), answered(0, 10));
            turn(&mut rig, &at(50), answered(OUT_OF_RANGE, -1));
            turn(&mut rig, &at(50), answered(OUT_OF_RANGE, -1));
            assert_eq!(counted(&rig), (0, 0));
            turn(&mut rig, &at(120), answered(0, 120));
            turn(&mut rig, &at(130), answered(0, 125));
            let expected = if version >= 5 { 70 } else { 0 };
            assert_eq!(counted(&rig), (expected, 0), "version {version} {chunks:?}");
        }
    }
}

#[test]
fn a_position_that_a_session_does_not_repeat_is_remembered() {
    for version in 7..=18 {
        let mut rig = rig(Mode::Observe);
        let mut request = Request::new(version, 1, 3, 50);
        turn(&mut rig, &request, answered(0, 0));
        request.session_epoch = 1;
        request.topics.clear();
        turn(&mut rig, &request, answered(OUT_OF_RANGE, -1));
        // Out of range, it is not read until the client knows from where.
        request.forgotten = vec![("orders", vec![3])];
        turn(
            &mut rig,
            &request,
            Answered {
                index: 9,
                ..answered(0, 100)
            },
        );
        request.forgotten.clear();
        request.topics = vec![("orders", vec![(3, 90)])];
        turn(&mut rig, &request, answered(0, 90));
        assert_eq!(counted(&rig), (40, 0), "version {version}");
    }
}

#[test]
fn out_of_range_at_the_other_end_is_not_counted_and_neither_is_another_error() {
    let mut rig = rig(Mode::Observe);
    let at = |offset| Request::new(13, 1, 3, offset);
    turn(&mut rig, &at(900), answered(OUT_OF_RANGE, -1));
    turn(&mut rig, &at(500), answered(0, 100));
    turn(&mut rig, &at(50), answered(6, -1));
    turn(&mut rig, &at(500), answered(0, 100));
    assert_eq!(counted(&rig), (0, 0));
}

#[test]
fn it_is_counted_in_every_mode_but_off_and_not_for_replicas_or_what_is_exempted() {
    let run = |mut rig: Rig, replica_id: i32| {
        let at = |offset| Request {
            replica_id,
            ..Request::new(11, 1, 3, offset)
        };
        turn(&mut rig, &at(50), answered(OUT_OF_RANGE, -1));
        turn(&mut rig, &at(60), answered(0, 60));
        counted(&rig)
    };
    for mode in MODES {
        let expected = if mode == Mode::Off { 0 } else { 10 };
        assert_eq!(run(rig(mode), -1), (expected, 0));
        assert_eq!(run(rig(mode), 2), (0, 0));
    }
    let mut policy = settings(Mode::Observe);
    policy.exemptions = vec![exemption(Scenario::RetentionOverrun, &["orders"], &[])];
    let exempted = Rig::new(policy).topic("orders", None).without_broker();
    assert_eq!(run(exempted, -1), (0, 10));
}

#[test]
fn headroom_is_told_by_topic_the_lowest_of_its_partitions_that_are_still_read() {
    let mut rig = rig(Mode::Observe);
    let mut request = Request::new(13, 1, 3, 150);
    request.topics = vec![("orders", vec![(0, 900), (3, 150)])];
    let told = |rig: &Rig| rig.ledger.fetches.headroom(rig.now_ms);
    turn(&mut rig, &request, answered(0, 100));
    assert_eq!(told(&rig), [], "not at every answer");
    rig.now_ms += 2000;
    turn(&mut rig, &request, answered(0, 100));
    assert_eq!(told(&rig), [(Arc::from("orders"), 50)]);
    // Only the other partition is read on.
    rig.now_ms += 120_000;
    request.topics = vec![("orders", vec![(0, 900)])];
    turn(
        &mut rig,
        &request,
        Answered {
            index: 0,
            ..answered(0, 100)
        },
    );
    assert_eq!(told(&rig), [(Arc::from("orders"), 800)]);
}

#[test]
fn more_partitions_than_there_is_room_for_pass_and_are_counted() {
    let mut rig = rig(Mode::Observe);
    let mut request = Request::new(13, 1, 3, 50);
    request.topics = vec![("orders", (0..10_005).map(|index| (index, 50)).collect())];
    turn(&mut rig, &request, answered(0, 0));
    assert_eq!(rig.ledger.fetches.forgotten(), 5);
    // What is not read any more makes room.
    request.topics = vec![("orders", vec![(20_000, 50)])];
    turn(
        &mut rig,
        &request,
        Answered {
            index: 20_000,
            ..answered(1, -1)
        },
    );
    turn(
        &mut rig,
        &request,
        Answered {
            index: 20_000,
            ..answered(0, 60)
        },
    );
    assert_eq!(counted(&rig), (10, 0));
    assert_eq!(rig.ledger.fetches.forgotten(), 5);
}

#[test]
fn a_request_that_does_not_follow_its_schema_is_the_brokers_to_judge() {
    let good = Request::new(13, 0, 3, 50).frame();
    for at in 12..good.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[at] = byte;
            for chunks in [Chunks::All, Chunks::Of(1)] {
                let mut rig = rig(Mode::Observe).chunks(&chunks);
                rig.send(&bad);
                assert!(rig.to_broker == bad, "{at} {byte}");
            }
        }
    }
}
