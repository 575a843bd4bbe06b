//! What the watch asks brokers, and what it takes from their answers.
//!
//! Floor 5. Does not decide when to ask, nor whom; does not keep anything.

use super::link::{Dialing, Failure, Link, walk};
use crate::cluster::configs::{self, Held};
use crate::cluster::{
    Broker, Configs, GroupOffset, Keeping, LogEnd, Look, PartitionFacts, TopicConfig, TopicFacts,
    TopicId,
};
use crate::proxy::settings::HostPort;
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::endpoints::{self, MetadataPartition, MetadataVisitor};
use crate::wire::offsets;
use crate::wire::produce::TopicKey;
use crate::wire::schema::{self, Name, Value, Visitor};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    BrokerId, DescribeConfigsRequest, FindCoordinatorRequest, GroupId,
    IncrementalAlterConfigsRequest, ListOffsetsRequest, MetadataRequest, OffsetFetchRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Resources per DescribeConfigs request.
const CHUNK: usize = 1000;
/// `ConfigResource.Type`.
pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;

/// One look at brokers and at these topics. Ids are asked for apart: a broker that sees one id takes no names
/// (`KafkaApis.handleTopicMetadataRequest`).
pub async fn look(
    link: &mut Link,
    number: u64,
    names: &[Arc<str>],
    ids: &[TopicId],
    dialing: &Dialing,
) -> Result<Look, Failure> {
    let mut look = metadata(link, names.iter().map(by_name).collect(), dialing).await?;
    // Ids can be asked for from version 12 on; a broker that is older has not told any client of one.
    if !ids.is_empty() && link.metadata_version >= 12 {
        let named = metadata(link, ids.iter().map(by_id).collect(), dialing).await?;
        look.topics.extend(named.topics);
        look.gone_ids = named.gone_ids;
    }
    look.number = number;
    match look.brokers.is_empty() {
        // A broker that has just started may not have heard of any, itself included.
        true => Err(Failure::NoBrokers),
        false => Ok(look),
    }
}

fn by_name(name: &Arc<str>) -> MetadataRequestTopic {
    let name = TopicName(StrBytes::from_string(name.to_string()));
    MetadataRequestTopic::default().with_name(Some(name))
}

/// kafka-protocol's `Uuid` comes from a crate that is not ours to name; it is read from its text, which cannot fail.
fn by_id(id: &TopicId) -> MetadataRequestTopic {
    let text = format!("{:032x}", u128::from_be_bytes(*id));
    MetadataRequestTopic::default()
        .with_topic_id(text.parse().unwrap_or_default())
        .with_name(None)
}

/// These topics as the broker at the other end has them now, without their configs.
pub async fn topics(
    link: &mut Link,
    names: &[Arc<str>],
    dialing: &Dialing,
) -> Result<Vec<TopicFacts>, Failure> {
    let look = metadata(link, names.iter().map(by_name).collect(), dialing).await?;
    Ok(look.topics)
}

async fn metadata(
    link: &mut Link,
    topics: Vec<MetadataRequestTopic>,
    dialing: &Dialing,
) -> Result<Look, Failure> {
    let request = MetadataRequest::default()
        .with_topics(Some(topics))
        .with_allow_auto_topic_creation(false);
    let version = link.metadata_version;
    let body = link.call(version, &request, dialing).await?;
    let mut seen = Seen::default();
    endpoints::read_metadata(version, &body, &mut seen).map_err(|reason| Failure::Malformed {
        api: ApiKey::METADATA.name(),
        reason,
    })?;
    let mut look = seen.look;
    look.topics.retain(|topic| !topic.name.is_empty());
    Ok(look)
}

#[derive(Default)]
struct Seen {
    look: Look,
}

impl MetadataVisitor for Seen {
    fn broker(&mut self, node_id: i32, host: &str, port: i32, rack: Option<&str>) {
        // Port 0 and host "" are what a listener without an address shows: nothing to connect to.
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        if let (Some(port), false, 0..) = (port, host.is_empty(), node_id) {
            let broker = Broker {
                host: host.to_owned(),
                port,
                rack: rack.map(str::to_owned),
            };
            self.look.brokers.push((node_id, broker));
        }
    }

    fn topic(&mut self, error_code: ErrorCode, name: Option<&str>, id: Option<TopicId>) {
        match (error_code, name, id) {
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(name), _) => {
                self.look.gone.push(name.into());
            }
            (ErrorCode::UNKNOWN_TOPIC_ID, _, Some(id)) => self.look.gone_ids.push(id),
            _ => {}
        }
        // One with an error keeps its place, nameless, so that its partitions are not taken for another's.
        let name = name
            .filter(|_| error_code == ErrorCode::NONE)
            .unwrap_or_default();
        self.look.topics.push(TopicFacts {
            name: name.into(),
            id,
            max_message_bytes: None,
            min_insync_replicas: None,
            keeping: Keeping::default(),
            configs: None,
            partitions: Vec::new(),
        });
    }

    fn partition(&mut self, partition: MetadataPartition) {
        if let Some(topic) = self.look.topics.last_mut() {
            topic.partitions.push(PartitionFacts {
                index: partition.index,
                leader: partition.leader_id,
                replicas: u16::try_from(partition.replicas).unwrap_or(u16::MAX),
                in_sync_replicas: u16::try_from(partition.in_sync_replicas).unwrap_or(u16::MAX),
            });
        }
    }
}

/// The configs of these topics; one that the broker does not tell (no such topic, no right) is left out.
pub async fn topic_configs(
    link: &mut Link,
    names: &[Arc<str>],
    dialing: &Dialing,
) -> Result<Vec<(Arc<str>, TopicConfig)>, Failure> {
    let keys = configs::KEYS;
    let mut configs = Vec::new();
    for chunk in names.chunks(CHUNK) {
        let names = chunk.iter().map(|name| &**name);
        for told in describe(link, TOPIC, names, &keys, true, dialing).await? {
            let config = TopicConfig {
                max_message_bytes: told.number("max.message.bytes"),
                min_insync_replicas: told.number("min.insync.replicas"),
                keeping: told.keeping(),
                configs: told.held(),
            };
            configs.push((told.resource.into(), config));
        }
    }
    Ok(configs)
}

/// Configs that a broker tells of itself only; `None`: it does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrokerConfig {
    pub socket_request_max_bytes: Option<u32>,
    pub offsets_retention_minutes: Option<i32>,
}

/// The configs of the broker at the other end, which alone can tell them.
pub async fn broker_config(
    link: &mut Link,
    node_id: i32,
    dialing: &Dialing,
) -> Result<BrokerConfig, Failure> {
    const KEYS: [&str; 2] = ["socket.request.max.bytes", "offsets.retention.minutes"];
    let node_id = node_id.to_string();
    let names = [node_id.as_str()].into_iter();
    let told = describe(link, BROKER, names, &KEYS, false, dialing).await?;
    Ok(BrokerConfig {
        socket_request_max_bytes: told.iter().find_map(|told| told.number(KEYS[0])),
        offsets_retention_minutes: told.iter().find_map(|told| told.number(KEYS[1])),
    })
}

/// Where the logs of these partitions end, as far as the server leads them and knows. In the order of topics.
pub async fn log_ends(
    link: &mut Link,
    partitions: &BTreeSet<(Arc<str>, i32)>,
    dialing: &Dialing,
) -> Result<Vec<LogEnd>, Failure> {
    const LATEST: i64 = -1;
    let Some(version) = link.list_offsets_version else {
        return Ok(Vec::new());
    };
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (name, index) in partitions {
        if topics.last().is_none_or(|topic| **topic.name != **name) {
            let name = TopicName(StrBytes::from_string(name.to_string()));
            topics.push(ListOffsetsTopic::default().with_name(name));
        }
        let partition = ListOffsetsPartition::default()
            .with_partition_index(*index)
            .with_timestamp(LATEST);
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    // read_uncommitted (0): what a transaction has written and not ended yet may be committed by who reads so.
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics);
    let body = link.call(version, &request, dialing).await?;
    let mut answer = Ends::default();
    walk(&schema::LIST_OFFSETS_RESPONSE, version, &body, &mut answer)?;
    Ok(answer.ends)
}

/// Reads a ListOffsets answer.
#[derive(Default)]
struct Ends {
    ends: Vec<LogEnd>,
    topic: Arc<str>,
    index: i32,
    error: bool,
    offset: i64,
}

impl Visitor<'_> for Ends {
    fn leave(&mut self, name: Name, _range: Range<usize>) {
        if name == Name::Partitions && !self.error && self.offset >= 0 {
            self.ends.push(LogEnd {
                topic: self.topic.clone(),
                partition: self.index,
                offset: self.offset,
            });
        }
    }

    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        match (name, value) {
            (Name::Name, value) => self.topic = value.as_str().unwrap_or_default().into(),
            (Name::PartitionIndex, Value::I32(index)) => self.index = index,
            (Name::ErrorCode, Value::I16(code)) => self.error = code != 0,
            (Name::Offset, Value::I64(offset)) => self.offset = offset,
            _ => {}
        }
    }
}

/// Which broker keeps a group's offsets.
pub async fn coordinator(
    link: &mut Link,
    group: &str,
    dialing: &Dialing,
) -> Result<HostPort, Failure> {
    // From version 4 on several groups are asked for, which is of no use here.
    let version = link.version(ApiKey::FIND_COORDINATOR, 0, 3)?;
    let request =
        FindCoordinatorRequest::default().with_key(StrBytes::from_string(group.to_owned()));
    let body = link.call(version, &request, dialing).await?;
    let mut answer = Coordinator::default();
    walk(
        &schema::FIND_COORDINATOR_RESPONSE,
        version,
        &body,
        &mut answer,
    )?;
    let port = u16::try_from(answer.port).ok().filter(|port| *port > 0);
    match (answer.error_code, port) {
        (ErrorCode::NONE, Some(port)) => Ok(HostPort {
            host: answer.host,
            port,
        }),
        (ErrorCode::NONE, None) => Err(Failure::NoBrokers),
        (code, _) => Err(Failure::Refused {
            api: "FindCoordinator",
            code,
        }),
    }
}

/// Reads a FindCoordinator answer about one group.
#[derive(Default)]
struct Coordinator {
    error_code: ErrorCode,
    host: String,
    port: i32,
}

impl Visitor<'_> for Coordinator {
    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        match name {
            Name::ErrorCode => self.error_code = ErrorCode(value.as_i16().unwrap_or(-1)),
            Name::Host => self.host = value.as_str().unwrap_or_default().to_owned(),
            Name::Port => self.port = value.as_i32().unwrap_or_default(),
            _ => {}
        }
    }
}

/// What a group has committed of these partitions, as far as the server coordinates the group and tells. They are named one by
/// one: topics that we may not describe are refused then, where they would only be missing among all of them.
pub async fn committed(
    link: &mut Link,
    group: &str,
    partitions: &BTreeSet<(Arc<str>, i32)>,
    dialing: &Dialing,
) -> Result<Vec<GroupOffset>, Failure> {
    const GROUPS_FROM: i16 = 8;
    // Version 10 knows topics by id only.
    let version = link.version(ApiKey::OFFSET_FETCH, 1, 9)?;
    let mut topics: Vec<(TopicName, Vec<i32>)> = Vec::new();
    for (name, index) in partitions {
        if topics.last().is_none_or(|(last, _)| ***last != **name) {
            let name = TopicName(StrBytes::from_string(name.to_string()));
            topics.push((name, Vec::new()));
        }
        if let Some((_, indexes)) = topics.last_mut() {
            indexes.push(*index);
        }
    }
    let group_id = GroupId(StrBytes::from_string(group.to_owned()));
    let request = match version {
        GROUPS_FROM.. => {
            let topics = topics.into_iter().map(|(name, indexes)| {
                OffsetFetchRequestTopics::default()
                    .with_name(name)
                    .with_partition_indexes(indexes)
            });
            let group = OffsetFetchRequestGroup::default()
                .with_group_id(group_id)
                .with_member_id(None)
                .with_member_epoch(-1)
                .with_topics(Some(topics.collect()));
            OffsetFetchRequest::default().with_groups(vec![group])
        }
        _ => {
            let topics = topics.into_iter().map(|(name, indexes)| {
                OffsetFetchRequestTopic::default()
                    .with_name(name)
                    .with_partition_indexes(indexes)
            });
            OffsetFetchRequest::default()
                .with_group_id(group_id)
                .with_topics(Some(topics.collect()))
        }
    };
    let body = link.call(version, &request, dialing).await?;
    let told = offsets::fetched(version, &body).map_err(|reason| Failure::Malformed {
        api: ApiKey::OFFSET_FETCH.name(),
        reason,
    })?;
    let told = told.into_iter().filter_map(|told| {
        let TopicKey::Name(name) = told.topic else {
            return None;
        };
        Some(GroupOffset {
            topic: std::str::from_utf8(name).ok()?.into(),
            partition: told.index,
            offset: told.committed_offset,
        })
    });
    Ok(told.collect())
}

/// Sets one config of a topic and leaves its others as they are. What the broker says to it: an error code, and a text.
pub async fn set_topic_config(
    link: &mut Link,
    topic: &str,
    (name, value): (&'static str, &str),
    dialing: &Dialing,
) -> Result<(ErrorCode, Option<String>), Failure> {
    const SET: i8 = 0;
    let version = link.version(ApiKey::INCREMENTAL_ALTER_CONFIGS, 0, 1)?;
    let config = AlterableConfig::default()
        .with_name(StrBytes::from_static_str(name))
        .with_config_operation(SET)
        .with_value(Some(StrBytes::from_string(value.to_owned())));
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(topic.to_owned()))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let body = link.call(version, &request, dialing).await?;
    let mut answer = Altered {
        // An answer that says nothing of the topic is none.
        error_code: ErrorCode(-1),
        text: None,
    };
    let message = &schema::INCREMENTAL_ALTER_CONFIGS_RESPONSE;
    walk(message, version, &body, &mut answer)?;
    Ok((answer.error_code, answer.text))
}

/// Reads an IncrementalAlterConfigs answer about one resource.
struct Altered {
    error_code: ErrorCode,
    text: Option<String>,
}

impl Visitor<'_> for Altered {
    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        match name {
            Name::ErrorCode => self.error_code = ErrorCode(value.as_i16().unwrap_or(-1)),
            Name::ErrorMessage => self.text = value.as_str().map(str::to_owned),
            _ => {}
        }
    }
}

/// What the broker tells of these resources; nothing of those that it refuses to.
async fn describe(
    link: &mut Link,
    resource_type: i8,
    names: impl Iterator<Item = &str>,
    keys: &[&'static str],
    otherwise: bool,
    dialing: &Dialing,
) -> Result<Vec<Told>, Failure> {
    let mut told = describe_all(link, resource_type, names, keys, otherwise, dialing).await?;
    told.retain(|told| told.error_code == ErrorCode::NONE);
    Ok(told)
}

/// One answer for each resource, refusals included; none at all from a broker that has no DescribeConfigs. `otherwise`: also
/// what would hold if the resource had no value of its own.
pub async fn describe_all(
    link: &mut Link,
    resource_type: i8,
    names: impl Iterator<Item = &str>,
    keys: &[&'static str],
    otherwise: bool,
    dialing: &Dialing,
) -> Result<Vec<Told>, Failure> {
    let Some(version) = link.describe_configs_version else {
        return Ok(Vec::new());
    };
    let keys: Vec<_> = keys
        .iter()
        .map(|key| StrBytes::from_static_str(key))
        .collect();
    let resource = |name: &str| {
        DescribeConfigsResource::default()
            .with_resource_type(resource_type)
            .with_resource_name(StrBytes::from_string(name.to_owned()))
            .with_configuration_keys(Some(keys.clone()))
    };
    let request = DescribeConfigsRequest::default()
        .with_resources(names.map(resource).collect())
        .with_include_synonyms(otherwise);
    let body = link.call(version, &request, dialing).await?;
    let mut answer = Answer::default();
    walk(
        &schema::DESCRIBE_CONFIGS_RESPONSE,
        version,
        &body,
        &mut answer,
    )?;
    Ok(answer.told)
}

/// One resource of a DescribeConfigs answer.
pub struct Told {
    pub error_code: ErrorCode,
    pub resource: String,
    /// Keys without a value (unset, or secret) are left out.
    pub configs: Vec<Config>,
}

/// One key of it.
pub struct Config {
    pub name: String,
    /// As the broker wrote it.
    pub value: String,
    /// Whether it was set for this topic (`DYNAMIC_TOPIC_CONFIG`).
    own: bool,
    /// What would hold if it were not, as far as the broker told.
    otherwise: Option<i64>,
}

impl Told {
    /// The value of a key as the broker wrote it.
    pub fn text(&self, key: &str) -> Option<&str> {
        let config = self.configs.iter().find(|config| config.name == key)?;
        Some(&config.value)
    }

    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    fn held(&self) -> Option<Arc<Configs>> {
        let mut held = Configs::default();
        for config in &self.configs {
            let value = configs::read(&config.value);
            let otherwise = if config.own { config.otherwise } else { value };
            held.hold(&config.name, Held { value, otherwise });
        }
        (held != Configs::default()).then(|| Arc::new(held))
    }

    fn keeping(&self) -> Keeping {
        let policies = self.text("cleanup.policy");
        let has = |policy| {
            let mut policies = policies?.split(',').map(str::trim);
            Some(policies.any(|one| one == policy))
        };
        Keeping {
            unclean_leader_election: self.number("unclean.leader.election.enable"),
            retention_ms: self.number("retention.ms"),
            deletes: has("delete"),
            compacts: has("compact"),
            create_time: self
                .text("message.timestamp.type")
                .map(|kind| kind == "CreateTime"),
        }
    }
}

/// Reads a DescribeConfigs answer. `name` and `value` occur in synonyms as well: the broker's own keys for the same thing, in
/// the order in which they hold.
#[derive(Default)]
struct Answer {
    told: Vec<Told>,
    name: Option<String>,
    /// The key that is being read has a value.
    has_value: bool,
    synonym: Option<Synonym>,
}

#[derive(Default)]
struct Synonym {
    name: String,
    value: Option<String>,
}

/// `ConfigSource.DYNAMIC_TOPIC_CONFIG`.
const OF_THE_TOPIC: i8 = 1;

impl Synonym {
    /// In the topic's unit: brokers know retention and roll in hours and minutes as well.
    fn value(&self) -> Option<i64> {
        let value = configs::read(self.value.as_deref()?)?;
        let unit = match self.name.rsplit('.').next() {
            Some("hours") => 3_600_000,
            Some("minutes") => 60_000,
            _ => 1,
        };
        match value {
            0.. => value.checked_mul(unit),
            // Without limit, in any unit.
            _ => Some(value),
        }
    }
}

impl Visitor<'_> for Answer {
    fn enter(&mut self, name: Name, _start: usize) {
        match name {
            Name::Results => self.told.push(Told {
                error_code: ErrorCode::NONE,
                resource: String::new(),
                configs: Vec::new(),
            }),
            Name::Configs => (self.name, self.has_value) = (None, false),
            Name::Synonyms => self.synonym = Some(Synonym::default()),
            _ => {}
        }
    }

    fn leave(&mut self, name: Name, _range: Range<usize>) {
        if name == Name::Synonyms {
            self.synonym = None;
        }
    }

    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        let Some(told) = self.told.last_mut() else {
            return;
        };
        let config = told.configs.last_mut().filter(|_| self.has_value);
        let text = || value.as_str().map(str::to_owned);
        if let Some(synonym) = &mut self.synonym {
            match (name, value, config) {
                (Name::Name, ..) => synonym.name = text().unwrap_or_default(),
                (Name::Value, ..) => synonym.value = text(),
                (Name::Source, Value::I8(source), Some(config)) if source != OF_THE_TOPIC => {
                    config.otherwise = config.otherwise.or_else(|| synonym.value());
                }
                _ => {}
            }
            return;
        }
        match name {
            Name::ErrorCode => told.error_code = ErrorCode(value.as_i16().unwrap_or(-1)),
            Name::ResourceName => told.resource = text().unwrap_or_default(),
            Name::Name => self.name = text(),
            Name::ConfigSource => {
                if let (Some(config), Value::I8(source)) = (config, value) {
                    config.own = source == OF_THE_TOPIC;
                }
            }
            Name::Value => {
                if let (Some(name), Some(value)) = (self.name.take(), text()) {
                    self.has_value = true;
                    told.configs.push(Config {
                        name,
                        value,
                        own: false,
                        otherwise: None,
                    });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::messages::DescribeConfigsResponse;
    use kafka_protocol::messages::describe_configs_response::{
        DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
    };
    use kafka_protocol::protocol::Encodable;

    /// A broker's own keys for the same thing: name, value, source.
    type Synonyms = &'static [(&'static str, Option<&'static str>, i8)];

    fn config(
        name: &'static str,
        value: Option<&'static str>,
        source: i8,
        synonyms: Synonyms,
    ) -> DescribeConfigsResourceResult {
        let synonyms = synonyms.iter().map(|(name, value, source)| {
            DescribeConfigsSynonym::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(value.map(StrBytes::from_static_str))
                .with_source(*source)
        });
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(value.map(StrBytes::from_static_str))
            .with_config_source(source)
            .with_synonyms(synonyms.collect())
    }

    /// The configs of a topic as a broker tells them.
    fn told() -> DescribeConfigsResponse {
        let configs = vec![
            config(
                "max.message.bytes",
                Some("9000"),
                1,
                &[
                    ("max.message.bytes", Some("9000"), 1),
                    ("message.max.bytes", Some("2000"), 4),
                    ("message.max.bytes", Some("1000"), 5),
                ],
            ),
            config(
                "retention.ms",
                Some("1000"),
                1,
                &[
                    ("retention.ms", Some("1000"), 1),
                    ("log.retention.ms", None, 4),
                    ("log.retention.hours", Some("168"), 5),
                ],
            ),
            config("segment.ms", None, 1, &[("log.roll.ms", Some("5"), 4)]),
            config("min.insync.replicas", Some("2"), 4, &[]),
            config("cleanup.policy", Some("delete,compact"), 1, &[]),
        ];
        let result = DescribeConfigsResult::default()
            .with_resource_type(TOPIC)
            .with_resource_name(StrBytes::from_static_str("orders"))
            .with_configs(configs);
        DescribeConfigsResponse::default().with_results(vec![result])
    }

    #[test]
    fn a_topics_configs_are_told_with_what_would_hold_without_its_own() {
        for version in 1..=4 {
            let mut body = BytesMut::new();
            told().encode(&mut body, version).expect("encoded");
            let mut answer = Answer::default();
            let message = &schema::DESCRIBE_CONFIGS_RESPONSE;
            assert!(walk(message, version, &body, &mut answer).is_ok());
            let told = answer.told.pop().expect("a resource");
            assert_eq!(told.resource, "orders");
            let configs = told.held().expect("configs");
            for (key, value, otherwise) in [
                ("max.message.bytes", Some(9000), Some(2000)),
                ("retention.ms", Some(1000), Some(168 * 3_600_000)),
                ("segment.ms", None, None),
                ("min.insync.replicas", Some(2), Some(2)),
                ("cleanup.policy", Some(3), None),
            ] {
                let held = configs.held(key);
                assert_eq!((held.value, held.otherwise), (value, otherwise), "{key}");
            }
            let keeping = told.keeping();
            assert_eq!(
                (keeping.deletes, keeping.compacts),
                (Some(true), Some(true))
            );
        }
    }
}
