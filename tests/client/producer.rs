use bytes::Bytes;

use tablog::client::producer::{
    Acks, ProducerCommand, ProducerConfig, ProducerOutput, ProducerRecord, RecordMetadata,
};
use tablog::client::{
    BrokerAddress, ClientConfig, CommandId, ErrorKind, KafkaError, Producer, RetryConfig,
};
use tablog::protocol::{ApiKey, ErrorCode, Request};
use tablog::record::{BatchHeader, Compression};

use super::fake_cluster::Fault;
use super::world::{Handle, World};

pub fn client_config() -> ClientConfig {
    let brokers = vec![BrokerAddress {
        host: "node0".into(),
        port: 9092,
    }];
    ClientConfig {
        brokers,
        ..Default::default()
    }
}

fn config() -> ProducerConfig {
    ProducerConfig {
        client: client_config(),
        ..Default::default()
    }
}

fn world(partitions: i32) -> (World, Handle<Producer>) {
    let mut world = World::new(2);
    world.cluster.create("t", partitions);
    let producer = world.add(Producer::new(config(), 1));
    (world, producer)
}

pub fn record(partition: i32, value: &str) -> ProducerRecord {
    ProducerRecord {
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        partition: Some(partition),
        ..Default::default()
    }
}

fn send_with(id: u64, records: Vec<ProducerRecord>, acks: Acks) -> ProducerCommand {
    ProducerCommand::Send {
        id: CommandId(id),
        topic_messages: vec![("t".into(), records)],
        acks,
        timeout_ms: 30_000,
        compression: Compression::None,
    }
}

pub fn send(id: u64, records: Vec<ProducerRecord>) -> ProducerCommand {
    send_with(id, records, Acks::All)
}

pub fn sent(
    world: &mut World,
    producer: &Handle<Producer>,
    wanted: u64,
) -> Result<Vec<RecordMetadata>, KafkaError> {
    world.wait(producer, |output| match output {
        ProducerOutput::Sent {
            id,
            partitions,
            error,
        } if id.0 == wanted => Some(error.clone().map_or(Ok(partitions.clone()), Err)),
        _ => None,
    })
}

fn offsets(metadata: &[RecordMetadata]) -> Vec<(i32, i64)> {
    metadata
        .iter()
        .map(|metadata| (metadata.partition, metadata.base_offset))
        .collect()
}

fn produce_requests(world: &World) -> usize {
    let requests = world.cluster.requests.iter();
    requests
        .filter(|(_, request)| matches!(request, Request::Produce(_)))
        .count()
}

#[test]
fn a_send_is_answered_with_the_offset_of_its_first_record_in_each_partition() {
    let (mut world, producer) = world(2);
    world.command(
        &producer,
        send(1, vec![record(0, "a"), record(1, "b"), record(0, "c")]),
    );
    assert_eq!(
        offsets(&sent(&mut world, &producer, 1).unwrap()),
        [(0, 0), (1, 0)]
    );
    world.command(&producer, send(2, vec![record(0, "d")]));
    let metadata = sent(&mut world, &producer, 2).unwrap();
    assert_eq!(offsets(&metadata), [(0, 2)]);
    assert_eq!(
        (metadata[0].error_code, metadata[0].log_append_time_ms),
        (0, -1)
    );
    assert_eq!(world.cluster.values("t", 0), ["a", "c", "d"]);
    assert_eq!(world.cluster.values("t", 1), ["b"]);
}

#[test]
fn sends_accumulate_while_a_request_of_their_partition_is_under_way() {
    let (mut world, producer) = world(1);
    for id in 0..10 {
        world.command(&producer, send(id, vec![record(0, &id.to_string())]));
    }
    for id in 0..10 {
        let metadata = sent(&mut world, &producer, id).unwrap();
        assert_eq!(
            offsets(&metadata),
            [(0, id as i64)],
            "of the send's own first record"
        );
    }
    // The metadata were awaited by all of them; then a batch of 16 KiB takes all.
    assert_eq!(produce_requests(&world), 1);
}

#[test]
fn a_batch_that_is_full_is_not_joined() {
    let (mut world, producer) = world(1);
    let value = "x".repeat(10_000);
    for id in 0..3 {
        world.command(&producer, send(id, vec![record(0, &value)]));
    }
    for id in 0..3 {
        sent(&mut world, &producer, id).unwrap();
    }
    assert_eq!(world.cluster.topics["t"][0].log.len(), 2);
}

#[test]
fn a_send_stays_together_up_to_the_size_of_a_request() {
    let (mut world, producer) = world(1);
    let value = "x".repeat(10_000);
    world.command(&producer, send(1, vec![record(0, &value); 50]));
    sent(&mut world, &producer, 1).unwrap();
    assert_eq!(
        world.cluster.topics["t"][0].log.len(),
        1,
        "500 kB in one batch"
    );
    world.command(&producer, send(2, vec![record(0, &value); 150]));
    let metadata = sent(&mut world, &producer, 2).unwrap();
    assert_eq!(offsets(&metadata), [(0, 50)]);
    assert_eq!(world.cluster.topics["t"][0].log.len(), 3, "1.5 MB in two");
}

#[test]
fn lingering_waits_for_more_and_flushing_does_not() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    let config = ProducerConfig {
        linger_ms: 50,
        ..config()
    };
    let producer = world.add(Producer::new(config, 1));
    world.command(&producer, send(1, vec![record(0, "a")]));
    world.run_for(40);
    world.command(&producer, send(2, vec![record(0, "b")]));
    assert_eq!(produce_requests(&world), 0);
    world.run_for(11);
    assert_eq!(world.cluster.topics["t"][0].log.len(), 1);
    world.command(&producer, send(3, vec![record(0, "c")]));
    world.command(&producer, ProducerCommand::Flush { id: CommandId(4) });
    world.settle();
    assert_eq!(world.cluster.values("t", 0), ["a", "b", "c"]);
    let outputs: Vec<_> = producer.borrow_mut().outputs.drain(..).collect();
    assert!(
        matches!(
            outputs.last(),
            Some(ProducerOutput::Flushed {
                id: CommandId(4),
                result: Ok(())
            })
        ),
        "after the sends before it: {outputs:?}"
    );
}

#[test]
fn a_lost_answer_makes_no_duplicate_and_no_other_order() {
    let (mut world, producer) = world(1);
    for id in 0..50 {
        if id % 7 == 3 {
            world
                .cluster
                .faults
                .push_back(Fault::BreakAfter(ApiKey::Produce));
        }
        if id % 7 == 5 {
            world
                .cluster
                .faults
                .push_back(Fault::BreakBefore(ApiKey::Produce));
        }
        world.command(&producer, send(id, vec![record(0, &id.to_string())]));
        world.run_for(id % 3);
    }
    for id in 0..50 {
        assert_eq!(
            offsets(&sent(&mut world, &producer, id).unwrap()),
            [(0, id as i64)]
        );
    }
    let expected: Vec<_> = (0..50).map(|id| id.to_string()).collect();
    assert_eq!(world.cluster.values("t", 0), expected);
}

#[test]
fn retriable_errors_are_tried_again_in_order() {
    let (mut world, producer) = world(1);
    for code in [
        ErrorCode::NotEnoughReplicas,
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::KafkaStorageError,
        ErrorCode::RequestTimedOut,
    ] {
        world
            .cluster
            .faults
            .push_back(Fault::Error(ApiKey::Produce, code));
    }
    world.cluster.faults.push_back(Fault::ErrorAfter(
        ApiKey::Produce,
        ErrorCode::NotEnoughReplicasAfterAppend,
    ));
    world.command(&producer, send(1, vec![record(0, "a")]));
    world.run_for(1);
    world.command(&producer, send(2, vec![record(0, "b")]));
    sent(&mut world, &producer, 1).unwrap();
    sent(&mut world, &producer, 2).unwrap();
    assert_eq!(world.cluster.values("t", 0), ["a", "b"]);
}

#[test]
fn a_moved_leader_is_found() {
    let (mut world, producer) = world(2);
    world.command(&producer, send(1, vec![record(0, "a")]));
    sent(&mut world, &producer, 1).unwrap();
    world.cluster.move_leader("t", 0, 1);
    world.command(&producer, send(2, vec![record(0, "b")]));
    sent(&mut world, &producer, 2).unwrap();
    assert_eq!(world.cluster.values("t", 0), ["a", "b"]);
}

#[test]
fn a_broker_that_is_away_for_a_while_fails_no_send() {
    let (mut world, producer) = world(1);
    world.command(&producer, send(1, vec![record(0, "a")]));
    sent(&mut world, &producer, 1).unwrap();
    world.stop_node(0);
    world.command(&producer, send(2, vec![record(0, "b")]));
    world.run_for(60_000);
    assert!(producer.borrow().outputs.is_empty());
    world.cluster.down.clear();
    let back_at = world.now.monotonic;
    sent(&mut world, &producer, 2).unwrap();
    let ms = world.now.monotonic.ms_since(back_at);
    assert!(
        ms <= 2_500,
        "it took {ms} ms to notice that the broker is back"
    );
    assert_eq!(world.cluster.values("t", 0), ["a", "b"]);
}

#[test]
fn a_send_fails_when_its_time_is_over() {
    let (mut world, producer) = world(1);
    world.command(&producer, send(1, vec![record(0, "a")]));
    sent(&mut world, &producer, 1).unwrap();
    world.stop_node(0);
    world.command(&producer, send(2, vec![record(0, "b")]));
    let began = world.now.monotonic;
    let error = sent(&mut world, &producer, 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::RetriesExceeded);
    assert_eq!(
        (error.topic.as_deref(), error.partition),
        (Some("t"), Some(0))
    );
    let ms = world.now.monotonic.ms_since(began);
    assert!((120_000..125_000).contains(&ms), "{ms}");
}

#[test]
fn the_time_of_a_send_counts_while_its_records_are_under_way() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    let config = ProducerConfig {
        delivery_timeout_ms: 2_000,
        ..config()
    };
    let producer = world.add(Producer::new(config, 1));
    world.command(&producer, send(1, vec![record(0, "a")]));
    sent(&mut world, &producer, 1).unwrap();
    world
        .cluster
        .faults
        .push_back(Fault::Silence(ApiKey::Produce));
    let began = world.now.monotonic;
    world.command(&producer, send(2, vec![record(0, "unanswered")]));
    world.command(&producer, send(3, vec![record(0, "behind it")]));
    for id in [2, 3] {
        let error = sent(&mut world, &producer, id).unwrap_err();
        assert_eq!(error.kind, ErrorKind::RetriesExceeded);
        assert_eq!(error.partition, Some(0));
    }
    assert_eq!(world.now.monotonic.ms_since(began), 2_000);
    // The next one waits for the answer, or for the end of the connection, and has a new epoch.
    world.run_for(60_000);
    world.command(&producer, send(4, vec![record(0, "b")]));
    sent(&mut world, &producer, 4).unwrap();
    assert_eq!(world.cluster.values("t", 0), ["a", "b"]);
    let last = world.cluster.topics["t"][0].log.last().unwrap();
    let header = BatchHeader::read(last).unwrap();
    assert_eq!((header.producer_epoch, header.base_sequence), (1, 0));
}

#[test]
fn what_a_broker_refuses_for_now_is_sent_again_as_often_as_the_retries_say() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    let retry = RetryConfig {
        retries: 2,
        factor: 0.0,
        ..Default::default()
    };
    let client = ClientConfig {
        retry,
        ..client_config()
    };
    let producer = world.add(Producer::new(ProducerConfig { client, ..config() }, 1));
    world.command(&producer, send(1, vec![record(0, "a")]));
    sent(&mut world, &producer, 1).unwrap();
    let refuse = Fault::Error(ApiKey::Produce, ErrorCode::KafkaStorageError);
    let produces = |world: &World| {
        let requests = world.cluster.requests.iter();
        requests
            .filter(|(_, request)| request.api_key() == ApiKey::Produce)
            .count()
    };
    world.cluster.faults.extend([refuse; 3]);
    let (before, began) = (produces(&world), world.now.monotonic);
    world.command(&producer, send(2, vec![record(0, "full")]));
    let error = sent(&mut world, &producer, 2).unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::RetriesExceeded, ErrorCode::KafkaStorageError)
    );
    assert_eq!(error.retries, 2);
    assert_eq!(produces(&world) - before, 3);
    assert_eq!(world.now.monotonic.ms_since(began), 300 + 600);
    // It goes on when there is room, and a refusal that passes is not an error.
    world.cluster.faults.extend([refuse; 2]);
    world.command(&producer, send(3, vec![record(0, "b")]));
    sent(&mut world, &producer, 3).unwrap();
    assert_eq!(world.cluster.values("t", 0), ["a", "b"]);
}

#[test]
fn what_was_given_up_and_may_be_stored_is_not_mistaken_for_what_comes_next() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    let config = ProducerConfig {
        delivery_timeout_ms: 1_000,
        ..config()
    };
    let producer = world.add(Producer::new(config, 1));
    world.command(&producer, send(1, vec![record(0, "a")]));
    sent(&mut world, &producer, 1).unwrap();
    // Stored, but nobody tells; then the broker is away for longer than we try.
    world
        .cluster
        .faults
        .push_back(Fault::BreakAfter(ApiKey::Produce));
    world.command(&producer, send(2, vec![record(0, "maybe")]));
    world.settle();
    world.stop_node(0);
    sent(&mut world, &producer, 2).unwrap_err();
    world.cluster.down.clear();
    world.command(&producer, send(3, vec![record(0, "c")]));
    sent(&mut world, &producer, 3).unwrap();
    assert_eq!(world.cluster.values("t", 0), ["a", "maybe", "c"]);
    let headers = world.cluster.topics["t"][0]
        .log
        .iter()
        .map(|b| BatchHeader::read(b).unwrap());
    let epochs: Vec<_> = headers
        .map(|h| (h.producer_epoch, h.base_sequence))
        .collect();
    assert_eq!(epochs, [(0, 0), (0, 1), (1, 0)]);
}

#[test]
fn a_broker_that_has_forgotten_the_producer_gets_a_new_epoch() {
    for code in [
        ErrorCode::UnknownProducerId,
        ErrorCode::OutOfOrderSequenceNumber,
    ] {
        let (mut world, producer) = world(2);
        world.command(&producer, send(1, vec![record(0, "a"), record(1, "x")]));
        sent(&mut world, &producer, 1).unwrap();
        world
            .cluster
            .faults
            .push_back(Fault::Error(ApiKey::Produce, code));
        world.command(&producer, send(2, vec![record(0, "b")]));
        sent(&mut world, &producer, 2).unwrap();
        world.command(&producer, send(3, vec![record(0, "c"), record(1, "y")]));
        sent(&mut world, &producer, 3).unwrap();
        assert_eq!(world.cluster.values("t", 0), ["a", "b", "c"]);
        assert_eq!(world.cluster.values("t", 1), ["x", "y"]);
    }
}

#[test]
fn a_batch_that_is_too_large_for_the_topic_is_divided() {
    let (mut world, producer) = world(1);
    world
        .cluster
        .faults
        .push_back(Fault::Error(ApiKey::Produce, ErrorCode::MessageTooLarge));
    world
        .cluster
        .faults
        .push_back(Fault::Error(ApiKey::Produce, ErrorCode::MessageTooLarge));
    let records = (0..7).map(|n| record(0, &n.to_string())).collect();
    world.command(&producer, send(1, records));
    world.command(&producer, send(2, vec![record(0, "7")]));
    assert_eq!(offsets(&sent(&mut world, &producer, 1).unwrap()), [(0, 0)]);
    assert_eq!(offsets(&sent(&mut world, &producer, 2).unwrap()), [(0, 7)]);
    assert_eq!(
        world.cluster.values("t", 0),
        ["0", "1", "2", "3", "4", "5", "6", "7"]
    );
}

#[test]
fn a_record_that_is_larger_than_a_request_should_be_goes_alone() {
    let (mut world, producer) = world(1);
    let large = "x".repeat(3 << 20);
    let records = vec![record(0, "a"), record(0, &large), record(0, "b")];
    world.command(&producer, send(1, records));
    assert_eq!(offsets(&sent(&mut world, &producer, 1).unwrap()), [(0, 0)]);
    assert_eq!(world.cluster.values("t", 0), ["a", &large, "b"]);
    assert_eq!(world.cluster.topics["t"][0].log.len(), 3);
    world.command(&producer, send(2, vec![record(0, &"x".repeat(32 << 20))]));
    let error = sent(&mut world, &producer, 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
}

#[test]
fn what_the_broker_refuses_for_good_is_an_error_with_its_place() {
    let (mut world, producer) = world(1);
    world
        .cluster
        .faults
        .push_back(Fault::Error(ApiKey::Produce, ErrorCode::InvalidRecord));
    world.command(&producer, send(1, vec![record(0, "bad")]));
    let error = sent(&mut world, &producer, 1).unwrap_err();
    assert_eq!(
        (error.code, error.kind),
        (ErrorCode::InvalidRecord, ErrorKind::Protocol)
    );
    assert_eq!(
        (error.topic.as_deref(), error.partition),
        (Some("t"), Some(0))
    );
    assert!(!error.retriable && !error.is_virtual());
    world.command(&producer, send(2, vec![record(0, "good")]));
    assert_eq!(offsets(&sent(&mut world, &producer, 2).unwrap()), [(0, 0)]);
}

#[test]
fn a_partition_that_does_not_exist_is_an_error_and_nothing_of_the_send_is_stored() {
    let (mut world, producer) = world(2);
    world.command(&producer, send(1, vec![record(0, "a"), record(9, "b")]));
    let error = sent(&mut world, &producer, 1).unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(
        (error.topic.as_deref(), error.partition),
        (Some("t"), Some(9))
    );
    assert!(error.is_virtual() && !error.retriable);
    assert_eq!(world.cluster.values("t", 0), Vec::<String>::new());
    // One that has been added since is found.
    world.cluster.create("t", 10);
    world.command(&producer, send(2, vec![record(9, "b")]));
    sent(&mut world, &producer, 2).unwrap();
    assert_eq!(world.cluster.values("t", 9), ["b"]);
}

#[test]
fn a_topic_is_made_when_the_broker_does_so_and_missed_when_not() {
    let mut world = World::new(1);
    world.cluster.auto_create = Some(3);
    let producer = world.add(Producer::new(config(), 1));
    world.command(&producer, send(1, vec![record(0, "a")]));
    sent(&mut world, &producer, 1).unwrap();

    let mut world = World::new(1);
    let client = ClientConfig {
        allow_auto_topic_creation: false,
        ..client_config()
    };
    let producer = world.add(Producer::new(ProducerConfig { client, ..config() }, 1));
    world.cluster.auto_create = Some(3);
    world.command(&producer, send(1, vec![record(0, "a")]));
    let error = sent(&mut world, &producer, 1).unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(error.topic.as_deref(), Some("t"));
    // It is not asked for ever after.
    world.run_for(1_000);
    let asked = world.cluster.requests.len();
    world.run_for(60_000);
    assert!(world.cluster.requests.len() <= asked + 1);
}

#[test]
fn records_and_buffers_have_limits() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    let config = ProducerConfig {
        buffer_memory_bytes: 2_000_000,
        ..config()
    };
    let producer = world.add(Producer::new(config, 1));
    let large = "x".repeat(2 << 20);
    world.command(&producer, send(1, vec![record(0, "a"), record(0, &large)]));
    let error = sent(&mut world, &producer, 1).unwrap_err();
    assert_eq!(
        (error.code, error.kind),
        (ErrorCode::MessageTooLarge, ErrorKind::TooLarge)
    );
    let part = "x".repeat(1 << 20);
    let parts = vec![record(0, &part); 257];
    world.command(&producer, send(2, parts));
    let error = sent(&mut world, &producer, 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BufferFull);
    assert!(error.retriable);
    assert_eq!(world.cluster.partition("t", 0).end(), 0);
}

fn little_room() -> (World, Handle<Producer>) {
    let mut world = World::new(1);
    world.cluster.create("t", 2);
    let config = ProducerConfig {
        buffer_memory_bytes: 2_000,
        delivery_timeout_ms: 30_000,
        ..config()
    };
    let producer = world.add(Producer::new(config, 1));
    (world, producer)
}

#[test]
fn sends_wait_for_room_in_their_order() {
    let (mut world, producer) = little_room();
    let mut expected = Vec::new();
    for id in 0..20 {
        // Small ones must not overtake large ones.
        let size = if id % 3 == 0 { 1_500 } else { 10 };
        let value = format!("{id:-<size$}");
        world.command(&producer, send(id, vec![record(0, &value)]));
        expected.push(value);
    }
    for id in 0..20 {
        sent(&mut world, &producer, id).unwrap();
    }
    assert_eq!(world.cluster.values("t", 0), expected);
}

#[test]
fn a_send_that_is_larger_than_the_buffer_has_it_alone() {
    let (mut world, producer) = little_room();
    let large = "x".repeat(1_500);
    world.command(&producer, send(1, vec![record(1, "before")]));
    world.command(
        &producer,
        send(2, vec![record(0, &large), record(0, &large)]),
    );
    world.command(&producer, send(3, vec![record(1, "after")]));
    for id in 1..4 {
        sent(&mut world, &producer, id).unwrap();
    }
    assert_eq!(world.cluster.partition("t", 0).end(), 2);
    assert_eq!(world.cluster.values("t", 1), ["before", "after"]);
}

#[test]
fn room_is_waited_for_as_long_as_a_send_may_take() {
    let (mut world, producer) = little_room();
    let large = "x".repeat(1_500);
    world.command(&producer, send(1, vec![record(0, &large)]));
    sent(&mut world, &producer, 1).unwrap();
    world.stop_node(0);
    world.settle();
    let began = world.now.monotonic;
    for id in [2, 3] {
        world.command(&producer, send(id, vec![record(0, &large)]));
    }
    world.run_for(10_000);
    world.command(&producer, send(4, vec![record(0, &large)]));
    let errors = [3, 2].map(|id| sent(&mut world, &producer, id).unwrap_err().kind);
    assert_eq!(errors, [ErrorKind::BufferFull, ErrorKind::RetriesExceeded]);
    assert_eq!(world.now.monotonic.ms_since(began), 30_000);
    // What took up the room has made room for what came later.
    world.cluster.down.clear();
    sent(&mut world, &producer, 4).unwrap();
    assert_eq!(world.cluster.partition("t", 0).end(), 2);
}

#[test]
fn acks_none_is_answered_without_an_offset_and_carries_no_producer_id() {
    let (mut world, producer) = world(1);
    world.command(&producer, send_with(1, vec![record(0, "a")], Acks::None));
    let metadata = sent(&mut world, &producer, 1).unwrap();
    assert_eq!(offsets(&metadata), [(0, -1)]);
    world.command(&producer, send_with(2, vec![record(0, "b")], Acks::Leader));
    assert_eq!(offsets(&sent(&mut world, &producer, 2).unwrap()), [(0, 1)]);
    for batch in &world.cluster.topics["t"][0].log {
        assert!(!BatchHeader::read(batch).unwrap().has_producer_id());
    }
    let strict = ProducerConfig {
        idempotent: Some(true),
        ..config()
    };
    let producer = world.add(Producer::new(strict, 1));
    world.command(&producer, send_with(1, vec![record(0, "a")], Acks::Leader));
    assert_eq!(
        sent(&mut world, &producer, 1).unwrap_err().kind,
        ErrorKind::InvalidArgument
    );
}

#[test]
fn every_codec_arrives() {
    let (mut world, producer) = world(1);
    for (id, compression) in Compression::ALL.into_iter().enumerate() {
        let command = ProducerCommand::Send {
            id: CommandId(id as u64),
            topic_messages: vec![("t".into(), vec![record(0, "same"), record(0, "same")])],
            acks: Acks::All,
            timeout_ms: 30_000,
            compression,
        };
        world.command(&producer, command);
        sent(&mut world, &producer, id as u64).unwrap();
    }
    assert_eq!(world.cluster.values("t", 0), ["same"; 10]);
    let codecs = world.cluster.topics["t"][0].log.iter();
    let codecs: Vec<_> = codecs
        .map(|batch| BatchHeader::read(batch).unwrap().compression().unwrap())
        .collect();
    assert_eq!(codecs, Compression::ALL);
}

#[test]
fn closing_sends_what_waits_and_refuses_what_comes() {
    let (mut world, producer) = world(1);
    world.command(&producer, send(1, vec![record(0, "a")]));
    world.command(&producer, ProducerCommand::Close { id: CommandId(2) });
    world.command(&producer, send(3, vec![record(0, "late")]));
    assert_eq!(
        sent(&mut world, &producer, 3).unwrap_err().kind,
        ErrorKind::Closed
    );
    sent(&mut world, &producer, 1).unwrap();
    world.wait(&producer, |output| match output {
        ProducerOutput::Closed { id: CommandId(2) } => Some(()),
        _ => None,
    });
    assert_eq!(world.cluster.values("t", 0), ["a"]);
}

#[test]
fn partitions_are_told_for_a_partitioner_outside() {
    let (mut world, producer) = world(3);
    let command = ProducerCommand::PartitionsFor {
        id: CommandId(1),
        topic: "t".into(),
    };
    world.command(&producer, command);
    let partitions = world.wait(&producer, |output| match output {
        ProducerOutput::Partitions { result, .. } => Some(result.clone().unwrap()),
        _ => None,
    });
    assert_eq!(
        partitions
            .iter()
            .map(|known| known.leader)
            .collect::<Vec<_>>(),
        [Some(0), Some(1), Some(0)]
    );
}

#[test]
fn a_send_of_nothing_is_answered() {
    let (mut world, producer) = world(1);
    let nothing = ProducerCommand::Send {
        id: CommandId(1),
        topic_messages: vec![],
        acks: Acks::All,
        timeout_ms: 30_000,
        compression: Compression::None,
    };
    world.command(&producer, nothing);
    assert_eq!(sent(&mut world, &producer, 1).unwrap(), []);
}

#[test]
fn a_send_without_a_producer_id_does_not_wait_behind_one_that_gets_none() {
    let (mut world, producer) = world(1);
    let code = ErrorCode::ClusterAuthorizationFailed;
    for _ in 0..20 {
        let fault = Fault::Error(ApiKey::InitProducerId, code);
        world.cluster.faults.push_back(fault);
    }
    world.command(&producer, send(1, vec![record(0, "a")]));
    world.command(&producer, send_with(2, vec![record(0, "b")], Acks::Leader));
    let error = sent(&mut world, &producer, 1).unwrap_err();
    assert_eq!(error.code, code);
    assert_eq!(offsets(&sent(&mut world, &producer, 2).unwrap()), [(0, 0)]);
    let mut asked = world.cluster.requests.iter();
    let asked = asked.any(|(_, request)| matches!(request, Request::InitProducerId(_)));
    assert!(
        !asked || world.cluster.faults.len() == 19,
        "nobody needs an id"
    );
}

#[test]
fn a_partition_whose_leader_moves_does_not_wait_for_requests_of_the_former_one() {
    let (mut world, producer) = world(12);
    for id in 1..=6 {
        let partition = 2 * (id as i32 - 1);
        if id < 6 {
            world
                .cluster
                .faults
                .push_back(Fault::Silence(ApiKey::Produce));
        }
        world.command(&producer, send(id, vec![record(partition, "a")]));
        world.settle();
    }
    assert_eq!(produce_requests(&world), 5, "no more at a time to one node");
    world.cluster.move_leader("t", 10, 1);
    let moved = Fault::Error(ApiKey::Produce, ErrorCode::NotLeaderOrFollower);
    world.cluster.faults.push_back(moved);
    world.command(&producer, send(7, vec![record(1, "b")]));
    world.run_for(2_000);
    assert_eq!(world.cluster.values("t", 10), ["a"]);
}

#[test]
fn a_topic_that_cannot_be_is_told_of_at_once_and_nothing_of_the_send_is_stored() {
    let (mut world, producer) = world(1);
    let value = |value: &'static str| ProducerRecord {
        value: Some(Bytes::from_static(value.as_bytes())),
        ..Default::default()
    };
    let began = world.now.monotonic;
    let command = ProducerCommand::Send {
        id: CommandId(1),
        topic_messages: vec![
            ("t".into(), vec![value("a")]),
            ("no name".into(), vec![value("b")]),
        ],
        acks: Acks::All,
        timeout_ms: 30_000,
        compression: Compression::None,
    };
    world.command(&producer, command);
    let error = sent(&mut world, &producer, 1).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidTopicException);
    assert_eq!(
        (error.topic.as_deref(), error.retriable),
        (Some("no name"), false)
    );
    world.command(
        &producer,
        ProducerCommand::PartitionsFor {
            id: CommandId(2),
            topic: "no name".into(),
        },
    );
    let error = world.wait(&producer, |output| match output {
        ProducerOutput::Partitions { result, .. } => Some(result.clone().unwrap_err()),
        _ => None,
    });
    assert_eq!(error.code, ErrorCode::InvalidTopicException);
    assert!(world.now.monotonic.ms_since(began) < 1_000);
    assert_eq!(world.cluster.values("t", 0), [""; 0]);
    // The next one is not behind it.
    world.command(&producer, send(3, vec![record(0, "c")]));
    sent(&mut world, &producer, 3).unwrap();
}
