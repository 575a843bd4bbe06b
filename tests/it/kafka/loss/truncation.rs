//! The loss of `hollow_acks_all` under a producer that goes on: nobody refuses its batches, but Holdfast sees the offsets
//! of acknowledged records given to others.

use super::sent::{TOPICS, send_both, sum};
use super::shrink::{self, REPLICAS, WEAK};
use super::{Route, Way};
use crate::support::eventually;
use crate::support::holdfast::Holdfast;
use crate::support::rdk;
use std::time::Duration;

const EXPERIMENT: &str =
    "18 as 10, nothing enforced, and the producer goes on after the unclean election";

#[test]
fn acknowledged_records_that_are_truncated_go_unnoticed_direct_and_are_counted_through_holdfast() {
    let cluster = shrink::cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    for topic in TOPICS {
        cluster.create_topic_on(topic, REPLICAS, WEAK);
    }
    let routes = [Route::Direct(&cluster), Route::Through(&holdfast)];
    let early = send_both(&routes, [1, 1], 0..100);
    shrink::shrink_to_the_leader(&cluster, &TOPICS);
    let late = send_both(&routes, [1, 1], 100..5_100);
    shrink::replace_the_leader(&cluster, &TOPICS);
    let leaders = TOPICS.map(|topic| cluster.wait_leader(topic, 0, Duration::from_secs(60)));
    let more = send_both(&routes, leaders, 5_100..5_200);
    let stored = TOPICS.map(|topic| rdk::ids(&cluster.read_all(topic)));

    let [direct, through] = sum(sum(early, late), more);
    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored[0], "nobody");
    let counted = "`holdfast_observations_total{scenario=\"acked_truncation\"}`";
    through.tell(EXPERIMENT, Way::Through, &stored[1], counted);
    assert_eq!(direct.ok.len(), 5_200, "{:?}", direct.codes);
    assert_eq!(lost, 5_000, "the control: what only the leader had");
    eventually("the truncation is counted", Duration::from_secs(20), || {
        let labels = [("scenario", "acked_truncation")];
        let metrics = holdfast.metrics();
        match metrics.value("holdfast_observations_total", &labels) {
            5_000.0 => Ok(()),
            counted => Err(format!("{counted} are counted")),
        }
    });
    let log = holdfast.log();
    let alarms = log.matches("acknowledged records are gone").count();
    assert_eq!(alarms, 1, "{log}");
    for field in [
        "topic=\"through\"",
        "acknowledged_offset=5099",
        "base_offset=100",
    ] {
        assert!(log.contains(field), "{field}: {log}");
    }
}
