//! Which partitions are read, and how far each has got.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::TopicPartition;
use crate::client::retry::Failures;
use crate::now::{Instant, Now};

use super::agenda::{Agenda, Entry, List};
use super::config::OffsetReset;
use super::fetcher::{Asked, Buffer};

/// The partitions that this consumer has.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    assigned: BTreeMap<TopicPartition, Partition>,
    paused: BTreeMap<String, Pause>,
    /// Seeks of partitions that are not assigned yet.
    pub seeks: BTreeMap<TopicPartition, i64>,
    /// The newest batch of each partition that the application has got, also of partitions that are
    /// not assigned any more.
    handed_out: BTreeMap<TopicPartition, HandedOut>,
    next_fence: u64,
    agenda: Agenda,
}

/// A batch that the application has got.
#[derive(Debug)]
struct HandedOut {
    assignment: Assignment,
    fence: u64,
    /// The application is through with it.
    processed: bool,
}

/// Which time of many it is that a partition was assigned to this consumer. What the application
/// does with records counts for the time in which it got them: afterwards somebody else may have
/// read and committed more, or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Assignment(u64);

/// One partition.
#[derive(Debug)]
pub(super) struct Partition {
    assignment: Assignment,
    /// What the application says with another fence is about something older.
    pub fence: u64,
    pub position: Position,
    /// The newest fetch that asks for it, while that is under way.
    pub asked: Option<Asked>,
    /// Fetched from the position on.
    pub buffer: Option<Buffer>,
    /// The application has a batch that ends here and has not said that it is through with it.
    pub delivered_to: Option<i64>,
    /// Of the next record to process.
    pub resolved: Option<i64>,
    /// What the group's coordinator has of that.
    pub committed: Option<i64>,
    /// To be given up: nothing more is delivered.
    pub revoking: bool,
    pub offset_reset: OffsetReset,
    /// Nobody could be asked: it waits for metadata.
    pub leaderless: bool,
    /// It is to be fetched when its leader has a lane for it.
    pub waits_for_lane: bool,
    /// After an error, nothing is asked before this.
    pub not_before: Instant,
    pub failures: Failures,
    /// Whom they are of: the next leader begins anew.
    pub failed_leader_epoch: i32,
}

/// Where a partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// To be asked of the group's coordinator.
    Committed { asked: bool },
    /// To be asked of the leader, by ListOffsets' timestamp: -1 is the end, -2 the beginning.
    Listed { timestamp: i64, asked: bool },
    /// The next offset to deliver.
    At(i64),
}

#[derive(Debug)]
enum Pause {
    Only(BTreeSet<i32>),
    AllBut(BTreeSet<i32>),
}

impl Partitions {
    /// Adds a partition. `offset` is where to start, if it is known; a seek counts more.
    pub fn assign(
        &mut self,
        partition: TopicPartition,
        offset: Option<i64>,
        offset_reset: OffsetReset,
    ) {
        let offset = self.seeks.remove(&partition).or(offset);
        let position = match offset {
            Some(offset) => position_for(offset),
            None => Position::Committed { asked: false },
        };
        let fence = self.take_fence();
        let state = Partition {
            assignment: Assignment(fence),
            fence,
            position,
            asked: None,
            buffer: None,
            delivered_to: None,
            resolved: offset.filter(|offset| *offset >= 0),
            committed: None,
            revoking: false,
            offset_reset,
            leaderless: false,
            waits_for_lane: false,
            not_before: Instant::default(),
            failures: Failures::default(),
            failed_leader_epoch: -1,
        };
        self.agenda.change(&partition);
        self.assigned.insert(partition, state);
    }

    pub fn get(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.assigned.get(partition)
    }

    pub fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        self.agenda.change(partition);
        self.assigned.get_mut(partition)
    }

    /// The partition, unless the fence says that something older is meant.
    pub fn fenced(&mut self, partition: &TopicPartition, fence: u64) -> Option<&mut Partition> {
        self.get_mut(partition).filter(|state| state.fence == fence)
    }

    /// The application gets a batch of the partition.
    pub fn hand_out(&mut self, partition: &TopicPartition) {
        if let Some(state) = self.assigned.get(partition) {
            let handed_out = HandedOut {
                assignment: state.assignment,
                fence: state.fence,
                processed: false,
            };
            self.handed_out.insert(partition.clone(), handed_out);
            self.agenda.change(partition);
        }
    }

    /// The application is through with a batch, whether it still counts or not.
    pub fn processed(&mut self, partition: &TopicPartition, fence: u64) {
        if let Some(handed_out) = self.handed_out.get_mut(partition) {
            handed_out.processed |= handed_out.fence == fence;
            self.agenda.change(partition);
        }
    }

    /// The application works on nothing any more.
    pub fn forget_handed_out(&mut self) {
        for partition in std::mem::take(&mut self.handed_out).into_keys() {
            self.agenda.change(&partition);
        }
    }

    /// Whether the application still works on what it got of the partition before that was taken
    /// away. It gets nothing more of it until then: nobody could tell what a commit is about.
    pub fn is_in_former_hand(&self, partition: &TopicPartition) -> bool {
        self.handed_out.get(partition).is_some_and(|handed_out| {
            !handed_out.processed && self.assignment(partition) != Some(handed_out.assignment)
        })
    }

    /// What a commit for the partition belongs to: the time in which its last records were handed
    /// out, or this one if there were none. `None` for a partition that this consumer never had.
    pub fn commits_for(&self, partition: &TopicPartition) -> Option<Assignment> {
        let handed_out = self.handed_out.get(partition);
        handed_out
            .map(|handed_out| handed_out.assignment)
            .or_else(|| self.assignment(partition))
    }

    pub fn assignment(&self, partition: &TopicPartition) -> Option<Assignment> {
        self.assigned.get(partition).map(|state| state.assignment)
    }

    /// All of them: for what concerns the whole assignment.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Partition)> {
        self.assigned
            .keys()
            .for_each(|name| self.agenda.change(name));
        self.assigned.iter_mut()
    }

    /// What is to be done now, and for which of them.
    pub fn agenda(&mut self, now: Now) -> &Agenda {
        while let Some(name) = self.agenda.next_changed(now.monotonic) {
            let entry = self.entry(now, &name);
            self.agenda.enter(name, entry);
        }
        &self.agenda
    }

    fn entry(&self, now: Now, name: &TopicPartition) -> Entry {
        let Some(state) = self.assigned.get(name) else {
            return Entry::default();
        };
        let waits = state.not_before > now.monotonic;
        let asks = !waits && !state.leaderless;
        let paused = self.is_paused(name);
        let finds = matches!(
            state.position,
            Position::Committed { asked: false } | Position::Listed { asked: false, .. }
        );
        let fetches = match state.position {
            Position::At(offset) => {
                let is_asked = |asked: Asked| asked.is_for(state.fence, offset);
                !state.asked.is_some_and(is_asked)
                    && !state.waits_for_lane
                    && state.buffer.is_none()
                    && !state.revoking
                    && !paused
            }
            _ => false,
        };
        let delivers = state.buffer.is_some()
            && state.delivered_to.is_none()
            && !state.revoking
            && !paused
            && !self.is_in_former_hand(name);
        let lists = [
            (List::Find, finds && asks && !state.revoking),
            (List::Fetch, fetches && asks),
            (List::Deliver, delivers),
            (
                List::Commit,
                state.resolved.is_some() && state.resolved != state.committed,
            ),
            (List::GiveUp, state.revoking),
            (List::Finish, state.revoking && state.delivered_to.is_some()),
            (List::Leaderless, state.leaderless),
        ];
        let lists = lists.into_iter().filter(|(_, belongs)| *belongs);
        Entry {
            lists: lists.map(|(list, _)| list).collect(),
            timer: waits.then_some(state.not_before),
            buffered_bytes: state.buffer.as_ref().map_or(0, Buffer::size_bytes),
        }
    }

    pub fn names(&self) -> Vec<TopicPartition> {
        self.assigned.keys().cloned().collect()
    }

    /// Takes away those that `gone` says; gives their names.
    pub fn remove_if(
        &mut self,
        gone: impl Fn(&TopicPartition, &Partition) -> bool,
    ) -> Vec<TopicPartition> {
        let names: Vec<_> = (self.assigned.iter())
            .filter(|(name, state)| gone(name, state))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &names {
            self.assigned.remove(name);
            self.agenda.change(name);
        }
        names
    }

    /// Goes on at `offset` (-1 the end, -2 the beginning); what was delivered becomes stale.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        let fence = self.take_fence();
        match self.get_mut(partition) {
            Some(state) => {
                state.fence = fence;
                state.position = position_for(offset);
                state.buffer = None;
                state.delivered_to = None;
                state.resolved = Some(offset).filter(|offset| *offset >= 0);
                state.not_before = Instant::default();
                state.leaderless = false;
            }
            None => {
                self.seeks.insert(partition.clone(), offset);
            }
        }
    }

    pub fn pause(&mut self, topic: &str, partitions: Option<&[i32]>) {
        match (self.paused.get_mut(topic), partitions) {
            (Some(Pause::Only(paused)), Some(more)) => paused.extend(more),
            (Some(Pause::AllBut(resumed)), Some(some)) => remove(resumed, some),
            (None, Some(some)) => {
                let some = some.iter().copied().collect();
                self.paused.insert(topic.to_string(), Pause::Only(some));
            }
            (_, None) => {
                self.paused
                    .insert(topic.to_string(), Pause::AllBut(BTreeSet::new()));
            }
        }
        for name in self.meant(topic, partitions) {
            // What is paused for long must not take the room of what is not.
            if let Some(state) = self.get_mut(&name) {
                state.buffer = None;
            }
        }
    }

    pub fn resume(&mut self, topic: &str, partitions: Option<&[i32]>) {
        match (self.paused.get_mut(topic), partitions) {
            (Some(Pause::Only(paused)), Some(some)) => remove(paused, some),
            (Some(Pause::AllBut(resumed)), Some(some)) => resumed.extend(some),
            (Some(_), None) => {
                self.paused.remove(topic);
            }
            (None, _) => {}
        }
        for name in self.meant(topic, partitions) {
            self.agenda.change(&name);
        }
    }

    /// Those of a topic that a command names; all that are assigned if it names none.
    pub fn meant(&self, topic: &str, partitions: Option<&[i32]>) -> Vec<TopicPartition> {
        let name = |partition: i32| TopicPartition::new(topic, partition);
        match partitions {
            Some(some) => some.iter().copied().map(name).collect(),
            None => {
                let all = self.assigned.range(name(i32::MIN)..=name(i32::MAX));
                all.map(|(name, _)| name.clone()).collect()
            }
        }
    }

    pub fn is_paused(&self, partition: &TopicPartition) -> bool {
        match self.paused.get(&partition.topic) {
            Some(Pause::Only(paused)) => paused.contains(&partition.partition),
            Some(Pause::AllBut(resumed)) => !resumed.contains(&partition.partition),
            None => false,
        }
    }

    fn take_fence(&mut self) -> u64 {
        self.next_fence += 1;
        self.next_fence
    }
}

fn remove(partitions: &mut BTreeSet<i32>, some: &[i32]) {
    for partition in some {
        partitions.remove(partition);
    }
}

fn position_for(offset: i64) -> Position {
    match offset {
        0.. => Position::At(offset),
        timestamp => Position::Listed {
            timestamp,
            asked: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_of_a_paused_topic_can_be_resumed_alone() {
        let mut partitions = Partitions::default();
        let paused = |partitions: &Partitions| -> Vec<i32> {
            (0..3)
                .filter(|partition| partitions.is_paused(&TopicPartition::new("t", *partition)))
                .collect()
        };
        partitions.pause("t", None);
        partitions.resume("t", Some(&[1]));
        assert_eq!(paused(&partitions), [0, 2]);
        partitions.pause("t", Some(&[1]));
        assert_eq!(paused(&partitions), [0, 1, 2]);
        partitions.resume("t", None);
        partitions.pause("t", Some(&[0, 2]));
        partitions.resume("t", Some(&[0]));
        assert_eq!(paused(&partitions), [2]);
        assert!(!partitions.is_paused(&TopicPartition::new("other", 0)));
    }
}
