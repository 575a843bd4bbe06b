//! [`File`] -> [`Settings`] (roof): ranges, forms and combinations. Everything that is wrong is collected; a value that is
//! wrong is replaced by its default, so that the rest can be judged, and no `Settings` come out in the end.

mod combinations;
mod policy;
mod security;
mod values;

use super::Settings;
use super::error::{Error, Problem, Source};
use super::file::{self, File, List, Text};
use super::keys;
use super::{LogFormat, LogSettings};
use crate::cluster::{Advertised, IdSet};
use crate::proxy::settings::{Cluster, Drain, HostPort, Limits, Listener, Sni};
use crate::{admin, proxy, telemetry};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use values::{Quoted, broker_ids, host_pattern, host_port, name, name_pattern, place_of};

/// Judges what was written; `problems` are those already found.
pub fn check(file: &File, source: Source, problems: Vec<Problem>) -> Result<Settings, Error> {
    if problems.iter().any(|problem| problem.key.is_empty()) {
        return Err(Error(problems)); // No TOML: nothing else can be said about it.
    }
    let mut checker = Checker {
        source,
        unread: problems.len(),
        problems,
    };
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
    /// So many of the problems, the first ones, are of what could not be read.
    unread: usize,
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
    fn sni(&mut self, listener: &file::Listener, ids: &IdSet) -> Option<Sni> {
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
            pipes: self.size(&keys::PIPES, &file.pipes),
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
