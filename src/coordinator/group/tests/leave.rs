//! LeaveGroup.

use super::support::*;
use crate::protocol::messages::leave_group_request::LeaveGroupRequest;
use crate::protocol::{ErrorCode, Request, Response};

#[test]
fn the_others_rebalance_when_a_member_leaves() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let response = world.leave(vec![identity(&group.leader, None)]);
    assert_eq!(
        (response.error_code, response.members[0].error_code),
        (0, 0)
    );
    assert_eq!(response.members[0].member_id, group.leader);
    assert_eq!(
        world.heartbeat(&group.followers[0], group.generation_id),
        27
    );
    let response = world.join_now(5, join_request(&group.followers[0]));
    assert_eq!(response.leader, group.followers[0]);
}

#[test]
fn the_last_one_leaves_an_empty_group() {
    let mut world = World::new();
    let group = world.stable_group(1);
    let records_before = world.log.len();
    world.leave(vec![identity(&group.leader, None)]);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.log.len(), records_before + 1);
}

#[test]
fn several_members_leave_at_once_and_each_has_its_answer() {
    let mut world = World::new();
    let group = world.stable_group(3);
    let response = world.leave(vec![
        identity(&group.leader, None),
        identity("who", None),
        identity(&group.followers[0], None),
        identity("", Some("nobody")),
    ]);
    let errors: Vec<i16> = response
        .members
        .iter()
        .map(|member| member.error_code)
        .collect();
    assert_eq!((response.error_code, errors), (0, vec![0, 25, 0, 25]));
    assert_eq!(world.describe().members.len(), 1);
}

#[test]
fn a_parked_join_of_a_leaving_member_is_answered() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let join = world.join(5, join_request(&group.leader));
    world.leave(vec![identity(&group.leader, None)]);
    let response = world.take_join(join).expect("it is no member any more");
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
}

#[test]
fn a_rebalance_completes_when_the_one_it_waits_for_leaves() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let join = world.join(5, join_request(&group.leader));
    world.leave(vec![identity(&group.followers[0], None)]);
    assert_eq!(
        world
            .take_join(join)
            .expect("all have joined")
            .members
            .len(),
        1
    );
}

#[test]
fn a_pending_member_may_leave() {
    let mut world = World::new();
    let group = world.stable_group(1);
    let pending = world.member_id();
    let join = world.join(5, join_request(&group.leader));
    assert!(world.take_join(join).is_none());
    assert_eq!(
        world.leave(vec![identity(&pending, None)]).members[0].error_code,
        0
    );
    assert_eq!(
        world.take_join(join).expect("nobody is pending").error_code,
        0
    );
}

#[test]
fn before_version_3_the_error_is_on_top() {
    let mut world = World::new();
    let group = world.stable_group(1);
    for (member_id, error) in [("who", 25), (group.leader.as_str(), 0)] {
        let request = LeaveGroupRequest {
            group_id: GROUP.to_owned(),
            member_id: member_id.to_owned(),
            ..Default::default()
        };
        let Response::LeaveGroup(response) = world.call(1, Request::LeaveGroup(request)) else {
            panic!("not a LeaveGroup answer");
        };
        assert_eq!(response.error_code, error);
        assert!(response.members.is_empty());
    }
}

#[test]
fn a_missing_group_knows_no_member() {
    let mut world = World::new();
    let response = world.leave(vec![identity("who", None)]);
    assert_eq!(
        (response.error_code, response.members[0].error_code),
        (0, 25)
    );
}
