//! A group of the classic protocol: its members and what they agreed on.
//!
//! The fields and the questions to them are here; what requests and deadlines do to a group is in
//! the files named after them.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::group_state::GroupState;
use super::members::{Member, Members, duration_ms};
use super::outcome::Parked;
use super::timer::TimerKey;
use crate::now::Timestamp;
use crate::protocol::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use crate::protocol::messages::join_group_response::JoinGroupResponse;
use crate::protocol::messages::sync_group_response::SyncGroupResponse;
use crate::protocol::{ErrorCode, Message, Reader};

/// The protocol type of consumers, whose metadata the coordinator can read.
const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// A group (Kafka's `ClassicGroup`).
#[derive(Debug)]
pub(super) struct ClassicGroup {
    pub group_id: String,
    pub state: GroupState,
    /// When it came to its state; `None` when nothing recorded it.
    pub state_timestamp: Option<Timestamp>,
    /// `consumer`, `connect` …; kept when the last member leaves. `None` for a simple group, which
    /// only stores offsets.
    pub protocol_type: Option<String>,
    /// What the members of this generation use, for consumers the assignor.
    pub protocol_name: Option<String>,
    /// Raised by one by each rebalance.
    pub generation_id: i32,
    pub leader_id: Option<String>,
    pub members: Members,
    /// Member ids that were handed out with MEMBER_ID_REQUIRED and not yet used.
    pub pending_join_members: BTreeSet<String>,
    /// Members that got this generation's JoinGroup answer and sent no SyncGroup yet.
    pub pending_sync_members: BTreeSet<String>,
    /// What the consumers read; `None` when it is not known.
    pub subscribed_topics: Option<BTreeSet<String>>,
    /// There while the first rebalance of an empty group collects members: it ends by its time,
    /// not when all have joined.
    pub initial_rebalance: Option<InitialRebalance>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InitialRebalance {
    pub delay_ms: u64,
    pub remaining_ms: u64,
    /// Somebody joined since the delay began: worth another delay.
    pub new_member_added: bool,
}

impl ClassicGroup {
    pub fn new(group_id: &str) -> ClassicGroup {
        ClassicGroup {
            group_id: group_id.to_owned(),
            state: GroupState::Empty,
            state_timestamp: None,
            protocol_type: None,
            protocol_name: None,
            generation_id: 0,
            leader_id: None,
            members: Members::default(),
            pending_join_members: BTreeSet::new(),
            pending_sync_members: BTreeSet::new(),
            subscribed_topics: None,
            initial_rebalance: None,
        }
    }

    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader_id.as_deref() == Some(member_id)
    }

    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether a live member may read `topic`, so that its offsets must stay. Consumers whose
    /// metadata cannot be read may read anything.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// Nobody is left to wait for, the takers of pending member ids included.
    pub fn has_all_members_joined(&self) -> bool {
        self.pending_join_members.is_empty() && self.members.awaiting_join() == self.members.len()
    }

    /// The longest that any member asks a rebalance to wait.
    pub fn rebalance_timeout_ms(&self) -> u64 {
        self.members
            .iter()
            .map(|member| duration_ms(member.rebalance_timeout_ms))
            .max()
            .unwrap_or(0)
    }

    /// Whether a member with these protocols has one in common with all members.
    pub fn supports_protocols(
        &self,
        protocol_type: &str,
        protocols: &[JoinGroupRequestProtocol],
    ) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|protocol| self.members.all_support(&protocol.name))
    }

    /// The protocol for the next generation: of those that all members support each votes for the
    /// one that it prefers. `None` without members.
    pub fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.iter() {
            // `supports_protocols` was asked before each change of a member, so the members always
            // have a protocol in common.
            let vote = member
                .protocols()
                .iter()
                .find(|protocol| self.members.all_support(&protocol.name))
                .expect("the members of a group have a protocol in common");
            *votes.entry(&vote.name).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        votes
            .iter()
            .find(|(_, count)| **count == most)
            .map(|(name, _)| (*name).to_owned())
    }

    /// What the members subscribe to, read from their metadata as version 0, which every later
    /// version of the subscription begins with.
    pub fn compute_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol_name = self.protocol_name.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.iter() {
            let metadata = member.metadata(protocol_name)?;
            let subscription = metadata.get(2..).map(|_| metadata.slice(2..))?;
            let subscription =
                ConsumerProtocolSubscription::decode(0, &mut Reader::new(subscription)).ok()?;
            topics.extend(subscription.topics);
        }
        Some(topics)
    }

    /// Checks that a request comes from a member, and for a static one from the client that holds
    /// its instance id now.
    pub fn validate_member(
        &self,
        member_id: &str,
        group_instance_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = group_instance_id {
            match self.members.static_id(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != member_id => {
                    return Err(ErrorCode::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        if self.members.contains(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// Adds a member. The first one leads.
    pub fn add(&mut self, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        self.pending_join_members.remove(&member.member_id);
        self.leader_id
            .get_or_insert_with(|| member.member_id.clone());
        self.members.insert(member);
    }

    /// Removes a member or a pending member id with its deadline. What it waits for is answered
    /// UNKNOWN_MEMBER_ID, so that a client which is still there joins again.
    pub fn remove(&mut self, context: &mut Context, member_id: &str) {
        context.timer.cancel(&self.session_key(member_id));
        self.pending_join_members.remove(member_id);
        self.pending_sync_members.remove(member_id);
        let Some(member) = self.members.remove(member_id) else {
            return;
        };
        if self.is_leader(member_id) {
            self.leader_id = self.members.ids().next().cloned();
        }
        answer_parked(context, member, "", ErrorCode::UnknownMemberId);
    }

    /// Gives a static member a new member id. Requests under the old id are fenced from now on,
    /// and the parked ones at once.
    pub fn replace_static_member(
        &mut self,
        context: &mut Context,
        old_member_id: &str,
        new_member_id: &str,
    ) {
        let old = self
            .members
            .remove(old_member_id)
            .expect("a static id names a member of the group");
        context.timer.cancel(&self.session_key(old_member_id));
        self.pending_sync_members.remove(old_member_id);
        self.members.insert(old.renamed(new_member_id));
        answer_parked(context, old, old_member_id, ErrorCode::FencedInstanceId);
        if self.is_leader(old_member_id) {
            self.leader_id = Some(new_member_id.to_owned());
        }
    }

    /// Parks a member's JoinGroup. Kafka would never answer an earlier one that is still there; here
    /// its connection would then wait for ever, so it learns to join again.
    pub fn park_join(&mut self, context: &mut Context, member_id: &str, parked: Parked) {
        if let Some(earlier) = self.members.park_join(member_id, parked) {
            let error = join_error(member_id, ErrorCode::RebalanceInProgress);
            context.outcome.reply_join(earlier, error);
        }
    }

    /// Changes the state, if `ClassicGroupState` allows the step.
    pub fn transition_to(&mut self, context: &Context, state: GroupState) {
        use GroupState::{CompletingRebalance, Empty, PreparingRebalance, Stable};
        assert!(
            matches!(
                (self.state, state),
                (Stable | CompletingRebalance | Empty, PreparingRebalance)
                    | (PreparingRebalance, CompletingRebalance | Empty)
                    | (CompletingRebalance, Stable)
            ),
            "group {} cannot go from {} to {state}",
            self.group_id,
            self.state,
        );
        self.state = state;
        self.state_timestamp = Some(context.now.wall);
    }

    /// Gives a member its session timeout again.
    pub fn reschedule_session(&self, context: &mut Context, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            context.schedule(self.session_key(member_id), member.session_timeout());
        }
    }

    pub fn session_key(&self, member_id: &str) -> TimerKey {
        TimerKey::Session {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    pub fn join_key(&self) -> TimerKey {
        TimerKey::Join {
            group_id: self.group_id.clone(),
        }
    }

    pub fn sync_key(&self) -> TimerKey {
        TimerKey::Sync {
            group_id: self.group_id.clone(),
        }
    }
}

/// Answers whatever a member that is no more waits for.
fn answer_parked(context: &mut Context, member: Member, member_id: &str, error: ErrorCode) {
    if let Some(parked) = member.awaiting_join() {
        context
            .outcome
            .reply_join(parked, join_error(member_id, error));
    }
    if let Some(parked) = member.awaiting_sync {
        context.outcome.reply_sync(parked, sync_error(error));
    }
}

/// As [`ClassicGroup::park_join`], for SyncGroup.
pub(super) fn park_sync(context: &mut Context, member: &mut Member, parked: Parked) {
    if let Some(earlier) = member.awaiting_sync.replace(parked) {
        context
            .outcome
            .reply_sync(earlier, sync_error(ErrorCode::RebalanceInProgress));
    }
}

pub(super) fn join_error(member_id: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        member_id: member_id.to_owned(),
        error_code: error.code(),
        protocol_name: None,
        ..Default::default()
    }
}

pub(super) fn sync_error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: error.code(),
        ..Default::default()
    }
}
