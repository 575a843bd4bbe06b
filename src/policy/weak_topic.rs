//! # weak_topic: a topic on which acks=all is hollow
//!
//! ## What it sees
//! A batch for a topic with a replication factor below 3, a `min.insync.replicas` below 2 or above replication factor − 1, or
//! with `unclean.leader.election.enable` on.
//!
//! ## How records are lost
//! With `min.insync.replicas` 1 acks=all is satisfied by the leader alone once its followers are out of sync; its disk is then
//! the only place where the record is. With unclean elections a replica that lacks acknowledged records may lead, and they
//! are thrown away everywhere. With two replicas any choice is bad: at `min.insync.replicas` 2 one failure stops all
//! writes, and programs that then fall back on acks=1 lose more.
//!
//! ## What the gateway does
//! It counts the batches. In mode `enforce` it answers POLICY_VIOLATION for the partition, after one fresh look at the topic
//! (Metadata and DescribeConfigs) begun while the request waits; without an answer within `lookup_timeout_ms` the batch is
//! forwarded, counted in `holdfast_unverified_total`. What is not known of a topic is not held against it. It never changes
//! the topic.
//!
//! ## What it costs
//! Nothing while it counts. In force a request is held until the header of its last batch, and writes to a weak topic fail
//! until somebody repairs it.
//!
//! ## When to turn it off
//! For topics whose records may be lost: exempt them, with an owner and a date.

/// The least that survives the loss of one broker and goes on taking writes.
const REPLICAS: u16 = 3;
const MIN_INSYNC_REPLICAS: u16 = 2;

/// Why a topic is weak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weak {
    pub replicas: Option<u16>,
    /// `min.insync.replicas`, and the most that leaves room for a failure.
    pub too_few_in_sync: Option<u16>,
    pub too_many_in_sync: Option<(u16, u16)>,
    pub unclean: bool,
}

/// `None` stands for what is not known, and is not held against the topic.
pub fn judge(replicas: Option<u16>, min_isr: Option<u16>, unclean: Option<bool>) -> Option<Weak> {
    let most = replicas.map(|replicas| replicas.saturating_sub(1));
    let found = Weak {
        replicas: replicas.filter(|replicas| *replicas < REPLICAS),
        too_few_in_sync: min_isr.filter(|least| *least < MIN_INSYNC_REPLICAS),
        too_many_in_sync: min_isr.zip(most).filter(|(least, most)| least > most),
        unclean: unclean == Some(true),
    };
    (found != Weak::default()).then_some(found)
}

/// What the application is told.
pub fn text(found: Weak, topic: &str) -> String {
    let mut why = Vec::new();
    if let Some(replicas) = found.replicas {
        why.push(format!(
            "replication factor {replicas}, wanted {REPLICAS} or more"
        ));
    }
    if let Some(least) = found.too_few_in_sync {
        why.push(format!(
            "min.insync.replicas {least}, wanted {MIN_INSYNC_REPLICAS} or more"
        ));
    }
    if let Some((least, most)) = found.too_many_in_sync {
        why.push(format!(
            "min.insync.replicas {least}, wanted at most {most} (replication factor - 1)"
        ));
    }
    if found.unclean {
        why.push("unclean.leader.election.enable true, wanted false".to_owned());
    }
    format!(
        "weak_topic: topic {topic} has {}; refused by the gateway",
        why.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_weak_by_each_of_four_reasons_and_never_by_what_is_not_known() {
        assert_eq!(judge(Some(3), Some(2), Some(false)), None);
        assert_eq!(judge(Some(5), Some(3), Some(false)), None);
        assert_eq!(judge(None, None, None), None);
        assert_eq!(judge(None, Some(3), None), None);
        for (replicas, min_isr, unclean, says) in [
            (2, 1, false, "replication factor 2"),
            (3, 1, false, "min.insync.replicas 1, wanted 2"),
            (3, 3, false, "min.insync.replicas 3, wanted at most 2"),
            (3, 2, true, "unclean.leader.election.enable true"),
        ] {
            let found = judge(Some(replicas), Some(min_isr), Some(unclean)).unwrap();
            let text = text(found, "orders");
            assert!(text.contains(says) && text.contains("topic orders"), "{text}");
        }
    }
}
