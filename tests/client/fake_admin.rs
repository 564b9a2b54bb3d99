//! What the fake cluster does for an admin.

use tablog::protocol::messages::{
    alter_configs_response as alter, create_partitions_response as grow,
    create_topics_response as create, delete_records_response as cut,
    delete_topics_response as delete, describe_configs_response as describe,
};
use tablog::protocol::{ErrorCode, Request, Response};

use super::fake_cluster::FakeCluster;

impl FakeCluster {
    pub fn administer(&mut self, node: i32, request: Request) -> Response {
        let not_here = (node != self.controller).then_some(ErrorCode::NotController);
        match request {
            Request::CreateTopics(request) => {
                let topics = request.topics.into_iter().map(|topic| {
                    let exists = self.topics.contains_key(&topic.name);
                    let code = match (not_here, exists) {
                        (Some(code), _) => code,
                        (None, true) => ErrorCode::TopicAlreadyExists,
                        (None, false) if topic.num_partitions == 0 => ErrorCode::InvalidPartitions,
                        (None, false) => ErrorCode::None,
                    };
                    if code == ErrorCode::None && !request.validate_only {
                        self.create(&topic.name, topic.num_partitions);
                        // The election takes a moment.
                        self.topics.get_mut(&topic.name).unwrap()[0].leader = -1;
                    }
                    create::CreatableTopicResult {
                        name: topic.name,
                        error_code: code.code(),
                        ..Default::default()
                    }
                });
                Response::CreateTopics(create::CreateTopicsResponse {
                    topics: topics.collect(),
                    ..Default::default()
                })
            }
            Request::DeleteTopics(request) => {
                let responses = request.topic_names.into_iter().map(|name| {
                    let code = not_here.unwrap_or_else(|| match self.topics.remove(&name) {
                        None => ErrorCode::UnknownTopicOrPartition,
                        Some(_) => ErrorCode::None,
                    });
                    delete::DeletableTopicResult {
                        name: Some(name),
                        error_code: code.code(),
                        ..Default::default()
                    }
                });
                Response::DeleteTopics(delete::DeleteTopicsResponse {
                    responses: responses.collect(),
                    ..Default::default()
                })
            }
            Request::CreatePartitions(request) => {
                let results = request.topics.into_iter().map(|topic| {
                    let now = self.topics.get(&topic.name).map(Vec::len).unwrap_or(0) as i32;
                    let code = match topic.count {
                        count if count <= now => ErrorCode::InvalidPartitions,
                        count => {
                            self.create(&topic.name, count);
                            ErrorCode::None
                        }
                    };
                    grow::CreatePartitionsTopicResult {
                        name: topic.name,
                        error_code: code.code(),
                        error_message: Some("the topic has as many already".into()),
                        ..Default::default()
                    }
                });
                Response::CreatePartitions(grow::CreatePartitionsResponse {
                    results: results.collect(),
                    ..Default::default()
                })
            }
            Request::DeleteRecords(request) => {
                let topics = request.topics.into_iter().map(|topic| {
                    let partitions = topic.partitions.iter().map(|asked| {
                        let found = self.led(node, &topic.name, asked.partition_index);
                        let found = found.and_then(|partition| {
                            partition.log_start_offset = match asked.offset {
                                -1 => partition.end(),
                                offset if offset > partition.end() => {
                                    return Err(ErrorCode::OffsetOutOfRange);
                                }
                                offset => offset,
                            };
                            Ok(())
                        });
                        cut::DeleteRecordsPartitionResult {
                            partition_index: asked.partition_index,
                            error_code: found.err().map_or(0, ErrorCode::code),
                            ..Default::default()
                        }
                    });
                    cut::DeleteRecordsTopicResult {
                        partitions: partitions.collect(),
                        name: topic.name,
                        ..Default::default()
                    }
                });
                Response::DeleteRecords(cut::DeleteRecordsResponse {
                    topics: topics.collect(),
                    ..Default::default()
                })
            }
            Request::DescribeConfigs(request) => {
                let results = request.resources.into_iter().map(|resource| {
                    let name = "retention.ms".to_string();
                    let value = Some(format!("from node {node}"));
                    describe::DescribeConfigsResult {
                        resource_type: resource.resource_type,
                        resource_name: resource.resource_name,
                        configs: vec![describe::DescribeConfigsResourceResult {
                            name,
                            value,
                            config_source: 5,
                            ..Default::default()
                        }],
                        ..Default::default()
                    }
                });
                Response::DescribeConfigs(describe::DescribeConfigsResponse {
                    results: results.collect(),
                    ..Default::default()
                })
            }
            Request::AlterConfigs(request) => {
                let responses = request.resources.into_iter().map(|resource| {
                    let known = resource
                        .configs
                        .iter()
                        .all(|config| config.name == "retention.ms");
                    let code = if known {
                        ErrorCode::None
                    } else {
                        ErrorCode::InvalidConfig
                    };
                    alter::AlterConfigsResourceResponse {
                        error_code: code.code(),
                        resource_type: resource.resource_type,
                        resource_name: resource.resource_name,
                        ..Default::default()
                    }
                });
                Response::AlterConfigs(alter::AlterConfigsResponse {
                    responses: responses.collect(),
                    ..Default::default()
                })
            }
            other => unreachable!("{other:?}"),
        }
    }
}
