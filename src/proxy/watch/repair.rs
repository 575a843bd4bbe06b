//! The opt-in repair of `weak_topic`: `min.insync.replicas` of topics in use is raised to the floor, by IncrementalAlterConfigs.
//!
//! Floor 5. Of all that the watch does this alone changes the cluster. Each topic is looked at anew right before (Metadata and
//! DescribeConfigs), changed once in the life of this process, and left alone when somebody sets it back. What brokers refuse, or
//! do not answer, is tried again later and later. Every change and every refusal is logged and counted.

use super::link::{Dialing, Failure};
use super::servers::Servers;
use super::{ask, dialing};
use crate::cluster::{TopicFacts, TopicId};
use crate::policy::standing::{Stand, Standing};
use crate::policy::weak_topic::{self, Change, Repair};
use crate::policy::{Mode, Scenario, Settings};
use crate::proxy::Shared;
use crate::telemetry::TopicRepair;
use crate::wire::api::ErrorCode;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How often the topics in use are gone through.
const PERIOD: Duration = Duration::from_secs(1);
/// After a refusal, or where nobody answered: doubled each time.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));
/// From a request's first byte to its answer's last: the controller has to write it down.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs as long as the gateway.
pub async fn repair(shared: Arc<Shared>) {
    let cluster = &shared.settings.cluster;
    let mut surgeon = Surgeon {
        dialing: dialing(cluster, REQUEST_TIMEOUT),
        servers: Servers::new(cluster.bootstrap_servers.clone()),
        patients: HashMap::new(),
        shared: shared.clone(),
    };
    loop {
        sleep(PERIOD).await;
        let policy = shared.live.load().policy.clone();
        if policy.mode(Scenario::WeakTopic) != Mode::Off && policy.repair_weak_topic != Mode::Off {
            surgeon.round(&policy).await;
        }
    }
}

struct Surgeon {
    shared: Arc<Shared>,
    dialing: Dialing,
    servers: Servers,
    /// Only topics of the view, so at most as many as that has.
    patients: HashMap<Arc<str>, Patient>,
}

/// What was done about one topic.
struct Patient {
    id: Option<TopicId>,
    /// Nothing more will be.
    settled: bool,
    again_at: Instant,
    backoff: Duration,
    /// Why it cannot be repaired, as the log was told.
    unfit: Option<&'static str>,
}

impl Surgeon {
    async fn round(&mut self, policy: &Arc<Settings>) {
        let view = self.shared.watch.view();
        self.patients
            .retain(|name, patient| view.topic(name).is_some_and(|topic| topic.id == patient.id));
        self.servers.learn(&view);
        let standing = Standing::of(policy, None, None);
        let floor = policy.floors.min_insync_replicas;
        for (name, facts) in &view.topics {
            let stand = standing.for_topic(Scenario::WeakTopic, None, Some(name));
            if !matches!(stand, Stand::Apply(_)) {
                continue;
            }
            match weak_topic::repair(facts, floor) {
                Repair::Needless => {}
                Repair::Unfit(why) => self.patient(name, facts).is_unfit(name, why),
                Repair::Fit(_) => self.look_at(policy, name, facts).await,
            }
        }
    }

    fn patient(&mut self, name: &Arc<str>, facts: &TopicFacts) -> &mut Patient {
        let id = facts.id;
        self.patients
            .entry(name.clone())
            .or_insert_with(|| Patient {
                id,
                settled: false,
                again_at: Instant::now(),
                backoff: BACKOFF.0,
                unfit: None,
            })
    }

    /// One topic that could be repaired when it was seen last.
    async fn look_at(&mut self, policy: &Settings, name: &Arc<str>, seen: &TopicFacts) {
        let patient = self.patient(name, seen);
        if patient.settled || patient.again_at > Instant::now() {
            return;
        }
        let within = self.shared.settings.cluster.lookup_timeout * 2;
        let fresh = timeout(within, self.shared.watch.confirm(name.clone())).await;
        let Ok(Ok(Some(fresh))) = fresh else {
            self.shared.telemetry.topic_repair(TopicRepair::Unanswered);
            return self.patient(name, seen).later();
        };
        match weak_topic::repair(&fresh, policy.floors.min_insync_replicas) {
            Repair::Needless => {}
            Repair::Unfit(why) => self.patient(name, seen).is_unfit(name, why),
            Repair::Fit(change) if policy.repair_weak_topic == Mode::Observe => {
                self.patient(name, seen).settled = true;
                self.shared.telemetry.topic_repair(TopicRepair::Observed);
                tracing::info!(topic = %name, before = change.before, after = change.after, "weak_topic: min.insync.replicas would be raised");
            }
            Repair::Fit(change) => self.operate(name, change).await,
        }
    }

    async fn operate(&mut self, name: &Arc<str>, change: Change) {
        let told = self.ask(name, change).await;
        let Some(patient) = self.patients.get_mut(name) else {
            return;
        };
        let (topic, before, after) = (name, change.before, change.after);
        let done = match told {
            Ok((ErrorCode::NONE, _)) => {
                patient.settled = true;
                tracing::warn!(%topic, before, after, "weak_topic: min.insync.replicas was raised");
                TopicRepair::Done
            }
            Ok((code, text)) => {
                patient.later();
                let again_in = patient.again_at - Instant::now();
                tracing::warn!(%topic, before, after, error_code = code.name(), text, ?again_in, "weak_topic: the brokers refuse to raise min.insync.replicas");
                TopicRepair::Refused
            }
            Err(failure) => {
                patient.later();
                let again_in = patient.again_at - Instant::now();
                tracing::warn!(%topic, before, after, %failure, ?again_in, "weak_topic: nobody told whether min.insync.replicas was raised");
                TopicRepair::Unanswered
            }
        };
        self.shared.telemetry.topic_repair(done);
    }

    /// At the server that is connected to, else at each in turn: to set a value twice does no harm.
    async fn ask(
        &mut self,
        topic: &str,
        change: Change,
    ) -> Result<(ErrorCode, Option<String>), Failure> {
        let mut order = self.servers.in_order();
        if let Some(current) = self.servers.current().cloned() {
            order.retain(|server| *server != current);
            order.insert(0, current);
        }
        let mut last = Failure::NoBrokers;
        for server in order {
            let attempt = async {
                let link = self.servers.link(&server, &self.dialing).await?;
                let value = change.after.to_string();
                let config = (weak_topic::MIN_INSYNC_REPLICAS_KEY, value.as_str());
                ask::set_topic_config(link, topic, config, &self.dialing).await
            };
            match attempt.await {
                Ok(told) => {
                    self.servers.succeeded(&server);
                    return Ok(told);
                }
                Err(failure) => {
                    tracing::debug!(%server, %failure, "no config is set by this server");
                    self.servers.failed(&server);
                    last = failure;
                }
            }
        }
        Err(last)
    }
}

impl Patient {
    /// The log is told why, once for each reason.
    fn is_unfit(&mut self, name: &str, why: &'static str) {
        if self.unfit.replace(why) != Some(why) {
            tracing::info!(topic = %name, why, "weak_topic: min.insync.replicas is not raised");
        }
    }

    fn later(&mut self) {
        self.again_at = Instant::now() + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF.1);
    }
}
