//! Kafka clients as state machines: producer, consumer, admin.
//!
//! Each takes [`ClientEvent`]s and returns [`ClientEffect`]s; it has no clock, no sockets and no
//! randomness but a seed. It speaks Kafka's protocol and nothing else, so the same client works
//! with our broker and with any other.

mod cluster;
mod config;
mod error;
mod event;
mod machine;
mod metadata_cache;
mod network;
mod request_watch;
mod retry;

pub mod admin;
pub mod consumer;
pub mod producer;

pub use admin::Admin;
pub use config::{BrokerAddress, ClientConfig, TopicPartition};
pub use consumer::Consumer;
pub use error::{ErrorKind, KafkaError};
pub use event::{ClientEffect, ClientEvent, CommandId, ConnectionId};
pub use machine::ClientMachine;
pub use metadata_cache::{BrokerMetadata, PartitionMetadata, TopicMetadata};
pub use producer::Producer;
pub use request_watch::{NetworkEvent, RequestWatch, SentRequest};
pub use retry::RetryConfig;
