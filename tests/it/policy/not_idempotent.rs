//! not_idempotent × acks × mode: refused only where a topic demands idempotence, counted elsewhere.

use super::appends::Case;
use crate::support::raw::{Batch, Produce};
use crate::support::rig::{Rig, frame, one, produce, records, settings};
use holdfast::policy::{Mode, Pattern, Scenario};

const CASE: Case = Case {
    scenario: Scenario::NotIdempotent,
    error_code: 44,
    policy: |policy| policy.idempotent_topics = vec![Pattern("ord*".into())],
    facts: |_| {},
};

fn plain(version: i16, acks: i16) -> Produce {
    one(version, acks, records(version, 3))
}

fn idempotent(version: i16, acks: i16) -> Produce {
    one(
        version,
        acks,
        Batch::of_ids(0, 3, 3).producer(7, 0, 0).bytes(),
    )
}

#[test]
fn a_batch_without_a_producer_id_is_refused_where_the_topic_demands_one() {
    CASE.is_found(&[3, 8, 9, 13], plain);
    CASE.is_not_found(&[3, 8, 9, 13], idempotent);
    CASE.is_exempted(&plain(9, -1));
}

#[test]
fn a_topic_that_demands_nothing_is_only_counted_and_never_held() {
    let mut policy = settings(Mode::Off);
    policy.modes[Scenario::NotIdempotent as usize] = Mode::Enforce;
    let mut rig = Rig::new(policy).topic("orders", None);
    let sent = frame(1, &plain(9, -1));
    rig.send(&sent[..60]);
    assert_eq!(rig.to_broker, sent[..rig.to_broker.len()]);
    rig.send(&sent[60..]);
    assert_eq!(rig.to_broker, sent);
    assert_eq!(rig.rejections(CASE.scenario), [("observe", 1)].into());
}

#[test]
fn of_a_request_with_both_kinds_of_batch_only_the_other_kind_goes_on() {
    let mut rig = CASE.rig(Mode::Enforce);
    let batches = [
        (0, Batch::of_ids(0, 1, 3).bytes()),
        (1, Batch::of_ids(0, 1, 3).producer(7, 0, 0).bytes()),
    ];
    rig.send(&frame(1, &produce(9, -1, &[("orders", &batches)])));
    assert_eq!(rig.produced()[0].places(), [("orders", 1)]);
}

#[test]
fn many_requests_in_a_row_are_one_event_with_a_count() {
    let mut rig = CASE.rig(Mode::Observe);
    let all: Vec<u8> = (0..50).flat_map(|id| frame(id, &plain(9, -1))).collect();
    rig.send(&all);
    assert_eq!(rig.rejections(CASE.scenario), [("observe", 50)].into());
}
