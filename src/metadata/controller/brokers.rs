//! Registration of brokers, and what it does to their partitions.

use super::Outcome;
use crate::metadata::image::{
    BrokerImage, Endpoint, LEADER_UNCHANGED, MetadataImage, NO_LEADER, PartitionImage,
};
use crate::metadata::producer_ids::PRODUCER_ID_BLOCK_SIZE;
use crate::protocol::messages::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::protocol::messages::allocate_producer_ids_response::AllocateProducerIdsResponse;
use crate::protocol::messages::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::protocol::messages::broker_heartbeat_response::BrokerHeartbeatResponse;
use crate::protocol::messages::broker_registration_change_record::BrokerRegistrationChangeRecord;
use crate::protocol::messages::broker_registration_request::BrokerRegistrationRequest;
use crate::protocol::messages::broker_registration_response::BrokerRegistrationResponse;
use crate::protocol::messages::partition_change_record::PartitionChangeRecord;
use crate::protocol::messages::producer_ids_record::ProducerIdsRecord;
use crate::protocol::messages::unregister_broker_record::UnregisterBrokerRecord;
use crate::protocol::messages::unregister_broker_request::UnregisterBrokerRequest;
use crate::protocol::messages::unregister_broker_response::UnregisterBrokerResponse;
use crate::protocol::{ErrorCode, MetadataRecord, Response, Uuid};

/// Registers a broker at `offset`, which becomes its epoch.
///
/// A new incarnation leaves every ISR, since nobody knows what its crash took from its log, unless
/// it is the only replica in sync: then what it has is all there is. What it leads after that gets
/// a new leader epoch. As in Kafka, the same incarnation has lost nothing by registering again.
///
/// Unlike Kafka's, a broker is not fenced at first, nor for missed heartbeats: that it lives is
/// known by the lock that it holds.
pub(super) fn register(
    image: &MetadataImage,
    cluster_id: &str,
    offset: i64,
    request: &BrokerRegistrationRequest,
) -> Outcome {
    if request.cluster_id != cluster_id {
        return Outcome::refused(registration_response(ErrorCode::InconsistentClusterId, -1));
    }
    let endpoints = request.listeners.iter().map(|listener| Endpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let broker = BrokerImage {
        incarnation_id: request.incarnation_id,
        epoch: offset,
        endpoints: endpoints.collect(),
        rack: request.rack.clone(),
        fenced: false,
    };
    let known = image.broker(request.broker_id);
    let is_new_incarnation =
        known.is_none_or(|known| known.incarnation_id != request.incarnation_id);
    let mut records = vec![MetadataRecord::RegisterBroker(
        broker.to_record(request.broker_id),
    )];
    let change = match is_new_incarnation {
        true => BrokerChange::Restarted,
        false => BrokerChange::Registered,
    };
    records.extend(partition_changes(image, request.broker_id, change));
    Outcome {
        records,
        response: registration_response(ErrorCode::None, offset),
    }
}

fn registration_response(error: ErrorCode, broker_epoch: i64) -> Response {
    Response::BrokerRegistration(BrokerRegistrationResponse {
        error_code: error.code(),
        broker_epoch,
        ..Default::default()
    })
}

/// Answers a heartbeat: fences a broker that wants to be, or to shut down; unfences one that does
/// not.
pub(super) fn heartbeat(
    image: &MetadataImage,
    high_watermark: i64,
    request: &BrokerHeartbeatRequest,
) -> Outcome {
    let broker = match registered(image, request.broker_id, request.broker_epoch) {
        Ok(broker) => broker,
        Err(error) => {
            return Outcome::refused(Response::BrokerHeartbeat(BrokerHeartbeatResponse {
                error_code: error.code(),
                ..Default::default()
            }));
        }
    };
    let is_fenced = request.want_fence || request.want_shut_down;
    let mut records = Vec::new();
    if is_fenced != broker.fenced {
        records.push(MetadataRecord::BrokerRegistrationChange(
            BrokerRegistrationChangeRecord {
                broker_id: request.broker_id,
                broker_epoch: request.broker_epoch,
                fenced: if is_fenced { 1 } else { -1 },
                ..Default::default()
            },
        ));
        let change = match is_fenced {
            true => BrokerChange::Gone,
            false => BrokerChange::Registered,
        };
        records.extend(partition_changes(image, request.broker_id, change));
    }
    Outcome {
        records,
        response: Response::BrokerHeartbeat(BrokerHeartbeatResponse {
            is_caught_up: request.current_metadata_offset + 1 >= high_watermark,
            is_fenced,
            should_shut_down: request.want_shut_down,
            ..Default::default()
        }),
    }
}

/// Removes a broker from the cluster. Its partitions go to others in sync, or have no leader.
pub(super) fn unregister(image: &MetadataImage, request: &UnregisterBrokerRequest) -> Outcome {
    let Some(broker) = image.broker(request.broker_id) else {
        return Outcome::refused(Response::UnregisterBroker(UnregisterBrokerResponse {
            error_code: ErrorCode::BrokerIdNotRegistered.code(),
            error_message: Some(format!(
                "Broker ID {} is not currently registered",
                request.broker_id
            )),
            ..Default::default()
        }));
    };
    let mut records = vec![MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
        broker_id: request.broker_id,
        broker_epoch: broker.epoch,
        ..Default::default()
    })];
    records.extend(partition_changes(
        image,
        request.broker_id,
        BrokerChange::Gone,
    ));
    Outcome {
        records,
        response: Response::UnregisterBroker(UnregisterBrokerResponse {
            error_message: None,
            ..Default::default()
        }),
    }
}

/// Gives a broker the next block of producer ids.
pub(super) fn allocate_producer_ids(
    image: &MetadataImage,
    request: &AllocateProducerIdsRequest,
) -> Outcome {
    if let Err(error) = registered(image, request.broker_id, request.broker_epoch) {
        return Outcome::refused(Response::AllocateProducerIds(AllocateProducerIdsResponse {
            error_code: error.code(),
            ..Default::default()
        }));
    }
    let start = image.next_producer_id();
    // `checked_add` fails after 2^63 ids; Kafka answers the same.
    let Some(next_producer_id) = start.checked_add(PRODUCER_ID_BLOCK_SIZE) else {
        return Outcome::refused(Response::AllocateProducerIds(AllocateProducerIdsResponse {
            error_code: ErrorCode::UnknownServerError.code(),
            ..Default::default()
        }));
    };
    Outcome {
        records: vec![MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id,
            ..Default::default()
        })],
        response: Response::AllocateProducerIds(AllocateProducerIdsResponse {
            producer_id_start: start,
            producer_id_len: PRODUCER_ID_BLOCK_SIZE as i32,
            ..Default::default()
        }),
    }
}

pub(super) fn registered(
    image: &MetadataImage,
    broker_id: i32,
    broker_epoch: i64,
) -> Result<&BrokerImage, ErrorCode> {
    let broker = image
        .broker(broker_id)
        .ok_or(ErrorCode::BrokerIdNotRegistered)?;
    match broker.epoch == broker_epoch {
        true => Ok(broker),
        false => Err(ErrorCode::StaleBrokerEpoch),
    }
}

/// What happened to a broker, for its partitions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BrokerChange {
    /// It is here with all that it had: it may lead what nobody leads.
    Registered,
    /// It has come back, and may have lost something.
    Restarted,
    /// It cannot lead.
    Gone,
}

/// What a change of a broker means for its partitions.
fn partition_changes(
    image: &MetadataImage,
    broker_id: i32,
    change: BrokerChange,
) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for topic in image.topics() {
        for (index, partition) in &topic.partitions {
            if partition.replicas.contains(&broker_id) {
                let record =
                    partition_change(image, topic.topic_id, *index, partition, broker_id, change);
                records.extend(record.map(MetadataRecord::PartitionChange));
            }
        }
    }
    records
}

fn partition_change(
    image: &MetadataImage,
    topic_id: Uuid,
    partition_id: i32,
    partition: &PartitionImage,
    broker_id: i32,
    change: BrokerChange,
) -> Option<PartitionChangeRecord> {
    let leaves_isr = change != BrokerChange::Registered
        && partition.isr.contains(&broker_id)
        && partition.isr.len() > 1;
    let isr: Vec<i32> = match leaves_isr {
        true => partition
            .isr
            .iter()
            .copied()
            .filter(|id| *id != broker_id)
            .collect(),
        false => partition.isr.clone(),
    };
    let may_lead = |id: i32| {
        isr.contains(&id)
            && match id == broker_id {
                true => change != BrokerChange::Gone,
                false => image.broker(id).is_some_and(|broker| !broker.fenced),
            }
    };
    let loses_leader = partition.leader == broker_id && change != BrokerChange::Registered;
    let leader = if loses_leader || partition.leader == NO_LEADER {
        let elected = Some(broker_id)
            .filter(|id| may_lead(*id))
            .or_else(|| partition.replicas.iter().copied().find(|id| may_lead(*id)))
            .unwrap_or(NO_LEADER);
        match elected == NO_LEADER && partition.leader == NO_LEADER {
            true => LEADER_UNCHANGED,
            false => elected,
        }
    } else {
        LEADER_UNCHANGED
    };
    if leader == LEADER_UNCHANGED && !leaves_isr {
        return None;
    }
    Some(PartitionChangeRecord {
        partition_id,
        topic_id,
        isr: leaves_isr.then_some(isr),
        leader,
        ..Default::default()
    })
}
