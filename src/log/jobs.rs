//! Doing the background work that `maintenance` has next.

use super::PartitionId;
use super::cleaner::Cleaning;
use super::error::LogError;
use super::layout::NEVER_MS;
use super::maintenance::{Job, Step};
use super::manager::{LogEvent, LogManager};
use crate::now::{Instant, Now};

/// Steps of jobs that are done within one event.
const STEPS_MAX: usize = 1024;

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
        let deadline = self.maintenance.wake_at();
        // The end of a commit in flight looks by itself.
        let background = self
            .backlog
            .background_from()
            .filter(|_| self.commit.is_none() && self.wants_background_commit());
        [deadline, background, self.held_until()]
            .into_iter()
            .flatten()
            .min()
    }

    fn wants_background_commit(&self) -> bool {
        self.backlog.has_background()
            || self.maintenance.wants_commit()
            || self.journal.may_move(&self.limits)
            || self.journal.must_purge()
    }

    /// Goes on with the jobs until all wait.
    pub(super) fn go_on(&mut self, now: Now, events: &mut Vec<LogEvent>) {
        for _ in 0..STEPS_MAX {
            let loads = &self.loads;
            let next = self.maintenance.next_job(|load| loads.is_under_way(load));
            let Some(mut job) = next else {
                return;
            };
            let step = match &mut job {
                Job::Clean(cleaning) => self.clean(now, cleaning),
                Job::Retain(id) => self.retain(now, *id),
                Job::StartCleaning(id) => self.start_cleaning(now, *id),
            };
            match (step, job) {
                (Ok(Step::Wait(load)), job) => self.maintenance.wait(job, load),
                (Ok(Step::GoOn), Job::Clean(cleaning)) => self.maintenance.go_on(*cleaning),
                (Ok(Step::Commit(rewrite)), Job::Clean(cleaning)) => {
                    self.maintenance.commit(*cleaning, rewrite);
                }
                (Ok(Step::Clean(cleaning)), _) => self.maintenance.go_on(cleaning),
                (Ok(Step::Done | Step::GoOn | Step::Commit(_)), _) => {}
                (Err(error), job) => self.job_failed(now, &job, error, events),
            }
        }
    }

    fn job_failed(&mut self, now: Now, job: &Job, error: LogError, events: &mut Vec<LogEvent>) {
        let id = job.id();
        match error {
            LogError::Stopped(why) => {
                self.maintenance.forget(id);
                let told = self.logs.get(&id).is_none_or(|log| log.stopped.is_some());
                if !told {
                    self.stop(id, why, events);
                }
            }
            LogError::UnknownPartition => self.maintenance.forget(id),
            // Storage could not be read.
            _ => self.maintenance.failed(now, job),
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
            self.maintenance.clean_when_moved(id);
            return Ok(Step::Done);
        } else if !log.index.complete {
            return Ok(Step::Wait(self.load_index(id)?));
        } else {
            match Cleaning::start(log, limits, now.wall.0) {
                Ok(cleaning) => return Ok(Step::Clean(cleaning)),
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
