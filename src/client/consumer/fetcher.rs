//! Fetches ahead, within bounds, and delivers what is asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::client::cluster::{Call, Target, mismatched};
use crate::client::network::Lane;
use crate::client::retry::Failures;
use crate::client::{ErrorKind, KafkaError, TopicPartition};
use crate::now::{Instant, Now};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::protocol::messages::fetch_response::{AbortedTransaction, FetchResponse, PartitionData};
use crate::protocol::{ErrorCode, Request, Response, Uuid};
use crate::record::{
    BatchHeader, EndTransactionMarker, Record, RecordError, TransactionResult, records,
};

use super::agenda::List;
use super::config::{ConsumerEvent, ConsumerOutput, FetchedBatch, IsolationLevel, OffsetReset};
use super::subscription::Position;
use super::{Consumer, Token};

/// Fetches that may wait at one node, each on a connection of its own. What becomes wanted while a
/// fetch waits for records of others (a partition that was sought, resumed, assigned or just read
/// to its end) is asked for at once in another. When all wait, it joins the next that is answered.
const FETCHES_PER_NODE_MAX: u8 = 8;

/// How long none may be answered: then the oldest is given up, and what it asked for joins the new
/// one. That costs a connection, so that with many busy partitions it must not be the rule.
const LANE_WAIT_MS: u64 = 10;

/// What of a fetch has not been delivered.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Of the batch that is being delivered.
    decoded: VecDeque<Record>,
    /// Behind that batch.
    decoded_to: i64,
    /// Whole batches.
    rest: Bytes,
    /// In the order of their first offsets; only what still lies ahead.
    aborted: VecDeque<AbortedTransaction>,
    /// Producers in whose aborted transaction we are.
    aborting: Vec<i64>,
    read_committed: bool,
    high_watermark: i64,
    log_start_offset: i64,
}

/// A fetch that is under way.
#[derive(Debug)]
pub(super) struct Fetch {
    /// Of all fetches: an answer to one that was given up is not another's.
    number: u32,
    sent_at: Instant,
    /// By the ids that it names them by, to brokers that know ids.
    topic_names: BTreeMap<Uuid, String>,
    /// With the fence and the offset that each had.
    partitions: BTreeMap<TopicPartition, (u64, i64)>,
}

/// Partitions that are to be fetched from a node all of whose fetches wait. What happens to one of
/// them is looked at when there is a lane for it, not before.
#[derive(Debug)]
pub(super) struct LaneQueue {
    since: Instant,
    partitions: BTreeSet<TopicPartition>,
}

/// What a fetch asks of a partition, noted there: with thousands of partitions nobody could look
/// for each of them in every fetch whenever anything happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// [`Fetch::number`].
    fetch: u32,
    fence: u64,
    offset: i64,
}

impl Asked {
    pub fn is_for(self, fence: u64, offset: i64) -> bool {
        (self.fence, self.offset) == (fence, offset)
    }
}

/// Partitions to fetch, each with its fence and offset.
type Wanted = Vec<(TopicPartition, u64, i64)>;

impl Consumer {
    /// Sends a fetch to every node that leads something to be fetched that no fetch asks for.
    pub(super) fn send_fetches(&mut self, now: Now) {
        if self.is_buffer_full(now) {
            for queue in self.lane_queues.values_mut() {
                queue.since = now.monotonic;
            }
            return;
        }
        let over = self.lane_queues.iter().filter(|(node_id, queue)| {
            queue.since + LANE_WAIT_MS <= now.monotonic || self.free_lane(**node_id).is_some()
        });
        let over: Vec<i32> = over.map(|(&node_id, _)| node_id).collect();
        for &node_id in &over {
            self.end_lane_queue(node_id);
        }
        let mut wanted = self.wanted(now);
        let mut gave_up = false;
        for node_id in over {
            if wanted.contains_key(&node_id) && self.free_lane(node_id).is_none() {
                self.abandon_oldest(node_id);
                gave_up = true;
            }
        }
        if gave_up {
            wanted = self.wanted(now);
        }
        for (node_id, partitions) in wanted {
            match self.free_lane(node_id) {
                Some(lane) => self.send_fetch(now, node_id, lane, partitions),
                None => self.wait_for_lane(now, node_id, partitions),
            }
        }
    }

    /// When nodes whose fetches all wait are not waited for any longer.
    pub(super) fn lane_deadline(&mut self, now: Now) -> Option<Instant> {
        let since = self.lane_queues.values().map(|queue| queue.since).min()?;
        (!self.is_buffer_full(now)).then_some(since + LANE_WAIT_MS)
    }

    fn is_buffer_full(&mut self, now: Now) -> bool {
        self.config.fetch_buffer_bytes <= self.partitions.agenda(now).buffered_bytes()
    }

    fn wait_for_lane(&mut self, now: Now, node_id: i32, wanted: Wanted) {
        let queue = self.lane_queues.entry(node_id).or_insert(LaneQueue {
            since: now.monotonic,
            partitions: BTreeSet::new(),
        });
        for (name, ..) in wanted {
            if let Some(state) = self.partitions.get_mut(&name) {
                state.waits_for_lane = true;
                queue.partitions.insert(name);
            }
        }
    }

    /// What waits for a lane of the node is looked at again.
    fn end_lane_queue(&mut self, node_id: i32) {
        let queue = self.lane_queues.remove(&node_id);
        for name in queue.into_iter().flat_map(|queue| queue.partitions) {
            if let Some(state) = self.partitions.get_mut(&name) {
                state.waits_for_lane = false;
            }
        }
    }

    /// Metadata have been read: what waits for a lane of one node may have moved to another.
    pub(super) fn end_lane_queues(&mut self) {
        let nodes: Vec<i32> = self.lane_queues.keys().copied().collect();
        for node_id in nodes {
            self.end_lane_queue(node_id);
        }
    }

    fn free_lane(&self, node_id: i32) -> Option<u8> {
        (0..FETCHES_PER_NODE_MAX).find(|&lane| !self.fetching.contains_key(&(node_id, lane)))
    }

    fn abandon_oldest(&mut self, node_id: i32) {
        let fetches = self.fetching.range((node_id, 0)..(node_id, u8::MAX));
        let oldest = fetches.min_by_key(|(_, fetch)| fetch.sent_at);
        if let Some((&(node_id, lane), _)) = oldest {
            self.take_fetch(node_id, lane);
            self.cluster.abandon(node_id, Lane::Fetch(lane));
        }
    }

    /// A fetch is not under way any more.
    fn take_fetch(&mut self, node_id: i32, lane: u8) -> Option<Fetch> {
        let fetch = self.fetching.remove(&(node_id, lane))?;
        for name in fetch.partitions.keys() {
            if let Some(state) = self.partitions.get_mut(name) {
                state.asked = state.asked.filter(|asked| asked.fetch != fetch.number);
            }
        }
        Some(fetch)
    }

    /// What is to be fetched and is not, by leader.
    fn wanted(&mut self, now: Now) -> BTreeMap<i32, Wanted> {
        let mut nodes: BTreeMap<i32, Wanted> = BTreeMap::new();
        let names: Vec<_> = self
            .partitions
            .agenda(now)
            .list(List::Fetch)
            .cloned()
            .collect();
        for name in names {
            let Some(state) = self.partitions.get(&name) else {
                continue;
            };
            let Position::At(offset) = state.position else {
                continue;
            };
            match self.cluster.metadata.leader(&name) {
                Some(leader) => {
                    let fence = state.fence;
                    nodes.entry(leader).or_default().push((name, fence, offset));
                }
                None => self.wait_for_leader(&name),
            }
        }
        nodes
    }

    /// Nobody can be asked about the partition before metadata tell of its leader.
    pub(super) fn wait_for_leader(&mut self, name: &TopicPartition) {
        if let Some(state) = self.partitions.get_mut(name) {
            state.leaderless = true;
        }
        self.cluster.request_refresh();
    }

    fn send_fetch(&mut self, now: Now, node_id: i32, lane: u8, mut asked: Wanted) {
        // The broker fills the answer in this order up to `max_bytes`: take turns at being first.
        let first = self.fetches_sent as usize % asked.len();
        self.fetches_sent = self.fetches_sent.wrapping_add(1);
        asked.rotate_left(first);
        let mut topics: Vec<FetchTopic> = Vec::new();
        let mut topic_names = BTreeMap::new();
        for (name, _, offset) in &asked {
            let known = self.cluster.metadata.partition(name);
            let partition = FetchPartition {
                partition: name.partition,
                current_leader_epoch: known.map_or(-1, |known| known.leader_epoch),
                fetch_offset: *offset,
                partition_max_bytes: self.config.max_partition_bytes,
                ..Default::default()
            };
            match topics.last_mut().filter(|topic| topic.topic == name.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => {
                    let topic_id = self.cluster.metadata.topic_id(&name.topic);
                    topic_names.insert(topic_id, name.topic.clone());
                    topics.push(FetchTopic {
                        topic: name.topic.clone(),
                        topic_id,
                        partitions: vec![partition],
                        ..Default::default()
                    });
                }
            }
        }
        let request = Request::Fetch(FetchRequest {
            max_wait_ms: self.config.max_wait_ms,
            min_bytes: self.config.min_bytes,
            max_bytes: self.config.max_bytes,
            isolation_level: self.isolation_level(),
            topics,
            ..Default::default()
        });
        let number = self.fetches_sent;
        for (name, fence, offset) in &asked {
            if let Some(state) = self.partitions.get_mut(name) {
                state.asked = Some(Asked {
                    fetch: number,
                    fence: *fence,
                    offset: *offset,
                });
            }
        }
        let partitions = asked
            .into_iter()
            .map(|(name, fence, offset)| (name, (fence, offset)));
        let fetch = Fetch {
            number,
            sent_at: now.monotonic,
            topic_names,
            partitions: partitions.collect(),
        };
        let token = Token::Fetch {
            node_id,
            lane,
            number,
        };
        let wait_ms = u64::try_from(self.config.max_wait_ms).unwrap_or(0);
        let timeout_ms = wait_ms + self.config.client.request_timeout_ms;
        self.fetching.insert((node_id, lane), fetch);
        self.emit(ConsumerEvent::FetchStart { node_id });
        let target = Target::Node(node_id);
        self.cluster.call(
            now,
            Call {
                token,
                target,
                lane: Lane::Fetch(lane),
                request,
                timeout_ms,
            },
        );
    }

    pub(super) fn fetch_answered(
        &mut self,
        now: Now,
        (node_id, lane): (i32, u8),
        number: u32,
        result: Result<Response, KafkaError>,
    ) {
        let under_way = self.fetching.get(&(node_id, lane));
        if under_way.is_none_or(|fetch| fetch.number != number) {
            return;
        }
        let Some(fetch) = self.take_fetch(node_id, lane) else {
            return;
        };
        let response = match result {
            Ok(Response::Fetch(response)) if response.error_code == 0 => response,
            Ok(Response::Fetch(response)) => {
                let error = KafkaError::protocol(ErrorCode::from_code(response.error_code));
                return self.fetch_failed(now, &fetch, error);
            }
            Ok(_) => return self.fetch_failed(now, &fetch, mismatched()),
            Err(error) => return self.fetch_failed(now, &fetch, error),
        };
        let (number_of_batches, bytes) = size(&response);
        self.emit(ConsumerEvent::Fetch {
            node_id,
            number_of_batches,
            bytes,
            duration_ms: now.monotonic.ms_since(fetch.sent_at),
        });
        for topic in response.responses {
            let by_id = fetch.topic_names.get(&topic.topic_id);
            let topic_name = by_id
                .filter(|_| topic.topic.is_empty())
                .unwrap_or(&topic.topic);
            for data in topic.partitions {
                let name = TopicPartition::new(topic_name, data.partition_index);
                if let Some(&(fence, offset)) = fetch.partitions.get(&name) {
                    self.partition_fetched(now, &name, fence, offset, data);
                }
            }
        }
    }

    fn partition_fetched(
        &mut self,
        now: Now,
        name: &TopicPartition,
        fence: u64,
        offset: i64,
        data: PartitionData,
    ) {
        let read_committed = self.config.isolation_level == IsolationLevel::ReadCommitted;
        let paused = self.partitions.is_paused(name);
        let Some(state) = self.partitions.fenced(name, fence) else {
            return;
        };
        if state.position != Position::At(offset) || state.buffer.is_some() || paused {
            return;
        }
        match ErrorCode::from_code(data.error_code) {
            ErrorCode::None => {
                state.failures = Failures::default();
                let rest = data.records.unwrap_or_default();
                if rest.is_empty() {
                    return;
                }
                let mut aborted = data.aborted_transactions.unwrap_or_default();
                aborted.sort_by_key(|transaction| transaction.first_offset);
                state.buffer = Some(Buffer {
                    decoded: VecDeque::new(),
                    decoded_to: offset,
                    rest,
                    aborted: aborted.into(),
                    aborting: Vec::new(),
                    read_committed,
                    high_watermark: data.high_watermark,
                    log_start_offset: data.log_start_offset,
                });
                self.skip_invisible(name);
            }
            ErrorCode::OffsetOutOfRange => {
                let error = KafkaError::protocol(ErrorCode::OffsetOutOfRange).of_offset(offset);
                match state.offset_reset {
                    OffsetReset::None => self.crash(now, error.of_partition(name)),
                    reset => state.position = listed(reset),
                }
            }
            code => {
                let error = KafkaError::protocol(code).of_partition(name);
                self.partition_failed(now, name, error);
            }
        }
    }

    /// Goes past what the application does not see, so that it is not waited for.
    fn skip_invisible(&mut self, name: &TopicPartition) {
        let Some(state) = self.partitions.get_mut(name) else {
            return;
        };
        let Some(buffer) = &mut state.buffer else {
            return;
        };
        let Position::At(position) = state.position else {
            return;
        };
        // An error is found again, and told, when the records are asked for.
        if !matches!(buffer.fill(position), Ok(false)) {
            return;
        }
        let next_offset = buffer.decoded_to.max(position);
        state.buffer = None;
        state.position = Position::At(next_offset);
        if state.delivered_to.is_none() && state.resolved == Some(position) {
            state.resolved = Some(next_offset);
            self.commit_after_batch();
        }
    }

    fn fetch_failed(&mut self, now: Now, fetch: &Fetch, error: KafkaError) {
        for name in fetch.partitions.keys() {
            self.partition_failed(now, name, error.clone().of_partition(name));
        }
    }

    /// Tries again after a pause, unless that cannot help, or has not helped as often as it may be
    /// tried.
    pub(super) fn partition_failed(&mut self, now: Now, name: &TopicPartition, error: KafkaError) {
        self.cluster
            .note_error(error.code, Some(&self.config.group_id));
        let Some(state) = self.partitions.get_mut(name) else {
            return;
        };
        // A producer may send again what was damaged on its way; what is stored stays as it is, and
        // Kafka's consumer fails at it (FetchCollector.handleInitializeErrors).
        if error.code == ErrorCode::CorruptMessage && !error.is_virtual() {
            let error = match state.position {
                Position::At(offset) => error.of_offset(offset),
                _ => error,
            };
            return self.crash(now, error.for_good());
        }
        let known = self.cluster.metadata.partition(name);
        let leader_epoch = known.map_or(-1, |known| known.leader_epoch);
        if std::mem::replace(&mut state.failed_leader_epoch, leader_epoch) != leader_epoch {
            state.failures = Failures::default();
        }
        state.failures.add(&error);
        let retry = &self.config.client.retry;
        match (state.failures).again_after_ms(&error, retry, &mut self.random) {
            Some(delay_ms) => state.not_before = now.monotonic + delay_ms,
            None => {
                let error = error.after_retries(state.failures.retries());
                self.crash(now, error);
            }
        }
    }

    /// Answers polls as far as there are records.
    pub(super) fn deliver(&mut self, now: Now) {
        while let Some(&(id, records_max)) = self.polls.front() {
            let agenda = self.partitions.agenda(now);
            let next = agenda.in_turn(List::Deliver, self.last_delivered.as_ref());
            let Some(name) = next.cloned() else {
                return;
            };
            self.last_delivered = Some(name.clone());
            let Some(state) = self.partitions.get_mut(&name) else {
                return;
            };
            let Position::At(position) = state.position else {
                return;
            };
            let Some(buffer) = &mut state.buffer else {
                return;
            };
            let taken = match buffer.take(position, records_max.max(1)) {
                Ok(taken) => taken,
                Err(error) => {
                    let text = error.to_string();
                    let error = KafkaError::answered(error.error_code(), Some(&text));
                    let error = error.of_partition(&name).of_offset(position);
                    return self.crash(now, error.for_good());
                }
            };
            let (high_watermark, log_start_offset) =
                (buffer.high_watermark, buffer.log_start_offset);
            let next_offset = buffer.delivered_to(position, &taken);
            if buffer.is_empty() {
                state.buffer = None;
            }
            state.position = Position::At(next_offset);
            if taken.is_empty() {
                continue;
            }
            state.delivered_to = Some(next_offset);
            let fence = state.fence;
            self.partitions.hand_out(&name);
            let batch = FetchedBatch {
                fence,
                partition: name,
                records: taken,
                next_offset,
                high_watermark,
                log_start_offset,
            };
            self.polls.pop_front();
            self.outputs.push(ConsumerOutput::Polled {
                id,
                result: Ok(Some(batch)),
            });
        }
    }

    pub(super) fn isolation_level(&self) -> i8 {
        match self.config.isolation_level {
            IsolationLevel::ReadUncommitted => 0,
            IsolationLevel::ReadCommitted => 1,
        }
    }
}

impl Buffer {
    pub fn size_bytes(&self) -> usize {
        let decoded = self.decoded.iter().map(|record| {
            record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len)
        });
        self.rest.len() + decoded.sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.decoded.is_empty()
    }

    /// Up to `records_max` records from `position` on. What cannot be read is an error when there
    /// is nothing in front of it.
    fn take(&mut self, position: i64, records_max: usize) -> Result<Vec<Record>, RecordError> {
        let mut taken = Vec::new();
        loop {
            // What follows may be nothing to see: then it is already behind the application.
            match self.fill(position) {
                Ok(true) if taken.len() < records_max => {
                    let more = self.decoded.len().min(records_max - taken.len());
                    taken.extend(self.decoded.drain(..more));
                }
                Err(error) if taken.is_empty() => return Err(error),
                _ => return Ok(taken),
            }
        }
    }

    /// Where the partition is after `taken` has been delivered.
    fn delivered_to(&self, position: i64, taken: &[Record]) -> i64 {
        match self.decoded.front() {
            Some(next) => taken.last().map_or(next.offset, |last| last.offset + 1),
            None => self.decoded_to.max(position),
        }
    }

    /// Decodes batches until there is a record to deliver; `false` when there is none. A batch that
    /// cannot be decoded stays, to be found again.
    fn fill(&mut self, position: i64) -> Result<bool, RecordError> {
        while self.decoded.is_empty() {
            let header = match BatchHeader::ensure_valid(&self.rest) {
                Ok(header) => header,
                // The last batch of an answer may be cut off: it is fetched again.
                Err(RecordError::Truncated) => {
                    self.rest = Bytes::new();
                    return Ok(false);
                }
                Err(error) => return Err(error),
            };
            let batch = self.rest.slice(..header.size_in_bytes());
            if self.is_visible(&header, &batch)? {
                let records: Vec<Record> = records(&batch)?.collect::<Result<_, _>>()?;
                // A batch comes whole, even if the position lies within.
                let wanted = records.into_iter().filter(|it| it.offset >= position);
                self.decoded.extend(wanted);
            }
            self.rest = self.rest.slice(batch.len()..);
            self.decoded_to = header.next_offset();
        }
        Ok(true)
    }

    /// Whether a batch's records are the application's to see: no markers and, with
    /// `read_committed`, nothing of aborted transactions (KIP-98).
    fn is_visible(&mut self, header: &BatchHeader, batch: &Bytes) -> Result<bool, RecordError> {
        if self.read_committed {
            while let Some(next) = self
                .aborted
                .pop_front_if(|next| next.first_offset <= header.last_offset())
            {
                self.aborting.push(next.producer_id);
            }
        }
        if header.is_control() {
            let first = records(batch)?.next().transpose()?;
            let marker = first
                .as_ref()
                .map(EndTransactionMarker::from_record)
                .transpose()?;
            if marker
                .flatten()
                .is_some_and(|marker| marker.result == TransactionResult::Abort)
            {
                self.aborting
                    .retain(|&producer_id| producer_id != header.producer_id);
            }
            return Ok(false);
        }
        Ok(!header.is_transactional() || !self.aborting.contains(&header.producer_id))
    }
}

/// How the reset policy is asked of ListOffsets.
pub(super) fn listed(reset: OffsetReset) -> Position {
    Position::Listed {
        timestamp: reset.offset().unwrap_or(-1),
        asked: false,
    }
}

/// An error that nobody can repair by trying again, or by doing without.
pub(super) fn no_offset(name: &TopicPartition) -> KafkaError {
    let text = "nothing valid is committed, and there is no auto.offset.reset";
    KafkaError::raised(ErrorKind::NoOffset, text).of_partition(name)
}

fn size(response: &FetchResponse) -> (usize, usize) {
    let partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions);
    let sizes = partitions.map(|data| data.records.as_ref().map_or(0, Bytes::len));
    sizes
        .filter(|size| *size > 0)
        .fold((0, 0), |(count, sum), size| (count + 1, sum + size))
}
