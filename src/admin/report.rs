//! `/report`: what the gateway has done and seen since it started, as one JSON document (floor 6). Its shape is [`Report`],
//! which the command line reads back; fields are only ever added.

mod needs;

use crate::policy::{Mode, Scenario, risky_client};
use crate::session::event::Completeness;
use crate::telemetry::{Alarm, ClientSeen, Sight, Snapshot, Telemetry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// The whole document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    pub version: String,
    pub preset: String,
    /// `starting`, `ready` or `draining`.
    pub readiness: String,
    /// As last seen.
    pub brokers: Vec<Broker>,
    pub scenarios: Vec<ScenarioCounts>,
    /// Partitions for which Produce answers told clients of an error, by the name of the code.
    pub answer_errors: BTreeMap<String, u64>,
    /// Most requests first.
    pub clients: Vec<Client>,
    /// Those without a place of their own, together.
    pub others: Client,
    /// How many times a client made room for another, or found none.
    pub clients_left_out: u64,
    /// What needs a human, the gravest first; empty: nothing.
    pub needs: Vec<Need>,
    /// Seconds since 1970.
    pub now: u64,
    pub started: u64,
    pub cluster: Cluster,
    /// As learned of topics that clients use, by name; at most 50.
    pub weak_topics: Vec<WeakTopic>,
    pub weak_topics_left_out: u64,
    /// The latest first; at most 50. Each is told of in the log, too.
    pub alarms: Vec<Alarm>,
    /// As configured, those that have ended among them.
    pub exemptions: Vec<Exemption>,
    pub config: Config,
    /// Open client connections, and those to brokers.
    pub client_connections: u64,
    pub upstream_connections: u64,
    pub buffer_bytes: u64,
    pub buffer_limit_bytes: u64,
    pub acks0: Acks0,
}

/// One thing that a human should know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Need {
    /// `act`: records are lost, or unreachable; `look`: somebody should decide; `know`: nothing to be done.
    pub level: String,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// When it was last seen, in seconds since 1970; 0: not yet.
    pub last_look: u64,
    pub failed_looks: u64,
    /// Brokers outside `listener.broker_ids`.
    pub unmapped_ids: Vec<i32>,
    /// Topics that clients use.
    pub topics: u64,
    /// Partitions below their `min.insync.replicas`.
    pub degraded_partitions: u64,
    /// The first of them, as `TOPIC-PARTITION`.
    pub degraded: Vec<String>,
    /// Brokers and bootstrap servers that cannot be reached.
    pub unreachable: Vec<Unreachable>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unreachable {
    /// HOST:PORT.
    pub server: String,
    /// `null`: the cluster knows no broker by that address.
    pub node_id: Option<i32>,
    pub reason: String,
    /// Seconds since 1970.
    pub since: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeakTopic {
    pub name: String,
    pub why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exemption {
    pub name: String,
    pub scenarios: Vec<String>,
    pub owner: String,
    pub reason: String,
    /// Seconds since 1970; `null`: never.
    pub expires: Option<u64>,
    /// Requests to which it kept a scenario from being applied.
    pub hits: u64,
}

/// In force, as TOML, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub text: String,
    pub hash: String,
    /// The file was read anew and could not be used, or not all of it without a restart.
    pub last_reload_failed: bool,
    /// TLS files were replaced, and what is there now cannot be used.
    pub tls_files_failed: bool,
}

/// Records sent with acks=0, by where they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acks0 {
    pub confirmed: u64,
    pub refused: u64,
    pub unknown: u64,
    /// Of those that are unknown: sent as acks=0, as the client wanted it (exempted, or only observed), so that no broker answered.
    pub not_asked: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Broker {
    pub node_id: i32,
    /// As the cluster advertises it.
    pub host: String,
    pub port: u16,
    pub rack: Option<String>,
    /// Where clients are sent, HOST:PORT; `null`: it is outside `listener.broker_ids`.
    pub mapped: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScenarioCounts {
    pub name: String,
    /// In force.
    pub mode: String,
    pub overrides: ByMode,
    pub rejections: ByMode,
    /// In the unit of the scenario's manual.
    pub observations: ByCompleteness,
    pub exempted: u64,
    pub degraded: u64,
    pub unverified: u64,
    pub unjudged: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ByMode {
    pub observe: u64,
    pub enforce: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ByCompleteness {
    pub exact: u64,
    pub partial: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// `null`: the client sent none.
    pub client_id: Option<String>,
    /// In Kafka's form, `User:alice`; `null`: not known.
    pub principal: Option<String>,
    /// As the library calls itself; `null`: it does not say.
    pub software: Option<String>,
    pub software_version: Option<String>,
    pub open_connections: u64,
    pub connections: u64,
    pub requests: u64,
    /// Produce requests, as the client sent them.
    pub acks: Acks,
    /// It asked for a producer id, or a sampled batch had one.
    pub idempotent: bool,
    /// Of sampled batches; 0: none was sampled.
    pub largest_batch_bytes: u64,
    /// Of sampled Produce requests, and of errors.
    pub topics: Vec<String>,
    pub topics_left_out: u64,
    /// Partitions for which an answer told it of an error, by the name of the code.
    pub errors: BTreeMap<String, u64>,
    pub known_bugs: Vec<Bug>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acks {
    pub none: u64,
    pub leader: u64,
    pub all: u64,
}

/// Of the library, by its name and version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bug {
    pub bug: String,
    pub what: String,
}

impl Report {
    /// Takes as long as a scrape of the metrics: not on a worker.
    pub fn of(telemetry: &Telemetry) -> Report {
        let snapshot = telemetry.snapshot();
        let seen = telemetry.clients_seen();
        let sight = telemetry.sight();
        let gauge = |family: &str| snapshot.sum(family, &[]);
        let acks0 = |outcome| snapshot.sum("holdfast_acks0_records_total", &[("outcome", outcome)]);
        let config = telemetry.config();
        let mut report = Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            preset: telemetry.preset().to_owned(),
            readiness: telemetry.readiness().name().to_owned(),
            brokers: brokers(&sight),
            scenarios: Scenario::ALL
                .map(|scenario| ScenarioCounts::of(scenario, telemetry.mode(scenario), &snapshot))
                .into(),
            answer_errors: snapshot.by_label("holdfast_answer_errors_total", "error_code"),
            clients: seen.clients.into_iter().map(Client::of).collect(),
            others: Client::of(seen.others),
            clients_left_out: seen.left_out,
            needs: Vec::new(),
            now: unix_seconds(SystemTime::now()),
            started: unix_seconds(telemetry.started()),
            cluster: Cluster::of(&sight, &snapshot),
            weak_topics_left_out: sight.weak_topics_left_out as u64,
            weak_topics: sight.weak_topics.into_iter().map(WeakTopic::of).collect(),
            alarms: telemetry.alarms(),
            exemptions: exemptions(telemetry, &snapshot),
            config: Config {
                text: config.text.clone(),
                hash: config.hash.clone(),
                last_reload_failed: gauge("holdfast_config_last_reload_successful") == 0,
                tls_files_failed: gauge("holdfast_tls_last_reload_successful") == 0,
            },
            client_connections: gauge("holdfast_client_connections"),
            upstream_connections: gauge("holdfast_upstream_connections"),
            buffer_bytes: gauge("holdfast_buffer_bytes"),
            buffer_limit_bytes: gauge("holdfast_buffer_limit_bytes"),
            acks0: Acks0 {
                confirmed: acks0("confirmed"),
                refused: acks0("refused"),
                unknown: acks0("unknown"),
                not_asked: snapshot.sum("holdfast_acks0_records_total", &[("cause", "not_asked")]),
            },
        };
        report.needs = needs::of(&report);
        report
    }
}

fn brokers(sight: &Sight) -> Vec<Broker> {
    let mapped = |id: &i32| {
        let (host, port) = sight.mapped.get(id)?;
        Some(format!("{host}:{port}"))
    };
    let brokers = sight.brokers.iter();
    brokers
        .map(|(node_id, broker)| Broker {
            node_id: *node_id,
            host: broker.host.clone(),
            port: broker.port,
            rack: broker.rack.clone(),
            mapped: mapped(node_id),
        })
        .collect()
}

fn exemptions(telemetry: &Telemetry, snapshot: &Snapshot) -> Vec<Exemption> {
    let hits = snapshot.by_label("holdfast_exemption_hits_total", "exemption");
    let exemptions = telemetry.exemptions();
    exemptions
        .iter()
        .map(|exemption| Exemption {
            name: exemption.name.to_string(),
            scenarios: exemption
                .scenarios
                .iter()
                .map(|scenario| scenario.name().to_owned())
                .collect(),
            owner: exemption.owner.clone(),
            reason: exemption.reason.clone(),
            expires: exemption.expires.map(unix_seconds),
            hits: hits.get(&*exemption.name).copied().unwrap_or_default(),
        })
        .collect()
}

fn unix_seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

impl Cluster {
    fn of(sight: &Sight, snapshot: &Snapshot) -> Cluster {
        let ids = sight.brokers.keys().copied();
        Cluster {
            last_look: snapshot.sum("holdfast_watch_last_success_timestamp_seconds", &[]),
            failed_looks: snapshot.sum("holdfast_watch_looks_total", &[("outcome", "failure")]),
            unmapped_ids: ids.filter(|id| !sight.mapped.contains_key(id)).collect(),
            topics: sight.topics as u64,
            degraded_partitions: sight.degraded_partitions as u64,
            degraded: sight.degraded.clone(),
            unreachable: sight.unreachable.iter().map(Unreachable::of).collect(),
        }
    }
}

impl Unreachable {
    fn of(found: &crate::telemetry::Unreachable) -> Unreachable {
        Unreachable {
            server: found.server.clone(),
            node_id: found.node_id,
            reason: found.reason.clone(),
            since: found.since,
        }
    }
}

impl WeakTopic {
    fn of((name, why): (std::sync::Arc<str>, String)) -> WeakTopic {
        WeakTopic {
            name: name.to_string(),
            why,
        }
    }
}

impl ScenarioCounts {
    fn of(scenario: Scenario, mode: Mode, snapshot: &Snapshot) -> ScenarioCounts {
        let name = scenario.name();
        let sum = |family: &str| snapshot.sum(family, &[("scenario", name)]);
        let by_mode = |family: &str| {
            let sum =
                |mode: Mode| snapshot.sum(family, &[("scenario", name), ("mode", mode.name())]);
            ByMode {
                observe: sum(Mode::Observe),
                enforce: sum(Mode::Enforce),
            }
        };
        let observed = |completeness: Completeness| {
            let labels = [("scenario", name), ("completeness", completeness.name())];
            snapshot.sum("holdfast_observations_total", &labels)
        };
        ScenarioCounts {
            name: name.to_owned(),
            mode: mode.name().to_owned(),
            overrides: by_mode("holdfast_overrides_total"),
            rejections: by_mode("holdfast_rejections_total"),
            observations: ByCompleteness {
                exact: observed(Completeness::Exact),
                partial: observed(Completeness::Partial),
            },
            exempted: sum("holdfast_exemption_hits_total"),
            degraded: sum("holdfast_degraded_total"),
            unverified: sum("holdfast_unverified_total"),
            unjudged: sum("holdfast_unjudged_total"),
        }
    }
}

impl Client {
    fn of(seen: ClientSeen) -> Client {
        let (software, software_version) = seen.key.software.unzip();
        let known_bugs = match (&software, &software_version) {
            (Some(name), Some(version)) => risky_client::risks(name, version)
                .map(|risk| Bug {
                    bug: risk.bug.to_owned(),
                    what: risk.what.to_owned(),
                })
                .collect(),
            _ => Vec::new(),
        };
        let [none, leader, all] = seen.acks;
        let mut errors = BTreeMap::new();
        for (code, count) in seen.errors {
            // Codes without a name share one.
            *errors.entry(code.name().to_owned()).or_default() += count;
        }
        Client {
            client_id: seen.key.client_id.map(|id| id.to_string()),
            principal: seen.key.principal.map(|principal| principal.to_string()),
            software: software.map(|name| name.to_string()),
            software_version: software_version.map(|version| version.to_string()),
            open_connections: seen.open,
            connections: seen.connections,
            requests: seen.requests,
            acks: Acks { none, leader, all },
            idempotent: seen.idempotent,
            largest_batch_bytes: seen.largest_batch_bytes,
            topics: seen.topics.iter().map(|topic| topic.to_string()).collect(),
            topics_left_out: seen.topics_left_out,
            errors,
            known_bugs,
        }
    }
}
