//! Damaged and missing rows: the partition concerned stops and says so, the others go on.

use super::node::*;
use crate::log::*;
use crate::protocol::ErrorCode;
use crate::record::BatchFields;
use crate::storage::faulty::FaultyMedium;
use crate::storage::{Entry, KeyRange, Store};
use bytes::Bytes;

const PARTITIONS: i32 = 3;

fn config() -> LogConfig {
    LogConfig {
        retention_ms: -1,
        ..LogConfig::default()
    }
}

/// Three partitions with two chunks each, and rows of the journal with one and with all of them.
fn filled() -> Node {
    let mut node = Node::new();
    for value in 0..2 {
        for partition in 0..PARTITIONS {
            node.ensure(id(partition), config());
            let fields = BatchFields::default();
            let batch = batch_of(START_MS, &[value], 100 << 10, fields);
            node.append(id(partition), batch).unwrap();
        }
        node.move_all();
    }
    for partition in 0..PARTITIONS {
        node.produce(id(partition), &[2]);
        node.settle();
    }
    for value in 3..5 {
        for partition in 0..PARTITIONS {
            node.produce(id(partition), &[value]);
        }
        node.settle();
    }
    assert_eq!(node.rows(Store::Segment), 2 * PARTITIONS as usize);
    assert_eq!(node.rows(Store::Index), 2 * PARTITIONS as usize);
    assert_eq!(node.rows(Store::Journal), 5);
    node
}

/// What is read of each partition; `None` of one that has stopped and said so.
fn opened(medium: FaultyMedium) -> Vec<Option<Vec<Value>>> {
    let mut node = Node::on(medium);
    for partition in 0..PARTITIONS {
        node.ensure(id(partition), config());
    }
    node.settle();
    let read = |node: &mut Node, id: PartitionId| {
        let mut values = Vec::new();
        while values.len() < 5 {
            let start = values.len() as i64;
            let runs = match node.read(id, start) {
                Ok(runs) if runs.is_empty() => break,
                Ok(runs) => runs,
                Err(error) => {
                    assert_eq!(error.error_code(), ErrorCode::CorruptMessage, "{error}");
                    node.settle();
                    let told = |event: &LogEvent| match event {
                        LogEvent::Stopped { id: of, .. } => *of == id,
                        _ => false,
                    };
                    assert!(node.events.iter().any(told), "nobody is told");
                    return None;
                }
            };
            for batch in runs.iter().flat_map(crate::record::batches) {
                let (_, batch) = batch.unwrap();
                for record in crate::record::records(&batch).unwrap() {
                    values.push(value_of(record.unwrap().value.as_deref()));
                }
            }
        }
        Some(values)
    };
    (0..PARTITIONS)
        .map(|partition| read(&mut node, id(partition)))
        .collect()
}

const WHOLE: [Value; 5] = [0, 1, 2, 3, 4];

/// What is whole is read whole, and at most one partition has stopped.
fn check(read: &[Option<Vec<Value>>], stopped_max: usize, what: &str) -> usize {
    for values in read.iter().flatten() {
        assert_eq!(values[..], WHOLE, "{what}");
    }
    let stopped = read.iter().filter(|values| values.is_none()).count();
    assert!(stopped <= stopped_max, "{what}: {read:?}");
    stopped
}

/// A medium with these rows.
fn medium_of(rows: &[(Store, Entry)]) -> FaultyMedium {
    let mut node = Node::on(FaultyMedium::new());
    for (store, row) in rows {
        node.put(*store, row.key.clone(), row.value.clone());
    }
    node.medium
}

/// What is read when one row is another, or is not there.
fn opened_with(
    node: &Node,
    store: Store,
    key: &[u8],
    value: Option<Bytes>,
) -> Vec<Option<Vec<Value>>> {
    let all = Store::ALL.into_iter().flat_map(|store| {
        let rows = rows(node, store).into_iter();
        rows.map(move |row| (store, row))
    });
    let mut all: Vec<(Store, Entry)> = all.collect();
    let at = all
        .iter()
        .position(|(it, row)| *it == store && row.key == key);
    match value {
        Some(value) => all[at.unwrap()].1.value = value,
        None => {
            all.remove(at.unwrap());
        }
    }
    opened(medium_of(&all))
}

fn rows(node: &Node, store: Store) -> Vec<Entry> {
    node.medium.read(&KeyRange::all(store), usize::MAX)
}

#[test]
fn a_flipped_byte_stops_the_partition_that_it_belongs_to_and_no_other() {
    for store in Store::ALL {
        let node = filled();
        for row in rows(&node, store) {
            // Of a chunk, the headers of the batch and some of its records.
            let places = (0..row.value.len()).filter(|at| *at < 80 || at % 10_007 == 0);
            for at in places {
                let mut damaged = row.value.to_vec();
                damaged[at] ^= 0x41;
                let read = opened_with(&node, store, &row.key, Some(damaged.into()));
                let what = format!("byte {at} of {:?} of {}", row.key, store.name());
                check(&read, 1, &what);
            }
        }
    }
}

#[test]
fn a_row_that_is_missing_or_cut_off_stops_the_partitions_that_it_belongs_to() {
    for store in Store::ALL {
        let node = filled();
        let all = rows(&node, store);
        // The last row of the journal may be missing: a power cut may take it.
        let count = all.len() - usize::from(store == Store::Journal);
        for (index, row) in all[..count].iter().enumerate() {
            let shared = store == Store::Journal && index >= PARTITIONS as usize;
            let concerned = if shared { PARTITIONS as usize } else { 1 };
            let what = format!("{:?} of {}", row.key, store.name());
            let read = opened_with(&node, store, &row.key, None);
            let stopped = check(&read, concerned, &what);
            assert_eq!(stopped, concerned, "{what} is missing");
            for length in [0, 1, row.value.len() / 2, row.value.len() - 1] {
                let short = row.value.slice(..length);
                let read = opened_with(&node, store, &row.key, Some(short));
                let stopped = check(&read, concerned, &what);
                assert!(stopped > 0 || length > 1, "{what} is cut off at {length}");
            }
        }
    }
}

#[test]
fn a_last_journal_row_that_cannot_be_read_at_all_stops_who_may_be_in_it() {
    let mut node = filled();
    node.ensure(id(PARTITIONS), config());
    node.produce(id(PARTITIONS), &[0]);
    node.settle();
    let last = rows(&node, Store::Journal).pop().unwrap();
    node.put(Store::Journal, last.key, "?".into());
    let read = opened(node.medium.clone());
    assert_eq!(check(&read, 3, "the last row"), 3);
}

#[test]
fn rows_of_a_newer_version_are_not_taken_for_damaged() {
    for store in [Store::Head, Store::Snapshot] {
        let node = filled();
        let row = rows(&node, store).remove(0);
        let newer = crate::log::layout::of_newer_version(&row.key);
        let mut node = node;
        node.put(store, row.key, newer);
        let events = Node::opening(node.medium.clone());
        let newer = LogEvent::Fatal(crate::storage::StorageError::TooNew);
        assert_eq!(events, [newer], "{}", store.name());
    }
}

#[test]
fn a_removed_partition_is_no_missing_one() {
    let mut node = filled();
    node.logs.remove(id(0));
    node.settle();
    let mut node = Node::on(node.medium.clone());
    assert!(node.take_events().len() == 1, "opened");
    node.ensure(id(7), config());
    node.produce(id(7), &[1]);
    node.settle();
    assert_eq!(node.values(id(7)), [1]);
    assert_eq!(node.values(id(1)), WHOLE);
}
