//! OffsetCommit: `commit_retention`, `commit_past_end`, `commit_ahead`, `commit_regression`, `commit_hold_back`,
//! `destructive_admin`.

use super::offsets::{self, Sent};
use super::wonder::{self, Committed, Wonder};
use super::{Event, Judge, Of, Open, Question, Verdict, encoded};
use crate::cluster::{Learned, TopicFacts, TopicId, TopicRef};
use crate::ledger::commits;
use crate::policy::commit_retention::{self, Retention};
use crate::policy::standing::{Stand, any_matches};
use crate::policy::{
    Mode, Scenario, commit_ahead, commit_hold_back, commit_past_end, commit_regression,
    destructive_admin,
};
use crate::session::inflight;
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::edit::Edits;
use crate::wire::offsets::{Commit, Topic};
use crate::wire::produce::TopicKey;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::sync::Arc;

const PAST_END: ErrorCode = ErrorCode::INVALID_COMMIT_OFFSET_SIZE;

/// Where in a commit: of topic, and of partition in it.
pub(super) type Place = (usize, usize);

pub(super) fn judge(judge: &mut Judge<'_>, version: i16, body: &[u8]) -> Result<Verdict, Open> {
    let commit = Commit::read(version, body).map_err(|_| Open::Malformed)?;
    let group = String::from_utf8_lossy(commit.group);
    let names = Names::learn(judge, &commit, &group)?;
    let mut edits = Edits::default();
    retention(judge, &commit, &group, &mut edits);
    let past_end = past_end(judge, &commit, &group, &names, PAST_END)?;
    let mut refused = forward(judge, &commit, &group, &names, &past_end)?;
    refused.extend(past_end.iter().map(|place| (*place, PAST_END)));
    refused.sort_by_key(|(place, _)| *place);
    let all: Vec<Place> = refused.iter().map(|(place, _)| *place).collect();
    let given = ahead(judge, &commit, &group, &names, &all);
    regression(judge, &commit, &group, &names);
    let (member, held) = held_back(judge, &commit, &group, &names, (&all, &given));
    for ((at, of), offset) in given
        .iter()
        .filter(|(place, _)| !held.contains_key(place))
        .chain(&held)
    {
        commit.topics[*at].partitions[*of].commit(*offset, &mut edits);
    }
    let sent = sent(&commit, &names, (&given, &held));
    judge.awaited = Some(offsets::Of::commit(&group, member, sent));
    if refused.is_empty() {
        return Ok(match edits.is_empty() {
            true => Verdict::Pass,
            false => Verdict::Changed {
                body: edits.apply(body.to_vec()),
                ours: None,
            },
        });
    }
    let ours = encoded(&answer(&commit, &refused), version).ok_or(Open::Malformed)?;
    Ok(match commit.take_out(&all, &mut edits) {
        true => Verdict::Changed {
            body: edits.splice(body),
            ours: Some(ours),
        },
        false => Verdict::Answered(ours),
    })
}

fn retention(judge: &mut Judge<'_>, commit: &Commit<'_>, group: &str, edits: &mut Edits) {
    let Some((time_ms, range)) = &commit.retention else {
        return;
    };
    let most = match commit_retention::judge(*time_ms, judge.env.view.offsets_retention_ms) {
        Retention::Kept => return,
        Retention::Shorter => Mode::Enforce,
        Retention::Unknown => Mode::Observe,
    };
    if judge.overrides_at_most(Scenario::CommitRetention, most, Of::group(group)) {
        edits.replace(range.clone(), &commit_retention::BROKERS_OWN.to_be_bytes());
    }
}

/// What is to be refused because it lies beyond the end of its log; ascending.
pub(super) fn past_end(
    judge: &mut Judge<'_>,
    commit: &Commit<'_>,
    group: &str,
    names: &Names,
    code: ErrorCode,
) -> Result<Vec<Place>, Open> {
    const SCENARIO: Scenario = Scenario::CommitPastEnd;
    let mut doubted = Vec::new();
    let mut observed = Wonder::new(judge.api_key, code);
    let mut unverified = false;
    for (at, topic) in commit.topics.iter().enumerate() {
        let name = names.name(at);
        let stand = judge.standing.for_names(
            SCENARIO,
            judge.client_id,
            name.map(|name| &**name),
            Some(group),
        );
        let Stand::Apply(mode) = stand else {
            count_exempt(judge, topic, name, group);
            continue;
        };
        let ends = &judge.env.ledger.log_ends;
        for (of, partition) in topic.partitions.iter().enumerate() {
            let (index, offset) = (partition.index, partition.committed_offset);
            let Some(name) = name else {
                unverified |= mode != Mode::Off && offset > 0;
                continue;
            };
            if offset <= 0 || ends.reached(name, names.id(at), index, offset) {
                continue;
            }
            match mode {
                Mode::Enforce => doubted.push((at, of)),
                Mode::Observe if observed.commits.len() < wonder::MOST => {
                    observed.commits.push(Committed {
                        topic: name.clone(),
                        partition: index,
                        offset,
                    });
                }
                Mode::Observe => unverified = true,
                Mode::Off => {}
            }
        }
    }
    if !observed.commits.is_empty() {
        judge.wonder = Some(observed);
    }
    let mut refused = Vec::new();
    if !doubted.is_empty() {
        let Some(ends) = &judge.lookups.log_ends else {
            let partition = |(at, of): &Place| {
                let name = names.name(*at)?;
                Some((name.clone(), commit.topics[*at].partitions[*of].index))
            };
            let partitions = doubted.iter().filter_map(partition).collect();
            let met = judge.lookups.met.clone().unwrap_or_default();
            return Err(Open::Ask(Question::LogEnds(partitions, met)));
        };
        wonder::remember(judge.env, ends);
        for (at, of) in doubted {
            let (name, partition) = (names.name(at), &commit.topics[at].partitions[of]);
            let end = name.and_then(|name| wonder::end_of(ends, name, partition.index));
            match end {
                None => unverified = true,
                Some(end) if commit_past_end::judge(partition.committed_offset, end) => {
                    if judge.refuses(SCENARIO, code, names.of(group, at)) {
                        refused.push((at, of));
                    }
                }
                Some(_) => {}
            }
        }
    }
    if unverified {
        judge.events.push(Event::Unverified { scenario: SCENARIO });
    }
    Ok(refused)
}

/// What of a protected group is set forward by nobody of its members, less what is refused `already`. In force its coordinator
/// is asked where the group is now; where it is only observed, what the ledger knows will do.
fn forward(
    judge: &mut Judge<'_>,
    commit: &Commit<'_>,
    group: &str,
    names: &Names,
    already: &[Place],
) -> Result<Vec<(Place, ErrorCode)>, Open> {
    const SCENARIO: Scenario = Scenario::DestructiveAdmin;
    const CODE: ErrorCode = ErrorCode::POLICY_VIOLATION;
    let mut refused = Vec::new();
    if !concerns_protected(judge, commit, group) {
        return Ok(refused);
    }
    let mut unverified = false;
    let mut asked = Vec::new();
    for (at, topic) in commit.topics.iter().enumerate() {
        let stand = judge.standing.for_names(
            SCENARIO,
            judge.client_id,
            names.name(at).map(|name| &**name),
            Some(group),
        );
        let committed = names.committed(group, at);
        for (of, partition) in topic.partitions.iter().enumerate() {
            let (place, index) = ((at, of), partition.index);
            if already.binary_search(&place).is_ok() {
                continue;
            }
            let last = match (stand, names.name(at)) {
                (Stand::Off, _) => continue,
                (Stand::Apply(Mode::Enforce), Some(name)) => {
                    asked.push((name.clone(), index));
                    judge.lookups.committed(name, index)
                }
                _ => committed.and_then(|of| judge.env.ledger.commits.last(of, index)),
            };
            match last {
                None => unverified |= !matches!(stand, Stand::Exempt(_)),
                Some(last)
                    if destructive_admin::jumps_forward(partition.committed_offset, last) =>
                {
                    if judge.refuses(SCENARIO, CODE, names.of(group, at)) {
                        refused.push((place, CODE));
                    }
                }
                Some(_) => {}
            }
        }
    }
    if !asked.is_empty() && judge.lookups.committed.is_none() {
        return Err(Open::Ask(Question::Committed(group.into(), asked)));
    }
    if unverified {
        judge.events.push(Event::Unverified { scenario: SCENARIO });
    }
    Ok(refused)
}

/// Whether a commit is nobody's, for a group that is protected.
fn concerns_protected(judge: &Judge<'_>, commit: &Commit<'_>, group: &str) -> bool {
    destructive_admin::is_nobodys(commit.generation)
        && destructive_admin::group(judge.env.policy, group)
}

/// The offsets that go on in place of those that were asked for, by position of topic and of partition in it.
type Lowered = BTreeMap<Place, i64>;

/// What nobody was given is not committed, where that is known.
fn ahead(
    judge: &mut Judge<'_>,
    commit: &Commit<'_>,
    group: &str,
    names: &Names,
    refused: &[Place],
) -> Lowered {
    const SCENARIO: Scenario = Scenario::CommitAhead;
    let mut given = Lowered::new();
    let Some(reader) = judge.reader else {
        return given;
    };
    if judge.standing.get(SCENARIO) == Stand::Off || commit.generation < 0 {
        return given;
    }
    for (at, topic) in commit.topics.iter().enumerate() {
        let Some(of) = names.committed(group, at) else {
            continue;
        };
        let env = judge.env;
        for (position, partition) in topic.partitions.iter().enumerate() {
            let (index, offset) = (partition.index, partition.committed_offset);
            let delivered = reader.delivered((of.topic, of.topic_id), index, group, env.address);
            let last = env.ledger.commits.last(of, index);
            let place = (at, position);
            let found = commit_ahead::judge(commit.generation, offset, delivered, last);
            let Some(most) = found.filter(|_| refused.binary_search(&place).is_err()) else {
                continue;
            };
            // One of several replicas knows a part of what was given.
            let single_instance = judge.standing.settings().single_instance;
            if judge.repairs(SCENARIO, names.of(group, at), single_instance) {
                given.insert(place, most);
            }
        }
    }
    given
}

/// Commits of groups that are held back lag by one. Also as what the ledger is to remember what the member asked for; `None`:
/// it is no such group.
fn held_back(
    judge: &mut Judge<'_>,
    commit: &Commit<'_>,
    group: &str,
    names: &Names,
    (refused, given): (&[Place], &Lowered),
) -> (Option<String>, Lowered) {
    const SCENARIO: Scenario = Scenario::CommitHoldBack;
    let mut held = Lowered::new();
    let settings = judge.standing.settings();
    let (patterns, single_instance) = (&settings.held_back_groups, settings.single_instance);
    let off = judge.standing.get(SCENARIO) == Stand::Off;
    if off || commit.generation < 0 || !any_matches(patterns, group) {
        return (None, held);
    }
    let member = member_of(group, commit.member);
    let most = match single_instance {
        true => Mode::Enforce,
        false => Mode::Observe,
    };
    for (at, topic) in commit.topics.iter().enumerate() {
        let Some(of) = names.committed(group, at) else {
            continue;
        };
        let of_member = commits::Of {
            group: &member,
            ..of
        };
        for (position, partition) in topic.partitions.iter().enumerate() {
            let (ledger, index) = (judge.env.ledger, partition.index);
            let before = ledger.asked.last(of_member, index);
            let before = before.or_else(|| ledger.commits.last(of, index));
            let place = (at, position);
            let asked = given.get(&place).copied();
            let asked = asked.unwrap_or(partition.committed_offset);
            let found = commit_hold_back::judge(commit.generation, asked, before);
            let Some(before) = found.filter(|_| refused.binary_search(&place).is_err()) else {
                continue;
            };
            if judge.overrides_at_most(SCENARIO, most, names.of(group, at)) {
                held.insert(place, before);
            }
        }
    }
    (Some(member), held)
}

/// A member in the ledger. No group is mistaken for one: ids with a zero byte are nobody's.
fn member_of(group: &str, member: &[u8]) -> String {
    format!("{group}\0{}", String::from_utf8_lossy(member))
}

/// Only what the ledger knows: forwarding waits for nobody.
pub(super) fn regression(judge: &mut Judge<'_>, commit: &Commit<'_>, group: &str, names: &Names) {
    if judge.standing.get(Scenario::CommitRegression) == Stand::Off {
        return;
    }
    for (at, topic) in commit.topics.iter().enumerate() {
        let Some(of) = names.committed(group, at) else {
            continue;
        };
        let known = &judge.env.ledger.commits;
        let back = topic.partitions.iter().filter(|partition| {
            known.last(of, partition.index).is_some_and(|last| {
                commit_regression::judge(commit.generation, partition.committed_offset, last)
            })
        });
        let count = back.count();
        if count > 0 {
            let completeness = judge.completeness();
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            let of = names.of(group, at);
            judge.counts(Scenario::CommitRegression, completeness, of, count);
        }
    }
}

/// What is remembered once the broker has accepted it.
fn sent<'a>(
    commit: &'a Commit<'_>,
    names: &'a Names,
    (given, held): (&'a Lowered, &'a Lowered),
) -> impl Iterator<Item = Sent> + 'a {
    let topics = commit.topics.iter().enumerate();
    topics.flat_map(move |(at, topic)| {
        let name = names.name(at).cloned();
        let partitions = topic.partitions.iter().enumerate();
        partitions.filter_map(move |(position, partition)| {
            let place = (at, position);
            let asked = given.get(&place).copied();
            let asked = asked.unwrap_or(partition.committed_offset);
            let name = name.clone()?;
            Some(Sent {
                topic: match topic.key {
                    TopicKey::Name(_) => inflight::Topic::Name(name),
                    TopicKey::Id(id) => inflight::Topic::Id(id, Some(name)),
                },
                topic_id: names.id(at),
                partition: partition.index,
                offset: held.get(&place).copied().unwrap_or(asked),
                asked,
            })
        })
    })
}

/// An exemption is counted once for each topic that it kept from being judged.
fn count_exempt(judge: &mut Judge<'_>, topic: &Topic<'_>, name: Option<&Arc<str>>, group: &str) {
    if topic
        .partitions
        .iter()
        .any(|partition| partition.committed_offset > 0)
    {
        let of = Of {
            topic: name.map(|name| &**name),
            group: Some(group),
        };
        judge.mode(Scenario::CommitPastEnd, of);
    }
}

/// The names and ids of the topics of a commit, by position; what the view does not know is learned.
pub(super) struct Names(Vec<(Option<Arc<str>>, Option<TopicId>)>);

impl Names {
    /// Where a refusal hangs on it, topics that the view does not have are asked for.
    pub fn learn(judge: &mut Judge<'_>, commit: &Commit<'_>, group: &str) -> Result<Names, Open> {
        let mut strangers = Vec::new();
        let names = commit.topics.iter().map(|topic| {
            let found = name(judge, topic.key);
            strangers.extend(found.as_ref().err().cloned());
            found.unwrap_or_else(|topic| match topic {
                TopicRef::Name(name) => (Some(name), None),
                TopicRef::Id(id) => (None, Some(id)),
            })
        });
        let names = Names(names.collect());
        let may_refuse = |scenario| {
            let stand = judge.standing.get(scenario);
            matches!(
                stand,
                Stand::Apply(Mode::Enforce) | Stand::ByTopic(Mode::Enforce)
            )
        };
        let hangs_on_it = may_refuse(Scenario::CommitPastEnd)
            || judge.api_key == ApiKey::OFFSET_COMMIT
                && may_refuse(Scenario::DestructiveAdmin)
                && concerns_protected(judge, commit, group);
        match strangers.is_empty() || !hangs_on_it || judge.lookups.met.is_some() {
            true => Ok(names),
            false => Err(Open::Ask(Question::Topics(strangers))),
        }
    }

    fn name(&self, at: usize) -> Option<&Arc<str>> {
        self.0.get(at).and_then(|(name, _)| name.as_ref())
    }

    fn id(&self, at: usize) -> Option<TopicId> {
        self.0.get(at).and_then(|(_, id)| *id)
    }

    /// As what the ledger knows the group's commits of a topic; `None`: its name is not known.
    fn committed<'a>(&'a self, group: &'a str, at: usize) -> Option<commits::Of<'a>> {
        Some(commits::Of {
            group,
            topic: self.name(at)?,
            topic_id: self.id(at),
        })
    }

    /// Whose commit it is, for the rules.
    fn of<'a>(&'a self, group: &'a str, at: usize) -> Of<'a> {
        Of {
            topic: self.name(at).map(|name| &**name),
            group: Some(group),
        }
    }
}

/// Name and id of a topic; else what is not known: the view is told of it.
fn name(
    judge: &mut Judge<'_>,
    key: TopicKey<'_>,
) -> Result<(Option<Arc<str>>, Option<TopicId>), TopicRef> {
    let view = judge.env.view;
    let (known, topic) = match key {
        TopicKey::Name(name) => {
            let name = String::from_utf8_lossy(name);
            (view.topic(&name), TopicRef::Name(name.into()))
        }
        TopicKey::Id(id) => (view.topic_by_id(&id), TopicRef::Id(id)),
    };
    let told = |facts: &TopicFacts| (Some(facts.name.clone()), facts.id);
    if let Some(facts) = known {
        return Ok(told(facts));
    }
    let Some(met) = &judge.lookups.met else {
        judge.learned.push(match &topic {
            TopicRef::Name(name) => Learned::TopicSeen(name.clone()),
            TopicRef::Id(id) => Learned::TopicIdSeen(*id),
        });
        return Err(topic);
    };
    match met.iter().find(|facts| facts.goes_by(&topic)) {
        Some(facts) => Ok(told(facts)),
        None => Err(topic),
    }
}

/// Our answer to what was taken out.
fn answer(commit: &Commit<'_>, refused: &[(Place, ErrorCode)]) -> OffsetCommitResponse {
    let mut answer = OffsetCommitResponse::default();
    let mut last = None;
    for ((at, of), code) in refused {
        let topic = &commit.topics[*at];
        if last.replace(at) != Some(at) {
            answer.topics.push(answered(topic.key));
        }
        let partition = OffsetCommitResponsePartition::default()
            .with_partition_index(topic.partitions[*of].index)
            .with_error_code(code.0);
        if let Some(topic) = answer.topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    answer
}

/// kafka-protocol's `Uuid` comes from a crate that is not ours to name; it is read from its text, which cannot fail.
fn answered(key: TopicKey<'_>) -> OffsetCommitResponseTopic {
    let topic = OffsetCommitResponseTopic::default();
    match key {
        TopicKey::Name(name) => topic.with_name(TopicName(StrBytes::from_string(
            String::from_utf8_lossy(name).into_owned(),
        ))),
        TopicKey::Id(id) => {
            let text = format!("{:032x}", u128::from_be_bytes(id));
            topic.with_topic_id(text.parse().unwrap_or_default())
        }
    }
}

/// Under the topic that is there, where it is: clients that keep topics in a map would see the second one only.
pub(super) fn put_in(theirs: &mut OffsetCommitResponse, ours: OffsetCommitResponse) {
    for topic in ours.topics {
        let same = |other: &&mut OffsetCommitResponseTopic| {
            other.name == topic.name && other.topic_id == topic.topic_id
        };
        match theirs.topics.iter_mut().find(same) {
            Some(there) => there.partitions.extend(topic.partitions),
            None => theirs.topics.push(topic),
        }
    }
}
