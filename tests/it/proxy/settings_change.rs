//! Settings that change under a connection: a request is judged by one of them, to the last byte of its answer, and no
//! connection is lost over it. And connections that are closed for their age.

use super::driven::{Gate, SOON, correlation_id, frame, produce, reply};
use holdfast::config::{self, Overrides};
use holdfast::proxy::Phase;
use holdfast::proxy::settings::Settings;
use holdfast::session::event::CloseCause;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

fn settings(toml: &str) -> Settings {
    let overrides = Overrides {
        bootstrap_servers: Some(vec!["127.0.0.1:1".to_owned()]),
        ..Overrides::default()
    };
    config::load("gateway.toml", toml, &overrides, &|_| None)
        .expect("settings")
        .proxy
}

const OBSERVE: &str = "policy.preset = \"observe\"\n";

#[tokio::test(start_paused = true)]
async fn a_request_is_begun_under_new_settings_only_when_all_before_it_are_answered() {
    let gate = Gate::new("");
    let mut line = gate.connect();
    let (first, second) = (produce(1, 1, 3, 400), produce(2, 1, 3, 400));
    line.client.write_all(&first).await.unwrap();
    let mut broker = line.broker().await;
    let came = frame(&mut broker).await.unwrap();
    assert_ne!(came, first, "acks=1 was raised");

    gate.shared.replace(&settings(OBSERVE));
    line.client.write_all(&second).await.unwrap();
    let mut byte = [0];
    let more = timeout(Duration::from_secs(5), broker.read(&mut byte)).await;
    assert!(more.is_err(), "the first one is not answered yet");

    broker.write_all(&reply(&came)).await.unwrap();
    let answer = frame(&mut line.client).await.unwrap();
    assert_eq!(correlation_id(&answer, 4), 1);
    let came = frame(&mut broker).await.unwrap();
    assert_eq!(came, second, "under the new settings it passes as it is");
    drop(line.client);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_half_read_is_judged_to_its_end_under_the_settings_it_began_with() {
    let gate = Gate::new("");
    let mut line = gate.connect();
    let first = produce(1, 1, 3, 40_000);
    line.client.write_all(&first[..20_000]).await.unwrap();
    let mut broker = line.broker().await;
    gate.shared.replace(&settings(OBSERVE));
    sleep(Duration::from_secs(1)).await;
    line.client.write_all(&first[20_000..]).await.unwrap();
    assert_ne!(frame(&mut broker).await.unwrap(), first);
    drop(line.client);
}

/// Requests with acks=0 are told apart at the broker: raised, or as they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_under_pipelined_load_lose_no_connection_and_mix_no_settings() {
    const CONNECTIONS: i32 = 8;
    // size, key, version, correlation id, client id "app", tags, transactional id
    const ACKS_AT: usize = 4 + 2 + 2 + 4 + 5 + 1 + 1;
    let gate = Arc::new(Gate::new(""));
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    let mut brokers = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut line = gate.connect();
        line.client.write_all(&produce(0, 1, 3, 300)).await.unwrap();
        let mut broker = line.broker().await;
        brokers.spawn(async move {
            let (mut raised, mut silent) = (0_u64, 0_u64);
            while let Some(request) = frame(&mut broker).await {
                let id = correlation_id(&request, 8);
                let as_sent = |acks: i16| request[ACKS_AT..ACKS_AT + 2] == acks.to_be_bytes();
                match (id % 2 == 1, as_sent(0), as_sent(1)) {
                    (true, true, _) => {
                        silent += 1;
                        continue; // acks=0: nobody is to be answered.
                    }
                    (true, false, _) | (false, _, false) => raised += 1,
                    (false, _, true) => {}
                }
                broker.write_all(&reply(&request)).await.unwrap();
            }
            (raised, silent)
        });
        let over = over.clone();
        clients.spawn(async move {
            let mut sent = 0;
            let first = frame(&mut line.client).await.unwrap();
            assert_eq!(correlation_id(&first, 4), 0);
            while !over.load(Relaxed) {
                let (from, to) = (sent + 1, sent + 20);
                let burst: Vec<u8> = (from..=to)
                    .flat_map(|id| produce(id, (id % 2 == 0).into(), 3, 300))
                    .collect();
                line.client.write_all(&burst).await.unwrap();
                for id in (from..=to).filter(|id| id % 2 == 0) {
                    let answer = frame(&mut line.client).await.expect("still connected");
                    assert_eq!(correlation_id(&answer, 4), id);
                }
                sent = to;
            }
            drop(line.client);
            sent as u64
        });
    }
    let (all, observe) = (settings(""), settings(OBSERVE));
    let mut changes = 0;
    // By their number, and not by the time that they take: this machine may be busy.
    while changes < 1000 {
        for new in [&observe, &all] {
            gate.shared.replace(new);
            changes += 1;
            sleep(Duration::from_millis(3)).await;
        }
    }
    over.store(true, Relaxed);
    let sent: u64 = clients.join_all().await.iter().sum();
    let seen = brokers.join_all().await;
    let raised: u64 = seen.iter().map(|(raised, _)| raised).sum();
    let silent: u64 = seen.iter().map(|(_, silent)| silent).sum();
    assert!(raised > 100 && silent > 100, "{raised}, {silent}");
    let told = |mode| {
        let labels = [("mode", mode), ("api_key", "Produce")];
        let by = |scenario| {
            let labels = [labels[0], labels[1], ("scenario", scenario)];
            gate.telemetry.sum("holdfast_overrides_total", &labels)
        };
        by("acks_none") + by("acks_leader")
    };
    assert_eq!(told("enforce"), raised, "what was done is what was counted");
    assert_eq!(told("enforce") + told("observe"), sent + CONNECTIONS as u64);
    assert!(
        gate.closes()
            .iter()
            .all(|cause| *cause == CloseCause::ClientClosed),
        "{:?}",
        gate.closes()
    );
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_ends_when_what_is_under_way_was_answered_and_not_before() {
    let gate = Gate::new("limits.max_connection_age_ms = 10000\n");
    let mut line = gate.connect();
    let begun = Instant::now();
    sleep(Duration::from_secs(8)).await;
    line.client
        .write_all(&produce(1, -1, 3, 400))
        .await
        .unwrap();
    let mut broker = line.broker().await;
    let came = frame(&mut broker).await.unwrap();
    sleep(Duration::from_secs(4)).await;
    assert_eq!(gate.closes(), [CloseCause::MaxAge]);
    broker.write_all(&reply(&came)).await.unwrap();
    let answer = frame(&mut line.client)
        .await
        .expect("the answer still comes");
    assert_eq!(correlation_id(&answer, 4), 1);
    assert!(frame(&mut line.client).await.is_none(), "and then the end");
    assert!(begun.elapsed() >= Duration::from_secs(12));
    line.client.shutdown().await.unwrap();
    timeout(SOON, line.task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_made_together_are_old_within_ten_percent_and_not_all_at_once() {
    let gate = Gate::new("limits.max_connection_age_ms = 100000\n");
    let mut ends = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for _ in 0..50 {
        let mut line = gate.connect();
        ends.spawn(async move {
            let _ = line.client.read(&mut [0]).await;
            begun.elapsed().as_secs_f64()
        });
    }
    let ends = ends.join_all().await;
    let (first, last) = (
        ends.iter().copied().fold(f64::MAX, f64::min),
        ends.iter().copied().fold(0.0, f64::max),
    );
    assert!(
        first >= 90.0 && last <= 110.1 && last - first > 5.0,
        "{first} to {last}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_connection_is_too_old_by_default() {
    let gate = Gate::new("limits.idle_timeout_ms = 86400000\n");
    let line = gate.connect();
    sleep(Duration::from_secs(80_000)).await;
    assert_eq!(gate.closes(), []);
    drop(line);
}

/// When a connection that sends nothing ends, after so many other settings.
async fn rests_until_its_end(changes: usize, last: &str) -> Duration {
    let gate = Gate::new("");
    let mut line = gate.connect();
    let begun = Instant::now();
    for _ in 0..changes {
        gate.shared.replace(&settings(OBSERVE));
        sleep(Duration::from_secs(1)).await;
    }
    gate.shared.replace(&settings(last));
    let mut byte = [0];
    let end = timeout(Duration::from_secs(1000), line.client.read(&mut byte)).await;
    assert!(matches!(end, Ok(Ok(0))), "{end:?}");
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rests_takes_on_new_settings_at_once() {
    for changes in 0..4 {
        let took = rests_until_its_end(changes, "limits.idle_timeout_ms = 20000\n").await;
        assert_eq!(took.as_secs(), 20, "{changes} changes before");
        let took = rests_until_its_end(changes, "limits.max_connection_age_ms = 100000\n").await;
        assert!((90..=110).contains(&took.as_secs()), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rests_hears_of_the_drain_and_of_its_end_however_often_settings_changed()
{
    for changes in 0..4 {
        let gate = Gate::new("drain.close_drain_timeout_ms = 60000\ndrain.timeout_ms = 60000\n");
        let mut line = gate.connect();
        sleep(Duration::from_secs(1)).await;
        for _ in 0..changes {
            gate.shared.replace(&settings(
                "drain.close_drain_timeout_ms = 59000\ndrain.timeout_ms = 60000\n",
            ));
            sleep(Duration::from_secs(1)).await;
        }
        let begun = Instant::now();
        gate.shared.enter(Phase::Draining);
        assert!(frame(&mut line.client).await.is_none());
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(gate.closes(), [CloseCause::Drain]);
        gate.shared.replace(&settings(OBSERVE));
        sleep(Duration::from_millis(1)).await;
        // It still waits for the client's own end.
        gate.shared.enter(Phase::Aborting);
        timeout(Duration::from_secs(1), line.task)
            .await
            .unwrap()
            .unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
