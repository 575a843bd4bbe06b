//! Large frames between plaintext sockets go through pipes: to the byte what was sent, and to the record the same ends as
//! without pipes, however either side goes.

use super::driven::{Gate, Line, SOON, answer, answers_all, correlation_id, frame, produce, reply};
use crate::support::raw;
use holdfast::proxy::Phase;
use holdfast::session::event::CloseCause;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const MIB: usize = 1024 * 1024;
/// With pipes and without, what comes of it is the same.
const BOTH: [&str; 2] = ["", "[limits]\npipes = 0\n"];

/// Bytes in which nothing comes again at any distance that a mistake would shift them by.
fn noise(seed: usize, len: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(next).collect()
}

/// A Heartbeat, of which nothing but the header is looked at.
fn opaque(id: i32, len: usize) -> Vec<u8> {
    raw::request_frame(12, 0, id, Some("test"), &noise(id as usize, len))
}

fn spliced(gate: &Gate, direction: &str) -> usize {
    let labels = [("direction", direction)];
    gate.telemetry.sum("holdfast_spliced_bytes_total", &labels) as usize
}

/// A client that has asked, and a broker that has the request.
async fn asked(gate: &Gate, id: i32) -> (Line<TcpStream>, TcpStream) {
    let mut line = gate.connect_sockets().await;
    line.client.write_all(&opaque(id, 10)).await.unwrap();
    let mut broker = line.broker().await;
    frame(&mut broker).await.unwrap();
    (line, broker)
}

async fn a_pipe_stays_with_who_cannot_empty_it(gate: &Gate) {
    let pipes = &gate.shared.budgets.responses.pipes;
    timeout(SOON, async {
        while pipes.lent() == 0 || spliced(gate, "response") == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_millis(300)).await;
    })
    .await
    .expect("a pipe is taken");
    assert_eq!(pipes.lent(), 1);
}

/// What a socket holds that nobody reads, and more.
const MORE_THAN_SOCKETS_HOLD: usize = 24 * MIB;

#[tokio::test]
async fn frames_of_all_sizes_arrive_as_they_were_sent() {
    let sizes = [
        100,
        70_000,
        MIB + 123,
        30,
        300_000,
        65_600,
        5 * MIB,
        16_384,
        128 * 1024,
        2 * MIB,
        1,
    ];
    for toml in BOTH {
        let gate = Gate::new(toml);
        let mut line = gate.connect_sockets().await;
        let requests: Vec<Vec<u8>> = (0..)
            .zip(sizes)
            .flat_map(|(i, len)| [opaque(2 * i, len), produce(2 * i + 1, 1, 3, len.max(100))])
            .collect();
        let sent = requests.concat();
        let (mut reads, mut writes) = line.client.into_split();
        let bytes = sent.clone();
        let sending = tokio::spawn(async move {
            writes.write_all(&bytes).await.unwrap();
            writes
        });
        let mut broker = timeout(SOON, line.brokers.recv()).await.unwrap().unwrap();
        let (mut said, count) = (0, requests.len());
        let playing = tokio::spawn(async move {
            let (mut from, mut to) = broker.split();
            for request in &requests {
                let got = frame(&mut from).await.expect("the next frame");
                let id = correlation_id(&got, 8);
                let answered = match got[4..6] {
                    // acks is what was changed, and all that was.
                    [0, 0] => {
                        let differ = got.iter().zip(request).filter(|(a, b)| a != b).count();
                        assert!(got.len() == request.len() && (1..=2).contains(&differ));
                        reply(&got)
                    }
                    _ => {
                        assert!(got == *request, "request {id} of {} bytes", request.len());
                        answer(id, &noise(id as usize, request.len()))
                    }
                };
                to.write_all(&answered).await.unwrap();
                said += answered.len();
            }
            (broker, said)
        });
        for id in 0..count as i32 {
            let got = frame(&mut reads).await.expect("an answer");
            assert_eq!(correlation_id(&got, 4), id);
            if id % 2 == 0 {
                let (body, expected) = (&got[8..], noise(id as usize, got.len() - 8));
                assert!(body == expected, "answer {id} of {} bytes", got.len());
            }
        }
        let writes = sending.await.unwrap();
        let (_broker, said) = playing.await.unwrap();
        drop((reads, writes));
        timeout(SOON, line.task).await.unwrap().unwrap();
        let sum = |family: &str| gate.telemetry.sum(family, &[]) as usize;
        assert_eq!(sum("holdfast_request_bytes_total"), sent.len());
        assert_eq!(sum("holdfast_response_bytes_total"), said);
        let shares = [("request", sent.len()), ("response", said)]
            .map(|(direction, all)| spliced(&gate, direction) as f64 / all as f64);
        println!("{toml:?}: spliced, of requests and of answers: {shares:?}");
        match toml.is_empty() {
            true => assert!(shares.iter().all(|share| *share > 0.8), "{shares:?}"),
            false => assert_eq!(shares, [0.0, 0.0]),
        }
        gate.assert_all_given_back();
    }
}

#[tokio::test]
async fn a_client_that_goes_in_the_midst_of_a_frame_leaves_its_beginning_and_no_record_uncounted() {
    for toml in BOTH {
        let gate = Gate::new(toml);
        let mut line = gate.connect_sockets().await;
        let whole = produce(1, 0, 3, 2 * MIB);
        let cut = produce(2, 0, 5, 2 * MIB);
        let part = &cut[..MIB];
        let sent = [&whole, part].concat();
        line.client.write_all(&sent).await.unwrap();
        let mut broker = line.broker().await;
        let first = frame(&mut broker).await.unwrap();
        broker.write_all(&reply(&first)).await.unwrap();
        line.client.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(SOON, broker.read_to_end(&mut rest)).await;
        ended.expect("an end").unwrap();
        // But for acks and the timeout, and for the version's other fields in front of them, its beginning.
        assert_eq!(rest.len(), part.len());
        assert!(rest[100..] == part[100..]);
        timeout(SOON, line.task).await.unwrap().unwrap();
        assert_eq!(gate.ended(), [3, 5, 0], "{toml:?}");
        assert_eq!(gate.ended_by("refused", "client_cut"), 5);
        assert_eq!(spliced(&gate, "request") > MIB, toml.is_empty());
        // A broker frees what it allocated for half a frame a moment after.
        sleep(Duration::from_millis(1200)).await;
        gate.assert_all_given_back();
    }
}

#[tokio::test]
async fn when_the_broker_goes_what_was_in_a_pipe_is_counted_as_not_sent() {
    const FRAMES: i32 = 40;
    for toml in BOTH {
        // All of it may be under way, so that what is not taken stands in pipes and sockets.
        let limits = "max_absorbed_in_flight = 1000\nmax_absorbed_bytes = 1073741824\n";
        let limits = match toml.is_empty() {
            true => format!("[limits]\n{limits}"),
            false => format!("{toml}{limits}"),
        };
        let gate = Gate::new(&limits);
        let mut line = gate.connect_sockets().await;
        let sent: Vec<u8> = (0..FRAMES).flat_map(|id| produce(id, 0, 3, MIB)).collect();
        let mut broker = {
            line.client.write_all(&sent[..MIB / 2]).await.unwrap();
            line.broker().await
        };
        let (mut reads, mut writes) = line.client.into_split();
        let sending = tokio::spawn(async move {
            writes.write_all(&sent[MIB / 2..]).await?;
            writes.shutdown().await
        });
        let first = frame(&mut broker).await.unwrap();
        broker.write_all(&reply(&first)).await.unwrap();
        // It takes nothing more: sockets fill, and a pipe where there are any.
        sleep(Duration::from_millis(500)).await;
        let lent = gate.shared.budgets.requests.pipes.lent();
        assert_eq!(lent, usize::from(toml.is_empty()), "pipes");
        drop(broker);
        let said = timeout(SOON, reads.read_to_end(&mut Vec::new())).await;
        assert_eq!(said.expect("an end").expect("a FIN, not a reset"), 0);
        timeout(SOON, sending).await.unwrap().unwrap().unwrap();
        timeout(SOON, line.task).await.unwrap().unwrap();
        let [confirmed, refused, unknown] = gate.ended();
        assert_eq!(confirmed, 3, "{toml:?}");
        assert_eq!(refused + unknown, 3 * (FRAMES as u64 - 1), "{toml:?}");
        // What no socket can have taken whole was not sent.
        assert!(refused > 3 * 10, "{refused} refused, {unknown} unknown");
        gate.assert_all_given_back();
    }
}

#[tokio::test]
async fn who_finds_no_pipe_is_read_and_written_and_who_holds_one_loses_nothing() {
    let gate = Gate::new("[limits]\npipes = 1\n");
    let body = noise(7, MORE_THAN_SOCKETS_HOLD);
    let (mut slow, mut broker) = asked(&gate, 1).await;
    let answered = answer(1, &body);
    let answering = tokio::spawn(async move {
        broker.write_all(&answered).await.unwrap();
        broker
    });
    a_pipe_stays_with_who_cannot_empty_it(&gate).await;
    let before = spliced(&gate, "response");

    let mut other = gate.connect_sockets().await;
    other.client.write_all(&opaque(2, 3 * MIB)).await.unwrap();
    let mut broker = other.broker().await;
    let request = frame(&mut broker).await.unwrap();
    assert!(request == opaque(2, 3 * MIB));
    let writing = tokio::spawn(async move {
        broker
            .write_all(&answer(2, &noise(9, 3 * MIB)))
            .await
            .unwrap();
        broker
    });
    let got = frame(&mut other.client).await.unwrap();
    assert!(got[8..] == noise(9, 3 * MIB));
    assert_eq!(spliced(&gate, "response"), before, "the only pipe is taken");
    drop(writing.await.unwrap());

    let got = frame(&mut slow.client).await.unwrap();
    assert!(got[8..] == body, "what waited in a pipe");
    drop(answering.await.unwrap());
    for line in [slow, other] {
        drop(line.client);
        timeout(SOON, line.task).await.unwrap().unwrap();
    }
    gate.assert_all_given_back();
}

#[tokio::test]
async fn a_client_that_goes_with_an_answer_in_a_pipe_takes_it_along() {
    let gate = Gate::new("");
    let (line, mut broker) = asked(&gate, 1).await;
    let answering = tokio::spawn(async move {
        let answered = answer(1, &noise(1, MORE_THAN_SOCKETS_HOLD));
        broker.write_all(&answered).await.ok();
        answers_all(broker).await
    });
    a_pipe_stays_with_who_cannot_empty_it(&gate).await;
    // With bytes unread this is a reset.
    drop(line.client);
    timeout(SOON, line.task).await.unwrap().unwrap();
    timeout(SOON, answering).await.unwrap().unwrap();
    gate.assert_all_given_back();
    // The next one gets an empty pipe.
    let (mut line, mut broker) = asked(&gate, 2).await;
    let writing = tokio::spawn(async move {
        let answered = answer(2, &noise(2, 2 * MIB));
        broker.write_all(&answered).await.unwrap();
        broker
    });
    let got = frame(&mut line.client).await.unwrap();
    assert!(got[8..] == noise(2, 2 * MIB));
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn an_answer_that_stands_in_a_pipe_outlives_its_broker() {
    let gate = Gate::new("");
    let (mut line, mut broker) = asked(&gate, 1).await;
    let body = noise(3, MORE_THAN_SOCKETS_HOLD);
    let answered = answer(1, &body);
    let answering = tokio::spawn(async move {
        broker.write_all(&answered).await.unwrap();
        broker.shutdown().await.unwrap();
    });
    a_pipe_stays_with_who_cannot_empty_it(&gate).await;
    let got = frame(&mut line.client).await.unwrap();
    assert!(got[8..] == body);
    answering.await.unwrap();
    assert!(frame(&mut line.client).await.is_none(), "then its end");
    timeout(SOON, line.task).await.unwrap().unwrap();
    gate.assert_all_given_back();
}

#[tokio::test]
async fn who_takes_nothing_or_sends_nothing_in_the_midst_of_a_frame_is_closed_in_time() {
    let gate = Gate::new(
        "[limits]\nwrite_stall_timeout_ms = 400\n[drain]\nclose_drain_timeout_ms = 100\n",
    );
    let (line, mut broker) = asked(&gate, 1).await;
    let answering = tokio::spawn(async move {
        let answered = answer(1, &noise(1, MORE_THAN_SOCKETS_HOLD));
        broker.write_all(&answered).await.ok();
    });
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.closes(), [CloseCause::WriteStalled]);
    assert!(spliced(&gate, "response") > 0);
    answering.await.unwrap();
    gate.assert_all_given_back();

    let gate =
        Gate::new("[limits]\nframe_timeout_ms = 400\n[drain]\nclose_drain_timeout_ms = 100\n");
    let mut line = gate.connect_sockets().await;
    let stalls = produce(1, 0, 5, 4 * MIB);
    line.client.write_all(&stalls[..2 * MIB]).await.unwrap();
    let broker = tokio::spawn(answers_all(line.broker().await));
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.closes(), [CloseCause::FrameStalled]);
    assert_eq!(gate.ended(), [0, 5, 0]);
    assert!(spliced(&gate, "request") > MIB);
    broker.await.unwrap();
    sleep(Duration::from_millis(1200)).await;
    gate.assert_all_given_back();
}

#[tokio::test]
async fn a_drain_in_the_midst_of_a_spliced_frame_lets_it_end() {
    let gate = Gate::new("");
    let mut line = gate.connect_sockets().await;
    let sent = produce(1, 0, 5, 4 * MIB);
    line.client.write_all(&sent[..2 * MIB]).await.unwrap();
    let broker = tokio::spawn(answers_all(line.broker().await));
    sleep(Duration::from_millis(200)).await;
    gate.shared.enter(Phase::Draining);
    line.client.write_all(&sent[2 * MIB..]).await.unwrap();
    assert!(frame(&mut line.client).await.is_none(), "a FIN");
    drop(line.client);
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(
        (gate.closes(), gate.ended()),
        (vec![CloseCause::Drain], [5, 0, 0])
    );
    assert_eq!(broker.await.unwrap(), 1);
    assert!(spliced(&gate, "request") > 3 * MIB);
    gate.assert_all_given_back();
}
