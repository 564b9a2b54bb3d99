//! What a client does for one send, record or topic costs the same however many others wait:
//! counted in allocations, which do not depend on how busy the machine is.

use allocation_counter::AllocationInfo;
use bytes::Bytes;

use tablog::client::consumer::{ConsumerCommand, ConsumerOutput};
use tablog::client::producer::{Acks, ProducerCommand, ProducerConfig, ProducerRecord};
use tablog::client::{ClientEvent, CommandId, Consumer, Producer};
use tablog::now::{Instant, Now, Timestamp};
use tablog::record::Compression;

use super::consumer::t;
use super::producer::client_config;
use super::world::{Handle, World};

const SIZES: [u64; 3] = [1_000, 10_000, 40_000];

/// Per thing, the most may cost little more than the fewest.
fn assert_linear(what: &str, mut work: impl FnMut(u64) -> AllocationInfo) {
    let per_thing = SIZES.map(|things| {
        let used = work(things);
        println!("{what}: {things}: {} allocations", used.count_total);
        (used.count_total / things, used.bytes_total / things)
    });
    let [first, ..] = per_thing;
    for (count, bytes) in per_thing {
        assert!(
            count <= 2 * first.0 && bytes <= 2 * first.1,
            "{what}: {per_thing:?}"
        );
    }
}

fn send(id: u64, topic: &str) -> ProducerCommand {
    let record = ProducerRecord {
        value: Some(Bytes::from_static(b"value")),
        ..Default::default()
    };
    ProducerCommand::Send {
        id: CommandId(id),
        topic_messages: vec![(topic.into(), vec![record])],
        acks: Acks::All,
        timeout_ms: 30_000,
        compression: Compression::None,
    }
}

fn config() -> ProducerConfig {
    ProducerConfig {
        client: client_config(),
        ..Default::default()
    }
}

#[test]
fn a_send_costs_the_same_however_many_wait_for_their_topic() {
    for topics in [1, 500] {
        assert_linear(&format!("sends to {topics} unknown topics"), |sends| {
            let mut producer = Producer::new(config(), 1);
            let now = Now {
                monotonic: Instant(1_000),
                wall: Timestamp(1_700_000_000_000),
            };
            let mut effects = Vec::new();
            allocation_counter::measure(|| {
                for id in 0..sends {
                    let command = send(id, &format!("topic-{}", id % topics));
                    producer.handle(now, ClientEvent::Command(command), &mut effects);
                    effects.clear();
                }
            })
        });
    }
}

#[test]
fn sends_that_waited_together_cost_the_same_each_when_their_topic_is_known() {
    assert_linear("sends until they are answered", |sends| {
        let mut world = World::new(1);
        world.cluster.create("t", 3);
        let producer = world.add(Producer::new(config(), 1));
        for id in 0..sends {
            world.command(&producer, send(id, "t"));
        }
        let used = allocation_counter::measure(|| world.run_for(5_000));
        assert_eq!(producer.borrow().outputs.len() as u64, sends);
        used
    });
}

#[test]
fn a_flush_costs_the_same_however_many_sends_it_waits_for() {
    assert_linear("flushes behind waiting sends", |flushes| {
        let mut world = World::new(1);
        let producer = world.add(Producer::new(config(), 1));
        allocation_counter::measure(|| {
            for id in 0..flushes {
                world.command(&producer, send(2 * id, "t"));
                let id = CommandId(2 * id + 1);
                world.command(&producer, ProducerCommand::Flush { id });
            }
        })
    });
}

/// Per partition, many may cost little more than few.
fn assert_linear_in_partitions(what: &str, mut work: impl FnMut(usize) -> AllocationInfo) {
    let per_partition =
        [1_000, 4_000].map(|partitions| work(partitions).count_total / partitions as u64);
    let [few, many] = per_partition;
    assert!(many <= 2 * few, "{what}: {per_partition:?}");
}

/// A consumer that has been assigned so many partitions, each with one record, and fetched them.
fn assigned(partitions: usize) -> (World, Handle<Consumer>) {
    let mut world = World::new(1);
    world.cluster.create("t", partitions as i32);
    for partition in 0..partitions {
        world.cluster.append("t", partition as i32, &["a"]);
    }
    let consumer = world.add(Consumer::new(super::consumer::config(), 1));
    let assign = ConsumerCommand::Assign {
        id: CommandId(0),
        partitions: (0..partitions).map(|it| (t(it as i32), None)).collect(),
    };
    world.command(&consumer, assign);
    world.settle();
    (world, consumer)
}

#[test]
fn a_partition_is_delivered_at_the_same_cost_however_many_have_records() {
    assert_linear_in_partitions("delivered", |partitions| {
        let (mut world, consumer) = assigned(partitions);
        let used = allocation_counter::measure(|| {
            for id in 1..=partitions as u64 {
                let poll = ConsumerCommand::Poll {
                    id: CommandId(id),
                    records_max: 1,
                };
                world.command(&consumer, poll);
            }
        });
        let outputs = &consumer.borrow().outputs;
        let polled = outputs.iter();
        let polled = polled.filter(|output| matches!(output, ConsumerOutput::Polled { .. }));
        assert_eq!(polled.count(), partitions);
        used
    });
}

#[test]
fn a_partition_is_paused_and_resumed_at_the_same_cost_however_many_are_assigned() {
    type Command = fn(CommandId, Vec<(String, Option<Vec<i32>>)>) -> ConsumerCommand;
    let pause: Command = |id, topics| ConsumerCommand::Pause { id, topics };
    let resume: Command = |id, topics| ConsumerCommand::Resume { id, topics };
    for (what, all_before, command) in [
        ("paused", None, pause),
        ("paused again", Some(pause), pause),
        ("resumed", Some(pause), resume),
    ] {
        assert_linear_in_partitions(what, |partitions| {
            let (mut world, consumer) = assigned(partitions);
            let mut run = |command: Command, partitions| {
                let topics = vec![("t".to_owned(), partitions)];
                world.command(&consumer, command(CommandId(1), topics));
            };
            if let Some(before) = all_before {
                run(before, None);
            }
            allocation_counter::measure(|| {
                for partition in 0..partitions {
                    run(command, Some(vec![partition as i32]));
                }
            })
        });
    }
}
