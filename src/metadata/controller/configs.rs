//! AlterConfigs and IncrementalAlterConfigs.

use super::Outcome;
use super::refusal::{Refusal, repeated};
use crate::distinct::distinct_by;
use crate::metadata::configs::{
    BrokerConfigs, ConfigType, TopicConfigs, describe_topic, topic_config, validate_topic_configs,
};
use crate::metadata::image::{MetadataImage, TOPIC_RESOURCE, topic_config_record};
use crate::metadata::validate_topic_name;
use crate::protocol::messages::alter_configs_request::AlterConfigsRequest;
use crate::protocol::messages::alter_configs_response::{self, AlterConfigsResponse};
use crate::protocol::messages::incremental_alter_configs_request::{
    AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};
use crate::protocol::{ErrorCode, MetadataRecord, Response};
use std::collections::BTreeSet;

/// A broker in requests about configs (`ConfigResource.Type.BROKER`).
const BROKER_RESOURCE: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// IncrementalAlterConfigs: each resource is changed as a whole, or not at all (KIP-339).
pub(super) fn incremental_alter(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    request: &IncrementalAlterConfigsRequest,
) -> Outcome {
    let resources = request.resources.iter().map(|resource| Resource {
        resource_type: resource.resource_type,
        name: &resource.resource_name,
        keys: resource.configs.iter().map(|it| &*it.name).collect(),
    });
    let (records, refusals) = change_each(image, broker, resources.collect(), |index| {
        let resource = &request.resources[index];
        let configs = image.topic_configs(&resource.resource_name);
        altered(configs, broker, &resource.configs)
    });
    let responses = request.resources.iter().zip(refusals);
    let responses = responses.map(|(resource, refusal)| AlterConfigsResourceResponse {
        error_code: refusal.as_ref().map_or(0, |(error, _)| error.code()),
        error_message: refusal.map(|(_, message)| message),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..Default::default()
    });
    let response = IncrementalAlterConfigsResponse {
        responses: responses.collect(),
        ..Default::default()
    };
    Outcome {
        records: if request.validate_only {
            Vec::new()
        } else {
            records
        },
        response: Response::IncrementalAlterConfigs(response),
    }
}

/// AlterConfigs: what is not given is unset.
pub(super) fn alter(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    request: &AlterConfigsRequest,
) -> Outcome {
    let resources = request.resources.iter().map(|resource| Resource {
        resource_type: resource.resource_type,
        name: &resource.resource_name,
        keys: resource.configs.iter().map(|it| &*it.name).collect(),
    });
    let (records, refusals) = change_each(image, broker, resources.collect(), |index| {
        let configs = request.resources[index].configs.iter();
        let given = configs.map(|config| match &config.value {
            Some(value) => Ok((config.name.clone(), value.clone())),
            None => Err(null_value(&config.name)),
        });
        given.collect()
    });
    let responses = request.resources.iter().zip(refusals);
    let responses =
        responses.map(
            |(resource, refusal)| alter_configs_response::AlterConfigsResourceResponse {
                error_code: refusal.as_ref().map_or(0, |(error, _)| error.code()),
                error_message: refusal.map(|(_, message)| message),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                ..Default::default()
            },
        );
    let response = AlterConfigsResponse {
        responses: responses.collect(),
        ..Default::default()
    };
    Outcome {
        records: if request.validate_only {
            Vec::new()
        } else {
            records
        },
        response: Response::AlterConfigs(response),
    }
}

/// What a request says of one resource.
struct Resource<'a> {
    resource_type: i8,
    name: &'a str,
    /// The configs that are named, as often as they are.
    keys: Vec<&'a str>,
}

/// The records that change the resources, and for each why it is refused. `configs` tells what
/// shall be set on the topic of a place, once nothing else speaks against it.
fn change_each(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    resources: Vec<Resource<'_>>,
    configs: impl Fn(usize) -> Result<TopicConfigs, Refusal>,
) -> (Vec<MetadataRecord>, Vec<Option<Refusal>>) {
    let twice = repeated(resources.iter().map(|it| (it.resource_type, it.name)));
    let mut records = Vec::new();
    let mut refusals = Vec::with_capacity(resources.len());
    for (index, resource) in resources.iter().enumerate() {
        let changes = check_resource(image, resource, &twice)
            .and_then(|()| configs(index))
            .and_then(|configs| change(image, broker, resource.name, &configs));
        refusals.push(changes.map(|changes| records.extend(changes)).err());
    }
    (records, refusals)
}

fn check_resource(
    image: &MetadataImage,
    resource: &Resource<'_>,
    twice: &BTreeSet<(i8, &str)>,
) -> Result<(), Refusal> {
    let Resource {
        resource_type,
        name,
        keys,
    } = resource;
    let invalid = |message: String| Err((ErrorCode::InvalidRequest, message));
    if twice.contains(&(*resource_type, *name)) {
        return invalid("Each resource must appear at most once.".to_string());
    }
    if !repeated(keys.iter()).is_empty() {
        return invalid("Error due to duplicate config keys".to_string());
    }
    match *resource_type {
        TOPIC_RESOURCE if image.topic(name).is_some() => Ok(()),
        TOPIC_RESOURCE if name.is_empty() => {
            invalid("Default topic resources are not allowed.".to_string())
        }
        TOPIC_RESOURCE => Err(match validate_topic_name(name) {
            Ok(()) => (
                ErrorCode::UnknownTopicOrPartition,
                format!("The topic '{name}' does not exist."),
            ),
            Err(why) => (ErrorCode::InvalidTopicException, why),
        }),
        BROKER_RESOURCE => {
            let keys = keys.join(", ");
            invalid(format!("Cannot update these configs dynamically: [{keys}]"))
        }
        other => invalid(format!("Unknown resource type {other}")),
    }
}

/// What is set on a topic after `operations`.
fn altered(
    configs: &TopicConfigs,
    broker: &BrokerConfigs,
    operations: &[AlterableConfig],
) -> Result<TopicConfigs, Refusal> {
    let mut configs = configs.clone();
    for AlterableConfig {
        name,
        config_operation,
        value,
        ..
    } in operations
    {
        match (*config_operation, value) {
            (DELETE, _) => {
                configs.remove(name);
            }
            (SET | APPEND | SUBTRACT, None) => return Err(null_value(name)),
            (SET, Some(value)) => {
                configs.insert(name.clone(), value.clone());
            }
            (operation @ (APPEND | SUBTRACT), Some(value)) => {
                let items = alter_list(&configs, broker, name, operation, value)?;
                configs.insert(name.clone(), items);
            }
            (other, _) => {
                let message = format!("Unknown operation type {other}");
                return Err((ErrorCode::InvalidRequest, message));
            }
        }
    }
    Ok(configs)
}

fn alter_list(
    configs: &TopicConfigs,
    broker: &BrokerConfigs,
    name: &str,
    operation: i8,
    value: &str,
) -> Result<String, Refusal> {
    if topic_config(name).is_none_or(|definition| definition.config_type != ConfigType::List) {
        let verb = if operation == APPEND {
            "APPEND"
        } else {
            "SUBTRACT"
        };
        let message = format!("Can't {verb} to key {name} because its type is not LIST.");
        return Err((ErrorCode::InvalidConfig, message));
    }
    let described = describe_topic(configs, broker);
    let current = described
        .into_iter()
        .find(|entry| entry.name == name)
        .and_then(|entry| entry.value)
        .unwrap_or_default();
    let mut items: Vec<&str> = current.split(',').filter(|item| !item.is_empty()).collect();
    let given = value.split(',').map(str::trim);
    if operation == SUBTRACT {
        let given: BTreeSet<&str> = given.collect();
        items.retain(|item| !given.contains(item));
    } else {
        items.extend(given);
        items = distinct_by(items, |item| *item);
    }
    Ok(items.join(","))
}

fn null_value(name: &str) -> Refusal {
    (
        ErrorCode::InvalidRequest,
        format!("Null value not supported for : {name}"),
    )
}

/// The records that make `configs` what is set on the topic.
fn change(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    topic: &str,
    configs: &TopicConfigs,
) -> Result<Vec<MetadataRecord>, Refusal> {
    validate_topic_configs(configs, broker)
        .map_err(|error| (error.error_code(), error.to_string()))?;
    let before = image.topic_configs(topic);
    let unset = before
        .keys()
        .filter(|name| !configs.contains_key(*name))
        .map(|name| topic_config_record(topic, name, None));
    let set = configs
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(*value))
        .map(|(name, value)| topic_config_record(topic, name, Some(value.clone())));
    Ok(unset.chain(set).collect())
}
