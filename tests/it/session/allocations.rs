//! In steady state a relayed Produce, or a Fetch that is looked at, costs no allocation.

use crate::support::rig::{self, frame, one, records, settings};
use crate::support::{fetches, raw};
use holdfast::cluster::{Advertised, IdSet};
use holdfast::policy::Mode;
use holdfast::session::inflight::UpstreamId;
use holdfast::session::lane::Lane;
use holdfast::session::{Env, Limits, Session};
use std::io::IoSlice;
use std::sync::Arc;

/// A pair without the rig's own buffers: everything it needs is there beforehand.
struct Bare {
    session: Session,
    requests: Lane,
    responses: Lane,
}

/// One frame and its answer, as the driver moves them.
fn turn(bare: &mut Bare, env: &Env<'_>, request: &[u8], answer: &[u8]) -> (usize, usize) {
    let to_broker = fill_and_write(&mut bare.requests, request, |lane| {
        bare.session.on_request(env, lane);
    });
    bare.session.flush_answers(&mut bare.responses);
    let to_client = fill_and_write(&mut bare.responses, answer, |lane| {
        bare.session.on_response(env, UpstreamId::FIRST, lane);
    });
    bare.session.events(drop);
    bare.session.learned().for_each(drop);
    (to_broker, to_client)
}

fn fill_and_write(lane: &mut Lane, bytes: &[u8], judge: impl FnOnce(&mut Lane)) -> usize {
    lane.room()[..bytes.len()].copy_from_slice(bytes);
    lane.filled(bytes.len());
    judge(lane);
    let mut written = 0;
    while lane.has_output() {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = lane.output(&mut slices);
        let n = slices[..used].iter().map(|slice| slice.len()).sum();
        lane.wrote(n);
        written += n;
    }
    written
}

/// Allocations of a hundred Produce frames of 10 records, after ten to warm up.
fn allocations(version: i16, acks: i16, error_code: i16) -> u64 {
    let request = frame(7, &one(version, acks, records(version, 10)));
    let mut received = rig::Received::parse(&request);
    received.acks = -1;
    let answer = rig::Broker::default()
        .error("orders", 0, error_code)
        .produce(&received);
    let answered = if acks == 0 { 0 } else { answer.len() };
    let offset = 42i64.to_be_bytes();
    let offset_at = answer.windows(8).position(|bytes| bytes == offset);
    of_turns(&request, &answer, answered, offset_at)
}

/// Of a hundred turns, after ten to warm up. Where an answer to Produce tells the offset, it grows from one to the next.
fn of_turns(request: &[u8], answer: &[u8], answered: usize, offset_at: Option<usize>) -> u64 {
    let mut answer = answer.to_vec();
    let mut offset = 0i64;
    let view = rig::Rig::default().topic("orders", Some(1_000_000)).view;
    let policy = Arc::new(settings(Mode::Enforce));
    let advertised = Advertised {
        host: "gateway".into(),
        port_base: 9100,
        port: None,
        ids: IdSet::from_ranges([(1, 3)]),
    };
    let limits = Limits {
        max_in_flight: 100,
        max_absorbed_in_flight: 8,
        max_absorbed_bytes: 1024 * 1024,
        relay_buffer_bytes: 64 * 1024,
    };
    let ledger = holdfast::ledger::Ledger::default();
    let env = Env {
        view: &view,
        ledger: &ledger,
        policy: &policy,
        advertised: &advertised,
        limits: &limits,
        node_id: Some(1),
        brokers_outside: false,
        address: Default::default(),
        now_ms: raw::now_ms(),
        clock_us: 1,
    };
    let mut bare = Bare {
        session: Session::new(None),
        requests: Lane::default(),
        responses: Lane::default(),
    };
    for lane in [&mut bare.requests, &mut bare.responses] {
        lane.replace_storage(vec![0; 64 * 1024]);
    }
    let mut next = || {
        if let Some(at) = offset_at {
            offset += 10;
            answer[at..at + 8].copy_from_slice(&offset.to_be_bytes());
        }
        turn(&mut bare, &env, request, &answer)
    };
    for _ in 0..10 {
        assert_eq!(next(), (request.len(), answered));
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            next();
        }
    });
    assert!(ledger.acked.take_found().0.is_empty());
    counted.count_total
}

#[test]
fn a_produce_with_acks_all_and_its_answer_are_relayed_without_an_allocation() {
    for version in [3, 8, 9, 12, 13] {
        assert_eq!(allocations(version, -1, 0), 0, "version {version}");
    }
}

#[test]
fn a_produce_whose_acks_is_raised_costs_no_allocation_either() {
    for version in [3, 8, 9, 12, 13] {
        assert_eq!(allocations(version, 1, 0), 0, "version {version}");
    }
}

#[test]
fn a_produce_whose_answer_is_absorbed_costs_no_allocation_either() {
    for version in [3, 8, 9, 12, 13] {
        assert_eq!(allocations(version, 0, 0), 0, "version {version}");
    }
}

/// Allocations of a hundred Fetch frames whose answers hold these batches.
fn fetch_allocations(version: i16, isolation_level: i8, batches: &[Vec<u8>]) -> u64 {
    let request = fetches::Request::new(version, isolation_level, 3, 40).frame();
    let partition = fetches::Answered {
        index: 3,
        log_start_offset: 7,
        records: batches.concat(),
        ..fetches::Answered::default()
    };
    let answer = fetches::answer(version, 1, &[("orders", vec![partition])]);
    of_turns(&request, &answer, answer.len(), None)
}

#[test]
fn a_fetch_of_many_batches_whose_end_is_looked_for_costs_no_allocation_either() {
    let batches: Vec<_> = (0..100)
        .map(|batch| fetches::batch(40 + 5 * batch, 5, -1, 0))
        .collect();
    for version in [4, 12, 13, 18] {
        let counted = fetch_allocations(version, 1, &batches);
        assert_eq!(counted, 0, "version {version}");
    }
}

#[test]
fn a_fetch_of_transactions_by_a_client_that_reads_uncommitted_costs_no_allocation_either() {
    let batches = [
        fetches::batch(40, 5, -1, 0),
        fetches::batch(45, 5, 7, fetches::TRANSACTIONAL),
    ];
    for version in [4, 5, 11, 12, 13, 16, 18] {
        let counted = fetch_allocations(version, 0, &batches);
        assert_eq!(counted, 0, "version {version}");
    }
}
