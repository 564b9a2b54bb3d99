//! What waits for a commit, over all logs.

use super::maintenance::TRIM_PARTITIONS_MAX;
use super::{AppendOrigin, PartitionId};
use crate::now::{Instant, Now};
use crate::planted::{self, PlantedBug};
use crate::storage::Reserve;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that may wait for a commit, over all partitions; beyond it appends are refused.
pub const UNCOMMITTED_BYTES_MAX: usize = 32 << 20;

/// After a failed commit, moves, deletions and compaction wait so long, and appends go on alone:
/// under a full quota a small append may pass where a move does not.
pub const BACKGROUND_RETRY_MS: u64 = 5_000;

/// What waits for a commit.
///
/// Batches are committed together, but for a while after a refusal, which is mostly that of a full
/// quota: then what coordinators append goes by itself, with its share of the reserve, so that
/// sends which are refused again and again keep nobody from reading.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Logs with batches that no commit has taken up, some of them clients'.
    records: BTreeSet<PartitionId>,
    /// Logs with such batches of coordinators only, and how many bytes.
    coordinated: BTreeMap<PartitionId, usize>,
    /// What coordinators have appended serves for more than reading.
    whole_reserve: bool,
    /// The last commit was of coordinators alone.
    coordinated_went: bool,
    /// Of all of them and of the commit in flight.
    bytes: usize,
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

    /// A log has so many more bytes.
    pub fn appended(&mut self, id: PartitionId, bytes: usize, origin: AppendOrigin) {
        self.bytes += bytes;
        if origin != AppendOrigin::Coordinator {
            self.coordinated.remove(&id);
            self.records.insert(id);
        } else if !self.records.contains(&id) {
            *self.coordinated.entry(id).or_default() += bytes;
        }
    }

    /// Lets what a coordinator has appended use the whole reserve.
    pub fn use_whole_reserve(&mut self) {
        self.whole_reserve = !self.coordinated.is_empty();
    }

    /// Whether there are batches that no commit has taken up.
    pub fn has_appended(&self) -> bool {
        !self.records.is_empty() || !self.coordinated.is_empty()
    }

    /// Takes logs with batches for a commit, with what they may use.
    pub fn take(&mut self) -> (BTreeSet<PartitionId>, Reserve) {
        let apart = self.background_from.is_some()
            && !self.records.is_empty()
            && !self.coordinated.is_empty();
        // In turns, since either may go on without end.
        self.coordinated_went = match apart {
            true => !self.coordinated_went,
            false => self.records.is_empty(),
        };
        if self.coordinated_went {
            let reserve = match (self.coordinated.is_empty(), self.whole_reserve) {
                (true, _) => Reserve::None,
                (false, true) => Reserve::All,
                (false, false) => Reserve::Part,
            };
            self.whole_reserve = false;
            let taken = std::mem::take(&mut self.coordinated);
            return (taken.into_keys().collect(), reserve);
        }
        let mut taken = std::mem::take(&mut self.records);
        if !apart {
            // One commit for all of them: a node's own records may not take others along.
            taken.extend(std::mem::take(&mut self.coordinated).into_keys());
            self.whole_reserve = false;
        }
        let reserve = match planted::active(PlantedBug::ReserveUsedByRecords) {
            true => Reserve::All,
            false => Reserve::None,
        };
        (taken, reserve)
    }

    /// Bytes are committed.
    pub fn committed(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// A commit was refused, with batches of these logs: what stands behind them is taken back, and
    /// so are all records, which will hardly fare better. Returns all logs of which.
    pub fn refused(
        &mut self,
        committing: impl Iterator<Item = PartitionId>,
    ) -> BTreeSet<PartitionId> {
        let mut refused = std::mem::take(&mut self.records);
        refused.extend(committing);
        self.coordinated.retain(|id, _| !refused.contains(id));
        self.whole_reserve &= !self.coordinated.is_empty();
        self.bytes = self.coordinated.values().sum();
        refused
    }

    /// Bytes that wait, or are in the commit in flight.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A log is gone, with bytes that were not committed: everything of it is to be deleted.
    pub fn remove(&mut self, id: PartitionId, bytes: usize) {
        self.records.remove(&id);
        self.coordinated.remove(&id);
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
