//! What the tests of administrators' calls have in common: their requests and answers as frames, whatever the API.

use crate::support::rig::Rig;
use bytes::{Bytes, BytesMut};
use holdfast::policy::{Mode, Scenario};
use holdfast::session::event::Event;
use holdfast::wire::api;
use holdfast::wire::versions;
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A whole request, correlation id 7.
pub fn request(key: ApiKey, version: i16, body: &impl Encodable) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("operator")));
    let header_version = versions::request_header_version(api::ApiKey(key as i16), version);
    let mut bytes = BytesMut::new();
    header
        .encode(&mut bytes, header_version.expect("listed"))
        .expect("encoded");
    body.encode(&mut bytes, version).expect("encoded");
    framed(&bytes)
}

/// A broker's whole answer to it.
pub fn response(key: ApiKey, version: i16, body: &impl Encodable) -> Vec<u8> {
    let header = ResponseHeader::default().with_correlation_id(7);
    let header_version = versions::response_header_version(api::ApiKey(key as i16), version);
    let mut bytes = BytesMut::new();
    header
        .encode(&mut bytes, header_version.expect("listed"))
        .expect("encoded");
    body.encode(&mut bytes, version).expect("encoded");
    framed(&bytes)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// The one answer that the client got.
pub fn heard<T: Decodable>(key: ApiKey, version: i16, frame: &[u8]) -> T {
    let mut bytes = Bytes::copy_from_slice(&frame[4..]);
    let header_version = versions::response_header_version(api::ApiKey(key as i16), version);
    let header =
        ResponseHeader::decode(&mut bytes, header_version.expect("listed")).expect("decoded");
    assert_eq!(header.correlation_id, 7);
    let body = T::decode(&mut bytes, version).expect("decoded");
    assert!(bytes.is_empty());
    body
}

/// What the broker got.
pub fn passed<T: Decodable>(key: ApiKey, version: i16, frame: &[u8]) -> T {
    let mut bytes = Bytes::copy_from_slice(&frame[4..]);
    let header_version = versions::request_header_version(api::ApiKey(key as i16), version);
    RequestHeader::decode(&mut bytes, header_version.expect("listed")).expect("decoded");
    let body = T::decode(&mut bytes, version).expect("decoded");
    assert!(bytes.is_empty());
    body
}

/// How many refusals of a scenario were counted, and how many changes.
pub fn counted(rig: &Rig, of: Scenario, in_mode: Mode) -> (usize, usize) {
    let count = |is: &dyn Fn(&Event) -> bool| rig.events.iter().filter(|event| is(event)).count();
    (
        count(
            &|event| matches!(event, Event::Rejection { scenario, mode, .. } if *scenario == of && *mode == in_mode),
        ),
        count(
            &|event| matches!(event, Event::Override { scenario, mode, .. } if *scenario == of && *mode == in_mode),
        ),
    )
}
