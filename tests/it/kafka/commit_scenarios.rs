//! Commits of real consumers at real brokers: what they hear where one is refused, and that no correct one is changed.

use crate::support::clients::java;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Version, shared_cluster, unique};
use crate::support::offsets::{Commit, OFFSET_COMMIT};
use crate::support::raw::Raw;
use crate::support::rdk;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

const RECORDS: u64 = 100;
const BEYOND: i64 = 1_000_000;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A topic of one partition with records in it.
fn topic(cluster: &Cluster) -> String {
    cluster.filled_topic("commits", 0..RECORDS)
}

fn strict(cluster: &Cluster) -> Holdfast {
    Holdfast::start_with(Options::new(&cluster.bootstrap()).preset("strict"))
}

pub(super) fn at(topic: &str, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset))
        .expect("an offset");
    list
}

/// What the group has committed, asked straight of the brokers.
pub(super) fn committed(cluster: &Cluster, group: &str, topic: &str) -> Option<i64> {
    let consumer = rdk::consumer(&cluster.bootstrap(), group, &[]);
    committed_by(&consumer, topic)
}

fn committed_by(consumer: &BaseConsumer, topic: &str) -> Option<i64> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, 0);
    let told = consumer
        .committed_offsets(asked, TIMEOUT)
        .expect("the group's offsets");
    told.elements()[0]
        .offset()
        .to_raw()
        .filter(|offset| *offset >= 0)
}

fn past_end(holdfast: &Holdfast, mode: &str) -> f64 {
    let labels = [("scenario", "commit_past_end"), ("mode", mode)];
    holdfast
        .metrics()
        .value_or_zero("holdfast_rejections_total", &labels)
}

#[test]
fn a_java_consumer_is_told_of_a_commit_past_the_end_and_reads_on() {
    let cluster = shared_cluster();
    let holdfast = strict(&cluster);
    for protocol in ["classic", "consumer"] {
        for (bootstrap, refused) in [(cluster.bootstrap(), false), (holdfast.bootstrap(), true)] {
            let (topic, group) = (topic(&cluster), unique("commits"));
            let args = ["--bootstrap-server", &bootstrap, "--topic", &topic];
            let more = ["--group", &group, "--protocol", protocol];
            let said = java(Version::V4_3_1, "CommitPastEnd", &[args, more].concat());
            said.ok();
            let said = said.json_lines().pop().expect("a line");
            let error = match refused {
                true => "InvalidCommitOffsetSizeException",
                false => "none",
            };
            assert_eq!(said["commitSync"], error, "{protocol} {said}");
            assert_eq!(said["commitAsync"], error, "{protocol} {said}");
            assert_eq!(said["good"], "none", "{protocol} {said}");
            assert_eq!(said["committed"], RECORDS, "{protocol} {said}");
            assert_eq!(said["closed"], "none", "{protocol} {said}");
            let left = if refused { RECORDS as i64 } else { BEYOND };
            assert_eq!(
                committed(&cluster, &group, &topic),
                Some(left),
                "{protocol}"
            );
        }
    }
    assert!(past_end(&holdfast, "enforce") >= 6.0);
}

#[test]
fn under_the_default_preset_librdkafka_commits_what_it_commits_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = topic(&cluster);
    for bootstrap in [cluster.bootstrap(), holdfast.bootstrap()] {
        let group = unique("commits");
        let consumer = rdk::consumer(&bootstrap, &group, &[]);
        for offset in [1, 50, RECORDS as i64, 7, BEYOND] {
            consumer
                .commit(&at(&topic, offset), CommitMode::Sync)
                .expect("committed");
            assert_eq!(committed_by(&consumer, &topic), Some(offset));
            assert_eq!(committed(&cluster, &group, &topic), Some(offset));
        }
    }
    eventually(
        "the one past the end is counted",
        TIMEOUT,
        || match past_end(&holdfast, "observe") {
            1.0 => Ok(()),
            other => Err(format!("counted {other}")),
        },
    );
    assert_eq!(past_end(&holdfast, "enforce"), 0.0);
}

#[test]
fn a_consumer_through_two_instances_has_no_correct_commit_changed() {
    let cluster = shared_cluster();
    let instances = [strict(&cluster), strict(&cluster)];
    let (topic, group) = (topic(&cluster), unique("commits"));
    let consumers = instances
        .each_ref()
        .map(|holdfast| rdk::consumer(&holdfast.bootstrap(), &group, &[]));
    for offset in (1..=RECORDS as i64).step_by(9) {
        let consumer = &consumers[usize::from(offset % 2 == 0)];
        consumer
            .commit(&at(&topic, offset), CommitMode::Sync)
            .expect("committed");
        assert_eq!(committed_by(&consumers[0], &topic), Some(offset));
        assert_eq!(committed_by(&consumers[1], &topic), Some(offset));
    }
    for holdfast in &instances {
        assert_eq!(past_end(holdfast, "enforce"), 0.0);
        let metrics = holdfast.metrics();
        for scenario in ["commit_retention", "offsets_expired", "new_partition_skip"] {
            let overridden =
                metrics.value_or_zero("holdfast_overrides_total", &[("scenario", scenario)]);
            assert_eq!(overridden, 0.0, "{scenario}");
        }
    }
}

#[test]
fn a_commit_that_asks_to_be_forgotten_early_is_overridden_once_the_brokers_told_their_retention() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let overridden = |mode| {
        let labels = [("scenario", "commit_retention"), ("mode", mode)];
        let metrics = holdfast.metrics();
        metrics.value_or_zero("holdfast_overrides_total", &labels)
    };
    let group = unique("commits");
    let commit = Commit {
        group: &group,
        generation: -1,
        member: "",
        retention_ms: 1000,
        ..Commit::new(2, &[("nothing-of-the-kind", &[(0, 1)])])
    };
    eventually("the brokers' retention is known", TIMEOUT, || {
        let mut raw = Raw::connect(&holdfast.broker_addr(1)).map_err(|error| error.to_string())?;
        raw.call(OFFSET_COMMIT, commit.version, &commit.body())
            .map_err(|error| error.to_string())?;
        match overridden("enforce") {
            0.0 => Err(format!("{} observed", overridden("observe"))),
            _ => Ok(()),
        }
    });
}

#[test]
fn a_java_producer_aborts_a_transaction_that_commits_past_the_end_and_goes_on() {
    let cluster = shared_cluster();
    let holdfast = strict(&cluster);
    let (topic, into) = (topic(&cluster), topic(&cluster));
    for version in [Version::V4_3_1, Version::V3_9_2] {
        for (bootstrap, refused) in [(cluster.bootstrap(), false), (holdfast.bootstrap(), true)] {
            let (group, id) = (unique("commits"), unique("transaction"));
            let args = ["--bootstrap-server", &bootstrap, "--topic", &topic];
            let more = [
                "--into",
                &into,
                "--group",
                &group,
                "--transactional-id",
                &id,
            ];
            let said = java(version, "TransactionPastEnd", &[&args[..], &more].concat());
            said.ok();
            let said = said.json_lines().pop().expect("a line");
            let heard = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
            let expected = match refused {
                true => "TransactionAbortableException",
                false => "none",
            };
            assert_eq!(heard("beyond"), expected, "{said}");
            assert_eq!(
                (&*heard("aborted"), &*heard("good")),
                ("none", "none"),
                "{said}"
            );
            assert_eq!(committed(&cluster, &group, &topic), Some(1));
        }
    }
    assert_eq!(past_end(&holdfast, "enforce"), 2.0);
}
