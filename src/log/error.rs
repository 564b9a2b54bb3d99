//! Why a log refuses.

use super::producer_state::ProducerError;
use crate::protocol::ErrorCode;
use crate::record::RecordError;
use crate::storage::StorageError;
use std::fmt;

/// Why a batch was not appended. Nothing of it was.
#[derive(Clone, Debug, PartialEq)]
pub enum AppendError {
    /// The log cannot be used.
    Log(LogError),
    /// The bytes are not a batch that may be stored.
    Record(RecordError),
    /// Some records are not allowed in this topic; the errors say which, and why.
    Records {
        /// What is wrong: INVALID_RECORD or INVALID_TIMESTAMP.
        code: ErrorCode,
        /// One for each bad record; `ProduceResponse` has them from version 8.
        errors: Vec<RecordIndexError>,
    },
    /// The batch is larger than `max.message.bytes`.
    MessageTooLarge {
        /// As it was sent, or as the topic's codec makes it.
        size_bytes: usize,
        /// What the topic's config allows.
        max_message_bytes: i32,
    },
    /// The batch is larger than `segment.bytes`.
    RecordListTooLarge {
        /// As it was sent, or as the topic's codec makes it.
        size_bytes: usize,
        /// What the topic's config gives a segment.
        segment_bytes: i32,
    },
    /// The producer's epoch or sequence is wrong.
    Producer(ProducerError),
    /// A replicated batch does not follow the end of the log.
    UnexpectedOffset {
        /// The batch's first offset.
        base_offset: i64,
        /// Where it had to be, or behind.
        log_end_offset: i64,
    },
    /// Storage is behind: more bytes wait for their commit than the limit allows. Retriable.
    TooManyUncommitted,
    /// Storage takes appends but no background commit, so the journal has reached its limit.
    /// Retriable; a full quota looks like this.
    JournalFull,
}

/// One record that a batch was refused for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordIndexError {
    /// Which record of the batch, from 0.
    pub batch_index: i32,
    /// What is wrong with it, for the producer's error.
    pub message: String,
}

impl AppendError {
    /// The code that answers a request.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            // What is appended is not what is corrupt.
            AppendError::Log(LogError::Stopped(_)) => ErrorCode::KafkaStorageError,
            AppendError::Log(error) => error.error_code(),
            AppendError::Record(error) => error.error_code(),
            AppendError::Records { code, .. } => *code,
            AppendError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
            AppendError::Producer(error) => error.error_code(),
            AppendError::UnexpectedOffset { .. } => ErrorCode::UnknownServerError,
            AppendError::TooManyUncommitted | AppendError::JournalFull => {
                ErrorCode::KafkaStorageError
            }
        }
    }

    /// The records that the batch was refused for, if single ones were.
    pub fn record_errors(&self) -> &[RecordIndexError] {
        match self {
            AppendError::Records { errors, .. } => errors,
            _ => &[],
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Log(error) => error.fmt(f),
            AppendError::Record(error) => error.fmt(f),
            AppendError::Records { errors, .. } => match errors.first() {
                Some(first) => write!(f, "record {}: {}", first.batch_index, first.message),
                None => f.write_str("invalid records"),
            },
            AppendError::MessageTooLarge {
                size_bytes,
                max_message_bytes,
            } => write!(
                f,
                "the batch has {size_bytes} bytes, max.message.bytes is {max_message_bytes}"
            ),
            AppendError::RecordListTooLarge {
                size_bytes,
                segment_bytes,
            } => write!(
                f,
                "the batch has {size_bytes} bytes, segment.bytes is {segment_bytes}"
            ),
            AppendError::Producer(error) => error.fmt(f),
            AppendError::UnexpectedOffset {
                base_offset,
                log_end_offset,
            } => write!(
                f,
                "a replicated batch starts at {base_offset}, the log ends at {log_end_offset}"
            ),
            AppendError::TooManyUncommitted => {
                f.write_str("too many bytes wait for storage to commit them")
            }
            AppendError::JournalFull => {
                f.write_str("the journal is full and storage takes no more")
            }
        }
    }
}

impl std::error::Error for AppendError {}

impl From<LogError> for AppendError {
    fn from(error: LogError) -> AppendError {
        AppendError::Log(error)
    }
}

impl From<RecordError> for AppendError {
    fn from(error: RecordError) -> AppendError {
        AppendError::Record(error)
    }
}

impl From<ProducerError> for AppendError {
    fn from(error: ProducerError) -> AppendError {
        AppendError::Producer(error)
    }
}

/// Why a log cannot be used or read.
#[derive(Clone, Debug, PartialEq)]
pub enum LogError {
    /// There is no such log here, or not yet.
    UnknownPartition,
    /// The stores are still being read.
    NotOpened,
    /// A broken invariant has stopped the partition.
    Stopped(String),
    /// The offset lies below the log's start or above its end.
    OffsetOutOfRange {
        /// What was asked for.
        offset: i64,
        /// Where the log starts.
        log_start_offset: i64,
        /// Where it ends.
        log_end_offset: i64,
    },
    /// The storage could not be read; another try may succeed.
    Storage(StorageError),
}

impl LogError {
    /// The code that answers a request.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            LogError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            // A consumer that gets it fails, as Kafka's does; KAFKA_STORAGE_ERROR it would take for
            // a disk that comes back.
            LogError::Stopped(_) => ErrorCode::CorruptMessage,
            LogError::NotOpened | LogError::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::UnknownPartition => f.write_str("this node has no log of that partition"),
            LogError::NotOpened => f.write_str("the logs are still being opened"),
            LogError::Stopped(why) => write!(f, "the partition has stopped: {why}"),
            LogError::OffsetOutOfRange {
                offset,
                log_start_offset,
                log_end_offset,
            } => write!(
                f,
                "offset {offset} is not in the log, which has {log_start_offset} to {log_end_offset}"
            ),
            LogError::Storage(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LogError {}
