//! The load: one connection that keeps a window of requests in flight, or exactly one; many that do the latter, as fast as they
//! can or at a rate; or that rest.
//!
//! Checks that answers come in order and without errors, because a relay that drops or refuses is fast. Measures time; the
//! relay's CPU and memory are read by `relay.rs`.

use crate::frames::{self, Scanner};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// No answer for so long means that the relay lost one.
const STUCK: Duration = Duration::from_secs(30);

/// One kind of traffic.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Traffic {
    Produce {
        acks: i16,
    },
    Fetch {
        version: i16,
    },
    /// Produce with acks=all or Fetch, no two requests in a row alike: five partitions in turn, of sizes down to three quarters.
    Varied {
        fetch: bool,
    },
    /// Produce with acks=all and Fetch in turn, of the sizes up to 256 KiB: about as many bytes of each.
    Mixed,
}

/// Frames of `size` bytes: of the request of a Produce and of the response of a Fetch. Mixed traffic has sizes of its own.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stream {
    pub traffic: Traffic,
    pub size: usize,
}

/// How often each size occurs in a burst of mixed traffic.
const MIXTURE: [(usize, usize); 5] = [
    (196, 64),
    (1 << 10, 32),
    (16 << 10, 8),
    (64 << 10, 2),
    (256 << 10, 1),
];

impl Stream {
    pub fn request(self) -> Vec<u8> {
        match self.traffic {
            Traffic::Produce { acks } => frames::produce_request(acks, self.size),
            Traffic::Fetch { version } => frames::fetch_request(version, self.size),
            Traffic::Varied { .. } | Traffic::Mixed => unreachable!("it has no single request"),
        }
    }
}

/// Requests that are written at once: half of a window, so that a write is large however small the frames are.
#[derive(Clone)]
pub struct Burst {
    batch: Vec<u8>,
    /// Where each frame begins, and where the last one ends.
    starts: Vec<usize>,
    /// Of requests of Produce and of answers to Fetch.
    pub payload_bytes: usize,
    /// What ends a stream that is not answered.
    last: Option<Vec<u8>>,
}

impl Burst {
    pub fn of(stream: Stream) -> Burst {
        let traffic = stream.traffic;
        let streams = match stream.traffic {
            Traffic::Mixed => mixture(),
            Traffic::Varied { fetch } => varied(fetch, stream.size),
            _ => vec![stream; frames_of_burst(stream.size)],
        };
        let mut burst = Burst {
            batch: Vec::new(),
            starts: vec![0],
            payload_bytes: streams.iter().map(|stream| stream.size).sum(),
            last: (stream.traffic == Traffic::Produce { acks: 0 })
                .then(|| frames::produce_request(-1, stream.size)),
        };
        let mut before: Option<(Stream, Vec<u8>)> = None;
        for stream in streams {
            let frame = match before.take() {
                Some((same, frame)) if same == stream => frame,
                _ => stream.request(),
            };
            let begin = burst.batch.len();
            burst.batch.extend_from_slice(&frame);
            if let Traffic::Varied { .. } = traffic {
                let partition = burst.frames() as u32 % VARIED_PARTITIONS;
                frames::set_partition(&mut burst.batch[begin..], partition);
            }
            burst.starts.push(burst.batch.len());
            before = Some((stream, frame));
        }
        burst
    }

    fn frames(&self) -> usize {
        self.starts.len() - 1
    }
}

/// 512 KiB, but at least 4 and at most 256.
fn frames_of_burst(size: usize) -> usize {
    ((1 << 19) / size).clamp(4, 256)
}

pub const VARIED_PARTITIONS: u32 = 5;

fn varied(fetch: bool, size: usize) -> Vec<Stream> {
    let traffic = match fetch {
        true => Traffic::Fetch { version: 16 },
        false => Traffic::Produce { acks: -1 },
    };
    let stream = |turn| Stream {
        traffic,
        // Not every size exists; these do.
        size: frames::at_most(size - turn * 29 % (size / 4)),
    };
    (0..frames_of_burst(size)).map(stream).collect()
}

/// Sizes spread evenly, each as a Produce and as a Fetch.
fn mixture() -> Vec<Stream> {
    const MOST: usize = MIXTURE[0].1;
    let mut streams = Vec::new();
    for turn in 0..MOST {
        let due = MIXTURE
            .iter()
            .filter(|(_, often)| turn % (MOST / often) == 0);
        for (size, _) in due {
            for traffic in [
                Traffic::Produce { acks: -1 },
                Traffic::Fetch { version: 16 },
            ] {
                streams.push(Stream {
                    traffic,
                    size: *size,
                });
            }
        }
    }
    streams
}

trait Io: Read + Write + Send {}
impl<T: Read + Write + Send> Io for T {}

pub struct Client {
    stream: Box<dyn Io>,
    scanner: Scanner,
    buffer: Vec<u8>,
    next_correlation_id: i32,
    awaited_correlation_id: i32,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        Client::with_buffer(address, 256 << 10, None)
    }

    /// By TLS where there is a configuration for it.
    pub fn with_buffer(
        address: SocketAddr,
        bytes: usize,
        tls: Option<&Arc<ClientConfig>>,
    ) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STUCK))?;
        stream.set_write_timeout(Some(STUCK))?;
        let stream: Box<dyn Io> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost").expect("a name");
                let session =
                    ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(session, stream))
            }
        };
        Ok(Client {
            stream,
            scanner: Scanner::default(),
            buffer: vec![0; bytes],
            next_correlation_id: 0,
            awaited_correlation_id: 0,
        })
    }

    /// Sends so many bursts and returns when the last frame was answered. Two bursts are in flight at most. A stream that is
    /// not answered is closed by one frame with acks=all.
    pub fn run(&mut self, burst: &Burst, bursts: usize) -> io::Result<Duration> {
        let mut batch = burst.batch.clone();
        let begun = Instant::now();
        for _ in 0..bursts {
            for frame in burst.starts.windows(2) {
                self.stamp(&mut batch[frame[0]..frame[1]]);
            }
            self.write(&batch)?;
            match burst.last {
                Some(_) => self.awaited_correlation_id = self.next_correlation_id,
                None => self.read_until(burst.frames())?,
            }
        }
        if let Some(mut last) = burst.last.clone() {
            self.stamp(&mut last);
            self.write(&last)?;
        }
        self.read_until(0)?;
        Ok(begun.elapsed())
    }

    /// One request at a time; the round trips in microseconds.
    pub fn ping_pong(&mut self, frame: &[u8], rounds: usize) -> io::Result<Vec<f64>> {
        let mut trips = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let begun = Instant::now();
            self.ask(frame)?;
            self.read_until(0)?;
            trips.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(trips)
    }

    /// Its answer has to be waited for: [`Self::read_until`].
    fn ask(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut frame = frame.to_vec();
        self.stamp(&mut frame);
        self.write(&frame)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    fn stamp(&mut self, frame: &mut [u8]) {
        frames::set_correlation(frame, frames::REQUEST_CORRELATION, self.next_correlation_id);
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
    }

    /// Reads until no more than `outstanding` requests wait for their answer.
    fn read_until(&mut self, outstanding: usize) -> io::Result<()> {
        let mut wrong = None;
        while (self.next_correlation_id - self.awaited_correlation_id) as usize > outstanding {
            let n = self.stream.read(&mut self.buffer)?;
            if n == 0 {
                return Err(io::Error::other("the relay closed the connection"));
            }
            let awaited = &mut self.awaited_correlation_id;
            self.scanner.feed(
                &self.buffer[..n],
                |_| false,
                |head| {
                    wrong = wrong.take().or_else(|| mistake(head, *awaited));
                    *awaited = awaited.wrapping_add(1);
                },
            );
            if let Some(wrong) = wrong {
                return Err(io::Error::other(wrong));
            }
        }
        Ok(())
    }
}

/// `count` connections, each of which made one round trip and now rests.
pub fn idle(
    address: SocketAddr,
    frame: &[u8],
    count: usize,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<Vec<Client>> {
    (0..count)
        .map(|i| {
            let mut client = Client::with_buffer(address, 1 << 10, tls)?;
            client.ping_pong(frame, 1).map_err(|error| {
                io::Error::other(format!("connection {} of {count}: {error}", i + 1))
            })?;
            Ok(client)
        })
        .collect()
}

/// Who drives many connections; the machine has relays to run, too.
const DRIVERS: usize = 4;

/// One request at a time on each of these connections, spread over the addresses; every driver asks on all of its own, then
/// waits for all answers.
pub struct Crowd(Vec<Client>);

impl Crowd {
    pub fn connect(addresses: &[SocketAddr], connections: usize) -> io::Result<Crowd> {
        let address = addresses.iter().cycle();
        let clients = address
            .take(connections)
            .map(|address| Client::with_buffer(*address, 16 << 10, None));
        clients.collect::<io::Result<_>>().map(Crowd)
    }

    /// How many requests were answered, in so many turns of all connections.
    pub fn turns(&mut self, frame: &[u8], turns: usize) -> io::Result<usize> {
        let requests = self.0.len() * turns;
        each_share(&mut self.0, |clients| {
            for _ in 0..turns {
                clients
                    .iter_mut()
                    .try_for_each(|client| client.ask(frame))?;
                for client in clients.iter_mut() {
                    client.read_until(0)?;
                }
            }
            Ok(())
        })?;
        Ok(requests)
    }

    /// Every connection asks once per `period`, whether or not the machine is busy: what is late is made up for.
    pub fn paced(&mut self, frame: &[u8], period: Duration, turns: usize) -> io::Result<usize> {
        let requests = self.0.len() * turns;
        let begun = Instant::now();
        each_share(&mut self.0, |clients| {
            let apart = period / clients.len() as u32;
            for turn in 0..turns as u32 {
                for (seat, client) in clients.iter_mut().enumerate() {
                    let due = begun + period * turn + apart * seat as u32;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    client.ping_pong(frame, 1)?;
                }
            }
            Ok(())
        })?;
        Ok(requests)
    }
}

fn each_share(
    clients: &mut [Client],
    drive: impl Fn(&mut [Client]) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let share = clients.len().div_ceil(DRIVERS);
    thread::scope(|scope| {
        let drivers: Vec<_> = clients
            .chunks_mut(share)
            .map(|clients| scope.spawn(|| drive(clients)))
            .collect();
        drivers
            .into_iter()
            .try_for_each(|driver| driver.join().expect("a driver does not panic"))
    })
}

/// Each of these connections sends `frame` once, several of them at a time.
pub fn burst(clients: &mut [Client], frame: &[u8]) -> io::Result<()> {
    each_share(clients, |clients| {
        clients
            .iter_mut()
            .try_for_each(|client| client.ping_pong(frame, 1).map(drop))
    })
}

fn mistake(head: &[u8], awaited: i32) -> Option<String> {
    let found = i32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    if found != awaited {
        return Some(format!("answer to {found} where {awaited} was due"));
    }
    let at = frames::PRODUCE_RESPONSE_ERROR;
    match frames::is_produce_response(head) {
        true if head[at..at + 2] != [0, 0] => {
            Some(format!("request {found} was refused: {head:02x?}"))
        }
        _ => None,
    }
}
