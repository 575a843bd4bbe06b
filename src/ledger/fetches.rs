//! What connections read together: how close retention has come to the positions of each topic's consumers, and how many
//! partitions they may keep in mind in all.
//!
//! Floor 1. Positions themselves are kept by each connection; here are sums only.

use super::locked;
use super::room::Room;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Partitions that all connections together may keep in mind.
const PARTITIONS: usize = 1_000_000;
/// Topics whose headroom is known.
const TOPICS: usize = 10_000;
/// The lowest headroom of this window and of the one before is told.
const WINDOW_MS: i64 = 60_000;

#[derive(Debug, Default)]
pub struct Fetches {
    kept: Arc<AtomicUsize>,
    topics: Mutex<HashMap<Arc<str>, Lowest>>,
    unnoticed: AtomicU64,
}

/// The lowest headroom of a topic, in offsets.
#[derive(Clone, Copy, Debug)]
struct Lowest {
    window: i64,
    now: u64,
    before: u64,
}

impl Fetches {
    pub fn room(&self) -> Room {
        Room::of(&self.kept, PARTITIONS)
    }

    /// Partitions of a request were not kept in mind.
    pub fn unnoticed(&self, partitions: u64) {
        self.unnoticed.fetch_add(partitions, Ordering::Relaxed);
    }

    /// How often there was no room for a partition or a topic.
    pub fn forgotten(&self) -> u64 {
        self.unnoticed.load(Ordering::Relaxed)
    }

    /// A consumer of the topic is `headroom` offsets away from losing some.
    pub fn told(&self, topic: &Arc<str>, headroom: u64, now_ms: i64) {
        let window = now_ms.div_euclid(WINDOW_MS);
        let mut topics = locked(&self.topics);
        if let Some(lowest) = topics.get_mut(topic) {
            lowest.turn(window);
            lowest.now = lowest.now.min(headroom);
            return;
        }
        if topics.len() >= TOPICS {
            topics.retain(|_, lowest| lowest.is_fresh(window));
        }
        if topics.len() >= TOPICS {
            self.unnoticed(1);
            return;
        }
        let lowest = Lowest {
            window,
            now: headroom,
            before: u64::MAX,
        };
        topics.insert(topic.clone(), lowest);
    }

    /// The topics that are being read, with their lowest headroom; the lowest first.
    pub fn headroom(&self, now_ms: i64) -> Vec<(Arc<str>, u64)> {
        let window = now_ms.div_euclid(WINDOW_MS);
        let mut topics = locked(&self.topics);
        topics.retain(|_, lowest| lowest.is_fresh(window));
        let mut all: Vec<(Arc<str>, u64)> = topics
            .iter()
            .map(|(topic, lowest)| (topic.clone(), lowest.now.min(lowest.before)))
            .collect();
        drop(topics);
        all.sort_by(|(a, low), (b, other)| (low, a).cmp(&(other, b)));
        all
    }
}

impl Lowest {
    fn turn(&mut self, window: i64) {
        if self.window != window {
            self.before = match self.window == window - 1 {
                true => self.now,
                false => u64::MAX,
            };
            (self.window, self.now) = (window, u64::MAX);
        }
    }

    fn is_fresh(&self, window: i64) -> bool {
        (window - 1..=window).contains(&self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_headroom_stands_for_a_window_or_two_and_then_goes() {
        let fetches = Fetches::default();
        let (orders, bills) = (Arc::from("orders"), Arc::from("bills"));
        fetches.told(&orders, 7, 10);
        fetches.told(&orders, 9, 20);
        fetches.told(&bills, 3, 20);
        let told = |at| fetches.headroom(at);
        assert_eq!(told(30), [(bills.clone(), 3), (orders.clone(), 7)]);
        fetches.told(&orders, 50, WINDOW_MS + 1);
        assert_eq!(told(WINDOW_MS + 2)[1], (orders.clone(), 7));
        fetches.told(&orders, 60, 2 * WINDOW_MS + 1);
        assert_eq!(told(2 * WINDOW_MS + 2), [(orders, 50)]);
        assert_eq!(told(4 * WINDOW_MS), []);
    }

    #[test]
    fn room_is_given_back_and_what_has_none_is_counted() {
        let fetches = Fetches::default();
        let mut room = fetches.room();
        assert!((0..PARTITIONS).all(|_| room.take()));
        assert!(!room.take() && !fetches.room().take());
        room.keep(PARTITIONS - 1);
        assert!(fetches.room().take());
        drop(room);
        assert_eq!(fetches.kept.load(Ordering::Relaxed), 0);
        for topic in 0..=TOPICS {
            fetches.told(&Arc::from(topic.to_string()), 1, 0);
        }
        assert_eq!(fetches.forgotten(), 1);
    }
}
