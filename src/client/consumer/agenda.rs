//! What is to be done, and for which partitions.
//!
//! A consumer may have thousands of partitions, and something happens to one of them at a time. So
//! nobody looks through all of them for what to do: a partition that was changed is entered again
//! where it belongs.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::TopicPartition;
use crate::now::Instant;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Partitions that were changed since they were entered.
    changed: BTreeSet<TopicPartition>,
    entries: BTreeMap<TopicPartition, Entry>,
    lists: BTreeMap<List, BTreeSet<TopicPartition>>,
    timers: BTreeSet<(Instant, TopicPartition)>,
    buffered_bytes: usize,
}

/// Something to be done for partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    /// Their positions are not known, and nobody was asked.
    Find,
    /// They are to be fetched, and no fetch asks for them.
    Fetch,
    /// They have records for the application.
    Deliver,
    /// More of them is processed than committed.
    Commit,
    /// They are to be given up.
    GiveUp,
    /// They are to be given up, and the application works on a batch of them.
    Finish,
    /// They wait for a leader.
    Leaderless,
}

/// Where a partition belongs.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub lists: Vec<List>,
    /// When it belongs elsewhere though nothing happens.
    pub timer: Option<Instant>,
    /// Fetched, and not delivered.
    pub buffered_bytes: usize,
}

impl Agenda {
    pub fn change(&mut self, partition: &TopicPartition) {
        self.changed.insert(partition.clone());
    }

    /// The next that was changed, or whose time has come: it is to be entered.
    pub fn next_changed(&mut self, now: Instant) -> Option<TopicPartition> {
        while self.timers.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, partition)) = self.timers.pop_first()
        {
            if let Some(entry) = self.entries.get_mut(&partition) {
                entry.timer = None;
            }
            self.changed.insert(partition);
        }
        self.changed.pop_first()
    }

    /// Enters a partition where it belongs now; one that is gone belongs nowhere.
    pub fn enter(&mut self, partition: TopicPartition, entry: Entry) {
        let before = self.entries.remove(&partition).unwrap_or_default();
        if before != entry {
            for list in &before.lists {
                self.lists.entry(*list).or_default().remove(&partition);
            }
            for list in &entry.lists {
                let list = self.lists.entry(*list).or_default();
                list.insert(partition.clone());
            }
            if let Some(at) = before.timer {
                self.timers.remove(&(at, partition.clone()));
            }
            if let Some(at) = entry.timer {
                self.timers.insert((at, partition.clone()));
            }
            self.buffered_bytes -= before.buffered_bytes;
            self.buffered_bytes += entry.buffered_bytes;
        }
        if entry != Entry::default() {
            self.entries.insert(partition, entry);
        }
    }

    pub fn list(&self, list: List) -> impl Iterator<Item = &TopicPartition> {
        self.lists.get(&list).into_iter().flatten()
    }

    pub fn is_empty(&self, list: List) -> bool {
        self.lists.get(&list).is_none_or(BTreeSet::is_empty)
    }

    /// The first of the list behind `last`, or the first of all: each has its turn.
    pub fn in_turn(&self, list: List, last: Option<&TopicPartition>) -> Option<&TopicPartition> {
        use std::ops::Bound::{Excluded, Unbounded};
        let list = self.lists.get(&list)?;
        let behind = last.and_then(|last| list.range((Excluded(last), Unbounded)).next());
        behind.or_else(|| list.first())
    }

    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// When a partition belongs elsewhere though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    #[test]
    fn what_happens_to_one_partition_enters_that_one_again() {
        let mut agenda = Agenda::default();
        for partition in 0..3_000 {
            agenda.change(&name(partition));
        }
        let fetch = || Entry {
            lists: vec![List::Fetch],
            ..Entry::default()
        };
        while let Some(changed) = agenda.next_changed(Instant(0)) {
            agenda.enter(changed, fetch());
        }
        assert_eq!(agenda.list(List::Fetch).count(), 3_000);
        agenda.change(&name(7));
        assert_eq!(agenda.next_changed(Instant(0)), Some(name(7)));
        assert_eq!(agenda.next_changed(Instant(0)), None);
        let deliver = Entry {
            lists: vec![List::Deliver],
            timer: Some(Instant(5)),
            buffered_bytes: 10,
        };
        agenda.enter(name(7), deliver);
        assert_eq!(agenda.list(List::Fetch).count(), 2_999);
        assert_eq!(
            agenda.in_turn(List::Deliver, Some(&name(9))),
            Some(&name(7))
        );
        assert_eq!(
            (agenda.buffered_bytes(), agenda.deadline()),
            (10, Some(Instant(5)))
        );
        assert_eq!(agenda.next_changed(Instant(4)), None);
        assert_eq!(agenda.next_changed(Instant(5)), Some(name(7)));
        agenda.enter(name(7), Entry::default());
        assert!(agenda.is_empty(List::Deliver));
        assert_eq!((agenda.buffered_bytes(), agenda.deadline()), (0, None));
    }
}
