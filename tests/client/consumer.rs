use std::collections::{BTreeMap, BTreeSet};

use tablog::client::consumer::{
    Assignor, AutoCommit, ConsumerCommand, ConsumerConfig, ConsumerEvent, ConsumerOutput,
    FetchedBatch, IsolationLevel, OffsetReset, OffsetToCommit, Subscription,
};
use tablog::client::{CommandId, Consumer, ErrorKind, KafkaError, TopicPartition};
use tablog::protocol::messages::fetch_response::AbortedTransaction;
use tablog::protocol::{ApiKey, ErrorCode};
use tablog::record::{
    BatchBuilder, BatchFields, Compression, EndTransactionMarker, TransactionResult,
};

use super::fake_cluster::Fault;
use super::producer::client_config;
use super::world::{Handle, World};

fn config() -> ConsumerConfig {
    ConsumerConfig {
        client: client_config(),
        group_id: "g".into(),
        auto_offset_reset: OffsetReset::Earliest,
        ..Default::default()
    }
}

fn world(partitions: i32) -> World {
    let mut world = World::new(2);
    world.cluster.create("t", partitions);
    world
}

fn subscribe(topics: &[&str]) -> ConsumerCommand {
    let topics = topics.iter().map(|topic| Subscription {
        topic: topic.to_string(),
        offset_reset: None,
    });
    ConsumerCommand::Subscribe {
        id: CommandId(0),
        topics: topics.collect(),
    }
}

fn member(world: &mut World, config: ConsumerConfig) -> Handle<Consumer> {
    let consumer = world.add(Consumer::new(config, 1));
    world.command(&consumer, subscribe(&["t"]));
    consumer
}

fn poll(
    world: &mut World,
    consumer: &Handle<Consumer>,
) -> Result<Option<FetchedBatch>, KafkaError> {
    poll_at_most(world, consumer, 1_000)
}

fn poll_at_most(
    world: &mut World,
    consumer: &Handle<Consumer>,
    records_max: usize,
) -> Result<Option<FetchedBatch>, KafkaError> {
    world.command(
        consumer,
        ConsumerCommand::Poll {
            id: CommandId(99),
            records_max,
        },
    );
    world.wait(consumer, |output| match output {
        ConsumerOutput::Polled {
            id: CommandId(99),
            result,
        } => Some(result.clone()),
        _ => None,
    })
}

fn batch(world: &mut World, consumer: &Handle<Consumer>) -> FetchedBatch {
    poll(world, consumer).unwrap().unwrap()
}

fn values(batch: &FetchedBatch) -> Vec<String> {
    let values = batch
        .records
        .iter()
        .map(|record| record.value.clone().unwrap());
    values
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
        .collect()
}

fn processed(world: &mut World, consumer: &Handle<Consumer>, batch: &FetchedBatch) {
    let command = ConsumerCommand::Processed {
        partition: batch.partition.clone(),
        fence: batch.fence,
        next_offset: batch.next_offset,
    };
    world.command(consumer, command);
}

fn done(world: &mut World, consumer: &Handle<Consumer>, wanted: u64) -> Result<(), KafkaError> {
    world.wait(consumer, |output| match output {
        ConsumerOutput::Done { id, result } if id.0 == wanted => Some(result.clone()),
        _ => None,
    })
}

/// Takes the events that have happened.
fn events(consumer: &Handle<Consumer>) -> Vec<ConsumerEvent> {
    let outputs = consumer.borrow_mut().outputs.drain(..).collect::<Vec<_>>();
    let events = outputs.into_iter().filter_map(|output| match output {
        ConsumerOutput::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn joined(world: &mut World, consumer: &Handle<Consumer>) -> BTreeMap<String, Vec<i32>> {
    world.wait(consumer, |output| match output {
        ConsumerOutput::Event(ConsumerEvent::GroupJoin {
            member_assignment, ..
        }) => Some(member_assignment.clone()),
        _ => None,
    })
}

fn t(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

#[test]
fn a_member_reads_everything_in_order_and_commits_what_it_has_processed() {
    let mut world = world(2);
    world.cluster.append("t", 0, &["a", "b"]);
    world.cluster.append("t", 0, &["c"]);
    world.cluster.append("t", 1, &["x"]);
    let consumer = member(&mut world, config());
    let mut read: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for _ in 0..2 {
        let batch = batch(&mut world, &consumer);
        assert_eq!(batch.high_watermark, batch.next_offset);
        read.entry(batch.partition.partition)
            .or_default()
            .extend(values(&batch));
        processed(&mut world, &consumer, &batch);
    }
    assert_eq!(read[&0], ["a", "b", "c"]);
    assert_eq!(read[&1], ["x"]);
    world.settle();
    assert_eq!(world.cluster.committed("g", &t(0)), 3);
    assert_eq!(world.cluster.committed("g", &t(1)), 1);
    // What comes later wakes the poll that waits.
    world.command(
        &consumer,
        ConsumerCommand::Poll {
            id: CommandId(7),
            records_max: 10,
        },
    );
    world.run_for(5_000);
    world.cluster.append("t", 1, &["y"]);
    world.settle();
    let outputs = consumer.borrow_mut().outputs.drain(..).collect::<Vec<_>>();
    assert!(outputs.iter().any(|output| matches!(
        output,
        ConsumerOutput::Polled { id: CommandId(7), result: Ok(Some(batch)) } if values(batch) == ["y"]
    )));
}

#[test]
fn a_new_member_starts_from_the_committed_offset() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a", "b", "c"]);
    let first = member(&mut world, config());
    let taken = poll_at_most(&mut world, &first, 2).unwrap().unwrap();
    assert_eq!(values(&taken), ["a", "b"]);
    processed(&mut world, &first, &taken);
    world.command(&first, ConsumerCommand::Close { id: CommandId(3) });
    done(&mut world, &first, 3).unwrap();
    let second = member(&mut world, config());
    assert_eq!(values(&batch(&mut world, &second)), ["c"]);
}

#[test]
fn without_a_committed_offset_the_policy_says_where_to_start() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["old"]);
    let latest = ConsumerConfig {
        auto_offset_reset: OffsetReset::Latest,
        ..config()
    };
    let consumer = member(&mut world, latest);
    world.command(
        &consumer,
        ConsumerCommand::Poll {
            id: CommandId(99),
            records_max: 9,
        },
    );
    world.run_for(1_000);
    world.cluster.append("t", 0, &["new"]);
    let read = world.wait(&consumer, |output| match output {
        ConsumerOutput::Polled { result, .. } => Some(result.clone().unwrap().unwrap()),
        _ => None,
    });
    assert_eq!(values(&read), ["new"]);

    let none = ConsumerConfig {
        auto_offset_reset: OffsetReset::None,
        group_id: "other".into(),
        ..config()
    };
    let consumer = member(&mut world, none);
    let error = poll(&mut world, &consumer).unwrap_err();
    assert_eq!(
        (error.kind, error.partition),
        (ErrorKind::NoOffset, Some(0))
    );
}

#[test]
fn an_offset_that_is_gone_is_reset() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a", "b"]);
    world.cluster.append("t", 0, &["c"]);
    world.cluster.partition("t", 0).log_start_offset = 2;
    world.cluster.partition("t", 0).log.remove(0);
    let consumer = world.add(Consumer::new(config(), 1));
    let partitions = vec![(t(0), Some(1))];
    world.command(
        &consumer,
        ConsumerCommand::Assign {
            id: CommandId(1),
            partitions,
        },
    );
    let read = batch(&mut world, &consumer);
    assert_eq!(
        (values(&read), read.records[0].offset),
        (vec!["c".to_string()], 2)
    );
}

#[test]
fn a_partition_gives_its_next_batch_only_after_the_last_one() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a", "b", "c", "d"]);
    let consumer = member(&mut world, config());
    let first = poll_at_most(&mut world, &consumer, 2).unwrap().unwrap();
    world.command(
        &consumer,
        ConsumerCommand::Poll {
            id: CommandId(5),
            records_max: 9,
        },
    );
    world.run_for(10_000);
    let polled = |consumer: &Handle<Consumer>| {
        let outputs = consumer.borrow_mut().outputs.drain(..).collect::<Vec<_>>();
        outputs.into_iter().find_map(|output| match output {
            ConsumerOutput::Polled { result, .. } => Some(result.unwrap().unwrap()),
            _ => None,
        })
    };
    assert_eq!(polled(&consumer), None);
    // Only the first was processed: the second comes again.
    world.command(
        &consumer,
        ConsumerCommand::Processed {
            partition: t(0),
            fence: first.fence,
            next_offset: 1,
        },
    );
    world.run_for(1_000);
    assert_eq!(values(&polled(&consumer).unwrap()), ["b", "c", "d"]);
    assert_eq!(world.cluster.committed("g", &t(0)), 1);
}

#[test]
fn seeking_makes_what_was_delivered_stale() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a", "b", "c"]);
    let consumer = member(&mut world, config());
    let old = batch(&mut world, &consumer);
    world.command(
        &consumer,
        ConsumerCommand::Seek {
            id: CommandId(1),
            partition: t(0),
            offset: 1,
        },
    );
    processed(&mut world, &consumer, &old);
    let again = batch(&mut world, &consumer);
    assert_eq!(values(&again), ["b", "c"]);
    assert_ne!(again.fence, old.fence);
    world.run_for(1_000);
    assert_eq!(
        world.cluster.committed("g", &t(0)),
        1,
        "the stale batch is not committed"
    );
    for (offset, first) in [(-2, Some("a")), (-1, None)] {
        world.command(
            &consumer,
            ConsumerCommand::Seek {
                id: CommandId(2),
                partition: t(0),
                offset,
            },
        );
        world.command(
            &consumer,
            ConsumerCommand::Poll {
                id: CommandId(3),
                records_max: 1,
            },
        );
        world.run_for(2_000);
        let outputs = consumer.borrow_mut().outputs.drain(..).collect::<Vec<_>>();
        let read = outputs.into_iter().find_map(|output| match output {
            ConsumerOutput::Polled { result, .. } => result.unwrap(),
            _ => None,
        });
        assert_eq!(read.map(|read| values(&read)[0].clone()).as_deref(), first);
    }
}

#[test]
fn a_paused_partition_gives_nothing_until_it_is_resumed() {
    let mut world = world(2);
    world.cluster.append("t", 0, &["a"]);
    world.cluster.append("t", 1, &["x"]);
    let consumer = member(&mut world, config());
    let topics = vec![("t".to_string(), Some(vec![0]))];
    world.command(
        &consumer,
        ConsumerCommand::Pause {
            id: CommandId(1),
            topics: topics.clone(),
        },
    );
    let read = batch(&mut world, &consumer);
    assert_eq!(values(&read), ["x"]);
    processed(&mut world, &consumer, &read);
    world.command(
        &consumer,
        ConsumerCommand::Poll {
            id: CommandId(2),
            records_max: 9,
        },
    );
    world.run_for(20_000);
    let polled = consumer
        .borrow_mut()
        .outputs
        .drain(..)
        .any(|output| matches!(output, ConsumerOutput::Polled { .. }));
    assert!(!polled);
    world.command(
        &consumer,
        ConsumerCommand::Resume {
            id: CommandId(3),
            topics,
        },
    );
    let read = world.wait(&consumer, |output| match output {
        ConsumerOutput::Polled { result, .. } => Some(result.clone().unwrap().unwrap()),
        _ => None,
    });
    assert_eq!(
        (values(&read), read.records[0].offset),
        (vec!["a".to_string()], 0)
    );
}

#[test]
fn commits_by_hand_are_answered_and_carry_metadata() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a", "b"]);
    let consumer = member(
        &mut world,
        ConsumerConfig {
            auto_commit: AutoCommit::Off,
            ..config()
        },
    );
    let read = batch(&mut world, &consumer);
    processed(&mut world, &consumer, &read);
    world.run_for(10_000);
    assert_eq!(world.cluster.committed("g", &t(0)), -1);
    let offset = OffsetToCommit {
        topic: "t".into(),
        partition: 0,
        offset: 1,
        metadata: Some("half".into()),
    };
    let offsets = Some(vec![offset.clone()]);
    world.command(
        &consumer,
        ConsumerCommand::Commit {
            id: CommandId(1),
            offsets,
        },
    );
    done(&mut world, &consumer, 1).unwrap();
    assert_eq!(world.cluster.committed("g", &t(0)), 1);
    world.command(
        &consumer,
        ConsumerCommand::Commit {
            id: CommandId(2),
            offsets: None,
        },
    );
    done(&mut world, &consumer, 2).unwrap();
    assert_eq!(world.cluster.committed("g", &t(0)), 2);
}

#[test]
fn aborted_and_control_batches_are_skipped_and_passed() {
    for (isolation_level, expected) in [
        (IsolationLevel::ReadCommitted, vec!["plain", "kept"]),
        (
            IsolationLevel::ReadUncommitted,
            vec!["plain", "gone", "kept"],
        ),
    ] {
        let mut world = world(1);
        world.cluster.append("t", 0, &["plain"]);
        let transactional = |value: &str, producer_id| {
            let mut builder = BatchBuilder::new(Compression::Gzip);
            builder
                .append(0, None, Some(value.as_bytes()), &[])
                .unwrap();
            builder.build(BatchFields {
                producer_id,
                producer_epoch: 0,
                base_sequence: 0,
                is_transactional: true,
                ..Default::default()
            })
        };
        let marker = |result, producer_id| {
            EndTransactionMarker {
                result,
                coordinator_epoch: 0,
            }
            .to_batch(0, producer_id, 0)
        };
        let partition = world.cluster.partition("t", 0);
        partition.append(&transactional("gone", 1));
        partition.append(&transactional("kept", 2));
        partition.append(&marker(TransactionResult::Abort, 1));
        partition.append(&marker(TransactionResult::Commit, 2));
        partition.aborted = vec![AbortedTransaction {
            producer_id: 1,
            first_offset: 1,
            ..Default::default()
        }];
        let consumer = member(
            &mut world,
            ConsumerConfig {
                isolation_level,
                ..config()
            },
        );
        let read = batch(&mut world, &consumer);
        assert_eq!(values(&read), expected);
        assert_eq!(
            read.next_offset, 5,
            "the markers are behind the application"
        );
        processed(&mut world, &consumer, &read);
        world.settle();
        assert_eq!(world.cluster.committed("g", &t(0)), 5);
        // A marker alone moves the position too.
        world
            .cluster
            .partition("t", 0)
            .append(&marker(TransactionResult::Commit, 2));
        world.run_for(1_000);
        assert_eq!(world.cluster.committed("g", &t(0)), 6);
    }
}

#[test]
fn a_moved_leader_and_a_broker_that_is_away_are_survived() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a"]);
    let consumer = member(&mut world, config());
    let read = batch(&mut world, &consumer);
    processed(&mut world, &consumer, &read);
    world.cluster.move_leader("t", 0, 1);
    world.cluster.append("t", 0, &["b"]);
    let read = batch(&mut world, &consumer);
    assert_eq!(values(&read), ["b"]);
    processed(&mut world, &consumer, &read);
    world.settle();
    for node in [0, 1] {
        world.stop_node(node);
    }
    world.run_for(10_000);
    world.cluster.down.clear();
    world.cluster.append("t", 0, &["c"]);
    assert_eq!(values(&batch(&mut world, &consumer)), ["c"]);
}

/// Reads with all members in turn until every value has been seen, and tells who saw what.
fn read_all(world: &mut World, members: &[Handle<Consumer>], count: usize) -> Vec<Vec<String>> {
    let mut seen = vec![Vec::new(); members.len()];
    for (index, consumer) in members.iter().enumerate() {
        world.command(
            consumer,
            ConsumerCommand::Poll {
                id: CommandId(index as u64),
                records_max: 3,
            },
        );
    }
    for _ in 0..10_000 {
        world.run_for(50);
        for (index, consumer) in members.iter().enumerate() {
            let outputs = consumer.borrow_mut().outputs.drain(..).collect::<Vec<_>>();
            for output in outputs {
                if let ConsumerOutput::Polled { id, result } = output {
                    let batch = result.unwrap().unwrap();
                    seen[index].extend(values(&batch));
                    processed(world, consumer, &batch);
                    world.command(consumer, ConsumerCommand::Poll { id, records_max: 3 });
                }
            }
        }
        if seen.iter().map(Vec::len).sum::<usize>() >= count {
            return seen;
        }
    }
    panic!("{seen:?}");
}

#[test]
fn a_group_divides_the_partitions_and_each_record_is_read_once() {
    for assignor in Assignor::ALL {
        let mut world = world(4);
        for n in 0..40 {
            world.cluster.append("t", n % 4, &[&n.to_string()]);
        }
        let config = ConsumerConfig {
            assignors: vec![assignor],
            ..config()
        };
        let members = [(); 2].map(|()| member(&mut world, config.clone()));
        let seen = read_all(&mut world, &members, 40);
        world.run_for(1_000);
        let mut all: Vec<i32> = seen
            .iter()
            .flatten()
            .map(|value| value.parse().unwrap())
            .collect();
        all.sort();
        assert_eq!(all, (0..40).collect::<Vec<_>>(), "{assignor:?}");
        for partition in 0..4 {
            assert_eq!(world.cluster.committed("g", &t(partition)), 10);
        }
    }
}

#[test]
fn a_second_member_takes_half_after_the_first_has_finished_its_batch() {
    let mut world = world(2);
    world.cluster.append("t", 0, &["a"]);
    let first = member(&mut world, config());
    let held = batch(&mut world, &first);
    events(&first);
    let second = member(&mut world, config());
    world.run_for(10_000);
    let rebalancing = events(&first);
    assert!(
        rebalancing.iter().any(
            |event| matches!(event, ConsumerEvent::Rebalancing { revoking, .. }
            if revoking == &[t(0), t(1)])
        ),
        "{rebalancing:?}"
    );
    assert!(
        events(&second)
            .iter()
            .all(|event| !matches!(event, ConsumerEvent::GroupJoin { .. }))
    );
    processed(&mut world, &first, &held);
    let (one, other) = (joined(&mut world, &first), joined(&mut world, &second));
    assert_eq!(one["t"].len() + other["t"].len(), 2);
    assert_eq!(
        world.cluster.committed("g", &t(0)),
        1,
        "committed before it was given up"
    );
    // What is said about the old assignment counts no more.
    let stale = FetchedBatch {
        next_offset: 0,
        ..held
    };
    processed(&mut world, &first, &stale);
    world.run_for(1_000);
    assert_eq!(world.cluster.committed("g", &t(0)), 1);
}

#[test]
fn a_member_that_does_not_finish_is_not_waited_for_beyond_the_rebalance_timeout() {
    let mut world = world(2);
    world.cluster.append("t", 0, &["a"]);
    let first = member(&mut world, config());
    let _held = batch(&mut world, &first);
    let second = member(&mut world, config());
    let began = world.now.monotonic;
    joined(&mut world, &second);
    let ms = world.now.monotonic.ms_since(began);
    assert!((30_000..=60_000).contains(&ms), "{ms}");
    assert_eq!(
        joined(&mut world, &first)["t"].len(),
        1,
        "it is still a member"
    );
    assert_eq!(
        world.cluster.committed("g", &t(0)),
        0,
        "what was not processed is read again"
    );
}

#[test]
fn cooperative_members_keep_reading_what_they_keep() {
    let mut world = world(4);
    for partition in 0..4 {
        world.cluster.append("t", partition, &["first"]);
    }
    let config = ConsumerConfig {
        assignors: vec![Assignor::CooperativeSticky],
        ..config()
    };
    let first = member(&mut world, config.clone());
    read_all(&mut world, std::slice::from_ref(&first), 4);
    events(&first);
    let second = member(&mut world, config);
    world.run_for(20_000);
    let revoked: Vec<_> = events(&first)
        .into_iter()
        .filter_map(|event| match event {
            ConsumerEvent::Revoked { partitions } => Some(partitions),
            ConsumerEvent::Lost { .. } => panic!("nothing is lost"),
            _ => None,
        })
        .collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].len(), 2, "only what moves");
    let assigned: Vec<_> = events(&second)
        .into_iter()
        .filter_map(|event| match event {
            ConsumerEvent::Assigned { partitions } => Some(partitions),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(assigned, revoked[0]);
    for partition in 0..4 {
        world.cluster.append("t", partition, &["second"]);
    }
    let seen = read_all(&mut world, &[first, second], 4);
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn a_member_that_vanishes_is_replaced_after_its_session() {
    let mut world = world(2);
    let first = member(&mut world, config());
    let second = member(&mut world, config());
    world.run_for(20_000);
    // Its worker hangs: nothing it hears wakes it.
    world.detach(&first);
    world.run_for(60_000);
    let last = events(&second)
        .into_iter()
        .rev()
        .find_map(|event| match event {
            ConsumerEvent::GroupJoin {
                member_assignment, ..
            } => Some(member_assignment),
            _ => None,
        });
    assert_eq!(last.unwrap()["t"], [0, 1]);
}

#[test]
fn a_member_that_was_thrown_out_loses_its_partitions_and_comes_back() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a"]);
    let consumer = member(&mut world, config());
    let held = batch(&mut world, &consumer);
    for code in [ErrorCode::UnknownMemberId, ErrorCode::IllegalGeneration] {
        events(&consumer);
        world
            .cluster
            .faults
            .push_back(Fault::Error(ApiKey::Heartbeat, code));
        world.run_for(10_000);
        let happened = events(&consumer);
        assert!(
            happened.contains(&ConsumerEvent::Lost {
                partitions: vec![t(0)]
            }),
            "{code:?}"
        );
        let back = happened
            .iter()
            .any(|event| matches!(event, ConsumerEvent::GroupJoin { .. }));
        assert!(
            back || !joined(&mut world, &consumer).is_empty(),
            "{code:?}"
        );
    }
    processed(&mut world, &consumer, &held);
    world.settle();
    assert_ne!(world.cluster.committed("g", &t(0)), 1, "the batch is stale");
    assert_eq!(values(&batch(&mut world, &consumer)), ["a"]);
}

#[test]
fn new_partitions_are_assigned_when_metadata_tell_of_them() {
    let mut world = world(1);
    let consumer = member(&mut world, config());
    assert_eq!(joined(&mut world, &consumer)["t"], [0]);
    world.cluster.create("t", 3);
    assert_eq!(joined(&mut world, &consumer)["t"], [0, 1, 2]);
}

#[test]
fn a_changed_subscription_joins_again() {
    let mut world = world(1);
    world.cluster.create("u", 2);
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    world.command(&consumer, subscribe(&["t", "u"]));
    let assignment = joined(&mut world, &consumer);
    assert_eq!(assignment.keys().collect::<Vec<_>>(), ["t", "u"]);
    world.command(&consumer, subscribe(&["u"]));
    assert_eq!(
        joined(&mut world, &consumer).keys().collect::<Vec<_>>(),
        ["u"]
    );
}

#[test]
fn leaving_hands_over_at_once_and_subscribing_again_comes_back() {
    let mut world = world(2);
    let first = member(&mut world, config());
    let second = member(&mut world, config());
    world.run_for(20_000);
    events(&second);
    let began = world.now.monotonic;
    world.command(&first, ConsumerCommand::Unsubscribe { id: CommandId(8) });
    done(&mut world, &first, 8).unwrap();
    assert_eq!(joined(&mut world, &second)["t"], [0, 1]);
    let ms = world.now.monotonic.ms_since(began);
    assert!(
        ms <= 4_000,
        "with the next heartbeat, not after the session: {ms}"
    );
    world.command(&first, ConsumerCommand::Unsubscribe { id: CommandId(9) });
    world.command(&first, subscribe(&["t"]));
    done(&mut world, &first, 9).unwrap();
    assert_eq!(joined(&mut world, &first)["t"].len(), 1);
}

#[test]
fn a_group_that_cannot_be_joined_is_a_crash_with_its_reason() {
    let mut world = world(1);
    let first = member(&mut world, config());
    joined(&mut world, &first);
    let other = ConsumerConfig {
        assignors: vec![Assignor::Range],
        ..config()
    };
    let second = member(&mut world, other);
    let error = poll(&mut world, &second).unwrap_err();
    assert_eq!(error.code, ErrorCode::InconsistentGroupProtocol);
    assert_eq!(error.group.as_deref(), Some("g"));
    assert!(!error.retriable);
    // It may try again with another subscription.
    world.command(&second, ConsumerCommand::Close { id: CommandId(1) });
    done(&mut world, &second, 1).unwrap();
    assert_eq!(poll(&mut world, &second), Ok(None));
}

#[test]
fn partitions_assigned_by_hand_need_no_group() {
    let mut world = world(2);
    world.cluster.append("t", 1, &["a", "b"]);
    let consumer = world.add(Consumer::new(
        ConsumerConfig {
            group_id: "".into(),
            ..config()
        },
        1,
    ));
    let partitions = vec![(t(1), None)];
    world.command(
        &consumer,
        ConsumerCommand::Assign {
            id: CommandId(1),
            partitions,
        },
    );
    assert_eq!(values(&batch(&mut world, &consumer)), ["a", "b"]);
    world.command(
        &consumer,
        ConsumerCommand::Commit {
            id: CommandId(2),
            offsets: None,
        },
    );
    let error = done(&mut world, &consumer, 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    world.command(&consumer, ConsumerCommand::ListTopics { id: CommandId(3) });
    let topics = world.wait(&consumer, |output| match output {
        ConsumerOutput::Topics { result, .. } => Some(result.clone().unwrap()),
        _ => None,
    });
    assert_eq!(topics, ["t"]);
}

#[test]
fn what_is_fetched_ahead_is_bounded() {
    let mut world = world(8);
    let value = "x".repeat(100_000);
    for n in 0..80 {
        world.cluster.append("t", n % 8, &[&value]);
    }
    let config = ConsumerConfig {
        fetch_buffer_bytes: 500_000,
        max_bytes: 300_000,
        max_partition_bytes: 150_000,
        ..config()
    };
    let consumer = member(&mut world, config);
    world.run_for(60_000);
    let fetched: usize = events(&consumer)
        .into_iter()
        .map(|event| match event {
            ConsumerEvent::Fetch { bytes, .. } => bytes,
            _ => 0,
        })
        .sum();
    // One answer of each of the two nodes may come on top; this cluster does not mind max_bytes.
    assert!((500_000..=1_000_000).contains(&fetched), "{fetched}");
    let seen = read_all(&mut world, &[consumer], 80);
    assert_eq!(seen[0].len(), 80);
    assert_eq!(seen[0].iter().collect::<BTreeSet<_>>().len(), 1);
}
