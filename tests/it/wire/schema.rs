//! What `schema::prove` lets through, kafka-protocol can decode without harm; what would harm it is refused.

use super::random;
use bytes::Bytes;
use holdfast::wire::Error;
use holdfast::wire::schema::{self, Message, Name, Value, Visitor, prove};
use kafka_protocol::messages as kafka;
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;
use std::ops::Range;

/// Decodes with kafka-protocol: `None` when it has no such version, else how many bytes it left, or its error.
pub fn decode(message: &Message, version: i16, body: &[u8]) -> Option<Result<usize, String>> {
    fn of<T: Decodable>(version: i16, body: &[u8]) -> Result<usize, String> {
        let mut bytes = Bytes::copy_from_slice(body);
        match T::decode(&mut bytes, version) {
            Ok(_) => Ok(bytes.len()),
            Err(error) => Err(error.to_string()),
        }
    }
    type Decoder = fn(i16, &[u8]) -> Result<usize, String>;
    let (oldest, newest, decoder): (i16, i16, Decoder) = match message.name {
        "ProduceRequest" => (3, 13, of::<kafka::ProduceRequest>),
        "ProduceResponse" => (3, 13, of::<kafka::ProduceResponse>),
        "FetchRequest" => (4, 18, of::<kafka::FetchRequest>),
        "FetchResponse" => (4, 18, of::<kafka::FetchResponse>),
        "MetadataRequest" => (0, 13, of::<kafka::MetadataRequest>),
        "MetadataResponse" => (0, 13, of::<kafka::MetadataResponse>),
        "FindCoordinatorResponse" => (0, 6, of::<kafka::FindCoordinatorResponse>),
        "SaslHandshakeRequest" => (0, 1, of::<kafka::SaslHandshakeRequest>),
        "SaslHandshakeResponse" => (0, 1, of::<kafka::SaslHandshakeResponse>),
        "ApiVersionsResponse" => (0, 4, of::<kafka::ApiVersionsResponse>),
        "DescribeConfigsResponse" => (1, 4, of::<kafka::DescribeConfigsResponse>),
        "DescribeClusterResponse" => (0, 2, of::<kafka::DescribeClusterResponse>),
        "DescribeTopicPartitionsResponse" => (0, 0, of::<kafka::DescribeTopicPartitionsResponse>),
        "ShareFetchResponse" => (1, 1, of::<kafka::ShareFetchResponse>),
        "ShareAcknowledgeResponse" => (1, 1, of::<kafka::ShareAcknowledgeResponse>),
        "ElectLeadersRequest" => (0, 2, of::<kafka::ElectLeadersRequest>),
        "ElectLeadersResponse" => (0, 2, of::<kafka::ElectLeadersResponse>),
        "ListOffsetsRequest" => (1, 10, of::<kafka::ListOffsetsRequest>),
        "ListOffsetsResponse" => (1, 10, of::<kafka::ListOffsetsResponse>),
        "OffsetCommitRequest" => (2, 9, of::<kafka::OffsetCommitRequest>),
        "OffsetCommitResponse" => (2, 10, of::<kafka::OffsetCommitResponse>),
        "TxnOffsetCommitRequest" => (0, 5, of::<kafka::TxnOffsetCommitRequest>),
        "TxnOffsetCommitResponse" => (0, 5, of::<kafka::TxnOffsetCommitResponse>),
        "OffsetFetchRequest" => (1, 9, of::<kafka::OffsetFetchRequest>),
        "OffsetFetchResponse" => (1, 10, of::<kafka::OffsetFetchResponse>),
        "ListGroupsResponse" => (0, 5, of::<kafka::ListGroupsResponse>),
        "CreateTopicsRequest" => (2, 7, of::<kafka::CreateTopicsRequest>),
        "CreateTopicsResponse" => (2, 7, of::<kafka::CreateTopicsResponse>),
        "DeleteTopicsRequest" => (1, 6, of::<kafka::DeleteTopicsRequest>),
        "DeleteTopicsResponse" => (1, 6, of::<kafka::DeleteTopicsResponse>),
        "DeleteRecordsRequest" => (0, 2, of::<kafka::DeleteRecordsRequest>),
        "DeleteRecordsResponse" => (0, 2, of::<kafka::DeleteRecordsResponse>),
        "AlterConfigsRequest" => (0, 2, of::<kafka::AlterConfigsRequest>),
        "AlterConfigsResponse" => (0, 2, of::<kafka::AlterConfigsResponse>),
        "CreatePartitionsRequest" => (0, 3, of::<kafka::CreatePartitionsRequest>),
        "CreatePartitionsResponse" => (0, 3, of::<kafka::CreatePartitionsResponse>),
        "DeleteGroupsRequest" => (0, 2, of::<kafka::DeleteGroupsRequest>),
        "DeleteGroupsResponse" => (0, 2, of::<kafka::DeleteGroupsResponse>),
        "IncrementalAlterConfigsRequest" => (0, 1, of::<kafka::IncrementalAlterConfigsRequest>),
        "IncrementalAlterConfigsResponse" => (0, 1, of::<kafka::IncrementalAlterConfigsResponse>),
        "AlterPartitionReassignmentsRequest" => {
            (0, 1, of::<kafka::AlterPartitionReassignmentsRequest>)
        }
        "AlterPartitionReassignmentsResponse" => {
            (0, 1, of::<kafka::AlterPartitionReassignmentsResponse>)
        }
        "OffsetDeleteRequest" => (0, 0, of::<kafka::OffsetDeleteRequest>),
        "OffsetDeleteResponse" => (0, 0, of::<kafka::OffsetDeleteResponse>),
        "UpdateFeaturesRequest" => (0, 2, of::<kafka::UpdateFeaturesRequest>),
        "UpdateFeaturesResponse" => (0, 2, of::<kafka::UpdateFeaturesResponse>),
        "UnregisterBrokerRequest" => (0, 0, of::<kafka::UnregisterBrokerRequest>),
        "UnregisterBrokerResponse" => (0, 0, of::<kafka::UnregisterBrokerResponse>),
        "RemoveRaftVoterRequest" => (0, 0, of::<kafka::RemoveRaftVoterRequest>),
        "RemoveRaftVoterResponse" => (0, 0, of::<kafka::RemoveRaftVoterResponse>),
        "AlterShareGroupOffsetsRequest" => (0, 0, of::<kafka::AlterShareGroupOffsetsRequest>),
        "AlterShareGroupOffsetsResponse" => (0, 0, of::<kafka::AlterShareGroupOffsetsResponse>),
        "DeleteShareGroupOffsetsRequest" => (0, 0, of::<kafka::DeleteShareGroupOffsetsRequest>),
        "DeleteShareGroupOffsetsResponse" => (0, 0, of::<kafka::DeleteShareGroupOffsetsResponse>),
        "InitializeShareGroupStateRequest" => (0, 0, of::<kafka::InitializeShareGroupStateRequest>),
        "InitializeShareGroupStateResponse" => {
            (0, 0, of::<kafka::InitializeShareGroupStateResponse>)
        }
        "WriteShareGroupStateRequest" => (0, 0, of::<kafka::WriteShareGroupStateRequest>),
        "WriteShareGroupStateResponse" => (0, 0, of::<kafka::WriteShareGroupStateResponse>),
        "DeleteShareGroupStateRequest" => (0, 0, of::<kafka::DeleteShareGroupStateRequest>),
        "DeleteShareGroupStateResponse" => (0, 0, of::<kafka::DeleteShareGroupStateResponse>),
        "StreamsGroupHeartbeatRequest" | "StreamsGroupHeartbeatResponse" => return None,
        other => panic!("no oracle is named for {other}"),
    };
    (oldest..=newest)
        .contains(&version)
        .then(|| decoder(version, body))
}

fn every_version() -> impl Iterator<Item = (&'static Message, i16)> {
    schema::MESSAGES.iter().flat_map(|message| {
        (message.versions.first..=message.versions.last).map(move |version| (*message, version))
    })
}

#[test]
fn five_bytes_of_metadata_that_abort_a_decoder_are_refused() {
    let body = [0x7f, 0xff, 0xff, 0xff, 0x00];
    assert_eq!(
        prove(&schema::METADATA_RESPONSE, 0, &body)
            .unwrap_err()
            .to_string(),
        "brokers of 2147483647 elements at offset 0, the bytes there hold at most 0"
    );
}

#[test]
fn thirteen_bytes_of_produce_that_abort_a_decoder_are_refused() {
    // transactional_id null, acks -1, timeout 1500 ms, 4294967294 topics, one byte.
    let body = [
        0, 0xff, 0xff, 0, 0, 5, 0xdc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0,
    ];
    let error = prove(&schema::PRODUCE_REQUEST, 9, &body).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Count {
                what: "topic_data",
                found: 4_294_967_294,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_count_deep_inside_is_measured_too() {
    // One topic "t" with 2^31-1 partitions.
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, b't'];
    body.extend([0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
    let error = prove(&schema::METADATA_RESPONSE, 0, &body).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Count {
                what: "partitions",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_known_tagged_field_must_fill_its_declared_size() {
    // error 0, no keys, throttle 0, one tagged field: finalized_features_epoch (tag 1), 9 bytes declared for an INT64.
    let mut body = vec![0, 0, 1, 0, 0, 0, 0, 1, 1, 9];
    body.extend([0; 9]);
    body.push(0);
    let error = prove(&schema::API_VERSIONS_RESPONSE, 3, &body).unwrap_err();
    assert!(matches!(error, Error::Trailing { found: 1, .. }), "{error}");
}

#[test]
fn a_version_outside_the_table_is_refused() {
    for (version, message) in [
        (14, &schema::METADATA_RESPONSE),
        (-1, &schema::PRODUCE_REQUEST),
    ] {
        let error = prove(message, version, &[]).unwrap_err();
        assert!(matches!(error, Error::Version { .. }), "{error}");
    }
}

#[test]
fn the_visitor_is_told_where_each_field_of_a_hand_written_body_lies() {
    #[derive(Default)]
    struct Seen(Vec<(Name, String, Range<usize>)>);
    impl<'a> Visitor<'a> for Seen {
        fn field(&mut self, name: Name, value: Value<'a>, range: Range<usize>) {
            self.0.push((name, format!("{value:?}"), range));
        }
        fn leave(&mut self, name: Name, range: Range<usize>) {
            self.0.push((name, "left".to_owned(), range));
        }
    }
    // SaslHandshake has none; FindCoordinator 4: throttle 0, one coordinator "g" at node 2 "h":9092, error 0, message null.
    let body = [
        0, 0, 0, 0, 2, 2, b'g', 0, 0, 0, 2, 2, b'h', 0, 0, 0x23, 0x84, 0, 0, 0, 0, 0,
    ];
    let mut seen = Seen::default();
    schema::walk(&schema::FIND_COORDINATOR_RESPONSE, 4, &body, &mut seen).unwrap();
    let expected = [
        (Name::ThrottleTimeMs, "I32(0)", 0..4),
        (Name::Key, "String(Some([103]))", 5..7),
        (Name::NodeId, "I32(2)", 7..11),
        (Name::Host, "String(Some([104]))", 11..13),
        (Name::Port, "I32(9092)", 13..17),
        (Name::ErrorCode, "I16(0)", 17..19),
        (Name::ErrorMessage, "String(None)", 19..20),
        (Name::Coordinators, "left", 5..21),
    ];
    let expected: Vec<_> = expected
        .map(|(name, text, range)| (name, text.to_owned(), range))
        .into();
    assert_eq!(seen.0, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_message_of_every_version_is_proven_and_the_oracle_agrees(seed: u64) {
        for (message, version) in every_version() {
            let body = random::body(message, version, seed);
            let proven = prove(message, version, &body);
            prop_assert_eq!(proven, Ok(()), "{} {} {:02x?}", message.name, version, body);
            if let Some(decoded) = decode(message, version, &body) {
                prop_assert_eq!(decoded, Ok(0), "{} {} {:02x?}", message.name, version, body);
            }
        }
    }

    #[test]
    fn no_prefix_and_no_extension_of_a_body_is_a_body(seed: u64) {
        for (message, version) in every_version() {
            let mut body = random::body(message, version, seed);
            for end in 0..body.len() {
                prop_assert!(prove(message, version, &body[..end]).is_err(), "{} {version} {end}", message.name);
            }
            body.push(0);
            let error = prove(message, version, &body).unwrap_err();
            prop_assert!(matches!(error, Error::Trailing { found: 1, .. }), "{} {version} {error}", message.name);
        }
    }

    /// Whatever the bytes are: an answer or an error, and what is proven does not abort the decoder.
    #[test]
    fn flipped_bytes_end_in_an_error_or_in_something_that_can_be_decoded(
        seed: u64,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (message, version) in every_version() {
            let mut body = random::body(message, version, seed);
            for (index, byte) in &flips {
                if !body.is_empty() {
                    let index = index.index(body.len());
                    body[index] = *byte;
                }
            }
            if prove(message, version, &body).is_ok() {
                let _ = decode(message, version, &body);
            }
        }
    }

    #[test]
    fn random_bytes_end_in_an_error_or_in_something_that_can_be_decoded(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for (message, version) in every_version() {
            if prove(message, version, &body).is_ok() {
                let _ = decode(message, version, &body);
            }
        }
    }
}
