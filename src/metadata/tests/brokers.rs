use super::cluster::{Cluster, new_topic};
use crate::metadata::NO_LEADER;
use crate::protocol::messages::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::protocol::messages::broker_registration_request::BrokerRegistrationRequest;
use crate::protocol::messages::unregister_broker_request::UnregisterBrokerRequest;
use crate::protocol::{ErrorCode, Request, Response};

/// Three brokers, and a topic with one partition on all of them, which 1 leads.
fn replicated() -> Cluster {
    let mut cluster = Cluster::with_brokers(&[1, 2, 3]);
    cluster.create_topics(vec![new_topic("t", 1, 3, &[])]);
    let partition = cluster.partition("t", 0);
    assert_eq!(
        (partition.leader, partition.isr.as_slice()),
        (1, [1, 2, 3].as_slice())
    );
    cluster
}

fn heartbeat(cluster: &mut Cluster, broker_id: i32, want_fence: bool) -> (i16, bool) {
    let broker_epoch = cluster
        .image()
        .broker(broker_id)
        .map_or(-1, |broker| broker.epoch);
    let response = cluster.ask(Request::BrokerHeartbeat(BrokerHeartbeatRequest {
        broker_id,
        broker_epoch,
        want_fence,
        ..Default::default()
    }));
    let Response::BrokerHeartbeat(response) = response else {
        panic!("{response:?}")
    };
    (response.error_code, response.is_fenced)
}

#[test]
fn a_registration_is_the_brokers_epoch() {
    let mut cluster = Cluster::new();
    let first = cluster.register(1, 1).unwrap();
    assert_eq!(cluster.image().broker(1).unwrap().epoch, first);
    assert!(cluster.register(1, 1).unwrap() > first);
}

#[test]
fn a_broker_of_another_cluster_is_refused() {
    let mut cluster = Cluster::new();
    let request = BrokerRegistrationRequest {
        cluster_id: "x".to_string(),
        ..Default::default()
    };
    let response = cluster.ask(Request::BrokerRegistration(request));
    let Response::BrokerRegistration(response) = response else {
        panic!("{response:?}")
    };
    assert_eq!(response.error_code, ErrorCode::InconsistentClusterId.code());
    assert_eq!(cluster.image().brokers().count(), 0);
}

#[test]
fn a_new_incarnation_raises_the_epoch_of_what_the_broker_leads() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("t", 2, &[]).unwrap();
    assert_eq!(cluster.partition("t", 1).leader_epoch, 0);
    cluster.register(1, 1).unwrap();
    assert_eq!(cluster.partition("t", 1).leader_epoch, 0, "it was here");
    cluster.register(1, 2).unwrap();
    let partition = cluster.partition("t", 1);
    assert_eq!((partition.leader, partition.leader_epoch), (1, 1));
    assert_eq!(partition.isr, [1], "the only replica stays in sync");
}

#[test]
fn a_new_incarnation_leaves_the_isr_before_the_election() {
    let mut cluster = replicated();
    cluster.register(1, 2).unwrap();
    let partition = cluster.partition("t", 0);
    assert_eq!((partition.leader, partition.leader_epoch), (2, 1));
    assert_eq!(partition.isr, [2, 3]);
}

#[test]
fn a_follower_that_restarts_leaves_the_isr_and_the_leader_stays() {
    let mut cluster = replicated();
    cluster.register(3, 2).unwrap();
    let partition = cluster.partition("t", 0);
    assert_eq!((partition.leader, partition.leader_epoch), (1, 0));
    assert_eq!(partition.isr, [1, 2]);
}

#[test]
fn the_same_incarnation_stays_in_sync() {
    let mut cluster = replicated();
    cluster.register(1, 1).unwrap();
    let partition = cluster.partition("t", 0);
    assert_eq!((partition.leader, partition.leader_epoch), (1, 0));
    assert_eq!(partition.isr, [1, 2, 3]);
}

#[test]
fn a_fenced_broker_leads_nothing_until_it_is_back() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("t", 1, &[]).unwrap();
    assert_eq!(heartbeat(&mut cluster, 1, true), (0, true));
    let partition = cluster.partition("t", 0);
    assert_eq!((partition.leader, partition.leader_epoch), (NO_LEADER, 1));
    assert_eq!(partition.isr, [1], "nobody else has its records");
    assert_eq!(heartbeat(&mut cluster, 1, false), (0, false));
    let partition = cluster.partition("t", 0);
    assert_eq!((partition.leader, partition.leader_epoch), (1, 2));
}

#[test]
fn a_broker_of_an_older_epoch_is_fenced() {
    let mut cluster = Cluster::new();
    let old = cluster.register(1, 1).unwrap();
    cluster.register(1, 2).unwrap();
    assert_eq!(cluster.allocate(1, old), Err(ErrorCode::StaleBrokerEpoch));
    assert_eq!(
        heartbeat(&mut cluster, 9, false).0,
        ErrorCode::BrokerIdNotRegistered.code()
    );
}

#[test]
fn an_unregistered_brokers_partitions_go_to_others() {
    let mut cluster = replicated();
    let request = UnregisterBrokerRequest {
        broker_id: 1,
        ..Default::default()
    };
    let response = cluster.ask(Request::UnregisterBroker(request));
    let Response::UnregisterBroker(response) = response else {
        panic!("{response:?}")
    };
    assert_eq!(response.error_code, 0);
    assert!(cluster.image().broker(1).is_none());
    assert_eq!(cluster.partition("t", 0).leader, 2);
}

#[test]
fn producer_ids_are_given_once_even_across_crashes() {
    let mut cluster = Cluster::new();
    let epoch = cluster.register(1, 1).unwrap();
    assert_eq!(cluster.allocate(1, epoch), Ok(0));
    assert_eq!(cluster.allocate(1, epoch), Ok(1000));
    let mut cluster = cluster.crash();
    assert_eq!(cluster.allocate(1, epoch), Ok(2000));
}
