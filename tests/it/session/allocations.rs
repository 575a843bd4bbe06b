//! In steady state a relayed Produce, or a Fetch that is looked at, costs no allocation.

use super::bare::{Traffic, with_turns};
use crate::support::fetches;
use crate::support::rig::{self, frame, one, records, settings};
use holdfast::policy::Mode;

/// Allocations of a hundred Produce frames of 10 records, after ten to warm up.
fn allocations(version: i16, acks: i16, error_code: i16) -> u64 {
    let request = frame(7, &one(version, acks, records(version, 10)));
    let mut received = rig::Received::parse(&request);
    received.acks = -1;
    let answer = rig::Broker::default()
        .error("orders", 0, error_code)
        .produce(&received);
    let answered = if acks == 0 { 0 } else { answer.len() };
    of_turns(Traffic::one(request, answer, Some(42)), answered)
}

/// Of a hundred turns, after ten to warm up.
fn of_turns(traffic: Traffic, answered: usize) -> u64 {
    let sent = traffic.requests.len();
    with_turns(settings(Mode::Enforce), traffic, |turn| {
        for _ in 0..10 {
            assert_eq!(turn(), (sent, answered));
        }
        let counted = allocation_counter::measure(|| {
            for _ in 0..100 {
                turn();
            }
        });
        counted.count_total
    })
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
    let answered = answer.len();
    of_turns(Traffic::one(request, answer, None), answered)
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
