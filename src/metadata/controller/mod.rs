//! The controller of a cluster: it alone writes `__cluster_metadata`.

mod alter_partition;
mod brokers;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod fetch;
mod ids;
mod metadata_log;
mod placement;
mod refusal;

pub(super) use alter_partition::RECOVERING;
pub use placement::PARTITIONS_MAX;

use self::fetch::ParkedFetch;
use self::ids::Ids;
use self::metadata_log::{MetadataLog, Progress, SNAPSHOT_AFTER_BYTES};
use super::configs::BrokerConfigs;
use super::error_response;
use super::image::MetadataImage;
use crate::log::{LogEvent, LogLimits};
use crate::machine::{Answer, Channels, ConnectionId, Effect, Event, Machine, Next};
use crate::now::{Instant, Now};
use crate::protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use crate::protocol::{
    ApiKey, ErrorCode, MetadataRecord, Request, RequestError, RequestHeader, Response,
    decode_request, encode_response,
};
use crate::storage::StorageError;
use bytes::Bytes;
use std::collections::VecDeque;

/// What the controller serves.
const SERVED: [ApiKey; 12] = [
    ApiKey::Fetch,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::AlterConfigs,
    ApiKey::CreatePartitions,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartition,
    ApiKey::BrokerRegistration,
    ApiKey::BrokerHeartbeat,
    ApiKey::UnregisterBroker,
    ApiKey::AllocateProducerIds,
];

/// What the controller is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerConfig {
    /// A broker of another cluster is refused.
    pub cluster_id: String,
    /// The defaults of new topics.
    pub broker: BrokerConfigs,
    /// Sizes of its log.
    pub log_limits: LogLimits,
    /// Bytes of records after which its log gets a new snapshot, as long as that is smaller.
    pub snapshot_after_bytes: usize,
}

impl Default for ControllerConfig {
    fn default() -> ControllerConfig {
        ControllerConfig {
            cluster_id: String::new(),
            broker: BrokerConfigs::default(),
            log_limits: LogLimits::default(),
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
        }
    }
}

/// The controller: a fold over `__cluster_metadata`, in a storage of its own.
///
/// A request becomes records; they are applied to the image at once, appended as one batch, and
/// the answer goes out when they, and all that was appended before, are durable. If a commit
/// fails, the image is made anew from the log and everything that waited gets the error.
pub struct Controller {
    config: ControllerConfig,
    log: MetadataLog,
    ids: Ids,
    /// Held while the log is being read.
    channels: Channels,
    /// Answers that wait for the durable end, which they wait for in ascending order.
    parked: VecDeque<Parked>,
    fetches: Vec<ParkedFetch>,
    stopped: bool,
}

/// What a request comes to: the records that it writes, and its answer if they are kept.
struct Outcome {
    records: Vec<MetadataRecord>,
    response: Response,
}

impl Outcome {
    fn refused(response: Response) -> Outcome {
        Outcome {
            records: Vec::new(),
            response,
        }
    }
}

/// The place of one answer.
#[derive(Clone, Copy)]
struct Slot {
    connection: ConnectionId,
    number: u64,
}

struct PendingRequest {
    slot: Slot,
    header: RequestHeader,
    request: Request,
}

struct Parked {
    pending: PendingRequest,
    response: Response,
    /// The durable end that must be reached.
    end: i64,
}

impl Machine for Controller {
    fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        if self.stopped {
            return;
        }
        match event {
            Event::Opened { seed } => {
                self.ids = Ids::new(seed);
                self.log.open();
            }
            Event::Request { connection, frame } => {
                match self.channels.arrive(connection, frame) {
                    Ok(Some(frame)) => self.receive(now, connection, frame, effects),
                    Ok(None) => {}
                    // It is closed.
                    Err(_) => self.forget(connection),
                }
            }
            Event::Closed { connection } => {
                self.channels.forget(connection);
                self.forget(connection);
            }
            // Its clients are brokers, and it asks nobody.
            Event::Connected { .. } | Event::Reply { .. } | Event::PeerLost { .. } => {}
            Event::Storage(reply) => {
                for event in self.log.handle(now, reply) {
                    self.take(now, event, effects);
                }
            }
            Event::Woken => self.log.tick(now),
        }
        self.release();
        while let Some(next) = self.channels.take_next() {
            // Nothing of the controller's stalls.
            if let Next::Start(connection, frame) = next {
                self.receive(now, connection, frame, effects);
            }
            self.release();
        }
        self.serve_fetches(now);
        effects.extend(self.channels.take_effects());
        effects.extend(self.log.take_requests(now).into_iter().map(Effect::Storage));
        effects.extend(self.next_deadline(now).map(Effect::WakeAt));
    }
}

impl Controller {
    /// A controller that waits for [`Event::Opened`].
    pub fn new(config: ControllerConfig) -> Controller {
        let mut channels = Channels::default();
        channels.hold();
        Controller {
            log: MetadataLog::new(config.log_limits, config.snapshot_after_bytes),
            config,
            ids: Ids::new([0; 16]),
            channels,
            parked: VecDeque::new(),
            fetches: Vec::new(),
            stopped: false,
        }
    }

    /// The cluster with all that was asked for, durable or not.
    pub fn image(&self) -> &MetadataImage {
        self.log.image()
    }

    fn next_deadline(&self, now: Now) -> Option<Instant> {
        // A fetch beyond its deadline has been tried: it waits for a load.
        let fetches = self.fetches.iter().map(|fetch| fetch.deadline);
        let fetches = fetches.filter(|deadline| now.monotonic < *deadline);
        let more = self.channels.has_more().then_some(now.monotonic);
        fetches.chain(self.log.next_tick()).chain(more).min()
    }

    fn stop(&mut self, error: metadata_log::Error, effects: &mut Vec<Effect>) {
        self.stopped = true;
        effects.push(match error {
            metadata_log::Error::Storage(error) => Effect::stop_for_storage(error),
            error => Effect::stop(error),
        });
    }

    fn receive(
        &mut self,
        now: Now,
        connection: ConnectionId,
        frame: Bytes,
        effects: &mut Vec<Effect>,
    ) {
        let (header, request) = match decode_request(frame) {
            Ok((header, request)) if SERVED.contains(&request.api_key()) => (header, request),
            Err(RequestError::UnsupportedVersion {
                api_key: ApiKey::ApiVersions,
                mut header,
            }) => {
                // KIP-511: the client learns from version 0 what it may ask.
                header.request_api_version = 0;
                let slot = self.open(connection);
                return self.respond(slot, &header, &api_versions(ErrorCode::UnsupportedVersion));
            }
            Ok(_) | Err(_) => {
                self.channels.close(connection);
                return self.forget(connection);
            }
        };
        let slot = self.open(connection);
        // Its answer may not overtake that of a long poll, which therefore ends.
        for fetch in self
            .fetches
            .iter_mut()
            .filter(|fetch| fetch.slot.connection == connection)
        {
            fetch.deadline = now.monotonic;
        }
        let pending = PendingRequest {
            slot,
            header,
            request,
        };
        match pending.request {
            Request::ApiVersions(_) => {
                self.respond(slot, &pending.header, &api_versions(ErrorCode::None));
            }
            _ => self.serve(now, pending, effects),
        }
    }

    fn open(&mut self, connection: ConnectionId) -> Slot {
        let number = self.channels.open(connection);
        Slot { connection, number }
    }

    /// Nobody waits at this connection any more. What it has asked for is done all the same.
    fn forget(&mut self, connection: ConnectionId) {
        self.fetches
            .retain(|fetch| fetch.slot.connection != connection);
    }

    fn take(&mut self, now: Now, event: LogEvent, effects: &mut Vec<Effect>) {
        match self.log.take(now, event) {
            Ok(Progress::None) => {}
            Ok(Progress::RolledBack(error)) => {
                self.fail_parked(&error);
                self.follow_log();
            }
            Ok(Progress::Ready) => self.follow_log(),
            Err(error) => self.stop(error, effects),
        }
    }

    /// Serves as long as the log has been read.
    fn follow_log(&mut self) {
        if self.log.is_ready() {
            self.ids.continue_from(self.log.image().end_offset());
            self.channels.release();
        } else {
            self.channels.hold();
        }
    }

    fn serve(&mut self, now: Now, pending: PendingRequest, effects: &mut Vec<Effect>) {
        if let Request::Fetch(request) = pending.request {
            self.fetches
                .push(ParkedFetch::new(now, pending.slot, pending.header, request));
            return;
        }
        let written = self.log.begin(now).and_then(|()| {
            let outcome = self.outcome(&pending);
            self.log.append(now, &outcome.records)?;
            if is_upkeep(&pending.request) {
                self.log.use_whole_reserve();
            }
            Ok(outcome.response)
        });
        match written {
            Ok(response) => {
                let end = self.log.end_offset();
                self.parked.push_back(Parked {
                    pending,
                    response,
                    end,
                });
            }
            Err(metadata_log::Error::Refused(error)) => {
                self.fail(&pending, error.error_code(), &error.to_string());
            }
            Err(error) => self.stop(error, effects),
        }
    }

    fn outcome(&mut self, pending: &PendingRequest) -> Outcome {
        let (image, broker) = (self.log.image(), &self.config.broker);
        match &pending.request {
            Request::BrokerRegistration(request) => brokers::register(
                image,
                &self.config.cluster_id,
                self.log.end_offset(),
                request,
            ),
            Request::BrokerHeartbeat(request) => {
                brokers::heartbeat(image, self.log.durable_end(), request)
            }
            Request::UnregisterBroker(request) => brokers::unregister(image, request),
            Request::AllocateProducerIds(request) => brokers::allocate_producer_ids(image, request),
            Request::AlterPartition(request) => alter_partition::alter_partition(image, request),
            Request::CreateTopics(request) => {
                create_topics::create_topics(image, broker, &mut self.ids, request)
            }
            Request::DeleteTopics(request) => {
                let version = pending.header.request_api_version;
                delete_topics::delete_topics(image, broker, version, request)
            }
            Request::CreatePartitions(request) => {
                create_partitions::create_partitions(image, request)
            }
            Request::IncrementalAlterConfigs(request) => {
                configs::incremental_alter(image, broker, request)
            }
            Request::AlterConfigs(request) => configs::alter(image, broker, request),
            other => unreachable!(
                "{} is not SERVED, or was served before",
                other.api_key().name()
            ),
        }
    }

    /// Sends the answers of everything that is durable.
    fn release(&mut self) {
        let durable_end = self.log.durable_end();
        while self
            .parked
            .front()
            .is_some_and(|parked| parked.end <= durable_end)
        {
            if let Some(parked) = self.parked.pop_front() {
                self.respond(
                    parked.pending.slot,
                    &parked.pending.header,
                    &parked.response,
                );
            }
        }
    }

    fn fail_parked(&mut self, error: &StorageError) {
        for parked in std::mem::take(&mut self.parked) {
            self.fail(
                &parked.pending,
                ErrorCode::KafkaStorageError,
                &error.to_string(),
            );
        }
    }

    fn fail(&mut self, pending: &PendingRequest, error: ErrorCode, message: &str) {
        if let Some(response) = error_response(&pending.request, error, message) {
            self.respond(pending.slot, &pending.header, &response);
        }
    }

    fn respond(&mut self, slot: Slot, header: &RequestHeader, response: &Response) {
        let frame = encode_response(
            response.api_key(),
            header.request_api_version,
            header.correlation_id,
            response,
        );
        // What the version cannot say the client would not understand.
        let answer = frame.map_or(Answer::Close, Answer::Frame);
        let Slot { connection, number } = slot;
        let dropped = self.channels.end(connection, number, answer);
        if !dropped.is_empty() {
            self.forget(connection);
        }
    }

    fn serve_fetches(&mut self, now: Now) {
        if !self.log.is_ready() {
            return;
        }
        for mut fetch in std::mem::take(&mut self.fetches) {
            match fetch.answer(now, &mut self.log) {
                Some(response) => {
                    self.respond(fetch.slot, &fetch.header, &Response::Fetch(response));
                }
                None => self.fetches.push(fetch),
            }
        }
    }
}

/// What must be possible when the quota is full: that brokers come and go, and that users make room.
fn is_upkeep(request: &Request) -> bool {
    matches!(
        request,
        Request::BrokerRegistration(_)
            | Request::AlterPartition(_)
            | Request::BrokerHeartbeat(_)
            | Request::UnregisterBroker(_)
            | Request::AllocateProducerIds(_)
            | Request::DeleteTopics(_)
    )
}

fn api_versions(error: ErrorCode) -> Response {
    let api_keys = SERVED.iter().map(|api_key| ApiVersion {
        api_key: api_key.code(),
        min_version: api_key.versions().min,
        max_version: api_key.versions().max,
        ..Default::default()
    });
    Response::ApiVersions(ApiVersionsResponse {
        error_code: error.code(),
        api_keys: api_keys.collect(),
        ..Default::default()
    })
}
