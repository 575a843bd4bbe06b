//! Metadata: `auto_topic_creation`.

use super::{Judge, Judgement, Of, Open};
use crate::cluster::Learned;
use crate::policy::{Scenario, auto_topic_creation};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;

/// First version that says whether topics may be created.
const ALLOW_FROM: i16 = 4;
const SCENARIO: Scenario = Scenario::AutoTopicCreation;

pub(super) fn judge(
    judge: &mut Judge<'_>,
    request: &mut MetadataRequest,
    version: i16,
) -> Result<Judgement<MetadataResponse>, Open> {
    let allowed = version < ALLOW_FROM || request.allow_auto_topic_creation;
    let topics = request.topics.iter().flatten();
    let known = topics.map(|topic| is_known(judge, topic));
    if !auto_topic_creation::judge(allowed, known) {
        return Ok(Judgement::Unchanged);
    }
    match version < ALLOW_FROM {
        true => Ok(without_unknown(judge, request)),
        false => Ok(not_allowed(judge, request)),
    }
}

/// One that is exempted is asked for alone by nobody: the flag holds for all, so the stricter treatment does.
fn not_allowed(
    judge: &mut Judge<'_>,
    request: &mut MetadataRequest,
) -> Judgement<MetadataResponse> {
    let mut overrides = false;
    for topic in request.topics.iter().flatten() {
        if !is_known(judge, topic)
            && let Some(name) = &topic.name
        {
            overrides |= judge.overrides(SCENARIO, Of::topic(name.as_str()));
        }
    }
    if !overrides {
        return Judgement::Unchanged;
    }
    request.allow_auto_topic_creation = false;
    Judgement::Changed
}

fn without_unknown(
    judge: &mut Judge<'_>,
    request: &mut MetadataRequest,
) -> Judgement<MetadataResponse> {
    let mut ours = MetadataResponse::default();
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let topics = request.topics.get_or_insert_default();
    topics.retain(|topic| {
        let Some(name) = topic.name.as_ref().filter(|_| !is_known(judge, topic)) else {
            return true;
        };
        judge.learned.push(Learned::TopicSeen(name.as_str().into()));
        let refuses = judge.refuses(SCENARIO, code, Of::topic(name.as_str()));
        if refuses {
            let topic = MetadataResponseTopic::default()
                .with_error_code(code.0)
                .with_name(Some(name.clone()));
            ours.topics.push(topic);
        }
        !refuses
    });
    match (ours.topics.is_empty(), topics.is_empty()) {
        (true, _) => Judgement::Unchanged,
        (false, false) => Judgement::Partly(ours),
        // In version 0 a request without topics asks for all of them.
        (false, true) => {
            ours.brokers = brokers(judge);
            Judgement::Refused(ours)
        }
    }
}

/// As clients are to know them.
fn brokers(judge: &Judge<'_>) -> Vec<MetadataResponseBroker> {
    let ids = judge.env.view.brokers.keys();
    let brokers = ids.filter_map(|id| {
        let (host, port) = judge.env.advertised.endpoint(*id)?;
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(*id))
            .with_host(StrBytes::from_string(host.into_owned()))
            .with_port(i32::from(port));
        Some(broker)
    });
    brokers.collect()
}

/// Asked for by id, it exists or it does not: an id creates nothing.
fn is_known(judge: &Judge<'_>, topic: &MetadataRequestTopic) -> bool {
    let name = topic.name.as_ref();
    name.is_none_or(|name| judge.env.view.topic(name.as_str()).is_some())
}

pub(super) fn put_in(theirs: &mut MetadataResponse, ours: MetadataResponse) {
    theirs.topics.extend(ours.topics);
}
