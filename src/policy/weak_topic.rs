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
//! forwarded, counted in `holdfast_unverified_total`. What is not known of a topic is not held against it.
//! By itself it never changes a topic. With `repair = "enforce"` it does, whatever the mode, unless that is `off`: where a topic that
//! clients use has a lower `min.insync.replicas` than `policy.weak_topic_creation.min_insync_replicas`, it is raised to
//! that by IncrementalAlterConfigs, which leaves the topic's other configs alone. Only with three replicas or more of every partition,
//! more than the new value, and all of them in sync as of a look right before: else one broker that fails would stop
//! writes at once. Replicas that were eligible to lead (KIP-966) are forgotten by the change, which is why a full ISR is waited for.
//! Nothing else is repaired: not the number of replicas, not a value that is too high, not unclean elections. Each
//! topic is changed once; whoever sets it back has it left alone until the gateway restarts. Refusals of the brokers (no
//! right to ALTER_CONFIGS, a policy) are tried again after 30 s, then later and later, up to an hour. All of it is in the
//! log, with the value before and after, and in `holdfast_topic_repairs_total`. `repair = "observe"` says and counts once for each topic what would be
//! done. An exemption that names no client keeps a topic from being repaired, too.
//! Several replicas of the gateway judge alike, each by its own view; each may repair, and sets the same value.
//!
//! ## What it costs
//! Nothing while it counts. In force a request is held until the header of its last batch, and writes to a weak topic fail
//! until somebody repairs it.
//!
//! ## When to turn it off
//! For topics whose records may be lost: exempt them, with an owner and a date.

use crate::cluster::TopicFacts;

/// The least that survives the loss of one broker and goes on taking writes.
const REPLICAS: u16 = 3;
const MIN_INSYNC_REPLICAS: u16 = 2;

pub const MIN_INSYNC_REPLICAS_KEY: &str = "min.insync.replicas";

/// What `min.insync.replicas` is and is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    pub before: u16,
    pub after: u16,
}

/// Whether a topic's `min.insync.replicas` is to be raised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repair {
    /// It is at the floor or above, or nobody told.
    Needless,
    /// It is too low, and to raise it now would do harm, for this reason.
    Unfit(&'static str),
    Fit(Change),
}

/// `floor`: what it is to be at least. Never lowered, and never raised so far that the loss of one replica stops writes.
pub fn repair(facts: &TopicFacts, floor: u16) -> Repair {
    let Some(before) = facts.min_insync_replicas.filter(|least| *least < floor) else {
        return Repair::Needless;
    };
    let partitions = &facts.partitions;
    let fewest = partitions.iter().map(|partition| partition.replicas).min();
    let whole = partitions
        .iter()
        .all(|partition| partition.leader >= 0 && partition.in_sync_replicas == partition.replicas);
    match fewest {
        None => Repair::Unfit("its partitions are not known"),
        Some(fewest) if fewest < REPLICAS => {
            Repair::Unfit("a partition has fewer than three replicas")
        }
        Some(fewest) if fewest <= floor => {
            Repair::Unfit("a partition would have no replica to spare")
        }
        Some(_) if !whole => Repair::Unfit("not all replicas are in sync"),
        Some(_) => Repair::Fit(Change {
            before,
            after: floor,
        }),
    }
}

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
    // Of one replica nothing can be spared, whatever is set: that is said of the replication factor.
    let most = replicas
        .filter(|replicas| *replicas > 1)
        .map(|replicas| replicas - 1);
    let found = Weak {
        replicas: replicas.filter(|replicas| *replicas < REPLICAS),
        too_few_in_sync: min_isr.filter(|least| *least < MIN_INSYNC_REPLICAS),
        too_many_in_sync: min_isr.zip(most).filter(|(least, most)| least > most),
        unclean: unclean == Some(true),
    };
    (found != Weak::default()).then_some(found)
}

/// Of a topic as it is known.
pub fn of(facts: &TopicFacts) -> Option<Weak> {
    let replicas = facts.partitions.iter().map(|partition| partition.replicas);
    let unclean = facts.keeping.unclean_leader_election;
    judge(replicas.min(), facts.min_insync_replicas, unclean)
}

/// In words, with what is wanted instead.
pub fn reasons(found: Weak) -> String {
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
    why.join(", ")
}

/// What the application is told.
pub fn text(found: Weak, topic: &str) -> String {
    let why = reasons(found);
    format!("weak_topic: topic {topic} has {why}; refused by the gateway")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Keeping, PartitionFacts};

    fn facts(min_isr: Option<u16>, partitions: &[(u16, u16)]) -> TopicFacts {
        let partition = |(index, (replicas, in_sync_replicas)): (usize, &(u16, u16))| PartitionFacts {
            index: index as i32,
            leader: 1,
            replicas: *replicas,
            in_sync_replicas: *in_sync_replicas,
        };
        TopicFacts {
            name: "orders".into(),
            id: None,
            max_message_bytes: None,
            min_insync_replicas: min_isr,
            keeping: Keeping::default(),
            configs: None,
            partitions: partitions.iter().enumerate().map(partition).collect(),
        }
    }

    #[test]
    fn a_repair_raises_to_the_floor_where_every_partition_is_whole_and_has_a_replica_to_spare() {
        let fit = |before, after| Repair::Fit(Change { before, after });
        assert_eq!(repair(&facts(Some(1), &[(3, 3)]), 2), fit(1, 2));
        assert_eq!(repair(&facts(Some(2), &[(5, 5), (4, 4)]), 3), fit(2, 3));
        for (min_isr, floor) in [(Some(2), 2), (Some(3), 2), (None, 2)] {
            assert_eq!(repair(&facts(min_isr, &[(3, 3)]), floor), Repair::Needless);
        }
        for (partitions, floor, why) in [
            (&[][..], 2, "not known"),
            (&[(3, 3), (2, 2)], 1 + 1, "fewer than three"),
            (&[(1, 1)], 2, "fewer than three"),
            (&[(5, 5), (3, 3)], 3, "no replica to spare"),
            (&[(3, 3), (3, 2)], 2, "in sync"),
        ] {
            match repair(&facts(Some(1), partitions), floor) {
                Repair::Unfit(found) => assert!(found.contains(why), "{found}"),
                other => panic!("{partitions:?}: {other:?}"),
            }
        }
        let mut leaderless = facts(Some(1), &[(3, 3)]);
        leaderless.partitions[0].leader = -1;
        assert!(matches!(repair(&leaderless, 2), Repair::Unfit(_)));
    }

    #[test]
    fn a_topic_is_weak_by_each_of_four_reasons_and_never_by_what_is_not_known() {
        assert_eq!(judge(Some(3), Some(2), Some(false)), None);
        assert_eq!(judge(Some(5), Some(3), Some(false)), None);
        assert_eq!(judge(None, None, None), None);
        assert_eq!(judge(None, Some(3), None), None);
        for (replicas, min_isr, unclean, says) in [
            (1, 1, false, "replication factor 1, wanted 3 or more, min.insync.replicas 1, wanted 2"),
            (2, 1, false, "replication factor 2"),
            (3, 1, false, "min.insync.replicas 1, wanted 2"),
            (3, 3, false, "min.insync.replicas 3, wanted at most 2"),
            (3, 2, true, "unclean.leader.election.enable true"),
        ] {
            let found = judge(Some(replicas), Some(min_isr), Some(unclean)).unwrap();
            let text = text(found, "orders");
            let contradicts = text.contains("or more") && text.contains("at most 0");
            assert!(!contradicts, "{text}");
            assert!(text.contains(says) && text.contains("topic orders"), "{text}");
        }
    }
}
