//! dirty_read × version × chunks: batches of transactions that a read_uncommitted client is given are counted.

use super::MODES;
use crate::support::fetches::{
    Answered, CONTROL, Request, TRANSACTIONAL, answer, batch, marker, without_endpoints,
};
use crate::support::rig::{Chunks, Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::{Completeness, Event};

fn rig(mode: Mode) -> Rig {
    let mut policy = settings(mode);
    policy.modes[Scenario::DirtyRead as usize] = mode;
    Rig::new(policy)
        .topic("orders", None)
        .topic("bills", None)
        .without_broker()
}

/// Partitions counted, by topic, and hits of exemptions.
fn counted(rig: &Rig) -> (u64, u64, u64) {
    let mut counts = (0, 0, 0);
    for event in &rig.events {
        match event {
            Event::Observed {
                scenario: Scenario::DirtyRead,
                completeness: Completeness::Exact,
                topic,
                count,
                ..
            } => match topic.as_deref() {
                Some("orders") => counts.0 += count,
                Some("bills") => counts.1 += count,
                other => panic!("{other:?}"),
            },
            Event::Exempted {
                scenario: Scenario::DirtyRead,
                count,
                ..
            } => counts.2 += count,
            _ => {}
        }
    }
    counts
}

fn partition(index: i32, records: Vec<Vec<u8>>) -> Answered {
    Answered {
        index,
        high_watermark: 500,
        last_stable_offset: 500,
        records: records.concat(),
        ..Answered::default()
    }
}

#[test]
fn each_partition_with_a_batch_of_a_transaction_is_counted_at_any_version_and_chunking() {
    for version in 4..=18 {
        for chunks in Chunks::every() {
            let mut rig = rig(Mode::Observe).chunks(&chunks);
            let request = Request::new(version, 0, 0, 0).frame();
            let plain = || batch(0, 3, -1, 0);
            let mut cut = batch(9, 5, 7, TRANSACTIONAL);
            cut.truncate(40);
            let answer = answer(
                version,
                1,
                &[
                    (
                        "orders",
                        vec![
                            partition(
                                0,
                                vec![plain(), batch(3, 2, 7, TRANSACTIONAL), marker(5, 7, 0)],
                            ),
                            partition(1, vec![plain(), plain()]),
                            partition(2, vec![marker(0, 7, 1)]),
                            partition(3, vec![]),
                        ],
                    ),
                    ("bills", vec![partition(0, vec![plain(), cut])]),
                ],
            );
            rig.send(&request).answer(&answer);
            assert_eq!(rig.to_broker, request);
            assert!(rig.to_client == without_endpoints(version, &answer));
            assert_eq!(counted(&rig), (2, 1, 0), "version {version} {chunks:?}");
            assert!(rig.session.in_flight().is_empty() && rig.closes().is_empty());
        }
    }
}

#[test]
fn a_client_that_reads_what_is_committed_is_not_counted_and_neither_is_a_producer_without_transactions()
 {
    for (isolation_level, attributes, expected) in [
        (0, TRANSACTIONAL, 1),
        (0, TRANSACTIONAL | CONTROL, 1),
        (0, 0, 0),
        (0, 1 << 3, 0),
        (1, TRANSACTIONAL, 0),
    ] {
        for mode in MODES {
            if mode == Mode::Enforce {
                continue;
            }
            let mut rig = rig(mode);
            rig.send(&Request::new(13, isolation_level, 0, 0).frame());
            let records = vec![batch(0, 3, 7, attributes)];
            rig.answer(&answer(13, 1, &[("orders", vec![partition(0, records)])]));
            let expected = if mode == Mode::Off { 0 } else { expected };
            assert_eq!(counted(&rig).0, expected, "{isolation_level} {attributes}");
        }
    }
}

#[test]
fn an_exempt_client_or_topic_is_not_counted_and_the_exemption_is() {
    for (topics, client_ids, expected) in [
        (&["orders"][..], &[][..], (0, 0, 1)),
        (&[], &["app"], (0, 0, 1)),
        (&["bills"], &[], (1, 0, 0)),
        (&["orders"], &["other"], (1, 0, 0)),
    ] {
        let mut policy = settings(Mode::Observe);
        policy.exemptions = vec![exemption(Scenario::DirtyRead, topics, client_ids)];
        let mut rig = Rig::new(policy).topic("orders", None).without_broker();
        rig.send(&Request::new(9, 0, 0, 0).frame());
        let records = vec![batch(0, 3, 7, TRANSACTIONAL)];
        rig.answer(&answer(9, 1, &[("orders", vec![partition(0, records)])]));
        assert_eq!(counted(&rig), expected, "{topics:?} {client_ids:?}");
    }
}
