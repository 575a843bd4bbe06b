//! The configuration file, read anew while the gateway runs (roof): on SIGHUP, and when its content has changed.
//!
//! All or nothing: a file that cannot be read, is wrong, or changes a key that takes a restart leaves everything as it is,
//! with one log line and a metric. Content is compared, not dates or names, so that it does not matter how it came there:
//! Kubernetes replaces a symlink of the directory above. The command line still stands over the file, and `${VAR}` is what
//! it was at start.

use crate::config::{self, Overrides, Settings};
use crate::proxy::{Shared, files};
use crate::telemetry::{Config, ReloadOutcome, Telemetry};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tracing::{error, info};

/// A file that is larger is none of ours.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Content that changed must stay the same for so long: until then somebody is still writing.
const SETTLE: Duration = Duration::from_millis(250);

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Without a file there are flags alone.
    pub path: Option<PathBuf>,
    pub overrides: Overrides,
}

impl Origin {
    /// # Errors
    /// The file cannot be read; the text names it.
    pub fn read(&self) -> Result<String, String> {
        let Some(path) = &self.path else {
            return Ok(String::new());
        };
        let text = files::read(path, MAX_FILE_BYTES)
            .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        text.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// # Errors
    /// All that is wrong with `text`, or with the flags.
    pub fn load(&self, text: &str) -> Result<Settings, config::Error> {
        let name = self.path.as_ref().map(|path| path.display().to_string());
        config::load(&name.unwrap_or_default(), text, &self.overrides, &|name| {
            std::env::var(name).ok()
        })
    }
}

/// Settings as first loaded, and how to load them again.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub origin: Origin,
    /// Of the file.
    pub text: String,
}

/// What is told of a level of logs.
pub type SetLevel = Box<dyn Fn(&'static str) + Send + Sync>;

/// Keeps a running gateway to its file.
pub struct Reloader {
    origin: Origin,
    in_force: Settings,
    /// What was last looked at, whatever became of it.
    seen: Result<String, String>,
    shared: Arc<Shared>,
    set_level: SetLevel,
}

impl Reloader {
    pub fn new(loaded: Loaded, shared: Arc<Shared>, set_level: SetLevel) -> Reloader {
        tell(&shared.telemetry, &loaded.settings);
        Reloader {
            origin: loaded.origin,
            in_force: loaded.settings,
            seen: Ok(loaded.text),
            shared,
            set_level,
        }
    }

    /// As long as the gateway runs. `hangup` is SIGHUP.
    pub async fn run(mut self, mut hangup: Signal) {
        loop {
            let interval = self.in_force.watch_interval;
            let waits = async {
                match interval.is_zero() {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(interval).await,
                }
            };
            tokio::select! {
                signal = hangup.recv() => match signal {
                    Some(()) => self.look(true).await,
                    None => return,
                },
                () = waits => self.look(false).await,
            }
        }
    }

    async fn look(&mut self, asked: bool) {
        let found = self.read().await;
        if !asked {
            if found == self.seen {
                return;
            }
            tokio::time::sleep(SETTLE).await;
            if self.read().await != found {
                return; // It is looked at again after the next interval.
            }
        }
        let outcome = self.take(&found);
        self.seen = found;
        self.shared.telemetry.reloaded(outcome);
    }

    /// Off the workers: a file system may hang.
    async fn read(&self) -> Result<String, String> {
        let origin = self.origin.clone();
        let read = tokio::task::spawn_blocking(move || origin.read());
        read.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn take(&mut self, found: &Result<String, String>) -> ReloadOutcome {
        let loaded = found.as_ref().map_err(String::clone).and_then(|text| {
            let loaded = self.origin.load(text);
            loaded.map_err(|error| error.to_string())
        });
        let new = match loaded {
            Ok(new) => new,
            Err(error) => {
                let error = error.trim_end().replace('\n', "; ");
                error!(
                    error,
                    "the configuration is wrong: the settings in force stay"
                );
                return ReloadOutcome::Invalid;
            }
        };
        let fixed = config::needs_restart(&self.in_force, &new).join(", ");
        if !fixed.is_empty() {
            error!(
                keys = fixed,
                "the configuration changes what takes a restart: nothing of it was applied"
            );
            return ReloadOutcome::RestartRequired;
        }
        if config::effective(&self.in_force) == config::effective(&new) {
            info!("the configuration was read anew and changes nothing");
            return ReloadOutcome::Unchanged;
        }
        let changed = config::changed(&self.in_force, &new).join(", ");
        self.apply(new);
        info!(keys = changed, "the configuration was applied");
        ReloadOutcome::Applied
    }

    fn apply(&mut self, new: Settings) {
        let telemetry = &self.shared.telemetry;
        if new.log.level != self.in_force.log.level {
            (self.set_level)(new.log.level);
        }
        telemetry.set_preset(new.preset);
        tell(telemetry, &new);
        self.shared.replace(&new.proxy);
        self.in_force = new;
    }
}

/// What `/report` and the metrics tell of the settings in force.
fn tell(telemetry: &Telemetry, settings: &Settings) {
    let text = config::redacted(settings);
    let hash = config::hash(&text);
    telemetry.set_config(Config { text, hash });
}
