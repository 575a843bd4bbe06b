//! The null broker: one thread per connection that reads, answers what wants an answer in one write per read, and keeps nothing.
//!
//! It is a well-behaved broker as far as a gateway looks: it says who it is, which topic it leads and what its limits are. It
//! checks no record and delays no answer. As many brokers as are wanted may stand behind its one address.

use crate::frames::{self, Scanner, TOPIC, TOPIC_ID_TEXT};
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, DescribeConfigsRequest, DescribeConfigsResponse,
    MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader, TopicName,
    api_versions_response::ApiVersion,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const READ_BYTES: usize = 256 << 10;
/// Responses from this size on are written from where they lie instead of being gathered.
const GATHER_BELOW: usize = 64 << 10;

const METADATA: i16 = 3;

/// What a broker of 4.x advertises for the APIs that this one answers.
const VERSIONS: [(i16, i16, i16); 5] = [(0, 0, 13), (1, 4, 17), (3, 0, 13), (18, 0, 4), (32, 1, 4)];

/// Whom it claims to be.
#[derive(Clone)]
pub struct Cluster {
    /// Node ids from 1, all at the same address.
    pub brokers: i32,
    /// Of the topic that is written to; any other has as many as its name says.
    pub partitions: i32,
    pub tls: Option<Arc<ServerConfig>>,
}

/// Listens on the loopback (port 0: any that is free), for as long as the process lives.
pub fn start(port: u16, cluster: Cluster) -> io::Result<SocketAddr> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4096)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let cluster = cluster.clone();
            let serve = move || {
                // An error here is a client that went away.
                let _ = Connection::new(client, address, &cluster).and_then(Connection::serve);
            };
            thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(serve)
                .expect("a thread for a connection");
        }
    });
    Ok(address)
}

/// Where the log of the one partition ends: it grows, whoever writes.
static END: AtomicI64 = AtomicI64::new(0);
/// More than any request brings.
const RECORDS: i64 = 1 << 20;

trait Io: Read + Write {}
impl<T: Read + Write> Io for T {}

struct Connection {
    stream: Box<dyn Io>,
    address: SocketAddr,
    cluster: Cluster,
    /// Encoded Metadata responses by the frame that asks, without its correlation id.
    described: HashMap<Vec<u8>, Vec<u8>>,
    out: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream, address: SocketAddr, cluster: &Cluster) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        let stream: Box<dyn Io> = match &cluster.tls {
            None => Box::new(stream),
            Some(config) => {
                let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(session, stream))
            }
        };
        Ok(Connection {
            stream,
            address,
            cluster: cluster.clone(),
            described: HashMap::new(),
            out: Vec::new(),
        })
    }

    fn serve(mut self) -> io::Result<()> {
        let mut scanner = Scanner::default();
        // Zeroed lazily by the kernel: an idle connection costs the pages that it has touched.
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let n = self.stream.read(&mut buffer)?;
            if n == 0 {
                return Ok(());
            }
            let mut result = Ok(());
            scanner.feed(&buffer[..n], is_cold, |head| {
                if result.is_ok() {
                    result = self.answer(head);
                }
            });
            result?;
            self.flush()?;
        }
    }

    fn answer(&mut self, head: &[u8]) -> io::Result<()> {
        let version = i16::from_be_bytes([head[6], head[7]]);
        let correlation_id = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        match i16::from_be_bytes([head[4], head[5]]) {
            0 if frames::produce_acks(head) == 0 => Ok(()),
            0 => {
                let base_offset = END.fetch_add(RECORDS, Ordering::Relaxed);
                let partitions = frames::produce_partitions(head);
                let response = frames::produce_response(correlation_id, base_offset, partitions);
                self.out.extend(response);
                Ok(())
            }
            1 => self.answer_fetch(
                version,
                correlation_id,
                frames::fetch_max_bytes(head, version),
                frames::fetch_partition(head, version),
            ),
            METADATA => {
                let mut asked = head.to_vec();
                frames::set_correlation(&mut asked, frames::REQUEST_CORRELATION, 0);
                if !self.described.contains_key(&asked) {
                    let response = answer_cold(&asked[4..], self.address, &self.cluster)?;
                    self.described.insert(asked.clone(), response);
                }
                let response = self.described.get_mut(&asked).expect("it was put there");
                frames::set_correlation(response, frames::RESPONSE_CORRELATION, correlation_id);
                self.out.extend_from_slice(response);
                Ok(())
            }
            _ => {
                let response = answer_cold(&head[4..], self.address, &self.cluster)?;
                self.out.extend(response);
                Ok(())
            }
        }
    }

    fn answer_fetch(
        &mut self,
        version: i16,
        correlation_id: i32,
        size: usize,
        partition: u32,
    ) -> io::Result<()> {
        let partition_at = frames::fetched_partition_at(version);
        let response = fetched(version, size);
        let (head, rest) = response.split_at(partition_at + 4);
        let begin = self.out.len();
        self.out.extend_from_slice(head);
        let head = &mut self.out[begin..];
        frames::set_correlation(head, frames::RESPONSE_CORRELATION, correlation_id);
        head[partition_at..].copy_from_slice(&partition.to_be_bytes());
        if size < GATHER_BELOW {
            self.out.extend_from_slice(rest);
            return Ok(());
        }
        // In one call, as a broker that sends a file does not wake its reader for the head alone.
        let slices = [IoSlice::new(&self.out), IoSlice::new(rest)];
        let written = self.stream.write_vectored(&slices)?;
        let of_out = written.min(self.out.len());
        self.stream.write_all(&self.out[of_out..])?;
        self.stream.write_all(&rest[written - of_out..])?;
        self.out.clear();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.stream.flush()?;
        self.out.clear();
        Ok(())
    }
}

/// An encoded Fetch response, the same for all connections.
fn fetched(version: i16, size: usize) -> Arc<Vec<u8>> {
    type Responses = BTreeMap<(i16, usize), Arc<Vec<u8>>>;
    static FETCHED: Mutex<Responses> = Mutex::new(BTreeMap::new());
    let mut fetched = FETCHED
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let response = fetched
        .entry((version, size))
        .or_insert_with(|| Arc::new(frames::fetch_response(version, size)));
    response.clone()
}

fn is_cold(start: &[u8]) -> bool {
    !matches!(i16::from_be_bytes([start[0], start[1]]), 0 | 1)
}

/// What a gateway asks for itself. The asker is trusted: this is a benchmark.
fn answer_cold(frame: &[u8], address: SocketAddr, cluster: &Cluster) -> io::Result<Vec<u8>> {
    let api_key = i16::from_be_bytes([frame[0], frame[1]]);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let key = ApiKey::try_from(api_key).map_err(|()| unsupported(api_key))?;
    let supported = VERSIONS
        .iter()
        .any(|(k, min, max)| *k == api_key && (*min..=*max).contains(&version));
    let mut request = Bytes::copy_from_slice(frame);
    let correlation_id = match supported {
        true => {
            RequestHeader::decode(&mut request, key.request_header_version(version))
                .map_err(io::Error::other)?
                .correlation_id
        }
        false => i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]),
    };
    let mut out = BytesMut::new();
    out.extend_from_slice(&[0; 4]);
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header
        .encode(&mut out, key.response_header_version(version))
        .map_err(io::Error::other)?;
    match (key, supported) {
        (ApiKey::ApiVersions, true) => api_versions(0).encode(&mut out, version),
        // A newer version than is known is answered as version 0, with the range to choose from.
        (ApiKey::ApiVersions, false) => api_versions(35).encode(&mut out, 0),
        (ApiKey::Metadata, true) => {
            let asked = MetadataRequest::decode(&mut request, version).map_err(io::Error::other)?;
            metadata(asked, address, cluster).encode(&mut out, version)
        }
        (ApiKey::DescribeConfigs, true) => {
            let asked =
                DescribeConfigsRequest::decode(&mut request, version).map_err(io::Error::other)?;
            describe_configs(asked).encode(&mut out, version)
        }
        _ => return Err(unsupported(api_key)),
    }
    .map_err(io::Error::other)?;
    let size = i32::try_from(out.remaining() - 4).map_err(io::Error::other)?;
    out[..4].copy_from_slice(&size.to_be_bytes());
    Ok(out.to_vec())
}

fn unsupported(api_key: i16) -> io::Error {
    eprintln!(
        "relay: the null broker was asked API key {api_key}, which it does not answer; it closes the connection"
    );
    io::Error::other("not answered")
}

fn api_versions(error_code: i16) -> ApiVersionsResponse {
    let keys = VERSIONS.iter().map(|(key, min, max)| {
        ApiVersion::default()
            .with_api_key(*key)
            .with_min_version(*min)
            .with_max_version(*max)
    });
    ApiVersionsResponse::default()
        .with_error_code(error_code)
        .with_api_keys(keys.collect())
}

fn metadata(asked: MetadataRequest, address: SocketAddr, cluster: &Cluster) -> MetadataResponse {
    let topics = match asked.topics {
        Some(topics) if !topics.is_empty() => topics
            .into_iter()
            .map(|t| match t.name {
                None => topic(TOPIC, cluster.partitions, cluster.brokers),
                Some(name) => match partitions_of(&name, cluster) {
                    Some(partitions) => topic(&name, partitions, cluster.brokers),
                    None => MetadataResponseTopic::default()
                        .with_error_code(3)
                        .with_name(Some(name)),
                },
            })
            .collect(),
        // Null asks for all topics, an empty list for none; one topic too many does no harm.
        _ => vec![topic(TOPIC, cluster.partitions, cluster.brokers)],
    };
    let at = |node_id| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(node_id))
            .with_host(StrBytes::from_string(address.ip().to_string()))
            .with_port(i32::from(address.port()))
    };
    MetadataResponse::default()
        .with_brokers((1..=cluster.brokers).map(at).collect())
        .with_cluster_id(Some(StrBytes::from_static_str("bench")))
        .with_controller_id(BrokerId(1))
        .with_topics(topics)
}

fn partitions_of(name: &str, cluster: &Cluster) -> Option<i32> {
    match name.strip_prefix(TOPIC)? {
        "" => Some(cluster.partitions),
        number => number.strip_prefix('-')?.parse().ok(),
    }
}

/// Led in turn by each broker, with three replicas.
fn topic(name: &str, partitions: i32, brokers: i32) -> MetadataResponseTopic {
    let partition = |index| {
        let replicas: Vec<BrokerId> = (0..3)
            .map(|step| BrokerId((index + step) % 3.max(brokers) + 1))
            .collect();
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(index % brokers + 1))
            .with_leader_epoch(0)
            .with_replica_nodes(replicas.clone())
            .with_isr_nodes(replicas)
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_topic_id(TOPIC_ID_TEXT.parse().expect("a UUID"))
        .with_partitions((0..partitions).map(partition).collect())
}

fn describe_configs(asked: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = asked.resources.into_iter().map(|resource| {
        let known: &[(&'static str, &'static str)] = match resource.resource_type {
            2 => &[
                ("max.message.bytes", "1048588"),
                ("min.insync.replicas", "2"),
                ("unclean.leader.election.enable", "false"),
                ("cleanup.policy", "delete"),
                ("retention.ms", "604800000"),
                ("retention.bytes", "-1"),
                ("message.timestamp.type", "CreateTime"),
            ],
            _ => &[
                ("message.max.bytes", "1048588"),
                ("min.insync.replicas", "2"),
                ("socket.request.max.bytes", "104857600"),
            ],
        };
        let wanted = resource.configuration_keys;
        let configs = known
            .iter()
            .filter(|(name, _)| {
                wanted
                    .as_ref()
                    .is_none_or(|keys| keys.iter().any(|key| key.as_str() == *name))
            })
            .map(|(name, value)| {
                DescribeConfigsResourceResult::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_value(Some(StrBytes::from_static_str(value)))
                    .with_config_source(5)
            });
        DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_configs(configs.collect())
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}
