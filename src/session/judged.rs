//! Requests that are judged whole before any of them goes on: the calls of administrators, commits and their like.
//!
//! ```text
//!   request --> prove --> decode --> rules --+-- nothing found: goes on, byte for byte as it came
//!                                            +-- changed, or without what was refused: encoded anew, goes on
//!                                            +-- nothing left: answered here
//!   answer  --> prove --> decode --> + our part, where something was refused --> encoded anew
//! ```
//!
//! Each API has a file that walks its request, asks the rules of `policy` item by item and takes out what is refused.
//! They are small, so they are decoded by kafka-protocol, after `wire::schema` has proven every length; but for commits and
//! what asks for them, whose newest versions it does not know (`wire::offsets`), and for heartbeats of Streams groups, of
//! which it knows none (`wire::streams_group`).

mod configs;
mod create_topics;
mod delete;
mod downgrade;
mod elect_leaders;
mod groups;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod offsets;
mod partitions;
mod streams_group;
mod txn_offset_commit;
mod wonder;

pub use offsets::Offsets;
pub(super) use wonder::Wonder;

use super::event::{Completeness, Event};
use super::inflight::{Fate, Pending};
use super::lane::Lane;
use super::requests::{Request, whole};
use super::responses::body_at;
use super::{Answer, Env, Question, Session, Want};
use crate::cluster::{GroupOffset, Learned, LogEnd, TopicFacts};
use crate::ledger::deliveries::Client;
use crate::policy::standing::{Stand, Standing};
use crate::policy::{Mode, Scenario};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::header::{self, Look, RESPONSE_START_LEN, Start};
use crate::wire::schema::{self, Message};
use crate::wire::versions::{self, Treatment};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    AlterConfigsResponse, CreatePartitionsResponse, CreateTopicsResponse, DeleteGroupsResponse,
    DeleteRecordsResponse, DeleteTopicsResponse, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::sync::Arc;

/// After that many topics of one request that nobody told of, the others are not asked for: each may take as long as anybody
/// waits for a look-up.
const MOST_UNANSWERED: usize = 3;

/// What has been asked for the judged request at the front, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    asked: Option<Question>,
    /// Topics whose facts were asked for during this request; `None`: nobody answered.
    known: Vec<(Arc<str>, Option<Arc<TopicFacts>>)>,
    /// Ends of logs that were asked for during this request; those that nobody told are not among them.
    log_ends: Option<Vec<LogEnd>>,
    /// What the group has committed, asked for during this request; partitions of which nobody told are not among them.
    committed: Option<Vec<GroupOffset>>,
    /// Topics that the view does not have and that were asked for during this request.
    met: Option<Vec<Arc<TopicFacts>>>,
}

static NONE: Lookups = Lookups {
    asked: None,
    known: Vec::new(),
    log_ends: None,
    committed: None,
    met: None,
};

impl Lookups {
    pub(super) fn confirmed(&mut self, answer: Option<Answer>) {
        match (self.asked.take(), answer) {
            (Some(Question::Facts(topic)), Some(Answer::Facts(facts))) => {
                self.known.push((topic, Some(facts)));
            }
            (Some(Question::Facts(topic)), _) => self.known.push((topic, None)),
            (Some(Question::LogEnds(..)), Some(Answer::LogEnds(ends))) => {
                self.log_ends = Some(wonder::sorted(ends));
            }
            (Some(Question::LogEnds(..)), _) => self.log_ends = Some(Vec::new()),
            (Some(Question::Committed(..)), Some(Answer::Committed(mut offsets))) => {
                offsets.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
                self.committed = Some(offsets);
            }
            (Some(Question::Committed(..)), _) => self.committed = Some(Vec::new()),
            (Some(Question::Topics(_)), Some(Answer::Topics(topics))) => self.met = Some(topics),
            (Some(Question::Topics(_)), _) => self.met = Some(Vec::new()),
            (None, _) => {}
        }
    }

    /// What the group has committed there, as its coordinator told during this request; −1: nothing.
    fn committed(&self, topic: &str, partition: i32) -> Option<i64> {
        let offsets = self.committed.as_deref()?;
        let place = |told: &GroupOffset| {
            (*told.topic)
                .cmp(topic)
                .then(told.partition.cmp(&partition))
        };
        let found = offsets.binary_search_by(place).ok()?;
        Some(offsets[found].offset)
    }
}

/// What becomes of a judged request.
enum Verdict {
    /// As it came.
    Pass,
    /// Another body in place of its own. `ours`: our answer to what was taken out of it, a response body.
    Changed {
        body: Vec<u8>,
        ours: Option<Vec<u8>>,
    },
    /// Nothing of it goes on: this response body answers it.
    Answered(Vec<u8>),
}

/// What an API's file says of a decoded request.
enum Judgement<R> {
    /// Nothing was changed.
    Unchanged,
    /// The request was changed, and nothing of it refused.
    Changed,
    /// Parts were taken out of it; this is the answer to them.
    Partly(R),
    /// All of it is refused; this is the answer.
    Refused(R),
}

impl<R> Judgement<R> {
    /// Of a request whose items stand for themselves: whether any were taken out, and whether any are left.
    fn of_items(changed: bool, refused: bool, left: bool, answer: R) -> Judgement<R> {
        match (refused, left) {
            (false, _) if changed => Judgement::Changed,
            (false, _) => Judgement::Unchanged,
            (true, true) => Judgement::Partly(answer),
            (true, false) => Judgement::Refused(answer),
        }
    }
}

/// A text for `error_message`.
fn told(text: String) -> Option<StrBytes> {
    Some(StrBytes::from_string(text))
}

/// Why there is no verdict yet.
enum Open {
    Malformed,
    /// A refusal rests on something that was not looked up during this request.
    Ask(Question),
}

impl Session {
    /// At the size prefix of a request of a judged API, of a version that is understood.
    pub(super) fn judged_start(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        if std::mem::take(&mut self.cannot_collect) {
            return self.too_large_to_judge(env, lane, start, frame_len);
        }
        let frame = whole(env, lane, frame_len)?;
        let flexible =
            versions::request_header_version(start.api_key, start.api_version) == Some(2);
        let Look::Ready(header) = header::header(frame, frame_len, flexible) else {
            return self.malformed_request(start, "header");
        };
        // Copied: the lane is edited below, and such requests are rare.
        let (head, body) = (
            frame[..header.body_at].to_vec(),
            frame[header.body_at..].to_vec(),
        );
        let client_id = header.client_id.map(|(from, to)| &head[from..to]);
        self.stand_as(env, client_id);
        let reader = match start.api_key {
            ApiKey::OFFSET_COMMIT => self.reader(env).cloned(),
            _ => None,
        };
        let Some(standing) = &self.standing else {
            return Err(Want::Close);
        };
        let mut judge = Judge {
            env,
            standing,
            reader: reader.as_deref(),
            client_id: self.client_id.as_deref(),
            api_key: start.api_key,
            lookups: self.judged.as_deref().unwrap_or(&NONE),
            events: Vec::new(),
            learned: Vec::new(),
            wonder: None,
            awaited: None,
        };
        let verdict = judged(&mut judge, start, &body);
        let (events, learned, wonder) = (judge.events, judge.learned, judge.wonder);
        let awaited = judge.awaited;
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(Open::Malformed) => {
                self.judged = None;
                return self.malformed_request(start, "body");
            }
            Err(Open::Ask(question)) => {
                self.learned.extend(learned);
                self.judged.get_or_insert_default().asked = Some(question.clone());
                return Err(Want::confirm(question));
            }
        };
        self.judged = None;
        self.events.request(start.api_key);
        self.learned.extend(learned);
        for event in events {
            self.events.push(event);
        }
        self.wonder_about(wonder);
        let awaited = awaited.and_then(|of| self.awaited(env, of));
        self.carry_out(lane, start, frame_len, &head, (verdict, awaited));
        Ok(())
    }

    fn carry_out(
        &mut self,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
        head: &[u8],
        (verdict, awaited): (Verdict, Option<Box<Offsets>>),
    ) {
        match verdict {
            Verdict::Pass => {
                self.push(start, 0, awaited.map_or(usual_fate(start), Fate::Offsets));
                self.pass_frame(lane, frame_len);
            }
            Verdict::Changed { body, ours } => {
                let fate = match (awaited, ours.map(Bytes::from)) {
                    (Some(mut awaited), ours) => {
                        awaited.ours = ours;
                        Fate::Offsets(awaited)
                    }
                    (None, Some(ours)) => Fate::Join(ours),
                    (None, None) => usual_fate(start),
                };
                self.push(start, 0, fate);
                lane.insert(Bytes::from(header::frame_of(head, &body)));
                self.request = Request::Discard(frame_len as u64);
            }
            Verdict::Answered(body) => {
                let answer = answer(start, &body);
                self.push(start, 0, Fate::Answer(Bytes::from(answer)));
                self.request = Request::Discard(frame_len as u64);
            }
        }
    }

    /// One question at a time: what comes up while it is asked is counted as not verified.
    fn wonder_about(&mut self, wonder: Option<Wonder>) {
        match (wonder, &self.wonder) {
            (Some(wonder), None) => self.wonder = Some(wonder),
            (Some(_), Some(_)) => self.events.push(Event::Unverified {
                scenario: Scenario::CommitPastEnd,
            }),
            (None, _) => {}
        }
    }

    /// Nothing passes a rule in force unjudged; where nothing is in force, it streams on and is counted.
    fn too_large_to_judge(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        self.judged = None;
        if env.policy.enforces(start.api_key) {
            return self.cannot_hold(start, frame_len);
        }
        let observing = Scenario::ALL.into_iter().filter(|scenario| {
            scenario.apis().contains(&start.api_key) && env.policy.mode(*scenario) != Mode::Off
        });
        for scenario in observing {
            self.events.push(Event::Unjudged { scenario });
        }
        self.events.request(start.api_key);
        self.push(start, 0, usual_fate(start));
        self.pass_frame(lane, frame_len);
        Ok(())
    }
}

/// What becomes of the answer to a request that goes on whole.
fn usual_fate(start: Start) -> Fate {
    match versions::listed(start.api_key).map(|api| api.treatment) {
        Some(Treatment::RewrittenResponse) => Fate::Rewrite,
        _ => Fate::Relay,
    }
}

fn judged(judge: &mut Judge<'_>, start: Start, body: &[u8]) -> Result<Verdict, Open> {
    let version = start.api_version;
    macro_rules! ask {
        ($message:ident, $rule:path) => {
            judge.ask(&schema::$message, version, body, $rule)
        };
    }
    match start.api_key {
        ApiKey::ELECT_LEADERS => ask!(ELECT_LEADERS_REQUEST, elect_leaders::judge),
        ApiKey::METADATA => ask!(METADATA_REQUEST, metadata::judge),
        ApiKey::OFFSET_COMMIT => offset_commit::judge(judge, version, body),
        ApiKey::OFFSET_FETCH => offset_fetch::judge(judge, version, body),
        ApiKey::TXN_OFFSET_COMMIT => txn_offset_commit::judge(judge, version, body),
        ApiKey::CREATE_TOPICS => ask!(CREATE_TOPICS_REQUEST, create_topics::judge),
        ApiKey::DELETE_TOPICS => ask!(DELETE_TOPICS_REQUEST, delete::topics),
        ApiKey::DELETE_RECORDS => ask!(DELETE_RECORDS_REQUEST, delete::records),
        ApiKey::DELETE_GROUPS => ask!(DELETE_GROUPS_REQUEST, groups::delete),
        ApiKey::OFFSET_DELETE => ask!(OFFSET_DELETE_REQUEST, groups::delete_offsets),
        ApiKey::INITIALIZE_SHARE_GROUP_STATE
        | ApiKey::WRITE_SHARE_GROUP_STATE
        | ApiKey::DELETE_SHARE_GROUP_STATE => groups::share_state(judge, version, body),
        ApiKey::STREAMS_GROUP_HEARTBEAT => streams_group::judge(judge, version, body),
        ApiKey::ALTER_SHARE_GROUP_OFFSETS => ask!(
            ALTER_SHARE_GROUP_OFFSETS_REQUEST,
            groups::alter_share_offsets
        ),
        ApiKey::DELETE_SHARE_GROUP_OFFSETS => ask!(
            DELETE_SHARE_GROUP_OFFSETS_REQUEST,
            groups::delete_share_offsets
        ),
        ApiKey::ALTER_CONFIGS => ask!(ALTER_CONFIGS_REQUEST, configs::whole),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => {
            ask!(INCREMENTAL_ALTER_CONFIGS_REQUEST, configs::incremental)
        }
        ApiKey::CREATE_PARTITIONS => ask!(CREATE_PARTITIONS_REQUEST, partitions::create),
        ApiKey::ALTER_PARTITION_REASSIGNMENTS => {
            ask!(ALTER_PARTITION_REASSIGNMENTS_REQUEST, partitions::reassign)
        }
        ApiKey::UPDATE_FEATURES => ask!(UPDATE_FEATURES_REQUEST, downgrade::features),
        ApiKey::UNREGISTER_BROKER => ask!(UNREGISTER_BROKER_REQUEST, downgrade::broker),
        ApiKey::REMOVE_RAFT_VOTER => ask!(REMOVE_RAFT_VOTER_REQUEST, downgrade::voter),
        _ => Ok(Verdict::Pass),
    }
}

/// The broker's answer to what was left of a request, with our answer to the rest put in. `frame` is a whole answer.
pub(super) fn join(frame: &[u8], pending: &Pending, ours: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (head, body) = frame.split_at(body_at(frame, pending)?);
    let version = pending.api_version;
    macro_rules! put {
        ($message:ident, $put:expr $(,)?) => {
            put_in(&schema::$message, version, body, ours, $put)
        };
    }
    let joined = match ApiKey(pending.api_key) {
        ApiKey::ELECT_LEADERS => put!(ELECT_LEADERS_RESPONSE, elect_leaders::put_in,),
        ApiKey::METADATA => put!(METADATA_RESPONSE, metadata::put_in,),
        ApiKey::OFFSET_COMMIT => put!(OFFSET_COMMIT_RESPONSE, offset_commit::put_in,),
        ApiKey::TXN_OFFSET_COMMIT => {
            put!(TXN_OFFSET_COMMIT_RESPONSE, txn_offset_commit::put_in,)
        }
        ApiKey::CREATE_TOPICS => put!(
            CREATE_TOPICS_RESPONSE,
            |theirs: &mut CreateTopicsResponse, ours| theirs.topics.extend(ours.topics),
        ),
        ApiKey::DELETE_TOPICS => put!(
            DELETE_TOPICS_RESPONSE,
            |theirs: &mut DeleteTopicsResponse, ours| theirs.responses.extend(ours.responses),
        ),
        ApiKey::DELETE_RECORDS => put!(
            DELETE_RECORDS_RESPONSE,
            |theirs: &mut DeleteRecordsResponse, ours| theirs.topics.extend(ours.topics),
        ),
        ApiKey::DELETE_GROUPS => put!(
            DELETE_GROUPS_RESPONSE,
            |theirs: &mut DeleteGroupsResponse, ours| theirs.results.extend(ours.results),
        ),
        ApiKey::ALTER_CONFIGS => put!(
            ALTER_CONFIGS_RESPONSE,
            |theirs: &mut AlterConfigsResponse, ours| theirs.responses.extend(ours.responses),
        ),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => put!(
            INCREMENTAL_ALTER_CONFIGS_RESPONSE,
            |theirs: &mut IncrementalAlterConfigsResponse, ours| {
                theirs.responses.extend(ours.responses);
            },
        ),
        ApiKey::CREATE_PARTITIONS => put!(
            CREATE_PARTITIONS_RESPONSE,
            |theirs: &mut CreatePartitionsResponse, ours| theirs.results.extend(ours.results),
        ),
        ApiKey::ALTER_PARTITION_REASSIGNMENTS => {
            put!(ALTER_PARTITION_REASSIGNMENTS_RESPONSE, partitions::put_in,)
        }
        _ => None,
    };
    let joined = joined.ok_or("the answer to a judged request does not follow its schema")?;
    Ok(header::frame_of(head, &joined))
}

fn put_in<R: Decodable + Encodable>(
    message: &Message,
    version: i16,
    theirs: &[u8],
    ours: &[u8],
    put: fn(&mut R, R),
) -> Option<Vec<u8>> {
    let mut theirs = decoded::<R>(message, version, theirs)?;
    put(&mut theirs, decoded(message, version, ours)?);
    encoded(&theirs, version)
}

fn decoded<M: Decodable>(message: &Message, version: i16, body: &[u8]) -> Option<M> {
    schema::prove(message, version, body).ok()?;
    M::decode(&mut Bytes::copy_from_slice(body), version).ok()
}

fn encoded<M: Encodable>(message: &M, version: i16) -> Option<Vec<u8>> {
    let mut body = BytesMut::new();
    message.encode(&mut body, version).ok()?;
    Some(body.to_vec())
}

/// A whole answer of our own.
fn answer(start: Start, body: &[u8]) -> Vec<u8> {
    let mut head = vec![0; RESPONSE_START_LEN];
    head[4..].copy_from_slice(&start.correlation_id.to_be_bytes());
    if versions::response_header_version(start.api_key, start.api_version) == Some(1) {
        head.push(0);
    }
    header::frame_of(&head, body)
}

/// One request being judged: what is known and in force, and what was found so far.
struct Judge<'a> {
    env: &'a Env<'a>,
    standing: &'a Standing,
    /// What all connections of the client share, where somebody wants to know.
    reader: Option<&'a Client>,
    client_id: Option<&'a str>,
    api_key: ApiKey,
    lookups: &'a Lookups,
    events: Vec<Event>,
    learned: Vec<Learned>,
    wonder: Option<Wonder>,
    awaited: Option<offsets::Of>,
}

/// Of what a finding is: the topic and the group that it concerns, where it concerns any.
#[derive(Clone, Copy, Default)]
struct Of<'a> {
    topic: Option<&'a str>,
    group: Option<&'a str>,
}

impl<'a> Of<'a> {
    fn topic(topic: &'a str) -> Of<'a> {
        Of {
            topic: Some(topic),
            group: None,
        }
    }

    fn group(group: &'a str) -> Of<'a> {
        Of {
            topic: None,
            group: Some(group),
        }
    }
}

impl Judge<'_> {
    fn ask<Q: Decodable + Encodable, R: Encodable>(
        &mut self,
        message: &Message,
        version: i16,
        body: &[u8],
        judge: fn(&mut Judge<'_>, &mut Q, i16) -> Result<Judgement<R>, Open>,
    ) -> Result<Verdict, Open> {
        let mut request: Q = decoded(message, version, body).ok_or(Open::Malformed)?;
        let body = |request: &Q| encoded(request, version).ok_or(Open::Malformed);
        let ours = |answer: &R| encoded(answer, version).ok_or(Open::Malformed);
        Ok(match judge(self, &mut request, version)? {
            Judgement::Unchanged => Verdict::Pass,
            Judgement::Changed => Verdict::Changed {
                body: body(&request)?,
                ours: None,
            },
            Judgement::Partly(answer) => Verdict::Changed {
                body: body(&request)?,
                ours: Some(ours(&answer)?),
            },
            Judgement::Refused(answer) => Verdict::Answered(ours(&answer)?),
        })
    }

    /// The mode in which a finding is dealt with; `None`: not at all, and if that is an exemption's doing it is counted.
    fn mode(&mut self, scenario: Scenario, of: Of<'_>) -> Option<Mode> {
        let standing = self.standing;
        match standing.for_names(scenario, self.client_id, of.topic, of.group) {
            Stand::Apply(mode) | Stand::ByTopic(mode) => Some(mode),
            Stand::Off => None,
            Stand::Exempt(position) => {
                if let Some(exemption) = standing.exemption(position) {
                    self.events.push(Event::Exempted {
                        scenario,
                        exemption: exemption.name.clone(),
                        count: 1,
                    });
                }
                None
            }
        }
    }

    /// Something is to be refused: counted, and whether it is.
    fn refuses(&mut self, scenario: Scenario, error_code: ErrorCode, of: Of<'_>) -> bool {
        self.refuses_all(scenario, error_code, of, 1)
    }

    /// The same of so many at once.
    fn refuses_all(
        &mut self,
        scenario: Scenario,
        error_code: ErrorCode,
        of: Of<'_>,
        count: u64,
    ) -> bool {
        let Some(mode) = self.mode(scenario, of) else {
            return false;
        };
        self.events.push(Event::Rejection {
            scenario,
            mode,
            api_key: self.api_key,
            error_code,
            topic: of.topic.map(Arc::from),
            records: 0,
            bytes: 0,
            count,
        });
        mode == Mode::Enforce
    }

    /// Something is to be changed: counted, and whether it is.
    fn overrides(&mut self, scenario: Scenario, of: Of<'_>) -> bool {
        self.overrides_at_most(scenario, Mode::Enforce, of)
    }

    /// The same, where no more than `most` may be done.
    fn overrides_at_most(&mut self, scenario: Scenario, most: Mode, of: Of<'_>) -> bool {
        let Some(mode) = self.mode(scenario, of) else {
            return false;
        };
        let mode = match most {
            Mode::Enforce => mode,
            Mode::Observe | Mode::Off => most,
        };
        self.events.push(Event::Override {
            scenario,
            mode,
            api_key: self.api_key,
            count: 1,
        });
        if let Some(topic) = of.topic {
            self.events.push(Event::OverrideTopic {
                scenario,
                mode,
                topic: topic.into(),
                records: 0,
                count: 1,
            });
        }
        mode == Mode::Enforce
    }

    /// Something is only counted.
    fn counts(&mut self, scenario: Scenario, completeness: Completeness, of: Of<'_>, count: u64) {
        if self.mode(scenario, of).is_some() {
            self.events.push(Event::Observed {
                scenario,
                completeness,
                topic: of.topic.map(Arc::from),
                group: of.group.map(Arc::from),
                count,
            });
        }
    }

    /// The configs that a topic has today: in force by a look of now, else as far as they are known. `Ok(None)`: they are not,
    /// which is counted; or nothing is to be judged.
    fn today(&mut self, scenario: Scenario, topic: &str) -> Result<Option<Arc<TopicFacts>>, Open> {
        let stand = self
            .standing
            .for_names(scenario, self.client_id, Some(topic), None);
        match stand {
            Stand::Apply(Mode::Enforce) => return self.facts(scenario, topic),
            Stand::Apply(Mode::Observe) => {}
            _ => return Ok(None),
        }
        let known = self.env.view.topic(topic);
        let known = known.filter(|facts| facts.configs.is_some()).cloned();
        if known.is_none() {
            self.learned.push(Learned::TopicSeen(topic.into()));
            self.events.push(Event::Unverified { scenario });
        }
        Ok(known)
    }

    /// What is known of a topic by a look begun during this request, where `scenario` would refuse by it. `Ok(None)`:
    /// nobody told in time, which is counted: then nothing is refused. Where it is only observed, the view will do.
    fn facts(&mut self, scenario: Scenario, topic: &str) -> Result<Option<Arc<TopicFacts>>, Open> {
        let stand = self
            .standing
            .for_names(scenario, self.client_id, Some(topic), None);
        if stand != Stand::Apply(Mode::Enforce) {
            return Ok(self.env.view.topic(topic).cloned());
        }
        let known = self.lookups.known.iter();
        let facts = match known.clone().find(|(name, _)| **name == *topic) {
            Some((_, facts)) => facts.clone(),
            None if known.filter(|(_, facts)| facts.is_none()).count() >= MOST_UNANSWERED => None,
            None => return Err(Open::Ask(Question::Facts(topic.into()))),
        };
        if facts.is_none() {
            self.events.push(Event::Unverified { scenario });
        }
        Ok(facts)
    }
}
