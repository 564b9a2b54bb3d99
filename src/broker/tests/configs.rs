//! Every config of topics and brokers makes a difference, or refuses what would make none.

use super::frames::{GROUP, TOPIC, find_coordinator};
use super::node::{Node, fetch_request, produce_request, read};
use crate::metadata::configs::{BROKER_CONFIGS, BrokerConfigs, TOPIC_CONFIGS};
use crate::protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::messages::metadata_response::MetadataResponse;
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use crate::protocol::{ErrorCode, Request, Response};
use crate::record::{BatchBuilder, BatchFields, BatchHeader, Compression};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// A config, a value that is not its default, and what that does.
type Row = (&'static str, &'static str, Effect);

enum Effect {
    /// The scenario ends otherwise with the value than without it.
    Seen(fn(&Setting) -> String),
    /// Nobody may set it.
    Refused,
}

use Effect::{Refused, Seen};

const TOPIC_ROWS: &[Row] = &[
    ("segment.bytes", "1048576", Seen(start_of_a_large_log)),
    ("segment.ms", "1000", Seen(start_after_closed_segments)),
    ("segment.jitter.ms", "1000", Refused),
    ("segment.index.bytes", "100", Refused),
    ("flush.messages", "1", Seen(commits_that_a_power_cut_takes)),
    ("flush.ms", "1000", Refused),
    ("retention.bytes", "1", Seen(start_of_small_segments)),
    ("retention.ms", "1000", Seen(start_after_a_while)),
    ("max.message.bytes", "80", Seen(produce_of_100_bytes)),
    ("index.interval.bytes", "100", Refused),
    (
        "delete.retention.ms",
        "1000",
        Seen(records_after_a_tombstone),
    ),
    ("min.compaction.lag.ms", "3600000", Seen(compacted_records)),
    (
        "max.compaction.lag.ms",
        "1000",
        Seen(compacted_records_of_a_new_segment),
    ),
    ("file.delete.delay.ms", "0", Refused),
    ("min.cleanable.dirty.ratio", "1", Seen(compacted_records)),
    ("cleanup.policy", "compact", Seen(produce_without_a_key)),
    ("unclean.leader.election.enable", "true", Refused),
    ("min.insync.replicas", "2", Seen(produce_of_100_bytes)),
    ("compression.type", "gzip", Seen(stored_codec)),
    ("compression.gzip.level", "5", Refused),
    ("compression.lz4.level", "5", Refused),
    ("compression.zstd.level", "5", Refused),
    ("preallocate", "true", Refused),
    (
        "message.timestamp.type",
        "LogAppendTime",
        Seen(produce_of_yesterday),
    ),
    (
        "message.timestamp.before.max.ms",
        "1000",
        Seen(produce_of_yesterday),
    ),
    (
        "message.timestamp.after.max.ms",
        "1000",
        Seen(produce_of_the_next_minute),
    ),
    ("leader.replication.throttled.replicas", "*", Refused),
    ("follower.replication.throttled.replicas", "*", Refused),
    ("remote.storage.enable", "true", Refused),
    ("local.retention.ms", "1000", Refused),
    ("local.retention.bytes", "1000", Refused),
    ("remote.log.copy.disable", "true", Refused),
    ("remote.log.delete.on.disable", "true", Refused),
    ("internal.segment.bytes", "150", Seen(start_of_a_small_log)),
];

const BROKER_ROWS: &[Row] = &[
    ("node.id", "7", Seen(brokers)),
    ("num.partitions", "4", Seen(partitions_of_a_new_topic)),
    (
        "default.replication.factor",
        "2",
        Seen(partitions_of_a_new_topic),
    ),
    (
        "auto.create.topics.enable",
        "false",
        Seen(topic_that_is_asked_for),
    ),
    ("delete.topic.enable", "false", Seen(deletion_of_a_topic)),
    ("offsets.topic.num.partitions", "3", Seen(offsets_topic)),
    ("offsets.topic.replication.factor", "2", Seen(offsets_topic)),
    (
        "offsets.topic.segment.bytes",
        "2097152",
        Seen(offsets_topic),
    ),
    (
        "offsets.retention.minutes",
        "1",
        Seen(offset_that_is_checked_often),
    ),
    (
        "offsets.retention.check.interval.ms",
        "1000",
        Seen(offset_that_expires_soon),
    ),
    ("offset.metadata.max.bytes", "3", Seen(commit_with_metadata)),
    ("group.initial.rebalance.delay.ms", "3000", Seen(joins)),
    ("group.min.session.timeout.ms", "40000", Seen(joins)),
    ("group.max.session.timeout.ms", "20000", Seen(joins)),
    ("group.max.size", "1", Seen(joins)),
    ("fetch.max.bytes", "1024", Seen(fetched_batches)),
    (
        "producer.id.expiration.ms",
        "1000",
        Seen(sequence_after_a_silence),
    ),
    (
        "log.retention.check.interval.ms",
        "1000",
        Seen(start_of_a_log_that_expires_soon),
    ),
    (
        "log.cleaner.backoff.ms",
        "1000",
        Seen(records_of_a_log_that_is_cleaned_soon),
    ),
];

/// Where a value is set.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// On the broker, at its start.
    Broker,
    /// On the topic, when it is created.
    NewTopic,
    /// On a topic that exists.
    Topic,
}

/// What a scenario runs with, besides what it needs itself.
#[derive(Default)]
struct Setting {
    config: Option<(Place, &'static str, &'static str)>,
}

impl Setting {
    fn at(&self, wanted: Place) -> Option<(&'static str, &'static str)> {
        let (place, name, value) = self.config?;
        (place == wanted).then_some((name, value))
    }

    fn node(&self, configs: &[(&str, &str)]) -> Node {
        let configs = configs.iter().copied().chain(self.at(Place::Broker));
        Node::with_configs(&Vec::from_iter(configs))
    }

    fn create_topic(&self, node: &mut Node, configs: &[(&str, &str)]) {
        let configs = configs.iter().copied().chain(self.at(Place::NewTopic));
        node.create_topic(TOPIC, 1, &Vec::from_iter(configs));
        if let Some((name, value)) = self.at(Place::Topic) {
            assert_eq!(alter(node, name, value), 0);
        }
    }

    /// A node that looks at its logs each second.
    fn topic(&self, configs: &[(&str, &str)]) -> Node {
        let mut node = self.node(&[
            ("log.retention.check.interval.ms", "1000"),
            ("log.cleaner.backoff.ms", "1000"),
        ]);
        self.create_topic(&mut node, configs);
        node
    }
}

#[test]
fn every_config_counts_or_is_refused() {
    assert_eq!(TOPIC_ROWS.len(), TOPIC_CONFIGS.len());
    assert_eq!(BROKER_ROWS.len(), BROKER_CONFIGS.len());
    let mut broker_names = BTreeSet::new();
    for definition in TOPIC_CONFIGS {
        let (name, value, effect) = row(TOPIC_ROWS, definition.name);
        broker_names.extend(definition.broker_name);
        let broker = definition
            .broker_name
            .map(|name| (Place::Broker, name, *value));
        let places = [
            Some((Place::NewTopic, *name, *value)),
            Some((Place::Topic, *name, *value)),
            broker,
        ];
        check(effect, places.into_iter().flatten());
    }
    for definition in BROKER_CONFIGS {
        let (name, value, effect) = row(BROKER_ROWS, definition.name);
        assert!(broker_names.insert(name), "{name} is defined twice");
        check(effect, [(Place::Broker, *name, *value)].into_iter());
    }
}

fn row<'a>(rows: &'a [Row], name: &str) -> &'a Row {
    let row = rows.iter().find(|row| row.0 == name);
    row.unwrap_or_else(|| panic!("say what {name} does"))
}

fn check(effect: &Effect, places: impl Iterator<Item = (Place, &'static str, &'static str)>) {
    let without = match effect {
        Seen(scenario) => scenario(&Setting::default()),
        Refused => String::new(),
    };
    let mut with = BTreeMap::new();
    for config in places {
        match effect {
            Seen(scenario) => {
                let seen = scenario(&Setting {
                    config: Some(config),
                });
                assert_ne!(seen, without, "{config:?} makes no difference");
                with.insert(seen, config);
            }
            Refused => assert!(is_refused(config), "{config:?} is taken and ignored"),
        }
    }
    assert!(with.len() <= 1, "it matters where it is set: {with:?}");
}

fn is_refused((place, name, value): (Place, &str, &str)) -> bool {
    let error = match place {
        Place::Broker => {
            let configs = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            return BrokerConfigs::new(configs).is_err();
        }
        Place::NewTopic => create(&mut Node::start(), &[(name, value)]),
        Place::Topic => {
            let mut node = Node::start();
            node.create_topic(TOPIC, 1, &[]);
            alter(&mut node, name, value)
        }
    };
    error == ErrorCode::InvalidConfig.code()
}

fn create(node: &mut Node, configs: &[(&str, &str)]) -> i16 {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
        ..Default::default()
    });
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: TOPIC.to_owned(),
            num_partitions: -1,
            replication_factor: -1,
            configs: configs.collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::CreateTopics(response) = node.ask(5, Request::CreateTopics(request)) else {
        panic!("no answer");
    };
    response.topics[0].error_code
}

fn alter(node: &mut Node, name: &str, value: &str) -> i16 {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 2,
            resource_name: TOPIC.to_owned(),
            configs: vec![AlterableConfig {
                name: name.to_owned(),
                value: Some(value.to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::IncrementalAlterConfigs(response) =
        node.ask(1, Request::IncrementalAlterConfigs(request))
    else {
        panic!("no answer");
    };
    response.responses[0].error_code
}

/// A batch of one record of `age_ms`.
fn record(node: &Node, key: Option<&[u8]>, value: Option<&[u8]>, age_ms: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    let timestamp = node.now.wall.0 - age_ms;
    builder.append(timestamp, key, value, &[]).unwrap();
    builder.build(BatchFields::default())
}

fn produce(node: &mut Node, key: Option<&[u8]>, value: Option<&[u8]>) {
    let records = record(node, key, value, 0);
    assert_eq!(node.produce(TOPIC, 0, records).error_code, 0);
}

fn log_start_offset(node: &mut Node) -> String {
    let request = fetch_request(TOPIC, 0, 3, 0, 0);
    let Response::Fetch(response) = node.ask(11, Request::Fetch(request)) else {
        panic!("no answer");
    };
    response.responses[0].partitions[0]
        .log_start_offset
        .to_string()
}

/// How many records there are.
fn records(node: &mut Node) -> String {
    let data = node.fetch(TOPIC, 0, 0);
    let bytes = data.records.clone().unwrap_or_default();
    let batches = crate::record::batches(&bytes).map(|batch| batch.unwrap().1);
    let counts = batches.map(|batch| crate::record::records(&batch).unwrap().count());
    counts.sum::<usize>().to_string()
}

fn start_of_a_large_log(setting: &Setting) -> String {
    let mut node = setting.topic(&[("retention.bytes", "1")]);
    for _ in 0..3 {
        produce(&mut node, None, Some(&[b'x'; 600_000]));
    }
    node.pass(5_000);
    log_start_offset(&mut node)
}

fn start_of_a_small_log(setting: &Setting) -> String {
    let mut node = setting.topic(&[("retention.bytes", "1")]);
    for _ in 0..3 {
        produce(&mut node, None, Some(&[b'x'; 60]));
    }
    node.pass(5_000);
    log_start_offset(&mut node)
}

fn start_after_closed_segments(setting: &Setting) -> String {
    let mut node = setting.topic(&[("retention.bytes", "1")]);
    for _ in 0..3 {
        produce(&mut node, None, Some(b"value"));
        node.pass(2_000);
    }
    log_start_offset(&mut node)
}

fn start_of_small_segments(setting: &Setting) -> String {
    let mut node = setting.topic(&[("internal.segment.bytes", "150")]);
    for _ in 0..3 {
        produce(&mut node, None, Some(&[b'x'; 60]));
    }
    node.pass(5_000);
    log_start_offset(&mut node)
}

fn start_after_a_while(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    for _ in 0..3 {
        produce(&mut node, None, Some(b"value"));
    }
    node.pass(5_000);
    log_start_offset(&mut node)
}

fn start_of_a_log_that_expires_soon(setting: &Setting) -> String {
    let mut node = setting.node(&[]);
    setting.create_topic(&mut node, &[("retention.ms", "1000")]);
    for _ in 0..3 {
        produce(&mut node, None, Some(b"value"));
    }
    node.pass(5_000);
    log_start_offset(&mut node)
}

fn commits_that_a_power_cut_takes(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    produce(&mut node, None, Some(b"value"));
    (node.broker_medium.at_risk() > 0).to_string()
}

fn produce_error(node: &mut Node, key: Option<&[u8]>, value: &[u8], age_ms: i64) -> String {
    let records = record(node, key, Some(value), age_ms);
    let answer = node.produce(TOPIC, 0, records);
    let is_dated = answer.log_append_time_ms != -1;
    format!("{} {is_dated}", answer.error_code)
}

fn produce_of_100_bytes(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    produce_error(&mut node, None, &[b'x'; 30], 0)
}

fn produce_without_a_key(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    produce_error(&mut node, None, b"value", 0)
}

fn produce_of_yesterday(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    produce_error(&mut node, None, b"value", 86_400_000)
}

fn produce_of_the_next_minute(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    produce_error(&mut node, None, b"value", -60_000)
}

fn stored_codec(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    produce(&mut node, None, Some(b"value"));
    let records = node.fetch(TOPIC, 0, 0).records.unwrap();
    let header = BatchHeader::read(&records).unwrap();
    format!("{:?}", header.compression())
}

const COMPACTED: (&str, &str) = ("cleanup.policy", "compact");

fn compacted_records(setting: &Setting) -> String {
    let mut node = setting.topic(&[COMPACTED, ("segment.ms", "500")]);
    for _ in 0..3 {
        produce(&mut node, Some(b"key"), Some(b"value"));
    }
    node.pass(1_000);
    produce(&mut node, Some(b"another"), Some(b"value"));
    node.pass(5_000);
    records(&mut node)
}

fn compacted_records_of_a_new_segment(setting: &Setting) -> String {
    let mut node = setting.topic(&[COMPACTED]);
    for _ in 0..3 {
        produce(&mut node, Some(b"key"), Some(b"value"));
    }
    node.pass(10_000);
    records(&mut node)
}

fn records_of_a_log_that_is_cleaned_soon(setting: &Setting) -> String {
    let mut node = setting.node(&[]);
    setting.create_topic(&mut node, &[COMPACTED, ("max.compaction.lag.ms", "1000")]);
    for _ in 0..3 {
        produce(&mut node, Some(b"key"), Some(b"value"));
    }
    node.pass(5_000);
    records(&mut node)
}

fn records_after_a_tombstone(setting: &Setting) -> String {
    let mut node = setting.topic(&[COMPACTED, ("max.compaction.lag.ms", "1000")]);
    produce(&mut node, Some(b"key"), Some(b"value"));
    produce(&mut node, Some(b"key"), None);
    node.pass(60_000);
    records(&mut node)
}

fn metadata(node: &mut Node, topic: &str, allow_auto_topic_creation: bool) -> MetadataResponse {
    let topics = vec![MetadataRequestTopic {
        name: Some(topic.to_owned()),
        ..Default::default()
    }];
    let request = MetadataRequest {
        topics: Some(topics),
        allow_auto_topic_creation,
        ..Default::default()
    };
    let Response::Metadata(response) = node.ask(9, Request::Metadata(request)) else {
        panic!("no answer");
    };
    response
}

fn brokers(setting: &Setting) -> String {
    let mut node = setting.node(&[]);
    let brokers = metadata(&mut node, TOPIC, false).brokers;
    format!(
        "{:?}",
        Vec::from_iter(brokers.iter().map(|broker| broker.node_id))
    )
}

fn partitions_of_a_new_topic(setting: &Setting) -> String {
    let mut node = setting.node(&[]);
    let error = create(&mut node, &[]);
    let partitions = metadata(&mut node, TOPIC, false).topics[0].partitions.len();
    format!("{error} {partitions}")
}

fn topic_that_is_asked_for(setting: &Setting) -> String {
    let mut node = setting.node(&[]);
    metadata(&mut node, TOPIC, true).topics[0]
        .error_code
        .to_string()
}

fn deletion_of_a_topic(setting: &Setting) -> String {
    let mut node = setting.node(&[]);
    node.create_topic(TOPIC, 1, &[]);
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some(TOPIC.to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::DeleteTopics(response) = node.ask(6, Request::DeleteTopics(request)) else {
        panic!("no answer");
    };
    response.responses[0].error_code.to_string()
}

fn offsets_topic(setting: &Setting) -> String {
    let mut node = setting.node(&[]);
    let Response::FindCoordinator(found) = node.ask(4, find_coordinator(GROUP)) else {
        panic!("no answer");
    };
    let topic = "__consumer_offsets";
    let partitions = metadata(&mut node, topic, false).topics[0].partitions.len();
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: 2,
            resource_name: topic.to_owned(),
            configuration_keys: Some(vec!["segment.bytes".to_owned()]),
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::DescribeConfigs(response) = node.ask(4, Request::DescribeConfigs(request)) else {
        panic!("no answer");
    };
    let segment_bytes = response.results[0].configs.first();
    let segment_bytes = segment_bytes.and_then(|config| config.value.clone());
    let error = found.coordinators[0].error_code;
    format!("{error} {partitions} {segment_bytes:?}")
}

/// A node with a topic and a coordinator.
fn coordinator(setting: &Setting, configs: &[(&str, &str)]) -> Node {
    let mut node = setting.node(configs);
    node.create_topic(TOPIC, 1, &[]);
    node.ask(4, find_coordinator(GROUP));
    node
}

fn commit(node: &mut Node, metadata: &str) -> i16 {
    let partitions = vec![OffsetCommitRequestPartition {
        committed_offset: 1,
        committed_metadata: Some(metadata.to_owned()),
        ..Default::default()
    }];
    let request = OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: TOPIC.to_owned(),
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::OffsetCommit(response) = node.ask(8, Request::OffsetCommit(request)) else {
        panic!("no answer");
    };
    response.topics[0].partitions[0].error_code
}

fn commit_with_metadata(setting: &Setting) -> String {
    commit(&mut coordinator(setting, &[]), "more").to_string()
}

fn offset_that_is_checked_often(setting: &Setting) -> String {
    let interval = ("offsets.retention.check.interval.ms", "1000");
    offset_after_two_minutes(coordinator(setting, &[interval]))
}

fn offset_that_expires_soon(setting: &Setting) -> String {
    offset_after_two_minutes(coordinator(setting, &[("offsets.retention.minutes", "1")]))
}

fn offset_after_two_minutes(mut node: Node) -> String {
    assert_eq!(commit(&mut node, ""), 0);
    node.pass(120_000);
    let groups = vec![OffsetFetchRequestGroup {
        group_id: GROUP.to_owned(),
        topics: Some(vec![OffsetFetchRequestTopics {
            name: TOPIC.to_owned(),
            partition_indexes: vec![0],
            ..Default::default()
        }]),
        ..Default::default()
    }];
    let request = OffsetFetchRequest {
        groups,
        ..Default::default()
    };
    let Response::OffsetFetch(response) = node.ask(8, Request::OffsetFetch(request)) else {
        panic!("no answer");
    };
    let partition = &response.groups[0].topics[0].partitions[0];
    partition.committed_offset.to_string()
}

/// How two members are answered that join a new group, one after the other.
fn joins(setting: &Setting) -> String {
    let mut node = coordinator(setting, &[]);
    let request = Request::JoinGroup(JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    });
    let mut answers = Vec::new();
    for connection in 1..=2 {
        node.send(connection, 3, request.clone());
        node.run();
        answers.push(match node.answer(connection) {
            Some(Response::JoinGroup(response)) => Some(response.error_code),
            _ => None,
        });
    }
    format!("{answers:?}")
}

fn fetched_batches(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    for _ in 0..20 {
        produce(&mut node, None, Some(&[b'x'; 100]));
    }
    read(&node.fetch(TOPIC, 0, 0)).len().to_string()
}

/// Whether a producer may leave out numbers after it has been silent for two seconds.
fn sequence_after_a_silence(setting: &Setting) -> String {
    let mut node = setting.topic(&[]);
    let mut errors = Vec::new();
    for base_sequence in [0, 5] {
        let mut builder = BatchBuilder::new(Compression::None);
        let timestamp = node.now.wall.0;
        builder
            .append(timestamp, None, Some(b"value"), &[])
            .unwrap();
        let records = builder.build(BatchFields {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence,
            ..Default::default()
        });
        let request = produce_request(TOPIC, 0, -1, Some(records));
        let Response::Produce(response) = node.ask(9, Request::Produce(request)) else {
            panic!("no answer");
        };
        errors.push(response.responses[0].partition_responses[0].error_code);
        node.pass(2_000);
    }
    format!("{errors:?}")
}
