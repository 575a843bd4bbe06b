//! A TCP load balancer that people use, Debian's `haproxy`: it asks each instance whether it is ready, as Kubernetes does for a
//! Service. It knows nothing of Kafka.

use super::holdfast::{Holdfast, http_get};
use super::process::{self, Process, Scratch};
use super::{eventually, ports};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// One port of its own for the bootstrap port and for that of each broker.
pub struct Haproxy {
    /// The one that clients are given as bootstrap server first.
    ports: Vec<u16>,
    stats_port: u16,
    process: Process,
    _scratch: Scratch,
}

/// Its ports, chosen before there is anything to stand in front of: what stands behind it has to tell of them.
#[derive(Clone, Copy)]
pub struct Ports {
    bootstrap: u16,
    broker_base: u16,
}

impl Ports {
    pub fn choose() -> Ports {
        Ports {
            bootstrap: ports::free(),
            broker_base: ports::base(BROKERS),
        }
    }

    /// For `[listener]` of the instances.
    pub fn toml(self) -> String {
        format!(
            "listener.advertised_broker_port_base = {}\n",
            self.broker_base
        )
    }
}

const BROKERS: u16 = 3;

/// One port of its own, and what stands behind it.
struct Listener {
    name: String,
    port: u16,
    servers: Vec<String>,
}

/// What it has counted, over all ports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Connections that it took of clients.
    pub connections: u64,
    /// That it could not make to an instance.
    pub connect_errors: u64,
    /// Times that it tried again, or another instance.
    pub retries: u64,
}

impl Haproxy {
    /// In front of these instances, with brokers 1 to 3. New connections go to the one that has the fewest.
    #[track_caller]
    pub fn start(ports: Ports, instances: &[&Holdfast]) -> Haproxy {
        let mut listeners = vec![Listener {
            name: "bootstrap".to_owned(),
            port: ports.bootstrap,
            servers: instances.iter().map(|one| one.bootstrap()).collect(),
        }];
        listeners.extend((1..=BROKERS).map(|id| {
            Listener {
                name: format!("broker{id}"),
                port: ports.broker_base + id,
                servers: instances
                    .iter()
                    .map(|one| one.broker_addr(id.into()))
                    .collect(),
            }
        }));
        Haproxy::launch(listeners, instances, "")
    }

    /// In front of their ports of `[listener.sni]`, by one port of its own, and says by the PROXY protocol, version 2, who
    /// its clients are.
    #[track_caller]
    pub fn start_by_name(port: u16, instances: &[(&Holdfast, u16)]) -> Haproxy {
        let servers = instances
            .iter()
            .map(|(_, port)| format!("127.0.0.1:{port}"));
        let listener = Listener {
            name: "names".to_owned(),
            port,
            servers: servers.collect(),
        };
        let instances: Vec<&Holdfast> = instances.iter().map(|(one, _)| *one).collect();
        Haproxy::launch(vec![listener], &instances, " send-proxy-v2")
    }

    #[track_caller]
    fn launch(listeners: Vec<Listener>, instances: &[&Holdfast], to_servers: &str) -> Haproxy {
        // Debian's place for it, which is not on everybody's path.
        let mut program = Path::new("/usr/sbin/haproxy");
        if !program.is_file() {
            process::require("haproxy", "haproxy");
            program = Path::new("haproxy");
        }
        let scratch = Scratch::new("haproxy");
        let stats_port = self::ports::free();
        let mut config = format!(
            "global\n  maxconn 2000\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout check 2s\n  timeout client 1h\n  timeout server 1h\n\
             frontend stats\n  mode http\n  bind 127.0.0.1:{stats_port}\n  stats enable\n  stats uri /\n"
        );
        for Listener {
            name,
            port,
            servers,
        } in &listeners
        {
            writeln!(config, "listen {name}\n  bind 127.0.0.1:{port}\n  balance leastconn\n  option httpchk GET /readyz\n  http-check expect status 200").expect("a text");
            for (number, (address, instance)) in servers.iter().zip(instances).enumerate() {
                let admin = instance.admin_addr();
                let admin_port = admin.rsplit(':').next().unwrap_or_default();
                let check = format!("check port {admin_port} inter 250ms fall 2 rise 1");
                writeln!(config, "  server i{number} {address} {check}{to_servers}")
                    .expect("a text");
            }
        }
        let file = scratch.path().join("haproxy.cfg");
        std::fs::write(&file, config).expect("a file in the scratch directory");
        let mut command = Command::new(program);
        // In the foreground, as one process.
        command.arg("-db").arg("-f").arg(file);
        let process = Process::start("haproxy", scratch.path(), command);
        let haproxy = Haproxy {
            ports: listeners.iter().map(|listener| listener.port).collect(),
            stats_port,
            process,
            _scratch: scratch,
        };
        eventually("haproxy listens", Duration::from_secs(20), || {
            let connected = TcpStream::connect(haproxy.bootstrap());
            connected.map(drop).map_err(|e| e.to_string())
        });
        haproxy
    }

    /// What clients are given as bootstrap server.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Every address that clients may be told.
    pub fn addresses(&self) -> Vec<String> {
        let ports = self.ports.iter();
        ports.map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// The lines of its own table, each by column.
    #[track_caller]
    fn table(&self) -> Vec<BTreeMap<String, String>> {
        let address = format!("127.0.0.1:{}", self.stats_port);
        let (status, text) = http_get(&address, "/;csv").expect("an answer");
        assert_eq!(status, 200, "{text}\n{}", self.process.tail());
        let mut lines = text
            .lines()
            .map(|line| line.trim_start_matches("# ").split(','));
        let names: Vec<&str> = lines.next().expect("names of columns").collect();
        let line = |cells: std::str::Split<'_, char>| {
            let pairs = names.iter().zip(cells);
            pairs
                .map(|(name, cell)| ((*name).to_owned(), cell.to_owned()))
                .collect()
        };
        lines.map(line).collect()
    }

    #[track_caller]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for line in self.table() {
            let number = |name: &str| line[name].parse::<u64>().unwrap_or_default();
            match (line["pxname"].as_str(), line["svname"].as_str()) {
                ("stats", _) => {}
                (_, "FRONTEND") => counts.connections += number("stot"),
                (_, "BACKEND") => {
                    counts.connect_errors += number("econ");
                    counts.retries += number("wretr") + number("wredis");
                }
                _ => {}
            }
        }
        counts
    }

    /// Until it sends clients to instance `number`, or sends it none any more, on every port.
    #[track_caller]
    pub fn wait_up(&self, number: usize, up: bool) {
        let name = format!("i{number}");
        let word = if up { "UP" } else { "DOWN" };
        let what = format!("haproxy has {name} {word}");
        eventually(&what, Duration::from_secs(20), || {
            let table = self.table();
            let of_it = table.iter().filter(|line| line["svname"] == name);
            let states: Vec<&str> = of_it.map(|line| line["status"].as_str()).collect();
            match states.len() == self.ports.len()
                && states.iter().all(|state| state.starts_with(word))
            {
                true => Ok(()),
                false => Err(format!("{states:?}")),
            }
        });
    }
}
