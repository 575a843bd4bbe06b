//! The brokers: librdkafka's mock cluster of three, or a real cluster with a topic that goes away again.
//!
//! The mock advertises its own addresses, as real brokers do; what clients are told instead is Holdfast's business.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const PARTITIONS: i32 = 3;
const REPLICATION_FACTOR: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Cluster {
    pub bootstrap_servers: String,
    pub node_ids: Vec<i32>,
    pub topic: String,
    brokers: Brokers,
}

enum Brokers {
    /// Lives as long as this value.
    Mock(
        #[expect(dead_code, reason = "held, not used")]
        MockCluster<'static, DefaultProducerContext>,
    ),
    Real(AdminClient<DefaultClientContext>),
}

impl Cluster {
    pub fn start(bootstrap_servers: Option<&str>) -> Result<Cluster, String> {
        match bootstrap_servers {
            Some(servers) => Cluster::real(servers),
            None => Cluster::mock().map_err(|error| format!("the mock cluster: {error}")),
        }
    }

    fn mock() -> Result<Cluster, rdkafka::error::KafkaError> {
        let mock = MockCluster::new(3)?;
        // The mock of librdkafka 2.12 ends a flexible Metadata answer with one byte too many, which Holdfast refuses as it
        // refuses all that Kafka's schemas do not allow. Version 8 is the last that is not flexible.
        mock.apiversion(RDKafkaApiKey::Metadata, Some(0), Some(8))?;
        let topic = "holdfast-demo".to_owned();
        mock.create_topic(&topic, PARTITIONS, REPLICATION_FACTOR)?;
        Ok(Cluster {
            bootstrap_servers: mock.bootstrap_servers(),
            node_ids: vec![1, 2, 3],
            topic,
            brokers: Brokers::Mock(mock),
        })
    }

    fn real(servers: &str) -> Result<Cluster, String> {
        let failed = |error| format!("the cluster at {servers}: {error}");
        let config = config(servers);
        let asker: BaseConsumer = config.create().map_err(failed)?;
        let metadata = asker.fetch_metadata(None, PATIENCE).map_err(failed)?;
        let mut node_ids: Vec<i32> = metadata
            .brokers()
            .iter()
            .map(|broker| broker.id())
            .collect();
        node_ids.sort_unstable();

        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let topic = format!("holdfast-demo-{}", seconds.as_secs());
        let admin: AdminClient<DefaultClientContext> = config.create().map_err(failed)?;
        let wanted = NewTopic::new(
            &topic,
            PARTITIONS,
            TopicReplication::Fixed(REPLICATION_FACTOR),
        );
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let created = wait_for(admin.create_topics([&wanted], &options)).map_err(failed)?;
        if let Some(Err((name, code))) = created.into_iter().next() {
            return Err(format!("topic {name} could not be created: {code}"));
        }
        Ok(Cluster {
            bootstrap_servers: servers.to_owned(),
            node_ids,
            topic,
            brokers: Brokers::Real(admin),
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Brokers::Real(admin) = &self.brokers {
            let deleted = wait_for(admin.delete_topics(&[&self.topic], &AdminOptions::new()));
            if !matches!(deleted.as_deref(), Ok([Ok(_)])) {
                eprintln!("holdfast-demo: topic {} could not be deleted", self.topic);
            }
        }
    }
}

fn config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("group.id", "holdfast-demo");
    config
}

fn wait_for<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for admin calls")
        .block_on(future)
}
