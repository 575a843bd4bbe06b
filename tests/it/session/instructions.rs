//! How many instructions the session executes for a small frame and its answer: the same on a busy machine and on a quiet one, where
//! time is not. Counted by valgrind in this build, as the difference of many turns and few. Code that comes to cost a tenth more
//! fails here; so does code that has become cheaper, until the new figure stands below.

use super::bare::{Traffic, with_turns};
use crate::support::fetches;
use crate::support::process::{self, Output, require};
use crate::support::rig::{self, batch, frame};
use holdfast::policy::Settings;
use std::process::Command;
use std::time::Duration;

/// Instructions of one frame with its answer, on x86-64, with the default preset. This build is hardly optimized:
/// pipelined Produce requests, which a release compares by vectors, cost a tenth of it there.
const KNOWN: [(&str, u64); 7] = [
    ("produce", 6552),
    ("produce, raised", 7620),
    ("produce, pipelined", 2235),
    ("fetch", 8070),
    ("fetch, pipelined", 6177),
    ("produce, varied", 3547),
    ("fetch, varied", 6380),
];
/// By how much a figure may be off: what addresses and seeds of hash maps change is far less.
const MARGIN_PERCENT: u64 = 10;

/// Turns of both runs, and frames that are read at once where they are pipelined.
const FEW: usize = 200;
const MANY: usize = 1_200;
const PIPELINED: usize = 32;
/// To which they go in turn where they are varied.
const PARTITIONS: i32 = 4;

/// What the run under valgrind is to do: a name from above and the number of turns.
const TURNS: &str = "HOLDFAST_TURNS";

fn traffic(name: &str) -> (Traffic, usize) {
    let (kind, partitions, frames) = match name.rsplit_once(", ") {
        Some((kind, "pipelined")) => (kind, 1, PIPELINED),
        Some((kind, "varied")) => (kind, PARTITIONS, PIPELINED),
        _ => (name, 1, 1),
    };
    let each = (0..partitions).map(|partition| match kind {
        "fetch" => fetch(partition),
        "produce" => produce(partition, -1),
        "produce, raised" => produce(partition, 1),
        _ => panic!("no such traffic: {name}"),
    });
    (
        Traffic::in_turn(each.collect()).pipelined(frames / partitions as usize),
        frames,
    )
}

/// A Produce of 1 KiB; as many records as have room in it.
fn produce(partition: i32, acks: i16) -> Traffic {
    let topics = [("orders", &[(partition, batch(5, 900))][..])];
    let request = frame(7, &rig::produce(9, acks, &topics));
    let mut received = rig::Received::parse(&request);
    received.acks = -1;
    let answer = rig::Broker::default().produce(&received);
    Traffic::one(request, answer, Some(42))
}

/// A Fetch whose answer is 1 KiB.
fn fetch(partition: i32) -> Traffic {
    const VERSION: i16 = 12;
    let request = fetches::Request::new(VERSION, 0, partition, 40).frame();
    let batches: Vec<_> = (0..10)
        .map(|batch| fetches::batch(40 + 5 * batch, 5, -1, 0))
        .collect();
    let partition = fetches::Answered {
        index: partition,
        records: batches.concat(),
        ..fetches::Answered::default()
    };
    let answer = fetches::answer(VERSION, 1, &[("orders", vec![partition])]);
    Traffic::one(request, answer, None)
}

#[test]
#[ignore = "what valgrind runs for the test below"]
fn turns() {
    let asked = std::env::var(TURNS).expect("set by the test below");
    let (name, turns) = asked.rsplit_once(':').expect("name:turns");
    let (traffic, _) = traffic(name);
    let turns: usize = turns.parse().expect("a number");
    with_turns(Settings::default(), traffic, |turn| {
        for _ in 0..turns {
            turn();
        }
    });
}

/// Instructions of a run with so many turns.
fn instructions(name: &str, turns: usize) -> u64 {
    let mut command = Command::new("valgrind");
    command
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe().expect("this test's binary"))
        .args([
            "--exact",
            "session::instructions::turns",
            "--ignored",
            "--test-threads=1",
        ])
        .env(TURNS, format!("{name}:{turns}"));
    let output: Output = process::run("valgrind", command, b"", Duration::from_secs(120));
    output.ok();
    let line = output
        .stderr
        .lines()
        .find_map(|line| line.split_once("I   refs:"));
    let line = line.unwrap_or_else(|| panic!("valgrind counted nothing: {}", output.stderr));
    line.1.trim().replace(',', "").parse().expect("a number")
}

#[test]
#[cfg(all(target_arch = "x86_64", debug_assertions))]
fn a_small_frame_and_its_answer_cost_as_many_instructions_as_are_written_here() {
    require("valgrind", "valgrind");
    let mut wrong = Vec::new();
    for (name, known) in KNOWN {
        let (_, frames) = traffic(name);
        let more = (MANY - FEW) * frames;
        let few = instructions(name, FEW);
        let found = instructions(name, MANY).saturating_sub(few) / more as u64;
        println!("{name}: {found} instructions, {known} known");
        let apart = found.abs_diff(known) * 100;
        if apart > known * MARGIN_PERCENT {
            wrong.push(format!("(\"{name}\", {found}) where {known} stands"));
        }
    }
    assert!(
        wrong.is_empty(),
        "more than {MARGIN_PERCENT} % off; when that is meant, write it into KNOWN and say why in the commit: {wrong:#?}"
    );
}
