//! What the topic's configs ask of a producer's batch (`LogValidator`).

use super::config::LogConfig;
use super::error::{AppendError, RecordIndexError};
use crate::protocol::ErrorCode;
use crate::record::{
    BatchHeader, NO_TIMESTAMP, TimestampType, recompress, validate, validate_records,
};
use bytes::Bytes;

/// A batch that may be appended, and the timestamp that its header must get.
#[derive(Debug)]
pub(super) struct ValidBatch {
    pub header: BatchHeader,
    pub bytes: Bytes,
    pub max_timestamp: i64,
}

/// Checks a client's batch against the configs, and puts it into the topic's codec.
pub(super) fn client_batch(
    config: &LogConfig,
    now_ms: i64,
    bytes: Bytes,
) -> Result<ValidBatch, AppendError> {
    check_message_size(config, bytes.len())?;
    let header = validate(&bytes)?;
    let mut code = ErrorCode::InvalidRecord;
    let mut errors = Vec::new();
    let max_timestamp = validate_records(&bytes, |batch_index, record| {
        if config.cleanup_compact && record.key.is_none() {
            let message = "a compacted topic takes no records without a key".to_owned();
            errors.push(RecordIndexError {
                batch_index,
                message,
            });
        } else if let Err(message) = check_timestamp(config, now_ms, record.timestamp) {
            code = ErrorCode::InvalidTimestamp;
            errors.push(RecordIndexError {
                batch_index,
                message,
            });
        }
    })?;
    if !errors.is_empty() {
        return Err(AppendError::Records { code, errors });
    }
    let (header, bytes) = match config.compression_type {
        Some(codec) if header.compression()? != codec => {
            let bytes = recompress(&bytes, codec)?;
            check_message_size(config, bytes.len())?;
            (BatchHeader::read(&bytes)?, bytes)
        }
        _ => (header, bytes),
    };
    check_segment_size(config, bytes.len())?;
    let max_timestamp = match config.message_timestamp_type {
        TimestampType::CreateTime => max_timestamp,
        TimestampType::LogAppendTime => now_ms,
    };
    Ok(ValidBatch {
        header,
        bytes,
        max_timestamp,
    })
}

/// A batch that is larger than `max.message.bytes` is refused.
pub(super) fn check_message_size(config: &LogConfig, size_bytes: usize) -> Result<(), AppendError> {
    match size_bytes > config.max_message_bytes.max(0) as usize {
        true => Err(AppendError::MessageTooLarge {
            size_bytes,
            max_message_bytes: config.max_message_bytes,
        }),
        false => Ok(()),
    }
}

/// A batch that no segment can hold is refused.
pub(super) fn check_segment_size(config: &LogConfig, size_bytes: usize) -> Result<(), AppendError> {
    match size_bytes > config.segment_bytes.max(0) as usize {
        true => Err(AppendError::RecordListTooLarge {
            size_bytes,
            segment_bytes: config.segment_bytes,
        }),
        false => Ok(()),
    }
}

fn check_timestamp(config: &LogConfig, now_ms: i64, timestamp: i64) -> Result<(), String> {
    if config.message_timestamp_type == TimestampType::LogAppendTime || timestamp == NO_TIMESTAMP {
        return Ok(());
    }
    let before_ms = now_ms.saturating_sub(timestamp);
    let earliest = now_ms.saturating_sub(config.message_timestamp_before_max_ms);
    let latest = now_ms.saturating_add(config.message_timestamp_after_max_ms);
    let allowed = before_ms <= config.message_timestamp_before_max_ms
        && before_ms.saturating_neg() <= config.message_timestamp_after_max_ms;
    match allowed {
        true => Ok(()),
        false => Err(format!(
            "timestamp {timestamp} is not between {earliest} and {latest}"
        )),
    }
}
