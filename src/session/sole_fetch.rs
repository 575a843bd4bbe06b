//! The common Fetch, dealt with in one look. A request that is all here is walked at once; those that follow it in the same
//! read and differ from it in nothing but partition and position are not walked again. Of an answer that is all here and holds one
//! partition, its batches are all that is walked. Everything else takes the long way (`fetch.rs`), to the same end.

use super::fetches::Fetches;
use super::inflight::{Fate, FetchLook};
use super::lane::Lane;
use super::{Env, Session};
use crate::wire::api::ErrorCode;
use crate::wire::fetch::{Part, Step};
use crate::wire::fetch_request::{self, Head};
use crate::wire::fetch_sole;
use crate::wire::header::{self, START_LEN, Start};
use std::ops::Range;

/// Longer requests are not remembered; those of one partition have some hundred bytes.
const MAX_REQUEST_BYTES: usize = 512;
/// `partition`
const INDEX_LEN: usize = 4;
/// `fetch_offset`
const POSITION_LEN: usize = 8;

/// The last Fetch of this read, if it was of one partition. It holds for one call of the session, under one view and one
/// set of settings.
#[derive(Debug, Default)]
pub(super) struct LastFetch {
    holds: bool,
    version: i16,
    /// From behind the correlation id on, as the client wrote it.
    bytes: Vec<u8>,
    /// Where the partition stands in them, and the position.
    index_at: usize,
    position_at: usize,
    look: FetchLook,
    full: bool,
    topic: usize,
}

impl LastFetch {
    /// The next call of the session may see another cluster.
    pub fn forget(&mut self) {
        self.holds = false;
    }

    /// The partition and the position of a request of which nothing else is new.
    fn alike(&self, start: Start, frame: &[u8]) -> Option<(i32, i64)> {
        let bytes = frame.get(START_LEN..)?;
        let same = self.holds
            && start.api_version == self.version
            && bytes.len() == self.bytes.len()
            && self
                .fixed()
                .all(|range| bytes[range.clone()] == self.bytes[range]);
        let index = bytes.get(self.index_at..).filter(|_| same)?.first_chunk()?;
        let position = bytes.get(self.position_at..)?.first_chunk()?;
        Some((i32::from_be_bytes(*index), i64::from_be_bytes(*position)))
    }

    /// What is the same in both.
    fn fixed(&self) -> impl Iterator<Item = Range<usize>> {
        let behind = self.position_at + POSITION_LEN;
        [
            0..self.index_at,
            self.index_at + INDEX_LEN..self.position_at,
            behind..self.bytes.len(),
        ]
        .into_iter()
    }
}

impl Session {
    /// Whether the request is like the one before in this read, and was dealt with; so are those that follow and are
    /// like it, too.
    pub(super) fn like_last_fetch(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> bool {
        let Some(fetches) = &mut self.fetches else {
            return false;
        };
        let LastFetch {
            look, full, topic, ..
        } = fetches.last;
        let free = self.in_flight.free(env.limits.max_in_flight);
        let (mut next, mut requests) = (start, 0);
        for frame in lane.fresh().chunks_exact(frame_len).take(free) {
            let alike = (header::start(frame) == Some(next))
                .then(|| fetches.last.alike(start, frame))
                .flatten();
            let again = alike.is_some_and(|alike| fetches.requested_again(env, topic, alike, full));
            if !again {
                break;
            }
            next.correlation_id = next.correlation_id.wrapping_add(1);
            requests += 1;
        }
        if requests == 0 {
            return false;
        }
        self.events.requests(start.api_key, u64::from(requests));
        self.push(start, 0, Fate::Fetch(look));
        lane.forward(requests as usize * frame_len);
        self.in_flight.run_on(requests - 1, lane.planned_bytes());
        self.frames += u64::from(requests) - 1;
        self.ended(lane);
        true
    }

    /// All of a request is here: what it reads is remembered, and what the next one may be like.
    pub(super) fn whole_fetch(
        &mut self,
        env: &Env<'_>,
        frame: &[u8],
        start: Start,
        (look, head): (FetchLook, Head),
    ) {
        let left = frame.len() - head.topics_at;
        let mut walker = fetch_request::Walker::new(start.api_version, left as u64);
        let (mut at, mut parts, mut partition_at) = (head.topics_at, 0, None);
        loop {
            let window = frame.get(at..).unwrap_or_default();
            let (part, len) = match walker.next(window) {
                fetch_request::Step::Pass(len) => (None, len),
                fetch_request::Step::Part(part, len) => (Some(part), len),
                // What does not follow its schema is the broker's to judge.
                _ => break,
            };
            if let Some(part) = part {
                parts += 1;
                if matches!(part, fetch_request::Part::Partition { .. }) {
                    partition_at = Some(at);
                }
                self.fetch_request_part(env, part);
            }
            at += usize::try_from(len).unwrap_or(usize::MAX);
        }
        let Some(fetches) = &mut self.fetches else {
            return;
        };
        fetches.last.forget();
        // While racks are blanked, each request is.
        let as_is = !look.repair && !env.brokers_outside;
        let alone = parts == 2 && frame.len() <= MAX_REQUEST_BYTES && as_is;
        if let (true, Some(at), Some(place)) = (alone, partition_at, fetches.place()) {
            let last = &mut fetches.last;
            last.holds = true;
            last.version = start.api_version;
            last.bytes.clear();
            last.bytes.extend_from_slice(&frame[START_LEN..]);
            last.index_at = at - START_LEN;
            last.position_at = last.index_at + fetch_request::fetch_offset_at(start.api_version);
            (last.look, last.full, last.topic) = (look, head.full, place.0);
        }
    }

    /// Whether an answer that is all here was of the common kind, and dealt with.
    pub(super) fn sole_fetch_answer(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        frame_len: usize,
        (version, look): (i16, FetchLook),
    ) -> bool {
        let Some(frame) = lane.fresh().get_mut(..frame_len) else {
            return false;
        };
        let Some(sole) = fetch_sole::sole(frame, version) else {
            return false;
        };
        if look != FetchLook::default() {
            self.fetch_answer_part(env, look, Part::Topic(sole.key));
            let part = Part::Partition {
                index: sole.index,
                error_code: ErrorCode::NONE,
                log_start_offset: sole.log_start_offset,
            };
            self.fetch_answer_part(env, look, part);
            let mut walker = sole.walker(version, look.of_batches());
            let (mut at, end) = (sole.records.start, sole.records.end);
            while walker.at_batches() {
                at += match walker.next(&mut frame[at..end]) {
                    Step::Part(part, len) => {
                        self.fetch_answer_part(env, look, part);
                        len as usize
                    }
                    Step::Pass(len) => len as usize,
                    // All of them are here.
                    Step::Need(_) | Step::Malformed(_) | Step::Done => break,
                };
            }
            self.tell_headroom(env, look);
        }
        lane.forward(frame_len);
        self.answered();
        true
    }
}

impl Fetches {
    /// A partition of the last request's topic is read from here now; `false`: there is more to it.
    fn requested_again(
        &mut self,
        env: &Env<'_>,
        topic: usize,
        (index, position): (i32, i64),
        full: bool,
    ) -> bool {
        let Some(place) = self
            .place_in(topic, index)
            .filter(|place| self.goes_on(*place))
        else {
            return false;
        };
        self.begin(full);
        self.read_on(env, place, position);
        true
    }
}
