//! future_timestamp × acks × mode: by the batch header and the clock alone.

use super::appends::Case;
use crate::support::raw::{Batch, Produce, now_ms};
use crate::support::rig::one;
use holdfast::policy::Scenario;

const HOUR_MS: i64 = 3_600_000;

const CASE: Case = Case {
    scenario: Scenario::FutureTimestamp,
    error_code: 32,
    policy: |_| {},
    facts: |_| {},
};

fn ahead(by_ms: i64) -> impl Fn(i16, i16) -> Produce {
    move |version, acks| {
        let mut batch = Batch::of_ids(0, 3, 3);
        batch.timestamp_ms = now_ms() + by_ms;
        one(version, acks, batch.bytes())
    }
}

#[test]
fn a_batch_further_ahead_than_allowed_is_refused() {
    CASE.is_found(&[3, 8, 9, 13], ahead(2 * HOUR_MS));
    CASE.is_not_found(&[3, 8, 9, 13], ahead(HOUR_MS / 2));
    CASE.is_exempted(&ahead(2 * HOUR_MS)(9, -1));
    let patient = Case {
        policy: |policy| policy.max_ahead_ms = 3 * HOUR_MS,
        ..CASE
    };
    patient.is_not_found(&[9], ahead(2 * HOUR_MS));
}
