//! What is judged how.

use super::*;
use crate::audit::facts::Broker;
use crate::audit::report::Severity;
use crate::proxy::settings::HostPort;

/// Brokers 1, 2, … in these racks.
fn brokers(racks: &[Option<&str>]) -> Brokers {
    let broker = |(id, rack): (i32, &Option<&str>)| {
        let server = HostPort {
            host: format!("k{id}"),
            port: 9092,
        };
        let rack = rack.map(str::to_owned);
        (id, Broker { server, rack })
    };
    (1..).zip(racks).map(broker).collect()
}

/// A topic; each partition with its replicas and the number of those in sync.
fn topic_of(partitions: &[(&[i32], usize)]) -> Topic {
    let partition = |(index, (replicas, in_sync)): (i32, &(&[i32], usize))| Partition {
        index,
        leader: if *in_sync > 0 { replicas[0] } else { -1 },
        replicas: replicas.to_vec(),
        in_sync_replicas: *in_sync,
    };
    Topic {
        name: "t".into(),
        internal: false,
        partitions: (0..).zip(partitions).map(partition).collect(),
    }
}

fn min_isr(min_insync_replicas: usize) -> TopicConfig {
    TopicConfig {
        min_insync_replicas: Some(min_insync_replicas),
        unclean_leader_election: Some(false),
        flush_messages: Some(i64::MAX),
        deletes: true,
        retention_ms: Some(604_800_000),
    }
}

fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings
        .iter()
        .map(|finding| finding.check.name())
        .collect()
}

#[track_caller]
fn check(partitions: &[(&[i32], usize)], config: TopicConfig, expected: &[&str]) -> Vec<Finding> {
    let findings = topic(&topic_of(partitions), config, &brokers(&[None; 4]));
    assert_eq!(names(&findings), expected, "{findings:?}");
    findings
}

#[test]
fn a_topic_is_named_for_each_thing_that_is_wrong_with_its_replication() {
    check(&[(&[1, 2, 3], 3), (&[2, 3, 1], 3)], min_isr(2), &[]);
    check(&[(&[1, 2, 3, 4], 4)], min_isr(3), &[]);
    check(&[(&[1], 1)], min_isr(1), &["single_replica"]);
    // min.insync.replicas counts no more than the replicas that there are.
    check(&[(&[1], 1)], min_isr(2), &["single_replica"]);
    check(
        &[(&[1, 2], 2)],
        min_isr(1),
        &["two_replicas", "min_isr_one"],
    );
    check(
        &[(&[1, 2], 2)],
        min_isr(2),
        &["two_replicas", "min_isr_leaves_no_room"],
    );
    check(&[(&[1, 2, 3], 3)], min_isr(1), &["min_isr_one"]);
    check(&[(&[1, 2, 3], 3)], min_isr(3), &["min_isr_leaves_no_room"]);
    check(&[(&[1, 2, 3], 3)], min_isr(5), &["min_isr_leaves_no_room"]);
    let unclean = TopicConfig {
        unclean_leader_election: Some(true),
        ..min_isr(2)
    };
    check(&[(&[1, 2, 3], 3)], unclean, &["unclean_election"]);
}

#[test]
fn a_shrunken_isr_is_an_error_below_min_isr_only() {
    check(&[(&[1, 2, 3], 2)], min_isr(2), &["isr_shrunk"]);
    check(&[(&[1, 2, 3], 1)], min_isr(2), &["isr_below_min"]);
    check(&[(&[1, 2, 3], 0)], min_isr(2), &["no_leader"]);
    assert_eq!(Check::IsrBelowMin.severity(), Severity::Error);
    assert_eq!(Check::IsrShrunk.severity(), Severity::Warning);
}

#[test]
fn without_configs_only_what_metadata_shows_is_judged() {
    let nothing = TopicConfig::default();
    check(&[(&[1, 2, 3], 3)], nothing, &[]);
    check(&[(&[1, 2], 1)], nothing, &["two_replicas", "isr_shrunk"]);
}

#[test]
fn partitions_are_named_unless_all_are_meant_and_the_worst_one_speaks() {
    let healthy: (&[i32], usize) = (&[1, 2, 3], 3);
    let partitions = [healthy, (&[1, 2, 3], 2), (&[1, 2, 3, 4], 2), healthy];
    let findings = check(&partitions, min_isr(2), &["isr_shrunk"]);
    assert_eq!(findings[0].partitions, [1, 2]);
    assert_eq!(findings[0].found, "2 of 3 replicas in sync");
    let all: Vec<(&[i32], usize)> = vec![(&[1], 1); 100];
    let findings = check(&all, min_isr(1), &["single_replica"]);
    assert_eq!(
        (findings[0].partitions.len(), findings[0].partition_count),
        (0, 100)
    );
    let mut most = all;
    most.push(healthy);
    let findings = check(&most, min_isr(2), &["single_replica"]);
    assert_eq!(
        (findings[0].partitions.len(), findings[0].partition_count),
        (MAX_PARTITIONS, 100)
    );
}

#[test]
fn replicas_in_one_rack_are_found_where_there_is_another_rack() {
    let of = |replicas: &[i32], racks: &[Option<&str>]| {
        let topic_of = topic_of(&[(replicas, replicas.len())]);
        names(&topic(&topic_of, TopicConfig::default(), &brokers(racks)))
    };
    let (a, b) = (Some("a"), Some("b"));
    assert_eq!(of(&[1, 2, 3], &[a, a, a, b]), ["one_rack"]);
    assert_eq!(of(&[1, 2, 4], &[a, a, a, b]), [""; 0]);
    assert_eq!(of(&[1, 2, 3], &[a, a, a, None]), [""; 0]);
    assert_eq!(of(&[1, 2, 3], &[None, None, None, b]), [""; 0]);
    // Broker 5 is down: nobody knows its rack.
    assert_eq!(of(&[1, 2, 5], &[a, a, a, b]), [""; 0]);
    assert_eq!(of(&[1], &[a, b]), ["single_replica"]);
}

#[test]
fn brokers_without_a_rack_are_found_among_those_that_have_one() {
    let of = |racks: &[Option<&str>]| {
        let findings = racks_of(racks);
        (names(&findings), findings)
    };
    fn racks_of(racks: &[Option<&str>]) -> Vec<Finding> {
        super::racks(&brokers(racks))
    }
    let (a, b) = (Some("a"), Some("b"));
    assert_eq!(of(&[a, b, a]).0, [""; 0]);
    assert_eq!(of(&[None, None]).0, ["no_racks"]);
    assert_eq!(of(&[a, a, a]).0, ["one_rack"]);
    assert_eq!(of(&[a]).0, [""; 0]);
    let (names, findings) = of(&[a, None, b]);
    assert_eq!(names, ["broker_without_rack"]);
    assert_eq!(findings[0].subject, Subject::Brokers(vec![2]));
}

fn config(pairs: &[(&'static str, &str)]) -> BrokerConfig {
    pairs
        .iter()
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect()
}

#[test]
fn defaults_that_make_weak_topics_are_found_once_for_all_brokers_that_have_them() {
    let weak = config(&[
        (DEFAULT_REPLICATION_FACTOR, "1"),
        (MIN_INSYNC_REPLICAS, "1"),
        (AUTO_CREATE_TOPICS, "true"),
        (UNCLEAN_LEADER_ELECTION, "true"),
        (OFFSETS_RETENTION, "1440"),
    ]);
    let configs = BTreeMap::from([(1, weak.clone()), (2, weak)]);
    let findings = broker_configs(&configs, &|_| true);
    assert_eq!(
        names(&findings),
        [
            "weak_default",
            "weak_default",
            "auto_create_topics",
            "unclean_election",
            "short_offsets_retention"
        ]
    );
    for finding in &findings {
        assert_eq!(finding.subject, Subject::Brokers(vec![1, 2]));
    }
    let sound = config(&[
        (DEFAULT_REPLICATION_FACTOR, "3"),
        (MIN_INSYNC_REPLICAS, "2"),
        (AUTO_CREATE_TOPICS, "false"),
        (UNCLEAN_LEADER_ELECTION, "false"),
        (OFFSETS_RETENTION, "10080"),
    ]);
    let findings = broker_configs(&BTreeMap::from([(1, sound)]), &|_| true);
    assert_eq!(names(&findings), [""; 0]);
}

#[test]
fn brokers_that_disagree_and_defaults_that_leave_no_room_are_found() {
    let of = |replicas: &str, min_isr: &str| {
        config(&[
            (DEFAULT_REPLICATION_FACTOR, replicas),
            (MIN_INSYNC_REPLICAS, min_isr),
        ])
    };
    let configs = BTreeMap::from([(1, of("3", "2")), (2, of("3", "3")), (3, of("3", "2"))]);
    let findings = broker_configs(&configs, &|_| true);
    assert_eq!(
        names(&findings),
        ["brokers_differ", "min_isr_leaves_no_room"]
    );
    assert_eq!(
        findings[0].found,
        "min.insync.replicas: 2 on brokers 1, 3, 3 on broker 2"
    );
    assert_eq!(findings[1].subject, Subject::Brokers(vec![2]));
}

#[test]
fn settings_of_an_internal_topic_count_until_there_is_one() {
    let configs = BTreeMap::from([(1, config(&[("offsets.topic.replication.factor", "1")]))]);
    let findings = broker_configs(&configs, &|_| false);
    assert_eq!(names(&findings), ["weak_default"]);
    assert_eq!(
        findings[0].found,
        "offsets.topic.replication.factor 1, and there is no __consumer_offsets yet"
    );
    let findings = broker_configs(&configs, &|name| name == "__consumer_offsets");
    assert_eq!(names(&findings), [""; 0]);
}

fn at(committed: i64, log_start: i64, log_end: i64, expiring_until: Option<i64>) -> Position {
    Position {
        partition: 0,
        committed,
        log_start,
        log_end,
        expiring_until,
    }
}

fn judged(positions: &[Position], config: TopicConfig) -> Vec<Finding> {
    let reading = Group {
        id: "g".into(),
        state: Some("Stable".into()),
    };
    group(&reading, &"t".into(), config, positions)
}

#[test]
fn a_group_behind_the_log_start_is_overtaken_and_the_worst_partition_comes_first() {
    let positions = [
        at(90, 100, 200, None),
        at(10, 100, 200, None),
        at(100, 100, 100, None),
    ];
    let findings = judged(&positions, min_isr(2));
    assert_eq!(names(&findings), ["overtaken"]);
    assert_eq!(
        findings[0].found,
        "100 offsets deleted unread in 2 partitions"
    );
    assert_eq!(findings[0].positions[0].committed, 10);
    // Also of a topic that keeps everything: its records were deleted by hand.
    let kept = TopicConfig {
        deletes: false,
        ..min_isr(2)
    };
    assert_eq!(names(&judged(&positions, kept)), ["overtaken"]);
}

#[test]
fn a_commit_beyond_the_end_is_found_and_one_at_the_end_is_not() {
    let positions = [
        at(201, 100, 200, None),
        at(200, 100, 200, None),
        at(1_200, 100, 200, None),
    ];
    let findings = judged(&positions, min_isr(2));
    assert_eq!(names(&findings), ["committed_beyond_end"]);
    assert_eq!(
        findings[0].found,
        "committed up to 1000 offsets beyond the end in 2 partitions"
    );
    assert_eq!(findings[0].positions[0].committed, 1_200);
}

#[test]
fn a_group_is_close_when_unread_records_expire_or_little_of_a_trimmed_log_is_behind_it() {
    let close = |position: Position| names(&judged(&[position], min_isr(2)));
    let (soon, fine): (&[&str], &[&str]) = (["overtaken_soon"].as_slice(), [].as_slice());
    // The records up to 50 are in their last tenth.
    assert_eq!(close(at(49, 0, 100, Some(50))), soon);
    assert_eq!(close(at(50, 0, 100, Some(50))), fine);
    assert_eq!(close(at(100, 0, 100, Some(100))), fine);
    // Nothing has been deleted yet: a group that has read little is not in danger for that.
    assert_eq!(close(at(1, 0, 1000, Some(0))), fine);
    assert_eq!(close(at(1099, 1000, 2000, None)), soon);
    assert_eq!(close(at(1100, 1000, 2000, None)), fine);
    // All is read.
    assert_eq!(close(at(1000, 1000, 1000, Some(1000))), fine);
    // A compacted topic deletes nothing for its age.
    let compacted = TopicConfig {
        deletes: false,
        ..min_isr(2)
    };
    let findings = judged(&[at(1000, 1000, 2000, Some(1500))], compacted);
    assert_eq!(names(&findings), [""; 0]);
}

#[test]
fn numbers_that_no_broker_should_tell_do_no_harm() {
    for (committed, start, end) in [
        (i64::MIN, i64::MAX, i64::MIN),
        (i64::MAX, i64::MIN, i64::MAX),
        (0, i64::MAX, 0),
    ] {
        let position = at(committed, start, end, Some(i64::MIN));
        judged(&[position, position], min_isr(2));
        assert!(position.overtaken() >= 0 && position.unread() >= 0 && position.beyond() >= 0);
        assert!(
            position
                .headroom()
                .is_none_or(|share| (0.0..=1.0).contains(&share))
        );
    }
}
