//! Reads from storage that are under way.

use super::PartitionId;
use super::chunk::ChunkBytes;
use super::error::LogError;
use super::layout::{Chunk, partition_key};
use super::manager::{LogEvent, LogManager};
use super::segment::IndexedChunk;
use crate::storage::{Entry, KeyRange, StorageError, StorageRequest, Store, Ticket};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Bytes of index rows that one load asks for.
pub const INDEX_LOAD_BYTES: usize = 256 << 10;

/// Names a load that a read waits for. [`LogEvent::Loaded`] tells its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);

/// What is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Load {
    /// The next page of a store, at opening.
    Opening(Store),
    /// The next page of a partition's index rows.
    Index(PartitionId),
    /// A chunk, as it was when its index row had this version.
    Chunk {
        id: PartitionId,
        chunk_base: i64,
        version: u64,
    },
}

/// The loads under way. What several readers wait for is loaded once.
#[derive(Debug, Default)]
pub(super) struct Loads {
    last_ticket: u64,
    waiting: BTreeMap<Ticket, Load>,
    tickets: BTreeMap<Load, Ticket>,
    /// What a retry must be told that comes of the same event as the failure.
    failed: BTreeMap<Load, StorageError>,
    requests: Vec<StorageRequest>,
}

impl Loads {
    /// A number for a request of storage, of any kind.
    pub fn take_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    /// Asks for `range`, unless the same load is under way; the error is that of the last try.
    pub fn start(
        &mut self,
        load: Load,
        range: impl FnOnce() -> KeyRange,
        bytes_max: usize,
    ) -> Result<LoadId, StorageError> {
        if let Some(error) = self.failed.remove(&load) {
            return Err(error);
        }
        if let Some(ticket) = self.tickets.get(&load) {
            return Ok(LoadId(ticket.0));
        }
        let ticket = self.take_ticket();
        self.waiting.insert(ticket, load);
        self.tickets.insert(load, ticket);
        self.requests.push(StorageRequest::Load {
            ticket,
            range: range(),
            bytes_max,
        });
        Ok(LoadId(ticket.0))
    }

    /// The load that has ended.
    pub fn take(&mut self, ticket: Ticket) -> Option<Load> {
        let load = self.waiting.remove(&ticket)?;
        self.tickets.remove(&load);
        Some(load)
    }

    /// Whether a page of a log's index is under way.
    pub fn loads_index(&self, id: PartitionId) -> bool {
        self.tickets.contains_key(&Load::Index(id))
    }

    pub fn is_under_way(&self, load: LoadId) -> bool {
        self.waiting.contains_key(&Ticket(load.0))
    }

    pub fn failed(&mut self, load: Load, error: StorageError) {
        self.failed.insert(load, error);
    }

    /// Ends an event: who did not try again by now does not wait, and whoever comes later has
    /// nothing to do with a failure that may be long over.
    pub fn take_requests(&mut self) -> Vec<StorageRequest> {
        self.failed.clear();
        std::mem::take(&mut self.requests)
    }
}

/// The key behind `key`: where the next page starts.
pub(super) fn key_behind(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

/// Either the thing, or the load to wait for before trying again.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Loaded<T> {
    Ready(T),
    Pending(LoadId),
}

impl LogManager {
    /// The bytes of a chunk.
    pub(super) fn chunk(
        &mut self,
        id: PartitionId,
        indexed: &IndexedChunk,
    ) -> Result<Loaded<Rc<ChunkBytes>>, LogError> {
        let chunk = indexed.chunk;
        if let Some(bytes) = self.cache.get(id, chunk.base_offset) {
            return Ok(Loaded::Ready(bytes));
        }
        let load = Load::Chunk {
            id,
            chunk_base: chunk.base_offset,
            version: indexed.version,
        };
        let range = || KeyRange::one(Store::Segment, &chunk.key(id));
        let pending = self.loads.start(load, range, chunk.size_bytes as usize);
        pending.map(Loaded::Pending).map_err(LogError::Storage)
    }

    /// Loads the next page of a partition's index rows.
    pub(super) fn load_index(&mut self, id: PartitionId) -> Result<LoadId, LogError> {
        let log = self.logs.get(&id).ok_or(LogError::UnknownPartition)?;
        let range = || {
            let mut range = KeyRange::prefix(Store::Index, &partition_key(id));
            if let Some(loaded_to) = &log.index.loaded_to {
                range.start.clone_from(loaded_to);
            }
            range
        };
        let page_bytes = self.limits.index_load_bytes;
        let pending = self.loads.start(Load::Index(id), range, page_bytes);
        pending.map_err(LogError::Storage)
    }

    /// Takes the end of a load that a read waits for.
    pub(super) fn end_load(
        &mut self,
        load_id: LoadId,
        load: Load,
        result: Result<Vec<Entry>, StorageError>,
        events: &mut Vec<LogEvent>,
    ) {
        match result {
            Err(error) => {
                if self.fail_if_fatal(&error, events) {
                    return;
                }
                self.loads.failed(load, error);
            }
            Ok(entries) => {
                let (id, checked) = match load {
                    Load::Opening(_) => return,
                    Load::Index(id) => (id, self.take_index_rows(id, entries)),
                    Load::Chunk {
                        id,
                        chunk_base,
                        version,
                    } => (id, self.take_chunk(id, chunk_base, version, entries)),
                };
                if let Err(why) = checked {
                    self.stop(id, why, events);
                }
            }
        }
        events.push(LogEvent::Loaded { load: load_id });
    }

    fn take_index_rows(&mut self, id: PartitionId, entries: Vec<Entry>) -> Result<(), String> {
        let Some(log) = self.logs.get_mut(&id) else {
            return Ok(());
        };
        let index = &mut log.index;
        match entries.last() {
            None => {
                index.complete = true;
                let found = index.count_below(log.head.segments_end) as i64;
                match log.head.chunk_count {
                    expected @ 0.. if expected != found => {
                        return Err(format!("{found} of {expected} index rows are there"));
                    }
                    _ => log.head.chunk_count = found,
                }
            }
            Some(last) => index.loaded_to = Some(key_behind(&last.key)),
        }
        for entry in entries {
            let (_, chunk) = Chunk::decode(&entry.key, &entry.value)
                .map_err(|_| format!("the index row {:x?} is damaged", entry.key))?;
            index.insert_loaded(chunk);
        }
        let count = index.len();
        self.index_memory.used(id, count);
        self.unload_indexes();
        Ok(())
    }

    /// Forgets index rows that were used longest ago, while there are too many in memory.
    pub(super) fn unload_indexes(&mut self) {
        while let Some(id) = self.index_memory.in_excess(self.limits.index_rows_max) {
            self.index_memory.forget(id);
            let version = self.take_version();
            if let Some(log) = self.logs.get_mut(&id)
                && !log.rewriting
                // What is under way goes on where it was, not at the beginning.
                && !self.loads.loads_index(id)
                && !self.maintenance.is_cleaning(id)
            {
                log.index.unload(version);
            }
        }
    }

    fn take_chunk(
        &mut self,
        id: PartitionId,
        chunk_base: i64,
        version: u64,
        entries: Vec<Entry>,
    ) -> Result<(), String> {
        let Some(log) = self.logs.get(&id) else {
            return Ok(());
        };
        // Deleted or written again meanwhile: the retry finds what is there now.
        let Some(indexed) = log.index.get(chunk_base) else {
            return Ok(());
        };
        if indexed.version != version {
            return Ok(());
        }
        let checked = match entries.into_iter().next() {
            Some(entry) => ChunkBytes::check(&indexed.chunk, entry.value),
            None => Err(format!("the chunk of offset {chunk_base} is missing")),
        };
        match checked {
            Ok(chunk) => self.cache.insert(id, chunk_base, Rc::new(chunk)),
            // The commit in flight may have changed it already: the retry asks again.
            Err(_) if log.rewriting => {}
            Err(why) => return Err(why),
        }
        Ok(())
    }

    /// Stops one partition.
    pub(super) fn stop(&mut self, id: PartitionId, why: String, events: &mut Vec<LogEvent>) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.stop(why.clone());
            self.maintenance.forget(id);
            events.push(LogEvent::Stopped { id, why });
        }
    }
}
