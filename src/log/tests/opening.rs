//! Opening: what a crash may leave, on each way that bytes take.

use super::node::*;
use crate::log::journal::JOURNAL_IDLE_MOVE_ROWS;
use crate::log::layout::Chunk;
use crate::log::load::key_behind;
use crate::log::*;
use crate::record::BatchFields;
use crate::storage::faulty::{FaultyMedium, Outcome};
use crate::storage::{KeyRange, Store};

fn large(value: Value) -> bytes::Bytes {
    batch_of(START_MS, &[value], DIRECT_BYTES_MIN, BatchFields::default())
}

fn config() -> LogConfig {
    LogConfig::default()
}

#[test]
fn an_empty_store_opens_without_logs() {
    let node = Node::on(FaultyMedium::new());
    assert!(node.logs.partitions().is_empty());
}

#[test]
fn journaled_batches_are_there_again() {
    let mut node = Node::new();
    for value in 0..5 {
        node.produce(p0(), &[value]);
        node.settle();
    }
    assert_eq!(node.rows(Store::Segment), 0);
    let mut node = node.crash(&config());
    assert_eq!(node.values(p0()), [0, 1, 2, 3, 4]);
    assert_eq!(node.produce(p0(), &[5]).base_offset, 5);
}

#[test]
fn a_large_share_goes_to_its_segment_directly() {
    let mut node = Node::new();
    node.append(p0(), large(1)).unwrap();
    node.settle();
    assert_eq!(node.rows(Store::Journal), 0);
    assert_eq!(node.rows(Store::Segment), 1);
    let mut node = node.crash(&config());
    assert_eq!(node.values(p0()), [1]);
    assert_eq!(node.produce(p0(), &[2]).base_offset, 1);
}

#[test]
fn journal_and_segments_mix() {
    let mut node = Node::new();
    node.ensure(id(1), config());
    node.produce(p0(), &[1]);
    node.produce(id(1), &[11]);
    node.settle();
    node.append(p0(), large(2)).unwrap();
    node.produce(id(1), &[12]);
    node.settle();
    node.produce(p0(), &[3]);
    node.settle();
    let mut node = node.crash(&config());
    assert_eq!(node.values(p0()), [1, 2, 3]);
    assert_eq!(node.values(id(1)), [11, 12]);
}

#[test]
fn an_idle_node_moves_a_long_journal_into_segments() {
    let mut node = Node::new();
    node.ensure(id(1), config());
    for value in 0..300 {
        node.produce(id(value as i32 % 2), &[value]);
        node.settle();
    }
    assert!(node.rows(Store::Journal) < 150);
    assert!(node.rows(Store::Segment) > 0);
    let mut node = node.crash(&config());
    let evens: Vec<Value> = (0..300).step_by(2).collect();
    assert_eq!(node.values(p0()), evens);
}

#[test]
fn the_journal_has_a_bound_while_nobody_idles() {
    let mut node = Node::new();
    for value in 0..3000 {
        node.produce(p0(), &[value]);
        // Something waits at every moment.
        node.submit();
        node.produce(p0(), &[value]);
        node.step(Outcome::Done);
        assert!(node.rows(Store::Journal) <= super::super::journal::JOURNAL_MOVE_ROWS + 1);
    }
    node.settle();
    assert_eq!(node.values(p0()).len(), 6000);
}

#[test]
fn a_small_chunk_is_written_again_with_more_batches() {
    let mut node = Node::new();
    for value in 0..2000 {
        node.produce(p0(), &[value]);
        node.settle();
    }
    // 2,000 batches of 78 bytes are 152 KiB: three chunks, not one for every move.
    assert!(
        node.rows(Store::Segment) <= 4,
        "{}",
        node.rows(Store::Segment)
    );
    let mut node = node.crash(&config());
    assert_eq!(node.values(p0()).len(), 2000);
}

#[test]
fn producers_are_known_again_on_every_way() {
    let mut node = Node::new();
    node.append(p0(), sequenced(1, 0, 0, 1)).unwrap();
    node.settle();
    node = node.crash(&config());
    let again = node.append(p0(), sequenced(1, 0, 0, 1)).unwrap();
    assert!(again.duplicate, "from the journal");
    node.append(p0(), large(2)).unwrap();
    node.settle();
    node = node.crash(&config());
    let again = node.append(p0(), sequenced(1, 0, 0, 1)).unwrap();
    assert!(again.duplicate, "from the snapshot");
    node.append(p0(), sequenced(1, 0, 1, 3)).unwrap();
    node.settle();
    node = node.crash(&config());
    for sequence in 0..2 {
        let again = node.append(p0(), sequenced(1, 0, sequence, 0)).unwrap();
        assert!(again.duplicate, "from both");
    }
    assert!(node.append(p0(), sequenced(1, 0, 3, 9)).is_err());
    assert_eq!(node.values(p0()), [1, 2, 3]);
}

/// What was durable before the crash is there, what was not is there as a whole or not at all.
#[test]
fn a_crash_at_any_step_keeps_what_was_durable() {
    for steps in 0..40 {
        for performed in [false, true] {
            let mut node = Node::new();
            let mut produced = Vec::new();
            for value in 0..steps {
                match value % 5 {
                    4 => {
                        node.append(p0(), large(value)).unwrap();
                    }
                    _ => {
                        node.produce(p0(), &[value]);
                    }
                }
                produced.push(value);
                if value % 3 == 0 {
                    node.step(Outcome::Done);
                }
            }
            let durable = node.logs.durable_end(p0()).unwrap() as usize;
            let mut node = match performed {
                false => node.crash(&config()),
                true => node.perform_and_crash(&config()),
            };
            if node.logs.partitions().is_empty() {
                assert_eq!(durable, 0);
                continue;
            }
            let values = node.values(p0());
            assert!(values.len() >= durable);
            assert_eq!(values, produced[..values.len()]);
        }
    }
}

#[test]
fn a_missing_journal_row_stops_the_partition_for_good() {
    let mut node = Node::new();
    node.ensure(id(1), config());
    for value in 0..3 {
        node.produce(p0(), &[value]);
        node.settle();
    }
    node.produce(id(1), &[7]);
    node.settle();
    let second = node.medium.read(&KeyRange::all(Store::Journal), usize::MAX)[1]
        .key
        .clone();
    node.delete(KeyRange::one(Store::Journal, &second));
    for _ in 0..2 {
        node = node.crash(&config());
        let stopped = node
            .events
            .iter()
            .any(|event| matches!(event, LogEvent::Stopped { id, .. } if *id == p0()));
        assert!(stopped);
        node.settle();
        assert!(matches!(node.read(p0(), 0), Err(LogError::Stopped(_))));
        assert!(node.append(p0(), batch(START_MS, &[1])).is_err());
        // The others go on, and the journal with them.
        for value in 0..200 {
            node.produce(id(1), &[value]);
            node.settle();
        }
    }
    assert_eq!(node.values(id(1)).len(), 401);
}

#[test]
fn opening_reads_as_much_for_ten_times_the_records() {
    let opened = |batches: Value| {
        let mut node = Node::new();
        for value in 0..batches {
            node.append(p0(), large(value)).unwrap();
            node.settle();
        }
        for value in 0..10 {
            node.produce(p0(), &[value]);
            node.settle();
        }
        let node = node.crash(&config());
        (node.loads, node.loaded_bytes)
    };
    assert_eq!(opened(10), opened(100));
}

#[test]
fn an_unreadable_store_is_fatal() {
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    node.settle();
    node.put(Store::Head, b"what is this".to_vec(), "?".into());
    assert!(matches!(
        Node::opening(node.medium.clone())[..],
        [LogEvent::Fatal(crate::storage::StorageError::Corrupt(_))]
    ));
}

#[test]
fn a_resend_of_old_records_is_recognised_after_a_restart() {
    // Flights of 2001, produced now.
    let fields = BatchFields {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchFields::default()
    };
    let config = LogConfig {
        retention_ms: -1,
        ..LogConfig::default()
    };
    let mut node = Node::with_config(config.clone());
    let old = batch_of(990_000_000_000, &[1], 0, fields);
    node.append(p0(), old.clone()).unwrap();
    node.settle();
    for move_first in [false, true] {
        if move_first {
            node.move_all();
        }
        node = node.crash(&config);
        node.tick();
        assert!(node.append(p0(), old.clone()).unwrap().duplicate);
    }
}

#[test]
fn only_the_last_chunk_takes_more_batches_whatever_is_known_of_the_index() {
    let config = LogConfig::default();
    let mut node = Node::with_config(config.clone());
    for value in 0..3 {
        node.produce(p0(), &[value]);
        node.move_all();
        // As after a restart: what is not in the cache does not grow.
        node.logs.cache.remove_partition(p0());
    }
    let mut node = node.crash(&config);
    // Somebody reads the first chunk, and the first page of the index ends behind it.
    node.read_up_to(p0(), 0, 1, usize::MAX).unwrap();
    let index = &mut node.logs.logs.get_mut(&p0()).unwrap().index;
    let chunks: Vec<Chunk> = index.chunks().copied().collect();
    assert_eq!(chunks.len(), 3);
    for later in &chunks[1..] {
        index.remove(later.base_offset);
    }
    index.loaded_to = Some(key_behind(&chunks[0].key(p0())));
    node.produce(p0(), &[3]);
    node.move_all();
    assert_eq!(node.values(p0()), [0, 1, 2, 3]);
    assert_eq!(node.crash(&config).values(p0()), [0, 1, 2, 3]);
}

#[test]
fn the_journal_is_cut_into_segments_as_the_topic_says_and_not_before_it_does() {
    let config = LogConfig {
        segment_ms: 5_000,
        ..LogConfig::default()
    };
    let mut node = Node::with_config(config.clone());
    for value in 1..JOURNAL_IDLE_MOVE_ROWS as Value {
        node.produce(p0(), &[value]);
        node.settle();
        node.advance(1_000);
    }
    assert_eq!(node.rows(Store::Segment), 0);
    node.produce(p0(), &[JOURNAL_IDLE_MOVE_ROWS as Value]);
    assert!(node.step(Outcome::Done));
    let mut node = Node::opened_at(node.medium.clone(), node.now.wall.0);
    assert_eq!(node.rows(Store::Journal), JOURNAL_IDLE_MOVE_ROWS);
    assert_eq!(node.rows(Store::Segment), 0, "nobody has said how to cut");
    let retention_ms = 20_000;
    node.ensure(
        p0(),
        LogConfig {
            retention_ms,
            ..config
        },
    );
    node.settle();
    assert!(node.rows(Store::Segment) > 0);
    node.pass(10_000);
    let start = node.logs.log_start_offset(p0()).unwrap();
    assert!(
        start >= 100,
        "all that is older than 20 s and in closed segments: {start}"
    );
}
