//! Compaction.

use super::node::*;
use crate::log::journal::JOURNAL_PURGE_DELAY_MS;
use crate::log::*;
use crate::record::{
    BatchBuilder, BatchFields, Compression, EndTransactionMarker, TransactionResult, batches,
    records,
};
use crate::storage::Store;
use bytes::Bytes;
use std::collections::BTreeMap;

const SEGMENT_BYTES: i32 = 4096;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT_BYTES,
        cleanup_delete: false,
        cleanup_compact: true,
        min_cleanable_dirty_ratio: 0.0,
        ..LogConfig::default()
    }
}

/// A node that has just opened, and looked whether there is something to clean.
fn opened(config: LogConfig) -> Node {
    let mut node = Node::with_config(config);
    node.advance(1);
    node
}

fn keyed(timestamp: i64, records: &[(u32, Option<Value>)], fields: BatchFields) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::Snappy);
    for (key, value) in records {
        let value = value.map(Value::to_be_bytes);
        let value = value.as_ref().map(|it| &it[..]);
        builder
            .append(timestamp, Some(&key.to_be_bytes()), value, &[])
            .unwrap();
    }
    builder.build(fields)
}

fn put(node: &mut Node, key: u32, value: Option<Value>) {
    let bytes = keyed(node.now.wall.0, &[(key, value)], BatchFields::default());
    node.append(p0(), bytes).unwrap();
}

/// Moves everything into closed segments: the last one is closed by a filler of its own key.
fn close_segments(node: &mut Node) {
    let filler = batch_with_key(node.now.wall.0, SEGMENT_BYTES as usize - 200);
    node.append(p0(), filler).unwrap();
    node.settle();
    node.move_all();
}

fn batch_with_key(timestamp: i64, padding_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    let value = vec![0; padding_bytes];
    builder
        .append(timestamp, Some(b"filler"), Some(&value), &[])
        .unwrap();
    builder.build(BatchFields::default())
}

fn clean(node: &mut Node) {
    node.advance(15_000);
    node.tick();
}

/// Offset, key and value of every record but the filler's.
fn contents(node: &mut Node) -> Vec<(i64, u32, Option<Value>)> {
    let mut found = Vec::new();
    let mut at = node.logs.log_start_offset(p0()).unwrap();
    loop {
        let runs = node.read(p0(), at).unwrap();
        if runs.is_empty() {
            return found;
        }
        for run in runs {
            for batch in batches(&run).strict() {
                let (header, batch) = batch.unwrap();
                at = header.next_offset();
                for record in records(&batch).unwrap() {
                    let record = record.unwrap();
                    let key = record.key.unwrap();
                    if header.is_control() || &key[..] == b"filler" {
                        continue;
                    }
                    let key = u32::from_be_bytes(key[..].try_into().unwrap());
                    let value = record.value.map(|value| value_of(Some(&value)));
                    found.push((record.offset, key, value));
                }
            }
        }
    }
}

#[test]
fn of_each_key_the_last_record_stays_at_its_offset() {
    let mut node = opened(config());
    for round in 0..10 {
        for key in 0..20 {
            put(&mut node, key, Some(round * 100 + key));
        }
    }
    close_segments(&mut node);
    let before = node.stored_bytes(Store::Segment);
    clean(&mut node);
    assert!(node.stored_bytes(Store::Segment) < before / 2);
    let expected: Vec<_> = (0..20)
        .map(|key| (180 + i64::from(key), key, Some(900 + key)))
        .collect();
    assert_eq!(contents(&mut node), expected);
    // An offset in the gap reads on behind it; the log starts where it did.
    let run = node.read(p0(), 7).unwrap().remove(0);
    assert_eq!(batches(&run).next().unwrap().unwrap().0.last_offset(), 180);
    assert_eq!(node.logs.log_start_offset(p0()), Some(0));
    let mut node = node.crash(&config());
    assert_eq!(contents(&mut node), expected);
}

#[test]
fn a_batch_that_loses_records_keeps_its_offsets() {
    let mut node = opened(config());
    let now_ms = node.now.wall.0;
    let first = [(1, Some(1)), (2, Some(2)), (3, Some(3))];
    let bytes = keyed(now_ms, &first, BatchFields::default());
    node.append(p0(), bytes).unwrap();
    put(&mut node, 1, Some(10));
    put(&mut node, 3, Some(30));
    close_segments(&mut node);
    clean(&mut node);
    assert_eq!(
        contents(&mut node),
        [(1, 2, Some(2)), (3, 1, Some(10)), (4, 3, Some(30))]
    );
    let run = node.read(p0(), 0).unwrap().remove(0);
    let (header, _) = batches(&run).next().unwrap().unwrap();
    assert_eq!((header.base_offset, header.last_offset()), (0, 2));
    assert_eq!(header.record_count, 1);
}

#[test]
fn the_active_segment_and_young_records_are_left_alone() {
    let mut young = config();
    young.min_compaction_lag_ms = 60_000;
    let mut node = opened(young);
    put(&mut node, 1, Some(1));
    put(&mut node, 1, Some(2));
    node.settle();
    node.move_all();
    node.advance(60_000);
    clean(&mut node);
    assert_eq!(contents(&mut node).len(), 2, "active");
    close_segments(&mut node);
    put(&mut node, 1, Some(3));
    close_segments(&mut node);
    clean(&mut node);
    // The first segment is old enough, the later ones are not.
    assert_eq!(contents(&mut node), [(1, 1, Some(2)), (3, 1, Some(3))]);
    node.advance(60_000);
    clean(&mut node);
    assert_eq!(contents(&mut node), [(3, 1, Some(3))]);
}

#[test]
fn a_tombstone_stays_for_delete_retention_ms_after_its_first_cleaning() {
    let mut node = opened(config());
    put(&mut node, 1, Some(1));
    put(&mut node, 1, None);
    close_segments(&mut node);
    // Before it is cleaned, its age does not matter.
    node.advance(10 * config().delete_retention_ms);
    clean(&mut node);
    assert_eq!(contents(&mut node), [(1, 1, None)]);
    let another_cleaning = |node: &mut Node| {
        close_segments(node);
        clean(node);
    };
    node.advance(config().delete_retention_ms - 60_000);
    another_cleaning(&mut node);
    assert_eq!(contents(&mut node), [(1, 1, None)]);
    node.advance(60_000);
    another_cleaning(&mut node);
    assert!(contents(&mut node).is_empty());
}

#[test]
fn the_ratio_of_dirty_bytes_decides_unless_they_are_too_old() {
    let mut lazy = config();
    lazy.min_cleanable_dirty_ratio = 1.0;
    let mut node = opened(lazy.clone());
    put(&mut node, 1, Some(1));
    put(&mut node, 1, Some(2));
    close_segments(&mut node);
    clean(&mut node);
    assert_eq!(contents(&mut node).len(), 2);
    lazy.max_compaction_lag_ms = 60_000;
    node.ensure(p0(), lazy);
    node.advance(60_000);
    clean(&mut node);
    assert_eq!(contents(&mut node), [(1, 1, Some(2))]);
}

fn transactional(producer_id: i64, base_sequence: i32) -> BatchFields {
    BatchFields {
        producer_id,
        producer_epoch: 0,
        base_sequence,
        is_transactional: true,
        ..BatchFields::default()
    }
}

fn end(node: &mut Node, producer_id: i64, result: TransactionResult) {
    let marker = EndTransactionMarker {
        result,
        coordinator_epoch: 0,
    };
    let bytes = marker.to_batch(node.now.wall.0, producer_id, 0);
    node.logs
        .append(node.now, p0(), bytes, AppendOrigin::Coordinator, 0)
        .unwrap();
}

fn markers(node: &mut Node) -> usize {
    let mut found = 0;
    let mut at = 0;
    loop {
        let runs = node.read(p0(), at).unwrap();
        if runs.is_empty() {
            return found;
        }
        for batch in runs.iter().flat_map(batches) {
            let (header, _) = batch.unwrap();
            found += usize::from(header.is_control());
            at = header.next_offset();
        }
    }
}

#[test]
fn aborted_records_go_and_do_not_replace_committed_ones() {
    let mut node = opened(config());
    let now_ms = node.now.wall.0;
    let write = |node: &mut Node, producer_id, sequence, value| {
        let fields = transactional(producer_id, sequence);
        let bytes = keyed(now_ms, &[(1, Some(value))], fields);
        node.append(p0(), bytes).unwrap();
    };
    write(&mut node, 7, 0, 1);
    end(&mut node, 7, TransactionResult::Commit);
    write(&mut node, 8, 0, 2);
    end(&mut node, 8, TransactionResult::Abort);
    close_segments(&mut node);
    clean(&mut node);
    assert_eq!(contents(&mut node), [(0, 1, Some(1))]);
    assert_eq!(markers(&mut node), 2);
    // The abort's marker goes when its horizon has passed, the commit's stays with the record.
    node.advance(config().delete_retention_ms);
    close_segments(&mut node);
    clean(&mut node);
    assert_eq!(contents(&mut node), [(0, 1, Some(1))]);
    assert_eq!(markers(&mut node), 1);
}

#[test]
fn an_open_transaction_holds_compaction_back() {
    let mut node = opened(config());
    put(&mut node, 1, Some(1));
    put(&mut node, 1, Some(2));
    close_segments(&mut node);
    let bytes = keyed(node.now.wall.0, &[(1, Some(3))], transactional(7, 0));
    node.append(p0(), bytes).unwrap();
    put(&mut node, 2, Some(1));
    put(&mut node, 2, Some(2));
    close_segments(&mut node);
    close_segments(&mut node);
    clean(&mut node);
    let keys: Vec<_> = contents(&mut node).iter().map(|it| it.1).collect();
    assert_eq!(keys, [1, 1, 2, 2]);
    end(&mut node, 7, TransactionResult::Commit);
    close_segments(&mut node);
    clean(&mut node);
    let keys: Vec<_> = contents(&mut node).iter().map(|it| it.1).collect();
    assert_eq!(keys, [1, 2]);
}

#[test]
fn the_newest_batch_of_a_producer_stays_as_a_header() {
    let mut node = opened(config());
    let fields = BatchFields {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchFields::default()
    };
    let bytes = keyed(node.now.wall.0, &[(1, Some(1))], fields);
    node.append(p0(), bytes).unwrap();
    put(&mut node, 1, Some(2));
    close_segments(&mut node);
    clean(&mut node);
    assert_eq!(contents(&mut node), [(1, 1, Some(2))]);
    let run = node.read(p0(), 0).unwrap().remove(0);
    let (header, _) = batches(&run).next().unwrap().unwrap();
    assert_eq!((header.producer_id, header.record_count), (7, 0));
}

#[test]
fn committed_offsets_do_not_grow_for_ever() {
    let mut node = opened(config());
    let mut most = 0;
    for round in 0..200 {
        for key in 0..10 {
            put(&mut node, key, Some(round));
            node.settle();
        }
        clean(&mut node);
        let bytes: usize = Store::ALL.iter().map(|it| node.stored_bytes(*it)).sum();
        most = most.max(bytes);
    }
    // 2,000 commits of 88 bytes are 172 KiB.
    let segments = node.stored_bytes(Store::Segment);
    assert!(segments < 16 << 10, "{segments}");
    assert!(most < 64 << 10, "{most}");
    let values: BTreeMap<u32, Option<Value>> = contents(&mut node)
        .into_iter()
        .map(|(_, key, value)| (key, value))
        .collect();
    assert!(values.values().all(|value| *value == Some(199)));
    assert_eq!(values.len(), 10);
}

#[test]
fn small_segments_become_one_of_the_usual_size() {
    let mut node = opened(LogConfig {
        segment_bytes: 1024,
        ..config()
    });
    for key in 0..100 {
        put(&mut node, key, Some(key));
        node.settle();
        if key % 5 == 4 {
            node.logs.logs.get_mut(&p0()).unwrap().tail.roll();
            node.move_all();
        }
    }
    put(&mut node, 100, Some(100));
    node.move_all();
    let segments = |node: &Node| node.logs.logs[&p0()].index.segments();
    assert!(segments(&node).len() > 20);
    clean(&mut node);
    let sizes: Vec<u64> = segments(&node).iter().map(|it| it.size_bytes).collect();
    let (_, closed) = sizes.split_last().unwrap();
    assert!(closed.iter().all(|size| *size <= 1024), "{sizes:?}");
    assert!(
        closed.windows(2).all(|pair| pair[0] + pair[1] > 1024),
        "{sizes:?}"
    );
    assert_eq!(contents(&mut node).len(), 101);
}

/// Every commit of a cleaning is a place where the node may die.
#[test]
fn a_crash_within_a_cleaning_loses_no_key() {
    for steps in 0..12 {
        let mut node = opened(config());
        for round in 0..5 {
            for key in 0..60 {
                put(&mut node, key, Some(round * 100 + key));
            }
        }
        close_segments(&mut node);
        node.advance(15_000);
        node.logs.tick(node.now);
        for _ in 0..steps {
            node.step(crate::storage::faulty::Outcome::Done);
        }
        let mut node = node.perform_and_crash(&config());
        for _ in 0..2 {
            let latest: BTreeMap<u32, Option<Value>> = contents(&mut node)
                .into_iter()
                .map(|(_, key, value)| (key, value))
                .collect();
            assert_eq!(latest.len(), 60);
            assert!(latest.iter().all(|(key, value)| *value == Some(400 + key)));
            clean(&mut node);
        }
        assert_eq!(contents(&mut node).len(), 60);
    }
}

#[test]
fn only_compacted_logs_wake_the_cleaner() {
    let keeping = LogConfig {
        retention_ms: -1,
        ..LogConfig::default()
    };
    let mut rolling = config();
    rolling.segment_ms = 60_000;
    for forget in [false, true] {
        let mut node = opened(keeping.clone());
        node.produce(p0(), &[1]);
        node.settle();
        assert_eq!(node.logs.next_tick(), None);
        node.ensure(p0(), rolling.clone());
        node.submit();
        let rolls_at = node.now.monotonic + 60_000;
        assert!(node.logs.next_tick().is_some_and(|at| at > rolls_at));
        match forget {
            true => node.logs.remove(p0()),
            false => node.ensure(p0(), keeping.clone()),
        }
        node.pass(JOURNAL_PURGE_DELAY_MS + 1);
        assert_eq!(
            (node.logs.next_tick(), node.wakes),
            (None, usize::from(forget))
        );
    }
}
