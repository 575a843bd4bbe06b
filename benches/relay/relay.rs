//! What stands between client and broker: nothing, the plain copy, Holdfast, or a relay that somebody else started.
//!
//! Starts and ends the processes and reads what they cost. Knows nothing of frames.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// The yardstick's buffer in each direction.
const COPY_BYTES: usize = 64 << 10;
const READY_WITHIN: Duration = Duration::from_secs(20);

pub struct Relay {
    pub name: String,
    pub address: SocketAddr,
    /// The process whose CPU and memory are read; none for the direct way.
    pub pid: Option<u32>,
    /// Ended when the relay is dropped; none for a process that is not ours.
    child: Option<Child>,
}

impl Relay {
    pub fn direct(broker: SocketAddr) -> Relay {
        Relay {
            name: "direct".to_owned(),
            address: broker,
            pid: None,
            child: None,
        }
    }

    /// This binary again, in its hidden mode.
    pub fn copy(name: &str, broker: SocketAddr) -> io::Result<Relay> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve-copy", &broker.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Relay::of(name, address, child))
    }

    /// The binary as it is shipped, with the default preset and nothing else set.
    pub fn holdfast(broker: SocketAddr) -> io::Result<Relay> {
        let (bootstrap, broker_1, admin) = (free_port()?, free_port()?, free_port()?);
        let child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(["run", "--bootstrap-server", &broker.to_string()])
            .args(["--bind", "127.0.0.1", "--broker-ids", "1"])
            .args(["--bootstrap-port", &bootstrap.to_string()])
            .args(["--broker-port-base", &(broker_1 - 1).to_string()])
            .args(["--admin-bind", &format!("127.0.0.1:{admin}")])
            .args(["--preset", "default", "--log-level", "warn"])
            .stdin(Stdio::null())
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, broker_1));
        let mut relay = Relay::of("holdfast", address, child);
        relay.wait_until_ready(SocketAddr::from((Ipv4Addr::LOCALHOST, admin)))?;
        Ok(relay)
    }

    /// `NAME=HOST:PORT,PID`: a relay that leads to our broker by itself.
    pub fn parse(text: &str) -> Result<(String, SocketAddr, u32), String> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (address, pid) = rest.rsplit_once(',')?;
            Some((name.to_owned(), address.parse().ok()?, pid.parse().ok()?))
        });
        parts.ok_or_else(|| format!("'{text}' is not NAME=ADDRESS:PORT,PID"))
    }

    pub fn foreign((name, address, pid): (String, SocketAddr, u32)) -> Relay {
        Relay {
            name,
            address,
            pid: Some(pid),
            child: None,
        }
    }

    /// CPU seconds that all threads of the process have used. `schedstat` counts nanoseconds where `utime` and `stime`
    /// count ticks of 10 ms; it forgets a thread that has ended, but workers do not end. A thread that is running has its
    /// last slice not yet added: let the relay come to rest first.
    pub fn cpu_seconds(&self) -> io::Result<f64> {
        let Some(pid) = self.pid else {
            return Ok(0.0);
        };
        let mut nanoseconds = 0_u64;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().unwrap_or_default();
            nanoseconds += first.parse::<u64>().map_err(io::Error::other)?;
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    /// Resident memory in bytes. `smaps_rollup` is exact; the counter in `status` is not.
    pub fn resident_bytes(&self) -> io::Result<f64> {
        let Some(pid) = self.pid else {
            return Ok(0.0);
        };
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let kib = text.lines().find_map(|line| {
            let rest = line.strip_prefix("Rss:")?;
            rest.split_whitespace().next()?.parse::<f64>().ok()
        });
        Ok(kib.ok_or_else(|| io::Error::other("no Rss line"))? * 1024.0)
    }

    fn of(name: &str, address: SocketAddr, child: Child) -> Relay {
        Relay {
            name: name.to_owned(),
            address,
            pid: Some(child.id()),
            child: Some(child),
        }
    }

    fn wait_until_ready(&mut self, admin: SocketAddr) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                return Err(io::Error::other(format!(
                    "holdfast ended before it was ready: {status}"
                )));
            }
            if ready(admin) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other(format!(
            "holdfast was not ready within {READY_WITHIN:?}"
        )))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ready(admin: SocketAddr) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(
            stream,
            "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// The hidden mode: the least that a relay in this language on this runtime can do. Ends with the benchmark, whose end of
/// the standard input closes with it.
pub fn serve_copy(broker: SocketAddr) -> io::Result<()> {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (mut client, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut upstream = tokio::net::TcpStream::connect(broker).await?;
                client.set_nodelay(true)?;
                upstream.set_nodelay(true)?;
                tokio::io::copy_bidirectional_with_sizes(
                    &mut client,
                    &mut upstream,
                    COPY_BYTES,
                    COPY_BYTES,
                )
                .await
            });
        }
    })
}
