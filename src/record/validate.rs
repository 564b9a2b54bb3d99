//! What a broker checks in a batch that a producer sent.

use bytes::Bytes;

use super::RecordError;
use super::batch::{BatchHeader, NO_TIMESTAMP};
use super::record::{Record, records};

/// Checks the header of a batch that a producer sent, and its CRC: Kafka's
/// `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords` and
/// `LogValidator.validateBatch`.
///
/// `bytes` are the records of one partition in a Produce request: exactly one batch. (Kafka cuts
/// off a part of a second one without a word; no client sends it.) Batches that were fetched from
/// a leader may be control batches or have gaps; for them there is [`BatchHeader::ensure_valid`].
pub fn validate(bytes: &[u8]) -> Result<BatchHeader, RecordError> {
    let header = match BatchHeader::ensure_valid(bytes) {
        Err(RecordError::Truncated) => return Err(RecordError::NotOneBatch),
        header => header?,
    };
    if bytes.len() > header.size_in_bytes() {
        return Err(RecordError::NotOneBatch);
    }
    if header.base_offset != 0 {
        return Err(RecordError::InvalidBaseOffset(header.base_offset));
    }
    if header.record_count <= 0 {
        return Err(RecordError::InvalidRecordCount(header.record_count));
    }
    if header.last_offset_delta != header.record_count - 1 {
        return Err(RecordError::InvalidLastOffsetDelta {
            last_offset_delta: header.last_offset_delta,
            record_count: header.record_count,
        });
    }
    if header.is_control() {
        return Err(RecordError::ControlBatch);
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(RecordError::InvalidSequence(header.base_sequence));
    }
    header.compression()?;
    Ok(header)
}

/// Checks that the records of a producer's batch inflate within the limit, decode, and follow
/// each other (Kafka asks the last only of compressed ones); returns their greatest timestamp, which [`super::set_max_timestamp`] takes.
///
/// `visit` sees each record with its index, for what depends on the topic: whether it has a key,
/// whether its timestamp is allowed.
///
/// Errors: those of [`records`], `InvalidOffsetDelta`.
pub fn validate_records(
    batch: &Bytes,
    mut visit: impl FnMut(i32, &Record),
) -> Result<i64, RecordError> {
    let records = records(batch)?;
    let base_offset = records.header().base_offset;
    let mut max_timestamp = NO_TIMESTAMP;
    for (index, record) in (0..).zip(records) {
        let record = record?;
        if record.offset != base_offset.wrapping_add(i64::from(index)) {
            return Err(RecordError::InvalidOffsetDelta { index });
        }
        max_timestamp = max_timestamp.max(record.timestamp);
        visit(index, &record);
    }
    Ok(max_timestamp)
}
