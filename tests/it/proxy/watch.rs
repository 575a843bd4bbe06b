//! The watch against brokers that answer, hang, lie and die.

use super::fake::{Fake, Manner, Topic};
use holdfast::cluster::{Broker, Learned, MetadataDelta, TopicFacts, View};
use holdfast::proxy::settings::{Cluster, HostPort};
use holdfast::proxy::watch::{Handle, Watch};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A watch that ends with the test.
struct Watching {
    handle: Handle,
    _guard: DropGuard,
}

fn watching(servers: &[&HostPort]) -> Watching {
    watching_every(servers, Duration::from_secs(3600))
}

fn watching_every(servers: &[&HostPort], metadata_refresh: Duration) -> Watching {
    let cancel = CancellationToken::new();
    let cluster = Cluster {
        bootstrap_servers: servers.iter().map(|server| (*server).clone()).collect(),
        connect_timeout: Duration::from_secs(2),
        metadata_refresh,
        lookup_timeout: Duration::from_secs(1),
        tcp_user_timeout: Duration::from_secs(20),
        tls: None,
        sasl: None,
    };
    Watching {
        handle: Watch::start(cluster, cancel.clone()),
        _guard: cancel.drop_guard(),
    }
}

impl Watching {
    async fn ready(&self) {
        let mut ready = self.handle.ready();
        let first = tokio::time::timeout(Duration::from_secs(20), ready.wait_for(|ready| *ready));
        first.await.expect("no first view within 20 s").unwrap();
    }

    /// Waits until the view is as `expected`.
    async fn until(&self, what: &str, expected: impl Fn(&View) -> bool) -> Arc<View> {
        let begun = Instant::now();
        loop {
            let view = self.handle.view();
            if expected(&view) {
                return view;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "{what}: {view:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn topic_seen(&self, name: &str) {
        self.handle.learned(Learned::TopicSeen(name.into()));
    }

    async fn confirm(&self, topic: &str) -> Option<u32> {
        let facts = self.handle.confirm(topic.into()).await.unwrap_or(None);
        facts.and_then(|facts| facts.max_message_bytes)
    }
}

#[tokio::test]
async fn the_first_view_has_brokers_and_topics_come_when_a_session_saw_them() {
    let fake = Fake::start(1).await;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 5_000, 2, &[(1, 3, 3), (1, 3, 1)]));
    fake.state()
        .topics
        .insert("unused".into(), Topic::new(2, 5, 1, &[(1, 3, 3)]));
    let watching = watching(&[&fake.server]);
    watching.ready().await;
    let view = watching.handle.view();
    assert_eq!(view.brokers.keys().collect::<Vec<_>>(), [&1]);
    assert!(view.topics.is_empty());
    watching.topic_seen("a");
    let view = watching
        .until("configs of a", |view| {
            view.topic("a")
                .is_some_and(|topic| topic.max_message_bytes == Some(5_000))
        })
        .await;
    assert_eq!(view.smallest_batch_limit, Some(5_000));
    assert!(view.is_degraded("a", 1) && !view.is_degraded("a", 0));
    assert_eq!(fake.state().configs_asked, [["a"]]);
    assert!(fake.state().metadata_asked.contains(&vec!["a".to_owned()]));
}

/// A client asks about a topic before it writes to it, and its first batch may be too large already.
#[tokio::test]
async fn limits_of_a_topic_that_a_passing_metadata_named_do_not_wait_for_the_next_look() {
    let fake = Fake::start(1).await;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 5_000, 1, &[(1, 1, 1)]));
    let watching = watching_every(&[&fake.server], Duration::from_secs(3600));
    watching.ready().await;
    let passed = TopicFacts {
        name: "a".into(),
        id: Some([1; 16]),
        max_message_bytes: None,
        min_insync_replicas: None,
        keeping: Default::default(),
        configs: None,
        partitions: Vec::new(),
    };
    let delta = MetadataDelta {
        topics: vec![passed],
        ..MetadataDelta::default()
    };
    watching.handle.learned(Learned::Metadata(Box::new(delta)));
    watching
        .until("configs of a", |view| {
            view.topic("a")
                .is_some_and(|topic| topic.max_message_bytes == Some(5_000))
        })
        .await;
}

/// A listener that asks for a password lets clients in, and the watch not.
#[tokio::test]
async fn a_passing_metadata_is_a_first_view_where_no_server_answers_the_watch() {
    let fake = Fake::start(1).await;
    let server = fake.server.clone();
    drop(fake);
    let watching = watching(&[&server]);
    let broker = Broker {
        host: "kafka-1".into(),
        port: 9092,
        rack: None,
    };
    let delta = MetadataDelta {
        brokers: vec![(1, broker)],
        ..MetadataDelta::default()
    };
    watching.handle.learned(Learned::Metadata(Box::new(delta)));
    watching.ready().await;
    assert_eq!(watching.handle.view().brokers[&1].host, "kafka-1");
}

#[tokio::test]
async fn a_topic_seen_by_id_is_looked_up_and_an_unknown_id_does_no_harm() {
    let fake = Fake::start(1).await;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(7, 5_000, 1, &[(1, 1, 1)]));
    let watching = watching(&[&fake.server]);
    watching.topic_seen("nosuch");
    watching.handle.learned(Learned::TopicIdSeen([7; 16]));
    watching.handle.learned(Learned::TopicIdSeen([8; 16]));
    let view = watching
        .until("topic 7", |view| view.topic_by_id(&[7; 16]).is_some())
        .await;
    assert_eq!(&*view.topic_by_id(&[7; 16]).unwrap().name, "a");
    assert!(view.topic("nosuch").is_none());
}

#[tokio::test]
async fn the_smallest_request_limit_of_all_brokers_is_learned_from_each() {
    let (one, two) = (Fake::start(1).await, Fake::start(2).await);
    one.state().brokers.insert(2, two.server.clone());
    one.state().socket_request_max_bytes = 200;
    two.state().socket_request_max_bytes = 100;
    let watching = watching(&[&one.server]);
    watching
        .until("limit", |view| view.socket_request_max_bytes == Some(100))
        .await;
}

#[tokio::test]
async fn a_broker_without_describe_configs_is_watched_all_the_same() {
    let fake = Fake::start(1).await;
    fake.state().knows_describe_configs = false;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 5_000, 2, &[(1, 3, 1)]));
    let watching = watching(&[&fake.server]);
    watching.topic_seen("a");
    let view = watching.until("a", |view| view.topic("a").is_some()).await;
    assert_eq!(view.topic("a").unwrap().max_message_bytes, None);
    assert!(
        !view.is_degraded("a", 0),
        "what is not known condemns nothing"
    );
    assert_eq!(watching.confirm("a").await, None);
}

#[tokio::test]
async fn missing_replicas_count_at_once_and_until_a_look_finds_them_back() {
    let fake = Fake::start(1).await;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 5_000, 2, &[(1, 3, 3)]));
    let watching = watching(&[&fake.server]);
    watching.topic_seen("a");
    watching.until("a", |view| view.topic("a").is_some()).await;
    let looks = watching.handle.stats().looks.load(Relaxed);
    watching.handle.learned(Learned::NotEnoughReplicasById {
        topic: [1; 16],
        partition: 0,
    });
    watching
        .until("degraded", |view| view.is_degraded("a", 0))
        .await;
    watching
        .until("healthy", |view| !view.is_degraded("a", 0))
        .await;
    assert!(watching.handle.stats().looks.load(Relaxed) > looks);
}

#[tokio::test]
async fn a_flood_of_news_makes_few_looks() {
    let fake = Fake::start(1).await;
    let watching = watching(&[&fake.server]);
    watching.ready().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_100) {
        watching.handle.learned(Learned::NotLeader);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let looks = fake.state().metadata_asked.len();
    assert!((2..=6).contains(&looks), "{looks} looks in 1.1 s");
}

#[tokio::test]
async fn brokers_that_move_join_and_leave_are_followed() {
    let fake = Fake::start(1).await;
    let other = HostPort {
        host: "127.0.0.1".into(),
        port: 9,
    };
    fake.state().brokers.insert(2, other.clone());
    let watching = watching_every(&[&fake.server], Duration::from_millis(100));
    watching.until("two", |view| view.brokers.len() == 2).await;
    fake.state().brokers.remove(&2);
    fake.state()
        .brokers
        .insert(3, HostPort { port: 10, ..other });
    let view = watching
        .until("three", |view| view.brokers.contains_key(&3))
        .await;
    assert!(!view.brokers.contains_key(&2));
    assert_eq!(view.brokers[&3].port, 10);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_refuses_or_is_silent() {
    let (silent, good) = (Fake::start(1).await, Fake::start(2).await);
    silent.state().manner = Manner::Silent;
    let nobody = HostPort {
        host: "127.0.0.1".into(),
        port: 9,
    };
    let watching = watching(&[&nobody, &silent.server, &good.server]);
    watching.ready().await;
    assert!(watching.handle.view().brokers.contains_key(&2));
    assert_eq!(watching.handle.stats().failures.load(Relaxed), 2);
}

#[tokio::test]
async fn a_broker_that_falls_silent_later_is_left_for_one_that_metadata_named() {
    let (first, second) = (Fake::start(1).await, Fake::start(2).await);
    let both = [(1, first.server.clone()), (2, second.server.clone())];
    first.state().brokers.extend(both.clone());
    second.state().brokers.extend(both);
    second
        .state()
        .topics
        .insert("a".into(), Topic::new(1, 5_000, 1, &[(2, 1, 1)]));
    let watching = watching(&[&first.server]);
    watching.ready().await;
    first.state().manner = Manner::Silent;
    watching.topic_seen("a");
    let view = watching
        .until("a at the second", |view| view.topic("a").is_some())
        .await;
    assert_eq!(view.brokers.len(), 2);
    // While it is silent, nothing of what sessions tell is lost, and confirmations find the second broker in time.
    assert_eq!(watching.confirm("a").await, Some(5_000));
}

#[tokio::test]
async fn nothing_that_a_server_says_ends_or_stops_the_watch() {
    let huge_count = [vec![0_u8; 2], vec![0x7f, 0xff, 0xff, 0xff], vec![0; 40]].concat();
    let hostile = [
        Manner::WrongCorrelationId,
        Manner::Endless,
        Manner::Says(vec![0xff; 64]),
        Manner::Says(vec![0, 0, 0, 3, 1, 2, 3]),
        Manner::Says(vec![0, 0, 0, 100, 0, 0]),
        Manner::Body(Vec::new()),
        Manner::Body(huge_count),
        Manner::Body(vec![0x7f, 0xff, 0xff, 0xff, 0]),
        Manner::Body(vec![0xff; 300]),
    ];
    let mut fakes = Vec::new();
    for manner in hostile {
        let fake = Fake::start(1).await;
        fake.state().manner = manner;
        fakes.push(fake);
    }
    let good = Fake::start(2).await;
    let mut servers: Vec<_> = fakes.iter().map(|fake| &fake.server).collect();
    servers.push(&good.server);
    let watching = watching(&servers);
    watching.ready().await;
    assert_eq!(watching.handle.stats().failures.load(Relaxed), 9);
    assert!(watching.handle.view().brokers.contains_key(&2));
}

#[tokio::test]
async fn those_who_ask_while_a_confirmation_is_under_way_share_the_next_one() {
    let fake = Fake::start(1).await;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 100, 1, &[(1, 1, 1)]));
    let watching = watching(&[&fake.server]);
    watching.ready().await;
    fake.state().manner = Manner::SlowConfigs(Duration::from_millis(200));
    let first = watching.handle.confirm("a".into());
    while fake.state().configs_asked.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It is under way: what it will tell is no longer true for those who ask now.
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 900, 1, &[(1, 1, 1)]));
    let later: Vec<_> = (0..50)
        .map(|_| watching.handle.confirm("a".into()))
        .collect();
    let limit =
        |facts: Option<Arc<holdfast::cluster::TopicFacts>>| facts.unwrap().max_message_bytes;
    assert_eq!(limit(first.await.unwrap()), Some(100));
    for answer in later {
        assert_eq!(limit(answer.await.unwrap()), Some(900));
    }
    assert_eq!(fake.state().configs_asked, [["a"], ["a"]]);
    assert_eq!(watching.handle.stats().confirmed.load(Relaxed), 51);
}

#[tokio::test]
async fn a_confirmation_reaches_the_view_and_unknown_topics_are_not_confirmed() {
    let fake = Fake::start(1).await;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 100, 1, &[(1, 1, 1)]));
    let watching = watching(&[&fake.server]);
    watching.topic_seen("a");
    watching
        .until("a", |view| view.smallest_batch_limit == Some(100))
        .await;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 900, 1, &[(1, 1, 1)]));
    assert_eq!(watching.confirm("a").await, Some(900));
    watching
        .until("the new limit", |view| {
            view.smallest_batch_limit == Some(900)
        })
        .await;
    assert_eq!(watching.confirm("nosuch").await, None);
}

#[tokio::test]
async fn a_confirmation_that_nobody_answers_ends_within_the_lookup_timeout() {
    let fake = Fake::start(1).await;
    let watching = watching(&[&fake.server]);
    watching.ready().await;
    fake.state().manner = Manner::Silent;
    let begun = Instant::now();
    assert_eq!(watching.confirm("a").await, None);
    assert!(
        begun.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        begun.elapsed()
    );
    // And the one after it, over a connection that is as good as new.
    fake.state().manner = Manner::Answers;
    fake.state()
        .topics
        .insert("a".into(), Topic::new(1, 100, 1, &[(1, 1, 1)]));
    assert_eq!(watching.confirm("a").await, Some(100));
}

#[tokio::test]
async fn what_sessions_tell_is_dropped_and_counted_when_nobody_reads_it_in_time() {
    let fake = Fake::start(1).await;
    let watching = watching(&[&fake.server]);
    // One thread: the watch cannot read while this loop runs.
    for _ in 0..10_000 {
        watching.handle.learned(Learned::NotLeader);
    }
    assert_eq!(
        watching.handle.stats().learned_dropped.load(Relaxed),
        10_000 - 4096
    );
    watching.ready().await;
}
