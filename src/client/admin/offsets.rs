//! Offsets of topics, and what groups have committed.

use std::collections::{BTreeMap, VecDeque};

use crate::client::cluster::{Target, mismatched};
use crate::client::{KafkaError, TopicMetadata, TopicPartition};
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestTopic,
};
use crate::protocol::{ErrorCode, Request, Response};

use super::topics::{by_leader, by_leader_when_there, leader_of};
use super::{AdminResult, GroupOffset, Step, TopicOffsets, check};

/// ListOffsets' timestamp for the high watermark.
const LATEST: i64 = -1;
/// ListOffsets' timestamp for the log start offset.
const EARLIEST: i64 = -2;

pub(super) fn of_topic(topic: String) -> Result<Step, KafkaError> {
    by_leader_when_there(topic, |known| {
        let partitions = all(&known, LATEST);
        let again = known.clone();
        list(&known, partitions, move |high| {
            let partitions = all(&again, EARLIEST);
            list(&again, partitions, move |low| {
                let offsets = high.into_iter().map(|(partition, high)| {
                    let low = low.get(&partition).copied().unwrap_or(0);
                    TopicOffsets {
                        partition,
                        high,
                        low,
                    }
                });
                Ok(Step::Done(AdminResult::TopicOffsets(offsets.collect())))
            })
        })
    })
}

pub(super) fn by_timestamp(topic: String, timestamp: Option<i64>) -> Result<Step, KafkaError> {
    by_leader_when_there(topic, move |known| {
        let partitions = all(&known, timestamp.unwrap_or(LATEST));
        let again = known.clone();
        list(&known, partitions, move |found| {
            // Where no record is that late, KafkaJS gives the high watermark.
            let missing = found.iter().filter(|(_, offset)| **offset < 0);
            let missing = missing.map(|(partition, _)| (*partition, LATEST)).collect();
            list(&again, missing, move |high| {
                let mut found = found;
                found.extend(high);
                Ok(Step::Done(AdminResult::Offsets(
                    found.into_iter().collect(),
                )))
            })
        })
    })
}

pub(super) fn of_group(
    group_id: String,
    topics: Vec<String>,
    resolve_offsets: bool,
) -> Result<Step, KafkaError> {
    match topics.len() {
        0 => committed(group_id, None, |offsets| {
            Ok(Step::Done(AdminResult::GroupOffsets(offsets)))
        }),
        _ => of_group_topics(group_id, topics.into(), resolve_offsets, Vec::new()),
    }
}

/// One topic after the other: for each the group needs the numbers of its partitions.
fn of_group_topics(
    group_id: String,
    mut topics: VecDeque<String>,
    resolve_offsets: bool,
    mut found: Vec<GroupOffset>,
) -> Result<Step, KafkaError> {
    let Some(topic) = topics.pop_front() else {
        return Ok(Step::Done(AdminResult::GroupOffsets(found)));
    };
    by_leader(topic.clone(), move |known| {
        let numbers = known
            .partitions
            .iter()
            .map(|partition| partition.partition)
            .collect();
        let asked = Some(vec![(topic.clone(), numbers)]);
        committed(group_id.clone(), asked, move |offsets| {
            let unresolved: BTreeMap<_, _> = (offsets.iter())
                .filter(|offset| resolve_offsets && offset.offset < 0)
                .map(|offset| (offset.partition.partition, LATEST))
                .collect();
            list(&known, unresolved, move |resolved| {
                let resolved_offsets: Vec<_> = resolved.clone().into_iter().collect();
                let offsets = offsets.into_iter().map(|offset| GroupOffset {
                    offset: match resolved.get(&offset.partition.partition) {
                        Some(resolved) => *resolved,
                        None => offset.offset,
                    },
                    ..offset
                });
                found.extend(offsets);
                let group = group_id.clone();
                let next = move || of_group_topics(group, topics, resolve_offsets, found);
                match resolved_offsets.is_empty() {
                    true => next(),
                    false => commit(group_id, topic, resolved_offsets, next),
                }
            })
        })
    })
}

pub(super) fn set(
    group_id: String,
    topic: String,
    partitions: Vec<(i32, i64)>,
) -> Result<Step, KafkaError> {
    by_leader(topic.clone(), move |known| {
        for &(partition, _) in &partitions {
            leader_of(&known, &topic, partition)?;
        }
        let asked = partitions
            .iter()
            .filter(|(_, offset)| *offset < 0)
            .copied()
            .collect();
        list(&known, asked, move |listed| {
            let offsets = partitions.into_iter().map(|(partition, offset)| {
                (partition, listed.get(&partition).copied().unwrap_or(offset))
            });
            commit(group_id, topic, offsets.collect(), || {
                Ok(Step::Done(AdminResult::None))
            })
        })
    })
}

pub(super) fn reset(group_id: String, topic: String, earliest: bool) -> Result<Step, KafkaError> {
    by_leader(topic.clone(), move |known| {
        let offset = if earliest { EARLIEST } else { LATEST };
        let partitions = all(&known, offset).into_iter().collect();
        set(group_id, topic, partitions)
    })
}

/// All partitions of a topic, with the same timestamp.
fn all(known: &TopicMetadata, timestamp: i64) -> BTreeMap<i32, i64> {
    known
        .partitions
        .iter()
        .map(|partition| (partition.partition, timestamp))
        .collect()
}

/// Asks the leaders for the offsets of timestamps, by partition.
fn list(
    known: &TopicMetadata,
    partitions: BTreeMap<i32, i64>,
    next: impl FnOnce(BTreeMap<i32, i64>) -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    let mut nodes: BTreeMap<i32, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition_index, timestamp) in partitions {
        let leader = leader_of(known, &known.name, partition_index)?;
        let partition = ListOffsetsPartition {
            partition_index,
            timestamp,
            ..Default::default()
        };
        nodes.entry(leader).or_default().push(partition);
    }
    let calls = nodes.into_iter().map(|(node, partitions)| {
        let name = known.name.clone();
        let request = Request::ListOffsets(ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name,
                partitions,
                ..Default::default()
            }],
            ..Default::default()
        });
        (Target::Node(node), request)
    });
    Ok(Step::all(calls.collect(), move |answers| {
        let mut offsets = BTreeMap::new();
        for answer in answers {
            let Response::ListOffsets(response) = answer else {
                return Err(mismatched());
            };
            for topic in &response.topics {
                for partition in &topic.partitions {
                    let name = TopicPartition::new(&topic.name, partition.partition_index);
                    check(partition.error_code, None).map_err(|error| error.of_partition(&name))?;
                    offsets.insert(partition.partition_index, partition.offset);
                }
            }
        }
        next(offsets)
    }))
}

/// Asks the coordinator for what is committed; of all partitions when `topics` is `None`.
fn committed(
    group_id: String,
    topics: Option<Vec<(String, Vec<i32>)>>,
    next: impl FnOnce(Vec<GroupOffset>) -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    let topics = topics.map(|topics| {
        let topics = topics
            .into_iter()
            .map(|(name, partition_indexes)| OffsetFetchRequestTopic {
                name,
                partition_indexes,
                ..Default::default()
            });
        topics.collect()
    });
    let request = Request::OffsetFetch(OffsetFetchRequest {
        group_id: group_id.clone(),
        topics,
        ..Default::default()
    });
    Ok(Step::call(
        Target::Coordinator(group_id.clone()),
        request,
        move |answer| {
            let Response::OffsetFetch(response) = answer else {
                return Err(mismatched());
            };
            check(response.error_code, None).map_err(|error| error.of_group(&group_id))?;
            let mut offsets = Vec::new();
            for topic in response.topics {
                for partition in topic.partitions {
                    let name = TopicPartition::new(&topic.name, partition.partition_index);
                    check(partition.error_code, None)
                        .map_err(|error| error.of_partition(&name).of_group(&group_id))?;
                    offsets.push(GroupOffset {
                        partition: name,
                        offset: partition.committed_offset,
                        metadata: partition.metadata,
                    });
                }
            }
            offsets.sort_by(|one, other| one.partition.cmp(&other.partition));
            next(offsets)
        },
    ))
}

/// Commits for a group without members: the coordinator refuses it when there are any.
fn commit(
    group_id: String,
    topic: String,
    offsets: Vec<(i32, i64)>,
    next: impl FnOnce() -> Result<Step, KafkaError> + 'static,
) -> Result<Step, KafkaError> {
    let partitions = offsets
        .into_iter()
        .map(
            |(partition_index, committed_offset)| OffsetCommitRequestPartition {
                partition_index,
                committed_offset,
                committed_metadata: Some(String::new()),
                ..Default::default()
            },
        );
    let topics = vec![OffsetCommitRequestTopic {
        name: topic,
        partitions: partitions.collect(),
        ..Default::default()
    }];
    let request = Request::OffsetCommit(OffsetCommitRequest {
        group_id: group_id.clone(),
        topics,
        ..Default::default()
    });
    Ok(Step::call(
        Target::Coordinator(group_id.clone()),
        request,
        move |answer| {
            let Response::OffsetCommit(response) = answer else {
                return Err(mismatched());
            };
            for topic in &response.topics {
                for partition in &topic.partitions {
                    let name = TopicPartition::new(&topic.name, partition.partition_index);
                    check(partition.error_code, None).map_err(|error| {
                        let error = match error.code {
                            // To somebody who is no member this says that there are members.
                            ErrorCode::UnknownMemberId | ErrorCode::RebalanceInProgress => {
                                KafkaError::protocol(ErrorCode::NonEmptyGroup)
                            }
                            _ => error,
                        };
                        error.of_partition(&name).of_group(&group_id)
                    })?;
                }
            }
            next()
        },
    ))
}
