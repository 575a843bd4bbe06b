//! Records whose timestamps are older than the topic keeps records: acknowledged, and deleted at the next look.

use super::sent::{TOPICS, announce, send_aged};
use super::{Route, Way, refused};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::rdk;
use std::collections::BTreeSet;
use std::time::Duration;

const EXPERIMENT: &str = "13 acks=all, timestamps older than `retention.ms`";
const RECORDS: u64 = 1_000;
const RETENTION_MS: &str = "3600000";
const AGE: Duration = Duration::from_secs(2 * 24 * 3600);
const ENFORCED: &str = "[policy.stale_timestamp]\nmode = \"enforce\"\n";

/// Looks for what is too old every second, not every five minutes.
fn cluster() -> Cluster {
    let spec = Spec::new(Version::V4_3_1)
        .property("log.initial.task.delay.ms", "1000")
        .property("log.retention.check.interval.ms", "1000");
    Cluster::start(spec)
}

#[test]
fn records_with_stale_timestamps_are_deleted_direct_and_refused_through_holdfast() {
    let cluster = cluster();
    let options = Options::new(&cluster.bootstrap()).config(ENFORCED);
    let holdfast = Holdfast::start_with(options);
    for topic in TOPICS {
        let retention = [("retention.ms", RETENTION_MS)];
        cluster.create_topic_on(topic, &[&[1, 2, 3]], &retention);
    }
    // What Holdfast judges by is learned when a topic is first seen.
    announce(&Route::Through(&holdfast).address(1), "through");
    let address = Route::Direct(&cluster).address(1);
    let direct = send_aged(&address, "direct", 0, 0..RECORDS, AGE);
    let stored = eventually("retention", Duration::from_secs(40), || {
        match rdk::ids(&cluster.read_all("direct")) {
            stored if stored.is_empty() => Ok(stored),
            stored => Err(format!("{} records are left", stored.len())),
        }
    });
    let address = Route::Through(&holdfast).address(1);
    let through = send_aged(&address, "through", 0, 0..RECORDS, AGE);

    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored, "nobody");
    let told = "the client: INVALID_TIMESTAMP";
    let stored = rdk::ids(&cluster.read_all("through"));
    let lost_through = through.tell(EXPERIMENT, Way::Through, &stored, told);
    assert_eq!(lost as u64, RECORDS, "the control: {:?}", direct.codes);
    assert_eq!(lost_through, 0);
    assert_eq!(through.codes, BTreeSet::from([32]));
    assert!(through.ok.is_empty(), "each batch is refused");
    assert!(refused(&holdfast.metrics(), "stale_timestamp"));
}
