//! Records that wait to be sent, in batches, by partition.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::client::{CommandId, KafkaError, TopicPartition};
use crate::now::{Instant, Now, Timestamp};
use crate::record::{
    BATCH_OVERHEAD, BatchBuilder, BatchFields, Compression, RecordError, increment_sequence,
    records, set_producer_state,
};

use super::config::{Acks, ProducerRecord};

/// Who the broker takes the producer for, when it drops duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProducerIdAndEpoch {
    pub id: i64,
    pub epoch: i16,
}

/// What all records of a batch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BatchSettings {
    pub acks: Acks,
    pub timeout_ms: i32,
    pub compression: Compression,
    pub idempotent: bool,
}

/// The records of one send in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub send: CommandId,
    /// How many records of the batch come before them.
    pub first: i64,
}

/// Records that are sent, stored and answered together.
#[derive(Debug)]
pub(super) struct Batch {
    pub settings: BatchSettings,
    pub parts: Vec<Part>,
    pub attempts: u32,
    /// How often a broker has answered that it cannot store it now.
    pub refusals: u32,
    /// An attempt may have been stored although its answer was not a success.
    pub maybe_stored: bool,
    pub last_error: Option<KafkaError>,
    pub not_before: Instant,
    /// When the first of its sends has waited long enough.
    pub deadline: Instant,
    opened_at: Instant,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Open(BatchBuilder),
    /// As on the wire. Once it has been tried it keeps its sequence, so that the broker knows it
    /// again.
    Sealed {
        bytes: Bytes,
        record_count: i32,
        stamp: Option<(ProducerIdAndEpoch, i32)>,
    },
    /// Only between taking an open batch and sealing it.
    Taken,
}

/// The batches of a partition, the oldest first. Only the oldest is ever in flight, so the order
/// is kept whatever happens to it; what comes meanwhile accumulates.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub batches: VecDeque<Batch>,
    pub in_flight: bool,
    /// What is in flight is none of `batches` any more: its time was over. Nothing else is sent
    /// before its answer, which might be about records that come before.
    pub abandoned: bool,
    /// Of the next new batch, for the producer id and epoch that the last one had.
    next_sequence: Option<(ProducerIdAndEpoch, i32)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Accumulator {
    pub queues: BTreeMap<TopicPartition, Queue>,
    linger_ms: u64,
    batch_size_bytes: usize,
    pub request_size_bytes_max: usize,
}

impl Accumulator {
    pub fn new(
        linger_ms: u64,
        batch_size_bytes: usize,
        request_size_bytes_max: usize,
    ) -> Accumulator {
        Accumulator {
            queues: BTreeMap::new(),
            linger_ms,
            batch_size_bytes,
            request_size_bytes_max,
        }
    }

    /// Adds a record; gives whether that began a new part of its send. One that is larger than a
    /// request should be has a batch of its own.
    pub fn append(
        &mut self,
        now: Now,
        partition: &TopicPartition,
        send: CommandId,
        settings: BatchSettings,
        deadline: Instant,
        record: &ProducerRecord,
    ) -> Result<bool, RecordError> {
        let queue = self.queues.entry(partition.clone()).or_default();
        let timestamp = record.timestamp.unwrap_or(now.wall.0);
        let open = match queue.batches.back_mut() {
            Some(batch) if batch.settings == settings => match &batch.content {
                Content::Open(builder) => {
                    let same_send = batch.parts.last().is_some_and(|part| part.send == send);
                    let size = size_with(builder, timestamp, record);
                    (size <= self.request_size_bytes_max
                        && (same_send || builder.size_in_bytes() < self.batch_size_bytes))
                        .then_some(batch)
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(batch) = open {
            return batch.append(timestamp, send, record);
        }
        let mut batch = Batch {
            settings,
            parts: Vec::new(),
            attempts: 0,
            refusals: 0,
            maybe_stored: false,
            last_error: None,
            not_before: now.monotonic,
            deadline,
            opened_at: now.monotonic,
            content: Content::Open(BatchBuilder::new(settings.compression)),
        };
        let new_part = batch.append(timestamp, send, record)?;
        queue.batches.push_back(batch);
        Ok(new_part)
    }

    /// When the oldest batch of a queue may be sent: `None` while it is in flight.
    pub fn ready_at(&self, queue: &Queue, flushing: bool) -> Option<Instant> {
        let batch = queue.batches.front().filter(|_| !queue.in_flight)?;
        let full = queue.batches.len() > 1 || batch.size_in_bytes() >= self.batch_size_bytes;
        let lingered = match full || flushing || batch.attempts > 0 {
            true => batch.opened_at,
            false => batch.opened_at + self.linger_ms,
        };
        Some(lingered.max(batch.not_before))
    }

    pub fn has_batches_of(&self, topic: &str) -> bool {
        let from = TopicPartition::new(topic, i32::MIN);
        let queues = self.queues.range(from..);
        let mut queues = queues.take_while(|(partition, _)| partition.topic == topic);
        queues.any(|(_, queue)| !queue.batches.is_empty())
    }

    pub fn postpone_deadlines(&mut self, ms: u64) {
        for batch in self
            .queues
            .values_mut()
            .flat_map(|queue| &mut queue.batches)
        {
            batch.deadline = batch.deadline + ms;
        }
    }
}

impl Queue {
    /// The bytes of the oldest batch, with its sequence if it is to have one.
    pub fn stamp_front(&mut self, producer: Option<ProducerIdAndEpoch>) -> Option<Bytes> {
        let batch = self.batches.front_mut()?;
        batch.seal();
        let Content::Sealed { bytes, stamp, .. } = &mut batch.content else {
            return None;
        };
        if let (Some(producer), None) = (producer, &stamp) {
            let sequence = match self.next_sequence {
                Some((same, sequence)) if same == producer => sequence,
                // A new id, or a new epoch of it, starts over (KIP-360).
                _ => 0,
            };
            self.next_sequence = Some((producer, sequence));
            let mut stamped = BytesMut::from(&bytes[..]);
            set_producer_state(&mut stamped, producer.id, producer.epoch, sequence);
            *bytes = stamped.freeze();
            *stamp = Some((producer, sequence));
        }
        Some(bytes.clone())
    }

    /// The oldest batch has been stored.
    pub fn succeed_front(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.in_flight = false;
        if let Content::Sealed {
            record_count,
            stamp: Some((producer, sequence)),
            ..
        } = &batch.content
        {
            let next = increment_sequence(*sequence, *record_count);
            self.next_sequence = Some((*producer, next));
        }
        Some(batch)
    }

    /// The oldest batch is given up. Its sequence is free again, unless it may be stored after
    /// all: then the caller must change the epoch.
    pub fn fail_front(&mut self) -> Option<Batch> {
        self.in_flight = false;
        self.batches.pop_front()
    }

    /// Takes the oldest batch if its time is over, wherever it is.
    pub fn expire_front(&mut self, now: Now) -> Option<Batch> {
        let mut batch = self
            .batches
            .pop_front_if(|batch| batch.deadline <= now.monotonic)?;
        if self.in_flight && !self.abandoned {
            self.abandoned = true;
            batch.maybe_stored = true;
        }
        Some(batch)
    }

    /// Replaces the oldest batch by two halves; gives the sends that now have one part more.
    pub fn split_front(&mut self) -> Result<Vec<CommandId>, RecordError> {
        let Some(batch) = self.batches.front() else {
            return Ok(vec![]);
        };
        let Content::Sealed {
            bytes,
            record_count,
            ..
        } = &batch.content
        else {
            return Ok(vec![]);
        };
        let middle = i64::from(*record_count / 2);
        let mut halves = [
            BatchBuilder::new(batch.settings.compression),
            BatchBuilder::new(batch.settings.compression),
        ];
        for record in records(bytes)? {
            let record = record?;
            let half = &mut halves[usize::from(record.offset >= middle)];
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            half.append(record.timestamp, key, value, &record.headers)?;
        }
        let (first, mut second): (Vec<Part>, Vec<Part>) = batch
            .parts
            .iter()
            .copied()
            .partition(|part| part.first < middle);
        for part in &mut second {
            part.first -= middle;
        }
        let mut divided = Vec::new();
        if second.first().is_none_or(|part| part.first > 0)
            && let Some(last) = first.last()
        {
            divided.push(last.send);
            second.insert(
                0,
                Part {
                    send: last.send,
                    first: 0,
                },
            );
        }
        let half = |parts, builder| Batch {
            parts,
            content: Content::Open(builder),
            attempts: 1,
            last_error: None,
            ..*batch
        };
        let [front, back] = halves;
        let (front, back) = (half(first, front), half(second, back));
        self.batches.pop_front();
        self.batches.push_front(back);
        self.batches.push_front(front);
        self.in_flight = false;
        // The halves are not to be joined by other sends.
        self.batches.iter_mut().take(2).for_each(Batch::seal);
        Ok(divided)
    }
}

impl Batch {
    fn append(
        &mut self,
        timestamp: i64,
        send: CommandId,
        record: &ProducerRecord,
    ) -> Result<bool, RecordError> {
        let Content::Open(builder) = &mut self.content else {
            return Err(RecordError::TooLarge);
        };
        let first = builder.record_count() as i64;
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(timestamp, key, value, &record.headers)?;
        let new_part = self.parts.last().is_none_or(|part| part.send != send);
        if new_part {
            self.parts.push(Part { send, first });
        }
        Ok(new_part)
    }

    pub fn size_in_bytes(&self) -> usize {
        match &self.content {
            Content::Open(builder) => builder.size_in_bytes(),
            Content::Sealed { bytes, .. } => bytes.len(),
            Content::Taken => 0,
        }
    }

    pub fn record_count(&self) -> i32 {
        match &self.content {
            Content::Open(builder) => builder.record_count() as i32,
            Content::Sealed { record_count, .. } => *record_count,
            Content::Taken => 0,
        }
    }

    /// Forgets the sequence: it will get one in the producer's new epoch.
    pub fn unstamp(&mut self) {
        if let Content::Sealed { stamp, .. } = &mut self.content {
            *stamp = None;
        }
    }

    /// Nothing joins the batch any more.
    fn seal(&mut self) {
        let content = std::mem::replace(&mut self.content, Content::Taken);
        self.content = match content {
            Content::Open(builder) => {
                let record_count = builder.record_count() as i32;
                let bytes = builder.build(BatchFields::default());
                Content::Sealed {
                    bytes,
                    record_count,
                    stamp: None,
                }
            }
            sealed => sealed,
        };
    }
}

/// Bytes of a batch with this record alone, before compression.
pub(super) fn record_size_bytes(now: Timestamp, record: &ProducerRecord) -> usize {
    let builder = BatchBuilder::new(Compression::None);
    debug_assert_eq!(builder.size_in_bytes(), BATCH_OVERHEAD);
    size_with(&builder, record.timestamp.unwrap_or(now.0), record)
}

fn size_with(builder: &BatchBuilder, timestamp: i64, record: &ProducerRecord) -> usize {
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    builder.size_in_bytes_with(timestamp, key, value, &record.headers)
}
