//! ElectLeaders: `unclean_election`.

use super::{Judge, Judgement, Of, Open};
use crate::policy::{Scenario, unclean_election};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

/// First version with an `error_code` of its own.
const TOP_ERROR_FROM: i16 = 1;

pub(super) fn judge(
    judge: &mut Judge<'_>,
    request: &mut ElectLeadersRequest,
    version: i16,
) -> Result<Judgement<ElectLeadersResponse>, Open> {
    // Before version 1 every election is a preferred one.
    if version < TOP_ERROR_FROM || !unclean_election::judge(request.election_type) {
        return Ok(Judgement::Unchanged);
    }
    let Some(topics) = &mut request.topic_partitions else {
        return Ok(all_partitions(judge));
    };
    let mut refused = ElectLeadersResponse::default();
    topics.retain(|topic| {
        let of = Of::topic(topic.topic.as_str());
        let refuses = judge.refuses(Scenario::UncleanElection, ErrorCode::POLICY_VIOLATION, of);
        if refuses {
            refused
                .replica_election_results
                .push(result(&topic.topic, &topic.partitions));
        }
        !refuses
    });
    Ok(
        match (
            refused.replica_election_results.is_empty(),
            topics.is_empty(),
        ) {
            (true, _) => Judgement::Unchanged,
            (false, false) => Judgement::Partly(refused),
            (false, true) => Judgement::Refused(refused),
        },
    )
}

/// Null stands for all partitions of the cluster: no topic is named that could be exempt.
fn all_partitions(judge: &mut Judge<'_>) -> Judgement<ElectLeadersResponse> {
    let code = ErrorCode::POLICY_VIOLATION;
    match judge.refuses(Scenario::UncleanElection, code, Of::default()) {
        false => Judgement::Unchanged,
        true => Judgement::Refused(ElectLeadersResponse::default().with_error_code(code.0)),
    }
}

fn result(topic: &TopicName, partitions: &[i32]) -> ReplicaElectionResult {
    let partitions = partitions.iter().map(|partition| {
        PartitionResult::default()
            .with_partition_id(*partition)
            .with_error_code(ErrorCode::POLICY_VIOLATION.0)
            .with_error_message(Some(StrBytes::from_string(unclean_election::text())))
    });
    ReplicaElectionResult::default()
        .with_topic(topic.clone())
        .with_partition_result(partitions.collect())
}

pub(super) fn put_in(theirs: &mut ElectLeadersResponse, ours: ElectLeadersResponse) {
    theirs
        .replica_election_results
        .extend(ours.replica_election_results);
}
