//! OffsetDelete, and offsets that go with their topic.

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use super::offsets::TopicPartition;
use super::outcome::Outcome;
use super::records::offset_tombstone;
use super::shard::GroupShard;
use crate::protocol::messages::offset_delete_request::OffsetDeleteRequest;
use crate::protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::protocol::{ErrorCode, Uuid};

impl GroupShard {
    /// Forgets offsets that no live member needs.
    pub(super) fn offset_delete(
        &mut self,
        request: OffsetDeleteRequest,
        outcome: &mut Outcome,
    ) -> OffsetDeleteResponse {
        let group_id = request.group_id.as_str();
        let group = match self.groups.get(group_id) {
            _ if group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            None => Err(ErrorCode::GroupIdNotFound),
            Some(group) => group.validate_offset_delete().map(|()| group),
        };
        let group = match group {
            Ok(group) => group,
            Err(error) => {
                return OffsetDeleteResponse {
                    error_code: error.code(),
                    ..Default::default()
                };
            }
        };
        let mut deleted = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let error_code = if group.is_subscribed_to(&topic.name) {
                ErrorCode::GroupSubscribedToTopic.code()
            } else {
                deleted.extend(topic.partitions.iter().map(|partition| TopicPartition {
                    topic: topic.name.clone(),
                    partition: partition.partition_index,
                }));
                0
            };
            let partitions =
                topic
                    .partitions
                    .iter()
                    .map(|partition| OffsetDeleteResponsePartition {
                        partition_index: partition.partition_index,
                        error_code,
                    });
            topics.push(OffsetDeleteResponseTopic {
                partitions: partitions.collect(),
                name: topic.name,
            });
        }
        for partition in deleted {
            self.delete_offset(group_id, &partition, outcome);
        }
        OffsetDeleteResponse {
            topics,
            ..Default::default()
        }
    }

    /// Forgets what was committed for a topic that was deleted.
    pub fn topic_deleted(&mut self, topic: &str, outcome: &mut Outcome) {
        for (group_id, partition) in self.offsets.of_topic(topic) {
            self.delete_offset(&group_id, &partition, outcome);
        }
    }

    /// Forgets what was committed for topics that do not exist, by name and id.
    pub fn retain_topics(&mut self, exists: impl Fn(&str, Uuid) -> bool, outcome: &mut Outcome) {
        for (group_id, partition) in self.offsets.of_other_topics(exists) {
            self.delete_offset(&group_id, &partition, outcome);
        }
    }

    /// Forgets an offset, if there is one.
    pub(super) fn delete_offset(
        &mut self,
        group_id: &str,
        partition: &TopicPartition,
        outcome: &mut Outcome,
    ) {
        if self.offsets.get(group_id, partition).is_some() {
            outcome.append.push(offset_tombstone(group_id, partition));
            self.offsets.remove(group_id, partition);
        }
    }
}

impl ClassicGroup {
    /// The topics of a live group must be known, to see which it reads.
    fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        if self.state == GroupState::Empty || self.uses_consumer_protocol() {
            Ok(())
        } else {
            Err(ErrorCode::NonEmptyGroup)
        }
    }
}
