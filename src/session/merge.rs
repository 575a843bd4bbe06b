//! Partitions of a Produce request that Holdfast refused, on their way into the answer: an answer of our own where
//! nothing went to the broker, else the broker's answer with the refused partitions put in at their topic.
//!
//! A topic must stand once in an answer: Java keeps the first of two and the second would never be heard of.

use super::inflight::Topic;
use crate::wire::api::ErrorCode;
use crate::wire::produce::{self, Answer};
use crate::wire::varint;
use std::sync::Arc;

/// One refused partition.
#[derive(Clone, Debug)]
pub struct Refused {
    pub topic: Topic,
    pub partition: i32,
    pub error_code: ErrorCode,
    pub text: Arc<str>,
}

/// All refused partitions of one request, in the order of the request, so that those of a topic stand together.
#[derive(Debug, Default)]
pub struct Merge {
    pub refused: Vec<Refused>,
}

impl Merge {
    /// A whole answer frame that holds nothing but the refused partitions.
    pub fn answer(&self, correlation_id: i32, version: i16) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend(correlation_id.to_be_bytes());
        produce::push_no_tags(&mut out, version);
        let topics: Vec<&[Refused]> = self.by_topic().collect();
        produce::push_count(&mut out, version, topics.len() as u32);
        for topic in topics {
            push_topic(&mut out, version, topic);
        }
        if version >= 1 {
            out.extend(0i32.to_be_bytes());
        }
        produce::push_no_tags(&mut out, version);
        set_size(&mut out);
        out
    }

    /// The broker's answer with the refused partitions in it. `frame` is a whole answer, size prefix included.
    pub fn put_into(&self, frame: &[u8], version: i16) -> Result<Vec<u8>, &'static str> {
        let mut topics: Vec<&[Refused]> = self.by_topic().collect();
        let mut out = Vec::with_capacity(frame.len() + self.refused.len() * 64);
        let mut copied = 0;
        let (mut topics_at, mut topic_count, mut here) = ((0, 0), 0, None);
        produce::walk_answer(frame, version, |part| match part {
            Answer::Topics { count, at, width } => (topics_at, topic_count) = ((at, width), count),
            Answer::Topic {
                key,
                count,
                count_at,
                width,
            } => {
                here = topics.iter().position(|refused| refused[0].topic.is(key));
                if let Some(position) = here {
                    out.extend(&frame[copied..count_at]);
                    produce::push_count(&mut out, version, count + topics[position].len() as u32);
                    copied = count_at + width;
                }
            }
            Answer::PartitionsEnd { at } => {
                if let Some(position) = here.take() {
                    out.extend(&frame[copied..at]);
                    copied = at;
                    for refused in topics.remove(position) {
                        push_partition(&mut out, version, refused);
                    }
                }
            }
            Answer::TopicsEnd { at } => {
                out.extend(&frame[copied..at]);
                copied = at;
                for topic in &topics {
                    push_topic(&mut out, version, topic);
                }
            }
            Answer::Partition { .. } => {}
        })?;
        out.extend(&frame[copied..]);
        if !topics.is_empty() {
            let (at, width) = topics_at;
            let mut count = Vec::new();
            produce::push_count(&mut count, version, topic_count + topics.len() as u32);
            out.splice(at..at + width, count);
        }
        set_size(&mut out);
        Ok(out)
    }

    fn by_topic(&self) -> impl Iterator<Item = &[Refused]> {
        self.refused.chunk_by(|a, b| a.topic == b.topic)
    }
}

fn push_topic(out: &mut Vec<u8>, version: i16, refused: &[Refused]) {
    produce::push_topic_key(out, version, refused[0].topic.key());
    produce::push_count(out, version, refused.len() as u32);
    for refused in refused {
        push_partition(out, version, refused);
    }
    produce::push_no_tags(out, version);
}

fn push_partition(out: &mut Vec<u8>, version: i16, refused: &Refused) {
    produce::push_refused_partition(
        out,
        version,
        refused.partition,
        refused.error_code,
        &refused.text,
    );
}

fn set_size(frame: &mut [u8]) {
    let size = (frame.len() - 4) as u32;
    frame[..4].copy_from_slice(&size.to_be_bytes());
}

/// Writes a smaller count over one that fills `place`, at the same width.
pub fn overwrite_count(place: &mut [u8], version: i16, count: u32) {
    match version >= produce::FLEXIBLE_FROM {
        true => varint::overwrite(place, count.saturating_add(1)),
        false => place.copy_from_slice(&count.to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::messages::ProduceResponse;
    use kafka_protocol::messages::produce_response::{
        PartitionProduceResponse, TopicProduceResponse,
    };
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    fn refused(topic: &str, partition: i32) -> Refused {
        Refused {
            topic: Topic::Name(topic.into()),
            partition,
            error_code: ErrorCode::MESSAGE_TOO_LARGE,
            text: "too large".into(),
        }
    }

    fn decode(frame: &[u8], version: i16) -> ProduceResponse {
        let body_at = if version >= 9 { 9 } else { 8 };
        assert_eq!(
            i32::from_be_bytes(frame[..4].try_into().unwrap()) as usize,
            frame.len() - 4
        );
        ProduceResponse::decode(&mut Bytes::copy_from_slice(&frame[body_at..]), version).unwrap()
    }

    fn errors(response: &ProduceResponse) -> Vec<(String, i32, i16)> {
        let mut all = Vec::new();
        for topic in &response.responses {
            for partition in &topic.partition_responses {
                all.push((
                    topic.name.to_string(),
                    partition.index,
                    partition.error_code,
                ));
            }
        }
        all
    }

    fn broker_answer(version: i16) -> Vec<u8> {
        let partition = |index| {
            PartitionProduceResponse::default()
                .with_index(index)
                .with_base_offset(7)
        };
        let topic = |name: &'static str, index| {
            TopicProduceResponse::default()
                .with_name(StrBytes::from_static_str(name).into())
                .with_partition_responses(vec![partition(index)])
        };
        let response =
            ProduceResponse::default().with_responses(vec![topic("a", 1), topic("b", 2)]);
        let mut body = Vec::new();
        response.encode(&mut body, version).unwrap();
        let mut frame = vec![0, 0, 0, 0, 0, 0, 0, 9];
        produce::push_no_tags(&mut frame, version);
        frame.extend(body);
        set_size(&mut frame);
        frame
    }

    #[test]
    fn refused_partitions_stand_in_their_topic_in_every_version() {
        for version in 3..=12 {
            let merge = Merge {
                refused: vec![refused("b", 5), refused("b", 6), refused("c", 0)],
            };
            let merged = merge.put_into(&broker_answer(version), version).unwrap();
            let expected = [
                ("a", 1, 0),
                ("b", 2, 0),
                ("b", 5, 10),
                ("b", 6, 10),
                ("c", 0, 10),
            ]
            .map(|(t, p, e)| (t.to_owned(), p, e));
            assert_eq!(
                errors(&decode(&merged, version)),
                expected,
                "version {version}"
            );
        }
    }

    #[test]
    fn an_answer_of_our_own_is_what_a_broker_would_send() {
        for version in 3..=12 {
            let merge = Merge {
                refused: vec![refused("a", 0), refused("b", 1)],
            };
            let response = decode(&merge.answer(9, version), version);
            assert_eq!(
                errors(&response),
                [("a".to_owned(), 0, 10), ("b".to_owned(), 1, 10)]
            );
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!(partition.base_offset, -1);
            if version >= 8 {
                assert_eq!(partition.error_message.as_deref(), Some("too large"));
            }
        }
    }
}
