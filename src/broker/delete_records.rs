//! DeleteRecords (key 21): moves a log's start, and answers when that is durable.

use super::produce::rolled_back;
use super::purgatory::{Parked, Watch};
use super::{Broker, Delayed, Progress, Wake};
use crate::log::PartitionId;
use crate::now::{Instant, Now};
use crate::protocol::messages::delete_records_request::DeleteRecordsRequest;
use crate::protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use crate::protocol::{ErrorCode, Response};

/// Stands for the high watermark, as `DeleteRecordsRequest.HIGH_WATERMARK`.
const HIGH_WATERMARK: i64 = -1;

/// A deletion that waits to be durable.
#[derive(Debug)]
pub struct DelayedDeleteRecords {
    response: DeleteRecordsResponse,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    topic: usize,
    partition: usize,
    id: PartitionId,
    offset: i64,
}

pub(super) fn handle(broker: &mut Broker, now: Now, request: DeleteRecordsRequest) -> Progress {
    let mut response = DeleteRecordsResponse::default();
    let mut waiting = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for wanted in topic.partitions {
            let mut result = DeleteRecordsPartitionResult {
                partition_index: wanted.partition_index,
                low_watermark: -1,
                ..Default::default()
            };
            match begin(broker, &topic.name, wanted.partition_index, wanted.offset) {
                Ok((id, offset)) => waiting.push(Waiting {
                    topic: response.topics.len(),
                    partition: partitions.len(),
                    id,
                    offset,
                }),
                Err(error) => result.error_code = error.code(),
            }
            partitions.push(result);
        }
        response.topics.push(DeleteRecordsTopicResult {
            name: topic.name,
            partitions,
            ..Default::default()
        });
    }
    let deadline = Some(now.monotonic + request.timeout_ms.max(0) as u64);
    DelayedDeleteRecords { response, waiting }.advance(broker, deadline, Wake::Moved)
}

fn begin(
    broker: &mut Broker,
    topic: &str,
    partition_index: i32,
    offset: i64,
) -> Result<(PartitionId, i64), ErrorCode> {
    let (id, partition) = broker.leader_of(topic, partition_index)?;
    let high_watermark = partition.high_watermark();
    if crate::metadata::is_internal_topic(topic) {
        // `KafkaApis.handleDeleteRecordsRequest` refuses what a coordinator folds.
        return Err(ErrorCode::InvalidTopicException);
    }
    if !broker.deletes_records(topic) {
        // A compacted topic keeps the last record of every key (`ReplicaManager.deleteRecords`).
        return Err(ErrorCode::PolicyViolation);
    }
    let offset = if offset == HIGH_WATERMARK {
        high_watermark
    } else {
        offset
    };
    if offset < 0 || high_watermark < offset {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    broker
        .logs
        .delete_records(id, offset)
        .map_err(|error| error.error_code())?;
    Ok((id, offset))
}

impl DelayedDeleteRecords {
    pub(super) fn advance(
        mut self,
        broker: &mut Broker,
        deadline: Option<Instant>,
        wake: Wake<'_>,
    ) -> Progress {
        let response = &mut self.response;
        self.waiting.retain(|waiting| {
            let result = &mut response.topics[waiting.topic].partitions[waiting.partition];
            let error = match wake {
                Wake::RolledBack(lost) if lost.contains_key(&waiting.id) => {
                    rolled_back(&lost[&waiting.id]).0
                }
                _ if !broker.partitions.contains_key(&waiting.id) => {
                    ErrorCode::UnknownTopicOrPartition
                }
                _ => match broker.logs.log_start_offset(waiting.id) {
                    Some(start) if waiting.offset <= start => {
                        result.low_watermark = start;
                        return false;
                    }
                    _ if matches!(wake, Wake::Deadline) => ErrorCode::RequestTimedOut,
                    _ => return true,
                },
            };
            result.error_code = error.code();
            false
        });
        if self.waiting.is_empty() {
            return Progress::Respond(Response::DeleteRecords(self.response));
        }
        let watches = self
            .waiting
            .iter()
            .map(|waiting| Watch::Partition(waiting.id))
            .collect();
        Progress::Park(Parked {
            operation: Delayed::DeleteRecords(self),
            deadline,
            watches,
        })
    }
}
