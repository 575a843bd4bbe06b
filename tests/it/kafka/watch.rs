//! The watch against real brokers of both lines, and with one of them stopped in its tracks.

use crate::support::eventually;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, Spec, Version, shared_cluster, shared_cluster_39, unique};
use crate::support::raw::Resource;
use holdfast::cluster::{Learned, View};
use holdfast::proxy::settings::{self, HostPort};
use holdfast::proxy::watch::{Handle, Watch};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

fn watch(cluster: &Cluster) -> Handle {
    let servers = cluster.brokers().map(|broker| HostPort {
        host: "127.0.0.1".into(),
        port: broker.port(),
    });
    let settings = settings::Cluster {
        bootstrap_servers: servers.collect(),
        connect_timeout: Duration::from_secs(2),
        metadata_refresh: Duration::from_secs(1),
        lookup_timeout: Duration::from_secs(1),
        tcp_user_timeout: Duration::from_secs(20),
        tls: None,
        sasl: None,
    };
    Watch::start(settings, CancellationToken::new())
}

async fn until(handle: &Handle, what: &str, expected: impl Fn(&View) -> bool) -> Arc<View> {
    let begun = Instant::now();
    loop {
        let view = handle.view();
        if expected(&view) {
            return view;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what}: {view:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn limit(handle: &Handle, topic: &str) -> Option<u32> {
    let facts = handle.confirm(topic.into()).await.unwrap_or(None);
    facts.and_then(|facts| facts.max_message_bytes)
}

async fn check_what_is_learned(cluster: &Cluster, by_id: bool) {
    let topic = unique("watched");
    let configs = [("max.message.bytes", "5000"), ("min.insync.replicas", "2")];
    cluster.create_topic(&topic, 2, 3, &configs);
    let handle = watch(cluster);
    match by_id {
        true => handle.learned(Learned::TopicIdSeen(cluster.topic_id(&topic))),
        false => handle.learned(Learned::TopicSeen(topic.as_str().into())),
    }
    handle.learned(Learned::TopicSeen(unique("never-created").as_str().into()));
    let view = until(&handle, "configs and limits", |view| {
        view.topic(&topic)
            .is_some_and(|facts| facts.max_message_bytes.is_some())
            && view.socket_request_max_bytes.is_some()
    })
    .await;
    let facts = view.topic(&topic).unwrap();
    assert_eq!(facts.max_message_bytes, Some(5_000));
    assert_eq!(facts.min_insync_replicas, Some(2));
    assert_eq!(facts.id, Some(cluster.topic_id(&topic)));
    assert_eq!(facts.partitions.len(), 2);
    assert!(
        facts
            .partitions
            .iter()
            .all(|partition| partition.in_sync_replicas == 3)
    );
    assert_eq!(view.brokers.len(), 3);
    assert_eq!(view.socket_request_max_bytes, Some(104_857_600));
    assert!(view.topic_by_id(&cluster.topic_id(&topic)).is_some());
    assert!(!view.any_degraded(None));
    assert_eq!(view.topics.len(), 1);

    cluster.alter_configs(Resource::Topic(&topic), &[("max.message.bytes", "7000")]);
    // Brokers hear of it one after the other.
    let begun = Instant::now();
    while limit(&handle, &topic).await != Some(7_000) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the new limit is not confirmed"
        );
    }
    until(&handle, "the new limit", |view| {
        view.smallest_batch_limit == Some(7_000)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_brokers_and_limits_of_4_3_are_learned() {
    let cluster = tokio::task::spawn_blocking(shared_cluster).await.unwrap();
    check_what_is_learned(&cluster, false).await;
    check_what_is_learned(&cluster, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_brokers_and_limits_of_3_9_are_learned() {
    let cluster = tokio::task::spawn_blocking(shared_cluster_39)
        .await
        .unwrap();
    check_what_is_learned(&cluster, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_broker_is_gone_around_and_its_missing_replicas_show() {
    let spec = Spec::new(Version::V4_3_1).dedicated_controller();
    let cluster = tokio::task::spawn_blocking(|| Cluster::start(spec))
        .await
        .unwrap();
    let topic = unique("frozen");
    let ids: Vec<i32> = cluster.brokers().map(|broker| broker.id).collect();
    let configs = [("max.message.bytes", "5000"), ("min.insync.replicas", "3")];
    cluster.create_topic_on(&topic, &[&ids], &configs);
    let handle = watch(&cluster);
    handle.learned(Learned::TopicSeen(topic.as_str().into()));
    until(&handle, "the topic", |view| {
        view.smallest_batch_limit == Some(5_000)
    })
    .await;
    assert_eq!(limit(&handle, &topic).await, Some(5_000));
    // Both connections of the watch lead to the first bootstrap server; it neither answers nor closes now.
    cluster.broker(ids[0]).freeze();
    assert_eq!(
        limit(&handle, &topic).await,
        Some(5_000),
        "half of the time is for the next server"
    );
    let view = until(&handle, "the broker left", |view| view.brokers.len() == 2).await;
    assert!(!view.brokers.contains_key(&ids[0]));
    until(&handle, "degraded", |view| view.is_degraded(&topic, 0)).await;
    cluster.broker(ids[0]).thaw();
    until(&handle, "whole again", |view| {
        view.brokers.len() == 3 && !view.any_degraded(None)
    })
    .await;
}

#[test]
fn a_broker_that_is_down_needs_a_human_until_it_is_back() {
    const PATIENCE: Duration = Duration::from_secs(90);
    let cluster = Cluster::start(Spec::new(Version::V4_3_1).dedicated_controller());
    // Only through Metadata does the gateway know of the third, and it is the one that goes.
    let known = [1, 2].map(|id| cluster.broker(id).addr()).join(",");
    let holdfast = Holdfast::start(&known);
    let needs = || {
        let (_, text) = holdfast.get("/report").expect("a report");
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let needs = report["needs"].as_array().expect("needs").clone();
        let texts = needs
            .iter()
            .map(|need| need["text"].as_str().unwrap_or_default().to_owned());
        texts.collect::<Vec<_>>()
    };
    let third = format!(
        "Broker 3 ({}) cannot be reached for ",
        cluster.broker(3).addr()
    );
    let told = || needs().into_iter().find(|text| text.starts_with(&third));
    eventually("the cluster is seen", PATIENCE, || {
        let (_, text) = holdfast.get("/report").expect("a report");
        match text.contains("\"node_id\": 3") {
            true => Ok(()),
            false => Err(text),
        }
    });
    assert_eq!(told(), None);
    cluster.broker(3).kill9();
    // At first what was open is lost, and then nobody is there.
    let refused = |text: &String| text.to_lowercase().contains("connection refused");
    eventually("the need", PATIENCE, || {
        let found = told().filter(refused).map(drop);
        found.ok_or_else(|| format!("{:?}", needs()))
    });
    let log = holdfast.log();
    assert!(log.contains("a broker cannot be reached"), "{log}");
    let unreachable = || {
        holdfast
            .metrics()
            .value("holdfast_brokers_unreachable", &[])
    };
    assert_eq!(unreachable(), 1.0);
    cluster.broker(3).restart();
    eventually("no need", PATIENCE, || match told() {
        None => Ok(()),
        Some(text) => Err(text),
    });
    assert_eq!(unreachable(), 0.0);
}
