//! DeleteTopics and DeleteRecords: `destructive_admin`.

use super::{Judge, Judgement, Of, Open, told};
use crate::policy::{Scenario, destructive_admin as rule};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};

/// First version that names topics by id as well; and first with a text.
const IDS_FROM: i16 = 6;
const TEXT_FROM: i16 = 5;
/// First version that knows TOPIC_DELETION_DISABLED.
const DISABLED_FROM: i16 = 3;

pub(super) fn topics(
    judge: &mut Judge<'_>,
    request: &mut DeleteTopicsRequest,
    version: i16,
) -> Result<Judgement<DeleteTopicsResponse>, Open> {
    let code = match (DISABLED_FROM..TEXT_FROM).contains(&version) {
        true => ErrorCode::TOPIC_DELETION_DISABLED,
        false => ErrorCode::POLICY_VIOLATION,
    };
    let env = judge.env;
    let mut refused = DeleteTopicsResponse::default();
    let mut refuses = |name: Option<&str>, result: DeletableTopicResult| {
        let of = Of {
            topic: name,
            group: None,
        };
        let refuses =
            rule::topic(env.policy, name) && judge.refuses(Scenario::DestructiveAdmin, code, of);
        if refuses {
            let text = (version >= TEXT_FROM).then(|| rule::text(name));
            let result = result
                .with_error_code(code.0)
                .with_error_message(text.and_then(told));
            refused.responses.push(result);
        }
        !refuses
    };
    let left = if version >= IDS_FROM {
        request.topics.retain(|topic| {
            let result = DeletableTopicResult::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id);
            match &topic.name {
                Some(name) => refuses(Some(name.as_str()), result),
                None => {
                    let known = env.view.topic_by_id(topic.topic_id.as_bytes());
                    refuses(known.map(|facts| &*facts.name), result)
                }
            }
        });
        !request.topics.is_empty()
    } else {
        request.topic_names.retain(|name| {
            let result = DeletableTopicResult::default().with_name(Some(name.clone()));
            refuses(Some(name.as_str()), result)
        });
        !request.topic_names.is_empty()
    };
    let any_refused = !refused.responses.is_empty();
    Ok(Judgement::of_items(false, any_refused, left, refused))
}

pub(super) fn records(
    judge: &mut Judge<'_>,
    request: &mut DeleteRecordsRequest,
    _version: i16,
) -> Result<Judgement<DeleteRecordsResponse>, Open> {
    let code = ErrorCode::POLICY_VIOLATION;
    let mut refused = DeleteRecordsResponse::default();
    request.topics.retain(|topic| {
        let name = topic.name.as_str();
        let count = topic.partitions.len() as u64;
        let refuses = rule::topic(judge.env.policy, Some(name))
            && judge.refuses_all(Scenario::DestructiveAdmin, code, Of::topic(name), count);
        if refuses {
            let partitions = topic.partitions.iter().map(|partition| {
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(partition.partition_index)
                    .with_low_watermark(-1)
                    .with_error_code(code.0)
            });
            let result = DeleteRecordsTopicResult::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect());
            refused.topics.push(result);
        }
        !refuses
    });
    let (any_refused, left) = (!refused.topics.is_empty(), !request.topics.is_empty());
    Ok(Judgement::of_items(false, any_refused, left, refused))
}
