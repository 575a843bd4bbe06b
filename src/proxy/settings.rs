//! Everything the proxy is told: complete, checked values without a default among them. `config.rs` makes them.

use super::tls::{ClusterTls, ListenerTls};
use crate::cluster::{Advertised, NODE_ID};
use crate::policy;
use crate::session;
use crate::wire::sasl::Mechanism;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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
    /// Cancelled when others hold, and when the gateway drains: what wakes the connections.
    pub superseded: CancellationToken,
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
    /// Every connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// `[listener.sni]`; `None`: there is no such port. Only where there is `tls`.
    pub sni: Option<Sni>,
}

impl Listener {
    /// What clients are told of brokers: those that came by the port of `[listener.sni]`, and all others.
    pub fn told(&self, by_name: bool) -> &Advertised {
        match &self.sni {
            Some(sni) if by_name => &sni.advertised,
            _ => &self.advertised,
        }
    }
}

/// `[listener.sni]`: one port, and the name that a client asks for in its ClientHello says which broker is meant.
#[derive(Clone, Debug)]
pub struct Sni {
    pub port: u16,
    /// Leads to any living bootstrap server.
    pub bootstrap_host: String,
    /// What clients of this port are told: the hosts by which it tells brokers apart, and one port.
    pub advertised: Advertised,
}

/// Where a name of a ClientHello leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Bootstrap,
    Broker(i32),
}

impl Sni {
    /// `None`: a name that nobody was told, or of a broker outside the set.
    pub fn find(&self, name: &str) -> Option<Named> {
        if name.eq_ignore_ascii_case(&self.bootstrap_host) {
            return Some(Named::Bootstrap);
        }
        let (before, after) = self.advertised.host.split_once(NODE_ID)?;
        let digits = name.len().checked_sub(before.len() + after.len())?;
        let (first, rest) = name.split_at_checked(before.len())?;
        let (id, last) = rest.split_at_checked(digits)?;
        let plain =
            id.bytes().all(|byte| byte.is_ascii_digit()) && (id == "0" || !id.starts_with('0'));
        if !plain || !first.eq_ignore_ascii_case(before) || !last.eq_ignore_ascii_case(after) {
            return None;
        }
        let id = id.parse().ok()?;
        self.advertised
            .ids
            .contains(id)
            .then_some(Named::Broker(id))
    }
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
    /// Pipes of each direction, for what is spliced. 0: nothing is.
    pub pipes: usize,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::IdSet;

    #[test]
    fn a_name_leads_to_the_broker_of_its_id_and_to_nobody_when_it_is_not_exactly_such_a_name() {
        let sni = Sni {
            port: 9094,
            bootstrap_host: "kafka.example.com".into(),
            advertised: Advertised {
                host: "b{id}.example.com".into(),
                port_base: 0,
                port: Some(9094),
                ids: IdSet::from_ranges([(0, 12)]),
            },
        };
        assert_eq!(sni.find("Kafka.Example.com"), Some(Named::Bootstrap));
        assert_eq!(sni.find("b0.example.com"), Some(Named::Broker(0)));
        assert_eq!(sni.find("B12.EXAMPLE.com"), Some(Named::Broker(12)));
        for nobody in [
            "b13.example.com",
            "b.example.com",
            "b01.example.com",
            "b+1.example.com",
            "b-1.example.com",
            "b99999999999.example.com",
            "b1.example.org",
            "example.com",
            "b\u{e9}1.example.com",
            "",
        ] {
            assert_eq!(sni.find(nobody), None, "{nobody}");
        }
    }
}
