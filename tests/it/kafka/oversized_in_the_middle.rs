//! One oversized batch amid five in flight: what each client is told about each record, and what is stored, is the same
//! through Holdfast, which refuses the batch, as direct, where the broker does.

use super::ways::{Said, Way, assert_each_once, same};
use crate::support::clients::{franz, java};
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, Spec, Version, shared_cluster, unique};
use crate::support::rdk::{self, IdProducer, Settings};
use std::collections::BTreeSet;
use std::time::Duration;

const LIMIT: &[(&str, &str)] = &[("max.message.bytes", "100000")];
/// Beyond any id of the clients under test.
const WARM_UP: u64 = 1_000_000;

impl Way<'_> {
    /// A topic with a limit that Holdfast has learned: it does so when it first sees the topic, and until then forwards.
    fn known_topic(&self, name: &str) -> String {
        let topic = self.topic(name, 1, LIMIT);
        self.make_known(&topic);
        topic
    }

    /// The same with two partitions that have one leader, so that one request can carry batches of both.
    fn known_topic_of_two(&self, name: &str) -> String {
        let topic = unique(&format!("{name}-{}", self.name));
        let replicas: &[i32] = &[1, 2, 3];
        self.cluster
            .create_topic_on(&topic, &[replicas, replicas], LIMIT);
        self.make_known(&topic);
        topic
    }

    fn make_known(&self, topic: &str) {
        let told = rdk::produce_ids(
            &self.bootstrap,
            topic,
            WARM_UP..WARM_UP + 1,
            10,
            &Settings::acks("all"),
        );
        assert_eq!(told.ok.len(), 1, "{told:?}");
        std::thread::sleep(Duration::from_millis(1_500));
    }

    /// Ids of what the client under test has stored, each once.
    fn stored_ids(&self, topic: &str) -> BTreeSet<u64> {
        let stored = self.stored(topic);
        assert_each_once(&stored);
        let mut ids = rdk::ids(&stored);
        assert!(ids.remove(&WARM_UP), "{ids:?}");
        ids
    }
}

fn refused(holdfast: &Holdfast) -> f64 {
    let labels = [("scenario", "oversized_batch"), ("mode", "enforce")];
    holdfast
        .metrics()
        .value("holdfast_rejections_total", &labels)
}

/// Runs it both ways; that the batch was Holdfast's to refuse shows in its metrics. What was said, and what is stored.
#[track_caller]
fn check(
    cluster: &Cluster,
    what: &str,
    experiment: impl Fn(&Way<'_>, &str) -> Said,
) -> (Said, BTreeSet<u64>) {
    check_on(
        cluster,
        what,
        |way| way.known_topic("oversized"),
        experiment,
    )
}

#[track_caller]
fn check_on(
    cluster: &Cluster,
    what: &str,
    topic: impl Fn(&Way<'_>) -> String,
    experiment: impl Fn(&Way<'_>, &str) -> Said,
) -> (Said, BTreeSet<u64>) {
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let result = same(cluster, &holdfast, what, |way| {
        let topic = topic(way);
        let mut said = experiment(way, &topic);
        // Names and offsets of a run's own topic are not its outcome.
        if let Some(last) = said.last.as_object_mut() {
            last.remove("message");
        }
        (said, way.stored_ids(&topic))
    });
    assert!(refused(&holdfast) > 0.0, "{what}: {}", holdfast.log());
    result
}

fn java_oversized(version: Version, way: &Way<'_>, topic: &str, more: &[&str]) -> Said {
    let args = ["--bootstrap-server", &way.bootstrap, "--topic", topic];
    Said::by(&java(
        version,
        "OversizedInTheMiddle",
        &[&args[..], more].concat(),
    ))
}

#[test]
fn a_java_idempotent_producer_loses_only_the_oversized_record_either_way() {
    let cluster = shared_cluster();
    let (said, stored) = check(&cluster, "Java idempotent", |way, topic| {
        java_oversized(Version::V4_3_1, way, topic, &[])
    });
    assert_eq!(said.ok(), (0..21).filter(|id| *id != 10).collect());
    assert_eq!(stored, said.ok());
}

#[track_caller]
fn check_java_transaction(version: Version) {
    let cluster = shared_cluster();
    let (said, stored) = check(&cluster, "Java transaction", |way, topic| {
        let id = unique("oversized");
        let mut said = java_oversized(version, way, topic, &["--transactional-id", &id]);
        // How many of the later records were on their way when the refusal came is chance, whoever refused.
        said.records.retain(|(id, _)| *id <= 10);
        said.last = said.last["transaction"].take();
        said
    });
    assert_eq!(said.ok(), (0..10).collect());
    assert_eq!(said.last, "RecordTooLargeException, aborted");
    assert_eq!(stored, BTreeSet::new());
}

#[test]
fn a_java_transaction_of_version_2_ends_the_same_either_way() {
    check_java_transaction(Version::V4_3_1);
}

/// A client of 3.9 knows no other.
#[test]
fn a_java_transaction_of_version_1_ends_the_same_either_way() {
    check_java_transaction(Version::V3_9_2);
}

/// A batch of forty records that is too large, beside a batch of one in the same request: Java splits the first when it is
/// told that it is too large, and would give up the second if it were told so of that one, too.
#[track_caller]
fn check_java_beside(cluster: &Cluster, what: &str, more: &[&str]) {
    let (said, stored) = check_on(
        cluster,
        what,
        |way| way.known_topic_of_two("beside"),
        |way, topic| {
            let args = ["--bootstrap-server", &way.bootstrap, "--topic", topic];
            let id = unique("beside");
            let mut args = [&args[..], more].concat();
            if let Some(name) = args.iter_mut().find(|arg| **arg == "ID") {
                *name = &id;
            }
            Said::by(&java(Version::V4_3_1, "OversizedBeside", &args))
        },
    );
    assert_eq!(said.ok(), (0..41).collect(), "{what}");
    assert_eq!(stored, said.ok(), "{what}");
    let transaction = if more.contains(&"ID") {
        "committed"
    } else {
        "none"
    };
    assert_eq!(said.last["transaction"], transaction, "{what}");
}

#[test]
fn a_java_batch_beside_the_oversized_one_is_stored_and_the_oversized_one_is_split_either_way() {
    let cluster = shared_cluster();
    check_java_beside(&cluster, "plain", &["--idempotent", "false"]);
    check_java_beside(&cluster, "idempotent", &[]);
    check_java_beside(&cluster, "TV2", &["--transactional-id", "ID"]);
}

/// The newest client on a cluster whose `transaction.version` is 1.
#[test]
fn a_java_transaction_of_version_1_is_committed_with_the_parts_of_the_oversized_batch_either_way() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    let bootstrap = cluster.bootstrap();
    let features = "org.apache.kafka.tools.FeatureCommand";
    let lower = ["downgrade", "--feature", "transaction.version=1"];
    let args = [&["--bootstrap-server", &bootstrap], &lower[..]].concat();
    cluster.tool(features, &args).ok();
    let args = ["--bootstrap-server", &bootstrap, "describe"];
    let described = cluster.tool(features, &args);
    let line = described
        .ok()
        .lines()
        .find(|line| line.contains("transaction.version"))
        .map(str::to_owned);
    assert!(
        line.as_ref()
            .is_some_and(|line| line.contains("FinalizedVersionLevel: 1")),
        "{line:?}"
    );
    check_java_beside(&cluster, "TV1", &["--transactional-id", "ID"]);
}

#[test]
fn a_librdkafka_idempotent_producer_is_told_the_same_of_each_record_either_way() {
    let cluster = shared_cluster();
    let (said, stored) = check(&cluster, "librdkafka idempotent", |way, topic| {
        let settings = Settings::idempotent()
            .set("batch.num.messages", "1")
            .set("linger.ms", "0")
            .set("message.max.bytes", "10000000")
            .set("max.in.flight", "5");
        let producer = IdProducer::new(&way.bootstrap, topic, &settings);
        for id in 0..21 {
            let bytes = if id == 10 { 200_000 } else { 1_000 };
            producer.send(id, bytes, Some(0));
        }
        let told = producer.finish(Duration::from_secs(60));
        assert!(told.unreported.is_empty(), "{told:?}");
        let failed = told
            .failed
            .iter()
            .map(|(id, code)| (*id, Some(format!("{code:?}"))));
        let mut records: Vec<_> = failed.chain(told.ok.keys().map(|id| (*id, None))).collect();
        records.sort_unstable();
        Said {
            records,
            last: serde_json::Value::Null,
        }
    });
    assert_eq!(said.ok(), (0..21).filter(|id| *id != 10).collect());
    assert_eq!(stored, said.ok());
}

#[test]
fn a_franz_go_idempotent_producer_is_told_the_same_of_each_record_either_way() {
    let cluster = shared_cluster();
    let (said, stored) = check(&cluster, "franz-go idempotent", |way, topic| {
        let args = ["--bootstrap-server", &way.bootstrap, "--topic", topic];
        Said::by(&franz(&[&["oversized"], &args[..]].concat()))
    });
    assert_eq!(said.ok(), (0..10).collect());
    assert_eq!(stored, said.ok());
}
