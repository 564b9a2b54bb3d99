//! Which brokers get the replicas of a new partition.

use super::refusal::{Refusal, repeated};
use crate::metadata::image::{MetadataImage, PartitionImage};
use crate::protocol::ErrorCode;

/// Partitions of a cluster, and of one request. Kafka has the second limit alone
/// (`ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`); here the first bounds the snapshot of
/// the metadata, which is one batch.
pub const PARTITIONS_MAX: usize = 10_000;

/// Spreads `count` partitions from index `first` over the brokers: as Kafka's striped placement,
/// but from the lowest broker id on, so that it can be foretold.
pub(super) fn place(
    image: &MetadataImage,
    first: i32,
    count: i32,
    replication_factor: i32,
) -> Result<Vec<PartitionImage>, Refusal> {
    let live: Vec<i32> = image
        .brokers()
        .filter(|(_, broker)| !broker.fenced)
        .map(|(id, _)| id)
        .collect();
    if replication_factor as usize > live.len() {
        let message = format!(
            "Unable to replicate the partition {replication_factor} time(s): The target \
             replication factor of {replication_factor} cannot be reached because only {} \
             broker(s) are registered.",
            live.len()
        );
        return Err((ErrorCode::InvalidReplicationFactor, message));
    }
    let partitions = (first..first + count).map(|index| {
        let replicas = (0..replication_factor)
            .map(|replica| live[(index + replica) as usize % live.len()])
            .collect();
        new_partition(image, replicas)
    });
    Ok(partitions.collect())
}

/// Whether a client's choice of replicas can be followed (`validateManualPartitionAssignment`).
pub(super) fn check_replicas(
    image: &MetadataImage,
    replicas: &[i32],
    replication_factor: usize,
) -> Result<(), Refusal> {
    let invalid = |what: String| {
        let message = format!("The manual partition assignment includes {what}");
        Err((ErrorCode::InvalidReplicaAssignment, message))
    };
    if replicas.is_empty() {
        return invalid("an empty replica list.".to_string());
    }
    if let Some(id) = replicas.iter().find(|id| image.broker(**id).is_none()) {
        return invalid(format!("broker {id}, but no such broker is registered."));
    }
    if let Some(id) = repeated(replicas.iter()).first() {
        return invalid(format!("the broker {id} more than once."));
    }
    if replicas.len() != replication_factor {
        return invalid(format!(
            "a partition with {} replica(s), but this is not consistent with previous partitions, \
             which have {replication_factor} replica(s).",
            replicas.len()
        ));
    }
    if !replicas.iter().any(|id| is_live(image, *id)) {
        let message = "All brokers specified in the manual partition assignment are fenced or in \
                       controlled shutdown.";
        return Err((ErrorCode::InvalidReplicaAssignment, message.to_string()));
    }
    Ok(())
}

fn is_live(image: &MetadataImage, broker_id: i32) -> bool {
    image.broker(broker_id).is_some_and(|broker| !broker.fenced)
}

/// A partition whose live replicas, of which there is one at least, are in sync: all are empty.
pub(super) fn new_partition(image: &MetadataImage, replicas: Vec<i32>) -> PartitionImage {
    let isr: Vec<i32> = replicas
        .iter()
        .copied()
        .filter(|id| is_live(image, *id))
        .collect();
    PartitionImage {
        leader: isr[0],
        replicas,
        isr,
        leader_epoch: 0,
        partition_epoch: 0,
    }
}

/// Whether a cluster of `before` partitions may have `more`.
pub(super) fn check_partition_count(before: usize, more: usize) -> Result<(), Refusal> {
    if more > PARTITIONS_MAX {
        let message = "Excessively large number of partitions per request.".to_string();
        return Err((ErrorCode::PolicyViolation, message));
    }
    if before + more > PARTITIONS_MAX {
        let message = format!("A cluster may have {PARTITIONS_MAX} partitions.");
        return Err((ErrorCode::PolicyViolation, message));
    }
    Ok(())
}
