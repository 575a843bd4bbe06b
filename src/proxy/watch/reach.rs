//! Which servers cannot be reached, since when and why: told in the log, now and then, and in `/report`, until one answers again.
//!
//! Floor 5. What clients' connections meet counts as well as what the watch does. Does not try anything: it says whom to try, as
//! nobody else may want to for a long time.

use crate::cluster::View;
use crate::proxy::settings::HostPort;
use crate::telemetry::Unreachable;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The log is told so often of one that goes on failing.
const TOLD_EVERY_MS: u64 = 60_000;
/// A broker that has left the cluster is told of for so long: it may have died, or been taken away for good.
const KEPT_MS: u64 = 900_000;
/// From one try to the next: of a server that cannot be reached, and of one that could be.
const TRIED_EVERY_MS: (u64, u64) = (5_000, 30_000);
/// Kept at a time; they are the cluster's brokers and the bootstrap servers.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub struct Reach {
    servers: Mutex<HashMap<HostPort, Server>>,
    /// How many cannot be reached, for those who only want to know that all can.
    failed: AtomicUsize,
    /// Those that have failed since somebody asked.
    news: Mutex<Vec<Unreachable>>,
}

#[derive(Debug)]
struct Server {
    node_id: Option<i32>,
    /// When the cluster, or the configuration, named it last.
    named_ms: u64,
    tried_ms: u64,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    reason: String,
    /// There was no connection at all: a stopped broker accepts them, and says nothing.
    dial: bool,
    since_ms: u64,
    told_ms: u64,
}

impl Reach {
    /// A connection to `server` could not be made (`dial`), or nothing came over it.
    pub fn failed(&self, server: &HostPort, (reason, dial): (&dyn Display, bool), now_ms: u64) {
        let mut all = self.lock();
        if all.len() >= MOST && !all.contains_key(server) {
            return;
        }
        let known = all
            .entry(server.clone())
            .or_insert_with(|| Server::new(now_ms));
        let reason = reason.to_string();
        let (since_ms, mut told_ms) = match &known.failed {
            Some(failed) => (failed.since_ms, failed.told_ms),
            None => {
                self.note(server, known.node_id, &reason, now_ms);
                (now_ms, 0)
            }
        };
        if now_ms.saturating_sub(told_ms) >= TOLD_EVERY_MS {
            told_ms = now_ms;
            tracing::warn!(%server, node_id = known.node_id, reason, "a broker cannot be reached");
        }
        known.failed = Some(Failed {
            reason,
            dial,
            since_ms,
            told_ms,
        });
        self.count(&all);
    }

    fn note(&self, server: &HostPort, node_id: Option<i32>, reason: &str, now_ms: u64) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if news.len() < MOST {
            news.push(Unreachable {
                server: server.to_string(),
                node_id,
                reason: reason.to_owned(),
                since: now_ms / 1000,
            });
        }
    }

    /// What could be reached before and then could not, since this was asked last: it may be well again by now.
    pub fn take_news(&self) -> Vec<Unreachable> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `server` has answered.
    pub fn reached(&self, server: &HostPort) {
        self.clear(server, |_| true);
    }

    /// `server` has accepted a connection.
    pub fn dialled(&self, server: &HostPort) {
        self.clear(server, |failed| failed.dial);
    }

    fn clear(&self, server: &HostPort, which: fn(&Failed) -> bool) {
        if self.failed.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut all = self.lock();
        if let Some(known) = all.get_mut(server)
            && known.failed.take_if(|failed| which(failed)).is_some()
        {
            tracing::info!(%server, node_id = known.node_id, "the broker is reached again");
        }
        self.count(&all);
    }

    /// Servers to be tried now.
    pub fn due(&self, view: &View, bootstrap: &[HostPort], now_ms: u64) -> Vec<HostPort> {
        let mut all = self.lock();
        let brokers = view.brokers.iter().map(|(id, broker)| {
            let server = HostPort {
                host: broker.host.clone(),
                port: broker.port,
            };
            (server, Some(*id))
        });
        let bootstrap = bootstrap.iter().map(|server| (server.clone(), None));
        for (server, node_id) in bootstrap.chain(brokers).take(MOST) {
            let known = all.entry(server).or_insert_with(|| Server::new(now_ms));
            known.named_ms = now_ms;
            known.node_id = node_id.or(known.node_id);
        }
        all.retain(|_, known| now_ms.saturating_sub(known.named_ms) < KEPT_MS);
        self.count(&all);
        let due = all.iter_mut().filter_map(|(server, known)| {
            let every = match known.failed {
                Some(_) => TRIED_EVERY_MS.0,
                None => TRIED_EVERY_MS.1,
            };
            (now_ms.saturating_sub(known.tried_ms) >= every).then(|| {
                known.tried_ms = now_ms;
                server.clone()
            })
        });
        due.collect()
    }

    /// What `/report` tells, by broker and address.
    pub fn unreachable(&self) -> Vec<Unreachable> {
        let all = self.lock();
        let told = all.iter().filter_map(|(server, known)| {
            let failed = known.failed.as_ref()?;
            Some(Unreachable {
                server: server.to_string(),
                node_id: known.node_id,
                reason: failed.reason.clone(),
                since: failed.since_ms / 1000,
            })
        });
        let mut told: Vec<_> = told.collect();
        told.sort_by(|a, b| (a.node_id, &a.server).cmp(&(b.node_id, &b.server)));
        told
    }

    fn count(&self, all: &HashMap<HostPort, Server>) {
        let failed = all.values().filter(|known| known.failed.is_some()).count();
        self.failed.store(failed, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HostPort, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    fn new(now_ms: u64) -> Server {
        Server {
            node_id: None,
            named_ms: now_ms,
            tried_ms: now_ms,
            failed: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Broker;

    fn server(port: u16) -> HostPort {
        HostPort {
            host: "kafka".into(),
            port,
        }
    }

    fn view(id: i32, port: u16) -> View {
        let mut view = View::default();
        let broker = Broker {
            host: "kafka".into(),
            port,
            rack: None,
        };
        view.brokers.insert(id, broker);
        view
    }

    #[test]
    fn what_failed_is_told_with_its_broker_until_it_answers() {
        let reach = Reach::default();
        assert_eq!(reach.due(&view(7, 3), &[server(9)], 1_000_000), []);
        assert!(reach.unreachable().is_empty());
        reach.failed(&server(3), (&"refused", true), 1_000_000);
        reach.failed(&server(9), (&"unresolved", true), 1_001_000);
        reach.failed(&server(3), (&"timed out", false), 1_002_000);
        let news = reach.take_news();
        let servers: Vec<_> = news.iter().map(|lost| &*lost.server).collect();
        assert_eq!(servers, ["kafka:3", "kafka:9"]);
        assert_eq!((news[0].node_id, &*news[0].reason), (Some(7), "refused"));
        let told = reach.unreachable();
        assert_eq!((told[0].node_id, &*told[0].server), (None, "kafka:9"));
        assert_eq!(
            (told[1].node_id, &*told[1].reason, told[1].since),
            (Some(7), "timed out", 1000)
        );
        // It accepts connections, as a stopped one does.
        reach.dialled(&server(3));
        reach.dialled(&server(9));
        assert_eq!(reach.unreachable().len(), 1);
        assert!(reach.take_news().is_empty());
        reach.reached(&server(3));
        assert!(reach.unreachable().is_empty());
        reach.failed(&server(3), (&"refused", true), 1_009_000);
        assert_eq!(reach.take_news().len(), 1);
    }

    #[test]
    fn every_server_is_tried_now_and_then_and_one_that_left_the_cluster_is_kept_for_a_while() {
        let reach = Reach::default();
        let (full, empty) = (view(7, 3), View::default());
        assert_eq!(reach.due(&full, &[], 1_000_000), []);
        assert_eq!(reach.due(&full, &[], 1_030_000), [server(3)]);
        reach.failed(&server(3), (&"refused", true), 1_030_000);
        assert_eq!(reach.due(&empty, &[], 1_034_000), []);
        assert_eq!(reach.due(&empty, &[], 1_035_000), [server(3)]);
        assert_eq!(reach.unreachable()[0].node_id, Some(7));
        reach.due(&empty, &[], 1_030_000 + KEPT_MS);
        assert!(reach.unreachable().is_empty());
    }
}
