//! The recent events that a human may want to know of (floor 4): a bounded list, read by `/report`. The same thing seen again
//! moves to the end; where room is short, the oldest that is not grave goes first.
//!
//! Written where the log is, behind its throttles: never once per request.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Kept at a time.
pub const MAX_ALARMS: usize = 50;
/// Of each text: peers choose some of them.
const MAX_TEXT_CHARS: usize = 256;

/// One event, and when it was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alarm {
    /// `acked_truncation`, `absorbed_error`, `override_failure`, `refused`, `degraded`, `closed`, `connection_rejected`,
    /// `broker_outside_set`, `broker_unreachable`, `exemption_expired`, `tls_reload_failed` or `panic`.
    pub kind: String,
    /// Records are lost or unreachable, or a program is broken.
    pub grave: bool,
    pub text: String,
    pub client_id: Option<String>,
    pub topic: Option<String>,
    /// Node id of the broker that it concerns.
    pub broker: Option<i32>,
    /// Seconds since 1970.
    pub first_seen: u64,
    pub last_seen: u64,
}

impl Alarm {
    pub(super) fn new(kind: &str, text: impl Into<String>) -> Alarm {
        Alarm {
            kind: kind.to_owned(),
            text: short(&text.into()),
            ..Alarm::default()
        }
    }

    pub(super) fn grave(mut self) -> Alarm {
        self.grave = true;
        self
    }

    pub(super) fn of(mut self, client_id: Option<&str>, topic: Option<&str>) -> Alarm {
        self.client_id = client_id.map(short);
        self.topic = topic.map(short);
        self
    }

    pub(super) fn at(mut self, broker: Option<i32>) -> Alarm {
        self.broker = broker;
        self
    }

    fn same(&self, other: &Alarm) -> bool {
        (&self.kind, &self.text, self.broker) == (&other.kind, &other.text, other.broker)
            && (&self.client_id, &self.topic) == (&other.client_id, &other.topic)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Alarms(Mutex<VecDeque<Alarm>>);

impl Alarms {
    pub(super) fn raise(&self, mut alarm: Alarm) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        (alarm.first_seen, alarm.last_seen) = (now, now);
        let mut alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = alarms.iter().position(|kept| kept.same(&alarm)) {
            alarm.first_seen = alarms[place].first_seen;
            alarms.remove(place);
        } else if alarms.len() >= MAX_ALARMS {
            let place = alarms.iter().position(|kept| !kept.grave).unwrap_or(0);
            alarms.remove(place);
        }
        alarms.push_back(alarm);
    }

    /// The latest first.
    pub(super) fn recent(&self) -> Vec<Alarm> {
        let alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        alarms.iter().rev().cloned().collect()
    }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_again_moves_to_the_end_and_grave_alarms_outlive_the_others() {
        let alarms = Alarms::default();
        alarms.raise(Alarm::new("acked_truncation", "gone").grave());
        alarms.raise(Alarm::new("refused", "first"));
        for number in 0..MAX_ALARMS * 2 {
            alarms.raise(Alarm::new("refused", number.to_string()));
            alarms.raise(Alarm::new("refused", "first"));
        }
        let recent = alarms.recent();
        assert_eq!(recent.len(), MAX_ALARMS);
        assert_eq!(recent[0].text, "first");
        assert_eq!(recent[MAX_ALARMS - 1].kind, "acked_truncation");
        let firsts = recent.iter().filter(|alarm| alarm.text == "first");
        assert_eq!(firsts.count(), 1);
    }

    #[test]
    fn texts_of_peers_are_cut() {
        let long = "x".repeat(70_000);
        let alarm = Alarm::new("closed", &*long).of(Some(&long), Some(&long));
        assert_eq!(alarm.text.len(), MAX_TEXT_CHARS);
        assert_eq!(alarm.topic.map(|topic| topic.len()), Some(MAX_TEXT_CHARS));
    }
}
