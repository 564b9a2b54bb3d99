//! CreateTopics.

use super::placement::{check_partition_count, check_replicas, new_partition, place};
use super::refusal::{Refusal, repeated};
use super::{Ids, Outcome};
use crate::distinct::distinct_by;
use crate::metadata::configs::{
    BrokerConfigs, TopicConfigs, describe_topic, validate_topic_configs,
};
use crate::metadata::image::{MetadataImage, PartitionImage, topic_config_record};
use crate::metadata::topic_name::{collision_key, validate_topic_name};
use crate::metadata::{CLUSTER_METADATA_TOPIC, CONSUMER_OFFSETS_TOPIC, consumer_offsets_topic};
use crate::protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use crate::protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use crate::protocol::messages::topic_record::TopicRecord;
use crate::protocol::{ErrorCode, MetadataRecord, Response, Uuid};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Stands for the broker's default in a number of partitions or replicas (KIP-464).
const BROKER_DEFAULT: i32 = -1;

/// CreateTopics: each topic is created, or not, by itself.
pub(super) fn create_topics(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    ids: &mut Ids,
    request: &CreateTopicsRequest,
) -> Outcome {
    let twice = repeated(request.topics.iter().map(|topic| topic.name.as_str()));
    let mut new_names: BTreeMap<String, String> = BTreeMap::new();
    let mut partition_count = image.partition_count();
    let mut records = Vec::new();
    let mut topics = Vec::new();
    for topic in distinct_by(request.topics.iter().collect(), |topic| topic.name.as_str()) {
        let created = check_new_name(image, &new_names, &twice, &topic.name)
            .and_then(|()| new_topic(image, broker, partition_count, topic));
        let result = match created {
            Ok((partitions, configs)) => {
                let topic_id = ids.next_topic_id(image);
                partition_count += partitions.len();
                new_names.insert(collision_key(&topic.name), topic.name.clone());
                let result = created_result(&topic.name, topic_id, &partitions, &configs, broker);
                records.extend(topic_records(&topic.name, topic_id, &partitions, &configs));
                result
            }
            Err((error, message)) => CreatableTopicResult {
                name: topic.name.clone(),
                error_code: error.code(),
                error_message: Some(message),
                configs: None,
                ..Default::default()
            },
        };
        topics.push(result);
    }
    Outcome {
        records: if request.validate_only {
            Vec::new()
        } else {
            records
        },
        response: Response::CreateTopics(CreateTopicsResponse {
            topics,
            ..Default::default()
        }),
    }
}

fn check_new_name(
    image: &MetadataImage,
    new_names: &BTreeMap<String, String>,
    twice: &BTreeSet<&str>,
    name: &str,
) -> Result<(), Refusal> {
    if twice.contains(name) {
        return Err((
            ErrorCode::InvalidRequest,
            "Duplicate topic name.".to_string(),
        ));
    }
    if name == CLUSTER_METADATA_TOPIC {
        let message = format!("Creation of internal topic {name} is prohibited.");
        return Err((ErrorCode::InvalidRequest, message));
    }
    validate_topic_name(name).map_err(|message| (ErrorCode::InvalidTopicException, message))?;
    if image.topic(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err((ErrorCode::TopicAlreadyExists, message));
    }
    let existing = image.colliding_topic(name).map(|topic| &topic.name);
    if let Some(other) = existing.or_else(|| new_names.get(&collision_key(name))) {
        let message = format!("Topic '{name}' collides with existing topic: {other}");
        return Err((ErrorCode::InvalidTopicException, message));
    }
    Ok(())
}

fn new_topic(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    partition_count: usize,
    topic: &CreatableTopic,
) -> Result<(Vec<PartitionImage>, TopicConfigs), Refusal> {
    let topic = &with_internal_defaults(topic, broker);
    let mut configs = TopicConfigs::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let message = format!(
                "Null value not supported for topic configs: {}",
                config.name
            );
            return Err((ErrorCode::InvalidConfig, message));
        };
        configs.insert(config.name.clone(), value.clone());
    }
    validate_topic_configs(&configs, broker)
        .map_err(|error| (error.error_code(), error.to_string()))?;
    let partitions = if topic.assignments.is_empty() {
        placed_partitions(image, broker, topic)?
    } else {
        assigned_partitions(image, topic)?
    };
    check_partition_count(partition_count, partitions.len())?;
    Ok((partitions, configs))
}

/// Whoever creates the topic of the groups first, what they do not say of it is what the groups need:
/// without compaction, committed offsets would be deleted with their segments.
fn with_internal_defaults<'a>(
    topic: &'a CreatableTopic,
    broker: &BrokerConfigs,
) -> Cow<'a, CreatableTopic> {
    if topic.name != CONSUMER_OFFSETS_TOPIC {
        return Cow::Borrowed(topic);
    }
    let defaults = consumer_offsets_topic(broker);
    let mut topic = topic.clone();
    if topic.num_partitions == BROKER_DEFAULT && topic.assignments.is_empty() {
        topic.num_partitions = defaults.num_partitions;
    }
    for config in defaults.configs {
        if topic.configs.iter().all(|given| given.name != config.name) {
            topic.configs.push(config);
        }
    }
    Cow::Owned(topic)
}

/// The partitions of a topic whose replicas the controller chooses.
fn placed_partitions(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    topic: &CreatableTopic,
) -> Result<Vec<PartitionImage>, Refusal> {
    let count = match topic.num_partitions {
        BROKER_DEFAULT => broker.num_partitions(),
        count => count,
    };
    if count < 1 {
        let message = "Number of partitions was set to an invalid non-positive value.".to_string();
        return Err((ErrorCode::InvalidPartitions, message));
    }
    let replication_factor = match i32::from(topic.replication_factor) {
        BROKER_DEFAULT => i32::from(broker.default_replication_factor()),
        factor => factor,
    };
    if replication_factor < 1 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err((ErrorCode::InvalidReplicationFactor, message.to_string()));
    }
    // Before anything is made for each of them.
    check_partition_count(0, count as usize)?;
    place(image, 0, count, replication_factor)
}

/// The partitions of a topic whose replicas the client chose.
fn assigned_partitions(
    image: &MetadataImage,
    topic: &CreatableTopic,
) -> Result<Vec<PartitionImage>, Refusal> {
    let invalid = |message: &str| Err((ErrorCode::InvalidRequest, message.to_string()));
    if topic.replication_factor != -1 {
        return invalid(
            "A manual partition assignment was specified, but replication factor was not set to \
             -1.",
        );
    }
    if topic.num_partitions != BROKER_DEFAULT {
        return invalid(
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        );
    }
    let mut assignments: Vec<&CreatableReplicaAssignment> = topic.assignments.iter().collect();
    assignments.sort_by_key(|assignment| assignment.partition_index);
    let twice = repeated(
        assignments
            .iter()
            .map(|assignment| assignment.partition_index),
    );
    if let Some(index) = twice.first() {
        let message = format!("Found multiple manual partition assignments for partition {index}");
        return Err((ErrorCode::InvalidReplicaAssignment, message));
    }
    let mut partitions = Vec::new();
    let replication_factor = assignments
        .first()
        .map_or(0, |first| first.broker_ids.len());
    for (index, assignment) in assignments.iter().enumerate() {
        if usize::try_from(assignment.partition_index) != Ok(index) {
            let message = "partitions should be a consecutive 0-based integer sequence";
            return Err((ErrorCode::InvalidReplicaAssignment, message.to_string()));
        }
        check_replicas(image, &assignment.broker_ids, replication_factor)?;
        partitions.push(new_partition(image, assignment.broker_ids.clone()));
    }
    Ok(partitions)
}

fn topic_records(
    name: &str,
    topic_id: Uuid,
    partitions: &[PartitionImage],
    configs: &TopicConfigs,
) -> Vec<MetadataRecord> {
    let mut records = vec![MetadataRecord::Topic(TopicRecord {
        name: name.to_string(),
        topic_id,
        ..Default::default()
    })];
    for (config, value) in configs {
        records.push(topic_config_record(name, config, Some(value.clone())));
    }
    for (index, partition) in (0..).zip(partitions) {
        records.push(MetadataRecord::Partition(
            partition.to_record(topic_id, index),
        ));
    }
    records
}

fn created_result(
    name: &str,
    topic_id: Uuid,
    partitions: &[PartitionImage],
    configs: &TopicConfigs,
    broker: &BrokerConfigs,
) -> CreatableTopicResult {
    let entries = describe_topic(configs, broker)
        .into_iter()
        .map(|entry| CreatableTopicConfigs {
            name: entry.name.to_string(),
            value: entry.value,
            read_only: entry.read_only,
            config_source: entry.source.code(),
            is_sensitive: false,
            ..Default::default()
        });
    CreatableTopicResult {
        name: name.to_string(),
        topic_id,
        error_message: None,
        num_partitions: partitions.len() as i32,
        replication_factor: partitions.first().map_or(0, |first| first.replicas.len()) as i16,
        configs: Some(entries.collect()),
        ..Default::default()
    }
}
