//! Where a session puts its events: equal ones are folded into one with a count, so that a busy connection hands few
//! of them to telemetry, and in steady state nothing is allocated.

use super::event::Event;
use crate::wire::api::ApiKey;
use std::sync::Arc;

/// How far back an equal event is looked for.
const FOLD: usize = 8;

/// The values of acks that brokers take.
const ACKS: [i16; 3] = [0, 1, -1];

/// See the module.
#[derive(Debug, Default)]
pub struct Events {
    list: Vec<Event>,
    requests: Option<(ApiKey, u64)>,
    /// Produce requests by acks.
    acks: [u64; ACKS.len()],
    /// The batches sampled, while they are of one topic.
    batch: Option<Batch>,
    /// The first answer since events were handed out, and its time in µs.
    answered: Option<(ApiKey, u64)>,
    /// The first events were handed out.
    begun: bool,
}

/// What an [`Event::Batch`] says.
#[derive(Debug)]
struct Batch {
    topic: Option<Arc<str>>,
    idempotent: bool,
    bytes: u64,
}

impl Batch {
    fn event(self) -> Event {
        let Batch {
            topic,
            idempotent,
            bytes,
        } = self;
        Event::Batch {
            topic,
            idempotent,
            bytes,
        }
    }
}

impl Events {
    pub fn request(&mut self, api_key: ApiKey) {
        self.requests(api_key, 1);
    }

    pub fn requests(&mut self, api_key: ApiKey, more: u64) {
        match &mut self.requests {
            Some((key, count)) if *key == api_key => *count += more,
            _ => {
                if let Some((api_key, count)) = self.requests.replace((api_key, more)) {
                    self.add(Event::Requests { api_key, count });
                }
            }
        }
    }

    /// Most have one at a time to tell: room for one is what they begin with, and keep.
    fn add(&mut self, event: Event) {
        if self.list.capacity() == 0 {
            self.list.reserve_exact(1);
        }
        self.list.push(event);
    }

    /// Produce requests, by the acks that the client sent.
    pub fn produces(&mut self, acks: i16, requests: u64) {
        self.requests(ApiKey::PRODUCE, requests);
        if let Some(position) = ACKS.iter().position(|known| *known == acks) {
            self.acks[position] += requests;
        }
    }

    /// A batch of a sampled Produce. Those of one topic are one event.
    pub fn batch(&mut self, topic: Option<&Arc<str>>, idempotent: bool, bytes: u64) {
        if let Some(batch) = self
            .batch
            .as_mut()
            .filter(|batch| batch.topic.as_ref() == topic)
        {
            batch.idempotent |= idempotent;
            batch.bytes = batch.bytes.max(bytes);
            return;
        }
        let topic = topic.cloned();
        let new = Batch {
            topic,
            idempotent,
            bytes,
        };
        if let Some(before) = self.batch.replace(new) {
            self.add(before.event());
        }
    }

    /// An answer, and the time to it: one is kept until events are handed out.
    pub fn answered(&mut self, api_key: ApiKey, micros: u64) {
        self.answered.get_or_insert((api_key, micros));
    }

    pub fn push(&mut self, event: Event) {
        if names_the_client(&event) {
            // What came before was another's.
            self.flush();
        }
        if self
            .list
            .iter_mut()
            .rev()
            .take(FOLD)
            // What another client id or principal did is not this one's.
            .take_while(|last| !names_the_client(last))
            .any(|last| fold(last, &event))
        {
            return;
        }
        self.add(event);
    }

    /// Hands every event out, in order but for folding, and forgets them.
    pub fn drain(&mut self, mut each: impl FnMut(Event)) {
        for event in self.list.drain(..) {
            each(event);
        }
        // Straight from where it is counted: a connection that does nothing noteworthy never needs the list.
        if let Some((api_key, count)) = self.requests.take() {
            each(Event::Requests { api_key, count });
        }
        for (acks, count) in ACKS.into_iter().zip(&mut self.acks) {
            match std::mem::take(count) {
                0 => {}
                count => each(Event::Acks { acks, count }),
            }
        }
        if let Some(batch) = self.batch.take() {
            each(batch.event());
        }
        if let Some((api_key, micros)) = self.answered.take() {
            each(Event::Answered { api_key, micros });
        }
        if !std::mem::replace(&mut self.begun, true) {
            // The first were the client's introduction: many a connection has nothing to tell after it.
            self.list = Vec::new();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
            && self.requests.is_none()
            && self.batch.is_none()
            && self.answered.is_none()
    }

    fn flush(&mut self) {
        if let Some((api_key, count)) = self.requests.take() {
            self.add(Event::Requests { api_key, count });
        }
        for (acks, count) in ACKS.into_iter().zip(&mut self.acks) {
            match std::mem::take(count) {
                0 => {}
                count => self.list.push(Event::Acks { acks, count }),
            }
        }
        self.list.extend(self.batch.take().map(Batch::event));
    }
}

/// What comes after it is told of another than what came before.
fn names_the_client(event: &Event) -> bool {
    matches!(event, Event::ClientId(_) | Event::Principal(_))
}

/// Adds `new` to `last` where they are the same thing once more.
fn fold(last: &mut Event, new: &Event) -> bool {
    match (last, new) {
        (
            Event::Override {
                scenario,
                mode,
                api_key,
                count,
            },
            Event::Override {
                scenario: s,
                mode: m,
                api_key: k,
                count: more,
            },
        ) if (&*scenario, &*mode, &*api_key) == (s, m, k) => *count += more,
        (
            Event::OverrideTopic {
                scenario,
                mode,
                topic,
                records,
                count,
            },
            Event::OverrideTopic {
                scenario: s,
                mode: m,
                topic: t,
                records: r,
                count: more,
            },
        ) if (&*scenario, &*mode, &*topic) == (s, m, t) => {
            *count += more;
            *records += r;
        }
        (
            Event::Degraded {
                scenario,
                reason,
                count,
            },
            Event::Degraded {
                scenario: s,
                reason: r,
                count: more,
            },
        ) if (&*scenario, &*reason) == (s, r) => *count += more,
        (
            Event::Exempted {
                scenario,
                exemption,
                count,
            },
            Event::Exempted {
                scenario: s,
                exemption: e,
                count: more,
            },
        ) if (&*scenario, &*exemption) == (s, e) => *count += more,
        (
            Event::Rejection {
                scenario,
                mode,
                api_key,
                error_code,
                topic,
                records,
                bytes,
                count,
            },
            Event::Rejection {
                scenario: s,
                mode: m,
                api_key: k,
                error_code: e,
                topic: t,
                records: r,
                bytes: b,
                count: more,
            },
        ) if (&*scenario, &*mode, &*api_key, &*error_code) == (s, m, k, e) && topic == t => {
            *count += more;
            *records += r;
            *bytes += b;
        }
        (
            Event::Observed {
                scenario,
                completeness,
                topic,
                group,
                count,
            },
            Event::Observed {
                scenario: s,
                completeness: c,
                topic: t,
                group: g,
                count: more,
            },
        ) if (&*scenario, &*completeness, &*topic, &*group) == (s, c, t, g) => *count += more,
        (
            Event::AnswerError {
                error_code,
                topic,
                count,
            },
            Event::AnswerError {
                error_code: e,
                topic: t,
                count: more,
            },
        ) if (&*error_code, &*topic) == (e, t) => *count += more,
        (Event::Absorbed { count }, Event::Absorbed { count: more }) => *count += more,
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Mode, Scenario};

    #[test]
    fn equal_events_become_one_with_a_count() {
        let mut events = Events::default();
        for _ in 0..3 {
            events.request(ApiKey::PRODUCE);
            events.push(Event::Override {
                scenario: Scenario::AcksNone,
                mode: Mode::Enforce,
                api_key: ApiKey::PRODUCE,
                count: 1,
            });
            events.push(Event::Absorbed { count: 1 });
        }
        let mut seen = Vec::new();
        events.drain(|event| seen.push(event));
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(seen.contains(&Event::Requests {
            api_key: ApiKey::PRODUCE,
            count: 3
        }));
        assert!(events.is_empty());
    }
}
