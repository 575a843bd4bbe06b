//! The honest row: where fewer replicas are in sync than `min.insync.replicas` asks for, raising acks can store less than
//! direct would. For acks=0 Holdfast steps back to acks=1 there; for acks=1 the client sees NOT_ENOUGH_REPLICAS, unless
//! the operator chose `below_min_isr = "leader"`.

use super::{Row, Way};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Metrics, Options};
use crate::support::kafka::{Cluster, Spec, Version};
use crate::support::raw::{Batch, Metadata, Produce, Raw};
use crate::support::rdk;
use std::ops::Range;
use std::time::Duration;

const SENT: u64 = 100;

/// Sends ids one by one to partition 0 at `address`: the error codes that came back (none for acks=0).
fn send(address: &str, topic: &str, acks: i16) -> Vec<i16> {
    send_ids(address, topic, acks, 0..SENT)
}

fn send_ids(address: &str, topic: &str, acks: i16, ids: Range<u64>) -> Vec<i16> {
    let mut connection = Raw::connect(address).expect("the leader's port");
    let mut codes = Vec::new();
    for id in ids {
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
    let (_, report) = holdfast.get("/report").expect("an answer");
    let named = topics.map(|topic| format!("\"{topic}-0\""));
    assert!(named.iter().all(|name| report.contains(name)), "{report}");
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

/// A cluster whose ISRs shrink, and these topics with all three replicas on it, led by broker 1.
fn three_replicas(topics: &[&str]) -> Cluster {
    let cluster = Cluster::start(Spec::new(Version::V4_3_1).dedicated_controller());
    for topic in topics {
        cluster.create_topic_on(topic, &[&[1, 2, 3]], &[("min.insync.replicas", "2")]);
    }
    cluster
}

/// A look at the cluster that shows these topics to Holdfast, as any client's first one does.
fn make_known(holdfast: &Holdfast, topics: &[&str]) {
    let mut connection = Raw::connect(&holdfast.broker_addr(1)).unwrap();
    Metadata::ask(&mut connection, Some(topics), Duration::from_secs(10)).unwrap();
}

/// Brokers 2 and 3 stop, and only the leader is left in sync.
fn leave_the_leader_alone(cluster: &Cluster, topics: &[&str]) {
    [2, 3].iter().for_each(|id| cluster.broker(*id).freeze());
    for topic in topics {
        let isr = cluster.wait_isr(topic, 0, 1, Duration::from_secs(60));
        assert_eq!(isr, [1], "{topic}");
    }
}

fn come_back(cluster: &Cluster, topics: &[&str]) {
    [2, 3].iter().for_each(|id| cluster.broker(*id).thaw());
    for topic in topics {
        cluster.wait_isr(topic, 0, 3, Duration::from_secs(90));
    }
}

/// Until every acks=0 record has its end: confirmed, refused, unknown.
fn settled(holdfast: &Holdfast, records: u64) -> (Metrics, [u64; 3]) {
    eventually("acks=0 is settled", Duration::from_secs(60), || {
        let metrics = holdfast.metrics();
        let ends = ["confirmed", "refused", "unknown"]
            .map(|outcome| super::acks0_records(&metrics, outcome));
        match ends.iter().sum::<u64>() == records {
            true => Ok((metrics, ends)),
            false => Err(format!("{ends:?} of {records}")),
        }
    })
}

/// At most one look was under way before: the second sees the cluster as it is now.
fn wait_for_two_looks(holdfast: &Holdfast) {
    let looks = || {
        let labels = [("outcome", "success")];
        holdfast
            .metrics()
            .value_or_zero("holdfast_watch_looks_total", &labels)
    };
    let seen = looks();
    eventually("two more looks", Duration::from_secs(90), || {
        match looks() - seen {
            more if more >= 2.0 => Ok(()),
            more => Err(format!("{more}")),
        }
    });
}

#[test]
fn with_two_of_three_replicas_stopped_acks_0_stores_no_less_than_direct_and_acks_1_is_told() {
    let topics = ["direct-0", "direct-1", "through-0", "through-1"];
    let cluster = three_replicas(&topics);
    let toml = "[cluster]\nmetadata_refresh_ms = 1000\n";
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(toml));
    make_known(&holdfast, &topics);
    leave_the_leader_alone(&cluster, &topics);
    wait_for_two_looks(&holdfast);

    let direct = cluster.broker(1).addr();
    send(&direct, "direct-0", 0);
    let direct_told = send(&direct, "direct-1", 1);
    send(&holdfast.broker_addr(1), "through-0", 0);
    let told = send(&holdfast.broker_addr(1), "through-1", 1);
    let (metrics, ends) = settled(&holdfast, SENT);
    come_back(&cluster, &topics);

    let [direct_0, direct_1, through_0, through_1] = topics.map(|topic| stored(&cluster, topic));
    let sent = SENT as usize;
    let ok = |codes: &[i16]| codes.iter().filter(|code| **code == 0).count();
    for (experiment, way, told_ok, stored, reported) in [
        (ACKS_0, Way::Direct, sent, direct_0, ""),
        (
            ACKS_0,
            Way::Through,
            sent,
            through_0,
            "`holdfast_degraded_total`: acks became 1",
        ),
        (ACKS_1, Way::Direct, ok(&direct_told), direct_1, ""),
        (
            ACKS_1,
            Way::Through,
            ok(&told),
            through_1,
            "the client: NOT_ENOUGH_REPLICAS",
        ),
    ] {
        Row {
            experiment,
            way,
            sent,
            told_ok,
            stored,
            lost: told_ok.saturating_sub(stored),
            reported: reported.into(),
        }
        .tell();
    }
    assert_eq!(
        (direct_0, direct_1, ok(&direct_told)),
        (sent, sent, sent),
        "the control: direct stores all of it"
    );
    assert_eq!((through_0, ends), (sent, [SENT, 0, 0]));
    assert!(metrics.value("holdfast_degraded_total", &[("scenario", "acks_none")]) >= SENT as f64);
    assert!(told.iter().all(|code| *code == 19), "{told:?}");
    assert_eq!(through_1, 0);
}

const ACKS_0: &str = "07 RF 3, `min.insync.replicas` 2, two replicas stopped, acks=0";
const ACKS_1: &str = "08 the same, acks=1";
const UNSEEN: &str = "09 the same, acks=0, and Holdfast's view is an hour old";

/// Requests that may be on their way before the first NOT_ENOUGH_REPLICAS has made itself known: those that
/// `max_absorbed_in_flight` allows, and some that pass while it travels from one connection to the view of all.
const FIRST_WINDOW: u64 = 4 * 8;
const UNSEEN_SENT: u64 = 1_000;

#[test]
fn an_absorbed_19_alone_makes_acks_0_step_back_after_a_first_window() {
    let topics = ["direct", "through"];
    let cluster = three_replicas(&topics);
    let toml = "[cluster]\nmetadata_refresh_ms = 3600000\n";
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(toml));
    make_known(&holdfast, &topics);
    // What is new is looked at, once, while everything is in sync.
    std::thread::sleep(Duration::from_secs(3));
    leave_the_leader_alone(&cluster, &topics);

    send_ids(&cluster.broker(1).addr(), "direct", 0, 0..UNSEEN_SENT);
    send_ids(&holdfast.broker_addr(1), "through", 0, 0..UNSEEN_SENT);
    let (metrics, [confirmed, refused, unknown]) = settled(&holdfast, UNSEEN_SENT);
    come_back(&cluster, &topics);
    let [direct, through] = topics.map(|topic| rdk::ids(&cluster.read_all(topic)));
    let sent = UNSEEN_SENT as usize;
    for (way, stored, reported) in [
        (Way::Direct, direct.len(), String::new()),
        (
            Way::Through,
            through.len(),
            format!("{confirmed} confirmed, {refused} refused"),
        ),
    ] {
        Row {
            experiment: UNSEEN,
            way,
            sent,
            told_ok: sent,
            stored,
            lost: sent - stored,
            reported,
        }
        .tell();
    }
    assert_eq!(direct.len(), sent, "the control: direct stores all of it");
    assert!(
        (1..=FIRST_WINDOW).contains(&refused),
        "refused {refused}: 0 would mean that the view knew before any broker said 19"
    );
    assert_eq!(unknown, 0);
    assert_eq!(through.len() as u64, confirmed);
    // Only the first ones are missing: from the first that is stored on, all are.
    let first = through.first().copied().expect("something is stored");
    assert_eq!(through, (first..UNSEEN_SENT).collect());
    let failures = [
        ("scenario", "acks_none"),
        ("error_code", "NOT_ENOUGH_REPLICAS"),
    ];
    let failed = metrics.value("holdfast_override_failures_total", &failures);
    assert_eq!(failed as u64, refused);
    let degraded = metrics.value("holdfast_degraded_total", &[("scenario", "acks_none")]);
    assert_eq!(degraded as u64, confirmed);
}
