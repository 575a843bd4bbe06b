//! Floor 2 as a client and a broker see it: one file per scenario, each tried with every acks in every mode.

mod ack_timeout;
mod acked_truncation;
mod acks_leader;
mod acks_none;
mod admin;
mod appends;
mod auto_topic_creation;
mod cluster_downgrade;
mod commit_ahead;
mod commit_hold_back;
mod commit_past_end;
mod commit_regression;
mod commit_retention;
mod destructive_admin;
mod dirty_read;
mod future_timestamp;
mod ignored_error;
mod legacy_format;
mod new_partition_skip;
mod not_idempotent;
mod not_transactional;
mod offset_reset;
mod offsets_expired;
mod oversized_batch;
mod oversized_request;
mod partition_growth;
mod replica_reduction;
mod retention_overrun;
mod risky_client;
mod stale_timestamp;
mod unclean_election;
mod under_replicated;
mod weak_topic;
mod weak_topic_creation;
mod weakening_config;

use crate::support::rig::{Rig, frame, one, records};
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::Event;

const MODES: [Mode; 3] = [Mode::Off, Mode::Observe, Mode::Enforce];

/// What became of one request of three records with a timeout of 100 ms.
#[derive(Clone, PartialEq, Debug)]
struct Case {
    /// As the broker saw them.
    acks: i16,
    timeout_ms: i32,
    /// How many the client got.
    answers: usize,
    /// Records confirmed, refused, unknown.
    ends: (u64, u64, u64),
    /// Overrides, in the order of the scenarios.
    counted: Vec<(Scenario, Mode)>,
}

/// The same at every version that differs on the wire, and in two pieces: the short way and the long way must agree.
fn try_one(policy: Settings, acks: i16) -> Case {
    let mut cases = Vec::new();
    for version in [3, 8, 9, 13] {
        let bytes = frame(1, &one(version, acks, records(version, 3)).timeout_ms(100));
        for at in [0, 13, 30, 60, bytes.len() - 1] {
            let mut rig = Rig::new(policy.clone()).topic("orders", None);
            rig.send(&bytes[..at]).send(&bytes[at..]);
            let seen = &rig.produced()[0];
            let counted = rig.events.iter().filter_map(|event| match event {
                Event::Override {
                    scenario,
                    mode,
                    count: 1,
                    ..
                } => Some((*scenario, *mode)),
                _ => None,
            });
            cases.push(Case {
                acks: seen.acks,
                timeout_ms: seen.timeout_ms,
                answers: rig.client_frames().len(),
                ends: rig.sums(),
                counted: counted.collect(),
            });
        }
    }
    cases.dedup();
    assert_eq!(cases.len(), 1, "versions or chunks differ: {cases:?}");
    cases.remove(0)
}
