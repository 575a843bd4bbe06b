//! Which server is asked next: one that has not failed, else the one whose failure is longest ago.
//!
//! Floor 5. A stopped broker accepts connections and answers nothing, so each attempt at it costs a timeout: it is asked last.

use super::link::{Dialing, Failure, Link};
use crate::cluster::View;
use crate::proxy::settings::HostPort;
use std::collections::HashMap;
use tokio::time::Instant;

/// The servers to choose from, and the connection to the one chosen.
#[derive(Debug)]
pub struct Servers {
    bootstrap: Vec<HostPort>,
    known: Vec<HostPort>,
    failed: HashMap<HostPort, Instant>,
    link: Option<Link>,
    /// How many connections were begun: bootstrap servers and brokers take turns.
    turn: usize,
}

impl Servers {
    pub fn new(bootstrap: Vec<HostPort>) -> Servers {
        Servers {
            bootstrap,
            known: Vec::new(),
            failed: HashMap::new(),
            link: None,
            turn: 0,
        }
    }

    /// Brokers that the cluster named are servers, too.
    pub fn learn(&mut self, view: &View) {
        let addresses = view.brokers.values().map(|broker| HostPort {
            host: broker.host.clone(),
            port: broker.port,
        });
        self.known = addresses
            .filter(|server| !self.bootstrap.contains(server))
            .collect();
        let (bootstrap, known) = (&self.bootstrap, &self.known);
        self.failed
            .retain(|server, _| bootstrap.contains(server) || known.contains(server));
    }

    /// All servers, in the order in which they should be tried.
    pub fn in_order(&self) -> Vec<HostPort> {
        let mut servers: Vec<HostPort> =
            self.bootstrap.iter().chain(&self.known).cloned().collect();
        let turn = self.turn % servers.len().max(1);
        servers.rotate_left(turn);
        servers.sort_by_key(|server| self.failed.get(server).copied());
        servers
    }

    /// A connection to `server`: the one that is open, or a new one.
    pub async fn link(
        &mut self,
        server: &HostPort,
        dialing: &Dialing,
    ) -> Result<&mut Link, Failure> {
        let open = self
            .link
            .take()
            .filter(|link| link.server == *server && !link.is_due());
        let link = match open {
            Some(link) => link,
            None => Link::open(server, dialing).await?,
        };
        Ok(self.link.insert(link))
    }

    /// The server that is connected to, if any.
    pub fn current(&self) -> Option<&HostPort> {
        self.link.as_ref().map(|link| &link.server)
    }

    pub fn failed(&mut self, server: &HostPort) {
        self.link = None;
        self.failed.insert(server.clone(), Instant::now());
    }

    pub fn succeeded(&mut self, server: &HostPort) {
        self.failed.remove(server);
    }

    /// Lets another server have its turn: one that has lost touch with the cluster goes on answering with what it knew.
    pub fn take_turns(&mut self, older_than: std::time::Duration) {
        if self
            .link
            .as_ref()
            .is_some_and(|link| link.opened.elapsed() >= older_than)
        {
            self.link = None;
            self.turn = self.turn.wrapping_add(1);
        }
    }
}
