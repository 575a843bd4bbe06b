//! `/report` and `holdfast report` against real brokers: clients that we did not write, by name and version.

use crate::support::clients::java;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Version, shared_cluster, unique};
use crate::support::rdk::{self, Settings};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

fn report(holdfast: &Holdfast) -> Value {
    let (status, body) = holdfast.get("/report").expect("the admin port answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

fn client<'a>(report: &'a Value, software: &str) -> Option<&'a Value> {
    let clients = report["clients"].as_array()?;
    clients.iter().find(|client| {
        client["software"] == software
            && client["topics"]
                .as_array()
                .is_some_and(|topics| !topics.is_empty())
    })
}

#[test]
fn librdkafka_and_java_are_reported_by_name_version_and_how_they_write() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).preset("observe"));
    let topic = unique("report");
    cluster.create_topic(&topic, 3, 3, &[]);
    let through = holdfast.bootstrap();
    let told = rdk::produce_ids(&through, &topic, 0..50, 100, &Settings::acks("1"));
    assert!(told.failed.is_empty(), "{told:?}");
    let args = ["--bootstrap-server", &through, "--topic", &topic];
    java(Version::V4_3_1, "IdempotentProducer", &args).ok();

    let report = eventually("both are reported", Duration::from_secs(20), || {
        let report = report(&holdfast);
        match client(&report, "librdkafka").is_some()
            && client(&report, "apache-kafka-java").is_some()
        {
            true => Ok(report),
            false => Err(report.to_string()),
        }
    });
    let native = client(&report, "librdkafka").expect("seen");
    let version = native["software_version"].as_str().expect("a version");
    assert!(version.starts_with("2."), "{version}");
    assert_eq!(native["idempotent"], false, "{native}");
    assert!(native["acks"]["leader"].as_u64() > Some(0), "{native}");
    assert!(
        native["largest_batch_bytes"].as_u64() > Some(60),
        "{native}"
    );
    assert_eq!(native["topics"][0], topic.as_str());

    let java = client(&report, "apache-kafka-java").expect("seen");
    assert_eq!(java["software_version"], "4.3.1");
    assert_eq!(java["idempotent"], true, "{java}");
    assert!(java["acks"]["all"].as_u64() > Some(0), "{java}");
    assert_eq!(java["known_bugs"].as_array().map(Vec::len), Some(0));

    assert_eq!(report["readiness"], "ready");
    assert_eq!(report["preset"], "observe");
    assert_eq!(report["brokers"].as_array().map(Vec::len), Some(3));
    let scenarios = report["scenarios"].as_array().expect("a list");
    let leader = scenarios.iter().find(|s| s["name"] == "acks_leader");
    let leader = leader.expect("each scenario is there");
    assert_eq!(leader["mode"], "observe");
    assert!(
        leader["overrides"]["observe"].as_u64() > Some(0),
        "{leader}"
    );

    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["report", "--admin", &holdfast.admin_addr()])
        .output()
        .expect("the program runs");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{table}");
    for words in [
        "preset observe, ready",
        "apache-kafka-java 4.3.1",
        "librdkafka 2.",
        "broker 1: ",
    ] {
        assert!(table.contains(words), "{words} in\n{table}");
    }
}
