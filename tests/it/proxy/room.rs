//! Budgets under pressure: whoever waits gets its turn, whoever gave up is in nobody's way, and nobody is blamed for
//! waiting.

use super::driven::{Gate, SOON, answer, answers_all, frame, opaque, reply};
use crate::support::rig;
use holdfast::session::event::{CloseCause, Event};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

/// A request whose topics must all be seen: an exemption may hold for one of them.
const BY_TOPIC: &str = r#"
[exemptions.some]
scenarios = ["acks_leader"]
topics = ["exempt-*"]
owner = "tests"
reason = "frames must be held"
expires = "2999-12-31"
"#;

/// Held from its first byte to its last topic: only that shows that the exemption does not hold.
fn held(correlation_id: i32, bytes: usize) -> Vec<u8> {
    let (large, small) = ([(0, rig::batch(5, bytes))], [(0, rig::batch(1, 100))]);
    let produce = rig::produce(9, 1, &[("exempt-a", &large), ("orders", &small)]);
    rig::frame(correlation_id, &produce)
}

fn gate(limits: &str) -> Gate {
    Gate::new(&format!("[limits]\n{limits}\n{BY_TOPIC}"))
}

#[tokio::test(start_paused = true)]
async fn who_waited_too_long_for_room_is_in_nobodys_way() {
    let gate = gate(
        "buffer_bytes = 4194304\nbudget_timeout_ms = 1000\n[drain]\nclose_drain_timeout_ms = 29000",
    );
    let bytes = held(1, 800_000);
    let mut holder = gate.connect();
    holder.client.write_all(&bytes[..700_000]).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let mut waiter = gate.connect();
    waiter.client.write_all(&bytes[..70_000]).await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(gate.closes(), [CloseCause::BudgetTimeout]);
    holder.client.write_all(&bytes[700_000..]).await.unwrap();
    let broker = tokio::spawn(answers_all(holder.broker().await));
    frame(&mut holder.client).await.unwrap();
    let mut next = gate.connect();
    let got_through = timeout(Duration::from_secs(2), async {
        next.client.write_all(&bytes).await.unwrap();
        frame(&mut next.broker().await).await.unwrap()
    });
    assert_eq!(got_through.await.expect("its turn").len(), bytes.len());
    broker.abort();
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_is_not_blamed_for_bringing_nothing() {
    let gate = gate("buffer_bytes = 4194304\nframe_timeout_ms = 1000\nbudget_timeout_ms = 20000");
    let bytes = held(1, 800_000);
    let mut holder = gate.connect();
    holder.client.write_all(&bytes[..100_000]).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let mut waiter = gate.connect();
    let mut part = 100_000;
    let (waiting, mut writes) = tokio::io::split(waiter.client);
    let all = bytes.clone();
    let sending = tokio::spawn(async move { writes.write_all(&all).await.map(|()| writes) });
    // The holder goes on, only not fast.
    for _ in 0..7 {
        sleep(Duration::from_millis(500)).await;
        let next = part + 85_000;
        holder.client.write_all(&bytes[part..next]).await.unwrap();
        part = next;
    }
    assert_eq!(gate.closes(), []);
    holder.client.write_all(&bytes[part..]).await.unwrap();
    let one = tokio::spawn(answers_all(holder.brokers.recv().await.unwrap()));
    let two = waiter.brokers.recv();
    let two = tokio::spawn(answers_all(timeout(SOON, two).await.unwrap().unwrap()));
    let (mut waiting, _) = (waiting, sending.await.unwrap().unwrap());
    assert!(frame(&mut waiting).await.is_some());
    one.abort();
    two.abort();
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_holds_its_room_and_stalls_is_closed_and_the_next_has_its_turn() {
    let gate = gate("buffer_bytes = 4194304\nframe_timeout_ms = 2000");
    let bytes = held(1, 800_000);
    let mut holder = gate.connect();
    holder.client.write_all(&bytes[..700_000]).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let mut next = gate.connect();
    let got_through = timeout(Duration::from_secs(4), async {
        next.client.write_all(&bytes).await.unwrap();
        frame(&mut next.broker().await).await.unwrap()
    });
    assert_eq!(got_through.await.expect("its turn").len(), bytes.len());
    assert_eq!(gate.closes(), [CloseCause::FrameStalled]);
    drop(holder);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_holds_much_room_must_bring_a_tenth_of_it_in_time() {
    let gate = gate("buffer_bytes = 4194304\nframe_timeout_ms = 2000");
    let bytes = held(1, 800_000);
    let mut holder = gate.connect();
    holder.client.write_all(&bytes[..100_000]).await.unwrap();
    for at in (100_000..).step_by(20_000).take(3) {
        sleep(Duration::from_millis(1500)).await;
        let _ = holder.client.write_all(&bytes[at..at + 20_000]).await;
    }
    assert_eq!(gate.closes(), [CloseCause::FrameStalled]);
}

/// A frame of an API that is passed on as it comes; a broker allocates for all of it at its first bytes.
fn large() -> Vec<u8> {
    opaque(1, 800_000)
}

#[tokio::test(start_paused = true)]
async fn of_a_large_frame_whose_client_has_gone_while_it_waited_no_broker_hears() {
    for bytes in [200, 3_000, 60_000] {
        let gate = gate("announced_bytes = 1048576\nbudget_timeout_ms = 20000");
        let mut holder = gate.connect();
        holder.client.write_all(&large()[..bytes]).await.unwrap();
        let mut broker = holder.broker().await;
        let mut waiters: Vec<_> = (0..5).map(|_| gate.connect()).collect();
        for waiter in &mut waiters {
            waiter.client.write_all(&large()[..bytes]).await.unwrap();
        }
        sleep(Duration::from_millis(100)).await;
        let mut gone = Vec::new();
        for waiter in waiters {
            drop(waiter.client);
            gone.push((waiter.brokers, waiter.task));
        }
        drop(holder.client);
        broker.read_to_end(&mut Vec::new()).await.ok();
        for (mut brokers, task) in gone {
            timeout(SOON, task).await.unwrap().unwrap();
            assert!(
                brokers.try_recv().is_err(),
                "a broker was dialled for {bytes} bytes"
            );
        }
        sleep(Duration::from_secs(2)).await;
        gate.assert_all_given_back();
    }
}

#[tokio::test(start_paused = true)]
async fn the_leave_of_a_frame_that_was_cut_off_is_handed_on_when_its_broker_has_let_go() {
    let gate = gate("announced_bytes = 1048576\nbudget_timeout_ms = 20000");
    let mut holder = gate.connect();
    holder.client.write_all(&large()[..3_000]).await.unwrap();
    let first = holder.broker().await;
    let mut next = gate.connect();
    next.client.write_all(&large()[..3_000]).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    drop((holder.client, first));
    next.broker().await;
    let took = begun.elapsed();
    assert!((1000..3000).contains(&took.as_millis()), "{took:?}");
}

/// Their brokers owe them answers, and they have sent more than may wait.
#[tokio::test(start_paused = true)]
async fn clients_that_have_gone_keep_no_buffer_from_others() {
    let gate = gate("buffer_bytes = 1048576\nmax_in_flight = 2\nmax_absorbed_in_flight = 2");
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut line = gate.connect();
        let requests = opaque(1, 10_000).repeat(5);
        line.client.write_all(&requests).await.unwrap();
        let broker = line.broker().await;
        sleep(Duration::from_millis(100)).await;
        drop(line.client);
        held.push((broker, line.task));
    }
    let mut next = gate.connect();
    let got_through = timeout(Duration::from_secs(14), async {
        next.client.write_all(&opaque(1, 10)).await.unwrap();
        frame(&mut next.broker().await).await.unwrap()
    });
    got_through.await.expect("its turn");
}

/// Four buffers, and four clients that keep one each: with an answer that they do not take, or take a byte of now and then.
#[tokio::test(start_paused = true)]
async fn clients_that_take_no_answers_keep_no_buffer_from_others() {
    for drips in [false, true] {
        let gate = gate("buffer_bytes = 1048576");
        let mut held = Vec::new();
        for _ in 0..4 {
            let mut line = gate.connect_with(&Arc::default(), &Arc::default(), 1000);
            line.client.write_all(&opaque(1, 10)).await.unwrap();
            let mut broker = line.broker().await;
            frame(&mut broker).await.unwrap();
            let answering = tokio::spawn(async move {
                broker.write_all(&answer(1, &[7; 60_000])).await.ok();
                sleep(SOON).await;
            });
            let mut client = line.client;
            let taking = tokio::spawn(async move {
                let mut byte = [0; 1];
                while !drips || client.read_exact(&mut byte).await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            });
            held.push((answering, taking));
        }
        sleep(Duration::from_millis(500)).await;
        assert_eq!(gate.closes(), []);
        let mut next = gate.connect();
        let got_through = timeout(Duration::from_secs(14), async {
            next.client.write_all(&opaque(1, 10)).await.unwrap();
            let mut broker = next.broker().await;
            frame(&mut broker).await.unwrap();
            broker.write_all(&answer(1, &[8; 5_000])).await.unwrap();
            frame(&mut next.client).await.unwrap()
        });
        assert_eq!(got_through.await.expect("its turn").len(), 5_008);
        let closes = gate.closes();
        assert!(!closes.is_empty(), "{drips}");
        assert!(
            closes
                .iter()
                .all(|cause| *cause == CloseCause::WriteStalled),
            "{drips} {closes:?}"
        );
        for (answering, taking) in held {
            answering.abort();
            taking.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_four_connections_share_room_for_one_held_frame() {
    let gate = gate("buffer_bytes = 4194304");
    let bytes = held(1, 900_000);
    let mut tasks = Vec::new();
    for _ in 0..64 {
        let mut line = gate.connect();
        let bytes = bytes.clone();
        tasks.push(tokio::spawn(async move {
            let (mut reads, mut writes) = tokio::io::split(line.client);
            let sending = tokio::spawn(async move {
                for _ in 0..2 {
                    writes.write_all(&bytes).await.unwrap();
                }
                writes.shutdown().await.unwrap();
            });
            let broker = tokio::spawn(answers_all(line.brokers.recv().await.unwrap()));
            for _ in 0..2 {
                assert!(frame(&mut reads).await.is_some());
            }
            sending.await.unwrap();
            assert_eq!(broker.await.unwrap(), 2);
            line.task.await.unwrap();
        }));
    }
    for task in tasks {
        timeout(SOON, task).await.expect("its turn").unwrap();
    }
    gate.assert_all_given_back();
}

#[tokio::test(start_paused = true)]
async fn more_half_sent_frames_than_there_is_room_for_do_not_stop_an_honest_one_for_longer_than_their_time()
 {
    let gate = gate("buffer_bytes = 4194304\nframe_timeout_ms = 2000\nheader_timeout_ms = 2000");
    let bytes = held(1, 60_000);
    // 16 relay buffers: each of these keeps one.
    let mut half_sent = Vec::new();
    for _ in 0..40 {
        let mut line = gate.connect();
        line.client.write_all(&bytes[..30_000]).await.unwrap();
        half_sent.push(line);
    }
    let mut honest = gate.connect();
    let got_through = timeout(Duration::from_secs(10), async {
        honest.client.write_all(&opaque(1, 100)).await.unwrap();
        frame(&mut honest.broker().await).await
    });
    assert!(got_through.await.expect("its turn").is_some());
}

#[tokio::test(start_paused = true)]
async fn who_was_let_announce_never_waits_for_those_who_wait_to_announce() {
    // Four relay buffers; leave to announce for one.
    let gate = gate("buffer_bytes = 1048576\nannounced_bytes = 1048576\nframe_timeout_ms = 25000");
    let bytes = opaque(1, 1_000_000);
    let mut first = gate.connect();
    let (mut client, mut broker) = {
        first.client.write_all(&bytes[..2000]).await.unwrap();
        let broker = first.broker().await;
        (first.client, broker)
    };
    sleep(Duration::from_millis(100)).await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        let mut line = gate.connect();
        line.client.write_all(&bytes[..2000]).await.unwrap();
        waiting.push(line);
    }
    sleep(Duration::from_millis(100)).await;
    let sending = tokio::spawn(async move {
        client.write_all(&bytes[2000..]).await.unwrap();
        client
    });
    let whole = timeout(Duration::from_secs(5), frame(&mut broker)).await;
    assert!(whole.expect("not held up").is_some());
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_is_announced_than_allowed_and_an_honest_client_gets_through() {
    const FRAME: usize = 99 * 1024 * 1024;
    let gate = Gate::new("[limits]\nannounced_bytes = 268435456\n");
    let whole = opaque(1, 0);
    let mut start = whole.clone();
    start[..4].copy_from_slice(&((whole.len() - 4 + FRAME) as u32).to_be_bytes());
    start.extend([b'x'; 2000]);
    let mut lines = Vec::new();
    for _ in 0..210 {
        let mut line = gate.connect();
        line.client.write_all(&start).await.unwrap();
        lines.push(line);
    }
    sleep(Duration::from_secs(1)).await;
    let (mut announced, mut kept) = (0, Vec::new());
    for line in &mut lines {
        if let Ok(broker) = line.brokers.try_recv() {
            announced += FRAME;
            kept.push(broker);
        }
    }
    assert!(announced > 0 && announced <= 268_435_456, "{announced}");
    let mut honest = gate.connect();
    honest.client.write_all(&opaque(1, 60_000)).await.unwrap();
    let mut broker = timeout(Duration::from_secs(1), honest.broker()).await;
    assert!(frame(broker.as_mut().unwrap()).await.is_some());
    drop(lines);
    sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn when_all_brokers_stalled_and_go_on_every_connection_goes_on() {
    // Four relay buffers for twenty connections.
    let gate = gate("buffer_bytes = 1048576");
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let line = gate.connect();
        let (reads, mut writes) = tokio::io::split(line.client);
        let sending = tokio::spawn(async move {
            for id in 0..8 {
                writes.write_all(&opaque(id, 50_000)).await.unwrap();
            }
            writes
        });
        stalled.push((reads, sending, line.brokers));
    }
    sleep(Duration::from_secs(25)).await;
    assert_eq!(gate.closes(), []);
    let mut going_on = Vec::new();
    for (mut reads, sending, mut brokers) in stalled {
        going_on.push(tokio::spawn(async move {
            let broker = tokio::spawn(answers_all(brokers.recv().await.unwrap()));
            for _ in 0..8 {
                assert!(frame(&mut reads).await.is_some());
            }
            drop((sending.await.unwrap(), reads));
            assert_eq!(broker.await.unwrap(), 8);
        }));
    }
    for task in going_on {
        timeout(SOON, task).await.expect("it goes on").unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    gate.assert_all_given_back();
}

#[tokio::test(start_paused = true)]
async fn requests_that_fill_their_room_leave_answers_theirs() {
    let gate = gate("buffer_bytes = 1048576\nframe_timeout_ms = 60000\nheader_timeout_ms = 60000");
    let mut served = gate.connect();
    served.client.write_all(&opaque(1, 10)).await.unwrap();
    let mut broker = served.broker().await;
    frame(&mut broker).await.unwrap();
    // All four relay buffers of requests are held by halves of frames.
    let mut half_sent = Vec::new();
    for _ in 0..4 {
        let mut line = gate.connect();
        let half = &held(1, 60_000)[..30_000];
        line.client.write_all(half).await.unwrap();
        half_sent.push(line);
    }
    sleep(Duration::from_secs(1)).await;
    let relay = gate.shared.budgets.requests.relay.budget();
    assert_eq!(relay.used_bytes(), relay.limit_bytes());
    broker.write_all(&reply(&opaque(1, 10))).await.unwrap();
    let answer = timeout(Duration::from_secs(1), frame(&mut served.client));
    assert!(answer.await.expect("at once").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_frame_larger_than_all_room_streams_where_no_enforced_rule_needs_it_and_is_closed_where_one_does()
 {
    let limits = "[limits]\nbuffer_bytes = 1048576\n";
    let bytes = held(1, 900_000);
    let streams = Gate::new(&format!("{limits}{BY_TOPIC}"));
    let mut line = streams.connect();
    let (client, all) = (&mut line.client, bytes.clone());
    client.write_all(&all[..65_536]).await.unwrap();
    let mut broker = timeout(SOON, line.brokers.recv()).await.unwrap().unwrap();
    let (whole, sent) = tokio::join!(frame(&mut broker), line.client.write_all(&all[65_536..]));
    sent.unwrap();
    assert_eq!(whole.unwrap().len(), bytes.len());
    let unjudged = streams.telemetry.sum("holdfast_unjudged_total", &[]);
    assert_eq!(unjudged, 1);

    let needed = Gate::new(&format!(
        "{limits}[policy.oversized_batch]\nmax_batch_bytes = 100000\n"
    ));
    let partitions: Vec<_> = (0..12).map(|n| (n, rig::batch(1, 90_000))).collect();
    let bytes = rig::frame(1, &rig::produce(9, -1, &[("orders", &partitions)]));
    let mut line = needed.connect();
    line.client.write_all(&bytes[..65_537]).await.unwrap();
    assert!(frame(&mut line.client).await.is_none());
    assert_eq!(needed.closes(), [CloseCause::LimitExceeded]);
    let said = needed.events().iter().any(
        |event| matches!(event, Event::Misdeed { detail, .. } if detail.contains("buffer_bytes")),
    );
    assert!(said, "{:?}", needed.events());
}
