//! acks and timeout are changed where they lie, and not one other byte.

use crate::support::raw;
use crate::support::rig::{
    self, Chunks, Rig, batch, exemption, frame, one, produce, records, settings,
};
use holdfast::policy::{BelowMinIsr, Mode, Scenario};
use holdfast::session::event::{CloseCause, Degradation, Event, Outcome, OutcomeCause};

/// The same request with other acks.
fn with_acks(request: &raw::Produce, acks: i16) -> raw::Produce {
    raw::Produce {
        acks,
        ..request.clone()
    }
}

#[test]
fn everything_below_all_becomes_all_and_only_those_two_bytes_differ() {
    for version in 0..=13 {
        for acks in [0, 1, 2, -2, 1000, i16::MIN] {
            for chunks in Chunks::every() {
                let mut rig = Rig::default()
                    .topic("orders", Some(1_000_000))
                    .chunks(&chunks);
                let mut request = one(version, acks, records(version, 2));
                request.transactional_id = (version >= 3).then(|| "tx".to_owned());
                rig.send(&frame(1, &request)).send(&frame(2, &request));
                let all = with_acks(&request, -1);
                let expected = [frame(1, &all), frame(2, &all)].concat();
                assert_eq!(
                    rig.to_broker, expected,
                    "version {version} acks {acks} {chunks:?}"
                );
                let answers = if acks == 0 { 0 } else { 2 };
                assert_eq!(rig.client_frames().len(), answers);
                assert!(rig.session.in_flight().is_empty() && rig.closes().is_empty());
            }
        }
    }
}

#[test]
fn a_large_frame_streams_with_its_acks_changed() {
    for acks in [0, 1] {
        for chunks in [Chunks::All, Chunks::Random(9, 8000)] {
            let mut rig = Rig::default().topic("orders", None).chunks(&chunks);
            let request = one(9, acks, batch(5, 300_000));
            rig.send(&frame(7, &request));
            assert!(rig.to_broker == frame(7, &with_acks(&request, -1)));
            assert!(rig.collects.is_empty());
        }
    }
}

#[test]
fn a_timeout_below_the_floor_is_raised_only_where_acks_was_0() {
    for version in 0..=13 {
        for (acks, expected) in [(0, 5_000), (1, 100), (-1, 100), (2, 100)] {
            let mut rig = Rig::default();
            rig.send(&frame(
                1,
                &one(version, acks, records(version, 1)).timeout_ms(100),
            ));
            let request = &rig.produced()[0];
            assert_eq!(
                (request.acks, request.timeout_ms),
                (-1, expected),
                "version {version} acks {acks}"
            );
        }
    }
    let mut rig = Rig::default();
    rig.send(&frame(1, &one(9, 0, records(9, 1)).timeout_ms(5_000)));
    assert_eq!(rig.produced()[0].timeout_ms, 5_000);
}

#[test]
fn a_degraded_partition_keeps_acks_0_from_becoming_more_than_1() {
    for version in [3, 8, 9, 13] {
        for chunks in Chunks::every() {
            let mut rig = Rig::default()
                .topic("orders", None)
                .degraded("orders", 2)
                .chunks(&chunks);
            let batches = |parts: &[i32]| -> Vec<(i32, Vec<u8>)> {
                parts.iter().map(|p| (*p, records(version, 1))).collect()
            };
            rig.send(&frame(
                1,
                &produce(version, 0, &[("orders", &batches(&[0, 1]))]),
            ));
            rig.send(&frame(
                2,
                &produce(version, 0, &[("orders", &batches(&[0, 2]))]),
            ));
            rig.send(&frame(
                3,
                &produce(version, 0, &[("orders", &batches(&[2, 0]))]),
            ));
            let acks: Vec<i16> = rig.produced().iter().map(|r| r.acks).collect();
            assert_eq!(acks, [-1, 1, 1], "version {version} {chunks:?}");
            assert!(
                rig.to_client.is_empty(),
                "its answer is absorbed all the same"
            );
            assert_eq!(rig.sums(), (6, 0, 0));
            assert!(
                rig.has(|e| matches!(
                    e,
                    Event::Degraded {
                        scenario: Scenario::AcksNone,
                        reason: Degradation::BelowMinIsr,
                        count: 2
                    }
                )) || rig
                    .events
                    .iter()
                    .filter(|e| matches!(e, Event::Degraded { .. }))
                    .count()
                    == 2
            );
        }
    }
}

#[test]
fn acks_1_stays_1_on_a_degraded_partition_only_where_the_operator_wants_it() {
    for (below, expected) in [(BelowMinIsr::Refuse, -1), (BelowMinIsr::Leader, 1)] {
        let mut rig = Rig::default().topic("orders", None).degraded("orders", 0);
        rig.policy.below_min_isr = below;
        rig.send(&frame(1, &one(9, 1, records(9, 1))));
        assert_eq!(rig.produced()[0].acks, expected, "{below:?}");
        rig.send(&frame(2, &one(9, 7, records(9, 1))));
        assert_eq!(
            rig.produced()[1].acks,
            -1,
            "7 is no acks that a leader takes"
        );
        assert_eq!(rig.client_frames().len(), 2);
    }
}

#[test]
fn partitions_of_another_leader_hold_nothing_up() {
    let mut rig = Rig::default().topic("orders", None).degraded("orders", 0);
    rig.node_id = Some(2);
    let bytes = frame(1, &one(9, 0, batch(1, 1000)));
    rig.send(&bytes[..bytes.len() - 10]);
    assert_eq!(rig.to_broker.len(), bytes.len() - 10);
}

#[test]
fn a_request_is_held_no_longer_than_a_degraded_partition_may_still_be_ahead() {
    let mut rig = Rig::default().topic("orders", None).degraded("orders", 1);
    let batches = [
        (0, batch(1, 1000)),
        (1, batch(1, 1000)),
        (2, batch(1, 1000)),
    ];
    let bytes = frame(1, &produce(9, 0, &[("orders", &batches)]));
    // Within partition 1: nothing ahead can make it less degraded.
    rig.send(&bytes[..1500]);
    assert_eq!(rig.to_broker.len(), 1500);
    let mut rig = Rig::default().topic("orders", None).degraded("orders", 3);
    rig.send(&bytes[..1500]);
    assert!(rig.to_broker.is_empty(), "partition 3 may still come");
    rig.send(&bytes[1500..2500]);
    assert_eq!(rig.to_broker.len(), 2500, "the last partition was entered");
}

#[test]
fn an_exempted_client_is_let_through_and_counted() {
    for acks in [0, 1] {
        let scenario = if acks == 0 {
            Scenario::AcksNone
        } else {
            Scenario::AcksLeader
        };
        let mut policy = settings(Mode::Enforce);
        policy.exemptions = vec![exemption(scenario, &[], &["app"])];
        let mut rig = Rig::new(policy);
        let bytes = frame(1, &one(9, acks, records(9, 2)));
        rig.send(&bytes);
        assert_eq!(rig.to_broker, bytes);
        assert!(rig.has(|e| matches!(e, Event::Exempted { scenario: s, .. } if *s == scenario)));
        assert!(rig.overrides(scenario).is_empty());
        let other = raw::request_frame(
            0,
            9,
            2,
            Some("another"),
            &one(9, acks, records(9, 2)).body(),
        );
        rig.send(&other);
        assert_eq!(rig.produced()[1].acks, -1, "another client is not exempted");
        let expected = if acks == 0 { (2, 0, 2) } else { (0, 0, 0) };
        assert_eq!(rig.sums(), expected, "what went up as acks=0 is unknown");
    }
}

#[test]
fn the_stricter_topic_of_a_request_wins_over_an_exempted_one() {
    for acks in [0, 1] {
        for chunks in Chunks::every() {
            let scenario = if acks == 0 {
                Scenario::AcksNone
            } else {
                Scenario::AcksLeader
            };
            let mut policy = settings(Mode::Enforce);
            policy.exemptions = vec![exemption(scenario, &["metrics*"], &[])];
            let mut rig = Rig::new(policy).topic("orders", None).chunks(&chunks);
            let part = [(0, records(9, 1))];
            for topics in [
                &[("metrics.cpu", &part[..]), ("metrics", &part[..])][..],
                &[("metrics", &part[..]), ("orders", &part[..])][..],
                &[("orders", &part[..]), ("metrics", &part[..])][..],
            ] {
                rig.send(&frame(1, &produce(9, acks, topics)));
            }
            let seen: Vec<i16> = rig.produced().iter().map(|r| r.acks).collect();
            assert_eq!(seen, [acks, -1, -1], "acks {acks} {chunks:?}");
            let exempted = rig
                .events
                .iter()
                .filter(|e| matches!(e, Event::Exempted { .. }));
            assert_eq!(exempted.count(), 1);
            if acks == 0 {
                assert_eq!(rig.sums(), (4, 0, 2));
                assert!(rig.to_client.is_empty());
            } else {
                assert_eq!(rig.client_frames().len(), 3);
            }
            assert!(rig.session.in_flight().is_empty());
        }
    }
}

#[test]
fn a_topic_id_without_a_name_falls_under_no_exemption() {
    let mut policy = settings(Mode::Enforce);
    policy.exemptions = vec![exemption(Scenario::AcksLeader, &["*"], &[])];
    let mut rig = Rig::new(policy);
    rig.send(&frame(1, &one(13, 1, records(13, 1))));
    assert_eq!(rig.produced()[0].acks, -1);
    let mut rig = Rig::new(rig.policy.clone()).topic("orders", None);
    rig.send(&frame(1, &one(13, 1, records(13, 1))));
    assert_eq!(rig.produced()[0].acks, 1);
}

#[test]
fn a_request_that_cannot_be_held_for_its_topics_gets_the_stricter_answer() {
    for version in [3, 9] {
        for acks in [0, 1] {
            for chunks in [Chunks::All, Chunks::Of(1000), Chunks::Random(4, 70_000)] {
                let mut policy = settings(Mode::Enforce);
                policy.exemptions = vec![
                    exemption(Scenario::AcksLeader, &["metrics"], &[]),
                    exemption(Scenario::AcksNone, &["metrics"], &[]),
                ];
                let mut rig = Rig::new(policy).chunks(&chunks);
                rig.collect_bytes = 100_000;
                let batches = [
                    (0, batch(1, 90_000)),
                    (1, batch(1, 90_000)),
                    (2, batch(1, 300)),
                ];
                let request = produce(
                    version,
                    acks,
                    &[("metrics", &batches), ("orders", &batches)],
                );
                rig.send(&frame(1, &request));
                let expected = frame(1, &with_acks(&request, -1));
                assert!(
                    rig.to_broker == expected,
                    "version {version} acks {acks} {chunks:?}"
                );
                assert!(rig.has(|e| matches!(e, Event::Unjudged { .. })));
                assert!(rig.session.in_flight().is_empty());
                assert!(rig.most_held <= 64 * 1024);
            }
        }
    }
}

#[test]
fn what_is_observed_changes_no_byte_holds_nothing_and_is_counted() {
    for acks in [0, 1] {
        for topics in [&[][..], &["metrics"][..]] {
            let scenario = if acks == 0 {
                Scenario::AcksNone
            } else {
                Scenario::AcksLeader
            };
            let mut policy = settings(Mode::Observe);
            if !topics.is_empty() {
                policy.exemptions = vec![exemption(scenario, topics, &[])];
            }
            let mut rig = Rig::new(policy)
                .topic("orders", Some(100))
                .degraded("orders", 0);
            let part = [(0, batch(2, 1000)), (1, batch(2, 1000))];
            let sent = frame(
                1,
                &produce(9, acks, &[("metrics", &part), ("orders", &part)]).timeout_ms(1),
            );
            rig.send(&sent[..sent.len() - 5]);
            assert_eq!(
                rig.to_broker.len(),
                sent.len() - 5,
                "observing holds nothing"
            );
            rig.send(&sent[sent.len() - 5..]);
            assert_eq!(rig.to_broker, sent);
            assert_eq!(rig.overrides(scenario), [("observe", 1)].into());
            assert_eq!(rig.overrides(Scenario::AckTimeout), [("observe", 1)].into());
            assert_eq!(
                rig.rejections(Scenario::OversizedBatch),
                [("observe", 2)].into()
            );
            assert!(rig.closes().is_empty() && rig.confirms.is_empty());
        }
    }
}

#[test]
fn what_is_off_is_neither_changed_nor_counted() {
    for acks in [0, 1] {
        let mut rig = Rig::new(settings(Mode::Off)).topic("orders", Some(100));
        rig.policy.max_request_bytes = Some(500);
        let sent = frame(1, &one(9, acks, batch(2, 1000)).timeout_ms(1));
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
        assert!(
            rig.events.iter().all(|e| matches!(
                e,
                Event::Requests { .. }
                    | Event::ClientId(_)
                    | Event::Acks { .. }
                    | Event::Batch { .. }
                    | Event::Answered { .. }
            )),
            "{:?}",
            rig.events
        );
    }
}

#[test]
fn settings_that_change_hold_from_the_next_request_on() {
    let mut rig = Rig::new(settings(Mode::Off));
    let bytes = frame(1, &one(9, 1, batch(2, 1000)));
    rig.send(&bytes);
    rig.policy = settings(Mode::Enforce);
    rig.reload();
    rig.send(&bytes);
    let acks: Vec<i16> = rig.produced().iter().map(|r| r.acks).collect();
    assert_eq!(acks, [1, -1]);
}

#[test]
fn a_request_without_topics_is_answered_or_absorbed_like_any_other() {
    for version in [0, 3, 9, 13] {
        for acks in [0, 1, -1] {
            for policy in [settings(Mode::Enforce), settings(Mode::Observe)] {
                let mut rig = Rig::new(policy)
                    .topic("orders", Some(10))
                    .degraded("orders", 0);
                rig.send(&frame(1, &produce(version, acks, &[])));
                rig.send(&frame(2, &produce(version, acks, &[("orders", &[])])));
                assert_eq!(rig.broker_frames().len(), 2);
                assert_eq!(rig.client_frames().len(), if acks == 0 { 0 } else { 2 });
                assert!(rig.session.in_flight().is_empty() && rig.closes().is_empty());
            }
        }
    }
}

#[test]
fn a_null_record_set_is_no_batch_and_no_record() {
    for version in [3, 9, 13] {
        for acks in [0, 1, -1] {
            let mut rig = Rig::default()
                .topic("orders", Some(10))
                .degraded("orders", 3);
            let mut request = one(version, acks, records(version, 1));
            request.topics[0].partitions[0].1 = None;
            rig.send(&frame(1, &request));
            assert_eq!(rig.to_broker, frame(1, &with_acks(&request, -1)));
            assert_eq!(rig.sums(), (0, 0, 0));
            assert_eq!(rig.client_frames().len(), usize::from(acks != 0));
        }
    }
}

#[test]
fn a_produce_that_does_not_follow_its_schema_closes() {
    let good = frame(1, &one(9, 1, records(9, 1)));
    // The count of topics becomes null, and one that runs past the frame.
    let topics_at = good.len() - one(9, 1, records(9, 1)).body().len() + 7;
    for (at, byte) in [(topics_at, 0), (topics_at, 9)] {
        let mut bad = good.clone();
        bad[at] = byte;
        for chunks in Chunks::every() {
            let mut rig = Rig::default().topic("orders", None).chunks(&chunks);
            rig.send(&bad);
            rig.finish();
            assert_eq!(
                rig.closes().len(),
                usize::from(byte == 0 || byte == 9),
                "{byte}"
            );
            assert_eq!(rig.closes(), [CloseCause::Malformed], "{byte}");
        }
    }
}

#[test]
fn what_went_up_as_acks_0_is_counted_as_unknown_and_never_waits() {
    let mut rig = Rig::new(settings(Mode::Observe));
    for id in 0..200 {
        rig.send(&frame(id, &one(9, 0, records(9, 3))));
    }
    assert_eq!(rig.broker_frames().len(), 200);
    assert_eq!(rig.sums(), (0, 0, 600));
    assert!(
        rig.ends()
            .iter()
            .all(|end| end.outcome == Outcome::Unknown && end.cause == OutcomeCause::NotAsked)
    );
    assert!(rig.session.in_flight().is_empty());
    let _ = rig::topic_id;
}
