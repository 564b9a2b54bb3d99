//! Commits: group commit, the order of events, roll-back, quota.

use super::node::*;
use crate::log::backlog::BACKGROUND_RETRY_MS;
use crate::log::journal::JOURNAL_PURGE_DELAY_MS;
use crate::log::*;
use crate::storage::faulty::Outcome;
use crate::storage::{Fence, Reserve, StorageError, StorageReply, StorageRequest, Store};

#[test]
fn what_is_appended_during_a_commit_joins_the_next() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    node.produce(p0(), &[1]);
    node.submit();
    for value in 2..10 {
        node.produce(p0(), &[value]);
        node.produce(id(1), &[value]);
    }
    node.settle();
    assert_eq!(node.commits, 2);
    assert_eq!(node.rows(Store::Journal), 2);
    assert_eq!(node.values(p0()), (1..10).collect::<Vec<_>>());
    let durable: Vec<LogEvent> = node.events.drain(1..).collect();
    let end = |partition, end| LogEvent::Durable {
        id: id(partition),
        end,
    };
    assert_eq!(durable, [end(0, 1), end(0, 9), end(1, 8)]);
}

#[test]
fn nothing_is_read_before_it_is_durable() {
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    let read = node.logs.read(p0(), 0, i64::MAX, 1000, true);
    assert_eq!(read, Ok(Read::Records(vec![])));
    node.submit();
    let read = node.logs.read(p0(), 1, i64::MAX, 1000, true);
    assert_eq!(read, Ok(Read::Records(vec![])));
    node.settle();
    assert_eq!(node.values(p0()), [1]);
}

#[test]
fn a_failed_commit_takes_back_all_that_stands_on_it() {
    for outcome in [Outcome::Quota, Outcome::Failed] {
        let mut node = Node::new();
        node.ensure(id(1), LogConfig::default());
        node.append(p0(), sequenced(1, 0, 0, 7)).unwrap();
        node.settle();
        node.take_events();
        node.append(p0(), sequenced(1, 0, 1, 8)).unwrap();
        node.submit();
        node.append(p0(), sequenced(1, 0, 2, 9)).unwrap();
        node.produce(id(1), &[1]);
        node.step(outcome);
        let ends: Vec<(PartitionId, i64)> = node
            .take_events()
            .into_iter()
            .map(|event| match event {
                LogEvent::RolledBack { id, end, .. } => (id, end),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ends, [(id(0), 1), (id(1), 0)]);
        assert_eq!(node.logs.log_end_offset(p0()), Some(1));
        // The producer's state is that of the durable batches: 8 again, and 9 not before it.
        assert!(node.append(p0(), sequenced(1, 0, 2, 9)).is_err());
        let again = node.append(p0(), sequenced(1, 0, 1, 8)).unwrap();
        assert!(!again.duplicate);
        assert!(node.append(p0(), sequenced(1, 0, 0, 7)).unwrap().duplicate);
        node.settle();
        assert_eq!(node.values(p0()), [7, 8]);
        let mut node = node.crash(&LogConfig::default());
        assert_eq!(node.values(p0()), [7, 8]);
    }
}

#[test]
fn reads_go_on_under_a_full_quota() {
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    node.settle();
    for value in 2..5 {
        node.produce(p0(), &[value]);
        assert!(node.step(Outcome::Quota));
        assert_eq!(node.values(p0()), [1]);
    }
    node.produce(p0(), &[9]);
    node.settle();
    assert_eq!(node.values(p0()), [1, 9]);
}

#[test]
fn records_have_nothing_of_the_reserve_also_when_a_coordinator_shares_their_commit() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    let coordinator = |node: &mut Node| {
        let bytes = batch(node.now.wall.0, &[1]);
        let appended = node
            .logs
            .append(node.now, id(1), bytes, AppendOrigin::Coordinator, 0);
        appended.unwrap();
    };
    let reserve = |node: &mut Node| {
        let requests = node.logs.take_requests(node.now);
        let [StorageRequest::Commit { ticket, batch }] = &requests[..] else {
            panic!("{requests:?}");
        };
        let (ticket, result) = (*ticket, Err(StorageError::Quota));
        let mut events = Vec::new();
        let reply = StorageReply::Committed { ticket, result };
        node.logs.handle(node.now, reply, &mut events);
        batch.reserve
    };
    node.produce(p0(), &[1]);
    assert_eq!(reserve(&mut node), Reserve::None);
    coordinator(&mut node);
    assert_eq!(reserve(&mut node), Reserve::Part);
    coordinator(&mut node);
    node.logs.use_whole_reserve();
    coordinator(&mut node);
    assert_eq!(reserve(&mut node), Reserve::All);
    node.advance(BACKGROUND_RETRY_MS as i64);
    coordinator(&mut node);
    node.produce(p0(), &[1]);
    coordinator(&mut node);
    node.logs.use_whole_reserve();
    assert_eq!(reserve(&mut node), Reserve::None);
}

#[test]
fn records_that_are_refused_again_and_again_do_not_keep_a_coordinator_from_writing() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    node.produce(p0(), &[1]);
    node.submit();
    // While it is under way a member joins, and the next records are sent.
    let bytes = batch(node.now.wall.0, &[2]);
    let appended = (node.logs).append(node.now, id(1), bytes, AppendOrigin::Coordinator, 0);
    appended.expect("it is no record of a client");
    node.produce(p0(), &[3]);
    node.step(Outcome::OnlyReserve);
    assert_eq!(node.logs.log_end_offset(p0()), Some(0));
    assert_eq!(node.logs.log_end_offset(id(1)), Some(1));

    node.produce(p0(), &[4]);
    node.step(Outcome::OnlyReserve);
    assert_eq!(node.logs.durable_end(id(1)), Some(1));
    node.step(Outcome::OnlyReserve);
    assert_eq!(node.logs.durable_end(p0()), Some(0));
    assert_eq!(node.logs.backlog.bytes(), 0);
}

#[test]
fn after_a_refusal_a_coordinator_that_writes_on_does_not_keep_records_waiting() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    node.produce(p0(), &[1]);
    node.step(Outcome::Failed);
    for round in 0..4 {
        node.produce(p0(), &[round]);
        let bytes = batch(node.now.wall.0, &[round]);
        let appended = (node.logs).append(node.now, id(1), bytes, AppendOrigin::Coordinator, 0);
        appended.expect("it is no record of a client");
        node.step(Outcome::Done);
    }
    assert_eq!(node.logs.durable_end(p0()), Some(4));
}

#[test]
fn records_that_are_refused_again_and_again_do_not_put_off_what_frees_room() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    node.produce(id(1), &[1]);
    node.settle();
    node.produce(p0(), &[1]);
    node.step(Outcome::Quota);
    node.logs.remove(id(1));
    for _ in 0..10 {
        node.advance(BACKGROUND_RETRY_MS as i64 / 10);
        node.produce(p0(), &[1]);
        node.step(Outcome::OnlyReserve);
    }
    assert_eq!(node.rows(Store::Head), 0);
}

#[test]
fn deleted_records_leave_the_journal_under_a_full_quota_though_others_must_be_moved_for_it() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    node.produce(id(1), &[1]);
    node.produce(p0(), &[1]);
    node.settle();
    assert_eq!(node.rows(Store::Journal), 1);
    node.logs.remove(id(1));
    for _ in 0..4 {
        node.advance(JOURNAL_PURGE_DELAY_MS);
        node.step(Outcome::OnlyReserve);
    }
    assert_eq!(node.rows(Store::Journal), 0);
    assert_eq!(node.values(p0()), [1]);
}

#[test]
fn an_unknown_outcome_that_was_settled_changes_nothing() {
    let mut node = Node::new();
    for (value, outcome) in [
        (1, Outcome::UnknownApplied),
        (2, Outcome::UnknownNotApplied),
    ] {
        node.produce(p0(), &[value]);
        node.step(outcome);
        node.settle();
    }
    assert_eq!(node.values(p0()), [1, 2]);
}

#[test]
fn a_fenced_node_asks_for_nothing_more() {
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    node.settle();
    let _newer = Node::on(node.medium.clone());
    node.take_events();
    node.produce(p0(), &[2]);
    node.settle();
    assert!(matches!(
        node.events[..],
        [LogEvent::Fatal(StorageError::Fenced { .. })]
    ));
    assert!(node.append(p0(), batch(START_MS, &[3])).is_err());
    assert!(node.logs.take_requests(node.now).is_empty());
}

#[test]
fn an_answer_to_a_question_that_nobody_asked_is_ignored() {
    let mut node = Node::new();
    let reply = StorageReply::Committed {
        ticket: crate::storage::Ticket(999),
        result: Err(StorageError::Fenced {
            found: Fence::default(),
        }),
    };
    node.logs.handle(node.now, reply, &mut node.events);
    node.produce(p0(), &[1]);
    node.settle();
    assert_eq!(node.values(p0()), [1]);
}

#[test]
fn flush_messages_asks_for_commits_that_survive_a_power_cut() {
    let mut node = Node::with_config(LogConfig {
        flush_messages: 1,
        ..LogConfig::default()
    });
    node.produce(p0(), &[1]);
    let requests = node.logs.take_requests(node.now);
    let [StorageRequest::Commit { batch, .. }] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(batch.durability, crate::storage::Durability::Strict);
}

#[test]
fn a_removed_log_leaves_nothing_but_the_journals_rows() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    for partition in 0..2 {
        let bytes = batch_of(START_MS, &[1], DIRECT_BYTES_MIN, Default::default());
        node.append(id(partition), bytes).unwrap();
        node.settle();
        node.produce(id(partition), &[2]);
        node.settle();
    }
    node.logs.remove(p0());
    assert_eq!(node.logs.log_end_offset(p0()), None);
    node.settle();
    for store in [Store::Head, Store::Snapshot, Store::Segment, Store::Index] {
        assert_eq!(node.rows(store), 1, "{store:?}");
    }
    let mut node = node.crash(&LogConfig::default());
    assert_eq!(node.logs.partitions(), [id(1)]);
    assert_eq!(node.values(id(1)), [1, 2]);
}

/// A tail of 300 KiB in the journal, as a move would write it again.
#[test]
fn a_small_append_passes_where_a_move_does_not() {
    let mut node = Node::new();
    for value in 0..5 {
        let bytes = batch_of(START_MS, &[value], 60 << 10, Default::default());
        node.append(p0(), bytes).unwrap();
        if value < 4 {
            node.settle();
        }
    }
    // The fifth batch makes the tail large enough for its segment.
    node.step(Outcome::Quota);
    node.settle();
    assert_eq!(node.logs.durable_end(p0()), Some(4));
    node.produce(p0(), &[5]);
    let bytes = batch_of(START_MS, &[6], 60 << 10, Default::default());
    node.append(p0(), bytes).unwrap();
    node.settle();
    assert_eq!(node.rows(Store::Segment), 0);
    node.advance(5_000);
    node.produce(p0(), &[7]);
    node.settle();
    assert_eq!(node.rows(Store::Segment), 1);
    assert_eq!(node.values(p0()), [0, 1, 2, 3, 5, 6, 7]);
}

#[test]
fn a_commit_of_which_nobody_knows_the_outcome_stops_the_node() {
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    let requests = node.logs.take_requests(node.now);
    let [StorageRequest::Commit { ticket, .. }] = requests[..] else {
        panic!("{requests:?}");
    };
    let unknown = StorageError::Unknown("the fence cannot be read".to_owned());
    node.take_events();
    let reply = StorageReply::Committed {
        ticket,
        result: Err(unknown.clone()),
    };
    node.logs.handle(node.now, reply, &mut node.events);
    assert_eq!(node.take_events(), [LogEvent::Fatal(unknown)]);
}

#[test]
fn removing_a_log_during_its_commit_leaves_the_count_of_uncommitted_bytes_right() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    node.produce(p0(), &[1, 2, 3]);
    node.submit();
    node.produce(p0(), &[4]);
    node.produce(id(1), &[5]);
    node.logs.remove(p0());
    node.step(Outcome::Done);
    node.logs.remove(id(1));
    assert_eq!(node.logs.backlog.bytes(), 0);
}

#[test]
fn no_tick_is_due_while_a_commit_is_in_flight_whose_end_looks_by_itself() {
    let mut node = Node::new();
    node.ensure(id(1), LogConfig::default());
    node.tick();
    node.produce(p0(), &[0]);
    assert!(node.step(Outcome::Failed));
    node.logs.remove(id(1));
    node.produce(p0(), &[1]);
    node.submit();
    node.advance(BACKGROUND_RETRY_MS as i64 + 1);
    let next = node.logs.next_tick();
    assert!(next.is_none_or(|next| next > node.now.monotonic));
    node.settle();
    assert_eq!(node.values(p0()), [1]);
}
