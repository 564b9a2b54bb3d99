//! Retention: which of the oldest segments go (`UnifiedLog.deleteOldSegments`).

use super::layout::{Chunk, NEVER_MS};
use super::log::Log;
use super::segment::Segment;

/// What retention deletes of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trim {
    /// Where the log starts then.
    pub log_start_offset: i64,
    pub deleted: Vec<Chunk>,
    /// What the age of the oldest segment that is left is counted from.
    pub oldest_ms: i64,
    /// The segment that grows is among those that go: the next batch starts another.
    pub rolls: bool,
}

impl Log {
    /// When retention is to look at it, or earlier; what lies beyond a size is not known here.
    pub fn expires_at_ms(&self) -> i64 {
        match self.retains_by_time() {
            true => self
                .oldest_ms
                .saturating_add(self.config.retention_ms)
                .saturating_add(1),
            false => NEVER_MS,
        }
    }

    fn retains_by_time(&self) -> bool {
        self.config.cleanup_delete && self.config.retention_ms >= 0
    }

    /// Whether appending may make it too large.
    pub fn retains_by_size(&self) -> bool {
        self.config.cleanup_delete && self.config.retention_bytes >= 0
    }

    /// Whether anything may go at all: if not, nothing of the log need be loaded.
    pub fn may_trim(&self) -> bool {
        // Segments below the start are there only if it has moved.
        self.retains_by_time() || self.retains_by_size() || self.head.log_start_offset > 0
    }

    /// The oldest segments that have expired, are too many, or lie below the start; and what the
    /// age of the oldest one is counted from where there are none. The index must be complete.
    pub fn trim(&self, now_ms: i64) -> Result<Trim, i64> {
        let segments = self.segments();
        let count = self.count_deletable(&segments, now_ms);
        let kept = segments.get(count);
        let oldest_ms = kept.map_or(NEVER_MS, Segment::dated_ms);
        let Some(last) = count.checked_sub(1).map(|last| segments[last]) else {
            return Err(oldest_ms);
        };
        let log_start_offset = kept.map_or(last.last_offset + 1, |kept| kept.base_offset);
        let chunks = self.index.chunks();
        let active = self.tail.active();
        Ok(Trim {
            log_start_offset: log_start_offset.max(self.head.log_start_offset),
            deleted: chunks
                .take_while(|chunk| chunk.last_offset <= last.last_offset)
                .copied()
                .collect(),
            oldest_ms,
            rolls: active.is_some_and(|active| active.base_offset <= last.base_offset),
        })
    }

    /// The segments, as they would be if the tail were in them already.
    fn segments(&self) -> Vec<Segment> {
        let mut segments = self.index.segments();
        for part in self.tail.segments(self.head.log_start_offset) {
            match segments.last_mut() {
                Some(segment) if segment.base_offset == part.base_offset => segment.join(&part),
                _ => segments.push(part),
            }
        }
        segments
    }

    fn count_deletable(&self, segments: &[Segment], now_ms: i64) -> usize {
        let config = &self.config;
        let mut size_bytes: u64 = segments.iter().map(|segment| segment.size_bytes).sum();
        let end = self.cleanable_end();
        let start = self.head.log_start_offset;
        let deletable = segments.iter().take_while(|segment| {
            let expired = config.retention_ms >= 0
                && now_ms.saturating_sub(segment.dated_ms()) > config.retention_ms;
            let too_many = u64::try_from(config.retention_bytes)
                .is_ok_and(|kept| size_bytes >= kept.saturating_add(segment.size_bytes));
            let below_start = segment.last_offset < start;
            size_bytes -= segment.size_bytes;
            segment.last_offset < end
                && (below_start || (config.cleanup_delete && (expired || too_many)))
        });
        deletable.count()
    }
}
