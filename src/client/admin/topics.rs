//! Topics, their partitions and records, and the cluster.

use std::collections::BTreeMap;

use crate::client::cluster::{Target, metadata_topic, mismatched};
use crate::client::metadata_cache::{brokers, controller_id, find_partition, topic_metadata};
use crate::client::{ErrorKind, KafkaError, TopicMetadata, TopicPartition};
use crate::protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::protocol::messages::delete_topics_request::DeleteTopicsRequest;
use crate::protocol::messages::metadata_request::MetadataRequest;
use crate::protocol::messages::metadata_response::MetadataResponse;
use crate::protocol::{ErrorCode, Request, Response};

use super::{AdminResult, NewPartitions, NewTopic, Step, check, final_if_unknown};

/// How long DeleteRecords may wait for the replicas: Kafka's `default.api.timeout.ms`.
const DELETE_RECORDS_TIMEOUT_MS: i32 = 60_000;

pub(super) fn create(
    topics: Vec<NewTopic>,
    validate_only: bool,
    timeout_ms: i32,
    wait_for_leaders: bool,
) -> Result<Step, KafkaError> {
    let names: Vec<_> = topics.iter().map(|topic| topic.topic.clone()).collect();
    let request = Request::CreateTopics(CreateTopicsRequest {
        topics: topics.into_iter().map(creatable).collect(),
        timeout_ms,
        validate_only,
        ..Default::default()
    });
    Ok(Step::call(Target::Controller, request, move |answer| {
        let Response::CreateTopics(response) = answer else {
            return Err(mismatched());
        };
        let refused = response.topics.iter().filter_map(|topic| {
            let checked = check(topic.error_code, topic.error_message.as_deref());
            checked.err().map(|error| error.of_topic(&topic.name))
        });
        let (existing, mut refused): (Vec<_>, Vec<_>) =
            refused.partition(|error| error.code == ErrorCode::TopicAlreadyExists);
        let created = existing.is_empty();
        if !refused.is_empty() {
            refused.extend(existing);
        }
        KafkaError::all(refused)?;
        match wait_for_leaders && !validate_only && created {
            true => wait_for(names, AdminResult::Created(created)),
            false => Ok(Step::Done(AdminResult::Created(created))),
        }
    }))
}

fn creatable(topic: NewTopic) -> CreatableTopic {
    let configs = topic
        .config_entries
        .into_iter()
        .map(|(name, value)| CreatableTopicConfig {
            name,
            value,
            ..Default::default()
        });
    let assignments = topic
        .replica_assignment
        .into_iter()
        .map(|(partition_index, broker_ids)| CreatableReplicaAssignment {
            partition_index,
            broker_ids,
            ..Default::default()
        });
    CreatableTopic {
        name: topic.topic,
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: configs.collect(),
        ..Default::default()
    }
}

/// Gives `result` when every partition of the topics has a leader.
fn wait_for(names: Vec<String>, result: AdminResult) -> Result<Step, KafkaError> {
    metadata(Some(names.clone()), move |response| {
        let topics = response.topics.iter().filter_map(topic_metadata);
        let waiting = topics.into_iter().find(|topic| {
            topic.error != ErrorCode::None
                || topic
                    .partitions
                    .iter()
                    .any(|partition| partition.leader.is_none())
        });
        match waiting {
            Some(topic) if topic.error != ErrorCode::None && !topic.error.retriable() => {
                Err(KafkaError::protocol(topic.error).of_topic(&topic.name))
            }
            Some(topic) => {
                let error = KafkaError::protocol(ErrorCode::LeaderNotAvailable);
                let again = move || wait_for(names, result);
                Ok(Step::Later(error.of_topic(&topic.name), Box::new(again)))
            }
            None => Ok(Step::Done(result)),
        }
    })
}

pub(super) fn delete(topics: Vec<String>, timeout_ms: i32) -> Result<Step, KafkaError> {
    let request = Request::DeleteTopics(DeleteTopicsRequest {
        topic_names: topics,
        timeout_ms,
        ..Default::default()
    });
    Ok(Step::call(Target::Controller, request, |answer| {
        let Response::DeleteTopics(response) = answer else {
            return Err(mismatched());
        };
        KafkaError::all(response.responses.iter().filter_map(|topic| {
            let error = check(topic.error_code, topic.error_message.as_deref()).err()?;
            let name = topic.name.as_deref().unwrap_or_default();
            Some(final_if_unknown(error).of_topic(name))
        }))?;
        Ok(Step::Done(AdminResult::None))
    }))
}

pub(super) fn list() -> Result<Step, KafkaError> {
    metadata(None, |response| {
        let mut names: Vec<_> = response
            .topics
            .into_iter()
            .filter_map(|topic| topic.name)
            .collect();
        names.sort();
        Ok(Step::Done(AdminResult::Names(names)))
    })
}

pub(super) fn create_partitions(
    topics: Vec<NewPartitions>,
    validate_only: bool,
    timeout_ms: i32,
) -> Result<Step, KafkaError> {
    let topics = topics.into_iter().map(|topic| CreatePartitionsTopic {
        name: topic.topic,
        count: topic.count,
        assignments: topic.assignments.map(|assignments| {
            let assignments = assignments.into_iter();
            let assignments = assignments.map(|broker_ids| CreatePartitionsAssignment {
                broker_ids,
                ..Default::default()
            });
            assignments.collect()
        }),
        ..Default::default()
    });
    let request = Request::CreatePartitions(CreatePartitionsRequest {
        topics: topics.collect(),
        timeout_ms,
        validate_only,
        ..Default::default()
    });
    Ok(Step::call(Target::Controller, request, |answer| {
        let Response::CreatePartitions(response) = answer else {
            return Err(mismatched());
        };
        KafkaError::all(response.results.iter().filter_map(|topic| {
            let error = check(topic.error_code, topic.error_message.as_deref()).err()?;
            Some(final_if_unknown(error).of_topic(&topic.name))
        }))?;
        Ok(Step::Done(AdminResult::None))
    }))
}

pub(super) fn fetch_metadata(topics: Vec<String>) -> Result<Step, KafkaError> {
    let asked = (!topics.is_empty()).then_some(topics);
    metadata(asked, |response| {
        let topics: Vec<_> = response.topics.iter().filter_map(topic_metadata).collect();
        for topic in &topics {
            check(topic.error.code(), None)
                .map_err(|error| final_if_unknown(error).of_topic(&topic.name))?;
        }
        Ok(Step::Done(AdminResult::Topics(topics)))
    })
}

pub(super) fn delete_records(
    topic: String,
    partitions: Vec<(i32, i64)>,
) -> Result<Step, KafkaError> {
    by_leader(topic.clone(), move |leaders| {
        let mut nodes: BTreeMap<i32, Vec<DeleteRecordsPartition>> = BTreeMap::new();
        let mut without_leader = Vec::new();
        for (partition_index, offset) in partitions {
            let partition = DeleteRecordsPartition {
                partition_index,
                offset,
                ..Default::default()
            };
            match leader_of(&leaders, &topic, partition_index) {
                Ok(leader) => nodes.entry(leader).or_default().push(partition),
                Err(error) => without_leader.push(error),
            }
        }
        // Before anything is deleted.
        KafkaError::all(without_leader)?;
        let calls = nodes.into_iter().map(|(node, partitions)| {
            let name = topic.clone();
            let request = Request::DeleteRecords(DeleteRecordsRequest {
                topics: vec![DeleteRecordsTopic {
                    name,
                    partitions,
                    ..Default::default()
                }],
                timeout_ms: DELETE_RECORDS_TIMEOUT_MS,
                ..Default::default()
            });
            (Target::Node(node), request)
        });
        Ok(Step::all(calls.collect(), |answers| {
            let mut failed = Vec::new();
            for answer in answers {
                let Response::DeleteRecords(response) = answer else {
                    return Err(mismatched());
                };
                for topic in &response.topics {
                    failed.extend(topic.partitions.iter().filter_map(|partition| {
                        let name = TopicPartition::new(&topic.name, partition.partition_index);
                        let error = check(partition.error_code, None).err()?;
                        Some(error.of_partition(&name))
                    }));
                }
            }
            KafkaError::all(failed)?;
            Ok(Step::Done(AdminResult::None))
        }))
    })
}

pub(super) fn describe_cluster() -> Result<Step, KafkaError> {
    metadata(Some(Vec::new()), |response| {
        Ok(Step::Done(AdminResult::Cluster {
            brokers: brokers(&response).into_values().collect(),
            controller_id: controller_id(&response),
            cluster_id: response.cluster_id,
        }))
    })
}

/// Asks for topics; `None` is all of them. Creates none.
pub(super) fn metadata(
    topics: Option<Vec<String>>,
    next: impl FnOnce(MetadataResponse) -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    let topics = topics.map(|topics| topics.iter().map(|topic| metadata_topic(topic)).collect());
    let request = Request::Metadata(MetadataRequest {
        topics,
        // Version 3 and below would create topics whatever is said here; nobody speaks them.
        allow_auto_topic_creation: false,
        ..Default::default()
    });
    Ok(Step::call(Target::Any, request, |answer| match answer {
        Response::Metadata(response) => next(response),
        _ => Err(mismatched()),
    }))
}

/// Goes on with the partitions, and their leaders, of a topic, which must exist.
pub(super) fn by_leader(
    topic: String,
    next: impl FnOnce(TopicMetadata) -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    leaders(topic, |known| next(known.map_err(final_if_unknown)?))
}

/// The same of a topic that may be about to be created.
pub(super) fn by_leader_when_there(
    topic: String,
    next: impl FnOnce(TopicMetadata) -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    leaders(topic, |known| next(known?))
}

fn leaders(
    topic: String,
    next: impl FnOnce(Result<TopicMetadata, KafkaError>) -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    metadata(Some(vec![topic.clone()]), move |response| {
        let known = response.topics.iter().filter_map(topic_metadata);
        next(match known.into_iter().find(|known| known.name == topic) {
            Some(known) => check(known.error.code(), None)
                .map(|()| known)
                .map_err(|error| error.of_topic(&topic)),
            None => Err(KafkaError::protocol(ErrorCode::UnknownTopicOrPartition).of_topic(&topic)),
        })
    })
}

/// The leader of a partition, which must exist.
pub(super) fn leader_of(
    known: &TopicMetadata,
    topic: &str,
    partition: i32,
) -> Result<i32, KafkaError> {
    let name = TopicPartition::new(topic, partition);
    match find_partition(&known.partitions, partition) {
        None => {
            let text = format!("the topic has {} partitions", known.partitions.len());
            let code = ErrorCode::UnknownTopicOrPartition;
            let error = KafkaError {
                code,
                ..KafkaError::raised(ErrorKind::InvalidArgument, text)
            };
            Err(error.of_partition(&name))
        }
        Some(partition) => partition
            .leader
            .ok_or_else(|| KafkaError::protocol(ErrorCode::LeaderNotAvailable).of_partition(&name)),
    }
}
