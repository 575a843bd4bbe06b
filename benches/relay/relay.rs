//! A relay as the benchmark sees it: a name, an address, a tree of processes. Reads what these cost and ends those that are
//! ours. How each is started stands in `peers.rs`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

const READY_WITHIN: Duration = Duration::from_secs(20);

pub struct Relay {
    pub name: String,
    pub address: SocketAddr,
    /// The processes whose CPU and memory are read, parents first; none for the direct way.
    pub pids: Vec<u32>,
    started: Option<Started>,
}

/// A process that is ours: with the benchmark it ends, also when that is killed.
pub struct Started {
    guard: Child,
    stdin: Option<ChildStdin>,
    /// Removed with the process.
    pub folder: tempfile::TempDir,
}

impl Relay {
    pub fn direct(broker: SocketAddr) -> Relay {
        Relay {
            name: "direct".to_owned(),
            address: broker,
            pids: Vec::new(),
            started: None,
        }
    }

    /// Waits until `ready` and finds the processes, of which there must be so many: a server that listens may yet have to start those
    /// that do the work.
    pub fn started(
        name: &str,
        address: SocketAddr,
        started: Started,
        processes: usize,
        ready: impl Fn() -> bool,
    ) -> io::Result<Relay> {
        let begun = Instant::now();
        let mut relay = Relay {
            name: name.to_owned(),
            address,
            pids: Vec::new(),
            started: Some(started),
        };
        while !ready() || relay.find_processes()? < processes {
            let waited = begun.elapsed();
            let guard = relay.guard().expect("it is ours");
            let gone = waited > Duration::from_secs(1) && descendants(guard)?.is_empty();
            if gone || waited > READY_WITHIN {
                let ended = if gone { ", it has ended" } else { "" };
                return Err(io::Error::other(format!(
                    "{name} was not ready after {waited:.1?}{ended}"
                )));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(relay)
    }

    /// `NAME=HOST:PORT,PID`: a relay that leads to our broker by itself. Of its process tree the processes of now count.
    pub fn parse(text: &str) -> Result<(String, SocketAddr, u32), String> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (address, pid) = rest.rsplit_once(',')?;
            let address = address.to_socket_addrs().ok()?.next()?;
            Some((name.to_owned(), address, pid.parse().ok()?))
        });
        parts.ok_or_else(|| format!("'{text}' is not NAME=HOST:PORT,PID"))
    }

    pub fn foreign((name, address, pid): (String, SocketAddr, u32)) -> io::Result<Relay> {
        let mut pids = vec![pid];
        pids.extend(descendants(pid)?);
        Ok(Relay {
            name,
            address,
            pids,
            started: None,
        })
    }

    /// How many there are; the guard itself, which sleeps, is none of them.
    fn find_processes(&mut self) -> io::Result<usize> {
        if let Some(guard) = self.guard() {
            self.pids = descendants(guard)?;
        }
        Ok(self.pids.len())
    }

    fn guard(&self) -> Option<u32> {
        Some(self.started.as_ref()?.guard.id())
    }

    /// CPU seconds that all threads of its processes have used. `schedstat` counts nanoseconds where `utime` and `stime`
    /// count ticks of 10 ms; it forgets a thread that has ended, but workers do not end. A thread that is running has its
    /// last slice not yet added: let the relay come to rest first.
    pub fn cpu_seconds(&self) -> io::Result<f64> {
        let mut nanoseconds = 0_u64;
        for pid in &self.pids {
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                let text = fs::read_to_string(task?.path().join("schedstat"))?;
                let first = text.split_whitespace().next().unwrap_or_default();
                nanoseconds += first.parse::<u64>().map_err(io::Error::other)?;
            }
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    /// CPU seconds since `before`, for what it has carried since then. None at all is no measurement: the work was done by a process
    /// that is not known.
    pub fn cpu_seconds_since(&self, before: f64) -> io::Result<f64> {
        let spent = self.cpu_seconds()? - before;
        match spent > 0.0 || self.pids.is_empty() {
            true => Ok(spent),
            false => Err(io::Error::other(format!(
                "processes {:?} carried traffic without any CPU: others do the work",
                self.pids
            ))),
        }
    }

    /// Resident memory in bytes. `smaps_rollup` is exact; the counter in `status` is not. What processes share counts once
    /// for each, so that only differences say something.
    pub fn resident_bytes(&self) -> io::Result<f64> {
        self.kib("smaps_rollup", "Rss:")
    }

    /// The most that it ever was.
    pub fn peak_resident_bytes(&self) -> io::Result<f64> {
        self.kib("status", "VmHWM:")
    }

    fn kib(&self, file: &str, name: &str) -> io::Result<f64> {
        let mut bytes = 0.0;
        for pid in &self.pids {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
            let kib = text.lines().find_map(|line| {
                let rest = line.strip_prefix(name)?;
                rest.split_whitespace().next()?.parse::<f64>().ok()
            });
            let absent = || io::Error::other(format!("no {name} in {file}"));
            bytes += kib.ok_or_else(absent)? * 1024.0;
        }
        Ok(bytes)
    }
}

impl Started {
    /// The shell waits for the end of its standard input, which comes with the end of this process at the latest, ends the
    /// relay and reaps it: nginx's workers outlive a master that is killed, and nobody's child outlives the benchmark.
    pub fn new(command: &[String], folder: tempfile::TempDir) -> io::Result<Started> {
        const GUARD: &str = r#""$@" & read -r _; kill $! 2>/dev/null; wait"#;
        let log = fs::File::create(folder.path().join("log"))?;
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let stdin = guard.stdin.take();
        Ok(Started {
            guard,
            stdin,
            folder,
        })
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It has nothing left to wait for.
        let _ = self.guard.wait();
        if let Ok(log) = fs::read_to_string(self.log())
            && !log.is_empty()
        {
            let _ = io::stderr().write_all(log.as_bytes());
        }
    }
}

/// A relay that knows no readiness is ready when it takes connections.
pub fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Children, their children, and so on. Not every kernel lists children by their parent, so all processes are asked.
fn descendants(ancestor: u32) -> io::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended since. The name in parentheses may hold anything, a parenthesis too.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = behind_name.split_whitespace();
        let (state, parent) = (fields.next(), fields.next());
        let parent = parent.and_then(|parent| parent.parse().ok());
        if let Some(parent) = parent.filter(|_| state != Some("Z")) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let of_it = children.remove(pid).unwrap_or_default();
        found.extend(of_it);
        next += 1;
    }
    found.remove(0);
    Ok(found)
}
