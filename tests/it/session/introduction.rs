//! Who the client is, how it writes and what it is told, as events; and that a look at it changes no byte.

use crate::support::raw::{self, Body};
use crate::support::rig::{Broker, Chunks, Rig, batch, frame, one, produce, records, settings};
use holdfast::policy::Mode;
use holdfast::session::event::Event;
use holdfast::wire::api::ErrorCode;
use std::collections::BTreeMap;

const API_VERSIONS: i16 = 18;

fn api_versions(version: i16, name: &str, software_version: &str) -> Vec<u8> {
    let mut body = Body::new();
    if version >= 3 {
        body.compact_string(name)
            .compact_string(software_version)
            .tags();
    }
    raw::request_frame(API_VERSIONS, version, 1, Some("app"), &body.0)
}

fn software(rig: &Rig) -> Vec<(String, String)> {
    let named = rig.events.iter().filter_map(|event| match event {
        Event::Software { name, version } => Some((name.to_string(), version.to_string())),
        _ => None,
    });
    named.collect()
}

fn client_ids(rig: &Rig) -> Vec<Option<String>> {
    let named = rig.events.iter().filter_map(|event| match event {
        Event::ClientId(client_id) => Some(client_id.as_deref().map(str::to_owned)),
        _ => None,
    });
    named.collect()
}

fn errors(rig: &Rig) -> BTreeMap<(i16, Option<String>), u64> {
    let mut all = BTreeMap::new();
    for event in &rig.events {
        if let Event::AnswerError {
            error_code,
            topic,
            count,
        } = event
        {
            let topic = topic.as_deref().map(str::to_owned);
            *all.entry((error_code.0, topic)).or_default() += count;
        }
    }
    all
}

fn batches(rig: &Rig) -> Vec<(bool, u64)> {
    let sampled = rig.events.iter().filter_map(|event| match event {
        Event::Batch {
            idempotent, bytes, ..
        } => Some((*idempotent, *bytes)),
        _ => None,
    });
    sampled.collect()
}

#[test]
fn client_id_and_library_are_told_before_the_first_request_and_no_byte_changes() {
    for version in 0..=5 {
        for chunks in Chunks::every() {
            let mut rig = Rig::default().without_broker().chunks(&chunks);
            let sent = api_versions(version, "apache-kafka-java", "4.3.1");
            rig.send(&sent);
            assert_eq!(rig.to_broker, sent, "version {version} {chunks:?}");
            let expected = [("apache-kafka-java".to_owned(), "4.3.1".to_owned())];
            let expected: &[_] = if version >= 3 { &expected } else { &[] };
            assert_eq!(software(&rig), expected, "version {version} {chunks:?}");
            let whole = version >= 3 || matches!(chunks, Chunks::All);
            if whole {
                assert_eq!(client_ids(&rig), [Some("app".to_owned())]);
                assert!(matches!(rig.events.last(), Some(Event::Requests { .. })));
            }
        }
    }
}

#[test]
fn an_introduction_that_no_broker_would_accept_passes_as_it_came() {
    let mut claims = Body::new();
    claims.uvarint(u32::MAX).bytes(b"x");
    for body in [
        Vec::new(),
        vec![0xff; 30],
        claims.0,
        vec![2, b' ', 2, b'1', 0],
        vec![0, 0, 0],
        vec![0; 6000],
    ] {
        for version in 3..=5 {
            let sent = raw::request_frame(API_VERSIONS, version, 1, Some("app"), &body);
            let mut rig = Rig::default().without_broker();
            rig.send(&sent);
            assert_eq!(rig.to_broker, sent);
            assert!(software(&rig).is_empty() && rig.closes().is_empty());
        }
    }
}

#[test]
fn a_library_is_named_once_in_a_connection() {
    let mut rig = Rig::default().without_broker();
    for number in 0..20 {
        rig.send(&api_versions(3, &format!("x{number}"), "1"));
    }
    assert_eq!(software(&rig), [("x0".to_owned(), "1".to_owned())]);
}

#[test]
fn a_client_without_an_introduction_is_known_by_its_first_header() {
    let mut rig = Rig::default().without_broker();
    let sent = raw::request_frame(12, 0, 1, Some("old"), b"whatever");
    rig.send(&sent).send(&sent);
    assert_eq!(client_ids(&rig), [Some("old".to_owned())]);
    assert_eq!(rig.to_broker, [sent.clone(), sent].concat());
}

#[test]
fn acks_are_counted_as_the_client_sent_them() {
    for mode in [Mode::Off, Mode::Observe, Mode::Enforce] {
        let mut rig = Rig::new(settings(mode)).topic("orders", None);
        for (id, acks) in [(1, 0), (2, 1), (3, -1), (4, -1), (5, 1), (6, -1)] {
            rig.send(&frame(id, &one(9, acks, records(9, 1))));
        }
        let mut counted = BTreeMap::new();
        for event in &rig.events {
            if let Event::Acks { acks, count } = event {
                *counted.entry(*acks).or_default() += count;
            }
        }
        assert_eq!(counted, [(0, 1), (1, 2), (-1, 3_u64)].into(), "{mode:?}");
    }
}

#[test]
fn the_first_produce_and_one_in_1024_are_sampled() {
    for version in [3, 8, 9, 13] {
        let mut rig = Rig::default().topic("orders", Some(1_000_000));
        let mut plain = batch(3, 500);
        plain[43..51].copy_from_slice(&(-1_i64).to_be_bytes());
        let mut idempotent = batch(3, 900);
        idempotent[43..51].copy_from_slice(&7_i64.to_be_bytes());
        rig.send(&frame(0, &one(version, -1, plain)));
        for id in 1..1024 {
            rig.send(&frame(id, &one(version, -1, idempotent.clone())));
        }
        assert_eq!(batches(&rig), [(false, 500)], "version {version}");
        rig.send(&frame(1024, &one(version, -1, idempotent.clone())));
        assert_eq!(batches(&rig), [(false, 500), (true, 900)]);
    }
}

#[test]
fn errors_that_clients_are_told_are_counted_by_code_and_topic_and_absorbed_ones_are_not() {
    for version in [3, 8, 9, 13] {
        let mut rig = Rig::default().topic("orders", None).topic("bills", None);
        rig.broker = Some(
            Broker::default()
                .error("orders", 1, 19)
                .error("bills", 0, 7),
        );
        let two = |topics: &[i32]| -> Vec<(i32, Vec<u8>)> {
            topics.iter().map(|p| (*p, records(version, 1))).collect()
        };
        let (orders, bills) = (two(&[0, 1]), two(&[0]));
        let topics = [("orders", &orders[..]), ("bills", &bills[..])];
        for acks in [-1, 0, 1, -1] {
            rig.send(&frame(1, &produce(version, acks, &topics)));
        }
        let expected = [
            ((7, Some("bills".to_owned())), 3),
            ((19, Some("orders".to_owned())), 3),
        ];
        assert_eq!(errors(&rig), expected.into(), "version {version}");
    }
}

#[test]
fn what_holdfast_refuses_is_told_as_an_error_unless_nobody_waits_for_the_answer() {
    for (acks, told) in [(-1, 1), (1, 1), (0, 0)] {
        // Alone, and beside a partition that goes on.
        for beside in [false, true] {
            let mut rig = Rig::default().topic("orders", Some(300));
            let mut partitions = vec![(0, batch(2, 400))];
            if beside {
                partitions.push((1, batch(2, 200)));
            }
            rig.send(&frame(1, &produce(9, acks, &[("orders", &partitions)])));
            let too_large = (ErrorCode::MESSAGE_TOO_LARGE.0, Some("orders".to_owned()));
            let counted = errors(&rig).get(&too_large).copied().unwrap_or(0);
            assert_eq!(counted, told, "acks {acks}, beside {beside}");
        }
    }
}
