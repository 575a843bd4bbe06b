//! Broker addresses in responses: each is replaced by the one that clients are to use, or left out when there is none.
//!
//! Floor 0. Covers the responses that are collected whole (kafka.md B.8): Metadata, FindCoordinator, DescribeCluster,
//! DescribeTopicPartitions, ShareFetch, ShareAcknowledge. Also blanks the `rack_id` of a Fetch request. Does not know which
//! brokers there are: [`Endpoints`] does. Produce and Fetch hide their `node_endpoints` while they stream (`produce.rs`,
//! `fetch.rs`).
//!
//! A broker without an endpoint is left out of every list of brokers; partitions that it leads get LEADER_NOT_AVAILABLE and
//! leader -1; coordinators get COORDINATOR_NOT_AVAILABLE, node -1, host "" and port -1; a controller id becomes -1. All of
//! these make clients ask again, as they do while a cluster elects.

use super::api::{ApiKey, ErrorCode};
use super::edit::{Edits, Mark};
use super::reader::Error;
use super::schema::{self, Message, Name, Value, Visitor};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

/// Where clients find a broker.
pub trait Endpoints {
    /// Host and port to tell clients, or `None` for a broker that must not be shown to any.
    fn endpoint(&self, node_id: i32) -> Option<(Cow<'_, str>, u16)>;
}

/// What a Metadata answer really said, told before anything of it is replaced. Counts only if `rewrite` ends well.
pub trait MetadataVisitor {
    fn broker(&mut self, _node_id: i32, _host: &str, _port: i32, _rack: Option<&str>) {}
    /// The partitions of this topic follow. `name` is absent for an unknown topic id (version 12 up), `id` below version 10.
    fn topic(&mut self, _error_code: ErrorCode, _name: Option<&str>, _id: Option<[u8; 16]>) {}
    fn partition(&mut self, _partition: MetadataPartition) {}
}

impl MetadataVisitor for () {}

/// One partition of a Metadata answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataPartition {
    pub error_code: ErrorCode,
    pub index: i32,
    /// -1 when there is none.
    pub leader_id: i32,
    /// Lengths of `replica_nodes` and `isr_nodes`.
    pub replicas: usize,
    pub in_sync_replicas: usize,
}

/// What is to be changed in a response.
#[derive(Clone, Debug, Default)]
pub struct Rewritten {
    pub edits: Edits,
    /// Node ids that the response named and clients cannot be told of, ascending.
    pub outside: Vec<i32>,
}

impl Rewritten {
    /// The body that goes to the client.
    pub fn body(self, body: Vec<u8>) -> Vec<u8> {
        self.edits.apply(body)
    }
}

/// Proves a whole response body and says what of it must change. `metadata` is told of a Metadata answer, else of nothing.
/// Keys that carry no endpoints are not looked at and come back without edits.
pub fn rewrite<E: Endpoints + ?Sized, M: MetadataVisitor>(
    api_key: ApiKey,
    api_version: i16,
    body: &[u8],
    endpoints: &E,
    metadata: &mut M,
) -> Result<Rewritten, Error> {
    let Some(message) = response(api_key) else {
        return Ok(Rewritten::default());
    };
    let mut rewriter = Rewriter {
        api_key,
        endpoints,
        metadata,
        compact: api_version >= message.flexible_from,
        edits: Edits::default(),
        outside: BTreeSet::new(),
        controllers: false,
        count: None,
        node: Node::default(),
        topic: Topic::default(),
        partition: None,
    };
    schema::walk(message, api_version, body, &mut rewriter)?;
    if api_key == ApiKey::FIND_COORDINATOR {
        // Before version 4 the coordinator lies at the top, in no struct that could be left.
        rewriter.coordinator();
    }
    Ok(Rewritten {
        edits: rewriter.edits,
        outside: rewriter.outside.into_iter().collect(),
    })
}

/// Proves a whole Metadata body and tells what it says, for a reader that passes it on to nobody.
pub fn read_metadata<M: MetadataVisitor>(
    api_version: i16,
    body: &[u8],
    metadata: &mut M,
) -> Result<(), Error> {
    struct Anywhere;
    impl Endpoints for Anywhere {
        fn endpoint(&self, _node_id: i32) -> Option<(Cow<'_, str>, u16)> {
            Some((Cow::Borrowed(""), 0))
        }
    }
    rewrite(ApiKey::METADATA, api_version, body, &Anywhere, metadata).map(drop)
}

fn response(api_key: ApiKey) -> Option<&'static Message> {
    match api_key {
        ApiKey::METADATA => Some(&schema::METADATA_RESPONSE),
        ApiKey::FIND_COORDINATOR => Some(&schema::FIND_COORDINATOR_RESPONSE),
        ApiKey::DESCRIBE_CLUSTER => Some(&schema::DESCRIBE_CLUSTER_RESPONSE),
        ApiKey::DESCRIBE_TOPIC_PARTITIONS => Some(&schema::DESCRIBE_TOPIC_PARTITIONS_RESPONSE),
        ApiKey::SHARE_FETCH => Some(&schema::SHARE_FETCH_RESPONSE),
        ApiKey::SHARE_ACKNOWLEDGE => Some(&schema::SHARE_ACKNOWLEDGE_RESPONSE),
        _ => None,
    }
}

struct Rewriter<'a, 'e, E: ?Sized, M> {
    api_key: ApiKey,
    endpoints: &'e E,
    metadata: &'e mut M,
    compact: bool,
    edits: Edits,
    outside: BTreeSet<i32>,
    /// DescribeCluster with endpoint type 2: the nodes are controllers, which clients do not reach through us.
    controllers: bool,
    /// The list of brokers being walked.
    count: Option<Count>,
    node: Node<'a>,
    topic: Topic<'a>,
    /// The partition being walked, in messages whose partitions have leaders that we may have to hide.
    partition: Option<Partition>,
}

struct Count {
    range: Range<usize>,
    elements: usize,
    left_out: usize,
}

/// A broker, coordinator or node endpoint, as far as it has been read.
#[derive(Default)]
struct Node<'a> {
    mark: Mark,
    id: Option<(i32, Range<usize>)>,
    host: Option<(&'a str, Range<usize>)>,
    port: Option<(i32, Range<usize>)>,
    rack: Option<&'a str>,
    error_code: Option<Range<usize>>,
}

#[derive(Default)]
struct Topic<'a> {
    error_code: Option<i16>,
    name: Option<&'a str>,
    id: Option<[u8; 16]>,
}

#[derive(Default)]
struct Partition {
    error_code: Option<(i16, Range<usize>)>,
    index: i32,
    leader_id: Option<(i32, Range<usize>)>,
    replicas: usize,
    in_sync_replicas: usize,
}

impl<'a, E: Endpoints + ?Sized, M: MetadataVisitor> Visitor<'a> for Rewriter<'a, '_, E, M> {
    fn field(&mut self, name: Name, value: Value<'a>, range: Range<usize>) {
        if let Some(partition) = &mut self.partition {
            match name {
                Name::ErrorCode => partition.error_code = value.as_i16().map(|code| (code, range)),
                Name::PartitionIndex => partition.index = value.as_i32().unwrap_or_default(),
                Name::LeaderId => partition.leader_id = value.as_i32().map(|id| (id, range)),
                _ => {}
            }
            return;
        }
        match name {
            Name::ErrorCode => {
                self.topic.error_code = value.as_i16();
                self.node.error_code = Some(range);
            }
            Name::EndpointType => self.controllers = value.as_i8() == Some(2),
            Name::ControllerId => self.controller(value, range),
            Name::Name => self.topic.name = value.as_str(),
            Name::TopicId => self.topic.id = value.as_uuid().filter(|id| *id != [0; 16]),
            Name::NodeId | Name::BrokerId => self.node.id = value.as_i32().map(|id| (id, range)),
            Name::Host => self.node.host = Some((value.as_str().unwrap_or_default(), range)),
            Name::Port => self.node.port = value.as_i32().map(|port| (port, range)),
            Name::Rack => self.node.rack = value.as_str(),
            _ => {}
        }
    }

    fn array(&mut self, name: Name, count_range: Range<usize>, count: Option<usize>) {
        let elements = count.unwrap_or(0);
        match (name, &mut self.partition) {
            (Name::Brokers | Name::NodeEndpoints, _) => {
                self.count = Some(Count {
                    range: count_range,
                    elements,
                    left_out: 0,
                });
            }
            (Name::Partitions, _) if self.api_key == ApiKey::METADATA => {
                let Topic {
                    error_code,
                    name,
                    id,
                } = std::mem::take(&mut self.topic);
                self.metadata
                    .topic(ErrorCode(error_code.unwrap_or_default()), name, id);
            }
            (Name::ReplicaNodes, Some(partition)) => partition.replicas = elements,
            (Name::IsrNodes, Some(partition)) => partition.in_sync_replicas = elements,
            _ => {}
        }
    }

    fn array_end(&mut self, name: Name) {
        if !matches!(name, Name::Brokers | Name::NodeEndpoints) {
            return;
        }
        if let Some(count) = self.count.take().filter(|count| count.left_out > 0) {
            let left = count.elements - count.left_out;
            self.edits.replace_count(count.range, left, self.compact);
        }
    }

    fn enter(&mut self, name: Name, _start: usize) {
        match name {
            Name::Brokers | Name::NodeEndpoints | Name::Coordinators => {
                self.node = Node {
                    mark: self.edits.mark(),
                    ..Node::default()
                };
            }
            Name::Topics => self.topic = Topic::default(),
            // The share messages name a `current_leader` for the client to go by, which clients ignore when they do not
            // know the node, and which is all zeros when there is no error: nothing to hide.
            Name::Partitions
                if matches!(
                    self.api_key,
                    ApiKey::METADATA | ApiKey::DESCRIBE_TOPIC_PARTITIONS
                ) =>
            {
                self.partition = Some(Partition::default());
            }
            _ => {}
        }
    }

    fn leave(&mut self, name: Name, range: Range<usize>) {
        match name {
            Name::Brokers | Name::NodeEndpoints => self.listed(range),
            Name::Coordinators => self.coordinator(),
            Name::Partitions => self.leader(),
            _ => {}
        }
    }
}

impl<E: Endpoints + ?Sized, M: MetadataVisitor> Rewriter<'_, '_, E, M> {
    /// One element of a list of brokers or node endpoints has been read.
    fn listed(&mut self, element: Range<usize>) {
        let node = std::mem::take(&mut self.node);
        let (Some((id, _)), Some((host, host_range)), Some((port, port_range))) =
            (node.id, node.host, node.port)
        else {
            return;
        };
        if self.controllers {
            return;
        }
        if self.api_key == ApiKey::METADATA {
            self.metadata.broker(id, host, port, node.rack);
        }
        if let Some((host, port)) = self.endpoints.endpoint(id) {
            self.edits.replace_string(host_range, &host, self.compact);
            self.edits
                .replace(port_range, &i32::from(port).to_be_bytes());
            return;
        }
        self.note_outside(id);
        self.edits.forget(node.mark);
        self.edits.replace(element, &[]);
        if let Some(count) = &mut self.count {
            count.left_out += 1;
        }
    }

    /// One coordinator has been read. A negative id is Kafka's own "none" and comes with an error already.
    fn coordinator(&mut self) {
        let node = std::mem::take(&mut self.node);
        let (Some((id, id_range)), Some((_, host_range)), Some((_, port_range))) =
            (node.id, node.host, node.port)
        else {
            return;
        };
        if id < 0 {
            return;
        }
        if let Some((host, port)) = self.endpoints.endpoint(id) {
            self.edits.replace_string(host_range, &host, self.compact);
            self.edits
                .replace(port_range, &i32::from(port).to_be_bytes());
            return;
        }
        self.note_outside(id);
        if let Some(range) = node.error_code {
            let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE.0;
            self.edits.replace(range, &error_code.to_be_bytes());
        }
        self.edits.replace(id_range, &(-1_i32).to_be_bytes());
        self.edits.replace_string(host_range, "", self.compact);
        self.edits.replace(port_range, &(-1_i32).to_be_bytes());
    }

    /// One partition of Metadata or DescribeTopicPartitions has been read.
    fn leader(&mut self) {
        let Some(partition) = self.partition.take() else {
            return;
        };
        let (Some((error_code, error_range)), Some((leader_id, leader_range))) =
            (partition.error_code, partition.leader_id)
        else {
            return;
        };
        if self.api_key == ApiKey::METADATA {
            self.metadata.partition(MetadataPartition {
                error_code: ErrorCode(error_code),
                index: partition.index,
                leader_id,
                replicas: partition.replicas,
                in_sync_replicas: partition.in_sync_replicas,
            });
        }
        if leader_id >= 0 && self.endpoints.endpoint(leader_id).is_none() {
            self.note_outside(leader_id);
            let error_code = ErrorCode::LEADER_NOT_AVAILABLE.0;
            self.edits.replace(error_range, &error_code.to_be_bytes());
            self.edits.replace(leader_range, &(-1_i32).to_be_bytes());
        }
    }

    fn controller(&mut self, value: Value<'_>, range: Range<usize>) {
        let Some(id) = value.as_i32().filter(|id| *id >= 0 && !self.controllers) else {
            return;
        };
        // Whether such a broker exists at all, the list of brokers says.
        if self.endpoints.endpoint(id).is_none() {
            self.edits.replace(range, &(-1_i32).to_be_bytes());
        }
    }

    fn note_outside(&mut self, node_id: i32) {
        if node_id >= 0 {
            self.outside.insert(node_id);
        }
    }
}

/// The body of a Fetch request with an empty `rack_id`, or `None` when it has none already: without it no broker sends the
/// consumer to a follower near by (KIP-392), which might be one that clients cannot reach.
pub fn blank_rack_id(version: i16, body: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut rack = Rack::default();
    schema::walk(&schema::FETCH_REQUEST, version, body, &mut rack)?;
    Ok(rack.range.map(|range| {
        let mut edits = Edits::default();
        edits.replace_string(range, "", version >= schema::FETCH_REQUEST.flexible_from);
        edits.splice(body)
    }))
}

#[derive(Default)]
struct Rack {
    range: Option<Range<usize>>,
}

impl Visitor<'_> for Rack {
    fn field(&mut self, name: Name, value: Value<'_>, range: Range<usize>) {
        if name == Name::RackId && value.as_bytes().is_some_and(|rack| !rack.is_empty()) {
            self.range = Some(range);
        }
    }
}
