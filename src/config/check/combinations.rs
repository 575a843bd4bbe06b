//! What each key may say by itself, and not all of them together (roof).

use super::Checker;
use super::values::place_of;
use crate::cluster::NODE_ID;
use crate::config::Settings;
use crate::config::file::{At, File};
use crate::config::keys::{self, Key};
use crate::policy::{Mode, Scenario};
use std::net::IpAddr;

/// Said of a value that stands nowhere.
fn by_default(at: &Option<&At>) -> &'static str {
    match at {
        Some(_) => "",
        None => " by default",
    }
}

/// What is right by itself and wrong together. A check whose keys are wrong already is left out.
impl Checker<'_> {
    pub(super) fn combinations(&mut self, settings: &Settings, file: &File) {
        self.floors(settings, file);
        self.repair(settings, file);
        self.ports(settings, file);
        self.loops(settings, file);
        let limits = &settings.proxy.limits;
        if limits.max_absorbed_in_flight > limits.max_in_flight
            && self.sound(&[&keys::MAX_ABSORBED_IN_FLIGHT, &keys::MAX_IN_FLIGHT])
        {
            let at = place_of(&file.limits.max_absorbed_in_flight);
            let whence = by_default(&at);
            self.clash(
                &keys::MAX_ABSORBED_IN_FLIGHT,
                at.or(place_of(&file.limits.max_in_flight)),
                format!(
                    "found {}{whence}; allowed: at most limits.max_in_flight, which is {}",
                    limits.max_absorbed_in_flight, limits.max_in_flight
                ),
            );
        }
        let drain = &settings.proxy.drain;
        if drain.close_drain_timeout > drain.timeout
            && self.sound(&[&keys::CLOSE_DRAIN_TIMEOUT, &keys::DRAIN_TIMEOUT])
        {
            let at = place_of(&file.drain.close_drain_timeout_ms);
            let whence = by_default(&at);
            self.clash(
                &keys::CLOSE_DRAIN_TIMEOUT,
                at.or(place_of(&file.drain.timeout_ms)),
                format!(
                    "found {}{whence}; allowed: at most drain.timeout_ms, which is {}",
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
