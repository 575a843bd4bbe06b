//! Everything the proxy is told: complete, checked values without a default among them. `config.rs` makes them.

use crate::cluster::Advertised;
use crate::policy;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// `host:port` as written; resolved anew on every dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub listener: Listener,
    pub cluster: Cluster,
    pub policy: Arc<policy::Settings>,
    pub limits: Limits,
    pub drain: Drain,
}

/// `[listener]`
#[derive(Clone, Debug)]
pub struct Listener {
    pub bind: IpAddr,
    /// Leads to any living bootstrap server.
    pub bootstrap_port: u16,
    /// Port of the broker with node id n: base + n.
    pub broker_port_base: u16,
    /// What clients are told; `advertised.ids` are also the ports that are bound.
    pub advertised: Advertised,
}

/// `[cluster]`
#[derive(Clone, Debug)]
pub struct Cluster {
    pub bootstrap_servers: Vec<HostPort>,
    /// For one dial: all addresses of a name together; also how long a connection on a broker port waits for the first view.
    pub connect_timeout: Duration,
    /// Period of the watch.
    pub metadata_refresh: Duration,
    /// How long a refusal may wait for its confirmation.
    pub lookup_timeout: Duration,
    /// TCP_USER_TIMEOUT towards brokers.
    pub tcp_user_timeout: Duration,
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections at a time, in all and from one address.
    pub max_connections: usize,
    pub max_connections_per_ip: usize,
    /// Requests on one connection that wait for their answers; beyond it the client is not read.
    pub max_in_flight: usize,
    /// Former acks=0 requests on one connection that are unanswered, and their bytes; beyond it the client is not read.
    pub max_absorbed_in_flight: usize,
    pub max_absorbed_bytes: usize,
    /// Memory for relay buffers and collected frames, in bytes; a fourth of it is kept for answers.
    pub buffer_bytes: usize,
    /// Bytes of frames announced to brokers whose end is not delivered yet.
    pub announced_bytes: usize,
    /// From the first byte of a connection or a frame to the end of its header.
    pub header_timeout: Duration,
    /// A frame that has begun must bring 16 KiB or its end in each such span.
    pub frame_timeout: Duration,
    /// Nothing in either direction and nothing in flight.
    pub idle_timeout: Duration,
    /// A peer takes nothing of what is to be written.
    pub write_stall_timeout: Duration,
    /// Waiting for `buffer_bytes` or `announced_bytes`.
    pub budget_timeout: Duration,
    /// 0: as many as the cgroup has CPUs.
    pub worker_threads: usize,
}

/// `[drain]`
#[derive(Clone, Debug)]
pub struct Drain {
    /// From SIGTERM (and /readyz 503) to the end of accepting.
    pub delay: Duration,
    /// From the end of accepting to the exit, whatever is still open.
    pub timeout: Duration,
    /// How long a connection that is being closed is read on, until the client's FIN.
    pub close_drain_timeout: Duration,
}
