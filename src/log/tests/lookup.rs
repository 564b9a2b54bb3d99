//! Offsets by timestamp.

use super::node::*;
use crate::log::*;
use crate::record::{BatchBuilder, BatchFields, Compression};

/// A compressed batch of records with these timestamps, all of which are after [`START_MS`].
fn timed(timestamps: &[i64], padding_bytes: usize) -> bytes::Bytes {
    // What does not compress keeps the batch large enough for a segment of its own.
    let mut noise = oorandom::Rand32::new(1);
    let padding: Vec<u8> = (0..padding_bytes).map(|_| noise.rand_u32() as u8).collect();
    let mut builder = BatchBuilder::new(Compression::Lz4);
    for timestamp in timestamps {
        let timestamp = START_MS + timestamp;
        builder
            .append(timestamp, None, Some(&padding), &[])
            .unwrap();
    }
    builder.build(BatchFields::default())
}

fn node(in_segment: bool) -> Node {
    let mut node = Node::new();
    let padding = if in_segment { DIRECT_BYTES_MIN } else { 4 };
    for timestamps in [[10, 30], [20, 50], [40, 50]] {
        node.append(p0(), timed(&timestamps, padding)).unwrap();
        node.settle();
    }
    node.crash(&LogConfig::default())
}

fn find(node: &mut Node, timestamp: i64, end: i64) -> Option<(i64, i64)> {
    loop {
        let found = node
            .logs
            .offset_for_timestamp(p0(), START_MS + timestamp, end);
        match found.unwrap() {
            Lookup::Ready(found) => return found.map(|it| (it.offset, it.timestamp - START_MS)),
            Lookup::Pending(load) => node.await_load(load),
        }
    }
}

fn max(node: &mut Node, end: i64) -> Option<(i64, i64)> {
    loop {
        match node.logs.offset_of_max_timestamp(p0(), end).unwrap() {
            Lookup::Ready(found) => return found.map(|it| (it.offset, it.timestamp - START_MS)),
            Lookup::Pending(load) => node.await_load(load),
        }
    }
}

#[test]
fn the_first_record_that_is_late_enough_is_found_within_its_batch() {
    for in_segment in [false, true] {
        let mut node = node(in_segment);
        for (timestamp, expected) in [
            (0, Some((0, 10))),
            (10, Some((0, 10))),
            (11, Some((1, 30))),
            (31, Some((3, 50))),
            (50, Some((3, 50))),
            (51, None),
        ] {
            assert_eq!(find(&mut node, timestamp, 6), expected, "{timestamp}");
        }
        assert_eq!(find(&mut node, 31, 3), None, "not below the end");
    }
}

#[test]
fn records_below_the_log_start_are_not_found() {
    for in_segment in [false, true] {
        let mut node = node(in_segment);
        node.logs.delete_records(p0(), 1).unwrap();
        node.settle();
        assert_eq!(find(&mut node, 0, 6), Some((1, 30)));
    }
}

#[test]
fn the_greatest_timestamp_is_that_of_the_first_record_that_has_it() {
    for in_segment in [false, true] {
        let mut node = node(in_segment);
        assert_eq!(max(&mut node, 6), Some((3, 50)));
        assert_eq!(max(&mut node, 3), Some((1, 30)));
        assert_eq!(max(&mut node, 0), None);
        node.logs.delete_records(p0(), 4).unwrap();
        node.settle();
        assert_eq!(max(&mut node, 6), Some((5, 50)));
    }
}

#[test]
fn a_record_that_is_not_durable_is_not_found() {
    let mut node = node(false);
    node.append(p0(), timed(&[90], 4)).unwrap();
    assert_eq!(find(&mut node, 60, i64::MAX), None);
    assert_eq!(max(&mut node, i64::MAX), Some((3, 50)));
    node.settle();
    assert_eq!(find(&mut node, 60, i64::MAX), Some((6, 90)));
}

#[test]
fn the_greatest_timestamp_is_found_in_more_chunks_than_the_cache_keeps() {
    let mut node = Node::new();
    let chunks = CHUNK_CACHE_BYTES_MAX / (1 << 20) + 2;
    for _ in 0..chunks {
        node.append(p0(), timed(&[7], 1 << 19)).unwrap();
        node.append(p0(), timed(&[7], 1 << 19)).unwrap();
        node.settle();
    }
    let mut node = node.crash(&LogConfig::default());
    assert_eq!(max(&mut node, i64::MAX), Some((0, 7)));
}
