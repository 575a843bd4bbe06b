//! The driver moves bytes: how often it reads, writes and is woken, in which order, and what it holds when a peer is slow.

use super::driven::{
    Counts, Gate, PIPE_BYTES, SOON, Wire, answer, answers_all, correlation_id, frame, opaque,
    produce, reply, unknown_api_versions,
};
use crate::support::rig;
use holdfast::session::event::CloseCause;
use std::io::{self, Cursor, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, join, repeat, sink,
};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_thousand_pipelined_frames_cost_one_write_each_way() {
    let gate = Gate::new("");
    let (client, upstream) = (Arc::<Counts>::default(), Arc::<Counts>::default());
    let mut line = gate.connect_with(&client, &upstream, PIPE_BYTES);
    let requests: Vec<u8> = (0..1000).flat_map(|id| opaque(id, 20)).collect();
    line.client.write_all(&requests).await.unwrap();
    let mut broker = line.broker().await;
    let mut came = vec![0; requests.len()];
    broker.read_exact(&mut came).await.unwrap();
    assert!(came == requests, "bytes arrive unchanged and in order");
    assert_eq!(upstream.writes.load(Relaxed), 1);
    let answers: Vec<u8> = (0..1000).flat_map(|id| answer(id, b"ok")).collect();
    broker.write_all(&answers).await.unwrap();
    let mut came = vec![0; answers.len()];
    line.client.read_exact(&mut came).await.unwrap();
    assert!(came == answers);
    assert_eq!(client.writes.load(Relaxed), 1);
    // A read that brings bytes, and one that finds none.
    assert!(client.reads.load(Relaxed) <= 6, "{client:?}");
    assert!(line.polls.load(Relaxed) <= 6, "{:?}", line.polls);
}

/// Reads of a mebibyte that lies there, and whether all memory was given back afterwards.
async fn reads_of_a_mebibyte(toml: &str) -> (usize, bool) {
    const BYTES: usize = 1 << 20;
    let gate = Gate::new(toml);
    let (client, upstream) = (Arc::<Counts>::default(), Arc::<Counts>::default());
    let mut line = gate.connect_with(&client, &upstream, 2 * BYTES);
    let requests: Vec<u8> = (0..1000).flat_map(|id| opaque(id, 1000)).collect();
    line.client.write_all(&requests).await.unwrap();
    let mut broker = line.broker().await;
    let mut came = vec![0; requests.len()];
    broker.read_exact(&mut came).await.unwrap();
    assert!(came == requests, "bytes arrive unchanged and in order");
    sleep(Duration::from_secs(1)).await;
    let reads = client.reads.load(Relaxed);
    (reads, gate.shared.budgets.buffers().0 == 0)
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fills_its_buffer_gets_a_larger_one_where_there_is_plenty() {
    // 64 KiB, then four times 256 KiB, and a look that finds nothing.
    let (reads, given_back) = reads_of_a_mebibyte("").await;
    assert!((5..=7).contains(&reads) && given_back, "{reads} reads");
    // A fourth of it is one buffer of the usual size.
    let (reads, given_back) = reads_of_a_mebibyte("[limits]\nbuffer_bytes = 262144").await;
    assert!((16..=18).contains(&reads) && given_back, "{reads} reads");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_is_not_polled() {
    let gate = Gate::new("");
    let mut line = gate.connect();
    line.client.write_all(&opaque(1, 10)).await.unwrap();
    let mut broker = line.broker().await;
    frame(&mut broker).await.unwrap();
    // Half a header of the next one lies there, too.
    line.client.write_all(&opaque(2, 10)[..9]).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let polls = line.polls.load(Relaxed);
    sleep(Duration::from_secs(20)).await;
    assert!(line.polls.load(Relaxed) <= polls + 1);
}

#[tokio::test(start_paused = true)]
async fn byte_by_byte_nothing_changes() {
    let gate = Gate::new("");
    for (client, upstream) in [(1, 0), (0, 1), (1, 1), (3, 7)] {
        let (client, upstream) = (Counts::narrow(client), Counts::narrow(upstream));
        let mut line = gate.connect_with(&client, &upstream, PIPE_BYTES);
        let mut requests = opaque(1, 30);
        requests.extend(produce(2, -1, 3, 400));
        requests.extend(unknown_api_versions(3));
        requests.extend(produce(4, 1, 3, 400));
        requests.extend(produce(5, 0, 3, 400));
        requests.extend(opaque(6, 0));
        line.client.write_all(&requests).await.unwrap();
        let broker = line.broker().await;
        let broker = tokio::spawn(answers_all(broker));
        for id in [1, 2, 3, 4, 6] {
            let answer = frame(&mut line.client).await.unwrap();
            assert_eq!(correlation_id(&answer, 4), id);
        }
        line.client.shutdown().await.unwrap();
        assert!(frame(&mut line.client).await.is_none());
        line.ends().await;
        assert_eq!(broker.await.unwrap(), 5);
    }
    assert_eq!(gate.ended(), [4 * 3, 0, 0]);
    gate.assert_all_given_back();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_side_gets_its_answers_before_the_broker_is_left() {
    let gate = Gate::new("");
    let mut line = gate.connect();
    line.client.write_all(&opaque(1, 10)).await.unwrap();
    line.client.shutdown().await.unwrap();
    let mut broker = line.broker().await;
    let request = frame(&mut broker).await.unwrap();
    let early = timeout(Duration::from_secs(60), broker.read_u8()).await;
    assert!(early.is_err(), "left before the answer: {early:?}");
    broker.write_all(&reply(&request)).await.unwrap();
    assert!(frame(&mut line.client).await.is_some());
    assert!(frame(&mut line.client).await.is_none());
    assert!(frame(&mut broker).await.is_none());
    line.ends().await;
    assert_eq!(gate.closes(), [CloseCause::ClientClosed]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_ends_its_side_is_read_to_the_end_and_the_client_told() {
    let gate = Gate::new("");
    let mut line = gate.connect();
    line.client.write_all(&opaque(1, 10)).await.unwrap();
    let mut broker = line.broker().await;
    let request = frame(&mut broker).await.unwrap();
    broker.write_all(&reply(&request)).await.unwrap();
    broker.shutdown().await.unwrap();
    assert!(frame(&mut line.client).await.is_some());
    assert!(frame(&mut line.client).await.is_none());
    drop(line.client);
    timeout(SOON, line.task).await.unwrap().unwrap();
    assert_eq!(gate.closes(), [CloseCause::BrokerClosed]);
    gate.assert_all_given_back();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answers_stops_the_broker_and_nothing_is_lost() {
    let gate = Gate::new("");
    let upstream = Arc::<Counts>::default();
    let mut line = gate.connect_with(&Arc::default(), &upstream, PIPE_BYTES);
    let requests: Vec<u8> = (0..100).flat_map(|id| opaque(id, 10)).collect();
    line.client.write_all(&requests).await.unwrap();
    let mut broker = line.broker().await;
    let sending = tokio::spawn(async move {
        for id in 0..100 {
            broker.write_all(&answer(id, &[7; 50_000])).await.unwrap();
        }
        broker
    });
    sleep(Duration::from_secs(30)).await;
    assert!(upstream.read_bytes.load(Relaxed) <= 3 * PIPE_BYTES);
    for id in 0..100 {
        let answer = frame(&mut line.client).await.unwrap();
        assert_eq!((correlation_id(&answer, 4), answer.len()), (id, 50_008));
    }
    drop(sending.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_read_stops_the_client_and_nothing_is_lost() {
    let gate = Gate::new("");
    let client = Arc::<Counts>::default();
    let mut line = gate.connect_with(&client, &Arc::default(), PIPE_BYTES);
    let (mut reads, mut writes) = tokio::io::split(line.client);
    let sending = tokio::spawn(async move {
        for id in 0..100 {
            writes.write_all(&produce(id, -1, 5, 50_000)).await.unwrap();
        }
    });
    let broker = line.brokers.recv().await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert!(client.read_bytes.load(Relaxed) <= 3 * PIPE_BYTES);
    let broker = tokio::spawn(answers_all(broker));
    for id in 0..100 {
        assert_eq!(correlation_id(&frame(&mut reads).await.unwrap(), 4), id);
    }
    sending.await.unwrap();
    broker.abort();
}

#[tokio::test(start_paused = true)]
async fn more_requests_that_holdfast_answers_itself_than_may_be_in_flight_are_all_answered() {
    for max_in_flight in [1, 4] {
        let gate = Gate::new(&format!(
            "[limits]\nmax_in_flight = {max_in_flight}\nmax_absorbed_in_flight = 1\n"
        ));
        let mut line = gate.connect();
        let requests: Vec<u8> = (0..100).flat_map(unknown_api_versions).collect();
        line.client.write_all(&requests).await.unwrap();
        for id in 0..100 {
            let answer = frame(&mut line.client).await.unwrap();
            assert_eq!(correlation_id(&answer, 4), id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answers_is_not_answered_without_bound() {
    let gate = Gate::new("");
    let client = Arc::<Counts>::default();
    let mut line = gate.connect_with(&client, &Arc::default(), PIPE_BYTES);
    let request = unknown_api_versions(1);
    let sending = async {
        loop {
            line.client.write_all(&request).await.unwrap();
        }
    };
    let stopped = timeout(Duration::from_secs(30), sending).await;
    assert!(stopped.is_err());
    assert!(
        client.read_bytes.load(Relaxed) <= 4 * PIPE_BYTES,
        "{client:?}"
    );
}

/// Moves `frames` Produce frames and their answers, one at a time, without allocating itself.
async fn round_trips(
    frames: usize,
    client: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    broker: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    (request, answer): (&[u8], &[u8]),
    buffer: &mut [u8],
) {
    for _ in 0..frames {
        client.write_all(request).await.unwrap();
        broker
            .read_exact(&mut buffer[..request.len()])
            .await
            .unwrap();
        broker.write_all(answer).await.unwrap();
        client
            .read_exact(&mut buffer[..answer.len()])
            .await
            .unwrap();
    }
}

#[test]
fn a_relayed_produce_costs_no_allocation_in_the_driver() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (request, mut buffer) = (produce(7, -1, 10, 2000), vec![0; 8192]);
    let answer = reply(&request);
    let mut line = runtime.block_on(async { Gate::new("").connect() });
    let mut broker = runtime.block_on(async {
        line.client.write_all(&request).await.unwrap();
        let mut broker = line.broker().await;
        frame(&mut broker).await.unwrap();
        broker.write_all(&answer).await.unwrap();
        frame(&mut line.client).await.unwrap();
        broker
    });
    let bytes = (&request[..], &answer[..]);
    let mut allocations = |frames| {
        let moving = round_trips(frames, &mut line.client, &mut broker, bytes, &mut buffer);
        allocation_counter::measure(|| runtime.block_on(moving)).count_total
    };
    allocations(100);
    assert_eq!(allocations(1000), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_connection_alone_is_counted_and_gives_everything_back() {
    let gate = Gate::new("");
    let mut honest = gate.connect();
    let client = Arc::<Counts>::default();
    let mut line = gate.connect_with(&client, &Arc::default(), PIPE_BYTES);
    line.client
        .write_all(&produce(1, 0, 5, 1000))
        .await
        .unwrap();
    let mut broker = line.broker().await;
    frame(&mut broker).await.unwrap();
    client.panics.store(true, Relaxed);
    line.client.write_all(b"more").await.unwrap();
    let ended = timeout(SOON, line.task).await.unwrap();
    assert!(ended.unwrap_err().is_panic());
    assert_eq!(gate.telemetry.sum("holdfast_panics_total", &[]), 1);
    assert_eq!(gate.closes(), [CloseCause::Panic]);
    assert_eq!(gate.ended_by("unknown", "aborted"), 5);
    assert_eq!(gate.telemetry.sum("holdfast_upstream_connections", &[]), 0);
    gate.assert_all_given_back();
    honest.client.write_all(&opaque(1, 10)).await.unwrap();
    assert!(frame(&mut honest.broker().await).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_after_a_megabyte_relayed_or_thrown_away() {
    const BYTES: usize = 32 * 1024 * 1024;
    for thrown_away in [false, true] {
        let gate = Gate::new("");
        let mut line = gate.connect_with(&Arc::default(), &Arc::default(), 2 * BYTES);
        line.client.write_all(&opaque(1, 10)).await.unwrap();
        let mut broker = line.broker().await;
        frame(&mut broker).await.unwrap();
        if thrown_away {
            drop(broker);
            assert!(frame(&mut line.client).await.is_none());
        }
        let before = line.polls.load(Relaxed);
        line.client.write_all(&opaque(2, BYTES)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        let polls = line.polls.load(Relaxed) - before;
        assert!((32..48).contains(&polls), "{polls} wakes, {thrown_away}");
    }
}

/// A broker that has answered before the write to it returns.
struct Prompt {
    broker: rig::Broker,
    came: Vec<u8>,
    answers: Vec<u8>,
    reader: Option<Waker>,
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.answers.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = self.answers.len().min(buffer.remaining());
        buffer.put_slice(&self.answers[..n]);
        self.answers.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.came.extend(bytes);
        this.answers.extend(this.broker.take(&this.came));
        if let Some(reader) = this.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How often a connection is woken for 400 requests with acks=0 that lie there, before a broker that answers at once; and
/// what becomes of their records.
async fn wakes_for_400_requests(broker: rig::Broker) -> (usize, [u64; 3]) {
    let gate = Gate::new("");
    let (far, near) = tokio::io::duplex(2 * PIPE_BYTES);
    let dial = move || {
        let prompt = Prompt {
            broker: broker.clone(),
            came: Vec::new(),
            answers: Vec::new(),
            reader: None,
        };
        Ok(Wire::new(prompt, &Arc::default()))
    };
    let (_nobody, brokers) = mpsc::unbounded_channel::<DuplexStream>();
    let mut line = gate.start(far, Wire::new(near, &Arc::default()), dial, brokers);
    let requests: Vec<u8> = (0..400).flat_map(|id| produce(id, 0, 1, 100)).collect();
    line.client.write_all(&requests).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    (line.polls.load(Relaxed), gate.ended())
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_teaches_is_told_before_the_next_window_of_requests_is_judged() {
    let stores = rig::Broker::default();
    let (wakes, ended) = wakes_for_400_requests(stores.clone()).await;
    assert_eq!(ended, [400, 0, 0]);
    assert!(wakes < 10, "{wakes}: one wake sees many answers");
    let (wakes, ended) = wakes_for_400_requests(stores.error("orders", 0, 19)).await;
    assert_eq!(ended, [0, 400, 0]);
    // `max_absorbed_in_flight` is 8. Between two wakes the watch, and others, have their turn.
    assert!(wakes >= 400 / 8, "{wakes}");
}

/// Where no stream is ever at rest, nothing but the driver's own turn lets the runtime look at its sockets.
#[tokio::test]
async fn a_connection_that_never_rests_lets_its_thread_hear_of_others() {
    const WITHIN_BYTES: usize = 3 * 1024 * 1024;
    let gate = Gate::new("");
    let counts = Arc::<Counts>::default();
    let (_silence, silent) = tokio::io::duplex(64);
    let asks = Cursor::new(opaque(1, 10)).chain(silent);
    let near = Wire::new(join(asks, sink()), &counts);
    let dial = || {
        // As if an answer of 2 GiB came as fast as it is read.
        let head = [&i32::MAX.to_be_bytes()[..], &1_i32.to_be_bytes()].concat();
        let answers = Cursor::new(head).chain(repeat(7));
        Ok(Wire::new(join(answers, sink()), &Arc::default()))
    };
    let (_, brokers) = mpsc::unbounded_channel();
    let line = gate.start((), near, dial, brokers);
    let (mut far, other) = std::os::unix::net::UnixStream::pair().unwrap();
    other.set_nonblocking(true).unwrap();
    let mut other = UnixStream::from_std(other).unwrap();
    let mut most = 0;
    for _ in 0..20 {
        let before = counts.written_bytes.load(Relaxed);
        far.write_all(&[1]).unwrap();
        // With room for more than comes, so that the next one has to be waited for, too.
        assert_eq!(other.read(&mut [0; 64]).await.unwrap(), 1);
        most = most.max(counts.written_bytes.load(Relaxed) - before);
    }
    line.task.abort();
    assert!(counts.written_bytes.load(Relaxed) > 10 * 1024 * 1024);
    assert!(most <= WITHIN_BYTES, "{most} bytes went first");
}
