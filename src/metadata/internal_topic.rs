//! Topics that the cluster writes itself.

use super::configs::BrokerConfigs;
use crate::protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};

/// The topic of committed offsets and groups. Clients may read it, not write it.
pub const CONSUMER_OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The topic of transactions. Clients may read it, not write it.
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";

/// Whether clients may not write the topic (`Topic.isInternal`).
pub fn is_internal_topic(name: &str) -> bool {
    matches!(name, CONSUMER_OFFSETS_TOPIC | TRANSACTION_STATE_TOPIC)
}

/// What a broker asks the controller to create when a client first asks for a group coordinator
/// (`AutoTopicCreationManager`).
pub fn consumer_offsets_topic(broker: &BrokerConfigs) -> CreatableTopic {
    let segment_bytes = broker.offsets_topic_segment_bytes().to_string();
    let configs = [
        ("cleanup.policy", "compact"),
        // The coordinator's batches stay as it writes them, whatever the broker's default.
        ("compression.type", "producer"),
        ("segment.bytes", &segment_bytes),
    ];
    let configs = configs
        .into_iter()
        .map(|(name, value)| CreatableTopicConfig {
            name: name.to_string(),
            value: Some(value.to_string()),
            ..Default::default()
        });
    CreatableTopic {
        name: CONSUMER_OFFSETS_TOPIC.to_string(),
        num_partitions: broker.offsets_topic_num_partitions(),
        replication_factor: broker.offsets_topic_replication_factor(),
        configs: configs.collect(),
        ..Default::default()
    }
}
