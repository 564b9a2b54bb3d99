//! The options of a client as the page gives them. Names and defaults are KafkaJS's.

use super::error;
use crate::client::consumer::{
    Assignor, AutoCommit, ConsumerConfig, IsolationLevel, OfferedAssignor, OffsetReset,
};
use crate::client::producer::ProducerConfig;
use crate::client::{BrokerAddress, ClientConfig, RetryConfig};
use serde::Deserialize;
use wasm_bindgen::JsValue;

/// Options that producer, consumer and admin share.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientOptions {
    client_id: String,
    connection_timeout: u64,
    request_timeout: u64,
    metadata_max_age: u64,
    allow_auto_topic_creation: bool,
    retry: RetryOptions,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let config = ClientConfig::default();
        ClientOptions {
            client_id: config.client_id,
            connection_timeout: config.connection_timeout_ms,
            request_timeout: config.request_timeout_ms,
            metadata_max_age: config.metadata_max_age_ms,
            allow_auto_topic_creation: config.allow_auto_topic_creation,
            retry: RetryOptions::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RetryOptions {
    initial_retry_time: u64,
    max_retry_time: u64,
    factor: f64,
    multiplier: f64,
    retries: u32,
}

impl Default for RetryOptions {
    fn default() -> Self {
        let config = RetryConfig::default();
        RetryOptions {
            initial_retry_time: config.initial_retry_time_ms,
            max_retry_time: config.max_retry_time_ms,
            factor: config.factor,
            multiplier: config.multiplier,
            retries: config.retries,
        }
    }
}

impl ClientOptions {
    /// The client's own form of the options.
    pub fn config(self) -> ClientConfig {
        ClientConfig {
            client_id: self.client_id,
            // The edge reaches the cluster whatever the address; the metadata name the real ones.
            brokers: vec![BrokerAddress {
                host: "localhost".to_owned(),
                port: 9092,
            }],
            connection_timeout_ms: self.connection_timeout,
            request_timeout_ms: self.request_timeout,
            metadata_max_age_ms: self.metadata_max_age,
            allow_auto_topic_creation: self.allow_auto_topic_creation,
            retry: RetryConfig {
                initial_retry_time_ms: self.retry.initial_retry_time,
                max_retry_time_ms: self.retry.max_retry_time,
                factor: self.retry.factor,
                multiplier: self.retry.multiplier,
                retries: self.retry.retries,
            },
        }
    }
}

/// Options of a producer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerOptions {
    client: ClientOptions,
    linger_ms: u64,
    batch_size: usize,
    max_request_size: Option<usize>,
    buffer_memory: usize,
    delivery_timeout: u64,
    idempotent: Option<bool>,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        let config = ProducerConfig::default();
        ProducerOptions {
            client: ClientOptions::default(),
            linger_ms: config.linger_ms,
            batch_size: config.batch_size_bytes,
            max_request_size: None,
            buffer_memory: config.buffer_memory_bytes,
            delivery_timeout: config.delivery_timeout_ms,
            idempotent: config.idempotent,
        }
    }
}

impl ProducerOptions {
    /// The producer's own form of the options.
    pub fn config(self) -> ProducerConfig {
        let defaults = ProducerConfig::default();
        let max_request_size = self.max_request_size;
        ProducerConfig {
            client: self.client.config(),
            linger_ms: self.linger_ms,
            batch_size_bytes: self.batch_size,
            max_request_size_bytes: max_request_size.unwrap_or(defaults.max_request_size_bytes),
            max_record_size_bytes: max_request_size.unwrap_or(defaults.max_record_size_bytes),
            buffer_memory_bytes: self.buffer_memory,
            delivery_timeout_ms: self.delivery_timeout,
            idempotent: self.idempotent,
        }
    }
}

/// An assigner that a consumer offers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartitionAssigner {
    /// On the wire.
    name: String,
    /// Whether it runs here, and not in the page.
    built_in: bool,
}

impl PartitionAssigner {
    fn offered(&self) -> Result<OfferedAssignor, JsValue> {
        let name = &self.name;
        match self.built_in {
            false => Ok(OfferedAssignor::Application(name.clone())),
            true => Assignor::from_name(name)
                .map(OfferedAssignor::BuiltIn)
                .ok_or_else(|| error::invalid(&format!("there is no assignor '{name}'"))),
        }
    }
}

/// Options of a consumer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOptions {
    client: ClientOptions,
    group_id: String,
    group_instance_id: Option<String>,
    partition_assigners: Vec<PartitionAssigner>,
    session_timeout: i32,
    rebalance_timeout: i32,
    heartbeat_interval: u64,
    auto_offset_reset: String,
    auto_commit: bool,
    auto_commit_interval: Option<u64>,
    auto_commit_threshold: Option<u64>,
    max_bytes_per_partition: i32,
    min_bytes: i32,
    max_bytes: i32,
    max_wait_time_in_ms: i32,
    fetch_buffer_bytes: usize,
    read_uncommitted: bool,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        let config = ConsumerConfig::default();
        ConsumerOptions {
            client: ClientOptions::default(),
            group_id: String::new(),
            group_instance_id: None,
            partition_assigners: Vec::new(),
            session_timeout: config.session_timeout_ms,
            rebalance_timeout: config.rebalance_timeout_ms,
            heartbeat_interval: config.heartbeat_interval_ms,
            auto_offset_reset: "latest".to_owned(),
            auto_commit: true,
            auto_commit_interval: None,
            auto_commit_threshold: None,
            max_bytes_per_partition: config.max_partition_bytes,
            min_bytes: config.min_bytes,
            max_bytes: config.max_bytes,
            max_wait_time_in_ms: config.max_wait_ms,
            fetch_buffer_bytes: config.fetch_buffer_bytes,
            read_uncommitted: false,
        }
    }
}

impl ConsumerOptions {
    /// The consumer's own form of the options.
    pub fn config(self) -> Result<ConsumerConfig, JsValue> {
        let defaults = ConsumerConfig::default();
        let assignors = match self.partition_assigners.is_empty() {
            true => defaults.assignors,
            false => self
                .partition_assigners
                .iter()
                .map(PartitionAssigner::offered)
                .collect::<Result<_, _>>()?,
        };
        let auto_commit = match self.auto_commit {
            false => AutoCommit::Off,
            true => AutoCommit::AfterBatch {
                interval_ms: self.auto_commit_interval,
                threshold: self.auto_commit_threshold,
            },
        };
        Ok(ConsumerConfig {
            client: self.client.config(),
            group_id: self.group_id,
            group_instance_id: self.group_instance_id,
            assignors,
            session_timeout_ms: self.session_timeout,
            rebalance_timeout_ms: self.rebalance_timeout,
            heartbeat_interval_ms: self.heartbeat_interval,
            auto_offset_reset: offset_reset(&self.auto_offset_reset)?,
            auto_commit,
            isolation_level: match self.read_uncommitted {
                true => IsolationLevel::ReadUncommitted,
                false => IsolationLevel::ReadCommitted,
            },
            min_bytes: self.min_bytes,
            max_bytes: self.max_bytes,
            max_partition_bytes: self.max_bytes_per_partition,
            max_wait_ms: self.max_wait_time_in_ms,
            fetch_buffer_bytes: self.fetch_buffer_bytes,
        })
    }
}

/// Reads a value of `auto.offset.reset`.
pub fn offset_reset(name: &str) -> Result<OffsetReset, JsValue> {
    match name {
        "earliest" => Ok(OffsetReset::Earliest),
        "latest" => Ok(OffsetReset::Latest),
        "none" => Ok(OffsetReset::None),
        _ => Err(error::invalid(&format!("'{name}' is no auto.offset.reset"))),
    }
}
