//! # destructive_admin: a call that deletes what is still needed
//!
//! ## What it sees
//! DeleteTopics and DeleteRecords for topics that match `topics` of its table; OffsetDelete, DeleteGroups,
//! AlterShareGroupOffsets and DeleteShareGroupOffsets for groups that match `groups`, and of these the ones that name topics
//! also for topics that match. No names are protected by default, so that nothing is found.
//!
//! ## How records are lost
//! Deleted records and topics are gone on all replicas. A group without its offsets starts where its reset policy says: at
//! the end, past all that it had not read, or at the beginning.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for what is protected (TOPIC_DELETION_DISABLED in versions 3 and 4 of DeleteTopics, which have
//! no text), and the rest of the request goes on. A call that concerns one group is answered whole. DeleteTopics may name a
//! topic by its id: one that the gateway has not learned could be any topic, and is refused while topics are protected;
//! name such a topic instead.
//!
//! ## What it costs
//! A team that wants to delete what is protected needs an exemption.
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
}
