//! Requests: from the size prefix to what becomes of the frame. Produce has a file of its own (`produce.rs`).

use super::event::{CloseCause, Event, Limit, Outcome, OutcomeCause, Side};
use super::fetch::LIST_OFFSETS_WITH_LEVEL;
use super::inflight::{Fate, Pending, UpstreamId};
use super::lane::Lane;
use super::sole::Last;
use super::sole_fetch::LastFetch;
use super::{Env, Session, Want, acks0_event, readers};
use crate::policy::{Mode, Scenario, oversized_request};
use crate::wire::api::ApiKey;
use crate::wire::header::{self, Look, SIZE_LEN, START_LEN, Start};
use crate::wire::principal::Exchange;
use crate::wire::sasl::Mechanism;
use crate::wire::{fetch_request, sasl, versions};
use bytes::Bytes;

/// A header longer than this is nobody's: client_id may take 32767 bytes, and so may transactional_id.
pub(super) const MAX_HEADER_BYTES: usize = 48 * 1024;
/// Frames longer than this go on before their end is here within a budget only. Of shorter ones a broker allocates no more
/// than a connection costs it anyway.
const ANNOUNCE_ABOVE: usize = 4 * 1024;
/// Larger than any token of the mechanisms that may follow a SaslHandshake v0.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Memory of our own answers that wait for a broker's in front of them, beyond which the client is not read: no budget counts it.
const MOST_OWN_ANSWER_BYTES: usize = 16 * 1024;

/// Where the session stands among the client's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// At a size prefix.
    Start,
    /// That many bytes of a frame go on as they are.
    Pass(u64),
    /// That many bytes of a frame go nowhere.
    Discard(u64),
    /// In a Produce whose topics are looked at.
    Produce,
    /// In a Fetch whose positions are looked at; that many bytes go on before the next look.
    Fetch(fetch_request::Walker, u64),
    /// A SaslHandshake v0 went up; nothing is looked at until it is answered.
    AwaitSaslHandshake,
    /// That many raw SASL tokens, then size prefixes of requests again.
    Tokens(u8),
    /// Where the next frame begins is not known any more: the rest can only be thrown away.
    Lost,
}

/// What the next request of this read may be like.
#[derive(Default)]
struct Lasts {
    produce: Last,
    fetch: LastFetch,
}

impl Session {
    /// Judges the fresh bytes of the client, as far as they go.
    pub fn on_request(&mut self, env: &Env<'_>, lane: &mut Lane) -> Want {
        let mut last = Lasts::default();
        self.clock_us = env.clock_us;
        loop {
            if let Err(want) = self.request_step(env, lane, &mut last) {
                if want == Want::Close {
                    self.abandon_request(OutcomeCause::Closing);
                    self.request = Request::Lost;
                }
                return want;
            }
        }
    }

    /// How many bytes of the client, behind those in the lane, go on as they are whatever they say.
    pub fn unseen_requests(&self) -> u64 {
        match self.request {
            Request::Pass(left) if self.begun => left,
            Request::Produce if self.begun => self.produce.unseen(),
            _ => 0,
        }
    }

    /// `n` of them went by without the lane ([`Lane::bypass`]): how many are left. At 0 the session goes on.
    pub fn requests_bypassed(&mut self, n: u64) -> u64 {
        match &mut self.request {
            Request::Pass(left) => {
                *left -= n;
                *left
            }
            Request::Produce => self.produce.bypassed(n),
            _ => 0,
        }
    }

    fn request_step(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &mut Lasts,
    ) -> Result<(), Want> {
        match self.request {
            Request::Start => self.request_start(env, lane, last),
            Request::Pass(left) => {
                self.announce(lane, left)?;
                let n = take(lane, left)?;
                lane.forward(n);
                self.passed(lane, left - n as u64, Request::Pass)
            }
            Request::Discard(left) => {
                let n = take(lane, left)?;
                lane.skip(n);
                self.passed(lane, left - n as u64, Request::Discard)
            }
            Request::Produce => self.produce_step(env, lane),
            Request::Fetch(walker, over) => self.fetch_request_step(env, lane, walker, over),
            Request::AwaitSaslHandshake => {
                self.paused_by = None;
                Err(Want::Answers)
            }
            Request::Tokens(left) => self.token(env, lane, left),
            Request::Lost => {
                lane.skip(lane.fresh_len());
                Err(Want::Bytes(1))
            }
        }
    }

    fn request_start(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &mut Lasts,
    ) -> Result<(), Want> {
        if let Some(cause) = self.draining.filter(|_| self.closing.is_none()) {
            self.close(cause);
        }
        if self.held && self.closing.is_none() {
            self.paused_by = None;
            return Err(Want::Answers);
        }
        // What no frame can begin with is not waited behind, as no broker does.
        let Some(&size) = lane.fresh().first_chunk() else {
            return Err(Want::Bytes(SIZE_LEN));
        };
        let Some(frame_len) = self.frame_len(i32::from_be_bytes(size)) else {
            return Err(Want::Close);
        };
        let Some(start) = header::start(lane.fresh()) else {
            return Err(Want::Bytes(START_LEN));
        };
        let refusable = start.api_key == ApiKey::PRODUCE
            && versions::understands(start.api_key, start.api_version);
        let limit = oversized_request::limit(
            env.policy.max_request_bytes,
            env.view.socket_request_max_bytes,
        );
        if frame_len as u64 - 4 > u64::from(limit) && !refusable && self.closing.is_none() {
            let detail = format!(
                "{:?} request of {} bytes, limit {limit}",
                start.api_key, start.size
            );
            self.misdeed(CloseCause::FrameSize, detail);
        }
        self.demand_login(env, start.api_key)?;
        if refusable {
            return self.produce_start(env, lane, &mut last.produce, start, frame_len);
        }
        if self.closing.is_some() {
            self.request = Request::Discard(frame_len as u64);
            return Ok(());
        }
        self.room_in_flight(env, false, frame_len)?;
        self.other_start(env, lane, &mut last.fetch, start, frame_len)
    }

    /// Whether one more may wait for its answer.
    pub(super) fn room_in_flight(
        &mut self,
        env: &Env<'_>,
        absorbs: bool,
        frame_len: usize,
    ) -> Result<(), Want> {
        let (limits, (absorbed, bytes)) = (env.limits, self.in_flight.absorbed());
        let own_answers = self.in_flight.own_answer_bytes();
        self.paused_by = if self.in_flight.len() >= limits.max_in_flight
            || own_answers >= MOST_OWN_ANSWER_BYTES
        {
            Some(Limit::MaxInFlight)
        } else if absorbs && absorbed >= limits.max_absorbed_in_flight {
            Some(Limit::MaxAbsorbedInFlight)
        } else if absorbs && absorbed > 0 && bytes + frame_len > limits.max_absorbed_bytes {
            Some(Limit::MaxAbsorbedBytes)
        } else {
            return Ok(());
        };
        if self.paused_by != Some(Limit::MaxInFlight) {
            self.haste.held_back();
        }
        Err(Want::Answers)
    }

    /// The request has its place in the queue. `absorbed_bytes`: its length, where nobody waits for the answer.
    pub(super) fn push(&mut self, start: Start, absorbed_bytes: usize, fate: Fate) {
        self.in_flight.push(Pending {
            correlation_id: start.correlation_id,
            run: 0,
            api_key: start.api_key.0,
            api_version: start.api_version,
            fate,
            upstream: UpstreamId::FIRST,
            since_us: self.clock_us,
            end: u64::MAX,
            absorbed_bytes,
            records: 0,
            sent: 0,
        });
    }

    /// The length of the frame with its prefix; `None` when no frame can be that long.
    fn frame_len(&mut self, size: i32) -> Option<usize> {
        let least = (START_LEN - SIZE_LEN) as i32;
        if size >= least && !header::looks_like_tls(size) {
            return Some(size as usize + SIZE_LEN);
        }
        // While the connection ends, what cannot be a frame is not worth a word, and nothing after it can be read.
        match header::looks_like_tls(size) {
            true => self.misdeed(
                CloseCause::TlsOnPlainPort,
                "a TLS ClientHello on a plaintext port".to_owned(),
            ),
            false => {
                let detail = format!("size prefix of {size}, at least {least} expected");
                self.misdeed(CloseCause::FrameSize, detail);
            }
        }
        None
    }

    fn other_start(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &mut LastFetch,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        if start.api_key == ApiKey::FETCH && self.like_last_fetch(env, lane, last, start, frame_len)
        {
            return Ok(());
        }
        self.introduce(env, lane, start, frame_len)?;
        let listed = versions::listed(start.api_key);
        let fate = match listed.is_some_and(|api| !api.versions.contain(start.api_version)) {
            false => match start.api_key {
                ApiKey::FETCH => return self.fetch_start(env, lane, last, start, frame_len),
                ApiKey::LIST_OFFSETS
                    if readers::joins(env)
                        || LIST_OFFSETS_WITH_LEVEL.contains(&start.api_version)
                            && env.policy.mode(Scenario::DirtyRead) == Mode::Enforce =>
                {
                    return self.list_offsets_start(env, lane, start, frame_len);
                }
                ApiKey::API_VERSIONS => Fate::ApiVersions,
                ApiKey::SASL_HANDSHAKE if start.api_version == 0 => {
                    return self.sasl_handshake(env, lane, start, frame_len);
                }
                ApiKey::SASL_HANDSHAKE => {
                    self.begin_exchange(env, lane, frame_len)?;
                    self.haste.authenticates();
                    Fate::Relay
                }
                ApiKey::SASL_AUTHENTICATE
                    if sasl::AUTHENTICATE_VERSIONS.contains(&start.api_version) =>
                {
                    Fate::SaslAuthenticate(self.sasl_token(env, lane, start, frame_len)?)
                }
                _ if env.policy.judges(start.api_key)
                    && listed.is_some_and(|api| api.treatment.is_judged_or_rewritten()) =>
                {
                    return self.judged_start(env, lane, start, frame_len);
                }
                _ => match listed.map(|api| api.treatment) {
                    Some(versions::Treatment::RewrittenResponse) => Fate::Rewrite,
                    _ => Fate::Relay,
                },
            },
            true if start.api_key == ApiKey::API_VERSIONS => {
                // A client newer than we are asks again with a lower version (KIP-511).
                self.events.request(start.api_key);
                let answer = versions::api_versions_unsupported(start.correlation_id);
                self.push(start, 0, Fate::Answer(Bytes::from(answer)));
                self.request = Request::Discard(frame_len as u64);
                return Ok(());
            }
            true => {
                let detail = format!(
                    "{:?} version {} is not understood",
                    start.api_key, start.api_version
                );
                self.misdeed(CloseCause::UnsupportedVersion, detail);
                self.request = Request::Discard(frame_len as u64);
                return Ok(());
            }
        };
        self.events.request(start.api_key);
        self.push(start, 0, fate);
        self.pass_frame(lane, frame_len);
        Ok(())
    }

    /// A request that must be held whole is larger than everything that may be held.
    pub(super) fn cannot_hold(&mut self, start: Start, frame_len: usize) -> Result<(), Want> {
        let detail = format!(
            "{:?} request of {frame_len} bytes must be held, more than buffer_bytes allows",
            start.api_key
        );
        self.misdeed(CloseCause::LimitExceeded, detail);
        Err(Want::Close)
    }

    pub(super) fn malformed_request(&mut self, start: Start, what: &str) -> Result<(), Want> {
        let detail = format!(
            "{what} of a {:?} request version {} does not follow its schema",
            start.api_key, start.api_version
        );
        self.events.push(Event::Undecodable {
            api_key: start.api_key,
            side: Side::Client,
        });
        self.misdeed(CloseCause::Malformed, detail);
        Err(Want::Close)
    }

    /// After SaslHandshake v0 raw tokens follow that are no Kafka frames: exactly as many as the mechanism has may pass.
    fn sasl_handshake(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        if frame_len > MAX_HEADER_BYTES {
            return self.malformed_request(start, "size");
        }
        let frame = whole(env, lane, frame_len)?;
        let Look::Ready(header) = header::header(frame, frame_len, false) else {
            return self.malformed_request(start, "header");
        };
        let mechanism = match sasl::mechanism(0, &frame[header.body_at..]) {
            Ok(name) => Mechanism::from_name(name),
            Err(_) => return self.malformed_request(start, "body"),
        };
        self.events.request(start.api_key);
        let Some(mechanism) = mechanism else {
            let answer = sasl::unsupported(start.correlation_id);
            self.push(start, 0, Fate::Answer(Bytes::from(answer)));
            self.request = Request::Discard(frame_len as u64);
            return Ok(());
        };
        self.sasl = Exchange::new(Some(mechanism));
        let tokens = mechanism.tokens();
        self.push(start, 0, Fate::SaslHandshake { tokens });
        lane.forward(frame_len);
        self.ended(lane);
        self.request = Request::AwaitSaslHandshake;
        Ok(())
    }

    fn token(&mut self, env: &Env<'_>, lane: &mut Lane, left: u8) -> Result<(), Want> {
        if self.closing.is_some() {
            lane.skip(lane.fresh_len());
            return Err(Want::Bytes(1));
        }
        self.room_in_flight(env, false, 0)?;
        let Some(&[a, b, c, d]) = lane.fresh().first_chunk() else {
            return Err(Want::Bytes(4));
        };
        let size = i32::from_be_bytes([a, b, c, d]);
        let Some(size) = usize::try_from(size)
            .ok()
            .filter(|size| *size <= MAX_TOKEN_BYTES)
        else {
            let detail = format!("SASL token of {size} bytes, limit {MAX_TOKEN_BYTES}");
            self.misdeed(CloseCause::FrameSize, detail);
            return Err(Want::Close);
        };
        let claim = self.raw_token(env, lane, size)?;
        self.in_flight.push(Pending {
            correlation_id: 0,
            run: 0,
            api_key: ApiKey::SASL_HANDSHAKE.0,
            api_version: 0,
            fate: Fate::Token(claim),
            upstream: UpstreamId::FIRST,
            since_us: self.clock_us,
            end: u64::MAX,
            absorbed_bytes: 0,
            records: 0,
            sent: 0,
        });
        self.after_token = left - 1;
        self.request = Request::Pass(size as u64 + 4);
        Ok(())
    }

    /// Before the first byte of a frame of `len` bytes goes on: as long as its end is not here it needs leave for all of it,
    /// which is what a broker allocates at its first byte.
    pub(super) fn announce(&mut self, lane: &Lane, len: u64) -> Result<(), Want> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let free = len <= ANNOUNCE_ABOVE || lane.fresh_len() >= len;
        if self.begun || self.announced || free {
            self.begun = true;
            return Ok(());
        }
        match self.goes_whole {
            true => Err(Want::Bytes(len)),
            false => Err(Want::Announce(len)),
        }
    }

    /// A frame of which nothing more need be seen goes on: at once where all of it is here.
    pub(super) fn pass_frame(&mut self, lane: &mut Lane, frame_len: usize) {
        match lane.fresh_len() >= frame_len {
            true => {
                lane.forward(frame_len);
                self.ended(lane);
            }
            false => self.request = Request::Pass(frame_len as u64),
        }
    }

    fn passed(&mut self, lane: &Lane, left: u64, state: fn(u64) -> Request) -> Result<(), Want> {
        match left {
            0 => self.ended(lane),
            _ => self.request = state(left),
        }
        Ok(())
    }

    /// The last byte of a request was planned or skipped.
    pub(super) fn ended(&mut self, lane: &Lane) {
        if let Some(newest) = self.in_flight.newest()
            && newest.end == u64::MAX
        {
            newest.end = lane.planned_bytes();
        }
        self.frames += 1;
        (self.announced, self.begun, self.goes_whole) = (false, false, false);
        self.request = match std::mem::take(&mut self.after_token) {
            0 => Request::Start,
            left => Request::Tokens(left),
        };
        if let Some(cause) = self.close_after_frame.take() {
            self.close(cause);
        }
        if let Some(cause) = self.draining.filter(|_| self.closing.is_none()) {
            self.close(cause);
        }
    }

    /// The frame that is being read will not be forwarded any further.
    pub(super) fn doom_request(&mut self, cause: OutcomeCause) {
        if let Request::Fetch(walker, over) = self.request {
            self.request = Request::Pass(walker.left() + over);
        }
        match self.request {
            Request::Pass(left) => {
                // Its answer will not come; a request that nobody answers has no place in the queue.
                let waits = self
                    .in_flight
                    .newest()
                    .is_some_and(|newest| newest.end == u64::MAX);
                if let Some(pending) = waits.then(|| self.in_flight.withdraw_newest()).flatten() {
                    let events = &mut self.events;
                    for of in self.in_flight.take_newest_records(pending.records) {
                        events.push(acks0_event(
                            Outcome::Refused,
                            cause,
                            pending.correlation_id,
                            of,
                        ));
                    }
                }
                self.request = Request::Discard(left);
            }
            Request::Produce => self.doom_produce(cause),
            Request::Start
            | Request::Fetch(..)
            | Request::Discard(_)
            | Request::AwaitSaslHandshake
            | Request::Tokens(_)
            | Request::Lost => {}
        }
    }

    /// The frame that is being read will never be whole.
    pub(super) fn abandon_request(&mut self, cause: OutcomeCause) {
        self.doom_request(cause);
        if self.request == Request::Produce {
            self.abandon_produce(cause);
        }
        if self.request != Request::Lost {
            self.request = Request::Start;
        }
    }
}

/// How many of the next `left` bytes are there: at least one.
fn take(lane: &Lane, left: u64) -> Result<usize, Want> {
    match lane
        .fresh_len()
        .min(usize::try_from(left).unwrap_or(usize::MAX))
    {
        0 if left > 0 => Err(Want::Bytes(1)),
        n => Ok(n),
    }
}

/// The whole frame at the front.
pub(super) fn whole<'a>(
    env: &Env<'_>,
    lane: &'a mut Lane,
    frame_len: usize,
) -> Result<&'a [u8], Want> {
    if lane.fresh_len() >= frame_len {
        return Ok(&lane.fresh()[..frame_len]);
    }
    match frame_len > env.limits.relay_buffer_bytes {
        true => Err(Want::Collect(frame_len)),
        false => Err(Want::Bytes(frame_len)),
    }
}
