//! Groups and offsets through the door: FindCoordinator creates their topic, answers wait until
//! their records are durable, and a restart finds them again.

use super::node::{Node, batch, produce_request, read};
use crate::protocol::messages::create_partitions_request::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::delete_groups_request::DeleteGroupsRequest;
use crate::protocol::messages::delete_topics_request::DeleteTopicsRequest;
use crate::protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::protocol::messages::heartbeat_request::HeartbeatRequest;
use crate::protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::protocol::messages::join_group_response::JoinGroupResponse;
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use crate::protocol::messages::sync_group_request::SyncGroupRequest;
use crate::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::protocol::{ErrorCode, Request, Response};
use crate::storage::faulty::Outcome;
use crate::storage::{KeyRange, Store};
use bytes::Bytes;

fn node() -> Node {
    let mut node = Node::start();
    node.create_topic("t", 2, &[]);
    find_coordinator(&mut node, "g");
    node
}

fn find_coordinator(node: &mut Node, group: &str) -> i16 {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned()],
        ..Default::default()
    };
    let Response::FindCoordinator(response) = node.ask(4, Request::FindCoordinator(request)) else {
        panic!("no answer");
    };
    response.coordinators[0].error_code
}

fn commit_request(offsets: &[(&str, i32, i64)]) -> Request {
    let topics = offsets
        .iter()
        .map(|(topic, partition, offset)| OffsetCommitRequestTopic {
            name: (*topic).to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: *partition,
                committed_offset: *offset,
                ..Default::default()
            }],
            ..Default::default()
        })
        .collect();
    Request::OffsetCommit(OffsetCommitRequest {
        group_id: "g".to_owned(),
        generation_id_or_member_epoch: -1,
        topics,
        ..Default::default()
    })
}

fn commit(node: &mut Node, offsets: &[(&str, i32, i64)]) -> Vec<(String, i16)> {
    let Response::OffsetCommit(response) = node.ask(8, commit_request(offsets)) else {
        panic!("no answer");
    };
    response
        .topics
        .iter()
        .map(|topic| (topic.name.clone(), topic.partitions[0].error_code))
        .collect()
}

fn committed(node: &mut Node, group: &str) -> Result<i64, i16> {
    let topics = vec![OffsetFetchRequestTopics {
        name: "t".to_owned(),
        partition_indexes: vec![0],
        ..Default::default()
    }];
    let groups = vec![OffsetFetchRequestGroup {
        group_id: group.to_owned(),
        topics: Some(topics),
        ..Default::default()
    }];
    let request = OffsetFetchRequest {
        groups,
        ..Default::default()
    };
    let Response::OffsetFetch(response) = node.ask(8, Request::OffsetFetch(request)) else {
        panic!("no answer");
    };
    match response.groups[0].error_code {
        0 => Ok(response.groups[0].topics[0].partitions[0].committed_offset),
        error => Err(error),
    }
}

fn join_request(member_id: &str) -> Request {
    Request::JoinGroup(JoinGroupRequest {
        group_id: "g".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    })
}

fn join(node: &mut Node) -> JoinGroupResponse {
    let Response::JoinGroup(first) = node.ask(5, join_request("")) else {
        panic!("no answer");
    };
    assert_eq!(first.error_code, ErrorCode::MemberIdRequired.code());
    let Response::JoinGroup(joined) = node.ask(5, join_request(&first.member_id)) else {
        panic!("no answer");
    };
    assert_eq!(joined.error_code, 0);
    joined
}

fn sync(node: &mut Node, joined: &JoinGroupResponse) -> Response {
    let assignments = vec![SyncGroupRequestAssignment {
        member_id: joined.member_id.clone(),
        assignment: Bytes::from_static(b"all"),
        ..Default::default()
    }];
    let request = SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments,
        ..Default::default()
    };
    node.ask(3, Request::SyncGroup(request))
}

fn heartbeat(node: &mut Node, joined: &JoinGroupResponse) -> i16 {
    let request = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    let Response::Heartbeat(response) = node.ask(3, Request::Heartbeat(request)) else {
        panic!("no answer");
    };
    response.error_code
}

#[test]
fn the_first_to_ask_for_a_coordinator_gets_one() {
    let mut node = Node::start();
    assert_eq!(find_coordinator(&mut node, "g"), 0);
    assert_eq!(find_coordinator(&mut node, "another"), 0);
}

#[test]
fn a_committed_offset_outlives_a_restart() {
    let mut node = node();
    node.produce("t", 0, batch(&["a", "b"]));
    assert_eq!(commit(&mut node, &[("t", 0, 2)]), [("t".to_owned(), 0)]);
    let mut node = node.restart();
    assert_eq!(committed(&mut node, "g"), Ok(2));
    assert_eq!(committed(&mut node, "never"), Ok(-1));
}

#[test]
fn a_commit_is_answered_and_shown_only_when_it_is_durable() {
    let mut node = node();
    node.commits = None;
    node.send(2, 8, commit_request(&[("t", 0, 1)]));
    node.run();
    assert!(node.answer(2).is_none());
    node.commits = Some(Outcome::Done);
    node.run();
    assert!(node.answer(2).is_some());
}

#[test]
fn a_commit_that_storage_refuses_is_told_and_forgotten() {
    let mut node = node();
    commit(&mut node, &[("t", 0, 1)]);
    node.commits = Some(Outcome::Quota);
    let told = commit(&mut node, &[("t", 0, 2)]);
    assert_eq!(told, [("t".to_owned(), ErrorCode::NotCoordinator.code())]);
    node.commits = Some(Outcome::Done);
    node.run();
    assert_eq!(committed(&mut node, "g"), Ok(1));
}

#[test]
fn a_commit_for_a_partition_that_does_not_exist_is_refused_alone() {
    let mut node = node();
    let told = commit(&mut node, &[("t", 0, 1), ("missing", 0, 1)]);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(told, [("t".to_owned(), 0), ("missing".to_owned(), unknown)]);
}

#[test]
fn a_member_survives_a_restart_and_is_out_after_its_session() {
    let mut node = node();
    let joined = join(&mut node);
    assert!(matches!(sync(&mut node, &joined), Response::SyncGroup(r) if r.error_code == 0));
    let mut node = node.restart();
    assert_eq!(heartbeat(&mut node, &joined), 0);
    node.pass(9_999);
    assert_eq!(heartbeat(&mut node, &joined), 0);
    node.pass(10_001);
    assert_eq!(
        heartbeat(&mut node, &joined),
        ErrorCode::UnknownMemberId.code()
    );
}

#[test]
fn nobody_is_expired_for_time_in_which_nobody_could_run() {
    let mut node = node();
    let joined = join(&mut node);
    sync(&mut node, &joined);
    node.now.monotonic.0 += 3_600_000;
    assert_eq!(heartbeat(&mut node, &joined), 0);
    // A handler may have had the thread for a little longer than the session: only its end is late.
    node.pass(3_000);
    node.now.monotonic.0 += 8_500;
    node.pass(0);
    assert_eq!(heartbeat(&mut node, &joined), 0);
}

#[test]
fn a_closed_connection_leaves_its_join_parked_without_an_answer() {
    let mut node = node();
    let joined = join(&mut node);
    sync(&mut node, &joined);
    node.send(7, 5, join_request(""));
    node.run();
    let Some(Response::JoinGroup(second)) = node.answer(7) else {
        panic!("no answer");
    };
    node.send(7, 5, join_request(&second.member_id));
    node.close(7);
    assert_eq!(
        heartbeat(&mut node, &joined),
        ErrorCode::RebalanceInProgress.code()
    );
    node.pass(10_000);
    assert!(node.answer(7).is_none());
}

#[test]
fn groups_of_all_shards_are_listed() {
    let mut node = node();
    commit(&mut node, &[("t", 0, 1)]);
    let Response::ListGroups(response) =
        node.ask(4, Request::ListGroups(ListGroupsRequest::default()))
    else {
        panic!("no answer");
    };
    let names: Vec<_> = response
        .groups
        .iter()
        .map(|group| group.group_id.as_str())
        .collect();
    assert_eq!((response.error_code, names), (0, vec!["g"]));
}

#[test]
fn groups_are_listed_that_pass_every_filter() {
    let mut node = node();
    commit(&mut node, &[("t", 0, 1)]);
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut listed = |states: &[&str], types: &[&str]| {
        let request = ListGroupsRequest {
            states_filter: owned(states),
            types_filter: owned(types),
            ..Default::default()
        };
        let Response::ListGroups(response) = node.ask(5, Request::ListGroups(request)) else {
            panic!("no answer");
        };
        response.groups.len()
    };
    assert_eq!(listed(&["Empty"], &[]), 1);
    assert_eq!(listed(&["nonsense", "empty ", "Empty"], &["classic"]), 1);
    assert_eq!(listed(&[], &["Classic", "consumer"]), 1);
    assert_eq!(listed(&["Stable"], &[]), 0);
    assert_eq!(listed(&["nonsense"], &[]), 0);
    assert_eq!(listed(&[], &["consumer"]), 0);
}

#[test]
fn a_coordinator_whose_topic_cannot_be_created_is_not_available() {
    let mut node = Node::with_configs(&[("offsets.topic.replication.factor", "3")]);
    assert_eq!(
        find_coordinator(&mut node, "g"),
        ErrorCode::CoordinatorNotAvailable.code()
    );
}

#[test]
fn a_coordinator_whose_log_refuses_still_knows_what_is_in_flight() {
    let mut node = node();
    node.commits = None;
    node.send(2, 8, commit_request(&[("t", 0, 5)]));
    let value = "x".repeat(1_000_000);
    for _ in 0..crate::log::UNCOMMITTED_BYTES_MAX / value.len() + 1 {
        let request = produce_request("t", 0, 0, Some(batch(&[&value])));
        node.send(3, 9, Request::Produce(request));
    }
    // The log takes no more, so the coordinator is folded again.
    node.send(4, 8, commit_request(&[("t", 0, 6)]));
    let Some(Response::OffsetCommit(response)) = node.answer(4) else {
        panic!("no answer");
    };
    let refused = response.topics[0].partitions[0].error_code;
    assert_eq!(refused, ErrorCode::NotCoordinator.code());
    let loading = committed(&mut node, "g");
    assert_eq!(loading, Err(ErrorCode::CoordinatorLoadInProgress.code()));
    node.commits = Some(Outcome::Done);
    node.run();
    assert_eq!(committed(&mut node, "g"), Ok(5));
    assert_eq!(committed(&mut node.restart(), "g"), Ok(5));
}

#[test]
fn a_coordinator_whose_log_could_not_be_read_tries_again() {
    let mut node = node();
    node.commits = None;
    let metadata = "x".repeat(4_000);
    for offset in 0..=crate::log::DIRECT_BYTES_MIN / metadata.len() {
        let Request::OffsetCommit(mut request) = commit_request(&[("t", 0, offset as i64)]) else {
            panic!("another request");
        };
        request.topics[0].partitions[0].committed_metadata = Some(metadata.clone());
        node.send(1, 8, Request::OffsetCommit(request));
    }
    node.commits = Some(Outcome::Done);
    node.run();
    let mut node = node.restart_where(true, Outcome::Done);
    node.loads_fail = false;
    assert_eq!(
        committed(&mut node, "g"),
        Err(ErrorCode::CoordinatorLoadInProgress.code())
    );
    assert_eq!(committed(&mut node, "g"), Ok(65));
}

fn delete_topic(node: &mut Node) {
    let delete = DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 1_000,
        ..Default::default()
    };
    let Response::DeleteTopics(response) = node.ask(4, Request::DeleteTopics(delete)) else {
        panic!("no answer");
    };
    assert_eq!(response.responses[0].error_code, 0);
}

#[test]
fn a_deleted_topic_takes_its_offsets_along_also_when_the_broker_dies_in_between() {
    let mut node = node();
    assert_eq!(commit(&mut node, &[("t", 0, 7)]), [("t".to_owned(), 0)]);
    // The controller's log says that the topic is gone, the coordinator's does not yet.
    node.commits = None;
    delete_topic(&mut node);
    let mut node = node.restart();
    assert_eq!(committed(&mut node, "g"), Ok(-1));
    node.create_topic("t", 2, &[]);
    // The log has forgotten it too: nobody finds it by the new topic's name.
    assert_eq!(committed(&mut node.restart(), "g"), Ok(-1));
}

#[test]
fn a_topic_that_is_deleted_while_its_coordinator_loads_takes_its_offsets_along() {
    let mut node = node();
    // So many that they are read from a segment.
    node.commits = None;
    let metadata = "m".repeat(4_096);
    for offset in 0..=65 {
        let Request::OffsetCommit(mut request) = commit_request(&[("t", 0, offset)]) else {
            unreachable!()
        };
        request.topics[0].partitions[0].committed_metadata = Some(metadata.clone());
        node.send(1, 8, Request::OffsetCommit(request));
    }
    node.commits = Some(Outcome::Done);
    node.run();
    let mut node = node.restart_where(true, Outcome::Done);
    delete_topic(&mut node);
    node.create_topic("t", 2, &[]);
    node.loads_fail = false;
    let loading = ErrorCode::CoordinatorLoadInProgress.code();
    assert_eq!(committed(&mut node, "g"), Err(loading));
    assert_eq!(committed(&mut node, "g"), Ok(-1));
}

#[test]
fn a_coordinator_that_cannot_write_that_a_topic_is_gone_does_not_try_for_ever() {
    let mut node = node();
    assert_eq!(commit(&mut node, &[("t", 0, 7)]), [("t".to_owned(), 0)]);
    node.commits = Some(Outcome::Quota);
    delete_topic(&mut node);
    node.run();
    let before = node.storage_requests();
    assert_eq!(committed(&mut node, "g"), Ok(-1));
    node.run();
    assert_eq!(node.storage_requests(), before);
}

#[test]
fn offsets_expire_however_many_they_are() {
    let mut node = Node::with_configs(&[
        ("offsets.topic.num.partitions", "1"),
        ("offsets.retention.minutes", "1"),
    ]);
    node.create_topic("t", 2, &[]);
    find_coordinator(&mut node, "g");
    // Together their removals are larger than a batch may be.
    let groups: Vec<String> = (0..60)
        .map(|group| format!("{group}{}", "g".repeat(20_000)))
        .collect();
    for group in &groups {
        let Request::OffsetCommit(mut request) = commit_request(&[("t", 0, 7)]) else {
            panic!("another request");
        };
        request.group_id.clone_from(group);
        node.ask(8, Request::OffsetCommit(request));
        assert_eq!(committed(&mut node, group), Ok(7));
    }
    node.pass(700_000);
    for group in &groups {
        assert_eq!(committed(&mut node, group), Ok(-1));
    }
    let mut node = node.restart();
    assert_eq!(committed(&mut node, &groups[0]), Ok(-1));
}

#[test]
fn a_group_that_is_to_be_deleted_twice_is_deleted_once() {
    let mut node = node();
    commit(&mut node, &[("t", 0, 7)]);
    let request = DeleteGroupsRequest {
        groups_names: ["g", "nobody", "g"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let Response::DeleteGroups(response) = node.ask(2, Request::DeleteGroups(request)) else {
        panic!("no answer");
    };
    let results = response.results.iter();
    let told: Vec<_> = results
        .map(|it| (&*it.group_id, ErrorCode::from_code(it.error_code)))
        .collect();
    let missing = ("nobody", ErrorCode::GroupIdNotFound);
    assert_eq!(told, [("g", ErrorCode::None), missing]);
}

#[test]
fn a_broker_that_starts_under_a_full_quota_reads_forms_groups_and_makes_room() {
    let mut node = node();
    node.produce("t", 0, batch(&["a"]));
    let mut node = node.restart_where(false, Outcome::OnlyReserve);
    assert_eq!(node.stopped, None);
    assert_eq!(read(&node.fetch("t", 0, 0)), [(0, "a".to_owned())]);
    let refused = node.produce("t", 0, batch(&["b"]));
    assert_eq!(refused.error_code, ErrorCode::KafkaStorageError.code());
    let message = refused.error_message.unwrap_or_default();
    assert!(message.contains("quota"), "{message}");
    assert_eq!(commit(&mut node, &[("t", 0, 1)]), [("t".to_owned(), 0)]);
    let joined = join(&mut node);
    assert!(matches!(sync(&mut node, &joined), Response::SyncGroup(it) if it.error_code == 0));
    let heads = |node: &Node| {
        let heads = KeyRange::all(Store::Head);
        node.broker_medium.read(&heads, usize::MAX).len()
    };
    let before = heads(&node);
    delete_topic(&mut node);
    // The refused record has put off what frees room, but not for long.
    node.produce("t", 1, batch(&["b"]));
    node.pass(5_000);
    assert!(heads(&node) < before);
    let mut node = node.restart_where(false, Outcome::OnlyReserve);
    assert!(node.answer(1).is_none());
    assert_eq!(committed(&mut node, "g"), Ok(-1));
}

#[test]
fn a_member_lives_where_its_connection_comes_from_and_its_successor_knows() {
    let mut node = node();
    let client_host = |node: &mut Node| {
        let request = DescribeGroupsRequest {
            groups: vec!["g".to_owned()],
            ..Default::default()
        };
        let Response::DescribeGroups(described) = node.ask(5, Request::DescribeGroups(request))
        else {
            panic!("no answer");
        };
        described.groups[0].members[0].client_host.clone()
    };
    node.connect_from(1, "/tab");
    let joined = join(&mut node);
    sync(&mut node, &joined);
    assert_eq!(client_host(&mut node), "/tab");
    let mut node = node.restart();
    assert_eq!(client_host(&mut node), "/tab");
}

#[test]
fn groups_find_the_partition_that_they_have_however_many_there_are() {
    let mut node = Node::start();
    node.create_topic("__consumer_offsets", 1, &[]);
    node.create_topic("t", 1, &[]);
    for group in ["g", "h", "i", "j"] {
        assert_eq!(find_coordinator(&mut node, group), 0);
    }
    assert_eq!(commit(&mut node, &[("t", 0, 2)]), [("t".to_owned(), 0)]);
    let mut node = node.restart();
    assert_eq!(committed(&mut node, "g"), Ok(2));
}

#[test]
fn a_topic_of_groups_that_a_client_creates_is_compacted_and_grows_no_more() {
    let mut node = Node::start();
    node.create_topic("__consumer_offsets", -1, &[("segment.bytes", "2000000")]);
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: 2,
            resource_name: "__consumer_offsets".to_owned(),
            configuration_keys: Some(vec![
                "cleanup.policy".to_owned(),
                "segment.bytes".to_owned(),
            ]),
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::DescribeConfigs(described) = node.ask(4, Request::DescribeConfigs(request))
    else {
        panic!("no answer");
    };
    let values = described.results[0].configs.iter();
    let mut values = Vec::from_iter(values.map(|config| config.value.clone().unwrap_or_default()));
    values.sort();
    assert_eq!(values, ["2000000", "compact"]);
    assert_eq!(find_coordinator(&mut node, "g"), 0);
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: "__consumer_offsets".to_owned(),
            count: 100,
            ..Default::default()
        }],
        timeout_ms: 1_000,
        ..Default::default()
    };
    let Response::CreatePartitions(refused) = node.ask(3, Request::CreatePartitions(request))
    else {
        panic!("no answer");
    };
    assert_eq!(
        refused.results[0].error_code,
        ErrorCode::InvalidRequest.code()
    );
}

#[test]
fn groups_whose_topic_is_deleted_begin_anew() {
    let mut node = node();
    let joined = join(&mut node);
    sync(&mut node, &joined);
    commit(&mut node, &[("t", 0, 1)]);
    let request = DeleteTopicsRequest {
        topic_names: vec!["__consumer_offsets".to_owned()],
        timeout_ms: 1_000,
        ..Default::default()
    };
    let Response::DeleteTopics(deleted) = node.ask(5, Request::DeleteTopics(request)) else {
        panic!("no answer");
    };
    assert_eq!(deleted.responses[0].error_code, 0);
    assert_eq!(
        heartbeat(&mut node, &joined),
        ErrorCode::NotCoordinator.code()
    );
    assert_eq!(find_coordinator(&mut node, "g"), 0);
    assert_eq!(
        heartbeat(&mut node, &joined),
        ErrorCode::UnknownMemberId.code()
    );
    assert_eq!(committed(&mut node, "g"), Ok(-1));
}
