//! What a client knows of the cluster, from Metadata responses.

use std::collections::BTreeMap;

use crate::protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::protocol::{ErrorCode, Uuid};

use super::config::TopicPartition;

/// A broker of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerMetadata {
    /// Its id.
    pub node_id: i32,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: i32,
}

/// A topic of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: String,
    /// Differs when a topic was deleted and made again; zero from old brokers.
    pub topic_id: Uuid,
    /// Whether it is Kafka's own.
    pub is_internal: bool,
    /// Why there are no partitions.
    pub error: ErrorCode,
    /// By number.
    pub partitions: Vec<PartitionMetadata>,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its number.
    pub partition: i32,
    /// Why it cannot be used.
    pub error: ErrorCode,
    /// The node id of its leader; `None` when there is none now.
    pub leader: Option<i32>,
    /// How often the leader has changed; -1 from old brokers.
    pub leader_epoch: i32,
    /// Node ids.
    pub replicas: Vec<i32>,
    /// Node ids.
    pub isr: Vec<i32>,
    /// Node ids.
    pub offline_replicas: Vec<i32>,
}

/// What was read last.
#[derive(Clone, Debug, Default)]
pub(super) struct MetadataCache {
    pub brokers: BTreeMap<i32, BrokerMetadata>,
    pub controller_id: Option<i32>,
    pub topics: BTreeMap<String, TopicMetadata>,
}

impl MetadataCache {
    /// Takes over what a response says; topics that it does not name stay. Gives those that were
    /// deleted and made again.
    pub fn update(&mut self, response: &MetadataResponse) -> Vec<String> {
        if !response.brokers.is_empty() {
            self.brokers = brokers(response);
        }
        self.controller_id = controller_id(response);
        let mut made_again = Vec::new();
        for topic in &response.topics {
            let Some(new) = topic_metadata(topic) else {
                continue;
            };
            let name = new.name.clone();
            let merged = match self.topics.remove(&name) {
                Some(old) => {
                    let ids = [old.topic_id, new.topic_id];
                    if ids[0] != ids[1] && !ids.iter().any(Uuid::is_zero) {
                        made_again.push(name.clone());
                    }
                    newer(old, new)
                }
                None => new,
            };
            self.topics.insert(name, merged);
        }
        made_again
    }

    /// The id of a topic; zero where none is known.
    pub fn topic_id(&self, topic: &str) -> Uuid {
        self.topics
            .get(topic)
            .map_or_else(Uuid::default, |topic| topic.topic_id)
    }

    /// The partitions of a topic that is known and without error.
    pub fn partitions(&self, topic: &str) -> Option<&[PartitionMetadata]> {
        let topic = self.topics.get(topic)?;
        (topic.error == ErrorCode::None && !topic.partitions.is_empty())
            .then_some(&topic.partitions[..])
    }

    /// A partition, if it is known.
    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionMetadata> {
        find_partition(self.partitions(&partition.topic)?, partition.partition)
    }

    /// The leader of a partition, if it is known and can be reached.
    pub fn leader(&self, partition: &TopicPartition) -> Option<i32> {
        let leader = self.partition(partition)?.leader?;
        self.brokers.contains_key(&leader).then_some(leader)
    }
}

/// One of partitions that are sorted by number.
pub(super) fn find_partition(
    partitions: &[PartitionMetadata],
    partition: i32,
) -> Option<&PartitionMetadata> {
    let found = partitions.binary_search_by_key(&partition, |known| known.partition);
    partitions.get(found.ok()?)
}

/// All brokers of a response.
pub(super) fn brokers(response: &MetadataResponse) -> BTreeMap<i32, BrokerMetadata> {
    let brokers = response.brokers.iter().map(|broker| BrokerMetadata {
        node_id: broker.node_id,
        host: broker.host.clone(),
        port: broker.port,
    });
    brokers.map(|broker| (broker.node_id, broker)).collect()
}

/// The controller of a response.
pub(super) fn controller_id(response: &MetadataResponse) -> Option<i32> {
    (response.controller_id >= 0).then_some(response.controller_id)
}

/// One topic of a response; `None` for one that has no name (asked for by an unknown id).
pub(super) fn topic_metadata(topic: &MetadataResponseTopic) -> Option<TopicMetadata> {
    let mut partitions: Vec<_> = topic.partitions.iter().map(partition_metadata).collect();
    partitions.sort_by_key(|partition| partition.partition);
    Some(TopicMetadata {
        name: topic.name.clone()?,
        topic_id: topic.topic_id,
        is_internal: topic.is_internal,
        error: ErrorCode::from_code(topic.error_code),
        partitions,
    })
}

fn partition_metadata(partition: &MetadataResponsePartition) -> PartitionMetadata {
    PartitionMetadata {
        partition: partition.partition_index,
        error: ErrorCode::from_code(partition.error_code),
        leader: (partition.leader_id >= 0).then_some(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes.clone(),
        isr: partition.isr_nodes.clone(),
        offline_replicas: partition.offline_replicas.clone(),
    }
}

/// A broker that has not heard of an election yet must not take us back to the old leader
/// (KIP-320): of the same topic, the partition of the higher leader epoch counts. A topic that is
/// not there has no id: the last one that it had tells whether it is the same when it is back.
fn newer(old: TopicMetadata, mut new: TopicMetadata) -> TopicMetadata {
    if new.topic_id.is_zero() {
        new.topic_id = old.topic_id;
    }
    if old.topic_id == new.topic_id && new.error == ErrorCode::None {
        for partition in &mut new.partitions {
            if let Some(known) = find_partition(&old.partitions, partition.partition)
                && known.leader_epoch > partition.leader_epoch
                && partition.leader_epoch >= 0
            {
                *partition = known.clone();
            }
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(leader_id: i32, leader_epoch: i32, id: u8) -> MetadataResponse {
        MetadataResponse {
            topics: vec![MetadataResponseTopic {
                name: Some("t".into()),
                topic_id: Uuid([id; 16]),
                partitions: vec![MetadataResponsePartition {
                    leader_id,
                    leader_epoch,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn an_older_leader_epoch_does_not_replace_a_newer_one() {
        let mut cache = MetadataCache::default();
        let leader = |cache: &MetadataCache| cache.partitions("t").unwrap()[0].leader;
        cache.update(&response(1, 5, 1));
        cache.update(&response(2, 4, 1));
        assert_eq!(leader(&cache), Some(1));
        cache.update(&response(2, 6, 1));
        assert_eq!(leader(&cache), Some(2));
        // A topic made again starts over.
        cache.update(&response(3, 0, 2));
        assert_eq!(leader(&cache), Some(3));
    }

    #[test]
    fn a_topic_with_another_id_was_made_again_whether_it_was_seen_gone_or_not() {
        let mut cache = MetadataCache::default();
        let mut gone = response(-1, -1, 0);
        gone.topics[0].error_code = ErrorCode::UnknownTopicOrPartition.code();
        assert_eq!(cache.update(&gone), [""; 0]);
        assert_eq!(cache.update(&response(1, 0, 1)), [""; 0]);
        assert_eq!(cache.update(&response(1, 1, 1)), [""; 0]);
        assert_eq!(cache.update(&response(1, 0, 2)), ["t"]);
        assert_eq!(cache.update(&gone), [""; 0]);
        assert_eq!(cache.update(&response(1, 0, 2)), [""; 0]);
        assert_eq!(cache.update(&gone), [""; 0]);
        assert_eq!(cache.update(&response(1, 0, 3)), ["t"]);
    }
}
