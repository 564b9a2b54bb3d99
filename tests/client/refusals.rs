//! What a broker that is there refuses again and again ends in an error after the retries; what may
//! pass by itself is waited for.

use tablog::client::consumer::{ConsumerCommand, ConsumerConfig, ConsumerEvent, ConsumerOutput};
use tablog::client::producer::ProducerConfig;
use tablog::client::{
    ClientConfig, CommandId, Consumer, ErrorKind, KafkaError, Producer, RetryConfig,
};
use tablog::protocol::{ApiKey, ErrorCode};

use super::consumer::{batch, config, done, events, member, poll, processed, t, values, world};
use super::fake_cluster::Fault;
use super::producer::{client_config, record, send, sent};
use super::world::{Handle, World};

const RETRIES: u32 = 2;

fn with_retries() -> ConsumerConfig {
    let retry = RetryConfig {
        retries: RETRIES,
        factor: 0.0,
        ..Default::default()
    };
    ConsumerConfig {
        client: ClientConfig {
            retry,
            ..client_config()
        },
        ..config()
    }
}

fn refuse(world: &mut World, api_key: ApiKey, code: ErrorCode, times: usize) {
    let faults = std::iter::repeat_n(Fault::Error(api_key, code), times);
    world.cluster.faults.extend(faults);
}

fn asked(world: &World, api_key: ApiKey) -> usize {
    let requests = world.cluster.requests.iter();
    requests
        .filter(|(_, request)| request.api_key() == api_key)
        .count()
}

fn crash(world: &mut World, consumer: &Handle<Consumer>) -> KafkaError {
    world.wait(consumer, |output| match output {
        ConsumerOutput::Event(ConsumerEvent::Crash { error, .. }) => Some(error.clone()),
        _ => None,
    })
}

/// What a consumer asks for, and what never comes of it.
const REFUSALS: [(ApiKey, ErrorCode); 7] = [
    (ApiKey::FindCoordinator, ErrorCode::CoordinatorNotAvailable),
    (ApiKey::JoinGroup, ErrorCode::CoordinatorNotAvailable),
    (ApiKey::SyncGroup, ErrorCode::NotCoordinator),
    (ApiKey::Heartbeat, ErrorCode::CoordinatorNotAvailable),
    (ApiKey::OffsetFetch, ErrorCode::CoordinatorNotAvailable),
    (ApiKey::ListOffsets, ErrorCode::KafkaStorageError),
    (ApiKey::Fetch, ErrorCode::KafkaStorageError),
];

#[test]
fn a_consumer_crashes_when_a_broker_refuses_for_longer_than_the_retries() {
    for (api_key, code) in REFUSALS {
        let mut world = world(1);
        refuse(&mut world, api_key, code, 100);
        let consumer = member(&mut world, with_retries());
        let error = crash(&mut world, &consumer);
        assert_eq!(
            (error.kind, error.code, error.retries),
            (ErrorKind::RetriesExceeded, code, RETRIES),
            "{api_key:?}"
        );
        assert!(error.retriable, "{api_key:?}: another try may succeed");
        let of_partition = matches!(
            api_key,
            ApiKey::OffsetFetch | ApiKey::ListOffsets | ApiKey::Fetch
        );
        assert_eq!(error.topic.is_some(), of_partition, "{api_key:?}");
        assert_eq!(error.group.is_some(), code != ErrorCode::KafkaStorageError);
        assert_eq!(asked(&world, api_key) as u32, RETRIES + 1, "{api_key:?}");
        assert_eq!(poll(&mut world, &consumer).unwrap_err(), error);
        // It has not hung itself up: it closes.
        world.command(&consumer, ConsumerCommand::Close { id: CommandId(5) });
        done(&mut world, &consumer, 5).unwrap();
    }
}

#[test]
fn refusals_that_pass_within_the_retries_are_no_error_however_often_they_come() {
    for (api_key, code) in REFUSALS {
        let mut world = world(1);
        let consumer = member(&mut world, with_retries());
        for round in 0..4 {
            refuse(&mut world, api_key, code, RETRIES as usize);
            let value = round.to_string();
            world.cluster.append("t", 0, &[&value]);
            let batch = batch(&mut world, &consumer);
            assert_eq!(values(&batch), [value], "{api_key:?}");
            processed(&mut world, &consumer, &batch);
            world.run_for(20_000);
            world.cluster.faults.clear();
        }
        let crashed = events(&consumer);
        let crashed = crashed
            .iter()
            .any(|event| matches!(event, ConsumerEvent::Crash { .. }));
        assert!(!crashed, "{api_key:?}");
    }
}

#[test]
fn a_coordinator_that_loads_is_waited_for() {
    for api_key in [ApiKey::JoinGroup, ApiKey::OffsetFetch, ApiKey::Heartbeat] {
        let mut world = world(1);
        world.cluster.append("t", 0, &["a"]);
        let code = ErrorCode::CoordinatorLoadInProgress;
        refuse(&mut world, api_key, code, 20);
        let consumer = member(&mut world, with_retries());
        assert_eq!(values(&batch(&mut world, &consumer)), ["a"], "{api_key:?}");
    }
}

#[test]
fn a_broker_that_is_away_is_waited_for() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    world.cluster.append("t", 0, &["a"]);
    let consumer = member(&mut world, with_retries());
    let first = batch(&mut world, &consumer);
    processed(&mut world, &consumer, &first);
    world.settle();
    world.stop_node(0);
    world.run_for(300_000);
    world.cluster.down.clear();
    world.cluster.append("t", 0, &["b"]);
    assert_eq!(values(&batch(&mut world, &consumer)), ["b"]);
}

#[test]
fn each_leader_of_a_partition_may_refuse_anew() {
    let mut world = world(1);
    let consumer = member(&mut world, with_retries());
    world.settle();
    for _ in 0..4 {
        refuse(
            &mut world,
            ApiKey::Fetch,
            ErrorCode::NotLeaderOrFollower,
            RETRIES as usize - 1,
        );
        let leader = world.cluster.partition("t", 0).leader;
        world.cluster.move_leader("t", 0, 1 - leader);
        // Less than a fetch waits: none succeeds in between.
        world.run_for(3_000);
    }
    world.cluster.append("t", 0, &["a"]);
    let batch = batch(&mut world, &consumer);
    assert_eq!(
        (batch.partition.clone(), values(&batch)),
        (t(0), vec!["a".to_string()])
    );
}

#[test]
fn sends_are_told_when_no_producer_id_is_to_be_had() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    let code = ErrorCode::KafkaStorageError;
    refuse(
        &mut world,
        ApiKey::InitProducerId,
        code,
        RETRIES as usize + 1,
    );
    let config = ProducerConfig {
        client: with_retries().client,
        ..Default::default()
    };
    let producer = world.add(Producer::new(config, 1));
    let began = world.now.monotonic;
    world.command(&producer, send(1, vec![record(0, "a")]));
    let error = sent(&mut world, &producer, 1).unwrap_err();
    assert_eq!(
        (error.kind, error.code, error.retries),
        (ErrorKind::RetriesExceeded, code, RETRIES)
    );
    assert_eq!(world.now.monotonic.ms_since(began), 300 + 600);
    world.command(&producer, send(2, vec![record(0, "b")]));
    sent(&mut world, &producer, 2).unwrap();
    assert_eq!(world.cluster.values("t", 0), ["b"]);
}
