//! What is only counted, of clients that we did not write: libraries with known bugs by the version that they give, and errors
//! that a producer was told.

use crate::support::clients::java;
use crate::support::eventually;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Version, shared_cluster, unique};
use crate::support::raw::now_ms;
use crate::support::rdk::{IdProducer, Settings};
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn observed(holdfast: &Holdfast, scenario: &str) -> f64 {
    let labels = [("scenario", scenario)];
    let metrics = holdfast.metrics();
    metrics.value("holdfast_observations_total", &labels)
}

fn report(holdfast: &Holdfast) -> Value {
    let (status, body) = holdfast.get("/report").expect("the admin port answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

#[test]
fn java_3_9_is_counted_as_a_risky_client_with_its_bugs_named_and_java_4_3_is_not() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("risky");
    cluster.create_topic(&topic, 1, 3, &[]);
    let bootstrap = holdfast.bootstrap();
    let args = ["--bootstrap-server", &bootstrap, "--topic", &topic];
    java(Version::V4_3_1, "IdempotentProducer", &args).ok();
    assert_eq!(observed(&holdfast, "risky_client"), 0.0);
    java(Version::V3_9_2, "IdempotentProducer", &args).ok();
    assert!(observed(&holdfast, "risky_client") > 0.0);
    let report = report(&holdfast);
    let bugs_of = |version: &str| {
        let clients = report["clients"].as_array().expect("a list");
        let mut of = clients
            .iter()
            .filter(|client| client["software_version"] == version);
        let bugs = of.next().map(|client| client["known_bugs"].to_string());
        bugs.unwrap_or_else(|| panic!("no client {version} in {report}"))
    };
    assert_eq!(bugs_of("4.3.1"), "[]");
    assert!(bugs_of("3.9.2").contains("KAFKA-8350"), "{report}");
}

#[test]
fn errors_that_the_broker_tells_a_producer_are_passed_on_and_counted_by_client_and_topic() {
    const RECORDS: u64 = 5;
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let topic = unique("ignored");
    // The broker takes nothing that is older than a minute.
    let configs = [("message.timestamp.before.max.ms", "60000")];
    cluster.create_topic(&topic, 1, 3, &configs);
    let told = |bootstrap: &str| {
        let settings = Settings::acks("all").set("client.id", &topic);
        let producer = IdProducer::new(bootstrap, &topic, &settings);
        let yesterday = now_ms() - 86_400_000;
        (0..RECORDS).for_each(|id| producer.send_dated(id, 10, Some(0), Some(yesterday)));
        let told = producer.finish(PATIENCE);
        assert_eq!(told.failed.len() as u64, RECORDS, "{told:?}");
        told.failed
    };
    assert_eq!(told(&cluster.bootstrap()), told(&holdfast.bootstrap()));
    eventually("a count", PATIENCE, || {
        match observed(&holdfast, "ignored_error") {
            0.0 => Err("none".to_owned()),
            _ => Ok(()),
        }
    });
    let metrics = holdfast.metrics();
    let by = |family: &str, label| metrics.value_or_zero(family, &[label]);
    let code = ("error_code", "INVALID_TIMESTAMP");
    assert!(by("holdfast_answer_errors_total", code) > 0.0);
    let scenario = ("scenario", "ignored_error");
    for (family, label) in [
        ("holdfast_observations_by_topic_total", ("topic", &*topic)),
        (
            "holdfast_observations_by_client_total",
            ("client_id", &*topic),
        ),
    ] {
        let labels = [scenario, label];
        let counted = metrics.value_or_zero(family, &labels);
        assert!(counted > 0.0, "{family} {labels:?}");
    }
}
