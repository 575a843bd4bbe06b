//! Behind a SaslHandshake of version 0 raw tokens follow: as many as the mechanism has, and no request among them.

use crate::support::raw::{self, Body};
use crate::support::rig::{self, Chunks, Rig, frame, one, records};
use holdfast::session::Want;
use holdfast::session::event::CloseCause;

fn handshake(version: i16, correlation_id: i32, mechanism: &str) -> Vec<u8> {
    let mut body = Body::new();
    body.string(mechanism);
    raw::request_frame(
        raw::SASL_HANDSHAKE,
        version,
        correlation_id,
        Some("app"),
        &body.0,
    )
}

fn answered(correlation_id: i32, error_code: i16) -> Vec<u8> {
    let mut body = Body::new();
    body.i16(error_code).i32(1).string("PLAIN");
    rig::response(&correlation_id.to_be_bytes(), &body.0)
}

fn token(bytes: &[u8]) -> Vec<u8> {
    let mut token = Body::new();
    token.i32(bytes.len() as i32).bytes(bytes);
    token.0
}

fn smuggled() -> Vec<u8> {
    frame(9, &one(9, 0, records(9, 3)))
}

#[test]
fn exactly_the_mechanisms_tokens_pass_raw_and_then_requests_are_looked_at_again() {
    for (mechanism, tokens) in [
        ("PLAIN", 1),
        ("OAUTHBEARER", 1),
        ("SCRAM-SHA-256", 2),
        ("SCRAM-SHA-512", 2),
    ] {
        for chunks in Chunks::every() {
            let mut rig = Rig::default().without_broker().chunks(&chunks);
            let mut sent = handshake(0, 1, mechanism);
            rig.send(&sent).answer(&answered(1, 0));
            let mut seen = answered(1, 0);
            for n in 0..tokens {
                let bytes = token(&[n as u8; 40]);
                rig.send(&bytes);
                sent.extend(&bytes);
                assert_eq!(rig.to_broker, sent, "{mechanism} {chunks:?}");
                rig.answer(&token(b"challenge"));
                seen.extend(token(b"challenge"));
                assert_eq!(rig.to_client, seen, "{mechanism} {chunks:?}");
            }
            rig.send(&smuggled());
            assert_eq!(
                rig::Received::parse(&rig.broker_frames()[1 + tokens]).acks,
                -1,
                "{mechanism}"
            );
            assert!(rig.closes().is_empty());
        }
    }
}

#[test]
fn an_empty_token_is_a_token() {
    let mut rig = Rig::default().without_broker();
    rig.send(&handshake(0, 1, "PLAIN")).answer(&answered(1, 0));
    rig.send(&token(b"")).send(&smuggled());
    assert_eq!(rig::Received::parse(&rig.broker_frames()[2]).acks, -1);
}

#[test]
fn nothing_behind_the_handshake_goes_on_before_it_is_answered() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().without_broker().chunks(&chunks);
        let first = handshake(0, 1, "PLAIN");
        rig.send(&[first.clone(), smuggled()].concat());
        assert_eq!(rig.to_broker, first, "{chunks:?}");
        assert_eq!(*rig.request_want(), Want::Answers);
    }
}

#[test]
fn after_a_handshake_that_the_broker_refused_what_follows_is_a_request() {
    for error_code in [33, 34, 35, -1, 256] {
        for chunks in Chunks::every() {
            let mut rig = Rig::default().without_broker().chunks(&chunks);
            rig.send(&[handshake(0, 1, "PLAIN"), smuggled()].concat());
            rig.answer(&answered(1, error_code));
            let produce = rig::Received::parse(&rig.broker_frames()[1]);
            assert_eq!(produce.acks, -1, "error {error_code} {chunks:?}");
        }
    }
}

#[test]
fn a_mechanism_whose_tokens_cannot_be_counted_is_answered_35_and_what_follows_is_a_request() {
    for mechanism in ["GSSAPI", "plain", "", "PLAIN ", "DIGEST-MD5"] {
        for chunks in Chunks::every() {
            let mut rig = Rig::default().without_broker().chunks(&chunks);
            rig.send(&[handshake(0, 1, mechanism), smuggled()].concat());
            assert_eq!(
                rig.to_client,
                [0, 0, 0, 10, 0, 0, 0, 1, 0, 35, 0, 0, 0, 0],
                "{mechanism}"
            );
            assert_eq!(rig::Received::parse(&rig.to_broker).acks, -1, "{mechanism}");
        }
    }
}

#[test]
fn a_handshake_of_version_1_passes_and_opens_no_door() {
    for mechanism in ["PLAIN", "GSSAPI"] {
        let mut rig = Rig::default().without_broker();
        rig.send(&[handshake(1, 1, mechanism), smuggled()].concat());
        rig.answer(&answered(1, 0));
        assert_eq!(rig::Received::parse(&rig.broker_frames()[1]).acks, -1);
        assert_eq!(rig.to_client, answered(1, 0));
    }
}

#[test]
fn a_token_that_no_mechanism_has_closes() {
    for size in [-1, i32::MIN, 64 * 1024 + 1, i32::MAX] {
        let mut rig = Rig::default().without_broker();
        rig.send(&handshake(0, 1, "PLAIN")).answer(&answered(1, 0));
        let before = rig.to_broker.len();
        rig.send(&size.to_be_bytes()).send(&smuggled());
        assert_eq!(rig.closes(), [CloseCause::FrameSize], "{size}");
        assert_eq!(rig.to_broker.len(), before, "{size}");
    }
}

#[test]
fn a_handshake_that_does_not_follow_its_schema_closes() {
    let mut longer = handshake(0, 1, "PLAIN");
    longer.push(0);
    longer[3] += 1;
    let large = handshake(0, 1, "PLAIN");
    let mut large = [&large[..], &[0; 60_000]].concat();
    let size = large.len() as i32 - 4;
    large[..4].copy_from_slice(&size.to_be_bytes());
    for sent in [longer, large] {
        let mut rig = Rig::default().without_broker();
        rig.send(&sent);
        assert_eq!(rig.closes(), [CloseCause::Malformed]);
        assert!(rig.to_broker.is_empty());
    }
}

#[test]
fn tokens_in_the_midst_of_a_close_are_thrown_away() {
    let mut rig = Rig::default().without_broker();
    rig.send(&handshake(0, 1, "SCRAM-SHA-256"))
        .answer(&answered(1, 0));
    rig.send(&token(b"first")[..5]).close(CloseCause::Idle);
    let before = rig.to_broker.len();
    rig.send(&token(b"first")[5..]).send(&token(b"second"));
    assert_eq!(rig.to_broker.len(), before);
    assert_eq!(rig.unread(), 0);
    assert!(rig.session.in_flight().is_empty());
}
