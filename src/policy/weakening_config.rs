//! # weakening_config: a change of configs by which safe records become unsafe
//!
//! ## What it sees
//! IncrementalAlterConfigs and AlterConfigs for topics, brokers and groups. Of a topic, a change is found that lowers what
//! it has today: `min.insync.replicas`, `retention.ms`, `retention.bytes`, `local.retention.ms`, `local.retention.bytes`,
//! `max.message.bytes`, `segment.ms`, `delete.retention.ms`, `message.timestamp.before.max.ms`,
//! `message.timestamp.after.max.ms` and `message.timestamp.difference.max.ms` become less (−1 and −2 are more than
//! anything); `unclean.leader.election.enable` or `remote.log.delete.on.disable` becomes true, `remote.storage.enable` false,
//! `message.timestamp.type` CreateTime again (LogAppendTime is harmless: nobody's clock but the broker's counts);
//! `cleanup.policy` becomes another one. Taking a value back (DELETE) is judged by the value that then holds, and
//! AlterConfigs takes back every key that it leaves out. A change that lowers nothing is not found, also below the floors.
//! Brokers whose own `log.retention.ms` is not set (but hours, as by default) do not tell what holds once a topic's
//! `retention.ms` is taken back: that is always found.
//!
//! Where nobody knows what a topic has today, the floors decide: `min.insync.replicas` below `min_insync_replicas` of
//! `[policy.weak_topic_creation]` (2); `retention.ms` and `local.retention.ms` below `retention_floor_ms`;
//! `retention.bytes` other than −1 and `local.retention.bytes` other than −1 and −2; any change of `cleanup.policy`;
//! `max.message.bytes` below Kafka's default of 1048588; `segment.ms` below a minute; `delete.retention.ms` below a day;
//! `message.timestamp.*.max.ms` below an hour; the words that are named above. Taking back `min.insync.replicas`,
//! `retention.ms` or `cleanup.policy` is found, so that AlterConfigs always is.
//!
//! Of brokers and groups today's values are not looked up. For brokers the same floors hold under the brokers' names,
//! and `default.replication.factor` below `replication_factor`, `auto.create.topics.enable` true and
//! `offsets.retention.minutes` below 10080 are found. For groups: `share.auto.offset.reset` latest and
//! `share.delivery.count.limit` below 5. A value that cannot be read counts as found. Requests that only validate are
//! treated alike.
//!
//! ## How records are lost
//! acks=all means as many replicas as `min.insync.replicas` says, 1 by default. Shorter retention deletes at once what was to
//! be kept, compaction all but the last record of a key, and a disabled remote storage what lies there. A smaller
//! `max.message.bytes` or span of timestamps makes brokers refuse what they took, and who does not look at answers loses it.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for the resource, with the key, the value found and what is allowed; the other resources of
//! the request go on. What a topic has today is known of topics that clients use. In force it is looked up anew for every
//! request that changes one of these keys (`cluster.lookup_timeout_ms`; after three topics of which nobody told, the others
//! are not asked for); where it is not known, the floors decide and `holdfast_unverified_total` counts it. Without the right
//! to describe the topic's configs (DescribeConfigs) that is always so.
//!
//! ## What it costs
//! Lowering a value needs an exemption. Tools that still use AlterConfigs (before Kafka 2.3) cannot change topics of which
//! nothing is known.
//!
//! ## When to turn it off
//! For topics that are meant to be short-lived: exempt them, or the operator's client id, until tomorrow.

use super::Settings;
use super::weak_topic_creation::{number, trimmed};
use crate::cluster::configs::{self, Configs, Held};

/// `ConfigResource.Type`.
pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
pub const GROUP: i8 = 32;

/// `AlterConfigOp.OpType`.
const SET: i8 = 0;
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
    /// Anything but this word, where it is another one today.
    NotAnew(&'static str),
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
    guard("message.timestamp.type", Bar::NotAnew("CreateTime")),
    guard("message.timestamp.before.max.ms", Bar::Least(HOUR_MS)),
    guard("message.timestamp.after.max.ms", Bar::Least(HOUR_MS)),
    guard("message.timestamp.difference.max.ms", Bar::Least(HOUR_MS)),
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
    guard("log.message.timestamp.before.max.ms", Bar::Least(HOUR_MS)),
    guard("log.message.timestamp.after.max.ms", Bar::Least(HOUR_MS)),
    guard("log.message.timestamp.difference.max.ms", Bar::Least(HOUR_MS)),
    guard("default.replication.factor", Bar::ReplicationFactor),
    guard("auto.create.topics.enable", Bar::Not("true")),
    guard("offsets.retention.minutes", Bar::Least(OFFSETS_RETENTION_MINUTES)),
];

static GROUP_GUARDS: &[Guard] = &[
    guard("share.auto.offset.reset", Bar::Not("latest")),
    guard("share.delivery.count.limit", Bar::Least(DELIVERY_COUNT)),
];

/// What a request does to one resource's configs.
pub trait Changes {
    /// What it does to this key, one after another; nothing: it leaves it as it is.
    fn of(&self, key: &str) -> impl Iterator<Item = Change<'_>>;
}

/// What is done to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    Set(Option<&'a str>),
    TakeBack,
    /// APPEND and SUBTRACT, with what is added to or taken from a list.
    Edit(Option<&'a str>),
}

impl<'a> Change<'a> {
    /// One of IncrementalAlterConfigs.
    pub fn incremental(operation: i8, value: Option<&'a str>) -> Change<'a> {
        match operation {
            SET => Change::Set(value),
            DELETE => Change::TakeBack,
            _ => Change::Edit(value),
        }
    }
}

/// Whether anything of a topic is changed that is judged by what the topic has today.
pub fn rests_on_today(resource_type: i8, changes: &impl Changes) -> bool {
    resource_type == TOPIC
        && TOPIC_GUARDS
            .iter()
            .any(|guard| changes.of(guard.key).next().is_some())
}

/// What is wrong with the changes of one resource; the first thing found. `today`: what the topic has, where known.
pub fn judge(
    settings: &Settings,
    resource_type: i8,
    changes: &impl Changes,
    today: Option<&Configs>,
) -> Option<String> {
    guards(resource_type).iter().find_map(|guard| {
        let held = today.map_or_else(Held::default, |configs| configs.held(guard.key));
        changes
            .of(guard.key)
            .find_map(|change| found(settings, guard, change, held))
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

fn found(settings: &Settings, guard: &Guard, change: Change<'_>, held: Held) -> Option<String> {
    let then = match change {
        Change::Set(value) => value.and_then(configs::read),
        Change::TakeBack => held.otherwise,
        Change::Edit(_) => None,
    };
    if let (Some(today), Some(then)) = (held.value, then) {
        let allowed = lowered(guard.bar, today, then)?;
        let found = match change {
            Change::Set(value) => value.unwrap_or("null").to_owned(),
            _ => format!("its removal (then {})", named(guard.bar, then)),
        };
        return Some(text(guard.key, &found, &allowed));
    }
    match change {
        Change::TakeBack => guard
            .keep
            .then(|| text(guard.key, "its removal", "a value of its own")),
        Change::Set(value) | Change::Edit(value) => below_floor(settings, guard, value),
    }
}

/// What is allowed, where the new value is less than today's.
fn lowered(bar: Bar, today: i64, then: i64) -> Option<String> {
    // Without limit, or as much as elsewhere.
    let much = |value: i64| if value < 0 { i64::MAX } else { value };
    let allowed = match bar {
        Bar::Least(_)
        | Bar::MinIsr
        | Bar::ReplicationFactor
        | Bar::Retention(_)
        | Bar::Only(_) => (much(then) < much(today)).then(|| match today {
            ..0 => today.to_string(),
            _ => format!("at least {today}"),
        }),
        Bar::Not(word) | Bar::NotAnew(word) => {
            (then != today && Some(then) == configs::read(word)).then(|| named(bar, today))
        }
        Bar::Fixed => (then != today).then(|| named(bar, today)),
    }?;
    Some(format!("{allowed}, as today"))
}

/// A value as an operator writes it.
fn named(bar: Bar, value: i64) -> String {
    let words: &[(i64, &str)] = match bar {
        Bar::Fixed => &[(1, "delete"), (2, "compact"), (3, "compact,delete")],
        Bar::NotAnew(_) => &[(0, "CreateTime"), (1, "LogAppendTime")],
        Bar::Not(_) => &[(0, "false"), (1, "true")],
        _ => &[],
    };
    match words.iter().find(|(number, _)| *number == value) {
        Some((_, word)) => (*word).to_owned(),
        None => value.to_string(),
    }
}

fn below_floor(settings: &Settings, guard: &Guard, value: Option<&str>) -> Option<String> {
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
            _ => Some(these.iter().map(i64::to_string).collect::<Vec<_>>().join(" or ")),
        },
        Bar::Not(word) => value
            .is_some_and(|value| trimmed(value).eq_ignore_ascii_case(word))
            .then(|| format!("anything but {word}")),
        Bar::NotAnew(_) => None,
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

    struct One<'a>(&'a str, Change<'a>);

    impl Changes for One<'_> {
        fn of(&self, key: &str) -> impl Iterator<Item = Change<'_>> {
            (self.0 == key).then_some(self.1).into_iter()
        }
    }

    fn told(resource_type: i8, key: &str, change: Change<'_>, today: Held) -> Option<String> {
        let mut configs = Configs::default();
        configs.hold(key, today);
        let known = (today != Held::default()).then_some(&configs);
        judge(
            &Settings::default(),
            resource_type,
            &One(key, change),
            known,
        )
    }

    fn finds(resource_type: i8, key: &str, operation: i8, value: &str) -> bool {
        let change = Change::incremental(operation, Some(value));
        told(resource_type, key, change, Held::default()).is_some()
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
            (TOPIC, "message.timestamp.before.max.ms", "1", "3600000"),
            (TOPIC, "remote.storage.enable", "false", "true"),
            (TOPIC, "remote.log.delete.on.disable", "true", "false"),
            (BROKER, "log.retention.hours", "23", "24"),
            (BROKER, "log.retention.minutes", "1439", "1440"),
            (BROKER, "default.replication.factor", "2", "3"),
            (BROKER, "auto.create.topics.enable", "true", "false"),
            (BROKER, "offsets.retention.minutes", "10079", "10080"),
            (BROKER, "log.message.timestamp.after.max.ms", "1", "3600000"),
            (GROUP, "share.auto.offset.reset", "latest", "earliest"),
            (GROUP, "share.delivery.count.limit", "1", "5"),
        ] {
            assert!(finds(resource_type, key, 0, weak), "{key}={weak}");
            assert!(!finds(resource_type, key, 0, fine), "{key}={fine}");
        }
    }

    #[test]
    fn what_is_less_than_today_is_found_also_above_the_floor_and_what_is_not_less_is_not() {
        const DAYS: fn(i64) -> String = |days| (days * DAY_MS).to_string();
        for (key, today, weak, fine) in [
            ("min.insync.replicas", "3", "2", "3"),
            ("min.insync.replicas", "1", "0", "1"),
            ("retention.ms", &DAYS(30), &DAYS(2), &DAYS(31)),
            ("retention.ms", "1000", "999", "-1"),
            ("retention.ms", "-1", &DAYS(365), "-1"),
            ("retention.bytes", "5000", "4999", "5001"),
            ("local.retention.bytes", "-2", "5000", "-1"),
            ("max.message.bytes", "9000000", "8999999", "9000000"),
            ("segment.ms", "70000", "69999", "70001"),
            ("message.timestamp.after.max.ms", "8000000", "7000000", "8000001"),
            ("message.timestamp.type", "LogAppendTime", "CreateTime", "LogAppendTime"),
            ("cleanup.policy", "compact", "delete", " compact"),
            ("cleanup.policy", "compact,delete", "compact", "delete, compact"),
            ("unclean.leader.election.enable", "false", "true", "false"),
            ("remote.storage.enable", "true", "false", "true"),
        ] {
            let today = Held {
                value: configs::read(today),
                otherwise: None,
            };
            let set = |value| told(TOPIC, key, Change::Set(Some(value)), today);
            assert!(set(weak).is_some(), "{key}={weak}");
            assert_eq!(set(fine), None, "{key}={fine}");
        }
        let create_time = Change::Set(Some("CreateTime"));
        for today in [Held::default(), held(0, 0)] {
            let key = "message.timestamp.type";
            assert_eq!(told(TOPIC, key, create_time, today), None);
        }
    }

    fn held(value: i64, otherwise: i64) -> Held {
        Held {
            value: Some(value),
            otherwise: Some(otherwise),
        }
    }

    #[test]
    fn a_removal_is_judged_by_what_then_holds() {
        for (key, today, found) in [
            ("min.insync.replicas", held(2, 1), true),
            ("min.insync.replicas", held(2, 2), false),
            ("retention.ms", held(DAY_MS, 7 * DAY_MS), false),
            ("max.message.bytes", held(9_000_000, 1_048_588), true),
            ("cleanup.policy", held(2, 1), true),
            ("cleanup.policy", held(1, 1), false),
            ("unclean.leader.election.enable", held(0, 1), true),
        ] {
            let told = told(TOPIC, key, Change::TakeBack, today);
            assert_eq!(told.is_some(), found, "{key} {today:?}");
        }
        assert_eq!(
            told(TOPIC, "cleanup.policy", Change::TakeBack, held(2, 1)).as_deref(),
            Some(
                "weakening_config: found cleanup.policy=its removal (then delete), allowed: compact, as today; refused by the gateway"
            )
        );
    }

    #[test]
    fn the_policy_by_which_records_are_deleted_is_not_changed_at_all_where_it_is_not_known() {
        for operation in [0, 1, 2, 3] {
            assert!(finds(TOPIC, "cleanup.policy", operation, "delete"));
        }
        let edit = Change::Edit(Some("delete"));
        assert!(told(TOPIC, "cleanup.policy", edit, held(2, 2)).is_some());
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
    fn only_changes_of_guarded_keys_of_topics_rest_on_what_holds_today() {
        let set = Change::Set(Some("1"));
        assert!(rests_on_today(TOPIC, &One("retention.ms", set)));
        assert!(!rests_on_today(TOPIC, &One("compression.type", set)));
        assert!(!rests_on_today(BROKER, &One("min.insync.replicas", set)));
    }

    #[test]
    fn the_text_names_key_value_and_what_is_allowed() {
        let one = Change::Set(Some("1"));
        assert_eq!(
            told(TOPIC, "min.insync.replicas", one, Held::default()).as_deref(),
            Some(
                "weakening_config: found min.insync.replicas=1, allowed: at least 2; refused by the gateway"
            )
        );
        assert_eq!(
            told(TOPIC, "retention.ms", one, held(5, 5)).as_deref(),
            Some(
                "weakening_config: found retention.ms=1, allowed: at least 5, as today; refused by the gateway"
            )
        );
        assert_eq!(
            told(TOPIC, "retention.ms", one, held(-1, 5)).as_deref(),
            Some(
                "weakening_config: found retention.ms=1, allowed: -1, as today; refused by the gateway"
            )
        );
        assert_eq!(
            told(BROKER, "log.retention.bytes", one, Held::default()).as_deref(),
            Some(
                "weakening_config: found log.retention.bytes=1, allowed: -1; refused by the gateway"
            )
        );
    }
}
