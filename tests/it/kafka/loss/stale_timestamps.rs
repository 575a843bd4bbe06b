//! Records whose timestamps are older than the topic keeps records: acknowledged, and deleted at the next look.

use super::Way;
use super::sent::send_aged;
use crate::support::eventually;
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::rdk;
use std::time::Duration;

const EXPERIMENT: &str = "11 acks=all, timestamps older than `retention.ms`";
const RECORDS: u64 = 1_000;
const RETENTION_MS: &str = "3600000";
const AGE: Duration = Duration::from_secs(2 * 24 * 3600);

/// Looks for what is too old every second, not every five minutes.
fn cluster() -> Cluster {
    let spec = Spec::new(Version::V4_3_1)
        .property("log.initial.task.delay.ms", "1000")
        .property("log.retention.check.interval.ms", "1000");
    Cluster::start(spec)
}

#[test]
fn records_with_stale_timestamps_are_deleted_direct() {
    let cluster = cluster();
    let retention = [("retention.ms", RETENTION_MS)];
    cluster.create_topic_on("direct", &[&[1, 2, 3]], &retention);
    let direct = send_aged(&cluster.broker(1).addr(), "direct", 0, 0..RECORDS, AGE);
    let stored = eventually("retention", Duration::from_secs(40), || {
        match rdk::ids(&cluster.read_all("direct")) {
            stored if stored.is_empty() => Ok(stored),
            stored => Err(format!("{} records are left", stored.len())),
        }
    });
    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored, "nobody");
    assert_eq!(lost, RECORDS as usize, "{:?}", direct.codes);
}
