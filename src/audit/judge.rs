//! What is wrong with what was seen (roof). Pure: facts in, findings out.

use super::facts::{BrokerConfig, Brokers, Group, Partition, Position, Topic, TopicConfig};
use super::report::{Check, Finding, MAX_PARTITIONS, Subject};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Kafka's default of `offsets.retention.minutes` since 2.0: 7 days.
const OFFSETS_RETENTION_MINUTES: i64 = 7 * 24 * 60;
/// A group whose commit is within this part of its log's deleted end is about to be overtaken.
const HEADROOM: f64 = 0.1;

pub const DEFAULT_REPLICATION_FACTOR: &str = "default.replication.factor";
pub const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
pub const AUTO_CREATE_TOPICS: &str = "auto.create.topics.enable";
pub const UNCLEAN_LEADER_ELECTION: &str = "unclean.leader.election.enable";
pub const OFFSETS_RETENTION: &str = "offsets.retention.minutes";

/// Settings of brokers that make an internal topic, once: topic, key, the least that is safe.
const INTERNAL_TOPICS: [(&str, &str, i64); 5] = [
    ("__consumer_offsets", "offsets.topic.replication.factor", 3),
    (
        "__transaction_state",
        "transaction.state.log.replication.factor",
        3,
    ),
    ("__transaction_state", "transaction.state.log.min.isr", 2),
    (
        "__share_group_state",
        "share.coordinator.state.topic.replication.factor",
        3,
    ),
    (
        "__share_group_state",
        "share.coordinator.state.topic.min.isr",
        2,
    ),
];

/// The keys that brokers are asked for.
pub fn broker_keys() -> impl Iterator<Item = &'static str> {
    let defaults = [
        DEFAULT_REPLICATION_FACTOR,
        MIN_INSYNC_REPLICAS,
        AUTO_CREATE_TOPICS,
        UNCLEAN_LEADER_ELECTION,
        OFFSETS_RETENTION,
    ];
    let internal = INTERNAL_TOPICS.iter().map(|(_, key, _)| *key);
    defaults.into_iter().chain(internal)
}

/// Replication of one topic. Without `config` only what Metadata shows is judged.
pub fn topic(topic: &Topic, config: TopicConfig, brokers: &Brokers) -> Vec<Finding> {
    let mut findings = Vec::new();
    let subject = Subject::Topic {
        name: topic.name.clone(),
        internal: topic.internal,
    };
    let mut by_partition =
        |check, partitions: Vec<&Partition>, found: &dyn Fn(&Partition) -> String| {
            // The worst one speaks for all.
            let Some(worst) = partitions.iter().min_by_key(|one| one.in_sync_replicas) else {
                return;
            };
            let indexes: Vec<i32> = partitions.iter().map(|one| one.index).collect();
            let finding = Finding::new(check, subject.clone(), found(worst));
            findings.push(finding.in_partitions(&indexes));
        };
    let those = |wanted: &dyn Fn(&Partition) -> bool| -> Vec<&Partition> {
        topic.partitions.iter().filter(|one| wanted(one)).collect()
    };
    let replication_factor = |one: &Partition| format!("replication factor {}", one.replicas.len());
    let isr = |one: &Partition| {
        let (in_sync, replicas) = (one.in_sync_replicas, one.replicas.len());
        format!("{in_sync} of {replicas} replicas in sync")
    };

    by_partition(Check::NoLeader, those(&|one| one.leader < 0), &isr);
    by_partition(
        Check::SingleReplica,
        those(&|one| one.replicas.len() == 1),
        &replication_factor,
    );
    by_partition(
        Check::TwoReplicas,
        those(&|one| one.replicas.len() == 2),
        &replication_factor,
    );
    // Until it is known, nothing is below it.
    let min_isr = config.min_insync_replicas.unwrap_or(0);
    // Brokers count no more than there are replicas (from 3.7 on; older ones refuse every acks=all then).
    let below = |one: &Partition| one.in_sync_replicas < min_isr.min(one.replicas.len());
    by_partition(
        Check::IsrBelowMin,
        those(&|one| one.leader >= 0 && below(one)),
        &|one| format!("min.insync.replicas {min_isr}, {}", isr(one)),
    );
    by_partition(
        Check::IsrShrunk,
        those(&|one| one.leader >= 0 && !below(one) && one.in_sync_replicas < one.replicas.len()),
        &isr,
    );
    by_partition(
        Check::MinIsrOne,
        those(&|one| min_isr == 1 && one.replicas.len() > 1),
        &|one| format!("min.insync.replicas 1, {}", replication_factor(one)),
    );
    by_partition(
        Check::MinIsrLeavesNoRoom,
        those(&|one| one.replicas.len() > 1 && min_isr >= one.replicas.len()),
        &|one| format!("min.insync.replicas {min_isr}, {}", replication_factor(one)),
    );
    by_partition(
        Check::OneRack,
        those(&|one| in_one_rack(one, brokers).is_some()),
        &|one| {
            let rack = in_one_rack(one, brokers).unwrap_or_default();
            format!("all {} replicas in rack {rack:?}", one.replicas.len())
        },
    );
    if config.unclean_leader_election == Some(true) {
        let found = "unclean.leader.election.enable true".to_owned();
        findings.push(Finding::new(Check::UncleanElection, subject, found));
    }
    // A list of all partitions says no more than none.
    for finding in &mut findings {
        if finding.partition_count == topic.partitions.len() {
            finding.partitions.clear();
        }
    }
    findings
}

/// The rack that holds every replica, where there is another rack and more than one replica.
fn in_one_rack<'a>(partition: &Partition, brokers: &'a Brokers) -> Option<&'a str> {
    let rack_of = |id: &i32| brokers.get(id).and_then(|broker| broker.rack.as_deref());
    let (first, others) = partition.replicas.split_first()?;
    let rack = rack_of(first)?;
    let all_there = !others.is_empty() && others.iter().all(|id| rack_of(id) == Some(rack));
    let elsewhere = brokers
        .keys()
        .any(|id| rack_of(id).is_some_and(|other| other != rack));
    (all_there && elsewhere).then_some(rack)
}

/// Where the brokers are.
pub fn racks(brokers: &Brokers) -> Vec<Finding> {
    let racks: BTreeSet<&str> = brokers
        .values()
        .filter_map(|broker| broker.rack.as_deref())
        .collect();
    let without: Vec<i32> = brokers
        .iter()
        .filter(|(_, broker)| broker.rack.is_none())
        .map(|(id, _)| *id)
        .collect();
    let count = brokers.len();
    let mut findings = Vec::new();
    match (racks.first(), racks.len()) {
        (None, _) => findings.push(Finding::new(
            Check::NoRacks,
            Subject::Cluster,
            format!("{count} brokers without broker.rack"),
        )),
        (Some(rack), 1) if without.is_empty() && count > 1 => findings.push(Finding::new(
            Check::OneRack,
            Subject::Cluster,
            format!("all {count} brokers in rack {rack:?}"),
        )),
        _ => {}
    }
    if !racks.is_empty() && !without.is_empty() {
        let found = format!("{} of {count} brokers without broker.rack", without.len());
        findings.push(Finding::new(
            Check::BrokerWithoutRack,
            Subject::Brokers(without),
            found,
        ));
    }
    findings
}

/// What brokers give to topics that say nothing, and how long they remember commits. `topics` are the names that exist.
pub fn broker_configs(
    configs: &BTreeMap<i32, BrokerConfig>,
    exists: &dyn Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in broker_keys() {
        let values = values_of(configs, key);
        for (value, ids) in &values {
            let of_internal = INTERNAL_TOPICS.iter().find(|(_, named, _)| *named == key);
            let check = match of_internal {
                // What made it is of no more interest: the topic itself is judged.
                Some((topic, ..)) if exists(topic) => None,
                Some((.., least)) => below(value, *least).then_some(Check::WeakDefault),
                None => weak_setting(key, value),
            };
            let Some(check) = check else {
                continue;
            };
            let found = match of_internal {
                Some((topic, ..)) => format!("{key} {value}, and there is no {topic} yet"),
                None => format!("{key} {value}"),
            };
            findings.push(Finding::new(check, Subject::Brokers(ids.clone()), found));
        }
        if values.len() > 1 {
            findings.push(differing(key, &values));
        }
    }
    findings.extend(no_room_by_default(configs));
    findings
}

/// `unset` of `topics` topics never ask the system to write anything.
pub fn page_cache(unset: usize, topics: usize) -> Option<Finding> {
    (unset > 0).then(|| {
        let found = format!("flush.messages is unset on {unset} of {topics} topics");
        Finding::new(Check::PageCache, Subject::Cluster, found)
    })
}

/// The values of a key, each with the brokers that have it.
fn values_of<'a>(
    configs: &'a BTreeMap<i32, BrokerConfig>,
    key: &str,
) -> BTreeMap<&'a str, Vec<i32>> {
    let mut values: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (id, config) in configs {
        if let Some(value) = config.get(key) {
            values.entry(value).or_default().push(*id);
        }
    }
    values
}

fn weak_setting(key: &str, value: &str) -> Option<Check> {
    let (check, weak) = match key {
        DEFAULT_REPLICATION_FACTOR => (Check::WeakDefault, below(value, 3)),
        MIN_INSYNC_REPLICAS => (Check::WeakDefault, below(value, 2)),
        AUTO_CREATE_TOPICS => (Check::AutoCreateTopics, value == "true"),
        UNCLEAN_LEADER_ELECTION => (Check::UncleanElection, value == "true"),
        OFFSETS_RETENTION => (
            Check::ShortOffsetsRetention,
            below(value, OFFSETS_RETENTION_MINUTES),
        ),
        _ => return None,
    };
    weak.then_some(check)
}

fn below(value: &str, least: i64) -> bool {
    value.parse::<i64>().is_ok_and(|value| value < least)
}

fn differing(key: &str, values: &BTreeMap<&str, Vec<i32>>) -> Finding {
    let parts = values
        .iter()
        .map(|(value, ids)| format!("{value} on {}", list(ids)));
    let found = format!("{key}: {}", parts.collect::<Vec<_>>().join(", "));
    let mut ids: Vec<i32> = values.values().flatten().copied().collect();
    ids.sort_unstable();
    Finding::new(Check::BrokersDiffer, Subject::Brokers(ids), found)
}

/// Brokers whose defaults make topics that no broker may leave.
fn no_room_by_default(configs: &BTreeMap<i32, BrokerConfig>) -> Option<Finding> {
    let number = |config: &BrokerConfig, key| -> Option<i64> { config.get(key)?.parse().ok() };
    let mut ids = Vec::new();
    let mut found = None;
    for (id, config) in configs {
        let replicas = number(config, DEFAULT_REPLICATION_FACTOR)?;
        let min_isr = number(config, MIN_INSYNC_REPLICAS)?;
        if replicas > 1 && min_isr >= replicas {
            ids.push(*id);
            found.get_or_insert(format!(
                "{MIN_INSYNC_REPLICAS} {min_isr}, {DEFAULT_REPLICATION_FACTOR} {replicas}"
            ));
        }
    }
    let found = found?;
    Some(Finding::new(
        Check::MinIsrLeavesNoRoom,
        Subject::Brokers(ids),
        found,
    ))
}

/// What happens to a group that reads one topic.
pub fn group(
    group: &Group,
    topic: &Arc<str>,
    config: TopicConfig,
    positions: &[Position],
) -> Vec<Finding> {
    let subject = Subject::Group {
        id: group.id.clone(),
        state: group.state.clone(),
        topic: topic.clone(),
    };
    let mut findings = Vec::new();
    let mut worst_first = |check, mut those: Vec<Position>, found: String| {
        if those.is_empty() {
            return;
        }
        let count = those.len();
        those.truncate(MAX_PARTITIONS);
        let mut finding = Finding::new(check, subject.clone(), found);
        finding.partition_count = count;
        finding.positions = those;
        findings.push(finding);
    };

    let mut overtaken = those(positions, |one| one.overtaken() > 0);
    overtaken.sort_by_key(|one| std::cmp::Reverse(one.overtaken()));
    let skipped: i64 = overtaken
        .iter()
        .fold(0, |sum, one| sum.saturating_add(one.overtaken()));
    let text = format!(
        "{skipped} offsets deleted unread in {}",
        partitions(overtaken.len())
    );
    worst_first(Check::Overtaken, overtaken, text);

    let mut beyond = those(positions, |one| one.beyond() > 0);
    beyond.sort_by_key(|one| std::cmp::Reverse(one.beyond()));
    let most = beyond.first().map_or(0, Position::beyond);
    let text = format!(
        "committed up to {most} offsets beyond the end in {}",
        partitions(beyond.len())
    );
    worst_first(Check::CommittedBeyondEnd, beyond, text);

    let mut soon = those(positions, |one| {
        one.overtaken() == 0 && one.unread() > 0 && config.deletes && is_close(one)
    });
    soon.sort_by(|a, b| {
        a.headroom()
            .unwrap_or(1.0)
            .total_cmp(&b.headroom().unwrap_or(1.0))
    });
    let sum = |of: &dyn Fn(&Position) -> i64| {
        soon.iter()
            .fold(0_i64, |sum, one| sum.saturating_add(of(one)))
    };
    let headroom = soon.first().and_then(Position::headroom).unwrap_or(1.0) * 100.0;
    let text = format!(
        "{} offsets unread in {}, {} of them in the last tenth of retention.ms, headroom {headroom:.1} % of the log",
        sum(&Position::unread),
        partitions(soon.len()),
        sum(&Position::expiring),
    );
    worst_first(Check::OvertakenSoon, soon, text);
    findings
}

fn those(positions: &[Position], wanted: impl Fn(&Position) -> bool) -> Vec<Position> {
    positions
        .iter()
        .filter(|one| wanted(one))
        .copied()
        .collect()
}

/// Records that are not read yet are in the last tenth of their time; or, where something was deleted before (so the log is as
/// long as it may get), the commit is within the tenth that goes next.
fn is_close(position: &Position) -> bool {
    let little_left = position.headroom().is_some_and(|share| share < HEADROOM);
    position.expiring() > 0 || (position.log_start > 0 && little_left)
}

fn partitions(count: usize) -> String {
    match count {
        1 => "1 partition".to_owned(),
        count => format!("{count} partitions"),
    }
}

/// `broker 1`, `brokers 1, 2`.
pub fn list(ids: &[i32]) -> String {
    let noun = if ids.len() == 1 { "broker" } else { "brokers" };
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    format!("{noun} {}", ids.join(", "))
}

#[cfg(test)]
mod tests;
