//! Rewritten responses, decoded by kafka-protocol and compared with the rule applied to its structs: nothing else differs.

use super::random;
use bytes::Bytes;
use holdfast::cluster::{Advertised, IdSet};
use holdfast::wire::api::{ApiKey, ErrorCode};
use holdfast::wire::endpoints::{
    Endpoints, MetadataPartition, MetadataVisitor, blank_rack_id, rewrite,
};
use holdfast::wire::schema::{self, Message};
use kafka_protocol::messages as kafka;
use kafka_protocol::protocol::{Decodable, StrBytes};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Brokers 1 to 3 are at gateway:9101 to 9103; 7 and 40000 are outside.
fn advertised() -> Advertised {
    Advertised {
        host: "gateway.example".into(),
        port_base: 9100,
        port: None,
        ids: IdSet::from_ranges([(1, 3)]),
    }
}

fn rewritten(message: &Message, version: i16, body: &[u8]) -> (Vec<u8>, Vec<i32>) {
    let rewritten = rewrite(message.api_key, version, body, &advertised(), &mut ()).unwrap();
    let outside = rewritten.outside.clone();
    let body = rewritten.body(body.to_vec());
    assert_eq!(
        schema::prove(message, version, &body),
        Ok(()),
        "{body:02x?}"
    );
    (body, outside)
}

fn decode<T: Decodable>(version: i16, body: &[u8]) -> T {
    T::decode(&mut Bytes::copy_from_slice(body), version).unwrap()
}

/// The rule, on decoded values.
#[derive(Default)]
struct Rule {
    outside: BTreeSet<i32>,
}

impl Rule {
    /// Gives the node our address, or says that it must go.
    fn node(&mut self, id: i32, host: &mut StrBytes, port: &mut i32) -> bool {
        match Endpoints::endpoint(&advertised(), id) {
            Some((our_host, our_port)) => {
                *host = StrBytes::from_string(our_host.into_owned());
                *port = i32::from(our_port);
                true
            }
            None => {
                self.note(id);
                false
            }
        }
    }

    fn coordinator(&mut self, id: &mut i32, host: &mut StrBytes, port: &mut i32, code: &mut i16) {
        if *id >= 0 && !self.node(*id, host, port) {
            (*id, *host, *port, *code) = (-1, StrBytes::new(), -1, 15);
        }
    }

    fn controller(&mut self, id: &mut i32) {
        if *id >= 0 && Endpoints::endpoint(&advertised(), *id).is_none() {
            *id = -1;
        }
    }

    fn leader(&mut self, id: &mut i32, code: &mut i16) {
        if *id >= 0 && Endpoints::endpoint(&advertised(), *id).is_none() {
            self.note(*id);
            (*id, *code) = (-1, 5);
        }
    }

    fn note(&mut self, id: i32) {
        if id >= 0 {
            self.outside.insert(id);
        }
    }

    fn outside(self) -> Vec<i32> {
        self.outside.into_iter().collect()
    }
}

proptest! {
    #[test]
    fn metadata(seed: u64, version in 0_i16..=13) {
        let body = random::body(&schema::METADATA_RESPONSE, version, seed);
        let mut expected: kafka::MetadataResponse = decode(version, &body);
        let mut rule = Rule::default();
        expected.brokers.retain_mut(|broker| rule.node(broker.node_id.0, &mut broker.host, &mut broker.port));
        rule.controller(&mut expected.controller_id.0);
        for partition in expected.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            rule.leader(&mut partition.leader_id.0, &mut partition.error_code);
        }
        let (body, outside) = rewritten(&schema::METADATA_RESPONSE, version, &body);
        prop_assert_eq!(decode::<kafka::MetadataResponse>(version, &body), expected);
        prop_assert_eq!(outside, rule.outside());
    }

    #[test]
    fn metadata_tells_what_the_broker_really_said(seed: u64, version in 0_i16..=13) {
        let body = random::body(&schema::METADATA_RESPONSE, version, seed);
        let mut told = Told::default();
        rewrite(ApiKey::METADATA, version, &body, &advertised(), &mut told).unwrap();
        let decoded: kafka::MetadataResponse = decode(version, &body);
        let brokers = decoded.brokers.iter().map(|broker| {
            let rack = broker.rack.as_ref().map(|rack| rack.to_string());
            (broker.node_id.0, broker.host.to_string(), broker.port, rack)
        });
        prop_assert_eq!(told.brokers, brokers.collect::<Vec<_>>());
        prop_assert_eq!(told.topics.len(), decoded.topics.len());
        for (told, topic) in told.topics.iter().zip(&decoded.topics) {
            prop_assert_eq!(told.code, topic.error_code);
            prop_assert_eq!(&told.name, &topic.name.as_ref().map(|name| name.0.to_string()));
            let id = Some(*topic.topic_id.as_bytes()).filter(|id| *id != [0; 16]);
            prop_assert_eq!(told.id, id);
            let partitions = topic.partitions.iter().map(|partition| MetadataPartition {
                error_code: ErrorCode(partition.error_code),
                index: partition.partition_index,
                leader_id: partition.leader_id.0,
                replicas: partition.replica_nodes.len(),
                in_sync_replicas: partition.isr_nodes.len(),
            });
            prop_assert_eq!(&told.partitions, &partitions.collect::<Vec<_>>());
        }
    }

    #[test]
    fn find_coordinator(seed: u64, version in 0_i16..=6) {
        let body = random::body(&schema::FIND_COORDINATOR_RESPONSE, version, seed);
        let mut expected: kafka::FindCoordinatorResponse = decode(version, &body);
        let mut rule = Rule::default();
        if version < 4 {
            let code = &mut expected.error_code;
            rule.coordinator(&mut expected.node_id.0, &mut expected.host, &mut expected.port, code);
        }
        for one in &mut expected.coordinators {
            rule.coordinator(&mut one.node_id.0, &mut one.host, &mut one.port, &mut one.error_code);
        }
        let (body, outside) = rewritten(&schema::FIND_COORDINATOR_RESPONSE, version, &body);
        prop_assert_eq!(decode::<kafka::FindCoordinatorResponse>(version, &body), expected);
        prop_assert_eq!(outside, rule.outside());
    }

    #[test]
    fn describe_cluster(seed: u64, version in 0_i16..=2) {
        let body = random::body(&schema::DESCRIBE_CLUSTER_RESPONSE, version, seed);
        let mut expected: kafka::DescribeClusterResponse = decode(version, &body);
        let mut rule = Rule::default();
        if expected.endpoint_type != 2 {
            rule.controller(&mut expected.controller_id.0);
            expected.brokers.retain_mut(|broker| rule.node(broker.broker_id.0, &mut broker.host, &mut broker.port));
        }
        let (body, outside) = rewritten(&schema::DESCRIBE_CLUSTER_RESPONSE, version, &body);
        prop_assert_eq!(decode::<kafka::DescribeClusterResponse>(version, &body), expected);
        prop_assert_eq!(outside, rule.outside());
    }

    #[test]
    fn describe_topic_partitions(seed: u64) {
        let body = random::body(&schema::DESCRIBE_TOPIC_PARTITIONS_RESPONSE, 0, seed);
        let mut expected: kafka::DescribeTopicPartitionsResponse = decode(0, &body);
        let mut rule = Rule::default();
        for partition in expected.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            rule.leader(&mut partition.leader_id.0, &mut partition.error_code);
        }
        let (body, outside) = rewritten(&schema::DESCRIBE_TOPIC_PARTITIONS_RESPONSE, 0, &body);
        prop_assert_eq!(decode::<kafka::DescribeTopicPartitionsResponse>(0, &body), expected);
        prop_assert_eq!(outside, rule.outside());
    }

    #[test]
    fn share_fetch(seed: u64) {
        let body = random::body(&schema::SHARE_FETCH_RESPONSE, 1, seed);
        let mut expected: kafka::ShareFetchResponse = decode(1, &body);
        let mut rule = Rule::default();
        expected.node_endpoints.retain_mut(|node| rule.node(node.node_id.0, &mut node.host, &mut node.port));
        let (body, outside) = rewritten(&schema::SHARE_FETCH_RESPONSE, 1, &body);
        prop_assert_eq!(decode::<kafka::ShareFetchResponse>(1, &body), expected);
        prop_assert_eq!(outside, rule.outside());
    }

    #[test]
    fn share_acknowledge(seed: u64) {
        let body = random::body(&schema::SHARE_ACKNOWLEDGE_RESPONSE, 1, seed);
        let mut expected: kafka::ShareAcknowledgeResponse = decode(1, &body);
        let mut rule = Rule::default();
        expected.node_endpoints.retain_mut(|node| rule.node(node.node_id.0, &mut node.host, &mut node.port));
        let (body, outside) = rewritten(&schema::SHARE_ACKNOWLEDGE_RESPONSE, 1, &body);
        prop_assert_eq!(decode::<kafka::ShareAcknowledgeResponse>(1, &body), expected);
        prop_assert_eq!(outside, rule.outside());
    }

    #[test]
    fn fetch_loses_its_rack_id_and_nothing_else(seed: u64, version in 4_i16..=18) {
        let body = random::body(&schema::FETCH_REQUEST, version, seed);
        let mut expected: kafka::FetchRequest = decode(version, &body);
        let blanked = blank_rack_id(version, &body).unwrap();
        prop_assert_eq!(blanked.is_some(), !expected.rack_id.is_empty());
        expected.rack_id = StrBytes::new();
        prop_assert_eq!(decode::<kafka::FetchRequest>(version, blanked.as_deref().unwrap_or(&body)), expected);
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(
        body in prop::collection::vec(any::<u8>(), 0..150),
        key in prop::sample::select(vec![3_i16, 10, 60, 75, 78, 79]),
        version in -1_i16..=14,
    ) {
        if let Ok(rewritten) = rewrite(ApiKey(key), version, &body, &advertised(), &mut ()) {
            rewritten.body(body.clone());
        }
        let _ = blank_rack_id(version, &body);
    }
}

#[derive(Default)]
struct Told {
    brokers: Vec<(i32, String, i32, Option<String>)>,
    topics: Vec<ToldTopic>,
}

struct ToldTopic {
    code: i16,
    name: Option<String>,
    id: Option<[u8; 16]>,
    partitions: Vec<MetadataPartition>,
}

impl MetadataVisitor for Told {
    fn broker(&mut self, node_id: i32, host: &str, port: i32, rack: Option<&str>) {
        self.brokers
            .push((node_id, host.to_owned(), port, rack.map(str::to_owned)));
    }

    fn topic(&mut self, code: ErrorCode, name: Option<&str>, id: Option<[u8; 16]>) {
        self.topics.push(ToldTopic {
            code: code.0,
            name: name.map(str::to_owned),
            id,
            partitions: Vec::new(),
        });
    }

    fn partition(&mut self, partition: MetadataPartition) {
        self.topics.last_mut().unwrap().partitions.push(partition);
    }
}

/// Parts of bodies written by hand, joined.
fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn check(key: ApiKey, version: i16, before: &[&[u8]], after: &[&[u8]], outside: &[i32]) {
    let before = bytes(before);
    let rewritten = rewrite(key, version, &before, &advertised(), &mut ()).unwrap();
    assert_eq!(rewritten.outside, outside);
    assert_eq!(rewritten.body(before), bytes(after));
}

const GATEWAY: &[u8] = b"gateway.example";
const PORT_9101: &[u8] = &[0, 0, 0x23, 0x8d];
const PORT_9092: &[u8] = &[0, 0, 0x23, 0x84];

#[test]
fn metadata_0_by_hand() {
    // One topic, error 0, "t", two partitions.
    let topic_head: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1, b't', 0, 0, 0, 2];
    let replicas: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 7];
    check(
        ApiKey::METADATA,
        0,
        &[
            &[0, 0, 0, 2], // brokers
            &[0, 0, 0, 1, 0, 2],
            b"k1",
            PORT_9092,
            &[0, 0, 0, 7, 0, 2],
            b"k7",
            PORT_9092,
            topic_head,
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            replicas, // error 0, partition 0, leader 1
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 7],
            replicas, // error 0, partition 1, leader 7
        ],
        &[
            &[0, 0, 0, 1],
            &[0, 0, 0, 1, 0, 15],
            GATEWAY,
            PORT_9101,
            topic_head,
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            replicas,
            &[0, 5, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff],
            replicas,
        ],
        &[7],
    );
}

#[test]
fn find_coordinator_0_and_4_by_hand() {
    check(
        ApiKey::FIND_COORDINATOR,
        0,
        &[&[0, 0, 0, 0, 0, 1, 0, 2], b"k1", PORT_9092],
        &[&[0, 0, 0, 0, 0, 1, 0, 15], GATEWAY, PORT_9101],
        &[],
    );
    check(
        ApiKey::FIND_COORDINATOR,
        0,
        &[&[0, 0, 0, 0, 0, 7, 0, 2], b"k7", PORT_9092],
        &[&[0, 15, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff]],
        &[7],
    );
    check(
        ApiKey::FIND_COORDINATOR,
        4,
        &[
            &[0, 0, 0, 0, 3], // throttle, 2 coordinators
            &[2, b'g', 0, 0, 0, 1, 3],
            b"k1",
            PORT_9092,
            &[0, 0, 0, 0],
            &[2, b'h', 0, 0, 0, 7, 3],
            b"k7",
            PORT_9092,
            &[0, 0, 0, 0],
            &[0],
        ],
        &[
            &[0, 0, 0, 0, 3],
            &[2, b'g', 0, 0, 0, 1, 16],
            GATEWAY,
            PORT_9101,
            &[0, 0, 0, 0],
            &[
                2, b'h', 0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff, 0, 15, 0, 0,
            ],
            &[0],
        ],
        &[7],
    );
    // Kafka's own "no coordinator" stays what it is.
    let none: &[u8] = &[0, 15, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff];
    check(ApiKey::FIND_COORDINATOR, 0, &[none], &[none], &[]);
}

#[test]
fn describe_cluster_1_by_hand() {
    let brokers = |endpoint_type: u8| {
        bytes(&[
            &[0, 0, 0, 0, 0, 0, 0, endpoint_type, 2, b'c', 0, 0, 0, 7, 2],
            &[0, 0, 0, 7, 3],
            b"k7",
            PORT_9092,
            &[0, 0],
            &[0x80, 0, 0, 0, 0],
        ])
    };
    check(
        ApiKey::DESCRIBE_CLUSTER,
        1,
        &[&brokers(1)],
        &[&[
            0, 0, 0, 0, 0, 0, 0, 1, 2, b'c', 0xff, 0xff, 0xff, 0xff, 1, 0x80, 0, 0, 0, 0,
        ]],
        &[7],
    );
    // Controllers are not reached through us.
    check(
        ApiKey::DESCRIBE_CLUSTER,
        1,
        &[&brokers(2)],
        &[&brokers(2)],
        &[],
    );
    // A refusal names nobody.
    let refusal: &[u8] = &[
        0, 0, 0, 0, 0, 114, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 1, 0x80, 0, 0, 0, 0,
    ];
    check(ApiKey::DESCRIBE_CLUSTER, 1, &[refusal], &[refusal], &[]);
}

#[test]
fn describe_topic_partitions_0_by_hand() {
    let body = |code: u8, leader: [u8; 4]| {
        bytes(&[
            &[0, 0, 0, 0, 2, 0, 0, 2, b't'],
            &[9; 16],
            &[0, 2],
            &[0, code, 0, 0, 0, 3],
            &leader,
            &[0, 0, 0, 4], // error, partition 3, leader, epoch
            &[2, 0, 0, 0, 7, 2, 0, 0, 0, 7, 0, 0, 1, 0], // replicas 7, isr 7, elr null, last elr null, offline none
            &[0x80, 0, 0, 0, 0],
            &[0xff, 0],
        ])
    };
    check(
        ApiKey::DESCRIBE_TOPIC_PARTITIONS,
        0,
        &[&body(0, [0, 0, 0, 7])],
        &[&body(5, [0xff; 4])],
        &[7],
    );
}

#[test]
fn share_fetch_and_share_acknowledge_by_hand() {
    let endpoints_before: [&[u8]; 6] = [
        &[3, 0, 0, 0, 7, 3],
        b"k7",
        PORT_9092,
        &[0, 0],
        &[0, 0, 0, 1, 3],
        b"k1",
    ];
    let before_tail: [&[u8]; 2] = [PORT_9092, &[0, 0, 0]];
    let after: [&[u8]; 4] = [&[2, 0, 0, 0, 1, 16], GATEWAY, PORT_9101, &[0, 0, 0]];
    let partition: &[u8] = &[0, 0, 0, 5, 0, 6, 0]; // partition 5, error 6, message null
    let leader: &[u8] = &[0, 0, 0, 7, 0, 0, 0, 9, 0]; // current_leader: node 7, epoch 9
    let head: &[u8] = &[0, 0, 0, 0, 0, 0, 0]; // throttle, error 0, message null
    let topic = bytes(&[&[2], &[9; 16], &[2]]);
    let lock: &[u8] = &[0, 0, 0x75, 0x30];
    let run = |key, version, middle: &[&[u8]]| {
        let before = bytes(&[
            &bytes(middle),
            &bytes(&endpoints_before),
            &bytes(&before_tail),
        ]);
        check(
            key,
            version,
            &[&before],
            &[&bytes(middle), &bytes(&after)],
            &[7],
        );
    };
    for version in [1, 2] {
        // acknowledge error 0, message null, leader, no records, none acquired
        run(
            ApiKey::SHARE_FETCH,
            version,
            &[
                head,
                lock,
                &topic,
                partition,
                &[0, 0, 0],
                leader,
                &[1, 1, 0, 0],
            ],
        );
    }
    run(
        ApiKey::SHARE_ACKNOWLEDGE,
        1,
        &[head, &topic, partition, leader, &[0, 0]],
    );
    run(
        ApiKey::SHARE_ACKNOWLEDGE,
        2,
        &[head, lock, &topic, partition, leader, &[0, 0]],
    );
}

#[test]
fn fetch_12_rack_id_by_hand() {
    let head: &[u8] = &[
        0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0xf4, 0, 0, 0, 1, 0, 0x10, 0, 0,
        0, // replica, wait, min, max, isolation
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, // session, epoch, no topics, none forgotten
    ];
    let body = bytes(&[head, &[5], b"az-1", &[0]]);
    assert_eq!(blank_rack_id(12, &body), Ok(Some(bytes(&[head, &[1, 0]]))));
    assert_eq!(blank_rack_id(12, &bytes(&[head, &[1, 0]])), Ok(None));
}

#[test]
fn keys_that_carry_no_endpoints_are_not_even_looked_at() {
    let rewritten = rewrite(ApiKey::API_VERSIONS, 0, b"??", &advertised(), &mut ()).unwrap();
    assert!(rewritten.edits.is_empty() && rewritten.outside.is_empty());
}
