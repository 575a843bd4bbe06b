//! Bytes that go from one plaintext socket to another without entering the process (`splice(2)`), through pipes of which
//! there are a few.
//!
//! A pipe is filled only when it is empty, so that "would block" means that the socket has nothing: a pipe is full by its slots long
//! before its bytes where packets are small. (Linux says it in front of urgent data, too, which Kafka does not have: who sends some
//! in the midst of a large frame waits for `frame_timeout_ms`.) Whoever is left with a pipe that still holds something drops it.
//! Where the system gives no pipe, or does not splice, bytes are read and written as ever.

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tracing::warn;

/// Bytes to come that nobody looks at, from which on a frame is spliced: of 16 to 64 KiB a pipe's calls cost
/// what it saves, and streams of such frames are to keep their large buffers.
pub const SPLICE_FROM: u64 = 96 * 1024;
/// Once it is, so many are spliced, too.
pub const SPLICE_ON_FROM: u64 = 16 * 1024;
/// What is read behind it is the head of the next frame, whose rest may be spliced again.
pub const HEAD_BYTES: usize = 16 * 1024;
/// What a pipe is made to hold: it has as many slots as this has pages, and each takes a piece of a packet.
const PIPE_BYTES: usize = 256 * 1024;
/// What one call moves, at most: a piece may be longer than a page.
const AT_ONCE: u64 = 512 * 1024;
/// Pipes of each direction that are kept for the next one who needs one: what they take of their user's share, others may want.
const KEPT_PIPES: usize = 16;
/// Where the system gave none, it is not asked again for so long.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

impl Pipe {
    fn new() -> rustix::io::Result<Pipe> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Refused where the user has many (pipe-user-pages-soft): a pipe of the usual size, or less, would not pay.
        fcntl_setpipe_size(&write, PIPE_BYTES)?;
        Ok(Pipe {
            read,
            write,
            held: 0,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves at most `most` bytes of `from` in; 0: its end.
    pub fn fill(
        &mut self,
        from: &TcpStream,
        most: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let most = most.min(AT_ONCE) as usize;
        loop {
            ready!(from.poll_read_ready(cx))?;
            let moved = from.try_io(Interest::READABLE, || {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                Ok(splice(from, None, &self.write, None, most, flags)?)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => {
                    self.held = *moved.as_ref().unwrap_or(&0);
                    return Poll::Ready(moved);
                }
            }
        }
    }

    /// Moves what it holds, at most, to `to`.
    pub fn empty(&mut self, to: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(to.poll_write_ready(cx))?;
            let moved = to.try_io(Interest::WRITABLE, || {
                let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
                Ok(splice(&self.read, None, to, None, self.held, flags)?)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => {
                    self.held -= *moved.as_ref().unwrap_or(&0);
                    return Poll::Ready(moved);
                }
            }
        }
    }
}

/// The pipes of one direction, all connections together.
#[derive(Debug)]
pub struct Pipes(Mutex<Shelf>);

#[derive(Debug)]
struct Shelf {
    kept: Vec<Pipe>,
    /// How many are with connections.
    lent: usize,
    /// How many may be.
    most: usize,
    /// When the system gave none.
    refused_at: Option<Instant>,
}

impl Pipes {
    pub fn new(most: usize) -> Pipes {
        Pipes(Mutex::new(Shelf {
            kept: Vec::new(),
            lent: 0,
            most,
            refused_at: None,
        }))
    }

    /// How many are with connections.
    pub fn lent(&self) -> usize {
        self.shelf().lent
    }

    /// One that is empty; `None`: there is none.
    pub fn take(&self) -> Option<Pipe> {
        let mut shelf = self.shelf();
        if shelf.lent >= shelf.most {
            return None;
        }
        let pipe = match shelf.kept.pop() {
            Some(pipe) => pipe,
            None => {
                let refused = shelf.refused_at.map(|at| at.elapsed());
                if refused.is_some_and(|ago| ago < ASKED_AGAIN) {
                    return None;
                }
                let made = Pipe::new();
                // Out of descriptors, or of what one user's pipes may hold: that passes.
                shelf.refused_at = made.is_err().then(Instant::now);
                made.ok()?
            }
        };
        shelf.lent += 1;
        Some(pipe)
    }

    pub fn give_back(&self, pipe: Pipe) {
        let mut shelf = self.shelf();
        shelf.lent -= 1;
        if pipe.is_empty() && shelf.kept.len() < KEPT_PIPES.min(shelf.most) {
            shelf.kept.push(pipe);
        }
    }

    /// Where the system does not splice, nobody tries again.
    pub fn give_up(&self, why: &io::Error) {
        let mut shelf = self.shelf();
        if shelf.most > 0 {
            warn!(%why, "nothing is spliced from now on (limits.pipes): the system does not do it; bytes are read and written");
        }
        (shelf.kept, shelf.most) = (Vec::new(), 0);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error says that sockets like these are not spliced here (seccomp, another kernel), and nothing of the connection.
pub fn is_unsupported(error: &io::Error) -> bool {
    let known = [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}
