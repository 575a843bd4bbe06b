//! Closing: what the client has handed over is read and counted, and the client sees an end, not a reset.

use super::driven::{
    Counts, Gate, PIPE_BYTES, SOON, Wire, answers_all, frame, opaque, produce, reply, tcp_pair,
};
use crate::support::rig;
use holdfast::proxy::Phase;
use holdfast::session::event::CloseCause;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Records in each frame of a flood, and frames: 4.5 MB.
const RECORDS: u64 = 3;
const FRAMES: u64 = 450;
const HANDED_OVER: u64 = RECORDS * FRAMES;

fn flood() -> Vec<u8> {
    (0..FRAMES as i32)
        .flat_map(|id| produce(id, 0, RECORDS, 10_000))
        .collect()
}

/// What ends the connection while a client hands over 4.5 MB of acks=0.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Blow {
    BrokerDies,
    BrokerAnswersError,
    Drain,
}

/// Over real sockets, because only they know resets.
async fn hand_over(blow: Blow) -> Gate {
    let gate = Gate::new("");
    let (client, near) = tcp_pair().await;
    let (far_broker, near_broker) = tcp_pair().await;
    let (dialled, brokers) = mpsc::unbounded_channel();
    dialled.send(far_broker).unwrap();
    let once = std::sync::Mutex::new(Some(near_broker));
    let mut line = gate.start(
        client,
        Wire::new(near, &Arc::default()),
        move || {
            Ok(Wire::new(
                once.lock().unwrap().take().unwrap(),
                &Arc::default(),
            ))
        },
        brokers,
    );
    let mut broker = line.broker().await;
    let shared = gate.shared.clone();
    let playing = tokio::spawn(async move {
        for _ in 0..3 {
            let request = frame(&mut broker).await.unwrap();
            broker.write_all(&reply(&request)).await.unwrap();
        }
        match blow {
            Blow::BrokerDies => drop(broker),
            Blow::BrokerAnswersError => {
                let request = frame(&mut broker).await.unwrap();
                let received = rig::Received::parse(&request);
                let error = rig::Broker::default().error("orders", 0, 6);
                broker.write_all(&error.produce(&received)).await.unwrap();
                answers_all(broker).await;
            }
            Blow::Drain => {
                shared.enter(Phase::Draining);
                answers_all(broker).await;
            }
        }
    });
    let (mut reads, mut writes) = line.client.into_split();
    let sending = tokio::spawn(async move {
        writes.write_all(&flood()).await?;
        writes.shutdown().await
    });
    // A FIN, and never a reset: that would be an error here.
    let said = timeout(SOON, reads.read_to_end(&mut Vec::new())).await;
    assert_eq!(said.expect("an end").expect("a FIN, not a reset"), 0);
    timeout(SOON, sending).await.unwrap().unwrap().unwrap();
    timeout(SOON, line.task).await.unwrap().unwrap();
    timeout(SOON, playing).await.unwrap().unwrap();
    let [confirmed, refused, unknown] = gate.ended();
    assert_eq!(confirmed + refused + unknown, HANDED_OVER, "{blow:?}");
    gate.assert_all_given_back();
    gate
}

#[tokio::test]
async fn what_was_handed_over_is_counted_once_when_the_broker_dies() {
    let gate = hand_over(Blow::BrokerDies).await;
    let [confirmed, refused, unknown] = gate.ended();
    assert_eq!(confirmed, 3 * RECORDS);
    // At most max_absorbed_in_flight frames can have been under way.
    assert!(unknown <= 8 * RECORDS && refused > 400 * RECORDS);
    let cause = gate.closes()[0];
    assert!(matches!(
        cause,
        CloseCause::BrokerClosed | CloseCause::BrokerReset
    ));
}

#[tokio::test]
async fn what_was_handed_over_is_counted_once_when_an_answer_is_an_error() {
    let gate = hand_over(Blow::BrokerAnswersError).await;
    assert_eq!(gate.closes(), [CloseCause::AbsorbedError]);
    assert_eq!(gate.ended_by("unknown", "broker_answer"), RECORDS);
    assert!(gate.ended_by("refused", "closing") > 400 * RECORDS);
}

#[tokio::test]
async fn a_drain_delivers_all_that_was_handed_over() {
    let gate = hand_over(Blow::Drain).await;
    assert_eq!(gate.closes(), [CloseCause::Drain]);
    assert_eq!(gate.ended(), [HANDED_OVER, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_and_not_judged_when_the_deadline_comes_is_counted_too() {
    let gate = Gate::new("[limits]\nmax_absorbed_in_flight = 1\n");
    let mut line = gate.connect();
    let requests: Vec<u8> = (0..10).flat_map(|id| produce(id, 0, 3, 1000)).collect();
    line.client.write_all(&requests).await.unwrap();
    let mut broker = line.broker().await;
    frame(&mut broker).await.unwrap();
    gate.shared.enter(Phase::Draining);
    sleep(Duration::from_secs(1)).await;
    gate.shared.enter(Phase::Aborting);
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.ended(), [0, 27, 3]);
    assert_eq!(gate.ended_by("refused", "close_deadline"), 27);
    assert_eq!(gate.ended_by("unknown", "close_deadline"), 3);
    assert_eq!(gate.closes(), [CloseCause::Drain]);
    gate.assert_all_given_back();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_is_cut_off_at_the_deadline_and_what_it_had_begun_is_counted() {
    let gate = Gate::new("[drain]\nclose_drain_timeout_ms = 3000\n");
    let mut line = gate.connect();
    line.client
        .write_all(&produce(1, 0, 3, 1000))
        .await
        .unwrap();
    drop(line.broker().await);
    let begun = tokio::time::Instant::now();
    sleep(Duration::from_secs(1)).await;
    // Whole ones are refused while it ends, the last one stays half.
    line.client
        .write_all(&produce(2, 0, 3, 1000))
        .await
        .unwrap();
    line.client
        .write_all(&produce(3, 0, 3, 1000)[..500])
        .await
        .unwrap();
    timeout(SOON, line.task).await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(4),
        "{took:?}"
    );
    assert_eq!(gate.ended_by("refused", "closing"), 3);
    assert_eq!(gate.ended_by("refused", "close_deadline"), 3);
    assert_eq!(gate.ended().iter().sum::<u64>(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_frame_partly_written_is_refused_and_a_whole_one_unknown_when_the_broker_is_lost() {
    let gate = Gate::new("");
    let mut line = gate.connect_with(&Arc::default(), &Arc::default(), 5_000);
    let (one, two) = (produce(1, 0, 3, 3_000), produce(2, 0, 4, 30_000));
    let (_reads, mut writes) = tokio::io::split(line.client);
    let sending = tokio::spawn(async move {
        writes.write_all(&[one, two].concat()).await.unwrap();
        writes.shutdown().await
    });
    let broker = timeout(SOON, line.brokers.recv()).await.unwrap().unwrap();
    sleep(Duration::from_secs(1)).await;
    drop(broker);
    timeout(SOON, sending).await.unwrap().unwrap().unwrap();
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.ended(), [0, 4, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_write_to_the_client_that_fails_does_not_end_reading_from_it() {
    let gate = Gate::new("");
    let client = Arc::<Counts>::default();
    let mut line = gate.connect_with(&client, &Arc::default(), PIPE_BYTES);
    let broker = tokio::spawn(async move {
        line.client.write_all(&opaque(1, 10)).await.unwrap();
        let broker = line.broker().await;
        (line, broker)
    });
    let (mut line, mut broker) = broker.await.unwrap();
    let request = frame(&mut broker).await.unwrap();
    client.fails_writes.store(true, Relaxed);
    broker.write_all(&reply(&request)).await.unwrap();
    let serving = tokio::spawn(answers_all(broker));
    for id in 2..12 {
        line.client
            .write_all(&produce(id, 0, 3, 1000))
            .await
            .unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    line.client.shutdown().await.unwrap();
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.ended(), [30, 0, 0]);
    assert_eq!(serving.await.unwrap(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_right_after_sending_has_all_of_it_delivered_and_answered() {
    let gate = Gate::new("");
    let mut line = gate.connect();
    let requests: Vec<u8> = (0..60).flat_map(|id| produce(id, 0, 3, 900)).collect();
    line.client.write_all(&requests).await.unwrap();
    drop(line.client);
    let broker = timeout(SOON, line.brokers.recv()).await.unwrap().unwrap();
    assert_eq!(timeout(SOON, answers_all(broker)).await.unwrap(), 60);
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.ended(), [180, 0, 0]);
    assert_eq!(gate.closes(), [CloseCause::ClientClosed]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_cannot_be_reached_costs_no_uncounted_record() {
    let gate = Gate::new("");
    let (far, near) = tokio::io::duplex(PIPE_BYTES);
    let (_keep, brokers) = mpsc::unbounded_channel();
    let refuses = || Err((CloseCause::BrokerUnreachable, "nobody there".to_owned()));
    let mut line = gate.start(far, Wire::new(near, &Arc::default()), refuses, brokers);
    let requests: Vec<u8> = (0..20).flat_map(|id| produce(id, 0, 3, 900)).collect();
    line.client.write_all(&requests).await.unwrap();
    assert!(frame(&mut line.client).await.is_none());
    line.client.write_all(&requests).await.unwrap();
    drop(line.client);
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.ended(), [0, 120, 0]);
    assert_eq!(gate.closes(), [CloseCause::BrokerUnreachable]);
}
