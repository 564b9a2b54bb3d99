//! The answer to a request that fails as a whole.

use crate::protocol::messages::{
    allocate_producer_ids_response::AllocateProducerIdsResponse,
    alter_configs_response::{self, AlterConfigsResponse},
    alter_partition_response::AlterPartitionResponse,
    broker_heartbeat_response::BrokerHeartbeatResponse,
    broker_registration_response::BrokerRegistrationResponse,
    create_partitions_response::{CreatePartitionsResponse, CreatePartitionsTopicResult},
    create_topics_response::{CreatableTopicResult, CreateTopicsResponse},
    delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse},
    incremental_alter_configs_response::{self, IncrementalAlterConfigsResponse},
    unregister_broker_response::UnregisterBrokerResponse,
};
use crate::protocol::{ErrorCode, Request, Response};

/// The answer to a request for the controller of which nothing was done, for one reason.
///
/// `None` for requests that the controller does not serve.
pub fn error_response(request: &Request, error: ErrorCode, message: &str) -> Option<Response> {
    let error_code = error.code();
    let error_message = Some(message.to_string());
    Some(match request {
        Request::CreateTopics(request) => Response::CreateTopics(CreateTopicsResponse {
            topics: (request.topics.iter())
                .map(|topic| CreatableTopicResult {
                    name: topic.name.clone(),
                    error_code,
                    error_message: error_message.clone(),
                    configs: None,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }),
        Request::DeleteTopics(request) => {
            let by_name = request.topic_names.iter().map(|name| DeletableTopicResult {
                name: Some(name.clone()),
                error_code,
                error_message: error_message.clone(),
                ..Default::default()
            });
            let by_name_or_id = request.topics.iter().map(|topic| DeletableTopicResult {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                error_code,
                error_message: error_message.clone(),
                ..Default::default()
            });
            Response::DeleteTopics(DeleteTopicsResponse {
                responses: by_name.chain(by_name_or_id).collect(),
                ..Default::default()
            })
        }
        Request::CreatePartitions(request) => {
            Response::CreatePartitions(CreatePartitionsResponse {
                results: (request.topics.iter())
                    .map(|topic| CreatePartitionsTopicResult {
                        name: topic.name.clone(),
                        error_code,
                        error_message: error_message.clone(),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            })
        }
        Request::IncrementalAlterConfigs(request) => {
            let responses = request.resources.iter().map(|resource| {
                incremental_alter_configs_response::AlterConfigsResourceResponse {
                    error_code,
                    error_message: error_message.clone(),
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.clone(),
                    ..Default::default()
                }
            });
            Response::IncrementalAlterConfigs(IncrementalAlterConfigsResponse {
                responses: responses.collect(),
                ..Default::default()
            })
        }
        Request::AlterConfigs(request) => {
            let responses = request.resources.iter().map(|resource| {
                alter_configs_response::AlterConfigsResourceResponse {
                    error_code,
                    error_message: error_message.clone(),
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.clone(),
                    ..Default::default()
                }
            });
            Response::AlterConfigs(AlterConfigsResponse {
                responses: responses.collect(),
                ..Default::default()
            })
        }
        Request::UnregisterBroker(_) => Response::UnregisterBroker(UnregisterBrokerResponse {
            error_code,
            error_message,
            ..Default::default()
        }),
        Request::BrokerRegistration(_) => {
            Response::BrokerRegistration(BrokerRegistrationResponse {
                error_code,
                ..Default::default()
            })
        }
        Request::BrokerHeartbeat(_) => Response::BrokerHeartbeat(BrokerHeartbeatResponse {
            error_code,
            ..Default::default()
        }),
        Request::AlterPartition(_) => Response::AlterPartition(AlterPartitionResponse {
            error_code,
            ..Default::default()
        }),
        Request::AllocateProducerIds(_) => {
            Response::AllocateProducerIds(AllocateProducerIdsResponse {
                error_code,
                ..Default::default()
            })
        }
        _ => return None,
    })
}
