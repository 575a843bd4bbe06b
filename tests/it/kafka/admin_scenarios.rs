//! Kafka's own administration tools, straight at the brokers, under the default preset and with the scenarios in force: what
//! they print, what they leave behind, and that what is innocent of a request is carried out.

use super::ways::Way;
use crate::support::clients::{Ran, java, tools};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Version, shared_cluster, unique};
use crate::support::process::Scratch;
use crate::support::raw::{Body, METADATA, Metadata, Raw};
use crate::support::rdk::{self, Settings};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const SHARE_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";

const PROTECTED: &str = "[policy.destructive_admin]\ntopics = [\"kept-*\"]\ngroups = [\"kept-*\"]\n\
                         [policy.partition_growth]\ntopics = [\"keyed-*\"]\n";
const RECORDS: u64 = 100;
const TIMEOUT: Duration = Duration::from_secs(30);
const THIRTY_DAYS: &str = "2592000000";
/// What the admin client says of POLICY_VIOLATION where the answer has no room for a text.
const POLICY: &str = "Request parameters do not satisfy the configured policy.";

/// Topics and groups that only this way works on.
struct Names {
    kept: String,
    free: String,
    keyed: String,
    compacted: String,
    plain: String,
    config: String,
    shrunk: String,
    moved: String,
    weak: String,
    assigned: String,
    misspelt: String,
    kept_group: String,
    free_group: String,
    kept_share: String,
}

impl Names {
    fn new() -> Names {
        Names {
            kept: unique("kept"),
            free: unique("free"),
            keyed: unique("keyed"),
            compacted: unique("compacted"),
            plain: unique("plain"),
            config: unique("config"),
            shrunk: unique("shrunk"),
            moved: unique("moved"),
            weak: unique("weak"),
            assigned: unique("assigned"),
            misspelt: unique("misspelt"),
            kept_group: unique("kept"),
            free_group: unique("free"),
            kept_share: unique("kept"),
        }
    }

    fn set_up(&self, cluster: &Cluster) {
        for name in [&self.kept, &self.free, &self.keyed, &self.plain] {
            cluster.create_topic(name, 1, 3, &[]);
        }
        cluster.create_topic(&self.compacted, 1, 3, &[("cleanup.policy", "compact")]);
        let configs = [
            ("min.insync.replicas", "2"),
            ("retention.ms", THIRTY_DAYS),
            ("max.message.bytes", "2000000"),
        ];
        cluster.create_topic(&self.config, 1, 3, &configs);
        for name in [&self.shrunk, &self.moved] {
            cluster.create_topic_on(name, &[&[1, 2, 3]], &[]);
        }
        for name in [&self.kept, &self.free] {
            let settings = Settings::acks("all");
            let told = rdk::produce_ids(&cluster.bootstrap(), name, 0..RECORDS, 10, &settings);
            assert_eq!(told.ok.len() as u64, RECORDS, "{told:?}");
        }
    }

    /// A share group that has read the kept topic.
    fn share(&self, bootstrap: &str) {
        let args = ["--bootstrap-server", bootstrap, "--topic", &self.kept];
        let group = ["--group", &self.kept_share];
        java(
            Version::V4_3_1,
            "ShareGroupConsumer",
            &[&args[..], &group].concat(),
        )
        .ok();
    }

    /// As a consumer does that belongs to no generation of the group: 10 of the kept topic.
    fn commit_through_nobody(&self, bootstrap: &str) {
        for group in [&self.kept_group, &self.free_group] {
            let mut at = TopicPartitionList::new();
            at.add_partition_offset(&self.kept, 0, Offset::Offset(10))
                .expect("an offset");
            let consumer = rdk::consumer(bootstrap, group, &[]);
            consumer.commit(&at, CommitMode::Sync).expect("committed");
        }
    }
}

/// One call of a tool, and what it is expected to do.
struct Call {
    args: Vec<String>,
    expected: Expected,
}

enum Expected {
    /// It says all of this through Holdfast, and succeeds straight at the brokers.
    Refused(Vec<String>),
    /// It says this through Holdfast; straight at the brokers, whatever they think of it.
    RefusedAnyway(&'static str),
    /// It succeeds either way.
    Done,
}

fn call(tool: &str, bootstrap: &str, args: &[&str], expected: Expected) -> Call {
    let all = [tool, "--bootstrap-server", bootstrap]
        .into_iter()
        .chain(args.iter().copied());
    Call {
        args: all.map(str::to_owned).collect(),
        expected,
    }
}

fn refused(scenario: &str, found: &str) -> Expected {
    Expected::Refused(vec![format!("{scenario}: {found}")])
}

/// Files that tools read.
fn written(scratch: &Scratch, name: &str, text: String) -> String {
    let file = scratch.path().join(name);
    std::fs::write(&file, text).expect("a file in the scratch directory");
    file.display().to_string()
}

fn calls(way: &Way<'_>, names: &Names, scratch: &Scratch) -> Vec<Call> {
    let at = way.bootstrap.as_str();
    let config = |change: &[&str], expected| {
        let entity = ["--entity-type", "topics", "--entity-name", &names.config];
        call(CONFIGS, at, &[&entity[..], change].concat(), expected)
    };
    let group = |what: &[&str], expected| call(GROUPS, at, what, expected);
    let reassignment = format!(
        r#"{{"version":1,"partitions":[{{"topic":"{}","partition":0,"replicas":[1]}},{{"topic":"{}","partition":0,"replicas":[3,2,1]}}]}}"#,
        names.shrunk, names.moved
    );
    let reassignment = written(scratch, "reassignment.json", reassignment);
    let offsets = format!(
        r#"{{"version":1,"partitions":[{{"topic":"{}","partition":0,"offset":50}},{{"topic":"{}","partition":0,"offset":50}}]}}"#,
        names.kept, names.free
    );
    let offsets = written(scratch, "offsets.json", offsets);
    let growing = [&names.keyed, &names.compacted, &names.plain].map(String::as_str);
    let going = [&names.kept, &names.free].map(String::as_str);
    let kept = format!("{}:0", names.kept);
    let reset = |to: &'static str, expected| {
        let what = ["--reset-offsets", "--execute", "--to-offset", to];
        let of = ["--group", &names.kept_group, "--topic", &kept];
        group(&[&what[..], &of].concat(), expected)
    };
    let share = |what: &[&str]| {
        let args = [what, &["--group", &names.kept_share]].concat();
        call(
            SHARE_GROUPS,
            at,
            &args,
            refused("destructive_admin", "found"),
        )
    };
    let policy = || Expected::Refused(vec![POLICY.to_owned()]);
    let partly = |innocent: String| Expected::Refused(vec![POLICY.to_owned(), innocent]);
    vec![
        call(
            TOPICS,
            at,
            &[
                "--alter",
                "--partitions",
                "2",
                "--topic",
                &growing.join(","),
            ],
            refused("partition_growth", "found 2 partitions for"),
        ),
        config(
            &["--alter", "--add-config", "min.insync.replicas=1"],
            refused(
                "weakening_config",
                "found min.insync.replicas=1, allowed: at least 2, as today",
            ),
        ),
        config(
            &["--alter", "--add-config", "retention.ms=172800000"],
            refused(
                "weakening_config",
                "found retention.ms=172800000, allowed: at least 2592000000, as today",
            ),
        ),
        config(
            &["--alter", "--delete-config", "max.message.bytes"],
            refused(
                "weakening_config",
                "found max.message.bytes=its removal (then 1048588), allowed: at least 2000000, as today",
            ),
        ),
        config(
            &[
                "--alter",
                "--add-config",
                "message.timestamp.type=LogAppendTime,segment.bytes=20000000",
            ],
            Expected::Done,
        ),
        config(&["--describe"], Expected::Done),
        call(
            REASSIGN,
            at,
            &["--execute", "--reassignment-json-file", &reassignment],
            refused("replica_reduction", "found 1 replicas, allowed: at least 3"),
        ),
        call(
            ELECTION,
            at,
            &[
                "--election-type",
                "unclean",
                "--topic",
                &names.moved,
                "--partition",
                "0",
            ],
            refused("unclean_election", "election type 1 (UNCLEAN)"),
        ),
        call(
            FEATURES,
            at,
            &[
                "downgrade",
                "--unsafe",
                "--feature",
                "group.version=0",
                "--dry-run",
            ],
            refused(
                "cluster_downgrade",
                "found an unsafe downgrade of group.version",
            ),
        ),
        Call {
            // It takes the address behind its subcommand.
            args: [
                CLUSTER,
                "unregister",
                "--bootstrap-server",
                at,
                "--id",
                "99",
            ]
            .map(str::to_owned)
            .to_vec(),
            expected: Expected::RefusedAnyway("cluster_downgrade: found"),
        },
        call(
            DELETE_RECORDS,
            at,
            &["--offset-json-file", &offsets],
            partly(format!("partition: {}-0\tlow_watermark: 50", names.free)),
        ),
        reset(
            "90",
            Expected::Refused(vec![format!(
                "PolicyViolationException: Failed altering group offsets for the following partitions: [{}-0]",
                names.kept
            )]),
        ),
        reset("5", Expected::Done),
        share(&[
            "--reset-offsets",
            "--to-earliest",
            "--execute",
            "--topic",
            &names.kept,
        ]),
        share(&["--delete-offsets", "--topic", &names.kept]),
        call(
            SHARE_GROUPS,
            at,
            &["--delete", "--group", &names.kept_share],
            policy(),
        ),
        group(
            &[
                "--delete-offsets",
                "--group",
                &names.kept_group,
                "--topic",
                &names.kept,
            ],
            policy(),
        ),
        group(
            &[
                "--delete",
                "--group",
                &names.kept_group,
                "--group",
                &names.free_group,
            ],
            partly(format!("deleted successfully: '{}'", names.free_group)),
        ),
        call(
            TOPICS,
            at,
            &["--delete", "--topic", &going.join(",")],
            refused(
                "destructive_admin",
                &format!("found {} is protected", names.kept),
            ),
        ),
        call(
            TOPICS,
            at,
            &[
                "--create",
                "--topic",
                &names.weak,
                "--partitions",
                "1",
                "--replication-factor",
                "1",
            ],
            Expected::Done,
        ),
        call(
            TOPICS,
            at,
            &[
                "--create",
                "--topic",
                &names.assigned,
                "--replica-assignment",
                "1:2",
            ],
            refused(
                "weak_topic_creation",
                "2 replicas assigned, allowed: at least 3",
            ),
        ),
        call(
            CONSOLE_PRODUCER,
            at,
            &[
                "--sync",
                "--topic",
                &names.misspelt,
                "--command-property",
                "max.block.ms=3000",
            ],
            Expected::Refused(vec![format!(
                "Topic {} not present in metadata",
                names.misspelt
            )]),
        ),
    ]
}

fn run(way: &Way<'_>, names: &Names) -> (Vec<Call>, Vec<Ran>) {
    let scratch = Scratch::new("admin");
    let calls = calls(way, names, &scratch);
    let args: Vec<Vec<String>> = calls.iter().map(|call| call.args.clone()).collect();
    let ran = tools(Version::V4_3_1, &args);
    (calls, ran)
}

/// What was not as expected.
fn complaints(through: bool, calls: &[Call], ran: &[Ran]) -> Vec<String> {
    let complaint = |(call, ran): (&Call, &Ran)| {
        let as_expected = match (&call.expected, through) {
            (Expected::Refused(texts), true) => texts.iter().all(|text| ran.wrote.contains(text)),
            (Expected::RefusedAnyway(text), true) => ran.wrote.contains(text),
            (Expected::RefusedAnyway(_), false) => true,
            (Expected::Refused(_), false) | (Expected::Done, _) => {
                ran.status == 0 && !ran.wrote.contains("rror")
            }
        };
        (!as_expected).then(|| format!("{:?}\n{}: {}", call.args, ran.status, ran.wrote))
    };
    calls.iter().zip(ran).filter_map(complaint).collect()
}

/// What is there afterwards.
#[derive(Debug, PartialEq)]
struct Left {
    /// Of the keyed, the compacted and the plain topic.
    partitions: [usize; 3],
    shrunk_replicas: usize,
    first_replica_of_moved: Option<i32>,
    kept_begins: Option<i64>,
    kept_committed: Option<i64>,
    free_committed: Option<i64>,
    kept_is_there: bool,
    free_is_there: bool,
    weak_replicas: usize,
    assigned_is_there: bool,
    misspelt_is_there: bool,
}

impl Left {
    fn by(cluster: &Cluster, names: &Names) -> Left {
        let partitions = |topic: &String| {
            let metadata = cluster.metadata(Some(&[topic]));
            metadata
                .topic(topic)
                .map_or(0, |topic| topic.partitions.len())
        };
        let replicas = |topic: &String| {
            let metadata = cluster.metadata(Some(&[topic]));
            let partition = metadata.partition(topic, 0);
            partition
                .map(|one| one.replica_nodes.clone())
                .unwrap_or_default()
        };
        let committed = |group: &String| {
            let consumer = rdk::consumer(&cluster.bootstrap(), group, &[]);
            let mut asked = TopicPartitionList::new();
            asked.add_partition(&names.kept, 0);
            let told = consumer.committed_offsets(asked, TIMEOUT).ok()?;
            told.elements()[0]
                .offset()
                .to_raw()
                .filter(|offset| *offset >= 0)
        };
        let looking = rdk::consumer(&cluster.bootstrap(), &unique("looking"), &[]);
        let kept = looking.fetch_watermarks(&names.kept, 0, TIMEOUT);
        Left {
            partitions: [&names.keyed, &names.compacted, &names.plain].map(partitions),
            shrunk_replicas: replicas(&names.shrunk).len(),
            first_replica_of_moved: replicas(&names.moved).first().copied(),
            kept_begins: kept.ok().map(|(begins, _)| begins),
            kept_committed: committed(&names.kept_group),
            free_committed: committed(&names.free_group),
            kept_is_there: partitions(&names.kept) > 0,
            free_is_there: partitions(&names.free) > 0,
            weak_replicas: replicas(&names.weak).len(),
            assigned_is_there: partitions(&names.assigned) > 0,
            misspelt_is_there: partitions(&names.misspelt) > 0,
        }
    }
}

#[test]
fn kafkas_admin_tools_are_told_what_is_refused_and_only_that_does_not_happen_and_by_default_all_of_it_does()
 {
    let cluster = shared_cluster();
    let options = Options::new(&cluster.bootstrap());
    let enforcing = Holdfast::start_with(options.clone().preset("strict").config(PROTECTED));
    let observing = Holdfast::start_with(options.config(PROTECTED));
    let [direct, through] = Way::both(&cluster, &enforcing);
    let observed = Way {
        cluster: &cluster,
        name: "observed",
        bootstrap: observing.bootstrap(),
    };
    let ways = [&direct, &observed, &through];
    let names = [Names::new(), Names::new(), Names::new()];
    let gateways = [None, Some(&observing), Some(&enforcing)];
    std::thread::scope(|scope| {
        for ((names, way), gateway) in names.iter().zip(ways).zip(gateways) {
            scope.spawn(move || {
                names.set_up(way.cluster);
                names.share(&way.bootstrap);
                commit(names, way, gateway);
            });
        }
    });
    let done = std::thread::scope(|scope| {
        let ways = names.iter().zip(ways);
        let runs = ways.map(|(names, way)| scope.spawn(|| run(way, names)));
        let runs: Vec<_> = runs.collect();
        runs.into_iter()
            .map(|run| run.join().expect("the tools"))
            .collect::<Vec<_>>()
    });
    let mut wrong = Vec::new();
    for (way, (calls, ran)) in ways.iter().zip(&done) {
        wrong.extend(complaints(way.name == "through", calls, ran));
    }
    wrong.extend(differences(&names, [&done[0].1, &done[1].1]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(Left::by(&cluster, &names[0]), ALL_DONE);
    assert_eq!(Left::by(&cluster, &names[1]), ALL_DONE);
    assert_eq!(Left::by(&cluster, &names[2]), ONLY_THE_INNOCENT);
    check_counts(&enforcing);
    check_observed(&observing);
}

/// Until the gateway knows what was committed.
fn commit(names: &Names, way: &Way<'_>, gateway: Option<&Holdfast>) {
    let Some(gateway) = gateway else {
        return names.commit_through_nobody(&way.bootstrap);
    };
    eventually("the gateway knows what was committed", TIMEOUT, || {
        let before = unverified(gateway);
        names.commit_through_nobody(&way.bootstrap);
        match unverified(gateway) == before {
            true => Ok(()),
            false => Err("its topics are not known yet".to_owned()),
        }
    });
}

/// What a tool printed, with this way's own names replaced by words, in any order of lines.
fn printed(names: &Names, ran: &Ran) -> Vec<String> {
    let words = [
        (&names.kept_group, "KEPT-GROUP"),
        (&names.free_group, "FREE-GROUP"),
        (&names.kept_share, "KEPT-SHARE"),
        (&names.kept, "KEPT"),
        (&names.free, "FREE"),
        (&names.keyed, "KEYED"),
        (&names.compacted, "COMPACTED"),
        (&names.plain, "PLAIN"),
        (&names.config, "CONFIG"),
        (&names.shrunk, "SHRUNK"),
        (&names.moved, "MOVED"),
        (&names.weak, "WEAK"),
        (&names.assigned, "ASSIGNED"),
        (&names.misspelt, "MISSPELT"),
    ];
    let in_words = words.iter().fold(ran.wrote.clone(), |text, (name, word)| {
        text.replace(name.as_str(), word)
    });
    // Columns are as wide as the names in them, lists of groups are in no order, and lines of a log begin with the time.
    let in_order = |line: &str| {
        let level = [" WARN ", " ERROR "]
            .iter()
            .find_map(|level| line.find(level));
        let line = &line[level.unwrap_or_default()..];
        let words = line.split_whitespace();
        let mut words: Vec<&str> = words
            .map(|word| word.trim_matches(['(', ')', ',']))
            .collect();
        words.sort_unstable();
        words.join(" ")
    };
    // How often a client asks until a topic is created is its own affair.
    let lines = in_words
        .lines()
        .filter(|line| !line.contains(" WARN NetworkClient "));
    let mut lines: Vec<String> = lines.map(in_order).collect();
    lines.sort_unstable();
    lines
}

/// Where tools say something else under the default preset than straight at the brokers.
fn differences(names: &[Names; 3], [direct, observed]: [&[Ran]; 2]) -> Vec<String> {
    let both = direct.iter().zip(observed);
    let different = both.filter_map(|(direct, observed)| {
        let (one, other) = (printed(&names[0], direct), printed(&names[1], observed));
        let same = one == other && direct.status == observed.status;
        (!same).then(|| format!("direct {one:#?}, under the default preset {other:#?}"))
    });
    different.collect()
}

/// What the tools leave where nobody refuses anything.
const ALL_DONE: Left = Left {
    partitions: [2, 2, 2],
    shrunk_replicas: 1,
    first_replica_of_moved: Some(3),
    kept_begins: None,
    kept_committed: None,
    free_committed: None,
    kept_is_there: false,
    free_is_there: false,
    weak_replicas: 1,
    assigned_is_there: true,
    misspelt_is_there: true,
};

/// What they leave where the scenarios are in force.
const ONLY_THE_INNOCENT: Left = Left {
    partitions: [1, 1, 2],
    shrunk_replicas: 3,
    first_replica_of_moved: Some(3),
    kept_begins: Some(0),
    kept_committed: Some(5),
    free_committed: None,
    kept_is_there: true,
    free_is_there: false,
    weak_replicas: 3,
    assigned_is_there: false,
    misspelt_is_there: false,
};

fn check_counts(holdfast: &Holdfast) {
    let metrics = holdfast.metrics();
    for (scenario, api_key, count) in [
        ("partition_growth", "CreatePartitions", 2.0),
        ("weakening_config", "IncrementalAlterConfigs", 3.0),
        ("replica_reduction", "AlterPartitionReassignments", 1.0),
        ("unclean_election", "ElectLeaders", 1.0),
        ("cluster_downgrade", "UpdateFeatures", 1.0),
        ("cluster_downgrade", "UnregisterBroker", 1.0),
        ("destructive_admin", "DeleteRecords", 1.0),
        ("destructive_admin", "OffsetCommit", 1.0),
        ("destructive_admin", "OffsetDelete", 1.0),
        ("destructive_admin", "DeleteGroups", 2.0),
        ("destructive_admin", "AlterShareGroupOffsets", 1.0),
        ("destructive_admin", "DeleteShareGroupOffsets", 1.0),
        ("destructive_admin", "DeleteTopics", 1.0),
        ("weak_topic_creation", "CreateTopics", 1.0),
    ] {
        let labels = [
            ("scenario", scenario),
            ("api_key", api_key),
            ("mode", "enforce"),
        ];
        let counted = metrics.value_or_zero("holdfast_rejections_total", &labels);
        assert_eq!(counted, count, "{scenario} {api_key}");
    }
    let unnamed = metrics.matching(
        "holdfast_rejections_total",
        &[("error_code", "UNKNOWN_CODE")],
    );
    assert!(unnamed.is_empty(), "{unnamed:?}");
    for scenario in ["weak_topic_creation", "auto_topic_creation"] {
        let labels = [("scenario", scenario), ("mode", "enforce")];
        assert!(
            metrics.value("holdfast_overrides_total", &labels) > 0.0,
            "{scenario}"
        );
    }
    for scenario in ["weakening_config", "partition_growth", "replica_reduction"] {
        let unverified = [("scenario", scenario)];
        assert_eq!(
            metrics.value("holdfast_unverified_total", &unverified),
            0.0,
            "{scenario}"
        );
    }
}

/// The same is found, and nothing of it done.
fn check_observed(holdfast: &Holdfast) {
    let metrics = holdfast.metrics();
    let count = |family, scenario, mode| {
        let labels = [("scenario", scenario), ("mode", mode)];
        metrics.value_or_zero(family, &labels)
    };
    let (rejections, overrides) = ("holdfast_rejections_total", "holdfast_overrides_total");
    for (scenario, families) in [
        ("partition_growth", &[rejections][..]),
        ("weakening_config", &[rejections]),
        ("replica_reduction", &[rejections]),
        ("unclean_election", &[rejections]),
        ("cluster_downgrade", &[rejections]),
        ("destructive_admin", &[rejections]),
        ("weak_topic_creation", &[rejections, overrides]),
        ("auto_topic_creation", &[overrides]),
    ] {
        for family in families {
            assert!(
                count(family, scenario, "observe") > 0.0,
                "{family} {scenario}"
            );
            assert_eq!(
                count(family, scenario, "enforce"),
                0.0,
                "{family} {scenario}"
            );
        }
    }
    for api_key in [
        "DeleteRecords",
        "OffsetCommit",
        "OffsetDelete",
        "DeleteGroups",
        "DeleteTopics",
        "AlterShareGroupOffsets",
        "DeleteShareGroupOffsets",
    ] {
        let labels = [("scenario", "destructive_admin"), ("api_key", api_key)];
        assert!(
            metrics.value_or_zero(rejections, &labels) > 0.0,
            "{api_key}"
        );
    }
}

#[test]
fn what_an_old_admin_client_leaves_out_is_taken_back_by_default_and_kept_in_force() {
    let cluster = shared_cluster();
    let options = Options::new(&cluster.bootstrap());
    let enforcing = Holdfast::start_with(options.preset("strict"));
    let observing = Holdfast::start(&cluster.bootstrap());
    let retention = |topic: &str| {
        let found = super::weak_topic_repair::configs(&cluster, topic);
        found.expect("the topic's configs")[1].clone()
    };
    let alter = |bootstrap: &str| {
        let topic = unique("replaced");
        let configs = [("retention.ms", THIRTY_DAYS), ("min.insync.replicas", "2")];
        cluster.create_topic(&topic, 1, 3, &configs);
        rdk::replace_configs(bootstrap, &topic, &[("min.insync.replicas", "2")]);
        topic
    };
    for bootstrap in [cluster.bootstrap(), observing.bootstrap()] {
        let topic = alter(&bootstrap);
        eventually("retention.ms is taken back", TIMEOUT, || {
            match retention(&topic) {
                Some(found) if found == THIRTY_DAYS => Err(found),
                _ => Ok(()),
            }
        });
    }
    let topic = alter(&enforcing.bootstrap());
    assert_eq!(retention(&topic).as_deref(), Some(THIRTY_DAYS));
    for (holdfast, mode) in [(&observing, "observe"), (&enforcing, "enforce")] {
        let labels = [
            ("scenario", "weakening_config"),
            ("api_key", "AlterConfigs"),
            ("mode", mode),
        ];
        let counted = holdfast.metrics();
        let counted = counted.value_or_zero("holdfast_rejections_total", &labels);
        assert_eq!(counted, 1.0, "{mode}");
    }
}

#[test]
fn a_topic_that_an_old_client_only_asks_for_is_created_by_default_and_answered_unknown_in_force() {
    const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    /// The last version that cannot say that nothing is to be created.
    const VERSION: i16 = 3;
    let cluster = shared_cluster();
    let options = Options::new(&cluster.bootstrap());
    let enforcing = Holdfast::start_with(options.preset("strict"));
    let observing = Holdfast::start(&cluster.bootstrap());
    let ask = |address: &str, topic: &str| {
        let mut body = Body::new();
        body.i32(1).string(topic);
        let mut client = Raw::connect(address).expect("a connection");
        let answer = client.call(METADATA, VERSION, &body.0).expect("an answer");
        Metadata::parse(VERSION, &answer).expect("a Metadata answer")
    };
    let exists = |topic: &str| {
        // Asked for with all others, it is not created.
        let all = cluster.metadata(None);
        all.topic(topic).is_some()
    };
    for address in [cluster.broker(1).addr(), observing.broker_addr(1)] {
        let topic = unique("asked");
        ask(&address, &topic);
        eventually("it is created", TIMEOUT, || match exists(&topic) {
            true => Ok(()),
            false => Err("not yet".to_owned()),
        });
    }
    let topic = unique("asked");
    let answer = ask(&enforcing.broker_addr(1), &topic);
    let told = answer.topic(&topic).expect("the topic");
    assert_eq!(told.error_code, UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(answer.brokers.len(), 3);
    // As long as it took the others, and more.
    std::thread::sleep(Duration::from_secs(1));
    assert!(!exists(&topic));
}

fn unverified(holdfast: &Holdfast) -> f64 {
    let labels = [("scenario", "destructive_admin")];
    holdfast
        .metrics()
        .value("holdfast_unverified_total", &labels)
}
