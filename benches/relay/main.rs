//! What a relay costs: CPU, round trip, throughput and memory of Holdfast, beside the relays that know nothing of Kafka.
//!
//! `cargo bench --bench relay -- [flags]`. A client and a null broker in this process send real Kafka frames through relays
//! in processes of their own: `copy` is `tokio::io::copy_bidirectional_with_sizes` with 64 KiB, the least that a relay can do;
//! `copy again` is a second such process, the yardstick against itself: what it differs from 1.00 is noise; nginx (`stream`) and
//! HAProxy (`mode tcp`, with and without splice) are what people use; `direct` is no relay at all; Holdfast runs with each of its
//! presets. In every round each of them carries the same traffic, in rotating order, and is compared with the `copy` of the
//! same round. Absolute numbers say something about the machine, the ratios about the relay.
//!
//! A target is met when the median of at least 15 ratios is not above it, and missed when all of their 95 % bootstrap interval
//! is above it; else the two cannot be told apart. It is judged beside the cheapest of the relays that it names, and not at all
//! when one of them is missing. A missed target is exit status 1. Not measured here: real brokers (`--bench kafka`), real networks.

mod absolute;
mod broker;
mod cases;
mod client;
mod frames;
mod held;
mod peers;
mod plot;
mod relay;
mod scale;
mod stats;
#[path = "../../tests/it/support/mod.rs"]
mod support;
mod table;

use absolute::Figures;
use broker::Cluster;
use cases::Case;
use clap::Parser;
use peers::Behind;
use relay::Relay;
use stats::{PAIRS, Verdict};
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{fs, io};
use table::Row;

#[derive(Parser)]
#[command(
    name = "relay",
    about = "CPU, round trip, throughput and memory of Holdfast beside nginx, HAProxy and a plain copy"
)]
struct Flags {
    /// A few cases, sizes and rounds: an impression in two minutes, and no verdicts
    #[arg(long)]
    quick: bool,
    /// Only the cases whose name contains this text
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Rounds per case; with fewer than 15 nothing is judged
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Worker threads (nginx: processes) of every relay
    #[arg(long, value_name = "N", default_value_t = 2)]
    workers: usize,
    /// Idle connections whose memory is measured; with other than 9 000 it is not judged
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Only these relays, beside copy and copy again
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    among: Vec<String>,
    /// Another relay in front of --broker-port joins; CPU and memory are those of the process and its children
    #[arg(long, value_name = "NAME=HOST:PORT,PID", value_parser = Relay::parse)]
    relay: Vec<(String, SocketAddr, u32)>,
    /// Where the null broker listens, for relays that are started beforehand
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    broker_port: u16,
    /// Measure the others alone
    #[arg(long)]
    without_holdfast: bool,
    /// Write the tables as Markdown, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<std::path::PathBuf>,
    /// Instead: how the cost grows with connections, partitions, brokers, Metadata
    #[arg(long)]
    scale: bool,
    /// Draw the curves of --scale
    #[arg(long, value_name = "FILE.svg", requires = "scale")]
    plot: Option<std::path::PathBuf>,
    /// Print the names of the cases and end
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true, value_name = "PORT,WORKERS,BYTES,BROKER,…")]
    serve_copy: Option<String>,
    /// What `cargo bench` adds by itself, and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured in absolute numbers, by the name that `--only` looks for.
const ABSOLUTE: [&str; 5] = [
    "frames held whole",
    "start to ready",
    "memory by frame size",
    "memory of idle connections",
    "memory of idle TLS connections",
];

fn main() -> ExitCode {
    let flags = Flags::parse();
    let result = match &flags.serve_copy {
        Some(how) => peers::serve_copy(how).map(|()| false),
        None => run(&flags),
    };
    match result {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(1),
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether a target was missed.
fn run(flags: &Flags) -> io::Result<bool> {
    if !flags.bench {
        println!("nothing is measured in a test run: cargo bench --bench relay");
        return Ok(false);
    }
    let only = flags.only.as_deref().unwrap_or_default();
    let cases: Vec<Case> = cases::all(flags.quick)
        .into_iter()
        .filter(|case| case.name().contains(only))
        .collect();
    let absolute: Vec<&str> = ABSOLUTE
        .into_iter()
        .filter(|name| name.contains(only))
        .collect();
    if flags.list {
        absolute.iter().for_each(|name| println!("{name}"));
        cases.iter().for_each(|case| println!("{}", case.name()));
        return Ok(false);
    }
    if cases.is_empty() && absolute.is_empty() {
        return Err(io::Error::other("no case has such a name, see --list"));
    }
    // Two descriptors per idle connection here, two in each relay.
    rlimit::increase_nofile_limit(u64::MAX)?;
    if flags.scale {
        return scale(flags);
    }
    let cluster = Cluster {
        brokers: 1,
        partitions: client::VARIED_PARTITIONS as i32,
        tls: None,
    };
    let behind = Behind::one(broker::start(flags.broker_port, cluster)?, flags.workers);
    let mut bench = Bench::new(flags, behind)?;
    println!("{}\n", bench.heading);
    for name in absolute {
        bench.absolute(name)?;
    }
    for case in cases {
        bench.run(case)?;
    }
    bench.end(flags)
}

/// Whether a cost grows faster than what it grows with.
fn scale(flags: &Flags) -> io::Result<bool> {
    let heading = format!(
        "{}; {}; {}, {} workers each",
        said("date", &["-I"]),
        versions(),
        peers::machine(),
        flags.workers
    );
    let curves = scale::curves(flags.workers, flags.quick)?;
    let tables: Vec<String> = curves.iter().map(scale::Curve::markdown).collect();
    let picture = flags.plot.as_ref().map_or_else(String::new, |file| {
        format!("![How the cost grows]({})\n\n", file.display())
    });
    let text = format!("{heading}\n\n{picture}{}", tables.join("\n"));
    println!("\n{text}");
    if let Some(file) = &flags.markdown {
        fs::write(file, &text)?;
    }
    if let Some(file) = &flags.plot {
        file.parent().map(fs::create_dir_all).transpose()?;
        fs::write(file, plot::svg(&heading, &curves))?;
    }
    Ok(curves
        .iter()
        .any(|curve| curve.verdict() == Verdict::Missed))
}

struct Bench {
    connections: usize,
    begun: Instant,
    heading: String,
    behind: Behind,
    quick: bool,
    with_holdfast: bool,
    relays: Vec<Relay>,
    pairs: usize,
    rows: Vec<Row>,
    figures: Vec<Figures>,
}

impl Bench {
    fn new(flags: &Flags, behind: Behind) -> io::Result<Bench> {
        let mut relays = Vec::new();
        let mut missing = Vec::new();
        for name in peers::ALL {
            let blind = peers::BLIND.contains(&name);
            let yardstick = [peers::COPY, peers::COPY_AGAIN].contains(&name);
            let asked = flags.among.is_empty() || flags.among.iter().any(|among| among == name);
            if !yardstick && (!asked || flags.without_holdfast && !blind) {
                continue;
            }
            match peers::start(name, &behind)? {
                Ok(relay) => relays.push(relay),
                Err(how) => missing.push(format!("{name} ({how})")),
            }
        }
        if flags.among.is_empty() || flags.among.iter().any(|among| among == "direct") {
            relays.push(Relay::direct(behind.brokers[0]));
        }
        for foreign in &flags.relay {
            relays.push(Relay::foreign(foreign.clone())?);
        }
        let pairs = flags.pairs.unwrap_or(if flags.quick { 5 } else { PAIRS });
        let mut heading = format!(
            "{}; {}; {}, {} workers each, {} pairs",
            said("date", &["-I"]),
            versions(),
            peers::machine(),
            flags.workers,
            pairs.max(1)
        );
        match missing.is_empty() {
            true => {}
            false => heading += &format!("; MISSING: {}", missing.join(", ")),
        }
        let most = if flags.quick {
            500
        } else {
            absolute::CONNECTIONS
        };
        Ok(Bench {
            connections: flags
                .connections
                .unwrap_or(most)
                .clamp(2 * absolute::WARM, absolute::CONNECTIONS),
            begun: Instant::now(),
            heading,
            behind,
            quick: flags.quick,
            with_holdfast: !flags.without_holdfast,
            relays,
            pairs: pairs.max(1),
            rows: Vec::new(),
            figures: Vec::new(),
        })
    }

    fn absolute(&mut self, name: &str) -> io::Result<()> {
        if !self.with_holdfast {
            return Ok(());
        }
        let connections = self.connections;
        let figures = match name {
            "frames held whole" => held::shares(),
            "start to ready" => vec![absolute::start_to_ready(&self.behind)?],
            "memory by frame size" => absolute::by_frame_size(&self.behind, self.quick)?,
            "memory of idle connections" => absolute::idle(&self.behind, connections)?,
            _ => absolute::idle_tls(&self.behind, connections)?,
        };
        table::print_figures(&figures);
        self.figures.extend(figures);
        Ok(())
    }

    /// Every relay once per round, in an order that rotates, so that nobody always follows the same neighbour.
    fn run(&mut self, case: Case) -> io::Result<()> {
        let prepared = case.prepare();
        let count = self.relays.len();
        let mut repeats = Vec::with_capacity(count);
        for relay in &self.relays {
            repeats.push(
                prepared
                    .repeats(relay)
                    .map_err(|error| failed(relay, error))?,
            );
        }
        let mut samples: Vec<Vec<Vec<f64>>> = vec![Vec::new(); count];
        for round in 0..self.pairs {
            for turn in 0..count {
                let at = (round + turn) % count;
                let relay = &self.relays[at];
                let sample = prepared.measure(relay, repeats[at]);
                samples[at].push(sample.map_err(|error| failed(relay, error))?);
            }
        }
        let rows: Vec<Row> = case
            .metrics()
            .iter()
            .enumerate()
            .map(|(position, metric)| {
                let of_relay = |(relay, rounds): (&Relay, &Vec<Vec<f64>>)| {
                    let values = rounds.iter().map(|sample| sample[position]).collect();
                    (relay.name.clone(), values)
                };
                let samples = self.relays.iter().zip(&samples).map(of_relay).collect();
                Row::new(case.name(), *metric, samples, &case.targets(*metric))
            })
            .collect();
        table::print_case(&rows);
        self.rows.extend(rows);
        Ok(())
    }

    fn end(self, flags: &Flags) -> io::Result<bool> {
        if let Some(file) = &flags.markdown {
            fs::write(
                file,
                table::markdown(&self.heading, &self.rows, &self.figures),
            )?;
        }
        let judged = self.rows.iter().flat_map(|row| &row.judged);
        let judged = judged
            .filter(|judged| !judged.target.stretch)
            .map(|judged| &judged.verdict);
        let all: Vec<&Verdict> = judged
            .chain(
                self.figures
                    .iter()
                    .filter_map(|row| Some(&row.judged.as_ref()?.1)),
            )
            .collect();
        let count =
            |wanted: fn(&Verdict) -> bool| all.iter().filter(|verdict| wanted(verdict)).count();
        let missed = count(|verdict| *verdict == Verdict::Missed);
        println!("{:.0} s", self.begun.elapsed().as_secs_f64());
        println!(
            "targets: {} met, {missed} missed, {} not distinguishable, {} not judged",
            count(|verdict| *verdict == Verdict::Met),
            count(|verdict| *verdict == Verdict::NotDistinguishable),
            count(|verdict| matches!(verdict, Verdict::NotJudged(_))),
        );
        Ok(missed > 0)
    }
}

fn versions() -> String {
    let mut versions = peers::versions();
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    versions[0] += &format!(" ({commit})");
    versions.push(format!("Linux {}", said("uname", &["-r"])));
    versions.join(", ")
}

/// What a program says in one line; nothing of it when it is not there.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn failed(relay: &Relay, error: io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", relay.name))
}
