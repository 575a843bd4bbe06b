//! Settings -> a running gateway (roof): logs, descriptors, threads, signals; then proxy and admin side by side until the
//! drain is over. Decides nothing about Kafka.

use crate::config::{LogFormat, LogSettings, Settings};
use crate::proxy::passed::{self, Passed};
use crate::proxy::workers;
use crate::reload::{Loaded, Reloader, SetLevel};
use crate::telemetry::Telemetry;
use crate::{admin, proxy};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

/// How it came to an end without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything in flight was brought to its end, or the drain's deadline came.
    Drained,
    /// A second signal did not wait for that.
    AtOnce,
}

/// Why it could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no runtime: {0}")]
    Runtime(io::Error),
    #[error("no signals: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Admin(#[from] admin::Error),
    #[error(transparent)]
    Passed(#[from] passed::Error),
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
}

/// Runs until a signal ends it.
///
/// # Errors
/// A port cannot be bound, or the system refuses threads or signals.
pub fn run(loaded: Loaded) -> Result<Ended, Error> {
    let settings = &loaded.settings;
    let set_level = start_logs(&settings.log);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        preset = settings.preset,
        "holdfast starts"
    );
    raise_descriptors(settings);
    // Before there are threads.
    let passed = Passed::from_environment()?;
    // For all but relaying.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let ended = runtime.block_on(serve(loaded, set_level, passed));
    // A blocked look-up of a name must not hold up the exit.
    runtime.shutdown_background();
    ended
}

async fn serve(loaded: Loaded, set_level: SetLevel, mut passed: Passed) -> Result<Ended, Error> {
    let settings = &loaded.settings;
    let telemetry = Telemetry::new(&settings.telemetry, &settings.proxy.policy);
    telemetry.set_preset(settings.preset);
    telemetry.set_limits(
        settings.proxy.limits.buffer_bytes,
        settings.proxy.limits.announced_bytes,
    );
    let shutdown = CancellationToken::new();
    let mut signals = Signals::new().map_err(Error::Signals)?;
    // From here on a SIGHUP ends nobody.
    let hangup = signal(SignalKind::hangup()).map_err(Error::Signals)?;
    if passed.count() > 0 {
        let sockets = passed.count();
        info!(
            sockets,
            "listening sockets were passed by whoever started this process"
        );
    }
    let admin = admin::bind(&settings.admin, passed.take(settings.admin.bind)).await?;
    info!(address = %admin.address(), "admin: / (a page for people), /metrics, /report, /livez and /readyz");
    let helpers = CancellationToken::new();
    let _stop_helpers = helpers.clone().drop_guard();
    tokio::spawn(admin.serve(telemetry.clone(), helpers.clone()));
    tokio::spawn(tick(telemetry.clone(), helpers.clone()));
    let proxy = proxy::start(settings.proxy.clone(), telemetry.clone(), passed)?;
    let reloader = Reloader::new(loaded, proxy.shared(), set_level);
    tokio::spawn(helpers.run_until_cancelled_owned(reloader.run(hangup)));
    let mut proxy = std::pin::pin!(proxy.until(shutdown.clone()));
    tokio::select! {
        () = &mut proxy => return Ok(Ended::Drained),
        name = signals.next() => info!(signal = name, "drain begins; a second signal ends at once"),
    }
    shutdown.cancel();
    let ended = tokio::select! {
        () = &mut proxy => Ok(Ended::Drained),
        name = signals.next() => {
            warn!(signal = name, "ended at once");
            Ok(Ended::AtOnce)
        }
    };
    telemetry.summarize();
    // What came after the last scrape is on no graph.
    let acks0 = |outcome| telemetry.sum("holdfast_acks0_records_total", &[("outcome", outcome)]);
    info!(
        confirmed = acks0("confirmed"),
        refused = acks0("refused"),
        unknown = acks0("unknown"),
        "holdfast ends: where the records that it has read with acks=0 since its start have ended"
    );
    ended
}

/// Lets telemetry write the summaries that are due.
async fn tick(telemetry: Arc<Telemetry>, stop: CancellationToken) {
    let mut period = tokio::time::interval(Duration::from_secs(1));
    while stop.run_until_cancelled(period.tick()).await.is_some() {
        telemetry.tick();
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Two descriptors per connection and per pipe, and some per worker, and the soft limit is often 1024: take what the hard limit allows.
fn raise_descriptors(settings: &Settings) {
    let listener = &settings.proxy.listener;
    let wanted = settings.proxy.limits.max_connections as u64 * 2
        + listener.advertised.ids.len() as u64
        + u64::from(listener.sni.is_some())
        + settings.proxy.limits.pipes as u64 * 4
        + (workers::count(settings.proxy.limits.worker_threads) * workers::DESCRIPTORS_EACH) as u64
        + 128;
    let allowed = rlimit::increase_nofile_limit(rlimit::INFINITY);
    if let Ok(descriptors) = allowed {
        make_room(descriptors.min(wanted));
    }
    match allowed {
        Ok(descriptors) if descriptors < wanted => warn!(
            descriptors,
            wanted,
            "fewer file descriptors than limits.max_connections and limits.pipes need; raise the hard limit (ulimit -Hn) or lower it"
        ),
        Ok(descriptors) => info!(descriptors, "file descriptors"),
        Err(error) => warn!(%error, "the limit of file descriptors stays as it is"),
    }
}

/// The kernel's table of descriptors grows by doubling, and in a process with threads each time waits for an RCU grace period, up to
/// a second on a busy machine: whoever accepts or dials stands still for it, and with it all that its thread has to do. The table
/// never shrinks, so a high descriptor that is closed at once makes all the room while there is one thread.
fn make_room(descriptors: u64) {
    let highest = i32::try_from(descriptors.saturating_sub(1)).unwrap_or(i32::MAX);
    if let Err(error) = rustix::io::fcntl_dupfd_cloexec(io::stderr(), highest) {
        tracing::debug!(%error, "the table of file descriptors grows as it is needed");
    }
}

/// On standard error. Of other crates only warnings are of interest to an operator.
fn start_logs(settings: &LogSettings) -> SetLevel {
    let (filtered, handle) = reload::Layer::new(filter(settings.level));
    let registry = tracing_subscriber::registry().with(filtered);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // A second start in one process (tests) keeps the first one's logs.
    let _ = match settings.format {
        LogFormat::Human => registry
            .with(lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())))
            .try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("(no text)");
        error!(place, text, "panic");
    }));
    Box::new(move |level| {
        if let Err(error) = handle.reload(filter(level)) {
            warn!(%error, "log.level stays as it was");
        }
    })
}

fn filter(level: &str) -> EnvFilter {
    let others = if level == "error" { "error" } else { "warn" };
    EnvFilter::new(format!("{others},holdfast={level}"))
}
