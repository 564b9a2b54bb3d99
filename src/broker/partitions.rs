//! The partitions that this broker leads: kept as the metadata log says.

use super::purgatory::Watch;
use super::{Broker, Phase};
use crate::log::{LogConfig, PartitionId};
use crate::metadata::{CONSUMER_OFFSETS_TOPIC, Change, PartitionImage, configs};
use crate::now::Now;
use crate::protocol::{ErrorCode, Uuid};
use crate::replica::Partition;
use crate::storage::StorageError;
use std::collections::BTreeSet;

impl Broker {
    /// The partition of this name, if this broker leads it.
    pub(super) fn leader_of(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<(PartitionId, &Partition), ErrorCode> {
        let topic = self.metadata.image().topic(topic);
        self.led(
            topic.map(|topic| topic.topic_id),
            partition,
            ErrorCode::UnknownTopicOrPartition,
        )
    }

    /// The partition of this topic id, if this broker leads it.
    pub(super) fn leader_of_id(
        &self,
        topic_id: Uuid,
        partition: i32,
    ) -> Result<(PartitionId, &Partition), ErrorCode> {
        let topic = self.metadata.image().topic_by_id(topic_id);
        self.led(
            topic.map(|topic| topic.topic_id),
            partition,
            ErrorCode::UnknownTopicId,
        )
    }

    fn led(
        &self,
        topic_id: Option<Uuid>,
        partition: i32,
        unknown_topic: ErrorCode,
    ) -> Result<(PartitionId, &Partition), ErrorCode> {
        let topic_id = topic_id.ok_or(unknown_topic)?;
        let id = PartitionId {
            topic_id,
            partition,
        };
        match self.partitions.get(&id) {
            Some(partition) => Ok((id, partition)),
            None if self.partition_exists(id) => Err(ErrorCode::NotLeaderOrFollower),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    fn partition_exists(&self, id: PartitionId) -> bool {
        self.metadata
            .image()
            .topic_by_id(id.topic_id)
            .is_some_and(|topic| topic.partitions.contains_key(&id.partition))
    }

    /// The id of a topic that exists.
    pub(super) fn topic_id(&self, topic: &str) -> Option<Uuid> {
        self.metadata
            .image()
            .topic(topic)
            .map(|topic| topic.topic_id)
    }

    /// Whether a partition exists, led by whomever.
    pub(super) fn exists(&self, topic: &str, partition: i32) -> bool {
        let topic = self.metadata.image().topic(topic);
        topic.is_some_and(|topic| topic.partitions.contains_key(&partition))
    }

    /// Whether retention deletes records of a topic, so that DeleteRecords may too.
    pub(super) fn deletes_records(&self, topic: &str) -> bool {
        self.log_config(topic).cleanup_delete
    }

    /// What the log of a topic's partitions needs to know.
    fn log_config(&self, topic: &str) -> LogConfig {
        configs::log_config(
            self.metadata.image().topic_configs(topic),
            &self.config.configs,
        )
    }

    /// How many replicas must be in sync for `acks=all`.
    pub(super) fn min_insync_replicas(&self, topic: &str) -> i32 {
        let configs = self.metadata.image().topic_configs(topic);
        configs::min_insync_replicas(configs, &self.config.configs)
    }

    /// This broker's `node.id`.
    pub(super) fn node_id(&self) -> i32 {
        self.config.configs.node_id()
    }

    /// The broker that coordinates a group: its id, host and port.
    ///
    /// Error: there is none, and why, if it will not come either. Kafka's partition would be offline
    /// then, without a leader.
    pub(super) fn coordinator_node(
        &self,
        group_id: &str,
    ) -> Result<(i32, String, i32), Option<String>> {
        let partition = self.group_partition(group_id);
        if let Some((id, why)) = self.shards.failure(partition) {
            return Err(Some(self.stopped_message(id, why)));
        }
        self.leader_endpoint(CONSUMER_OFFSETS_TOPIC, partition)
            .ok_or(None)
    }

    /// The partition of `__consumer_offsets` that holds a group. Somebody may have created the topic
    /// with another number of partitions than the config says.
    pub(super) fn group_partition(&self, group_id: &str) -> i32 {
        let topic = self.metadata.image().topic(CONSUMER_OFFSETS_TOPIC);
        let count = topic.map_or_else(
            || self.config.configs.offsets_topic_num_partitions(),
            |topic| topic.partitions.len() as i32,
        );
        crate::coordinator::group::partition_for(group_id, count)
    }

    fn leader_endpoint(&self, topic: &str, partition: i32) -> Option<(i32, String, i32)> {
        let image = self.metadata.image();
        let leader = image.topic(topic)?.partitions.get(&partition)?.leader;
        let endpoint = image.broker(leader)?.endpoints.first()?;
        Some((leader, endpoint.host.clone(), i32::from(endpoint.port)))
    }

    /// What people are told of a partition that has stopped.
    pub(super) fn stopped_message(&self, id: PartitionId, why: &str) -> String {
        let PartitionId {
            topic_id,
            partition,
        } = id;
        let topic = self.metadata.image().topic_by_id(topic_id);
        let topic = topic.map_or_else(|| topic_id.to_string(), |topic| topic.name.clone());
        format!("partition {partition} of topic {topic} has stopped: {why}")
    }

    /// The metadata log has changed something.
    pub(super) fn image_changed(&mut self, now: Now, changes: &[Change]) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let image = self.metadata.image();
        let mut changed = BTreeSet::new();
        // A topic that is told of for each of its configs is looked at once.
        let mut configured = BTreeSet::new();
        for change in changes {
            match change {
                Change::PartitionChanged {
                    topic_id,
                    partition,
                } => {
                    changed.insert(PartitionId {
                        topic_id: *topic_id,
                        partition: *partition,
                    });
                }
                Change::TopicDeleted {
                    topic_id,
                    partitions,
                    ..
                } => changed.extend(partition_ids(*topic_id, partitions)),
                Change::ConfigChanged { topic } => {
                    configured.insert(topic);
                }
                // The partitions of a new topic are told one by one.
                Change::TopicCreated { .. } | Change::BrokerChanged { .. } => {}
            }
        }
        for topic in configured.into_iter().filter_map(|it| image.topic(it)) {
            changed.extend(partition_ids(topic.topic_id, topic.partitions.keys()));
        }
        self.follow_partitions(now, &changed);
        for change in changes {
            if let Change::TopicDeleted { name, .. } = change {
                self.shards.topic_deleted(now, &mut self.logs, name);
            }
        }
    }

    /// Makes all logs, partitions and coordinators what the image says.
    fn follow_image(&mut self, now: Now) {
        let topics = self.metadata.image().topics();
        let mut all: BTreeSet<_> = topics
            .flat_map(|topic| partition_ids(topic.topic_id, topic.partitions.keys()))
            .collect();
        all.extend(self.logs.partitions());
        self.follow_partitions(now, &all);
    }

    /// Makes these partitions, with their logs and coordinators, what the image says.
    fn follow_partitions(&mut self, now: Now, ids: &BTreeSet<PartitionId>) {
        let node_id = self.node_id();
        // Partitions of a topic are neighbours: its config is read once.
        let mut config: Option<(Uuid, LogConfig)> = None;
        for id in ids {
            let id = *id;
            let topic = self.metadata.image().topic_by_id(id.topic_id);
            let found = topic.and_then(|topic| {
                let state = topic.partitions.get(&id.partition)?;
                Some((topic.name.clone(), state.clone()))
            });
            match &found {
                Some((topic, state)) if state.replicas.contains(&node_id) => {
                    let known = config.take().filter(|(known, _)| *known == id.topic_id);
                    let (_, config) = config
                        .insert(known.unwrap_or_else(|| (id.topic_id, self.log_config(topic))));
                    self.logs.ensure(now, id, config.clone());
                }
                _ => self.logs.remove(id),
            }
            match found {
                Some((topic, state)) if state.leader == node_id => {
                    self.lead(id, &state, topic == CONSUMER_OFFSETS_TOPIC);
                }
                _ => self.resign(id),
            }
        }
    }

    /// Does not lead a partition any more.
    fn resign(&mut self, id: PartitionId) {
        if self.partitions.remove(&id).is_none() {
            return;
        }
        self.shards.resign(id);
        self.moved.insert(Watch::Partition(id));
    }

    /// Leads a partition, newly or under a new leader epoch.
    fn lead(&mut self, id: PartitionId, state: &PartitionImage, is_coordinator: bool) {
        let node_id = self.node_id();
        let durable_end = self.logs.durable_end(id).unwrap_or(0);
        let partition = self
            .partitions
            .entry(id)
            .or_insert_with(|| Partition::new(node_id, durable_end));
        if partition.leader_epoch() < state.leader_epoch {
            // Who waits under an older epoch is fenced.
            self.moved.insert(Watch::Partition(id));
        }
        partition.update(state);
        // A new leader epoch forgets what was known of any replica, this one too.
        partition.update_durable_end(node_id, durable_end);
        if is_coordinator {
            self.shards.lead(&mut self.logs, id, state.leader_epoch);
        }
    }

    /// Begins to serve the coordinators whose logs are folded.
    pub(super) fn activate_shards(&mut self, now: Now) {
        let image = self.metadata.image();
        self.shards.activate(now, &mut self.logs, |name, topic_id| {
            // Offsets of former versions do not say which topic of the name they are of.
            let unknown = topic_id == Uuid::default();
            let topic = image.topic(name);
            topic.is_some_and(|topic| unknown || topic.topic_id == topic_id)
        });
    }

    /// Everything below `end` is durable: the high watermark follows, and with it all who wait.
    pub(super) fn durable(&mut self, id: PartitionId, end: i64) {
        let node_id = self.node_id();
        let Some(partition) = self.partitions.get_mut(&id) else {
            return;
        };
        if let Some(high_watermark) = partition.update_durable_end(node_id, end) {
            self.shards
                .high_watermark_moved(&mut self.logs, id, high_watermark);
        }
        self.moved.insert(Watch::Partition(id));
    }

    /// What was not durable is gone: those who wait for it will learn why, the coordinator folds its
    /// log again, and the leader epoch rises, so that nobody takes the offsets that are given out
    /// next for those that were cut off.
    pub(super) fn roll_back(&mut self, id: PartitionId, error: StorageError) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            if let Some(stale) = partition.lose_end() {
                self.metadata.raise_leader_epoch(id, stale);
            }
            let leader_epoch = partition.leader_epoch();
            self.shards.roll_back(&mut self.logs, id, leader_epoch);
        }
        self.rolled_back.entry(id).or_insert(error);
    }

    /// The broker answers clients once its logs are open and it knows the cluster.
    pub(super) fn run_if_ready(&mut self, now: Now) {
        let Phase::Starting {
            logs_open: true,
            registered: true,
        } = self.phase
        else {
            return;
        };
        self.phase = Phase::Running;
        self.follow_image(now);
        self.logs.tick(now);
        self.activate_shards(now);
        self.connections.release();
    }
}

fn partition_ids<'a>(
    topic_id: Uuid,
    partitions: impl IntoIterator<Item = &'a i32>,
) -> impl Iterator<Item = PartitionId> {
    partitions.into_iter().map(move |partition| PartitionId {
        topic_id,
        partition: *partition,
    })
}
