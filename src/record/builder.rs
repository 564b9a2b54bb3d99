//! Builds record batches.

use bytes::Bytes;

use super::RecordError;
use super::batch::{
    Attributes, BATCH_OVERHEAD, BatchHeader, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
use super::compression::{Compression, INFLATED_BYTES_MAX};
use super::record::{Header, Record, RecordFields};

/// Collects records and makes a batch of them.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    /// The header's room, then the records, uncompressed.
    bytes: Vec<u8>,
    /// The first record's timestamp, unless it was given.
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    /// Of the next record.
    next_offset_delta: i32,
    record_count: i32,
}

/// The fields of a batch's header that do not follow from its records.
///
/// The default is what a producer without idempotence sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFields {
    /// The offset of the first record. A producer sends 0, the leader replaces it.
    pub base_offset: i64,
    /// The epoch of the leader that writes the batch.
    pub partition_leader_epoch: i32,
    /// Who produces.
    pub producer_id: i64,
    /// In which epoch.
    pub producer_epoch: i16,
    /// The sequence of the first record.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
    /// Whether the records are markers that consumers do not see.
    pub is_control: bool,
}

impl Default for BatchFields {
    fn default() -> BatchFields {
        BatchFields {
            base_offset: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            is_transactional: false,
            is_control: false,
        }
    }
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(compression: Compression) -> BatchBuilder {
        BatchBuilder {
            compression,
            bytes: vec![0; BATCH_OVERHEAD],
            base_timestamp: None,
            max_timestamp: NO_TIMESTAMP,
            next_offset_delta: 0,
            record_count: 0,
        }
    }

    /// Bytes of the batch so far, before compression.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the batch, before compression, if this record were added: what an accumulator
    /// holds against `batch.size` and `max.request.size`.
    pub fn size_in_bytes_with(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> usize {
        let record = self.fields(self.next_offset_delta, timestamp, key, value, headers);
        self.bytes.len() + record.size_in_bytes()
    }

    /// How many records were added.
    pub fn record_count(&self) -> usize {
        self.record_count as usize
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Adds a record behind the last one. `timestamp` is in ms since the Unix epoch.
    ///
    /// Error: `TooLarge` if the records would take more than [`INFLATED_BYTES_MAX`] bytes; the
    /// record is then not added.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<(), RecordError> {
        self.append_at(self.next_offset_delta, timestamp, key, value, headers)
    }

    /// Adds a record at a place of its own: compaction leaves gaps.
    ///
    /// `offset_delta` must not be below that of the next record, which is a bug of the caller.
    fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<(), RecordError> {
        assert!(
            offset_delta >= self.next_offset_delta,
            "the records of a batch ascend"
        );
        let record = self.fields(offset_delta, timestamp, key, value, headers);
        let size = record.size_in_bytes();
        if self.bytes.len() - BATCH_OVERHEAD + size > INFLATED_BYTES_MAX {
            return Err(RecordError::TooLarge);
        }
        self.bytes.reserve(size);
        record.write(&mut self.bytes);
        self.base_timestamp.get_or_insert(timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.next_offset_delta = offset_delta.saturating_add(1);
        self.record_count += 1;
        Ok(())
    }

    fn fields<'a>(
        &self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a [Header],
    ) -> RecordFields<'a> {
        let base_timestamp = self.base_timestamp.unwrap_or(timestamp);
        // Wraps, and wraps back when it is read, as in Java.
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        RecordFields {
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers,
        }
    }

    /// Compresses the records and writes the header.
    ///
    /// A batch has at least one record: building an empty one is a bug of the caller.
    pub fn build(self, fields: BatchFields) -> Bytes {
        assert!(!self.is_empty(), "a batch has at least one record");
        let attributes = Attributes::default()
            .with_transactional(fields.is_transactional)
            .with_control(fields.is_control);
        let header = BatchHeader {
            base_offset: fields.base_offset,
            batch_length: 0,
            partition_leader_epoch: fields.partition_leader_epoch,
            crc: 0,
            attributes,
            last_offset_delta: self.next_offset_delta - 1,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: self.max_timestamp,
            producer_id: fields.producer_id,
            producer_epoch: fields.producer_epoch,
            base_sequence: fields.base_sequence,
            record_count: self.record_count,
        };
        self.finish(header)
    }

    /// Puts `header` before the records; its codec, length and CRC are set here.
    fn finish(self, mut header: BatchHeader) -> Bytes {
        header.attributes = header.attributes.with_compression(self.compression);
        let mut batch = match self.compression {
            Compression::None => self.bytes,
            codec => {
                let mut batch = vec![0; BATCH_OVERHEAD];
                codec.compress(&self.bytes[BATCH_OVERHEAD..], &mut batch);
                batch
            }
        };
        header.write(&mut batch);
        batch.into()
    }
}

/// The batch of `original` with only `retained` of its records, as compaction rewrites it
/// (`MemoryRecords.filterTo`): base and last offset, sequence and flags stay, so the log has no
/// overlap and a producer's state can be rebuilt. `retained` is in offset order.
///
/// `delete_horizon_ms` is the time from which tombstones or the marker may go (KIP-534). Without
/// records only the header remains, for as long as the producer's state needs it.
///
/// Errors: `UnsupportedCompression`, `TooLarge`.
pub fn retain(
    original: &BatchHeader,
    retained: &[Record],
    delete_horizon_ms: Option<i64>,
) -> Result<Bytes, RecordError> {
    if retained.is_empty() {
        let mut header = BatchHeader {
            attributes: original.attributes.with_delete_horizon(false),
            base_timestamp: NO_TIMESTAMP,
            record_count: 0,
            ..*original
        };
        header.attributes = header.attributes.with_compression(Compression::None);
        let mut batch = vec![0; BATCH_OVERHEAD];
        header.write(&mut batch);
        return Ok(batch.into());
    }
    let mut builder = BatchBuilder::new(original.compression()?);
    builder.base_timestamp = delete_horizon_ms;
    for record in retained {
        let offset_delta = i32::try_from(record.offset.wrapping_sub(original.base_offset))
            .expect("the retained records come from the original batch");
        builder.append_at(
            offset_delta,
            record.timestamp,
            record.key.as_deref(),
            record.value.as_deref(),
            &record.headers,
        )?;
    }
    let max_timestamp = match original.timestamp_type() {
        TimestampType::CreateTime => builder.max_timestamp,
        TimestampType::LogAppendTime => original.max_timestamp,
    };
    let header = BatchHeader {
        attributes: original
            .attributes
            .with_delete_horizon(delete_horizon_ms.is_some()),
        base_timestamp: builder.base_timestamp.unwrap_or(NO_TIMESTAMP),
        max_timestamp,
        record_count: builder.record_count,
        ..*original
    };
    Ok(builder.finish(header))
}

/// The same batch in another codec, for a topic whose `compression.type` is not `producer`.
///
/// Errors: those of [`super::records`] before the first record.
pub fn recompress(batch: &Bytes, compression: Compression) -> Result<Bytes, RecordError> {
    let records = super::records(batch)?;
    let header = *records.header();
    if header.compression()? == compression {
        return Ok(batch.slice(..header.size_in_bytes()));
    }
    let mut builder = BatchBuilder::new(compression);
    builder.bytes.extend_from_slice(records.uncompressed());
    Ok(builder.finish(header))
}
