//! A Fetch answer as a stream: where its partitions stand, whether their records belong to transactions, and, at the very
//! end, the one field that names brokers.
//!
//! `node_endpoints` (v16+, KIP-951) is tag 0 of the last tag section, behind all records, when the length has long gone
//! out. Its one-byte tag number is changed to one that nobody uses and its content is blanked: the size stays, and clients
//! skip it. Records are passed over by their length, or from batch to batch where somebody wants to know of transactions or
//! how far they reach: of each the first 23 or 27 bytes are read. Does not judge anything.
//!
//! ```text
//! tags (v12) | throttle_time_ms i32 | error_code i16, session_id i32 (v7) | ARRAY responses { topic STRING or topic_id UUID (v13)
//!   | ARRAY partitions { index i32 | error i16 | high_watermark i64 | last_stable i64 | log_start i64 (v5)
//!   | NULLABLE_ARRAY aborted { i64 | i64 | tags } | preferred_read_replica i32 (v11) | RECORDS | tags } | tags } | tags
//! ```
//! Versions 4 to 18 (FetchResponse.json); compact and with tags from 12 on.

use super::api::ErrorCode;
use super::lengths::{Lengths, Short};
use super::produce::{TopicKey, UNUSED_TAG};
use super::record_batch::{self, i32_at, i64_at};
use super::varint;

/// First version whose answers may name broker addresses.
pub const NODE_ENDPOINTS_FROM: i16 = 16;
/// First version that can be walked: older ones have no isolation level.
pub const WALKED_FROM: i16 = 4;
/// First version whose partitions tell where their log starts.
pub const LOG_START_FROM: i16 = 5;
/// First version that names a replica to read from (KIP-392).
pub(super) const PREFERRED_REPLICA_FROM: i16 = 11;
/// First version with compact lengths and tags.
pub(super) const FLEXIBLE_FROM: i16 = 12;
/// First version that names topics by id.
pub(super) const TOPIC_ID_FROM: i16 = 13;

/// Of a batch, up to and including its attributes.
pub(super) const ATTRIBUTES_END: usize = 23;
/// Of a batch, up to and including `last_offset_delta`; a message of the formats before has its offset and magic there, too.
const LAST_OFFSET_END: usize = 27;
/// No whole batch or message is shorter: the rest of one that was cut off.
const LEAST_ENTRY: usize = 26;
/// The bit of a batch's attributes that says that it belongs to a transaction.
pub(super) const TRANSACTIONAL: u8 = 1 << 4;

/// One step of the walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// The next that many bytes, some of which may not be there yet, go on as they are.
    Pass(u64),
    /// The same, and what stands at their beginning.
    Part(Part<'a>, u64),
    /// Look again with at least that many bytes in the window.
    Need(usize),
    Malformed(&'static str),
    Done,
}

/// What an answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    Topic(TopicKey<'a>),
    /// A partition of it. −1: not known, as with most errors.
    Partition {
        index: i32,
        error_code: ErrorCode,
        log_start_offset: i64,
    },
    /// The partition's records hold a batch of a transaction. Once for each partition.
    Transactional,
    /// The offset behind the last of the partition's records that are here whole. Where they are of a format that does not tell,
    /// it is the end of what a consumer may be given: too high, never too low.
    Delivered(i64),
}

/// What somebody wants to know of batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Batches {
    /// [`Part::Transactional`].
    pub transactions: bool,
    /// [`Part::Delivered`].
    pub ends: bool,
}

/// Whose tag section it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Header,
    Aborted,
    Partition,
    Topic,
    Answer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Tags(Of),
    Tag(Of, u32),
    /// In the content of `node_endpoints`, that many bytes of it, with that many tags behind it.
    Blank(u64, u32),
    Head,
    Topic,
    Partition,
    Aborted,
    /// At `preferred_read_replica`, where there is one.
    Records,
    /// At a batch, with that many bytes of records to come.
    Batches(u64),
    Done,
}

/// Walks a Fetch answer from behind its correlation id.
#[derive(Clone, Copy, Debug)]
pub struct Walker {
    at: At,
    left: u64,
    topics: u32,
    partitions: u32,
    aborted: u32,
    version: i16,
    batches: Batches,
    high_watermark: i64,
    /// Behind the last whole batch so far.
    end: i64,
    /// The partition's transaction was told of.
    told: bool,
}

impl Walker {
    /// `left`: bytes from behind the correlation id to the end of the frame. `batches`: what is told of them.
    pub fn new(version: i16, left: u64, batches: Batches) -> Walker {
        let mut walker = Walker {
            at: At::Head,
            left,
            topics: 0,
            partitions: 0,
            aborted: 0,
            version,
            batches,
            high_watermark: -1,
            end: -1,
            told: false,
        };
        walker.at = walker.tags_or(Of::Header);
        walker
    }

    /// At the beginning of a partition's records, of which there are that many bytes, and nothing else is of interest.
    pub(super) fn of_records(
        version: i16,
        size: usize,
        high_watermark: i64,
        batches: Batches,
    ) -> Walker {
        let size = size as u64;
        let mut walker = Walker::new(version, size, batches);
        walker.high_watermark = high_watermark;
        walker.told = !batches.transactions;
        walker.at = match size > 0 && batches != Batches::default() {
            true => At::Batches(size),
            false => At::Done,
        };
        walker
    }

    /// Whether it stands at a batch.
    pub fn at_batches(&self) -> bool {
        matches!(self.at, At::Batches(1..))
    }

    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether the answer is of a version that may name brokers.
    pub fn names_brokers(&self) -> bool {
        self.version >= NODE_ENDPOINTS_FROM
    }

    /// The next step. `window` begins where the walker stands; the tag number is changed in it.
    pub fn next<'a>(&mut self, window: &'a mut [u8]) -> Step<'a> {
        let step = match self.at {
            At::Tags(of) => self.tags(window, of),
            At::Tag(of, left) => self.tag(window, of, left),
            At::Blank(0, left) => {
                self.at = self.behind_tag(Of::Answer, left);
                return self.next(window);
            }
            At::Blank(size, left) => self.blank(window, size, left),
            At::Head => self.head(window),
            At::Topic => return self.topic(window).unwrap_or_else(Short::into),
            At::Partition => self.partition(window),
            At::Aborted => {
                self.aborted -= 1;
                let next = self.tags_or(Of::Aborted);
                self.pass(16, next)
            }
            At::Records => self.records(window),
            At::Batches(0) => {
                self.at = self.tags_or(Of::Partition);
                return self.next(window);
            }
            At::Batches(size) => self.batch(window, size),
            At::Done => match self.left {
                0 => Ok(Step::Done),
                _ => Err(Short::Malformed("bytes behind the end of a Fetch answer")),
            },
        };
        step.unwrap_or_else(Short::into)
    }

    fn head<'a>(&mut self, window: &[u8]) -> Result<Step<'a>, Short> {
        let fixed = if self.version >= 7 { 10 } else { 4 };
        let (count, width) = self.lengths().count(window, fixed)?;
        self.topics = count.ok_or(Short::Malformed("array is null"))?;
        let next = match self.topics {
            0 => self.tags_or(Of::Answer),
            _ => At::Topic,
        };
        self.pass((fixed + width) as u64, next)
    }

    fn topic<'a>(&mut self, window: &'a [u8]) -> Result<Step<'a>, Short> {
        let lengths = self.lengths();
        let (key, end) = lengths.topic(window, 0, self.version >= TOPIC_ID_FROM)?;
        let (count, width) = lengths.count(window, end)?;
        self.partitions = count.ok_or(Short::Malformed("array is null"))?;
        self.topics -= 1;
        let next = match self.partitions {
            0 => self.tags_or(Of::Topic),
            _ => At::Partition,
        };
        self.pass((end + width) as u64, next)?;
        Ok(Step::Part(Part::Topic(key), (end + width) as u64))
    }

    fn partition<'a>(&mut self, window: &[u8]) -> Result<Step<'a>, Short> {
        // index, error_code, high_watermark, last_stable_offset, and log_start_offset from its version on
        const LOG_START_AT: usize = 4 + 2 + 8 + 8;
        let tells_start = self.version >= LOG_START_FROM;
        let fixed = LOG_START_AT + if tells_start { 8 } else { 0 };
        let (count, width) = self.lengths().count(window, fixed)?;
        self.partitions -= 1;
        self.aborted = count.unwrap_or(0);
        let len = (fixed + width) as u64;
        let next = match self.aborted {
            0 => At::Records,
            _ => At::Aborted,
        };
        self.pass(len, next)?;
        self.high_watermark = i64_at(window, 6);
        Ok(match *window {
            [a, b, c, d, e, f, ..] => {
                let part = Part::Partition {
                    index: i32::from_be_bytes([a, b, c, d]),
                    error_code: ErrorCode(i16::from_be_bytes([e, f])),
                    log_start_offset: match tells_start {
                        true => i64_at(window, LOG_START_AT),
                        false => -1,
                    },
                };
                Step::Part(part, len)
            }
            _ => Step::Pass(len),
        })
    }

    fn records<'a>(&mut self, window: &[u8]) -> Result<Step<'a>, Short> {
        let fixed = match self.version >= PREFERRED_REPLICA_FROM {
            true => 4,
            false => 0,
        };
        let (size, width) = self.lengths().count(window, fixed)?;
        let (head, size) = ((fixed + width) as u64, u64::from(size.unwrap_or(0)));
        if head + size > self.left {
            return Err(Short::Malformed(PAST_END));
        }
        if self.batches != Batches::default() && size > 0 {
            (self.end, self.told) = (-1, !self.batches.transactions);
            return self.pass(head, At::Batches(size));
        }
        let next = self.tags_or(Of::Partition);
        self.pass(head + size, next)
    }

    /// Over batches as far as their heads are here; as soon as there is nothing more to tell of them, over the rest.
    fn batch<'a>(&mut self, window: &[u8], size: u64) -> Result<Step<'a>, Short> {
        let needed = match self.batches.ends {
            true => LAST_OFFSET_END,
            false => ATTRIBUTES_END,
        };
        let mut over = 0_u64;
        loop {
            let left = size - over;
            if left < needed as u64 {
                // No v2 batch is that short; a message of the formats before may be.
                return self.batches_end(size, left < LEAST_ENTRY as u64);
            }
            let head = usize::try_from(over)
                .ok()
                .and_then(|over| window.get(over..));
            let Some(head) = head.and_then(|head| head.get(..needed)) else {
                if over > 0 {
                    return self.pass(over, At::Batches(left));
                }
                return Err(Short::Need(needed));
            };
            let (length, magic, attributes) = (i32_at(head, 8), head[16], head[22]);
            if magic == 2 && attributes & TRANSACTIONAL != 0 && !self.told {
                self.told = true;
                let next = match self.batches.ends {
                    true => At::Batches(left),
                    false => self.tags_or(Of::Partition),
                };
                let len = if self.batches.ends { over } else { size };
                self.pass(len, next)?;
                return Ok(Step::Part(Part::Transactional, len));
            }
            let len = u64::try_from(length).map_or(0, |length| length + 12);
            if len < ATTRIBUTES_END as u64 {
                // What is no batch is passed as it is.
                return self.batches_end(size, false);
            }
            // The last one may be cut off: then it is none that a client is given.
            if self.batches.ends && len <= left {
                if magic != 2 {
                    return self.batches_end(size, false);
                }
                self.end = self.end.max(record_batch::end(head));
            }
            if len >= left {
                return self.batches_end(size, true);
            }
            over += len;
        }
    }

    /// `tells`: every whole batch told where it ends.
    fn batches_end<'a>(&mut self, size: u64, tells: bool) -> Result<Step<'a>, Short> {
        let next = self.tags_or(Of::Partition);
        self.pass(size, next)?;
        let end = match tells {
            true => self.end,
            false => self.end.max(self.high_watermark),
        };
        Ok(match self.batches.ends && end >= 0 {
            true => Step::Part(Part::Delivered(end), size),
            false => Step::Pass(size),
        })
    }

    fn blank<'a>(&mut self, window: &mut [u8], size: u64, left: u32) -> Result<Step<'a>, Short> {
        let here = window
            .len()
            .min(usize::try_from(size).unwrap_or(usize::MAX));
        if here == 0 {
            return Err(Short::Need(1));
        }
        window[..here].fill(0);
        self.pass(here as u64, At::Blank(size - here as u64, left))
    }

    fn tags<'a>(&mut self, window: &[u8], of: Of) -> Result<Step<'a>, Short> {
        match self.lengths().varint(window, 0)? {
            (0, width) => {
                let next = self.behind(of);
                self.pass(width as u64, next)
            }
            (count, width) => self.pass(width as u64, At::Tag(of, count)),
        }
    }

    fn tag<'a>(&mut self, window: &mut [u8], of: Of, left: u32) -> Result<Step<'a>, Short> {
        let (tag, tag_width) = self.lengths().varint(window, 0)?;
        let (size, size_width) = self.lengths().varint(window, tag_width)?;
        let head = (tag_width + size_width) as u64;
        if head + u64::from(size) > self.left {
            return Err(Short::Malformed(PAST_END));
        }
        if of == Of::Answer && tag == 0 {
            // A tag number of more than one byte would be no 0 that Kafka writes; all its bytes are changed then.
            varint::overwrite(&mut window[..tag_width], u32::from(UNUSED_TAG));
            // Its content is blanked as it comes: no address of a broker leaves the gateway.
            let next = At::Blank(u64::from(size), left - 1);
            return self.pass(head, next);
        }
        let next = self.behind_tag(of, left - 1);
        self.pass(head + u64::from(size), next)
    }

    fn behind_tag(&self, of: Of, left: u32) -> At {
        match left {
            0 => self.behind(of),
            left => At::Tag(of, left),
        }
    }

    /// At these tags, where the version has any, else behind them.
    fn tags_or(&self, of: Of) -> At {
        match self.version >= FLEXIBLE_FROM {
            true => At::Tags(of),
            false => self.behind(of),
        }
    }

    fn behind(&self, of: Of) -> At {
        match of {
            Of::Header => At::Head,
            Of::Aborted if self.aborted > 0 => At::Aborted,
            Of::Aborted => At::Records,
            Of::Partition if self.partitions > 0 => At::Partition,
            Of::Partition => self.tags_or(Of::Topic),
            Of::Topic if self.topics > 0 => At::Topic,
            Of::Topic => self.tags_or(Of::Answer),
            Of::Answer => At::Done,
        }
    }

    fn pass<'a>(&mut self, len: u64, next: At) -> Result<Step<'a>, Short> {
        self.left = self
            .left
            .checked_sub(len)
            .ok_or(Short::Malformed(PAST_END))?;
        self.at = next;
        Ok(Step::Pass(len))
    }

    fn lengths(&self) -> Lengths {
        Lengths {
            compact: self.version >= FLEXIBLE_FROM,
            left: self.left,
        }
    }
}

const PAST_END: &str = "Fetch answer runs past the end of its frame";

impl From<Short> for Step<'_> {
    fn from(short: Short) -> Self {
        match short {
            Short::Need(n) => Step::Need(n),
            Short::Malformed(why) => Step::Malformed(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_endpoints_leave_as_zeros_under_a_tag_that_nobody_uses_however_they_come() {
        // Header tags, throttle_time_ms, error_code, session_id, no topics, two tags: node_endpoints and another.
        let answer = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 4, 1, 2, 3, 4, 1, 1, 9,
        ];
        let mut expected = answer;
        expected[13] = UNUSED_TAG;
        expected[15..19].fill(0);
        for step in 1..=answer.len() {
            let mut bytes = answer;
            let mut walker = Walker::new(16, bytes.len() as u64, Batches::default());
            let (mut at, mut end) = (0, 0);
            loop {
                match walker.next(&mut bytes[at..end]) {
                    Step::Pass(n) | Step::Part(_, n) => at += n as usize,
                    Step::Need(n) => end = (at + n.max(step)).min(answer.len()),
                    Step::Done => break,
                    Step::Malformed(why) => panic!("{why}"),
                }
                end = end.max(at);
            }
            assert_eq!((bytes, at), (expected, answer.len()), "{step} at a time");
        }
    }

    #[test]
    fn node_endpoints_that_claim_more_than_their_frame_has_touch_nothing_behind_it() {
        // Header tags, throttle_time_ms, error_code, session_id, no topics, one tag of four bytes where two are left.
        let mut bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 4, 1, 2, 7, 7, 7];
        let (before, len) = (bytes, 17);
        let mut walker = Walker::new(16, len as u64, Batches::default());
        let mut at = 0;
        let why = loop {
            match walker.next(&mut bytes[at..]) {
                Step::Pass(n) => at += n as usize,
                Step::Malformed(why) => break why,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((bytes, why), (before, PAST_END));
    }
}
