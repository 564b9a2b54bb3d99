//! Topics that get a record now and then: retention and compaction hold for what waits in the
//! journal, and for what nothing follows.

use super::node::*;
use crate::log::journal::MOVE_PARTITIONS_MAX;
use crate::log::maintenance::{EXPIRED_DELAY_MS, RETENTION_INITIAL_DELAY_MS, TRIM_PARTITIONS_MAX};
use crate::log::*;
use crate::record::{BatchBuilder, BatchFields, Compression, NO_TIMESTAMP, TimestampType};
use crate::storage::Store;
use crate::storage::faulty::FaultyMedium;
use proptest::prelude::*;

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn retained(retention_ms: i64) -> LogConfig {
    LogConfig {
        retention_ms,
        segment_ms: 5_000,
        ..LogConfig::default()
    }
}

fn compacted() -> LogConfig {
    LogConfig {
        cleanup_delete: false,
        cleanup_compact: true,
        max_compaction_lag_ms: 1000,
        delete_retention_ms: MINUTE_MS,
        ..LogConfig::default()
    }
}

fn start(node: &Node, id: PartitionId) -> i64 {
    node.logs.log_start_offset(id).unwrap()
}

fn put(node: &mut Node, key: &str, value: Option<Value>) {
    let mut builder = BatchBuilder::new(Compression::None);
    let value = value.map(Value::to_be_bytes);
    let value = value.as_ref().map(|it| &it[..]);
    let now_ms = node.now.wall.0;
    builder
        .append(now_ms, Some(key.as_bytes()), value, &[])
        .unwrap();
    let batch = builder.build(BatchFields::default());
    node.append(p0(), batch).unwrap();
    node.settle();
}

/// Offset, key and value of every record.
fn contents(node: &mut Node) -> Vec<(i64, String, Option<Value>)> {
    let start = start(node, p0());
    let runs = node.read(p0(), start).unwrap();
    let batches = runs.iter().flat_map(crate::record::batches);
    let mut found = Vec::new();
    for batch in batches {
        let (_, batch) = batch.unwrap();
        for record in crate::record::records(&batch).unwrap() {
            let record = record.unwrap();
            let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            let value = record.value.map(|value| value_of(Some(&value)));
            found.push((record.offset, key, value));
        }
    }
    found
}

#[test]
fn a_topic_that_gets_a_record_now_and_then_expires() {
    let mut node = Node::with_config(retained(20_000));
    for value in 0..100 {
        node.produce(p0(), &[value]);
        node.settle();
        node.pass(8_000);
    }
    // 13 minutes with a check every five: the last one left what was younger than 20 s.
    assert!(start(&node, p0()) > 30, "{}", start(&node, p0()));
    assert!(start(&node, p0()) < 100);
    let expected: Vec<Value> = (start(&node, p0()) as Value..100).collect();
    assert_eq!(node.values(p0()), expected);
    let start_before = start(&node, p0());
    let mut node = node.crash(&retained(20_000));
    assert_eq!(start(&node, p0()), start_before);
    assert_eq!(node.values(p0()), expected);
}

#[test]
fn a_topic_that_nobody_writes_to_any_more_expires() {
    for crash in [false, true] {
        let mut node = Node::with_config(retained(HOUR_MS));
        node.produce(p0(), &[1]);
        node.settle();
        if crash {
            node = node.crash(&retained(HOUR_MS));
        }
        node.pass(HOUR_MS - 1);
        assert_eq!(node.values(p0()), [1]);
        node.pass(6 * MINUTE_MS);
        assert_eq!(start(&node, p0()), 1);
        assert!(node.values(p0()).is_empty());
    }
}

#[test]
fn replaced_values_of_a_topic_that_nobody_writes_to_any_more_are_compacted() {
    for crash in [false, true] {
        let mut node = Node::with_config(compacted());
        put(&mut node, "a", Some(1));
        put(&mut node, "a", Some(2));
        put(&mut node, "b", Some(3));
        put(&mut node, "b", None);
        if crash {
            node = node.crash(&compacted());
        }
        node.pass(MINUTE_MS);
        let tombstone = (3, "b".to_owned(), None);
        let expected = [(1, "a".to_owned(), Some(2)), tombstone];
        assert_eq!(contents(&mut node), expected);
        if crash {
            node = node.crash(&compacted());
        }
        // And the tombstone goes when delete.retention.ms is over.
        node.pass(2 * MINUTE_MS);
        assert_eq!(contents(&mut node), expected[..1]);
    }
}

#[test]
fn a_log_of_which_compaction_leaves_nothing_can_be_read_to_its_end() {
    let mut node = Node::with_config(compacted());
    put(&mut node, "a", Some(1));
    put(&mut node, "a", None);
    node.pass(3 * MINUTE_MS);
    assert_eq!(contents(&mut node), []);
    let last = batch_ends(&mut node).map(|ends| ends.last);
    assert_eq!(last, Some(2));
    // It stays no longer than it is the last.
    put(&mut node, "b", Some(1));
    node.pass(3 * MINUTE_MS);
    put(&mut node, "b", Some(2));
    node.pass(3 * MINUTE_MS);
    let expected = BatchEnds { first: 4, last: 4 };
    assert_eq!(batch_ends(&mut node), Some(expected));
}

#[derive(Debug, PartialEq)]
struct BatchEnds {
    first: i64,
    last: i64,
}

fn batch_ends(node: &mut Node) -> Option<BatchEnds> {
    let runs = node.read(p0(), 0).unwrap();
    let all = runs.iter().flat_map(crate::record::batches);
    let ends: Vec<_> = all.map(|batch| batch.unwrap().0.next_offset()).collect();
    let (first, last) = (*ends.first()?, *ends.last()?);
    Some(BatchEnds { first, last })
}

#[test]
fn a_compacted_topic_that_gets_a_record_a_second_is_compacted() {
    let mut node = Node::with_config(compacted());
    for value in 0..120 {
        put(&mut node, "a", Some(value));
        node.pass(1000);
    }
    let left = contents(&mut node);
    assert!(left.len() <= 20, "{left:?}");
    assert_eq!(left.last(), Some(&(119, "a".to_owned(), Some(119))));
}

#[test]
fn a_record_without_a_timestamp_expires_by_the_time_of_its_append() {
    for crash in [false, true] {
        let mut node = Node::with_config(retained(HOUR_MS));
        node.append(p0(), batch(NO_TIMESTAMP, &[1])).unwrap();
        node.settle();
        if crash {
            node.pass(HOUR_MS / 2);
            node.move_all();
            node = node.crash(&retained(HOUR_MS));
            node.pass(HOUR_MS / 2 - 1);
        } else {
            node.pass(HOUR_MS - 1);
        }
        assert_eq!(node.values(p0()), [1]);
        node.pass(6 * MINUTE_MS);
        assert_eq!(start(&node, p0()), 1);
    }
}

#[test]
fn what_had_expired_before_the_opening_goes_for_who_stays_a_few_seconds() {
    let mut node = Node::with_config(retained(HOUR_MS));
    node.produce(p0(), &[1]);
    node.settle();
    let mut node = Node::opened_at(node.medium.clone(), START_MS + 2 * HOUR_MS);
    node.ensure(p0(), retained(HOUR_MS));
    // What is old when it is appended waits for the regular check.
    node.append(p0(), batch(START_MS, &[2])).unwrap();
    node.ensure(id(1), retained(HOUR_MS));
    node.append(id(1), batch(START_MS, &[3])).unwrap();
    node.pass(EXPIRED_DELAY_MS);
    assert_eq!(start(&node, p0()), 2);
    assert_eq!(start(&node, id(1)), 0);
    node.pass(RETENTION_INITIAL_DELAY_MS as i64);
    assert_eq!(start(&node, id(1)), 1);
}

#[test]
fn a_record_of_the_future_expires_so_much_later() {
    let mut node = Node::with_config(retained(HOUR_MS));
    let future = node.now.wall.0 + HOUR_MS / 2;
    node.append(p0(), batch(future, &[1])).unwrap();
    node.pass(HOUR_MS + MINUTE_MS);
    assert_eq!(node.values(p0()), [1]);
    node.pass(HOUR_MS / 2 + 5 * MINUTE_MS);
    assert_eq!(start(&node, p0()), 1);
}

#[test]
fn with_log_append_time_an_old_record_is_young() {
    let mut config = retained(HOUR_MS);
    config.message_timestamp_type = TimestampType::LogAppendTime;
    let mut node = Node::with_config(config);
    node.append(p0(), batch(1_000, &[1])).unwrap();
    node.pass(HOUR_MS - MINUTE_MS);
    assert_eq!(node.values(p0()), [1]);
    node.pass(7 * MINUTE_MS);
    assert_eq!(start(&node, p0()), 1);
}

#[test]
fn a_slow_topic_stays_within_retention_bytes() {
    let mut config = retained(-1);
    config.retention_bytes = 1_000;
    let mut node = Node::with_config(config);
    for value in 0..80 {
        node.produce(p0(), &[value]);
        node.settle();
        node.pass(10_000);
    }
    // A batch has 72 bytes, and each is a segment; the last check was less than 5 min ago.
    assert!(start(&node, p0()) > 30, "{}", start(&node, p0()));
}

#[test]
fn deleted_records_leave_the_journal_too() {
    let ways = ["retention", "delete_records", "removal"];
    for (by, crash) in ways.iter().flat_map(|by| [(*by, false), (*by, true)]) {
        let mut node = Node::with_config(retained(HOUR_MS));
        node.ensure(id(1), retained(-1));
        node.produce(id(1), &[7]);
        node.settle();
        node.produce(p0(), &[1]);
        node.settle();
        assert_eq!(node.rows(Store::Journal), 2);
        match by {
            "retention" => node.pass(HOUR_MS + RETENTION_INITIAL_DELAY_MS as i64 + 1),
            "delete_records" => node.logs.delete_records(p0(), 1).unwrap(),
            _ => node.logs.remove(p0()),
        }
        node.settle();
        // Whoever looks at a page for a few seconds deletes too.
        if crash {
            assert_eq!(node.rows(Store::Journal), 2);
            node = node.crash(&retained(-1));
        }
        node.pass(MINUTE_MS / 4);
        assert_eq!(node.rows(Store::Journal), 0, "{by}");
        let mut node = node.crash(&retained(-1));
        assert_eq!(node.values(id(1)), [7]);
    }
}

#[test]
fn what_expires_of_three_thousand_topics_is_deleted_in_a_few_commits() {
    const PARTITIONS: i32 = 3000;
    let mut node = Node::with_config(retained(HOUR_MS));
    for partition in 0..PARTITIONS {
        node.ensure(id(partition), retained(HOUR_MS));
        node.produce(id(partition), &[1]);
    }
    node.settle();
    node.pass(HOUR_MS - MINUTE_MS);
    let (commits, wakes) = (node.commits, node.wakes);
    node.pass(6 * MINUTE_MS);
    let starts = (0..PARTITIONS).map(|partition| start(&node, id(partition)));
    assert_eq!(starts.sum::<i64>(), i64::from(PARTITIONS));
    let trims = PARTITIONS as usize / TRIM_PARTITIONS_MAX + 1;
    let moves = PARTITIONS as usize / MOVE_PARTITIONS_MAX + 1;
    assert!(node.commits - commits <= trims + moves, "{}", node.commits);
    assert!(node.wakes - wakes <= 8, "{}", node.wakes);
    // Then there is nothing to do, and nobody wakes up for it.
    assert_eq!(node.rows(Store::Journal), 0);
    assert_eq!(node.logs.next_tick(), None);
}

#[test]
fn checks_that_no_topic_waits_for_do_not_take_place() {
    const DAY_MS: i64 = 24 * HOUR_MS;
    let mut node = Node::with_config(retained(7 * DAY_MS));
    node.produce(p0(), &[1]);
    node.settle();
    node.pass(6 * DAY_MS);
    // Once an hour it looks at the clock, as that may have stood still.
    assert!(node.wakes <= 6 * 24, "{}", node.wakes);
    assert_eq!(node.loads, 3, "those of the opening");
    // Whatever wakes it after a sleep, it looks then.
    node.now.wall.0 += DAY_MS + HOUR_MS;
    node.settle();
    assert_eq!(start(&node, p0()), 1);
}

#[test]
fn the_intervals_are_those_of_the_config() {
    let config = MaintenanceConfig {
        retention_check_interval_ms: 1000,
        cleaner_backoff_ms: 500,
    };
    let mut node = Node::checking(FaultyMedium::new(), config);
    node.ensure(p0(), compacted());
    node.ensure(id(1), retained(2_000));
    node.pass(1);
    put(&mut node, "a", Some(1));
    put(&mut node, "a", Some(2));
    node.produce(id(1), &[1]);
    node.pass(1_499);
    assert_eq!(contents(&mut node).len(), 1);
    assert_eq!(start(&node, id(1)), 0);
    node.pass(1_500);
    assert_eq!(start(&node, id(1)), 1);
}

#[derive(Clone, Debug)]
enum Action {
    /// Appends a record of so long ago, or of the future.
    Append {
        age_ms: i64,
    },
    Pass {
        ms: i64,
    },
    Crash,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (-MINUTE_MS..2 * MINUTE_MS).prop_map(|age_ms| Action::Append { age_ms }),
        4 => (1..3 * MINUTE_MS).prop_map(|ms| Action::Pass { ms }),
        1 => Just(Action::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// No record goes before its time, and every one when its segment's is over.
    #[test]
    fn what_is_young_stays_and_what_is_old_goes(
        actions in prop::collection::vec(action(), 1..40),
    ) {
        let config = LogConfig {
            segment_ms: MINUTE_MS / 2,
            ..retained(5 * MINUTE_MS)
        };
        let mut node = Node::with_config(config.clone());
        let mut timestamps = Vec::new();
        for action in actions {
            match action {
                Action::Append { age_ms } => {
                    let timestamp = node.now.wall.0 - age_ms;
                    node.append(p0(), batch(timestamp, &[0])).unwrap();
                    node.settle();
                    timestamps.push(timestamp);
                }
                Action::Pass { ms } => node.pass(ms),
                Action::Crash => {
                    node = node.crash(&config);
                    node.ensure(p0(), config.clone());
                }
            }
            let now_ms = node.now.wall.0;
            let deleted = start(&node, p0()) as usize;
            let young = |timestamp: &i64| now_ms - timestamp <= config.retention_ms;
            prop_assert!(!timestamps[..deleted].iter().any(young));
            // A record waits for the newest of its segment, that for the next check, and a segment
            // for those before it.
            let late_ms = config.retention_ms + config.segment_ms + 5 * MINUTE_MS + 3 * MINUTE_MS;
            let old = |timestamp: &i64| now_ms - timestamp > late_ms;
            prop_assert!(!timestamps[deleted..].iter().any(old), "{timestamps:?} at {now_ms}");
        }
        node.pass(12 * MINUTE_MS);
        prop_assert_eq!(start(&node, p0()) as usize, timestamps.len());
    }
}

#[test]
fn a_segment_that_was_closed_is_not_gone_on_with_when_the_config_changes_meanwhile() {
    let mut node = Node::with_config(retained(HOUR_MS));
    node.produce(p0(), &[0]);
    node.advance(8_000);
    node.produce(p0(), &[1]);
    node.settle();
    node.logs.maintenance.want_move(p0());
    node.submit();
    // The commit in flight writes two segments, of which these times would make one.
    let config = LogConfig {
        segment_ms: 24 * HOUR_MS,
        ..retained(HOUR_MS)
    };
    node.ensure(p0(), config.clone());
    node.settle();
    node.pass(HOUR_MS / 2);
    node.produce(p0(), &[2]);
    node.move_all();
    node.pass(HOUR_MS / 2 + 6 * MINUTE_MS);
    let left = node.values(p0());
    assert!(left.ends_with(&[2]), "{left:?}");
    let mut node = node.crash(&config);
    assert_eq!(node.values(p0()), left);
}
