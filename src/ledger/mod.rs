//! Floor 1: bounded memory that connections share: what one of them saw and another needs in order to judge.
//!
//! Each table has a capacity, forgets what was used longest ago, and counts what it forgot. Pure values behind short locks; no
//! clock, nothing asked of anybody. It begins empty with the process and knows what went through this instance only.

pub mod commits;
pub mod deliveries;
pub mod fetches;
pub mod log_ends;

pub use commits::Commits;
pub use deliveries::Deliveries;
pub use fetches::Fetches;
pub use log_ends::LogEnds;

/// Every table.
#[derive(Debug, Default)]
pub struct Ledger {
    pub commits: Commits,
    /// What members asked to commit, where commits are held back: by group and member in place of the group.
    pub asked: Commits,
    pub deliveries: Deliveries,
    pub fetches: Fetches,
    pub log_ends: LogEnds,
}
