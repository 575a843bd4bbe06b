//! auto_topic_creation × mode × version: what the broker is asked and what the client hears.

use super::MODES;
use super::admin::{counted, heard, request, response, topic};
use crate::support::rig::{Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
use kafka_protocol::messages::{ApiKey, BrokerId, MetadataRequest, MetadataResponse};

const SCENARIO: Scenario = Scenario::AutoTopicCreation;

fn asking(version: i16, names: Option<&[&str]>, allowed: bool) -> Vec<u8> {
    let one = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic(name)));
    let body = MetadataRequest::default()
        .with_topics(names.map(|names| names.iter().map(one).collect()))
        .with_allow_auto_topic_creation(version < 4 || allowed);
    request(ApiKey::Metadata, version, &body)
}

fn rig(mode: Mode) -> Rig {
    Rig::new(settings(mode))
        .topic("orders", None)
        .without_broker()
}

#[test]
fn from_version_4_on_the_flag_is_taken_back_where_a_topic_is_unknown_and_enforced() {
    for mode in MODES {
        for version in 4..=13 {
            let sent = asking(version, Some(&["orders", "odrers"]), true);
            for at in [0, 9, sent.len() - 1] {
                let mut rig = rig(mode);
                rig.send(&sent[..at]).send(&sent[at..]);
                let asked = asking(version, Some(&["orders", "odrers"]), mode != Mode::Enforce);
                assert_eq!(rig.to_broker, asked, "{mode:?} {version}");
                assert_eq!(
                    counted(&rig, SCENARIO, mode),
                    (0, usize::from(mode != Mode::Off))
                );
            }
        }
    }
}

#[test]
fn what_creates_nothing_passes_as_it_came() {
    for version in 0..=13 {
        let all: Option<&[&str]> = if version == 0 { Some(&[]) } else { None };
        let mut cases = vec![
            asking(version, all, true),
            asking(version, Some(&["orders"]), true),
        ];
        if version >= 4 {
            cases.push(asking(version, Some(&["odrers"]), false));
        }
        for sent in cases {
            let mut rig = rig(Mode::Enforce);
            rig.send(&sent);
            assert_eq!(rig.to_broker, sent, "{version}");
            assert_eq!(counted(&rig, SCENARIO, Mode::Enforce), (0, 0));
        }
    }
}

#[test]
fn before_version_4_an_unknown_topic_is_answered_beside_the_known_and_no_address_of_a_broker_with_it()
 {
    for version in 0..=3 {
        let mut rig = rig(Mode::Enforce);
        rig.send(&asking(version, Some(&["orders", "odrers"]), true));
        assert_eq!(rig.to_broker, asking(version, Some(&["orders"]), true));
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(1))
            .with_host("kafka-1".into())
            .with_port(9092);
        let orders = MetadataResponseTopic::default().with_name(Some(topic("orders")));
        let theirs = MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_topics(vec![orders]);
        rig.answer(&response(ApiKey::Metadata, version, &theirs));
        let answer: MetadataResponse = heard(ApiKey::Metadata, version, &rig.to_client);
        let topics = answer.topics.iter();
        let codes: Vec<_> = topics
            .map(|found| {
                (
                    found.name.as_ref().map(|name| name.to_string()),
                    found.error_code,
                )
            })
            .collect();
        assert_eq!(
            codes,
            [(Some("orders".into()), 0), (Some("odrers".into()), 3)]
        );
        assert_ne!(answer.brokers[0].host.as_str(), "kafka-1");
    }
}

#[test]
fn before_version_4_a_request_for_unknown_topics_alone_goes_nowhere() {
    for version in 0..=3 {
        let mut rig = rig(Mode::Enforce);
        rig.send(&asking(version, Some(&["odrers"]), true));
        assert!(
            rig.to_broker.is_empty(),
            "{version}: without topics it would ask for all of them"
        );
        let answer: MetadataResponse = heard(ApiKey::Metadata, version, &rig.to_client);
        assert_eq!(answer.topics[0].error_code, 3);
        assert!(
            !rig.learned.is_empty(),
            "the next try must find it, if it exists"
        );
    }
}

#[test]
fn an_exempt_topic_may_be_created() {
    for version in [3, 4, 13] {
        let mut policy = settings(Mode::Enforce);
        policy.exemptions = vec![exemption(SCENARIO, &["scratch-*"], &[])];
        let mut rig = Rig::new(policy).without_broker();
        let sent = asking(version, Some(&["scratch-1"]), true);
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
    }
}
