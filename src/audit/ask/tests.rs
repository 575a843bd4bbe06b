//! What is taken from answers that kafka-protocol encodes, refusals and oddities among them.

use super::*;
use bytes::BytesMut;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    ListGroupsResponse, ListOffsetsResponse, MetadataResponse, OffsetFetchResponse,
};
use kafka_protocol::protocol::Encodable;

fn encoded(message: &impl Encodable, version: i16) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).expect("encodable");
    bytes.into()
}

fn name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[test]
fn metadata_is_read_in_every_version_that_a_link_may_choose() {
    let broker = |id: i32, port: i32, rack: Option<&'static str>| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(StrBytes::from_static_str("k"))
            .with_port(port)
            .with_rack(rack.map(StrBytes::from_static_str))
    };
    let partition = |index: i32, leader: i32, isr: &[i32]| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(leader))
            .with_replica_nodes([1, 2, 3].map(BrokerId).to_vec())
            .with_isr_nodes(isr.iter().copied().map(BrokerId).collect())
    };
    let topic = |text: &str, code: i16, partitions| {
        MetadataResponseTopic::default()
            .with_error_code(code)
            .with_name(Some(name(text)))
            .with_is_internal(text.starts_with("__"))
            .with_partitions(partitions)
    };
    let answer = MetadataResponse::default()
        .with_brokers(vec![
            broker(1, 9092, Some("a")),
            broker(2, 0, None),
            broker(3, 9093, None),
        ])
        .with_cluster_id(Some(StrBytes::from_static_str("id")))
        .with_topics(vec![
            topic("secret", 29, vec![]),
            topic(
                "__x",
                0,
                vec![partition(1, -1, &[]), partition(0, 2, &[2, 3])],
            ),
        ]);
    for version in 4..=13 {
        let body = encoded(&answer, version);
        let mut reader = MetadataReader {
            body: &body,
            ..MetadataReader::default()
        };
        walk(&schema::METADATA_RESPONSE, version, &body, &mut reader).expect("proven");
        let metadata = reader.metadata;
        assert_eq!(metadata.cluster_id.as_deref(), Some("id"));
        // Broker 2 has no address that could be connected to.
        assert_eq!(metadata.brokers.keys().collect::<Vec<_>>(), [&1, &3]);
        assert_eq!(metadata.brokers[&1].rack.as_deref(), Some("a"));
        assert_eq!(metadata.refused, [("secret".to_owned(), ErrorCode(29))]);
        assert_eq!(metadata.topics.len(), 1);
        let topic = &metadata.topics[0];
        assert_eq!((&*topic.name, topic.internal), ("__x", true));
        let told = topic.partitions.iter();
        let told = told.map(|one| {
            (
                one.index,
                one.leader,
                one.replicas.len(),
                one.in_sync_replicas,
            )
        });
        assert_eq!(told.collect::<Vec<_>>(), [(1, -1, 3, 0), (0, 2, 3, 2)]);
        assert_eq!(topic.partitions[0].replicas, [1, 2, 3]);
    }
}

#[test]
fn share_groups_are_counted_and_not_asked_for_their_commits() {
    let group = |id: &'static str, protocol: &'static str, kind: &'static str| {
        ListedGroup::default()
            .with_group_id(GroupId(StrBytes::from_static_str(id)))
            .with_protocol_type(StrBytes::from_static_str(protocol))
            .with_group_state(StrBytes::from_static_str("Stable"))
            .with_group_type(StrBytes::from_static_str(kind))
    };
    let answer = ListGroupsResponse::default().with_groups(vec![
        group("old", "consumer", "Classic"),
        group("shared", "share", "Share"),
        group("", "", ""),
    ]);
    for version in 0..=5 {
        // Below version 5 there is no type, and the protocol type says it.
        let body = encoded(&answer, version);
        let mut reader = GroupsReader::default();
        walk(&schema::LIST_GROUPS_RESPONSE, version, &body, &mut reader).expect("proven");
        assert_eq!(reader.groups.share_groups, 1, "{version}");
        let groups = reader.groups.groups;
        assert_eq!(
            groups.iter().map(|one| &*one.id).collect::<Vec<_>>(),
            ["old", ""]
        );
        let state = groups[0].state.as_deref();
        assert_eq!(state, (version >= 4).then_some("Stable"));
    }
}

#[test]
fn commits_belong_to_their_group_and_topic_and_nothing_is_no_commit() {
    let partition = |index: i32, offset: i64| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
    };
    let group = |id: &'static str, code: i16, topics| {
        OffsetFetchResponseGroup::default()
            .with_group_id(GroupId(StrBytes::from_static_str(id)))
            .with_error_code(code)
            .with_topics(topics)
    };
    let topic = |text: &str, partitions| {
        OffsetFetchResponseTopics::default()
            .with_name(name(text))
            .with_partitions(partitions)
    };
    let answer = OffsetFetchResponse::default().with_groups(vec![
        group(
            "g",
            0,
            vec![
                topic("a", vec![partition(0, 7), partition(1, -1)]),
                topic("b", vec![partition(2, 0)]),
            ],
        ),
        group("h", 30, vec![]),
    ]);
    for version in 8..=9 {
        let body = encoded(&answer, version);
        let mut reader = CommittedReader::default();
        walk(&schema::OFFSET_FETCH_RESPONSE, version, &body, &mut reader).expect("proven");
        let [g, h] = reader.groups.as_slice() else {
            panic!("two groups");
        };
        assert_eq!((g.group.as_str(), g.error_code), ("g", ErrorCode::NONE));
        let expected: [(Arc<str>, Commits); 2] =
            [("a".into(), vec![(0, 7)]), ("b".into(), vec![(2, 0)])];
        assert_eq!(g.topics, expected);
        assert_eq!((h.group.as_str(), h.error_code), ("h", ErrorCode(30)));
        assert!(h.topics.is_empty());
    }
}

#[test]
fn an_offset_is_told_for_its_partition_or_refused_for_it() {
    let partition = |index: i32, code: i16, offset: i64| {
        ListOffsetsPartitionResponse::default()
            .with_partition_index(index)
            .with_error_code(code)
            .with_offset(offset)
    };
    let topic = ListOffsetsTopicResponse::default()
        .with_name(name("a"))
        .with_partitions(vec![partition(0, 0, 5), partition(1, 6, -1)]);
    let answer = ListOffsetsResponse::default().with_topics(vec![topic]);
    for version in 1..=7 {
        let body = encoded(&answer, version);
        let mut reader = OffsetsReader::default();
        walk(&schema::LIST_OFFSETS_RESPONSE, version, &body, &mut reader).expect("proven");
        assert_eq!(reader.offsets[&("a".into(), 0)], Ok(5));
        assert_eq!(reader.offsets[&("a".into(), 1)], Err(ErrorCode(6)));
    }
}
