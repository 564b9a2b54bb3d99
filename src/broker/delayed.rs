//! Requests that wait: what wakes them, and how they go on.

use super::connections::RequestToken;
use super::delete_records::DelayedDeleteRecords;
use super::fetch::DelayedFetch;
use super::groups::DelayedGroupCall;
use super::list_offsets::DelayedListOffsets;
use super::produce::DelayedProduce;
use super::purgatory::{Parked, Watch};
use super::{Broker, Progress, init_producer_id};
use crate::log::{LogManager, PartitionId};
use crate::now::Now;
use crate::protocol::{ErrorCode, Request};
use crate::replica::Partition;
use crate::storage::StorageError;
use std::collections::{BTreeMap, BTreeSet};

/// A request at rest in the purgatory.
#[derive(Debug)]
pub enum Delayed {
    Produce(DelayedProduce),
    Fetch(DelayedFetch),
    ListOffsets(DelayedListOffsets),
    DeleteRecords(DelayedDeleteRecords),
    Group(DelayedGroupCall),
    /// Waits for the controller's answer, which is handed on as it comes.
    Forwarded,
    /// Waits until the controller has created topics, and starts over.
    AwaitsTopics(Request),
    /// Waits for a block of producer ids.
    InitProducerId,
}

/// What has happened to a parked request.
#[derive(Clone, Copy, Debug)]
pub enum Wake<'a> {
    /// Something that it watches has moved.
    Moved(Watch),
    /// Its deadline has come.
    Deadline,
    /// There are no producer ids, and why.
    NoProducerIds(ErrorCode),
    /// What was appended to this partition and not yet durable is gone.
    RolledBack(PartitionId, &'a StorageError),
}

/// The partitions of this broker, as parked requests look at them.
pub struct Leading<'a> {
    pub partitions: &'a BTreeMap<PartitionId, Partition>,
    pub logs: &'a LogManager,
}

impl Delayed {
    /// Takes note of what has happened: work for what has moved, whatever else the request waits
    /// for. True when it can go on.
    fn wake(&mut self, leading: &Leading<'_>, wake: Wake<'_>) -> bool {
        match self {
            Delayed::Produce(produce) => produce.wake(leading, wake),
            Delayed::Fetch(fetch) => fetch.wake(leading, wake),
            Delayed::ListOffsets(lookup) => lookup.wake(wake),
            Delayed::DeleteRecords(deletion) => deletion.wake(leading, wake),
            Delayed::InitProducerId => true,
            Delayed::Group(_) | Delayed::Forwarded | Delayed::AwaitsTopics(_) => false,
        }
    }
}

impl Broker {
    /// The partitions that this broker leads, to look at.
    pub(super) fn leading(&self) -> Leading<'_> {
        Leading {
            partitions: &self.partitions,
            logs: &self.logs,
        }
    }

    /// Wakes those who watch what has moved during this event.
    pub(super) fn wake_moved(&mut self, now: Now) {
        for watch in std::mem::take(&mut self.moved) {
            self.wake_watching(now, watch, Wake::Moved(watch));
        }
    }

    /// Tells those who wait for what was rolled back during this event.
    pub(super) fn wake_rolled_back(&mut self, now: Now) {
        for (id, error) in std::mem::take(&mut self.rolled_back) {
            self.wake_watching(now, Watch::Partition(id), Wake::RolledBack(id, &error));
        }
    }

    /// Wakes those who watch `watch`, oldest first.
    pub(super) fn wake_watching(&mut self, now: Now, watch: Watch, wake: Wake<'_>) {
        for token in self.purgatory.watching(watch) {
            self.wake_parked(now, token, wake);
        }
    }

    pub(super) fn wake_parked(&mut self, now: Now, token: RequestToken, wake: Wake<'_>) {
        let leading = Leading {
            partitions: &self.partitions,
            logs: &self.logs,
        };
        let operation = self.purgatory.get_mut(token);
        if !operation.is_some_and(|operation| operation.wake(&leading, wake)) {
            return;
        }
        let Some(parked) = self.purgatory.take(token) else {
            return;
        };
        let deadline = parked.deadline;
        let progress = match parked.operation {
            Delayed::Produce(produce) => produce.go_on(deadline),
            Delayed::Fetch(fetch) => self.read(now, token, fetch),
            Delayed::ListOffsets(lookup) => lookup.look_up(self),
            Delayed::DeleteRecords(deletion) => deletion.go_on(deadline),
            Delayed::InitProducerId => init_producer_id::advance(self, deadline, wake),
            operation => Progress::Park(Parked {
                operation,
                ..parked
            }),
        };
        self.settle_request(token, progress);
    }

    /// It is the turn of a fetch whose connection was muted.
    pub(super) fn go_on_reading(&mut self, now: Now, token: RequestToken) {
        if let Some(parked) = self.purgatory.take(token)
            && let Delayed::Fetch(fetch) = parked.operation
        {
            let progress = self.read(now, token, fetch);
            self.settle_request(token, progress);
        }
    }

    /// Where its connection is muted, what a fetch reads would only be added to what waits there.
    fn read(&mut self, now: Now, token: RequestToken, fetch: DelayedFetch) -> Progress {
        match self.connections.may_read(token) {
            true => fetch.read(self, now),
            false => Progress::Park(Parked {
                operation: Delayed::Fetch(fetch),
                deadline: None,
                watches: BTreeSet::new(),
            }),
        }
    }
}
