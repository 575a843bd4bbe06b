//! weak_topic_creation × mode × version: what the broker is asked to create and what the tool, or the Streams application, hears.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, text, topic};
use crate::support::raw::request_frame;
use crate::support::rig::{Chunks, Rig, exemption, settings};
use crate::support::streams::{Internal, STREAMS_GROUP_HEARTBEAT, Topology, heartbeat, told};
use holdfast::cluster::Broker;
use holdfast::policy::{Mode, Pattern, Scenario};
use holdfast::session::event::{CloseCause, Event};
use holdfast::wire::schema;
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

/// What a member of a Streams group joins with: a changelog topic and a repartition topic.
fn joining(changelog: Internal<'_>, repartition: Internal<'_>) -> Vec<u8> {
    let topology = Topology {
        source: "orders",
        changelogs: &[changelog],
        repartitions: &[repartition],
    };
    framed(&heartbeat("app", "member", Some(&topology)))
}

fn framed(body: &[u8]) -> Vec<u8> {
    request_frame(STREAMS_GROUP_HEARTBEAT, 0, 7, Some("app-1"), body)
}

const WEAK: [(&str, &str); 3] = [
    ("unclean.leader.election.enable", "true"),
    ("min.insync.replicas", "1"),
    ("retention.ms", "-1"),
];
const RAISED: [(&str, &str); 3] = [
    ("unclean.leader.election.enable", "false"),
    ("min.insync.replicas", "2"),
    ("retention.ms", "-1"),
];
const COMPACTED: (&str, &str) = ("cleanup.policy", "compact");
const FLOOR: (&str, &str) = ("min.insync.replicas", "2");

#[test]
fn the_weak_topics_of_a_topology_are_raised_where_enforced_and_as_asked_for_elsewhere() {
    for mode in MODES {
        for chunks in Chunks::every() {
            for factor in [0, -1, 1, 2, 3] {
                let sent = joining(
                    Internal("app-store-changelog", factor, &WEAK),
                    Internal("app-by-key-repartition", 1, &[COMPACTED]),
                );
                let mut rig = rig(mode).chunks(&chunks);
                rig.send(&sent)
                    .send(&framed(&heartbeat("app", "member", None)));
                let found = match mode {
                    Mode::Off => None,
                    Mode::Observe | Mode::Enforce => Some(2),
                };
                let counted = rig.overrides(Scenario::WeakTopicCreation);
                assert_eq!(counted.get(mode.name()).copied(), found);
                let mut expected = match mode {
                    Mode::Enforce => joining(
                        Internal("app-store-changelog", 3, &RAISED),
                        Internal("app-by-key-repartition", 3, &[COMPACTED, FLOOR]),
                    ),
                    _ => sent,
                };
                expected.extend(framed(&heartbeat("app", "member", None)));
                assert_eq!(rig.to_broker, expected, "{mode:?} {chunks:?} {factor}");
            }
        }
    }
}

#[test]
fn every_value_of_a_config_is_raised_and_a_topic_without_configs_gets_one() {
    let twice = [
        ("min.insync.replicas", "1"),
        COMPACTED,
        ("min.insync.replicas", "3"),
    ];
    let mut rig = rig(Mode::Enforce);
    rig.send(&joining(Internal("a", 3, &twice), Internal("b", 5, &[])));
    let raised = [FLOOR, COMPACTED, FLOOR];
    let expected = joining(Internal("a", 3, &raised), Internal("b", 5, &[FLOOR]));
    assert_eq!(rig.to_broker, expected);
}

#[test]
fn a_topology_above_the_floors_passes_and_its_answer_too_byte_for_byte() {
    let sent = joining(
        Internal("a", 3, &[FLOOR]),
        Internal("b", 4, &[COMPACTED, FLOOR]),
    );
    let mut rig = rig(Mode::Enforce);
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    let answer = [&[0, 0, 0, 7, 0, 0, 0, 7, 0][..], b"no"].concat();
    rig.answer(&answer);
    assert_eq!(rig.to_client, answer);
    assert_eq!(
        counted(&rig, Scenario::WeakTopicCreation, Mode::Enforce),
        (0, 0)
    );
}

#[test]
fn a_topology_with_a_topic_that_cannot_be_raised_is_refused_as_a_whole() {
    for mode in MODES {
        let sent = joining(Internal("a", 3, &WEAK), Internal("b", 0, &[FLOOR]));
        let mut rig = rig(mode);
        rig.view.brokers.remove(&3);
        rig.send(&sent);
        // What goes on unchanged is counted as what would have been done, what is refused is not counted as changed, too.
        let expected = match mode {
            Mode::Off => (0, 0),
            Mode::Observe => (1, 1),
            Mode::Enforce => (1, 0),
        };
        assert_eq!(counted(&rig, Scenario::WeakTopicCreation, mode), expected);
        if mode != Mode::Enforce {
            assert_eq!(rig.to_broker, sent);
            continue;
        }
        assert!(rig.to_broker.is_empty());
        // The size, the correlation id, and no tags.
        let (head, body) = rig.to_client.split_at(9);
        assert_eq!(head[4..], [0, 0, 0, 7, 0]);
        schema::prove(&schema::STREAMS_GROUP_HEARTBEAT_RESPONSE, 0, body).expect("an answer");
        let text = "weak_topic_creation: replication factor -1 on 2 known brokers, allowed: at least 3; \
                    refused by the gateway (topic b)";
        assert_eq!(told(body).expect("an answer"), (130, Some(text.to_owned())));
        assert!(rig.has(|event| matches!(
            event,
            Event::Rejection { api_key, error_code, .. } if api_key.0 == 88 && error_code.0 == 130
        )));
    }
}

#[test]
fn exempt_topics_of_a_topology_and_those_of_exempt_clients_are_created_as_asked_for() {
    let weak = Internal("scratch-changelog", 1, &WEAK);
    let sent = joining(weak, Internal("kept", 1, &[FLOOR]));
    for (topics, client_ids, expected) in [
        (
            &["scratch*"][..],
            &[][..],
            joining(weak, Internal("kept", 3, &[FLOOR])),
        ),
        (&[], &["app-*"], sent.clone()),
    ] {
        let mut rig = rig(Mode::Enforce);
        rig.policy.exemptions = vec![exemption(Scenario::WeakTopicCreation, topics, client_ids)];
        rig.send(&sent);
        assert_eq!(rig.to_broker, expected);
        assert!(rig.has(|event| matches!(event, Event::Exempted { .. })));
    }
    // Of a principal that is not known nobody is exempt.
    let mut rig = rig(Mode::Enforce);
    rig.policy.exemptions = vec![exemption(Scenario::WeakTopicCreation, &[], &[])];
    rig.policy.exemptions[0].principals = vec![Pattern("User:streams".into())];
    rig.send(&sent);
    assert_ne!(rig.to_broker, sent);
}

#[test]
fn a_heartbeat_that_does_not_follow_its_schema_is_closed() {
    let mut body = heartbeat("app", "member", None);
    body.push(0);
    let mut rig = rig(Mode::Enforce);
    rig.send(&framed(&body));
    assert!(rig.to_broker.is_empty());
    assert_eq!(rig.closes(), [CloseCause::Malformed]);
}
