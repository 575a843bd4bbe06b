//! Families with labels that clients choose (floor 4): client ids and topics, the first so many by name, the others together.

use prometheus::{IntCounter, IntCounterVec};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Where what finds no room is counted.
pub const OTHER: &str = "__other__";
/// Label of a client without an id (null or empty), and of a topic of which only an unknown id is known.
pub const NONE: &str = "__none__";
/// A client id may have 32767 bytes; a label need not.
const MAX_LABEL_BYTES: usize = 128;

/// A family with the labels scenario, mode and a name.
#[derive(Debug)]
pub struct Capped {
    family: IntCounterVec,
    overflow: IntCounter,
    cap: usize,
    names: Mutex<HashSet<Box<str>>>,
}

impl Capped {
    pub fn new(family: IntCounterVec, overflow: IntCounter, cap: usize) -> Capped {
        Capped {
            family,
            overflow,
            cap,
            names: Mutex::default(),
        }
    }

    /// The handle for a name; to be kept by whoever meets it. Takes a lock.
    pub fn resolve(
        &self,
        scenario: &'static str,
        mode: &'static str,
        name: Option<&str>,
    ) -> IntCounter {
        let name = label(name);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let room = names.contains(name) || names.len() < self.cap && names.insert(name.into());
        drop(names);
        if !room {
            self.overflow.inc();
        }
        let name = if room { name } else { OTHER };
        self.family.with_label_values(&[scenario, mode, name])
    }
}

fn label(name: Option<&str>) -> &str {
    let name = name.filter(|name| !name.is_empty()).unwrap_or(NONE);
    &name[..name.floor_char_boundary(MAX_LABEL_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Opts;

    #[test]
    fn names_beyond_the_cap_are_counted_together_and_known_ones_stay() {
        let family =
            IntCounterVec::new(Opts::new("f", "h"), &["scenario", "mode", "name"]).expect("sound");
        let overflow = IntCounter::new("o", "h").expect("sound");
        let capped = Capped::new(family.clone(), overflow.clone(), 2);
        for name in ["a", "b", "c", "d", "a"] {
            capped.resolve("s", "m", Some(name)).inc();
        }
        let value = |name| family.with_label_values(&["s", "m", name]).get();
        assert_eq!((value("a"), value("b"), value(OTHER)), (2, 1, 2));
        assert_eq!(overflow.get(), 2);
    }

    #[test]
    fn long_and_missing_names_make_decent_labels() {
        assert_eq!(label(None), NONE);
        assert_eq!(label(Some("")), NONE);
        assert_eq!(label(Some(&"é".repeat(100))).len(), 128);
        assert_eq!(label(Some(&format!("x{}", "é".repeat(100)))).len(), 127);
    }
}
