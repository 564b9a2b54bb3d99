//! Sends batches to the leaders of their partitions until they are stored or their time is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::client::cluster::{Call, Cluster, Target, mismatched};
use crate::client::error::{ErrorKind, KafkaError};
use crate::client::network::Lane;
use crate::client::retry::{Failures, Random, RetryConfig};
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
    /// Partitions whose oldest batch can be sent, in the order in which they became so.
    ready: BTreeMap<Destination, VecDeque<TopicPartition>>,
    without_leader: BTreeSet<TopicPartition>,
    without_producer_id: BTreeSet<TopicPartition>,
    flushing: bool,
}

/// A node, and what a request has one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Destination {
    node: i32,
    acks: Acks,
    timeout_ms: i32,
}

/// What the oldest batch of a partition waits for.
enum Wait {
    /// There is none, or it is under way.
    Nothing,
    Until(Instant),
    ProducerId,
    Leader,
    /// It can be sent.
    Room(Destination),
}

#[derive(Clone, Copy, Debug)]
enum ProducerState {
    None {
        not_before: Instant,
        failures: Failures,
    },
    Asked {
        failures: Failures,
    },
    Known(ProducerIdAndEpoch),
}

impl Sender {
    pub fn new(random: Random) -> Sender {
        let producer = ProducerState::None {
            not_before: Instant::default(),
            failures: Failures::default(),
        };
        Sender {
            random,
            producer,
            in_flight: BTreeMap::new(),
            ready: BTreeMap::new(),
            without_leader: BTreeSet::new(),
            without_producer_id: BTreeSet::new(),
            flushing: false,
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
        if flushing && !self.flushing {
            accumulator.end_linger();
        }
        self.flushing = flushing;
        if !self.without_producer_id.is_empty() && self.has_producer_id(now, cluster) {
            accumulator.touch_all(std::mem::take(&mut self.without_producer_id));
        }
        loop {
            while let Some(partition) = accumulator.next_due(now) {
                self.look_at(now, accumulator, cluster, partition, &mut progress);
            }
            let destinations: Vec<Destination> = self.ready.keys().copied().collect();
            for destination in destinations {
                while self.send_to(now, accumulator, cluster, destination) {}
            }
            if !accumulator.is_due(now) {
                return progress;
            }
        }
    }

    /// Metadata have been read: partitions may have leaders, or other ones than those whose
    /// requests they wait for.
    pub fn metadata_read(&mut self, accumulator: &mut Accumulator, cluster: &Cluster<Token>) {
        accumulator.touch_all(std::mem::take(&mut self.without_leader));
        for (destination, partitions) in &mut self.ready {
            partitions.retain(|partition| {
                let stays = cluster.metadata.leader(partition) == Some(destination.node);
                if !stays {
                    accumulator.clear_ready(partition);
                }
                stays
            });
        }
    }

    /// When [`Sender::run`] has something to do without any event.
    pub fn deadline(&self, now: Now, accumulator: &Accumulator) -> Option<Instant> {
        let producer = match self.producer {
            ProducerState::None { not_before, .. } if not_before > now.monotonic => {
                Some(not_before)
            }
            _ => None,
        };
        let producer = producer.filter(|_| !self.without_producer_id.is_empty());
        accumulator.deadline().into_iter().chain(producer).min()
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
                let retry = cluster.config().retry;
                if let Some(error) = self.producer_id_answered(now, &retry, result) {
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
                let answers = response.as_ref().map(answers);
                for partition in partitions {
                    let result = match &answers {
                        Ok(answers) => stored(answers, &partition, acks),
                        Err(error) => Err((*error).clone().of_partition(&partition)),
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

    /// Something has happened to a partition, or its time has come.
    fn look_at(
        &mut self,
        now: Now,
        accumulator: &mut Accumulator,
        cluster: &mut Cluster<Token>,
        partition: TopicPartition,
        progress: &mut Progress,
    ) {
        self.expire(now, accumulator, &partition, progress);
        let wait = self.wait_of(now, accumulator, cluster, &partition);
        let until = match &wait {
            Wait::Until(at) => Some(*at),
            _ => None,
        };
        accumulator.wake_at(&partition, until);
        match wait {
            Wait::Nothing | Wait::Until(_) => {}
            Wait::ProducerId => {
                self.without_producer_id.insert(partition);
            }
            Wait::Leader => {
                cluster.request_refresh();
                self.without_leader.insert(partition);
            }
            Wait::Room(destination) => {
                if accumulator.set_ready(&partition) {
                    let ready = self.ready.entry(destination).or_default();
                    ready.push_back(partition);
                }
            }
        }
    }

    fn wait_of(
        &mut self,
        now: Now,
        accumulator: &Accumulator,
        cluster: &mut Cluster<Token>,
        partition: &TopicPartition,
    ) -> Wait {
        let Some(queue) = accumulator.queue(partition) else {
            return Wait::Nothing;
        };
        let (Some(ready_at), Some(batch)) = (
            accumulator.ready_at(queue, self.flushing),
            queue.batches.front(),
        ) else {
            return Wait::Nothing;
        };
        if now.monotonic < ready_at {
            return Wait::Until(ready_at);
        }
        let settings = batch.settings;
        if settings.idempotent && !self.has_producer_id(now, cluster) {
            return Wait::ProducerId;
        }
        match cluster.metadata.leader(partition) {
            Some(node) => Wait::Room(Destination {
                node,
                acks: settings.acks,
                timeout_ms: settings.timeout_ms,
            }),
            None => Wait::Leader,
        }
    }

    /// Sends one request, if there is room for it and something to send.
    fn send_to(
        &mut self,
        now: Now,
        accumulator: &mut Accumulator,
        cluster: &mut Cluster<Token>,
        destination: Destination,
    ) -> bool {
        let Destination {
            node,
            acks,
            timeout_ms,
        } = destination;
        if self.in_flight.get(&node).copied().unwrap_or(0) >= REQUESTS_IN_FLIGHT_MAX {
            return false;
        }
        let mut sent = Vec::new();
        let mut topics: BTreeMap<String, Vec<PartitionProduceData>> = BTreeMap::new();
        let mut size_bytes = 0;
        while let Some(partition) = self.next_ready(destination) {
            // Much may have happened since it became ready.
            let wait = self.wait_of(now, accumulator, cluster, &partition);
            if !matches!(wait, Wait::Room(to) if to == destination) {
                accumulator.clear_ready(&partition);
                continue;
            }
            let producer = match self.producer {
                ProducerState::Known(producer) => Some(producer),
                _ => None,
            };
            let most = accumulator
                .request_size_bytes_max
                .saturating_sub(size_bytes);
            let Some(queue) = accumulator.queue_mut(&partition) else {
                continue;
            };
            let front = queue.batches.front();
            let batch_bytes = front.map_or(0, Batch::size_in_bytes);
            // One that is larger than a request should be goes alone.
            if batch_bytes > most && !sent.is_empty() {
                let ready = self.ready.entry(destination).or_default();
                ready.push_front(partition);
                break;
            }
            let idempotent = front.is_some_and(|batch| batch.settings.idempotent);
            let Some(records) = queue.stamp_front(producer.filter(|_| idempotent)) else {
                continue;
            };
            size_bytes += batch_bytes;
            queue.in_flight = true;
            queue.ready = false;
            let data = PartitionProduceData {
                index: partition.partition,
                records: Some(records),
                ..Default::default()
            };
            topics
                .entry(partition.topic.clone())
                .or_default()
                .push(data);
            sent.push(partition);
        }
        if sent.is_empty() {
            return false;
        }
        *self.in_flight.entry(node).or_default() += 1;
        let topic_data = topics
            .into_iter()
            .map(|(name, partition_data)| TopicProduceData {
                name,
                partition_data,
                ..Default::default()
            });
        let request = Request::Produce(ProduceRequest {
            acks: acks.code(),
            timeout_ms,
            topic_data: topic_data.collect(),
            ..Default::default()
        });
        let wait_ms = u64::try_from(timeout_ms).unwrap_or(0);
        let call = Call {
            token: Token::Produce {
                node,
                acks,
                partitions: sent,
            },
            target: Target::Node(node),
            lane: Lane::General,
            request,
            timeout_ms: wait_ms + cluster.config().request_timeout_ms,
        };
        cluster.call(now, call);
        true
    }

    fn next_ready(&mut self, destination: Destination) -> Option<TopicPartition> {
        let next = self.ready.get_mut(&destination)?.pop_front();
        if next.is_none() {
            self.ready.remove(&destination);
        }
        next
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
        accumulator.touch(&partition);
        let Some(queue) = accumulator.queue_mut(&partition) else {
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
        batch.failures.add(&error);
        batch.maybe_stored |= maybe_stored(&error);
        let in_time = batch.deadline > now.monotonic;
        let again_after_ms = match error.code {
            // The batch alone is too large for the topic: its records may not be (KIP-126).
            ErrorCode::MessageTooLarge if !error.is_virtual() && batch.record_count() > 1 => {
                match queue.split_front() {
                    Ok(divided) => {
                        progress.divided.extend(divided);
                        return;
                    }
                    Err(_) => None,
                }
            }
            // The broker has lost what it knew of us, or never had it: a new epoch starts over
            // (KIP-360). Nothing else of this partition is under way, so the order is safe.
            ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId => {
                batch.unstamp();
                self.bump_epoch();
                Some(batch.failures.backoff_ms(&mut self.random))
            }
            // Somebody else has our producer id: what they stored tells nothing about ours.
            ErrorCode::InvalidProducerEpoch | ErrorCode::ProducerFenced => {
                let again = !batch.maybe_stored;
                batch.unstamp();
                self.forget_producer_id();
                again.then(|| batch.failures.backoff_ms(&mut self.random))
            }
            _ => {
                let retry = &cluster.config().retry;
                (batch.failures).again_after_ms(&error, retry, &mut self.random)
            }
        };
        if let Some(delay_ms) = again_after_ms
            && in_time
        {
            if let Some(batch) = queue.batches.front_mut() {
                batch.not_before = now.monotonic + delay_ms;
                batch.last_error = Some(error);
            }
        } else if let Some(batch) = queue.fail_front() {
            let error = error.after_retries(batch.failures.retries());
            self.given_up(partition, batch, error, progress);
        }
    }

    fn expire(
        &mut self,
        now: Now,
        accumulator: &mut Accumulator,
        partition: &TopicPartition,
        progress: &mut Progress,
    ) {
        let Some(queue) = accumulator.queue_mut(partition) else {
            return;
        };
        while let Some(mut batch) = queue.expire_front(now) {
            let error = batch.last_error.take().unwrap_or_else(|| {
                let text = "the records could not be sent in time";
                KafkaError::raised(ErrorKind::RetriesExceeded, text).of_partition(partition)
            });
            let error = error.after_retries(batch.failures.retries());
            self.given_up(partition.clone(), batch, error, progress);
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

    /// Nobody waits for a producer id any more; what is behind those that did can go on.
    fn refuse_idempotent(
        &mut self,
        accumulator: &mut Accumulator,
        error: &KafkaError,
        progress: &mut Progress,
    ) {
        for (partition, queue) in accumulator.queues_mut() {
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
        accumulator.touch_all(std::mem::take(&mut self.without_producer_id));
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
                failures: Failures::default(),
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
        retry: &RetryConfig,
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
        let mut failures = match self.producer {
            ProducerState::Asked { failures } => failures,
            _ => Failures::default(),
        };
        failures.add(&error);
        let again_after_ms = failures.again_after_ms(&error, retry, &mut self.random);
        let delay_ms = again_after_ms.unwrap_or_else(|| failures.backoff_ms(&mut self.random));
        let error = error.after_retries(failures.retries());
        // Who sends after those that are refused begins anew.
        self.producer = ProducerState::None {
            not_before: now.monotonic + delay_ms,
            failures: again_after_ms.map_or_else(Failures::default, |_| failures),
        };
        again_after_ms.is_none().then_some(error)
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

/// What a response says, by topic and partition.
type Answers<'a> = BTreeMap<(&'a str, i32), &'a PartitionProduceResponse>;

fn answers(response: &ProduceResponse) -> Answers<'_> {
    let topics = response.responses.iter();
    let answers = topics.flat_map(|topic| {
        let partitions = topic.partition_responses.iter();
        partitions.map(|answer| ((topic.name.as_str(), answer.index), answer))
    });
    answers.collect()
}

/// What the response says of a partition.
fn stored(
    answers: &Answers<'_>,
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
    let answer = answers.get(&(partition.topic.as_str(), partition.partition));
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
