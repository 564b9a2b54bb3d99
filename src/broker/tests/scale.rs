//! Work grows with what a request names and with what an event touches, and no faster: counted in
//! allocations, which do not depend on how busy the machine is.

use super::frames::{FRAMES, GROUP, TOPIC, find_coordinator, join_group, names};
use super::node::{Node, batch, fetch_request, produce_request};
use crate::protocol::messages::fetch_request::FetchPartition;
use crate::protocol::messages::join_group_request::JoinGroupRequest;
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::{Request, Response};
use allocation_counter::AllocationInfo;
use bytes::Bytes;

/// How many things there are.
const SIZES: [usize; 3] = [1_000, 10_000, 40_000];

/// Counts the allocations of `work` for each number of things: per thing, the most may cost little
/// more than the fewest.
fn assert_linear(what: &str, sizes: &[usize], mut work: impl FnMut(usize) -> AllocationInfo) {
    let mut per_thing = Vec::new();
    for things in sizes {
        let used = work(*things);
        let (count, bytes) = (used.count_total, used.bytes_total);
        println!("{what}: {things} things, {count} allocations, {bytes} bytes");
        per_thing.push((count / *things as u64 + 1, bytes / *things as u64 + 1));
    }
    let first = per_thing[0];
    assert!(
        per_thing
            .iter()
            .all(|it| it.0 <= 2 * first.0 && it.1 <= 2 * first.1),
        "{what}: allocations and bytes per thing grow: {per_thing:?}"
    );
}

#[test]
fn a_frame_costs_as_much_as_it_names() {
    for (what, version, request) in FRAMES {
        assert_linear(what, &[SIZES[0], SIZES[2]], |things| {
            let mut node = Node::start();
            node.create_topic(TOPIC, 1, &[]);
            node.ask(4, find_coordinator(GROUP));
            let request = request(things);
            allocation_counter::measure(|| {
                node.ask(*version, request);
            })
        });
    }
}

#[test]
fn the_filters_of_a_list_of_groups_are_not_copied_for_each_coordinator() {
    let allocations = ["1", "50"].map(|coordinators| {
        let mut node = Node::with_configs(&[("offsets.topic.num.partitions", coordinators)]);
        node.ask(4, find_coordinator(GROUP));
        let request = Request::ListGroups(ListGroupsRequest {
            states_filter: names(10_000),
            types_filter: names(10_000),
            ..Default::default()
        });
        let used = allocation_counter::measure(|| {
            node.ask(5, request);
        });
        used.count_total
    });
    assert!(allocations[1] < 2 * allocations[0], "{allocations:?}");
}

/// Two members that know many protocols each, and share the last one alone.
#[test]
fn the_protocol_of_a_group_is_found_among_many() {
    assert_linear(
        "protocols of two members",
        &[SIZES[0], SIZES[2]],
        |things| {
            let mut node = Node::start();
            node.ask(4, find_coordinator(GROUP));
            let protocols = |member: &str| {
                let own = names(things)
                    .into_iter()
                    .map(|name| format!("{member}-{name}"));
                own.chain(["shared".to_owned()]).collect()
            };
            let join = |member: &str, member_id: &str| {
                let Request::JoinGroup(request) = join_group(protocols(member)) else {
                    panic!("it is one");
                };
                Request::JoinGroup(JoinGroupRequest {
                    member_id: member_id.to_owned(),
                    ..request
                })
            };
            let Response::JoinGroup(first) = node.ask(3, join("a", "")) else {
                panic!("no answer");
            };
            let again = join("a", &first.member_id);
            node.send(2, 3, join("b", ""));
            let mut chosen = None;
            let used = allocation_counter::measure(|| {
                if let Response::JoinGroup(response) = node.ask(3, again.clone()) {
                    chosen = response.protocol_name;
                }
            });
            assert_eq!(chosen.as_deref(), Some("shared"));
            used
        },
    );
}

/// The records of a request are the log's: neither the door nor the log copies them.
#[test]
fn the_header_of_a_batch_is_written_where_it_is() {
    let mut node = Node::start();
    node.create_topic("t", 1, &[]);
    node.commits = None;
    // A commit that does not end: what is appended behind it is not put into rows yet.
    let small = produce_request("t", 0, -1, Some(batch(&["a"])));
    node.send(1, 9, Request::Produce(small));
    let large = batch(&["x".repeat(100_000).as_str()]);
    let size_bytes = large.len() as u64;
    let frame = node.frame(
        1,
        9,
        Request::Produce(produce_request("t", 0, -1, Some(large))),
    );
    let used = allocation_counter::measure(|| node.send_frame(1, frame));
    assert!(
        used.bytes_total < size_bytes / 2,
        "{used:?} for {size_bytes} bytes"
    );
}

/// Sends a fetch that waits for more bytes than will ever come.
fn park_fetch(node: &mut Node, topic: &str, partitions: i32) {
    let mut fetch = fetch_request(topic, 0, 0, i32::MAX, i32::MAX);
    fetch.max_bytes = i32::MAX;
    let template = FetchPartition {
        partition_max_bytes: i32::MAX,
        ..fetch.topics[0].partitions[0].clone()
    };
    fetch.topics[0].partitions = (0..partitions)
        .map(|partition| FetchPartition {
            partition,
            ..template.clone()
        })
        .collect();
    node.send(2, 11, Request::Fetch(fetch));
}

fn produce(node: &mut Node, topic: &str, partition: i32, records: &Bytes) {
    let request = produce_request(topic, partition, -1, Some(records.clone()));
    node.send(1, 9, Request::Produce(request));
    node.run();
    node.answer(1).expect("an answer");
}

#[test]
fn a_parked_fetch_costs_every_small_produce_the_same() {
    assert_linear("produces before a parked fetch", &SIZES, |produces| {
        let mut node = Node::start();
        node.create_topic("t", 1, &[]);
        park_fetch(&mut node, "t", 1);
        let records = batch(&["a"]);
        let used = allocation_counter::measure(|| {
            for _ in 0..produces {
                produce(&mut node, "t", 0, &records);
            }
        });
        assert!(node.answer(2).is_none(), "it waits for more");
        used
    });
}

#[test]
fn a_produce_costs_the_same_however_many_partitions_a_parked_fetch_names() {
    let used = [1, 3_000].map(|partitions| {
        let mut node = Node::start();
        node.create_topic("t", 3_000, &[]);
        park_fetch(&mut node, "t", partitions);
        let records = batch(&["a"]);
        let used = allocation_counter::measure(|| {
            for _ in 0..100 {
                produce(&mut node, "t", 0, &records);
            }
        });
        assert!(node.answer(2).is_none(), "it waits for more");
        used
    });
    let [one, many] = used.map(|used| (used.count_total, used.bytes_total));
    assert!(
        many.0 <= one.0 + one.0 / 10 && many.1 <= one.1 + one.1 / 10,
        "{one:?} {many:?}"
    );
}
