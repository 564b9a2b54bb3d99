//! Fetch of `__cluster_metadata`, by which brokers follow it.

use super::Slot;
use super::metadata_log::MetadataLog;
use crate::log::Read;
use crate::metadata::{CLUSTER_METADATA_TOPIC, CLUSTER_METADATA_TOPIC_ID};
use crate::now::{Instant, Now};
use crate::protocol::messages::fetch_request::{FetchRequest, FetchTopic};
use crate::protocol::messages::fetch_response::{
    FetchResponse, FetchableTopicResponse, PartitionData,
};
use crate::protocol::{ErrorCode, RequestHeader};
use bytes::Bytes;

/// The version from which Fetch names topics by id.
const TOPIC_ID_VERSION: i16 = 13;

/// Bytes of metadata in one answer.
const FETCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A fetch of the metadata log that waits for records, or for its deadline.
pub(super) struct ParkedFetch {
    pub slot: Slot,
    pub header: RequestHeader,
    pub deadline: Instant,
    request: FetchRequest,
}

impl ParkedFetch {
    pub(super) fn new(
        now: Now,
        slot: Slot,
        header: RequestHeader,
        request: FetchRequest,
    ) -> ParkedFetch {
        let max_wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
        ParkedFetch {
            slot,
            header,
            deadline: now.monotonic + max_wait_ms,
            request,
        }
    }

    /// The answer, if it need not wait longer.
    pub(super) fn answer(&mut self, now: Now, log: &mut MetadataLog) -> Option<FetchResponse> {
        let must_answer = self.deadline <= now.monotonic || self.request.min_bytes <= 0;
        let mut responses = Vec::new();
        let mut is_ready = must_answer;
        for topic in &self.request.topics {
            let mut partitions = Vec::new();
            for partition in &topic.partitions {
                let data = match self.unknown(topic, partition.partition) {
                    Some(error) => error_data(partition.partition, error),
                    None => {
                        let bytes_max = usize::try_from(partition.partition_max_bytes)
                            .unwrap_or(0)
                            .min(FETCH_BYTES_MAX);
                        // Waits for the load, whatever the deadline.
                        read(log, partition.fetch_offset, bytes_max)?
                    }
                };
                is_ready |= data.error_code != ErrorCode::None.code()
                    || data
                        .records
                        .as_ref()
                        .is_some_and(|records| !records.is_empty());
                partitions.push(data);
            }
            responses.push(FetchableTopicResponse {
                topic: topic.topic.clone(),
                topic_id: topic.topic_id,
                partitions,
                ..Default::default()
            });
        }
        is_ready.then(|| FetchResponse {
            responses,
            ..Default::default()
        })
    }

    /// The error of a partition that is not the metadata's.
    fn unknown(&self, topic: &FetchTopic, partition: i32) -> Option<ErrorCode> {
        let (known, error) = match self.header.request_api_version >= TOPIC_ID_VERSION {
            true => (
                topic.topic_id == CLUSTER_METADATA_TOPIC_ID,
                ErrorCode::UnknownTopicId,
            ),
            false => (
                topic.topic == CLUSTER_METADATA_TOPIC,
                ErrorCode::UnknownTopicOrPartition,
            ),
        };
        match (known, partition) {
            (true, 0) => None,
            (true, _) => Some(ErrorCode::UnknownTopicOrPartition),
            (false, _) => Some(error),
        }
    }
}

/// Everything durable from `offset` on; `None` while it must be loaded.
fn read(log: &mut MetadataLog, offset: i64, bytes_max: usize) -> Option<PartitionData> {
    let (log_start_offset, high_watermark) = (log.start_offset(), log.durable_end());
    let data = |error: ErrorCode, records: Bytes| PartitionData {
        partition_index: 0,
        error_code: error.code(),
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset,
        records: Some(records),
        ..Default::default()
    };
    if offset < log_start_offset || offset > high_watermark {
        return Some(data(ErrorCode::OffsetOutOfRange, Bytes::new()));
    }
    match log.read(offset, bytes_max) {
        Ok(Read::Records(runs)) => Some(data(ErrorCode::None, runs.concat().into())),
        Ok(Read::Pending(_)) => None,
        Err(error) => Some(data(error.error_code(), Bytes::new())),
    }
}

fn error_data(partition_index: i32, error: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index,
        error_code: error.code(),
        high_watermark: -1,
        ..Default::default()
    }
}
