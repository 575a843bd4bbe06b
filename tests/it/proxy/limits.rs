//! Every limit of one connection: what is closed, under which name, and that an honest client does not notice.

use super::driven::{
    Counts, Gate, PIPE_BYTES, SOON, answer, frame, opaque, produce, reply, unknown_api_versions,
};
use crate::support::raw::{Body, request_frame};
use holdfast::session::event::{CloseCause, Event};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

/// Sends `bytes` on a connection of its own: the cause of its end, its detail, and how long it took.
async fn closed_for(toml: &str, bytes: &[u8]) -> (CloseCause, String, Duration) {
    let gate = Gate::new(toml);
    let mut line = gate.connect();
    let begun = Instant::now();
    line.client.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    let end = timeout(
        Duration::from_secs(3600),
        line.client.read_to_end(&mut said),
    );
    end.await.expect("closed").unwrap();
    let took = begun.elapsed();
    drop(line.client);
    timeout(SOON, line.task).await.unwrap().unwrap();
    gate.assert_all_given_back();
    let detail = gate.events().into_iter().find_map(|event| match event {
        Event::Misdeed { detail, .. } => Some(detail),
        _ => None,
    });
    let cause = gate.closes()[0];
    let labels = [("cause", cause.name())];
    let closed = "holdfast_client_connections_closed_total";
    assert_eq!(gate.telemetry.sum(closed, &labels), 1);
    (cause, detail.unwrap_or_default(), took)
}

#[tokio::test(start_paused = true)]
async fn a_size_that_no_frame_can_have_closes_the_connection_and_says_what_was_found() {
    for (size, said) in [
        (-1_i32, "-1"),
        (0, "0"),
        (3, "3"),
        (i32::MIN, "-2147483648"),
    ] {
        // Nothing need follow it.
        for behind in [0, 40] {
            let mut bytes = size.to_be_bytes().to_vec();
            bytes.resize(4 + behind, 0);
            let (cause, detail, took) = closed_for("", &bytes).await;
            assert_eq!(cause, CloseCause::FrameSize);
            assert!(
                detail.contains(&format!("size prefix of {said},")),
                "{detail}"
            );
            assert!(took < Duration::from_secs(1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_beyond_the_brokers_limit_that_is_no_produce_is_closed_before_it_is_read() {
    for size in [104_857_601_u32, 0x7fff_ffff] {
        let mut bytes = opaque(1, 10);
        bytes[..4].copy_from_slice(&size.to_be_bytes());
        let (cause, detail, took) = closed_for("", &bytes).await;
        assert_eq!(cause, CloseCause::FrameSize);
        assert!(detail.contains("limit 104857600"), "{detail}");
        assert!(took < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tls_hello_on_the_plain_port_is_named() {
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.extend([7; 506]);
    let (cause, detail, _) = closed_for("", &hello).await;
    assert_eq!(cause, CloseCause::TlsOnPlainPort);
    assert!(detail.contains("TLS"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_come_is_given_up_after_its_time() {
    let toml = "[limits]\nheader_timeout_ms = 5000\n";
    for part in [1, 9, 11] {
        let (cause, _, took) = closed_for(toml, &opaque(1, 10)[..part]).await;
        assert_eq!(cause, CloseCause::HeaderTimeout);
        assert!((5..7).contains(&took.as_secs()), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_does_not_go_on_is_given_up_after_its_time() {
    let toml = "[limits]\nframe_timeout_ms = 5000\n";
    for whole in [
        opaque(1, 5_000),
        produce(1, -1, 3, 5_000),
        produce(1, 0, 3, 5_000),
    ] {
        let (cause, detail, took) = closed_for(toml, &whole[..3_000]).await;
        assert_eq!(cause, CloseCause::FrameStalled, "{detail}");
        assert!((5..7).contains(&took.as_secs()), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_happens_is_closed_after_its_time() {
    let toml = "[limits]\nidle_timeout_ms = 7000\n";
    let (cause, _, took) = closed_for(toml, b"").await;
    assert_eq!(cause, CloseCause::Idle);
    assert!((7..9).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_for_its_broker_is_not_idle() {
    let gate = Gate::new("[limits]\nidle_timeout_ms = 7000\n");
    let mut line = gate.connect();
    line.client.write_all(&opaque(1, 10)).await.unwrap();
    let mut broker = line.broker().await;
    let request = frame(&mut broker).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    broker.write_all(&reply(&request)).await.unwrap();
    assert!(frame(&mut line.client).await.is_some());
    sleep(Duration::from_secs(6)).await;
    assert_eq!(gate.closes(), []);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(gate.closes(), [CloseCause::Idle]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_none_of_its_answers_is_closed_after_its_time() {
    let gate = Gate::new("[limits]\nwrite_stall_timeout_ms = 5000\n");
    let mut line = gate.connect_with(&Arc::default(), &Arc::default(), 1000);
    line.client.write_all(&opaque(1, 10)).await.unwrap();
    let mut broker = line.broker().await;
    frame(&mut broker).await.unwrap();
    let begun = Instant::now();
    let sending = tokio::spawn(async move { broker.write_all(&answer(1, &[7; 50_000])).await });
    let mut client = line.client;
    timeout(SOON, line.task).await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!((5..16).contains(&took.as_secs()), "{took:?}");
    assert_eq!(gate.closes(), [CloseCause::WriteStalled]);
    gate.assert_all_given_back();
    sending.abort();
    client.read_to_end(&mut Vec::new()).await.ok();
}

#[tokio::test(start_paused = true)]
async fn who_is_not_read_because_it_takes_no_answers_of_holdfasts_own_is_not_blamed_for_half_a_header()
 {
    let toml = "[limits]\nheader_timeout_ms = 2000\nwrite_stall_timeout_ms = 9000\n";
    let gate = Gate::new(toml);
    let line = gate.connect_with(&Arc::default(), &Arc::default(), 1000);
    let (reads, mut writes) = tokio::io::split(line.client);
    let begun = Instant::now();
    let sending = tokio::spawn(async move {
        // No read ends where a request does.
        let requests: Vec<u8> = (0..10_000).flat_map(unknown_api_versions).collect();
        writes.write_all(&requests).await.ok();
    });
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.closes(), [CloseCause::WriteStalled]);
    assert!(begun.elapsed() >= Duration::from_secs(9));
    // Each answer takes many times its bytes.
    let labels = [("api_key", "ApiVersions")];
    let read = gate.telemetry.sum("holdfast_requests_total", &labels);
    assert!(read < 600, "{read} requests were read");
    gate.assert_all_given_back();
    sending.abort();
    drop(reads);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_clients_that_drip_do_not_slow_an_honest_one_and_are_closed() {
    let gate = Gate::new("[limits]\nframe_timeout_ms = 10000\nheader_timeout_ms = 5000\n");
    let mut dripping = Vec::new();
    for n in 0..1000 {
        let line = gate.connect();
        let bytes = produce(1, 0, 1, 400);
        dripping.push(tokio::spawn(async move {
            // All of it: its broker must not go away.
            let mut line = line;
            // Some are in their header, some in their batch.
            let begun = if n % 2 == 0 { 2 } else { 150 };
            line.client.write_all(&bytes[..begun]).await.unwrap();
            for byte in &bytes[begun..] {
                sleep(Duration::from_secs(1)).await;
                if line.client.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        }));
    }
    let mut honest = gate.connect();
    for id in 0..8 {
        sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        honest.client.write_all(&opaque(id, 5_000)).await.unwrap();
        if id == 0 {
            let broker = honest.broker().await;
            tokio::spawn(super::driven::answers_all(broker));
        }
        frame(&mut honest.client).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(10));
    }
    sleep(Duration::from_secs(10)).await;
    let slow = [CloseCause::HeaderTimeout, CloseCause::FrameStalled];
    let closes = gate.closes();
    assert_eq!(closes.len(), 1000);
    for cause in slow {
        let count = closes.iter().filter(|found| **found == cause).count();
        assert_eq!(count, 500, "{cause:?}: {:?}", &closes[..9]);
    }
    for task in dripping {
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_max_in_flight_the_client_is_not_read() {
    let gate = Gate::new("[limits]\nmax_in_flight = 10\n");
    let mut line = gate.connect();
    let requests: Vec<u8> = (0..100).flat_map(|id| opaque(id, 10)).collect();
    line.client.write_all(&requests).await.unwrap();
    let mut broker = line.broker().await;
    for id in 0..100 {
        let window = if id == 0 { 10 } else { 1 };
        for _ in 0..window.min(100 - id) {
            if id + window <= 91 {
                frame(&mut broker).await.unwrap();
            }
        }
        let more = timeout(Duration::from_secs(1), broker.read_u8()).await;
        assert!(more.is_err(), "an eleventh at {id}");
        broker.write_all(&answer(id, b"")).await.unwrap();
        frame(&mut line.client).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_tiny_frames_cost_no_more_writes_than_reads() {
    let gate = Gate::new("[limits]\nmax_in_flight = 1000000\n");
    let (client, upstream) = (Arc::<Counts>::default(), Arc::<Counts>::default());
    let mut line = gate.connect_with(&client, &upstream, 16 * PIPE_BYTES);
    let (mut reads, mut writes) = tokio::io::split(line.client);
    const FRAMES: i32 = 100_000;
    let sending = tokio::spawn(async move {
        for from in (0..FRAMES).step_by(1000) {
            let burst: Vec<u8> = (from..from + 1000).flat_map(|id| opaque(id, 0)).collect();
            writes.write_all(&burst).await.unwrap();
        }
        writes
    });
    let mut broker = line.brokers.recv().await.unwrap();
    let serving = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        let (mut filled, mut seen) = (0, 0);
        while seen < FRAMES {
            let n = broker.read(&mut buffer[filled..]).await.unwrap();
            filled += n;
            let len = opaque(0, 0).len();
            let mut answers = Vec::new();
            for _ in 0..filled / len {
                answers.extend(answer(seen, b""));
                seen += 1;
            }
            buffer.copy_within(filled / len * len..filled, 0);
            filled %= len;
            broker.write_all(&answers).await.unwrap();
        }
        broker
    });
    for id in 0..FRAMES {
        let frame = frame(&mut reads).await.unwrap();
        assert_eq!(super::driven::correlation_id(&frame, 4), id);
    }
    drop((sending.await.unwrap(), serving.await.unwrap()));
    for (from, to) in [(&client, &upstream), (&upstream, &client)] {
        let (reads, writes) = (from.reads.load(Relaxed), to.writes.load(Relaxed));
        assert!(writes <= reads, "{writes} writes for {reads} reads");
        assert!(reads < FRAMES as usize / 20, "{reads} reads");
    }
}

/// Requests whose counts promise far more than their bytes can hold.
#[test]
fn bombs_of_tags_and_arrays_cost_no_memory_and_end_their_connection() {
    let mut tags = Body::new();
    tags.i32(0)
        .i16(0)
        .i16(9)
        .i32(1)
        .nullable_string(Some("app"));
    tags.uvarint(u32::MAX).bytes(&[0; 100]);
    let size = (tags.0.len() - 4) as i32;
    tags.0[..4].copy_from_slice(&size.to_be_bytes());
    let mut topics = Body::new();
    topics.compact_nullable_string(None).i16(0).i32(1000);
    topics.uvarint(u32::MAX).bytes(&[1; 200]);
    let mut partitions = Body::new();
    partitions.compact_nullable_string(None).i16(0).i32(1000);
    partitions.array(1, true).compact_string("orders");
    partitions.uvarint(u32::MAX).bytes(&[0; 200]);
    let mut old = Body::new();
    old.nullable_string(None).i16(0).i32(1000).i32(i32::MAX);
    old.bytes(&[0; 200]);
    for bytes in [
        tags.0,
        request_frame(0, 9, 1, Some("app"), &topics.0),
        request_frame(0, 9, 1, Some("app"), &partitions.0),
        request_frame(0, 7, 1, Some("app"), &old.0),
    ] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let mut found = None;
        let measured = allocation_counter::measure(|| {
            found = Some(runtime.block_on(closed_for("", &bytes)));
        });
        let (cause, detail, _) = found.unwrap();
        assert_eq!(cause, CloseCause::Malformed, "{detail}");
        // Metrics, buffers, the test itself: what was promised would be gigabytes.
        assert!(measured.bytes_max < 4 * 1024 * 1024, "{measured:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_a_flooding_acks_0_client_was_not_read_is_counted_by_the_limit_it_waited_for() {
    let gate = Gate::new("[limits]\nmax_absorbed_in_flight = 2\n");
    let mut line = gate.connect();
    for id in 0..3 {
        let bytes = produce(id, 0, 1, 300);
        line.client.write_all(&bytes).await.unwrap();
    }
    let mut broker = line.broker().await;
    let first = frame(&mut broker).await.unwrap();
    frame(&mut broker).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let limit = [("limit", "max_absorbed_in_flight")];
    let sum = |name: &str| gate.telemetry.sum(name, &limit);
    assert_eq!(sum("holdfast_client_pauses_total"), 1);
    let absorbing = |gate: &Gate| gate.telemetry.sum("holdfast_acks0_inflight_requests", &[]);
    assert_eq!(absorbing(&gate), 2);
    broker.write_all(&reply(&first)).await.unwrap();
    frame(&mut broker).await.unwrap();
    drop((line.client, broker));
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(sum("holdfast_clients_paused"), 0);
    assert_eq!(absorbing(&gate), 0);
    let text = String::from_utf8(gate.telemetry.exposition()).unwrap();
    let name = "holdfast_client_paused_seconds_total{limit=\"max_absorbed_in_flight\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let seconds: f64 = line.expect("the family").parse().unwrap();
    assert!((5.0..5.1).contains(&seconds), "{seconds}");
}
