//! Brokers that forget committed offsets, on a cluster that does so after a minute: commits that ask for less of it, and a group
//! that was away for longer.

use super::commit_scenarios::{at, committed};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version, unique};
use crate::support::offsets::{Commit, OFFSET_COMMIT};
use crate::support::raw::{Body, Cursor, Raw};
use crate::support::rdk;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

const RECORDS: u64 = 100;
const READ: i64 = 60;
const PATIENCE: Duration = Duration::from_secs(30);
/// A minute, a check every second, and a busy machine.
const RETENTION: Duration = Duration::from_secs(150);
const REPAIRED: &str = "[policy.offsets_expired]\nmode = \"enforce\"\nrepair = true\n";

/// The node that coordinates `group` (FindCoordinator v0).
pub(super) fn coordinator(cluster: &Cluster, group: &str) -> i32 {
    const FIND_COORDINATOR: i16 = 10;
    let mut found = -1;
    eventually("a coordinator", PATIENCE, || {
        let mut body = Body::new();
        body.string(group);
        let answer = cluster.connect().call(FIND_COORDINATOR, 0, &body.0);
        let answer = answer.map_err(|error| error.to_string())?;
        let mut cursor = Cursor::new(&answer);
        let read = cursor.i16().and_then(|code| Ok((code, cursor.i32()?)));
        match read.map_err(|error| error.to_string())? {
            (0, node) => {
                found = node;
                Ok(())
            }
            (code, _) => Err(format!("error {code}")),
        }
    });
    found
}

/// OffsetCommit v2 that asks to be forgotten after a second.
fn commit_for_a_second(address: &str, topic: &str, group: &str) -> std::io::Result<()> {
    let offsets = [(0, READ)];
    let topics = [(topic, &offsets[..])];
    let commit = Commit {
        group,
        generation: -1,
        member: "",
        retention_ms: 1000,
        ..Commit::new(2, &topics)
    };
    let mut raw = Raw::connect(address)?;
    let answer = raw.call(OFFSET_COMMIT, commit.version, &commit.body())?;
    match answer[answer.len() - 2..] {
        [0, 0] => Ok(()),
        ref code => Err(std::io::Error::other(format!("error code {code:?}"))),
    }
}

fn overridden(holdfast: &Holdfast, scenario: &str) -> f64 {
    let labels = [("scenario", scenario), ("mode", "enforce")];
    let metrics = holdfast.metrics();
    metrics.value_or_zero("holdfast_overrides_total", &labels)
}

/// The ids that the group goes on with, which starts at the end where it has no place.
fn goes_on_with(bootstrap: &str, topic: &str, group: &str) -> Vec<u64> {
    let settings = [
        ("auto.offset.reset", "latest"),
        ("enable.partition.eof", "true"),
    ];
    let consumer = rdk::consumer(bootstrap, group, &settings);
    let mut stored = TopicPartitionList::new();
    stored
        .add_partition_offset(topic, 0, Offset::Stored)
        .expect("an offset");
    consumer.assign(&stored).expect("an assignment");
    let read = rdk::read_to_the_end(&consumer, topic, &[0]);
    rdk::ids(&read).into_iter().collect()
}

#[test]
fn commits_that_brokers_forget_too_early_are_kept_and_those_that_they_forgot_are_given_back() {
    let cluster = Cluster::start(
        Spec::new(Version::V4_3_1)
            .property("offsets.retention.minutes", "1")
            .property("offsets.retention.check.interval.ms", "1000"),
    );
    let repairing = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(REPAIRED));
    let topic = cluster.filled_topic("expiry", 0..RECORDS);

    let groups = ["direct", "through"].map(unique);
    let ways = [cluster.bootstrap(), repairing.bootstrap()];
    for (group, bootstrap) in groups.iter().zip(&ways) {
        let consumer = rdk::consumer(bootstrap, group, &[]);
        // Once more where the topic was not known yet: what is not known is not remembered.
        for _ in 0..2 {
            consumer
                .commit(&at(&topic, READ), CommitMode::Sync)
                .expect("committed");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    // commit_retention, while that minute passes.
    let [short, kept, known] = ["short", "kept", "known"].map(unique);
    let commit = |group: &str, address: &dyn Fn(i32) -> String| {
        eventually("a commit", PATIENCE, || {
            let address = address(coordinator(&cluster, group));
            commit_for_a_second(&address, &topic, group).map_err(|error| error.to_string())
        });
    };
    let through = |node| repairing.broker_addr(node);
    eventually("the brokers' retention is known", PATIENCE, || {
        commit(&known, &through);
        match overridden(&repairing, "commit_retention") {
            0.0 => Err("no override".to_owned()),
            _ => Ok(()),
        }
    });
    commit(&kept, &through);
    commit(&short, &|node| cluster.broker(node).addr());
    let gone = |group: &str, within| {
        eventually(
            &format!("the brokers forget {group}"),
            within,
            || match committed(&cluster, group, &topic) {
                None => Ok(()),
                Some(offset) => Err(format!("{offset}")),
            },
        );
    };
    gone(&short, PATIENCE);
    assert_eq!(committed(&cluster, &kept, &topic), Some(READ));

    // offsets_expired.
    groups.iter().for_each(|group| gone(group, RETENTION));
    let read = [0, 1].map(|way| goes_on_with(&ways[way], &topic, &groups[way]));
    assert_eq!(read[0], [0; 0], "the control");
    assert_eq!(read[1], (READ as u64..RECORDS).collect::<Vec<_>>());
    assert!(overridden(&repairing, "offsets_expired") > 0.0);
}
