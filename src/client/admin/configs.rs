//! Configs of topics and brokers.

use std::collections::BTreeMap;

use crate::client::KafkaError;
use crate::client::cluster::{Target, mismatched};
use crate::client::metadata_cache::brokers;
use crate::protocol::messages::alter_configs_request::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use crate::protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use crate::protocol::{ErrorCode, Request, Response};

use super::topics::metadata;
use super::{
    AdminResult, ConfigAlteration, ConfigEntry, ConfigResource, DescribedConfigs, Step, check,
    final_if_unknown,
};

/// The resource type of a broker, whose own configs only it knows.
const BROKER: i8 = 4;
/// The resource type of a topic.
const TOPIC: i8 = 2;
/// The source of a config that nobody has set.
const DEFAULT_CONFIG: i8 = 5;

pub(super) fn describe(
    resources: Vec<ConfigResource>,
    include_synonyms: bool,
) -> Result<Step, KafkaError> {
    let resources = resources.into_iter().map(|resource| {
        let target = target(resource.resource_type, &resource.resource_name, Target::Any);
        let resource = DescribeConfigsResource {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configuration_keys: resource.config_names,
            ..Default::default()
        };
        (target, resource)
    });
    let calls = by_target(resources).into_iter().map(|(target, resources)| {
        let request = DescribeConfigsRequest {
            resources,
            include_synonyms,
            ..Default::default()
        };
        (target, Request::DescribeConfigs(request))
    });
    ask(calls.collect(), |answers| {
        let mut described = Vec::new();
        for answer in answers {
            let Response::DescribeConfigs(response) = answer else {
                return Err(mismatched());
            };
            for result in response.results {
                let checked = check(result.error_code, result.error_message.as_deref());
                checked
                    .map_err(|error| about(error, result.resource_type, &result.resource_name))?;
                described.push(DescribedConfigs {
                    resource_type: result.resource_type,
                    resource_name: result.resource_name,
                    entries: result.configs.into_iter().map(entry).collect(),
                });
            }
        }
        Ok(Step::Done(AdminResult::Configs(described)))
    })
}

pub(super) fn alter(
    resources: Vec<ConfigAlteration>,
    validate_only: bool,
) -> Result<Step, KafkaError> {
    let resources = resources.into_iter().map(|resource| {
        let target = target(
            resource.resource_type,
            &resource.resource_name,
            Target::Controller,
        );
        let configs = resource.config_entries.into_iter();
        let configs = configs.map(|(name, value)| AlterableConfig {
            name,
            value,
            ..Default::default()
        });
        let resource = AlterConfigsResource {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: configs.collect(),
            ..Default::default()
        };
        (target, resource)
    });
    let calls = by_target(resources).into_iter().map(|(target, resources)| {
        let request = AlterConfigsRequest {
            resources,
            validate_only,
            ..Default::default()
        };
        (target, Request::AlterConfigs(request))
    });
    ask(calls.collect(), |answers| {
        for answer in answers {
            let Response::AlterConfigs(response) = answer else {
                return Err(mismatched());
            };
            for result in &response.responses {
                let checked = check(result.error_code, result.error_message.as_deref());
                checked
                    .map_err(|error| about(error, result.resource_type, &result.resource_name))?;
            }
        }
        Ok(Step::Done(AdminResult::None))
    })
}

/// Makes the calls if the cluster has all the brokers that they ask: one that nobody knows is not
/// waited for.
fn ask(
    calls: Vec<(Target, Request)>,
    next: impl FnOnce(Vec<Response>) -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    if calls
        .iter()
        .all(|(target, _)| !matches!(target, Target::Node(_)))
    {
        return Ok(Step::all(calls, next));
    }
    metadata(Some(Vec::new()), move |response| {
        let known = brokers(&response);
        let unknown = calls.iter().find_map(|(target, _)| match target {
            Target::Node(node) if !known.contains_key(node) => Some(*node),
            _ => None,
        });
        let Some(node) = unknown else {
            return Ok(Step::all(calls, next));
        };
        let text = format!("the cluster has no broker {node}");
        Err(KafkaError {
            retriable: false,
            ..KafkaError::answered(ErrorCode::BrokerNotAvailable, Some(&text))
        })
    })
}

fn target(resource_type: i8, resource_name: &str, otherwise: Target) -> Target {
    match resource_name.parse() {
        Ok(node) if resource_type == BROKER => Target::Node(node),
        _ => otherwise,
    }
}

/// One request for each broker, and one for what anybody can answer.
fn by_target<R>(resources: impl Iterator<Item = (Target, R)>) -> Vec<(Target, Vec<R>)> {
    let mut brokers: BTreeMap<i32, Vec<R>> = BTreeMap::new();
    let mut rest: Vec<(Target, Vec<R>)> = Vec::new();
    for (target, resource) in resources {
        match target {
            Target::Node(node) => brokers.entry(node).or_default().push(resource),
            other => match rest.first_mut() {
                Some((_, resources)) => resources.push(resource),
                None => rest.push((other, vec![resource])),
            },
        }
    }
    rest.extend(
        brokers
            .into_iter()
            .map(|(node, resources)| (Target::Node(node), resources)),
    );
    rest
}

fn about(error: KafkaError, resource_type: i8, resource_name: &str) -> KafkaError {
    match resource_type {
        TOPIC => final_if_unknown(error).of_topic(resource_name),
        _ => error,
    }
}

fn entry(config: DescribeConfigsResourceResult) -> ConfigEntry {
    let synonyms = config.synonyms.into_iter();
    ConfigEntry {
        name: config.name,
        value: config.value,
        read_only: config.read_only,
        is_default: config.config_source == DEFAULT_CONFIG,
        is_sensitive: config.is_sensitive,
        source: config.config_source,
        synonyms: synonyms
            .map(|synonym| (synonym.name, synonym.value, synonym.source))
            .collect(),
    }
}
