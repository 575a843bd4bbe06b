//! The driver between a client and brokers that the test plays: streams that count how they are polled and can be made
//! slow, narrow or broken. No sockets, unless a test asks for them; time is the test's own.

use crate::support::rig::{self, Received};
use holdfast::config::{self, Overrides};
use holdfast::proxy::Shared;
use holdfast::proxy::connection::{Connection, Dial, Dialing};
use holdfast::proxy::watch::Watch;
use holdfast::session::event::{CloseCause, Event, Outcome};
use holdfast::telemetry::Telemetry;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// As long as anything may take; with paused time it costs nothing.
pub const SOON: Duration = Duration::from_secs(20);
/// What fits into a stream that nobody reads.
pub const PIPE_BYTES: usize = 64 * 1024;

/// What all connections of a test share.
pub struct Gate {
    pub shared: Arc<Shared>,
    pub telemetry: Arc<Telemetry>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Gate {
    /// Under a gateway.toml of this text, with a cluster of which nothing is known.
    pub fn new(toml: &str) -> Gate {
        let overrides = Overrides {
            bootstrap_servers: Some(vec!["127.0.0.1:1".to_owned()]),
            ..Overrides::default()
        };
        let settings = config::load("gateway.toml", toml, &overrides, &|_| None).expect("settings");
        let telemetry = Telemetry::new(&settings.telemetry, &settings.proxy.policy);
        let events = Arc::new(Mutex::new(Vec::new()));
        let tapped = events.clone();
        telemetry.set_tap(Box::new(move |event| {
            // Only what tests ask for: a list of all would grow without end.
            if matches!(
                event,
                Event::Acks0 { .. } | Event::Closed { .. } | Event::Misdeed { .. }
            ) {
                tapped.lock().unwrap().push(event.clone());
            }
        }));
        let settings = settings.proxy;
        let ended = CancellationToken::new();
        let watch = Watch::start(settings.cluster.clone(), ended.clone());
        ended.cancel();
        Gate {
            shared: Arc::new(Shared::new(settings, watch, telemetry.clone())),
            telemetry,
            events,
        }
    }

    /// A connection over memory.
    pub fn connect(&self) -> Line<DuplexStream> {
        self.connect_with(&Arc::default(), &Arc::default(), PIPE_BYTES)
    }

    /// The same with streams as told; `pipe_bytes` fit into each when nobody reads.
    pub fn connect_with(
        &self,
        client: &Arc<Counts>,
        broker: &Arc<Counts>,
        pipe_bytes: usize,
    ) -> Line<DuplexStream> {
        let (far, near) = tokio::io::duplex(pipe_bytes);
        let (dialled, brokers) = mpsc::unbounded_channel();
        let side = broker.clone();
        let dial = move || {
            let (far, near) = tokio::io::duplex(pipe_bytes);
            dialled.send(far).ok();
            Ok(Wire::new(near, &side))
        };
        self.start(far, Wire::new(near, client), dial, brokers)
    }

    /// The same between sockets, over which large frames are spliced.
    pub async fn connect_sockets(&self) -> Line<TcpStream> {
        let (client, near) = tcp_pair().await;
        let (broker, near_broker) = tcp_pair().await;
        let (dialled, brokers) = mpsc::unbounded_channel();
        let far = Mutex::new(Some((broker, near_broker)));
        let dial = move || {
            let (broker, near) = far.lock().unwrap().take().expect("it is dialled once");
            dialled.send(broker).ok();
            Ok(Wire::socket(near))
        };
        self.start(client, Wire::socket(near), dial, brokers)
    }

    pub fn start<S>(
        &self,
        client: S,
        near: Wire,
        dial: impl Fn() -> Result<Wire, (CloseCause, String)> + Send + 'static,
        brokers: mpsc::UnboundedReceiver<S>,
    ) -> Line<S> {
        let meter = self
            .telemetry
            .connection(SocketAddr::from(([127, 0, 0, 1], 1)));
        let dial = Dialer(Box::new(dial));
        let connection = Connection::new(self.shared.clone(), near, dial, None, None, meter);
        let polls = Arc::new(AtomicUsize::new(0));
        let polled = Polled(connection, polls.clone());
        Line {
            client,
            brokers,
            polls,
            task: tokio::spawn(polled),
        }
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Why connections ended, in order.
    pub fn closes(&self) -> Vec<CloseCause> {
        let cause = |event: &Event| match event {
            Event::Closed { cause } => Some(*cause),
            _ => None,
        };
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter_map(cause)
            .collect()
    }

    /// Records of acks=0: confirmed, refused, unknown.
    pub fn ended(&self) -> [u64; 3] {
        Outcome::ALL.map(|outcome| {
            let labels = [("outcome", outcome.name())];
            self.telemetry.sum("holdfast_acks0_records_total", &labels)
        })
    }

    pub fn ended_by(&self, outcome: &str, cause: &str) -> u64 {
        let labels = [("outcome", outcome), ("cause", cause)];
        self.telemetry.sum("holdfast_acks0_records_total", &labels)
    }

    /// Nothing of the shared memory is held any more.
    #[track_caller]
    pub fn assert_all_given_back(&self) {
        assert_eq!(self.shared.budgets.buffers().0, 0, "buffers");
        assert_eq!(self.shared.budgets.announced.used_bytes(), 0, "announced");
        for direction in [
            &self.shared.budgets.requests,
            &self.shared.budgets.responses,
        ] {
            assert_eq!(direction.pipes.lent(), 0, "pipes");
        }
    }
}

/// Both ends of a connection.
pub async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap());
    let (far, near) = tokio::join!(far, listener.accept());
    (far.unwrap(), near.unwrap().0)
}

/// One connection, seen by the test.
pub struct Line<S> {
    pub client: S,
    pub brokers: mpsc::UnboundedReceiver<S>,
    /// How often the driver was polled.
    pub polls: Arc<AtomicUsize>,
    pub task: JoinHandle<()>,
}

impl<S> Line<S> {
    pub async fn broker(&mut self) -> S {
        let broker = timeout(SOON, self.brokers.recv()).await;
        broker.expect("dialled in time").expect("still there")
    }

    pub async fn ends(self) {
        timeout(SOON, self.task)
            .await
            .expect("the driver ends in time")
            .expect("without a panic");
    }
}

pub struct Dialer(Box<dyn Fn() -> Result<Wire, (CloseCause, String)> + Send>);

impl Dial for Dialer {
    type Stream = Wire;

    fn dial(&self) -> Dialing<Wire> {
        Box::pin(std::future::ready((self.0)()))
    }

    fn socket(wire: &Wire) -> Option<&TcpStream> {
        match &wire.io {
            Under::Socket(socket) => Some(socket),
            Under::Any(_) => None,
        }
    }
}

struct Polled<D: Dial>(Connection<D>, Arc<AtomicUsize>);

impl<D: Dial> Future for Polled<D> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.1.fetch_add(1, Relaxed);
        Pin::new(&mut self.0).poll(cx)
    }
}

/// How one side's stream was polled, and how it behaves.
#[derive(Debug, Default)]
pub struct Counts {
    pub reads: AtomicUsize,
    pub writes: AtomicUsize,
    pub read_bytes: AtomicUsize,
    pub written_bytes: AtomicUsize,
    /// At most so many bytes at a time; 0: as many as there are.
    pub narrow: AtomicUsize,
    pub fails_writes: AtomicBool,
    pub panics: AtomicBool,
}

impl Counts {
    pub fn narrow(bytes: usize) -> Arc<Counts> {
        let counts = Counts::default();
        counts.narrow.store(bytes, Relaxed);
        Arc::new(counts)
    }

    fn room(&self, len: usize) -> usize {
        match self.narrow.load(Relaxed) {
            0 => len,
            narrow => len.min(narrow),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The driver's end of a stream.
pub struct Wire {
    io: Under,
    counts: Arc<Counts>,
}

enum Under {
    Any(Box<dyn Io>),
    /// What may be spliced, too.
    Socket(TcpStream),
}

impl Under {
    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Under::Any(io) => Pin::new(&mut **io),
            Under::Socket(socket) => Pin::new(socket),
        }
    }
}

impl Wire {
    pub fn new(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        counts: &Arc<Counts>,
    ) -> Wire {
        Wire {
            io: Under::Any(Box::new(io)),
            counts: counts.clone(),
        }
    }

    /// As the driver meets plaintext sockets in production.
    pub fn socket(socket: TcpStream) -> Wire {
        Wire {
            io: Under::Socket(socket),
            counts: Arc::default(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.counts.reads.fetch_add(1, Relaxed);
        assert!(!self.counts.panics.load(Relaxed), "provoked");
        let room = self.counts.room(buffer.remaining());
        let mut part = buffer.take(room);
        let polled = self.io.io().poll_read(cx, &mut part);
        let n = part.filled().len();
        buffer.advance(n);
        self.counts.read_bytes.fetch_add(n, Relaxed);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.counts.writes.fetch_add(1, Relaxed);
        if self.counts.fails_writes.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let polled = match self.counts.narrow.load(Relaxed) {
            0 => self.io.io().poll_write_vectored(cx, slices),
            narrow => {
                let first = &slices[0][..slices[0].len().min(narrow)];
                self.io.io().poll_write(cx, first)
            }
        };
        if let Poll::Ready(Ok(n)) = polled {
            self.counts.written_bytes.fetch_add(n, Relaxed);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.io().poll_shutdown(cx)
    }
}

// ---- frames ----

/// A Produce frame of version 9 for "orders": one batch of `records` records in about `bytes` bytes.
pub fn produce(correlation_id: i32, acks: i16, records: u64, bytes: usize) -> Vec<u8> {
    rig::frame(
        correlation_id,
        &rig::one(9, acks, rig::batch(records, bytes)),
    )
}

/// A Heartbeat: any request that is simply relayed, with a body of `len` bytes.
pub fn opaque(correlation_id: i32, len: usize) -> Vec<u8> {
    crate::support::raw::request_frame(12, 0, correlation_id, Some("test"), &vec![b'x'; len])
}

/// ApiVersions of a version that nobody has: Holdfast answers it itself.
pub fn unknown_api_versions(correlation_id: i32) -> Vec<u8> {
    let mut frame = 10_i32.to_be_bytes().to_vec();
    frame.extend(18_i16.to_be_bytes());
    frame.extend(99_i16.to_be_bytes());
    frame.extend(correlation_id.to_be_bytes());
    frame.extend((-1_i16).to_be_bytes());
    frame
}

/// An answer with nothing but its correlation id and `body`.
pub fn answer(correlation_id: i32, body: &[u8]) -> Vec<u8> {
    rig::response(&correlation_id.to_be_bytes(), body)
}

/// The next frame with its size prefix; `None` at the end of the stream.
pub async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    timeout(SOON, async {
        let mut prefix = [0; 4];
        if stream.read(&mut prefix[..1]).await.ok()? == 0 {
            return None;
        }
        stream.read_exact(&mut prefix[1..]).await.ok()?;
        let mut frame = prefix.to_vec();
        frame.resize(4 + u32::from_be_bytes(prefix) as usize, 0);
        stream.read_exact(&mut frame[4..]).await.ok()?;
        Some(frame)
    })
    .await
    .expect("a frame, or the end, in time")
}

pub fn correlation_id(frame: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(frame[at..at + 4].try_into().expect("four bytes"))
}

/// Plays a broker that answers every Produce as stored and everything else with an empty body, until the end: how many
/// frames came.
pub async fn answers_all(mut broker: impl AsyncRead + AsyncWrite + Unpin) -> usize {
    let mut frames = 0;
    while let Some(request) = frame_or_never(&mut broker).await {
        frames += 1;
        let bytes = reply(&request);
        if broker.write_all(&bytes).await.is_err() {
            break;
        }
    }
    frames
}

async fn frame_or_never(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let size = stream.read_u32().await.ok()?;
    let mut frame = size.to_be_bytes().to_vec();
    frame.resize(4 + size as usize, 0);
    stream.read_exact(&mut frame[4..]).await.ok()?;
    Some(frame)
}

/// The broker's answer to a request.
pub fn reply(request: &[u8]) -> Vec<u8> {
    match request[4..6] {
        [0, 0] => rig::Broker::default().produce(&Received::parse(request)),
        _ => answer(correlation_id(request, 8), b""),
    }
}
