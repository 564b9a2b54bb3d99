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
pub use producer_ids::PRODUCER_ID_BLOCK_SIZE;
pub use records::{MetadataError, decode_batch, encode_batch};
pub use topic_name::validate_topic_name;

use crate::protocol::Uuid;

/// The topic of the metadata log. Clients cannot create or read it.
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// The id of [`CLUSTER_METADATA_TOPIC`] (`Uuid.METADATA_TOPIC_ID`).
pub const CLUSTER_METADATA_TOPIC_ID: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/// The topic of committed offsets and groups. Clients may read it, not write it.
pub const CONSUMER_OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The topic of transactions.
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";

/// Whether clients may not write the topic (`Topic.isInternal`).
pub fn is_internal_topic(name: &str) -> bool {
    matches!(name, CONSUMER_OFFSETS_TOPIC | TRANSACTION_STATE_TOPIC)
}
