//! partition_growth × mode × version: a topic declared as keyed keeps its partitions, the others grow.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, topic};
use crate::support::rig::{Confirm, Rig, exemption, settings};
use holdfast::policy::{Mode, Pattern, Scenario};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::{ApiKey, CreatePartitionsRequest, CreatePartitionsResponse};
use std::sync::Arc;

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

/// `balances` is compacted, `events` is not.
fn knowing(mode: Mode) -> Rig {
    let mut rig = Rig::new(settings(mode))
        .topic("balances", None)
        .topic("events", None);
    for (name, compacts) in [("balances", true), ("events", false)] {
        rig = rig.facts(name, |facts| {
            facts.keeping.compacts = Some(compacts);
            facts.configs = Some(Arc::default());
        });
    }
    rig.without_broker()
}

#[test]
fn a_compacted_topic_does_not_grow_where_enforced_and_one_that_is_known_not_to_be_is_not_looked_up()
{
    for mode in MODES {
        let sent = request(KEY, 3, &growing(&["balances", "events"]));
        let mut rig = knowing(mode);
        rig.send(&sent);
        let found = usize::from(mode != Mode::Off);
        assert_eq!(counted(&rig, Scenario::PartitionGrowth, mode), (found, 0));
        assert_eq!(rig.confirms.len(), usize::from(mode == Mode::Enforce));
        if mode == Mode::Enforce {
            assert_eq!(
                passed::<CreatePartitionsRequest>(KEY, 3, &rig.to_broker),
                growing(&["events"])
            );
        } else {
            assert_eq!(rig.to_broker, sent);
        }
    }
}

#[test]
fn a_topic_of_which_nobody_tells_grows() {
    let sent = request(KEY, 3, &growing(&["balances", "new"]));
    let mut rig = knowing(Mode::Enforce);
    rig.confirm = Confirm::Silence;
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!(rig.confirms.len(), 2);
}
