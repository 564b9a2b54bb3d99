//! A broker's side of the metadata.

use super::image::{Change, Endpoint, MetadataImage};
use super::producer_ids::ProducerIds;
use super::records::{MetadataError, decode_batch};
use super::{CLUSTER_METADATA_TOPIC_ID, RECOVERING, error_response};
use crate::log::PartitionId;
use crate::now::{Instant, Now};
use crate::planted::{self, PlantedBug};
use crate::protocol::messages::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::protocol::messages::allocate_producer_ids_response::AllocateProducerIdsResponse;
use crate::protocol::messages::alter_partition_request::{
    AlterPartitionRequest, BrokerState, PartitionData, TopicData,
};
use crate::protocol::messages::alter_partition_response::AlterPartitionResponse;
use crate::protocol::messages::broker_registration_request::{BrokerRegistrationRequest, Listener};
use crate::protocol::messages::broker_registration_response::BrokerRegistrationResponse;
use crate::protocol::messages::fetch_request::{
    FetchPartition, FetchRequest, FetchTopic, ReplicaState,
};
use crate::protocol::messages::fetch_response::FetchResponse;
use crate::protocol::{
    ApiKey, EncodeError, ErrorCode, Request, RequestHeader, Response, Uuid, decode_response,
    encode_request,
};
use crate::record::batches;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// How long the controller holds a fetch when there is nothing new. Any other request ends it.
const FETCH_MAX_WAIT_MS: i32 = 30_000;

/// Bytes of metadata in one fetch.
const FETCH_BYTES_MAX: i32 = 1024 * 1024;

/// How long to wait after the controller has answered with an error.
const RETRY_BACKOFF_MS: u64 = 100;

/// How long to wait after the controller could not write what a running broker asks for: each try
/// is a commit that may fail again.
const WRITE_RETRY_BACKOFF_MS: u64 = 1_000;

/// Requests that may wait for the controller at a time. It closes a connection that has more open,
/// and with it fails all of them.
const OUTSTANDING_REQUESTS_MAX: usize = 1_000;

/// A broker's side of the metadata: it registers, follows `__cluster_metadata`, forwards what
/// changes metadata, and gets producer ids. It speaks to the controller in frames.
///
/// Every method may leave frames to send, in [`MetadataFollower::take_frames`].
pub struct MetadataFollower {
    registration: Registration,
    broker_epoch: Option<i64>,
    image: MetadataImage,
    /// Built from the log's start while it is behind `image`, or before there is one.
    restarting: Option<MetadataImage>,
    fetch_offset: i64,
    /// Requests that the controller will answer, in this order.
    outstanding: VecDeque<(RequestHeader, Outstanding)>,
    /// Which of the follower's own requests are among them: one of a kind at a time.
    asked: Asked,
    held: Vec<Held>,
    producer_ids: ProducerIds,
    must_register: bool,
    /// Partitions that need a new leader epoch, and the epochs that are too old for them.
    stale_epochs: BTreeMap<PartitionId, i32>,
    fetches_sent: u64,
    next_correlation_id: i32,
    /// Nothing of the follower's own is sent before.
    retry_at: Option<Instant>,
    /// Nothing that the controller must write is asked for before.
    retry_writes_at: Option<Instant>,
    frames: Vec<Bytes>,
}

/// Who the broker is.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's id; the controller refuses another.
    pub cluster_id: String,
    /// Chosen anew whenever the broker starts.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// What an answer of the controller means for the broker.
#[derive(Clone, Debug, PartialEq)]
pub enum FollowerEvent {
    /// The image is another. The first says everything that there is.
    ImageChanged(Vec<Change>),
    /// The broker is registered, and the image has caught up with that: it may lead.
    Registered {
        /// The offset of the registration.
        broker_epoch: i64,
    },
    /// The answer to a forwarded request; the image has caught up with it.
    Reply {
        /// What [`MetadataFollower::forward`] was given.
        token: u64,
        /// The controller's answer.
        response: Response,
    },
    /// There are producer ids again.
    ProducerIds,
    /// The controller could not give producer ids, for this reason. It is asked again.
    NoProducerIds(ErrorCode),
    /// Another incarnation of this broker has registered: stop.
    Fenced,
}

enum Outstanding {
    Registration,
    Fetch { number: u64 },
    ProducerIds,
    StaleEpochs(BTreeMap<PartitionId, i32>),
    Forward { token: u64, request: Request },
}

#[derive(Default)]
struct Asked {
    registration: bool,
    fetch: bool,
    producer_ids: bool,
    epochs: bool,
}

/// What waits until the image has caught up with it: until a fetch that was sent after it was known
/// has read everything.
struct Held {
    after_fetch: u64,
    what: Awaited,
}

enum Awaited {
    Event(FollowerEvent),
    /// The controller was asked to raise these; it is asked again for those that it has not raised.
    StaleEpochs(BTreeMap<PartitionId, i32>),
}

impl MetadataFollower {
    /// A follower that registers at once.
    ///
    /// Error: a name in `registration` is too long for Kafka's formats.
    pub fn new(registration: Registration) -> Result<MetadataFollower, EncodeError> {
        let mut follower = MetadataFollower {
            registration,
            broker_epoch: None,
            image: MetadataImage::default(),
            restarting: Some(MetadataImage::default()),
            fetch_offset: 0,
            outstanding: VecDeque::new(),
            asked: Asked::default(),
            held: Vec::new(),
            producer_ids: ProducerIds::default(),
            must_register: false,
            stale_epochs: BTreeMap::new(),
            fetches_sent: 0,
            next_correlation_id: 0,
            retry_at: None,
            retry_writes_at: None,
            frames: Vec::new(),
        };
        // When this request can be written, every later one can.
        let request = follower.registration_request();
        let version = ApiKey::BrokerRegistration.versions().max;
        follower.send(version, request, Outstanding::Registration)?;
        follower.asked.registration = true;
        Ok(follower)
    }

    /// The cluster, as far as it is known here.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// The epoch of the registration; `None` before the first.
    pub fn broker_epoch(&self) -> Option<i64> {
        self.broker_epoch
    }

    /// Whether another request may be sent on.
    pub fn has_room(&self) -> bool {
        self.outstanding.len() < OUTSTANDING_REQUESTS_MAX
    }

    /// Sends a client's request on to the controller, in the client's version.
    /// [`FollowerEvent::Reply`] brings the answer.
    ///
    /// Error: the request cannot be written in that version.
    pub fn forward(
        &mut self,
        token: u64,
        version: i16,
        request: Request,
    ) -> Result<(), EncodeError> {
        self.send(
            version,
            request.clone(),
            Outstanding::Forward { token, request },
        )
    }

    /// Has the leader epoch of a partition raised above `leader_epoch`: a commit has failed, so the
    /// offsets that were given under it are given again.
    pub fn raise_leader_epoch(&mut self, id: PartitionId, leader_epoch: i32) {
        if planted::active(PlantedBug::RegistrationPerRollback) {
            self.must_register = true;
        }
        if planted::active(PlantedBug::AllLeaderEpochsRaised) {
            let all = self.image.topics().flat_map(|topic| {
                let numbers = topic.partitions.keys();
                numbers.map(|number| PartitionId {
                    topic_id: topic.topic_id,
                    partition: *number,
                })
            });
            let all: Vec<_> = all.map(|id| (id, i32::MAX)).collect();
            self.want_epochs_above(all);
        }
        self.want_epochs_above([(id, leader_epoch)]);
    }

    /// What is asked for again may not lower what was asked for since.
    fn want_epochs_above(&mut self, stale: impl IntoIterator<Item = (PartitionId, i32)>) {
        for (id, leader_epoch) in stale {
            let wanted = self.stale_epochs.entry(id).or_insert(leader_epoch);
            *wanted = leader_epoch.max(*wanted);
        }
    }

    /// Takes a producer id that nobody else gets. `None`: [`FollowerEvent::ProducerIds`] follows,
    /// or [`FollowerEvent::NoProducerIds`].
    pub fn take_producer_id(&mut self) -> Option<i64> {
        self.producer_ids.take()
    }

    /// The frames to send to the controller: one of each kind for all that has come up.
    pub fn take_frames(&mut self) -> Vec<Bytes> {
        self.send_what_is_due();
        std::mem::take(&mut self.frames)
    }

    /// When [`MetadataFollower::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let retries = [self.retry_at, self.retry_writes_at];
        retries.into_iter().flatten().min()
    }

    /// Tries again what has failed, when it is time.
    pub fn tick(&mut self, now: Now) {
        let is_due = |retry_at: &mut Instant| *retry_at <= now.monotonic;
        self.retry_at.take_if(is_due);
        self.retry_writes_at.take_if(is_due);
    }

    /// The way to the controller broke. Forwarded requests fail with REQUEST_TIMED_OUT, since
    /// nobody knows whether they were done; the image is read again from the log's start, since
    /// another controller may not have all of it.
    pub fn controller_lost(&mut self, now: Now) -> Vec<FollowerEvent> {
        let mut events = Vec::new();
        self.asked = Asked::default();
        for (_, outstanding) in std::mem::take(&mut self.outstanding) {
            match outstanding {
                Outstanding::Forward { token, request } => {
                    let error = ErrorCode::RequestTimedOut;
                    events.extend(
                        error_response(&request, error, error.message())
                            .map(|response| FollowerEvent::Reply { token, response }),
                    );
                }
                Outstanding::StaleEpochs(asked) => self.want_epochs_above(asked),
                _ => {}
            }
        }
        // What else is held was done, and waits on for the image; a registration is replaced.
        self.held
            .retain(|held| !matches!(held.what, Awaited::Event(FollowerEvent::Registered { .. })));
        self.frames.clear();
        self.must_register = true;
        self.restart();
        self.retry_later(now);
        events
    }

    /// Takes the controller's next answer.
    ///
    /// Error: the metadata log cannot be followed, or an answer is not one to what was asked. The
    /// broker must stop.
    pub fn handle_reply(
        &mut self,
        now: Now,
        frame: Bytes,
    ) -> Result<Vec<FollowerEvent>, MetadataError> {
        let (header, outstanding) = self
            .outstanding
            .pop_front()
            .ok_or(MetadataError::UnexpectedReply)?;
        let api_key =
            ApiKey::from_code(header.request_api_key).ok_or(MetadataError::UnexpectedReply)?;
        let (correlation_id, response) =
            decode_response(api_key, header.request_api_version, frame)?;
        if correlation_id != header.correlation_id {
            return Err(MetadataError::UnexpectedReply);
        }
        let mut events = Vec::new();
        match (outstanding, response) {
            (Outstanding::Registration, Response::BrokerRegistration(response)) => {
                self.asked.registration = false;
                self.registered(now, &response)?;
            }
            (Outstanding::Fetch { number }, Response::Fetch(response)) => {
                self.asked.fetch = false;
                self.fetched(now, number, response, &mut events)?;
            }
            (Outstanding::ProducerIds, Response::AllocateProducerIds(response)) => {
                self.asked.producer_ids = false;
                self.allocated(now, &response, &mut events);
            }
            (Outstanding::StaleEpochs(asked), Response::AlterPartition(response)) => {
                self.asked.epochs = false;
                self.altered(now, asked, &response, &mut events);
            }
            (Outstanding::Forward { token, .. }, response) => {
                self.hold(Awaited::Event(FollowerEvent::Reply { token, response }));
            }
            _ => return Err(MetadataError::UnexpectedReply),
        }
        Ok(events)
    }

    fn registered(
        &mut self,
        now: Now,
        response: &BrokerRegistrationResponse,
    ) -> Result<(), MetadataError> {
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            error if error.retriable() => {
                self.must_register = true;
                self.retry_later(now);
                return Ok(());
            }
            error => return Err(MetadataError::RegistrationRefused(error)),
        }
        self.broker_epoch = Some(response.broker_epoch);
        self.hold(Awaited::Event(FollowerEvent::Registered {
            broker_epoch: response.broker_epoch,
        }));
        Ok(())
    }

    fn allocated(
        &mut self,
        now: Now,
        response: &AllocateProducerIdsResponse,
        events: &mut Vec<FollowerEvent>,
    ) {
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::StaleBrokerEpoch => return events.push(FollowerEvent::Fenced),
            error => {
                self.retry_writes_later(now);
                return events.push(FollowerEvent::NoProducerIds(error));
            }
        }
        let start = response.producer_id_start;
        self.producer_ids
            .add(start..start + i64::from(response.producer_id_len));
        events.push(FollowerEvent::ProducerIds);
    }

    fn altered(
        &mut self,
        now: Now,
        asked: BTreeMap<PartitionId, i32>,
        response: &AlterPartitionResponse,
        events: &mut Vec<FollowerEvent>,
    ) {
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::StaleBrokerEpoch => return events.push(FollowerEvent::Fenced),
            _ => {
                self.want_epochs_above(asked);
                return self.retry_writes_later(now);
            }
        }
        let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        if partitions.any(|partition| partition.error_code != ErrorCode::None.code()) {
            // It knows of a change that the image does not show yet.
            self.retry_writes_later(now);
        }
        self.hold(Awaited::StaleEpochs(asked));
    }

    fn fetched(
        &mut self,
        now: Now,
        number: u64,
        response: FetchResponse,
        events: &mut Vec<FollowerEvent>,
    ) -> Result<(), MetadataError> {
        let partition = response
            .responses
            .into_iter()
            .flat_map(|topic| topic.partitions)
            .next()
            .filter(|_| response.error_code == ErrorCode::None.code());
        let Some(partition) = partition else {
            self.retry_later(now);
            return Ok(());
        };
        if partition.error_code == ErrorCode::OffsetOutOfRange.code() {
            match partition.log_start_offset > self.fetch_offset {
                // A snapshot has taken the place of what was read so far.
                true => self.fetch_offset = partition.log_start_offset,
                false => self.restart(),
            }
            return Ok(());
        }
        if partition.error_code != ErrorCode::None.code() {
            self.retry_later(now);
            return Ok(());
        }
        let mut changes = Vec::new();
        for batch in batches(&partition.records.unwrap_or_default()) {
            let (_, batch) = batch?;
            let (base_offset, records) = decode_batch(&batch)?;
            let image = self.restarting.as_mut().unwrap_or(&mut self.image);
            changes.extend(image.apply(base_offset, &records)?);
            self.fetch_offset = image.end_offset();
        }
        let caught_up = self.fetch_offset >= partition.high_watermark;
        if caught_up && let Some(image) = self.restarting.take() {
            changes = self.image.difference(&image);
            self.image = image;
        }
        if self.restarting.is_none() && !changes.is_empty() {
            events.push(FollowerEvent::ImageChanged(changes));
            if self.is_fenced() {
                events.push(FollowerEvent::Fenced);
            }
        }
        if caught_up && self.image.broker(self.registration.node_id).is_none() {
            // Somebody has unregistered it (UnregisterBroker), but it is here.
            self.must_register = true;
        }
        if caught_up {
            let (released, held) = std::mem::take(&mut self.held)
                .into_iter()
                .partition(|held| held.after_fetch < number);
            self.held = held;
            for held in released {
                match held.what {
                    Awaited::Event(event) => events.push(event),
                    Awaited::StaleEpochs(asked) => self.want_epochs_above(asked),
                }
            }
        }
        Ok(())
    }

    /// Whether another incarnation has taken this broker's place.
    fn is_fenced(&self) -> bool {
        let registered = self.image.broker(self.registration.node_id);
        registered.is_some_and(|broker| {
            Some(broker.epoch) > self.broker_epoch
                && broker.incarnation_id != self.registration.incarnation_id
        })
    }

    fn hold(&mut self, what: Awaited) {
        self.held.push(Held {
            after_fetch: self.fetches_sent,
            what,
        });
    }

    fn restart(&mut self) {
        self.restarting = Some(MetadataImage::default());
        self.fetch_offset = 0;
    }

    fn retry_later(&mut self, now: Now) {
        self.retry_at = Some(now.monotonic + RETRY_BACKOFF_MS);
    }

    fn retry_writes_later(&mut self, now: Now) {
        self.retry_writes_at = Some(now.monotonic + WRITE_RETRY_BACKOFF_MS);
    }

    fn send_what_is_due(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        if self.must_register && !self.asked.registration {
            self.must_register = false;
            self.asked.registration = true;
            self.send_own(self.registration_request(), Outstanding::Registration);
        }
        // A request in the old epoch behind a registration would be fenced.
        let Some(broker_epoch) = self.broker_epoch.filter(|_| !self.asked.registration) else {
            return;
        };
        if self.retry_writes_at.is_none() {
            self.send_writes(broker_epoch);
        }
        // Behind other requests a fetch would have to wait for them or be ended by the next.
        if !self.asked.fetch && (self.outstanding.is_empty() || !self.held.is_empty()) {
            self.asked.fetch = true;
            self.fetches_sent += 1;
            let number = self.fetches_sent;
            self.send_own(
                self.fetch_request(broker_epoch),
                Outstanding::Fetch { number },
            );
        }
    }

    /// Sends what the controller must write for.
    fn send_writes(&mut self, broker_epoch: i64) {
        if self.producer_ids.is_low() && !self.asked.producer_ids {
            self.asked.producer_ids = true;
            let request = AllocateProducerIdsRequest {
                broker_id: self.registration.node_id,
                broker_epoch,
                ..Default::default()
            };
            self.send_own(
                Request::AllocateProducerIds(request),
                Outstanding::ProducerIds,
            );
        }
        if !self.stale_epochs.is_empty() && !self.asked.epochs {
            let mut stale = std::mem::take(&mut self.stale_epochs);
            stale.retain(|id, leader_epoch| {
                let partition = self.image.partition(id.topic_id, id.partition);
                partition.is_some_and(|partition| {
                    partition.leader == self.registration.node_id
                        && partition.leader_epoch <= *leader_epoch
                })
            });
            if !stale.is_empty() {
                self.asked.epochs = true;
                self.send_own(
                    self.alter_partition_request(broker_epoch, &stale),
                    Outstanding::StaleEpochs(stale),
                );
            }
        }
    }

    /// Says that the ends of these logs are lost, which raises their leader epochs.
    fn alter_partition_request(
        &self,
        broker_epoch: i64,
        stale: &BTreeMap<PartitionId, i32>,
    ) -> Request {
        let mut topics: Vec<TopicData> = Vec::new();
        for id in stale.keys() {
            let Some(partition) = self.image.partition(id.topic_id, id.partition) else {
                continue;
            };
            let isr = partition.isr.iter().map(|broker_id| BrokerState {
                broker_id: *broker_id,
                ..Default::default()
            });
            let partition = PartitionData {
                partition_index: id.partition,
                leader_epoch: partition.leader_epoch,
                new_isr_with_epochs: isr.collect(),
                leader_recovery_state: RECOVERING,
                partition_epoch: partition.partition_epoch,
                ..Default::default()
            };
            match topics.last_mut() {
                Some(topic) if topic.topic_id == id.topic_id => topic.partitions.push(partition),
                _ => topics.push(TopicData {
                    topic_id: id.topic_id,
                    partitions: vec![partition],
                    ..Default::default()
                }),
            }
        }
        Request::AlterPartition(AlterPartitionRequest {
            broker_id: self.registration.node_id,
            broker_epoch,
            topics,
            ..Default::default()
        })
    }

    fn registration_request(&self) -> Request {
        let Registration {
            node_id,
            cluster_id,
            incarnation_id,
            endpoints,
            rack,
        } = &self.registration;
        let listeners = endpoints.iter().map(|endpoint| Listener {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
            ..Default::default()
        });
        Request::BrokerRegistration(BrokerRegistrationRequest {
            broker_id: *node_id,
            cluster_id: cluster_id.clone(),
            incarnation_id: *incarnation_id,
            listeners: listeners.collect(),
            rack: rack.clone(),
            previous_broker_epoch: self.broker_epoch.unwrap_or(-1),
            ..Default::default()
        })
    }

    fn fetch_request(&self, broker_epoch: i64) -> Request {
        let partition = FetchPartition {
            partition: 0,
            fetch_offset: self.fetch_offset,
            partition_max_bytes: FETCH_BYTES_MAX,
            ..Default::default()
        };
        let behind = self.restarting.is_some() || !self.held.is_empty();
        Request::Fetch(FetchRequest {
            replica_state: ReplicaState {
                replica_id: self.registration.node_id,
                replica_epoch: broker_epoch,
                ..Default::default()
            },
            max_wait_ms: if behind { 0 } else { FETCH_MAX_WAIT_MS },
            min_bytes: 1,
            max_bytes: FETCH_BYTES_MAX,
            topics: vec![FetchTopic {
                topic_id: CLUSTER_METADATA_TOPIC_ID,
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        })
    }

    /// Sends a request of the follower's own, in the highest version.
    fn send_own(&mut self, request: Request, outstanding: Outstanding) {
        let version = request.api_key().versions().max;
        self.send(version, request, outstanding)
            .expect("new() has encoded the only strings that it holds");
    }

    fn send(
        &mut self,
        version: i16,
        request: Request,
        outstanding: Outstanding,
    ) -> Result<(), EncodeError> {
        let header = RequestHeader {
            request_api_key: request.api_key().code(),
            request_api_version: version,
            correlation_id: self.next_correlation_id,
            client_id: Some(format!("broker-{}", self.registration.node_id)),
            ..Default::default()
        };
        self.frames.push(encode_request(&header, &request)?);
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        self.outstanding.push_back((header, outstanding));
        Ok(())
    }
}
