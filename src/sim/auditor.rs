//! Somebody who makes the topics, and then asks plain questions to compare the answers with what
//! was promised. It speaks in frames, so it depends on no client.

use super::actor::{Actor, Context, Signal, Wish};
use super::clearing::{self, Clearing};
use super::named;
use super::oracle::Oracle;
use super::scheduler::Random;
use super::workload::{TopicPlan, Workload};
use crate::client::{ConnectionId, TopicPartition};
use crate::now::{Instant, Now};
use crate::protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::fetch_request::FetchRequest;
use crate::protocol::messages::fetch_response::{FetchResponse, PartitionData};
use crate::protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::protocol::messages::list_offsets_response::ListOffsetsResponse;
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_commit_response::OffsetCommitResponse;
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestTopic,
};
use crate::protocol::messages::offset_fetch_response::OffsetFetchResponse;
use crate::protocol::{
    ApiKey, ErrorCode, Request, RequestHeader, Response, decode_response, encode_request,
};
use crate::record::{Record, batches, records};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// The auditor's own group: it has no members, only offsets.
const GROUP: &str = "auditor";
/// How long an answer may take before the auditor tries another connection.
const ANSWER_MS_MAX: u64 = 3_000;
/// Most time between two questions.
const PAUSE_MS_MAX: u64 = 200;
/// Bytes of records in an answer.
const FETCH_BYTES: i32 = 1 << 20;

/// See the module.
pub struct Auditor {
    /// Topics that were not made yet.
    to_create: Vec<TopicPlan>,
    connection: Option<(ConnectionId, bool)>,
    connections: u64,
    asked: Option<Asked>,
    correlation_id: i32,
    positions: BTreeMap<TopicPartition, i64>,
    /// Partitions of which it does not know where they start.
    lost: BTreeSet<TopicPartition>,
    committed: BTreeMap<TopicPartition, i64>,
    coordinator_found: bool,
    last: Option<LastAudit>,
    clearing: Clearing,
}

/// A question without an answer.
struct Asked {
    api_key: ApiKey,
    version: i16,
    deadline: Instant,
    /// What the high watermarks were at least when it was asked.
    floors: BTreeMap<TopicPartition, i64>,
    /// What was committed at least when it was asked; or what is to be committed.
    offsets: BTreeMap<TopicPartition, Option<i64>>,
}

/// The reading of whole logs in the end.
#[derive(Default)]
struct LastAudit {
    through: BTreeMap<TopicPartition, bool>,
}

impl Auditor {
    /// The auditor of a workload's topics, which it makes first.
    pub fn new(workload: &Workload) -> Auditor {
        let mut positions = BTreeMap::new();
        for plan in &workload.topics {
            for partition in 0..plan.partitions {
                positions.insert(TopicPartition::new(plan.name.clone(), partition), 0);
            }
        }
        Auditor {
            to_create: workload.topics.clone(),
            connection: None,
            connections: 0,
            asked: None,
            correlation_id: 0,
            positions,
            lost: BTreeSet::new(),
            committed: BTreeMap::new(),
            coordinator_found: false,
            last: None,
            clearing: Clearing::default(),
        }
    }

    /// Whether the topics are made.
    pub fn is_set_up(&self) -> bool {
        self.to_create.is_empty()
    }

    /// Everything is quiet: read all logs from their starts to their ends.
    pub fn begin_last_audit(&mut self, oracle: &Oracle) {
        self.positions
            .retain(|partition, _| !oracle.is_deleted(&partition.topic));
        let through = self.positions.keys().map(|it| (it.clone(), false));
        self.last = Some(LastAudit {
            through: through.collect(),
        });
        for position in self.positions.values_mut() {
            *position = 0;
        }
        // An answer that is under way is none to the last audit.
        self.asked = None;
        self.connection = None;
    }

    /// Whether all logs were read.
    pub fn is_last_audit_done(&self) -> bool {
        let last = self.last.as_ref();
        last.is_some_and(|last| last.through.values().all(|through| *through))
    }

    /// Deletes all records that may be deleted, after the last audit.
    pub fn begin_clearing(&mut self, oracle: &mut Oracle) {
        let partitions = self.positions.keys();
        let deletable = partitions.filter(|it| oracle.is_deletable(&it.topic));
        let deletable: Vec<_> = deletable.cloned().collect();
        for partition in &deletable {
            oracle.deletion_asked(partition, i64::MAX);
        }
        self.clearing = Clearing::new(deletable);
    }

    /// Whether it has deleted them.
    pub fn is_clearing_done(&self) -> bool {
        self.clearing.is_done()
    }

    fn ask(&mut self, now: Now, context: &mut Context<'_>) {
        let connection = match self.connection {
            Some((connection, true)) => connection,
            Some((_, false)) => return,
            None => {
                self.connections += 1;
                let connection = ConnectionId(self.connections);
                self.connection = Some((connection, false));
                context.wishes.push(Wish::Connect(connection));
                self.wait(now, context);
                return;
            }
        };
        let mut asked = Asked {
            api_key: ApiKey::Fetch,
            version: 11,
            deadline: now.monotonic + ANSWER_MS_MAX,
            floors: BTreeMap::new(),
            offsets: BTreeMap::new(),
        };
        let request = self.question(&mut asked, context);
        asked.api_key = request.api_key();
        self.correlation_id += 1;
        let header = RequestHeader {
            request_api_key: asked.api_key.code(),
            request_api_version: asked.version,
            correlation_id: self.correlation_id,
            client_id: Some("auditor".to_owned()),
            ..RequestHeader::default()
        };
        match encode_request(&header, &request) {
            Ok(frame) => context.wishes.push(Wish::Send(connection, frame)),
            Err(error) => context
                .oracle
                .broken(format!("the auditor cannot ask: {error}")),
        }
        self.asked = Some(asked);
        self.wait(now, context);
    }

    fn wait(&self, now: Now, context: &mut Context<'_>) {
        let deadline = now.monotonic + ANSWER_MS_MAX;
        context.wishes.push(Wish::WakeAt(deadline));
    }

    fn question(&mut self, asked: &mut Asked, context: &mut Context<'_>) -> Request {
        if !self.to_create.is_empty() {
            asked.version = 5;
            return create_topics(&self.to_create);
        }
        self.lost
            .retain(|partition| !context.oracle.is_deleted(&partition.topic));
        if !self.lost.is_empty() {
            asked.version = 5;
            let lost = self.lost.iter();
            let lost = lost.map(|partition| (partition.topic.clone(), partition.partition));
            return named::list_offsets(lost, named::EARLIEST_TIMESTAMP);
        }
        if !self.clearing.is_done() {
            asked.version = clearing::VERSION;
            return self.clearing.question();
        }
        if self.last.is_some() {
            return self.fetch(asked, context);
        }
        match context.random.below(6) {
            0 if !self.coordinator_found => {
                asked.version = 3;
                Request::FindCoordinator(FindCoordinatorRequest {
                    key: GROUP.to_owned(),
                    ..FindCoordinatorRequest::default()
                })
            }
            0 | 1 => self.commit(asked, context),
            2 => self.fetch_offsets(asked, context),
            _ => self.fetch(asked, context),
        }
    }

    fn fetch(&mut self, asked: &mut Asked, context: &mut Context<'_>) -> Request {
        let mut places = Vec::new();
        for (partition, position) in &mut self.positions {
            let through = self
                .last
                .as_ref()
                .is_some_and(|last| last.through[partition]);
            if through || context.oracle.is_deleted(&partition.topic) {
                continue;
            }
            if self.last.is_none() && context.random.chance(0.1) {
                *position = context.random.below(*position as usize + 1) as i64;
            }
            let floor = context.oracle.high_watermark_floor(partition);
            asked.floors.insert(partition.clone(), floor);
            places.push((partition, *position));
        }
        Request::Fetch(FetchRequest {
            replica_id: -1,
            max_wait_ms: context.random.pick(&[0, 100]),
            min_bytes: context.random.below(2) as i32,
            max_bytes: FETCH_BYTES,
            session_epoch: -1,
            topics: named::fetch_topics(places.into_iter(), FETCH_BYTES),
            ..FetchRequest::default()
        })
    }

    fn commit(&mut self, asked: &mut Asked, context: &mut Context<'_>) -> Request {
        let mut topics = Vec::new();
        for partition in self.positions.keys() {
            if context.random.chance(0.5) || context.oracle.is_deleted(&partition.topic) {
                continue;
            }
            let next = self.committed.entry(partition.clone()).or_default();
            *next += 1 + context.random.below(3) as i64;
            context.oracle.commit_attempted(GROUP, partition, *next);
            asked.offsets.insert(partition.clone(), Some(*next));
            topics.push(OffsetCommitRequestTopic {
                name: partition.topic.clone(),
                partitions: vec![OffsetCommitRequestPartition {
                    partition_index: partition.partition,
                    committed_offset: *next,
                    committed_leader_epoch: -1,
                    committed_metadata: Some(String::new()),
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            });
        }
        asked.version = 7;
        Request::OffsetCommit(OffsetCommitRequest {
            group_id: GROUP.to_owned(),
            generation_id_or_member_epoch: -1,
            topics,
            ..OffsetCommitRequest::default()
        })
    }

    fn fetch_offsets(&mut self, asked: &mut Asked, context: &mut Context<'_>) -> Request {
        let mut topics = Vec::new();
        for partition in self.positions.keys() {
            let floor = context.oracle.commit_floor(GROUP, partition);
            asked.offsets.insert(partition.clone(), floor);
            topics.push(OffsetFetchRequestTopic {
                name: partition.topic.clone(),
                partition_indexes: vec![partition.partition],
                ..OffsetFetchRequestTopic::default()
            });
        }
        asked.version = 7;
        Request::OffsetFetch(OffsetFetchRequest {
            group_id: GROUP.to_owned(),
            topics: Some(topics),
            ..OffsetFetchRequest::default()
        })
    }

    fn answered(&mut self, frame: Bytes, newest: bool, context: &mut Context<'_>) {
        let Some(asked) = self.asked.take() else {
            let what = "the auditor got an answer that it had not asked for".to_owned();
            return context.oracle.broken(what);
        };
        let response = match decode_response(asked.api_key, asked.version, frame) {
            Ok((correlation_id, response)) if correlation_id == self.correlation_id => response,
            other => {
                let what = format!("the auditor does not understand its answer: {other:?}");
                return context.oracle.broken(what);
            }
        };
        match response {
            Response::CreateTopics(response) => {
                for topic in response.topics {
                    let error = ErrorCode::from_code(topic.error_code);
                    let made = matches!(error, ErrorCode::None | ErrorCode::TopicAlreadyExists);
                    context.counts.operation("create topic", made);
                    self.to_create.retain(|it| !made || it.name != topic.name);
                }
            }
            Response::Fetch(response) => self.fetched(&asked, response, newest, context),
            Response::DeleteRecords(response) => self.clearing.answered(&response, context.counts),
            Response::ListOffsets(response) => self.starts_listed(&response, context),
            Response::FindCoordinator(response) => {
                self.coordinator_found = response.error_code == 0;
                let found = self.coordinator_found;
                context.counts.operation("find coordinator", found);
            }
            Response::OffsetCommit(response) => self.committed(&asked, &response, context),
            Response::OffsetFetch(response) => {
                offsets_fetched(&asked, &response, newest, context);
            }
            other => {
                let what = format!("the auditor was answered {other:?}");
                context.oracle.broken(what);
            }
        }
    }

    fn starts_listed(&mut self, response: &ListOffsetsResponse, context: &mut Context<'_>) {
        for topic in &response.topics {
            for answer in &topic.partitions {
                let partition = TopicPartition::new(topic.name.clone(), answer.partition_index);
                context
                    .counts
                    .operation("list offsets", answer.error_code == 0);
                if answer.error_code == 0 {
                    self.lost.remove(&partition);
                    self.positions.insert(partition, answer.offset);
                }
            }
        }
    }

    fn fetched(
        &mut self,
        asked: &Asked,
        response: FetchResponse,
        newest: bool,
        context: &mut Context<'_>,
    ) {
        context.counts.operation("fetch", response.error_code == 0);
        for topic in response.responses {
            for data in topic.partitions {
                let partition = TopicPartition::new(topic.topic.clone(), data.partition_index);
                self.partition_fetched(asked, &partition, &data, newest, context);
            }
        }
    }

    fn partition_fetched(
        &mut self,
        asked: &Asked,
        partition: &TopicPartition,
        data: &PartitionData,
        newest: bool,
        context: &mut Context<'_>,
    ) {
        let name = format!("{}-{}", partition.topic, partition.partition);
        let position = self.positions.get(partition).copied().unwrap_or_default();
        let error = ErrorCode::from_code(data.error_code);
        context.trace.line(|| {
            format!(
                "the auditor reads {name} at {position}: {error:?}, high watermark {}, start {}, \
                 {} bytes",
                data.high_watermark,
                data.log_start_offset,
                data.records.as_ref().map_or(0, Bytes::len)
            )
        });
        match error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                self.lost.insert(partition.clone());
                let floor = asked.floors.get(partition).copied().unwrap_or_default();
                let still = floor.min(context.oracle.high_watermark_floor(partition));
                if newest && position <= still && !context.oracle.shrinks(&partition.topic) {
                    context.oracle.broken(format!(
                        "{name} is said to end before {position}, but {floor} was its high \
                         watermark"
                    ));
                }
                return;
            }
            _ => return,
        }
        let floor = asked.floors.get(partition).copied().unwrap_or_default();
        let still = floor.min(context.oracle.high_watermark_floor(partition));
        if newest && data.high_watermark < still {
            context.oracle.broken(format!(
                "the high watermark of {name} went back from {floor} to {}",
                data.high_watermark
            ));
        }
        context
            .oracle
            .high_watermark(partition, data.high_watermark);
        context
            .oracle
            .log_start_offset(partition, data.log_start_offset);
        if self.last.is_some() {
            let (start, end) = (data.log_start_offset, data.high_watermark);
            context.oracle.last_log(partition, start, end);
        }
        let mut next = position.max(data.log_start_offset);
        let read = match read_records(data) {
            Ok(read) => read,
            Err(why) => {
                return context
                    .oracle
                    .broken(format!("{name} at {position}: {why}"));
            }
        };
        for record in read.iter().filter(|record| record.offset >= position) {
            if record.offset >= data.high_watermark {
                context.oracle.broken(format!(
                    "{name} shows offset {} above its high watermark {}",
                    record.offset, data.high_watermark
                ));
            }
            match self.last.is_some() {
                true => context.oracle.last_record(partition, record),
                false => {
                    context.oracle.shown(partition, record);
                }
            }
            next = next.max(record.offset + 1);
        }
        if let Some(last) = &mut self.last {
            // A compacted log may end with nothing; its batches stay, and say where they end.
            let through = next >= data.high_watermark;
            last.through.insert(partition.clone(), through);
        }
        next = next.max(batches_end(data));
        if let Some(last) = &mut self.last
            && next >= data.high_watermark
        {
            last.through.insert(partition.clone(), true);
        }
        self.positions.insert(partition.clone(), next);
    }

    fn committed(
        &mut self,
        asked: &Asked,
        response: &OffsetCommitResponse,
        context: &mut Context<'_>,
    ) {
        for topic in &response.topics {
            for answer in &topic.partitions {
                let partition = TopicPartition::new(topic.name.clone(), answer.partition_index);
                let ok = answer.error_code == 0;
                context.counts.operation("commit offset", ok);
                let offset = asked.offsets.get(&partition).copied().flatten();
                context
                    .trace
                    .line(|| format!("the auditor commits {offset:?} for {partition:?}: {ok}"));
                if let (true, Some(offset)) = (ok, offset) {
                    context
                        .oracle
                        .commit_acknowledged(GROUP, &partition, offset);
                }
            }
        }
    }
}

impl Actor for Auditor {
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>) {
        match signal {
            Signal::Act => {
                let idle = self.asked.is_none();
                if idle && !(self.is_last_audit_done() && self.is_clearing_done()) {
                    self.ask(now, context);
                }
            }
            Signal::Connected(connection) => {
                if self.connection == Some((connection, false)) {
                    self.connection = Some((connection, true));
                    context.wishes.push(Wish::ActIn(0));
                }
            }
            Signal::Frame {
                connection,
                frame,
                newest,
            } => {
                if self.connection == Some((connection, true)) {
                    self.answered(frame, newest, context);
                    let pause = match self.last.is_some() || !self.is_set_up() {
                        true => 0,
                        false => context.random.between(0, PAUSE_MS_MAX),
                    };
                    context.wishes.push(Wish::ActIn(pause));
                }
            }
            Signal::Closed(connection) => {
                if self.connection.is_some_and(|(it, _)| it == connection) {
                    self.connection = None;
                    self.asked = None;
                    context.wishes.push(Wish::ActIn(20));
                }
            }
            Signal::Woken => {
                let late = self
                    .asked
                    .as_ref()
                    .is_some_and(|it| it.deadline <= now.monotonic);
                let unconnected = matches!(self.connection, Some((_, false)));
                if let Some((connection, _)) = self.connection.filter(|_| late || unconnected) {
                    self.connection = None;
                    self.asked = None;
                    context.wishes.push(Wish::Close(connection));
                    context.wishes.push(Wish::ActIn(0));
                }
            }
        }
    }

    fn heal(&mut self) {}

    fn is_done(&self) -> bool {
        self.is_set_up()
    }

    fn waits_for(&self, _: &Oracle) -> Option<String> {
        (!self.is_set_up()).then(|| "the auditor waits for its topics".to_owned())
    }

    fn successor(&mut self, _: &mut Random, _: &mut Oracle) -> Option<Box<dyn Actor>> {
        None
    }
}

fn create_topics(plans: &[TopicPlan]) -> Request {
    let topics = plans.iter().map(|plan| {
        let configs = plan.configs().into_iter();
        CreatableTopic {
            name: plan.name.clone(),
            num_partitions: plan.partitions,
            replication_factor: -1,
            configs: configs
                .map(|(name, value)| CreatableTopicConfig {
                    name: name.to_owned(),
                    value: Some(value),
                    ..CreatableTopicConfig::default()
                })
                .collect(),
            ..CreatableTopic::default()
        }
    });
    Request::CreateTopics(CreateTopicsRequest {
        topics: topics.collect(),
        timeout_ms: 1_000,
        ..CreateTopicsRequest::default()
    })
}

fn offsets_fetched(
    asked: &Asked,
    response: &OffsetFetchResponse,
    newest: bool,
    context: &mut Context<'_>,
) {
    context
        .counts
        .operation("fetch offsets", response.error_code == 0);
    if response.error_code != 0 || !newest {
        return;
    }
    for topic in &response.topics {
        for answer in &topic.partitions {
            let partition = TopicPartition::new(topic.name.clone(), answer.partition_index);
            if answer.error_code != 0 {
                continue;
            }
            let floor = asked.offsets.get(&partition).copied().flatten();
            let offset = (answer.committed_offset >= 0).then_some(answer.committed_offset);
            context.oracle.committed(GROUP, &partition, floor, offset);
        }
    }
}

fn read_records(data: &PartitionData) -> Result<Vec<Record>, String> {
    let mut all = Vec::new();
    for batch in batches(data.records.as_ref().unwrap_or(&Bytes::new())) {
        let (_, batch) = batch.map_err(|error| format!("{error:?}"))?;
        for record in records(&batch).map_err(|error| format!("{error:?}"))? {
            all.push(record.map_err(|error| format!("{error:?}"))?);
        }
    }
    Ok(all)
}

/// Where the last batch ends, which may be behind its last record.
fn batches_end(data: &PartitionData) -> i64 {
    let bytes = data.records.clone().unwrap_or_default();
    let ends = batches(&bytes)
        .flatten()
        .map(|(header, _)| header.next_offset());
    ends.max().unwrap_or_default()
}
