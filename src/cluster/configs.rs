//! What a topic's configs are today, and what they would be if the topic had none of its own.
//!
//! Floor 1. Values as numbers, so that a topic costs the same whatever its brokers write; words have numbers of their own.

/// The keys that are remembered: those by which `weakening_config` judges.
pub const KEYS: [&str; 16] = [
    "min.insync.replicas",
    "retention.ms",
    "retention.bytes",
    "local.retention.ms",
    "local.retention.bytes",
    "cleanup.policy",
    "unclean.leader.election.enable",
    "max.message.bytes",
    "message.timestamp.type",
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.difference.max.ms",
    "segment.ms",
    "delete.retention.ms",
    "remote.storage.enable",
    "remote.log.delete.on.disable",
];

/// One config; values as [`read`] gives them, `None`: not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub value: Option<i64>,
    /// What holds once the topic's own value is taken back.
    pub otherwise: Option<i64>,
}

/// The configs of one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Configs([Held; KEYS.len()]);

impl Configs {
    /// Nothing is known of keys that are not remembered.
    pub fn held(&self, key: &str) -> Held {
        position(key).map_or_else(Held::default, |at| self.0[at])
    }

    pub fn hold(&mut self, key: &str, held: Held) {
        if let Some(at) = position(key) {
            self.0[at] = held;
        }
    }
}

fn position(key: &str) -> Option<usize> {
    KEYS.iter().position(|known| *known == key)
}

/// A config's value as a number: itself, or for words what stands here. A list is the sum of its words, each counted once.
/// `None`: it is none of these.
pub fn read(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let words = text.split(',').map(str::trim);
        words
            .filter(|word| !word.is_empty())
            .try_fold(0, |sum, word| Some(sum | of_word(word)?))
    })
}

fn of_word(word: &str) -> Option<i64> {
    const WORDS: [(&str, i64); 6] = [
        ("false", 0),
        ("true", 1),
        ("delete", 1),
        ("compact", 2),
        ("CreateTime", 0),
        ("LogAppendTime", 1),
    ];
    let known = WORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))?;
    Some(known.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lists_have_numbers_and_anything_else_has_none() {
        for (text, expected) in [
            ("-1", Some(-1)),
            (" 42 ", Some(42)),
            ("TRUE", Some(1)),
            ("false", Some(0)),
            ("delete, compact", Some(3)),
            ("compact,delete", Some(3)),
            ("compact,compact", Some(2)),
            ("", Some(0)),
            ("LogAppendTime", Some(1)),
            ("99999999999999999999", None),
            ("never", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn only_keys_that_are_remembered_are_held() {
        let mut configs = Configs::default();
        let held = Held {
            value: Some(5),
            otherwise: Some(7),
        };
        configs.hold("retention.ms", held);
        configs.hold("compression.type", held);
        assert_eq!(configs.held("retention.ms"), held);
        assert_eq!(configs.held("compression.type"), Held::default());
    }
}
