//! Which logs are to be looked at, and when.

use super::PartitionId;
use super::layout::NEVER_MS;
use std::collections::{BTreeMap, BTreeSet};

/// A time for each log that waits for something, on the wall clock as records' timestamps are.
///
/// Times are put off to the next of regular checks (as of `log.retention.check.interval.ms`), so
/// that many small logs are done together; a check that no log waits for does not take place.
#[derive(Debug)]
pub(super) struct Deadlines {
    first_check_ms: i64,
    interval_ms: i64,
    by_time: BTreeSet<(i64, PartitionId)>,
    times: BTreeMap<PartitionId, i64>,
}

impl Deadlines {
    pub fn every(interval_ms: i64) -> Deadlines {
        Deadlines {
            first_check_ms: 0,
            interval_ms: interval_ms.max(1),
            by_time: BTreeSet::new(),
            times: BTreeMap::new(),
        }
    }

    /// Says when the first check is.
    pub fn start(&mut self, first_check_ms: i64) {
        self.first_check_ms = first_check_ms;
    }

    pub fn interval_ms(&self) -> i64 {
        self.interval_ms
    }

    /// Looks at a log at the first check from `due_ms` on, and not at another time.
    pub fn set(&mut self, id: PartitionId, due_ms: i64) {
        self.forget(id);
        if due_ms != NEVER_MS {
            self.set_at(id, self.check_from(due_ms));
        }
    }

    /// Looks at a log at this time, whether there is a check or not.
    pub fn set_at(&mut self, id: PartitionId, time_ms: i64) {
        self.forget(id);
        self.times.insert(id, time_ms);
        self.by_time.insert((time_ms, id));
    }

    /// Looks at a log at the first check from `due_ms` on, unless it is looked at before.
    pub fn set_earlier(&mut self, id: PartitionId, due_ms: i64) {
        let known_ms = self.times.get(&id).copied();
        if known_ms.is_none_or(|known_ms| due_ms < known_ms && self.check_from(due_ms) < known_ms) {
            self.set(id, due_ms);
        }
    }

    pub fn forget(&mut self, id: PartitionId) {
        if let Some(time) = self.times.remove(&id) {
            self.by_time.remove(&(time, id));
        }
    }

    /// A log whose time has come.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<PartitionId> {
        let (time, id) = *self.by_time.first()?;
        if time > now_ms {
            return None;
        }
        self.forget(id);
        Some(id)
    }

    /// The next check that a log waits for.
    pub fn next_ms(&self) -> Option<i64> {
        self.by_time.first().map(|(time, _)| *time)
    }

    fn check_from(&self, due_ms: i64) -> i64 {
        let late_ms = due_ms.saturating_sub(self.first_check_ms).max(0);
        let checks = late_ms / self.interval_ms + i64::from(late_ms % self.interval_ms > 0);
        self.first_check_ms
            .saturating_add(checks.saturating_mul(self.interval_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Uuid;

    fn id(partition: i32) -> PartitionId {
        PartitionId {
            topic_id: Uuid([1; 16]),
            partition,
        }
    }

    #[test]
    fn logs_are_looked_at_at_the_first_check_from_their_time_on() {
        let mut deadlines = Deadlines::every(10);
        deadlines.start(5);
        for (partition, due_ms) in [(0, 0), (1, 5), (2, 6), (3, 15), (4, NEVER_MS)] {
            deadlines.set(id(partition), due_ms);
        }
        assert_eq!(deadlines.next_ms(), Some(5));
        assert_eq!(deadlines.pop_due(4), None);
        assert_eq!(deadlines.pop_due(5), Some(id(0)));
        assert_eq!(deadlines.pop_due(5), Some(id(1)));
        assert_eq!(deadlines.pop_due(14), None);
        deadlines.set_earlier(id(3), 4);
        deadlines.set_earlier(id(3), 40);
        assert_eq!(deadlines.pop_due(14), Some(id(3)));
        deadlines.forget(id(2));
        assert_eq!(deadlines.next_ms(), None);
    }
}
