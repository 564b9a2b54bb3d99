use tablog::client::admin::{
    AdminCommand, AdminResult, ConfigAlteration, ConfigResource, GroupOffset, NewPartitions,
    NewTopic, Operation, TopicOffsets,
};
use tablog::client::consumer::{
    ConsumerCommand, ConsumerConfig, ConsumerEvent, ConsumerOutput, Subscription,
};
use tablog::client::{Admin, CommandId, Consumer, ErrorKind, KafkaError, TopicPartition};
use tablog::protocol::ErrorCode;

use super::producer::client_config;
use super::world::{Handle, World};

fn world() -> (World, Handle<Admin>) {
    let mut world = World::new(3);
    world.cluster.create("t", 3);
    let admin = world.add(Admin::new(client_config(), 1));
    (world, admin)
}

fn run(
    world: &mut World,
    admin: &Handle<Admin>,
    operation: Operation,
) -> Result<AdminResult, KafkaError> {
    let id = CommandId(1);
    world.command(admin, AdminCommand::Run { id, operation });
    world.wait(admin, |output| {
        (output.id == id).then(|| output.result.clone())
    })
}

fn create(topic: &str, num_partitions: i32) -> Operation {
    let topic = NewTopic {
        topic: topic.into(),
        num_partitions,
        replication_factor: 1,
        ..Default::default()
    };
    Operation::CreateTopics {
        topics: vec![topic],
        validate_only: false,
        timeout_ms: 5_000,
        wait_for_leaders: true,
    }
}

fn t(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

#[test]
fn creating_a_topic_asks_the_controller_and_waits_for_its_leaders() {
    let (mut world, admin) = world();
    // Metadata still name the old one.
    world.cluster.controller = 2;
    world.command(
        &admin,
        AdminCommand::Run {
            id: CommandId(1),
            operation: create("new", 2),
        },
    );
    world.run_for(1_000);
    assert!(
        admin.borrow().outputs.is_empty(),
        "partition 0 has no leader"
    );
    world.cluster.partition("new", 0).leader = 1;
    let result = world.wait(&admin, |output| Some(output.result.clone()));
    assert_eq!(result, Ok(AdminResult::Created(true)));
    assert_eq!(
        run(&mut world, &admin, create("new", 2)),
        Ok(AdminResult::Created(false))
    );
    let error = run(&mut world, &admin, create("none", 0)).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidPartitions);
    assert_eq!(error.topic.as_deref(), Some("none"));
}

type Failure<'a> = (Option<&'a str>, Option<i32>, ErrorCode);

/// Topic, partition and code of an error and of the others that came with it.
fn failures(error: &KafkaError) -> Vec<Failure<'_>> {
    std::iter::once(error)
        .chain(&error.others)
        .map(|error| (error.topic.as_deref(), error.partition, error.code))
        .collect()
}

#[test]
fn a_command_about_several_things_tells_all_that_failed() {
    let (mut world, admin) = world();
    let topic = |name: &str, num_partitions| NewTopic {
        topic: name.into(),
        num_partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let create = Operation::CreateTopics {
        topics: vec![
            topic("t", 1),
            topic("none", 0),
            topic("nor", 0),
            topic("v", 1),
        ],
        validate_only: false,
        timeout_ms: 5_000,
        wait_for_leaders: false,
    };
    let error = run(&mut world, &admin, create).unwrap_err();
    assert_eq!(
        failures(&error),
        [
            (Some("none"), None, ErrorCode::InvalidPartitions),
            (Some("nor"), None, ErrorCode::InvalidPartitions),
            (Some("t"), None, ErrorCode::TopicAlreadyExists),
        ]
    );
    let delete = Operation::DeleteTopics {
        topics: vec!["a".into(), "v".into(), "b".into()],
        timeout_ms: 5_000,
    };
    let error = run(&mut world, &admin, delete).unwrap_err();
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(
        failures(&error),
        [(Some("a"), None, unknown), (Some("b"), None, unknown)]
    );
    let records = |partitions| Operation::DeleteTopicRecords {
        topic: "t".into(),
        partitions,
    };
    let error = run(&mut world, &admin, records(vec![(8, 1), (0, 1), (9, 1)])).unwrap_err();
    assert_eq!(
        failures(&error),
        [(Some("t"), Some(8), unknown), (Some("t"), Some(9), unknown)]
    );
    let beyond = ErrorCode::OffsetOutOfRange;
    let error = run(&mut world, &admin, records(vec![(0, 5), (1, 5)])).unwrap_err();
    assert_eq!(
        failures(&error),
        [(Some("t"), Some(0), beyond), (Some("t"), Some(1), beyond)]
    );
}

#[test]
fn a_controller_that_has_moved_is_found() {
    let (mut world, admin) = world();
    let delete = |topic: &str| Operation::DeleteTopics {
        topics: vec![topic.to_string()],
        timeout_ms: 1_000,
    };
    world.cluster.create("u", 1);
    assert_eq!(run(&mut world, &admin, delete("u")), Ok(AdminResult::None));
    world.cluster.create("u", 1);
    world.cluster.controller = 1;
    assert_eq!(run(&mut world, &admin, delete("u")), Ok(AdminResult::None));
    let began = world.now.monotonic;
    let error = run(&mut world, &admin, delete("u")).unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(
        world.now.monotonic, began,
        "what the controller says is final"
    );
}

#[test]
fn topics_and_the_cluster_are_described() {
    let (mut world, admin) = world();
    let names = run(&mut world, &admin, Operation::ListTopics);
    assert_eq!(names, Ok(AdminResult::Names(vec!["t".into()])));
    let grow = |count| Operation::CreatePartitions {
        topics: vec![NewPartitions {
            topic: "t".into(),
            count,
            assignments: None,
        }],
        validate_only: false,
        timeout_ms: 1_000,
    };
    assert_eq!(run(&mut world, &admin, grow(4)), Ok(AdminResult::None));
    let error = run(&mut world, &admin, grow(4)).unwrap_err();
    assert_eq!(
        error.message, "the topic has as many already",
        "the broker's own words"
    );
    let fetch = Operation::FetchTopicMetadata {
        topics: vec!["t".into()],
    };
    let Ok(AdminResult::Topics(topics)) = run(&mut world, &admin, fetch) else {
        panic!()
    };
    assert_eq!(topics[0].partitions.len(), 4);
    let Ok(AdminResult::Cluster {
        brokers,
        controller_id,
        cluster_id,
    }) = run(&mut world, &admin, Operation::DescribeCluster)
    else {
        panic!()
    };
    assert_eq!((brokers.len(), controller_id), (3, Some(0)));
    assert_eq!(cluster_id.as_deref(), Some("fake"));
    let missing = Operation::FetchTopicMetadata {
        topics: vec!["missing".into()],
    };
    let began = world.now.monotonic;
    let error = run(&mut world, &admin, missing).unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert_eq!(world.now.monotonic, began, "it is not asked for again");
    assert!(!world.cluster.topics.contains_key("missing"));
}

#[test]
fn offsets_come_from_the_leader_of_each_partition() {
    let (mut world, admin) = world();
    world.cluster.append("t", 0, &["a", "b", "c"]);
    world.cluster.append("t", 2, &["x"]);
    let cut = Operation::DeleteTopicRecords {
        topic: "t".into(),
        partitions: vec![(0, 2)],
    };
    assert_eq!(run(&mut world, &admin, cut), Ok(AdminResult::None));
    let of_topic = Operation::FetchTopicOffsets { topic: "t".into() };
    assert_eq!(
        run(&mut world, &admin, of_topic),
        Ok(AdminResult::TopicOffsets(vec![
            TopicOffsets {
                partition: 0,
                high: 3,
                low: 2
            },
            TopicOffsets {
                partition: 1,
                high: 0,
                low: 0
            },
            TopicOffsets {
                partition: 2,
                high: 1,
                low: 0
            },
        ]))
    );
    // Records were written at 1,000.
    for (timestamp, offsets) in [(Some(500), [0, 0, 0]), (Some(2_000), [3, 0, 1])] {
        let operation = Operation::FetchTopicOffsetsByTimestamp {
            topic: "t".into(),
            timestamp,
        };
        let expected = (0..).zip(offsets).collect();
        assert_eq!(
            run(&mut world, &admin, operation),
            Ok(AdminResult::Offsets(expected))
        );
    }
    let cut = Operation::DeleteTopicRecords {
        topic: "t".into(),
        partitions: vec![(7, -1)],
    };
    let error = run(&mut world, &admin, cut).unwrap_err();
    assert_eq!(
        (error.code, error.partition),
        (ErrorCode::UnknownTopicOrPartition, Some(7))
    );
}

#[test]
fn a_groups_offsets_are_set_reset_and_fetched() {
    let (mut world, admin) = world();
    world.cluster.append("t", 0, &["a", "b", "c"]);
    let fetch = |topics: &[&str], resolve_offsets| Operation::FetchOffsets {
        group_id: "g".into(),
        topics: topics.iter().map(|topic| topic.to_string()).collect(),
        resolve_offsets,
    };
    let offsets = |result: Result<AdminResult, KafkaError>| match result {
        Ok(AdminResult::GroupOffsets(offsets)) => offsets
            .into_iter()
            .map(
                |GroupOffset {
                     partition, offset, ..
                 }| (partition, offset),
            )
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let set = Operation::SetOffsets {
        group_id: "g".into(),
        topic: "t".into(),
        partitions: vec![(0, 1), (2, -1)],
    };
    assert_eq!(run(&mut world, &admin, set), Ok(AdminResult::None));
    assert_eq!(
        offsets(run(&mut world, &admin, fetch(&[], false))),
        [(t(0), 1), (t(2), 0)]
    );
    assert_eq!(
        offsets(run(&mut world, &admin, fetch(&["t"], false))),
        [(t(0), 1), (t(1), -1), (t(2), 0)]
    );
    let reset = Operation::ResetOffsets {
        group_id: "g".into(),
        topic: "t".into(),
        earliest: false,
    };
    assert_eq!(run(&mut world, &admin, reset), Ok(AdminResult::None));
    assert_eq!(
        offsets(run(&mut world, &admin, fetch(&["t"], true))),
        [(t(0), 3), (t(1), 0), (t(2), 0)]
    );
    assert_eq!(world.cluster.committed("g", &t(1)), 0);
}

#[test]
fn groups_are_listed_described_and_deleted() {
    let (mut world, admin) = world();
    let config = ConsumerConfig {
        client: client_config(),
        group_id: "g".into(),
        ..Default::default()
    };
    let consumer = world.add(Consumer::new(config, 1));
    let topics = vec![Subscription {
        topic: "t".into(),
        offset_reset: None,
    }];
    world.command(
        &consumer,
        ConsumerCommand::Subscribe {
            id: CommandId(0),
            topics,
        },
    );
    world.wait(&consumer, |output| {
        matches!(
            output,
            ConsumerOutput::Event(ConsumerEvent::GroupJoin { .. })
        )
        .then_some(())
    });
    let Ok(AdminResult::Groups(groups)) = run(&mut world, &admin, Operation::ListGroups) else {
        panic!()
    };
    assert_eq!(
        groups.len(),
        1,
        "the brokers share a coordinator here, and answer the same"
    );
    assert_eq!(
        (&*groups[0].group_id, &*groups[0].protocol_type),
        ("g", "consumer")
    );
    let describe = Operation::DescribeGroups {
        group_ids: vec!["g".into()],
    };
    let Ok(AdminResult::DescribedGroups(groups)) = run(&mut world, &admin, describe) else {
        panic!()
    };
    assert_eq!(
        (&*groups[0].state, &*groups[0].protocol),
        ("Stable", "RoundRobinAssigner")
    );
    assert_eq!(groups[0].members[0].partitions, [t(0), t(1), t(2)]);
    let set = Operation::SetOffsets {
        group_id: "g".into(),
        topic: "t".into(),
        partitions: vec![(0, 0)],
    };
    let error = run(&mut world, &admin, set).unwrap_err();
    assert_eq!(error.code, ErrorCode::NonEmptyGroup);
    let delete = Operation::DeleteGroups {
        group_ids: vec!["g".into(), "missing".into()],
    };
    assert_eq!(
        run(&mut world, &admin, delete.clone()),
        Ok(AdminResult::DeletedGroups(vec![
            ("g".into(), ErrorCode::NonEmptyGroup),
            ("missing".into(), ErrorCode::GroupIdNotFound),
        ]))
    );
    world.command(&consumer, ConsumerCommand::Close { id: CommandId(1) });
    world.run_for(1_000);
    let Ok(AdminResult::DeletedGroups(deleted)) = run(&mut world, &admin, delete) else {
        panic!()
    };
    assert_eq!(deleted[0], ("g".into(), ErrorCode::None));
}

#[test]
fn a_brokers_configs_are_asked_of_that_broker() {
    let (mut world, admin) = world();
    let resource = |resource_type, name: &str| ConfigResource {
        resource_type,
        resource_name: name.into(),
        config_names: None,
    };
    let operation = Operation::DescribeConfigs {
        resources: vec![resource(4, "2"), resource(2, "t")],
        include_synonyms: false,
    };
    let Ok(AdminResult::Configs(configs)) = run(&mut world, &admin, operation) else {
        panic!()
    };
    let of = |name: &str| {
        configs
            .iter()
            .find(|config| config.resource_name == name)
            .unwrap()
    };
    assert_eq!(of("2").entries[0].value.as_deref(), Some("from node 2"));
    assert!(of("t").entries[0].is_default);
    let alter = |name: &str| Operation::AlterConfigs {
        resources: vec![ConfigAlteration {
            resource_type: 2,
            resource_name: "t".into(),
            config_entries: vec![(name.to_string(), Some("1".into()))],
        }],
        validate_only: false,
    };
    assert_eq!(
        run(&mut world, &admin, alter("retention.ms")),
        Ok(AdminResult::None)
    );
    let error = run(&mut world, &admin, alter("wrong")).unwrap_err();
    assert_eq!(
        (error.code, error.topic.as_deref()),
        (ErrorCode::InvalidConfig, Some("t"))
    );
}

#[test]
fn closing_answers_what_runs() {
    let (mut world, admin) = world();
    world.cluster.down.insert(0);
    let operation = Operation::ListTopics;
    world.command(
        &admin,
        AdminCommand::Run {
            id: CommandId(1),
            operation: operation.clone(),
        },
    );
    world.command(&admin, AdminCommand::Connect { id: CommandId(2) });
    world.command(&admin, AdminCommand::Close { id: CommandId(3) });
    world.command(
        &admin,
        AdminCommand::Run {
            id: CommandId(4),
            operation,
        },
    );
    let outputs = std::mem::take(&mut admin.borrow_mut().outputs);
    let mut answers: Vec<_> = outputs
        .into_iter()
        .map(|output| (output.id.0, output.result.err().map(|e| e.kind)))
        .collect();
    answers.sort_by_key(|(id, _)| *id);
    let closed = Some(ErrorKind::Closed);
    assert_eq!(answers, [(1, closed), (2, closed), (3, None), (4, closed)]);
}

#[test]
fn what_does_not_exist_is_told_at_once() {
    let (mut world, admin) = world();
    let group_id = || "g".to_string();
    let topic = || "missing".to_string();
    let unknown = [
        Operation::SetOffsets {
            group_id: group_id(),
            topic: topic(),
            partitions: vec![(0, 1)],
        },
        Operation::ResetOffsets {
            group_id: group_id(),
            topic: topic(),
            earliest: true,
        },
        Operation::FetchOffsets {
            group_id: group_id(),
            topics: vec!["t".into(), topic()],
            resolve_offsets: false,
        },
        Operation::DeleteTopicRecords {
            topic: topic(),
            partitions: vec![(0, 1)],
        },
    ];
    let began = world.now.monotonic;
    for operation in unknown {
        let error = run(&mut world, &admin, operation).unwrap_err();
        assert_eq!(
            (error.code, error.retriable, error.topic.as_deref()),
            (ErrorCode::UnknownTopicOrPartition, false, Some("missing"))
        );
    }
    let broker = ConfigResource {
        resource_type: 4,
        resource_name: "99".into(),
        config_names: None,
    };
    let describe = Operation::DescribeConfigs {
        resources: vec![broker],
        include_synonyms: false,
    };
    let alter = Operation::AlterConfigs {
        resources: vec![ConfigAlteration {
            resource_type: 4,
            resource_name: "99".into(),
            config_entries: vec![],
        }],
        validate_only: false,
    };
    for operation in [describe, alter] {
        let error = run(&mut world, &admin, operation).unwrap_err();
        assert_eq!(
            (error.code, error.retriable),
            (ErrorCode::BrokerNotAvailable, false)
        );
        assert!(error.message.contains("99"), "{error}");
    }
    assert_eq!(world.now.monotonic, began);
}

#[test]
fn the_offsets_of_a_topic_that_comes_a_little_later_are_waited_for() {
    let (mut world, admin) = world();
    let operation = Operation::FetchTopicOffsets {
        topic: "late".into(),
    };
    let id = CommandId(1);
    world.command(&admin, AdminCommand::Run { id, operation });
    world.run_for(500);
    world.cluster.create("late", 1);
    let result = world.wait(&admin, |output| Some(output.result.clone()));
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn a_topic_that_cannot_be_is_told_of_at_once() {
    let topic = || "no name".to_string();
    let operations = [
        Operation::FetchTopicMetadata {
            topics: vec!["t".into(), topic()],
        },
        Operation::FetchTopicOffsets { topic: topic() },
        Operation::FetchTopicOffsetsByTimestamp {
            topic: topic(),
            timestamp: None,
        },
        Operation::DeleteTopicRecords {
            topic: topic(),
            partitions: vec![(0, 1)],
        },
        Operation::FetchOffsets {
            group_id: "g".into(),
            topics: vec![topic()],
            resolve_offsets: false,
        },
        Operation::SetOffsets {
            group_id: "g".into(),
            topic: topic(),
            partitions: vec![(0, 1)],
        },
        Operation::ResetOffsets {
            group_id: "g".into(),
            topic: topic(),
            earliest: true,
        },
    ];
    for operation in operations {
        let (mut world, admin) = world();
        let began = world.now.monotonic;
        let error = run(&mut world, &admin, operation.clone()).unwrap_err();
        assert_eq!(
            (error.code, error.topic.as_deref(), error.retries),
            (ErrorCode::InvalidTopicException, Some("no name"), 0),
            "{operation:?}"
        );
        assert_eq!(world.now.monotonic.ms_since(began), 0, "{operation:?}");
    }
}
