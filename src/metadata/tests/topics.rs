use super::cluster::{Cluster, new_topic};
use crate::metadata::configs::{BrokerConfigs, log_config};
use crate::metadata::{CONSUMER_OFFSETS_TOPIC, PARTITIONS_MAX, consumer_offsets_topic};
use crate::protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use crate::protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::protocol::messages::delete_topics_response::DeletableTopicResult;
use crate::protocol::{ErrorCode, Request, Response, Uuid};

fn refusal(cluster: &mut Cluster, topic: CreatableTopic) -> (ErrorCode, String) {
    let result = cluster.create_topics(vec![topic]).remove(0);
    assert!(result.configs.is_none());
    (
        ErrorCode::from_code(result.error_code),
        result.error_message.unwrap_or_default(),
    )
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments
        .iter()
        .map(|(index, brokers)| CreatableReplicaAssignment {
            partition_index: *index,
            broker_ids: brokers.to_vec(),
            ..Default::default()
        });
    CreatableTopic {
        assignments: assignments.collect(),
        ..new_topic(name, -1, -1, &[])
    }
}

fn delete(cluster: &mut Cluster, topics: Vec<DeleteTopicState>) -> Vec<DeletableTopicResult> {
    let request = DeleteTopicsRequest {
        topics,
        ..Default::default()
    };
    let response = cluster.ask(Request::DeleteTopics(request));
    let Response::DeleteTopics(response) = response else {
        panic!("{response:?}")
    };
    response.responses
}

fn named(name: &str) -> DeleteTopicState {
    DeleteTopicState {
        name: Some(name.to_string()),
        ..Default::default()
    }
}

fn of_id(topic_id: Uuid) -> DeleteTopicState {
    DeleteTopicState {
        topic_id,
        ..Default::default()
    }
}

fn grow(
    cluster: &mut Cluster,
    name: &str,
    count: i32,
    assignments: Option<&[&[i32]]>,
) -> (i16, Option<String>) {
    let assignments = assignments.map(|assignments| {
        let assignments = assignments
            .iter()
            .map(|brokers| CreatePartitionsAssignment {
                broker_ids: brokers.to_vec(),
                ..Default::default()
            });
        assignments.collect()
    });
    let name = name.to_string();
    let topic = CreatePartitionsTopic {
        name,
        count,
        assignments,
        ..Default::default()
    };
    let request = CreatePartitionsRequest {
        topics: vec![topic],
        ..Default::default()
    };
    let response = cluster.ask(Request::CreatePartitions(request));
    let Response::CreatePartitions(mut response) = response else {
        panic!("{response:?}")
    };
    let result = response.results.remove(0);
    (result.error_code, result.error_message)
}

#[test]
fn a_created_topic_says_what_it_is() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let topic = new_topic("t", 3, 1, &[("retention.ms", "-1")]);
    let result = cluster.create_topics(vec![topic]).remove(0);
    assert_eq!((result.error_code, result.error_message), (0, None));
    assert_eq!((result.num_partitions, result.replication_factor), (3, 1));
    let configs = result.configs.unwrap();
    assert_eq!(configs.len(), 33);
    let retention = configs
        .iter()
        .find(|config| config.name == "retention.ms")
        .unwrap();
    assert_eq!(retention.value.as_deref(), Some("-1"));
    assert_eq!(retention.config_source, 1);
    assert_eq!(
        cluster.image().topic("t").unwrap().topic_id,
        result.topic_id
    );
    assert_eq!(cluster.image().topic_configs("t")["retention.ms"], "-1");
}

#[test]
fn what_is_not_said_is_the_brokers_default() {
    let mut cluster = Cluster::with_configs(&[("num.partitions", "4")]);
    cluster.register(1, 1).unwrap();
    let result = cluster
        .create_topics(vec![new_topic("t", -1, -1, &[])])
        .remove(0);
    assert_eq!((result.num_partitions, result.replication_factor), (4, 1));
}

#[test]
fn refusals_are_worded_as_by_kafka() {
    // Answers of Apache Kafka 4.3.1, but for the last two, which its Admin client cannot ask.
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("probe", 1, &[]).unwrap();
    cluster.create("a.b", 1, &[]).unwrap();
    for (topic, error, message) in [
        (
            new_topic("probe", 1, 1, &[]),
            ErrorCode::TopicAlreadyExists,
            "Topic 'probe' already exists.",
        ),
        (
            new_topic("a_b", 1, 1, &[]),
            ErrorCode::InvalidTopicException,
            "Topic 'a_b' collides with existing topic: a.b",
        ),
        (
            new_topic("..", 1, 1, &[]),
            ErrorCode::InvalidTopicException,
            "Topic name is invalid: '..' is not allowed",
        ),
        (
            new_topic("__cluster_metadata", 1, 1, &[]),
            ErrorCode::InvalidRequest,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
        (
            new_topic("t", 0, 1, &[]),
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            new_topic("t", PARTITIONS_MAX as i32 + 1, 1, &[]),
            ErrorCode::PolicyViolation,
            "Excessively large number of partitions per request.",
        ),
        (
            new_topic("t", 1, 2, &[]),
            ErrorCode::InvalidReplicationFactor,
            "Unable to replicate the partition 2 time(s): The target replication factor of 2 \
             cannot be reached because only 1 broker(s) are registered.",
        ),
        (
            new_topic("t", 1, 0, &[]),
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            new_topic("t", 1, 1, &[("nope", "1")]),
            ErrorCode::InvalidConfig,
            "Unknown topic config name: nope",
        ),
        (
            assigned("t", &[(0, &[1]), (2, &[1])]),
            ErrorCode::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            assigned("t", &[(0, &[7])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            assigned("t", &[(0, &[1, 1])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            assigned("t", &[(0, &[])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            CreatableTopic {
                num_partitions: 1,
                ..assigned("t", &[(0, &[1])])
            },
            ErrorCode::InvalidRequest,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            new_topic("", 1, 1, &[]),
            ErrorCode::InvalidTopicException,
            "Topic name is invalid: the empty string is not allowed",
        ),
    ] {
        assert_eq!(refusal(&mut cluster, topic), (error, message.to_string()));
    }
    assert_eq!(cluster.image().topics().count(), 2);
}

#[test]
fn topics_of_one_request_succeed_and_fail_by_themselves() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let results = cluster.create_topics(vec![
        new_topic("good", 1, 1, &[]),
        new_topic("bad", 0, 1, &[]),
        new_topic("twice", 1, 1, &[]),
        new_topic("twice", 1, 1, &[]),
        new_topic("x.y", 1, 1, &[]),
        new_topic("x_y", 1, 1, &[]),
    ]);
    let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
    assert_eq!(
        codes,
        [0, 37, 42, 0, 17],
        "who is named twice is answered once"
    );
    let names: Vec<&str> = cluster
        .image()
        .topics()
        .map(|topic| topic.name.as_str())
        .collect();
    assert_eq!(names, ["good", "x.y"]);
}

#[test]
fn validate_only_changes_nothing() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let before = cluster.image().clone();
    let request = CreateTopicsRequest {
        topics: vec![new_topic("t", 1, 1, &[])],
        validate_only: true,
        ..Default::default()
    };
    let response = cluster.ask(Request::CreateTopics(request));
    let Response::CreateTopics(response) = response else {
        panic!("{response:?}")
    };
    assert_eq!(response.topics[0].error_code, 0);
    assert_eq!(cluster.image(), &before);
}

#[test]
fn a_cluster_has_a_limited_number_of_partitions() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster
        .create("many", PARTITIONS_MAX as i32 - 1, &[])
        .unwrap();
    let (error, _) = cluster.create("more", 2, &[]).unwrap_err();
    assert_eq!(error, ErrorCode::PolicyViolation);
    cluster.create("last", 1, &[]).unwrap();
    assert_eq!(
        grow(&mut cluster, "last", 2, None).0,
        ErrorCode::PolicyViolation.code()
    );
}

#[test]
fn partitions_are_spread_over_the_brokers() {
    let mut cluster = Cluster::with_brokers(&[1, 2, 3]);
    cluster.create_topics(vec![new_topic("t", 4, 2, &[])]);
    let replicas: Vec<_> = (0..4)
        .map(|index| cluster.partition("t", index).replicas.clone())
        .collect();
    assert_eq!(replicas, [[1, 2], [2, 3], [3, 1], [1, 2]]);
}

#[test]
fn a_topic_that_is_created_again_has_another_id() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let first = cluster.create("t", 1, &[("retention.ms", "1")]).unwrap();
    assert_eq!(delete(&mut cluster, vec![named("t")])[0].error_code, 0);
    assert!(cluster.image().topic("t").is_none());
    // The crash gives the controller the seed that it had before.
    let mut cluster = cluster.crash();
    let second = cluster.create("t", 1, &[]).unwrap();
    assert_ne!(first, second);
    assert!(cluster.image().topic_configs("t").is_empty());
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let id = cluster.create("by-id", 1, &[]).unwrap();
    cluster.create("by-name", 1, &[]).unwrap();
    let kept = cluster.create("kept", 1, &[]).unwrap();
    let results = delete(
        &mut cluster,
        vec![
            of_id(id),
            named("by-name"),
            named("unknown"),
            of_id(Uuid([9; 16])),
            DeleteTopicState::default(),
            DeleteTopicState {
                topic_id: kept,
                ..named("kept")
            },
            named("kept"),
            of_id(kept),
        ],
    );
    let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, 0, 3, 100, 42, 42, 42, 42]);
    assert_eq!(results[0].name.as_deref(), Some("by-id"));
    assert_eq!(cluster.image().topics().count(), 1);
}

#[test]
fn names_alone_are_deleted_in_old_versions() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("t", 1, &[]).unwrap();
    let topic_names = vec!["t".to_string()];
    let request = DeleteTopicsRequest {
        topic_names,
        ..Default::default()
    };
    let response = cluster.ask_in(3, Request::DeleteTopics(request));
    let Response::DeleteTopics(response) = response else {
        panic!("{response:?}")
    };
    assert_eq!(response.responses[0].error_code, 0);
    assert!(cluster.image().topic("t").is_none());
}

#[test]
fn topics_stay_when_deletion_is_disabled() {
    let mut cluster = Cluster::with_configs(&[("delete.topic.enable", "false")]);
    cluster.register(1, 1).unwrap();
    cluster.create("t", 1, &[]).unwrap();
    let results = delete(&mut cluster, vec![named("t")]);
    assert_eq!(
        results[0].error_code,
        ErrorCode::TopicDeletionDisabled.code()
    );
    assert!(cluster.image().topic("t").is_some());
}

#[test]
fn topics_only_grow() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("t", 1, &[]).unwrap();
    assert_eq!(grow(&mut cluster, "t", 3, None), (0, None));
    for (count, message) in [
        (3, "Topic already has 3 partition(s)."),
        (
            2,
            "The topic t currently has 3 partition(s); 2 would not be an increase.",
        ),
        (
            -1,
            "The topic t currently has 3 partition(s); -1 would not be an increase.",
        ),
    ] {
        assert_eq!(
            grow(&mut cluster, "t", count, None),
            (37, Some(message.to_string()))
        );
    }
    assert_eq!(grow(&mut cluster, "unknown", 3, None).0, 3);
    assert_eq!(cluster.image().topic("t").unwrap().partitions.len(), 3);
}

#[test]
fn assignments_of_new_partitions_are_checked() {
    let mut cluster = Cluster::with_brokers(&[1, 2]);
    cluster.create("t", 1, &[]).unwrap();
    for (count, assignments, message) in [
        (
            3,
            [[1].as_slice()].as_slice(),
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            2,
            &[&[7]],
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            2,
            &[&[1, 2]],
            "The manual partition assignment includes a partition with 2 replica(s), but this is \
             not consistent with previous partitions, which have 1 replica(s).",
        ),
    ] {
        let refusal = grow(&mut cluster, "t", count, Some(assignments));
        assert_eq!(refusal, (39, Some(message.to_string())));
    }
    assert_eq!(grow(&mut cluster, "t", 2, Some(&[&[2]])), (0, None));
    assert_eq!(cluster.partition("t", 1).leader, 2);
}

#[test]
fn the_topic_of_offsets_can_be_created() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let broker = BrokerConfigs::default();
    let result = cluster
        .create_topics(vec![consumer_offsets_topic(&broker)])
        .remove(0);
    assert_eq!((result.error_code, result.num_partitions), (0, 50));
    let config = log_config(
        cluster.image().topic_configs(CONSUMER_OFFSETS_TOPIC),
        &broker,
    );
    assert!(config.cleanup_compact && !config.cleanup_delete);
    assert_eq!(config.segment_bytes, 1 << 20);
}
