//! new_partition_skip beyond what `offsets_expired.rs` tries of both: which partitions are new to a group.

use crate::support::offsets::{fetch, fetched};
use crate::support::rig::{Rig, settings};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::Event;

#[test]
fn a_partition_that_was_there_at_first_sight_is_not_new() {
    let mut policy = settings(Mode::Enforce);
    policy.repair_new_partition_skip = true;
    let mut rig = Rig::new(policy).topic("orders", None).without_broker();
    for version in 1..=10 {
        let lacking = fetched(version, 2, "g", &[("orders", &[(3, -1)])]);
        rig.to_client.clear();
        rig.send(&fetch(version, 2, &["g"]));
        rig.answer(&lacking);
        assert_eq!(rig.to_client, lacking, "{version}");
    }
    let found = |event: &Event| {
        matches!(
            event,
            Event::Observed {
                scenario: Scenario::NewPartitionSkip,
                ..
            }
        )
    };
    assert!(!rig.events.iter().any(found));
}
