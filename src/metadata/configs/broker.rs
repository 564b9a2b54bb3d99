//! The configs of a broker.

use super::definition::ConfigType::{self, Boolean, Int, Long, Short};
use super::definition::Validator::{self, Any, AtLeast, Between};
use super::definition::{ConfigDefinition, ConfigError};
use super::topic::TOPIC_CONFIGS;
use std::collections::BTreeMap;

const fn config(
    name: &'static str,
    config_type: ConfigType,
    default: &'static str,
    validator: Validator,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition::new(name, config_type, default, validator, documentation)
}

/// The broker configs that are honoured, besides the topics' defaults
/// ([`ConfigDefinition::broker_name`]). Defaults are those of Kafka 4.3.1 where nothing is said.
pub const BROKER_CONFIGS: &[ConfigDefinition] = &[
    config(
        "node.id",
        Int,
        "0",
        AtLeast(0),
        "The id of this broker in its cluster.",
    ),
    config(
        "num.partitions",
        Int,
        "1",
        AtLeast(1),
        "Partitions of a topic that is created without saying how many.",
    ),
    config(
        "default.replication.factor",
        Short,
        "1",
        AtLeast(1),
        "Replicas of a topic that is created without saying how many.",
    ),
    config(
        "auto.create.topics.enable",
        Boolean,
        "true",
        Any,
        "Whether a client that asks for an unknown topic may have it created.",
    ),
    config(
        "delete.topic.enable",
        Boolean,
        "true",
        Any,
        "Whether topics can be deleted.",
    ),
    config(
        "offsets.topic.num.partitions",
        Int,
        "50",
        AtLeast(1),
        "Partitions of __consumer_offsets. Not to be changed once it exists.",
    ),
    // 3 in Kafka, which a cluster of one broker must lower by hand.
    config(
        "offsets.topic.replication.factor",
        Short,
        "1",
        AtLeast(1),
        "Replicas of __consumer_offsets.",
    ),
    // 100 MiB in Kafka. A coordinator replays its whole partition, and compaction leaves the
    // active segment alone: in a page, 1 MiB bounds both.
    config(
        "offsets.topic.segment.bytes",
        Int,
        "1048576",
        AtLeast(1_048_576),
        "segment.bytes of __consumer_offsets.",
    ),
    config(
        "offsets.retention.minutes",
        Int,
        "10080",
        AtLeast(1),
        "Minutes for which committed offsets are kept after a group has become empty.",
    ),
    config(
        "offsets.retention.check.interval.ms",
        Long,
        "600000",
        AtLeast(1),
        "Milliseconds between checks for expired offsets.",
    ),
    config(
        "offset.metadata.max.bytes",
        Int,
        "4096",
        Any,
        "The longest metadata that may be committed with an offset.",
    ),
    config(
        "group.initial.rebalance.delay.ms",
        Int,
        "0",
        Any,
        "How long the first rebalance of an empty group waits for more members.",
    ),
    config(
        "group.min.session.timeout.ms",
        Int,
        "6000",
        Any,
        "The shortest session timeout that a member may ask for.",
    ),
    config(
        "group.max.session.timeout.ms",
        Int,
        "1800000",
        Any,
        "The longest session timeout that a member may ask for.",
    ),
    config(
        "group.max.size",
        Int,
        "2147483647",
        AtLeast(1),
        "How many members a group may have.",
    ),
    config(
        "fetch.max.bytes",
        Int,
        "57671680",
        AtLeast(1024),
        "The most bytes that a fetch is answered with.",
    ),
    config(
        "producer.id.expiration.ms",
        Int,
        "86400000",
        AtLeast(1),
        "Milliseconds after which a silent producer's state is forgotten.",
    ),
    config(
        "log.retention.check.interval.ms",
        Long,
        "300000",
        Between(1, i64::MAX),
        "Milliseconds between checks for segments that retention deletes.",
    ),
    config(
        "log.cleaner.backoff.ms",
        Long,
        "15000",
        AtLeast(0),
        "Milliseconds between checks for segments to compact.",
    ),
];

/// What was set on a broker when it was started. Nothing of it changes later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrokerConfigs {
    values: BTreeMap<String, String>,
}

impl BrokerConfigs {
    /// Takes configs by name. Unlike Kafka, which warns, an unknown name is an error.
    pub fn new(values: BTreeMap<String, String>) -> Result<BrokerConfigs, ConfigError> {
        let mut normal = BTreeMap::new();
        for (name, value) in values {
            let Some(definition) = definition(&name) else {
                return Err(ConfigError::UnknownBrokerConfig { name });
            };
            let value = definition
                .parse(&value)
                .map_err(|error| error.named(&name))?;
            normal.insert(name, value);
        }
        Ok(BrokerConfigs { values: normal })
    }

    /// `node.id`.
    pub fn node_id(&self) -> i32 {
        self.parsed("node.id")
    }

    /// `num.partitions`.
    pub fn num_partitions(&self) -> i32 {
        self.parsed("num.partitions")
    }

    /// `default.replication.factor`.
    pub fn default_replication_factor(&self) -> i16 {
        self.parsed("default.replication.factor")
    }

    /// `auto.create.topics.enable`.
    pub fn auto_create_topics_enable(&self) -> bool {
        self.parsed("auto.create.topics.enable")
    }

    /// `delete.topic.enable`.
    pub fn delete_topic_enable(&self) -> bool {
        self.parsed("delete.topic.enable")
    }

    /// `offsets.topic.num.partitions`.
    pub fn offsets_topic_num_partitions(&self) -> i32 {
        self.parsed("offsets.topic.num.partitions")
    }

    /// `offsets.topic.replication.factor`.
    pub fn offsets_topic_replication_factor(&self) -> i16 {
        self.parsed("offsets.topic.replication.factor")
    }

    /// `offsets.topic.segment.bytes`.
    pub fn offsets_topic_segment_bytes(&self) -> i32 {
        self.parsed("offsets.topic.segment.bytes")
    }

    /// `offsets.retention.minutes`.
    pub fn offsets_retention_minutes(&self) -> i32 {
        self.parsed("offsets.retention.minutes")
    }

    /// `offsets.retention.check.interval.ms`.
    pub fn offsets_retention_check_interval_ms(&self) -> i64 {
        self.parsed("offsets.retention.check.interval.ms")
    }

    /// `offset.metadata.max.bytes`.
    pub fn offset_metadata_max_bytes(&self) -> i32 {
        self.parsed("offset.metadata.max.bytes")
    }

    /// `group.initial.rebalance.delay.ms`.
    pub fn group_initial_rebalance_delay_ms(&self) -> i32 {
        self.parsed("group.initial.rebalance.delay.ms")
    }

    /// `group.min.session.timeout.ms`.
    pub fn group_min_session_timeout_ms(&self) -> i32 {
        self.parsed("group.min.session.timeout.ms")
    }

    /// `group.max.session.timeout.ms`.
    pub fn group_max_session_timeout_ms(&self) -> i32 {
        self.parsed("group.max.session.timeout.ms")
    }

    /// `group.max.size`.
    pub fn group_max_size(&self) -> i32 {
        self.parsed("group.max.size")
    }

    /// `fetch.max.bytes`.
    pub fn fetch_max_bytes(&self) -> i32 {
        self.parsed("fetch.max.bytes")
    }

    /// `producer.id.expiration.ms`.
    pub fn producer_id_expiration_ms(&self) -> i32 {
        self.parsed("producer.id.expiration.ms")
    }

    /// `log.retention.check.interval.ms`.
    pub fn log_retention_check_interval_ms(&self) -> i64 {
        self.parsed("log.retention.check.interval.ms")
    }

    /// `log.cleaner.backoff.ms`.
    pub fn log_cleaner_backoff_ms(&self) -> i64 {
        self.parsed("log.cleaner.backoff.ms")
    }

    /// What was set for `name`, if it was.
    pub(super) fn set(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// What a topic's config is when it is not set on the topic.
    pub(super) fn topic_default(&self, definition: &ConfigDefinition) -> Option<String> {
        definition
            .broker_name
            .and_then(|name| self.set(name))
            .or(definition.default)
            .map(str::to_string)
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str) -> T {
        let definition = definition(name).expect("callers name configs of the table");
        let value = self.set(name).or(definition.default).unwrap_or_default();
        let Ok(value) = value.parse() else {
            unreachable!("{name} was checked when it was set, its default by a test")
        };
        value
    }
}

/// The definition of the broker config `name`; for a topics' default, that of the topic config.
fn definition(name: &str) -> Option<&'static ConfigDefinition> {
    BROKER_CONFIGS
        .iter()
        .find(|definition| definition.name == name)
        .or_else(|| {
            TOPIC_CONFIGS
                .iter()
                .find(|definition| definition.broker_name == Some(name))
        })
}
