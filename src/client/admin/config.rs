//! What an admin is told, and what it tells.

use std::collections::BTreeMap;

use crate::client::{
    BrokerMetadata, ClientConfig, CommandId, KafkaError, TopicMetadata, TopicPartition,
};
use crate::protocol::ErrorCode;

/// The options of an admin.
pub type AdminConfig = ClientConfig;

/// What the application wants of an admin. Each is answered exactly once.
#[derive(Clone, Debug, PartialEq)]
pub enum AdminCommand {
    /// Answered with [`AdminResult::None`] when a broker has been reached.
    Connect {
        /// Names the answer.
        id: CommandId,
    },
    /// Does something.
    Run {
        /// Names the answer.
        id: CommandId,
        /// What.
        operation: Operation,
    },
    /// Closes the connections; answered with [`AdminResult::None`]. What runs, and later commands,
    /// fail with `Closed`.
    Close {
        /// Names the answer.
        id: CommandId,
    },
}

/// Answers an [`AdminCommand`].
#[derive(Clone, Debug, PartialEq)]
pub struct AdminOutput {
    /// The command.
    pub id: CommandId,
    /// What it gave.
    pub result: Result<AdminResult, KafkaError>,
}

/// What can be done: KafkaJS's methods.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Operation {
    /// Gives [`AdminResult::Created`].
    CreateTopics {
        topics: Vec<NewTopic>,
        /// Changes nothing.
        validate_only: bool,
        timeout_ms: i32,
        /// Answered only when every partition has a leader.
        wait_for_leaders: bool,
    },
    /// Gives [`AdminResult::None`].
    DeleteTopics {
        topics: Vec<String>,
        timeout_ms: i32,
    },
    /// Gives [`AdminResult::Names`].
    ListTopics,
    /// Gives [`AdminResult::None`].
    CreatePartitions {
        topics: Vec<NewPartitions>,
        validate_only: bool,
        timeout_ms: i32,
    },
    /// Gives [`AdminResult::Topics`]; no topics are all topics.
    FetchTopicMetadata { topics: Vec<String> },
    /// Gives [`AdminResult::TopicOffsets`].
    FetchTopicOffsets { topic: String },
    /// Gives [`AdminResult::Offsets`]: of the first record not older, or the high watermark.
    FetchTopicOffsetsByTimestamp {
        topic: String,
        timestamp: Option<i64>,
    },
    /// Gives [`AdminResult::GroupOffsets`]; no topics are all that the group has committed.
    FetchOffsets {
        group_id: String,
        topics: Vec<String>,
        /// Commits, and gives, the offset that a consumer would start from where nothing valid
        /// is committed.
        resolve_offsets: bool,
    },
    /// Gives [`AdminResult::None`]. -1 is the end, -2 the beginning. The group must have no
    /// members.
    SetOffsets {
        group_id: String,
        topic: String,
        partitions: Vec<(i32, i64)>,
    },
    /// Gives [`AdminResult::None`]: commits the end, or the beginning.
    ResetOffsets {
        group_id: String,
        topic: String,
        earliest: bool,
    },
    /// Gives [`AdminResult::None`]; -1 deletes all that is there.
    DeleteTopicRecords {
        topic: String,
        partitions: Vec<(i32, i64)>,
    },
    /// Gives [`AdminResult::Configs`].
    DescribeConfigs {
        resources: Vec<ConfigResource>,
        include_synonyms: bool,
    },
    /// Gives [`AdminResult::None`]. Replaces all configs of each resource, as KafkaJS does.
    AlterConfigs {
        resources: Vec<ConfigAlteration>,
        validate_only: bool,
    },
    /// Gives [`AdminResult::DescribedGroups`].
    DescribeGroups { group_ids: Vec<String> },
    /// Gives [`AdminResult::Groups`].
    ListGroups,
    /// Gives [`AdminResult::DeletedGroups`].
    DeleteGroups { group_ids: Vec<String> },
    /// Gives [`AdminResult::Cluster`].
    DescribeCluster,
}

/// What an operation gives.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum AdminResult {
    /// It is done, and there is nothing to say.
    None,
    /// False when all of the topics were there already, which KafkaJS does not make an error.
    Created(bool),
    Names(Vec<String>),
    Topics(Vec<TopicMetadata>),
    TopicOffsets(Vec<TopicOffsets>),
    Offsets(Vec<(i32, i64)>),
    GroupOffsets(Vec<GroupOffset>),
    Configs(Vec<DescribedConfigs>),
    DescribedGroups(Vec<DescribedGroup>),
    Groups(Vec<ListedGroup>),
    /// Each with its error code.
    DeletedGroups(Vec<(String, ErrorCode)>),
    Cluster {
        brokers: Vec<BrokerMetadata>,
        controller_id: Option<i32>,
        cluster_id: Option<String>,
    },
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct NewTopic {
    /// Its name.
    pub topic: String,
    /// -1 is the broker's default, and with an assignment the only value.
    pub num_partitions: i32,
    /// Likewise.
    pub replication_factor: i16,
    /// Brokers by partition; empty lets the controller choose.
    pub replica_assignment: BTreeMap<i32, Vec<i32>>,
    /// Configs by Kafka's names; `None` is the default.
    pub config_entries: Vec<(String, Option<String>)>,
}

/// Partitions to add.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// How many it is to have.
    pub count: i32,
    /// Brokers for each new partition; `None` lets the controller choose.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// The offsets of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicOffsets {
    /// The partition.
    pub partition: i32,
    /// The high watermark.
    pub high: i64,
    /// The first offset.
    pub low: i64,
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// Of the next record to process, or -1.
    pub offset: i64,
    /// The committer's own words.
    pub metadata: Option<String>,
}

/// What configs belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigResource {
    /// Kafka's number: 2 is a topic, 4 a broker.
    pub resource_type: i8,
    /// The topic's name, or the broker's id.
    pub resource_name: String,
    /// Only these; `None` is all.
    pub config_names: Option<Vec<String>>,
}

/// The configs that a resource is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigAlteration {
    /// Kafka's number: 2 is a topic, 4 a broker.
    pub resource_type: i8,
    /// The topic's name, or the broker's id.
    pub resource_name: String,
    /// By Kafka's names.
    pub config_entries: Vec<(String, Option<String>)>,
}

/// The configs of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedConfigs {
    /// Kafka's number.
    pub resource_type: i8,
    /// Its name.
    pub resource_name: String,
    /// Its configs.
    pub entries: Vec<ConfigEntry>,
}

/// One config of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: String,
    /// `None` when it is sensitive.
    pub value: Option<String>,
    /// Whether it cannot be changed.
    pub read_only: bool,
    /// Whether nobody has set it.
    pub is_default: bool,
    /// Whether its value is kept secret.
    pub is_sensitive: bool,
    /// Kafka's number of where the value comes from (1 topic, 5 default).
    pub source: i8,
    /// Name, value and source of what else would apply.
    pub synonyms: Vec<(String, Option<String>, i8)>,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    /// Its id.
    pub group_id: String,
    /// Non-zero when it could not be described.
    pub error: Option<KafkaError>,
    /// Kafka's name of its state.
    pub state: String,
    /// `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor's wire name.
    pub protocol: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: String,
    /// If it is static.
    pub group_instance_id: Option<String>,
    /// Its client's.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// The subscription as the member encoded it.
    pub member_metadata: bytes::Bytes,
    /// The assignment as the leader encoded it.
    pub member_assignment: bytes::Bytes,
    /// The assignment decoded, when it is a consumer's.
    pub partitions: Vec<TopicPartition>,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its id.
    pub group_id: String,
    /// `consumer` for consumers.
    pub protocol_type: String,
    /// Kafka's name of its state; empty from old brokers.
    pub group_state: String,
}
