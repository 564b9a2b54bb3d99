//! Sends batches to the leaders of their partitions until they are stored or their time is over.

use std::collections::BTreeMap;

use crate::client::cluster::{Call, Cluster, Target, mismatched};
use crate::client::error::{ErrorKind, KafkaError};
use crate::client::network::Lane;
use crate::client::retry::{BACKOFF, Random};
use crate::client::{CommandId, TopicPartition};
use crate::now::{Instant, Now};
use crate::protocol::messages::init_producer_id_request::InitProducerIdRequest;
use crate::protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use crate::protocol::messages::produce_response::{PartitionProduceResponse, ProduceResponse};
use crate::protocol::{ErrorCode, Request, Response};

use super::accumulator::{Accumulator, Batch, ProducerIdAndEpoch};
use super::config::Acks;

/// Produce requests that one broker has not answered (`max.in.flight.requests.per.connection`).
const REQUESTS_IN_FLIGHT_MAX: usize = 5;

/// What a response belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    InitProducerId,
    Produce {
        node: i32,
        acks: Acks,
        partitions: Vec<TopicPartition>,
    },
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Outcome {
    pub partition: TopicPartition,
    pub batch: Batch,
    pub result: Result<Stored, KafkaError>,
}

/// Where a batch was stored; -1 for what is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
}

/// What a pass over the batches, or a response, led to.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub outcomes: Vec<Outcome>,
    /// Sends that have one part more, since their batch was divided.
    pub divided: Vec<CommandId>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sender {
    random: Random,
    producer: ProducerState,
    in_flight: BTreeMap<i32, usize>,
}

#[derive(Clone, Copy, Debug)]
enum ProducerState {
    None { not_before: Instant, failures: u32 },
    Asked { failures: u32 },
    Known(ProducerIdAndEpoch),
}

impl Sender {
    pub fn new(random: Random) -> Sender {
        let producer = ProducerState::None {
            not_before: Instant::default(),
            failures: 0,
        };
        Sender {
            random,
            producer,
            in_flight: BTreeMap::new(),
        }
    }

    /// Sends what can be sent and gives up what has waited too long.
    pub fn run(
        &mut self,
        now: Now,
        accumulator: &mut Accumulator,
        cluster: &mut Cluster<Token>,
        flushing: bool,
    ) -> Progress {
        let mut progress = Progress::default();
        self.expire(now, accumulator, &mut progress);
        // By node, and by what a request has one of.
        let mut requests: BTreeMap<(i32, Acks, i32), Vec<TopicPartition>> = BTreeMap::new();
        for (partition, queue) in &accumulator.queues {
            let ready = accumulator
                .ready_at(queue, flushing)
                .is_some_and(|at| at <= now.monotonic);
            let Some(batch) = queue.batches.front().filter(|_| ready) else {
                continue;
            };
            let settings = batch.settings;
            if settings.idempotent && !self.has_producer_id(now, cluster) {
                continue;
            }
            match cluster.metadata.leader(partition) {
                Some(leader) => requests
                    .entry((leader, settings.acks, settings.timeout_ms))
                    .or_default()
                    .push(partition.clone()),
                None => cluster.request_refresh(),
            }
        }
        for ((node, acks, timeout_ms), partitions) in requests {
            self.send_all(
                now,
                accumulator,
                cluster,
                (node, acks, timeout_ms),
                partitions,
            );
        }
        progress
    }

    /// When [`Sender::run`] has something to do without any event.
    pub fn deadline(&self, now: Now, accumulator: &Accumulator, flushing: bool) -> Option<Instant> {
        let queues = accumulator
            .queues
            .values()
            .filter(|queue| !queue.batches.is_empty());
        let batches = queues.flat_map(|queue| {
            let ready_at = accumulator
                .ready_at(queue, flushing)
                .filter(|at| *at > now.monotonic);
            ready_at
                .into_iter()
                .chain(queue.batches.front().map(|batch| batch.deadline))
        });
        let producer = match self.producer {
            ProducerState::None { not_before, .. } if not_before > now.monotonic => {
                Some(not_before)
            }
            _ => None,
        };
        batches.chain(producer).min()
    }

    pub fn answered(
        &mut self,
        now: Now,
        accumulator: &mut Accumulator,
        cluster: &mut Cluster<Token>,
        token: Token,
        result: Result<Response, KafkaError>,
    ) -> Progress {
        let mut progress = Progress::default();
        match token {
            Token::InitProducerId => {
                if let Some(error) = self.producer_id_answered(now, result) {
                    self.refuse_idempotent(accumulator, &error, &mut progress);
                }
            }
            Token::Produce {
                node,
                acks,
                partitions,
            } => {
                if let Some(count) = self.in_flight.get_mut(&node) {
                    *count -= 1;
                }
                let response = match result {
                    Ok(Response::Produce(response)) => Ok(response),
                    Ok(_) => Err(mismatched()),
                    Err(error) => Err(error),
                };
                for partition in partitions {
                    let result = match &response {
                        Ok(response) => stored(response, &partition, acks),
                        Err(error) => Err(error.clone().of_partition(&partition)),
                    };
                    self.batch_answered(
                        now,
                        accumulator,
                        cluster,
                        partition,
                        result,
                        &mut progress,
                    );
                }
            }
        }
        progress
    }

    fn send_all(
        &mut self,
        now: Now,
        accumulator: &mut Accumulator,
        cluster: &mut Cluster<Token>,
        (node, acks, timeout_ms): (i32, Acks, i32),
        partitions: Vec<TopicPartition>,
    ) {
        let mut rest = partitions.into_iter().peekable();
        while rest.peek().is_some() {
            let in_flight = self.in_flight.entry(node).or_default();
            if *in_flight >= REQUESTS_IN_FLIGHT_MAX {
                return;
            }
            *in_flight += 1;
            let mut sent = Vec::new();
            let mut size = 0;
            let mut topics: Vec<TopicProduceData> = Vec::new();
            let fits = |size: usize, partition: &TopicPartition| {
                let front = accumulator
                    .queues
                    .get(partition)
                    .and_then(|q| q.batches.front());
                let batch = front.map_or(0, Batch::size_in_bytes);
                size == 0 || size + batch <= accumulator.request_size_bytes_max
            };
            let mut chosen = Vec::new();
            while let Some(partition) = rest.next_if(|partition| fits(size, partition)) {
                let front = accumulator
                    .queues
                    .get(&partition)
                    .and_then(|q| q.batches.front());
                size += front.map_or(0, Batch::size_in_bytes);
                chosen.push(partition);
            }
            for partition in chosen {
                let Some(queue) = accumulator.queues.get_mut(&partition) else {
                    continue;
                };
                let idempotent = queue.batches.front().is_some_and(|b| b.settings.idempotent);
                let producer = match self.producer {
                    ProducerState::Known(producer) if idempotent => Some(producer),
                    _ => None,
                };
                let Some(records) = queue.stamp_front(producer) else {
                    continue;
                };
                queue.in_flight = true;
                let data = PartitionProduceData {
                    index: partition.partition,
                    records: Some(records),
                    ..Default::default()
                };
                match topics
                    .last_mut()
                    .filter(|topic| topic.name == partition.topic)
                {
                    Some(topic) => topic.partition_data.push(data),
                    None => topics.push(TopicProduceData {
                        name: partition.topic.clone(),
                        partition_data: vec![data],
                        ..Default::default()
                    }),
                }
                sent.push(partition);
            }
            let request = Request::Produce(ProduceRequest {
                acks: acks.code(),
                timeout_ms,
                topic_data: topics,
                ..Default::default()
            });
            let wait_ms = u64::try_from(timeout_ms).unwrap_or(0);
            let timeout_ms = wait_ms + cluster.config().request_timeout_ms;
            let token = Token::Produce {
                node,
                acks,
                partitions: sent,
            };
            let target = Target::Node(node);
            cluster.call(
                now,
                Call {
                    token,
                    target,
                    lane: Lane::General,
                    request,
                    timeout_ms,
                },
            );
        }
    }

    fn batch_answered(
        &mut self,
        now: Now,
        accumulator: &mut Accumulator,
        cluster: &mut Cluster<Token>,
        partition: TopicPartition,
        result: Result<Stored, KafkaError>,
        progress: &mut Progress,
    ) {
        let Some(queue) = accumulator.queues.get_mut(&partition) else {
            return;
        };
        if std::mem::take(&mut queue.abandoned) {
            queue.in_flight = false;
            if let Err(error) = result
                && !error.is_virtual()
            {
                cluster.note_error(error.code, None);
            }
            return;
        }
        let error = match result {
            Ok(stored) => {
                let batch = queue.succeed_front();
                progress.outcomes.extend(batch.map(|batch| Outcome {
                    partition,
                    batch,
                    result: Ok(stored),
                }));
                return;
            }
            Err(error) => error,
        };
        if !error.is_virtual() {
            cluster.note_error(error.code, None);
        }
        let Some(batch) = queue.batches.front_mut() else {
            return;
        };
        queue.in_flight = false;
        batch.attempts = batch.attempts.saturating_add(1);
        batch.maybe_stored |= maybe_stored(&error);
        let mut delay_ms = BACKOFF.delay_ms(batch.attempts, &mut self.random);
        let in_time = batch.deadline > now.monotonic;
        let again = match error.code {
            // The batch alone is too large for the topic: its records may not be (KIP-126).
            ErrorCode::MessageTooLarge if !error.is_virtual() && batch.record_count() > 1 => {
                match queue.split_front() {
                    Ok(divided) => {
                        progress.divided.extend(divided);
                        return;
                    }
                    Err(_) => false,
                }
            }
            // The broker has lost what it knew of us, or never had it: a new epoch starts over
            // (KIP-360). Nothing else of this partition is under way, so the order is safe.
            ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId => {
                batch.unstamp();
                self.bump_epoch();
                true
            }
            // Somebody else has our producer id: what they stored tells nothing about ours.
            ErrorCode::InvalidProducerEpoch | ErrorCode::ProducerFenced => {
                let again = !batch.maybe_stored;
                batch.unstamp();
                self.forget_producer_id();
                again
            }
            _ if error.is_virtual() => error.retriable,
            // A broker that answers is there: it is not asked for longer than the caller wants.
            _ => {
                batch.refusals = batch.refusals.saturating_add(1);
                let retry = cluster.config().retry;
                delay_ms = retry.delay_ms(batch.refusals, &mut self.random);
                error.retriable && batch.refusals <= retry.retries
            }
        };
        if again && in_time {
            if let Some(batch) = queue.batches.front_mut() {
                batch.not_before = now.monotonic + delay_ms;
                batch.last_error = Some(error);
            }
        } else if let Some(batch) = queue.fail_front() {
            let error = error.after_retries(batch.attempts.saturating_sub(1));
            self.given_up(partition, batch, error, progress);
        }
    }

    fn expire(&mut self, now: Now, accumulator: &mut Accumulator, progress: &mut Progress) {
        for (partition, queue) in &mut accumulator.queues {
            while let Some(mut batch) = queue.expire_front(now) {
                let error = batch.last_error.take().unwrap_or_else(|| {
                    let text = "the records could not be sent in time";
                    KafkaError::raised(ErrorKind::RetriesExceeded, text).of_partition(partition)
                });
                let error = error.after_retries(batch.attempts.saturating_sub(1));
                self.given_up(partition.clone(), batch, error, progress);
            }
        }
    }

    fn given_up(
        &mut self,
        partition: TopicPartition,
        batch: Batch,
        error: KafkaError,
        progress: &mut Progress,
    ) {
        // The next batch would take the same sequence; if this one is stored after all, the
        // broker would take the next for its duplicate and lose it.
        if batch.settings.idempotent && batch.maybe_stored {
            self.bump_epoch();
        }
        progress.outcomes.push(Outcome {
            partition,
            batch,
            result: Err(error),
        });
    }

    fn refuse_idempotent(
        &mut self,
        accumulator: &mut Accumulator,
        error: &KafkaError,
        progress: &mut Progress,
    ) {
        for (partition, queue) in &mut accumulator.queues {
            while !queue.in_flight
                && queue
                    .batches
                    .front()
                    .is_some_and(|batch| batch.settings.idempotent)
                && let Some(batch) = queue.fail_front()
            {
                let result = Err(error.clone().of_partition(partition));
                progress.outcomes.push(Outcome {
                    partition: partition.clone(),
                    batch,
                    result,
                });
            }
        }
    }

    fn bump_epoch(&mut self) {
        match &mut self.producer {
            ProducerState::Known(producer) if producer.epoch < i16::MAX => producer.epoch += 1,
            _ => self.forget_producer_id(),
        }
    }

    fn forget_producer_id(&mut self) {
        if let ProducerState::Known(_) = self.producer {
            self.producer = ProducerState::None {
                not_before: Instant::default(),
                failures: 0,
            };
        }
    }

    /// Whether there is a producer id; asks for one if not.
    fn has_producer_id(&mut self, now: Now, cluster: &mut Cluster<Token>) -> bool {
        match self.producer {
            ProducerState::Known(_) => true,
            ProducerState::None {
                not_before,
                failures,
            } if not_before <= now.monotonic => {
                self.producer = ProducerState::Asked { failures };
                let request = Request::InitProducerId(InitProducerIdRequest {
                    transactional_id: None,
                    transaction_timeout_ms: i32::MAX,
                    ..Default::default()
                });
                let timeout_ms = cluster.config().request_timeout_ms;
                let token = Token::InitProducerId;
                let target = Target::Any;
                cluster.call(
                    now,
                    Call {
                        token,
                        target,
                        lane: Lane::General,
                        request,
                        timeout_ms,
                    },
                );
                false
            }
            ProducerState::None { .. } | ProducerState::Asked { .. } => false,
        }
    }

    /// Gives the error if no producer id is to be had.
    fn producer_id_answered(
        &mut self,
        now: Now,
        result: Result<Response, KafkaError>,
    ) -> Option<KafkaError> {
        let error = match result {
            Ok(Response::InitProducerId(response)) => {
                match ErrorCode::from_code(response.error_code) {
                    ErrorCode::None => {
                        self.producer = ProducerState::Known(ProducerIdAndEpoch {
                            id: response.producer_id,
                            epoch: response.producer_epoch,
                        });
                        return None;
                    }
                    code => KafkaError::protocol(code),
                }
            }
            Ok(_) => mismatched(),
            Err(error) => error,
        };
        let failures = match self.producer {
            ProducerState::Asked { failures } => failures.saturating_add(1),
            _ => 1,
        };
        let not_before = now.monotonic + BACKOFF.delay_ms(failures, &mut self.random);
        self.producer = ProducerState::None {
            not_before,
            failures,
        };
        (!error.retriable).then_some(error)
    }
}

/// Whether a batch with this error may be in the log.
fn maybe_stored(error: &KafkaError) -> bool {
    match error.kind {
        ErrorKind::Protocol => matches!(
            error.code,
            ErrorCode::RequestTimedOut
                | ErrorCode::NotEnoughReplicasAfterAppend
                | ErrorCode::NetworkException
                | ErrorCode::KafkaStorageError
                | ErrorCode::NotLeaderOrFollower
                | ErrorCode::UnknownServerError
        ),
        ErrorKind::BufferFull | ErrorKind::Unsupported | ErrorKind::InvalidArgument => false,
        _ => true,
    }
}

/// What the response says of a partition.
fn stored(
    response: &ProduceResponse,
    partition: &TopicPartition,
    acks: Acks,
) -> Result<Stored, KafkaError> {
    let unknown = Stored {
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: -1,
    };
    if acks == Acks::None {
        return Ok(unknown);
    }
    let topic = response
        .responses
        .iter()
        .find(|topic| topic.name == partition.topic);
    let answer = topic.and_then(|topic| {
        topic
            .partition_responses
            .iter()
            .find(|answer| answer.index == partition.partition)
    });
    let Some(answer) = answer else {
        let text = "the broker's answer leaves a partition out";
        return Err(KafkaError::raised(ErrorKind::Malformed, text).of_partition(partition));
    };
    match ErrorCode::from_code(answer.error_code) {
        ErrorCode::None => Ok(Stored {
            base_offset: answer.base_offset,
            log_append_time_ms: answer.log_append_time_ms,
            log_start_offset: answer.log_start_offset,
        }),
        // It is stored, the broker just does not remember where.
        ErrorCode::DuplicateSequenceNumber => Ok(unknown),
        code => Err(KafkaError::answered(code, message(answer)).of_partition(partition)),
    }
}

fn message(answer: &PartitionProduceResponse) -> Option<&str> {
    let record = answer.record_errors.first();
    let of_record = record.and_then(|record| record.batch_index_error_message.as_deref());
    of_record.or(answer.error_message.as_deref())
}
