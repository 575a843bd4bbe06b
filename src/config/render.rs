//! [`Settings`] -> TOML (roof): `gateway.toml` with its comments, and what `holdfast check` prints.

use super::keys::{self, Default, EXEMPTION, KEYS, Key, TABLES};
use super::{Effect, LogFormat, Settings, effect};
use crate::cluster::Advertised;
use crate::policy::{self, BelowMinIsr, Exemption, Mode, Pattern, Scenario};
use crate::proxy::settings::{Credentials, Listener, Password, Sasl};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The complete configuration with every default, unit, range and source.
pub fn commented() -> String {
    let mut text = String::from(
        "# Holdfast: every key with its default. What is commented out has no value of its own; the comment says what then holds.\n\
         # \"${VAR}\" and \"${VAR:-default}\" are replaced inside texts. `holdfast check --config gateway.toml` judges a file and\n\
         # prints the settings in force. Generated from src/config/keys.rs by the house test.\n",
    );
    for (table, doc) in TABLES {
        let _ = write!(text, "\n{}", comment(doc));
        let commented_out = if *table == EXEMPTION { "# " } else { "" };
        let _ = writeln!(
            text,
            "{commented_out}[{}]",
            table.replace("<name>", "metrics_pipeline")
        );
        let keys = KEYS.iter().filter(|key| key.table == *table);
        for (position, key) in keys.enumerate() {
            text.push_str(if position == 0 { "" } else { "\n" });
            text.push_str(&documented(key));
        }
    }
    text
}

fn documented(key: &Key) -> String {
    let (line, default) = match key.default {
        Default::Number(number) => (format!("{} = {number}", key.name), None),
        Default::Truth(truth) => (format!("{} = {truth}", key.name), None),
        Default::Text(text) => (format!("{} = \"{text}\"", key.name), None),
        Default::Required(example) => (
            format!("{} = {example}", key.name),
            Some("Example".to_owned()),
        ),
        Default::Unset(then, example) => {
            let then = (!then.is_empty()).then(|| format!("Default: {then}"));
            (format!("# {} = {example}", key.name), then)
        }
    };
    let allowed = match default {
        Some(default) => format!("{default}. Allowed: {}.", key.allowed),
        None => format!("Allowed: {}.", key.allowed),
    };
    let restart = match effect(key) {
        Some(Effect::Restart) => " Takes a restart.",
        _ => "",
    };
    format!(
        "{}{}{line}\n",
        comment(key.doc),
        comment(&format!("{allowed}{restart}"))
    )
}

fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

/// The settings in force, key by key; a key without a value is left out. Reading it back gives the same settings, but for a
/// password.
pub fn effective(settings: &Settings) -> String {
    let mut text = String::new();
    for (table, _) in TABLES.iter().filter(|(table, _)| *table != EXEMPTION) {
        let mut lines = String::new();
        for key in KEYS.iter().filter(|key| key.table == *table) {
            if let Some(value) = value(settings, key) {
                let _ = writeln!(lines, "{} = {value}", key.name);
            } else if std::ptr::eq(*key, &keys::SASL_PASSWORD) && has_password(settings) {
                let _ = writeln!(lines, "# {}: given, and not shown", key.name);
            }
        }
        if !lines.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = write!(text, "{gap}[{table}]\n{lines}");
        }
    }
    for exemption in &settings.proxy.policy.exemptions {
        text.push_str(&exempted(exemption));
    }
    text
}

/// [`effective`] for whoever may look: what is secret is `"***"`.
pub fn redacted(settings: &Settings) -> String {
    let line = |line: &str| match line.split_once(" = ") {
        Some((key, _)) if is_secret(key) => format!("{key} = \"***\"\n"),
        _ => format!("{line}\n"),
    };
    effective(settings).lines().map(line).collect()
}

/// The names of files are none.
fn is_secret(key: &str) -> bool {
    ["password", "secret", "token"]
        .iter()
        .any(|word| key.ends_with(word))
}

/// Tells texts apart (FNV-1a, 64 bits): the same settings have the same one in every process. Proves nothing.
pub fn hash(text: &str) -> String {
    let mixed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{mixed:016x}")
}

/// The value in force as TOML; `None` when there is none, or for a key that [`effective`] does not know.
pub fn value(settings: &Settings, key: &Key) -> Option<String> {
    let (proxy, policy) = (&settings.proxy, &settings.proxy.policy);
    let (listener, cluster) = (&proxy.listener, &proxy.cluster);
    let (limits, drain) = (&proxy.limits, &proxy.drain);
    if let Some(scenario) = key
        .table
        .strip_prefix("policy.")
        .and_then(Scenario::from_name)
        && key.name == "mode"
    {
        return Some(quoted(policy.mode(scenario).name()));
    }
    Some(match key.path().as_str() {
        "listener.bind" => quoted(&listener.bind.to_string()),
        "listener.bootstrap_port" => listener.bootstrap_port.to_string(),
        "listener.broker_port_base" => listener.broker_port_base.to_string(),
        "listener.broker_ids" => quoted(&listener.advertised.ids.to_string()),
        "listener.advertised_host" => quoted(&listener.advertised.host),
        "listener.advertised_broker_port_base" => listener.advertised.port_base.to_string(),
        "listener.advertised_broker_port" => listener.advertised.port?.to_string(),
        "cluster.bootstrap_servers" => list(&cluster.bootstrap_servers),
        "cluster.connect_timeout_ms" => millis(cluster.connect_timeout),
        "cluster.metadata_refresh_ms" => millis(cluster.metadata_refresh),
        "cluster.lookup_timeout_ms" => millis(cluster.lookup_timeout),
        "cluster.tcp_user_timeout_ms" => millis(cluster.tcp_user_timeout),
        "listener.tls.certificate_file" => file(&listener.tls.as_ref()?.files.certificate),
        "listener.tls.private_key_file" => file(&listener.tls.as_ref()?.files.private_key),
        "listener.tls.client_auth" => quoted(listener.tls.as_ref()?.files.client_auth.name()),
        "listener.tls.client_ca_file" => file(listener.tls.as_ref()?.files.client_ca.as_ref()?),
        "listener.tls.client_crl_files" => {
            let crls = &listener.tls.as_ref()?.files.client_crls;
            (!crls.is_empty()).then(|| list(crls.iter().map(|path| path.display())))?
        }
        "listener.tls.min_version" => quoted(listener.tls.as_ref()?.files.min_version.name()),
        "listener.proxy_protocol" => quoted(match listener.proxy_protocol {
            true => "required",
            false => "off",
        }),
        "listener.sni.port" => listener.sni.as_ref()?.port.to_string(),
        "listener.sni.bootstrap_host" => quoted(&listener.sni.as_ref()?.bootstrap_host),
        "listener.sni.broker_host" => quoted(&listener.sni.as_ref()?.advertised.host),
        "listener.sni.advertised_port" => listener.sni.as_ref()?.advertised.port?.to_string(),
        "cluster.tls.enabled" => cluster.tls.is_some().to_string(),
        "cluster.tls.ca_file" => file(cluster.tls.as_ref()?.files.ca.as_ref()?),
        "cluster.tls.certificate_file" => file(&cluster.tls.as_ref()?.files.identity.as_ref()?.0),
        "cluster.tls.private_key_file" => file(&cluster.tls.as_ref()?.files.identity.as_ref()?.1),
        "cluster.tls.min_version" => quoted(cluster.tls.as_ref()?.files.min_version.name()),
        path if key.table == "cluster.sasl" => quoted(&sasl(cluster.sasl.as_deref()?, path)?),
        "policy.preset" => quoted(settings.preset),
        "policy.single_instance" => policy.single_instance.to_string(),
        "policy.offsets_expired.repair" => policy.repair_offsets_expired.to_string(),
        "policy.new_partition_skip.repair" => policy.repair_new_partition_skip.to_string(),
        "policy.weak_topic.repair" => quoted(policy.repair_weak_topic.name()),
        "policy.commit_hold_back.groups" => names(&policy.held_back_groups)?,
        "policy.acks_leader.below_min_isr" => quoted(match policy.below_min_isr {
            BelowMinIsr::Refuse => "refuse",
            BelowMinIsr::Leader => "leader",
        }),
        "policy.ack_timeout.floor_ms" => policy.ack_timeout_floor_ms.to_string(),
        "policy.oversized_batch.max_batch_bytes" => policy.max_batch_bytes?.to_string(),
        "policy.oversized_request.max_request_bytes" => policy.max_request_bytes?.to_string(),
        "policy.not_idempotent.topics" => names(&policy.idempotent_topics)?,
        "policy.not_transactional.topics" => names(&policy.transactional_topics)?,
        "policy.under_replicated.min_in_sync_replicas" => policy.min_in_sync_replicas.to_string(),
        "policy.future_timestamp.max_ahead_ms" => policy.max_ahead_ms.to_string(),
        "policy.weak_topic_creation.replication_factor" => {
            policy.floors.replication_factor.to_string()
        }
        "policy.weak_topic_creation.min_insync_replicas" => {
            policy.floors.min_insync_replicas.to_string()
        }
        "policy.weakening_config.retention_floor_ms" => policy.retention_floor_ms.to_string(),
        "policy.destructive_admin.topics" => names(&policy.protected_topics)?,
        "policy.destructive_admin.groups" => names(&policy.protected_groups)?,
        "policy.partition_growth.topics" => names(&policy.keyed_topics)?,
        "limits.max_connections" => limits.max_connections.to_string(),
        "limits.max_connections_per_ip" => limits.max_connections_per_ip.to_string(),
        "limits.max_in_flight" => limits.max_in_flight.to_string(),
        "limits.max_absorbed_in_flight" => limits.max_absorbed_in_flight.to_string(),
        "limits.max_absorbed_bytes" => limits.max_absorbed_bytes.to_string(),
        "limits.buffer_bytes" => limits.buffer_bytes.to_string(),
        "limits.announced_bytes" => limits.announced_bytes.to_string(),
        "limits.pipes" => limits.pipes.to_string(),
        "limits.header_timeout_ms" => millis(limits.header_timeout),
        "limits.frame_timeout_ms" => millis(limits.frame_timeout),
        "limits.idle_timeout_ms" => millis(limits.idle_timeout),
        "limits.max_connection_age_ms" => millis(limits.max_connection_age),
        "reload.watch_interval_ms" => millis(settings.watch_interval),
        "limits.write_stall_timeout_ms" => millis(limits.write_stall_timeout),
        "limits.budget_timeout_ms" => millis(limits.budget_timeout),
        "limits.worker_threads" => limits.worker_threads.to_string(),
        "drain.delay_ms" => millis(drain.delay),
        "drain.timeout_ms" => millis(drain.timeout),
        "drain.close_drain_timeout_ms" => millis(drain.close_drain_timeout),
        "admin.bind" => quoted(&settings.admin.bind.to_string()),
        "telemetry.max_label_values" => settings.telemetry.max_label_values.to_string(),
        "log.level" => quoted(settings.log.level),
        "log.format" => quoted(match settings.log.format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        }),
        "log.summary_ms" => millis(settings.telemetry.summary),
        _ => return None,
    })
}

/// A key of `[cluster.sasl]`, never the password.
fn sasl(sasl: &Sasl, path: &str) -> Option<String> {
    let credentials = &sasl.credentials;
    let shown = |path: &std::path::Path| path.display().to_string();
    match (path, credentials) {
        ("cluster.sasl.mechanism", _) => Some(sasl.mechanism.name().to_owned()),
        ("cluster.sasl.username", Credentials::Password { username, .. }) => Some(username.clone()),
        (
            "cluster.sasl.password_file",
            Credentials::Password {
                password: Password::File(path),
                ..
            },
        ) => Some(shown(path)),
        ("cluster.sasl.token_file", Credentials::Token { file }) => Some(shown(file)),
        _ => None,
    }
}

fn has_password(settings: &Settings) -> bool {
    let sasl = settings.proxy.cluster.sasl.as_deref();
    sasl.is_some_and(|sasl| sasl.secret_key() == keys::SASL_PASSWORD.path())
}

/// A line for what works and is not wise.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let cluster = &settings.proxy.cluster;
    let sasl = cluster.sasl.as_deref().filter(|_| cluster.tls.is_none());
    let plain = sasl.filter(|sasl| sasl.mechanism.shows_the_secret());
    let line = |sasl: &Sasl| {
        format!(
            "cluster.sasl.mechanism: {} over connections without TLS shows {} to whoever sees the bytes",
            sasl.mechanism.name(),
            sasl.secret_key()
        )
    };
    let plain = plain.map(line).into_iter();
    let warnings = plain.chain(misnamed(&settings.proxy.listener));
    warnings
        .chain(idle_repairs(&settings.proxy.policy))
        .collect()
}

/// A repair that never happens, because its scenario is not in force.
fn idle_repairs(policy: &policy::Settings) -> impl Iterator<Item = String> {
    let repairs = [
        (Scenario::OffsetsExpired, policy.repair_offsets_expired),
        (Scenario::NewPartitionSkip, policy.repair_new_partition_skip),
    ];
    let idle = repairs.map(|(scenario, repairs)| {
        let mode = policy.mode(scenario);
        (repairs && mode != Mode::Enforce).then(|| {
            let (name, mode) = (scenario.name(), mode.name());
            format!("policy.{name}.repair: true repairs nothing while policy.{name}.mode is \"{mode}\": only with \"enforce\"")
        })
    });
    idle.into_iter().flatten()
}

/// A certificate that is not for the hosts that clients are told.
fn misnamed(listener: &Listener) -> Vec<String> {
    let Some(tls) = &listener.tls else {
        return Vec::new();
    };
    let told = |at: &Advertised| -> Vec<String> {
        let hosts = at.ids.iter().filter_map(|id| at.endpoint(id));
        let mut hosts: Vec<String> = hosts.map(|(host, _)| host.into_owned()).collect();
        hosts.dedup();
        hosts
    };
    let mut keys = vec![("listener.advertised_host", told(&listener.advertised))];
    if let Some(sni) = &listener.sni {
        let bootstrap = vec![sni.bootstrap_host.clone()];
        keys.push(("listener.sni.bootstrap_host", bootstrap));
        keys.push(("listener.sni.broker_host", told(&sni.advertised)));
    }
    let line = |(key, hosts): (&str, Vec<String>)| {
        let (host, count) = tls.not_for(hosts.into_iter())?;
        let more = match count {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        Some(format!(
            "listener.tls.certificate_file: the certificate is not for {host}{more}, which {key} tells clients: those that look at the name refuse it"
        ))
    };
    keys.into_iter().filter_map(line).collect()
}

/// `None` for an empty list, which cannot be written.
fn names(patterns: &[Pattern]) -> Option<String> {
    (!patterns.is_empty()).then(|| list(patterns.iter().map(|pattern| &pattern.0)))
}

fn exempted(exemption: &Exemption) -> String {
    let names = |patterns: &[Pattern]| list(patterns.iter().map(|pattern| &pattern.0));
    let mut text = format!("\n[exemptions.{}]\n", exemption.name);
    let scenarios = exemption.scenarios.iter().map(|scenario| scenario.name());
    let _ = writeln!(text, "scenarios = {}", list(scenarios));
    if !exemption.topics.is_empty() {
        let _ = writeln!(text, "topics = {}", names(&exemption.topics));
    }
    if !exemption.client_ids.is_empty() {
        let _ = writeln!(text, "client_ids = {}", names(&exemption.client_ids));
    }
    if !exemption.groups.is_empty() {
        let _ = writeln!(text, "groups = {}", names(&exemption.groups));
    }
    if !exemption.principals.is_empty() {
        let _ = writeln!(text, "principals = {}", names(&exemption.principals));
    }
    let _ = writeln!(text, "owner = {}", quoted(&exemption.owner));
    let _ = writeln!(text, "reason = {}", quoted(&exemption.reason));
    if let Some(day) = exemption.expires.and_then(last_day) {
        let _ = writeln!(text, "expires = \"{day}\"");
    }
    text
}

/// A line for each exemption that does not work any more. No error: a gateway must start again on the day after, too.
pub fn expired(settings: &Settings, now: SystemTime) -> Vec<String> {
    let exemptions = settings.proxy.policy.exemptions.iter();
    let over = exemptions.filter(|exemption| exemption.expires.is_some_and(|end| end <= now));
    let line = |exemption: &Exemption| {
        let day = exemption.expires.and_then(last_day).unwrap_or_default();
        format!(
            "exemptions.{}: its last day was {day}, so it has no effect",
            exemption.name
        )
    };
    over.map(line).collect()
}

/// The day that ends at this moment, as `2027-01-31`.
pub fn last_day(end: SystemTime) -> Option<String> {
    let days = end.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs() / 86_400;
    // 400 years have 146 097 days; counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days.checked_sub(1)? + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

fn file(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items
        .into_iter()
        .map(|item| quoted(&item.to_string()))
        .collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_print_as_they_were_written() {
        let day =
            |seconds| last_day(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        assert_eq!(day(86_400), "1970-01-01");
        assert_eq!(day(1_801_440_000), "2027-01-31");
        assert_eq!(day(1_835_481_600), "2028-02-29");
    }
}
