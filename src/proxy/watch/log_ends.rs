//! Ends of logs, asked of their leaders: ListOffsets begun after the asking, for refusals that wait for it and for counts.
//!
//! Floor 5. One task for each leader, with one connection and one request at a time: whoever asks while one is under way
//! shares the next with all others who do, and a leader that hangs holds up nobody who asks another. Who leads a partition is
//! what the view says: where it is behind, the server says that it does not lead, and nothing is told of that partition.
//! Does not decide how long the asking one waits, but gives up after `lookup_timeout_ms` itself.

use super::link::{Dialing, Failure, Link};
use super::{Shared, ask, dialing};
use crate::cluster::{LogEnd, TopicFacts, View};
use crate::proxy::settings::{self, HostPort};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// Asks of one leader that share one request, and that may wait for it.
const BATCH: usize = 1000;
/// A connection that nobody asked over for so long is closed.
const LINK_IDLE: Duration = Duration::from_secs(60);

type Partitions = Vec<(Arc<str>, i32)>;

/// One who wants to know.
#[derive(Debug)]
pub struct Ask {
    pub partitions: Partitions,
    /// Topics that the view may not have.
    pub met: Vec<Arc<TopicFacts>>,
    pub reply: oneshot::Sender<Vec<LogEnd>>,
}

/// The task that hands asks to leaders.
pub struct Router {
    dialing: Dialing,
    within: Duration,
    shared: Arc<Shared>,
    leaders: HashMap<HostPort, mpsc::Sender<Part>>,
    /// Whoever waits for several leaders, and the leaders: they end with the router.
    tasks: JoinSet<()>,
}

/// What of an ask concerns one leader.
struct Part {
    partitions: Partitions,
    reply: oneshot::Sender<Vec<LogEnd>>,
}

impl Router {
    pub(super) fn new(settings: &settings::Cluster, shared: Arc<Shared>) -> Router {
        Router {
            dialing: dialing(settings, settings.lookup_timeout),
            within: settings.lookup_timeout,
            shared,
            leaders: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        while let Some(ask) = asks.recv().await {
            while self.tasks.try_join_next().is_some() {}
            self.hand_out(ask);
        }
    }

    fn hand_out(&mut self, ask: Ask) {
        let view = self.shared.view.load_full();
        let known: Vec<HostPort> = view.brokers.values().map(address).collect();
        self.leaders.retain(|server, _| known.contains(server));
        let mut answers = Vec::new();
        for (leader, partitions) in by_leader(&view, &ask.met, ask.partitions) {
            let (reply, answer) = oneshot::channel();
            // A full queue drops the part, which is then not told of.
            let _ = self.leader(leader).try_send(Part { partitions, reply });
            answers.push(answer);
        }
        let (shared, deadline) = (self.shared.clone(), Instant::now() + self.within);
        self.tasks.spawn(async move {
            let mut ends = Vec::new();
            for answer in answers {
                if let Ok(Ok(told)) = timeout_at(deadline, answer).await {
                    ends.extend(told);
                }
            }
            let stats = &shared.stats;
            let counter = match ends.is_empty() {
                true => &stats.unconfirmed,
                false => &stats.confirmed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            let _ = ask.reply.send(ends);
        });
    }

    fn leader(&mut self, server: HostPort) -> &mpsc::Sender<Part> {
        let (dialing, shared, tasks) = (&self.dialing, &self.shared, &mut self.tasks);
        self.leaders.entry(server.clone()).or_insert_with(|| {
            let (sender, parts) = mpsc::channel(BATCH);
            let leader = Leader {
                server,
                dialing: dialing.clone(),
                shared: shared.clone(),
                link: None,
            };
            tasks.spawn(leader.run(parts));
            sender
        })
    }
}

fn address(broker: &crate::cluster::Broker) -> HostPort {
    HostPort {
        host: broker.host.clone(),
        port: broker.port,
    }
}

fn by_leader(
    view: &View,
    met: &[Arc<TopicFacts>],
    partitions: Partitions,
) -> HashMap<HostPort, Partitions> {
    let mut leaders: HashMap<HostPort, Partitions> = HashMap::new();
    for (topic, index) in partitions {
        let met = || met.iter().find(|facts| facts.name == topic);
        let facts = view.topic(&topic).or_else(met);
        let partition = facts.and_then(|facts| facts.partition(index));
        let leader = partition.and_then(|partition| view.brokers.get(&partition.leader));
        if let Some(leader) = leader {
            let of_leader = leaders.entry(address(leader)).or_default();
            of_leader.push((topic, index));
        }
    }
    leaders
}

/// The task that asks one server.
struct Leader {
    server: HostPort,
    dialing: Dialing,
    shared: Arc<Shared>,
    link: Option<Link>,
}

impl Leader {
    async fn run(mut self, mut parts: mpsc::Receiver<Part>) {
        loop {
            let first = match timeout(LINK_IDLE, parts.recv()).await {
                Ok(Some(first)) => first,
                // The router let go of it.
                Ok(None) => return,
                Err(_) => {
                    self.link = None;
                    continue;
                }
            };
            let mut batch = vec![first];
            while batch.len() < BATCH {
                match parts.try_recv() {
                    Ok(part) => batch.push(part),
                    Err(_) => break,
                }
            }
            // Those who have gone on without an answer are not asked for.
            batch.retain(|part| !part.reply.is_closed());
            if !batch.is_empty() {
                self.serve(batch).await;
            }
        }
    }

    async fn serve(&mut self, batch: Vec<Part>) {
        let partitions = batch.iter().flat_map(|part| &part.partitions);
        let partitions: BTreeSet<(Arc<str>, i32)> = partitions.cloned().collect();
        let told = match self.ask(&partitions).await {
            Ok(told) => {
                self.shared.reach.reached(&self.server);
                told
            }
            Err(failure) => {
                tracing::debug!(server = %self.server, %failure, "no ends of logs from this server");
                self.shared.failed(&self.server, &failure);
                return;
            }
        };
        let told: HashMap<(&str, i32), &LogEnd> = told
            .iter()
            .map(|end| ((&*end.topic, end.partition), end))
            .collect();
        for part in batch {
            let ends = part.partitions.iter();
            let ends = ends.filter_map(|(topic, index)| told.get(&(&**topic, *index)));
            let _ = part
                .reply
                .send(ends.map(|end| LogEnd::clone(end)).collect());
        }
    }

    /// Over the connection that is open, or a new one; a broker may have closed the one for being idle.
    async fn ask(
        &mut self,
        partitions: &BTreeSet<(Arc<str>, i32)>,
    ) -> Result<Vec<LogEnd>, Failure> {
        if let Some(mut link) = self.link.take().filter(|link| !link.is_due())
            && let Ok(told) = ask::log_ends(&mut link, partitions, &self.dialing).await
        {
            self.link = Some(link);
            return Ok(told);
        }
        let mut link = Link::open(&self.server, &self.dialing).await?;
        let told = ask::log_ends(&mut link, partitions, &self.dialing).await?;
        self.link = Some(link);
        Ok(told)
    }
}
