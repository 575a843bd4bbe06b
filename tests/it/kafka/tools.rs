//! Kafka's own command line tools: what they print and what they leave behind is the same through Holdfast as direct.

use super::ways::{Way, contents, same};
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, Version, shared_cluster, shared_cluster_39, unique};
use crate::support::process::Output;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(120);

impl Way<'_> {
    /// A main class with this way's bootstrap server in front of `args`.
    #[track_caller]
    fn tool(&self, main_class: &str, args: &[&str]) -> Output {
        self.tool_reading(main_class, args, b"")
    }

    #[track_caller]
    fn tool_reading(&self, main_class: &str, args: &[&str], input: &[u8]) -> Output {
        let args = [&["--bootstrap-server", &self.bootstrap], args].concat();
        let output = self.cluster.tool_with(main_class, &args, input, TIMEOUT);
        output.ok();
        output
    }
}

/// What a tool printed, with this run's own topic replaced by a word, in any order of lines.
fn lines(output: &Output, topic: &str) -> Vec<String> {
    let mut lines: Vec<String> = output
        .stdout
        .lines()
        .map(|line| line.replace(topic, "TOPIC"))
        .collect();
    lines.sort_unstable();
    lines
}

fn write_and_read_at_the_console(way: &Way<'_>) -> (Vec<String>, Vec<String>) {
    let topic = way.topic("console", 1, &[]);
    // Kafka 4 moved the producer and renamed the options.
    let (producer, reader, formatter) = match way.cluster.version() {
        Version::V4_3_1 => (
            "org.apache.kafka.tools.ConsoleProducer",
            "--reader-property",
            "--formatter-property",
        ),
        Version::V3_9_2 => ("kafka.tools.ConsoleProducer", "--property", "--property"),
    };
    let input: String = (0..20).map(|i| format!("k{i}\tvalue {i}\n")).collect();
    way.tool_reading(
        producer,
        &["--topic", &topic, reader, "parse.key=true"],
        input.as_bytes(),
    );
    let read = way.tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        &[
            "--topic",
            &topic,
            "--from-beginning",
            "--max-messages",
            "20",
            "--timeout-ms",
            "60000",
            formatter,
            "print.key=true",
            formatter,
            "print.offset=true",
        ],
    );
    let ends = way.tool(
        "org.apache.kafka.tools.GetOffsetShell",
        &["--topic", &topic],
    );
    (lines(&read, &topic), lines(&ends, &topic))
}

#[track_caller]
fn check_console_tools(cluster: &Cluster, holdfast: &Holdfast) {
    let (read, ends) = same(cluster, holdfast, "console", write_and_read_at_the_console);
    assert_eq!(read.len(), 20, "{read:?}");
    assert!(read.iter().any(|l| l.ends_with("k7\tvalue 7")), "{read:?}");
    assert_eq!(ends, ["TOPIC:0:20"]);
}

#[track_caller]
fn check_verifiable_producer(cluster: &Cluster, holdfast: &Holdfast, all_acks: &[&str]) {
    for acks in all_acks {
        let (told, stored) = same(cluster, holdfast, "VerifiableProducer", |way| {
            let topic = way.topic("verifiable", 1, &[]);
            let args = ["--topic", &topic, "--max-messages", "200", "--acks", acks];
            let output = way.tool("org.apache.kafka.tools.VerifiableProducer", &args);
            let mut told: Vec<String> = output
                .json_lines()
                .iter()
                .filter(|line| line["name"] == "producer_send_success")
                .map(|line| line["value"].as_str().unwrap_or_default().to_owned())
                .collect();
            told.sort_unstable();
            (told, contents(&way.stored(&topic)))
        });
        assert_eq!((told.len(), stored.len()), (200, 200), "acks {acks}");
    }
}

#[track_caller]
fn check_topic_command(cluster: &Cluster, holdfast: &Holdfast) {
    const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
    let described = same(cluster, holdfast, "TopicCommand", |way| {
        let topic = unique("tool-topic");
        // Every replica and leader is named, so that both ways describe the same.
        let assignment = "1:2:3,2:3:1,3:1:2";
        let create = ["--create", "--topic", &topic];
        let how = [
            "--replica-assignment",
            assignment,
            "--config",
            "max.message.bytes=5000",
        ];
        way.tool(TOPICS, &[&create[..], &how].concat());
        let described = way.tool(TOPICS, &["--describe", "--topic", &topic]);
        let listed = way.tool(TOPICS, &["--list", "--topic", &topic]);
        way.tool(TOPICS, &["--delete", "--topic", &topic]);
        let described: Vec<String> = lines(&described, &topic)
            .iter()
            .map(|line| without_field(line, "TopicId"))
            .collect();
        (described, lines(&listed, &topic))
    });
    assert_eq!(described.0.len(), 4, "{described:?}");
    assert_eq!(described.1, ["TOPIC"]);
}

/// A line of `name: value` fields between tabs, without one of them.
fn without_field(line: &str, name: &str) -> String {
    let fields = line
        .split('\t')
        .filter(|field| !field.trim().starts_with(name));
    fields.collect::<Vec<_>>().join("\t")
}

#[test]
fn kafka_4_3_1_console_tools_do_through_holdfast_what_they_do_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    check_console_tools(&cluster, &holdfast);
    check_topic_command(&cluster, &holdfast);
}

#[test]
fn kafka_3_9_2_tools_do_through_holdfast_what_they_do_direct() {
    let cluster = shared_cluster_39();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    check_console_tools(&cluster, &holdfast);
    check_verifiable_producer(&cluster, &holdfast, &["1"]);
    check_broker_api_versions(&cluster, &holdfast);
}

#[test]
fn the_verifiable_clients_are_told_through_holdfast_what_they_are_told_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    check_verifiable_producer(&cluster, &holdfast, &["0", "1", "-1"]);
    let metrics = holdfast.metrics();
    for scenario in ["acks_none", "acks_leader"] {
        let raised = [("scenario", scenario), ("mode", "enforce")];
        assert!(metrics.value("holdfast_overrides_total", &raised) > 0.0);
    }

    let consumed = same(&cluster, &holdfast, "VerifiableConsumer", |way| {
        let topic = way.topic("verifiable", 2, &[]);
        way.tool(
            "org.apache.kafka.tools.VerifiableProducer",
            &["--topic", &topic, "--max-messages", "100"],
        );
        let group = unique("verifiable");
        let consumed = way.tool(
            "org.apache.kafka.tools.VerifiableConsumer",
            &[
                "--topic",
                &topic,
                "--group-id",
                &group,
                "--max-messages",
                "100",
                "--reset-policy",
                "earliest",
            ],
        );
        let of = |name: &str, field: &str| -> i64 {
            let lines = consumed.json_lines();
            let named = lines.iter().filter(|line| line["name"] == name);
            named.filter_map(|line| line[field].as_i64()).sum()
        };
        let committed: Vec<bool> = consumed
            .json_lines()
            .iter()
            .filter(|line| line["name"] == "offsets_committed")
            .map(|line| line["success"] == true)
            .collect();
        let all_committed = !committed.is_empty() && committed.iter().all(|ok| *ok);
        (of("records_consumed", "count"), all_committed)
    });
    assert_eq!(consumed, (100, true));
}

#[test]
fn the_performance_tools_move_as_many_records_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let moved = same(&cluster, &holdfast, "performance", |way| {
        let topic = way.topic("performance", 3, &[]);
        let written = way.tool(
            "org.apache.kafka.tools.ProducerPerformance",
            &[
                "--topic",
                &topic,
                "--num-records",
                "20000",
                "--record-size",
                "200",
                "--throughput",
                "-1",
                "--command-property",
                "acks=1",
            ],
        );
        let written = written.stdout.contains("20000 records sent");
        let read = way.tool(
            "org.apache.kafka.tools.ConsumerPerformance",
            &[
                "--topic",
                &topic,
                "--num-records",
                "20000",
                "--timeout",
                "60000",
                "--hide-header",
            ],
        );
        // start, end, MB, MB/s, records, …
        let last = read.stdout.lines().rfind(|line| line.contains(", "));
        let fields: Vec<String> = last
            .unwrap_or_default()
            .split(", ")
            .map(str::to_owned)
            .collect();
        (written, fields.get(4).cloned(), way.stored(&topic).len())
    });
    assert_eq!(moved, (true, Some("20000".to_owned()), 20_000));
}

#[test]
fn the_config_tool_changes_and_shows_through_holdfast_what_it_does_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    const CONFIGS: &str = "kafka.admin.ConfigCommand";
    let shown = same(&cluster, &holdfast, "ConfigCommand", |way| {
        let topic = way.topic("configs", 1, &[]);
        let entity = ["--entity-type", "topics", "--entity-name", &topic];
        let alter = ["--alter", "--add-config", "retention.ms=3600000"];
        way.tool(CONFIGS, &[&entity[..], &alter].concat());
        let shown = way.tool(CONFIGS, &[&entity[..], &["--describe"]].concat());
        // To a broker by its id: the admin client has to find it by the address that it was told.
        let broker = ["--entity-type", "brokers", "--entity-name", "2"];
        let broker = way.tool(CONFIGS, &[&broker[..], &["--describe"]].concat());
        (lines(&shown, &topic), lines(&broker, &topic))
    });
    assert!(
        shown.0.iter().any(|l| l.contains("retention.ms=3600000")),
        "{shown:?}"
    );
}

/// One block per broker: its address, then a line per API.
#[track_caller]
fn check_broker_api_versions(cluster: &Cluster, holdfast: &Holdfast) {
    let class = match cluster.version() {
        Version::V4_3_1 => "org.apache.kafka.tools.BrokerApiVersionsCommand",
        Version::V3_9_2 => "kafka.admin.BrokerApiVersionsCommand",
    };
    let [direct, through] = Way::both(cluster, holdfast).map(|way| way.tool(class, &[]).stdout);
    for id in 1..=3 {
        let broker = cluster.broker(id).addr();
        assert!(direct.contains(&broker), "{direct}");
        assert!(!through.contains(&broker), "{through}");
        assert!(through.contains(&holdfast.broker_addr(id)), "{through}");
    }
    // The same APIs, none missing and none added; those that Holdfast edits may end at a lower version.
    let apis = |text: &str| -> Vec<String> {
        let mut apis: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with('\t'))
            .filter_map(|line| line.split_once(':').map(|(api, _)| api.trim().to_owned()))
            .collect();
        apis.sort_unstable();
        apis
    };
    assert!(apis(&direct).len() > 3 * 40, "{direct}");
    assert_eq!(apis(&through), apis(&direct));
}

#[test]
fn the_api_versions_tool_sees_the_same_apis_at_holdfasts_addresses() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    check_broker_api_versions(&cluster, &holdfast);
}
