//! The ApiVersions answer that clients see, decoded by kafka-protocol.

use super::random;
use bytes::Bytes;
use holdfast::wire::api::ApiKey;
use holdfast::wire::{schema, versions};
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

fn decode(version: i16, body: &[u8]) -> ApiVersionsResponse {
    ApiVersionsResponse::decode(&mut Bytes::copy_from_slice(body), version).unwrap()
}

proptest! {
    #[test]
    fn only_versions_of_listed_keys_that_are_not_understood_differ(seed: u64, version in 0_i16..=4) {
        let body = random::body(&schema::API_VERSIONS_RESPONSE, version, seed);
        prop_assume!(!body.starts_with(&[0, 35]));
        let mut expected = decode(version, &body);
        for api in &mut expected.api_keys {
            if let Some(listed) = versions::listed(ApiKey(api.api_key)) {
                api.max_version = api.max_version.min(listed.versions.last);
                api.min_version = api.min_version.max(listed.versions.first);
            }
        }
        let edits = versions::rewrite_api_versions_response(version, &body).unwrap();
        let length = body.len();
        let rewritten = edits.apply(body);
        prop_assert_eq!(rewritten.len(), length);
        prop_assert_eq!(decode(version, &rewritten), expected);
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(version in -1_i16..=6, body in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = versions::rewrite_api_versions_response(version, &body);
    }
}

#[test]
fn the_answer_to_a_newer_client_is_read_by_the_oracle_as_version_0() {
    let frame = versions::api_versions_unsupported(-5);
    assert_eq!(frame[..8], [0, 0, 0, 16, 0xff, 0xff, 0xff, 0xfb]);
    let response = decode(0, &frame[8..]);
    assert_eq!(response.error_code, 35);
    assert_eq!(response.api_keys.len(), 1);
    assert_eq!(
        (
            response.api_keys[0].api_key,
            response.api_keys[0].min_version
        ),
        (18, 0)
    );
    assert_eq!(response.api_keys[0].max_version, 5);
}
