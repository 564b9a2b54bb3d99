//! ListOffsets (key 2): offsets by time, and the ends of a log.

use super::connections::RequestContext;
use super::delayed::{Delayed, Wake};
use super::purgatory::{Parked, Watch};
use super::{Broker, Progress, REQUEST_LOADS_MAX};
use crate::log::{LoadId, Lookup, TimestampOffset};
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use crate::protocol::{ErrorCode, Response};
use std::collections::{BTreeMap, VecDeque};

/// The log's end, as this consumer may see it.
const LATEST_TIMESTAMP: i64 = -1;
/// The log's start.
const EARLIEST_TIMESTAMP: i64 = -2;
/// The record with the largest timestamp (KIP-734).
const MAX_TIMESTAMP: i64 = -3;
/// The log's start on the leader's own disk; there is no other disk here (KIP-405).
const EARLIEST_LOCAL_TIMESTAMP: i64 = -4;
/// The last offset in tiered storage: never any (KIP-1005).
const LATEST_TIERED_TIMESTAMP: i64 = -5;
/// `READ_COMMITTED` of `isolation_level`.
const READ_COMMITTED: i8 = 1;

/// A lookup that waits for loads.
#[derive(Debug)]
pub struct DelayedListOffsets {
    isolation_level: i8,
    response: ListOffsetsResponse,
    /// Partitions to look up next.
    waiting: VecDeque<Waiting>,
    /// Partitions that wait for a load.
    loading: BTreeMap<LoadId, Vec<Waiting>>,
}

/// A partition without an answer yet. Those that have one keep it: all of them at once may need
/// more chunks than the cache has room for.
#[derive(Debug)]
struct Waiting {
    topic: usize,
    partition: usize,
    wanted: ListOffsetsPartition,
}

pub(super) fn handle(
    broker: &mut Broker,
    context: &RequestContext,
    request: ListOffsetsRequest,
) -> Progress {
    let mut response = ListOffsetsResponse::default();
    let mut waiting = VecDeque::new();
    for (name, partitions) in by_partition(request.topics) {
        let mut answers = Vec::new();
        for mut asked in partitions.into_values() {
            let Some(wanted) = asked.pop() else { continue };
            let checked = match asked.is_empty() {
                true => check_timestamp(context.api_version, wanted.timestamp),
                // Nobody could tell the answers apart (`ReplicaManager.fetchOffset`).
                false => Err(ErrorCode::InvalidRequest),
            };
            match checked {
                Ok(()) => {
                    answers.push(answer(&wanted, None));
                    waiting.push_back(Waiting {
                        topic: response.topics.len(),
                        partition: answers.len() - 1,
                        wanted,
                    });
                }
                Err(error) => answers.push(refusal(&wanted, error)),
            }
        }
        response.topics.push(ListOffsetsTopicResponse {
            name,
            partitions: answers,
            ..Default::default()
        });
    }
    DelayedListOffsets {
        isolation_level: request.isolation_level,
        response,
        waiting,
        loading: BTreeMap::new(),
    }
    .look_up(broker)
}

/// What is asked of each partition, also where a topic is named twice.
fn by_partition(
    topics: Vec<ListOffsetsTopic>,
) -> BTreeMap<String, BTreeMap<i32, Vec<ListOffsetsPartition>>> {
    let mut all: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for topic in topics {
        let partitions = all.entry(topic.name).or_default();
        for wanted in topic.partitions {
            let asked = partitions.entry(wanted.partition_index).or_default();
            asked.push(wanted);
        }
    }
    all
}

impl DelayedListOffsets {
    /// True when a load has ended that a partition waits for.
    pub(super) fn wake(&mut self, wake: Wake<'_>) -> bool {
        let Wake::Moved(Watch::Load(load)) = wake else {
            return false;
        };
        // Before the others: what was loaded for them is in the cache now.
        for waiting in self.loading.remove(&load).unwrap_or_default() {
            self.waiting.push_front(waiting);
        }
        true
    }

    pub(super) fn look_up(mut self, broker: &mut Broker) -> Progress {
        while self.loading.len() < REQUEST_LOADS_MAX
            && let Some(waiting) = self.waiting.pop_front()
        {
            let topic = &mut self.response.topics[waiting.topic];
            let found = look_up(broker, &topic.name, &waiting.wanted, self.isolation_level);
            topic.partitions[waiting.partition] = match found {
                Ok(Lookup::Ready(found)) => answer(&waiting.wanted, found),
                Ok(Lookup::Pending(load)) => {
                    self.loading.entry(load).or_default().push(waiting);
                    continue;
                }
                Err(error) => refusal(&waiting.wanted, error),
            };
        }
        if self.loading.is_empty() {
            return Progress::Respond(Response::ListOffsets(self.response));
        }
        let watches = self.loading.keys().map(|load| Watch::Load(*load));
        Progress::Park(Parked {
            deadline: None,
            watches: watches.collect(),
            operation: Delayed::ListOffsets(self),
        })
    }
}

fn look_up(
    broker: &mut Broker,
    topic: &str,
    wanted: &ListOffsetsPartition,
    isolation_level: i8,
) -> Result<Lookup<Option<TimestampOffset>>, ErrorCode> {
    let (id, partition) = broker.leader_of(topic, wanted.partition_index)?;
    partition.check_leader(wanted.current_leader_epoch)?;
    let usable = broker.logs.check_usable(id);
    usable.map_err(|error| error.error_code())?;
    let high_watermark = partition.high_watermark();
    let end = match isolation_level {
        READ_COMMITTED => broker.logs.last_stable_offset(id, high_watermark),
        _ => high_watermark,
    };
    let at = |offset, leader_epoch| {
        Ok(Lookup::Ready(Some(TimestampOffset {
            offset,
            timestamp: -1,
            leader_epoch,
        })))
    };
    let leader_epoch = partition.leader_epoch();
    let lookup = match wanted.timestamp {
        LATEST_TIMESTAMP => return at(end, leader_epoch),
        EARLIEST_TIMESTAMP | EARLIEST_LOCAL_TIMESTAMP => {
            let offset = broker.logs.log_start_offset(id).unwrap_or(0);
            // A leader's epoch begins at the end of its log, though nothing was appended yet.
            let epoch = broker.logs.earliest_epoch(id).unwrap_or(leader_epoch);
            return at(offset, epoch);
        }
        LATEST_TIERED_TIMESTAMP => return at(-1, -1),
        MAX_TIMESTAMP => broker.logs.offset_of_max_timestamp(id, end),
        timestamp => broker.logs.offset_for_timestamp(id, timestamp, end),
    };
    lookup.map_err(|error| error.error_code())
}

/// Each special timestamp belongs to a version (`ReplicaManager.isListOffsetsTimestampUnsupported`).
fn check_timestamp(api_version: i16, timestamp: i64) -> Result<(), ErrorCode> {
    let since = match timestamp {
        0.. | LATEST_TIMESTAMP | EARLIEST_TIMESTAMP => 0,
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL_TIMESTAMP => 8,
        LATEST_TIERED_TIMESTAMP => 9,
        _ => i16::MAX,
    };
    match since <= api_version {
        true => Ok(()),
        false => Err(ErrorCode::UnsupportedVersion),
    }
}

fn refusal(wanted: &ListOffsetsPartition, error: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        error_code: error.code(),
        ..answer(wanted, None)
    }
}

fn answer(
    wanted: &ListOffsetsPartition,
    found: Option<TimestampOffset>,
) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index: wanted.partition_index,
        offset: found.map_or(-1, |found| found.offset),
        timestamp: found.map_or(-1, |found| found.timestamp),
        leader_epoch: found.map_or(-1, |found| found.leader_epoch),
        ..Default::default()
    }
}
