//! not_transactional × acks × mode: only on topics that are named.

use super::appends::Case;
use crate::support::raw::Produce;
use crate::support::rig::{one, records};
use holdfast::policy::{Pattern, Scenario};

const CASE: Case = Case {
    scenario: Scenario::NotTransactional,
    error_code: 44,
    policy: |policy| policy.transactional_topics = vec![Pattern("orders".into())],
    facts: |_| {},
};

fn plain(version: i16, acks: i16) -> Produce {
    one(version, acks, records(version, 3))
}

#[test]
fn a_request_without_a_transaction_is_refused_where_the_topic_demands_one() {
    CASE.is_found(&[3, 8, 9, 13], plain);
    CASE.is_not_found(&[3, 8, 9, 13], |version, acks| Produce {
        transactional_id: Some("payer".into()),
        ..plain(version, acks)
    });
    CASE.is_exempted(&plain(9, -1));
    let unnamed = Case {
        policy: |_| {},
        ..CASE
    };
    unnamed.is_not_found(&[9], plain);
}
