//! The honest row: where fewer replicas are in sync than `min.insync.replicas` asks for, raising acks can store less than
//! direct would. For acks=0 Holdfast steps back to acks=1 there; for acks=1 the client sees NOT_ENOUGH_REPLICAS, unless
//! the operator chose `below_min_isr = "leader"`.

use super::{Row, Way};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::raw::{Batch, Metadata, Produce, Raw};
use crate::support::rdk;
use std::time::Duration;

const SENT: u64 = 100;

/// Sends ids one by one to partition 0 at `address`: the error codes that came back (none for acks=0).
fn send(address: &str, topic: &str, acks: i16) -> Vec<i16> {
    let mut connection = Raw::connect(address).expect("the leader's port");
    let mut codes = Vec::new();
    for id in 0..SENT {
        let produce =
            Produce::new(7, acks, topic, 0, Batch::of_ids(id, 1, 20).bytes()).timeout_ms(5_000);
        match acks {
            0 => drop(
                connection
                    .send(0, 7, &produce.body())
                    .expect("the socket takes it"),
            ),
            _ => codes.extend(
                connection
                    .produce(&produce)
                    .expect("an answer")
                    .error_codes(),
            ),
        }
    }
    connection.finish_writing().expect("half-close");
    codes
}

fn stored(cluster: &Cluster, topic: &str) -> usize {
    rdk::ids(&cluster.read_all(topic)).len()
}

#[test]
fn below_min_isr_acks_0_stores_no_less_than_direct_and_acks_1_is_told() {
    let cluster = Cluster::start(
        Spec::new(Version::V4_3_1)
            .dedicated_controller()
            .property("replica.lag.time.max.ms", "3000"),
    );
    let topics = ["direct-0", "direct-1", "through-0", "through-1", "leader-1"];
    for topic in topics {
        cluster.create_topic_on(topic, &[&[1, 2]], &[("min.insync.replicas", "2")]);
    }
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let lenient = Options::new(&cluster.bootstrap())
        .config("[policy.acks_leader]\nbelow_min_isr = \"leader\"\n");
    let lenient = Holdfast::start_with(lenient);
    // The view learns topics from what passes.
    for gateway in [&holdfast, &lenient] {
        let mut connection = Raw::connect(&gateway.bootstrap()).unwrap();
        Metadata::ask(&mut connection, Some(&topics), Duration::from_secs(10)).unwrap();
    }
    cluster.broker(2).freeze();
    for topic in topics {
        cluster.wait_isr(topic, 0, 1, Duration::from_secs(40));
    }
    std::thread::sleep(Duration::from_secs(6)); // one period of the watch

    let direct = cluster.broker(1).addr();
    assert_eq!(send(&direct, "direct-0", 0).len(), 0);
    assert!(send(&direct, "direct-1", 1).iter().all(|code| *code == 0));
    send(&holdfast.broker_addr(1), "through-0", 0);
    let told = send(&holdfast.broker_addr(1), "through-1", 1);
    let lenient_told = send(&lenient.broker_addr(1), "leader-1", 1);
    eventually("acks=0 is settled", Duration::from_secs(30), || {
        let metrics = holdfast.metrics();
        let ended: u64 = ["confirmed", "refused", "unknown"]
            .iter()
            .map(|o| super::acks0_records(&metrics, o))
            .sum();
        if ended == SENT {
            Ok(())
        } else {
            Err(format!("{ended} of {SENT}"))
        }
    });
    let metrics = holdfast.metrics();
    cluster.broker(2).thaw();
    for topic in topics {
        cluster.wait_isr(topic, 0, 2, Duration::from_secs(60));
    }
    let sent = SENT as usize;
    let counts = topics.map(|topic| stored(&cluster, topic));
    let [direct_0, direct_1, through_0, through_1, leader_1] = counts;
    Row {
        experiment: "04 RF 2, `min.insync.replicas` 2, one replica stopped, acks=0",
        way: Way::Direct,
        sent,
        told_ok: sent,
        stored: direct_0,
        lost: sent - direct_0,
        reported: "".into(),
    }
    .tell();
    Row {
        experiment: "04 RF 2, `min.insync.replicas` 2, one replica stopped, acks=0",
        way: Way::Through,
        sent,
        told_ok: sent,
        stored: through_0,
        lost: sent - through_0,
        reported: "`holdfast_degraded_total`: acks became 1".into(),
    }
    .tell();
    Row {
        experiment: "05 the same, acks=1",
        way: Way::Direct,
        sent,
        told_ok: sent,
        stored: direct_1,
        lost: sent - direct_1,
        reported: "".into(),
    }
    .tell();
    Row {
        experiment: "05 the same, acks=1",
        way: Way::Through,
        sent,
        told_ok: told.iter().filter(|c| **c == 0).count(),
        stored: through_1,
        lost: 0,
        reported: "the client: NOT_ENOUGH_REPLICAS".into(),
    }
    .tell();
    Row {
        experiment: "06 the same, `below_min_isr = \"leader\"`",
        way: Way::Through,
        sent,
        told_ok: sent,
        stored: leader_1,
        lost: sent - leader_1,
        reported: "`holdfast_degraded_total`".into(),
    }
    .tell();
    assert_eq!(
        (direct_0, direct_1),
        (sent, sent),
        "the control: direct stores all of it"
    );
    assert_eq!(
        through_0, sent,
        "acks=0 through Holdfast must store no less than direct"
    );
    assert_eq!(super::acks0_records(&metrics, "confirmed"), SENT);
    assert!(metrics.value("holdfast_degraded_total", &[("scenario", "acks_none")]) >= SENT as f64);
    assert!(
        told.iter().all(|code| *code == 19),
        "acks=1 is told NOT_ENOUGH_REPLICAS: {told:?}"
    );
    assert_eq!(through_1, 0);
    assert!(lenient_told.iter().all(|code| *code == 0));
    assert_eq!(leader_1, sent);
}
