//! Fetch requests and answers as they are walked while they come, against kafka-protocol's decoding of the same bytes, in
//! windows of any size; and bytes that are neither.

use super::random;
use crate::support::fetches::{Answered, TRANSACTIONAL, answer, batch, plain};
use bytes::Bytes;
use holdfast::wire::fetch::{self, Batches, Part, Step, Walker};
use holdfast::wire::header::Look;
use holdfast::wire::produce::TopicKey;
use holdfast::wire::schema;
use holdfast::wire::{fetch_request, fetch_sole, produce};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

/// A topic by name or id, as text.
fn topic(key: TopicKey<'_>) -> String {
    match key {
        TopicKey::Name(name) => String::from_utf8_lossy(name).into_owned(),
        TopicKey::Id(id) => format!("{id:02x?}"),
    }
}

/// What a walk tells: a line for each part.
type Told = Vec<String>;

/// Walks with windows that grow by `step` bytes at a time: what was told, and where it ended.
fn walked(
    version: i16,
    bytes: &mut [u8],
    step: usize,
    batches: Batches,
) -> Result<Told, &'static str> {
    let len = bytes.len();
    let mut walker = Walker::new(version, len as u64, batches);
    let (mut at, mut end, mut told) = (0, 0, Vec::new());
    loop {
        match walker.next(&mut bytes[at.min(len)..end.clamp(at.min(len), len)]) {
            Step::Pass(n) => at += n as usize,
            Step::Part(part, n) => {
                told.push(match part {
                    Part::Topic(key) => topic(key),
                    Part::Partition {
                        index,
                        error_code,
                        log_start_offset,
                    } => format!("{index} {} {log_start_offset}", error_code.0),
                    Part::Transactional => "transactional".to_owned(),
                    Part::Delivered(end) => format!("to {end}"),
                });
                at += n as usize;
            }
            Step::Need(n) => {
                let before = end;
                end = (at + n.max(step)).min(len);
                if end <= before {
                    return Err("asks for what will never come");
                }
            }
            Step::Done => return Ok(told),
            Step::Malformed(why) => return Err(why),
        }
        assert!(at <= len);
    }
}

fn walked_request(version: i16, body: &[u8], step: usize) -> Result<(i8, Told), &'static str> {
    let head = match fetch_request::head(body, body.len(), 0, version) {
        Look::Ready(head) => head,
        Look::Need(_) => return Err("asks for what will never come"),
        Look::Malformed(why) => return Err(why),
    };
    for end in 0..head.topics_at {
        assert!(matches!(
            fetch_request::head(&body[..end], body.len(), 0, version),
            Look::Need(n) if n > end
        ));
    }
    let mut walker = fetch_request::Walker::new(version, (body.len() - head.topics_at) as u64);
    let (mut at, mut end, mut told) = (head.topics_at, head.topics_at, Vec::new());
    loop {
        use fetch_request::{Part, Step};
        let window = body.get(at..end.max(at)).unwrap_or_default();
        match walker.next(window) {
            Step::Pass(n) => at += n as usize,
            Step::Part(part, n) => {
                told.push(match part {
                    Part::Topic(key) => topic(key),
                    Part::Partition {
                        index,
                        fetch_offset,
                    } => format!("{index} {fetch_offset}"),
                    Part::ForgottenTopic(key) => format!("not {}", topic(key)),
                    Part::Forgotten { index } => format!("not {index}"),
                });
                at += n as usize;
            }
            Step::Need(n) => {
                let before = end;
                end = (at + n.max(step)).min(body.len());
                if end <= before {
                    return Err("asks for what will never come");
                }
            }
            Step::Done => return Ok((head.isolation_level, told)),
            Step::Malformed(why) => return Err(why),
        }
        assert!(at <= body.len());
    }
}

fn name_or_id(version: i16, name: &str, id: [u8; 16]) -> String {
    match version {
        13.. => format!("{id:02x?}"),
        _ => name.to_owned(),
    }
}

fn transactions(transactions: bool) -> Batches {
    Batches {
        transactions,
        ends: false,
    }
}

/// What is told of the records of one partition, at any version and in windows of any size.
fn told_of(records: &[u8], batches: Batches) -> Told {
    let mut all: Option<Told> = None;
    for version in 4..=18 {
        let partition = Answered {
            index: 3,
            high_watermark: 500,
            records: records.to_vec(),
            ..Answered::default()
        };
        let answer = answer(version, 1, &[("orders", vec![partition])]);
        for step in [1, 7, 64, 10_000] {
            let mut bytes = answer[8..].to_vec();
            let told = walked(version, &mut bytes, step, batches).expect("it is one");
            let told = told[2..].to_vec();
            assert_eq!(*all.get_or_insert(told.clone()), told, "{version} {step}");
        }
    }
    all.unwrap_or_default()
}

#[test]
fn the_end_of_what_is_delivered_is_that_of_the_last_batch_that_is_whole() {
    let ends = Batches {
        transactions: false,
        ends: true,
    };
    let two = [batch(40, 5, -1, 0), batch(45, 3, -1, 0)].concat();
    assert_eq!(told_of(&two, ends), ["to 48"]);
    assert_eq!(told_of(&two[..two.len() - 1], ends), ["to 45"]);
    let first = batch(40, 5, -1, 0).len();
    for cut in [1, 20, 25, 40] {
        assert_eq!(told_of(&two[..first + cut], ends), ["to 45"], "{cut}");
    }
    assert_eq!(told_of(&two[..first - 1], ends), [""; 0]);
    assert_eq!(told_of(b"", ends), [""; 0]);
    // Records that were compacted away leave a gap before the next batch, and the batch's own end.
    let gap = [batch(40, 1, -1, 0), batch(90, 2, -1, 0)].concat();
    assert_eq!(told_of(&gap, ends), ["to 92"]);
}

#[test]
fn transactions_are_told_of_once_and_the_end_with_them() {
    let records = [
        batch(40, 5, -1, 0),
        batch(45, 3, 7, TRANSACTIONAL),
        batch(48, 3, 7, TRANSACTIONAL),
    ]
    .concat();
    for (transactions, ends, expected) in [
        (true, true, &["transactional", "to 51"][..]),
        (true, false, &["transactional"]),
        (false, true, &["to 51"]),
        (false, false, &[]),
    ] {
        let batches = Batches { transactions, ends };
        assert_eq!(told_of(&records, batches), expected, "{batches:?}");
    }
}

#[test]
fn records_of_a_format_that_does_not_tell_where_they_end_reach_as_far_as_a_consumer_may_read() {
    let ends = Batches {
        transactions: false,
        ends: true,
    };
    // Offset, size, checksum, magic 0, attributes, no key, no value: the shortest message there is.
    let mut message = vec![0; 26];
    message[7] = 41;
    message[11] = 14;
    assert_eq!(told_of(&message, ends), ["to 500"]);
    let mixed = [batch(40, 5, -1, 0), message].concat();
    assert_eq!(told_of(&mixed, ends), ["to 500"]);
    assert_eq!(told_of(&[0xff; 60], ends), ["to 500"]);
}

proptest! {
    #[test]
    fn an_answer_is_told_as_it_is_decoded(seed: u64, version in 4_i16..=18, step in 1_usize..40, batches: bool) {
        let body = random::body(&schema::FETCH_RESPONSE, version, seed);
        let decoded = FetchResponse::decode(&mut Bytes::copy_from_slice(&body), version).unwrap();
        let mut expected = Vec::new();
        for found in &decoded.responses {
            expected.push(name_or_id(version, &found.topic, found.topic_id.into_bytes()));
            for partition in &found.partitions {
                let start = if version >= 5 { partition.log_start_offset } else { -1 };
                expected.push(format!("{} {} {start}", partition.partition_index, partition.error_code));
            }
        }
        // Behind the correlation id come the header's tags.
        let mut bytes = if version >= 12 { vec![0] } else { Vec::new() };
        bytes.extend(&body);
        let told = walked(version, &mut bytes, step, transactions(batches));
        prop_assert_eq!(told, Ok(expected));
    }

    #[test]
    fn a_request_is_told_as_it_is_decoded(seed: u64, version in 4_i16..=18, step in 1_usize..40) {
        let body = random::body(&schema::FETCH_REQUEST, version, seed);
        let decoded = FetchRequest::decode(&mut Bytes::copy_from_slice(&body), version).unwrap();
        let mut expected = Vec::new();
        for found in &decoded.topics {
            expected.push(name_or_id(version, &found.topic, found.topic_id.into_bytes()));
            for partition in &found.partitions {
                expected.push(format!("{} {}", partition.partition, partition.fetch_offset));
            }
        }
        for found in &decoded.forgotten_topics_data {
            let name = name_or_id(version, &found.topic, found.topic_id.into_bytes());
            expected.push(format!("not {name}"));
            expected.extend(found.partitions.iter().map(|index| format!("not {index}")));
        }
        prop_assert_eq!(walked_request(version, &body, step), Ok((decoded.isolation_level, expected)));
    }

    #[test]
    fn any_bytes_are_walked_to_an_end(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        version in 4_i16..=18,
        step in 1_usize..40,
        transactions: bool,
        ends: bool,
    ) {
        let batches = Batches { transactions, ends };
        let mut changed = bytes.clone();
        let one = walked(version, &mut changed, step, batches).is_ok();
        let other = walked(version, &mut bytes.clone(), 200, batches).is_ok();
        prop_assert_eq!(one, other);
        let _ = walked_request(version, &bytes, step);
    }

    #[test]
    fn an_answer_with_a_broken_byte_is_walked_to_an_end(
        seed: u64,
        version in 4_i16..=18,
        at: prop::sample::Index,
        byte: u8,
        step in 1_usize..40,
    ) {
        let mut body = random::body(&schema::FETCH_RESPONSE, version, seed);
        let at = at.index(body.len());
        body[at] = byte;
        let _ = walked(version, &mut body, step, transactions(true));
        let mut body = random::body(&schema::FETCH_REQUEST, version, seed);
        let at = at % body.len();
        body[at] = byte;
        let _ = walked_request(version, &body, step);
    }
}

#[test]
fn a_length_that_nothing_backs_is_not_waited_for() {
    // Version 13, throttle, error, session, one topic by id with 2^28 partitions and nothing behind it.
    let mut bytes = vec![0; 11];
    bytes.extend([2]);
    bytes.extend([7; 16]);
    bytes.extend([0x81, 0x80, 0x80, 0x80, 0x01]);
    for step in [1, 100] {
        assert!(walked(13, &mut bytes, step, transactions(true)).is_err());
    }
    assert_eq!(fetch::NODE_ENDPOINTS_FROM, 16);
}

/// What the one look tells of a frame, in the words of a walk; `None`: it is left to one.
fn told_at_once(version: i16, frame: &mut [u8], batches: Batches) -> Option<Told> {
    let sole = fetch_sole::sole(frame, version)?;
    let mut told = vec![
        topic(sole.key),
        format!("{} 0 {}", sole.index, sole.log_start_offset),
    ];
    let (mut at, end) = (sole.records.start, sole.records.end);
    let mut walker = sole.walker(version, batches);
    while walker.at_batches() {
        at += match walker.next(&mut frame[at..end]) {
            Step::Pass(n) => n as usize,
            Step::Part(Part::Transactional, n) => {
                told.push("transactional".to_owned());
                n as usize
            }
            Step::Part(Part::Delivered(to), n) => {
                told.push(format!("to {to}"));
                n as usize
            }
            other => panic!("{other:?}"),
        };
    }
    Some(told)
}

#[test]
fn the_common_answer_says_at_one_look_what_a_walk_says_and_what_is_not_common_is_left_to_it() {
    let two = [batch(40, 3, -1, 0), batch(43, 7, -1, 0)].concat();
    let cut = [batch(40, 3, -1, 0), batch(43, 7, -1, 0)[..50].to_vec()].concat();
    let of_transactions = [batch(40, 3, -1, 0), batch(43, 7, 9, TRANSACTIONAL)].concat();
    let kinds = [Vec::new(), batch(40, 1, -1, 0), two, cut, of_transactions];
    let (mut at_once, mut left) = (0, 0);
    for version in 4..=18 {
        for records in &kinds {
            for (transactions, ends) in [(false, false), (true, false), (false, true), (true, true)]
            {
                let batches = Batches { transactions, ends };
                let partition = Answered {
                    index: 3,
                    high_watermark: 500,
                    last_stable_offset: 500,
                    log_start_offset: 7,
                    records: records.clone(),
                    ..Answered::default()
                };
                let mut frame = plain(version, 1, &[("orders", vec![partition])]);
                let told = told_at_once(version, &mut frame, batches);
                assert_eq!(told.is_some(), version >= 7, "version {version}");
                // Each byte in turn is another one: what is still common must be that for a walk, too.
                for changed in 8..frame.len() {
                    for by in [1, 2, 0x80, 0xff] {
                        let mut bytes = frame.clone();
                        bytes[changed] ^= by;
                        let Some(told) = told_at_once(version, &mut bytes, batches) else {
                            left += 1;
                            continue;
                        };
                        at_once += 1;
                        let mut walked_bytes = bytes[8..].to_vec();
                        let walk = walked(version, &mut walked_bytes, usize::MAX >> 1, batches);
                        assert_eq!(Ok(told), walk, "version {version} byte {changed} by {by}");
                        assert_eq!(walked_bytes, bytes[8..], "nothing in it is to be changed");
                    }
                }
            }
        }
    }
    assert!(at_once > 10_000 && left > 10_000, "{at_once} {left}");
}

#[test]
fn what_is_too_short_to_be_an_answer_is_like_no_other() {
    let frame = [0; 7];
    for len in 0..frame.len() {
        let (first, records) = (&frame[..len], len..len);
        assert_eq!(fetch_sole::alike(first, &frame, (0, records), 9), (0, -1));
        assert_eq!(produce::stored_alike(first, &frame, 9, 9, -1).0, 0);
    }
}
