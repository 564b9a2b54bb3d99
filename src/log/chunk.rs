//! The bytes of one chunk, checked, with the places of its batches; and the cache of those that
//! were read or written last.

use super::PartitionId;
use super::layout::Chunk;
use crate::planted::{self, PlantedBug};
use crate::record::{BatchHeader, RecordError, batches};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Bytes of chunks that the cache keeps, over all partitions.
pub const CHUNK_CACHE_BYTES_MAX: usize = 16 << 20;

/// A chunk whose bytes are in memory.
#[derive(Debug)]
pub(super) struct ChunkBytes {
    pub bytes: Bytes,
    batches: Vec<BatchPlace>,
}

/// Where a batch lies in its chunk.
#[derive(Clone, Copy, Debug)]
struct BatchPlace {
    header: BatchHeader,
    start: usize,
}

/// Compares a stored batch with its CRC.
pub(super) fn check_crc(batch: &Bytes) -> Result<(), RecordError> {
    match planted::active(PlantedBug::DamagedBatchesTaken) {
        true => Ok(()),
        false => BatchHeader::ensure_valid(batch).map(drop),
    }
}

impl ChunkBytes {
    /// Takes bytes that storage returned. The error says what is wrong with them: a batch whose
    /// CRC fails, batches that do not ascend, or others than the index row promises.
    pub fn check(chunk: &Chunk, bytes: Bytes) -> Result<ChunkBytes, String> {
        let wrong = |what: &str| {
            Err(format!(
                "the chunk of offsets {} to {} {what}",
                chunk.base_offset, chunk.last_offset
            ))
        };
        if bytes.len() != chunk.size_bytes as usize {
            return wrong("has another size than its index row says");
        }
        let loaded = ChunkBytes::parse(bytes)?;
        let mut end = chunk.base_offset;
        for (header, batch) in loaded.batches() {
            if let Err(error) = check_crc(&batch) {
                return wrong(&format!("is damaged: {error}"));
            }
            if header.base_offset < end || header.last_offset() < header.base_offset {
                return wrong("has batches that do not ascend");
            }
            end = header.next_offset();
        }
        let base_offset = loaded.batches.first().map(|place| place.header.base_offset);
        if base_offset != Some(chunk.base_offset) || end != chunk.end_offset() {
            return wrong("has other offsets than its index row says");
        }
        Ok(loaded)
    }

    /// Takes bytes that were checked when they were appended.
    pub fn parse(bytes: Bytes) -> Result<ChunkBytes, String> {
        let mut places = Vec::new();
        let mut start = 0;
        for batch in batches(&bytes).strict() {
            let (header, batch) = batch.map_err(|error| format!("a chunk is damaged: {error}"))?;
            places.push(BatchPlace { header, start });
            start += batch.len();
        }
        Ok(ChunkBytes {
            bytes,
            batches: places,
        })
    }

    /// Its batches, in offset order.
    pub fn batches(&self) -> impl Iterator<Item = (&BatchHeader, Bytes)> {
        self.batches.iter().map(|place| {
            let end = place.start + place.header.size_in_bytes();
            (&place.header, self.bytes.slice(place.start..end))
        })
    }

    /// The run of batches from the one that holds `offset` (or the first behind it) to before
    /// `end`, at most `bytes_max` but one batch if `minimum_one`; and whether the chunk has no
    /// further batch below `end`.
    pub fn read(
        &self,
        offset: i64,
        end: i64,
        bytes_max: usize,
        minimum_one: bool,
    ) -> (Bytes, bool) {
        let first = self
            .batches
            .partition_point(|place| place.header.last_offset() < offset);
        let mut run = None;
        let mut exhausted = true;
        for place in &self.batches[first..] {
            if place.header.last_offset() >= end {
                break;
            }
            let (start, stop) = run.unwrap_or((place.start, place.start));
            let next = place.start + place.header.size_in_bytes();
            let fits = next - start <= bytes_max || (minimum_one && start == stop);
            if !fits {
                exhausted = false;
                break;
            }
            run = Some((start, next));
        }
        let (start, stop) = run.unwrap_or((0, 0));
        (self.bytes.slice(start..stop), exhausted)
    }
}

/// The chunks that were used last.
#[derive(Debug, Default)]
pub(super) struct ChunkCache {
    chunks: BTreeMap<(PartitionId, i64), Cached>,
    /// The same by the last use, oldest first.
    by_use: BTreeMap<u64, (PartitionId, i64)>,
    uses: u64,
    size_bytes: usize,
}

#[derive(Debug)]
struct Cached {
    chunk: Rc<ChunkBytes>,
    last_use: u64,
}

impl ChunkCache {
    pub fn get(&mut self, id: PartitionId, chunk_base: i64) -> Option<Rc<ChunkBytes>> {
        let cached = self.chunks.get_mut(&(id, chunk_base))?;
        self.by_use.remove(&cached.last_use);
        self.uses += 1;
        cached.last_use = self.uses;
        self.by_use.insert(self.uses, (id, chunk_base));
        Some(cached.chunk.clone())
    }

    /// Keeps a chunk, in place of those that were not used for longest.
    pub fn insert(&mut self, id: PartitionId, chunk_base: i64, chunk: Rc<ChunkBytes>) {
        self.remove(id, chunk_base);
        self.uses += 1;
        self.size_bytes += chunk.bytes.len();
        self.by_use.insert(self.uses, (id, chunk_base));
        let cached = Cached {
            chunk,
            last_use: self.uses,
        };
        self.chunks.insert((id, chunk_base), cached);
        // The newest stays, however large: its reader is about to retry.
        while self.size_bytes > CHUNK_CACHE_BYTES_MAX && self.chunks.len() > 1 {
            let Some((_, (id, chunk_base))) = self.by_use.first_key_value() else {
                break;
            };
            let (id, chunk_base) = (*id, *chunk_base);
            self.remove(id, chunk_base);
        }
    }

    pub fn remove(&mut self, id: PartitionId, chunk_base: i64) {
        if let Some(cached) = self.chunks.remove(&(id, chunk_base)) {
            self.by_use.remove(&cached.last_use);
            self.size_bytes -= cached.chunk.bytes.len();
        }
    }

    /// Forgets a partition.
    pub fn remove_partition(&mut self, id: PartitionId) {
        let of_partition: Vec<i64> = self
            .chunks
            .range((id, i64::MIN)..=(id, i64::MAX))
            .map(|((_, chunk_base), _)| *chunk_base)
            .collect();
        for chunk_base in of_partition {
            self.remove(id, chunk_base);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Uuid;

    const ID: PartitionId = PartitionId {
        topic_id: Uuid::ZERO,
        partition: 0,
    };

    fn chunk(size_bytes: usize) -> Rc<ChunkBytes> {
        Rc::new(ChunkBytes {
            bytes: vec![0; size_bytes].into(),
            batches: Vec::new(),
        })
    }

    #[test]
    fn the_chunk_that_was_not_used_for_longest_goes_first() {
        let mut cache = ChunkCache::default();
        cache.insert(ID, 0, chunk(CHUNK_CACHE_BYTES_MAX / 2));
        cache.insert(ID, 1, chunk(CHUNK_CACHE_BYTES_MAX / 2));
        assert!(cache.get(ID, 0).is_some());
        cache.insert(ID, 2, chunk(1));
        assert!(cache.get(ID, 1).is_none());
        assert!(cache.get(ID, 0).is_some());
        assert!(cache.size_bytes <= CHUNK_CACHE_BYTES_MAX);
        cache.insert(ID, 3, chunk(CHUNK_CACHE_BYTES_MAX * 2));
        assert!(cache.get(ID, 3).is_some());
        assert_eq!(cache.chunks.len(), 1);
        cache.remove_partition(ID);
        assert_eq!((cache.size_bytes, cache.by_use.len()), (0, 0));
    }
}
