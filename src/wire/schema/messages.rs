//! The tables: one message after the other, as `common/message/*.json` of Apache Kafka 4.3.1 has them. Fields that later
//! schemas dropped (Produce and Fetch before version 3 and 4) are as 3.9.2 has them; ApiVersions 5 is from 4.4.0 (KIP-1242:
//! its answer has the body of version 4); ShareFetch and ShareAcknowledge 0 are those of the early access of KIP-932.
//!
//! Floor 0. A test reads the schemas in the kafka-clients jar and fails where a table differs.

use super::{Field, Kind, Message, Versions};
use crate::wire::api::ApiKey;

const fn since(first: i16) -> Versions {
    Versions {
        first,
        last: i16::MAX,
    }
}

const fn only(first: i16, last: i16) -> Versions {
    Versions { first, last }
}

const fn field(name: Name, versions: Versions, kind: Kind) -> Field {
    Field {
        name,
        kind,
        versions,
        nullable: Versions::NONE,
        tag: None,
    }
}

impl Field {
    const fn nullable(mut self, versions: Versions) -> Field {
        self.nullable = versions;
        self
    }

    const fn tagged(mut self, number: u32) -> Field {
        self.tag = Some(number);
        self
    }
}

/// Every table.
#[rustfmt::skip]
pub static MESSAGES: &[&Message] = &[
    &PRODUCE_REQUEST, &PRODUCE_RESPONSE, &FETCH_REQUEST, &FETCH_RESPONSE, &METADATA_REQUEST, &METADATA_RESPONSE, &FIND_COORDINATOR_RESPONSE,
    &SASL_HANDSHAKE_REQUEST, &SASL_HANDSHAKE_RESPONSE, &API_VERSIONS_RESPONSE, &DESCRIBE_CONFIGS_RESPONSE,
    &DESCRIBE_CLUSTER_RESPONSE, &DESCRIBE_TOPIC_PARTITIONS_RESPONSE, &SHARE_FETCH_RESPONSE,
    &SHARE_ACKNOWLEDGE_RESPONSE, &ELECT_LEADERS_REQUEST, &ELECT_LEADERS_RESPONSE, &LIST_OFFSETS_REQUEST, &LIST_OFFSETS_RESPONSE,
    &OFFSET_COMMIT_REQUEST, &OFFSET_COMMIT_RESPONSE, &TXN_OFFSET_COMMIT_REQUEST, &TXN_OFFSET_COMMIT_RESPONSE,
    &OFFSET_FETCH_REQUEST, &OFFSET_FETCH_RESPONSE,
    &LIST_GROUPS_RESPONSE, &CREATE_TOPICS_REQUEST, &CREATE_TOPICS_RESPONSE, &DELETE_TOPICS_REQUEST,
    &DELETE_TOPICS_RESPONSE, &DELETE_RECORDS_REQUEST, &DELETE_RECORDS_RESPONSE, &ALTER_CONFIGS_REQUEST,
    &ALTER_CONFIGS_RESPONSE, &CREATE_PARTITIONS_REQUEST, &CREATE_PARTITIONS_RESPONSE, &DELETE_GROUPS_REQUEST,
    &DELETE_GROUPS_RESPONSE, &INCREMENTAL_ALTER_CONFIGS_REQUEST, &INCREMENTAL_ALTER_CONFIGS_RESPONSE,
    &ALTER_PARTITION_REASSIGNMENTS_REQUEST, &ALTER_PARTITION_REASSIGNMENTS_RESPONSE, &OFFSET_DELETE_REQUEST,
    &OFFSET_DELETE_RESPONSE, &UPDATE_FEATURES_REQUEST, &UPDATE_FEATURES_RESPONSE, &UNREGISTER_BROKER_REQUEST,
    &UNREGISTER_BROKER_RESPONSE, &REMOVE_RAFT_VOTER_REQUEST, &REMOVE_RAFT_VOTER_RESPONSE,
    &ALTER_SHARE_GROUP_OFFSETS_REQUEST, &ALTER_SHARE_GROUP_OFFSETS_RESPONSE, &DELETE_SHARE_GROUP_OFFSETS_REQUEST,
    &DELETE_SHARE_GROUP_OFFSETS_RESPONSE, &INITIALIZE_SHARE_GROUP_STATE_REQUEST, &INITIALIZE_SHARE_GROUP_STATE_RESPONSE,
    &WRITE_SHARE_GROUP_STATE_REQUEST, &WRITE_SHARE_GROUP_STATE_RESPONSE, &DELETE_SHARE_GROUP_STATE_REQUEST,
    &DELETE_SHARE_GROUP_STATE_RESPONSE,
    &STREAMS_GROUP_HEARTBEAT_REQUEST, &STREAMS_GROUP_HEARTBEAT_RESPONSE,
];

#[rustfmt::skip]
pub static PRODUCE_REQUEST: Message = Message {
    name: "ProduceRequest",
    api_key: ApiKey::PRODUCE,
    versions: only(0, 13),
    flexible_from: 9,
    fields: &[
        field(Name::TransactionalId, since(3), Kind::String).nullable(since(3)),
        field(Name::Acks, since(0), Kind::I16),
        field(Name::TimeoutMs, since(0), Kind::I32),
        field(Name::TopicData, since(0), Kind::Structs(&[
            field(Name::Name, only(0, 12), Kind::String),
            field(Name::TopicId, since(13), Kind::Uuid),
            field(Name::PartitionData, since(0), Kind::Structs(&[
                field(Name::Index, since(0), Kind::I32),
                field(Name::Records, since(0), Kind::Records).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static PRODUCE_RESPONSE: Message = Message {
    name: "ProduceResponse",
    api_key: ApiKey::PRODUCE,
    versions: only(0, 13),
    flexible_from: 9,
    fields: &[
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::Name, only(0, 12), Kind::String),
            field(Name::TopicId, since(13), Kind::Uuid),
            field(Name::PartitionResponses, since(0), Kind::Structs(&[
                field(Name::Index, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::BaseOffset, since(0), Kind::I64),
                field(Name::LogAppendTimeMs, since(2), Kind::I64),
                field(Name::LogStartOffset, since(5), Kind::I64),
                field(Name::RecordErrors, since(8), Kind::Structs(&[
                    field(Name::BatchIndex, since(8), Kind::I32),
                    field(Name::BatchIndexErrorMessage, since(8), Kind::String).nullable(since(8)),
                ])),
                field(Name::ErrorMessage, since(8), Kind::String).nullable(since(8)),
                field(Name::CurrentLeader, since(10), Kind::Struct(&[
                    field(Name::LeaderId, since(10), Kind::I32),
                    field(Name::LeaderEpoch, since(10), Kind::I32),
                ])).tagged(0),
            ])),
        ])),
        field(Name::ThrottleTimeMs, since(1), Kind::I32),
        field(Name::NodeEndpoints, since(10), Kind::Structs(&[
            field(Name::NodeId, since(10), Kind::I32),
            field(Name::Host, since(10), Kind::String),
            field(Name::Port, since(10), Kind::I32),
            field(Name::Rack, since(10), Kind::String).nullable(since(10)),
        ])).tagged(0),
    ],
};

#[rustfmt::skip]
pub static FETCH_REQUEST: Message = Message {
    name: "FetchRequest",
    api_key: ApiKey::FETCH,
    versions: only(0, 18),
    flexible_from: 12,
    fields: &[
        field(Name::ClusterId, since(12), Kind::String).nullable(since(12)).tagged(0),
        field(Name::ReplicaId, only(0, 14), Kind::I32),
        field(Name::ReplicaState, since(15), Kind::Struct(&[
            field(Name::ReplicaId, since(15), Kind::I32),
            field(Name::ReplicaEpoch, since(15), Kind::I64),
        ])).tagged(1),
        field(Name::MaxWaitMs, since(0), Kind::I32),
        field(Name::MinBytes, since(0), Kind::I32),
        field(Name::MaxBytes, since(3), Kind::I32),
        field(Name::IsolationLevel, since(4), Kind::I8),
        field(Name::SessionId, since(7), Kind::I32),
        field(Name::SessionEpoch, since(7), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Topic, only(0, 12), Kind::String),
            field(Name::TopicId, since(13), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::Partition, since(0), Kind::I32),
                field(Name::CurrentLeaderEpoch, since(9), Kind::I32),
                field(Name::FetchOffset, since(0), Kind::I64),
                field(Name::LastFetchedEpoch, since(12), Kind::I32),
                field(Name::LogStartOffset, since(5), Kind::I64),
                field(Name::PartitionMaxBytes, since(0), Kind::I32),
                field(Name::ReplicaDirectoryId, since(17), Kind::Uuid).tagged(0),
                field(Name::HighWatermark, since(18), Kind::I64).tagged(1),
            ])),
        ])),
        field(Name::ForgottenTopicsData, since(7), Kind::Structs(&[
            field(Name::Topic, only(7, 12), Kind::String),
            field(Name::TopicId, since(13), Kind::Uuid),
            field(Name::Partitions, since(7), Kind::Array(&Kind::I32)),
        ])),
        field(Name::RackId, since(11), Kind::String),
    ],
};

#[rustfmt::skip]
pub static FETCH_RESPONSE: Message = Message {
    name: "FetchResponse",
    api_key: ApiKey::FETCH,
    versions: only(0, 18),
    flexible_from: 12,
    fields: &[
        field(Name::ThrottleTimeMs, since(1), Kind::I32),
        field(Name::ErrorCode, since(7), Kind::I16),
        field(Name::SessionId, since(7), Kind::I32),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::Topic, only(0, 12), Kind::String),
            field(Name::TopicId, since(13), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::HighWatermark, since(0), Kind::I64),
                field(Name::LastStableOffset, since(4), Kind::I64),
                field(Name::LogStartOffset, since(5), Kind::I64),
                field(Name::DivergingEpoch, since(12), Kind::Struct(&[
                    field(Name::Epoch, since(12), Kind::I32),
                    field(Name::EndOffset, since(12), Kind::I64),
                ])).tagged(0),
                field(Name::CurrentLeader, since(12), Kind::Struct(&[
                    field(Name::LeaderId, since(12), Kind::I32),
                    field(Name::LeaderEpoch, since(12), Kind::I32),
                ])).tagged(1),
                field(Name::SnapshotId, since(12), Kind::Struct(&[
                    field(Name::EndOffset, since(0), Kind::I64),
                    field(Name::Epoch, since(0), Kind::I32),
                ])).tagged(2),
                field(Name::AbortedTransactions, since(4), Kind::Structs(&[
                    field(Name::ProducerId, since(4), Kind::I64),
                    field(Name::FirstOffset, since(4), Kind::I64),
                ])).nullable(since(4)),
                field(Name::PreferredReadReplica, since(11), Kind::I32),
                field(Name::Records, since(0), Kind::Records).nullable(since(0)),
            ])),
        ])),
        field(Name::NodeEndpoints, since(16), Kind::Structs(&[
            field(Name::NodeId, since(16), Kind::I32),
            field(Name::Host, since(16), Kind::String),
            field(Name::Port, since(16), Kind::I32),
            field(Name::Rack, since(16), Kind::String).nullable(since(16)),
        ])).tagged(0),
    ],
};

#[rustfmt::skip]
pub static METADATA_REQUEST: Message = Message {
    name: "MetadataRequest",
    api_key: ApiKey::METADATA,
    versions: only(0, 13),
    flexible_from: 9,
    fields: &[
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::TopicId, since(10), Kind::Uuid),
            field(Name::Name, since(0), Kind::String).nullable(since(10)),
        ])).nullable(since(1)),
        field(Name::AllowAutoTopicCreation, since(4), Kind::Bool),
        field(Name::IncludeClusterAuthorizedOperations, only(8, 10), Kind::Bool),
        field(Name::IncludeTopicAuthorizedOperations, since(8), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static METADATA_RESPONSE: Message = Message {
    name: "MetadataResponse",
    api_key: ApiKey::METADATA,
    versions: only(0, 13),
    flexible_from: 9,
    fields: &[
        field(Name::ThrottleTimeMs, since(3), Kind::I32),
        field(Name::Brokers, since(0), Kind::Structs(&[
            field(Name::NodeId, since(0), Kind::I32),
            field(Name::Host, since(0), Kind::String),
            field(Name::Port, since(0), Kind::I32),
            field(Name::Rack, since(1), Kind::String).nullable(since(1)),
        ])),
        field(Name::ClusterId, since(2), Kind::String).nullable(since(2)),
        field(Name::ControllerId, since(1), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::Name, since(0), Kind::String).nullable(since(12)),
            field(Name::TopicId, since(10), Kind::Uuid),
            field(Name::IsInternal, since(1), Kind::Bool),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::LeaderId, since(0), Kind::I32),
                field(Name::LeaderEpoch, since(7), Kind::I32),
                field(Name::ReplicaNodes, since(0), Kind::Array(&Kind::I32)),
                field(Name::IsrNodes, since(0), Kind::Array(&Kind::I32)),
                field(Name::OfflineReplicas, since(5), Kind::Array(&Kind::I32)),
            ])),
            field(Name::TopicAuthorizedOperations, since(8), Kind::I32),
        ])),
        field(Name::ClusterAuthorizedOperations, only(8, 10), Kind::I32),
        field(Name::ErrorCode, since(13), Kind::I16),
    ],
};

#[rustfmt::skip]
pub static FIND_COORDINATOR_RESPONSE: Message = Message {
    name: "FindCoordinatorResponse",
    api_key: ApiKey::FIND_COORDINATOR,
    versions: only(0, 6),
    flexible_from: 3,
    fields: &[
        field(Name::ThrottleTimeMs, since(1), Kind::I32),
        field(Name::ErrorCode, only(0, 3), Kind::I16),
        field(Name::ErrorMessage, only(1, 3), Kind::String).nullable(only(1, 3)),
        field(Name::NodeId, only(0, 3), Kind::I32),
        field(Name::Host, only(0, 3), Kind::String),
        field(Name::Port, only(0, 3), Kind::I32),
        field(Name::Coordinators, since(4), Kind::Structs(&[
            field(Name::Key, since(4), Kind::String),
            field(Name::NodeId, since(4), Kind::I32),
            field(Name::Host, since(4), Kind::String),
            field(Name::Port, since(4), Kind::I32),
            field(Name::ErrorCode, since(4), Kind::I16),
            field(Name::ErrorMessage, since(4), Kind::String).nullable(since(4)),
        ])),
    ],
};

#[rustfmt::skip]
pub static SASL_HANDSHAKE_REQUEST: Message = Message {
    name: "SaslHandshakeRequest",
    api_key: ApiKey::SASL_HANDSHAKE,
    versions: only(0, 1),
    flexible_from: i16::MAX,
    fields: &[
        field(Name::Mechanism, since(0), Kind::String),
    ],
};

#[rustfmt::skip]
pub static SASL_HANDSHAKE_RESPONSE: Message = Message {
    name: "SaslHandshakeResponse",
    api_key: ApiKey::SASL_HANDSHAKE,
    versions: only(0, 1),
    flexible_from: i16::MAX,
    fields: &[
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::Mechanisms, since(0), Kind::Array(&Kind::String)),
    ],
};

#[rustfmt::skip]
pub static API_VERSIONS_RESPONSE: Message = Message {
    name: "ApiVersionsResponse",
    api_key: ApiKey::API_VERSIONS,
    versions: only(0, 5),
    flexible_from: 3,
    fields: &[
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ApiKeys, since(0), Kind::Structs(&[
            field(Name::ApiKey, since(0), Kind::I16),
            field(Name::MinVersion, since(0), Kind::I16),
            field(Name::MaxVersion, since(0), Kind::I16),
        ])),
        field(Name::ThrottleTimeMs, since(1), Kind::I32),
        field(Name::SupportedFeatures, since(3), Kind::Structs(&[
            field(Name::Name, since(3), Kind::String),
            field(Name::MinVersion, since(3), Kind::I16),
            field(Name::MaxVersion, since(3), Kind::I16),
        ])).tagged(0),
        field(Name::FinalizedFeaturesEpoch, since(3), Kind::I64).tagged(1),
        field(Name::FinalizedFeatures, since(3), Kind::Structs(&[
            field(Name::Name, since(3), Kind::String),
            field(Name::MaxVersionLevel, since(3), Kind::I16),
            field(Name::MinVersionLevel, since(3), Kind::I16),
        ])).tagged(2),
        field(Name::ZkMigrationReady, since(3), Kind::Bool).tagged(3),
    ],
};

#[rustfmt::skip]
pub static DESCRIBE_CONFIGS_RESPONSE: Message = Message {
    name: "DescribeConfigsResponse",
    api_key: ApiKey::DESCRIBE_CONFIGS,
    versions: only(1, 4),
    flexible_from: 4,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Results, since(0), Kind::Structs(&[
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            field(Name::ResourceType, since(0), Kind::I8),
            field(Name::ResourceName, since(0), Kind::String),
            field(Name::Configs, since(0), Kind::Structs(&[
                field(Name::Name, since(0), Kind::String),
                field(Name::Value, since(0), Kind::String).nullable(since(0)),
                field(Name::ReadOnly, since(0), Kind::Bool),
                field(Name::ConfigSource, since(1), Kind::I8),
                field(Name::IsSensitive, since(0), Kind::Bool),
                field(Name::Synonyms, since(1), Kind::Structs(&[
                    field(Name::Name, since(1), Kind::String),
                    field(Name::Value, since(1), Kind::String).nullable(since(0)),
                    field(Name::Source, since(1), Kind::I8),
                ])),
                field(Name::ConfigType, since(3), Kind::I8),
                field(Name::Documentation, since(3), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static DESCRIBE_CLUSTER_RESPONSE: Message = Message {
    name: "DescribeClusterResponse",
    api_key: ApiKey::DESCRIBE_CLUSTER,
    versions: only(0, 2),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::EndpointType, since(1), Kind::I8),
        field(Name::ClusterId, since(0), Kind::String),
        field(Name::ControllerId, since(0), Kind::I32),
        field(Name::Brokers, since(0), Kind::Structs(&[
            field(Name::BrokerId, since(0), Kind::I32),
            field(Name::Host, since(0), Kind::String),
            field(Name::Port, since(0), Kind::I32),
            field(Name::Rack, since(0), Kind::String).nullable(since(0)),
            field(Name::IsFenced, since(2), Kind::Bool),
        ])),
        field(Name::ClusterAuthorizedOperations, since(0), Kind::I32),
    ],
};

#[rustfmt::skip]
pub static DESCRIBE_TOPIC_PARTITIONS_RESPONSE: Message = Message {
    name: "DescribeTopicPartitionsResponse",
    api_key: ApiKey::DESCRIBE_TOPIC_PARTITIONS,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::Name, since(0), Kind::String).nullable(since(0)),
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::IsInternal, since(0), Kind::Bool),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::LeaderId, since(0), Kind::I32),
                field(Name::LeaderEpoch, since(0), Kind::I32),
                field(Name::ReplicaNodes, since(0), Kind::Array(&Kind::I32)),
                field(Name::IsrNodes, since(0), Kind::Array(&Kind::I32)),
                field(Name::EligibleLeaderReplicas, since(0), Kind::Array(&Kind::I32)).nullable(since(0)),
                field(Name::LastKnownElr, since(0), Kind::Array(&Kind::I32)).nullable(since(0)),
                field(Name::OfflineReplicas, since(0), Kind::Array(&Kind::I32)),
            ])),
            field(Name::TopicAuthorizedOperations, since(0), Kind::I32),
        ])),
        field(Name::NextCursor, since(0), Kind::Struct(&[
            field(Name::TopicName, since(0), Kind::String),
            field(Name::PartitionIndex, since(0), Kind::I32),
        ])).nullable(since(0)),
    ],
};

#[rustfmt::skip]
pub static ELECT_LEADERS_REQUEST: Message = Message {
    name: "ElectLeadersRequest",
    api_key: ApiKey::ELECT_LEADERS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::ElectionType, since(1), Kind::I8),
        field(Name::TopicPartitions, since(0), Kind::Structs(&[
            field(Name::Topic, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Array(&Kind::I32)),
        ])).nullable(since(0)),
        field(Name::TimeoutMs, since(0), Kind::I32),
    ],
};

#[rustfmt::skip]
pub static ELECT_LEADERS_RESPONSE: Message = Message {
    name: "ElectLeadersResponse",
    api_key: ApiKey::ELECT_LEADERS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(1), Kind::I16),
        field(Name::ReplicaElectionResults, since(0), Kind::Structs(&[
            field(Name::Topic, since(0), Kind::String),
            field(Name::PartitionResult, since(0), Kind::Structs(&[
                field(Name::PartitionId, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static SHARE_FETCH_RESPONSE: Message = Message {
    name: "ShareFetchResponse",
    api_key: ApiKey::SHARE_FETCH,
    versions: only(0, 2),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::AcquisitionLockTimeoutMs, since(1), Kind::I32),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
                field(Name::AcknowledgeErrorCode, since(0), Kind::I16),
                field(Name::AcknowledgeErrorMessage, since(0), Kind::String).nullable(since(0)),
                field(Name::CurrentLeader, since(0), Kind::Struct(&[
                    field(Name::LeaderId, since(0), Kind::I32),
                    field(Name::LeaderEpoch, since(0), Kind::I32),
                ])),
                field(Name::Records, since(0), Kind::Records).nullable(only(0, 0)),
                field(Name::AcquiredRecords, since(0), Kind::Structs(&[
                    field(Name::FirstOffset, since(0), Kind::I64),
                    field(Name::LastOffset, since(0), Kind::I64),
                    field(Name::DeliveryCount, since(0), Kind::I16),
                ])),
            ])),
        ])),
        field(Name::NodeEndpoints, since(0), Kind::Structs(&[
            field(Name::NodeId, since(0), Kind::I32),
            field(Name::Host, since(0), Kind::String),
            field(Name::Port, since(0), Kind::I32),
            field(Name::Rack, since(0), Kind::String).nullable(since(0)),
        ])),
    ],
};

#[rustfmt::skip]
pub static SHARE_ACKNOWLEDGE_RESPONSE: Message = Message {
    name: "ShareAcknowledgeResponse",
    api_key: ApiKey::SHARE_ACKNOWLEDGE,
    versions: only(0, 2),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::AcquisitionLockTimeoutMs, since(2), Kind::I32),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
                field(Name::CurrentLeader, since(0), Kind::Struct(&[
                    field(Name::LeaderId, since(0), Kind::I32),
                    field(Name::LeaderEpoch, since(0), Kind::I32),
                ])),
            ])),
        ])),
        field(Name::NodeEndpoints, since(0), Kind::Structs(&[
            field(Name::NodeId, since(0), Kind::I32),
            field(Name::Host, since(0), Kind::String),
            field(Name::Port, since(0), Kind::I32),
            field(Name::Rack, since(0), Kind::String).nullable(since(0)),
        ])),
    ],
};

#[rustfmt::skip]
pub static LIST_OFFSETS_REQUEST: Message = Message {
    name: "ListOffsetsRequest",
    api_key: ApiKey::LIST_OFFSETS,
    versions: only(1, 11),
    flexible_from: 6,
    fields: &[
        field(Name::ReplicaId, since(0), Kind::I32),
        field(Name::IsolationLevel, since(2), Kind::I8),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::CurrentLeaderEpoch, since(4), Kind::I32),
                field(Name::Timestamp, since(0), Kind::I64),
            ])),
        ])),
        field(Name::TimeoutMs, since(10), Kind::I32),
    ],
};

#[rustfmt::skip]
pub static LIST_OFFSETS_RESPONSE: Message = Message {
    name: "ListOffsetsResponse",
    api_key: ApiKey::LIST_OFFSETS,
    versions: only(1, 11),
    flexible_from: 6,
    fields: &[
        field(Name::ThrottleTimeMs, since(2), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::Timestamp, since(1), Kind::I64),
                field(Name::Offset, since(1), Kind::I64),
                field(Name::LeaderEpoch, since(4), Kind::I32),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static OFFSET_COMMIT_REQUEST: Message = Message {
    name: "OffsetCommitRequest",
    api_key: ApiKey::OFFSET_COMMIT,
    versions: only(2, 10),
    flexible_from: 8,
    fields: &[
        field(Name::GroupId, since(2), Kind::String),
        field(Name::GenerationIdOrMemberEpoch, since(2), Kind::I32),
        field(Name::MemberId, since(2), Kind::String),
        field(Name::GroupInstanceId, since(7), Kind::String).nullable(since(7)),
        field(Name::RetentionTimeMs, only(2, 4), Kind::I64),
        field(Name::Topics, since(2), Kind::Structs(&[
            field(Name::Name, only(2, 9), Kind::String),
            field(Name::TopicId, since(10), Kind::Uuid),
            field(Name::Partitions, since(2), Kind::Structs(&[
                field(Name::PartitionIndex, since(2), Kind::I32),
                field(Name::CommittedOffset, since(2), Kind::I64),
                field(Name::CommittedLeaderEpoch, since(6), Kind::I32),
                field(Name::CommittedMetadata, since(2), Kind::String).nullable(since(2)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static OFFSET_COMMIT_RESPONSE: Message = Message {
    name: "OffsetCommitResponse",
    api_key: ApiKey::OFFSET_COMMIT,
    versions: only(2, 10),
    flexible_from: 8,
    fields: &[
        field(Name::ThrottleTimeMs, since(3), Kind::I32),
        field(Name::Topics, since(2), Kind::Structs(&[
            field(Name::Name, only(2, 9), Kind::String),
            field(Name::TopicId, since(10), Kind::Uuid),
            field(Name::Partitions, since(2), Kind::Structs(&[
                field(Name::PartitionIndex, since(2), Kind::I32),
                field(Name::ErrorCode, since(2), Kind::I16),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static TXN_OFFSET_COMMIT_REQUEST: Message = Message {
    name: "TxnOffsetCommitRequest",
    api_key: ApiKey::TXN_OFFSET_COMMIT,
    versions: only(0, 5),
    flexible_from: 3,
    fields: &[
        field(Name::TransactionalId, since(0), Kind::String),
        field(Name::GroupId, since(0), Kind::String),
        field(Name::ProducerId, since(0), Kind::I64),
        field(Name::ProducerEpoch, since(0), Kind::I16),
        field(Name::GenerationId, since(3), Kind::I32),
        field(Name::MemberId, since(3), Kind::String),
        field(Name::GroupInstanceId, since(3), Kind::String).nullable(since(3)),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::CommittedOffset, since(0), Kind::I64),
                field(Name::CommittedLeaderEpoch, since(2), Kind::I32),
                field(Name::CommittedMetadata, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static TXN_OFFSET_COMMIT_RESPONSE: Message = Message {
    name: "TxnOffsetCommitResponse",
    api_key: ApiKey::TXN_OFFSET_COMMIT,
    versions: only(0, 5),
    flexible_from: 3,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static OFFSET_FETCH_REQUEST: Message = Message {
    name: "OffsetFetchRequest",
    api_key: ApiKey::OFFSET_FETCH,
    versions: only(1, 10),
    flexible_from: 6,
    fields: &[
        field(Name::GroupId, only(1, 7), Kind::String),
        field(Name::Topics, only(1, 7), Kind::Structs(&[
            field(Name::Name, only(1, 7), Kind::String),
            field(Name::PartitionIndexes, only(1, 7), Kind::Array(&Kind::I32)),
        ])).nullable(only(2, 7)),
        field(Name::Groups, since(8), Kind::Structs(&[
            field(Name::GroupId, since(8), Kind::String),
            field(Name::MemberId, since(9), Kind::String).nullable(since(9)),
            field(Name::MemberEpoch, since(9), Kind::I32),
            field(Name::Topics, since(8), Kind::Structs(&[
                field(Name::Name, only(8, 9), Kind::String),
                field(Name::TopicId, since(10), Kind::Uuid),
                field(Name::PartitionIndexes, since(8), Kind::Array(&Kind::I32)),
            ])).nullable(since(8)),
        ])),
        field(Name::RequireStable, since(7), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static OFFSET_FETCH_RESPONSE: Message = Message {
    name: "OffsetFetchResponse",
    api_key: ApiKey::OFFSET_FETCH,
    versions: only(1, 10),
    flexible_from: 6,
    fields: &[
        field(Name::ThrottleTimeMs, since(3), Kind::I32),
        field(Name::Topics, only(0, 7), Kind::Structs(&[
            field(Name::Name, only(0, 7), Kind::String),
            field(Name::Partitions, only(0, 7), Kind::Structs(&[
                field(Name::PartitionIndex, only(0, 7), Kind::I32),
                field(Name::CommittedOffset, only(0, 7), Kind::I64),
                field(Name::CommittedLeaderEpoch, only(5, 7), Kind::I32),
                field(Name::Metadata, only(0, 7), Kind::String).nullable(only(0, 7)),
                field(Name::ErrorCode, only(0, 7), Kind::I16),
            ])),
        ])),
        field(Name::ErrorCode, only(2, 7), Kind::I16),
        field(Name::Groups, since(8), Kind::Structs(&[
            field(Name::GroupId, since(8), Kind::String),
            field(Name::Topics, since(8), Kind::Structs(&[
                field(Name::Name, only(8, 9), Kind::String),
                field(Name::TopicId, since(10), Kind::Uuid),
                field(Name::Partitions, since(8), Kind::Structs(&[
                    field(Name::PartitionIndex, since(8), Kind::I32),
                    field(Name::CommittedOffset, since(8), Kind::I64),
                    field(Name::CommittedLeaderEpoch, since(8), Kind::I32),
                    field(Name::Metadata, since(8), Kind::String).nullable(since(8)),
                    field(Name::ErrorCode, since(8), Kind::I16),
                ])),
            ])),
            field(Name::ErrorCode, since(8), Kind::I16),
        ])),
    ],
};

#[rustfmt::skip]
pub static LIST_GROUPS_RESPONSE: Message = Message {
    name: "ListGroupsResponse",
    api_key: ApiKey::LIST_GROUPS,
    versions: only(0, 5),
    flexible_from: 3,
    fields: &[
        field(Name::ThrottleTimeMs, since(1), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::Groups, since(0), Kind::Structs(&[
            field(Name::GroupId, since(0), Kind::String),
            field(Name::ProtocolType, since(0), Kind::String),
            field(Name::GroupState, since(4), Kind::String),
            field(Name::GroupType, since(5), Kind::String),
        ])),
    ],
};

#[rustfmt::skip]
pub static CREATE_TOPICS_REQUEST: Message = Message {
    name: "CreateTopicsRequest",
    api_key: ApiKey::CREATE_TOPICS,
    versions: only(2, 7),
    flexible_from: 5,
    fields: &[
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::NumPartitions, since(0), Kind::I32),
            field(Name::ReplicationFactor, since(0), Kind::I16),
            field(Name::Assignments, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::BrokerIds, since(0), Kind::Array(&Kind::I32)),
            ])),
            field(Name::Configs, since(0), Kind::Structs(&[
                field(Name::Name, since(0), Kind::String),
                field(Name::Value, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
        field(Name::TimeoutMs, since(0), Kind::I32),
        field(Name::ValidateOnly, since(1), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static CREATE_TOPICS_RESPONSE: Message = Message {
    name: "CreateTopicsResponse",
    api_key: ApiKey::CREATE_TOPICS,
    versions: only(2, 7),
    flexible_from: 5,
    fields: &[
        field(Name::ThrottleTimeMs, since(2), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::TopicId, since(7), Kind::Uuid),
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(1), Kind::String).nullable(since(0)),
            field(Name::TopicConfigErrorCode, since(5), Kind::I16).tagged(0),
            field(Name::NumPartitions, since(5), Kind::I32),
            field(Name::ReplicationFactor, since(5), Kind::I16),
            field(Name::Configs, since(5), Kind::Structs(&[
                field(Name::Name, since(5), Kind::String),
                field(Name::Value, since(5), Kind::String).nullable(since(5)),
                field(Name::ReadOnly, since(5), Kind::Bool),
                field(Name::ConfigSource, since(5), Kind::I8),
                field(Name::IsSensitive, since(5), Kind::Bool),
            ])).nullable(since(5)),
        ])),
    ],
};

#[rustfmt::skip]
pub static DELETE_TOPICS_REQUEST: Message = Message {
    name: "DeleteTopicsRequest",
    api_key: ApiKey::DELETE_TOPICS,
    versions: only(1, 6),
    flexible_from: 4,
    fields: &[
        field(Name::Topics, since(6), Kind::Structs(&[
            field(Name::Name, since(6), Kind::String).nullable(since(6)),
            field(Name::TopicId, since(6), Kind::Uuid),
        ])),
        field(Name::TopicNames, only(0, 5), Kind::Array(&Kind::String)),
        field(Name::TimeoutMs, since(0), Kind::I32),
    ],
};

#[rustfmt::skip]
pub static DELETE_TOPICS_RESPONSE: Message = Message {
    name: "DeleteTopicsResponse",
    api_key: ApiKey::DELETE_TOPICS,
    versions: only(1, 6),
    flexible_from: 4,
    fields: &[
        field(Name::ThrottleTimeMs, since(1), Kind::I32),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String).nullable(since(6)),
            field(Name::TopicId, since(6), Kind::Uuid),
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(5), Kind::String).nullable(since(5)),
        ])),
    ],
};

#[rustfmt::skip]
pub static DELETE_RECORDS_REQUEST: Message = Message {
    name: "DeleteRecordsRequest",
    api_key: ApiKey::DELETE_RECORDS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::Offset, since(0), Kind::I64),
            ])),
        ])),
        field(Name::TimeoutMs, since(0), Kind::I32),
    ],
};

#[rustfmt::skip]
pub static DELETE_RECORDS_RESPONSE: Message = Message {
    name: "DeleteRecordsResponse",
    api_key: ApiKey::DELETE_RECORDS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::LowWatermark, since(0), Kind::I64),
                field(Name::ErrorCode, since(0), Kind::I16),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static ALTER_CONFIGS_REQUEST: Message = Message {
    name: "AlterConfigsRequest",
    api_key: ApiKey::ALTER_CONFIGS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::Resources, since(0), Kind::Structs(&[
            field(Name::ResourceType, since(0), Kind::I8),
            field(Name::ResourceName, since(0), Kind::String),
            field(Name::Configs, since(0), Kind::Structs(&[
                field(Name::Name, since(0), Kind::String),
                field(Name::Value, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
        field(Name::ValidateOnly, since(0), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static ALTER_CONFIGS_RESPONSE: Message = Message {
    name: "AlterConfigsResponse",
    api_key: ApiKey::ALTER_CONFIGS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            field(Name::ResourceType, since(0), Kind::I8),
            field(Name::ResourceName, since(0), Kind::String),
        ])),
    ],
};

#[rustfmt::skip]
pub static CREATE_PARTITIONS_REQUEST: Message = Message {
    name: "CreatePartitionsRequest",
    api_key: ApiKey::CREATE_PARTITIONS,
    versions: only(0, 3),
    flexible_from: 2,
    fields: &[
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Count, since(0), Kind::I32),
            field(Name::Assignments, since(0), Kind::Structs(&[
                field(Name::BrokerIds, since(0), Kind::Array(&Kind::I32)),
            ])).nullable(since(0)),
        ])),
        field(Name::TimeoutMs, since(0), Kind::I32),
        field(Name::ValidateOnly, since(0), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static CREATE_PARTITIONS_RESPONSE: Message = Message {
    name: "CreatePartitionsResponse",
    api_key: ApiKey::CREATE_PARTITIONS,
    versions: only(0, 3),
    flexible_from: 2,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Results, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        ])),
    ],
};

#[rustfmt::skip]
pub static DELETE_GROUPS_REQUEST: Message = Message {
    name: "DeleteGroupsRequest",
    api_key: ApiKey::DELETE_GROUPS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::GroupsNames, since(0), Kind::Array(&Kind::String)),
    ],
};

#[rustfmt::skip]
pub static DELETE_GROUPS_RESPONSE: Message = Message {
    name: "DeleteGroupsResponse",
    api_key: ApiKey::DELETE_GROUPS,
    versions: only(0, 2),
    flexible_from: 2,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Results, since(0), Kind::Structs(&[
            field(Name::GroupId, since(0), Kind::String),
            field(Name::ErrorCode, since(0), Kind::I16),
        ])),
    ],
};

#[rustfmt::skip]
pub static INCREMENTAL_ALTER_CONFIGS_REQUEST: Message = Message {
    name: "IncrementalAlterConfigsRequest",
    api_key: ApiKey::INCREMENTAL_ALTER_CONFIGS,
    versions: only(0, 1),
    flexible_from: 1,
    fields: &[
        field(Name::Resources, since(0), Kind::Structs(&[
            field(Name::ResourceType, since(0), Kind::I8),
            field(Name::ResourceName, since(0), Kind::String),
            field(Name::Configs, since(0), Kind::Structs(&[
                field(Name::Name, since(0), Kind::String),
                field(Name::ConfigOperation, since(0), Kind::I8),
                field(Name::Value, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
        field(Name::ValidateOnly, since(0), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static INCREMENTAL_ALTER_CONFIGS_RESPONSE: Message = Message {
    name: "IncrementalAlterConfigsResponse",
    api_key: ApiKey::INCREMENTAL_ALTER_CONFIGS,
    versions: only(0, 1),
    flexible_from: 1,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            field(Name::ResourceType, since(0), Kind::I8),
            field(Name::ResourceName, since(0), Kind::String),
        ])),
    ],
};

#[rustfmt::skip]
pub static ALTER_PARTITION_REASSIGNMENTS_REQUEST: Message = Message {
    name: "AlterPartitionReassignmentsRequest",
    api_key: ApiKey::ALTER_PARTITION_REASSIGNMENTS,
    versions: only(0, 1),
    flexible_from: 0,
    fields: &[
        field(Name::TimeoutMs, since(0), Kind::I32),
        field(Name::AllowReplicationFactorChange, since(1), Kind::Bool),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::Replicas, since(0), Kind::Array(&Kind::I32)).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static ALTER_PARTITION_REASSIGNMENTS_RESPONSE: Message = Message {
    name: "AlterPartitionReassignmentsResponse",
    api_key: ApiKey::ALTER_PARTITION_REASSIGNMENTS,
    versions: only(0, 1),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::AllowReplicationFactorChange, since(1), Kind::Bool),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static OFFSET_DELETE_REQUEST: Message = Message {
    name: "OffsetDeleteRequest",
    api_key: ApiKey::OFFSET_DELETE,
    versions: only(0, 0),
    flexible_from: i16::MAX,
    fields: &[
        field(Name::GroupId, since(0), Kind::String),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static OFFSET_DELETE_RESPONSE: Message = Message {
    name: "OffsetDeleteResponse",
    api_key: ApiKey::OFFSET_DELETE,
    versions: only(0, 0),
    flexible_from: i16::MAX,
    fields: &[
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::Name, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static UPDATE_FEATURES_REQUEST: Message = Message {
    name: "UpdateFeaturesRequest",
    api_key: ApiKey::UPDATE_FEATURES,
    versions: only(0, 2),
    flexible_from: 0,
    fields: &[
        field(Name::TimeoutMs, since(0), Kind::I32),
        field(Name::FeatureUpdates, since(0), Kind::Structs(&[
            field(Name::Feature, since(0), Kind::String),
            field(Name::MaxVersionLevel, since(0), Kind::I16),
            field(Name::AllowDowngrade, only(0, 0), Kind::Bool),
            field(Name::UpgradeType, since(1), Kind::I8),
        ])),
        field(Name::ValidateOnly, since(1), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static UPDATE_FEATURES_RESPONSE: Message = Message {
    name: "UpdateFeaturesResponse",
    api_key: ApiKey::UPDATE_FEATURES,
    versions: only(0, 2),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::Results, only(0, 1), Kind::Structs(&[
            field(Name::Feature, since(0), Kind::String),
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        ])),
    ],
};

#[rustfmt::skip]
pub static UNREGISTER_BROKER_REQUEST: Message = Message {
    name: "UnregisterBrokerRequest",
    api_key: ApiKey::UNREGISTER_BROKER,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::BrokerId, since(0), Kind::I32),
    ],
};

#[rustfmt::skip]
pub static UNREGISTER_BROKER_RESPONSE: Message = Message {
    name: "UnregisterBrokerResponse",
    api_key: ApiKey::UNREGISTER_BROKER,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
    ],
};

#[rustfmt::skip]
pub static REMOVE_RAFT_VOTER_REQUEST: Message = Message {
    name: "RemoveRaftVoterRequest",
    api_key: ApiKey::REMOVE_RAFT_VOTER,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::ClusterId, since(0), Kind::String).nullable(since(0)),
        field(Name::VoterId, since(0), Kind::I32),
        field(Name::VoterDirectoryId, since(0), Kind::Uuid),
    ],
};

#[rustfmt::skip]
pub static REMOVE_RAFT_VOTER_RESPONSE: Message = Message {
    name: "RemoveRaftVoterResponse",
    api_key: ApiKey::REMOVE_RAFT_VOTER,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
    ],
};

#[rustfmt::skip]
pub static ALTER_SHARE_GROUP_OFFSETS_REQUEST: Message = Message {
    name: "AlterShareGroupOffsetsRequest",
    api_key: ApiKey::ALTER_SHARE_GROUP_OFFSETS,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::GroupId, since(0), Kind::String),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::TopicName, since(0), Kind::String),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::StartOffset, since(0), Kind::I64),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static ALTER_SHARE_GROUP_OFFSETS_RESPONSE: Message = Message {
    name: "AlterShareGroupOffsetsResponse",
    api_key: ApiKey::ALTER_SHARE_GROUP_OFFSETS,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::TopicName, since(0), Kind::String),
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::PartitionIndex, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static DELETE_SHARE_GROUP_OFFSETS_REQUEST: Message = Message {
    name: "DeleteShareGroupOffsetsRequest",
    api_key: ApiKey::DELETE_SHARE_GROUP_OFFSETS,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::GroupId, since(0), Kind::String),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::TopicName, since(0), Kind::String),
        ])),
    ],
};

#[rustfmt::skip]
pub static DELETE_SHARE_GROUP_OFFSETS_RESPONSE: Message = Message {
    name: "DeleteShareGroupOffsetsResponse",
    api_key: ApiKey::DELETE_SHARE_GROUP_OFFSETS,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::Responses, since(0), Kind::Structs(&[
            field(Name::TopicName, since(0), Kind::String),
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::ErrorCode, since(0), Kind::I16),
            field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        ])),
    ],
};

#[rustfmt::skip]
pub static INITIALIZE_SHARE_GROUP_STATE_REQUEST: Message = Message {
    name: "InitializeShareGroupStateRequest",
    api_key: ApiKey::INITIALIZE_SHARE_GROUP_STATE,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::GroupId, since(0), Kind::String),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::Partition, since(0), Kind::I32),
                field(Name::StateEpoch, since(0), Kind::I32),
                field(Name::StartOffset, since(0), Kind::I64),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static INITIALIZE_SHARE_GROUP_STATE_RESPONSE: Message = Message {
    name: "InitializeShareGroupStateResponse",
    api_key: ApiKey::INITIALIZE_SHARE_GROUP_STATE,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::Results, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::Partition, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static WRITE_SHARE_GROUP_STATE_REQUEST: Message = Message {
    name: "WriteShareGroupStateRequest",
    api_key: ApiKey::WRITE_SHARE_GROUP_STATE,
    versions: only(0, 1),
    flexible_from: 0,
    fields: &[
        field(Name::GroupId, since(0), Kind::String),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::Partition, since(0), Kind::I32),
                field(Name::StateEpoch, since(0), Kind::I32),
                field(Name::LeaderEpoch, since(0), Kind::I32),
                field(Name::StartOffset, since(0), Kind::I64),
                field(Name::DeliveryCompleteCount, since(1), Kind::I32),
                field(Name::StateBatches, since(0), Kind::Structs(&[
                    field(Name::FirstOffset, since(0), Kind::I64),
                    field(Name::LastOffset, since(0), Kind::I64),
                    field(Name::DeliveryState, since(0), Kind::I8),
                    field(Name::DeliveryCount, since(0), Kind::I16),
                ])),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static WRITE_SHARE_GROUP_STATE_RESPONSE: Message = Message {
    name: "WriteShareGroupStateResponse",
    api_key: ApiKey::WRITE_SHARE_GROUP_STATE,
    versions: only(0, 1),
    flexible_from: 0,
    fields: &[
        field(Name::Results, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::Partition, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static DELETE_SHARE_GROUP_STATE_REQUEST: Message = Message {
    name: "DeleteShareGroupStateRequest",
    api_key: ApiKey::DELETE_SHARE_GROUP_STATE,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::GroupId, since(0), Kind::String),
        field(Name::Topics, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::Partition, since(0), Kind::I32),
            ])),
        ])),
    ],
};

#[rustfmt::skip]
pub static DELETE_SHARE_GROUP_STATE_RESPONSE: Message = Message {
    name: "DeleteShareGroupStateResponse",
    api_key: ApiKey::DELETE_SHARE_GROUP_STATE,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::Results, since(0), Kind::Structs(&[
            field(Name::TopicId, since(0), Kind::Uuid),
            field(Name::Partitions, since(0), Kind::Structs(&[
                field(Name::Partition, since(0), Kind::I32),
                field(Name::ErrorCode, since(0), Kind::I16),
                field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
            ])),
        ])),
    ],
};

/// A topic that the brokers create for a Streams group.
#[rustfmt::skip]
const TOPIC_INFO: Kind = Kind::Structs(&[
    field(Name::Name, since(0), Kind::String),
    field(Name::Partitions, since(0), Kind::I32),
    field(Name::ReplicationFactor, since(0), Kind::I16),
    field(Name::TopicConfigs, since(0), KEY_VALUES),
]);

#[rustfmt::skip]
const KEY_VALUES: Kind = Kind::Structs(&[
    field(Name::Key, since(0), Kind::String),
    field(Name::Value, since(0), Kind::String),
]);

#[rustfmt::skip]
const TASK_IDS: Kind = Kind::Structs(&[
    field(Name::SubtopologyId, since(0), Kind::String),
    field(Name::Partitions, since(0), Kind::Array(&Kind::I32)),
]);

#[rustfmt::skip]
const TASK_OFFSETS: Kind = Kind::Structs(&[
    field(Name::SubtopologyId, since(0), Kind::String),
    field(Name::Partition, since(0), Kind::I32),
    field(Name::Offset, since(0), Kind::I64),
]);

#[rustfmt::skip]
const USER_ENDPOINT: Kind = Kind::Struct(&[
    field(Name::Host, since(0), Kind::String),
    field(Name::Port, since(0), Kind::U16),
]);

#[rustfmt::skip]
const TOPIC_PARTITIONS: Kind = Kind::Structs(&[
    field(Name::Topic, since(0), Kind::String),
    field(Name::Partitions, since(0), Kind::Array(&Kind::I32)),
]);

#[rustfmt::skip]
pub static STREAMS_GROUP_HEARTBEAT_REQUEST: Message = Message {
    name: "StreamsGroupHeartbeatRequest",
    api_key: ApiKey::STREAMS_GROUP_HEARTBEAT,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::GroupId, since(0), Kind::String),
        field(Name::MemberId, since(0), Kind::String),
        field(Name::MemberEpoch, since(0), Kind::I32),
        field(Name::EndpointInformationEpoch, since(0), Kind::I32),
        field(Name::InstanceId, since(0), Kind::String).nullable(since(0)),
        field(Name::RackId, since(0), Kind::String).nullable(since(0)),
        field(Name::RebalanceTimeoutMs, since(0), Kind::I32),
        field(Name::Topology, since(0), Kind::Struct(&[
            field(Name::Epoch, since(0), Kind::I32),
            field(Name::Subtopologies, since(0), Kind::Structs(&[
                field(Name::SubtopologyId, since(0), Kind::String),
                field(Name::SourceTopics, since(0), Kind::Array(&Kind::String)),
                field(Name::SourceTopicRegex, since(0), Kind::Array(&Kind::String)),
                field(Name::StateChangelogTopics, since(0), TOPIC_INFO),
                field(Name::RepartitionSinkTopics, since(0), Kind::Array(&Kind::String)),
                field(Name::RepartitionSourceTopics, since(0), TOPIC_INFO),
                field(Name::CopartitionGroups, since(0), Kind::Structs(&[
                    field(Name::SourceTopics, since(0), Kind::Array(&Kind::I16)),
                    field(Name::SourceTopicRegex, since(0), Kind::Array(&Kind::I16)),
                    field(Name::RepartitionSourceTopics, since(0), Kind::Array(&Kind::I16)),
                ])),
            ])),
        ])).nullable(since(0)),
        field(Name::ActiveTasks, since(0), TASK_IDS).nullable(since(0)),
        field(Name::StandbyTasks, since(0), TASK_IDS).nullable(since(0)),
        field(Name::WarmupTasks, since(0), TASK_IDS).nullable(since(0)),
        field(Name::ProcessId, since(0), Kind::String).nullable(since(0)),
        field(Name::UserEndpoint, since(0), USER_ENDPOINT).nullable(since(0)),
        field(Name::ClientTags, since(0), KEY_VALUES).nullable(since(0)),
        field(Name::TaskOffsets, since(0), TASK_OFFSETS).nullable(since(0)),
        field(Name::TaskEndOffsets, since(0), TASK_OFFSETS).nullable(since(0)),
        field(Name::ShutdownApplication, since(0), Kind::Bool),
    ],
};

#[rustfmt::skip]
pub static STREAMS_GROUP_HEARTBEAT_RESPONSE: Message = Message {
    name: "StreamsGroupHeartbeatResponse",
    api_key: ApiKey::STREAMS_GROUP_HEARTBEAT,
    versions: only(0, 0),
    flexible_from: 0,
    fields: &[
        field(Name::ThrottleTimeMs, since(0), Kind::I32),
        field(Name::ErrorCode, since(0), Kind::I16),
        field(Name::ErrorMessage, since(0), Kind::String).nullable(since(0)),
        field(Name::MemberId, since(0), Kind::String),
        field(Name::MemberEpoch, since(0), Kind::I32),
        field(Name::HeartbeatIntervalMs, since(0), Kind::I32),
        field(Name::AcceptableRecoveryLag, since(0), Kind::I32),
        field(Name::TaskOffsetIntervalMs, since(0), Kind::I32),
        field(Name::Status, since(0), Kind::Structs(&[
            field(Name::StatusCode, since(0), Kind::I8),
            field(Name::StatusDetail, since(0), Kind::String),
        ])).nullable(since(0)),
        field(Name::ActiveTasks, since(0), TASK_IDS).nullable(since(0)),
        field(Name::StandbyTasks, since(0), TASK_IDS).nullable(since(0)),
        field(Name::WarmupTasks, since(0), TASK_IDS).nullable(since(0)),
        field(Name::EndpointInformationEpoch, since(0), Kind::I32),
        field(Name::PartitionsByUserEndpoint, since(0), Kind::Structs(&[
            field(Name::UserEndpoint, since(0), USER_ENDPOINT),
            field(Name::ActivePartitions, since(0), TOPIC_PARTITIONS),
            field(Name::StandbyPartitions, since(0), TOPIC_PARTITIONS),
        ])).nullable(since(0)),
    ],
};

/// The names of the fields of all tables, in Kafka's spelling; `text` is how the wire documentation writes them.
macro_rules! names {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Name { $($name,)* }

        impl Name {
            pub const fn text(self) -> &'static str {
                match self { $(Name::$name => $text,)* }
            }
        }
    };
}

names! {
    AbortedTransactions = "aborted_transactions",
    AcceptableRecoveryLag = "acceptable_recovery_lag",
    AcknowledgeErrorCode = "acknowledge_error_code",
    AcknowledgeErrorMessage = "acknowledge_error_message",
    Acks = "acks",
    AcquiredRecords = "acquired_records",
    AcquisitionLockTimeoutMs = "acquisition_lock_timeout_ms",
    ActivePartitions = "active_partitions",
    ActiveTasks = "active_tasks",
    AllowAutoTopicCreation = "allow_auto_topic_creation",
    AllowDowngrade = "allow_downgrade",
    AllowReplicationFactorChange = "allow_replication_factor_change",
    ApiKey = "api_key",
    ApiKeys = "api_keys",
    Assignments = "assignments",
    BaseOffset = "base_offset",
    BatchIndex = "batch_index",
    BatchIndexErrorMessage = "batch_index_error_message",
    BrokerId = "broker_id",
    BrokerIds = "broker_ids",
    Brokers = "brokers",
    ClientTags = "client_tags",
    ClusterAuthorizedOperations = "cluster_authorized_operations",
    ClusterId = "cluster_id",
    CommittedLeaderEpoch = "committed_leader_epoch",
    CommittedMetadata = "committed_metadata",
    CommittedOffset = "committed_offset",
    ConfigOperation = "config_operation",
    ConfigSource = "config_source",
    ConfigType = "config_type",
    Configs = "configs",
    ControllerId = "controller_id",
    Coordinators = "coordinators",
    CopartitionGroups = "copartition_groups",
    Count = "count",
    CurrentLeader = "current_leader",
    CurrentLeaderEpoch = "current_leader_epoch",
    DeliveryCompleteCount = "delivery_complete_count",
    DeliveryCount = "delivery_count",
    DeliveryState = "delivery_state",
    DivergingEpoch = "diverging_epoch",
    Documentation = "documentation",
    ElectionType = "election_type",
    EligibleLeaderReplicas = "eligible_leader_replicas",
    EndOffset = "end_offset",
    EndpointInformationEpoch = "endpoint_information_epoch",
    EndpointType = "endpoint_type",
    Epoch = "epoch",
    ErrorCode = "error_code",
    ErrorMessage = "error_message",
    Feature = "feature",
    FeatureUpdates = "feature_updates",
    FetchOffset = "fetch_offset",
    FinalizedFeatures = "finalized_features",
    FinalizedFeaturesEpoch = "finalized_features_epoch",
    FirstOffset = "first_offset",
    ForgottenTopicsData = "forgotten_topics_data",
    GenerationId = "generation_id",
    GenerationIdOrMemberEpoch = "generation_id_or_member_epoch",
    GroupId = "group_id",
    GroupInstanceId = "group_instance_id",
    GroupState = "group_state",
    GroupType = "group_type",
    Groups = "groups",
    GroupsNames = "groups_names",
    HeartbeatIntervalMs = "heartbeat_interval_ms",
    HighWatermark = "high_watermark",
    Host = "host",
    IncludeClusterAuthorizedOperations = "include_cluster_authorized_operations",
    IncludeTopicAuthorizedOperations = "include_topic_authorized_operations",
    Index = "index",
    InstanceId = "instance_id",
    IsFenced = "is_fenced",
    IsInternal = "is_internal",
    IsSensitive = "is_sensitive",
    IsolationLevel = "isolation_level",
    IsrNodes = "isr_nodes",
    Key = "key",
    LastFetchedEpoch = "last_fetched_epoch",
    LastKnownElr = "last_known_elr",
    LastOffset = "last_offset",
    LastStableOffset = "last_stable_offset",
    LeaderEpoch = "leader_epoch",
    LeaderId = "leader_id",
    LogAppendTimeMs = "log_append_time_ms",
    LogStartOffset = "log_start_offset",
    LowWatermark = "low_watermark",
    MaxBytes = "max_bytes",
    MaxVersion = "max_version",
    MaxVersionLevel = "max_version_level",
    MaxWaitMs = "max_wait_ms",
    Mechanism = "mechanism",
    Mechanisms = "mechanisms",
    MemberEpoch = "member_epoch",
    MemberId = "member_id",
    Metadata = "metadata",
    MinBytes = "min_bytes",
    MinVersion = "min_version",
    MinVersionLevel = "min_version_level",
    Name = "name",
    NextCursor = "next_cursor",
    NodeEndpoints = "node_endpoints",
    NodeId = "node_id",
    NumPartitions = "num_partitions",
    OfflineReplicas = "offline_replicas",
    Offset = "offset",
    Partition = "partition",
    PartitionData = "partition_data",
    PartitionId = "partition_id",
    PartitionIndex = "partition_index",
    PartitionIndexes = "partition_indexes",
    PartitionMaxBytes = "partition_max_bytes",
    PartitionResponses = "partition_responses",
    PartitionResult = "partition_result",
    Partitions = "partitions",
    PartitionsByUserEndpoint = "partitions_by_user_endpoint",
    Port = "port",
    PreferredReadReplica = "preferred_read_replica",
    ProcessId = "process_id",
    ProducerEpoch = "producer_epoch",
    ProducerId = "producer_id",
    ProtocolType = "protocol_type",
    Rack = "rack",
    RackId = "rack_id",
    ReadOnly = "read_only",
    RebalanceTimeoutMs = "rebalance_timeout_ms",
    RecordErrors = "record_errors",
    Records = "records",
    RepartitionSinkTopics = "repartition_sink_topics",
    RepartitionSourceTopics = "repartition_source_topics",
    ReplicaDirectoryId = "replica_directory_id",
    ReplicaElectionResults = "replica_election_results",
    ReplicaEpoch = "replica_epoch",
    ReplicaId = "replica_id",
    ReplicaNodes = "replica_nodes",
    ReplicaState = "replica_state",
    Replicas = "replicas",
    ReplicationFactor = "replication_factor",
    RequireStable = "require_stable",
    ResourceName = "resource_name",
    ResourceType = "resource_type",
    Resources = "resources",
    Responses = "responses",
    Results = "results",
    RetentionTimeMs = "retention_time_ms",
    SessionEpoch = "session_epoch",
    SessionId = "session_id",
    ShutdownApplication = "shutdown_application",
    SnapshotId = "snapshot_id",
    Source = "source",
    SourceTopicRegex = "source_topic_regex",
    SourceTopics = "source_topics",
    StandbyPartitions = "standby_partitions",
    StandbyTasks = "standby_tasks",
    StartOffset = "start_offset",
    StateBatches = "state_batches",
    StateChangelogTopics = "state_changelog_topics",
    StateEpoch = "state_epoch",
    Status = "status",
    StatusCode = "status_code",
    StatusDetail = "status_detail",
    Subtopologies = "subtopologies",
    SubtopologyId = "subtopology_id",
    SupportedFeatures = "supported_features",
    Synonyms = "synonyms",
    TaskEndOffsets = "task_end_offsets",
    TaskOffsetIntervalMs = "task_offset_interval_ms",
    TaskOffsets = "task_offsets",
    ThrottleTimeMs = "throttle_time_ms",
    TimeoutMs = "timeout_ms",
    Timestamp = "timestamp",
    Topic = "topic",
    TopicAuthorizedOperations = "topic_authorized_operations",
    TopicConfigErrorCode = "topic_config_error_code",
    TopicConfigs = "topic_configs",
    TopicData = "topic_data",
    TopicId = "topic_id",
    TopicName = "topic_name",
    TopicNames = "topic_names",
    TopicPartitions = "topic_partitions",
    Topics = "topics",
    Topology = "topology",
    TransactionalId = "transactional_id",
    UpgradeType = "upgrade_type",
    UserEndpoint = "user_endpoint",
    ValidateOnly = "validate_only",
    Value = "value",
    VoterDirectoryId = "voter_directory_id",
    VoterId = "voter_id",
    WarmupTasks = "warmup_tasks",
    ZkMigrationReady = "zk_migration_ready",
}
