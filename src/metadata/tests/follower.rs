use super::cluster::{CLUSTER_ID, Cluster, new_topic};
use crate::log::PartitionId;
use crate::machine::{ConnectionId, Event};
use crate::metadata::*;
use crate::protocol::messages::create_topics_request::CreateTopicsRequest;
use crate::protocol::{ErrorCode, Request, Response, Uuid};
use crate::storage::faulty::{FaultyMedium, Outcome};

/// A broker that follows a controller.
struct Broker {
    follower: MetadataFollower,
    connection: ConnectionId,
}

impl Broker {
    fn new(node_id: i32, incarnation: u8) -> Broker {
        let follower = MetadataFollower::new(Registration {
            node_id,
            cluster_id: CLUSTER_ID.to_string(),
            incarnation_id: Uuid([incarnation; 16]),
            endpoints: Vec::new(),
            rack: None,
        });
        let connection = ConnectionId(u64::from(incarnation) << 8 | node_id as u64);
        Broker {
            follower: follower.unwrap(),
            connection,
        }
    }

    /// Carries frames to and fro until none is left, and gives what they came to.
    fn run(&mut self, cluster: &mut Cluster) -> Vec<FollowerEvent> {
        let mut events = Vec::new();
        loop {
            let sent = self.send(cluster);
            cluster.settle();
            let answers = cluster
                .responses
                .get(&self.connection)
                .map_or(0, |queue| queue.len());
            if sent == 0 && answers == 0 {
                return events;
            }
            events.extend(self.receive(cluster));
        }
    }

    /// Sends what the follower wants to: how many frames.
    fn send(&mut self, cluster: &mut Cluster) -> usize {
        let frames = self.follower.take_frames();
        let count = frames.len();
        for frame in frames {
            let connection = self.connection;
            cluster.feed(Event::Request { connection, frame });
        }
        count
    }

    /// Takes the answers that there are.
    fn receive(&mut self, cluster: &mut Cluster) -> Vec<FollowerEvent> {
        let replies = cluster
            .responses
            .remove(&self.connection)
            .unwrap_or_default();
        let events = replies
            .into_iter()
            .flat_map(|reply| self.follower.handle_reply(cluster.now, reply).unwrap());
        events.collect()
    }

    fn wait(&mut self, cluster: &mut Cluster) -> Vec<FollowerEvent> {
        cluster.now.monotonic = self.follower.next_deadline().expect("a deadline");
        self.follower.tick(cluster.now);
        self.run(cluster)
    }

    /// Loses the controller, and finds it again.
    fn reconnect(&mut self, cluster: &mut Cluster) -> Vec<FollowerEvent> {
        cluster.handle(Event::Closed {
            connection: self.connection,
        });
        cluster.responses.remove(&self.connection);
        let mut events = self.follower.controller_lost(cluster.now);
        events.extend(self.wait(cluster));
        events
    }
}

fn create(name: &str) -> Request {
    Request::CreateTopics(CreateTopicsRequest {
        topics: vec![new_topic(name, 1, 1, &[])],
        ..Default::default()
    })
}

fn position(events: &[FollowerEvent], wanted: fn(&FollowerEvent) -> bool) -> usize {
    events
        .iter()
        .position(wanted)
        .unwrap_or_else(|| panic!("{events:?}"))
}

fn is_image(event: &FollowerEvent) -> bool {
    matches!(event, FollowerEvent::ImageChanged(_))
}

fn is_registered(event: &FollowerEvent) -> bool {
    matches!(event, FollowerEvent::Registered { .. })
}

fn is_reply(event: &FollowerEvent) -> bool {
    matches!(event, FollowerEvent::Reply { .. })
}

#[test]
fn a_broker_registers_and_catches_up_before_it_says_so() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("t", 1, &[]).unwrap();
    let mut broker = Broker::new(1, 2);
    let events = broker.run(&mut cluster);
    assert!(position(&events, is_image) < position(&events, is_registered));
    assert_eq!(broker.follower.image(), cluster.image());
    let partition = &broker.follower.image().topic("t").unwrap().partitions[&0];
    assert_eq!((partition.leader, partition.leader_epoch), (1, 1));
}

#[test]
fn a_forwarded_reply_comes_when_the_image_has_caught_up() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    broker.follower.forward(7, 7, create("t")).unwrap();
    let events = broker.run(&mut cluster);
    assert!(position(&events, is_image) < position(&events, is_reply));
    assert!(broker.follower.image().topic("t").is_some());
    let FollowerEvent::Reply {
        token: 7,
        response: Response::CreateTopics(response),
    } = &events[position(&events, is_reply)]
    else {
        panic!("{events:?}")
    };
    assert_eq!(response.topics[0].error_code, 0);
}

#[test]
fn a_refusal_is_forwarded_without_waiting_for_a_long_poll() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    broker.follower.forward(7, 7, create("not a name")).unwrap();
    // No time passes.
    assert_eq!(position(&broker.run(&mut cluster), is_reply), 0);
}

#[test]
fn replies_keep_their_order_and_their_tokens() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    for (token, name) in [(1, "a"), (2, "a"), (3, "b")] {
        broker.follower.forward(token, 7, create(name)).unwrap();
    }
    let replies = broker
        .run(&mut cluster)
        .into_iter()
        .filter_map(|event| match event {
            FollowerEvent::Reply {
                token,
                response: Response::CreateTopics(response),
            } => Some((token, response.topics[0].error_code)),
            _ => None,
        });
    assert_eq!(replies.collect::<Vec<_>>(), [(1, 0), (2, 36), (3, 0)]);
}

#[test]
fn a_fetch_from_before_a_reply_does_not_release_it() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    broker.follower.forward(1, 7, create("a")).unwrap();
    broker.follower.forward(2, 7, create("b")).unwrap();
    broker.send(&mut cluster);
    // Only the commit of the first; the fetch that follows it overtakes the second's.
    cluster.perform_one(Outcome::Done);
    assert_eq!(broker.receive(&mut cluster), []);
    broker.send(&mut cluster);
    cluster.settle();
    let events = broker.receive(&mut cluster);
    let tokens = events.iter().filter_map(|event| match event {
        FollowerEvent::Reply { token, .. } => Some(*token),
        _ => None,
    });
    assert_eq!(tokens.collect::<Vec<_>>(), [1]);
    assert!(broker.follower.image().topic("b").is_none());
    position(&broker.run(&mut cluster), is_reply);
    assert!(broker.follower.image().topic("b").is_some());
}

#[test]
fn a_broker_learns_what_others_have_done() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    let topic_id = cluster.create("t", 1, &[("retention.ms", "5")]).unwrap();
    let events = broker.run(&mut cluster);
    assert_eq!(
        events,
        [FollowerEvent::ImageChanged(vec![
            Change::TopicCreated {
                name: "t".to_string(),
                topic_id
            },
            Change::ConfigChanged {
                topic: "t".to_string()
            },
            Change::PartitionChanged {
                topic_id,
                partition: 0
            },
        ])]
    );
    cluster.delete("t");
    assert_eq!(
        broker.run(&mut cluster),
        [FollowerEvent::ImageChanged(vec![Change::TopicDeleted {
            name: "t".to_string(),
            topic_id,
            partitions: vec![0],
        }])]
    );
}

fn lost(broker: &mut Broker, partition: i32) {
    lost_under(broker, partition, epochs(broker)[partition as usize]);
}

fn lost_under(broker: &mut Broker, partition: i32, leader_epoch: i32) {
    let image = broker.follower.image();
    let topic_id = image.topic("t").unwrap().topic_id;
    broker.follower.raise_leader_epoch(
        PartitionId {
            topic_id,
            partition,
        },
        leader_epoch,
    );
}

fn epochs(broker: &Broker) -> Vec<i32> {
    let partitions = &broker.follower.image().topic("t").unwrap().partitions;
    partitions.values().map(|it| it.leader_epoch).collect()
}

/// A broker that leads the partitions of a topic `t`.
fn leader(cluster: &mut Cluster, partitions: i32) -> Broker {
    let mut broker = Broker::new(1, 1);
    broker.run(cluster);
    cluster.create("t", partitions, &[]).unwrap();
    broker.run(cluster);
    broker
}

#[test]
fn the_leader_epochs_of_lost_ends_rise_together_and_no_others() {
    let mut cluster = Cluster::new();
    let mut broker = leader(&mut cluster, 4);
    let before = broker.follower.broker_epoch();
    lost(&mut broker, 1);
    lost(&mut broker, 3);
    assert_eq!(broker.send(&mut cluster), 1);
    broker.run(&mut cluster);
    assert_eq!(epochs(&broker), [0, 1, 0, 1]);
    assert_eq!(
        broker.follower.broker_epoch(),
        before,
        "it is still registered"
    );
    assert_eq!(broker.send(&mut cluster), 0);
}

#[test]
fn what_is_lost_while_epochs_rise_waits_for_its_turn() {
    let mut cluster = Cluster::new();
    let mut broker = leader(&mut cluster, 2);
    lost(&mut broker, 0);
    broker.send(&mut cluster);
    lost(&mut broker, 1);
    assert_eq!(broker.send(&mut cluster), 0, "one is outstanding");
    broker.run(&mut cluster);
    assert_eq!(epochs(&broker), [1, 1]);
}

#[test]
fn epochs_that_storage_refuses_to_raise_are_raised_later() {
    let mut cluster = Cluster::new();
    let mut broker = leader(&mut cluster, 1);
    cluster.outcome = Outcome::Failed;
    lost(&mut broker, 0);
    broker.run(&mut cluster);
    assert_eq!(epochs(&broker), [0]);
    cluster.outcome = Outcome::Done;
    broker.wait(&mut cluster);
    assert_eq!(epochs(&broker), [1]);
}

#[test]
fn epochs_rise_once_even_if_the_controller_is_lost_before_it_answers() {
    for was_done in [false, true] {
        let mut cluster = Cluster::new();
        let mut broker = leader(&mut cluster, 1);
        lost(&mut broker, 0);
        broker.send(&mut cluster);
        if was_done {
            cluster.settle();
        }
        let mut cluster = cluster.crash();
        broker.reconnect(&mut cluster);
        assert_eq!(epochs(&broker), [1], "done before: {was_done}");
    }
}

#[test]
fn an_end_that_is_lost_again_under_the_raised_epoch_has_it_raised_again() {
    let mut cluster = Cluster::new();
    let mut broker = leader(&mut cluster, 1);
    lost(&mut broker, 0);
    broker.send(&mut cluster);
    cluster.settle();
    lost_under(&mut broker, 0, 1);
    broker.reconnect(&mut cluster);
    broker.wait(&mut cluster);
    assert_eq!(epochs(&broker), [2]);
}

#[test]
fn a_topic_that_is_deleted_needs_no_epoch() {
    let mut cluster = Cluster::new();
    let mut broker = leader(&mut cluster, 2);
    lost(&mut broker, 1);
    cluster.delete("t");
    // The broker has not heard of it when it asks.
    broker.send(&mut cluster);
    broker.run(&mut cluster);
    cluster.now.monotonic = broker.follower.next_deadline().expect("a deadline");
    broker.follower.tick(cluster.now);
    broker.run(&mut cluster);
    assert_eq!(
        broker.follower.next_deadline(),
        None,
        "it does not ask again"
    );
}

#[test]
fn a_registration_that_storage_refuses_is_tried_again() {
    let mut cluster = Cluster::new();
    cluster.outcome = Outcome::Quota;
    let mut broker = Broker::new(1, 1);
    assert_eq!(broker.run(&mut cluster), []);
    cluster.outcome = Outcome::Done;
    let events = broker.wait(&mut cluster);
    assert_eq!(
        events.iter().filter(|event| is_registered(event)).count(),
        1
    );
}

#[test]
fn a_broker_of_another_cluster_stops() {
    let mut cluster = Cluster::new();
    cluster.config.cluster_id = "other".to_string();
    let mut cluster = cluster.crash();
    let mut broker = Broker::new(1, 1);
    let frame = broker.follower.take_frames().remove(0);
    cluster.handle(Event::Request {
        connection: broker.connection,
        frame,
    });
    let reply = cluster
        .responses
        .get_mut(&broker.connection)
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(
        broker.follower.handle_reply(cluster.now, reply),
        Err(MetadataError::RegistrationRefused(
            ErrorCode::InconsistentClusterId
        ))
    );
}

#[test]
fn an_older_incarnation_learns_that_it_is_fenced() {
    let mut cluster = Cluster::new();
    let mut old = Broker::new(1, 1);
    old.run(&mut cluster);
    let mut new = Broker::new(1, 2);
    new.run(&mut cluster);
    assert!(old.run(&mut cluster).contains(&FollowerEvent::Fenced));
    assert!(!new.run(&mut cluster).contains(&FollowerEvent::Fenced));
}

#[test]
fn producer_ids_are_never_given_twice() {
    let mut cluster = Cluster::new();
    let mut ids = Vec::new();
    for incarnation in 1..=3 {
        let mut broker = Broker::new(1, incarnation);
        assert_eq!(broker.follower.take_producer_id(), None);
        let events = broker.run(&mut cluster);
        assert!(events.contains(&FollowerEvent::ProducerIds));
        for _ in 0..2500 {
            // The next block is asked for while half of one is left.
            ids.push(broker.follower.take_producer_id().expect("an id"));
            broker.run(&mut cluster);
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn a_lost_controller_fails_what_was_forwarded() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    broker.follower.forward(7, 7, create("t")).unwrap();
    let events = broker.reconnect(&mut cluster);
    let FollowerEvent::Reply {
        token: 7,
        response: Response::CreateTopics(response),
    } = &events[0]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        response.topics[0].error_code,
        ErrorCode::RequestTimedOut.code()
    );
    assert!(events.iter().any(is_registered));
}

#[test]
fn a_reply_waits_for_the_image_even_if_the_controller_is_lost() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    broker.follower.forward(7, 7, create("t")).unwrap();
    broker.send(&mut cluster);
    cluster.settle();
    // The end of the long poll, and the reply; nothing that the broker asks for after them.
    assert_eq!(broker.receive(&mut cluster), []);
    assert!(broker.follower.image().topic("t").is_none());
    let events = broker.reconnect(&mut cluster);
    assert!(position(&events, is_image) < position(&events, is_reply));
    assert!(broker.follower.image().topic("t").is_some());
}

#[test]
fn a_controller_that_comes_back_changes_nothing_by_that() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    cluster.create("t", 1, &[]).unwrap();
    broker.run(&mut cluster);
    let mut cluster = cluster.crash();
    let changes = broker
        .reconnect(&mut cluster)
        .into_iter()
        .filter_map(|event| match event {
            FollowerEvent::ImageChanged(changes) => Some(changes),
            _ => None,
        });
    // The topic is not deleted and created again on the way; the broker has registered again.
    assert_eq!(
        changes.flatten().collect::<Vec<_>>(),
        [Change::BrokerChanged { broker_id: 1 }]
    );
}

#[test]
fn a_controller_that_has_lost_topics_takes_them_from_the_image() {
    let mut cluster = Cluster::new();
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    cluster.create("t", 1, &[]).unwrap();
    broker.run(&mut cluster);
    let mut cluster = Cluster::on(FaultyMedium::new(), cluster.config.clone());
    broker.reconnect(&mut cluster);
    assert!(broker.follower.image().topic("t").is_none());
    assert_eq!(broker.follower.image(), cluster.image());
}

#[test]
fn a_broker_that_was_away_reads_the_snapshot() {
    let config = ControllerConfig {
        snapshot_after_bytes: 32 * 1024,
        ..Cluster::new().config
    };
    let mut cluster = Cluster::on(FaultyMedium::new(), config);
    let mut broker = Broker::new(1, 1);
    broker.run(&mut cluster);
    for round in 0..40 {
        let name = format!("t{round}");
        cluster.create(&name, 400, &[]).unwrap();
        cluster.delete(&name);
    }
    cluster.create("t", 1, &[]).unwrap();
    broker.run(&mut cluster);
    assert_eq!(broker.follower.image(), cluster.image());
    // One that never was there.
    let mut other = Broker::new(2, 1);
    other.run(&mut cluster);
    assert_eq!(other.follower.image(), cluster.image());
}
