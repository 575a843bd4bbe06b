//! Errands: what is asked seldom and of no broker in particular, for commits whose refusal waits for it: what a group has
//! committed (FindCoordinator, then OffsetFetch at the coordinator), and what topics are called that nobody has met yet (Metadata).
//!
//! Floor 5. Each errand has connections of its own, so one that hangs holds up no other. Single flight: whoever asks after the
//! same group while one is under way shares the next with all others who do. Does not decide how long the asking one waits, but
//! gives up after `lookup_timeout_ms` itself.

use super::link::{Dialing, Failure, Link};
use super::servers::Servers;
use super::{Shared, ask, dialing};
use crate::cluster::{GroupOffset, TopicFacts, TopicId, TopicRef};
use crate::proxy::settings::{self, HostPort};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Errands under way at a time; and asks that wait for their turn.
const MOST: usize = 16;
const WAITING: usize = 1000;

/// One who wants to know.
#[derive(Debug)]
pub enum Ask {
    Committed {
        group: Arc<str>,
        partitions: Vec<(Arc<str>, i32)>,
        reply: oneshot::Sender<Vec<GroupOffset>>,
    },
    Topics {
        topics: Vec<TopicRef>,
        reply: oneshot::Sender<Vec<Arc<TopicFacts>>>,
    },
}

/// What an errand is about; one at a time each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum About {
    Group(Arc<str>),
    Topics,
}

impl Ask {
    fn about(&self) -> About {
        match self {
            Ask::Committed { group, .. } => About::Group(group.clone()),
            Ask::Topics { .. } => About::Topics,
        }
    }

    /// Whoever asked has gone on without an answer.
    fn is_stale(&self) -> bool {
        match self {
            Ask::Committed { reply, .. } => reply.is_closed(),
            Ask::Topics { reply, .. } => reply.is_closed(),
        }
    }
}

/// The task that sends errands out.
pub struct Errands {
    way: Way,
    under_way: HashSet<About>,
    flights: JoinSet<About>,
    waiting: Vec<Ask>,
}

impl Errands {
    pub(super) fn new(settings: &settings::Cluster, shared: Arc<Shared>) -> Errands {
        Errands {
            way: Way {
                dialing: dialing(settings, settings.lookup_timeout),
                within: settings.lookup_timeout,
                bootstrap: settings.bootstrap_servers.clone(),
                shared,
            },
            under_way: HashSet::new(),
            flights: JoinSet::new(),
            waiting: Vec::new(),
        }
    }

    pub async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        loop {
            let room = self.waiting.len() < WAITING;
            tokio::select! {
                ask = asks.recv(), if room => match ask {
                    Some(ask) => self.waiting.push(ask),
                    None => return,
                },
                Some(done) = self.flights.join_next() => match done {
                    Ok(about) => drop(self.under_way.remove(&about)),
                    // It panicked, and which one is not known: then two may be on the way for one thing.
                    Err(_) => self.under_way.clear(),
                },
            }
            self.send_out();
        }
    }

    /// Every ask after something that nobody is on the way for; all who ask after it go together.
    fn send_out(&mut self) {
        self.waiting.retain(|ask| !ask.is_stale());
        while self.flights.len() < MOST {
            let free = |ask: &&Ask| !self.under_way.contains(&ask.about());
            let Some(about) = self.waiting.iter().find(free).map(Ask::about) else {
                return;
            };
            let (asks, others) = std::mem::take(&mut self.waiting)
                .into_iter()
                .partition(|ask| ask.about() == about);
            self.waiting = others;
            self.under_way.insert(about.clone());
            self.flights.spawn(self.way.clone().go(about, asks));
        }
    }
}

/// How an errand is done.
#[derive(Clone)]
struct Way {
    dialing: Dialing,
    within: Duration,
    bootstrap: Vec<HostPort>,
    shared: Arc<Shared>,
}

/// What is asked of the brokers on one errand, for all who ask together.
enum Errand {
    Committed(Arc<str>, BTreeSet<(Arc<str>, i32)>),
    Topics(Vec<Arc<str>>, Vec<TopicId>),
}

enum Told {
    Committed(Vec<GroupOffset>),
    Topics(Vec<Arc<TopicFacts>>),
}

impl Errand {
    fn of(about: &About, asks: &[Ask]) -> Errand {
        let mut places = BTreeSet::new();
        let mut topics = BTreeSet::new();
        for ask in asks {
            match ask {
                Ask::Committed { partitions, .. } => places.extend(partitions.iter().cloned()),
                Ask::Topics { topics: these, .. } => topics.extend(these.iter().cloned()),
            }
        }
        if let About::Group(group) = about {
            return Errand::Committed(group.clone(), places);
        }
        let (mut names, mut ids) = (Vec::new(), Vec::new());
        for topic in topics {
            match topic {
                TopicRef::Name(name) => names.push(name),
                TopicRef::Id(id) => ids.push(id),
            }
        }
        Errand::Topics(names, ids)
    }

    async fn run(&self, server: &HostPort, dialing: &Dialing) -> Result<Told, Failure> {
        let mut link = Link::open(server, dialing).await?;
        match self {
            Errand::Committed(group, places) => {
                let coordinator = ask::coordinator(&mut link, group, dialing).await?;
                if coordinator != link.server {
                    link = Link::open(&coordinator, dialing).await?;
                }
                let told = ask::committed(&mut link, group, places, dialing).await?;
                Ok(Told::Committed(told))
            }
            Errand::Topics(names, ids) => {
                let look = ask::look(&mut link, 0, names, ids, dialing).await?;
                let told = look.topics.into_iter().map(|mut facts| {
                    facts.partitions.sort_by_key(|partition| partition.index);
                    Arc::new(facts)
                });
                Ok(Told::Topics(told.collect()))
            }
        }
    }
}

impl Way {
    async fn go(self, about: About, asks: Vec<Ask>) -> About {
        let errand = Errand::of(&about, &asks);
        let told = self.first(&errand).await;
        let stats = &self.shared.stats;
        let counter = match told {
            Some(_) => &stats.confirmed,
            None => &stats.unconfirmed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        for ask in asks {
            // Without an answer the sender is dropped, which the asking one sees at once.
            match (ask, &told) {
                (Ask::Committed { reply, .. }, Some(Told::Committed(told))) => {
                    let _ = reply.send(told.clone());
                }
                (Ask::Topics { reply, .. }, Some(Told::Topics(told))) => {
                    let _ = reply.send(told.clone());
                }
                _ => {}
            }
        }
        about
    }

    /// What the first server that answers at all tells. The first one that is tried has half of the time: the other half is
    /// for the next, should it be silent.
    async fn first(&self, errand: &Errand) -> Option<Told> {
        let end = Instant::now() + self.within;
        let mut servers = Servers::new(self.bootstrap.clone());
        servers.learn(&self.shared.view.load());
        for (tried, server) in servers.in_order().iter().enumerate() {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let until = match tried {
                0 => now + self.within / 2,
                _ => end,
            };
            let failure = match timeout_at(until, errand.run(server, &self.dialing)).await {
                Ok(Ok(told)) => return Some(told),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Timeout {
                    api: "an errand",
                    within: until - now,
                },
            };
            tracing::debug!(%server, %failure, "an errand goes on to the next server");
            // It may have failed further on, at the coordinator.
            self.shared.stats.failed(&failure);
        }
        None
    }
}
