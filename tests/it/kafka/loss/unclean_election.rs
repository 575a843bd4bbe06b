//! An operator asks for an unclean election: both in-sync replicas are down, the third is back without what it missed.
//! The topic is a strong one, every record was acknowledged by two replicas, and yet direct they are gone.

use super::sent::{TOPICS, send_both, sum};
use super::{Route, Way, asked, shrink};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::Cluster;
use crate::support::raw::Raw;
use crate::support::rdk;
use std::time::Duration;

const EXPERIMENT: &str =
    "17 acks=all, both in-sync replicas down, an operator asks for an unclean election";
const MISSED: std::ops::Range<u64> = 100..5_100;
const PATIENCE: Duration = Duration::from_secs(60);

/// Until the election is held: before that the dead leader is still taken for a living one.
fn elect_direct(cluster: &Cluster, topic: &str) {
    eventually(
        "an unclean election",
        PATIENCE,
        || match asked::elect_unclean(&mut cluster.connect(), topic) {
            Ok(0) => Ok(()),
            answer => Err(format!("{answer:?}")),
        },
    );
}

#[test]
fn an_unclean_election_loses_acknowledged_records_direct_and_is_refused_through_holdfast() {
    let cluster = shrink::cluster();
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).preset("strict"));
    let routes = [Route::Direct(&cluster), Route::Through(&holdfast)];
    for topic in TOPICS {
        let strong = [
            ("min.insync.replicas", "2"),
            ("unclean.leader.election.enable", "false"),
        ];
        cluster.create_topic_on(topic, shrink::REPLICAS, &strong);
    }
    let early = send_both(&routes, [1, 1], 0..MISSED.start);
    cluster.broker(3).freeze();
    for topic in TOPICS {
        cluster.wait_isr(topic, 0, 2, PATIENCE);
    }
    let late = send_both(&routes, [1, 1], MISSED);
    let [direct, through] = sum(early, late);
    [1, 2].iter().for_each(|id| cluster.broker(*id).kill9());
    cluster.broker(3).thaw();

    elect_direct(&cluster, "direct");
    let mut operator = Raw::connect(&holdfast.broker_addr(3)).unwrap();
    let refused = asked::elect_unclean(&mut operator, "through").expect("an answer");
    assert_eq!(cluster.wait_leader("direct", 0, PATIENCE), 3);
    assert_eq!(cluster.leader("through", 0), None, "no election was held");
    [1, 2].iter().for_each(|id| cluster.broker(*id).restart());
    let stored = TOPICS.map(|topic| {
        cluster.wait_isr(topic, 0, 3, PATIENCE);
        rdk::ids(&cluster.read_all(topic))
    });

    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored[0], "nobody");
    let told = "the operator: POLICY_VIOLATION";
    let lost_through = through.tell(EXPERIMENT, Way::Through, &stored[1], told);
    assert_eq!(direct.ok.len(), 5_100, "{:?}", direct.codes);
    assert_eq!(
        lost,
        MISSED.count(),
        "the control: direct loses what node 3 missed"
    );
    assert_eq!(through.ok.len(), 5_100, "{:?}", through.codes);
    assert_eq!(lost_through, 0);
    assert_eq!(refused, 44);
    assert!(super::refused(&holdfast.metrics(), "unclean_election"));
}
