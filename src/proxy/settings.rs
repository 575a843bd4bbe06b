//! Everything the proxy is told: complete, checked values without a default among them. `config.rs` makes them.

use super::tls::{ClusterTls, ListenerTls};
use crate::cluster::Advertised;
use crate::policy;
use crate::session;
use crate::wire::sasl::Mechanism;
use std::net::IpAddr;
use std::path::PathBuf;
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

/// What may change while the gateway runs. Replaced as a whole: a request is judged by one of these, from its first byte to
/// the last of its answer.
#[derive(Clone, Debug)]
pub struct Live {
    /// Less exemptions whose date has passed.
    pub policy: Arc<policy::Settings>,
    pub limits: Limits,
    pub session_limits: session::Limits,
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
    /// `[listener.tls]`; `None`: plaintext.
    pub tls: Option<Arc<ListenerTls>>,
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
    /// `[cluster.tls]`; `None`: plaintext.
    pub tls: Option<Arc<ClusterTls>>,
    /// How our own connections authenticate; `None`: they do not.
    pub sasl: Option<Arc<Sasl>>,
}

/// `[cluster.sasl]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sasl {
    pub mechanism: Mechanism,
    /// A token for OAUTHBEARER, a password for all others.
    pub credentials: Credentials,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credentials {
    Password {
        username: String,
        password: Password,
    },
    Token {
        file: PathBuf,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Password {
    Given(Secret),
    File(PathBuf),
}

impl Sasl {
    /// The key of what is secret, for errors.
    pub fn secret_key(&self) -> &'static str {
        match &self.credentials {
            Credentials::Password { password, .. } => match password {
                Password::Given(_) => "cluster.sasl.password",
                Password::File(_) => "cluster.sasl.password_file",
            },
            Credentials::Token { .. } => "cluster.sasl.token_file",
        }
    }
}

/// A text that nothing writes down.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
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
    /// A connection older than this, 10 % more or less, is closed as a drain closes it. Zero: never.
    pub max_connection_age: Duration,
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
