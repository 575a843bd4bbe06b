//! Answers that name brokers at their very end are neutralised where they lie, at the same size: another tag number, which
//! clients skip, and zeros instead of the addresses.

use crate::support::raw::{self, Body};
use crate::support::rig::{
    self, Broker, Chunks, Rig, frame, node_endpoints_field, one, parse_answer, records,
};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::{CloseCause, Event};

/// The tag gets its new number, its size stays (one byte), and its content becomes zeros.
fn hide(answer: &mut [u8], tag_at: usize) {
    answer[tag_at] = 0x63;
    let content = tag_at + 2;
    assert_eq!(answer.len() - content, usize::from(answer[tag_at + 1]));
    answer[content..].fill(0);
}

#[test]
fn node_endpoints_of_a_produce_answer_are_hidden_and_nothing_else() {
    for version in 8..=13 {
        for acks in [-1, 1] {
            for chunks in Chunks::every() {
                let mut rig = Rig::default().topic("orders", None).chunks(&chunks);
                rig.broker = Some(Broker {
                    node_endpoints: true,
                    ..Broker::default().error("orders", 0, 6)
                });
                rig.send(&frame(3, &one(version, acks, records(version, 1))));
                let mut expected = rig.broker.clone().unwrap().produce(&rig.produced()[0]);
                if version >= 10 {
                    let tag_at = expected.len() - node_endpoints_field().len() - 1;
                    assert_eq!(expected[tag_at], 0);
                    hide(&mut expected, tag_at);
                }
                assert_eq!(rig.to_client, expected, "version {version} {chunks:?}");
                let (_, answer) = parse_answer(version, &rig.to_client);
                assert_eq!(answer.error_codes(), [6]);
                assert_eq!(answer.partitions[0].tags.len(), usize::from(version >= 10));
            }
        }
    }
}

/// A Fetch request whose body nobody looks at.
fn fetch(version: i16, correlation_id: i32) -> Vec<u8> {
    raw::request_frame(raw::FETCH, version, correlation_id, Some("app"), &[1, 2, 3])
}

/// A Fetch answer of versions 16 to 18: two topics, aborted transactions, records, tags, and brokers named or not.
fn fetched(correlation_id: i32, named: bool, records: &[u8]) -> Vec<u8> {
    let mut body = Body::new();
    body.tags().i32(0).i16(0).i32(77).array(2, true);
    for topic in ["orders", "bills"] {
        body.bytes(&rig::topic_id(topic)).array(2, true);
        for index in 0..2 {
            body.i32(index).i16(0).i64(10).i64(10).i64(0);
            match index {
                0 => body.uvarint(0),
                _ => body
                    .array(2, true)
                    .i64(5)
                    .i64(6)
                    .tags()
                    .i64(7)
                    .i64(8)
                    .tags(),
            };
            body.i32(-1)
                .uvarint(records.len() as u32 + 1)
                .bytes(records);
            // current_leader is tag 1; tag 0 of a partition is diverging_epoch, and stays.
            body.uvarint(2).uvarint(0).uvarint(13).i32(1).i64(2).tags();
            body.uvarint(1).uvarint(9).i32(2).i32(7).tags();
        }
        body.tags();
    }
    match named {
        true => body.uvarint(1).uvarint(0).bytes(&node_endpoints_field()),
        false => body.tags(),
    };
    rig::response(&correlation_id.to_be_bytes(), &body.0)
}

#[test]
fn node_endpoints_of_a_fetch_answer_are_hidden_under_any_chunking() {
    for version in 16..=18 {
        for records in [&[0u8; 0][..], &[7; 300], &[9; 70_000]] {
            for named in [false, true] {
                for chunks in [
                    Chunks::All,
                    Chunks::Of(1),
                    Chunks::Of(7),
                    Chunks::Random(4, 2000),
                ] {
                    let mut rig = Rig::default().without_broker().chunks(&chunks);
                    rig.send(&fetch(version, 1)).send(&fetch(version, 2));
                    let answers = [fetched(1, named, records), fetched(2, named, records)];
                    rig.answer(&answers.concat());
                    let expected = answers.map(|mut answer| {
                        if named {
                            let tag_at = answer.len() - node_endpoints_field().len() - 1;
                            hide(&mut answer, tag_at);
                        }
                        answer
                    });
                    assert!(
                        rig.to_client == expected.concat(),
                        "version {version} {chunks:?}"
                    );
                    assert!(rig.session.in_flight().is_empty() && rig.closes().is_empty());
                }
            }
        }
    }
}

#[test]
fn a_fetch_answer_of_a_version_that_names_no_broker_is_not_looked_at() {
    for version in [0, 4, 11, 12, 15] {
        let mut rig = Rig::default().without_broker();
        rig.send(&fetch(version, 1));
        let answer = rig::response(&[0, 0, 0, 1], b"anything at all");
        rig.answer(&answer);
        assert_eq!(rig.to_client, answer);
    }
}

#[test]
fn a_fetch_answer_that_does_not_follow_its_schema_closes() {
    let good = fetched(1, true, &[7; 30]);
    for (at, byte) in [(9 + 10, 0), (9 + 10, 200), (8, 1)] {
        for chunks in [Chunks::All, Chunks::Of(1)] {
            let mut bad = good.clone();
            bad[at] = byte;
            let mut rig = Rig::default().without_broker().chunks(&chunks);
            rig.send(&fetch(16, 1)).answer(&bad).answer(&good);
            assert_eq!(rig.closes(), [CloseCause::Malformed], "{at} {byte}");
        }
    }
}

#[test]
fn every_prefix_of_a_fetch_answer_is_passed_as_far_as_it_is_understood_and_no_further() {
    let answer = fetched(1, true, &[7; 30]);
    for at in 0..answer.len() {
        let mut rig = Rig::default().without_broker();
        rig.send(&fetch(16, 1))
            .answer(&answer[..at])
            .broker_ends()
            .finish();
        assert!(rig.to_client.len() <= at);
        assert_eq!(rig.closes(), [CloseCause::BrokerClosed]);
    }
}

#[test]
fn not_enough_replicas_is_noted_for_the_override_and_told_to_the_view() {
    for (acks, mode, failures) in [
        (1, Mode::Enforce, 1),
        (1, Mode::Observe, 0),
        (-1, Mode::Enforce, 0),
    ] {
        let mut rig = Rig::new(rig::settings(mode)).topic("orders", None);
        rig.broker = Some(Broker::default().error("orders", 0, 19));
        rig.send(&frame(3, &one(9, acks, records(9, 1))));
        let noted = rig.events.iter().filter(|e| {
            matches!(
                e,
                Event::OverrideFailure {
                    scenario: Scenario::AcksLeader,
                    ..
                }
            )
        });
        assert_eq!(noted.count(), failures, "acks {acks} {mode:?}");
        assert_eq!(rig.learned.len(), 1, "{:?}", rig.learned);
        assert_eq!(parse_answer(9, &rig.to_client).1.error_codes(), [19]);
    }
}
