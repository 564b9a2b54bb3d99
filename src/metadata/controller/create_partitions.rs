//! CreatePartitions.

use super::Outcome;
use super::placement::{check_partition_count, check_replicas, new_partition, place};
use super::refusal::{Refusal, repeated};
use crate::distinct::distinct_by;
use crate::metadata::CONSUMER_OFFSETS_TOPIC;
use crate::metadata::image::{MetadataImage, PartitionImage};
use crate::protocol::messages::create_partitions_request::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use crate::protocol::{ErrorCode, MetadataRecord, Response, Uuid};

/// CreatePartitions: topics only grow.
pub(super) fn create_partitions(
    image: &MetadataImage,
    request: &CreatePartitionsRequest,
) -> Outcome {
    let twice = repeated(request.topics.iter().map(|topic| topic.name.as_str()));
    let mut partition_count = image.partition_count();
    let mut records = Vec::new();
    let mut results = Vec::new();
    for topic in distinct_by(request.topics.iter().collect(), |topic| topic.name.as_str()) {
        let added = match twice.contains(topic.name.as_str()) {
            true => Err((
                ErrorCode::InvalidRequest,
                "Duplicate topic name.".to_string(),
            )),
            false => added_partitions(image, partition_count, topic),
        };
        let refusal = match added {
            Ok((topic_id, first, partitions)) => {
                partition_count += partitions.len();
                for (index, partition) in (first..).zip(&partitions) {
                    records.push(MetadataRecord::Partition(
                        partition.to_record(topic_id, index),
                    ));
                }
                None
            }
            Err(refusal) => Some(refusal),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code: refusal.as_ref().map_or(0, |(error, _)| error.code()),
            error_message: refusal.map(|(_, message)| message),
            ..Default::default()
        });
    }
    Outcome {
        records: if request.validate_only {
            Vec::new()
        } else {
            records
        },
        response: Response::CreatePartitions(CreatePartitionsResponse {
            results,
            ..Default::default()
        }),
    }
}

fn added_partitions(
    image: &MetadataImage,
    partition_count: usize,
    request: &CreatePartitionsTopic,
) -> Result<(Uuid, i32, Vec<PartitionImage>), Refusal> {
    let error = ErrorCode::UnknownTopicOrPartition;
    let topic = image
        .topic(&request.name)
        .ok_or_else(|| (error, error.message().to_string()))?;
    if request.name == CONSUMER_OFFSETS_TOPIC {
        let message = "Groups would lose sight of their offsets.".to_string();
        return Err((ErrorCode::InvalidRequest, message));
    }
    let first = topic.partitions.len() as i32;
    let count = request.count;
    if count == first {
        let message = format!("Topic already has {count} partition(s).");
        return Err((ErrorCode::InvalidPartitions, message));
    }
    if count < first {
        let message = format!(
            "The topic {} currently has {first} partition(s); {count} would not be an increase.",
            request.name
        );
        return Err((ErrorCode::InvalidPartitions, message));
    }
    let more = count - first;
    check_partition_count(partition_count, more as usize)?;
    let replication_factor = topic
        .partitions
        .values()
        .next()
        .map_or(1, |partition| partition.replicas.len());
    let partitions = match &request.assignments {
        None => place(image, first, more, replication_factor as i32)?,
        Some(assignments) => {
            if assignments.len() != more as usize {
                let message = format!(
                    "Attempted to add {more} additional partition(s), but only {} assignment(s) \
                     were specified.",
                    assignments.len()
                );
                return Err((ErrorCode::InvalidReplicaAssignment, message));
            }
            let mut partitions = Vec::new();
            for assignment in assignments {
                check_replicas(image, &assignment.broker_ids, replication_factor)?;
                partitions.push(new_partition(image, assignment.broker_ids.clone()));
            }
            partitions
        }
    };
    Ok((topic.topic_id, first, partitions))
}
