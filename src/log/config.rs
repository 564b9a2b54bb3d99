//! What of a topic's configs a log needs.

use crate::record::{Compression, TimestampType};

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The configs of one partition's log, by Kafka's names.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment rolls before it grows beyond this.
    pub segment_bytes: i32,
    /// `segment.ms`: a segment rolls when its records span more than this.
    pub segment_ms: i64,
    /// `retention.ms`: segments whose newest record is older are deleted; −1 keeps them.
    pub retention_ms: i64,
    /// `retention.bytes`: the oldest segments go while the log is larger; −1 keeps them.
    pub retention_bytes: i64,
    /// `cleanup.policy` contains `delete`.
    pub cleanup_delete: bool,
    /// `cleanup.policy` contains `compact`.
    pub cleanup_compact: bool,
    /// `delete.retention.ms`: how long a tombstone stays after the first cleaning that saw it.
    pub delete_retention_ms: i64,
    /// `min.cleanable.dirty.ratio`: the share of uncleaned bytes from which cleaning is worth it.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: younger records are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older uncleaned records are compacted whatever the ratio.
    pub max_compaction_lag_ms: i64,
    /// `max.message.bytes`: the greatest size of a batch.
    pub max_message_bytes: i32,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's timestamp may lie in the past.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far it may lie in the future.
    pub message_timestamp_after_max_ms: i64,
    /// `compression.type`: the codec to store batches in; `None` (`producer`) keeps them.
    pub compression_type: Option<Compression>,
    /// `producer.id.expiration.ms`, of the broker: a producer that is silent so long is forgotten.
    pub producer_id_expiration_ms: i64,
    /// `flush.messages`: 1 asks for commits that survive a power cut.
    pub flush_messages: i64,
}

/// When a node's logs are looked at, by the names of Kafka's broker configs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaintenanceConfig {
    /// `log.retention.check.interval.ms`: how often a log that has something to delete is checked.
    pub retention_check_interval_ms: i64,
    /// `log.cleaner.backoff.ms`: how often one that has something to compact is.
    pub cleaner_backoff_ms: i64,
}

impl Default for MaintenanceConfig {
    fn default() -> MaintenanceConfig {
        MaintenanceConfig {
            retention_check_interval_ms: 5 * 60 * 1000,
            cleaner_backoff_ms: 15_000,
        }
    }
}

impl Default for LogConfig {
    /// Kafka's defaults (`LogConfig`, `ServerLogConfigs`).
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            cleanup_delete: true,
            cleanup_compact: false,
            delete_retention_ms: DAY_MS,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            max_message_bytes: 1024 * 1024 + 12,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: HOUR_MS,
            compression_type: None,
            producer_id_expiration_ms: DAY_MS,
            flush_messages: i64::MAX,
        }
    }
}
