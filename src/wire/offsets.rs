//! The messages of a group's offsets, walked where they lie: what OffsetCommit and TxnOffsetCommit ask for, and what an
//! OffsetFetch answers.
//!
//! Floor 0. Nothing is decoded or re-encoded, so versions that no decoder knows yet are no different from others; offsets and
//! times are of fixed width and patched in place. Does not judge.

use super::edit::Edits;
use super::produce::TopicKey;
use super::reader::Error;
use super::schema::{self, Message, Name, Value, Visitor};
use std::ops::Range;

/// A leader epoch that is not known.
const NO_LEADER_EPOCH: i32 = -1;
/// The timestamp with which ListOffsets asks for the end of a log.
const LATEST: i64 = -1;

/// An OffsetCommit or a TxnOffsetCommit request. Ranges are offsets into its body.
#[derive(Debug, Default, PartialEq)]
pub struct Commit<'a> {
    pub group: &'a [u8],
    /// Generation of the group, or epoch of the member (KIP-848); −1: nobody's, as tools commit.
    pub generation: i32,
    /// Empty: nobody's.
    pub member: &'a [u8],
    /// `retention_time_ms` and where it lies; versions 2 to 4 only.
    pub retention: Option<(i64, Range<usize>)>,
    pub topics: Vec<Topic<'a>>,
    count_range: Range<usize>,
    /// Of a flexible version (KIP-482).
    compact: bool,
}

#[derive(Debug, PartialEq)]
pub struct Topic<'a> {
    pub key: TopicKey<'a>,
    pub partitions: Vec<Partition>,
    count_range: Range<usize>,
    range: Range<usize>,
}

#[derive(Debug, Default, PartialEq)]
pub struct Partition {
    pub index: i32,
    pub committed_offset: i64,
    offset_range: Range<usize>,
    /// Where `committed_leader_epoch` lies; version 6 and above.
    epoch_range: Option<Range<usize>>,
    range: Range<usize>,
}

impl Partition {
    /// Another offset in place of the one that was asked for. The leader epoch that came with it says nothing about this one.
    pub fn commit(&self, offset: i64, edits: &mut Edits) {
        edits.replace(self.offset_range.clone(), &offset.to_be_bytes());
        if let Some(epoch) = &self.epoch_range {
            edits.replace(epoch.clone(), &NO_LEADER_EPOCH.to_be_bytes());
        }
    }
}

impl<'a> Commit<'a> {
    /// Proves and reads the body of an OffsetCommit request.
    pub fn read(version: i16, body: &'a [u8]) -> Result<Commit<'a>, Error> {
        Commit::of(&schema::OFFSET_COMMIT_REQUEST, version, body)
    }

    /// The same of a TxnOffsetCommit request; before version 3 it is nobody's.
    pub fn read_in_transaction(version: i16, body: &'a [u8]) -> Result<Commit<'a>, Error> {
        Commit::of(&schema::TXN_OFFSET_COMMIT_REQUEST, version, body)
    }

    fn of(message: &Message, version: i16, body: &'a [u8]) -> Result<Commit<'a>, Error> {
        let mut commit = Commit {
            generation: -1,
            compact: version >= message.flexible_from,
            ..Commit::default()
        };
        schema::walk(message, version, body, &mut commit)?;
        Ok(commit)
    }

    /// Takes out the partitions at these positions (of topic, of partition in it, ascending), and topics of which none is
    /// left. False: nothing is left at all.
    pub fn take_out(&self, out: &[(usize, usize)], edits: &mut Edits) -> bool {
        let compact = self.compact;
        let mut kept_topics = self.topics.len();
        for (position, topic) in self.topics.iter().enumerate() {
            let from = out.partition_point(|(of, _)| *of < position);
            let to = out.partition_point(|(of, _)| *of <= position);
            let going = &out[from..to];
            if going.is_empty() {
                continue;
            }
            if going.len() == topic.partitions.len() {
                kept_topics -= 1;
                edits.replace(topic.range.clone(), b"");
                continue;
            }
            let kept = topic.partitions.len() - going.len();
            edits.replace_count(topic.count_range.clone(), kept, compact);
            for (_, partition) in going {
                edits.replace(topic.partitions[*partition].range.clone(), b"");
            }
        }
        if kept_topics < self.topics.len() {
            edits.replace_count(self.count_range.clone(), kept_topics, compact);
        }
        kept_topics > 0
    }
}

impl<'a> Visitor<'a> for Commit<'a> {
    fn enter(&mut self, name: Name, _start: usize) {
        match (name, self.topics.last_mut()) {
            (Name::Topics, _) => self.topics.push(Topic {
                key: TopicKey::Name(b""),
                partitions: Vec::new(),
                count_range: 0..0,
                range: 0..0,
            }),
            (Name::Partitions, Some(topic)) => topic.partitions.push(Partition::default()),
            _ => {}
        }
    }

    fn leave(&mut self, name: Name, range: Range<usize>) {
        let Some(topic) = self.topics.last_mut() else {
            return;
        };
        match (name, topic.partitions.last_mut()) {
            (Name::Topics, _) => topic.range = range,
            (Name::Partitions, Some(partition)) => partition.range = range,
            _ => {}
        }
    }

    fn array(&mut self, name: Name, count_range: Range<usize>, _count: Option<usize>) {
        match (name, self.topics.last_mut()) {
            (Name::Topics, _) => self.count_range = count_range,
            (Name::Partitions, Some(topic)) => topic.count_range = count_range,
            _ => {}
        }
    }

    fn field(&mut self, name: Name, value: Value<'a>, range: Range<usize>) {
        match name {
            Name::GroupId => self.group = value.as_bytes().unwrap_or_default(),
            Name::GenerationIdOrMemberEpoch | Name::GenerationId => {
                self.generation = value.as_i32().unwrap_or(-1);
            }
            Name::MemberId => self.member = value.as_bytes().unwrap_or_default(),
            Name::RetentionTimeMs => {
                self.retention = value.as_i64().map(|time| (time, range.clone()));
            }
            _ => {}
        }
        let Some(topic) = self.topics.last_mut() else {
            return;
        };
        match (name, value) {
            (Name::Name, Value::String(Some(name))) => topic.key = TopicKey::Name(name),
            (Name::TopicId, Value::Uuid(id)) => topic.key = TopicKey::Id(id),
            _ => {}
        }
        let Some(partition) = topic.partitions.last_mut() else {
            return;
        };
        match (name, value) {
            (Name::PartitionIndex, Value::I32(index)) => partition.index = index,
            (Name::CommittedOffset, Value::I64(offset)) => {
                (partition.committed_offset, partition.offset_range) = (offset, range);
            }
            (Name::CommittedLeaderEpoch, Value::I32(_)) => partition.epoch_range = Some(range),
            _ => {}
        }
    }
}

/// One partition of an OffsetFetch answer that carries no error.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched<'a> {
    /// `None` before version 8: the request named it.
    pub group: Option<&'a [u8]>,
    pub topic: TopicKey<'a>,
    pub index: i32,
    /// −1: there is none.
    pub committed_offset: i64,
    /// Where it lies in the body: eight bytes.
    pub range: Range<usize>,
}

/// Proves the body of an OffsetFetch answer and returns its partitions without an error.
pub fn fetched(version: i16, body: &[u8]) -> Result<Vec<Fetched<'_>>, Error> {
    let mut answer = FetchAnswer {
        group: None,
        topic: TopicKey::Name(b""),
        index: -1,
        offset: None,
        error: false,
        found: Vec::new(),
    };
    schema::walk(&schema::OFFSET_FETCH_RESPONSE, version, body, &mut answer)?;
    Ok(answer.found)
}

/// The group that an OffsetFetch request of a version before 8 names; later ones may name many.
pub fn fetching_group(version: i16, body: &[u8]) -> Result<Option<&[u8]>, Error> {
    struct Group<'a>(Option<&'a [u8]>, bool);
    impl<'a> Visitor<'a> for Group<'a> {
        fn enter(&mut self, name: Name, _start: usize) {
            self.1 |= name == Name::Groups;
        }

        fn field(&mut self, name: Name, value: Value<'a>, _range: Range<usize>) {
            if name == Name::GroupId && !self.1 {
                self.0 = value.as_bytes();
            }
        }
    }
    let mut group = Group(None, false);
    schema::walk(&schema::OFFSET_FETCH_REQUEST, version, body, &mut group)?;
    Ok(group.0)
}

/// One partition of a ListOffsets answer that carries an offset and no error.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<'a> {
    pub topic: &'a [u8],
    pub index: i32,
    pub offset: i64,
}

/// Proves the body of a ListOffsets answer and returns its partitions with an offset.
pub fn listed(version: i16, body: &[u8]) -> Result<Vec<Listed<'_>>, Error> {
    let mut answer = Listing::default();
    schema::walk(&schema::LIST_OFFSETS_RESPONSE, version, body, &mut answer)?;
    let told = |found: &(Listed<'_>, i64, bool)| !found.2 && found.0.offset >= 0;
    let found = answer.found.into_iter().filter(told);
    Ok(found.map(|(listed, ..)| listed).collect())
}

/// Proves the body of a ListOffsets request and returns the partitions of whose log it asks the end.
pub fn latest_asked(version: i16, body: &[u8]) -> Result<Vec<(&[u8], i32)>, Error> {
    let mut request = Listing::default();
    schema::walk(&schema::LIST_OFFSETS_REQUEST, version, body, &mut request)?;
    let found = request.found.into_iter();
    let latest = found.filter(|(_, timestamp, _)| *timestamp == LATEST);
    Ok(latest.map(|(of, ..)| (of.topic, of.index)).collect())
}

/// Partitions, each with a timestamp and whether it has an error.
#[derive(Default)]
struct Listing<'a> {
    topic: &'a [u8],
    found: Vec<(Listed<'a>, i64, bool)>,
}

impl<'a> Visitor<'a> for Listing<'a> {
    fn enter(&mut self, name: Name, _start: usize) {
        if name == Name::Partitions {
            let listed = Listed {
                topic: self.topic,
                index: -1,
                offset: -1,
            };
            self.found.push((listed, 0, false));
        }
    }

    fn field(&mut self, name: Name, value: Value<'a>, _range: Range<usize>) {
        if let (Name::Name, Value::String(Some(topic))) = (name, value) {
            self.topic = topic;
        }
        let Some((listed, timestamp, error)) = self.found.last_mut() else {
            return;
        };
        match (name, value) {
            (Name::PartitionIndex, Value::I32(index)) => listed.index = index,
            (Name::Offset, Value::I64(offset)) => listed.offset = offset,
            (Name::Timestamp, Value::I64(time)) => *timestamp = time,
            (Name::ErrorCode, Value::I16(code)) => *error = code != 0,
            _ => {}
        }
    }
}

struct FetchAnswer<'a> {
    group: Option<&'a [u8]>,
    topic: TopicKey<'a>,
    index: i32,
    offset: Option<(i64, Range<usize>)>,
    error: bool,
    found: Vec<Fetched<'a>>,
}

impl<'a> Visitor<'a> for FetchAnswer<'a> {
    fn enter(&mut self, name: Name, _start: usize) {
        if name == Name::Partitions {
            (self.offset, self.error) = (None, false);
        }
    }

    fn leave(&mut self, name: Name, _range: Range<usize>) {
        if let (Name::Partitions, false, Some((committed_offset, range))) =
            (name, self.error, self.offset.take())
        {
            self.found.push(Fetched {
                group: self.group,
                topic: self.topic,
                index: self.index,
                committed_offset,
                range,
            });
        }
    }

    fn field(&mut self, name: Name, value: Value<'a>, range: Range<usize>) {
        match (name, value) {
            (Name::GroupId, Value::String(group)) => self.group = group,
            (Name::Name, Value::String(Some(name))) => self.topic = TopicKey::Name(name),
            (Name::TopicId, Value::Uuid(id)) => self.topic = TopicKey::Id(id),
            (Name::PartitionIndex, Value::I32(index)) => self.index = index,
            (Name::CommittedOffset, Value::I64(offset)) => self.offset = Some((offset, range)),
            (Name::ErrorCode, Value::I16(code)) => self.error = code != 0,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2: group g, generation 5, member m, retention 1000, a topic t with partitions 0 (offset 7) and 3 (offset 9).
    #[rustfmt::skip]
    const V2: [u8; 56] = [
        0, 1, b'g',  0, 0, 0, 5,  0, 1, b'm',  0, 0, 0, 0, 0, 0, 3, 0xe8,  0, 0, 0, 1,
        0, 1, b't',  0, 0, 0, 2,
        0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 7,  0, 1, b'x',
        0, 0, 0, 3,  0, 0, 0, 0, 0, 0, 0, 9,
    ];

    #[test]
    fn a_commit_is_read_and_what_is_taken_out_leaves_the_rest_as_it_was() {
        let body = &[&V2[..], &[0xff, 0xff]].concat();
        let commit = Commit::read(2, body).unwrap();
        assert_eq!((commit.group, commit.generation), (&b"g"[..], 5));
        assert_eq!(commit.retention, Some((1000, 10..18)));
        let offsets = |commit: &Commit<'_>| -> Vec<(i32, i64)> {
            let partitions = commit.topics.iter().flat_map(|topic| &topic.partitions);
            partitions
                .map(|partition| (partition.index, partition.committed_offset))
                .collect()
        };
        assert_eq!(offsets(&commit), [(0, 7), (3, 9)]);
        let mut edits = Edits::default();
        assert!(commit.take_out(&[(0, 0)], &mut edits));
        let left = edits.splice(body);
        let expected = [&V2[..25], &[0, 0, 0, 1], &V2[44..], &[0xff, 0xff]].concat();
        assert_eq!(left, expected);
        let commit = Commit::read(2, &left).unwrap();
        assert_eq!(offsets(&commit), [(3, 9)]);
        assert!(!commit.take_out(&[(0, 0)], &mut Edits::default()));
    }

    #[test]
    fn an_answer_tells_the_partitions_without_an_error_and_where_their_offsets_lie() {
        // Version 1: topic t, partition 0: offset −1, partition 1: error 3.
        #[rustfmt::skip]
        let v1 = [
            0, 0, 0, 1,  0, 1, b't',  0, 0, 0, 2,
            0, 0, 0, 0,  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0, 0,  0, 0,
            0, 0, 0, 1,  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0, 0,  0, 3,
        ];
        let expected = Fetched {
            group: None,
            topic: TopicKey::Name(b"t"),
            index: 0,
            committed_offset: -1,
            range: 15..23,
        };
        assert_eq!(fetched(1, &v1).unwrap(), [expected]);
    }

    #[test]
    fn the_group_of_a_fetch_is_at_the_top_before_version_8() {
        assert_eq!(
            fetching_group(1, &[0, 1, b'g', 0, 0, 0, 0]),
            Ok(Some(&b"g"[..]))
        );
        #[rustfmt::skip]
        let v8 = [2, 2, b'g', 0, 0, 0, 0];
        assert_eq!(fetching_group(8, &v8), Ok(None));
    }
}
