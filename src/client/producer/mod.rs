//! Sends records to partitions.
//!
//! A send first waits for room. Its records are divided among partitions when the topic's metadata
//! are known. Then they wait in the accumulator; the sender takes one batch of a partition at a
//! time to its leader, so that what happens to a batch never changes the order.

mod accumulator;
mod config;
mod partitioner;
mod room;
mod sender;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use config::{
    Acks, ProducerCommand, ProducerConfig, ProducerOutput, ProducerRecord, RecordMetadata,
};
pub use partitioner::partition_for_key;

use super::cluster::{Answer, Cluster};
use super::metadata_cache::find_partition;
use super::retry::Random;
use super::{
    ClientEffect, ClientEvent, CommandId, ErrorKind, KafkaError, PartitionMetadata, TopicMetadata,
    TopicPartition,
};
use crate::now::{Instant, Now};
use crate::protocol::ErrorCode;
use crate::record::Compression;
use accumulator::{Accumulator, BatchSettings, record_size_bytes};
use partitioner::Partitioner;
use room::Room;
use sender::{Outcome, Progress, Sender, Token};
use waiting::{PartitionsFor, TopicWait, WaitingSends};

/// Sends that may be unanswered; one more fails with `BufferFull`.
const SENDS_MAX: usize = 100_000;

/// A Kafka producer. See the module.
#[derive(Debug)]
pub struct Producer {
    config: ProducerConfig,
    cluster: Cluster<Token>,
    accumulator: Accumulator,
    partitioner: Partitioner,
    sender: Sender,
    waiting: WaitingSends,
    /// How often metadata have been read.
    metadata_reads: u64,
    sends: BTreeMap<CommandId, Send>,
    /// The places of `sends` in the order of the commands.
    unanswered: BTreeSet<u64>,
    sends_came: u64,
    room: Room<NewSend>,
    /// In the order of the commands.
    flushes: VecDeque<Flush>,
    closing: Vec<CommandId>,
    closed: bool,
    outputs: Vec<ProducerOutput>,
}

/// A send that there may be no room for yet.
#[derive(Debug)]
struct NewSend {
    id: CommandId,
    topic_messages: Vec<(String, Vec<ProducerRecord>)>,
    settings: BatchSettings,
    deadline: Instant,
}

#[derive(Debug)]
struct Send {
    /// Its place in the order of the commands.
    order: u64,
    /// The room that it has, once it has any.
    size_bytes: usize,
    /// Parts in batches that are not answered.
    open_parts: usize,
    partitions: BTreeMap<TopicPartition, RecordMetadata>,
    error: Option<KafkaError>,
}

#[derive(Debug)]
struct Flush {
    id: CommandId,
    /// It waits for the sends that have their place before this.
    before: u64,
}

impl Producer {
    /// A producer that has not connected yet. `seed` decides where round robins start and how
    /// retries are spread.
    pub fn new(config: ProducerConfig, seed: u64) -> Producer {
        let mut random = Random::new(seed);
        Producer {
            cluster: Cluster::new(config.client.clone(), random.next_u64()),
            accumulator: Accumulator::new(
                config.linger_ms,
                config.batch_size_bytes,
                config.max_request_size_bytes,
            ),
            partitioner: Partitioner::new(Random::new(random.next_u64())),
            sender: Sender::new(random),
            room: Room::new(config.buffer_memory_bytes),
            config,
            waiting: WaitingSends::default(),
            metadata_reads: 0,
            sends: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            sends_came: 0,
            flushes: VecDeque::new(),
            closing: Vec::new(),
            closed: false,
            outputs: Vec::new(),
        }
    }

    /// Takes one event and collects what is to be done.
    pub fn handle(
        &mut self,
        now: Now,
        event: ClientEvent<ProducerCommand>,
        effects: &mut Vec<ClientEffect<ProducerOutput>>,
    ) {
        let (command, gap_ms) = self.cluster.handle(now, event);
        if gap_ms > 0 {
            self.postpone_deadlines(gap_ms);
        }
        if let Some(command) = command {
            self.command(now, command);
        }
        self.run(now);
        effects.extend(self.outputs.drain(..).map(ClientEffect::Output));
        let deadline = self.deadline(now);
        self.cluster.finish(deadline, effects);
    }

    fn command(&mut self, now: Now, command: ProducerCommand) {
        let closing = self.closed || !self.closing.is_empty();
        let refusal = || KafkaError::raised(ErrorKind::Closed, "the producer is closed");
        match command {
            ProducerCommand::Connect { id } if closing => {
                self.outputs.push(ProducerOutput::Connected {
                    id,
                    result: Err(refusal()),
                });
            }
            ProducerCommand::Connect { id } => self.cluster.connect(now, id),
            ProducerCommand::Send { id, .. } if closing => self.refuse(id, refusal()),
            ProducerCommand::Send {
                id,
                topic_messages,
                acks,
                timeout_ms,
                compression,
            } => {
                let settings = match self.settings(acks, timeout_ms, compression) {
                    Ok(settings) => settings,
                    Err(error) => return self.refuse(id, error),
                };
                self.send(now, id, topic_messages, settings);
            }
            ProducerCommand::PartitionsFor { id, .. } if closing => {
                self.outputs.push(ProducerOutput::Partitions {
                    id,
                    result: Err(refusal()),
                });
            }
            ProducerCommand::PartitionsFor { id, topic } => {
                self.cluster.add_topic(now, &topic);
                let wait = self.topic_wait(now);
                self.waiting.ask(&topic, PartitionsFor { id, wait });
            }
            ProducerCommand::Flush { id } if self.closed => {
                self.outputs.push(ProducerOutput::Flushed {
                    id,
                    result: Err(refusal()),
                });
            }
            ProducerCommand::Flush { id } => {
                let before = self.sends_came;
                self.flushes.push_back(Flush { id, before });
            }
            ProducerCommand::Close { id } if self.closed => {
                self.outputs.push(ProducerOutput::Closed { id });
            }
            ProducerCommand::Close { id } => self.closing.push(id),
        }
    }

    fn settings(
        &self,
        acks: Acks,
        timeout_ms: i32,
        compression: Compression,
    ) -> Result<BatchSettings, KafkaError> {
        let idempotent = match (self.config.idempotent, acks) {
            (Some(true) | None, Acks::All) => true,
            (Some(true), _) => {
                let text = "an idempotent producer must wait for all in-sync replicas (acks=-1)";
                return Err(KafkaError::raised(ErrorKind::InvalidArgument, text));
            }
            (None | Some(false), _) => false,
        };
        Ok(BatchSettings {
            acks,
            timeout_ms,
            compression,
            idempotent,
        })
    }

    fn send(
        &mut self,
        now: Now,
        id: CommandId,
        topic_messages: Vec<(String, Vec<ProducerRecord>)>,
        settings: BatchSettings,
    ) {
        let mut size_bytes = 0;
        // What the buffer cannot hold can never be sent.
        let most = (self.config.max_record_size_bytes).min(self.config.buffer_memory_bytes);
        for (topic, records) in &topic_messages {
            if topic.is_empty() {
                let error = KafkaError::raised(ErrorKind::InvalidArgument, "a topic has no name");
                return self.refuse(id, error);
            }
            for record in records {
                let size = record_size_bytes(now.wall, record);
                if size > most {
                    let text = format!("a record takes {size} bytes, and may take {most}");
                    let mut error = KafkaError::raised(ErrorKind::TooLarge, text).of_topic(topic);
                    error.partition = record.partition;
                    return self.refuse(id, error);
                }
                size_bytes += size;
            }
        }
        if self.sends.len() >= SENDS_MAX {
            let text = format!("{SENDS_MAX} sends wait for their answers already");
            return self.refuse(id, KafkaError::raised(ErrorKind::BufferFull, text));
        }
        let deadline = now.monotonic + self.config.delivery_timeout_ms;
        let send = NewSend {
            id,
            topic_messages,
            settings,
            deadline,
        };
        if let Err(error) = self.room.ask(send, size_bytes, deadline) {
            return self.refuse(id, error);
        }
        let order = self.sends_came;
        self.sends_came += 1;
        self.unanswered.insert(order);
        let send = Send {
            order,
            size_bytes: 0,
            open_parts: 0,
            partitions: BTreeMap::new(),
            error: None,
        };
        self.sends.insert(id, send);
    }

    /// Lets sends in for which there is room, in their order.
    fn let_in(&mut self, now: Now) {
        while let Some(NewSend { id, .. }) = self.room.expire(now) {
            let text = format!(
                "there was no room for the send: earlier ones take up the {} bytes of the buffer",
                self.config.buffer_memory_bytes
            );
            self.fail_send(id, KafkaError::raised(ErrorKind::BufferFull, text));
        }
        while let Some((send, size_bytes)) = self.room.enter() {
            if let Some(state) = self.sends.get_mut(&send.id) {
                state.size_bytes = size_bytes;
            }
            // Nothing will happen that it could wait for.
            if send.topic_messages.is_empty() {
                self.answer_send(send.id);
                continue;
            }
            for (topic, _) in &send.topic_messages {
                self.cluster.add_topic(now, topic);
            }
            let wait = self.topic_wait(now);
            self.waiting.push(send, wait);
        }
    }

    fn topic_wait(&self, now: Now) -> TopicWait {
        let give_up_at = now.monotonic + self.config.client.retry.budget_ms();
        TopicWait {
            give_up_at,
            reads_before: self.metadata_reads,
        }
    }

    fn refuse(&mut self, id: CommandId, error: KafkaError) {
        let error = Some(error);
        self.outputs.push(ProducerOutput::Sent {
            id,
            partitions: vec![],
            error,
        });
    }

    fn run(&mut self, now: Now) {
        loop {
            while let Some(answer) = self.cluster.next_answer(now) {
                self.answered(now, answer);
            }
            self.let_in(now);
            self.admit(now);
            let flushing = self.is_flushing();
            let progress = self
                .sender
                .run(now, &mut self.accumulator, &mut self.cluster, flushing);
            self.take(progress);
            // Sending may have answered something at once: acks=0, or a broker that is unknown.
            match self.cluster.next_answer(now) {
                Some(answer) => self.answered(now, answer),
                None if self.room.is_free() => {}
                None => break,
            }
        }
        self.answer_flushes();
        if !self.closing.is_empty() && self.sends.is_empty() && !self.closed {
            self.close();
        }
    }

    fn answered(&mut self, now: Now, answer: Answer<Token>) {
        match answer {
            Answer::Metadata(result) => {
                if result.is_ok() {
                    self.metadata_reads += 1;
                    self.forget_missing_topics();
                }
                self.waiting.metadata_read();
                self.sender
                    .metadata_read(&mut self.accumulator, &self.cluster);
            }
            Answer::MadeAgain(_) => {}
            Answer::Connected { id, result } => {
                self.outputs.push(ProducerOutput::Connected { id, result });
            }
            Answer::Call { token, result } => {
                let (accumulator, cluster) = (&mut self.accumulator, &mut self.cluster);
                let progress = self
                    .sender
                    .answered(now, accumulator, cluster, token, result);
                self.take(progress);
            }
        }
    }

    /// Divides waiting sends among the partitions of their topics, as far as these are known.
    fn admit(&mut self, now: Now) {
        while let Some(topic) = self.waiting.next_due(now) {
            while let Some(found) = self.first_partitions(now, &topic) {
                let Some(send) = self.waiting.take_first(&topic) else {
                    break;
                };
                match found {
                    Ok(partitions) => self.enqueue(now, send, &partitions),
                    Err(error) => self.fail_send(send.id, error),
                }
            }
            self.answer_partitions_for(now, &topic);
            if self.waiting.looked_at(now, &topic) {
                self.forget_if_missing(&topic);
            }
        }
    }

    /// Where the records of the topic's first send go, or why it fails; `None` while it waits.
    fn first_partitions(&mut self, now: Now, topic: &str) -> Option<Result<Vec<i32>, KafkaError>> {
        let waiting = self.waiting.first(topic)?;
        let refreshes = refreshes(&waiting.wait, self.metadata_reads);
        match partitions_of(&self.cluster, now, &waiting.send, &waiting.wait, refreshes) {
            Ok(Found::Unknown { refresh, topic }) => {
                if refresh {
                    self.cluster.request_refresh();
                }
                (waiting.send.deadline <= now.monotonic).then(|| {
                    let text = "the topic's metadata could not be read in time";
                    let error = KafkaError::raised(ErrorKind::RetriesExceeded, text);
                    Err(error.of_topic(&topic))
                })
            }
            Err(error) => Some(Err(error)),
            Ok(Found::All) => {
                let mut partitions = Vec::new();
                for (topic, records) in &waiting.send.topic_messages {
                    let known = self.cluster.metadata.partitions(topic)?;
                    partitions.extend(records.iter().map(|record| {
                        match record.partition {
                            Some(partition) => partition,
                            None => self
                                .partitioner
                                .partition(topic, record.key.as_deref(), known),
                        }
                    }));
                }
                Some(Ok(partitions))
            }
        }
    }

    fn enqueue(&mut self, now: Now, send: NewSend, partitions: &[i32]) {
        let Some(state) = self.sends.get_mut(&send.id) else {
            return;
        };
        let records = send
            .topic_messages
            .iter()
            .flat_map(|(topic, records)| records.iter().map(move |record| (topic, record)));
        for ((topic, record), &partition) in records.zip(partitions) {
            let partition = TopicPartition::new(topic, partition);
            let appended = self.accumulator.append(
                now,
                &partition,
                send.id,
                send.settings,
                send.deadline,
                record,
            );
            match appended {
                Ok(new_part) => state.open_parts += usize::from(new_part),
                Err(error) => {
                    let error = KafkaError::raised(ErrorKind::TooLarge, error.to_string());
                    state.error.get_or_insert(error.of_partition(&partition));
                }
            }
        }
        if state.open_parts == 0 {
            self.answer_send(send.id);
        }
    }

    fn answer_partitions_for(&mut self, now: Now, topic: &str) {
        while let Some(asked) = self.waiting.first_asked(topic) {
            let refreshes = refreshes(&asked.wait, self.metadata_reads);
            let result = match known_partitions(&self.cluster, now, topic, &asked.wait, refreshes) {
                Ok(Some(partitions)) => Ok(partitions.to_vec()),
                Ok(None) if asked.wait.give_up_at <= now.monotonic => {
                    let text = "the topic's metadata could not be read in time";
                    let error = KafkaError::raised(ErrorKind::RetriesExceeded, text);
                    Err(error.of_topic(topic))
                }
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if let Some(PartitionsFor { id, .. }) = self.waiting.take_asked(topic) {
                self.outputs.push(ProducerOutput::Partitions { id, result });
            }
        }
    }

    fn forget_missing_topics(&mut self) {
        let topics = self.cluster.metadata.topics.values();
        let missing = topics.filter(|topic| is_missing(topic));
        for topic in missing.map(|topic| topic.name.clone()).collect::<Vec<_>>() {
            self.forget_if_missing(&topic);
        }
    }

    /// Metadata of a topic that does not exist, or cannot, are not read for ever. Who sends to it
    /// again asks for them anew.
    fn forget_if_missing(&mut self, topic: &str) {
        let known = self.cluster.metadata.topics.get(topic);
        if known.is_some_and(is_missing)
            && !self.waiting.is_waited_for(topic)
            && !self.accumulator.has_batches_of(topic)
        {
            self.cluster.remove_topic(topic);
            self.accumulator.forget_topic(topic);
        }
    }

    fn take(&mut self, progress: Progress) {
        for id in progress.divided {
            if let Some(send) = self.sends.get_mut(&id) {
                send.open_parts += 1;
            }
        }
        for outcome in progress.outcomes {
            let topic = outcome.partition.topic.clone();
            self.settle(outcome);
            self.forget_if_missing(&topic);
        }
    }

    /// Tells the sends that have records in a batch what became of it.
    fn settle(&mut self, outcome: Outcome) {
        let Outcome {
            partition,
            batch,
            result,
        } = outcome;
        for part in batch.parts {
            let Some(send) = self.sends.get_mut(&part.send) else {
                continue;
            };
            let entry = send.partitions.entry(partition.clone());
            let metadata = match &result {
                Ok(stored) => entry.or_insert_with(|| RecordMetadata {
                    topic: partition.topic.clone(),
                    partition: partition.partition,
                    error_code: 0,
                    base_offset: match stored.base_offset {
                        -1 => -1,
                        base_offset => base_offset + part.first,
                    },
                    log_append_time_ms: stored.log_append_time_ms,
                    log_start_offset: stored.log_start_offset,
                }),
                Err(_) => entry.or_insert_with(|| RecordMetadata {
                    topic: partition.topic.clone(),
                    partition: partition.partition,
                    error_code: 0,
                    base_offset: -1,
                    log_append_time_ms: -1,
                    log_start_offset: -1,
                }),
            };
            if let Err(error) = &result {
                metadata.error_code = error.code.code();
                send.error.get_or_insert_with(|| error.clone());
            }
            send.open_parts -= 1;
            if send.open_parts == 0 {
                self.answer_send(part.send);
            }
        }
    }

    fn fail_send(&mut self, id: CommandId, error: KafkaError) {
        if let Some(send) = self.sends.get_mut(&id) {
            send.error = Some(error);
        }
        self.answer_send(id);
    }

    fn answer_send(&mut self, id: CommandId) {
        let Some(send) = self.sends.remove(&id) else {
            return;
        };
        self.room.give_back(send.size_bytes);
        self.unanswered.remove(&send.order);
        self.outputs.push(ProducerOutput::Sent {
            id,
            partitions: send.partitions.into_values().collect(),
            error: send.error,
        });
    }

    fn answer_flushes(&mut self) {
        let first = self.unanswered.first().copied().unwrap_or(u64::MAX);
        while let Some(Flush { id, .. }) = self.flushes.pop_front_if(|it| it.before <= first) {
            self.outputs
                .push(ProducerOutput::Flushed { id, result: Ok(()) });
        }
    }

    fn close(&mut self) {
        self.closed = true;
        let error = KafkaError::raised(ErrorKind::Closed, "the producer is closed");
        for id in self.cluster.close() {
            let result = Err(error.clone());
            self.outputs.push(ProducerOutput::Connected { id, result });
        }
        for asked in self.waiting.drain_asked() {
            let result = Err(error.clone());
            self.outputs.push(ProducerOutput::Partitions {
                id: asked.id,
                result,
            });
        }
        let closing = self.closing.drain(..);
        self.outputs
            .extend(closing.map(|id| ProducerOutput::Closed { id }));
    }

    fn is_flushing(&self) -> bool {
        !self.flushes.is_empty() || !self.closing.is_empty()
    }

    fn deadline(&self, now: Now) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let waits = self.waiting.deadline().into_iter();
        let waits = waits.chain(self.room.deadline());
        let sender = self.sender.deadline(now, &self.accumulator);
        waits.chain(sender).min()
    }

    fn postpone_deadlines(&mut self, ms: u64) {
        self.accumulator.postpone_deadlines(ms);
        self.room.postpone_deadlines(ms);
        self.waiting.postpone_deadlines(ms);
    }
}

fn is_missing(topic: &TopicMetadata) -> bool {
    match topic.error {
        ErrorCode::None => false,
        ErrorCode::UnknownTopicOrPartition => true,
        error => !error.retriable(),
    }
}

/// How often metadata have been read for this wait, and not only for one before.
fn refreshes(wait: &TopicWait, reads: u64) -> u32 {
    u32::try_from(reads - wait.reads_before).unwrap_or(u32::MAX)
}

/// What is known of the topics of a send.
enum Found {
    All,
    /// The first that may still become known, by itself or by another refresh.
    Unknown {
        topic: String,
        refresh: bool,
    },
}

fn partitions_of(
    cluster: &Cluster<Token>,
    now: Now,
    send: &NewSend,
    wait: &TopicWait,
    refreshes: u32,
) -> Result<Found, KafkaError> {
    for (topic, records) in &send.topic_messages {
        let unknown = |refresh| Found::Unknown {
            topic: topic.clone(),
            refresh,
        };
        let Some(known) = known_partitions(cluster, now, topic, wait, refreshes)? else {
            return Ok(unknown(false));
        };
        let missing = records
            .iter()
            .filter_map(|record| record.partition)
            .find(|&asked| find_partition(known, asked).is_none());
        if let Some(partition) = missing {
            if refreshes == 0 {
                // It may have been added since.
                return Ok(unknown(true));
            }
            let text = format!("the topic has {} partitions", known.len());
            let error = KafkaError::raised(ErrorKind::InvalidArgument, text);
            let code = ErrorCode::UnknownTopicOrPartition;
            let partition = TopicPartition::new(topic, partition);
            return Err(KafkaError { code, ..error }.of_partition(&partition));
        }
    }
    Ok(Found::All)
}

/// The partitions of a topic, `None` while it may still become known.
fn known_partitions<'a>(
    cluster: &'a Cluster<Token>,
    now: Now,
    topic: &str,
    wait: &TopicWait,
    refreshes: u32,
) -> Result<Option<&'a [PartitionMetadata]>, KafkaError> {
    if let Some(partitions) = cluster.metadata.partitions(topic) {
        return Ok(Some(partitions));
    }
    let Some(known) = cluster.metadata.topics.get(topic) else {
        return Ok(None);
    };
    let hopeless = match known.error {
        ErrorCode::UnknownTopicOrPartition => wait.give_up_at <= now.monotonic,
        error => error != ErrorCode::None && !error.retriable(),
    };
    match hopeless && refreshes > 0 {
        true => Err(KafkaError::protocol(known.error)
            .of_topic(topic)
            .after_retries(refreshes - 1)),
        false => Ok(None),
    }
}
