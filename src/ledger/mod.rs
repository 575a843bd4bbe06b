//! Floor 1: bounded memory that connections share: what one of them saw and another needs in order to judge.
//!
//! Each table has a capacity, forgets what was used longest ago, and counts what it forgot. Pure values behind short locks; no
//! clock, nothing asked of anybody. It begins empty with the process and knows what went through this instance only.

pub mod acked;
pub mod commits;
pub mod deliveries;
pub mod fetches;
pub mod log_ends;
pub mod room;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use acked::Acked;
pub use commits::Commits;
pub use deliveries::Deliveries;
pub use fetches::Fetches;
pub use log_ends::LogEnds;

/// Every table.
#[derive(Debug, Default)]
pub struct Ledger {
    pub acked: Acked,
    pub commits: Commits,
    /// What members asked to commit, where commits are held back: by group and member in place of the group.
    pub asked: Commits,
    pub deliveries: Deliveries,
    pub fetches: Fetches,
    pub log_ends: LogEnds,
}

/// The names of the tables.
pub const TABLES: [&str; 5] = ["acked", "commits", "deliveries", "fetches", "log_ends"];

/// What a table holds is sound at all times, so a thread that panicked with it in hand leaves it usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// How many partitions each table had no room for, in the order of [`TABLES`].
    pub fn forgotten(&self) -> [(&'static str, u64); TABLES.len()] {
        let [acked, commits, deliveries, fetches, log_ends] = TABLES;
        [
            (acked, self.acked.forgotten()),
            (commits, self.commits.forgotten() + self.asked.forgotten()),
            (deliveries, self.deliveries.forgotten()),
            (fetches, self.fetches.forgotten()),
            (log_ends, self.log_ends.forgotten()),
        ]
    }
}
