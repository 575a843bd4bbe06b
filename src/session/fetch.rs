//! Fetch: what a client reads and from where, and what it is given. Both directions stream; an answer is held only where
//! aborted records are taken out of it.

use super::event::{Completeness, Event};
use super::fetches::Fetches;
use super::inflight::{Fate, FetchLook, Pending};
use super::lane::Lane;
use super::produce::topic_of;
use super::readers::{LIST_OFFSETS, LIST_OFFSETS_FLEXIBLE_FROM, LogEnds, joins};
use super::requests::{MAX_HEADER_BYTES, Request, whole};
use super::responses::{Response, body_at};
use super::sole_fetch::LastFetch;
use super::{Env, Session, Want};
use crate::policy::standing::{Stand, Standing};
use crate::policy::{Mode, Scenario, dirty_read};
use crate::wire::api::ApiKey;
use crate::wire::fetch::{self, Part};
use crate::wire::header::{self, Look, RESPONSE_START_LEN, Start};
use crate::wire::produce::TopicKey;
use crate::wire::{endpoints, fetch_repair, fetch_request, versions};
use bytes::Bytes;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// First version with a `rack_id` (KIP-392).
const RACK_FROM: i16 = 11;
/// Versions of ListOffsets with an isolation level whose beginning is known.
pub(super) const LIST_OFFSETS_WITH_LEVEL: RangeInclusive<i16> = 2..=11;
/// Stands for a group that is not known.
const UNATTRIBUTED: &str = "unattributed";
/// `replica_id` of a consumer.
const CONSUMER: i32 = -1;

impl Session {
    pub(super) fn fetch_start(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &mut LastFetch,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        if start.api_version >= RACK_FROM && env.brokers_outside {
            return self.fetch_without_rack(env, lane, start, frame_len);
        }
        let (look, head) = match self.fetch_look(env, lane.fresh(), start, frame_len) {
            Look::Ready((look, head)) => (look, Some(head)),
            Look::Need(n) if n <= MAX_HEADER_BYTES => return Err(Want::Bytes(n)),
            // What does not follow its schema is the broker's to judge.
            _ => (FetchLook::default(), None),
        };
        self.push_fetch(start, look);
        match head {
            Some(head) if look.follows() && lane.fresh_len() >= frame_len => {
                let frame = &lane.fresh()[..frame_len];
                let next = self.whole_fetch(env, frame, start, (look, head));
                self.pass_frame(lane, frame_len);
                *last = next.unwrap_or_default();
                last.end = lane.planned_bytes();
            }
            Some(head) if look.follows() => {
                let left = (frame_len - head.topics_at) as u64;
                let walker = fetch_request::Walker::new(start.api_version, left);
                self.request = Request::Fetch(walker, head.topics_at as u64);
            }
            _ => self.pass_frame(lane, frame_len),
        }
        Ok(())
    }

    /// While a broker is outside the set, consumers must not be sent to it for being near (KIP-392): their rack is blanked.
    fn fetch_without_rack(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        if std::mem::take(&mut self.cannot_collect) {
            return self.cannot_hold(start, frame_len);
        }
        whole(env, lane, frame_len)?;
        let frame = &mut lane.fresh()[..frame_len];
        let Look::Ready((look, head)) = self.fetch_look(env, frame, start, frame_len) else {
            return self.malformed_request(start, "header");
        };
        let (before, body) = frame.split_at(head.body_at);
        let new = match endpoints::blank_rack_id(start.api_version, body) {
            Ok(Some(body)) => Some(header::frame_of(before, &body)),
            Ok(None) => None,
            Err(_) => return self.malformed_request(start, "body"),
        };
        if look.follows() {
            self.whole_fetch(env, frame, start, (look, head));
        }
        self.push_fetch(start, look);
        self.request = match new {
            Some(new) => {
                lane.insert(Bytes::from(new));
                Request::Discard(frame_len as u64)
            }
            None => Request::Pass(frame_len as u64),
        };
        Ok(())
    }

    fn push_fetch(&mut self, start: Start, look: FetchLook) {
        self.events.request(start.api_key);
        let named = start.api_version >= fetch::NODE_ENDPOINTS_FROM;
        let fate = match named || look != FetchLook::default() {
            true => Fate::Fetch(look),
            false => Fate::Relay,
        };
        self.push(start, 0, fate);
    }

    /// What is to be looked at in the answer; a level that is raised is raised here. `frame`: what is there of the request.
    fn fetch_look(
        &mut self,
        env: &Env<'_>,
        frame: &mut [u8],
        start: Start,
        frame_len: usize,
    ) -> Look<(FetchLook, fetch_request::Head)> {
        let version = start.api_version;
        let flexible = versions::request_header_version(start.api_key, version) == Some(2);
        let header = match header::header(frame, frame_len, flexible) {
            Look::Ready(header) => header,
            Look::Need(n) => return Look::Need(n),
            Look::Malformed(why) => return Look::Malformed(why),
        };
        let client_id = header.client_id.map(|(from, to)| &frame[from..to]);
        self.stand_as(env, client_id);
        let head = match version < fetch::WALKED_FROM {
            true => Look::Malformed("a version without isolation level"),
            false => fetch_request::head(frame, frame_len, header.body_at, version),
        };
        let head = match head {
            Look::Ready(head) => head,
            Look::Need(n) => return Look::Need(n),
            Look::Malformed(why) => {
                self.read_blindly(env);
                return Look::Malformed(why);
            }
        };
        let mut look = FetchLook::default();
        let (dirty, overrun) = match &self.standing {
            Some(standing) if head.replica_id == CONSUMER => (
                standing.get(Scenario::DirtyRead),
                standing.get(Scenario::RetentionOverrun),
            ),
            _ => (Stand::Off, Stand::Off),
        };
        look.batches = dirty_read::sees(head.isolation_level, dirty);
        look.positions = overrun != Stand::Off && version >= fetch::LOG_START_FROM;
        if dirty_read::raises(head.isolation_level, dirty) {
            frame[head.isolation_at] = fetch_request::READ_COMMITTED as u8;
            look.repair = true;
            self.raised(ApiKey::FETCH);
        }
        look.joined = head.replica_id == CONSUMER && joins(env);
        if head.replica_id != CONSUMER {
            self.read_blindly(env);
        }
        if look.batches || look.follows() {
            let reader = self.reader(env).cloned();
            let fetches = self
                .fetches
                .get_or_insert_with(|| Box::new(Fetches::new(env)));
            fetches.join(reader.as_ref());
            fetches.request(head.full);
        }
        if !joins(env) {
            env.ledger.deliveries.unwatched();
        }
        Look::Ready((look, head))
    }

    /// The client reads what cannot be followed.
    fn read_blindly(&mut self, env: &Env<'_>) {
        let reader = self.reader(env).cloned();
        if reader.is_none() {
            return env.ledger.deliveries.unwatched();
        }
        let fetches = self
            .fetches
            .get_or_insert_with(|| Box::new(Fetches::new(env)));
        fetches.join(reader.as_ref());
        fetches.blind();
    }

    /// A request reads only what is committed now.
    fn raised(&mut self, api_key: ApiKey) {
        self.events.push(Event::Override {
            scenario: Scenario::DirtyRead,
            mode: Mode::Enforce,
            api_key,
            count: 1,
        });
    }

    pub(super) fn fetch_request_step(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        mut walker: fetch_request::Walker,
        mut over: u64,
    ) -> Result<(), Want> {
        self.announce(lane, over + walker.left())?;
        loop {
            let n = take(lane, over);
            lane.forward(n);
            over -= n as u64;
            let step = match over {
                0 => self.fetch_request_look(env, &mut walker, lane.fresh()),
                _ => FetchStep::Need(1),
            };
            match step {
                FetchStep::Over(len) => over = len,
                FetchStep::Need(n) => {
                    self.request = Request::Fetch(walker, over);
                    return Err(Want::Bytes(n));
                }
                FetchStep::Rest => {
                    match walker.left() {
                        0 => self.ended(lane),
                        left => self.request = Request::Pass(left),
                    }
                    return Ok(());
                }
            }
        }
    }

    /// One step of the walk through a request; what stands there is remembered.
    fn fetch_request_look(
        &mut self,
        env: &Env<'_>,
        walker: &mut fetch_request::Walker,
        window: &[u8],
    ) -> FetchStep {
        use fetch_request::Step;
        let (part, len) = match walker.next(window) {
            Step::Pass(len) => return FetchStep::Over(len),
            Step::Need(n) => return FetchStep::Need(n),
            Step::Malformed(_) | Step::Done => return FetchStep::Rest,
            Step::Part(part, len) => (part, len),
        };
        self.fetch_request_part(env, part);
        FetchStep::Over(len)
    }

    pub(super) fn fetch_request_part(&mut self, env: &Env<'_>, part: fetch_request::Part<'_>) {
        use fetch_request::Part;
        if let Some(fetches) = &mut self.fetches {
            match part {
                Part::Topic(key) | Part::ForgottenTopic(key) => {
                    self.learned.extend(fetches.requested_topic(env, key));
                }
                Part::Partition {
                    index,
                    fetch_offset,
                } => fetches.requested(env, index, fetch_offset),
                Part::Forgotten { index } => fetches.forgotten(index),
            }
        }
    }

    pub(super) fn fetch_answer_step(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        (mut walker, mut over, look): (fetch::Walker, u64, FetchLook),
    ) -> Result<(), Want> {
        loop {
            let n = take(lane, over);
            lane.forward(n);
            over -= n as u64;
            let need = match over {
                0 => match walker.next(lane.fresh()) {
                    fetch::Step::Pass(len) => {
                        over = len;
                        continue;
                    }
                    fetch::Step::Part(part, len) => {
                        self.fetch_answer_part(env, look, part);
                        over = len;
                        continue;
                    }
                    fetch::Step::Need(n) => n,
                    fetch::Step::Malformed(_) if !walker.names_brokers() => {
                        if look.joined {
                            self.read_blindly(env);
                        }
                        // Nothing in it must be kept from the client.
                        self.response = Response::Pass(walker.left());
                        return Ok(());
                    }
                    fetch::Step::Malformed(why) => {
                        return self.malformed_answer(ApiKey::FETCH, why);
                    }
                    fetch::Step::Done => {
                        self.answered();
                        self.tell_headroom(env, look);
                        return Ok(());
                    }
                },
                _ => 1,
            };
            self.response = Response::Fetch(walker, over, look);
            return Err(Want::Bytes(need));
        }
    }

    pub(super) fn fetch_answer_part(&mut self, env: &Env<'_>, look: FetchLook, part: Part<'_>) {
        let Some(fetches) = self
            .fetches
            .as_mut()
            .filter(|_| look != FetchLook::default())
        else {
            return;
        };
        match part {
            Part::Topic(key) => fetches.answered_topic(env, key),
            Part::Partition {
                index,
                error_code,
                log_start_offset,
            } if look.follows() => {
                let lost = fetches.answered(env, index, error_code, log_start_offset);
                if lost.overrun.is_none() && lost.reset.is_none() {
                    return;
                }
                let topic = fetches.answered_name(env);
                if let Some(skipped) = lost.overrun.filter(|_| look.positions) {
                    let scenario = Scenario::RetentionOverrun;
                    self.observe_as(scenario, Completeness::Partial, topic.clone(), skipped);
                }
                if let Some((skipped, group)) = lost.reset {
                    self.reset(topic, group, skipped);
                }
            }
            Part::Partition { .. } => {}
            Part::Delivered(end) => fetches.delivered(end),
            Part::Transactional => {
                let topic = fetches.answered_name(env);
                self.observe_as(Scenario::DirtyRead, Completeness::Exact, topic, 1);
            }
        }
    }

    /// A consumer went on at the end of the log.
    fn reset(&mut self, topic: Option<Arc<str>>, group: Option<Arc<str>>, skipped: u64) {
        let Some(standing) = &self.standing else {
            return;
        };
        let (scenario, client_id) = (Scenario::OffsetReset, self.client_id.as_deref());
        let names = (topic.as_deref(), group.as_deref());
        match standing.for_names(scenario, client_id, names.0, names.1) {
            Stand::Off => {}
            Stand::Apply(_) | Stand::ByTopic(_) => {
                let completeness = match standing.settings().single_instance {
                    true => Completeness::Exact,
                    false => Completeness::Partial,
                };
                self.events.push(Event::Observed {
                    scenario,
                    completeness,
                    topic,
                    group: Some(group.unwrap_or_else(|| UNATTRIBUTED.into())),
                    count: skipped,
                });
            }
            Stand::Exempt(position) => {
                if let Some(exemption) = standing.exemption(position) {
                    self.events.push(Event::Exempted {
                        scenario,
                        exemption: exemption.name.clone(),
                        count: skipped,
                    });
                }
            }
        }
    }

    pub(super) fn tell_headroom(&mut self, env: &Env<'_>, look: FetchLook) {
        if let Some(fetches) = self.fetches.as_mut().filter(|_| look.positions) {
            fetches.tell(env);
        }
    }

    /// A whole answer to a request whose level was raised.
    pub(super) fn fetch_answer(
        &mut self,
        env: &Env<'_>,
        frame: &mut [u8],
        pending: &Pending,
        look: FetchLook,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let version = pending.api_version;
        let left = frame.len() - RESPONSE_START_LEN;
        let mut walker = fetch::Walker::new(version, left as u64, look.of_batches());
        let mut at = RESPONSE_START_LEN;
        loop {
            // Every length was held against what is left of the frame, which is all here.
            let window = frame.get_mut(at..).unwrap_or_default();
            at += match walker.next(window) {
                fetch::Step::Pass(len) => len as usize,
                fetch::Step::Part(part, len) => {
                    self.fetch_answer_part(env, look, part);
                    len as usize
                }
                fetch::Step::Done => break,
                fetch::Step::Need(_) => return Err("ends before its fields do"),
                fetch::Step::Malformed(why) => return Err(why),
            };
        }
        self.tell_headroom(env, look);
        let body_at = body_at(frame, pending)?;
        let (head, body) = frame.split_at_mut(body_at);
        let (standing, client_id) = (self.standing.as_ref(), self.client_id.as_deref());
        let in_force = |key: TopicKey<'_>| {
            let topic = topic_of(key, env).0;
            let name = topic.name().map(|name| &**name);
            let stand =
                |standing: &Standing| standing.for_topic(Scenario::DirtyRead, client_id, name);
            standing.map(stand) == Some(Stand::Apply(Mode::Enforce))
        };
        let mut repaired = fetch_repair::repair(version, body, in_force)
            .map_err(|_| "does not follow its schema")?;
        for (topic, records) in &repaired.removed {
            if let Some(name) = topic_of(topic.key(), env).0.name() {
                self.events.push(Event::OverrideTopic {
                    scenario: Scenario::DirtyRead,
                    mode: Mode::Enforce,
                    topic: name.clone(),
                    records: *records,
                    count: 1,
                });
            }
        }
        match repaired.edits.patch(body) {
            true => Ok(None),
            false => Ok(Some(header::frame_of(head, &repaired.edits.splice(body)))),
        }
    }

    /// The end of a log that is asked for is that of the records that are given.
    pub(super) fn list_offsets_start(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        let flexible = start.api_version >= LIST_OFFSETS_FLEXIBLE_FROM;
        let joined = joins(env);
        let looked_at = joined && LIST_OFFSETS.contains(&start.api_version);
        let held = looked_at && !std::mem::take(&mut self.cannot_collect);
        if held {
            whole(env, lane, frame_len)?;
        }
        let header = match header::header(lane.fresh(), frame_len, flexible) {
            Look::Need(n) if n <= MAX_HEADER_BYTES => return Err(Want::Bytes(n)),
            Look::Ready(header) => Some(header),
            // What does not follow its schema is the broker's to judge.
            _ => None,
        };
        let mut fate = Fate::Relay;
        if let Some(header) = header {
            // replica_id i32 | isolation_level i8
            let (replica_at, level_at) = (header.body_at, header.body_at + 4);
            if level_at < frame_len && lane.fresh_len() <= level_at {
                return Err(Want::Bytes(level_at + 1));
            }
            let client_id = header.client_id.map(|(from, to)| &lane.fresh()[from..to]);
            self.stand_as(env, client_id);
            let standing = self.standing.as_ref();
            let stand = standing.map_or(Stand::Off, |standing| standing.get(Scenario::DirtyRead));
            if LIST_OFFSETS_WITH_LEVEL.contains(&start.api_version)
                && let Some([replica @ .., level]) = lane.fresh().get_mut(replica_at..=level_at)
                && *replica == CONSUMER.to_be_bytes()
                && dirty_read::raises(*level as i8, stand)
            {
                *level = fetch_request::READ_COMMITTED as u8;
                self.raised(ApiKey::LIST_OFFSETS);
            }
            let body = lane.fresh().get(header.body_at..frame_len);
            match body.filter(|_| held) {
                Some(body) => {
                    if let Some(asked) = LogEnds::of(start.api_version, body) {
                        fate = Fate::LogEnds(Box::new(asked));
                    }
                }
                None if joined => self.doubt_reader(env),
                None => {}
            }
        }
        self.events.request(start.api_key);
        self.push(start, 0, fate);
        self.pass_frame(lane, frame_len);
        Ok(())
    }
}

/// What a look at a request came to.
enum FetchStep {
    /// That many bytes go on before the next look.
    Over(u64),
    Need(usize),
    /// Nothing more is looked at.
    Rest,
}

/// How many of the next `left` bytes are there.
fn take(lane: &Lane, left: u64) -> usize {
    lane.fresh_len()
        .min(usize::try_from(left).unwrap_or(usize::MAX))
}
