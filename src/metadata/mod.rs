//! The cluster's metadata: the controller that writes it, the log it is kept in, the image that
//! every node folds from it, and the configs of topics and brokers.
//!
//! `__cluster_metadata` is KRaft's log in KRaft's records (KIP-500, KIP-631), kept by one
//! controller instead of a quorum.

pub mod configs;
mod controller;
mod error_response;
mod follower;
mod image;
mod internal_topic;
mod producer_ids;
mod records;
mod topic_name;

#[cfg(test)]
mod tests;

pub use controller::{Controller, ControllerConfig, PARTITIONS_MAX};
pub use error_response::error_response;
pub use follower::{FollowerEvent, MetadataFollower, Registration};
pub use image::{
    BrokerImage, Change, Endpoint, ImageError, MetadataImage, NO_LEADER, PartitionImage, TopicImage,
};
pub use internal_topic::{
    CONSUMER_OFFSETS_TOPIC, TRANSACTION_STATE_TOPIC, consumer_offsets_topic, is_internal_topic,
};
pub use producer_ids::PRODUCER_ID_BLOCK_SIZE;
pub use records::{MetadataError, decode_batch, encode_batch};
pub use topic_name::validate_topic_name;

use crate::protocol::Uuid;
use controller::RECOVERING;

/// The topic of the metadata log. Clients cannot create or read it.
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// The id of [`CLUSTER_METADATA_TOPIC`] (`Uuid.METADATA_TOPIC_ID`).
pub const CLUSTER_METADATA_TOPIC_ID: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
