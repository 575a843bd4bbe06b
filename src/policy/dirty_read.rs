//! # dirty_read: records of transactions that were not committed
//!
//! ## What it sees
//! `isolation_level` read_uncommitted in a Fetch, and batches that belong to a transaction in its answer (a bit of their
//! header; nothing is decompressed). One count is one partition of one answer.
//!
//! ## How records are lost
//! A transaction that is aborted takes its records back, but they stay in the log: a consumer with read_uncommitted, Java's
//! default, processes them all the same, and those of transactions that are still open. What it then writes or commits
//! rests on records that never were. The producer's retry brings them once more, so that sums and joins go wrong.
//!
//! ## What the gateway does
//! It counts, in `holdfast_observations_total`, by client and topic. Enforced, it raises the level to read_committed in
//! place, in Fetch and in ListOffsets (or a client that reads up to the end would wait for records that it is not shown), and
//! takes aborted batches out of answers: brokers send them even then, with a list of what was aborted, and a client that
//! asked for read_uncommitted ignores that list. In their place stands a marker of a few bytes, which every client skips, so that
//! its position moves on; the end of the log that the answer tells becomes the end of what is decided. Topics that are exempted keep
//! their batches, but see no open transactions either: the level is of the whole request.
//! Share groups read by a level of their own (`share.isolation.level`) and are left alone.
//! Replicas of the gateway do not matter: each answer is judged by itself.
//!
//! ## What it costs
//! Observed: 23 bytes are read of each batch that read_uncommitted clients get, up to the first of a transaction; answers
//! stream on. Enforced: answers to those clients are held whole, and copied when something was aborted; they see records when
//! their transaction ends, not before. A fourth of `limits.buffer_bytes` must hold what these clients fetch at once
//! (`fetch.max.bytes`): a larger answer closes the connection.
//!
//! ## When to turn it off
//! For consumers that show the state of open transactions on purpose: exempt their client id.

use crate::policy::Mode;
use crate::policy::standing::Stand;

/// `isolation_level` of a client that sees what no transaction has decided yet.
pub const READ_UNCOMMITTED: i8 = 0;

/// Whether the answers to this request are looked at.
pub fn sees(isolation_level: i8, stand: Stand) -> bool {
    isolation_level == READ_UNCOMMITTED && stand != Stand::Off
}

/// Whether the level is raised, and answers are rid of what was aborted.
pub fn raises(isolation_level: i8, stand: Stand) -> bool {
    let in_force = matches!(
        stand,
        Stand::Apply(Mode::Enforce) | Stand::ByTopic(Mode::Enforce)
    );
    isolation_level == READ_UNCOMMITTED && in_force
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_read_uncommitted_is_seen_and_only_where_in_force_raised() {
        for (level, stand, expected) in [
            (0, Stand::Off, (false, false)),
            (0, Stand::Apply(Mode::Observe), (true, false)),
            (0, Stand::Apply(Mode::Enforce), (true, true)),
            (0, Stand::ByTopic(Mode::Observe), (true, false)),
            (0, Stand::ByTopic(Mode::Enforce), (true, true)),
            (0, Stand::Exempt(0), (true, false)),
            (1, Stand::Apply(Mode::Enforce), (false, false)),
            (7, Stand::Apply(Mode::Enforce), (false, false)),
        ] {
            let found = (sees(level, stand), raises(level, stand));
            assert_eq!(found, expected, "{level} {stand:?}");
        }
    }
}
