//! How often the driver calls its streams: each call that brings or takes bytes is a system call, and these are most of what a small
//! frame costs.

use super::driven::{Counts, Gate, PIPE_BYTES, answer, frame, opaque, produce, reply};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::AsyncWriteExt;

/// Calls of each stream and polls of the driver, for one round trip of its many.
#[track_caller]
fn check(client: &Counts, upstream: &Counts, polls: usize, trips: usize) {
    let each = |calls: usize| calls as f64 / trips as f64;
    let writes = [client, upstream].map(|side| each(side.writes.load(Relaxed)));
    let reads = [client, upstream].map(|side| each(side.reads.load(Relaxed)));
    assert_eq!(writes, [1.0, 1.0], "writes to the client and to the broker");
    // A read that brings a frame, and those that find nothing: the driver looks at both sides whenever it is woken, here also
    // because somebody took what it had written.
    println!("reads {reads:?}, {} polls of each trip", each(polls));
    let most = [4.0, 3.0];
    let few = reads.iter().zip(most).all(|(reads, most)| *reads <= most);
    assert!(few, "reads {reads:?} of {most:?}");
    assert!(each(polls) <= 2.0, "{polls} polls of {trips} trips");
}

#[tokio::test(start_paused = true)]
async fn a_request_and_its_answer_cost_one_write_each_and_few_looks() {
    const TRIPS: i32 = 200;
    for small in [true, false] {
        let gate = Gate::new("");
        let (client, upstream) = (Arc::<Counts>::default(), Arc::<Counts>::default());
        let mut line = gate.connect_with(&client, &upstream, PIPE_BYTES);
        let make = |id| {
            if small {
                opaque(id, 20)
            } else {
                produce(id, -1, 5, 1_000)
            }
        };
        // The first one dials.
        line.client.write_all(&make(0)).await.unwrap();
        let mut broker = line.broker().await;
        let mut before = 0;
        for id in 0..=TRIPS {
            if id > 0 {
                line.client.write_all(&make(id)).await.unwrap();
            }
            let request = frame(&mut broker).await.unwrap();
            let answered = if small {
                answer(id, b"")
            } else {
                reply(&request)
            };
            broker.write_all(&answered).await.unwrap();
            frame(&mut line.client).await.unwrap();
            if id == 0 {
                for counter in [
                    &client.reads,
                    &client.writes,
                    &upstream.reads,
                    &upstream.writes,
                ] {
                    counter.store(0, Relaxed);
                }
                before = line.polls.load(Relaxed);
            }
        }
        let polls = line.polls.load(Relaxed) - before;
        check(&client, &upstream, polls, TRIPS as usize);
    }
}
