//! unclean_election × mode × version: what the broker sees and what the operator hears.

use super::MODES;
use crate::support::rig::{Rig, exemption, settings};
use bytes::{Bytes, BytesMut};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::Event;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    ApiKey, ElectLeadersRequest, ElectLeadersResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

fn request(version: i16, election_type: i8, topics: Option<&[&str]>) -> Vec<u8> {
    let topic = |name: &&str| {
        TopicPartitions::default()
            .with_topic(TopicName(StrBytes::from_string((*name).to_owned())))
            .with_partitions(vec![0, 2])
    };
    let mut request = ElectLeadersRequest::default()
        .with_topic_partitions(topics.map(|topics| topics.iter().map(topic).collect()))
        .with_timeout_ms(30_000);
    if version > 0 {
        request = request.with_election_type(election_type);
    }
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::ElectLeaders as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("operator")));
    let mut body = BytesMut::new();
    let header_version = if version >= 2 { 2 } else { 1 };
    header.encode(&mut body, header_version).expect("encoded");
    request.encode(&mut body, version).expect("encoded");
    framed(&body)
}

fn response(version: i16, response: &ElectLeadersResponse) -> Vec<u8> {
    let mut body = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(7);
    header
        .encode(&mut body, i16::from(version >= 2))
        .expect("encoded");
    response.encode(&mut body, version).expect("encoded");
    framed(&body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

fn heard(version: i16, frame: &[u8]) -> ElectLeadersResponse {
    let mut bytes = Bytes::copy_from_slice(&frame[4..]);
    let header = ResponseHeader::decode(&mut bytes, i16::from(version >= 2)).expect("decoded");
    assert_eq!(header.correlation_id, 7);
    let response = ElectLeadersResponse::decode(&mut bytes, version).expect("decoded");
    assert!(bytes.is_empty());
    response
}

fn codes(response: &ElectLeadersResponse) -> Vec<(String, Vec<(i32, i16)>)> {
    let topics = response.replica_election_results.iter();
    let codes = topics.map(|topic| {
        let partitions = topic.partition_result.iter();
        let partitions = partitions.map(|found| (found.partition_id, found.error_code));
        (topic.topic.to_string(), partitions.collect())
    });
    codes.collect()
}

#[test]
fn an_unclean_election_is_refused_where_enforced_and_a_preferred_one_never() {
    for mode in MODES {
        for version in 0..=2 {
            for election_type in [0, 1] {
                let sent = request(version, election_type, Some(&["orders"]));
                for at in [0, 9, sent.len() - 1] {
                    let mut rig = Rig::new(settings(mode));
                    rig.send(&sent[..at]).send(&sent[at..]);
                    let found = election_type == 1 && version > 0;
                    let refused = found && mode == Mode::Enforce;
                    let expected: &[u8] = if refused { &[] } else { &sent };
                    assert_eq!(
                        rig.to_broker, expected,
                        "{mode:?} {version} {election_type}"
                    );
                    let counted = rig.events.iter().any(|event| {
                        matches!(event, Event::Rejection { scenario: Scenario::UncleanElection, mode: m, .. } if *m == mode)
                    });
                    assert_eq!(counted, found && mode != Mode::Off);
                    if refused {
                        let response = heard(version, &rig.to_client);
                        assert_eq!(
                            codes(&response),
                            [("orders".into(), vec![(0, 44), (2, 44)])]
                        );
                        assert_eq!(response.error_code, 0);
                    }
                }
            }
        }
    }
}

#[test]
fn all_partitions_of_the_cluster_are_refused_at_the_top() {
    for version in 1..=2 {
        let mut rig = Rig::new(settings(Mode::Enforce));
        rig.send(&request(version, 1, None));
        assert!(rig.to_broker.is_empty());
        assert_eq!(heard(version, &rig.to_client).error_code, 44);
    }
}

#[test]
fn an_exempt_topic_is_elected_and_the_others_are_answered_beside_it() {
    for version in 1..=2 {
        let mut policy = settings(Mode::Enforce);
        policy.exemptions = vec![exemption(Scenario::UncleanElection, &["metrics"], &[])];
        let mut rig = Rig::new(policy);
        rig.broker = None;
        rig.send(&request(version, 1, Some(&["orders", "metrics"])));
        assert_eq!(rig.to_broker, request(version, 1, Some(&["metrics"])));
        let result = |name: &str, code| {
            use kafka_protocol::messages::elect_leaders_response::*;
            let partition = |id| {
                PartitionResult::default()
                    .with_partition_id(id)
                    .with_error_code(code)
            };
            ReplicaElectionResult::default()
                .with_topic(TopicName(StrBytes::from_string(name.to_owned())))
                .with_partition_result(vec![partition(0), partition(2)])
        };
        let theirs = ElectLeadersResponse::default()
            .with_throttle_time_ms(3)
            .with_replica_election_results(vec![result("metrics", 0)]);
        rig.answer(&response(version, &theirs));
        let joined = heard(version, &rig.to_client);
        assert_eq!(joined.throttle_time_ms, 3);
        let expected = [
            ("metrics".into(), vec![(0, 0), (2, 0)]),
            ("orders".into(), vec![(0, 44), (2, 44)]),
        ];
        assert_eq!(codes(&joined), expected);
        let exempted = |event: &Event| matches!(event, Event::Exempted { .. });
        assert_eq!(rig.events.iter().filter(|event| exempted(event)).count(), 1);
    }
}

#[test]
fn what_does_not_follow_its_schema_goes_nowhere() {
    let mut sent = request(2, 1, Some(&["orders"]));
    let last = sent.len() - 1;
    sent.remove(last);
    let size = (sent.len() - 4) as u32;
    sent[..4].copy_from_slice(&size.to_be_bytes());
    let mut rig = Rig::new(settings(Mode::Observe));
    rig.send(&sent);
    assert!(rig.to_broker.is_empty());
    assert!(
        rig.events
            .iter()
            .any(|event| matches!(event, Event::Misdeed { .. }))
    );
}
