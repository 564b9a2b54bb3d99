//! What every client is told about its cluster.

use super::retry::RetryConfig;

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokerAddress {
    /// A name that the edge understands.
    pub host: String,
    /// A port that the edge understands.
    pub port: i32,
}

/// A partition of a topic, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<String>, partition: i32) -> TopicPartition {
        TopicPartition {
            topic: topic.into(),
            partition,
        }
    }
}

/// The options that producer, consumer and admin share, with KafkaJS's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientConfig {
    /// Sent with every request, for the broker's logs and quotas.
    pub client_id: String,
    /// Brokers to ask first; the rest come from the cluster's metadata. Must not be empty.
    pub brokers: Vec<BrokerAddress>,
    /// How long connecting may take.
    pub connection_timeout_ms: u64,
    /// How long an answer may take, beyond what the request itself asks to wait.
    pub request_timeout_ms: u64,
    /// After this time metadata are read again, so that new partitions are noticed.
    pub metadata_max_age_ms: u64,
    /// Whether asking for a topic may create it (`auto.create.topics.enable` of the broker).
    pub allow_auto_topic_creation: bool,
    /// How often and when what may be tried again is.
    pub retry: RetryConfig,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            client_id: "tablog".to_string(),
            brokers: vec![BrokerAddress {
                host: "localhost".to_string(),
                port: 9092,
            }],
            connection_timeout_ms: 1_000,
            request_timeout_ms: 30_000,
            metadata_max_age_ms: 300_000,
            allow_auto_topic_creation: true,
            retry: RetryConfig::default(),
        }
    }
}
