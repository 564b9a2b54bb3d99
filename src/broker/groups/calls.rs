//! Requests to group coordinators: split into one part per group, merged into one answer.

use super::super::connections::RequestContext;
use super::super::delayed::Delayed;
use super::super::purgatory::Parked;
use super::super::{Broker, Progress};
use crate::coordinator::group::{GroupRequest, RequestId, narrow_filters};
use crate::metadata::CONSUMER_OFFSETS_TOPIC;
use crate::now::Now;
use crate::protocol::messages::delete_groups_request::DeleteGroupsRequest;
use crate::protocol::messages::delete_groups_response::{
    DeletableGroupResult, DeleteGroupsResponse,
};
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::describe_groups_response::{DescribeGroupsResponse, DescribedGroup};
use crate::protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use crate::protocol::messages::heartbeat_response::HeartbeatResponse;
use crate::protocol::messages::join_group_response::JoinGroupResponse;
use crate::protocol::messages::leave_group_response::LeaveGroupResponse;
use crate::protocol::messages::list_groups_response::ListGroupsResponse;
use crate::protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequest;
use crate::protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
};
use crate::protocol::messages::sync_group_response::SyncGroupResponse;
use crate::protocol::{ErrorCode, Request, Response};
use std::collections::{BTreeMap, BTreeSet};

/// A request whose parts wait for their shards.
#[derive(Debug)]
pub struct DelayedGroupCall {
    /// In the order of the request.
    parts: BTreeMap<RequestId, Part>,
    unanswered: usize,
    /// Partitions of an OffsetCommit or OffsetDelete that do not exist.
    unknown: UnknownPartitions,
}

/// Partitions that do not exist, by their topics' names.
type UnknownPartitions = BTreeMap<String, Vec<i32>>;

#[derive(Debug)]
struct Part {
    /// The part, for an error to be shaped by.
    request: Request,
    answer: Option<Response>,
}

/// The group that a request of one group is about.
fn group_of(request: &Request) -> Option<&str> {
    match request {
        Request::JoinGroup(r) => Some(&r.group_id),
        Request::SyncGroup(r) => Some(&r.group_id),
        Request::Heartbeat(r) => Some(&r.group_id),
        Request::LeaveGroup(r) => Some(&r.group_id),
        Request::OffsetCommit(r) => Some(&r.group_id),
        Request::OffsetFetch(r) => Some(r.groups.first().map_or(&r.group_id, |g| &g.group_id)),
        Request::OffsetDelete(r) => Some(&r.group_id),
        Request::DescribeGroups(r) => r.groups.first().map(String::as_str),
        Request::DeleteGroups(r) => r.groups_names.first().map(String::as_str),
        _ => None,
    }
}

pub fn handle(
    broker: &mut Broker,
    now: Now,
    context: &RequestContext,
    mut request: Request,
) -> Progress {
    let unknown = take_unknown_partitions(broker, &mut request);
    let empty = error_response(&request, ErrorCode::None);
    let shards = broker.shards.partitions();
    let parts = split(request, context.api_version, shards.len());
    let mut call = DelayedGroupCall {
        unanswered: parts.len(),
        parts: BTreeMap::new(),
        unknown,
    };
    for (index, body) in parts.into_iter().enumerate() {
        let id = broker.shards.open(context.token);
        let partition = match group_of(&body) {
            Some(group) => broker.group_partition(group),
            None => shards.get(index).copied().unwrap_or_default(),
        };
        let part = Part {
            request: body.clone(),
            answer: None,
        };
        call.parts.insert(id, part);
        let request = GroupRequest {
            id,
            version: context.api_version,
            client_id: context.client_id.clone(),
            client_host: broker
                .connections
                .client_host(context.connection)
                .to_owned(),
            body,
        };
        broker
            .shards
            .handle(now, &mut broker.logs, partition, request);
    }
    if call.parts.is_empty() {
        return Progress::Respond(empty);
    }
    call.advance()
}

/// One part for each group, or for each shard where a request is about all of them.
fn split(request: Request, api_version: i16, shard_count: usize) -> Vec<Request> {
    match request {
        Request::OffsetFetch(mut all) if 8 <= api_version => std::mem::take(&mut all.groups)
            .into_iter()
            .map(|group| {
                Request::OffsetFetch(OffsetFetchRequest {
                    groups: vec![group],
                    ..all.clone()
                })
            })
            .collect(),
        Request::DescribeGroups(mut all) => std::mem::take(&mut all.groups)
            .into_iter()
            .map(|group| {
                Request::DescribeGroups(DescribeGroupsRequest {
                    groups: vec![group],
                    ..all.clone()
                })
            })
            .collect(),
        // A group is deleted once (`KafkaApis.handleDeleteGroupsRequest`).
        Request::DeleteGroups(mut all) => {
            BTreeSet::from_iter(std::mem::take(&mut all.groups_names))
                .into_iter()
                .map(|group| {
                    Request::DeleteGroups(DeleteGroupsRequest {
                        groups_names: vec![group],
                        ..all.clone()
                    })
                })
                .collect()
        }
        Request::ListGroups(mut all) => {
            narrow_filters(&mut all);
            vec![Request::ListGroups(all); shard_count]
        }
        one => vec![one],
    }
}

/// Takes partitions that do not exist out of a request, as `KafkaApis.handleOffsetCommitRequest` and
/// `handleOffsetDeleteRequest`.
fn take_unknown_partitions(broker: &Broker, request: &mut Request) -> UnknownPartitions {
    let mut unknown = UnknownPartitions::new();
    let mut exists = |topic: &str, partition| {
        let exists = broker.exists(topic, partition);
        if !exists {
            unknown.entry(topic.to_owned()).or_default().push(partition);
        }
        exists
    };
    match request {
        Request::OffsetCommit(commit) => {
            for topic in &mut commit.topics {
                // Kafka 4.3 keeps the topic's id with the offset, whatever the version of the commit.
                topic.topic_id = broker.topic_id(&topic.name).unwrap_or_default();
                let name = &topic.name;
                topic
                    .partitions
                    .retain(|it| exists(name, it.partition_index));
            }
            commit.topics.retain(|topic| !topic.partitions.is_empty());
        }
        Request::OffsetDelete(deletion) => {
            for topic in &mut deletion.topics {
                let name = &topic.name;
                topic
                    .partitions
                    .retain(|it| exists(name, it.partition_index));
            }
            deletion.topics.retain(|topic| !topic.partitions.is_empty());
        }
        _ => {}
    }
    unknown
}

impl DelayedGroupCall {
    /// Takes the answer to one part.
    pub fn answered(
        mut self,
        request_id: RequestId,
        result: Result<Response, ErrorCode>,
    ) -> Progress {
        if let Some(part) = self.parts.get_mut(&request_id) {
            self.unanswered -= usize::from(part.answer.is_none());
            part.answer = Some(result.unwrap_or_else(|error| error_response(&part.request, error)));
        }
        self.advance()
    }

    /// The parts that are still open.
    pub fn open_parts(&self) -> impl Iterator<Item = RequestId> {
        self.parts
            .iter()
            .filter(|(_, part)| part.answer.is_none())
            .map(|(request_id, _)| *request_id)
    }

    fn advance(self) -> Progress {
        if self.unanswered > 0 {
            return Progress::Park(Parked {
                operation: Delayed::Group(self),
                deadline: None,
                watches: Default::default(),
            });
        }
        let mut answers = self.parts.into_values().filter_map(|part| part.answer);
        let Some(mut merged) = answers.next() else {
            return Progress::Close;
        };
        for answer in answers {
            merge(&mut merged, answer);
        }
        tell_unknown_partitions(&mut merged, self.unknown);
        Progress::Respond(merged)
    }
}

/// Adds what is said of partitions that do not exist.
fn tell_unknown_partitions(response: &mut Response, mut unknown: UnknownPartitions) {
    let error_code = ErrorCode::UnknownTopicOrPartition.code();
    match response {
        Response::OffsetCommit(response) => {
            let tell = |partitions: Vec<i32>| {
                let partitions = partitions.into_iter();
                partitions.map(move |partition_index| OffsetCommitResponsePartition {
                    partition_index,
                    error_code,
                    ..Default::default()
                })
            };
            for topic in &mut response.topics {
                let unknown = unknown.remove(&topic.name).unwrap_or_default();
                topic.partitions.extend(tell(unknown));
            }
            response
                .topics
                .extend(
                    unknown
                        .into_iter()
                        .map(|(name, partitions)| OffsetCommitResponseTopic {
                            name,
                            partitions: tell(partitions).collect(),
                            ..Default::default()
                        }),
                );
        }
        Response::OffsetDelete(response) if response.error_code == ErrorCode::None.code() => {
            let tell = |partitions: Vec<i32>| {
                let partitions = partitions.into_iter();
                partitions.map(move |partition_index| OffsetDeleteResponsePartition {
                    partition_index,
                    error_code,
                })
            };
            for topic in &mut response.topics {
                let unknown = unknown.remove(&topic.name).unwrap_or_default();
                topic.partitions.extend(tell(unknown));
            }
            response
                .topics
                .extend(
                    unknown
                        .into_iter()
                        .map(|(name, partitions)| OffsetDeleteResponseTopic {
                            name,
                            partitions: tell(partitions).collect(),
                        }),
                );
        }
        _ => {}
    }
}

fn merge(merged: &mut Response, other: Response) {
    match (merged, other) {
        (Response::OffsetFetch(all), Response::OffsetFetch(one)) => all.groups.extend(one.groups),
        (Response::DescribeGroups(all), Response::DescribeGroups(one)) => {
            all.groups.extend(one.groups);
        }
        (Response::DeleteGroups(all), Response::DeleteGroups(one)) => {
            all.results.extend(one.results);
        }
        (Response::ListGroups(all), Response::ListGroups(one)) => {
            all.groups.extend(one.groups);
            if all.error_code == 0 {
                all.error_code = one.error_code;
            }
        }
        _ => {}
    }
}

/// The shape in which each API tells that its coordinator cannot answer.
fn error_response(request: &Request, error: ErrorCode) -> Response {
    let error_code = error.code();
    match request {
        Request::JoinGroup(r) => Response::JoinGroup(JoinGroupResponse {
            error_code,
            generation_id: -1,
            member_id: r.member_id.clone(),
            ..Default::default()
        }),
        Request::SyncGroup(_) => Response::SyncGroup(SyncGroupResponse {
            error_code,
            ..Default::default()
        }),
        Request::Heartbeat(_) => Response::Heartbeat(HeartbeatResponse {
            error_code,
            ..Default::default()
        }),
        Request::LeaveGroup(_) => Response::LeaveGroup(LeaveGroupResponse {
            error_code,
            ..Default::default()
        }),
        Request::OffsetCommit(r) => Response::OffsetCommit(OffsetCommitResponse {
            topics: r
                .topics
                .iter()
                .map(|topic| OffsetCommitResponseTopic {
                    name: topic.name.clone(),
                    partitions: topic
                        .partitions
                        .iter()
                        .map(|partition| OffsetCommitResponsePartition {
                            partition_index: partition.partition_index,
                            error_code,
                            ..Default::default()
                        })
                        .collect(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }),
        Request::OffsetFetch(r) => Response::OffsetFetch(OffsetFetchResponse {
            error_code,
            // Version 1 has no error of its own: it is repeated for every partition.
            topics: r
                .topics
                .iter()
                .flatten()
                .map(|topic| OffsetFetchResponseTopic {
                    name: topic.name.clone(),
                    partitions: topic
                        .partition_indexes
                        .iter()
                        .map(|partition_index| OffsetFetchResponsePartition {
                            partition_index: *partition_index,
                            committed_offset: -1,
                            error_code,
                            ..Default::default()
                        })
                        .collect(),
                    ..Default::default()
                })
                .collect(),
            groups: r
                .groups
                .iter()
                .map(|group| OffsetFetchResponseGroup {
                    group_id: group.group_id.clone(),
                    error_code,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }),
        Request::DescribeGroups(r) => Response::DescribeGroups(DescribeGroupsResponse {
            groups: r
                .groups
                .iter()
                .map(|group_id| DescribedGroup {
                    group_id: group_id.clone(),
                    error_code,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }),
        Request::DeleteGroups(r) => Response::DeleteGroups(DeleteGroupsResponse {
            results: r
                .groups_names
                .iter()
                .map(|group_id| DeletableGroupResult {
                    group_id: group_id.clone(),
                    error_code,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }),
        Request::OffsetDelete(_) => Response::OffsetDelete(OffsetDeleteResponse {
            error_code,
            ..Default::default()
        }),
        _ => Response::ListGroups(ListGroupsResponse {
            error_code,
            ..Default::default()
        }),
    }
}

/// `FindCoordinatorRequest.CoordinatorType.GROUP`.
const KEY_TYPE_GROUP: i8 = 0;

/// FindCoordinator (key 10). The topic is created by the first one who asks.
pub fn find_coordinator(
    broker: &mut Broker,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> Progress {
    if request.key_type == KEY_TYPE_GROUP
        && !broker.has_topic(CONSUMER_OFFSETS_TOPIC)
        && broker.create_group_metadata_topic(context.token)
    {
        return Progress::Park(Parked {
            operation: Delayed::AwaitsTopics(Request::FindCoordinator(request)),
            deadline: None,
            watches: Default::default(),
        });
    }
    coordinators(broker, context, request)
}

/// Says where the coordinators are, as far as it is known: if their topic could not be created,
/// they are not available.
pub fn coordinators(
    broker: &Broker,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> Progress {
    let find = |key: &str| {
        let mut found = Coordinator {
            key: key.to_owned(),
            node_id: -1,
            port: -1,
            ..Default::default()
        };
        let outcome = if request.key_type != KEY_TYPE_GROUP {
            Err((
                ErrorCode::InvalidRequest,
                "only group coordinators are served".to_owned(),
            ))
        } else {
            broker.coordinator_node(key).map_err(|why| {
                let why = why.unwrap_or_else(|| "the coordinator is not available".to_owned());
                (ErrorCode::CoordinatorNotAvailable, why)
            })
        };
        match outcome {
            Ok(node) => {
                (found.node_id, found.host, found.port) = node;
            }
            Err((error, message)) => {
                found.error_code = error.code();
                found.error_message = Some(message);
            }
        }
        found
    };
    let response = if 4 <= context.api_version {
        FindCoordinatorResponse {
            coordinators: request
                .coordinator_keys
                .iter()
                .map(|key| find(key))
                .collect(),
            ..Default::default()
        }
    } else {
        let found = find(&request.key);
        FindCoordinatorResponse {
            error_code: found.error_code,
            error_message: found.error_message,
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..Default::default()
        }
    };
    Progress::Respond(Response::FindCoordinator(response))
}

impl Broker {
    /// Takes the shards' answers to the requests that wait for them.
    pub(in super::super) fn deliver_group_replies(&mut self) -> bool {
        let replies = self.shards.take_replies();
        let any = !replies.is_empty();
        for reply in replies {
            let Some(parked) = self.purgatory.take(reply.token) else {
                continue;
            };
            if let Delayed::Group(call) = parked.operation {
                let progress = call.answered(reply.part, reply.result);
                self.settle_request(reply.token, progress);
            }
        }
        any
    }
}
