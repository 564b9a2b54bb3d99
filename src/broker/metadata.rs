//! Metadata (key 3): the cluster as clients see it, and topics created by asking for them.

use super::connections::RequestContext;
use super::delayed::Delayed;
use super::purgatory::Parked;
use super::{Broker, Progress};
use crate::metadata::{
    CONSUMER_OFFSETS_TOPIC, NO_LEADER, TopicImage, is_internal_topic, validate_topic_name,
};
use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::protocol::{ErrorCode, Request, Response, Uuid};
use std::collections::BTreeSet;

/// "The operations are not asked for" of `topic_authorized_operations`.
const OPERATIONS_UNKNOWN: i32 = i32::MIN;
/// The first version that may name topics by their ids. The fields are older.
const SINCE_TOPIC_IDS: i16 = 12;

pub(super) fn handle(
    broker: &mut Broker,
    context: &RequestContext,
    request: MetadataRequest,
) -> Progress {
    let MetadataRequest { topics, .. } = &request;
    let topics = topics.as_deref().unwrap_or_default();
    let is_asked = |topic: &MetadataRequestTopic| {
        is_by_name(topic) || (SINCE_TOPIC_IDS <= context.api_version && !topic.topic_id.is_zero())
    };
    if !topics.iter().all(is_asked) {
        return Progress::Respond(Response::Metadata(invalid(topics)));
    }
    let missing = broker.topics_to_create(&request);
    if !missing.is_empty() && broker.create_topics_for(context.token, &missing) {
        // Asked again when they exist or were refused: then without creating.
        let request = MetadataRequest {
            allow_auto_topic_creation: false,
            ..request
        };
        return Progress::Park(Parked {
            operation: Delayed::AwaitsTopics(Request::Metadata(request)),
            deadline: None,
            watches: Default::default(),
        });
    }
    let image = broker.metadata.image();
    let brokers = image
        .brokers()
        .filter_map(|(node_id, node)| {
            let endpoint = node.endpoints.first()?;
            Some(MetadataResponseBroker {
                node_id,
                host: endpoint.host.clone(),
                port: i32::from(endpoint.port),
                rack: node.rack.clone(),
                ..Default::default()
            })
        })
        .collect();
    // Version 0 asks for all with an empty list; later ones with null, and empty means none.
    let wanted = match &request.topics {
        Some(topics) if context.api_version == 0 && topics.is_empty() => None,
        topics => topics.as_ref(),
    };
    let topics = match wanted {
        None => image.topics().map(describe).collect(),
        Some(topics) => each_once(topics)
            .map(|topic| broker.describe_wanted(topic))
            .collect(),
    };
    Progress::Respond(Response::Metadata(MetadataResponse {
        brokers,
        cluster_id: Some(broker.config.cluster_id.clone()),
        // Any broker hands controller requests on, so the one that was asked is as good as any.
        controller_id: broker.node_id(),
        topics,
        ..Default::default()
    }))
}

impl Broker {
    /// Topics of the request that do not exist and may be created for it.
    fn topics_to_create(&self, request: &MetadataRequest) -> Vec<String> {
        if !self.config.configs.auto_create_topics_enable() || !request.allow_auto_topic_creation {
            return Vec::new();
        }
        let image = self.metadata.image();
        let topics = request.topics.as_deref().unwrap_or_default();
        let mut missing: Vec<String> = each_once(topics)
            .filter_map(|topic| topic.name.clone())
            .filter(|name| image.topic(name).is_none() && validate_topic_name(name).is_ok())
            .collect();
        missing.sort();
        missing
    }

    fn describe_wanted(&self, wanted: &MetadataRequestTopic) -> MetadataResponseTopic {
        let image = self.metadata.image();
        let by_id = !is_by_name(wanted);
        let name = wanted.name.as_deref().filter(|_| !by_id);
        let found = match name {
            Some(name) => image.topic(name),
            None => image.topic_by_id(wanted.topic_id),
        };
        found.map(describe).unwrap_or_else(|| {
            let error = match name {
                None => ErrorCode::UnknownTopicId,
                Some(name) if validate_topic_name(name).is_err() => {
                    ErrorCode::InvalidTopicException
                }
                Some(_) => ErrorCode::UnknownTopicOrPartition,
            };
            MetadataResponseTopic {
                error_code: error.code(),
                name: name.map(str::to_owned),
                topic_id: if by_id {
                    wanted.topic_id
                } else {
                    Uuid::default()
                },
                is_internal: name.is_some_and(is_internal_topic),
                topic_authorized_operations: OPERATIONS_UNKNOWN,
                ..Default::default()
            }
        })
    }

    /// Whether a topic exists, as far as this broker knows.
    pub(super) fn has_topic(&self, topic: &str) -> bool {
        self.metadata.image().topic(topic).is_some()
    }

    /// Asks the controller for the topic of the group coordinators, on behalf of `token`.
    pub(super) fn create_group_metadata_topic(
        &mut self,
        token: super::connections::RequestToken,
    ) -> bool {
        self.create_topics_for(token, &[CONSUMER_OFFSETS_TOPIC.to_owned()])
    }
}

/// Whether a topic is asked for by its name, and not by its id.
fn is_by_name(wanted: &MetadataRequestTopic) -> bool {
    wanted.name.is_some() && wanted.topic_id.is_zero()
}

/// What is asked for, without repetition. Where any topic has an id, names do not count
/// (`KafkaApis.handleTopicMetadataRequest`).
fn each_once(topics: &[MetadataRequestTopic]) -> impl Iterator<Item = &MetadataRequestTopic> {
    let by_id = topics.iter().any(|it| !it.topic_id.is_zero());
    let mut seen = BTreeSet::new();
    topics
        .iter()
        .filter(move |it| by_id != is_by_name(it))
        .filter(move |it| match by_id {
            true => seen.insert((None, it.topic_id)),
            false => seen.insert((it.name.as_deref(), it.topic_id)),
        })
}

/// Kafka's answer to ids in a version that has none yet. (To neither name nor id it answers
/// UNKNOWN_SERVER_ERROR, which helps nobody.)
fn invalid(topics: &[MetadataRequestTopic]) -> MetadataResponse {
    let topics = topics.iter().map(|topic| MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        topic_authorized_operations: OPERATIONS_UNKNOWN,
        ..Default::default()
    });
    MetadataResponse {
        controller_id: -1,
        topics: topics.collect(),
        ..Default::default()
    }
}

fn describe(topic: &TopicImage) -> MetadataResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .map(|(partition_index, partition)| MetadataResponsePartition {
            error_code: if partition.leader == NO_LEADER {
                ErrorCode::LeaderNotAvailable.code()
            } else {
                0
            },
            partition_index: *partition_index,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            ..Default::default()
        })
        .collect();
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.topic_id,
        is_internal: is_internal_topic(&topic.name),
        partitions,
        topic_authorized_operations: OPERATIONS_UNKNOWN,
        ..Default::default()
    }
}
