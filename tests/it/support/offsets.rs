//! OffsetCommit and OffsetFetch at every version, written and read by hand.

use super::raw::{Body, Cursor, Raw, request_frame};
use super::rig::topic_id;

pub const OFFSET_COMMIT: i16 = 8;
pub const OFFSET_FETCH: i16 = 9;
pub const TXN_OFFSET_COMMIT: i16 = 28;

/// Partitions and their offsets, topic by topic.
pub type Offsets<'a> = &'a [(&'a str, &'a [(i32, i64)])];
/// The same with codes, as an answer tells them.
pub type Codes = Vec<(String, Vec<(i32, i16)>)>;

/// One OffsetCommit request.
#[derive(Clone, Copy)]
pub struct Commit<'a> {
    pub version: i16,
    pub group: &'a str,
    pub generation: i32,
    pub member: &'a str,
    /// Versions 2 to 4 only.
    pub retention_ms: i64,
    pub offsets: Offsets<'a>,
}

impl<'a> Commit<'a> {
    /// Of a live member of group `g`.
    pub fn new(version: i16, offsets: Offsets<'a>) -> Commit<'a> {
        Commit {
            version,
            group: "g",
            generation: 3,
            member: "m-1",
            retention_ms: -1,
            offsets,
        }
    }

    pub fn body(&self) -> Vec<u8> {
        let (version, flexible) = (self.version, self.version >= 8);
        let mut body = Body::new();
        string(&mut body, self.group, flexible);
        body.i32(self.generation);
        string(&mut body, self.member, flexible);
        match version {
            7 => drop(body.nullable_string(None)),
            8.. => drop(body.compact_nullable_string(None)),
            _ => {}
        }
        if version <= 4 {
            body.i64(self.retention_ms);
        }
        body.array(self.offsets.len(), flexible);
        for (name, partitions) in self.offsets {
            topic(&mut body, name, version, flexible);
            body.array(partitions.len(), flexible);
            for (index, offset) in *partitions {
                body.i32(*index).i64(*offset);
                if version >= 6 {
                    body.i32(-1);
                }
                string(&mut body, "note", flexible);
                tags(&mut body, flexible);
            }
            tags(&mut body, flexible);
        }
        tags(&mut body, flexible);
        body.0
    }

    pub fn frame(&self, correlation_id: i32) -> Vec<u8> {
        request_frame(
            OFFSET_COMMIT,
            self.version,
            correlation_id,
            Some("app"),
            &self.body(),
        )
    }
}

/// A TxnOffsetCommit request of a live member of group `g`, as far as its version can say so.
pub fn transacted(version: i16, correlation_id: i32, offsets: Offsets<'_>) -> Vec<u8> {
    let flexible = version >= 3;
    let mut body = Body::new();
    string(&mut body, "transfers", flexible);
    string(&mut body, "g", flexible);
    body.i64(4000).i16(2);
    if version >= 3 {
        body.i32(3);
        string(&mut body, "m-1", flexible);
        body.compact_nullable_string(None);
    }
    body.array(offsets.len(), flexible);
    for (name, partitions) in offsets {
        string(&mut body, name, flexible);
        body.array(partitions.len(), flexible);
        for (index, offset) in *partitions {
            body.i32(*index).i64(*offset);
            if version >= 2 {
                body.i32(-1);
            }
            string(&mut body, "note", flexible);
            tags(&mut body, flexible);
        }
        tags(&mut body, flexible);
    }
    tags(&mut body, flexible);
    request_frame(
        TXN_OFFSET_COMMIT,
        version,
        correlation_id,
        Some("app"),
        &body.0,
    )
}

/// The answer to one, and what it tells.
pub fn transaction_told(
    version: i16,
    correlation_id: i32,
    codes: &[(&str, &[(i32, i16)])],
) -> Vec<u8> {
    // Versions 3 and 8 of the answer to an OffsetCommit lie alike.
    committed(if version >= 3 { 8 } else { 3 }, correlation_id, codes)
}

pub fn transaction_codes(version: i16, frame: &[u8]) -> Codes {
    codes(if version >= 3 { 8 } else { 3 }, frame, &[])
}

/// The answer to a commit.
pub fn committed(version: i16, correlation_id: i32, codes: &[(&str, &[(i32, i16)])]) -> Vec<u8> {
    let flexible = version >= 8;
    let mut body = head(correlation_id, flexible);
    if version >= 3 {
        body.i32(11);
    }
    body.array(codes.len(), flexible);
    for (name, partitions) in codes {
        topic(&mut body, name, version, flexible);
        body.array(partitions.len(), flexible);
        for (index, code) in *partitions {
            body.i32(*index).i16(*code);
            tags(&mut body, flexible);
        }
        tags(&mut body, flexible);
    }
    tags(&mut body, flexible);
    framed(body)
}

/// What the answer to a commit tells; topics that came as ids are named by `names`.
pub fn codes(version: i16, frame: &[u8], names: &[&str]) -> Codes {
    let flexible = version >= 8;
    let mut cursor = Cursor::new(&frame[8..]);
    let mut read = || {
        cursor.tags_if(flexible)?;
        if version >= 3 {
            cursor.i32()?;
        }
        let topics = cursor.array(flexible, |cursor| {
            let name = match version {
                10.. => named(cursor.uuid()?, names),
                _ => cursor.string(flexible)?.unwrap_or_default(),
            };
            let partitions = cursor.array(flexible, |cursor| {
                let found = (cursor.i32()?, cursor.i16()?);
                cursor.tags_if(flexible).map(|_| found)
            })?;
            cursor.tags_if(flexible)?;
            Ok((name, partitions))
        })?;
        cursor.tags_if(flexible)?;
        std::io::Result::Ok(topics)
    };
    let read = read().expect("an OffsetCommit answer");
    assert!(cursor.rest().is_empty(), "{frame:02x?}");
    read
}

/// An OffsetFetch request for all topics of group `g`, or from version 8 on of these groups.
pub fn fetch(version: i16, correlation_id: i32, groups: &[&str]) -> Vec<u8> {
    let flexible = version >= 6;
    let mut body = Body::new();
    if version <= 7 {
        string(&mut body, groups[0], flexible);
        all_topics(&mut body, version, flexible);
    } else {
        body.array(groups.len(), flexible);
        for group in groups {
            string(&mut body, group, flexible);
            if version >= 9 {
                body.compact_nullable_string(None).i32(-1);
            }
            all_topics(&mut body, version, flexible);
            tags(&mut body, flexible);
        }
    }
    if version >= 7 {
        body.i8(0);
    }
    tags(&mut body, flexible);
    request_frame(OFFSET_FETCH, version, correlation_id, Some("app"), &body.0)
}

/// Null stands for all of them from version 2 on.
fn all_topics(body: &mut Body, version: i16, flexible: bool) {
    match (version, flexible) {
        (..2, _) => drop(body.i32(0)),
        (_, true) => drop(body.i8(0)),
        (_, false) => drop(body.i32(-1)),
    }
}

/// The answer to a fetch of one group.
pub fn fetched(version: i16, correlation_id: i32, group: &str, offsets: Offsets<'_>) -> Vec<u8> {
    let flexible = version >= 6;
    let mut body = head(correlation_id, flexible);
    if version >= 3 {
        body.i32(0);
    }
    if version >= 8 {
        body.array(1, flexible);
        string(&mut body, group, flexible);
    }
    body.array(offsets.len(), flexible);
    for (name, partitions) in offsets {
        topic(&mut body, name, version, flexible);
        body.array(partitions.len(), flexible);
        for (index, offset) in *partitions {
            body.i32(*index).i64(*offset);
            if version >= 5 {
                body.i32(-1);
            }
            string(&mut body, "", flexible);
            body.i16(0);
            tags(&mut body, flexible);
        }
        tags(&mut body, flexible);
    }
    if version >= 2 {
        body.i16(0);
    }
    if version >= 8 {
        tags(&mut body, flexible);
    }
    tags(&mut body, flexible);
    framed(body)
}

fn head(correlation_id: i32, flexible: bool) -> Body {
    let mut body = Body::new();
    body.i32(correlation_id);
    tags(&mut body, flexible);
    body
}

fn framed(body: Body) -> Vec<u8> {
    let mut frame = (body.0.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&body.0);
    frame
}

fn topic(body: &mut Body, name: &str, version: i16, flexible: bool) {
    match version {
        10.. => drop(body.bytes(&topic_id(name))),
        _ => string(body, name, flexible),
    }
}

fn named(id: [u8; 16], names: &[&str]) -> String {
    let found = names.iter().find(|name| topic_id(name) == id);
    (*found.expect("a known topic")).to_owned()
}

fn string(body: &mut Body, text: &str, flexible: bool) {
    match flexible {
        true => body.compact_string(text),
        false => body.string(text),
    };
}

fn tags(body: &mut Body, flexible: bool) {
    if flexible {
        body.tags();
    }
}

/// A ListOffsets request for one partition.
pub fn list_offsets(
    version: i16,
    correlation_id: i32,
    topic: &str,
    partition: i32,
    timestamp: i64,
) -> Vec<u8> {
    let flexible = version >= 6;
    let mut body = Body::new();
    body.i32(-1);
    if version >= 2 {
        body.i8(1);
    }
    body.array(1, flexible);
    string(&mut body, topic, flexible);
    body.array(1, flexible).i32(partition);
    if version >= 4 {
        body.i32(-1);
    }
    body.i64(timestamp);
    tags(&mut body, flexible);
    tags(&mut body, flexible);
    if version >= 10 {
        body.i32(1000);
    }
    tags(&mut body, flexible);
    request_frame(
        super::raw::LIST_OFFSETS,
        version,
        correlation_id,
        Some("app"),
        &body.0,
    )
}

/// The answer to it.
pub fn listed(
    version: i16,
    correlation_id: i32,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Vec<u8> {
    let flexible = version >= 6;
    let mut body = head(correlation_id, flexible);
    if version >= 2 {
        body.i32(0);
    }
    body.array(1, flexible);
    string(&mut body, topic, flexible);
    body.array(1, flexible).i32(partition).i16(0);
    body.i64(-1).i64(offset);
    if version >= 4 {
        body.i32(0);
    }
    tags(&mut body, flexible);
    tags(&mut body, flexible);
    tags(&mut body, flexible);
    framed(body)
}

/// Commits for partition 0 as nobody's, over a connection of its own: what is answered.
pub fn commit_of_nobody(address: &str, group: &str, topic: &str, offset: i64) -> i16 {
    let offsets = [(0, offset)];
    let topics = [(topic, &offsets[..])];
    let commit = Commit {
        group,
        generation: -1,
        member: "",
        ..Commit::new(2, &topics)
    };
    let mut raw = Raw::connect(address).expect("a connection");
    let answer = raw.call(OFFSET_COMMIT, 2, &commit.body());
    let answer = answer.expect("an answer");
    i16::from_be_bytes([answer[answer.len() - 2], answer[answer.len() - 1]])
}
