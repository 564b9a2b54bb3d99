//! SyncGroup.

use std::collections::BTreeMap;

use super::classic_group::{ClassicGroup, park_sync, sync_error};
use super::context::Context;
use super::group_state::GroupState;
use super::outcome::Parked;
use super::records::group_metadata_record;
use crate::protocol::ErrorCode;
use crate::protocol::messages::sync_group_request::SyncGroupRequest;
use crate::protocol::messages::sync_group_response::SyncGroupResponse;

impl ClassicGroup {
    /// Takes the leader's assignment; gives a member its own, or parks it until it is there.
    pub fn sync(&mut self, context: &mut Context, parked: Parked, request: SyncGroupRequest) {
        if let Err(error) = self.validate_sync(&request) {
            return context.outcome.reply_sync(parked, sync_error(error));
        }
        let member_id = request.member_id.as_str();
        match self.state {
            GroupState::Empty | GroupState::PreparingRebalance => {
                context
                    .outcome
                    .reply_sync(parked, sync_error(ErrorCode::RebalanceInProgress));
            }
            GroupState::CompletingRebalance => {
                if let Some(member) = self.members.get_mut(member_id) {
                    park_sync(context, member, parked);
                }
                self.remove_pending_sync_member(context, member_id);
                if self.is_leader(member_id) {
                    self.assign(context, request);
                }
            }
            GroupState::Stable => {
                self.remove_pending_sync_member(context, member_id);
                context
                    .outcome
                    .reply_sync(parked, self.sync_response(member_id));
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn remove_pending_sync_member(&mut self, context: &mut Context, member_id: &str) {
        self.pending_sync_members.remove(member_id);
        if self.pending_sync_members.is_empty() {
            context.timer.cancel(&self.sync_key());
        }
    }

    /// The leader has spoken: the generation is recorded, and everybody who waits is answered.
    fn assign(&mut self, context: &mut Context, request: SyncGroupRequest) {
        let mut assignments: BTreeMap<_, _> = request
            .assignments
            .into_iter()
            .map(|assigned| (assigned.member_id, assigned.assignment))
            .collect();
        let mut answers = Vec::new();
        for member in self.members.iter_mut() {
            // Who is not named gets nothing to read.
            member.assignment = assignments.remove(&member.member_id).unwrap_or_default();
            if let Some(parked) = member.awaiting_sync.take() {
                answers.push((member.member_id.clone(), parked));
            }
        }
        context.outcome.append.push(group_metadata_record(self));
        for (member_id, parked) in answers {
            context
                .outcome
                .reply_sync(parked, self.sync_response(&member_id));
            self.reschedule_session(context, &member_id);
        }
        self.transition_to(context, GroupState::Stable);
    }

    fn sync_response(&self, member_id: &str) -> SyncGroupResponse {
        let assignment = self
            .members
            .get(member_id)
            .map(|member| member.assignment.clone())
            .unwrap_or_default();
        SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment,
            ..Default::default()
        }
    }
}

/// Whether both say something, and not the same.
fn differs(requested: &Option<String>, group: &Option<String>) -> bool {
    matches!((requested, group), (Some(requested), Some(group)) if requested != group)
}
