//! What waits for a commit, over all logs.

use super::PartitionId;
use super::maintenance::TRIM_PARTITIONS_MAX;
use crate::now::{Instant, Now};
use crate::storage::Reserve;
use std::collections::BTreeSet;

/// Bytes that may wait for a commit, over all partitions; beyond it appends are refused.
pub const UNCOMMITTED_BYTES_MAX: usize = 32 << 20;

/// After a failed commit, moves, deletions and compaction wait so long, and appends go on alone:
/// under a full quota a small append may pass where a move does not.
pub const BACKGROUND_RETRY_MS: u64 = 5_000;

/// What waits for a commit.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Logs with batches that no commit has taken up.
    appended: BTreeSet<PartitionId>,
    /// Of them and of the commit in flight.
    bytes: usize,
    /// What the batches that no commit has taken up may use when the quota is full.
    reserve: Option<Reserve>,
    /// Logs whose head row must be written, alone.
    heads: BTreeSet<PartitionId>,
    /// Logs of which everything must be deleted.
    removals: BTreeSet<PartitionId>,
    /// After a failed commit, background work waits until then.
    background_from: Option<Instant>,
}

impl Backlog {
    /// Whether more may be appended.
    pub fn has_room(&self) -> bool {
        self.bytes < UNCOMMITTED_BYTES_MAX
    }

    /// A log has so many more bytes, which may use a reserve. One commit for all: a node's own
    /// records may not take others along.
    pub fn appended(&mut self, id: PartitionId, bytes: usize, reserve: Reserve) {
        self.bytes += bytes;
        self.appended.insert(id);
        match reserve {
            Reserve::None => self.reserve = Some(Reserve::None),
            reserve => {
                self.reserve.get_or_insert(reserve);
            }
        }
    }

    /// Lets what a coordinator has appended use the whole reserve.
    pub fn use_whole_reserve(&mut self) {
        if let Some(Reserve::Part) = self.reserve {
            self.reserve = Some(Reserve::All);
        }
    }

    /// The logs with batches that no commit has taken up.
    pub fn logs(&self) -> &BTreeSet<PartitionId> {
        &self.appended
    }

    /// Takes them for a commit, with what they may use.
    pub fn take(&mut self) -> (BTreeSet<PartitionId>, Reserve) {
        let reserve = self.reserve.take().unwrap_or_default();
        (std::mem::take(&mut self.appended), reserve)
    }

    /// Bytes are committed.
    pub fn committed(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Nothing waits any more, as it is taken back: the logs that it was of.
    pub fn clear(&mut self) -> BTreeSet<PartitionId> {
        self.bytes = 0;
        self.take().0
    }

    /// Bytes that wait, or are in the commit in flight.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A log is gone, with bytes that were not committed: everything of it is to be deleted.
    pub fn remove(&mut self, id: PartitionId, bytes: usize) {
        self.appended.remove(&id);
        self.heads.remove(&id);
        self.bytes -= bytes;
        self.removals.insert(id);
    }

    pub fn write_head(&mut self, id: PartitionId) {
        self.heads.insert(id);
    }

    pub fn next_head(&mut self) -> Option<PartitionId> {
        self.heads.pop_first()
    }

    /// The logs to delete with the next commit, a bounded number.
    pub fn take_removals(&mut self) -> Vec<PartitionId> {
        let next = std::iter::from_fn(|| self.removals.pop_first());
        next.take(TRIM_PARTITIONS_MAX).collect()
    }

    /// The commit that should have deleted these has failed.
    pub fn remove_again(&mut self, ids: Vec<PartitionId>) {
        self.removals.extend(ids);
    }

    /// Whether heads or deletions wait.
    pub fn has_background(&self) -> bool {
        !self.removals.is_empty() || !self.heads.is_empty()
    }

    /// Appends that are tried again and again may not put off for ever what would free room.
    pub fn put_off_background(&mut self, now: Now) {
        let later = now.monotonic + BACKGROUND_RETRY_MS;
        self.background_from.get_or_insert(later);
    }

    /// When background work may go on, if it may not now.
    pub fn background_from(&self) -> Option<Instant> {
        self.background_from
    }

    pub fn resume_background(&mut self, now: Now) {
        self.background_from.take_if(|from| *from <= now.monotonic);
    }
}
