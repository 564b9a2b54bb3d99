//! DeleteTopics.

use super::Outcome;
use super::refusal::{Refusal, repeated};
use crate::distinct::distinct_by;
use crate::metadata::configs::BrokerConfigs;
use crate::metadata::image::{MetadataImage, TopicImage};
use crate::protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::protocol::messages::delete_topics_response::{
    DeletableTopicResult, DeleteTopicsResponse,
};
use crate::protocol::messages::remove_topic_record::RemoveTopicRecord;
use crate::protocol::{ErrorCode, MetadataRecord, Response};

/// DeleteTopics, by name or by id.
pub(super) fn delete_topics(
    image: &MetadataImage,
    broker: &BrokerConfigs,
    version: i16,
    request: &DeleteTopicsRequest,
) -> Outcome {
    let by_name = request.topic_names.iter().map(|name| DeleteTopicState {
        name: Some(name.clone()),
        ..Default::default()
    });
    let asked: Vec<DeleteTopicState> = by_name.chain(request.topics.iter().cloned()).collect();
    let key = |topic: &DeleteTopicState| (topic.name.clone(), topic.topic_id);
    let named_twice = repeated(asked.iter().map(key));
    let asked = distinct_by(asked, key);
    let resolved: Vec<Result<&TopicImage, Refusal>> =
        asked.iter().map(|topic| resolve(image, topic)).collect();
    let twice = repeated(resolved.iter().flatten().map(|topic| topic.topic_id));
    let mut records = Vec::new();
    let mut responses = Vec::new();
    for (asked, resolved) in asked.into_iter().zip(resolved) {
        let is_twice = named_twice.contains(&key(&asked))
            || resolved
                .as_ref()
                .is_ok_and(|topic| twice.contains(&topic.topic_id));
        let result = resolved.and_then(|topic| {
            if !broker.delete_topic_enable() {
                // `DeleteTopicsRequest` could not say it before version 3.
                let error = match version {
                    ..3 => ErrorCode::InvalidRequest,
                    _ => ErrorCode::TopicDeletionDisabled,
                };
                return Err((error, error.message().to_string()));
            }
            Ok(topic)
        });
        let result = match (is_twice, &asked.name) {
            (false, _) => result,
            (true, Some(_)) => invalid("Duplicate topic name."),
            (true, None) => invalid("Duplicate topic id."),
        };
        responses.push(match result {
            Ok(topic) => {
                records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord {
                    topic_id: topic.topic_id,
                    ..Default::default()
                }));
                DeletableTopicResult {
                    name: Some(topic.name.clone()),
                    topic_id: topic.topic_id,
                    ..Default::default()
                }
            }
            Err((error, message)) => DeletableTopicResult {
                name: asked.name,
                topic_id: asked.topic_id,
                error_code: error.code(),
                error_message: Some(message),
                ..Default::default()
            },
        });
    }
    Outcome {
        records,
        response: Response::DeleteTopics(DeleteTopicsResponse {
            responses,
            ..Default::default()
        }),
    }
}

fn resolve<'a>(
    image: &'a MetadataImage,
    asked: &DeleteTopicState,
) -> Result<&'a TopicImage, Refusal> {
    let (found, error) = match (&asked.name, asked.topic_id.is_zero()) {
        (Some(name), true) => (image.topic(name), ErrorCode::UnknownTopicOrPartition),
        (None, false) => (image.topic_by_id(asked.topic_id), ErrorCode::UnknownTopicId),
        (Some(_), false) => return invalid("You may not specify both topic name and topic id."),
        (None, true) => return invalid("Neither topic name nor id were specified."),
    };
    found.ok_or_else(|| (error, error.message().to_string()))
}

fn invalid<T>(message: &str) -> Result<T, Refusal> {
    Err((ErrorCode::InvalidRequest, message.to_string()))
}
