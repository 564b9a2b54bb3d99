//! An admin for JavaScript.

use super::config::ClientOptions;
use super::edge::{Edge, EdgeOf, Message, client_methods, offset};
use super::error::ErrorObject;
use super::partition_answer::PartitionAnswer;
use super::{from_js, from_js_variant, from_tagged_js, to_js};
use crate::client::admin::{
    Admin, AdminCommand, AdminOutput, AdminResult, ConfigAlteration, ConfigEntry, ConfigResource,
    DescribedConfigs, DescribedGroup, DescribedMember, GroupOffset, NewPartitions, NewTopic,
    Operation,
};
use crate::client::{BrokerMetadata, CommandId, KafkaError, TopicMetadata};
use crate::protocol::ErrorCode;
use crate::runtime::{ClientHost, random_u64};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// A Kafka admin whose operations have KafkaJS's names, arguments and results.
#[wasm_bindgen]
pub struct AdminClient {
    host: ClientHost<Admin, EdgeOf<AdminOutput>>,
}

#[wasm_bindgen]
impl AdminClient {
    /// An admin with these options, which reaches the cluster by `edge`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue, edge: Edge) -> Result<AdminClient, JsValue> {
        let options: ClientOptions = from_js(options)?;
        let config = options.config();
        let request_timeout_ms = config.request_timeout_ms;
        let admin = Admin::new(config, random_u64()?);
        Ok(AdminClient {
            host: ClientHost::new(admin, EdgeOf::new(edge, translate), request_timeout_ms),
        })
    }
}

client_methods!(AdminClient);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Command {
    Connect {
        id: u64,
    },
    Run {
        id: u64,
        /// The name of a [`Call`], whose content `args` are.
        #[serde(with = "serde_wasm_bindgen::preserve")]
        operation: JsValue,
        #[serde(with = "serde_wasm_bindgen::preserve")]
        args: JsValue,
    },
    Close {
        id: u64,
    },
}

/// A method of KafkaJS's admin and its arguments.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Call {
    CreateTopics {
        topics: Vec<Topic>,
        validate_only: bool,
        timeout: i32,
        wait_for_leaders: bool,
    },
    DeleteTopics {
        topics: Vec<String>,
        timeout: i32,
    },
    ListTopics {},
    CreatePartitions {
        topic_partitions: Vec<Partitions>,
        validate_only: bool,
        timeout: i32,
    },
    FetchTopicMetadata {
        topics: Vec<String>,
    },
    FetchTopicOffsets {
        topic: String,
    },
    FetchTopicOffsetsByTimestamp {
        topic: String,
        timestamp: Option<i64>,
    },
    FetchOffsets {
        group_id: String,
        topics: Vec<String>,
        resolve_offsets: bool,
    },
    SetOffsets {
        group_id: String,
        topic: String,
        partitions: Vec<PartitionOffset>,
    },
    ResetOffsets {
        group_id: String,
        topic: String,
        earliest: bool,
    },
    DeleteTopicRecords {
        topic: String,
        partitions: Vec<PartitionOffset>,
    },
    DescribeConfigs {
        resources: Vec<Resource>,
        include_synonyms: bool,
    },
    AlterConfigs {
        resources: Vec<Alteration>,
        validate_only: bool,
    },
    DescribeGroups {
        group_ids: Vec<String>,
    },
    ListGroups {},
    DeleteGroups {
        group_ids: Vec<String>,
    },
    DescribeCluster {},
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    topic: String,
    num_partitions: i32,
    replication_factor: i16,
    replica_assignment: Vec<ReplicaAssignment>,
    config_entries: Vec<ConfigValue>,
}

#[derive(Deserialize)]
struct ReplicaAssignment {
    partition: i32,
    replicas: Vec<i32>,
}

#[derive(Deserialize)]
struct ConfigValue {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Partitions {
    topic: String,
    count: i32,
    assignments: Option<Vec<Vec<i32>>>,
}

#[derive(Deserialize)]
struct PartitionOffset {
    partition: i32,
    offset: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    r#type: i8,
    name: String,
    config_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alteration {
    r#type: i8,
    name: String,
    config_entries: Vec<ConfigValue>,
}

impl TryFrom<Command> for AdminCommand {
    type Error = JsValue;

    fn try_from(command: Command) -> Result<AdminCommand, JsValue> {
        Ok(match command {
            Command::Connect { id } => AdminCommand::Connect { id: CommandId(id) },
            Command::Run {
                id,
                operation,
                args,
            } => AdminCommand::Run {
                id: CommandId(id),
                operation: from_js_variant::<Call>(&operation, &args)?.try_into()?,
            },
            Command::Close { id } => AdminCommand::Close { id: CommandId(id) },
        })
    }
}

impl TryFrom<Call> for Operation {
    type Error = JsValue;

    fn try_from(call: Call) -> Result<Operation, JsValue> {
        Ok(match call {
            Call::CreateTopics {
                topics,
                validate_only,
                timeout,
                wait_for_leaders,
            } => Operation::CreateTopics {
                topics: topics.into_iter().map(new_topic).collect(),
                validate_only,
                timeout_ms: timeout,
                wait_for_leaders,
            },
            Call::DeleteTopics { topics, timeout } => Operation::DeleteTopics {
                topics,
                timeout_ms: timeout,
            },
            Call::ListTopics {} => Operation::ListTopics,
            Call::CreatePartitions {
                topic_partitions,
                validate_only,
                timeout,
            } => Operation::CreatePartitions {
                topics: topic_partitions.into_iter().map(new_partitions).collect(),
                validate_only,
                timeout_ms: timeout,
            },
            Call::FetchTopicMetadata { topics } => Operation::FetchTopicMetadata { topics },
            Call::FetchTopicOffsets { topic } => Operation::FetchTopicOffsets { topic },
            Call::FetchTopicOffsetsByTimestamp { topic, timestamp } => {
                Operation::FetchTopicOffsetsByTimestamp { topic, timestamp }
            }
            Call::FetchOffsets {
                group_id,
                topics,
                resolve_offsets,
            } => Operation::FetchOffsets {
                group_id,
                topics,
                resolve_offsets,
            },
            Call::SetOffsets {
                group_id,
                topic,
                partitions,
            } => Operation::SetOffsets {
                group_id,
                topic,
                partitions: offsets(partitions)?,
            },
            Call::ResetOffsets {
                group_id,
                topic,
                earliest,
            } => Operation::ResetOffsets {
                group_id,
                topic,
                earliest,
            },
            Call::DeleteTopicRecords { topic, partitions } => Operation::DeleteTopicRecords {
                topic,
                partitions: offsets(partitions)?,
            },
            Call::DescribeConfigs {
                resources,
                include_synonyms,
            } => Operation::DescribeConfigs {
                resources: resources
                    .into_iter()
                    .map(|one| ConfigResource {
                        resource_type: one.r#type,
                        resource_name: one.name,
                        config_names: one.config_names,
                    })
                    .collect(),
                include_synonyms,
            },
            Call::AlterConfigs {
                resources,
                validate_only,
            } => Operation::AlterConfigs {
                resources: resources
                    .into_iter()
                    .map(|one| ConfigAlteration {
                        resource_type: one.r#type,
                        resource_name: one.name,
                        config_entries: config_values(one.config_entries),
                    })
                    .collect(),
                validate_only,
            },
            Call::DescribeGroups { group_ids } => Operation::DescribeGroups { group_ids },
            Call::ListGroups {} => Operation::ListGroups,
            Call::DeleteGroups { group_ids } => Operation::DeleteGroups { group_ids },
            Call::DescribeCluster {} => Operation::DescribeCluster,
        })
    }
}

fn new_topic(topic: Topic) -> NewTopic {
    NewTopic {
        topic: topic.topic,
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        replica_assignment: topic
            .replica_assignment
            .into_iter()
            .map(|one| (one.partition, one.replicas))
            .collect(),
        config_entries: config_values(topic.config_entries),
    }
}

fn new_partitions(topic: Partitions) -> NewPartitions {
    NewPartitions {
        topic: topic.topic,
        count: topic.count,
        assignments: topic.assignments,
    }
}

fn config_values(entries: Vec<ConfigValue>) -> Vec<(String, Option<String>)> {
    entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect()
}

fn offsets(partitions: Vec<PartitionOffset>) -> Result<Vec<(i32, i64)>, JsValue> {
    partitions
        .into_iter()
        .map(|one| Ok((one.partition, offset(&one.offset)?)))
        .collect()
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Output {
    Result {
        id: u64,
        result: Option<Answer>,
        error: Option<ErrorObject>,
    },
}

/// What KafkaJS's methods resolve to.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Answer {
    Created(bool),
    Names(Vec<String>),
    Topics {
        topics: Vec<TopicAnswer>,
    },
    Offsets(Vec<OffsetAnswer>),
    GroupOffsets(Vec<GroupOffsetsAnswer>),
    Configs {
        resources: Vec<ConfigsAnswer>,
        throttle_time: i32,
    },
    Groups {
        groups: Vec<GroupAnswer>,
    },
    DeletedGroups(Vec<DeletedGroup>),
    Cluster {
        brokers: Vec<Broker>,
        controller: Option<i32>,
        cluster_id: Option<String>,
    },
}

#[derive(Serialize)]
struct TopicAnswer {
    name: String,
    partitions: Vec<PartitionAnswer>,
}

#[derive(Serialize)]
struct OffsetAnswer {
    partition: i32,
    offset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<String>,
}

#[derive(Serialize)]
struct GroupOffsetsAnswer {
    topic: String,
    partitions: Vec<CommittedOffset>,
}

#[derive(Serialize)]
struct CommittedOffset {
    partition: i32,
    offset: String,
    metadata: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigsAnswer {
    error_code: i16,
    error_message: &'static str,
    resource_type: i8,
    resource_name: String,
    config_entries: Vec<ConfigAnswer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigAnswer {
    config_name: String,
    config_value: Option<String>,
    read_only: bool,
    is_default: bool,
    config_source: i8,
    is_sensitive: bool,
    config_synonyms: Vec<Synonym>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Synonym {
    config_name: String,
    config_value: Option<String>,
    config_source: i8,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum GroupAnswer {
    Listed {
        group_id: String,
        protocol_type: String,
        group_state: String,
    },
    Described {
        error_code: i16,
        group_id: String,
        state: String,
        protocol_type: String,
        protocol: String,
        members: Vec<Member>,
        error: Option<ErrorObject>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    member_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_instance_id: Option<String>,
    client_id: String,
    client_host: String,
    /// Cross as arrays of numbers; the page makes bytes of them.
    member_metadata: Vec<u8>,
    member_assignment: Vec<u8>,
    /// The assignment decoded, by topic. KafkaJS leaves that to the application.
    assignment: BTreeMap<String, Vec<i32>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedGroup {
    group_id: String,
    error_code: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Broker {
    node_id: i32,
    host: String,
    port: i32,
}

fn translate(output: AdminOutput) -> Result<Message, JsValue> {
    let error = output.result.as_ref().err().map(ErrorObject::from);
    let result = output.result.ok().and_then(answer);
    to_js(&Output::Result {
        id: output.id.0,
        result,
        error,
    })
    .map(Message::plain)
}

fn answer(result: AdminResult) -> Option<Answer> {
    Some(match result {
        AdminResult::None => return None,
        AdminResult::Created(created) => Answer::Created(created),
        AdminResult::Names(names) => Answer::Names(names),
        AdminResult::Topics(topics) => Answer::Topics {
            topics: topics.into_iter().map(topic_answer).collect(),
        },
        AdminResult::TopicOffsets(partitions) => Answer::Offsets(
            partitions
                .into_iter()
                .map(|one| OffsetAnswer {
                    partition: one.partition,
                    offset: one.high.to_string(),
                    high: Some(one.high.to_string()),
                    low: Some(one.low.to_string()),
                })
                .collect(),
        ),
        AdminResult::Offsets(partitions) => Answer::Offsets(
            partitions
                .into_iter()
                .map(|(partition, offset)| OffsetAnswer {
                    partition,
                    offset: offset.to_string(),
                    high: None,
                    low: None,
                })
                .collect(),
        ),
        AdminResult::GroupOffsets(offsets) => Answer::GroupOffsets(by_topic(offsets)),
        AdminResult::Configs(resources) => Answer::Configs {
            resources: resources.into_iter().map(configs_answer).collect(),
            throttle_time: 0,
        },
        AdminResult::DescribedGroups(groups) => Answer::Groups {
            groups: groups.into_iter().map(described_group).collect(),
        },
        AdminResult::Groups(groups) => Answer::Groups {
            groups: groups
                .into_iter()
                .map(|group| GroupAnswer::Listed {
                    group_id: group.group_id,
                    protocol_type: group.protocol_type,
                    group_state: group.group_state,
                })
                .collect(),
        },
        AdminResult::DeletedGroups(groups) => Answer::DeletedGroups(
            groups
                .into_iter()
                .map(|(group_id, code)| DeletedGroup {
                    error: group_error(code, &group_id),
                    group_id,
                    error_code: code.code(),
                })
                .collect(),
        ),
        AdminResult::Cluster {
            brokers,
            controller_id,
            cluster_id,
        } => Answer::Cluster {
            brokers: brokers.into_iter().map(broker).collect(),
            controller: controller_id,
            cluster_id,
        },
    })
}

fn topic_answer(topic: TopicMetadata) -> TopicAnswer {
    TopicAnswer {
        name: topic.name,
        partitions: topic
            .partitions
            .into_iter()
            .map(PartitionAnswer::from)
            .collect(),
    }
}

fn by_topic(offsets: Vec<GroupOffset>) -> Vec<GroupOffsetsAnswer> {
    let mut topics = BTreeMap::<String, Vec<CommittedOffset>>::new();
    for one in offsets {
        topics
            .entry(one.partition.topic)
            .or_default()
            .push(CommittedOffset {
                partition: one.partition.partition,
                offset: one.offset.to_string(),
                // KafkaJS makes no difference between no words and empty ones.
                metadata: one.metadata.filter(|metadata| !metadata.is_empty()),
            });
    }
    topics
        .into_iter()
        .map(|(topic, partitions)| GroupOffsetsAnswer { topic, partitions })
        .collect()
}

fn configs_answer(resource: DescribedConfigs) -> ConfigsAnswer {
    let entry = |entry: ConfigEntry| ConfigAnswer {
        config_name: entry.name,
        config_value: entry.value,
        read_only: entry.read_only,
        is_default: entry.is_default,
        config_source: entry.source,
        is_sensitive: entry.is_sensitive,
        config_synonyms: entry
            .synonyms
            .into_iter()
            .map(|(config_name, config_value, config_source)| Synonym {
                config_name,
                config_value,
                config_source,
            })
            .collect(),
    };
    ConfigsAnswer {
        // A resource that has none fails the whole operation, in the client.
        error_code: 0,
        error_message: "",
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        config_entries: resource.entries.into_iter().map(entry).collect(),
    }
}

fn described_group(group: DescribedGroup) -> GroupAnswer {
    GroupAnswer::Described {
        error_code: group.error.as_ref().map_or(0, |error| error.code.code()),
        error: group.error.as_ref().map(ErrorObject::from),
        group_id: group.group_id,
        state: group.state,
        protocol_type: group.protocol_type,
        protocol: group.protocol,
        members: group.members.into_iter().map(member).collect(),
    }
}

fn member(member: DescribedMember) -> Member {
    let mut assignment = BTreeMap::<String, Vec<i32>>::new();
    for one in member.partitions {
        assignment.entry(one.topic).or_default().push(one.partition);
    }
    Member {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.member_metadata.to_vec(),
        member_assignment: member.member_assignment.to_vec(),
        assignment,
    }
}

fn broker(broker: BrokerMetadata) -> Broker {
    Broker {
        node_id: broker.node_id,
        host: broker.host,
        port: broker.port,
    }
}

fn group_error(code: ErrorCode, group_id: &str) -> Option<ErrorObject> {
    if code == ErrorCode::None {
        return None;
    }
    Some(ErrorObject::from(
        &KafkaError::protocol(code).of_group(group_id),
    ))
}
