//! InitProducerId (key 22): hands out producer ids from the controller's blocks.

use super::delayed::{Delayed, Wake};
use super::purgatory::{Parked, Watch};
use super::{Broker, Progress};
use crate::now::{Instant, Now};
use crate::protocol::messages::init_producer_id_request::InitProducerIdRequest;
use crate::protocol::messages::init_producer_id_response::InitProducerIdResponse;
use crate::protocol::{ErrorCode, Response};
use std::collections::BTreeSet;

/// How long the controller may take to give producer ids, before the client is to ask again.
const PRODUCER_IDS_WAIT_MS_MAX: u64 = 5_000;

pub(super) fn handle(broker: &mut Broker, now: Now, request: InitProducerIdRequest) -> Progress {
    if request.transactional_id.is_some() {
        return refused(ErrorCode::InvalidRequest);
    }
    let deadline = Some(now.monotonic + PRODUCER_IDS_WAIT_MS_MAX);
    advance(broker, deadline, Wake::Moved(Watch::ProducerIds))
}

/// Answers with a producer id, or waits for one.
///
/// KIP-360: a producer without a transactional id that lost its sequence gets a fresh id, whose
/// epoch is 0; nothing of the old id is looked up.
pub(super) fn advance(broker: &mut Broker, deadline: Option<Instant>, wake: Wake<'_>) -> Progress {
    match (wake, broker.metadata.take_producer_id()) {
        (_, Some(producer_id)) => {
            Progress::Respond(Response::InitProducerId(InitProducerIdResponse {
                producer_id,
                producer_epoch: 0,
                ..Default::default()
            }))
        }
        // The one reason that the user can do something about.
        (Wake::NoProducerIds(ErrorCode::KafkaStorageError), None) => {
            refused(ErrorCode::KafkaStorageError)
        }
        // `RPCProducerIdManager.generateProducerId`: the client tries again.
        (Wake::NoProducerIds(_) | Wake::Deadline, None) => {
            refused(ErrorCode::CoordinatorLoadInProgress)
        }
        (Wake::Moved(_) | Wake::RolledBack(..), None) => Progress::Park(Parked {
            operation: Delayed::InitProducerId,
            deadline,
            watches: BTreeSet::from([Watch::ProducerIds]),
        }),
    }
}

fn refused(error: ErrorCode) -> Progress {
    Progress::Respond(Response::InitProducerId(InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }))
}
