//! Commits: what goes into one, and what its end changes.
//!
//! One is in flight at a time, so what was appended meanwhile joins the next, and a commit that
//! fails can only take back what no other commit builds upon.

use super::PartitionId;
use super::chunk::ChunkBytes;
use super::journal::{JournalPart, LogEnds, MOVE_PARTITIONS_MAX, encode_row};
use super::layout::{Chunk, Head, chunk_key, journal_before, journal_key, partition_key};
use super::log::Log;
use super::maintenance::{Cleaned, TRIM_PARTITIONS_MAX};
use super::manager::{LogEvent, LogManager};
use super::segment::cut;
use super::tail::TailBatch;
use crate::now::Now;
use crate::storage::{
    Durability, KeyRange, Reserve, StorageError, StorageRequest, Store, Ticket, WriteBatch,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A partition with so many bytes outside of its segments writes them there directly: a large
/// append would otherwise be written twice.
pub const DIRECT_BYTES_MIN: usize = 256 << 10;

/// Bytes that may wait for a commit, over all partitions; beyond it appends are refused.
pub const UNCOMMITTED_BYTES_MAX: usize = 32 << 20;

/// After a failed commit, moves, deletions and compaction wait so long, and appends go on alone:
/// under a full quota a small append may pass where a move does not.
pub const BACKGROUND_RETRY_MS: u64 = 5_000;

/// The commit in flight.
#[derive(Debug)]
pub(super) struct Commit {
    pub ticket: Ticket,
    logs: BTreeMap<PartitionId, LogCommit>,
    removed: Vec<PartitionId>,
    /// The journal row that it writes: key and size.
    row: Option<(u64, usize)>,
    /// The log ends that the row moves.
    row_ends: LogEnds,
    /// Journal rows before this one are deleted.
    rows_deleted_before: Option<u64>,
    /// Bytes of batches that it makes durable.
    appended_bytes: usize,
    /// It is that of a job of maintenance.
    rewrites: bool,
}

/// What a commit means for one log.
#[derive(Debug)]
struct LogCommit {
    incarnation: u64,
    head: Option<Head>,
    /// The durable end after it.
    end: i64,
    snapshot: Option<Bytes>,
    written: Vec<(Chunk, Bytes)>,
    deleted: Vec<Chunk>,
    cleaned: Option<Cleaned>,
    /// What retention leaves counts its age from there.
    trimmed_to_ms: Option<i64>,
    /// Whether batches of it are in the journal row.
    journaled: bool,
}

impl LogCommit {
    fn new(log: &Log) -> LogCommit {
        LogCommit {
            incarnation: log.incarnation,
            head: None,
            end: log.durable_end,
            snapshot: None,
            written: Vec::new(),
            deleted: Vec::new(),
            cleaned: None,
            trimmed_to_ms: None,
            journaled: false,
        }
    }
}

impl Commit {
    /// Whether it is a journal row and nothing else.
    pub fn appends_only(&self) -> bool {
        self.row.is_some() && self.logs.values().all(|log| log.snapshot.is_none())
    }

    /// A log is removed: what it has in flight counts no more.
    pub fn forget(&mut self, log: &Log) {
        let log_commit = self.logs.get(&log.id);
        let Some(log_commit) = log_commit.filter(|it| it.incarnation == log.incarnation) else {
            return;
        };
        let in_flight = log
            .tail
            .from(log.durable_end)
            .take_while(|batch| batch.header.last_offset() < log_commit.end);
        self.appended_bytes -= in_flight.map(|batch| batch.bytes.len()).sum::<usize>();
    }

    /// The durable end of a log when this is committed.
    fn end_of(&self, id: PartitionId) -> Option<i64> {
        self.logs.get(&id).map(|log| log.end)
    }
}

impl LogManager {
    /// Starts the next commit, if there is something to commit.
    pub(super) fn start_commit(&mut self, now: Now) -> Option<StorageRequest> {
        if self
            .background_from
            .is_some_and(|from| from <= now.monotonic)
        {
            self.background_from = None;
        }
        let mut batch = WriteBatch::default();
        let mut commit = Commit {
            ticket: self.loads.take_ticket(),
            logs: BTreeMap::new(),
            removed: Vec::new(),
            row: None,
            row_ends: LogEnds::new(),
            rows_deleted_before: None,
            appended_bytes: 0,
            rewrites: false,
        };
        // What frees room goes alone: under a full quota it must not fail with what needs room.
        if self.background_from.is_none() && self.held.is_none() {
            self.add_removals(&mut commit, &mut batch);
            self.add_heads(&mut commit, &mut batch);
            self.add_trims(now, &mut commit, &mut batch);
            self.add_rewrite(&mut commit, &mut batch);
            batch.reserve = Reserve::All;
        }
        if batch.is_empty() {
            self.add_batches(now, &mut commit, &mut batch);
        }
        if batch.is_empty() {
            return None;
        }
        let ticket = commit.ticket;
        self.commit = Some(commit);
        Some(StorageRequest::Commit { ticket, batch })
    }

    fn add_removals(&mut self, commit: &mut Commit, batch: &mut WriteBatch) {
        while commit.removed.len() < TRIM_PARTITIONS_MAX
            && let Some(id) = self.removals.pop_first()
        {
            commit.removed.push(id);
        }
        for id in &commit.removed {
            let key = partition_key(*id);
            for store in [Store::Head, Store::Snapshot, Store::Segment, Store::Index] {
                batch.delete(KeyRange::prefix(store, &key));
            }
        }
    }

    fn add_heads(&mut self, commit: &mut Commit, batch: &mut WriteBatch) {
        while commit.logs.len() < TRIM_PARTITIONS_MAX
            && let Some(id) = self.dirty_heads.pop_first()
        {
            let Some(log) = self.logs.get(&id) else {
                continue;
            };
            let mut head = log.next_head();
            head.stopped = log.stopped.is_some();
            if let Some(offset) = log.delete_records_to {
                head.log_start_offset = head.log_start_offset.max(offset);
                // Whoever flushes every record expects that those it deletes are gone as surely.
                if log.config.flush_messages == 1 {
                    batch.durability = Durability::Strict;
                }
            }
            if !log.stored {
                head.journal_from = self.journal.next_seq;
            }
            put_head(batch, id, &head);
            let log_commit = LogCommit {
                head: Some(head),
                ..LogCommit::new(log)
            };
            commit.logs.insert(id, log_commit);
        }
    }

    /// Deletes what retention deletes, of many logs.
    fn add_trims(&mut self, now: Now, commit: &mut Commit, batch: &mut WriteBatch) {
        for id in self.maintenance.take_trims() {
            // A head that is being written must not be overtaken by another state of it.
            if commit.logs.contains_key(&id) {
                self.maintenance.want_trim(id);
                continue;
            }
            let Some(log) = self.logs.get_mut(&id).filter(|log| log.stopped.is_none()) else {
                continue;
            };
            let trim = log.index.complete.then(|| log.trim(now.wall.0));
            let Some(Ok(trim)) = trim else {
                self.maintenance.want_retention(id);
                continue;
            };
            if trim.rolls {
                log.tail.roll();
            }
            let mut head = log.next_head();
            head.log_start_offset = trim.log_start_offset;
            head.oldest_ms = trim.oldest_ms;
            head.chunk_count = counted(&log.head, 0, trim.deleted.len());
            if !log.stored {
                head.journal_from = self.journal.next_seq;
            }
            delete_chunks(batch, id, &trim.deleted);
            log.rewriting = !trim.deleted.is_empty();
            put_head(batch, id, &head);
            let log_commit = LogCommit {
                head: Some(head),
                deleted: trim.deleted,
                trimmed_to_ms: Some(trim.oldest_ms),
                ..LogCommit::new(log)
            };
            commit.logs.insert(id, log_commit);
            commit.rewrites = true;
            self.maintenance.rewrite_started();
        }
    }

    fn add_rewrite(&mut self, commit: &mut Commit, batch: &mut WriteBatch) {
        // A head that is being written must not be overtaken by another state of it.
        if !commit.logs.is_empty() {
            return;
        }
        let Some(rewrite) = self.maintenance.take_rewrite() else {
            return;
        };
        let id = rewrite.id;
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        let mut head = log.next_head();
        if let Some(cleaned) = rewrite.cleaned {
            head.first_dirty_offset = cleaned.end;
            head.delete_horizon_ms = cleaned.delete_horizon_ms;
            head.dirty_since_ms = log.dirty_since_ms_from(cleaned.end);
        }
        head.chunk_count = counted(&log.head, rewrite.written.len(), rewrite.deleted.len());
        delete_chunks(batch, id, &rewrite.deleted);
        log.rewriting = !rewrite.deleted.is_empty();
        put_chunks(batch, id, &rewrite.written);
        put_head(batch, id, &head);
        let log_commit = LogCommit {
            head: Some(head),
            written: rewrite.written,
            deleted: rewrite.deleted,
            cleaned: rewrite.cleaned,
            ..LogCommit::new(log)
        };
        commit.logs.insert(id, log_commit);
        commit.rewrites = true;
        self.maintenance.rewrite_started();
    }

    fn add_batches(&mut self, now: Now, commit: &mut Commit, batch: &mut WriteBatch) {
        let moved = match self.held {
            Some(_) => BTreeSet::new(),
            None => self.choose_moves(),
        };
        let dirty = std::mem::take(&mut self.dirty);
        let appended = self.uncommitted_reserve.take().unwrap_or_default();
        // Moving what is stored already can wait for room.
        batch.reserve = match moved.is_subset(&dirty) {
            true => appended,
            false => Reserve::None,
        };
        let seq = self.journal.next_seq + u64::from(self.held.is_some());
        let mut parts = Vec::new();
        for id in dirty.union(&moved) {
            let Some(log) = self.logs.get_mut(id) else {
                continue;
            };
            let held = self.held.as_ref();
            let start_offset = held
                .and_then(|held| held.commit.end_of(*id))
                .unwrap_or(log.durable_end);
            let appended = log.tail.from(start_offset);
            commit.appended_bytes += appended.map(|it| it.bytes.len()).sum::<usize>();
            if log.config.flush_messages == 1 && dirty.contains(id) {
                batch.durability = Durability::Strict;
            }
            let mut log_commit = LogCommit::new(log);
            log_commit.end = log.log_end_offset;
            if moved.contains(id) {
                let merge_bytes_max = self.limits.chunk_merge_bytes_max;
                let merged = mergeable_chunk(log, merge_bytes_max, &mut self.cache);
                log.rewriting = merged.is_some();
                let tail = log.tail.from(log.head.log_start_offset);
                let merged_count = usize::from(merged.is_some());
                let chunks = cut(self.limits.chunk_bytes_max, merged, tail);
                put_chunks(batch, *id, &chunks);
                let expiration_ms = log.config.producer_id_expiration_ms;
                log.derived.producers.expire(now.wall.0, expiration_ms);
                let key = partition_key(*id);
                let snapshot = log.derived.encode(&key);
                batch.put(Store::Snapshot, key, snapshot.clone());
                log_commit.written = chunks;
                log_commit.snapshot = Some(snapshot);
                log_commit.head = Some(Head {
                    segments_end: log.log_end_offset,
                    journal_from: seq,
                    active: log.tail.active(),
                    chunk_count: counted(&log.head, log_commit.written.len(), merged_count),
                    ..log.next_head()
                });
            } else {
                parts.push(JournalPart {
                    id: *id,
                    start_offset,
                    end_offset: log.log_end_offset,
                    batches: log
                        .tail
                        .from(start_offset)
                        .map(|it| it.bytes.clone())
                        .collect(),
                });
                log_commit.journaled = true;
                if !log.stored {
                    log_commit.head = Some(Head {
                        journal_from: seq,
                        ..log.next_head()
                    });
                }
            }
            if let Some(head) = &log_commit.head {
                put_head(batch, *id, head);
            }
            commit.logs.insert(*id, log_commit);
        }
        if !moved.is_empty() || self.journal.must_purge() {
            commit.rows_deleted_before = self.journal.needed_from(&moved);
            if let Some(seq) = commit.rows_deleted_before {
                batch.delete(journal_before(seq));
            }
        }
        if !parts.is_empty() {
            let key = journal_key(seq);
            let row = encode_row(&key, now.wall.0, self.journal.last_ends(), &parts);
            commit.row = Some((seq, row.len()));
            commit.row_ends = parts.iter().map(|it| (it.id, it.end_offset)).collect();
            batch.put(Store::Journal, key, row);
        }
    }

    /// The logs whose whole tails go into segments with this commit.
    fn choose_moves(&mut self) -> BTreeSet<PartitionId> {
        let background = self.background_from.is_none();
        let direct_bytes_min = self.limits.direct_bytes_min;
        let is_large = |log: &Log| match background {
            true => log.tail.size_bytes() >= direct_bytes_min,
            // The tail stays where it is: writing it again may be what fails.
            false => log.uncommitted_bytes() >= direct_bytes_min,
        };
        let dirty = self.dirty.iter().copied();
        let mut moved: BTreeSet<PartitionId> = dirty
            .filter(|id| self.logs.get(id).is_some_and(is_large))
            .collect();
        if background {
            moved.extend(self.maintenance.take_moves());
            moved.retain(|id| self.logs.get(id).is_some_and(|log| !log.tail.is_empty()));
            let idle = self.dirty.is_empty();
            let (journal, limits) = (&self.journal, &self.limits);
            if journal.must_move(limits) || (idle && journal.may_move(limits)) {
                moved.extend(self.journal.oldest().take(MOVE_PARTITIONS_MAX));
            } else if idle && journal.must_purge() {
                moved.extend(self.journal.oldest_to_purge().take(MOVE_PARTITIONS_MAX));
            }
        }
        moved
    }

    /// Takes the end of the commit in flight.
    pub(super) fn end_commit(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: Result<(), StorageError>,
        events: &mut Vec<LogEvent>,
    ) {
        let in_flight = self.commit.take_if(|commit| commit.ticket == ticket);
        let Some(commit) = in_flight.or_else(|| self.take_held(ticket)) else {
            return;
        };
        match result {
            Ok(()) => self.committed(now, commit, events),
            Err(error) => {
                if !self.fail_if_fatal(&error, events) {
                    self.not_committed(now, commit, error, events);
                }
            }
        }
    }

    fn committed(&mut self, now: Now, commit: Commit, events: &mut Vec<LogEvent>) {
        if !commit.removed.is_empty() {
            self.journal.purge_later(now.wall.0);
        }
        if let Some((seq, size_bytes)) = commit.row {
            self.journal.row_stored(seq, size_bytes, commit.row_ends);
        }
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_sub(commit.appended_bytes);
        for (id, log_commit) in commit.logs {
            let version = self.take_version();
            let Some(log) = self.logs.get_mut(&id) else {
                continue;
            };
            if log.incarnation != log_commit.incarnation {
                continue;
            }
            log.rewriting = false;
            for chunk in &log_commit.deleted {
                log.index.remove(chunk.base_offset);
                self.cache.remove(id, chunk.base_offset);
            }
            for (chunk, bytes) in log_commit.written {
                log.index.insert(chunk, version);
                self.cache.remove(id, chunk.base_offset);
                if let Ok(bytes) = ChunkBytes::parse(bytes) {
                    self.cache.insert(id, chunk.base_offset, Rc::new(bytes));
                }
            }
            self.index_memory.used(id, log.index.len());
            if log_commit.journaled
                && let Some((seq, _)) = commit.row
            {
                self.journal.need(*log.journal_first.get_or_insert(seq), id);
            }
            if let Some(snapshot) = log_commit.snapshot {
                log.snapshot = snapshot;
                if let Some(first_seq) = log.journal_first.take() {
                    self.journal.release(first_seq, id);
                }
            }
            if let Some(head) = log_commit.head {
                let log_start_offset = log.head.log_start_offset;
                log.head = head;
                log.stored = true;
                log.tail.drop_below(head.segments_end);
                if head.log_start_offset > log_start_offset {
                    let offset = head.log_start_offset;
                    log.derived.truncate_from_start(offset);
                    log.delete_records_to.take_if(|to| *to <= offset);
                    self.maintenance.want_retention(id);
                    self.journal.purge_later(now.wall.0);
                    events.push(LogEvent::LogStartOffset { id, offset });
                }
            }
            if log_commit.end > log.durable_end {
                log.durable_end = log_commit.end;
                let end = log.cleanable_end();
                log.derived.producers.high_watermark_moved(end);
                let end = log_commit.end;
                events.push(LogEvent::Durable { id, end });
            }
            if let Some(cleaned) = log_commit.cleaned {
                log.dirty_since_ms = log.dirty_since_ms_from(cleaned.end);
                self.journal.purge_later(now.wall.0);
            }
            if let Some(oldest_ms) = log_commit.trimmed_to_ms {
                let appended = log.tail.from(log_commit.end).map(TailBatch::dated_ms);
                log.oldest_ms = appended.fold(oldest_ms, i64::min);
            }
            self.maintenance.changed(now, log);
        }
        self.unload_indexes();
        if let Some(seq) = commit.rows_deleted_before {
            self.journal.rows_deleted_before(seq);
        }
        if commit.rewrites {
            self.maintenance.rewrite_ended(now, true);
        }
    }

    /// Nothing of the commit is stored. What it had appended is taken back, and so is what was
    /// appended since, as it stands behind it.
    fn not_committed(
        &mut self,
        now: Now,
        commit: Commit,
        error: StorageError,
        events: &mut Vec<LogEvent>,
    ) {
        // Appends that are tried again and again may not put off for ever what would free room.
        self.background_from
            .get_or_insert(now.monotonic + BACKGROUND_RETRY_MS);
        self.held = None;
        self.removals.extend(commit.removed);
        for (id, log_commit) in &commit.logs {
            if let Some(log) = self.logs.get_mut(id) {
                log.rewriting = false;
                if log.delete_records_to.is_some() || (log.stopped.is_some() && !log.head.stopped) {
                    self.dirty_heads.insert(*id);
                }
                if log_commit.trimmed_to_ms.is_some() {
                    self.maintenance.want_trim(*id);
                }
            }
        }
        if commit.rewrites {
            self.maintenance.rewrite_ended(now, false);
        }
        if commit.appended_bytes == 0 {
            return;
        }
        self.dirty.clear();
        self.uncommitted_bytes = 0;
        self.uncommitted_reserve = None;
        for log in self.logs.values_mut() {
            if log.log_end_offset > log.durable_end {
                log.roll_back();
                events.push(LogEvent::RolledBack {
                    id: log.id,
                    end: log.durable_end,
                    error: error.clone(),
                });
            }
        }
    }
}

/// How many chunks a log has when some are written and some deleted.
fn counted(head: &Head, written: usize, deleted: usize) -> i64 {
    match head.chunk_count {
        0.. => head.chunk_count + written as i64 - deleted as i64,
        unknown => unknown,
    }
}

/// Deletes neighbours.
fn delete_chunks(batch: &mut WriteBatch, id: PartitionId, chunks: &[Chunk]) {
    if let (Some(first), Some(last)) = (chunks.first(), chunks.last()) {
        for store in [Store::Segment, Store::Index] {
            batch.delete(KeyRange {
                store,
                start: first.key(id),
                end: KeyRange::one(store, &last.key(id)).end,
            });
        }
    }
}

fn put_head(batch: &mut WriteBatch, id: PartitionId, head: &Head) {
    let key = partition_key(id);
    let row = head.encode(&key);
    batch.put(Store::Head, key, row);
}

fn put_chunks(batch: &mut WriteBatch, id: PartitionId, chunks: &[(Chunk, Bytes)]) {
    for (chunk, bytes) in chunks {
        let key = chunk_key(id, chunk.segment_base, chunk.base_offset);
        let row = chunk.encode(&key);
        batch.put(Store::Segment, key.clone(), bytes.clone());
        batch.put(Store::Index, key, row);
    }
}

/// The last chunk of a log with its bytes, if more batches should join it.
fn mergeable_chunk(
    log: &Log,
    merge_bytes_max: usize,
    cache: &mut super::chunk::ChunkCache,
) -> Option<(Chunk, Bytes)> {
    let chunk = *log.index.last()?;
    // The last one that is known may be that of the first page of the index.
    let is_last = chunk.end_offset() == log.head.segments_end;
    let small = (chunk.size_bytes as usize) < merge_bytes_max;
    let live = chunk.last_offset >= log.head.log_start_offset;
    let first = log.tail.from(log.head.log_start_offset).next()?;
    let same_segment = chunk.segment_base == first.segment_base;
    let bytes = (is_last && small && live && same_segment)
        .then(|| cache.get(log.id, chunk.base_offset))
        .flatten()?;
    Some((chunk, bytes.bytes.clone()))
}
