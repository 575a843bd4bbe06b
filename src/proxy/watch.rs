//! Keeps the cluster's [`View`] fresh: the only one who writes it.
//!
//! Floor 5. One task looks: Metadata and DescribeConfigs for the topics in use, at start, on a period, and when sessions
//! learned something (a topic not known, a leader that moved, replicas that are missing). A second task confirms: one
//! DescribeConfigs at a time, begun after the asking, for refusals that wait for it; a hanging look does not hold it up. A
//! third asks leaders where logs end, on behalf of commits, and a fourth what else commits hang on ([`errands`]). The first two go on to the next server when one is down, slow or silent. What they know merges in `cluster::Knowledge`.
//!
//! Does not decide anything about requests. Nobody who forwards waits for it. It changes nothing of a cluster, but for the topics that
//! [`repair`] was asked to raise.

pub mod ask;
pub mod authenticate;
mod confirm;
mod errands;
pub mod link;
mod log_ends;
mod reach;
pub mod repair;
mod servers;

use crate::cluster::{
    GroupOffset, Knowledge, Learned, LogEnd, Look, TopicConfig, TopicFacts, TopicId, TopicRef, View,
};
use crate::proxy::settings::{self, HostPort};
use crate::telemetry::{Unreachable, WatchFailure};
use arc_swap::ArcSwap;
use ask::BrokerConfig;
use link::{Dialing, Failure, Link};
use reach::Reach;
use servers::Servers;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Topics that are kept track of; beyond it those that clients mentioned longest ago are forgotten.
pub const MAX_TOPICS: usize = 10_000;
/// Messages of sessions that wait to be read; beyond it they are dropped and counted.
const LEARNED_QUEUE: usize = 4096;
/// From the end of one look to the begin of the next, whatever sessions learn.
const GAP: Duration = Duration::from_millis(250);
/// From a request's first byte to its answer's last.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// A server that takes longer to be connected to than this is passed over, whatever clients may wait.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// After a round in which no server answered: doubled each time.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// Configs of topics are asked for again after this time; those of new topics at once.
const CONFIGS_PERIOD: Duration = Duration::from_secs(30);
/// `socket.request.max.bytes` cannot be changed without a restart of the broker.
const BROKER_CONFIGS_PERIOD: Duration = Duration::from_secs(300);
/// Brokers asked for their own config at a time.
const BROKERS_AT_A_TIME: usize = 4;
/// The log is told so often that brokers do not let us in.
const TOLD_EVERY_MS: u64 = 60_000;
/// Servers that are tried at a time, to see whether they can be reached.
const TRIED_AT_A_TIME: usize = 4;
/// One connection is kept for so long before another server has its turn.
const LINK_LIFETIME: Duration = Duration::from_secs(60);

/// What the watch did, for the metrics.
#[derive(Debug, Default)]
pub struct WatchStats {
    /// Looks that succeeded, and attempts at a server that failed (looks, configs and confirmations).
    pub looks: AtomicU64,
    pub failures: AtomicU64,
    /// The latter by their cause, in the order of [`WatchFailure::ALL`].
    pub failed: [AtomicU64; WatchFailure::ALL.len()],
    /// When the log was last told that we are not let in, in milliseconds since 1970.
    refused_told_ms: AtomicU64,
    /// Confirmations that were answered, and those that were not.
    pub confirmed: AtomicU64,
    pub unconfirmed: AtomicU64,
    /// Messages of sessions that found the queue full.
    pub learned_dropped: AtomicU64,
    /// Topics forgotten for lack of room.
    pub topics_evicted: AtomicU64,
    /// Milliseconds since 1970 at the last look that succeeded; 0: none yet.
    pub last_success_ms: AtomicU64,
}

impl WatchStats {
    /// An attempt at a server failed.
    fn failed(&self, failure: &Failure) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.failed[failure.reason() as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// For somebody to mend, so the log is told, now and then.
    fn not_let_in(&self, server: &HostPort, failure: &Failure) {
        let now = unix_ms();
        let told = self.refused_told_ms.load(Ordering::Relaxed);
        if now.saturating_sub(told) >= TOLD_EVERY_MS {
            self.refused_told_ms.store(now, Ordering::Relaxed);
            match failure.reason() {
                WatchFailure::Tls => {
                    tracing::warn!(%server, %failure, "the gateway's own connections have no TLS with this broker");
                }
                _ => {
                    tracing::warn!(%server, %failure, "the gateway's own connections cannot authenticate");
                }
            }
        }
    }
}

impl Shared {
    /// An attempt at this server failed: counted, and, unless it did answer, told of as one that cannot be reached.
    fn failed(&self, server: &HostPort, failure: &Failure) {
        self.stats.failed(failure);
        match failure.reason() {
            WatchFailure::Answer => {}
            // Clients reach it all the same.
            WatchFailure::Authentication => self.stats.not_let_in(server, failure),
            reason => {
                if reason == WatchFailure::Tls {
                    self.stats.not_let_in(server, failure);
                }
                let dial = matches!(failure, Failure::Dial(_));
                self.reach.failed(server, (failure, dial), unix_ms());
            }
        }
    }
}

/// Milliseconds since 1970.
fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since_1970.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Starts the tasks.
pub struct Watch;

impl Watch {
    /// Runs until `cancel`, in tasks of the current runtime. The first look begins at once.
    pub fn start(cluster: settings::Cluster, cancel: CancellationToken) -> Handle {
        let (learned_in, learned) = mpsc::channel(LEARNED_QUEUE);
        let (confirm_in, confirm) = mpsc::channel(LEARNED_QUEUE);
        let (log_ends_in, log_ends) = mpsc::channel(LEARNED_QUEUE);
        let (errands_in, errands) = mpsc::channel(LEARNED_QUEUE);
        let (configured_in, configured) = mpsc::channel(64);
        let (ready_in, ready) = watch::channel(false);
        let shared = Arc::new(Shared {
            view: ArcSwap::default(),
            stats: WatchStats::default(),
            reach: Reach::default(),
        });
        let looker = Looker::new(cluster.clone(), shared.clone(), ready_in);
        let router = log_ends::Router::new(&cluster, shared.clone());
        let sender = errands::Errands::new(&cluster, shared.clone());
        let confirmer = confirm::Confirmer::new(cluster, shared.clone(), configured_in);
        tokio::spawn({
            let cancel = cancel.clone();
            async move {
                cancel
                    .run_until_cancelled(looker.run(learned, configured))
                    .await;
            }
        });
        tokio::spawn({
            let cancel = cancel.clone();
            async move {
                cancel.run_until_cancelled(confirmer.run(confirm)).await;
            }
        });
        tokio::spawn({
            let cancel = cancel.clone();
            async move {
                cancel.run_until_cancelled(router.run(log_ends)).await;
            }
        });
        tokio::spawn(async move {
            cancel.run_until_cancelled(sender.run(errands)).await;
        });
        Handle {
            shared,
            learned: learned_in,
            confirm: confirm_in,
            log_ends: log_ends_in,
            errands: errands_in,
            ready,
        }
    }
}

/// What connections hold of the watch. Nothing here waits.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    learned: mpsc::Sender<Learned>,
    confirm: mpsc::Sender<confirm::Ask>,
    log_ends: mpsc::Sender<log_ends::Ask>,
    errands: mpsc::Sender<errands::Ask>,
    ready: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Shared {
    view: ArcSwap<View>,
    stats: WatchStats,
    reach: Reach,
}

impl Handle {
    /// The cluster as last seen; empty before the first look.
    pub fn view(&self) -> Arc<View> {
        self.shared.view.load_full()
    }

    /// The same, for those who look at it with every frame.
    pub fn published(&self) -> &ArcSwap<View> {
        &self.shared.view
    }

    /// A session learned something. Dropped, and counted, when the queue is full.
    pub fn learned(&self, learned: Learned) {
        if self.learned.try_send(learned).is_err() {
            self.shared
                .stats
                .learned_dropped
                .fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks for the topic's configs with a DescribeConfigs begun after this call. `None`, or a closed channel: nobody told.
    pub fn confirm(&self, topic: Arc<str>) -> oneshot::Receiver<Option<Arc<TopicFacts>>> {
        let (reply, answer) = oneshot::channel();
        // A full queue drops the sender, which the caller sees at once.
        let _ = self.confirm.try_send(confirm::Ask { topic, reply });
        answer
    }

    /// Asks the leaders where the logs of these partitions end, each with a ListOffsets begun after this call. Partitions
    /// that no leader told of are left out; a closed channel: there was no room to ask. `met`: topics that the view may not have.
    pub fn log_ends(
        &self,
        partitions: Vec<(Arc<str>, i32)>,
        met: Vec<Arc<TopicFacts>>,
    ) -> oneshot::Receiver<Vec<LogEnd>> {
        let (reply, answer) = oneshot::channel();
        let ask = log_ends::Ask {
            partitions,
            met,
            reply,
        };
        let _ = self.log_ends.try_send(ask);
        answer
    }

    /// Asks the group's coordinator what it has committed there, with an OffsetFetch begun after this call. What nobody told is
    /// left out.
    pub fn committed(
        &self,
        group: Arc<str>,
        partitions: Vec<(Arc<str>, i32)>,
    ) -> oneshot::Receiver<Vec<GroupOffset>> {
        let (reply, answer) = oneshot::channel();
        let ask = errands::Ask::Committed {
            group,
            partitions,
            reply,
        };
        let _ = self.errands.try_send(ask);
        answer
    }

    /// Asks what these topics are called and who leads them, with a Metadata begun after this call. The view learns of them by
    /// other means.
    pub fn topics(&self, topics: Vec<TopicRef>) -> oneshot::Receiver<Vec<Arc<TopicFacts>>> {
        let (reply, answer) = oneshot::channel();
        let _ = self
            .errands
            .try_send(errands::Ask::Topics { topics, reply });
        answer
    }

    /// True from the first view on.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    pub fn stats(&self) -> &WatchStats {
        &self.shared.stats
    }

    /// A client's connection reached this server, or did not.
    pub fn dialled(&self, server: &HostPort, failure: Option<&dyn std::fmt::Display>) {
        let reach = &self.shared.reach;
        match failure {
            None => reach.dialled(server),
            Some(reason) => reach.failed(server, (reason, true), unix_ms()),
        }
    }

    /// Those that could be reached and then could not, since this was asked last.
    pub fn newly_unreachable(&self) -> Vec<Unreachable> {
        self.shared.reach.take_news()
    }

    /// The servers that cannot be reached, and why.
    pub fn unreachable(&self) -> Vec<Unreachable> {
        self.shared.reach.unreachable()
    }
}

/// Topic configs that a confirmation brought along.
type Configured = Vec<(Arc<str>, TopicConfig)>;

/// The task that looks.
struct Looker {
    settings: settings::Cluster,
    dialing: Dialing,
    shared: Arc<Shared>,
    ready: watch::Sender<bool>,
    knowledge: Knowledge,
    /// At most one job at a time; it has the servers while it runs.
    jobs: JoinSet<(Servers, Option<Done>)>,
    servers: Option<Servers>,
    brokers: JoinSet<(i32, Result<BrokerConfig, Failure>)>,
    /// Tries of servers, to see whether they can be reached.
    tries: JoinSet<(HostPort, Result<Link, Failure>)>,
    /// Those whose turn comes.
    to_try: VecDeque<HostPort>,
    /// Per broker: where and when it is asked (again), and what it told.
    broker_configs: BTreeMap<i32, KnownBroker>,
    due: Due,
    /// Whether the last round failed: the log tells of changes, not of states.
    failing: bool,
}

struct KnownBroker {
    server: HostPort,
    again_at: Instant,
    config: BrokerConfig,
}

/// What is to be done next, and when.
struct Due {
    /// Everything is looked at.
    full_at: Instant,
    /// Only what is new is looked at.
    new: HashSet<Arc<str>>,
    new_ids: bool,
    /// Nothing before.
    not_before: Instant,
    backoff: Duration,
    /// Topics whose configs come next.
    configs: Vec<Arc<str>>,
    all_configs_at: Instant,
    /// Topics that no config was told of: not asked for again before all are.
    untold: HashSet<Arc<str>>,
}

enum Done {
    Look(Look),
    Configs(Vec<Arc<str>>, Configured),
}

#[derive(Clone)]
enum Job {
    Look(u64, Vec<Arc<str>>, Vec<TopicId>),
    Configs(Vec<Arc<str>>),
}

impl Looker {
    fn new(settings: settings::Cluster, shared: Arc<Shared>, ready: watch::Sender<bool>) -> Looker {
        let now = Instant::now();
        Looker {
            dialing: dialing(&settings, REQUEST_TIMEOUT),
            servers: Some(Servers::new(settings.bootstrap_servers.clone())),
            settings,
            shared,
            ready,
            knowledge: Knowledge::new(MAX_TOPICS),
            jobs: JoinSet::new(),
            brokers: JoinSet::new(),
            tries: JoinSet::new(),
            to_try: VecDeque::new(),
            broker_configs: BTreeMap::new(),
            due: Due {
                full_at: now,
                new: HashSet::new(),
                new_ids: false,
                not_before: now,
                backoff: BACKOFF.0,
                configs: Vec::new(),
                all_configs_at: now + CONFIGS_PERIOD,
                untold: HashSet::new(),
            },
            failing: false,
        }
    }

    async fn run(
        mut self,
        mut learned: mpsc::Receiver<Learned>,
        mut configured: mpsc::Receiver<Configured>,
    ) {
        loop {
            let wake = self.begin_what_is_due();
            tokio::select! {
                message = learned.recv() => match message {
                    Some(message) => self.absorb(message, &mut learned),
                    // Every handle is gone.
                    None => return,
                },
                Some(configs) = configured.recv() => self.configured(configs),
                Some(done) = self.jobs.join_next() => match done {
                    Ok((servers, done)) => self.finished(servers, done),
                    // It panicked. The next one starts from the bootstrap servers.
                    Err(_) => self.finished(Servers::new(self.settings.bootstrap_servers.clone()), None),
                },
                Some(told) = self.brokers.join_next() => self.broker_told(told.ok()),
                Some(tried) = self.tries.join_next() => self.tried(tried.ok()),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Begins the next job if it is time, and returns when to look again.
    fn begin_what_is_due(&mut self) -> Instant {
        let now = Instant::now();
        let far = now + Duration::from_secs(3600);
        let Some(mut servers) = self.servers.take() else {
            return far;
        };
        let due = &mut self.due;
        let new = !due.new.is_empty() || due.new_ids;
        let next = match (due.configs.is_empty(), new) {
            (true, false) => due.full_at.max(due.not_before),
            _ => due.not_before,
        };
        if next > now {
            self.servers = Some(servers);
            return next;
        }
        let job = if due.full_at <= now {
            due.full_at = now + self.settings.metadata_refresh;
            due.new.clear();
            due.new_ids = false;
            servers.take_turns(LINK_LIFETIME);
            let names = self.knowledge.topics().cloned().collect();
            let ids = self.knowledge.unnamed().copied().collect();
            Job::Look(self.knowledge.look_begins(), names, ids)
        } else if new {
            due.new_ids = false;
            let names = due.new.drain().collect();
            let ids = self.knowledge.unnamed().copied().collect();
            Job::Look(self.knowledge.look_begins(), names, ids)
        } else {
            Job::Configs(std::mem::take(&mut due.configs))
        };
        let (dialing, shared) = (self.dialing.clone(), self.shared.clone());
        self.jobs.spawn(run(job, servers, dialing, shared));
        far
    }

    fn finished(&mut self, mut servers: Servers, done: Option<Done>) {
        let now = Instant::now();
        let failed = done.is_none();
        match done {
            None => {
                self.due.not_before = now + self.due.backoff;
                self.due.backoff = (self.due.backoff * 2).min(BACKOFF.1);
                // Whatever this job was to find out, a full look does.
                self.due.full_at = now;
            }
            Some(Done::Look(look)) => {
                self.looked(look);
                servers.learn(&self.shared.view.load());
                (self.due.not_before, self.due.backoff) = (now + GAP, BACKOFF.0);
                if !self.due.configs.is_empty() {
                    self.due.not_before = now;
                }
            }
            Some(Done::Configs(asked, configs)) => {
                let told: HashSet<_> = configs.iter().map(|(name, _)| name.clone()).collect();
                let untold = asked.into_iter().filter(|name| !told.contains(name));
                self.due.untold.extend(untold);
                self.due.not_before = now + GAP;
                self.configured(configs);
            }
        }
        if failed != self.failing {
            match failed {
                true => {
                    let tried: Vec<_> =
                        servers.in_order().iter().map(ToString::to_string).collect();
                    tracing::warn!(
                        servers = tried.join(","),
                        "no server of cluster.bootstrap_servers answers: what is known of the cluster grows old, if anything is; \
                         the log tells of each why"
                    )
                }
                false => tracing::info!("the cluster answers again"),
            }
            self.failing = failed;
        }
        self.servers = Some(servers);
    }

    fn looked(&mut self, look: Look) {
        let now = Instant::now();
        self.knowledge.looked(look);
        if self.due.all_configs_at <= now {
            self.due.all_configs_at = now + CONFIGS_PERIOD;
            self.due.untold.clear();
            self.due.configs = self.knowledge.topics().cloned().collect();
        } else {
            self.want_lacking_configs();
        }
        let stats = &self.shared.stats;
        stats.looks.fetch_add(1, Ordering::Relaxed);
        stats.last_success_ms.store(unix_ms(), Ordering::Relaxed);
        self.publish();
        self.ready.send_replace(true);
        self.ask_brokers();
        self.try_servers();
    }

    /// Every server is tried now and then, and what cannot be reached until it can: nobody else may want to.
    fn try_servers(&mut self) {
        let (view, bootstrap) = (self.shared.view.load(), &self.settings.bootstrap_servers);
        let due = self.shared.reach.due(&view, bootstrap, unix_ms());
        self.to_try.extend(due);
        while self.tries.len() < TRIED_AT_A_TIME
            && let Some(server) = self.to_try.pop_front()
        {
            let dialing = self.dialing.clone();
            self.tries.spawn(async move {
                let tried = Link::open(&server, &dialing).await;
                (server, tried)
            });
        }
    }

    fn tried(&mut self, tried: Option<(HostPort, Result<Link, Failure>)>) {
        match tried {
            Some((server, Ok(_))) => self.shared.reach.reached(&server),
            Some((server, Err(failure))) => self.shared.failed(&server, &failure),
            None => {}
        }
        self.try_servers();
    }

    /// Topics whose configs are not known are asked for next.
    fn want_lacking_configs(&mut self) {
        // What a full refresh has queued stays queued.
        let asked: HashSet<_> = self.due.configs.iter().cloned().collect();
        let untold = &self.due.untold;
        let lacking = self
            .knowledge
            .without_config()
            .filter(|name| !untold.contains(*name) && !asked.contains(*name));
        self.due.configs.extend(lacking.cloned());
    }

    /// Takes in what sessions learned: everything that waits, and then one new view.
    fn absorb(&mut self, first: Learned, queue: &mut mpsc::Receiver<Learned>) {
        let mut changed = self.absorb_one(first);
        for _ in 0..LEARNED_QUEUE {
            match queue.try_recv() {
                Ok(learned) => changed |= self.absorb_one(learned),
                Err(_) => break,
            }
        }
        if changed {
            self.publish();
            // A passing Metadata may be the first to name brokers: where the watch is not let in, the only one.
            if !*self.ready.borrow() && !self.shared.view.load().brokers.is_empty() {
                self.ready.send_replace(true);
            }
        }
    }

    /// True when the view changes by it.
    fn absorb_one(&mut self, learned: Learned) -> bool {
        match learned {
            Learned::TopicSeen(name) => {
                if self.knowledge.mention(&name) {
                    self.due.new.insert(name);
                }
                false
            }
            Learned::TopicIdSeen(id) => {
                self.due.new_ids |= self.knowledge.mention_id(id);
                false
            }
            Learned::NotLeader => {
                self.due.full_at = Instant::now();
                false
            }
            Learned::NotEnoughReplicas { topic, partition } => self.mark(topic, partition),
            Learned::NotEnoughReplicasById { topic, partition } => {
                match self.knowledge.name_of(&topic) {
                    Some(name) => self.mark(name, partition),
                    None => {
                        self.due.new_ids |= self.knowledge.mention_id(topic);
                        false
                    }
                }
            }
            Learned::Metadata(delta) => {
                let news = self.knowledge.passed(*delta);
                if news {
                    // A topic that a client has just looked up is about to be used.
                    self.want_lacking_configs();
                }
                news
            }
        }
    }

    fn mark(&mut self, topic: Arc<str>, partition: i32) -> bool {
        if self.knowledge.mention(&topic) {
            self.due.new.insert(topic.clone());
        }
        let news = self.knowledge.mark_not_enough_replicas(topic, partition);
        if news {
            // Not at once: other brokers hear of it a little later than the leader.
            let now = Instant::now();
            if self.due.full_at > now {
                self.due.full_at = now;
                self.due.not_before = self.due.not_before.max(now + GAP);
            }
        }
        news
    }

    fn configured(&mut self, configs: Configured) {
        if configs.is_empty() {
            return;
        }
        for (name, config) in configs {
            self.knowledge.configured(&name, config);
        }
        self.publish();
    }

    fn publish(&self) {
        let evicted = self.knowledge.evicted();
        self.shared
            .stats
            .topics_evicted
            .store(evicted, Ordering::Relaxed);
        self.shared.view.store(Arc::new(self.knowledge.view()));
    }

    /// Each broker tells its own `socket.request.max.bytes` only; a few are asked at a time, each over a connection of its own.
    fn ask_brokers(&mut self) {
        let now = Instant::now();
        let view = self.shared.view.load();
        self.broker_configs
            .retain(|id, _| view.brokers.contains_key(id));
        for (id, broker) in &view.brokers {
            let server = HostPort {
                host: broker.host.clone(),
                port: broker.port,
            };
            let known = self.broker_configs.get(id);
            let fresh = known.is_some_and(|known| known.server == server && known.again_at > now);
            if fresh || self.brokers.len() >= BROKERS_AT_A_TIME {
                continue;
            }
            let asked = KnownBroker {
                server: server.clone(),
                again_at: now + CONFIGS_PERIOD,
                config: known.map(|known| known.config).unwrap_or_default(),
            };
            self.broker_configs.insert(*id, asked);
            let dialing = self.dialing.clone();
            self.brokers.spawn(ask_broker(*id, server, dialing));
        }
    }

    fn broker_told(&mut self, told: Option<(i32, Result<BrokerConfig, Failure>)>) {
        if let Some((id, told)) = &told
            && let Some(known) = self.broker_configs.get(id)
        {
            match told {
                Ok(_) => self.shared.reach.reached(&known.server),
                Err(failure) => self.shared.failed(&known.server, failure),
            }
        }
        if let Some((id, Ok(told))) = told
            && let Some(known) = self.broker_configs.get_mut(&id)
        {
            known.again_at = Instant::now() + BROKER_CONFIGS_PERIOD;
            let bytes = &mut known.config.socket_request_max_bytes;
            *bytes = told.socket_request_max_bytes.or(*bytes);
            let minutes = &mut known.config.offsets_retention_minutes;
            *minutes = told.offsets_retention_minutes.or(*minutes);
        }
        let configs = || self.broker_configs.values().map(|known| known.config);
        let bytes = configs().filter_map(|config| config.socket_request_max_bytes);
        let minutes = configs().filter_map(|config| config.offsets_retention_minutes);
        let (bytes, minutes) = (bytes.min(), minutes.min());
        if let Some(bytes) = bytes {
            self.knowledge.set_socket_request_max_bytes(bytes);
        }
        if let Some(minutes) = minutes {
            self.knowledge
                .set_offsets_retention_ms(i64::from(minutes) * 60_000);
        }
        if bytes.is_some() || minutes.is_some() {
            self.publish();
        }
        self.ask_brokers();
    }
}

async fn ask_broker(
    id: i32,
    server: HostPort,
    dialing: Dialing,
) -> (i32, Result<BrokerConfig, Failure>) {
    let ask = async {
        let mut link = Link::open(&server, &dialing).await?;
        ask::broker_config(&mut link, id, &dialing).await
    };
    (id, ask.await)
}

fn dialing(settings: &settings::Cluster, request_timeout: Duration) -> Dialing {
    Dialing {
        connect_timeout: settings.connect_timeout.min(CONNECT_TIMEOUT),
        tcp_user_timeout: settings.tcp_user_timeout,
        tls: settings.tls.clone(),
        request_timeout,
        sasl: settings.sasl.clone(),
    }
}

/// Does the job at the server that is connected to, else at each server in turn. `None`: nobody answered.
async fn run(
    job: Job,
    mut servers: Servers,
    dialing: Dialing,
    shared: Arc<Shared>,
) -> (Servers, Option<Done>) {
    let mut order = servers.in_order();
    if let Some(current) = servers.current().cloned() {
        order.retain(|server| *server != current);
        order.insert(0, current);
    }
    for server in order {
        match attempt(&job, &mut servers, &server, &dialing).await {
            Ok(done) => {
                servers.succeeded(&server);
                shared.reach.reached(&server);
                return (servers, Some(done));
            }
            Err(failure) => {
                tracing::debug!(%server, %failure, "the watch goes on to the next server");
                shared.failed(&server, &failure);
                servers.failed(&server);
            }
        }
    }
    (servers, None)
}

async fn attempt(
    job: &Job,
    servers: &mut Servers,
    server: &HostPort,
    dialing: &Dialing,
) -> Result<Done, Failure> {
    let link = servers.link(server, dialing).await?;
    match job {
        Job::Look(number, names, ids) => Ok(Done::Look(
            ask::look(link, *number, names, ids, dialing).await?,
        )),
        Job::Configs(names) => {
            let configs = ask::topic_configs(link, names, dialing).await?;
            Ok(Done::Configs(names.clone(), configs))
        }
    }
}
