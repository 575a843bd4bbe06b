//! A Fetch answer without the records of aborted transactions, for a client that would not leave them out itself.
//!
//! Floor 0. Does what read_committed consumers do (`CompletedFetch.java`): partition by partition, batches are gone through in
//! the order of offsets; a producer is aborted from the offset that `aborted_transactions` tells up to its abort marker, and its
//! transactional batches in between go. In the place of each run of them stands a control batch of one abort marker, from the
//! run's first offset to its last: every client skips it and moves on behind it. An empty batch would not do: librdkafka takes an
//! answer without any record for one whose record is too large.
//!
//! The end of the log (`high_watermark`) is set to `last_stable_offset`, in place: it is the end of what such a client gets.

use super::edit::Edits;
use super::fetch::FLEXIBLE_FROM;
use super::produce::TopicKey;
use super::reader::Error;
use super::record_batch::{BATCH_HEADER_LEN, ENTRY_OVERHEAD, i32_at, i64_at};
use super::schema::{self, Name, Value, Visitor};
use super::varint;
use std::collections::HashSet;
use std::ops::Range;

const TRANSACTIONAL: u8 = 1 << 4;
const CONTROL: u8 = 1 << 5;
/// The type in a control record's key.
const ABORT: i16 = 0;
/// Where a batch's checksum lies, and where begins what it covers.
const CRC_AT: usize = 17;
const COVERED_AT: usize = 21;

/// What became of a body.
#[derive(Debug, Default)]
pub struct Repaired {
    pub edits: Edits,
    /// By topic of which anything was taken out: how many records.
    pub removed: Vec<(Topic, u64)>,
}

/// A topic by its name or its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Topic {
    Name(Box<[u8]>),
    Id([u8; 16]),
}

impl Topic {
    pub fn key(&self) -> TopicKey<'_> {
        match self {
            Topic::Name(name) => TopicKey::Name(name),
            Topic::Id(id) => TopicKey::Id(*id),
        }
    }
}

/// What is to be changed in the body of an answer. `concerned`: whether aborted records of a topic are taken out.
pub fn repair(
    version: i16,
    body: &[u8],
    concerned: impl FnMut(TopicKey<'_>) -> bool,
) -> Result<Repaired, Error> {
    let mut answer = Answer {
        compact: version >= FLEXIBLE_FROM,
        concerned,
        topic: None,
        takes: false,
        high_watermark: None,
        aborted: Vec::new(),
        producer_id: -1,
        repaired: Repaired::default(),
    };
    schema::walk(&schema::FETCH_RESPONSE, version, body, &mut answer)?;
    Ok(answer.repaired)
}

struct Answer<'a, F> {
    compact: bool,
    concerned: F,
    topic: Option<TopicKey<'a>>,
    takes: bool,
    /// Of this partition, and where it lies.
    high_watermark: Option<(i64, Range<usize>)>,
    /// Of this partition: producer id and first offset.
    aborted: Vec<(i64, i64)>,
    producer_id: i64,
    repaired: Repaired,
}

impl<'a, F: FnMut(TopicKey<'_>) -> bool> Visitor<'a> for Answer<'a, F> {
    fn field(&mut self, name: Name, value: Value<'a>, range: Range<usize>) {
        match (name, value) {
            (Name::Topic, Value::String(Some(topic))) => self.enter_topic(TopicKey::Name(topic)),
            (Name::TopicId, Value::Uuid(id)) => self.enter_topic(TopicKey::Id(id)),
            (Name::PartitionIndex, _) => self.aborted.clear(),
            (Name::HighWatermark, Value::I64(offset)) => {
                self.high_watermark = Some((offset, range));
            }
            (Name::LastStableOffset, Value::I64(offset)) => self.end_at(offset),
            (Name::ProducerId, Value::I64(id)) => self.producer_id = id,
            (Name::FirstOffset, Value::I64(first)) => {
                self.aborted.push((self.producer_id, first));
            }
            (Name::Records, Value::Records(Some(records))) => self.take_out(records, range),
            _ => {}
        }
    }
}

impl<'a, F: FnMut(TopicKey<'_>) -> bool> Answer<'a, F> {
    fn enter_topic(&mut self, key: TopicKey<'a>) {
        self.topic = Some(key);
        self.takes = (self.concerned)(key);
    }

    fn end_at(&mut self, last_stable_offset: i64) {
        if let Some((high_watermark, range)) = self.high_watermark.take()
            && (0..high_watermark).contains(&last_stable_offset)
        {
            let bytes = last_stable_offset.to_be_bytes();
            self.repaired.edits.replace(range, &bytes);
        }
    }

    fn take_out(&mut self, records: &'a [u8], range: Range<usize>) {
        if !self.takes || self.aborted.is_empty() {
            return;
        }
        let Some((kept, removed)) = without_aborted(records, &mut self.aborted) else {
            return;
        };
        let mut field = Vec::with_capacity(kept.len() + 5);
        let length = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        match self.compact {
            true => varint::push(&mut field, length.saturating_add(1)),
            false => field.extend(length.to_be_bytes()),
        }
        field.extend(kept);
        self.repaired.edits.replace(range, &field);
        let topic = match self.topic {
            Some(TopicKey::Name(name)) => Topic::Name(name.into()),
            Some(TopicKey::Id(id)) => Topic::Id(id),
            None => return,
        };
        match self.repaired.removed.last_mut() {
            Some((last, sum)) if *last == topic => *sum += removed,
            _ => self.repaired.removed.push((topic, removed)),
        }
    }
}

/// The records of a partition without those of aborted producers, and how many went; `None`: there are none of them.
fn without_aborted(records: &[u8], aborted: &mut [(i64, i64)]) -> Option<(Vec<u8>, u64)> {
    aborted.sort_unstable_by_key(|(_, first_offset)| *first_offset);
    let mut begin = aborted.iter().peekable();
    let mut producers: HashSet<i64> = HashSet::new();
    let mut kept = Vec::new();
    let mut run: Option<Run> = None;
    let (mut rest, mut removed) = (records, 0);
    while let Some((batch, behind)) = first_batch(rest) {
        while let Some((producer_id, _)) = begin.next_if(|(_, first)| *first <= batch.last_offset) {
            producers.insert(*producer_id);
        }
        let goes = batch.transactional && !batch.control && producers.contains(&batch.producer_id);
        if batch.control && batch.aborts() {
            producers.remove(&batch.producer_id);
        }
        match goes {
            true => {
                removed += u64::from(batch.count);
                run = Some(match run.take() {
                    Some(run) => run.longer(&batch, &mut kept),
                    None => Run::of(&batch),
                });
            }
            false => {
                if let Some(run) = run.take() {
                    run.write(&mut kept);
                }
                kept.extend_from_slice(batch.bytes);
            }
        }
        rest = behind;
    }
    if let Some(run) = run {
        run.write(&mut kept);
    } else if removed == 0 {
        return None;
    }
    // What is no whole batch: the last one of an answer may be cut off.
    kept.extend_from_slice(rest);
    Some((kept, removed))
}

/// A whole batch of magic 2.
struct Batch<'a> {
    bytes: &'a [u8],
    base_offset: i64,
    last_offset: i64,
    producer_id: i64,
    transactional: bool,
    control: bool,
    count: u32,
}

/// The batch at the beginning, and what is behind it; an old message set or less than a batch is none.
fn first_batch(records: &[u8]) -> Option<(Batch<'_>, &[u8])> {
    let head = records.first_chunk::<BATCH_HEADER_LEN>()?;
    let length = u32::try_from(i32_at(head, 8)).ok()?;
    let size = usize::try_from(u64::from(length) + ENTRY_OVERHEAD).ok()?;
    if head[16] != 2 || size < BATCH_HEADER_LEN {
        return None;
    }
    let (bytes, behind) = records.split_at_checked(size)?;
    let base_offset = i64_at(head, 0);
    let delta = u32::try_from(i32_at(head, 23)).ok()?;
    let batch = Batch {
        bytes,
        base_offset,
        last_offset: base_offset.checked_add(i64::from(delta))?,
        producer_id: i64_at(head, 43),
        transactional: head[22] & TRANSACTIONAL != 0,
        control: head[22] & CONTROL != 0,
        count: u32::try_from(i32_at(head, 57)).unwrap_or(0),
    };
    Some((batch, behind))
}

impl Batch<'_> {
    /// Whether a control batch holds an abort marker: the type in the key of its one record.
    fn aborts(&self) -> bool {
        let record = &self.bytes[BATCH_HEADER_LEN..];
        // length | attributes i8 | timestamp delta | offset delta | length of the key | version i16 | type i16
        let kind = varint_end(record, 0)
            .and_then(|at| varint_end(record, at + 1))
            .and_then(|at| varint_end(record, at))
            .and_then(|at| varint_end(record, at))
            .and_then(|at| record.get(at + 2..at + 4));
        kind.is_some_and(|kind| kind == ABORT.to_be_bytes())
    }
}

/// Where the varint at `at` ends, ten bytes at most.
fn varint_end(bytes: &[u8], at: usize) -> Option<usize> {
    let last = bytes
        .get(at..)?
        .iter()
        .take(10)
        .position(|byte| byte & 0x80 == 0)?;
    Some(at + last + 1)
}

/// Aborted batches one after the other.
struct Run {
    /// The header of the first one.
    head: [u8; BATCH_HEADER_LEN],
    base_offset: i64,
    last_offset: i64,
}

impl Run {
    fn of(batch: &Batch<'_>) -> Run {
        let mut head = [0; BATCH_HEADER_LEN];
        head.copy_from_slice(&batch.bytes[..BATCH_HEADER_LEN]);
        Run {
            head,
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
        }
    }

    /// With one batch more; a batch spans 2^31 offsets at most, so a run beyond that is written and another begun.
    fn longer(self, batch: &Batch<'_>, kept: &mut Vec<u8>) -> Run {
        let delta = batch.last_offset.checked_sub(self.base_offset);
        if delta.is_some_and(|delta| (0..=i64::from(i32::MAX)).contains(&delta)) {
            return Run {
                last_offset: batch.last_offset,
                ..self
            };
        }
        self.write(kept);
        Run::of(batch)
    }

    /// A control batch that spans the run: leader epoch, time and producer are those of its first batch.
    fn write(self, kept: &mut Vec<u8>) {
        let delta = i32::try_from(self.last_offset - self.base_offset).unwrap_or(0);
        let mut record = vec![0, 0]; // attributes, timestamp delta
        push_signed(&mut record, delta);
        push_signed(&mut record, 4);
        record.extend([0, 0, 0, 0]); // version 0, type 0: abort
        push_signed(&mut record, 6);
        record.extend([0; 6]); // version 0, coordinator epoch 0
        record.push(0); // no headers
        let at = kept.len();
        kept.extend_from_slice(&self.head);
        push_signed(kept, record.len() as i32);
        kept.extend(record);
        let batch = &mut kept[at..];
        let length = (batch.len() as u64 - ENTRY_OVERHEAD) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[21..23].copy_from_slice(&[0, TRANSACTIONAL | CONTROL]);
        batch[23..27].copy_from_slice(&delta.to_be_bytes());
        batch.copy_within(27..35, 35);
        batch[53..57].copy_from_slice(&(-1_i32).to_be_bytes());
        batch[57..61].copy_from_slice(&1_i32.to_be_bytes());
        let crc = crc32c(&batch[COVERED_AT..]);
        batch[CRC_AT..COVERED_AT].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Kafka's signed VARINT: zigzag.
fn push_signed(out: &mut Vec<u8>, value: i32) {
    varint::push(out, ((value << 1) ^ (value >> 31)) as u32);
}

/// CRC-32C (Castagnoli), bit by bit: a marker has less than a hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), bit);
    !bytes.iter().fold(u32::MAX, byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
