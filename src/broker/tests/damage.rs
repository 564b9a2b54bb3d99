//! A damaged partition through the door: its clients are told, those of others go on.

use super::frames::find_coordinator;
use super::node::*;
use crate::coordinator::group::partition_for;
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use crate::protocol::{ApiKey, ErrorCode, Request, Response};
use crate::record::{BatchBuilder, BatchFields, Compression};
use crate::storage::Store;

fn list_offsets(node: &mut Node, timestamp: i64) -> i16 {
    let partitions = vec![ListOffsetsPartition {
        current_leader_epoch: -1,
        timestamp,
        ..Default::default()
    }];
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "t".to_owned(),
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::ListOffsets(response) = node.ask(7, Request::ListOffsets(request)) else {
        panic!("not an answer to ListOffsets");
    };
    response.topics[0].partitions[0].error_code
}

#[test]
fn who_uses_a_damaged_partition_is_told_and_who_uses_others_goes_on() {
    for store in [Store::Segment, Store::Index, Store::Snapshot, Store::Head] {
        let mut node = Node::with_configs(&[("group.initial.rebalance.delay.ms", "0")]);
        node.create_topic("t", 2, &[]);
        for partition in 0..2 {
            let large = "x".repeat(300_000);
            let answer = node.produce("t", partition, batch(&["small", &large]));
            assert_eq!(answer.error_code, 0);
        }
        node.damage(store, Some(0));
        let mut node = node.restart();
        let corrupt = ErrorCode::CorruptMessage.code();
        let fetched = node.fetch("t", 0, 0);
        assert_eq!(fetched.error_code, corrupt, "{}", store.name());
        for timestamp in [-1, -2, 0] {
            assert_eq!(list_offsets(&mut node, timestamp), corrupt);
        }
        let answer = node.produce("t", 0, batch(&["more"]));
        assert_eq!(answer.error_code, ErrorCode::KafkaStorageError.code());
        let message = answer.error_message.unwrap();
        assert!(message.contains("the partition has stopped"), "{message}");
        let reports = std::mem::take(&mut node.reports);
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert!(reports[0].starts_with("partition 0 of topic t has stopped: "));
        assert_eq!(read(&node.fetch("t", 1, 0)).len(), 2);
        assert_eq!(node.produce("t", 1, batch(&["more"])).error_code, 0);
    }
}

const COORDINATORS: i32 = 2;
/// Partitions of `t`, so many that a commit for all goes into a segment.
const COMMITTED: i32 = 100;

/// A group for each coordinator, and a node on which both have committed an offset.
fn two_groups() -> (Node, [String; 2]) {
    let mut node = Node::with_configs(&[("offsets.topic.num.partitions", "2")]);
    node.create_topic("t", COMMITTED, &[]);
    let groups = [0, 1].map(|coordinator| {
        let mut names = (0..).map(|number| format!("group-{number}"));
        names
            .find(|name| partition_for(name, COORDINATORS) == coordinator)
            .unwrap()
    });
    node.ask(4, find_coordinator(&groups[0]));
    for group in &groups {
        assert_eq!(commit(&mut node, group), ErrorCode::None);
        assert_eq!(committed(&mut node, group), Ok(7));
    }
    (node, groups)
}

fn commit(node: &mut Node, group: &str) -> ErrorCode {
    let partitions = (0..COMMITTED).map(|partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: 7,
        committed_metadata: Some("m".repeat(4_000)),
        ..Default::default()
    });
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: partitions.collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::OffsetCommit(response) = node.ask(8, Request::OffsetCommit(request)) else {
        panic!("not an answer to OffsetCommit");
    };
    ErrorCode::from_code(response.topics[0].partitions[0].error_code)
}

fn committed(node: &mut Node, group: &str) -> Result<i64, ErrorCode> {
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: "t".to_owned(),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::OffsetFetch(response) = node.ask(8, Request::OffsetFetch(request)) else {
        panic!("not an answer to OffsetFetch");
    };
    match ErrorCode::from_code(response.groups[0].error_code) {
        ErrorCode::None => Ok(response.groups[0].topics[0].partitions[0].committed_offset),
        error => Err(error),
    }
}

/// What FindCoordinator says of a group.
fn coordinator(node: &mut Node, group: &str) -> Result<i32, String> {
    let versions = ApiKey::FindCoordinator.versions();
    let Response::FindCoordinator(response) = node.ask(versions.max, find_coordinator(group))
    else {
        panic!("not an answer to FindCoordinator");
    };
    let found = &response.coordinators[0];
    match ErrorCode::from_code(found.error_code) {
        ErrorCode::None => Ok(found.node_id),
        error => {
            assert_eq!(error, ErrorCode::CoordinatorNotAvailable);
            Err(found.error_message.clone().unwrap_or_default())
        }
    }
}

/// The first group cannot be served, and everybody is told why; the second is.
fn assert_first_is_lost(node: &mut Node, groups: &[String; 2], why: &str) {
    let reports = std::mem::take(&mut node.reports);
    assert_eq!(reports.len(), 1, "{reports:?}");
    let partition = "partition 0 of topic __consumer_offsets has stopped: ";
    assert!(reports[0].starts_with(partition), "{reports:?}");
    assert!(reports[0].contains(why), "{reports:?}");
    assert_eq!(coordinator(node, &groups[0]), Err(reports[0].clone()));
    let unavailable = ErrorCode::CoordinatorNotAvailable;
    assert_eq!(committed(node, &groups[0]), Err(unavailable));
    assert_eq!(commit(node, &groups[0]), unavailable);
    assert!(coordinator(node, &groups[1]).is_ok());
    assert_eq!(committed(node, &groups[1]), Ok(7));
    assert_eq!(commit(node, &groups[1]), ErrorCode::None);
}

#[test]
fn a_group_whose_offsets_are_damaged_is_told_and_others_go_on() {
    for store in [Store::Segment, Store::Index, Store::Snapshot, Store::Head] {
        let (mut node, groups) = two_groups();
        node.damage(store, Some(0));
        let mut node = node.restart();
        assert_first_is_lost(&mut node, &groups, "");
    }
}

#[test]
fn a_group_of_which_no_coordinator_can_read_a_record_is_told() {
    let (mut node, groups) = two_groups();
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(START_MS, Some(&[0]), None, &[]).unwrap();
    let records = builder.build(BatchFields::default());
    let request = produce_request("__consumer_offsets", 0, -1, Some(records));
    node.client_id = "__admin_client".to_owned();
    let Response::Produce(response) = node.ask(9, Request::Produce(request)) else {
        panic!("not an answer to Produce");
    };
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    let mut node = node.restart();
    assert_first_is_lost(&mut node, &groups, "offset 100");
}
