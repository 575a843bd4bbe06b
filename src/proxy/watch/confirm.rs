//! Confirmations: a refusal by what was learned of a topic waits for one look at it (DescribeConfigs, Metadata) that began
//! after it was considered.
//!
//! Floor 5. Single flight: whoever asks while a request is under way shares the next one with all others who do. Does not
//! decide how long the asking one waits.

use super::link::{Dialing, Failure};
use super::servers::Servers;
use super::{Configured, Shared, ask, dialing};
use crate::cluster::{TopicConfig, TopicFacts};
use crate::proxy::settings;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// Asks that share one request.
const BATCH: usize = 1000;

/// One who wants to know.
#[derive(Debug)]
pub struct Ask {
    pub topic: Arc<str>,
    pub reply: oneshot::Sender<Option<Arc<TopicFacts>>>,
}

/// The task that confirms.
pub struct Confirmer {
    dialing: Dialing,
    /// Half of the time that anybody waits: the other half is for the next server, should the first be silent.
    attempt_timeout: Duration,
    shared: Arc<Shared>,
    servers: Servers,
    configured: mpsc::Sender<Configured>,
}

impl Confirmer {
    pub(super) fn new(
        settings: settings::Cluster,
        shared: Arc<Shared>,
        configured: mpsc::Sender<Configured>,
    ) -> Confirmer {
        let attempt_timeout = settings.lookup_timeout / 2;
        Confirmer {
            dialing: dialing(&settings, attempt_timeout),
            attempt_timeout,
            shared,
            servers: Servers::new(settings.bootstrap_servers),
            configured,
        }
    }

    pub async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        while let Some(first) = asks.recv().await {
            let mut batch = vec![first];
            while batch.len() < BATCH {
                match asks.try_recv() {
                    Ok(ask) => batch.push(ask),
                    Err(_) => break,
                }
            }
            // Those who have gone on without an answer are not asked for.
            batch.retain(|ask| !ask.reply.is_closed());
            if !batch.is_empty() {
                self.serve(batch).await;
            }
        }
    }

    async fn serve(&mut self, batch: Vec<Ask>) {
        let names: HashSet<Arc<str>> = batch.iter().map(|ask| ask.topic.clone()).collect();
        let names: Vec<Arc<str>> = names.into_iter().collect();
        let (configs, topics) = self.look(&names).await;
        if !configs.is_empty() {
            // A looker that is behind learns it by its own means.
            let _ = self.configured.try_send(configs.clone());
        }
        let configs: HashMap<Arc<str>, TopicConfig> = configs.into_iter().collect();
        let mut fresh: HashMap<Arc<str>, TopicFacts> = topics
            .into_iter()
            .map(|topic| (topic.name.clone(), topic))
            .collect();
        for name in &names {
            if let (Some(config), Some(facts)) = (configs.get(name), fresh.get_mut(name)) {
                facts.max_message_bytes = config.max_message_bytes;
                facts.min_insync_replicas = config.min_insync_replicas;
                facts.keeping = config.keeping;
                facts.configs = config.configs.clone();
                facts.partitions.sort_by_key(|partition| partition.index);
            } else {
                fresh.remove(name);
            }
        }
        let fresh: HashMap<Arc<str>, Arc<TopicFacts>> = fresh
            .into_iter()
            .map(|(name, facts)| (name, Arc::new(facts)))
            .collect();
        for ask in batch {
            let facts = fresh.get(&ask.topic).cloned();
            let stats = &self.shared.stats;
            let counter = match facts {
                Some(_) => &stats.confirmed,
                None => &stats.unconfirmed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            let _ = ask.reply.send(facts);
        }
    }

    /// The configs and the partitions of those topics that a server tells of: the first one that answers at all.
    async fn look(&mut self, names: &[Arc<str>]) -> (Configured, Vec<TopicFacts>) {
        self.servers.learn(&self.shared.view.load());
        let mut order = self.servers.in_order();
        if let Some(current) = self.servers.current().cloned() {
            order.retain(|server| *server != current);
            order.insert(0, current);
        }
        // Servers that refuse cost nothing; after two that are silent nobody waits any more.
        let deadline = Instant::now() + self.attempt_timeout * 2;
        for server in order.iter().take_while(|_| Instant::now() < deadline) {
            let attempt = async {
                let link = self.servers.link(server, &self.dialing).await?;
                let configs = ask::topic_configs(link, names, &self.dialing).await?;
                let topics = ask::topics(link, names, &self.dialing).await?;
                Ok((configs, topics))
            };
            let attempt: Result<Result<_, Failure>, _> =
                timeout(self.attempt_timeout, attempt).await;
            match attempt {
                Ok(Ok(found)) => {
                    self.servers.succeeded(server);
                    self.shared.reach.reached(server);
                    return found;
                }
                Ok(Err(failure)) => {
                    tracing::debug!(%server, %failure, "no confirmation from this server");
                    self.shared.failed(server, &failure);
                }
                Err(_) => {
                    tracing::debug!(%server, "no confirmation in time from this server");
                    let failure = Failure::Timeout {
                        api: "a confirmation",
                        within: self.attempt_timeout,
                    };
                    self.shared.failed(server, &failure);
                }
            }
            self.servers.failed(server);
        }
        (Vec::new(), Vec::new())
    }
}
