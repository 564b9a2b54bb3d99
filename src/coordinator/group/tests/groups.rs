//! DescribeGroups, ListGroups, DeleteGroups.

use super::support::*;
use crate::coordinator::group::{GROUPS_PER_SHARD_MAX, PENDING_MEMBERS_MAX, partition_for};
use crate::protocol::messages::delete_groups_request::DeleteGroupsRequest;
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::{ErrorCode, Request, Response};

fn list(world: &mut World, states: &[&str], types: &[&str]) -> Vec<(String, String)> {
    let request = ListGroupsRequest {
        states_filter: states.iter().map(|name| (*name).to_owned()).collect(),
        types_filter: types.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let Response::ListGroups(response) = ask(&mut world.shard, 5, Request::ListGroups(request))
    else {
        panic!("not a ListGroups answer");
    };
    response
        .groups
        .into_iter()
        .map(|group| {
            assert_eq!(group.group_type, "classic");
            (group.group_id, group.group_state)
        })
        .collect()
}

fn delete(world: &mut World, group_id: &str) -> i16 {
    let request = DeleteGroupsRequest {
        groups_names: vec![group_id.to_owned()],
        ..Default::default()
    };
    let Response::DeleteGroups(response) = world.call(2, Request::DeleteGroups(request)) else {
        panic!("not a DeleteGroups answer");
    };
    response.results[0].error_code
}

#[test]
fn a_stable_group_shows_what_its_members_agreed_on() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let described = world.describe();
    assert_eq!(described.group_state, "Stable");
    assert_eq!(described.protocol_type, "consumer");
    assert_eq!(described.protocol_data, "range");
    let leader = described
        .members
        .iter()
        .find(|member| member.member_id == group.leader);
    let leader = leader.expect("the leader is a member");
    assert_eq!(leader.client_id, "client");
    assert_eq!(leader.client_host, "/127.0.0.1");
    assert_eq!(leader.member_assignment, group.leader.as_bytes());
    assert_eq!(
        leader.member_metadata,
        protocols(&["range"], "t")[0].metadata
    );
}

#[test]
fn a_group_in_rebalance_shows_its_members_without_metadata() {
    let mut world = World::new();
    let group = world.stable_group(2);
    world.join(5, join_request(&group.leader));
    let described = world.describe();
    assert_eq!(described.group_state, "PreparingRebalance");
    assert_eq!(described.protocol_data, "");
    assert_eq!(described.members.len(), 2);
    assert!(
        described
            .members
            .iter()
            .all(|member| member.member_metadata.is_empty())
    );
}

#[test]
fn a_missing_group_is_dead_and_from_version_6_on_an_error() {
    let mut world = World::new();
    for (version, error) in [(5, 0), (6, ErrorCode::GroupIdNotFound.code())] {
        let request = DescribeGroupsRequest {
            groups: vec!["none".to_owned()],
            ..Default::default()
        };
        let Response::DescribeGroups(response) =
            ask(&mut world.shard, version, Request::DescribeGroups(request))
        else {
            panic!("not a DescribeGroups answer");
        };
        let group = &response.groups[0];
        assert_eq!(
            (group.group_state.as_str(), group.error_code),
            ("Dead", error)
        );
        assert_eq!(group.error_message.is_some(), version >= 6);
    }
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut world = World::new();
    world.stable_group(1);
    let mut simple = commit_request("", -1, 1);
    simple.group_id = "simple".to_owned();
    world.commit_request(7, simple);
    let stable = (GROUP.to_owned(), "Stable".to_owned());
    let empty = ("simple".to_owned(), "Empty".to_owned());
    assert_eq!(list(&mut world, &[], &[]), [stable.clone(), empty.clone()]);
    assert_eq!(list(&mut world, &["stable"], &[]), [stable]);
    assert_eq!(list(&mut world, &[" EMPTY "], &["Classic"]), [empty]);
    assert_eq!(list(&mut world, &["PreparingRebalance"], &[]), []);
    assert_eq!(list(&mut world, &[], &["consumer"]), []);
}

#[test]
fn only_an_empty_group_is_deleted_and_its_offsets_with_it() {
    let mut world = World::new();
    assert_eq!(delete(&mut world, GROUP), ErrorCode::GroupIdNotFound.code());
    let group = world.stable_group(1);
    world.commit(&group.leader, group.generation_id, 1);
    assert_eq!(delete(&mut world, GROUP), ErrorCode::NonEmptyGroup.code());
    world.leave(vec![identity(&group.leader, None)]);
    assert_eq!(delete(&mut world, GROUP), 0);
    assert_eq!(world.state(), "Dead");
    assert_eq!(world.committed(), []);
    world.fail_over();
    assert_eq!(world.state(), "Dead");
    assert_eq!(world.committed(), []);
}

#[test]
fn a_pending_member_of_a_deleted_group_begins_anew() {
    let mut world = World::new();
    let member_id = world.member_id();
    assert_eq!(delete(&mut world, GROUP), 0);
    let response = world.join_now(5, join_request(&member_id));
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
    world.pass(SESSION_MS);
    assert_eq!(world.state(), "Dead");
}

#[test]
fn a_group_has_kafkas_partition() {
    // `Utils.abs("…".hashCode())` in Java; polygenelubricants hashes to Integer.MIN_VALUE.
    for (group_id, hash) in [
        ("", 0),
        ("group", 98_629_247),
        ("tablog-flights", 580_267_461),
        ("größe", 98_762_257),
        ("polygenelubricants", 0),
        ("🦀", 1_772_802),
    ] {
        assert_eq!(partition_for(group_id, i32::MAX), hash, "{group_id}");
    }
    assert_eq!(partition_for("group", 50), 47);
}

#[test]
fn a_full_shard_begins_no_group_and_serves_those_it_has() {
    let mut world = World::new();
    let commit_for = |group: usize| {
        let mut request = commit_request("", -1, 1);
        request.group_id = format!("group-{group}");
        request
    };
    for group in 0..GROUPS_PER_SHARD_MAX {
        assert_eq!(world.commit_request(7, commit_for(group)), 0);
    }
    let full = ErrorCode::PolicyViolation.code();
    assert_eq!(
        world.commit_request(7, commit_for(GROUPS_PER_SHARD_MAX)),
        full
    );
    assert_eq!(world.join_now(5, join_request("")).error_code, full);
    assert_eq!(world.commit_request(7, commit_for(0)), 0);
}

#[test]
fn a_client_that_only_asks_for_member_ids_is_turned_away_in_the_end() {
    let mut world = World::new();
    for _ in 0..PENDING_MEMBERS_MAX {
        world.member_id();
    }
    let response = world.join_now(5, join_request(""));
    assert_eq!(response.error_code, ErrorCode::GroupMaxSizeReached.code());
    world.pass(SESSION_MS);
    world.member_id();
}
