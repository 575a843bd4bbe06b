//! The opt-in repair of weak topics on real brokers: only what is safe to raise is raised, and clients go on writing.

use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, shared_cluster, shared_cluster_39, unique};
use crate::support::raw::{Batch, Body, Cursor, Metadata, Produce, Raw};
use std::time::Duration;

const DESCRIBE_CONFIGS: i16 = 32;
const REPAIR: &str = "[policy.weak_topic]\nrepair = \"enforce\"\n";

/// `min.insync.replicas` and `retention.ms` of a topic, by DescribeConfigs v1.
pub(super) fn configs(cluster: &Cluster, topic: &str) -> std::io::Result<Vec<Option<String>>> {
    let mut body = Body::new();
    body.i32(1).i8(2).string(topic).i32(2);
    body.string("min.insync.replicas").string("retention.ms");
    body.i8(0);
    let answer = cluster.connect().call(DESCRIBE_CONFIGS, 1, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    cursor.i32()?;
    let mut found = vec![None, None];
    cursor.array(false, |c| {
        assert_eq!(
            (c.i16()?, c.string(false)?.unwrap_or_default()),
            (0, String::new())
        );
        c.take(1)?;
        c.string(false)?;
        c.array(false, |c| {
            let (name, value) = (c.string(false)?.unwrap_or_default(), c.string(false)?);
            found[usize::from(name != "min.insync.replicas")] = value;
            c.take(3)?;
            c.array(false, |c| {
                c.string(false)?;
                c.string(false)?;
                c.take(1).map(drop)
            })
            .map(drop)
        })
        .map(drop)
    })?;
    Ok(found)
}

fn raises(cluster: &Cluster) {
    let [weak, small, known] = ["weak", "small", "known"].map(unique);
    let lax = [("min.insync.replicas", "1"), ("retention.ms", "123456789")];
    for (topic, replicas) in [(&weak, 3), (&small, 2), (&known, 3)] {
        cluster.create_topic(topic, 2, replicas, &lax);
    }
    let exempt = format!(
        "[exemptions.known]\nscenarios = [\"weak_topic\"]\ntopics = [\"{known}\"]\nowner = \"team\"\nreason = \"agreed\"\nexpires = \"2099-01-01\"\n"
    );
    let options = Options::new(&cluster.bootstrap()).config(&format!("{REPAIR}{exempt}"));
    let holdfast = Holdfast::start_with(options);
    let write = |topic: &str| {
        let leader = cluster.wait_leader(topic, 0, Duration::from_secs(30));
        let mut client = Raw::connect(&holdfast.broker_addr(leader)).unwrap();
        Metadata::ask(&mut client, Some(&[topic]), Duration::from_secs(10)).unwrap();
        let batch = Batch::of_ids(0, 10, 20).bytes();
        let answer = client
            .produce(&Produce::new(7, -1, topic, 0, batch))
            .unwrap();
        assert_eq!(answer.error_codes(), [0]);
    };
    let value = |topic: &str| configs(cluster, topic).unwrap();
    let some = |values: [&str; 2]| values.map(|value| Some(value.to_owned())).to_vec();
    for topic in [&weak, &small, &known] {
        write(topic);
    }
    eventually(
        "the weak topic is raised",
        Duration::from_secs(30),
        || match value(&weak) {
            found if found == some(["2", "123456789"]) => Ok(()),
            found => Err(format!("{found:?}")),
        },
    );
    write(&weak);
    // Long enough for the others, had they been taken for fit.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(value(&small), some(["1", "123456789"]));
    assert_eq!(value(&known), some(["1", "123456789"]));
    let metrics = holdfast.metrics();
    let count = |outcome| metrics.value("holdfast_topic_repairs_total", &[("outcome", outcome)]);
    assert_eq!(
        ["done", "refused", "unanswered"].map(count),
        [1.0, 0.0, 0.0]
    );
    let log = holdfast.log();
    assert!(log.contains("min.insync.replicas was raised"), "{log}");
}

#[test]
fn a_weak_topic_of_4_3_is_raised_and_one_without_a_replica_to_spare_is_not() {
    raises(&shared_cluster());
}

#[test]
fn a_weak_topic_of_3_9_is_raised_and_one_without_a_replica_to_spare_is_not() {
    raises(&shared_cluster_39());
}
