//! dirty_read × version × chunks: batches of transactions that a read_uncommitted client is given are counted; in force it is
//! given what a read_committed one would see, and reads on.

use super::MODES;
use crate::support::fetches::{
    Answered, CONTROL, Request, TRANSACTIONAL, answer, batch, marker, without_endpoints,
};
use crate::support::raw::{self, Body, LIST_OFFSETS};
use crate::support::rig::response;
use crate::support::rig::{Chunks, Rig, exemption, settings};
use bytes::Bytes;
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::{Completeness, Event};
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::protocol::Decodable;
use kafka_protocol::records::RecordBatchDecoder;
use proptest::prelude::*;
use std::collections::BTreeMap;

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

// ------------------------------------------------------------------------------------------------------ in force

/// What a read_uncommitted client makes of an answer: its records by topic and offset, where it reads on, and the end.
#[derive(Clone, PartialEq, Debug, Default)]
struct Read {
    offsets: Vec<i64>,
    position: i64,
    end: i64,
}

fn read(version: i16, frame: &[u8]) -> Vec<Read> {
    let header = if version >= 12 { 9 } else { 8 };
    let mut body = Bytes::copy_from_slice(&frame[header..]);
    let answer = FetchResponse::decode(&mut body, version).expect("a Fetch answer");
    assert!(body.is_empty());
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let read = partitions.map(|partition| {
        let mut read = Read {
            end: partition.high_watermark,
            ..Read::default()
        };
        let mut records = partition.records.clone().unwrap_or_default();
        // Checksums are looked at.
        while !records.is_empty() {
            let base = i64::from_be_bytes(records[..8].try_into().expect("8 bytes"));
            let delta = i32::from_be_bytes(records[23..27].try_into().expect("4 bytes"));
            let set = RecordBatchDecoder::decode(&mut records).expect("a batch");
            assert!(!set.records.is_empty(), "librdkafka wants a record in each");
            let given = set.records.iter().filter(|record| !record.control);
            read.offsets.extend(given.map(|record| record.offset));
            read.position = base + i64::from(delta) + 1;
        }
        read
    });
    read.collect()
}

/// Sends a read_uncommitted request through a gateway that enforces, and hands the client the answer.
fn enforced(version: i16, chunks: &Chunks, topics: &[(&str, Vec<Answered>)]) -> Rig {
    let mut rig = rig(Mode::Enforce).chunks(chunks);
    let request = Request::new(version, 0, 0, 0);
    let raised = Request {
        isolation_level: 1,
        ..request.clone()
    };
    rig.send(&request.frame());
    assert!(rig.to_broker == raised.frame(), "one byte is another one");
    rig.answer(&answer(version, 1, topics));
    assert!(rig.closes().is_empty(), "{:?}", rig.events);
    assert!(rig.session.in_flight().is_empty());
    rig
}

#[test]
fn aborted_batches_are_taken_out_and_the_client_reads_on_behind_them_at_any_version_and_chunking() {
    let partition = || Answered {
        aborted: vec![(8, 20), (7, 3), (9, 5)],
        high_watermark: 30,
        last_stable_offset: 27,
        ..partition(
            0,
            vec![
                batch(0, 3, -1, 0),
                batch(3, 2, 7, TRANSACTIONAL),
                batch(5, 1, 9, TRANSACTIONAL),
                batch(6, 2, 5, TRANSACTIONAL),
                marker(8, 7, 0),
                batch(9, 2, 7, TRANSACTIONAL),
                marker(11, 5, 1),
                batch(12, 8, 9, TRANSACTIONAL),
                batch(20, 2, 8, TRANSACTIONAL),
            ],
        )
    };
    for version in 4..=18 {
        for chunks in Chunks::every() {
            let topics = [("orders", vec![partition()]), ("bills", vec![partition()])];
            let rig = enforced(version, &chunks, &topics);
            let expected = Read {
                offsets: vec![0, 1, 2, 6, 7, 9, 10],
                position: 22,
                end: 27,
            };
            let found = read(version, &rig.client_frames()[0]);
            assert_eq!(found, [expected.clone(), expected], "{version} {chunks:?}");
            let removed = |topic| rig.topic_overrides(Scenario::DirtyRead, topic);
            assert_eq!((removed("orders"), removed("bills")), ((1, 13), (1, 13)));
            assert_eq!(rig.overrides(Scenario::DirtyRead)["enforce"], 1);
            assert_eq!(counted(&rig), (1, 1, 0));
        }
    }
}

#[test]
fn an_answer_in_which_nothing_was_aborted_is_the_same_but_for_the_end_of_the_log() {
    for version in 4..=18 {
        let mut partition = Answered {
            high_watermark: 30,
            last_stable_offset: 27,
            ..partition(0, vec![batch(0, 3, 7, TRANSACTIONAL), marker(3, 7, 1)])
        };
        let topics = [("orders", vec![partition.clone()])];
        let rig = enforced(version, &Chunks::All, &topics);
        partition.high_watermark = 27;
        let expected = answer(version, 1, &[("orders", vec![partition])]);
        assert!(rig.to_client == without_endpoints(version, &expected));
    }
}

#[test]
fn records_of_an_exempted_topic_stay() {
    let mut policy = settings(Mode::Enforce);
    policy.modes[Scenario::DirtyRead as usize] = Mode::Enforce;
    policy.exemptions = vec![exemption(Scenario::DirtyRead, &["bills"], &[])];
    let mut rig = Rig::new(policy)
        .topic("orders", None)
        .topic("bills", None)
        .without_broker();
    let partition = || Answered {
        aborted: vec![(7, 0)],
        ..partition(0, vec![batch(0, 2, 7, TRANSACTIONAL), marker(2, 7, 0)])
    };
    rig.send(&Request::new(13, 0, 0, 0).frame());
    rig.answer(&answer(
        13,
        1,
        &[("orders", vec![partition()]), ("bills", vec![partition()])],
    ));
    let found = read(13, &rig.client_frames()[0]);
    assert_eq!((found[0].offsets.len(), found[1].offsets.len()), (0, 2));
    assert_eq!((found[0].position, found[1].position), (3, 3));
    assert_eq!(counted(&rig), (1, 0, 1));
}

#[test]
fn the_level_of_list_offsets_is_raised_for_the_same_clients_and_nothing_else_is_touched() {
    for (mode, client_ids, raised) in [
        (Mode::Enforce, &[][..], true),
        (Mode::Enforce, &["app"], false),
        (Mode::Observe, &[], false),
        (Mode::Off, &[], false),
    ] {
        for version in 0..=11 {
            for (replica_id, level) in [(-1, 0), (-1, 1), (2, 0)] {
                for chunks in [Chunks::All, Chunks::Of(1)] {
                    let mut rig = rig(mode).chunks(&chunks);
                    if !client_ids.is_empty() {
                        let exempt = exemption(Scenario::DirtyRead, &[], client_ids);
                        rig.policy.exemptions = vec![exempt];
                    }
                    let mut body = Body::new();
                    body.i32(replica_id).i8(level).i32(0).i32(0);
                    let sent = list_offsets(version, &body.0);
                    let applies = raised && version >= 2 && replica_id == -1 && level == 0;
                    if applies {
                        body.0[4] = 1;
                    }
                    rig.send(&sent);
                    let expected = list_offsets(version, &body.0);
                    assert!(rig.to_broker == expected, "{mode:?} {version} {replica_id}");
                    let answer = response(&[0, 0, 0, 1], b"whatever");
                    rig.answer(&answer);
                    assert_eq!(rig.to_client, answer);
                    let overrides = rig.overrides(Scenario::DirtyRead);
                    assert_eq!(overrides.get("enforce").copied(), applies.then_some(1));
                }
            }
        }
    }
}

fn list_offsets(version: i16, body: &[u8]) -> Vec<u8> {
    raw::request_frame(LIST_OFFSETS, version, 1, Some("app"), body)
}

/// A log of transactions: what is written, and how each producer's transactions end.
#[derive(Clone, Copy, Debug)]
enum Written {
    Records(i64, u64),
    Plain(u64),
    End(i64, bool),
}

fn written() -> impl Strategy<Value = Written> {
    prop_oneof![
        3 => (1_i64..4, 1_u64..4).prop_map(|(producer, count)| Written::Records(producer, count)),
        1 => (1_u64..4).prop_map(Written::Plain),
        2 => (1_i64..4, any::<bool>()).prop_map(|(producer, commits)| Written::End(producer, commits)),
    ]
}

proptest! {
    /// As a read_committed consumer would see the same log, whatever part of it an answer holds.
    #[test]
    fn a_client_is_given_what_was_committed_and_all_of_it(
        log in prop::collection::vec(written(), 1..24),
        from: prop::sample::Index,
        version in 4_i16..=18,
    ) {
        // Batches, and of each whether its records count, as far as it is decided.
        let (mut batches, mut offset) = (Vec::new(), 0_i64);
        let mut open: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        let mut aborted = Vec::new();
        for step in log {
            match step {
                Written::Records(producer, count) => {
                    open.entry(producer).or_default().push(batches.len());
                    batches.push((offset, count, batch(offset, count, producer, TRANSACTIONAL), None));
                    offset += count as i64;
                }
                Written::Plain(count) => {
                    batches.push((offset, count, batch(offset, count, -1, 0), Some(true)));
                    offset += count as i64;
                }
                Written::End(producer, commits) => {
                    let Some(own) = open.remove(&producer) else {
                        continue;
                    };
                    if !commits {
                        aborted.push((producer, batches[own[0]].0));
                    }
                    for at in own {
                        batches[at].3 = Some(commits);
                    }
                    batches.push((offset, 1, marker(offset, producer, i16::from(commits)), Some(false)));
                    offset += 1;
                }
            }
        }
        // Only what is decided is sent: up to the first open transaction.
        let stable = batches.iter().position(|(.., given)| given.is_none()).unwrap_or(batches.len());
        batches.truncate(stable);
        prop_assume!(!batches.is_empty());
        let sent = &batches[from.index(batches.len())..];
        let first = sent[0].0;
        let last = sent[sent.len() - 1].0 + sent[sent.len() - 1].1 as i64;
        aborted.retain(|(_, at)| *at < last);
        let expected: Vec<i64> = sent
            .iter()
            .filter(|(.., given)| *given == Some(true))
            .flat_map(|(at, count, ..)| *at..*at + *count as i64)
            .collect();
        // Brokers tell of what ended behind the first offset only.
        let ends_before = |(producer, at): &(i64, i64)| {
            batches.iter().any(|(offset, _, bytes, _)| {
                *offset >= *at && *offset < first && bytes[22] & 0x20 != 0 && bytes[50] == *producer as u8
            })
        };
        aborted.retain(|found| !ends_before(found));
        let partition = Answered {
            aborted,
            high_watermark: offset,
            last_stable_offset: last,
            ..partition(0, sent.iter().map(|(.., bytes, _)| bytes.clone()).collect())
        };
        let rig = enforced(version, &Chunks::All, &[("orders", vec![partition])]);
        let found = read(version, &rig.client_frames()[0]);
        prop_assert_eq!(&found[0].offsets, &expected);
        prop_assert_eq!((found[0].position, found[0].end), (last, last));
    }

    #[test]
    fn records_that_are_none_are_passed_or_the_answer_closes_and_nothing_panics(
        seed: u64,
        at: prop::sample::Index,
        byte: u8,
        version in 4_i16..=18,
    ) {
        let good = Answered {
            aborted: vec![(7, 3), (seed as i64, seed as i64)],
            ..partition(0, vec![batch(0, 3, 7, TRANSACTIONAL), batch(3, 2, 7, TRANSACTIONAL), marker(5, 7, 0)])
        };
        let mut bytes = answer(version, 1, &[("orders", vec![good])]);
        let at = 8 + at.index(bytes.len() - 8);
        bytes[at] = byte;
        let mut rig = rig(Mode::Enforce);
        rig.send(&Request::new(version, 0, 0, 0).frame()).answer(&bytes);
        prop_assert!(rig.session.in_flight().is_empty() || !rig.closes().is_empty());
    }
}
