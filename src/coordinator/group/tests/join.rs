//! JoinGroup and rebalances.

use super::support::*;
use crate::coordinator::group::GroupConfig;
use crate::protocol::ErrorCode;
use crate::protocol::messages::join_group_request::JoinGroupRequest;

#[test]
fn a_first_member_gets_an_id_then_leads_generation_one() {
    let mut world = World::new();
    let member_id = world.member_id();
    let response = world.join_now(5, join_request(&member_id));
    assert_eq!(response.error_code, 0);
    assert_eq!(response.generation_id, 1);
    assert_eq!(response.leader, member_id);
    assert_eq!(response.member_id, member_id);
    assert_eq!(response.protocol_name.as_deref(), Some("range"));
    assert_eq!(response.members.len(), 1);
    assert_eq!(world.state(), "CompletingRebalance");
}

#[test]
fn before_version_4_the_first_join_is_enough() {
    let mut world = World::new();
    let response = world.join_now(3, join_request(""));
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert!(response.member_id.starts_with("client-"));
}

#[test]
fn version_0_has_one_timeout_for_session_and_rebalance() {
    let mut world = World::new();
    let first = JoinGroupRequest {
        rebalance_timeout_ms: -1,
        ..join_request("")
    };
    let leader = world.join_now(0, first).member_id;
    world.sync_now(sync_request(&leader, 1, &[]));
    let second = world.join(0, join_request(""));
    world.pass(SESSION_MS - 1);
    world.heartbeat(&leader, 1);
    assert!(world.take_join(second).is_none());
    world.pass(1);
    assert_eq!(
        world
            .take_join(second)
            .expect("the rebalance is over")
            .generation_id,
        2
    );
}

#[test]
fn a_join_with_an_unknown_id_begins_no_group() {
    let mut world = World::new();
    let response = world.join_now(5, join_request("who"));
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
    assert_eq!(world.state(), "Dead");
    assert!(world.log.is_empty());
}

#[test]
fn a_join_with_an_unknown_id_is_turned_away_by_a_group() {
    let mut world = World::new();
    world.stable_group(1);
    let response = world.join_now(5, join_request("who"));
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
}

#[test]
fn an_empty_group_id_is_invalid() {
    let mut world = World::new();
    let response = world.join_now(
        5,
        JoinGroupRequest {
            group_id: String::new(),
            ..join_request("")
        },
    );
    assert_eq!(response.error_code, ErrorCode::InvalidGroupId.code());
}

#[test]
fn session_timeouts_have_bounds() {
    let mut world = World::new();
    for (session_timeout_ms, error) in [(5_999, 26), (6_000, 79), (1_800_000, 79), (1_800_001, 26)]
    {
        let request = JoinGroupRequest {
            session_timeout_ms,
            ..join_request("")
        };
        assert_eq!(
            world.join_now(5, request).error_code,
            error,
            "{session_timeout_ms} ms"
        );
    }
}

#[test]
fn a_member_without_protocols_is_inconsistent() {
    let mut world = World::new();
    for request in [
        JoinGroupRequest {
            protocols: Vec::new(),
            ..join_request("")
        },
        JoinGroupRequest {
            protocol_type: String::new(),
            ..join_request("")
        },
    ] {
        let response = world.join_now(5, request);
        assert_eq!(
            response.error_code,
            ErrorCode::InconsistentGroupProtocol.code()
        );
    }
}

#[test]
fn a_member_needs_the_groups_type_and_a_protocol_of_all_members() {
    let mut world = World::new();
    world.stable_group(1);
    for request in [
        JoinGroupRequest {
            protocol_type: "connect".to_owned(),
            ..join_request("")
        },
        JoinGroupRequest {
            protocols: protocols(&["sticky"], "t"),
            ..join_request("")
        },
    ] {
        let response = world.join_now(5, request);
        assert_eq!(
            response.error_code,
            ErrorCode::InconsistentGroupProtocol.code()
        );
    }
    assert_eq!(world.state(), "Stable");
}

#[test]
fn the_protocol_with_the_most_votes_of_those_that_all_support_is_chosen() {
    let mut world = World::new();
    let preferences = [
        ["range", "sticky", "roundrobin"],
        ["roundrobin", "sticky", "uniform"],
        ["roundrobin", "sticky", "range"],
    ];
    let joins: Vec<JoinGroupRequest> = preferences
        .iter()
        .map(|names| {
            // An id is handed out only to who fits, so ask with what all support.
            let id = world.join_now(
                5,
                JoinGroupRequest {
                    protocols: protocols(&["sticky", "roundrobin"], "t"),
                    ..join_request("")
                },
            );
            JoinGroupRequest {
                protocols: protocols(names, "t"),
                ..join_request(&id.member_id)
            }
        })
        .collect();
    world.stabilize(joins);
    assert_eq!(world.describe().protocol_data, "roundrobin");
}

#[test]
fn only_the_leader_learns_of_the_members() {
    let mut world = World::new();
    let (a, b) = (world.member_id(), world.member_id());
    world.join_now(5, join_request(&a));
    let join_b = world.join(5, join_request(&b));
    let response_a = world.join_now(5, join_request(&a));
    let response_b = world.take_join(join_b).expect("all have joined");
    assert_eq!((response_a.generation_id, response_b.generation_id), (2, 2));
    assert_eq!(response_a.leader, a);
    assert_eq!(response_b.leader, a);
    let members: Vec<&str> = response_a
        .members
        .iter()
        .map(|member| member.member_id.as_str())
        .collect();
    assert_eq!(members.len(), 2);
    assert!(members.contains(&a.as_str()) && members.contains(&b.as_str()));
    assert_eq!(
        response_a.members[0].metadata,
        protocols(&["range"], "t")[0].metadata
    );
    assert!(response_b.members.is_empty());
}

#[test]
fn a_follower_that_joins_again_unchanged_gets_the_current_generation() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let follower = &group.followers[0];
    let response = world.join_now(5, join_request(follower));
    assert_eq!(
        (response.error_code, response.generation_id),
        (0, group.generation_id)
    );
    assert!(response.members.is_empty());
    assert_eq!(world.state(), "Stable");
}

#[test]
fn a_follower_with_another_subscription_causes_a_rebalance() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let request = JoinGroupRequest {
        protocols: protocols(&["range", "roundrobin"], "other"),
        ..join_request(&group.followers[0])
    };
    let join = world.join(5, request);
    assert!(world.take_join(join).is_none());
    assert_eq!(world.state(), "PreparingRebalance");
}

#[test]
fn a_leader_that_joins_again_causes_a_rebalance() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let join = world.join(5, join_request(&group.leader));
    assert!(world.take_join(join).is_none());
    let response = world.join_now(5, join_request(&group.followers[0]));
    assert_eq!(response.generation_id, group.generation_id + 1);
}

#[test]
fn a_lost_join_answer_is_given_again_while_completing() {
    let mut world = World::new();
    let member_id = world.member_id();
    let first = world.join_now(5, join_request(&member_id));
    let again = world.join_now(5, join_request(&member_id));
    assert_eq!(first, again);
    assert_eq!(world.state(), "CompletingRebalance");
}

#[test]
fn a_changed_member_while_completing_causes_a_rebalance() {
    let mut world = World::new();
    let member_id = world.member_id();
    world.join_now(5, join_request(&member_id));
    let request = JoinGroupRequest {
        protocols: protocols(&["range"], "other"),
        ..join_request(&member_id)
    };
    assert_eq!(world.join_now(5, request).generation_id, 2);
}

#[test]
fn a_join_in_place_of_a_parked_one_answers_both() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let first = world.join(5, join_request(&group.leader));
    let second = world.join(5, join_request(&group.leader));
    let replaced = world
        .take_join(first)
        .expect("it will not be answered later");
    assert_eq!(replaced.error_code, ErrorCode::RebalanceInProgress.code());
    world.join(5, join_request(&group.followers[0]));
    assert_eq!(
        world.take_join(second).expect("all have joined").error_code,
        0
    );
}

#[test]
fn who_does_not_join_in_time_is_out() {
    let mut world = World::new();
    let group = world.stable_group(3);
    let join = world.join(5, join_request(&group.leader));
    // They heartbeat, but never join.
    for _ in 0..REBALANCE_MS / 5_000 {
        assert!(world.take_join(join).is_none());
        for follower in &group.followers {
            assert_eq!(world.heartbeat(follower, group.generation_id), 27);
        }
        world.pass(5_000);
    }
    let response = world.take_join(join).expect("the rebalance is over");
    assert_eq!(response.generation_id, group.generation_id + 1);
    assert_eq!(response.members.len(), 1);
    assert_eq!(
        world.heartbeat(&group.followers[0], group.generation_id),
        ErrorCode::UnknownMemberId.code()
    );
}

#[test]
fn a_leader_that_does_not_join_in_time_is_replaced() {
    let mut world = World::new();
    let group = world.stable_group(2);
    let follower = group.followers[0].clone();
    let changed = JoinGroupRequest {
        protocols: protocols(&["range"], "other"),
        ..join_request(&follower)
    };
    let join = world.join(5, changed);
    world.pass(REBALANCE_MS);
    let response = world.take_join(join).expect("the rebalance is over");
    assert_eq!(response.leader, follower);
    assert_eq!(response.members.len(), 1);
}

#[test]
fn a_rebalance_waits_for_pending_members_until_their_session_ends() {
    let mut world = World::new();
    let group = world.stable_group(1);
    world.member_id();
    let join = world.join(5, join_request(&group.leader));
    world.pass(SESSION_MS - 1);
    assert!(world.take_join(join).is_none());
    world.pass(1);
    assert_eq!(
        world
            .take_join(join)
            .expect("nobody is pending")
            .generation_id,
        2
    );
}

#[test]
fn the_initial_rebalance_waits_for_more_members() {
    let mut world = World::with_config(GroupConfig {
        group_initial_rebalance_delay_ms: 3_000,
        ..Default::default()
    });
    let (a, b) = (world.member_id(), world.member_id());
    let join_a = world.join(5, join_request(&a));
    world.pass(2_000);
    let join_b = world.join(5, join_request(&b));
    // Somebody came: one more delay.
    world.pass(1_000);
    assert!(world.take_join(join_a).is_none());
    world.pass(3_000);
    let response_a = world.take_join(join_a).expect("the delay is over");
    let response_b = world.take_join(join_b).expect("the delay is over");
    assert_eq!((response_a.generation_id, response_b.generation_id), (1, 1));
    assert_eq!(response_a.members.len(), 2);
}

#[test]
fn the_initial_rebalance_ends_with_the_rebalance_timeout() {
    let mut world = World::with_config(GroupConfig {
        group_initial_rebalance_delay_ms: 3_000,
        ..Default::default()
    });
    let short = |member_id: &str| JoinGroupRequest {
        rebalance_timeout_ms: 7_000,
        ..join_request(member_id)
    };
    let first = world.join(3, short(""));
    for _ in 0..3 {
        assert!(world.take_join(first).is_none());
        world.pass(2_000);
        world.join(3, short(""));
    }
    world.pass(1_000);
    assert_eq!(
        world.take_join(first).expect("7 s are over").members.len(),
        4
    );
}

#[test]
fn a_full_group_turns_new_members_away() {
    let mut world = World::with_config(GroupConfig {
        group_max_size: 2,
        ..Default::default()
    });
    let group = world.stable_group(2);
    let response = world.join_now(5, join_request(""));
    assert_eq!(response.error_code, ErrorCode::GroupMaxSizeReached.code());
    assert_eq!(world.heartbeat(&group.leader, group.generation_id), 0);
}

#[test]
fn a_new_member_that_is_never_answered_is_forgotten() {
    let mut world = World::new();
    let group = world.stable_group(1);
    let id = world.join(
        3,
        JoinGroupRequest {
            rebalance_timeout_ms: 3_600_000,
            ..join_request("")
        },
    );
    // The leader lives on but does not join.
    for _ in 0..60 {
        world.heartbeat(&group.leader, group.generation_id);
        world.pass(5_000);
    }
    let response = world.take_join(id).expect("five minutes are over");
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
}
