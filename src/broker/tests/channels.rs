//! Connections that ask for more than they take.

use super::node::{Node, batch, fetch_request, produce_request};
use crate::machine::{
    CONNECTION_REQUESTS_MAX, CONNECTION_RESPONSES_BYTES_MAX, EVENT_RESPONSES_BYTES_MAX,
};
use crate::protocol::{Request, Response};
use crate::storage::faulty::Outcome;

const FETCHES: usize = 200;
const MIB: usize = 1 << 20;

/// A node with a topic `idle`, and 900 KiB in a topic `full`.
fn node() -> Node {
    let mut node = Node::start();
    node.create_topic("idle", 1, &[]);
    node.create_topic("full", 1, &[]);
    node.produce("full", 0, large());
    node
}

fn large() -> bytes::Bytes {
    batch(&[&"x".repeat(900 << 10)])
}

fn long_poll(topic: &str, offset: i64) -> Request {
    Request::Fetch(fetch_request(topic, 0, offset, 1, 30_000))
}

/// What is kept while `act` runs, in bytes.
fn kept_bytes(act: impl FnOnce()) -> usize {
    let info = allocation_counter::measure(act);
    info.bytes_current.max(0) as usize
}

/// The sizes of all answers to fetches on connection 7, once time has passed.
fn fetched(node: &mut Node) -> Vec<usize> {
    node.pass(100);
    let answers = std::iter::from_fn(|| node.answer(7));
    answers
        .map(|answer| match answer {
            Response::Fetch(response) => {
                let records = &response.responses[0].partitions[0].records;
                records.as_ref().map_or(0, |records| records.len())
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

/// All have come, in their order: the long poll first.
fn assert_all_fetched(node: &mut Node) {
    let sizes = fetched(node);
    assert_eq!(sizes.len(), FETCHES + 1);
    assert!(sizes[0] < MIB / 2, "{}", sizes[0]);
    assert!(sizes[1..].iter().all(|size| *size > MIB / 2));
    let most = node.event_bytes_max;
    assert!(most < EVENT_RESPONSES_BYTES_MAX + 2 * MIB, "{most}");
}

#[test]
fn a_connection_is_muted_whose_answers_wait_behind_a_long_poll() {
    let mut node = node();
    let kept = kept_bytes(|| {
        node.send(7, 11, long_poll("idle", 0));
        for _ in 0..FETCHES {
            node.send(7, 11, long_poll("full", 0));
        }
    });
    assert!(kept < CONNECTION_RESPONSES_BYTES_MAX + 2 * MIB, "{kept}");
    assert_eq!(node.produce("idle", 0, batch(&["a"])).error_code, 0);
    assert_all_fetched(&mut node);
}

#[test]
fn parked_fetches_do_not_read_what_cannot_leave() {
    let mut node = node();
    node.send(7, 11, long_poll("idle", 0));
    for _ in 0..FETCHES {
        node.send(7, 11, long_poll("full", 1));
    }
    let kept = kept_bytes(|| {
        node.produce("full", 0, large());
    });
    assert!(kept < CONNECTION_RESPONSES_BYTES_MAX + 5 * MIB, "{kept}");
    node.pass(31_000);
    assert_all_fetched(&mut node);
}

#[test]
fn a_long_pipeline_of_produces_is_answered_whole() {
    let mut node = node();
    node.commits = None;
    let count = CONNECTION_REQUESTS_MAX + 300;
    for _ in 0..count {
        let request = produce_request("idle", 0, -1, Some(batch(&["a"])));
        node.send(7, 9, Request::Produce(request));
    }
    node.commits = Some(Outcome::Done);
    node.run();
    let offsets: Vec<i64> = std::iter::from_fn(|| node.answer(7))
        .map(|answer| match answer {
            Response::Produce(response) => response.responses[0].partition_responses[0].base_offset,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(offsets, Vec::from_iter(0..count as i64));
    assert!(!node.is_closed(7));
}
