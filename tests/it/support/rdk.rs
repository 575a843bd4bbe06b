//! librdkafka as a client: a producer that remembers per id what it was told, and consumers. Ids are the keys, in
//! decimal, so that what was told and what is stored can be compared record by record, not by counts.

use rdkafka::Message;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

// ------------------------------------------------------------------------------------------------------ producing

/// How a producer is configured. Batches of at most 100 records and 5 ms, so that a run has many requests.
#[derive(Clone, Debug)]
pub struct Settings(ClientConfig);

impl Settings {
    /// `acks`: "0", "1" or "all".
    pub fn acks(acks: &str) -> Settings {
        let mut config = ClientConfig::new();
        config
            .set("acks", acks)
            .set("enable.idempotence", "false")
            .set("message.timeout.ms", "30000");
        config
            .set("batch.num.messages", "100")
            .set("linger.ms", "5")
            .set("socket.timeout.ms", "10000");
        Settings(config)
    }

    /// acks=all with a producer id and sequences.
    pub fn idempotent() -> Settings {
        Settings::acks("all").set("enable.idempotence", "true")
    }

    /// Any of librdkafka's keys.
    pub fn set(mut self, key: &str, value: &str) -> Settings {
        self.0.set(key, value);
        self
    }
}

/// What a producer was told about each id, so far.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Partition and offset; the offset is -1 when the client was given none (acks=0).
    pub ok: BTreeMap<u64, (i32, i64)>,
    pub failed: BTreeMap<u64, RDKafkaErrorCode>,
    /// Handed over and not reported either way.
    pub unreported: BTreeSet<u64>,
    /// When a record of each partition was last told ok, and the longest time between two of one.
    last_ok: BTreeMap<i32, Instant>,
    longest_gap: Duration,
}

impl Told {
    pub fn ok_ids(&self) -> BTreeSet<u64> {
        self.ok.keys().copied().collect()
    }

    /// Told ok and not among `stored`: lost without a word.
    pub fn lost(&self, stored: &[Record]) -> BTreeSet<u64> {
        let stored = ids(stored);
        self.ok
            .keys()
            .filter(|id| !stored.contains(id))
            .copied()
            .collect()
    }
}

#[derive(Default)]
struct Reports(Mutex<Told>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let id = id as u64;
        let mut told = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        told.unreported.remove(&id);
        match result {
            Ok(message) => {
                let (partition, now) = (message.partition(), Instant::now());
                if let Some(last) = told.last_ok.insert(partition, now) {
                    told.longest_gap = told.longest_gap.max(now - last);
                }
                told.ok.insert(id, (partition, message.offset())).map(drop)
            }
            Err((error, _)) => told
                .failed
                .insert(
                    id,
                    error
                        .rdkafka_error_code()
                        .unwrap_or(RDKafkaErrorCode::Unknown),
                )
                .map(drop),
        };
    }
}

/// A producer that keeps account of every id. It polls on a thread of its own.
pub struct IdProducer {
    producer: ThreadedProducer<Reports>,
    topic: String,
}

impl IdProducer {
    #[track_caller]
    pub fn new(bootstrap: &str, topic: &str, settings: &Settings) -> IdProducer {
        let mut config = settings.0.clone();
        config.set("bootstrap.servers", bootstrap);
        let producer = config
            .create_with_context(Reports::default())
            .expect("a producer");
        IdProducer {
            producer,
            topic: topic.into(),
        }
    }

    /// Hands over one record whose key is `id`; waits while librdkafka's queue is full. None: the partition that the
    /// key hashes to.
    #[track_caller]
    pub fn send(&self, id: u64, value_bytes: usize, partition: Option<i32>) {
        self.send_dated(id, value_bytes, partition, None);
    }

    /// The same with a timestamp, in milliseconds since 1970; None: now.
    #[track_caller]
    pub fn send_dated(
        &self,
        id: u64,
        value_bytes: usize,
        partition: Option<i32>,
        timestamp_ms: Option<i64>,
    ) {
        let (key, value) = (id.to_string(), vec![b'v'; value_bytes]);
        self.reports().unreported.insert(id);
        let mut record = BaseRecord::with_opaque_to(&self.topic, id as usize)
            .key(&key)
            .payload(&value);
        record.partition = partition;
        record.timestamp = timestamp_ms;
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    record = returned;
                    thread::sleep(Duration::from_millis(5));
                }
                // Refused before it was queued (larger than message.max.bytes): there will be no report.
                Err((error, _)) => {
                    let mut told = self.reports();
                    told.unreported.remove(&id);
                    told.failed.insert(
                        id,
                        error
                            .rdkafka_error_code()
                            .unwrap_or(RDKafkaErrorCode::Unknown),
                    );
                    return;
                }
            }
        }
    }

    /// One transaction (`transactional.id` is among the settings): everything that `produce` hands over is in the log
    /// before it is committed or aborted. `patience` for each step.
    #[track_caller]
    pub fn transact(&self, commit: bool, patience: Duration, produce: impl FnOnce(&IdProducer)) {
        let transactions = &self.producer;
        transactions.begin_transaction().expect("a transaction");
        produce(self);
        transactions.flush(patience).expect("every record reported");
        let ended = match commit {
            true => transactions.commit_transaction(patience),
            false => transactions.abort_transaction(patience),
        };
        ended.expect("the end of the transaction");
    }

    /// Once, before the first `transact`.
    #[track_caller]
    pub fn init_transactions(&self, patience: Duration) {
        let begun = self.producer.init_transactions(patience);
        begun.expect("a transaction coordinator");
    }

    /// What was told until now.
    pub fn told(&self) -> Told {
        self.reports().clone()
    }

    /// The longest time between two records told ok of one partition, since it was asked last.
    pub fn longest_gap(&self) -> Duration {
        std::mem::take(&mut self.reports().longest_gap)
    }

    /// Waits until every record is reported, `timeout` at most.
    pub fn finish(self, timeout: Duration) -> Told {
        let _ = self.producer.flush(timeout);
        self.told()
    }

    fn reports(&self) -> std::sync::MutexGuard<'_, Told> {
        self.producer
            .context()
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Produces `ids` as fast as the client takes them, over all partitions, and waits for every report.
#[track_caller]
pub fn produce_ids(
    bootstrap: &str,
    topic: &str,
    ids: std::ops::Range<u64>,
    value_bytes: usize,
    settings: &Settings,
) -> Told {
    let producer = IdProducer::new(bootstrap, topic, settings);
    for id in ids {
        producer.send(id, value_bytes, None);
    }
    producer.finish(Duration::from_secs(60))
}

// ------------------------------------------------------------------------------------------------------ consuming

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Record {
    /// The id that is its key.
    #[track_caller]
    pub fn id(&self) -> u64 {
        let key = self
            .key
            .as_deref()
            .and_then(|key| std::str::from_utf8(key).ok());
        key.and_then(|key| key.parse().ok())
            .unwrap_or_else(|| panic!("no id in the key of {self:?}"))
    }

    fn of(message: &BorrowedMessage<'_>) -> Record {
        Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
        }
    }
}

pub fn ids(records: &[Record]) -> BTreeSet<u64> {
    records.iter().map(Record::id).collect()
}

/// Ids that are stored more than once, each with how often.
pub fn duplicates(records: &[Record]) -> BTreeMap<u64, usize> {
    let mut count = BTreeMap::new();
    for record in records {
        *count.entry(record.id()).or_insert(0) += 1;
    }
    count.retain(|_, times| *times > 1);
    count
}

/// A consumer of `group` that begins at the start; librdkafka's keys over the defaults.
#[track_caller]
pub fn consumer(bootstrap: &str, group: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group);
    config
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().expect("a consumer")
}

/// All records up to the end of every partition, by a fresh consumer without a group. A partition's end is what its
/// leader says when the consumer meets it, which is the last stable offset for ReadCommitted.
#[track_caller]
pub fn read_all(bootstrap: &str, topic: &str, isolation: Isolation) -> Vec<Record> {
    let consumer = reader(bootstrap, isolation);
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(30))
        .expect("metadata of the topic");
    let partitions: Vec<i32> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|p| p.id())
        .collect();
    assert!(!partitions.is_empty(), "{topic} has no partitions");
    assign_and_read(&consumer, topic, &partitions)
}

/// The same of some partitions, where others have no leader.
#[track_caller]
pub fn read_partitions(
    bootstrap: &str,
    topic: &str,
    partitions: &[i32],
    isolation: Isolation,
) -> Vec<Record> {
    assign_and_read(&reader(bootstrap, isolation), topic, partitions)
}

#[track_caller]
fn reader(bootstrap: &str, isolation: Isolation) -> BaseConsumer {
    let level = match isolation {
        Isolation::ReadUncommitted => "read_uncommitted",
        Isolation::ReadCommitted => "read_committed",
    };
    let settings = [("enable.partition.eof", "true"), ("isolation.level", level)];
    consumer(bootstrap, "read-all", &settings)
}

#[track_caller]
fn assign_and_read(consumer: &BaseConsumer, topic: &str, partitions: &[i32]) -> Vec<Record> {
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment
            .add_partition_offset(topic, *partition, Offset::Beginning)
            .expect("a valid offset");
    }
    consumer.assign(&assignment).expect("an assignment");
    read_to_the_end(consumer, topic, partitions)
}

/// What a consumer that has, or is given, these partitions of `topic` reads until it is told of each one's end
/// (`enable.partition.eof`).
#[track_caller]
pub fn read_to_the_end(consumer: &BaseConsumer, topic: &str, partitions: &[i32]) -> Vec<Record> {
    let mut unfinished: BTreeSet<i32> = partitions.iter().copied().collect();
    let mut records = Vec::new();
    let mut quiet_since = Instant::now();
    while !unfinished.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                records.push(Record::of(&message));
                quiet_since = Instant::now();
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unfinished.remove(&partition);
            }
            // Transport errors pass by themselves; what does not pass ends in the panic below.
            Some(Err(_)) | None => {}
        }
        let quiet = quiet_since.elapsed();
        assert!(
            quiet < Duration::from_secs(30),
            "{topic}: nothing for {quiet:?}, not at the end of {unfinished:?}"
        );
    }
    records
}

/// Joins `group`, reads until `count` records have come, commits them. `settings` may name `group.protocol`.
#[track_caller]
pub fn consume(
    bootstrap: &str,
    group: &str,
    topic: &str,
    count: usize,
    settings: &[(&str, &str)],
    timeout: Duration,
) -> Vec<Record> {
    let consumer = consumer(bootstrap, group, settings);
    consumer.subscribe(&[topic]).expect("a subscription");
    let (begun, mut records, mut last_error) = (Instant::now(), Vec::new(), None);
    while records.len() < count {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => records.push(Record::of(&message)),
            Some(Err(error)) => last_error = Some(error),
            None => {}
        }
        let so_far = records.len();
        assert!(
            begun.elapsed() < timeout,
            "{so_far} of {count} records after {timeout:?}, last error {last_error:?}"
        );
    }
    consumer
        .commit_consumer_state(CommitMode::Sync)
        .expect("a commit");
    records
}

// -------------------------------------------------------------------------------------------------- administering

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.create().expect("an admin client")
}

fn within() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(20)))
        .operation_timeout(Some(Duration::from_secs(20)))
}

fn run<T>(call: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(call)
}

/// Runs a call to its end; what it says of the one thing that was named.
fn call<T, Name: Debug>(
    call: impl Future<Output = KafkaResult<Vec<Result<T, (Name, RDKafkaErrorCode)>>>>,
) -> Result<(), RDKafkaErrorCode> {
    let said = run(call).map_err(|error| {
        error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown)
    })?;
    match said.into_iter().next() {
        Some(Ok(_)) => Ok(()),
        Some(Err((_, code))) => Err(code),
        None => Err(RDKafkaErrorCode::Unknown),
    }
}

/// CreatePartitions: the topic is to have `count` of them.
pub fn grow(bootstrap: &str, topic: &str, count: usize) -> Result<(), RDKafkaErrorCode> {
    let partitions = [NewPartitions::new(topic, count)];
    call(admin(bootstrap).create_partitions(&partitions, &within()))
}

/// DeleteTopics.
#[track_caller]
pub fn delete_topic(bootstrap: &str, topic: &str) {
    let deleted = call(admin(bootstrap).delete_topics(&[topic], &within()));
    deleted.expect("a topic that is there can be deleted");
}

/// DeleteGroups.
pub fn delete_group(bootstrap: &str, group: &str) -> Result<(), RDKafkaErrorCode> {
    call(admin(bootstrap).delete_groups(&[group], &within()))
}

/// AlterConfigs, which takes back every key of the topic that is not among these. What is said of the topic this binding keeps
/// to itself.
#[track_caller]
pub fn replace_configs(bootstrap: &str, topic: &str, configs: &[(&str, &str)]) {
    let config = AlterConfig::new(ResourceSpecifier::Topic(topic));
    let config = configs
        .iter()
        .fold(config, |config, (key, value)| config.set(key, value));
    let configs = [config];
    let admin = admin(bootstrap);
    let said = run(admin.alter_configs(&configs, &within()));
    said.expect("an answer");
}
