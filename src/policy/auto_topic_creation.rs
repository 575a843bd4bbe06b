//! # auto_topic_creation: a topic that nobody meant to create
//!
//! ## What it sees
//! A Metadata request that names a topic the gateway does not know and allows the broker to create it:
//! `allow_auto_topic_creation` (version 4 and above; older requests always do). Producers and consumers send it by default.
//!
//! ## How records are lost
//! With `auto.create.topics.enable` (the brokers' default) the topic comes to be with the brokers' defaults, of old one
//! replica and `min.insync.replicas` 1: everything written to it dies with one broker. A misspelt name takes records that
//! nobody will read.
//!
//! ## What the gateway does
//! It writes false into `allow_auto_topic_creation`, so that the client hears UNKNOWN_TOPIC_OR_PARTITION from the broker
//! where the topic does not exist, and what it asked for where it does. Before version 4 there is no such field: a topic
//! that the gateway does not know is answered UNKNOWN_TOPIC_OR_PARTITION by Holdfast, and looked up; where it exists, the
//! client's next try finds it. Topics that the gateway knows are asked for as they are. A count of what is only observed is
//! an upper bound: a topic that exists counts as well, the first time it is met.
//!
//! ## What it costs
//! Topics have to be created by somebody. A topic that is deleted while the gateway still knows it
//! (`cluster.metadata_refresh_ms`) can come to be again in that time. Clients older than Kafka 0.11 need one more try for a
//! topic that is new to the gateway.
//!
//! ## When to turn it off
//! Where applications are meant to create their topics by using them and the brokers' defaults are strong.

/// Whether asking may create: the topics are named, creation is allowed, and one of them is not known.
pub fn judge(allowed: bool, known: impl IntoIterator<Item = bool>) -> bool {
    allowed && known.into_iter().any(|known| !known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_topic_can_be_created_and_only_where_that_is_allowed() {
        assert!(judge(true, [true, false]));
        assert!(!judge(true, [true, true]));
        assert!(!judge(true, []));
        assert!(!judge(false, [false]));
    }
}
