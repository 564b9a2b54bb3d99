//! What everybody in a run has in common: chance, time, what goes wrong, and who watches.

use super::faults::Faults;
use super::network::{Direction, PipeId};
use super::node::Side;
use super::oracle::Oracle;
use super::report::{Counts, Trace};
use super::scheduler::{Random, Scheduler};
use super::work::Work;
use crate::client;
use crate::now::{Instant, Now};
use crate::storage::StorageReply;

/// What can be due.
#[derive(Debug)]
pub enum Step {
    /// A machine's storage does one step.
    Disk(u64, Side, u64),
    /// A machine hears what its storage did.
    Stored(u64, Side, u64, StorageReply),
    /// A machine's timer.
    Wake(u64, Side, u64, u64),
    /// A machine hears the other one of its worker.
    Hear(u64, Side),
    /// A connection's end hears something.
    Arrive(PipeId, Direction),
    /// A client's timer: which client, which of its lives, which timer.
    ClientWake(usize, u64, u64),
    /// A client's application may act.
    Act(usize, u64),
    /// A client could not connect.
    Refused(usize, u64, client::ConnectionId),
    /// A new life of the broker begins, unless one has meanwhile.
    Start(u64),
    /// A zombie dies.
    EndZombie(u64),
    /// Something goes wrong.
    Fault,
    /// There is room again.
    QuotaFreed(u64),
}

/// What everybody in a run has in common. The parts of a cluster are handed it with each call, and
/// reach each other by nothing else than what they return.
pub struct World {
    /// Every choice.
    pub random: Random,
    /// What goes wrong by itself, and how slow everything is.
    pub faults: Faults,
    /// What was promised.
    pub oracle: Oracle,
    /// What was done.
    pub counts: Counts,
    /// What happened.
    pub trace: Trace,
    /// What it took.
    pub work: Work,
    scheduler: Scheduler<Step>,
}

impl World {
    /// The world in which nothing has happened.
    pub fn new(random: Random, oracle: Oracle, counts: Counts, trace: Trace, work: Work) -> World {
        World {
            random,
            faults: Faults::none(),
            oracle,
            counts,
            trace,
            work,
            scheduler: Scheduler::new(),
        }
    }

    /// What both clocks show.
    pub fn now(&self) -> Now {
        self.scheduler.now()
    }

    /// Makes `step` due in `ms`.
    pub fn after(&mut self, ms: u64, step: Step) {
        self.scheduler.after(&mut self.random, ms, step);
    }

    /// Makes `step` due at an instant.
    pub fn at(&mut self, at: Instant, step: Step) {
        self.scheduler.at(&mut self.random, at, step);
    }

    /// The next step; time moves on to it.
    pub fn next(&mut self) -> Option<Step> {
        let step = self.scheduler.next();
        self.trace.now_ms = self.scheduler.now().monotonic.0;
        step
    }

    /// Nobody runs for so long.
    pub fn sleep(&mut self, ms: u64) {
        self.scheduler.sleep(ms);
    }

    /// Somebody sets the wall clock.
    pub fn shift_wall(&mut self, ms: i64) {
        self.oracle.clock(self.now());
        self.scheduler.shift_wall(ms);
        self.oracle.clock(self.now());
    }

    /// How long storage takes this time.
    pub fn storage_ms(&mut self) -> u64 {
        self.random.between(0, self.faults.storage_ms_max)
    }

    /// Something is under way on a connection.
    pub fn arrival(&mut self, pipe: PipeId, direction: Direction) {
        let mut ms = self.random.between(0, self.faults.network_ms_max);
        if self.random.chance(self.faults.straggler) {
            ms *= 10;
        }
        self.after(ms, Step::Arrive(pipe, direction));
    }

    /// Writes down what happened.
    pub fn line(&mut self, line: impl FnOnce() -> String) {
        self.trace.line(line);
    }
}
