//! A cluster that does what a test tells it: nodes that can be down, leaders that move, errors,
//! answers that get lost. Groups are coordinated by the real coordinator.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};

use tablog::client::TopicPartition;
use tablog::coordinator::group::{GroupConfig, GroupRequest, GroupShard, Outcome, RequestId};
use tablog::now::{Instant, Now};
use tablog::protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use tablog::protocol::messages::fetch_request::FetchRequest;
use tablog::protocol::messages::fetch_response::{
    AbortedTransaction, FetchResponse, FetchableTopicResponse, PartitionData,
};
use tablog::protocol::messages::find_coordinator_response::FindCoordinatorResponse;
use tablog::protocol::messages::heartbeat_response::HeartbeatResponse;
use tablog::protocol::messages::init_producer_id_response::InitProducerIdResponse;
use tablog::protocol::messages::join_group_response::JoinGroupResponse;
use tablog::protocol::messages::list_offsets_request::ListOffsetsRequest;
use tablog::protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use tablog::protocol::messages::metadata_request::MetadataRequest;
use tablog::protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use tablog::protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use tablog::protocol::messages::offset_fetch_response::OffsetFetchResponse;
use tablog::protocol::messages::produce_request::ProduceRequest;
use tablog::protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use tablog::protocol::messages::sync_group_response::SyncGroupResponse;
use tablog::protocol::{
    ApiKey, ErrorCode, Request, Response, Uuid, decode_request, encode_response,
};
use tablog::record::{
    BatchBuilder, BatchFields, BatchHeader, Compression, Record, batches, increment_sequence,
    records, set_base_offset,
};

/// A connection of a client: (client, connection).
pub type Socket = (usize, u64);

/// One partition with its log.
#[derive(Default)]
pub struct FakePartition {
    pub leader: i32,
    pub leader_epoch: i32,
    pub log_start_offset: i64,
    pub log: Vec<Bytes>,
    /// By producer id: epoch, next sequence, and where the last batch lies.
    producers: BTreeMap<i64, (i16, i32, i32, i64)>,
    pub aborted: Vec<AbortedTransaction>,
}

impl FakePartition {
    pub fn end(&self) -> i64 {
        let last = self
            .log
            .last()
            .map(|batch| BatchHeader::read(batch).unwrap().next_offset());
        last.unwrap_or(0)
    }

    pub fn append(&mut self, batch: &Bytes) -> i64 {
        let base_offset = self.end();
        let mut batch = BytesMut::from(&batch[..]);
        set_base_offset(&mut batch, base_offset);
        self.log.push(batch.freeze());
        base_offset
    }

    pub fn records(&self) -> Vec<Record> {
        self.log
            .iter()
            .flat_map(|batch| records(batch).unwrap().map(Result::unwrap))
            .collect()
    }

    fn produce(&mut self, batch: &Bytes) -> Result<i64, ErrorCode> {
        let header = BatchHeader::ensure_valid(batch).unwrap();
        if header.has_producer_id() {
            let (id, epoch, sequence) = (
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
            );
            match self.producers.get(&id) {
                Some(&(known, _, last, at)) if known == epoch && last == sequence => return Ok(at),
                Some(&(known, next, ..)) if known == epoch && next != sequence => {
                    return Err(ErrorCode::OutOfOrderSequenceNumber);
                }
                Some(&(known, ..)) if known > epoch => return Err(ErrorCode::InvalidProducerEpoch),
                Some(&(known, ..)) if known < epoch && sequence != 0 => {
                    return Err(ErrorCode::OutOfOrderSequenceNumber);
                }
                _ => {}
            }
            let next = increment_sequence(sequence, header.record_count);
            self.producers
                .insert(id, (epoch, next, sequence, self.end()));
        }
        Ok(self.append(batch))
    }
}

/// What is to be done with a request instead of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is served, then the connection breaks.
    BreakAfter(ApiKey),
    /// The connection breaks before.
    BreakBefore(ApiKey),
    /// It is never answered.
    Silence(ApiKey),
    /// Each partition (or the whole request) gets this error; nothing else happens.
    Error(ApiKey, ErrorCode),
    /// As `Error`, but what is to be done is done.
    ErrorAfter(ApiKey, ErrorCode),
}

/// What a client's socket hears.
pub enum Heard {
    Frame(Socket, Bytes),
    Closed(Socket),
}

struct Parked {
    socket: Socket,
    version: i16,
    correlation_id: i32,
    deadline: Instant,
    request: FetchRequest,
    node: i32,
}

pub struct FakeCluster {
    pub topics: BTreeMap<String, Vec<FakePartition>>,
    /// Of topics that are there, and that were.
    topic_ids: BTreeMap<String, Uuid>,
    next_topic_id: u8,
    pub nodes: BTreeSet<i32>,
    pub down: BTreeSet<i32>,
    pub auto_create: Option<i32>,
    pub faults: VecDeque<Fault>,
    pub shard: GroupShard,
    pub heard: VecDeque<Heard>,
    /// Every request that was read: node, header version, body.
    pub requests: Vec<(i32, Request)>,
    /// The connection of each of them.
    pub sockets: Vec<Socket>,
    pub controller: i32,
    parked: Vec<Parked>,
    group_requests: BTreeMap<u64, (Socket, ApiKey, i16, i32)>,
    next_request: u64,
    next_producer_id: i64,
}

impl FakeCluster {
    pub fn new(nodes: i32) -> FakeCluster {
        let config = GroupConfig {
            group_initial_rebalance_delay_ms: 0,
            ..Default::default()
        };
        let mut shard = GroupShard::new(config, [7; 16]);
        shard.loaded(Now::default());
        FakeCluster {
            topics: BTreeMap::new(),
            topic_ids: BTreeMap::new(),
            next_topic_id: 1,
            nodes: (0..nodes).collect(),
            down: BTreeSet::new(),
            auto_create: None,
            faults: VecDeque::new(),
            shard,
            heard: VecDeque::new(),
            requests: Vec::new(),
            sockets: Vec::new(),
            controller: 0,
            parked: Vec::new(),
            group_requests: BTreeMap::new(),
            next_request: 0,
            next_producer_id: 1000,
        }
    }

    /// Leaders are spread over the nodes.
    pub fn create(&mut self, topic: &str, partitions: i32) {
        if !self.topics.contains_key(topic) {
            let id = Uuid([self.next_topic_id; 16]);
            self.next_topic_id += 1;
            self.topic_ids.insert(topic.to_string(), id);
        }
        let nodes = self.nodes.len() as i32;
        let log = self.topics.entry(topic.to_string()).or_default();
        for n in log.len() as i32..partitions {
            log.push(FakePartition {
                leader: n % nodes,
                ..Default::default()
            });
        }
    }

    pub fn partition(&mut self, topic: &str, partition: i32) -> &mut FakePartition {
        &mut self.topics.get_mut(topic).unwrap()[partition as usize]
    }

    pub fn values(&self, topic: &str, partition: usize) -> Vec<String> {
        let records = self.topics[topic][partition].records();
        let text = |record: Record| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        records.into_iter().map(text).collect()
    }

    /// Appends records as another producer would.
    pub fn append(&mut self, topic: &str, partition: i32, values: &[&str]) {
        let mut builder = BatchBuilder::new(Compression::None);
        for value in values {
            builder
                .append(1_000, None, Some(value.as_bytes()), &[])
                .unwrap();
        }
        let batch = builder.build(BatchFields::default());
        self.partition(topic, partition).append(&batch);
    }

    pub fn move_leader(&mut self, topic: &str, partition: i32, node: i32) {
        let partition = self.partition(topic, partition);
        partition.leader = node;
        partition.leader_epoch += 1;
    }

    pub fn deadline(&self) -> Option<Instant> {
        let parked = self.parked.iter().map(|parked| parked.deadline);
        parked.chain(self.shard.next_deadline()).min()
    }

    pub fn committed(&mut self, group: &str, partition: &TopicPartition) -> i64 {
        use tablog::protocol::messages::offset_fetch_request as fetch;
        let request = Request::OffsetFetch(fetch::OffsetFetchRequest {
            group_id: group.into(),
            topics: Some(vec![fetch::OffsetFetchRequestTopic {
                name: partition.topic.clone(),
                partition_indexes: vec![partition.partition],
                ..Default::default()
            }]),
            ..Default::default()
        });
        let mut outcome = Outcome::default();
        let request = GroupRequest {
            id: RequestId(u64::MAX),
            version: 7,
            client_id: String::new(),
            client_host: String::new(),
            body: request,
        };
        self.shard.handle(Now::default(), request, &mut outcome);
        match &outcome.replies[0].1 {
            Response::OffsetFetch(response) => response.topics[0].partitions[0].committed_offset,
            _ => unreachable!(),
        }
    }

    /// Does what time brings: long polls end, members expire.
    pub fn tick(&mut self, now: Now) {
        let mut outcome = Outcome::default();
        self.shard.expire(now, &mut outcome);
        self.group_replies(outcome);
        for parked in std::mem::take(&mut self.parked) {
            let response = self.fetch(parked.node, &parked.request);
            if has_something(&response) || parked.deadline <= now.monotonic {
                let (socket, version) = (parked.socket, parked.version);
                let response = Response::Fetch(response);
                self.respond(
                    socket,
                    ApiKey::Fetch,
                    version,
                    parked.correlation_id,
                    &response,
                );
            } else {
                self.parked.push(parked);
            }
        }
    }

    /// Fetches that wait for records.
    pub fn parked_fetches(&self) -> usize {
        self.parked.len()
    }

    pub fn closed(&mut self, socket: Socket) {
        self.parked.retain(|parked| parked.socket != socket);
        self.group_requests
            .retain(|_, (asked, ..)| *asked != socket);
    }

    pub fn request(&mut self, now: Now, node: i32, socket: Socket, frame: Bytes) {
        let (header, mut request) = decode_request(frame).expect("clients send valid requests");
        if let Request::Fetch(fetch) = &mut request {
            self.name_topics(fetch);
        }
        let api_key = request.api_key();
        let (version, correlation_id) = (header.request_api_version, header.correlation_id);
        self.requests.push((node, request.clone()));
        self.sockets.push(socket);
        let fault = self.faults.front().copied().filter(|fault| match fault {
            Fault::BreakAfter(key) | Fault::BreakBefore(key) | Fault::Silence(key) => {
                *key == api_key
            }
            Fault::Error(key, _) | Fault::ErrorAfter(key, _) => *key == api_key,
        });
        if fault.is_some() {
            self.faults.pop_front();
        }
        match fault {
            Some(Fault::BreakBefore(_)) => return self.heard.push_back(Heard::Closed(socket)),
            Some(Fault::Silence(_)) => return,
            Some(Fault::Error(_, code)) => {
                let response = refusal(&request, code);
                return self.respond(socket, api_key, version, correlation_id, &response);
            }
            _ => {}
        }
        let response = match request {
            Request::ApiVersions(_) => api_versions(),
            Request::Metadata(request) => self.metadata(&request),
            Request::InitProducerId(_) => {
                self.next_producer_id += 1;
                Response::InitProducerId(InitProducerIdResponse {
                    producer_id: self.next_producer_id,
                    ..Default::default()
                })
            }
            Request::FindCoordinator(_) => {
                let node_id = *self.nodes.difference(&self.down).next().unwrap();
                Response::FindCoordinator(FindCoordinatorResponse {
                    node_id,
                    host: format!("node{node_id}"),
                    port: 9092,
                    ..Default::default()
                })
            }
            Request::Produce(ref produce) => {
                let response = self.produce(node, produce);
                if produce.acks == 0 {
                    return;
                }
                response
            }
            Request::ListOffsets(request) => self.list_offsets(node, &request),
            Request::Fetch(request) => {
                let response = self.fetch(node, &request);
                if !has_something(&response) {
                    let deadline = now.monotonic + request.max_wait_ms as u64;
                    let parked = Parked {
                        socket,
                        version,
                        correlation_id,
                        deadline,
                        request,
                        node,
                    };
                    return self.parked.push(parked);
                }
                Response::Fetch(response)
            }
            Request::CreateTopics(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::DeleteRecords(_)
            | Request::DescribeConfigs(_)
            | Request::AlterConfigs(_) => self.administer(node, request),
            body => {
                let id = self.next_request;
                self.next_request += 1;
                self.group_requests
                    .insert(id, (socket, api_key, version, correlation_id));
                let request = GroupRequest {
                    id: RequestId(id),
                    version,
                    client_id: "test".into(),
                    client_host: "/127.0.0.1".into(),
                    body,
                };
                let mut outcome = Outcome::default();
                self.shard.handle(now, request, &mut outcome);
                if let Some(Fault::BreakAfter(_)) = fault {
                    self.group_requests.remove(&id);
                    self.heard.push_back(Heard::Closed(socket));
                }
                return self.group_replies(outcome);
            }
        };
        match fault {
            Some(Fault::BreakAfter(_)) => self.heard.push_back(Heard::Closed(socket)),
            Some(Fault::ErrorAfter(_, code)) => {
                let (_, request) = self.requests.last().unwrap();
                let response = refusal(request, code);
                self.respond(socket, api_key, version, correlation_id, &response);
            }
            _ => self.respond(socket, api_key, version, correlation_id, &response),
        }
    }

    fn group_replies(&mut self, outcome: Outcome) {
        for (id, mut response) in outcome.replies {
            // The broker's part of a commit: which topics there are.
            if let Response::OffsetCommit(response) = &mut response {
                let unknown = response.topics.iter_mut();
                let unknown = unknown.filter(|topic| !self.topics.contains_key(&topic.name));
                for partition in unknown.flat_map(|topic| &mut topic.partitions) {
                    partition.error_code = ErrorCode::UnknownTopicOrPartition.code();
                }
            }
            if let Some((socket, api_key, version, correlation)) = self.group_requests.remove(&id.0)
            {
                self.respond(socket, api_key, version, correlation, &response);
            }
        }
    }

    fn respond(
        &mut self,
        socket: Socket,
        api: ApiKey,
        version: i16,
        correlation: i32,
        response: &Response,
    ) {
        let frame = encode_response(api, version, correlation, response).unwrap();
        self.heard.push_back(Heard::Frame(socket, frame));
    }

    fn metadata(&mut self, request: &MetadataRequest) -> Response {
        let asked: Vec<String> = match &request.topics {
            Some(topics) => topics
                .iter()
                .filter_map(|topic| topic.name.clone())
                .collect(),
            None => self.topics.keys().cloned().collect(),
        };
        let mut topics = Vec::new();
        for name in asked {
            let mut topic = MetadataResponseTopic {
                name: Some(name.clone()),
                ..Default::default()
            };
            match (self.topics.get(&name), self.auto_create) {
                (Some(partitions), _) => {
                    topic.topic_id = self.topic_ids[&name];
                    topic.partitions = partitions
                        .iter()
                        .enumerate()
                        .map(metadata_partition)
                        .collect();
                }
                // As Kafka: what cannot be a name is told apart from what is not there.
                (None, _) if name.contains(' ') => {
                    topic.error_code = ErrorCode::InvalidTopicException.code();
                }
                (None, Some(count)) if request.allow_auto_topic_creation => {
                    self.create(&name, count);
                    topic.error_code = ErrorCode::LeaderNotAvailable.code();
                }
                (None, _) => topic.error_code = ErrorCode::UnknownTopicOrPartition.code(),
            }
            topics.push(topic);
        }
        let brokers = self
            .nodes
            .difference(&self.down)
            .map(|&node_id| MetadataResponseBroker {
                node_id,
                host: format!("node{node_id}"),
                port: 9092,
                ..Default::default()
            });
        Response::Metadata(MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: Some("fake".into()),
            controller_id: self.controller,
            topics,
            ..Default::default()
        })
    }

    pub fn led(
        &mut self,
        node: i32,
        topic: &str,
        partition: i32,
    ) -> Result<&mut FakePartition, ErrorCode> {
        let partitions = self.topics.get_mut(topic);
        match partitions.and_then(|partitions| partitions.get_mut(partition as usize)) {
            None => Err(ErrorCode::UnknownTopicOrPartition),
            Some(partition) if partition.leader != node => Err(ErrorCode::NotLeaderOrFollower),
            Some(partition) => Ok(partition),
        }
    }

    fn produce(&mut self, node: i32, request: &ProduceRequest) -> Response {
        let mut responses = Vec::new();
        for topic in &request.topic_data {
            let mut partition_responses = Vec::new();
            for data in &topic.partition_data {
                let batch = data.records.as_ref().unwrap();
                assert_eq!(batches(batch).count(), 1, "one batch per partition");
                let result = match self.led(node, &topic.name, data.index) {
                    Ok(partition) => partition.produce(batch),
                    Err(code) => Err(code),
                };
                partition_responses.push(PartitionProduceResponse {
                    index: data.index,
                    error_code: result.err().map_or(0, ErrorCode::code),
                    base_offset: result.unwrap_or(-1),
                    log_start_offset: 0,
                    ..Default::default()
                });
            }
            let name = topic.name.clone();
            responses.push(TopicProduceResponse {
                name,
                partition_responses,
                ..Default::default()
            });
        }
        Response::Produce(ProduceResponse {
            responses,
            ..Default::default()
        })
    }

    fn list_offsets(&mut self, node: i32, request: &ListOffsetsRequest) -> Response {
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let found = self.led(node, &topic.name, asked.partition_index);
                let found = found.map(|partition| match asked.timestamp {
                    -2 => partition.log_start_offset,
                    -1 => partition.end(),
                    timestamp => partition
                        .records()
                        .iter()
                        .find(|record| record.timestamp >= timestamp)
                        .map_or(-1, |record| record.offset),
                });
                ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    error_code: found.err().map_or(0, ErrorCode::code),
                    offset: found.unwrap_or(-1),
                    ..Default::default()
                }
            });
            ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions: partitions.collect(),
                ..Default::default()
            }
        });
        Response::ListOffsets(ListOffsetsResponse {
            topics: topics.collect(),
            ..Default::default()
        })
    }

    /// Those that are named by id: by their names, too, as far as there are any.
    fn name_topics(&self, fetch: &mut FetchRequest) {
        for topic in &mut fetch.topics {
            let named = self.topic_ids.iter().find(|(_, id)| **id == topic.topic_id);
            if let Some((name, _)) = named {
                topic.topic.clone_from(name);
            }
        }
    }

    fn fetch(&mut self, node: i32, request: &FetchRequest) -> FetchResponse {
        let responses = request.topics.iter().map(|topic| {
            let there = topic.topic_id.is_zero()
                || (self.topics.contains_key(&topic.topic)
                    && self.topic_ids[&topic.topic] == topic.topic_id);
            let partitions = topic.partitions.iter().map(|asked| {
                let mut data = PartitionData {
                    partition_index: asked.partition,
                    ..Default::default()
                };
                match self.led(node, &topic.topic, asked.partition) {
                    _ if !there => data.error_code = ErrorCode::UnknownTopicId.code(),
                    Err(code) => data.error_code = code.code(),
                    Ok(partition) => {
                        let end = partition.end();
                        data.high_watermark = end;
                        data.log_start_offset = partition.log_start_offset;
                        data.aborted_transactions = Some(partition.aborted.clone());
                        let offset = asked.fetch_offset;
                        if offset < partition.log_start_offset || offset > end {
                            data.error_code = ErrorCode::OffsetOutOfRange.code();
                        }
                        let mut bytes = BytesMut::new();
                        for batch in &partition.log {
                            let wanted = BatchHeader::read(batch).unwrap().next_offset() > offset;
                            let fits =
                                bytes.len() + batch.len() <= asked.partition_max_bytes as usize;
                            if wanted && (bytes.is_empty() || fits) {
                                bytes.extend_from_slice(batch);
                            } else if wanted {
                                break;
                            }
                        }
                        data.records = Some(bytes.freeze());
                    }
                }
                data
            });
            FetchableTopicResponse {
                topic_id: topic.topic_id,
                partitions: partitions.collect(),
                ..Default::default()
            }
        });
        FetchResponse {
            responses: responses.collect(),
            ..Default::default()
        }
    }
}

fn has_something(response: &FetchResponse) -> bool {
    let mut partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions);
    partitions.any(|data| {
        data.error_code != 0
            || data
                .records
                .as_ref()
                .is_some_and(|records| !records.is_empty())
    })
}

fn metadata_partition((index, partition): (usize, &FakePartition)) -> MetadataResponsePartition {
    MetadataResponsePartition {
        partition_index: index as i32,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        replica_nodes: vec![partition.leader],
        isr_nodes: vec![partition.leader],
        ..Default::default()
    }
}

fn api_versions() -> Response {
    let keys = ApiKey::ALL.iter().map(|key| ApiVersion {
        api_key: key.code(),
        min_version: key.versions().min,
        max_version: key.versions().max,
        ..Default::default()
    });
    Response::ApiVersions(ApiVersionsResponse {
        api_keys: keys.collect(),
        ..Default::default()
    })
}

fn refusal(request: &Request, code: ErrorCode) -> Response {
    let error_code = code.code();
    match request {
        Request::Produce(produce) => {
            let responses = produce.topic_data.iter().map(|topic| TopicProduceResponse {
                name: topic.name.clone(),
                partition_responses: (topic.partition_data.iter())
                    .map(|data| PartitionProduceResponse {
                        index: data.index,
                        error_code,
                        base_offset: -1,
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            Response::Produce(ProduceResponse {
                responses: responses.collect(),
                ..Default::default()
            })
        }
        Request::InitProducerId(_) => Response::InitProducerId(InitProducerIdResponse {
            error_code,
            ..Default::default()
        }),
        Request::FindCoordinator(_) => Response::FindCoordinator(FindCoordinatorResponse {
            error_code,
            ..Default::default()
        }),
        Request::Heartbeat(_) => Response::Heartbeat(HeartbeatResponse {
            error_code,
            ..Default::default()
        }),
        Request::Fetch(fetch) => {
            let topics = fetch.topics.iter().map(|topic| FetchableTopicResponse {
                topic_id: topic.topic_id,
                partitions: (topic.partitions.iter())
                    .map(|partition| PartitionData {
                        partition_index: partition.partition,
                        error_code,
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            Response::Fetch(FetchResponse {
                responses: topics.collect(),
                ..Default::default()
            })
        }
        Request::OffsetCommit(commit) => {
            let topics = commit.topics.iter().map(|topic| OffsetCommitResponseTopic {
                name: topic.name.clone(),
                partitions: (topic.partitions.iter())
                    .map(|partition| OffsetCommitResponsePartition {
                        partition_index: partition.partition_index,
                        error_code,
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            Response::OffsetCommit(OffsetCommitResponse {
                topics: topics.collect(),
                ..Default::default()
            })
        }
        Request::JoinGroup(_) => Response::JoinGroup(JoinGroupResponse {
            error_code,
            ..Default::default()
        }),
        Request::SyncGroup(_) => Response::SyncGroup(SyncGroupResponse {
            error_code,
            ..Default::default()
        }),
        Request::OffsetFetch(_) => Response::OffsetFetch(OffsetFetchResponse {
            error_code,
            ..Default::default()
        }),
        Request::ListOffsets(list) => {
            let topics = list.topics.iter().map(|topic| ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions: (topic.partitions.iter())
                    .map(|partition| ListOffsetsPartitionResponse {
                        partition_index: partition.partition_index,
                        error_code,
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            Response::ListOffsets(ListOffsetsResponse {
                topics: topics.collect(),
                ..Default::default()
            })
        }
        Request::ApiVersions(_) => {
            let Response::ApiVersions(versions) = api_versions() else {
                unreachable!()
            };
            Response::ApiVersions(ApiVersionsResponse {
                error_code,
                ..versions
            })
        }
        other => panic!("no test refuses {other:?}"),
    }
}
