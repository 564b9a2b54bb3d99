//! The engine on IndexedDB: what was acknowledged is there, once, whatever happens to brokers.

use super::cluster::Cluster;
use super::storage::Patch;
use js_sys::Date;
use std::collections::BTreeMap;
use tablog::client::KafkaError;
use tablog::client::admin::{AdminResult, Operation};
use tablog::client::consumer::FetchedBatch;
use tablog::client::producer::{ProducerConfig, ProducerRecord, RecordMetadata};
use tablog::log::DIRECT_BYTES_MIN;
use tablog::protocol::ErrorCode;
use tablog::record::{Compression, Header, Record};
use tablog::storage::indexed_db::{IndexedDbStorage, delete_database};
use tablog::storage::{KeyRange, Storage, Store};
use wasm_bindgen_test::wasm_bindgen_test;

const TOPIC: &str = "events";
const PARTITIONS: i32 = 3;
const KEYS: usize = 7;

#[wasm_bindgen_test]
async fn what_was_acknowledged_and_committed_outlives_the_broker() {
    let cluster = Cluster::fresh("outlives").await;
    let admin = cluster.admin();
    admin.create_topic(TOPIC, PARTITIONS, &[]).await;
    let producer = cluster.producer(ProducerConfig::default());
    let mut sent = Vec::new();
    for compression in Compression::ALL {
        let records = keyed(compression.name(), 40);
        let stored = producer.send(TOPIC, records.clone(), compression).await;
        let parts = stored.expect("there is room");
        assert!(parts.iter().all(|part| part.error_code == 0), "{parts:?}");
        sent.extend(records);
    }
    let first = cluster.member("group", TOPIC).await;
    let mut read = first.read(sent.len() / 2, 10).await;
    first.commit().await;
    let positions = positions(&read);
    let high_watermarks = admin.high_watermarks(TOPIC).await;
    drop((first, producer, admin));

    cluster.crash();
    cluster.open().await;
    let admin = cluster.admin();
    let names = ["__consumer_offsets".to_owned(), TOPIC.to_owned()].into();
    let listed = admin.run(Operation::ListTopics).await;
    assert_eq!(listed, AdminResult::Names(names));
    assert_eq!(admin.high_watermarks(TOPIC).await, high_watermarks);
    assert_eq!(committed(&cluster, "group").await, positions);

    let second = cluster.member("group", TOPIC).await;
    let left = sent.len() - count(&read);
    read.extend(second.read(left, 10).await);
    second.commit().await;
    assert_eq!(per_partition(&read), high_watermarks);
    assert_eq!(by_key(&read), expected_by_key(&sent));

    let other = cluster.member("other group", TOPIC).await;
    let all = other.read(sent.len(), usize::MAX).await;
    assert_eq!(by_key(&all), expected_by_key(&sent));
    drop((second, other, admin));
    cluster.delete().await;
}

#[wasm_bindgen_test]
async fn a_send_whose_answer_was_lost_is_stored_once() {
    let cluster = Cluster::fresh("lost-answer").await;
    let admin = cluster.admin();
    admin.create_topic(TOPIC, 1, &[]).await;
    let producer = cluster.producer(ProducerConfig::default());
    let send = async |text: &str| {
        let records = vec![record("key", text)];
        producer.send(TOPIC, records, Compression::None).await
    };
    assert_eq!(base_offset(&send("before").await), Some(0));

    cluster.crash_before_the_next_acknowledgement();
    let unanswered = producer.begin_send(TOPIC, vec![record("key", "once")], Compression::None);
    cluster.until_gone().await;
    cluster.open().await;

    assert_eq!(base_offset(&producer.sent(unanswered).await), Some(1));
    assert_eq!(base_offset(&send("after").await), Some(2));
    assert_eq!(admin.high_watermarks(TOPIC).await, [3]);
    let reader = cluster.member("group", TOPIC).await;
    assert_eq!(
        values(&reader.read(3, usize::MAX).await),
        ["before", "once", "after"]
    );
    drop((reader, producer, admin));
    cluster.delete().await;
}

#[wasm_bindgen_test]
async fn a_broker_whose_databases_were_taken_over_stores_nothing_and_stops() {
    let cluster = Cluster::fresh("zombie").await;
    let admin = cluster.admin();
    admin.create_topic(TOPIC, 1, &[]).await;
    let patience = ProducerConfig {
        delivery_timeout_ms: 3_000,
        ..ProducerConfig::default()
    };
    let of_the_zombie = cluster.producer(patience);
    let stored = of_the_zombie.send(TOPIC, vec![record("key", "before")], Compression::None);
    stored.await.expect("it is the owner");

    let successor = Cluster::sharing(&cluster);
    successor.open().await;
    let producer = successor.producer(ProducerConfig::default());
    let stored = producer.send(TOPIC, vec![record("key", "successor's")], Compression::None);
    assert_eq!(base_offset(&stored.await), Some(1));

    let refused = of_the_zombie.send(TOPIC, vec![record("key", "zombie's")], Compression::None);
    let asked_at = Date::now();
    let error = refused.await.expect_err("it is not the owner any more");
    let waited_ms = Date::now() - asked_at;
    assert!(
        waited_ms < 20_000.0,
        "nobody said that nobody is there: {waited_ms} ms"
    );
    assert!(error.topic.as_deref() == Some(TOPIC), "{error:?}");
    let stops = cluster.stops();
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert!(stops[0].contains("another owner"), "{stops:?}");

    let stored = producer.send(TOPIC, vec![record("key", "after")], Compression::None);
    assert_eq!(base_offset(&stored.await), Some(2));
    let reader = successor.member("group", TOPIC).await;
    assert_eq!(
        values(&reader.read(3, usize::MAX).await),
        ["before", "successor's", "after"]
    );
    assert_eq!(successor.stops(), [""; 0]);
    drop((reader, producer, of_the_zombie, admin));
    successor.crash();
    cluster.delete().await;
}

#[wasm_bindgen_test]
async fn a_mebibyte_goes_straight_to_a_segment() {
    const RECORDS: usize = 16;
    const VALUE_BYTES: usize = 64 << 10;
    let cluster = Cluster::fresh("mebibyte").await;
    let admin = cluster.admin();
    let limit = (2 << 20).to_string();
    let configs = [("max.message.bytes", limit.as_str())];
    admin.create_topic(TOPIC, 1, &configs).await;
    let producer = cluster.producer(ProducerConfig {
        max_request_size_bytes: 2 << 20,
        ..ProducerConfig::default()
    });
    let value = |index: usize| vec![index as u8; VALUE_BYTES];
    let large = |index| ProducerRecord {
        value: Some(value(index).into()),
        ..ProducerRecord::default()
    };
    let records = (0..RECORDS).map(large).collect();
    let stored = producer.send(TOPIC, records, Compression::None).await;
    assert_eq!(base_offset(&stored), Some(0));
    drop((producer, admin));
    cluster.crash();

    let stores = IndexedDbStorage::new(cluster.databases().0);
    stores.open().await.expect("the broker is gone");
    assert!(bytes_in(&stores, Store::Segment).await >= RECORDS * VALUE_BYTES);
    assert!(bytes_in(&stores, Store::Journal).await < DIRECT_BYTES_MIN);
    stores.close().await;

    cluster.open().await;
    let reader = cluster.member("group", TOPIC).await;
    let read = reader.read(RECORDS, usize::MAX).await;
    for (index, record) in records_of(&read).enumerate() {
        assert_eq!(record.offset, index as i64);
        assert!(record.value.as_ref().is_some_and(|it| *it == value(index)));
    }
    assert_eq!(count(&read), RECORDS);
    drop(reader);
    cluster.delete().await;
}

#[wasm_bindgen_test]
async fn a_small_slow_topic_expires_and_is_compacted_across_a_reopening() {
    let configs = [
        ("log.retention.check.interval.ms", "200"),
        ("log.cleaner.backoff.ms", "200"),
    ];
    let cluster = Cluster::fresh("slow").await;
    cluster.crash();
    cluster.open_with(&configs).await;
    let admin = cluster.admin();
    let retention = [("retention.ms", "3000"), ("segment.ms", "100")];
    admin.create_topic("retained", 1, &retention).await;
    let compaction = [
        ("cleanup.policy", "compact"),
        ("max.compaction.lag.ms", "1000"),
        ("delete.retention.ms", "1000"),
    ];
    admin.create_topic("compacted", 1, &compaction).await;
    let producer = cluster.producer(ProducerConfig::default());
    let send = async |topic: &str, record: ProducerRecord| {
        let sent = producer.send(topic, vec![record], Compression::None).await;
        base_offset(&sent)
    };
    for value in ["secret", "last"] {
        for topic in ["retained", "compacted"] {
            assert!(send(topic, record("key", value)).await.is_some());
        }
    }
    drop((producer, admin));
    cluster.crash();
    cluster.open_with(&configs).await;
    let admin = cluster.admin();
    admin.until_log_start("retained", 2).await;

    // What was replaced is gone; what replaced it is there.
    let until_values = async |values: &[Option<&str>]| {
        for attempt in 0.. {
            let reader = cluster
                .member(&format!("group {attempt}"), "compacted")
                .await;
            let read = reader.read(values.len().max(1), 1).await;
            let found: Vec<_> = records_of(&read).map(|it| it.value.clone()).collect();
            let values = values.iter().map(|it| it.map(|it| it.as_bytes().to_vec()));
            if found
                .iter()
                .map(|it| it.as_ref().map(|it| it.to_vec()))
                .eq(values)
            {
                break;
            }
            assert!(attempt < 100, "{found:?}");
        }
    };
    until_values(&[Some("last")]).await;
    drop(admin);
    cluster.delete().await;
}

#[wasm_bindgen_test]
async fn a_deleted_cluster_stops_its_broker_though_nobody_asks_for_anything() {
    for of_controller in [false, true] {
        let cluster = Cluster::fresh("deleted").await;
        let (own, metadata) = cluster.databases();
        let name = if of_controller { metadata } else { own };
        let deleted = delete_database(&name).await;
        deleted.expect("its owner gives way");
        cluster.until_stopped().await;
        assert_eq!(cluster.stops(), ["the database was deleted"]);
        cluster.delete().await;
    }
}

#[wasm_bindgen_test]
async fn under_a_full_quota_sends_fail_and_all_else_goes_on() {
    let cluster = Cluster::fresh("quota").await;
    let admin = cluster.admin();
    admin.create_topic(TOPIC, 1, &[]).await;
    let producer = cluster.producer(ProducerConfig {
        delivery_timeout_ms: 1_000,
        ..ProducerConfig::default()
    });
    let send = async |text: &str| {
        let records = vec![record("key", text)];
        producer.send(TOPIC, records, Compression::None).await
    };
    assert_eq!(base_offset(&send("before").await), Some(0));
    let reader = cluster.member("group", TOPIC).await;
    let mut read = reader.read(1, usize::MAX).await;

    let full = Patch::new(
        r#"(store => {
            const original = store.put;
            store.put = function () { throw new DOMException("full", "QuotaExceededError"); };
            return () => { store.put = original; };
        })(IDBObjectStore.prototype)"#,
    );
    let error = send("refused").await.expect_err("there is no room");
    assert_eq!(error.code, ErrorCode::KafkaStorageError);
    assert!(error.retriable);
    assert!(error.message.contains("quota"), "{error}");
    let place = (error.topic.as_deref(), error.partition);
    assert_eq!(place, (Some(TOPIC), Some(0)));
    assert_eq!(admin.high_watermarks(TOPIC).await, [1]);
    drop(full);

    assert_eq!(base_offset(&send("after").await), Some(1));
    read.extend(reader.read(1, usize::MAX).await);
    assert_eq!(values(&read), ["before", "after"]);
    assert_eq!(cluster.stops(), [""; 0]);
    drop((reader, producer, admin));
    cluster.delete().await;
}

#[wasm_bindgen_test]
async fn a_deleted_database_stops_the_broker_and_is_not_created_anew() {
    let cluster = Cluster::fresh("deleted").await;
    let admin = cluster.admin();
    admin.create_topic(TOPIC, 1, &[]).await;
    let producer = cluster.producer(ProducerConfig {
        delivery_timeout_ms: 1_000,
        ..ProducerConfig::default()
    });
    let send = async || {
        let records = vec![record("key", "value")];
        producer.send(TOPIC, records, Compression::None).await
    };
    assert_eq!(base_offset(&send().await), Some(0));
    let deleted = delete_database(&cluster.databases().0).await;
    deleted.expect("the broker gives it up");
    send().await.expect_err("there is nothing to store it in");
    assert_eq!(cluster.stops(), ["the database was deleted"]);
    drop((producer, admin));
    cluster.delete().await;
}

/// Records with each of the keys in turn; each value says which of its key it is.
fn keyed(name: &str, count: usize) -> Vec<ProducerRecord> {
    let keyed = |index: usize| ProducerRecord {
        headers: vec![
            header("codec", Some(name)),
            header("codec", None),
            header("", Some("")),
        ],
        timestamp: Some(1_000_000 + index as i64),
        ..record(&format!("key {}", index % KEYS), &format!("{name} {index}"))
    };
    (0..count).map(keyed).collect()
}

fn header(key: &str, value: Option<&str>) -> Header {
    Header {
        key: key.to_owned().into(),
        value: value.map(|value| value.to_owned().into()),
    }
}

fn record(key: &str, value: &str) -> ProducerRecord {
    ProducerRecord {
        key: Some(key.to_owned().into()),
        value: Some(value.to_owned().into()),
        ..ProducerRecord::default()
    }
}

fn records_of(batches: &[FetchedBatch]) -> impl Iterator<Item = &Record> {
    batches.iter().flat_map(|batch| &batch.records)
}

fn count(batches: &[FetchedBatch]) -> usize {
    records_of(batches).count()
}

fn values(batches: &[FetchedBatch]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(record.value.clone()?.into()).ok();
    records_of(batches).filter_map(text).collect()
}

/// All but the offset of each record, by key, in the order of reading.
type ByKey = BTreeMap<Vec<u8>, Vec<(Vec<u8>, i64, Vec<Header>)>>;

fn by_key(batches: &[FetchedBatch]) -> ByKey {
    let mut by_key = ByKey::new();
    for record in records_of(batches) {
        let key = record.key.clone().expect("they all have one").into();
        let value = record.value.clone().expect("they all have one").into();
        let entry = (value, record.timestamp, record.headers.clone());
        by_key.entry(key).or_default().push(entry);
    }
    by_key
}

fn expected_by_key(sent: &[ProducerRecord]) -> ByKey {
    let mut by_key = ByKey::new();
    for record in sent {
        let key = record.key.clone().expect("they all have one").into();
        let value = record.value.clone().expect("they all have one").into();
        let timestamp = record.timestamp.expect("they all have one");
        let entry = (value, timestamp, record.headers.clone());
        by_key.entry(key).or_default().push(entry);
    }
    by_key
}

/// Where each partition goes on, of those that something was read of.
fn positions(batches: &[FetchedBatch]) -> BTreeMap<i32, i64> {
    let position = |batch: &FetchedBatch| (batch.partition.partition, batch.next_offset);
    batches.iter().map(position).collect()
}

/// How many records were read of each partition; each has its place, so none was read twice.
fn per_partition(batches: &[FetchedBatch]) -> Vec<i64> {
    let mut next = vec![0; PARTITIONS as usize];
    for batch in batches {
        for record in &batch.records {
            let next = &mut next[batch.partition.partition as usize];
            assert_eq!(record.offset, *next, "of {:?}", batch.partition);
            *next += 1;
        }
    }
    next
}

async fn committed(cluster: &Cluster, group_id: &str) -> BTreeMap<i32, i64> {
    let operation = Operation::FetchOffsets {
        group_id: group_id.to_owned(),
        topics: vec![TOPIC.to_owned()],
        resolve_offsets: false,
    };
    let AdminResult::GroupOffsets(offsets) = cluster.admin().run(operation).await else {
        panic!("these are offsets of a group");
    };
    let offsets = offsets.into_iter().filter(|it| it.offset >= 0);
    offsets
        .map(|it| (it.partition.partition, it.offset))
        .collect()
}

fn base_offset(sent: &Result<Vec<RecordMetadata>, KafkaError>) -> Option<i64> {
    match sent.as_deref() {
        Ok([part]) if part.error_code == 0 => Some(part.base_offset),
        _ => None,
    }
}

async fn bytes_in(storage: &IndexedDbStorage, store: Store) -> usize {
    let rows = storage.read(&KeyRange::all(store), usize::MAX).await;
    let rows = rows.expect("it is open");
    rows.iter().map(|row| row.value.len()).sum()
}
