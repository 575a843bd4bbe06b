//! What a batch that is to be appended falls under: asked of the policy, counted, and told to whoever edits the request.

use super::event::Event;
use super::events::Events;
use super::inflight::Topic;
use super::produce::topic_of;
use super::{Env, Session};
use crate::cluster::Learned;
use crate::policy::appends::{self, Append, Found, SCENARIOS};
use crate::policy::standing::{Stand, Standing};
use crate::policy::{Mode, Scenario};
use crate::wire::api::ApiKey;
use crate::wire::header::Start;
use crate::wire::produce::{Head, TopicKey};
use crate::wire::record_batch::Entry;
use std::sync::Arc;

/// What one batch falls under.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Findings([Option<(Found, Stand)>; SCENARIOS.len()]);

impl Findings {
    /// `already`: scenarios that the partition was found under before, see [`bit`].
    #[inline]
    pub(super) fn of(
        standing: &Standing,
        client_id: Option<&str>,
        append: &Append<'_>,
        already: u32,
    ) -> Findings {
        let mut all = Findings::default();
        for (place, scenario) in all.0.iter_mut().zip(SCENARIOS) {
            if standing.get(scenario) == Stand::Off || already & bit(scenario) != 0 {
                continue;
            }
            if let Some(found) = appends::judge(scenario, append, standing.settings()) {
                let stand = standing.for_topic(scenario, client_id, append.topic);
                *place = Some((found, stand));
            }
        }
        all
    }

    fn each(&self) -> impl Iterator<Item = (Scenario, Found, Stand)> {
        let pairs = SCENARIOS.into_iter().zip(self.0);
        pairs.filter_map(|(scenario, found)| found.map(|(found, stand)| (scenario, found, stand)))
    }

    /// The first scenario in force.
    #[inline]
    pub(super) fn refusal(&self) -> Option<(Scenario, Found)> {
        self.each()
            .find(|(_, found, stand)| mode(*found, *stand) == Some(Mode::Enforce))
            .map(|(scenario, found, _)| (scenario, found))
    }

    /// Counts what is not in force. Returns the bits of what was counted.
    pub(super) fn count(
        &self,
        events: &mut Events,
        standing: &Standing,
        topic: Option<&Arc<str>>,
        entry: Entry,
    ) -> u32 {
        let mut counted = 0;
        for (scenario, found, stand) in self.each() {
            counted |= bit(scenario);
            match stand {
                Stand::Exempt(position) => {
                    if let Some(exemption) = standing.exemption(position) {
                        events.push(Event::Exempted {
                            scenario,
                            exemption: exemption.name.clone(),
                            count: 1,
                        });
                    }
                }
                _ if mode(found, stand) == Some(Mode::Observe) => events.push(Event::Rejection {
                    scenario,
                    mode: Mode::Observe,
                    api_key: ApiKey::PRODUCE,
                    error_code: found.error_code,
                    topic: topic.cloned(),
                    records: u64::from(entry.records),
                    bytes: entry.size,
                    count: 1,
                }),
                _ => {}
            }
        }
        counted
    }
}

/// One bit for each scenario judged here.
fn bit(scenario: Scenario) -> u32 {
    1 << (scenario as u32 % u32::BITS)
}

fn mode(found: Found, stand: Stand) -> Option<Mode> {
    match stand {
        Stand::Apply(Mode::Enforce) if found.only_counted => Some(Mode::Observe),
        Stand::Apply(mode) => Some(mode),
        _ => None,
    }
}

/// How closely batches of a client are looked at: in force, only counted, or not at all.
pub(super) fn looked_at(standing: &Standing) -> Option<Mode> {
    let settings = standing.settings();
    let modes = SCENARIOS.map(|scenario| match standing.get(scenario) {
        Stand::Off => Mode::Off,
        Stand::Apply(Mode::Enforce) | Stand::ByTopic(Mode::Enforce)
            if settings.can_refuse_appends(scenario) =>
        {
            Mode::Enforce
        }
        _ => Mode::Observe,
    });
    if modes.contains(&Mode::Enforce) {
        return Some(Mode::Enforce);
    }
    let compares = standing.get(Scenario::AckedTruncation) != Stand::Off;
    (compares || modes.contains(&Mode::Observe)).then_some(Mode::Observe)
}

impl Session {
    /// Looks at the only batch of a request, the short way. False: it is to be refused, which is for the long way.
    #[inline]
    pub(super) fn look_at_sole(
        &mut self,
        env: &Env<'_>,
        (start, head): (Start, Head),
        key: TopicKey<'_>,
        partition: i32,
        entry: Entry,
    ) -> bool {
        let Some(standing) = &self.standing else {
            return false;
        };
        if !standing.settings().judges_appends() {
            return true;
        }
        if !self.appended.as_ref().is_some_and(|topic| topic.is(key)) {
            let (topic, facts) = topic_of(key, env);
            // What became of acks is told by another's tally, which asks for the topic, too.
            if facts.is_none() && head.acks == -1 {
                self.learned.push(match &topic {
                    Topic::Name(name) => Learned::TopicSeen(name.clone()),
                    Topic::Id(id, _) => Learned::TopicIdSeen(*id),
                });
            }
            self.appended = Some(topic);
        }
        let facts = match &self.appended {
            Some(Topic::Name(name)) => env.view.topic(name),
            Some(Topic::Id(id, _)) => env.view.topic_by_id(id),
            None => None,
        };
        let known = facts.map(|facts| &facts.name);
        let topic = known.or(self.appended.as_ref().and_then(Topic::name));
        let append = Append {
            version: start.api_version,
            transactional: head.transactional,
            entry,
            topic: topic.map(|name| &**name),
            partition,
            facts: facts.map(|facts| &**facts),
            now_ms: env.now_ms,
        };
        let findings = Findings::of(standing, self.client_id.as_deref(), &append, 0);
        if findings.refusal().is_some() {
            return false;
        }
        findings.count(&mut self.events, standing, topic, entry);
        true
    }
}
