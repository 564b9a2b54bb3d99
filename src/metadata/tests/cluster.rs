//! A controller on a faulty medium, and brokers that follow it, driven step by step.

use crate::machine::{ConnectionId, Effect, Event, Machine};
use crate::metadata::configs::BrokerConfigs;
use crate::metadata::*;
use crate::now::{Now, Timestamp};
use crate::protocol::messages::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::protocol::messages::broker_registration_request::BrokerRegistrationRequest;
use crate::protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::create_topics_response::CreatableTopicResult;
use crate::protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::protocol::messages::fetch_response::PartitionData;
use crate::protocol::{
    ErrorCode, Request, RequestHeader, Response, Uuid, decode_response, encode_request,
};
use crate::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

pub const CLUSTER_ID: &str = "tests";

/// Where requests come from that no follower sends.
const CLIENT: ConnectionId = ConnectionId(0);

/// A controller with its storage. Dropping it is a crash.
pub struct Cluster {
    pub medium: FaultyMedium,
    storage: FaultyStorage,
    pub controller: Controller,
    pub config: ControllerConfig,
    pub now: Now,
    /// What becomes of every commit.
    pub outcome: Outcome,
    pub responses: BTreeMap<ConnectionId, VecDeque<Bytes>>,
    pub closed: Vec<ConnectionId>,
    pub stopped: Option<String>,
    next_correlation_id: i32,
}

impl Cluster {
    pub fn new() -> Cluster {
        Cluster::with_configs(&[])
    }

    pub fn with_configs(configs: &[(&str, &str)]) -> Cluster {
        let configs = configs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let config = ControllerConfig {
            cluster_id: CLUSTER_ID.to_string(),
            broker: BrokerConfigs::new(configs.collect()).unwrap(),
            ..ControllerConfig::default()
        };
        Cluster::on(FaultyMedium::new(), config)
    }

    /// Opens what the medium has.
    pub fn on(medium: FaultyMedium, config: ControllerConfig) -> Cluster {
        let mut cluster = Cluster::unsettled(medium, config);
        cluster.settle();
        cluster
    }

    /// Has begun to open what the medium has.
    pub fn unsettled(medium: FaultyMedium, config: ControllerConfig) -> Cluster {
        let storage = FaultyStorage::new(&medium);
        storage.open_now().unwrap();
        let mut cluster = Cluster {
            medium,
            storage,
            controller: Controller::new(config.clone()),
            config,
            now: Now {
                wall: Timestamp(1_750_000_000_000),
                ..Now::default()
            },
            outcome: Outcome::Done,
            responses: BTreeMap::new(),
            closed: Vec::new(),
            stopped: None,
            next_correlation_id: 0,
        };
        cluster.feed(Event::Opened { seed: [7; 16] });
        cluster
    }

    /// Dies between two steps, and opens again.
    pub fn crash(self) -> Cluster {
        Cluster::on(self.medium.clone(), self.config.clone())
    }

    /// A cluster with a registered broker for each id.
    pub fn with_brokers(ids: &[i32]) -> Cluster {
        let mut cluster = Cluster::new();
        for id in ids {
            cluster.register(*id, 1).unwrap();
        }
        cluster
    }

    /// Feeds an event, and performs all that follows from it.
    pub fn handle(&mut self, event: Event) {
        self.feed(event);
        self.settle();
    }

    /// Feeds an event, and leaves the storage alone.
    pub fn feed(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.controller.handle(self.now, event, &mut effects);
        for effect in effects {
            match effect {
                Effect::Respond { connection, frame } => {
                    self.responses
                        .entry(connection)
                        .or_default()
                        .push_back(frame);
                }
                Effect::Storage(request) => self.storage.submit(request),
                Effect::Report { message } => panic!("{message}"),
                Effect::Stop { reason, .. } => self.stopped = Some(reason),
                Effect::WakeAt(_) => {}
                Effect::Close { connection } => self.closed.push(connection),
                Effect::Send { .. } => panic!("{effect:?}"),
            }
        }
    }

    /// Performs everything that storage was asked for.
    pub fn settle(&mut self) {
        while let Some(ticket) = self.storage.ready().first().copied() {
            if let Some(reply) = self.storage.perform(ticket, self.outcome) {
                self.feed(Event::Storage(reply));
            }
        }
    }

    /// Performs one step of what storage was asked for.
    pub fn perform_one(&mut self, outcome: Outcome) {
        let ticket = self.storage.ready()[0];
        if let Some(reply) = self.storage.perform(ticket, outcome) {
            self.feed(Event::Storage(reply));
        }
    }

    /// Sends a request without waiting for anything.
    pub fn send(&mut self, connection: ConnectionId, version: i16, request: &Request) -> i32 {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let header = RequestHeader {
            request_api_key: request.api_key().code(),
            request_api_version: version,
            correlation_id,
            ..Default::default()
        };
        let frame = encode_request(&header, request).unwrap();
        self.feed(Event::Request { connection, frame });
        correlation_id
    }

    /// Sends a request in the highest version, and gives its answer.
    pub fn ask(&mut self, request: Request) -> Response {
        self.ask_in(request.api_key().versions().max, request)
    }

    pub fn ask_in(&mut self, version: i16, request: Request) -> Response {
        let correlation_id = self.send(CLIENT, version, &request);
        self.settle();
        let frame = self.responses.entry(CLIENT).or_default().pop_front();
        let frame = frame.expect("an answer");
        let (answered, response) = decode_response(request.api_key(), version, frame).unwrap();
        assert_eq!(answered, correlation_id);
        response
    }

    /// Registers an incarnation of a broker: its epoch, or the error.
    pub fn register(&mut self, broker_id: i32, incarnation: u8) -> Result<i64, ErrorCode> {
        let request = BrokerRegistrationRequest {
            broker_id,
            cluster_id: CLUSTER_ID.to_string(),
            incarnation_id: Uuid([incarnation; 16]),
            ..Default::default()
        };
        let response = self.ask(Request::BrokerRegistration(request));
        let Response::BrokerRegistration(response) = response else {
            panic!("{response:?}")
        };
        ErrorCode::from_code(response.error_code).into_result()?;
        Ok(response.broker_epoch)
    }

    /// Allocates a block of producer ids: its first, or the error.
    pub fn allocate(&mut self, broker_id: i32, broker_epoch: i64) -> Result<i64, ErrorCode> {
        let request = AllocateProducerIdsRequest {
            broker_id,
            broker_epoch,
            ..Default::default()
        };
        let response = self.ask(Request::AllocateProducerIds(request));
        let Response::AllocateProducerIds(response) = response else {
            panic!("{response:?}")
        };
        ErrorCode::from_code(response.error_code).into_result()?;
        assert_eq!(i64::from(response.producer_id_len), PRODUCER_ID_BLOCK_SIZE);
        Ok(response.producer_id_start)
    }

    /// Creates a topic on one replica: its id, or the error and its message.
    pub fn create(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<Uuid, (ErrorCode, String)> {
        let result = self
            .create_topics(vec![new_topic(name, partitions, 1, configs)])
            .remove(0);
        match ErrorCode::from_code(result.error_code) {
            ErrorCode::None => Ok(result.topic_id),
            error => Err((error, result.error_message.unwrap_or_default())),
        }
    }

    pub fn create_topics(&mut self, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
        let request = CreateTopicsRequest {
            topics,
            ..Default::default()
        };
        let response = self.ask(Request::CreateTopics(request));
        let Response::CreateTopics(response) = response else {
            panic!("{response:?}")
        };
        response.topics
    }

    /// Deletes a topic, if there is one and storage lets it.
    pub fn delete(&mut self, name: &str) {
        let topic = DeleteTopicState {
            name: Some(name.to_string()),
            ..Default::default()
        };
        let request = DeleteTopicsRequest {
            topics: vec![topic],
            ..Default::default()
        };
        self.ask(Request::DeleteTopics(request));
    }

    pub fn image(&self) -> &MetadataImage {
        self.controller.image()
    }

    pub fn partition(&self, topic: &str, partition: i32) -> &PartitionImage {
        &self.image().topic(topic).unwrap().partitions[&partition]
    }

    /// What a fetch of the metadata log gives at once.
    pub fn fetch(&mut self, fetch_offset: i64) -> PartitionData {
        let response = self.ask(fetch_request(fetch_offset, 0));
        let Response::Fetch(mut response) = response else {
            panic!("{response:?}")
        };
        response.responses.remove(0).partitions.remove(0)
    }

    /// The image of somebody who reads the whole log.
    pub fn replayed(&mut self) -> MetadataImage {
        let mut image = MetadataImage::default();
        let mut offset = self.fetch(0).log_start_offset;
        loop {
            let data = self.fetch(offset);
            assert_eq!(data.error_code, 0);
            for batch in crate::record::batches(&data.records.unwrap()) {
                let (base_offset, records) = decode_batch(&batch.unwrap().1).unwrap();
                image.apply(base_offset, &records).unwrap();
                offset = image.end_offset();
            }
            if offset >= data.high_watermark {
                return image;
            }
        }
    }
}

pub fn fetch_request(fetch_offset: i64, max_wait_ms: i32) -> Request {
    Request::Fetch(FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        topics: vec![FetchTopic {
            topic_id: CLUSTER_METADATA_TOPIC_ID,
            partitions: vec![FetchPartition {
                fetch_offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    })
}

pub fn new_topic(
    name: &str,
    num_partitions: i32,
    replication_factor: i16,
    configs: &[(&str, &str)],
) -> CreatableTopic {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: name.to_string(),
        value: Some(value.to_string()),
        ..Default::default()
    });
    CreatableTopic {
        name: name.to_string(),
        num_partitions,
        replication_factor,
        configs: configs.collect(),
        ..Default::default()
    }
}
