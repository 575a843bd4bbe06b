//! Floor 5: tokio. Listeners, connections, budgets, the watch, the drain. Moves the bytes that a session tells it to move.

pub mod budget;
pub mod connection;
pub mod exemptions;
pub mod files;
pub mod listener;
pub mod passed;
pub mod settings;
mod splice;
pub mod stream;
pub mod tls;
pub mod truncations;
pub mod upstream;
pub mod watch;
pub mod workers;

use crate::cluster::View;
use crate::ledger::{self, Ledger};
use crate::policy::weak_topic;
use crate::session;
use crate::telemetry::{Sight, Telemetry, WatchFailure};
use arc_swap::ArcSwap;
use budget::{Budgets, RELAY_BUFFER_BYTES};
use passed::Passed;
use settings::{Live, Settings};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use watch::Watch;
use workers::Workers;

/// How often it is asked what went out of reach.
const REACH_LOOK: Duration = Duration::from_secs(1);
/// How often the content of TLS files is looked at.
const TLS_LOOK: Duration = Duration::from_secs(2);
/// Weak topics that `/report` names.
const MAX_WEAK_TOPICS: usize = 50;
/// Partitions below `min.insync.replicas` that it names.
const MAX_DEGRADED: usize = 100;

/// How far the gateway has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Phase {
    Serving,
    /// Connections end at their next frame boundary.
    Draining,
    /// Connections end at once.
    Aborting,
}

/// What all connections of a gateway share.
pub struct Shared {
    /// As at start. What of it may change since is in `live`, and there only.
    pub settings: Settings,
    /// Read by connections between requests; written under `publishing` only.
    pub live: ArcSwap<Live>,
    publishing: Mutex<()>,
    pub budgets: Budgets,
    pub watch: watch::Handle,
    pub ledger: Ledger,
    pub telemetry: Arc<Telemetry>,
    phase: AtomicU8,
    /// Cancelled when the phase turns to draining, and to aborting: what wakes the connections.
    pub drain: CancellationToken,
    pub abort: CancellationToken,
    pub limits: listener::ConnectionLimits,
}

impl Shared {
    /// For a gateway that serves.
    pub fn new(settings: Settings, watch: watch::Handle, telemetry: Arc<Telemetry>) -> Shared {
        let limits = &settings.limits;
        let drain = CancellationToken::new();
        Shared {
            live: ArcSwap::from_pointee(live(&settings, drain.child_token())),
            publishing: Mutex::default(),
            budgets: Budgets::new(limits),
            watch,
            telemetry,
            phase: AtomicU8::new(Phase::Serving as u8),
            drain,
            abort: CancellationToken::new(),
            ledger: Ledger::default(),
            limits: listener::ConnectionLimits::default(),
            settings,
        }
    }

    /// What may change of `settings` holds from now on: for every connection before its next request, and at once for one that
    /// rests. The rest of them is not looked at.
    pub fn replace(&self, settings: &Settings) {
        let mut live = live(settings, self.drain.child_token());
        let _publishing = self
            .publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.telemetry.set_policy(&live.policy);
        exemptions::leave_out_expired(&mut live, &self.telemetry, SystemTime::now());
        self.publish(live);
    }

    /// Only under `publishing`. Whoever is woken finds them.
    fn publish(&self, live: Live) {
        let old = self.live.swap(Arc::new(live));
        old.superseded.cancel();
    }

    /// One load, where asking the tokens would take a lock.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Serving as u8 => Phase::Serving,
            phase if phase == Phase::Draining as u8 => Phase::Draining,
            _ => Phase::Aborting,
        }
    }

    /// All connections go over to it.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        match phase {
            Phase::Serving => {}
            Phase::Draining => self.drain.cancel(),
            Phase::Aborting => self.abort.cancel(),
        }
    }

    /// Whether the cluster has brokers that clients cannot be told of.
    pub fn brokers_outside(&self, view: &View) -> bool {
        self.outside(view).next().is_some()
    }

    /// What `/report` tells of the cluster.
    fn sight(&self, view: &View) -> Sight {
        let advertised = &self.settings.listener.advertised;
        let mapped = |id: i32| {
            let (host, port) = advertised.endpoint(id)?;
            Some((id, (host.into_owned(), port)))
        };
        let weak = view.topics.values().filter_map(|facts| {
            let found = weak_topic::of(facts)?;
            Some((&facts.name, found))
        });
        let mut weak: Vec<_> = weak.collect();
        weak.sort_unstable_by_key(|(name, _)| *name);
        let shown = weak.iter().take(MAX_WEAK_TOPICS);
        let degraded = view.degraded.first(MAX_DEGRADED).into_iter();
        Sight {
            brokers: view.brokers.clone(),
            mapped: view.brokers.keys().filter_map(|id| mapped(*id)).collect(),
            topics: view.topics.len(),
            degraded_partitions: view.degraded.len(),
            degraded: degraded
                .map(|(topic, index)| format!("{topic}-{index}"))
                .collect(),
            weak_topics: shown
                .map(|(name, found)| ((*name).clone(), weak_topic::reasons(*found)))
                .collect(),
            weak_topics_left_out: weak.len().saturating_sub(MAX_WEAK_TOPICS),
            unreachable: self.watch.unreachable(),
        }
    }

    fn outside<'a>(&'a self, view: &'a View) -> impl Iterator<Item = i32> + 'a {
        let ids = &self.settings.listener.advertised.ids;
        view.brokers.keys().copied().filter(|id| !ids.contains(*id))
    }
}

fn live(settings: &Settings, superseded: CancellationToken) -> Live {
    let limits = &settings.limits;
    Live {
        policy: settings.policy.clone(),
        limits: limits.clone(),
        session_limits: session::Limits {
            max_in_flight: limits.max_in_flight,
            max_absorbed_in_flight: limits.max_absorbed_in_flight,
            max_absorbed_bytes: limits.max_absorbed_bytes,
            relay_buffer_bytes: RELAY_BUFFER_BYTES,
        },
        drain: settings.drain.clone(),
        superseded,
    }
}

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address} ({what}): {source}")]
    Bind {
        what: String,
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error("no worker threads: {0}")]
    Workers(std::io::Error),
    #[error(transparent)]
    Passed(#[from] passed::Error),
    #[error(transparent)]
    Tls(#[from] tls::Errors),
}

/// Runs until `shutdown` is cancelled and everything in flight is done, or `drain.timeout` has passed.
pub async fn run(
    settings: Settings,
    telemetry: Arc<Telemetry>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    start(settings, telemetry, Passed::default())?
        .until(shutdown)
        .await;
    Ok(())
}

/// A gateway that accepts.
pub struct Running {
    shared: Arc<Shared>,
    accepting: CancellationToken,
    tasks: TaskTracker,
    _workers: Arc<Workers>,
    _end_background: DropGuard,
}

/// Binds all ports, or takes those that were passed, and begins to accept. To be called within a runtime, which does all but relay.
///
/// # Errors
/// A port cannot be bound, the system refuses threads, what was passed does not fit, or a certificate cannot be used.
pub fn start(
    settings: Settings,
    telemetry: Arc<Telemetry>,
    mut passed: Passed,
) -> Result<Running, Error> {
    if !knows_tls(&settings) {
        load_tls(&settings)?;
    }
    let listeners = listener::bind(&settings.listener, &mut passed)?;
    passed.done()?;
    let workers = Workers::start(settings.limits.worker_threads).map_err(Error::Workers)?;
    let workers = Arc::new(workers);
    let tasks = TaskTracker::new();
    let background = CancellationToken::new();
    let end_background = background.clone().drop_guard();
    let watch = Watch::start(settings.cluster.clone(), background.clone());
    let shared = Arc::new(Shared::new(settings, watch, telemetry));
    let accepting = CancellationToken::new();
    for listener in listeners {
        tasks.spawn(listener::accept(
            shared.clone(),
            listener,
            accepting.clone(),
            workers.clone(),
            tasks.clone(),
        ));
    }
    tokio::spawn(
        background
            .clone()
            .run_until_cancelled_owned(exemptions::expire(shared.clone())),
    );
    tokio::spawn(
        background
            .clone()
            .run_until_cancelled_owned(truncations::confirm(shared.clone())),
    );
    tokio::spawn(
        background
            .clone()
            .run_until_cancelled_owned(watch::repair::repair(shared.clone())),
    );
    tokio::spawn(
        background
            .clone()
            .run_until_cancelled_owned(follow_reach(shared.clone())),
    );
    let (listener, cluster) = (&shared.settings.listener, &shared.settings.cluster);
    if listener.tls.is_some() || cluster.tls.is_some() {
        tokio::spawn(
            background
                .clone()
                .run_until_cancelled_owned(follow_tls(shared.clone())),
        );
    }
    tokio::spawn(background.run_until_cancelled_owned(ready(shared.clone())));
    shared.telemetry.set_sampler(sampler(&shared));

    Ok(Running {
        shared,
        accepting,
        tasks,
        _workers: workers,
        _end_background: end_background,
    })
}

impl Running {
    /// To replace what may change while it runs.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Goes on until `shutdown` is cancelled and the drain that follows is over.
    pub async fn until(self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
        drain(&self.shared, self.accepting, &self.tasks).await;
    }
}

/// Reads the files of both sides: whether anything changed. Both are looked at, whatever becomes of the first.
///
/// # Errors
/// Every file that cannot be used. What was in force stays.
pub fn load_tls(settings: &Settings) -> Result<bool, tls::Errors> {
    let listener = settings.listener.tls.as_ref().map(|tls| tls.reload());
    let cluster = settings.cluster.tls.as_ref().map(|tls| tls.reload());
    match (listener.unwrap_or(Ok(false)), cluster.unwrap_or(Ok(false))) {
        (Err(listener), Err(cluster)) => Err(tls::Errors([listener.0, cluster.0].concat())),
        (listener, cluster) => Ok(listener? | cluster?),
    }
}

/// Whether the files of both sides were read already, as `main` does before it starts anything.
fn knows_tls(settings: &Settings) -> bool {
    let (listener, cluster) = (&settings.listener.tls, &settings.cluster.tls);
    listener.as_ref().is_none_or(|tls| tls.current().is_some())
        && cluster.as_ref().is_none_or(|tls| tls.current().is_some())
}

/// What went out of reach is an alarm, also when it is back before anybody looks.
async fn follow_reach(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(REACH_LOOK).await;
        for lost in shared.watch.newly_unreachable() {
            shared.telemetry.broker_lost(&lost);
        }
    }
}

/// Looks at the files now and then; what is wrong with them is told once.
async fn follow_tls(shared: Arc<Shared>) {
    let mut told = None;
    let tell = |shared: &Shared| {
        let (listener, cluster) = (&shared.settings.listener, &shared.settings.cluster);
        let listener = listener.tls.as_ref().and_then(|tls| tls.not_after());
        let cluster = cluster.tls.as_ref().and_then(|tls| tls.not_after());
        for (usage, not_after) in [("listener", listener), ("cluster", cluster)] {
            if let Some(seconds) = not_after {
                shared.telemetry.set_tls_not_after(usage, seconds);
            }
        }
    };
    tell(&shared);
    loop {
        tokio::time::sleep(TLS_LOOK).await;
        let reader = shared.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || load_tls(&reader.settings)).await
        else {
            continue;
        };
        match loaded {
            Ok(changed) => {
                told = None;
                shared.telemetry.tls_reloaded();
                if changed {
                    tracing::info!("TLS files were read anew: new connections use them");
                }
            }
            Err(error) if told.as_ref() == Some(&error) => {}
            Err(error) => {
                shared.telemetry.tls_reload_failed(&error);
                told = Some(error);
            }
        }
        tell(&shared);
    }
}

/// Ready once the first view was learned; never again not, whatever the brokers do.
async fn ready(shared: Arc<Shared>) {
    if shared.watch.ready().wait_for(|ready| *ready).await.is_ok() {
        let brokers = shared.watch.view().brokers.len();
        tracing::info!(
            brokers,
            "ready: ports are bound and a first view of the cluster was learned"
        );
        shared.telemetry.set_ready();
    }
}

/// Gauges and counters that are cheaper asked than told, brought up to date before every scrape.
fn sampler(shared: &Arc<Shared>) -> Box<dyn Fn(&Telemetry) + Send + Sync> {
    let shared = Arc::downgrade(shared);
    let told: [AtomicU64; 3 + ledger::TABLES.len()] = Default::default();
    let told_failed: [AtomicU64; WatchFailure::ALL.len()] = Default::default();
    Box::new(move |telemetry| {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        telemetry.set_buffer_bytes(shared.budgets.buffers().0);
        telemetry.set_announced_bytes(shared.budgets.announced.used_bytes());
        let view = shared.watch.view();
        telemetry.set_brokers_outside_set(shared.outside(&view).count());
        telemetry.set_sight(shared.sight(&view));
        let stats = shared.watch.stats();
        let more =
            |told: &AtomicU64, now: u64| now.saturating_sub(told.swap(now, Ordering::Relaxed));
        let since = |told: &AtomicU64, now: &AtomicU64| more(told, now.load(Ordering::Relaxed));
        let last = Duration::from_millis(stats.last_success_ms.load(Ordering::Relaxed));
        telemetry.looked(true, since(&told[0], &stats.looks), last);
        telemetry.looked(false, since(&told[1], &stats.failures), last);
        for ((told, now), reason) in told_failed.iter().zip(&stats.failed).zip(WatchFailure::ALL) {
            telemetry.watch_failed(reason, since(told, now));
        }
        telemetry.learned_dropped(since(&told[2], &stats.learned_dropped));
        let ledger = &shared.ledger;
        for (told, (table, forgotten)) in told[3..].iter().zip(ledger.forgotten()) {
            telemetry.ledger_forgotten(table, more(told, forgotten));
        }
        telemetry.set_fetch_headroom(&ledger.fetches.headroom(connection::unix_ms()));
    })
}

/// How often the log says that the drain still waits.
const DRAIN_TOLD_EVERY: Duration = Duration::from_secs(5);

/// Not ready any more; after a delay nobody is accepted; what is in flight is finished; what is left is cut off.
async fn drain(shared: &Shared, accepting: CancellationToken, tasks: &TaskTracker) {
    let times = shared.live.load().drain.clone();
    shared.telemetry.set_draining();
    tracing::info!(delay = ?times.delay, timeout = ?times.timeout, "draining: /readyz is 503, new connections are still accepted for the delay");
    tokio::time::sleep(times.delay).await;
    accepting.cancel();
    shared.enter(Phase::Draining);
    tasks.close();
    let wait = async {
        while timeout(DRAIN_TOLD_EVERY, tasks.wait()).await.is_err() {
            tracing::info!(
                open = tasks.len(),
                "draining: connections wait for answers of their brokers, or for their clients to close"
            );
        }
    };
    if timeout(times.timeout, wait).await.is_err() {
        tracing::warn!(
            open = tasks.len(),
            "drain timeout: the connections that are left are cut off"
        );
        shared.enter(Phase::Aborting);
        tasks.wait().await;
    }
}
