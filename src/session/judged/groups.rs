//! DeleteGroups, OffsetDelete, AlterShareGroupOffsets, DeleteShareGroupOffsets and what brokers write of share groups among
//! themselves: `destructive_admin`.

use super::{Judge, Judgement, Of, Open, Verdict, encoded, told};
use crate::policy::{Scenario, destructive_admin as rule};
use crate::wire::api::ErrorCode;
use crate::wire::share_state::{self, State};
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::write_share_group_state_response::{
    PartitionResult, WriteStateResult,
};
use kafka_protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteGroupsRequest,
    DeleteGroupsResponse, DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
    OffsetDeleteRequest, OffsetDeleteResponse, WriteShareGroupStateResponse,
};

const CODE: ErrorCode = ErrorCode::POLICY_VIOLATION;

pub(super) fn delete(
    judge: &mut Judge<'_>,
    request: &mut DeleteGroupsRequest,
    _version: i16,
) -> Result<Judgement<DeleteGroupsResponse>, Open> {
    let mut refused = DeleteGroupsResponse::default();
    request.groups_names.retain(|group| {
        let of = Of::group(group.as_str());
        let refuses = rule::group(judge.env.policy, group.as_str())
            && judge.refuses(Scenario::DestructiveAdmin, CODE, of);
        if refuses {
            let result = DeletableGroupResult::default()
                .with_group_id(group.clone())
                .with_error_code(CODE.0);
            refused.results.push(result);
        }
        !refuses
    });
    let (any_refused, left) = (
        !refused.results.is_empty(),
        !request.groups_names.is_empty(),
    );
    Ok(Judgement::of_items(false, any_refused, left, refused))
}

pub(super) fn delete_offsets(
    judge: &mut Judge<'_>,
    request: &mut OffsetDeleteRequest,
    _version: i16,
) -> Result<Judgement<OffsetDeleteResponse>, Open> {
    let topics = request.topics.iter().map(|topic| Some(&**topic.name));
    Ok(match protected(judge, request.group_id.as_str(), topics) {
        None => Judgement::Unchanged,
        Some(_) => Judgement::Refused(OffsetDeleteResponse::default().with_error_code(CODE.0)),
    })
}

pub(super) fn alter_share_offsets(
    judge: &mut Judge<'_>,
    request: &mut AlterShareGroupOffsetsRequest,
    _version: i16,
) -> Result<Judgement<AlterShareGroupOffsetsResponse>, Open> {
    let topics = request.topics.iter().map(|topic| Some(&**topic.topic_name));
    Ok(match protected(judge, request.group_id.as_str(), topics) {
        None => Judgement::Unchanged,
        Some(text) => Judgement::Refused(
            AlterShareGroupOffsetsResponse::default()
                .with_error_code(CODE.0)
                .with_error_message(told(text)),
        ),
    })
}

pub(super) fn delete_share_offsets(
    judge: &mut Judge<'_>,
    request: &mut DeleteShareGroupOffsetsRequest,
    _version: i16,
) -> Result<Judgement<DeleteShareGroupOffsetsResponse>, Open> {
    let topics = request.topics.iter().map(|topic| Some(&**topic.topic_name));
    Ok(match protected(judge, request.group_id.as_str(), topics) {
        None => Judgement::Unchanged,
        Some(text) => Judgement::Refused(
            DeleteShareGroupOffsetsResponse::default()
                .with_error_code(CODE.0)
                .with_error_message(told(text)),
        ),
    })
}

/// InitializeShareGroupState, WriteShareGroupState, DeleteShareGroupState: brokers send them to one another, so that one that
/// comes from a client is nobody's who reads.
pub(super) fn share_state(
    judge: &mut Judge<'_>,
    version: i16,
    body: &[u8],
) -> Result<Verdict, Open> {
    let state = share_state::read(judge.api_key, version, body).map_err(|_| Open::Malformed)?;
    let group = String::from_utf8_lossy(state.group);
    let view = judge.env.view;
    let topics = state.topics.iter().map(|topic| view.topic_by_id(&topic.id));
    let names = topics.map(|facts| facts.map(|facts| &*facts.name));
    match protected(judge, &group, names) {
        None => Ok(Verdict::Pass),
        Some(text) => encoded(&not_written(&state, &text), 0)
            .map(Verdict::Answered)
            .ok_or(Open::Malformed),
    }
}

/// The answer to all three: they are alike, and so are their versions.
fn not_written(state: &State<'_>, text: &str) -> WriteShareGroupStateResponse {
    let results = state.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            PartitionResult::default()
                .with_partition(*partition)
                .with_error_code(CODE.0)
                .with_error_message(told(text.to_owned()))
        });
        let id = format!("{:032x}", u128::from_be_bytes(topic.id));
        WriteStateResult::default()
            .with_topic_id(id.parse().unwrap_or_default())
            .with_partitions(partitions.collect())
    });
    WriteShareGroupStateResponse::default().with_results(results.collect())
}

/// What is told where the group, or a topic of it, is protected and refused: then the request is, as a whole. `None`: a topic
/// that is named by an id that nobody knows.
fn protected<'a>(
    judge: &mut Judge<'_>,
    group: &str,
    mut topics: impl Iterator<Item = Option<&'a str>>,
) -> Option<String> {
    if rule::group(judge.env.policy, group)
        && judge.refuses(Scenario::DestructiveAdmin, CODE, Of::group(group))
    {
        return Some(rule::text(Some(group)));
    }
    topics.find_map(|topic| {
        let of = Of {
            topic,
            group: Some(group),
        };
        let refuses = rule::topic(judge.env.policy, topic)
            && judge.refuses(Scenario::DestructiveAdmin, CODE, of);
        refuses.then(|| rule::text(topic))
    })
}
