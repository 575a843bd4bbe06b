//! # destructive_admin: a call that deletes what is still needed
//!
//! ## What it sees
//! DeleteTopics and DeleteRecords for topics that match `topics` of its table; OffsetDelete, DeleteGroups,
//! AlterShareGroupOffsets and DeleteShareGroupOffsets for groups that match `groups`, and of these the ones that name topics
//! also for topics that match. The same of what brokers write of share groups among themselves (InitializeShareGroupState,
//! WriteShareGroupState, DeleteShareGroupState), as brokers do not write it through a gateway. An OffsetCommit of nobody's
//! (a generation below 0: `kafka-consumer-groups --reset-offsets`, and consumers that assign partitions to themselves)
//! for a group that matches `groups`, of an offset beyond where the group is. No names are protected by default,
//! so that nothing is found.
//!
//! ## How records are lost
//! Deleted records and topics are gone on all replicas. A group without its offsets starts where its reset policy says: at
//! the end, past all that it had not read, or at the beginning. A group that is set forward never reads what lies between.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for what is protected (TOPIC_DELETION_DISABLED in versions 3 and 4 of DeleteTopics, which have
//! no text), and the rest of the request goes on. A call that concerns one group is answered whole. DeleteTopics may name a
//! topic by its id: one that the gateway has not learned could be any topic, and is refused while topics are protected; name
//! such a topic instead. Of a commit the partitions that jump forward are refused, the others go on. Enforced, such a commit
//! waits until the group's coordinator has told where the group is, by an OffsetFetch begun after the commit was read; what
//! went through before decides nothing, so replicas and restarts change nothing. A topic that this process has not met yet is
//! asked for before that. Without an answer within `cluster.lookup_timeout_ms` (each) the commit goes on, and
//! `holdfast_unverified_total` counts it; without the right to describe the group and the topic that is always so. A group
//! without a place (new, or its offsets expired) may be given any. Observed, nobody is asked: a place is known from the commits
//! and the OffsetFetch answers that went through this process (`commit_regression` says which are forgotten), else the commit
//! is counted as unverified.
//! A commit inside a transaction (TxnOffsetCommit) is not taken for nobody's: older producers name no member in it, and what they
//! commit goes forward.
//!
//! ## What it costs
//! A team that wants to delete what is protected needs an exemption. A consumer that assigns partitions to itself and commits
//! to a group looks like an administrator: do not protect such a group.
//!
//! ## When to turn it off
//! For the one clean-up that is meant: exempt the operator's client id, or the topic or group, until tomorrow.

use super::standing::any_matches;
use super::{Pattern, Settings};

/// Whether a topic is protected. `None`: it is named by an id that nobody knows.
pub fn topic(settings: &Settings, topic: Option<&str>) -> bool {
    protected(&settings.protected_topics, topic)
}

pub fn group(settings: &Settings, group: &str) -> bool {
    protected(&settings.protected_groups, Some(group))
}

/// Whether a commit sets a protected group forward, if `last` is what the group committed before; −1: it has no place.
pub fn jumps_forward(committed_offset: i64, last: i64) -> bool {
    last >= 0 && committed_offset > last
}

/// Whether a commit is nobody's: an administrator's, or that of a consumer without a group. Of a group that is empty a
/// coordinator takes any generation below 0, whatever member is named beside it (`ClassicGroup.validateOffsetCommit`).
pub fn is_nobodys(generation: i32) -> bool {
    generation < 0
}

fn protected(patterns: &[Pattern], name: Option<&str>) -> bool {
    match name {
        Some(name) => any_matches(patterns, name),
        None => !patterns.is_empty(),
    }
}

/// What the operator is told.
pub fn text(name: Option<&str>) -> String {
    let found = match name {
        Some(name) => format!("{name} is protected"),
        None => "a topic id that is not known, while topics are protected".to_owned(),
    };
    format!(
        "destructive_admin: found {found}, allowed: names that [policy.destructive_admin] does not match; refused by the gateway"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_found_until_names_are_protected() {
        let mut settings = Settings::default();
        assert!(!topic(&settings, Some("orders")) && !topic(&settings, None));
        assert!(!group(&settings, "billing"));
        settings.protected_topics = vec![Pattern("ord*".into())];
        assert!(topic(&settings, Some("orders")) && topic(&settings, None));
        assert!(!topic(&settings, Some("metrics")) && !group(&settings, "orders"));
    }

    #[test]
    fn only_nobodys_commit_beyond_the_last_one_jumps_forward() {
        assert!(is_nobodys(-1) && is_nobodys(-5) && !is_nobodys(0));
        assert!(jumps_forward(6, 5) && !jumps_forward(5, 5) && !jumps_forward(4, 5));
        assert!(!jumps_forward(6, -1));
    }
}
