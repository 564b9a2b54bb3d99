//! Heartbeats, sessions, and gaps in time.

use super::support::*;
use crate::protocol::ErrorCode;

#[test]
fn heartbeat_has_kafkas_errors() {
    let mut world = World::new();
    assert_eq!(world.heartbeat("who", 1), ErrorCode::UnknownMemberId.code());
    let group = world.stable_group(2);
    assert_eq!(
        world.heartbeat("who", group.generation_id),
        ErrorCode::UnknownMemberId.code()
    );
    assert_eq!(
        world.heartbeat(&group.leader, group.generation_id - 1),
        ErrorCode::IllegalGeneration.code()
    );
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
    world.join(5, join_request(&group.leader));
    assert_eq!(
        world.heartbeat(&group.followers[0], group.generation_id),
        ErrorCode::RebalanceInProgress.code()
    );
}

#[test]
fn a_member_may_heartbeat_before_it_has_its_assignment() {
    let mut world = World::new();
    let member_id = world.member_id();
    world.join_now(5, join_request(&member_id));
    assert_eq!(world.heartbeat(&member_id, 1), 0);
}

#[test]
fn a_silent_member_is_out_after_its_session_timeout() {
    let mut world = World::new();
    let group = world.stable_group(2);
    world.pass(SESSION_MS - 1);
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
    assert_eq!(world.state(), "Stable");
    world.pass(1);
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(
        world.heartbeat(&group.followers[0], group.generation_id),
        ErrorCode::UnknownMemberId.code()
    );
    let response = world.join_now(5, join_request(&group.leader));
    assert_eq!(response.members.len(), 1);
}

#[test]
fn a_group_whose_last_member_falls_silent_is_empty_and_recorded_so() {
    let mut world = World::new();
    let group = world.stable_group(1);
    let records_before = world.log.len();
    world.pass(SESSION_MS);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.log.len(), records_before + 1);
    // The generation goes on, so that the silent member cannot commit any more.
    assert_eq!(
        world.commit(&group.leader, group.generation_id, 1),
        ErrorCode::UnknownMemberId.code()
    );
}

#[test]
fn who_waits_for_others_is_not_expired() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let join = world.join(5, join_request(&group.leader));
    for _ in 0..4 {
        assert_eq!(
            world.heartbeat(&group.followers[0], group.generation_id),
            27
        );
        world.pass(SESSION_MS - 1);
    }
    let response = world.join_now(5, join_request(&group.followers[0]));
    assert_eq!(response.generation_id, group.generation_id + 1);
    assert_eq!(
        world
            .take_join(join)
            .expect("all have joined")
            .members
            .len(),
        2
    );
}

#[test]
fn nobody_is_expired_for_a_gap_in_time() {
    let mut world = World::new();
    let group = world.stable_group(2);
    // The laptop slept for eight hours.
    world.now_ms += 8 * 60 * 60 * 1_000;
    world.shard.restart_deadlines(world.now());
    world.pass(SESSION_MS - 1);
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
    assert_eq!(world.heartbeat(&group.followers[0], group.generation_id), 0);
    assert_eq!(world.state(), "Stable");
    world.pass(SESSION_MS);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn a_pending_member_id_is_forgotten_after_its_session_timeout() {
    let mut world = World::new();
    let group = world.stable_group(1);
    let member_id = world.member_id();
    world.heartbeat(&group.leader, group.generation_id);
    world.pass(SESSION_MS - 1);
    world.heartbeat(&group.leader, group.generation_id);
    world.pass(1);
    let response = world.join_now(5, join_request(&member_id));
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
}

#[test]
fn an_idle_shard_only_looks_for_expired_offsets() {
    let world = World::new();
    assert_eq!(world.shard.next_deadline().map(|at| at.0), Some(600_000));
}
