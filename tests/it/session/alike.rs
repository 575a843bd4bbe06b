//! Requests that come in one read and begin alike are not parsed again: each is judged by its own batch all the same, as if
//! it had come alone. The same of Fetch, in both directions.

use crate::support::consumer::{Consumer, Versions};
use crate::support::fetches::{Answered, Request, TRANSACTIONAL, batch, plain};
use crate::support::raw::{Batch, message_set, now_ms};
use crate::support::rig::{Rig, frame, one, produce, produce_answer, response, settings, topic_id};
use holdfast::cluster::Learned;
use holdfast::ledger::Ledger;
use holdfast::policy::appends::SCENARIOS;
use holdfast::policy::{Mode, Scenario};
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;

/// Batches that differ in what a scenario may find, with common ones between them.
fn batches() -> Vec<Vec<u8>> {
    let common = Batch::of_ids(0, 3, 3);
    let at = |ms: i64| Batch {
        timestamp_ms: now_ms() + ms,
        ..common.clone()
    };
    let old = message_set(1, &[(None, Some(b"old".to_vec()))]);
    let several = [common.bytes(), common.bytes()].concat();
    [
        common.bytes(),
        at(DAY_MS).bytes(),
        common.bytes(),
        common.clone().producer(7, 0, 0).bytes(),
        at(-30 * DAY_MS).bytes(),
        old,
        common.bytes(),
        several,
        Batch::of_ids(0, 40, 3).bytes(),
        common.bytes(),
    ]
    .into()
}

fn rig(found: Scenario, mode: Mode) -> Rig {
    let mut policy = settings(Mode::Enforce);
    policy.modes[found as usize] = mode;
    let mut rig = Rig::new(policy)
        .topic("orders", Some(1_000))
        .facts("orders", |facts| {
            facts.keeping.retention_ms = Some(DAY_MS);
            facts.keeping.deletes = Some(true);
            facts.keeping.create_time = Some(true);
            (
                facts.partitions[2].replicas,
                facts.partitions[2].in_sync_replicas,
            ) = (1, 1);
        });
    // So that none waits for the answer to another, which would end the read.
    rig.limits.max_absorbed_in_flight = 100;
    rig
}

/// Those to one partition, to three in turn of which one is weak, and common ones to more than are remembered, over and over.
fn appends() -> Vec<(i32, Vec<u8>)> {
    let common = || Batch::of_ids(0, 3, 3).bytes();
    let sole = batches().into_iter().map(|records| (0, records));
    let in_turn = |common_first: bool| {
        (0..30).map(move |n| match (n + i32::from(common_first)) % 2 {
            0 => (n % 3, common()),
            _ => (n % 3, batches().swap_remove(n as usize % 10)),
        })
    };
    let many = (0..40).map(|n| (n % 11, common()));
    sole.chain(in_turn(false))
        .chain(in_turn(true))
        .chain(many)
        .collect()
}

/// What is counted, by scenario.
fn rejections(rig: &Rig) -> Vec<BTreeMap<&'static str, u64>> {
    let all = Scenario::ALL.iter();
    all.map(|scenario| rig.rejections(*scenario)).collect()
}

#[test]
fn requests_of_one_read_become_what_they_become_one_by_one() {
    for (version, acks) in [(3, 0), (9, 0), (3, 1), (9, 1), (3, -1), (9, -1), (13, -1)] {
        for found in SCENARIOS {
            for mode in [Mode::Off, Mode::Observe, Mode::Enforce] {
                // What is refused to a client that sent acks=0 ends its connection.
                if acks == 0 && mode == Mode::Enforce {
                    continue;
                }
                let frames: Vec<_> = (1..)
                    .zip(appends())
                    .map(|(id, (partition, records))| {
                        let topics = [("orders", &[(partition, records)][..])];
                        frame(id, &produce(version, acks, &topics))
                    })
                    .collect();
                let (mut together, mut alone) = (rig(found, mode), rig(found, mode));
                // Refusals tell how far from now a timestamp is.
                alone.now_ms = together.now_ms;
                together.send(&frames.concat());
                for frame in &frames {
                    alone.send(frame);
                }
                let what = format!("version {version} acks {acks} {found:?} {mode:?}");
                assert_eq!(together.to_broker, alone.to_broker, "{what}");
                assert_eq!(together.to_client, alone.to_client, "{what}");
                assert_eq!(rejections(&together), rejections(&alone), "{what}");
                assert_eq!(together.sums(), alone.sums(), "{what}");
                assert!(!together.to_broker.is_empty(), "{what}");
                // All but the four with a producer id.
                if mode == Mode::Observe && acks == -1 && found == Scenario::NotIdempotent {
                    let counted = together.rejections(found);
                    assert_eq!(counted.get("observe"), Some(&106), "{what}: {counted:?}");
                }
            }
        }
    }
}

/// What a broker says to a request.
#[derive(Clone, Copy)]
enum Says {
    Stored(i64),
    Error(i16),
    /// Stored, at a time of the broker's.
    At(i64, i64),
    /// Stored, under another request's correlation id.
    Astray,
}

fn answer(version: i16, correlation_id: i32, partition: i32, says: Says) -> Vec<u8> {
    let (offset, time, error_code) = match says {
        Says::Stored(offset) => (offset, -1, 0),
        Says::At(offset, time) => (offset, time, 0),
        Says::Astray => (42, -1, 0),
        Says::Error(error_code) => (-1, -1, error_code),
    };
    let mut body = produce_answer(
        version,
        &[("orders".to_owned(), vec![(partition, error_code)])],
        false,
    );
    if error_code == 0 {
        let placed = [42_i64.to_be_bytes(), (-1_i64).to_be_bytes()].concat();
        let at = body.windows(16).position(|bytes| bytes == placed);
        let new = [offset.to_be_bytes(), time.to_be_bytes()].concat();
        body[at.expect("an offset and a time")..][..16].copy_from_slice(&new);
    }
    let correlation_id = match says {
        Says::Astray => correlation_id.wrapping_add(1),
        _ => correlation_id,
    };
    response(&correlation_id.to_be_bytes(), &body)
}

/// A flood of small requests to so many partitions in turn that differ in nothing else but their correlation ids, and its
/// answers, in reads of so many bytes.
fn flood(
    (version, acks): (i16, i16),
    partitions: i32,
    says: &[Says],
    reads: (usize, usize),
    now_ms: i64,
) -> Rig {
    let mut policy = settings(Mode::Enforce);
    policy.modes[Scenario::AckedTruncation as usize] = Mode::Observe;
    let mut rig = Rig::new(policy).topic("orders", None).without_broker();
    // Correlation ids wrap around on the way.
    let ids = says.iter().scan(i32::MAX - 3, |id, _| {
        *id = id.wrapping_add(1);
        Some(*id)
    });
    let of = |records, bytes| Batch {
        timestamp_ms: now_ms,
        ..Batch::of_ids(0, records, bytes)
    };
    let request = |partition| {
        let topics = [("orders", &[(partition, of(3, 3).bytes())][..])];
        produce(version, acks, &topics)
    };
    // What is acknowledged before them they may contradict; nothing that stands in front of them or behind is like them.
    let other = one(version, acks, of(4, 9).bytes());
    rig.send(&frame(7, &other));
    rig.answer(&answer(version, 7, 0, Says::Stored(90)));
    let (mut requests, mut answers) = (frame(8, &other), answer(version, 8, 0, Says::Stored(95)));
    for ((id, says), partition) in ids.zip(says).zip((0..partitions).cycle()) {
        requests.extend(frame(id, &request(partition)));
        answers.extend(answer(version, id, partition, *says));
    }
    requests.extend(frame(9, &other));
    answers.extend(answer(version, 9, 0, Says::Stored(1_000)));
    for piece in requests.chunks(reads.0) {
        rig.send(piece);
    }
    assert_eq!(rig.session.in_flight().len(), says.len() + 2);
    for piece in answers.chunks(reads.1) {
        rig.answer(piece);
    }
    rig
}

#[test]
fn answers_of_one_read_say_what_they_say_one_by_one() {
    use Says::{Astray, At, Error, Stored};
    let stored = |from: i64| (0..9).map(move |i| Stored(from + 3 * i));
    let with = |at: usize, says: Says| {
        let mut all: Vec<_> = stored(100).collect();
        all[at] = says;
        all
    };
    let mut cases: Vec<Vec<Says>> = vec![stored(100).collect(), stored(0).collect(), Vec::new()];
    for at in [0, 1, 4, 8] {
        for says in [
            Error(19),
            Error(6),
            Stored(50),
            Stored(-1),
            At(130, 77),
            Astray,
        ] {
            cases.push(with(at, says));
        }
    }
    let now_ms = now_ms();
    let sent = [(3, -1), (7, 1), (8, -1), (9, 1), (9, -1), (13, -1)];
    for (of, partitions) in sent.into_iter().flat_map(|of| [(of, 1), (of, 3)]) {
        for (case, says) in cases.iter().enumerate() {
            let all = |reads| {
                let mut rig = flood(of, partitions, says, reads, now_ms);
                let waiting = rig.session.in_flight().len();
                let closes = rig.closes();
                rig.broker_ends();
                let told: Vec<_> = rig
                    .events
                    .iter()
                    .map(|event| format!("{event:?}"))
                    .collect();
                let errors = ["OverrideFailure", "IgnoredError"].map(|name| {
                    let of = told.iter().filter(|event| event.contains(name));
                    of.cloned().collect::<Vec<_>>()
                });
                let found = format!("{:?}", rig.ledger.acked.take_found());
                let sent = [&rig.to_broker, &rig.to_client].map(Clone::clone);
                (sent, waiting, closes, errors, found, rig.sums())
            };
            let (slow, what) = (
                all((1, 1)),
                format!("version and acks {of:?} partitions {partitions} case {case}"),
            );
            let goes_astray = says.iter().any(|says| matches!(says, Astray));
            assert_eq!(slow.2.is_empty(), !goes_astray, "{what}");
            assert_eq!(slow.1, 0, "{what}");
            for reads in [
                (usize::MAX, usize::MAX),
                (usize::MAX, 1),
                (usize::MAX, 100),
                (300, usize::MAX),
            ] {
                let fast = all(reads);
                assert_eq!(
                    (fast.1, &fast.2, &fast.3, &fast.4, fast.5),
                    (slow.1, &slow.2, &slow.3, &slow.4, slow.5),
                    "{what} {reads:?}"
                );
                assert!(fast.0 == slow.0, "{what} {reads:?}");
            }
        }
    }
}

#[test]
fn a_flood_of_requests_stops_where_too_many_wait() {
    let mut rig = Rig::new(settings(Mode::Enforce))
        .topic("orders", None)
        .without_broker();
    rig.limits.max_in_flight = 10;
    let request = one(9, 1, Batch::of_ids(0, 3, 3).bytes());
    let len = frame(0, &request).len();
    rig.send(
        &(0..25)
            .flat_map(|id| frame(id, &request))
            .collect::<Vec<_>>(),
    );
    assert_eq!(rig.to_broker.len(), 10 * len);
    for id in 0..4 {
        rig.answer(&answer(9, id, 0, Says::Stored(id.into())));
    }
    assert_eq!(rig.to_broker.len(), 14 * len);
    assert_eq!(rig.session.in_flight().len(), 10);
    let answers = (4..14).flat_map(|id| answer(9, id, 0, Says::Stored(id.into())));
    rig.answer(&answers.collect::<Vec<_>>());
    assert_eq!(rig.to_broker.len(), 24 * len);
    let raised = rig.produced();
    assert!(raised.iter().all(|request| request.acks == -1));
    assert!(!rig.session.in_flight().is_empty() && rig.closes().is_empty());
    // Of the last ten no answer comes.
    rig.broker_ends();
    assert!(rig.session.in_flight().is_empty());
}

/// What a consumer asks for one after the other, and whether it is a request that begins like the one before.
fn turns(version: i16) -> Vec<(Request, Vec<Answered>)> {
    let of = |index: i32, from: i64, count: u64| Answered {
        index,
        high_watermark: 500,
        last_stable_offset: 500,
        log_start_offset: 7,
        records: match count {
            0 => Vec::new(),
            count => batch(from, count, -1, 0),
        },
        ..Answered::default()
    };
    let one = |from: i64| (Request::new(version, 0, 0, from), vec![of(0, from, 10)]);
    let second = |from: i64| (Request::new(version, 0, 1, from), vec![of(1, from, 5)]);
    let mut both = Request::new(version, 0, 0, 80);
    both.topics[0].1.push((1, 300));
    let mut none = Request::new(version, 0, 0, 0);
    (none.topics, none.session_epoch) = (Vec::new(), 4);
    let out_of_range = Answered {
        error_code: 1,
        log_start_offset: -1,
        ..of(0, 0, 0)
    };
    vec![
        one(40),
        one(50),
        one(60),
        second(300),
        one(70),
        one(80),
        (both, vec![of(0, 80, 10), of(1, 305, 5)]),
        one(90),
        (none, vec![of(0, 100, 3)]),
        // Out of range, and then on from where the log begins.
        (Request::new(version, 0, 0, 2), vec![out_of_range]),
        (Request::new(version, 0, 0, 7), vec![of(0, 103, 0)]),
        one(103),
        one(113),
        second(305),
        one(123),
        second(310),
        second(315),
        one(133),
    ]
}

/// All requests in reads of `requests` bytes, then all answers in reads of `answers` bytes; and what was made of it. After those
/// in front of `waits`, and after that one, the client waits for all answers.
fn consumed(
    version: i16,
    turns: &[(Request, Vec<Answered>)],
    waits: usize,
    (requests, answers): (usize, usize),
) -> (i64, Vec<String>) {
    let mut policy = settings(Mode::Observe);
    policy.modes[Scenario::CommitAhead as usize] = Mode::Enforce;
    policy.single_instance = true;
    let mut versions = Versions::some()[3];
    versions.fetch = version;
    let mut consumer = Consumer::of(&policy, versions, &Arc::<Ledger>::default());
    consumer.begin(40);
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let turns: Vec<_> = turns
        .iter()
        .zip(1..)
        .map(|((request, partitions), id)| {
            let mut request = request.clone();
            request.correlation_id = id;
            let answer = plain(version, id, &[("orders", partitions.clone())]);
            (request.frame(), answer)
        })
        .collect();
    let leader = &mut consumer.leader;
    let (before, rest) = turns.split_at(waits);
    let (waited_for, after) = rest.split_at(1);
    for round in [before, waited_for, after] {
        let (requests_of, answers_of): (Vec<_>, Vec<_>) = round.iter().cloned().unzip();
        for piece in requests_of.concat().chunks(requests) {
            leader.send(piece);
        }
        for piece in answers_of.concat().chunks(answers) {
            leader.answer(piece);
        }
        asked.extend(requests_of.concat());
        answered.extend(answers_of.concat());
    }
    assert!(leader.to_broker == asked && leader.to_client == answered);
    let mut events: Vec<_> = leader
        .events
        .iter()
        .filter(|event| format!("{event:?}").starts_with("Observed"))
        .map(|event| format!("{event:?}"))
        .collect();
    events.sort();
    (consumer.commit(999), events)
}

#[test]
fn what_is_fetched_in_one_read_is_what_is_fetched_byte_by_byte() {
    for version in [4, 7, 11, 12, 13, 16, 18] {
        // Where a position is out of range, the client waits for the answer.
        let consumed = |reads| consumed(version, &turns(version), 9, reads);
        let slow = consumed((1, 1));
        // From 133 on ten records. Where answers tell where the log begins, five offsets are gone in front of it.
        assert_eq!(slow.0, 143, "version {version}");
        let lost =
            |event: &String| event.contains("RetentionOverrun") && event.contains("count: 5");
        let found = slow.1.iter().filter(|event| lost(event)).count();
        assert_eq!(found, usize::from(version > 4), "{:?}", slow.1);
        for (requests, answers) in [
            (1, usize::MAX),
            (usize::MAX, 1),
            (usize::MAX, usize::MAX),
            (300, 500),
        ] {
            let fast = consumed((requests, answers));
            assert_eq!(fast, slow, "version {version} {requests} {answers}");
        }
    }
}

/// Answers of one shape, one of which differs in something that counts.
#[test]
fn of_answers_alike_each_counts_that_says_something_else() {
    let of = |index: i32, from: i64| Answered {
        index,
        high_watermark: from + 100,
        last_stable_offset: from + 90,
        log_start_offset: 7,
        records: batch(from, 10, 5, 0),
        ..Answered::default()
    };
    type Change = fn(&mut Answered, i64);
    let changes: [(&str, Change); 9] = [
        ("nothing", |_, _| {}),
        ("of a transaction", |at, from| {
            at.records = batch(from, 10, 5, TRANSACTIONAL);
        }),
        ("far ahead", |at, _| at.records = batch(5_000, 10, 5, 0)),
        ("long behind", |at, _| at.records = batch(20, 10, 5, 0)),
        ("nothing in it", |at, _| at.records = Vec::new()),
        ("an error", |at, _| {
            (at.error_code, at.records) = (6, Vec::new());
        }),
        ("a log that begins later", |at, _| at.log_start_offset = 9),
        ("two batches", |at, from| {
            let two = [batch(from, 1, 5, 0), batch(from + 1, 1, 5, 0)].concat();
            at.records = [two, batch(from + 2, 8, 5, 0)].concat();
        }),
        ("an old format", |at, from| {
            let mut records = batch(from, 10, 5, 0);
            records[16] = 1;
            at.records = records;
        }),
    ];
    for version in [7, 11, 12, 16, 18] {
        for (what, change) in changes {
            for (at, last) in [0, 1, 4, 9].into_iter().flat_map(|at| [(at, 0), (at, 1)]) {
                let from = |turn: usize| 40 + 10 * turn as i64;
                let mut turns: Vec<_> = (0..10)
                    .map(|turn| {
                        let from = from(turn);
                        (Request::new(version, 0, 0, from), vec![of(0, from)])
                    })
                    .collect();
                change(&mut turns[at].1[0], from(at));
                turns.push((Request::new(version, 0, last, 140), vec![of(last, 140)]));
                let consumed = |reads| consumed(version, &turns, 10, reads);
                let slow = consumed((1, 1));
                let told = if what == "of a transaction" { 1 } else { 0 };
                let dirty = slow.1.iter().filter(|event| event.contains("DirtyRead"));
                assert_eq!(dirty.count(), told, "{what}: {:?}", slow.1);
                for reads in [(usize::MAX, 1), (usize::MAX, usize::MAX), (250, 400)] {
                    assert_eq!(consumed(reads), slow, "{version} {what} {at} {reads:?}");
                }
                // Up to the last record that was delivered in partition 0.
                let expected = match what {
                    "far ahead" => 999,
                    _ => [140, 150][usize::from(last == 0)],
                };
                let delivered = match (at, what) {
                    (9, "nothing in it" | "an error" | "long behind") if last == 1 => 130,
                    // The end of what a consumer may be given.
                    (_, "an old format") => expected.max(from(at) + 100),
                    _ => expected,
                };
                assert_eq!(slow.0, delivered.min(999), "{version} {what} {at} {last}");
            }
        }
    }
}

/// Consumers read by ids that they were told before the gateway was started anew.
#[test]
fn a_topic_that_is_read_and_not_known_is_asked_for_once() {
    for (version, unknown) in [
        (12, Learned::TopicSeen("orders".into())),
        (16, Learned::TopicIdSeen(topic_id("orders"))),
    ] {
        let mut rig = Rig::new(settings(Mode::Observe));
        for id in 1..4 {
            let mut request = Request::new(version, 0, 0, 5);
            request.correlation_id = id;
            rig.send(&request.frame());
        }
        let learned = format!("{:?}", rig.learned);
        assert_eq!(learned, format!("{:?}", [unknown]), "version {version}");
        let mut rig = Rig::new(settings(Mode::Observe)).topic("orders", None);
        rig.send(&Request::new(version, 0, 0, 5).frame());
        assert!(rig.learned.is_empty(), "version {version}");
    }
}
