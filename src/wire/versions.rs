//! The table of the APIs that Holdfast looks into: which versions it understands and what it does with them.
//!
//! Floor 0. We advertise only what we can parse: the broker's ApiVersions answer is cut here to the versions of this table.
//! A key that is not listed passes as opaque bytes, at whatever version the two sides agree on. Does not know layouts
//! (`schema.rs`) nor what happens to a version that is not understood (the session closes, as a broker does).

use super::api::{ApiKey, ErrorCode};
use super::edit::Edits;
use super::reader::Error;
use super::schema::{self, Name, Value, Versions, Visitor};
use std::ops::Range;

/// What is done with an API's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treatment {
    /// Requests and responses are walked while they stream by (`produce.rs`, `fetch.rs`).
    Hot,
    /// The whole response is collected and its broker addresses are replaced (`endpoints.rs`).
    RewrittenResponse,
    /// The whole response is collected and cut to this table.
    Advertised,
    /// The whole request is judged before any of it goes on, and so is, where parts of it were refused, the answer.
    Judged,
    /// The request says what follows on the connection (`sasl.rs`).
    Handshake,
}

impl Treatment {
    /// Whether requests may be held whole and judged: not those that stream, nor those that say what follows them.
    pub fn is_judged_or_rewritten(self) -> bool {
        matches!(self, Treatment::Judged | Treatment::RewrittenResponse)
    }
}

/// One row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Api {
    pub key: ApiKey,
    /// Understood, both ends included.
    pub versions: Versions,
    /// First flexible version (KIP-482); `i16::MAX`: never.
    pub flexible_from: i16,
    /// Whether a response may name brokers for clients to turn to: by host and port, or as the leader of a partition.
    pub carries_endpoints: bool,
    pub treatment: Treatment,
}

const fn api(
    key: ApiKey,
    newest: i16,
    flexible_from: i16,
    carries_endpoints: bool,
    treatment: Treatment,
) -> Api {
    Api {
        key,
        versions: Versions {
            first: 0,
            last: newest,
        },
        flexible_from,
        carries_endpoints,
        treatment,
    }
}

impl Api {
    /// Without the versions before `first`, which brokers from 4.0 on do not have either (KIP-896).
    const fn since(mut self, first: i16) -> Api {
        self.versions.first = first;
        self
    }
}

/// Ascending by key. Produce must reach 12 while finalized `transaction.version` 2 is forwarded: a TV2 producer decides by
/// that feature to leave AddPartitionsToTxn out, and an older Produce is then refused with INVALID_TXN_STATE (KIP-890).
#[rustfmt::skip]
pub const TABLE: &[Api] = &[
    api(ApiKey::PRODUCE,                       13, 9,        true,  Treatment::Hot),
    api(ApiKey::FETCH,                         18, 12,       true,  Treatment::Hot),
    api(ApiKey::METADATA,                      13, 9,        true,  Treatment::RewrittenResponse),
    api(ApiKey::OFFSET_COMMIT,                 10, 8,        false, Treatment::Judged).since(2),
    api(ApiKey::OFFSET_FETCH,                  10, 6,        false, Treatment::Judged).since(1),
    api(ApiKey::FIND_COORDINATOR,              6,  3,        true,  Treatment::RewrittenResponse),
    api(ApiKey::SASL_HANDSHAKE,                1,  i16::MAX, false, Treatment::Handshake),
    api(ApiKey::API_VERSIONS,                  5,  3,        false, Treatment::Advertised),
    api(ApiKey::CREATE_TOPICS,                 7,  5,        false, Treatment::Judged).since(2),
    api(ApiKey::DELETE_TOPICS,                 6,  4,        false, Treatment::Judged).since(1),
    api(ApiKey::DELETE_RECORDS,                2,  2,        false, Treatment::Judged),
    api(ApiKey::TXN_OFFSET_COMMIT,             5,  3,        false, Treatment::Judged),
    api(ApiKey::ALTER_CONFIGS,                 2,  2,        false, Treatment::Judged),
    api(ApiKey::CREATE_PARTITIONS,             3,  2,        false, Treatment::Judged),
    api(ApiKey::DELETE_GROUPS,                 2,  2,        false, Treatment::Judged),
    api(ApiKey::ELECT_LEADERS,                 2,  2,        false, Treatment::Judged),
    api(ApiKey::INCREMENTAL_ALTER_CONFIGS,     1,  1,        false, Treatment::Judged),
    api(ApiKey::ALTER_PARTITION_REASSIGNMENTS, 1,  0,        false, Treatment::Judged),
    api(ApiKey::OFFSET_DELETE,                 0,  i16::MAX, false, Treatment::Judged),
    api(ApiKey::UPDATE_FEATURES,               2,  0,        false, Treatment::Judged),
    api(ApiKey::DESCRIBE_CLUSTER,              2,  0,        true,  Treatment::RewrittenResponse),
    api(ApiKey::UNREGISTER_BROKER,             0,  0,        false, Treatment::Judged),
    api(ApiKey::DESCRIBE_TOPIC_PARTITIONS,     0,  0,        true,  Treatment::RewrittenResponse),
    api(ApiKey::SHARE_FETCH,                   2,  0,        true,  Treatment::RewrittenResponse),
    api(ApiKey::SHARE_ACKNOWLEDGE,             2,  0,        true,  Treatment::RewrittenResponse),
    api(ApiKey::REMOVE_RAFT_VOTER,             0,  0,        false, Treatment::Judged),
    api(ApiKey::INITIALIZE_SHARE_GROUP_STATE,  0,  0,        false, Treatment::Judged),
    api(ApiKey::WRITE_SHARE_GROUP_STATE,       1,  0,        false, Treatment::Judged),
    api(ApiKey::DELETE_SHARE_GROUP_STATE,      0,  0,        false, Treatment::Judged),
    api(ApiKey::STREAMS_GROUP_HEARTBEAT,       0,  0,        false, Treatment::Judged),
    api(ApiKey::ALTER_SHARE_GROUP_OFFSETS,     0,  0,        false, Treatment::Judged),
    api(ApiKey::DELETE_SHARE_GROUP_OFFSETS,    0,  0,        false, Treatment::Judged),
];

/// The row of a key, or `None` for one that passes opaque.
pub fn listed(key: ApiKey) -> Option<&'static Api> {
    TABLE.iter().find(|api| api.key == key)
}

/// Whether `key` is listed and this version of it is understood.
pub fn understands(key: ApiKey, version: i16) -> bool {
    listed(key).is_some_and(|api| api.versions.contain(version))
}

/// Header version of a request of a listed key: 2 ends with a tag section, 1 does not.
pub fn request_header_version(key: ApiKey, version: i16) -> Option<i16> {
    listed(key).map(|api| if version >= api.flexible_from { 2 } else { 1 })
}

/// Header version of a response of a listed key: 1 ends with a tag section, 0 does not. ApiVersions always answers with 0,
/// so that a client newer than the broker can read the refusal (KIP-511).
pub fn response_header_version(key: ApiKey, version: i16) -> Option<i16> {
    listed(key).map(|api| match key {
        ApiKey::API_VERSIONS => 0,
        _ if version >= api.flexible_from => 1,
        _ => 0,
    })
}

/// The edits that cut an ApiVersions answer to the table: the newest version of each listed key is lowered in place. Oldest
/// versions stay (4.x brokers list Produce from 0 for librdkafka's sake, KAFKA-18659), unlisted keys and feature tags too.
///
/// `version` is the request's. An answer with error 35 has the body of version 0 whatever was asked.
pub fn rewrite_api_versions_response(version: i16, body: &[u8]) -> Result<Edits, Error> {
    let refused = body.starts_with(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
    let version = if refused { 0 } else { version };
    let mut cut = Cut::default();
    match schema::walk(&schema::API_VERSIONS_RESPONSE, version, body, &mut cut) {
        // All that a client takes from it is to ask again; librdkafka's mock cluster mixes two versions here.
        Err(_) if refused => Ok(Edits::default()),
        walked => walked.map(|()| cut.edits),
    }
}

#[derive(Default)]
struct Cut {
    key: Option<i16>,
    edits: Edits,
}

impl Visitor<'_> for Cut {
    fn enter(&mut self, _name: Name, _start: usize) {
        self.key = None;
    }

    fn field(&mut self, name: Name, value: Value<'_>, range: Range<usize>) {
        match name {
            Name::ApiKey => self.key = value.as_i16(),
            Name::MinVersion => {
                let api = self.key.and_then(|key| listed(ApiKey(key)));
                if let (Some(api), Some(oldest)) = (api, value.as_i16())
                    && oldest < api.versions.first
                {
                    self.edits.replace(range, &api.versions.first.to_be_bytes());
                }
            }
            // Features have a `max_version` as well, but no `api_key` before it.
            Name::MaxVersion => {
                let api = self.key.and_then(|key| listed(ApiKey(key)));
                if let (Some(api), Some(newest)) = (api, value.as_i16())
                    && newest > api.versions.last
                {
                    self.edits.replace(range, &api.versions.last.to_be_bytes());
                }
            }
            _ => {}
        }
    }
}

/// The whole answer, size prefix included, to an ApiVersions request newer than the table: error 35 and our range, in the
/// body of version 0, upon which the client asks again (KIP-511).
pub fn api_versions_unsupported(correlation_id: i32) -> Vec<u8> {
    let newest = listed(ApiKey::API_VERSIONS).map_or(0, |api| api.versions.last);
    let mut frame = Vec::with_capacity(20);
    frame.extend_from_slice(&16_i32.to_be_bytes());
    frame.extend_from_slice(&correlation_id.to_be_bytes());
    frame.extend_from_slice(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
    frame.extend_from_slice(&1_i32.to_be_bytes());
    frame.extend_from_slice(&ApiKey::API_VERSIONS.0.to_be_bytes());
    frame.extend_from_slice(&0_i16.to_be_bytes());
    frame.extend_from_slice(&newest.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn produce_is_never_cut_below_what_transaction_version_2_needs() {
        assert!(listed(ApiKey::PRODUCE).is_some_and(|api| api.versions.last >= 12));
    }

    #[test]
    fn the_table_agrees_with_the_schemas_it_has_tables_for() {
        for api in TABLE.iter().copied() {
            for message in schema::MESSAGES
                .iter()
                .filter(|message| message.api_key == api.key)
            {
                assert_eq!(message.versions, api.versions, "{}", message.name);
                assert_eq!(message.flexible_from, api.flexible_from, "{}", message.name);
            }
        }
    }

    #[test]
    fn headers_follow_the_flexible_versions_except_for_the_answer_of_api_versions() {
        let check = |key, version, request, response| {
            assert_eq!(
                request_header_version(key, version),
                request,
                "{key:?} {version}"
            );
            assert_eq!(
                response_header_version(key, version),
                response,
                "{key:?} {version}"
            );
        };
        check(ApiKey::PRODUCE, 8, Some(1), Some(0));
        check(ApiKey::PRODUCE, 9, Some(2), Some(1));
        check(ApiKey::API_VERSIONS, 2, Some(1), Some(0));
        check(ApiKey::API_VERSIONS, 3, Some(2), Some(0));
        check(ApiKey::API_VERSIONS, 99, Some(2), Some(0));
        check(ApiKey::SASL_HANDSHAKE, 1, Some(1), Some(0));
        check(ApiKey::DESCRIBE_CLUSTER, 0, Some(2), Some(1));
        check(ApiKey(2), 0, None, None);
    }

    /// Version 0: error 0, Produce 0-99, ListOffsets 0-99, Metadata 3-5.
    #[rustfmt::skip]
    const V0: [u8; 24] = [
        0, 0,  0, 0, 0, 3,  0, 0, 0, 0, 0, 99,  0, 2, 0, 0, 0, 99,  0, 3, 0, 3, 0, 5,
    ];

    #[test]
    fn listed_keys_are_cut_to_the_newest_version_understood_and_nothing_else_changes() {
        let edits = rewrite_api_versions_response(0, &V0).unwrap();
        let mut expected = V0;
        expected[11] = 13;
        let mut body = V0;
        assert!(edits.patch(&mut body));
        assert_eq!(body, expected);
    }

    #[test]
    fn a_refusal_has_the_body_of_version_0_whatever_was_asked() {
        #[rustfmt::skip]
        let refusal = [0, 35,  0, 0, 0, 1,  0, 18, 0, 0, 0, 9];
        let edits = rewrite_api_versions_response(4, &refusal).unwrap();
        let mut body = refusal;
        assert!(edits.patch(&mut body));
        assert_eq!(body[11], 5);
        // Brokers before 2.4 name no range at all.
        assert!(
            rewrite_api_versions_response(4, &[0, 35, 0, 0, 0, 0])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn features_are_kept_although_they_have_a_max_version_too() {
        #[rustfmt::skip]
        let v3 = [
            0, 0,                                        // error_code
            2,  0, 3, 0, 0, 0, 99, 0,                    // api_keys: Metadata 0-99
            0, 0, 0, 0,                                  // throttle_time_ms
            1,  0, 10,                                   // one tagged field: supported_features, 10 bytes
            2,  4, b't', b'.', b'v', 0, 0, 0, 99, 0,     // t.v 0-99
        ];
        let edits = rewrite_api_versions_response(3, &v3).unwrap();
        let mut body = v3;
        assert!(edits.patch(&mut body));
        let mut expected = v3;
        expected[8] = 13;
        assert_eq!(body, expected);
    }

    #[test]
    fn a_client_newer_than_the_table_is_told_the_range_it_may_ask_with() {
        #[rustfmt::skip]
        let expected = [
            0, 0, 0, 16,  0, 0, 0, 7,  0, 35,  0, 0, 0, 1,  0, 18, 0, 0, 0, 5,
        ];
        assert_eq!(api_versions_unsupported(7), expected);
    }
}
