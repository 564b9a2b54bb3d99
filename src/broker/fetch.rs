//! Fetch (key 1): stored batches below the high watermark, with the long poll of
//! `min_bytes` and `max_wait_ms`.

use super::delayed::{Delayed, Leading, Wake};
use super::purgatory::{Parked, Watch};
use super::{Broker, Progress, REQUEST_LOADS_MAX};
use crate::distinct::merged_by;
use crate::log::{PartitionId, Read};
use crate::now::{Instant, Now};
use crate::planted::{self, PlantedBug};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::protocol::messages::fetch_response::{
    AbortedTransaction, FetchResponse, FetchableTopicResponse, PartitionData,
};
use crate::protocol::{ErrorCode, Response, Uuid};
use crate::record;
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};

/// A fetch that waits for more bytes, or for a load.
///
/// What it has read is let go of: it counts the bytes that are appended, and reads again when there
/// are enough (as Kafka's `DelayedFetch` compares positions).
#[derive(Debug)]
pub struct DelayedFetch {
    request: FetchRequest,
    api_version: i16,
    deadline: Instant,
    /// By partition, what there is to read.
    counted: BTreeMap<PartitionId, Counted>,
    /// The sum of what is counted.
    bytes: u64,
    /// Bytes from which on it is worth reading.
    bytes_wanted: u64,
}

/// What a partition has for a fetch.
#[derive(Debug)]
struct Counted {
    fetch_offset: i64,
    leader_epoch: i32,
    bytes: u64,
    bytes_max: u64,
    /// Up to where bytes were counted; `None` if that is in a segment.
    position: Option<u64>,
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
    mut request: FetchRequest,
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
    request.topics = by_partition(request.topics);
    DelayedFetch {
        request,
        api_version,
        deadline,
        counted: BTreeMap::new(),
        bytes: 0,
        bytes_wanted: 0,
    }
    .read(broker, now)
}

/// What is asked of each partition: where one is named twice, the last counts
/// (`FetchRequest.fetchData`).
fn by_partition(topics: Vec<FetchTopic>) -> Vec<FetchTopic> {
    let mut topics = merged_by(
        topics,
        |topic| (topic.topic_id, topic.topic.clone()),
        |topic, again| topic.partitions.extend(again.partitions),
    );
    for topic in &mut topics {
        let partitions = std::mem::take(&mut topic.partitions);
        topic.partitions = merged_by(
            partitions,
            |wanted| wanted.partition,
            |wanted, again| *wanted = again,
        );
    }
    topics
}

impl DelayedFetch {
    /// True when it is time to read again.
    pub(super) fn wake(&mut self, leading: &Leading<'_>, wake: Wake<'_>) -> bool {
        let id = match wake {
            Wake::Moved(Watch::Partition(id)) | Wake::RolledBack(id, _) => id,
            Wake::Moved(_) | Wake::NoProducerIds(_) | Wake::Deadline => return true,
        };
        let committed_only = self.committed_only();
        let Some(counted) = self.counted.get_mut(&id) else {
            return true;
        };
        match counted.count(leading, id, committed_only) {
            Some(more) => {
                self.bytes += more;
                self.bytes_wanted <= self.bytes
            }
            None => true,
        }
    }

    /// Reads what there is, and answers it if that is enough.
    pub(super) fn read(mut self, broker: &mut Broker, now: Now) -> Progress {
        let fetch_max_bytes = broker.config.configs.fetch_max_bytes();
        let bytes_max = self.request.max_bytes.min(fetch_max_bytes).max(0) as usize;
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
        let is_loading = !gathered.loads.is_empty();
        let enough = bytes_min <= gathered.bytes
            || gathered.more
            || is_loading
            || (1 < bytes_min && planted::active(PlantedBug::MinBytesForgotten));
        // A load in flight is awaited even past the deadline while there is nothing to give:
        // otherwise a consumer with a short wait would never see a record that must be loaded.
        let starved = gathered.bytes == 0 && is_loading;
        if gathered.failed || (!starved && (enough || expired)) {
            return Progress::Respond(Response::Fetch(FetchResponse {
                responses,
                ..Default::default()
            }));
        }
        self.bytes = gathered.bytes as u64;
        self.bytes_wanted = if expired { 1 } else { bytes_min.max(1) as u64 };
        self.counted = gathered.counted;
        let partitions = self.counted.keys().map(|id| Watch::Partition(*id));
        let watches = gathered.loads.into_iter().chain(partitions).collect();
        Progress::Park(Parked {
            deadline: (!expired).then_some(self.deadline),
            watches,
            operation: Delayed::Fetch(self),
        })
    }

    fn committed_only(&self) -> bool {
        self.request.isolation_level == READ_COMMITTED
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
        // Before its offsets are believed: of a damaged log they are anything.
        if let Err(error) = broker.logs.check_usable(id) {
            return gathered.fail(wanted.partition, error.error_code());
        }
        let high_watermark = partition.high_watermark();
        let last_stable_offset = broker.logs.last_stable_offset(id, high_watermark);
        let log_start_offset = broker.logs.log_start_offset(id).unwrap_or(0);
        let log_end_offset = broker.logs.log_end_offset(id).unwrap_or(high_watermark);
        let mut data = PartitionData {
            partition_index: wanted.partition,
            high_watermark,
            last_stable_offset,
            log_start_offset,
            preferred_read_replica: -1,
            records: Some(Bytes::new()),
            ..Default::default()
        };
        // Between the high watermark and the log's end nothing is shown yet, but the offset is a
        // valid position of a client that was told of it by an earlier leader: it waits.
        if !(log_start_offset..=log_end_offset).contains(&wanted.fetch_offset) {
            return gathered.fail(wanted.partition, ErrorCode::OffsetOutOfRange);
        }
        let end = match self.committed_only() {
            true => last_stable_offset,
            false => high_watermark,
        };
        let position = broker.logs.position(id, end.max(wanted.fetch_offset));
        let mut counted = Counted {
            fetch_offset: wanted.fetch_offset,
            leader_epoch: wanted.current_leader_epoch,
            bytes: 0,
            bytes_max: wanted.partition_max_bytes.max(0) as u64,
            position: position.ok().flatten(),
        };
        if gathered.loads.len() >= REQUEST_LOADS_MAX || end < wanted.fetch_offset {
            gathered.counted.insert(id, counted);
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
                gathered.more |= match last {
                    Some((header, _)) => header.next_offset() < end,
                    // There was no room left beside what others have.
                    None => !minimum_one && wanted.fetch_offset < end,
                };
                if self.committed_only() {
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
                counted.bytes = records.len() as u64;
                data.records = Some(records);
            }
            Ok(Read::Pending(load)) => {
                gathered.loads.insert(Watch::Load(load));
            }
            Err(error) => return gathered.fail(wanted.partition, error.error_code()),
        }
        gathered.counted.insert(id, counted);
        data
    }
}

impl Counted {
    /// Counts what has come since: `None` when only reading again can tell.
    fn count(
        &mut self,
        leading: &Leading<'_>,
        id: PartitionId,
        committed_only: bool,
    ) -> Option<u64> {
        let partition = leading.partitions.get(&id)?;
        partition.check_leader(self.leader_epoch).ok()?;
        let offsets = leading.logs.log_start_offset(id)?..=leading.logs.log_end_offset(id)?;
        if !offsets.contains(&self.fetch_offset) {
            return None;
        }
        let high_watermark = partition.high_watermark();
        let end = match committed_only {
            true => leading.logs.last_stable_offset(id, high_watermark),
            false => high_watermark,
        };
        let counted_to = self.position?;
        let position = leading.logs.position(id, end).ok()??;
        let bytes = self.bytes + position.saturating_sub(counted_to);
        let more = bytes.min(self.bytes_max).saturating_sub(self.bytes);
        self.bytes += more;
        self.position = Some(position.max(counted_to));
        Some(more)
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
    counted: BTreeMap<PartitionId, Counted>,
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
