//! CreateTopics: `weak_topic_creation`.

use super::{Judge, Judgement, Of, Open, told};
use crate::policy::Scenario;
use crate::policy::weak_topic_creation::{self as rule, MIN_INSYNC_REPLICAS, UNCLEAN, Verdict};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashSet;

pub(super) fn judge(
    judge: &mut Judge<'_>,
    request: &mut CreateTopicsRequest,
    _version: i16,
) -> Result<Judgement<CreateTopicsResponse>, Open> {
    let mut changed = false;
    let mut refused = CreateTopicsResponse::default();
    request.topics.retain_mut(|topic| {
        let name = topic.name.clone();
        let of = Of::topic(name.as_str());
        match verdict(judge, topic) {
            Verdict::Fine => {}
            Verdict::Raise {
                replication_factor,
                min_insync_replicas,
                no_unclean,
            } => {
                if judge.overrides(Scenario::WeakTopicCreation, of) {
                    changed = true;
                    topic.replication_factor =
                        replication_factor.unwrap_or(topic.replication_factor);
                    if let Some(replicas) = min_insync_replicas {
                        set(topic, MIN_INSYNC_REPLICAS, replicas.to_string());
                    }
                    if no_unclean {
                        set(topic, UNCLEAN, "false".to_owned());
                    }
                }
            }
            Verdict::Refuse(text) => {
                let code = ErrorCode::POLICY_VIOLATION;
                if judge.refuses(Scenario::WeakTopicCreation, code, of) {
                    let result = CreatableTopicResult::default()
                        .with_name(name)
                        .with_error_code(code.0)
                        .with_error_message(told(text));
                    refused.topics.push(result);
                    return false;
                }
            }
        }
        true
    });
    // Of a topic that stands twice a broker creates nothing; what is left of it alone would be created.
    let names: HashSet<_> = refused.topics.iter().map(|topic| &topic.name).collect();
    request.topics.retain(|topic| !names.contains(&topic.name));
    let (any_refused, left) = (!refused.topics.is_empty(), !request.topics.is_empty());
    Ok(Judgement::of_items(changed, any_refused, left, refused))
}

fn verdict(judge: &Judge<'_>, topic: &CreatableTopic) -> Verdict {
    let assigned = topic.assignments.iter();
    let configs = topic.configs.iter();
    let wanted = rule::Wanted {
        replication_factor: topic.replication_factor,
        fewest_assigned: assigned.map(|assigned| assigned.broker_ids.len()).min(),
        configs: configs
            .map(|config| (config.name.as_str(), config.value.as_deref()))
            .collect(),
        brokers: judge.env.view.brokers.len(),
    };
    rule::judge(&wanted, judge.env.policy.floors)
}

/// In place of every value that there is.
fn set(topic: &mut CreatableTopic, key: &'static str, value: String) {
    topic.configs.retain(|config| config.name.as_str() != key);
    topic.configs.push(
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str(key))
            .with_value(Some(StrBytes::from_string(value))),
    );
}
