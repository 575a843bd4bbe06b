//! A producer written by hand: acks=all, batches of 100 ids, each sent once, and what it was told of each.

use super::{Route, Row, Way};
use crate::support::raw::{Batch, Metadata, Produce, ProduceAnswer, Raw};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

const ACKS_ALL: i16 = -1;
/// The topic of each way, where both are on one cluster that breaks once.
pub const TOPICS: [&str; 2] = ["direct", "through"];
const RECORDS_PER_BATCH: u64 = 100;

/// Ids by what the producer was told.
#[derive(Default)]
pub struct Sent {
    pub ids: BTreeSet<u64>,
    pub ok: BTreeSet<u64>,
    /// The error codes of the others.
    pub codes: BTreeSet<i16>,
}

/// A connection that has asked for the topic, as every client does first.
#[track_caller]
pub fn announce(address: &str, topic: &str) -> Raw {
    let mut connection = Raw::connect(address).expect("the leader's port");
    Metadata::ask(&mut connection, Some(&[topic]), Duration::from_secs(10)).expect("metadata");
    connection
}

/// Sends `ids` to the leader at `address`, with the time of now.
#[track_caller]
pub fn send(address: &str, topic: &str, partition: i32, ids: Range<u64>) -> Sent {
    send_aged(address, topic, partition, ids, Duration::ZERO)
}

/// Sends `ids` with timestamps that are `age` old.
#[track_caller]
pub fn send_aged(
    address: &str,
    topic: &str,
    partition: i32,
    ids: Range<u64>,
    age: Duration,
) -> Sent {
    let mut connection = announce(address, topic);
    let mut sent = Sent::default();
    for first in ids.clone().step_by(RECORDS_PER_BATCH as usize) {
        let count = RECORDS_PER_BATCH.min(ids.end - first);
        let mut batch = Batch::of_ids(first, count, 20);
        batch.timestamp_ms -= age.as_millis() as i64;
        let produce = Produce::new(7, ACKS_ALL, topic, partition, batch.bytes());
        let answer = answered(&mut connection, &produce);
        let of_batch = first..first + count;
        sent.ids.extend(of_batch.clone());
        match answer.error_codes()[..] {
            [0] => sent.ok.extend(of_batch),
            [code] => drop(sent.codes.insert(code)),
            ref codes => panic!("one partition was sent, answered are {codes:?}"),
        }
    }
    sent
}

/// The answer, after some patience where the leader of a new topic does not know yet that it is.
fn answered(connection: &mut Raw, produce: &Produce) -> ProduceAnswer {
    // A broker has not heard of the topic, or that it leads it.
    const EARLY: [i16; 2] = [3, 6];
    let begun = Instant::now();
    loop {
        let answer = connection.produce(produce).expect("an answer");
        let early = matches!(answer.error_codes()[..], [code] if EARLY.contains(&code));
        if !early || begun.elapsed() > Duration::from_secs(30) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Sends the same ids both ways, each to the leader of its topic of [`TOPICS`].
#[track_caller]
pub fn send_both(routes: &[Route<'_>; 2], leaders: [i32; 2], ids: Range<u64>) -> [Sent; 2] {
    [0, 1].map(|way: usize| {
        let address = routes[way].address(leaders[way]);
        send(&address, TOPICS[way], 0, ids.clone())
    })
}

/// What was sent before and after, of each way.
pub fn sum<const N: usize>(before: [Sent; N], after: [Sent; N]) -> [Sent; N] {
    let mut after = after.into_iter();
    before.map(|sent| after.by_ref().take(1).fold(sent, Sent::and))
}

impl Sent {
    /// Both.
    pub fn and(mut self, other: Sent) -> Sent {
        self.ids.extend(other.ids);
        self.ok.extend(other.ok);
        self.codes.extend(other.codes);
        self
    }

    /// Writes the row of what was told and what is there; how many ids were told ok and are not.
    pub fn tell(
        &self,
        experiment: &'static str,
        way: Way,
        stored: &BTreeSet<u64>,
        reported: &str,
    ) -> usize {
        self.tell_read(experiment, way, stored.len(), stored, reported)
    }

    /// The same where the loss is that stored records are never `read`.
    pub fn tell_read(
        &self,
        experiment: &'static str,
        way: Way,
        stored: usize,
        read: &BTreeSet<u64>,
        reported: &str,
    ) -> usize {
        let lost = self.ok.difference(read).count();
        Row {
            experiment,
            way,
            sent: self.ids.len(),
            told_ok: self.ok.len(),
            stored,
            lost,
            reported: reported.into(),
        }
        .tell();
        lost
    }
}
