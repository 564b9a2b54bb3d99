use super::cluster::{Cluster, fetch_request, new_topic};
use crate::machine::{CONNECTION_REQUESTS_MAX, ConnectionId, Event};
use crate::metadata::{ControllerConfig, PARTITIONS_MAX, decode_batch};
use crate::now::Instant;
use crate::protocol::messages::api_versions_request::ApiVersionsRequest;
use crate::protocol::messages::create_topics_request::CreateTopicsRequest;
use crate::protocol::messages::produce_request::ProduceRequest;
use crate::protocol::{ApiKey, ErrorCode, Request, Response, decode_response};
use crate::storage::faulty::{FaultyMedium, Outcome};

const BROKER: ConnectionId = ConnectionId(5);

fn create_request(name: &str) -> Request {
    Request::CreateTopics(CreateTopicsRequest {
        topics: vec![new_topic(name, 1, 1, &[])],
        ..Default::default()
    })
}

/// The correlation ids that were answered on a connection.
fn answered(cluster: &mut Cluster, connection: ConnectionId) -> Vec<i32> {
    let frames = cluster.responses.remove(&connection).unwrap_or_default();
    let ids = frames
        .iter()
        .map(|frame| i32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]));
    ids.collect()
}

#[test]
fn an_answer_waits_until_its_records_are_durable() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let id = cluster.send(BROKER, 7, &create_request("t"));
    assert_eq!(answered(&mut cluster, BROKER), [] as [i32; 0]);
    cluster.settle();
    assert_eq!(answered(&mut cluster, BROKER), [id]);
}

#[test]
fn even_a_refusal_waits_for_what_it_rests_on() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let created = cluster.send(BROKER, 7, &create_request("t"));
    let other = ConnectionId(6);
    let refused = cluster.send(other, 7, &create_request("t"));
    assert_eq!(answered(&mut cluster, other), [] as [i32; 0]);
    cluster.settle();
    assert_eq!(answered(&mut cluster, BROKER), [created]);
    assert_eq!(answered(&mut cluster, other), [refused]);
}

#[test]
fn what_was_answered_survives_a_crash() {
    let mut cluster = Cluster::with_brokers(&[1, 2]);
    let topic_id = cluster.create("t", 3, &[("retention.ms", "-1")]).unwrap();
    let before = cluster.image().clone();
    let mut cluster = cluster.crash();
    assert_eq!(cluster.image(), &before);
    assert_eq!(cluster.image().topic("t").unwrap().topic_id, topic_id);
    assert_eq!(cluster.replayed(), before);
}

#[test]
fn what_was_answered_survives_a_power_cut() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("t", 1, &[]).unwrap();
    let before = cluster.image().clone();
    cluster.medium.power_loss(0);
    assert_eq!(cluster.crash().image(), &before);
}

#[test]
fn a_failed_commit_takes_back_what_was_not_durable() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("before", 1, &[]).unwrap();
    let before = cluster.image().clone();
    cluster.outcome = Outcome::Quota;
    let (error, message) = cluster.create("lost", 1, &[]).unwrap_err();
    assert_eq!(error, ErrorCode::KafkaStorageError);
    assert_eq!(message, "the storage quota is full");
    assert_eq!(cluster.image(), &before);
    cluster.outcome = Outcome::Done;
    cluster.create("lost", 1, &[]).unwrap();
    assert_eq!(cluster.replayed(), cluster.image().clone());
    assert_eq!(cluster.stopped, None);
}

#[test]
fn everything_behind_a_failed_commit_gets_the_error() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.outcome = Outcome::Failed;
    let first = cluster.send(BROKER, 7, &create_request("a"));
    let second = cluster.send(BROKER, 7, &create_request("a"));
    cluster.settle();
    for id in [first, second] {
        let frame = cluster
            .responses
            .get_mut(&BROKER)
            .unwrap()
            .pop_front()
            .unwrap();
        let (answered, response) = decode_response(ApiKey::CreateTopics, 7, frame).unwrap();
        let Response::CreateTopics(response) = response else {
            panic!("{response:?}")
        };
        assert_eq!(answered, id);
        assert_eq!(
            response.topics[0].error_code,
            ErrorCode::KafkaStorageError.code()
        );
    }
    assert!(cluster.image().topic("a").is_none());
}

#[test]
fn an_unknown_outcome_is_settled_before_the_answer() {
    for outcome in [Outcome::UnknownApplied, Outcome::UnknownNotApplied] {
        let mut cluster = Cluster::with_brokers(&[1]);
        cluster.send(BROKER, 7, &create_request("t"));
        cluster.perform_one(outcome);
        assert_eq!(answered(&mut cluster, BROKER), [] as [i32; 0]);
        cluster.settle();
        assert_eq!(answered(&mut cluster, BROKER).len(), 1);
        assert!(cluster.crash().image().topic("t").is_some());
    }
}

#[test]
fn a_controller_whose_storage_was_taken_over_stops() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let mut successor = Cluster::on(cluster.medium.clone(), cluster.config.clone());
    successor.create("t", 1, &[]).unwrap();
    cluster.send(BROKER, 7, &create_request("lost"));
    cluster.settle();
    assert!(cluster.stopped.is_some());
    assert_eq!(answered(&mut cluster, BROKER), [] as [i32; 0]);
}

#[test]
fn the_log_does_not_grow_for_ever() {
    let config = ControllerConfig {
        snapshot_after_bytes: 32 * 1024,
        ..Cluster::new().config
    };
    let mut cluster = Cluster::on(FaultyMedium::new(), config);
    cluster.register(1, 1).unwrap();
    cluster.create("kept", 10, &[]).unwrap();
    for round in 0..40 {
        let name = format!("t{round}");
        cluster.create(&name, 400, &[]).unwrap();
        cluster.delete(&name);
    }
    let start = cluster.fetch(cluster.image().end_offset()).log_start_offset;
    assert!(
        start > 0,
        "a snapshot has taken the place of the oldest records"
    );
    assert_eq!(
        cluster.fetch(0).error_code,
        ErrorCode::OffsetOutOfRange.code()
    );
    let live = cluster.image().clone();
    assert_eq!(cluster.replayed(), live);
    let mut cluster = cluster.crash();
    assert_eq!(cluster.image(), &live);
    assert_eq!(cluster.replayed(), live);
}

#[test]
fn a_snapshot_may_be_larger_than_what_any_request_writes() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let configs = [("retention.ms", "1000"), ("retention.bytes", "1000")];
    for request in 0..4 {
        let topics = (0..PARTITIONS_MAX / 4)
            .map(|index| new_topic(&format!("{request}-{index:0>247}"), 1, 1, &configs));
        let created = cluster.create_topics(topics.collect());
        assert!(created.iter().all(|topic| topic.error_code == 0));
    }
    let start = cluster.fetch(cluster.image().end_offset()).log_start_offset;
    let snapshot = cluster.fetch(start).records.unwrap();
    let (_, batch) = crate::record::batches(&snapshot).next().unwrap().unwrap();
    assert!(batch.len() > 4 << 20, "{}", batch.len());
    let (_, records) = decode_batch(&batch).unwrap();
    assert!(records.len() > 3 * PARTITIONS_MAX);
    let live = cluster.image().clone();
    assert_eq!(cluster.replayed(), live);
    let mut cluster = cluster.crash();
    assert_eq!(cluster.image(), &live);
    // What is behind it goes on in segments of their own.
    cluster.register(1, 2).unwrap();
    assert_eq!(cluster.crash().stopped, None);
}

#[test]
fn a_fetch_waits_for_records() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let end = cluster.image().end_offset();
    let id = cluster.send(BROKER, 17, &fetch_request(end, 500));
    assert_eq!(answered(&mut cluster, BROKER), [] as [i32; 0]);
    cluster.create("t", 1, &[]).unwrap();
    assert_eq!(answered(&mut cluster, BROKER), [id]);
}

#[test]
fn a_fetch_gives_nothing_that_is_not_durable() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let end = cluster.image().end_offset();
    cluster.send(BROKER, 7, &create_request("t"));
    let other = ConnectionId(6);
    cluster.send(other, 17, &fetch_request(end, 500));
    assert_eq!(answered(&mut cluster, other), [] as [i32; 0]);
    assert!(cluster.image().end_offset() > end);
    cluster.settle();
    assert_eq!(answered(&mut cluster, other).len(), 1);
}

#[test]
fn a_fetch_ends_at_its_deadline() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let end = cluster.image().end_offset();
    let id = cluster.send(BROKER, 17, &fetch_request(end, 500));
    cluster.now.monotonic = Instant(499);
    cluster.handle(Event::Woken);
    assert_eq!(answered(&mut cluster, BROKER), [] as [i32; 0]);
    cluster.now.monotonic = Instant(500);
    cluster.handle(Event::Woken);
    assert_eq!(answered(&mut cluster, BROKER), [id]);
}

#[test]
fn a_request_behind_a_long_poll_ends_it() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let end = cluster.image().end_offset();
    let fetch = cluster.send(BROKER, 17, &fetch_request(end, 30_000));
    let refused = cluster.send(BROKER, 7, &create_request("not a name"));
    assert_eq!(answered(&mut cluster, BROKER), [fetch, refused]);
}

#[test]
fn other_partitions_cannot_be_fetched() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let Request::Fetch(mut request) = fetch_request(0, 500) else {
        unreachable!()
    };
    request.topics[0].topic_id = Default::default();
    let Response::Fetch(response) = cluster.ask(Request::Fetch(request)) else {
        unreachable!()
    };
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.error_code, ErrorCode::UnknownTopicId.code());
}

#[test]
fn requests_before_the_log_was_read_wait_for_it() {
    let cluster = Cluster::with_brokers(&[1]);
    let mut cluster = Cluster::unsettled(cluster.medium.clone(), cluster.config.clone());
    let id = cluster.send(BROKER, 7, &create_request("t"));
    assert_eq!(answered(&mut cluster, BROKER), [] as [i32; 0]);
    cluster.settle();
    assert_eq!(answered(&mut cluster, BROKER), [id]);
    assert!(cluster.image().topic("t").is_some());
}

#[test]
fn what_it_serves_is_told() {
    let mut cluster = Cluster::new();
    let response = cluster.ask(Request::ApiVersions(ApiVersionsRequest::default()));
    let Response::ApiVersions(response) = response else {
        panic!("{response:?}")
    };
    let keys: Vec<i16> = response.api_keys.iter().map(|api| api.api_key).collect();
    assert_eq!(keys, [1, 18, 19, 20, 33, 37, 44, 56, 62, 63, 64, 67]);
}

#[test]
fn what_it_does_not_serve_closes_the_connection() {
    let mut cluster = Cluster::new();
    cluster.send(BROKER, 3, &Request::Produce(ProduceRequest::default()));
    assert_eq!(cluster.closed, [BROKER]);
}

#[test]
fn nothing_is_answered_on_a_connection_that_was_closed() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let end = cluster.image().end_offset();
    cluster.send(BROKER, 7, &create_request("t"));
    cluster.send(BROKER, 17, &fetch_request(end, 30_000));
    cluster.send(BROKER, 3, &Request::Produce(ProduceRequest::default()));
    assert_eq!(cluster.closed, [BROKER]);
    cluster.settle();
    assert_eq!(answered(&mut cluster, BROKER), [] as [i32; 0]);
    // What was asked is done all the same.
    assert!(cluster.image().topic("t").is_some());
}

#[test]
fn requests_beyond_what_a_connection_may_have_open_wait_their_turn() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let create = create_request("t");
    let sent: Vec<i32> = (0..CONNECTION_REQUESTS_MAX + 200)
        .map(|_| cluster.send(BROKER, 7, &create))
        .collect();
    cluster.settle();
    assert_eq!(answered(&mut cluster, BROKER), sent);
    assert_eq!(cluster.closed, []);
}
