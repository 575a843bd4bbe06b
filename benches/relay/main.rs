//! What a relay costs: CPU per GB, round trip and memory of Holdfast with its default preset, beside a plain copy of bytes.
//!
//! `cargo bench --bench relay -- [flags]`. A client and a null broker in this process send real Kafka frames through relays
//! in processes of their own: `copy` is `tokio::io::copy_bidirectional_with_sizes` with 64 KiB, the least that a relay can do;
//! `copy again` is a second such process, the yardstick against itself: what it differs from 1.00 is noise; `direct` is no
//! relay at all. In every round each of them carries the same traffic, in rotating order, and is compared with the `copy` of
//! the same round. Absolute numbers say something about the machine, the ratios about the relay. A missed target is exit
//! status 1. Not measured here: throughput of real brokers, real networks, TLS.

mod broker;
mod client;
mod frames;
mod relay;
mod stats;

use clap::Parser;
use client::{Client, Stream, Traffic};
use relay::Relay;
use stats::{Ratio, Verdict, median, quantile};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use std::{io, thread};

/// CPU per GB, of the plain copy's, from 1 KiB to 1 MiB.
const CPU_TARGET: f64 = 1.15;
const CPU_TARGET_FROM: usize = 1 << 10;
/// Median round trip, of the plain copy's.
const ROUND_TRIP_TARGET: f64 = 1.10;
/// Resident bytes per connection that rests.
const IDLE_TARGET: f64 = 4096.0;

/// How long one relay carries one kind of traffic before the next has its turn. Many short turns, not few long ones: what
/// else the machine does then falls on all of them.
const SLOT: Duration = Duration::from_millis(60);
const ROUND_TRIPS: usize = 500;
/// How long a relay is left alone until its threads sleep and their time is in the books.
const REST: Duration = Duration::from_millis(4);
const PING: Stream = Stream {
    traffic: Traffic::Produce { acks: -1 },
    size: 1 << 10,
};

#[derive(Parser)]
#[command(
    name = "relay",
    about = "CPU per GB, round trip and idle memory of Holdfast beside a plain copy"
)]
struct Flags {
    /// A few sizes and rounds: an impression in a minute
    #[arg(long)]
    quick: bool,
    /// Only the cases whose name contains this text
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Rounds per case
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Another relay in front of --broker-port joins
    #[arg(long, value_name = "NAME=ADDRESS:PORT,PID", value_parser = Relay::parse)]
    relay: Vec<(String, SocketAddr, u32)>,
    /// Where the null broker listens, for relays that are started beforehand
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    broker_port: u16,
    /// Measure the yardstick alone
    #[arg(long)]
    without_holdfast: bool,
    /// Print the names of the cases and end
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true, value_name = "BROKER")]
    serve_copy: Option<SocketAddr>,
    /// What `cargo bench` adds by itself, and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy)]
enum Case {
    Idle { connections: usize },
    PingPong,
    Stream(Stream),
}

/// What one relay showed in one round.
#[derive(Clone, Copy, Default)]
struct Sample {
    gb_per_second: f64,
    cpu_per_gb: f64,
    p50: f64,
    p99: f64,
    cpu_per_trip: f64,
}

struct Bench {
    relays: Vec<Relay>,
    pairs: usize,
    verdicts: Vec<Verdict>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let result = match flags.serve_copy {
        Some(broker) => relay::serve_copy(broker).map(|()| Vec::new()),
        None => run(&flags),
    };
    match result {
        Ok(verdicts) if verdicts.contains(&Verdict::Missed) => ExitCode::from(1),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(flags: &Flags) -> io::Result<Vec<Verdict>> {
    if !flags.bench {
        println!("nothing is measured in a test run: cargo bench --bench relay");
        return Ok(Vec::new());
    }
    let wanted = |case: &Case| {
        let only = flags.only.as_deref().unwrap_or_default();
        case.name().contains(only)
    };
    let cases: Vec<Case> = cases(flags.quick).into_iter().filter(wanted).collect();
    if flags.list {
        cases.iter().for_each(|case| println!("{}", case.name()));
        return Ok(Vec::new());
    }
    if cases.is_empty() {
        return Err(io::Error::other("no case has such a name, see --list"));
    }
    // Two descriptors per idle connection here, two in each relay.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let broker = broker::start(flags.broker_port)?;
    let mut relays = vec![
        Relay::copy("copy", broker)?,
        Relay::copy("copy again", broker)?,
        Relay::direct(broker),
    ];
    if !flags.without_holdfast {
        relays.push(Relay::holdfast(broker)?);
    }
    relays.extend(flags.relay.iter().cloned().map(Relay::foreign));
    let mut bench = Bench {
        relays,
        pairs: flags
            .pairs
            .unwrap_or(if flags.quick { 5 } else { 11 })
            .max(1),
        verdicts: Vec::new(),
    };
    for case in cases {
        bench.run(case)?;
    }
    Ok(bench.verdicts)
}

/// Memory first: a process that has carried traffic has room that idle connections would then hide in.
fn cases(quick: bool) -> Vec<Case> {
    let sizes: &[usize] = match quick {
        true => &[1 << 10, 64 << 10, 1 << 20],
        false => &[196, 1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20],
    };
    let traffic: &[Traffic] = match quick {
        true => &[
            Traffic::Produce { acks: -1 },
            Traffic::Produce { acks: 0 },
            Traffic::Fetch { version: 12 },
        ],
        false => &[
            Traffic::Produce { acks: -1 },
            Traffic::Produce { acks: 1 },
            Traffic::Produce { acks: 0 },
            Traffic::Fetch { version: 12 },
            Traffic::Fetch { version: 16 },
        ],
    };
    let connections = if quick { 500 } else { 2_000 };
    let mut cases = vec![Case::Idle { connections }, Case::PingPong];
    for traffic in traffic {
        let streams = sizes.iter().map(|size| Stream {
            traffic: *traffic,
            size: *size,
        });
        cases.extend(streams.map(Case::Stream));
    }
    cases
}

impl Case {
    fn name(&self) -> String {
        match self {
            Case::Idle { connections } => format!("idle connections={connections}"),
            Case::PingPong => format!("ping-pong {}", size_name(PING.size)),
            Case::Stream(Stream { traffic, size }) => match traffic {
                Traffic::Produce { acks } => format!("produce acks={acks} {}", size_name(*size)),
                Traffic::Fetch { version } => format!("fetch v{version} {}", size_name(*size)),
            },
        }
    }
}

fn size_name(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..0x10_0000 => format!("{} KiB", size >> 10),
        _ => format!("{} MiB", size >> 20),
    }
}

impl Bench {
    fn run(&mut self, case: Case) -> io::Result<()> {
        println!("{}", case.name());
        match case {
            Case::Idle { connections } => self.idle(connections)?,
            Case::PingPong => self.ping_pong()?,
            Case::Stream(stream) => self.stream(stream)?,
        }
        println!();
        Ok(())
    }

    fn idle(&mut self, connections: usize) -> io::Result<()> {
        for at in 0..self.relays.len() {
            let relay = &self.relays[at];
            if relay.pid.is_none() || relay.name == "copy again" {
                continue;
            }
            // The first connection pays for what all share.
            let warm =
                client::idle(relay.address, PING, 2).map_err(|error| failed(relay, error))?;
            let before = relay.resident_bytes()?;
            let open = client::idle(relay.address, PING, connections)
                .map_err(|error| failed(relay, error))?;
            thread::sleep(Duration::from_secs(1));
            let each = (relay.resident_bytes()? - before) / connections as f64;
            drop((warm, open));
            let mut line = format!(
                "  {:<11} {:>6.1} KiB per connection",
                relay.name,
                each / 1024.0
            );
            if relay.name == "holdfast" {
                let verdict = match each <= IDLE_TARGET {
                    true => Verdict::Met,
                    false => Verdict::Missed,
                };
                line += &format!("   target <= {:.0} KiB: {verdict}", IDLE_TARGET / 1024.0);
                self.verdicts.push(verdict);
            }
            println!("{line}");
        }
        Ok(())
    }

    fn ping_pong(&mut self) -> io::Result<()> {
        let samples = self.rounds(|relay| {
            let mut client = Client::connect(relay.address)?;
            client.ping_pong(PING, ROUND_TRIPS / 10)?;
            let before = rested_cpu(relay)?;
            let trips = client.ping_pong(PING, ROUND_TRIPS)?;
            Ok(Sample {
                p50: median(&trips),
                p99: quantile(&trips, 0.99),
                cpu_per_trip: (rested_cpu(relay)? - before) / ROUND_TRIPS as f64 * 1e6,
                ..Sample::default()
            })
        })?;
        println!("  relay       p50 µs  p99 µs  CPU µs   p50 / copy           p99 / copy");
        for (relay, of_relay) in self.relays.iter().zip(&samples) {
            let column =
                |of: fn(&Sample) -> f64| median(&of_relay.iter().map(of).collect::<Vec<_>>());
            let p50 = ratio(of_relay, &samples[0], |s| s.p50);
            let p99 = ratio(of_relay, &samples[0], |s| s.p99);
            let mut line = format!(
                "  {:<11} {:>6.1}  {:>6.1}  {:>6.1}   {:<20} {:<20}",
                relay.name,
                column(|s| s.p50),
                column(|s| s.p99),
                column(|s| s.cpu_per_trip),
                p50.to_string(),
                p99.to_string()
            );
            if relay.name == "holdfast" {
                let verdict = p50.against(ROUND_TRIP_TARGET);
                line += &format!(" target p50 <= {ROUND_TRIP_TARGET:.2}: {verdict}");
                self.verdicts.push(verdict);
            }
            println!("{}", line.trim_end());
        }
        Ok(())
    }

    fn stream(&mut self, stream: Stream) -> io::Result<()> {
        let mut frames_of = HashMap::new();
        for relay in &self.relays {
            let frames = frames_per_slot(relay, stream, SLOT);
            frames_of.insert(relay.address, frames.map_err(|error| failed(relay, error))?);
        }
        let samples = self.rounds(|relay| {
            let frames = frames_of[&relay.address];
            let mut client = Client::connect(relay.address)?;
            client.run(stream, frames / 20 + 1)?;
            let before = rested_cpu(relay)?;
            let took = client.run(stream, frames)?;
            let gb = (frames * stream.size) as f64 / 1e9;
            Ok(Sample {
                gb_per_second: gb / took.as_secs_f64(),
                cpu_per_gb: (rested_cpu(relay)? - before) / gb,
                ..Sample::default()
            })
        })?;
        self.print_stream(stream, &samples);
        Ok(())
    }

    fn print_stream(&mut self, stream: Stream, samples: &[Vec<Sample>]) {
        println!("  relay         GB/s   CPU s/GB   CPU / copy");
        for (relay, of_relay) in self.relays.iter().zip(samples) {
            let column =
                |of: fn(&Sample) -> f64| median(&of_relay.iter().map(of).collect::<Vec<_>>());
            let mut line = format!("  {:<11} {:>6.3}", relay.name, column(|s| s.gb_per_second));
            if relay.pid.is_some() {
                let cpu = ratio(of_relay, &samples[0], |s| s.cpu_per_gb);
                line += &format!(
                    "   {:>8.3}   {:<20}",
                    column(|s| s.cpu_per_gb),
                    cpu.to_string()
                );
                if relay.name == "holdfast" {
                    line += &judge(stream, cpu, &mut self.verdicts);
                }
            }
            println!("{}", line.trim_end());
        }
    }

    /// Every relay once per round, in an order that rotates, so that nobody always follows the same neighbour.
    fn rounds(
        &self,
        measure: impl Fn(&Relay) -> io::Result<Sample>,
    ) -> io::Result<Vec<Vec<Sample>>> {
        let count = self.relays.len();
        let mut samples = vec![Vec::with_capacity(self.pairs); count];
        for round in 0..self.pairs {
            for turn in 0..count {
                let at = (round + turn) % count;
                let relay = &self.relays[at];
                samples[at].push(measure(relay).map_err(|error| failed(relay, error))?);
            }
        }
        Ok(samples)
    }
}

/// How many frames the relay carries in one slot: its own rate, because one that answers every frame may be far slower.
fn frames_per_slot(relay: &Relay, stream: Stream, slot: Duration) -> io::Result<usize> {
    let mut client = Client::connect(relay.address)?;
    let mut frames = 32;
    loop {
        let took = client.run(stream, frames)?;
        if took * 8 >= slot {
            let per_slot = frames as f64 * slot.as_secs_f64() / took.as_secs_f64();
            return Ok(per_slot as usize + 1);
        }
        frames *= 2;
    }
}

fn rested_cpu(relay: &Relay) -> io::Result<f64> {
    thread::sleep(REST);
    relay.cpu_seconds()
}

fn ratio(samples: &[Sample], yardstick: &[Sample], of: fn(&Sample) -> f64) -> Ratio {
    let pairs: Vec<(f64, f64)> = samples
        .iter()
        .map(of)
        .zip(yardstick.iter().map(of))
        .collect();
    Ratio::of(&pairs)
}

fn failed(relay: &Relay, error: io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", relay.name))
}

fn judge(stream: Stream, cpu: Ratio, verdicts: &mut Vec<Verdict>) -> String {
    if stream.traffic == (Traffic::Produce { acks: 0 }) {
        // The broker's answers and the window of absorbed requests are what acks=all costs, not what the relay does.
        return " not judged: behind Holdfast the broker answers, behind the copy it does not"
            .to_owned();
    }
    if stream.size < CPU_TARGET_FROM {
        return " not judged: below 1 KiB".to_owned();
    }
    let verdict = cpu.against(CPU_TARGET);
    verdicts.push(verdict);
    format!(" target <= {CPU_TARGET:.2}: {verdict}")
}
