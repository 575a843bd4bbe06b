//! Ports: the bootstrap port, one for every broker id of the set, and the one of `[listener.sni]`, all bound at start, so that every replica agrees and
//! a client that comes back with old metadata finds its broker. Accepts, counts, and starts a connection's task.

use super::connection::{Connection, Dial, Dialing};
use super::passed::Passed;
use super::settings::{HostPort, Listener, Named, Sni};
use super::stream::Stream;
use super::upstream::DialError;
use super::workers::{Place, Workers};
use super::{Error, Shared, tls, upstream};
use crate::session::event::CloseCause;
use crate::telemetry::TlsSide;
use crate::wire::proxy_protocol::{self, Header};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{Display, Formatter};
use std::net::{self, IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that the kernel holds for us while the thread that accepts is busy.
const BACKLOG: i32 = 1024;
/// After an accept that failed for want of something (descriptors, memory): trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port, and whom it leads to.
pub struct Port {
    listener: TcpListener,
    leads: Leads,
}

/// Which broker the clients of a port mean.
#[derive(Clone, Copy)]
enum Leads {
    /// Any living bootstrap server.
    Bootstrap,
    Broker(i32),
    /// Each says it in its ClientHello.
    ByName,
}

/// Every port: those that were passed, else bound.
pub fn bind(settings: &Listener, passed: &mut Passed) -> Result<Vec<Port>, Error> {
    let address =
        |port: u32| SocketAddr::new(settings.bind, u16::try_from(port).unwrap_or(u16::MAX));
    let mut ports = vec![(Leads::Bootstrap, address(settings.bootstrap_port.into()))];
    if let Some(sni) = &settings.sni {
        ports.push((Leads::ByName, address(sni.port.into())));
    }
    for id in settings.advertised.ids.iter() {
        let port = u32::from(settings.broker_port_base).saturating_add_signed(id);
        ports.push((Leads::Broker(id), address(port)));
    }
    let addresses: Vec<_> = ports.iter().map(|(_, address)| *address).collect();
    let mut taken = passed.take_all(&addresses)?.into_iter();
    let open = |(leads, address)| {
        let opened = match taken.next() {
            Some(listener) => TcpListener::from_std(listener),
            None => listen(address),
        };
        match opened {
            Ok(listener) => Ok(Port { listener, leads }),
            Err(source) => Err(Error::Bind {
                what: leads.to_string(),
                address,
                source,
            }),
        }
    };
    ports.into_iter().map(open).collect()
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The key of its port.
impl Display for Leads {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Leads::Bootstrap => f.write_str("bootstrap_port"),
            Leads::ByName => f.write_str("sni.port"),
            Leads::Broker(id) => write!(f, "broker_port_base + {id}"),
        }
    }
}

/// Accepts on one port until `accepting` is cancelled. What comes of it happens on `workers`.
pub async fn accept(
    shared: Arc<Shared>,
    port: Port,
    accepting: CancellationToken,
    workers: Arc<Workers>,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = accepting.cancelled() => return,
            accepted = port.listener.accept() => accepted,
        };
        // Taken out of this runtime: it is the worker's that waits for it.
        let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => {
                if let Some(seat) = Seat::take(&shared, peer.ip()) {
                    // Boxed: what a handshake needs is not to be kept for as long as the connection lives.
                    let admission = Box::pin(admit(shared.clone(), stream, peer, port.leads, seat));
                    let place = workers.place();
                    let runtime = place.runtime();
                    tasks.spawn_on(serve(shared.clone(), admission, place), &runtime);
                }
            }
            Err(error) => {
                shared.telemetry.accept_failed(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    admission: Pin<Box<impl Future<Output = Option<(Admitted, Seat)>> + Send>>,
    place: Place,
) {
    let Some((admitted, seat)) = admission.await else {
        return;
    };
    admitted.connection(shared).await;
    drop((seat, place));
}

/// Who connects, by what stream, and which broker is meant.
struct Admitted {
    stream: Stream,
    peer: SocketAddr,
    node_id: Option<i32>,
    by_name: bool,
}

impl Admitted {
    /// Not part of [`serve`], whose task would have room for all that this takes for as long as the connection lives.
    fn connection(self, shared: Arc<Shared>) -> Connection<BrokerDial> {
        let Admitted {
            stream,
            peer,
            node_id,
            by_name,
        } = self;
        let meter = shared.telemetry.connection(peer).leads_to(node_id);
        let dial = BrokerDial {
            shared: shared.clone(),
            node_id,
        };
        let principal = stream.principal().map(Arc::from);
        Connection::new(shared, stream, dial, node_id, principal, meter).by_name(by_name)
    }
}

/// `None`: nothing comes of it.
async fn admit(
    shared: Arc<Shared>,
    stream: net::TcpStream,
    peer: SocketAddr,
    leads: Leads,
    mut seat: Seat,
) -> Option<(Admitted, Seat)> {
    let mut stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            shared.telemetry.accept_failed(&error);
            return None;
        }
    };
    // Without NODELAY a small answer may wait 40 ms for the client's own acknowledgement.
    if let Err(error) = stream
        .set_nodelay(true)
        .and_then(|()| upstream::set_keepalive(&stream))
    {
        tracing::debug!(%peer, %error, "socket options");
    }
    let introduced = tokio::select! {
        () = shared.drain.cancelled() => None,
        client = introduce(&shared, &mut stream, peer) => client,
    };
    let peer = introduced.filter(|client| seat.claim(client.ip()))?;
    let (stream, node_id) = tokio::select! {
        () = shared.drain.cancelled() => None,
        secured = secure(&shared, stream, peer, leads) => secured,
    }?;
    let viewed = node_id.is_none() || first_view(&shared).await;
    let admitted = Admitted {
        stream,
        peer,
        node_id,
        by_name: matches!(leads, Leads::ByName),
    };
    viewed.then_some((admitted, seat))
}

/// Whose connection it is: the peer's, or whose a load balancer says that it is. `None`: it had to say so and did not.
async fn introduce(
    shared: &Shared,
    stream: &mut TcpStream,
    peer: SocketAddr,
) -> Option<SocketAddr> {
    if !shared.settings.listener.proxy_protocol {
        return Some(peer);
    }
    let within = shared.live.load().limits.header_timeout;
    let (cause, reason) = match tokio::time::timeout(within, proxy_header(stream)).await {
        Ok(Ok(client)) => return Some(client.unwrap_or(peer)),
        Ok(Err(failure)) => failure,
        Err(_) => ("timeout", format!("no whole header within {within:?}")),
    };
    shared
        .telemetry
        .proxy_protocol_failed(cause, peer.ip(), &reason);
    None
}

/// Reads the header and not a byte behind it. An error is its cause, and what to say.
async fn proxy_header(
    stream: &mut TcpStream,
) -> Result<Option<SocketAddr>, (&'static str, String)> {
    let mut header = [0; proxy_protocol::MAX_BYTES];
    let mut filled = 0;
    loop {
        match proxy_protocol::parse(&header[..filled]) {
            Ok(Header::Whole(client)) => return Ok(client),
            Ok(Header::More(most)) => match stream.read(&mut header[filled..most]).await {
                Ok(0) => return Err(("closed", "the end of the connection".to_owned())),
                Ok(more) => filled += more,
                Err(error) => return Err(("closed", error.to_string())),
            },
            Err(error) => return Err((error.cause(), error.to_string())),
        }
    }
}

/// The client's side of the connection, after the TLS handshake where `[listener.tls]` asks for one, and the broker it means.
async fn secure(
    shared: &Shared,
    stream: TcpStream,
    peer: SocketAddr,
    leads: Leads,
) -> Option<(Stream, Option<i32>)> {
    let listener = &shared.settings.listener;
    let node_id = match leads {
        Leads::Broker(id) => Some(id),
        Leads::Bootstrap | Leads::ByName => None,
    };
    let Some(tls) = &listener.tls else {
        return Some((Stream::Plain(stream), node_id));
    };
    let handshake = async {
        let config = tls.current().ok_or(std::io::ErrorKind::NotConnected)?;
        match (leads, &listener.sni) {
            (Leads::ByName, Some(sni)) => named(sni, config, stream).await,
            _ => Ok((TlsAcceptor::from(config).accept(stream).await?, node_id)),
        }
    };
    let within = shared.live.load().limits.header_timeout;
    let failure = match tokio::time::timeout(within, handshake).await {
        Ok(Ok((stream, node_id))) => {
            let stream = Stream::ClientTls(Box::new(stream));
            if let Some(principal) = stream.principal() {
                tracing::debug!(%peer, principal, "client certificate");
            }
            return Some((stream, node_id));
        }
        Ok(Err(failure)) => failure,
        Err(_) => std::io::ErrorKind::TimedOut.into(),
    };
    shared
        .telemetry
        .tls_failed(TlsSide::Client, tls::cause(&failure), &peer.ip(), &failure);
    None
}

/// A handshake whose ClientHello says which broker is meant; nobody's name is told so, and nothing else of us.
async fn named(
    sni: &Sni,
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> std::io::Result<(TlsStream<TcpStream>, Option<i32>)> {
    let acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
    tokio::pin!(acceptor);
    let begun = acceptor.as_mut().await?;
    let name = begun.client_hello().server_name().map(str::to_owned);
    let node_id = match name.as_deref().and_then(|name| sni.find(name)) {
        Some(Named::Bootstrap) => None,
        Some(Named::Broker(id)) => Some(id),
        None => {
            let mut stream = begun.io;
            stream.write_all(&tls::UNRECOGNIZED_NAME).await?;
            stream.shutdown().await?;
            return Err(std::io::Error::other(tls::UnknownName(name)));
        }
    };
    Ok((begun.into_stream(config).await?, node_id))
}

/// Which broker a port leads to is not known before the first view: held unread. `false` when the gateway goes down first.
async fn first_view(shared: &Shared) -> bool {
    let mut ready = shared.watch.ready();
    if *ready.borrow() {
        return true;
    }
    let viewed = ready.wait_for(|ready| *ready);
    tokio::select! {
        () = shared.drain.cancelled() => false,
        _ = tokio::time::timeout(shared.settings.cluster.connect_timeout, viewed) => true,
    }
}

/// Dials the broker of a port, or any living bootstrap server.
struct BrokerDial {
    shared: Arc<Shared>,
    node_id: Option<i32>,
}

impl Dial for BrokerDial {
    type Stream = Stream;

    fn dial(&self) -> Dialing<Stream> {
        let (shared, node_id) = (self.shared.clone(), self.node_id);
        Box::pin(async move {
            let settings = &shared.settings.cluster;
            let targets = match node_id {
                None => settings.bootstrap_servers.clone(),
                Some(id) => match shared.watch.view().brokers.get(&id) {
                    Some(broker) => vec![HostPort {
                        host: broker.host.clone(),
                        port: broker.port,
                    }],
                    None => {
                        return Err((
                            CloseCause::BrokerUnknown,
                            format!("no living broker has node id {id}"),
                        ));
                    }
                },
            };
            dial_any(&targets, &shared).await
        })
    }

    fn socket(stream: &Stream) -> Option<&TcpStream> {
        match stream {
            Stream::Plain(socket) => Some(socket),
            Stream::ClientTls(_) | Stream::BrokerTls(_) => None,
        }
    }
}

/// The first of `targets` that accepts; each but the last has half of the time that is left.
async fn dial_any(targets: &[HostPort], shared: &Shared) -> Result<Stream, (CloseCause, String)> {
    let settings = &shared.settings.cluster;
    let deadline = Instant::now() + settings.connect_timeout;
    let mut failed = (
        CloseCause::BrokerUnknown,
        "no bootstrap server is configured".to_owned(),
    );
    for (position, target) in targets.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let within = if position + 1 == targets.len() {
            left
        } else {
            left / 2
        };
        match upstream::open(
            target,
            within,
            settings.tcp_user_timeout,
            settings.tls.as_deref(),
        )
        .await
        {
            Ok(stream) => {
                shared.watch.dialled(target, None);
                return Ok(stream);
            }
            Err(error) => {
                shared.watch.dialled(target, Some(&error));
                if let DialError::Tls { reason, .. } = &error {
                    shared.telemetry.tls_failed(
                        TlsSide::Broker,
                        tls::cause(reason),
                        target,
                        reason,
                    );
                }
                failed = (error.close_cause(), error.to_string());
            }
        }
    }
    Err(failed)
}

/// How many clients there are, in all and from each address.
#[derive(Default)]
pub struct ConnectionLimits(Mutex<(usize, HashMap<IpAddr, usize>)>);

impl ConnectionLimits {
    fn lock(&self) -> MutexGuard<'_, (usize, HashMap<IpAddr, usize>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among `max_connections`, and among `max_connections_per_ip` once it is known whose it is.
struct Seat {
    shared: Arc<Shared>,
    ip: Option<IpAddr>,
}

impl Seat {
    /// `peer`: for the log.
    fn take(shared: &Arc<Shared>, peer: IpAddr) -> Option<Seat> {
        let mut taken = shared.limits.lock();
        if taken.0 >= shared.live.load().limits.max_connections {
            drop(taken);
            shared
                .telemetry
                .connection_rejected("max_connections", peer);
            return None;
        }
        taken.0 += 1;
        Some(Seat {
            shared: shared.clone(),
            ip: None,
        })
    }

    /// Whether it may be one more of `ip`.
    fn claim(&mut self, ip: IpAddr) -> bool {
        let mut taken = self.shared.limits.lock();
        let from_ip = taken.1.get(&ip).copied().unwrap_or(0);
        if from_ip >= self.shared.live.load().limits.max_connections_per_ip {
            drop(taken);
            self.shared
                .telemetry
                .connection_rejected("max_connections_per_ip", ip);
            return false;
        }
        taken.1.insert(ip, from_ip + 1);
        self.ip = Some(ip);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.shared.limits.lock();
        taken.0 -= 1;
        if let Some(ip) = self.ip
            && let Entry::Occupied(mut entry) = taken.1.entry(ip)
        {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Ready;

    /// The room that `make`'s future takes.
    fn room<A, B, C, F>(_make: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connections_task_is_of_one_size_class_of_the_allocator() {
        // What the tracker and tokio put around it: the token, what is kept of a task, its head and its tail.
        const AROUND: usize = 112;
        let served = |shared, admission: Pin<Box<Ready<_>>>, place| serve(shared, admission, place);
        let room = room(served) + AROUND;
        assert!(room <= 2048, "{room} bytes, and 2560 are taken");
    }
}
