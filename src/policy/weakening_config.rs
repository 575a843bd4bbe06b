//! # weakening_config: a change of configs by which safe records become unsafe
//!
//! ## What it sees
//! IncrementalAlterConfigs and AlterConfigs for topics, brokers and groups. Found are, for topics:
//! `min.insync.replicas` below `min_insync_replicas` of `[policy.weak_topic_creation]` (2); `unclean.leader.election.enable`
//! true; `retention.ms` and `local.retention.ms` below `retention_floor_ms`; `retention.bytes` other than −1 and
//! `local.retention.bytes` other than −1 and −2; any change of `cleanup.policy`; `max.message.bytes` below Kafka's default of
//! 1048588; `segment.ms` below a minute; `delete.retention.ms` below a day; `remote.storage.enable` false and
//! `remote.log.delete.on.disable` true. For brokers: the same under the brokers' names, `default.replication.factor` below
//! `replication_factor`, `auto.create.topics.enable` true and `offsets.retention.minutes` below 10080. For groups:
//! `share.auto.offset.reset` latest and `share.delivery.count.limit` below 5. Taking back `min.insync.replicas`,
//! `retention.ms` or `cleanup.policy` (DELETE) is found as well, as the value that then holds may be a weaker one; and
//! AlterConfigs takes back every key that it leaves out: of a topic it is always found, as it names `cleanup.policy` or does
//! not. A value that cannot be read counts as found. Requests that only validate are treated alike.
//!
//! ## How records are lost
//! acks=all means as many replicas as `min.insync.replicas` says, 1 by default. Shorter retention deletes at once what was to
//! be kept, compaction all but the last record of a key, and a disabled remote storage what lies there.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for the resource, with the key, the value found and what is allowed; the other resources of
//! the request go on. What a topic has today is not looked up: the floors decide.
//!
//! ## What it costs
//! Values below a floor need an exemption. Tools that still use AlterConfigs (before Kafka 2.3) cannot change topics.
//!
//! ## When to turn it off
//! For topics that are meant to be short-lived: exempt them, or the operator's client id, until tomorrow.

use super::Settings;
use super::weak_topic_creation::{number, trimmed};

/// `ConfigResource.Type`.
pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
pub const GROUP: i8 = 32;

/// `AlterConfigOp.OpType.DELETE`.
const DELETE: i8 = 1;

/// What a key may be set to.
#[derive(Clone, Copy)]
enum Bar {
    /// A number of at least that much.
    Least(i64),
    /// The floors of the settings.
    MinIsr,
    ReplicationFactor,
    /// `retention_floor_ms`, in units of so many ms; negative values stand for "without limit" and "as elsewhere".
    Retention(i64),
    /// Only these numbers.
    Only(&'static [i64]),
    /// Anything but this word.
    Not(&'static str),
    /// No change at all.
    Fixed,
}

struct Guard {
    key: &'static str,
    bar: Bar,
    /// Whether taking it back is found, too.
    keep: bool,
}

const fn guard(key: &'static str, bar: Bar) -> Guard {
    Guard {
        key,
        bar,
        keep: false,
    }
}

const fn keep(key: &'static str, bar: Bar) -> Guard {
    Guard {
        key,
        bar,
        keep: true,
    }
}

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// Defaults of Kafka.
const MAX_MESSAGE_BYTES: i64 = 1_048_588;
const OFFSETS_RETENTION_MINUTES: i64 = 10_080;
const DELIVERY_COUNT: i64 = 5;

static TOPIC_GUARDS: &[Guard] = &[
    keep("min.insync.replicas", Bar::MinIsr),
    keep("retention.ms", Bar::Retention(1)),
    keep("cleanup.policy", Bar::Fixed),
    guard("unclean.leader.election.enable", Bar::Not("true")),
    guard("retention.bytes", Bar::Only(&[-1])),
    guard("local.retention.ms", Bar::Retention(1)),
    guard("local.retention.bytes", Bar::Only(&[-1, -2])),
    guard("max.message.bytes", Bar::Least(MAX_MESSAGE_BYTES)),
    guard("segment.ms", Bar::Least(MINUTE_MS)),
    guard("delete.retention.ms", Bar::Least(DAY_MS)),
    guard("remote.storage.enable", Bar::Not("false")),
    guard("remote.log.delete.on.disable", Bar::Not("true")),
];

static BROKER_GUARDS: &[Guard] = &[
    keep("min.insync.replicas", Bar::MinIsr),
    guard("unclean.leader.election.enable", Bar::Not("true")),
    guard("log.retention.ms", Bar::Retention(1)),
    guard("log.retention.minutes", Bar::Retention(MINUTE_MS)),
    guard("log.retention.hours", Bar::Retention(HOUR_MS)),
    guard("log.retention.bytes", Bar::Only(&[-1])),
    guard("log.local.retention.ms", Bar::Retention(1)),
    guard("log.local.retention.bytes", Bar::Only(&[-1, -2])),
    guard("log.cleanup.policy", Bar::Fixed),
    guard("message.max.bytes", Bar::Least(MAX_MESSAGE_BYTES)),
    guard("log.roll.ms", Bar::Least(MINUTE_MS)),
    guard("log.cleaner.delete.retention.ms", Bar::Least(DAY_MS)),
    guard("default.replication.factor", Bar::ReplicationFactor),
    guard("auto.create.topics.enable", Bar::Not("true")),
    guard("offsets.retention.minutes", Bar::Least(OFFSETS_RETENTION_MINUTES)),
];

static GROUP_GUARDS: &[Guard] = &[
    guard("share.auto.offset.reset", Bar::Not("latest")),
    guard("share.delivery.count.limit", Bar::Least(DELIVERY_COUNT)),
];

/// One key of IncrementalAlterConfigs: (key, operation, value).
pub type Change<'a> = (&'a str, i8, Option<&'a str>);

/// What is wrong with a change of one resource; the first thing found.
pub fn incremental<'a>(
    settings: &Settings,
    resource_type: i8,
    changes: impl Iterator<Item = Change<'a>>,
) -> Option<String> {
    let mut changes = changes;
    changes.find_map(|(key, operation, value)| {
        let guard = guards(resource_type)
            .iter()
            .find(|guard| guard.key == key)?;
        match operation {
            DELETE => taken_back(guard),
            _ => set(settings, guard, value),
        }
    })
}

/// The same for AlterConfigs: what it does not name is taken back.
pub fn whole<'a>(
    settings: &Settings,
    resource_type: i8,
    configs: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone,
) -> Option<String> {
    guards(resource_type).iter().find_map(|guard| {
        let mut values = configs
            .clone()
            .filter(|(key, _)| *key == guard.key)
            .map(|(_, value)| value)
            .peekable();
        match values.peek() {
            None => taken_back(guard),
            Some(_) => values.find_map(|value| set(settings, guard, value)),
        }
    })
}

fn guards(resource_type: i8) -> &'static [Guard] {
    match resource_type {
        TOPIC => TOPIC_GUARDS,
        BROKER => BROKER_GUARDS,
        GROUP => GROUP_GUARDS,
        _ => &[],
    }
}

fn taken_back(guard: &Guard) -> Option<String> {
    guard
        .keep
        .then(|| text(guard.key, "its removal", "a value of its own"))
}

fn set(settings: &Settings, guard: &Guard, value: Option<&str>) -> Option<String> {
    let floors = settings.floors;
    let least = |least: i64, or: &[i64]| match number(value) {
        Some(number) if number >= least || or.contains(&number) => None,
        _ => Some(format!("at least {least}")),
    };
    let allowed = match guard.bar {
        Bar::Least(floor) => least(floor, &[]),
        Bar::MinIsr => least(floors.min_insync_replicas.into(), &[]),
        Bar::ReplicationFactor => least(floors.replication_factor.into(), &[]),
        Bar::Retention(unit) => {
            let floor = settings.retention_floor_ms;
            least(floor / unit + i64::from(floor % unit != 0), &[-1, -2])
        }
        Bar::Only(these) => match number(value) {
            Some(number) if these.contains(&number) => None,
            _ => Some(format!("{these:?}")),
        },
        Bar::Not(word) => value
            .is_some_and(|value| trimmed(value).eq_ignore_ascii_case(word))
            .then(|| format!("anything but {word}")),
        Bar::Fixed => Some("no change".to_owned()),
    }?;
    Some(text(guard.key, value.unwrap_or("null"), &allowed))
}

/// What the operator is told. A value is as long as its sender made it: the first characters will do.
fn text(key: &str, found: &str, allowed: &str) -> String {
    const MOST: usize = 100;
    let found: String = found.chars().take(MOST).collect();
    format!("weakening_config: found {key}={found}, allowed: {allowed}; refused by the gateway")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(resource_type: i8, key: &str, operation: i8, value: &str) -> bool {
        let changes = [(key, operation, Some(value))];
        incremental(&Settings::default(), resource_type, changes.into_iter()).is_some()
    }

    #[test]
    fn a_value_below_its_bar_is_found_and_one_at_it_is_not() {
        for (resource_type, key, weak, fine) in [
            (TOPIC, "min.insync.replicas", "1", "2"),
            (TOPIC, "min.insync.replicas", "٢", "3"),
            (TOPIC, "unclean.leader.election.enable", "TRUE ", "false"),
            (TOPIC, "retention.ms", "86399999", "86400000"),
            (TOPIC, "retention.ms", "1000", "-1"),
            (TOPIC, "retention.bytes", "1048576", "-1"),
            (TOPIC, "local.retention.ms", "5", "-2"),
            (TOPIC, "max.message.bytes", "1000", "1048588"),
            (TOPIC, "segment.ms", "100", "60000"),
            (TOPIC, "remote.storage.enable", "false", "true"),
            (TOPIC, "remote.log.delete.on.disable", "true", "false"),
            (BROKER, "log.retention.hours", "23", "24"),
            (BROKER, "log.retention.minutes", "1439", "1440"),
            (BROKER, "default.replication.factor", "2", "3"),
            (BROKER, "auto.create.topics.enable", "true", "false"),
            (BROKER, "offsets.retention.minutes", "10079", "10080"),
            (GROUP, "share.auto.offset.reset", "latest", "earliest"),
            (GROUP, "share.delivery.count.limit", "1", "5"),
        ] {
            assert!(finds(resource_type, key, 0, weak), "{key}={weak}");
            assert!(!finds(resource_type, key, 0, fine), "{key}={fine}");
        }
    }

    #[test]
    fn the_policy_by_which_records_are_deleted_is_not_changed_at_all() {
        for operation in [0, 1, 2, 3] {
            assert!(finds(TOPIC, "cleanup.policy", operation, "delete"));
        }
    }

    #[test]
    fn taking_a_value_back_is_found_where_the_default_may_be_weaker() {
        assert!(finds(TOPIC, "min.insync.replicas", 1, ""));
        assert!(finds(TOPIC, "retention.ms", 1, ""));
        assert!(!finds(TOPIC, "unclean.leader.election.enable", 1, ""));
        assert!(!finds(TOPIC, "compression.type", 0, "gzip"));
        assert!(!finds(8, "min.insync.replicas", 0, "1"), "a logger");
    }

    #[test]
    fn what_a_whole_configuration_leaves_out_is_taken_back() {
        let settings = Settings::default();
        let found = whole(&settings, TOPIC, [("segment.bytes", Some("1"))].into_iter());
        assert_eq!(
            found.as_deref(),
            Some(
                "weakening_config: found min.insync.replicas=its removal, allowed: a value of its own; refused by the gateway"
            )
        );
        assert!(whole(&settings, GROUP, std::iter::empty()).is_none());
    }

    #[test]
    fn the_text_names_key_value_and_what_is_allowed() {
        let changes = [("min.insync.replicas", 0, Some("1"))];
        assert_eq!(
            incremental(&Settings::default(), TOPIC, changes.into_iter()).as_deref(),
            Some(
                "weakening_config: found min.insync.replicas=1, allowed: at least 2; refused by the gateway"
            )
        );
    }
}
