//! What a batch that is to be appended falls under: asked of the policy, counted, and told to whoever edits the request.

use super::event::Event;
use super::events::Events;
use crate::policy::appends::{self, Append, Found, SCENARIOS};
use crate::policy::standing::{Stand, Standing};
use crate::policy::{Mode, Scenario};
use crate::wire::api::ApiKey;
use crate::wire::record_batch::Entry;
use std::sync::Arc;

/// Batches that fall under the same scenarios.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batches {
    pub count: u64,
    pub records: u64,
    pub bytes: u64,
}

impl From<Entry> for Batches {
    fn from(entry: Entry) -> Batches {
        Batches {
            count: 1,
            records: u64::from(entry.records),
            bytes: entry.size,
        }
    }
}

/// What one batch falls under.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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
        for (at, (place, scenario)) in all.0.iter_mut().zip(SCENARIOS).enumerate() {
            if standing.get(scenario) == Stand::Off || already & bit(at) != 0 {
                continue;
            }
            if let Some(found) = appends::judge(scenario, append, standing.settings()) {
                let stand = standing.for_topic(scenario, client_id, append.topic);
                *place = Some((found, stand));
            }
        }
        all
    }

    /// What was found, with its place in [`SCENARIOS`].
    fn each(&self) -> impl Iterator<Item = (usize, Found, Stand)> {
        let all = self.0.into_iter().enumerate();
        all.filter_map(|(at, found)| found.map(|(found, stand)| (at, found, stand)))
    }

    /// The first scenario in force.
    #[inline]
    pub(super) fn refusal(&self) -> Option<(Scenario, Found)> {
        self.each()
            .find(|(_, found, stand)| mode(*found, *stand) == Some(Mode::Enforce))
            .map(|(at, found, _)| (SCENARIOS[at], found))
    }

    /// Counts what is not in force. Returns the bits of what was counted.
    pub(super) fn count(
        &self,
        events: &mut Events,
        standing: &Standing,
        topic: Option<&Arc<str>>,
        batches: Batches,
    ) -> u32 {
        let mut counted = 0;
        for (at, found, stand) in self.each() {
            let scenario = SCENARIOS[at];
            counted |= bit(at);
            match stand {
                Stand::Exempt(position) => {
                    if let Some(exemption) = standing.exemption(position) {
                        events.push(Event::Exempted {
                            scenario,
                            exemption: exemption.name.clone(),
                            count: batches.count,
                        });
                    }
                }
                _ if mode(found, stand) == Some(Mode::Observe) => events.push(Event::Rejection {
                    scenario,
                    mode: Mode::Observe,
                    api_key: ApiKey::PRODUCE,
                    error_code: found.error_code,
                    topic: topic.cloned(),
                    records: batches.records,
                    bytes: batches.bytes,
                    count: batches.count,
                }),
                _ => {}
            }
        }
        counted
    }
}

/// One bit for each scenario judged here, by its place in [`SCENARIOS`].
fn bit(at: usize) -> u32 {
    1 << at
}

fn mode(found: Found, stand: Stand) -> Option<Mode> {
    match stand {
        Stand::Apply(Mode::Enforce) if found.only_counted => Some(Mode::Observe),
        Stand::Apply(mode) => Some(mode),
        _ => None,
    }
}

/// How closely batches of a client are looked at: in force, only counted, or not at all. `shrunk`: whether any partition may
/// have too few replicas in sync; where none has, nothing is refused for that, and no request is held for it.
pub(super) fn looked_at(standing: &Standing, shrunk: bool) -> Option<Mode> {
    let settings = standing.settings();
    let modes = SCENARIOS.map(|scenario| match standing.get(scenario) {
        Stand::Off => Mode::Off,
        Stand::Apply(Mode::Enforce) | Stand::ByTopic(Mode::Enforce)
            if settings.can_refuse_appends(scenario)
                && (shrunk || scenario != Scenario::UnderReplicated) =>
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
