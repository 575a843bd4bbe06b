//! weakening_config × mode × version: the resource that would weaken is refused, the others change.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, text};
use crate::support::rig::{Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario};
use kafka_protocol::messages::alter_configs_request as whole;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::*;

const SCENARIO: Scenario = Scenario::WeakeningConfig;
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn resource(resource_type: i8, name: &str, key: &str, value: &str) -> AlterConfigsResource {
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(0)
        .with_value(Some(text(value)));
    AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configs(vec![config])
}

fn asked(resources: Vec<AlterConfigsResource>) -> IncrementalAlterConfigsRequest {
    IncrementalAlterConfigsRequest::default().with_resources(resources)
}

#[test]
fn a_weakening_resource_is_refused_where_enforced_and_the_others_go_on() {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    for mode in MODES {
        for version in 0..=1 {
            for validate_only in [false, true] {
                let weak = resource(TOPIC, "orders", "min.insync.replicas", "1");
                let default = resource(BROKER, "", "unclean.leader.election.enable", "true");
                let fine = resource(TOPIC, "orders2", "retention.ms", "604800000");
                let body =
                    asked(vec![weak, fine.clone(), default]).with_validate_only(validate_only);
                let sent = request(KEY, version, &body);
                let mut rig = Rig::new(settings(mode)).without_broker();
                rig.send(&sent);
                let found = if mode == Mode::Off { 0 } else { 2 };
                assert_eq!(counted(&rig, SCENARIO, mode), (found, 0));
                if mode != Mode::Enforce {
                    assert_eq!(rig.to_broker, sent);
                    continue;
                }
                assert_eq!(
                    passed::<IncrementalAlterConfigsRequest>(KEY, version, &rig.to_broker),
                    asked(vec![fine]).with_validate_only(validate_only)
                );
                let theirs = IncrementalAlterConfigsResponse::default();
                rig.answer(&response(KEY, version, &theirs));
                let heard: IncrementalAlterConfigsResponse = heard(KEY, version, &rig.to_client);
                let answers: Vec<_> = heard
                    .responses
                    .iter()
                    .map(|answer| {
                        let name = answer.resource_name.as_str();
                        (answer.resource_type, name, answer.error_code)
                    })
                    .collect();
                assert_eq!(answers, [(TOPIC, "orders", 44), (BROKER, "", 44)]);
                assert_eq!(
                    heard.responses[0].error_message.as_deref(),
                    Some(
                        "weakening_config: found min.insync.replicas=1, allowed: at least 2; refused by the gateway"
                    )
                );
            }
        }
    }
}

#[test]
fn a_whole_configuration_that_resets_what_it_omits_is_refused() {
    const KEY: ApiKey = ApiKey::AlterConfigs;
    for version in 0..=2 {
        let resource = |kind, name: &str| {
            whole::AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
        };
        let logger = resource(8, "1");
        let body = AlterConfigsRequest::default()
            .with_resources(vec![resource(TOPIC, "orders"), logger.clone()]);
        let mut rig = Rig::new(settings(Mode::Enforce)).without_broker();
        rig.send(&request(KEY, version, &body));
        let passed: AlterConfigsRequest = passed(KEY, version, &rig.to_broker);
        assert_eq!(passed.resources, [logger]);
        rig.answer(&response(KEY, version, &AlterConfigsResponse::default()));
        let heard: AlterConfigsResponse = heard(KEY, version, &rig.to_client);
        assert_eq!(heard.responses[0].error_code, 44);
    }
}

#[test]
fn an_exempt_topic_is_weakened() {
    let mut rig = Rig::new(settings(Mode::Enforce)).without_broker();
    rig.policy.exemptions = vec![exemption(SCENARIO, &["scratch"], &[])];
    let body = asked(vec![resource(TOPIC, "scratch", "retention.ms", "1")]);
    let sent = request(ApiKey::IncrementalAlterConfigs, 1, &body);
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
}
