//! What the gateway does beside its connections: alarms that are confirmed, and weak topics that are repaired.

use super::fake::{Fake, Manner, Topic};
use crate::support::ports;
use holdfast::cluster::Learned;
use holdfast::config::{self, Overrides};
use holdfast::ledger::acked::Truncation;
use holdfast::proxy::watch::{Watch, repair};
use holdfast::proxy::{Shared, truncations};
use holdfast::telemetry::Telemetry;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

const SOON: Duration = Duration::from_secs(20);

/// A gateway without listeners, in front of one fake broker that leads the topic `orders`.
struct Quiet {
    fake: Fake,
    shared: Arc<Shared>,
    cancel: CancellationToken,
    _guard: DropGuard,
}

impl Quiet {
    async fn start(topic: Topic, toml: &str) -> Quiet {
        let fake = Fake::start(1).await;
        fake.state().topics.insert("orders".into(), topic);
        let overrides = Overrides {
            bootstrap_servers: Some(vec![fake.server.to_string()]),
            bootstrap_port: Some(ports::free().into()),
            ..Overrides::default()
        };
        let settings = config::load("gateway.toml", toml, &overrides, &|_| None).expect("settings");
        let telemetry = Telemetry::new(&settings.telemetry, &settings.proxy.policy);
        let cancel = CancellationToken::new();
        let watch = Watch::start(settings.proxy.cluster.clone(), cancel.clone());
        watch.learned(Learned::TopicSeen("orders".into()));
        Quiet {
            fake,
            shared: Arc::new(Shared::new(settings.proxy, watch, telemetry)),
            _guard: cancel.clone().drop_guard(),
            cancel,
        }
    }

    /// Runs until the end of the test.
    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.cancel.clone().run_until_cancelled_owned(task));
    }

    fn confirms(self) -> Quiet {
        self.run(truncations::confirm(self.shared.clone()));
        self
    }

    fn repairs(self) -> Quiet {
        self.run(repair::repair(self.shared.clone()));
        self
    }

    async fn until(&self, family: &str, labels: &[(&str, &str)], expected: u64) {
        let begun = Instant::now();
        loop {
            let found = self.shared.telemetry.sum(family, labels);
            if found == expected {
                return;
            }
            let late = begun.elapsed() > SOON || found > expected;
            assert!(!late, "{family} {labels:?}: {found}, not {expected}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn repaired(&self, outcome: &str, times: u64) {
        let labels = [("outcome", outcome)];
        self.until("holdfast_topic_repairs_total", &labels, times)
            .await;
    }

    fn min_isr(&self) -> String {
        self.fake.state().topics["orders"].configs["min.insync.replicas"].clone()
    }

    /// The cluster changes the topic.
    fn change(&self, change: impl FnOnce(&mut Topic)) {
        change(self.fake.state().topics.get_mut("orders").unwrap());
    }

    fn altered(&self) -> usize {
        self.fake.state().altered.len()
    }
}

fn topic(min_isr: u16, partitions: &[(i32, usize, usize)]) -> Topic {
    Topic::new(7, 1_000_000, min_isr, partitions)
}

// ---------------------------------------------------------------------------------------------------------- alarms

const ALARMS: (&str, &[(&str, &str)]) = (
    "holdfast_observations_total",
    &[("scenario", "acked_truncation")],
);

fn truncation(id: u8, proven: bool) -> Truncation {
    Truncation {
        topic: "orders".into(),
        topic_id: [id; 16],
        partition: 0,
        acknowledged_offset: 5_099,
        base_offset: 100,
        proven,
        client_id: Some("app".into()),
        exact: false,
    }
}

#[tokio::test]
async fn an_alarm_counts_the_offsets_once_the_topic_is_found_to_be_the_same() {
    let quiet = Quiet::start(topic(2, &[(1, 3, 3)]), "").await.confirms();
    quiet.shared.ledger.acked.find(truncation(7, true));
    quiet.until(ALARMS.0, ALARMS.1, 5_000).await;
    let by_topic = [("scenario", "acked_truncation"), ("topic", "orders")];
    let by_client = [("scenario", "acked_truncation"), ("client_id", "app")];
    quiet
        .until("holdfast_observations_by_topic_total", &by_topic, 5_000)
        .await;
    quiet
        .until("holdfast_observations_by_client_total", &by_client, 5_000)
        .await;
    quiet.until("holdfast_suspected_total", &[], 0).await;
}

#[tokio::test]
async fn a_hint_is_counted_apart() {
    let quiet = Quiet::start(topic(2, &[(1, 3, 3)]), "").await.confirms();
    quiet.shared.ledger.acked.find(truncation(7, false));
    let labels = [("scenario", "acked_truncation")];
    quiet.until("holdfast_suspected_total", &labels, 1).await;
    quiet.until(ALARMS.0, ALARMS.1, 0).await;
}

#[tokio::test]
async fn a_topic_created_anew_raises_no_alarm_and_its_old_offsets_are_forgotten() {
    let quiet = Quiet::start(topic(2, &[(1, 3, 3)]), "").await.confirms();
    let acked = &quiet.shared.ledger.acked;
    let (name, old) = (Arc::from("orders"), [6; 16]);
    let cell = acked.cell(&name, old, 0).unwrap();
    acked.find(truncation(6, true));
    let begun = Instant::now();
    while !cell.is_gone() {
        assert!(begun.elapsed() < SOON);
        sleep(Duration::from_millis(10)).await;
    }
    assert!(acked.cell(&name, old, 0).is_none());
    quiet.until(ALARMS.0, ALARMS.1, 0).await;
    quiet.until("holdfast_unverified_total", &[], 0).await;
}

#[tokio::test]
async fn an_alarm_waits_for_brokers_that_are_silent_for_a_while() {
    let quiet = Quiet::start(topic(2, &[(1, 3, 3)]), "").await.confirms();
    quiet.fake.state().manner = Manner::Silent;
    quiet.shared.ledger.acked.find(truncation(7, true));
    sleep(Duration::from_secs(3)).await;
    quiet.until(ALARMS.0, ALARMS.1, 0).await;
    quiet.fake.state().manner = Manner::Answers;
    quiet.until(ALARMS.0, ALARMS.1, 5_000).await;
}

// --------------------------------------------------------------------------------------------------------- repairs

const REPAIR: &str =
    "[cluster]\nmetadata_refresh_ms = 500\n[policy.weak_topic]\nrepair = \"enforce\"\n";

#[tokio::test]
async fn a_weak_topic_is_raised_to_the_floor_once_and_left_alone_when_it_is_set_back() {
    let quiet = Quiet::start(topic(1, &[(1, 3, 3), (1, 3, 3)]), REPAIR)
        .await
        .repairs();
    quiet.repaired("done", 1).await;
    assert_eq!(quiet.min_isr(), "2");
    let expected = [(
        "orders".to_owned(),
        "min.insync.replicas".to_owned(),
        "2".to_owned(),
    )];
    assert_eq!(quiet.fake.state().altered, expected);
    quiet.change(|topic| {
        topic.configs.insert("min.insync.replicas", "1".to_owned());
    });
    // Its configs are seen anew by a confirmation at the latest.
    quiet.shared.watch.confirm("orders".into()).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    quiet.repaired("done", 1).await;
    assert_eq!(quiet.altered(), 1);
}

#[tokio::test]
async fn a_topic_that_is_not_whole_waits_until_it_is() {
    let quiet = Quiet::start(topic(1, &[(1, 3, 3), (1, 3, 2)]), REPAIR)
        .await
        .repairs();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(quiet.altered(), 0);
    quiet.change(|topic| topic.partitions[1].2 = 3);
    quiet.repaired("done", 1).await;
    assert_eq!(quiet.min_isr(), "2");
}

#[tokio::test]
async fn nothing_is_changed_without_being_asked_for_or_without_a_replica_to_spare_or_under_an_exemption()
 {
    let exempt = "[exemptions.known]\nscenarios = [\"weak_topic\"]\ntopics = [\"ord*\"]\nowner = \"x\"\nreason = \"y\"\nexpires = \"2099-01-01\"\n";
    let floor = "[policy.weak_topic_creation]\nreplication_factor = 4\nmin_insync_replicas = 3\n";
    for (min_isr, replicas, toml) in [
        (1, 3, String::new()),
        (1, 2, REPAIR.to_owned()),
        (2, 3, REPAIR.to_owned()),
        (3, 3, REPAIR.to_owned()),
        (1, 3, format!("{REPAIR}{floor}")),
        (1, 3, format!("{REPAIR}{exempt}")),
    ] {
        let topic = topic(min_isr, &[(1, replicas, replicas)]);
        let quiet = Quiet::start(topic, &toml).await.repairs();
        sleep(Duration::from_millis(2_500)).await;
        assert_eq!(quiet.altered(), 0, "{min_isr} {replicas} {toml}");
        quiet.until("holdfast_topic_repairs_total", &[], 0).await;
    }
}

#[tokio::test]
async fn what_would_be_done_is_counted_once_and_not_done() {
    let observe = REPAIR.replace("enforce", "observe");
    let quiet = Quiet::start(topic(1, &[(1, 3, 3)]), &observe)
        .await
        .repairs();
    quiet.repaired("observed", 1).await;
    sleep(Duration::from_secs(3)).await;
    quiet.repaired("observed", 1).await;
    assert_eq!((quiet.altered(), quiet.min_isr()), (0, "1".to_owned()));
}

#[tokio::test]
async fn a_refusal_is_counted_and_not_asked_for_again_at_once() {
    let quiet = Quiet::start(topic(1, &[(1, 3, 3)]), REPAIR).await;
    // TOPIC_AUTHORIZATION_FAILED
    quiet.fake.state().alter_error = 29;
    let quiet = quiet.repairs();
    quiet.repaired("refused", 1).await;
    sleep(Duration::from_secs(3)).await;
    quiet.repaired("refused", 1).await;
    assert_eq!((quiet.altered(), quiet.min_isr()), (1, "1".to_owned()));
}
