//! Produce (key 0): appends batches and answers when they are as safe as `acks` asks.

use super::connections::RequestContext;
use super::purgatory::{Parked, Watch};
use super::{Broker, Delayed, Progress, Wake};
use crate::log::{AppendOrigin, PartitionId};
use crate::now::Now;
use crate::planted::{self, PlantedBug};
use crate::protocol::messages::produce_request::{PartitionProduceData, ProduceRequest};
use crate::protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use crate::protocol::{ErrorCode, Response};
use crate::record::{BatchHeader, Compression};
use crate::storage::StorageError;
use std::collections::BTreeSet;

/// The first version that may bring batches compressed with zstd.
const SINCE_ZSTD: i16 = 7;

/// A produce whose batches stand in memory and wait to be durable.
#[derive(Debug)]
pub struct DelayedProduce {
    response: ProduceResponse,
    waiting: Vec<Waiting>,
    acks: i16,
}

#[derive(Debug)]
struct Waiting {
    topic: usize,
    partition: usize,
    id: PartitionId,
    /// The offset behind the appended batch.
    required_offset: i64,
}

pub(super) fn handle(
    broker: &mut Broker,
    now: Now,
    context: &RequestContext,
    request: ProduceRequest,
) -> Progress {
    let acks = request.acks;
    let mut response = ProduceResponse::default();
    let mut waiting = Vec::new();
    // Of a partition that is named twice Kafka 4.3.1 keeps the last batch and drops the others,
    // whose producer believes them stored. Here each is appended and answered.
    for topic in &request.topic_data {
        let mut answers = Vec::new();
        for data in &topic.partition_data {
            let answer = match append(broker, now, context, &request, &topic.name, data) {
                Ok((answer, id, required_offset)) => {
                    let (topic, partition) = (response.responses.len(), answers.len());
                    waiting.push(Waiting {
                        topic,
                        partition,
                        id,
                        required_offset,
                    });
                    answer
                }
                Err(answer) => *answer,
            };
            answers.push(answer);
        }
        response.responses.push(TopicProduceResponse {
            name: topic.name.clone(),
            partition_responses: answers,
            ..Default::default()
        });
    }
    if acks == 0 {
        // The client reads no response, so an error can only be told by closing the connection,
        // as Kafka's `KafkaApis.handleProduceRequest` does.
        let failed = response
            .responses
            .iter()
            .flat_map(|t| &t.partition_responses)
            .any(|p| p.error_code != 0);
        return if failed {
            Progress::Close
        } else {
            Progress::Nothing
        };
    }
    let deadline = Some(now.monotonic + request.timeout_ms.max(0) as u64);
    DelayedProduce {
        response,
        waiting,
        acks,
    }
    .advance(broker, deadline, Wake::Moved)
}

type Appended = (PartitionProduceResponse, PartitionId, i64);

fn append(
    broker: &mut Broker,
    now: Now,
    context: &RequestContext,
    request: &ProduceRequest,
    topic: &str,
    data: &PartitionProduceData,
) -> Result<Appended, Box<PartitionProduceResponse>> {
    let failed = |error: ErrorCode, message: Option<String>| {
        Box::new(PartitionProduceResponse {
            index: data.index,
            error_code: error.code(),
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            error_message: message,
            ..Default::default()
        })
    };
    if !matches!(request.acks, -1..=1) {
        return Err(failed(ErrorCode::InvalidRequiredAcks, None));
    }
    if request.transactional_id.is_some() {
        let message = "transactions are not served".to_owned();
        return Err(failed(ErrorCode::InvalidRequest, Some(message)));
    }
    let (id, partition) = broker
        .leader_of(topic, data.index)
        .map_err(|error| failed(error, None))?;
    if request.acks == -1 {
        let min_insync_replicas = broker.min_insync_replicas(topic);
        partition
            .check_insync_replicas(min_insync_replicas)
            .map_err(|error| failed(error, None))?;
    }
    let leader_epoch = partition.leader_epoch();
    if crate::metadata::is_internal_topic(topic) && context.client_id != super::INTERNAL_CLIENT_ID {
        // `Topic.isInternal`: only coordinators write to their topics.
        return Err(failed(ErrorCode::InvalidTopicException, None));
    }
    // Kafka 4.3.1 never answers a produce with null records; an error serves the client better.
    let Some(records) = data.records.clone() else {
        let message = "a produce needs a record batch".to_owned();
        return Err(failed(ErrorCode::InvalidRecord, Some(message)));
    };
    let header = BatchHeader::read(&records).ok();
    if header.is_some_and(|header| header.compression() == Ok(Compression::Zstd))
        && context.api_version < SINCE_ZSTD
    {
        // KIP-110: who produces so may read so, and older consumers could not.
        return Err(failed(ErrorCode::UnsupportedCompressionType, None));
    }
    if header.is_some_and(|header| header.is_transactional()) {
        // As of a producer without the right (`KafkaApis.handleProduceRequest`): stored, it would
        // open a transaction that nobody ends.
        return Err(failed(ErrorCode::TransactionalIdAuthorizationFailed, None));
    }
    match broker
        .logs
        .append(now, id, records, AppendOrigin::Client, leader_epoch)
    {
        Ok(appended) => {
            let answer = PartitionProduceResponse {
                index: data.index,
                base_offset: appended.base_offset,
                log_append_time_ms: appended.log_append_time,
                log_start_offset: appended.log_start_offset,
                ..Default::default()
            };
            Ok((answer, id, appended.last_offset + 1))
        }
        Err(error) => {
            let mut answer = failed(error.error_code(), Some(error.to_string()));
            answer.record_errors = error
                .record_errors()
                .iter()
                .map(|record| BatchIndexAndErrorMessage {
                    batch_index: record.batch_index,
                    batch_index_error_message: Some(record.message.clone()),
                    ..Default::default()
                })
                .collect();
            Err(answer)
        }
    }
}

impl DelayedProduce {
    pub(super) fn advance(
        mut self,
        broker: &mut Broker,
        deadline: Option<crate::now::Instant>,
        wake: Wake<'_>,
    ) -> Progress {
        let acks = self.acks;
        let response = &mut self.response;
        self.waiting.retain(|waiting| {
            let outcome = match wake {
                Wake::RolledBack(lost) if lost.contains_key(&waiting.id) => {
                    Some(Err(rolled_back(&lost[&waiting.id])))
                }
                _ if planted::active(PlantedBug::AcknowledgedBeforeCommit) => Some(Ok(())),
                _ => broker.progress_of(waiting.id, waiting.required_offset, acks),
            };
            let outcome = match (outcome, wake) {
                (None, Wake::Deadline) => Err((ErrorCode::RequestTimedOut, None)),
                (None, _) => return true,
                (Some(outcome), _) => outcome,
            };
            if let Err((error, message)) = outcome {
                let answer =
                    &mut response.responses[waiting.topic].partition_responses[waiting.partition];
                answer.error_code = error.code();
                answer.error_message = message;
                answer.base_offset = -1;
                answer.log_append_time_ms = -1;
            }
            false
        });
        if self.waiting.is_empty() {
            return Progress::Respond(Response::Produce(self.response));
        }
        let watches: BTreeSet<_> = self
            .waiting
            .iter()
            .map(|waiting| Watch::Partition(waiting.id))
            .collect();
        Progress::Park(Parked {
            operation: Delayed::Produce(self),
            deadline,
            watches,
        })
    }
}

/// What a request is told whose records were cut off again.
pub(super) fn rolled_back(error: &StorageError) -> (ErrorCode, Option<String>) {
    (ErrorCode::KafkaStorageError, Some(error.to_string()))
}

impl Broker {
    /// Whether everything below `required_offset` is as safe as `acks` asks: `None` not yet.
    fn progress_of(
        &self,
        id: PartitionId,
        required_offset: i64,
        acks: i16,
    ) -> Option<Result<(), (ErrorCode, Option<String>)>> {
        let Some(partition) = self.partitions.get(&id) else {
            return Some(Err((ErrorCode::UnknownTopicOrPartition, None)));
        };
        let safe = match acks {
            -1 => partition.high_watermark(),
            _ => self.logs.durable_end(id).unwrap_or(0),
        };
        (required_offset <= safe).then_some(Ok(()))
    }
}
