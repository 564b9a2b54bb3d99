//! DescribeConfigs (key 32): every config of topics and of this broker, with where it comes from.

use super::{Broker, Progress};
use crate::metadata::configs::{ConfigEntry, describe_broker, describe_topic};
use crate::metadata::validate_topic_name;
use crate::protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::describe_configs_response::{
    DescribeConfigsResponse, DescribeConfigsResult,
};
use crate::protocol::{ErrorCode, Response};

/// `ConfigResource.Type.TOPIC`.
const RESOURCE_TOPIC: i8 = 2;
/// `ConfigResource.Type.BROKER`.
const RESOURCE_BROKER: i8 = 4;

pub(super) fn handle(broker: &mut Broker, request: DescribeConfigsRequest) -> Progress {
    let results = request
        .resources
        .iter()
        .map(|resource| {
            let mut result = DescribeConfigsResult {
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                ..Default::default()
            };
            match entries(broker, resource) {
                Ok(entries) => {
                    result.configs = entries
                        .into_iter()
                        .filter(|entry| is_wanted(resource, entry.name))
                        .map(|entry| {
                            entry.to_result(request.include_synonyms, request.include_documentation)
                        })
                        .collect();
                }
                Err((error, message)) => {
                    result.error_code = error.code();
                    result.error_message = Some(message);
                }
            }
            result
        })
        .collect();
    Progress::Respond(Response::DescribeConfigs(DescribeConfigsResponse {
        results,
        ..Default::default()
    }))
}

fn entries(
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, (ErrorCode, String)> {
    let name = resource.resource_name.as_str();
    let configs = &broker.config.configs;
    match resource.resource_type {
        RESOURCE_TOPIC => {
            let image = broker.metadata.image();
            match image.topic(name) {
                Some(_) => Ok(describe_topic(image.topic_configs(name), configs)),
                None => Err(match validate_topic_name(name) {
                    Ok(()) => (
                        ErrorCode::UnknownTopicOrPartition,
                        format!("there is no topic '{name}'"),
                    ),
                    Err(why) => (ErrorCode::InvalidTopicException, why),
                }),
            }
        }
        // An empty name is the default of all brokers; nothing is set there.
        RESOURCE_BROKER if name.is_empty() => Ok(Vec::new()),
        RESOURCE_BROKER if name.parse() == Ok(configs.node_id()) => Ok(describe_broker(configs)),
        RESOURCE_BROKER => Err((
            ErrorCode::InvalidRequest,
            format!(
                "broker {} cannot describe broker '{name}'",
                configs.node_id()
            ),
        )),
        other => Err((
            ErrorCode::InvalidRequest,
            format!("configs of resource type {other} are not kept"),
        )),
    }
}

fn is_wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    let keys = resource.configuration_keys.as_deref().unwrap_or_default();
    keys.is_empty() || keys.iter().any(|key| key == name)
}
