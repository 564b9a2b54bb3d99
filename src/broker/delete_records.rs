//! DeleteRecords (key 21): moves a log's start, and answers when that is durable.

use super::delayed::{Delayed, Leading, Wake};
use super::produce::rolled_back;
use super::purgatory::{Parked, Watch};
use super::{Broker, Progress};
use crate::distinct::merged_by;
use crate::log::PartitionId;
use crate::now::{Instant, Now};
use crate::protocol::messages::delete_records_request::DeleteRecordsRequest;
use crate::protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use crate::protocol::{ErrorCode, Response};
use std::collections::BTreeMap;

/// Stands for the high watermark, as `DeleteRecordsRequest.HIGH_WATERMARK`.
const HIGH_WATERMARK: i64 = -1;

/// A deletion that waits to be durable.
#[derive(Debug)]
pub struct DelayedDeleteRecords {
    response: DeleteRecordsResponse,
    waiting: BTreeMap<PartitionId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    topic: usize,
    partition: usize,
    offset: i64,
}

pub(super) fn handle(broker: &mut Broker, now: Now, request: DeleteRecordsRequest) -> Progress {
    let mut response = DeleteRecordsResponse::default();
    let mut waiting = BTreeMap::new();
    // Where a partition is named twice, the last offset counts (`KafkaApis.handleDeleteRecordsRequest`).
    let topics = merged_by(
        request.topics,
        |topic| topic.name.clone(),
        |topic, again| topic.partitions.extend(again.partitions),
    );
    for topic in topics {
        let mut partitions = Vec::new();
        let wanted = merged_by(
            topic.partitions,
            |wanted| wanted.partition_index,
            |wanted, again| *wanted = again,
        );
        for wanted in wanted {
            let mut result = DeleteRecordsPartitionResult {
                partition_index: wanted.partition_index,
                low_watermark: -1,
                ..Default::default()
            };
            match begin(broker, &topic.name, wanted.partition_index, wanted.offset) {
                Ok((id, offset)) => {
                    let (topic, partition) = (response.topics.len(), partitions.len());
                    waiting.insert(
                        id,
                        Waiting {
                            topic,
                            partition,
                            offset,
                        },
                    );
                }
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
    let ids: Vec<_> = waiting.keys().copied().collect();
    let mut deletion = DelayedDeleteRecords { response, waiting };
    let leading = broker.leading();
    for id in ids {
        deletion.wake(&leading, Wake::Moved(Watch::Partition(id)));
    }
    deletion.go_on(deadline)
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
    /// Answers for logs whose start has moved or will not. True when nothing is left to wait for.
    pub(super) fn wake(&mut self, leading: &Leading<'_>, wake: Wake<'_>) -> bool {
        match wake {
            Wake::Moved(Watch::Partition(id)) => {
                self.settle(id, |offset| low_watermark(leading, id, offset));
            }
            Wake::RolledBack(id, error) => self.settle(id, |_| Some(Err(rolled_back(error).0))),
            Wake::Deadline => {
                let ids: Vec<_> = self.waiting.keys().copied().collect();
                for id in ids {
                    self.settle(id, |_| Some(Err(ErrorCode::RequestTimedOut)));
                }
            }
            Wake::Moved(_) | Wake::NoProducerIds(_) => {}
        }
        self.waiting.is_empty()
    }

    fn settle(
        &mut self,
        id: PartitionId,
        low_watermark: impl Fn(i64) -> Option<Result<i64, ErrorCode>>,
    ) {
        let Some(waiting) = self.waiting.get(&id) else {
            return;
        };
        let result = &mut self.response.topics[waiting.topic].partitions[waiting.partition];
        match low_watermark(waiting.offset) {
            None => return,
            Some(Ok(start)) => result.low_watermark = start,
            Some(Err(error)) => result.error_code = error.code(),
        }
        self.waiting.remove(&id);
    }

    pub(super) fn go_on(self, deadline: Option<Instant>) -> Progress {
        if self.waiting.is_empty() {
            return Progress::Respond(Response::DeleteRecords(self.response));
        }
        let watches = self.waiting.keys().map(|id| Watch::Partition(*id));
        Progress::Park(Parked {
            deadline,
            watches: watches.collect(),
            operation: Delayed::DeleteRecords(self),
        })
    }
}

/// Where the log starts, once that is at `offset` or behind it: `None` not yet.
fn low_watermark(
    leading: &Leading<'_>,
    id: PartitionId,
    offset: i64,
) -> Option<Result<i64, ErrorCode>> {
    if !leading.partitions.contains_key(&id) {
        return Some(Err(ErrorCode::UnknownTopicOrPartition));
    }
    let start = leading.logs.log_start_offset(id)?;
    (offset <= start).then_some(Ok(start))
}
