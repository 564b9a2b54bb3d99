//! Appending: validation, offsets, duplicates.

use super::node::*;
use crate::log::*;
use crate::protocol::ErrorCode;
use crate::record::{BatchBuilder, BatchFields, BatchHeader, Compression, TimestampType, records};

fn code(result: Result<Appended, AppendError>) -> ErrorCode {
    result.unwrap_err().error_code()
}

#[test]
fn offsets_go_on_from_batch_to_batch() {
    let mut node = Node::new();
    let first = node.produce(p0(), &[1, 2, 3]);
    assert_eq!((first.base_offset, first.last_offset), (0, 2));
    assert_eq!(first.log_append_time, -1);
    let second = node.produce(p0(), &[4]);
    assert_eq!((second.base_offset, second.last_offset), (3, 3));
    assert_eq!(node.logs.log_end_offset(p0()), Some(4));
    assert_eq!(node.logs.durable_end(p0()), Some(0));
    node.settle();
    assert_eq!(node.logs.durable_end(p0()), Some(4));
    assert_eq!(node.records(p0()), [(0, 1), (1, 2), (2, 3), (3, 4)]);
}

#[test]
fn the_stored_bytes_are_the_produced_ones_but_for_offset_and_epoch() {
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    let mut produced = batch(node.now.wall.0, &[2, 3]).to_vec();
    let origin = AppendOrigin::Client;
    let bytes = produced.clone().into();
    node.logs.append(node.now, p0(), bytes, origin, 7).unwrap();
    node.settle();
    crate::record::set_base_offset(&mut produced, 1);
    crate::record::set_partition_leader_epoch(&mut produced, 7);
    assert_eq!(node.read(p0(), 1).unwrap(), [produced]);
    assert_eq!(node.logs.latest_epoch(p0()), Some(7));
}

#[test]
fn an_unknown_partition_takes_nothing() {
    let mut node = Node::new();
    let result = node.append(id(9), batch(START_MS, &[1]));
    assert_eq!(code(result), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn a_damaged_batch_is_refused() {
    let mut node = Node::new();
    let mut bytes = batch(START_MS, &[1]).to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let result = node.append(p0(), bytes.into());
    assert_eq!(code(result), ErrorCode::CorruptMessage);
    assert_eq!(node.logs.log_end_offset(p0()), Some(0));
}

#[test]
fn sizes_are_held_against_the_configs() {
    let bytes = batch(START_MS, &[1, 2, 3]);
    let size = bytes.len() as i32;
    let limit = |max_message_bytes, segment_bytes| LogConfig {
        max_message_bytes,
        segment_bytes,
        ..LogConfig::default()
    };
    let mut node = Node::with_config(limit(size - 1, size));
    let result = node.append(p0(), bytes.clone());
    assert_eq!(code(result), ErrorCode::MessageTooLarge);
    node.ensure(p0(), limit(size, size - 1));
    let result = node.append(p0(), bytes.clone());
    assert_eq!(code(result), ErrorCode::RecordListTooLarge);
    node.ensure(p0(), limit(size, size));
    assert!(node.append(p0(), bytes).is_ok());
}

#[test]
fn records_without_keys_are_named_in_a_compacted_topic() {
    let mut node = Node::with_config(LogConfig {
        cleanup_compact: true,
        ..LogConfig::default()
    });
    let mut builder = BatchBuilder::new(Compression::Lz4);
    for key in [Some(&b"a"[..]), None, Some(&b""[..]), None] {
        builder.append(START_MS, key, None, &[]).unwrap();
    }
    let error = node
        .append(p0(), builder.build(BatchFields::default()))
        .unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
    let indexes: Vec<i32> = error
        .record_errors()
        .iter()
        .map(|it| it.batch_index)
        .collect();
    assert_eq!(indexes, [1, 3]);
}

#[test]
fn timestamps_have_bounds_on_both_sides() {
    let mut node = Node::with_config(LogConfig {
        message_timestamp_before_max_ms: 10,
        message_timestamp_after_max_ms: 20,
        ..LogConfig::default()
    });
    for (offset_ms, allowed) in [(-11, false), (-10, true), (20, true), (21, false)] {
        let result = node.append(p0(), batch(START_MS + offset_ms, &[1]));
        match allowed {
            true => assert!(result.is_ok()),
            false => assert_eq!(code(result), ErrorCode::InvalidTimestamp),
        }
    }
    // A record without a timestamp has none that could be wrong.
    assert!(node.append(p0(), batch(-1, &[1])).is_ok());
}

#[test]
fn the_leaders_time_replaces_the_producers() {
    let mut node = Node::with_config(LogConfig {
        message_timestamp_type: TimestampType::LogAppendTime,
        ..LogConfig::default()
    });
    node.advance(5);
    let appended = node.append(p0(), sequenced(1, 0, 0, 7)).unwrap();
    assert_eq!(appended.log_append_time, START_MS + 5);
    node.advance(5);
    let duplicate = node.append(p0(), sequenced(1, 0, 0, 7)).unwrap();
    assert!(duplicate.duplicate);
    assert_eq!(duplicate.log_append_time, START_MS + 5);
    node.settle();
    let stored = node.read(p0(), 0).unwrap().remove(0);
    BatchHeader::ensure_valid(&stored).unwrap();
    let record = records(&stored).unwrap().next().unwrap().unwrap();
    assert_eq!(record.timestamp, START_MS + 5);
}

#[test]
fn batches_are_stored_in_the_topics_codec() {
    let mut node = Node::with_config(LogConfig {
        compression_type: Some(Compression::Gzip),
        ..LogConfig::default()
    });
    node.produce(p0(), &[1, 2]);
    node.settle();
    let stored = node.read(p0(), 0).unwrap().remove(0);
    let header = BatchHeader::ensure_valid(&stored).unwrap();
    assert_eq!(header.compression(), Ok(Compression::Gzip));
    assert_eq!(node.values(p0()), [1, 2]);
}

#[test]
fn a_duplicate_has_the_offsets_of_the_first_time_durable_or_not() {
    let mut node = Node::new();
    let first = node.append(p0(), sequenced(1, 0, 0, 7)).unwrap();
    let again = node.append(p0(), sequenced(1, 0, 0, 7)).unwrap();
    assert!(again.duplicate && !first.duplicate);
    assert_eq!(again.base_offset, first.base_offset);
    node.settle();
    node.append(p0(), sequenced(1, 0, 1, 8)).unwrap();
    let again = node.append(p0(), sequenced(1, 0, 0, 7)).unwrap();
    assert_eq!((again.base_offset, again.last_offset), (0, 0));
    node.settle();
    assert_eq!(node.values(p0()), [7, 8]);
}

#[test]
fn replicated_batches_keep_offsets_and_epochs_and_may_leave_gaps() {
    let mut node = Node::new();
    let mut replicate = |base_offset, value| {
        let fields = BatchFields {
            base_offset,
            partition_leader_epoch: 3,
            ..BatchFields::default()
        };
        let bytes = batch_of(START_MS, &[value], 0, fields);
        let origin = AppendOrigin::Replication;
        node.logs.append(node.now, p0(), bytes, origin, -1)
    };
    replicate(5, 1).unwrap();
    replicate(9, 2).unwrap();
    let error = replicate(9, 3).unwrap_err();
    assert_eq!(
        error,
        AppendError::UnexpectedOffset {
            base_offset: 9,
            log_end_offset: 10
        }
    );
    node.settle();
    assert_eq!(node.records(p0()), [(5, 1), (9, 2)]);
    assert_eq!(node.logs.epoch_end_offset(p0(), 3, 3), (3, 10));
}

#[test]
fn appends_are_refused_while_too_much_waits_for_storage() {
    let mut node = Node::with_config(LogConfig {
        max_message_bytes: i32::MAX,
        ..LogConfig::default()
    });
    let large = || {
        batch_of(
            START_MS,
            &[1],
            UNCOMMITTED_BYTES_MAX / 2,
            BatchFields::default(),
        )
    };
    node.append(p0(), large()).unwrap();
    node.append(p0(), large()).unwrap();
    let error = node.append(p0(), large()).unwrap_err();
    assert_eq!(error, AppendError::TooManyUncommitted);
    assert!(error.error_code().retriable());
    node.settle();
    node.append(p0(), large()).unwrap();
}
