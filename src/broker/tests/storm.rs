//! Commits that fail where there are thousands of partitions.

use super::node::{Node, batch, fetch_request, produce_request};
use crate::protocol::messages::init_producer_id_request::InitProducerIdRequest;
use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use crate::protocol::{ErrorCode, Request, Response};
use crate::storage::Reserve;
use crate::storage::faulty::Outcome;
use std::collections::BTreeSet;

const PARTITIONS: i32 = 3_000;

/// A node with a topic of many partitions, and another.
fn node() -> Node {
    let mut node = Node::start();
    node.create_topic("many", PARTITIONS, &[]);
    node.create_topic("other", 1, &[]);
    node
}

/// A record for each of the first partitions of `many`, in one request.
fn produce_to(count: i32) -> Request {
    let partition_data = (0..count).map(|index| PartitionProduceData {
        index,
        records: Some(batch(&["a"])),
        ..Default::default()
    });
    Request::Produce(ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "many".to_owned(),
            partition_data: partition_data.collect(),
            ..Default::default()
        }],
        ..Default::default()
    })
}

/// The error codes with which a produce of that kind is answered.
fn errors(response: Response) -> BTreeSet<ErrorCode> {
    let Response::Produce(response) = response else {
        panic!("{response:?}");
    };
    let partitions = response.responses.iter();
    let partitions = partitions.flat_map(|topic| &topic.partition_responses);
    partitions
        .map(|it| ErrorCode::from_code(it.error_code))
        .collect()
}

fn fail(node: &mut Node, count: i32, outcome: Outcome) {
    node.commits = Some(outcome);
    let response = node.ask(9, produce_to(count));
    assert_eq!(errors(response), [ErrorCode::KafkaStorageError].into());
    node.commits = Some(Outcome::Done);
}

/// The leader epochs of a topic's partitions, in their order.
fn epochs(node: &mut Node, topic: &str) -> Vec<i32> {
    let topic = MetadataRequestTopic {
        name: Some(topic.to_owned()),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let Response::Metadata(response) = node.ask(9, Request::Metadata(request)) else {
        panic!("no answer");
    };
    let mut partitions = response.topics[0].partitions.clone();
    partitions.sort_by_key(|it| it.partition_index);
    partitions.iter().map(|it| it.leader_epoch).collect()
}

#[test]
fn a_failed_commit_raises_the_epochs_of_its_own_partitions_alone() {
    let mut node = node();
    let mut poll = fetch_request("other", 0, 0, 1, 30_000);
    poll.topics[0].partitions[0].current_leader_epoch = 0;
    node.send(7, 11, Request::Fetch(poll));
    let before = node.controller_commits_made;
    fail(&mut node, 2_000, Outcome::Failed);
    let raised = epochs(&mut node, "many");
    assert!(raised[..2_000].iter().all(|epoch| *epoch == 1));
    assert!(raised[2_000..].iter().all(|epoch| *epoch == 0));
    assert_eq!(epochs(&mut node, "other"), [0]);
    assert_eq!(node.controller_commits_made - before, 1);
    assert!(
        node.answer(7).is_none(),
        "who reads elsewhere hears nothing"
    );
    assert_eq!(node.stopped, None);
    let response = node.ask(9, produce_to(PARTITIONS));
    assert_eq!(errors(response), [ErrorCode::None].into());
}

#[test]
fn a_hundred_failed_commits_write_little_metadata() {
    for count in [1, PARTITIONS] {
        let mut node = node();
        let before = node.controller_bytes;
        for _ in 0..100 {
            fail(&mut node, count, Outcome::Failed);
        }
        let written = node.controller_bytes - before;
        assert!(written < 200_000, "{count} partitions: {written} bytes");
        let raised = epochs(&mut node, "many");
        assert!(raised[..count as usize].iter().all(|epoch| *epoch == 1));
    }
}

#[test]
fn epochs_rise_again_where_something_was_durable_meanwhile() {
    let mut node = node();
    for round in 1..=20 {
        fail(&mut node, 1, Outcome::Failed);
        assert_eq!(epochs(&mut node, "many")[0], round);
        let response = node.ask(9, produce_to(1));
        assert_eq!(errors(response), [ErrorCode::None].into());
    }
}

#[test]
fn a_fetch_of_all_partitions_is_tried_again_once_for_all_that_were_rolled_back() {
    let mut node = node();
    let mut poll = fetch_request("many", 0, 0, 1, 30_000);
    let partition = poll.topics[0].partitions[0].clone();
    for index in 1..PARTITIONS {
        let mut other = partition.clone();
        other.partition = index;
        poll.topics[0].partitions.push(other);
    }
    node.send(7, 11, Request::Fetch(poll));
    fail(&mut node, PARTITIONS, Outcome::Failed);
    assert!(node.answer(7).is_none());
    let response = node.ask(
        9,
        Request::Produce(produce_request("many", 5, -1, Some(batch(&["b"])))),
    );
    assert_eq!(errors(response), [ErrorCode::None].into());
    assert!(node.answer(7).is_some());
}

#[test]
fn a_broker_registers_under_a_full_quota_also_after_a_storm() {
    let mut node = node();
    let response = node.ask(9, produce_to(PARTITIONS));
    assert_eq!(errors(response), [ErrorCode::None].into());
    node.controller_commits = Outcome::OnlyReserve;
    let before = node.controller_bytes;
    for _ in 0..10 {
        fail(&mut node, PARTITIONS, Outcome::OnlyReserve);
    }
    let storm = node.controller_bytes - before;
    let mut node = node.restart_where(false, Outcome::OnlyReserve);
    assert_eq!(node.stopped, None);
    let registration = node.controller_bytes;
    // Half of the 2 MiB that are kept back is the registration's alone (`indexed_db::room`).
    assert!(storm < 64_000, "{storm} bytes");
    assert!(registration < 64_000, "{registration} bytes");
    let fetched = node.fetch("many", PARTITIONS - 1, 0);
    assert_eq!(fetched.error_code, 0);
    assert!(fetched.records.is_some_and(|records| !records.is_empty()));
}

#[test]
fn leader_epochs_rise_also_when_readers_have_used_up_their_part_of_the_reserve() {
    let mut node = node();
    fail(&mut node, 1, Outcome::OnlyReserve);
    assert_eq!(epochs(&mut node, "many")[0], 1);
    assert_eq!(node.controller_reserve, Reserve::All);
}

#[test]
fn who_needs_a_producer_id_learns_that_storage_has_no_room() {
    let mut node = Node::start();
    let request = || {
        Request::InitProducerId(InitProducerIdRequest {
            transactional_id: None,
            ..Default::default()
        })
    };
    let ask = |node: &mut Node| {
        node.send(1, 4, request());
        node.run();
        let answer = node.answer(1).or_else(|| {
            node.pass(2_000);
            node.answer(1)
        });
        let Some(Response::InitProducerId(response)) = answer else {
            panic!("no answer in time");
        };
        ErrorCode::from_code(response.error_code)
    };
    node.controller_commits = Outcome::Quota;
    let mut granted = 0;
    let error = loop {
        match ask(&mut node) {
            ErrorCode::None => granted += 1,
            error => break error,
        }
    };
    assert_eq!((error, granted), (ErrorCode::KafkaStorageError, 1_000));
    assert!(error.retriable());
    node.controller_commits = Outcome::Done;
    node.pass(2_000);
    assert_eq!(ask(&mut node), ErrorCode::None);
}
