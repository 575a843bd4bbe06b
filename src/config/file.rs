//! The shape of `gateway.toml` (roof): TOML text -> [`File`], every value with its place. Unknown keys and wrong types end
//! here; ranges and combinations are judged in `check.rs`.
//!
//! `${VAR}` and `${VAR:-default}` are replaced inside string values only, after parsing: a variable cannot bring in keys.

use super::error::{Error, Place, Problem, Source};
use super::keys::{self, Key};
use crate::policy::Scenario;
use crate::proxy::settings::Secret;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and who wrote it.
#[derive(Clone, Debug)]
pub struct Found<T> {
    pub value: T,
    pub at: At,
}

#[derive(Clone, Debug)]
pub enum At {
    Span(Range<usize>),
    Flag(&'static str),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Found<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let at = At::Span(spanned.span());
        let value = spanned.into_inner();
        Ok(Found { value, at })
    }
}

pub type Text = Option<Found<String>>;
pub type Number = Option<Found<i64>>;
pub type Truth = Option<Found<bool>>;
pub type List = Option<Found<Vec<String>>>;

/// What was written, nothing added and nothing judged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub listener: Listener,
    pub cluster: Cluster,
    pub policy: Policy,
    pub exemptions: BTreeMap<String, Found<Exemption>>,
    pub limits: Limits,
    pub drain: Drain,
    pub reload: Reload,
    pub admin: Admin,
    pub telemetry: Telemetry,
    pub log: Log,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    pub bind: Text,
    pub bootstrap_port: Number,
    pub broker_port_base: Number,
    pub broker_ids: Text,
    pub advertised_host: Text,
    pub advertised_broker_port_base: Number,
    pub advertised_broker_port: Number,
    pub proxy_protocol: Text,
    pub tls: ListenerTls,
    pub sni: Sni,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sni {
    pub port: Number,
    pub bootstrap_host: Text,
    pub broker_host: Text,
    pub advertised_port: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerTls {
    pub certificate_file: Text,
    pub private_key_file: Text,
    pub client_auth: Text,
    pub client_ca_file: Text,
    pub client_crl_files: List,
    pub min_version: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    pub bootstrap_servers: List,
    pub connect_timeout_ms: Number,
    pub metadata_refresh_ms: Number,
    pub lookup_timeout_ms: Number,
    pub tcp_user_timeout_ms: Number,
    pub tls: ClusterTls,
    pub sasl: Sasl,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterTls {
    pub enabled: Truth,
    pub ca_file: Text,
    pub certificate_file: Text,
    pub private_key_file: Text,
    pub min_version: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sasl {
    pub mechanism: Text,
    pub username: Text,
    pub password: Option<Found<Secret>>,
    pub password_file: Text,
    pub token_file: Text,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

/// `[policy]`, and a table for each scenario: its mode, and what else it is told.
macro_rules! policy {
    ({ $($own:ident: $Own:ty),* $(,)? } $($Scenario:ident $table:ident { $($key:ident: $Kind:ty),* $(,)? })*) => {
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Policy {
            $(pub $own: $Own,)*
            $(pub $table: $Scenario,)*
        }

        $(
            #[derive(Clone, Debug, Default, Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub struct $Scenario {
                pub mode: Text,
                $(pub $key: $Kind,)*
            }
        )*

        impl Policy {
            pub fn mode(&self, scenario: Scenario) -> &Text {
                match scenario {
                    $(Scenario::$Scenario => &self.$table.mode,)*
                }
            }
        }
    };
}

policy! {
    { preset: Text, single_instance: Truth }
    AcksNone acks_none {}
    AcksLeader acks_leader { below_min_isr: Text }
    AckTimeout ack_timeout { floor_ms: Number }
    OversizedBatch oversized_batch { max_batch_bytes: Number }
    OversizedRequest oversized_request { max_request_bytes: Number }
    NotIdempotent not_idempotent { topics: List }
    NotTransactional not_transactional { topics: List }
    WeakTopic weak_topic { repair: Text }
    UnderReplicated under_replicated { min_in_sync_replicas: Number }
    StaleTimestamp stale_timestamp {}
    FutureTimestamp future_timestamp { max_ahead_ms: Number }
    LegacyFormat legacy_format {}
    DirtyRead dirty_read {}
    RetentionOverrun retention_overrun {}
    OffsetReset offset_reset {}
    CommitRetention commit_retention {}
    CommitPastEnd commit_past_end {}
    CommitAhead commit_ahead {}
    CommitRegression commit_regression {}
    CommitHoldBack commit_hold_back { groups: List }
    OffsetsExpired offsets_expired { repair: Truth }
    NewPartitionSkip new_partition_skip { repair: Truth }
    AckedTruncation acked_truncation {}
    IgnoredError ignored_error {}
    RiskyClient risky_client {}
    AutoTopicCreation auto_topic_creation {}
    WeakTopicCreation weak_topic_creation { replication_factor: Number, min_insync_replicas: Number }
    DestructiveAdmin destructive_admin { topics: List, groups: List }
    WeakeningConfig weakening_config { retention_floor_ms: Number }
    PartitionGrowth partition_growth { topics: List }
    UncleanElection unclean_election {}
    ReplicaReduction replica_reduction {}
    ClusterDowngrade cluster_downgrade {}
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exemption {
    pub scenarios: List,
    pub topics: List,
    pub client_ids: List,
    pub groups: List,
    pub principals: List,
    pub owner: Text,
    pub reason: Text,
    pub expires: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub max_connections: Number,
    pub max_connections_per_ip: Number,
    pub max_in_flight: Number,
    pub max_absorbed_in_flight: Number,
    pub max_absorbed_bytes: Number,
    pub buffer_bytes: Number,
    pub announced_bytes: Number,
    pub pipes: Number,
    pub header_timeout_ms: Number,
    pub frame_timeout_ms: Number,
    pub idle_timeout_ms: Number,
    pub max_connection_age_ms: Number,
    pub write_stall_timeout_ms: Number,
    pub budget_timeout_ms: Number,
    pub worker_threads: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    pub delay_ms: Number,
    pub timeout_ms: Number,
    pub close_drain_timeout_ms: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reload {
    pub watch_interval_ms: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    pub bind: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    pub max_label_values: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub level: Text,
    pub format: Text,
    pub summary_ms: Number,
}

/// `variable` looks an environment variable up. What is misshapen is left out of the result and reported, so that the
/// rest can still be judged; text that is no TOML at all yields an empty `File`.
pub fn parse(source: Source, variable: &dyn Fn(&str) -> Option<String>) -> (File, Vec<Problem>) {
    let mut table = match DeTable::parse(source.text) {
        Ok(table) => table,
        Err(error) => return (File::default(), vec![not_toml(source, &error)]),
    };
    let mut problems = Vec::new();
    expand(table.get_mut(), "", &mut |path, span, text| {
        substitute(text, variable).unwrap_or_else(|reason| {
            problems.push(Problem {
                place: source.place(span),
                key: path.to_owned(),
                text: format!("found {}; {reason}", excerpt(source, path, span)),
            });
            None
        })
    });
    // Serde stops at the first error: take out what it stumbled over and go on, so that all are reported.
    loop {
        match File::deserialize(toml::Deserializer::from(table.clone())) {
            Ok(file) => return (file, problems),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let removed = remove(table.get_mut(), "", &span);
                let key = removed.clone().unwrap_or_default();
                problems.push(misshapen(source, &span, key, error.message()));
                if removed.is_none() {
                    return (File::default(), problems);
                }
            }
        }
    }
}

impl Error {
    pub(super) fn sorted(mut problems: Vec<Problem>) -> Error {
        problems.sort_by_key(|problem| match problem.place {
            Place::File { line, column, .. } => (0, line, column),
            Place::Flag(_) => (1, 0, 0),
            Place::Nowhere => (2, 0, 0),
        });
        Error(problems)
    }
}

fn not_toml(source: Source, error: &toml::de::Error) -> Problem {
    Problem {
        place: source.place(&error.span().unwrap_or(0..0)),
        key: String::new(),
        text: format!("not TOML: {}", error.message()),
    }
}

fn misshapen(source: Source, span: &Range<usize>, key: String, message: &str) -> Problem {
    let found = excerpt(source, &key, span);
    let text = match Key::find(&key) {
        Some(known) => format!("found {found}; allowed: {}", known.allowed),
        None if is_secret(&key) => format!("found {found}; allowed: a table"),
        None => format!("found {found}; {message}"),
    };
    Problem {
        place: source.place(span),
        key,
        text,
    }
}

/// Whether a password may stand there.
fn is_secret(key: &str) -> bool {
    key.starts_with("cluster.sasl") && keys::SASL_PASSWORD.path().starts_with(key)
}

/// What stands there, unless it is secret.
fn excerpt(source: Source, key: &str, span: &Range<usize>) -> String {
    match is_secret(key) {
        true => "a value that is not shown".to_owned(),
        false => source.excerpt(span),
    }
}

fn join(path: &str, name: &str) -> String {
    match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}.{name}"),
    }
}

fn within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Takes out the innermost entry whose key or value holds `span` and returns its path.
fn remove(table: &mut DeTable, path: &str, span: &Range<usize>) -> Option<String> {
    let mut here = None;
    for (name, value) in table.iter_mut() {
        let joined = join(path, name.get_ref());
        let value_span = value.span();
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(deeper) = remove(inner, &joined, span)
        {
            return Some(deeper);
        }
        if within(span, &name.span()) || within(span, &value_span) {
            here = Some((name.get_ref().clone(), joined));
        }
    }
    let (name, joined) = here?;
    table.remove(&*name).map(|_| joined)
}

type Replace<'r> = dyn FnMut(&str, &Range<usize>, &str) -> Option<String> + 'r;

/// Offers every string value to `replace`, with its path and span.
fn expand(table: &mut DeTable, path: &str, replace: &mut Replace) {
    for (name, value) in table.iter_mut() {
        expand_value(value, &join(path, name.get_ref()), replace);
    }
}

fn expand_value(value: &mut Spanned<DeValue>, path: &str, replace: &mut Replace) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) => {
            if let Some(replaced) = replace(path, &span, text) {
                *text = Cow::Owned(replaced);
            }
        }
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                expand_value(item, path, replace);
            }
        }
        DeValue::Table(inner) => expand(inner, path, replace),
        _ => {}
    }
}

/// `None` when there is nothing to replace; an error says why it cannot be.
fn substitute(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else {
            return Err("\"${\" without \"}\"".into());
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        result.push_str(before);
        match variable(name).or(default.map(str::to_owned)) {
            Some(value) => result.push_str(&value),
            None => {
                return Err(format!(
                    "the environment variable {name} is not set, and there is no default (\"${{{name}:-…}}\")"
                ));
            }
        }
        rest = behind;
    }
    result.push_str(rest);
    Ok(Some(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let source = Source {
            name: "gateway.toml",
            text,
        };
        let variable = |name: &str| (name == "SET").then(|| "inner\" = 1".to_owned());
        let (_, problems) = parse(source, &variable);
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn every_misshapen_value_is_reported_with_line_key_value_and_what_is_allowed() {
        let text = "[limits]\nmax_connections = \"many\"\nmax_conections = 4\n\n[policy.acks_none]\nmode = 1\n[policy.acks_some]\n";
        let found = problems(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found.contains(&"gateway.toml:2:19: limits.max_connections: found \"many\"; allowed: 1 to 1000000 connections".to_owned()), "{found:#?}");
        assert!(
            found.iter().any(|line| line.starts_with(
                "gateway.toml:3:1: limits.max_conections: found max_conections; unknown field"
            )),
            "{found:#?}"
        );
        assert!(found.contains(&"gateway.toml:6:8: policy.acks_none.mode: found 1; allowed: \"off\", \"observe\", \"enforce\"".to_owned()), "{found:#?}");
        assert!(
            found
                .iter()
                .any(|line| line.contains("policy.acks_some: found acks_some; unknown field")),
            "{found:#?}"
        );
    }

    #[test]
    fn text_that_is_no_toml_names_its_line() {
        let found = problems("[limits]\nmax_connections = \n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("gateway.toml:2:"), "{found:?}");
    }

    #[test]
    fn variables_are_replaced_inside_strings_only_and_cannot_bring_in_keys() {
        let text = "[listener]\nbind = \"${SET}${UNSET:-x}\" # ${UNSET}\n";
        let source = Source { name: "f", text };
        let variable = |name: &str| (name == "SET").then(|| "a\"\nport = 1".to_owned());
        let (file, problems) = parse(source, &variable);
        assert_eq!(problems, vec![]);
        assert_eq!(file.listener.bind.unwrap().value, "a\"\nport = 1x");
    }

    #[test]
    fn a_variable_that_is_not_set_is_an_error() {
        let found = problems("[cluster]\nbootstrap_servers = [\"ok:1\", \"${UNSET}:9092\"]\n");
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("gateway.toml:2:30: cluster.bootstrap_servers: found \"${UNSET}:9092\"; the environment variable UNSET"),
            "{found:?}"
        );
        assert!(
            problems("[cluster]\nbootstrap_servers = [\"${UNSET\"]\n")[0].contains("without \"}\"")
        );
    }
}
