//! Finding offsets by timestamp (ListOffsets).

use super::chunk::ChunkBytes;
use super::error::LogError;
use super::load::Loaded;
use super::manager::LogManager;
use super::read::Lookup;
use super::tail::TailBatch;
use super::{PartitionId, segment::IndexedChunk};
use crate::record::{BatchHeader, records};
use bytes::Bytes;
use std::rc::Rc;

/// A record that was found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Where the record stands.
    pub offset: i64,
    /// Of the record, in ms since the Unix epoch.
    pub timestamp: i64,
    /// Of its batch; −1 if that has none.
    pub leader_epoch: i32,
}

impl LogManager {
    /// The first record below `end` whose timestamp is `timestamp` or later
    /// (`UnifiedLog.fetchOffsetByTimestamp`). Looks into compressed batches.
    pub fn offset_for_timestamp(
        &mut self,
        id: PartitionId,
        timestamp: i64,
        end: i64,
    ) -> Result<Lookup<Option<TimestampOffset>>, LogError> {
        let log = self.usable(id)?;
        let end = end.min(log.visible_end());
        let start = log.head.log_start_offset;
        if let Some(pending) = self.index_for_lookup(id)? {
            return Ok(pending);
        }
        let mut at = start;
        while let Some(indexed) = self.next_chunk(id, at, timestamp) {
            let chunk = match self.chunk(id, &indexed)? {
                Loaded::Ready(chunk) => chunk,
                Loaded::Pending(load) => return Ok(Lookup::Pending(load)),
            };
            let found = first_at(chunk.batches(), timestamp, start);
            if let Some(found) = self.stop_if_damaged(id, found)? {
                return Ok(Lookup::Ready(Some(found).filter(|it| it.offset < end)));
            }
            at = indexed.chunk.end_offset();
        }
        let tail = self.usable(id)?.tail.batches().map(header_and_bytes);
        let found = first_at(tail, timestamp, start);
        let found = self.stop_if_damaged(id, found)?;
        Ok(Lookup::Ready(found.filter(|it| it.offset < end)))
    }

    /// The record below `end` with the greatest timestamp, the first of them (KIP-734).
    pub fn offset_of_max_timestamp(
        &mut self,
        id: PartitionId,
        end: i64,
    ) -> Result<Lookup<Option<TimestampOffset>>, LogError> {
        let log = self.usable(id)?;
        let end = end.min(log.visible_end());
        let start = log.head.log_start_offset;
        if let Some(pending) = self.index_for_lookup(id)? {
            return Ok(pending);
        }
        let log = self.usable(id)?;
        let tail = log.tail.batches().map(header_and_bytes);
        let found = max_within(tail, start, end);
        let in_tail = self.stop_if_damaged(id, found)?;
        let mut in_chunks: Option<TimestampOffset> = None;
        // By descending timestamp and ascending offset, so that mostly one chunk must be looked
        // into: a lookup that needed more chunks than the cache keeps would never end.
        let mut chunks: Vec<IndexedChunk> = self.usable(id)?.index.indexed().copied().collect();
        chunks.retain(|it| it.chunk.last_offset >= start && it.chunk.base_offset < end);
        chunks.sort_by_key(|it| std::cmp::Reverse(it.chunk.max_timestamp));
        for indexed in chunks {
            let max_timestamp = indexed.chunk.max_timestamp;
            if in_chunks.is_some_and(|best| best.timestamp >= max_timestamp)
                || in_tail.is_some_and(|best| best.timestamp > max_timestamp)
            {
                break;
            }
            let chunk: Rc<ChunkBytes> = match self.chunk(id, &indexed)? {
                Loaded::Ready(chunk) => chunk,
                Loaded::Pending(load) => return Ok(Lookup::Pending(load)),
            };
            let found = max_within(chunk.batches(), start, end);
            let found = self.stop_if_damaged(id, found)?;
            in_chunks = later(in_chunks, found);
        }
        Ok(Lookup::Ready(later(in_chunks, in_tail)))
    }

    fn index_for_lookup<T>(&mut self, id: PartitionId) -> Result<Option<Lookup<T>>, LogError> {
        let log = self.usable(id)?;
        match log.index.complete || log.head.log_start_offset >= log.head.segments_end {
            true => Ok(None),
            false => Ok(Some(Lookup::Pending(self.load_index(id)?))),
        }
    }

    /// The first chunk that reaches `offset` and has a record as late as `timestamp`.
    fn next_chunk(&self, id: PartitionId, offset: i64, timestamp: i64) -> Option<IndexedChunk> {
        self.logs
            .get(&id)?
            .index
            .indexed()
            .find(|it| it.chunk.last_offset >= offset && it.chunk.max_timestamp >= timestamp)
            .copied()
    }

    fn stop_if_damaged<T>(
        &mut self,
        id: PartitionId,
        found: Result<T, crate::record::RecordError>,
    ) -> Result<T, LogError> {
        found.map_err(|error| {
            let why = format!("a stored batch cannot be decoded: {error}");
            let mut events = Vec::new();
            self.stop(id, why.clone(), &mut events);
            self.untold.append(&mut events);
            LogError::Stopped(why)
        })
    }
}

type Found = Result<Option<TimestampOffset>, crate::record::RecordError>;

fn header_and_bytes(batch: &TailBatch) -> (&BatchHeader, Bytes) {
    (&batch.header, batch.bytes.clone())
}

fn first_at<'a>(
    batches: impl Iterator<Item = (&'a BatchHeader, Bytes)>,
    timestamp: i64,
    start: i64,
) -> Found {
    for (header, batch) in batches {
        if header.max_timestamp < timestamp || header.last_offset() < start {
            continue;
        }
        for record in records(&batch)? {
            let record = record?;
            if record.timestamp >= timestamp && record.offset >= start {
                return Ok(Some(TimestampOffset {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    leader_epoch: header.partition_leader_epoch,
                }));
            }
        }
    }
    Ok(None)
}

fn max_within<'a>(
    batches: impl Iterator<Item = (&'a BatchHeader, Bytes)>,
    start: i64,
    end: i64,
) -> Found {
    let mut best: Option<TimestampOffset> = None;
    for (header, batch) in batches {
        let cannot = best.is_some_and(|best| header.max_timestamp <= best.timestamp);
        if cannot || header.last_offset() < start || header.base_offset >= end {
            continue;
        }
        for record in records(&batch)? {
            let record = record?;
            if (start..end).contains(&record.offset) {
                let found = TimestampOffset {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    leader_epoch: header.partition_leader_epoch,
                };
                best = later(best, Some(found));
            }
        }
    }
    Ok(best)
}

/// The one with the greater timestamp; of equals, the one with the lower offset.
fn later(a: Option<TimestampOffset>, b: Option<TimestampOffset>) -> Option<TimestampOffset> {
    a.into_iter()
        .chain(b)
        .max_by_key(|it| (it.timestamp, std::cmp::Reverse(it.offset)))
}
