//! partition_growth × mode × version: a topic declared as keyed keeps its partitions, the others grow.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, topic};
use crate::support::rig::{Rig, exemption, settings};
use holdfast::policy::{Mode, Pattern, Scenario};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::{ApiKey, CreatePartitionsRequest, CreatePartitionsResponse};

const KEY: ApiKey = ApiKey::CreatePartitions;

fn rig(mode: Mode) -> Rig {
    let mut policy = settings(mode);
    policy.keyed_topics = vec![Pattern("accounts".into())];
    Rig::new(policy).without_broker()
}

fn growing(names: &[&str]) -> CreatePartitionsRequest {
    let topics = names.iter().map(|name| {
        CreatePartitionsTopic::default()
            .with_name(topic(name))
            .with_count(12)
            .with_assignments(None)
    });
    CreatePartitionsRequest::default()
        .with_topics(topics.collect())
        .with_timeout_ms(1000)
}

#[test]
fn a_keyed_topic_does_not_grow_where_enforced_and_the_others_do() {
    for mode in MODES {
        for version in 0..=3 {
            let sent = request(KEY, version, &growing(&["accounts", "metrics"]));
            let mut rig = rig(mode);
            rig.send(&sent);
            let found = usize::from(mode != Mode::Off);
            assert_eq!(counted(&rig, Scenario::PartitionGrowth, mode), (found, 0));
            if mode != Mode::Enforce {
                assert_eq!(rig.to_broker, sent);
                continue;
            }
            assert_eq!(
                passed::<CreatePartitionsRequest>(KEY, version, &rig.to_broker),
                growing(&["metrics"])
            );
            rig.answer(&response(
                KEY,
                version,
                &CreatePartitionsResponse::default(),
            ));
            let heard: CreatePartitionsResponse = heard(KEY, version, &rig.to_client);
            assert_eq!(heard.results[0].error_code, 44);
            assert_eq!(heard.results[0].name, topic("accounts"));
        }
    }
}

#[test]
fn an_exempt_topic_grows() {
    let mut rig = rig(Mode::Enforce);
    rig.policy.exemptions = vec![exemption(Scenario::PartitionGrowth, &["accounts"], &[])];
    let sent = request(KEY, 3, &growing(&["accounts"]));
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
}
