//! What becomes of a Produce as a whole: when it goes on, with which acks, and what is done with its answer.

use super::{Settled, count_of, topic_events, write_plan};
use crate::policy::plan::{self, Plan};
use crate::policy::standing::Stand;
use crate::policy::{Mode, Scenario};
use crate::session::event::{CloseCause, Degradation, Event, Outcome, OutcomeCause, Side};
use crate::session::inflight::{Fate, RecordsOf};
use crate::session::lane::Lane;
use crate::session::merge::{Merge, overwrite_count};
use crate::session::{Session, Want, acks0_event};
use crate::wire::api::ApiKey;
use bytes::Bytes;

impl Session {
    /// Lets a held frame go on once nothing ahead can change what was decided.
    pub(super) fn release_if_settled(&mut self, lane: &mut Lane) -> Result<(), Want> {
        let frame = &*self.produce;
        let last = frame.walker.ahead() == (0, 0) && frame.walker.records_left() == 0;
        let acks_open = frame.plan.is_none() && frame.scenario.is_some();
        // For acks every partition counts; for sizes only what may still be ahead.
        let batches_open = frame.appends == Some(Mode::Enforce);
        let sizes_open = frame.too_large.is_some()
            || batches_open
            || (frame.batches == Some(Mode::Enforce) && frame.walker.left() > frame.smallest_limit);
        match frame.holding && (last || !(acks_open && self.acks_needs_topics() || sizes_open)) {
            true => self.release(lane),
            false => Ok(()),
        }
    }

    fn acks_needs_topics(&self) -> bool {
        // One topic that is not exempted decides, and so does one partition that is degraded.
        let open = |settled| matches!(settled, Settled::Open { strict: false, .. });
        open(self.produce.acks_stand)
            || open(self.produce.timeout_stand)
            || (self.produce.heeds_degraded && !self.produce.degraded)
    }

    /// Everything in front of the cursor goes on: counts, size, acks and timeout are written first.
    pub(super) fn release(&mut self, lane: &mut Lane) -> Result<(), Want> {
        let frame = &mut *self.produce;
        let (topics_ahead, partitions_ahead) = frame.walker.ahead();
        let mut topics = frame.topics_kept + topics_ahead;
        if let Some(topic) = &mut frame.topic {
            topics += 1;
            if topic.refused > 0 {
                // The partition being read is kept, or there would be no release inside it.
                let kept = topic.kept + 1 + partitions_ahead;
                overwrite_count(count_of(lane, topic), frame.version, kept);
                topic.refused = 0;
            }
        }
        if frame.topics_refused > 0 {
            let at = frame.topics_at;
            let place = &mut lane.fresh()[at..at + frame.topics_width];
            overwrite_count(place, frame.version, topics);
        }
        // Bytes of the frame that go on: what is held, and what follows it.
        let ahead = frame.walker.left() + frame.over;
        let len = frame.cursor as u64 + ahead;
        lane.fresh()[..4].copy_from_slice(&(len as u32 - 4).to_be_bytes());
        frame.frame_len = len as usize;
        self.decide(lane);
        let frame = &mut *self.produce;
        frame.holding = false;
        if frame.refused.is_empty() {
            return Ok(());
        }
        if frame.waits_in_queue && frame.head.acks != 0 {
            let refused = Box::new(Merge {
                refused: std::mem::take(&mut frame.refused),
            });
            self.tell_refused(&refused);
            if let Some(newest) = self.in_flight.newest() {
                let raised = match newest.fate {
                    Fate::Produce { raised } => raised,
                    _ => None,
                };
                newest.fate = Fate::Merge { raised, refused };
            }
        } else {
            self.close_after_frame = Some(CloseCause::RefusedUnanswerable);
        }
        Ok(())
    }

    /// The client will be told of what Holdfast refused.
    fn tell_refused(&mut self, merge: &Merge) {
        for refused in &merge.refused {
            self.tell_error(refused.topic.name().cloned(), refused.error_code);
        }
    }

    /// At the end of a held frame: it goes on without what was refused, or not at all.
    pub(super) fn release_or_refuse(&mut self, lane: &mut Lane) -> Result<(), Want> {
        if self.produce.refused.is_empty() || self.produce.topics_kept > 0 {
            return self.release(lane);
        }
        let frame = &mut *self.produce;
        frame.holding = false;
        frame.doomed = Some(OutcomeCause::Policy);
        let merge = Merge {
            refused: std::mem::take(&mut frame.refused),
        };
        if frame.head.acks == 0 {
            if frame.waits_in_queue {
                self.in_flight.withdraw_newest();
                frame.waits_in_queue = false;
            }
            self.close_after_frame = Some(CloseCause::RefusedUnanswerable);
        } else {
            let answer = merge.answer(frame.correlation_id, frame.version);
            self.in_flight.answer_newest(Bytes::from(answer));
            self.tell_refused(&merge);
        }
        Ok(())
    }

    /// What becomes of acks and timeout, once: written into the held head, with the events.
    pub(super) fn decide(&mut self, lane: &mut Lane) {
        if self.produce.plan.is_some() {
            return;
        }
        let frame = &mut *self.produce;
        let Some(standing) = &self.standing else {
            return;
        };
        let (acks_stand, timeout_stand) = (frame.acks_stand.settle(), frame.timeout_stand.settle());
        let stands = |scenario| match scenario {
            Scenario::AckTimeout => timeout_stand,
            _ => acks_stand,
        };
        let plan = plan::judge(
            frame.head.acks,
            frame.head.timeout_ms,
            standing.settings(),
            &stands,
            frame.degraded,
        );
        write_plan(lane.fresh(), frame.head, &plan);
        frame.plan = Some(plan);
        if frame.waits_in_queue && plan.new_acks.unwrap_or(frame.head.acks) != -1 {
            self.in_flight.newest_proves_nothing();
        }
        for found in [plan.acks, plan.timeout].into_iter().flatten() {
            self.events.push(Event::Override {
                scenario: found.scenario,
                mode: if plan.degraded
                    && found.scenario != Scenario::AckTimeout
                    && plan.new_acks.is_none()
                {
                    Mode::Observe
                } else {
                    found.mode
                },
                api_key: ApiKey::PRODUCE,
                count: 1,
            });
        }
        if let (true, Some(found)) = (plan.degraded, plan.acks) {
            self.events.push(Event::Degraded {
                scenario: found.scenario,
                reason: match frame.hurried {
                    true => Degradation::Reauthentication,
                    false => Degradation::BelowMinIsr,
                },
                count: 1,
            });
        }
        if let (Some(scenario), Stand::Exempt(position)) = (frame.scenario, acks_stand)
            && let Some(exemption) = standing.exemption(position)
        {
            self.events.push(Event::Exempted {
                scenario,
                exemption: exemption.name.clone(),
                count: 1,
            });
        }
        for (topic, records) in frame.undecided_topics.drain(..) {
            topic_events(&mut self.events, &plan, &topic, records, 1);
        }
        self.set_fate(plan);
    }

    /// What is done with the answer follows from what became of acks.
    fn set_fate(&mut self, plan: Plan) {
        let raised = plan
            .acks
            .filter(|_| plan.new_acks.is_some())
            .map(|found| found.scenario);
        let none = self.produce.head.acks == 0;
        if !self.produce.waits_in_queue {
            return;
        }
        match (none, raised) {
            // It goes up as acks=0: brokers do not answer, and nobody waits.
            (true, None) => {
                let records = self
                    .in_flight
                    .withdraw_newest()
                    .map_or(0, |pending| pending.records);
                self.produce.waits_in_queue = false;
                let correlation_id = self.produce.correlation_id;
                let events = &mut self.events;
                for of in self.in_flight.take_newest_records(records) {
                    events.push(acks0_event(
                        Outcome::Unknown,
                        OutcomeCause::NotAsked,
                        correlation_id,
                        of,
                    ));
                }
            }
            (true, Some(raised)) => {
                let leader_only = self.produce.hurried;
                if let Some(newest) = self.in_flight.newest() {
                    newest.fate = Fate::Absorb {
                        raised,
                        leader_only,
                    };
                }
            }
            (false, raised) => {
                if let Some(newest) = self.in_flight.newest() {
                    newest.fate = Fate::Produce { raised };
                }
            }
        }
    }

    pub(super) fn malformed_produce(&mut self, version: i16, why: &str) -> Result<(), Want> {
        let detail = format!("Produce request version {version}: {why}");
        self.events.push(Event::Undecodable {
            api_key: ApiKey::PRODUCE,
            side: Side::Client,
        });
        self.misdeed(CloseCause::Malformed, detail);
        Err(Want::Close)
    }

    /// The Produce that is being read goes no further; what it still brings is read, counted and dropped.
    pub(in crate::session) fn doom_produce(&mut self, cause: OutcomeCause) {
        let frame = &mut *self.produce;
        if frame.doomed.is_some() {
            return;
        }
        frame.doomed = Some(cause);
        frame.holding = false;
        frame.over_refused = false;
        frame.unconfirmed = None;
        if std::mem::take(&mut frame.waits_in_queue) {
            let correlation_id = frame.correlation_id;
            let records = self
                .in_flight
                .withdraw_newest()
                .map_or(0, |pending| pending.records);
            let events = &mut self.events;
            for of in self.in_flight.take_newest_records(records) {
                events.push(acks0_event(Outcome::Refused, cause, correlation_id, of));
            }
        }
    }

    /// The Produce that is being read will never be whole: the batch headers seen so far are counted.
    pub(in crate::session) fn abandon_produce(&mut self, cause: OutcomeCause) {
        let frame = &mut *self.produce;
        frame.doomed = Some(cause);
        let (records, bytes) = (
            std::mem::take(&mut frame.records),
            std::mem::take(&mut frame.bytes),
        );
        if let (true, Some(topic)) = (frame.accounted && bytes > 0, &frame.topic) {
            let of = RecordsOf {
                topic: topic.topic.clone(),
                partition: frame.partition,
                records,
                bytes,
                exact: frame.exact,
                answered: false,
            };
            self.events.push(acks0_event(
                Outcome::Refused,
                cause,
                frame.correlation_id,
                of,
            ));
        }
    }
}

impl From<Stand> for Settled {
    fn from(stand: Stand) -> Settled {
        match stand {
            Stand::ByTopic(mode) => Settled::Open {
                mode,
                exempt: None,
                strict: false,
            },
            stand => Settled::Is(stand),
        }
    }
}

impl Settled {
    fn settle(self) -> Stand {
        match self {
            Settled::Is(stand) => stand,
            Settled::Open {
                exempt: Some(position),
                strict: false,
                ..
            } => Stand::Exempt(position),
            Settled::Open { mode, .. } => Stand::Apply(mode),
        }
    }
}
