//! Transactions in a log: the last stable offset, aborted transactions, fencing.

use super::node::*;
use crate::log::*;
use crate::protocol::ErrorCode;
use crate::record::{BatchFields, EndTransactionMarker, TransactionResult};
use TransactionResult::{Abort, Commit};

fn write(
    node: &mut Node,
    producer_id: i64,
    base_sequence: i32,
    is_transactional: bool,
) -> Result<Appended, AppendError> {
    let fields = BatchFields {
        producer_id,
        producer_epoch: 0,
        base_sequence,
        is_transactional,
        ..BatchFields::default()
    };
    let bytes = batch_of(START_MS, &[base_sequence as u32], 0, fields);
    node.append(p0(), bytes)
}

fn end(
    node: &mut Node,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    result: TransactionResult,
) -> Result<Appended, AppendError> {
    let marker = EndTransactionMarker {
        result,
        coordinator_epoch,
    };
    let bytes = marker.to_batch(START_MS, producer_id, producer_epoch);
    let origin = AppendOrigin::Coordinator;
    node.logs.append(node.now, p0(), bytes, origin, 0)
}

fn stable(node: &Node) -> i64 {
    let high_watermark = node.logs.durable_end(p0()).unwrap();
    node.logs.last_stable_offset(p0(), high_watermark)
}

fn aborted(node: &Node, from: i64, to: i64) -> Vec<(i64, i64)> {
    let aborted = node.logs.aborted_transactions(p0(), from, to);
    aborted
        .iter()
        .map(|it| (it.producer_id, it.first_offset))
        .collect()
}

/// 0: of 1, 1: of 2, 2: of 1, 3: aborts 1, 4: plain, 5: commits 2, 6: of 1.
fn node() -> Node {
    let mut node = Node::new();
    write(&mut node, 1, 0, true).unwrap();
    write(&mut node, 2, 0, true).unwrap();
    write(&mut node, 1, 1, true).unwrap();
    end(&mut node, 1, 0, 0, Abort).unwrap();
    node.produce(p0(), &[9]);
    end(&mut node, 2, 0, 0, Commit).unwrap();
    write(&mut node, 1, 2, true).unwrap();
    node
}

#[test]
fn the_last_stable_offset_is_the_first_of_the_earliest_open_transaction() {
    let mut node = node();
    node.settle();
    assert_eq!(stable(&node), 6);
    end(&mut node, 1, 0, 0, Commit).unwrap();
    node.settle();
    assert_eq!(stable(&node), 8);
}

#[test]
fn a_transaction_is_open_until_its_marker_is_below_the_high_watermark() {
    let node = node();
    for (high_watermark, expected) in [(0, 0), (1, 0), (3, 0), (4, 1), (5, 1), (6, 6), (7, 6)] {
        let stable = node.logs.last_stable_offset(p0(), high_watermark);
        assert_eq!(stable, expected, "high watermark {high_watermark}");
    }
}

#[test]
fn aborted_transactions_are_told_where_they_overlap() {
    let mut node = node();
    end(&mut node, 1, 0, 0, Abort).unwrap();
    node.settle();
    assert_eq!(aborted(&node, 0, 8), [(1, 0), (1, 6)]);
    assert_eq!(aborted(&node, 2, 4), [(1, 0)]);
    assert_eq!(aborted(&node, 4, 6), []);
    assert_eq!(aborted(&node, 4, 7), [(1, 6)]);
}

#[test]
fn transactions_are_known_again_after_a_crash() {
    for moved in [false, true] {
        let mut node = node();
        node.settle();
        if moved {
            node.move_all();
        }
        let mut node = node.crash(&LogConfig::default());
        assert_eq!(stable(&node), 6);
        assert_eq!(aborted(&node, 0, 7), [(1, 0)]);
        end(&mut node, 1, 0, 0, Abort).unwrap();
        node.settle();
        assert_eq!(aborted(&node, 0, 8), [(1, 0), (1, 6)]);
        assert_eq!(stable(&node), 8);
    }
}

#[test]
fn a_failed_commit_opens_the_transaction_again() {
    let mut node = node();
    node.settle();
    end(&mut node, 1, 0, 0, Commit).unwrap();
    node.step(crate::storage::faulty::Outcome::Failed);
    assert_eq!(stable(&node), 6);
    assert_eq!(node.logs.log_end_offset(p0()), Some(7));
    write(&mut node, 1, 3, true).unwrap();
}

#[test]
fn a_producer_may_not_write_outside_of_its_open_transaction() {
    let mut node = node();
    let error = write(&mut node, 1, 3, false).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::InvalidTxnState);
    end(&mut node, 1, 0, 0, Commit).unwrap();
    write(&mut node, 1, 3, false).unwrap();
}

#[test]
fn markers_of_old_epochs_are_fenced() {
    let mut node = node();
    end(&mut node, 1, 1, 5, Commit).unwrap();
    let error = end(&mut node, 1, 0, 5, Abort).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::InvalidProducerEpoch);
    let error = end(&mut node, 1, 1, 4, Abort).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::TransactionCoordinatorFenced);
    // The marker has raised the producer's epoch: what the old one still sends is refused.
    let error = write(&mut node, 1, 3, true).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::InvalidProducerEpoch);
}

#[test]
fn aborted_transactions_below_the_log_start_are_forgotten() {
    let mut node = node();
    node.settle();
    node.logs.delete_records(p0(), 4).unwrap();
    node.settle();
    assert_eq!(aborted(&node, 0, 7), []);
}
