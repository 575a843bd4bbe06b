//! Answers: paired with their requests by order, checked by correlation id, and relayed, looked at, rewritten, absorbed
//! or merged, as the request's fate says.

use super::event::{CloseCause, Event, Outcome, OutcomeCause, Side};
use super::inflight::{Fate, FetchLook, Pending, UpstreamId};
use super::judged;
use super::lane::Lane;
use super::merge::Merge;
use super::produce::topic_of;
use super::requests::{Request, whole};
use super::{Env, Session, Want, acks0_event};
use crate::cluster::{Broker, Keeping, Learned, MetadataDelta, PartitionFacts, TopicFacts};
use crate::policy::Scenario;
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::endpoints::{self, MetadataPartition, MetadataVisitor};
use crate::wire::header::{self, RESPONSE_START_LEN, SIZE_LEN};
use crate::wire::produce::{self, Answer, TopicKey};
use crate::wire::versions::Treatment;
use crate::wire::{fetch, versions};
use bytes::Bytes;

/// One answer in that many is timed, of the busiest APIs.
const ANSWERS_A_SAMPLE: u8 = 8;

/// Where the session stands among the broker's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Response {
    /// At a size prefix.
    Start,
    /// That many bytes of the answer go on as they are.
    Pass(u64),
    /// In a Fetch answer; that many bytes go on before the next look.
    Fetch(fetch::Walker, u64, FetchLook),
}

impl Session {
    /// Judges the fresh bytes of a broker, as far as they go.
    pub fn on_response(&mut self, env: &Env<'_>, upstream: UpstreamId, lane: &mut Lane) -> Want {
        loop {
            if let Err(want) = self.response_step(env, upstream, lane) {
                return want;
            }
            self.flush_answers(lane);
        }
    }

    /// How many bytes of the answer, behind those in the lane, go on as they are whatever they say.
    pub fn unseen_responses(&self) -> u64 {
        match self.response {
            Response::Pass(left) | Response::Fetch(_, left, _) => left,
            Response::Start => 0,
        }
    }

    /// `n` of them went by without the lane ([`Lane::bypass`]): how many are left. At 0 the session goes on.
    pub fn responses_bypassed(&mut self, n: u64) -> u64 {
        match &mut self.response {
            Response::Pass(left) | Response::Fetch(_, left, _) => {
                *left -= n;
                *left
            }
            Response::Start => 0,
        }
    }

    fn response_step(
        &mut self,
        env: &Env<'_>,
        upstream: UpstreamId,
        lane: &mut Lane,
    ) -> Result<(), Want> {
        match self.response {
            Response::Start => self.response_start(env, upstream, lane),
            Response::Pass(left) => {
                let n = lane
                    .fresh_len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                if n == 0 && left > 0 {
                    return Err(Want::Bytes(1));
                }
                lane.forward(n);
                match left - n as u64 {
                    0 => self.answered(),
                    left => self.response = Response::Pass(left),
                }
                Ok(())
            }
            Response::Fetch(walker, over, look) => {
                self.fetch_answer_step(env, lane, (walker, over, look))
            }
        }
    }

    fn response_start(
        &mut self,
        env: &Env<'_>,
        upstream: UpstreamId,
        lane: &mut Lane,
    ) -> Result<(), Want> {
        if lane.fresh_len() == 0 {
            // The answer to a raw SASL token may be a size prefix of 0 and nothing else.
            return Err(Want::Bytes(SIZE_LEN));
        }
        let Some(front) = self.in_flight.oldest() else {
            return self.mismatch("an answer that no request waits for".to_owned());
        };
        // Without an end in the stream to the broker its last byte has not gone on yet.
        let sent = front.end != u64::MAX && !matches!(front.fate, Fate::Open | Fate::Answer(_));
        if front.upstream != upstream || !sent {
            return self.mismatch("an answer to a request that was not sent".to_owned());
        }
        if let Fate::Token(claim) = &front.fate {
            let claim = claim.clone();
            let Some(&[a, b, c, d]) = lane.fresh().first_chunk() else {
                return Err(Want::Bytes(4));
            };
            let Ok(size) = u32::try_from(i32::from_be_bytes([a, b, c, d])) else {
                return self.mismatch("a SASL token of negative size".to_owned());
            };
            return self.raw_token_answered(env, lane, &claim, size);
        }
        let Some((size, correlation_id)) = header::response_start(lane.fresh()) else {
            return Err(Want::Bytes(RESPONSE_START_LEN));
        };
        if correlation_id != front.correlation_id {
            let detail = format!(
                "an answer with correlation id {correlation_id}, {} expected",
                front.correlation_id
            );
            return self.mismatch(detail);
        }
        let Some(size) = usize::try_from(size)
            .ok()
            .filter(|size| *size >= RESPONSE_START_LEN - 4)
        else {
            return self.mismatch(format!("an answer of {size} bytes"));
        };
        let frame_len = size + 4;
        let sent = (ApiKey(front.api_key), front.since_us);
        match front.fate {
            Fate::Relay if lane.fresh_len() >= frame_len => {
                lane.forward(frame_len);
                self.answered();
            }
            Fate::Relay => self.response = Response::Pass(frame_len as u64),
            Fate::Fetch(look) if !look.repair => {
                let version = front.api_version;
                if !self.sole_fetch_answer(env, lane, frame_len, (version, look)) {
                    let left = (frame_len - RESPONSE_START_LEN) as u64;
                    let walker = fetch::Walker::new(version, left, look.of_batches());
                    self.response = Response::Fetch(walker, RESPONSE_START_LEN as u64, look);
                }
            }
            // The common answer: one partition, stored. There is nothing in it to look for.
            Fate::Produce { .. }
                if lane
                    .fresh()
                    .get(..frame_len)
                    .is_some_and(|frame| produce::is_sole_success(frame, front.api_version)) =>
            {
                let version = front.api_version;
                let answers = self.sole_answered(env, lane.fresh(), frame_len, version);
                lane.forward(answers as usize * frame_len);
                self.in_flight.pass_over(answers - 1);
                self.answered();
            }
            _ => {
                whole(env, lane, frame_len)?;
                self.sample_answer(env, sent);
                return self.whole_answer(env, lane, frame_len);
            }
        }
        self.sample_answer(env, sent);
        Ok(())
    }

    /// How long it took the broker, told of a sample: of the APIs that make up most of the traffic every eighth.
    fn sample_answer(&mut self, env: &Env<'_>, (api_key, since_us): (ApiKey, u64)) {
        if matches!(api_key, ApiKey::PRODUCE | ApiKey::FETCH) {
            let nth = self.sampled_answers;
            self.sampled_answers = (nth + 1) % ANSWERS_A_SAMPLE;
            if nth > 0 {
                return;
            }
        }
        let micros = env.clock_us.saturating_sub(since_us);
        self.events.answered(api_key, micros);
    }

    /// An answer that is all there and is not simply relayed.
    fn whole_answer(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        frame_len: usize,
    ) -> Result<(), Want> {
        self.whole_answered(env, &lane.fresh()[..frame_len]);
        let Some(pending) = self.in_flight.pop() else {
            return Err(Want::Close);
        };
        let version = pending.api_version;
        let frame = &mut lane.fresh()[..frame_len];
        let result = match &pending.fate {
            Fate::Produce { raised } => self
                .look_at_produce(env, frame, version, *raised)
                .map(|()| Done::Forward),
            Fate::Absorb {
                raised,
                leader_only,
            } => self
                .absorb(frame, &pending, (*raised, *leader_only))
                .map(|()| Done::Skip),
            Fate::Merge { raised, refused } => self
                .merge(env, frame, version, *raised, refused)
                .map(Done::Replace),
            Fate::ApiVersions => {
                // Its header is always v0: no tags behind the correlation id.
                let body = &mut frame[RESPONSE_START_LEN..];
                match versions::rewrite_api_versions_response(version, body) {
                    // Versions are of fixed width, so the edits fit where they belong.
                    Ok(edits) if edits.patch(body) => Ok(Done::Forward),
                    _ => Err("ApiVersions answer does not follow its schema"),
                }
            }
            Fate::SaslAuthenticate(claim) => {
                self.authenticated(env, &mut frame[RESPONSE_START_LEN..], version, claim);
                Ok(Done::Forward)
            }
            Fate::SaslHandshake { tokens } => {
                self.sasl_handshake_answered(frame, *tokens);
                Ok(Done::Forward)
            }
            Fate::Join(ours) => judged::join(frame, &pending, ours)
                .and_then(|joined| self.rewrite_if_it_names_brokers(env, joined, &pending))
                .map(Done::Replace),
            Fate::Offsets(offsets) => self
                .offsets_answered(env, frame, &pending, offsets)
                .map(|new| new.map_or(Done::Forward, Done::Replace)),
            Fate::LogEnds(asked) => {
                self.log_ends_answered(env, frame, version, asked);
                Ok(Done::Forward)
            }
            Fate::Rewrite => self.rewrite(env, frame, &pending).map(Done::Replace),
            Fate::Fetch(look) => self
                .fetch_answer(env, frame, &pending, *look)
                .map(|new| new.map_or(Done::Forward, Done::Replace)),
            Fate::Open | Fate::Relay | Fate::Token(_) | Fate::Answer(_) => Ok(Done::Forward),
        };
        match result {
            Ok(Done::Forward) => lane.forward(frame_len),
            Ok(Done::Skip) => lane.skip(frame_len),
            Ok(Done::Replace(bytes)) => {
                lane.skip(frame_len);
                lane.insert(Bytes::from(bytes));
            }
            Err(why) => return self.malformed_answer(ApiKey(pending.api_key), why),
        }
        Ok(())
    }

    fn rewrite_if_it_names_brokers(
        &mut self,
        env: &Env<'_>,
        frame: Vec<u8>,
        pending: &Pending,
    ) -> Result<Vec<u8>, &'static str> {
        match versions::listed(ApiKey(pending.api_key)).map(|api| api.treatment) {
            Some(Treatment::RewrittenResponse) => self.rewrite(env, &frame, pending),
            _ => Ok(frame),
        }
    }

    fn rewrite(
        &mut self,
        env: &Env<'_>,
        frame: &[u8],
        pending: &Pending,
    ) -> Result<Vec<u8>, &'static str> {
        let api_key = ApiKey(pending.api_key);
        let (head, body) = frame.split_at(body_at(frame, pending)?);
        let mut delta = MetadataDelta::default();
        let rewritten = endpoints::rewrite(
            api_key,
            pending.api_version,
            body,
            env.advertised,
            &mut delta,
        )
        .map_err(|_| "names brokers and does not follow its schema")?;
        for node_id in &rewritten.outside {
            self.events
                .push(Event::BrokerOutsideSet { node_id: *node_id });
        }
        if api_key == ApiKey::METADATA {
            delta.topics.retain(|topic| !topic.name.is_empty());
            self.learned.push(Learned::Metadata(Box::new(delta)));
        }
        let mut edits = rewritten.edits;
        Ok(header::frame_of(head, &edits.splice(body)))
    }

    /// An answer to a client that waits for it: broker addresses are taken out in place, errors noticed.
    fn look_at_produce(
        &mut self,
        env: &Env<'_>,
        frame: &mut [u8],
        version: i16,
        raised: Option<Scenario>,
    ) -> Result<(), &'static str> {
        let mut stale = false;
        let mut topic: Option<TopicKey<'_>> = None;
        let node_endpoints = produce::walk_answer(frame, version, |part| match part {
            Answer::Topic { key, .. } => topic = Some(key),
            Answer::Partition {
                index, error_code, ..
            } if error_code != ErrorCode::NONE => {
                stale |= is_stale(error_code);
                let (events, learned) = (&mut self.events, &mut self.learned);
                note_error(events, learned, raised, topic, index, error_code);
                let name = topic.and_then(|key| topic_of(key, env).0.name().cloned());
                self.tell_error(name, error_code);
            }
            _ => {}
        })?;
        if let Some(at) = node_endpoints {
            produce::hide_node_endpoints(frame, at);
        }
        if stale {
            self.learned.push(Learned::NotLeader);
        }
        Ok(())
    }

    fn merge(
        &mut self,
        env: &Env<'_>,
        frame: &mut [u8],
        version: i16,
        raised: Option<Scenario>,
        refused: &Merge,
    ) -> Result<Vec<u8>, &'static str> {
        self.look_at_produce(env, frame, version, raised)?;
        refused.put_into(frame, version)
    }

    /// An answer that nobody waits for: every record of its request gets its end here.
    fn absorb(
        &mut self,
        frame: &[u8],
        pending: &Pending,
        (raised, leader_only): (Scenario, bool),
    ) -> Result<(), &'static str> {
        let (events, learned, in_flight) =
            (&mut self.events, &mut self.learned, &mut self.in_flight);
        in_flight.sort_oldest_records(pending.records);
        let mut topic: Option<TopicKey<'_>> = None;
        let (mut closes, mut stale) = (None, false);
        let walked = produce::walk_answer(frame, pending.api_version, |part| match part {
            Answer::Topic { key, .. } => topic = Some(key),
            Answer::Partition {
                index, error_code, ..
            } => {
                let of = topic.and_then(|key| in_flight.answered(pending.records, key, index));
                let mut name = None;
                if let Some(of) = of {
                    name = of.topic.name().cloned();
                    let (outcome, cause) = match outcome(error_code) {
                        Outcome::Confirmed if leader_only => {
                            (Outcome::Unknown, OutcomeCause::LeaderOnly)
                        }
                        outcome => (outcome, OutcomeCause::BrokerAnswer),
                    };
                    events.push(acks0_event(
                        outcome,
                        cause,
                        pending.correlation_id,
                        of.clone(),
                    ));
                }
                if error_code != ErrorCode::NONE
                    && error_code != ErrorCode::DUPLICATE_SEQUENCE_NUMBER
                {
                    events.push(Event::AbsorbedError {
                        error_code,
                        topic: name,
                        partition: index,
                    });
                    stale |= is_stale(error_code);
                    note_error(events, learned, Some(raised), topic, index, error_code);
                    if !only_because_raised(error_code) {
                        closes = Some(error_code);
                    }
                }
            }
            _ => {}
        });
        // What the answer does not mention, nobody can tell.
        for of in in_flight
            .take_oldest_records(pending.records)
            .filter(|of| !of.answered)
        {
            events.push(acks0_event(
                Outcome::Unknown,
                OutcomeCause::BrokerAnswer,
                pending.correlation_id,
                of,
            ));
        }
        events.push(Event::Absorbed { count: 1 });
        if stale {
            learned.push(Learned::NotLeader);
        }
        walked?;
        if let Some(error_code) = closes {
            let detail = format!(
                "a request sent with acks=0 was answered {}",
                error_code.name()
            );
            self.misdeed(CloseCause::AbsorbedError, detail);
        }
        Ok(())
    }

    fn sasl_handshake_answered(&mut self, frame: &[u8], tokens: u8) {
        let accepted = frame.get(RESPONSE_START_LEN..RESPONSE_START_LEN + 2) == Some(&[0, 0]);
        if self.request == Request::AwaitSaslHandshake {
            self.request = if accepted {
                Request::Tokens(tokens)
            } else {
                Request::Start
            };
        }
    }

    pub(super) fn answered(&mut self) {
        self.response = Response::Start;
        self.in_flight.pop();
    }

    fn mismatch(&mut self, detail: String) -> Result<(), Want> {
        self.misdeed(CloseCause::CorrelationMismatch, detail);
        Err(Want::Close)
    }

    pub(super) fn malformed_answer(&mut self, api_key: ApiKey, why: &str) -> Result<(), Want> {
        self.events.push(Event::Undecodable {
            api_key,
            side: Side::Broker,
        });
        self.misdeed(CloseCause::Malformed, format!("answer of a broker: {why}"));
        Err(Want::Close)
    }
}

/// Where the body of an answer begins.
pub(super) fn body_at(frame: &[u8], pending: &Pending) -> Result<usize, &'static str> {
    let api_key = ApiKey(pending.api_key);
    let tagged = versions::response_header_version(api_key, pending.api_version) == Some(1);
    match tagged.then(|| header::skip_tags(frame, RESPONSE_START_LEN, frame.len())) {
        None => Ok(RESPONSE_START_LEN),
        Some(header::Look::Ready(at)) => Ok(at),
        Some(_) => Err("tags of its header"),
    }
}

/// What becomes of a whole answer.
enum Done {
    Forward,
    Skip,
    Replace(Vec<u8>),
}

/// Where records ended, by the code that the broker gave. Codes that precede the append are certain; under acks=all 3, 6
/// and 56 may follow one (`DelayedProduce` looks at the partition again), and so may whatever we do not know.
fn outcome(error_code: ErrorCode) -> Outcome {
    match error_code.0 {
        0 | 46 => Outcome::Confirmed,
        2 | 10 | 17 | 18 | 19 | 29 | 32 | 43 | 44 | 45 | 47 | 87 => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

/// Errors that exist only because acks was raised: no broker closes an acks=0 connection for them.
fn only_because_raised(error_code: ErrorCode) -> bool {
    matches!(
        error_code,
        ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
    )
}

/// Errors that say that the view is stale.
fn is_stale(error_code: ErrorCode) -> bool {
    matches!(
        error_code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::UNKNOWN_TOPIC_ID
    )
}

fn note_error(
    events: &mut super::events::Events,
    learned: &mut Vec<Learned>,
    raised: Option<Scenario>,
    topic: Option<TopicKey<'_>>,
    partition: i32,
    error_code: ErrorCode,
) {
    let name = match topic {
        Some(TopicKey::Name(name)) => {
            Some(std::sync::Arc::<str>::from(String::from_utf8_lossy(name)))
        }
        _ => None,
    };
    if error_code == ErrorCode::NOT_ENOUGH_REPLICAS {
        match (&name, topic) {
            (Some(name), _) => learned.push(Learned::NotEnoughReplicas {
                topic: name.clone(),
                partition,
            }),
            (None, Some(TopicKey::Id(id))) => learned.push(Learned::NotEnoughReplicasById {
                topic: id,
                partition,
            }),
            _ => {}
        }
    }
    if let Some(scenario) = raised.filter(|_| only_because_raised(error_code)) {
        events.push(Event::OverrideFailure {
            scenario,
            error_code,
            topic: name,
        });
    }
}

impl MetadataVisitor for MetadataDelta {
    fn broker(&mut self, node_id: i32, host: &str, port: i32, rack: Option<&str>) {
        if let Ok(port) = u16::try_from(port) {
            let rack = rack.map(str::to_owned);
            self.brokers.push((
                node_id,
                Broker {
                    host: host.to_owned(),
                    port,
                    rack,
                },
            ));
        }
    }

    fn topic(&mut self, error_code: ErrorCode, name: Option<&str>, id: Option<[u8; 16]>) {
        // One with an error keeps its place, nameless, so that its partitions are not taken for another's.
        let name = name
            .filter(|_| error_code == ErrorCode::NONE)
            .unwrap_or_default();
        self.topics.push(TopicFacts {
            name: name.into(),
            id,
            max_message_bytes: None,
            min_insync_replicas: None,
            keeping: Keeping::default(),
            configs: None,
            partitions: Vec::new(),
        });
    }

    fn partition(&mut self, partition: MetadataPartition) {
        let Some(topic) = self.topics.last_mut() else {
            return;
        };
        topic.partitions.push(PartitionFacts {
            index: partition.index,
            leader: partition.leader_id,
            replicas: u16::try_from(partition.replicas).unwrap_or(u16::MAX),
            in_sync_replicas: u16::try_from(partition.in_sync_replicas).unwrap_or(u16::MAX),
        });
    }
}
