//! Every record of an acks=0 request ends in exactly one of confirmed, refused and unknown.

use crate::support::rig::{Broker, Chunks, End, Rig, batch, frame, one, produce, records};
use holdfast::session::event::{CloseCause, Event, Outcome, OutcomeCause};

/// What a broker's error code says about the records, from the list that the README promises.
fn expected(error_code: i16) -> Outcome {
    match error_code {
        0 | 46 => Outcome::Confirmed,
        2 | 10 | 17 | 18 | 19 | 29 | 32 | 43 | 44 | 45 | 47 | 87 => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

#[test]
fn each_error_code_puts_the_records_into_the_set_that_is_promised() {
    for error_code in -1..=135 {
        let mut rig = Rig::default();
        rig.broker = Some(Broker::default().error("orders", 0, error_code));
        rig.send(&frame(5, &one(9, 0, records(9, 3))));
        let end = End {
            correlation_id: 5,
            topic: "orders".into(),
            partition: 0,
            records: 3,
            outcome: expected(error_code),
            cause: OutcomeCause::BrokerAnswer,
            exact: true,
        };
        assert_eq!(rig.ends(), [end], "error {error_code}");
        assert!(rig.to_client.is_empty());
    }
}

#[test]
fn the_connection_closes_only_for_errors_for_which_a_broker_closes() {
    for error_code in [
        0, 46, 7, 19, 20, 2, 3, 5, 6, 10, 17, 18, 29, 56, 87, -1, 100,
    ] {
        let mut rig = Rig::default();
        rig.broker = Some(Broker::default().error("orders", 0, error_code));
        rig.send(&frame(5, &one(9, 0, records(9, 3))));
        let stays = matches!(error_code, 0 | 46 | 7 | 19 | 20);
        let expected: &[CloseCause] = if stays {
            &[]
        } else {
            &[CloseCause::AbsorbedError]
        };
        assert_eq!(rig.closes(), expected, "error {error_code}");
        assert_eq!(
            rig.has(|e| matches!(e, Event::OverrideFailure { .. })),
            matches!(error_code, 7 | 19 | 20),
            "error {error_code}"
        );
        assert_eq!(
            rig.has(|e| matches!(e, Event::AbsorbedError { .. })),
            !matches!(error_code, 0 | 46),
            "error {error_code}"
        );
    }
}

#[test]
fn partitions_are_told_apart_by_topic_and_index_in_any_order_and_version() {
    for version in [0, 3, 8, 9, 12, 13] {
        for reversed in [false, true] {
            for chunks in Chunks::every() {
                let mut rig = Rig::default()
                    .topic("orders", None)
                    .topic("bills", None)
                    .chunks(&chunks);
                rig.broker = Some(Broker {
                    reversed,
                    ..Broker::default()
                        .error("orders", 1, 19)
                        .error("bills", 0, 7)
                        .error("bills", 2, 20)
                });
                let batches = |from: u64, list: &[i32]| -> Vec<(i32, Vec<u8>)> {
                    list.iter()
                        .map(|p| (*p, records(version, from + *p as u64)))
                        .collect()
                };
                let topics = [
                    ("orders", &batches(1, &[0, 1, 3])[..]),
                    ("bills", &batches(10, &[2, 0])[..]),
                ];
                rig.send(&frame(1, &produce(version, 0, &topics)));
                let mut ends: Vec<_> = rig
                    .ends()
                    .into_iter()
                    .map(|e| (e.topic, e.partition, e.records, e.outcome))
                    .collect();
                ends.sort_by_key(|end| (end.0.clone(), end.1));
                let expected = [
                    ("bills", 0, 10, Outcome::Unknown),
                    ("bills", 2, 12, Outcome::Unknown),
                    ("orders", 0, 1, Outcome::Confirmed),
                    ("orders", 1, 2, Outcome::Refused),
                    ("orders", 3, 4, Outcome::Confirmed),
                ]
                .map(|(t, p, r, o)| (t.to_owned(), p, r, o));
                assert_eq!(ends, expected, "version {version} {chunks:?}");
                assert!(rig.ends().iter().all(|e| e.exact == (version >= 3)));
            }
        }
    }
}

#[test]
fn a_topic_id_whose_name_is_not_known_is_accounted_for_all_the_same() {
    let mut rig = Rig::default();
    rig.send(&frame(1, &one(13, 0, records(13, 4))));
    assert_eq!(rig.sums(), (4, 0, 0));
    assert_eq!(rig.ends()[0].topic, "?");
}

#[test]
fn a_partition_that_the_answer_leaves_out_is_unknown() {
    let mut rig = Rig::default();
    rig.broker = Some(Broker {
        forgets: vec![("orders".into(), 1)],
        ..Broker::default()
    });
    let batches = [(0, records(9, 1)), (1, records(9, 2)), (2, records(9, 4))];
    rig.send(&frame(1, &produce(9, 0, &[("orders", &batches)])));
    assert_eq!(rig.sums(), (5, 0, 2));
}

#[test]
fn a_partition_that_stands_twice_in_an_answer_is_counted_once() {
    let mut rig = Rig::default().without_broker();
    rig.send(&frame(1, &one(9, 0, records(9, 3))));
    let twice = [("orders".to_owned(), vec![(0, 0), (0, 7)])];
    let body = crate::support::rig::produce_answer(9, &twice, false);
    rig.answer(&crate::support::rig::response(&[0, 0, 0, 1], &body));
    assert_eq!(rig.ends().len(), 1, "{:?}", rig.ends());
    assert_eq!(rig.sums(), (3, 0, 0));
}

#[test]
fn of_a_partition_that_stands_twice_in_a_request_only_the_last_is_confirmed() {
    // A broker keeps them in a map: the first is gone without a word (`KafkaApis.handleProduceRequest`).
    let mut rig = Rig::default().without_broker();
    let batches = [(0, records(9, 1)), (0, records(9, 2))];
    rig.send(&frame(1, &produce(9, 0, &[("orders", &batches)])));
    let once = [("orders".to_owned(), vec![(0, 0)])];
    let body = crate::support::rig::produce_answer(9, &once, false);
    rig.answer(&crate::support::rig::response(&[0, 0, 0, 1], &body));
    assert_eq!(rig.sums(), (2, 0, 1));
}

#[test]
fn pipelined_requests_keep_their_records_apart() {
    for chunks in Chunks::every() {
        let mut rig = Rig::default().chunks(&chunks);
        let sent: Vec<u8> = (1..=20)
            .flat_map(|id| {
                frame(
                    id,
                    &one(9, if id % 3 == 0 { -1 } else { 0 }, records(9, id as u64)),
                )
            })
            .collect();
        rig.send(&sent);
        for end in rig.ends() {
            assert_eq!(end.records, end.correlation_id as u64, "{chunks:?}");
            assert_eq!(end.outcome, Outcome::Confirmed);
        }
        assert_eq!(rig.ends().len(), 14);
        assert_eq!(rig.client_frames().len(), 6);
    }
}

#[test]
fn an_answer_that_does_not_follow_its_schema_leaves_the_records_unknown_and_closes() {
    let mut rig = Rig::default().without_broker();
    rig.send(&frame(1, &one(9, 0, records(9, 3))));
    rig.answer(&crate::support::rig::response(&[0, 0, 0, 1], &[0, 2, 99]));
    assert_eq!(rig.sums(), (0, 0, 3));
    assert_eq!(rig.closes(), [CloseCause::Malformed]);
}

#[test]
fn many_partitions_in_one_request_are_accounted_for_without_looking_at_each_for_each() {
    let mut rig = Rig::default();
    rig.broker = Some(Broker {
        reversed: true,
        ..Broker::default()
    });
    rig.chunks = Chunks::All;
    let batches: Vec<(i32, Vec<u8>)> = (0..20_000).map(|p| (p, batch(1, 80))).collect();
    let begun = std::time::Instant::now();
    rig.send(&frame(1, &produce(9, 0, &[("orders", &batches)])));
    assert_eq!(rig.sums(), (20_000, 0, 0));
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}
