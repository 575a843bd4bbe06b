//! What an operator's tool does to a whole cluster: configs of brokers and groups, features, voters, a broker that is taken out.
//! With the scenarios in force first, and nothing has changed; under the default preset then, and all of it has.

use crate::support::clients::{Ran, tools};
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version};

const CONFIGS: &str = "kafka.admin.ConfigCommand";
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";

/// Tool and arguments; `{at}` stands for the bootstrap servers. What it says in force: nothing, where it is innocent.
struct Call(&'static str, Option<&'static str>);

const CALLS: [Call; 8] = [
    Call(
        "CONFIGS --bootstrap-server {at} --entity-type brokers --entity-name 2 --alter --add-config message.max.bytes=1000",
        Some("weakening_config: found message.max.bytes=1000, allowed: at least 1048588"),
    ),
    Call(
        "CONFIGS --bootstrap-server {at} --entity-type brokers --entity-default --alter --add-config log.retention.ms=1000",
        Some("weakening_config: found log.retention.ms=1000, allowed: at least 86400000"),
    ),
    Call(
        "CONFIGS --bootstrap-server {at} --entity-type brokers --entity-name 2 --alter --add-config num.io.threads=3",
        None,
    ),
    Call(
        "CONFIGS --bootstrap-server {at} --entity-type groups --entity-name workers --alter --add-config share.auto.offset.reset=latest",
        Some(
            "weakening_config: found share.auto.offset.reset=latest, allowed: anything but latest",
        ),
    ),
    Call(
        "CONFIGS --bootstrap-server {at} --entity-type groups --entity-name workers --alter --add-config consumer.session.timeout.ms=50000",
        None,
    ),
    Call(
        "FEATURES --bootstrap-server {at} downgrade --unsafe --feature group.version=0",
        Some("cluster_downgrade: found an unsafe downgrade of group.version"),
    ),
    Call(
        "QUORUM --bootstrap-server {at} remove-controller --controller-id 3 --controller-directory-id holdfastDirectoryNod3A",
        Some("cluster_downgrade: found"),
    ),
    Call(
        "CLUSTER unregister --bootstrap-server {at} --id 3",
        Some("cluster_downgrade: found"),
    ),
];

/// What is looked at afterwards, and a word that says that it was changed.
const LOOKS: [(&str, &str); 6] = [
    (
        "CONFIGS --bootstrap-server {at} --entity-type brokers --entity-name 2 --describe",
        "message.max.bytes=1000 ",
    ),
    (
        "CONFIGS --bootstrap-server {at} --entity-type brokers --entity-name 2 --describe",
        "num.io.threads=3 ",
    ),
    (
        "CONFIGS --bootstrap-server {at} --entity-type brokers --entity-default --describe",
        "log.retention.ms=1000 ",
    ),
    (
        "CONFIGS --bootstrap-server {at} --entity-type groups --entity-name workers --describe",
        "share.auto.offset.reset=latest ",
    ),
    (
        "CONFIGS --bootstrap-server {at} --entity-type groups --entity-name workers --describe",
        "consumer.session.timeout.ms=50000 ",
    ),
    (
        "FEATURES --bootstrap-server {at} describe",
        "Feature: group.version SupportedMinVersion: 0 SupportedMaxVersion: 1 FinalizedVersionLevel: 0 ",
    ),
];
const ENDPOINTS: &str = "CLUSTER list-endpoints --bootstrap-server {at} --include-fenced-brokers";

fn run(lines: &[&str], bootstrap: &str) -> Vec<Ran> {
    let call = |line: &&str| {
        let words = line.split(' ').map(|word| match word {
            "CONFIGS" => CONFIGS,
            "FEATURES" => FEATURES,
            "QUORUM" => QUORUM,
            "CLUSTER" => CLUSTER,
            "{at}" => bootstrap,
            word => word,
        });
        words.map(str::to_owned).collect()
    };
    let calls: Vec<Vec<String>> = lines.iter().map(call).collect();
    tools(Version::V4_3_1, &calls)
}

/// Which of the looks show a change, and whether the broker that was stopped is known.
fn looks(cluster: &Cluster) -> (Vec<bool>, bool) {
    let mut lines: Vec<&str> = LOOKS.iter().map(|(line, _)| *line).collect();
    lines.push(ENDPOINTS);
    let ran = run(&lines, &cluster.living_bootstrap());
    for ran in &ran {
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = ran.iter().zip(&LOOKS);
    let shown = shown
        .map(|(ran, (_, word))| squeezed(&ran.wrote).contains(word))
        .collect();
    let id = |line: &str| line.split_whitespace().next() == Some("3");
    let known = ran.last().is_some_and(|ran| ran.wrote.lines().any(id));
    (shown, known)
}

fn refused(holdfast: &Holdfast, mode: &str) -> [f64; 4] {
    let metrics = holdfast.metrics();
    [
        ("weakening_config", "IncrementalAlterConfigs"),
        ("cluster_downgrade", "UpdateFeatures"),
        ("cluster_downgrade", "RemoveRaftVoter"),
        ("cluster_downgrade", "UnregisterBroker"),
    ]
    .map(|(scenario, api_key)| {
        let labels = [("scenario", scenario), ("api_key", api_key), ("mode", mode)];
        metrics.value_or_zero("holdfast_rejections_total", &labels)
    })
}

#[test]
fn brokers_groups_features_and_voters_are_left_alone_in_force_and_changed_and_counted_by_default() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    cluster.broker(3).stop();
    let brokers = cluster.living_bootstrap();
    let enforcing = Holdfast::start_with(Options::new(&brokers).preset("strict"));
    let observing = Holdfast::start(&brokers);
    let lines: Vec<&str> = CALLS.iter().map(|call| call.0).collect();

    let in_force = run(&lines, &enforcing.bootstrap());
    for (Call(line, expected), ran) in CALLS.iter().zip(&in_force) {
        match expected {
            Some(text) => assert!(ran.wrote.contains(text), "{line}: {ran:?}"),
            None => assert_eq!(ran.status, 0, "{line}: {ran:?}"),
        }
    }
    let (shown, known) = looks(&cluster);
    assert_eq!(shown, [false, true, false, false, true, false]);
    assert!(known, "the broker that was stopped");
    assert_eq!(refused(&enforcing, "enforce"), [3.0, 1.0, 1.0, 1.0]);

    let by_default = run(&lines, &observing.bootstrap());
    for (Call(line, _), ran) in CALLS.iter().zip(&by_default) {
        // A quorum whose voters stand in the brokers' files keeps them.
        let by_the_broker = line.starts_with("QUORUM") && !ran.wrote.contains("cluster_downgrade");
        assert!(ran.status == 0 || by_the_broker, "{line}: {ran:?}");
    }
    let (shown, known) = looks(&cluster);
    assert_eq!(shown, [true; 6]);
    assert!(!known, "the broker that was taken out");
    assert_eq!(refused(&observing, "observe"), [3.0, 1.0, 1.0, 1.0]);
    assert_eq!(refused(&observing, "enforce"), [0.0; 4]);
}
