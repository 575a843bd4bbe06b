//! What one look at a frame costs, in nanoseconds: `cargo bench --bench walkers`.
//!
//! The hot walkers of `wire/` on whole frames in memory, beside `kafka-protocol`'s decoding of the same bytes. Nothing here
//! touches a socket: what a relay costs, the bench `relay` measures.

#[expect(dead_code, reason = "the relay bench uses the rest")]
#[path = "relay/frames.rs"]
mod frames;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use holdfast::wire::header::{self, Look};
use holdfast::wire::{fetch, produce};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::Decodable;
use std::hint::black_box;

const PRODUCE: i16 = 9;
const FETCH: i16 = 16;
/// Size prefix and correlation id, behind which the walk of an answer begins.
const ANSWER_AT: usize = 8;

criterion_group!(
    walkers,
    produce_head,
    produce_walk,
    produce_decode,
    fetch_walk
);
criterion_main!(walkers);

/// What is done to every Produce: header, acks, timeout.
fn produce_head(criterion: &mut Criterion) {
    let frame = frames::produce_request(-1, 1 << 10);
    criterion.bench_function("produce head", |bencher| {
        bencher.iter(|| head(black_box(&frame)));
    });
}

/// The head, then every part up to the end: one topic, one partition, one batch header.
fn produce_walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("produce walk");
    for size in [1 << 10, 1 << 20] {
        let frame = frames::produce_request(-1, size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{} KiB", size >> 10), |bencher| {
            bencher.iter(|| walk_produce(black_box(&frame)));
        });
    }
}

/// The yardstick: what decoding the same frame would cost, records left as a slice.
fn produce_decode(criterion: &mut Criterion) {
    let frame = frames::produce_request(-1, 1 << 20);
    let body = Bytes::from(frame).slice(frames_body()..);
    criterion.bench_function("produce decode by kafka-protocol/1024 KiB", |bencher| {
        bencher.iter(|| {
            ProduceRequest::decode(&mut black_box(&body).clone(), PRODUCE).expect("a Produce")
        });
    });
}

/// Up to the last tag section, where brokers' addresses would be.
fn fetch_walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fetch walk");
    for size in [1 << 10, 1 << 16, 1 << 20] {
        let mut frame = frames::fetch_response(FETCH, size);
        group.throughput(Throughput::Bytes(size as u64));
        for (batches, of) in [
            ((false, false), "partitions"),
            ((true, false), "transactions"),
            ((true, true), "transactions and ends"),
        ] {
            let batches = fetch::Batches {
                transactions: batches.0,
                ends: batches.1,
            };
            group.bench_function(format!("{of}, {} KiB", size >> 10), |bencher| {
                bencher.iter(|| walk_fetch(black_box(&mut frame), batches));
            });
        }
    }
}

fn frames_body() -> usize {
    frames::body(&frames::produce_request(-1, 1 << 10))
}

fn head(frame: &[u8]) -> produce::Head {
    let start = header::start(frame).expect("a whole frame");
    let flexible = start.api_version >= produce::FLEXIBLE_FROM;
    let Look::Ready(header) = header::header(frame, frame.len(), flexible) else {
        panic!("a whole header");
    };
    match produce::head(frame, frame.len(), header.body_at, start.api_version) {
        Look::Ready(head) => head,
        other => panic!("a whole head: {other:?}"),
    }
}

fn walk_produce(frame: &[u8]) -> u64 {
    let mut at = head(frame).topics_at;
    let mut walker = produce::Walker::new(PRODUCE, (frame.len() - at) as u64);
    let mut batches = 0;
    loop {
        match walker.next(&frame[at..]) {
            produce::Step::Part { part, len } => {
                at += len as usize;
                batches += u64::from(matches!(part, produce::Part::Entry(_)));
            }
            produce::Step::Done => return batches,
            other => panic!("{other:?}"),
        }
    }
}

fn walk_fetch(frame: &mut [u8], batches: fetch::Batches) -> usize {
    let mut at = ANSWER_AT;
    let mut walker = fetch::Walker::new(FETCH, (frame.len() - at) as u64, batches);
    loop {
        match walker.next(&mut frame[at..]) {
            fetch::Step::Pass(len) | fetch::Step::Part(_, len) => at += len as usize,
            fetch::Step::Done => return at,
            other => panic!("{other:?}"),
        }
    }
}
