//! What brokers write of share groups among themselves: InitializeShareGroupState, WriteShareGroupState and
//! DeleteShareGroupState. Of a request the group and the partitions are read where they lie, the same way for all three.
//!
//! Floor 0. Does not judge.

use super::api::ApiKey;
use super::reader::Error;
use super::schema::{self, Message, Name, Value, Visitor};

/// One request.
#[derive(Debug, Default, PartialEq)]
pub struct State<'a> {
    pub group: &'a [u8],
    pub topics: Vec<Topic>,
}

#[derive(Debug, Default, PartialEq)]
pub struct Topic {
    pub id: [u8; 16],
    pub partitions: Vec<i32>,
}

/// Proves and reads the body of a request; one of another API has no group.
pub fn read(key: ApiKey, version: i16, body: &[u8]) -> Result<State<'_>, Error> {
    let mut state = State::default();
    if let Some(message) = message(key) {
        schema::walk(message, version, body, &mut state)?;
    }
    Ok(state)
}

fn message(key: ApiKey) -> Option<&'static Message> {
    match key {
        ApiKey::INITIALIZE_SHARE_GROUP_STATE => Some(&schema::INITIALIZE_SHARE_GROUP_STATE_REQUEST),
        ApiKey::WRITE_SHARE_GROUP_STATE => Some(&schema::WRITE_SHARE_GROUP_STATE_REQUEST),
        ApiKey::DELETE_SHARE_GROUP_STATE => Some(&schema::DELETE_SHARE_GROUP_STATE_REQUEST),
        _ => None,
    }
}

impl<'a> Visitor<'a> for State<'a> {
    fn enter(&mut self, name: Name, _start: usize) {
        if name == Name::Topics {
            self.topics.push(Topic::default());
        }
    }

    fn field(&mut self, name: Name, value: Value<'a>, _range: std::ops::Range<usize>) {
        match (name, value, self.topics.last_mut()) {
            (Name::GroupId, value, _) => self.group = value.as_bytes().unwrap_or_default(),
            (Name::TopicId, Value::Uuid(id), Some(topic)) => topic.id = id,
            (Name::Partition, Value::I32(partition), Some(topic)) => {
                topic.partitions.push(partition);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_topics_and_partitions_are_read_whatever_lies_between() {
        #[rustfmt::skip]
        let write = [
            2, b'g',  2,                                              // group_id, one topic
            7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,  2,       // topic_id, one partition
            0, 0, 0, 5,  0, 0, 0, 1,  0, 0, 0, 2,                     // partition, state_epoch, leader_epoch
            0, 0, 0, 0, 0, 0, 0, 9,  0, 0, 0, 3,  2,                  // start_offset, delivery_complete_count, one batch
            0, 0, 0, 0, 0, 0, 0, 9,  0, 0, 0, 0, 0, 0, 0, 10,  2,  0, 1,  0,
            0,  0,  0,
        ];
        let found = read(ApiKey::WRITE_SHARE_GROUP_STATE, 1, &write).expect("a request");
        let topic = Topic {
            id: [7; 16],
            partitions: vec![5],
        };
        let expected = State {
            group: b"g",
            topics: vec![topic],
        };
        assert_eq!(found, expected);
        assert!(read(ApiKey::WRITE_SHARE_GROUP_STATE, 0, &write).is_err());
    }
}
