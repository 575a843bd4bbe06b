//! Produce as a stream: the head with acks and timeout, then topics, partitions and batch headers as they come by.
//!
//! ```text
//! v0-2 :                                            acks i16 | timeout_ms i32 | ARRAY topics ...
//! v3-8 : transactional_id NULLABLE_STRING         | acks i16 | timeout_ms i32 | ARRAY topics { name | ARRAY { index i32 | records } }
//! v9-12: transactional_id COMPACT_NULLABLE_STRING | acks i16 | timeout_ms i32 | COMPACT_ARRAY ... with tags behind every struct
//! v13  : topic_id UUID in the place of name                              (ProduceRequest.json, ProduceResponse.json)
//! ```
//!
//! Nothing is copied and nothing allocated; the walker keeps counts only, so a frame may come in pieces of any size.
//! The answer is small and walked whole. Does not judge anything.

use super::alike::Template;
use super::api::ErrorCode;
use super::header::{self, Look, RESPONSE_START_LEN, SIZE_LEN, skip_tags};
use super::record_batch::{self, Entry, i64_at};
use super::varint;

/// First version with compact encodings and tag sections.
pub const FLEXIBLE_FROM: i16 = 9;
/// First version that names topics by id.
pub const TOPIC_IDS_FROM: i16 = 13;
/// First version whose answers may name broker addresses (KIP-951).
pub const NODE_ENDPOINTS_FROM: i16 = 10;
/// A tag that no version uses: `node_endpoints` (tag 0) is renamed to it, at the same size, and clients skip it.
pub const UNUSED_TAG: u8 = 0x63;

/// No version of Produce knows a tag inside a topic or partition; what is there must be held to be skipped.
const MAX_TAG_BYTES: usize = 16 * 1024;

/// The fields in front of the topics; offsets count from the size prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head {
    pub transactional: bool,
    pub acks: i16,
    pub acks_at: usize,
    pub timeout_ms: i32,
    pub topics_at: usize,
}

impl Head {
    pub fn timeout_at(&self) -> usize {
        self.acks_at + 2
    }
}

/// Reads the head of a Produce body that starts at `body_at`.
#[inline]
pub fn head(frame: &[u8], frame_len: usize, body_at: usize, version: i16) -> Look<Head> {
    // What follows belongs to the next frame.
    let frame = &frame[..frame.len().min(frame_len)];
    let need = |end: usize| match end > frame_len {
        true => Look::Malformed("Produce ends before its acks"),
        false => Look::Need(end),
    };
    let (transactional, acks_at) = match version {
        ..3 => (false, body_at),
        3..FLEXIBLE_FROM => {
            let Some(length) = frame.get(body_at..body_at + 2) else {
                return need(body_at + 2);
            };
            match i16::from_be_bytes([length[0], length[1]]) {
                -1 => (false, body_at + 2),
                length @ 0.. => (true, body_at + 2 + length as usize),
                _ => return Look::Malformed("transactional_id of negative length"),
            }
        }
        FLEXIBLE_FROM.. => match varint::at(frame, body_at, frame_len) {
            Look::Ready((0, width)) => (false, body_at + width),
            Look::Ready((length, width)) => (true, body_at + width + length as usize - 1),
            Look::Need(n) => return Look::Need(n),
            Look::Malformed(why) => return Look::Malformed(why),
        },
    };
    let Some(fields) = frame.get(acks_at..acks_at.saturating_add(6)) else {
        return need(acks_at.saturating_add(6));
    };
    Look::Ready(Head {
        transactional,
        acks: i16::from_be_bytes([fields[0], fields[1]]),
        acks_at,
        timeout_ms: i32::from_be_bytes([fields[2], fields[3], fields[4], fields[5]]),
        topics_at: acks_at + 6,
    })
}

/// How a request or an answer names a topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TopicKey<'a> {
    /// As sent: UTF-8 by contract, not by proof.
    Name(&'a [u8]),
    Id([u8; 16]),
}

/// What lies next in the request. Offsets count from the start of the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    /// The topics array; its count fills the first `width` bytes.
    Topics {
        count: u32,
        width: usize,
    },
    Topic {
        key: TopicKey<'a>,
        count: u32,
        count_at: usize,
        width: usize,
    },
    Partition {
        index: i32,
    },
    Entry(Entry),
    /// What is left of `records` and is no whole entry.
    Remainder,
    PartitionEnd,
    TopicEnd,
    /// The tags behind the last topic, and whatever follows them up to the end of the frame.
    End,
}

/// One step of the walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// The part covers the next `len` bytes, which need not be there yet; the walker stands behind them.
    Part {
        part: Part<'a>,
        len: u64,
    },
    /// Look again with at least that many bytes in the window.
    Need(usize),
    Malformed(&'static str),
    /// The whole frame was walked.
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Topics,
    Topic,
    Partition,
    Records,
    PartitionEnd,
    TopicEnd,
    End,
    Done,
}

/// Walks a Produce request from its topics array on.
#[derive(Clone, Copy, Debug)]
pub struct Walker {
    version: i16,
    at: At,
    /// Bytes of the frame from where the walker stands.
    left: u64,
    topics: u32,
    partitions: u32,
    records: u64,
}

impl Walker {
    /// `left`: bytes from the topics array to the end of the frame.
    pub fn new(version: i16, left: u64) -> Walker {
        Walker {
            version,
            at: At::Topics,
            left,
            topics: 0,
            partitions: 0,
            records: 0,
        }
    }

    pub fn left(&self) -> u64 {
        self.left
    }

    /// Topics and partitions not yet begun: (0, 0) once the last partition was entered.
    pub fn ahead(&self) -> (u32, u32) {
        (self.topics, self.partitions)
    }

    /// Whether another batch may follow in the partition that the walker is in.
    pub fn records_left(&self) -> u64 {
        self.records
    }

    fn flexible(&self) -> bool {
        self.version >= FLEXIBLE_FROM
    }

    /// The next part. `window` begins where the walker stands.
    #[inline]
    pub fn next<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        match self.at {
            At::Topics => match self.count(window, 0) {
                Look::Ready((count, width)) => {
                    self.topics = count;
                    self.at = if count == 0 { At::End } else { At::Topic };
                    self.part(Part::Topics { count, width }, width as u64)
                }
                Look::Need(n) => self.need(n),
                Look::Malformed(why) => Step::Malformed(why),
            },
            At::Topic => self.topic(window),
            At::Partition => self.partition(window),
            At::Records => self.entry(window),
            At::PartitionEnd => {
                let next = if self.partitions == 0 {
                    At::TopicEnd
                } else {
                    At::Partition
                };
                self.tags(window, Part::PartitionEnd, next)
            }
            At::TopicEnd => {
                let next = if self.topics == 0 { At::End } else { At::Topic };
                self.tags(window, Part::TopicEnd, next)
            }
            At::End => {
                let len = self.left;
                self.at = At::Done;
                self.part(Part::End, len)
            }
            At::Done => Step::Done,
        }
    }

    fn topic<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        let (name_at, name_len) = if self.version >= TOPIC_IDS_FROM {
            (0, 16)
        } else if self.flexible() {
            match self.varint(window, 0) {
                Look::Ready((0, _)) => return Step::Malformed("topic name is null"),
                Look::Ready((length, width)) => (width, length as usize - 1),
                Look::Need(n) => return self.need(n),
                Look::Malformed(why) => return Step::Malformed(why),
            }
        } else {
            let Some(length) = window.get(..2) else {
                return self.need(2);
            };
            match usize::try_from(i16::from_be_bytes([length[0], length[1]])) {
                Ok(length) => (2, length),
                Err(_) => return Step::Malformed("topic name of negative length"),
            }
        };
        // Kafka's own limit is 249; a longer one is refused by the broker, and here it would have to be held.
        if name_len > i16::MAX as usize {
            return Step::Malformed("topic name longer than 32767 bytes");
        }
        let count_at = name_at + name_len;
        let (count, width) = match self.count(window, count_at) {
            Look::Ready(count) => count,
            Look::Need(n) => return self.need(n),
            Look::Malformed(why) => return Step::Malformed(why),
        };
        let Some(name) = window.get(name_at..count_at) else {
            return self.need(count_at);
        };
        let key = match <[u8; 16]>::try_from(name) {
            Ok(id) if self.version >= TOPIC_IDS_FROM => TopicKey::Id(id),
            _ => TopicKey::Name(name),
        };
        self.topics -= 1;
        self.partitions = count;
        self.at = if count == 0 {
            At::TopicEnd
        } else {
            At::Partition
        };
        self.part(
            Part::Topic {
                key,
                count,
                count_at,
                width,
            },
            (count_at + width) as u64,
        )
    }

    fn partition<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        let (records, end) = if self.flexible() {
            match self.varint(window, 4) {
                Look::Ready((size, width)) => (u64::from(size.saturating_sub(1)), 4 + width),
                Look::Need(n) => return self.need(n),
                Look::Malformed(why) => return Step::Malformed(why),
            }
        } else {
            let Some(size) = window.get(4..8) else {
                return self.need(8);
            };
            match i32::from_be_bytes([size[0], size[1], size[2], size[3]]) {
                -1 => (0, 8),
                size @ 0.. => (size as u64, 8),
                _ => return Step::Malformed("records of negative size"),
            }
        };
        let Some(&[a, b, c, d]) = window.first_chunk() else {
            return self.need(end);
        };
        if records > self.left.saturating_sub(end as u64) {
            return Step::Malformed("records run past the end of their frame");
        }
        self.partitions -= 1;
        self.records = records;
        self.at = At::Records;
        self.part(
            Part::Partition {
                index: i32::from_be_bytes([a, b, c, d]),
            },
            end as u64,
        )
    }

    fn entry<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        if self.records == 0 {
            self.at = At::PartitionEnd;
            return self.next(window);
        }
        match record_batch::entry(window, self.records) {
            Ok(Some(entry)) => {
                self.records -= entry.size;
                self.part(Part::Entry(entry), entry.size)
            }
            Ok(None) => {
                let len = std::mem::take(&mut self.records);
                self.part(Part::Remainder, len)
            }
            Err(n) => self.need(n),
        }
    }

    fn tags<'a>(&mut self, window: &'a [u8], part: Part<'a>, next: At) -> Step<'a> {
        let len = match self.flexible() {
            false => 0,
            true => match skip_tags(window, 0, self.limit()) {
                Look::Ready(len) => len,
                Look::Need(n) if n > MAX_TAG_BYTES => {
                    return Step::Malformed("tag section above 16 KiB");
                }
                Look::Need(n) => return self.need(n),
                Look::Malformed(why) => return Step::Malformed(why),
            },
        };
        self.at = next;
        self.part(part, len as u64)
    }

    fn count(&self, window: &[u8], at: usize) -> Look<(u32, usize)> {
        if self.flexible() {
            return match self.varint(window, at) {
                Look::Ready((0, _)) => Look::Malformed("array is null"),
                Look::Ready((count, width)) => Look::Ready((count - 1, width)),
                other => other,
            };
        }
        let Some(count) = window.get(at..at + 4) else {
            return Look::Need(at + 4);
        };
        match u32::try_from(i32::from_be_bytes([count[0], count[1], count[2], count[3]])) {
            Ok(count) => Look::Ready((count, 4)),
            Err(_) => Look::Malformed("array is null"),
        }
    }

    fn varint(&self, window: &[u8], at: usize) -> Look<(u32, usize)> {
        varint::at(window, at, self.limit())
    }

    fn limit(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    fn part<'a>(&mut self, part: Part<'a>, len: u64) -> Step<'a> {
        match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                Step::Part { part, len }
            }
            None => Step::Malformed("Produce runs past the end of its frame"),
        }
    }

    fn need<'a>(&self, n: usize) -> Step<'a> {
        match n as u64 > self.left {
            true => Step::Malformed("Produce runs past the end of its frame"),
            false => Step::Need(n),
        }
    }
}

/// The only batch of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sole<'a> {
    pub key: TopicKey<'a>,
    pub partition: i32,
    /// Where the size of its records stands, from the topics on.
    pub records_at: usize,
    pub entry: Entry,
}

/// The topic, the partition and the batch of a request that has one of each, if the batch header is here. `window` begins
/// at the topics array, `left` bytes before the end of the frame.
#[inline]
pub fn sole_batch(window: &[u8], left: u64, version: i16) -> Option<Sole<'_>> {
    let flexible = version >= FLEXIBLE_FROM;
    // A count of one, as either encoding writes it.
    let one: &[u8] = if flexible { &[2] } else { &[0, 0, 0, 1] };
    let name = window.strip_prefix(one)?;
    let (name_len, name) = match (version >= TOPIC_IDS_FROM, flexible) {
        (true, _) => (16, name),
        (_, true) => (usize::from(*name.first()?).checked_sub(1)?, &name[1..]),
        (_, false) => (
            usize::from(u16::from_be_bytes(*name.first_chunk()?)),
            &name[2..],
        ),
    };
    // A longer name has a length of two bytes in the compact encoding: that is for the walk.
    let (name, rest) = name
        .split_at_checked(name_len)
        .filter(|_| name_len < 0x7f)?;
    let rest = rest.strip_prefix(one)?;
    let (index, rest) = rest.split_first_chunk()?;
    let records_at = window.len() - rest.len();
    let (entry, _) = sole_records(rest, left.checked_sub(records_at as u64)?, version)?;
    let key = match <[u8; 16]>::try_from(name) {
        Ok(id) if version >= TOPIC_IDS_FROM => TopicKey::Id(id),
        _ => TopicKey::Name(name),
    };
    Some(Sole {
        key,
        partition: i32::from_be_bytes(*index),
        records_at,
        entry,
    })
}

/// The only entry of the records whose size stands at the start of `window`, `left` bytes before the end of the frame, and
/// how many bytes the size takes.
#[inline(always)]
pub fn sole_records(window: &[u8], left: u64, version: i16) -> Option<(Entry, usize)> {
    let (records, rest) = match version >= FLEXIBLE_FROM {
        true => match varint::at(window, 0, usize::MAX) {
            Look::Ready((size, width)) => (u64::from(size.checked_sub(1)?), &window[width..]),
            _ => return None,
        },
        false => {
            let (size, rest) = window.split_first_chunk()?;
            (u64::try_from(i32::from_be_bytes(*size)).ok()?, rest)
        }
    };
    let entry = record_batch::entry(rest, records).ok()??;
    let width = window.len() - rest.len();
    let fits = entry.size == records && width as u64 + records <= left;
    fits.then_some((entry, width))
}

/// What a Produce answer says, in order. Offsets count from the size prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer<'a> {
    Topics {
        count: u32,
        at: usize,
        width: usize,
    },
    Topic {
        key: TopicKey<'a>,
        count: u32,
        count_at: usize,
        width: usize,
    },
    Partition {
        index: i32,
        error_code: ErrorCode,
        /// −1 with most errors.
        base_offset: i64,
    },
    /// Where another partition of this topic would go.
    PartitionsEnd {
        at: usize,
    },
    /// Where another topic would go.
    TopicsEnd {
        at: usize,
    },
}

/// Walks a whole Produce answer, size prefix included. Returns where the tag number of `node_endpoints` lies, if the
/// answer names brokers: one byte, to be overwritten with [`UNUSED_TAG`].
pub fn walk_answer<'a>(
    frame: &'a [u8],
    version: i16,
    mut each: impl FnMut(Answer<'a>),
) -> Result<Option<usize>, &'static str> {
    let flexible = version >= FLEXIBLE_FROM;
    let mut reader = Cursor {
        frame,
        at: RESPONSE_START_LEN,
        flexible,
    };
    reader.tags()?;
    let at = reader.at;
    let topics = reader.count()?;
    each(Answer::Topics {
        count: topics,
        at,
        width: reader.at - at,
    });
    for _ in 0..topics {
        let key = match version >= TOPIC_IDS_FROM {
            true => TopicKey::Id(reader.array()?),
            false => TopicKey::Name(reader.string()?.ok_or("topic name is null")?),
        };
        let count_at = reader.at;
        let count = reader.count()?;
        each(Answer::Topic {
            key,
            count,
            count_at,
            width: reader.at - count_at,
        });
        for _ in 0..count {
            let (index, error_code, base_offset) = reader.answer_partition(version)?;
            each(Answer::Partition {
                index,
                error_code,
                base_offset,
            });
        }
        each(Answer::PartitionsEnd { at: reader.at });
        reader.tags()?;
    }
    each(Answer::TopicsEnd { at: reader.at });
    if version >= 1 {
        reader.array::<4>()?;
    }
    let node_endpoints = reader.find_tag_zero()?;
    match reader.at == frame.len() {
        true => Ok(node_endpoints.filter(|_| version >= NODE_ENDPOINTS_FROM)),
        false => Err("bytes behind the end of a Produce answer"),
    }
}

/// Whether a whole answer, size prefix included, says of one partition that it was stored, and nothing else: no error, no
/// text, no tag. Most answers are such, and this look costs a fraction of a walk.
pub fn is_sole_success(frame: &[u8], version: i16) -> bool {
    let flexible = version >= FLEXIBLE_FROM;
    let topic_at = RESPONSE_START_LEN + if flexible { 2 } else { 4 };
    let counted = match flexible {
        // No tags in the header, and a count of one.
        true => frame.get(RESPONSE_START_LEN..topic_at) == Some(&[0, 2]),
        false => frame.get(RESPONSE_START_LEN..topic_at) == Some(&[0, 0, 0, 1]),
    };
    let name = match (
        version >= TOPIC_IDS_FROM,
        flexible,
        frame.get(topic_at..topic_at + 2),
    ) {
        (true, ..) => Some(16),
        (_, true, Some(&[length @ 1..0x80, _])) => Some(usize::from(length)),
        (_, false, Some(&[0, length])) => Some(2 + usize::from(length)),
        _ => None,
    };
    let (true, Some(name)) = (counted, name) else {
        return false;
    };
    // From the count of partitions on: count, index, error_code, offsets and times, then what must be empty.
    let partition = frame.get(topic_at + name..).unwrap_or_default();
    let times = 8 + if version >= 2 { 8 } else { 0 } + if version >= 5 { 8 } else { 0 };
    let throttle = if version >= 1 { 4 } else { 0 };
    let (count, empty): (&[u8], &[u8]) = match (flexible, version) {
        // record_errors, error_message, tags of the partition and of the topic; and at the very end the answer's.
        (true, _) => (&[2], &[1, 0, 0, 0]),
        (false, 8..) => (&[0, 0, 0, 1], &[0, 0, 0, 0, 0xff, 0xff]),
        (false, _) => (&[0, 0, 0, 1], &[]),
    };
    let error_at = count.len() + 4;
    let empty_at = error_at + 2 + times;
    let end = empty_at + empty.len() + throttle;
    partition.len() == end + usize::from(flexible)
        && partition.starts_with(count)
        && partition[error_at..error_at + 2] == [0, 0]
        && partition[empty_at..].starts_with(empty)
        && (!flexible || partition[end] == 0)
}

/// The partition that an answer which [`is_sole_success`] tells of, and its offset: all behind it has a fixed width.
#[inline]
pub fn sole_stored(frame: &[u8], version: i16) -> (i32, i64) {
    let end = frame.len().saturating_sub(behind_base_offset(version));
    // index, error_code, base_offset
    let Some(&[a, b, c, d, _, _, ref offset @ ..]) = frame[..end].last_chunk::<14>() else {
        return (-1, -1);
    };
    let index = i32::from_be_bytes([a, b, c, d]);
    (index, i64::from_be_bytes(*offset))
}

/// log_append_time, log_start_offset, record_errors, error_message, tags, throttle_time_ms, as far as they are there.
fn behind_base_offset(version: i16) -> usize {
    match version {
        FLEXIBLE_FROM.. => 8 + 8 + 4 + 4 + 1,
        8.. => 8 + 8 + 6 + 4,
        5.. => 8 + 8 + 4,
        2.. => 8 + 4,
        1.. => 4,
        _ => 0,
    }
}

/// How many answers, `most` at the most, follow one that [`is_sole_success`] and differ from it in their offset, above
/// `beyond`, and in their correlation id, each one more than the one before; and the highest of these offsets, the first
/// one's included.
pub fn stored_alike(
    first: &[u8],
    others: &[u8],
    version: i16,
    most: u32,
    beyond: i64,
) -> (u32, i64) {
    let (_, mut highest) = sole_stored(first, version);
    let mut answers = 0;
    if most == 0 || !header::same_size(first, others) {
        return (0, highest);
    }
    let behind_at = first.len().saturating_sub(behind_base_offset(version));
    let (Some(offset_at), Some((_, mut correlation_id))) =
        (behind_at.checked_sub(8), header::response_start(first))
    else {
        return (0, highest);
    };
    let free = [SIZE_LEN..RESPONSE_START_LEN, offset_at..behind_at];
    let Some(template) = Template::new(first, first.len(), free) else {
        return (0, highest);
    };
    for other in others.chunks_exact(first.len()).take(most as usize) {
        correlation_id = correlation_id.wrapping_add(1);
        let offset = i64_at(other, offset_at);
        let alike = template.fits(other)
            && other[SIZE_LEN..RESPONSE_START_LEN] == correlation_id.to_be_bytes()
            && offset > beyond;
        if !alike {
            break;
        }
        highest = highest.max(offset);
        answers += 1;
    }
    (answers, highest)
}

/// Hides what [`walk_answer`] found: the tag at `at` gets a number that clients skip, and its content is blanked, so that
/// no address of a broker leaves the gateway.
pub fn hide_node_endpoints(frame: &mut [u8], at: usize) {
    let end = frame.len();
    if let Look::Ready((size, width)) = varint::at(frame, at + 1, end) {
        let content = at + 1 + width;
        frame[content..end.min(content + size as usize)].fill(0);
    }
    frame[at] = UNUSED_TAG;
}

/// A bounds-checked reader of a whole frame.
struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
    flexible: bool,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let end = self
            .at
            .checked_add(len)
            .ok_or("length above the address space")?;
        let bytes = self
            .frame
            .get(self.at..end)
            .ok_or("Produce answer ends early")?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?
            .try_into()
            .map_err(|_| "Produce answer ends early")
    }

    fn varint(&mut self) -> Result<u32, &'static str> {
        match varint::at(self.frame, self.at, self.frame.len()) {
            Look::Ready((value, width)) => {
                self.at += width;
                Ok(value)
            }
            Look::Need(_) => Err("Produce answer ends early"),
            Look::Malformed(why) => Err(why),
        }
    }

    fn count(&mut self) -> Result<u32, &'static str> {
        match self.flexible {
            true => self.varint()?.checked_sub(1).ok_or("array is null"),
            false => u32::try_from(i32::from_be_bytes(self.array()?)).map_err(|_| "array is null"),
        }
    }

    fn string(&mut self) -> Result<Option<&'a [u8]>, &'static str> {
        let length = match self.flexible {
            true => i64::from(self.varint()?) - 1,
            false => i64::from(i16::from_be_bytes(self.array()?)),
        };
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err("string of negative length"),
        }
    }

    fn tags(&mut self) -> Result<(), &'static str> {
        if self.flexible {
            self.find_tag_zero()?;
        }
        Ok(())
    }

    /// Skips a tag section; where the number of tag 0 lies in it.
    fn find_tag_zero(&mut self) -> Result<Option<usize>, &'static str> {
        if !self.flexible {
            return Ok(None);
        }
        let mut found = None;
        for _ in 0..self.varint()? {
            let at = self.at;
            if self.varint()? == 0 && self.at == at + 1 {
                found = Some(at);
            }
            let size = self.varint()?;
            self.take(size as usize)?;
        }
        Ok(found)
    }

    fn answer_partition(&mut self, version: i16) -> Result<(i32, ErrorCode, i64), &'static str> {
        let index = i32::from_be_bytes(self.array()?);
        let error_code = ErrorCode(i16::from_be_bytes(self.array()?));
        let base_offset = i64::from_be_bytes(self.array()?);
        // log_append_time (v2), log_start_offset (v5)
        self.take(if version >= 2 { 8 } else { 0 } + if version >= 5 { 8 } else { 0 })?;
        if version >= 8 {
            for _ in 0..self.count()? {
                self.take(4)?;
                self.string()?;
                self.tags()?;
            }
            self.string()?;
        }
        self.tags()?;
        Ok((index, error_code, base_offset))
    }
}

/// Appends one partition of a Produce answer that Holdfast makes itself: an error, no offsets, and, where the version
/// has room for it (v8), a text for the application.
pub fn push_refused_partition(
    out: &mut Vec<u8>,
    version: i16,
    index: i32,
    error_code: ErrorCode,
    text: &str,
) {
    out.extend(index.to_be_bytes());
    out.extend(error_code.0.to_be_bytes());
    out.extend((-1i64).to_be_bytes());
    if version >= 2 {
        out.extend((-1i64).to_be_bytes());
    }
    if version >= 5 {
        out.extend((-1i64).to_be_bytes());
    }
    if version >= 8 {
        push_count(out, version, 0);
        let text = &text.as_bytes()[..text.len().min(i16::MAX as usize)];
        match version >= FLEXIBLE_FROM {
            true => varint::push(out, text.len() as u32 + 1),
            false => out.extend((text.len() as i16).to_be_bytes()),
        }
        out.extend(text);
    }
    push_no_tags(out, version);
}

/// Appends an array's count.
pub fn push_count(out: &mut Vec<u8>, version: i16, count: u32) {
    match version >= FLEXIBLE_FROM {
        true => varint::push(out, count.saturating_add(1)),
        false => out.extend(count.to_be_bytes()),
    }
}

/// Appends a topic's name or id.
pub fn push_topic_key(out: &mut Vec<u8>, version: i16, key: TopicKey<'_>) {
    match key {
        TopicKey::Id(id) => out.extend(id),
        TopicKey::Name(name) => {
            match version >= FLEXIBLE_FROM {
                true => varint::push(out, name.len() as u32 + 1),
                false => out.extend((name.len() as i16).to_be_bytes()),
            }
            out.extend(name);
        }
    }
}

/// Appends an empty tag section, where the version has one.
pub fn push_no_tags(out: &mut Vec<u8>, version: i16) {
    if version >= FLEXIBLE_FROM {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: i16, partitions: &[(i32, i16)]) -> Vec<u8> {
        let mut frame = vec![0, 0, 0, 0, 0, 0, 0, 9];
        push_no_tags(&mut frame, version);
        push_count(&mut frame, version, 1);
        let key = match version >= TOPIC_IDS_FROM {
            true => TopicKey::Id([7; 16]),
            false => TopicKey::Name(b"orders"),
        };
        push_topic_key(&mut frame, version, key);
        push_count(&mut frame, version, partitions.len() as u32);
        for (index, error_code) in partitions {
            let at = frame.len();
            push_refused_partition(&mut frame, version, *index, ErrorCode(*error_code), "");
            if version >= 8 {
                // A broker says null where we say an empty text.
                let text_at = at + 30 + if version >= FLEXIBLE_FROM { 1 } else { 4 };
                match version >= FLEXIBLE_FROM {
                    true => frame[text_at] = 0,
                    false => frame[text_at..text_at + 2].copy_from_slice(&[0xff, 0xff]),
                }
            }
        }
        push_no_tags(&mut frame, version);
        if version >= 1 {
            frame.extend([0, 0, 0, 0]);
        }
        push_no_tags(&mut frame, version);
        frame
    }

    #[test]
    fn only_an_answer_of_one_stored_partition_and_nothing_else_is_a_sole_success() {
        for version in 0..=13 {
            let good = answer(version, &[(3, 0)]);
            assert_eq!(
                walk_answer(&good, version, |_| {}),
                Ok(None),
                "version {version}"
            );
            assert!(
                is_sole_success(&good, version),
                "version {version}: {good:?}"
            );
            let mut offset = 0;
            let mut numbered = good.clone();
            let at = good
                .windows(8)
                .position(|bytes| bytes == [0xff; 8])
                .unwrap();
            numbered[at..at + 8].copy_from_slice(&0x0102_0304_0506_0708i64.to_be_bytes());
            let _ = walk_answer(&numbered, version, |part| {
                if let Answer::Partition { base_offset, .. } = part {
                    offset = base_offset;
                }
            });
            assert_eq!(offset, 0x0102_0304_0506_0708, "version {version}");
            assert_eq!(
                sole_stored(&numbered, version),
                (3, offset),
                "version {version}"
            );
            assert!(!is_sole_success(&answer(version, &[(3, 6)]), version));
            assert!(!is_sole_success(
                &answer(version, &[(3, 0), (4, 0)]),
                version
            ));
            for end in 0..good.len() {
                assert!(
                    !is_sole_success(&good[..end], version),
                    "version {version}, {end} bytes"
                );
            }
            if version >= NODE_ENDPOINTS_FROM {
                let mut tagged = good.clone();
                tagged.pop();
                tagged.extend([1, 0, 1, 1]);
                assert!(!is_sole_success(&tagged, version));
            }
        }
    }
}
