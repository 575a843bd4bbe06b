//! When a changed key takes effect (roof): at once, or at the next start. Every key is in one of the two lists.

use super::keys::{KEYS, Key};
use super::{Settings, value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// For every connection before its next request.
    Live,
    /// It is built into what runs: ports, buffers, threads, the watch of the cluster.
    Restart,
}

/// Tables all of whose keys are live, with those below them.
const LIVE_TABLES: [&str; 4] = ["policy", "exemptions", "drain", "reload"];

const LIVE: [&str; 12] = [
    "limits.max_connections",
    "limits.max_connections_per_ip",
    "limits.max_in_flight",
    "limits.max_absorbed_in_flight",
    "limits.max_absorbed_bytes",
    "limits.header_timeout_ms",
    "limits.frame_timeout_ms",
    "limits.idle_timeout_ms",
    "limits.max_connection_age_ms",
    "limits.write_stall_timeout_ms",
    "limits.budget_timeout_ms",
    "log.level",
];

/// Tables whose keys all take a restart. What the files hold that they name is read anew while the gateway runs.
const RESTART_TABLES: [&str; 4] = [
    "listener.tls",
    "listener.sni",
    "cluster.tls",
    "cluster.sasl",
];

const RESTART: [&str; 21] = [
    "listener.bind",
    "listener.bootstrap_port",
    "listener.broker_port_base",
    "listener.broker_ids",
    "listener.advertised_host",
    "listener.advertised_broker_port_base",
    "listener.advertised_broker_port",
    "listener.proxy_protocol",
    "cluster.bootstrap_servers",
    "cluster.connect_timeout_ms",
    "cluster.metadata_refresh_ms",
    "cluster.lookup_timeout_ms",
    "cluster.tcp_user_timeout_ms",
    "limits.buffer_bytes",
    "limits.announced_bytes",
    "limits.pipes",
    "limits.worker_threads",
    "admin.bind",
    "telemetry.max_label_values",
    "log.format",
    "log.summary_ms",
];

/// `None` for a key that nobody has decided about: a test finds it.
pub fn effect(key: &Key) -> Option<Effect> {
    let path = key.path();
    let table = key.table.split('.').next().unwrap_or_default();
    match () {
        () if LIVE_TABLES.contains(&table) || LIVE.contains(&&*path) => Some(Effect::Live),
        () if RESTART_TABLES.contains(&key.table) || RESTART.contains(&&*path) => {
            Some(Effect::Restart)
        }
        () => None,
    }
}

/// Paths of the keys that differ; `exemptions` for all of those.
pub fn changed(old: &Settings, new: &Settings) -> Vec<String> {
    let keys = KEYS.iter().filter(|key| value(old, key) != value(new, key));
    let exempted = |settings: &Settings| format!("{:?}", settings.proxy.policy.exemptions);
    let exemptions = (exempted(old) != exempted(new)).then(|| "exemptions".to_owned());
    keys.map(|key| key.path()).chain(exemptions).collect()
}

/// Paths of the keys that differ and are not live.
pub fn needs_restart(old: &Settings, new: &Settings) -> Vec<String> {
    let fixed = KEYS.iter().filter(|key| effect(key) != Some(Effect::Live));
    let changed = fixed.filter(|key| value(old, key) != value(new, key));
    // A password is not shown by its key.
    let (old, new) = (&old.proxy.cluster.sasl, &new.proxy.cluster.sasl);
    let secret = (old != new).then(|| "cluster.sasl".to_owned());
    changed.map(|key| key.path()).chain(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, load};
    use super::*;
    use crate::config::keys::{Allowed, Default};

    fn settings(toml: &str) -> Settings {
        load("gateway.toml", toml, &Overrides::default(), &|_| None).unwrap()
    }

    const LEAST: &str = "cluster.bootstrap_servers = [\"kafka:9092\"]\n";

    #[test]
    fn every_key_is_live_or_takes_a_restart_and_the_lists_name_no_others() {
        for key in KEYS {
            assert!(
                effect(key).is_some(),
                "{} is in neither list of src/config/effect.rs",
                key.path()
            );
        }
        for path in LIVE.iter().chain(&RESTART) {
            assert!(Key::find(path).is_some(), "{path} is no key");
        }
        assert!(LIVE.iter().all(|path| !RESTART.contains(path)));
    }

    #[test]
    fn each_key_that_takes_a_restart_is_named_when_it_alone_has_changed() {
        let old = settings(LEAST);
        for path in RESTART {
            let key = Key::find(path).unwrap();
            let changed = match (&key.allowed, &key.default) {
                _ if path == "admin.bind" => "\"127.0.0.1:9902\"".to_owned(),
                _ if path == "listener.bind" => "\"127.0.0.2\"".to_owned(),
                _ if path == "listener.broker_ids" => "\"0-3\"".to_owned(),
                _ if path == "listener.advertised_host" => "\"gateway\"".to_owned(),
                _ if path == "listener.advertised_broker_port" => "9092".to_owned(),
                _ if path == "cluster.bootstrap_servers" => "[\"other:9092\"]".to_owned(),
                (Allowed::OneOf(values), _) => format!("\"{}\"", values.last().unwrap()),
                (Allowed::Range(..), Default::Unset(..)) => "9200".to_owned(),
                (Allowed::Range(min, max, _), Default::Number(number)) => {
                    let other = if *number < *max { number + 1 } else { *min };
                    let other = if *number == *max { number - 1 } else { other };
                    other.to_string()
                }
                other => panic!("{path}: {other:?}"),
            };
            let text = match path {
                "cluster.bootstrap_servers" => format!("{path} = {changed}\n"),
                "listener.advertised_broker_port" => {
                    format!("{LEAST}listener.advertised_host = \"b-{{id}}\"\n{path} = {changed}\n")
                }
                _ => format!("{LEAST}{path} = {changed}\n"),
            };
            let named = needs_restart(&old, &settings(&text));
            let with = [
                "listener.advertised_host",
                "listener.advertised_broker_port_base",
            ];
            assert!(
                named.contains(&path.to_owned())
                    && named
                        .iter()
                        .all(|key| key == path || with.contains(&&**key)),
                "{path} = {changed}: {named:?}"
            );
        }
    }

    #[test]
    fn another_password_and_another_certificate_take_a_restart() {
        let with = |more: &str| settings(&format!("{LEAST}{more}"));
        let sasl = |password: &str| {
            with(&format!(
                "cluster.sasl = {{ mechanism = \"PLAIN\", username = \"h\", password = \"{password}\" }}\n"
            ))
        };
        let named = needs_restart(&sasl("one"), &sasl("two"));
        assert_eq!(named, ["cluster.sasl"]);
        assert!(needs_restart(&sasl("one"), &sasl("one")).is_empty());
        let named = needs_restart(&with(""), &with("cluster.tls.enabled = true\n"));
        assert!(
            named.contains(&"cluster.tls.enabled".to_owned()),
            "{named:?}"
        );
    }

    #[test]
    fn nothing_takes_a_restart_when_only_live_keys_change() {
        let new = format!(
            "{LEAST}policy.preset = \"strict\"\nlimits.idle_timeout_ms = 5000\nlog.level = \"debug\"\ndrain.delay_ms = 1\n\
             reload.watch_interval_ms = 0\nexemptions.x = {{ scenarios = [\"acks_none\"], topics = [\"a\"], owner = \"o\", reason = \"r\", expires = \"2099-01-01\" }}\n"
        );
        let named = needs_restart(&settings(LEAST), &settings(&new));
        assert!(named.is_empty(), "{named:?}");
    }
}
