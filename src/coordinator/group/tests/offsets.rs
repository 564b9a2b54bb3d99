//! Committed offsets.

use super::support::*;
use crate::coordinator::group::Outcome;
use crate::protocol::messages::join_group_request::JoinGroupRequest;
use crate::protocol::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::protocol::messages::offset_fetch_response::OffsetFetchResponse;
use crate::protocol::{ErrorCode, Request, Response};

const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Expired offsets are looked for this often.
const CHECK_MS: u64 = 600_000;

fn offset_fetch(
    world: &mut World,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    match ask(&mut world.shard, version, Request::OffsetFetch(request)) {
        Response::OffsetFetch(response) => response,
        other => panic!("not an OffsetFetch answer: {other:?}"),
    }
}

/// The errors of an OffsetDelete of partition 0 of `t`: on top and of the partition.
fn delete_offset(world: &mut World) -> (i16, Option<i16>) {
    let topic = OffsetDeleteRequestTopic {
        name: "t".to_owned(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics: vec![topic],
    };
    let Response::OffsetDelete(response) = world.call(0, Request::OffsetDelete(request)) else {
        panic!("not an OffsetDelete answer");
    };
    let partition = response
        .topics
        .first()
        .map(|topic| topic.partitions[0].error_code);
    (response.error_code, partition)
}

#[test]
fn an_administrator_commits_for_a_group_that_does_not_exist() {
    let mut world = World::new();
    assert_eq!(world.commit("", -1, 5), 0);
    assert_eq!(world.committed(), [("t".to_owned(), 0, 5)]);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.describe().protocol_type, "");
}

#[test]
fn a_member_commits_in_its_generation_only() {
    let mut world = World::new();
    let group = world.stable_group(1);
    assert_eq!(world.commit(&group.leader, group.generation_id, 1), 0);
    let illegal = ErrorCode::IllegalGeneration.code();
    assert_eq!(
        world.commit(&group.leader, group.generation_id - 1, 2),
        illegal
    );
    assert_eq!(world.commit(&group.leader, -1, 2), illegal);
    let unknown = ErrorCode::UnknownMemberId.code();
    assert_eq!(world.commit("who", group.generation_id, 2), unknown);
    assert_eq!(world.commit("", -1, 2), unknown);
    assert_eq!(world.committed(), [("t".to_owned(), 0, 1)]);
}

#[test]
fn a_generation_of_a_missing_group_is_an_error_that_depends_on_the_version() {
    let mut world = World::new();
    for (version, error) in [
        (8, ErrorCode::IllegalGeneration),
        (9, ErrorCode::GroupIdNotFound),
    ] {
        assert_eq!(
            world.commit_request(version, commit_request("who", 1, 1)),
            error.code()
        );
    }
    assert_eq!(world.state(), "Dead");
}

#[test]
fn commits_of_the_old_generation_count_until_the_new_one_stands() {
    let mut world = World::new();
    let group = world.stable_group(2);
    world.join(5, join_request(&group.leader));
    let follower = &group.followers[0];
    assert_eq!(world.commit(follower, group.generation_id, 7), 0);
    world.join(5, join_request(follower));
    assert_eq!(
        world.commit(follower, group.generation_id, 8),
        ErrorCode::IllegalGeneration.code()
    );
    assert_eq!(
        world.commit(follower, group.generation_id + 1, 8),
        ErrorCode::RebalanceInProgress.code()
    );
    assert_eq!(world.committed(), [("t".to_owned(), 0, 7)]);
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut world = World::new();
    let group = world.stable_group(1);
    for offset in 0..5 {
        world.pass(SESSION_MS - 1);
        assert_eq!(world.commit(&group.leader, group.generation_id, offset), 0);
    }
    assert_eq!(world.state(), "Stable");
}

#[test]
fn metadata_has_a_limit_for_each_partition() {
    let mut world = World::new();
    let mut request = commit_request("", -1, 1);
    let mut partition = request.topics[0].partitions[0].clone();
    partition.partition_index = 1;
    partition.committed_metadata = Some("x".repeat(4_097));
    request.topics[0].partitions[0].committed_metadata = Some("x".repeat(4_096));
    request.topics[0].partitions.push(partition);
    let Response::OffsetCommit(response) = world.call(7, Request::OffsetCommit(request)) else {
        panic!("not an OffsetCommit answer");
    };
    let errors: Vec<i16> = response.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(errors, [0, ErrorCode::OffsetMetadataTooLarge.code()]);
    assert_eq!(world.committed(), [("t".to_owned(), 0, 1)]);
}

#[test]
fn what_was_not_committed_is_minus_one_and_no_error() {
    let mut world = World::new();
    let topic = OffsetFetchRequestTopic {
        name: "t".to_owned(),
        partition_indexes: vec![3],
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        group_id: GROUP.to_owned(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let response = offset_fetch(&mut world, 5, request);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((response.error_code, partition.error_code), (0, 0));
    assert_eq!(partition.partition_index, 3);
    assert_eq!(
        (partition.committed_offset, partition.committed_leader_epoch),
        (-1, -1)
    );
    assert_eq!(partition.metadata.as_deref(), Some(""));
}

#[test]
fn a_fetch_gives_back_offset_epoch_and_metadata() {
    let mut world = World::new();
    let mut request = commit_request("", -1, 42);
    request.topics[0].partitions[0].committed_leader_epoch = 3;
    world.commit_request(7, request);
    let topic = OffsetFetchRequestTopics {
        name: "t".to_owned(),
        partition_indexes: vec![0],
        ..Default::default()
    };
    let group = OffsetFetchRequestGroup {
        group_id: GROUP.to_owned(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![group],
        ..Default::default()
    };
    let response = offset_fetch(&mut world, 8, request);
    assert_eq!(response.groups[0].group_id, GROUP);
    let partition = &response.groups[0].topics[0].partitions[0];
    assert_eq!(
        (partition.committed_offset, partition.committed_leader_epoch),
        (42, 3)
    );
    assert_eq!(partition.metadata.as_deref(), Some("note"));
}

#[test]
fn a_fetch_without_topics_gives_everything() {
    let mut world = World::new();
    for topic in ["b", "a"] {
        let mut request = commit_request("", -1, 1);
        request.topics[0].name = topic.to_owned();
        world.commit_request(7, request);
    }
    let request = OffsetFetchRequest {
        group_id: GROUP.to_owned(),
        topics: None,
        ..Default::default()
    };
    let response = offset_fetch(&mut world, 2, request);
    let names: Vec<&str> = response
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn simple_offsets_expire_a_week_after_their_commit_and_take_the_group_along() {
    let mut world = World::new();
    world.commit("", -1, 1);
    world.pass(WEEK_MS - CHECK_MS);
    assert_eq!(world.committed().len(), 1);
    let records_before = world.log.len();
    world.pass(CHECK_MS);
    assert_eq!(world.committed(), []);
    assert_eq!(world.state(), "Dead");
    let tombstones = &world.log[records_before..];
    assert_eq!(tombstones.len(), 2);
    assert!(tombstones.iter().all(|record| record.value.is_none()));
}

#[test]
fn a_consumers_offsets_expire_a_week_after_the_group_became_empty() {
    let mut world = World::new();
    let group = world.stable_group(1);
    world.commit(&group.leader, group.generation_id, 1);
    for _ in 0..2 * WEEK_MS / (SESSION_MS / 2) / 100 {
        world.heartbeat(&group.leader, group.generation_id);
        // A hundred heartbeats at once: only the time between two counts.
        world.now_ms += 100 * SESSION_MS / 2;
        world.shard.restart_deadlines(world.now());
    }
    assert_eq!(world.committed().len(), 1);
    world.leave(vec![identity(&group.leader, None)]);
    world.pass(WEEK_MS - CHECK_MS);
    assert_eq!(world.committed().len(), 1);
    world.pass(2 * CHECK_MS);
    assert_eq!(world.committed(), []);
    assert_eq!(world.state(), "Dead");
}

#[test]
fn a_live_group_loses_only_what_it_does_not_read() {
    let mut world = World::new();
    let member_id = world.member_id();
    let group = world.stabilize(vec![JoinGroupRequest {
        session_timeout_ms: 1_800_000,
        ..join_request(&member_id)
    }]);
    let mut other = commit_request(&group.leader, group.generation_id, 1);
    other.topics[0].name = "other".to_owned();
    world.commit_request(7, other);
    world.commit(&group.leader, group.generation_id, 1);
    for _ in 0..(WEEK_MS + CHECK_MS) / CHECK_MS {
        world.pass(CHECK_MS);
        assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
    }
    assert_eq!(world.committed(), [("t".to_owned(), 0, 1)]);
}

#[test]
fn a_client_before_version_5_may_set_the_retention() {
    let mut world = World::new();
    let mut request = commit_request("", -1, 1);
    request.retention_time_ms = 1_000;
    world.commit_request(2, request);
    world.fail_over();
    assert_eq!(world.committed().len(), 1);
    world.pass(CHECK_MS);
    assert_eq!(world.committed(), []);
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    let mut world = World::new();
    world.commit("", -1, 1);
    let mut other = commit_request("", -1, 2);
    other.topics[0].name = "other".to_owned();
    world.commit_request(7, other);
    let mut outcome = Outcome::default();
    world.shard.topic_deleted("t", &mut outcome);
    assert_eq!(outcome.append.len(), 1);
    world.keep(outcome);
    assert_eq!(world.committed(), [("other".to_owned(), 0, 2)]);
    world.fail_over();
    assert_eq!(world.committed(), [("other".to_owned(), 0, 2)]);
}

#[test]
fn offsets_of_an_empty_group_can_be_deleted() {
    let mut world = World::new();
    assert_eq!(
        delete_offset(&mut world),
        (ErrorCode::GroupIdNotFound.code(), None)
    );
    world.commit("", -1, 1);
    assert_eq!(delete_offset(&mut world), (0, Some(0)));
    assert_eq!(world.committed(), []);
    let records_before = world.log.len();
    assert_eq!(delete_offset(&mut world), (0, Some(0)));
    assert_eq!(world.log.len(), records_before);
}

#[test]
fn offsets_of_a_topic_that_is_read_cannot_be_deleted() {
    let mut world = World::new();
    let group = world.stable_group(1);
    world.commit(&group.leader, group.generation_id, 1);
    let subscribed = ErrorCode::GroupSubscribedToTopic.code();
    assert_eq!(delete_offset(&mut world), (0, Some(subscribed)));
    assert_eq!(world.committed().len(), 1);
}

#[test]
fn offsets_of_a_live_group_that_is_not_of_consumers_cannot_be_deleted() {
    let mut world = World::new();
    let connect = |member_id: &str| JoinGroupRequest {
        protocol_type: "connect".to_owned(),
        ..join_request(member_id)
    };
    let member_id = world.join_now(5, connect("")).member_id;
    world.stabilize(vec![connect(&member_id)]);
    assert_eq!(
        delete_offset(&mut world),
        (ErrorCode::NonEmptyGroup.code(), None)
    );
}
