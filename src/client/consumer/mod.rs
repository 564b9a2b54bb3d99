//! Reads records, alone or as a member of a group.
//!
//! Four things go on side by side, each in its file: being a member (`membership`), knowing where
//! to start and remembering how far we are (`offsets`), fetching ahead and delivering (`fetcher`),
//! all over the state of the partitions (`subscription`). A partition that is taken away, or
//! sought, gets a new fence, so that nothing late is mistaken for something new.

mod agenda;
mod application_assignor;
mod assignor;
mod config;
mod fetcher;
mod heartbeats;
mod membership;
mod offsets;
mod subscription;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(in crate::client) use assignor::decode_assignment;
pub use assignor::{Assignor, OfferedAssignor};
pub use config::*;

use super::cluster::{Answer, Call, Cluster, Target, mismatched};
use super::network::Lane;
use super::retry::Random;
use super::{ClientEffect, ClientEvent, CommandId, ErrorKind, KafkaError, TopicPartition};
use crate::now::{Instant, Now};
use crate::protocol::messages::metadata_request::MetadataRequest;
use crate::protocol::{ErrorCode, Request, Response};
use agenda::List;
use fetcher::{Fetch, LaneQueue};
use heartbeats::Heartbeats;
use membership::{Membership, State};
use offsets::Commits;
use subscription::Partitions;

/// A Kafka consumer. See the module.
#[derive(Debug)]
pub struct Consumer {
    config: ConsumerConfig,
    cluster: Cluster<Token>,
    random: Random,
    mode: Mode,
    /// Why polls fail until the next subscription.
    failed: Option<KafkaError>,
    partitions: Partitions,
    membership: Membership,
    commits: Commits,
    /// What is under way, by node and lane.
    fetching: BTreeMap<(i32, u8), Fetch>,
    fetches_sent: u32,
    /// By node.
    lane_queues: BTreeMap<i32, LaneQueue>,
    last_delivered: Option<TopicPartition>,
    /// With the most records of each.
    polls: VecDeque<(CommandId, usize)>,
    listing: Vec<CommandId>,
    closing: Vec<CommandId>,
    closed: bool,
    /// Something changed that is looked at earlier in a round.
    again: bool,
    outputs: Vec<ConsumerOutput>,
}

/// What the application wants to read.
#[derive(Debug)]
enum Mode {
    Nothing,
    Subscribed(Vec<Subscription>),
    Assigned {
        partitions: Vec<(TopicPartition, Option<i64>)>,
        applied: bool,
    },
}

/// What an answer belongs to.
#[derive(Debug)]
enum Token {
    Join {
        attempt: u64,
    },
    Sync {
        attempt: u64,
    },
    Heartbeat {
        generation_id: i32,
    },
    Leave,
    OffsetFetch {
        partitions: Vec<(TopicPartition, u64)>,
    },
    ListOffsets {
        partitions: Vec<(TopicPartition, u64)>,
    },
    OffsetCommit {
        generation_id: i32,
    },
    Fetch {
        node_id: i32,
        lane: u8,
        number: u32,
    },
    ListTopics {
        id: CommandId,
    },
}

impl Consumer {
    /// A consumer that has not connected yet. `seed` decides how retries are spread.
    pub fn new(config: ConsumerConfig, seed: u64) -> Consumer {
        let mut random = Random::new(seed);
        Consumer {
            cluster: Cluster::new(config.client.clone(), random.next_u64()),
            random,
            mode: Mode::Nothing,
            failed: None,
            partitions: Partitions::default(),
            membership: Membership::new(Heartbeats::new(config.heartbeat_interval_ms)),
            config,
            commits: Commits::default(),
            fetching: BTreeMap::new(),
            fetches_sent: 0,
            lane_queues: BTreeMap::new(),
            last_delivered: None,
            polls: VecDeque::new(),
            listing: Vec::new(),
            closing: Vec::new(),
            closed: false,
            again: false,
            outputs: Vec::new(),
        }
    }

    /// Takes one event and collects what is to be done.
    pub fn handle(
        &mut self,
        now: Now,
        event: ClientEvent<ConsumerCommand>,
        effects: &mut Vec<ClientEffect<ConsumerOutput>>,
    ) {
        let (command, gap_ms) = self.cluster.handle(now, event);
        if gap_ms > 0 {
            self.membership.postpone_deadlines(gap_ms);
        }
        if let Some(command) = command {
            self.command(now, command);
        }
        self.run(now);
        effects.extend(self.outputs.drain(..).map(ClientEffect::Output));
        let deadline = self.deadline(now);
        self.cluster.finish(deadline, effects);
    }

    fn command(&mut self, now: Now, command: ConsumerCommand) {
        if self.closed || !self.closing.is_empty() {
            return self.refuse(command);
        }
        match command {
            ConsumerCommand::Connect { id } => self.cluster.connect(now, id),
            ConsumerCommand::Subscribe { id, topics } => {
                let result = self.subscribe(now, topics);
                self.done(id, result);
            }
            ConsumerCommand::Assign { id, partitions } => {
                self.begin_anew();
                self.mode = Mode::Assigned {
                    partitions,
                    applied: false,
                };
                if self.membership.state != State::Out {
                    self.leave(now, None);
                }
                self.done(id, Ok(()));
            }
            ConsumerCommand::Unsubscribe { id } => {
                self.mode = Mode::Nothing;
                self.failed = None;
                self.answer_polls(&Ok(None));
                self.leave(now, Some(id));
            }
            ConsumerCommand::Poll { id, .. } if self.polls.len() >= POLLS_MAX => {
                let text = format!("{POLLS_MAX} polls wait already");
                let result = Err(KafkaError::raised(ErrorKind::BufferFull, text));
                self.outputs.push(ConsumerOutput::Polled { id, result });
            }
            ConsumerCommand::Poll { id, records_max } => self.polls.push_back((id, records_max)),
            ConsumerCommand::CancelPoll { id, poll } => {
                if let Some(index) = self.polls.iter().position(|(waiting, _)| *waiting == poll) {
                    self.polls.remove(index);
                    self.outputs.push(ConsumerOutput::Polled {
                        id: poll,
                        result: Ok(None),
                    });
                }
                self.done(id, Ok(()));
            }
            ConsumerCommand::Resolve {
                partition,
                fence,
                next_offset,
            } => {
                self.resolve(now, &partition, fence, next_offset);
            }
            ConsumerCommand::Processed {
                partition,
                fence,
                next_offset,
            } => {
                self.processed(now, &partition, fence, next_offset);
            }
            ConsumerCommand::Commit { id, offsets } => self.commit(now, id, offsets),
            ConsumerCommand::Seek {
                id,
                partition,
                offset,
            } => {
                let result = self.seek(&partition, offset);
                self.done(id, result);
            }
            ConsumerCommand::Pause { id, topics } => {
                for (topic, partitions) in topics {
                    self.partitions.pause(&topic, partitions.as_deref());
                }
                self.done(id, Ok(()));
            }
            ConsumerCommand::Resume { id, topics } => {
                for (topic, partitions) in topics {
                    self.partitions.resume(&topic, partitions.as_deref());
                }
                self.done(id, Ok(()));
            }
            ConsumerCommand::AnswerAssignor { question, answers } => {
                self.assignor_answered(now, question, answers);
            }
            ConsumerCommand::ListTopics { id } => {
                let request = MetadataRequest {
                    topics: None,
                    ..Default::default()
                };
                let timeout_ms = self.config.client.request_timeout_ms;
                self.listing.push(id);
                let call = Call {
                    token: Token::ListTopics { id },
                    target: Target::Any,
                    lane: Lane::General,
                    request: Request::Metadata(request),
                    timeout_ms,
                };
                self.cluster.call(now, call);
            }
            ConsumerCommand::Close { id } => {
                self.mode = Mode::Nothing;
                self.closing.push(id);
                self.answer_polls(&Ok(None));
                self.leave(now, None);
            }
        }
    }

    fn refuse(&mut self, command: ConsumerCommand) {
        let error = KafkaError::raised(ErrorKind::Closed, "the consumer is closed");
        match command {
            ConsumerCommand::Close { id } if self.closed => self.done(id, Ok(())),
            ConsumerCommand::Close { id } => self.closing.push(id),
            ConsumerCommand::Poll { id, .. } => {
                self.outputs.push(ConsumerOutput::Polled {
                    id,
                    result: Ok(None),
                });
            }
            ConsumerCommand::ListTopics { id } => {
                self.outputs.push(ConsumerOutput::Topics {
                    id,
                    result: Err(error),
                });
            }
            ConsumerCommand::Resolve {
                partition,
                fence,
                next_offset,
            }
            | ConsumerCommand::Processed {
                partition,
                fence,
                next_offset,
            } => {
                // The last batches may still be finished, to be committed on the way out.
                if let Some(state) = self.partitions.fenced(&partition, fence) {
                    state.resolved = Some(next_offset);
                }
            }
            ConsumerCommand::AnswerAssignor { .. } => {}
            ConsumerCommand::Connect { id }
            | ConsumerCommand::Subscribe { id, .. }
            | ConsumerCommand::Assign { id, .. }
            | ConsumerCommand::Unsubscribe { id }
            | ConsumerCommand::CancelPoll { id, .. }
            | ConsumerCommand::Commit { id, .. }
            | ConsumerCommand::Seek { id, .. }
            | ConsumerCommand::Pause { id, .. }
            | ConsumerCommand::Resume { id, .. } => self.done(id, Err(error)),
        }
    }

    fn subscribe(&mut self, now: Now, topics: Vec<Subscription>) -> Result<(), KafkaError> {
        let refuse = |text: &str| Err(KafkaError::raised(ErrorKind::InvalidArgument, text));
        if self.config.group_id.is_empty() {
            return refuse("a subscription needs a group id");
        }
        if self.config.assignors.is_empty() {
            return refuse("a subscription needs an assignor");
        }
        if topics.is_empty()
            || topics
                .iter()
                .any(|subscription| subscription.topic.is_empty())
        {
            return refuse("a subscription needs topics, and topics have names");
        }
        if matches!(self.mode, Mode::Assigned { .. }) {
            self.partitions.remove_if(|_, _| true);
        }
        self.begin_anew();
        let before = self.topics();
        self.mode = Mode::Subscribed(topics);
        let after = self.topics();
        if before != after || self.membership.state == State::Out {
            self.cluster.set_topics(now, after);
            self.want_join(now);
        }
        Ok(())
    }

    /// Who subscribes after a crash has nothing in hand from before.
    fn begin_anew(&mut self) {
        if self.failed.take().is_some() {
            self.partitions.forget_handed_out();
        }
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), KafkaError> {
        if offset < -2 {
            let text = "an offset is at least 0, or -1 for the end, or -2 for the beginning";
            let error = KafkaError::raised(ErrorKind::InvalidArgument, text);
            return Err(error.of_partition(partition).of_offset(offset));
        }
        self.partitions.seek(partition, offset);
        self.commit_after_batch();
        Ok(())
    }

    fn run(&mut self, now: Now) {
        loop {
            while let Some(answer) = self.cluster.next_answer(now) {
                self.answered(now, answer);
            }
            if self.closed {
                return;
            }
            self.apply_assignment(now);
            self.run_commits(now);
            self.run_membership(now);
            self.find_positions(now);
            self.deliver(now);
            self.send_fetches(now);
            // What cannot be sent is answered at once.
            let answer = self.cluster.next_answer(now);
            let again = std::mem::take(&mut self.again) || answer.is_some();
            if let Some(answer) = answer {
                self.answered(now, answer);
            }
            if !again {
                break;
            }
        }
        if !self.closing.is_empty() && self.membership.state == State::Out {
            self.close();
        }
        match (&self.mode, &self.failed) {
            (_, Some(error)) => self.answer_polls(&Err(error.clone())),
            (Mode::Nothing, None) => self.answer_polls(&Ok(None)),
            _ => {}
        }
    }

    fn answered(&mut self, now: Now, answer: Answer<Token>) {
        match answer {
            Answer::Metadata(Ok(())) => {
                self.refuse_topics(now);
                self.find_leaders(now);
                self.end_lane_queues();
                self.metadata_read(now);
            }
            // They are asked for again until they come.
            Answer::Metadata(Err(_)) => {}
            Answer::MadeAgain(topics) => self.read_again(now, &topics),
            Answer::Connected { id, result } => self.done(id, result),
            Answer::Call { token, result } => match token {
                Token::Join { attempt } => self.join_answered(now, attempt, result),
                Token::Sync { attempt } => self.sync_answered(now, attempt, result),
                Token::Heartbeat { generation_id } => {
                    self.heartbeat_answered(now, generation_id, result);
                }
                Token::Leave => self.left(now),
                Token::OffsetFetch { partitions } => {
                    self.committed_fetched(now, partitions, result);
                }
                Token::ListOffsets { partitions } => self.offsets_listed(now, partitions, result),
                Token::OffsetCommit { generation_id } => {
                    self.committed(now, generation_id, result);
                }
                Token::Fetch {
                    node_id,
                    lane,
                    number,
                } => self.fetch_answered(now, (node_id, lane), number, result),
                Token::ListTopics { id } => {
                    let result = match result {
                        Ok(Response::Metadata(response)) => {
                            let names = response.topics.into_iter().filter_map(|topic| topic.name);
                            let mut names: Vec<_> = names.collect();
                            names.sort();
                            Ok(names)
                        }
                        Ok(_) => Err(mismatched()),
                        Err(error) => Err(error),
                    };
                    self.listing.retain(|listing| *listing != id);
                    self.outputs.push(ConsumerOutput::Topics { id, result });
                }
            },
        }
    }

    /// Partitions that waited for a leader may have one.
    fn find_leaders(&mut self, now: Now) {
        let agenda = self.partitions.agenda(now);
        let leaderless: Vec<_> = agenda.list(List::Leaderless).cloned().collect();
        for name in leaderless {
            if let Some(state) = self.partitions.get_mut(&name) {
                state.leaderless = false;
            }
        }
    }

    /// Positions in a topic that was deleted mean nothing in the next one of its name, and neither
    /// do offsets of what was handed out: its partitions are assigned anew.
    fn read_again(&mut self, now: Now, topics: &[String]) {
        let mut partitions = Vec::new();
        for topic in topics {
            for name in self.partitions.meant(topic, None) {
                let Some(state) = self.partitions.get(&name) else {
                    continue;
                };
                let (revoking, reset) = (state.revoking, state.offset_reset);
                let Some(offset) = reset.offset() else {
                    return self.crash(now, fetcher::no_offset(&name));
                };
                self.partitions.assign(name.clone(), Some(offset), reset);
                if let Some(state) = self.partitions.get_mut(&name) {
                    state.revoking = revoking;
                }
                partitions.push(name);
            }
        }
        if !partitions.is_empty() {
            self.emit(ConsumerEvent::Lost { partitions });
        }
    }

    /// A topic that cannot be read, whatever comes, is not waited for.
    fn refuse_topics(&mut self, now: Now) {
        let topics = match &self.mode {
            Mode::Nothing => return,
            Mode::Subscribed(_) => self.topics(),
            Mode::Assigned { partitions, .. } => {
                let names = partitions.iter().map(|(name, _)| name.topic.clone());
                names.collect()
            }
        };
        let refused = topics.into_iter().find_map(|topic| {
            let code = self.cluster.metadata.topics.get(&topic)?.error;
            let refused = code != ErrorCode::None && !code.retriable();
            refused.then(|| KafkaError::protocol(code).of_topic(&topic))
        });
        if let Some(error) = refused {
            self.crash(now, error);
        }
    }

    /// Takes over an assignment by hand, when there is no group to be left before.
    fn apply_assignment(&mut self, now: Now) {
        if self.membership.state != State::Out {
            return;
        }
        let Mode::Assigned {
            partitions,
            applied,
        } = &mut self.mode
        else {
            return;
        };
        if std::mem::replace(applied, true) {
            return;
        }
        let wanted = partitions.clone();
        let names: BTreeSet<_> = wanted.iter().map(|(name, _)| name.clone()).collect();
        self.partitions.remove_if(|name, _| !names.contains(name));
        let topics = names.into_iter().map(|name| name.topic).collect();
        self.cluster.set_topics(now, topics);
        let offset_reset = self.config.auto_offset_reset;
        for (name, offset) in wanted {
            match (self.partitions.get(&name), offset) {
                (Some(_), Some(offset)) => self.partitions.seek(&name, offset),
                (Some(_), None) => {}
                (None, None) if self.config.group_id.is_empty() => {
                    let Some(offset) = offset_reset.offset() else {
                        return self.crash(now, fetcher::no_offset(&name));
                    };
                    self.partitions.assign(name, Some(offset), offset_reset);
                }
                (None, offset) => self.partitions.assign(name, offset, offset_reset),
            }
        }
    }

    /// The consumer cannot go on.
    fn crash(&mut self, now: Now, error: KafkaError) {
        if self.failed.is_some() {
            return;
        }
        self.emit(ConsumerEvent::Crash {
            group_id: self.config.group_id.clone(),
            error: error.clone(),
        });
        self.failed = Some(error);
        self.mode = Mode::Nothing;
        self.again = true;
        self.leave(now, None);
    }

    fn close(&mut self) {
        self.closed = true;
        let error = KafkaError::raised(ErrorKind::Closed, "the consumer is closed");
        for id in self.cluster.close() {
            self.done(id, Err(error.clone()));
        }
        for id in std::mem::take(&mut self.listing) {
            let result = Err(error.clone());
            self.outputs.push(ConsumerOutput::Topics { id, result });
        }
        self.fail_commits(&error);
        for id in std::mem::take(&mut self.closing) {
            self.done(id, Ok(()));
        }
    }

    fn answer_polls(&mut self, result: &Result<Option<FetchedBatch>, KafkaError>) {
        let polls = self.polls.drain(..);
        let answers = polls.map(|(id, _)| ConsumerOutput::Polled {
            id,
            result: result.clone(),
        });
        self.outputs.extend(answers);
    }

    /// The topics that are subscribed to.
    fn topics(&self) -> BTreeSet<String> {
        match &self.mode {
            Mode::Subscribed(subscriptions) => subscriptions
                .iter()
                .map(|subscription| subscription.topic.clone())
                .collect(),
            Mode::Nothing | Mode::Assigned { .. } => BTreeSet::new(),
        }
    }

    fn offset_reset(&self, topic: &str) -> OffsetReset {
        let own = match &self.mode {
            Mode::Subscribed(subscriptions) => subscriptions
                .iter()
                .find(|subscription| subscription.topic == topic)
                .and_then(|subscription| subscription.offset_reset),
            Mode::Nothing | Mode::Assigned { .. } => None,
        };
        own.unwrap_or(self.config.auto_offset_reset)
    }

    fn done(&mut self, id: CommandId, result: Result<(), KafkaError>) {
        self.outputs.push(ConsumerOutput::Done { id, result });
    }

    fn emit(&mut self, event: ConsumerEvent) {
        self.outputs.push(ConsumerOutput::Event(event));
    }

    fn deadline(&mut self, now: Now) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let pauses = self.partitions.agenda(now).deadline().into_iter();
        let membership = self.membership.deadline(now);
        let commits = self.commits.deadline(now, self.config.auto_commit);
        let lanes = self.lane_deadline(now);
        pauses.chain(membership).chain(commits).chain(lanes).min()
    }
}
