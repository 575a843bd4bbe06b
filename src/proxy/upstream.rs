//! Dialling a broker: its name is resolved anew each time, every address gets its share of one timeout, and the socket is set
//! up so that a dead broker is noticed.
//!
//! Floor 5. Does not choose which broker, does not retry, does not speak Kafka.

use super::settings::HostPort;
use super::stream::Stream;
use super::tls::{self, ClusterTls};
use crate::session::event::CloseCause;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

/// A name with more addresses than this is tried at the first ones only.
const MAX_ADDRESSES: usize = 16;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("{server} has no address: {reason}")]
    Unresolved { server: HostPort, reason: String },
    /// At least one address said no; `reason` is the last that one did.
    #[error("{server} cannot be connected to at any of {addresses} addresses: {reason}")]
    Unreachable {
        server: HostPort,
        addresses: usize,
        reason: io::Error,
    },
    #[error("{server} was not connected to within {} ms", within.as_millis())]
    Timeout { server: HostPort, within: Duration },
    #[error(
        "{server} was connected to, but there is no TLS with it ({}): {reason}",
        tls::cause(reason)
    )]
    Tls { server: HostPort, reason: io::Error },
}

impl DialError {
    /// The cause under which a client connection that needed this broker is closed.
    pub fn close_cause(&self) -> CloseCause {
        match self {
            DialError::Unresolved { .. } => CloseCause::BrokerUnresolved,
            DialError::Unreachable { .. } => CloseCause::BrokerUnreachable,
            DialError::Timeout { .. } => CloseCause::BrokerConnectTimeout,
            DialError::Tls { .. } => CloseCause::BrokerTls,
        }
    }
}

/// [`dial`], and the TLS handshake where there is to be one, in the same time. The certificate must be for the name dialled.
pub async fn open(
    server: &HostPort,
    connect_timeout: Duration,
    tcp_user_timeout: Duration,
    tls: Option<&ClusterTls>,
) -> Result<Stream, DialError> {
    let deadline = Instant::now() + connect_timeout;
    let stream = dial(server, connect_timeout, tcp_user_timeout).await?;
    let Some(tls) = tls else {
        return Ok(Stream::Plain(stream));
    };
    let failed = |reason| DialError::Tls {
        server: server.clone(),
        reason,
    };
    let config = tls
        .current()
        .ok_or_else(|| failed(io::Error::other("no usable [cluster.tls]")))?;
    let name = ServerName::try_from(server.host.clone())
        .map_err(|error| failed(io::Error::other(error)))?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    match timeout_at(deadline, handshake).await {
        Ok(Ok(stream)) => Ok(Stream::BrokerTls(Box::new(stream))),
        Ok(Err(reason)) => Err(failed(reason)),
        Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
    }
}

/// Connects to the first address of `server` that accepts, all within `connect_timeout`.
pub async fn dial(
    server: &HostPort,
    connect_timeout: Duration,
    tcp_user_timeout: Duration,
) -> Result<TcpStream, DialError> {
    let deadline = Instant::now() + connect_timeout;
    let timed_out = || DialError::Timeout {
        server: server.clone(),
        within: connect_timeout,
    };
    let addresses = timeout_at(deadline, resolve(server))
        .await
        .map_err(|_| timed_out())??;
    let mut refusal = None;
    for (tried, address) in addresses.iter().enumerate() {
        match timeout(
            share(deadline, addresses.len() - tried),
            connect(*address, tcp_user_timeout),
        )
        .await
        {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(reason)) => refusal = Some(reason),
            Err(_) => {}
        }
    }
    match refusal {
        Some(reason) => Err(DialError::Unreachable {
            server: server.clone(),
            addresses: addresses.len(),
            reason,
        }),
        None => Err(timed_out()),
    }
}

/// An equal part of the time left for each address not yet tried; what one does not use, the next ones get.
fn share(deadline: Instant, addresses_left: usize) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left / u32::try_from(addresses_left).unwrap_or(u32::MAX).max(1)
}

/// Never cached: brokers move. Runs on tokio's blocking threads, not on the workers.
async fn resolve(server: &HostPort) -> Result<Vec<SocketAddr>, DialError> {
    let unresolved = |reason: String| DialError::Unresolved {
        server: server.clone(),
        reason,
    };
    let found = tokio::net::lookup_host((server.host.as_str(), server.port))
        .await
        .map_err(|error| unresolved(error.to_string()))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(unresolved("the name exists without one".to_owned())),
        false => Ok(addresses),
    }
}

async fn connect(address: SocketAddr, tcp_user_timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    set_keepalive(&stream)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(tcp_user_timeout))?;
    Ok(stream)
}

/// A peer that is gone without a word is noticed after about two minutes: 60 s of silence, then 6 probes 10 s apart.
pub fn set_keepalive(stream: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(6);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
