//! Requests that come in one read and begin alike are not parsed again: each is judged by its own batch all the same, as if
//! it had come alone.

use crate::support::raw::{Batch, message_set, now_ms};
use crate::support::rig::{Rig, frame, one, settings};
use holdfast::policy::appends::SCENARIOS;
use holdfast::policy::{Mode, Scenario};
use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;

/// Batches that differ in what a scenario may find, with common ones between them.
fn batches() -> Vec<Vec<u8>> {
    let common = Batch::of_ids(0, 3, 3);
    let at = |ms: i64| Batch {
        timestamp_ms: now_ms() + ms,
        ..common.clone()
    };
    let old = message_set(1, &[(None, Some(b"old".to_vec()))]);
    let several = [common.bytes(), common.bytes()].concat();
    [
        common.bytes(),
        at(DAY_MS).bytes(),
        common.bytes(),
        common.clone().producer(7, 0, 0).bytes(),
        at(-30 * DAY_MS).bytes(),
        old,
        common.bytes(),
        several,
        Batch::of_ids(0, 40, 3).bytes(),
        common.bytes(),
    ]
    .into()
}

fn rig(found: Scenario, mode: Mode) -> Rig {
    let mut policy = settings(Mode::Enforce);
    policy.modes[found as usize] = mode;
    let mut rig = Rig::new(policy)
        .topic("orders", Some(1_000))
        .facts("orders", |facts| {
            facts.keeping.retention_ms = Some(DAY_MS);
            facts.keeping.deletes = Some(true);
            facts.keeping.create_time = Some(true);
        });
    // So that none waits for the answer to another, which would end the read.
    rig.limits.max_absorbed_in_flight = 100;
    rig
}

/// What is counted, by scenario.
fn rejections(rig: &Rig) -> Vec<BTreeMap<&'static str, u64>> {
    let all = Scenario::ALL.iter();
    all.map(|scenario| rig.rejections(*scenario)).collect()
}

#[test]
fn requests_of_one_read_become_what_they_become_one_by_one() {
    for (version, acks) in [(3, 0), (9, 0), (3, 1), (9, 1), (3, -1), (9, -1), (13, -1)] {
        for found in SCENARIOS {
            for mode in [Mode::Off, Mode::Observe, Mode::Enforce] {
                // What is refused to a client that sent acks=0 ends its connection.
                if acks == 0 && mode == Mode::Enforce {
                    continue;
                }
                let frames: Vec<_> = (1..)
                    .zip(batches())
                    .map(|(id, records)| frame(id, &one(version, acks, records)))
                    .collect();
                let (mut together, mut alone) = (rig(found, mode), rig(found, mode));
                together.send(&frames.concat());
                for frame in &frames {
                    alone.send(frame);
                }
                let what = format!("version {version} acks {acks} {found:?} {mode:?}");
                assert_eq!(together.to_broker, alone.to_broker, "{what}");
                assert_eq!(together.to_client, alone.to_client, "{what}");
                assert_eq!(rejections(&together), rejections(&alone), "{what}");
                assert_eq!(together.sums(), alone.sums(), "{what}");
                assert!(!together.to_broker.is_empty(), "{what}");
                // All but the one with a producer id.
                if mode == Mode::Observe && acks == -1 && found == Scenario::NotIdempotent {
                    let counted = together.rejections(found);
                    assert_eq!(counted.get("observe"), Some(&9), "{what}: {counted:?}");
                }
            }
        }
    }
}
