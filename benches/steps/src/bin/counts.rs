//! How work grows with the number of things: `npm run bench:counts [-- WORDS OF A ROW]`.
//!
//! Each row does the same for 1,000, 10,000 and 40,000 things and prints the steps for each thing,
//! and how many times as many they are as with the fewest: 1.0 is linear. Search trees and memory
//! that is doubled make it a little more; more than `GROWTH_MAX` fails.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a benchmark, with the harnesses of tests"
)]

#[path = "../../../../tests/client/fake_admin.rs"]
mod fake_admin;
#[path = "../../../../tests/client/fake_cluster.rs"]
mod fake_cluster;
#[path = "../../../../src/broker/tests/frames.rs"]
mod frames;
#[path = "../../../../src/broker/tests/node.rs"]
mod node;
#[path = "../steps.rs"]
mod steps;
#[path = "../../../../tests/client/world.rs"]
mod world;

use std::cell::Cell;
use std::process::ExitCode;

use bytes::Bytes;
use frames::{FRAMES, GROUP, TOPIC, find_coordinator, join_group, names};
use node::{Node, batch, fetch_request, produce_request};
use steps::steps;
use tablog::client::admin::{AdminCommand, Operation};
use tablog::client::consumer::{
    ConsumerCommand, ConsumerConfig, ConsumerOutput, FetchedBatch, OffsetReset, OffsetToCommit,
};
use tablog::client::producer::{Acks, ProducerCommand, ProducerConfig, ProducerRecord};
use tablog::client::{
    Admin, BrokerAddress, ClientConfig, ClientEffect, ClientEvent, ClientMachine, CommandId,
    Consumer, Producer, TopicPartition,
};
use tablog::protocol::messages::join_group_request::JoinGroupRequest;
use tablog::protocol::{Request, Response};
use tablog::record::Compression;
// The broker's harness names these by the crate that it is a part of.
use tablog::{broker, machine, metadata, now, protocol, record, storage};
use world::{Handle, World};

const SIZES: [usize; 3] = [1_000, 10_000, 40_000];

const GROWTH_MAX: f64 = 2.0;

/// Gives the steps for each thing when there are so many.
type Work = Box<dyn Fn(usize) -> u64>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut rows: Vec<(String, Work)> = Vec::new();
    rows.extend(clients());
    rows.extend(brokers());
    rows.retain(|(name, _)| words.iter().all(|word| name.contains(word.as_str())));
    println!(
        "{:<52} {:>9} {:>9} {:>9}   growth",
        "steps each, of", 1_000, 10_000, 40_000
    );
    let mut failed = false;
    for (name, work) in rows {
        let each = SIZES.map(&work);
        let [few, some, many] = each;
        let growth = [some, many].map(|steps| steps as f64 / few.max(1) as f64);
        let grows = growth.iter().any(|times| *times > GROWTH_MAX);
        failed |= grows;
        let verdict = if grows { "  NOT LINEAR" } else { "" };
        println!(
            "{name:<52} {few:>9} {some:>9} {many:>9}   {:.2} {:.2}{verdict}",
            growth[0], growth[1]
        );
    }
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

thread_local! {
    /// Of clients, without those of the cluster that answers them.
    static CLIENT_STEPS: Cell<u64> = const { Cell::new(0) };
}

/// A client whose steps are counted.
struct Counted<C>(C);

impl<C: ClientMachine> ClientMachine for Counted<C> {
    type Command = C::Command;
    type Output = C::Output;

    fn handle(
        &mut self,
        now: now::Now,
        event: ClientEvent<C::Command>,
        effects: &mut Vec<ClientEffect<C::Output>>,
    ) {
        let before = steps();
        self.0.handle(now, event, effects);
        CLIENT_STEPS.set(CLIENT_STEPS.get() + steps() - before);
    }
}

fn client_steps(act: impl FnOnce()) -> u64 {
    let before = CLIENT_STEPS.get();
    act();
    CLIENT_STEPS.get() - before
}

fn client() -> ClientConfig {
    ClientConfig {
        brokers: vec![BrokerAddress {
            host: "node0".into(),
            port: 9092,
        }],
        ..Default::default()
    }
}

fn t(partition: usize) -> TopicPartition {
    TopicPartition::new("t", partition as i32)
}

type CountedConsumer = Handle<Counted<Consumer>>;

/// A consumer that has been assigned all partitions and fetches them.
fn assigned(partitions: usize, records: bool) -> (World, CountedConsumer) {
    let mut world = World::new(1);
    world.cluster.create("t", partitions as i32);
    if records {
        for partition in 0..partitions {
            world.cluster.append("t", partition as i32, &["a"]);
        }
    }
    let config = ConsumerConfig {
        client: client(),
        group_id: GROUP.into(),
        auto_offset_reset: OffsetReset::Earliest,
        ..Default::default()
    };
    let consumer = world.add(Counted(Consumer::new(config, 1)));
    let command = ConsumerCommand::Assign {
        id: CommandId(0),
        partitions: (0..partitions).map(|it| (t(it), None)).collect(),
    };
    world.command(&consumer, command);
    world.settle();
    (world, consumer)
}

/// Steps for each of `commands`, given to a consumer of so many partitions one after the other.
fn commands(partitions: usize, command: fn(usize) -> ConsumerCommand) -> u64 {
    let (mut world, consumer) = assigned(partitions, false);
    let steps = client_steps(|| {
        for partition in 0..partitions {
            world.command(&consumer, command(partition));
        }
    });
    steps / partitions as u64
}

/// Polls all that has been fetched.
fn poll_all(world: &mut World, consumer: &CountedConsumer, batches: usize) -> Vec<FetchedBatch> {
    let mut polled = Vec::new();
    for id in 0..batches {
        let command = ConsumerCommand::Poll {
            id: CommandId(id as u64),
            records_max: 10,
        };
        world.command(consumer, command);
        while let Some(output) = consumer.borrow_mut().outputs.pop_front() {
            if let ConsumerOutput::Polled { result, .. } = output {
                polled.push(result.unwrap().unwrap());
            }
        }
    }
    assert_eq!(polled.len(), batches);
    polled
}

fn processed(batch: &FetchedBatch) -> ConsumerCommand {
    ConsumerCommand::Processed {
        partition: batch.partition.clone(),
        fence: batch.fence,
        next_offset: batch.next_offset,
    }
}

fn record(partition: Option<i32>) -> ProducerRecord {
    ProducerRecord {
        value: Some(Bytes::from_static(b"value")),
        partition,
        ..Default::default()
    }
}

fn send(id: usize, topic: &str, records: Vec<ProducerRecord>) -> ProducerCommand {
    ProducerCommand::Send {
        id: CommandId(id as u64),
        topic_messages: vec![(topic.into(), records)],
        acks: Acks::All,
        timeout_ms: 30_000,
        compression: Compression::None,
    }
}

fn producer(partitions: usize) -> (World, Handle<Counted<Producer>>) {
    let mut world = World::new(1);
    world.cluster.create("t", partitions as i32);
    let config = ProducerConfig {
        client: client(),
        ..Default::default()
    };
    let producer = world.add(Counted(Producer::new(config, 1)));
    (world, producer)
}

fn row(name: &str, work: impl Fn(usize) -> u64 + 'static) -> (String, Work) {
    (name.to_owned(), Box::new(work))
}

fn clients() -> Vec<(String, Work)> {
    vec![
        row("waiting sends: to an unknown topic", |sends| {
            let (mut world, producer) = producer(1);
            let steps = client_steps(|| {
                for id in 0..sends {
                    world.command(&producer, send(id, "unknown", vec![record(None)]));
                }
            });
            steps / sends as u64
        }),
        row("waiting sends: until they are answered", |sends| {
            let (mut world, producer) = producer(3);
            for id in 0..sends {
                world.command(&producer, send(id, "t", vec![record(None)]));
            }
            let steps = client_steps(|| world.run_for(5_000));
            assert_eq!(producer.borrow().outputs.len(), sends);
            steps / sends as u64
        }),
        row("partitions: sent to, by one send each", |partitions| {
            let (mut world, producer) = producer(partitions);
            let steps = client_steps(|| {
                for id in 0..partitions {
                    let records = vec![record(Some(id as i32))];
                    world.command(&producer, send(id, "t", records));
                }
                world.run_for(5_000);
            });
            assert_eq!(producer.borrow().outputs.len(), partitions);
            steps / partitions as u64
        }),
        row(
            "partitions: of a producer, in an answer of metadata",
            |partitions| {
                let (mut world, producer) = producer(partitions);
                for id in 0..partitions {
                    world.command(&producer, send(id, "t", vec![record(Some(id as i32))]));
                }
                world.run_for(5_000);
                let steps = client_steps(|| world.run_for(3 * client().metadata_max_age_ms));
                steps / partitions as u64
            },
        ),
        row(
            "sends: one by one, to a topic of so many partitions",
            |partitions| {
                let (mut world, producer) = producer(partitions);
                world.command(&producer, send(0, "t", vec![record(Some(0))]));
                world.run_for(5_000);
                let steps = client_steps(|| {
                    for id in 0..200 {
                        world.command(&producer, send(id, "t", vec![record(None)]));
                        world.settle();
                    }
                });
                steps / 200
            },
        ),
        row("partitions: assigned, found and asked for", |partitions| {
            let steps = client_steps(|| drop(assigned(partitions, false)));
            steps / partitions as u64
        }),
        row(
            "partitions: of a consumer, in an answer of metadata",
            |partitions| {
                let (mut world, consumer) = assigned(partitions, false);
                // Else it would fetch all the time.
                let command = ConsumerCommand::Pause {
                    id: CommandId(0),
                    topics: vec![("t".into(), None)],
                };
                world.command(&consumer, command);
                let steps = client_steps(|| world.run_for(3 * client().metadata_max_age_ms));
                steps / partitions as u64
            },
        ),
        row("partitions: in an empty answer of a fetch", |partitions| {
            let (mut world, _consumer) = assigned(partitions, false);
            let steps = client_steps(|| world.run_for(50_000));
            steps / partitions as u64
        }),
        row("partitions: delivered", |partitions| {
            let (mut world, consumer) = assigned(partitions, true);
            let steps = client_steps(|| drop(poll_all(&mut world, &consumer, partitions)));
            steps / partitions as u64
        }),
        row(
            "partitions: processed, and committed in their turn",
            |partitions| {
                let (mut world, consumer) = assigned(partitions, true);
                let batches = poll_all(&mut world, &consumer, partitions);
                let steps = client_steps(|| {
                    for batch in &batches {
                        world.command(&consumer, processed(batch));
                    }
                    world.settle();
                });
                assert_eq!(world.cluster.committed(GROUP, &t(partitions - 1)), 1);
                steps / partitions as u64
            },
        ),
        row(
            "partitions: in an answer that brings records of one",
            |partitions| {
                let (mut world, consumer) = assigned(partitions, false);
                let steps = client_steps(|| {
                    for _ in 0..50 {
                        world.cluster.append("t", 7, &["a"]);
                        world.settle();
                        let batches = poll_all(&mut world, &consumer, 1);
                        world.command(&consumer, processed(&batches[0]));
                        world.settle();
                    }
                });
                // Without fetch sessions (KIP-227) an answer names all that were asked for.
                steps / (50 * partitions as u64)
            },
        ),
        row(
            "commits by hand, of one partition of so many",
            |partitions| {
                let (mut world, consumer) = assigned(partitions, false);
                let steps = client_steps(|| {
                    for id in 0..50 {
                        let offset = OffsetToCommit {
                            topic: "t".into(),
                            partition: 7,
                            offset: id,
                            metadata: None,
                        };
                        let command = ConsumerCommand::Commit {
                            id: CommandId(id as u64),
                            offsets: Some(vec![offset]),
                        };
                        world.command(&consumer, command);
                        world.settle();
                    }
                });
                steps / 50
            },
        ),
        row("partitions: sought one by one", |partitions| {
            commands(partitions, |partition| ConsumerCommand::Seek {
                id: CommandId(0),
                partition: t(partition),
                offset: 0,
            })
        }),
        row("partitions: paused one by one", |partitions| {
            commands(partitions, |partition| ConsumerCommand::Pause {
                id: CommandId(0),
                topics: vec![("t".into(), Some(vec![partition as i32]))],
            })
        }),
        row("partitions: resumed one by one", |partitions| {
            let (mut world, consumer) = assigned(partitions, false);
            let topics = |partitions| vec![("t".to_owned(), partitions)];
            let (id, all) = (CommandId(0), topics(None));
            world.command(&consumer, ConsumerCommand::Pause { id, topics: all });
            let steps = client_steps(|| {
                for partition in 0..partitions {
                    let topics = topics(Some(vec![partition as i32]));
                    world.command(&consumer, ConsumerCommand::Resume { id, topics });
                }
            });
            steps / partitions as u64
        }),
        row(
            "partitions: of a topic whose offsets an admin asks",
            |partitions| {
                let mut world = World::new(1);
                world.cluster.create("t", partitions as i32);
                let admin = world.add(Counted(Admin::new(client(), 1)));
                let operation = Operation::FetchTopicOffsets { topic: "t".into() };
                let id = CommandId(1);
                let steps = client_steps(|| {
                    world.command(&admin, AdminCommand::Run { id, operation });
                    world.run_for(1_000);
                });
                assert!(admin.borrow().outputs[0].result.is_ok());
                steps / partitions as u64
            },
        ),
    ]
}

fn brokers() -> Vec<(String, Work)> {
    let frames = FRAMES.iter().map(|(what, version, request)| {
        row(&format!("frames: {what}"), |things| {
            let mut node = Node::start();
            node.create_topic(TOPIC, 1, &[]);
            node.ask(4, find_coordinator(GROUP));
            let request = request(things);
            let before = steps();
            node.ask(*version, request);
            (steps() - before) / things as u64
        })
    });
    let others = [
        row("protocols: of two members of a group", |things| {
            let mut node = Node::start();
            node.ask(4, find_coordinator(GROUP));
            let protocols = |member: &str| {
                let own = names(things).into_iter();
                let own = own.map(|name| format!("{member}-{name}"));
                own.chain(["shared".to_owned()]).collect()
            };
            let join = |member: &str, member_id: &str| match join_group(protocols(member)) {
                Request::JoinGroup(request) => Request::JoinGroup(JoinGroupRequest {
                    member_id: member_id.to_owned(),
                    ..request
                }),
                other => other,
            };
            let Response::JoinGroup(first) = node.ask(3, join("a", "")) else {
                panic!("no answer");
            };
            let again = join("a", &first.member_id);
            node.send(2, 3, join("b", ""));
            let before = steps();
            node.ask(3, again);
            (steps() - before) / things as u64
        }),
        row("small produces behind a parked fetch", |produces| {
            let mut node = Node::start();
            node.create_topic("t", 1, &[]);
            let mut fetch = fetch_request("t", 0, 0, i32::MAX, i32::MAX);
            fetch.max_bytes = i32::MAX;
            fetch.topics[0].partitions[0].partition_max_bytes = i32::MAX;
            node.send(2, 11, Request::Fetch(fetch));
            let records = batch(&["a"]);
            let before = steps();
            for _ in 0..produces {
                let request = produce_request("t", 0, -1, Some(records.clone()));
                node.send(1, 9, Request::Produce(request));
                node.run();
                node.answer(1).expect("an answer");
            }
            assert!(node.answer(2).is_none(), "it waits for more");
            (steps() - before) / produces as u64
        }),
    ];
    others.into_iter().chain(frames).collect()
}
