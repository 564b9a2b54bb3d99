//! A machine's storage, which answers late, refuses, and loses its connection.

use super::faults::Faults;
use super::report::Counts;
use super::scheduler::Random;
use crate::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};
use crate::storage::{Reserve, StorageError, StorageReply, StorageRequest};
use std::collections::VecDeque;

/// One owner's use of a medium. To drop it is to crash between two steps.
pub struct Disk {
    storage: FaultyStorage,
    /// What each commit in flight may use of the reserve.
    reserves: VecDeque<Reserve>,
    refused_all: bool,
}

impl Disk {
    /// Opens the medium, which fences whoever had it.
    pub fn open(medium: &FaultyMedium) -> Result<Disk, StorageError> {
        let storage = FaultyStorage::new(medium);
        storage.open_now()?;
        Ok(Disk {
            storage,
            reserves: VecDeque::new(),
            refused_all: false,
        })
    }

    /// Takes a request; [`step`](Disk::step) must be called once for it, and again whenever that
    /// gives nothing.
    pub fn submit(&mut self, request: StorageRequest) {
        if let StorageRequest::Commit { batch, .. } = &request {
            self.reserves.push_back(batch.reserve);
        }
        self.storage.submit(request);
    }

    /// Does one step of any request that can be next. `None` when its outcome is not known yet.
    pub fn step(
        &mut self,
        random: &mut Random,
        faults: &Faults,
        counts: &mut Counts,
    ) -> Option<StorageReply> {
        let ready = self.storage.ready();
        if ready.is_empty() {
            return None;
        }
        let ticket = random.pick(&ready);
        let load_failed = random.chance(faults.load_failed);
        let commit = if random.chance(faults.commit_failed) {
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
            Outcome::Quota | Outcome::OnlyReserve => {}
            Outcome::Failed if load_failed => counts.fault("load failed"),
            Outcome::Failed => counts.fault("commit failed"),
        }
        let reply = self.storage.perform(ticket, outcome);
        if let Some(StorageReply::Committed { result, .. }) = &reply {
            let reserve = self.reserves.pop_front();
            if *result == Err(StorageError::Quota) {
                counts.fault("commit without room");
                self.refused_all |= reserve == Some(Reserve::All);
            }
        }
        reply
    }

    /// Whether it has ever refused, for want of room, a commit that may use the whole reserve.
    pub fn has_refused_all(&self) -> bool {
        self.refused_all
    }

    /// Whether requests are in flight.
    pub fn is_busy(&self) -> bool {
        !self.storage.ready().is_empty()
    }
}
