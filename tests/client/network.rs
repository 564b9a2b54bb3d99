use tablog::client::producer::{ProducerCommand, ProducerConfig, ProducerOutput};
use tablog::client::{ClientConfig, CommandId, ErrorKind, KafkaError, Producer};
use tablog::protocol::{ApiKey, ErrorCode, Request};

use super::fake_cluster::Fault;
use super::producer::client_config;
use super::world::{Handle, World};

fn connect(world: &mut World, client: ClientConfig) -> (Handle<Producer>, Result<(), KafkaError>) {
    let config = ProducerConfig {
        client,
        ..Default::default()
    };
    let producer = world.add(Producer::new(config, 1));
    world.command(&producer, ProducerCommand::Connect { id: CommandId(1) });
    let result = world.wait(&producer, |output| match output {
        ProducerOutput::Connected { result, .. } => Some(result.clone()),
        _ => None,
    });
    (producer, result)
}

#[test]
fn connecting_tells_when_a_broker_has_answered() {
    let mut world = World::new(3);
    connect(&mut world, client_config()).1.unwrap();
    // One connection served for the versions and the metadata.
    assert_eq!(world.cluster.requests.len(), 2);
}

#[test]
fn connecting_gives_up_after_the_retries() {
    let mut world = World::new(1);
    world.cluster.down.insert(0);
    let began = world.now.monotonic;
    let error = connect(&mut world, client_config()).1.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RetriesExceeded);
    assert_eq!(error.code, ErrorCode::NetworkException);
    let ms = world.now.monotonic.ms_since(began);
    assert!((9_300..12_000).contains(&ms), "{ms}");
}

#[test]
fn a_broker_that_knows_only_old_versions_is_asked_in_these() {
    let mut world = World::new(1);
    let code = ErrorCode::UnsupportedVersion;
    world
        .cluster
        .faults
        .push_back(Fault::Error(ApiKey::ApiVersions, code));
    connect(&mut world, client_config()).1.unwrap();
    let asked = world.cluster.requests.iter();
    let asked = asked.filter(|(_, request)| matches!(request, Request::ApiVersions(_)));
    assert_eq!(asked.count(), 2);
}

#[test]
fn a_broker_that_does_not_answer_is_left_after_the_request_timeout() {
    let mut world = World::new(2);
    world
        .cluster
        .faults
        .push_back(Fault::Silence(ApiKey::Metadata));
    let client = ClientConfig {
        request_timeout_ms: 2_000,
        ..client_config()
    };
    let began = world.now.monotonic;
    connect(&mut world, client).1.unwrap();
    let ms = world.now.monotonic.ms_since(began);
    assert!((2_000..3_000).contains(&ms), "{ms}");
}

#[test]
fn time_in_which_nobody_could_run_fails_nothing() {
    let mut world = World::new(1);
    world.cluster.create("t", 1);
    let (producer, _) = connect(&mut world, client_config());
    world.stop_node(0);
    world.command(
        &producer,
        ProducerCommand::Send {
            id: CommandId(2),
            topic_messages: vec![("t".into(), vec![Default::default()])],
            acks: Default::default(),
            timeout_ms: 1_000,
            compression: Default::default(),
        },
    );
    world.settle();
    // The laptop sleeps for a day.
    world.freeze(86_400_000);
    world.cluster.down.clear();
    let error = world.wait(&producer, |output| match output {
        ProducerOutput::Sent { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(error, None);
}
