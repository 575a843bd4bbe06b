//! stale_timestamp × acks × mode: by the batch header and the topic's retention, confirmed before it refuses.

use super::appends::Case;
use crate::support::raw::{Batch, Produce, now_ms};
use crate::support::rig::{one, records};
use holdfast::cluster::{Keeping, TopicFacts};
use holdfast::policy::Scenario;

const HOUR_MS: i64 = 3_600_000;

const CASE: Case = Case {
    scenario: Scenario::StaleTimestamp,
    error_code: 32,
    policy: |_| {},
    facts: |facts| {
        facts.keeping = Keeping {
            retention_ms: Some(HOUR_MS),
            deletes: Some(true),
            create_time: Some(true),
            ..Keeping::default()
        }
    },
};

fn old(version: i16, acks: i16) -> Produce {
    let mut batch = Batch::of_ids(0, 3, 3);
    batch.timestamp_ms = now_ms() - 2 * HOUR_MS;
    one(version, acks, batch.bytes())
}

#[test]
fn a_batch_older_than_retention_is_refused() {
    CASE.is_found(&[3, 8, 9, 13], old);
    CASE.is_exempted(&old(9, -1));
    CASE.is_not_found(&[3, 9], |version, acks| {
        one(version, acks, records(version, 3))
    });
}

#[test]
fn a_topic_that_keeps_records_by_key_or_for_ever_or_stamps_them_itself_takes_old_ones() {
    for facts in [
        (|facts| facts.keeping.deletes = Some(false)) as fn(&mut TopicFacts),
        |facts| facts.keeping.retention_ms = Some(-1),
        |facts| facts.keeping.create_time = Some(false),
        |facts| facts.keeping = Keeping::default(),
    ] {
        Case { facts, ..CASE }.is_not_found(&[9], old);
    }
}

#[test]
fn a_retention_that_was_raised_meanwhile_refuses_nothing() {
    CASE.is_confirmed(&old(9, -1), |facts| facts.keeping.retention_ms = Some(-1));
}
