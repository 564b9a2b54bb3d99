use tablog::client::consumer::{
    Assignor, AssignorQuestion, AutoCommit, ConsumerCommand, ConsumerConfig, ConsumerEvent,
    ConsumerOutput, FetchedBatch, OfferedAssignor, OffsetReset, OffsetToCommit,
};
use tablog::client::{CommandId, Consumer, ErrorKind, TopicPartition};
use tablog::protocol::{ApiKey, ErrorCode};

use super::consumer::{
    batch, config, done, events, joined, member, poll, processed, read_all, subscribe, t, values,
    world,
};
use super::fake_cluster::Fault;
use super::world::{Handle, World};

#[test]
fn a_group_divides_the_partitions_and_each_record_is_read_once() {
    for assignor in Assignor::ALL {
        let mut world = world(4);
        for n in 0..40 {
            world.cluster.append("t", n % 4, &[&n.to_string()]);
        }
        let config = ConsumerConfig {
            assignors: vec![assignor.into()],
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
fn a_member_asks_where_to_start_on_the_connection_on_which_it_has_joined() {
    let mut world = world(1);
    let only = member(&mut world, config());
    joined(&mut world, &only);
    world.run_for(1_000);
    let socket = |key: ApiKey| {
        let requests = world.cluster.requests.iter().zip(&world.cluster.sockets);
        let asked = requests.filter(|((_, request), _)| request.api_key() == key);
        let sockets: Vec<_> = asked.map(|(_, socket)| *socket).collect();
        assert!(!sockets.is_empty(), "no {key:?}");
        sockets
    };
    assert_eq!(socket(ApiKey::OffsetFetch), socket(ApiKey::SyncGroup));
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
        assignors: vec![Assignor::CooperativeSticky.into()],
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

/// A member that is thrown out while its application works, and joins again by itself.
fn thrown_out_and_back() -> (World, Handle<Consumer>, FetchedBatch) {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a", "b", "c"]);
    let config = ConsumerConfig {
        auto_commit: AutoCommit::Off,
        ..config()
    };
    let consumer = member(&mut world, config);
    let held = batch(&mut world, &consumer);
    events(&consumer);
    let fault = Fault::Error(ApiKey::Heartbeat, ErrorCode::UnknownMemberId);
    world.cluster.faults.push_back(fault);
    world.run_for(10_000);
    assert!(!joined(&mut world, &consumer).is_empty(), "it is back");
    (world, consumer, held)
}

fn commit_at(id: u64, offset: i64) -> ConsumerCommand {
    ConsumerCommand::Commit {
        id: CommandId(id),
        offsets: Some(vec![OffsetToCommit {
            topic: "t".into(),
            partition: 0,
            offset,
            metadata: None,
        }]),
    }
}

#[test]
fn a_commit_of_records_of_a_former_generation_is_refused() {
    let (mut world, consumer, held) = thrown_out_and_back();
    let committed = world.cluster.committed("g", &t(0));
    for offset in [1, 7] {
        world.command(&consumer, commit_at(5, offset));
        let error = done(&mut world, &consumer, 5).unwrap_err();
        assert_eq!(error.code, ErrorCode::IllegalGeneration);
        assert_eq!(
            (
                error.topic.as_deref(),
                error.partition,
                error.group.as_deref()
            ),
            (Some("t"), Some(0), Some("g"))
        );
        assert!(!error.retriable);
    }
    // Also after the application is through with them, until it gets others.
    processed(&mut world, &consumer, &held);
    world.command(&consumer, commit_at(6, 1));
    done(&mut world, &consumer, 6).unwrap_err();
    assert_eq!(world.cluster.committed("g", &t(0)), committed);
    let next = batch(&mut world, &consumer);
    assert_eq!(values(&next), ["a", "b", "c"]);
    world.command(&consumer, commit_at(7, 3));
    done(&mut world, &consumer, 7).unwrap();
    assert_eq!(world.cluster.committed("g", &t(0)), 3);
}

#[test]
fn who_is_out_of_the_group_commits_nothing_for_a_partition_it_never_had() {
    let mut world = world(2);
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    // The group is away from the moment in which the member hears that it is out.
    let faults = &mut world.cluster.faults;
    faults.push_back(Fault::Error(ApiKey::Heartbeat, ErrorCode::UnknownMemberId));
    faults.push_back(Fault::Silence(ApiKey::JoinGroup));
    world.run_for(5_000);
    let offset = OffsetToCommit {
        topic: "other".into(),
        partition: 0,
        offset: 1,
        metadata: None,
    };
    let commit = ConsumerCommand::Commit {
        id: CommandId(5),
        offsets: Some(vec![offset]),
    };
    world.command(&consumer, commit);
    let error = done(&mut world, &consumer, 5).unwrap_err();
    assert_eq!(error.code, ErrorCode::RebalanceInProgress);
    assert_ne!(
        world
            .cluster
            .committed("g", &TopicPartition::new("other", 0)),
        1
    );
}

#[test]
fn records_of_a_partition_wait_while_the_application_works_on_those_of_a_former_generation() {
    let (mut world, consumer, held) = thrown_out_and_back();
    let poll = ConsumerCommand::Poll {
        id: CommandId(9),
        records_max: 1_000,
    };
    world.command(&consumer, poll);
    world.run_for(5_000);
    let polled = |world: &mut World| {
        world.settle();
        let outputs = &consumer.borrow().outputs;
        outputs
            .iter()
            .any(|output| matches!(output, ConsumerOutput::Polled { .. }))
    };
    assert!(!polled(&mut world), "a commit could be about either");
    processed(&mut world, &consumer, &held);
    assert!(polled(&mut world));
}

#[test]
fn a_commit_that_waits_for_its_coordinator_is_not_sent_with_a_later_generation() {
    let mut world = world(1);
    world.cluster.append("t", 0, &["a"]);
    let config = ConsumerConfig {
        auto_commit: AutoCommit::Off,
        heartbeat_interval_ms: 50,
        ..config()
    };
    let consumer = member(&mut world, config);
    let _held = batch(&mut world, &consumer);
    for _ in 0..3 {
        let code = ErrorCode::CoordinatorLoadInProgress;
        let fault = Fault::Error(ApiKey::OffsetCommit, code);
        world.cluster.faults.push_back(fault);
    }
    let fault = Fault::Error(ApiKey::Heartbeat, ErrorCode::UnknownMemberId);
    world.cluster.faults.push_back(fault);
    world.command(&consumer, commit_at(5, 1));
    let error = done(&mut world, &consumer, 5).unwrap_err();
    assert!(
        matches!(
            error.code,
            ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress
        ),
        "{error:?}"
    );
    assert_ne!(world.cluster.committed("g", &t(0)), 1);
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
        assignors: vec![Assignor::Range.into()],
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

/// The next question to the application, with its number.
fn asked(world: &mut World, consumer: &Handle<Consumer>) -> (u64, AssignorQuestion) {
    world.wait(consumer, |output| match output {
        ConsumerOutput::AssignorAsked {
            question, asked, ..
        } => Some((*question, asked.clone())),
        _ => None,
    })
}

fn answer(
    world: &mut World,
    consumer: &Handle<Consumer>,
    question: u64,
    answers: &[(&str, &[u8])],
) {
    let answers = answers.iter();
    let answers = answers.map(|(name, bytes)| (name.to_string(), bytes.to_vec().into()));
    let command = ConsumerCommand::AnswerAssignor {
        question,
        answers: answers.collect(),
    };
    world.command(consumer, command);
}

fn with_application_assignor() -> ConsumerConfig {
    ConsumerConfig {
        assignors: vec![
            OfferedAssignor::Application("own".into()),
            Assignor::Range.into(),
        ],
        ..config()
    }
}

#[test]
fn an_assignor_of_the_application_hears_what_members_tell_and_says_who_gets_what() {
    let mut world = world(2);
    let consumer = member(&mut world, with_application_assignor());
    let (question, metadata) = asked(&mut world, &consumer);
    let topics = vec!["t".to_string()];
    assert_eq!(
        metadata,
        AssignorQuestion::Metadata {
            topics: topics.clone()
        }
    );
    // The broker asks to join again with the member id that it gives: one more question.
    answer(&mut world, &consumer, question, &[("own", b"old")]);
    let (again, _) = asked(&mut world, &consumer);
    answer(&mut world, &consumer, question, &[("own", b"stale")]);
    answer(
        &mut world,
        &consumer,
        again,
        &[("own", b"not a subscription")],
    );
    let (question, assignment) = asked(&mut world, &consumer);
    let AssignorQuestion::Assignment {
        assignor,
        topics: subscribed,
        members,
    } = assignment
    else {
        panic!("{assignment:?}");
    };
    assert_eq!((assignor.as_str(), subscribed), ("own", topics));
    assert_eq!(members.len(), 1);
    assert_eq!(&members[0].metadata[..], b"not a subscription");
    // Version 1, one topic "t" with partition 1, no user data.
    let bytes = [
        0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
    ];
    answer(
        &mut world,
        &consumer,
        question,
        &[(&members[0].member_id, &bytes)],
    );
    assert_eq!(joined(&mut world, &consumer)["t"], [1]);
}

#[test]
fn a_group_does_not_wait_for_ever_for_an_assignor_of_the_application() {
    let mut world = world(2);
    let silent = member(&mut world, with_application_assignor());
    for _ in 0..2 {
        let (question, _) = asked(&mut world, &silent);
        answer(&mut world, &silent, question, &[("own", b"")]);
    }
    asked(&mut world, &silent);
    let began = world.now.monotonic;
    let other = ConsumerConfig {
        assignors: vec![Assignor::Range.into()],
        ..config()
    };
    let other = member(&mut world, other);
    let error = world.wait(&silent, |output| match output {
        ConsumerOutput::Event(ConsumerEvent::Crash { error, .. }) => Some(error.clone()),
        _ => None,
    });
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert_eq!(world.now.monotonic.ms_since(began), 60_000);
    assert_eq!(joined(&mut world, &other)["t"], [0, 1]);
}

/// A consumer that has processed a record of `kept`, and one of `t`, which was deleted meanwhile.
fn read_of_a_topic_that_is_gone() -> (World, Handle<Consumer>) {
    let mut world = world(1);
    world.cluster.create("kept", 1);
    world.cluster.append("t", 0, &["a"]);
    world.cluster.append("kept", 0, &["a"]);
    let consumer = world.add(Consumer::new(config(), 1));
    world.command(&consumer, subscribe(&["t", "kept"]));
    let read = [batch(&mut world, &consumer), batch(&mut world, &consumer)];
    world.cluster.topics.remove("t");
    events(&consumer);
    for batch in &read {
        processed(&mut world, &consumer, batch);
    }
    (world, consumer)
}

#[test]
fn leaving_does_not_wait_for_the_offsets_of_a_topic_that_is_gone() {
    let (mut world, consumer) = read_of_a_topic_that_is_gone();
    let commit = ConsumerCommand::Commit {
        id: CommandId(7),
        offsets: None,
    };
    world.command(&consumer, commit);
    world.command(&consumer, ConsumerCommand::Close { id: CommandId(8) });
    let began = world.now.monotonic;
    let error = done(&mut world, &consumer, 7).unwrap_err();
    assert_eq!(
        (error.code, error.kind, error.topic.as_deref()),
        (
            ErrorCode::UnknownTopicOrPartition,
            ErrorKind::Protocol,
            Some("t")
        ),
        "who asked is told"
    );
    done(&mut world, &consumer, 8).unwrap();
    assert_eq!(world.now.monotonic, began);
    let kept = TopicPartition::new("kept", 0);
    assert_eq!(world.cluster.committed("g", &kept), 1);
}

#[test]
fn a_commit_that_nobody_asked_for_tells_what_it_has_committed() {
    let (mut world, consumer) = read_of_a_topic_that_is_gone();
    world.settle();
    let committed = events(&consumer)
        .into_iter()
        .filter_map(|event| match event {
            ConsumerEvent::CommitOffsets { offsets, .. } => Some(offsets),
            _ => None,
        });
    let topics = committed.flatten().map(|offset| offset.topic);
    assert_eq!(topics.collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn partitions_share_a_commit_while_more_of_them_wait_for_the_application() {
    const PARTITIONS: i32 = 300;
    let mut world = world(PARTITIONS);
    for partition in 0..PARTITIONS {
        world.cluster.append("t", partition, &["a", "b"]);
    }
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    // What a fetch brings is there before the application asks.
    world.run_for(1_000);
    let mut left = 2 * PARTITIONS as usize;
    while left > 0 {
        let read = batch(&mut world, &consumer);
        left -= read.records.len();
        processed(&mut world, &consumer, &read);
        world.settle();
    }
    world.run_for(1_000);
    for partition in 0..PARTITIONS {
        assert_eq!(world.cluster.committed("g", &t(partition)), 2);
    }
    let requests = world.cluster.requests.iter();
    let commits = requests.filter(|(_, request)| request.api_key() == ApiKey::OffsetCommit);
    let commits = commits.count();
    assert!(
        commits <= 10,
        "{commits} commits for {PARTITIONS} partitions"
    );
}

#[test]
fn a_batch_that_took_its_time_is_committed_though_others_wait() {
    let mut world = world(2);
    for partition in 0..2 {
        world.cluster.append("t", partition, &["a"]);
    }
    let consumer = member(&mut world, config());
    joined(&mut world, &consumer);
    world.run_for(1_000);
    let first = batch(&mut world, &consumer);
    processed(&mut world, &consumer, &first);
    batch(&mut world, &consumer);
    world.run_for(200);
    assert_eq!(world.cluster.committed("g", &first.partition), 1);
}

/// A member that has read two records of a topic, which is then deleted and made again.
fn reader_of_a_topic_made_again(
    config: ConsumerConfig,
    see: impl FnOnce(&mut World),
) -> (World, Handle<Consumer>, FetchedBatch) {
    let mut world = world(1);
    world.cluster.append("t", 0, &["old a", "old b"]);
    let consumer = member(&mut world, config);
    let read = batch(&mut world, &consumer);
    world.cluster.topics.remove("t");
    see(&mut world);
    world.cluster.create("t", 1);
    world
        .cluster
        .append("t", 0, &["new a", "new b", "new c", "new d"]);
    (world, consumer, read)
}

#[test]
fn a_topic_that_was_made_again_is_read_from_where_the_reset_policy_says() {
    let sees_it_gone: [fn(&mut World); 2] = [|_| (), |world| world.run_for(5_000)];
    for see in sees_it_gone {
        let (mut world, consumer, read) = reader_of_a_topic_made_again(config(), see);
        world.run_for(5_000);
        assert_eq!(world.cluster.committed("g", &t(0)), -1);
        assert!(events(&consumer).contains(&ConsumerEvent::Lost {
            partitions: vec![t(0)]
        }));
        processed(&mut world, &consumer, &read);
        let batch = batch(&mut world, &consumer);
        assert_eq!(values(&batch), ["new a", "new b", "new c", "new d"]);
        processed(&mut world, &consumer, &batch);
        world.command(&consumer, ConsumerCommand::Close { id: CommandId(8) });
        done(&mut world, &consumer, 8).unwrap();
        assert_eq!(world.cluster.committed("g", &t(0)), 4);
    }
}

#[test]
fn what_was_read_of_a_deleted_topic_is_not_committed_for_the_next_one() {
    let (mut world, consumer, read) = reader_of_a_topic_made_again(config(), |_| ());
    world.run_for(5_000);
    let commit = ConsumerCommand::Commit {
        id: CommandId(7),
        offsets: Some(vec![OffsetToCommit {
            topic: "t".into(),
            partition: 0,
            offset: read.next_offset,
            metadata: None,
        }]),
    };
    world.command(&consumer, commit);
    let error = done(&mut world, &consumer, 7).unwrap_err();
    assert_eq!(error.code, ErrorCode::IllegalGeneration);
    assert_eq!(world.cluster.committed("g", &t(0)), -1);
}

#[test]
fn a_topic_that_was_made_again_ends_a_consumer_without_a_reset_policy() {
    let config = ConsumerConfig {
        auto_offset_reset: OffsetReset::None,
        ..config()
    };
    let mut world = world(1);
    world.cluster.append("t", 0, &["old a"]);
    let consumer = world.add(Consumer::new(config, 1));
    let assign = ConsumerCommand::Assign {
        id: CommandId(0),
        partitions: vec![(t(0), Some(0))],
    };
    world.command(&consumer, assign);
    let read = batch(&mut world, &consumer);
    processed(&mut world, &consumer, &read);
    world.cluster.topics.remove("t");
    world.cluster.create("t", 1);
    let error = poll(&mut world, &consumer).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoOffset);
}
