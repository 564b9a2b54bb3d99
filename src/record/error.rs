//! What can be wrong with a record batch.

use std::fmt;

use super::compression::Compression;
use crate::protocol::ErrorCode;

/// Why bytes are not a batch that can be stored or read, or records not one that can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes end before the batch does.
    Truncated,
    /// The header gives a length that is too small for a batch.
    InvalidLength(i32),
    /// The format is not v2.
    UnsupportedMagic(i8),
    /// The bytes were changed on their way.
    CrcMismatch {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// A Produce request carries exactly one batch for a partition, and these bytes are not one.
    NotOneBatch,
    /// A producer's batch does not start at offset 0.
    InvalidBaseOffset(i64),
    /// The header's count of records is negative, or a producer's batch has none.
    InvalidRecordCount(i32),
    /// A producer's batch gives its last offset delta another value than its count less one.
    InvalidLastOffsetDelta {
        /// The last offset delta.
        last_offset_delta: i32,
        /// The count of records.
        record_count: i32,
    },
    /// Producers may not write control batches.
    ControlBatch,
    /// A batch with a producer id has no base sequence.
    InvalidSequence(i32),
    /// The header names a codec that does not exist.
    UnsupportedCompression(u8),
    /// The compressed bytes are not what the codec says.
    MalformedCompression(Compression),
    /// The records would inflate to more than [`super::INFLATED_BYTES_MAX`] bytes, or were added
    /// to a batch beyond that size.
    TooLarge,
    /// A record's fields do not fit its length or the batch.
    MalformedRecord {
        /// Which one, counted from 0.
        index: i32,
    },
    /// A producer's record does not follow the one before it.
    InvalidOffsetDelta {
        /// Which one, counted from 0.
        index: i32,
    },
    /// There are bytes behind the last record.
    TrailingBytes,
    /// A control record's key or value is not one that this version knows.
    MalformedControlRecord,
}

impl RecordError {
    /// The code that answers a request with such bytes, as Apache Kafka 4.3.1 chooses it.
    ///
    /// But where Kafka answers UNKNOWN_SERVER_ERROR, to a codec that does not exist and to records
    /// that do not inflate, the code says what is wrong. `TooLarge` has no like in Kafka;
    /// MESSAGE_TOO_LARGE makes a producer split its batch.
    pub fn error_code(self) -> ErrorCode {
        match self {
            RecordError::UnsupportedMagic(0 | 1) => ErrorCode::InvalidRecord,
            RecordError::Truncated
            | RecordError::InvalidLength(_)
            | RecordError::UnsupportedMagic(_)
            | RecordError::CrcMismatch { .. } => ErrorCode::CorruptMessage,
            RecordError::TooLarge => ErrorCode::MessageTooLarge,
            RecordError::UnsupportedCompression(_) => ErrorCode::UnsupportedCompressionType,
            RecordError::NotOneBatch
            | RecordError::InvalidBaseOffset(_)
            | RecordError::InvalidRecordCount(_)
            | RecordError::InvalidLastOffsetDelta { .. }
            | RecordError::ControlBatch
            | RecordError::InvalidSequence(_)
            | RecordError::MalformedCompression(_)
            | RecordError::MalformedRecord { .. }
            | RecordError::InvalidOffsetDelta { .. }
            | RecordError::TrailingBytes
            | RecordError::MalformedControlRecord => ErrorCode::InvalidRecord,
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Truncated => write!(f, "the record batch is cut short"),
            RecordError::InvalidLength(length) => {
                write!(f, "{length} is too small a length for a record batch")
            }
            RecordError::UnsupportedMagic(magic) => {
                write!(
                    f,
                    "record batches of magic {magic} are not supported, only of magic 2"
                )
            }
            RecordError::CrcMismatch { stored, computed } => {
                write!(
                    f,
                    "the record batch has CRC {computed:08x}, its header says {stored:08x}"
                )
            }
            RecordError::NotOneBatch => {
                write!(
                    f,
                    "a produce request must have exactly one record batch per partition"
                )
            }
            RecordError::InvalidBaseOffset(offset) => {
                write!(f, "a producer's batch must start at offset 0, not {offset}")
            }
            RecordError::InvalidRecordCount(count) => {
                write!(f, "{count} is not a record count for a record batch")
            }
            RecordError::InvalidLastOffsetDelta {
                last_offset_delta,
                record_count,
            } => {
                write!(
                    f,
                    "last offset delta {last_offset_delta} does not fit {record_count} records"
                )
            }
            RecordError::ControlBatch => write!(f, "clients may not write control records"),
            RecordError::InvalidSequence(sequence) => {
                write!(
                    f,
                    "{sequence} is not a sequence for a batch with a producer id"
                )
            }
            RecordError::UnsupportedCompression(id) => {
                write!(f, "there is no compression type {id}")
            }
            RecordError::MalformedCompression(compression) => {
                write!(f, "the records are not valid {}", compression.name())
            }
            RecordError::TooLarge => write!(
                f,
                "the records take more than {} bytes uncompressed",
                super::INFLATED_BYTES_MAX
            ),
            RecordError::MalformedRecord { index } => {
                write!(f, "record {index} of the batch is malformed")
            }
            RecordError::InvalidOffsetDelta { index } => {
                write!(
                    f,
                    "record {index} of the batch does not follow the one before it"
                )
            }
            RecordError::TrailingBytes => write!(f, "bytes follow the last record of the batch"),
            RecordError::MalformedControlRecord => write!(f, "the control record is malformed"),
        }
    }
}

impl std::error::Error for RecordError {}
