//! risky_client × mode: connections of libraries with known bugs are counted once each, and nothing else happens to them.

use super::MODES;
use crate::support::raw::{Body, request_frame};
use crate::support::rig::{Rig, exemption, settings};
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::Event;

fn counted(policy: Settings, name: &str, version: &str) -> u64 {
    let mut body = Body::new();
    body.compact_string(name).compact_string(version).tags();
    let sent = request_frame(18, 4, 1, Some("app"), &body.0);
    let mut rig = Rig::new(policy).without_broker();
    rig.send(&sent).send(&sent);
    assert_eq!(rig.to_broker, [sent.clone(), sent].concat());
    let observed = rig.events.iter().filter_map(|event| match event {
        Event::Observed {
            scenario: Scenario::RiskyClient,
            count,
            ..
        } => Some(*count),
        _ => None,
    });
    observed.sum()
}

#[test]
fn a_library_with_a_known_bug_is_counted_once_per_connection() {
    for mode in MODES {
        let expected = u64::from(mode != Mode::Off);
        let policy = settings(mode);
        assert_eq!(
            counted(policy.clone(), "apache-kafka-java", "3.8.0"),
            expected
        );
        assert_eq!(counted(policy.clone(), "sarama", "1.43.0"), expected);
        assert_eq!(counted(policy.clone(), "apache-kafka-java", "4.3.1"), 0);
        assert_eq!(counted(policy, "librdkafka", "2.12.1"), 0);
    }
}

#[test]
fn an_exempt_client_is_not_counted() {
    let mut policy = settings(Mode::Observe);
    policy.exemptions = vec![exemption(Scenario::RiskyClient, &[], &["app"])];
    assert_eq!(counted(policy, "sarama", "1.43.0"), 0);
}
