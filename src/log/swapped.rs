//! The planted bug `CommitOrderSwapped`: a commit is held back until the next one was sent.
//!
//! The simulator must find it: a crash between the two leaves a journal with a hole.

use super::PartitionId;
use super::commit::Commit;
use super::manager::LogManager;
use crate::now::{Instant, Now};
use crate::storage::{StorageRequest, Ticket};

/// A commit that nothing follows is sent after this.
const HELD_MS_MAX: u64 = 10;

/// The earlier commit of a pair.
#[derive(Debug)]
pub(super) struct Held {
    pub commit: Commit,
    /// Until it is sent.
    request: Option<StorageRequest>,
    until: Instant,
}

impl LogManager {
    /// What stands for `start_commit` under the planted bug.
    pub(super) fn start_swapped(&mut self, now: Now) -> Vec<StorageRequest> {
        let Some(held) = &self.held else {
            let Some(request) = self.start_commit(now) else {
                return Vec::new();
            };
            let appends_only = self.commit.as_ref().is_some_and(Commit::appends_only);
            return match self.commit.take_if(|_| appends_only) {
                Some(commit) => {
                    self.held = Some(Held {
                        commit,
                        request: Some(request),
                        until: now.monotonic + HELD_MS_MAX,
                    });
                    Vec::new()
                }
                None => vec![request],
            };
        };
        let due = held.until <= now.monotonic;
        if held.request.is_none() || (!self.backlog.has_appended() && !due) {
            return Vec::new();
        }
        let later = self.start_commit(now);
        let earlier = self.held.as_mut().and_then(|held| held.request.take());
        later.into_iter().chain(earlier).collect()
    }

    /// The earlier commit, if `ticket` is its.
    pub(super) fn take_held(&mut self, ticket: Ticket) -> Option<Commit> {
        let held = self.held.take_if(|held| held.commit.ticket == ticket)?;
        Some(held.commit)
    }

    /// Whether an earlier commit is held back.
    pub(super) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// The earlier commit will never be sent; the logs that it is of.
    pub(super) fn drop_held(&mut self) -> Vec<PartitionId> {
        let held = self.held.take();
        held.map_or_else(Vec::new, |held| held.commit.logs.into_keys().collect())
    }

    /// The journal row that the next commit writes.
    pub(super) fn next_row_seq(&self) -> u64 {
        self.journal.next_seq + u64::from(self.is_holding())
    }

    /// From where on batches of a log are in no commit yet.
    pub(super) fn committed_end(&self, id: PartitionId) -> i64 {
        let held = self.held.as_ref();
        held.and_then(|held| held.commit.end_of(id))
            .or_else(|| Some(self.logs.get(&id)?.durable_end))
            .unwrap_or_default()
    }

    /// When the earlier commit is sent though nothing follows.
    pub(super) fn held_until(&self) -> Option<Instant> {
        let held = self.held.as_ref()?;
        held.request.as_ref().map(|_| held.until)
    }
}
