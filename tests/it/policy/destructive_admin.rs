//! destructive_admin × mode × version: what is protected stays, what is not goes on.

use super::MODES;
use super::admin::{counted, heard, passed, request, response, text, topic};
use crate::support::offsets::{Commit, Offsets, codes, committed};
use crate::support::raw::{Body, Cursor, request_frame};
use crate::support::rig::{Confirm, Rig, exemption, settings, stranger, topic_id};
use holdfast::cluster::TopicRef;
use holdfast::policy::{Mode, Pattern, Scenario};
use holdfast::session::event::Event;
use kafka_protocol::messages::alter_share_group_offsets_request::AlterShareGroupOffsetsRequestTopic;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use kafka_protocol::messages::*;
use std::sync::Arc;

const SCENARIO: Scenario = Scenario::DestructiveAdmin;

fn rig(mode: Mode) -> Rig {
    let mut policy = settings(mode);
    policy.protected_topics = vec![Pattern("orders*".into())];
    policy.protected_groups = vec![Pattern("billing".into())];
    Rig::new(policy)
        .without_broker()
        .topic("orders", None)
        .topic("metrics", None)
}

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

fn by_name(version: i16, names: &[&str]) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(1000);
    match version {
        6.. => request.with_topics(
            names
                .iter()
                .map(|name| DeleteTopicState::default().with_name(Some(topic(name))))
                .collect(),
        ),
        _ => request.with_topic_names(names.iter().map(|name| topic(name)).collect()),
    }
}

fn by_id(id: [u8; 16]) -> DeleteTopicsRequest {
    let id = format!("{:032x}", u128::from_be_bytes(id));
    let state = DeleteTopicState::default()
        .with_name(None)
        .with_topic_id(id.parse().expect("an id"));
    DeleteTopicsRequest::default().with_topics(vec![state])
}

#[test]
fn a_protected_topic_is_not_deleted_and_the_others_are() {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    for mode in MODES {
        for version in 1..=6 {
            let sent = request(KEY, version, &by_name(version, &["orders", "metrics"]));
            let mut rig = rig(mode);
            rig.send(&sent);
            let found = usize::from(mode != Mode::Off);
            assert_eq!(counted(&rig, SCENARIO, mode), (found, 0));
            if mode != Mode::Enforce {
                assert_eq!(rig.to_broker, sent);
                continue;
            }
            assert_eq!(
                passed::<DeleteTopicsRequest>(KEY, version, &rig.to_broker),
                by_name(version, &["metrics"])
            );
            let theirs = DeletableTopicResult::default().with_name(Some(topic("metrics")));
            let theirs = DeleteTopicsResponse::default().with_responses(vec![theirs]);
            rig.answer(&response(KEY, version, &theirs));
            let heard: DeleteTopicsResponse = heard(KEY, version, &rig.to_client);
            let codes: Vec<_> = heard
                .responses
                .iter()
                .map(|topic| topic.error_code)
                .collect();
            let code = if matches!(version, 3 | 4) { 73 } else { 44 };
            assert_eq!(codes, [0, code]);
            assert_eq!(heard.responses[1].error_message.is_some(), version >= 5);
        }
    }
}

#[test]
fn an_id_does_not_evade_the_protection_of_its_name() {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    for (id, refused) in [
        (topic_id("orders"), true),
        (topic_id("metrics"), false),
        ([9; 16], true),
    ] {
        let mut rig = rig(Mode::Enforce);
        let sent = request(KEY, 6, &by_id(id));
        rig.send(&sent);
        assert_eq!(rig.to_broker.is_empty(), refused, "{id:?}");
        if refused {
            let heard: DeleteTopicsResponse = heard(KEY, 6, &rig.to_client);
            assert_eq!(heard.responses[0].error_code, 44);
            assert_eq!(heard.responses[0].topic_id.into_bytes(), id);
        }
    }
}

#[test]
fn records_of_a_protected_topic_are_not_deleted() {
    const KEY: ApiKey = ApiKey::DeleteRecords;
    let asked = |names: &[&str]| {
        let topics = names.iter().map(|name| {
            let partition = |index| {
                DeleteRecordsPartition::default()
                    .with_partition_index(index)
                    .with_offset(-1)
            };
            DeleteRecordsTopic::default()
                .with_name(topic(name))
                .with_partitions(vec![partition(2), partition(3)])
        });
        DeleteRecordsRequest::default().with_topics(topics.collect())
    };
    for version in 0..=2 {
        let mut rig = rig(Mode::Enforce);
        rig.send(&request(KEY, version, &asked(&["orders", "metrics"])));
        let passed: DeleteRecordsRequest = passed(KEY, version, &rig.to_broker);
        assert_eq!(passed, asked(&["metrics"]));
        rig.answer(&response(KEY, version, &DeleteRecordsResponse::default()));
        let heard: DeleteRecordsResponse = heard(KEY, version, &rig.to_client);
        let partition = &heard.topics[0].partitions[0];
        assert_eq!((partition.partition_index, partition.error_code), (2, 44));
        let counts = rig.events.iter().filter_map(|event| match event {
            Event::Rejection { count, .. } => Some(*count),
            _ => None,
        });
        assert_eq!(counts.collect::<Vec<_>>(), [2], "partitions");
    }
}

#[test]
fn a_protected_group_keeps_itself_and_its_offsets() {
    let mut rig1 = rig(Mode::Enforce);
    const KEY: ApiKey = ApiKey::DeleteGroups;
    for version in 0..=2 {
        rig1 = rig(Mode::Enforce);
        let both = vec![group("billing"), group("other")];
        rig1.send(&request(
            KEY,
            version,
            &DeleteGroupsRequest::default().with_groups_names(both),
        ));
        let passed: DeleteGroupsRequest = passed(KEY, version, &rig1.to_broker);
        assert_eq!(passed.groups_names, [group("other")]);
        let theirs = DeletableGroupResult::default().with_group_id(group("other"));
        let theirs = DeleteGroupsResponse::default().with_results(vec![theirs]);
        rig1.answer(&response(KEY, version, &theirs));
        let heard: DeleteGroupsResponse = heard(KEY, version, &rig1.to_client);
        let codes: Vec<_> = heard.results.iter().map(|group| group.error_code).collect();
        assert_eq!(codes, [0, 44]);
    }
    assert_eq!(counted(&rig1, SCENARIO, Mode::Enforce), (1, 0));

    for (id, named, refused) in [
        ("billing", "metrics", true),
        ("other", "orders", true),
        ("other", "metrics", false),
    ] {
        let asked = OffsetDeleteRequest::default()
            .with_group_id(group(id))
            .with_topics(vec![
                OffsetDeleteRequestTopic::default().with_name(topic(named)),
            ]);
        let mut rig1 = rig(Mode::Enforce);
        rig1.send(&request(ApiKey::OffsetDelete, 0, &asked));
        assert_eq!(rig1.to_broker.is_empty(), refused);
        if refused {
            let heard: OffsetDeleteResponse = heard(ApiKey::OffsetDelete, 0, &rig1.to_client);
            assert_eq!(heard.error_code, 44);
        }

        let key = ApiKey::AlterShareGroupOffsets;
        let asked = AlterShareGroupOffsetsRequest::default()
            .with_group_id(group(id))
            .with_topics(vec![
                AlterShareGroupOffsetsRequestTopic::default().with_topic_name(topic(named)),
            ]);
        let mut rig1 = rig(Mode::Enforce);
        rig1.send(&request(key, 0, &asked));
        assert_eq!(rig1.to_broker.is_empty(), refused);
        if refused {
            let heard: AlterShareGroupOffsetsResponse = heard(key, 0, &rig1.to_client);
            assert_eq!(heard.error_code, 44);
        }

        let key = ApiKey::DeleteShareGroupOffsets;
        let asked = DeleteShareGroupOffsetsRequest::default()
            .with_group_id(group(id))
            .with_topics(vec![
                DeleteShareGroupOffsetsRequestTopic::default().with_topic_name(topic(named)),
            ]);
        let mut rig1 = rig(Mode::Enforce);
        rig1.send(&request(key, 0, &asked));
        assert_eq!(rig1.to_broker.is_empty(), refused);
        if refused {
            let heard: DeleteShareGroupOffsetsResponse = heard(key, 0, &rig1.to_client);
            assert_eq!(heard.error_code, 44);
        }
    }
}

/// InitializeShareGroupState 0, WriteShareGroupState 0 and 1, DeleteShareGroupState 0: of two partitions of a topic.
const STATES: [(i16, i16); 4] = [(83, 0), (85, 0), (85, 1), (86, 0)];

fn state(key: i16, version: i16, group: &str, id: [u8; 16]) -> Vec<u8> {
    let mut body = Body::new();
    body.compact_string(group);
    body.array(1, true).bytes(&id).array(2, true);
    for partition in [0, 3] {
        body.i32(partition);
        match key {
            83 => drop(body.i32(0).i64(0)),
            85 => {
                body.i32(0).i32(0).i64(99);
                if version == 1 {
                    body.i32(-1);
                }
                body.array(1, true).i64(99).i64(120).i8(2).i16(1).tags();
            }
            _ => {}
        }
        body.tags();
    }
    body.tags().tags();
    request_frame(key, version, 7, Some("app"), &body.0)
}

#[test]
fn what_only_brokers_write_of_a_protected_share_group_or_topic_is_answered_whole() {
    for (key, version) in STATES {
        for (group, id, found) in [
            ("billing", topic_id("metrics"), true),
            ("other", topic_id("orders"), true),
            ("other", [9; 16], true),
            ("other", topic_id("metrics"), false),
        ] {
            for mode in MODES {
                let sent = state(key, version, group, id);
                let mut rig = rig(mode);
                rig.send(&sent);
                let expected = usize::from(found && mode != Mode::Off);
                assert_eq!(counted(&rig, SCENARIO, mode), (expected, 0));
                if !found || mode != Mode::Enforce {
                    assert_eq!(rig.to_broker, sent, "{key} {version} {mode:?}");
                    continue;
                }
                assert!(rig.to_broker.is_empty(), "{key} {version}");
                // All three answers are alike.
                let mut heard = Cursor::new(&rig.to_client[8..]);
                let mut read = || {
                    heard.tags_if(true)?;
                    let results = heard.array(true, |cursor| {
                        let id = cursor.uuid()?;
                        let partitions = cursor.array(true, |cursor| {
                            let found = (cursor.i32()?, cursor.i16()?, cursor.string(true)?);
                            cursor.tags_if(true).map(|_| found)
                        })?;
                        cursor.tags_if(true).map(|_| (id, partitions))
                    })?;
                    heard.tags_if(true).map(|_| results)
                };
                let told = read().expect("an answer");
                assert!(heard.rest().is_empty());
                assert_eq!(told[0].0, id);
                let codes: Vec<_> = told[0].1.iter().map(|found| (found.0, found.1)).collect();
                assert_eq!(codes, [(0, 44), (3, 44)]);
                let text = told[0].1[0].2.clone().expect("a text");
                assert!(text.starts_with("destructive_admin: found"), "{text}");
            }
        }
    }
}

#[test]
fn an_exempt_operator_deletes_what_is_protected() {
    let mut rig = rig(Mode::Enforce);
    rig.policy.exemptions = vec![exemption(SCENARIO, &[], &["operator"])];
    let sent = request(ApiKey::DeleteTopics, 6, &by_name(6, &["orders"]));
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
}

/// A protected group that committed 5 of `orders` 0 and 1; only this scenario, so that its logs are nobody's business.
fn with_commits(mode: Mode) -> Rig {
    with_commits_and(mode, &[])
}

/// The same, with other scenarios in force.
fn with_commits_and(mode: Mode, others: &[Scenario]) -> Rig {
    let mut rig = rig_of_this_alone(mode);
    for scenario in others {
        rig.policy.modes[*scenario as usize] = Mode::Enforce;
    }
    for partition in [0, 1] {
        rig.log_ends.insert(("orders", partition), 10);
        rig.group_offsets
            .insert(("billing", "orders", partition), 5);
    }
    rig.send(&member(&[("orders", &[(0, 5), (1, 5)])]).frame(1));
    rig.answer(&committed(8, 1, &[("orders", &[(0, 0), (1, 0)])]));
    rig.to_broker.clear();
    rig.to_client.clear();
    rig
}

/// With no other scenario.
fn rig_of_this_alone(mode: Mode) -> Rig {
    let mut rig = rig(mode);
    rig.policy.modes = settings(Mode::Off).modes;
    rig.policy.modes[SCENARIO as usize] = mode;
    rig
}

fn member(offsets: Offsets<'_>) -> Commit<'_> {
    Commit {
        group: "billing",
        ..Commit::new(8, offsets)
    }
}

/// As a tool commits.
fn reset(version: i16, offsets: Offsets<'_>) -> Commit<'_> {
    Commit {
        group: "billing",
        generation: -1,
        member: "",
        ..Commit::new(version, offsets)
    }
}

fn unverified(rig: &Rig) -> usize {
    let found =
        |event: &&Event| matches!(event, Event::Unverified { scenario } if *scenario == SCENARIO);
    rig.events.iter().filter(found).count()
}

#[test]
fn a_commit_of_nobodys_that_jumps_forward_in_a_protected_group_is_refused_alone_where_enforced() {
    for mode in MODES {
        for version in 2..=10 {
            let sent = reset(version, &[("orders", &[(0, 4), (1, 6)])]).frame(7);
            let mut rig = with_commits(mode);
            rig.send(&sent);
            let found = usize::from(mode != Mode::Off);
            assert_eq!(counted(&rig, SCENARIO, mode), (found, 0), "{version}");
            if mode != Mode::Enforce {
                assert_eq!(rig.to_broker, sent);
                continue;
            }
            let left = reset(version, &[("orders", &[(0, 4)])]).frame(7);
            assert_eq!(rig.to_broker, left, "{version}");
            rig.answer(&committed(version, 7, &[("orders", &[(0, 0)])]));
            assert_eq!(
                codes(version, &rig.to_client, &["orders"]),
                [("orders".to_owned(), vec![(0, 0), (1, 44)])]
            );
        }
    }
}

/// A coordinator does not look at the member where the generation is below 0 and the group is empty.
#[test]
fn a_commit_of_no_generation_is_nobodys_whatever_member_it_names() {
    for (generation, member) in [(-1, "abc"), (-5, "zz"), (i32::MIN, "")] {
        let sent = Commit {
            generation,
            member,
            ..reset(8, &[("orders", &[(1, 6)])])
        };
        let mut rig = with_commits(Mode::Enforce);
        rig.send(&sent.frame(7));
        assert_eq!(
            (rig.to_broker.len(), counted(&rig, SCENARIO, Mode::Enforce)),
            (0, (1, 0)),
            "{generation} {member}"
        );
    }
}

#[test]
fn a_members_commit_and_one_of_a_group_that_is_not_protected_may_go_forward() {
    let mut rig = with_commits(Mode::Enforce);
    let other = Commit {
        group: "other",
        ..reset(8, &[("orders", &[(0, 99)])])
    };
    let sent = [member(&[("orders", &[(0, 99)])]).frame(2), other.frame(3)].concat();
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!(
        (counted(&rig, SCENARIO, Mode::Enforce), unverified(&rig)),
        ((0, 0), 0)
    );
}

#[test]
fn where_a_protected_group_is_decides_its_coordinator_and_not_what_went_through_before() {
    for version in 2..=10 {
        // This process has seen nothing of the group.
        let mut rig = rig_of_this_alone(Mode::Enforce);
        rig.group_offsets.insert(("billing", "orders", 0), 5);
        rig.group_offsets.insert(("billing", "orders", 1), -1);
        let offsets: Offsets<'_> = &[("orders", &[(0, 6), (1, 99)])];
        rig.send(&reset(version, offsets).frame(7));
        let asked = [("orders".into(), 0), ("orders".into(), 1)];
        assert_eq!(rig.places_asked, [("billing".into(), asked.to_vec())]);
        // A group that has no place there is given one.
        let left = reset(version, &[("orders", &[(1, 99)])]).frame(7);
        assert_eq!(rig.to_broker, left, "{version}");
        assert_eq!(
            (counted(&rig, SCENARIO, Mode::Enforce), unverified(&rig)),
            ((1, 0), 0)
        );
    }
    // Another instance has seen it go back.
    let mut rig = with_commits(Mode::Enforce);
    rig.group_offsets.insert(("billing", "orders", 0), 2);
    rig.send(&reset(8, &[("orders", &[(0, 4)])]).frame(7));
    assert!(rig.to_broker.is_empty());
}

#[test]
fn a_commit_waits_until_the_coordinator_has_told_and_goes_on_where_it_does_not() {
    let sent = reset(8, &[("orders", &[(0, 99)]), ("metrics", &[(3, 9)])]).frame(2);
    for confirm in [Confirm::Silence, Confirm::Same] {
        let mut rig = rig_of_this_alone(Mode::Enforce);
        rig.confirm = Confirm::Later;
        rig.send(&sent);
        assert!(rig.to_broker.is_empty() && rig.places_asked.is_empty());
        rig.confirm = confirm;
        rig.send(&[]);
        // Nobody answers, or the coordinator tells of none of the partitions.
        assert_eq!((&rig.to_broker, unverified(&rig)), (&sent, 1));
        assert_eq!(counted(&rig, SCENARIO, Mode::Enforce), (0, 0));
    }
}

#[test]
fn where_it_is_only_observed_nothing_waits_and_a_place_that_is_not_known_is_counted() {
    let mut rig = with_commits(Mode::Observe);
    let sent = reset(8, &[("orders", &[(2, 99), (3, 9)]), ("metrics", &[(0, 9)])]).frame(2);
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert_eq!((rig.places_asked.len(), unverified(&rig)), (0, 1));
}

#[test]
fn an_exempt_operator_sets_a_protected_group_forward_and_nobody_is_asked() {
    let mut rig = rig_of_this_alone(Mode::Enforce);
    rig.group_offsets.insert(("billing", "orders", 0), 5);
    let mut exempt = exemption(SCENARIO, &["orders"], &[]);
    exempt.groups = vec![Pattern("billing".into())];
    rig.policy.exemptions = vec![exempt];
    let sent = reset(8, &[("orders", &[(0, 99)])]).frame(2);
    rig.send(&sent);
    assert_eq!(rig.to_broker, sent);
    assert!(rig.places_asked.is_empty());
    assert_eq!(unverified(&rig), 0);
}

#[test]
fn a_topic_that_nobody_has_met_is_met_before_the_commit_goes_on() {
    for version in [9, 10] {
        let mut rig = rig_of_this_alone(Mode::Enforce);
        rig.view.topics.clear();
        rig.view.topic_names.clear();
        rig.strangers = vec![Arc::new(stranger("orders"))];
        rig.group_offsets.insert(("billing", "orders", 0), 5);
        rig.send(&reset(version, &[("orders", &[(0, 6)])]).frame(7));
        assert!(rig.to_broker.is_empty(), "{version}");
        let key = match version {
            10.. => TopicRef::Id(topic_id("orders")),
            _ => TopicRef::Name("orders".into()),
        };
        assert_eq!(rig.strangers_asked, [[key]]);
        assert_eq!(
            codes(version, &rig.to_client, &["orders"]),
            [("orders".to_owned(), vec![(0, 44)])]
        );
    }
}

#[test]
fn a_commit_that_is_past_the_end_and_jumps_forward_is_refused_once() {
    let mut rig = with_commits_and(Mode::Enforce, &[Scenario::CommitPastEnd]);
    rig.send(&reset(10, &[("orders", &[(0, 11), (1, 10)])]).frame(7));
    assert!(rig.to_broker.is_empty());
    assert_eq!(
        codes(10, &rig.to_client, &["orders"]),
        [("orders".to_owned(), vec![(0, 28), (1, 44)])]
    );
    assert_eq!(counted(&rig, SCENARIO, Mode::Enforce), (1, 0));
}
