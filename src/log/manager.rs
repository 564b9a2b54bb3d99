//! All logs of one node: they share commits, the journal and the cache.

use super::backlog::Backlog;
use super::chunk::ChunkCache;
use super::commit::Commit;
use super::index_memory::IndexMemory;
use super::journal::Journal;
use super::load::{Load, LoadId, Loads};
use super::log::Log;
use super::maintenance::Maintenance;
use super::opening::Opening;
use super::producer_state::AbortedTransaction;
use super::swapped::Held;
use super::{
    AppendError, LogConfig, LogError, LogLimits, MaintenanceConfig, PartitionId, UNDEFINED_EPOCH,
    UNDEFINED_OFFSET,
};
use crate::now::{Instant, Now};
use crate::planted::{self, PlantedBug};
use crate::storage::{StorageError, StorageReply, StorageRequest};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// All logs of one node.
///
/// It does no I/O: [`take_requests`](LogManager::take_requests) says what storage should do, and
/// [`handle`](LogManager::handle) takes the answers. Call the first after every event that has
/// called anything else here.
#[derive(Debug)]
pub struct LogManager {
    pub(super) limits: LogLimits,
    pub(super) state: State,
    pub(super) logs: BTreeMap<PartitionId, Log>,
    pub(super) backlog: Backlog,
    pub(super) journal: Journal,
    pub(super) cache: ChunkCache,
    pub(super) index_memory: IndexMemory,
    pub(super) commit: Option<Commit>,
    /// Always `None` without a planted bug.
    pub(super) held: Option<Held>,
    pub(super) loads: Loads,
    pub(super) maintenance: Maintenance,
    /// Partitions of which rows were found, but no head.
    pub(super) headless: BTreeSet<PartitionId>,
    /// Events of calls that have no room for them.
    pub(super) untold: Vec<LogEvent>,
    /// Numbers log incarnations and writings of chunks.
    pub(super) next_version: u64,
}

/// Whether the logs can be used.
#[derive(Debug, Default)]
pub(super) enum State {
    /// `open` was not called.
    #[default]
    New,
    Opening(Opening),
    Open,
    /// A fatal error was told; nothing more is asked of storage.
    Failed,
}

/// Who appends, and so what is checked and written (Kafka's `AppendOrigin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator of this node: its records are its own, sequences are not checked; control
    /// batches come this way.
    Coordinator,
    /// A leader: offsets and epochs are kept.
    Replication,
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset of the last record: it is durable when the durable end is above it.
    pub last_offset: i64,
    /// The leader's time, in ms since the Unix epoch, if the topic has `LogAppendTime`; else −1.
    pub log_append_time: i64,
    /// The first offset that may be read, as producers are told with their answer.
    pub log_start_offset: i64,
    /// The batch was here already, and the offsets are those of the first time. It may not be
    /// durable yet: wait as for a new one.
    pub duplicate: bool,
}

/// What became of the logs.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEvent {
    /// The stores were read; every other call may be made now.
    Opened,
    /// Everything below `end` is durable. They come in the order of the commits.
    Durable {
        /// Whose durable end it is.
        id: PartitionId,
        /// The durable end.
        end: i64,
    },
    /// A commit failed: the log was cut back to `end`. What was appended from there on is gone, and
    /// its parked requests must be answered with the error.
    RolledBack {
        /// Whose log was cut back.
        id: PartitionId,
        /// The durable end, and now the log's.
        end: i64,
        /// What storage said to the commit; its waiting producers are told.
        error: StorageError,
    },
    /// A load ended, also when it failed: the retry then gives the error.
    Loaded {
        /// What a `Pending` named.
        load: LoadId,
    },
    /// The log starts at another offset, and that is durable.
    LogStartOffset {
        /// Whose records were deleted.
        id: PartitionId,
        /// The first offset that may be read.
        offset: i64,
    },
    /// A broken invariant stopped this partition: every later call on it fails.
    Stopped {
        /// Which one is not served any more.
        id: PartitionId,
        /// One sentence for people.
        why: String,
    },
    /// The store is somebody else's, or gone: the node must stop.
    Fatal(StorageError),
}

impl LogManager {
    /// No logs; [`open`](LogManager::open) reads them.
    pub fn new(limits: LogLimits, config: MaintenanceConfig) -> LogManager {
        LogManager {
            limits,
            state: State::default(),
            logs: BTreeMap::new(),
            backlog: Backlog::default(),
            journal: Journal::default(),
            cache: ChunkCache::default(),
            index_memory: IndexMemory::default(),
            commit: None,
            held: None,
            loads: Loads::default(),
            maintenance: Maintenance::new(&config),
            headless: BTreeSet::new(),
            untold: Vec::new(),
            next_version: 0,
        }
    }

    /// Asks for what the stores hold. The storage must be open. [`LogEvent::Opened`] follows.
    pub fn open(&mut self) {
        let opening = Opening::start(&mut self.loads, self.limits.opening_load_bytes);
        self.state = State::Opening(opening);
    }

    /// Makes the log of `id` known, or gives it a changed config.
    ///
    /// Ignored before [`LogEvent::Opened`], when it is not known what the store has.
    pub fn ensure(&mut self, now: Now, id: PartitionId, config: LogConfig) {
        if !matches!(self.state, State::Open) {
            return;
        }
        let incarnation = self.take_version();
        let log = self
            .logs
            .entry(id)
            .or_insert_with(|| Log::new(id, incarnation));
        // Ids are never used twice: what was found is not of a partition that was removed.
        if self.headless.remove(&id) {
            let why = "its head row is missing".to_owned();
            log.stop(why.clone());
            self.untold.push(LogEvent::Stopped { id, why });
        }
        if !log.is_configured || log.config != config {
            log.configure(config);
            self.maintenance.configured(now, log);
        }
    }

    /// The partitions whose logs are here, whether the store has something of them or not.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.logs.keys().copied().collect()
    }

    /// Forgets the log of `id`; the next commit deletes everything of it.
    pub fn remove(&mut self, id: PartitionId) {
        let Some(log) = self.logs.remove(&id) else {
            return;
        };
        if let Some(first_seq) = log.journal_first {
            self.journal.release(first_seq, id);
        }
        self.backlog.remove(id, log.uncommitted_bytes());
        self.cache.remove_partition(id);
        self.index_memory.forget(id);
        self.maintenance.forget(id);
        if let Some(commit) = &mut self.commit {
            commit.forget(&log);
        }
    }

    /// Appends one batch at the end of a log, in memory: nobody sees it before it is durable.
    ///
    /// A client's batch is validated as Kafka's `LogValidator` does. As leader (`Client`,
    /// `Coordinator`), base offset and leader epoch are written into its header.
    pub fn append(
        &mut self,
        now: Now,
        id: PartitionId,
        batch: Bytes,
        origin: AppendOrigin,
        leader_epoch: i32,
    ) -> Result<Appended, AppendError> {
        if !matches!(self.state, State::Open) {
            return Err(LogError::NotOpened.into());
        }
        let log = self.logs.get_mut(&id).ok_or(LogError::UnknownPartition)?;
        if !self.backlog.has_room() {
            return Err(AppendError::TooManyUncommitted);
        }
        if self.journal.is_full() {
            return Err(AppendError::JournalFull);
        }
        let before = log.tail.size_bytes();
        let appended = log.append(now.wall.0, batch, origin, leader_epoch)?;
        if !appended.duplicate {
            let bytes = log.tail.size_bytes() - before;
            self.backlog.appended(id, bytes, origin);
        }
        Ok(appended)
    }

    /// Lets what a coordinator has appended use the whole reserve when the quota is full: the node
    /// depends on it, or it frees room. What else shares its commit has the good of it.
    pub fn use_whole_reserve(&mut self) {
        self.backlog.use_whole_reserve();
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self, id: PartitionId) -> Option<i64> {
        Some(self.logs.get(&id)?.head.log_start_offset)
    }

    /// The offset behind the last batch, durable or not.
    pub fn log_end_offset(&self, id: PartitionId) -> Option<i64> {
        Some(self.logs.get(&id)?.log_end_offset)
    }

    /// The offset behind the last durable batch; the high watermark may not be above it.
    pub fn durable_end(&self, id: PartitionId) -> Option<i64> {
        Some(self.logs.get(&id)?.visible_end())
    }

    /// How many bytes were appended before the batch that holds `offset` since the logs were
    /// opened: what lies between two offsets is the difference. `None` where the batch is in a
    /// segment already.
    ///
    /// Error: nothing of the log may be used.
    pub fn position(&self, id: PartitionId, offset: i64) -> Result<Option<u64>, LogError> {
        let log = self.logs.get(&id).ok_or(LogError::UnknownPartition)?;
        log.check_usable()?;
        Ok(log.position(offset))
    }

    /// Tells a log its high watermark, above which nothing is deleted or compacted. A log that is
    /// not told (the only replica's) takes its durable end.
    pub fn set_high_watermark(&mut self, id: PartitionId, high_watermark: i64) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.high_watermark = Some(high_watermark);
        }
    }

    /// The first offset of the earliest transaction that is not decided below `high_watermark`, or
    /// `high_watermark`: what a `read_committed` consumer may read up to.
    pub fn last_stable_offset(&self, id: PartitionId, high_watermark: i64) -> i64 {
        match self.logs.get(&id) {
            Some(log) => log.derived.producers.last_stable_offset(high_watermark),
            None => high_watermark,
        }
    }

    /// The aborted transactions with records in `from..to`.
    pub fn aborted_transactions(
        &self,
        id: PartitionId,
        from: i64,
        to: i64,
    ) -> Vec<AbortedTransaction> {
        match self.logs.get(&id) {
            Some(log) => log.derived.producers.aborted_transactions(from, to),
            None => Vec::new(),
        }
    }

    /// The leader epoch of the last batch.
    pub fn latest_epoch(&self, id: PartitionId) -> Option<i32> {
        self.logs.get(&id)?.derived.leader_epochs.latest_epoch()
    }

    /// The leader epoch of the first offset that may be read; `None` if there is none.
    pub fn earliest_epoch(&self, id: PartitionId) -> Option<i32> {
        let log = self.logs.get(&id)?;
        let has_records = log.head.log_start_offset < log.log_end_offset;
        has_records.then(|| log.derived.leader_epochs.earliest_epoch())?
    }

    /// The largest epoch not above `epoch` that this leader knows, and the offset behind its last
    /// record; (−1, −1) if it cannot be known (OffsetForLeaderEpoch, KIP-279). The leader's own
    /// epoch is known before anything was appended in it.
    pub fn epoch_end_offset(&self, id: PartitionId, epoch: i32, leader_epoch: i32) -> (i32, i64) {
        match self.logs.get(&id) {
            Some(log) => {
                log.derived
                    .leader_epochs
                    .end_offset_for(epoch, leader_epoch, log.log_end_offset)
            }
            None => (UNDEFINED_EPOCH, UNDEFINED_OFFSET),
        }
    }

    /// Moves the start of a log to `offset`; records below are deleted. When that is durable,
    /// [`LogEvent::LogStartOffset`] tells; where the log starts there already, nothing follows.
    ///
    /// Error: OFFSET_OUT_OF_RANGE if `offset` is above the durable end (or negative).
    pub fn delete_records(&mut self, id: PartitionId, offset: i64) -> Result<(), LogError> {
        let log = self.usable(id)?;
        if offset < 0 || offset > log.durable_end {
            return Err(LogError::OffsetOutOfRange {
                offset,
                log_start_offset: log.head.log_start_offset,
                log_end_offset: log.log_end_offset,
            });
        }
        let start = log.delete_records_to.unwrap_or(log.head.log_start_offset);
        if offset > start {
            log.delete_records_to = Some(offset);
            self.backlog.write_head(id);
        }
        Ok(())
    }

    /// Does what is due: retention, compaction, expiry of producers.
    pub fn tick(&mut self, now: Now) {
        if matches!(self.state, State::Open) {
            self.maintain(now);
        }
    }

    /// When [`tick`](LogManager::tick) has something to do, as of the last
    /// [`take_requests`](LogManager::take_requests).
    pub fn next_tick(&self) -> Option<Instant> {
        match self.state {
            State::Open => self.next_maintenance(),
            _ => None,
        }
    }

    /// What storage should do now.
    pub fn take_requests(&mut self, now: Now) -> Vec<StorageRequest> {
        self.tick(now);
        let mut requests = self.loads.take_requests();
        if matches!(self.state, State::Open) && self.commit.is_none() {
            if planted::active(PlantedBug::CommitOrderSwapped) {
                requests.extend(self.start_swapped(now));
            } else {
                requests.extend(self.start_commit(now));
            }
        }
        requests
    }

    /// What has become of the logs by other calls than [`handle`](LogManager::handle).
    pub fn take_events(&mut self) -> Vec<LogEvent> {
        std::mem::take(&mut self.untold)
    }

    /// Takes what became of a request.
    pub fn handle(&mut self, now: Now, reply: StorageReply, events: &mut Vec<LogEvent>) {
        if matches!(self.state, State::New | State::Failed) {
            return;
        }
        events.append(&mut self.untold);
        match reply {
            StorageReply::Committed { ticket, result } => {
                self.end_commit(now, ticket, result, events);
            }
            StorageReply::Loaded { ticket, result } => match self.loads.take(ticket) {
                Some(Load::Opening(store)) => self.opening_loaded(now, store, result, events),
                Some(load) => self.end_load(LoadId(ticket.0), load, result, events),
                None => {}
            },
        }
        if matches!(self.state, State::Open) {
            self.go_on(now, events);
        }
    }

    /// Whether a log may be used: if not, its offsets mean nothing either.
    pub fn check_usable(&self, id: PartitionId) -> Result<(), LogError> {
        self.logs
            .get(&id)
            .ok_or(LogError::UnknownPartition)?
            .check_usable()
    }

    /// A log that may be used.
    pub(super) fn usable(&mut self, id: PartitionId) -> Result<&mut Log, LogError> {
        if !matches!(self.state, State::Open) {
            return Err(LogError::NotOpened);
        }
        let log = self.logs.get_mut(&id).ok_or(LogError::UnknownPartition)?;
        log.check_usable()?;
        Ok(log)
    }

    pub(super) fn take_version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }

    /// Stops everything, if `error` says that the store is not ours any more, or that nobody can
    /// tell what it holds.
    pub(super) fn fail_if_fatal(
        &mut self,
        error: &StorageError,
        events: &mut Vec<LogEvent>,
    ) -> bool {
        let fatal = matches!(
            error,
            StorageError::Fenced { .. }
                | StorageError::Deleted
                | StorageError::Closed
                | StorageError::Unknown(_)
        );
        if fatal {
            self.fail(error.clone(), events);
        }
        fatal
    }

    pub(super) fn fail(&mut self, error: StorageError, events: &mut Vec<LogEvent>) {
        self.state = State::Failed;
        events.push(LogEvent::Fatal(error));
    }
}
