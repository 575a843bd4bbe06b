//! Fetch requests and answers of versions 4 to 18, written by hand from FetchRequest.json and FetchResponse.json.

use super::raw::{self, Batch, Body};
use super::rig;

/// What a consumer asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub version: i16,
    pub correlation_id: i32,
    pub isolation_level: i8,
    /// 0 begins a session, −1 has none; from 1 on only what changed is listed.
    pub session_epoch: i32,
    /// Topics, each with its partitions and the offsets they are read from.
    pub topics: Vec<(&'static str, Vec<(i32, i64)>)>,
    pub forgotten: Vec<(&'static str, Vec<i32>)>,
    /// −1: a consumer.
    pub replica_id: i32,
}

impl Request {
    /// One partition of `orders`, all that is read.
    pub fn new(version: i16, isolation_level: i8, partition: i32, offset: i64) -> Request {
        Request {
            version,
            correlation_id: 1,
            isolation_level,
            session_epoch: 0,
            topics: vec![("orders", vec![(partition, offset)])],
            forgotten: Vec::new(),
            replica_id: -1,
        }
    }

    pub fn frame(&self) -> Vec<u8> {
        let body = self.body();
        let (version, id) = (self.version, self.correlation_id);
        raw::request_frame(raw::FETCH, version, id, Some("app"), &body)
    }

    fn body(&self) -> Vec<u8> {
        let version = self.version;
        let flexible = version >= 12;
        let mut body = Body::new();
        if version <= 14 {
            body.i32(self.replica_id);
        }
        body.i32(500).i32(1).i32(1 << 20).i8(self.isolation_level);
        if version >= 7 {
            body.i32(77).i32(self.session_epoch);
        }
        body.array(self.topics.len(), flexible);
        for (name, partitions) in &self.topics {
            topic(&mut body, version, name).array(partitions.len(), flexible);
            for (index, offset) in partitions {
                body.i32(*index);
                if version >= 9 {
                    body.i32(-1);
                }
                body.i64(*offset);
                if version >= 12 {
                    body.i32(-1);
                }
                if version >= 5 {
                    body.i64(-1);
                }
                body.i32(1 << 20);
                tags_if(&mut body, flexible);
            }
            tags_if(&mut body, flexible);
        }
        if version >= 7 {
            body.array(self.forgotten.len(), flexible);
            for (name, partitions) in &self.forgotten {
                topic(&mut body, version, name).array(partitions.len(), flexible);
                for index in partitions {
                    body.i32(*index);
                }
                tags_if(&mut body, flexible);
            }
        }
        if version >= 11 {
            match flexible {
                true => body.compact_string("rack"),
                false => body.string("rack"),
            };
        }
        tags_if(&mut body, flexible);
        body.0
    }
}

/// One partition of an answer.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    pub index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// Producer id and first offset.
    pub aborted: Vec<(i64, i64)>,
    pub records: Vec<u8>,
}

/// An answer about topics, each with its partitions. From version 16 on it names a broker.
pub fn answer(version: i16, correlation_id: i32, topics: &[(&str, Vec<Answered>)]) -> Vec<u8> {
    tagged(version, correlation_id, topics, true)
}

/// The same as brokers send it while leaders stay where they are: without a tagged field.
pub fn plain(version: i16, correlation_id: i32, topics: &[(&str, Vec<Answered>)]) -> Vec<u8> {
    tagged(version, correlation_id, topics, false)
}

fn tagged(
    version: i16,
    correlation_id: i32,
    topics: &[(&str, Vec<Answered>)],
    names_leader: bool,
) -> Vec<u8> {
    let flexible = version >= 12;
    let mut body = Body::new();
    tags_if(&mut body, flexible);
    body.i32(0);
    if version >= 7 {
        body.i16(0).i32(77);
    }
    body.array(topics.len(), flexible);
    for (name, partitions) in topics {
        topic(&mut body, version, name).array(partitions.len(), flexible);
        for partition in partitions {
            body.i32(partition.index).i16(partition.error_code);
            body.i64(partition.high_watermark)
                .i64(partition.last_stable_offset);
            if version >= 5 {
                body.i64(partition.log_start_offset);
            }
            body.array(partition.aborted.len(), flexible);
            for (producer_id, first_offset) in &partition.aborted {
                body.i64(*producer_id).i64(*first_offset);
                tags_if(&mut body, flexible);
            }
            if version >= 11 {
                body.i32(-1);
            }
            body.array(partition.records.len(), flexible)
                .bytes(&partition.records);
            if flexible && !names_leader {
                body.tags();
            } else if flexible {
                // current_leader
                body.uvarint(1).uvarint(1).uvarint(9).i32(2).i32(7).tags();
            }
        }
        tags_if(&mut body, flexible);
    }
    if version >= 16 && names_leader {
        body.uvarint(1)
            .uvarint(0)
            .bytes(&rig::node_endpoints_field());
    } else {
        tags_if(&mut body, flexible);
    }
    rig::response(&correlation_id.to_be_bytes(), &body.0)
}

/// What a client gets of it: without the broker that it names.
pub fn without_endpoints(version: i16, answer: &[u8]) -> Vec<u8> {
    let mut bytes = answer.to_vec();
    if version >= 16 {
        let content = bytes.len() - rig::node_endpoints_field().len();
        // The field begins with its size of one byte.
        bytes[content - 1] = 0x63;
        bytes[content + 1..].fill(0);
    }
    bytes
}

fn topic<'a>(body: &'a mut Body, version: i16, name: &str) -> &'a mut Body {
    match version {
        13.. => body.bytes(&rig::topic_id(name)),
        12 => body.compact_string(name),
        _ => body.string(name),
    }
}

fn tags_if(body: &mut Body, flexible: bool) {
    if flexible {
        body.tags();
    }
}

/// Attributes of a batch.
pub const TRANSACTIONAL: i16 = 1 << 4;
pub const CONTROL: i16 = 1 << 5;

/// `count` records from this offset on.
pub fn batch(offset: i64, count: u64, producer_id: i64, attributes: i16) -> Vec<u8> {
    let batch = Batch {
        attributes,
        ..Batch::of_ids(offset as u64, count, 10).producer(producer_id, 0, 0)
    };
    at(offset, batch.bytes())
}

/// The end of a transaction: 0 is aborted, 1 committed.
pub fn marker(offset: i64, producer_id: i64, kind: i16) -> Vec<u8> {
    let mut key = Body::new();
    key.i16(0).i16(kind);
    let mut value = Body::new();
    value.i16(0).i32(0);
    let batch = Batch {
        attributes: TRANSACTIONAL | CONTROL,
        ..Batch::new().producer(producer_id, 0, -1)
    };
    at(offset, batch.record(Some(&key.0), Some(&value.0)).bytes())
}

/// The base offset is not under the checksum.
fn at(offset: i64, mut batch: Vec<u8>) -> Vec<u8> {
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch
}
