//! A broker and its controller on storages that do what the test says.

use crate::broker::{Broker, BrokerConfig};
use crate::machine::{ConnectionId, ControllerLink, Effect, Event, Machine};
use crate::metadata::configs::BrokerConfigs;
use crate::metadata::{Controller, ControllerConfig};
use crate::now::{Instant, Now, Timestamp};
use crate::protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::protocol::messages::fetch_response::PartitionData;
use crate::protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use crate::protocol::messages::produce_response::PartitionProduceResponse;
use crate::protocol::{ApiKey, Request, RequestHeader, Response, decode_response, encode_request};
use crate::record::{BatchBuilder, BatchFields, Compression, batches, records};
use crate::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};
use crate::storage::{KeyRange, Reserve, StorageRequest, Store, Ticket, WriteBatch};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

pub const START_MS: i64 = 1_700_000_000_000;

#[derive(Clone, Copy)]
enum Side {
    Broker,
    Controller,
}

pub struct Node {
    pub now: Now,
    pub broker_medium: FaultyMedium,
    pub controller_medium: FaultyMedium,
    broker: Broker,
    controller: Controller,
    link: ControllerLink,
    broker_storage: FaultyStorage,
    controller_storage: FaultyStorage,
    wake_at: [Option<Instant>; 2],
    /// What happens to the broker's commits; `None` holds them back.
    pub commits: Option<Outcome>,
    /// What happens to the controller's commits.
    pub controller_commits: Outcome,
    /// How many there were, and how many bytes they wrote.
    pub controller_commits_made: usize,
    /// What its last commit may use of it.
    pub controller_reserve: Reserve,
    pub controller_bytes: usize,
    /// Most bytes that one event has answered.
    pub event_bytes_max: usize,
    sent: BTreeMap<(ConnectionId, i32), (ApiKey, i16)>,
    answers: BTreeMap<ConnectionId, VecDeque<(i32, Response)>>,
    closed: Vec<ConnectionId>,
    next_correlation_id: i32,
    /// Whoever asks.
    pub client_id: String,
    lives: u8,
    configs: BTreeMap<String, String>,
    /// Whether what is in segments cannot be loaded, and the loads under way that fail for it.
    pub loads_fail: bool,
    failing: Vec<Ticket>,
    pub stopped: Option<String>,
    pub reports: Vec<String>,
}

impl Node {
    pub fn start() -> Node {
        Node::with_configs(&[("num.partitions", "3")])
    }

    pub fn with_configs(configs: &[(&str, &str)]) -> Node {
        let configs = configs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (broker, controller) = (FaultyMedium::new(), FaultyMedium::new());
        Node::on(
            broker,
            controller,
            1,
            START_MS,
            configs,
            false,
            Outcome::Done,
        )
    }

    fn on(
        broker_medium: FaultyMedium,
        controller_medium: FaultyMedium,
        lives: u8,
        wall_ms: i64,
        configs: BTreeMap<String, String>,
        loads_fail: bool,
        commits: Outcome,
    ) -> Node {
        let config = BrokerConfig {
            configs: BrokerConfigs::new(configs.clone()).unwrap(),
            ..BrokerConfig::default()
        };
        let controller = ControllerConfig {
            cluster_id: config.cluster_id.clone(),
            broker: config.configs.clone(),
            ..ControllerConfig::default()
        };
        let broker_storage = FaultyStorage::new(&broker_medium);
        let controller_storage = FaultyStorage::new(&controller_medium);
        broker_storage.open_now().unwrap();
        controller_storage.open_now().unwrap();
        let incarnation_id = crate::protocol::Uuid([lives; 16]);
        let mut node = Node {
            now: Now {
                monotonic: Instant(0),
                wall: Timestamp(wall_ms),
            },
            broker: Broker::new(config, incarnation_id).unwrap(),
            controller: Controller::new(controller),
            link: ControllerLink::default(),
            broker_medium,
            controller_medium,
            broker_storage,
            controller_storage,
            wake_at: [None; 2],
            commits: Some(commits),
            controller_commits: commits,
            controller_commits_made: 0,
            controller_reserve: Reserve::None,
            controller_bytes: 0,
            event_bytes_max: 0,
            sent: BTreeMap::new(),
            answers: BTreeMap::new(),
            closed: Vec::new(),
            next_correlation_id: 0,
            client_id: "test".to_owned(),
            lives,
            configs,
            loads_fail,
            failing: Vec::new(),
            stopped: None,
            reports: Vec::new(),
        };
        node.controller_event(Event::Opened { seed: [lives; 16] });
        node.broker_event(Event::Opened { seed: [lives; 16] });
        node.run();
        node
    }

    /// Changes the first byte of the rows of a store of the broker, or of those of one partition.
    pub fn damage(&mut self, store: Store, partition: Option<i32>) {
        let mut batch = WriteBatch::default();
        for row in self.broker_medium.read(&KeyRange::all(store), usize::MAX) {
            let is_of = |partition: i32| row.key[16..20] == partition.to_be_bytes();
            if partition.is_none_or(is_of) {
                let mut damaged = row.value.to_vec();
                damaged[0] ^= 0x41;
                batch.put(store, row.key, damaged.into());
            }
        }
        assert!(!batch.is_empty());
        let ticket = Ticket(u64::MAX);
        self.broker_storage
            .submit(StorageRequest::Commit { ticket, batch });
        self.broker_storage.perform(ticket, Outcome::Done);
    }

    /// Crashes and starts again on what the media hold.
    pub fn restart(self) -> Node {
        self.restart_where(false, Outcome::Done)
    }

    /// The same, where loads of what is in segments may fail, and commits end like that.
    pub fn restart_where(self, loads_fail: bool, commits: Outcome) -> Node {
        let wall_ms = self.now.wall.0 + 1_000;
        Node::on(
            self.broker_medium,
            self.controller_medium,
            self.lives + 1,
            wall_ms,
            self.configs,
            loads_fail,
            commits,
        )
    }

    fn broker_event(&mut self, event: Event) {
        self.event(Side::Broker, event);
    }

    fn controller_event(&mut self, event: Event) {
        self.event(Side::Controller, event);
    }

    /// Events keep their order, as on a real connection: one is handled after the other.
    fn event(&mut self, side: Side, event: Event) {
        let mut queue = VecDeque::from([(side, event)]);
        while let Some((side, event)) = queue.pop_front() {
            let mut effects = Vec::new();
            match side {
                Side::Broker => {
                    self.link.heard(&event);
                    self.broker.handle(self.now, event, &mut effects);
                }
                Side::Controller => self.controller.handle(self.now, event, &mut effects),
            }
            let answered = effects.iter().map(|effect| match effect {
                Effect::Respond { frame, .. } => frame.len(),
                _ => 0,
            });
            self.event_bytes_max = self.event_bytes_max.max(answered.sum());
            for effect in effects {
                queue.extend(self.perform(side, effect));
            }
        }
    }

    /// Does what a machine wants done; the events that it means.
    fn perform(&mut self, side: Side, effect: Effect) -> Vec<(Side, Event)> {
        match (side, effect) {
            (Side::Broker, Effect::Respond { connection, frame }) => {
                self.answered(connection, frame);
            }
            (Side::Broker, Effect::Close { connection }) => self.closed.push(connection),
            (Side::Broker, Effect::Send { frame, .. }) => {
                let request = self.link.request(frame);
                return request
                    .map(|it| (Side::Controller, it))
                    .into_iter()
                    .collect();
            }
            (Side::Broker, Effect::Storage(request)) => {
                if let StorageRequest::Load { ticket, range, .. } = &request
                    && matches!(range.store, Store::Segment | Store::Index)
                    && self.loads_fail
                {
                    self.failing.push(*ticket);
                }
                self.broker_storage.submit(request);
            }
            (Side::Broker, Effect::WakeAt(instant)) => self.wake_at[0] = Some(instant),
            (Side::Broker, Effect::Stop { reason, .. }) => self.stopped = Some(reason),
            (Side::Broker, Effect::Report { message }) => self.reports.push(message),
            (Side::Controller, Effect::Respond { connection, frame }) => {
                let reply = self.link.response(connection, frame);
                return reply.map(|it| (Side::Broker, it)).into_iter().collect();
            }
            (Side::Controller, Effect::Close { connection }) => {
                if let Some((closed, lost)) = self.link.close(connection) {
                    return vec![(Side::Controller, closed), (Side::Broker, lost)];
                }
            }
            (Side::Controller, Effect::Storage(request)) => {
                if let StorageRequest::Commit { batch, .. } = &request {
                    self.controller_commits_made += 1;
                    self.controller_reserve = batch.reserve;
                    let rows = batch.puts.iter().map(|(_, key, row)| key.len() + row.len());
                    self.controller_bytes += rows.sum::<usize>();
                }
                self.controller_storage.submit(request);
            }
            (Side::Controller, Effect::WakeAt(instant)) => self.wake_at[1] = Some(instant),
            (Side::Controller, Effect::Stop { reason, .. }) => self.stopped = Some(reason),
            (Side::Controller, other) => panic!("the controller does not {other:?}"),
        }
        Vec::new()
    }

    /// Lets storage do what it is asked until nothing is left to do.
    pub fn run(&mut self) {
        loop {
            let mut any = false;
            for ticket in self.controller_storage.ready() {
                any = true;
                let outcome = self.controller_commits;
                if let Some(reply) = self.controller_storage.perform(ticket, outcome) {
                    self.controller_event(Event::Storage(reply));
                }
            }
            for ticket in self.broker_storage.ready() {
                let Some(mut outcome) = self.commits else {
                    continue;
                };
                if self.failing.contains(&ticket) {
                    outcome = Outcome::Failed;
                }
                any = true;
                if let Some(reply) = self.broker_storage.perform(ticket, outcome) {
                    self.broker_event(Event::Storage(reply));
                }
            }
            if !any {
                return;
            }
        }
    }

    /// Lets time pass, waking whoever wants to be woken.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.monotonic + ms;
        loop {
            self.run();
            let next = self
                .wake_at
                .iter()
                .flatten()
                .min()
                .copied()
                .filter(|at| *at <= end);
            let at = next.unwrap_or(end).max(self.now.monotonic);
            self.now.wall.0 += at.ms_since(self.now.monotonic) as i64;
            self.now.monotonic = at;
            let Some(due) = next else { return };
            for side in 0..2 {
                if self.wake_at[side] == Some(due) {
                    self.wake_at[side] = None;
                    match side {
                        0 => self.broker_event(Event::Woken),
                        _ => self.controller_event(Event::Woken),
                    }
                }
            }
        }
    }

    /// The broker's timer fires a little early, as those of browsers do.
    pub fn wake_early(&mut self) {
        let due = self.wake_at[0].take().expect("a timer");
        self.now.monotonic = Instant(due.0 - 1);
        self.broker_event(Event::Woken);
    }

    /// What the broker's storage could do next: one commit, and all loads.
    pub fn storage_requests(&self) -> usize {
        self.broker_storage.ready().len()
    }

    fn answered(&mut self, connection: ConnectionId, frame: Bytes) {
        let correlation_id = i32::from_be_bytes(frame[..4].try_into().unwrap());
        let (api_key, version) = self
            .sent
            .remove(&(connection, correlation_id))
            .expect("nobody asked");
        let (_, response) = decode_response(api_key, version, frame).unwrap();
        self.answers
            .entry(connection)
            .or_default()
            .push_back((correlation_id, response));
    }

    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, connection: u64, version: i16, request: Request) -> i32 {
        let frame = self.frame(connection, version, request);
        self.send_frame(connection, frame);
        self.next_correlation_id
    }

    /// A frame, whose answer is awaited from now on.
    pub fn frame(&mut self, connection: u64, version: i16, request: Request) -> Bytes {
        self.next_correlation_id += 1;
        let correlation_id = self.next_correlation_id;
        let api_key = request.api_key();
        let header = RequestHeader {
            request_api_key: api_key.code(),
            request_api_version: version,
            correlation_id,
            client_id: Some(self.client_id.clone()),
            ..Default::default()
        };
        let frame = encode_request(&header, &request).unwrap();
        let connection = ConnectionId(connection);
        self.sent
            .insert((connection, correlation_id), (api_key, version));
        frame
    }

    /// Says what an answer to a frame that was not made here will be.
    pub fn expect_answer(
        &mut self,
        connection: u64,
        correlation_id: i32,
        api_key: ApiKey,
        version: i16,
    ) {
        self.sent.insert(
            (ConnectionId(connection), correlation_id),
            (api_key, version),
        );
    }

    pub fn send_frame(&mut self, connection: u64, frame: Bytes) {
        let connection = ConnectionId(connection);
        self.broker_event(Event::Request { connection, frame });
    }

    /// A client connects that lives there.
    pub fn connect_from(&mut self, connection: u64, client_host: &str) {
        self.broker_event(Event::Connected {
            connection: ConnectionId(connection),
            client_host: client_host.to_owned(),
        });
    }

    pub fn close(&mut self, connection: u64) {
        let connection = ConnectionId(connection);
        self.broker_event(Event::Closed { connection });
    }

    pub fn is_closed(&self, connection: u64) -> bool {
        self.closed.contains(&ConnectionId(connection))
    }

    /// The next answer on a connection, if one has come.
    pub fn answer(&mut self, connection: u64) -> Option<Response> {
        self.answers
            .get_mut(&ConnectionId(connection))?
            .pop_front()
            .map(|(_, answer)| answer)
    }

    /// Sends a request and runs until it is answered.
    pub fn ask(&mut self, version: i16, request: Request) -> Response {
        self.send(1, version, request);
        self.run();
        self.answer(1).expect("an answer")
    }

    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: (*name).to_owned(),
                    value: Some((*value).to_owned()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            timeout_ms: 1_000,
            ..Default::default()
        };
        let Response::CreateTopics(response) = self.ask(5, Request::CreateTopics(request)) else {
            panic!("not an answer to CreateTopics");
        };
        assert_eq!(
            response.topics[0].error_code, 0,
            "{:?}",
            response.topics[0].error_message
        );
    }

    pub fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        records: Bytes,
    ) -> PartitionProduceResponse {
        let request = produce_request(topic, partition, -1, Some(records));
        let Response::Produce(response) = self.ask(9, Request::Produce(request)) else {
            panic!("not an answer to Produce");
        };
        response.responses[0].partition_responses[0].clone()
    }

    pub fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> PartitionData {
        let request = fetch_request(topic, partition, offset, 0, 0);
        let Response::Fetch(response) = self.ask(11, Request::Fetch(request)) else {
            panic!("not an answer to Fetch");
        };
        response.responses[0].partitions[0].clone()
    }
}

pub fn produce_request(
    topic: &str,
    partition: i32,
    acks: i16,
    records: Option<Bytes>,
) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData {
        index: partition,
        records,
        ..Default::default()
    }];
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned(),
            partition_data,
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub fn fetch_request(
    topic: &str,
    partition: i32,
    offset: i64,
    min_bytes: i32,
    max_wait_ms: i32,
) -> FetchRequest {
    let partitions = vec![FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        current_leader_epoch: -1,
        ..Default::default()
    }];
    FetchRequest {
        replica_id: -1,
        max_wait_ms,
        min_bytes,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A batch with these values and no keys.
pub fn batch(values: &[&str]) -> Bytes {
    batch_with(values, BatchFields::default())
}

pub fn batch_with(values: &[&str], fields: BatchFields) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder
            .append(START_MS, None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.build(fields)
}

/// Offset and value of every record.
pub fn read(data: &PartitionData) -> Vec<(i64, String)> {
    let bytes = data.records.clone().unwrap_or_default();
    let mut all = Vec::new();
    for found in batches(&bytes) {
        for record in records(&found.unwrap().1).unwrap() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            all.push((record.offset, value));
        }
    }
    all
}
