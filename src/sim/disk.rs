//! A machine's storage, which answers late, refuses, and loses its connection.

use super::faults::Faults;
use super::report::Counts;
use super::scheduler::Random;
use crate::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};
use crate::storage::{StorageError, StorageReply, StorageRequest};

/// One owner's use of a medium. To drop it is to crash between two steps.
pub struct Disk {
    storage: FaultyStorage,
}

impl Disk {
    /// Opens the medium, which fences whoever had it.
    pub fn open(medium: &FaultyMedium) -> Result<Disk, StorageError> {
        let storage = FaultyStorage::new(medium);
        storage.open_now()?;
        Ok(Disk { storage })
    }

    /// Takes a request; [`step`](Disk::step) must be called once for it, and again whenever that
    /// gives nothing.
    pub fn submit(&self, request: StorageRequest) {
        self.storage.submit(request);
    }

    /// Does one step of any request that can be next. `None` when its outcome is not known yet.
    pub fn step(
        &self,
        random: &mut Random,
        faults: &Faults,
        quota_full: bool,
        counts: &mut Counts,
    ) -> Option<StorageReply> {
        let ready = self.storage.ready();
        if ready.is_empty() {
            return None;
        }
        let ticket = random.pick(&ready);
        let load_failed = random.chance(faults.load_failed);
        let commit = if quota_full {
            Outcome::Quota
        } else if random.chance(faults.commit_failed) {
            Outcome::Failed
        } else if random.chance(faults.unknown_applied) {
            Outcome::UnknownApplied
        } else if random.chance(faults.unknown_not_applied) {
            Outcome::UnknownNotApplied
        } else {
            Outcome::Done
        };
        // Only the storage knows whether the ticket is a load.
        let outcome = match (self.storage.is_load(ticket), load_failed) {
            (true, true) => Outcome::Failed,
            (true, false) => Outcome::Done,
            (false, _) => commit,
        };
        match outcome {
            Outcome::Done => {}
            Outcome::UnknownApplied => counts.fault("commit unknown, applied"),
            Outcome::UnknownNotApplied => counts.fault("commit unknown, not applied"),
            Outcome::Quota | Outcome::OnlyReserve => counts.fault("commit without room"),
            Outcome::Failed if load_failed => counts.fault("load failed"),
            Outcome::Failed => counts.fault("commit failed"),
        }
        self.storage.perform(ticket, outcome)
    }

    /// Whether requests are in flight.
    pub fn is_busy(&self) -> bool {
        !self.storage.ready().is_empty()
    }
}
