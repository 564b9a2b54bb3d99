//! The coordinators that this broker hosts, one per partition of `__consumer_offsets` it leads.

use crate::broker::connections::RequestToken;
use crate::coordinator::group::{
    CoordinatorRecord, GroupConfig, GroupRequest, GroupShard, Outcome, RequestId,
};
use crate::log::{AppendOrigin, LoadId, LogError, LogManager, PartitionId, Replay, ReplayStep};
use crate::now::{Instant, Now};
use crate::protocol::{ErrorCode, Response, Uuid};
use crate::record::{BatchBuilder, BatchFields, Compression, RecordError, batches, records};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Bytes of the keys of removals in one batch. Many offsets may expire at once, or go with a topic
/// or a group: together they could be more than a batch may have.
const REMOVALS_BYTES_MAX: usize = 512 << 10;

/// The shards of a broker, and the answers that wait for their records.
#[derive(Debug)]
pub struct Shards {
    config: GroupConfig,
    seed: [u8; 16],
    /// Shards taken up so far: gives each its own seed, and so member ids of its own.
    starts: u64,
    shards: BTreeMap<i32, Shard>,
    /// When shards have something to do, and which.
    deadlines: BTreeSet<(Instant, i32)>,
    /// The loads that replays wait for, and whose.
    loads: BTreeMap<LoadId, i32>,
    /// Shards whose logs are folded, before they are active.
    folded: Vec<i32>,
    /// Partitions with records that no coordinator has written, and what is wrong with them.
    unreadable: Vec<(PartitionId, String)>,
    /// The broker's names of the requests that the shards have.
    requests: BTreeMap<RequestId, RequestToken>,
    next_request: u64,
    replies: Vec<(RequestId, Result<Response, ErrorCode>)>,
}

/// A shard's answer to a part of a request.
pub struct Reply {
    pub token: RequestToken,
    pub part: RequestId,
    pub result: Result<Response, ErrorCode>,
}

#[derive(Debug)]
struct Shard {
    id: PartitionId,
    leader_epoch: i32,
    /// The log is folded for the first time, and not again after a refusal or a failed commit.
    first_fold: bool,
    groups: Box<GroupShard>,
    phase: Phase,
    /// Answers, oldest first, each with the log end that must be durable before it leaves.
    waiting: VecDeque<(i64, RequestId, Response)>,
    /// Requests that the shard has neither answered nor handed back.
    open: BTreeSet<RequestId>,
    /// As it is noted in [`Shards::deadlines`].
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    Loading(Replay),
    /// Everything is replayed; see [`Shards::activate`].
    Folded,
    Active,
    /// The partition cannot be read, and why.
    Failed(String),
}

impl Shards {
    pub fn new(config: GroupConfig, seed: [u8; 16]) -> Shards {
        Shards {
            config,
            seed,
            starts: 0,
            shards: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            loads: BTreeMap::new(),
            folded: Vec::new(),
            unreadable: Vec::new(),
            requests: BTreeMap::new(),
            next_request: 0,
            replies: Vec::new(),
        }
    }

    /// Takes up the shard of a partition that this broker leads, or goes on with it under a new
    /// leader epoch.
    pub fn lead(&mut self, logs: &mut LogManager, id: PartitionId, leader_epoch: i32) {
        match self.shard_of(id) {
            Some(shard) => shard.leader_epoch = leader_epoch,
            None => self.begin(logs, id, leader_epoch, true),
        }
    }

    /// Gives up the shard of a partition, if there is one: what waits for it is told to look for the
    /// coordinator.
    pub fn resign(&mut self, id: PartitionId) {
        if self.shard_of(id).is_some() {
            self.stop(id.partition);
        }
    }

    /// Takes up the shard of a partition again, if there is one: its state is not that of its log
    /// any more.
    pub fn roll_back(&mut self, logs: &mut LogManager, id: PartitionId, leader_epoch: i32) {
        if self.shard_of(id).is_some() {
            self.begin(logs, id, leader_epoch, false);
        }
    }

    fn shard_of(&mut self, id: PartitionId) -> Option<&mut Shard> {
        let shard = self.shards.get_mut(&id.partition);
        shard.filter(|shard| shard.id == id)
    }

    fn begin(
        &mut self,
        logs: &mut LogManager,
        id: PartitionId,
        leader_epoch: i32,
        first_fold: bool,
    ) {
        self.stop(id.partition);
        let shard = Shard {
            id,
            leader_epoch,
            first_fold,
            groups: Box::new(GroupShard::new(self.config.clone(), self.next_seed())),
            phase: Phase::Loading(Replay::new(logs, id)),
            waiting: VecDeque::new(),
            open: BTreeSet::new(),
            deadline: None,
        };
        self.shards.insert(id.partition, shard);
        self.replay(logs, id.partition);
    }

    /// Begins to serve the shards whose logs are folded, without the offsets of topics for which
    /// `exists` is false: those were deleted while nobody served the shard, or the commit that
    /// should have removed them failed.
    pub fn activate(
        &mut self,
        now: Now,
        logs: &mut LogManager,
        exists: impl Fn(&str, Uuid) -> bool,
    ) {
        for partition in std::mem::take(&mut self.folded) {
            let shard = self.shards.get_mut(&partition);
            let Some(shard) = shard.filter(|shard| matches!(shard.phase, Phase::Folded)) else {
                continue;
            };
            shard.groups.loaded(now);
            let mut outcome = Outcome::default();
            shard.groups.retain_topics(&exists, &mut outcome);
            shard.phase = Phase::Active;
            // Once: where commits fail, each would be the reason of the next. What is not written
            // now is left out again when the log is folded next.
            if shard.first_fold && !outcome.append.is_empty() {
                let _ = shard.append(now, logs, &outcome.append);
            }
            self.note_deadline(partition);
        }
    }

    fn stop(&mut self, partition: i32) {
        let Some(shard) = self.shards.remove(&partition) else {
            return;
        };
        if let Some(deadline) = shard.deadline {
            self.deadlines.remove(&(deadline, partition));
        }
        let waiting = shard.waiting.into_iter().map(|(_, request, _)| request);
        for request in waiting.chain(shard.open) {
            self.replies.push((request, Err(ErrorCode::NotCoordinator)));
        }
    }

    /// The partitions whose shards are up, loading or failed.
    pub fn partitions(&self) -> Vec<i32> {
        self.shards.keys().copied().collect()
    }

    /// Whether a request can be handed to the shard of `partition` now.
    fn check(&self, partition: i32) -> Result<(), ErrorCode> {
        match self.shards.get(&partition).map(|shard| &shard.phase) {
            None => Err(ErrorCode::NotCoordinator),
            Some(Phase::Loading(_) | Phase::Folded) => Err(ErrorCode::CoordinatorLoadInProgress),
            Some(Phase::Failed(_)) => Err(ErrorCode::CoordinatorNotAvailable),
            Some(Phase::Active) => Ok(()),
        }
    }

    /// Why the shard of `partition` cannot be served, now or later.
    pub fn failure(&self, partition: i32) -> Option<(PartitionId, &str)> {
        let shard = self.shards.get(&partition)?;
        match &shard.phase {
            Phase::Failed(why) => Some((shard.id, why)),
            _ => None,
        }
    }

    /// Partitions that were found unreadable, and what is wrong with them.
    pub fn take_unreadable(&mut self) -> Vec<(PartitionId, String)> {
        std::mem::take(&mut self.unreadable)
    }

    /// A name for a part of a request, whose answer comes by [`Shards::take_replies`].
    pub fn open(&mut self, token: RequestToken) -> RequestId {
        self.next_request += 1;
        let part = RequestId(self.next_request);
        self.requests.insert(part, token);
        part
    }

    /// Nobody waits for these any more: their answers will find nobody.
    pub fn forget(&mut self, parts: impl Iterator<Item = RequestId>) {
        for part in parts {
            self.requests.remove(&part);
        }
    }

    /// Hands a request to its shard.
    pub fn handle(
        &mut self,
        now: Now,
        logs: &mut LogManager,
        partition: i32,
        request: GroupRequest,
    ) {
        // Where storage could not be read, another try may succeed.
        self.replay(logs, partition);
        if let Err(error) = self.check(partition) {
            self.replies.push((request.id, Err(error)));
            return;
        }
        if let Some(shard) = self.shards.get_mut(&partition) {
            shard.open.insert(request.id);
        }
        self.act(now, logs, partition, |shard, outcome| {
            shard.handle(now, request, outcome)
        });
    }

    /// Does what is due in every shard.
    pub fn expire(&mut self, now: Now, logs: &mut LogManager) {
        let due = self.deadlines.iter();
        let due = due.take_while(|(deadline, _)| *deadline <= now.monotonic);
        for partition in due.map(|(_, partition)| *partition).collect::<Vec<_>>() {
            self.act(now, logs, partition, |shard, outcome| {
                shard.expire(now, outcome)
            });
        }
    }

    /// A topic is gone, and with it the offsets committed for it.
    pub fn topic_deleted(&mut self, now: Now, logs: &mut LogManager, topic: &str) {
        for partition in self.partitions() {
            self.act(now, logs, partition, |shard, outcome| {
                shard.topic_deleted(topic, outcome)
            });
        }
    }

    /// The earliest deadline of any shard.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn note_deadline(&mut self, partition: i32) {
        let Some(shard) = self.shards.get_mut(&partition) else {
            return;
        };
        let active = matches!(shard.phase, Phase::Active).then_some(&shard.groups);
        let deadline = active.and_then(|groups| groups.next_deadline());
        if let Some(before) = std::mem::replace(&mut shard.deadline, deadline) {
            self.deadlines.remove(&(before, partition));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, partition));
        }
    }

    /// Deadlines start again after a time in which nobody could run.
    pub fn restart_deadlines(&mut self, now: Now) {
        for partition in self.partitions() {
            if let Some(shard) = self.shards.get_mut(&partition)
                && let Phase::Active = shard.phase
            {
                shard.groups.restart_deadlines(now);
            }
            self.note_deadline(partition);
        }
    }

    /// The high watermark of a shard's partition has moved: answers leave, and a replay that waited
    /// for it goes on.
    pub fn high_watermark_moved(
        &mut self,
        logs: &mut LogManager,
        id: PartitionId,
        high_watermark: i64,
    ) {
        if self.shard_of(id).is_some() {
            self.replay(logs, id.partition);
            self.release(id, high_watermark);
        }
    }

    fn release(&mut self, id: PartitionId, high_watermark: i64) {
        let Some(shard) = self.shards.get_mut(&id.partition) else {
            return;
        };
        while let Some((_, request, response)) = shard
            .waiting
            .pop_front_if(|(required, ..)| *required <= high_watermark)
        {
            self.replies.push((request, Ok(response)));
        }
    }

    /// A load has ended: the replay that waited for it goes on.
    pub fn loaded(&mut self, logs: &mut LogManager, ended: LoadId) {
        if let Some(partition) = self.loads.remove(&ended) {
            self.replay(logs, partition);
        }
    }

    /// Answers that may leave now.
    pub fn take_replies(&mut self) -> Vec<Reply> {
        let replies = std::mem::take(&mut self.replies).into_iter();
        let waited_for = replies.filter_map(|(part, result)| {
            let token = self.requests.remove(&part)?;
            Some(Reply {
                token,
                part,
                result,
            })
        });
        waited_for.collect()
    }

    fn act(
        &mut self,
        now: Now,
        logs: &mut LogManager,
        partition: i32,
        action: impl FnOnce(&mut GroupShard, &mut Outcome),
    ) {
        let Some(shard) = self.shards.get_mut(&partition) else {
            return;
        };
        let Phase::Active = shard.phase else {
            return;
        };
        let mut outcome = Outcome::default();
        action(&mut shard.groups, &mut outcome);
        let id = shard.id;
        self.note_deadline(partition);
        let Some(shard) = self.shards.get_mut(&partition) else {
            return;
        };
        if !outcome.append.is_empty()
            && let Err(code) = shard.append(now, logs, &outcome.append)
        {
            // The shard has applied what its log refuses: only a replay makes them agree.
            for (request, _) in outcome.replies {
                shard.open.remove(&request);
                self.replies.push((request, Err(coordinator_error(code))));
            }
            let leader_epoch = shard.leader_epoch;
            self.roll_back(logs, id, leader_epoch);
            return;
        }
        let required = logs.log_end_offset(id).unwrap_or(0);
        for (request, response) in outcome.replies {
            shard.open.remove(&request);
            shard.waiting.push_back((required, request, response));
        }
        let durable_end = logs.durable_end(id).unwrap_or(0);
        self.release(id, durable_end);
    }

    fn replay(&mut self, logs: &mut LogManager, partition: i32) {
        let Some(shard) = self.shards.get_mut(&partition) else {
            return;
        };
        while let Phase::Loading(replay) = &mut shard.phase {
            match replay.step(logs) {
                Ok(ReplayStep::Read(runs)) => {
                    let groups = &mut shard.groups;
                    if let Err(why) = runs.iter().try_for_each(|run| fold(groups, run)) {
                        self.unreadable.push((shard.id, why.clone()));
                        shard.phase = Phase::Failed(why);
                    }
                }
                Ok(ReplayStep::AwaitsLoad(load)) => {
                    self.loads.insert(load, partition);
                    return;
                }
                Ok(ReplayStep::AwaitsCommit) | Err(LogError::Storage(_)) => return,
                Ok(ReplayStep::Done) => {
                    shard.phase = Phase::Folded;
                    self.folded.push(partition);
                }
                Err(LogError::Stopped(why)) => shard.phase = Phase::Failed(why),
                Err(error) => shard.phase = Phase::Failed(error.to_string()),
            }
        }
    }

    /// A seed that no other life of this or another shard has had.
    fn next_seed(&mut self) -> [u8; 16] {
        self.starts += 1;
        (u128::from_be_bytes(self.seed) ^ u128::from(self.starts)).to_be_bytes()
    }
}

impl Shard {
    fn append(
        &self,
        now: Now,
        logs: &mut LogManager,
        records: &[CoordinatorRecord],
    ) -> Result<(), ErrorCode> {
        for records in atoms(records) {
            let batch = encode(now, records).map_err(|error| error.error_code())?;
            let origin = AppendOrigin::Coordinator;
            logs.append(now, self.id, batch, origin, self.leader_epoch)
                .map_err(|error| error.error_code())?;
        }
        Ok(())
    }
}

/// What a group's members are told where its log refuses
/// (`CoordinatorOperationExceptionHelper.handleOperationException`).
fn coordinator_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => ErrorCode::UnknownServerError,
        error => error,
    }
}

/// Feeds concatenated batches to a shard. The error says which record no coordinator has written:
/// its partition is not served.
fn fold(groups: &mut GroupShard, run: &Bytes) -> Result<(), String> {
    let unreadable = |error: RecordError| format!("a batch cannot be read: {error}");
    for batch in batches(run) {
        let (header, bytes) = batch.map_err(unreadable)?;
        if header.is_control() {
            continue;
        }
        for record in records(&bytes).map_err(unreadable)? {
            let record = record.map_err(unreadable)?;
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            groups.replay(key, value).map_err(|error| {
                let offset = record.offset;
                format!("the record at offset {offset} is no coordinator's: {error}")
            })?;
        }
    }
    Ok(())
}

/// The records that must be stored together: all, unless they only remove. Each removal stands for
/// itself, as in Kafka's results that are not atomic.
fn atoms(records: &[CoordinatorRecord]) -> Vec<&[CoordinatorRecord]> {
    let mut atoms = Vec::new();
    let mut rest = records;
    if records.iter().all(|record| record.value.is_none()) {
        let (mut bytes, mut start) = (0, 0);
        for (index, record) in records.iter().enumerate() {
            if REMOVALS_BYTES_MAX < bytes + record.key.len() && start < index {
                atoms.push(&records[start..index]);
                (bytes, start) = (0, index);
            }
            bytes += record.key.len();
        }
        rest = &records[start..];
    }
    atoms.push(rest);
    atoms
}

fn encode(now: Now, records: &[CoordinatorRecord]) -> Result<Bytes, RecordError> {
    let mut builder = BatchBuilder::new(Compression::None);
    for record in records {
        builder.append(now.wall.0, Some(&record.key), record.value.as_deref(), &[])?;
    }
    Ok(builder.build(BatchFields::default()))
}
