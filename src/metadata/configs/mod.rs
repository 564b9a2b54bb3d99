//! Kafka's configs of topics and brokers: names, types, defaults, validation, description.

mod broker;
mod definition;
mod describe;
mod double;
mod log_config;
mod topic;

#[cfg(test)]
mod tests;

pub use broker::{BROKER_CONFIGS, BrokerConfigs};
pub use definition::{ConfigDefinition, ConfigError, ConfigType, Supported, Validator};
pub use describe::{ConfigEntry, ConfigSource, describe_broker, describe_topic};
pub use log_config::log_config;
pub use topic::{
    TOPIC_CONFIGS, TopicConfigs, min_insync_replicas, topic_config, validate_topic_configs,
};
