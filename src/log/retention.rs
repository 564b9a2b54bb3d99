//! Retention: which of the oldest segments go (`UnifiedLog.deleteOldSegments`).

use super::PartitionId;
use super::error::LogError;
use super::log::Log;
use super::maintenance::{Rewrite, Step};
use super::manager::LogManager;
use super::segment::Segment;
use crate::now::Now;

impl LogManager {
    /// Deletes the oldest segments of `id` that have expired, are too many, or lie below the start.
    pub(super) fn retain(&mut self, now: Now, id: PartitionId) -> Result<Step, LogError> {
        let log = self.usable(id)?;
        if !may_delete(log) {
            return Ok(Step::Done);
        }
        if !log.index.complete {
            return Ok(Step::Wait(self.load_index(id)?));
        }
        let segments = segments_with_tail(log);
        let deleted = count_deletable(log, &segments, now.wall.0);
        let Some(newest) = deleted.checked_sub(1).map(|last| segments[last]) else {
            return Ok(Step::Done);
        };
        // The active segment ends in the tail: it can go when it is one, in segments.
        let whole = deleted == segments.len();
        if whole && !log.tail.is_empty() {
            self.maintenance.want_move(id);
            return Ok(Step::Done);
        }
        let log_start_offset = match segments.get(deleted) {
            Some(next) => next.base_offset,
            None => log.head.segments_end,
        };
        let chunks = log.index.chunks();
        let rewrite = Rewrite {
            deleted: chunks
                .take_while(|chunk| chunk.segment_base <= newest.base_offset)
                .copied()
                .collect(),
            log_start_offset: Some(log_start_offset),
            rolled_at: whole.then_some(log.head.segments_end),
            ..Rewrite::of(id)
        };
        Ok(Step::Commit(rewrite))
    }
}

/// Whether anything may go at all: if not, nothing of the log need be loaded.
fn may_delete(log: &Log) -> bool {
    let config = &log.config;
    let has_limit = config.retention_ms >= 0 || config.retention_bytes >= 0;
    // Segments below the start are there only if it has moved.
    (config.cleanup_delete && has_limit) || log.head.log_start_offset > 0
}

/// The segments, as they would be if the tail were in them already.
fn segments_with_tail(log: &Log) -> Vec<Segment> {
    let mut segments = log.index.segments();
    let (Some(first), Some(last)) = (log.tail.front(), log.tail.back()) else {
        return segments;
    };
    let tail = Segment {
        base_offset: first.header.base_offset,
        last_offset: last.header.last_offset(),
        max_timestamp: log
            .tail
            .iter()
            .fold(-1, |max, batch| max.max(batch.header.max_timestamp)),
        size_bytes: log.tail_bytes as u64,
    };
    let active = log.head.active.map(|active| active.base_offset);
    match segments.last_mut() {
        Some(segment) if Some(segment.base_offset) == active => {
            segment.last_offset = tail.last_offset;
            segment.max_timestamp = segment.max_timestamp.max(tail.max_timestamp);
            segment.size_bytes += tail.size_bytes;
        }
        _ => segments.push(tail),
    }
    segments
}

fn count_deletable(log: &Log, segments: &[Segment], now_ms: i64) -> usize {
    let config = &log.config;
    let mut size_bytes: u64 = segments.iter().map(|segment| segment.size_bytes).sum();
    let end = log.cleanable_end();
    let start = log.head.log_start_offset;
    let deletable = segments.iter().take_while(|segment| {
        let expired = config.retention_ms >= 0
            && segment.max_timestamp >= 0
            && now_ms.saturating_sub(segment.max_timestamp) > config.retention_ms;
        let too_many = u64::try_from(config.retention_bytes)
            .is_ok_and(|kept| size_bytes >= kept.saturating_add(segment.size_bytes));
        let below_start = segment.last_offset < start;
        size_bytes -= segment.size_bytes;
        segment.last_offset < end
            && (below_start || (config.cleanup_delete && (expired || too_many)))
    });
    deletable.count()
}
