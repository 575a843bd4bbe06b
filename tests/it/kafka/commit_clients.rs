//! Live members of groups by five clients commit what they were not given, go back behind their own commit, and are held back:
//! straight at the brokers, under the default preset, and with the scenarios in force.

use crate::support::clients::{franz, java};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Version, shared_cluster, unique};
use crate::support::process::Output;
use crate::support::rdk;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const RECORDS: i64 = 100;
/// Nobody was given that much.
const AHEAD: i64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(60);
const ENFORCED: &str = "[policy]\nsingle_instance = true\n[policy.commit_ahead]\nmode = \"enforce\"\n\
                        [policy.commit_hold_back]\nmode = \"enforce\"\ngroups = [\"held-*\"]\n";

/// Reads a topic to its end as a member of a group, and commits these offsets one after another. What it was told of each,
/// where that is an error.
type Commits = fn(&Names<'_>, &[i64]) -> Vec<Option<String>>;

/// The bootstrap servers, the topic and the group.
struct Names<'a>(&'a str, &'a str, &'a str);

const CLIENTS: [(&str, Commits); 5] = [
    ("Java, classic", |names, offsets| {
        by_java("classic", names, offsets)
    }),
    ("Java, KIP-848", |names, offsets| {
        by_java("consumer", names, offsets)
    }),
    ("franz-go", by_franz),
    ("librdkafka, classic", |names, offsets| {
        by_librdkafka("classic", names, offsets)
    }),
    ("librdkafka, KIP-848", |names, offsets| {
        by_librdkafka("consumer", names, offsets)
    }),
];

fn by_java(protocol: &str, names: &Names<'_>, offsets: &[i64]) -> Vec<Option<String>> {
    let offsets = listed(offsets);
    let args = [&flags(names, &offsets)[..], &["--protocol", protocol]];
    told(&java(Version::V4_3_1, "Commits", &args.concat()))
}

fn by_franz(names: &Names<'_>, offsets: &[i64]) -> Vec<Option<String>> {
    let offsets = listed(offsets);
    told(&franz(
        &[&["commits"], &flags(names, &offsets)[..]].concat(),
    ))
}

fn listed(offsets: &[i64]) -> String {
    let offsets: Vec<String> = offsets.iter().map(i64::to_string).collect();
    offsets.join(",")
}

fn flags<'a>(Names(bootstrap, topic, group): &Names<'a>, offsets: &'a str) -> [&'a str; 8] {
    let [at, of] = [["--bootstrap-server", bootstrap], ["--topic", topic]];
    let [by, what] = [["--group", group], ["--offsets", offsets]];
    [at[0], at[1], of[0], of[1], by[0], by[1], what[0], what[1]]
}

fn told(output: &Output) -> Vec<Option<String>> {
    output.ok();
    let lines = output.json_lines();
    assert_eq!(
        lines.last().map(|line| &line["done"]),
        Some(&true.into()),
        "{output:?}"
    );
    let commits = lines.iter().filter(|line| line["commit"].is_i64());
    commits
        .map(|line| line["error"].as_str().map(str::to_owned))
        .collect()
}

fn by_librdkafka(
    protocol: &str,
    Names(bootstrap, topic, group): &Names<'_>,
    offsets: &[i64],
) -> Vec<Option<String>> {
    let consumer = rdk::consumer(bootstrap, group, &[("group.protocol", protocol)]);
    consumer.subscribe(&[topic]).expect("a subscription");
    let (begun, mut read) = (Instant::now(), 0);
    while read < RECORDS {
        assert!(begun.elapsed() < PATIENCE, "{read} records read");
        let message = consumer.poll(Duration::from_millis(100));
        read += i64::from(matches!(message, Some(Ok(_))));
    }
    let commit = |offset: &i64| {
        let mut at = TopicPartitionList::new();
        at.add_partition_offset(topic, 0, Offset::Offset(*offset))
            .expect("an offset");
        let done = consumer.commit(&at, CommitMode::Sync);
        done.err().map(|error| error.to_string())
    };
    offsets.iter().map(commit).collect()
}

/// Runs the client on a topic of its own; what its group has committed afterwards, asked straight of the brokers.
fn committed_by(
    cluster: &Cluster,
    commits: Commits,
    bootstrap: &str,
    (group, offsets): (&str, &[i64]),
) -> Option<i64> {
    let topic = cluster.filled_topic("commits", 0..RECORDS as u64);
    let told = commits(&Names(bootstrap, &topic, group), offsets);
    assert_eq!(told, vec![None; offsets.len()], "{group}");
    let consumer = rdk::consumer(&cluster.bootstrap(), group, &[]);
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&topic, 0);
    let told = consumer
        .committed_offsets(asked, PATIENCE)
        .expect("the group's offsets");
    told.elements()[0].offset().to_raw()
}

/// What was counted of a group, and how sure that is.
fn counted(holdfast: &Holdfast, scenario: &str, group: &str) -> f64 {
    let labels = [("scenario", scenario), ("group", group)];
    let metrics = holdfast.metrics();
    metrics.value_or_zero("holdfast_observations_by_group_total", &labels)
}

fn check(cluster: &Cluster, observing: &Holdfast, enforcing: &Holdfast, client: (&str, Commits)) {
    let (name, commits) = client;
    let ahead: &[i64] = &[50, 20, AHEAD];
    let group = unique("direct");
    let left = committed_by(cluster, commits, &cluster.bootstrap(), (&group, ahead));
    assert_eq!(left, Some(AHEAD), "{name}: the control");

    let group = unique("observed");
    let left = committed_by(cluster, commits, &observing.bootstrap(), (&group, ahead));
    assert_eq!(left, Some(AHEAD), "{name}");
    for scenario in ["commit_ahead", "commit_regression"] {
        let what = format!("{name}: a count of {scenario}");
        eventually(&what, PATIENCE, || {
            match counted(observing, scenario, &group) {
                1.0 => Ok(()),
                other => Err(format!("{other}")),
            }
        });
    }

    let group = unique("ahead");
    let left = committed_by(cluster, commits, &enforcing.bootstrap(), (&group, ahead));
    assert_eq!(left, Some(RECORDS), "{name}: lowered to what it was given");
    assert_eq!(counted(enforcing, "commit_ahead", &group), 1.0, "{name}");

    let group = unique("held");
    let held: &[i64] = &[10, 20, 30];
    let left = committed_by(cluster, commits, &enforcing.bootstrap(), (&group, held));
    assert_eq!(left, Some(20), "{name}: held back");
}

#[test]
fn members_by_five_clients_are_counted_by_default_and_lowered_and_held_back_in_force() {
    let cluster = shared_cluster();
    let observing = Holdfast::start(&cluster.bootstrap());
    let enforcing = Options::new(&cluster.bootstrap()).config(ENFORCED);
    let enforcing = Holdfast::start_with(enforcing);
    std::thread::scope(|scope| {
        let (cluster, observing, enforcing) = (&cluster, &observing, &enforcing);
        for client in CLIENTS {
            scope.spawn(move || check(cluster, observing, enforcing, client));
        }
    });
    let count = |holdfast: &Holdfast, scenario, mode| {
        let labels = [("scenario", scenario), ("mode", mode)];
        let metrics = holdfast.metrics();
        metrics.value_or_zero("holdfast_overrides_total", &labels)
    };
    let clients = CLIENTS.len() as f64;
    assert_eq!(count(&enforcing, "commit_ahead", "enforce"), clients);
    assert_eq!(
        count(&enforcing, "commit_hold_back", "enforce"),
        2.0 * clients
    );
    for scenario in ["commit_ahead", "commit_hold_back"] {
        assert_eq!(count(&observing, scenario, "enforce"), 0.0, "{scenario}");
    }
    for (holdfast, expected, other) in [
        (&observing, "partial", "exact"),
        (&enforcing, "exact", "partial"),
    ] {
        let family = "holdfast_observations_total";
        let metrics = holdfast.metrics();
        let of = |completeness| {
            let labels = [("scenario", "commit_ahead"), ("completeness", completeness)];
            metrics.value_or_zero(family, &labels)
        };
        assert_eq!((of(expected), of(other)), (clients, 0.0), "{expected}");
    }
}

#[test]
fn franz_go_is_told_of_a_commit_past_the_end_in_force() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).preset("strict"));
    let topic = cluster.filled_topic("commits", 0..RECORDS as u64);
    let group = unique("past");
    let names = Names(&holdfast.bootstrap(), &topic, &group);
    let told = by_franz(&names, &[AHEAD, RECORDS]);
    let refused = "INVALID_COMMIT_OFFSET_SIZE".to_owned();
    assert_eq!(told, [Some(refused), None]);
}
