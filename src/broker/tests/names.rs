//! Names that a request has twice, and names of nothing: every expectation is what Apache Kafka
//! 4.3.1 has answered to the same request.

use super::frames::{find_coordinator, offset_commit};
use super::node::*;
use crate::protocol::messages::alter_configs_request::{AlterConfigsRequest, AlterConfigsResource};
use crate::protocol::messages::create_partitions_request::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use crate::protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::protocol::messages::delete_topics_request::DeleteTopicsRequest;
use crate::protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::protocol::messages::incremental_alter_configs_request as incremental;
use crate::protocol::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::protocol::{ErrorCode, Request, Response};
use ErrorCode::{
    GroupIdNotFound, InvalidPartitions, InvalidRequest, InvalidTopicException, None as NoError,
    OffsetOutOfRange, PolicyViolation, TopicAlreadyExists, UnknownTopicOrPartition,
};

/// What is said of a partition, and with which number.
type Told = (String, i32, ErrorCode, i64);

fn told(topic: &str, partition: i32, error_code: i16, number: i64) -> Told {
    let error = ErrorCode::from_code(error_code);
    (topic.to_owned(), partition, error, number)
}

/// A name with what is said of it.
fn named(name: &str, error_code: i16) -> (String, ErrorCode) {
    (name.to_owned(), ErrorCode::from_code(error_code))
}

fn owned(expected: &[(&str, ErrorCode)]) -> Vec<(String, ErrorCode)> {
    let expected = expected.iter();
    expected
        .map(|(name, error)| ((*name).to_owned(), *error))
        .collect()
}

/// A topic `a` with three partitions of three records, `b` and a compacted `c` with one.
fn node() -> Node {
    let mut node = Node::start();
    node.create_topic("a", 3, &[]);
    node.create_topic("b", 1, &[]);
    node.create_topic("c", 1, &[("cleanup.policy", "compact")]);
    for partition in 0..3 {
        node.produce("a", partition, batch(&["x", "y", "z"]));
    }
    node
}

/// What a fetch is answered, with each partition's number of records.
fn fetch(node: &mut Node, topics: &[(&str, &[(i32, i64)])]) -> Vec<Told> {
    let topics = topics.iter().map(|(topic, partitions)| {
        let partitions = partitions
            .iter()
            .map(|(partition, fetch_offset)| FetchPartition {
                partition: *partition,
                fetch_offset: *fetch_offset,
                partition_max_bytes: 1 << 20,
                current_leader_epoch: -1,
                ..Default::default()
            });
        FetchTopic {
            topic: (*topic).to_owned(),
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    let mut request = fetch_request("a", 0, 0, 1, 0);
    request.topics = topics.collect();
    let Response::Fetch(response) = node.ask(11, Request::Fetch(request)) else {
        panic!("not an answer to Fetch");
    };
    let mut all = Vec::new();
    for topic in &response.responses {
        let partitions = topic.partitions.iter();
        all.extend(partitions.map(|it| {
            let records = read(it).len() as i64;
            told(&topic.topic, it.partition_index, it.error_code, records)
        }));
    }
    all
}

#[test]
fn a_partition_that_a_fetch_names_twice_is_read_where_it_was_asked_for_last() {
    let mut node = node();
    let a = |partition, records| ("a".to_owned(), partition, NoError, records);
    let unknown = |topic: &str, partition| {
        let error = UnknownTopicOrPartition;
        (topic.to_owned(), partition, error, 0)
    };
    assert_eq!(fetch(&mut node, &[("a", &[(0, 99), (0, 0)])]), [a(0, 3)]);
    assert_eq!(
        fetch(&mut node, &[("a", &[(0, 99)]), ("a", &[(0, 0), (1, 0)])]),
        [a(0, 3), a(1, 3)]
    );
    let all = [
        ("a", &[(1, 0), (0, 0), (1, 0), (7, 0), (7, 0)][..]),
        ("nothing", &[(0, 0)]),
        ("a", &[(2, 0)]),
    ];
    let mut told = fetch(&mut node, &all);
    told.sort();
    let expected = [
        a(0, 3),
        a(1, 3),
        a(2, 3),
        unknown("a", 7),
        unknown("nothing", 0),
    ];
    assert_eq!(told, expected);
}

fn delete_records(node: &mut Node, topics: &[(&str, &[(i32, i64)])]) -> Vec<Told> {
    let topics = topics.iter().map(|(name, partitions)| {
        let partitions =
            partitions
                .iter()
                .map(|(partition_index, offset)| DeleteRecordsPartition {
                    partition_index: *partition_index,
                    offset: *offset,
                    ..Default::default()
                });
        DeleteRecordsTopic {
            name: (*name).to_owned(),
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    let request = DeleteRecordsRequest {
        topics: topics.collect(),
        timeout_ms: 5_000,
        ..Default::default()
    };
    let Response::DeleteRecords(response) = node.ask(2, Request::DeleteRecords(request)) else {
        panic!("not an answer to DeleteRecords");
    };
    let mut all = Vec::new();
    for topic in &response.topics {
        let partitions = topic.partitions.iter();
        all.extend(partitions.map(|it| {
            told(
                &topic.name,
                it.partition_index,
                it.error_code,
                it.low_watermark,
            )
        }));
    }
    all.sort();
    all
}

#[test]
fn of_the_offsets_to_delete_a_partition_to_the_last_counts() {
    let mut node = node();
    let told = |topic: &str, partition, error, low| (topic.to_owned(), partition, error, low);
    let twice = [(0, 99), (0, 1), (1, -2), (7, 0), (2, 3), (2, 2)];
    assert_eq!(
        delete_records(&mut node, &[("a", &twice)]),
        [
            told("a", 0, NoError, 1),
            told("a", 1, OffsetOutOfRange, -1),
            told("a", 2, NoError, 2),
            told("a", 7, UnknownTopicOrPartition, -1),
        ]
    );
    assert_eq!(
        delete_records(&mut node, &[("a", &[(1, 99)]), ("a", &[(1, 2), (2, 3)])]),
        [told("a", 1, NoError, 2), told("a", 2, NoError, 3)]
    );
    assert_eq!(
        delete_records(&mut node, &[("nothing", &[(0, 0)]), ("c", &[(0, 0)])]),
        [
            told("c", 0, PolicyViolation, -1),
            told("nothing", 0, UnknownTopicOrPartition, -1),
        ]
    );
}

fn create_partitions(node: &mut Node, topics: &[(&str, i32)]) -> Vec<(String, ErrorCode)> {
    let topics = topics.iter().map(|(name, count)| CreatePartitionsTopic {
        name: (*name).to_owned(),
        count: *count,
        ..Default::default()
    });
    let request = CreatePartitionsRequest {
        topics: topics.collect(),
        ..Default::default()
    };
    let Response::CreatePartitions(response) = node.ask(3, Request::CreatePartitions(request))
    else {
        panic!("not an answer to CreatePartitions");
    };
    let results = response.results.iter();
    results.map(|it| named(&it.name, it.error_code)).collect()
}

#[test]
fn a_topic_that_is_to_grow_twice_is_refused_once() {
    let mut node = node();
    let growing = [
        ("b", 2),
        ("b", 3),
        ("a", 3),
        ("c", 0),
        ("nothing", 2),
        ("", 3),
    ];
    let expected = [
        ("b", InvalidRequest),
        ("a", InvalidPartitions),
        ("c", InvalidPartitions),
        ("nothing", UnknownTopicOrPartition),
        ("", UnknownTopicOrPartition),
    ];
    assert_eq!(create_partitions(&mut node, &growing), owned(&expected));
    let unknown = [("nothing", 3), ("nothing", 3)];
    let expected = [("nothing", InvalidRequest)];
    assert_eq!(create_partitions(&mut node, &unknown), owned(&expected));
}

#[test]
fn a_topic_that_is_to_be_created_twice_is_refused_once() {
    let mut node = node();
    let names = ["n", "a", "n", "", "bad name"];
    let topics = names.map(|name| CreatableTopic {
        name: name.to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    });
    let request = CreateTopicsRequest {
        topics: topics.into(),
        ..Default::default()
    };
    let Response::CreateTopics(response) = node.ask(7, Request::CreateTopics(request)) else {
        panic!("not an answer to CreateTopics");
    };
    let topics = response.topics.iter();
    let told: Vec<_> = topics.map(|it| named(&it.name, it.error_code)).collect();
    let expected = [
        ("n", InvalidRequest),
        ("a", TopicAlreadyExists),
        ("", InvalidTopicException),
        ("bad name", InvalidTopicException),
    ];
    assert_eq!(told, owned(&expected));
}

fn delete_topics(node: &mut Node, names: &[&str]) -> Vec<(String, ErrorCode)> {
    let request = DeleteTopicsRequest {
        topic_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let Response::DeleteTopics(response) = node.ask(5, Request::DeleteTopics(request)) else {
        panic!("not an answer to DeleteTopics");
    };
    let responses = response.responses.iter();
    let names = responses.map(|it| named(it.name.as_deref().unwrap_or("?"), it.error_code));
    names.collect()
}

#[test]
fn a_topic_that_is_to_be_deleted_twice_is_refused_once() {
    let mut node = node();
    let expected = [("nothing", InvalidRequest), ("no", UnknownTopicOrPartition)];
    let told = delete_topics(&mut node, &["nothing", "nothing", "no"]);
    assert_eq!(told, owned(&expected));
    let expected = [("b", InvalidRequest), ("no", UnknownTopicOrPartition)];
    assert_eq!(
        delete_topics(&mut node, &["b", "no", "b"]),
        owned(&expected)
    );
    assert_eq!(delete_topics(&mut node, &["b"]), owned(&[("b", NoError)]));
}

const TOPIC_RESOURCE: i8 = 2;

/// Topics of which one does not exist, and two cannot.
const NO_TOPICS: [(&str, ErrorCode); 3] = [
    ("nothing", UnknownTopicOrPartition),
    ("bad name", InvalidTopicException),
    ("b", NoError),
];

#[test]
fn configs_of_an_impossible_topic_are_refused_as_such() {
    let mut node = node();
    let resources = NO_TOPICS.map(|(name, _)| DescribeConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: name.to_owned(),
        ..Default::default()
    });
    let request = DescribeConfigsRequest {
        resources: resources.into(),
        ..Default::default()
    };
    let Response::DescribeConfigs(response) = node.ask(4, Request::DescribeConfigs(request)) else {
        panic!("not an answer to DescribeConfigs");
    };
    let results = response.results.iter();
    let told: Vec<_> = results
        .map(|it| named(&it.resource_name, it.error_code))
        .collect();
    assert_eq!(told, owned(&NO_TOPICS));

    let resources = NO_TOPICS.map(|(name, _)| AlterConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: name.to_owned(),
        ..Default::default()
    });
    let request = AlterConfigsRequest {
        resources: resources.into(),
        ..Default::default()
    };
    let Response::AlterConfigs(response) = node.ask(2, Request::AlterConfigs(request)) else {
        panic!("not an answer to AlterConfigs");
    };
    let responses = response.responses.iter();
    let told: Vec<_> = responses
        .map(|it| named(&it.resource_name, it.error_code))
        .collect();
    assert_eq!(told, owned(&NO_TOPICS));

    let resources = NO_TOPICS.map(|(name, _)| incremental::AlterConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: name.to_owned(),
        ..Default::default()
    });
    let request = incremental::IncrementalAlterConfigsRequest {
        resources: resources.into(),
        ..Default::default()
    };
    let request = Request::IncrementalAlterConfigs(request);
    let Response::IncrementalAlterConfigs(response) = node.ask(1, request) else {
        panic!("not an answer to IncrementalAlterConfigs");
    };
    let responses = response.responses.iter();
    let told: Vec<_> = responses
        .map(|it| named(&it.resource_name, it.error_code))
        .collect();
    assert_eq!(told, owned(&NO_TOPICS));
}

/// How many configs of a topic are described where these are asked for, and what the empty name is
/// told.
#[test]
fn no_keys_ask_for_all_configs() {
    let mut node = node();
    let mut described = |name: &str, keys: Option<&[&str]>| {
        let resource = DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.to_owned(),
            configuration_keys: keys.map(|keys| keys.iter().map(|it| (*it).to_owned()).collect()),
            ..Default::default()
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        };
        let Response::DescribeConfigs(response) = node.ask(4, Request::DescribeConfigs(request))
        else {
            panic!("not an answer to DescribeConfigs");
        };
        let result = &response.results[0];
        (
            ErrorCode::from_code(result.error_code),
            result.configs.len(),
        )
    };
    assert_eq!(
        described("a", Some(&["retention.ms", "retention.ms", "nonsense"])),
        (NoError, 1)
    );
    let all = described("a", None);
    assert!(all.1 > 20);
    assert_eq!(described("a", Some(&[])), all);
    assert_eq!(described("", None), (InvalidTopicException, 0));
}

fn offset_delete(
    node: &mut Node,
    group_id: &str,
    topics: &[(&str, &[i32])],
) -> (ErrorCode, Vec<Told>) {
    let topics = topics.iter().map(|(name, partitions)| {
        let partitions = partitions
            .iter()
            .map(|partition_index| OffsetDeleteRequestPartition {
                partition_index: *partition_index,
            });
        OffsetDeleteRequestTopic {
            name: (*name).to_owned(),
            partitions: partitions.collect(),
        }
    });
    let request = OffsetDeleteRequest {
        group_id: group_id.to_owned(),
        topics: topics.collect(),
    };
    let Response::OffsetDelete(response) = node.ask(0, Request::OffsetDelete(request)) else {
        panic!("not an answer to OffsetDelete");
    };
    let mut all = Vec::new();
    for topic in &response.topics {
        let partitions = topic.partitions.iter();
        all.extend(partitions.map(|it| told(&topic.name, it.partition_index, it.error_code, 0)));
    }
    all.sort();
    (ErrorCode::from_code(response.error_code), all)
}

#[test]
fn offsets_of_partitions_that_do_not_exist_are_not_deleted() {
    let mut node = node();
    node.ask(4, find_coordinator("committed"));
    node.create_topic("t", 1, &[]);
    node.ask(8, offset_commit(vec!["t".to_owned()], 1));
    let told = |topic: &str, partition, error| (topic.to_owned(), partition, error, 0);
    let topics = [("t", &[0, 7][..]), ("nothing", &[0]), ("b", &[0])];
    let expected = vec![
        told("b", 0, NoError),
        told("nothing", 0, UnknownTopicOrPartition),
        told("t", 0, NoError),
        told("t", 7, UnknownTopicOrPartition),
    ];
    assert_eq!(
        offset_delete(&mut node, "committed", &topics),
        (NoError, expected)
    );
    let expected = vec![told("nothing", 0, UnknownTopicOrPartition)];
    let topics = [("nothing", &[0][..])];
    assert_eq!(
        offset_delete(&mut node, "committed", &topics),
        (NoError, expected)
    );
    let nobody = (GroupIdNotFound, Vec::new());
    assert_eq!(offset_delete(&mut node, "nobody", &topics), nobody);
}
