//! legacy_format × acks × mode: old requests, and old messages in newer ones.

use super::appends::Case;
use crate::support::raw::Produce;
use crate::support::rig::{one, records};
use holdfast::policy::Scenario;

const CASE: Case = Case {
    scenario: Scenario::LegacyFormat,
    error_code: 35,
    policy: |_| {},
    facts: |_| {},
};

fn plain(version: i16, acks: i16) -> Produce {
    one(version, acks, records(version, 1))
}

#[test]
fn an_old_request_is_refused_by_its_version_and_an_old_message_by_its_format() {
    CASE.is_found(&[0, 1, 2], plain);
    let by_format = Case {
        error_code: 43,
        ..CASE
    };
    by_format.is_found(&[3, 9], |version, acks| one(version, acks, records(2, 1)));
    CASE.is_not_found(&[3, 8, 9, 13], plain);
    CASE.is_exempted(&plain(2, 1));
}
