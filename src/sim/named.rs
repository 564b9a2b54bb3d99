//! Requests by what they name, which may be very much, and what names their answers must have.

use crate::client::TopicPartition;
use crate::protocol::messages::delete_topics_request::DeleteTopicsRequest;
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestTopic,
};
use crate::protocol::{Request, Response};
use std::collections::BTreeMap;

/// The group that a stranger names. It has no members.
const GROUP: &str = "stranger";

/// Where a log starts, to [`list_offsets`].
pub const EARLIEST_TIMESTAMP: i64 = -2;
/// Where it ends.
pub const LATEST_TIMESTAMP: i64 = -1;

/// What there is of topics.
pub fn metadata(names: &[String]) -> Request {
    let topics = names.iter().map(|name| MetadataRequestTopic {
        name: Some(name.clone()),
        ..MetadataRequestTopic::default()
    });
    Request::Metadata(MetadataRequest {
        topics: Some(topics.collect()),
        ..MetadataRequest::default()
    })
}

/// The offsets of a timestamp, or where logs start or end.
pub fn list_offsets(partitions: impl Iterator<Item = (String, i32)>, timestamp: i64) -> Request {
    let topics = partitions.map(|(name, partition_index)| ListOffsetsTopic {
        name,
        partitions: vec![ListOffsetsPartition {
            partition_index,
            timestamp,
            ..ListOffsetsPartition::default()
        }],
        ..ListOffsetsTopic::default()
    });
    Request::ListOffsets(ListOffsetsRequest {
        replica_id: -1,
        topics: topics.collect(),
        ..ListOffsetsRequest::default()
    })
}

/// What a fetch asks for from these offsets on.
pub fn fetch_topics<'a>(
    places: impl Iterator<Item = (&'a TopicPartition, i64)>,
    partition_max_bytes: i32,
) -> Vec<FetchTopic> {
    let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
    for (partition, fetch_offset) in places {
        let of_topic = topics.entry(&partition.topic).or_default();
        of_topic.push(FetchPartition {
            partition: partition.partition,
            fetch_offset,
            partition_max_bytes,
            ..FetchPartition::default()
        });
    }
    let topics = topics.into_iter().map(|(topic, partitions)| FetchTopic {
        topic: topic.to_owned(),
        partitions,
        ..FetchTopic::default()
    });
    topics.collect()
}

/// Offsets of a group to store.
pub fn offset_commit(names: &[String]) -> Request {
    let topics = names.iter().map(|name| OffsetCommitRequestTopic {
        name: name.clone(),
        partitions: vec![OffsetCommitRequestPartition {
            committed_metadata: Some(String::new()),
            ..OffsetCommitRequestPartition::default()
        }],
        ..OffsetCommitRequestTopic::default()
    });
    Request::OffsetCommit(OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        generation_id_or_member_epoch: -1,
        topics: topics.collect(),
        ..OffsetCommitRequest::default()
    })
}

/// Offsets that a group has stored.
pub fn offset_fetch(names: &[String]) -> Request {
    let topics = names.iter().map(|name| OffsetFetchRequestTopic {
        name: name.clone(),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopic::default()
    });
    Request::OffsetFetch(OffsetFetchRequest {
        group_id: GROUP.to_owned(),
        topics: Some(topics.collect()),
        ..OffsetFetchRequest::default()
    })
}

/// Topics to delete.
pub fn delete_topics(names: &[String]) -> Request {
    Request::DeleteTopics(DeleteTopicsRequest {
        topic_names: names.to_vec(),
        timeout_ms: 1_000,
        ..DeleteTopicsRequest::default()
    })
}

/// A member that can be assigned by so many protocols.
pub fn join_group(names: &[String]) -> Request {
    let protocols = names.iter().map(|name| JoinGroupRequestProtocol {
        name: name.clone(),
        ..JoinGroupRequestProtocol::default()
    });
    Request::JoinGroup(JoinGroupRequest {
        group_id: "stranger-join".to_owned(),
        session_timeout_ms: 2_000,
        rebalance_timeout_ms: 2_000,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.collect(),
        ..JoinGroupRequest::default()
    })
}

/// Compares the names in an answer with those that were asked for. Error: what is wrong.
pub fn check(mut asked: Vec<String>, response: &Response) -> Result<(), String> {
    let names = match response {
        Response::Metadata(it) => it.topics.iter().map(|it| it.name.clone()).collect(),
        Response::ListOffsets(it) => it.topics.iter().map(|it| Some(it.name.clone())).collect(),
        Response::OffsetCommit(it) => it.topics.iter().map(|it| Some(it.name.clone())).collect(),
        Response::OffsetFetch(it) if it.error_code != 0 => return Ok(()),
        Response::OffsetFetch(it) => it.topics.iter().map(|it| Some(it.name.clone())).collect(),
        Response::DeleteTopics(it) => it.responses.iter().map(|it| it.name.clone()).collect(),
        other => return Err(format!("names are answered by {other:?}")),
    };
    let names: Vec<Option<String>> = names;
    let mut names: Vec<_> = names.into_iter().flatten().collect();
    names.sort_unstable();
    asked.sort_unstable();
    match names == asked {
        true => Ok(()),
        false => Err(format!(
            "{} names are answered, and {} were asked for",
            names.len(),
            asked.len()
        )),
    }
}
