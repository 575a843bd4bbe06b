//! Memory that all connections share: relay buffers, room for collected frames, bytes announced to brokers.
//!
//! Each is given out in order of arrival, and whoever waits for one holds none of it. The four quarters of
//! `buffer_bytes` stand on their own, so that no kind of use can starve another: a relay buffer for requests waits only
//! for brokers or for a collected frame, a collected frame only for its client's bytes, an answer only for its client;
//! each of these has a deadline, so there is no circle.

use super::settings::Limits;
use super::splice::Pipes;
use crate::session::storage::Storage;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_util::sync::PollSemaphore;

/// Size of a relay buffer. Measured: 16 to 64 KiB saves a third of the CPU per byte.
pub const RELAY_BUFFER_BYTES: usize = 64 * 1024;
/// Size of the relay buffer of a stream that fills those, where there is plenty of room.
const BULK_BUFFER_BYTES: usize = 256 * 1024;
/// Buffers of each size kept for reuse, 8 MiB and a page for each; more than these at work at once are freed when they come back.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// One permit.
const UNIT: usize = 1024;

/// A number of bytes that connections share.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
    limit_units: usize,
}

/// What a connection holds of a budget; given back when dropped.
#[derive(Debug)]
pub struct Share(OwnedSemaphorePermit);

impl Share {
    /// How much it holds.
    pub fn bytes(&self) -> usize {
        self.0.num_permits() * UNIT
    }
}

impl Budget {
    pub fn new(bytes: usize) -> Budget {
        let limit_units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Budget {
            units: Arc::new(Semaphore::new(limit_units)),
            limit_units,
        }
    }

    pub fn limit_bytes(&self) -> usize {
        self.limit_units * UNIT
    }

    pub fn used_bytes(&self) -> usize {
        (self.limit_units - self.units.available_permits().min(self.limit_units)) * UNIT
    }

    /// Whether so many bytes can ever be had.
    pub fn can_hold(&self, bytes: usize) -> bool {
        bytes.div_ceil(UNIT) <= self.limit_units
    }

    /// At once or not at all.
    fn try_take(&self, bytes: usize) -> Option<Share> {
        let units = self.units_of(bytes);
        match self.units.clone().try_acquire_many_owned(units) {
            Ok(permit) => Some(Share(permit)),
            // It is never closed; waiting would be for ever, and the deadline of whoever waits ends that.
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => None,
        }
    }

    fn units_of(&self, bytes: usize) -> u32 {
        bytes.div_ceil(UNIT).clamp(1, self.limit_units) as u32
    }

    /// Waits in order of arrival. More than there is at all waits for all there is: it goes alone.
    pub fn poll_take(
        &self,
        bytes: usize,
        waiting: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<Share> {
        let units = self.units_of(bytes);
        if waiting.0.is_none()
            && let Some(share) = self.try_take(bytes)
        {
            return Poll::Ready(share);
        }
        let semaphore = waiting
            .0
            .get_or_insert_with(|| Box::new(PollSemaphore::new(self.units.clone())));
        match ready!(semaphore.poll_acquire_many(cx, units)) {
            Some(permit) => {
                waiting.0 = None;
                Poll::Ready(Share(permit))
            }
            None => Poll::Pending,
        }
    }
}

/// Bytes of frames whose length a broker was told and whose end it has not been given: what it allocates for them.
///
/// ```text
///   | small: a fourth     | middle: a fourth   | large: half                 |
///     fit a relay buffer    up to a 128th        all others
/// ```
///
/// Each kind has its own, so that a few large frames that stall do not hold up everybody. Nobody waits for `small`: what
/// fits into a buffer goes on when it is whole.
#[derive(Debug)]
pub struct Announced {
    small: Budget,
    middle: Budget,
    large: Budget,
    middle_bytes: usize,
}

impl Announced {
    fn new(bytes: usize) -> Announced {
        Announced {
            small: Budget::new(bytes / 4),
            middle: Budget::new(bytes / 4),
            large: Budget::new(bytes / 2),
            middle_bytes: bytes / 128,
        }
    }

    pub fn used_bytes(&self) -> usize {
        let all = [&self.small, &self.middle, &self.large];
        all.iter().map(|budget| budget.used_bytes()).sum()
    }

    /// For a frame that fits into a relay buffer; `None`: there is no more now.
    pub fn try_take_small(&self, bytes: usize) -> Option<Share> {
        self.small.try_take(bytes)
    }

    /// For any other; waits in order of arrival.
    pub fn poll_take(
        &self,
        bytes: usize,
        waiting: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<Share> {
        let budget = match bytes <= self.middle_bytes {
            true => &self.middle,
            false => &self.large,
        };
        budget.poll_take(bytes, waiting, cx)
    }
}

/// A place in the queue of a budget; dropped, the place is given up. Boxed: few ever wait, and each connection has several.
#[derive(Debug, Default)]
pub struct Waiting(Option<Box<PollSemaphore>>);

impl Waiting {
    pub fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    pub fn give_up(&mut self) {
        self.0 = None;
    }
}

/// Relay buffers of two sizes, in one budget.
#[derive(Debug)]
pub struct Pool {
    budget: Budget,
    usual: Kept,
    bulk: Kept,
}

impl Pool {
    pub fn new(bytes: usize) -> Pool {
        Pool {
            budget: Budget::new(bytes),
            usual: Kept::default(),
            bulk: Kept::default(),
        }
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// A buffer of [`RELAY_BUFFER_BYTES`], and the share that it takes.
    pub fn poll_lease(
        &self,
        waiting: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<(Storage, Share)> {
        let share = ready!(self.budget.poll_take(RELAY_BUFFER_BYTES, waiting, cx));
        Poll::Ready((self.usual.take(RELAY_BUFFER_BYTES), share))
    }

    /// A larger one. The second half of the budget is for those who have none yet.
    pub fn try_lease_bulk(&self) -> Option<(Storage, Share)> {
        if self.budget.used_bytes() + BULK_BUFFER_BYTES > self.budget.limit_bytes() / 2 {
            return None;
        }
        let share = self.budget.try_take(BULK_BUFFER_BYTES)?;
        Some((self.bulk.take(BULK_BUFFER_BYTES), share))
    }

    /// Whether there is none left for whoever needs one now.
    pub fn is_exhausted(&self) -> bool {
        self.budget.used_bytes() + RELAY_BUFFER_BYTES > self.budget.limit_bytes()
    }

    /// Takes a buffer back for reuse; its share is dropped by whoever held it.
    pub fn give_back(&self, buffer: Storage) {
        match buffer.len() {
            RELAY_BUFFER_BYTES => self.usual.put(buffer),
            BULK_BUFFER_BYTES => self.bulk.put(buffer),
            _ => {}
        }
    }
}

/// Buffers of one size that nobody uses now.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Storage>>);

impl Kept {
    fn take(&self, bytes: usize) -> Storage {
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        buffer.unwrap_or_else(|| Storage::new(bytes))
    }

    fn put(&self, buffer: Storage) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if (kept.len() + 1) * buffer.len() <= KEPT_BYTES {
            kept.push(buffer);
        }
    }
}

/// One direction's buffers, and its pipes.
#[derive(Debug)]
pub struct Direction {
    pub relay: Pool,
    pub collect: Budget,
    pub pipes: Pipes,
}

/// All budgets of a gateway.
#[derive(Debug)]
pub struct Budgets {
    pub requests: Direction,
    pub responses: Direction,
    pub announced: Announced,
}

impl Budgets {
    pub fn new(limits: &Limits) -> Budgets {
        let direction = || Direction {
            relay: Pool::new(limits.buffer_bytes / 4),
            collect: Budget::new(limits.buffer_bytes / 4),
            pipes: Pipes::new(limits.pipes),
        };
        Budgets {
            requests: direction(),
            responses: direction(),
            announced: Announced::new(limits.announced_bytes),
        }
    }

    /// Bytes of buffers in use, of all that may be.
    pub fn buffers(&self) -> (usize, usize) {
        let all = [
            self.requests.relay.budget(),
            &self.requests.collect,
            self.responses.relay.budget(),
            &self.responses.collect,
        ];
        all.iter().fold((0, 0), |(used, limit), budget| {
            (used + budget.used_bytes(), limit + budget.limit_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn take(budget: &Budget, bytes: usize, waiting: &mut Waiting) -> Option<Share> {
        match budget.poll_take(bytes, waiting, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_large_frame_waits_its_turn_and_nobody_overtakes_it() {
        let budget = Budget::new(64 * 1024);
        let (mut large, mut small) = (Waiting::default(), Waiting::default());
        let held =
            take(&budget, 1024, &mut Waiting::default()).expect("a free budget gives at once");
        assert!(take(&budget, 64 * 1024, &mut large).is_none());
        assert!(
            take(&budget, 1024, &mut small).is_none(),
            "a later, smaller one must not overtake"
        );
        drop(held);
        let held = take(&budget, 64 * 1024, &mut large).expect("first come, first served");
        assert!(take(&budget, 1024, &mut small).is_none());
        drop(held);
        assert!(take(&budget, 1024, &mut small).is_some());
    }

    #[test]
    fn who_gives_up_waiting_is_in_nobodys_way() {
        let budget = Budget::new(2048);
        let mut large = Waiting::default();
        let held = take(&budget, 1024, &mut Waiting::default());
        assert!(take(&budget, 2048, &mut large).is_none());
        large.give_up();
        assert!(take(&budget, 1024, &mut Waiting::default()).is_some());
        drop(held);
    }

    #[test]
    fn more_than_everything_takes_everything() {
        let budget = Budget::new(4096);
        assert!(!budget.can_hold(5000));
        let held = take(&budget, usize::MAX / 2, &mut Waiting::default());
        assert!(held.is_some());
        assert_eq!(budget.used_bytes(), 4096);
    }
}
