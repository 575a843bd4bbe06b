//! Holdfast as a child process: its configuration, its ports, its end, and its numbers by HTTP.
//!
//! The binary is the one that the launcher has built beside us. What it logs goes to a temporary file, whose end is shown when
//! Holdfast fails.

use crate::cluster::Cluster;
use holdfast_demo::numbers::{Holdfast, MAX_BATCH_BYTES};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const READY: Duration = Duration::from_secs(20);
const DRAIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

pub struct Gateway {
    child: Child,
    ports: Ports,
    folder: TempDir,
}

/// The bootstrap port, the admin port, and one port per node id.
struct Ports {
    bootstrap: u16,
    admin: u16,
    /// Plus the node id.
    broker_base: u16,
}

impl Gateway {
    /// Returns when Holdfast says that it is ready.
    pub fn start(cluster: &Cluster) -> Result<Gateway, String> {
        let failed = |error: io::Error| format!("Holdfast cannot be started: {error}");
        let folder = tempfile::Builder::new()
            .prefix("holdfast-demo-")
            .tempdir()
            .map_err(failed)?;
        let ports = Ports::find(&cluster.node_ids).map_err(failed)?;
        let config = folder.path().join("gateway.toml");
        fs::write(&config, ports.config(cluster)).map_err(failed)?;
        let log = File::create(folder.path().join("log")).map_err(failed)?;
        let binary = std::env::current_exe()
            .map_err(failed)?
            .with_file_name("holdfast");
        let child = Command::new(&binary)
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            // Ctrl-C is for the demo, which ends Holdfast when the clients have ended.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
        let mut gateway = Gateway {
            child,
            ports,
            folder,
        };
        gateway.wait_until_ready()?;
        Ok(gateway)
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.bootstrap)
    }

    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.ports.admin)
    }

    pub fn numbers(&self) -> Result<Holdfast, String> {
        match self.get("/metrics") {
            Ok((200, text)) => Ok(Holdfast::parse(&text)),
            Ok((status, _)) => Err(format!("{} answered {status}", self.metrics_url())),
            Err(error) => Err(format!("{}: {error}", self.metrics_url())),
        }
    }

    pub fn must_live(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("Holdfast has ended: {status}\n{}", self.log_end())),
            Err(error) => Err(format!("Holdfast: {error}")),
        }
    }

    /// Asks Holdfast to end, as an operator would, and says what it did instead.
    pub fn stop(mut self) -> Result<(), String> {
        self.must_live()?;
        // The standard library cannot send SIGTERM; every shell can.
        let asked = Command::new("sh")
            .args(["-c", r#"kill -TERM "$0""#, &self.child.id().to_string()])
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            return Err("Holdfast could not be asked to end".to_owned());
        }
        let begun = Instant::now();
        while begun.elapsed() < DRAIN {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(format!("Holdfast ended with {status}\n{}", self.log_end()));
                }
                Ok(None) => thread::sleep(POLL),
                Err(error) => return Err(format!("Holdfast: {error}")),
            }
        }
        Err(format!("Holdfast did not end within {DRAIN:?}"))
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < READY {
            self.must_live()?;
            if matches!(self.get("/readyz"), Ok((200, _))) {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        Err(format!(
            "Holdfast was not ready within {READY:?}\n{}",
            self.log_end()
        ))
    }

    /// Status and body. HTTP/1.0: the body ends with the connection.
    fn get(&self, path: &str) -> io::Result<(u16, String)> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.admin));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned());
        status
            .zip(body)
            .ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }

    fn log_end(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end, and both calls say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ports {
    /// Ports that were free a moment ago: one for the bootstrap and one for the admin wherever they are, and those of the
    /// brokers at the distances of their node ids.
    fn find(node_ids: &[i32]) -> io::Result<Ports> {
        let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let mut taken = vec![free(0)?, free(0)?];
        let bootstrap = taken[0].local_addr()?.port();
        let admin = taken[1].local_addr()?.port();
        for base in (20_000..32_000).step_by(97) {
            let of_brokers: Option<Vec<TcpListener>> = node_ids
                .iter()
                .map(|id| free(u16::try_from(i32::from(base) + id).ok()?).ok())
                .collect();
            if let Some(of_brokers) = of_brokers {
                taken.extend(of_brokers);
                return Ok(Ports {
                    bootstrap,
                    admin,
                    broker_base: base,
                });
            }
        }
        Err(io::Error::other(format!(
            "no free ports at the distances of the node ids {node_ids:?}"
        )))
    }

    fn config(&self, cluster: &Cluster) -> String {
        let quoted = |items: Vec<String>| {
            let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
            items.join(", ")
        };
        let servers = quoted(
            cluster
                .bootstrap_servers
                .split(',')
                .map(str::to_owned)
                .collect(),
        );
        let ids: Vec<String> = cluster.node_ids.iter().map(i32::to_string).collect();
        format!(
            r#"[listener]
bind = "127.0.0.1"
advertised_host = "127.0.0.1"
bootstrap_port = {bootstrap}
broker_port_base = {base}
broker_ids = "{ids}"

[cluster]
bootstrap_servers = [{servers}]

[admin]
bind = "127.0.0.1:{admin}"

[log]
level = "warn"

[policy]
preset = "default"

[drain]
# No load balancer has to notice.
delay_ms = 0

[policy.oversized_batch]
max_batch_bytes = {MAX_BATCH_BYTES}
"#,
            bootstrap = self.bootstrap,
            base = self.broker_base,
            ids = ids.join(","),
            admin = self.admin,
        )
    }
}
