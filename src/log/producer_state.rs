//! What a log knows of its producers: sequences, so that a batch sent twice is stored once, and
//! transactions (KIP-98; `ProducerStateManager`, `ProducerAppendInfo`).

use super::AppendOrigin;
use super::layout::Malformed;
use crate::protocol::ErrorCode;
use crate::record::{BatchHeader, EndTransactionMarker, NO_SEQUENCE, TransactionResult};
use bytes::{Buf, BufMut};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// A duplicate of one of so many last batches of a producer is recognised
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// Producers that one partition remembers; beyond it the one that was silent longest is forgotten,
/// as if it had expired.
pub const PRODUCERS_MAX: usize = 4096;

const NO_COORDINATOR_EPOCH: i32 = -1;

/// The producers of one partition: a fold over its batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProducerState {
    producers: BTreeMap<i64, Producer>,
    /// Open transactions: first offset → producer id.
    open: BTreeMap<i64, i64>,
    /// Transactions that have ended, first offset → offset of the marker, until the marker is
    /// below the high watermark: up to then they hold back the last stable offset too.
    ended: BTreeMap<i64, i64>,
    /// In the order of their markers.
    aborted: Vec<AbortedRange>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    /// The last batches, oldest first.
    batches: VecDeque<ProducerBatch>,
    /// When this node last took a batch of it, wall clock.
    last_seen_ms: i64,
    coordinator_epoch: i32,
    transaction_first_offset: Option<i64>,
}

/// What is kept of a batch to recognise its duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProducerBatch {
    base_sequence: i32,
    last_sequence: i32,
    pub base_offset: i64,
    pub last_offset: i64,
    pub max_timestamp: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AbortedRange {
    producer_id: i64,
    first_offset: i64,
    /// Of the marker.
    last_offset: i64,
    /// Of the partition, when the marker was appended.
    last_stable_offset: i64,
}

/// An aborted transaction, as Fetch tells it to `read_committed` consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose records to skip.
    pub producer_id: i64,
    /// From here, up to the producer's next abort marker.
    pub first_offset: i64,
}

/// Why a producer's batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerError {
    /// A newer instance of the producer has written.
    InvalidEpoch {
        /// The epoch that the batch carries.
        epoch: i16,
        /// The newest one that has written here.
        current: i16,
    },
    /// A batch before this one is missing.
    OutOfOrderSequence {
        /// The batch's first.
        base_sequence: i32,
        /// The last one that the partition has; −1 for none.
        last_sequence: i32,
    },
    /// A batch outside of the transaction that the producer has open here.
    NotTransactional,
    /// The marker comes from a transaction coordinator that has been replaced.
    CoordinatorFenced {
        /// The epoch that the marker carries.
        coordinator_epoch: i32,
        /// The newest one whose marker is here.
        current: i32,
    },
}

impl ProducerError {
    /// The code that answers a request.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            ProducerError::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerError::NotTransactional => ErrorCode::InvalidTxnState,
            ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

impl fmt::Display for ProducerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProducerError::InvalidEpoch { epoch, current } => {
                write!(f, "the producer's epoch {epoch} is below {current}")
            }
            ProducerError::OutOfOrderSequence {
                base_sequence,
                last_sequence,
            } => write!(
                f,
                "sequence {base_sequence} does not follow {last_sequence}"
            ),
            ProducerError::NotTransactional => {
                f.write_str("the producer has a transaction open and wrote outside of it")
            }
            ProducerError::CoordinatorFenced {
                coordinator_epoch,
                current,
            } => write!(
                f,
                "the transaction coordinator's epoch {coordinator_epoch} is below {current}"
            ),
        }
    }
}

impl Producer {
    fn new(epoch: i16) -> Producer {
        Producer {
            epoch,
            batches: VecDeque::with_capacity(1),
            last_seen_ms: -1,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
            transaction_first_offset: None,
        }
    }

    fn last_sequence(&self) -> i32 {
        self.batches
            .back()
            .map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    fn has_expired(&self, now_ms: i64, expiration_ms: i64) -> bool {
        self.transaction_first_offset.is_none()
            && now_ms.saturating_sub(self.last_seen_ms) >= expiration_ms
    }

    fn raise_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }
}

impl ProducerState {
    /// The batch that a client's batch repeats, if it does.
    pub fn duplicate(&self, header: &BatchHeader) -> Option<ProducerBatch> {
        let producer = self.producers.get(&header.producer_id)?;
        if producer.epoch != header.producer_epoch {
            return None;
        }
        producer
            .batches
            .iter()
            .find(|batch| {
                batch.base_sequence == header.base_sequence
                    && batch.last_sequence == header.last_sequence()
            })
            .copied()
    }

    /// Whether the batch may be appended. What was replicated was checked by the leader.
    pub fn check(
        &self,
        header: &BatchHeader,
        marker: Option<&EndTransactionMarker>,
        origin: AppendOrigin,
    ) -> Result<(), ProducerError> {
        if origin == AppendOrigin::Replication || !header.has_producer_id() {
            return Ok(());
        }
        let Some(producer) = self.producers.get(&header.producer_id) else {
            // Whatever was known of it has expired: any sequence may be the next.
            return Ok(());
        };
        if header.producer_epoch < producer.epoch {
            return Err(ProducerError::InvalidEpoch {
                epoch: header.producer_epoch,
                current: producer.epoch,
            });
        }
        if let Some(marker) = marker {
            return match marker.coordinator_epoch < producer.coordinator_epoch {
                true => Err(ProducerError::CoordinatorFenced {
                    coordinator_epoch: marker.coordinator_epoch,
                    current: producer.coordinator_epoch,
                }),
                false => Ok(()),
            };
        }
        if origin == AppendOrigin::Client {
            let last_sequence = match header.producer_epoch == producer.epoch {
                true => producer.last_sequence(),
                false => NO_SEQUENCE,
            };
            let follows = i64::from(header.base_sequence) == i64::from(last_sequence) + 1
                || (header.base_sequence == 0 && last_sequence == i32::MAX);
            if !follows {
                return Err(ProducerError::OutOfOrderSequence {
                    base_sequence: header.base_sequence,
                    last_sequence,
                });
            }
        }
        if producer.transaction_first_offset.is_some() && !header.is_transactional() {
            return Err(ProducerError::NotTransactional);
        }
        Ok(())
    }

    /// Takes an appended batch into account; `header` has its final offsets.
    ///
    /// A producer's silence is measured by `now_ms`, unlike Kafka's, which takes the timestamps of
    /// its records: somebody who loads old data would be forgotten while producing, and the resend
    /// of a batch be stored twice.
    pub fn update(
        &mut self,
        now_ms: i64,
        header: &BatchHeader,
        marker: Option<&EndTransactionMarker>,
    ) {
        if !header.has_producer_id() {
            return;
        }
        if header.is_control() && marker.is_none() {
            return;
        }
        self.make_room(header.producer_id);
        let producer = self
            .producers
            .entry(header.producer_id)
            .or_insert_with(|| Producer::new(header.producer_epoch));
        producer.raise_epoch(header.producer_epoch);
        producer.last_seen_ms = now_ms;
        let Some(marker) = marker else {
            if producer.batches.len() == PRODUCER_BATCHES_MAX {
                producer.batches.pop_front();
            }
            producer.batches.push_back(ProducerBatch {
                base_sequence: header.base_sequence,
                last_sequence: header.last_sequence(),
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                max_timestamp: header.max_timestamp,
            });
            if header.is_transactional() && producer.transaction_first_offset.is_none() {
                producer.transaction_first_offset = Some(header.base_offset);
                self.open.insert(header.base_offset, header.producer_id);
            }
            return;
        };
        producer.coordinator_epoch = marker.coordinator_epoch;
        let Some(first_offset) = producer.transaction_first_offset.take() else {
            return;
        };
        self.open.remove(&first_offset);
        self.ended.insert(first_offset, header.base_offset);
        if marker.result == TransactionResult::Abort {
            let last_stable_offset = match self.open.first_key_value() {
                Some((first_open, _)) => *first_open,
                None => header.next_offset(),
            };
            self.aborted.push(AbortedRange {
                producer_id: header.producer_id,
                first_offset,
                last_offset: header.base_offset,
                last_stable_offset,
            });
        }
    }

    fn make_room(&mut self, producer_id: i64) {
        if self.producers.len() < PRODUCERS_MAX || self.producers.contains_key(&producer_id) {
            return;
        }
        let silent_longest = self
            .producers
            .iter()
            .filter(|(_, producer)| producer.transaction_first_offset.is_none())
            .min_by_key(|(_, producer)| producer.last_seen_ms)
            .map(|(producer_id, _)| *producer_id);
        if let Some(producer_id) = silent_longest {
            self.producers.remove(&producer_id);
        }
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms`.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers
            .retain(|_, producer| !producer.has_expired(now_ms, expiration_ms));
    }

    /// Forgets one producer if it has been silent so long: whether it has counts when it writes.
    pub fn expire_one(&mut self, producer_id: i64, now_ms: i64, expiration_ms: i64) {
        let producer = self.producers.get(&producer_id);
        if producer.is_some_and(|it| it.has_expired(now_ms, expiration_ms)) {
            self.producers.remove(&producer_id);
        }
    }

    /// The first offset of the earliest transaction that is open or ends above `high_watermark`,
    /// or `high_watermark`.
    pub fn last_stable_offset(&self, high_watermark: i64) -> i64 {
        let open = self.open.first_key_value().map(|(first, _)| *first);
        let ended = self
            .ended
            .iter()
            .find(|(_, marker)| **marker >= high_watermark)
            .map(|(first, _)| *first);
        [open, ended]
            .into_iter()
            .flatten()
            .fold(high_watermark, i64::min)
    }

    /// Forgets ended transactions whose markers all can see.
    pub fn high_watermark_moved(&mut self, high_watermark: i64) {
        self.ended.retain(|_, marker| *marker >= high_watermark);
    }

    /// The aborted transactions with records in `from..to` (`collectAbortedTxns`).
    pub fn aborted_transactions(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        // Markers ascend; a range that was stable beyond `to` ends the search, as later ones do
        // not begin before it.
        let first = self
            .aborted
            .partition_point(|range| range.last_offset < from);
        let mut found = Vec::new();
        for range in &self.aborted[first..] {
            if range.first_offset < to {
                found.push(AbortedTransaction {
                    producer_id: range.producer_id,
                    first_offset: range.first_offset,
                });
            }
            if range.last_stable_offset >= to {
                break;
            }
        }
        found
    }

    /// Whether compaction must treat a transactional record as never written.
    pub fn is_aborted(&self, producer_id: i64, offset: i64) -> bool {
        let first = self
            .aborted
            .partition_point(|range| range.last_offset < offset);
        self.aborted[first..]
            .iter()
            .any(|range| range.producer_id == producer_id && range.first_offset <= offset)
    }

    /// Whether the batch that ends at `last_offset` is the newest of its producer.
    pub fn is_last_batch(&self, producer_id: i64, last_offset: i64) -> bool {
        self.producers
            .get(&producer_id)
            .and_then(|producer| producer.batches.back())
            .is_some_and(|batch| batch.last_offset == last_offset)
    }

    /// Forgets aborted transactions that lie below the start of the log.
    pub fn truncate_from_start(&mut self, log_start_offset: i64) {
        self.aborted
            .retain(|range| range.last_offset >= log_start_offset);
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.producers.len() as u32);
        for (producer_id, producer) in &self.producers {
            out.put_i64(*producer_id);
            out.put_i16(producer.epoch);
            out.put_i64(producer.last_seen_ms);
            out.put_i32(producer.coordinator_epoch);
            out.put_i64(producer.transaction_first_offset.unwrap_or(-1));
            out.put_u8(producer.batches.len() as u8);
            for batch in &producer.batches {
                out.put_i32(batch.base_sequence);
                out.put_i32(batch.last_sequence);
                out.put_i64(batch.base_offset);
                out.put_i64(batch.last_offset);
                out.put_i64(batch.max_timestamp);
            }
        }
        out.put_u32(self.ended.len() as u32);
        for (first_offset, marker) in &self.ended {
            out.put_i64(*first_offset);
            out.put_i64(*marker);
        }
        out.put_u32(self.aborted.len() as u32);
        for range in &self.aborted {
            out.put_i64(range.producer_id);
            out.put_i64(range.first_offset);
            out.put_i64(range.last_offset);
            out.put_i64(range.last_stable_offset);
        }
    }

    pub fn decode(input: &mut &[u8]) -> Result<ProducerState, Malformed> {
        let mut state = ProducerState::default();
        for _ in 0..input.try_get_u32()? {
            let producer_id = input.try_get_i64()?;
            let mut producer = Producer::new(input.try_get_i16()?);
            producer.last_seen_ms = input.try_get_i64()?;
            producer.coordinator_epoch = input.try_get_i32()?;
            if let first_offset @ 0.. = input.try_get_i64()? {
                producer.transaction_first_offset = Some(first_offset);
                state.open.insert(first_offset, producer_id);
            }
            for _ in 0..input.try_get_u8()? {
                producer.batches.push_back(ProducerBatch {
                    base_sequence: input.try_get_i32()?,
                    last_sequence: input.try_get_i32()?,
                    base_offset: input.try_get_i64()?,
                    last_offset: input.try_get_i64()?,
                    max_timestamp: input.try_get_i64()?,
                });
            }
            state.producers.insert(producer_id, producer);
        }
        for _ in 0..input.try_get_u32()? {
            state
                .ended
                .insert(input.try_get_i64()?, input.try_get_i64()?);
        }
        for _ in 0..input.try_get_u32()? {
            state.aborted.push(AbortedRange {
                producer_id: input.try_get_i64()?,
                first_offset: input.try_get_i64()?,
                last_offset: input.try_get_i64()?,
                last_stable_offset: input.try_get_i64()?,
            });
        }
        Ok(state)
    }
}

#[cfg(test)]
#[path = "tests/producer_state.rs"]
mod tests;
