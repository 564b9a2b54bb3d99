use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use tablog::client::consumer::{
    AutoCommit, ConsumerCommand, ConsumerConfig, ConsumerEvent, ConsumerOutput, FetchedBatch,
    IsolationLevel, OffsetReset, OffsetToCommit, Subscription,
};
use tablog::client::{CommandId, Consumer, ErrorKind, KafkaError, TopicPartition};
use tablog::protocol::messages::fetch_response::AbortedTransaction;
use tablog::protocol::{ApiKey, ErrorCode, Request};
use tablog::record::{
    BatchBuilder, BatchFields, Compression, EndTransactionMarker, TransactionResult, crc32c,
};

use super::fake_cluster::Fault;
use super::producer::client_config;
use super::world::{Handle, World};

pub fn config() -> ConsumerConfig {
    ConsumerConfig {
        client: client_config(),
        group_id: "g".into(),
        auto_offset_reset: OffsetReset::Earliest,
        ..Default::default()
    }
}

pub fn world(partitions: i32) -> World {
    let mut world = World::new(2);
    world.cluster.create("t", partitions);
    world
}

pub fn subscribe(topics: &[&str]) -> ConsumerCommand {
    let topics = topics.iter().map(|topic| Subscription {
        topic: topic.to_string(),
        offset_reset: None,
    });
    ConsumerCommand::Subscribe {
        id: CommandId(0),
        topics: topics.collect(),
    }
}

pub fn member(world: &mut World, config: ConsumerConfig) -> Handle<Consumer> {
    let consumer = world.add(Consumer::new(config, 1));
    world.command(&consumer, subscribe(&["t"]));
    consumer
}

pub fn poll(
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

pub fn batch(world: &mut World, consumer: &Handle<Consumer>) -> FetchedBatch {
    poll(world, consumer).unwrap().unwrap()
}

pub fn values(batch: &FetchedBatch) -> Vec<String> {
    let values = batch
        .records
        .iter()
        .map(|record| record.value.clone().unwrap());
    values
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
        .collect()
}

pub fn processed(world: &mut World, consumer: &Handle<Consumer>, batch: &FetchedBatch) {
    let command = ConsumerCommand::Processed {
        partition: batch.partition.clone(),
        fence: batch.fence,
        next_offset: batch.next_offset,
    };
    world.command(consumer, command);
}

pub fn done(world: &mut World, consumer: &Handle<Consumer>, wanted: u64) -> Result<(), KafkaError> {
    world.wait(consumer, |output| match output {
        ConsumerOutput::Done { id, result } if id.0 == wanted => Some(result.clone()),
        _ => None,
    })
}

/// Takes the events that have happened.
pub fn events(consumer: &Handle<Consumer>) -> Vec<ConsumerEvent> {
    let outputs = consumer.borrow_mut().outputs.drain(..).collect::<Vec<_>>();
    let events = outputs.into_iter().filter_map(|output| match output {
        ConsumerOutput::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

pub fn joined(world: &mut World, consumer: &Handle<Consumer>) -> BTreeMap<String, Vec<i32>> {
    world.wait(consumer, |output| match output {
        ConsumerOutput::Event(ConsumerEvent::GroupJoin {
            member_assignment, ..
        }) => Some(member_assignment.clone()),
        _ => None,
    })
}

pub fn t(partition: i32) -> TopicPartition {
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
pub fn read_all(world: &mut World, members: &[Handle<Consumer>], count: usize) -> Vec<Vec<String>> {
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

/// What a poll gets at once, if anything.
fn polled(world: &mut World, consumer: &Handle<Consumer>) -> Option<FetchedBatch> {
    let poll = ConsumerCommand::Poll {
        id: CommandId(98),
        records_max: 1_000,
    };
    world.command(consumer, poll);
    world.settle();
    let outputs = std::mem::take(&mut consumer.borrow_mut().outputs);
    outputs.into_iter().find_map(|output| match output {
        ConsumerOutput::Polled { result, .. } => result.unwrap(),
        _ => None,
    })
}

fn elapsed_ms<T>(world: &mut World, act: impl FnOnce(&mut World) -> T) -> (u64, T) {
    let began = world.now.monotonic;
    let result = act(world);
    (world.now.monotonic.ms_since(began), result)
}

#[test]
fn what_becomes_wanted_does_not_wait_for_the_fetch_under_way() {
    let mut world = world(2);
    world.cluster.append("t", 0, &["a", "b"]);
    let consumer = member(&mut world, config());
    let first = batch(&mut world, &consumer);
    processed(&mut world, &consumer, &first);
    // Both partitions are at their end, so that a fetch waits for them.
    world.run_for(1_000);
    let seek = ConsumerCommand::Seek {
        id: CommandId(5),
        partition: t(0),
        offset: 1,
    };
    world.command(&consumer, seek);
    let (ms, sought) = elapsed_ms(&mut world, |world| batch(world, &consumer));
    assert_eq!((values(&sought), ms), (vec!["b".to_string()], 0));
    processed(&mut world, &consumer, &sought);
    // A partition that is resumed was not in the fetch that is under way.
    let topics = vec![("t".to_string(), Some(vec![1]))];
    let pause = ConsumerCommand::Pause {
        id: CommandId(6),
        topics: topics.clone(),
    };
    world.command(&consumer, pause);
    world.run_for(6_000);
    world.cluster.append("t", 1, &["x"]);
    world.run_for(1_000);
    let resume = ConsumerCommand::Resume {
        id: CommandId(7),
        topics,
    };
    world.command(&consumer, resume);
    let (ms, resumed) = elapsed_ms(&mut world, |world| batch(world, &consumer));
    assert_eq!((values(&resumed), ms), (vec!["x".to_string()], 0));
}

#[test]
fn a_busy_partition_does_not_wait_for_idle_ones_however_many_there_are() {
    // More partitions than fetches that may wait, each busy in its turn.
    let mut world = world(24);
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    world.run_for(1_000);
    for round in 0..3 {
        for partition in 0..24 {
            for n in 0..2 {
                let value = format!("{round} {partition} {n}");
                world.cluster.append("t", partition, &[&value]);
                // Nobody asks yet: the others are fetched without this one, which comes after.
                world.run_for(1);
                let (ms, batch) = elapsed_ms(&mut world, |world| batch(world, &consumer));
                assert_eq!(values(&batch), [value], "once");
                assert!(ms <= 10, "{ms} ms, until one of the fetches is given up");
                processed(&mut world, &consumer, &batch);
            }
        }
    }
    world.settle();
    let waiting = world.cluster.parked_fetches();
    assert_eq!(
        waiting,
        2 * 8,
        "at two nodes, and no more than may wait at each"
    );
    world.run_for(20_000);
    assert!(
        polled(&mut world, &consumer).is_none(),
        "nothing comes twice"
    );
}

#[test]
fn many_busy_partitions_share_the_fetches_that_there_are() {
    let mut world = world(24);
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    let mut connections = Vec::new();
    for n in 0..400 {
        world.cluster.append("t", n * 7 % 24, &["a"]);
        // Nobody asks yet: the others are fetched without this one, which comes after.
        world.run_for(1);
        let batch = batch(&mut world, &consumer);
        processed(&mut world, &consumer, &batch);
        let requests = world.cluster.requests.iter();
        connections.push(
            requests
                .filter(|(_, request)| matches!(request, Request::ApiVersions(_)))
                .count(),
        );
    }
    assert_eq!(connections[399], connections[100], "none is given up");
}

#[test]
fn leaving_does_not_wait_for_a_fetch() {
    let mut world = world(2);
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    world.run_for(1_000);
    world.command(&consumer, ConsumerCommand::Close { id: CommandId(9) });
    let (ms, closed) = elapsed_ms(&mut world, |world| done(world, &consumer, 9));
    assert_eq!((ms, closed), (0, Ok(())));
    assert_eq!(world.cluster.parked_fetches(), 0);
}

#[test]
fn a_node_whose_connections_break_together_has_failed_once() {
    let mut world = world(24);
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    for partition in 0..24 {
        world.cluster.append("t", partition, &["a"]);
        world.run_for(1);
        let batch = batch(&mut world, &consumer);
        processed(&mut world, &consumer, &batch);
    }
    let waiting = world.cluster.parked_fetches();
    assert!(waiting > 8, "{waiting}");
    world.stop_node(0);
    world.settle();
    world.cluster.down.clear();
    world.cluster.append("t", 0, &["b"]);
    let (ms, batch) = elapsed_ms(&mut world, |world| batch(world, &consumer));
    assert_eq!(values(&batch), ["b"]);
    assert!(ms <= 200, "{ms} ms, as after the first failure");
}

#[test]
fn damaged_records_are_told_of_with_their_place() {
    let mut world = world(2);
    world.cluster.append("t", 0, &["a"]);
    let consumer = member(&mut world, config());
    let code = ErrorCode::CorruptMessage;
    world
        .cluster
        .faults
        .push_back(Fault::Error(ApiKey::Fetch, code));
    let error = poll(&mut world, &consumer).unwrap_err();
    assert_eq!((error.code, error.retriable), (code, false));
    assert_eq!(
        (
            error.topic.as_deref(),
            error.partition.is_some(),
            error.offset
        ),
        (Some("t"), true, Some(0))
    );
}

/// A batch whose records cannot be decoded, though its CRC is right.
fn unreadable() -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(0, None, Some(b"b"), &[]).unwrap();
    let mut batch = builder.build(BatchFields::default()).to_vec();
    let gzip = 1_i16.to_be_bytes();
    batch[21..23].copy_from_slice(&gzip);
    let crc = crc32c(&batch[21..]).to_be_bytes();
    batch[17..21].copy_from_slice(&crc);
    batch.into()
}

#[test]
fn records_are_delivered_up_to_one_that_cannot_be_read_and_none_behind_it() {
    for before in [&["a"][..], &[]] {
        let mut world = world(1);
        if !before.is_empty() {
            world.cluster.append("t", 0, before);
        }
        world.cluster.partition("t", 0).append(&unreadable());
        world.cluster.append("t", 0, &["c"]);
        let consumer = member(&mut world, config());
        for value in before {
            let batch = batch(&mut world, &consumer);
            assert_eq!(values(&batch), [*value]);
            processed(&mut world, &consumer, &batch);
        }
        let error = poll(&mut world, &consumer).unwrap_err();
        assert_eq!(error.offset, Some(before.len() as i64));
        assert!(!error.retriable);
    }
}

#[test]
fn a_topic_that_cannot_be_is_not_waited_for() {
    let mut world = world(1);
    let consumer = world.add(Consumer::new(config(), 1));
    let topic = |topic: &str| Subscription {
        topic: topic.into(),
        offset_reset: None,
    };
    let subscribe = ConsumerCommand::Subscribe {
        id: CommandId(1),
        topics: vec![topic("t"), topic("no name")],
    };
    world.command(&consumer, subscribe);
    let error = poll(&mut world, &consumer).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidTopicException);
    assert_eq!(error.topic.as_deref(), Some("no name"));
}
