//! Configuration (roof): TOML text and flags -> [`Settings`], complete and checked. Reads no file, prints nothing and starts
//! nothing: `main.rs` does.
//!
//! In steps: `file.rs` gives text its shape, flags replace what they name, `check.rs` judges, `render.rs` writes it back.
//! `keys.rs` is the table of all keys, from which `gateway.toml` is generated.

mod check;
mod effect;
mod error;
mod file;
#[rustfmt::skip] // a table: one key, two lines
pub mod keys;
mod render;

pub use effect::{Effect, changed, effect, needs_restart};
pub use error::{Error, Place, Problem};
pub use render::{commented, effective, expired, hash, last_day, redacted, value, warnings};

use crate::{admin, proxy, telemetry};
use error::Source;
use file::{At, Found};

/// Everything that Holdfast is told, for each part its own.
#[derive(Clone, Debug)]
pub struct Settings {
    pub proxy: proxy::settings::Settings,
    pub admin: admin::Settings,
    pub telemetry: telemetry::Settings,
    pub log: LogSettings,
    /// `[reload]`: how often the file is looked at. Zero: only on SIGHUP.
    pub watch_interval: std::time::Duration,
    /// `[policy] preset`, as chosen; the modes that follow from it are in `proxy.policy`.
    pub preset: &'static str,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// What the command line says instead of the file, as written.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub bootstrap_servers: Option<Vec<String>>,
    pub bind: Option<String>,
    pub bootstrap_port: Option<i64>,
    pub broker_port_base: Option<i64>,
    pub broker_ids: Option<String>,
    pub advertised_host: Option<String>,
    pub admin_bind: Option<String>,
    pub sasl_mechanism: Option<String>,
    pub sasl_username: Option<String>,
    pub sasl_password_file: Option<String>,
    pub sasl_token_file: Option<String>,
    pub preset: Option<String>,
    pub log_level: Option<String>,
    pub log_format: Option<String>,
}

/// Makes settings of a file's text (`name` is for messages; no file is the text "") and of flags.
///
/// # Errors
/// All that is wrong with any of it.
pub fn load(
    name: &str,
    text: &str,
    overrides: &Overrides,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Error> {
    let source = Source { name, text };
    let (mut file, problems) = file::parse(source, variable);
    overrides.apply(&mut file);
    check::check(&file, source, problems)
}

impl Overrides {
    fn apply(&self, file: &mut file::File) {
        replace(
            &mut file.cluster.bootstrap_servers,
            "--bootstrap-server",
            &self.bootstrap_servers,
        );
        let sasl = &mut file.cluster.sasl;
        replace(
            &mut sasl.mechanism,
            "--sasl-mechanism",
            &self.sasl_mechanism,
        );
        replace(&mut sasl.username, "--sasl-username", &self.sasl_username);
        replace(
            &mut sasl.password_file,
            "--sasl-password-file",
            &self.sasl_password_file,
        );
        replace(
            &mut sasl.token_file,
            "--sasl-token-file",
            &self.sasl_token_file,
        );
        let listener = &mut file.listener;
        replace(&mut listener.bind, "--bind", &self.bind);
        replace(
            &mut listener.bootstrap_port,
            "--bootstrap-port",
            &self.bootstrap_port,
        );
        replace(
            &mut listener.broker_port_base,
            "--broker-port-base",
            &self.broker_port_base,
        );
        replace(&mut listener.broker_ids, "--broker-ids", &self.broker_ids);
        replace(
            &mut listener.advertised_host,
            "--advertised-host",
            &self.advertised_host,
        );
        replace(&mut file.admin.bind, "--admin-bind", &self.admin_bind);
        replace(&mut file.policy.preset, "--preset", &self.preset);
        replace(&mut file.log.level, "--log-level", &self.log_level);
        replace(&mut file.log.format, "--log-format", &self.log_format);
    }
}

fn replace<T: Clone>(found: &mut Option<Found<T>>, flag: &'static str, value: &Option<T>) {
    if let Some(value) = value {
        *found = Some(Found {
            value: value.clone(),
            at: At::Flag(flag),
        });
    }
}

#[cfg(test)]
mod tests;
