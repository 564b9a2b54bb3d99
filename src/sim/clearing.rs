//! Deleting all records of partitions, as somebody does whose quota is full.

use super::report::Counts;
use crate::client::TopicPartition;
use crate::protocol::Request;
use crate::protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::protocol::messages::delete_records_response::DeleteRecordsResponse;
use std::collections::{BTreeMap, BTreeSet};

/// The version of the requests.
pub const VERSION: i16 = 2;

/// How long the broker may take.
const TIMEOUT_MS: i32 = 5_000;
/// Everything below the high watermark.
const ALL: i64 = -1;

/// The partitions whose records are to be deleted, and are not yet.
#[derive(Debug, Default)]
pub struct Clearing {
    left: BTreeSet<TopicPartition>,
}

impl Clearing {
    /// Of these partitions.
    pub fn new(partitions: impl IntoIterator<Item = TopicPartition>) -> Clearing {
        Clearing {
            left: partitions.into_iter().collect(),
        }
    }

    /// Whether all are empty.
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Asks for what is left to be deleted.
    pub fn question(&self) -> Request {
        let mut topics: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
        for partition in &self.left {
            let of_topic = topics.entry(&partition.topic).or_default();
            of_topic.push(DeleteRecordsPartition {
                partition_index: partition.partition,
                offset: ALL,
                ..DeleteRecordsPartition::default()
            });
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| DeleteRecordsTopic {
                name: name.to_owned(),
                partitions,
                ..DeleteRecordsTopic::default()
            });
        Request::DeleteRecords(DeleteRecordsRequest {
            topics: topics.collect(),
            timeout_ms: TIMEOUT_MS,
            ..DeleteRecordsRequest::default()
        })
    }

    /// What was deleted is not to be deleted again.
    pub fn answered(&mut self, response: &DeleteRecordsResponse, counts: &mut Counts) {
        for topic in &response.topics {
            for answer in &topic.partitions {
                let deleted = answer.error_code == 0;
                counts.operation("delete records under a full quota", deleted);
                if deleted {
                    let partition = TopicPartition::new(topic.name.clone(), answer.partition_index);
                    self.left.remove(&partition);
                }
            }
        }
    }
}
