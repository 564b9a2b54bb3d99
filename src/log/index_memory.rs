//! What the index rows of all logs take in memory, and whose go when it is too much.

use super::PartitionId;
use std::collections::BTreeMap;

/// Index rows that are kept in memory, over all logs: at about 100 bytes each, 6 MiB.
pub const INDEX_ROWS_MAX: usize = 64 << 10;

/// So many logs that were used last keep their rows, however many: two readers that took them from
/// each other would both never end.
const KEPT_LOGS: usize = 8;

/// How many rows each log has in memory, and which were used last.
#[derive(Debug, Default)]
pub(super) struct IndexMemory {
    logs: BTreeMap<PartitionId, Rows>,
    /// The same by the last use, oldest first.
    by_use: BTreeMap<u64, PartitionId>,
    uses: u64,
    count: usize,
}

#[derive(Debug)]
struct Rows {
    count: usize,
    last_use: u64,
}

impl IndexMemory {
    /// A log has so many rows in memory, and they are used.
    pub fn used(&mut self, id: PartitionId, count: usize) {
        self.forget(id);
        if count > 0 {
            self.uses += 1;
            self.count += count;
            self.by_use.insert(self.uses, id);
            let last_use = self.uses;
            self.logs.insert(id, Rows { count, last_use });
        }
    }

    /// A log has none in memory any more.
    pub fn forget(&mut self, id: PartitionId) {
        if let Some(rows) = self.logs.remove(&id) {
            self.by_use.remove(&rows.last_use);
            self.count -= rows.count;
        }
    }

    /// The log that used its rows longest ago, if there are more than `rows_max` in all.
    pub fn in_excess(&self, rows_max: usize) -> Option<PartitionId> {
        let is_too_much = self.count > rows_max && self.logs.len() > KEPT_LOGS;
        let oldest = self.by_use.first_key_value();
        oldest.filter(|_| is_too_much).map(|(_, id)| *id)
    }
}
