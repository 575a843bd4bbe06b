//! The common overridden request, dealt with in one look: one topic, one partition, one batch whose header is here, and
//! nothing in force that needs more of it. Requests like the one before only add to a [`Tally`], so that what one costs is
//! a few dozen nanoseconds; everything else takes the long way (`produce.rs`), to the same end.

use super::acked::Placed;
use super::event::{Event, Outcome, OutcomeCause};
use super::inflight::{Fate, RecordsOf, Topic};
use super::lane::Lane;
use super::produce::{topic_events, topic_of};
use super::{Env, Session, Want, acks0_event};
use crate::cluster::Learned;
use crate::policy::Scenario;
use crate::policy::plan::{self, Plan};
use crate::policy::standing::Stand;
use crate::wire::api::ApiKey;
use crate::wire::header::Start;
use crate::wire::produce::{self, Head, TopicKey};
use crate::wire::record_batch::Entry;

/// Requests in a row that were alike: what became of them, and how many they were.
#[derive(Debug)]
pub(super) struct Tally {
    acks: i16,
    timeout_ms: i32,
    topic: Topic,
    plan: Plan,
    requests: u64,
    records: u64,
}

impl Session {
    /// Whether the request was dealt with. Its size is below every limit; the connection is not ending.
    pub(super) fn sole_batch(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
        head: Head,
    ) -> Result<bool, Want> {
        let Some(standing) = &self.standing else {
            return Ok(false);
        };
        let Some(scenario) = plan::acks_scenario(head.acks) else {
            return self.sole_all(env, lane, start, frame_len, head);
        };
        let Stand::Apply(_) = standing.get(scenario) else {
            return Ok(false);
        };
        let needs_topics = matches!(standing.get(Scenario::AckTimeout), Stand::ByTopic(_))
            || env.view.any_degraded(env.node_id)
                && plan::heeds_degraded(scenario, standing.settings());
        let left = (frame_len - head.topics_at) as u64;
        let window = lane.fresh().get(head.topics_at..).unwrap_or_default();
        let sole = produce::sole_batch(window, left, start.api_version);
        let Some((key, partition, entry)) = sole.filter(|_| !needs_topics) else {
            return Ok(false);
        };
        let alike = self.tally.as_ref().is_some_and(|tally| {
            (tally.acks, tally.timeout_ms) == (head.acks, head.timeout_ms) && tally.topic.is(key)
        });
        let plan = match &self.tally {
            Some(tally) if alike => tally.plan,
            _ => plan::judge(
                head.acks,
                head.timeout_ms,
                standing.settings(),
                &|scenario| standing.get(scenario),
                false,
            ),
        };
        self.room_in_flight(env, head.acks == 0 && plan.new_acks.is_some(), frame_len)?;
        if !self.look_at_sole(env, (start, head), key, partition, entry) {
            return Ok(false);
        }
        let placed = self.placed(env, key, partition);
        if !alike {
            self.begin_tally(env, head, key, plan);
        }
        self.events.produce(head.acks);
        patch(lane, head, plan);
        self.queue_sole(start, frame_len, partition, entry, placed);
        self.pass_frame(lane, frame_len);
        Ok(true)
    }

    /// The same for a producer that asks for all replicas: there is nothing to change, and the batch is looked at.
    fn sole_all(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
        head: Head,
    ) -> Result<bool, Want> {
        let left = (frame_len - head.topics_at) as u64;
        let window = lane.fresh().get(head.topics_at..).unwrap_or_default();
        let Some((key, partition, entry)) = produce::sole_batch(window, left, start.api_version)
        else {
            return Ok(false);
        };
        self.room_in_flight(env, false, frame_len)?;
        if !self.look_at_sole(env, (start, head), key, partition, entry) {
            return Ok(false);
        }
        self.events.produce(head.acks);
        self.push(start, 0, Fate::Produce { raised: None });
        let placed = self.placed(env, key, partition);
        self.sent(placed, entry, head.acks);
        self.pass_frame(lane, frame_len);
        Ok(true)
    }

    fn begin_tally(&mut self, env: &Env<'_>, head: Head, key: TopicKey<'_>, plan: Plan) {
        self.tell_tally();
        let (topic, facts) = topic_of(key, env);
        if facts.is_none() {
            self.learned.push(match &topic {
                Topic::Name(name) => Learned::TopicSeen(name.clone()),
                Topic::Id(id, _) => Learned::TopicIdSeen(*id),
            });
        }
        let (acks, timeout_ms) = (head.acks, head.timeout_ms);
        self.tally = Some(Tally {
            acks,
            timeout_ms,
            topic,
            plan,
            requests: 0,
            records: 0,
        });
    }

    /// Counts the request, and puts it where its answer will find it.
    fn queue_sole(
        &mut self,
        start: Start,
        frame_len: usize,
        partition: i32,
        entry: Entry,
        placed: Placed,
    ) {
        let Some(tally) = &mut self.tally else { return };
        tally.requests += 1;
        tally.records += u64::from(entry.records);
        let acks = tally.plan.new_acks.unwrap_or(tally.acks);
        let raised = tally.plan.acks.filter(|_| tally.plan.new_acks.is_some());
        let raised = raised.map(|found| found.scenario);
        if tally.acks != 0 {
            self.push(start, 0, Fate::Produce { raised });
            return self.sent(placed, entry, acks);
        }
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
                self.push(start, frame_len, Fate::Absorb { raised });
                self.sent(placed, entry, acks);
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
        let (count, records) = (
            std::mem::take(&mut tally.requests),
            std::mem::take(&mut tally.records),
        );
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
        }
        if tally.topic.name().is_none() {
            self.tally = None;
        }
    }
}

fn patch(lane: &mut Lane, head: Head, plan: Plan) {
    let fresh = lane.fresh();
    if let Some(acks) = plan.new_acks {
        fresh[head.acks_at..][..2].copy_from_slice(&acks.to_be_bytes());
    }
    if let Some(timeout_ms) = plan.new_timeout_ms {
        fresh[head.timeout_at()..][..4].copy_from_slice(&timeout_ms.to_be_bytes());
    }
}
