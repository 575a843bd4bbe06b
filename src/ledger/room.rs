//! Room for what every connection keeps of its own: bounded in all, given back when the connection ends.
//!
//! Floor 1.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places that are given out and come back when it is dropped.
#[derive(Debug)]
pub struct Room {
    kept: Arc<AtomicUsize>,
    most: usize,
    own: usize,
}

impl Room {
    /// Of the places that `kept` counts there are `most` in all.
    pub fn of(kept: &Arc<AtomicUsize>, most: usize) -> Room {
        Room {
            kept: kept.clone(),
            most,
            own: 0,
        }
    }

    /// Room for one more; false: there is none.
    pub fn take(&mut self) -> bool {
        let kept = self.kept.fetch_add(1, Ordering::Relaxed);
        if kept >= self.most {
            self.kept.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.own += 1;
        true
    }

    /// So many are kept and no more.
    pub fn keep(&mut self, places: usize) {
        let back = self.own.saturating_sub(places);
        self.kept.fetch_sub(back, Ordering::Relaxed);
        self.own -= back;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.keep(0);
    }
}
