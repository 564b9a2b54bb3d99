//! Being a member of a group: the client's side of Kafka's classic protocol.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::client::cluster::{Call, Target, mismatched};
use crate::client::network::Lane;
use crate::client::retry::Failures;
use crate::client::{CommandId, ErrorKind, KafkaError, TopicPartition};
use crate::now::{Instant, Now};
use crate::protocol::messages::heartbeat_request::HeartbeatRequest;
use crate::protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::protocol::messages::join_group_response::JoinGroupResponse;
use crate::protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::protocol::{ErrorCode, Request, Response};

use super::agenda::List;
use super::application_assignor::Asking;
use super::assignor::{
    Assignor, Member, OfferedAssignor, by_topic, decode_assignment, decode_subscription,
    encode_assignment, encode_subscription,
};
use super::config::{ConsumerConfig, ConsumerEvent};
use super::heartbeats::Heartbeats;
use super::{Consumer, Token};

/// How much longer than the rebalance timeout a JoinGroup may take (Java's `JoinGroupRequest`).
const JOIN_SLACK_MS: u64 = 5_000;

/// How long leaving may take: a broker that does not answer must not keep the page from closing.
const LEAVE_MS_MAX: u64 = 5_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Membership {
    pub member_id: String,
    /// -1 outside a generation.
    pub generation_id: i32,
    pub state: State,
    /// Of the last JoinGroup, SyncGroup or question to the application; answers to others are
    /// ignored.
    pub attempt: u64,
    /// Of joining.
    failures: Failures,
    leader_id: String,
    protocol: Option<OfferedAssignor>,
    /// How many partitions each topic had when this member, as leader, assigned them.
    pub assigned_counts: Option<BTreeMap<String, i32>>,
    /// The subscription or the partitions have changed since joining.
    pub rejoin: bool,
    heartbeats: Heartbeats,
    leaving: Vec<CommandId>,
    leave_by: Instant,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// No member of a group.
    Out,
    /// Wants to join, not before an instant.
    Joinable {
        not_before: Instant,
        since: Instant,
    },
    /// Partitions must be given up first: their batches are finished and committed, not beyond
    /// the deadline.
    Revoking {
        deadline: Instant,
        since: Instant,
    },
    /// JoinGroup is under way.
    Joining {
        since: Instant,
    },
    /// Leader: waits for the metadata of all topics of the group.
    Assigning {
        since: Instant,
        assignor: Assignor,
        members: Vec<Member>,
    },
    /// The application's assignors are asked, before JoinGroup or, as leader, before SyncGroup.
    Asking(Asking),
    /// SyncGroup is under way.
    Syncing {
        since: Instant,
    },
    Stable,
    /// What was processed is being committed, then LeaveGroup is sent.
    Leaving {
        sent: bool,
    },
}

impl Membership {
    pub fn new(heartbeats: Heartbeats) -> Membership {
        Membership {
            member_id: String::new(),
            generation_id: -1,
            state: State::Out,
            attempt: 0,
            failures: Failures::default(),
            leader_id: String::new(),
            protocol: None,
            assigned_counts: None,
            rejoin: false,
            heartbeats,
            leaving: Vec::new(),
            leave_by: Instant::default(),
        }
    }

    /// What a commit says: outside a generation it must not name a member.
    pub fn member_id_in_generation(&self) -> String {
        match self.generation_id {
            -1 => String::new(),
            _ => self.member_id.clone(),
        }
    }

    pub fn instance_id_in_generation(&self, config: &ConsumerConfig) -> Option<String> {
        config
            .group_instance_id
            .clone()
            .filter(|_| self.generation_id >= 0)
    }

    pub fn deadline(&self, now: Now) -> Option<Instant> {
        let state = match self.state {
            State::Joinable { not_before, .. } => Some(not_before),
            State::Revoking { deadline, .. } => Some(deadline),
            State::Leaving { .. } => Some(self.leave_by),
            State::Asking(ref asking) => asking.deadline,
            _ => None,
        };
        let heartbeat = self.heartbeats.deadline().filter(|_| self.beats());
        state
            .into_iter()
            .chain(heartbeat)
            .filter(|at| *at > now.monotonic)
            .min()
    }

    pub fn postpone_deadlines(&mut self, ms: u64) {
        match &mut self.state {
            State::Revoking { deadline, .. } => *deadline = *deadline + ms,
            State::Asking(asking) => asking.deadline = asking.deadline.map(|at| at + ms),
            _ => {}
        }
    }

    /// Whether the coordinator expects heartbeats.
    fn beats(&self) -> bool {
        let in_group = !matches!(self.state, State::Out | State::Joining { .. });
        in_group && self.generation_id >= 0
    }

    /// Whether the coordinator is asked something that waits for other members.
    pub fn waits_for_members(&self) -> bool {
        matches!(self.state, State::Joining { .. } | State::Syncing { .. })
    }

    fn is_leader(&self) -> bool {
        self.generation_id >= 0 && self.leader_id == self.member_id
    }
}

impl Consumer {
    /// Whether partitions may be kept while the group rebalances.
    pub(super) fn is_cooperative(&self) -> bool {
        let assignors = &self.config.assignors;
        !assignors.is_empty() && assignors.iter().all(|assignor| assignor.is_cooperative())
    }

    /// The subscription has changed.
    pub(super) fn want_join(&mut self, now: Now) {
        match self.membership.state {
            State::Out => {
                let state = State::Joinable {
                    not_before: now.monotonic,
                    since: now.monotonic,
                };
                self.membership.state = state;
            }
            State::Joinable { .. } => {}
            _ => self.membership.rejoin = true,
        }
    }

    /// Goes on as far as it can without an answer.
    pub(super) fn run_membership(&mut self, now: Now) {
        loop {
            let before = std::mem::discriminant(&self.membership.state);
            self.step(now);
            if std::mem::discriminant(&self.membership.state) == before {
                break;
            }
        }
        self.beat(now);
    }

    fn step(&mut self, now: Now) {
        if self.membership.rejoin && self.membership.state == State::Stable {
            self.begin_rebalance(now);
        }
        if let State::Revoking { deadline, since } = self.membership.state
            && (self.is_through(now) || deadline <= now.monotonic)
        {
            self.give_up_revoking();
            self.membership.state = State::Joinable {
                not_before: now.monotonic,
                since,
            };
        }
        if let State::Joinable { not_before, since } = self.membership.state
            && not_before <= now.monotonic
        {
            self.join(now, since);
        }
        self.give_up_asking(now);
        if let State::Leaving { sent } = self.membership.state {
            let too_late = self.membership.leave_by <= now.monotonic;
            if too_late || (!sent && self.commits.is_idle() && self.is_unknown_to_group()) {
                self.left(now);
            } else if !sent && self.commits.is_idle() {
                self.send_leave(now);
            }
        }
    }

    /// The group rebalances, or must: what has to be given up is finished first.
    pub(super) fn begin_rebalance(&mut self, now: Now) {
        let keeps = self.is_cooperative();
        let topics = self.topics();
        for (name, state) in self.partitions.iter_mut() {
            state.revoking |= !keeps || !topics.contains(&name.topic);
        }
        self.revoke_then_join(now);
    }

    fn revoke_then_join(&mut self, now: Now) {
        let revoking = self.partitions.agenda(now).list(List::GiveUp);
        let revoking = revoking.cloned().collect();
        self.emit(ConsumerEvent::Rebalancing {
            group_id: self.config.group_id.clone(),
            member_id: self.membership.member_id.clone(),
            revoking,
        });
        self.want_auto_commit();
        // The coordinator has waited for us since the last heartbeat, which this must allow for.
        let timeout_ms = u64::try_from(self.config.rebalance_timeout_ms).unwrap_or(0);
        let late_ms = 2 * self.config.heartbeat_interval_ms;
        let wait_ms = timeout_ms.saturating_sub(late_ms).max(timeout_ms / 2);
        self.membership.rejoin = false;
        self.membership.state = State::Revoking {
            deadline: now.monotonic + wait_ms,
            since: now.monotonic,
        };
    }

    /// Whether nothing more is to be done for the partitions that are given up.
    fn is_through(&mut self, now: Now) -> bool {
        let agenda = self.partitions.agenda(now);
        if agenda.is_empty(List::GiveUp) {
            return true;
        }
        let finished = agenda.is_empty(List::Finish);
        self.run_commits(now);
        finished && self.commits.is_idle()
    }

    fn give_up_revoking(&mut self) {
        let partitions = self.partitions.remove_if(|_, state| state.revoking);
        if !partitions.is_empty() {
            self.emit(ConsumerEvent::Revoked { partitions });
        }
    }

    /// The member is out: others may have its partitions already.
    fn lose_partitions(&mut self) {
        let partitions = self.partitions.remove_if(|_, _| true);
        if !partitions.is_empty() {
            self.emit(ConsumerEvent::Lost { partitions });
        }
        self.membership.generation_id = -1;
        self.membership.protocol = None;
        self.membership.assigned_counts = None;
    }

    /// What an error in a response to this member means for its membership.
    pub(super) fn group_error(&mut self, now: Now, generation_id: i32, code: ErrorCode) {
        if generation_id != self.membership.generation_id || generation_id < 0 {
            return;
        }
        let settled = matches!(
            self.membership.state,
            State::Stable | State::Revoking { .. } | State::Syncing { .. }
        );
        match code {
            ErrorCode::RebalanceInProgress if self.membership.state == State::Stable => {
                self.begin_rebalance(now);
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration if settled => {
                if code == ErrorCode::UnknownMemberId {
                    self.membership.member_id.clear();
                }
                self.lose_partitions();
                let state = State::Joinable {
                    not_before: now.monotonic,
                    since: now.monotonic,
                };
                self.membership.state = state;
            }
            ErrorCode::FencedInstanceId => {
                let error = KafkaError::protocol(code).of_group(&self.config.group_id);
                self.crash(now, error);
            }
            _ => {}
        }
    }

    /// Sends JoinGroup with what the application's assignors tell the leader, by their names.
    pub(super) fn send_join(
        &mut self,
        now: Now,
        since: Instant,
        mut application: BTreeMap<String, Bytes>,
    ) {
        let keeps = self.is_cooperative();
        let member = Member {
            member_id: self.membership.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            topics: self.topics(),
            owned: if keeps {
                self.partitions.names()
            } else {
                Vec::new()
            },
            generation_id: if keeps {
                self.membership.generation_id
            } else {
                -1
            },
        };
        let metadata = match encode_subscription(&member) {
            Ok(metadata) => metadata,
            Err(error) => {
                let text = format!("the subscription cannot be encoded: {error}");
                return self.crash(now, KafkaError::raised(ErrorKind::InvalidArgument, text));
            }
        };
        let protocols = self
            .config
            .assignors
            .iter()
            .map(|assignor| JoinGroupRequestProtocol {
                name: assignor.name().to_string(),
                metadata: match assignor {
                    OfferedAssignor::BuiltIn(_) => metadata.clone(),
                    OfferedAssignor::Application(name) => {
                        application.remove(name).unwrap_or_default()
                    }
                },
                ..Default::default()
            });
        let request = Request::JoinGroup(JoinGroupRequest {
            group_id: self.config.group_id.clone(),
            session_timeout_ms: self.config.session_timeout_ms,
            rebalance_timeout_ms: self.config.rebalance_timeout_ms,
            member_id: self.membership.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: "consumer".to_string(),
            protocols: protocols.collect(),
            ..Default::default()
        });
        self.membership.rejoin = false;
        self.membership.attempt += 1;
        self.membership.state = State::Joining { since };
        let token = Token::Join {
            attempt: self.membership.attempt,
        };
        self.call_coordinator(now, token, Lane::Group, request);
    }

    pub(super) fn join_answered(
        &mut self,
        now: Now,
        attempt: u64,
        result: Result<Response, KafkaError>,
    ) {
        let State::Joining { since } = self.membership.state else {
            return;
        };
        if attempt != self.membership.attempt {
            return;
        }
        let response = match result {
            Ok(Response::JoinGroup(response)) => response,
            Ok(_) => return self.join_failed(now, since, mismatched()),
            Err(error) => return self.join_failed(now, since, error),
        };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => self.joined(now, since, response),
            ErrorCode::MemberIdRequired => {
                self.membership.member_id = response.member_id;
                let state = State::Joinable {
                    not_before: now.monotonic,
                    since,
                };
                self.membership.state = state;
            }
            code => self.join_failed(now, since, KafkaError::protocol(code)),
        }
    }

    fn joined(&mut self, now: Now, since: Instant, response: JoinGroupResponse) {
        let chosen = response.protocol_name.as_deref().unwrap_or_default();
        let mut offered = self.config.assignors.iter();
        let Some(protocol) = offered.find(|assignor| assignor.name() == chosen).cloned() else {
            let text = format!("the group uses the assignor '{chosen}', which was not offered");
            return self.crash(now, KafkaError::raised(ErrorKind::Malformed, text));
        };
        let membership = &mut self.membership;
        membership.member_id = response.member_id;
        membership.generation_id = response.generation_id;
        membership.leader_id = response.leader;
        membership.protocol = Some(protocol.clone());
        membership.assigned_counts = None;
        membership.heartbeats.postpone(now);
        if !membership.is_leader() || response.skip_assignment {
            return self.send_sync(now, since, Vec::new());
        }
        let assignor = match protocol {
            OfferedAssignor::BuiltIn(assignor) => assignor,
            OfferedAssignor::Application(name) => {
                return self.ask_for_assignment(since, now, name, response.members);
            }
        };
        let members: Result<Vec<_>, _> = (response.members.iter())
            .map(|member| {
                let instance = member.group_instance_id.as_deref();
                decode_subscription(&member.member_id, instance, &member.metadata)
            })
            .collect();
        match members {
            Ok(members) => {
                self.read_metadata_of(now, &members);
                self.membership.state = State::Assigning {
                    since,
                    assignor,
                    members,
                };
            }
            Err(error) => {
                let text = format!("a member's subscription: {error}");
                self.crash(now, KafkaError::raised(ErrorKind::Malformed, text));
            }
        }
    }

    /// Reads the metadata of all topics that the members have subscribed to.
    pub(super) fn read_metadata_of(&mut self, now: Now, members: &[Member]) {
        let mut topics = self.topics();
        topics.extend(members.iter().flat_map(|member| member.topics.clone()));
        self.cluster.set_topics(now, topics);
        self.cluster.request_refresh();
    }

    /// Metadata have been read: the leader assigns, or notices that it has to assign anew.
    pub(super) fn metadata_read(&mut self, now: Now) {
        self.ask(now);
        if let State::Assigning {
            since,
            assignor,
            members,
        } = self.membership.state.clone()
        {
            let counts = self.partition_counts(&members);
            let assignment = assignor.assign(&counts, &members);
            self.membership.assigned_counts = Some(counts);
            let encoded = assignment.into_iter().map(|(member_id, partitions)| {
                Ok(SyncGroupRequestAssignment {
                    member_id,
                    assignment: encode_assignment(&partitions)?,
                    ..Default::default()
                })
            });
            match encoded.collect::<Result<Vec<_>, crate::protocol::EncodeError>>() {
                Ok(assignments) => self.send_sync(now, since, assignments),
                Err(error) => {
                    let text = format!("the assignment cannot be encoded: {error}");
                    self.crash(now, KafkaError::raised(ErrorKind::InvalidArgument, text));
                }
            }
        } else if self.membership.state == State::Stable
            && let Some(assigned) = &self.membership.assigned_counts
        {
            let grown = assigned.iter().any(|(topic, &count)| {
                let known = self.cluster.metadata.partitions(topic);
                known.is_some_and(|partitions| partitions.len() as i32 != count)
            });
            if grown {
                self.begin_rebalance(now);
            }
        }
    }

    /// How many partitions the topics of the group have; 0 for those that do not exist.
    pub(super) fn partition_counts(&self, members: &[Member]) -> BTreeMap<String, i32> {
        let topics = members.iter().flat_map(|member| &member.topics);
        let counts = topics.map(|topic| {
            let partitions = self.cluster.metadata.partitions(topic);
            (
                topic.clone(),
                partitions.map_or(0, |partitions| partitions.len() as i32),
            )
        });
        counts.collect()
    }

    pub(super) fn send_sync(
        &mut self,
        now: Now,
        since: Instant,
        assignments: Vec<SyncGroupRequestAssignment>,
    ) {
        let request = Request::SyncGroup(SyncGroupRequest {
            group_id: self.config.group_id.clone(),
            generation_id: self.membership.generation_id,
            member_id: self.membership.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: Some("consumer".to_string()),
            protocol_name: (self.membership.protocol.as_ref())
                .map(|protocol| protocol.name().to_string()),
            assignments,
            ..Default::default()
        });
        self.membership.attempt += 1;
        self.membership.state = State::Syncing { since };
        let token = Token::Sync {
            attempt: self.membership.attempt,
        };
        self.call_coordinator(now, token, Lane::Group, request);
    }

    pub(super) fn sync_answered(
        &mut self,
        now: Now,
        attempt: u64,
        result: Result<Response, KafkaError>,
    ) {
        let State::Syncing { since } = self.membership.state else {
            return;
        };
        if attempt != self.membership.attempt {
            return;
        }
        let response = match result {
            Ok(Response::SyncGroup(response)) => response,
            Ok(_) => return self.join_failed(now, since, mismatched()),
            Err(error) => return self.join_failed(now, since, error),
        };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => match decode_assignment(&response.assignment) {
                Ok(assigned) => self.assigned(now, since, assigned),
                Err(error) => {
                    let text = format!("the assignment: {error}");
                    self.crash(now, KafkaError::raised(ErrorKind::Malformed, text));
                }
            },
            code => self.join_failed(now, since, KafkaError::protocol(code)),
        }
    }

    /// JoinGroup or SyncGroup failed: joins again, unless that cannot help.
    fn join_failed(&mut self, now: Now, since: Instant, error: KafkaError) {
        self.cluster
            .note_error(error.code, Some(&self.config.group_id));
        let mut not_before = now.monotonic;
        match error.code {
            ErrorCode::UnknownMemberId => {
                self.membership.member_id.clear();
                self.lose_partitions();
            }
            ErrorCode::IllegalGeneration => self.lose_partitions(),
            ErrorCode::RebalanceInProgress => {}
            _ => {
                let failures = &mut self.membership.failures;
                failures.add(&error);
                let retry = &self.config.client.retry;
                match failures.again_after_ms(&error, retry, &mut self.random) {
                    Some(delay_ms) => not_before = not_before + delay_ms,
                    None => {
                        let error = error.after_retries(failures.retries());
                        return self.crash(now, error.of_group(&self.config.group_id));
                    }
                }
            }
        }
        self.membership.state = State::Joinable { not_before, since };
    }

    fn assigned(&mut self, now: Now, since: Instant, assigned: Vec<TopicPartition>) {
        let subscribed = self.topics();
        let (assigned, foreign): (Vec<_>, Vec<_>) = assigned
            .into_iter()
            .partition(|partition| subscribed.contains(&partition.topic));
        let group_id = self.config.group_id.clone();
        let generation_id = self.membership.generation_id;
        if !foreign.is_empty() {
            self.emit(ConsumerEvent::ReceivedUnsubscribedTopics {
                group_id: group_id.clone(),
                generation_id,
                assigned_topics: by_topic(&foreign).into_keys().collect(),
                topics_subscribed: subscribed.into_iter().collect(),
            });
        }
        self.membership.state = State::Stable;
        self.membership.failures = Failures::default();
        self.membership.heartbeats.postpone(now);
        let assigned: BTreeSet<_> = assigned.into_iter().collect();
        self.emit(ConsumerEvent::GroupJoin {
            group_id,
            member_id: self.membership.member_id.clone(),
            leader_id: self.membership.leader_id.clone(),
            is_leader: self.membership.is_leader(),
            generation_id,
            group_protocol: (self.membership.protocol.as_ref())
                .map_or("", OfferedAssignor::name)
                .to_string(),
            member_assignment: by_topic(&assigned.iter().cloned().collect::<Vec<_>>()),
            duration_ms: now.monotonic.ms_since(since),
        });
        let mut revokes = false;
        for (name, state) in self.partitions.iter_mut() {
            state.revoking = !assigned.contains(name);
            revokes |= state.revoking;
        }
        let new: Vec<_> = assigned
            .into_iter()
            .filter(|name| self.partitions.get(name).is_none())
            .collect();
        for name in &new {
            let offset_reset = self.offset_reset(&name.topic);
            self.partitions.assign(name.clone(), None, offset_reset);
        }
        if !new.is_empty() {
            self.emit(ConsumerEvent::Assigned { partitions: new });
        }
        if revokes {
            // What we give up now is assigned in the next round (KIP-429).
            self.revoke_then_join(now);
        }
    }

    fn beat(&mut self, now: Now) {
        if !self.membership.beats() || !self.membership.heartbeats.begin(now) {
            return;
        }
        let generation_id = self.membership.generation_id;
        let request = Request::Heartbeat(HeartbeatRequest {
            group_id: self.config.group_id.clone(),
            generation_id,
            member_id: self.membership.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            ..Default::default()
        });
        self.call_coordinator(
            now,
            Token::Heartbeat { generation_id },
            Lane::General,
            request,
        );
    }

    pub(super) fn heartbeat_answered(
        &mut self,
        now: Now,
        generation_id: i32,
        result: Result<Response, KafkaError>,
    ) {
        self.membership.heartbeats.end();
        let error = match result {
            Ok(Response::Heartbeat(response)) => match ErrorCode::from_code(response.error_code) {
                ErrorCode::None => {
                    self.membership.heartbeats.succeeded();
                    return self.emit(ConsumerEvent::Heartbeat {
                        group_id: self.config.group_id.clone(),
                        member_id: self.membership.member_id.clone(),
                        generation_id,
                    });
                }
                code => KafkaError::protocol(code),
            },
            Ok(_) => mismatched(),
            Err(error) => error,
        };
        self.cluster
            .note_error(error.code, Some(&self.config.group_id));
        self.group_error(now, generation_id, error.code);
        let is_current = generation_id == self.membership.generation_id;
        if !error.retriable || !is_current || !self.membership.beats() {
            return;
        }
        let (retry, random) = (&self.config.client.retry, &mut self.random);
        let heartbeats = &mut self.membership.heartbeats;
        // Who leaves does not wait for long anyway.
        if let Err(error) = heartbeats.failed(now, error, retry, random)
            && !matches!(self.membership.state, State::Leaving { .. })
        {
            self.crash(now, error.of_group(&self.config.group_id));
        }
    }

    /// Leaves the group, if in one, and tells `id` when that is done.
    pub(super) fn leave(&mut self, now: Now, id: Option<CommandId>) {
        self.membership.leaving.extend(id);
        for (_, state) in self.partitions.iter_mut() {
            state.revoking = true;
        }
        self.want_auto_commit();
        if !matches!(self.membership.state, State::Leaving { .. }) {
            self.membership.state = State::Leaving { sent: false };
            self.membership.leave_by = now.monotonic + LEAVE_MS_MAX;
        }
    }

    /// Whether the coordinator has nobody to remove. A static member stays until its session ends,
    /// so that it can come back without a rebalance (KIP-345).
    fn is_unknown_to_group(&self) -> bool {
        self.membership.member_id.is_empty() || self.config.group_instance_id.is_some()
    }

    fn send_leave(&mut self, now: Now) {
        let request = Request::LeaveGroup(LeaveGroupRequest {
            group_id: self.config.group_id.clone(),
            members: vec![MemberIdentity {
                member_id: self.membership.member_id.clone(),
                reason: Some("the consumer is being closed".to_string()),
                ..Default::default()
            }],
            ..Default::default()
        });
        self.membership.state = State::Leaving { sent: true };
        self.call_coordinator(now, Token::Leave, Lane::General, request);
    }

    /// Out of the group, whatever the coordinator says: at worst the session times out.
    pub(super) fn left(&mut self, now: Now) {
        if !matches!(self.membership.state, State::Leaving { .. }) {
            return;
        }
        self.give_up_revoking();
        let leaving = std::mem::take(&mut self.membership.leaving);
        self.membership = Membership {
            attempt: self.membership.attempt,
            ..Membership::new(self.membership.heartbeats.of_next_membership())
        };
        for id in leaving {
            self.done(id, Ok(()));
        }
        // Subscribed again in the meantime.
        if !self.topics().is_empty() {
            self.want_join(now);
        }
    }

    pub(super) fn call_coordinator(
        &mut self,
        now: Now,
        token: Token,
        lane: Lane,
        request: Request,
    ) {
        let patience_ms = match request {
            Request::JoinGroup(_) | Request::SyncGroup(_) => {
                u64::try_from(self.config.rebalance_timeout_ms).unwrap_or(0) + JOIN_SLACK_MS
            }
            _ => 0,
        };
        let timeout_ms = self.config.client.request_timeout_ms.max(patience_ms);
        let target = Target::Coordinator(self.config.group_id.clone());
        self.cluster.call(
            now,
            Call {
                token,
                target,
                lane,
                request,
                timeout_ms,
            },
        );
    }
}
