//! InitProducerId (key 22): hands out producer ids from the controller's blocks.

use super::connections::RequestContext;
use super::purgatory::Parked;
use super::{Broker, Delayed, Progress};
use crate::protocol::messages::init_producer_id_request::InitProducerIdRequest;
use crate::protocol::messages::init_producer_id_response::InitProducerIdResponse;
use crate::protocol::{ErrorCode, Response};

pub(super) fn handle(
    broker: &mut Broker,
    context: &RequestContext,
    request: InitProducerIdRequest,
) -> Progress {
    if request.transactional_id.is_some() {
        return Progress::Respond(Response::InitProducerId(InitProducerIdResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        }));
    }
    // KIP-360: a producer without a transactional id that lost its sequence gets a fresh id, whose
    // epoch is 0; nothing of the old id is looked up.
    match broker.metadata.take_producer_id() {
        Some(producer_id) => Progress::Respond(initialised(producer_id)),
        None => {
            broker.awaiting_producer_ids.push_back(context.token);
            Progress::Park(Parked {
                operation: Delayed::InitProducerId,
                deadline: None,
                watches: Default::default(),
            })
        }
    }
}

impl Broker {
    /// The controller has given ids: those who wait get theirs.
    pub(super) fn hand_out_producer_ids(&mut self) {
        while let Some(token) = self.awaiting_producer_ids.front().copied() {
            if self.connections.context(token).is_none() {
                self.awaiting_producer_ids.pop_front();
                continue;
            }
            let Some(producer_id) = self.metadata.take_producer_id() else {
                return;
            };
            self.awaiting_producer_ids.pop_front();
            self.purgatory.take(token);
            self.respond(token, &initialised(producer_id));
        }
    }
}

fn initialised(producer_id: i64) -> Response {
    Response::InitProducerId(InitProducerIdResponse {
        producer_id,
        producer_epoch: 0,
        ..Default::default()
    })
}
