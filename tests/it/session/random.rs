//! Random requests through random chunks against a model of a few lines; random garbage and every prefix: no panic, no
//! hang, bounded memory, and each record ends once.

use crate::support::raw;
use crate::support::rig::{
    self, Broker, Chunks, Rig, batch, frame, parse_answer, produce, records,
};
use holdfast::session::Want;
use proptest::prelude::*;

const LIMIT: u32 = 600;

/// One request: version, acks, and topics with their partitions and sizes; below 100 bytes a size means no records.
#[derive(Clone, Debug)]
struct Random {
    version: i16,
    acks: i16,
    timeout_ms: i32,
    topics: Vec<(usize, Vec<usize>)>,
    opaque: bool,
}

const TOPICS: [&str; 4] = ["orders", "bills", "notes", "unheard"];

fn random() -> impl Strategy<Value = Random> {
    let size = prop_oneof![90usize..110, 400usize..700, 100usize..3000];
    let partitions = prop::collection::vec(size, 0..5);
    // Topics stand once, as every client sends them.
    let topics = prop::sample::subsequence((0..TOPICS.len()).collect::<Vec<_>>(), 0..=TOPICS.len());
    let topics = topics.prop_flat_map(move |chosen| {
        let partitions = partitions.clone();
        chosen
            .into_iter()
            .map(|topic| (Just(topic), partitions.clone()))
            .collect::<Vec<_>>()
    });
    let acks = prop_oneof![4 => Just(-1i16), 4 => Just(1), 3 => Just(0), 1 => any::<i16>()];
    (
        3i16..=13,
        acks,
        0..20_000i32,
        topics,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(version, acks, timeout_ms, topics, opaque)| Random {
            version,
            acks,
            timeout_ms,
            topics,
            opaque,
        })
}

fn chunks() -> impl Strategy<Value = Chunks> {
    prop_oneof![
        Just(Chunks::All),
        (1usize..5).prop_map(Chunks::Of),
        (any::<u64>(), 1usize..4000).prop_map(|(seed, most)| Chunks::Random(seed, most)),
        (any::<u64>(), 1usize..4000).prop_map(|(seed, most)| Chunks::Bypassing(seed, most)),
    ]
}

fn encode(correlation_id: i32, random: &Random) -> raw::Produce {
    let topics: Vec<(&str, rig::Partitions)> = random
        .topics
        .iter()
        .map(|(topic, sizes)| {
            let partition = |(index, size): (usize, &usize)| {
                let mut bytes = if *size < 100 {
                    Vec::new()
                } else {
                    batch(2, *size)
                };
                if let Some(last) = bytes.last_mut() {
                    *last = correlation_id as u8;
                }
                (index as i32, bytes)
            };
            (
                TOPICS[*topic],
                sizes.iter().enumerate().map(partition).collect(),
            )
        })
        .collect();
    let topics: Vec<(&str, &[rig::Partition])> = topics
        .iter()
        .map(|(topic, all)| (*topic, &all[..]))
        .collect();
    produce(random.version, random.acks, &topics).timeout_ms(random.timeout_ms)
}

fn too_large(topic: &str, records: Option<&Vec<u8>>) -> bool {
    let limited = topic == "orders" || topic == "bills";
    limited && records.is_some_and(|records| records.len() > LIMIT as usize)
}

/// What the broker is to see of a request; `None`: nothing.
fn expected(request: &raw::Produce) -> Option<raw::Produce> {
    let mut left = request.clone();
    if request.acks == 0 {
        left.timeout_ms = request.timeout_ms.max(5_000);
    }
    left.acks = -1;
    let mut cut = false;
    for topic in &mut left.topics {
        let all = topic.partitions.len();
        topic
            .partitions
            .retain(|(_, records)| !too_large(&topic.name, records.as_ref()));
        cut |= topic.partitions.len() < all;
    }
    left.topics.retain(|topic| {
        let before = request
            .topics
            .iter()
            .find(|t| t.name == topic.name)
            .expect("the same topic");
        !topic.partitions.is_empty() || before.partitions.is_empty()
    });
    (!cut || !left.topics.is_empty()).then_some(left)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_broker_sees_what_the_rules_leave_and_the_client_sees_its_answers_in_order(
        all in prop::collection::vec(random(), 1..8),
        chunks in chunks(),
    ) {
        let mut rig = Rig::default()
            .topic("orders", Some(LIMIT))
            .topic("bills", Some(LIMIT))
            .topic("notes", None)
            .chunks(&chunks);
        rig.broker = Some(Broker { max_message_bytes: Some(100_000), ..Broker::default() });
        let (mut sent, mut to_broker, mut answers, mut counts) = (Vec::new(), Vec::new(), Vec::new(), (0, 0));
        for (id, random) in (1..).zip(&all) {
            if random.opaque {
                let opaque = raw::request_frame(9999, random.version, id, None, b"opaque");
                to_broker.push((None, opaque.clone()));
                answers.push((id, None));
                sent.extend(opaque);
                continue;
            }
            let request = encode(id, random);
            sent.extend(frame(id, &request));
            if let Some(left) = expected(&request) {
                let bytes = frame(id, &left);
                to_broker.push((Some(rig::Received::parse(&bytes)), bytes));
            }
            let refused = request.topics.iter().any(|t| t.partitions.iter().any(|p| too_large(&t.name, p.1.as_ref())));
            if request.acks != 0 {
                answers.push((id, Some(request)));
                continue;
            }
            for topic in &request.topics {
                for (_, records) in &topic.partitions {
                    let records = records.as_ref().filter(|records| !records.is_empty());
                    match (records, too_large(&topic.name, records)) {
                        (None, _) => {}
                        (Some(_), false) => counts.0 += 2,
                        (Some(_), true) => counts.1 += 2,
                    }
                }
            }
            if refused {
                // The connection closes behind it.
                break;
            }
        }
        rig.send(&sent);
        // Frames that nothing was taken out of are the very bytes; of the others the counts may be wider than need be.
        let seen = rig.broker_frames();
        prop_assert_eq!(seen.len(), to_broker.len());
        prop_assert_eq!(seen.concat().len(), rig.to_broker.len(), "half a frame is left");
        for (seen, (parsed, bytes)) in seen.iter().zip(&to_broker) {
            match parsed {
                Some(parsed) if seen != bytes => prop_assert_eq!(&rig::Received::parse(seen), parsed),
                _ => prop_assert_eq!(seen, bytes),
            }
        }
        let got = rig.client_frames();
        prop_assert_eq!(got.len(), answers.len());
        for (got, (id, request)) in got.iter().zip(&answers) {
            prop_assert_eq!(&got[4..8], &id.to_be_bytes());
            let Some(request) = request else { continue };
            let (_, answer) = parse_answer(request.version, got);
            let mut codes: Vec<_> = answer.partitions.iter().map(|p| (p.topic.clone(), p.topic_id, p.partition, p.error_code)).collect();
            codes.sort();
            let mut wanted = Vec::new();
            for topic in &request.topics {
                for (index, records) in &topic.partitions {
                    let code = if too_large(&topic.name, records.as_ref()) { 10 } else { 0 };
                    wanted.push(match request.version {
                        13 => (String::new(), topic.id, *index, code),
                        _ => (topic.name.clone(), [0; 16], *index, code),
                    });
                }
            }
            wanted.sort();
            prop_assert_eq!(codes, wanted);
        }
        prop_assert_eq!(rig.sums(), (counts.0, counts.1, 0));
        prop_assert!(rig.session.in_flight().is_empty());
    }

    #[test]
    fn however_a_stream_of_acks_0_ends_each_record_that_was_seen_ends_once(
        all in prop::collection::vec(random(), 1..6),
        chunks in chunks(),
        cut in 0.0f64..1.0,
        taken in 0.0f64..1.0,
        closing in prop::option::of(0.0f64..1.0),
        drains in any::<bool>(),
        client_first in any::<bool>(),
    ) {
        let requests: Vec<_> = (1..)
            .zip(&all)
            .map(|(id, random)| encode(id, &Random { acks: 0, ..random.clone() }))
            .collect();
        let sent: Vec<u8> = (1..).zip(&requests).flat_map(|(id, request)| frame(id, request)).collect();
        let mut rig = Rig::default().topic("orders", Some(LIMIT)).topic("bills", Some(LIMIT)).topic("notes", None).chunks(&chunks);
        rig.broker_takes = (sent.len() as f64 * taken) as u64;
        let cut = (sent.len() as f64 * cut) as usize;
        let at = (cut as f64 * closing.unwrap_or(1.0)) as usize;
        rig.send(&sent[..at]);
        match closing {
            Some(_) if drains => drop(rig.drain()),
            Some(_) => drop(rig.close(holdfast::session::event::CloseCause::Idle)),
            None => {}
        }
        rig.send(&sent[at..cut]);
        // The driver hears of the client's end only when it reads, and it reads when more bytes are wanted.
        let reads = matches!(rig.request_want(), Want::Bytes(_)) && !rig.requests.has_output();
        if client_first && reads {
            rig.client_ends();
        }
        rig.broker_ends().client_ends().finish();
        let mut places: Vec<_> = rig.ends().into_iter().map(|e| (e.correlation_id, e.topic, e.partition)).collect();
        let ends = places.len();
        places.sort();
        places.dedup();
        prop_assert_eq!(places.len(), ends, "a partition ended twice");
        let read = cut - rig.unread();
        let (mut offset, mut whole) = (0, Vec::new());
        for (id, request) in (1..).zip(&requests) {
            offset += frame(id, request).len();
            if offset > read {
                break;
            }
            for topic in &request.topics {
                for (index, _) in &topic.partitions {
                    let name = match request.version == 13 && topic.name == "unheard" {
                        true => "?".to_owned(),
                        false => topic.name.clone(),
                    };
                    whole.push((id, name, *index));
                }
            }
        }
        for place in whole {
            prop_assert!(places.contains(&place), "{:?} was read and has no end", place);
        }
        prop_assert!(rig.session.in_flight().is_empty());
    }

    #[test]
    fn garbage_does_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        answers in prop::collection::vec(any::<u8>(), 0..500),
        key in prop_oneof![Just(None), prop::sample::select(vec![0i16, 1, 3, 10, 17, 18, 60, 75, 78, 79]).prop_map(Some)],
        version in 0i16..14,
        chunks in chunks(),
    ) {
        let mut rig = Rig::default().topic("orders", Some(50)).degraded("orders", 0).chunks(&chunks).without_broker();
        rig.brokers_outside = true;
        let sent = match key {
            None => bytes,
            Some(key) => raw::request_frame(key, version, 1, Some("app"), &bytes),
        };
        rig.send(&sent);
        let mut answer = answers;
        if answer.len() > 8 && !rig.session.in_flight().is_empty() {
            let size = answer.len() as i32 - 4;
            answer[..4].copy_from_slice(&size.to_be_bytes());
            answer[4..8].copy_from_slice(&[0, 0, 0, 1]);
        }
        rig.answer(&answer).client_ends().broker_ends().finish();
        prop_assert!(rig.most_held <= 64 * 1024);
        prop_assert!(rig.to_broker.len() <= sent.len());
        prop_assert!(rig.session.in_flight().is_empty());
    }

    #[test]
    fn a_request_with_a_few_wrong_bytes_does_no_harm(
        random in random(),
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        chunks in chunks(),
    ) {
        let mut bytes = frame(1, &encode(1, &random));
        for (at, byte) in &wrong {
            // The size stays: a wrong one is another test's.
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = *byte;
        }
        let mut rig = Rig::default().topic("orders", Some(LIMIT)).degraded("orders", 1).chunks(&chunks).without_broker();
        rig.send(&bytes).client_ends().broker_ends().finish();
        prop_assert!(rig.session.in_flight().is_empty());
    }
}

#[test]
fn every_prefix_of_every_kind_of_request_ends_without_a_trace_upstream_of_a_whole_frame() {
    for version in 0..=13 {
        for acks in [0, 1, -1] {
            let two = [(0, records(version, 2)), (1, records(version, 1))];
            let bytes = frame(
                1,
                &produce(version, acks, &[("orders", &two), ("bills", &two)]),
            );
            for at in 0..bytes.len() {
                for limit in [None, Some(10), Some(100)] {
                    let mut rig = Rig::default().topic("orders", limit).topic("bills", None);
                    rig.send(&bytes[..at]).client_ends().finish();
                    assert!(
                        rig.broker_frames().is_empty(),
                        "version {version} acks {acks} at {at}"
                    );
                    assert!(rig.session.in_flight().is_empty());
                }
            }
        }
    }
}

#[test]
fn every_prefix_of_an_answer_is_an_answer_that_is_not_there() {
    for version in 3..=13 {
        for acks in [0, 1, -1] {
            let mut rig = Rig::default().topic("orders", Some(120)).without_broker();
            let parts = [(0, batch(1, 100)), (1, batch(1, 200))];
            rig.send(&frame(1, &produce(version, acks, &[("orders", &parts)])));
            let answer = Broker {
                node_endpoints: true,
                ..Broker::default()
            }
            .produce(&rig.produced()[0]);
            for at in 0..answer.len() {
                let mut rig = Rig::default().topic("orders", Some(120)).without_broker();
                rig.send(&frame(1, &produce(version, acks, &[("orders", &parts)])));
                rig.answer(&answer[..at]).broker_ends().finish();
                assert!(
                    rig.to_client.is_empty(),
                    "version {version} acks {acks} at {at}"
                );
                assert_eq!(rig.sums(), if acks == 0 { (0, 1, 1) } else { (0, 0, 0) });
            }
        }
    }
}
