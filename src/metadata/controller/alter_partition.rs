//! AlterPartition (key 56): a leader tells what has become of its partitions.

use super::Outcome;
use super::brokers::registered;
use crate::metadata::image::{MetadataImage, PartitionImage};
use crate::protocol::messages::alter_partition_request::{self, AlterPartitionRequest};
use crate::protocol::messages::alter_partition_response::{self, AlterPartitionResponse};
use crate::protocol::messages::partition_change_record::PartitionChangeRecord;
use crate::protocol::{ErrorCode, MetadataRecord, Response, Uuid};

/// `LeaderRecoveryState.RECOVERING`: the leader's log may lack records that it had given offsets.
pub const RECOVERING: i8 = 1;

/// Raises the leader epoch of every partition whose leader has lost the end of its log.
///
/// Kafka knows RECOVERING from an unclean election alone, which has raised the leader epoch
/// already, and refuses it of a leader that had all records. Here it is how such a leader says
/// that a commit has failed: nobody was shown what is gone, so the ISR stays as it is and nothing
/// remains to be recovered, but the offsets are given again, and under the next epoch.
pub(super) fn alter_partition(image: &MetadataImage, request: &AlterPartitionRequest) -> Outcome {
    if let Err(error) = registered(image, request.broker_id, request.broker_epoch) {
        return Outcome::refused(Response::AlterPartition(AlterPartitionResponse {
            error_code: error.code(),
            ..Default::default()
        }));
    }
    let mut records = Vec::new();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for wanted in &topic.partitions {
            let altered = alter(image, request.broker_id, topic.topic_id, wanted);
            partitions.push(match altered {
                Ok((partition, record)) => {
                    records.push(MetadataRecord::PartitionChange(record));
                    answer(wanted.partition_index, &partition)
                }
                Err(error) => alter_partition_response::PartitionData {
                    partition_index: wanted.partition_index,
                    error_code: error.code(),
                    ..Default::default()
                },
            });
        }
        topics.push(alter_partition_response::TopicData {
            topic_id: topic.topic_id,
            partitions,
            ..Default::default()
        });
    }
    Outcome {
        records,
        response: Response::AlterPartition(AlterPartitionResponse {
            topics,
            ..Default::default()
        }),
    }
}

/// What a partition becomes, and the record that makes it so. The checks are those of
/// `ReplicationControlManager.validateAlterPartitionData`.
fn alter(
    image: &MetadataImage,
    broker_id: i32,
    topic_id: Uuid,
    wanted: &alter_partition_request::PartitionData,
) -> Result<(PartitionImage, PartitionChangeRecord), ErrorCode> {
    let topic = image
        .topic_by_id(topic_id)
        .ok_or(ErrorCode::UnknownTopicId)?;
    let partition = topic
        .partitions
        .get(&wanted.partition_index)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if wanted.leader_epoch > partition.leader_epoch
        || wanted.partition_epoch > partition.partition_epoch
    {
        return Err(ErrorCode::NotController);
    }
    if wanted.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if broker_id != partition.leader {
        return Err(ErrorCode::InvalidRequest);
    }
    if wanted.partition_epoch < partition.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let new_isr = wanted.new_isr_with_epochs.iter().map(|it| it.broker_id);
    let keeps_isr = new_isr.eq(partition.isr.iter().copied());
    if !keeps_isr || wanted.leader_recovery_state != RECOVERING {
        // Without replication no ISR changes.
        return Err(ErrorCode::InvalidRequest);
    }
    let record = PartitionChangeRecord {
        partition_id: wanted.partition_index,
        topic_id,
        leader: partition.leader,
        ..Default::default()
    };
    let mut changed = partition.clone();
    changed.change(&record);
    Ok((changed, record))
}

fn answer(
    partition_index: i32,
    partition: &PartitionImage,
) -> alter_partition_response::PartitionData {
    alter_partition_response::PartitionData {
        partition_index,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        isr: partition.isr.clone(),
        partition_epoch: partition.partition_epoch,
        ..Default::default()
    }
}
