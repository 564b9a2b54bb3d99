//! How a group comes to its next generation.

use super::classic_group::{ClassicGroup, InitialRebalance, sync_error};
use super::context::Context;
use super::group_state::GroupState;
use super::records::group_metadata_record;
use crate::protocol::ErrorCode;

/// How long a rebalance that nobody came to waits at least before it looks again. A client may ask
/// for no time at all, and the same moment would then come for ever.
const POSTPONED_JOIN_MS_MIN: u64 = 1_000;

impl ClassicGroup {
    /// Begins a rebalance, or, while members are being collected, looks whether all have come.
    pub fn rebalance_or_complete_join(&mut self, context: &mut Context) {
        match self.state {
            GroupState::PreparingRebalance => self.maybe_complete_join_phase(context),
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare_rebalance(context);
            }
        }
    }

    /// Begins a rebalance: from now on JoinGroups are parked until all have come or time is up.
    pub fn prepare_rebalance(&mut self, context: &mut Context) {
        if self.state == GroupState::CompletingRebalance {
            self.reset_assignment(context);
        }
        self.pending_sync_members.clear();
        context.timer.cancel(&self.sync_key());
        let is_initial = self.state == GroupState::Empty;
        self.transition_to(context, GroupState::PreparingRebalance);
        if is_initial {
            let delay_ms = context.config.group_initial_rebalance_delay_ms;
            self.initial_rebalance = Some(InitialRebalance {
                delay_ms,
                remaining_ms: self.rebalance_timeout_ms().saturating_sub(delay_ms),
                new_member_added: false,
            });
            context.schedule(self.join_key(), delay_ms);
        } else if self.has_all_members_joined() {
            self.complete_join_phase(context);
        } else {
            context.schedule(self.join_key(), self.rebalance_timeout_ms());
        }
    }

    /// Members that wait for this generation's assignment will not get it.
    fn reset_assignment(&mut self, context: &mut Context) {
        let mut answered = Vec::new();
        for member in self.members.iter_mut() {
            member.assignment.clear();
            if let Some(parked) = member.awaiting_sync.take() {
                context
                    .outcome
                    .reply_sync(parked, sync_error(ErrorCode::RebalanceInProgress));
                answered.push(member.member_id.clone());
            }
        }
        for member_id in answered {
            self.reschedule_session(context, &member_id);
        }
    }

    /// Ends the collecting if all have come, unless it is the initial one, which takes its time.
    pub fn maybe_complete_join_phase(&mut self, context: &mut Context) {
        if self.state == GroupState::PreparingRebalance
            && self.initial_rebalance.is_none()
            && self.has_all_members_joined()
        {
            self.complete_join_phase(context);
        }
    }

    /// The time to join is over.
    pub fn expire_join(&mut self, context: &mut Context) {
        let initial_delay_ms = context.config.group_initial_rebalance_delay_ms;
        match &mut self.initial_rebalance {
            Some(initial) if initial.new_member_added && initial.remaining_ms > 0 => {
                let delay_ms = initial_delay_ms.min(initial.remaining_ms);
                *initial = InitialRebalance {
                    delay_ms,
                    remaining_ms: initial.remaining_ms.saturating_sub(initial.delay_ms),
                    new_member_added: false,
                };
                context.schedule(self.join_key(), delay_ms);
            }
            _ => self.complete_join_phase(context),
        }
    }

    /// Ends the collecting: dynamic members that did not come are out, the others are the next
    /// generation.
    pub fn complete_join_phase(&mut self, context: &mut Context) {
        context.timer.cancel(&self.join_key());
        let laggards: Vec<String> = self
            .members
            .iter()
            .filter(|member| member.awaiting_join().is_none() && !member.is_static())
            .map(|member| member.member_id.clone())
            .collect();
        for member_id in laggards {
            self.remove(context, &member_id);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left, and none has come: their sessions decide.
            let timeout_ms = self.rebalance_timeout_ms().max(POSTPONED_JOIN_MS_MIN);
            context.schedule(self.join_key(), timeout_ms);
            return;
        }
        self.initial_rebalance = None;
        self.generation_id += 1;
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        self.pending_sync_members.clear();
        if self.members.is_empty() {
            self.transition_to(context, GroupState::Empty);
            context.outcome.append.push(group_metadata_record(self));
            return;
        }
        self.transition_to(context, GroupState::CompletingRebalance);
        let member_ids: Vec<String> = self.members.ids().cloned().collect();
        for member_id in &member_ids {
            let response = self.join_response(member_id);
            self.complete_join(context, member_id, response);
            self.reschedule_session(context, member_id);
        }
        for member in self.members.iter_mut() {
            member.is_new = false;
        }
        self.pending_sync_members = member_ids.into_iter().collect();
        context.schedule(self.sync_key(), self.rebalance_timeout_ms());
    }

    /// Whether somebody who has joined leads; a leader that has not come is replaced.
    fn elect_joined_leader(&mut self) -> bool {
        let leader = self
            .leader_id
            .as_ref()
            .and_then(|leader_id| self.members.get(leader_id));
        let Some(leader) = leader else { return false };
        if leader.awaiting_join().is_some() {
            return true;
        }
        let joined = self
            .members
            .iter()
            .find(|member| member.awaiting_join().is_some());
        let Some(joined) = joined.map(|member| member.member_id.clone()) else {
            return false;
        };
        self.leader_id = Some(joined);
        true
    }

    /// The time to sync is over: who did not is out.
    pub fn expire_sync(&mut self, context: &mut Context) {
        if self.pending_sync_members.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_sync_members) {
            self.remove(context, &member_id);
        }
        self.prepare_rebalance(context);
    }

    /// A member, or the taker of a pending member id, was not heard of for its session timeout.
    pub fn expire_session(&mut self, context: &mut Context, member_id: &str) {
        if self
            .members
            .get(member_id)
            .is_some_and(|member| member.has_satisfied_heartbeat())
        {
            return;
        }
        let was_member = self.members.contains(member_id);
        self.remove(context, member_id);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance if was_member => {
                self.prepare_rebalance(context);
            }
            GroupState::PreparingRebalance if self.has_all_members_joined() => {
                self.complete_join_phase(context);
            }
            _ => {}
        }
    }
}
