//! Asks about the cluster and changes it.
//!
//! Every operation is a row of steps: calls to whoever must be asked, then a function of the
//! answers that gives the next step. What fails in a way that may pass is begun again from its
//! first step, after KafkaJS's delays.

mod config;
mod configs;
mod groups;
mod offsets;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

pub use config::*;

use super::cluster::{Answer, Call, Cluster, Target};
use super::network::Lane;
use super::retry::Random;
use super::{ClientEffect, ClientEvent, CommandId, ErrorKind, KafkaError};
use crate::now::{Instant, Now};
use crate::protocol::{ErrorCode, Request, Response};

/// Operations that may run at a time; one more fails with `BufferFull`.
const OPERATIONS_MAX: usize = 1_000;

/// A Kafka admin. See the module.
pub struct Admin {
    config: AdminConfig,
    cluster: Cluster<Token>,
    random: Random,
    runs: BTreeMap<CommandId, Run>,
    /// Those that wait, by when they go on.
    timers: BTreeSet<(Instant, CommandId)>,
    closed: bool,
    outputs: Vec<AdminOutput>,
}

/// What an answer belongs to: an operation, which of its steps, which call of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    id: CommandId,
    round: u64,
    index: usize,
}

struct Run {
    operation: Operation,
    failures: u32,
    round: u64,
    stage: Stage,
}

enum Stage {
    Calling {
        answers: Vec<Option<Response>>,
        unanswered: usize,
        groups: Vec<Option<String>>,
        next: Next,
    },
    /// Goes on, or begins again, later.
    Waiting { then: Option<Again> },
}

/// What to do with the answers of a step's calls, in the calls' order.
type Next = Box<dyn FnOnce(Vec<Response>) -> Result<Step, KafkaError>>;

type Again = Box<dyn FnOnce() -> Result<Step, KafkaError>>;

/// A step of an operation.
enum Step {
    Calls(Vec<(Target, Request)>, Next),
    /// Not yet: the error counts when the retries are used up.
    Later(KafkaError, Again),
    Done(AdminResult),
}

impl Step {
    /// One call.
    fn call(
        target: Target,
        request: Request,
        next: impl FnOnce(Response) -> Result<Step, KafkaError> + 'static,
    ) -> Step {
        Step::all(vec![(target, request)], |mut answers| match answers.pop() {
            Some(answer) => next(answer),
            None => Err(super::cluster::mismatched()),
        })
    }

    /// Calls at the same time.
    fn all(
        calls: Vec<(Target, Request)>,
        next: impl FnOnce(Vec<Response>) -> Result<Step, KafkaError> + 'static,
    ) -> Step {
        Step::Calls(calls, Box::new(next))
    }
}

/// Begins an operation.
fn begin(operation: &Operation) -> Result<Step, KafkaError> {
    match operation.clone() {
        Operation::CreateTopics {
            topics,
            validate_only,
            timeout_ms,
            wait_for_leaders,
        } => topics::create(topics, validate_only, timeout_ms, wait_for_leaders),
        Operation::DeleteTopics { topics, timeout_ms } => topics::delete(topics, timeout_ms),
        Operation::ListTopics => topics::list(),
        Operation::CreatePartitions {
            topics,
            validate_only,
            timeout_ms,
        } => topics::create_partitions(topics, validate_only, timeout_ms),
        Operation::FetchTopicMetadata { topics } => topics::fetch_metadata(topics),
        Operation::DeleteTopicRecords { topic, partitions } => {
            topics::delete_records(topic, partitions)
        }
        Operation::DescribeCluster => topics::describe_cluster(),
        Operation::FetchTopicOffsets { topic } => offsets::of_topic(topic),
        Operation::FetchTopicOffsetsByTimestamp { topic, timestamp } => {
            offsets::by_timestamp(topic, timestamp)
        }
        Operation::FetchOffsets {
            group_id,
            topics,
            resolve_offsets,
        } => offsets::of_group(group_id, topics, resolve_offsets),
        Operation::SetOffsets {
            group_id,
            topic,
            partitions,
        } => offsets::set(group_id, topic, partitions),
        Operation::ResetOffsets {
            group_id,
            topic,
            earliest,
        } => offsets::reset(group_id, topic, earliest),
        Operation::DescribeConfigs {
            resources,
            include_synonyms,
        } => configs::describe(resources, include_synonyms),
        Operation::AlterConfigs {
            resources,
            validate_only,
        } => configs::alter(resources, validate_only),
        Operation::DescribeGroups { group_ids } => groups::describe(group_ids),
        Operation::ListGroups => groups::list(),
        Operation::DeleteGroups { group_ids } => groups::delete(group_ids),
    }
}

impl Admin {
    /// An admin that has not connected yet. `seed` decides how retries are spread.
    pub fn new(config: AdminConfig, seed: u64) -> Admin {
        let mut random = Random::new(seed);
        Admin {
            cluster: Cluster::new(config.clone(), random.next_u64()),
            config,
            random,
            runs: BTreeMap::new(),
            timers: BTreeSet::new(),
            closed: false,
            outputs: Vec::new(),
        }
    }

    /// Takes one event and collects what is to be done.
    pub fn handle(
        &mut self,
        now: Now,
        event: ClientEvent<AdminCommand>,
        effects: &mut Vec<ClientEffect<AdminOutput>>,
    ) {
        let (command, _) = self.cluster.handle(now, event);
        if let Some(command) = command {
            self.command(now, command);
        }
        while let Some(answer) = self.cluster.next_answer(now) {
            self.answered(now, answer);
        }
        self.resume(now);
        effects.extend(self.outputs.drain(..).map(ClientEffect::Output));
        let deadline = self.deadline();
        self.cluster.finish(deadline, effects);
    }

    fn command(&mut self, now: Now, command: AdminCommand) {
        let refusal = || Err(KafkaError::raised(ErrorKind::Closed, "the admin is closed"));
        match command {
            AdminCommand::Connect { id } if self.closed => self.answer(id, refusal()),
            AdminCommand::Connect { id } => self.cluster.connect(now, id),
            AdminCommand::Run { id, .. } if self.closed => self.answer(id, refusal()),
            AdminCommand::Run { id, .. } if self.runs.len() >= OPERATIONS_MAX => {
                let text = format!("{OPERATIONS_MAX} operations run already");
                self.answer(id, Err(KafkaError::raised(ErrorKind::BufferFull, text)));
            }
            AdminCommand::Run { id, operation } => {
                let run = Run {
                    operation,
                    failures: 0,
                    round: 0,
                    stage: Stage::Waiting { then: None },
                };
                self.runs.insert(id, run);
                self.timers.insert((now.monotonic, id));
            }
            AdminCommand::Close { id } => {
                self.closed = true;
                let connecting = self.cluster.close();
                let running = std::mem::take(&mut self.runs).into_keys();
                self.timers.clear();
                for id in connecting.into_iter().chain(running) {
                    self.answer(id, refusal());
                }
                self.answer(id, Ok(AdminResult::None));
            }
        }
    }

    /// Goes on with what has waited long enough.
    fn resume(&mut self, now: Now) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now.monotonic
        {
            self.timers.pop_first();
            let Some(mut run) = self.runs.remove(&id) else {
                continue;
            };
            let then = match &mut run.stage {
                Stage::Waiting { then } => then.take(),
                Stage::Calling { .. } => None,
            };
            let step = match then {
                Some(then) => then(),
                None => begin(&run.operation),
            };
            self.step(now, id, run, step);
            while let Some(answer) = self.cluster.next_answer(now) {
                self.answered(now, answer);
            }
        }
    }

    fn step(&mut self, now: Now, id: CommandId, mut run: Run, step: Result<Step, KafkaError>) {
        match step {
            Ok(Step::Done(result)) => self.answer(id, Ok(result)),
            Ok(Step::Calls(calls, next)) if calls.is_empty() => {
                let step = next(Vec::new());
                self.step(now, id, run, step);
            }
            Ok(Step::Calls(calls, next)) => {
                run.round += 1;
                let round = run.round;
                let groups = calls.iter().map(|(target, _)| match target {
                    Target::Coordinator(group) => Some(group.clone()),
                    _ => None,
                });
                let groups = groups.collect();
                let answers = calls.iter().map(|_| None).collect();
                run.stage = Stage::Calling {
                    answers,
                    unanswered: calls.len(),
                    groups,
                    next,
                };
                self.runs.insert(id, run);
                for (index, (target, request)) in calls.into_iter().enumerate() {
                    let timeout_ms = self.config.request_timeout_ms + patience_ms(&request);
                    let token = Token { id, round, index };
                    let lane = Lane::General;
                    self.cluster.call(
                        now,
                        Call {
                            token,
                            target,
                            lane,
                            request,
                            timeout_ms,
                        },
                    );
                }
            }
            Ok(Step::Later(error, then)) => self.wait(now, id, run, error, Some(then)),
            Err(error) => self.wait(now, id, run, error, None),
        }
    }

    /// Tries again after a pause, if that may help and has not been done too often.
    fn wait(
        &mut self,
        now: Now,
        id: CommandId,
        mut run: Run,
        error: KafkaError,
        then: Option<Again>,
    ) {
        if !error.retriable || run.failures >= self.config.retry.retries {
            return self.answer(id, Err(error.after_retries(run.failures)));
        }
        run.failures += 1;
        let delay_ms = self.config.retry.delay_ms(run.failures, &mut self.random);
        run.stage = Stage::Waiting { then };
        self.runs.insert(id, run);
        self.timers.insert((now.monotonic + delay_ms, id));
    }

    fn answered(&mut self, now: Now, answer: Answer<Token>) {
        let (token, result) = match answer {
            Answer::Metadata(_) | Answer::MadeAgain(_) => return,
            Answer::Connected { id, result } => {
                return self.answer(id, result.map(|()| AdminResult::None));
            }
            Answer::Call { token, result } => (token, result),
        };
        // The answers of a step that has failed already are of no use.
        let Some(mut run) = self.runs.remove(&token.id) else {
            return;
        };
        let Stage::Calling {
            answers,
            unanswered,
            groups,
            ..
        } = &mut run.stage
        else {
            self.runs.insert(token.id, run);
            return;
        };
        if run.round != token.round {
            self.runs.insert(token.id, run);
            return;
        }
        let response = match result {
            Ok(response) => response,
            Err(error) => return self.wait(now, token.id, run, error, None),
        };
        let error = error_of(&response);
        self.cluster
            .note_error(error, groups[token.index].as_deref());
        answers[token.index] = Some(response);
        *unanswered -= 1;
        if 0 < *unanswered {
            self.runs.insert(token.id, run);
            return;
        }
        let waiting = Stage::Waiting { then: None };
        if let Stage::Calling { answers, next, .. } = std::mem::replace(&mut run.stage, waiting) {
            let step = next(answers.into_iter().flatten().collect());
            self.step(now, token.id, run, step);
        }
    }

    fn answer(&mut self, id: CommandId, result: Result<AdminResult, KafkaError>) {
        self.outputs.push(AdminOutput { id, result });
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}

/// How long the request itself asks the broker to wait.
fn patience_ms(request: &Request) -> u64 {
    let timeout_ms = match request {
        Request::CreateTopics(request) => request.timeout_ms,
        Request::DeleteTopics(request) => request.timeout_ms,
        Request::CreatePartitions(request) => request.timeout_ms,
        Request::DeleteRecords(request) => request.timeout_ms,
        _ => 0,
    };
    u64::try_from(timeout_ms).unwrap_or(0)
}

/// The error of a response that tells that the wrong broker was asked.
fn error_of(response: &Response) -> ErrorCode {
    let code = match response {
        Response::CreateTopics(response) => response
            .topics
            .iter()
            .map(|topic| topic.error_code)
            .find(|code| *code != 0),
        Response::DeleteTopics(response) => response
            .responses
            .iter()
            .map(|topic| topic.error_code)
            .find(|code| *code != 0),
        Response::CreatePartitions(response) => response
            .results
            .iter()
            .map(|topic| topic.error_code)
            .find(|code| *code != 0),
        Response::DescribeGroups(response) => response
            .groups
            .iter()
            .map(|group| group.error_code)
            .find(|code| *code != 0),
        Response::DeleteGroups(response) => response
            .results
            .iter()
            .map(|group| group.error_code)
            .find(|code| *code != 0),
        Response::OffsetFetch(response) => Some(response.error_code),
        Response::OffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            partitions
                .map(|partition| partition.error_code)
                .find(|code| *code != 0)
        }
        _ => None,
    };
    ErrorCode::from_code(code.unwrap_or(0))
}

/// Who says that a topic is unknown knows best which topics there are: KafkaJS does not ask again.
fn final_if_unknown(error: KafkaError) -> KafkaError {
    let retriable = error.retriable && error.code != ErrorCode::UnknownTopicOrPartition;
    KafkaError { retriable, ..error }
}

/// `Err` for a code that is not NONE.
fn check(code: i16, message: Option<&str>) -> Result<(), KafkaError> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(KafkaError::answered(code, message)),
    }
}
