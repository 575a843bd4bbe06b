//! When acks=0 becomes 1 and not all: a client's proving itself anew must not wait for its own backlog. What only the leader is known to have counts as unknown.

use crate::support::raw::{self, Body};
use crate::support::rig::{self, Rig, frame, one, records};
use holdfast::policy::Mode;
use holdfast::session::Want;
use holdfast::session::event::{Degradation, Event};

const SECOND_US: u64 = 1_000_000;

fn silent(id: i32) -> Vec<u8> {
    frame(id, &one(9, 0, records(9, 3)).timeout_ms(30_000))
}

fn answered(id: i32, error_code: i16) -> Vec<u8> {
    let body = rig::produce_answer(9, &[("orders".to_owned(), vec![(0, error_code)])], false);
    rig::response(&id.to_be_bytes(), &body)
}

fn acks(rig: &Rig) -> Vec<i16> {
    rig.produced().iter().map(|request| request.acks).collect()
}

/// Requests that were not raised to all, for this reason.
fn degraded(rig: &Rig, wanted: Degradation) -> u64 {
    let counts = rig.events.iter().filter_map(|event| match event {
        Event::Degraded { reason, count, .. } if *reason == wanted => Some(*count),
        _ => None,
    });
    counts.sum()
}

fn sasl(api_key: i16, version: i16, id: i32) -> Vec<u8> {
    let mut body = Body::new();
    match (api_key, version) {
        (raw::SASL_HANDSHAKE, _) => _ = body.string("PLAIN"),
        (_, 0 | 1) => _ = body.i32(2).bytes(b"ab"),
        _ => _ = body.bytes(b"\x03ab\x00"),
    }
    if api_key == raw::SASL_HANDSHAKE || version < 2 {
        return raw::request_frame(api_key, version, id, Some("app"), &body.0);
    }
    // Flexible: the header has tags, too.
    let mut frame = raw::request_frame(api_key, version, id, Some("app"), &[]);
    frame.push(0);
    frame.extend(&body.0);
    let size = (frame.len() as i32 - 4).to_be_bytes();
    frame[..4].copy_from_slice(&size);
    frame
}

fn handshake_answered(id: i32) -> Vec<u8> {
    let mut body = Body::new();
    body.i16(0).i32(1).string("PLAIN");
    rig::response(&id.to_be_bytes(), &body.0)
}

/// SaslAuthenticate's answer of version 1 or 2.
fn accepted(id: i32, version: i16, error_code: i16, lifetime_ms: i64) -> Vec<u8> {
    let mut body = Body::new();
    match version {
        1 => _ = body.i16(error_code).i16(-1).i32(0).i64(lifetime_ms),
        _ => {
            body.bytes(&[0]).i16(error_code).bytes(&[0, 1]);
            body.i64(lifetime_ms).bytes(&[0]);
        }
    }
    rig::response(&id.to_be_bytes(), &body.0)
}

/// A client that was accepted for ten seconds.
fn authenticated(version: i16, error_code: i16) -> Rig {
    let mut rig = Rig::default().without_broker();
    rig.send(&sasl(raw::SASL_HANDSHAKE, 1, 1));
    rig.answer(&handshake_answered(1));
    rig.send(&sasl(36, version, 2));
    let answer = accepted(2, version, error_code, 10_000);
    rig.answer(&answer);
    // It is to begin early: of the end it is told when half of the session is over.
    let told = if error_code == 0 { 5_000 } else { 10_000 };
    let told = accepted(2, version, error_code, told);
    assert!(rig.to_client.ends_with(&told), "{:?}", rig.to_client);
    assert!(rig.closes().is_empty());
    rig
}

/// Five of which two may be unanswered; all of them are answered.
fn backlog(rig: &mut Rig, first: i32) {
    rig.limits.max_absorbed_in_flight = 2;
    let ids = first..first + 5;
    rig.send(&ids.clone().flat_map(silent).collect::<Vec<u8>>());
    assert_eq!(*rig.request_want(), Want::Answers);
    for id in ids {
        rig.answer(&answered(id, 0));
    }
}

#[test]
fn a_client_with_a_backlog_that_has_to_authenticate_soon_gets_it_through_with_acks_1() {
    for version in [1, 2] {
        let mut rig = authenticated(version, 0);
        backlog(&mut rig, 10);
        // Half of the five seconds that it was told.
        rig.clock_us += 5 * SECOND_US / 2 - 1;
        rig.send(&silent(20)).answer(&answered(20, 0));
        rig.clock_us += 1;
        rig.send(&silent(21)).answer(&answered(21, 0));
        // From here on nothing of it is in the way.
        rig.send(&sasl(raw::SASL_HANDSHAKE, 1, 30));
        rig.answer(&handshake_answered(30));
        rig.send(&sasl(36, version, 31));
        rig.answer(&accepted(31, version, 0, 10_000));
        rig.send(&silent(22)).answer(&answered(22, 0));
        rig.clock_us += 9 * SECOND_US;
        // Nobody held it back since.
        rig.send(&silent(23)).answer(&answered(23, 0));
        backlog(&mut rig, 40);
        rig.send(&silent(50)).tell();
        let seen = acks(&rig);
        assert_eq!(seen[5..9], [-1, 1, -1, -1], "version {version}");
        assert_eq!(seen[9..11], [-1, -1], "before it was held back");
        assert_eq!(seen.last(), Some(&1));
        assert!(degraded(&rig, Degradation::Reauthentication) >= 2);
    }
}

#[test]
fn without_an_end_of_the_session_there_is_no_hurry() {
    for (version, error_code) in [(1, 58), (2, 58)] {
        let mut rig = authenticated(version, error_code);
        backlog(&mut rig, 10);
        rig.clock_us += 60 * SECOND_US;
        rig.send(&silent(20)).tell();
        assert_eq!(acks(&rig), [-1; 6]);
    }
}

#[test]
fn where_acks_0_is_not_raised_a_client_is_told_what_the_broker_said() {
    let mut rig = Rig::new(rig::settings(Mode::Observe)).without_broker();
    rig.send(&sasl(36, 1, 2));
    let answer = accepted(2, 1, 0, 10_000);
    rig.answer(&answer);
    assert_eq!(rig.to_client, answer);
}

#[test]
fn an_answer_to_an_authentication_that_cannot_be_read_passes() {
    for body in [&b""[..], b"\x00", b"\x00\x00\xff\xff\x7f\xff\xff\xff"] {
        let mut rig = Rig::default().without_broker();
        rig.send(&sasl(36, 1, 2));
        let answer = rig::response(&2_i32.to_be_bytes(), body);
        rig.answer(&answer);
        assert_eq!(rig.to_client, answer);
        assert!(rig.closes().is_empty());
    }
}
