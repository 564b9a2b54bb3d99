//! JoinGroup.

use super::classic_group::{ClassicGroup, join_error};
use super::config::PENDING_MEMBERS_MAX;
use super::context::Context;
use super::group_state::GroupState;
use super::members::{Member, duration_ms};
use super::outcome::Parked;
use super::records::group_metadata_record;
use crate::distinct::distinct_by;
use crate::protocol::ErrorCode;
use crate::protocol::messages::join_group_request::JoinGroupRequest;
use crate::protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};

/// A JoinGroup with what the request header and the connection say about its sender.
pub(super) struct Join {
    pub parked: Parked,
    pub client_id: String,
    pub client_host: String,
    pub request: JoinGroupRequest,
}

impl Join {
    /// Completes what the request leaves out.
    pub fn new(
        parked: Parked,
        client_id: String,
        client_host: String,
        mut request: JoinGroupRequest,
    ) -> Join {
        // Version 0 has one timeout for both.
        if parked.version == 0 {
            request.rebalance_timeout_ms = request.session_timeout_ms;
        }
        // The first of a name counts, as in Kafka's `JoinGroupRequestProtocolCollection`.
        request.protocols = distinct_by(request.protocols, |protocol| protocol.name.clone());
        Join {
            parked,
            client_id,
            client_host,
            request,
        }
    }

    fn is_from_unknown_member(&self) -> bool {
        self.request.member_id.is_empty()
    }

    fn fail(&self, context: &mut Context, member_id: &str, error: ErrorCode) {
        context
            .outcome
            .reply_join(self.parked, join_error(member_id, error));
    }
}

impl ClassicGroup {
    /// Lets a member in, or in again, and begins or completes a rebalance where that takes one.
    pub fn join(&mut self, context: &mut Context, join: Join) {
        let member_id = join.request.member_id.clone();
        if !self.accepts_joining_member(context, &member_id) {
            self.remove(context, &member_id);
            return join.fail(context, "", ErrorCode::GroupMaxSizeReached);
        }
        if !self.supports_protocols(&join.request.protocol_type, &join.request.protocols) {
            return join.fail(context, &member_id, ErrorCode::InconsistentGroupProtocol);
        }
        if join.is_from_unknown_member() {
            self.join_new_member(context, join);
        } else if self.pending_join_members.contains(&member_id) {
            // Only dynamic members get a pending id. Kafka throws, which clients see as -1.
            if join.request.group_instance_id.is_some() {
                return join.fail(context, "", ErrorCode::UnknownServerError);
            }
            self.add_member_then_rebalance(context, join, &member_id);
        } else {
            self.join_known_member(context, join, &member_id);
        }
    }

    fn accepts_joining_member(&self, context: &Context, member_id: &str) -> bool {
        let max = context.config.group_max_size;
        let member = self.members.get(member_id);
        match self.state {
            GroupState::Empty => true,
            // Counted are those who wait: the group may be larger than the limit if that was
            // lowered, and the last to rejoin are then turned away.
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join().is_some())
                    || self.members.awaiting_join() < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.members.len() < max
            }
        }
    }

    fn join_new_member(&mut self, context: &mut Context, join: Join) {
        if let Some(instance_id) = join.request.group_instance_id.clone() {
            let new_member_id = context.member_ids.next(&instance_id);
            return match self.members.static_id(&instance_id).cloned() {
                Some(old) => self.rejoin_static_member(context, join, &old, &new_member_id),
                None => self.add_member_then_rebalance(context, join, &new_member_id),
            };
        }
        let new_member_id = context.member_ids.next(&join.client_id);
        // KIP-394: a client that vanishes before it learns its id would stay a member for long.
        if join.parked.version < 4 {
            return self.add_member_then_rebalance(context, join, &new_member_id);
        }
        if self.pending_join_members.len() >= PENDING_MEMBERS_MAX {
            return join.fail(context, "", ErrorCode::GroupMaxSizeReached);
        }
        self.pending_join_members.insert(new_member_id.clone());
        context.schedule(
            self.session_key(&new_member_id),
            duration_ms(join.request.session_timeout_ms),
        );
        join.fail(context, &new_member_id, ErrorCode::MemberIdRequired);
    }

    fn add_member_then_rebalance(&mut self, context: &mut Context, join: Join, member_id: &str) {
        let request = join.request;
        let mut member = Member::new(member_id.to_owned(), request.protocols);
        member.group_instance_id = request.group_instance_id;
        member.client_id = join.client_id;
        member.client_host = join.client_host;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.session_timeout_ms = request.session_timeout_ms;
        member.is_new = true;
        if let Some(initial) = &mut self.initial_rebalance {
            initial.new_member_added = true;
        }
        self.add(member, &request.protocol_type);
        self.park_join(context, member_id, join.parked);
        // A new member does not know its id, so it cannot heartbeat; but it must not stay for
        // ever if its client gave up and joined again under another id.
        let timeout_ms = context.config.group_new_member_join_timeout_ms;
        context.schedule(self.session_key(member_id), timeout_ms);
        self.rebalance_or_complete_join(context);
    }

    fn join_known_member(&mut self, context: &mut Context, join: Join, member_id: &str) {
        let instance_id = join.request.group_instance_id.as_deref();
        if let Err(error) = self.validate_member(member_id, instance_id) {
            return join.fail(context, member_id, error);
        }
        let known = self.members.get(member_id);
        let unchanged = known.is_some_and(|it| it.protocols() == join.request.protocols);
        match self.state {
            // Unreachable for a member, which an empty group has none of.
            GroupState::Empty => join.fail(context, member_id, ErrorCode::UnknownMemberId),
            // The answer to its first JoinGroup was lost.
            GroupState::CompletingRebalance if unchanged => {
                self.reply_current_generation(context, join.parked, member_id);
            }
            // A leader that joins again asks for a new assignment, for example of a topic with
            // more partitions; a follower only gets its answer once more.
            GroupState::Stable if unchanged && !self.is_leader(member_id) => {
                self.reply_current_generation(context, join.parked, member_id);
            }
            GroupState::PreparingRebalance
            | GroupState::CompletingRebalance
            | GroupState::Stable => {
                self.update_member(context, join, member_id);
                self.rebalance_or_complete_join(context);
            }
        }
    }

    fn update_member(&mut self, context: &mut Context, join: Join, member_id: &str) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        member.rebalance_timeout_ms = join.request.rebalance_timeout_ms;
        member.session_timeout_ms = join.request.session_timeout_ms;
        self.members
            .set_protocols(member_id, join.request.protocols);
        self.park_join(context, member_id, join.parked);
    }

    /// A static member is back under a new id (KIP-345). In a stable group it gets what it had,
    /// without a rebalance.
    fn rejoin_static_member(
        &mut self,
        context: &mut Context,
        join: Join,
        old_member_id: &str,
        member_id: &str,
    ) {
        let old_leader_id = self.leader_id.clone().unwrap_or_default();
        let version = join.parked.version;
        self.replace_static_member(context, old_member_id, member_id);
        self.reschedule_session(context, member_id);
        self.update_member(context, join, member_id);
        match self.state {
            GroupState::Stable if self.protocol_name == self.select_protocol() => {
                // It may read other topics now. Kafka finds out when it replays the record.
                self.subscribed_topics = self.compute_subscribed_topics();
                context.outcome.append.push(group_metadata_record(self));
                let response = if version >= 9 {
                    // KIP-814: a leader gets the members again, and is told not to assign.
                    let skip_assignment = self.is_leader(member_id);
                    JoinGroupResponse {
                        skip_assignment,
                        ..self.join_response(member_id)
                    }
                } else {
                    // Under its old id as the leader it does not know that it leads, and so does
                    // not assign.
                    JoinGroupResponse {
                        leader: old_leader_id,
                        members: Vec::new(),
                        ..self.join_response(member_id)
                    }
                };
                self.complete_join(context, member_id, response);
            }
            // While completing: the leader may have the old id in its assignment already.
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(context);
            }
            GroupState::PreparingRebalance => self.maybe_complete_join_phase(context),
            GroupState::Empty => unreachable!("an empty group has no static member"),
        }
    }

    fn reply_current_generation(&self, context: &mut Context, parked: Parked, member_id: &str) {
        context
            .outcome
            .reply_join(parked, self.join_response(member_id));
    }

    /// Answers a member's parked JoinGroup.
    pub fn complete_join(
        &mut self,
        context: &mut Context,
        member_id: &str,
        response: JoinGroupResponse,
    ) {
        if let Some(parked) = self.members.take_join(member_id) {
            context.outcome.reply_join(parked, response);
        }
    }

    /// What this generation is, for one member: only the leader learns of the others.
    pub fn join_response(&self, member_id: &str) -> JoinGroupResponse {
        let members = if self.is_leader(member_id) {
            self.members_for_leader()
        } else {
            Vec::new()
        };
        JoinGroupResponse {
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader_id.clone().unwrap_or_default(),
            member_id: member_id.to_owned(),
            members,
            ..Default::default()
        }
    }

    fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol_name = self.protocol_name.as_deref().unwrap_or_default();
        self.members
            .iter()
            .map(|member| JoinGroupResponseMember {
                member_id: member.member_id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                metadata: member.metadata(protocol_name).cloned().unwrap_or_default(),
                ..Default::default()
            })
            .collect()
    }
}
