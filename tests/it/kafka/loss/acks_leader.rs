//! acks=1, followers stopped, leader killed, followers resumed: what only the leader had is gone.

use super::{Row, Way};
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::rdk::{self, IdProducer, Settings, Told};
use std::time::{Duration, Instant};

/// The leader acknowledges alone for this long.
const PRODUCE_FOR: Duration = Duration::from_secs(3);

/// Produces with acks=1 by way of `bootstrap` while the followers are stopped; then the leader dies and they come back.
fn lose_the_leader(cluster: &Cluster, topic: &str, bootstrap: &str) -> Told {
    cluster.create_topic_on(topic, &[&[1, 2, 3]], &[]);
    let leader = cluster.wait_leader(topic, 0, Duration::from_secs(30));
    let followers: Vec<i32> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    let settings = Settings::acks("1")
        .set("message.timeout.ms", "25000")
        .set("retries", "0");
    let producer = IdProducer::new(bootstrap, topic, &settings);
    // The client knows the cluster and has a connection before anything is stopped.
    for id in 0..100 {
        producer.send(id, 100, Some(0));
    }
    let told = || producer.told().ok.len() >= 100;
    let begun = Instant::now();
    while !told() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "a healthy cluster takes 100 records: {:?}",
            producer.told()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    followers.iter().for_each(|id| cluster.broker(*id).freeze());
    let begun = Instant::now();
    let mut id = 100;
    while begun.elapsed() < PRODUCE_FOR {
        for _ in 0..100 {
            producer.send(id, 100, Some(0));
            id += 1;
        }
        std::thread::sleep(Duration::from_millis(15));
    }
    cluster.broker(leader).kill9();
    followers.iter().for_each(|id| cluster.broker(*id).thaw());
    let told = producer.finish(Duration::from_secs(60));
    cluster.wait_leader(topic, 0, Duration::from_secs(60));
    cluster.broker(leader).restart();
    cluster.wait_isr(topic, 0, 3, Duration::from_secs(60));
    told
}

#[test]
fn acks_1_loses_acknowledged_records_direct_and_none_through_holdfast() {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1));
    let direct = lose_the_leader(&cluster, "direct", &cluster.bootstrap());
    let stored = cluster.read_all("direct");
    let lost = direct.lost(&stored).len();
    Row {
        experiment: "01 acks=1: followers stopped, leader killed, followers resumed",
        way: Way::Direct,
        sent: direct.ok.len() + direct.failed.len(),
        told_ok: direct.ok.len(),
        stored: stored.len(),
        lost,
        reported: "nobody".into(),
    }
    .tell();
    assert!(
        lost > 0,
        "the direct run lost nothing: the experiment did not reproduce the loss"
    );

    let holdfast = Holdfast::start(&cluster.bootstrap());
    let through = lose_the_leader(&cluster, "through", &holdfast.bootstrap());
    let stored = cluster.read_all("through");
    let lost = through.lost(&stored);
    Row {
        experiment: "01 acks=1: followers stopped, leader killed, followers resumed",
        way: Way::Through,
        sent: through.ok.len() + through.failed.len(),
        told_ok: through.ok.len(),
        stored: stored.len(),
        lost: lost.len(),
        reported: "the client: errors".into(),
    }
    .tell();
    assert!(
        lost.is_empty(),
        "acknowledged through Holdfast and not stored: {lost:?}"
    );
    assert!(
        through.ok.len() >= 100,
        "what was acknowledged on the healthy cluster stays so: {:?}",
        through.ok.len()
    );
    assert!(rdk::ids(&stored).is_superset(&through.ok_ids()));
    let overrides = [
        ("scenario", "acks_leader"),
        ("mode", "enforce"),
        ("api_key", "Produce"),
    ];
    assert!(
        holdfast
            .metrics()
            .value("holdfast_overrides_total", &overrides)
            > 0.0
    );
}
