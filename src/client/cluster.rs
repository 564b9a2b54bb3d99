//! What every client stands on: requests that find their broker, and metadata that follow the
//! cluster.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::machine::Alarm;
use crate::now::{Instant, Now};
use crate::protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::protocol::messages::find_coordinator_response::FindCoordinatorResponse;
use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::messages::metadata_response::MetadataResponse;
use crate::protocol::{ErrorCode, Request, Response};

use super::config::ClientConfig;
use super::error::{ErrorKind, KafkaError};
use super::event::{ClientEffect, ClientEvent, CommandId};
use super::metadata_cache::{BrokerMetadata, MetadataCache};
use super::network::{Lane, Network, Node, Outgoing};
use super::retry::{RECONNECT, Random};

/// Calls that may wait for a controller or a coordinator to be found.
const WAITING_CALLS_MAX: usize = 1_000;

/// Who is to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    Controller,
    Node(i32),
    /// The group coordinator of this group.
    Coordinator(String),
}

/// A request, and to whom its answer is to be given.
#[derive(Debug)]
pub(super) struct Call<T> {
    pub token: T,
    pub target: Target,
    pub lane: Lane,
    pub request: Request,
    pub timeout_ms: u64,
}

/// What the layer above hears.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// Metadata have been read, or could not be.
    Metadata(Result<(), KafkaError>),
    /// These topics were deleted and made again.
    MadeAgain(Vec<String>),
    /// The answer to [`Cluster::connect`].
    Connected {
        id: CommandId,
        result: Result<(), KafkaError>,
    },
    /// A call is answered, or has failed. It is not tried again here.
    Call {
        token: T,
        result: Result<Response, KafkaError>,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Cluster<T> {
    config: ClientConfig,
    random: Random,
    network: Network<Token<T>>,
    pub metadata: MetadataCache,
    refresh: Refresh,
    coordinators: BTreeMap<String, Coordinator<T>>,
    waiting_for_controller: VecDeque<Call<T>>,
    answers: VecDeque<Answer<T>>,
    /// Until a broker has answered; with when to give up.
    connecting: Vec<(CommandId, Instant)>,
    alarm: Alarm,
}

#[derive(Debug)]
enum Token<T> {
    Metadata,
    FindCoordinator {
        group: String,
    },
    /// `group` when it went to that group's coordinator.
    Call {
        token: T,
        group: Option<String>,
    },
}

#[derive(Debug)]
enum Coordinator<T> {
    Searching(VecDeque<Call<T>>),
    Known(i32),
}

/// When metadata are to be read, and of what.
#[derive(Debug, Default)]
struct Refresh {
    topics: BTreeSet<String>,
    in_flight: bool,
    wanted: bool,
    /// Not before this.
    earliest: Instant,
    /// In a row, by the network or because a topic is not ready yet.
    failures: u32,
    succeeded_at: Option<Instant>,
}

impl<T> Cluster<T> {
    pub fn new(config: ClientConfig, seed: u64) -> Cluster<T> {
        let mut random = Random::new(seed);
        Cluster {
            network: Network::new(config.clone(), random.next_u64()),
            config,
            random,
            metadata: MetadataCache::default(),
            refresh: Refresh::default(),
            coordinators: BTreeMap::new(),
            waiting_for_controller: VecDeque::new(),
            answers: VecDeque::new(),
            connecting: Vec::new(),
            alarm: Alarm::default(),
        }
    }

    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Takes what is not a command; gives back the command. Also gives the milliseconds by which
    /// the layer above must move its own deadlines, for time in which nobody could run.
    pub fn handle<C>(&mut self, now: Now, event: ClientEvent<C>) -> (Option<C>, u64) {
        let gap_ms = self.alarm.gap_ms(now.monotonic);
        if gap_ms > 0 {
            self.network.postpone_deadlines(gap_ms);
        }
        let mut command = None;
        match event {
            ClientEvent::Connected { connection } => self.network.connected(now, connection),
            ClientEvent::Frame { connection, frame } => self.network.frame(now, connection, frame),
            ClientEvent::Closed { connection } => self.network.closed(now, connection),
            ClientEvent::Woken => self.alarm.rang(),
            ClientEvent::Command(asked) => command = Some(asked),
        }
        self.network.tick(now);
        (command, gap_ms)
    }

    /// What has been answered since; ask until there is nothing more.
    pub fn next_answer(&mut self, now: Now) -> Option<Answer<T>> {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return Some(answer);
            }
            match self.network.answered.pop_front() {
                Some((token, result)) => self.answered(now, token, result),
                None if self.refresh_is_due(now) => self.send_refresh(now),
                None => return None,
            }
        }
    }

    /// Hands over what the edge must do, and when it must call again.
    pub fn finish<O>(&mut self, deadline: Option<Instant>, effects: &mut Vec<ClientEffect<O>>) {
        effects.extend(self.network.wires.drain(..).map(|wire| wire.into_effect()));
        let deadlines = [self.network.deadline(), self.refresh_at(), deadline];
        let wake_at = self.alarm.set(deadlines.into_iter().flatten().min());
        effects.extend(wake_at.map(ClientEffect::WakeAt));
    }

    /// Asks for a broker's answer, until there is one or the retry options' time is over.
    pub fn connect(&mut self, now: Now, id: CommandId) {
        self.connecting
            .push((id, now.monotonic + self.config.retry.budget_ms()));
        self.request_refresh();
    }

    /// Sends a call once. Whoever asks decides whether to try again.
    pub fn call(&mut self, now: Now, call: Call<T>) {
        match &call.target {
            Target::Any => {
                let node = self.network.any_node();
                self.send(now, node, call, None);
            }
            Target::Node(id) => {
                let node = Node::Broker(*id);
                self.send(now, node, call, None);
            }
            Target::Controller => match self.metadata.controller_id {
                Some(id) => self.send(now, Node::Broker(id), call, None),
                None if self.waiting_for_controller.len() < WAITING_CALLS_MAX => {
                    self.waiting_for_controller.push_back(call);
                    self.request_refresh();
                }
                None => self.refuse(call),
            },
            Target::Coordinator(group) => {
                let group = group.clone();
                match self.coordinators.get_mut(&group) {
                    Some(Coordinator::Known(id)) => {
                        let node = Node::Broker(*id);
                        self.send(now, node, call, Some(group));
                    }
                    Some(Coordinator::Searching(calls)) if calls.len() < WAITING_CALLS_MAX => {
                        calls.push_back(call);
                    }
                    Some(Coordinator::Searching(_)) => self.refuse(call),
                    None => {
                        self.find_coordinator(now, &group);
                        let searching = Coordinator::Searching(VecDeque::from([call]));
                        self.coordinators.insert(group, searching);
                    }
                }
            }
        }
    }

    /// A response had this error: forgets what it proves to be outdated.
    pub fn note_error(&mut self, code: ErrorCode, group: Option<&str>) {
        match code {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                if let Some(group) = group
                    && matches!(self.coordinators.get(group), Some(Coordinator::Known(_)))
                {
                    self.coordinators.remove(group);
                }
            }
            ErrorCode::NotController => {
                self.metadata.controller_id = None;
                self.request_refresh();
            }
            ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::KafkaStorageError
            | ErrorCode::UnknownTopicId
            | ErrorCode::NetworkException => self.request_refresh(),
            _ => {}
        }
    }

    /// The topics whose metadata are kept; new ones are read at once.
    pub fn set_topics(&mut self, now: Now, topics: BTreeSet<String>) {
        let new = topics
            .iter()
            .any(|topic| self.metadata.partitions(topic).is_none());
        self.metadata
            .topics
            .retain(|topic, _| topics.contains(topic));
        self.refresh.topics = topics;
        if new {
            self.refresh.earliest = now.monotonic;
            self.request_refresh();
        }
    }

    /// One topic more to keep metadata of.
    pub fn add_topic(&mut self, now: Now, topic: &str) {
        if self.refresh.topics.insert(topic.to_string()) {
            self.refresh.earliest = now.monotonic;
            self.request_refresh();
        }
    }

    /// Metadata of this topic are not needed any more.
    pub fn remove_topic(&mut self, topic: &str) {
        self.refresh.topics.remove(topic);
        self.metadata.topics.remove(topic);
    }

    /// Reads metadata as soon as the pause after the last time allows.
    pub fn request_refresh(&mut self) {
        self.refresh.wanted = true;
    }

    /// Gives up what is under way to this node on this lane: it is not answered any more.
    pub fn abandon(&mut self, node: i32, lane: Lane) {
        self.network.abandon(Node::Broker(node), lane);
    }

    /// Closes all connections. What is under way is not answered any more; gives the unanswered
    /// [`Cluster::connect`]s.
    pub fn close(&mut self) -> Vec<CommandId> {
        self.network.close();
        self.network.answered.clear();
        self.answers.clear();
        self.coordinators.clear();
        self.waiting_for_controller.clear();
        self.refresh = Refresh::default();
        self.connecting.drain(..).map(|(id, _)| id).collect()
    }

    fn send(&mut self, now: Now, node: Node, call: Call<T>, group: Option<String>) {
        let token = Token::Call {
            token: call.token,
            group,
        };
        let outgoing = Outgoing {
            token,
            request: call.request,
            timeout_ms: call.timeout_ms,
        };
        self.network.send(now, node, call.lane, outgoing);
    }

    fn refuse(&mut self, call: Call<T>) {
        let text = format!("{WAITING_CALLS_MAX} requests wait already");
        let result = Err(KafkaError::raised(ErrorKind::BufferFull, text));
        self.answers.push_back(Answer::Call {
            token: call.token,
            result,
        });
    }

    fn find_coordinator(&mut self, now: Now, group: &str) {
        let request = Request::FindCoordinator(FindCoordinatorRequest {
            key: group.to_string(),
            ..Default::default()
        });
        let token = Token::FindCoordinator {
            group: group.to_string(),
        };
        let timeout_ms = self.config.request_timeout_ms;
        let node = self.network.any_node();
        self.network.send(
            now,
            node,
            Lane::General,
            Outgoing {
                token,
                request,
                timeout_ms,
            },
        );
    }

    fn answered(&mut self, now: Now, token: Token<T>, result: Result<Response, KafkaError>) {
        let broken = result.as_ref().err().is_some_and(KafkaError::is_virtual);
        match (token, result) {
            (Token::Metadata, Ok(Response::Metadata(response))) => {
                self.refreshed(now, &response);
            }
            (Token::Metadata, result) => {
                let error = result.err().unwrap_or_else(mismatched);
                self.refresh.in_flight = false;
                self.refresh.failures = self.refresh.failures.saturating_add(1);
                self.refresh.wanted = true;
                self.pause_refresh(now);
                self.controller_found(now, Some(&error));
                for (id, give_up_at) in std::mem::take(&mut self.connecting) {
                    if give_up_at <= now.monotonic {
                        let result = Err(error.clone().after_retries(self.refresh.failures - 1));
                        self.answers.push_back(Answer::Connected { id, result });
                    } else {
                        self.connecting.push((id, give_up_at));
                    }
                }
                self.answers.push_back(Answer::Metadata(Err(error)));
            }
            (Token::FindCoordinator { group }, result) => {
                let found = match result {
                    Ok(Response::FindCoordinator(response)) => coordinator(response),
                    Ok(_) => Err(mismatched()),
                    Err(error) => Err(error),
                };
                self.coordinator_found(now, &group, found);
            }
            (Token::Call { token, group }, result) => {
                if broken {
                    if let Some(group) = group {
                        self.note_error(ErrorCode::NotCoordinator, Some(&group));
                    }
                    self.request_refresh();
                }
                if let Ok(Response::Metadata(response)) = &result {
                    self.update_metadata(response);
                }
                self.answers.push_back(Answer::Call { token, result });
            }
        }
    }

    fn coordinator_found(
        &mut self,
        now: Now,
        group: &str,
        found: Result<BrokerMetadata, KafkaError>,
    ) {
        let Some(Coordinator::Searching(calls)) = self.coordinators.remove(group) else {
            return;
        };
        match found {
            Ok(broker) => {
                let id = broker.node_id;
                if self.metadata.brokers.insert(id, broker.clone()) != Some(broker) {
                    self.network.set_brokers(&self.metadata.brokers);
                }
                self.coordinators
                    .insert(group.to_string(), Coordinator::Known(id));
                for call in calls {
                    self.send(now, Node::Broker(id), call, Some(group.to_string()));
                }
            }
            Err(error) => {
                let error = error.of_group(group);
                self.answers
                    .extend(calls.into_iter().map(|call| Answer::Call {
                        token: call.token,
                        result: Err(error.clone()),
                    }));
            }
        }
    }

    /// Metadata have come, or `error` has: calls that wait for a controller go on, or fail.
    fn controller_found(&mut self, now: Now, error: Option<&KafkaError>) {
        for call in std::mem::take(&mut self.waiting_for_controller) {
            match (self.metadata.controller_id, error) {
                (Some(id), None) => self.send(now, Node::Broker(id), call, None),
                (_, Some(error)) => {
                    let result = Err(error.clone());
                    self.answers.push_back(Answer::Call {
                        token: call.token,
                        result,
                    });
                }
                (None, None) => {
                    let result = Err(KafkaError::protocol(ErrorCode::NotController));
                    self.answers.push_back(Answer::Call {
                        token: call.token,
                        result,
                    });
                }
            }
        }
    }

    fn refresh_is_due(&self, now: Now) -> bool {
        self.refresh_at().is_some_and(|at| at <= now.monotonic)
    }

    fn refresh_at(&self) -> Option<Instant> {
        let refresh = &self.refresh;
        let periodic = || {
            let succeeded_at = refresh
                .succeeded_at
                .filter(|_| !refresh.topics.is_empty())?;
            Some(succeeded_at + self.config.metadata_max_age_ms)
        };
        match (refresh.in_flight, refresh.wanted) {
            (true, _) => None,
            (false, true) => Some(refresh.earliest),
            (false, false) => periodic(),
        }
    }

    fn send_refresh(&mut self, now: Now) {
        self.refresh.wanted = false;
        self.refresh.in_flight = true;
        let topics = self.refresh.topics.iter();
        let request = Request::Metadata(MetadataRequest {
            topics: Some(topics.map(|topic| metadata_topic(topic)).collect()),
            allow_auto_topic_creation: self.config.allow_auto_topic_creation,
            ..Default::default()
        });
        let timeout_ms = self.config.request_timeout_ms;
        let outgoing = Outgoing {
            token: Token::Metadata,
            request,
            timeout_ms,
        };
        let node = self.network.any_node();
        self.network.send(now, node, Lane::General, outgoing);
    }

    fn refreshed(&mut self, now: Now, response: &MetadataResponse) {
        self.update_metadata(response);
        self.refresh.in_flight = false;
        self.refresh.succeeded_at = Some(now.monotonic);
        // A topic that is being created, or a partition whose leader is being elected, is asked
        // for again, after longer and longer pauses.
        let unsettled = response.topics.iter().any(|topic| {
            let settled = |code: i16| !ErrorCode::from_code(code).retriable();
            !settled(topic.error_code)
                || topic
                    .partitions
                    .iter()
                    .any(|partition| partition.leader_id < 0)
        });
        if unsettled {
            self.refresh.failures = self.refresh.failures.saturating_add(1);
            self.refresh.wanted = true;
        } else {
            self.refresh.failures = 0;
        }
        self.pause_refresh(now);
        self.controller_found(now, None);
        let connected = self.connecting.drain(..);
        self.answers
            .extend(connected.map(|(id, _)| Answer::Connected { id, result: Ok(()) }));
        self.answers.push_back(Answer::Metadata(Ok(())));
    }

    fn pause_refresh(&mut self, now: Now) {
        let failures = self.refresh.failures.max(1);
        self.refresh.earliest = now.monotonic + RECONNECT.delay_ms(failures, &mut self.random);
    }

    fn update_metadata(&mut self, response: &MetadataResponse) {
        let made_again = self.metadata.update(response);
        if !made_again.is_empty() {
            self.answers.push_back(Answer::MadeAgain(made_again));
        }
        self.network.set_brokers(&self.metadata.brokers);
    }
}

/// A topic to ask metadata of, by name.
pub(super) fn metadata_topic(topic: &str) -> MetadataRequestTopic {
    MetadataRequestTopic {
        name: Some(topic.to_string()),
        ..Default::default()
    }
}

/// A response of another API than that of the request: a bug of whoever decoded it.
pub(super) fn mismatched() -> KafkaError {
    KafkaError::raised(
        ErrorKind::Malformed,
        "the response belongs to another request",
    )
}

fn coordinator(response: FindCoordinatorResponse) -> Result<BrokerMetadata, KafkaError> {
    match ErrorCode::from_code(response.error_code) {
        ErrorCode::None => Ok(BrokerMetadata {
            node_id: response.node_id,
            host: response.host,
            port: response.port,
        }),
        code => Err(KafkaError::answered(
            code,
            response.error_message.as_deref(),
        )),
    }
}
