//! What of a report needs a human, in plain words (floor 6).

use super::{Client, Need, Report, ScenarioCounts};

/// A look that is older than this is too old, in seconds: several periods of the watch have failed.
const OLD_LOOK_SECONDS: u64 = 20;
/// An exemption that ends within this time is told of, in seconds.
const SOON_SECONDS: u64 = 14 * 86_400;
/// Brokers that have a sentence of their own.
const SHOWN_BROKERS: usize = 10;
/// Ids that a sentence names.
const SHOWN_IDS: usize = 10;
/// Partitions named in one line.
const SHOWN_PARTITIONS: usize = 10;

const ACT: &str = "act";
const LOOK: &str = "look";
const KNOW: &str = "know";

/// The gravest first.
pub(super) fn of(report: &Report) -> Vec<Need> {
    let mut needs = Needs::default();
    losses(report, &mut needs);
    settings(report, &mut needs);
    cluster(report, &mut needs);
    clients(report, &mut needs);
    readers(report, &mut needs);
    administrators(report, &mut needs);
    exemptions(report, &mut needs);
    if report.readiness == "draining" {
        needs.add(KNOW, "Draining: what is under way is finished; new connections are taken for drain.delay_ms, and then no more.".to_owned());
    }
    let rank = |need: &Need| {
        [ACT, LOOK, KNOW]
            .iter()
            .position(|level| need.level == *level)
    };
    needs.0.sort_by_key(rank);
    needs.0
}

#[derive(Default)]
struct Needs(Vec<Need>);

impl Needs {
    fn add(&mut self, level: &str, text: String) {
        let level = level.to_owned();
        self.0.push(Need { level, text });
    }

    fn add_if(&mut self, count: u64, level: &str, text: impl FnOnce() -> String) {
        if count > 0 {
            self.add(level, text());
        }
    }
}

fn losses(report: &Report, needs: &mut Needs) {
    let truncated = observed(report, "acked_truncation");
    needs.add_if(truncated, ACT, || {
        let records = count(truncated, "acknowledged record");
        format!("{records} gone, the offsets given to others (acked_truncation).")
    });
    let (refused, not_asked) = (report.acks0.refused, report.acks0.not_asked);
    let unknown = report.acks0.unknown.saturating_sub(not_asked);
    needs.add_if(refused, ACT, || {
        let records = count_of(refused, "record");
        format!(
            "{records} sent with acks=0 not stored, and no client was told (holdfast_acks0_records_total says by whom they were refused)."
        )
    });
    needs.add_if(unknown, LOOK, || {
        let records = count_of(unknown, "record");
        format!("{records} sent with acks=0 may or may not be stored.")
    });
    needs.add_if(not_asked, KNOW, || {
        let records = count_of(not_asked, "record");
        format!("{records} sent on with acks=0, as asked (exempted, or only observed): nobody knows whether they are stored.")
    });
    needs.add_if(alarms(report, "panic"), ACT, || {
        "Holdfast has panicked; the log says where.".to_owned()
    });
}

/// What is not in force although somebody wanted it to be.
fn settings(report: &Report, needs: &mut Needs) {
    needs.add_if(u64::from(report.config.last_reload_failed), ACT, || {
        "The configuration file was read anew and not taken over: what was in force stays. The log says why.".to_owned()
    });
    needs.add_if(u64::from(report.config.tls_files_failed), ACT, || {
        "TLS files were replaced and cannot be used: those before them stay in force. The log says why.".to_owned()
    });
}

fn cluster(report: &Report, needs: &mut Needs) {
    let cluster = &report.cluster;
    if cluster.last_look == 0 {
        needs.add(ACT, "The cluster has not been seen yet.".to_owned());
    } else {
        let age = report.now.saturating_sub(cluster.last_look);
        needs.add_if(age.saturating_sub(OLD_LOOK_SECONDS), ACT, || {
            format!("The cluster was last seen {age} seconds ago.")
        });
    }
    for found in cluster.unreachable.iter().take(SHOWN_BROKERS) {
        let who = match found.node_id {
            Some(id) => format!("Broker {id} ({})", found.server),
            None => format!("Bootstrap server {}", found.server),
        };
        let seconds = count_of(report.now.saturating_sub(found.since), "second");
        let reason = &found.reason;
        needs.add(
            ACT,
            format!("{who} cannot be reached for {seconds}: {reason}."),
        );
    }
    let more = cluster.unreachable.len().saturating_sub(SHOWN_BROKERS) as u64;
    needs.add_if(more, LOOK, || {
        format!(
            "{} cannot be reached either.",
            count_of(more, "more server")
        )
    });
    let outside = &cluster.unmapped_ids;
    needs.add_if(outside.len() as u64, ACT, || {
        let ids: Vec<_> = outside.iter().take(SHOWN_IDS).map(i32::to_string).collect();
        let brokers = count(outside.len() as u64, "broker id");
        format!("{brokers} outside listener.broker_ids: {}.", ids.join(", "))
    });
    let degraded = cluster.degraded_partitions;
    needs.add_if(degraded, ACT, || {
        let partitions = count(degraded, "partition");
        let named = &cluster.degraded[..cluster.degraded.len().min(SHOWN_PARTITIONS)];
        let more = match degraded > named.len() as u64 {
            true => ", …",
            false => "",
        };
        format!(
            "{partitions} below min.insync.replicas: {}{more}.",
            named.join(", ")
        )
    });
    let weak = report.weak_topics.len() as u64 + report.weak_topics_left_out;
    needs.add_if(weak, LOOK, || {
        format!("{} weak: acks=all is hollow there.", count(weak, "topic"))
    });
}

fn clients(report: &Report, needs: &mut Needs) {
    for (name, acks, sent) in [
        (
            "acks_none",
            "0",
            (|client| client.acks.none) as fn(&Client) -> u64,
        ),
        ("acks_leader", "1", |client| client.acks.leader),
    ] {
        let senders = report
            .clients
            .iter()
            .filter(|client| sent(client) > 0)
            .count() as u64;
        let Some(found) = scenario(report, name).filter(|_| senders > 0) else {
            continue;
        };
        let clients = match senders {
            1 => format!("1 client sends acks={acks}"),
            senders => format!("{senders} clients send acks={acks}"),
        };
        // Raised or not, each request is counted on its own: the sum tells whether any was left as it was.
        let observed = found.overrides.observe;
        let left = observed + found.exempted + found.degraded;
        let (level, fate) = match (found.mode.as_str(), left) {
            ("enforce", 0) => (KNOW, "all raised".to_owned()),
            ("enforce", left) => {
                // What is exempted is meant to be left.
                let meant = observed + found.degraded == 0;
                let level = if meant { KNOW } else { LOOK };
                let left = count_of(left, "request");
                (level, format!("raised, but for {left}"))
            }
            (mode, _) => (LOOK, format!("not raised ({name} is {mode})")),
        };
        needs.add(level, format!("{clients}; {fate}."));
    }
    let buggy = report
        .clients
        .iter()
        .filter(|client| !client.known_bugs.is_empty());
    let buggy = buggy.count() as u64;
    needs.add_if(buggy, LOOK, || {
        let clients = match buggy {
            1 => "1 client uses a library".to_owned(),
            buggy => format!("{buggy} clients use libraries"),
        };
        format!("{clients} with a known bug that loses records.")
    });
}

/// What consumers have passed over, or will.
fn readers(report: &Report, needs: &mut Needs) {
    for (name, what) in [
        ("retention_overrun", "deleted before somebody read them"),
        (
            "offset_reset",
            "passed over by groups that began at the end",
        ),
    ] {
        let offsets = observed(report, name);
        needs.add_if(offsets, LOOK, || {
            format!("{} {what} ({name}).", count_of(offsets, "offset"))
        });
    }
    let beyond = scenario(report, "commit_past_end").map_or(0, |found| found.rejections.observe);
    needs.add_if(beyond, LOOK, || {
        let commits = count_of(beyond, "commit");
        format!("{commits} beyond the end of a log let through (commit_past_end).")
    });
}

/// What their calls would have been refused for.
fn administrators(report: &Report, needs: &mut Needs) {
    const CALLS: [&str; 7] = [
        "weak_topic_creation",
        "destructive_admin",
        "weakening_config",
        "partition_growth",
        "unclean_election",
        "replica_reduction",
        "cluster_downgrade",
    ];
    let found = CALLS.iter().filter_map(|name| {
        let found = scenario(report, name)?;
        let count = found.rejections.observe + found.overrides.observe;
        (count > 0).then(|| (count, format!("{name} {count}")))
    });
    let (counts, names): (Vec<u64>, Vec<String>) = found.unzip();
    let all = counts.iter().sum();
    needs.add_if(all, LOOK, || {
        let parts = count_of(all, "part");
        let names = names.join(", ");
        format!("{parts} of administrators' calls let through that strict would refuse or change ({names}).")
    });
}

fn exemptions(report: &Report, needs: &mut Needs) {
    for exemption in &report.exemptions {
        let Some(left) = exemption.expires.map(|end| end.saturating_sub(report.now)) else {
            continue;
        };
        match left {
            0 => needs.add(LOOK, format!("Exemption {} has expired.", exemption.name)),
            1..SOON_SECONDS => {
                let days = count_of(left.div_ceil(86_400), "day");
                let text = format!("Exemption {} ends within {days}.", exemption.name);
                needs.add(LOOK, text);
            }
            _ => {}
        }
    }
}

fn scenario<'a>(report: &'a Report, name: &str) -> Option<&'a ScenarioCounts> {
    report.scenarios.iter().find(|found| found.name == name)
}

/// What a scenario that changes nothing has counted.
fn observed(report: &Report, name: &str) -> u64 {
    scenario(report, name).map_or(0, |found| {
        found.observations.exact + found.observations.partial
    })
}

/// Of one kind, as far as they are kept.
fn alarms(report: &Report, kind: &str) -> u64 {
    let found = report.alarms.iter().filter(|alarm| alarm.kind == kind);
    found.count() as u64
}

/// "1 thing is", "2 things are".
fn count(number: u64, thing: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count_of(number, thing))
}

fn count_of(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::report::{Acks, Acks0, ByMode, Cluster, Exemption, Unreachable};

    fn quiet() -> Report {
        let scenario = |name: &str| ScenarioCounts {
            name: name.into(),
            mode: "enforce".into(),
            ..ScenarioCounts::default()
        };
        Report {
            now: 1_000_000,
            cluster: Cluster {
                last_look: 999_999,
                ..Cluster::default()
            },
            scenarios: ["acks_none", "acks_leader", "acked_truncation"]
                .map(scenario)
                .into(),
            ..Report::default()
        }
    }

    fn texts(report: &Report) -> Vec<String> {
        let needs = of(report).into_iter();
        needs
            .map(|need| format!("{}: {}", need.level, need.text))
            .collect()
    }

    #[test]
    fn a_gateway_at_peace_needs_nobody() {
        assert_eq!(of(&quiet()), []);
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words_and_the_gravest_comes_first() {
        let mut report = quiet();
        let none = Acks {
            none: 2,
            ..Acks::default()
        };
        report.clients = vec![
            Client {
                acks: none,
                ..Client::default()
            };
            3
        ];
        assert_eq!(texts(&report), ["know: 3 clients send acks=0; all raised."]);
        report.scenarios[0].mode = "observe".into();
        report.cluster.unmapped_ids = vec![7];
        report.cluster.degraded_partitions = 3;
        report.cluster.degraded = vec!["orders-0".into(), "orders-2".into()];
        report.scenarios[2].observations.exact = 1;
        report.acks0 = Acks0 {
            confirmed: 5,
            refused: 2,
            unknown: 4,
            not_asked: 3,
        };
        report.config.last_reload_failed = true;
        report.config.tls_files_failed = true;
        report.exemptions = vec![Exemption {
            name: "metrics".into(),
            expires: Some(report.now + 86_401),
            ..Exemption::default()
        }];
        assert_eq!(
            texts(&report),
            [
                "act: 1 acknowledged record is gone, the offsets given to others (acked_truncation).",
                "act: 2 records sent with acks=0 not stored, and no client was told (holdfast_acks0_records_total says by whom they were refused).",
                "act: The configuration file was read anew and not taken over: what was in force stays. The log says why.",
                "act: TLS files were replaced and cannot be used: those before them stay in force. The log says why.",
                "act: 1 broker id is outside listener.broker_ids: 7.",
                "act: 3 partitions are below min.insync.replicas: orders-0, orders-2, ….",
                "look: 1 record sent with acks=0 may or may not be stored.",
                "look: 3 clients send acks=0; not raised (acks_none is observe).",
                "look: Exemption metrics ends within 2 days.",
                "know: 3 records sent on with acks=0, as asked (exempted, or only observed): nobody knows whether they are stored.",
            ]
        );
    }

    #[test]
    fn a_client_that_is_exempted_is_nothing_to_decide_and_one_that_was_let_through_degraded_is() {
        let mut report = quiet();
        report.clients = vec![Client {
            acks: Acks {
                none: 2,
                ..Acks::default()
            },
            ..Client::default()
        }];
        report.scenarios[0].exempted = 1;
        let told = "1 client sends acks=0; raised, but for";
        assert_eq!(texts(&report), [format!("know: {told} 1 request.")]);
        report.scenarios[0].degraded = 1;
        assert_eq!(texts(&report), [format!("look: {told} 2 requests.")]);
        // Before it was enforced.
        (
            report.scenarios[0].degraded,
            report.scenarios[0].overrides.observe,
        ) = (0, 4);
        assert_eq!(texts(&report), [format!("look: {told} 5 requests.")]);
    }

    #[test]
    fn a_broker_that_cannot_be_reached_is_named_with_the_reason_until_it_is() {
        let mut report = quiet();
        let unreachable = |node_id, server: &str| Unreachable {
            server: server.into(),
            node_id,
            reason: "connection refused".into(),
            since: report.now - 42,
        };
        report.cluster.unreachable = vec![
            unreachable(None, "boot:9092"),
            unreachable(Some(3), "kafka-3:9092"),
        ];
        assert_eq!(
            texts(&report),
            [
                "act: Bootstrap server boot:9092 cannot be reached for 42 seconds: connection refused.",
                "act: Broker 3 (kafka-3:9092) cannot be reached for 42 seconds: connection refused.",
            ]
        );
        report.cluster.unreachable.clear();
        assert_eq!(of(&report), []);
    }

    #[test]
    fn what_readers_passed_over_and_administrators_were_let_do_is_told_of() {
        let mut report = quiet();
        let observing = |name: &str, observe| ScenarioCounts {
            name: name.into(),
            mode: "observe".into(),
            rejections: ByMode {
                observe,
                enforce: 0,
            },
            ..ScenarioCounts::default()
        };
        report.scenarios.extend([
            observing("commit_past_end", 3),
            observing("weakening_config", 2),
            observing("unclean_election", 1),
            observing("cluster_downgrade", 0),
        ]);
        let mut overrun = observing("retention_overrun", 0);
        overrun.observations.exact = 55;
        let mut reset = observing("offset_reset", 0);
        reset.observations.partial = 1;
        report.scenarios.extend([overrun, reset]);
        assert_eq!(
            texts(&report),
            [
                "look: 55 offsets deleted before somebody read them (retention_overrun).",
                "look: 1 offset passed over by groups that began at the end (offset_reset).",
                "look: 3 commits beyond the end of a log let through (commit_past_end).",
                "look: 3 parts of administrators' calls let through that strict would refuse or change (weakening_config 2, unclean_election 1).",
            ]
        );
    }
}
