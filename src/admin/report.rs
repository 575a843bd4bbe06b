//! `/report`: what the gateway has done and seen since it started, as one JSON document (floor 6). Its shape is [`Report`],
//! which the command line reads back; fields are only ever added.

use crate::policy::{Mode, Scenario, risky_client};
use crate::session::event::Completeness;
use crate::telemetry::{ClientSeen, Snapshot, Telemetry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Broker {
    pub node_id: i32,
    /// As the cluster advertises it.
    pub host: String,
    pub port: u16,
    pub rack: Option<String>,
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
        let brokers = telemetry.brokers().into_iter();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            preset: telemetry.preset().to_owned(),
            readiness: telemetry.readiness().name().to_owned(),
            brokers: brokers
                .map(|(node_id, broker)| Broker {
                    node_id,
                    host: broker.host,
                    port: broker.port,
                    rack: broker.rack,
                })
                .collect(),
            scenarios: Scenario::ALL
                .map(|scenario| ScenarioCounts::of(scenario, telemetry.mode(scenario), &snapshot))
                .into(),
            answer_errors: snapshot.by_label("holdfast_answer_errors_total", "error_code"),
            clients: seen.clients.into_iter().map(Client::of).collect(),
            others: Client::of(seen.others),
            clients_left_out: seen.left_out,
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
