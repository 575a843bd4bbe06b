//! cluster_downgrade × mode × version: what takes something from the cluster is refused as a whole.

use super::MODES;
use super::admin::{counted, heard, request, text};
use crate::support::rig::{Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::*;

const SCENARIO: Scenario = Scenario::ClusterDowngrade;

fn update(version: i16, upgrade_type: i8) -> Vec<u8> {
    let key = FeatureUpdateKey::default()
        .with_feature(text("metadata.version"))
        .with_max_version_level(7);
    let key = match version {
        0 => key.with_allow_downgrade(upgrade_type == 3),
        _ => key.with_upgrade_type(upgrade_type),
    };
    let body = UpdateFeaturesRequest::default().with_feature_updates(vec![key]);
    request(ApiKey::UpdateFeatures, version, &body)
}

fn code(key: ApiKey, version: i16, frame: &[u8]) -> i16 {
    match key {
        ApiKey::UpdateFeatures => heard::<UpdateFeaturesResponse>(key, version, frame).error_code,
        ApiKey::UnregisterBroker => {
            heard::<UnregisterBrokerResponse>(key, version, frame).error_code
        }
        _ => heard::<RemoveRaftVoterResponse>(key, version, frame).error_code,
    }
}

#[test]
fn what_takes_from_the_cluster_is_refused_where_enforced() {
    let broker = UnregisterBrokerRequest::default().with_broker_id(BrokerId(2));
    let voter = RemoveRaftVoterRequest::default().with_voter_id(2);
    let cases = [
        (ApiKey::UpdateFeatures, 0, update(0, 3)),
        (ApiKey::UpdateFeatures, 1, update(1, 3)),
        (ApiKey::UpdateFeatures, 2, update(2, 3)),
        (
            ApiKey::UnregisterBroker,
            0,
            request(ApiKey::UnregisterBroker, 0, &broker),
        ),
        (
            ApiKey::RemoveRaftVoter,
            0,
            request(ApiKey::RemoveRaftVoter, 0, &voter),
        ),
    ];
    for mode in MODES {
        for (key, version, sent) in &cases {
            let mut rig = Rig::new(settings(mode)).without_broker();
            rig.send(sent);
            let found = usize::from(mode != Mode::Off);
            assert_eq!(counted(&rig, SCENARIO, mode), (found, 0));
            if mode != Mode::Enforce {
                assert_eq!(rig.to_broker, *sent);
                continue;
            }
            assert!(rig.to_broker.is_empty());
            assert_eq!(code(*key, *version, &rig.to_client), 44);
        }
    }
}

#[test]
fn upgrades_and_safe_downgrades_pass() {
    for (version, upgrade_type) in [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2)] {
        let mut rig = Rig::new(settings(Mode::Enforce)).without_broker();
        let sent = update(version, upgrade_type);
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
    }
}

#[test]
fn an_exempt_operator_unregisters_a_broker() {
    let mut rig = Rig::new(settings(Mode::Enforce)).without_broker();
    rig.policy.exemptions = vec![exemption(SCENARIO, &[], &["operator"])];
    let body = UnregisterBrokerRequest::default().with_broker_id(BrokerId(2));
    let sent = request(ApiKey::UnregisterBroker, 0, &body);
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
}
