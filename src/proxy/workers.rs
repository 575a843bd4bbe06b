//! The threads that move bytes, each with a runtime of its own: a connection stays with the one that it was given to. Floor 5.
//!
//! Threads that share their tasks wake each other for whatever one might not come to at once, which costs more than it moves: with
//! two of them a small request at a moderate rate took a fourth more CPU than with one. Threads of their own cost the same however
//! many there are. What that gives up: two busy connections may share a thread while another rests. So each new one goes to the
//! thread with the fewest, and what is not relaying (accepting, the watch, `/metrics`) has a thread apart.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// What the runtime of each holds open: what it waits with, what wakes it, and the pipe of signals.
pub const DESCRIPTORS_EACH: usize = 4;

/// Dropped, they end, and what still runs on them is dropped there.
pub struct Workers {
    all: Vec<Arc<Worker>>,
    threads: Vec<JoinHandle<()>>,
    /// Where the search begins: those with equally many take turns.
    next: AtomicUsize,
    stop: CancellationToken,
}

struct Worker {
    runtime: Handle,
    connections: AtomicUsize,
}

/// A connection's worker, to be held for as long as there is the connection.
pub struct Place(Arc<Worker>);

impl Place {
    /// Where the connection is to run.
    pub fn runtime(&self) -> Handle {
        self.0.runtime.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many threads `limits.worker_threads` means: 0 for as many as the cgroup's quota allows, which may be fewer than the machine has.
pub fn count(worker_threads: usize) -> usize {
    match worker_threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

impl Workers {
    /// # Errors
    /// The system refuses a thread or what it waits with.
    pub fn start(worker_threads: usize) -> io::Result<Workers> {
        let threads = count(worker_threads);
        tracing::info!(threads, "worker threads");
        let mut workers = Workers {
            all: Vec::with_capacity(threads),
            threads: Vec::with_capacity(threads),
            next: AtomicUsize::new(0),
            stop: CancellationToken::new(),
        };
        for _ in 0..threads {
            workers.add()?;
        }
        Ok(workers)
    }

    fn add(&mut self) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        self.all.push(Arc::new(Worker {
            runtime: runtime.handle().clone(),
            connections: AtomicUsize::new(0),
        }));
        let stop = self.stop.clone();
        let body = move || {
            let waited = AssertUnwindSafe(|| runtime.block_on(stop.cancelled()));
            if catch_unwind(waited).is_err() {
                // Not a connection, whose panics end up in its task: it cannot wait for sockets any more. It would have the fewest
                // connections from now on, and every new one would be closed.
                tracing::error!("a worker thread has ended: so does the process");
                std::process::abort();
            }
            // A blocked look-up of a name must not hold up the exit.
            runtime.shutdown_background();
        };
        let named = thread::Builder::new().name("holdfast-worker".to_owned());
        self.threads.push(named.spawn(body)?);
        Ok(())
    }

    /// With the worker that has the fewest connections.
    pub fn place(&self) -> Place {
        let count = self.all.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % count;
        let mut chosen = &self.all[first];
        for step in 1..count {
            let other = &self.all[(first + step) % count];
            if other.connections.load(Ordering::Relaxed)
                < chosen.connections.load(Ordering::Relaxed)
            {
                chosen = other;
            }
        }
        chosen.connections.fetch_add(1, Ordering::Relaxed);
        Place(chosen.clone())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // It has nothing to say: a panic ends the process (see `add`).
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn each_connection_goes_to_the_worker_that_has_the_fewest_and_runs_there() {
        let workers = Workers::start(3).unwrap();
        let thread_of = |place: &Place| {
            let (tell, told) = mpsc::channel();
            place.runtime().spawn(async move {
                let _ = tell.send(thread::current().id());
            });
            told.recv_timeout(SOON).unwrap()
        };
        let mut places: Vec<_> = (0..9).map(|_| workers.place()).collect();
        let first: Vec<_> = places.drain(..3).map(|place| thread_of(&place)).collect();
        let rest: Vec<_> = places.iter().map(thread_of).collect();
        assert_eq!(rest, [&first[..], &first[..]].concat(), "in turns");
        assert!(first[0] != first[1] && first[1] != first[2] && first[2] != first[0]);
        // Both that are left of one worker end: the next two go there, wherever the search begins.
        let emptied = rest[1];
        drop((places.swap_remove(4), places.swap_remove(1)));
        let next = [workers.place(), workers.place()];
        assert_eq!(next.each_ref().map(thread_of), [emptied; 2]);
    }

    #[test]
    fn what_still_runs_when_they_end_is_dropped() {
        struct Told(mpsc::Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (tell, told) = mpsc::channel();
        let workers = Workers::start(2).unwrap();
        for _ in 0..4 {
            let (held, place) = (Told(tell.clone()), workers.place());
            place.runtime().spawn(async move {
                let _held = (held, place);
                std::future::pending::<()>().await;
            });
        }
        drop(workers);
        assert_eq!(told.try_iter().count(), 4);
    }
}
