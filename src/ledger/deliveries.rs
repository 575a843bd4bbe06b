//! What each client was given to read: how far, partition by partition, and for which groups it is known from the beginning on.
//!
//! ```text
//!   OffsetFetch  the group's offset, or none ----+
//!   ListOffsets  where it may begin instead -----+--> due --> Fetch from exactly there --> begun: all that it is given is seen
//!   Fetch        where it reads, what it is given, by any connection --> delivered, which only grows
//! ```
//! Floor 1. A client is a client id of a principal: connections from all addresses share one number for a partition, so that it is never too
//! low. What joins requests of several connections (offsets of a group, offsets of a log, a Fetch) goes by the address as well.
//! A connection takes hold of the cells of what it reads; from then on it costs an atomic number. Cells that no connection holds
//! are forgotten when there is no room. What was read without being seen makes everything that was begun doubtful: it has
//! begun no more.

use super::locked;
use crate::cluster::TopicId;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Partitions of clients that are remembered.
pub const CAPACITY: usize = 200_000;
/// Groups, each with an address, that are remembered of one partition of one client.
const READERS: usize = 8;

/// Where a connection comes from: its IPv6 address, or its IPv4 address as one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Address(pub [u8; 16]);

#[derive(Debug)]
pub struct Deliveries {
    clients: Mutex<HashMap<ClientKey, Arc<Client>>>,
    cells: AtomicUsize,
    capacity: usize,
    forgotten: AtomicU64,
    refused: AtomicU64,
    /// There may be clients.
    used: AtomicBool,
}

/// What tells clients apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ClientKey {
    /// `None`: not known.
    principal: Option<Arc<str>>,
    client_id: Arc<str>,
}

/// All connections with one client id and one principal.
#[derive(Debug, Default)]
pub struct Client {
    topics: Mutex<HashMap<Arc<str>, Topic>>,
    /// Connections that read what is not seen.
    unseen: AtomicUsize,
    gone: AtomicBool,
}

#[derive(Debug, Default)]
struct Topic {
    id: Option<TopicId>,
    cells: BTreeMap<i32, Arc<Cell>>,
}

/// One partition that a client reads.
#[derive(Debug)]
pub struct Cell {
    /// Behind the highest offset that was delivered, or told as a place to read from; −1: none.
    delivered: AtomicI64,
    /// Somebody is due to begin.
    waiting: AtomicBool,
    gone: AtomicBool,
    readers: Mutex<Vec<Reader>>,
}

#[derive(Debug)]
struct Reader {
    /// `None`: reads without one, or which one is not known.
    group: Option<Arc<str>>,
    address: Address,
    begun: bool,
    due: Due,
}

/// Where a Fetch has to begin so that it is this reader's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Nothing,
    At(i64),
    /// Where `auto.offset.reset` says. `from`: the position that was out of range.
    Reset {
        from: Option<i64>,
        latest: Option<i64>,
        other: Option<i64>,
    },
}

/// A reader began at the end of the log for lack of a better place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reset {
    pub group: Option<Arc<str>>,
    /// The position that was out of range; `None`: it had none.
    pub from: Option<i64>,
    pub to: i64,
}

/// As long as it lives, its client reads what is not seen.
#[derive(Debug)]
pub struct Unseen(Arc<Client>);

impl Default for Deliveries {
    fn default() -> Deliveries {
        Deliveries::of_capacity(CAPACITY)
    }
}

impl Deliveries {
    pub fn of_capacity(capacity: usize) -> Deliveries {
        Deliveries {
            clients: Mutex::default(),
            cells: AtomicUsize::new(0),
            capacity,
            forgotten: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            used: AtomicBool::new(false),
        }
    }

    /// The client of that id and principal, known or new. To be asked again when it [`Client::is_gone`].
    pub fn client(&self, client_id: &str, principal: Option<&Arc<str>>) -> Arc<Client> {
        let key = ClientKey {
            principal: principal.cloned(),
            client_id: client_id.into(),
        };
        let mut clients = locked(&self.clients);
        if let Some(known) = clients.get(&key) {
            return known.clone();
        }
        // There are never more than connections and cells, and what neither holds goes.
        if clients.len() >= self.capacity {
            self.sweep(&mut clients);
        }
        self.used.store(true, Ordering::Release);
        let new = Arc::new(Client::default());
        clients.insert(key, new.clone());
        new
    }

    /// The client's cell of a partition, known or new; `None`: there is no room for it.
    pub fn cell(
        &self,
        client: &Client,
        topic: &Arc<str>,
        id: Option<TopicId>,
        partition: i32,
    ) -> Option<Arc<Cell>> {
        let known = client.with_topic(topic, id, |topic| topic.cells.get(&partition).cloned());
        if let Some(Some(known)) = known {
            return Some(known);
        }
        if self.cells.load(Ordering::Relaxed) >= self.capacity && !self.makes_room() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let mut topics = locked(&client.topics);
        if client.is_gone() {
            return None;
        }
        let found = topics.entry(topic.clone()).or_insert_with(|| Topic {
            id,
            cells: BTreeMap::new(),
        });
        found.id = found.id.or(id);
        let cell = found.cells.entry(partition).or_insert_with(|| {
            self.cells.fetch_add(1, Ordering::Relaxed);
            Arc::new(Cell::new())
        });
        Some(cell.clone())
    }

    /// Something is read that nobody looks at: what was known is worth nothing any more.
    pub fn unwatched(&self) {
        // Asked for each Fetch: only read, as long as there is nothing.
        if !self.used.load(Ordering::Acquire) {
            return;
        }
        let mut clients = locked(&self.clients);
        self.used.store(false, Ordering::Release);
        for client in clients.values() {
            let mut topics = locked(&client.topics);
            client.gone.store(true, Ordering::Release);
            topics.drain().for_each(|(_, topic)| topic.end());
        }
        clients.clear();
        self.cells.store(0, Ordering::Relaxed);
    }

    /// How many partitions of clients were forgotten for lack of room, or never remembered.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed)
    }

    /// A sweep goes through everything: where it brought little, the next ones that ask are refused without.
    fn makes_room(&self) -> bool {
        const REFUSED_IN_A_ROW: u64 = 1024;
        let refused = self.refused.load(Ordering::Relaxed);
        if !refused.is_multiple_of(REFUSED_IN_A_ROW) {
            return false;
        }
        let mut clients = locked(&self.clients);
        self.sweep(&mut clients) > self.capacity / 64
    }

    /// What no connection holds goes. Returns how many cells that were.
    fn sweep(&self, clients: &mut HashMap<ClientKey, Arc<Client>>) -> usize {
        let mut forgotten = 0;
        clients.retain(|_, client| {
            let mut topics = locked(&client.topics);
            topics.retain(|_, topic| {
                let before = topic.cells.len();
                topic.cells.retain(|_, cell| {
                    let held = Arc::strong_count(cell) > 1;
                    if !held {
                        cell.gone.store(true, Ordering::Release);
                    }
                    held
                });
                forgotten += before - topic.cells.len();
                !topic.cells.is_empty()
            });
            let stays = !topics.is_empty() || Arc::strong_count(client) > 1;
            if !stays {
                client.gone.store(true, Ordering::Release);
            }
            stays
        });
        self.cells.fetch_sub(forgotten, Ordering::Relaxed);
        let told = u64::try_from(forgotten).unwrap_or(u64::MAX);
        self.forgotten.fetch_add(told, Ordering::Relaxed);
        forgotten
    }
}

impl Client {
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// From now on, until it is dropped, a connection of the client reads what is not seen.
    pub fn unseen(self: &Arc<Client>) -> Unseen {
        self.unseen.fetch_add(1, Ordering::AcqRel);
        self.doubt();
        Unseen(self.clone())
    }

    /// Nobody has begun any more.
    pub fn doubt(&self) {
        for topic in locked(&self.topics).values() {
            for cell in topic.cells.values() {
                cell.doubt();
            }
        }
    }

    /// How far a partition was delivered, if all of it was seen since that group began to read it from that address.
    pub fn delivered(
        &self,
        (topic, id): (&str, Option<TopicId>),
        partition: i32,
        group: &str,
        address: Address,
    ) -> Option<i64> {
        if self.unseen.load(Ordering::Acquire) > 0 {
            return None;
        }
        let delivered = |topic: &mut Topic| topic.cells.get(&partition)?.begun(group, address);
        self.with_topic(topic, id, delivered)?
    }

    /// A log begins, ends or has a time at that offset; `latest`: the end was asked for.
    pub fn listed(
        &self,
        (topic, id): (&str, Option<TopicId>),
        partition: i32,
        address: Address,
        (offset, latest): (i64, bool),
    ) {
        self.with_topic(topic, id, |topic| {
            if let Some(cell) = topic.cells.get(&partition) {
                cell.listed(address, offset, latest);
            }
        });
    }

    /// A topic that was created anew is another one.
    fn with_topic<T>(
        &self,
        topic: &str,
        id: Option<TopicId>,
        look: impl FnOnce(&mut Topic) -> T,
    ) -> Option<T> {
        let mut topics = locked(&self.topics);
        let found = topics.get_mut(topic)?;
        if id.is_some() && found.id.is_some() && found.id != id {
            for cell in found.cells.values() {
                cell.renew();
            }
            found.id = id;
        }
        Some(look(found))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // What seemed to begin meanwhile may have been somebody else's.
        self.0.doubt();
        self.0.unseen.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Topic {
    fn end(self) {
        for cell in self.cells.values() {
            cell.gone.store(true, Ordering::Release);
        }
    }
}

impl Cell {
    fn new() -> Cell {
        Cell {
            delivered: AtomicI64::new(-1),
            waiting: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            readers: Mutex::default(),
        }
    }

    /// Whether it stands for nothing any more: another one is to be asked for.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Records up to this offset are given to the client.
    pub fn delivered(&self, end: i64) {
        if end > self.delivered.load(Ordering::Acquire) {
            self.delivered.fetch_max(end, Ordering::AcqRel);
        }
    }

    /// A Fetch from this offset.
    pub fn read_from(&self, address: Address, offset: i64) -> Option<Reset> {
        self.delivered(offset);
        if !self.waiting.load(Ordering::Acquire) {
            return None;
        }
        let mut readers = locked(&self.readers);
        let mut reset = None;
        for reader in readers
            .iter_mut()
            .filter(|reader| reader.address == address)
        {
            match reader.due {
                Due::At(at) if at == offset => {}
                Due::Reset {
                    from,
                    latest: Some(to),
                    ..
                } if to == offset => {
                    let found = Reset {
                        group: reader.group.clone(),
                        from,
                        to,
                    };
                    reset.get_or_insert(found);
                }
                Due::Reset {
                    other: Some(other), ..
                } if other == offset => {}
                _ => continue,
            }
            (reader.begun, reader.due) = (true, Due::Nothing);
        }
        self.wait(&readers);
        reset
    }

    /// A group's offset was told to a client at that address: −1, it has none.
    pub fn committed(&self, group: &str, address: Address, offset: i64) {
        self.delivered(offset);
        let due = match offset {
            0.. => Due::At(offset),
            _ => Due::Reset {
                from: None,
                latest: None,
                other: None,
            },
        };
        let mut readers = locked(&self.readers);
        reader(&mut readers, Some(group), address).due = due;
        self.wait(&readers);
    }

    /// A position was out of range.
    pub fn out_of_range(&self, address: Address, position: i64) {
        let mut readers = locked(&self.readers);
        let here = |reader: &&Reader| reader.address == address && reader.begun;
        let mut groups = readers
            .iter()
            .filter(here)
            .filter_map(|reader| reader.group.clone());
        let group = match (groups.next(), groups.next()) {
            (Some(group), None) => Some(group),
            _ => None,
        };
        let reader = reader(&mut readers, group.as_deref(), address);
        // Asked again from where it was the first time that counts.
        if !matches!(reader.due, Due::Reset { from: Some(_), .. }) {
            reader.due = Due::Reset {
                from: Some(position),
                latest: None,
                other: None,
            };
        }
        self.wait(&readers);
    }

    fn listed(&self, address: Address, offset: i64, is_latest: bool) {
        self.delivered(offset);
        if !self.waiting.load(Ordering::Acquire) {
            return;
        }
        let mut readers = locked(&self.readers);
        let here = readers.iter_mut();
        for reader in here.filter(|reader| reader.address == address) {
            if let Due::Reset { latest, other, .. } = &mut reader.due {
                *(if is_latest { latest } else { other }) = Some(offset);
            }
        }
    }

    fn begun(&self, group: &str, address: Address) -> Option<i64> {
        let readers = locked(&self.readers);
        let begun = readers.iter().any(|reader| {
            reader.begun && reader.address == address && reader.group.as_deref() == Some(group)
        });
        begun.then(|| self.delivered.load(Ordering::Acquire))
    }

    fn doubt(&self) {
        locked(&self.readers).clear();
        self.waiting.store(false, Ordering::Release);
    }

    /// Of a topic that was created anew nothing was delivered. What was under way may still come, and makes it too high.
    fn renew(&self) {
        self.doubt();
        self.delivered.store(-1, Ordering::Release);
    }

    fn wait(&self, readers: &[Reader]) {
        let waiting = readers.iter().any(|reader| reader.due != Due::Nothing);
        self.waiting.store(waiting, Ordering::Release);
    }
}

/// That reader, known or new; the one that has been there longest makes room.
fn reader<'a>(
    readers: &'a mut Vec<Reader>,
    group: Option<&str>,
    address: Address,
) -> &'a mut Reader {
    let known = readers
        .iter()
        .position(|reader| reader.address == address && reader.group.as_deref() == group);
    let at = known.unwrap_or_else(|| {
        if readers.len() >= READERS {
            readers.remove(0);
        }
        readers.push(Reader {
            group: group.map(Arc::from),
            address,
            begun: false,
            due: Due::Nothing,
        });
        readers.len() - 1
    });
    &mut readers[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Address = Address([1; 16]);
    const THERE: Address = Address([2; 16]);
    const ID: Option<TopicId> = Some([7; 16]);

    struct Reading {
        deliveries: Deliveries,
        client: Arc<Client>,
        cell: Arc<Cell>,
    }

    impl Reading {
        fn new() -> Reading {
            let deliveries = Deliveries::default();
            let client = deliveries.client("app", None);
            let cell = deliveries
                .cell(&client, &Arc::from("orders"), ID, 0)
                .expect("room");
            Reading {
                deliveries,
                client,
                cell,
            }
        }

        fn known(&self, group: &str, address: Address) -> Option<i64> {
            self.client.delivered(("orders", ID), 0, group, address)
        }

        fn listed(&self, address: Address, offset: i64, latest: bool) {
            let topic = ("orders", ID);
            self.client.listed(topic, 0, address, (offset, latest));
        }
    }

    #[test]
    fn a_group_has_begun_when_a_fetch_comes_from_where_its_offset_is_and_not_before() {
        let reading = Reading::new();
        reading.cell.read_from(HERE, 900);
        reading.cell.committed("g", HERE, 40);
        assert_eq!(reading.known("g", HERE), None);
        for (address, offset) in [(HERE, 41), (THERE, 40)] {
            assert_eq!(reading.cell.read_from(address, offset), None);
            assert_eq!(reading.known("g", HERE), None, "{address:?} {offset}");
        }
        reading.cell.read_from(HERE, 40);
        // Whatever anybody of that name was given.
        assert_eq!(reading.known("g", HERE), Some(900));
        assert_eq!(reading.known("g", THERE), None);
        assert_eq!(reading.known("h", HERE), None);
        reading.cell.delivered(950);
        reading.cell.delivered(10);
        assert_eq!(reading.known("g", HERE), Some(950));
        reading.listed(THERE, 1000, false);
        assert_eq!(reading.known("g", HERE), Some(1000));
    }

    #[test]
    fn a_group_without_an_offset_begins_where_the_log_was_said_to_begin_or_end() {
        for (latest, expected) in [(false, None), (true, Some(500))] {
            let reading = Reading::new();
            reading.cell.committed("g", HERE, -1);
            reading.listed(HERE, 500, latest);
            reading.listed(HERE, 3, !latest);
            let reset = reading.cell.read_from(HERE, 500);
            assert_eq!(reset.map(|reset| reset.to), expected);
            assert_eq!(reading.known("g", HERE), Some(500));
            assert_eq!(reading.cell.read_from(HERE, 3), None, "it has begun");
        }
    }

    #[test]
    fn a_position_out_of_range_is_of_the_only_group_that_reads_there_or_of_none() {
        for (groups, expected) in [(&[][..], None), (&["g"], Some("g")), (&["g", "h"], None)] {
            let reading = Reading::new();
            for group in groups {
                reading.cell.committed(group, HERE, 40);
            }
            reading.cell.read_from(HERE, 40);
            reading.cell.out_of_range(HERE, 40);
            reading.cell.out_of_range(HERE, 45);
            reading.listed(HERE, 500, true);
            assert_eq!(reading.cell.read_from(THERE, 500), None);
            let reset = reading.cell.read_from(HERE, 500).expect("a reset");
            assert_eq!((reset.from, reset.to), (Some(40), 500));
            assert_eq!(reset.group.as_deref(), expected);
        }
    }

    #[test]
    fn nothing_has_begun_while_something_is_not_seen_nor_after_it() {
        let reading = Reading::new();
        let begin = || {
            reading.cell.committed("g", HERE, 40);
            reading.cell.read_from(HERE, 40);
        };
        begin();
        let unseen = reading.client.unseen();
        assert_eq!(reading.known("g", HERE), None);
        begin();
        assert_eq!(reading.known("g", HERE), None);
        drop(unseen);
        assert_eq!(reading.known("g", HERE), None);
        begin();
        assert_eq!(reading.known("g", HERE), Some(40));
        reading.deliveries.unwatched();
        assert!(reading.cell.is_gone() && reading.client.is_gone());
        assert_eq!(reading.known("g", HERE), None);
        assert!(!Arc::ptr_eq(
            &reading.client,
            &reading.deliveries.client("app", None)
        ));
    }

    #[test]
    fn a_topic_created_anew_was_not_read() {
        let reading = Reading::new();
        reading.cell.committed("g", HERE, 40);
        reading.cell.read_from(HERE, 40);
        let anew = Some([8; 16]);
        let known = |id| reading.client.delivered(("orders", id), 0, "g", HERE);
        assert_eq!(known(None), Some(40));
        assert_eq!(known(anew), None);
        reading.cell.committed("g", HERE, 3);
        reading.cell.read_from(HERE, 3);
        assert_eq!(known(anew), Some(3));
    }

    #[test]
    fn what_no_connection_holds_is_forgotten_first_and_the_rest_is_refused() {
        let deliveries = Deliveries::of_capacity(4);
        let client = deliveries.client("app", None);
        let topic: Arc<str> = "orders".into();
        let cell = |index| deliveries.cell(&client, &topic, ID, index);
        let held: Vec<_> = (0..2).map(|index| cell(index).expect("room")).collect();
        (2..4).for_each(|index| drop(cell(index)));
        assert!(cell(4).is_some());
        assert_eq!(deliveries.forgotten(), 2);
        assert!(held.iter().all(|cell| !cell.is_gone()));
        let more: Vec<_> = (4..6).map(|index| cell(index).expect("room")).collect();
        assert!(cell(6).is_none());
        assert_eq!((deliveries.forgotten(), more.len()), (3, 2));
        for id in 0..10 {
            deliveries.client(&id.to_string(), None);
        }
        assert!(locked(&deliveries.clients).len() <= 5);
    }

    #[test]
    fn groups_of_one_partition_are_bounded() {
        let reading = Reading::new();
        for group in 0..100 {
            reading.cell.committed(&group.to_string(), HERE, 40);
        }
        reading.cell.read_from(HERE, 40);
        assert_eq!(reading.known("0", HERE), None);
        assert_eq!(reading.known("99", HERE), Some(40));
        assert_eq!(locked(&reading.cell.readers).len(), READERS);
    }
}
