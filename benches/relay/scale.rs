//! How the cost grows: with connections, with partitions in a request, with brokers, with the size of a Metadata answer. Curves
//! of Holdfast beside those of the plain copy; the picture is drawn by `plot.rs`.

use crate::broker::{self, Cluster};
use crate::cases::{PRODUCE, SMALL, fitting, rested_cpu, rested_cpu_since};
use crate::client::{Crowd, Stream};
use crate::frames;
use crate::peers::{self, Behind, COPY, DEFAULT, Holdfast};
use crate::relay::Relay;
use crate::stats::{Verdict, median};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{io, thread};

/// CPU of the relay in µs per request, over something that grows.
pub struct Curve {
    /// What grows.
    pub over: &'static str,
    /// Whether one request grows with it; else there are more requests.
    pub within_request: bool,
    pub steps: Vec<u32>,
    pub copy: Vec<f64>,
    pub default: Vec<f64>,
}

const SLOT: Duration = Duration::from_millis(250);
/// A cost that grows by the n-th power of what it grows with is linear up to this n, which allows for noise.
const LINEAR: f64 = 1.10;
const BROKERS: u16 = 100;
const BUSY: usize = 100;
/// Of the topic that is written to.
const PARTITIONS: i32 = 1_000;

/// What one request looks like, and on how many connections it is made.
struct Load {
    frame: Vec<u8>,
    connections: usize,
}

pub fn curves(workers: usize, quick: bool) -> io::Result<Vec<Curve>> {
    let rounds = if quick { 3 } else { 9 };
    let thinned = |steps: &[u32]| -> Vec<u32> {
        let every = if quick { 2 } else { 1 };
        steps.iter().rev().step_by(every).rev().copied().collect()
    };
    let cluster = |brokers| Cluster {
        brokers,
        partitions: PARTITIONS,
        tls: None,
    };
    let small = Stream {
        traffic: PRODUCE,
        size: SMALL,
    };
    let behind = Behind::one(broker::start(0, cluster(1))?, workers);
    let pair = [started(COPY, &behind)?, started(DEFAULT, &behind)?];
    let ways = pair.each_ref().map(|relay| Way {
        relay,
        addresses: vec![relay.address],
    });
    let curve = |over, within_request, steps: &[u32], load: &dyn Fn(u32) -> Load| {
        let mut curve = Curve::over(over, within_request);
        for step in thinned(steps) {
            curve.push(step, cost(&ways, &load(step), rounds)?);
        }
        Ok::<_, io::Error>(curve)
    };
    let mut curves = vec![
        curve(
            "connections, all busy",
            false,
            &[1, 3, 10, 30, 100, 300, 1_000, 3_000, 9_000],
            &|n| Load {
                frame: small.request(),
                connections: n as usize,
            },
        )?,
        curve(
            "partitions in a Produce",
            true,
            &[1, 3, 10, 30, 100, 300, 1_000],
            &|n| Load {
                frame: frames::produce_to_partitions(-1, n),
                connections: 1,
            },
        )?,
        curve(
            "partitions in a Metadata answer",
            true,
            &[10, 30, 100, 300, 1_000, 3_000, 10_000],
            &|n| Load {
                frame: frames::metadata_request(&format!("{}-{n}", frames::TOPIC)),
                connections: 1,
            },
        )?,
    ];
    let mut brokers = Curve::over("brokers, 100 connections in all", false);
    for n in thinned(&[3, 10, 30, BROKERS.into()]) {
        let behind = Behind::one(broker::start(0, cluster(n as i32))?, workers);
        let mut how = Holdfast::preset(DEFAULT);
        how.brokers = n as u16;
        let (copy, holdfast) = (
            started(COPY, &behind)?,
            peers::holdfast(DEFAULT, &behind, &how)?,
        );
        let port = |id: u16| SocketAddr::new(holdfast.address.ip(), holdfast.address.port() + id);
        let ways = [
            Way {
                relay: &copy,
                addresses: vec![copy.address],
            },
            Way {
                relay: &holdfast,
                addresses: (0..how.brokers).map(port).collect(),
            },
        ];
        let load = Load {
            frame: small.request(),
            connections: BUSY,
        };
        brokers.push(n, cost(&ways, &load, rounds)?);
    }
    curves.push(brokers);
    Ok(curves)
}

fn started(name: &str, behind: &Behind) -> io::Result<Relay> {
    peers::start(name, behind)?.map_err(io::Error::other)
}

/// A relay, and where it is entered.
struct Way<'a> {
    relay: &'a Relay,
    addresses: Vec<SocketAddr>,
}

/// µs per request of each way, medians of interleaved rounds.
fn cost(ways: &[Way<'_>; 2], load: &Load, rounds: usize) -> io::Result<[f64; 2]> {
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..ways.len() {
            let at = (round + turn) % ways.len();
            let way = &ways[at];
            let mut crowd = Crowd::connect(&way.addresses, load.connections)?;
            crowd.turns(&load.frame, 1)?;
            let turns = fitting(SLOT / 4, |turns| {
                let begun = Instant::now();
                crowd.turns(&load.frame, turns)?;
                Ok(begun.elapsed())
            })?;
            let before = rested_cpu(way.relay)?;
            let requests = crowd.turns(&load.frame, turns * 4)?;
            let cpu = rested_cpu_since(way.relay, before)?;
            samples[at].push(cpu / requests as f64 * 1e6);
            drop(crowd);
            // Until a seat of limits.max_connections is free again.
            thread::sleep(Duration::from_millis(20 + load.connections as u64 / 20));
        }
    }
    Ok(samples.map(|samples| median(&samples)))
}

impl Curve {
    fn over(over: &'static str, within_request: bool) -> Curve {
        Curve {
            over,
            within_request,
            steps: Vec::new(),
            copy: Vec::new(),
            default: Vec::new(),
        }
    }

    fn push(&mut self, step: u32, [copy, default]: [f64; 2]) {
        println!(
            "{} {step}: copy {copy:.1}, default {default:.1} µs/request",
            self.over
        );
        self.steps.push(step);
        self.copy.push(copy);
        self.default.push(default);
    }

    /// The power by which the cost of all requests grows, over the upper half of the steps: below, what is fixed hides it.
    fn power(&self) -> f64 {
        let (middle, last) = (self.steps.len() / 2, self.steps.len() - 1);
        let middle = middle.min(last - 1);
        let grew = (self.default[last] / self.default[middle]).ln();
        let of = f64::from(self.steps[last]) / f64::from(self.steps[middle]);
        let more_requests = if self.within_request { 0.0 } else { 1.0 };
        more_requests + grew / of.ln()
    }

    pub fn verdict(&self) -> Verdict {
        match self.power() <= LINEAR {
            true => Verdict::Met,
            false => Verdict::Missed,
        }
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("| {} |", self.over);
        let mut rule = "|---|".to_owned();
        for step in &self.steps {
            write!(text, " {step} |").expect("a text");
            rule += "---|";
        }
        text += &format!("\n{rule}\n");
        for (name, values) in [(COPY, &self.copy), (DEFAULT, &self.default)] {
            write!(text, "| {name}, µs/request |").expect("a text");
            for value in values {
                write!(text, " {value:.1} |").expect("a text");
            }
            text += "\n";
        }
        let power = self.power();
        let verdict = self.verdict();
        text + &format!(
            "\nAll requests together cost n^{power:.2}; linear or better (≤ n^{LINEAR:.2}): {verdict}\n"
        )
    }
}
