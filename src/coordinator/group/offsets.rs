//! The committed offsets of a shard, and when they expire.

use std::collections::{BTreeMap, BTreeSet};

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use crate::now::Timestamp;
use crate::protocol::Uuid;
use crate::protocol::messages::offset_commit_value::OffsetCommitValue;

/// A partition by its topic's name, as offsets are committed for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

/// What a group committed for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// Of the last record read; -1 when the client does not know.
    pub leader_epoch: i32,
    /// Whatever the client wants to find again.
    pub metadata: String,
    pub commit_timestamp: Timestamp,
    /// Set by clients before version 5 that ask for a retention of their own.
    pub expire_timestamp: Option<Timestamp>,
    /// Zero when the client or the record did not say.
    pub topic_id: Uuid,
}

impl CommittedOffset {
    pub fn from_record(value: OffsetCommitValue) -> CommittedOffset {
        CommittedOffset {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata,
            commit_timestamp: Timestamp(value.commit_timestamp),
            expire_timestamp: Some(value.expire_timestamp)
                .filter(|ms| *ms != -1)
                .map(Timestamp),
            topic_id: value.topic_id,
        }
    }

    /// Whether its retention is over (Kafka's `OffsetExpirationConditionImpl`).
    fn is_expired(&self, basis: ExpiryBasis, now: Timestamp, retention_ms: i64) -> bool {
        if let Some(expire_timestamp) = self.expire_timestamp {
            return now >= expire_timestamp;
        }
        let since = match basis {
            ExpiryBasis::Commit => self.commit_timestamp,
            ExpiryBasis::GroupEmpty(since) => since,
        };
        now.0.saturating_sub(since.0) >= retention_ms
    }
}

/// From when an offset's retention counts.
#[derive(Clone, Copy, Debug)]
enum ExpiryBasis {
    Commit,
    GroupEmpty(Timestamp),
}

/// `None` while nothing of the group may expire (Kafka's `offsetExpirationCondition`).
fn expiry_basis(group: &ClassicGroup) -> Option<ExpiryBasis> {
    if group.protocol_type.is_none() {
        return Some(ExpiryBasis::Commit);
    }
    match group.state {
        GroupState::Empty => Some(
            group
                .state_timestamp
                .map_or(ExpiryBasis::Commit, ExpiryBasis::GroupEmpty),
        ),
        // A topic that the members no longer read.
        GroupState::Stable
            if group.uses_consumer_protocol() && group.subscribed_topics.is_some() =>
        {
            Some(ExpiryBasis::Commit)
        }
        _ => None,
    }
}

/// Offsets by group and partition. Those of open transactions will stand beside `committed`.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    committed: BTreeMap<String, BTreeMap<TopicPartition, CommittedOffset>>,
    /// The groups that have committed something for a topic, by its name: who deletes one topic
    /// does not look at the offsets of all others.
    groups: BTreeMap<String, BTreeSet<String>>,
}

impl Offsets {
    pub fn put(&mut self, group_id: &str, partition: TopicPartition, committed: CommittedOffset) {
        let groups = self.groups.entry(partition.topic.clone()).or_default();
        groups.insert(group_id.to_owned());
        self.committed
            .entry(group_id.to_owned())
            .or_default()
            .insert(partition, committed);
    }

    pub fn remove(&mut self, group_id: &str, partition: &TopicPartition) {
        let Some(offsets) = self.committed.get_mut(group_id) else {
            return;
        };
        offsets.remove(partition);
        if of_topic(offsets, &partition.topic).next().is_none()
            && let Some(groups) = self.groups.get_mut(&partition.topic)
        {
            groups.remove(group_id);
            if groups.is_empty() {
                self.groups.remove(&partition.topic);
            }
        }
        if offsets.is_empty() {
            self.committed.remove(group_id);
        }
    }

    pub fn get(&self, group_id: &str, partition: &TopicPartition) -> Option<&CommittedOffset> {
        self.committed.get(group_id)?.get(partition)
    }

    /// Everything that the group committed, in the order of topic and partition.
    pub fn of_group(
        &self,
        group_id: &str,
    ) -> impl Iterator<Item = (&TopicPartition, &CommittedOffset)> {
        self.committed.get(group_id).into_iter().flatten()
    }

    /// What was committed for `topic`, by any group.
    pub fn of_topic(&self, topic: &str) -> Vec<(String, TopicPartition)> {
        let groups = self.groups.get(topic).into_iter().flatten();
        let offsets = groups.filter_map(|group_id| Some((group_id, self.committed.get(group_id)?)));
        offsets
            .flat_map(|(group_id, offsets)| {
                of_topic(offsets, topic).map(|partition| (group_id.clone(), partition.clone()))
            })
            .collect()
    }

    /// What was committed for topics for which `exists` is false, by any group.
    pub fn of_other_topics(
        &self,
        exists: impl Fn(&str, Uuid) -> bool,
    ) -> Vec<(String, TopicPartition)> {
        self.committed
            .iter()
            .flat_map(|(group_id, offsets)| {
                offsets
                    .iter()
                    .filter(|(partition, it)| !exists(&partition.topic, it.topic_id))
                    .map(|(partition, _)| (group_id.clone(), partition.clone()))
            })
            .collect()
    }

    /// The group's offsets whose retention is over.
    pub fn expired(
        &self,
        group: &ClassicGroup,
        now: Timestamp,
        retention_ms: i64,
    ) -> Vec<TopicPartition> {
        let Some(basis) = expiry_basis(group) else {
            return Vec::new();
        };
        self.of_group(&group.group_id)
            .filter(|(partition, committed)| {
                !group.is_subscribed_to(&partition.topic)
                    && committed.is_expired(basis, now, retention_ms)
            })
            .map(|(partition, _)| partition.clone())
            .collect()
    }

    pub fn has_any(&self, group_id: &str) -> bool {
        self.committed.contains_key(group_id)
    }
}

fn of_topic<'a>(
    offsets: &'a BTreeMap<TopicPartition, CommittedOffset>,
    topic: &str,
) -> impl Iterator<Item = &'a TopicPartition> {
    let at = |partition| TopicPartition {
        topic: topic.to_owned(),
        partition,
    };
    let all = offsets.range(at(i32::MIN)..=at(i32::MAX));
    all.map(|(partition, _)| partition)
}
