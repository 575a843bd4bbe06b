//! weakening_config × mode × version: the resource that would weaken is refused, the others change.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, text};
use crate::support::rig::{Confirm, Rig, exemption, settings};
use holdfast::cluster::configs::{Configs, Held};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::Event;
use kafka_protocol::messages::alter_configs_request as whole;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::*;
use std::sync::Arc;

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
fn a_resource_that_stands_twice_is_refused_whole_as_a_broker_would_change_nothing_of_it() {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    let weak = resource(TOPIC, "orders", "min.insync.replicas", "1");
    let fine = resource(TOPIC, "orders", "retention.ms", "604800000");
    let other = resource(BROKER, "orders", "log.retention.ms", "604800000");
    let mut rig = Rig::new(settings(Mode::Enforce)).without_broker();
    rig.send(&request(KEY, 1, &asked(vec![fine, weak, other.clone()])));
    assert_eq!(
        passed::<IncrementalAlterConfigsRequest>(KEY, 1, &rig.to_broker),
        asked(vec![other])
    );
    rig.answer(&response(
        KEY,
        1,
        &IncrementalAlterConfigsResponse::default(),
    ));
    let heard: IncrementalAlterConfigsResponse = heard(KEY, 1, &rig.to_client);
    let codes: Vec<_> = heard
        .responses
        .iter()
        .map(|answer| answer.error_code)
        .collect();
    assert_eq!(codes, [44, 44]);
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

const DAY_MS: i64 = 86_400_000;

/// `orders` keeps its records for 30 days, and would for 7 without a value of its own; all else as it is by default.
fn knowing(mode: Mode) -> Rig {
    let configs = [
        ("min.insync.replicas", 2, 2),
        ("retention.ms", 30 * DAY_MS, 7 * DAY_MS),
        ("cleanup.policy", 1, 1),
    ];
    let rig = Rig::new(settings(mode)).topic("orders", None);
    let rig = rig.facts("orders", |facts| {
        let mut held = Configs::default();
        for (key, value, otherwise) in configs {
            let (value, otherwise) = (Some(value), Some(otherwise));
            held.hold(key, Held { value, otherwise });
        }
        facts.configs = Some(Arc::new(held));
    });
    rig.without_broker()
}

fn unverified(rig: &Rig) -> usize {
    let found =
        |event: &&Event| matches!(event, Event::Unverified { scenario } if *scenario == SCENARIO);
    rig.events.iter().filter(found).count()
}

#[test]
fn what_is_less_than_the_topic_has_today_is_refused_also_above_the_floor_and_looked_up_only_in_force()
 {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    for mode in MODES {
        for (days, found) in [(2, 1), (30, 0), (31, 0)] {
            let value = (days * DAY_MS).to_string();
            let body = asked(vec![resource(TOPIC, "orders", "retention.ms", &value)]);
            let sent = request(KEY, 1, &body);
            let mut rig = knowing(mode);
            rig.send(&sent);
            let found = if mode == Mode::Off { 0 } else { found };
            assert_eq!(counted(&rig, SCENARIO, mode), (found, 0), "{mode:?} {days}");
            assert_eq!(rig.confirms.len(), usize::from(mode == Mode::Enforce));
            assert_eq!(unverified(&rig), 0);
            if mode != Mode::Enforce || found == 0 {
                assert_eq!(rig.to_broker, sent);
                continue;
            }
            let heard: IncrementalAlterConfigsResponse = heard(KEY, 1, &rig.to_client);
            assert_eq!(
                heard.responses[0].error_message.as_deref(),
                Some(
                    "weakening_config: found retention.ms=172800000, allowed: at least 2592000000, as today; refused by the gateway"
                )
            );
        }
    }
}

#[test]
fn where_nobody_tells_what_a_topic_has_the_floors_decide_and_that_is_counted() {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    let two_days = (2 * DAY_MS).to_string();
    for (mode, value, refused) in [
        (Mode::Enforce, two_days.as_str(), false),
        (Mode::Enforce, "1000", true),
        (Mode::Observe, "1000", false),
    ] {
        let sent = request(
            KEY,
            1,
            &asked(vec![resource(TOPIC, "new", "retention.ms", value)]),
        );
        let mut rig = knowing(mode);
        rig.confirm = Confirm::Silence;
        rig.send(&sent);
        assert_eq!(rig.to_broker.is_empty(), refused, "{value}");
        assert_eq!(unverified(&rig), 1);
        // What is observed is known the next time.
        assert_eq!(rig.learned.len(), usize::from(mode == Mode::Observe));
    }
}

#[test]
fn a_request_of_many_topics_waits_for_three_of_which_nobody_tells() {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let resources = names
        .iter()
        .map(|name| resource(TOPIC, name, "retention.ms", "-1"));
    let mut rig = knowing(Mode::Enforce);
    rig.confirm = Confirm::Silence;
    let sent = request(KEY, 1, &asked(resources.collect()));
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!((rig.confirms.len(), unverified(&rig)), (3, 20));
}

#[test]
fn alter_configs_takes_back_what_it_leaves_out_and_passes_where_that_lowers_nothing() {
    const KEY: ApiKey = ApiKey::AlterConfigs;
    let retention = |days: i64| (days * DAY_MS).to_string();
    let unlike_today = retention(7);
    for (configs, found) in [
        (
            vec![("segment.bytes", "1048576")],
            Some("its removal (then 604800000)"),
        ),
        (
            vec![("retention.ms", unlike_today.as_str())],
            Some("604800000"),
        ),
        (
            vec![("retention.ms", "-1"), ("segment.bytes", "1048576")],
            None,
        ),
    ] {
        let configs = configs.into_iter().map(|(key, value)| {
            whole::AlterableConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        });
        let resource = whole::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("orders"))
            .with_configs(configs.collect());
        let sent = request(
            KEY,
            2,
            &AlterConfigsRequest::default().with_resources(vec![resource]),
        );
        let mut rig = knowing(Mode::Enforce);
        rig.send(&sent);
        match found {
            None => assert_eq!(rig.to_broker, sent),
            Some(found) => {
                let heard: AlterConfigsResponse = heard(KEY, 2, &rig.to_client);
                let told = heard.responses[0].error_message.clone().unwrap_or_default();
                let expected = format!(
                    "weakening_config: found retention.ms={found}, allowed: at least 2592000000, as today; refused by the gateway"
                );
                assert_eq!(told.as_str(), expected);
            }
        }
    }
}
