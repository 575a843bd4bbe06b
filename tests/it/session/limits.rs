//! What one connection may have under way: beyond a limit the client is not read, and it goes on with the next answer.

use crate::support::raw;
use crate::support::rig::{self, Chunks, Rig, batch, frame, one, records};
use holdfast::policy::Mode;
use holdfast::session::event::{CloseCause, Event, Limit, Side};
use holdfast::session::{Limits, Want};
use holdfast::wire::api::ApiKey;

fn produced(correlation_id: i32) -> Vec<u8> {
    let body = rig::produce_answer(9, &[("orders".to_owned(), vec![(0, 0)])], false);
    rig::response(&correlation_id.to_be_bytes(), &body)
}

#[test]
fn no_more_than_max_in_flight_requests_wait_and_each_answer_lets_one_more_through() {
    for acks in [-1, 1] {
        for chunks in Chunks::every() {
            let mut rig = Rig::default().without_broker().chunks(&chunks);
            rig.limits.max_in_flight = 3;
            let sent: Vec<u8> = (1..=6)
                .flat_map(|id| frame(id, &one(9, acks, records(9, 1))))
                .collect();
            rig.send(&sent);
            for answered in 0..4 {
                assert_eq!(
                    rig.broker_frames().len(),
                    3 + answered,
                    "acks {acks} {chunks:?}"
                );
                assert_eq!(*rig.request_want() == Want::Answers, answered < 3);
                rig.answer(&produced(answered as i32 + 1));
            }
            assert!(rig.closes().is_empty());
        }
    }
}

#[test]
fn answers_of_our_own_that_wait_behind_a_brokers_take_bounded_memory_and_all_come_in_order() {
    const OWN: i32 = 1000;
    for chunks in [Chunks::All, Chunks::Of(7)] {
        let mut rig = Rig::default().without_broker().chunks(&chunks);
        rig.limits.max_in_flight = 10_000;
        let mut sent = frame(0, &one(9, -1, records(9, 1)));
        for id in 1..=OWN {
            sent.extend(raw::request_frame(raw::API_VERSIONS, 99, id, None, b""));
        }
        rig.send(&sent);
        assert_eq!(*rig.request_want(), Want::Answers, "{chunks:?}");
        let waiting = rig.session.in_flight().len();
        assert!((50..400).contains(&waiting), "{waiting} wait, {chunks:?}");
        rig.answer(&produced(0));
        let answers = rig.client_frames();
        let ids: Vec<_> = answers.iter().map(|frame| frame[4..8].to_vec()).collect();
        let wanted: Vec<_> = (0..=OWN).map(|id| id.to_be_bytes().to_vec()).collect();
        assert_eq!(ids, wanted, "{chunks:?}");
        assert_eq!(rig.session.in_flight().own_answer_bytes(), 0);
    }
}

#[test]
fn no_more_than_max_absorbed_in_flight_former_acks_0_requests_wait() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().without_broker().chunks(&chunks);
        rig.limits.max_absorbed_in_flight = 2;
        let sent: Vec<u8> = (1..=5)
            .flat_map(|id| frame(id, &one(9, 0, records(9, 1))))
            .collect();
        rig.send(&sent);
        for answered in 0..4 {
            assert_eq!(rig.broker_frames().len(), 2 + answered, "{chunks:?}");
            assert_eq!(*rig.request_want() == Want::Answers, answered < 3);
            rig.answer(&produced(answered as i32 + 1));
        }
        assert_eq!(rig.sums(), (4, 0, 0));
        assert!(rig.to_client.is_empty());
    }
}

#[test]
fn former_acks_0_requests_wait_for_each_other_above_max_absorbed_bytes_but_one_always_goes() {
    let mut rig = Rig::default().without_broker();
    rig.limits.max_absorbed_bytes = 10_000;
    let frames: Vec<Vec<u8>> = [(1, 50_000), (2, 4_000), (3, 4_000), (4, 4_000)]
        .map(|(id, size)| frame(id, &one(9, 0, batch(1, size))))
        .to_vec();
    rig.send(&frames.concat());
    assert_eq!(
        rig.broker_frames().len(),
        1,
        "larger than the limit, and alone"
    );
    rig.answer(&produced(1));
    assert_eq!(rig.broker_frames().len(), 3);
    rig.answer(&produced(2));
    assert_eq!(rig.broker_frames().len(), 4);
}

#[test]
fn requests_that_are_answered_are_not_held_up_by_what_is_absorbed_before_them() {
    let mut rig = Rig::default().without_broker();
    rig.limits.max_absorbed_in_flight = 2;
    let sent = [
        frame(1, &one(9, 0, records(9, 1))),
        frame(2, &one(9, 0, records(9, 1))),
        raw::request_frame(9999, 0, 3, None, b""),
        frame(4, &one(9, -1, records(9, 1))),
        frame(5, &one(9, 0, records(9, 1))),
    ];
    rig.send(&sent.concat());
    assert_eq!(rig.broker_frames().len(), 4);
    assert_eq!(rig.session.in_flight().absorbed().0, 2);
    assert!(rig.session.in_flight().client_waits());
}

#[test]
fn a_connection_is_counted_empty_again_when_everything_was_answered() {
    let mut rig = Rig::default();
    for id in 0..500 {
        rig.send(&frame(id, &one(9, (id % 3) as i16 - 1, records(9, 2))));
    }
    assert!(rig.session.in_flight().is_empty());
    assert_eq!(rig.session.in_flight().absorbed(), (0, 0));
    assert_eq!(rig.session.frames(), 500);
}

/// A Fetch whose rack must be blanked is held whole; of one that never can be, only the header has to come.
#[test]
fn a_fetch_that_must_be_held_and_never_can_be_is_closed() {
    let mut rig = Rig::default().without_broker();
    rig.brokers_outside = true;
    rig.collect_bytes = 100_000;
    let mut header = 10_000_000_i32.to_be_bytes().to_vec();
    header.extend([0, 1, 0, 11, 0, 0, 0, 7]);
    rig.send(&header);
    assert_eq!(rig.closes(), [CloseCause::LimitExceeded]);
    assert!(rig.to_broker.is_empty());
}

/// The same for a request that a rule in force judges whole; one that is only observed streams on.
#[test]
fn a_request_to_be_judged_that_cannot_be_held_is_closed_where_enforced_and_passes_where_observed() {
    for (mode, closes) in [
        (Mode::Enforce, vec![CloseCause::LimitExceeded]),
        (Mode::Observe, vec![]),
    ] {
        let mut rig = Rig::new(rig::settings(mode)).without_broker();
        rig.collect_bytes = 100_000;
        let mut bytes = 200_000_i32.to_be_bytes().to_vec();
        bytes.extend([0, 43, 0, 1, 0, 0, 0, 7]);
        bytes.resize(200_004, 0);
        rig.send(&bytes);
        assert_eq!(rig.closes(), closes, "{mode:?}");
        assert_eq!(rig.to_broker.is_empty(), mode == Mode::Enforce);
    }
}

#[test]
fn it_is_told_which_limit_the_client_waits_for() {
    let three = |acks, size| -> Vec<u8> {
        let of = |id| frame(id, &one(9, acks, batch(1, size)));
        (1..=3).flat_map(of).collect()
    };
    let check = |limits: fn(&mut Limits), acks, expected| {
        let mut rig = Rig::default().without_broker();
        limits(&mut rig.limits);
        rig.send(&three(acks, 4_000));
        assert_eq!(*rig.request_want(), Want::Answers, "{expected:?}");
        assert_eq!(rig.session.paused_by(), Some(expected));
    };
    check(|limits| limits.max_in_flight = 2, -1, Limit::MaxInFlight);
    check(|limits| limits.max_in_flight = 2, 0, Limit::MaxInFlight);
    check(
        |limits| limits.max_absorbed_in_flight = 2,
        0,
        Limit::MaxAbsorbedInFlight,
    );
    check(
        |limits| limits.max_absorbed_bytes = 10_000,
        0,
        Limit::MaxAbsorbedBytes,
    );
}

#[test]
fn the_time_to_an_answer_is_told_of_every_eighth_produce_and_of_every_other_api() {
    let mut rig = Rig::default().without_broker();
    for id in 0..16 {
        rig.clock_us += 1_000;
        rig.send(&frame(id, &one(9, -1, records(9, 1))));
        rig.clock_us += 200 + u64::from(id as u32);
        rig.answer(&produced(id));
        rig.tell();
    }
    rig.send(&raw::request_frame(12, 0, 99, Some("test"), b"x"));
    rig.clock_us += 7;
    rig.answer(&rig::response(&99_i32.to_be_bytes(), b"x"));
    rig.tell();
    let times: Vec<(i16, u64)> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Answered { api_key, micros } => Some((api_key.0, *micros)),
            _ => None,
        })
        .collect();
    assert_eq!(times, [(0, 200), (0, 208), (12, 7)]);
}

#[test]
fn a_request_and_an_answer_that_do_not_follow_their_schema_are_told_by_side() {
    let mut rig = Rig::default().without_broker();
    let mut request = frame(1, &one(9, 0, records(9, 1)));
    // The count of topics.
    let last = request.len() - 1;
    request[30..last].fill(0xff);
    rig.send(&request).tell();
    let told = |rig: &Rig, wanted| {
        rig.has(|event| matches!(event, Event::Undecodable { api_key: ApiKey::PRODUCE, side } if *side == wanted))
    };
    assert!(told(&rig, Side::Client) && !told(&rig, Side::Broker));
    let mut rig = Rig::default().without_broker();
    rig.send(&frame(1, &one(9, 0, records(9, 1))));
    rig.answer(&rig::response(&1_i32.to_be_bytes(), &[0xff; 9]))
        .tell();
    assert!(told(&rig, Side::Broker) && !told(&rig, Side::Client));
}
