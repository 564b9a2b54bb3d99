//! SyncGroup.

use super::support::*;
use crate::protocol::ErrorCode;
use crate::protocol::messages::sync_group_request::SyncGroupRequest;
use crate::protocol::{Request, Response};

#[test]
fn followers_wait_for_the_leaders_assignment() {
    let mut world = World::new();
    let (a, b) = (world.member_id(), world.member_id());
    world.join_now(5, join_request(&a));
    let join_b = world.join(5, join_request(&b));
    world.join_now(5, join_request(&a));
    world.take_join(join_b).expect("all have joined");

    let sync_b = world.sync(sync_request(&b, 2, &[]));
    assert!(world.take_sync(sync_b).is_none());
    let records_before = world.log.len();
    let response_a = world.sync_now(sync_request(&a, 2, &[(&a, "for a"), (&b, "for b")]));
    let response_b = world.take_sync(sync_b).expect("the leader has assigned");
    assert_eq!(&response_a.assignment[..], b"for a");
    assert_eq!(&response_b.assignment[..], b"for b");
    assert_eq!(response_b.protocol_name.as_deref(), Some("range"));
    assert_eq!(world.log.len(), records_before + 1);
    assert_eq!(world.state(), "Stable");
}

#[test]
fn a_late_follower_gets_the_assignment_at_once() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let follower = &group.followers[0];
    let response = world.sync_now(sync_request(follower, group.generation_id, &[]));
    assert_eq!(response.assignment, follower.as_bytes());
}

#[test]
fn who_is_not_in_the_assignment_gets_an_empty_one() {
    let mut world = World::new();
    let member_id = world.member_id();
    world.join_now(5, join_request(&member_id));
    let response = world.sync_now(sync_request(&member_id, 1, &[("somebody", "else")]));
    assert_eq!(response.error_code, 0);
    assert!(response.assignment.is_empty());
}

#[test]
fn sync_has_kafkas_errors() {
    let mut world = World::new();
    let unknown = ErrorCode::UnknownMemberId.code();
    assert_eq!(
        world.sync_now(sync_request("who", 1, &[])).error_code,
        unknown
    );
    let group = world.stable_group(2);
    let leader = &group.leader;
    let generation = group.generation_id;
    assert_eq!(
        world
            .sync_now(sync_request("who", generation, &[]))
            .error_code,
        unknown
    );
    assert_eq!(
        world
            .sync_now(sync_request(leader, generation - 1, &[]))
            .error_code,
        ErrorCode::IllegalGeneration.code()
    );
    for (protocol_type, protocol_name) in [("connect", "range"), ("consumer", "roundrobin")] {
        let request = SyncGroupRequest {
            protocol_type: Some(protocol_type.to_owned()),
            protocol_name: Some(protocol_name.to_owned()),
            ..sync_request(leader, generation, &[])
        };
        let inconsistent = ErrorCode::InconsistentGroupProtocol.code();
        assert_eq!(world.sync_now(request).error_code, inconsistent);
    }
    let request = SyncGroupRequest {
        group_id: String::new(),
        ..sync_request(leader, 1, &[])
    };
    assert_eq!(
        world.sync_now(request).error_code,
        ErrorCode::InvalidGroupId.code()
    );
    world.join(5, join_request(leader));
    assert_eq!(
        world
            .sync_now(sync_request(leader, generation, &[]))
            .error_code,
        ErrorCode::RebalanceInProgress.code()
    );
}

#[test]
fn from_version_5_on_the_protocol_must_be_named() {
    let mut world = World::new();
    let group = world.stable_group(1);
    let request = sync_request(&group.leader, group.generation_id, &[]);
    let Response::SyncGroup(response) = world.call(5, Request::SyncGroup(request)) else {
        panic!("not a SyncGroup answer");
    };
    assert_eq!(
        response.error_code,
        ErrorCode::InconsistentGroupProtocol.code()
    );
}

#[test]
fn a_rebalance_calls_parked_followers_to_join_again() {
    let mut world = World::new();
    let (a, b) = (world.member_id(), world.member_id());
    world.join_now(5, join_request(&a));
    let join_b = world.join(5, join_request(&b));
    world.join_now(5, join_request(&a));
    world.take_join(join_b).expect("all have joined");
    let sync_b = world.sync(sync_request(&b, 2, &[]));
    world.leave(vec![identity(&a, None)]);
    let response = world.take_sync(sync_b).expect("no assignment will come");
    assert_eq!(response.error_code, ErrorCode::RebalanceInProgress.code());
    assert_eq!(world.state(), "PreparingRebalance");
}

#[test]
fn who_leaves_while_it_waits_is_answered() {
    let mut world = World::new();
    let (a, b) = (world.member_id(), world.member_id());
    world.join_now(5, join_request(&a));
    let join_b = world.join(5, join_request(&b));
    world.join_now(5, join_request(&a));
    world.take_join(join_b).expect("all have joined");
    let sync_b = world.sync(sync_request(&b, 2, &[]));
    world.leave(vec![identity(&b, None)]);
    let response = world.take_sync(sync_b).expect("it is no member any more");
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
}

#[test]
fn who_does_not_sync_in_time_is_out() {
    let mut world = World::new();
    let (a, b) = (world.member_id(), world.member_id());
    world.join_now(5, join_request(&a));
    let join_b = world.join(5, join_request(&b));
    world.join_now(5, join_request(&a));
    world.take_join(join_b).expect("all have joined");
    world.sync_now(sync_request(&a, 2, &[]));
    // The follower heartbeats, but never asks for its assignment.
    for _ in 0..REBALANCE_MS / 5_000 {
        assert_eq!(world.state(), "Stable");
        assert_eq!((world.heartbeat(&a, 2), world.heartbeat(&b, 2)), (0, 0));
        world.pass(5_000);
    }
    assert_eq!(world.heartbeat(&b, 2), ErrorCode::UnknownMemberId.code());
    assert_eq!(
        world.heartbeat(&a, 2),
        ErrorCode::RebalanceInProgress.code()
    );
    assert_eq!(world.join_now(5, join_request(&a)).generation_id, 3);
}

#[test]
fn a_sync_in_place_of_a_parked_one_answers_both() {
    let mut world = World::new();
    let (a, b) = (world.member_id(), world.member_id());
    world.join_now(5, join_request(&a));
    let join_b = world.join(5, join_request(&b));
    world.join_now(5, join_request(&a));
    world.take_join(join_b).expect("all have joined");
    let first = world.sync(sync_request(&b, 2, &[]));
    let second = world.sync(sync_request(&b, 2, &[]));
    let replaced = world
        .take_sync(first)
        .expect("it will not be answered later");
    assert_eq!(replaced.error_code, ErrorCode::RebalanceInProgress.code());
    world.sync_now(sync_request(&a, 2, &[]));
    assert_eq!(
        world
            .take_sync(second)
            .expect("the leader has assigned")
            .error_code,
        0
    );
}

#[test]
fn who_waited_longer_than_its_session_has_a_whole_one_again() {
    let mut world = World::new();
    let (a, b) = (world.member_id(), world.member_id());
    world.join_now(5, join_request(&a));
    let join_b = world.join(5, join_request(&b));
    world.join_now(5, join_request(&a));
    world.take_join(join_b).expect("all have joined");
    let sync_b = world.sync(sync_request(&b, 2, &[]));
    for _ in 0..3 {
        world.pass(SESSION_MS / 2);
        world.heartbeat(&a, 2);
    }
    world.sync_now(sync_request(&a, 2, &[]));
    assert_eq!(
        world
            .take_sync(sync_b)
            .expect("the leader has assigned")
            .error_code,
        0
    );
    world.pass(SESSION_MS - 1);
    world.heartbeat(&a, 2);
    assert_eq!(world.state(), "Stable");
    world.pass(1);
    assert_eq!(world.state(), "PreparingRebalance");
}
