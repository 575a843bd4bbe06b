//! The topics that one connection remembers, found by how a request or an answer names them.
//!
//! They stay where they were put; beside them lies their order by key, so that a connection with one topic, as most are,
//! pays for one, and none is hashed.

use super::inflight::Topic;
use crate::wire::produce::TopicKey;
use std::ops::{Deref, DerefMut};

/// What is remembered of a topic.
pub(super) trait Named {
    fn topic(&self) -> &Topic;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Topics<T> {
    list: Vec<T>,
    /// Places in `list`, in the order of their keys.
    order: Vec<u32>,
}

impl<T: Named> Topics<T> {
    /// With room for one.
    pub fn new() -> Topics<T> {
        Topics {
            list: Vec::with_capacity(1),
            order: Vec::with_capacity(1),
        }
    }

    /// Where a topic is.
    pub fn find(&self, key: TopicKey<'_>) -> Option<usize> {
        self.rank(key).ok().map(|rank| self.order[rank] as usize)
    }

    /// Where it is from now on. There must be no other one that goes by its key.
    pub fn add(&mut self, new: T) -> usize {
        let at = self.list.len();
        let (Ok(rank) | Err(rank)) = self.rank(new.topic().key());
        self.order.insert(rank, at as u32);
        self.list.push(new);
        at
    }

    fn rank(&self, key: TopicKey<'_>) -> Result<usize, usize> {
        self.order
            .binary_search_by(|at| self.list[*at as usize].topic().key().cmp(&key))
    }
}

impl<T> Deref for Topics<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.list
    }
}

impl<T> DerefMut for Topics<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Named for Topic {
        fn topic(&self) -> &Topic {
            self
        }
    }

    #[test]
    fn each_topic_is_found_where_it_was_put_by_name_and_by_id() {
        let mut topics = Topics::new();
        let named = |i: u8| Topic::Name(format!("topic-{}", i.wrapping_mul(37)).into());
        let known = |i: u8| Topic::Id([i.wrapping_mul(91); 16], None);
        for i in 0..200 {
            assert_eq!(topics.find(named(i).key()), None);
            assert_eq!(topics.add(named(i)), 2 * usize::from(i));
            assert_eq!(topics.find(known(i).key()), None);
            assert_eq!(topics.add(known(i)), 2 * usize::from(i) + 1);
        }
        for i in 0..200 {
            assert_eq!(topics.find(named(i).key()), Some(2 * usize::from(i)));
            assert_eq!(topics.find(known(i).key()), Some(2 * usize::from(i) + 1));
        }
    }
}
