//! What follows from the batches of a log, and is stored as a snapshot when they move into
//! segments, so that opening a log need not read them.

use super::AppendOrigin;
use super::epoch_cache::EpochCache;
use super::layout::{self, Malformed};
use super::producer_state::{ProducerError, ProducerState};
use crate::record::{BatchHeader, EndTransactionMarker, RecordError, records};
use bytes::Bytes;

/// A fold over the batches of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Derived {
    pub leader_epochs: EpochCache,
    pub producers: ProducerState,
}

impl Derived {
    /// Whether a leader may append the batch.
    pub fn check(
        &self,
        header: &BatchHeader,
        marker: Option<&EndTransactionMarker>,
        origin: AppendOrigin,
    ) -> Result<(), ProducerError> {
        self.producers.check(header, marker, origin)
    }

    /// Takes an appended batch into account; `header` has its final offsets and leader epoch.
    pub fn update(
        &mut self,
        now_ms: i64,
        header: &BatchHeader,
        marker: Option<&EndTransactionMarker>,
    ) {
        self.leader_epochs
            .assign(header.partition_leader_epoch, header.base_offset);
        self.producers.update(now_ms, header, marker);
    }

    /// Forgets what lies below the start of the log.
    pub fn truncate_from_start(&mut self, log_start_offset: i64) {
        self.leader_epochs.truncate_from_start(log_start_offset);
        self.producers.truncate_from_start(log_start_offset);
    }

    /// The row of the snapshot store.
    pub fn encode(&self, key: &[u8]) -> Bytes {
        let mut row = layout::versioned();
        self.leader_epochs.encode(&mut row);
        self.producers.encode(&mut row);
        layout::seal(key, row)
    }

    /// Reads what [`Derived::encode`] wrote.
    pub fn decode(key: &[u8], row: &[u8]) -> Result<Derived, Malformed> {
        let (_, mut fields) = layout::unseal(key, row)?;
        let input = &mut fields;
        let derived = Derived {
            leader_epochs: EpochCache::decode(input)?,
            producers: ProducerState::decode(input)?,
        };
        layout::ended(fields)?;
        Ok(derived)
    }
}

/// The marker of a control batch that ends a transaction; `None` for all other batches.
pub(super) fn end_transaction_marker(
    header: &BatchHeader,
    batch: &Bytes,
) -> Result<Option<EndTransactionMarker>, RecordError> {
    if !header.is_control() {
        return Ok(None);
    }
    match records(batch)?.next() {
        Some(record) => EndTransactionMarker::from_record(&record?),
        // Compaction empties a marker's batch before it removes it.
        None => Ok(None),
    }
}
