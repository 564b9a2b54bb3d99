use super::cluster::{Cluster, new_topic};
use crate::metadata::{MetadataImage, NO_LEADER};
use crate::protocol::messages::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::protocol::messages::create_partitions_request::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::unregister_broker_request::UnregisterBrokerRequest;
use crate::protocol::{Request, Uuid};
use crate::storage::faulty::Outcome;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Operation {
    Create {
        topic: u8,
        partitions: i32,
        replication_factor: i16,
    },
    Delete {
        topic: u8,
    },
    Grow {
        topic: u8,
        count: i32,
    },
    Register {
        broker: i32,
        incarnation: u8,
    },
    Heartbeat {
        broker: i32,
        want_fence: bool,
    },
    Unregister {
        broker: i32,
    },
    AllocateProducerIds {
        broker: i32,
    },
    Crash,
}

fn operation() -> impl Strategy<Value = (Operation, bool)> {
    let operation = prop_oneof![
        3 => (0..4u8, 1..4, 1..4i16).prop_map(|(topic, partitions, replication_factor)| {
            Operation::Create { topic, partitions, replication_factor }
        }),
        1 => (0..4u8).prop_map(|topic| Operation::Delete { topic }),
        1 => (0..4u8, 1..8).prop_map(|(topic, count)| Operation::Grow { topic, count }),
        3 => (1..4, 0..3u8).prop_map(|(broker, incarnation)| {
            Operation::Register { broker, incarnation }
        }),
        2 => (1..4, any::<bool>()).prop_map(|(broker, want_fence)| {
            Operation::Heartbeat { broker, want_fence }
        }),
        1 => (1..4).prop_map(|broker| Operation::Unregister { broker }),
        1 => (1..4).prop_map(|broker| Operation::AllocateProducerIds { broker }),
        1 => Just(Operation::Crash),
    ];
    (operation, prop::bool::weighted(0.15))
}

fn perform(mut cluster: Cluster, operation: Operation) -> Cluster {
    let epoch = |cluster: &Cluster, id| cluster.image().broker(id).map_or(-1, |known| known.epoch);
    match operation {
        Operation::Create {
            topic,
            partitions,
            replication_factor,
        } => {
            let name = format!("t{topic}");
            cluster.create_topics(vec![new_topic(&name, partitions, replication_factor, &[])]);
        }
        Operation::Delete { topic } => cluster.delete(&format!("t{topic}")),
        Operation::Grow { topic, count } => {
            let name = format!("t{topic}");
            let topic = CreatePartitionsTopic {
                name,
                count,
                assignments: None,
                ..Default::default()
            };
            cluster.ask(Request::CreatePartitions(CreatePartitionsRequest {
                topics: vec![topic],
                ..Default::default()
            }));
        }
        Operation::Register {
            broker,
            incarnation,
        } => {
            let _ = cluster.register(broker, incarnation);
        }
        Operation::Heartbeat { broker, want_fence } => {
            let broker_epoch = epoch(&cluster, broker);
            cluster.ask(Request::BrokerHeartbeat(BrokerHeartbeatRequest {
                broker_id: broker,
                broker_epoch,
                want_fence,
                ..Default::default()
            }));
        }
        Operation::Unregister { broker } => {
            cluster.ask(Request::UnregisterBroker(UnregisterBrokerRequest {
                broker_id: broker,
                ..Default::default()
            }));
        }
        Operation::AllocateProducerIds { broker } => {
            let broker_epoch = epoch(&cluster, broker);
            let _ = cluster.allocate(broker, broker_epoch);
        }
        Operation::Crash => return cluster.crash(),
    }
    cluster
}

/// What holds of every image, and from one to the next.
fn check(before: &BTreeMap<(Uuid, i32), i32>, image: &MetadataImage) -> BTreeMap<(Uuid, i32), i32> {
    let mut leader_epochs = BTreeMap::new();
    for topic in image.topics() {
        for (index, partition) in &topic.partitions {
            assert!(!partition.isr.is_empty(), "somebody has the records");
            assert!(
                partition
                    .isr
                    .iter()
                    .all(|id| partition.replicas.contains(id))
            );
            if partition.leader != NO_LEADER {
                assert!(partition.isr.contains(&partition.leader));
                assert!(!image.broker(partition.leader).unwrap().fenced);
            }
            let key = (topic.topic_id, *index);
            let epoch = partition.leader_epoch;
            assert!(before.get(&key).is_none_or(|before| *before <= epoch));
            leader_epochs.insert(key, epoch);
        }
    }
    leader_epochs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_log_replayed_is_the_image(operations in prop::collection::vec(operation(), 1..40)) {
        let mut cluster = Cluster::with_brokers(&[1, 2, 3]);
        let mut leader_epochs = BTreeMap::new();
        for (operation, fails) in operations {
            let before = cluster.image().clone();
            let crashes = matches!(operation, Operation::Crash);
            cluster.outcome = if fails { Outcome::Failed } else { Outcome::Done };
            cluster = perform(cluster, operation);
            cluster.outcome = Outcome::Done;
            if fails || crashes {
                prop_assert_eq!(cluster.image(), &before);
            }
            prop_assert_eq!(&cluster.stopped, &None);
            let live = cluster.image().clone();
            prop_assert_eq!(cluster.replayed(), live.clone());
            let mut from_snapshot = MetadataImage::default();
            let records = live.to_records();
            let base_offset = live.end_offset() - records.len() as i64;
            from_snapshot.apply(base_offset, &records).unwrap();
            prop_assert_eq!(&from_snapshot, &live);
            leader_epochs = check(&leader_epochs, &live);
        }
    }
}
