//! Retention and DeleteRecords.

use super::node::*;
use crate::log::maintenance::RETENTION_INITIAL_DELAY_MS;
use crate::log::*;
use crate::protocol::ErrorCode;
use crate::record::BatchFields;
use crate::storage::Store;
use crate::storage::faulty::Outcome;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// Segments hold two of the batches of [`fill`].
fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 2 * DIRECT_BYTES_MIN as i32 + 1000,
        retention_ms: -1,
        ..LogConfig::default()
    }
}

/// One large batch an hour, each written to a segment at once.
fn fill(node: &mut Node, values: std::ops::Range<Value>) {
    for value in values {
        let now_ms = node.now.wall.0;
        let bytes = batch_of(now_ms, &[value], DIRECT_BYTES_MIN, BatchFields::default());
        node.append(p0(), bytes).unwrap();
        node.settle();
        node.advance(HOUR_MS);
    }
}

fn start(node: &Node) -> i64 {
    node.logs.log_start_offset(p0()).unwrap()
}

#[test]
fn whole_segments_go_when_their_newest_record_has_expired() {
    let mut node = Node::with_config(config());
    fill(&mut node, 0..6);
    node.tick();
    assert_eq!(start(&node), 0, "-1 keeps everything");
    // The records are 6 to 1 hours old; the second segment's newest is 3 hours old.
    let mut limited = config();
    limited.retention_ms = 4 * HOUR_MS;
    node.ensure(p0(), limited.clone());
    node.advance(300_000);
    node.tick();
    assert_eq!(start(&node), 2);
    let moved = LogEvent::LogStartOffset {
        id: p0(),
        offset: 2,
    };
    assert!(node.events.contains(&moved));
    assert_eq!(node.rows(Store::Segment), 4);
    let error = node.read(p0(), 1).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::OffsetOutOfRange);
    let mut node = node.crash(&limited);
    assert_eq!(node.values(p0()), [2, 3, 4, 5]);
}

#[test]
fn everything_goes_when_everything_has_expired_and_offsets_go_on() {
    for tail in [0, 3] {
        let mut node = Node::with_config(config());
        fill(&mut node, 0..3);
        for value in 0..tail {
            node.produce(p0(), &[value]);
        }
        node.settle();
        let end = node.logs.log_end_offset(p0()).unwrap();
        let mut limited = config();
        limited.retention_ms = HOUR_MS;
        node.ensure(p0(), limited.clone());
        node.advance(2 * HOUR_MS);
        node.tick();
        assert_eq!(start(&node), end);
        assert_eq!(node.rows(Store::Segment), 0);
        let mut node = node.crash(&limited);
        assert!(node.values(p0()).is_empty());
        assert_eq!(node.produce(p0(), &[9]).base_offset, end);
        node.settle();
        assert_eq!(node.records(p0()), [(end, 9)]);
    }
}

#[test]
fn a_young_tail_keeps_the_active_segment() {
    let mut node = Node::with_config(config());
    fill(&mut node, 0..3);
    node.produce(p0(), &[3]);
    node.settle();
    let mut limited = config();
    limited.retention_ms = HOUR_MS / 2;
    node.ensure(p0(), limited);
    node.advance(300_000);
    node.tick();
    assert_eq!(node.values(p0()), [2, 3]);
}

#[test]
fn the_oldest_segments_go_while_the_log_is_too_large() {
    let mut node = Node::with_config(config());
    fill(&mut node, 0..6);
    let segment = node.stored_bytes(Store::Segment) as i64 / 3;
    for (retention_bytes, expected) in [
        (3 * segment, 0),
        (2 * segment + 1, 0),
        (2 * segment, 2),
        (0, 6),
    ] {
        let mut limited = config();
        limited.retention_bytes = retention_bytes;
        node.ensure(p0(), limited);
        node.advance(300_000);
        node.tick();
        assert_eq!(start(&node), expected, "retention.bytes={retention_bytes}");
    }
}

#[test]
fn nothing_above_the_high_watermark_is_deleted() {
    let mut node = Node::with_config(config());
    fill(&mut node, 0..6);
    node.logs.set_high_watermark(p0(), 3);
    let mut limited = config();
    limited.retention_ms = 0;
    node.ensure(p0(), limited);
    node.advance(300_000);
    node.tick();
    assert_eq!(start(&node), 2);
}

#[test]
fn delete_records_moves_the_start_durably() {
    for crash in [false, true] {
        let mut node = Node::with_config(config());
        fill(&mut node, 0..5);
        node.produce(p0(), &[5]);
        node.settle();
        node.logs.delete_records(p0(), 3).unwrap();
        assert_eq!(start(&node), 0, "not yet durable");
        node.settle();
        if crash {
            node = node.crash(&config());
            node.tick();
        }
        assert_eq!(start(&node), 3);
        assert_eq!(node.values(p0()), [3, 4, 5]);
        // The first segment lies below; the second holds offset 3.
        assert_eq!(node.rows(Store::Segment), 3);
        node.logs.delete_records(p0(), 6).unwrap();
        node.settle();
        assert_eq!((start(&node), node.rows(Store::Segment)), (6, 0));
        assert_eq!(node.produce(p0(), &[6]).base_offset, 6);
        node.settle();
        assert_eq!(node.values(p0()), [6]);
    }
}

#[test]
fn delete_records_has_bounds() {
    let mut node = Node::new();
    node.produce(p0(), &[1, 2]);
    let error = node.logs.delete_records(p0(), 1).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::OffsetOutOfRange);
    node.settle();
    node.logs.delete_records(p0(), 2).unwrap();
    assert!(node.logs.delete_records(p0(), 3).is_err());
    assert!(node.logs.delete_records(p0(), -1).is_err());
    node.settle();
    node.take_events();
    // Below the start: there is nothing to do, and nobody is told.
    node.logs.delete_records(p0(), 1).unwrap();
    node.settle();
    assert!(node.events.is_empty());
    assert_eq!(start(&node), 2);
}

#[test]
fn deletes_are_tried_again_after_a_failure() {
    let mut node = Node::with_config(config());
    fill(&mut node, 0..4);
    node.logs.delete_records(p0(), 2).unwrap();
    node.step(Outcome::Quota);
    node.settle();
    assert_eq!(start(&node), 0);
    // Appends go on meanwhile.
    node.produce(p0(), &[4]);
    node.settle();
    assert_eq!(node.logs.durable_end(p0()), Some(5));
    let next = node.logs.next_tick().unwrap();
    assert!(next <= node.now.monotonic + 5_000);
    node.advance(5_000);
    node.tick();
    assert_eq!(start(&node), 2);
    assert_eq!(node.values(p0()), [2, 3, 4]);
}

#[test]
fn retention_frees_room_under_a_full_quota() {
    let mut node = Node::with_config(config());
    fill(&mut node, 0..4);
    node.produce(p0(), &[9]);
    node.step(Outcome::Quota);
    let mut limited = config();
    limited.retention_bytes = 0;
    node.ensure(p0(), limited);
    node.advance(300_000);
    // What deletes is a commit that writes nothing but a head.
    let before = node.stored_bytes(Store::Segment);
    node.tick();
    assert!(node.stored_bytes(Store::Segment) < before);
    assert_eq!(node.produce(p0(), &[9]).base_offset, 4);
}

#[test]
fn a_load_of_what_is_deleted_meanwhile_ends_in_out_of_range() {
    for load_first in [true, false] {
        let mut node = Node::with_config(config());
        fill(&mut node, 0..4);
        let mut node = node.crash(&config());
        // The index is in memory, the chunk is not.
        node.tick();
        node.logs.delete_records(p0(), 4).unwrap();
        while node.logs.log_start_offset(p0()) == Some(0) {
            let read = node.logs.read(p0(), 0, 4, 1, true);
            match load_first {
                true => node.perform_last(),
                false => assert!(node.step(Outcome::Done)),
            }
            assert!(read.is_ok());
        }
        node.settle();
        let error = node.read(p0(), 0).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::OffsetOutOfRange);
        let stopped = |it: &LogEvent| matches!(it, LogEvent::Stopped { .. });
        assert!(!node.events.iter().any(stopped));
    }
}

#[test]
fn of_a_log_that_keeps_everything_no_index_is_loaded() {
    let keeping = config();
    let mut node = Node::with_config(keeping.clone());
    fill(&mut node, 0..6);
    let mut limited = config();
    limited.retention_bytes = 1;
    for (config, loads) in [(keeping, false), (limited, true)] {
        node = node.crash(&config);
        node.advance(RETENTION_INITIAL_DELAY_MS as i64);
        node.logs.tick(node.now);
        let requests = node.logs.take_requests(node.now);
        assert_eq!(!requests.is_empty(), loads);
    }
}

#[test]
fn a_start_loads_no_index_for_retention_and_what_follows_one_at_a_time() {
    let mut limited = config();
    limited.retention_bytes = 1 << 40;
    let mut node = Node::with_config(limited.clone());
    for partition in 0..100 {
        node.ensure(id(partition), limited.clone());
        node.produce(id(partition), &[1]);
    }
    node.settle();
    node.move_all();
    let mut node = node.crash(&limited);
    node.logs.tick(node.now);
    assert_eq!(node.logs.take_requests(node.now), []);
    node.advance(RETENTION_INITIAL_DELAY_MS as i64);
    node.logs.tick(node.now);
    // Each index has a row and an end.
    for _ in 0..200 {
        let before = node.loads;
        assert!(node.step(Outcome::Done));
        assert_eq!(node.loads, before + 1);
    }
    assert!(!node.step(Outcome::Done));
}
