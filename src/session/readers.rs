//! What the connections of one client show together: which group begins to read where, and how far it was given records.
//!
//! The ledger joins it (`ledger/deliveries.rs`); here it is told. A connection holds on to its client there, so that a Fetch
//! costs no look into a table.

use super::{Env, Session};
use crate::ledger::deliveries::Client;
use crate::policy::{Mode, Scenario};
use crate::wire::header::{self, Look, RESPONSE_START_LEN};
use crate::wire::offsets;
use crate::wire::produce::TopicKey;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Versions of ListOffsets that are understood, and the first flexible one. The API is not listed in `wire/versions.rs`: version 0
/// passes for clients that know no other.
pub(super) const LIST_OFFSETS: RangeInclusive<i16> = 1..=11;
pub(super) const LIST_OFFSETS_FLEXIBLE_FROM: i16 = 6;
/// Partitions of one request whose end was asked for; more are taken for something else than the end.
const MOST_LATEST: usize = 10_000;

/// The partitions of a ListOffsets request of whose log the end was asked for, in order.
#[derive(Debug, Default)]
pub struct LogEnds(Vec<(Box<[u8]>, i32)>);

/// Whether a scenario wants to know.
pub(super) fn joins(env: &Env<'_>) -> bool {
    let watches = |scenario| env.policy.mode(scenario) != Mode::Off;
    watches(Scenario::CommitAhead) || watches(Scenario::OffsetReset)
}

impl LogEnds {
    /// Of a request's body; `None`: it does not follow its schema, which is the broker's to judge.
    pub(super) fn of(version: i16, body: &[u8]) -> Option<LogEnds> {
        let latest = offsets::latest_asked(version, body).ok()?;
        let latest = latest.into_iter().take(MOST_LATEST);
        let mut latest: Vec<_> = latest
            .map(|(topic, index)| (Box::from(topic), index))
            .collect();
        latest.sort_unstable();
        Some(LogEnds(latest))
    }

    fn asked(&self, topic: &[u8], index: i32) -> bool {
        let place = |(other, of): &(Box<[u8]>, i32)| (**other).cmp(topic).then(of.cmp(&index));
        self.0.binary_search_by(place).is_ok()
    }
}

impl Session {
    /// The client in the ledger, after its client id was looked at; `None`: nobody wants to know.
    pub(super) fn reader(&mut self, env: &Env<'_>) -> Option<&Arc<Client>> {
        if !joins(env) {
            return None;
        }
        if self.reader.as_ref().is_none_or(|reader| reader.is_gone()) {
            let client_id = self.client_id.as_deref().unwrap_or_default();
            self.reader = Some(
                env.ledger
                    .deliveries
                    .client(client_id, self.principal.as_ref()),
            );
        }
        self.reader.as_ref()
    }

    /// Offsets reach the client that are not seen: it may be given more than is known.
    pub(super) fn doubt_reader(&mut self, env: &Env<'_>) {
        if let Some(reader) = self.reader(env) {
            reader.doubt();
        }
    }

    /// A whole answer; one that does not follow its schema is the client's to judge.
    pub(super) fn log_ends_answered(
        &mut self,
        env: &Env<'_>,
        frame: &[u8],
        version: i16,
        asked: &LogEnds,
    ) {
        let body_at = match version >= LIST_OFFSETS_FLEXIBLE_FROM {
            false => RESPONSE_START_LEN,
            true => match header::skip_tags(frame, RESPONSE_START_LEN, frame.len()) {
                Look::Ready(at) => at,
                _ => return self.doubt_reader(env),
            },
        };
        let body = frame.get(body_at..).unwrap_or_default();
        let Ok(listed) = offsets::listed(version, body) else {
            return self.doubt_reader(env);
        };
        let Some(reader) = self.reader(env) else {
            return;
        };
        for found in listed {
            let Ok(name) = std::str::from_utf8(found.topic) else {
                continue;
            };
            let id = env.view.topic(name).and_then(|topic| topic.id);
            let latest = asked.asked(found.topic, found.index);
            reader.listed((name, id), found.index, env.address, (found.offset, latest));
        }
    }
}

/// A group's offset was told; −1: it has none.
pub(super) fn told_of_group(
    env: &Env<'_>,
    reader: &Client,
    group: &str,
    (topic, partition): (TopicKey<'_>, i32),
    offset: i64,
) {
    let topic = match topic {
        TopicKey::Name(name) => std::str::from_utf8(name)
            .ok()
            .and_then(|name| env.view.topic(name)),
        TopicKey::Id(id) => env.view.topic_by_id(&id),
    };
    // Of a topic that is not known nobody is known to begin.
    let Some(topic) = topic else {
        return;
    };
    let deliveries = &env.ledger.deliveries;
    if let Some(cell) = deliveries.cell(reader, &topic.name, topic.id, partition) {
        cell.committed(group, env.address, offset);
    }
}
