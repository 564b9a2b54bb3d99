//! Connections to brokers: made when needed, versions negotiated, answers matched, time limited.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::now::{Instant, Now};
use crate::protocol::messages::api_versions_request::ApiVersionsRequest;
use crate::protocol::messages::api_versions_response::ApiVersionsResponse;
use crate::protocol::messages::produce_response::ProduceResponse;
use crate::protocol::{
    ApiKey, ErrorCode, Message, Request, RequestHeader, Response, VersionRange, decode_response,
    encode_request, messages,
};

use super::config::{BrokerAddress, ClientConfig};
use super::error::{ErrorKind, KafkaError};
use super::event::{ClientEffect, ConnectionId};
use super::metadata_cache::BrokerMetadata;
use super::retry::{RECONNECT, Random};

/// Requests that may wait for one connection; one more fails with `BufferFull`.
const QUEUED_REQUESTS_MAX: usize = 1_000;

/// The version in which we first ask for the broker's versions (KIP-511).
const API_VERSIONS_VERSION: i16 = 3;

/// A broker answers the requests of a connection in their order, so what it answers late goes on
/// a connection of its own: KafkaJS separates fetches, Java also the coordinator's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// What is answered soon.
    General,
    /// Fetches, which wait for records; those of one number wait for each other.
    Fetch(u8),
    /// The group's requests that wait for other members, and those about what these have brought.
    Group,
}

/// A broker, or an address that may be any broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Broker(i32),
    Bootstrap(usize),
}

/// A request on its way, with what its answer is to be given to.
#[derive(Debug)]
pub(super) struct Outgoing<T> {
    pub token: T,
    pub request: Request,
    pub timeout_ms: u64,
}

/// What a connection should do.
#[derive(Debug)]
pub(super) enum Wire {
    Connect {
        connection: ConnectionId,
        address: BrokerAddress,
    },
    Send {
        connection: ConnectionId,
        frame: Bytes,
    },
    Close {
        connection: ConnectionId,
    },
}

impl Wire {
    pub fn into_effect<O>(self) -> ClientEffect<O> {
        match self {
            Wire::Connect {
                connection,
                address,
            } => ClientEffect::Connect {
                connection,
                host: address.host,
                port: address.port,
            },
            Wire::Send { connection, frame } => ClientEffect::Send { connection, frame },
            Wire::Close { connection } => ClientEffect::Close { connection },
        }
    }
}

/// An answered request.
pub(super) type Answered<T> = (T, Result<Response, KafkaError>);

/// All connections of a client.
#[derive(Debug)]
pub(super) struct Network<T> {
    config: ClientConfig,
    random: Random,
    brokers: BTreeMap<i32, BrokerAddress>,
    health: BTreeMap<Node, Health>,
    connections: BTreeMap<ConnectionId, Connection<T>>,
    next_connection: u64,
    next_bootstrap: usize,
    pub wires: Vec<Wire>,
    pub answered: VecDeque<Answered<T>>,
}

/// How connecting to a node has gone lately.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    retry_at: Instant,
}

#[derive(Debug)]
struct Connection<T> {
    node: Node,
    lane: Lane,
    state: State,
    queue: VecDeque<(Instant, Outgoing<T>)>,
    in_flight: BTreeMap<i32, InFlight<T>>,
    next_correlation_id: i32,
}

#[derive(Debug)]
enum State {
    /// The node failed a moment ago.
    Backoff {
        until: Instant,
    },
    Connecting {
        deadline: Instant,
    },
    Negotiating {
        deadline: Instant,
        correlation_id: i32,
        version: i16,
    },
    Ready {
        versions: BTreeMap<i16, VersionRange>,
    },
}

#[derive(Debug)]
struct InFlight<T> {
    token: T,
    api_key: ApiKey,
    version: i16,
    deadline: Instant,
}

impl<T> Network<T> {
    pub fn new(config: ClientConfig, seed: u64) -> Network<T> {
        let mut random = Random::new(seed);
        let next_bootstrap = random.next_u64() as usize % config.brokers.len().max(1);
        Network {
            config,
            random,
            brokers: BTreeMap::new(),
            health: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_bootstrap,
            wires: Vec::new(),
            answered: VecDeque::new(),
        }
    }

    /// Takes over the cluster's brokers. A bootstrap connection that turns out to lead to one of
    /// them becomes that broker's; the others are closed when nothing is under way on them.
    pub fn set_brokers(&mut self, brokers: &BTreeMap<i32, BrokerMetadata>) {
        let address = |broker: &BrokerMetadata| BrokerAddress {
            host: broker.host.clone(),
            port: broker.port,
        };
        self.brokers = brokers
            .iter()
            .map(|(&id, broker)| (id, address(broker)))
            .collect();
        if self.brokers.is_empty() {
            return;
        }
        let bootstraps: Vec<_> = (self.connections.iter())
            .filter_map(|(&id, connection)| match connection.node {
                Node::Bootstrap(index) => Some((id, index, connection.lane)),
                Node::Broker(_) => None,
            })
            .collect();
        for (id, index, lane) in bootstraps {
            let own = self
                .brokers
                .iter()
                .find(|(_, own)| **own == self.config.brokers[index]);
            let broker = own.map(|(&broker, _)| Node::Broker(broker));
            if let Some(node) = broker
                && self.connection_of(node, lane).is_none()
            {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.node = node;
                }
            } else if self.connections.get(&id).is_some_and(Connection::is_idle) {
                self.connections.remove(&id);
                self.wires.push(Wire::Close { connection: id });
            }
        }
    }

    /// A node that will do for a request that any broker can answer: one that is connected, else
    /// the one that has failed least.
    pub fn any_node(&mut self) -> Node {
        let ready = self.connections.values().filter(|connection| {
            connection.lane == Lane::General && matches!(connection.state, State::Ready { .. })
        });
        if let Some(connection) = ready.min_by_key(|connection| connection.in_flight.len()) {
            return connection.node;
        }
        let seeds = self.config.brokers.len();
        let brokers = self.brokers.keys().map(|&id| Node::Broker(id));
        let bootstraps = (0..seeds).map(|i| Node::Bootstrap((self.next_bootstrap + i) % seeds));
        let node = brokers
            .chain(bootstraps)
            .min_by_key(|node| self.health.get(node).map_or(0, |health| health.failures))
            .unwrap_or(Node::Bootstrap(0));
        if let Node::Bootstrap(index) = node {
            self.next_bootstrap = index + 1;
        }
        node
    }

    /// Sends a request when the connection of `node` for `lane` is ready, making one if need be.
    pub fn send(&mut self, now: Now, node: Node, lane: Lane, outgoing: Outgoing<T>) {
        let id = match self.connection_of(node, lane) {
            Some(id) => id,
            None => match self.connect(now, node, lane) {
                Ok(id) => id,
                Err(error) => return self.answered.push_back((outgoing.token, Err(error))),
            },
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.queue.len() >= QUEUED_REQUESTS_MAX {
            let text = format!("{QUEUED_REQUESTS_MAX} requests wait for one connection already");
            let error = KafkaError::raised(ErrorKind::BufferFull, text);
            return self.answered.push_back((outgoing.token, Err(error)));
        }
        let deadline = now.monotonic + outgoing.timeout_ms;
        connection.queue.push_back((deadline, outgoing));
        self.flush(now, id);
    }

    pub fn connected(&mut self, now: Now, id: ConnectionId) {
        if let Some(connection) = self.connections.get(&id)
            && matches!(connection.state, State::Connecting { .. })
        {
            self.negotiate(now, id, API_VERSIONS_VERSION);
        }
    }

    /// The edge says that the connection is gone, or could not be made.
    pub fn closed(&mut self, now: Now, id: ConnectionId) {
        let text = "the connection to the broker was closed, or could not be made";
        self.fail(now, id, &KafkaError::raised(ErrorKind::Connection, text));
    }

    pub fn frame(&mut self, now: Now, id: ConnectionId, frame: Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let malformed = |what: String| KafkaError::raised(ErrorKind::Malformed, what);
        let Some(&correlation_id) = frame.first_chunk::<4>() else {
            let error = malformed("a response of less than four bytes".to_string());
            return self.abort(now, id, error);
        };
        let correlation_id = i32::from_be_bytes(correlation_id);
        if let State::Negotiating {
            correlation_id: expected,
            version,
            ..
        } = connection.state
            && expected == correlation_id
        {
            return self.negotiated(now, id, version, frame);
        }
        let Some(in_flight) = connection.in_flight.remove(&correlation_id) else {
            let error = malformed(format!(
                "nothing was asked with correlation id {correlation_id}"
            ));
            return self.abort(now, id, error);
        };
        match decode_response(in_flight.api_key, in_flight.version, frame) {
            Ok((_, response)) => self.answered.push_back((in_flight.token, Ok(response))),
            Err(error) => {
                let text = format!("a {} response: {error}", in_flight.api_key.name());
                self.answered
                    .push_back((in_flight.token, Err(malformed(text.clone()))));
                self.abort(now, id, malformed(text));
            }
        }
    }

    /// Does what is due: gives up requests and connections that took too long, and connects where
    /// the pause after a failure is over.
    pub fn tick(&mut self, now: Now) {
        let due: Vec<_> = (self.connections.iter())
            .filter(|(_, connection)| {
                connection
                    .deadline()
                    .is_some_and(|deadline| deadline <= now.monotonic)
            })
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            let Some(connection) = self.connections.get(&id) else {
                continue;
            };
            match connection.state {
                State::Backoff { until } if until <= now.monotonic => self.open(now, id),
                State::Connecting { deadline } if deadline <= now.monotonic => {
                    let text = "the connection could not be made in time";
                    self.abort(now, id, KafkaError::raised(ErrorKind::Connection, text));
                }
                // An answer that is overdue may still come; without the connection it cannot be
                // taken for another's.
                _ => {
                    let text = "the broker did not answer in time";
                    self.abort(now, id, KafkaError::raised(ErrorKind::RequestTimeout, text));
                }
            }
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.connections
            .values()
            .filter_map(Connection::deadline)
            .min()
    }

    /// Gives everything that waits `ms` more: time in which nobody could run does not count.
    pub fn postpone_deadlines(&mut self, ms: u64) {
        for connection in self.connections.values_mut() {
            match &mut connection.state {
                State::Connecting { deadline } | State::Negotiating { deadline, .. } => {
                    *deadline = *deadline + ms;
                }
                State::Backoff { .. } | State::Ready { .. } => {}
            }
            for (deadline, _) in &mut connection.queue {
                *deadline = *deadline + ms;
            }
            for in_flight in connection.in_flight.values_mut() {
                in_flight.deadline = in_flight.deadline + ms;
            }
        }
    }

    /// Closes one connection, which is to be made anew when it is needed again; what is under way
    /// on it gets no answer.
    pub fn abandon(&mut self, node: Node, lane: Lane) {
        let Some(id) = self.connection_of(node, lane) else {
            return;
        };
        let state = self.connections.remove(&id).map(|removed| removed.state);
        if !matches!(state, Some(State::Backoff { .. })) {
            self.wires.push(Wire::Close { connection: id });
        }
    }

    /// Closes all connections; what is under way gets no answer.
    pub fn close(&mut self) {
        for (connection, state) in std::mem::take(&mut self.connections) {
            if !matches!(state.state, State::Backoff { .. }) {
                self.wires.push(Wire::Close { connection });
            }
        }
    }

    fn connection_of(&self, node: Node, lane: Lane) -> Option<ConnectionId> {
        self.connections
            .iter()
            .find(|(_, connection)| connection.node == node && connection.lane == lane)
            .map(|(&id, _)| id)
    }

    fn connect(&mut self, now: Now, node: Node, lane: Lane) -> Result<ConnectionId, KafkaError> {
        if self.address(node).is_none() {
            let error = KafkaError::answered(
                ErrorCode::ReplicaNotAvailable,
                Some("the broker is not in the cluster's metadata"),
            );
            return Err(KafkaError {
                kind: ErrorKind::Connection,
                ..error
            });
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let until = self
            .health
            .get(&node)
            .map_or(Instant::default(), |health| health.retry_at);
        self.connections.insert(
            id,
            Connection {
                node,
                lane,
                state: State::Backoff { until },
                queue: VecDeque::new(),
                in_flight: BTreeMap::new(),
                next_correlation_id: 0,
            },
        );
        if until <= now.monotonic {
            self.open(now, id);
        }
        Ok(id)
    }

    fn open(&mut self, now: Now, id: ConnectionId) {
        let deadline = now.monotonic + self.config.connection_timeout_ms;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.state = State::Connecting { deadline };
        let node = connection.node;
        match self.address(node) {
            Some(address) => self.wires.push(Wire::Connect {
                connection: id,
                address,
            }),
            None => {
                let text = "the broker has left the cluster";
                self.fail(now, id, &KafkaError::raised(ErrorKind::Connection, text));
            }
        }
    }

    fn address(&self, node: Node) -> Option<BrokerAddress> {
        match node {
            Node::Broker(id) => self.brokers.get(&id).cloned(),
            Node::Bootstrap(index) => self.config.brokers.get(index).cloned(),
        }
    }

    fn negotiate(&mut self, now: Now, id: ConnectionId, version: i16) {
        let request = Request::ApiVersions(ApiVersionsRequest {
            client_software_name: env!("CARGO_PKG_NAME").to_string(),
            client_software_version: env!("CARGO_PKG_VERSION").to_string(),
            ..Default::default()
        });
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let correlation_id = connection.take_correlation_id();
        let frame = encode(&self.config.client_id, correlation_id, version, &request);
        match frame {
            Ok(frame) => {
                let deadline = now.monotonic + self.config.request_timeout_ms;
                connection.state = State::Negotiating {
                    deadline,
                    correlation_id,
                    version,
                };
                self.wires.push(Wire::Send {
                    connection: id,
                    frame,
                });
            }
            Err(error) => self.abort(now, id, error),
        }
    }

    fn negotiated(&mut self, now: Now, id: ConnectionId, version: i16, frame: Bytes) {
        let response = match decode_api_versions(version, frame) {
            Ok(response) => response,
            Err(error) => return self.abort(now, id, error),
        };
        let versions: BTreeMap<_, _> = (response.api_keys.iter())
            .map(|api| {
                (
                    api.api_key,
                    VersionRange {
                        min: api.min_version,
                        max: api.max_version,
                    },
                )
            })
            .collect();
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::UnsupportedVersion if version > 0 => {
                // The broker says in version 0 which one it knows, or nothing (before KIP-511).
                let known = versions
                    .get(&ApiKey::ApiVersions.code())
                    .map_or(0, |range| range.max);
                return self.negotiate(now, id, known.clamp(0, version - 1));
            }
            code => return self.abort(now, id, KafkaError::protocol(code)),
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.state = State::Ready { versions };
            self.health.remove(&connection.node);
        }
        self.flush(now, id);
    }

    /// Sends what waits for the connection, if it is ready.
    fn flush(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let State::Ready { versions } = &connection.state else {
            return;
        };
        while let Some((_, outgoing)) = connection.queue.pop_front() {
            let api_key = outgoing.request.api_key();
            let Some(version) = common_version(api_key, versions) else {
                let text = format!("the broker does not speak a version of {}", api_key.name());
                let error = KafkaError::raised(ErrorKind::Unsupported, text);
                self.answered.push_back((outgoing.token, Err(error)));
                continue;
            };
            let correlation_id = connection.next_correlation_id;
            connection.next_correlation_id = correlation_id.wrapping_add(1);
            let request = &outgoing.request;
            match encode(&self.config.client_id, correlation_id, version, request) {
                Ok(frame) => self.wires.push(Wire::Send {
                    connection: id,
                    frame,
                }),
                Err(error) => {
                    self.answered.push_back((outgoing.token, Err(error)));
                    continue;
                }
            }
            if matches!(request, Request::Produce(produce) if produce.acks == 0) {
                // No broker answers this one.
                let response = Response::Produce(ProduceResponse::default());
                self.answered.push_back((outgoing.token, Ok(response)));
                continue;
            }
            let deadline = now.monotonic + outgoing.timeout_ms;
            let in_flight = InFlight {
                token: outgoing.token,
                api_key,
                version,
                deadline,
            };
            connection.in_flight.insert(correlation_id, in_flight);
        }
    }

    /// We give the connection up.
    fn abort(&mut self, now: Now, id: ConnectionId, error: KafkaError) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let opened = !matches!(connection.state, State::Backoff { .. });
        self.fail(now, id, &error);
        if opened {
            self.wires.push(Wire::Close { connection: id });
        }
    }

    /// The connection is gone, and that speaks against its node.
    fn fail(&mut self, now: Now, id: ConnectionId, error: &KafkaError) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let health = self.health.entry(connection.node).or_default();
        // All connections of a node break together, and that is one failure of it.
        if health.retry_at <= now.monotonic {
            health.failures = health.failures.saturating_add(1);
            let delay_ms = RECONNECT.delay_ms(health.failures, &mut self.random);
            health.retry_at = now.monotonic + delay_ms;
        }
        self.drop_connection(id, error);
    }

    fn drop_connection(&mut self, id: ConnectionId, error: &KafkaError) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        let sent = connection
            .in_flight
            .into_values()
            .map(|in_flight| in_flight.token);
        let waiting = connection
            .queue
            .into_iter()
            .map(|(_, outgoing)| outgoing.token);
        self.answered
            .extend(sent.chain(waiting).map(|token| (token, Err(error.clone()))));
    }
}

impl<T> Connection<T> {
    fn deadline(&self) -> Option<Instant> {
        let state = match self.state {
            State::Backoff { until } => Some(until),
            State::Connecting { deadline } | State::Negotiating { deadline, .. } => Some(deadline),
            State::Ready { .. } => None,
        };
        let queued = self.queue.iter().map(|(deadline, _)| *deadline);
        let sent = self.in_flight.values().map(|in_flight| in_flight.deadline);
        state.into_iter().chain(queued).chain(sent).min()
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    fn take_correlation_id(&mut self) -> i32 {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.wrapping_add(1);
        correlation_id
    }
}

fn encode(
    client_id: &str,
    correlation_id: i32,
    version: i16,
    request: &Request,
) -> Result<Bytes, KafkaError> {
    let header = RequestHeader {
        request_api_key: request.api_key().code(),
        request_api_version: version,
        correlation_id,
        client_id: Some(client_id.to_string()),
        ..Default::default()
    };
    encode_request(&header, request)
        .map_err(|error| KafkaError::raised(ErrorKind::InvalidArgument, error.to_string()))
}

/// A broker that does not know the version answers in version 0, which may not look like ours.
fn decode_api_versions(version: i16, frame: Bytes) -> Result<ApiVersionsResponse, KafkaError> {
    let decode = |version| match decode_response(ApiKey::ApiVersions, version, frame.clone()) {
        Ok((_, Response::ApiVersions(response))) => Ok(response),
        Ok(_) => Err(KafkaError::raised(
            ErrorKind::Malformed,
            "not an ApiVersions response",
        )),
        Err(error) => Err(KafkaError::raised(
            ErrorKind::Malformed,
            format!("an ApiVersions response: {error}"),
        )),
    };
    match decode(version) {
        Ok(response) if response.error_code == ErrorCode::None.code() => Ok(response),
        Ok(response) => Ok(decode(0).unwrap_or(response)),
        Err(error) => decode(0).map_err(|_| error),
    }
}

/// The highest version that both sides speak.
fn common_version(api_key: ApiKey, broker: &BTreeMap<i16, VersionRange>) -> Option<i16> {
    let theirs = broker.get(&api_key.code())?;
    let ours = client_versions(api_key);
    let version = theirs.max.min(ours.max);
    (version >= theirs.min && version >= ours.min).then_some(version)
}

/// The versions that this client speaks. The ends that are given here are where a message changes
/// its shape: what is batched (KIP-709, KIP-699), or named by topic id (KIP-516). Fetches do name
/// topics by id: offsets in a topic that was made again mean nothing.
fn client_versions(api_key: ApiKey) -> VersionRange {
    let range = |min, max| VersionRange { min, max };
    match api_key {
        ApiKey::Produce => range(3, 11),
        ApiKey::Fetch => range(4, 13),
        ApiKey::Metadata => range(1, messages::metadata_request::MetadataRequest::VERSIONS.max),
        ApiKey::OffsetCommit => range(2, 9),
        ApiKey::OffsetFetch => range(2, 7),
        ApiKey::FindCoordinator => range(1, 3),
        ApiKey::LeaveGroup => range(3, 5),
        ApiKey::DeleteTopics => range(1, 5),
        ApiKey::DescribeGroups => range(0, 5),
        _ => api_key.versions(),
    }
}
