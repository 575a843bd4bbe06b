//! Counters with labels from our own enums (floor 4): handles are resolved ahead, so that counting costs one atomic addition.

use prometheus::IntCounter;
use prometheus::IntCounterVec;

/// A family whose label values follow from a small key.
#[derive(Debug)]
pub struct Pairs<K, const LABELS: usize> {
    family: IntCounterVec,
    labels: fn(K) -> [&'static str; LABELS],
    known: Vec<(K, IntCounter)>,
}

impl<K: Copy + PartialEq, const LABELS: usize> Pairs<K, LABELS> {
    /// Every key of `known` is exported from the start, at 0.
    pub fn new(
        family: IntCounterVec,
        labels: fn(K) -> [&'static str; LABELS],
        known: impl IntoIterator<Item = K>,
    ) -> Self {
        let known = known
            .into_iter()
            .map(|key| (key, family.with_label_values(&labels(key))));
        Pairs {
            known: known.collect(),
            family,
            labels,
        }
    }

    pub fn add(&self, key: K, count: u64) {
        match self.known.iter().find(|(known, _)| *known == key) {
            Some((_, counter)) => counter.inc_by(count),
            // A pair that nobody foresaw: slower, and still counted.
            None => self
                .family
                .with_label_values(&(self.labels)(key))
                .inc_by(count),
        }
    }
}
