//! Reading: ranges, sizes, loads, damage.

use super::node::*;
use crate::log::*;
use crate::protocol::ErrorCode;
use crate::record::{BatchFields, BatchHeader};
use crate::storage::faulty::Outcome;
use crate::storage::{KeyRange, Store};
use bytes::Bytes;

/// Three batches of three records, in the journal or in a segment that is not in memory.
fn node(in_segment: bool) -> Node {
    let mut node = Node::new();
    let padding = if in_segment { DIRECT_BYTES_MIN } else { 0 };
    for value in [0, 3, 6] {
        let values = [value, value + 1, value + 2];
        let bytes = batch_of(START_MS, &values, padding, BatchFields::default());
        node.append(p0(), bytes).unwrap();
        node.settle();
    }
    node.crash(&LogConfig::default())
}

fn bases(runs: &[Bytes]) -> Vec<i64> {
    runs.iter()
        .flat_map(crate::record::batches)
        .map(|batch| batch.unwrap().0.base_offset)
        .collect()
}

#[test]
fn a_read_within_a_batch_returns_the_whole_batch() {
    for in_segment in [false, true] {
        let mut node = node(in_segment);
        let read = |node: &mut Node, offset| {
            let runs = node.read_up_to(p0(), offset, i64::MAX, 1).unwrap();
            bases(&runs)
        };
        assert_eq!(read(&mut node, 3), [3]);
        assert_eq!(read(&mut node, 4), [3]);
        assert_eq!(read(&mut node, 5), [3]);
        assert_eq!(read(&mut node, 6), [6]);
        assert!(read(&mut node, 9).is_empty());
    }
}

#[test]
fn offsets_out_of_the_log_are_errors() {
    let mut node = node(false);
    for offset in [-1, 10] {
        let error = node.read(p0(), offset).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::OffsetOutOfRange);
    }
    let error = node.read(id(7), 0).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn a_read_ends_below_its_end() {
    for in_segment in [false, true] {
        let mut node = node(in_segment);
        for (end, expected) in [
            (9, &[0, 3, 6][..]),
            (8, &[0, 3]),
            (6, &[0, 3]),
            (3, &[0]),
            (2, &[]),
        ] {
            let mut found = Vec::new();
            let mut at = 0;
            loop {
                let runs = node.read_up_to(p0(), at, end, usize::MAX).unwrap();
                let Some(last) = bases(&runs).last().copied() else {
                    break;
                };
                found.extend(bases(&runs));
                at = last + 3;
            }
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn bytes_max_holds_but_for_the_first_batch() {
    for in_segment in [false, true] {
        let mut node = node(in_segment);
        let size = node.read_up_to(p0(), 0, 3, usize::MAX).unwrap()[0].len();
        let read = |node: &mut Node, bytes_max, minimum_one| loop {
            match node.logs.read(p0(), 0, 9, bytes_max, minimum_one).unwrap() {
                Read::Records(runs) => return bases(&runs),
                Read::Pending(load) => node.await_load(load),
            }
        };
        assert!(read(&mut node, size - 1, false).is_empty());
        assert_eq!(read(&mut node, size - 1, true), [0]);
        assert_eq!(read(&mut node, 0, true), [0]);
        // The second chunk is loaded ahead by the read that could use it.
        assert_eq!(read(&mut node, 2 * size, true)[0], 0);
        node.settle();
        assert_eq!(read(&mut node, 2 * size, true), [0, 3]);
    }
}

#[test]
fn one_load_serves_all_who_wait_for_it() {
    let mut node = node(true);
    let pending = |node: &mut Node| match node.logs.read(p0(), 0, 9, 1, true).unwrap() {
        Read::Pending(load) => load,
        other => panic!("{other:?}"),
    };
    let first = pending(&mut node);
    assert_eq!(pending(&mut node), first);
    let loads = node.loads;
    node.settle();
    assert_eq!(node.loads, loads + 1);
}

#[test]
fn a_failed_load_is_an_error_once() {
    let mut node = node(true);
    let Read::Pending(load) = node.logs.read(p0(), 0, 9, 1, true).unwrap() else {
        panic!("it is in memory");
    };
    node.step(Outcome::Failed);
    assert!(node.events.contains(&LogEvent::Loaded { load }));
    let error = node.read(p0(), 0).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::KafkaStorageError);
    assert_eq!(node.values(p0()).len(), 9);
}

#[test]
fn a_failed_load_that_nobody_waited_for_is_no_error_of_a_later_reader() {
    let mut node = node(true);
    let read = node.logs.read(p0(), 0, 9, 1, true);
    assert!(matches!(read, Ok(Read::Pending(_))));
    node.step(Outcome::Failed);
    node.submit();
    assert_eq!(node.values(p0()).len(), 9);
}

#[test]
fn a_damaged_chunk_stops_its_partition() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 3] = [
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| crate::record::set_base_offset(bytes, 1),
    ];
    for damage in damages {
        let mut node = node(true);
        let rows = node.medium.read(&KeyRange::all(Store::Segment), usize::MAX);
        let mut bytes = rows[0].value.to_vec();
        damage(&mut bytes);
        node.put(Store::Segment, rows[0].key.clone(), bytes.into());
        let error = node.read(p0(), 0).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::CorruptMessage);
        assert!(matches!(error, LogError::Stopped(_)));
        assert!(
            node.events
                .iter()
                .any(|it| matches!(it, LogEvent::Stopped { .. }))
        );
        assert!(node.append(p0(), batch(START_MS, &[1])).is_err());
    }
}

#[test]
fn stored_batches_keep_their_crc() {
    let mut node = node(true);
    for run in node.read(p0(), 0).unwrap() {
        BatchHeader::ensure_valid(&run).unwrap();
    }
}

#[test]
fn index_rows_that_were_used_longest_ago_leave_the_memory() {
    const PARTITIONS: i32 = 20;
    let config = LogConfig {
        retention_ms: -1,
        ..LogConfig::default()
    };
    let mut node = Node::new();
    node.logs.limits.index_rows_max = 30;
    for value in 0..3 {
        for partition in 0..PARTITIONS {
            node.ensure(id(partition), config.clone());
            let fields = BatchFields::default();
            let batch = batch_of(START_MS, &[value], 100 << 10, fields);
            node.append(id(partition), batch).unwrap();
        }
        node.move_all();
    }
    let in_memory = |node: &Node| -> usize {
        let logs = node.logs.logs.values();
        logs.map(|log| log.index.len()).sum()
    };
    assert!(in_memory(&node) <= 33, "{}", in_memory(&node));
    let mut node = node.crash(&config);
    node.logs.limits.index_rows_max = 30;
    for round in 0..3 {
        for partition in 0..PARTITIONS {
            assert_eq!(node.values(id(partition)), [0, 1, 2], "{round}");
            assert!(in_memory(&node) <= 33, "{}", in_memory(&node));
        }
    }
    // What was unloaded is written to and deleted from as before.
    for partition in 0..PARTITIONS {
        node.produce(id(partition), &[3]);
        node.logs.delete_records(id(partition), 2).unwrap();
        node.settle();
    }
    node.move_all();
    let mut node = node.crash(&config);
    for partition in 0..PARTITIONS {
        assert_eq!(node.values(id(partition)), [2, 3]);
    }
}

#[test]
fn an_index_that_is_being_loaded_stays_in_memory() {
    const PARTITIONS: i32 = 12;
    let config = LogConfig {
        retention_ms: -1,
        ..LogConfig::default()
    };
    let mut node = Node::new();
    for value in 0..3 {
        for partition in 0..PARTITIONS {
            node.ensure(id(partition), config.clone());
            let fields = BatchFields::default();
            let batch = batch_of(START_MS, &[value], 100 << 10, fields);
            node.append(id(partition), batch).unwrap();
        }
        node.move_all();
    }
    let mut node = node.crash(&config);
    node.logs.limits.index_rows_max = 1;
    node.logs.limits.index_load_bytes = 1;
    // All of them at the same time, a row at a time.
    for _ in 0..1_000 {
        for partition in 0..PARTITIONS {
            let read = node.logs.read(id(partition), 2, 3, usize::MAX, true);
            assert!(read.is_ok(), "{read:?}");
        }
        if !node.step(Outcome::Done) {
            break;
        }
    }
    for partition in 0..PARTITIONS {
        assert_eq!(node.values(id(partition)), [0, 1, 2]);
    }
}
