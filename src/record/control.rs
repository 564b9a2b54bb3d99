//! Control records: the markers that end transactions.

use bytes::{Buf, BufMut, Bytes};

use super::RecordError;
use super::batch::NO_SEQUENCE;
use super::builder::{BatchBuilder, BatchFields};
use super::compression::Compression;
use super::record::Record;

/// The version of the key that is written (`ControlRecordType`).
const KEY_VERSION: i16 = 0;
/// The version of an end-transaction marker's value that is written (`EndTransactionMarker`).
const END_TRANSACTION_MARKER_VERSION: i16 = 0;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionResult {
    /// Its records are as if they had never been there.
    Abort,
    /// Its records may be read.
    Commit,
}

/// The record that ends a producer's transaction in a partition (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// How it ended.
    pub result: TransactionResult,
    /// The epoch of the transaction coordinator that decided so.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// The marker in the first record of a control batch; `None` for control records of another
    /// type, such as those of a metadata log (KIP-595, KIP-630), which are skipped.
    ///
    /// Errors: `MalformedControlRecord`, in keys and values of later versions only if what this
    /// version knows of them is missing.
    pub fn from_record(record: &Record) -> Result<Option<EndTransactionMarker>, RecordError> {
        const MALFORMED: RecordError = RecordError::MalformedControlRecord;
        let mut key = record.key.as_deref().ok_or(MALFORMED)?;
        let version = key.try_get_i16().map_err(|_| MALFORMED)?;
        let result = match key.try_get_i16().map_err(|_| MALFORMED)? {
            _ if version < 0 => return Err(MALFORMED),
            0 => TransactionResult::Abort,
            1 => TransactionResult::Commit,
            _ => return Ok(None),
        };
        let mut value = record.value.as_deref().ok_or(MALFORMED)?;
        if value.try_get_i16().map_err(|_| MALFORMED)? < 0 {
            return Err(MALFORMED);
        }
        let coordinator_epoch = value.try_get_i32().map_err(|_| MALFORMED)?;
        Ok(Some(EndTransactionMarker {
            result,
            coordinator_epoch,
        }))
    }

    /// The control batch of one record that a coordinator appends for a producer
    /// (`MemoryRecords.withEndTransactionMarker`). Offset and leader epoch are the leader's.
    pub fn to_batch(self, timestamp: i64, producer_id: i64, producer_epoch: i16) -> Bytes {
        let mut key = Vec::with_capacity(4);
        key.put_i16(KEY_VERSION);
        key.put_i16(match self.result {
            TransactionResult::Abort => 0,
            TransactionResult::Commit => 1,
        });
        let mut value = Vec::with_capacity(6);
        value.put_i16(END_TRANSACTION_MARKER_VERSION);
        value.put_i32(self.coordinator_epoch);
        let mut builder = BatchBuilder::new(Compression::None);
        builder
            .append(timestamp, Some(&key), Some(&value), &[])
            .expect("ten bytes are below INFLATED_BYTES_MAX");
        builder.build(BatchFields {
            producer_id,
            producer_epoch,
            base_sequence: NO_SEQUENCE,
            is_transactional: true,
            is_control: true,
            ..BatchFields::default()
        })
    }
}
