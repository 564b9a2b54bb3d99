//! Produce, Fetch, ListOffsets, DeleteRecords, InitProducerId.

use super::node::{Node, batch, batch_with, fetch_request, produce_request, read};
use crate::protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::protocol::messages::init_producer_id_request::InitProducerIdRequest;
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::{ErrorCode, Request, Response};
use crate::record::{BatchBuilder, BatchFields, Compression};
use crate::storage::faulty::Outcome;
use bytes::Bytes;

fn node() -> Node {
    let mut node = Node::start();
    node.create_topic("t", 1, &[]);
    node
}

fn pairs(values: &[(i64, &str)]) -> Vec<(i64, String)> {
    values
        .iter()
        .map(|(offset, value)| (*offset, (*value).to_owned()))
        .collect()
}

#[test]
fn what_was_produced_is_fetched_also_after_a_restart() {
    let mut node = node();
    assert_eq!(node.produce("t", 0, batch(&["a", "b"])).base_offset, 0);
    assert_eq!(node.produce("t", 0, batch(&["c"])).base_offset, 2);
    let mut node = node.restart();
    let data = node.fetch("t", 0, 0);
    assert_eq!(data.high_watermark, 3);
    assert_eq!(read(&data), pairs(&[(0, "a"), (1, "b"), (2, "c")]));
}

#[test]
fn a_produce_is_answered_and_shown_only_when_it_is_durable() {
    let mut node = node();
    node.commits = None;
    let request = produce_request("t", 0, -1, Some(batch(&["a"])));
    node.send(1, 9, Request::Produce(request));
    node.run();
    assert!(node.answer(1).is_none());
    node.send(2, 11, Request::Fetch(fetch_request("t", 0, 0, 0, 0)));
    let Some(Response::Fetch(response)) = node.answer(2) else {
        panic!("no answer")
    };
    assert_eq!(response.responses[0].partitions[0].high_watermark, 0);
    assert!(read(&response.responses[0].partitions[0]).is_empty());
    node.commits = Some(Outcome::Done);
    node.run();
    assert!(matches!(node.answer(1), Some(Response::Produce(_))));
}

#[test]
fn acks_0_is_not_answered_and_acks_2_is_refused() {
    let mut node = node();
    node.send(
        1,
        9,
        Request::Produce(produce_request("t", 0, 0, Some(batch(&["a"])))),
    );
    node.send(
        1,
        9,
        Request::Produce(produce_request("t", 0, 2, Some(batch(&["b"])))),
    );
    node.run();
    let Some(Response::Produce(response)) = node.answer(1) else {
        panic!("no answer")
    };
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::InvalidRequiredAcks.code());
    assert!(node.answer(1).is_none());
    assert_eq!(read(&node.fetch("t", 0, 0)), pairs(&[(0, "a")]));
}

#[test]
fn a_failed_acks_0_closes_the_connection() {
    let mut node = node();
    node.send(
        7,
        9,
        Request::Produce(produce_request("t", 5, 0, Some(batch(&["a"])))),
    );
    assert!(node.is_closed(7));
}

#[test]
fn null_records_are_answered_with_an_error() {
    let mut node = node();
    let request = produce_request("t", 0, -1, None);
    let Response::Produce(response) = node.ask(9, Request::Produce(request)) else {
        panic!("no answer");
    };
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::InvalidRecord.code());
}

#[test]
fn zstd_is_taken_from_the_version_on_that_has_it() {
    let mut node = node();
    let mut builder = BatchBuilder::new(Compression::Zstd);
    builder.append(0, None, Some(b"a"), &[]).unwrap();
    let zstd = builder.build(BatchFields::default());
    for (version, error) in [
        (6, ErrorCode::UnsupportedCompressionType),
        (7, ErrorCode::None),
    ] {
        let request = produce_request("t", 0, -1, Some(zstd.clone()));
        let Response::Produce(response) = node.ask(version, Request::Produce(request)) else {
            panic!("no answer");
        };
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, error.code());
    }
}

#[test]
fn a_long_poll_waits_for_min_bytes_or_its_time() {
    let mut node = node();
    node.send(2, 11, Request::Fetch(fetch_request("t", 0, 0, 1, 500)));
    node.pass(499);
    assert!(node.answer(2).is_none());
    node.pass(1);
    let Some(Response::Fetch(response)) = node.answer(2) else {
        panic!("no answer")
    };
    assert!(read(&response.responses[0].partitions[0]).is_empty());

    node.send(2, 11, Request::Fetch(fetch_request("t", 0, 0, 1, 500)));
    node.produce("t", 0, batch(&["a"]));
    let Some(Response::Fetch(response)) = node.answer(2) else {
        panic!("no answer")
    };
    assert_eq!(
        read(&response.responses[0].partitions[0]),
        pairs(&[(0, "a")])
    );
}

/// The bytes that a fetch is answered with, once it is.
fn fetched_bytes(node: &mut Node) -> Option<usize> {
    let response = node.answer(2)?;
    let Response::Fetch(response) = response else {
        panic!("no answer to a fetch");
    };
    let partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions);
    Some(
        partitions
            .map(|data| data.records.as_ref().map_or(0, Bytes::len))
            .sum(),
    )
}

#[test]
fn what_does_not_fit_an_answer_is_not_waited_for() {
    let mut node = Node::start();
    node.create_topic("t", 2, &[]);
    let small = batch(&["a"]);
    for partition in [0, 1] {
        node.produce("t", partition, small.clone());
    }
    // The one fits, and the other is there to make up the rest.
    let mut request = fetch_request("t", 0, 0, small.len() as i32 + 1, 60_000);
    request.max_bytes = 2 * small.len() as i32 - 1;
    let mut second = request.topics[0].partitions[0].clone();
    second.partition = 1;
    request.topics[0].partitions.push(second);
    node.send(2, 11, Request::Fetch(request));
    assert_eq!(fetched_bytes(&mut node), Some(small.len()));
}

#[test]
fn a_long_poll_is_answered_with_the_append_that_completes_its_min_bytes() {
    let small = batch(&["a"]);
    // The second goes straight to its segment, the third is in the journal for a while.
    for value_bytes in [10, 300_000, 5_000] {
        let mut node = Node::start();
        node.create_topic("t", 2, &[]);
        let last = batch(&["x".repeat(value_bytes).as_str()]);
        let min_bytes = 100 * small.len() + last.len();
        let mut request = fetch_request("t", 0, 0, min_bytes as i32, 60_000);
        let mut second = request.topics[0].partitions[0].clone();
        second.partition = 1;
        request.topics[0].partitions.push(second);
        node.send(2, 11, Request::Fetch(request));
        for produced in 0..100 {
            node.produce("t", produced % 2, small.clone());
        }
        assert_eq!(fetched_bytes(&mut node), None);
        node.produce("t", 0, last);
        assert_eq!(fetched_bytes(&mut node), Some(min_bytes));
    }
}

#[test]
fn no_more_of_a_partition_counts_than_may_be_fetched_of_it() {
    let mut node = node();
    let mut request = fetch_request("t", 0, 0, 200, 500);
    request.topics[0].partitions[0].partition_max_bytes = 100;
    node.send(2, 11, Request::Fetch(request));
    for _ in 0..10 {
        node.produce("t", 0, batch(&["a"]));
    }
    assert_eq!(fetched_bytes(&mut node), None);
    node.pass(500);
    assert_eq!(fetched_bytes(&mut node), Some(batch(&["a"]).len()));
}

#[test]
fn a_long_poll_ends_when_its_position_is_deleted() {
    let mut node = node();
    node.produce("t", 0, batch(&["a"]));
    node.send(
        2,
        11,
        Request::Fetch(fetch_request("t", 0, 0, 1_000, 60_000)),
    );
    assert_eq!(delete_records(&mut node, 1), (0, 1));
    let Some(Response::Fetch(response)) = node.answer(2) else {
        panic!("no answer");
    };
    assert_eq!(
        response.responses[0].partitions[0].error_code,
        ErrorCode::OffsetOutOfRange.code()
    );
}

#[test]
fn after_a_gap_in_time_a_long_poll_has_its_whole_wait_again() {
    let mut node = node();
    node.send(2, 11, Request::Fetch(fetch_request("t", 0, 0, 1, 1_000)));
    node.now.monotonic.0 += 3_600_000;
    node.pass(0);
    assert!(node.answer(2).is_none());
    node.pass(1_000);
    assert!(node.answer(2).is_some());
}

#[test]
fn answers_keep_the_order_of_their_connection() {
    let mut node = node();
    node.send(1, 11, Request::Fetch(fetch_request("t", 0, 0, 1, 500)));
    node.send(
        1,
        9,
        Request::Produce(produce_request("t", 0, -1, Some(batch(&["a"])))),
    );
    node.run();
    assert!(matches!(node.answer(1), Some(Response::Fetch(_))));
    assert!(matches!(node.answer(1), Some(Response::Produce(_))));
}

#[test]
fn an_offset_out_of_range_is_told_at_once() {
    let mut node = node();
    node.send(1, 11, Request::Fetch(fetch_request("t", 0, 1, 1, 500)));
    let Some(Response::Fetch(response)) = node.answer(1) else {
        panic!("no answer")
    };
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.error_code, ErrorCode::OffsetOutOfRange.code());
    // As Kafka's: nothing else is told of the partition.
    let ends = (data.high_watermark, data.last_stable_offset);
    assert_eq!((ends, data.log_start_offset), ((-1, -1), -1));
}

#[test]
fn only_full_fetches_are_served() {
    let mut node = node();
    node.produce("t", 0, batch(&["a"]));
    let mut ask = |session_id, session_epoch| {
        let mut request = fetch_request("t", 0, 0, 0, 0);
        (request.session_id, request.session_epoch) = (session_id, session_epoch);
        let Response::Fetch(response) = node.ask(11, Request::Fetch(request)) else {
            panic!("no answer");
        };
        (
            response.session_id,
            ErrorCode::from_code(response.error_code),
        )
    };
    for (session_id, session_epoch) in [(0, -1), (0, 0), (77, -1), (77, 0)] {
        assert_eq!(ask(session_id, session_epoch), (0, ErrorCode::None));
    }
    for (session_id, session_epoch) in [(0, 5), (0, -2), (77, 1)] {
        let refused = (0, ErrorCode::FetchSessionIdNotFound);
        assert_eq!(ask(session_id, session_epoch), refused);
    }
}

#[test]
fn a_full_quota_refuses_and_keeps_what_is_there() {
    let mut node = node();
    node.produce("t", 0, batch(&["a"]));
    node.commits = Some(Outcome::Quota);
    let refused = node.produce("t", 0, batch(&["b"]));
    assert_eq!(refused.error_code, ErrorCode::KafkaStorageError.code());
    assert!(
        refused
            .error_message
            .is_some_and(|message| message.contains("quota"))
    );
    assert_eq!(read(&node.fetch("t", 0, 0)), pairs(&[(0, "a")]));
    node.commits = Some(Outcome::Done);
    assert_eq!(node.produce("t", 0, batch(&["c"])).base_offset, 1);
    assert_eq!(read(&node.fetch("t", 0, 0)), pairs(&[(0, "a"), (1, "c")]));
}

#[test]
fn a_rolled_back_commit_raises_the_leader_epoch() {
    let mut node = node();
    node.produce("t", 0, batch(&["a"]));
    let before = node.fetch("t", 0, 0).records.unwrap();
    raise_leader_epoch(&mut node);
    node.produce("t", 0, batch(&["c"]));
    let after = node.fetch("t", 0, 1).records.unwrap();
    let epoch = |bytes: &Bytes| i32::from_be_bytes(bytes[12..16].try_into().unwrap());
    assert!(
        epoch(&before) < epoch(&after),
        "{} {}",
        epoch(&before),
        epoch(&after)
    );
}

#[test]
fn a_new_leader_epoch_fences_a_long_poll_of_an_older_one() {
    let mut node = node();
    let mut request = fetch_request("t", 0, 0, 1, 60_000);
    request.topics[0].partitions[0].current_leader_epoch = 0;
    node.send(2, 11, Request::Fetch(request));
    raise_leader_epoch(&mut node);
    let Some(Response::Fetch(response)) = node.answer(2) else {
        panic!("no answer")
    };
    assert_eq!(
        response.responses[0].partitions[0].error_code,
        ErrorCode::FencedLeaderEpoch.code()
    );
}

#[test]
fn a_repeated_batch_keeps_its_offset_also_after_a_restart() {
    let mut node = node();
    let request = InitProducerIdRequest {
        transactional_id: None,
        ..Default::default()
    };
    let Response::InitProducerId(ids) = node.ask(4, Request::InitProducerId(request)) else {
        panic!("no answer");
    };
    assert_eq!((ids.error_code, ids.producer_epoch), (0, 0));
    let sequenced = |base_sequence, value| {
        let producer_id = ids.producer_id;
        batch_with(
            &[value],
            BatchFields {
                producer_id,
                producer_epoch: 0,
                base_sequence,
                ..Default::default()
            },
        )
    };
    node.produce("t", 0, batch(&["x"]));
    assert_eq!(node.produce("t", 0, sequenced(0, "a")).base_offset, 1);
    assert_eq!(node.produce("t", 0, sequenced(0, "a")).base_offset, 1);
    let mut node = node.restart();
    assert_eq!(node.produce("t", 0, sequenced(0, "a")).base_offset, 1);
    let gap = node.produce("t", 0, sequenced(2, "c"));
    assert_eq!(gap.error_code, ErrorCode::OutOfOrderSequenceNumber.code());
    assert_eq!(node.produce("t", 0, sequenced(1, "b")).base_offset, 2);
}

fn list_offsets_request(timestamp: i64) -> Request {
    Request::ListOffsets(ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "t".to_owned(),
            partitions: vec![ListOffsetsPartition {
                timestamp,
                current_leader_epoch: -1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    })
}

fn list_offset(node: &mut Node, timestamp: i64) -> (i64, i64) {
    let request = list_offsets_request(timestamp);
    let Response::ListOffsets(response) = node.ask(7, request) else {
        panic!("no answer");
    };
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    (partition.offset, partition.timestamp)
}

#[test]
fn offsets_are_found_by_time() {
    let mut node = node();
    node.produce("t", 0, batch(&["a", "b"]));
    assert_eq!(list_offset(&mut node, -1), (2, -1));
    assert_eq!(list_offset(&mut node, -2), (0, -1));
    assert_eq!(
        list_offset(&mut node, super::node::START_MS),
        (0, super::node::START_MS)
    );
    assert_eq!(list_offset(&mut node, super::node::START_MS + 1), (-1, -1));
}

/// Raises the leader epoch of the topic's partition.
fn raise_leader_epoch(node: &mut Node) {
    node.commits = Some(Outcome::Failed);
    node.produce("t", 0, batch(&["lost"]));
    node.commits = Some(Outcome::Done);
    // Until what may wait after a failed commit goes on.
    node.pass(6_000);
}

#[test]
fn special_timestamps_tell_the_epochs_of_what_they_find() {
    let mut node = node();
    let ask = |node: &mut Node| {
        [-1, -2, -4, -5, 0].map(|timestamp| {
            let Response::ListOffsets(response) = node.ask(9, list_offsets_request(timestamp))
            else {
                panic!("no answer");
            };
            let partition = &response.topics[0].partitions[0];
            assert_eq!(partition.error_code, 0);
            (partition.offset, partition.leader_epoch)
        })
    };
    // Apache Kafka 4.3.1 answers so, with its own epochs.
    let none = (-1, -1);
    assert_eq!(ask(&mut node), [(0, 0), (0, 0), (0, 0), none, none]);
    node.produce("t", 0, batch(&["a"]));
    node.produce("t", 0, batch(&["b"]));
    raise_leader_epoch(&mut node);
    let found = (0, 0);
    assert_eq!(ask(&mut node), [(2, 1), found, found, none, found]);
    node.produce("t", 0, batch(&["c"]));
    assert_eq!(ask(&mut node), [(3, 1), found, found, none, found]);
    delete_records(&mut node, 1);
    let found = (1, 0);
    assert_eq!(ask(&mut node), [(3, 1), found, found, none, found]);
    delete_records(&mut node, 2);
    let found = (2, 1);
    assert_eq!(ask(&mut node), [(3, 1), found, found, none, found]);
    delete_records(&mut node, 3);
    raise_leader_epoch(&mut node);
    let end = (3, 2);
    assert_eq!(ask(&mut node), [end, end, end, none, none]);
}

fn delete_records(node: &mut Node, offset: i64) -> (i16, i64) {
    let partitions = vec![DeleteRecordsPartition {
        offset,
        ..Default::default()
    }];
    let topics = vec![DeleteRecordsTopic {
        name: "t".to_owned(),
        partitions,
        ..Default::default()
    }];
    let request = DeleteRecordsRequest {
        topics,
        timeout_ms: 1_000,
        ..Default::default()
    };
    let Response::DeleteRecords(response) = node.ask(2, Request::DeleteRecords(request)) else {
        panic!("no answer");
    };
    let partition = &response.topics[0].partitions[0];
    (partition.error_code, partition.low_watermark)
}

#[test]
fn deleted_records_stay_deleted() {
    let mut node = node();
    node.produce("t", 0, batch(&["a", "b", "c"]));
    assert_eq!(
        delete_records(&mut node, 4),
        (ErrorCode::OffsetOutOfRange.code(), -1)
    );
    assert_eq!(delete_records(&mut node, 2), (0, 2));
    let mut node = node.restart();
    assert_eq!(list_offset(&mut node, -2), (2, -1));
    assert_eq!(
        node.fetch("t", 0, 1).error_code,
        ErrorCode::OffsetOutOfRange.code()
    );
    assert_eq!(delete_records(&mut node, -1), (0, 3));
}

#[test]
fn a_frame_that_is_no_request_closes_its_connection_alone() {
    let mut node = node();
    node.send_frame(9, Bytes::from_static(b"\xff\xff\xff"));
    assert!(node.is_closed(9));
    assert_eq!(node.produce("t", 0, batch(&["a"])).base_offset, 0);
}

#[test]
fn nobody_waits_for_more_bytes_than_may_be_answered() {
    let mut node = node();
    node.produce("t", 0, batch(&["a"]));
    node.produce("t", 0, batch(&["b"]));
    let mut request = fetch_request("t", 0, 0, i32::MAX, 60_000);
    request.max_bytes = 100;
    node.send(1, 11, Request::Fetch(request));
    let Some(Response::Fetch(response)) = node.answer(1) else {
        panic!("no answer");
    };
    let data = &response.responses[0].partitions[0];
    assert_eq!(read(data), pairs(&[(0, "a")]));
}

#[test]
fn a_transaction_that_nobody_could_end_is_refused() {
    let mut node = node();
    let fields = BatchFields {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        is_transactional: true,
        ..Default::default()
    };
    let refused = node.produce("t", 0, batch_with(&["a"], fields));
    assert_eq!(
        refused.error_code,
        ErrorCode::TransactionalIdAuthorizationFailed.code()
    );
    node.produce("t", 0, batch(&["b"]));
    assert_eq!(node.fetch("t", 0, 0).last_stable_offset, 1);
}

/// A node that has just started on a topic whose partitions have a chunk of a megabyte each: more
/// than the cache keeps.
fn node_with_large_partitions(partitions: i32) -> Node {
    let mut node = Node::start();
    node.create_topic("large", partitions, &[]);
    let value = "x".repeat(1_000_000);
    for partition in 0..partitions {
        node.produce("large", partition, batch(&[&value]));
    }
    node.restart()
}

#[test]
fn times_are_looked_up_in_more_partitions_than_the_cache_keeps() {
    let mut node = node_with_large_partitions(20);
    let partitions = (0..20)
        .map(|partition_index| ListOffsetsPartition {
            partition_index,
            timestamp: super::node::START_MS,
            current_leader_epoch: -1,
            ..Default::default()
        })
        .collect();
    let request = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: "large".to_owned(),
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::ListOffsets(response) = node.ask(7, Request::ListOffsets(request)) else {
        panic!("no answer");
    };
    let found = &response.topics[0].partitions;
    assert!(found.iter().all(|it| (it.error_code, it.offset) == (0, 0)));
}

#[test]
fn a_partition_whose_offset_is_asked_for_twice_is_refused_once() {
    let mut node = Node::start();
    node.create_topic("t", 2, &[]);
    node.produce("t", 1, batch(&["a"]));
    let Request::ListOffsets(mut request) = list_offsets_request(-1) else {
        panic!("it is one");
    };
    let mut again = request.topics[0].clone();
    again.partitions.push(ListOffsetsPartition {
        partition_index: 1,
        ..again.partitions[0].clone()
    });
    request.topics.push(again);
    let Response::ListOffsets(response) = node.ask(7, Request::ListOffsets(request)) else {
        panic!("no answer");
    };
    assert_eq!(response.topics.len(), 1);
    let told: Vec<_> = response.topics[0]
        .partitions
        .iter()
        .map(|it| {
            (
                it.partition_index,
                ErrorCode::from_code(it.error_code),
                it.offset,
            )
        })
        .collect();
    let refused = (0, ErrorCode::InvalidRequest, -1);
    assert_eq!(told, [refused, (1, ErrorCode::None, 1)]);
}

#[test]
fn one_fetch_loads_no_more_than_the_cache_keeps() {
    let mut node = node_with_large_partitions(20);
    let mut request = fetch_request("large", 0, 0, 1, 0);
    request.max_bytes = i32::MAX;
    let template = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = (0..20)
        .map(
            |partition| crate::protocol::messages::fetch_request::FetchPartition {
                partition,
                ..template.clone()
            },
        )
        .collect();
    let before = node.storage_requests();
    node.send(1, 11, Request::Fetch(request));
    assert_eq!(
        node.storage_requests() - before,
        crate::broker::REQUEST_LOADS_MAX
    );
    node.run();
    assert!(node.answer(1).is_some());
}

#[test]
fn a_special_timestamp_is_refused_in_versions_that_do_not_have_it() {
    let mut node = node();
    node.produce("t", 0, batch(&["a"]));
    for (version, timestamp, refused) in [
        (6, -3, true),
        (7, -3, false),
        (7, -4, true),
        (8, -5, true),
        (9, -5, false),
        (9, -6, true),
        (9, i64::MIN, true),
    ] {
        let request = list_offsets_request(timestamp);
        let Response::ListOffsets(response) = node.ask(version, request) else {
            panic!("no answer");
        };
        let partition = &response.topics[0].partitions[0];
        let expected = match refused {
            true => ErrorCode::UnsupportedVersion,
            false => ErrorCode::None,
        };
        assert_eq!(
            partition.error_code,
            expected.code(),
            "{version} {timestamp}"
        );
    }
}
