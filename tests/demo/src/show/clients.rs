//! Three producers, each with one fault that is common in the wild, and the consumer that tells what became of their records.
//!
//! All are librdkafka. Every record has the name of its producer as key and its number in front of its value, so that the
//! consumer can tell a record that is missing from one that was stored twice.

use crate::cluster::PARTITIONS;
use holdfast_demo::numbers::{self, Numbers, OVERSIZED_BYTES};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const PERIOD: Duration = Duration::from_millis(100);
const FLUSH: Duration = Duration::from_secs(10);

/// A producer's fault and what it sends every period.
struct Fault {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// Bytes of each record that is sent in the `n`th period.
    sizes: fn(u64) -> Vec<usize>,
}

const FAULTS: [Fault; 3] = [
    Fault {
        name: "acks=0",
        settings: &[("acks", "0"), ("linger.ms", "5")],
        sizes: |_| vec![200; 20],
    },
    Fault {
        name: "acks=1",
        settings: &[("acks", "1"), ("linger.ms", "5")],
        sizes: |_| vec![200; 20],
    },
    Fault {
        name: "oversized",
        // One record per batch: then refused batches and refused records are the same number.
        settings: &[("acks", "all"), ("batch.num.messages", "1")],
        sizes: |n| vec![if n % 3 == 2 { OVERSIZED_BYTES } else { 1 << 10 }],
    },
];

pub struct Clients {
    producers: Vec<JoinHandle<()>>,
    consumer: Option<JoinHandle<()>>,
    counts: [Arc<Counts>; 3],
    producers_end: Arc<AtomicBool>,
    consumer_ends: Arc<AtomicBool>,
}

/// Of one producer, and of the consumer for its records.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    told_ok: AtomicU64,
    told_too_large: AtomicU64,
    told_other: AtomicU64,
    read_twice: AtomicU64,
    read: Mutex<HashSet<u64>>,
}

impl Clients {
    pub fn start(bootstrap_servers: &str, topic: &str) -> Result<Clients, String> {
        let mut clients = Clients {
            producers: Vec::new(),
            consumer: None,
            counts: Default::default(),
            producers_end: Arc::default(),
            consumer_ends: Arc::default(),
        };
        clients
            .start_all(bootstrap_servers, topic)
            .map_err(|error| format!("a client cannot be started: {error}"))?;
        Ok(clients)
    }

    /// Returns when each producer has been told the outcome of each of its records.
    pub fn end_producers(&mut self) {
        self.producers_end.store(true, Ordering::Relaxed);
        for producer in self.producers.drain(..) {
            // A panic has already been printed; the numbers will disagree.
            let _ = producer.join();
        }
    }

    /// All but Holdfast's own.
    pub fn numbers(&self) -> Numbers {
        let [acks_none, acks_leader, oversized] =
            std::array::from_fn(|at| self.counts[at].snapshot());
        Numbers {
            acks_none,
            acks_leader,
            oversized,
            ..Numbers::default()
        }
    }

    fn start_all(&mut self, bootstrap_servers: &str, topic: &str) -> Result<(), KafkaError> {
        let consumer = consumer(bootstrap_servers, topic)?;
        let (counts, end) = (self.counts.clone(), Arc::clone(&self.consumer_ends));
        self.consumer = Some(thread::spawn(move || consume(&consumer, &counts, &end)));
        for (fault, counts) in FAULTS.iter().zip(&self.counts) {
            let producer = producer(bootstrap_servers, fault, Arc::clone(counts))?;
            let (topic, end) = (topic.to_owned(), Arc::clone(&self.producers_end));
            let counts = Arc::clone(counts);
            self.producers.push(thread::spawn(move || {
                produce(&producer, fault, &topic, &counts, &end);
            }));
        }
        Ok(())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.end_producers();
        self.consumer_ends.store(true, Ordering::Relaxed);
        if let Some(consumer) = self.consumer.take() {
            let _ = consumer.join();
        }
    }
}

impl Counts {
    fn snapshot(&self) -> numbers::Client {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        numbers::Client {
            sent: of(&self.sent),
            told_ok: of(&self.told_ok),
            told_too_large: of(&self.told_too_large),
            told_other: of(&self.told_other),
            read: self.read.lock().expect("no reader panics").len() as u64,
            read_twice: of(&self.read_twice),
        }
    }
}

/// Counts what librdkafka tells the application.
struct Told(Arc<Counts>);

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = match result {
            Ok(_) => &self.0.told_ok,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => {
                &self.0.told_too_large
            }
            Err(_) => &self.0.told_other,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn producer(
    bootstrap_servers: &str,
    fault: &Fault,
    counts: Arc<Counts>,
) -> Result<ThreadedProducer<Told>, KafkaError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap_servers).set(
        "client.id",
        format!("demo-{}", fault.name.replace('=', "-")),
    );
    for (key, value) in fault.settings {
        config.set(*key, *value);
    }
    config.create_with_context(Told(counts))
}

fn produce(
    producer: &ThreadedProducer<Told>,
    fault: &Fault,
    topic: &str,
    counts: &Counts,
    end: &AtomicBool,
) {
    let mut number = 0_u64;
    for period in 0.. {
        if end.load(Ordering::Relaxed) {
            break;
        }
        for size in (fault.sizes)(period) {
            let mut value = vec![b'.'; size];
            value[..8].copy_from_slice(&number.to_be_bytes());
            let partition = (number % PARTITIONS as u64) as i32;
            let record = BaseRecord::to(topic)
                .key(fault.name)
                .payload(&value)
                .partition(partition);
            // A full queue is a broker that does not answer: the record is never sent and takes no number.
            if producer.send(record).is_ok() {
                number += 1;
                counts.sent.store(number, Ordering::Relaxed);
            }
        }
        thread::sleep(PERIOD);
    }
    // What is not answered by then shows as a disagreement.
    let _ = producer.flush(FLUSH);
}

fn consumer(bootstrap_servers: &str, topic: &str) -> Result<BaseConsumer, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap_servers)
        .set("client.id", "demo-consumer")
        .set("group.id", "holdfast-demo")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

fn consume(consumer: &BaseConsumer, counts: &[Arc<Counts>; 3], end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        // Errors are reported while a broker is away and pass; a record that stays away shows in the numbers.
        let Some(Ok(message)) = consumer.poll(PERIOD) else {
            continue;
        };
        let of_producer = FAULTS
            .iter()
            .zip(counts)
            .find(|(fault, _)| message.key() == Some(fault.name.as_bytes()));
        let number = message.payload().and_then(|value| value.first_chunk::<8>());
        if let (Some((_, counts)), Some(number)) = (of_producer, number) {
            let mut read = counts.read.lock().expect("no reader panics");
            if !read.insert(u64::from_be_bytes(*number)) {
                counts.read_twice.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
