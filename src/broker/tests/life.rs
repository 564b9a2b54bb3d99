//! Timers, the start, and what the controller's connection holds.

use super::node::{Node, batch, fetch_request, produce_request};
use crate::broker::{Broker, BrokerConfig};
use crate::machine::{Effect, Event, Machine, Peer};
use crate::now::{Instant, Now, Timestamp};
use crate::protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use crate::protocol::messages::delete_topics_request::DeleteTopicsRequest;
use crate::protocol::messages::unregister_broker_request::UnregisterBrokerRequest;
use crate::protocol::{Request, Response, Uuid};
use crate::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};

#[test]
fn a_timer_that_fires_early_is_set_again() {
    let mut node = Node::start();
    node.create_topic("t", 1, &[]);
    node.send(1, 11, Request::Fetch(fetch_request("t", 0, 0, 1, 1_000)));
    node.wake_early();
    assert!(node.answer(1).is_none());
    node.pass(10);
    assert!(node.answer(1).is_some());
}

#[test]
fn a_broker_that_loses_its_controller_at_the_start_tries_again() {
    let storage = FaultyStorage::new(&FaultyMedium::new());
    storage.open_now().unwrap();
    let mut broker = Broker::new(BrokerConfig::default(), Uuid([1; 16])).unwrap();
    let mut handle = |ms, event| {
        let now = Now {
            monotonic: Instant(ms),
            wall: Timestamp(super::node::START_MS),
        };
        let mut effects = Vec::new();
        broker.handle(now, event, &mut effects);
        for effect in &effects {
            if let Effect::Storage(request) = effect {
                storage.submit(request.clone());
            }
        }
        effects
    };
    handle(0, Event::Opened { seed: [1; 16] });
    while let Some(ticket) = storage.ready().first() {
        let reply = storage.perform(*ticket, Outcome::Done).unwrap();
        handle(0, Event::Storage(reply));
    }
    let peer = Peer::Controller;
    let effects = handle(1, Event::PeerLost { peer });
    let wake_at = effects.iter().find_map(|effect| match effect {
        Effect::WakeAt(instant) => Some(*instant),
        _ => None,
    });
    let effects = handle(wake_at.expect("a timer").0, Event::Woken);
    let sent = |effect: &Effect| matches!(effect, Effect::Send { .. });
    assert!(effects.iter().any(sent), "{effects:?}");
}

#[test]
fn one_client_cannot_fill_the_connection_to_the_controller() {
    let mut node = Node::start();
    // What is asked behind this one waits until it is durable.
    let create = |name: &str| {
        Request::CreateTopics(CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.to_owned(),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            }],
            ..Default::default()
        })
    };
    for number in 0..1_200 {
        node.send(2 + number % 2, 5, create("same"));
    }
    node.run();
    assert!(node.is_closed(2) && node.is_closed(3));
    assert_eq!(node.stopped, None);
    assert_eq!(node.produce("same", 0, batch(&["a"])).error_code, 0);
}

#[test]
fn a_produce_to_a_topic_that_is_deleted_meanwhile_is_answered() {
    let mut node = Node::start();
    node.create_topic("t", 1, &[]);
    node.commits = None;
    let request = produce_request("t", 0, -1, Some(batch(&["a"])));
    node.send(1, 9, Request::Produce(request));
    let delete = DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 1_000,
        ..Default::default()
    };
    node.send(2, 4, Request::DeleteTopics(delete));
    node.run();
    assert!(node.answer(1).is_some());
    node.commits = Some(Outcome::Done);
    node.run();
    node.create_topic("t", 1, &[]);
    assert_eq!(node.produce("t", 0, batch(&["b"])).base_offset, 0);
}

#[test]
fn a_broker_that_is_unregistered_while_it_runs_registers_again() {
    let mut node = Node::start();
    node.create_topic("t", 1, &[]);
    node.produce("t", 0, batch(&["a"]));
    let unregister = UnregisterBrokerRequest {
        broker_id: 0,
        ..Default::default()
    };
    let Response::UnregisterBroker(response) = node.ask(0, Request::UnregisterBroker(unregister))
    else {
        panic!("no answer");
    };
    assert_eq!(response.error_code, 0);
    node.pass(1_000);
    assert_eq!(node.produce("t", 0, batch(&["b"])).base_offset, 1);
}
