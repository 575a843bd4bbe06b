//! The common Fetch, dealt with in one look. A request that is all here is walked at once; those that follow it in the same
//! read and differ from it in nothing but partition, position, and how long and for how much they wait, are only compared with
//! it. Of an answer that is all here and holds one partition, its batches are all that is walked; answers that follow it and are
//! like it are compared, too. Everything else takes the long way (`fetch.rs`), to the same end.

use super::fetches::Fetches;
use super::inflight::{Fate, FetchLook};
use super::lane::Lane;
use super::{Env, Session};
use crate::wire::alike::Template;
use crate::wire::api::ErrorCode;
use crate::wire::fetch::{Part, Step, Walker};
use crate::wire::fetch_request::{self, Head};
use crate::wire::fetch_sole;
use crate::wire::header::{CORRELATION_ID, Start};
use crate::wire::record_batch::{i32_at, i64_at};

/// The last request, if it was a Fetch of one partition: what the next one may be like. It holds for one call of the session,
/// under one view and one set of settings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastFetch {
    frame_len: usize,
    version: i16,
    /// Where its end lies in the stream to the broker: as long as nothing was planned behind it, it is in the lane.
    pub end: u64,
    isolation_at: usize,
    partition_at: usize,
    look: FetchLook,
    full: bool,
    topic: usize,
}

impl LastFetch {
    /// How a request must begin, and end, to be like this one, which is `frame`: it may wait for other bytes, and more of them, and
    /// read another partition from another position.
    fn template(&self, frame: &[u8]) -> Option<Template> {
        let free = [
            CORRELATION_ID,
            fetch_request::waits(self.isolation_at),
            fetch_request::partition(self.partition_at, self.version),
        ];
        Template::new(frame, frame.len(), free)
    }
}

impl Session {
    /// Whether the request is like the one before in this read, and was dealt with; so are those that follow and are
    /// like it, too.
    pub(super) fn like_last_fetch(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &mut LastFetch,
        start: Start,
        frame_len: usize,
    ) -> bool {
        let known = (last.frame_len, last.end) == (frame_len, lane.planned_bytes());
        let (Some(fetches), true) = (&mut self.fetches, known) else {
            return false;
        };
        let Some((before, fresh)) = lane.forwarded_and_fresh(frame_len) else {
            return false;
        };
        let Some(template) = last.template(before) else {
            return false;
        };
        let position_at = last.partition_at + fetch_request::fetch_offset_at(last.version);
        let free = self.in_flight.free(env.limits.max_in_flight);
        let (mut next, mut requests) = (start.correlation_id, 0);
        let mut read = None;
        for frame in fresh.chunks_exact(frame_len).take(free) {
            if i32_at(frame, CORRELATION_ID.start) != next || !template.fits(frame) {
                break;
            }
            let place = (i32_at(frame, last.partition_at), i64_at(frame, position_at));
            // What is read once more from where it was says nothing new.
            if read != Some(place) {
                if !fetches.requested_again(env, last.topic, place, last.full) {
                    break;
                }
                read = Some(place);
            }
            next = next.wrapping_add(1);
            requests += 1;
        }
        if requests == 0 {
            return false;
        }
        self.events.requests(start.api_key, u64::from(requests));
        self.push(start, 0, Fate::Fetch(last.look));
        lane.forward(requests as usize * frame_len);
        last.end = lane.planned_bytes();
        self.in_flight.run_on(requests - 1, last.end);
        self.frames += u64::from(requests) - 1;
        self.ended(lane);
        true
    }

    /// All of a request is here: what it reads is remembered. And what the next one may be like, if it goes on as it is.
    pub(super) fn whole_fetch(
        &mut self,
        env: &Env<'_>,
        frame: &[u8],
        start: Start,
        (look, head): (FetchLook, Head),
    ) -> Option<LastFetch> {
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
                if let fetch_request::Part::Partition { index, .. } = part {
                    partition_at = Some((at, index));
                }
                self.fetch_request_part(env, part);
            }
            at += usize::try_from(len).unwrap_or(usize::MAX);
        }
        let alone = parts == 2 && !look.repair;
        let (partition_at, index) = partition_at.filter(|_| alone)?;
        let topic = self.fetches.as_ref()?.goes_on_in(index)?;
        Some(LastFetch {
            frame_len: frame.len(),
            version: start.api_version,
            end: 0,
            isolation_at: head.isolation_at,
            partition_at,
            look,
            full: head.full,
            topic,
        })
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
        let (high_watermark_at, records) = (sole.high_watermark_at, sole.records.clone());
        if look != FetchLook::default() {
            self.fetch_answer_part(env, look, Part::Topic(sole.key));
            let part = Part::Partition {
                index: sole.index,
                error_code: ErrorCode::NONE,
                log_start_offset: sole.log_start_offset,
            };
            self.fetch_answer_part(env, look, part);
            match fetch_sole::sole_batch_end(&frame[records.clone()]) {
                Some(end) => self.sole_batch_delivered(env, look, end),
                None => {
                    let walker = sole.walker(version, look.of_batches());
                    self.walk_batches(env, look, walker, &mut frame[records.clone()]);
                }
            }
            self.tell_headroom(env, look);
        }
        let run = self.in_flight.oldest().map_or(0, |oldest| oldest.run);
        let mut answers = 1;
        if run > 0 {
            let (frame, others) = lane.fresh().split_at(frame_len);
            let (alike, end) = fetch_sole::alike(frame, others, (high_watermark_at, records), run);
            self.sole_batch_delivered(env, look, end);
            answers += alike;
        }
        lane.forward(answers as usize * frame_len);
        self.in_flight.pass_over(answers - 1);
        self.answered();
        true
    }

    fn walk_batches(
        &mut self,
        env: &Env<'_>,
        look: FetchLook,
        mut walker: Walker,
        records: &mut [u8],
    ) {
        let mut at = 0;
        while walker.at_batches() {
            at += match walker.next(&mut records[at..]) {
                Step::Part(part, len) => {
                    self.fetch_answer_part(env, look, part);
                    len as usize
                }
                Step::Pass(len) => len as usize,
                // All of them are here.
                Step::Need(_) | Step::Malformed(_) | Step::Done => break,
            };
        }
    }

    fn sole_batch_delivered(&mut self, env: &Env<'_>, look: FetchLook, end: i64) {
        if look.joined && end >= 0 {
            self.fetch_answer_part(env, look, Part::Delivered(end));
        }
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
        self.request(full);
        self.read_on(env, place, position);
        true
    }
}
