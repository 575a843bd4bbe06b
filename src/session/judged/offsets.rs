//! Answers that tell what groups have committed: to OffsetCommit and OffsetFetch. The ledger remembers it, and what an
//! OffsetFetch answer lacks is counted, or repaired in place.

use super::{Completeness, Env, Event, Judge, Lookups, Mode, Scenario, Session, Stand, Standing};
use super::{Of as Names, body_at};
use super::{decoded, encoded, offset_commit};
use crate::cluster::TopicId;
use crate::ledger::commits;
use crate::policy::{new_partition_skip, offsets_expired};
use crate::session::inflight::{Pending, Topic};
use crate::session::readers;
use crate::wire::api::ApiKey;
use crate::wire::edit::Edits;
use crate::wire::header;
use crate::wire::offsets::{Fetched, fetched};
use crate::wire::produce::TopicKey;
use crate::wire::schema;
use bytes::Bytes;
use kafka_protocol::messages::OffsetCommitResponse;
use std::sync::Arc;

/// The most partitions of one commit that are remembered until its answer.
const MOST_PARTITIONS: usize = 1000;
/// Beyond that many requests in flight, commits are not remembered.
const MOST_REQUESTS: usize = 16;

/// One request whose answer is looked at, under the settings by which the request was judged.
#[derive(Debug)]
pub struct Offsets {
    standing: Standing,
    client_id: Option<Arc<str>>,
    of: Of,
    /// Our answer to what was taken out of a commit: a response body.
    pub(super) ours: Option<Bytes>,
}

#[derive(Debug)]
pub(super) enum Of {
    Commit {
        group: Arc<str>,
        /// The member, where its commits are held back: as the ledger names it.
        member: Option<Arc<str>>,
        /// In the order of [`place`].
        sent: Vec<Sent>,
        /// Partitions that there was no room for.
        left_out: usize,
    },
    /// `None` from version 8 on, where the answer names groups.
    Fetch { group: Option<Arc<str>> },
}

/// One partition of a commit.
#[derive(Debug)]
pub(super) struct Sent {
    pub topic: Topic,
    pub topic_id: Option<TopicId>,
    pub partition: i32,
    /// What goes on, and what was asked for, as far as it was given.
    pub offset: i64,
    pub asked: i64,
}

fn place(sent: &Sent) -> (TopicKey<'_>, i32) {
    (sent.topic.key(), sent.partition)
}

impl Of {
    pub fn commit(group: &str, member: Option<String>, mut all: impl Iterator<Item = Sent>) -> Of {
        let mut sent: Vec<Sent> = all.by_ref().take(MOST_PARTITIONS).collect();
        // Of a partition that stands twice the broker keeps the last, and so does a search that finds equals in order.
        sent.sort_by(|a, b| place(a).cmp(&place(b)));
        Of::Commit {
            group: group.into(),
            member: member.map(Arc::from),
            sent,
            left_out: all.count(),
        }
    }
}

impl Session {
    /// What is kept of a judged request until its answer; `None`: nothing, as no scenario wants to know.
    pub(super) fn awaited(&mut self, env: &Env<'_>, of: Of) -> Option<Box<Offsets>> {
        const WANT: [Scenario; 6] = [
            Scenario::OffsetReset,
            Scenario::CommitAhead,
            Scenario::CommitHoldBack,
            Scenario::CommitRegression,
            Scenario::OffsetsExpired,
            Scenario::NewPartitionSkip,
        ];
        let standing = self.standing.clone()?;
        let wanted = WANT
            .iter()
            .any(|scenario| standing.get(*scenario) != Stand::Off);
        let protects = !standing.settings().protected_groups.is_empty()
            && standing.get(Scenario::DestructiveAdmin) != Stand::Off;
        if !wanted && !protects {
            return None;
        }
        if let Of::Commit { sent, left_out, .. } = &of {
            let crowded = self.in_flight.len() >= MOST_REQUESTS;
            let lost = left_out + if crowded { sent.len() } else { 0 };
            env.ledger.commits.unnoticed(lost);
            if crowded {
                return None;
            }
        }
        Some(Box::new(Offsets {
            standing,
            client_id: self.client_id.clone(),
            of,
            ours: None,
        }))
    }

    /// `Ok(None)`: the answer, in which `frame` may have been patched, goes on.
    pub(in super::super) fn offsets_answered(
        &mut self,
        env: &Env<'_>,
        frame: &mut [u8],
        pending: &Pending,
        offsets: &Offsets,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let body_at = body_at(frame, pending)?;
        let version = pending.api_version;
        match &offsets.of {
            Of::Commit {
                group,
                member,
                sent,
                ..
            } => {
                let (head, body) = frame.split_at(body_at);
                let of = (&**group, member.as_deref(), &**sent);
                let body = committed(env, version, body, of, offsets.ours.as_ref())?;
                Ok(body.map(|body| header::frame_of(head, &body)))
            }
            Of::Fetch { group } => {
                let lookups = Lookups::default();
                let reader = self.reader(env).cloned();
                let mut judge = Judge {
                    env,
                    reader: reader.as_deref(),
                    standing: &offsets.standing,
                    client_id: offsets.client_id.as_deref(),
                    api_key: ApiKey::OFFSET_FETCH,
                    lookups: &lookups,
                    events: Vec::new(),
                    learned: Vec::new(),
                    wonder: None,
                    awaited: None,
                };
                let body = &mut frame[body_at..];
                let edits = judge.fetched(version, body, group.as_deref());
                for event in judge.events {
                    self.events.push(event);
                }
                // Offsets are of fixed width, so the edits fit where they belong.
                edits.patch(body);
                Ok(None)
            }
        }
    }
}

/// Remembers what the broker accepted; the answer with ours put in, where there is one.
fn committed(
    env: &Env<'_>,
    version: i16,
    body: &[u8],
    (group, member, sent): (&str, Option<&str>, &[Sent]),
    ours: Option<&Bytes>,
) -> Result<Option<Vec<u8>>, &'static str> {
    const WRONG: &str = "the answer to an OffsetCommit does not follow its schema";
    let message = &schema::OFFSET_COMMIT_RESPONSE;
    let Some(mut theirs) = decoded::<OffsetCommitResponse>(message, version, body) else {
        // Where nothing is to be put in, it is the client's to judge.
        return ours.map_or(Ok(None), |_| Err(WRONG));
    };
    for topic in &theirs.topics {
        let id = topic.topic_id.into_bytes();
        let key = match version {
            10.. => TopicKey::Id(id),
            _ => TopicKey::Name(topic.name.as_bytes()),
        };
        let accepted = topic
            .partitions
            .iter()
            .filter(|found| found.error_code == 0);
        for partition in accepted.map(|found| found.partition_index) {
            let after = sent.partition_point(|sent| place(sent) <= (key, partition));
            let found = after.checked_sub(1).map(|at| &sent[at]);
            let found = found.filter(|sent| place(sent) == (key, partition));
            if let Some((sent, name)) = found.and_then(|sent| Some((sent, sent.topic.name()?))) {
                let of = commits::Of {
                    group,
                    topic: name,
                    topic_id: sent.topic_id,
                };
                env.ledger.commits.committed(of, partition, sent.offset);
                if let Some(group) = member {
                    let of = commits::Of { group, ..of };
                    env.ledger.asked.committed(of, partition, sent.asked);
                }
                if let Some(partitions) = partitions(env, name) {
                    env.ledger.commits.partitions_at_first(of, partitions);
                }
            }
        }
    }
    let Some(ours) = ours else {
        return Ok(None);
    };
    offset_commit::put_in(&mut theirs, decoded(message, version, ours).ok_or(WRONG)?);
    encoded(&theirs, version).map(Some).ok_or(WRONG)
}

/// How many partitions a topic has, where the view knows any.
fn partitions(env: &Env<'_>, topic: &str) -> Option<i32> {
    let partitions = env.view.topic(topic)?.partitions.len();
    i32::try_from(partitions).ok().filter(|count| *count > 0)
}

impl Judge<'_> {
    /// Exact where everything goes through this process.
    pub(super) fn completeness(&self) -> Completeness {
        match self.standing.settings().single_instance {
            true => Completeness::Exact,
            false => Completeness::Partial,
        }
    }

    /// Remembers the offsets of an OffsetFetch answer, counts those that are missing, and says what is written in their place.
    /// An answer that does not follow its schema is the client's to judge.
    fn fetched(&mut self, version: i16, body: &[u8], group: Option<&str>) -> Edits {
        let mut edits = Edits::default();
        for found in fetched(version, body).unwrap_or_default() {
            let instead = self.missing(&found, group);
            let group = found.group.or(group.map(str::as_bytes));
            if let (Some(reader), Some(group)) = (self.reader, group) {
                let group = String::from_utf8_lossy(group);
                let offset = instead.unwrap_or(found.committed_offset);
                let place = (found.topic, found.index);
                readers::told_of_group(self.env, reader, &group, place, offset);
            }
            if let Some(offset) = instead {
                edits.replace(found.range, &offset.to_be_bytes());
            }
        }
        edits
    }

    fn missing(&mut self, found: &Fetched<'_>, group: Option<&str>) -> Option<i64> {
        let group = match found.group {
            Some(group) => std::str::from_utf8(group).ok()?,
            None => group?,
        };
        let view = self.env.view;
        let topic = match found.topic {
            TopicKey::Name(name) => view.topic(std::str::from_utf8(name).ok()?)?,
            TopicKey::Id(id) => view.topic_by_id(&id)?,
        };
        let of = commits::Of {
            group,
            topic: &topic.name,
            topic_id: topic.id,
        };
        let commits = &self.env.ledger.commits;
        let at_first = partitions(self.env, &topic.name)
            .map(|partitions| commits.partitions_at_first(of, partitions));
        if found.committed_offset >= 0 {
            commits.committed(of, found.index, found.committed_offset);
            return None;
        }
        let names = Names {
            topic: Some(&topic.name),
            group: Some(group),
        };
        let settings = self.standing.settings();
        let last = commits.last(of, found.index);
        if let Some(last) = offsets_expired::judge(found.committed_offset, last) {
            let repair = settings.repair_offsets_expired && topic.id.is_some();
            return self
                .repairs(Scenario::OffsetsExpired, names, repair)
                .then_some(last);
        }
        let at_first = at_first?;
        if !new_partition_skip::judge(found.committed_offset, found.index, at_first) {
            return None;
        }
        let repair = settings.repair_new_partition_skip;
        self.repairs(Scenario::NewPartitionSkip, names, repair)
            .then_some(new_partition_skip::BEGINNING)
    }

    /// One offset is not what it should be: counted, and whether it is repaired.
    pub(super) fn repairs(&mut self, scenario: Scenario, of: Names<'_>, repair: bool) -> bool {
        let Some(mode) = self.mode(scenario, of) else {
            return false;
        };
        let completeness = self.completeness();
        self.events.push(Event::Observed {
            scenario,
            completeness,
            topic: of.topic.map(Arc::from),
            group: of.group.map(Arc::from),
            count: 1,
        });
        if repair {
            self.events.push(Event::Override {
                scenario,
                mode,
                api_key: self.api_key,
                count: 1,
            });
        }
        repair && mode == Mode::Enforce
    }
}
