//! The clients seen (floor 4): who they are, how they write, which errors they were told. Plain bounded data, read by `/report`.
//!
//! A client is a client id together with a principal and the name and version of a library. [`MAX_CLIENTS`] are kept: a new one takes the
//! place of the one with the fewest requests among those that are not connected, whose numbers go on in `others`; while
//! all are connected it is counted there itself. So the clients that do most stay, however many names a hostile one tries.

use crate::session::event::Event;
use crate::wire::api::{ApiKey, ErrorCode};
use prometheus::{IntCounter, IntGauge};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Kept by name.
pub const MAX_CLIENTS: usize = 500;
/// Topics that are kept of one client.
pub const MAX_TOPICS: usize = 50;
/// Error codes that are kept of one client; Kafka has some 130, a Produce answer two dozen.
const MAX_ERRORS: usize = 64;
/// Longer names cannot be topics.
const MAX_TOPIC_BYTES: usize = 249;

/// Name and version of a library.
pub type Software = (Arc<str>, Arc<str>);

/// What tells clients apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Key {
    /// At most 256 bytes; `None`: null, or not sent.
    pub client_id: Option<Arc<str>>,
    /// At most 256 bytes; `None`: not known.
    pub principal: Option<Arc<str>>,
    pub software: Option<Software>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Inventory {
    clients: Mutex<HashMap<Key, Arc<Client>>>,
    others: Arc<Client>,
    known: IntGauge,
    left_out: IntCounter,
}

/// One client, as all of its connections see it. Counts wrap never in practice: 64 bits.
#[derive(Debug, Default)]
pub(super) struct Client {
    connections: AtomicU64,
    open: AtomicU64,
    requests: AtomicU64,
    /// Of acks 0, 1, all.
    acks: [AtomicU64; 3],
    idempotent: AtomicBool,
    largest_batch: AtomicU64,
    lists: Mutex<Lists>,
}

#[derive(Clone, Debug, Default)]
struct Lists {
    topics: BTreeSet<Arc<str>>,
    topics_left_out: u64,
    errors: BTreeMap<i16, u64>,
}

/// One client, as it is told.
#[derive(Clone, Debug, Default)]
pub struct ClientSeen {
    pub key: Key,
    /// Since the start, and now.
    pub connections: u64,
    pub open: u64,
    pub requests: u64,
    /// Produce requests with acks 0, 1, all, as the client sent them.
    pub acks: [u64; 3],
    /// It asked for a producer id, or a sampled batch had one.
    pub idempotent: bool,
    /// Of the sampled ones, in bytes; 0: none was sampled.
    pub largest_batch_bytes: u64,
    /// Of sampled Produce requests and of errors.
    pub topics: Vec<Arc<str>>,
    /// Meetings with topics that found no room.
    pub topics_left_out: u64,
    pub errors: Vec<(ErrorCode, u64)>,
}

/// The whole inventory, as it is told.
#[derive(Clone, Debug, Default)]
pub struct ClientsSeen {
    /// Most requests first.
    pub clients: Vec<ClientSeen>,
    /// All that found no room, together. Its key is empty.
    pub others: ClientSeen,
    /// Clients that made room for others, or found none.
    pub left_out: u64,
}

/// A connection's place at its client; leaving it is dropping it.
#[derive(Debug)]
pub(super) struct Place(Arc<Client>);

impl Inventory {
    pub fn new(known: IntGauge, left_out: IntCounter) -> Inventory {
        Inventory {
            clients: Mutex::default(),
            others: Arc::default(),
            known,
            left_out,
        }
    }

    /// A connection turns out to be this client's. Takes a lock; when there is no room, looks through all clients.
    pub fn join(&self, key: Key) -> Place {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.get(&key) {
            Some(client) => client.clone(),
            None => {
                if clients.len() >= MAX_CLIENTS {
                    self.left_out.inc();
                    self.make_room(&mut clients);
                }
                match clients.len() < MAX_CLIENTS {
                    true => clients.entry(key).or_default().clone(),
                    false => self.others.clone(),
                }
            }
        };
        self.known
            .set(i64::try_from(clients.len()).unwrap_or(i64::MAX));
        client.connections.fetch_add(1, Relaxed);
        client.open.fetch_add(1, Relaxed);
        Place(client)
    }

    fn make_room(&self, clients: &mut HashMap<Key, Arc<Client>>) {
        // Places are only taken under the lock: one that has no connection now gets none meanwhile.
        let idle = clients
            .iter()
            .filter(|(_, client)| client.open.load(Relaxed) == 0);
        let least = idle.min_by_key(|(_, client)| client.requests.load(Relaxed));
        if let Some(key) = least.map(|(key, _)| key.clone())
            && let Some(client) = clients.remove(&key)
        {
            self.others.take_over(&client);
        }
    }

    pub fn seen(&self) -> ClientsSeen {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let clients: Vec<_> = clients
            .iter()
            .map(|(key, client)| (key.clone(), client.clone()))
            .collect();
        let mut clients: Vec<_> = clients
            .into_iter()
            .map(|(key, client)| client.seen(key))
            .collect();
        clients.sort_by(|one, other| {
            let name = |client: &ClientSeen| {
                let key = &client.key;
                (key.client_id.clone(), key.principal.clone())
            };
            let by_requests = other.requests.cmp(&one.requests);
            by_requests.then_with(|| name(one).cmp(&name(other)))
        });
        ClientsSeen {
            clients,
            others: self.others.seen(Key::default()),
            left_out: self.left_out.get(),
        }
    }
}

impl Place {
    /// Takes from an event what it says of the client. A lock only for what is rare: samples and errors.
    pub fn note(&self, event: &Event) {
        let client = &*self.0;
        match event {
            Event::Requests { api_key, count } => {
                client.requests.fetch_add(*count, Relaxed);
                if *api_key == ApiKey::INIT_PRODUCER_ID {
                    client.idempotent.store(true, Relaxed);
                }
            }
            Event::Acks { acks, count } => {
                let position = match acks {
                    0 => 0,
                    1 => 1,
                    _ => 2,
                };
                client.acks[position].fetch_add(*count, Relaxed);
            }
            Event::Batch {
                topic,
                idempotent,
                bytes,
            } => {
                if *idempotent {
                    client.idempotent.store(true, Relaxed);
                }
                client.largest_batch.fetch_max(*bytes, Relaxed);
                client.lists(|lists| lists.meet(topic.as_ref()));
            }
            Event::AnswerError {
                error_code,
                topic,
                count,
            } => client.lists(|lists| {
                lists.meet(topic.as_ref());
                lists.fail(error_code.0, *count);
            }),
            _ => {}
        }
    }

    /// Requests that were read before it was known whose they are.
    pub fn requested(&self, count: u64) {
        self.0.requests.fetch_add(count, Relaxed);
    }

    /// A refusal in the answer to a request that is no Produce.
    pub fn refused(&self, error_code: ErrorCode) {
        self.0.lists(|lists| lists.fail(error_code.0, 1));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl Client {
    fn lists<T>(&self, with: impl FnOnce(&mut Lists) -> T) -> T {
        with(&mut self.lists.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another's numbers are added to these. Its topics are only counted.
    fn take_over(&self, other: &Client) {
        let add = |mine: &AtomicU64, other: &AtomicU64| {
            mine.fetch_add(other.load(Relaxed), Relaxed);
        };
        add(&self.connections, &other.connections);
        add(&self.requests, &other.requests);
        for (mine, other) in self.acks.iter().zip(&other.acks) {
            add(mine, other);
        }
        self.idempotent
            .fetch_or(other.idempotent.load(Relaxed), Relaxed);
        self.largest_batch
            .fetch_max(other.largest_batch.load(Relaxed), Relaxed);
        let theirs = other.lists(std::mem::take);
        self.lists(|lists| {
            lists.topics_left_out += theirs.topics_left_out + theirs.topics.len() as u64;
            for (code, count) in theirs.errors {
                lists.fail(code, count);
            }
        });
    }

    fn seen(&self, key: Key) -> ClientSeen {
        let lists = self.lists(|lists| lists.clone());
        ClientSeen {
            key,
            connections: self.connections.load(Relaxed),
            open: self.open.load(Relaxed),
            requests: self.requests.load(Relaxed),
            acks: [0, 1, 2].map(|position| self.acks[position].load(Relaxed)),
            idempotent: self.idempotent.load(Relaxed),
            largest_batch_bytes: self.largest_batch.load(Relaxed),
            topics: lists.topics.into_iter().collect(),
            topics_left_out: lists.topics_left_out,
            errors: lists
                .errors
                .into_iter()
                .map(|(code, count)| (ErrorCode(code), count))
                .collect(),
        }
    }
}

impl Lists {
    fn meet(&mut self, topic: Option<&Arc<str>>) {
        let Some(topic) = topic.filter(|topic| topic.len() <= MAX_TOPIC_BYTES) else {
            return;
        };
        if self.topics.contains(topic) {
            return;
        }
        match self.topics.len() < MAX_TOPICS {
            true => {
                self.topics.insert(topic.clone());
            }
            false => self.topics_left_out += 1,
        }
    }

    /// Codes beyond the bound are no code of Kafka's: they are counted as −1, UNKNOWN_SERVER_ERROR.
    fn fail(&mut self, code: i16, count: u64) {
        let room = self.errors.contains_key(&code) || self.errors.len() < MAX_ERRORS;
        *self.errors.entry(if room { code } else { -1 }).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        Inventory::new(
            IntGauge::new("g", "h").expect("sound"),
            IntCounter::new("c", "h").expect("sound"),
        )
    }

    fn key(client_id: &str) -> Key {
        Key {
            client_id: Some(client_id.into()),
            principal: None,
            software: None,
        }
    }

    fn requests(count: u64) -> Event {
        Event::Requests {
            api_key: ApiKey::FETCH,
            count,
        }
    }

    #[test]
    fn thousands_of_names_stay_within_the_bound_and_busy_clients_stay() {
        let inventory = inventory();
        inventory.join(key("busy")).note(&requests(100));
        let connected = inventory.join(key("connected"));
        for number in 0..5000 {
            inventory
                .join(key(&format!("x{number}")))
                .note(&requests(1));
        }
        let seen = inventory.seen();
        assert_eq!(seen.clients.len(), MAX_CLIENTS);
        assert_eq!(seen.left_out, 5002 - MAX_CLIENTS as u64);
        assert_eq!(seen.clients[0].key, key("busy"));
        assert!(seen.clients.iter().any(|c| c.key == key("connected")));
        let sum: u64 = seen.clients.iter().map(|client| client.requests).sum();
        assert_eq!(sum + seen.others.requests, 5100);
        drop(connected);
    }

    #[test]
    fn while_all_are_connected_newcomers_are_counted_together() {
        let inventory = inventory();
        let places: Vec<_> = (0..MAX_CLIENTS + 3)
            .map(|number| inventory.join(key(&number.to_string())))
            .collect();
        for place in &places {
            place.note(&requests(1));
        }
        let seen = inventory.seen();
        assert_eq!((seen.left_out, seen.others.requests), (3, 3));
        assert_eq!(seen.others.open, 3);
        drop(places);
        assert_eq!(inventory.seen().others.open, 0);
    }

    #[test]
    fn topics_and_codes_of_one_client_are_bounded() {
        let inventory = inventory();
        let place = inventory.join(key("app"));
        for number in 0..1000 {
            place.note(&Event::AnswerError {
                error_code: ErrorCode(number),
                topic: Some(format!("t{number}").into()),
                count: 2,
            });
        }
        let seen = &inventory.seen().clients[0];
        assert_eq!(seen.topics.len(), MAX_TOPICS);
        assert_eq!(seen.topics_left_out, 1000 - MAX_TOPICS as u64);
        assert_eq!(seen.errors.len(), MAX_ERRORS + 1);
        assert_eq!(
            seen.errors.iter().map(|(_, count)| count).sum::<u64>(),
            2000
        );
    }
}
