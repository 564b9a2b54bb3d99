//! Background work on the logs: one job on one log at a time.

use super::PartitionId;
use super::layout::{Chunk, Head};
use super::manager::{LogEvent, LogManager};
use crate::now::{Instant, Now};
use bytes::Bytes;
use std::collections::BTreeSet;

/// How often retention is checked (`log.retention.check.interval.ms`).
pub const RETENTION_CHECK_INTERVAL_MS: u64 = 5 * 60 * 1000;

#[derive(Debug, Default)]
pub(super) struct Maintenance {
    retention_at: Instant,
    moves: BTreeSet<PartitionId>,
    rewrite: Option<Rewrite>,
    retention: BTreeSet<PartitionId>,
}

/// Chunks of closed segments that a commit replaces as one.
#[derive(Debug)]
pub(super) struct Rewrite {
    pub id: PartitionId,
    pub head: Head,
    pub deleted: Vec<Chunk>,
    pub written: Vec<(Chunk, Bytes)>,
}

impl Maintenance {
    pub fn opened(&mut self, now: Now) {
        self.retention_at = now.monotonic;
    }

    pub fn take_moves(&mut self) -> BTreeSet<PartitionId> {
        std::mem::take(&mut self.moves)
    }

    pub fn take_rewrite(&mut self) -> Option<Rewrite> {
        self.rewrite.take()
    }

    pub fn rewrite_ended(&mut self) {}

    pub fn want_retention(&mut self, id: PartitionId) {
        self.retention.insert(id);
    }

    pub fn forget(&mut self, id: PartitionId) {
        self.moves.remove(&id);
        self.retention.remove(&id);
    }
}

impl LogManager {
    pub(super) fn maintain(&mut self, now: Now) {
        self.maintenance.retention_at = now.monotonic + RETENTION_CHECK_INTERVAL_MS;
    }

    pub(super) fn next_maintenance(&self) -> Instant {
        self.maintenance.retention_at
    }

    pub(super) fn go_on(&mut self, _now: Now, _events: &mut Vec<LogEvent>) {}
}
