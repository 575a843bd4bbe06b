//! DeleteGroups, OffsetDelete, AlterShareGroupOffsets and DeleteShareGroupOffsets: `destructive_admin`.

use super::{Judge, Judgement, Of, Open, told};
use crate::policy::{Scenario, destructive_admin as rule};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteGroupsRequest,
    DeleteGroupsResponse, DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
    OffsetDeleteRequest, OffsetDeleteResponse,
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
    let topics = request.topics.iter().map(|topic| topic.name.as_str());
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
    let topics = request.topics.iter().map(|topic| topic.topic_name.as_str());
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
    let topics = request.topics.iter().map(|topic| topic.topic_name.as_str());
    Ok(match protected(judge, request.group_id.as_str(), topics) {
        None => Judgement::Unchanged,
        Some(text) => Judgement::Refused(
            DeleteShareGroupOffsetsResponse::default()
                .with_error_code(CODE.0)
                .with_error_message(told(text)),
        ),
    })
}

/// What is told where the group, or a topic of it, is protected and refused: then the request is, as a whole.
fn protected<'a>(
    judge: &mut Judge<'_>,
    group: &str,
    mut topics: impl Iterator<Item = &'a str>,
) -> Option<String> {
    if rule::group(judge.env.policy, group)
        && judge.refuses(Scenario::DestructiveAdmin, CODE, Of::group(group))
    {
        return Some(rule::text(Some(group)));
    }
    topics.find_map(|topic| {
        let of = Of {
            topic: Some(topic),
            group: Some(group),
        };
        let refuses = rule::topic(judge.env.policy, Some(topic))
            && judge.refuses(Scenario::DestructiveAdmin, CODE, of);
        refuses.then(|| rule::text(Some(topic)))
    })
}
