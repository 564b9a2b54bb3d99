//! Static membership (KIP-345).

use super::support::*;
use crate::protocol::ErrorCode;
use crate::protocol::messages::heartbeat_request::HeartbeatRequest;
use crate::protocol::messages::join_group_request::JoinGroupRequest;
use crate::protocol::{Request, Response};

/// A stable group of the static members `a`, which leads, and `b`; their member ids.
fn static_group(world: &mut World) -> (String, String) {
    let a = world.join_now(5, static_join_request("", "a")).member_id;
    let join_b = world.join(5, static_join_request("", "b"));
    world.join_now(5, static_join_request(&a, "a"));
    let b = world.take_join(join_b).expect("all have joined").member_id;
    world.sync_now(sync_request(&a, 2, &[(&a, "for a"), (&b, "for b")]));
    world.sync_now(sync_request(&b, 2, &[]));
    (a, b)
}

#[test]
fn a_static_member_needs_no_id_first_and_its_id_names_it() {
    let mut world = World::new();
    let response = world.join_now(5, static_join_request("", "a"));
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert!(response.member_id.starts_with("a-"));
    assert_eq!(response.members[0].group_instance_id.as_deref(), Some("a"));
}

#[test]
fn a_static_follower_comes_back_without_a_rebalance() {
    let mut world = World::new();
    let (a, b) = static_group(&mut world);
    let response = world.join_now(5, static_join_request("", "b"));
    assert_eq!((response.error_code, response.generation_id), (0, 2));
    assert_ne!(response.member_id, b);
    assert_eq!(response.leader, a);
    assert_eq!(world.state(), "Stable");
    let sync = world.sync_now(sync_request(&response.member_id, 2, &[]));
    assert_eq!(&sync.assignment[..], b"for b");
}

#[test]
fn the_old_member_id_is_fenced() {
    let mut world = World::new();
    let (_, b) = static_group(&mut world);
    world.join_now(5, static_join_request("", "b"));
    let fenced = ErrorCode::FencedInstanceId.code();
    let request = HeartbeatRequest {
        group_id: GROUP.to_owned(),
        generation_id: 2,
        member_id: b.clone(),
        group_instance_id: Some("b".to_owned()),
        ..Default::default()
    };
    let Response::Heartbeat(heartbeat) = world.call(3, Request::Heartbeat(request)) else {
        panic!("not a Heartbeat answer");
    };
    assert_eq!(heartbeat.error_code, fenced);
    assert_eq!(
        world.join_now(5, static_join_request(&b, "b")).error_code,
        fenced
    );
    assert_eq!(
        world.leave(vec![identity(&b, Some("b"))]).members[0].error_code,
        fenced
    );
    let mut commit = commit_request(&b, 2, 1);
    commit.group_instance_id = Some("b".to_owned());
    assert_eq!(world.commit_request(7, commit), fenced);
    // Without its instance id it is just not a member.
    assert_eq!(world.heartbeat(&b, 2), ErrorCode::UnknownMemberId.code());
}

#[test]
fn a_parked_join_under_the_old_id_is_fenced_at_once() {
    let mut world = World::new();
    let (a, b) = static_group(&mut world);
    world.join(5, static_join_request(&a, "a"));
    let changed = JoinGroupRequest {
        protocols: protocols(&["range"], "t"),
        ..static_join_request("", "c")
    };
    world.join(5, changed);
    let old = world.join(5, static_join_request("", "a"));
    let new = world.join(5, static_join_request("", "a"));
    let response = world.take_join(old).expect("another one is `a` now");
    assert_eq!(response.error_code, ErrorCode::FencedInstanceId.code());
    world.join(5, static_join_request(&b, "b"));
    let response = world.take_join(new).expect("all have joined");
    assert_eq!((response.error_code, response.generation_id), (0, 3));
    assert_eq!(response.leader, response.member_id);
}

#[test]
fn before_version_9_a_static_leader_comes_back_as_a_follower() {
    let mut world = World::new();
    let (a, _) = static_group(&mut world);
    let response = world.join_now(5, static_join_request("", "a"));
    assert_eq!(response.leader, a);
    assert_ne!(response.member_id, a);
    assert!(response.members.is_empty());
    let sync = world.sync_now(sync_request(&response.member_id, 2, &[]));
    assert_eq!(&sync.assignment[..], b"for a");
}

#[test]
fn from_version_9_on_a_static_leader_is_told_to_skip_the_assignment() {
    let mut world = World::new();
    static_group(&mut world);
    let response = world.join_now(9, static_join_request("", "a"));
    assert!(response.skip_assignment);
    assert_eq!(response.leader, response.member_id);
    assert_eq!(response.members.len(), 2);
    let follower = world.join_now(9, static_join_request("", "b"));
    assert!(!follower.skip_assignment);
    assert!(follower.members.is_empty());
}

#[test]
fn a_static_member_back_while_completing_causes_a_rebalance() {
    let mut world = World::new();
    let a = world.join_now(5, static_join_request("", "a")).member_id;
    let response = world.join_now(5, static_join_request("", "a"));
    assert_eq!(response.generation_id, 2);
    assert_ne!(response.member_id, a);
}

#[test]
fn a_static_member_back_with_other_protocols_causes_a_rebalance_if_the_choice_changes() {
    let mut world = World::new();
    let (a, _) = static_group(&mut world);
    let request = JoinGroupRequest {
        protocols: protocols(&["roundrobin"], "t"),
        ..static_join_request("", "b")
    };
    let join = world.join(5, request);
    assert!(world.take_join(join).is_none());
    world.join_now(5, static_join_request(&a, "a"));
    let response = world.take_join(join).expect("all have joined");
    assert_eq!(response.protocol_name.as_deref(), Some("roundrobin"));
}

#[test]
fn static_members_that_do_not_join_in_time_stay_until_their_session_ends() {
    let mut world = World::new();
    let (a, b) = static_group(&mut world);
    let join = world.join(5, static_join_request(&a, "a"));
    for _ in 0..REBALANCE_MS / 5_000 {
        world.heartbeat(&b, 2);
        world.pass(5_000);
    }
    let response = world.take_join(join).expect("the rebalance is over");
    assert_eq!((response.generation_id, response.members.len()), (3, 2));
    world.sync_now(sync_request(&a, 3, &[]));
    for _ in 0..2 {
        world.pass(SESSION_MS / 2);
        world.heartbeat(&a, 3);
    }
    assert_eq!(world.describe().members.len(), 1);
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let mut world = World::new();
    let (_, b) = static_group(&mut world);
    let response = world.leave(vec![identity("", Some("b"))]);
    assert_eq!(response.members[0].error_code, 0);
    assert_eq!(world.heartbeat(&b, 2), ErrorCode::UnknownMemberId.code());
}

#[test]
fn an_unknown_instance_with_a_member_id_is_not_a_member() {
    let mut world = World::new();
    let (a, _) = static_group(&mut world);
    let response = world.join_now(5, static_join_request(&a, "nobody"));
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
}

#[test]
fn a_pending_member_id_cannot_become_static() {
    let mut world = World::new();
    let member_id = world.member_id();
    let response = world.join_now(5, static_join_request(&member_id, "a"));
    assert_eq!(response.error_code, ErrorCode::UnknownServerError.code());
}

#[test]
fn a_static_member_back_with_another_topic_protects_that_topics_offsets() {
    let mut world = World::new();
    static_group(&mut world);
    let request = JoinGroupRequest {
        protocols: protocols(&["range", "roundrobin"], "other"),
        ..static_join_request("", "b")
    };
    assert_eq!(world.join_now(5, request).error_code, 0);
    assert_eq!(world.state(), "Stable");
    assert!(world.shard.groups[GROUP].is_subscribed_to("other"));
    assert!(world.shard.groups[GROUP].is_subscribed_to("t"));
}

#[test]
fn a_static_member_that_waited_and_then_fell_silent_does_not_stay_for_ever() {
    let mut world = World::new();
    let a = world.join_now(5, static_join_request("", "a")).member_id;
    let join_b = world.join(5, static_join_request("", "b"));
    world.join_now(5, static_join_request(&a, "a"));
    let b = world.take_join(join_b).expect("all have joined").member_id;
    let sync_b = world.sync(sync_request(&b, 2, &[]));
    for _ in 0..3 {
        world.pass(SESSION_MS / 2);
        world.heartbeat(&a, 2);
    }
    world.leave(vec![identity(&a, None)]);
    let response = world.take_sync(sync_b).expect("no assignment will come");
    assert_eq!(response.error_code, ErrorCode::RebalanceInProgress.code());
    world.pass(SESSION_MS);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn a_rebalance_without_a_timeout_still_waits_for_static_members() {
    let mut world = World::new();
    static_group(&mut world);
    for instance_id in ["a", "b"] {
        let hasty = JoinGroupRequest {
            rebalance_timeout_ms: 0,
            ..static_join_request("", instance_id)
        };
        assert_eq!(world.join_now(5, hasty).error_code, 0);
    }
    world.leave(vec![identity("", Some("a"))]);
    assert_eq!(world.state(), "PreparingRebalance");
    world.pass(SESSION_MS);
    assert_eq!(world.state(), "Empty");
}
