//! Where to start, and remembering how far we have got.

use std::collections::{BTreeMap, VecDeque};

use crate::client::cluster::{Call, Target, mismatched};
use crate::client::network::Lane;
use crate::client::retry::{BACKOFF, Failures};
use crate::client::{CommandId, ErrorKind, KafkaError, TopicPartition};
use crate::now::{Instant, Now};
use crate::planted::{self, PlantedBug};
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_commit_response::OffsetCommitResponse;
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestTopic,
};
use crate::protocol::{ErrorCode, Request, Response};

use super::agenda::List;
use super::assignor::by_topic;
use super::config::{AutoCommit, ConsumerEvent, IsolationLevel, OffsetReset, OffsetToCommit};
use super::fetcher::{listed, no_offset};
use super::membership::State;
use super::subscription::{Assignment, Position};
use super::{Consumer, Mode, Token};

/// Commits that may wait; one more is refused with `BufferFull`.
const COMMITS_MAX: usize = 1_000;
/// While batches wait for the application, those that it is through with share a commit: there may
/// be thousands of partitions. Between two such commits passes this much.
const SHARED_COMMIT_MS: u64 = 100;

/// Commits of this consumer. One is under way at a time, so a later one is never overtaken.
#[derive(Debug, Default)]
pub(super) struct Commits {
    queue: VecDeque<Commit>,
    in_flight: bool,
    /// Processed offsets are to be committed as soon as nothing else is under way.
    wanted: bool,
    /// The application is through with a batch; see [`SHARED_COMMIT_MS`].
    after_batch: bool,
    last_auto_commit: Instant,
    resolved_since: u64,
}

#[derive(Debug)]
struct Commit {
    /// `None` when nobody asked.
    id: Option<CommandId>,
    offsets: Vec<OffsetToCommit>,
    /// What each of `offsets` belongs to; `None` for partitions that this consumer never had.
    assignments: BTreeMap<TopicPartition, Assignment>,
    give_up_at: Instant,
    failures: u32,
    not_before: Instant,
}

impl Commits {
    /// Whether everything asked for has been answered.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.wanted
    }

    pub fn deadline(&self, now: Now, auto_commit: AutoCommit) -> Option<Instant> {
        let retry = self
            .queue
            .front()
            .filter(|_| !self.in_flight)
            .map(|commit| commit.not_before);
        let every = match auto_commit {
            AutoCommit::Every { interval_ms } => Some(self.last_auto_commit + interval_ms),
            AutoCommit::AfterBatch { .. } if self.after_batch => {
                Some(self.last_auto_commit + SHARED_COMMIT_MS)
            }
            AutoCommit::AfterBatch { .. } | AutoCommit::Off => None,
        };
        retry
            .into_iter()
            .chain(every)
            .filter(|at| *at > now.monotonic)
            .min()
    }
}

impl Consumer {
    /// Asks for positions that are not known.
    pub(super) fn find_positions(&mut self, now: Now) {
        let mut committed = Vec::new();
        let mut listed: BTreeMap<i32, Vec<(TopicPartition, i64)>> = BTreeMap::new();
        let may_ask = !self.config.group_id.is_empty() && !self.membership.waits_for_members();
        let names: Vec<_> = self
            .partitions
            .agenda(now)
            .list(List::Find)
            .cloned()
            .collect();
        for name in names {
            let Some(state) = self.partitions.get_mut(&name) else {
                continue;
            };
            match &mut state.position {
                Position::Committed { asked } if may_ask => {
                    *asked = true;
                    committed.push(name);
                }
                Position::Listed { timestamp, asked } => {
                    match self.cluster.metadata.leader(&name) {
                        Some(leader) => {
                            *asked = true;
                            let partition = (name, *timestamp);
                            listed.entry(leader).or_default().push(partition);
                        }
                        None => self.wait_for_leader(&name),
                    }
                }
                Position::Committed { .. } | Position::At(_) => {}
            }
        }
        if !committed.is_empty() {
            self.fetch_committed(now, committed);
        }
        for (node, partitions) in listed {
            self.list_offsets(now, node, partitions);
        }
    }

    fn fetch_committed(&mut self, now: Now, names: Vec<TopicPartition>) {
        let topics = by_topic(&names).into_iter();
        let topics = topics.map(|(name, partition_indexes)| OffsetFetchRequestTopic {
            name,
            partition_indexes,
            ..Default::default()
        });
        let request = Request::OffsetFetch(OffsetFetchRequest {
            group_id: self.config.group_id.clone(),
            topics: Some(topics.collect()),
            require_stable: self.config.isolation_level == IsolationLevel::ReadCommitted,
            ..Default::default()
        });
        let token = Token::OffsetFetch {
            partitions: self.with_fences(names),
        };
        // Where the group was joined: on another connection might be a former coordinator, which
        // does not know that it is one and what was committed since. Commits are fenced, reads not.
        self.call_coordinator(now, token, Lane::Group, request);
    }

    pub(super) fn committed_fetched(
        &mut self,
        now: Now,
        partitions: Vec<(TopicPartition, u64)>,
        result: Result<Response, KafkaError>,
    ) {
        let response = match result {
            Ok(Response::OffsetFetch(response)) => {
                match ErrorCode::from_code(response.error_code) {
                    ErrorCode::None => Ok(response),
                    code => Err(KafkaError::protocol(code).of_group(&self.config.group_id)),
                }
            }
            Ok(_) => Err(mismatched()),
            Err(error) => Err(error),
        };
        let answers = response.as_ref().map(|response| {
            let topics = response.topics.iter();
            by_partition(
                topics.map(|topic| (topic.name.as_str(), &topic.partitions)),
                |it| it.partition_index,
            )
        });
        for (name, fence) in partitions {
            let Some(state) = self.partitions.fenced(&name, fence) else {
                continue;
            };
            if state.position != (Position::Committed { asked: true }) {
                continue;
            }
            state.position = Position::Committed { asked: false };
            let answer = match &answers {
                Ok(answers) => answers.get(&(name.topic.as_str(), name.partition)),
                Err(error) => {
                    let error = (*error).clone().of_partition(&name);
                    self.partition_failed(now, &name, error);
                    continue;
                }
            };
            let code = answer.map_or(0, |answer| answer.error_code);
            match (
                ErrorCode::from_code(code),
                answer.map_or(-1, |answer| answer.committed_offset),
            ) {
                (ErrorCode::None, offset @ 0..) => {
                    state.position = Position::At(offset);
                    state.resolved = Some(offset);
                    state.committed = Some(offset);
                    state.failures = Failures::default();
                }
                (ErrorCode::None, _) => match state.offset_reset {
                    OffsetReset::None => self.crash(now, no_offset(&name)),
                    reset => state.position = listed(reset),
                },
                (code, _) => {
                    let error = KafkaError::protocol(code).of_partition(&name);
                    self.partition_failed(now, &name, error);
                }
            }
        }
    }

    fn list_offsets(&mut self, now: Now, node: i32, partitions: Vec<(TopicPartition, i64)>) {
        let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for (name, timestamp) in &partitions {
            let known = self.cluster.metadata.partition(name);
            topics
                .entry(&name.topic)
                .or_default()
                .push(ListOffsetsPartition {
                    partition_index: name.partition,
                    current_leader_epoch: known.map_or(-1, |known| known.leader_epoch),
                    timestamp: *timestamp,
                    ..Default::default()
                });
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| ListOffsetsTopic {
                name: name.to_string(),
                partitions,
                ..Default::default()
            });
        let request = Request::ListOffsets(ListOffsetsRequest {
            replica_id: -1,
            isolation_level: self.isolation_level(),
            topics: topics.collect(),
            ..Default::default()
        });
        let names = partitions.into_iter().map(|(name, _)| name).collect();
        let token = Token::ListOffsets {
            partitions: self.with_fences(names),
        };
        let timeout_ms = self.config.client.request_timeout_ms;
        let target = Target::Node(node);
        self.cluster.call(
            now,
            Call {
                token,
                target,
                lane: Lane::General,
                request,
                timeout_ms,
            },
        );
    }

    pub(super) fn offsets_listed(
        &mut self,
        now: Now,
        partitions: Vec<(TopicPartition, u64)>,
        result: Result<Response, KafkaError>,
    ) {
        let response = match result {
            Ok(Response::ListOffsets(response)) => Ok(response),
            Ok(_) => Err(mismatched()),
            Err(error) => Err(error),
        };
        let answers = response.as_ref().map(|response| {
            let topics = response.topics.iter();
            by_partition(
                topics.map(|topic| (topic.name.as_str(), &topic.partitions)),
                |it| it.partition_index,
            )
        });
        for (name, fence) in partitions {
            let Some(state) = self.partitions.fenced(&name, fence) else {
                continue;
            };
            let Position::Listed {
                timestamp,
                asked: true,
            } = state.position
            else {
                continue;
            };
            state.position = Position::Listed {
                timestamp,
                asked: false,
            };
            let answer = match &answers {
                Ok(answers) => Ok(answers.get(&(name.topic.as_str(), name.partition))),
                Err(error) => Err(*error),
            };
            let error = match answer {
                Ok(Some(answer)) => match ErrorCode::from_code(answer.error_code) {
                    ErrorCode::None => {
                        state.position = Position::At(answer.offset);
                        // To be committed too: who comes after us must not reset again, to
                        // another place.
                        state.resolved = Some(answer.offset);
                        state.failures = Failures::default();
                        continue;
                    }
                    code => KafkaError::protocol(code),
                },
                Ok(None) => {
                    let text = "the broker's answer leaves a partition out";
                    KafkaError::raised(ErrorKind::Malformed, text)
                }
                Err(error) => error.clone(),
            };
            self.partition_failed(now, &name, error.of_partition(&name));
        }
    }

    /// The application has processed up to `next_offset`.
    pub(super) fn resolve(
        &mut self,
        now: Now,
        name: &TopicPartition,
        fence: u64,
        next_offset: i64,
    ) {
        let Some(state) = self.partitions.fenced(name, fence) else {
            return;
        };
        let before = state.resolved.replace(next_offset);
        let processed = next_offset.saturating_sub(before.unwrap_or(next_offset));
        self.commits.resolved_since += u64::try_from(processed).unwrap_or(0);
        if let AutoCommit::AfterBatch {
            interval_ms,
            threshold,
        } = self.config.auto_commit
        {
            let since_ms = now.monotonic.ms_since(self.commits.last_auto_commit);
            self.commits.wanted |= interval_ms.is_some_and(|interval_ms| since_ms >= interval_ms)
                || threshold.is_some_and(|most| self.commits.resolved_since >= most);
        }
    }

    /// The application is through with a batch.
    pub(super) fn processed(
        &mut self,
        now: Now,
        name: &TopicPartition,
        fence: u64,
        next_offset: i64,
    ) {
        self.partitions.processed(name, fence);
        let Some(state) = self.partitions.fenced(name, fence) else {
            return;
        };
        let revoking = state.revoking;
        if state
            .delivered_to
            .take()
            .is_some_and(|delivered_to| next_offset < delivered_to)
        {
            state.buffer = None;
            state.position = Position::At(next_offset);
        }
        self.resolve(now, name, fence, next_offset);
        if revoking {
            self.want_auto_commit()
        } else {
            self.commit_after_batch()
        }
    }

    pub(super) fn commit_after_batch(&mut self) {
        self.commits.after_batch |=
            matches!(self.config.auto_commit, AutoCommit::AfterBatch { .. });
    }

    /// What was processed and not committed is to be committed, if the consumer does that itself.
    pub(super) fn want_auto_commit(&mut self) {
        self.commits.wanted |= self.config.auto_commit != AutoCommit::Off;
    }

    pub(super) fn commit(&mut self, now: Now, id: CommandId, offsets: Option<Vec<OffsetToCommit>>) {
        let refuse = |kind, text: String| Some(KafkaError::raised(kind, text));
        let error = if self.config.group_id.is_empty() {
            refuse(
                ErrorKind::InvalidArgument,
                "a commit needs a group id".to_string(),
            )
        } else if self.commits.queue.len() >= COMMITS_MAX {
            refuse(
                ErrorKind::BufferFull,
                format!("{COMMITS_MAX} commits wait already"),
            )
        } else {
            None
        };
        if let Some(error) = error {
            return self.done(id, Err(error));
        }
        match offsets {
            Some(offsets) if offsets.is_empty() => self.done(id, Ok(())),
            Some(offsets) => {
                let assignments = offsets.iter().filter_map(|offset| {
                    let name = offset.name();
                    let assignment = self.partitions.commits_for(&name)?;
                    Some((name, assignment))
                });
                let assignments = assignments.collect();
                self.queue_commit(now, Some(id), offsets, assignments);
            }
            None => {
                if !self.queue_uncommitted(now, Some(id)) {
                    self.done(id, Ok(()));
                }
            }
        }
    }

    /// What was processed since the partitions are assigned is to be committed. False when there is
    /// nothing.
    fn queue_uncommitted(&mut self, now: Now, id: Option<CommandId>) -> bool {
        let offsets = self.uncommitted(now);
        if offsets.is_empty() {
            return false;
        }
        let assignments = offsets.iter().filter_map(|offset| {
            let name = offset.name();
            let assignment = self.partitions.assignment(&name)?;
            Some((name, assignment))
        });
        let assignments = assignments.collect();
        self.queue_commit(now, id, offsets, assignments);
        true
    }

    fn queue_commit(
        &mut self,
        now: Now,
        id: Option<CommandId>,
        offsets: Vec<OffsetToCommit>,
        assignments: BTreeMap<TopicPartition, Assignment>,
    ) {
        self.commits.queue.push_back(Commit {
            id,
            assignments,
            offsets,
            give_up_at: now.monotonic + self.config.client.retry.budget_ms(),
            failures: 0,
            not_before: now.monotonic,
        });
    }

    /// Leaves of the next commit what still counts: it is sent with a generation in which this
    /// member must have had the partitions all along. One that somebody asked for is refused.
    fn drop_stale_offsets(&mut self, now: Now) {
        // Who subscribes and is no member commits nothing (Java's ConsumerCoordinator): without a
        // generation the coordinator could not tell whose records they were.
        let is_out = matches!(self.mode, Mode::Subscribed(_)) && self.membership.generation_id < 0;
        while let Some(commit) = self.commits.queue.front_mut() {
            if planted::active(PlantedBug::CommitUnderForeignGeneration) {
                return;
            }
            if commit.not_before > now.monotonic {
                return;
            }
            let (partitions, assignments) = (&self.partitions, &commit.assignments);
            let is_stale = |offset: &OffsetToCommit| {
                let name = offset.name();
                let assignment = assignments.get(&name);
                is_out || assignment.is_some_and(|own| partitions.assignment(&name) != Some(*own))
            };
            let Some(stale) = commit.offsets.iter().find(|offset| is_stale(offset)) else {
                return;
            };
            let stale = stale.name();
            commit.offsets.retain(|offset| !is_stale(offset));
            let id = commit.id;
            if id.is_none() && !commit.offsets.is_empty() {
                return;
            }
            self.commits.queue.pop_front();
            let Some(id) = id else {
                continue;
            };
            let code = match self.membership.state {
                State::Stable => ErrorCode::IllegalGeneration,
                _ => ErrorCode::RebalanceInProgress,
            };
            let error = KafkaError::protocol(code).of_partition(&stale);
            self.done(id, Err(error.of_group(&self.config.group_id)));
        }
    }

    /// Sends the next commit when none is under way.
    pub(super) fn run_commits(&mut self, now: Now) {
        if let AutoCommit::Every { interval_ms } = self.config.auto_commit
            && self.commits.last_auto_commit + interval_ms <= now.monotonic
        {
            self.commits.last_auto_commit = now.monotonic;
            self.commits.wanted = true;
        }
        if self.commits.in_flight {
            return;
        }
        if self.commits.after_batch {
            let next_at = self.commits.last_auto_commit + SHARED_COMMIT_MS;
            self.commits.wanted |=
                next_at <= now.monotonic || self.partitions.agenda(now).is_empty(List::Deliver);
        }
        if self.commits.queue.is_empty() && std::mem::take(&mut self.commits.wanted) {
            self.commits.after_batch = false;
            self.commits.last_auto_commit = now.monotonic;
            self.commits.resolved_since = 0;
            if !self.config.group_id.is_empty() {
                self.queue_uncommitted(now, None);
            }
        }
        self.drop_stale_offsets(now);
        let Some(commit) = self.commits.queue.front() else {
            return;
        };
        if commit.not_before > now.monotonic {
            return;
        }
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for offset in &commit.offsets {
            topics
                .entry(&offset.topic)
                .or_default()
                .push(OffsetCommitRequestPartition {
                    partition_index: offset.partition,
                    committed_offset: offset.offset,
                    committed_metadata: Some(offset.metadata.clone().unwrap_or_default()),
                    ..Default::default()
                });
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name: name.to_string(),
                partitions,
                ..Default::default()
            });
        let request = Request::OffsetCommit(OffsetCommitRequest {
            group_id: self.config.group_id.clone(),
            generation_id_or_member_epoch: self.membership.generation_id,
            member_id: self.membership.member_id_in_generation(),
            group_instance_id: self.membership.instance_id_in_generation(&self.config),
            topics: topics.collect(),
            ..Default::default()
        });
        self.commits.in_flight = true;
        let generation_id = self.membership.generation_id;
        self.call_coordinator(
            now,
            Token::OffsetCommit { generation_id },
            Lane::General,
            request,
        );
    }

    pub(super) fn committed(
        &mut self,
        now: Now,
        generation_id: i32,
        result: Result<Response, KafkaError>,
    ) {
        self.commits.in_flight = false;
        let group = self.config.group_id.clone();
        let mut failed = match result {
            Ok(Response::OffsetCommit(response)) => failures(&response),
            Ok(_) => vec![mismatched()],
            Err(error) => vec![error],
        };
        let Some(mut commit) = self.commits.queue.pop_front() else {
            return;
        };
        if commit.id.is_none() {
            // Nobody goes on where nothing is, so the rest of the commit is all that counts.
            for gone in failed.extract_if(.., |error| is_of_unknown_partition(error)) {
                self.cluster.note_error(gone.code, None);
                commit.offsets.retain(|offset| {
                    gone.topic.as_ref() != Some(&offset.topic)
                        || gone.partition != Some(offset.partition)
                });
            }
        }
        let may_pass = |error: &KafkaError| error.retriable && !is_of_unknown_partition(error);
        let Some(error) = failed.into_iter().min_by_key(may_pass) else {
            return self.commit_stored(generation_id, commit);
        };
        let error = error.of_group(&group);
        self.cluster.note_error(error.code, Some(&group));
        // Between joining and the new assignment the coordinator takes no commits (KAFKA-8104).
        let rebalancing = error.code == ErrorCode::RebalanceInProgress;
        let again = may_pass(&error) || (rebalancing && self.is_cooperative());
        if again && now.monotonic < commit.give_up_at {
            commit.failures = commit.failures.saturating_add(1);
            let delay_ms = BACKOFF.delay_ms(commit.failures, &mut self.random);
            commit.not_before = now.monotonic + delay_ms;
            self.commits.queue.push_front(commit);
        } else if let Some(id) = commit.id {
            let error = error.clone();
            self.done(
                id,
                Err(match again {
                    true => error.after_retries(commit.failures),
                    false => error,
                }),
            );
        }
        self.group_error(now, generation_id, error.code);
    }

    fn commit_stored(&mut self, generation_id: i32, commit: Commit) {
        for offset in &commit.offsets {
            let name = offset.name();
            // What was committed before the partition was away says nothing of it now.
            let assignment = self.partitions.assignment(&name);
            if commit.assignments.get(&name).copied() == assignment
                && let Some(state) = self.partitions.get_mut(&name)
            {
                state.committed = Some(offset.offset);
            }
        }
        if !commit.offsets.is_empty() {
            self.emit(ConsumerEvent::CommitOffsets {
                group_id: self.config.group_id.clone(),
                member_id: self.membership.member_id.clone(),
                generation_id,
                offsets: commit.offsets,
            });
        }
        if let Some(id) = commit.id {
            self.done(id, Ok(()));
        }
    }

    /// Whoever waits for a commit is told that it will not come.
    pub(super) fn fail_commits(&mut self, error: &KafkaError) {
        self.commits.in_flight = false;
        self.commits.wanted = false;
        self.commits.after_batch = false;
        let commits = std::mem::take(&mut self.commits.queue);
        for id in commits.into_iter().filter_map(|commit| commit.id) {
            self.done(id, Err(error.clone()));
        }
    }

    fn uncommitted(&mut self, now: Now) -> Vec<OffsetToCommit> {
        let names: Vec<_> = self
            .partitions
            .agenda(now)
            .list(List::Commit)
            .cloned()
            .collect();
        let offsets = names.into_iter().filter_map(|name| {
            let offset = self.partitions.get(&name)?.resolved?;
            Some(OffsetToCommit {
                topic: name.topic,
                partition: name.partition,
                offset,
                metadata: None,
            })
        });
        offsets.collect()
    }

    fn with_fences(&self, names: Vec<TopicPartition>) -> Vec<(TopicPartition, u64)> {
        let fences = names.into_iter().filter_map(|name| {
            let fence = self.partitions.get(&name)?.fence;
            Some((name, fence))
        });
        fences.collect()
    }
}

/// What an answer says, by topic and partition: a search for each would go through all of them.
fn by_partition<'a, T>(
    topics: impl Iterator<Item = (&'a str, &'a Vec<T>)>,
    index: impl Fn(&T) -> i32,
) -> BTreeMap<(&'a str, i32), &'a T> {
    let index = &index;
    let partitions = topics.flat_map(|(topic, partitions)| {
        partitions.iter().map(move |one| ((topic, index(one)), one))
    });
    partitions.collect()
}

/// What a coordinator has not committed, and why.
fn failures(response: &OffsetCommitResponse) -> Vec<KafkaError> {
    let mut failed = Vec::new();
    for topic in &response.topics {
        for answer in topic
            .partitions
            .iter()
            .filter(|answer| answer.error_code != 0)
        {
            let name = TopicPartition::new(&topic.name, answer.partition_index);
            let code = ErrorCode::from_code(answer.error_code);
            failed.push(KafkaError::protocol(code).of_partition(&name));
        }
    }
    failed
}

/// The coordinator knows which partitions there are, so a commit for another one is not repeated:
/// leaving would wait for it in vain. Java does not either, where nobody asked for the commit.
fn is_of_unknown_partition(error: &KafkaError) -> bool {
    error.code == ErrorCode::UnknownTopicOrPartition
}
