//! What passes, passes byte for byte; answers keep the order of their requests; what is no request ends the connection.

use crate::support::raw::{self, Body};
use crate::support::rig::{self, Chunks, Rig, batch, frame, one, records};
use holdfast::session::Want;
use holdfast::session::event::{CloseCause, Event};

fn other(api_key: i16, api_version: i16, correlation_id: i32, body: &[u8]) -> Vec<u8> {
    raw::request_frame(api_key, api_version, correlation_id, Some("app"), body)
}

/// A request of an API that nobody knows.
fn opaque(correlation_id: i32, body: &[u8]) -> Vec<u8> {
    other(9999, 77, correlation_id, body)
}

fn answer(correlation_id: i32, body: &[u8]) -> Vec<u8> {
    rig::response(&correlation_id.to_be_bytes(), body)
}

#[test]
fn acks_all_and_its_answer_pass_byte_for_byte_in_every_version_at_every_chunking() {
    for version in 0..=13 {
        for chunks in Chunks::every() {
            let mut rig = Rig::default()
                .topic("orders", Some(1_000_000))
                .chunks(&chunks);
            let mut sent = Vec::new();
            for id in 1..=3 {
                sent.extend(frame(id, &one(version, -1, records(version, id as u64))));
            }
            rig.send(&sent);
            assert_eq!(rig.to_broker, sent, "version {version} {chunks:?}");
            let broker = rig.broker.take().unwrap();
            let answers: Vec<u8> = rig
                .produced()
                .iter()
                .flat_map(|request| broker.produce(request))
                .collect();
            assert_eq!(rig.to_client, answers, "version {version} {chunks:?}");
            assert!(rig.session.in_flight().is_empty() && rig.closes().is_empty());
        }
    }
}

#[test]
fn a_large_request_with_acks_all_streams_where_no_limit_is_known() {
    for version in [0, 8, 9, 13] {
        for chunks in [Chunks::All, Chunks::Of(1), Chunks::Random(3, 9000)] {
            let mut rig = Rig::default().topic("orders", None).chunks(&chunks);
            let sent = frame(7, &one(version, -1, batch(5, 300_000)));
            rig.send(&sent);
            assert!(rig.to_broker == sent, "version {version} {chunks:?}");
            assert!(rig.collects.is_empty() && rig.confirms.is_empty());
            assert_eq!(
                rig.announces.len(),
                1,
                "it is announced once, before its first byte"
            );
            assert_eq!(rig.client_frames().len(), 1);
        }
    }
}

#[test]
fn nothing_of_a_large_frame_goes_on_before_it_may_be_announced() {
    for acks in [-1, 0, 1] {
        let mut rig = Rig::default().topic("orders", None);
        rig.grants_announcements = false;
        let sent = frame(7, &one(9, acks, batch(5, 300_000)));
        rig.send(&sent);
        assert!(
            matches!(rig.request_want(), Want::Announce(_)),
            "acks {acks}"
        );
        assert!(rig.to_broker.is_empty(), "acks {acks}");
        rig.grants_announcements = true;
        rig.pump();
        assert_eq!(rig.to_broker.len(), sent.len(), "acks {acks}");
    }
}

/// What follows it in the same read is not taken for the rest of it: neither its acks nor its length would be its own.
#[test]
fn a_produce_that_ends_before_its_acks_is_not_read_on_into_the_next_frame() {
    for version in 3..=13 {
        let whole = frame(1, &one(version, 0, records(version, 1)));
        let next = frame(2, &one(version, 0, records(version, 1)));
        // Prefix and header 17 with the client id "app", a null transactional id, and a tag count from version 9 on.
        let acks_at = 19;
        for end in 12..acks_at + 6 {
            let mut cut = whole[..end].to_vec();
            cut[..4].copy_from_slice(&(end as u32 - 4).to_be_bytes());
            let mut rig = Rig::default().topic("orders", None);
            rig.send(&[cut, next.clone()].concat());
            let context = format!("version {version}, {end} bytes");
            assert_eq!(rig.closes(), [CloseCause::Malformed], "{context}");
            assert!(rig.to_broker.is_empty(), "{context}");
        }
    }
}

/// Of any kind: what a broker allocates for a frame whose end does not come is held against the budget.
#[test]
fn no_frame_of_any_kind_goes_on_before_its_end_is_here_without_leave() {
    let mut kinds = vec![
        frame(7, &one(9, -1, batch(5, 30_000))),
        frame(7, &one(9, 0, batch(5, 30_000))),
    ];
    for key in (1..=92).chain([9999]) {
        let body = vec![0; 30_000];
        kinds.push(raw::request_frame(key, 1, 7, Some("app"), &body));
    }
    for sent in kinds {
        let key = i16::from_be_bytes([sent[4], sent[5]]);
        let (begin, end) = sent.split_at(20_000);
        let mut rig = Rig::default().topic("orders", None).without_broker();
        rig.grants_announcements = false;
        rig.send(begin);
        assert!(rig.to_broker.is_empty(), "key {key}");
        let mut rig = Rig::default().topic("orders", None).without_broker();
        rig.refuses_announcements = true;
        rig.send(begin);
        assert!(rig.to_broker.is_empty(), "key {key}, refused");
        rig.send(end);
        let gone = rig.to_broker.len();
        assert!(
            gone == sent.len() || !rig.closes().is_empty() || gone == 0,
            "key {key}: {gone}"
        );
        let mut rig = Rig::default().topic("orders", None).without_broker();
        rig.send(begin);
        let told: usize = rig.announces.iter().sum();
        assert!(
            rig.to_broker.is_empty() || told == sent.len(),
            "key {key}: {told}"
        );
    }
}

#[test]
fn a_frame_without_leave_goes_on_when_its_end_is_here_and_so_does_the_next() {
    for acks in [-1, 0, 1] {
        let mut rig = Rig::default()
            .topic("orders", None)
            .chunks(&Chunks::Of(9_000));
        rig.refuses_announcements = true;
        let sent: Vec<u8> = (1..=5)
            .flat_map(|id| frame(id, &one(9, acks, batch(5, 40_000))))
            .collect();
        rig.send(&sent);
        assert_eq!(rig.broker_frames().len(), 5, "acks {acks}");
        assert_eq!(rig.to_broker.len(), sent.len());
        assert!(rig.announces.is_empty() && rig.closes().is_empty());
    }
}

#[test]
fn an_api_that_is_not_listed_passes_at_any_version() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().chunks(&chunks);
        let sent = [opaque(1, b"body"), opaque(2, b""), opaque(3, &[0; 9000])].concat();
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
        assert_eq!(rig.to_client, [1, 2, 3].map(|id| answer(id, b"")).concat());
    }
}

#[test]
fn a_frame_with_nothing_behind_its_correlation_id_passes() {
    let mut rig = Rig::default();
    let sent = [0, 0, 0, 8, 0x70, 0, 0, 0, 0, 0, 0, 9];
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!(rig.to_client, answer(9, b""));
}

#[test]
fn our_own_answer_waits_for_the_answers_in_front_of_it_and_precedes_those_behind() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().without_broker().chunks(&chunks);
        rig.send(&[opaque(1, b""), other(18, 99, 2, b"?"), opaque(3, b"")].concat());
        assert!(rig.to_client.is_empty(), "{chunks:?}");
        let refusal = holdfast::wire::versions::api_versions_unsupported(2);
        rig.answer(&answer(1, b"one")[..6]);
        assert!(rig.to_client.len() <= 6);
        rig.answer(&answer(1, b"one")[6..]);
        assert_eq!(
            rig.to_client,
            [answer(1, b"one"), refusal.clone()].concat(),
            "{chunks:?}"
        );
        rig.answer(&answer(3, b"three"));
        assert_eq!(
            rig.to_client,
            [answer(1, b"one"), refusal, answer(3, b"three")].concat()
        );
        assert_eq!(
            rig.broker_frames().len(),
            2,
            "ours does not go to the broker"
        );
    }
}

#[test]
fn an_api_versions_request_newer_than_the_table_is_answered_35_in_the_body_of_version_0() {
    let mut rig = Rig::default();
    rig.send(&other(18, 99, 5, &[1, 2, 3]));
    #[rustfmt::skip]
    let expected = [0, 0, 0, 16,  0, 0, 0, 5,  0, 35,  0, 0, 0, 1,  0, 18, 0, 0, 0, 5];
    assert_eq!(rig.to_client, expected);
    assert!(rig.to_broker.is_empty() && rig.closes().is_empty());
    // Whatever the broker does, the connection goes on.
    rig.send(&opaque(6, b""));
    assert_eq!(rig.client_frames().len(), 2);
}

#[test]
fn a_version_above_the_table_of_an_api_that_is_touched_closes_and_never_passes() {
    for (api_key, api_version) in [
        (0, 14),
        (1, 19),
        (3, 14),
        (10, 7),
        (17, 2),
        (60, 3),
        (78, 3),
        (0, -1),
    ] {
        let mut rig = Rig::default();
        rig.send(&other(api_key, api_version, 1, &[0; 40]));
        assert!(rig.to_broker.is_empty(), "{api_key} {api_version}");
        assert_eq!(
            rig.closes(),
            [CloseCause::UnsupportedVersion],
            "{api_key} {api_version}"
        );
    }
}

#[test]
fn a_size_that_no_frame_can_have_closes_and_nothing_passes() {
    for (size, cause) in [
        (-1, CloseCause::FrameSize),
        (i32::MIN, CloseCause::FrameSize),
        (0, CloseCause::FrameSize),
        (7, CloseCause::FrameSize),
        (0x1603_0100, CloseCause::TlsOnPlainPort),
        (0x1603_0302, CloseCause::TlsOnPlainPort),
    ] {
        for chunks in [Chunks::All, Chunks::Of(1)] {
            let mut rig = Rig::default().chunks(&chunks);
            let mut sent = Body::new();
            sent.i32(size).bytes(&[0; 300]);
            rig.send(&sent.0);
            assert_eq!(rig.closes(), [cause], "{size}");
            assert!(rig.to_broker.is_empty(), "{size}");
            assert_eq!(
                rig.unread(),
                0,
                "what follows is read, so that it is no reset"
            );
        }
    }
}

#[test]
fn a_request_above_the_brokers_limit_that_is_no_produce_closes_and_is_discarded() {
    let mut rig = Rig::default();
    rig.policy.max_request_bytes = Some(100);
    rig.send(&opaque(1, &[0; 80]));
    assert_eq!(rig.client_frames().len(), 1);
    rig.send(&opaque(2, &[0; 200]));
    assert_eq!(rig.closes(), [CloseCause::FrameSize]);
    assert_eq!(rig.broker_frames().len(), 1);
    assert_eq!(rig.unread(), 0);
}

#[test]
fn an_answer_with_another_correlation_id_closes_and_does_not_reach_the_client() {
    let mut rig = Rig::default().without_broker();
    rig.send(&opaque(1, b""));
    rig.answer(&answer(2, b"another's"));
    assert_eq!(rig.closes(), [CloseCause::CorrelationMismatch]);
    assert!(rig.to_client.is_empty());
}

#[test]
fn an_answer_that_no_request_waits_for_closes() {
    let mut rig = Rig::default().without_broker();
    rig.send(&opaque(1, b""));
    rig.answer(&[answer(1, b""), answer(1, b"")].concat());
    assert_eq!(rig.closes(), [CloseCause::CorrelationMismatch]);
    assert_eq!(rig.to_client, answer(1, b""));
}

#[test]
fn an_answer_to_a_request_that_is_not_wholly_sent_closes() {
    let requests = [
        opaque(1, &[0; 500]),
        frame(1, &one(9, -1, records(9, 3))),
        frame(1, &one(9, 0, records(9, 3))),
        frame(1, &one(9, 1, records(9, 3))),
    ];
    for request in requests {
        let mut rig = Rig::default().without_broker();
        rig.send(&request[..request.len() - 1]);
        rig.answer(&answer(1, &[0; 7]));
        assert_eq!(rig.closes(), [CloseCause::CorrelationMismatch]);
        assert!(rig.to_client.is_empty());
        rig.finish();
        assert!(rig.session.in_flight().is_empty());
    }
}

#[test]
fn an_answer_of_a_size_that_no_answer_can_have_closes() {
    for size in [-1, 0, 3] {
        let mut rig = Rig::default().without_broker();
        rig.send(&opaque(1, b""));
        let mut bytes = Body::new();
        bytes.i32(size).i32(1).bytes(&[0; 50]);
        rig.answer(&bytes.0);
        assert_eq!(rig.closes(), [CloseCause::CorrelationMismatch], "{size}");
        assert!(rig.to_client.is_empty(), "{size}");
    }
}

#[test]
fn only_the_first_cause_closes_and_only_once() {
    let mut rig = Rig::default();
    rig.close(CloseCause::Idle);
    rig.send(&opaque(1, b""));
    rig.broker_ends();
    rig.client_ends();
    rig.finish();
    assert_eq!(rig.closes(), [CloseCause::Idle]);
    assert!(rig.to_broker.is_empty());
    assert!(!rig.has(|event| matches!(event, Event::Misdeed { .. })));
}
