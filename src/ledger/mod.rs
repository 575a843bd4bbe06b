//! Floor 1: bounded memory that connections share: what one of them saw and another needs in order to judge.
//!
//! Each table has a capacity, forgets what was used longest ago, and counts what it forgot. Pure values behind short locks; no
//! clock, nothing asked of anybody. It begins empty with the process and knows what went through this instance only.

pub mod commits;
pub mod log_ends;

pub use commits::Commits;
pub use log_ends::LogEnds;

/// Every table.
#[derive(Debug, Default)]
pub struct Ledger {
    pub commits: Commits,
    pub log_ends: LogEnds,
}
