//! LeaveGroup.

use super::classic_group::ClassicGroup;
use super::context::Context;
use super::group_state::GroupState;
use crate::protocol::ErrorCode;
use crate::protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};

/// The members that a request names; before version 3 it is one.
pub(super) fn leaving_members(version: i16, request: LeaveGroupRequest) -> Vec<MemberIdentity> {
    if version >= 3 {
        return request.members;
    }
    vec![MemberIdentity {
        member_id: request.member_id,
        ..Default::default()
    }]
}

/// The answer in the shape of `version`; before version 3 the error of the one member is on top.
pub(super) fn leave_response(version: i16, members: Vec<MemberResponse>) -> LeaveGroupResponse {
    if version >= 3 {
        return LeaveGroupResponse {
            members,
            ..Default::default()
        };
    }
    let error_code = members.first().map_or(0, |member| member.error_code);
    LeaveGroupResponse {
        error_code,
        ..Default::default()
    }
}

pub(super) fn member_response(
    member: &MemberIdentity,
    result: Result<(), ErrorCode>,
) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code: result.err().map_or(0, ErrorCode::code),
        ..Default::default()
    }
}

impl ClassicGroup {
    /// Removes members at their own wish or, by instance id alone, at an administrator's.
    pub fn leave(
        &mut self,
        context: &mut Context,
        members: &[MemberIdentity],
    ) -> Vec<MemberResponse> {
        let responses: Vec<MemberResponse> = members
            .iter()
            .map(|member| member_response(member, self.leave_one(context, member)))
            .collect();
        if responses.iter().any(|member| member.error_code == 0) {
            match self.state {
                GroupState::Stable | GroupState::CompletingRebalance => {
                    self.prepare_rebalance(context);
                }
                GroupState::PreparingRebalance => self.maybe_complete_join_phase(context),
                GroupState::Empty => {}
            }
        }
        responses
    }

    fn leave_one(
        &mut self,
        context: &mut Context,
        member: &MemberIdentity,
    ) -> Result<(), ErrorCode> {
        let instance_id = member.group_instance_id.as_deref();
        let member_id = if member.member_id.is_empty() {
            instance_id
                .and_then(|instance_id| self.members.static_id(instance_id))
                .ok_or(ErrorCode::UnknownMemberId)?
                .clone()
        } else {
            if !self.pending_join_members.contains(&member.member_id) {
                self.validate_member(&member.member_id, instance_id)?;
            }
            member.member_id.clone()
        };
        self.remove(context, &member_id);
        Ok(())
    }
}
