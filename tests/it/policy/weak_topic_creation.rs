//! weak_topic_creation × mode × version: what the broker is asked to create and what the tool hears.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, text, topic};
use crate::support::rig::{Rig, exemption, settings};
use holdfast::cluster::Broker;
use holdfast::policy::{Mode, Scenario};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{ApiKey, BrokerId, CreateTopicsRequest, CreateTopicsResponse};

const KEY: ApiKey = ApiKey::CreateTopics;

fn rig(mode: Mode) -> Rig {
    let mut rig = Rig::new(settings(mode)).without_broker();
    for id in 1..=3 {
        let broker = Broker {
            host: "kafka".into(),
            port: 9092,
            rack: None,
        };
        rig.view.brokers.insert(id, broker);
    }
    rig
}

fn wanted(name: &str, replication_factor: i16, configs: &[(&str, &str)]) -> CreatableTopic {
    let configs = configs.iter().map(|(key, value)| {
        CreatableTopicConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)))
    });
    CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(1)
        .with_replication_factor(replication_factor)
        .with_configs(configs.collect())
}

fn creating(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(1000)
}

fn assigned(name: &str, brokers: &[i32]) -> CreatableTopic {
    let assignment = CreatableReplicaAssignment::default()
        .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect());
    wanted(name, -1, &[])
        .with_num_partitions(-1)
        .with_assignments(vec![assignment])
}

#[test]
fn a_weak_topic_is_created_at_the_floor_where_enforced_and_as_asked_for_elsewhere() {
    for mode in MODES {
        for version in 2..=7 {
            for factor in [-1, 1, 2, 3] {
                let weak = [
                    ("min.insync.replicas", "1"),
                    ("unclean.leader.election.enable", "true"),
                    ("retention.ms", "1000"),
                ];
                let sent = request(
                    KEY,
                    version,
                    &creating(vec![wanted("orders", factor, &weak)]),
                );
                for at in [0, 9, sent.len() - 1] {
                    let mut rig = rig(mode);
                    rig.send(&sent[..at]).send(&sent[at..]);
                    assert_eq!(
                        counted(&rig, Scenario::WeakTopicCreation, mode),
                        (0, usize::from(mode != Mode::Off))
                    );
                    if mode != Mode::Enforce {
                        assert_eq!(rig.to_broker, sent);
                        continue;
                    }
                    let strong = [
                        ("retention.ms", "1000"),
                        ("min.insync.replicas", "2"),
                        ("unclean.leader.election.enable", "false"),
                    ];
                    let expected = creating(vec![wanted("orders", 3, &strong)]);
                    let passed: CreateTopicsRequest = passed(KEY, version, &rig.to_broker);
                    assert_eq!(passed, expected, "{version} {factor}");
                }
            }
        }
    }
}

#[test]
fn a_topic_above_the_floor_passes_byte_for_byte() {
    let strong = [("min.insync.replicas", "3")];
    let sent = request(KEY, 7, &creating(vec![wanted("orders", 5, &strong)]));
    let mut rig = rig(Mode::Enforce);
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!(
        counted(&rig, Scenario::WeakTopicCreation, Mode::Enforce),
        (0, 0)
    );
}

#[test]
fn what_cannot_be_raised_is_refused_beside_what_can() {
    for version in 2..=7 {
        let mut rig = rig(Mode::Enforce);
        let topics = vec![assigned("by-hand", &[1, 2]), wanted("orders", 1, &[])];
        rig.send(&request(KEY, version, &creating(topics)));
        let passed: CreateTopicsRequest = passed(KEY, version, &rig.to_broker);
        let expected = creating(vec![wanted("orders", 3, &[("min.insync.replicas", "2")])]);
        assert_eq!(passed, expected);
        let theirs = CreatableTopicResult::default().with_name(topic("orders"));
        let theirs = CreateTopicsResponse::default().with_topics(vec![theirs]);
        rig.answer(&response(KEY, version, &theirs));
        let heard: CreateTopicsResponse = heard(KEY, version, &rig.to_client);
        let codes: Vec<_> = heard
            .topics
            .iter()
            .map(|topic| (topic.name.as_str(), topic.error_code))
            .collect();
        assert_eq!(codes, [("orders", 0), ("by-hand", 44)]);
        let told = heard.topics[1].error_message.as_deref();
        assert_eq!(
            told,
            Some(
                "weak_topic_creation: 2 replicas assigned, allowed: at least 3; refused by the gateway"
            )
        );
    }
}

#[test]
fn a_topic_that_stands_twice_is_refused_whole_as_a_broker_would_create_nothing_of_it() {
    let mut rig = rig(Mode::Enforce);
    let topics = vec![
        wanted("orders", 3, &[]),
        assigned("orders", &[1, 2]),
        wanted("other", 3, &[]),
    ];
    rig.send(&request(KEY, 7, &creating(topics)));
    let passed: CreateTopicsRequest = passed(KEY, 7, &rig.to_broker);
    let names: Vec<_> = passed
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    assert_eq!(names, ["other"]);
}

#[test]
fn on_two_brokers_a_weak_topic_is_refused_and_nothing_goes_on() {
    let mut rig = rig(Mode::Enforce);
    rig.view.brokers.remove(&3);
    rig.send(&request(KEY, 7, &creating(vec![wanted("orders", 1, &[])])));
    assert!(rig.to_broker.is_empty());
    let heard: CreateTopicsResponse = heard(KEY, 7, &rig.to_client);
    assert_eq!(heard.topics[0].error_code, 44);
}

#[test]
fn an_exempt_topic_is_created_as_asked_for() {
    let mut rig = rig(Mode::Enforce);
    rig.policy.exemptions = vec![exemption(Scenario::WeakTopicCreation, &["scratch*"], &[])];
    let sent = request(KEY, 7, &creating(vec![wanted("scratch1", 1, &[])]));
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
}
