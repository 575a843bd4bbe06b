//! What stands in a Produce: topics, partitions and batches judged as they are met; what is refused is cut out of the held
//! bytes, and what is kept is remembered for its answer.

use super::{Settled, TopicBeingRead, count_of, topic_events};
use crate::cluster::{Learned, TopicFacts};
use crate::policy::appends::{self as rules, Append};
use crate::policy::oversized_batch::{self, TooLarge};
use crate::policy::standing::Stand;
use crate::policy::{Mode, Scenario, acked_truncation, oversized_request};
use crate::session::appends::Findings;
use crate::session::event::{CloseCause, Event, Outcome, OutcomeCause};
use crate::session::inflight::{RecordsOf, Topic};
use crate::session::lane::Lane;
use crate::session::merge::{Refused, overwrite_count};
use crate::session::{Env, Question, Session, Want, acks0_event};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::record_batch::Entry;
use std::sync::Arc;

/// More partitions than any request of a working client has; each costs us memory until it is answered.
const MAX_PARTITIONS: usize = 65_536;

impl Session {
    pub(super) fn topic_begins(
        &mut self,
        topic: Topic,
        facts: Option<Arc<TopicFacts>>,
        count_at: usize,
        width: usize,
    ) {
        let client_id = self.client_id.as_deref();
        let Some(standing) = &self.standing else {
            return;
        };
        let name = topic.name().map(|name| &**name);
        let frame = &mut *self.produce;
        for (scenario, settled) in [
            (frame.scenario, &mut frame.acks_stand),
            (Some(Scenario::AckTimeout), &mut frame.timeout_stand),
        ] {
            if let (Some(scenario), Settled::Open { exempt, strict, .. }) = (scenario, settled) {
                match standing.for_topic(scenario, client_id, name) {
                    Stand::Exempt(position) => *exempt = Some(position),
                    _ => *strict = true,
                }
            }
        }
        let batches = match frame.batches {
            Some(_) => standing.for_topic(Scenario::OversizedBatch, client_id, name),
            None => Stand::Off,
        };
        if facts.is_none() {
            self.learned.push(match &topic {
                Topic::Name(name) => Learned::TopicSeen(name.clone()),
                Topic::Id(id, _) => Learned::TopicIdSeen(*id),
            });
        }
        frame.topic = Some(TopicBeingRead {
            facts,
            topic,
            at: frame.cursor,
            count_at: frame.cursor + count_at,
            count_width: width,
            kept: 0,
            refused: 0,
            records: 0,
            batches,
        });
    }

    pub(super) fn partition_begins(&mut self, env: &Env<'_>, lane: &mut Lane) -> Result<(), Want> {
        let frame = &mut *self.produce;
        frame.partitions += 1;
        if frame.partitions > MAX_PARTITIONS {
            let detail = format!("Produce request with more than {MAX_PARTITIONS} partitions");
            self.misdeed(CloseCause::LimitExceeded, detail);
            return Err(Want::Close);
        }
        if frame.plan.is_none()
            && let Some(name) = frame.topic.as_ref().and_then(|topic| topic.topic.name())
        {
            frame.degraded |= env.view.is_degraded(name, frame.partition);
        }
        if let Some((size, limit)) = frame.too_large {
            // The partition's own bytes are still to be passed over: refuse() cuts them from where it begins.
            let over = std::mem::take(&mut frame.over);
            self.refuse(
                lane,
                (Scenario::OversizedRequest, ErrorCode::MESSAGE_TOO_LARGE),
                oversized_request::text(size, limit).into(),
            );
            (self.produce.over, self.produce.over_refused) = (over, true);
        }
        Ok(())
    }

    pub(super) fn entry(&mut self, lane: &mut Lane, entry: Entry) -> Result<(), Want> {
        let frame = &mut *self.produce;
        frame.records += u64::from(entry.records);
        frame.bytes += entry.size;
        frame.exact &= entry.exact;
        frame.fresh &= acked_truncation::is_fresh(entry.producer_id);
        if frame.partition_refused.is_some() {
            frame.over_refused = frame.cuts();
            return Ok(());
        }
        let large = self.too_large_entry(entry);
        if let Some(large) = large.as_ref().filter(|large| large.mode == Mode::Enforce) {
            return self.refuse_large(lane, entry, large);
        }
        let looked_at = self.produce.appends.is_some() && self.produce.doomed.is_none();
        let (findings, refusal) = match looked_at {
            true => self.append(entry),
            false => (Findings::default(), None),
        };
        if let Some(Refusal::Ask(scenario, topic)) = refusal {
            self.produce.unconfirmed = Some((entry, scenario, topic.clone()));
            return Err(Want::confirm(Question::Facts(topic)));
        }
        if let Some(large) = large {
            self.events.push(Event::Rejection {
                scenario: Scenario::OversizedBatch,
                mode: Mode::Observe,
                api_key: ApiKey::PRODUCE,
                error_code: ErrorCode::MESSAGE_TOO_LARGE,
                topic: Some(large.topic),
                records: u64::from(entry.records),
                bytes: entry.size,
                count: 1,
            });
        }
        if looked_at
            && let (Some(standing), frame) = (&self.standing, &mut *self.produce)
            && let Some(topic) = &frame.topic
        {
            let counted =
                findings.count(&mut self.events, standing, topic.topic.name(), entry.into());
            frame.partition_found |= counted;
        }
        let Some(Refusal::Certain(scenario, error_code, text)) = refusal else {
            return self.release_if_settled(lane);
        };
        let over = std::mem::take(&mut self.produce.over);
        self.refuse(lane, (scenario, error_code), text);
        (self.produce.over, self.produce.over_refused) = (over, true);
        Ok(())
    }

    fn refuse_large(
        &mut self,
        lane: &mut Lane,
        entry: Entry,
        large: &LargeEntry,
    ) -> Result<(), Want> {
        let frame = &mut *self.produce;
        if !frame.holding {
            return Ok(());
        }
        if !large.certain {
            let topic = large.topic.clone();
            frame.unconfirmed = Some((entry, Scenario::OversizedBatch, topic.clone()));
            return Err(Want::confirm(Question::Facts(topic)));
        }
        let text = oversized_batch::text(large.found, &large.topic).into();
        let over = std::mem::take(&mut frame.over);
        let refusal = (Scenario::OversizedBatch, ErrorCode::MESSAGE_TOO_LARGE);
        self.refuse(lane, refusal, text);
        (self.produce.over, self.produce.over_refused) = (over, true);
        Ok(())
    }

    /// What a batch falls under, and whether that refuses it.
    fn append(&self, entry: Entry) -> (Findings, Option<Refusal>) {
        let frame = &*self.produce;
        let (Some(standing), Some(topic)) = (&self.standing, &frame.topic) else {
            return (Findings::default(), None);
        };
        let name = topic.topic.name();
        let (facts, confirmed) = frame.facts(topic);
        let append = Append {
            version: frame.version,
            transactional: frame.head.transactional,
            entry,
            topic: name.map(|name| &**name),
            partition: frame.partition,
            facts,
            now_ms: frame.now_ms,
        };
        let client_id = self.client_id.as_deref();
        let findings = Findings::of(standing, client_id, &append, frame.partition_found);
        let refusal = findings.refusal().filter(|_| frame.holding);
        let refusal = refusal.map(|(scenario, found)| match (confirmed, name) {
            (false, Some(name)) if found.learned => Refusal::Ask(scenario, name.clone()),
            _ => {
                let text = rules::text(scenario, &append, standing.settings());
                Refusal::Certain(scenario, found.error_code, text.into())
            }
        });
        (findings, refusal)
    }

    /// Whether an entry is above a limit in force for its topic.
    fn too_large_entry(&self, entry: Entry) -> Option<LargeEntry> {
        let frame = &*self.produce;
        let (standing, topic) = (self.standing.as_ref()?, frame.topic.as_ref()?);
        let Stand::Apply(mode) = topic.batches else {
            return None;
        };
        let explicit = standing.settings().max_batch_bytes;
        let name = topic.topic.name();
        let (facts, confirmed) = frame.facts(topic);
        let learned = facts.and_then(|facts| facts.max_message_bytes);
        let found = oversized_batch::judge(entry.size, explicit, learned)?;
        Some(LargeEntry {
            topic: name.cloned().unwrap_or_else(|| "".into()),
            mode,
            found,
            certain: found.explicit || confirmed,
        })
    }

    /// The look that a refusal waits for came back, or nobody answered.
    pub(super) fn resume_confirmed(&mut self, lane: &mut Lane) -> Result<(), Want> {
        let frame = &mut *self.produce;
        let Some((entry, scenario, name)) = frame.unconfirmed.take() else {
            return Ok(());
        };
        let Some(facts) = frame.confirmation.take() else {
            frame.unconfirmed = Some((entry, scenario, name.clone()));
            return Err(Want::confirm(Question::Facts(name)));
        };
        let told = facts.as_ref().is_some_and(|facts| {
            scenario != Scenario::OversizedBatch || facts.max_message_bytes.is_some()
        });
        if !told {
            self.events.push(Event::Unverified { scenario });
        }
        self.produce.confirmed.push((name, facts));
        // The entry was counted when it was met first.
        self.produce.records -= u64::from(entry.records);
        self.produce.bytes -= entry.size;
        self.entry(lane, entry)
    }

    /// Takes the partition that is being read out of the request.
    pub(super) fn refuse(
        &mut self,
        lane: &mut Lane,
        refusal: (Scenario, ErrorCode),
        text: Arc<str>,
    ) {
        let frame = &mut *self.produce;
        let Some(topic) = &mut frame.topic else {
            return;
        };
        frame.partition_refused = Some(refusal);
        topic.refused += 1;
        lane.cut(frame.partition_at, frame.cursor - frame.partition_at);
        frame.cursor = frame.partition_at;
        frame.refused.push(Refused {
            topic: topic.topic.clone(),
            partition: frame.partition,
            error_code: refusal.1,
            text,
        });
    }

    pub(super) fn partition_ends(&mut self) {
        let frame = &mut *self.produce;
        frame.over_refused = frame.cuts();
        let Some(topic) = &mut frame.topic else {
            return;
        };
        match frame.partition_refused {
            None => topic.kept += 1,
            Some((scenario, error_code)) => self.events.push(Event::Rejection {
                scenario,
                mode: Mode::Enforce,
                api_key: ApiKey::PRODUCE,
                error_code,
                topic: topic.topic.name().cloned(),
                records: frame.records,
                bytes: frame.bytes,
                count: 1,
            }),
        }
        topic.records += frame.records;
        if !frame.accounted {
            return;
        }
        let of = RecordsOf {
            topic: topic.topic.clone(),
            partition: frame.partition,
            records: frame.records,
            bytes: frame.bytes,
            exact: frame.exact,
            answered: false,
        };
        (frame.records, frame.bytes) = (0, 0);
        match frame.partition_refused {
            Some(_) => {
                let event = acks0_event(
                    Outcome::Refused,
                    OutcomeCause::Policy,
                    frame.correlation_id,
                    of,
                );
                self.events.push(event);
            }
            None => self.count(of),
        }
    }

    /// Records of an acks=0 request: they wait for the answer, or end at once when nobody will answer.
    fn count(&mut self, of: RecordsOf) {
        let frame = &*self.produce;
        if let Some(cause) = frame.doomed {
            self.events.push(acks0_event(
                Outcome::Refused,
                cause,
                frame.correlation_id,
                of,
            ));
        } else if frame.waits_in_queue {
            self.in_flight.count(of);
            if let Some(newest) = self.in_flight.newest() {
                newest.records += 1;
            }
        } else {
            self.events.push(acks0_event(
                Outcome::Unknown,
                OutcomeCause::NotAsked,
                frame.correlation_id,
                of,
            ));
        }
    }

    pub(super) fn topic_ends(&mut self, lane: &mut Lane) {
        let frame = &mut *self.produce;
        let Some(topic) = frame.topic.take().filter(|_| frame.doomed.is_none()) else {
            return;
        };
        if topic.kept == 0 && topic.refused > 0 {
            lane.cut(topic.at, frame.cursor - topic.at);
            frame.cursor = topic.at;
            frame.over_refused = true;
            frame.topics_refused += 1;
        } else {
            if topic.refused > 0 {
                overwrite_count(count_of(lane, &topic), frame.version, topic.kept);
            }
            frame.topics_kept += 1;
        }
        match &frame.plan {
            None if frame.scenario.is_some() => {
                frame.undecided_topics.push((topic.topic, topic.records))
            }
            Some(plan) => topic_events(&mut self.events, plan, &topic.topic, topic.records, 1),
            None => {}
        }
    }
}

/// An entry above a limit.
struct LargeEntry {
    /// Empty where only an id is known.
    topic: Arc<str>,
    mode: Mode,
    found: TooLarge,
    /// The limit is the operator's, or was asked for during this request.
    certain: bool,
}

/// What is to become of a batch that a scenario in force does not let pass.
enum Refusal {
    /// It rests on what was learned of this topic before the request.
    Ask(Scenario, Arc<str>),
    Certain(Scenario, ErrorCode, Arc<str>),
}
