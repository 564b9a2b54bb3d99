//! OffsetFetch.

use super::offsets::{CommittedOffset, TopicPartition};
use super::shard::GroupShard;
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use crate::protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

impl GroupShard {
    /// What the groups committed. A group that does not exist has committed nothing, which is no
    /// error.
    pub(super) fn offset_fetch(
        &self,
        version: i16,
        request: OffsetFetchRequest,
    ) -> OffsetFetchResponse {
        if version >= 8 {
            let groups = request
                .groups
                .into_iter()
                .map(|group| self.fetch_group(group));
            return OffsetFetchResponse {
                groups: groups.collect(),
                ..Default::default()
            };
        }
        // Before KIP-709 a request named one group, and had a shape of its own.
        let group = self.fetch_group(OffsetFetchRequestGroup {
            group_id: request.group_id,
            topics: request.topics.map(|topics| {
                topics
                    .into_iter()
                    .map(|topic| OffsetFetchRequestTopics {
                        name: topic.name,
                        partition_indexes: topic.partition_indexes,
                        ..Default::default()
                    })
                    .collect()
            }),
            ..Default::default()
        });
        let topics = group
            .topics
            .into_iter()
            .map(topic_before_version_8)
            .collect();
        OffsetFetchResponse {
            topics,
            ..Default::default()
        }
    }

    fn fetch_group(&self, request: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let group_id = request.group_id;
        let topics = match request.topics {
            Some(topics) => topics
                .into_iter()
                .map(|topic| self.fetch_topic(&group_id, topic))
                .collect(),
            None => self.fetch_all(&group_id),
        };
        OffsetFetchResponseGroup {
            group_id,
            topics,
            ..Default::default()
        }
    }

    fn fetch_topic(
        &self,
        group_id: &str,
        request: OffsetFetchRequestTopics,
    ) -> OffsetFetchResponseTopics {
        let mut of_topic = TopicPartition {
            topic: request.name.clone(),
            partition: 0,
        };
        let partitions = request
            .partition_indexes
            .into_iter()
            .map(|partition_index| {
                of_topic.partition = partition_index;
                partition_response(partition_index, self.offsets.get(group_id, &of_topic))
            })
            .collect();
        OffsetFetchResponseTopics {
            name: request.name,
            topic_id: request.topic_id,
            partitions,
            ..Default::default()
        }
    }

    fn fetch_all(&self, group_id: &str) -> Vec<OffsetFetchResponseTopics> {
        let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
        for (partition, committed) in self.offsets.of_group(group_id) {
            if topics
                .last()
                .is_none_or(|topic| topic.name != partition.topic)
            {
                topics.push(OffsetFetchResponseTopics {
                    name: partition.topic.clone(),
                    topic_id: committed.topic_id,
                    ..Default::default()
                });
            }
            if let Some(topic) = topics.last_mut() {
                topic
                    .partitions
                    .push(partition_response(partition.partition, Some(committed)));
            }
        }
        topics
    }
}

fn partition_response(
    partition_index: i32,
    committed: Option<&CommittedOffset>,
) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: committed.map_or(-1, |committed| committed.offset),
        committed_leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
        metadata: Some(committed.map_or_else(String::new, |committed| committed.metadata.clone())),
        ..Default::default()
    }
}

fn topic_before_version_8(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| OffsetFetchResponsePartition {
                partition_index: partition.partition_index,
                committed_offset: partition.committed_offset,
                committed_leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata,
                error_code: partition.error_code,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}
