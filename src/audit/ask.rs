//! What an audit asks brokers (roof): only what reads. Every answer is proven against its schema before it is taken in.

use super::facts::{Broker, BrokerConfig, Brokers, Group, Partition, Topic, TopicConfig};
use super::judge;
use crate::proxy::settings::HostPort;
use crate::proxy::watch::ask::{self, Told, describe_all};
use crate::proxy::watch::link::{Dialing, Failure, Link, walk};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::schema::{self, Name, Value, Visitor};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    BrokerId, GroupId, ListGroupsRequest, ListOffsetsRequest, MetadataRequest, OffsetFetchRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// `timestamp` of ListOffsets: the first offset that is there, and the one that comes next.
pub const EARLIEST: i64 = -2;
pub const LATEST: i64 = -1;

/// A broker's setting that is not judged: who may ask for what.
pub const AUTHORIZER: &str = "authorizer.class.name";

/// Connections that are open at a time.
const MAX_LINKS: usize = 100;

/// Connections to the brokers of a cluster, made when they are needed.
pub struct Asker {
    dialing: Dialing,
    links: HashMap<HostPort, Link>,
    /// Brokers that did not answer are not asked again: each attempt may cost a timeout.
    silent: HashMap<HostPort, String>,
}

impl Asker {
    pub fn new(dialing: Dialing) -> Asker {
        Asker {
            dialing,
            links: HashMap::new(),
            silent: HashMap::new(),
        }
    }

    /// Asks one server something, over the connection that is there or a new one. The text says why there is no answer.
    pub async fn at<T>(
        &mut self,
        server: &HostPort,
        mut question: impl AsyncFnMut(&mut Link, &Dialing) -> Result<T, Failure>,
    ) -> Result<T, String> {
        if let Some(reason) = self.silent.get(server) {
            return Err(reason.clone());
        }
        let dialing = self.dialing.clone();
        let open = self.links.remove(server);
        if let Some(mut link) = open.filter(|link| !link.is_due()) {
            match question(&mut link, &dialing).await {
                // Brokers close a connection that was idle for long: the next one gets an answer.
                Err(Failure::Lost(_) | Failure::HungUp { .. }) => {}
                outcome => return self.keep(link, outcome),
            }
        }
        match Link::open(server, &dialing).await {
            Ok(mut link) => {
                let outcome = question(&mut link, &dialing).await;
                self.keep(link, outcome)
            }
            Err(failure) => Err(self.silence(server, &failure)),
        }
    }

    fn keep<T>(&mut self, link: Link, outcome: Result<T, Failure>) -> Result<T, String> {
        match outcome {
            Err(failure @ (Failure::Refused { .. } | Failure::Versions { .. })) => {
                let reason = failure.to_string();
                self.put(link);
                Err(reason)
            }
            Err(
                failure @ (Failure::Timeout { .. } | Failure::Lost(_) | Failure::HungUp { .. }),
            ) => Err(self.silence(&link.server.clone(), &failure)),
            // After any other failure the connection is of no use any more, the broker is.
            Err(failure) => Err(failure.to_string()),
            Ok(answer) => {
                self.put(link);
                Ok(answer)
            }
        }
    }

    fn put(&mut self, link: Link) {
        if self.links.len() >= MAX_LINKS {
            self.links.clear();
        }
        self.links.insert(link.server.clone(), link);
    }

    fn silence(&mut self, server: &HostPort, failure: &Failure) -> String {
        let reason = failure.to_string();
        self.silent.insert(server.clone(), reason.clone());
        reason
    }
}

/// Kafka's name of an error, and its number for those that have none here.
pub fn said(code: ErrorCode) -> String {
    format!("{} ({})", code.name(), code.0)
}

fn text(value: Value<'_>) -> Option<String> {
    let bytes = value.as_bytes()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

// ------------------------------------------------------------------------------------------------------------ Metadata

/// Brokers and all topics that the principal may describe.
#[derive(Default)]
pub struct Metadata {
    pub cluster_id: Option<String>,
    pub brokers: Brokers,
    pub topics: Vec<Topic>,
    /// Topics that were answered with an error.
    pub refused: Vec<(String, ErrorCode)>,
}

/// One answer of at most [`crate::proxy::watch::link::MAX_ANSWER`] bytes: about a million partitions.
pub async fn metadata(link: &mut Link, dialing: &Dialing) -> Result<Metadata, Failure> {
    let request = MetadataRequest::default()
        .with_topics(None)
        .with_allow_auto_topic_creation(false);
    let version = link.metadata_version;
    let body = link.call(version, &request, dialing).await?;
    let mut reader = MetadataReader {
        body: &body,
        ..MetadataReader::default()
    };
    walk(&schema::METADATA_RESPONSE, version, &body, &mut reader)?;
    let metadata = reader.metadata;
    match (reader.error_code, metadata.brokers.is_empty()) {
        (ErrorCode::NONE, false) => Ok(metadata),
        // A broker that has just started may not have heard of any, itself included.
        (ErrorCode::NONE, true) => Err(Failure::NoBrokers),
        (code, _) => Err(Failure::Refused {
            api: ApiKey::METADATA.name(),
            code,
        }),
    }
}

#[derive(Default)]
struct MetadataReader<'b> {
    body: &'b [u8],
    metadata: Metadata,
    error_code: ErrorCode,
    within: Vec<Name>,
    broker: (i32, String, i32, Option<String>),
    topic: Option<(ErrorCode, Topic)>,
}

impl MetadataReader<'_> {
    fn partition(&mut self) -> Option<&mut Partition> {
        let (_, topic) = self.topic.as_mut()?;
        topic.partitions.last_mut()
    }

    /// An array of node ids behind its count: the walker has proven that the bytes are there when it goes on.
    fn ids(&self, count_range: &Range<usize>, count: Option<usize>) -> Vec<i32> {
        let from = count_range.end;
        let until = from.saturating_add(count.unwrap_or(0).saturating_mul(4));
        let bytes = self.body.get(from..until).unwrap_or_default();
        let id = |four: &[u8]| four.try_into().map(i32::from_be_bytes).unwrap_or(-1);
        bytes.chunks_exact(4).map(id).collect()
    }

    fn broker_ends(&mut self) {
        let (id, host, port, rack) = std::mem::take(&mut self.broker);
        // Port 0 and host "" are what a listener without an address shows: nothing to connect to.
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        if let (Some(port), false, 0..) = (port, host.is_empty(), id) {
            let server = HostPort { host, port };
            self.metadata.brokers.insert(id, Broker { server, rack });
        }
    }

    fn topic_ends(&mut self) {
        match self.topic.take() {
            Some((ErrorCode::NONE, topic)) => self.metadata.topics.push(topic),
            Some((code, topic)) => self.metadata.refused.push((topic.name.to_string(), code)),
            None => {}
        }
    }
}

impl<'a> Visitor<'a> for MetadataReader<'_> {
    fn enter(&mut self, name: Name, _start: usize) {
        self.within.push(name);
        match name {
            Name::Topics => {
                let topic = Topic {
                    name: "".into(),
                    internal: false,
                    partitions: Vec::new(),
                };
                self.topic = Some((ErrorCode::NONE, topic));
            }
            Name::Partitions => {
                if let Some((_, topic)) = &mut self.topic {
                    topic.partitions.push(Partition {
                        index: -1,
                        leader: -1,
                        replicas: Vec::new(),
                        in_sync_replicas: 0,
                    });
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, name: Name, _range: Range<usize>) {
        self.within.pop();
        match name {
            Name::Brokers => self.broker_ends(),
            Name::Topics => self.topic_ends(),
            _ => {}
        }
    }

    fn array(&mut self, name: Name, count_range: Range<usize>, count: Option<usize>) {
        let ids = match name {
            Name::ReplicaNodes => self.ids(&count_range, count),
            _ => Vec::new(),
        };
        let Some(partition) = self.partition() else {
            return;
        };
        match name {
            Name::ReplicaNodes => partition.replicas = ids,
            Name::IsrNodes => partition.in_sync_replicas = count.unwrap_or(0),
            _ => {}
        }
    }

    fn field(&mut self, name: Name, value: Value<'a>, _range: Range<usize>) {
        let code = ErrorCode(value.as_i16().unwrap_or(0));
        let number = value.as_i32().unwrap_or(-1);
        match (self.within.last(), name) {
            (None, Name::ClusterId) => self.metadata.cluster_id = text(value),
            (None, Name::ErrorCode) => self.error_code = code,
            (Some(Name::Brokers), Name::NodeId) => self.broker.0 = number,
            (Some(Name::Brokers), Name::Host) => self.broker.1 = text(value).unwrap_or_default(),
            (Some(Name::Brokers), Name::Port) => self.broker.2 = number,
            (Some(Name::Brokers), Name::Rack) => self.broker.3 = text(value),
            (Some(Name::Topics), _) => {
                let Some((error, topic)) = &mut self.topic else {
                    return;
                };
                match name {
                    Name::ErrorCode => *error = code,
                    Name::Name => topic.name = text(value).unwrap_or_default().into(),
                    Name::IsInternal => topic.internal = value.as_bool().unwrap_or(false),
                    _ => {}
                }
            }
            (Some(Name::Partitions), Name::PartitionIndex | Name::LeaderId) => {
                match (name, self.partition()) {
                    (Name::LeaderId, Some(partition)) => partition.leader = number,
                    (_, Some(partition)) => partition.index = number,
                    (_, None) => {}
                }
            }
            _ => {}
        }
    }
}

// ---------------------------------------------------------------------------------------------------- DescribeConfigs

const NO_DESCRIBE_CONFIGS: &str = "the broker has no DescribeConfigs";

/// The settings of the broker at the other end, which alone can tell them; and whether it has an authorizer.
pub async fn broker_config(
    link: &mut Link,
    node_id: i32,
    dialing: &Dialing,
) -> Result<Result<(BrokerConfig, bool), String>, Failure> {
    let mut keys: Vec<&str> = judge::broker_keys().collect();
    keys.push(AUTHORIZER);
    let name = node_id.to_string();
    let names = [name.as_str()].into_iter();
    let told = describe_all(link, ask::BROKER, names, &keys, false, dialing).await?;
    let Some(told) = told.first() else {
        return Ok(Err(NO_DESCRIBE_CONFIGS.to_owned()));
    };
    if told.error_code != ErrorCode::NONE {
        return Ok(Err(said(told.error_code)));
    }
    let values = judge::broker_keys().filter_map(|key| Some((key, told.text(key)?.to_owned())));
    let authorizer = told.text(AUTHORIZER).is_some_and(|class| !class.is_empty());
    Ok(Ok((values.collect(), authorizer)))
}

/// What is told of each topic; `None`: it is gone.
pub type TopicConfigs = HashMap<String, Option<Result<TopicConfig, String>>>;

/// The configs of these topics, or why they are not told.
pub async fn topic_configs(
    link: &mut Link,
    names: &[Arc<str>],
    dialing: &Dialing,
) -> Result<TopicConfigs, Failure> {
    const KEYS: [&str; 5] = [
        "min.insync.replicas",
        "unclean.leader.election.enable",
        "flush.messages",
        "cleanup.policy",
        "retention.ms",
    ];
    let asked = names.iter().map(|name| &**name);
    let told = describe_all(link, ask::TOPIC, asked, &KEYS, false, dialing).await?;
    let mut configs = TopicConfigs::new();
    for told in told {
        let config = match told.error_code {
            ErrorCode::NONE => Some(Ok(topic_config(&told))),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => None,
            code => Some(Err(said(code))),
        };
        configs.insert(told.resource, config);
    }
    for name in names {
        configs
            .entry(name.to_string())
            .or_insert_with(|| Some(Err(NO_DESCRIBE_CONFIGS.to_owned())));
    }
    Ok(configs)
}

fn topic_config(told: &Told) -> TopicConfig {
    let policy = told.text("cleanup.policy").unwrap_or_default();
    TopicConfig {
        min_insync_replicas: told.number("min.insync.replicas"),
        unclean_leader_election: told.number("unclean.leader.election.enable"),
        flush_messages: told.number("flush.messages"),
        deletes: policy.split(',').any(|one| one.trim() == "delete"),
        retention_ms: told.number("retention.ms"),
    }
}

// -------------------------------------------------------------------------------------------------------------- groups

/// Groups of one coordinator.
#[derive(Default)]
pub struct Groups {
    /// Those that keep their progress as committed offsets.
    pub groups: Vec<Group>,
    pub share_groups: usize,
}

/// The groups whose coordinator is the broker at the other end.
pub async fn groups(link: &mut Link, dialing: &Dialing) -> Result<Groups, Failure> {
    let version = link.version(ApiKey::LIST_GROUPS, 0, 5)?;
    let body = link
        .call(version, &ListGroupsRequest::default(), dialing)
        .await?;
    let mut reader = GroupsReader::default();
    walk(&schema::LIST_GROUPS_RESPONSE, version, &body, &mut reader)?;
    match reader.error_code {
        ErrorCode::NONE => Ok(reader.groups),
        code => Err(Failure::Refused {
            api: ApiKey::LIST_GROUPS.name(),
            code,
        }),
    }
}

#[derive(Default)]
struct GroupsReader {
    error_code: ErrorCode,
    groups: Groups,
    id: String,
    state: Option<String>,
    share: bool,
}

impl Visitor<'_> for GroupsReader {
    fn enter(&mut self, _name: Name, _start: usize) {
        (self.id, self.state, self.share) = (String::new(), None, false);
    }

    fn leave(&mut self, _name: Name, _range: Range<usize>) {
        match self.share {
            true => self.groups.share_groups += 1,
            false => self.groups.groups.push(Group {
                id: std::mem::take(&mut self.id).into(),
                state: self.state.take().filter(|state| !state.is_empty()),
            }),
        }
    }

    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        match name {
            Name::ErrorCode => self.error_code = ErrorCode(value.as_i16().unwrap_or(-1)),
            Name::GroupId => self.id = text(value).unwrap_or_default(),
            Name::GroupState => self.state = text(value),
            Name::ProtocolType | Name::GroupType => {
                let says = value.as_str().unwrap_or_default();
                self.share |= says.eq_ignore_ascii_case("share");
            }
            _ => {}
        }
    }
}

/// Partition and committed offset.
pub type Commits = Vec<(i32, i64)>;

/// What one group has committed.
#[derive(Default)]
pub struct Committed {
    pub group: String,
    pub error_code: ErrorCode,
    pub topics: Vec<(Arc<str>, Commits)>,
}

/// The commits of these groups, of all topics that the principal may describe.
pub async fn committed(
    link: &mut Link,
    groups: &[Group],
    dialing: &Dialing,
) -> Result<Vec<Committed>, Failure> {
    // Several groups, and null for all topics, are there from version 8 (Kafka 3.0) on; 10 knows topics by id only.
    let version = link.version(ApiKey::OFFSET_FETCH, 8, 9)?;
    let of = |group: &Group| {
        OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(group.id.to_string())))
            .with_member_id(None)
            .with_member_epoch(-1)
            .with_topics(None)
    };
    let request = OffsetFetchRequest::default().with_groups(groups.iter().map(of).collect());
    let body = link.call(version, &request, dialing).await?;
    let mut reader = CommittedReader::default();
    walk(&schema::OFFSET_FETCH_RESPONSE, version, &body, &mut reader)?;
    Ok(reader.groups)
}

#[derive(Default)]
struct CommittedReader {
    groups: Vec<Committed>,
    within: Vec<Name>,
    partition: i32,
}

impl Visitor<'_> for CommittedReader {
    fn enter(&mut self, name: Name, _start: usize) {
        self.within.push(name);
        match (name, self.groups.last_mut()) {
            (Name::Groups, _) => self.groups.push(Committed::default()),
            (Name::Topics, Some(group)) => group.topics.push(("".into(), Vec::new())),
            _ => {}
        }
    }

    fn leave(&mut self, _name: Name, _range: Range<usize>) {
        self.within.pop();
    }

    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        let Some(group) = self.groups.last_mut() else {
            return;
        };
        match (self.within.last(), name, group.topics.last_mut()) {
            (Some(Name::Groups), Name::GroupId, _) => {
                group.group = text(value).unwrap_or_default();
            }
            (Some(Name::Groups), Name::ErrorCode, _) => {
                group.error_code = ErrorCode(value.as_i16().unwrap_or(-1));
            }
            (Some(Name::Topics), Name::Name, Some((topic, _))) => {
                *topic = text(value).unwrap_or_default().into();
            }
            (_, Name::PartitionIndex, _) => self.partition = value.as_i32().unwrap_or(-1),
            (_, Name::CommittedOffset, Some((_, partitions))) => {
                let offset = value.as_i64().unwrap_or(-1);
                // Negative: nothing is committed.
                if offset >= 0 {
                    partitions.push((self.partition, offset));
                }
            }
            _ => {}
        }
    }
}

// --------------------------------------------------------------------------------------------------------- ListOffsets

/// A partition and the time that is asked about.
pub struct At {
    pub topic: Arc<str>,
    pub partition: i32,
    /// Milliseconds since 1970, or [`EARLIEST`] or [`LATEST`].
    pub timestamp: i64,
}

/// The offset, or why it is not told; -1 where no record is as young as that.
pub type Offsets = HashMap<(Arc<str>, i32), Result<i64, ErrorCode>>;

/// The first offset of each partition that is as young as asked for, told by the broker at the other end as its leader.
pub async fn offsets(link: &mut Link, asked: &[At], dialing: &Dialing) -> Result<Offsets, Failure> {
    let version = link.version(ApiKey::LIST_OFFSETS, 1, 7)?;
    let mut topics: BTreeMap<&Arc<str>, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for at in asked {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(at.partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(at.timestamp);
        topics.entry(&at.topic).or_default().push(partition);
    }
    let topic = |(name, partitions): (&Arc<str>, Vec<ListOffsetsPartition>)| {
        ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_string())))
            .with_partitions(partitions)
    };
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics.into_iter().map(topic).collect());
    let body = link.call(version, &request, dialing).await?;
    let mut reader = OffsetsReader::default();
    walk(&schema::LIST_OFFSETS_RESPONSE, version, &body, &mut reader)?;
    Ok(reader.offsets)
}

#[derive(Default)]
struct OffsetsReader {
    offsets: Offsets,
    topic: Arc<str>,
    partition: i32,
    error_code: ErrorCode,
}

impl Visitor<'_> for OffsetsReader {
    fn field(&mut self, name: Name, value: Value<'_>, _range: Range<usize>) {
        match name {
            Name::Name => self.topic = text(value).unwrap_or_default().into(),
            Name::PartitionIndex => self.partition = value.as_i32().unwrap_or(-1),
            Name::ErrorCode => self.error_code = ErrorCode(value.as_i16().unwrap_or(-1)),
            Name::Offset => {
                let told = match self.error_code {
                    ErrorCode::NONE => Ok(value.as_i64().unwrap_or(-1)),
                    code => Err(code),
                };
                self.offsets
                    .insert((self.topic.clone(), self.partition), told);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
