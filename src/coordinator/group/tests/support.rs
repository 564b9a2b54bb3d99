//! A shard with a virtual clock, and a short way to ask it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::coordinator::group::{
    CoordinatorRecord, GroupConfig, GroupRequest, GroupShard, Outcome, RequestId,
};
use crate::now::{Instant, Now, Timestamp};
use crate::protocol::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::describe_groups_response::DescribedGroup;
use crate::protocol::messages::heartbeat_request::HeartbeatRequest;
use crate::protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::protocol::messages::join_group_response::JoinGroupResponse;
use crate::protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::leave_group_response::LeaveGroupResponse;
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup,
};
use crate::protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::protocol::messages::sync_group_response::SyncGroupResponse;
use crate::protocol::{ErrorCode, Message, Request, Response};

pub const GROUP: &str = "group";
pub const SESSION_MS: u64 = 10_000;
pub const REBALANCE_MS: u64 = 60_000;

/// A shard, the time, and everything that came out.
pub struct World {
    pub shard: GroupShard,
    pub now_ms: u64,
    pub log: Vec<CoordinatorRecord>,
    replies: Vec<(RequestId, Response)>,
    next_request: u64,
    next_seed: u8,
    config: GroupConfig,
}

/// A group whose members have their assignment.
pub struct StableGroup {
    pub generation_id: i32,
    pub leader: String,
    pub followers: Vec<String>,
}

impl World {
    pub fn new() -> World {
        World::with_config(GroupConfig::default())
    }

    pub fn with_config(config: GroupConfig) -> World {
        let mut shard = GroupShard::new(config.clone(), [1; 16]);
        let now = Now {
            monotonic: Instant(0),
            wall: wall(0),
        };
        shard.loaded(now);
        World {
            shard,
            now_ms: 0,
            log: Vec::new(),
            replies: Vec::new(),
            next_request: 0,
            next_seed: 2,
            config,
        }
    }

    pub fn now(&self) -> Now {
        Now {
            monotonic: Instant(self.now_ms),
            wall: wall(self.now_ms),
        }
    }

    /// Sends a request; the answer is taken with [`World::take`].
    pub fn send(&mut self, version: i16, body: Request) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        let request = GroupRequest {
            id,
            version,
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            body,
        };
        let mut outcome = Outcome::default();
        self.shard.handle(self.now(), request, &mut outcome);
        self.keep(outcome);
        // What is due at once, such as an initial rebalance without delay.
        self.expire();
        id
    }

    /// Lets time pass, and every deadline in it come at its moment.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(deadline) = self.shard.next_deadline().filter(|at| at.0 <= end) {
            self.now_ms = self.now_ms.max(deadline.0);
            self.expire();
        }
        self.now_ms = end;
    }

    fn expire(&mut self) {
        let mut outcome = Outcome::default();
        self.shard.expire(self.now(), &mut outcome);
        self.keep(outcome);
    }

    pub fn keep(&mut self, outcome: Outcome) {
        self.log.extend(outcome.append);
        for (id, response) in outcome.replies {
            assert!(id.0 <= self.next_request, "an answer to no request: {id:?}");
            assert!(
                self.replies.iter().all(|(other, _)| *other != id),
                "two answers to {id:?}: {response:?}"
            );
            self.replies.push((id, response));
        }
    }

    /// The answer to `id`, if it is there.
    pub fn take(&mut self, id: RequestId) -> Option<Response> {
        let index = self.replies.iter().position(|(other, _)| *other == id)?;
        Some(self.replies.remove(index).1)
    }

    pub fn call(&mut self, version: i16, body: Request) -> Response {
        let id = self.send(version, body);
        self.take(id).expect("an answer at once")
    }

    /// A shard that replays everything appended so far, as a new owner of the partition does.
    pub fn replayed(&mut self) -> GroupShard {
        self.next_seed += 1;
        let mut shard = GroupShard::new(self.config.clone(), [self.next_seed; 16]);
        for record in &self.log {
            shard
                .replay(Some(&record.key), record.value.as_deref())
                .expect("a record of ours");
        }
        shard.loaded(self.now());
        shard
    }

    /// The configuration of the shards to come.
    pub fn set_config(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// Replaces the shard as a crash of its broker does: who waits is not answered.
    pub fn fail_over(&mut self) {
        self.shard = self.replayed();
    }

    pub fn join(&mut self, version: i16, request: JoinGroupRequest) -> RequestId {
        self.send(version, Request::JoinGroup(request))
    }

    pub fn take_join(&mut self, id: RequestId) -> Option<JoinGroupResponse> {
        match self.take(id)? {
            Response::JoinGroup(response) => Some(response),
            other => panic!("not a JoinGroup answer: {other:?}"),
        }
    }

    pub fn join_now(&mut self, version: i16, request: JoinGroupRequest) -> JoinGroupResponse {
        let id = self.join(version, request);
        self.take_join(id).expect("an answer at once")
    }

    /// Asks for a member id, as every dynamic member begins.
    pub fn member_id(&mut self) -> String {
        let response = self.join_now(5, join_request(""));
        assert_eq!(response.error_code, ErrorCode::MemberIdRequired.code());
        response.member_id
    }

    pub fn sync(&mut self, request: SyncGroupRequest) -> RequestId {
        self.send(3, Request::SyncGroup(request))
    }

    pub fn take_sync(&mut self, id: RequestId) -> Option<SyncGroupResponse> {
        match self.take(id)? {
            Response::SyncGroup(response) => Some(response),
            other => panic!("not a SyncGroup answer: {other:?}"),
        }
    }

    pub fn sync_now(&mut self, request: SyncGroupRequest) -> SyncGroupResponse {
        let id = self.sync(request);
        self.take_sync(id).expect("an answer at once")
    }

    /// The error of a heartbeat; 0 is none.
    pub fn heartbeat(&mut self, member_id: &str, generation_id: i32) -> i16 {
        let request = HeartbeatRequest {
            group_id: GROUP.to_owned(),
            generation_id,
            member_id: member_id.to_owned(),
            ..Default::default()
        };
        match self.call(3, Request::Heartbeat(request)) {
            Response::Heartbeat(response) => response.error_code,
            other => panic!("not a Heartbeat answer: {other:?}"),
        }
    }

    pub fn leave(&mut self, members: Vec<MemberIdentity>) -> LeaveGroupResponse {
        let request = LeaveGroupRequest {
            group_id: GROUP.to_owned(),
            members,
            ..Default::default()
        };
        match self.call(3, Request::LeaveGroup(request)) {
            Response::LeaveGroup(response) => response,
            other => panic!("not a LeaveGroup answer: {other:?}"),
        }
    }

    /// The error of a commit of `t`-0; 0 is none.
    pub fn commit(&mut self, member_id: &str, generation_id: i32, offset: i64) -> i16 {
        self.commit_request(7, commit_request(member_id, generation_id, offset))
    }

    pub fn commit_request(&mut self, version: i16, request: OffsetCommitRequest) -> i16 {
        match self.call(version, Request::OffsetCommit(request)) {
            Response::OffsetCommit(response) => response.topics[0].partitions[0].error_code,
            other => panic!("not an OffsetCommit answer: {other:?}"),
        }
    }

    /// What the group committed, as (topic, partition, offset).
    pub fn committed(&mut self) -> Vec<(String, i32, i64)> {
        committed(&mut self.shard, GROUP)
    }

    pub fn describe(&mut self) -> DescribedGroup {
        describe(&mut self.shard, GROUP)
    }

    pub fn state(&mut self) -> String {
        self.describe().group_state
    }

    /// A stable group of `count` dynamic members.
    pub fn stable_group(&mut self, count: usize) -> StableGroup {
        let joins = (0..count)
            .map(|_| join_request(&self.member_id()))
            .collect();
        self.stabilize(joins)
    }

    /// Lets everybody join until all are in one generation, and sync.
    pub fn stabilize(&mut self, joins: Vec<JoinGroupRequest>) -> StableGroup {
        let mut answers: BTreeMap<String, JoinGroupResponse> = BTreeMap::new();
        let mut parked: BTreeMap<String, RequestId> = BTreeMap::new();
        while answers.len() < joins.len() {
            // While somebody waits, whoever was answered is called to join again.
            answers.clear();
            for join in &joins {
                if !parked.contains_key(&join.member_id) {
                    let id = self.join(5, join.clone());
                    parked.insert(join.member_id.clone(), id);
                }
            }
            for (member_id, id) in parked.clone() {
                if let Some(response) = self.take_join(id) {
                    assert_eq!(response.error_code, 0, "{response:?}");
                    parked.remove(&member_id);
                    answers.insert(member_id, response);
                }
            }
        }
        let any = answers.values().next().expect("a group of somebody");
        let (generation_id, leader) = (any.generation_id, any.leader.clone());
        let assignments: Vec<(&str, &str)> = answers
            .keys()
            .map(|member_id| (member_id.as_str(), member_id.as_str()))
            .collect();
        self.sync_now(sync_request(&leader, generation_id, &assignments));
        let followers: Vec<String> = answers
            .keys()
            .filter(|member_id| **member_id != leader)
            .cloned()
            .collect();
        for follower in &followers {
            let response = self.sync_now(sync_request(follower, generation_id, &[]));
            assert_eq!(response.error_code, 0);
        }
        StableGroup {
            generation_id,
            leader,
            followers,
        }
    }
}

/// The date at a moment of the virtual clock.
fn wall(now_ms: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + now_ms as i64)
}

/// A consumer of the topic `t` that supports `range` and `roundrobin`.
pub fn join_request(member_id: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: SESSION_MS as i32,
        rebalance_timeout_ms: REBALANCE_MS as i32,
        member_id: member_id.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: protocols(&["range", "roundrobin"], "t"),
        ..Default::default()
    }
}

pub fn static_join_request(member_id: &str, instance_id: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_instance_id: Some(instance_id.to_owned()),
        ..join_request(member_id)
    }
}

pub fn protocols(names: &[&str], topic: &str) -> Vec<JoinGroupRequestProtocol> {
    let subscription = ConsumerProtocolSubscription {
        topics: vec![topic.to_owned()],
        ..Default::default()
    };
    let mut metadata = bytes::BytesMut::from(&[0_u8, 0][..]);
    subscription
        .encode(0, &mut metadata)
        .expect("a small subscription");
    let metadata = metadata.freeze();
    names
        .iter()
        .map(|name| JoinGroupRequestProtocol {
            name: (*name).to_owned(),
            metadata: metadata.clone(),
            ..Default::default()
        })
        .collect()
}

/// A SyncGroup with an assignment, given as (member, its bytes), or without one.
pub fn sync_request(
    member_id: &str,
    generation_id: i32,
    assignments: &[(&str, &str)],
) -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: GROUP.to_owned(),
        generation_id,
        member_id: member_id.to_owned(),
        assignments: assignments
            .iter()
            .map(|(member_id, assignment)| SyncGroupRequestAssignment {
                member_id: (*member_id).to_owned(),
                assignment: Bytes::copy_from_slice(assignment.as_bytes()),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

pub fn identity(member_id: &str, instance_id: Option<&str>) -> MemberIdentity {
    MemberIdentity {
        member_id: member_id.to_owned(),
        group_instance_id: instance_id.map(str::to_owned),
        ..Default::default()
    }
}

pub fn commit_request(member_id: &str, generation_id: i32, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        generation_id_or_member_epoch: generation_id,
        member_id: member_id.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                committed_metadata: Some("note".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Everything about every committed offset.
pub fn all_committed(shard: &mut GroupShard) -> String {
    format!("{:?}", shard.offsets)
}

/// Asks a shard something that changes nothing.
pub fn ask(shard: &mut GroupShard, version: i16, body: Request) -> Response {
    let mut outcome = Outcome::default();
    let request = GroupRequest {
        id: RequestId(u64::MAX),
        version,
        client_id: String::new(),
        client_host: String::new(),
        body,
    };
    shard.handle(Now::default(), request, &mut outcome);
    assert!(outcome.append.is_empty(), "a question changed the shard");
    outcome.replies.pop().expect("an answer at once").1
}

pub fn describe(shard: &mut GroupShard, group_id: &str) -> DescribedGroup {
    let request = DescribeGroupsRequest {
        groups: vec![group_id.to_owned()],
        ..Default::default()
    };
    match ask(shard, 5, Request::DescribeGroups(request)) {
        Response::DescribeGroups(mut response) => response.groups.remove(0),
        other => panic!("not a DescribeGroups answer: {other:?}"),
    }
}

pub fn committed(shard: &mut GroupShard, group_id: &str) -> Vec<(String, i32, i64)> {
    let group = OffsetFetchRequestGroup {
        group_id: group_id.to_owned(),
        topics: None,
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![group],
        ..Default::default()
    };
    let Response::OffsetFetch(response) = ask(shard, 8, Request::OffsetFetch(request)) else {
        panic!("not an OffsetFetch answer");
    };
    let topics = response.groups.into_iter().flat_map(|group| group.topics);
    topics
        .flat_map(|topic| {
            topic.partitions.into_iter().map(move |partition| {
                (
                    topic.name.clone(),
                    partition.partition_index,
                    partition.committed_offset,
                )
            })
        })
        .collect()
}
