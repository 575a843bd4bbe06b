//! A Produce request: acks and timeout are decided, batches judged, records of acks=0 counted, as the frame streams by.
//!
//! ```text
//!   holding:   |size|header|acks|..topics.. partition |batch header| ............      nothing has gone on yet
//!              0                                       cursor ^                        kept bytes stay, refused are cut
//!   released:  everything in front of the cursor goes on at once; cursor = 0; the rest streams, patched already
//! ```
//!
//! A frame is held only while something still ahead can change a decision: an exemption or a partition below its
//! `min.insync.replicas` (acks stands in front of the topics), a batch above a limit, or one that a scenario in force may refuse
//! (`under_replicated` only while a partition has lost a replica from its in-sync set).

mod batches;
mod settle;

use super::appends;
use super::event::{CloseCause, Event, OutcomeCause};
use super::inflight::{Fate, Topic};
use super::lane::Lane;
use super::merge::Refused;
use super::requests::{MAX_HEADER_BYTES, Request};
use super::sole::Last;
use super::{Env, Session, Want};
use crate::cluster::TopicFacts;
use crate::policy::plan::{self, Plan};
use crate::policy::standing::{Stand, Standing};
use crate::policy::{Mode, Scenario, oversized_request};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::header::{self, Look, Start};
use crate::wire::produce::{self, FLEXIBLE_FROM, Head, Part, Step, TopicKey, Walker};
use crate::wire::record_batch::Entry;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};

/// The Produce request that is being read. Reused from frame to frame, so that a frame costs no allocation.
#[derive(Debug)]
pub(super) struct ProduceFrame {
    version: i16,
    correlation_id: i32,
    frame_len: usize,
    head: Head,
    walker: Walker,
    /// Fresh bytes in front of it are judged and held back.
    cursor: usize,
    holding: bool,
    /// Bytes from the cursor on that need no look, and whether they are refused.
    over: u64,
    over_refused: bool,
    /// Everything is read and dropped: its records end as refused for this reason.
    doomed: Option<OutcomeCause>,
    pub(super) cannot_collect: bool,
    /// The whole request is refused: its size, and the limit.
    too_large: Option<(u64, u32)>,

    scenario: Option<Scenario>,
    acks_stand: Settled,
    timeout_stand: Settled,
    /// Whether acks depends on the partitions of the request being in sync.
    heeds_degraded: bool,
    degraded: bool,
    /// acks=0 becomes 1 whatever its partitions, for this reason.
    hurried: bool,
    plan: Option<Plan>,
    /// The client sent acks=0 and its records are ours to account for.
    accounted: bool,
    waits_in_queue: bool,

    /// Batches are judged by size: refused, or only counted.
    batches: Option<Mode>,
    smallest_limit: u64,
    pub(super) confirmation: Option<Option<Arc<TopicFacts>>>,
    unconfirmed: Option<(Entry, Scenario, Arc<str>)>,
    /// Topics that were asked for during this request; `None`: nobody answered in time.
    confirmed: Vec<(Arc<str>, Option<Arc<TopicFacts>>)>,

    /// Batches are looked at by what they are: in force, or only counted.
    appends: Option<Mode>,
    now_ms: i64,

    topics_at: usize,
    topics_width: usize,
    topics_kept: u32,
    topics_refused: u32,
    topic: Option<TopicBeingRead>,
    partition_at: usize,
    partition: i32,
    records: u64,
    bytes: u64,
    exact: bool,
    /// None of its batches has a producer id.
    fresh: bool,
    partition_refused: Option<(Scenario, ErrorCode)>,
    /// What the partition being read was counted under.
    partition_found: u32,
    partitions: usize,
    refused: Vec<Refused>,
    /// Topics passed before acks was decided, for the metrics.
    undecided_topics: Vec<(Topic, u64)>,
}

/// How a scenario stands for the request as a whole: the stricter answer wins where its topics differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Settled {
    Is(Stand),
    /// By topic: an exemption met so far, and whether a topic without one was met.
    Open {
        mode: Mode,
        exempt: Option<u16>,
        strict: bool,
    },
}

#[derive(Debug)]
struct TopicBeingRead {
    topic: Topic,
    at: usize,
    count_at: usize,
    count_width: usize,
    kept: u32,
    refused: u32,
    records: u64,
    batches: Stand,
    facts: Option<Arc<TopicFacts>>,
}

/// A [`ProduceFrame`] that is made when it is first written to: most connections never take the long way, and one that
/// rests is to cost little.
#[derive(Debug, Default)]
pub(super) struct LazyFrame(Option<Box<ProduceFrame>>);

static NO_FRAME: LazyLock<ProduceFrame> = LazyLock::new(ProduceFrame::default);

impl Deref for LazyFrame {
    type Target = ProduceFrame;

    fn deref(&self) -> &ProduceFrame {
        self.0.as_deref().unwrap_or_else(|| &NO_FRAME)
    }
}

impl DerefMut for LazyFrame {
    fn deref_mut(&mut self) -> &mut ProduceFrame {
        self.0.get_or_insert_default()
    }
}

impl Default for ProduceFrame {
    fn default() -> ProduceFrame {
        ProduceFrame {
            version: 0,
            correlation_id: 0,
            frame_len: 0,
            head: Head::default(),
            walker: Walker::new(0, 0),
            cursor: 0,
            holding: false,
            over: 0,
            over_refused: false,
            doomed: None,
            cannot_collect: false,
            too_large: None,
            scenario: None,
            acks_stand: Settled::Is(Stand::Off),
            timeout_stand: Settled::Is(Stand::Off),
            heeds_degraded: false,
            degraded: false,
            hurried: false,
            plan: None,
            accounted: false,
            waits_in_queue: false,
            batches: None,
            smallest_limit: u64::MAX,
            confirmation: None,
            unconfirmed: None,
            confirmed: Vec::new(),
            appends: None,
            now_ms: 0,
            topics_at: 0,
            topics_width: 0,
            topics_kept: 0,
            topics_refused: 0,
            topic: None,
            partition_at: 0,
            partition: 0,
            records: 0,
            bytes: 0,
            exact: true,
            fresh: true,
            partition_refused: None,
            partition_found: 0,
            partitions: 0,
            refused: Vec::new(),
            undecided_topics: Vec::new(),
        }
    }
}

/// What the head alone says: how the scenarios stand, and what of the request has to be seen.
struct AtHead {
    scenario: Option<Scenario>,
    acks_stand: Stand,
    timeout_stand: Stand,
    /// Forwarded, as far as its partitions let it; else it is only counted.
    goes_on: bool,
    /// acks=0 that becomes more: the answer will be absorbed.
    absorbs: bool,
    too_large: Option<Mode>,
    batches: Option<Mode>,
    appends: Option<Mode>,
    heeds_degraded: bool,
    hurried: bool,
    by_topic: bool,
}

impl AtHead {
    /// Whether its topics have to be looked at.
    fn walks(&self) -> bool {
        let acks = self.scenario.is_some() && self.acks_stand != Stand::Off;
        acks || self.batches.is_some()
            || self.appends.is_some()
            || self.too_large == Some(Mode::Enforce)
    }

    /// Whether something ahead may change what becomes of its first bytes.
    fn holds(&self) -> bool {
        let refuses = [self.too_large, self.batches, self.appends].contains(&Some(Mode::Enforce));
        self.goes_on && (refuses || self.heeds_degraded || self.by_topic)
    }
}

/// The sizes up to which nothing needs a look.
#[derive(Clone, Copy)]
struct Sizes {
    /// No request up to this size can hold a batch above any limit in force.
    smallest_batch: u64,
    request: u32,
}

impl Sizes {
    fn of(env: &Env<'_>) -> Sizes {
        let smallest = [env.view.smallest_batch_limit, env.policy.max_batch_bytes];
        let smallest = smallest.into_iter().flatten().min();
        Sizes {
            smallest_batch: smallest.map_or(u64::MAX, u64::from),
            request: oversized_request::limit(
                env.policy.max_request_bytes,
                env.view.socket_request_max_bytes,
            ),
        }
    }

    fn clears(self, frame_len: usize) -> bool {
        frame_len as u64 - 4 <= self.smallest()
    }

    fn smallest(self) -> u64 {
        self.smallest_batch.min(u64::from(self.request))
    }
}

impl ProduceFrame {
    /// Another request; of the one before only the room of its lists is kept.
    fn begin(
        &mut self,
        start: Start,
        frame_len: usize,
        head: Head,
        found: &AtHead,
        (limits, now_ms): (Sizes, i64),
    ) {
        let mut last = std::mem::take(self);
        last.confirmed.clear();
        last.refused.clear();
        last.undecided_topics.clear();
        let refuses_all = found.too_large == Some(Mode::Enforce);
        *self = ProduceFrame {
            version: start.api_version,
            correlation_id: start.correlation_id,
            frame_len,
            head,
            walker: Walker::new(start.api_version, (frame_len - head.topics_at) as u64),
            cursor: head.topics_at,
            holding: found.holds(),
            too_large: refuses_all.then_some((frame_len as u64 - 4, limits.request)),
            scenario: found.scenario,
            acks_stand: found.acks_stand.into(),
            timeout_stand: found.timeout_stand.into(),
            heeds_degraded: found.heeds_degraded,
            degraded: found.hurried,
            hurried: found.hurried,
            accounted: head.acks == 0 && found.acks_stand != Stand::Off,
            batches: found.batches,
            smallest_limit: limits.smallest_batch,
            confirmed: last.confirmed,
            appends: found.appends,
            now_ms,
            refused: last.refused,
            undecided_topics: last.undecided_topics,
            ..ProduceFrame::default()
        };
    }

    /// Topic, partition, records of a partition that was read and goes on to wait for an answer, and whether that will be
    /// certain; unless acks is decided otherwise later.
    pub(super) fn kept_partition(&self) -> Option<(&Topic, i32, u64, bool)> {
        let waits = self.waits_in_queue && self.doomed.is_none();
        let kept = waits && self.partition_refused.is_none() && self.bytes > 0;
        let topic = self.topic.as_ref().filter(|_| kept)?;
        let acks = self
            .plan
            .map(|plan| plan.new_acks.unwrap_or(self.head.acks));
        let all = acks.is_none_or(|acks| acks == -1);
        Some((
            &topic.topic,
            self.partition,
            self.records,
            self.fresh && all,
        ))
    }

    /// What is known of a topic, and whether that was asked for during this request.
    fn facts<'a>(&'a self, topic: &'a TopicBeingRead) -> (Option<&'a TopicFacts>, bool) {
        let name = topic.topic.name();
        let mut confirmed = self.confirmed.iter();
        match confirmed.find(|(confirmed, _)| Some(confirmed) == name) {
            Some((_, facts)) => (facts.as_deref(), true),
            None => (topic.facts.as_deref(), false),
        }
    }

    /// Bytes that go on without a look, from the first on that is not here.
    pub(super) fn unseen(&self) -> u64 {
        let held = self.holding || self.over_refused || self.cursor > 0;
        match held || self.doomed.is_some() || self.unconfirmed.is_some() {
            true => 0,
            false => self.over,
        }
    }

    /// `n` of them went by: how many are left.
    pub(super) fn bypassed(&mut self, n: u64) -> u64 {
        self.over -= n;
        self.over
    }

    /// Whether what comes of the partition being read is taken out, rather than dropped with the whole frame.
    fn cuts(&self) -> bool {
        self.holding && self.partition_refused.is_some()
    }
}

impl Session {
    /// At the size prefix of a Produce of a version that is understood.
    pub(super) fn produce_start(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        last: &mut Last,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        if self.closing.is_none() && self.like_last(env, lane, last, start, frame_len)? {
            return Ok(());
        }
        let fresh = &*lane.fresh();
        let header = match header::header(fresh, frame_len, start.api_version >= FLEXIBLE_FROM) {
            Look::Ready(header) => header,
            other => return self.head_not_ready(start, other),
        };
        let head = match produce::head(fresh, frame_len, header.body_at, start.api_version) {
            Look::Ready(head) => head,
            other => return self.head_not_ready(start, other),
        };
        let limits = Sizes::of(env);
        let small = limits.clears(frame_len) && self.closing.is_none();
        if self.frames >= self.next_sample && self.closing.is_none() {
            self.sample(env, lane, start, frame_len, head, header.client_id);
        }
        // The common case: a producer that asks for all replicas, in a request that cannot hold anything too large.
        let looks = env.policy.judges_appends();
        if head.acks == -1 && small && !looks {
            self.room_in_flight(env, false, frame_len)?;
            self.events.produces(head.acks, 1);
            self.push(start, 0, Fate::Produce { raised: None });
            self.pass_frame(lane, frame_len);
            return Ok(());
        }
        let client_id = header.client_id.map(|(from, to)| &lane.fresh()[from..to]);
        self.stand_as(env, client_id);
        if small && self.sole_batch(env, lane, last, (start, head), frame_len, limits.smallest())? {
            return Ok(());
        }
        self.produce_judge_head(env, start, frame_len, head, limits)
    }

    /// Under whose name, and under which settings, what follows is judged.
    pub(super) fn stand_as(&mut self, env: &Env<'_>, client_id: Option<&[u8]>) {
        let renamed = client_id != self.client_id.as_deref().map(str::as_bytes);
        let stands = self.standing.as_ref();
        if !renamed && stands.is_some_and(|standing| standing.is_of(env.policy)) {
            return;
        }
        let client_id: Option<Arc<str>> = client_id.map(|id| String::from_utf8_lossy(id).into());
        // What was tallied is the old name's, and was judged under the old settings.
        self.tell_tally();
        self.tally = None;
        self.standing = Some(Standing::of(
            env.policy,
            client_id.as_deref(),
            self.principal.clone(),
        ));
        if renamed {
            self.events.push(Event::ClientId(client_id.clone()));
            self.client_id = client_id;
            self.reader = None;
        }
    }

    fn head_not_ready<T>(&mut self, start: Start, look: Look<T>) -> Result<(), Want> {
        match look {
            Look::Need(n) if n <= MAX_HEADER_BYTES => Err(Want::Bytes(n)),
            Look::Malformed(why) => self.malformed_produce(start.api_version, why),
            _ => {
                let detail = format!("header of a Produce request above {MAX_HEADER_BYTES} bytes");
                self.misdeed(CloseCause::LimitExceeded, detail);
                Err(Want::Close)
            }
        }
    }

    /// The long way, for whatever a look at the head does not settle.
    fn produce_judge_head(
        &mut self,
        env: &Env<'_>,
        start: Start,
        frame_len: usize,
        head: Head,
        limits: Sizes,
    ) -> Result<(), Want> {
        let size = frame_len as u64 - 4;
        let hurried = self.hurried(head);
        let Some(found) = self.at_head(env, head, (size, hurried), limits) else {
            return Err(Want::Close);
        };
        if found.goes_on {
            self.room_in_flight(env, found.absorbs, frame_len)?;
        }
        self.events.produces(head.acks, 1);
        if found.too_large == Some(Mode::Observe) {
            self.events.push(Event::Rejection {
                scenario: Scenario::OversizedRequest,
                mode: Mode::Observe,
                api_key: ApiKey::PRODUCE,
                error_code: ErrorCode::MESSAGE_TOO_LARGE,
                topic: None,
                records: 0,
                bytes: size,
                count: 1,
            });
        }
        self.produce
            .begin(start, frame_len, head, &found, (limits, env.now_ms));
        self.produce.doomed = (!found.goes_on).then_some(self.unforwarded);
        if found.goes_on && (head.acks != 0 || found.absorbs) {
            // An answer to acks=0 counts against its limits from here on.
            let absorbed_bytes = if found.absorbs { frame_len } else { 0 };
            let fate = match found.walks() {
                true => Fate::Open,
                false => Fate::Produce { raised: None },
            };
            self.produce.waits_in_queue = true;
            self.push(start, absorbed_bytes, fate);
        }
        self.request = match found.goes_on {
            true if found.walks() => Request::Produce,
            // Scenarios are off, or acks is all and nothing can be too large.
            true => Request::Pass(frame_len as u64),
            false if self.produce.accounted => Request::Produce,
            false => Request::Discard(frame_len as u64),
        };
        Ok(())
    }

    /// Whether this request, sent with acks=0, must not wait for replicas.
    pub(super) fn hurried(&self, head: Head) -> bool {
        head.acks == 0 && self.haste.hurries(self.clock_us)
    }

    fn at_head(
        &self,
        env: &Env<'_>,
        head: Head,
        (size, hurried): (u64, bool),
        limits: Sizes,
    ) -> Option<AtHead> {
        let standing = self.standing.as_ref()?;
        let scenario = plan::acks_scenario(head.acks);
        let acks_stand = scenario.map_or(Stand::Off, |scenario| standing.get(scenario));
        let timeout_stand = standing.get(Scenario::AckTimeout);
        let raises = mode_of(acks_stand) == Some(Mode::Enforce);
        let absorbs = head.acks == 0 && raises;
        // While a connection is drained, what nobody waits for can still be forwarded: nothing of it is lost then.
        let drains = self.closing.is_some_and(CloseCause::is_orderly) && absorbs && !self.severed;
        let goes_on = self.closing.is_none() || drains;
        let too_large = mode_of(standing.get(Scenario::OversizedRequest))
            .filter(|_| goes_on && size > u64::from(limits.request));
        let batches = mode_of(standing.get(Scenario::OversizedBatch))
            .filter(|_| size > limits.smallest_batch && too_large != Some(Mode::Enforce));
        let shrunk = env.view.any_shrunk(env.node_id);
        let appends = appends::looked_at(standing, shrunk)
            .filter(|_| goes_on && too_large != Some(Mode::Enforce));
        let hurried = hurried && absorbs;
        let heeds_degraded = raises
            && !hurried
            && scenario.is_some_and(|scenario| plan::heeds_degraded(scenario, standing.settings()))
            && env.view.any_degraded(env.node_id);
        Some(AtHead {
            scenario,
            acks_stand,
            timeout_stand,
            goes_on,
            absorbs,
            too_large,
            batches,
            appends,
            heeds_degraded,
            hurried,
            by_topic: raises
                && [acks_stand, timeout_stand]
                    .iter()
                    .any(|stand| matches!(stand, Stand::ByTopic(_))),
        })
    }

    /// Goes on with the Produce that is being read, one part of it.
    pub(super) fn produce_step(&mut self, env: &Env<'_>, lane: &mut Lane) -> Result<(), Want> {
        if !self.produce.holding && self.produce.doomed.is_none() && !self.begun {
            // What is only observed by topic changes no byte, and is decided when all topics were seen.
            if !matches!(
                self.produce.acks_stand,
                Settled::Open {
                    mode: Mode::Observe,
                    ..
                }
            ) {
                self.decide(lane);
            }
            self.announce(lane, self.produce.frame_len as u64)?;
        }
        if self.produce.unconfirmed.is_some() {
            // What it led to, a release among it, is gone on with from the top.
            return self.resume_confirmed(lane);
        }
        self.pass_over(env, lane)?;
        if self.produce.over > 0 {
            // Waiting for them, the frame was let go: what is here of it goes on first.
            return Ok(());
        }
        let frame = &mut *self.produce;
        let cursor = frame.cursor.min(lane.fresh_len());
        match frame.walker.next(&lane.fresh()[cursor..]) {
            Step::Need(n) => self.need(env, lane, n),
            Step::Malformed(why) => self.malformed_produce(self.produce.version, why),
            Step::Done => {
                self.ended(lane);
                Ok(())
            }
            Step::Part { part, len } => {
                let part = Owned::of(part, env);
                self.produce_part(env, lane, part, len)
            }
        }
    }

    /// Moves the cursor over bytes that need no look, or lets them go on, or drops them.
    fn pass_over(&mut self, env: &Env<'_>, lane: &mut Lane) -> Result<(), Want> {
        // What stands in front of the cursor and is no longer held goes first.
        if !self.produce.holding && self.produce.cursor > 0 {
            let n = self.produce.cursor.min(lane.fresh_len());
            match self.produce.doomed.is_some() {
                true => lane.skip(n),
                false => lane.forward(n),
            }
            self.produce.cursor -= n;
        }
        let frame = &mut *self.produce;
        let here = lane.fresh_len().saturating_sub(frame.cursor);
        let n = here.min(usize::try_from(frame.over).unwrap_or(usize::MAX));
        if frame.over_refused {
            lane.cut(frame.cursor, n);
        } else if frame.holding {
            frame.cursor += n;
        } else if frame.doomed.is_some() {
            lane.skip(n);
        } else {
            lane.forward(n);
        }
        frame.over -= n as u64;
        match frame.over {
            0 => Ok(()),
            _ => self.need(env, lane, 1),
        }
    }

    /// More bytes behind the cursor; a held frame that outgrows the relay's buffer has to be collected.
    fn need(&mut self, env: &Env<'_>, lane: &mut Lane, n: usize) -> Result<(), Want> {
        let frame = &mut *self.produce;
        let wanted = frame.cursor.saturating_add(n);
        if !frame.holding || wanted <= env.limits.relay_buffer_bytes {
            return Err(Want::Bytes(wanted));
        }
        if !frame.cannot_collect {
            return Err(Want::Collect(frame.frame_len));
        }
        if [frame.batches, frame.appends].contains(&Some(Mode::Enforce))
            || frame.too_large.is_some()
        {
            let detail = format!(
                "Produce request of {} bytes must be held, more than buffer_bytes allows",
                frame.frame_len
            );
            self.misdeed(CloseCause::LimitExceeded, detail);
            return Err(Want::Close);
        }
        // Nothing is refused by acks: the stricter answer for topics, the safer one for partitions.
        frame.degraded = frame.heeds_degraded;
        for settled in [&mut frame.acks_stand, &mut frame.timeout_stand] {
            if let Settled::Open { strict, .. } = settled {
                *strict = true;
            }
        }
        if let Some(scenario) = frame.scenario {
            self.events.push(Event::Unjudged { scenario });
        }
        self.release(lane)
    }

    fn produce_part(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        part: Owned,
        len: u64,
    ) -> Result<(), Want> {
        let frame = &mut *self.produce;
        (frame.over, frame.over_refused) = (len, false);
        match part {
            Owned::Topics { width } => {
                frame.topics_at = frame.cursor;
                frame.topics_width = width;
            }
            Owned::Topic {
                topic,
                facts,
                count_at,
                width,
            } => self.topic_begins(topic, facts, count_at, width),
            Owned::Partition { index } => {
                frame.partition = index;
                frame.partition_at = frame.cursor;
                (frame.partition_refused, frame.partition_found) = (None, 0);
                (frame.records, frame.bytes, frame.exact, frame.fresh) = (0, 0, true, true);
                self.partition_begins(env, lane)?;
            }
            Owned::Entry(entry) => return self.entry(lane, entry),
            Owned::Remainder => {
                frame.bytes += len;
                frame.over_refused = frame.cuts();
            }
            Owned::PartitionEnd => {
                self.partition_sent(env);
                self.partition_ends();
            }
            Owned::TopicEnd => self.topic_ends(lane),
            Owned::End => {
                if self.produce.holding {
                    self.release_or_refuse(lane)?;
                } else if self.produce.doomed.is_none() {
                    self.decide(lane);
                }
            }
        }
        Ok(())
    }
}

/// Writes what was decided over acks and timeout_ms, where they lie.
pub(super) fn write_plan(fresh: &mut [u8], head: Head, plan: &Plan) {
    if let Some(acks) = plan.new_acks {
        fresh[head.acks_at..][..2].copy_from_slice(&acks.to_be_bytes());
    }
    if let Some(timeout_ms) = plan.new_timeout_ms {
        fresh[head.timeout_at()..][..4].copy_from_slice(&timeout_ms.to_be_bytes());
    }
}

/// The mode in which a scenario may be applied to a request, to all of its topics or to some.
fn mode_of(stand: Stand) -> Option<Mode> {
    match stand {
        Stand::Apply(mode) | Stand::ByTopic(mode) => Some(mode),
        Stand::Off | Stand::Exempt(_) => None,
    }
}

/// A part of a Produce with what it borrowed from the buffer looked up or copied, so that the buffer may be edited.
enum Owned {
    Topics {
        width: usize,
    },
    Topic {
        topic: Topic,
        facts: Option<Arc<TopicFacts>>,
        count_at: usize,
        width: usize,
    },
    Partition {
        index: i32,
    },
    Entry(Entry),
    Remainder,
    PartitionEnd,
    TopicEnd,
    End,
}

impl Owned {
    fn of(part: Part<'_>, env: &Env<'_>) -> Owned {
        match part {
            Part::Topics { width, .. } => Owned::Topics { width },
            Part::Topic {
                key,
                count_at,
                width,
                ..
            } => {
                let (topic, facts) = topic_of(key, env);
                Owned::Topic {
                    topic,
                    facts,
                    count_at,
                    width,
                }
            }
            Part::Partition { index } => Owned::Partition { index },
            Part::Entry(entry) => Owned::Entry(entry),
            Part::Remainder => Owned::Remainder,
            Part::PartitionEnd => Owned::PartitionEnd,
            Part::TopicEnd => Owned::TopicEnd,
            Part::End => Owned::End,
        }
    }
}

/// The topic by the view's own name, so that a topic known to it costs no allocation.
pub(super) fn topic_of(key: TopicKey<'_>, env: &Env<'_>) -> (Topic, Option<Arc<TopicFacts>>) {
    match key {
        TopicKey::Name(name) => {
            let name = String::from_utf8_lossy(name);
            match env.view.topic(&name) {
                Some(facts) => (Topic::Name(facts.name.clone()), Some(facts.clone())),
                None => (Topic::Name(name.into()), None),
            }
        }
        TopicKey::Id(id) => {
            let facts = env.view.topic_by_id(&id).cloned();
            (
                Topic::Id(id, facts.as_ref().map(|facts| facts.name.clone())),
                facts,
            )
        }
    }
}

fn count_of<'a>(lane: &'a mut Lane, topic: &TopicBeingRead) -> &'a mut [u8] {
    &mut lane.fresh()[topic.count_at..topic.count_at + topic.count_width]
}

pub(super) fn topic_events(
    events: &mut super::events::Events,
    plan: &Plan,
    topic: &Topic,
    records: u64,
    count: u64,
) {
    let Some(name) = topic.name() else { return };
    for found in [plan.acks, plan.timeout].into_iter().flatten() {
        events.push(Event::OverrideTopic {
            scenario: found.scenario,
            mode: found.mode,
            topic: name.clone(),
            records,
            count,
        });
    }
}
