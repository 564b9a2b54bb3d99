//! A partition as KafkaJS's metadata show it.

use crate::client::PartitionMetadata;
use serde::Serialize;

/// See the module.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionAnswer {
    partition_error_code: i16,
    partition_id: i32,
    /// -1 when there is none.
    leader: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    offline_replicas: Vec<i32>,
}

impl From<PartitionMetadata> for PartitionAnswer {
    fn from(partition: PartitionMetadata) -> PartitionAnswer {
        PartitionAnswer {
            partition_error_code: partition.error.code(),
            partition_id: partition.partition,
            leader: partition.leader.unwrap_or(-1),
            replicas: partition.replicas,
            isr: partition.isr,
            offline_replicas: partition.offline_replicas,
        }
    }
}
