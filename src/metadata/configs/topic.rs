//! The configs of a topic.

use super::broker::BrokerConfigs;
use super::definition::ConfigType::{Boolean, Double, Int, List, Long, String as Text};
use super::definition::Validator::{Any, AtLeast, Between, BetweenOr, OneOf, ThrottledReplicas};
use super::definition::{ConfigDefinition, ConfigError};
use std::collections::BTreeMap;

/// What was set on a topic, by name. Everything else has its default.
pub type TopicConfigs = BTreeMap<String, String>;

const FOREVER: &str = "9223372036854775807";
const NO_FILES: &str = "Not to be changed: there are no segment files here.";
const NO_TIERS: &str = "Not to be changed: there is no tiered storage here.";
const ONE_LEVEL: &str = "Not to be changed: the codec compresses at its one level.";
const FILES: &str = "there are no segment files here";
const TIERS: &str = "there is no tiered storage here";
const NO_LEVELS: &str = "the codec has one level here";
const NO_QUOTAS: &str = "replication is not throttled here";

const fn config(
    name: &'static str,
    config_type: super::ConfigType,
    default: &'static str,
    validator: super::Validator,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition::new(name, config_type, default, validator, documentation)
}

/// Every topic config of Kafka 4.3.1 (`LogConfig.CONFIG_DEF`), in its order, with its defaults.
pub const TOPIC_CONFIGS: &[ConfigDefinition] = &[
    config(
        "segment.bytes",
        Int,
        "1073741824",
        AtLeast(1_048_576),
        "Bytes after which a segment is closed. Retention and compaction work on closed segments.",
    )
    .of_broker("log.segment.bytes"),
    config(
        "segment.ms",
        Long,
        "604800000",
        AtLeast(1),
        "Milliseconds after which a segment is closed even if it is not full.",
    )
    .of_broker("log.roll.ms"),
    config(
        "segment.jitter.ms",
        Long,
        "0",
        AtLeast(0),
        "The most by which segment.ms may be shortened at random. Not to be changed.",
    )
    .of_broker("log.roll.jitter.ms")
    .only(&["0"], "segments are not rolled at random times"),
    config("segment.index.bytes", Int, "10485760", AtLeast(4), NO_FILES)
        .of_broker("log.index.size.max.bytes")
        .only(&["10485760"], FILES),
    config(
        "flush.messages",
        Long,
        FOREVER,
        AtLeast(1),
        "1: an acknowledged record survives a power cut. Otherwise it survives the death of tab, \
         worker and browser.",
    )
    .of_broker("log.flush.interval.messages")
    .only(
        &["1", FOREVER],
        "a log is flushed after every record (1) or never",
    ),
    config(
        "flush.ms",
        Long,
        FOREVER,
        AtLeast(0),
        "Flushing by time is not done here.",
    )
    .of_broker("log.flush.interval.ms")
    .only(
        &[FOREVER],
        "a log is not flushed by time; use flush.messages=1",
    ),
    config(
        "retention.bytes",
        Long,
        "-1",
        Any,
        "Bytes of a partition beyond which its oldest segments are deleted. -1: no limit.",
    )
    .of_broker("log.retention.bytes"),
    config(
        "retention.ms",
        Long,
        "604800000",
        AtLeast(-1),
        "Milliseconds after which old segments are deleted. -1: no limit.",
    )
    .of_broker("log.retention.ms"),
    config(
        "max.message.bytes",
        Int,
        "1048588",
        AtLeast(0),
        "The largest record batch that is accepted, as compressed by the producer.",
    )
    .of_broker("message.max.bytes"),
    config("index.interval.bytes", Int, "4096", AtLeast(0), NO_FILES)
        .of_broker("log.index.interval.bytes")
        .only(&["4096"], FILES),
    config(
        "delete.retention.ms",
        Long,
        "86400000",
        AtLeast(0),
        "Milliseconds for which compaction keeps tombstones.",
    )
    .of_broker("log.cleaner.delete.retention.ms"),
    config(
        "min.compaction.lag.ms",
        Long,
        "0",
        AtLeast(0),
        "Milliseconds for which a record stays out of compaction at least.",
    )
    .of_broker("log.cleaner.min.compaction.lag.ms"),
    config(
        "max.compaction.lag.ms",
        Long,
        FOREVER,
        AtLeast(1),
        "Milliseconds for which a record stays out of compaction at most.",
    )
    .of_broker("log.cleaner.max.compaction.lag.ms"),
    config("file.delete.delay.ms", Long, "60000", AtLeast(0), NO_FILES)
        .of_broker("log.segment.delete.delay.ms")
        .only(&["60000"], FILES),
    config(
        "min.cleanable.dirty.ratio",
        Double,
        "0.5",
        Between(0, 1),
        "The share of a log that must be uncompacted before it is compacted.",
    )
    .of_broker("log.cleaner.min.cleanable.ratio"),
    config(
        "cleanup.policy",
        List,
        "delete",
        OneOf(&["compact", "delete"]),
        "delete: old segments go by retention. compact: the last record of every key stays. \
         Both may be given; none keeps everything.",
    )
    .of_broker("log.cleanup.policy"),
    config(
        "unclean.leader.election.enable",
        Boolean,
        "false",
        Any,
        "Whether a replica that is not in sync may become the leader.",
    )
    .of_broker("unclean.leader.election.enable")
    .only(
        &["false"],
        "a replica that is not in sync never becomes the leader",
    ),
    config(
        "min.insync.replicas",
        Int,
        "1",
        AtLeast(1),
        "How many replicas must be in sync for a write with acks=all.",
    )
    .of_broker("min.insync.replicas"),
    config(
        "compression.type",
        Text,
        "producer",
        OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "The codec in which batches are stored. producer: as the producer compressed them.",
    )
    .of_broker("compression.type"),
    config(
        "compression.gzip.level",
        Int,
        "-1",
        BetweenOr(1, 9, -1),
        ONE_LEVEL,
    )
    .of_broker("compression.gzip.level")
    .only(&["-1"], NO_LEVELS),
    config("compression.lz4.level", Int, "9", Between(1, 17), ONE_LEVEL)
        .of_broker("compression.lz4.level")
        .only(&["9"], NO_LEVELS),
    config(
        "compression.zstd.level",
        Int,
        "3",
        Between(-131_072, 22),
        ONE_LEVEL,
    )
    .of_broker("compression.zstd.level")
    .only(&["3"], NO_LEVELS),
    config("preallocate", Boolean, "false", Any, NO_FILES)
        .of_broker("log.preallocate")
        .only(&["false"], "there are no segment files to preallocate"),
    config(
        "message.timestamp.type",
        Text,
        "CreateTime",
        OneOf(&["CreateTime", "LogAppendTime"]),
        "Whether a record keeps the producer's timestamp or gets the broker's.",
    )
    .of_broker("log.message.timestamp.type"),
    config(
        "message.timestamp.before.max.ms",
        Long,
        FOREVER,
        AtLeast(0),
        "By how many milliseconds a producer's timestamp may lie before the broker's clock.",
    )
    .of_broker("log.message.timestamp.before.max.ms"),
    config(
        "message.timestamp.after.max.ms",
        Long,
        "3600000",
        AtLeast(0),
        "By how many milliseconds a producer's timestamp may lie after the broker's clock.",
    )
    .of_broker("log.message.timestamp.after.max.ms"),
    config(
        "leader.replication.throttled.replicas",
        List,
        "",
        ThrottledReplicas,
        "Replicas whose leader throttles replication. Not served here.",
    )
    .only(&[""], NO_QUOTAS),
    config(
        "follower.replication.throttled.replicas",
        List,
        "",
        ThrottledReplicas,
        "Replicas that throttle their replication. Not served here.",
    )
    .only(&[""], NO_QUOTAS),
    config(
        REMOTE_STORAGE_ENABLE,
        Boolean,
        "false",
        Any,
        "Tiered storage does not exist here.",
    ),
    config("local.retention.ms", Long, "-2", AtLeast(-2), NO_TIERS)
        .of_broker("log.local.retention.ms")
        .only(&["-2"], TIERS),
    config("local.retention.bytes", Long, "-2", AtLeast(-2), NO_TIERS)
        .of_broker("log.local.retention.bytes")
        .only(&["-2"], TIERS),
    config("remote.log.copy.disable", Boolean, "false", Any, NO_TIERS).only(&["false"], TIERS),
    config(
        "remote.log.delete.on.disable",
        Boolean,
        "false",
        Any,
        NO_TIERS,
    )
    .only(&["false"], TIERS),
    // For tests that need many small segments, as in Kafka.
    config(
        INTERNAL_SEGMENT_BYTES,
        Int,
        "",
        AtLeast(1),
        "Overrides segment.bytes without its lower limit.",
    )
    .without_default()
    .internal(),
];

const REMOTE_STORAGE_ENABLE: &str = "remote.storage.enable";
pub(super) const INTERNAL_SEGMENT_BYTES: &str = "internal.segment.bytes";

/// The definition of the topic config `name`.
pub fn topic_config(name: &str) -> Option<&'static ConfigDefinition> {
    TOPIC_CONFIGS
        .iter()
        .find(|definition| definition.name == name)
}

/// Checks everything that is set on a topic, each config and how they fit together
/// (`LogConfig.validate`).
pub fn validate_topic_configs(
    configs: &TopicConfigs,
    broker: &BrokerConfigs,
) -> Result<(), ConfigError> {
    for name in configs.keys() {
        if topic_config(name).is_none() {
            return Err(ConfigError::UnknownTopicConfig { name: name.clone() });
        }
    }
    for (name, value) in configs {
        if let Some(definition) = topic_config(name) {
            let value = definition.parse(value)?;
            if name == REMOTE_STORAGE_ENABLE && value == "true" {
                return Err(ConfigError::TieredStorage);
            }
        }
    }
    let effective = Effective { configs, broker };
    let (min_ms, max_ms) = (
        effective.long("min.compaction.lag.ms"),
        effective.long("max.compaction.lag.ms"),
    );
    if min_ms > max_ms {
        return Err(ConfigError::CompactionLags { min_ms, max_ms });
    }
    Ok(())
}

/// `min.insync.replicas` of a topic.
pub fn min_insync_replicas(configs: &TopicConfigs, broker: &BrokerConfigs) -> i32 {
    Effective { configs, broker }.parsed("min.insync.replicas")
}

/// The configs of a topic over those of the broker over Kafka's defaults.
pub(super) struct Effective<'a> {
    pub(super) configs: &'a TopicConfigs,
    pub(super) broker: &'a BrokerConfigs,
}

impl Effective<'_> {
    pub(super) fn value(&self, name: &str) -> String {
        let definition = topic_config(name).expect("callers name configs of the table");
        if let Some(value) = self.configs.get(name)
            && let Ok(value) = definition.parse(value)
        {
            return value;
        }
        self.broker.topic_default(definition).unwrap_or_default()
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str) -> T {
        let Ok(value) = self.value(name).parse() else {
            unreachable!("{name} was checked when it was set, its default by a test")
        };
        value
    }

    pub(super) fn long(&self, name: &str) -> i64 {
        self.parsed(name)
    }
}
