//! The common overridden request, dealt with in one look: one topic, one partition, one batch whose header is here, and
//! nothing in force that needs more of it. What it costs is a few dozen nanoseconds; everything else takes the long way
//! (`produce.rs`), to the same end.

use super::event::{Event, Outcome, OutcomeCause};
use super::inflight::{Fate, RecordsOf, Topic};
use super::lane::Lane;
use super::produce::{topic_events, topic_of};
use super::{Env, Session, Want, acks0_event};
use crate::cluster::Learned;
use crate::policy::plan::{self, Plan};
use crate::policy::standing::Stand;
use crate::policy::{Mode, Scenario};
use crate::wire::api::ApiKey;
use crate::wire::header::Start;
use crate::wire::produce::{self, Head, TopicKey};

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
        let (Some(standing), Some(scenario)) = (&self.standing, plan::acks_scenario(head.acks))
        else {
            return Ok(false);
        };
        let Stand::Apply(mode) = standing.get(scenario) else {
            return Ok(false);
        };
        let enforces = mode == Mode::Enforce;
        let needs_topics = matches!(standing.get(Scenario::AckTimeout), Stand::ByTopic(_))
            || enforces
                && plan::heeds_degraded(scenario, standing.settings())
                && env.view.any_degraded(env.node_id);
        let left = (frame_len - head.topics_at) as u64;
        let window = lane.fresh().get(head.topics_at..).unwrap_or_default();
        let sole = produce::sole_batch(window, left, start.api_version);
        let Some((key, partition, entry)) = sole.filter(|_| !needs_topics) else {
            return Ok(false);
        };
        let absorbs = enforces && head.acks == 0;
        self.room_in_flight(env, absorbs, frame_len)?;

        let stands = |scenario| standing.get(scenario);
        let plan = plan::judge(
            head.acks,
            head.timeout_ms,
            standing.settings(),
            &stands,
            false,
        );
        let known = self.last_topic.as_ref().filter(|topic| topic.is(key));
        let topic = match known {
            Some(topic) => topic.clone(),
            None => self.meet(key, env),
        };
        self.events.request(ApiKey::PRODUCE);
        for found in [plan.acks, plan.timeout].into_iter().flatten() {
            let (scenario, mode) = (found.scenario, found.mode);
            self.events.push(Event::Override {
                scenario,
                mode,
                api_key: ApiKey::PRODUCE,
                count: 1,
            });
        }
        let records = u64::from(entry.records);
        topic_events(&mut self.events, &plan, &topic, records);
        patch(lane, head, plan);
        let of = RecordsOf {
            topic,
            partition,
            records,
            bytes: entry.size,
            exact: entry.exact,
            answered: false,
        };
        self.queue_sole(
            start,
            frame_len,
            head.acks == 0,
            absorbs.then_some(scenario),
            plan,
            of,
        );
        self.pass_frame(lane, frame_len);
        Ok(true)
    }

    fn queue_sole(
        &mut self,
        start: Start,
        frame_len: usize,
        none: bool,
        absorbed: Option<Scenario>,
        plan: Plan,
        of: RecordsOf,
    ) {
        let raised = plan
            .acks
            .filter(|_| plan.new_acks.is_some())
            .map(|found| found.scenario);
        match (none, absorbed) {
            (true, Some(raised)) => {
                self.push_produce(start, Fate::Absorb { raised }, frame_len);
                self.in_flight.count(of);
                if let Some(newest) = self.in_flight.newest() {
                    newest.records = 1;
                }
            }
            // It goes up as acks=0: brokers do not answer, and nobody waits.
            (true, None) => {
                let event = acks0_event(
                    Outcome::Unknown,
                    OutcomeCause::NotAsked,
                    start.correlation_id,
                    of,
                );
                self.events.push(event);
            }
            (false, _) => self.push_produce(start, Fate::Produce { raised }, 0),
        }
    }

    fn meet(&mut self, key: TopicKey<'_>, env: &Env<'_>) -> Topic {
        let (topic, facts) = topic_of(key, env);
        if facts.is_none() {
            self.learned.push(match &topic {
                Topic::Name(name) => Learned::TopicSeen(name.clone()),
                Topic::Id(id, _) => Learned::TopicIdSeen(*id),
            });
        } else {
            self.last_topic = Some(topic.clone());
        }
        topic
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
