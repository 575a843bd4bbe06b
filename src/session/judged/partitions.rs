//! CreatePartitions: `partition_growth`; AlterPartitionReassignments: `replica_reduction`.

use super::{Judge, Judgement, Of, Open, told};
use crate::cluster::TopicFacts;
use crate::policy::{Scenario, partition_growth, replica_reduction};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::alter_partition_reassignments_request::ReassignableTopic;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    CreatePartitionsRequest, CreatePartitionsResponse,
};
use std::sync::Arc;

pub(super) fn create(
    judge: &mut Judge<'_>,
    request: &mut CreatePartitionsRequest,
    _version: i16,
) -> Result<Judgement<CreatePartitionsResponse>, Open> {
    let code = ErrorCode::POLICY_VIOLATION;
    let mut refused = CreatePartitionsResponse::default();
    let mut found = Vec::new();
    for topic in &request.topics {
        let name = topic.name.as_str();
        found.push(partition_growth::judge(judge.env.policy, name) || compacts(judge, name)?);
    }
    let mut found = found.into_iter();
    request.topics.retain(|topic| {
        let name = topic.name.as_str();
        let refuses = found.next().unwrap_or(false)
            && judge.refuses(Scenario::PartitionGrowth, code, Of::topic(name));
        if refuses {
            let result = CreatePartitionsTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(code.0)
                .with_error_message(told(partition_growth::text(name, topic.count)));
            refused.results.push(result);
        }
        !refuses
    });
    let (any_refused, left) = (!refused.results.is_empty(), !request.topics.is_empty());
    Ok(Judgement::of_items(false, any_refused, left, refused))
}

/// Whether only the last record of a key is kept. What is known not to be compacted is not looked up.
fn compacts(judge: &mut Judge<'_>, topic: &str) -> Result<bool, Open> {
    let known = judge.env.view.topic(topic);
    if known.is_some_and(|facts| facts.keeping.compacts == Some(false)) {
        return Ok(false);
    }
    let today = judge.today(Scenario::PartitionGrowth, topic)?;
    Ok(today.is_some_and(|facts| facts.keeping.compacts == Some(true)))
}

pub(super) fn reassign(
    judge: &mut Judge<'_>,
    request: &mut AlterPartitionReassignmentsRequest,
    _version: i16,
) -> Result<Judgement<AlterPartitionReassignmentsResponse>, Open> {
    let code = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    let floor = judge.env.policy.floors.replication_factor;
    // No error of the whole request: there no text is null, as brokers write it.
    let mut refused = AlterPartitionReassignmentsResponse::default().with_error_message(None);
    let mut facts = Vec::new();
    for topic in &request.topics {
        facts.push(known(judge, topic, floor)?);
    }
    let mut facts = facts.into_iter();
    request.topics.retain_mut(|topic| {
        let name = topic.name.clone();
        let facts = facts.next().flatten();
        let mut results = Vec::new();
        topic.partitions.retain(|partition| {
            let index = partition.partition_index;
            let today = facts.as_ref().and_then(|facts| replicas_of(facts, index));
            let replicas = partition.replicas.as_ref().map(Vec::len);
            let Some(replicas) =
                replicas.filter(|replicas| replica_reduction::judge(*replicas, today, floor))
            else {
                return true;
            };
            let refuses = judge.refuses(Scenario::ReplicaReduction, code, Of::topic(name.as_str()));
            if refuses {
                let text = replica_reduction::text(replicas, today, floor);
                let result = ReassignablePartitionResponse::default()
                    .with_partition_index(index)
                    .with_error_code(code.0)
                    .with_error_message(told(text));
                results.push(result);
            }
            !refuses
        });
        if !results.is_empty() {
            let result = ReassignableTopicResponse::default()
                .with_name(name)
                .with_partitions(results);
            refused.responses.push(result);
        }
        !topic.partitions.is_empty()
    });
    let (any_refused, left) = (!refused.responses.is_empty(), !request.topics.is_empty());
    Ok(Judgement::of_items(false, any_refused, left, refused))
}

/// What is known of a topic: looked up where the view says that a partition would have fewer replicas than it has.
fn known(
    judge: &mut Judge<'_>,
    topic: &ReassignableTopic,
    floor: u16,
) -> Result<Option<Arc<TopicFacts>>, Open> {
    let name = topic.name.as_str();
    let Some(seen) = judge.env.view.topic(name) else {
        return Ok(None);
    };
    let rests_on_it = topic.partitions.iter().any(|partition| {
        let today = replicas_of(seen, partition.partition_index);
        let replicas = partition.replicas.as_ref().map(Vec::len);
        replicas.is_some_and(|replicas| {
            !replica_reduction::judge(replicas, None, floor)
                && replica_reduction::judge(replicas, today, floor)
        })
    });
    match rests_on_it {
        true => judge.facts(Scenario::ReplicaReduction, name),
        false => Ok(None),
    }
}

fn replicas_of(facts: &TopicFacts, index: i32) -> Option<u16> {
    let mut partitions = facts.partitions.iter();
    let known = partitions.find(|known| known.index == index)?;
    Some(known.replicas)
}

/// A client takes a topic's last entry for all of it, so that partitions go where the others of their topic are.
pub(super) fn put_in(
    theirs: &mut AlterPartitionReassignmentsResponse,
    ours: AlterPartitionReassignmentsResponse,
) {
    for topic in ours.responses {
        let mut known = theirs.responses.iter_mut();
        match known.find(|known| known.name == topic.name) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => theirs.responses.push(topic),
        }
    }
}
