//! The groups and offsets of one partition of `__consumer_offsets`.

use std::collections::BTreeMap;

use super::classic_group::{ClassicGroup, join_error, sync_error};
use super::config::{GROUPS_PER_SHARD_MAX, GroupConfig};
use super::context::Context;
use super::group_state::GroupState;
use super::join_group::Join;
use super::leave_group::{leave_response, leaving_members, member_response};
use super::member_id::MemberIds;
use super::offsets::{CommittedOffset, Offsets, TopicPartition};
use super::outcome::{GroupRequest, Outcome, Parked};
use super::records::{Replayed, decode, group_from_record, new_group_record};
use super::timer::{Timer, TimerKey};
use crate::now::{Instant, Now};
use crate::planted::{self, PlantedBug};
use crate::protocol::messages::heartbeat_request::HeartbeatRequest;
use crate::protocol::messages::heartbeat_response::HeartbeatResponse;
use crate::protocol::messages::join_group_request::JoinGroupRequest;
use crate::protocol::messages::leave_group_request::LeaveGroupRequest;
use crate::protocol::messages::leave_group_response::LeaveGroupResponse;
use crate::protocol::messages::sync_group_request::SyncGroupRequest;
use crate::protocol::{DecodeError, ErrorCode, Request, Response};

/// Groups and offsets of one partition of `__consumer_offsets`.
///
/// Made by [`new`](GroupShard::new), filled by [`replay`](GroupShard::replay) from the partition's
/// records, and, once they are all in, begun by [`loaded`](GroupShard::loaded). It has no clock:
/// [`expire`](GroupShard::expire) must be called when [`next_deadline`](GroupShard::next_deadline)
/// is reached, which may be at once after any call.
///
/// A change shows in the state before its records are durable, so every answer waits for them
/// (see [`Outcome`]). If appending fails, the shard is dropped and a new one replayed: it never
/// rolls back.
#[derive(Debug)]
pub struct GroupShard {
    pub(super) config: GroupConfig,
    pub(super) groups: BTreeMap<String, ClassicGroup>,
    pub(super) offsets: Offsets,
    timer: Timer,
    member_ids: MemberIds,
}

/// The partition of `__consumer_offsets` that holds a group: `abs(hash) % partitions`, with Java's
/// hash of a string (Kafka's `GroupCoordinatorService.partitionFor`).
pub fn partition_for(group_id: &str, partitions: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // `Utils.abs` clears the sign, so that the smallest integer has a place too.
    let hash = if hash == i32::MIN { 0 } else { hash.abs() };
    hash % partitions.max(1)
}

impl GroupShard {
    /// An empty shard. Shards with different seeds hand out different member ids.
    pub fn new(config: GroupConfig, seed: [u8; 16]) -> GroupShard {
        GroupShard {
            config,
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            timer: Timer::default(),
            member_ids: MemberIds::new(seed),
        }
    }

    /// Replays one record of the partition. Unknown record types are skipped, as Kafka does.
    ///
    /// # Errors
    /// The record is not one that a coordinator wrote: the partition must not be served.
    pub fn replay(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), DecodeError> {
        if planted::active(PlantedBug::CoordinatorNotReplayed) {
            return Ok(());
        }
        // A record without a key says nothing about any group; Kafka skips it too.
        let Some(key) = key else { return Ok(()) };
        match decode(key, value)? {
            Replayed::Group {
                group_id,
                value: Some(value),
            } => {
                let group = group_from_record(&group_id, value);
                self.groups.insert(group_id, group);
            }
            Replayed::Group {
                group_id,
                value: None,
            } => {
                self.groups.remove(&group_id);
            }
            Replayed::Offset {
                group_id,
                partition,
                value: Some(value),
            } => {
                self.put_offset(&group_id, partition, CommittedOffset::from_record(value));
            }
            Replayed::Offset {
                group_id,
                partition,
                value: None,
            } => {
                self.offsets.remove(&group_id, &partition);
            }
            Replayed::Unknown => {}
        }
        Ok(())
    }

    /// Replay has reached the high watermark: the members of the groups get fresh session
    /// deadlines.
    pub fn loaded(&mut self, now: Now) {
        // Nobody can wait for an answer yet, so nothing comes out.
        let mut outcome = Outcome::default();
        let group_ids: Vec<String> = self.groups.keys().cloned().collect();
        for group_id in group_ids {
            let Some((group, mut context)) = self.group_mut(now, &mut outcome, &group_id) else {
                continue;
            };
            for member_id in group.members.ids() {
                group.reschedule_session(&mut context, member_id);
            }
            // The limit was lowered: the last to join again are turned away.
            if group.members.len() > context.config.group_max_size {
                group.prepare_rebalance(&mut context);
            }
        }
        self.schedule_offset_expiry(now);
    }

    /// Handles a request. The answer may come at once, or with a later request or deadline.
    ///
    /// # Panics
    /// The request is of another API than those of groups and offsets.
    pub fn handle(&mut self, now: Now, request: GroupRequest, outcome: &mut Outcome) {
        let GroupRequest {
            id,
            version,
            client_id,
            client_host,
            body,
        } = request;
        let parked = Parked {
            request: id,
            version,
        };
        let response = match body {
            Request::JoinGroup(request) => {
                let join = Join::new(parked, client_id, client_host, request);
                return self.join_group(now, join, outcome);
            }
            Request::SyncGroup(request) => return self.sync_group(now, parked, request, outcome),
            Request::Heartbeat(request) => {
                Response::Heartbeat(self.heartbeat(now, &request, outcome))
            }
            Request::LeaveGroup(request) => {
                Response::LeaveGroup(self.leave_group(now, version, request, outcome))
            }
            Request::OffsetCommit(request) => {
                Response::OffsetCommit(self.offset_commit(now, version, request, outcome))
            }
            Request::OffsetFetch(request) => {
                Response::OffsetFetch(self.offset_fetch(version, request))
            }
            Request::OffsetDelete(request) => {
                Response::OffsetDelete(self.offset_delete(request, outcome))
            }
            Request::DescribeGroups(request) => {
                Response::DescribeGroups(self.describe_groups(version, request))
            }
            Request::ListGroups(request) => Response::ListGroups(self.list_groups(&request)),
            Request::DeleteGroups(request) => {
                Response::DeleteGroups(self.delete_groups(request, outcome))
            }
            other => panic!("a group shard does not serve {other:?}"),
        };
        outcome.reply(id, response);
    }

    /// Does whatever is due: sessions, rebalances, offset expiry.
    pub fn expire(&mut self, now: Now, outcome: &mut Outcome) {
        while let Some(key) = self.timer.pop_due(now.monotonic) {
            match key {
                TimerKey::Session {
                    group_id,
                    member_id,
                } => {
                    if let Some((group, mut context)) = self.group_mut(now, outcome, &group_id) {
                        group.expire_session(&mut context, &member_id);
                    }
                }
                TimerKey::Join { group_id } => {
                    if let Some((group, mut context)) = self.group_mut(now, outcome, &group_id) {
                        group.expire_join(&mut context);
                    }
                }
                TimerKey::Sync { group_id } => {
                    if let Some((group, mut context)) = self.group_mut(now, outcome, &group_id) {
                        group.expire_sync(&mut context);
                    }
                }
                TimerKey::OffsetExpiry => {
                    self.expire_offsets(now, outcome);
                    self.schedule_offset_expiry(now);
                }
            }
        }
    }

    /// When [`expire`](GroupShard::expire) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer.next()
    }

    /// Deadlines start again after a gap in time (a laptop that slept, a frozen tab): nobody is
    /// expired for time in which nobody could run.
    pub fn restart_deadlines(&mut self, now: Now) {
        self.timer.restart(now.monotonic);
    }

    fn join_group(&mut self, now: Now, join: Join, outcome: &mut Outcome) {
        if let Err(error) = self.validate_join(&join.request) {
            return outcome.reply_join(join.parked, join_error(&join.request.member_id, error));
        }
        let group_id = join.request.group_id.clone();
        let is_new_group = !self.groups.contains_key(&group_id);
        let records_before = outcome.append.len();
        let group = self.groups.entry(group_id.clone()).or_insert_with(|| {
            let mut group = ClassicGroup::new(&group_id);
            group.state_timestamp = Some(now.wall);
            group
        });
        let mut context = Context {
            now,
            config: &self.config,
            timer: &mut self.timer,
            member_ids: &mut self.member_ids,
            outcome: &mut *outcome,
        };
        group.join(&mut context, join);
        if is_new_group && outcome.append.len() == records_before {
            outcome.append.push(new_group_record(&group_id, now.wall));
        }
    }

    fn validate_join(&self, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
        let session_timeouts_ms =
            self.config.group_min_session_timeout_ms..=self.config.group_max_session_timeout_ms;
        if request.group_id.is_empty() {
            Err(ErrorCode::InvalidGroupId)
        } else if !session_timeouts_ms.contains(&request.session_timeout_ms) {
            Err(ErrorCode::InvalidSessionTimeout)
        } else if self.groups.contains_key(&request.group_id) {
            Ok(())
        } else if !request.member_id.is_empty() {
            // Only who has no member id yet may begin a group.
            Err(ErrorCode::UnknownMemberId)
        } else if self.groups.len() >= GROUPS_PER_SHARD_MAX {
            Err(ErrorCode::PolicyViolation)
        } else {
            Ok(())
        }
    }

    fn sync_group(
        &mut self,
        now: Now,
        parked: Parked,
        request: SyncGroupRequest,
        outcome: &mut Outcome,
    ) {
        // KIP-559 makes both mandatory; Kafka asks for them before anything else.
        let lacks_protocol = request.protocol_type.is_none() || request.protocol_name.is_none();
        let error = if parked.version >= 5 && lacks_protocol {
            ErrorCode::InconsistentGroupProtocol
        } else if request.group_id.is_empty() {
            ErrorCode::InvalidGroupId
        } else {
            ErrorCode::UnknownMemberId
        };
        if error == ErrorCode::UnknownMemberId
            && let Some((group, mut context)) = self.group_mut(now, outcome, &request.group_id)
        {
            return group.sync(&mut context, parked, request);
        }
        outcome.reply_sync(parked, sync_error(error));
    }

    fn heartbeat(
        &mut self,
        now: Now,
        request: &HeartbeatRequest,
        outcome: &mut Outcome,
    ) -> HeartbeatResponse {
        let result = match self.group_mut(now, outcome, &request.group_id) {
            _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            Some((group, mut context)) => group.heartbeat(&mut context, request),
            None => Err(ErrorCode::UnknownMemberId),
        };
        HeartbeatResponse {
            error_code: result.err().map_or(0, ErrorCode::code),
            ..Default::default()
        }
    }

    fn leave_group(
        &mut self,
        now: Now,
        version: i16,
        request: LeaveGroupRequest,
        outcome: &mut Outcome,
    ) -> LeaveGroupResponse {
        let group_id = request.group_id.clone();
        if group_id.is_empty() {
            let error_code = ErrorCode::InvalidGroupId.code();
            return LeaveGroupResponse {
                error_code,
                ..Default::default()
            };
        }
        let members = leaving_members(version, request);
        let responses = match self.group_mut(now, outcome, &group_id) {
            Some((group, mut context)) => group.leave(&mut context, &members),
            None => members
                .iter()
                .map(|member| member_response(member, Err(ErrorCode::UnknownMemberId)))
                .collect(),
        };
        leave_response(version, responses)
    }

    /// A group, and what it needs to handle an event.
    pub(super) fn group_mut<'a>(
        &'a mut self,
        now: Now,
        outcome: &'a mut Outcome,
        group_id: &str,
    ) -> Option<(&'a mut ClassicGroup, Context<'a>)> {
        let group = self.groups.get_mut(group_id)?;
        let context = Context {
            now,
            config: &self.config,
            timer: &mut self.timer,
            member_ids: &mut self.member_ids,
            outcome,
        };
        Some((group, context))
    }

    /// Keeps a committed offset. A group that does not exist becomes a simple one, which only
    /// stores offsets.
    pub(super) fn put_offset(
        &mut self,
        group_id: &str,
        partition: TopicPartition,
        committed: CommittedOffset,
    ) {
        if !self.groups.contains_key(group_id) {
            self.groups
                .insert(group_id.to_owned(), ClassicGroup::new(group_id));
        }
        self.offsets.put(group_id, partition, committed);
    }

    /// Drops a group and the deadlines of the member ids that it handed out.
    pub(super) fn remove_group(&mut self, group_id: &str) {
        let Some(group) = self.groups.remove(group_id) else {
            return;
        };
        assert!(
            group.state == GroupState::Empty,
            "only an empty group is removed"
        );
        for member_id in &group.pending_join_members {
            self.timer.cancel(&group.session_key(member_id));
        }
    }

    /// Forgets offsets whose retention is over, and empty groups that have none left.
    fn expire_offsets(&mut self, now: Now, outcome: &mut Outcome) {
        let retention_ms = self.config.offsets_retention_ms;
        let group_ids: Vec<String> = self.groups.keys().cloned().collect();
        for group_id in group_ids {
            let Some(group) = self.groups.get(&group_id) else {
                continue;
            };
            let is_empty = group.state == GroupState::Empty;
            for partition in self.offsets.expired(group, now.wall, retention_ms) {
                self.delete_offset(&group_id, &partition, outcome);
            }
            if is_empty && !self.offsets.has_any(&group_id) {
                self.delete_group(&group_id, outcome);
            }
        }
    }

    fn schedule_offset_expiry(&mut self, now: Now) {
        let interval_ms = self.config.offsets_retention_check_interval_ms;
        self.timer
            .schedule(now.monotonic, TimerKey::OffsetExpiry, interval_ms);
    }
}
