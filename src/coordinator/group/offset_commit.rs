//! OffsetCommit.

use super::classic_group::ClassicGroup;
use super::config::GROUPS_PER_SHARD_MAX;
use super::context::Context;
use super::group_state::GroupState;
use super::offsets::{CommittedOffset, TopicPartition};
use super::outcome::Outcome;
use super::records::offset_commit_record;
use super::shard::GroupShard;
use crate::now::{Now, Timestamp};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition,
};
use crate::protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

impl GroupShard {
    /// Commits what the request names; the broker has turned away partitions that do not exist.
    pub(super) fn offset_commit(
        &mut self,
        now: Now,
        version: i16,
        request: OffsetCommitRequest,
        outcome: &mut Outcome,
    ) -> OffsetCommitResponse {
        let valid = match self.group_mut(now, outcome, &request.group_id) {
            Some((group, mut context)) => group.validate_offset_commit(&mut context, &request),
            None => self.validate_commit_without_group(version, &request),
        };
        // Versions from 5 on have no retention of their own.
        let expire_timestamp = Some(request.retention_time_ms)
            .filter(|ms| *ms != -1)
            .map(|ms| Timestamp(now.wall.0.saturating_add(ms)));
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                let result = valid.and_then(|()| self.check_offset_metadata(&partition));
                if result.is_ok() {
                    let committed = CommittedOffset {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: partition.committed_metadata.unwrap_or_default(),
                        commit_timestamp: now.wall,
                        expire_timestamp,
                        topic_id: topic.topic_id,
                    };
                    let partition = TopicPartition {
                        topic: topic.name.clone(),
                        partition: partition_index,
                    };
                    let record = offset_commit_record(&request.group_id, &partition, &committed);
                    outcome.append.push(record);
                    self.put_offset(&request.group_id, partition, committed);
                }
                partitions.push(OffsetCommitResponsePartition {
                    partition_index,
                    error_code: result.err().map_or(0, ErrorCode::code),
                    ..Default::default()
                });
            }
            topics.push(OffsetCommitResponseTopic {
                name: topic.name,
                topic_id: topic.topic_id,
                partitions,
                ..Default::default()
            });
        }
        OffsetCommitResponse {
            topics,
            ..Default::default()
        }
    }

    /// Who has no generation may commit without a group, which the commit then creates.
    fn validate_commit_without_group(
        &self,
        version: i16,
        request: &OffsetCommitRequest,
    ) -> Result<(), ErrorCode> {
        if request.generation_id_or_member_epoch >= 0 {
            return Err(match version {
                ..9 => ErrorCode::IllegalGeneration,
                9.. => ErrorCode::GroupIdNotFound,
            });
        }
        if self.groups.len() >= GROUPS_PER_SHARD_MAX {
            return Err(ErrorCode::PolicyViolation);
        }
        Ok(())
    }

    fn check_offset_metadata(
        &self,
        partition: &OffsetCommitRequestPartition,
    ) -> Result<(), ErrorCode> {
        let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
        if metadata.encode_utf16().count() > self.config.offset_metadata_max_bytes {
            return Err(ErrorCode::OffsetMetadataTooLarge);
        }
        Ok(())
    }
}

impl ClassicGroup {
    /// Whether the sender may commit now. It is a sign of life of a member.
    fn validate_offset_commit(
        &self,
        context: &mut Context,
        request: &OffsetCommitRequest,
    ) -> Result<(), ErrorCode> {
        let generation_id = request.generation_id_or_member_epoch;
        // An administrator, or a consumer with partitions of its own choice.
        if generation_id < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        let instance_id = request.group_instance_id.as_deref();
        if generation_id < 0 && request.member_id.is_empty() && instance_id.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.validate_member(&request.member_id, instance_id)?;
        if generation_id != self.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        // The member has its JoinGroup answer and may have lost the partition already.
        if self.state == GroupState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        self.reschedule_session(context, &request.member_id);
        Ok(())
    }
}
