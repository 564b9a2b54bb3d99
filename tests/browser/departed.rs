//! How the first broker of a page starts: without room, and with members of the page before.

use super::cluster::{CLIENT_HOST, Cluster};
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use std::pin::pin;
use tablog::broker::{Broker, BrokerConfig};
use tablog::client::admin::{AdminResult, Operation};
use tablog::client::producer::{ProducerConfig, ProducerRecord};
use tablog::metadata::ControllerConfig;
use tablog::protocol::Uuid;
use tablog::record::Compression;
use tablog::runtime::{BrokerHost, HostError, seed};
use tablog::storage::memory::MemoryStorage;
use tablog::storage::{Entry, Fence, KeyRange, Storage, StorageError, WriteBatch};
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn members_whose_clients_are_gone_leave_at_once() {
    let cluster = Cluster::fresh("departed").await;
    let admin = cluster.admin();
    admin.create_topic("events", 1, &[]).await;
    let producer = cluster.producer(ProducerConfig::default());
    let record = ProducerRecord {
        value: Some("value".into()),
        ..ProducerRecord::default()
    };
    let sent = producer.send("events", vec![record], Compression::None);
    sent.await.expect("there is room");
    for group in ["one", "two"] {
        let member = cluster.member(group, "events").await;
        // Who reads has joined.
        member.read(1, 1).await;
    }
    drop((producer, admin));
    cluster.crash();
    cluster.open().await;
    let hosts = Vec::from_iter(cluster.broker().member_hosts().await);
    assert_eq!(hosts, [CLIENT_HOST]);
    cluster.broker().dismiss(&["/elsewhere".to_owned()]).await;
    assert_eq!(cluster.broker().member_hosts().await.len(), 1);
    cluster.broker().dismiss_departed_members().await;
    let group_ids = vec!["one".to_owned(), "two".to_owned()];
    let described = cluster
        .admin()
        .run(Operation::DescribeGroups { group_ids })
        .await;
    let AdminResult::DescribedGroups(groups) = described else {
        panic!("{described:?}");
    };
    let states: Vec<_> = groups
        .iter()
        .map(|it| (&*it.state, it.members.len()))
        .collect();
    assert_eq!(states, [("Empty", 0), ("Empty", 0)]);
    cluster.delete().await;
}

#[wasm_bindgen_test]
async fn a_broker_that_cannot_register_says_so_instead_of_starting_for_ever() {
    let config = BrokerConfig::default();
    let controller = ControllerConfig {
        cluster_id: config.cluster_id.clone(),
        broker: config.configs.clone(),
        ..ControllerConfig::default()
    };
    let broker = Broker::new(config, Uuid(seed().expect("there is crypto")));
    let broker = broker.expect("the name is short");
    let host = BrokerHost::open(broker, controller, Full::new(), Full::new(), |why| {
        panic!("{why}")
    });
    let host = host.await.expect("it can be opened");
    let serving = pin!(host.serving());
    let patience = TimeoutFuture::new(20_000);
    let Either::Left((ended, _)) = select(serving, patience).await else {
        panic!("it neither serves nor says why not");
    };
    let Err(HostError::Storage(error)) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(error, StorageError::Quota);
}

/// A store that can be read, and has no room.
struct Full(MemoryStorage);

impl Full {
    fn new() -> Full {
        Full(MemoryStorage::new())
    }
}

impl Storage for Full {
    async fn open(&self) -> Result<Fence, StorageError> {
        self.0.open().await
    }

    async fn commit(&self, _: Fence, _: &WriteBatch) -> Result<Fence, StorageError> {
        Err(StorageError::Quota)
    }

    async fn fence(&self) -> Result<Fence, StorageError> {
        self.0.fence().await
    }

    async fn read(&self, range: &KeyRange, bytes_max: usize) -> Result<Vec<Entry>, StorageError> {
        self.0.read(range, bytes_max).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
