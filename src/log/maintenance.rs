//! Background work on the logs, retention and compaction: what waits, and what is next.
//!
//! A log is looked at when its time has come (`deadlines`); nothing walks all logs. What is deleted
//! of many logs is one commit. One log at a time is compacted: its job goes on until it needs a load
//! or a commit, and again when that has ended. What it changes is a [`Rewrite`], a commit of its
//! own; a crash between two of them leaves a whole log.

use super::cleaner::Cleaning;
use super::deadlines::Deadlines;
use super::journal::MOVE_PARTITIONS_MAX;
use super::layout::Chunk;
use super::load::LoadId;
use super::log::Log;
use super::{MaintenanceConfig, PartitionId};
use crate::now::{Instant, Now};
use bytes::Bytes;
use std::collections::BTreeSet;

/// How long after opening retention is checked first, unless checks are more frequent
/// (`log.initial.task.delay.ms`).
pub const RETENTION_INITIAL_DELAY_MS: u64 = 30_000;

/// How long after opening what had expired before is looked at: it should not hold up who waits for
/// the start, but a page may be looked at for a few seconds a day.
pub const EXPIRED_DELAY_MS: i64 = 3_000;

/// Logs of which one commit deletes, or writes the head alone.
pub const TRIM_PARTITIONS_MAX: usize = 256;

/// A deadline that is further away is looked at again after this: the monotonic clock may stand
/// still while a laptop sleeps.
const WAKE_MS_MAX: i64 = 60 * 60 * 1000;

/// What waits, and what is being done.
#[derive(Debug)]
pub(super) struct Maintenance {
    retention_deadlines: Deadlines,
    cleaner_deadlines: Deadlines,
    /// Logs to check for what retention deletes.
    retention: BTreeSet<PartitionId>,
    /// Logs of which retention deletes something, with the next commit.
    trims: BTreeSet<PartitionId>,
    /// Logs to check for something to clean.
    to_clean: BTreeSet<PartitionId>,
    /// Logs whose tails must move into segments, to be cleaned then.
    moves: BTreeSet<PartitionId>,
    cleaning: Option<Cleaning>,
    waiting: Option<LoadId>,
    rewrite: Option<Rewrite>,
    /// The rewrite, or deletions, are in the commit in flight.
    rewriting: bool,
    opened_ms: i64,
    wake: Option<Wake>,
}

/// When to wake up for a deadline.
#[derive(Clone, Copy, Debug)]
struct Wake {
    due_ms: i64,
    at: Instant,
}

/// A change of what is in segments, done by one commit.
#[derive(Debug)]
pub(super) struct Rewrite {
    pub id: PartitionId,
    /// Neighbours.
    pub deleted: Vec<Chunk>,
    pub written: Vec<(Chunk, Bytes)>,
    pub cleaned: Option<Cleaned>,
}

/// How a cleaning has left a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cleaned {
    /// Up to where.
    pub end: i64,
    /// When the first tombstone or marker below may go.
    pub delete_horizon_ms: i64,
}

impl Rewrite {
    /// One that changes nothing yet.
    pub fn of(id: PartitionId) -> Rewrite {
        Rewrite {
            id,
            deleted: Vec::new(),
            written: Vec::new(),
            cleaned: None,
        }
    }
}

/// A piece of work on one log.
#[derive(Debug)]
pub(super) enum Job {
    /// The next step of a cleaning.
    Clean(Box<Cleaning>),
    /// Looking for what retention deletes.
    Retain(PartitionId),
    /// Looking for something to clean.
    StartCleaning(PartitionId),
}

impl Job {
    pub fn id(&self) -> PartitionId {
        match self {
            Job::Clean(cleaning) => cleaning.id,
            Job::Retain(id) | Job::StartCleaning(id) => *id,
        }
    }
}

/// How far a job has come.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing more to do.
    Done,
    /// There is more to do at once.
    GoOn,
    /// Go on when this load has ended.
    Wait(LoadId),
    /// Go on when this is committed.
    Commit(Rewrite),
    /// It is to be cleaned, in further steps.
    Clean(Cleaning),
}

impl Maintenance {
    pub fn new(config: &MaintenanceConfig) -> Maintenance {
        Maintenance {
            retention_deadlines: Deadlines::every(config.retention_check_interval_ms),
            cleaner_deadlines: Deadlines::every(config.cleaner_backoff_ms),
            retention: BTreeSet::new(),
            trims: BTreeSet::new(),
            to_clean: BTreeSet::new(),
            moves: BTreeSet::new(),
            cleaning: None,
            waiting: None,
            rewrite: None,
            rewriting: false,
            opened_ms: 0,
            wake: None,
        }
    }

    /// The logs are there; none is looked at before its config is known.
    pub fn opened(&mut self, now: Now) {
        let delay_ms =
            (RETENTION_INITIAL_DELAY_MS as i64).min(self.retention_deadlines.interval_ms());
        self.opened_ms = now.wall.0;
        self.retention_deadlines.start(now.wall.0 + delay_ms);
        self.cleaner_deadlines.start(now.wall.0);
    }

    /// The config of a log is another: what it waits for is too.
    pub fn configured(&mut self, now: Now, log: &Log) {
        let (retention_ms, cleaning_ms) = due_ms(now, log);
        let expired_at_ms = self.opened_ms + EXPIRED_DELAY_MS;
        match log.stored && retention_ms <= now.wall.0 && now.wall.0 < expired_at_ms {
            true => self.retention_deadlines.set_at(log.id, expired_at_ms),
            false => self.retention_deadlines.set(log.id, retention_ms),
        }
        self.cleaner_deadlines.set(log.id, cleaning_ms);
    }

    /// A commit has changed a log.
    pub fn changed(&mut self, now: Now, log: &Log) {
        let (retention_ms, cleaning_ms) = due_ms(now, log);
        self.retention_deadlines.set_earlier(log.id, retention_ms);
        self.cleaner_deadlines.set_earlier(log.id, cleaning_ms);
    }

    /// Retention has looked at a log, and there is nothing more to delete now.
    pub fn retained(&mut self, now: Now, log: &Log) {
        let due_ms = log.expires_at_ms().max(now.wall.0 + 1);
        self.retention_deadlines.set(log.id, due_ms);
    }

    /// The cleaner has looked at a log, and comes again when it changes, or at `again_ms`.
    pub fn cleaned(&mut self, now: Now, log: &Log, again_ms: i64) {
        let due_ms = log.cleaned_at_ms().min(again_ms).max(now.wall.0 + 1);
        self.cleaner_deadlines.set(log.id, due_ms);
    }

    /// The logs whose tails are to move now, a bounded number.
    pub fn take_moves(&mut self) -> BTreeSet<PartitionId> {
        take_first(&mut self.moves, MOVE_PARTITIONS_MAX)
    }

    /// Moves the tail of a log into segments.
    #[cfg(test)]
    pub fn want_move(&mut self, id: PartitionId) {
        self.moves.insert(id);
    }

    /// Checks a log's retention at once.
    pub fn want_retention(&mut self, id: PartitionId) {
        self.retention.insert(id);
    }

    /// The logs of which something is to be deleted now, a bounded number.
    pub fn take_trims(&mut self) -> BTreeSet<PartitionId> {
        take_first(&mut self.trims, TRIM_PARTITIONS_MAX)
    }

    /// Deletes of a log with the next commit.
    pub fn want_trim(&mut self, id: PartitionId) {
        self.trims.insert(id);
    }

    pub fn take_rewrite(&mut self) -> Option<Rewrite> {
        self.rewrite.take()
    }

    /// The commit that was started changes what is in segments.
    pub fn rewrite_started(&mut self) {
        self.rewriting = true;
    }

    /// It is committed, or cannot be: then a cleaning is given up until the next check.
    pub fn rewrite_ended(&mut self, now: Now, committed: bool) {
        if !committed && let Some(cleaning) = self.cleaning.take() {
            self.cleaner_deadlines.set(cleaning.id, now.wall.0 + 1);
        }
        self.rewriting = false;
    }

    /// Whether a cleaning of this log is under way, which needs its whole index.
    pub fn is_cleaning(&self, id: PartitionId) -> bool {
        self.cleaning.as_ref().is_some_and(|it| it.id == id)
    }

    /// Whether something waits for a commit.
    pub fn wants_commit(&self) -> bool {
        self.rewrite.is_some() || !self.moves.is_empty() || !self.trims.is_empty()
    }

    /// A log is gone.
    pub fn forget(&mut self, id: PartitionId) {
        self.retention_deadlines.forget(id);
        self.cleaner_deadlines.forget(id);
        self.retention.remove(&id);
        self.trims.remove(&id);
        self.to_clean.remove(&id);
        self.moves.remove(&id);
        self.cleaning.take_if(|it| it.id == id);
        self.rewrite.take_if(|it| it.id == id);
    }

    /// A log to check for something to clean, that does not wait for its tail to move.
    fn next_to_clean(&mut self) -> Option<PartitionId> {
        let id = *self.to_clean.iter().find(|id| !self.moves.contains(id))?;
        self.to_clean.take(&id)
    }

    /// The next piece of work, unless all of it waits for storage.
    pub fn next_job(&mut self, is_under_way: impl Fn(LoadId) -> bool) -> Option<Job> {
        if self.rewriting || self.rewrite.is_some() || self.waiting.is_some_and(is_under_way) {
            return None;
        }
        self.waiting = None;
        if let Some(cleaning) = self.cleaning.take() {
            return Some(Job::Clean(Box::new(cleaning)));
        }
        if self.trims.len() >= TRIM_PARTITIONS_MAX || self.moves.len() >= MOVE_PARTITIONS_MAX {
            return None;
        }
        if let Some(id) = self.retention.pop_first() {
            return Some(Job::Retain(id));
        }
        // A cleaning may not run beside deletions of the same log.
        match self.trims.is_empty() {
            true => self.next_to_clean().map(Job::StartCleaning),
            false => None,
        }
    }

    /// Does a job again when this load has ended.
    pub fn wait(&mut self, job: Job, load: LoadId) {
        self.waiting = Some(load);
        match job {
            Job::Clean(cleaning) => self.cleaning = Some(*cleaning),
            Job::Retain(id) => {
                self.retention.insert(id);
            }
            Job::StartCleaning(id) => {
                self.to_clean.insert(id);
            }
        }
    }

    /// Goes on with a cleaning.
    pub fn go_on(&mut self, cleaning: Cleaning) {
        self.cleaning = Some(cleaning);
    }

    /// Goes on with a cleaning when this is committed.
    pub fn commit(&mut self, cleaning: Cleaning, rewrite: Rewrite) {
        self.cleaning = Some(cleaning);
        self.rewrite = Some(rewrite);
    }

    /// Looks at a log again when its tail is in segments.
    pub fn clean_when_moved(&mut self, id: PartitionId) {
        self.moves.insert(id);
        self.to_clean.insert(id);
    }

    /// A job has failed: the next check tries again.
    pub fn failed(&mut self, now: Now, job: &Job) {
        let again_ms = now.wall.0 + 1;
        match job {
            Job::Retain(id) => self.retention_deadlines.set(*id, again_ms),
            job => self.cleaner_deadlines.set(job.id(), again_ms),
        }
    }

    /// When to wake up for what was decided last.
    pub fn wake_at(&self) -> Option<Instant> {
        self.wake.map(|wake| wake.at)
    }

    pub fn start_due(&mut self, now: Now) {
        while let Some(id) = self.retention_deadlines.pop_due(now.wall.0) {
            self.retention.insert(id);
        }
        while let Some(id) = self.cleaner_deadlines.pop_due(now.wall.0) {
            self.to_clean.insert(id);
        }
    }

    /// Whether a job can go on without waiting for storage.
    fn can_go_on(&self) -> bool {
        let has_job =
            self.cleaning.is_some() || !self.retention.is_empty() || !self.to_clean.is_empty();
        has_job && self.waiting.is_none() && !self.rewriting && !self.wants_commit()
    }

    /// Decides when to wake up. An instant once told stays while it is for the same deadline, as
    /// the two clocks do not go exactly alike.
    pub fn set_wake(&mut self, now: Now, [untold_ms, purge_ms]: [Option<i64>; 2]) {
        let due_ms = match self.can_go_on() {
            true => Some(now.wall.0 + 1),
            false => [
                self.retention_deadlines.next_ms(),
                self.cleaner_deadlines.next_ms(),
                untold_ms,
                purge_ms,
            ]
            .into_iter()
            .flatten()
            .min(),
        };
        let kept = self
            .wake
            .filter(|wake| Some(wake.due_ms) == due_ms && now.monotonic < wake.at);
        self.wake = kept.or(due_ms.map(|due_ms| {
            let ms = due_ms.saturating_sub(now.wall.0).clamp(1, WAKE_MS_MAX);
            Wake {
                due_ms,
                at: now.monotonic + ms as u64,
            }
        }));
    }
}

/// When retention and the cleaner are to look at a log that has changed.
fn due_ms(now: Now, log: &Log) -> (i64, i64) {
    let retention_ms = match log.retains_by_size() {
        // How large it is is not known before its index is.
        true => now.wall.0,
        false => log.expires_at_ms(),
    };
    let cleaning_ms = log.cleaned_at_ms();
    (retention_ms.max(now.wall.0), cleaning_ms.max(now.wall.0))
}

fn take_first(ids: &mut BTreeSet<PartitionId>, max: usize) -> BTreeSet<PartitionId> {
    let rest = match ids.iter().nth(max).copied() {
        Some(first_left) => ids.split_off(&first_left),
        None => BTreeSet::new(),
    };
    std::mem::replace(ids, rest)
}
