//! Configs as DescribeConfigs shows them.

use super::broker::{BROKER_CONFIGS, BrokerConfigs};
use super::definition::{ConfigDefinition, ConfigType};
use super::topic::{TOPIC_CONFIGS, TopicConfigs};
use crate::protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsSynonym,
};

/// One config of a topic or a broker, as DescribeConfigs and CreateTopics answer it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: &'static str,
    /// What holds.
    pub value: Option<String>,
    /// Where that was set.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// What its values are.
    pub config_type: ConfigType,
    /// What would hold, first to last, if the ones before were not set.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it means.
    pub documentation: &'static str,
}

/// One place where a config can be set, and what is set there.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigSynonym {
    /// The name in that place.
    pub name: &'static str,
    /// The value there.
    pub value: String,
    /// The place.
    pub source: ConfigSource,
}

/// Where a config was set; the numbers of DescribeConfigs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// On the topic.
    DynamicTopicConfig = 1,
    /// On the broker, when it was started.
    StaticBrokerConfig = 4,
    /// Nowhere.
    DefaultConfig = 5,
}

impl ConfigSource {
    /// The number of DescribeConfigs.
    pub const fn code(self) -> i8 {
        self as i8
    }
}

impl ConfigType {
    /// The number of DescribeConfigs (`DescribeConfigsResponse.ConfigType`).
    pub const fn code(self) -> i8 {
        match self {
            ConfigType::Boolean => 1,
            ConfigType::String => 2,
            ConfigType::Int => 3,
            ConfigType::Short => 4,
            ConfigType::Long => 5,
            ConfigType::Double => 6,
            ConfigType::List => 7,
        }
    }
}

impl ConfigEntry {
    /// The entry as DescribeConfigs answers it. No config here is a secret.
    pub fn to_result(
        &self,
        include_synonyms: bool,
        include_documentation: bool,
    ) -> DescribeConfigsResourceResult {
        let synonyms = self.synonyms.iter().filter(|_| include_synonyms);
        DescribeConfigsResourceResult {
            name: self.name.to_string(),
            value: self.value.clone(),
            read_only: self.read_only,
            config_source: self.source.code(),
            is_sensitive: false,
            synonyms: synonyms
                .map(|synonym| DescribeConfigsSynonym {
                    name: synonym.name.to_string(),
                    value: Some(synonym.value.clone()),
                    source: synonym.source.code(),
                    ..Default::default()
                })
                .collect(),
            config_type: self.config_type.code(),
            documentation: include_documentation.then(|| self.documentation.to_string()),
            ..Default::default()
        }
    }
}

/// Every config of a topic on which `configs` are set.
pub fn describe_topic(configs: &TopicConfigs, broker: &BrokerConfigs) -> Vec<ConfigEntry> {
    let described = TOPIC_CONFIGS
        .iter()
        .filter(|definition| !definition.internal);
    described
        .map(|definition| {
            let mut synonyms = Vec::new();
            if let Some(value) = configs.get(definition.name) {
                synonyms.push(ConfigSynonym {
                    name: definition.name,
                    value: definition.parse(value).unwrap_or_else(|_| value.clone()),
                    source: ConfigSource::DynamicTopicConfig,
                });
            }
            if let Some(name) = definition.broker_name {
                synonyms.extend(broker_synonyms(name, definition, broker));
            }
            entry(definition, definition.name, false, synonyms)
        })
        .collect()
}

/// Every config of a broker that was started with `broker`. None of them can be changed.
pub fn describe_broker(broker: &BrokerConfigs) -> Vec<ConfigEntry> {
    let own = BROKER_CONFIGS
        .iter()
        .map(|definition| (definition.name, definition));
    let of_topics = TOPIC_CONFIGS
        .iter()
        .filter_map(|definition| definition.broker_name.map(|name| (name, definition)));
    own.chain(of_topics)
        .map(|(name, definition)| {
            entry(
                definition,
                name,
                true,
                broker_synonyms(name, definition, broker),
            )
        })
        .collect()
}

fn entry(
    definition: &'static ConfigDefinition,
    name: &'static str,
    read_only: bool,
    synonyms: Vec<ConfigSynonym>,
) -> ConfigEntry {
    let first = synonyms.first();
    ConfigEntry {
        name,
        value: match first {
            Some(synonym) => Some(synonym.value.clone()),
            None => definition.default.map(str::to_string),
        },
        source: first.map_or(ConfigSource::DefaultConfig, |synonym| synonym.source),
        read_only,
        config_type: definition.config_type,
        synonyms,
        documentation: definition.documentation,
    }
}

fn broker_synonyms(
    name: &'static str,
    definition: &'static ConfigDefinition,
    broker: &BrokerConfigs,
) -> Vec<ConfigSynonym> {
    let set = broker
        .set(name)
        .map(|value| (value, ConfigSource::StaticBrokerConfig));
    let default = definition
        .default
        .map(|value| (value, ConfigSource::DefaultConfig));
    [set, default]
        .into_iter()
        .flatten()
        .map(|(value, source)| ConfigSynonym {
            name,
            value: value.to_string(),
            source,
        })
        .collect()
}
