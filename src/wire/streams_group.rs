//! StreamsGroupHeartbeat (KIP-1071): the topics that a topology has the brokers create, read and edited where they lie, and the
//! answer that refuses it.
//!
//! Floor 0. kafka-protocol does not know the message. Does not judge.

use super::api::ErrorCode;
use super::edit::Edits;
use super::reader::Error;
use super::schema::{self, Name, Value, Visitor};
use std::ops::Range;

/// A changelog topic or a repartition topic. Ranges are offsets into the body.
#[derive(Debug, Default, PartialEq)]
pub struct Topic<'a> {
    pub name: &'a [u8],
    /// 0: the brokers choose.
    pub replication_factor: i16,
    pub configs: Vec<Config<'a>>,
    factor_range: Range<usize>,
    count_range: Range<usize>,
    configs_end: usize,
}

#[derive(Debug, Default, PartialEq)]
pub struct Config<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    value_range: Range<usize>,
}

impl Topic<'_> {
    pub fn set_replication_factor(&self, factor: i16, edits: &mut Edits) {
        edits.replace(self.factor_range.clone(), &factor.to_be_bytes());
    }

    /// In place of every value that there is; where there is none, behind the other configs.
    pub fn set_config(&self, key: &str, value: &str, edits: &mut Edits) {
        let before = edits.mark();
        for config in &self.configs {
            if config.key == key.as_bytes() {
                edits.replace_string(config.value_range.clone(), value, true);
            }
        }
        if edits.mark() == before {
            let end = self.configs_end..self.configs_end;
            edits.replace_count(self.count_range.clone(), self.configs.len() + 1, true);
            edits.replace_string(end.clone(), key, true);
            edits.replace_string(end.clone(), value, true);
            edits.replace(end, &[0]);
        }
    }
}

/// Proves the body of a request and returns the topics of its topology; most heartbeats have none.
pub fn topics(version: i16, body: &[u8]) -> Result<Vec<Topic<'_>>, Error> {
    let mut found = Found::default();
    schema::walk(
        &schema::STREAMS_GROUP_HEARTBEAT_REQUEST,
        version,
        body,
        &mut found,
    )?;
    Ok(found.topics)
}

#[derive(Default)]
struct Found<'a> {
    topics: Vec<Topic<'a>>,
    /// The struct that was entered last: the tags of a client have keys and values, too.
    entered: Option<Name>,
}

impl<'a> Visitor<'a> for Found<'a> {
    fn enter(&mut self, name: Name, _start: usize) {
        self.entered = Some(name);
        match (name, self.topics.last_mut()) {
            (Name::StateChangelogTopics | Name::RepartitionSourceTopics, _) => {
                self.topics.push(Topic::default());
            }
            (Name::TopicConfigs, Some(topic)) => topic.configs.push(Config::default()),
            _ => {}
        }
    }

    fn leave(&mut self, name: Name, range: Range<usize>) {
        if let (Name::TopicConfigs, Some(topic)) = (name, self.topics.last_mut()) {
            topic.configs_end = range.end;
        }
    }

    fn array(&mut self, name: Name, count_range: Range<usize>, _count: Option<usize>) {
        if let (Name::TopicConfigs, Some(topic)) = (name, self.topics.last_mut()) {
            topic.configs_end = count_range.end;
            topic.count_range = count_range;
        }
    }

    fn field(&mut self, name: Name, value: Value<'a>, range: Range<usize>) {
        let of_config = self.entered == Some(Name::TopicConfigs);
        let Some(topic) = self.topics.last_mut() else {
            return;
        };
        match (name, value, topic.configs.last_mut()) {
            (Name::Name, Value::String(Some(name)), _) => topic.name = name,
            (Name::ReplicationFactor, Value::I16(factor), _) => {
                (topic.replication_factor, topic.factor_range) = (factor, range);
            }
            (Name::Key, Value::String(Some(key)), Some(config)) if of_config => config.key = key,
            (Name::Value, Value::String(Some(value)), Some(config)) if of_config => {
                (config.value, config.value_range) = (value, range);
            }
            _ => {}
        }
    }
}

/// The body of an answer without an error, every field as Kafka's schema has it by default.
#[rustfmt::skip]
const ANSWER: [u8; 34] = [
    0, 0, 0, 0,  0, 0,  0,                             // throttle_time_ms, error_code, error_message
    1,  0, 0, 0, 0,                                    // member_id, member_epoch
    0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,              // heartbeat_interval_ms, acceptable_recovery_lag, task_offset_interval_ms
    1,  0,  0,  0,                                     // status, active_tasks, standby_tasks, warmup_tasks
    0, 0, 0, 0,  0,  0,                                // endpoint_information_epoch, partitions_by_user_endpoint
];
const ERROR_CODE: Range<usize> = 4..6;
const ERROR_MESSAGE: Range<usize> = 6..7;

/// The body of the answer to a request of which nothing goes on.
pub fn refusal(code: ErrorCode, text: &str) -> Vec<u8> {
    let mut edits = Edits::default();
    edits.replace(ERROR_CODE, &code.0.to_be_bytes());
    edits.replace_string(ERROR_MESSAGE, text, true);
    edits.splice(&ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_follows_the_schema() {
        #[derive(Default)]
        struct Told(Vec<(Name, String)>);
        impl<'a> Visitor<'a> for Told {
            fn field(&mut self, name: Name, value: Value<'a>, _range: Range<usize>) {
                self.0.push((name, format!("{value:?}")));
            }
        }
        let mut told = Told::default();
        let body = refusal(ErrorCode::STREAMS_INVALID_TOPOLOGY, "no");
        schema::walk(
            &schema::STREAMS_GROUP_HEARTBEAT_RESPONSE,
            0,
            &body,
            &mut told,
        )
        .expect("an answer");
        let expected = [
            (Name::ThrottleTimeMs, "I32(0)"),
            (Name::ErrorCode, "I16(130)"),
            (Name::ErrorMessage, "String(Some([110, 111]))"),
            (Name::MemberId, "String(Some([]))"),
            (Name::MemberEpoch, "I32(0)"),
            (Name::HeartbeatIntervalMs, "I32(0)"),
            (Name::AcceptableRecoveryLag, "I32(0)"),
            (Name::TaskOffsetIntervalMs, "I32(0)"),
            (Name::EndpointInformationEpoch, "I32(0)"),
        ];
        assert_eq!(
            told.0,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }
}
