//! Requests that must wait, as in Kafka's `DelayedOperationPurgatory`.

use super::connections::RequestToken;
use crate::log::{LoadId, PartitionId};
use crate::now::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// Requests that may be parked at a time, over all connections.
pub const PURGATORY_REQUESTS_MAX: usize = 100_000;

/// What a parked request waits for, besides its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// Anything that moves in a partition.
    Partition(PartitionId),
    /// A load from storage.
    Load(LoadId),
    /// The controller's next block of producer ids.
    ProducerIds,
}

/// Parked requests with their deadlines and what wakes them.
#[derive(Debug)]
pub struct Purgatory<Operation> {
    parked: BTreeMap<RequestToken, Parked<Operation>>,
    deadlines: BTreeSet<(Instant, RequestToken)>,
    watchers: BTreeMap<Watch, BTreeSet<RequestToken>>,
}

/// A request at rest.
#[derive(Debug)]
pub struct Parked<Operation> {
    /// What it still has to do.
    pub operation: Operation,
    /// When it must be answered with what there is.
    pub deadline: Option<Instant>,
    /// What wakes it earlier.
    pub watches: BTreeSet<Watch>,
}

impl<Operation> Default for Purgatory<Operation> {
    fn default() -> Self {
        Purgatory {
            parked: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            watchers: BTreeMap::new(),
        }
    }
}

impl<Operation> Purgatory<Operation> {
    /// Whether another request may be parked.
    pub fn has_room(&self) -> bool {
        self.parked.len() < PURGATORY_REQUESTS_MAX
    }

    /// Lays a request to rest.
    pub fn park(&mut self, token: RequestToken, parked: Parked<Operation>) {
        if let Some(deadline) = parked.deadline {
            self.deadlines.insert((deadline, token));
        }
        for watch in &parked.watches {
            self.watchers.entry(*watch).or_default().insert(token);
        }
        self.parked.insert(token, parked);
    }

    /// A request at rest, to tell it what has happened.
    pub fn get_mut(&mut self, token: RequestToken) -> Option<&mut Operation> {
        let parked = self.parked.get_mut(&token)?;
        Some(&mut parked.operation)
    }

    /// Takes a request out, to go on with it or to answer it.
    pub fn take(&mut self, token: RequestToken) -> Option<Parked<Operation>> {
        let parked = self.parked.remove(&token)?;
        if let Some(deadline) = parked.deadline {
            self.deadlines.remove(&(deadline, token));
        }
        for watch in &parked.watches {
            if let Some(tokens) = self.watchers.get_mut(watch) {
                tokens.remove(&token);
                if tokens.is_empty() {
                    self.watchers.remove(watch);
                }
            }
        }
        Some(parked)
    }

    /// The requests that wait for `watch`, oldest first.
    pub fn watching(&self, watch: Watch) -> Vec<RequestToken> {
        let tokens = self.watchers.get(&watch).into_iter().flatten();
        tokens.copied().collect()
    }

    /// The requests whose deadline has come, earliest first.
    pub fn due(&self, now: Instant) -> Vec<RequestToken> {
        self.deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .map(|(_, token)| *token)
            .collect()
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Moves every deadline by the time in which nobody could run.
    pub fn postpone(&mut self, gap_ms: u64) {
        self.deadlines.clear();
        for (token, parked) in &mut self.parked {
            if let Some(deadline) = &mut parked.deadline {
                *deadline = *deadline + gap_ms;
                self.deadlines.insert((*deadline, *token));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Uuid;

    const WATCH: Watch = Watch::Partition(PartitionId {
        topic_id: Uuid([7; 16]),
        partition: 0,
    });

    fn parked(deadline_ms: u64) -> Parked<()> {
        let deadline = Some(Instant(deadline_ms));
        Parked {
            operation: (),
            deadline,
            watches: BTreeSet::from([WATCH]),
        }
    }

    #[test]
    fn a_request_that_was_taken_is_neither_due_nor_watching() {
        let mut purgatory = Purgatory::default();
        purgatory.park(RequestToken(1), parked(10));
        purgatory.park(RequestToken(2), parked(20));
        assert_eq!(
            purgatory.watching(WATCH),
            [RequestToken(1), RequestToken(2)]
        );
        assert!(purgatory.take(RequestToken(1)).is_some());
        assert_eq!(purgatory.watching(WATCH), [RequestToken(2)]);
        assert_eq!(purgatory.due(Instant(100)), [RequestToken(2)]);
        assert!(purgatory.take(RequestToken(1)).is_none());
    }

    #[test]
    fn a_gap_in_time_postpones_every_deadline() {
        let mut purgatory = Purgatory::default();
        purgatory.park(RequestToken(1), parked(10));
        purgatory.postpone(90);
        assert_eq!(purgatory.next_deadline(), Some(Instant(100)));
        assert!(purgatory.due(Instant(99)).is_empty());
        assert_eq!(purgatory.due(Instant(100)), [RequestToken(1)]);
    }
}
