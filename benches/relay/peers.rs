//! Who is measured, and how each is started: the plain copy, Holdfast with its presets, nginx, HAProxy. All with the same number
//! of workers, on free ports of the loopback, with 64 KiB buffers where a buffer can be set. Measures nothing.

use crate::relay::{Relay, Started, listens};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use std::{fs, thread};

/// The yardstick of all ratios.
pub const COPY: &str = "copy";
/// The yardstick against itself.
pub const COPY_AGAIN: &str = "copy again";
pub const COPY_256: &str = "copy 256 KiB";
pub const NGINX: &str = "nginx";
pub const HAPROXY: &str = "haproxy";
pub const HAPROXY_SPLICE: &str = "haproxy splice";
/// Holdfast as it is shipped; the one that is judged.
pub const DEFAULT: &str = "default";

/// Those that look at nothing.
pub const BLIND: [&str; 6] = [COPY, COPY_AGAIN, COPY_256, NGINX, HAPROXY, HAPROXY_SPLICE];

/// Every relay that can be started here, in the order of the tables.
pub const ALL: [&str; 10] = [
    COPY,
    COPY_AGAIN,
    COPY_256,
    NGINX,
    HAPROXY,
    HAPROXY_SPLICE,
    "observe",
    DEFAULT,
    "strict",
    "dirty_read",
];

/// What a relay leads to, and with how many workers.
#[derive(Clone)]
pub struct Behind {
    /// Each has a port of the relay's own, in a row.
    pub brokers: Vec<SocketAddr>,
    pub workers: usize,
    /// The first of these ports, where brokers advertise them; any that are free otherwise.
    pub first_port: Option<u16>,
}

impl Behind {
    pub fn one(broker: SocketAddr, workers: usize) -> Behind {
        Behind {
            brokers: vec![broker],
            workers,
            first_port: None,
        }
    }

    fn first_port(&self) -> io::Result<u16> {
        match self.first_port {
            Some(port) => Ok(port),
            None => free_ports(self.brokers.len() as u16),
        }
    }

    /// Where the relay listens, and which broker that leads to.
    fn routes(&self, first: u16) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        let ports = (first..).map(loopback);
        ports.zip(self.brokers.iter().copied())
    }
}

/// The relay of that name, or why there is none here.
pub fn start(name: &str, behind: &Behind) -> io::Result<Result<Relay, String>> {
    Ok(match name {
        COPY | COPY_AGAIN => Ok(copy(name, behind, 64 << 10)?),
        COPY_256 => Ok(copy(name, behind, 256 << 10)?),
        NGINX => match nginx_module() {
            Some(module) => Ok(nginx(behind, &module)?),
            None => Err("apt-get install nginx libnginx-mod-stream".to_owned()),
        },
        HAPROXY | HAPROXY_SPLICE => match program("haproxy") {
            Some(program) => Ok(haproxy(name, behind, &program)?),
            None => Err("apt-get install haproxy".to_owned()),
        },
        _ => Ok(holdfast(name, behind, &Holdfast::preset(name))?),
    })
}

/// `name version` of the servers that are there.
pub fn versions() -> Vec<String> {
    let mut versions = vec![format!("Holdfast {}", env!("CARGO_PKG_VERSION"))];
    let mut ask = |name: &str, flag: &str| {
        let Some(program) = program(name) else { return };
        if let Ok(output) = Command::new(program).arg(flag).output() {
            // nginx tells it on standard error.
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            let version = text
                .split(|c: char| c.is_whitespace() || c == '/')
                .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            versions.push(format!(
                "{name} {}",
                version.unwrap_or("of unknown version")
            ));
        }
    };
    ask(NGINX, "-v");
    ask(HAPROXY, "-v");
    versions
}

/// Cores and of which kind: how the cost of copying and of looking compare differs from one to the next.
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let told = |key: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let value = fields.find(|(name, _)| name.trim() == key);
        value.map(|(_, value)| value.trim())
    };
    let cores = format!("{cores} cores");
    // Other architectures tell other things.
    match ["model name", "cpu family", "model"].map(told) {
        [Some(name), Some(family), Some(model)] => {
            format!("{cores} of {name} (family {family}, model {model})")
        }
        _ => cores,
    }
}

/// This binary again, in its hidden mode.
fn copy(name: &str, behind: &Behind, buffer: usize) -> io::Result<Relay> {
    let first = behind.first_port()?;
    let brokers: Vec<String> = behind.brokers.iter().map(SocketAddr::to_string).collect();
    let serve = [
        std::env::current_exe()?.display().to_string(),
        "--serve-copy".to_owned(),
        format!("{first},{},{buffer},{}", behind.workers, brokers.join(",")),
    ];
    let started = Started::new(&serve, tempfile::tempdir()?)?;
    let address = loopback(first);
    Relay::started(name, address, started, 1, || listens(address))
}

/// What a Holdfast of the benchmark differs in from the one that is shipped.
pub struct Holdfast {
    /// Lines of its configuration.
    pub config: String,
    /// Node ids from 1.
    pub brokers: u16,
}

impl Holdfast {
    pub fn preset(name: &str) -> Holdfast {
        let config = match name {
            "dirty_read" => {
                "policy.preset = \"default\"\npolicy.dirty_read.mode = \"enforce\"\n".to_owned()
            }
            preset => format!("policy.preset = \"{preset}\"\n"),
        };
        Holdfast { config, brokers: 1 }
    }
}

/// The binary as it is shipped.
pub fn holdfast(name: &str, behind: &Behind, how: &Holdfast) -> io::Result<Relay> {
    let first = free_ports(how.brokers + 2)?;
    let (bootstrap, admin) = (first, first + 1);
    let servers: Vec<String> = behind
        .brokers
        .iter()
        .map(|broker| format!("\"{broker}\""))
        .collect();
    let broker_port_base = first + 1;
    let mut config = format!(
        "listener.bind = \"127.0.0.1\"\nlistener.bootstrap_port = {bootstrap}\n\
         listener.broker_port_base = {broker_port_base}\nlistener.broker_ids = \"1-{}\"\n\
         cluster.bootstrap_servers = [{}]\nadmin.bind = \"127.0.0.1:{admin}\"\n\
         limits.worker_threads = {}\nlog.level = \"error\"\n\
         drain.delay_ms = 0\ndrain.timeout_ms = 100\ndrain.close_drain_timeout_ms = 0\n",
        how.brokers,
        servers.join(", "),
        behind.workers
    );
    config += &how.config;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("gateway.toml");
    fs::write(&file, config)?;
    let command = [
        env!("CARGO_BIN_EXE_holdfast").to_owned(),
        "run".to_owned(),
        "--config".to_owned(),
        file.display().to_string(),
    ];
    let started = Started::new(&command, folder)?;
    let admin = loopback(admin);
    Relay::started(name, loopback(broker_port_base + 1), started, 1, || {
        ready(admin)
    })
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

fn nginx(behind: &Behind, module: &Path) -> io::Result<Relay> {
    let first = behind.first_port()?;
    let folder = tempfile::tempdir()?;
    let at = folder.path().display();
    let mut config = format!(
        "load_module {};\ndaemon off;\npid {at}/pid;\nerror_log stderr error;\nworker_processes {};\n\
         worker_rlimit_nofile 20000;\nevents {{ worker_connections 19900; }}\n\
         stream {{ proxy_buffer_size 64k; proxy_timeout 1h;\n",
        module.display(),
        behind.workers
    );
    for (address, broker) in behind.routes(first) {
        config += &format!("server {{ listen {address} backlog=4096; proxy_pass {broker}; }}\n");
    }
    config += "}\n";
    let file = folder.path().join("nginx.conf");
    fs::write(&file, config)?;
    let program = program(NGINX).expect("its module was found");
    let command = [
        program.display().to_string(),
        "-e".to_owned(),
        "stderr".to_owned(),
        "-c".to_owned(),
        file.display().to_string(),
    ];
    let started = Started::new(&command, folder)?;
    let address = loopback(first);
    // The master and its workers.
    Relay::started(NGINX, address, started, 1 + behind.workers, || {
        listens(address)
    })
}

/// Where Debian's package, nginx's own and a build from source have it.
fn nginx_module() -> Option<PathBuf> {
    program(NGINX)?;
    let folders = [
        "/usr/lib/nginx/modules",
        "/usr/lib64/nginx/modules",
        "/usr/local/nginx/modules",
    ];
    let modules = folders.map(|folder| Path::new(folder).join("ngx_stream_module.so"));
    modules.into_iter().find(|module| module.is_file())
}

fn haproxy(name: &str, behind: &Behind, program: &Path) -> io::Result<Relay> {
    let first = behind.first_port()?;
    let folder = tempfile::tempdir()?;
    let splice = match name {
        HAPROXY_SPLICE => "  option splice-request\n  option splice-response\n",
        _ => "  no option splice-auto\n",
    };
    // As much buffer as the others have; as shipped it is 16 KiB.
    let mut config = format!(
        "global\n  nbthread {}\n  maxconn 9100\n  maxpipes 600\n  tune.bufsize 65536\n\
         defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n{splice}",
        behind.workers
    );
    for (address, broker) in behind.routes(first) {
        config += &format!(
            "listen at{}\n  bind {address} backlog 4096\n  server broker {broker}\n",
            address.port()
        );
    }
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, config)?;
    let command = [
        program.display().to_string(),
        "-db".to_owned(),
        "-f".to_owned(),
        file.display().to_string(),
    ];
    let started = Started::new(&command, folder)?;
    let address = loopback(first);
    Relay::started(name, address, started, 1, || listens(address))
}

/// Debian keeps servers where not everybody's path leads.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join(name));
    programs.find(|program| program.is_file())
}

pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The first of `count` ports in a row that were free a moment ago, below those that the kernel gives to outgoing connections:
/// between asking and binding, nobody takes them by accident.
pub fn free_ports(count: u16) -> io::Result<u16> {
    const FIRST: u16 = 12_000;
    const LAST: u16 = 32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two benchmarks at a time begin at different places.
    let own = (std::process::id() % 97) as u16 * 200;
    for _ in 0..LAST - FIRST {
        let step = NEXT.fetch_add(count, Ordering::Relaxed);
        let first = FIRST + own.wrapping_add(step) % (LAST - FIRST - count);
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (first..first + count).all(free) {
            return Ok(first);
        }
    }
    Err(io::Error::other(format!("no {count} free ports in a row")))
}

/// The hidden mode: the least that a relay in this language on this runtime can do. `how` is its first port, the number of
/// workers, the bytes of each buffer, and the brokers.
pub fn serve_copy(how: &str) -> io::Result<()> {
    let wrong = || io::Error::other(format!("'{how}' is not PORT,WORKERS,BYTES,BROKER,…"));
    let number = |text: Option<&str>| {
        text.and_then(|text| text.parse::<usize>().ok())
            .ok_or_else(wrong)
    };
    let mut parts = how.split(',');
    let (first, workers, buffer) = (
        number(parts.next())?,
        number(parts.next())?,
        number(parts.next())?,
    );
    let brokers: Result<Vec<SocketAddr>, _> = parts.map(str::parse).collect();
    let behind = Behind {
        brokers: brokers.map_err(|_| wrong())?,
        workers,
        first_port: None,
    };
    rlimit::increase_nofile_limit(u64::MAX)?;
    // As Holdfast does it: one worker needs no scheduler for many.
    let mut builder = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .worker_threads(workers.max(1))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut ports = tokio::task::JoinSet::new();
        for (address, broker) in behind.routes(u16::try_from(first).map_err(|_| wrong())?) {
            ports.spawn(copy_port(address, broker, buffer));
        }
        match ports.join_next().await {
            Some(ended) => ended.map_err(io::Error::other)?,
            None => Err(wrong()),
        }
    })
}

/// Ends only with an error.
async fn copy_port(address: SocketAddr, broker: SocketAddr, buffer: usize) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(4096)?;
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut upstream = tokio::net::TcpStream::connect(broker).await?;
            client.set_nodelay(true)?;
            upstream.set_nodelay(true)?;
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, buffer, buffer)
                .await
        });
    }
}

/// How long a relay is left alone until its threads sleep and their time is in the books.
pub fn rest() {
    thread::sleep(Duration::from_millis(4));
}
