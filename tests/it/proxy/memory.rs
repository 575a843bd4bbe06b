//! What connections cost in memory while nothing happens on them, and after a burst.

use super::driven::{Counts, Dialer, Gate, Wire, answer, frame, opaque};
use holdfast::proxy::connection::Connection;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

const IDLE: usize = 2000;
/// The target: what one idle connection may cost.
const TARGET_BYTES: i64 = 4 * 1024;

/// Bytes on the heap that `grow` leaves behind, in this thread.
fn left_behind<T>(grow: impl FnOnce() -> T) -> (T, i64) {
    let mut made = None;
    let measured = allocation_counter::measure(|| made = Some(grow()));
    (made.expect("it ran"), measured.bytes_current)
}

#[test]
fn an_idle_connection_after_a_round_trip_costs_less_than_its_target() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let gate = runtime.block_on(async { Gate::new("") });
    let round_trips = |count: usize| {
        runtime.block_on(async {
            let mut lines = Vec::with_capacity(count);
            for _ in 0..count {
                // What is the test's own (pipes, the channel of brokers) is subtracted below.
                let mut line = gate.connect_with(&Arc::default(), &Arc::default(), 64);
                line.client.write_all(&opaque(1, 10)).await.unwrap();
                let mut broker = line.broker().await;
                frame(&mut broker).await.unwrap();
                broker.write_all(&answer(1, b"ok")).await.unwrap();
                frame(&mut line.client).await.unwrap();
                lines.push((line, broker));
            }
            lines
        })
    };
    drop(round_trips(100));
    let (lines, bytes) = left_behind(|| round_trips(IDLE));
    let (_pipes, of_test) = left_behind(|| {
        let mut all = Vec::with_capacity(IDLE);
        for _ in 0..IDLE {
            let (dialled, mut brokers) = mpsc::unbounded_channel();
            let pipes = [(); 2].map(|()| {
                let (far, near) = tokio::io::duplex(64);
                dialled.send(far).ok();
                let near = Wire::new(near, &Arc::<Counts>::default());
                (brokers.try_recv(), near)
            });
            all.push((pipes, dialled, brokers));
        }
        all
    });
    let each = (bytes - of_test) / IDLE as i64;
    let size = size_of::<Connection<Dialer>>();
    println!("idle connection: {each} bytes on the heap, {size} of them the driver itself");
    assert!(each <= TARGET_BYTES, "{each} bytes");
    drop(lines);
}

#[test]
fn after_a_burst_of_large_frames_memory_is_as_before() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let gate = runtime.block_on(async { Gate::new("") });
    let burst = || {
        runtime.block_on(async {
            let mut lines = Vec::new();
            for _ in 0..50 {
                let mut line = gate.connect_with(&Arc::default(), &Arc::default(), 64 * 1024);
                let (mut reads, mut writes) = tokio::io::split(line.client);
                let large = opaque(1, 1024 * 1024);
                let sending = tokio::spawn(async move {
                    writes.write_all(&large).await.unwrap();
                    writes
                });
                let mut broker = line.brokers.recv().await.unwrap();
                frame(&mut broker).await.unwrap();
                let answering = tokio::spawn(async move {
                    let answer = answer(1, &vec![7; 1024 * 1024]);
                    broker.write_all(&answer).await.unwrap();
                    broker
                });
                frame(&mut reads).await.unwrap();
                lines.push((
                    reads,
                    sending.await.unwrap(),
                    answering.await.unwrap(),
                    line.task,
                ));
            }
            assert_eq!(
                gate.shared.budgets.buffers().0,
                0,
                "all stay open, and hold nothing"
            );
            for (reads, writes, broker, task) in lines {
                drop((reads, writes, broker));
                timeout(Duration::from_secs(20), task)
                    .await
                    .unwrap()
                    .unwrap();
            }
        });
    };
    burst();
    let ((), bytes) = left_behind(burst);
    assert!(bytes < 256 * 1024, "{bytes} bytes stay");
}
