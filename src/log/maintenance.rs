//! Background work on the logs: retention and compaction, one job on one log at a time.
//!
//! A job goes on until it needs a load or a commit, and again when that has ended. What it changes
//! is a [`Rewrite`], a commit of its own; a crash between two of them leaves a whole log.

use super::PartitionId;
use super::cleaner::Cleaning;
use super::error::LogError;
use super::layout::Chunk;
use super::load::LoadId;
use super::manager::{LogEvent, LogManager};
use crate::now::{Instant, Now};
use bytes::Bytes;
use std::collections::BTreeSet;

/// How long after opening retention is checked first (`log.initial.task.delay.ms`): it reads the
/// index of every log that has a limit, one after the other, which should not hold up who waits for
/// the start.
pub const RETENTION_INITIAL_DELAY_MS: u64 = 30_000;

/// How often retention is checked then (`log.retention.check.interval.ms`).
pub const RETENTION_CHECK_INTERVAL_MS: u64 = 5 * 60 * 1000;

/// How often compacted logs are looked at for something to clean (`log.cleaner.backoff.ms`).
pub const CLEANER_BACKOFF_MS: u64 = 15_000;

/// What waits, and what is being done.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    retention_at: Instant,
    clean_at: Instant,
    /// Logs whose `cleanup.policy` contains `compact`.
    compacted: BTreeSet<PartitionId>,
    /// Logs to check for what retention deletes.
    retention: BTreeSet<PartitionId>,
    /// Logs to check for something to clean.
    dirty: BTreeSet<PartitionId>,
    /// Logs whose tails must move into segments, and are checked again then.
    moves: BTreeSet<PartitionId>,
    cleaning: Option<Cleaning>,
    waiting: Option<LoadId>,
    rewrite: Option<Rewrite>,
    /// The rewrite is in the commit in flight.
    rewriting: bool,
}

/// A change of what is in segments, done by one commit.
#[derive(Debug)]
pub(super) struct Rewrite {
    pub id: PartitionId,
    /// Neighbours.
    pub deleted: Vec<Chunk>,
    pub written: Vec<(Chunk, Bytes)>,
    pub log_start_offset: Option<i64>,
    pub first_dirty_offset: Option<i64>,
    /// The active segment is among the deleted; the next batch starts another. Valid only while
    /// the segments end here and the tail is empty.
    pub rolled_at: Option<i64>,
}

impl Rewrite {
    /// One that changes nothing yet.
    pub fn of(id: PartitionId) -> Rewrite {
        Rewrite {
            id,
            deleted: Vec::new(),
            written: Vec::new(),
            log_start_offset: None,
            first_dirty_offset: None,
            rolled_at: None,
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
    /// The logs are there.
    pub fn opened(&mut self, now: Now) {
        self.retention_at = now.monotonic + RETENTION_INITIAL_DELAY_MS;
        self.clean_at = now.monotonic;
    }

    /// The config of a log says whether it is compacted.
    pub fn configured(&mut self, id: PartitionId, cleanup_compact: bool) {
        match cleanup_compact {
            true => self.compacted.insert(id),
            false => self.compacted.remove(&id),
        };
    }

    pub fn take_moves(&mut self) -> BTreeSet<PartitionId> {
        std::mem::take(&mut self.moves)
    }

    /// Moves the tail of a log into segments, so that retention can delete it.
    pub fn want_move(&mut self, id: PartitionId) {
        self.moves.insert(id);
    }

    /// Checks a log's retention outside of the interval.
    pub fn want_retention(&mut self, id: PartitionId) {
        self.retention.insert(id);
    }

    pub fn take_rewrite(&mut self) -> Option<Rewrite> {
        let rewrite = self.rewrite.take();
        self.rewriting = rewrite.is_some();
        rewrite
    }

    /// The rewrite is committed, or cannot be: then its job is given up until the next interval.
    pub fn rewrite_ended(&mut self, committed: bool) {
        if self.rewriting && !committed {
            self.cleaning = None;
        }
        self.rewriting = false;
    }

    /// Whether something waits for a commit.
    pub fn wants_commit(&self) -> bool {
        self.rewrite.is_some() || !self.moves.is_empty()
    }

    /// A log is gone.
    pub fn forget(&mut self, id: PartitionId) {
        self.compacted.remove(&id);
        self.retention.remove(&id);
        self.dirty.remove(&id);
        self.moves.remove(&id);
        self.cleaning.take_if(|it| it.id == id);
        self.rewrite.take_if(|it| it.id == id);
    }
}

impl LogManager {
    /// Starts what is due.
    pub(super) fn maintain(&mut self, now: Now) {
        if now.monotonic >= self.maintenance.retention_at {
            self.maintenance.retention_at = now.monotonic + RETENTION_CHECK_INTERVAL_MS;
            self.maintenance.retention.extend(self.logs.keys());
            for log in self.logs.values_mut() {
                log.derived.producers.expire(now.wall.0);
            }
        }
        if now.monotonic >= self.maintenance.clean_at {
            self.maintenance.clean_at = now.monotonic + CLEANER_BACKOFF_MS;
            let Maintenance {
                compacted, dirty, ..
            } = &mut self.maintenance;
            dirty.extend(&*compacted);
        }
        let mut events = std::mem::take(&mut self.untold);
        self.go_on(now, &mut events);
        self.untold = events;
    }

    /// Asked after every event, so it may not look at every log.
    pub(super) fn next_maintenance(&self) -> Instant {
        let mut next = self.maintenance.retention_at;
        if let Some(held_until) = self.held_until() {
            next = next.min(held_until);
        }
        if !self.maintenance.compacted.is_empty() {
            next = next.min(self.maintenance.clean_at);
        }
        match self.background_from {
            // The end of a commit in flight looks by itself.
            Some(from) if self.commit.is_none() && self.wants_background_commit() => next.min(from),
            _ => next,
        }
    }

    fn wants_background_commit(&self) -> bool {
        !self.removals.is_empty()
            || !self.dirty_heads.is_empty()
            || self.maintenance.wants_commit()
            || self.journal.may_move(&self.limits)
    }

    /// Goes on with the jobs until one waits.
    pub(super) fn go_on(&mut self, now: Now, events: &mut Vec<LogEvent>) {
        while !self.maintenance.rewriting && self.maintenance.rewrite.is_none() {
            let waiting = self.maintenance.waiting;
            if waiting.is_some_and(|load| self.loads.is_under_way(load)) {
                return;
            }
            self.maintenance.waiting = None;
            let (id, step) = if let Some(mut cleaning) = self.maintenance.cleaning.take() {
                let step = self.clean(&mut cleaning);
                let id = cleaning.id;
                if matches!(step, Ok(Step::GoOn | Step::Wait(_) | Step::Commit(_))) {
                    self.maintenance.cleaning = Some(cleaning);
                }
                (id, step)
            } else if let Some(id) = self.maintenance.retention.pop_first() {
                let step = self.retain(now, id);
                if matches!(step, Ok(Step::Wait(_))) {
                    self.maintenance.retention.insert(id);
                }
                (id, step)
            } else if let Some(id) = self.maintenance.dirty.pop_first() {
                let step = self.start_cleaning(now, id);
                if matches!(step, Ok(Step::Wait(_))) {
                    self.maintenance.dirty.insert(id);
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
                    let told = self.logs.get(&id).is_none_or(|log| log.stopped.is_some());
                    if !told {
                        self.stop(id, why, events);
                    }
                }
                // The log is gone, or storage could not be read: the next interval tries again.
                Err(_) => {}
            }
        }
    }

    /// Starts to clean `id`, once its index is in memory.
    fn start_cleaning(&mut self, now: Now, id: PartitionId) -> Result<Step, LogError> {
        let limits = self.limits;
        let log = self.usable(id)?;
        if !log.may_be_dirty() {
            return Ok(Step::Done);
        }
        if !log.index.complete {
            return Ok(Step::Wait(self.load_index(id)?));
        }
        self.maintenance.cleaning = Cleaning::start(log, limits, now.wall.0);
        Ok(Step::GoOn)
    }
}
