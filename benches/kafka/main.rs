//! What a relay costs between real clients and real brokers: `cargo bench --bench kafka -- [flags]`.
//!
//! Three brokers of Kafka 4.3.1 on this machine, Kafka's own ProducerPerformance and ConsumerPerformance, direct and through each
//! relay. A relay that knows nothing of Kafka gets a listener of its own on the brokers, which advertises the relay's ports, so that
//! clients stay on its way. Runs are interleaved; each is compared with the direct one of the same round. Brokers, clients and
//! relay share the machine: throughput says what is left for the relay, its CPU per GB what it takes.

#[path = "../relay/peers.rs"]
#[expect(dead_code, reason = "the relay bench uses the rest")]
mod peers;
#[path = "../relay/relay.rs"]
#[expect(dead_code, reason = "the relay bench uses the rest")]
mod relay;
#[path = "../relay/stats.rs"]
#[expect(dead_code, reason = "the relay bench uses the rest")]
mod stats;
#[path = "../../tests/it/support/mod.rs"]
mod support;

use clap::Parser;
use peers::{Behind, DEFAULT, Holdfast};
use relay::Relay;
use stats::{Ratio, median, quantile};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fs, io, thread};
use support::kafka::{ClientListener, Cluster, Spec, Version, tool_command, unique};
use support::process;
use support::raw::{Batch, Produce, Raw};

const PRODUCER: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER: &str = "org.apache.kafka.tools.ConsumerPerformance";
const TIMEOUT: Duration = Duration::from_secs(600);
/// Ways that lead through a relay that looks at nothing, each with a listener of the brokers.
const BLIND: [&str; 4] = [
    peers::COPY,
    peers::NGINX,
    peers::HAPROXY,
    peers::HAPROXY_SPLICE,
];
const AWARE: [&str; 2] = [DEFAULT, "strict"];
const DIRECT: &str = "direct";
const PARTITIONS: i32 = 3;
/// Consumers at a time where fetching is all that happens.
const READERS: usize = 3;
/// Of the runs whose round trips are told.
const PER_SECOND: u32 = 200;

#[derive(Parser)]
#[command(
    name = "kafka",
    about = "Throughput, CPU and round trips with real brokers and clients, direct and through relays"
)]
struct Flags {
    /// Little data and few rounds: an impression in some minutes
    #[arg(long)]
    quick: bool,
    /// MB per run
    #[arg(long, value_name = "N")]
    mb: Option<usize>,
    /// Rounds per case
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Only the cases whose name contains this text
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only these ways, beside direct
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    among: Vec<String>,
    /// Worker threads (nginx: processes) of every relay
    #[arg(long, value_name = "N", default_value_t = 2)]
    workers: usize,
    /// Write the tables as Markdown, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<std::path::PathBuf>,
    #[arg(long, hide = true, value_name = "PORT,WORKERS,BYTES,BROKER,…")]
    serve_copy: Option<String>,
    /// What `cargo bench` adds by itself, and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let result = match &flags.serve_copy {
        Some(how) => peers::serve_copy(how),
        None => run(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kafka: {error}");
            ExitCode::from(2)
        }
    }
}

/// How clients come to the brokers.
struct Way {
    name: String,
    bootstrap: String,
    /// Of the broker with this id.
    ports: Vec<u16>,
    relay: Option<Relay>,
}

impl Way {
    /// Not a number on the direct way.
    fn cpu_seconds(&self) -> io::Result<f64> {
        self.cpu_seconds_since(0.0)
    }

    fn cpu_seconds_since(&self, before: f64) -> io::Result<f64> {
        peers::rest();
        let spent = |relay: &Relay| relay.cpu_seconds_since(before);
        self.relay.as_ref().map_or(Ok(f64::NAN), spent)
    }
}

/// One line of the table: figures of every way, round by round; the first is compared with the direct one's.
struct Row {
    case: String,
    units: &'static [&'static str],
    by_way: Vec<(String, Vec<Vec<f64>>)>,
}

const MOVED: &[&str] = &["MB/s", "CPU s/GB"];
const TOOK: &[&str] = &["p50 µs", "p99 µs", "CPU µs/request"];

fn run(flags: &Flags) -> io::Result<()> {
    if !flags.bench {
        println!("nothing is measured in a test run: cargo bench --bench kafka");
        return Ok(());
    }
    let asked =
        |name: &&str| flags.among.is_empty() || flags.among.iter().any(|among| among == name);
    let blind: Vec<&str> = BLIND.into_iter().filter(asked).collect();
    let mut spec = Spec::new(Version::V4_3_1)
        // Topics of many runs must not pile up on the disk.
        .property("log.segment.delete.delay.ms", "1000")
        .property("log.retention.check.interval.ms", "5000");
    let mut first_ports = Vec::new();
    for name in &blind {
        let first = peers::free_ports(PARTITIONS as u16)?;
        first_ports.push(first);
        spec = spec.listener(
            ClientListener::plaintext(&listener(name)).advertised("127.0.0.1", first - 1),
        );
    }
    let cluster = Cluster::start(spec);
    let mut missing = Vec::new();
    let mut ways = vec![Way {
        name: DIRECT.to_owned(),
        bootstrap: cluster.bootstrap(),
        ports: cluster.brokers().map(|broker| broker.port()).collect(),
        relay: None,
    }];
    for (name, first) in blind.iter().zip(first_ports) {
        let of = |broker: &support::kafka::Node| peers::loopback(broker.port_of(&listener(name)));
        let behind = Behind {
            brokers: cluster.brokers().map(of).collect(),
            workers: flags.workers,
            first_port: Some(first),
        };
        match peers::start(name, &behind)? {
            Ok(relay) => ways.push(way(name, relay)),
            Err(how) => missing.push(format!("{name} ({how})")),
        }
    }
    for name in AWARE.into_iter().filter(asked) {
        let behind = Behind {
            brokers: cluster
                .brokers()
                .map(|broker| peers::loopback(broker.port()))
                .collect(),
            workers: flags.workers,
            first_port: None,
        };
        let mut how = Holdfast::preset(name);
        how.brokers = PARTITIONS as u16;
        ways.push(way(name, peers::holdfast(name, &behind, &how)?));
    }
    let mut heading = format!(
        "{}; Kafka 4.3.1, {}; {}, {} workers each",
        today(),
        peers::versions().join(", "),
        peers::machine(),
        flags.workers
    );
    if !missing.is_empty() {
        heading += &format!("; MISSING: {}", missing.join(", "));
    }
    println!("{heading}\n");
    let bench = Bench {
        cluster,
        ways,
        mb: flags.mb.unwrap_or(if flags.quick { 30 } else { 300 }),
        rounds: flags
            .rounds
            .unwrap_or(if flags.quick { 1 } else { 5 })
            .max(1),
        seconds: if flags.quick { 3 } else { 10 },
        only: flags.only.clone().unwrap_or_default(),
    };
    let rows = bench.all()?;
    if let Some(file) = &flags.markdown {
        let tables: Vec<String> = rows.iter().map(Row::markdown).collect();
        fs::write(file, format!("{heading}\n\n{}", tables.join("\n")))?;
    }
    Ok(())
}

fn way(name: &str, relay: Relay) -> Way {
    let first = relay.address.port();
    let ports: Vec<u16> = (first..first + PARTITIONS as u16).collect();
    let bootstrap: Vec<String> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    Way {
        name: name.to_owned(),
        bootstrap: bootstrap.join(","),
        ports,
        relay: Some(relay),
    }
}

/// A listener's name has capitals only.
fn listener(relay: &str) -> String {
    relay.to_uppercase().replace(' ', "")
}

struct Bench {
    cluster: Cluster,
    ways: Vec<Way>,
    mb: usize,
    rounds: usize,
    seconds: u32,
    only: String,
}

impl Bench {
    fn all(&self) -> io::Result<Vec<Row>> {
        let mut rows = Vec::new();
        // The JVMs of the brokers warm up on nobody's account.
        self.produce(&self.ways[0], 1_000, "all")?;
        for (size, name) in [(1_000, "1 KB"), (100_000, "100 KB")] {
            self.add(
                &mut rows,
                format!("produce {name}, acks=all"),
                MOVED,
                |way| self.produce(way, size, "all"),
            )?;
        }
        for (size, name) in [(1_000, "1 KB"), (100_000, "100 KB")] {
            let case = [
                format!("consume {name}"),
                format!("{READERS} consumers at a time, {name}"),
            ];
            if !case.iter().any(|case| case.contains(&self.only)) {
                continue;
            }
            let topic = self.filled(size)?;
            let [one, many] = case;
            self.add(&mut rows, one, MOVED, |way| {
                self.consume(way, &topic, size, 1)
            })?;
            self.add(&mut rows, many, MOVED, |way| {
                self.consume(way, &topic, size, READERS)
            })?;
        }
        // What an override costs, and what the hop: the first to the second of one way, and one way to the other.
        for acks in ["1", "all"] {
            self.add(
                &mut rows,
                format!("produce 1 KB, acks={acks}, without idempotence"),
                MOVED,
                |way| self.produce(way, 1_000, acks),
            )?;
        }
        for acks in [1, -1] {
            let case = format!(
                "round trip of a Produce of 1 KB with acks={acks}, {PER_SECOND} per second"
            );
            self.add(&mut rows, case, TOOK, |way| self.round_trips(way, acks))?;
        }
        Ok(rows)
    }

    /// Every way once per round, in rotating order.
    fn add(
        &self,
        rows: &mut Vec<Row>,
        case: String,
        units: &'static [&'static str],
        measure: impl Fn(&Way) -> io::Result<Vec<f64>>,
    ) -> io::Result<()> {
        if !case.contains(&self.only) {
            return Ok(());
        }
        let count = self.ways.len();
        let mut by_way: Vec<(String, Vec<Vec<f64>>)> = Vec::new();
        by_way.extend(self.ways.iter().map(|way| (way.name.clone(), Vec::new())));
        for round in 0..self.rounds {
            // A case takes minutes, and the figures go to the other stream.
            eprintln!("{case}: round {} of {}", round + 1, self.rounds);
            for turn in 0..count {
                let at = (round + turn) % count;
                let way = &self.ways[at];
                let figures = measure(way);
                let figures =
                    figures.map_err(|error| io::Error::other(format!("{}: {error}", way.name)))?;
                by_way[at].1.push(figures);
            }
        }
        let row = Row {
            case,
            units,
            by_way,
        };
        row.print();
        rows.push(row);
        Ok(())
    }

    /// A topic of its own for every run, gone afterwards.
    fn produce(&self, way: &Way, size: usize, acks: &str) -> io::Result<Vec<f64>> {
        let topic = self.topic();
        let before = way.cpu_seconds()?;
        let mb_per_second = self.write(way, &topic, size, acks)?;
        let cpu = way.cpu_seconds_since(before)?;
        support::rdk::delete_topic(&self.cluster.bootstrap(), &topic);
        Ok(vec![mb_per_second, cpu / (self.mb as f64 / 1e3)])
    }

    fn topic(&self) -> String {
        let topic = unique("performance");
        self.cluster.create_topic(&topic, PARTITIONS, 3, &[]);
        topic
    }

    fn filled(&self, size: usize) -> io::Result<String> {
        let topic = self.topic();
        self.write(&self.ways[0], &topic, size, "all")?;
        Ok(topic)
    }

    fn records(&self, size: usize) -> String {
        (self.mb * 1_000_000 / size).to_string()
    }

    /// As fast as it goes: MB per second.
    fn write(&self, way: &Way, topic: &str, size: usize, acks: &str) -> io::Result<f64> {
        let batch = if size < 10_000 { 64 << 10 } else { 1_000_000 };
        let batch = format!("batch.size={batch}");
        let (records, size, acks) = (self.records(size), size.to_string(), format!("acks={acks}"));
        let args = [
            "--bootstrap-server",
            &way.bootstrap,
            "--topic",
            topic,
            "--num-records",
            &records,
            "--record-size",
            &size,
            "--throughput",
            "-1",
            "--command-property",
            &acks,
            "--command-property",
            // The same for all, as it goes with acks=all only.
            "enable.idempotence=false",
            "--command-property",
            &batch,
            "--command-property",
            "linger.ms=5",
        ];
        let output = self.cluster.tool_with(PRODUCER, &args, b"", TIMEOUT);
        let text = output.ok();
        // "… 41.03 MB/sec), …", where MB are MiB.
        let last = text.lines().rfind(|line| line.contains("MB/sec"));
        let mib = last.and_then(|line| {
            line.split_once(" MB/sec")?
                .0
                .rsplit_once('(')?
                .1
                .parse::<f64>()
                .ok()
        });
        mib.map(|mib| mib * 1.048_576)
            .ok_or_else(|| io::Error::other(format!("no rate in: {text}")))
    }

    /// All of the topic, by so many at a time: MB per second together, without the time in which their groups form.
    fn consume(&self, way: &Way, topic: &str, size: usize, readers: usize) -> io::Result<Vec<f64>> {
        let records = self.records(size);
        let before = way.cpu_seconds()?;
        let read = || -> io::Result<f64> {
            let args = [
                "--bootstrap-server",
                &way.bootstrap,
                "--topic",
                topic,
                "--num-records",
                &records,
                "--timeout",
                "60000",
                "--hide-header",
            ];
            let command = tool_command(Version::V4_3_1, CONSUMER, &args);
            let output = process::run("ConsumerPerformance", command, b"", TIMEOUT);
            let text = output.ok();
            // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s
            let last = text.lines().rfind(|line| line.contains(", "));
            let mib = last.and_then(|line| line.split(", ").nth(8)?.trim().parse::<f64>().ok());
            mib.map(|mib| mib * 1.048_576)
                .ok_or_else(|| io::Error::other(format!("no rate in: {text}")))
        };
        let together: io::Result<f64> = thread::scope(|scope| {
            let readers: Vec<_> = (0..readers).map(|_| scope.spawn(read)).collect();
            readers
                .into_iter()
                .map(|reader| reader.join().expect("a reader does not panic"))
                .sum()
        });
        let cpu = way.cpu_seconds_since(before)?;
        Ok(vec![
            together?,
            cpu / (readers as f64 * self.mb as f64 / 1e3),
        ])
    }

    /// One request at a time from a client of our own, which tells microseconds where Kafka's tools tell milliseconds.
    fn round_trips(&self, way: &Way, acks: i16) -> io::Result<Vec<f64>> {
        const VERSION: i16 = 9;
        let topic = self.topic();
        let leader = self.cluster.wait_leader(&topic, 0, Duration::from_secs(30));
        let address = SocketAddr::from(([127, 0, 0, 1], way.ports[leader as usize - 1]));
        let mut client = Raw::connect(&address.to_string())?;
        let produce = Produce::new(VERSION, acks, &topic, 0, Batch::of_ids(0, 1, 1_000).bytes());
        let mut trip = || -> io::Result<f64> {
            let begun = Instant::now();
            let answer = client.produce(&produce)?;
            let took = begun.elapsed().as_secs_f64() * 1e6;
            match answer.error_codes()[..] {
                [0] => Ok(took),
                _ => Err(io::Error::other(format!("{answer:?}"))),
            }
        };
        for _ in 0..PER_SECOND / 2 {
            trip()?;
        }
        let before = way.cpu_seconds()?;
        let begun = Instant::now();
        let mut trips = Vec::new();
        for turn in 0..PER_SECOND * self.seconds {
            let due = begun + Duration::from_secs(1) / PER_SECOND * turn;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            trips.push(trip()?);
        }
        let cpu = (way.cpu_seconds_since(before)?) / trips.len() as f64 * 1e6;
        support::rdk::delete_topic(&self.cluster.bootstrap(), &topic);
        Ok(vec![median(&trips), quantile(&trips, 0.99), cpu])
    }
}

impl Row {
    /// Medians, the first metric beside the direct way's, and by how much the others are apart from it.
    fn cells(&self) -> Vec<(String, Vec<String>)> {
        let column = |rounds: &[Vec<f64>], at: usize| -> Vec<f64> {
            rounds.iter().map(|round| round[at]).collect()
        };
        let direct = self.by_way.iter().find(|(name, _)| name == DIRECT);
        let direct = direct
            .map(|(_, rounds)| rounds)
            .expect("it is always measured");
        let cells = |rounds: &Vec<Vec<f64>>| {
            let mut cells = Vec::new();
            for at in 0..self.units.len() {
                let values = column(rounds, at);
                let median = median(&values);
                cells.push(match median {
                    median if median.is_nan() => String::new(),
                    median if median >= 100.0 => format!("{median:.0}"),
                    median => format!("{median:.2}"),
                });
            }
            let ratio = Ratio::of(&column(rounds, 0), &column(direct, 0));
            cells.push(ratio.to_string());
            cells
        };
        self.by_way
            .iter()
            .map(|(name, rounds)| (name.clone(), cells(rounds)))
            .collect()
    }

    fn titles(&self) -> Vec<String> {
        let mut titles: Vec<String> = self.units.iter().map(|unit| (*unit).to_owned()).collect();
        titles.push(format!("{} / direct", self.units[0]));
        titles
    }

    fn print(&self) {
        println!("{}", self.case);
        let line = |name: &str, cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>18}")).collect();
            println!("{}", format!("  {name:<15}{}", cells.join(" ")).trim_end());
        };
        line("way", &self.titles());
        for (name, cells) in self.cells() {
            line(&name, &cells);
        }
        println!();
    }

    fn markdown(&self) -> String {
        let titles = self.titles();
        let mut text = format!(
            "| {} | {} |\n|---{}|\n",
            self.case,
            titles.join(" | "),
            "|---".repeat(titles.len())
        );
        for (name, cells) in self.cells() {
            text += &format!("| {name} | {} |\n", cells.join(" | "));
        }
        text
    }
}

fn today() -> String {
    let output = std::process::Command::new("date").arg("-I").output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}
