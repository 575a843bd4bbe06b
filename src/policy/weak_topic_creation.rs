//! # weak_topic_creation: a topic of which one broker holds all there is
//!
//! ## What it sees
//! A topic of a CreateTopics request with a replication factor below `replication_factor` (3) or left to the brokers (−1),
//! with replicas assigned by hand that are fewer, with a `min.insync.replicas` below `min_insync_replicas` (2) or none of its
//! own, or with `unclean.leader.election.enable=true`. Requests that only validate are treated alike. So is a changelog or
//! repartition topic that an application of Kafka Streams has the brokers create: its topology, in the StreamsGroupHeartbeat
//! with which a member joins its group (KIP-1071), says the same of each, with 0 where the factor is left to the brokers.
//!
//! ## How records are lost
//! With one replica its disk takes every record along. With `min.insync.replicas` 1, Kafka's default, acks=all is
//! acknowledged by the leader alone once the others fell behind, and an unclean election makes one of those the leader.
//!
//! ## What the gateway does
//! It writes the floors into the request: the replication factor, `min.insync.replicas`, and false for unclean elections. A
//! factor left to the brokers becomes the floor, too, as what they would choose is not told. Replicas assigned by hand
//! are not invented, and a cluster known to have fewer brokers than the floor cannot follow it: such a topic is answered
//! POLICY_VIOLATION, and the rest of the request goes on. A topology with such a topic is answered STREAMS_INVALID_TOPOLOGY
//! as a whole.
//!
//! ## What it costs
//! Space and traffic for the replicas. A tool that checks the factor of what it created finds another than it asked for.
//! A Streams group keeps the topology that it began with, and brokers refuse a member that joins with another
//! (INVALID_REQUEST, "Topology updates are not supported yet."): one that began without the floors, or has members that do
//! not come through the gateway, must be exempted, by its internal topics or its client ids.
//!
//! ## When to turn it off
//! On a cluster with fewer brokers than the floor (or lower `replication_factor` there), and for topics whose records may
//! be lost: exempt those.

use super::Floors;

pub const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
pub const UNCLEAN: &str = "unclean.leader.election.enable";

/// `CreateTopicsRequest.NO_REPLICATION_FACTOR`.
pub const BROKERS_CHOOSE: i16 = -1;

/// What a request says of a topic to be created.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// −1: the brokers choose.
    pub replication_factor: i16,
    /// The fewest replicas that a partition is assigned by hand; `None`: none are.
    pub fewest_assigned: Option<usize>,
    pub configs: Vec<(&'a str, Option<&'a str>)>,
    /// Brokers of the cluster as far as known.
    pub brokers: usize,
}

/// What is to be done about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Fine,
    Raise {
        replication_factor: Option<i16>,
        /// Value of `min.insync.replicas`.
        min_insync_replicas: Option<u16>,
        no_unclean: bool,
    },
    /// With what the operator is told.
    Refuse(String),
}

pub fn judge(wanted: &Wanted<'_>, floors: Floors) -> Verdict {
    let floor = floors.replication_factor;
    let replication_factor = match wanted.fewest_assigned {
        Some(fewest) if fewest < usize::from(floor) => {
            return refuse(&format!("{fewest} replicas assigned"), floor);
        }
        Some(_) => None,
        None => match wanted.replication_factor {
            // No factor at all: the broker says so.
            factor if factor < BROKERS_CHOOSE || factor == 0 => return Verdict::Fine,
            factor if factor < floor as i16 => {
                if wanted.brokers < usize::from(floor) {
                    let found = format!(
                        "replication factor {factor} on {} known brokers",
                        wanted.brokers
                    );
                    return refuse(&found, floor);
                }
                Some(floor as i16)
            }
            _ => None,
        },
    };
    let values = |name| {
        let configs = wanted.configs.iter().filter(move |(key, _)| *key == name);
        configs.map(|(_, value)| *value)
    };
    let mut min_isr = values(MIN_INSYNC_REPLICAS).peekable();
    let least = i64::from(floors.min_insync_replicas);
    let weak_isr = min_isr.peek().is_none()
        || min_isr.any(|value| number(value).is_none_or(|value| value < least));
    let no_unclean = values(UNCLEAN).any(is_true);
    match replication_factor.is_none() && !weak_isr && !no_unclean {
        true => Verdict::Fine,
        false => Verdict::Raise {
            replication_factor,
            min_insync_replicas: weak_isr.then_some(floors.min_insync_replicas),
            no_unclean,
        },
    }
}

fn refuse(found: &str, floor: u16) -> Verdict {
    Verdict::Refuse(format!(
        "weak_topic_creation: {found}, allowed: at least {floor}; refused by the gateway"
    ))
}

/// As `ConfigDef.parseType` reads it; `None` also for digits that Java knows and we do not, so that they evade nothing.
pub fn number(value: Option<&str>) -> Option<i64> {
    trimmed(value?).parse().ok()
}

/// As `ConfigDef.parseType` reads it.
pub fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| trimmed(value).eq_ignore_ascii_case("true"))
}

/// `String.trim` of Java.
pub fn trimmed(value: &str) -> &str {
    value.trim_matches(|c| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOORS: Floors = Floors {
        replication_factor: 3,
        min_insync_replicas: 2,
    };
    const SAFE: (&str, Option<&str>) = (MIN_INSYNC_REPLICAS, Some("2"));

    fn of(factor: i16, configs: &[(&'static str, Option<&'static str>)]) -> Verdict {
        let wanted = Wanted {
            replication_factor: factor,
            configs: configs.to_vec(),
            brokers: 3,
            ..Wanted::default()
        };
        judge(&wanted, FLOORS)
    }

    fn raised(factor: Option<i16>, min_isr: Option<u16>, no_unclean: bool) -> Verdict {
        Verdict::Raise {
            replication_factor: factor,
            min_insync_replicas: min_isr,
            no_unclean,
        }
    }

    #[test]
    fn what_is_below_a_floor_is_raised_and_nothing_else() {
        assert_eq!(of(3, &[SAFE]), Verdict::Fine);
        assert_eq!(of(5, &[(MIN_INSYNC_REPLICAS, Some("4"))]), Verdict::Fine);
        for factor in [-1, 1, 2] {
            assert_eq!(of(factor, &[SAFE]), raised(Some(3), None, false));
        }
        assert_eq!(of(3, &[]), raised(None, Some(2), false));
        for weak in [Some("1"), Some(" 1 "), Some("-2"), Some("x"), Some("٢"), None] {
            let found = of(3, &[(MIN_INSYNC_REPLICAS, weak)]);
            assert_eq!(found, raised(None, Some(2), false), "{weak:?}");
        }
        assert_eq!(of(3, &[SAFE, (UNCLEAN, Some("True "))]), raised(None, None, true));
        assert_eq!(of(3, &[SAFE, (UNCLEAN, Some("false"))]), Verdict::Fine);
        assert_eq!(of(0, &[]), Verdict::Fine, "the broker refuses it");
    }

    #[test]
    fn the_last_of_two_values_does_not_hide_the_first() {
        let found = of(3, &[(MIN_INSYNC_REPLICAS, Some("1")), SAFE]);
        assert_eq!(found, raised(None, Some(2), false));
    }

    #[test]
    fn what_cannot_be_raised_is_refused() {
        let mut wanted = Wanted {
            replication_factor: 1,
            brokers: 2,
            ..Wanted::default()
        };
        let Verdict::Refuse(text) = judge(&wanted, FLOORS) else {
            panic!("not refused")
        };
        assert!(text.contains("replication factor 1 on 2 known brokers, allowed: at least 3"));
        (wanted.brokers, wanted.fewest_assigned) = (5, Some(2));
        assert!(matches!(judge(&wanted, FLOORS), Verdict::Refuse(_)));
        wanted.fewest_assigned = Some(3);
        assert_eq!(judge(&wanted, FLOORS), raised(None, Some(2), false));
    }
}
