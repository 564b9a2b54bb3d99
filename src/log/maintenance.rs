//! Background work on the logs: retention and compaction.
//!
//! A log is looked at when its time has come (`deadlines`); nothing walks all logs. What is deleted
//! of many logs is one commit. One log at a time is compacted: its job goes on until it needs a load
//! or a commit, and again when that has ended. What it changes is a [`Rewrite`], a commit of its
//! own; a crash between two of them leaves a whole log.

use super::cleaner::Cleaning;
use super::deadlines::Deadlines;
use super::error::LogError;
use super::journal::MOVE_PARTITIONS_MAX;
use super::layout::{Chunk, NEVER_MS};
use super::load::LoadId;
use super::log::Log;
use super::manager::{LogEvent, LogManager};
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

/// Steps of jobs that are done within one event.
const STEPS_MAX: usize = 1024;

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
    fn retained(&mut self, now: Now, log: &Log) {
        let due_ms = log.expires_at_ms().max(now.wall.0 + 1);
        self.retention_deadlines.set(log.id, due_ms);
    }

    /// The cleaner has looked at a log, and comes again when it changes, or at `again_ms`.
    fn cleaned(&mut self, now: Now, log: &Log, again_ms: i64) {
        let due_ms = log.cleaned_at_ms().min(again_ms).max(now.wall.0 + 1);
        self.cleaner_deadlines.set(log.id, due_ms);
    }

    /// The logs whose tails are to move now, a bounded number.
    pub fn take_moves(&mut self) -> BTreeSet<PartitionId> {
        take_first(&mut self.moves, MOVE_PARTITIONS_MAX)
    }

    /// Moves the tail of a log into segments.
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

    fn start_due(&mut self, now: Now) {
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
    fn set_wake(&mut self, now: Now, [untold_ms, purge_ms]: [Option<i64>; 2]) {
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

impl LogManager {
    /// Starts what is due.
    pub(super) fn maintain(&mut self, now: Now) {
        self.maintenance.start_due(now);
        self.journal.start_purge(now.wall.0);
        let mut events = std::mem::take(&mut self.untold);
        self.go_on(now, &mut events);
        self.untold = events;
        let untold_ms = (!self.untold.is_empty()).then_some(now.wall.0 + 1);
        let purge_ms = self.journal.purge_at_ms();
        self.maintenance.set_wake(now, [untold_ms, purge_ms]);
    }

    /// Asked after every event, so it may not look at every log.
    pub(super) fn next_maintenance(&self) -> Option<Instant> {
        let deadline = self.maintenance.wake.map(|wake| wake.at);
        // The end of a commit in flight looks by itself.
        let background = self
            .background_from
            .filter(|_| self.commit.is_none() && self.wants_background_commit());
        [deadline, background, self.held_until()]
            .into_iter()
            .flatten()
            .min()
    }

    fn wants_background_commit(&self) -> bool {
        !self.removals.is_empty()
            || !self.heads_to_write.is_empty()
            || self.maintenance.wants_commit()
            || self.journal.may_move(&self.limits)
            || self.journal.must_purge()
    }

    /// Goes on with the jobs until one waits.
    pub(super) fn go_on(&mut self, now: Now, events: &mut Vec<LogEvent>) {
        for _ in 0..STEPS_MAX {
            let maintenance = &mut self.maintenance;
            if maintenance.rewriting || maintenance.rewrite.is_some() {
                return;
            }
            if maintenance
                .waiting
                .is_some_and(|load| self.loads.is_under_way(load))
            {
                return;
            }
            maintenance.waiting = None;
            let (id, step) = if let Some(mut cleaning) = maintenance.cleaning.take() {
                let step = self.clean(now, &mut cleaning);
                let id = cleaning.id;
                if matches!(step, Ok(Step::GoOn | Step::Wait(_) | Step::Commit(_))) {
                    self.maintenance.cleaning = Some(cleaning);
                } else if step.is_err() {
                    self.maintenance.cleaner_deadlines.set(id, now.wall.0 + 1);
                }
                (id, step)
            } else if maintenance.trims.len() >= TRIM_PARTITIONS_MAX
                || maintenance.moves.len() >= MOVE_PARTITIONS_MAX
            {
                return;
            } else if let Some(id) = maintenance.retention.pop_first() {
                let step = self.retain(now, id);
                match step {
                    Ok(Step::Wait(_)) => {
                        self.maintenance.retention.insert(id);
                    }
                    Err(_) => {
                        self.maintenance.retention_deadlines.set(id, now.wall.0 + 1);
                    }
                    Ok(_) => {}
                }
                (id, step)
            } else if !maintenance.trims.is_empty() {
                return;
            } else if let Some(id) = maintenance.next_to_clean() {
                let step = self.start_cleaning(now, id);
                match step {
                    Ok(Step::Wait(_)) => {
                        self.maintenance.to_clean.insert(id);
                    }
                    Err(_) => self.maintenance.cleaner_deadlines.set(id, now.wall.0 + 1),
                    Ok(_) => {}
                }
                (id, step)
            } else {
                return;
            };
            match step {
                Ok(Step::Done | Step::GoOn) => {}
                Ok(Step::Wait(load)) => self.maintenance.waiting = Some(load),
                Ok(Step::Commit(rewrite)) => self.maintenance.rewrite = Some(rewrite),
                Err(LogError::Stopped(why)) => {
                    self.maintenance.forget(id);
                    let told = self.logs.get(&id).is_none_or(|log| log.stopped.is_some());
                    if !told {
                        self.stop(id, why, events);
                    }
                }
                Err(LogError::UnknownPartition) => self.maintenance.forget(id),
                // Storage could not be read: the next check tries again.
                Err(_) => {}
            }
        }
    }

    /// Looks whether retention deletes something of `id`, once its index is in memory.
    fn retain(&mut self, now: Now, id: PartitionId) -> Result<Step, LogError> {
        let log = self.usable(id)?;
        if !log.may_trim() {
            return Ok(Step::Done);
        }
        if !log.index.complete {
            return Ok(Step::Wait(self.load_index(id)?));
        }
        match log.trim(now.wall.0) {
            Ok(_) => self.maintenance.want_trim(id),
            Err(oldest_ms) => {
                log.oldest_ms = oldest_ms;
                if let Some(log) = self.logs.get(&id) {
                    self.maintenance.retained(now, log);
                }
            }
        }
        Ok(Step::Done)
    }

    /// The cleaner is done with a log for now.
    pub(super) fn check_cleaning(&mut self, now: Now, id: PartitionId) {
        if let Some(log) = self.logs.get(&id) {
            self.maintenance.cleaned(now, log, NEVER_MS);
        }
    }

    /// Starts to clean `id`, once what is closed of it is in segments and its index in memory.
    fn start_cleaning(&mut self, now: Now, id: PartitionId) -> Result<Step, LogError> {
        let limits = self.limits;
        let log = self.usable(id)?;
        if !log.config.cleanup_compact {
            return Ok(Step::Done);
        }
        log.roll_if_old(now.wall.0);
        let again_ms = if log.cleaned_at_ms() > now.wall.0 {
            NEVER_MS
        } else if log.has_closed_tail() {
            self.maintenance.want_move(id);
            self.maintenance.to_clean.insert(id);
            return Ok(Step::Done);
        } else if !log.index.complete {
            return Ok(Step::Wait(self.load_index(id)?));
        } else {
            match Cleaning::start(log, limits, now.wall.0) {
                Ok(cleaning) => {
                    self.maintenance.cleaning = Some(cleaning);
                    return Ok(Step::GoOn);
                }
                Err(again_ms) => again_ms,
            }
        };
        log.looked_at_to = log.closed_end();
        if let Some(log) = self.logs.get(&id) {
            self.maintenance.cleaned(now, log, again_ms);
        }
        Ok(Step::Done)
    }
}
