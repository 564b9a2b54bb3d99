//! ListOffsets (key 2): offsets by time, and the ends of a log.

use super::purgatory::{Parked, Watch};
use super::{Broker, Delayed, Progress, Wake};
use crate::log::{Lookup, PartitionId, TimestampOffset};
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use crate::protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use crate::protocol::{ErrorCode, Response};
use std::collections::BTreeSet;

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

/// A lookup that waits for a load.
#[derive(Debug)]
pub struct DelayedListOffsets {
    request: ListOffsetsRequest,
}

pub(super) fn handle(broker: &mut Broker, request: ListOffsetsRequest) -> Progress {
    DelayedListOffsets { request }.advance(broker, Wake::Moved)
}

impl DelayedListOffsets {
    pub(super) fn advance(self, broker: &mut Broker, _: Wake<'_>) -> Progress {
        let mut watches = BTreeSet::new();
        let topics = self
            .request
            .topics
            .iter()
            .map(|topic| ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|wanted| {
                        let found = broker
                            .leader_of(&topic.name, wanted.partition_index)
                            .and_then(|(id, partition)| {
                                partition.check_leader(wanted.current_leader_epoch)?;
                                Ok(id)
                            });
                        match found.and_then(|id| self.look_up(broker, id, wanted, &mut watches)) {
                            Ok(found) => answer(wanted, found),
                            Err(error) => ListOffsetsPartitionResponse {
                                error_code: error.code(),
                                ..answer(wanted, None)
                            },
                        }
                    })
                    .collect(),
                ..Default::default()
            })
            .collect();
        if watches.is_empty() {
            return Progress::Respond(Response::ListOffsets(ListOffsetsResponse {
                topics,
                ..Default::default()
            }));
        }
        Progress::Park(Parked {
            operation: Delayed::ListOffsets(self),
            deadline: None,
            watches,
        })
    }

    fn look_up(
        &self,
        broker: &mut Broker,
        id: PartitionId,
        wanted: &ListOffsetsPartition,
        watches: &mut BTreeSet<Watch>,
    ) -> Result<Option<TimestampOffset>, ErrorCode> {
        let Some(partition) = broker.partitions.get(&id) else {
            return Err(ErrorCode::UnknownTopicOrPartition);
        };
        let high_watermark = partition.high_watermark();
        let end = match self.request.isolation_level {
            READ_COMMITTED => broker.logs.last_stable_offset(id, high_watermark),
            _ => high_watermark,
        };
        let at = |offset, leader_epoch| {
            Some(TimestampOffset {
                offset,
                timestamp: -1,
                leader_epoch,
            })
        };
        let latest_epoch = broker.logs.latest_epoch(id).unwrap_or(-1);
        let lookup = match wanted.timestamp {
            LATEST_TIMESTAMP => return Ok(at(end, latest_epoch)),
            EARLIEST_TIMESTAMP | EARLIEST_LOCAL_TIMESTAMP => {
                return Ok(at(
                    broker.logs.log_start_offset(id).unwrap_or(0),
                    latest_epoch,
                ));
            }
            LATEST_TIERED_TIMESTAMP => return Ok(at(-1, -1)),
            MAX_TIMESTAMP => broker.logs.offset_of_max_timestamp(id, end),
            timestamp if timestamp < 0 => return Err(ErrorCode::UnsupportedVersion),
            timestamp => broker.logs.offset_for_timestamp(id, timestamp, end),
        };
        match lookup.map_err(|error| error.error_code())? {
            Lookup::Ready(found) => Ok(found),
            Lookup::Pending(load) => {
                watches.insert(Watch::Load(load));
                Ok(None)
            }
        }
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
