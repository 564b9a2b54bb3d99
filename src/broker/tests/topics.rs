//! ApiVersions, Metadata, DescribeConfigs, and what the controller is asked for.

use super::node::{Node, batch};
use crate::protocol::messages::api_versions_request::ApiVersionsRequest;
use crate::protocol::messages::delete_topics_request::DeleteTopicsRequest;
use crate::protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::messages::metadata_response::MetadataResponseTopic;
use crate::protocol::{ErrorCode, Request, Response, Uuid};
use bytes::Bytes;

fn metadata(node: &mut Node, name: &str, create: bool) -> MetadataResponseTopic {
    let topic = MetadataRequestTopic {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: create,
        ..Default::default()
    };
    let Response::Metadata(response) = node.ask(10, Request::Metadata(request)) else {
        panic!("no answer");
    };
    assert_eq!(response.brokers.len(), 1);
    assert_eq!(response.controller_id, response.brokers[0].node_id);
    response.topics[0].clone()
}

#[test]
fn asking_for_a_topic_creates_it_if_that_is_allowed() {
    let mut node = Node::start();
    let missing = metadata(&mut node, "new", false);
    assert_eq!(
        missing.error_code,
        ErrorCode::UnknownTopicOrPartition.code()
    );
    let created = metadata(&mut node, "new", true);
    assert_eq!((created.error_code, created.partitions.len()), (0, 3));
    assert!(
        created
            .partitions
            .iter()
            .all(|partition| partition.error_code == 0)
    );
    let topic_id = created.topic_id;
    let mut node = node.restart();
    assert_eq!(metadata(&mut node, "new", false).topic_id, topic_id);
}

fn asked(name: Option<&str>, topic_id: Uuid) -> MetadataRequestTopic {
    MetadataRequestTopic {
        name: name.map(str::to_owned),
        topic_id,
        ..Default::default()
    }
}

/// What is told of the topics: errors and names.
fn told(
    node: &mut Node,
    version: i16,
    topics: Vec<MetadataRequestTopic>,
) -> Vec<(ErrorCode, Option<String>)> {
    let request = MetadataRequest {
        topics: Some(topics),
        ..Default::default()
    };
    let Response::Metadata(response) = node.ask(version, Request::Metadata(request)) else {
        panic!("no answer");
    };
    let topics = response.topics.into_iter();
    topics
        .map(|topic| (ErrorCode::from_code(topic.error_code), topic.name))
        .collect()
}

#[test]
fn a_topic_that_is_asked_for_twice_is_told_once() {
    let mut node = Node::start();
    node.create_topic("t", 1, &[]);
    let (t, other) = (asked(Some("t"), Uuid::default()), Uuid([7; 16]));
    let nope = asked(Some("no spaces"), Uuid::default());
    let topics = vec![t.clone(), nope.clone(), t.clone(), nope];
    let t_found = (ErrorCode::None, Some("t".to_owned()));
    let invalid = (
        ErrorCode::InvalidTopicException,
        Some("no spaces".to_owned()),
    );
    assert_eq!(told(&mut node, 10, topics), [t_found, invalid]);
    // Where ids are asked for, names do not count.
    let topics = vec![asked(None, other), t, asked(Some("t"), other)];
    let unknown = (ErrorCode::UnknownTopicId, None);
    assert_eq!(told(&mut node, 12, topics), [unknown]);
}

#[test]
fn topics_are_not_asked_for_by_id_before_version_12() {
    let mut node = Node::start();
    node.create_topic("t", 1, &[]);
    for version in [10, 11] {
        let topics = vec![asked(None, Uuid([7; 16])), asked(Some("t"), Uuid([7; 16]))];
        let invalid = |name: &str| (ErrorCode::InvalidRequest, Some(name.to_owned()));
        assert_eq!(
            told(&mut node, version, topics),
            [invalid(""), invalid("t")]
        );
    }
}

#[test]
fn a_topic_without_name_and_id_is_refused() {
    let mut node = Node::start();
    let topics = vec![asked(None, Uuid::default())];
    let invalid = (ErrorCode::InvalidRequest, Some(String::new()));
    assert_eq!(told(&mut node, 12, topics), [invalid]);
}

#[test]
fn a_topic_with_a_bad_name_is_refused_not_created() {
    let mut node = Node::start();
    let refused = metadata(&mut node, "no spaces", true);
    assert_eq!(refused.error_code, ErrorCode::InvalidTopicException.code());
}

#[test]
fn a_topic_that_was_deleted_and_created_again_is_another_and_empty() {
    let mut node = Node::start();
    let first = metadata(&mut node, "t", true).topic_id;
    node.produce("t", 0, batch(&["a"]));
    let request = DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 1_000,
        ..Default::default()
    };
    let Response::DeleteTopics(response) = node.ask(4, Request::DeleteTopics(request)) else {
        panic!("no answer");
    };
    assert_eq!(response.responses[0].error_code, 0);
    let second = metadata(&mut node, "t", true).topic_id;
    assert_ne!(first, second);
    assert_eq!(node.fetch("t", 0, 0).high_watermark, 0);
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let mut node = Node::start();
    let Response::ApiVersions(known) =
        node.ask(0, Request::ApiVersions(ApiVersionsRequest::default()))
    else {
        panic!("no answer");
    };
    assert!(
        known
            .api_keys
            .iter()
            .any(|api| api.api_key == 0 && api.min_version == 0)
    );
    // Key 18, version 99, correlation id 7, no client id, no tagged fields.
    let frame = Bytes::from_static(b"\0\x12\0\x63\0\0\0\x07\xff\xff\0");
    node.expect_answer(1, 7, crate::protocol::ApiKey::ApiVersions, 0);
    node.send_frame(1, frame);
    let Some(Response::ApiVersions(response)) = node.answer(1) else {
        panic!("no answer")
    };
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!(response.api_keys.len(), 1);
}

#[test]
fn every_config_of_a_topic_is_described() {
    let mut node = Node::start();
    node.create_topic("t", 1, &[("retention.ms", "-1")]);
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "t".to_owned(),
        configuration_keys: None,
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    let Response::DescribeConfigs(response) = node.ask(4, Request::DescribeConfigs(request)) else {
        panic!("no answer");
    };
    let configs = &response.results[0].configs;
    let retention = configs
        .iter()
        .find(|config| config.name == "retention.ms")
        .unwrap();
    assert_eq!(retention.value.as_deref(), Some("-1"));
    assert_eq!(retention.config_source, 1);
    assert!(configs.iter().any(|config| config.name == "segment.bytes"));
}

#[test]
fn a_changed_config_holds_at_once() {
    let mut node = Node::start();
    node.create_topic("t", 2, &[]);
    assert_eq!(node.produce("t", 1, batch(&["a"])).error_code, 0);
    let config = AlterableConfig {
        name: "max.message.bytes".to_owned(),
        value: Some("10".to_owned()),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: 2,
        resource_name: "t".to_owned(),
        configs: vec![config],
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    let answer = node.ask(1, Request::IncrementalAlterConfigs(request));
    let Response::IncrementalAlterConfigs(response) = answer else {
        panic!("no answer");
    };
    assert_eq!(response.responses[0].error_code, 0);
    let refused = node.produce("t", 1, batch(&["b"]));
    assert_eq!(refused.error_code, ErrorCode::MessageTooLarge.code());
}
