//! Topics and partitions in the image.

use super::{Change, LEADER_UNCHANGED};
use crate::protocol::Uuid;
use crate::protocol::messages::partition_change_record::PartitionChangeRecord;
use crate::protocol::messages::partition_record::PartitionRecord;
use std::collections::BTreeMap;

/// A topic and its partitions, from 0 without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    /// Its name.
    pub name: String,
    /// Its id; a topic that is created again under the same name has another one.
    pub topic_id: Uuid,
    /// By partition index.
    pub partitions: BTreeMap<i32, PartitionImage>,
}

/// Who has a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionImage {
    /// Brokers that are to have it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync with the leader.
    pub isr: Vec<i32>,
    /// The broker that leads, or [`NO_LEADER`](crate::metadata::NO_LEADER).
    pub leader: i32,
    /// Raised by every election; also by one of the same leader, after it has restarted or lost
    /// what it had not made durable.
    pub leader_epoch: i32,
    /// Raised by every change of the partition.
    pub partition_epoch: i32,
}

impl TopicImage {
    pub(super) fn deleted(&self) -> Change {
        Change::TopicDeleted {
            name: self.name.clone(),
            topic_id: self.topic_id,
            partitions: self.partitions.keys().copied().collect(),
        }
    }
}

impl PartitionImage {
    pub(super) fn from_record(record: &PartitionRecord) -> PartitionImage {
        PartitionImage {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        }
    }

    /// The record that makes this partition.
    pub(in crate::metadata) fn to_record(
        &self,
        topic_id: Uuid,
        partition_id: i32,
    ) -> PartitionRecord {
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            leader: self.leader,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            ..Default::default()
        }
    }

    /// As Kafka's `PartitionRegistration.merge`: naming a leader, even the same one, raises the
    /// leader epoch.
    pub(in crate::metadata) fn change(&mut self, record: &PartitionChangeRecord) {
        if let Some(isr) = &record.isr {
            self.isr = isr.clone();
        }
        if let Some(replicas) = &record.replicas {
            self.replicas = replicas.clone();
        }
        if record.leader != LEADER_UNCHANGED {
            self.leader = record.leader;
            self.leader_epoch += 1;
        }
        self.partition_epoch += 1;
    }
}
