//! replica_reduction × mode × version: a partition keeps its copies, the other partitions move.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, topic};
use crate::support::rig::{Confirm, Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ApiKey, BrokerId,
};

const KEY: ApiKey = ApiKey::AlterPartitionReassignments;
const SCENARIO: Scenario = Scenario::ReplicaReduction;

fn moving(partitions: &[(i32, Option<&[i32]>)]) -> AlterPartitionReassignmentsRequest {
    let partitions = partitions.iter().map(|(index, brokers)| {
        let brokers = brokers.map(|brokers| brokers.iter().map(|id| BrokerId(*id)).collect());
        ReassignablePartition::default()
            .with_partition_index(*index)
            .with_replicas(brokers)
    });
    let topic = ReassignableTopic::default()
        .with_name(topic("orders"))
        .with_partitions(partitions.collect());
    AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(1000)
        .with_topics(vec![topic])
}

#[test]
fn a_partition_is_not_reduced_where_enforced_and_the_others_move() {
    for mode in MODES {
        for version in 0..=1 {
            let fine: [(i32, Option<&[i32]>); 2] = [(1, Some(&[1, 2, 3])), (2, None)];
            let sent = request(KEY, version, &moving(&[(0, Some(&[1])), fine[0], fine[1]]));
            let mut rig = Rig::new(settings(mode))
                .without_broker()
                .topic("orders", None);
            rig.send(&sent);
            let found = usize::from(mode != Mode::Off);
            assert_eq!(counted(&rig, SCENARIO, mode), (found, 0));
            if mode != Mode::Enforce {
                assert_eq!(rig.to_broker, sent);
                continue;
            }
            assert_eq!(
                passed::<AlterPartitionReassignmentsRequest>(KEY, version, &rig.to_broker),
                moving(&fine)
            );
            let done = [1, 2]
                .map(|index| ReassignablePartitionResponse::default().with_partition_index(index));
            let theirs = ReassignableTopicResponse::default()
                .with_name(topic("orders"))
                .with_partitions(done.to_vec());
            let theirs =
                AlterPartitionReassignmentsResponse::default().with_responses(vec![theirs]);
            rig.answer(&response(KEY, version, &theirs));
            let heard: AlterPartitionReassignmentsResponse = heard(KEY, version, &rig.to_client);
            assert_eq!(heard.responses.len(), 1);
            let partitions = heard.responses[0].partitions.iter();
            let codes: Vec<_> = partitions
                .map(|partition| (partition.partition_index, partition.error_code))
                .collect();
            assert_eq!(codes, [(1, 0), (2, 0), (0, 39)]);
        }
    }
}

#[test]
fn fewer_than_today_is_refused_once_a_fresh_look_says_so_and_passes_without_an_answer() {
    for (confirm, refused) in [(Confirm::Same, true), (Confirm::Silence, false)] {
        let mut policy = settings(Mode::Enforce);
        policy.floors.replication_factor = 2;
        policy.floors.min_insync_replicas = 1;
        // The rig's topics have three replicas.
        let mut rig = Rig::new(policy).topic("orders", None);
        rig.confirm = confirm;
        rig.send(&request(KEY, 1, &moving(&[(0, Some(&[1, 2]))])));
        assert_eq!(rig.confirms.len(), 1);
        assert_eq!(rig.to_broker.is_empty(), refused);
        assert_eq!(
            counted(&rig, SCENARIO, Mode::Enforce),
            (usize::from(refused), 0)
        );
    }
}

#[test]
fn an_exempt_topic_is_reduced() {
    let mut rig = Rig::new(settings(Mode::Enforce)).without_broker();
    rig.policy.exemptions = vec![exemption(SCENARIO, &["orders"], &[])];
    let sent = request(KEY, 1, &moving(&[(0, Some(&[1]))]));
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
}
