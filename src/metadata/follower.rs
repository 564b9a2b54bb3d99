//! A broker's side of the metadata.

use super::image::{Change, Endpoint, MetadataImage};
use super::producer_ids::ProducerIds;
use super::records::{MetadataError, decode_batch};
use super::{CLUSTER_METADATA_TOPIC_ID, error_response};
use crate::now::{Instant, Now};
use crate::protocol::messages::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::protocol::messages::allocate_producer_ids_response::AllocateProducerIdsResponse;
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
use std::collections::VecDeque;

/// How long the controller holds a fetch when there is nothing new. Any other request ends it.
const FETCH_MAX_WAIT_MS: i32 = 30_000;

/// Bytes of metadata in one fetch.
const FETCH_BYTES_MAX: i32 = 1024 * 1024;

/// How long to wait after the controller has answered with an error.
const RETRY_BACKOFF_MS: u64 = 100;

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
    held: Vec<Held>,
    producer_ids: ProducerIds,
    must_register: bool,
    fetches_sent: u64,
    next_correlation_id: i32,
    retry_at: Option<Instant>,
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
    /// Another incarnation of this broker has registered: stop.
    Fenced,
}

enum Outstanding {
    Registration,
    Fetch { number: u64 },
    ProducerIds,
    Forward { token: u64, request: Request },
}

/// An event that waits until the image has caught up with it: until a fetch that was sent after it
/// was known has read everything.
struct Held {
    after_fetch: u64,
    event: FollowerEvent,
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
            held: Vec::new(),
            producer_ids: ProducerIds::default(),
            must_register: true,
            fetches_sent: 0,
            next_correlation_id: 0,
            retry_at: None,
            frames: Vec::new(),
        };
        // When this request can be written, every later one can.
        follower.must_register = false;
        let request = follower.registration_request();
        let version = ApiKey::BrokerRegistration.versions().max;
        follower.send(version, request, Outstanding::Registration)?;
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
        )?;
        self.send_what_is_due();
        Ok(())
    }

    /// Registers again, so that every partition that this broker leads gets a new leader epoch:
    /// after a commit has failed, the offsets that it had given are given again.
    pub fn reregister(&mut self) {
        self.must_register = true;
        self.send_what_is_due();
    }

    /// Takes a producer id that nobody else gets. `None`: [`FollowerEvent::ProducerIds`] follows.
    pub fn take_producer_id(&mut self) -> Option<i64> {
        let id = self.producer_ids.take();
        self.send_what_is_due();
        id
    }

    /// The frames to send to the controller.
    pub fn take_frames(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.frames)
    }

    /// When [`MetadataFollower::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Tries again what has failed, when it is time.
    pub fn tick(&mut self, now: Now) {
        if self
            .retry_at
            .is_some_and(|retry_at| retry_at <= now.monotonic)
        {
            self.retry_at = None;
            self.send_what_is_due();
        }
    }

    /// The way to the controller broke. Forwarded requests fail with REQUEST_TIMED_OUT, since
    /// nobody knows whether they were done; the image is read again from the log's start, since
    /// another controller may not have all of it.
    pub fn controller_lost(&mut self, now: Now) -> Vec<FollowerEvent> {
        let mut events = Vec::new();
        for (_, outstanding) in std::mem::take(&mut self.outstanding) {
            if let Outstanding::Forward { token, request } = outstanding {
                let error = ErrorCode::RequestTimedOut;
                events.extend(
                    error_response(&request, error, error.message())
                        .map(|response| FollowerEvent::Reply { token, response }),
                );
            }
        }
        // What else is held was done, and waits on for the image; a registration is replaced.
        self.held
            .retain(|held| !matches!(held.event, FollowerEvent::Registered { .. }));
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
                self.registered(now, &response)?;
            }
            (Outstanding::Fetch { number }, Response::Fetch(response)) => {
                self.fetched(now, number, response, &mut events)?;
            }
            (Outstanding::ProducerIds, Response::AllocateProducerIds(response)) => {
                self.allocated(now, &response, &mut events);
            }
            (Outstanding::Forward { token, .. }, response) => {
                self.hold(FollowerEvent::Reply { token, response });
            }
            _ => return Err(MetadataError::UnexpectedReply),
        }
        self.send_what_is_due();
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
        self.hold(FollowerEvent::Registered {
            broker_epoch: response.broker_epoch,
        });
        Ok(())
    }

    fn allocated(
        &mut self,
        now: Now,
        response: &AllocateProducerIdsResponse,
        events: &mut Vec<FollowerEvent>,
    ) {
        if response.error_code == ErrorCode::StaleBrokerEpoch.code() {
            return events.push(FollowerEvent::Fenced);
        }
        if response.error_code != ErrorCode::None.code() {
            return self.retry_later(now);
        }
        let start = response.producer_id_start;
        self.producer_ids
            .add(start..start + i64::from(response.producer_id_len));
        events.push(FollowerEvent::ProducerIds);
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
            events.extend(released.into_iter().map(|held| held.event));
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

    fn hold(&mut self, event: FollowerEvent) {
        self.held.push(Held {
            after_fetch: self.fetches_sent,
            event,
        });
    }

    fn restart(&mut self) {
        self.restarting = Some(MetadataImage::default());
        self.fetch_offset = 0;
    }

    fn retry_later(&mut self, now: Now) {
        self.retry_at = Some(now.monotonic + RETRY_BACKOFF_MS);
    }

    fn is_outstanding(&self, kind: fn(&Outstanding) -> bool) -> bool {
        self.outstanding
            .iter()
            .any(|(_, outstanding)| kind(outstanding))
    }

    fn send_what_is_due(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        if self.must_register {
            self.must_register = false;
            self.send_own(self.registration_request(), Outstanding::Registration);
        }
        // A request in the old epoch behind a registration would be fenced.
        let registering =
            self.is_outstanding(|outstanding| matches!(outstanding, Outstanding::Registration));
        let Some(broker_epoch) = self.broker_epoch.filter(|_| !registering) else {
            return;
        };
        if self.producer_ids.is_low()
            && !self.is_outstanding(|outstanding| matches!(outstanding, Outstanding::ProducerIds))
        {
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
        // Behind other requests a fetch would have to wait for them or be ended by the next.
        let fetching =
            self.is_outstanding(|outstanding| matches!(outstanding, Outstanding::Fetch { .. }));
        if !fetching && (self.outstanding.is_empty() || !self.held.is_empty()) {
            self.fetches_sent += 1;
            let number = self.fetches_sent;
            self.send_own(
                self.fetch_request(broker_epoch),
                Outstanding::Fetch { number },
            );
        }
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
