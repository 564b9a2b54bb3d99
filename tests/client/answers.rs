//! Every command is answered exactly once, whatever happens to the brokers, the wires and the
//! client meanwhile.

use std::collections::BTreeMap;

use bytes::Bytes;

use tablog::client::admin::{
    AdminCommand, AdminOutput, ConfigAlteration, ConfigResource, NewPartitions, NewTopic, Operation,
};
use tablog::client::consumer::{ConsumerCommand, ConsumerOutput, OffsetToCommit, Subscription};
use tablog::client::producer::{Acks, ProducerCommand, ProducerOutput, ProducerRecord};
use tablog::client::{Admin, ClientMachine, CommandId, Consumer, Producer};
use tablog::protocol::ApiKey;
use tablog::record::Compression;

use super::consumer::{config, t};
use super::fake_cluster::Fault;
use super::producer::client_config;
use super::world::{Handle, World};

/// Longer than anything may be tried.
const LONG_MS: u64 = 600_000;

const NODES: i32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misfortune {
    Nothing,
    /// No broker can be reached, ever.
    Unreachable,
    /// All brokers go for ever when the commands are under way.
    BrokersDie,
    /// Every wire breaks before the first answer to each kind of request, and comes back.
    WiresBreak,
    /// The client is closed together with the commands.
    ClosedMeanwhile,
    /// And no broker can be reached.
    ClosedUnreachable,
    ClosedBefore,
    ClosedTwice,
}

const MISFORTUNES: [Misfortune; 8] = [
    Misfortune::Nothing,
    Misfortune::Unreachable,
    Misfortune::BrokersDie,
    Misfortune::WiresBreak,
    Misfortune::ClosedMeanwhile,
    Misfortune::ClosedUnreachable,
    Misfortune::ClosedBefore,
    Misfortune::ClosedTwice,
];

/// A client as this test needs it.
struct Kind<C: ClientMachine> {
    new: fn() -> C,
    /// One command of each kind, with ids from 1 on.
    commands: fn(&mut dyn FnMut() -> CommandId) -> Vec<C::Command>,
    close: fn(CommandId) -> C::Command,
    answered: fn(&C::Output) -> Option<CommandId>,
    /// A request whose wire breaks.
    breaks: &'static [ApiKey],
}

fn check<C: ClientMachine + 'static>(kind: Kind<C>)
where
    C::Command: std::fmt::Debug,
{
    let commands = || {
        let mut last = 0;
        (kind.commands)(&mut || {
            last += 1;
            CommandId(last)
        })
    };
    let count = commands().len();
    // Alone, so that no other command brings its answer, and all together.
    let alone = (0..count).map(|index| index..index + 1);
    for chosen in alone.chain(std::iter::once(0..count)) {
        for misfortune in MISFORTUNES {
            let commands: Vec<_> = commands().drain(chosen.clone()).collect();
            let given = format!("{misfortune:?}: {commands:?}");
            let ids = chosen.clone().map(|index| CommandId(index as u64 + 1));
            let answers = play(&kind, misfortune, commands, &given);
            for id in ids {
                assert_eq!(answers.get(&id), Some(&1), "{id:?} of {given}");
            }
            let more = answers.iter().find(|(_, count)| **count != 1);
            assert_eq!(more, None, "{given}");
        }
    }
}

/// How often each command was answered.
fn play<C: ClientMachine + 'static>(
    kind: &Kind<C>,
    misfortune: Misfortune,
    commands: Vec<C::Command>,
    given: &str,
) -> BTreeMap<CommandId, u32> {
    let mut world = World::new(NODES);
    world.cluster.create("t", 2);
    let client = world.add((kind.new)());
    let closing = [CommandId(1_001), CommandId(1_002), CommandId(1_003)];
    let close = |world: &mut World, client: &Handle<C>, id| {
        world.command(client, (kind.close)(id));
    };
    use Misfortune::*;
    match misfortune {
        Unreachable | ClosedUnreachable => (0..NODES).for_each(|node| world.stop_node(node)),
        WiresBreak => {
            let faults = kind.breaks.iter().map(|key| Fault::BreakBefore(*key));
            world.cluster.faults.extend(faults);
        }
        ClosedBefore => close(&mut world, &client, closing[0]),
        Nothing | BrokersDie | ClosedMeanwhile | ClosedTwice => {}
    }
    for command in commands {
        world.command(&client, command);
    }
    match misfortune {
        BrokersDie => (0..NODES).for_each(|node| world.stop_node(node)),
        ClosedMeanwhile | ClosedUnreachable => close(&mut world, &client, closing[0]),
        ClosedTwice => {
            close(&mut world, &client, closing[0]);
            close(&mut world, &client, closing[1]);
        }
        Nothing | Unreachable | WiresBreak | ClosedBefore => {}
    }
    world.run_for(LONG_MS);
    close(&mut world, &client, closing[2]);
    world.run_for(LONG_MS);
    let mut answers = BTreeMap::new();
    for output in &client.borrow().outputs {
        if let Some(id) = (kind.answered)(output) {
            *answers.entry(id).or_default() += 1;
        }
    }
    assert_eq!(
        answers.get(&closing[2]),
        Some(&1),
        "closing, {misfortune:?}: {given}"
    );
    answers
}

#[test]
fn a_producer_answers_every_command_once() {
    check(Kind::<Producer> {
        new: || {
            let client = client_config();
            Producer::new(
                tablog::client::producer::ProducerConfig {
                    client,
                    ..Default::default()
                },
                1,
            )
        },
        commands: |id| {
            let mut send = |topics: &[&str], acks| {
                let record = ProducerRecord {
                    value: Some(Bytes::from_static(b"value")),
                    ..Default::default()
                };
                let topics = topics.iter();
                ProducerCommand::Send {
                    id: id(),
                    topic_messages: topics
                        .map(|it| (it.to_string(), vec![record.clone()]))
                        .collect(),
                    acks,
                    timeout_ms: 30_000,
                    compression: Compression::None,
                }
            };
            let mut commands = vec![
                send(&["t"], Acks::All),
                send(&["t"], Acks::None),
                send(&["t"], Acks::Leader),
                send(&["t", "missing"], Acks::All),
                send(&["missing"], Acks::All),
                send(&[], Acks::All),
                send(&[""], Acks::All),
            ];
            commands.push(ProducerCommand::Connect { id: id() });
            for topic in ["t", "missing"] {
                let (id, topic) = (id(), topic.into());
                commands.push(ProducerCommand::PartitionsFor { id, topic });
            }
            commands.push(ProducerCommand::Flush { id: id() });
            commands
        },
        close: |id| ProducerCommand::Close { id },
        answered: |output| {
            Some(match output {
                ProducerOutput::Connected { id, .. }
                | ProducerOutput::Sent { id, .. }
                | ProducerOutput::Partitions { id, .. }
                | ProducerOutput::Flushed { id, .. }
                | ProducerOutput::Closed { id } => *id,
            })
        },
        breaks: &[ApiKey::Metadata, ApiKey::InitProducerId, ApiKey::Produce],
    });
}

#[test]
fn a_consumer_answers_every_command_once() {
    check(Kind::<Consumer> {
        new: || Consumer::new(config(), 1),
        commands: |id| {
            let subscribe = Subscription {
                topic: "t".into(),
                offset_reset: None,
            };
            let offset = OffsetToCommit {
                topic: "t".into(),
                partition: 0,
                offset: 0,
                metadata: None,
            };
            let poll = id();
            vec![
                ConsumerCommand::Poll {
                    id: poll,
                    records_max: 10,
                },
                ConsumerCommand::Connect { id: id() },
                ConsumerCommand::Subscribe {
                    id: id(),
                    topics: vec![subscribe.clone()],
                },
                ConsumerCommand::Commit {
                    id: id(),
                    offsets: Some(vec![offset.clone()]),
                },
                ConsumerCommand::Commit {
                    id: id(),
                    offsets: None,
                },
                ConsumerCommand::Seek {
                    id: id(),
                    partition: t(0),
                    offset: 0,
                },
                ConsumerCommand::Pause {
                    id: id(),
                    topics: vec![("t".into(), None)],
                },
                ConsumerCommand::Resume {
                    id: id(),
                    topics: vec![("t".into(), None)],
                },
                ConsumerCommand::ListTopics { id: id() },
                ConsumerCommand::CancelPoll { id: id(), poll },
                ConsumerCommand::Unsubscribe { id: id() },
                ConsumerCommand::Subscribe {
                    id: id(),
                    topics: vec![subscribe],
                },
                ConsumerCommand::Commit {
                    id: id(),
                    offsets: Some(vec![offset]),
                },
                ConsumerCommand::Poll {
                    id: id(),
                    records_max: 10,
                },
                ConsumerCommand::Assign {
                    id: id(),
                    partitions: vec![(t(0), None)],
                },
                ConsumerCommand::Poll {
                    id: id(),
                    records_max: 10,
                },
            ]
        },
        close: |id| ConsumerCommand::Close { id },
        answered: |output| match output {
            ConsumerOutput::Done { id, .. }
            | ConsumerOutput::Polled { id, .. }
            | ConsumerOutput::Topics { id, .. } => Some(*id),
            ConsumerOutput::AssignorAsked { .. } | ConsumerOutput::Event(_) => None,
        },
        breaks: &[ApiKey::Metadata, ApiKey::FindCoordinator],
    });
}

#[test]
fn an_admin_answers_every_command_once() {
    check(Kind::<Admin> {
        new: || Admin::new(client_config(), 1),
        commands: |id| {
            let operations = [
                Operation::CreateTopics {
                    topics: vec![NewTopic {
                        topic: "new".into(),
                        num_partitions: 1,
                        replication_factor: 1,
                        ..Default::default()
                    }],
                    validate_only: false,
                    timeout_ms: 5_000,
                    wait_for_leaders: true,
                },
                Operation::ListTopics,
                Operation::CreatePartitions {
                    topics: vec![NewPartitions {
                        topic: "t".into(),
                        count: 3,
                        assignments: None,
                    }],
                    validate_only: false,
                    timeout_ms: 5_000,
                },
                Operation::FetchTopicMetadata { topics: Vec::new() },
                Operation::FetchTopicOffsets { topic: "t".into() },
                Operation::FetchTopicOffsetsByTimestamp {
                    topic: "t".into(),
                    timestamp: Some(1),
                },
                Operation::FetchOffsets {
                    group_id: "g".into(),
                    topics: vec!["t".into()],
                    resolve_offsets: true,
                },
                Operation::SetOffsets {
                    group_id: "g".into(),
                    topic: "t".into(),
                    partitions: vec![(0, 0)],
                },
                Operation::ResetOffsets {
                    group_id: "g".into(),
                    topic: "t".into(),
                    earliest: true,
                },
                Operation::DeleteTopicRecords {
                    topic: "t".into(),
                    partitions: vec![(0, -1)],
                },
                Operation::DescribeConfigs {
                    resources: vec![ConfigResource {
                        resource_type: 2,
                        resource_name: "t".into(),
                        config_names: None,
                    }],
                    include_synonyms: false,
                },
                Operation::AlterConfigs {
                    resources: vec![ConfigAlteration {
                        resource_type: 2,
                        resource_name: "t".into(),
                        config_entries: Vec::new(),
                    }],
                    validate_only: false,
                },
                Operation::DescribeGroups {
                    group_ids: vec!["g".into()],
                },
                Operation::ListGroups,
                Operation::DeleteGroups {
                    group_ids: vec!["g".into()],
                },
                Operation::DescribeCluster,
                Operation::FetchTopicOffsets {
                    topic: "missing".into(),
                },
                Operation::DeleteTopics {
                    topics: vec!["t".into()],
                    timeout_ms: 5_000,
                },
            ];
            let mut commands = vec![AdminCommand::Connect { id: id() }];
            commands.extend(operations.map(|operation| AdminCommand::Run {
                id: id(),
                operation,
            }));
            commands
        },
        close: |id| AdminCommand::Close { id },
        answered: |output: &AdminOutput| Some(output.id),
        breaks: &[ApiKey::Metadata],
    });
}
