//! What a new owner of the partition finds.

use super::support::*;
use crate::coordinator::group::GroupConfig;
use crate::protocol::ErrorCode;

#[test]
fn members_go_on_with_their_generation_and_assignment() {
    let mut world = World::new();
    let group = world.stable_group(2);
    world.commit(&group.leader, group.generation_id, 9);
    let before = world.describe();
    world.fail_over();
    assert_eq!(world.describe(), before);
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
    let follower = &group.followers[0];
    let sync = world.sync_now(sync_request(follower, group.generation_id, &[]));
    assert_eq!(sync.assignment, follower.as_bytes());
    assert_eq!(world.committed(), [("t".to_owned(), 0, 9)]);
}

#[test]
fn members_have_their_whole_session_from_the_loading_on() {
    let mut world = World::new();
    let group = world.stable_group(1);
    world.pass(SESSION_MS - 1);
    world.fail_over();
    world.pass(SESSION_MS - 1);
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
    world.pass(SESSION_MS);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn a_generation_without_an_assignment_is_not_recorded() {
    let mut world = World::new();
    let group = world.stable_group(1);
    world.join_now(5, join_request(&group.leader));
    world.fail_over();
    // The old generation is back; the member's newer one is not known.
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
    assert_eq!(
        world.heartbeat(&group.leader, group.generation_id + 1),
        ErrorCode::IllegalGeneration.code()
    );
}

#[test]
fn a_group_before_its_first_generation_is_empty() {
    let mut world = World::new();
    let member_id = world.member_id();
    world.join_now(5, join_request(&member_id));
    world.fail_over();
    assert_eq!(world.state(), "Empty");
    let response = world.join_now(5, join_request(&member_id));
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
}

#[test]
fn a_static_member_that_came_back_is_recorded_under_its_new_id() {
    let mut world = World::new();
    let old = world.join_now(5, static_join_request("", "a")).member_id;
    world.sync_now(sync_request(&old, 1, &[(&old, "for a")]));
    let new = world.join_now(5, static_join_request("", "a")).member_id;
    world.fail_over();
    assert_eq!(world.heartbeat(&old, 1), ErrorCode::UnknownMemberId.code());
    assert_eq!(
        &world.sync_now(sync_request(&new, 1, &[])).assignment[..],
        b"for a"
    );
    assert_eq!(
        world.join_now(5, static_join_request(&old, "a")).error_code,
        ErrorCode::FencedInstanceId.code()
    );
}

#[test]
fn a_loaded_group_above_a_lowered_limit_turns_the_last_away() {
    let mut world = World::new();
    let group = world.stable_group(3);
    world.set_config(GroupConfig {
        group_max_size: 2,
        ..Default::default()
    });
    world.fail_over();
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 27);
    let leader = world.join(5, join_request(&group.leader));
    let first = world.join(5, join_request(&group.followers[0]));
    let last = world.join_now(5, join_request(&group.followers[1]));
    assert_eq!(last.error_code, ErrorCode::GroupMaxSizeReached.code());
    world.pass(REBALANCE_MS);
    assert_eq!(
        world.take_join(leader).expect("time is up").members.len(),
        2
    );
    assert_eq!(world.take_join(first).expect("time is up").error_code, 0);
}
