//! The common request, dealt with in one look: one topic, one partition, one batch whose header is here, and nothing in
//! force that needs more of it. Requests like the one before only add to a [`Tally`]; those that follow in the same read and
//! begin with the same bytes, but for a partition that was met in it, are not even parsed; and of those to one partition with
//! batches alike only what may differ is read, so that what one costs is some nanoseconds. Everything else takes the long way
//! (`produce.rs`), to the same end.

use super::acked::{self, Placed};
use super::appends::{Batches, Findings};
use super::event::{Event, Outcome, OutcomeCause};
use super::inflight::{Fate, RecordsOf, Topic};
use super::lane::Lane;
use super::produce::{topic_events, topic_of, write_plan};
use super::requests::Request;
use super::{Env, Session, Want, acks0_event};
use crate::cluster::{Learned, TopicFacts};
use crate::policy::Scenario;
use crate::policy::appends::{Append, Horizon, Kind};
use crate::policy::plan::{self, Plan};
use crate::policy::standing::Stand;
use crate::wire::alike::Template;
use crate::wire::api::ApiKey;
use crate::wire::header::{self, CORRELATION_ID, START_LEN, Start};
use crate::wire::produce::{self, Head, Sole};
use crate::wire::record_batch::{self, BATCH_HEADER_LEN, Entry, MAX_TIMESTAMP_AT, i32_at, i64_at};
use std::sync::Arc;

/// Longer heads are not remembered; those of working clients have a few dozen bytes, and the name of a topic.
const MAX_HEAD_BYTES: usize = 256;
/// Partitions of one topic that requests of one read are remembered for.
const MAX_MET: usize = 8;
/// Its index, the last that stands in front of the size of the records.
const PARTITION_LEN: usize = 4;

/// Requests in a row that were alike: what became of them, and how many they were.
#[derive(Debug)]
pub(super) struct Tally {
    acks: i16,
    timeout_ms: i32,
    topic: Topic,
    plan: Plan,
    findings: Findings,
    requests: u64,
    records: u64,
    bytes: u64,
}

/// How the last request of this read began, which decided all but what depends on its batch. It lives for one call of
/// the session, under one view and one set of settings, so that a connection that rests does not keep it.
pub(super) struct Last {
    version: i16,
    /// From behind the correlation id to where the partition's index stands, as the client wrote it; empty: there was none,
    /// or a longer one.
    begins: [u8; MAX_HEAD_BYTES],
    begins_len: usize,
    head: Head,
    /// The partitions of requests that began like that and became the same; the last one found.
    met: [Met; MAX_MET],
    met_len: usize,
    kind: Kind,
    horizon: Horizon,
    /// No request up to this size can hold anything too large.
    clears: u64,
}

/// A partition, and where what is sent to it will be compared.
#[derive(Clone, Copy, Default)]
struct Met {
    partition: i32,
    placed: Placed,
}

impl Default for Last {
    fn default() -> Last {
        Last {
            version: 0,
            begins: [0; MAX_HEAD_BYTES],
            begins_len: 0,
            head: Head::default(),
            met: [Met::default(); MAX_MET],
            met_len: 0,
            kind: Kind::default(),
            horizon: Horizon::default(),
            clears: 0,
        }
    }
}

impl Last {
    /// One partition more; one too many takes the place of the first.
    fn meet(&mut self, met: Met) {
        if self.met_len == MAX_MET {
            self.met.rotate_left(1);
            self.met_len -= 1;
        }
        self.met[self.met_len] = met;
        self.met_len += 1;
    }

    fn begins(&self) -> &[u8] {
        &self.begins[..self.begins_len]
    }

    /// The partition and the batch of a request of that length, of which `window` is here, if it begins like this one, its
    /// partition was met, and its batch is of the same kind; and where the batch begins.
    #[inline(always)]
    fn alike(&self, window: &[u8], frame_len: usize, now_ms: i64) -> Option<(Met, Entry, usize)> {
        let begins = self.begins();
        let at = START_LEN + begins.len();
        if window.get(START_LEN..at) != Some(begins) {
            return None;
        }
        let (index, records) = window[at..].split_first_chunk::<PARTITION_LEN>()?;
        let partition = i32::from_be_bytes(*index);
        let met = self.met[..self.met_len].iter();
        let met = *met.rev().find(|met| met.partition == partition)?;
        let left = frame_len.checked_sub(at + PARTITION_LEN)? as u64;
        let (entry, width) = produce::sole_records(records, left, self.version)?;
        let batch_at = at + PARTITION_LEN + width;
        (self.horizon.kind(entry, now_ms) == self.kind).then_some((met, entry, batch_at))
    }

    /// How others must begin to be like `frame`, all of which is here, if that is like the one before: to the same partition,
    /// and of its batch only that is new which decides nothing. And where the batch begins.
    fn template(
        &self,
        frame: &[u8],
        (partition, entry): (i32, Entry),
        now_ms: i64,
    ) -> Option<(Template, usize)> {
        let (met, found, batch_at) = self.alike(frame, frame.len(), now_ms)?;
        // But for their timestamps, which are of one kind.
        let max_timestamp = entry.max_timestamp;
        let found = Entry {
            max_timestamp,
            ..found
        };
        if (met.partition, found) != (partition, entry) || entry.magic < 2 {
            return None;
        }
        let free = record_batch::FREE_OF_BATCH;
        let free = free.map(|range| range.start + batch_at..range.end + batch_at);
        let free = std::iter::once(CORRELATION_ID).chain(free);
        let template = Template::new(frame, batch_at + BATCH_HEADER_LEN, free)?;
        Some((template, batch_at))
    }

    /// Whether the batch with that head is of the kind that was met, where `entry` is, which differs from it in its timestamp.
    #[inline]
    fn is_of_kind(&self, entry: Entry, max_timestamp: i64, now_ms: i64) -> bool {
        let entry = Entry {
            max_timestamp,
            ..entry
        };
        self.horizon.kind(entry, now_ms) == self.kind
    }
}

impl Tally {
    fn count(&mut self, requests: u64, entry: Entry) {
        self.requests += requests;
        self.records += requests * u64::from(entry.records);
        self.bytes += requests * entry.size;
    }
}

impl Session {
    /// Whether the request begins like the one before in this read, and was dealt with.
    #[inline]
    pub(super) fn like_last(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &Last,
        start: Start,
        frame_len: usize,
    ) -> Result<bool, Want> {
        let remembered = last.begins_len > 0 && start.api_version == last.version;
        let Some(tally) = self.tally.as_ref().filter(|_| remembered) else {
            return Ok(false);
        };
        if frame_len as u64 - 4 > last.clears || self.frames >= self.next_sample {
            return Ok(false);
        }
        let Some((met, entry, _)) = last.alike(lane.fresh(), frame_len, env.now_ms) else {
            return Ok(false);
        };
        let (plan, head, partition) = (tally.plan, last.head, met.partition);
        if self.hurried(head) {
            return Ok(false);
        }
        let placed = self.placed_again(met.placed);
        let absorbs = head.acks == 0 && plan.new_acks.is_some();
        self.room_in_flight(env, absorbs, frame_len)?;
        self.pass_sole(lane, (start, head), frame_len, (partition, entry), placed);
        self.run_on(env, lane, last, start, frame_len, (partition, entry));
        Ok(true)
    }

    /// Those that follow the request that was just dealt with, of its length and with a batch like its own, are dealt with
    /// in one go: they are compared with the first of them, but for what may differ, and all are counted at once.
    fn run_on(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &Last,
        start: Start,
        frame_len: usize,
        (partition, entry): (i32, Entry),
    ) {
        let mut next = start;
        next.correlation_id = next.correlation_id.wrapping_add(1);
        // An acks=0 request is accounted for by itself, and the end of the connection comes between two requests.
        let alone = last.head.acks == 0
            || self.request != Request::Start
            || self.closing.is_some()
            || header::start(lane.fresh()) != Some(next);
        let (Some(tally), false) = (&mut self.tally, alone) else {
            return;
        };
        let frame = lane.fresh().get(..frame_len);
        let template = frame.and_then(|frame| last.template(frame, (partition, entry), env.now_ms));
        let Some((template, batch_at)) = template else {
            return;
        };
        let free = self.in_flight.free(env.limits.max_in_flight);
        let unsampled = self.next_sample.saturating_sub(self.frames);
        let most = free.min(usize::try_from(unsampled).unwrap_or(usize::MAX));
        let (head, plan) = (last.head, tally.plan);
        let mut known_timestamp = entry.max_timestamp;
        let mut run = 0;
        for frame in lane.fresh().chunks_exact_mut(frame_len).take(most) {
            let max_timestamp = i64_at(frame, batch_at + MAX_TIMESTAMP_AT);
            let alike = template.fits(frame)
                && i32_at(frame, CORRELATION_ID.start) == next.correlation_id
                && (max_timestamp == known_timestamp
                    || last.is_of_kind(entry, max_timestamp, env.now_ms));
            if !alike {
                break;
            }
            known_timestamp = max_timestamp;
            write_plan(frame, head, &plan);
            next.correlation_id = next.correlation_id.wrapping_add(1);
            run += 1;
        }
        let requests = u64::from(run);
        tally.count(requests, entry);
        self.events.produces(head.acks, requests);
        lane.forward(run as usize * frame_len);
        self.in_flight.run_on(run, lane.planned_bytes());
        self.frames += requests;
    }

    /// Whether the request was dealt with. Its size is below every limit; the connection is not ending.
    pub(super) fn sole_batch(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &mut Last,
        (start, head): (Start, Head),
        frame_len: usize,
        clears: u64,
    ) -> Result<bool, Want> {
        // Until it is known that this one became the same, nothing is like the one before.
        let begins_len = std::mem::take(&mut last.begins_len);
        if self.hurried(head) {
            return Ok(false);
        }
        let left = (frame_len - head.topics_at) as u64;
        let window = lane.fresh().get(head.topics_at..).unwrap_or_default();
        let Some(sole) = produce::sole_batch(window, left, start.api_version) else {
            return Ok(false);
        };
        let Some(plan) = self.sole_plan(env, head) else {
            return Ok(false);
        };
        self.room_in_flight(env, head.acks == 0 && plan.new_acks.is_some(), frame_len)?;
        let Some(standing) = &self.standing else {
            return Ok(false);
        };
        let Sole {
            key,
            partition,
            records_at,
            entry,
        } = sole;
        let before = self.tally.as_ref().map(|tally| &tally.topic);
        let (topic, facts) = match before.filter(|topic| topic.is(key)) {
            Some(topic) => (topic.clone(), facts_of(topic, env).cloned()),
            None => topic_of(key, env),
        };
        let append = Append {
            version: start.api_version,
            transactional: head.transactional,
            entry,
            topic: topic.name().map(|name| &**name),
            partition,
            facts: facts.as_deref(),
            now_ms: env.now_ms,
        };
        let findings = Findings::of(standing, self.client_id.as_deref(), &append, 0);
        if findings.refusal().is_some() {
            return Ok(false);
        }
        let horizon = append.horizon(standing.settings());
        let placed = acked::place(&mut self.acked, Some(standing), env, key, partition);
        let alike = self.tally.as_ref().is_some_and(|tally| {
            (tally.acks, tally.timeout_ms) == (head.acks, head.timeout_ms)
                && tally.findings == findings
                && tally.topic == topic
        });
        if !alike {
            self.begin_tally(head, topic, facts.is_some(), plan, findings);
        }
        let (kind, version) = (horizon.kind(entry, env.now_ms), start.api_version);
        let begins = &lane.fresh()[START_LEN..head.topics_at + records_at - PARTITION_LEN];
        let known = alike && (last.version, last.kind) == (version, kind);
        if known && last.begins.get(..begins_len) == Some(begins) {
            last.begins_len = begins_len;
        } else if let Some(remembered) = last.begins.get_mut(..begins.len()) {
            remembered.copy_from_slice(begins);
            last.begins_len = begins.len();
            (last.version, last.kind, last.head) = (version, kind, head);
            (last.horizon, last.clears, last.met_len) = (horizon, clears, 0);
        }
        last.meet(Met { partition, placed });
        self.pass_sole(lane, (start, head), frame_len, (partition, entry), placed);
        Ok(true)
    }

    /// What becomes of acks, which may be all already; `None`: it depends on the topics.
    fn sole_plan(&self, env: &Env<'_>, head: Head) -> Option<Plan> {
        let Some(scenario) = plan::acks_scenario(head.acks) else {
            return Some(Plan::default());
        };
        let standing = self.standing.as_ref()?;
        let stands = |scenario| standing.get(scenario);
        let settings = standing.settings();
        let by_topic = matches!(stands(Scenario::AckTimeout), Stand::ByTopic(_))
            || !matches!(stands(scenario), Stand::Apply(_));
        let by_partition =
            env.view.any_degraded(env.node_id) && plan::heeds_degraded(scenario, settings);
        (!by_topic && !by_partition)
            .then(|| plan::judge(head.acks, head.timeout_ms, settings, &stands, false))
    }

    fn begin_tally(
        &mut self,
        head: Head,
        topic: Topic,
        known: bool,
        plan: Plan,
        findings: Findings,
    ) {
        self.tell_tally();
        if !known {
            self.learned.push(match &topic {
                Topic::Name(name) => Learned::TopicSeen(name.clone()),
                Topic::Id(id, _) => Learned::TopicIdSeen(*id),
            });
        }
        self.tally = Some(Tally {
            acks: head.acks,
            timeout_ms: head.timeout_ms,
            topic,
            plan,
            findings,
            requests: 0,
            records: 0,
            bytes: 0,
        });
    }

    /// Counts the request, puts it where its answer will find it, and lets it go on.
    #[inline]
    fn pass_sole(
        &mut self,
        lane: &mut Lane,
        (start, head): (Start, Head),
        frame_len: usize,
        (partition, entry): (i32, Entry),
        placed: Placed,
    ) {
        let Some(tally) = &mut self.tally else { return };
        let plan = tally.plan;
        tally.count(1, entry);
        self.events.produces(head.acks, 1);
        write_plan(lane.fresh(), head, &plan);
        let raised = plan.acks.filter(|_| plan.new_acks.is_some());
        let raised = raised.map(|found| found.scenario);
        match head.acks {
            0 => self.queue_unanswered(start, frame_len, raised, (partition, entry)),
            _ => self.push(start, 0, Fate::Produce { raised }),
        }
        if head.acks != 0 || raised.is_some() {
            self.sent(placed, entry, plan.new_acks.unwrap_or(head.acks));
        }
        self.pass_frame(lane, frame_len);
    }

    /// A request with acks=0: its records are ours to account for.
    fn queue_unanswered(
        &mut self,
        start: Start,
        frame_len: usize,
        raised: Option<Scenario>,
        (partition, entry): (i32, Entry),
    ) {
        let Some(tally) = &self.tally else { return };
        let of = RecordsOf {
            topic: tally.topic.clone(),
            partition,
            records: u64::from(entry.records),
            bytes: entry.size,
            exact: entry.exact,
            answered: false,
        };
        match raised {
            Some(raised) => {
                self.push(
                    start,
                    frame_len,
                    Fate::Absorb {
                        raised,
                        leader_only: false,
                    },
                );
                self.in_flight.count(of);
                if let Some(newest) = self.in_flight.newest() {
                    newest.records = 1;
                }
            }
            // It goes up as acks=0: brokers do not answer, and nobody waits.
            None => {
                let event = acks0_event(
                    Outcome::Unknown,
                    OutcomeCause::NotAsked,
                    start.correlation_id,
                    of,
                );
                self.events.push(event);
            }
        }
    }

    pub(super) fn has_tally(&self) -> bool {
        self.tally.as_ref().is_some_and(|tally| tally.requests > 0)
    }

    /// Turns what was tallied into events. A topic that had no name yet is looked up anew next time.
    pub(super) fn tell_tally(&mut self) {
        let Some(tally) = &mut self.tally else { return };
        let count = std::mem::take(&mut tally.requests);
        let records = std::mem::take(&mut tally.records);
        let bytes = std::mem::take(&mut tally.bytes);
        if count > 0 {
            for found in [tally.plan.acks, tally.plan.timeout].into_iter().flatten() {
                let (scenario, mode) = (found.scenario, found.mode);
                self.events.push(Event::Override {
                    scenario,
                    mode,
                    api_key: ApiKey::PRODUCE,
                    count,
                });
            }
            topic_events(&mut self.events, &tally.plan, &tally.topic, records, count);
            if let Some(standing) = &self.standing {
                let batches = Batches {
                    count,
                    records,
                    bytes,
                };
                let topic = tally.topic.name();
                tally
                    .findings
                    .count(&mut self.events, standing, topic, batches);
            }
        }
        if tally.topic.name().is_none() {
            self.tally = None;
        }
    }
}

fn facts_of<'a>(topic: &Topic, env: &Env<'a>) -> Option<&'a Arc<TopicFacts>> {
    match topic {
        Topic::Name(name) => env.view.topic(name),
        Topic::Id(id, _) => env.view.topic_by_id(id),
    }
}
