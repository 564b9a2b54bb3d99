//! Segments: what is known of their chunks, and how batches are cut into them.

use super::LogConfig;
use super::layout::{ActiveSegment, Chunk, dated_ms};
use super::tail::TailBatch;
use crate::record::{BatchHeader, NO_TIMESTAMP};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes of a chunk, unless one batch alone is larger. A value of this size is written and read
/// in a few milliseconds, and a hundred times fewer rows than batches is what makes IndexedDB fast.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;

/// The last chunk is written again with more batches while it is smaller than this: a quiet
/// partition would otherwise leave a row for every few records.
pub const CHUNK_MERGE_BYTES_MAX: usize = 64 << 10;

/// What is in memory of the index rows of a partition: nothing, some, or all.
#[derive(Debug, Default)]
pub(super) struct SegmentIndex {
    /// Whether the rows that were there at opening have been read.
    pub complete: bool,
    /// Where the next page of them starts.
    pub loaded_to: Option<Vec<u8>>,
    /// What loaded rows get as version.
    loaded_version: u64,
    chunks: BTreeMap<i64, IndexedChunk>,
}

/// An index row, and which writing of its chunk it describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexedChunk {
    pub chunk: Chunk,
    /// Changes when the chunk is written again, so that a load of the old bytes is told apart.
    pub version: u64,
}

/// One segment, as retention and compaction see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub base_offset: i64,
    pub last_offset: i64,
    pub max_timestamp: i64,
    pub size_bytes: u64,
    pub appended_ms: i64,
}

impl Segment {
    /// Takes in what follows in the same segment.
    pub fn join(&mut self, next: &Segment) {
        self.last_offset = next.last_offset;
        self.max_timestamp = self.max_timestamp.max(next.max_timestamp);
        self.size_bytes += next.size_bytes;
        self.appended_ms = self.appended_ms.max(next.appended_ms);
    }

    /// What its age is counted from.
    pub fn dated_ms(&self) -> i64 {
        dated_ms(self.max_timestamp, self.appended_ms)
    }
}

impl SegmentIndex {
    /// The index of a log without segments.
    pub fn empty() -> SegmentIndex {
        SegmentIndex {
            complete: true,
            ..SegmentIndex::default()
        }
    }

    /// Takes a row that was loaded; what is known already is newer.
    pub fn insert_loaded(&mut self, chunk: Chunk) {
        self.chunks
            .entry(chunk.base_offset)
            .or_insert(IndexedChunk {
                chunk,
                version: self.loaded_version,
            });
    }

    /// Forgets all rows; `version` tells those that are loaded again from those that were here.
    pub fn unload(&mut self, version: u64) {
        *self = SegmentIndex {
            loaded_version: version,
            ..SegmentIndex::default()
        };
    }

    /// How many rows are in memory.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Takes a row that was written.
    pub fn insert(&mut self, chunk: Chunk, version: u64) {
        self.chunks
            .insert(chunk.base_offset, IndexedChunk { chunk, version });
    }

    pub fn remove(&mut self, chunk_base: i64) {
        self.chunks.remove(&chunk_base);
    }

    pub fn get(&self, chunk_base: i64) -> Option<&IndexedChunk> {
        self.chunks.get(&chunk_base)
    }

    pub fn indexed(&self) -> impl Iterator<Item = &IndexedChunk> {
        self.chunks.values()
    }

    pub fn chunks(&self) -> impl DoubleEndedIterator<Item = &Chunk> {
        self.chunks.values().map(|indexed| &indexed.chunk)
    }

    /// The chunk that holds `offset`, or the next one behind it, where compaction left a gap.
    /// `Err` if index rows must be loaded to know.
    pub fn find(&self, offset: i64) -> Result<Option<IndexedChunk>, IndexIncomplete> {
        if let Some((_, indexed)) = self.chunks.range(..=offset).next_back() {
            if offset <= indexed.chunk.last_offset {
                return Ok(Some(*indexed));
            }
        } else if !self.complete {
            return Err(IndexIncomplete);
        }
        if !self.complete {
            return Err(IndexIncomplete);
        }
        Ok(self.chunks.range(offset..).next().map(|(_, it)| *it))
    }

    /// How many chunks begin before `end`.
    pub fn count_below(&self, end: i64) -> usize {
        self.chunks.range(..end).count()
    }

    /// The last chunk, if it is known.
    pub fn last(&self) -> Option<&Chunk> {
        self.chunks().next_back()
    }

    /// The segments, oldest first. The index must be complete.
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for chunk in self.chunks() {
            let part = Segment {
                base_offset: chunk.segment_base,
                last_offset: chunk.last_offset,
                max_timestamp: chunk.max_timestamp,
                size_bytes: u64::from(chunk.size_bytes),
                appended_ms: chunk.appended_ms,
            };
            match segments.last_mut() {
                Some(segment) if segment.base_offset == part.base_offset => segment.join(&part),
                _ => segments.push(part),
            }
        }
        segments
    }
}

/// Index rows are missing in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexIncomplete;

/// Cuts batches of a tail into chunks. `last` is the last chunk that is stored with its bytes, if
/// it may be written again with more.
pub(super) fn cut<'a>(
    chunk_bytes_max: usize,
    last: Option<(Chunk, Bytes)>,
    tail: impl Iterator<Item = &'a TailBatch>,
) -> Vec<(Chunk, Bytes)> {
    let mut packer = Packer::new(chunk_bytes_max);
    packer.open = last.map(|(chunk, bytes)| (chunk, vec![bytes]));
    for batch in tail {
        packer.add(
            batch.segment_base,
            &batch.header,
            batch.bytes.clone(),
            batch.appended_ms,
        );
    }
    packer.finish()
}

/// Packs batches into chunks.
#[derive(Debug)]
pub(super) struct Packer {
    chunk_bytes_max: usize,
    chunks: Vec<(Chunk, Bytes)>,
    open: Option<(Chunk, Vec<Bytes>)>,
}

impl Packer {
    pub fn new(chunk_bytes_max: usize) -> Packer {
        Packer {
            chunk_bytes_max,
            chunks: Vec::new(),
            open: None,
        }
    }

    pub fn add(&mut self, segment_base: i64, header: &BatchHeader, batch: Bytes, appended_ms: i64) {
        if let Some((chunk, _)) = &self.open
            && (chunk.segment_base != segment_base
                || chunk.size_bytes as usize + batch.len() > self.chunk_bytes_max)
        {
            self.close();
        }
        let (chunk, parts) = self.open.get_or_insert_with(|| {
            let chunk = Chunk {
                segment_base,
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                max_timestamp: NO_TIMESTAMP,
                leader_epoch: header.partition_leader_epoch,
                size_bytes: 0,
                appended_ms,
            };
            (chunk, Vec::new())
        });
        chunk.last_offset = header.last_offset();
        chunk.max_timestamp = chunk.max_timestamp.max(header.max_timestamp);
        chunk.size_bytes += batch.len() as u32;
        chunk.appended_ms = chunk.appended_ms.max(appended_ms);
        parts.push(batch);
    }

    pub fn finish(mut self) -> Vec<(Chunk, Bytes)> {
        self.close();
        self.chunks
    }

    fn close(&mut self) {
        if let Some((chunk, parts)) = self.open.take() {
            self.chunks.push((chunk, concat(parts)));
        }
    }
}

/// Kafka's `LogSegment.shouldRoll`.
pub(super) fn must_roll(
    active: &ActiveSegment,
    config: &LogConfig,
    header: &BatchHeader,
    appended_ms: i64,
) -> bool {
    let size_bytes = active.size_bytes + header.size_in_bytes() as u64;
    let span_ms = match active.rolling_timestamp {
        0.. => header
            .max_timestamp
            .saturating_sub(active.rolling_timestamp),
        _ => appended_ms.saturating_sub(active.created_ms),
    };
    size_bytes > u64::from(config.segment_bytes.max(0) as u32)
        || span_ms > roll_ms(config)
        || header.last_offset() - active.base_offset > i64::from(i32::MAX)
}

/// How long a segment grows: in a compacted log not beyond `max.compaction.lag.ms`, as the active
/// segment is not cleaned (`LogConfig.maxSegmentMs`).
pub(super) fn roll_ms(config: &LogConfig) -> i64 {
    match config.cleanup_compact && config.max_compaction_lag_ms > 0 {
        true => config.segment_ms.min(config.max_compaction_lag_ms),
        false => config.segment_ms,
    }
}

/// One value of several; the bytes are copied only if there are several.
fn concat(mut parts: Vec<Bytes>) -> Bytes {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut whole = Vec::with_capacity(parts.iter().map(Bytes::len).sum());
    for part in parts {
        whole.extend_from_slice(&part);
    }
    whole.into()
}
