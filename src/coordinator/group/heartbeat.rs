//! Heartbeat.

use super::classic_group::ClassicGroup;
use super::context::Context;
use super::group_state::GroupState;
use crate::protocol::ErrorCode;
use crate::protocol::messages::heartbeat_request::HeartbeatRequest;

impl ClassicGroup {
    /// A sign of life; REBALANCE_IN_PROGRESS tells the member to join again.
    pub fn heartbeat(
        &mut self,
        context: &mut Context,
        request: &HeartbeatRequest,
    ) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.reschedule_session(context, &request.member_id);
        match self.state {
            GroupState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            // A consumer heartbeats as soon as it has its JoinGroup answer.
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
            GroupState::Empty => Err(ErrorCode::UnknownMemberId),
        }
    }
}
