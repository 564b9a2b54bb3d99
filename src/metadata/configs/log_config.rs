//! What a topic's configs mean to its logs.

use super::broker::BrokerConfigs;
use super::definition::list;
use super::double::Double;
use super::topic::{Effective, INTERNAL_SEGMENT_BYTES, TopicConfigs};
use crate::log::LogConfig;
use crate::record::{Compression, TimestampType};

/// What the log of a topic needs to know of its configs.
pub fn log_config(configs: &TopicConfigs, broker: &BrokerConfigs) -> LogConfig {
    let effective = Effective { configs, broker };
    let policies = effective.value("cleanup.policy");
    let policies = list(&policies);
    let segment_bytes = match configs.contains_key(INTERNAL_SEGMENT_BYTES) {
        true => INTERNAL_SEGMENT_BYTES,
        false => "segment.bytes",
    };
    LogConfig {
        segment_bytes: effective.parsed(segment_bytes),
        segment_ms: effective.long("segment.ms"),
        retention_ms: effective.long("retention.ms"),
        retention_bytes: effective.long("retention.bytes"),
        cleanup_delete: policies.contains(&"delete"),
        cleanup_compact: policies.contains(&"compact"),
        delete_retention_ms: effective.long("delete.retention.ms"),
        min_cleanable_dirty_ratio: effective.parsed::<Double>("min.cleanable.dirty.ratio").0,
        min_compaction_lag_ms: effective.long("min.compaction.lag.ms"),
        max_compaction_lag_ms: effective.long("max.compaction.lag.ms"),
        max_message_bytes: effective.parsed("max.message.bytes"),
        message_timestamp_type: match effective.value("message.timestamp.type").as_str() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        message_timestamp_before_max_ms: effective.long("message.timestamp.before.max.ms"),
        message_timestamp_after_max_ms: effective.long("message.timestamp.after.max.ms"),
        compression_type: match effective.value("compression.type").as_str() {
            "uncompressed" => Some(Compression::None),
            "gzip" => Some(Compression::Gzip),
            "snappy" => Some(Compression::Snappy),
            "lz4" => Some(Compression::Lz4),
            "zstd" => Some(Compression::Zstd),
            _ => None,
        },
        producer_id_expiration_ms: i64::from(broker.producer_id_expiration_ms()),
        flush_messages: effective.long("flush.messages"),
    }
}
