//! A broker made up in this process: answers ApiVersions, Metadata, DescribeConfigs and IncrementalAlterConfigs by kafka-protocol's broker side, or
//! misbehaves as told.

use bytes::{Bytes, BytesMut};
use holdfast::proxy::settings::HostPort;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, MetadataRequest,
    MetadataResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How a broker behaves from its next request on.
#[derive(Clone, Debug, PartialEq)]
pub enum Manner {
    Answers,
    /// As a stopped process: connections are accepted by the kernel, nothing comes back.
    Silent,
    /// DescribeConfigs takes this long; what it tells is what was true when it came.
    SlowConfigs(Duration),
    WrongCorrelationId,
    /// These bytes instead of an answer, and then nothing.
    Says(Vec<u8>),
    /// A frame of 2 GiB is announced, and zeros come without end.
    Endless,
    /// The body of each answer is replaced, its header is right.
    Body(Vec<u8>),
}

/// One topic: partitions as (leader, replicas, in-sync replicas).
#[derive(Clone, Debug)]
pub struct Topic {
    pub id: [u8; 16],
    pub partitions: Vec<(i32, usize, usize)>,
    pub configs: BTreeMap<&'static str, String>,
}

impl Topic {
    pub fn new(
        id: u8,
        max_message_bytes: u32,
        min_isr: u16,
        partitions: &[(i32, usize, usize)],
    ) -> Topic {
        Topic {
            id: [id; 16],
            partitions: partitions.to_vec(),
            configs: BTreeMap::from([
                ("max.message.bytes", max_message_bytes.to_string()),
                ("min.insync.replicas", min_isr.to_string()),
            ]),
        }
    }
}

#[derive(Clone, Debug)]
pub struct State {
    pub manner: Manner,
    pub node_id: i32,
    /// What Metadata tells.
    pub brokers: BTreeMap<i32, HostPort>,
    pub topics: BTreeMap<String, Topic>,
    pub socket_request_max_bytes: u32,
    pub knows_describe_configs: bool,
    /// Names asked for, one entry per request.
    pub metadata_asked: Vec<Vec<String>>,
    pub configs_asked: Vec<Vec<String>>,
    /// Topic, key and value of each config that was to be set, and with what that is answered.
    pub altered: Vec<(String, String, String)>,
    pub alter_error: i16,
    pub connections: usize,
}

/// The broker; gone when dropped.
pub struct Fake {
    pub server: HostPort,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Fake {
    /// One that names itself as the only broker.
    pub async fn start(node_id: i32) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = HostPort {
            host: "127.0.0.1".into(),
            port: listener.local_addr().unwrap().port(),
        };
        let state = Arc::new(Mutex::new(State {
            manner: Manner::Answers,
            node_id,
            brokers: BTreeMap::from([(node_id, server.clone())]),
            topics: BTreeMap::new(),
            socket_request_max_bytes: 104_857_600,
            knows_describe_configs: true,
            metadata_asked: Vec::new(),
            configs_asked: Vec::new(),
            altered: Vec::new(),
            alter_error: 0,
            connections: 0,
        }));
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.lock().unwrap().connections += 1;
                connections.spawn(serve(stream, shared.clone()));
            }
        });
        Fake {
            server,
            state,
            accepting,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    while let Ok(size) = stream.read_i32().await {
        let mut frame = vec![0; usize::try_from(size).unwrap()];
        stream.read_exact(&mut frame).await.unwrap();
        let manner = state.lock().unwrap().manner.clone();
        let (correlation_id, header_version, is_configs, mut body) =
            answer(Bytes::from(frame), &state);
        match &manner {
            Manner::Answers => {}
            Manner::Silent => continue,
            Manner::SlowConfigs(delay) if is_configs => tokio::time::sleep(*delay).await,
            Manner::SlowConfigs(_) => {}
            Manner::WrongCorrelationId => {}
            Manner::Says(bytes) => {
                stream.write_all(bytes).await.ok();
                continue;
            }
            Manner::Endless => {
                stream.write_all(&i32::MAX.to_be_bytes()).await.ok();
                while stream.write_all(&[0; 65536]).await.is_ok() {}
                return;
            }
            Manner::Body(bytes) => body = BytesMut::from(&bytes[..]),
        }
        let wrong = i32::from(manner == Manner::WrongCorrelationId);
        let mut out = BytesMut::from(&[0_u8; 4][..]);
        let header = ResponseHeader::default().with_correlation_id(correlation_id + wrong);
        header.encode(&mut out, header_version).unwrap();
        out.extend_from_slice(&body);
        let size = i32::try_from(out.len() - 4).unwrap();
        out[..4].copy_from_slice(&size.to_be_bytes());
        if stream.write_all(&out).await.is_err() {
            return;
        }
    }
}

/// Correlation id, header version of the answer, whether it is topics' configs, and its body.
fn answer(mut frame: Bytes, state: &Mutex<State>) -> (i32, i16, bool, BytesMut) {
    let key = i16::from_be_bytes([frame[0], frame[1]]);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let api = ApiKey::try_from(key).unwrap();
    let header = RequestHeader::decode(&mut frame, api.request_header_version(version)).unwrap();
    let mut state = state.lock().unwrap();
    let mut body = BytesMut::new();
    let mut is_configs = false;
    match api {
        ApiKey::ApiVersions => api_versions(&state).encode(&mut body, version).unwrap(),
        ApiKey::Metadata => {
            let request = MetadataRequest::decode(&mut frame, version).unwrap();
            assert!(
                !request.allow_auto_topic_creation,
                "a look must not create topics"
            );
            metadata(&mut state, &request)
                .encode(&mut body, version)
                .unwrap();
        }
        ApiKey::DescribeConfigs => {
            let request = DescribeConfigsRequest::decode(&mut frame, version).unwrap();
            is_configs = request
                .resources
                .iter()
                .any(|resource| resource.resource_type == 2);
            describe_configs(&mut state, &request)
                .encode(&mut body, version)
                .unwrap();
        }
        ApiKey::IncrementalAlterConfigs => {
            let request = IncrementalAlterConfigsRequest::decode(&mut frame, version).unwrap();
            alter_configs(&mut state, &request)
                .encode(&mut body, version)
                .unwrap();
        }
        other => panic!("nobody asks a fake for {other:?}"),
    }
    (
        header.correlation_id,
        api.response_header_version(version),
        is_configs,
        body,
    )
}

fn api_versions(state: &State) -> ApiVersionsResponse {
    let row = |key: i16, first, last| {
        ApiVersion::default()
            .with_api_key(key)
            .with_min_version(first)
            .with_max_version(last)
    };
    let mut rows = vec![row(3, 0, 13), row(18, 0, 4), row(44, 0, 1)];
    if state.knows_describe_configs {
        rows.push(row(32, 1, 4));
    }
    ApiVersionsResponse::default().with_api_keys(rows)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn metadata(state: &mut State, request: &MetadataRequest) -> MetadataResponse {
    let brokers = state.brokers.iter().map(|(id, server)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(*id))
            .with_host(text(&server.host))
            .with_port(i32::from(server.port))
    });
    let brokers = brokers.collect();
    let asked = request.topics.as_ref().expect("a look names its topics");
    let by_id = asked.iter().any(|topic| !topic.topic_id.is_nil());
    let mut names = Vec::new();
    let mut topics = Vec::new();
    for asked in asked {
        let found = state.topics.iter().find(|(name, topic)| match by_id {
            true => topic.id == *asked.topic_id.as_bytes(),
            false => asked
                .name
                .as_ref()
                .is_some_and(|asked| asked.0.as_str() == name.as_str()),
        });
        if let Some(name) = &asked.name {
            names.push(name.0.to_string());
        }
        let answer = MetadataResponseTopic::default().with_topic_id(asked.topic_id);
        topics.push(match found {
            None => answer
                .with_name(asked.name.clone())
                .with_error_code(if by_id { 100 } else { 3 }),
            Some((name, topic)) => {
                let mut id = answer;
                id.topic_id = format!("{:032x}", u128::from_be_bytes(topic.id))
                    .parse()
                    .unwrap();
                id.with_name(Some(TopicName(text(name))))
                    .with_partitions(partitions(topic))
            }
        });
    }
    state.metadata_asked.push(names);
    MetadataResponse::default()
        .with_brokers(brokers)
        .with_topics(topics)
}

fn partitions(topic: &Topic) -> Vec<MetadataResponsePartition> {
    let nodes = |count: usize| (1..=i32::try_from(count).unwrap()).map(BrokerId).collect();
    let partition = |(index, (leader, replicas, isr)): (usize, &(i32, usize, usize))| {
        MetadataResponsePartition::default()
            .with_partition_index(i32::try_from(index).unwrap())
            .with_leader_id(BrokerId(*leader))
            .with_replica_nodes(nodes(*replicas))
            .with_isr_nodes(nodes(*isr))
    };
    topic.partitions.iter().enumerate().map(partition).collect()
}

fn alter_configs(
    state: &mut State,
    request: &IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    assert!(!request.validate_only);
    let mut responses = Vec::new();
    for resource in &request.resources {
        let name = resource.resource_name.to_string();
        for config in &resource.configs {
            assert_eq!((resource.resource_type, config.config_operation), (2, 0));
            let (key, value) = (config.name.to_string(), config.value.as_deref());
            let value = value.unwrap_or_default().to_owned();
            state
                .altered
                .push((name.clone(), key.clone(), value.clone()));
            let known = state
                .topics
                .get_mut(&name)
                .filter(|_| state.alter_error == 0);
            let set = known.and_then(|topic| {
                let set = topic.configs.iter_mut().find(|(known, _)| ***known == *key);
                set.map(|(_, set)| set)
            });
            if let Some(set) = set {
                *set = value;
            }
        }
        let response = AlterConfigsResourceResponse::default()
            .with_error_code(state.alter_error)
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        responses.push(response);
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn describe_configs(
    state: &mut State,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let mut asked = Vec::new();
    let mut results = Vec::new();
    for resource in &request.resources {
        let name = resource.resource_name.to_string();
        let own = BTreeMap::from([(
            "socket.request.max.bytes",
            state.socket_request_max_bytes.to_string(),
        )]);
        let configs = match resource.resource_type {
            4 if name == state.node_id.to_string() => Some(&own),
            2 => state.topics.get(&name).map(|topic| &topic.configs),
            _ => None,
        };
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(text(&name));
        if resource.resource_type == 2 {
            asked.push(name);
        }
        results.push(match configs {
            None => result.with_error_code(3),
            Some(configs) => {
                let wanted = resource
                    .configuration_keys
                    .as_ref()
                    .expect("only some keys are asked for");
                let told = wanted.iter().filter_map(|key| {
                    let value = configs.get(key.as_str())?;
                    let result = DescribeConfigsResourceResult::default();
                    Some(result.with_name(key.clone()).with_value(Some(text(value))))
                });
                result.with_configs(told.collect())
            }
        });
    }
    if !asked.is_empty() {
        state.configs_asked.push(asked);
    }
    DescribeConfigsResponse::default().with_results(results)
}
