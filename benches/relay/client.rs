//! The load: one connection that keeps a window of requests in flight, or exactly one, or stays idle.
//!
//! Checks that answers come in order and without errors, because a relay that drops or refuses is fast. Measures time; the
//! relay's CPU and memory are read by `relay.rs`.

use crate::frames::{self, Scanner};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// No answer for so long means that the relay lost one.
const STUCK: Duration = Duration::from_secs(30);

/// One kind of traffic with frames of one size.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Traffic {
    Produce { acks: i16 },
    Fetch { version: i16 },
}

/// A stream of `frames` frames of `size` bytes; `size` is that of the request of a Produce and of the response of a Fetch.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub traffic: Traffic,
    pub size: usize,
}

impl Stream {
    /// Requests in flight: 1 MiB of them, but at least 8 and at most 512.
    fn window(self) -> usize {
        ((1 << 20) / self.size).clamp(8, 512)
    }

    fn request(self) -> Vec<u8> {
        match self.traffic {
            Traffic::Produce { acks } => frames::produce_request(acks, self.size),
            Traffic::Fetch { version } => frames::fetch_request(version, self.size),
        }
    }
}

pub struct Client {
    stream: TcpStream,
    scanner: Scanner,
    buffer: Vec<u8>,
    next_correlation_id: i32,
    awaited_correlation_id: i32,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        Client::with_buffer(address, 256 << 10)
    }

    fn with_buffer(address: SocketAddr, bytes: usize) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STUCK))?;
        stream.set_write_timeout(Some(STUCK))?;
        Ok(Client {
            stream,
            scanner: Scanner::default(),
            buffer: vec![0; bytes],
            next_correlation_id: 0,
            awaited_correlation_id: 0,
        })
    }

    /// Sends the frames half a window at a time, so that a write is large however small the frames are, and returns when
    /// the last one was answered. A stream that is not answered is closed by one frame with acks=all.
    pub fn run(&mut self, stream: Stream, frames: usize) -> io::Result<Duration> {
        let burst = stream.window() / 2;
        let unanswered = stream.traffic == Traffic::Produce { acks: 0 };
        let frame = stream.request();
        let mut batch = frame.repeat(burst);
        let begun = Instant::now();
        let mut left = frames;
        while left > 0 {
            let n = left.min(burst);
            for frame in batch.chunks_exact_mut(frame.len()).take(n) {
                self.stamp(frame);
            }
            self.stream.write_all(&batch[..n * frame.len()])?;
            left -= n;
            match unanswered {
                true => self.awaited_correlation_id = self.next_correlation_id,
                false => self.read_until(burst)?,
            }
        }
        if unanswered {
            let mut last = frames::produce_request(-1, stream.size);
            self.stamp(&mut last);
            self.stream.write_all(&last)?;
        }
        self.read_until(0)?;
        Ok(begun.elapsed())
    }

    /// One request at a time; the round trips in microseconds.
    pub fn ping_pong(&mut self, stream: Stream, rounds: usize) -> io::Result<Vec<f64>> {
        let mut frame = stream.request();
        let mut trips = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            self.stamp(&mut frame);
            let begun = Instant::now();
            self.stream.write_all(&frame)?;
            self.read_until(0)?;
            trips.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(trips)
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
pub fn idle(address: SocketAddr, stream: Stream, count: usize) -> io::Result<Vec<Client>> {
    (0..count)
        .map(|i| {
            let mut client = Client::with_buffer(address, 1 << 10)?;
            client.ping_pong(stream, 1).map_err(|error| {
                io::Error::other(format!("connection {} of {count}: {error}", i + 1))
            })?;
            Ok(client)
        })
        .collect()
}

fn mistake(head: &[u8], awaited: i32) -> Option<String> {
    let found = i32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    if found != awaited {
        return Some(format!("answer to {found} where {awaited} was due"));
    }
    // Only a Produce response of one partition is that short; Fetch responses carry their records.
    let at = frames::PRODUCE_RESPONSE_ERROR;
    match head.len() {
        len if len < 80 && head[at..at + 2] != [0, 0] => {
            Some(format!("request {found} was refused: {head:02x?}"))
        }
        _ => None,
    }
}
