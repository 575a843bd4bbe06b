//! Who the client is becomes known by its SASL exchange, once a broker has accepted it, and not a byte of it changes.

use crate::support::raw::{self, Body};
use crate::support::rig::{self, Chunks, Rig, exemption, frame, one, records, settings};
use holdfast::policy::{Mode, Pattern, Scenario};
use holdfast::session::Session;
use holdfast::session::event::{CloseCause, Event};
use holdfast::wire::api::ApiKey;

const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MX0.";

/// Telegraf may send with acks=0.
fn rig(chunks: &Chunks) -> Rig {
    let mut policy = settings(Mode::Enforce);
    let mut known = exemption(Scenario::AcksNone, &[], &[]);
    known.principals = vec![Pattern("User:al*".into())];
    policy.exemptions = vec![known];
    Rig::new(policy).without_broker().chunks(chunks)
}

fn handshake(version: i16, mechanism: &str) -> Vec<u8> {
    let mut body = Body::new();
    body.string(mechanism);
    raw::request_frame(raw::SASL_HANDSHAKE, version, 1, Some("app"), &body.0)
}

fn handshake_answered() -> Vec<u8> {
    let mut body = Body::new();
    body.i16(0).i32(1).string("PLAIN");
    rig::response(&1_i32.to_be_bytes(), &body.0)
}

fn authenticate(version: i16, token: &[u8]) -> Vec<u8> {
    let mut body = Body::new();
    match version {
        2 => _ = body.bytes(&[token.len() as u8 + 1]).bytes(token).tags(),
        _ => _ = body.i32(token.len() as i32).bytes(token),
    }
    raw::request_frame(raw::SASL_AUTHENTICATE, version, 2, Some("app"), &body.0)
}

fn authenticated(version: i16, error_code: i16, token: &[u8]) -> Vec<u8> {
    let mut body = Body::new();
    match version {
        2 => {
            let size = token.len() as u8 + 1;
            body.tags().i16(error_code).bytes(&[0]).bytes(&[size]);
            body.bytes(token).i64(0).tags();
        }
        _ => {
            body.i16(error_code).i16(-1).i32(token.len() as i32);
            body.bytes(token);
            if version == 1 {
                body.i64(0);
            }
        }
    }
    rig::response(&2_i32.to_be_bytes(), &body.0)
}

fn raw_token(bytes: &[u8]) -> Vec<u8> {
    let mut token = Body::new();
    token.i32(bytes.len() as i32).bytes(bytes);
    token.0
}

fn silent() -> Vec<u8> {
    frame(9, &one(9, 0, records(9, 3)))
}

fn principals(rig: &Rig) -> Vec<Option<String>> {
    let named = rig.events.iter().filter_map(|event| match event {
        Event::Principal(principal) => Some(principal.as_deref().map(str::to_owned)),
        _ => None,
    });
    named.collect()
}

/// What becomes of an acks=0 request now: 0, it is the exempted one's; −1, it is anybody's.
fn acks(rig: &mut Rig) -> i16 {
    let before = rig.broker_frames().len();
    rig.send(&silent());
    let received = rig::Received::parse(&rig.broker_frames()[before]);
    if received.acks == -1 {
        rig.answer(&rig::Broker::default().produce(&received));
    }
    received.acks
}

/// The client's tokens, each with what the broker answers.
type Exchange<'a> = &'a [(&'a [u8], &'a [u8])];

const PLAIN: Exchange<'_> = &[(b"\0alice\0secret", b"")];
const SCRAM: Exchange<'_> = &[
    (b"n,,n=alice,r=abc", b"r=abcdef,s=c2FsdA==,i=4096"),
    (b"c=biws,r=abcdef,p=cHJvb2Y=", b"v=c2lnbmF0dXJl"),
];

#[test]
fn once_accepted_the_principal_is_known_and_exempted_and_no_byte_has_changed() {
    let bearer = format!("n,,\x01auth=Bearer {JWT}\x01\x01");
    let oauthbearer: Exchange<'_> = &[(bearer.as_bytes(), b"")];
    for (mechanism, exchange) in [
        ("PLAIN", PLAIN),
        ("SCRAM-SHA-256", SCRAM),
        ("SCRAM-SHA-512", SCRAM),
        ("OAUTHBEARER", oauthbearer),
    ] {
        for chunks in Chunks::every() {
            for version in 0..=2 {
                let mut rig = rig(&chunks);
                let mut sent = handshake(1, mechanism);
                let mut answers = handshake_answered();
                rig.send(&sent).answer(&answers);
                for (token, answer) in exchange {
                    assert_eq!(principals(&rig), [], "{mechanism} {version} {chunks:?}");
                    let request = authenticate(version, token);
                    let answer = authenticated(version, 0, answer);
                    rig.send(&request).answer(&answer);
                    sent.extend(request);
                    answers.extend(answer);
                }
                assert_eq!(rig.to_broker, sent, "{mechanism} {version} {chunks:?}");
                assert_eq!(rig.to_client, answers, "{mechanism} {version} {chunks:?}");
                assert_eq!(principals(&rig), [Some("User:alice".to_owned())]);
                assert_eq!(acks(&mut rig), 0, "{mechanism} {version} {chunks:?}");
                assert!(rig.closes().is_empty());
            }
            let mut rig = rig(&chunks);
            rig.send(&handshake(0, mechanism))
                .answer(&handshake_answered());
            for (token, answer) in exchange {
                assert_eq!(principals(&rig), [], "{mechanism} {chunks:?}");
                rig.send(&raw_token(token)).answer(&raw_token(answer));
            }
            let alice = [Some("User:alice".to_owned())];
            assert_eq!(principals(&rig), alice, "raw {mechanism} {chunks:?}");
            assert_eq!(acks(&mut rig), 0, "raw {mechanism} {chunks:?}");
        }
    }
}

/// Whatever the client claims: nobody is believed before the broker's yes.
#[test]
fn who_is_not_accepted_is_nobody() {
    let bearer = format!("n,,\x01auth=Bearer {JWT}\x01\x01");
    let refusal = b"{\"status\":\"invalid_token\"}";
    let refused: [(&str, Exchange<'_>, i16); 7] = [
        ("PLAIN", PLAIN, 58),
        ("PLAIN", PLAIN, 34),
        ("SCRAM-SHA-256", SCRAM, 58),
        ("SCRAM-SHA-256", &[SCRAM[0], (SCRAM[1].0, b"e=no")], 0),
        ("SCRAM-SHA-256", &[(SCRAM[0].0, b"v=x")], 0),
        ("OAUTHBEARER", &[(bearer.as_bytes(), refusal)], 0),
        (
            "OAUTHBEARER",
            &[(bearer.as_bytes(), refusal), (b"\x01", b"")],
            0,
        ),
    ];
    for (mechanism, exchange, error_code) in refused {
        for chunks in Chunks::every() {
            let mut rig = rig(&chunks);
            rig.send(&handshake(1, mechanism))
                .answer(&handshake_answered());
            for (token, answer) in exchange {
                rig.send(&authenticate(1, token))
                    .answer(&authenticated(1, error_code, answer));
            }
            assert_eq!(principals(&rig), [], "{mechanism} {error_code}");
            assert_eq!(acks(&mut rig), -1, "{mechanism} {error_code}");
        }
    }
}

#[test]
fn requests_that_come_before_the_answer_are_nobodys() {
    let mut rig = rig(&Chunks::All);
    rig.send(&handshake(1, "PLAIN"))
        .answer(&handshake_answered());
    rig.send(&[authenticate(1, PLAIN[0].0), silent()].concat());
    rig.answer(&authenticated(1, 0, b""));
    assert_eq!(rig::Received::parse(&rig.broker_frames()[2]).acks, -1);
}

/// Requests of one connection that were judged before the principal was known are judged anew after.
#[test]
fn who_is_known_later_is_exempted_from_then_on_and_who_is_another_no_more() {
    for chunks in Chunks::every() {
        let mut rig = rig(&chunks);
        assert_eq!(acks(&mut rig), -1);
        let steps: [(&[u8], i16, Option<&str>); 4] = [
            (b"\0bob\0x", -1, Some("User:bob")),
            (b"\0alice\0x", 0, Some("User:alice")),
            // Again, as a session ends.
            (b"\0alice\0x", 0, None),
            (b"\0carol\0x", -1, Some("User:carol")),
        ];
        let mut expected = Vec::new();
        for (token, expected_acks, told) in steps {
            rig.send(&handshake(1, "PLAIN"))
                .answer(&handshake_answered());
            rig.send(&authenticate(2, token))
                .answer(&authenticated(2, 0, b""));
            expected.extend(told.map(|told| Some(told.to_owned())));
            assert_eq!(principals(&rig), expected, "{chunks:?}");
            for _ in 0..3 {
                assert_eq!(acks(&mut rig), expected_acks, "{token:?} {chunks:?}");
            }
        }
    }
}

#[test]
fn a_certificates_principal_holds_until_sasl_shows_another_and_where_sasl_shows_nobody() {
    let mut rig = rig(&Chunks::All);
    rig.session = Session::new(Some("User:alice".into()));
    assert_eq!(acks(&mut rig), 0);
    rig.send(&handshake(1, "GSSAPI"))
        .answer(&handshake_answered());
    rig.send(&authenticate(1, b"ticket"))
        .answer(&authenticated(1, 0, b"more"));
    assert_eq!(acks(&mut rig), 0);
    rig.send(&handshake(1, "PLAIN"))
        .answer(&handshake_answered());
    rig.send(&authenticate(1, b"\0bob\0x"))
        .answer(&authenticated(1, 0, b""));
    assert_eq!(acks(&mut rig), -1);
    let told = [Some("User:alice".to_owned()), Some("User:bob".to_owned())];
    assert_eq!(principals(&rig), told);
}

#[test]
fn no_event_holds_a_password_or_a_token() {
    let bearer = format!("n,,\x01auth=Bearer {JWT}\x01\x01");
    let oauthbearer: Exchange<'_> = &[(bearer.as_bytes(), b"")];
    for (mechanism, exchange) in [("PLAIN", PLAIN), ("OAUTHBEARER", oauthbearer)] {
        let mut rig = rig(&Chunks::All);
        rig.send(&handshake(1, mechanism))
            .answer(&handshake_answered());
        for (token, answer) in exchange {
            rig.send(&authenticate(1, token))
                .answer(&authenticated(1, 0, answer));
        }
        let told = format!("{:?} {:?}", rig.events, rig.session.in_flight());
        assert!(!told.contains("secret") && !told.contains("eyJ"), "{told}");
    }
}

/// Observing does not collect: a token that is not small goes by while it comes.
#[test]
fn a_large_token_passes_unread_and_unheld() {
    let mut rig = rig(&Chunks::All);
    rig.send(&handshake(1, "PLAIN"))
        .answer(&handshake_answered());
    let token = [b"\0alice\0", &[b'p'; 40_000][..]].concat();
    let request = authenticate(1, &token);
    let before = rig.to_broker.len();
    rig.send(&request[..30_000]);
    assert_eq!(rig.to_broker.len(), before + 30_000);
    rig.send(&request[30_000..])
        .answer(&authenticated(1, 0, b""));
    assert_eq!(principals(&rig), []);
    assert_eq!(acks(&mut rig), -1);
    assert!(rig.collects.is_empty());
}

/// What Holdfast would answer, or look up, on its own: a batch above every limit, a commit, a topic to be deleted.
fn revealing() -> [(&'static str, Vec<u8>); 4] {
    let request = |api_key, version, body: &Body| {
        raw::request_frame(api_key, version, 5, Some("app"), &body.0)
    };
    let mut deletes = Body::new();
    deletes.i32(1).string("orders").i32(1000);
    let mut metadata = Body::new();
    metadata.i32(-1);
    [
        ("Produce", frame(5, &one(9, 1, records(9, 3)))),
        ("Produce", frame(5, &one(9, -1, vec![0; 2_000_000]))),
        (
            "DeleteTopics",
            request(ApiKey::DELETE_TOPICS.0, 1, &deletes),
        ),
        ("Metadata", request(raw::METADATA, 1, &metadata)),
    ]
}

fn locked(chunks: &Chunks) -> Rig {
    let mut rig = rig(chunks).topic("orders", Some(1_000_000));
    rig.needs_login = true;
    rig
}

#[test]
fn before_a_login_a_client_is_told_nothing_and_hung_up_on() {
    let logins: [(&str, Exchange<'_>, i16); 4] = [
        ("", &[], 0),
        ("PLAIN", PLAIN, 58),
        ("SCRAM-SHA-256", &[SCRAM[0]], 0),
        ("SCRAM-SHA-256", &[SCRAM[0], (SCRAM[1].0, b"e=no")], 0),
    ];
    for chunks in Chunks::every() {
        for (mechanism, exchange, error_code) in logins {
            for (what, request) in revealing() {
                let mut rig = locked(&chunks);
                if !mechanism.is_empty() {
                    rig.send(&handshake(1, mechanism))
                        .answer(&handshake_answered());
                }
                for (token, answer) in exchange {
                    rig.send(&authenticate(1, token))
                        .answer(&authenticated(1, error_code, answer));
                }
                let before = (rig.to_broker.clone(), rig.to_client.clone());
                rig.send(&request);
                assert_eq!(rig.closes(), [CloseCause::Unauthenticated], "{what}");
                assert!((rig.to_broker.clone(), rig.to_client.clone()) == before);
                assert!(rig.asked.is_empty(), "{what}");
            }
        }
    }
}

#[test]
fn what_comes_behind_a_token_waits_for_its_answer_and_goes_on() {
    for chunks in Chunks::every() {
        let mut rig = locked(&chunks);
        let versions = raw::request_frame(raw::API_VERSIONS, 0, 1, Some("app"), &[]);
        rig.send(&versions)
            .answer(&rig::response(&1_i32.to_be_bytes(), &[0; 6]));
        rig.send(&handshake(1, "PLAIN"))
            .answer(&handshake_answered());
        rig.send(&[authenticate(1, PLAIN[0].0), silent()].concat());
        let waiting = rig.broker_frames().len();
        rig.answer(&authenticated(1, 0, b""));
        assert!(rig.closes().is_empty());
        let frames = rig.broker_frames();
        assert_eq!((waiting, frames.len()), (3, 4));
        // By then it is known whose it is.
        assert_eq!(rig::Received::parse(&frames[3]).acks, 0);
    }
}
