//! Batches above a limit are taken out of a request, the rest goes on, and the client gets one whole answer.

use crate::support::raw;
use crate::support::rig::{
    self, Broker, Chunks, Confirm, Rig, batch, frame, one, parse_answer, produce, records,
};
use holdfast::policy::Scenario;
use holdfast::session::event::{CloseCause, Event, Outcome, OutcomeCause};
use holdfast::session::{Question, Want};

const LIMIT: u32 = 2000;

/// `orders` and `bills` with a limit, `notes` whose limit is not known.
fn rig(chunks: &Chunks) -> Rig {
    Rig::default()
        .topic("orders", Some(LIMIT))
        .topic("bills", Some(LIMIT))
        .topic("notes", None)
        .chunks(chunks)
}

/// Topic, partition, size of its batch.
type Plan<'a> = &'a [(&'a str, &'a [(i32, usize)])];

fn request(version: i16, acks: i16, plan: Plan<'_>) -> raw::Produce {
    let batches: Vec<(&str, rig::Partitions)> = plan
        .iter()
        .map(|(topic, partitions)| {
            let partition = |(index, size): &(i32, usize)| {
                let mut bytes = batch(2, *size);
                let last = bytes.len() - 1;
                bytes[last] = *index as u8; // so that no two are the same
                (*index, bytes)
            };
            (*topic, partitions.iter().map(partition).collect())
        })
        .collect();
    let topics: Vec<(&str, &[rig::Partition])> = batches
        .iter()
        .map(|(topic, all)| (*topic, &all[..]))
        .collect();
    produce(version, acks, &topics)
}

/// Topic by name or by id, partition, error code.
type Codes = Vec<(String, [u8; 16], i32, i16)>;

/// What a broker says to the whole request when it checks sizes itself.
fn broker_says(request: &raw::Produce) -> Codes {
    let broker = Broker {
        max_message_bytes: Some(LIMIT as usize),
        ..Broker::default()
    };
    let mut all = request.clone();
    all.acks = -1;
    let answer = broker.produce(&rig::Received::parse(&frame(1, &all)));
    codes(request.version, &answer)
}

fn codes(version: i16, frame: &[u8]) -> Codes {
    let (_, answer) = parse_answer(version, frame);
    let mut codes: Vec<_> = answer
        .partitions
        .iter()
        .map(|p| (p.topic.clone(), p.topic_id, p.partition, p.error_code))
        .collect();
    codes.sort();
    codes
}

/// Every shape of a request: which of its partitions are too large.
const SHAPES: [Plan<'static>; 9] = [
    &[("orders", &[(0, 2001)])],
    &[("orders", &[(0, 2001), (1, 500), (2, 500)])],
    &[("orders", &[(0, 500), (1, 2001), (2, 500)])],
    &[("orders", &[(0, 500), (1, 500), (2, 2001)])],
    &[("orders", &[(0, 2001), (1, 9000), (2, 2001)])],
    &[("orders", &[(0, 2001)]), ("bills", &[(0, 500), (1, 2000)])],
    &[
        ("bills", &[(0, 500), (1, 2001)]),
        ("orders", &[(3, 4000)]),
        ("notes", &[(7, 100)]),
    ],
    &[("bills", &[(0, 2001)]), ("orders", &[(3, 4000), (1, 5000)])],
    &[("bills", &[(0, 2000)]), ("orders", &[(3, 2000)])],
];

#[test]
fn a_refused_batch_is_answered_as_a_broker_would_and_the_others_go_on_untouched() {
    for version in 3..=13 {
        for plan in SHAPES {
            for chunks in [Chunks::All, Chunks::Of(1), Chunks::Random(17, 700)] {
                let mut rig = rig(&chunks);
                let request = request(version, -1, plan);
                let what = format!("version {version} {plan:?} {chunks:?}");
                rig.send(&frame(7, &request));
                let innocent: Vec<_> = rig::Received::parse(&frame(7, &request))
                    .partitions
                    .into_iter()
                    .filter(|(topic, _, bytes)| topic == "notes" || bytes.len() <= LIMIT as usize)
                    .collect();
                let went: Vec<_> = rig
                    .produced()
                    .into_iter()
                    .flat_map(|r| r.partitions)
                    .collect();
                assert_eq!(went, innocent, "{what}");
                let answers = rig.client_frames();
                assert_eq!(answers.len(), 1, "{what}");
                assert_eq!(codes(version, &answers[0]), broker_says(&request), "{what}");
                assert_eq!(
                    rig.to_broker.len(),
                    rig.broker_frames().concat().len(),
                    "{what}"
                );
                assert!(rig.session.in_flight().is_empty() && rig.closes().is_empty());
                // The connection lives on.
                rig.send(&frame(8, &one(version, -1, records(version, 1))));
                assert_eq!(rig.client_frames().len(), 2, "{what}");
            }
        }
    }
}

#[test]
fn each_topic_stands_once_in_a_merged_answer_and_what_the_broker_added_stays() {
    for version in 10..=13 {
        let mut rig = rig(&Chunks::All);
        rig.broker = Some(Broker {
            node_endpoints: true,
            reversed: true,
            ..Broker::default().error("orders", 1, 6)
        });
        let plan: Plan<'_> = &[("orders", &[(0, 2001), (1, 500)]), ("bills", &[(0, 2001)])];
        rig.send(&frame(7, &request(version, 1, plan)));
        let (id, answer) = parse_answer(version, &rig.to_client);
        assert_eq!(id, 7);
        let seen: Vec<_> = answer
            .partitions
            .iter()
            .map(|p| (p.partition, p.error_code))
            .collect();
        assert_eq!(seen, [(1, 6), (0, 10), (0, 10)]);
        assert!(
            !answer.partitions[0].tags.is_empty(),
            "current_leader stays"
        );
        assert_eq!(answer.tags[0].0, 0x63, "node_endpoints do not");
        assert!(answer.partitions[1].tags.is_empty());
    }
}

#[test]
fn the_text_names_size_limit_and_topic_from_version_8_on() {
    for version in [7, 8, 9, 13] {
        let mut rig = rig(&Chunks::All);
        rig.send(&frame(7, &request(version, 1, &[("orders", &[(0, 2001)])])));
        let (_, answer) = parse_answer(version, &rig.to_client);
        let partition = &answer.partitions[0];
        assert_eq!((partition.error_code, partition.base_offset), (10, -1));
        let text = partition.error_message.clone().unwrap_or_default();
        let names = ["2001", "2000", "orders"]
            .iter()
            .all(|word| text.contains(word));
        assert_eq!(names, version >= 8, "{text}");
    }
}

#[test]
fn the_client_that_sent_acks_0_is_not_answered_but_closed_and_the_rest_is_absorbed() {
    for version in [3, 8, 9, 13] {
        for plan in SHAPES {
            for chunks in [Chunks::All, Chunks::Of(1), Chunks::Random(2, 800)] {
                let mut rig = rig(&chunks);
                let request = request(version, 0, plan);
                let what = format!("version {version} {plan:?} {chunks:?}");
                rig.send(&frame(7, &request));
                assert!(rig.to_client.is_empty(), "{what}");
                let (refused, innocent): (Vec<_>, Vec<_>) = broker_says(&request)
                    .into_iter()
                    .partition(|place| place.3 == 10);
                assert_eq!(
                    rig.sums(),
                    (2 * innocent.len() as u64, 2 * refused.len() as u64, 0),
                    "{what}"
                );
                let closes: &[CloseCause] = match refused.is_empty() {
                    true => &[],
                    false => &[CloseCause::RefusedUnanswerable],
                };
                assert_eq!(rig.closes(), closes, "{what}");
                assert!(rig.produced().iter().all(|r| r.acks == -1));
                assert!(rig.session.in_flight().is_empty());
            }
        }
    }
}

#[test]
fn nothing_of_a_refused_batch_is_held_or_sent_while_it_comes() {
    for acks in [-1, 1, 0] {
        let mut rig = rig(&Chunks::Random(8, 5000));
        let large = request(9, acks, &[("orders", &[(0, 5_000_000)])]);
        let bytes = frame(7, &large);
        rig.send(&bytes[..3_000_000]);
        assert!(rig.to_broker.is_empty() && rig.collects.is_empty());
        assert!(
            rig.most_held < 16 * 1024,
            "{} bytes were held",
            rig.most_held
        );
        rig.send(&bytes[3_000_000..]);
        assert!(rig.to_broker.is_empty());
        assert_eq!(rig.client_frames().len(), usize::from(acks != 0));
    }
}

#[test]
fn a_request_with_one_partition_goes_on_with_its_first_batch_header() {
    for version in [3, 9, 13] {
        for acks in [-1, 1] {
            let mut rig = Rig::default()
                .topic("orders", Some(LIMIT))
                .topic("notes", None);
            let bytes = frame(7, &request(version, acks, &[("notes", &[(0, 60_000)])]));
            let head = bytes.len() - 60_000 + 61;
            rig.send(&bytes[..head - 1 - usize::from(version >= 9) * 3]);
            assert!(rig.to_broker.is_empty());
            rig.send(&bytes[head - 1 - usize::from(version >= 9) * 3..head + 100]);
            assert_eq!(rig.to_broker.len(), head + 100, "version {version}");
        }
    }
}

#[test]
fn a_request_is_held_until_what_is_left_is_too_small_to_be_refused() {
    let mut rig = rig(&Chunks::All);
    let plan: Plan<'_> = &[("orders", &[(0, 1900), (1, 1900), (2, 1900), (3, 1000)])];
    let bytes = frame(7, &request(8, -1, plan));
    rig.send(&bytes[..2000]);
    assert!(rig.to_broker.is_empty());
    rig.send(&bytes[2000..bytes.len() - 2900]);
    assert!(rig.to_broker.is_empty(), "partition 2 may be too large");
    rig.send(&bytes[bytes.len() - 2900..bytes.len() - 400]);
    assert_eq!(rig.to_broker.len(), bytes.len() - 400);
}

#[test]
fn a_request_that_must_be_held_whole_is_collected_within_what_was_reserved() {
    for chunks in [Chunks::All, Chunks::Random(21, 9000)] {
        let mut rig = rig(&chunks);
        let parts: Vec<(i32, usize)> = (0..100).map(|p| (p, 1900)).chain([(100, 2001)]).collect();
        let request = request(9, 1, &[("orders", &parts)]);
        let bytes = frame(7, &request);
        rig.send(&bytes).send(&frame(8, &one(9, -1, records(9, 1))));
        assert!(
            rig.collects.iter().all(|len| *len == bytes.len()),
            "{:?}",
            rig.collects
        );
        assert!(!rig.collects.is_empty());
        assert_eq!(rig.produced()[0].partitions.len(), 100);
        assert_eq!(codes(9, &rig.client_frames()[0]), broker_says(&request));
        assert_eq!(rig.client_frames().len(), 2);
    }
}

#[test]
fn a_request_that_must_be_held_and_cannot_be_closes() {
    for chunks in [Chunks::All, Chunks::Random(21, 9000)] {
        let mut rig = rig(&chunks);
        rig.collect_bytes = 100_000;
        let parts: Vec<(i32, usize)> = (0..200).map(|p| (p, 1900)).collect();
        rig.send(&frame(7, &request(9, 0, &[("orders", &parts)])));
        rig.finish();
        assert_eq!(rig.closes(), [CloseCause::LimitExceeded]);
        assert!(rig.to_broker.is_empty());
        let (confirmed, refused, unknown) = rig.sums();
        assert_eq!((confirmed, unknown), (0, 0));
        assert!(refused > 0);
    }
}

#[test]
fn counts_that_cross_127_keep_their_width_and_their_meaning() {
    for version in [8, 9, 12, 13] {
        for partitions in [126, 127, 128, 129] {
            for refused in [1, 2, 3] {
                let parts: Vec<(i32, usize)> = (0..partitions)
                    .map(|p| {
                        (
                            p,
                            if p % 40 == 5 && p / 40 < refused {
                                2001
                            } else {
                                80
                            },
                        )
                    })
                    .collect();
                let request = request(version, 1, &[("orders", &parts)]);
                let mut rig = rig(&Chunks::All);
                rig.send(&frame(7, &request));
                let what = format!("version {version} {partitions} - {refused}");
                let went = &rig.produced()[0].partitions;
                assert_eq!(went.len() as i32, partitions - refused, "{what}");
                assert_eq!(
                    codes(version, &rig.to_client),
                    broker_says(&request),
                    "{what}"
                );
            }
        }
        for topics in [127, 128, 129] {
            let names: Vec<String> = (0..topics).map(|n| format!("t{n:03}")).collect();
            let mut rig = rig(&Chunks::Random(6, 4000));
            let mut plan: Vec<(&str, &[(i32, usize)])> = names
                .iter()
                .map(|name| (name.as_str(), &[(0, 80)][..]))
                .collect();
            plan.insert(60, ("orders", &[(1, 2001)]));
            plan.push(("bills", &[(1, 2001), (2, 2001)]));
            let request = request(version, 1, &plan);
            rig.send(&frame(7, &request));
            assert_eq!(rig.produced()[0].partitions.len(), topics);
            assert_eq!(
                codes(version, &rig.to_client),
                broker_says(&request),
                "{version} {topics}"
            );
        }
    }
}

#[test]
fn each_outer_entry_of_an_old_message_set_is_a_batch() {
    for version in 0..=3 {
        for (sizes, refused) in [
            (&[1990, 1990][..], false),
            (&[100, 2100][..], true),
            (&[2100][..], true),
        ] {
            for chunks in [Chunks::All, Chunks::Of(1)] {
                let messages: Vec<raw::KeyValue> = sizes
                    .iter()
                    .map(|size| (None, Some(vec![7; size - 34])))
                    .collect();
                let set = raw::message_set(i8::from(version >= 2), &messages);
                let request = one(version, 1, set);
                let mut rig = rig(&chunks);
                rig.send(&frame(7, &request));
                assert_eq!(
                    rig.broker_frames().is_empty(),
                    refused,
                    "version {version} {sizes:?}"
                );
                let (_, answer) = parse_answer(version, &rig.to_client);
                assert_eq!(answer.error_codes(), [if refused { 10 } else { 0 }]);
            }
        }
    }
}

#[test]
fn a_second_batch_that_is_too_large_takes_the_whole_partition_with_it() {
    let mut two = batch(1, 300);
    two.extend(batch(1, 2001));
    for acks in [1, 0] {
        let mut rig = rig(&Chunks::Random(3, 100));
        rig.send(&frame(
            7,
            &produce(
                9,
                acks,
                &[("orders", &[(0, two.clone()), (1, batch(1, 100))])],
            ),
        ));
        assert_eq!(rig.produced()[0].places(), [("orders", 1)]);
        if acks == 0 {
            assert_eq!(rig.sums(), (1, 2, 0));
        }
    }
}

#[test]
fn what_is_no_whole_batch_is_left_to_the_broker() {
    // A batch that claims more than its field holds, and a few bytes behind a batch.
    let mut claims = batch(1, 3000);
    claims[8..12].copy_from_slice(&9000i32.to_be_bytes());
    let mut trailing = batch(1, 1500);
    trailing.extend([0; 900]);
    for bytes in [claims, trailing] {
        let mut rig = rig(&Chunks::Random(3, 100));
        let sent = frame(7, &one(9, -1, bytes));
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
    }
}

#[test]
fn a_limit_that_was_raised_meanwhile_lets_the_batch_through() {
    for acks in [-1, 1, 0] {
        let mut rig = rig(&Chunks::Random(3, 400));
        rig.confirm = Confirm::Limit(3000);
        rig.send(&frame(
            7,
            &request(9, acks, &[("orders", &[(0, 2500), (1, 2600), (2, 3001)])]),
        ));
        assert_eq!(rig.produced()[0].places(), [("orders", 0), ("orders", 1)]);
        assert_eq!(rig.confirms.len(), 1, "one look per topic and request");
        assert!(!rig.has(|e| matches!(e, Event::Unverified { .. })));
    }
}

#[test]
fn without_an_answer_to_the_look_up_the_batch_is_forwarded_and_counted() {
    let mut rig = rig(&Chunks::Random(3, 400));
    rig.confirm = Confirm::Silence;
    let sent = frame(7, &request(9, -1, &[("orders", &[(0, 2500), (1, 2600)])]));
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert!(rig.has(|e| matches!(
        e,
        Event::Unverified {
            scenario: Scenario::OversizedBatch
        }
    )));
    assert!(rig.rejections(Scenario::OversizedBatch).is_empty());
}

#[test]
fn nothing_is_refused_before_the_look_up_is_answered() {
    let mut rig = rig(&Chunks::All);
    rig.confirm = Confirm::Later;
    let bytes = frame(7, &request(9, -1, &[("orders", &[(0, 2500)])]));
    rig.send(&bytes);
    assert!(
        matches!(rig.request_want(), Want::Confirm(asked) if **asked == Question::Facts("orders".into()))
    );
    assert!(rig.to_client.is_empty() && rig.to_broker.is_empty());
    rig.confirm = Confirm::Same;
    rig.pump();
    assert_eq!(rig.client_frames().len(), 1);
    assert!(rig.to_broker.is_empty());
}

#[test]
fn nothing_of_a_large_frame_goes_on_after_a_look_up_before_it_may_be_announced() {
    let mut rig = rig(&Chunks::Of(500));
    rig.confirm = Confirm::Silence;
    rig.grants_announcements = false;
    let sent = frame(7, &request(9, -1, &[("orders", &[(0, 250_000)])]));
    rig.send(&sent);
    assert!(matches!(rig.request_want(), Want::Announce(_)));
    assert!(rig.to_broker.is_empty());
    rig.grants_announcements = true;
    rig.pump();
    assert!(rig.to_broker == sent);
}

#[test]
fn the_operators_own_limit_refuses_at_once_also_where_the_topics_is_not_known() {
    for acks in [-1, 1, 0] {
        let mut rig = Rig::default().topic("notes", None);
        rig.policy.max_batch_bytes = Some(1000);
        rig.send(&frame(
            7,
            &request(
                9,
                acks,
                &[
                    ("notes", &[(0, 1001), (1, 1000)]),
                    ("unheard", &[(0, 1001)]),
                ],
            ),
        ));
        assert_eq!(rig.produced()[0].places(), [("notes", 1)]);
        assert!(rig.confirms.is_empty());
        assert_eq!(
            rig.rejections(Scenario::OversizedBatch),
            [("enforce", 2)].into()
        );
    }
}

#[test]
fn a_topic_without_a_known_limit_is_left_to_the_broker() {
    let mut rig = rig(&Chunks::Of(333));
    let sent = frame(
        7,
        &request(9, -1, &[("notes", &[(0, 9000)]), ("unheard", &[(0, 9000)])]),
    );
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
}

#[test]
fn a_large_request_is_refused_per_partition_and_nothing_of_it_goes_on() {
    for version in 3..=13 {
        for acks in [-1, 1] {
            for chunks in [Chunks::All, Chunks::Of(1), Chunks::Random(5, 600)] {
                let mut rig = rig(&chunks);
                rig.policy.max_request_bytes = Some(3000);
                let plan: Plan<'_> = &[("orders", &[(0, 2500), (1, 100)]), ("notes", &[(4, 900)])];
                let request = request(version, acks, plan);
                rig.send(&frame(7, &request));
                assert!(rig.to_broker.is_empty(), "version {version} {chunks:?}");
                let (_, answer) = parse_answer(version, &rig.to_client);
                assert_eq!(answer.error_codes(), [10, 10, 10]);
                assert_eq!(
                    rig.rejections(Scenario::OversizedRequest),
                    [("enforce", 3)].into()
                );
                rig.send(&frame(8, &one(version, -1, records(version, 1))));
                assert_eq!(rig.client_frames().len(), 2, "the connection lives on");
                assert!(rig.closes().is_empty());
            }
        }
    }
}

#[test]
fn a_large_request_with_acks_0_is_counted_as_refused_and_closes() {
    for chunks in Chunks::every() {
        let mut rig = rig(&chunks);
        rig.policy.max_request_bytes = Some(3000);
        let plan: Plan<'_> = &[("orders", &[(0, 2500), (1, 100)]), ("notes", &[(4, 900)])];
        rig.send(&frame(7, &request(9, 0, plan)));
        assert!(
            rig.to_broker.is_empty() && rig.to_client.is_empty(),
            "{chunks:?}"
        );
        assert_eq!(rig.sums(), (0, 6, 0), "{chunks:?}");
        assert!(
            rig.ends()
                .iter()
                .all(|end| end.cause == OutcomeCause::Policy)
        );
        assert_eq!(rig.closes(), [CloseCause::RefusedUnanswerable]);
        assert!(rig.session.in_flight().is_empty());
    }
}

#[test]
fn nothing_of_a_large_request_goes_on_however_long_its_names_are() {
    let mut rig = rig(&Chunks::Random(5, 6000));
    rig.policy.max_request_bytes = Some(3000);
    rig.collect_bytes = 0;
    let name = "n".repeat(32_767);
    let request = request(9, 1, &[(&name, &[(0, 2500)]), (&name, &[(0, 2500)])]);
    let client_id = "c".repeat(32_767);
    rig.send(&raw::request_frame(
        0,
        9,
        1,
        Some(&client_id),
        &request.body(),
    ));
    assert!(rig.to_broker.is_empty());
    assert_eq!(rig.closes(), [CloseCause::LimitExceeded]);
}

#[test]
fn a_connection_that_closes_while_a_refused_batch_is_discarded_goes_on_counting() {
    for plan in SHAPES {
        for acks in [0, 1] {
            for version in [8, 9] {
                let bytes = frame(7, &request(version, acks, plan));
                for at in (20..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
                    let mut rig = rig(&Chunks::All);
                    rig.send(&bytes[..at]).close(CloseCause::Idle);
                    rig.send(&bytes[at..])
                        .send(&frame(8, &one(version, 0, records(version, 5))));
                    assert!(
                        rig.broker_frames().is_empty(),
                        "a frame was not whole when forwarding ended"
                    );
                    rig.client_ends().finish();
                    let records = request(version, acks, plan)
                        .topics
                        .iter()
                        .map(|t| 2 * t.partitions.len() as u64)
                        .sum::<u64>();
                    let expected = if acks == 0 { records + 5 } else { 5 };
                    assert_eq!(rig.sums(), (0, expected, 0), "{plan:?} at {at}");
                    assert!(rig.session.in_flight().is_empty());
                }
            }
        }
    }
}

#[test]
fn records_of_a_cut_off_request_end_refused_once_whether_they_were_kept_or_not() {
    for plan in SHAPES {
        let bytes = frame(7, &request(9, 0, plan));
        for at in (0..bytes.len()).step_by(41) {
            let mut rig = rig(&Chunks::All);
            rig.send(&bytes[..at]).client_ends().finish();
            let ends = rig.ends();
            assert!(
                ends.iter().all(|end| end.outcome == Outcome::Refused),
                "{ends:?}"
            );
            let mut places: Vec<_> = ends.iter().map(|e| (&e.topic, e.partition)).collect();
            places.sort();
            let all = places.len();
            places.dedup();
            assert_eq!(places.len(), all, "{ends:?}");
        }
    }
}

#[test]
fn a_refused_request_between_others_is_answered_in_its_turn() {
    for chunks in Chunks::every() {
        let mut rig = rig(&chunks).without_broker();
        let small = |id| frame(id, &one(9, -1, records(9, 1)));
        let large = frame(2, &request(9, 1, &[("orders", &[(0, 2001)])]));
        rig.send(&[small(1), large.clone(), small(3), large, small(4)].concat());
        assert!(rig.to_client.is_empty(), "{chunks:?}");
        let answers: Vec<Vec<u8>> = rig
            .produced()
            .iter()
            .map(|request| Broker::default().produce(request))
            .collect();
        assert_eq!(answers.len(), 3);
        let ids = |rig: &Rig| -> Vec<u8> { rig.client_frames().iter().map(|f| f[7]).collect() };
        rig.answer(&answers[0]);
        assert_eq!(ids(&rig), [1, 2], "{chunks:?}");
        rig.answer(&answers[1][..9]);
        rig.answer(&answers[1][9..]);
        assert_eq!(ids(&rig), [1, 2, 3, 2], "{chunks:?}");
        rig.answer(&answers[2]);
        assert_eq!(ids(&rig), [1, 2, 3, 2, 4], "{chunks:?}");
    }
}
