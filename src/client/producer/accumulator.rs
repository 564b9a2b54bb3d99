//! Records that wait to be sent, in batches, by partition.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};

use crate::client::retry::Failures;
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
    pub failures: Failures,
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
    /// The sender has it among what can be sent.
    pub ready: bool,
    timer: Option<Instant>,
    /// Of the next new batch, for the producer id and epoch that the last one had.
    next_sequence: Option<(ProducerIdAndEpoch, i32)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Accumulator {
    queues: BTreeMap<TopicPartition, Queue>,
    /// Queues to which something has happened since they were looked at.
    due: BTreeSet<TopicPartition>,
    /// When queues are to be looked at though nothing happens to them.
    timers: BTreeSet<(Instant, TopicPartition)>,
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
            due: BTreeSet::new(),
            timers: BTreeSet::new(),
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
        // One that is under way is looked at when it is answered.
        if !queue.in_flight && !queue.ready {
            self.due.insert(partition.clone());
        }
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
            failures: Failures::default(),
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
        let lingered = match full || flushing || !batch.failures.is_none() {
            true => batch.opened_at,
            false => batch.opened_at + self.linger_ms,
        };
        Some(lingered.max(batch.not_before))
    }

    pub fn has_batches_of(&self, topic: &str) -> bool {
        let mut queues = self.queues.range(all_of(topic));
        queues.any(|(_, queue)| !queue.batches.is_empty())
    }

    /// The topic is gone, and with it what its leaders knew of sequences.
    pub fn forget_topic(&mut self, topic: &str) {
        let queues = self.queues.range(all_of(topic));
        let partitions: Vec<_> = queues.map(|(partition, _)| partition.clone()).collect();
        for partition in partitions {
            self.forget(&partition);
        }
    }

    fn forget(&mut self, partition: &TopicPartition) {
        let timer = self.queues.remove(partition).and_then(|queue| queue.timer);
        if let Some(at) = timer {
            self.timers.remove(&(at, partition.clone()));
        }
    }

    pub fn queue(&self, partition: &TopicPartition) -> Option<&Queue> {
        self.queues.get(partition)
    }

    pub fn queue_mut(&mut self, partition: &TopicPartition) -> Option<&mut Queue> {
        self.queues.get_mut(partition)
    }

    pub fn queues_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Queue)> {
        self.queues.iter_mut()
    }

    /// The next queue to look at.
    pub fn next_due(&mut self, now: Now) -> Option<TopicPartition> {
        while self
            .timers
            .first()
            .is_some_and(|(at, _)| *at <= now.monotonic)
            && let Some((_, partition)) = self.timers.pop_first()
        {
            if let Some(queue) = self.queues.get_mut(&partition) {
                queue.timer = None;
            }
            self.due.insert(partition);
        }
        self.due.pop_first()
    }

    pub fn is_due(&self, now: Now) -> bool {
        let timer = self.timers.first();
        !self.due.is_empty() || timer.is_some_and(|(at, _)| *at <= now.monotonic)
    }

    /// Something has happened to the queue.
    pub fn touch(&mut self, partition: &TopicPartition) {
        self.due.insert(partition.clone());
    }

    pub fn touch_all(&mut self, partitions: BTreeSet<TopicPartition>) {
        self.due.extend(partitions);
    }

    /// The queue has been looked at: it is due again at that time, and when the time of its oldest
    /// batch is over.
    pub fn wake_at(&mut self, partition: &TopicPartition, at: Option<Instant>) {
        let Some(queue) = self.queues.get_mut(partition) else {
            return;
        };
        if queue.is_blank() {
            return self.forget(partition);
        }
        let expiry = queue.batches.front().map(|batch| batch.deadline);
        let at = at.into_iter().chain(expiry).min();
        if queue.timer == at {
            return;
        }
        if let Some(at) = std::mem::replace(&mut queue.timer, at) {
            self.timers.remove(&(at, partition.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, partition.clone()));
        }
    }

    /// When there is a queue to look at without any event.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// False when it was ready already.
    pub fn set_ready(&mut self, partition: &TopicPartition) -> bool {
        let queue = self.queues.get_mut(partition);
        queue.is_some_and(|queue| !std::mem::replace(&mut queue.ready, true))
    }

    /// It cannot be sent after all, and is to be looked at again.
    pub fn clear_ready(&mut self, partition: &TopicPartition) {
        if let Some(queue) = self.queues.get_mut(partition) {
            queue.ready = false;
        }
        self.touch(partition);
    }

    /// Nothing lingers any more: somebody flushes.
    pub fn end_linger(&mut self) {
        if self.linger_ms > 0 {
            self.look_at_all();
        }
    }

    pub fn postpone_deadlines(&mut self, ms: u64) {
        for batch in self
            .queues
            .values_mut()
            .flat_map(|queue| &mut queue.batches)
        {
            batch.deadline = batch.deadline + ms;
        }
        self.look_at_all();
    }

    /// Looks at every queue that waits for a time.
    fn look_at_all(&mut self) {
        for (_, partition) in std::mem::take(&mut self.timers) {
            if let Some(queue) = self.queues.get_mut(&partition) {
                queue.timer = None;
            }
            self.due.insert(partition);
        }
    }
}

fn all_of(topic: &str) -> RangeInclusive<TopicPartition> {
    TopicPartition::new(topic, i32::MIN)..=TopicPartition::new(topic, i32::MAX)
}

impl Queue {
    /// Whether a new one would be the same.
    fn is_blank(&self) -> bool {
        self.batches.is_empty() && !self.in_flight && !self.ready && self.next_sequence.is_none()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn append(accumulator: &mut Accumulator, partition: i32) {
        let now = Now::default();
        let settings = BatchSettings {
            acks: Acks::All,
            timeout_ms: 30_000,
            compression: Compression::None,
            idempotent: false,
        };
        let deadline = now.monotonic + 120_000;
        let partition = TopicPartition::new("t", partition);
        let record = ProducerRecord::default();
        let send = CommandId(1);
        accumulator
            .append(now, &partition, send, settings, deadline, &record)
            .unwrap();
    }

    /// Looks at all queues that are due; gives how many were.
    fn look_at_due(accumulator: &mut Accumulator) -> u32 {
        let mut looked_at = 0;
        while let Some(partition) = accumulator.next_due(Now::default()) {
            accumulator.wake_at(&partition, None);
            looked_at += 1;
        }
        looked_at
    }

    #[test]
    fn one_record_makes_one_partition_due_of_thousands() {
        let now = Now::default();
        let mut accumulator = Accumulator::new(0, 16 * 1024, 1024 * 1024);
        for partition in 0..3_000 {
            append(&mut accumulator, partition);
        }
        assert_eq!(look_at_due(&mut accumulator), 3_000);
        append(&mut accumulator, 7);
        assert_eq!(accumulator.next_due(now), Some(TopicPartition::new("t", 7)));
        assert_eq!(accumulator.next_due(now), None);
    }

    #[test]
    fn what_was_sent_leaves_a_sequence_behind_and_nothing_else() {
        let producer = ProducerIdAndEpoch { id: 7, epoch: 0 };
        let partitions = 0..3_000;
        for stamp in [None, Some(producer)] {
            let mut accumulator = Accumulator::new(0, 16 * 1024, 1024 * 1024);
            for partition in partitions.clone() {
                append(&mut accumulator, partition);
                let partition = TopicPartition::new("t", partition);
                let queue = accumulator.queue_mut(&partition).unwrap();
                queue.stamp_front(stamp).unwrap();
                queue.succeed_front().unwrap();
                accumulator.touch(&partition);
            }
            look_at_due(&mut accumulator);
            let left = if stamp.is_some() { 3_000 } else { 0 };
            assert_eq!(
                (accumulator.queues.len(), accumulator.timers.len()),
                (left, 0)
            );
            accumulator.forget_topic("t");
            assert_eq!(accumulator.queues.len(), 0);
        }
    }
}
