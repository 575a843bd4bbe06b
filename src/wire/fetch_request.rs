//! A Fetch request as a stream: its isolation level, then the position that each partition is read from.
//!
//! ```text
//! replica_id i32 (to v14) | max_wait_ms i32 | min_bytes i32 | max_bytes i32 | isolation_level i8
//!   | session_id i32, session_epoch i32 (v7) | ARRAY topics { topic STRING or topic_id UUID (v13) | ARRAY partitions {
//!     index i32 | current_leader_epoch i32 (v9) | fetch_offset i64 | last_fetched_epoch i32 (v12) | log_start_offset i64 (v5)
//!     | partition_max_bytes i32 | tags } | tags }
//!   | ARRAY forgotten { topic | ARRAY partitions i32 | tags } (v7) | rack_id, tags: of no interest     (FetchRequest.json)
//! ```
//! Versions 4 to 18; compact and with tags from 12 on. Nothing is copied; a request may come in pieces of any size. Does not
//! judge anything, and a request that does not follow its schema is the broker's to judge.

use super::fetch::{FLEXIBLE_FROM, LOG_START_FROM, TOPIC_ID_FROM};
use super::header::Look;
use super::lengths::{Lengths, Short};
use super::produce::TopicKey;
use std::ops::Range;

/// First version with incremental sessions (KIP-227), in requests and answers.
pub(super) const SESSIONS_FROM: i16 = 7;
/// `isolation_level` of a client that does not want to see aborted records.
pub const READ_COMMITTED: i8 = 1;

/// What stands in front of the topics; offsets count from the size prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// −1: a consumer, or that it is one is told elsewhere (v15).
    pub replica_id: i32,
    pub isolation_level: i8,
    pub isolation_at: usize,
    /// Whether the topics are all that is read, rather than what changed since the last request.
    pub full: bool,
    pub body_at: usize,
    pub topics_at: usize,
}

/// Reads the head of a Fetch body that starts at `body_at`; version 4 at least.
pub fn head(frame: &[u8], frame_len: usize, body_at: usize, version: i16) -> Look<Head> {
    let replica = if version < 15 { 4 } else { 0 };
    let isolation_at = body_at + replica + WAITS_LEN;
    let topics_at = isolation_at + 1 + if version < SESSIONS_FROM { 0 } else { 8 };
    if topics_at > frame_len {
        return Look::Malformed("Fetch ends before its topics");
    }
    let number = |at: usize| {
        frame
            .get(at..)?
            .first_chunk()
            .copied()
            .map(i32::from_be_bytes)
    };
    let (Some(first), Some(isolation_level)) = (number(body_at), frame.get(isolation_at)) else {
        return Look::Need(topics_at);
    };
    let full = match version < SESSIONS_FROM {
        true => true,
        // Epoch 0 begins a session, −1 has none (FetchMetadata.java).
        false => match number(topics_at - 4) {
            Some(epoch) => epoch <= 0,
            None => return Look::Need(topics_at),
        },
    };
    Look::Ready(Head {
        replica_id: if replica == 0 { -1 } else { first },
        isolation_level: *isolation_level as i8,
        isolation_at,
        full,
        body_at,
        topics_at,
    })
}

/// What stands in front of the isolation level: max_wait_ms, min_bytes and max_bytes.
const WAITS_LEN: usize = 12;

/// They, in a request whose isolation level stands there.
pub fn waits(isolation_at: usize) -> Range<usize> {
    isolation_at.saturating_sub(WAITS_LEN)..isolation_at
}

/// The fields of a partition that begins there, without its tags.
pub fn partition(at: usize, version: i16) -> Range<usize> {
    at..at + partition_len(version)
}

/// index, current_leader_epoch, fetch_offset, last_fetched_epoch, log_start_offset, partition_max_bytes
fn partition_len(version: i16) -> usize {
    let last_fetched_epoch = if version >= FLEXIBLE_FROM { 4 } else { 0 };
    let log_start_offset = if version >= LOG_START_FROM { 8 } else { 0 };
    fetch_offset_at(version) + 8 + last_fetched_epoch + log_start_offset + 4
}

/// Where a partition's `fetch_offset` stands in it.
pub fn fetch_offset_at(version: i16) -> usize {
    // index, and current_leader_epoch
    if version >= 9 { 8 } else { 4 }
}

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
    /// Nothing that follows is of interest: pass it.
    Done,
}

/// What a request says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    Topic(TopicKey<'a>),
    /// A partition of it is read from here.
    Partition {
        index: i32,
        fetch_offset: i64,
    },
    /// A topic of which partitions are no longer read.
    ForgottenTopic(TopicKey<'a>),
    Forgotten {
        index: i32,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Partition,
    Topic,
    ForgottenTopic,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Topics,
    Topic,
    Partition,
    ForgottenTopics,
    ForgottenTopic,
    Forgotten,
    Tags(Of),
    Tag(Of, u32),
    Done,
}

/// Walks a Fetch request from its topics on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walker {
    at: At,
    left: u64,
    topics: u32,
    partitions: u32,
    version: i16,
}

impl Walker {
    /// `left`: bytes from the topics to the end of the frame.
    pub fn new(version: i16, left: u64) -> Walker {
        Walker {
            at: At::Topics,
            left,
            topics: 0,
            partitions: 0,
            version,
        }
    }

    /// Bytes to the end of the frame.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next step. `window` begins where the walker stands.
    pub fn next<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        let step = match self.at {
            At::Topics => self.topics(window, At::Topic),
            At::ForgottenTopics if self.version < SESSIONS_FROM => Ok(Step::Done),
            At::ForgottenTopics => self.topics(window, At::ForgottenTopic),
            At::Topic | At::ForgottenTopic => self.topic(window),
            At::Partition => self.partition(window),
            At::Forgotten => self.forgotten(window),
            At::Tags(of) => self.tags(window, of),
            At::Tag(of, left) => self.tag(window, of, left),
            At::Done => Ok(Step::Done),
        };
        step.unwrap_or_else(|short| match short {
            Short::Need(n) => Step::Need(n),
            Short::Malformed(why) => Step::Malformed(why),
        })
    }

    fn topics<'a>(&mut self, window: &[u8], each: At) -> Result<Step<'a>, Short> {
        let (count, width) = self.lengths().count(window, 0)?;
        self.topics = count.unwrap_or(0);
        let next = match (self.topics, each) {
            (0, At::Topic) => At::ForgottenTopics,
            (0, _) => At::Done,
            _ => each,
        };
        self.pass(width as u64, next)?;
        Ok(Step::Pass(width as u64))
    }

    fn topic<'a>(&mut self, window: &'a [u8]) -> Result<Step<'a>, Short> {
        let lengths = self.lengths();
        let (key, end) = lengths.topic(window, 0, self.version >= TOPIC_ID_FROM)?;
        let (count, width) = lengths.count(window, end)?;
        self.partitions = count.unwrap_or(0);
        self.topics -= 1;
        let len = (end + width) as u64;
        let (of, each, part) = match self.at {
            At::Topic => (Of::Topic, At::Partition, Part::Topic(key)),
            _ => (Of::ForgottenTopic, At::Forgotten, Part::ForgottenTopic(key)),
        };
        let next = match self.partitions {
            0 => self.tags_or(of),
            _ => each,
        };
        self.pass(len, next)?;
        Ok(Step::Part(part, len))
    }

    fn partition<'a>(&mut self, window: &[u8]) -> Result<Step<'a>, Short> {
        let offset_at = fetch_offset_at(self.version);
        let index = i32::from_be_bytes(*self.lengths().chunk(window, 0)?);
        let fetch_offset = i64::from_be_bytes(*self.lengths().chunk(window, offset_at)?);
        self.partitions -= 1;
        let next = self.tags_or(Of::Partition);
        let len = partition_len(self.version) as u64;
        self.pass(len, next)?;
        let part = Part::Partition {
            index,
            fetch_offset,
        };
        Ok(Step::Part(part, len))
    }

    fn forgotten<'a>(&mut self, window: &[u8]) -> Result<Step<'a>, Short> {
        let index = i32::from_be_bytes(*self.lengths().chunk(window, 0)?);
        self.partitions -= 1;
        let next = match self.partitions {
            0 => self.tags_or(Of::ForgottenTopic),
            _ => At::Forgotten,
        };
        self.pass(4, next)?;
        Ok(Step::Part(Part::Forgotten { index }, 4))
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

    fn tag<'a>(&mut self, window: &[u8], of: Of, left: u32) -> Result<Step<'a>, Short> {
        let (_, tag_width) = self.lengths().varint(window, 0)?;
        let (size, size_width) = self.lengths().varint(window, tag_width)?;
        let next = match left {
            1 => self.behind(of),
            left => At::Tag(of, left - 1),
        };
        self.pass((tag_width + size_width) as u64 + u64::from(size), next)
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
            Of::Partition if self.partitions > 0 => At::Partition,
            Of::Partition => self.tags_or(Of::Topic),
            Of::Topic if self.topics > 0 => At::Topic,
            Of::Topic => At::ForgottenTopics,
            Of::ForgottenTopic if self.topics > 0 => At::ForgottenTopic,
            Of::ForgottenTopic => At::Done,
        }
    }

    fn pass<'a>(&mut self, len: u64, next: At) -> Result<Step<'a>, Short> {
        let left = self.left.checked_sub(len);
        self.left = left.ok_or(Short::Malformed("Fetch runs past the end of its frame"))?;
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
