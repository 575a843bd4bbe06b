//! The bytes of the benchmark: Produce and Fetch frames of an exact size, written by hand in Kafka's layout.
//!
//! A frame is encoded once and then sent many times with another correlation id; nothing here decodes, except for finding
//! where one frame ends and the next begins.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// The only topic that is written to and read.
pub const TOPIC: &str = "bench";
pub const TOPIC_ID: [u8; 16] = [0xb4; 16];
pub const TOPIC_ID_TEXT: &str = "b4b4b4b4-b4b4-b4b4-b4b4-b4b4b4b4b4b4";

/// Offset of the correlation id in a request (behind size, api_key, api_version) and in a response (behind size).
pub const REQUEST_CORRELATION: usize = 8;
pub const RESPONSE_CORRELATION: usize = 4;

/// Offset of the error code of the only partition in a Produce v9 response that [`produce_response`] or a gateway encodes:
/// size, correlation id, tags, one topic, its name, one partition, its index.
pub const PRODUCE_RESPONSE_ERROR: usize = 4 + 4 + 1 + 1 + (1 + TOPIC.len()) + 1 + 4;

pub fn set_correlation(frame: &mut [u8], at: usize, correlation_id: i32) {
    frame[at..at + 4].copy_from_slice(&correlation_id.to_be_bytes());
}

/// A Produce v9 request of exactly `size` bytes, size prefix included, that writes to partition 0.
pub fn produce_request(acks: i16, size: usize) -> Vec<u8> {
    exactly(size, |batch| produce_of(acks, batch, 1))
}

/// A Produce v9 request that writes one small batch to each of so many partitions.
pub fn produce_to_partitions(acks: i16, partitions: u32) -> Vec<u8> {
    sized(produce_of(acks, &record_batch(0, 100), partitions))
}

fn produce_of(acks: i16, batch: &[u8], partitions: u32) -> Vec<u8> {
    let mut frame = request_header(0, 9);
    frame.push(0); // transactional_id: null
    frame.extend(acks.to_be_bytes());
    frame.extend(30_000_i32.to_be_bytes()); // timeout_ms
    frame.push(2); // one topic
    put_compact(&mut frame, TOPIC.as_bytes());
    put_varint(&mut frame, partitions + 1);
    for index in 0..partitions {
        frame.extend(index.to_be_bytes());
        put_compact(&mut frame, batch);
        frame.push(0); // tags of the partition
    }
    frame.extend([0, 0]); // tags of the topic, of the request
    frame
}

/// Produce v9, error 0 for each of these partitions.
pub fn produce_response(correlation_id: i32, base_offset: i64, partitions: Range<u32>) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(correlation_id.to_be_bytes());
    frame.push(0); // tags of the header
    frame.push(2);
    put_compact(&mut frame, TOPIC.as_bytes());
    put_varint(&mut frame, partitions.len() as u32 + 1);
    for index in partitions {
        frame.extend(index.to_be_bytes());
        frame.extend(0_i16.to_be_bytes()); // error_code
        frame.extend(base_offset.to_be_bytes());
        frame.extend((-1_i64).to_be_bytes()); // log_append_time_ms
        frame.extend(0_i64.to_be_bytes()); // log_start_offset
        frame.push(1); // no record_errors
        frame.push(0); // error_message: null
        frame.push(0); // tags of the partition
    }
    frame.push(0); // tags of the topic
    frame.extend(0_i32.to_be_bytes()); // throttle_time_ms
    frame.push(0);
    sized(frame)
}

/// A consumer's Fetch; `max_bytes` tells the null broker how long its response shall be.
pub fn fetch_request(version: i16, max_bytes: usize) -> Vec<u8> {
    let mut frame = request_header(1, version);
    if version < 15 {
        frame.extend((-1_i32).to_be_bytes()); // replica_id
    }
    frame.extend(500_i32.to_be_bytes()); // max_wait_ms
    frame.extend(1_i32.to_be_bytes()); // min_bytes
    frame.extend(i32::try_from(max_bytes).expect("a size").to_be_bytes());
    frame.push(0); // isolation_level
    frame.extend(0_i32.to_be_bytes()); // session_id
    frame.extend((-1_i32).to_be_bytes()); // session_epoch
    frame.push(2);
    put_topic(&mut frame, version);
    frame.push(2);
    frame.extend(0_i32.to_be_bytes()); // partition
    frame.extend((-1_i32).to_be_bytes()); // current_leader_epoch
    frame.extend(0_i64.to_be_bytes()); // fetch_offset
    frame.extend((-1_i32).to_be_bytes()); // last_fetched_epoch
    frame.extend((-1_i64).to_be_bytes()); // log_start_offset
    frame.extend(i32::try_from(max_bytes).expect("a size").to_be_bytes());
    frame.extend([0, 0]); // tags of the partition and the topic
    frame.push(1); // no forgotten topics
    frame.push(1); // rack_id: empty
    frame.push(0);
    sized(frame)
}

/// A Fetch response of exactly `size` bytes, size prefix included.
pub fn fetch_response(version: i16, size: usize) -> Vec<u8> {
    exactly(size, |batch| fetched(version, batch))
}

fn fetched(version: i16, batch: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 8];
    frame.push(0); // tags of the header
    frame.extend(0_i32.to_be_bytes()); // throttle_time_ms
    frame.extend(0_i16.to_be_bytes()); // error_code
    frame.extend(0_i32.to_be_bytes()); // session_id
    frame.push(2);
    put_topic(&mut frame, version);
    frame.push(2);
    frame.extend(0_i32.to_be_bytes()); // partition_index
    frame.extend(0_i16.to_be_bytes());
    for _ in ["high_watermark", "last_stable_offset", "log_start_offset"] {
        frame.extend(1_i64.to_be_bytes());
    }
    frame.push(0); // aborted_transactions: null
    frame.extend((-1_i32).to_be_bytes()); // preferred_read_replica
    put_compact(&mut frame, batch);
    frame.extend([0, 0, 0]);
    frame
}

/// Where acks lies in a Produce v9 request of ours: behind the header and a null transactional_id.
pub fn produce_acks(head: &[u8]) -> i16 {
    let at = body(head) + 1;
    i16::from_be_bytes([head[at], head[at + 1]])
}

/// To which partitions a Produce v9 request of ours writes.
pub fn produce_partitions(head: &[u8]) -> Range<u32> {
    let mut at = produce_partition_at(head) - 1;
    let mut value = 0;
    for step in 0..5 {
        value |= u32::from(head[at] & 0x7f) << (7 * step);
        at += 1;
        if head[at - 1] & 0x80 == 0 {
            break;
        }
    }
    let first = partition_at(head, at);
    first..first + value - 1
}

/// Where the index of the only partition lies in a Produce v9 request of ours.
fn produce_partition_at(head: &[u8]) -> usize {
    body(head) + 1 + 2 + 4 + 1 + 1 + TOPIC.len() + 1
}

/// Where the index of the partition lies in a Fetch of ours.
fn fetch_partition_at(head: &[u8], version: i16) -> usize {
    let fixed = if version < 15 { 25 } else { 21 };
    body(head) + fixed + 1 + topic_bytes(version) + 1
}

/// Where it lies in the answer.
pub fn fetched_partition_at(version: i16) -> usize {
    4 + 4 + 1 + 4 + 2 + 4 + 1 + topic_bytes(version) + 1
}

fn topic_bytes(version: i16) -> usize {
    if version < 13 {
        1 + TOPIC.len()
    } else {
        TOPIC_ID.len()
    }
}

pub fn fetch_partition(head: &[u8], version: i16) -> u32 {
    partition_at(head, fetch_partition_at(head, version))
}

fn partition_at(frame: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]])
}

/// Sends a request of ours for one partition to another.
pub fn set_partition(request: &mut [u8], partition: u32) {
    let at = match i16::from_be_bytes([request[4], request[5]]) {
        0 => produce_partition_at(request),
        _ => fetch_partition_at(request, i16::from_be_bytes([request[6], request[7]])),
    };
    request[at..at + 4].copy_from_slice(&partition.to_be_bytes());
}

/// A Metadata v12 request for one topic, `name`.
pub fn metadata_request(name: &str) -> Vec<u8> {
    let mut frame = request_header(3, 12);
    frame.push(2); // one topic
    frame.extend([0; 16]); // topic_id: none
    put_compact(&mut frame, name.as_bytes());
    frame.push(0); // tags of the topic
    frame.extend([0, 0]); // allow_auto_topic_creation, include_topic_authorized_operations
    frame.push(0);
    sized(frame)
}

/// Whether an answer is one to Produce, of which [`PRODUCE_RESPONSE_ERROR`] says where its first error stands.
pub fn is_produce_response(head: &[u8]) -> bool {
    let name = [&[TOPIC.len() as u8 + 1], TOPIC.as_bytes()].concat();
    head.len() > PRODUCE_RESPONSE_ERROR + 2 && head[10..10 + name.len()] == name
}

/// `max_bytes` of a Fetch request of ours.
pub fn fetch_max_bytes(head: &[u8], version: i16) -> usize {
    let at = body(head) + if version < 15 { 12 } else { 8 };
    i32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
}

/// Finds the frames in a stream of bytes and keeps only their first bytes.
#[derive(Default)]
pub struct Scanner {
    head: Vec<u8>,
    seen: usize,
}

impl Scanner {
    /// Enough for the fixed part of every frame that the benchmark itself sends.
    const HEAD: usize = 96;

    /// Calls `done` with the first bytes of every frame that ends in `chunk`. `whole` says, of the first eight bytes
    /// behind the size, whether all of the frame is wanted.
    pub fn feed(
        &mut self,
        mut chunk: &[u8],
        whole: impl Fn(&[u8]) -> bool,
        mut done: impl FnMut(&[u8]),
    ) {
        while !chunk.is_empty() {
            let (length, keep) = match self.head.len() {
                0..12 => (12, 12),
                _ => {
                    let size = i32::from_be_bytes([
                        self.head[0],
                        self.head[1],
                        self.head[2],
                        self.head[3],
                    ]);
                    let length = 4 + usize::try_from(size).expect("a size is positive");
                    match whole(&self.head[4..12]) {
                        true => (length, length),
                        false => (length, length.min(Scanner::HEAD)),
                    }
                }
            };
            let kept = chunk.len().min(keep.saturating_sub(self.seen));
            self.head.extend_from_slice(&chunk[..kept]);
            let taken = match kept {
                0 => chunk.len().min(length - self.seen),
                _ => kept,
            };
            self.seen += taken;
            chunk = &chunk[taken..];
            if self.head.len() >= 12 && self.seen == self.length() {
                done(&self.head);
                self.head.clear();
                self.seen = 0;
            }
        }
    }

    fn length(&self) -> usize {
        4 + i32::from_be_bytes([self.head[0], self.head[1], self.head[2], self.head[3]]) as usize
    }
}

/// Offset of the body of a request with header v2.
pub fn body(head: &[u8]) -> usize {
    14 + usize::try_from(i16::from_be_bytes([head[12], head[13]])).unwrap_or(0) + 1
}

fn request_header(api_key: i16, api_version: i16) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(api_key.to_be_bytes());
    frame.extend(api_version.to_be_bytes());
    frame.extend(0_i32.to_be_bytes());
    frame.extend(5_i16.to_be_bytes());
    frame.extend(b"bench"); // client_id, never compact
    frame.push(0);
    frame
}

fn put_topic(frame: &mut Vec<u8>, version: i16) {
    match version < 13 {
        true => put_compact(frame, TOPIC.as_bytes()),
        false => frame.extend(TOPIC_ID),
    }
}

fn put_compact(frame: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(frame, bytes.len() as u32 + 1);
    frame.extend(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

fn sized(mut frame: Vec<u8>) -> Vec<u8> {
    let size = i32::try_from(frame.len() - 4).expect("a frame is below 2 GiB");
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame
}

/// A frame around a record batch, with the value as long as makes the frame `size` bytes. Where three varints grow at once
/// no value fits: a key moves the step.
fn exactly(size: usize, frame: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    built(size, frame).unwrap_or_else(|| panic!("no frame of {size} bytes can be built"))
}

fn built(size: usize, frame: impl Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    for key in 0..8 {
        let mut value = size.saturating_sub(frame(&record_batch(key, 0)).len());
        for _ in 0..4 {
            let built = frame(&record_batch(key, value));
            if built.len() == size {
                return Some(sized(built));
            }
            value = (value + size).saturating_sub(built.len());
        }
    }
    None
}

/// The largest size up to this one of which there are requests of Produce and answers to Fetch: where the length of the batch
/// grows by a byte, a size is passed over.
pub fn at_most(size: usize) -> usize {
    let exists = |size: &usize| {
        let produce = built(*size, |batch| produce_of(-1, batch, 1));
        produce.is_some() && built(*size, |batch| fetched(16, batch)).is_some()
    };
    (0..=size).rev().find(exists).expect("some size exists")
}

/// A RecordBatch v2 with one record.
fn record_batch(key: usize, value: usize) -> Vec<u8> {
    let mut record = vec![0, 0, 0]; // attributes, timestamp delta, offset delta
    put_varint(&mut record, zigzag(key as i32));
    record.extend(std::iter::repeat_n(b'k', key));
    put_varint(&mut record, zigzag(value as i32));
    record.extend((0..value).map(|i| (i % 251) as u8));
    record.push(0); // no headers

    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_millis() as i64);
    let mut checked = Vec::with_capacity(record.len() + 64);
    checked.extend(0_i16.to_be_bytes()); // attributes
    checked.extend(0_i32.to_be_bytes()); // lastOffsetDelta
    checked.extend(now.to_be_bytes()); // baseTimestamp
    checked.extend(now.to_be_bytes()); // maxTimestamp
    checked.extend((-1_i64).to_be_bytes()); // producerId
    checked.extend((-1_i16).to_be_bytes()); // producerEpoch
    checked.extend((-1_i32).to_be_bytes()); // baseSequence
    checked.extend(1_i32.to_be_bytes()); // recordCount
    put_varint(&mut checked, zigzag(record.len() as i32));
    checked.extend(record);

    let mut batch = Vec::with_capacity(checked.len() + 21);
    batch.extend(0_i64.to_be_bytes()); // baseOffset
    batch.extend((checked.len() as i32 + 9).to_be_bytes()); // batchLength
    batch.extend((-1_i32).to_be_bytes()); // partitionLeaderEpoch
    batch.push(2); // magic
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}
