//! The real `holdfast` binary in front of a cluster: started by its command line, judged by what it shows outside
//! (HTTP, exit status, log). It reaches into nothing.

use super::eventually;
use super::ports;
use super::process::{Process, Scratch};
use super::raw::Raw;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Broker ports are a base plus a node id; ids up to this fit.
const MAX_NODE_ID: u16 = 9;

/// How it is to be started.
#[derive(Clone, Debug)]
pub struct Options {
    bootstrap_servers: String,
    broker_ids: String,
    preset: String,
    log_level: String,
    log_format: String,
    config: Option<String>,
    args: Vec<String>,
    sockets: bool,
}

impl Options {
    /// In front of these brokers, with the default preset and ids 1 to 3.
    pub fn new(bootstrap_servers: &str) -> Options {
        Options {
            bootstrap_servers: bootstrap_servers.into(),
            broker_ids: "1-3".into(),
            preset: "default".into(),
            log_level: "info".into(),
            log_format: "human".into(),
            config: None,
            args: Vec::new(),
            sockets: false,
        }
    }

    pub fn preset(mut self, preset: &str) -> Options {
        self.preset = preset.into();
        self
    }

    pub fn broker_ids(mut self, broker_ids: &str) -> Options {
        self.broker_ids = broker_ids.into();
        self
    }

    pub fn log(mut self, level: &str, format: &str) -> Options {
        (self.log_level, self.log_format) = (level.into(), format.into());
        self
    }

    /// The text of a gateway.toml. The ports stay ours: flags stand over the file.
    pub fn config(mut self, toml: &str) -> Options {
        self.config = Some(toml.into());
        self
    }

    pub fn arg(mut self, arg: &str) -> Options {
        self.args.push(arg.into());
        self
    }

    /// Its ports are ours, and passed to it: as systemd's socket activation does it.
    pub fn pass_sockets(mut self) -> Options {
        self.sockets = true;
        self
    }
}

pub struct Holdfast {
    process: Process,
    bootstrap_port: u16,
    broker_port_base: u16,
    admin_port: u16,
    options: Options,
    /// With [`Options::pass_sockets`]: one for each of its ports, with ids 1 to 3.
    sockets: Vec<TcpListener>,
    scratch: Scratch,
}

impl Holdfast {
    /// Starts it with the default preset and waits until /readyz says 200.
    #[track_caller]
    pub fn start(bootstrap_servers: &str) -> Holdfast {
        Holdfast::start_with(Options::new(bootstrap_servers))
    }

    #[track_caller]
    pub fn start_with(options: Options) -> Holdfast {
        let mut holdfast = Holdfast::launch(options);
        holdfast.wait_ready();
        holdfast
    }

    /// Starts it and waits for nothing.
    #[track_caller]
    pub fn launch(options: Options) -> Holdfast {
        let scratch = Scratch::new("holdfast");
        let (bootstrap_port, admin_port) = (ports::free(), ports::free());
        let broker_port_base = ports::base(MAX_NODE_ID);
        let sockets = match options.sockets {
            true => [bootstrap_port, admin_port]
                .into_iter()
                .chain(broker_port_base + 1..=broker_port_base + 3)
                .map(ports::listener)
                .collect(),
            false => Vec::new(),
        };
        if let Some(config) = &options.config {
            std::fs::write(scratch.path().join("gateway.toml"), config)
                .expect("a file in the scratch directory");
        }
        let ports = (bootstrap_port, broker_port_base, admin_port);
        let process = begin(&options, ports, &sockets, &scratch);
        Holdfast {
            process,
            bootstrap_port,
            broker_port_base,
            admin_port,
            options,
            sockets,
            scratch,
        }
    }

    /// After it has ended: the same again, with the same ports and the configuration file as it is now. Its log goes on.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.process.try_wait().is_some(), "it still runs");
        let ports = (self.bootstrap_port, self.broker_port_base, self.admin_port);
        self.process = begin(&self.options, ports, &self.sockets, &self.scratch);
    }

    #[track_caller]
    pub fn wait_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait() {
                panic!(
                    "holdfast ended with {status} before it was ready\n{}",
                    self.process.tail()
                );
            }
            match self.get("/readyz") {
                Ok((200, _)) => return,
                answer if begun.elapsed() >= READY_TIMEOUT => {
                    panic!(
                        "holdfast: /readyz after {READY_TIMEOUT:?}: {answer:?}\n{}",
                        self.process.tail()
                    )
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// For one that cannot look at the brokers by itself, and so is never ready.
    #[track_caller]
    pub fn wait_bound(&self) {
        eventually("the ports are bound", Duration::from_secs(20), || {
            let dialled = Raw::connect(&self.bootstrap());
            dialled.map(drop).map_err(|e| e.to_string())
        });
    }

    /// What clients are given as bootstrap server.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.bootstrap_port)
    }

    /// Where it stands for the broker with this node id.
    pub fn broker_addr(&self, node_id: i32) -> String {
        format!("127.0.0.1:{}", self.broker_port(node_id))
    }

    pub fn broker_port(&self, node_id: i32) -> u16 {
        self.broker_port_base + u16::try_from(node_id).expect("a small node id")
    }

    pub fn admin_addr(&self) -> String {
        format!("127.0.0.1:{}", self.admin_port)
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Status and body of a GET on the admin port.
    pub fn get(&self, path: &str) -> io::Result<(u16, String)> {
        http_get(&self.admin_addr(), path)
    }

    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        match self.get("/metrics") {
            Ok((200, text)) => Metrics::parse(&text),
            answer => panic!("/metrics: {answer:?}\n{}", self.process.tail()),
        }
    }

    pub fn sigterm(&mut self) {
        self.process.signal(Signal::TERM);
    }

    pub fn sighup(&mut self) {
        self.process.signal(Signal::HUP);
    }

    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// None when it still runs after `timeout`.
    pub fn wait_exit(&mut self, timeout: Duration) -> Option<ExitStatus> {
        self.process.wait_exit(timeout)
    }

    /// All that it wrote: standard output, then standard error.
    pub fn log(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }

    /// The file that `Options::config` became, to be rewritten before a SIGHUP.
    pub fn config_file(&self) -> std::path::PathBuf {
        self.scratch.path().join("gateway.toml")
    }
}

/// Starts the program with ports for clients, brokers and the admin endpoint.
#[track_caller]
fn begin(
    options: &Options,
    (bootstrap_port, broker_port_base, admin_port): (u16, u16, u16),
    sockets: &[TcpListener],
    scratch: &Scratch,
) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("run");
    command.args(["--bootstrap-server", &options.bootstrap_servers]);
    command.args(["--bind", "127.0.0.1"]);
    command.args(["--bootstrap-port", &bootstrap_port.to_string()]);
    command.args(["--broker-port-base", &broker_port_base.to_string()]);
    command.args(["--broker-ids", &options.broker_ids]);
    command.args(["--admin-bind", &format!("127.0.0.1:{admin_port}")]);
    command.args(["--preset", &options.preset]);
    command.args(["--log-level", &options.log_level]);
    command.args(["--log-format", &options.log_format]);
    if options.config.is_some() {
        let file = scratch.path().join("gateway.toml");
        command.arg("--config").arg(file);
    }
    command.args(&options.args).current_dir(scratch.path());
    match sockets.is_empty() {
        true => Process::start("holdfast", scratch.path(), command),
        false => {
            let copy = |socket: &TcpListener| socket.try_clone().expect("a descriptor").into();
            let copies = sockets.iter().map(copy).collect();
            Process::start_passing("holdfast", scratch.path(), command, copies)
        }
    }
}

pub fn http_get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other("no end of the HTTP head"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in {head:?}")))?;
    match head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        true => Ok((status, unchunk(body))),
        false => Ok((status, body.to_string())),
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Some(chunk) = usize::from_str_radix(size.trim(), 16)
            .ok()
            .and_then(|size| rest.get(..size))
        else {
            break;
        };
        whole += chunk;
        body = rest[chunk.len()..].trim_start_matches("\r\n");
    }
    whole
}

/// One read of /metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub series: Vec<Series>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Metrics {
    /// The text exposition; panics on a line that is none.
    #[track_caller]
    pub fn parse(text: &str) -> Metrics {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse =
            |line: &str| parse_series(line).unwrap_or_else(|| panic!("not a metric: {line}"));
        Metrics {
            series: lines.map(parse).collect(),
        }
    }

    /// All series of a family that carry these labels.
    pub fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Series> {
        let carries = |s: &Series| {
            labels
                .iter()
                .all(|(key, value)| s.labels.get(*key).is_some_and(|v| v == value))
        };
        self.series
            .iter()
            .filter(|s| s.name == name && carries(s))
            .collect()
    }

    /// The sum over all series of a family that carry these labels; panics when there is none, so that a misspelt
    /// name is not a zero.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.matching(name, labels);
        assert!(!found.is_empty(), "no series {name} with {labels:?}");
        found.iter().map(|s| s.value).sum()
    }

    /// The same, 0 when there is none: for families whose labels appear with their first event.
    pub fn value_or_zero(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).iter().map(|s| s.value).sum()
    }
}

fn parse_series(line: &str) -> Option<Series> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, quoted) = rest.trim_start_matches(',').split_once("=\"")?;
            let (mut value, mut chars) = (String::new(), quoted.char_indices());
            loop {
                match chars.next()?.1 {
                    '"' => break,
                    '\\' => match chars.next()?.1 {
                        'n' => value.push('\n'),
                        escaped => value.push(escaped),
                    },
                    plain => value.push(plain),
                }
            }
            labels.insert(key.to_string(), value);
            rest = chars.as_str().trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Series {
        name: name.to_string(),
        labels,
        value,
    })
}

#[test]
fn metrics_are_summed_over_the_series_that_carry_the_labels() {
    let metrics = Metrics::parse(
        "# HELP a_total what\n# TYPE a_total counter\na_total{s=\"x\",t=\"q\\\"},{\"} 2\na_total{s=\"x\",t=\"\"} 3\n\
         a_total{s=\"y\"} 5\nb 1.5\nc{} +Inf\n",
    );
    assert_eq!(metrics.value("a_total", &[("s", "x")]), 5.0);
    assert_eq!(metrics.value("a_total", &[("t", "q\"},{")]), 2.0);
    assert_eq!(metrics.value("a_total", &[]), 10.0);
    assert_eq!(metrics.value("b", &[]), 1.5);
    assert_eq!(metrics.value("c", &[]), f64::INFINITY);
    assert_eq!(metrics.value_or_zero("a_total", &[("s", "z")]), 0.0);
}

#[test]
fn chunks_are_put_together() {
    assert_eq!(unchunk("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
}
