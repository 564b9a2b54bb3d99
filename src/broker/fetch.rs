//! Fetch (key 1): stored batches below the high watermark, with the long poll of
//! `min_bytes` and `max_wait_ms`.

use super::purgatory::{Parked, Watch};
use super::{Broker, Delayed, FETCH_BYTES_MAX, Progress, REQUEST_LOADS_MAX, Wake};
use crate::log::{PartitionId, Read};
use crate::now::{Instant, Now};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::protocol::messages::fetch_response::{
    AbortedTransaction, FetchResponse, FetchableTopicResponse, PartitionData,
};
use crate::protocol::{ErrorCode, Response, Uuid};
use crate::record;
use bytes::{Bytes, BytesMut};
use std::collections::BTreeSet;

/// A fetch that waits for more bytes, or for a load.
#[derive(Debug)]
pub struct DelayedFetch {
    request: FetchRequest,
    api_version: i16,
    deadline: Instant,
}

/// Of a full fetch that asks for a session (`FetchMetadata.INITIAL_EPOCH`).
const INITIAL_EPOCH: i32 = 0;
/// Of a full fetch that asks for none (`FetchMetadata.FINAL_EPOCH`).
const FINAL_EPOCH: i32 = -1;
/// `READ_COMMITTED` of `isolation_level`.
const READ_COMMITTED: i8 = 1;

pub(super) fn handle(
    broker: &mut Broker,
    now: Now,
    api_version: i16,
    request: FetchRequest,
) -> Progress {
    // KIP-227: a broker need not create a session. Answering session id 0 to a full fetch keeps
    // the client with full fetches, as a broker with a full session cache does. A full fetch that
    // ends a session, or begins another, is one all the same.
    if !matches!(request.session_epoch, INITIAL_EPOCH | FINAL_EPOCH) {
        return Progress::Respond(Response::Fetch(FetchResponse {
            error_code: ErrorCode::FetchSessionIdNotFound.code(),
            ..Default::default()
        }));
    }
    let deadline = now.monotonic + request.max_wait_ms.max(0) as u64;
    DelayedFetch {
        request,
        api_version,
        deadline,
    }
    .advance(broker, now, Wake::Moved)
}

impl DelayedFetch {
    pub(super) fn advance(self, broker: &mut Broker, now: Now, _: Wake<'_>) -> Progress {
        let bytes_max = (self.request.max_bytes.max(0) as usize).min(FETCH_BYTES_MAX);
        // Nobody waits for more than may be answered (`KafkaApis.handleFetchRequest`).
        let bytes_min = (self.request.min_bytes.max(0) as usize).min(bytes_max);
        let mut gathered = Gathered {
            bytes_left: bytes_max,
            ..Gathered::default()
        };
        let responses = self
            .request
            .topics
            .iter()
            .map(|topic| self.read_topic(broker, topic, &mut gathered))
            .collect();
        let expired = self.deadline <= now.monotonic;
        let enough = bytes_min <= gathered.bytes || gathered.more;
        // A load in flight is awaited even past the deadline while there is nothing to give:
        // otherwise a consumer with a short wait would never see a record that must be loaded.
        let starved = gathered.bytes == 0 && !gathered.loads.is_empty();
        if gathered.failed || (enough && !starved) || (expired && !starved) {
            return Progress::Respond(Response::Fetch(FetchResponse {
                responses,
                ..Default::default()
            }));
        }
        let deadline = (!expired).then_some(self.deadline);
        let watches = gathered
            .loads
            .into_iter()
            .chain(gathered.partitions)
            .collect();
        Progress::Park(Parked {
            operation: Delayed::Fetch(self),
            deadline,
            watches,
        })
    }

    fn read_topic(
        &self,
        broker: &mut Broker,
        topic: &FetchTopic,
        gathered: &mut Gathered,
    ) -> FetchableTopicResponse {
        let by_id = 13 <= self.api_version;
        let partitions = topic
            .partitions
            .iter()
            .map(|wanted| {
                let found = if by_id {
                    broker.leader_of_id(topic.topic_id, wanted.partition)
                } else {
                    broker.leader_of(&topic.topic, wanted.partition)
                };
                match found {
                    Ok((id, _)) => self.read_partition(broker, id, wanted, gathered),
                    Err(error) => gathered.fail(wanted.partition, error),
                }
            })
            .collect();
        FetchableTopicResponse {
            topic: if by_id {
                String::new()
            } else {
                topic.topic.clone()
            },
            topic_id: if by_id {
                topic.topic_id
            } else {
                Uuid::default()
            },
            partitions,
            ..Default::default()
        }
    }

    fn read_partition(
        &self,
        broker: &mut Broker,
        id: PartitionId,
        wanted: &FetchPartition,
        gathered: &mut Gathered,
    ) -> PartitionData {
        let Some(partition) = broker.partitions.get(&id) else {
            return gathered.fail(wanted.partition, ErrorCode::UnknownTopicOrPartition);
        };
        if let Err(error) = partition.check_leader(wanted.current_leader_epoch) {
            return gathered.fail(wanted.partition, error);
        }
        let high_watermark = partition.high_watermark();
        let last_stable_offset = broker.logs.last_stable_offset(id, high_watermark);
        let log_start_offset = broker.logs.log_start_offset(id).unwrap_or(0);
        let mut data = PartitionData {
            partition_index: wanted.partition,
            high_watermark,
            last_stable_offset,
            log_start_offset,
            preferred_read_replica: -1,
            records: Some(Bytes::new()),
            ..Default::default()
        };
        if !(log_start_offset..=high_watermark).contains(&wanted.fetch_offset) {
            // Between the high watermark and the log's end nothing is shown yet, but the offset is
            // a valid position of a client that was told of it by an earlier leader: it waits.
            let log_end_offset = broker.logs.log_end_offset(id).unwrap_or(high_watermark);
            if wanted.fetch_offset < log_start_offset || log_end_offset < wanted.fetch_offset {
                return gathered.fail(wanted.partition, ErrorCode::OffsetOutOfRange);
            }
            gathered.partitions.insert(Watch::Partition(id));
            return data;
        }
        let committed_only = self.request.isolation_level == READ_COMMITTED;
        let end = if committed_only {
            last_stable_offset
        } else {
            high_watermark
        };
        gathered.partitions.insert(Watch::Partition(id));
        if gathered.loads.len() >= REQUEST_LOADS_MAX {
            return data;
        }
        let bytes_max = gathered
            .bytes_left
            .min(wanted.partition_max_bytes.max(0) as usize);
        let minimum_one = gathered.bytes == 0;
        match broker
            .logs
            .read(id, wanted.fetch_offset, end, bytes_max, minimum_one)
        {
            Ok(Read::Records(batches)) => {
                let records = concatenate(batches);
                gathered.add(records.len());
                let last = record::batches(&records).flatten().last();
                gathered.more |= last.is_some_and(|(header, _)| header.next_offset() < end);
                if committed_only {
                    data.aborted_transactions = Some(
                        broker
                            .logs
                            .aborted_transactions(id, wanted.fetch_offset, end)
                            .into_iter()
                            .map(|aborted| AbortedTransaction {
                                producer_id: aborted.producer_id,
                                first_offset: aborted.first_offset,
                                ..Default::default()
                            })
                            .collect(),
                    );
                }
                data.records = Some(records);
                data
            }
            Ok(Read::Pending(load)) => {
                gathered.loads.insert(Watch::Load(load));
                data
            }
            Err(error) => gathered.fail(wanted.partition, error.error_code()),
        }
    }
}

/// What one pass over the partitions of a fetch has found.
#[derive(Default)]
struct Gathered {
    bytes: usize,
    bytes_left: usize,
    failed: bool,
    /// There is more than was read: what is still to come need not be waited for.
    more: bool,
    loads: BTreeSet<Watch>,
    partitions: BTreeSet<Watch>,
}

impl Gathered {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }

    /// An error is answered at once, whatever the other partitions have.
    fn fail(&mut self, partition_index: i32, error: ErrorCode) -> PartitionData {
        self.failed = true;
        PartitionData {
            partition_index,
            error_code: error.code(),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            preferred_read_replica: -1,
            records: Some(Bytes::new()),
            ..Default::default()
        }
    }
}

fn concatenate(mut batches: Vec<Bytes>) -> Bytes {
    match batches.len() {
        0 => Bytes::new(),
        1 => batches.swap_remove(0),
        _ => {
            let mut all = BytesMut::with_capacity(batches.iter().map(Bytes::len).sum());
            for batch in &batches {
                all.extend_from_slice(batch);
            }
            all.freeze()
        }
    }
}
