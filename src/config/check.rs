//! [`File`] -> [`Settings`] (roof): ranges, forms and combinations. Everything that is wrong is collected; a value that is
//! wrong is replaced by its default, so that the rest can be judged, and no `Settings` come out in the end.

use super::Settings;
use super::error::{Error, Place, Problem, Source};
use super::file::{At, File, Found, List, Number, Text, Truth};
use super::keys::{self, Allowed, Default, Key};
use super::{LogFormat, LogSettings};
use crate::cluster::{Advertised, IdSet, NODE_ID};
use crate::policy::{self, BelowMinIsr, Exemption, Floors, Mode, Pattern, Preset, Scenario};
use crate::proxy::settings::{
    Cluster, Credentials, Drain, HostPort, Limits, Listener, Password, Sasl, Secret, Sni,
};
use crate::proxy::tls::{
    ClientAuth, ClusterFiles, ClusterTls, ListenerFiles, ListenerTls, MinVersion,
};
use crate::wire::sasl::Mechanism;
use crate::{admin, proxy, telemetry};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// More than anyone keeps an eye on.
const MAX_EXEMPTIONS: usize = 1000;

/// Judges what was written; `problems` are those already found.
pub fn check(file: &File, source: Source, problems: Vec<Problem>) -> Result<Settings, Error> {
    if problems.iter().any(|problem| problem.key.is_empty()) {
        return Err(Error(problems)); // No TOML: nothing else can be said about it.
    }
    let mut checker = Checker { source, problems };
    let settings = Settings {
        preset: checker.choice(&keys::PRESET, &file.policy.preset),
        proxy: proxy::settings::Settings {
            listener: checker.listener(file),
            cluster: checker.cluster(file),
            policy: Arc::new(checker.policy(file)),
            limits: checker.limits(file),
            drain: checker.drain(file),
        },
        watch_interval: checker.millis(&keys::WATCH_INTERVAL, &file.reload.watch_interval_ms),
        admin: admin::Settings {
            bind: checker
                .parsed(&keys::ADMIN_BIND, &file.admin.bind, |text| {
                    text.parse().ok()
                })
                .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        },
        telemetry: telemetry::Settings {
            max_label_values: checker
                .size(&keys::MAX_LABEL_VALUES, &file.telemetry.max_label_values),
            summary: checker.millis(&keys::LOG_SUMMARY, &file.log.summary_ms),
        },
        log: LogSettings {
            level: checker.choice(&keys::LOG_LEVEL, &file.log.level),
            format: match checker.choice(&keys::LOG_FORMAT, &file.log.format) {
                "json" => LogFormat::Json,
                _ => LogFormat::Human,
            },
        },
    };
    checker.combinations(&settings, file);
    match checker.problems.is_empty() {
        true => Ok(settings),
        false => Err(Error::sorted(checker.problems)),
    }
}

struct Checker<'a> {
    source: Source<'a>,
    problems: Vec<Problem>,
}

/// One table each.
impl Checker<'_> {
    fn listener(&mut self, file: &File) -> Listener {
        let file = &file.listener;
        let bind = self
            .parsed(&keys::BIND, &file.bind, |text| text.parse().ok())
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let broker_port_base = self.port(&keys::BROKER_PORT_BASE, &file.broker_port_base);
        let advertised_base = self.optional(
            &keys::ADVERTISED_BROKER_PORT_BASE,
            &file.advertised_broker_port_base,
        );
        let advertised_port =
            self.optional(&keys::ADVERTISED_BROKER_PORT, &file.advertised_broker_port);
        let ids = self
            .parsed(&keys::BROKER_IDS, &file.broker_ids, broker_ids)
            .unwrap_or_default();
        Listener {
            tls: self.listener_tls(&file.tls),
            sni: self.sni(file, &ids),
            proxy_protocol: self.choice(&keys::PROXY_PROTOCOL, &file.proxy_protocol) == "required",
            bind,
            bootstrap_port: self.port(&keys::BOOTSTRAP_PORT, &file.bootstrap_port),
            broker_port_base,
            advertised: Advertised {
                host: self.advertised_host(bind, &file.advertised_host),
                port_base: advertised_base.map_or(broker_port_base, |base| base as u16),
                port: advertised_port.map(|port| port as u16),
                ids,
            },
        }
    }

    /// `None`: no port, or something is wrong.
    fn sni(&mut self, listener: &super::file::Listener, ids: &IdSet) -> Option<Sni> {
        let file = &listener.sni;
        let bootstrap_host = self.parsed(&keys::SNI_BOOTSTRAP_HOST, &file.bootstrap_host, name);
        let broker_host = self.parsed(&keys::SNI_BROKER_HOST, &file.broker_host, name_pattern);
        let advertised_port = self.optional(&keys::SNI_ADVERTISED_PORT, &file.advertised_port);
        let Some(found) = &file.port else {
            let given = [
                place_of(&file.bootstrap_host),
                place_of(&file.broker_host),
                place_of(&file.advertised_port),
            ];
            if let Some(at) = given.into_iter().flatten().next() {
                let text = format!(
                    "found nothing beside other keys of listener.sni; allowed: {}",
                    keys::SNI_PORT.allowed
                );
                self.wrong(&keys::SNI_PORT.path(), Some(at), text);
            }
            return None;
        };
        let at = Some(&found.at);
        if listener.tls.certificate_file.is_none() {
            let text = format!(
                "found {} without listener.tls.certificate_file; allowed: nothing, or a certificate: only TLS brings a server name",
                found.value
            );
            self.wrong(&keys::SNI_PORT.path(), at, text);
        }
        for (key, text) in [
            (&keys::SNI_BOOTSTRAP_HOST, &file.bootstrap_host),
            (&keys::SNI_BROKER_HOST, &file.broker_host),
        ] {
            if text.is_none() {
                let text = format!("found nothing beside port; allowed: {}", key.allowed);
                self.wrong(&key.path(), at, text);
            }
        }
        let port = self.optional(&keys::SNI_PORT, &file.port)? as u16;
        let sni = Sni {
            port,
            bootstrap_host: bootstrap_host?,
            advertised: Advertised {
                host: broker_host?,
                port_base: port,
                port: Some(advertised_port.map_or(port, |port| port as u16)),
                ids: ids.clone(),
            },
        };
        let pattern = Sni {
            bootstrap_host: String::new(),
            ..sni.clone()
        };
        if pattern.find(&sni.bootstrap_host).is_some() {
            let text = format!(
                "found \"{}\", which is also a broker's by broker_host; allowed: another name",
                sni.bootstrap_host
            );
            let at = place_of(&file.bootstrap_host);
            self.wrong(&keys::SNI_BOOTSTRAP_HOST.path(), at, text);
        }
        Some(sni)
    }

    fn advertised_host(&mut self, bind: IpAddr, found: &Text) -> String {
        if found.is_some() {
            return self
                .parsed(&keys::ADVERTISED_HOST, found, host_pattern)
                .unwrap_or_default();
        }
        if bind.is_unspecified() {
            self.wrong(
                &keys::ADVERTISED_HOST.path(),
                None,
                format!(
                    "found nothing, and listener.bind is {bind}, which no client can connect to; allowed: {}",
                    keys::ADVERTISED_HOST.allowed
                ),
            );
        }
        bind.to_string()
    }

    fn cluster(&mut self, file: &File) -> Cluster {
        let file = &file.cluster;
        Cluster {
            tls: self.cluster_tls(&file.tls),
            bootstrap_servers: self.bootstrap_servers(&file.bootstrap_servers),
            connect_timeout: self.millis(&keys::CONNECT_TIMEOUT, &file.connect_timeout_ms),
            metadata_refresh: self.millis(&keys::METADATA_REFRESH, &file.metadata_refresh_ms),
            lookup_timeout: self.millis(&keys::LOOKUP_TIMEOUT, &file.lookup_timeout_ms),
            tcp_user_timeout: self.millis(&keys::TCP_USER_TIMEOUT, &file.tcp_user_timeout_ms),
            sasl: self.sasl(&file.sasl).map(Arc::new),
        }
    }

    /// What the files hold is judged when they are read, by `proxy::tls`.
    fn listener_tls(&mut self, file: &super::file::ListenerTls) -> Option<Arc<ListenerTls>> {
        let client_auth = match self.choice(&keys::TLS_CLIENT_AUTH, &file.client_auth) {
            "required" => ClientAuth::Required,
            "requested" => ClientAuth::Requested,
            _ => ClientAuth::None,
        };
        let min_version = min_version(self.choice(&keys::TLS_MIN_VERSION, &file.min_version));
        let client_ca = path(&file.client_ca_file);
        let crls = file.client_crl_files.as_ref();
        let identity = self.identity(
            (&keys::TLS_CERTIFICATE, &file.certificate_file),
            (&keys::TLS_KEY, &file.private_key_file),
        );
        if client_auth != ClientAuth::None && client_ca.is_none() {
            let text = format!(
                "found nothing; allowed: {}, as client_auth is \"{}\"",
                keys::TLS_CLIENT_CA.allowed,
                client_auth.name()
            );
            self.wrong(
                &keys::TLS_CLIENT_CA.path(),
                place_of(&file.client_auth),
                text,
            );
        }
        if client_auth == ClientAuth::None {
            for (key, at) in [
                (&keys::TLS_CLIENT_CA, place_of(&file.client_ca_file)),
                (&keys::TLS_CLIENT_CRLS, place_of(&file.client_crl_files)),
            ] {
                if at.is_some() {
                    let text = "found a value while client_auth is \"none\", which asks nobody for a certificate; allowed: nothing, or client_auth = \"requested\" or \"required\"";
                    self.wrong(&key.path(), at, text.into());
                }
            }
        }
        let Some((certificate, private_key)) = identity else {
            if client_auth != ClientAuth::None && file.certificate_file.is_none() {
                let text = format!(
                    "found nothing; allowed: {}, as client_auth is \"{}\"",
                    keys::TLS_CERTIFICATE.allowed,
                    client_auth.name()
                );
                self.wrong(
                    &keys::TLS_CERTIFICATE.path(),
                    place_of(&file.client_auth),
                    text,
                );
            }
            return None;
        };
        Some(Arc::new(ListenerTls::new(ListenerFiles {
            certificate,
            private_key,
            client_auth,
            client_ca,
            client_crls: crls.map_or_else(Vec::new, |list| {
                list.value.iter().map(PathBuf::from).collect()
            }),
            min_version,
        })))
    }

    fn cluster_tls(&mut self, file: &super::file::ClusterTls) -> Option<Arc<ClusterTls>> {
        let min_version = min_version(self.choice(&keys::BROKER_MIN_VERSION, &file.min_version));
        let identity = self.identity(
            (&keys::BROKER_CERTIFICATE, &file.certificate_file),
            (&keys::BROKER_KEY, &file.private_key_file),
        );
        if !truth(&keys::BROKER_TLS, &file.enabled) {
            for (key, found) in [
                (&keys::BROKER_CA, &file.ca_file),
                (&keys::BROKER_CERTIFICATE, &file.certificate_file),
            ] {
                if found.is_some() {
                    let text = "found a value while cluster.tls.enabled is false; allowed: nothing, or enabled = true";
                    self.wrong(&key.path(), place_of(found), text.into());
                }
            }
            return None;
        }
        Some(Arc::new(ClusterTls::new(ClusterFiles {
            ca: path(&file.ca_file),
            identity,
            min_version,
        })))
    }

    /// A certificate and its key: both, or none.
    fn identity(
        &mut self,
        certificate: (&Key, &Text),
        key: (&Key, &Text),
    ) -> Option<(PathBuf, PathBuf)> {
        for ((missing, none), (given, found)) in [(certificate, key), (key, certificate)] {
            if none.is_none() && found.is_some() {
                let text = format!(
                    "found nothing; allowed: {}, as {} is given",
                    missing.allowed, given.name
                );
                self.wrong(&missing.path(), place_of(found), text);
            }
        }
        Some((path(certificate.1)?, path(key.1)?))
    }

    /// `None`: nothing is configured, or something is wrong.
    fn sasl(&mut self, file: &super::file::Sasl) -> Option<Sasl> {
        let given = [
            (&keys::SASL_USERNAME, place_of(&file.username)),
            (&keys::SASL_PASSWORD, place_of(&file.password)),
            (&keys::SASL_PASSWORD_FILE, place_of(&file.password_file)),
            (&keys::SASL_TOKEN_FILE, place_of(&file.token_file)),
        ];
        let mechanism = self.choice(&keys::SASL_MECHANISM, &file.mechanism);
        let Some(mechanism) = Mechanism::from_name(mechanism) else {
            // Of a mechanism that is wrong has been told.
            if file.mechanism.is_none()
                && let Some((key, at)) = given.into_iter().find(|(_, at)| at.is_some())
            {
                let (key, allowed) = (key.path(), &keys::SASL_MECHANISM.allowed);
                let text = format!("found nothing beside {key}; allowed: {allowed}");
                self.wrong(&keys::SASL_MECHANISM.path(), at, text);
            }
            return None;
        };
        let at = place_of(&file.mechanism);
        let name = mechanism.name();
        for (key, at) in given {
            let of_tokens = std::ptr::eq(key, &keys::SASL_TOKEN_FILE);
            if at.is_some() && of_tokens != (mechanism == Mechanism::OAuthBearer) {
                let text = format!("found beside mechanism = \"{name}\"; allowed: nothing");
                self.wrong(&key.path(), at, text);
            }
        }
        let credentials = match mechanism {
            Mechanism::OAuthBearer => Credentials::Token {
                file: self.needed(&keys::SASL_TOKEN_FILE, &file.token_file, at)?,
            },
            _ => {
                let username: Option<String> =
                    self.needed(&keys::SASL_USERNAME, &file.username, at);
                let password = self.password(file, at);
                Credentials::Password {
                    username: username?,
                    password: password?,
                }
            }
        };
        Some(Sasl {
            mechanism,
            credentials,
        })
    }

    fn password(&mut self, file: &super::file::Sasl, at: Option<&At>) -> Option<Password> {
        let key = &keys::SASL_PASSWORD;
        match (&file.password, &file.password_file) {
            (Some(_), Some(second)) => {
                let text = "found beside cluster.sasl.password; allowed: one of them";
                self.wrong(
                    &keys::SASL_PASSWORD_FILE.path(),
                    Some(&second.at),
                    text.into(),
                );
                None
            }
            (Some(found), None) => {
                let secret = found.value.reveal();
                let fits = (1..=4096).contains(&secret.len()) && !secret.contains('\0');
                if !fits {
                    let shown = format!("a text of {} bytes", secret.len());
                    self.not_allowed(key, &key.path(), &found.at, &shown);
                }
                fits.then(|| Password::Given(Secret::clone(&found.value)))
            }
            (None, Some(_)) => {
                let path = self.needed(&keys::SASL_PASSWORD_FILE, &file.password_file, at)?;
                Some(Password::File(path))
            }
            (None, None) => {
                let text = "found nothing, and no password_file; allowed: one of them";
                self.wrong(&key.path(), at, text.into());
                None
            }
        }
    }

    /// A text that the mechanism at `at` cannot do without.
    fn needed<T: From<String>>(&mut self, key: &Key, found: &Text, at: Option<&At>) -> Option<T> {
        let Some(found) = found else {
            let text = format!("found nothing; allowed: {}", key.allowed);
            self.wrong(&key.path(), at, text);
            return None;
        };
        let value = &found.value;
        // Paths may be as long as the system allows; names have Kafka's STRING to fit in.
        let most = if key.name == "username" { 255 } else { 4096 };
        let fits = (1..=most).contains(&value.len()) && !value.contains('\0');
        if !fits {
            self.not_allowed(key, &key.path(), &found.at, &Quoted(value));
        }
        fits.then(|| T::from(value.clone()))
    }

    fn bootstrap_servers(&mut self, found: &List) -> Vec<HostPort> {
        let key = &keys::BOOTSTRAP_SERVERS;
        let Some(list) = found else {
            self.wrong(&key.path(), None, format!("found nothing, and there is no default; allowed: {}; on the command line: --bootstrap-server HOST:PORT,…", key.allowed));
            return Vec::new();
        };
        if list.value.is_empty() {
            self.not_allowed(key, &key.path(), &list.at, &"[]");
        }
        let servers = list.value.iter().filter_map(|text| {
            let server = host_port(text);
            if server.is_none() {
                self.not_allowed(key, &key.path(), &list.at, &Quoted(text));
            }
            server
        });
        servers.collect()
    }

    fn policy(&mut self, file: &File) -> policy::Settings {
        let file_policy = &file.policy;
        let preset = self.value_of(&file_policy.preset);
        let preset = Preset::ALL
            .into_iter()
            .find(|known| Some(known.name()) == preset)
            .unwrap_or(Preset::Default);
        let modes = Scenario::ALL.map(|scenario| {
            let key = Key::find(&format!("policy.{}.mode", scenario.name()));
            let chosen = key.map(|key| self.choice(key, file_policy.mode(scenario)));
            chosen.and_then(mode_of).unwrap_or(scenario.preset(preset))
        });
        let single_instance = truth(&keys::SINGLE_INSTANCE, &file_policy.single_instance);
        if !single_instance {
            self.joined_alone(file_policy);
        }
        policy::Settings {
            modes,
            below_min_isr: match self
                .choice(&keys::BELOW_MIN_ISR, &file_policy.acks_leader.below_min_isr)
            {
                "leader" => BelowMinIsr::Leader,
                _ => BelowMinIsr::Refuse,
            },
            ack_timeout_floor_ms: self.number(&keys::FLOOR, &file_policy.ack_timeout.floor_ms)
                as i32,
            max_batch_bytes: self
                .optional(
                    &keys::MAX_BATCH_BYTES,
                    &file_policy.oversized_batch.max_batch_bytes,
                )
                .map(|bytes| bytes as u32),
            max_request_bytes: self
                .optional(
                    &keys::MAX_REQUEST_BYTES,
                    &file_policy.oversized_request.max_request_bytes,
                )
                .map(|bytes| bytes as u32),
            idempotent_topics: self.patterns(
                &keys::IDEMPOTENT_TOPICS,
                "policy.not_idempotent",
                &file_policy.not_idempotent.topics,
            ),
            transactional_topics: self.patterns(
                &keys::TRANSACTIONAL_TOPICS,
                "policy.not_transactional",
                &file_policy.not_transactional.topics,
            ),
            min_in_sync_replicas: self.number(
                &keys::MIN_IN_SYNC_REPLICAS,
                &file_policy.under_replicated.min_in_sync_replicas,
            ) as u16,
            max_ahead_ms: self.number(&keys::MAX_AHEAD, &file_policy.future_timestamp.max_ahead_ms),
            single_instance,
            repair_offsets_expired: truth(
                &keys::REPAIR_OFFSETS_EXPIRED,
                &file_policy.offsets_expired.repair,
            ),
            repair_new_partition_skip: truth(
                &keys::REPAIR_NEW_PARTITION_SKIP,
                &file_policy.new_partition_skip.repair,
            ),
            repair_weak_topic: mode_of(
                self.choice(&keys::REPAIR_WEAK_TOPIC, &file_policy.weak_topic.repair),
            )
            .unwrap_or(Mode::Off),
            held_back_groups: self.patterns(
                &keys::HELD_BACK_GROUPS,
                keys::HELD_BACK_GROUPS.table,
                &file_policy.commit_hold_back.groups,
            ),
            floors: Floors {
                replication_factor: self.number(
                    &keys::REPLICATION_FACTOR,
                    &file_policy.weak_topic_creation.replication_factor,
                ) as u16,
                min_insync_replicas: self.number(
                    &keys::MIN_INSYNC_REPLICAS,
                    &file_policy.weak_topic_creation.min_insync_replicas,
                ) as u16,
            },
            retention_floor_ms: self.number(
                &keys::RETENTION_FLOOR,
                &file_policy.weakening_config.retention_floor_ms,
            ),
            protected_topics: self.patterns(
                &keys::PROTECTED_TOPICS,
                keys::PROTECTED_TOPICS.table,
                &file_policy.destructive_admin.topics,
            ),
            protected_groups: self.patterns(
                &keys::PROTECTED_GROUPS,
                keys::PROTECTED_GROUPS.table,
                &file_policy.destructive_admin.groups,
            ),
            keyed_topics: self.patterns(
                &keys::KEYED_TOPICS,
                keys::KEYED_TOPICS.table,
                &file_policy.partition_growth.topics,
            ),
            exemptions: self.exemptions(&file.exemptions),
        }
    }

    /// One of several replicas would change commits by what it alone has seen.
    fn joined_alone(&mut self, file: &super::file::Policy) {
        for scenario in [Scenario::CommitAhead, Scenario::CommitHoldBack] {
            let enforced = |mode: &&Found<String>| mode.value == Mode::Enforce.name();
            if let Some(mode) = file.mode(scenario).as_ref().filter(enforced) {
                let path = format!("policy.{}.mode", scenario.name());
                let text = "found \"enforce\" without policy.single_instance = true; allowed: \"off\", \"observe\" (a replica of the gateway that does not see all connections of a group would change commits that are right)";
                self.wrong(&path, Some(&mode.at), text.into());
            }
        }
    }

    fn exemptions(
        &mut self,
        found: &BTreeMap<String, Found<super::file::Exemption>>,
    ) -> Vec<Exemption> {
        if found.len() > MAX_EXEMPTIONS {
            let text = format!(
                "found {} exemptions; allowed: at most {MAX_EXEMPTIONS} (each may be looked at for each request)",
                found.len()
            );
            self.wrong("exemptions", None, text);
        }
        found
            .iter()
            .map(|(name, file)| self.exemption(name, &file.value, &file.at))
            .collect()
    }

    /// What is missing is told of at its table.
    fn exemption(&mut self, name: &str, file: &super::file::Exemption, at: &At) -> Exemption {
        let place = Some(at);
        let table = format!("exemptions.{name}");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.wrong(&table, place, format!("found {name:?}; allowed: a name of 1 to 64 letters, digits, _ and - (it becomes a metric label)"));
        }
        let lists = [
            &file.topics,
            &file.client_ids,
            &file.groups,
            &file.principals,
        ];
        if lists.iter().all(|list| list.is_none()) {
            self.wrong(&table, place, "found neither topics nor client_ids nor groups nor principals; allowed: at least one of them (to switch a scenario off for everyone, set its mode)".into());
        }
        if file.expires.is_none() {
            let path = format!("{table}.expires");
            self.wrong(
                &path,
                place,
                format!(
                    "found nothing; allowed: {}",
                    keys::EXEMPTION_EXPIRES.allowed
                ),
            );
        }
        let expires = file.expires.as_ref().and_then(|found| {
            let end = end_of_day(&found.value);
            if end.is_none() {
                let key = &keys::EXEMPTION_EXPIRES;
                self.not_allowed(
                    key,
                    &format!("{table}.expires"),
                    &found.at,
                    &Quoted(&found.value),
                );
            }
            end
        });
        Exemption {
            name: name.into(),
            scenarios: self.exempted(&table, place, &file.scenarios),
            topics: self.patterns(&keys::EXEMPTION_TOPICS, &table, &file.topics),
            client_ids: self.patterns(&keys::EXEMPTION_CLIENT_IDS, &table, &file.client_ids),
            groups: self.patterns(&keys::EXEMPTION_GROUPS, &table, &file.groups),
            principals: self.principals(&table, &file.principals),
            owner: self.given(&keys::EXEMPTION_OWNER, &table, place, &file.owner),
            reason: self.given(&keys::EXEMPTION_REASON, &table, place, &file.reason),
            expires,
        }
    }

    fn exempted(&mut self, table: &str, place: Option<&At>, found: &List) -> Vec<Scenario> {
        let key = &keys::EXEMPTION_SCENARIOS;
        let path = format!("{table}.{}", key.name);
        let Some(list) = found.as_ref().filter(|list| !list.value.is_empty()) else {
            let place = found.as_ref().map(|list| &list.at).or(place);
            self.wrong(
                &path,
                place,
                format!("found nothing; allowed: {}", key.allowed),
            );
            return Vec::new();
        };
        let scenarios = list.value.iter().filter_map(|name| {
            let scenario = Scenario::from_name(name);
            if scenario.is_none() {
                self.not_allowed(key, &path, &list.at, &Quoted(name));
            }
            scenario
        });
        scenarios.collect()
    }

    /// Patterns of principals: without a type, none would ever match.
    fn principals(&mut self, table: &str, found: &List) -> Vec<Pattern> {
        let key = &keys::EXEMPTION_PRINCIPALS;
        let typed = |text: &String| text.contains(':') || text.starts_with('*');
        for list in found.iter() {
            let untyped = list.value.iter().filter(|text| !text.is_empty());
            for text in untyped.filter(|text| !typed(text)) {
                let path = format!("{table}.{}", key.name);
                self.not_allowed(key, &path, &list.at, &Quoted(text));
            }
        }
        self.patterns(key, table, found)
    }

    fn patterns(&mut self, key: &Key, table: &str, found: &List) -> Vec<Pattern> {
        let Some(list) = found else {
            return Vec::new();
        };
        let path = format!("{table}.{}", key.name);
        if list.value.is_empty() {
            // An empty list would mean "all" in an exception and nothing in a scenario: nobody writes it on purpose.
            self.not_allowed(key, &path, &list.at, &"[]");
        }
        for pattern in list.value.iter().filter(|pattern| pattern.is_empty()) {
            self.not_allowed(key, &path, &list.at, &Quoted(pattern));
        }
        list.value.iter().cloned().map(Pattern).collect()
    }

    /// A text that must be there and not be empty.
    fn given(&mut self, key: &Key, table: &str, place: Option<&At>, found: &Text) -> String {
        let text = found
            .as_ref()
            .map(|found| found.value.trim())
            .unwrap_or_default();
        if text.is_empty() {
            let place = found.as_ref().map(|found| &found.at).or(place);
            self.wrong(
                &format!("{table}.{}", key.name),
                place,
                format!("found nothing; allowed: {}", key.allowed),
            );
        }
        text.to_owned()
    }

    fn limits(&mut self, file: &File) -> Limits {
        let file = &file.limits;
        let max_connections = self.size(&keys::MAX_CONNECTIONS, &file.max_connections);
        Limits {
            max_connections,
            max_connections_per_ip: self
                .optional(&keys::MAX_CONNECTIONS_PER_IP, &file.max_connections_per_ip)
                .map_or(max_connections, |number| number as usize),
            max_in_flight: self.size(&keys::MAX_IN_FLIGHT, &file.max_in_flight),
            max_absorbed_in_flight: self
                .size(&keys::MAX_ABSORBED_IN_FLIGHT, &file.max_absorbed_in_flight),
            max_absorbed_bytes: self.size(&keys::MAX_ABSORBED_BYTES, &file.max_absorbed_bytes),
            buffer_bytes: self.size(&keys::BUFFER_BYTES, &file.buffer_bytes),
            announced_bytes: self.size(&keys::ANNOUNCED_BYTES, &file.announced_bytes),
            header_timeout: self.millis(&keys::HEADER_TIMEOUT, &file.header_timeout_ms),
            frame_timeout: self.millis(&keys::FRAME_TIMEOUT, &file.frame_timeout_ms),
            idle_timeout: self.millis(&keys::IDLE_TIMEOUT, &file.idle_timeout_ms),
            max_connection_age: self.millis(&keys::MAX_CONNECTION_AGE, &file.max_connection_age_ms),
            write_stall_timeout: self
                .millis(&keys::WRITE_STALL_TIMEOUT, &file.write_stall_timeout_ms),
            budget_timeout: self.millis(&keys::BUDGET_TIMEOUT, &file.budget_timeout_ms),
            worker_threads: self.size(&keys::WORKER_THREADS, &file.worker_threads),
        }
    }

    fn drain(&mut self, file: &File) -> Drain {
        let file = &file.drain;
        Drain {
            delay: self.millis(&keys::DRAIN_DELAY, &file.delay_ms),
            timeout: self.millis(&keys::DRAIN_TIMEOUT, &file.timeout_ms),
            close_drain_timeout: self
                .millis(&keys::CLOSE_DRAIN_TIMEOUT, &file.close_drain_timeout_ms),
        }
    }
}

/// What is right by itself and wrong together. A check whose keys are wrong already is left out.
impl Checker<'_> {
    fn combinations(&mut self, settings: &Settings, file: &File) {
        self.floors(settings, file);
        self.repair(settings, file);
        self.ports(settings, file);
        self.loops(settings, file);
        let limits = &settings.proxy.limits;
        if limits.max_absorbed_in_flight > limits.max_in_flight
            && self.sound(&[&keys::MAX_ABSORBED_IN_FLIGHT, &keys::MAX_IN_FLIGHT])
        {
            let at = place_of(&file.limits.max_absorbed_in_flight);
            self.clash(
                &keys::MAX_ABSORBED_IN_FLIGHT,
                at.or(place_of(&file.limits.max_in_flight)),
                format!(
                    "found {}; allowed: at most limits.max_in_flight, which is {}",
                    limits.max_absorbed_in_flight, limits.max_in_flight
                ),
            );
        }
        let drain = &settings.proxy.drain;
        if drain.close_drain_timeout > drain.timeout
            && self.sound(&[&keys::CLOSE_DRAIN_TIMEOUT, &keys::DRAIN_TIMEOUT])
        {
            let at = place_of(&file.drain.close_drain_timeout_ms);
            self.clash(
                &keys::CLOSE_DRAIN_TIMEOUT,
                at.or(place_of(&file.drain.timeout_ms)),
                format!(
                    "found {}; allowed: at most drain.timeout_ms, which is {}",
                    drain.close_drain_timeout.as_millis(),
                    drain.timeout.as_millis()
                ),
            );
        }
        let policy = &settings.proxy.policy;
        if let (Some(batch), Some(request)) = (policy.max_batch_bytes, policy.max_request_bytes)
            && batch > request
        {
            self.clash(
                &keys::MAX_BATCH_BYTES,
                place_of(&file.policy.oversized_batch.max_batch_bytes),
                format!("found {batch}; allowed: at most policy.oversized_request.max_request_bytes, which is {request} (a batch travels in a request)"),
            );
        }
    }

    fn floors(&mut self, settings: &Settings, file: &File) {
        let floors = settings.proxy.policy.floors;
        if floors.min_insync_replicas >= floors.replication_factor
            && self.sound(&[&keys::REPLICATION_FACTOR, &keys::MIN_INSYNC_REPLICAS])
        {
            let found = &file.policy.weak_topic_creation;
            self.clash(
                &keys::MIN_INSYNC_REPLICAS,
                place_of(&found.min_insync_replicas).or(place_of(&found.replication_factor)),
                format!(
                    "found {}; allowed: less than replication_factor, which is {} (else one broker that fails stops writes)",
                    floors.min_insync_replicas, floors.replication_factor
                ),
            );
        }
    }

    fn repair(&mut self, settings: &Settings, file: &File) {
        let policy = &settings.proxy.policy;
        let repair = policy.repair_weak_topic;
        if repair != Mode::Off && policy.mode(Scenario::WeakTopic) == Mode::Off {
            self.clash(
                &keys::REPAIR_WEAK_TOPIC,
                place_of(&file.policy.weak_topic.repair),
                format!(
                    "found \"{}\"; allowed: \"off\" while policy.weak_topic.mode is \"off\"",
                    repair.name()
                ),
            );
        }
    }

    fn ports(&mut self, settings: &Settings, file: &File) {
        let listener = &settings.proxy.listener;
        let ids = &listener.advertised.ids;
        for (key, base, found) in [
            (
                &keys::BROKER_PORT_BASE,
                listener.broker_port_base,
                &file.listener.broker_port_base,
            ),
            (
                &keys::ADVERTISED_BROKER_PORT_BASE,
                listener.advertised.port_base,
                &file.listener.advertised_broker_port_base,
            ),
        ] {
            let (first, last) = (ids.iter().next().unwrap_or(1), ids.last().unwrap_or(1));
            let fits =
                i32::from(base) + first >= 1 && i32::from(base).saturating_add(last) <= 65535;
            if !fits
                && (found.is_some() || std::ptr::eq(key, &keys::BROKER_PORT_BASE))
                && self.sound(&[key, &keys::BROKER_IDS])
            {
                let at = place_of(found).or(place_of(&file.listener.broker_ids));
                self.clash(key, at, format!("found {base}, which with broker_ids = \"{ids}\" gives the ports {} to {}; allowed: 1 to 65535", i32::from(base) + first, i64::from(base) + i64::from(last)));
            }
        }
        let advertised = &listener.advertised;
        if let Some(port) = advertised.port
            && !advertised.host.contains(NODE_ID)
            && self.sound(&[&keys::ADVERTISED_HOST, &keys::ADVERTISED_BROKER_PORT])
        {
            let at = place_of(&file.listener.advertised_broker_port);
            self.clash(&keys::ADVERTISED_BROKER_PORT, at, format!("found {port}, which with advertised_host = \"{}\" is one address for all brokers; allowed: with {NODE_ID} in listener.advertised_host", advertised.host));
        }
        if !self.sound(&[&keys::BROKER_PORT_BASE, &keys::BROKER_IDS]) {
            return;
        }
        let broker = |port: u16| {
            let id = i32::from(port) - i32::from(listener.broker_port_base);
            ids.contains(id).then_some(id)
        };
        if let Some(id) = broker(listener.bootstrap_port)
            && self.sound(&[&keys::BOOTSTRAP_PORT])
        {
            let at = place_of(&file.listener.bootstrap_port)
                .or(place_of(&file.listener.broker_port_base))
                .or(place_of(&file.listener.broker_ids));
            self.clash(&keys::BOOTSTRAP_PORT, at, format!("found {}, which is the port of broker {id}; allowed: a port outside broker_port_base + broker_ids", listener.bootstrap_port));
        }
        let sni = listener.sni.as_ref().map(|sni| sni.port);
        if let Some(port) = sni
            && (port == listener.bootstrap_port || broker(port).is_some())
            && self.sound(&[&keys::SNI_PORT, &keys::BOOTSTRAP_PORT])
        {
            let at = place_of(&file.listener.sni.port);
            self.clash(
                &keys::SNI_PORT,
                at,
                format!("found {port}, which is one of the other ports of [listener]; allowed: any other port"),
            );
        }
        let admin = settings.admin.bind;
        let same_address = admin.ip() == listener.bind
            || admin.ip().is_unspecified()
            || listener.bind.is_unspecified();
        let taken = admin.port() == listener.bootstrap_port
            || Some(admin.port()) == sni
            || broker(admin.port()).is_some();
        if same_address
            && taken
            && self.sound(&[&keys::ADMIN_BIND, &keys::BIND, &keys::BOOTSTRAP_PORT])
        {
            let at = place_of(&file.admin.bind)
                .or(place_of(&file.listener.broker_port_base))
                .or(place_of(&file.listener.bootstrap_port));
            self.clash(&keys::ADMIN_BIND, at, format!("found {admin}, which is one of the Kafka ports of [listener]; allowed: any other port"));
        }
    }

    /// A gateway whose bootstrap server is itself would dial itself for ever.
    fn loops(&mut self, settings: &Settings, file: &File) {
        let listener = &settings.proxy.listener;
        if !self.sound(&[
            &keys::BIND,
            &keys::BOOTSTRAP_PORT,
            &keys::BROKER_PORT_BASE,
            &keys::BROKER_IDS,
        ]) {
            return;
        }
        for server in &settings.proxy.cluster.bootstrap_servers {
            let id = i32::from(server.port) - i32::from(listener.broker_port_base);
            let own_port = server.port == listener.bootstrap_port
                || listener.advertised.ids.contains(id)
                || listener
                    .sni
                    .as_ref()
                    .is_some_and(|sni| sni.port == server.port);
            let own_host = match server.host.parse::<IpAddr>() {
                Ok(ip) => ip == listener.bind || ip.is_loopback() && listener.bind.is_unspecified(),
                Err(_) => {
                    server.host == "localhost"
                        && (listener.bind.is_loopback() || listener.bind.is_unspecified())
                }
            };
            if own_port && own_host {
                self.clash(&keys::BOOTSTRAP_SERVERS, place_of(&file.cluster.bootstrap_servers), format!("found \"{server}\", which is a port of this gateway; allowed: addresses of brokers (or change listener.bootstrap_port, broker_port_base or broker_ids)"));
            }
        }
    }

    /// Whether nothing was found wrong with these keys.
    fn sound(&self, keys: &[&Key]) -> bool {
        keys.iter().all(|key| {
            self.problems
                .iter()
                .all(|problem| problem.key != key.path())
        })
    }

    fn clash(&mut self, key: &Key, at: Option<&At>, text: String) {
        self.wrong(&key.path(), at, text);
    }
}

/// Single values.
impl Checker<'_> {
    fn number(&mut self, key: &Key, found: &Number) -> i64 {
        self.optional(key, found).unwrap_or(key.default_number())
    }

    /// `None` when nothing, or something wrong, stands there.
    fn optional(&mut self, key: &Key, found: &Number) -> Option<i64> {
        let found = found.as_ref()?;
        let fits = match key.allowed {
            Allowed::Range(min, max, _) => (min..=max).contains(&found.value),
            _ => false,
        };
        if !fits {
            self.not_allowed(key, &key.path(), &found.at, &found.value);
        }
        fits.then_some(found.value)
    }

    // The ranges in `keys.rs` make the next two conversions exact.
    fn size(&mut self, key: &Key, found: &Number) -> usize {
        self.number(key, found) as usize
    }

    fn port(&mut self, key: &Key, found: &Number) -> u16 {
        self.number(key, found) as u16
    }

    fn millis(&mut self, key: &Key, found: &Number) -> Duration {
        Duration::from_millis(self.number(key, found) as u64)
    }

    /// One of the words allowed; the default (or "") when nothing or something wrong stands there.
    fn choice(&mut self, key: &Key, found: &Text) -> &'static str {
        let (Allowed::OneOf(words), Some(found)) = (&key.allowed, found) else {
            return key.default_text();
        };
        match words.iter().find(|word| **word == found.value) {
            Some(word) => word,
            None => {
                self.not_allowed(key, &key.path(), &found.at, &Quoted(&found.value));
                key.default_text()
            }
        }
    }

    fn parsed<T>(&mut self, key: &Key, found: &Text, parse: fn(&str) -> Option<T>) -> Option<T> {
        let Some(found) = found else {
            return match key.default {
                Default::Text(text) => parse(text),
                _ => None,
            };
        };
        let value = parse(&found.value);
        if value.is_none() {
            self.not_allowed(key, &key.path(), &found.at, &Quoted(&found.value));
        }
        value
    }

    fn value_of<'t>(&self, found: &'t Text) -> Option<&'t str> {
        found.as_ref().map(|found| found.value.as_str())
    }

    fn not_allowed(&mut self, key: &Key, path: &str, at: &At, value: &dyn fmt::Display) {
        self.wrong(
            path,
            Some(at),
            format!("found {value}; allowed: {}", key.allowed),
        );
    }

    fn wrong(&mut self, path: &str, at: Option<&At>, text: String) {
        let place = match at {
            Some(At::Span(span)) => self.source.place(span),
            Some(At::Flag(flag)) => Place::Flag(flag),
            // What is missing only because its line was misshapen has been reported.
            None if self.problems.iter().any(|problem| problem.key == path) => return,
            None => Place::Nowhere,
        };
        self.problems.push(Problem {
            place,
            key: path.to_owned(),
            text,
        });
    }
}

fn path(found: &Text) -> Option<PathBuf> {
    found.as_ref().map(|found| PathBuf::from(&found.value))
}

fn min_version(name: &str) -> MinVersion {
    match name {
        "TLSv1.3" => MinVersion::Tls13,
        _ => MinVersion::Tls12,
    }
}

fn mode_of(name: &str) -> Option<Mode> {
    Mode::ALL.into_iter().find(|mode| mode.name() == name)
}

/// Nothing that parses as a truth value is wrong.
fn truth(key: &Key, found: &Truth) -> bool {
    match (found, &key.default) {
        (Some(found), _) => found.value,
        (None, Default::Truth(default)) => *default,
        (None, _) => false,
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn place_of<T>(found: &Option<Found<T>>) -> Option<&At> {
    found.as_ref().map(|found| &found.at)
}

/// A name or an address, without port, scheme or brackets.
fn host(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = !text.is_empty() && text.len() <= 255 && text.chars().all(plain);
    (name || text.parse::<IpAddr>().is_ok()).then(|| text.to_owned())
}

/// A host, perhaps with a place for a node id.
fn host_pattern(text: &str) -> Option<String> {
    host(&text.replace(NODE_ID, "2147483647")).map(|_| text.to_owned())
}

/// A name that can stand in a ClientHello: no IP address.
fn name(text: &str) -> Option<String> {
    let name = host(text).filter(|_| text.parse::<IpAddr>().is_err())?;
    (!name.ends_with('.')).then_some(name)
}

/// A name for each broker.
fn name_pattern(text: &str) -> Option<String> {
    let filled = text.replace(NODE_ID, "2147483647");
    let fits = text.matches(NODE_ID).count() == 1 && name(&filled).is_some();
    fits.then(|| text.to_owned())
}

/// `host:port`, `[::1]:port`.
fn host_port(text: &str) -> Option<HostPort> {
    let (host_part, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = match host_part
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => host(host_part).filter(|host| !host.contains(':'))?,
    };
    Some(HostPort { host, port })
}

/// `0-9,17`: not empty, not negative, at most as many ids as ports are reasonable to bind.
fn broker_ids(text: &str) -> Option<IdSet> {
    let id = |text: &str| text.trim().parse::<u16>().ok().map(i32::from);
    let ranges = text.split(',').map(|part| match part.split_once('-') {
        Some((first, last)) => Some((id(first)?, id(last)?)).filter(|(first, last)| first <= last),
        None => id(part).map(|id| (id, id)),
    });
    let ids = IdSet::from_ranges(ranges.collect::<Option<Vec<_>>>()?);
    (1..=1000).contains(&ids.len()).then_some(ids)
}

/// The first moment after a day such as `2027-01-31`, UTC.
fn end_of_day(text: &str) -> Option<SystemTime> {
    let date: toml::value::Datetime = text.parse().ok()?;
    let date = date
        .date
        .filter(|_| date.time.is_none() && date.offset.is_none())?;
    let days = days_since_1970(
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    ) + 1;
    let seconds = u64::try_from(days).ok()?.checked_mul(86_400)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Proleptic Gregorian calendar, counted in years that begin in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_a_port_and_brackets_for_ipv6() {
        let show = |text| host_port(text).map(|server| server.to_string());
        assert_eq!(show("kafka-1:9092").as_deref(), Some("kafka-1:9092"));
        assert_eq!(show("[::1]:9092").as_deref(), Some("[::1]:9092"));
        for wrong in [
            "kafka-1",
            "kafka-1:",
            "kafka-1:0",
            "kafka-1:70000",
            "::1:9092",
            "http://a:1",
            ":9092",
            "a b:1",
        ] {
            assert_eq!(show(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn broker_ids_are_ranges_within_reason() {
        assert_eq!(
            broker_ids("17, 0-9").map(|ids| ids.to_string()).as_deref(),
            Some("0-9,17")
        );
        for wrong in ["", "9-0", "-1", "1-", "a", "1,,2", "0-1000"] {
            assert_eq!(broker_ids(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_exemption_works_until_its_day_is_over() {
        let seconds = |text| {
            end_of_day(text).map(|end| {
                end.duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap()
                    .as_secs()
            })
        };
        assert_eq!(seconds("1970-01-01"), Some(86_400));
        assert_eq!(seconds("2027-01-31"), Some(1_801_440_000)); // date -u -d 2027-02-01 +%s
        assert_eq!(seconds("2028-02-29"), Some(1_835_481_600)); // date -u -d 2028-03-01 +%s
        for wrong in [
            "2027-02-30",
            "2027-13-01",
            "31.01.2027",
            "2027-01-31T10:00:00Z",
            "10:00:00",
            "",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
