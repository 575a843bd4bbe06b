//! A lane with what it holds of the memory that all connections share: leased before a read, given back when it is empty.

use crate::proxy::budget::{Budget, Direction as Buffers, RELAY_BUFFER_BYTES, Share, Waiting};
use crate::proxy::splice::{self, HEAD_BYTES, Pipe, SPLICE_FROM, SPLICE_ON_FROM};
use crate::session::Want;
use crate::session::lane::Lane;
use crate::session::storage::Storage;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A frame that is only begun is kept in a buffer of its own size up to this; above, the leased one is kept.
const STASH_BYTES: usize = 1024;
/// Reads that bring no more than this do not need a large buffer any more.
const BULK_WHILE_BYTES: usize = RELAY_BUFFER_BYTES / 2;
/// Parts of one vectored write.
const SLICES: usize = 16;

/// See the module.
pub struct Half {
    pub lane: Lane,
    pub lease: Option<Share>,
    pub collected: Option<Share>,
    pipe: Option<Pipe>,
    /// Bytes that may be held while a frame is collected.
    collect_len: usize,
    pub lease_wait: Waiting,
    pub collect_wait: Waiting,
    pub want: Want,
    /// Fresh bytes, or something it waited for, came since the session was asked last.
    pub news: bool,
    /// Since when there has been something in the lane.
    pub since: Option<Instant>,
    /// Written to a stream that may hold some of it back until it is flushed (TLS).
    pub unflushed: bool,
    /// A read filled all the room there was: a larger buffer saves calls.
    bulk: bool,
    /// Nothing was read since something was spliced.
    spliced: bool,
    /// Little came the last time: a read tells for less when there is no more, and one write is all it takes.
    trickles: bool,
    /// Bytes written when the telemetry was told last.
    told_bytes: u64,
    /// Bytes written from pipes that it was not told of.
    spliced_bytes: u64,
    /// Since when the other side has taken nothing of what is to be written.
    pub blocked_since: Option<Instant>,
}

impl Half {
    pub fn new() -> Half {
        Half {
            lane: Lane::default(),
            lease: None,
            collected: None,
            pipe: None,
            collect_len: 0,
            lease_wait: Waiting::default(),
            collect_wait: Waiting::default(),
            want: Want::Bytes(1),
            news: false,
            since: None,
            unflushed: false,
            bulk: false,
            spliced: false,
            trickles: false,
            told_bytes: 0,
            spliced_bytes: 0,
            blocked_since: None,
        }
    }

    /// Whether the session has something to look at that it did not see before.
    pub fn may_judge(&self) -> bool {
        match self.want {
            Want::Bytes(n) => {
                self.news && self.lane.fresh_len() >= n.max(1) && !self.lane.has_output()
            }
            _ => self.news && !self.lane.has_output(),
        }
    }

    /// What became of the frame being read has changed: it may not need what it waited for, nor keep what it holds.
    pub fn judge_again(&mut self) {
        self.news = true;
        if let Want::Bytes(n) = &mut self.want {
            *n = 1;
        }
    }

    pub fn wrote(&mut self, n: usize) {
        self.blocked_since = None;
        self.unflushed = true;
        if self.lane.output_is_elsewhere() {
            self.spliced_bytes += n as u64;
        }
        self.lane.wrote(n);
    }

    pub fn flushed(&mut self) {
        self.unflushed = false;
        self.blocked_since = None;
    }

    pub fn filled(&mut self, n: usize, now: Instant) {
        self.lane.filled(n);
        self.news = true;
        self.since.get_or_insert(now);
    }

    /// `n` bytes were taken in by [`Half::splice`].
    pub fn took_in(&mut self, n: usize, now: Instant) {
        self.lane.bypass(n);
        self.since.get_or_insert(now);
        (self.bulk, self.spliced) = (false, true);
    }

    pub fn untold(&mut self) -> u64 {
        let written = self.lane.written_bytes();
        written - std::mem::replace(&mut self.told_bytes, written)
    }

    pub fn untold_spliced(&mut self) -> u64 {
        std::mem::take(&mut self.spliced_bytes)
    }

    /// Room for a read that only shall show whether the stream has ended: a byte, where the buffer is full.
    pub fn has_probe_room(&mut self) -> bool {
        if self.lease.is_none() || self.collected.is_some() {
            return false;
        }
        if self.lane.room().is_empty() && self.lane.capacity() == RELAY_BUFFER_BYTES {
            self.lane.grow_storage(RELAY_BUFFER_BYTES + 1);
        }
        !self.lane.room().is_empty()
    }

    /// Whether there is something to read, or only reading tells (no `socket`). Where there is nothing, no room is made for it.
    pub fn is_readable(&self, socket: Option<&TcpStream>, cx: &mut Context<'_>) -> bool {
        // A place in a queue must be asked about.
        match socket.filter(|_| !self.lease_wait.is_waiting()) {
            Some(socket) => socket.poll_read_ready(cx).is_ready(),
            None => true,
        }
    }

    /// Storage with room for a read. Waiting, the lane keeps what it holds and takes no part of what it waits for.
    pub fn poll_room(&mut self, buffers: &Buffers, cx: &mut Context<'_>) -> Poll<()> {
        if self.collected.is_some() {
            if self.lane.is_empty() {
                self.end_collecting();
            } else if !matches!(self.want, Want::Collect(_))
                && self.lane.held_bytes() < RELAY_BUFFER_BYTES
                && self.lease.is_some()
            {
                // The frame went on, and what is left fits into what any connection has.
                self.lane.replace_storage(Storage::new(RELAY_BUFFER_BYTES));
                self.collected = None;
                self.collect_len = 0;
            } else {
                let held = self.lane.held_bytes();
                let wanted = (held + RELAY_BUFFER_BYTES)
                    .max(self.lane.capacity().min(held * 2))
                    .min(self.collect_len);
                self.lane.grow_storage(wanted);
                return Poll::Ready(());
            }
        }
        if self.bulk
            && self.collected.is_none()
            && self.lane.capacity() <= RELAY_BUFFER_BYTES
            && !self.lease_wait.is_waiting()
            && let Some((buffer, share)) = buffers.relay.try_lease_bulk()
        {
            buffers.relay.give_back(self.lane.replace_storage(buffer));
            self.lease = Some(share);
        }
        if self.lease.is_none() {
            let (buffer, share) =
                std::task::ready!(buffers.relay.poll_lease(&mut self.lease_wait, cx));
            self.lease = Some(share);
            self.lane.replace_storage(buffer);
        }
        Poll::Ready(())
    }

    /// Room for a frame that must be held whole: `false` when there never is so much.
    pub fn poll_collect(
        &mut self,
        budget: &Budget,
        len: usize,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        if self.holds_room_for(len) {
            return Poll::Ready(true);
        }
        // Whoever waits holds none: what is left of the frame before is no more than a relay buffer.
        self.collected = None;
        if !budget.can_hold(len) {
            return Poll::Ready(false);
        }
        let share = std::task::ready!(budget.poll_take(len, &mut self.collect_wait, cx));
        self.collected = Some(share);
        // What was read already may reach beyond the frame.
        self.collect_len = len.max(self.lane.held_bytes());
        Poll::Ready(true)
    }

    pub fn holds_room_for(&self, len: usize) -> bool {
        self.collected.is_some() && self.collect_len >= len
    }

    pub fn end_collecting(&mut self) {
        if self.lane.is_empty() {
            self.lane.replace_storage(Storage::default());
            self.lease = None;
        }
        self.collected = None;
        self.collect_len = 0;
    }

    /// Nothing more to read now: storage goes back, but for what is begun.
    pub fn rest(&mut self, buffers: &Buffers) {
        if self.collected.is_some() && self.lane.is_empty() {
            self.end_collecting();
        }
        if self.lease.is_none() || self.collected.is_some() {
            return;
        }
        let held = self.lane.held_bytes();
        if held <= STASH_BYTES {
            let stash = Storage::new(held);
            let buffer = self.lane.replace_storage(stash);
            buffers.relay.give_back(buffer);
            self.lease = None;
        }
    }

    /// What is planned goes nowhere any more.
    pub fn give_up_plan(&mut self, buffers: &Buffers) {
        self.lane.clear_plan();
        self.give_back_pipe(buffers);
    }

    /// Nothing more to take in now. What a pipe still holds then is of a plan that was given up.
    pub fn give_back_pipe(&mut self, buffers: &Buffers) {
        if let Some(pipe) = self.pipe.take() {
            buffers.pipes.give_back(pipe);
        }
    }

    pub fn give_back(&mut self, buffers: &Buffers) {
        self.lane.clear();
        self.give_back_pipe(buffers);
        if self.lease.take().is_some() {
            let buffer = self.lane.replace_storage(Storage::default());
            buffers.relay.give_back(buffer);
        }
    }

    /// Reads into what room there is.
    pub fn read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let collect_left = self.collect_len.saturating_sub(self.lane.held_bytes());
        let room = self.lane.room();
        let room = match self.collected.is_some() {
            true => {
                let n = room.len().min(collect_left);
                &mut room[..n]
            }
            false if self.spliced => {
                let n = room.len().min(HEAD_BYTES);
                &mut room[..n]
            }
            false => room,
        };
        // An empty read would look like the end of the stream.
        if room.is_empty() {
            return Poll::Ready(Err(io::Error::other(
                "a frame needs more room than there is",
            )));
        }
        let mut buffer = ReadBuf::new(room);
        match Pin::new(stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                let (n, left) = (buffer.filled().len(), buffer.remaining());
                self.spliced = false;
                self.trickles &= (n as u64) < SPLICE_ON_FROM;
                self.bulk =
                    left == 0 && n >= RELAY_BUFFER_BYTES || self.bulk && n > BULK_WHILE_BYTES;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    /// Takes some of the next `unseen` bytes in without reading them; `None`: they are to be read.
    pub fn splice(
        &mut self,
        from: &TcpStream,
        unseen: u64,
        buffers: &Buffers,
        cx: &mut Context<'_>,
    ) -> Option<Poll<io::Result<usize>>> {
        let least = match self.spliced {
            true => SPLICE_ON_FROM,
            false => SPLICE_FROM,
        };
        if unseen < least || self.trickles || !self.lane.is_empty() || self.collected.is_some() {
            return None;
        }
        // That plan was given up.
        if self.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty()) {
            self.give_back_pipe(buffers);
        }
        if self.pipe.is_none() {
            self.pipe = buffers.pipes.take();
        }
        let pipe = self.pipe.as_mut()?;
        // A place in the queue for a buffer that nobody asks about any more would keep what it is given.
        self.lease_wait.give_up();
        match pipe.fill(from, unseen, cx) {
            Poll::Ready(Err(error)) if splice::is_unsupported(&error) => {
                buffers.pipes.give_up(&error);
                self.give_back_pipe(buffers);
                None
            }
            Poll::Ready(Ok(n)) => {
                self.trickles = (n as u64) < SPLICE_ON_FROM;
                Some(Poll::Ready(Ok(n)))
            }
            Poll::Pending => {
                self.give_back_pipe(buffers);
                Some(Poll::Pending)
            }
            ended => Some(ended),
        }
    }

    /// Writes what of the plan one call takes. `socket`: the stream's own, where it is a plaintext one.
    pub fn write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        socket: impl FnOnce(&S) -> Option<&TcpStream>,
        buffers: &Buffers,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.lane.output_is_elsewhere() {
            return match (&mut self.pipe, socket(stream)) {
                (Some(pipe), Some(socket)) => pipe.empty(socket, cx).map_err(|error| {
                    if splice::is_unsupported(&error) {
                        buffers.pipes.give_up(&error);
                    }
                    error
                }),
                _ => Poll::Ready(Err(io::Error::other("no pipe holds what is to be written"))),
            };
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        match self.lane.output(&mut slices) {
            1 => Pin::new(stream).poll_write(cx, &slices[0]),
            used => Pin::new(stream).poll_write_vectored(cx, &slices[..used]),
        }
    }
}
