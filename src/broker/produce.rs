//! Produce (key 0): appends batches and answers when they are as safe as `acks` asks.

use super::connections::RequestContext;
use super::delayed::{Delayed, Leading, Wake};
use super::purgatory::{Parked, Watch};
use super::{Broker, Progress};
use crate::log::{AppendError, AppendOrigin, PartitionId};
use crate::now::{Instant, Now};
use crate::planted::{self, PlantedBug};
use crate::protocol::messages::produce_request::{PartitionProduceData, ProduceRequest};
use crate::protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use crate::protocol::{ErrorCode, Response};
use crate::record::{BatchHeader, Compression};
use crate::storage::StorageError;
use std::collections::BTreeMap;

/// The first version that may bring batches compressed with zstd.
const SINCE_ZSTD: i16 = 7;

/// A produce whose batches stand in memory and wait to be durable.
#[derive(Debug)]
pub struct DelayedProduce {
    response: ProduceResponse,
    waiting: BTreeMap<PartitionId, Vec<Waiting>>,
    acks: i16,
}

#[derive(Debug)]
struct Waiting {
    topic: usize,
    partition: usize,
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
    let refusal = check_request(&request);
    let mut response = ProduceResponse::default();
    let mut waiting: BTreeMap<_, Vec<_>> = BTreeMap::new();
    // Of a partition that is named twice Kafka 4.3.1 keeps the last batch and drops the others,
    // whose producer believes them stored. Here each is appended and answered.
    for topic in request.topic_data {
        let mut answers = Vec::new();
        for data in topic.partition_data {
            let index = data.index;
            let appended = match refusal.clone() {
                None => append(broker, now, context, acks, &topic.name, data),
                Some(refused) => Err(refused),
            };
            let answer = match appended {
                Ok((answer, id, required_offset)) => {
                    let (topic, partition) = (response.responses.len(), answers.len());
                    waiting.entry(id).or_default().push(Waiting {
                        topic,
                        partition,
                        required_offset,
                    });
                    answer
                }
                Err(refused) => refused.answer(index),
            };
            answers.push(answer);
        }
        response.responses.push(TopicProduceResponse {
            name: topic.name,
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
    let ids: Vec<_> = waiting.keys().copied().collect();
    let mut produce = DelayedProduce {
        response,
        waiting,
        acks,
    };
    let leading = broker.leading();
    for id in ids {
        produce.wake(&leading, Wake::Moved(Watch::Partition(id)));
    }
    produce.go_on(deadline)
}

type Appended = (PartitionProduceResponse, PartitionId, i64);

/// Why a batch is not appended.
#[derive(Clone, Debug)]
struct Refused {
    error: ErrorCode,
    message: Option<String>,
    records: Vec<BatchIndexAndErrorMessage>,
}

impl Refused {
    fn because(error: ErrorCode, message: &str) -> Refused {
        Refused {
            message: Some(message.to_owned()),
            ..Refused::from(error)
        }
    }

    fn answer(self, index: i32) -> PartitionProduceResponse {
        PartitionProduceResponse {
            index,
            error_code: self.error.code(),
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: self.records,
            error_message: self.message,
            ..Default::default()
        }
    }
}

impl From<ErrorCode> for Refused {
    fn from(error: ErrorCode) -> Refused {
        Refused {
            error,
            message: None,
            records: Vec::new(),
        }
    }
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Refused {
        let records = error.record_errors().iter();
        let records = records.map(|record| BatchIndexAndErrorMessage {
            batch_index: record.batch_index,
            batch_index_error_message: Some(record.message.clone()),
            ..Default::default()
        });
        Refused {
            error: error.error_code(),
            message: Some(error.to_string()),
            records: records.collect(),
        }
    }
}

/// What speaks against a request, whatever partition it is about.
fn check_request(request: &ProduceRequest) -> Option<Refused> {
    if !matches!(request.acks, -1..=1) {
        return Some(ErrorCode::InvalidRequiredAcks.into());
    }
    let transactional = request.transactional_id.is_some();
    transactional
        .then(|| Refused::because(ErrorCode::InvalidRequest, "transactions are not served"))
}

/// Appends a batch. The request gives its records away, so that the log can write their header
/// where they are.
fn append(
    broker: &mut Broker,
    now: Now,
    context: &RequestContext,
    acks: i16,
    topic: &str,
    data: PartitionProduceData,
) -> Result<Appended, Refused> {
    let (id, partition) = broker.leader_of(topic, data.index)?;
    if acks == -1 {
        let min_insync_replicas = broker.min_insync_replicas(topic);
        partition.check_insync_replicas(min_insync_replicas)?;
    }
    let leader_epoch = partition.leader_epoch();
    if crate::metadata::is_internal_topic(topic) && context.client_id != super::INTERNAL_CLIENT_ID {
        // `Topic.isInternal`: only coordinators write to their topics.
        return Err(ErrorCode::InvalidTopicException.into());
    }
    // Kafka 4.3.1 never answers a produce with null records; an error serves the client better.
    let Some(records) = data.records else {
        let message = "a produce needs a record batch";
        return Err(Refused::because(ErrorCode::InvalidRecord, message));
    };
    let header = BatchHeader::read(&records).ok();
    if header.is_some_and(|header| header.compression() == Ok(Compression::Zstd))
        && context.api_version < SINCE_ZSTD
    {
        // KIP-110: who produces so may read so, and older consumers could not.
        return Err(ErrorCode::UnsupportedCompressionType.into());
    }
    if header.is_some_and(|header| header.is_transactional()) {
        // As of a producer without the right (`KafkaApis.handleProduceRequest`): stored, it would
        // open a transaction that nobody ends.
        return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    let appended = broker
        .logs
        .append(now, id, records, AppendOrigin::Client, leader_epoch)?;
    let answer = PartitionProduceResponse {
        index: data.index,
        base_offset: appended.base_offset,
        log_append_time_ms: appended.log_append_time,
        log_start_offset: appended.log_start_offset,
        ..Default::default()
    };
    Ok((answer, id, appended.last_offset + 1))
}

impl DelayedProduce {
    /// Answers for what has become safe or was cut off. True when nothing is left to wait for.
    pub(super) fn wake(&mut self, leading: &Leading<'_>, wake: Wake<'_>) -> bool {
        let acks = self.acks;
        match wake {
            Wake::Moved(Watch::Partition(id)) => {
                self.settle(id, |required_offset| {
                    progress_of(leading, id, required_offset, acks)
                });
            }
            Wake::RolledBack(id, error) => self.settle(id, |_| Some(Err(rolled_back(error)))),
            Wake::Deadline => {
                for waiting in std::mem::take(&mut self.waiting).into_values().flatten() {
                    self.fail(&waiting, ErrorCode::RequestTimedOut, None);
                }
            }
            Wake::Moved(_) | Wake::NoProducerIds(_) => {}
        }
        self.waiting.is_empty()
    }

    fn settle(&mut self, id: PartitionId, progress: impl Fn(i64) -> Option<Outcome>) {
        let Some(waiting) = self.waiting.remove(&id) else {
            return;
        };
        let mut left = Vec::new();
        for waiting in waiting {
            match progress(waiting.required_offset) {
                None => left.push(waiting),
                Some(Ok(())) => {}
                Some(Err((error, message))) => self.fail(&waiting, error, message),
            }
        }
        if !left.is_empty() {
            self.waiting.insert(id, left);
        }
    }

    fn fail(&mut self, waiting: &Waiting, error: ErrorCode, message: Option<String>) {
        let topic = &mut self.response.responses[waiting.topic];
        let answer = &mut topic.partition_responses[waiting.partition];
        answer.error_code = error.code();
        answer.error_message = message;
        answer.base_offset = -1;
        answer.log_append_time_ms = -1;
    }

    pub(super) fn go_on(self, deadline: Option<Instant>) -> Progress {
        if self.waiting.is_empty() {
            return Progress::Respond(Response::Produce(self.response));
        }
        let watches = self.waiting.keys().map(|id| Watch::Partition(*id));
        Progress::Park(Parked {
            deadline,
            watches: watches.collect(),
            operation: Delayed::Produce(self),
        })
    }
}

type Outcome = Result<(), (ErrorCode, Option<String>)>;

/// Whether everything below `required_offset` is as safe as `acks` asks: `None` not yet.
fn progress_of(
    leading: &Leading<'_>,
    id: PartitionId,
    required_offset: i64,
    acks: i16,
) -> Option<Outcome> {
    if planted::active(PlantedBug::AcknowledgedBeforeCommit) {
        return Some(Ok(()));
    }
    let Some(partition) = leading.partitions.get(&id) else {
        return Some(Err((ErrorCode::UnknownTopicOrPartition, None)));
    };
    let safe = match acks {
        -1 => partition.high_watermark(),
        _ => leading.logs.durable_end(id).unwrap_or(0),
    };
    (required_offset <= safe).then_some(Ok(()))
}

/// What a request is told whose records were cut off again.
pub(super) fn rolled_back(error: &StorageError) -> (ErrorCode, Option<String>) {
    (ErrorCode::KafkaStorageError, Some(error.to_string()))
}
