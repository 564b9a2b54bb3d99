//! The cluster as a fold over the records of `__cluster_metadata`.

mod broker;
mod change;
mod error;
mod topic;

pub use broker::{BrokerImage, Endpoint};
pub use change::Change;
pub use error::ImageError;
pub use topic::{PartitionImage, TopicImage};

use super::configs::TopicConfigs;
use super::topic_name::collision_key;
use crate::protocol::messages::broker_registration_change_record::BrokerRegistrationChangeRecord;
use crate::protocol::messages::config_record::ConfigRecord;
use crate::protocol::messages::feature_level_record::FeatureLevelRecord;
use crate::protocol::messages::producer_ids_record::ProducerIdsRecord;
use crate::protocol::messages::topic_record::TopicRecord;
use crate::protocol::{MetadataRecord, Uuid};
use std::collections::BTreeMap;

/// No broker leads the partition.
pub const NO_LEADER: i32 = -1;
/// The leader of a `PartitionChangeRecord` that does not change it.
pub const LEADER_UNCHANGED: i32 = -2;
/// A topic in a [`ConfigRecord`] (`ConfigResource.Type.TOPIC`).
pub const TOPIC_RESOURCE: i8 = 2;

const METADATA_VERSION_FEATURE: &str = "metadata.version";
/// 3.3-IV3, the oldest level that Kafka 4 reads: it fixes the versions of the records.
const METADATA_VERSION: i16 = 7;

/// The cluster as `__cluster_metadata` tells it: brokers, topics, partitions, configs.
///
/// A fold over that log's records; the controller and every broker have one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    brokers: BTreeMap<i32, BrokerImage>,
    topics: BTreeMap<Uuid, TopicImage>,
    topic_ids: BTreeMap<String, Uuid>,
    /// By what a new name may not collide with.
    collision_keys: BTreeMap<String, Uuid>,
    partition_count: usize,
    topic_configs: BTreeMap<String, TopicConfigs>,
    next_producer_id: i64,
    end_offset: i64,
}

impl MetadataImage {
    /// Applies the records of one batch, which were written together.
    ///
    /// A batch that begins with the metadata version is a snapshot: it replaces everything, and
    /// may follow a gap. Every other batch must follow the one before.
    pub fn apply(
        &mut self,
        base_offset: i64,
        records: &[MetadataRecord],
    ) -> Result<Vec<Change>, ImageError> {
        let end_offset = base_offset + records.len() as i64;
        if is_snapshot(records) {
            let mut image = MetadataImage::default();
            for record in records {
                image.apply_record(record, &mut Vec::new())?;
            }
            image.end_offset = end_offset;
            let changes = self.difference(&image);
            *self = image;
            return Ok(changes);
        }
        if base_offset != self.end_offset {
            return Err(ImageError::Gap {
                end_offset: self.end_offset,
                base_offset,
            });
        }
        let mut changes = Vec::new();
        for record in records {
            self.apply_record(record, &mut changes)?;
        }
        self.end_offset = end_offset;
        Ok(changes)
    }

    /// The records of a snapshot: applied to anything, they give this image.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records = vec![MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: METADATA_VERSION_FEATURE.to_string(),
            feature_level: METADATA_VERSION,
            ..Default::default()
        })];
        for (broker_id, broker) in &self.brokers {
            records.push(MetadataRecord::RegisterBroker(broker.to_record(*broker_id)));
        }
        for topic in self.topics() {
            records.push(MetadataRecord::Topic(TopicRecord {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                ..Default::default()
            }));
            for (index, partition) in &topic.partitions {
                records.push(MetadataRecord::Partition(
                    partition.to_record(topic.topic_id, *index),
                ));
            }
        }
        for (topic, configs) in &self.topic_configs {
            for (name, value) in configs {
                records.push(topic_config_record(topic, name, Some(value.clone())));
            }
        }
        records.push(MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: -1,
            next_producer_id: self.next_producer_id,
            ..Default::default()
        }));
        records
    }

    /// The topic `name`.
    pub fn topic(&self, name: &str) -> Option<&TopicImage> {
        self.topic_ids
            .get(name)
            .and_then(|topic_id| self.topics.get(topic_id))
    }

    /// A topic that `name` is or that it collides with.
    pub fn colliding_topic(&self, name: &str) -> Option<&TopicImage> {
        self.collision_keys
            .get(&collision_key(name))
            .and_then(|topic_id| self.topics.get(topic_id))
    }

    /// The topic of the id.
    pub fn topic_by_id(&self, topic_id: Uuid) -> Option<&TopicImage> {
        self.topics.get(&topic_id)
    }

    /// Every topic, by name.
    pub fn topics(&self) -> impl Iterator<Item = &TopicImage> {
        self.topic_ids
            .values()
            .filter_map(|topic_id| self.topics.get(topic_id))
    }

    /// One partition.
    pub fn partition(&self, topic_id: Uuid, partition: i32) -> Option<&PartitionImage> {
        self.topics.get(&topic_id)?.partitions.get(&partition)
    }

    /// What is set on the topic `name`.
    pub fn topic_configs(&self, name: &str) -> &TopicConfigs {
        static NONE: TopicConfigs = TopicConfigs::new();
        self.topic_configs.get(name).unwrap_or(&NONE)
    }

    /// A registered broker.
    pub fn broker(&self, broker_id: i32) -> Option<&BrokerImage> {
        self.brokers.get(&broker_id)
    }

    /// Every registered broker, by id.
    pub fn brokers(&self) -> impl Iterator<Item = (i32, &BrokerImage)> {
        self.brokers.iter().map(|(id, broker)| (*id, broker))
    }

    /// Partitions of all topics.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// The first producer id that no broker has been given.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// The offset behind the last record that was applied.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    fn apply_record(
        &mut self,
        record: &MetadataRecord,
        changes: &mut Vec<Change>,
    ) -> Result<(), ImageError> {
        match record {
            MetadataRecord::RegisterBroker(record) => {
                self.brokers
                    .insert(record.broker_id, BrokerImage::from_record(record));
                changes.push(Change::BrokerChanged {
                    broker_id: record.broker_id,
                });
            }
            MetadataRecord::UnregisterBroker(record) => {
                let broker_id = record.broker_id;
                self.brokers
                    .remove(&broker_id)
                    .ok_or(ImageError::UnknownBroker(broker_id))?;
                changes.push(Change::BrokerChanged { broker_id });
            }
            MetadataRecord::BrokerRegistrationChange(record) => {
                self.change_registration(record)?;
                changes.push(Change::BrokerChanged {
                    broker_id: record.broker_id,
                });
            }
            MetadataRecord::FenceBroker(record) => self.fence(record.id, true, changes)?,
            MetadataRecord::UnfenceBroker(record) => self.fence(record.id, false, changes)?,
            MetadataRecord::Topic(record) => {
                let (name, topic_id) = (record.name.clone(), record.topic_id);
                self.topic_ids.insert(name.clone(), topic_id);
                self.collision_keys.insert(collision_key(&name), topic_id);
                let partitions = BTreeMap::new();
                self.topics.insert(
                    topic_id,
                    TopicImage {
                        name: name.clone(),
                        topic_id,
                        partitions,
                    },
                );
                changes.push(Change::TopicCreated { name, topic_id });
            }
            MetadataRecord::RemoveTopic(record) => {
                let topic_id = record.topic_id;
                let topic = self
                    .topics
                    .remove(&topic_id)
                    .ok_or(ImageError::UnknownTopic(topic_id))?;
                self.topic_ids.remove(&topic.name);
                self.collision_keys.remove(&collision_key(&topic.name));
                self.partition_count -= topic.partitions.len();
                self.topic_configs.remove(&topic.name);
                changes.push(topic.deleted());
            }
            MetadataRecord::Partition(record) => {
                let topic = self
                    .topics
                    .get_mut(&record.topic_id)
                    .ok_or(ImageError::UnknownTopic(record.topic_id))?;
                let before = topic
                    .partitions
                    .insert(record.partition_id, PartitionImage::from_record(record));
                self.partition_count += usize::from(before.is_none());
                let (topic_id, partition) = (record.topic_id, record.partition_id);
                changes.push(Change::PartitionChanged {
                    topic_id,
                    partition,
                });
            }
            MetadataRecord::PartitionChange(record) => {
                let (topic_id, partition) = (record.topic_id, record.partition_id);
                self.topics
                    .get_mut(&topic_id)
                    .and_then(|topic| topic.partitions.get_mut(&partition))
                    .ok_or(ImageError::UnknownPartition(topic_id, partition))?
                    .change(record);
                changes.push(Change::PartitionChanged {
                    topic_id,
                    partition,
                });
            }
            MetadataRecord::Config(record) => self.change_config(record, changes)?,
            MetadataRecord::ProducerIds(record) => self.next_producer_id = record.next_producer_id,
            MetadataRecord::FeatureLevel(_) | MetadataRecord::NoOp(_) => {}
        }
        Ok(())
    }

    fn change_registration(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), ImageError> {
        let broker = self
            .brokers
            .get_mut(&record.broker_id)
            .ok_or(ImageError::UnknownBroker(record.broker_id))?;
        // BrokerRegistrationFencingChange: 1 fences, -1 unfences, 0 leaves it.
        match record.fenced {
            0 => {}
            fenced => broker.fenced = fenced > 0,
        }
        Ok(())
    }

    fn fence(
        &mut self,
        broker_id: i32,
        fenced: bool,
        changes: &mut Vec<Change>,
    ) -> Result<(), ImageError> {
        let broker = self
            .brokers
            .get_mut(&broker_id)
            .ok_or(ImageError::UnknownBroker(broker_id))?;
        broker.fenced = fenced;
        changes.push(Change::BrokerChanged { broker_id });
        Ok(())
    }

    fn change_config(
        &mut self,
        record: &ConfigRecord,
        changes: &mut Vec<Change>,
    ) -> Result<(), ImageError> {
        if record.resource_type != TOPIC_RESOURCE {
            return Err(ImageError::UnknownResource(record.resource_type));
        }
        let topic = record.resource_name.clone();
        match &record.value {
            Some(value) => {
                let configs = self.topic_configs.entry(topic.clone()).or_default();
                configs.insert(record.name.clone(), value.clone());
            }
            None => {
                if let Some(configs) = self.topic_configs.get_mut(&topic) {
                    configs.remove(&record.name);
                    if configs.is_empty() {
                        self.topic_configs.remove(&topic);
                    }
                }
            }
        }
        changes.push(Change::ConfigChanged { topic });
        Ok(())
    }

    /// What changes when `next` takes the place of this image.
    pub(in crate::metadata) fn difference(&self, next: &MetadataImage) -> Vec<Change> {
        let mut changes = Vec::new();
        let ids = self.brokers.keys().chain(next.brokers.keys().filter(|id| {
            // Those of both were seen already.
            !self.brokers.contains_key(id)
        }));
        for broker_id in ids {
            if self.brokers.get(broker_id) != next.brokers.get(broker_id) {
                changes.push(Change::BrokerChanged {
                    broker_id: *broker_id,
                });
            }
        }
        for (topic_id, topic) in &self.topics {
            if !next.topics.contains_key(topic_id) {
                changes.push(topic.deleted());
            }
        }
        for (topic_id, topic) in &next.topics {
            let before = self.topics.get(topic_id);
            if before.is_none() {
                changes.push(Change::TopicCreated {
                    name: topic.name.clone(),
                    topic_id: *topic_id,
                });
            }
            for (index, partition) in &topic.partitions {
                if before.and_then(|topic| topic.partitions.get(index)) != Some(partition) {
                    changes.push(Change::PartitionChanged {
                        topic_id: *topic_id,
                        partition: *index,
                    });
                }
            }
            if self.topic_configs(&topic.name) != next.topic_configs(&topic.name) {
                changes.push(Change::ConfigChanged {
                    topic: topic.name.clone(),
                });
            }
        }
        changes
    }
}

/// The record that sets a topic's config, or unsets it.
pub(in crate::metadata) fn topic_config_record(
    topic: &str,
    name: &str,
    value: Option<String>,
) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: TOPIC_RESOURCE,
        resource_name: topic.to_string(),
        name: name.to_string(),
        value,
        ..Default::default()
    })
}

/// Whether the records of a batch replace everything before them. As in KRaft, a snapshot begins
/// with the metadata version.
pub(in crate::metadata) fn is_snapshot(records: &[MetadataRecord]) -> bool {
    matches!(
        records.first(),
        Some(MetadataRecord::FeatureLevel(record)) if record.name == METADATA_VERSION_FEATURE
    )
}
