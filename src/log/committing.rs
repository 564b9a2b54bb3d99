//! Committing: what goes into a commit, and what its end changes.
//!
//! One is in flight at a time, so what was appended meanwhile joins the next, and a commit that
//! fails can only take back what no other commit builds upon.

use super::PartitionId;
use super::chunk::{ChunkBytes, ChunkCache};
use super::commit::{Commit, CommitBuilder};
use super::journal::MOVE_PARTITIONS_MAX;
use super::layout::Chunk;
use super::log::Log;
use super::maintenance::TRIM_PARTITIONS_MAX;
use super::manager::{LogEvent, LogManager};
use super::segment::cut;
use super::tail::TailBatch;
use crate::now::Now;
use crate::storage::{Reserve, StorageError, StorageRequest, Ticket};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A partition with so many bytes outside of its segments writes them there directly: a large
/// append would otherwise be written twice.
pub const DIRECT_BYTES_MIN: usize = 256 << 10;

impl LogManager {
    /// Starts the next commit, if there is something to commit.
    pub(super) fn start_commit(&mut self, now: Now) -> Option<StorageRequest> {
        self.backlog.resume_background(now);
        let ticket = self.loads.take_ticket();
        let mut builder = CommitBuilder::new(ticket, self.next_row_seq());
        // What frees room goes alone: under a full quota it must not fail with what needs room.
        if self.backlog.background_from().is_none() && !self.is_holding() {
            for id in self.backlog.take_removals() {
                builder.remove(id);
            }
            self.add_heads(&mut builder);
            self.add_trims(now, &mut builder);
            self.add_rewrite(&mut builder);
            builder.use_reserve(Reserve::All);
        }
        if builder.is_empty() {
            self.add_batches(now, &mut builder);
        }
        if builder.is_empty() {
            return None;
        }
        let (commit, batch) = builder.finish(now.wall.0, self.journal.last_ends());
        self.commit = Some(commit);
        Some(StorageRequest::Commit { ticket, batch })
    }

    fn add_heads(&mut self, builder: &mut CommitBuilder) {
        while builder.logs_count() < TRIM_PARTITIONS_MAX
            && let Some(id) = self.backlog.next_head()
        {
            if let Some(log) = self.logs.get(&id) {
                builder.head(log);
            }
        }
    }

    /// Deletes what retention deletes, of many logs.
    fn add_trims(&mut self, now: Now, builder: &mut CommitBuilder) {
        for id in self.maintenance.take_trims() {
            if builder.has(id) {
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
            log.rewriting = !trim.deleted.is_empty();
            builder.trim(log, trim);
            self.maintenance.rewrite_started();
        }
    }

    fn add_rewrite(&mut self, builder: &mut CommitBuilder) {
        if builder.logs_count() > 0 {
            return;
        }
        let Some(rewrite) = self.maintenance.take_rewrite() else {
            return;
        };
        let Some(log) = self.logs.get_mut(&rewrite.id) else {
            return;
        };
        log.rewriting = !rewrite.deleted.is_empty();
        builder.rewrite(log, rewrite);
        self.maintenance.rewrite_started();
    }

    fn add_batches(&mut self, now: Now, builder: &mut CommitBuilder) {
        let (uncommitted, reserve) = self.backlog.take();
        let moved = match self.is_holding() {
            true => BTreeSet::new(),
            false => self.choose_moves(&uncommitted),
        };
        builder.use_reserve(if moved.is_subset(&uncommitted) {
            reserve
        } else if uncommitted.is_empty() && self.journal.must_purge() {
            // It gives back more, in the end: the deleted records that share rows with these.
            Reserve::Part
        } else {
            // Moving what is stored already can wait for room.
            Reserve::None
        });
        for id in uncommitted.union(&moved) {
            let start_offset = self.committed_end(*id);
            let Some(log) = self.logs.get_mut(id) else {
                continue;
            };
            builder.makes_durable(log, start_offset);
            if uncommitted.contains(id) {
                builder.flush_for(log);
            }
            if !moved.contains(id) {
                builder.journal(log, start_offset);
                continue;
            }
            let merge_bytes_max = self.limits.chunk_merge_bytes_max;
            let merged = mergeable_chunk(log, merge_bytes_max, &mut self.cache);
            log.rewriting = merged.is_some();
            let expiration_ms = log.config.producer_id_expiration_ms;
            log.derived.producers.expire(now.wall.0, expiration_ms);
            let tail = log.tail.from(log.head.log_start_offset);
            let chunks = cut(self.limits.chunk_bytes_max, merged, tail);
            builder.move_tail(log, chunks, log.rewriting);
        }
        if (!moved.is_empty() || self.journal.must_purge())
            && let Some(seq) = self.journal.needed_from(&moved)
        {
            builder.delete_rows_before(seq);
        }
    }

    /// The logs whose whole tails go into segments with this commit.
    fn choose_moves(&mut self, uncommitted: &BTreeSet<PartitionId>) -> BTreeSet<PartitionId> {
        let background = self.backlog.background_from().is_none();
        let direct_bytes_min = self.limits.direct_bytes_min;
        let is_large = |log: &Log| match background {
            true => log.tail.size_bytes() >= direct_bytes_min,
            // The tail stays where it is: writing it again may be what fails.
            false => log.uncommitted_bytes() >= direct_bytes_min,
        };
        let mut moved: BTreeSet<PartitionId> = (uncommitted.iter().copied())
            .filter(|id| self.logs.get(id).is_some_and(is_large))
            .collect();
        if background {
            moved.extend(self.maintenance.take_moves());
            let idle = uncommitted.is_empty();
            let (journal, limits) = (&self.journal, &self.limits);
            if journal.must_move(limits) || (idle && journal.may_move(limits)) {
                moved.extend(self.journal.oldest().take(MOVE_PARTITIONS_MAX));
            } else if idle && journal.must_purge() {
                moved.extend(self.journal.oldest_to_purge().take(MOVE_PARTITIONS_MAX));
            }
            // How a tail is cut into segments is its topic's to say, and stays.
            moved.retain(|id| {
                let log = self.logs.get(id);
                log.is_some_and(|log| log.is_configured && !log.tail.is_empty())
            });
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
        let row_seq = commit.row.as_ref().map(|row| row.seq);
        if let Some(row) = commit.row {
            self.journal.row_stored(row.seq, row.size_bytes, row.ends);
        }
        self.backlog.committed(commit.appended_bytes);
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
                && let Some(seq) = row_seq
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
                log.moved_to(head.segments_end);
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
    /// appended since and stands behind it.
    fn not_committed(
        &mut self,
        now: Now,
        commit: Commit,
        error: StorageError,
        events: &mut Vec<LogEvent>,
    ) {
        self.backlog.put_off_background(now);
        let held = self.drop_held();
        self.backlog.remove_again(commit.removed);
        for (id, log_commit) in &commit.logs {
            if let Some(log) = self.logs.get_mut(id) {
                log.rewriting = false;
                if log.delete_records_to.is_some() || (log.stopped.is_some() && !log.head.stopped) {
                    self.backlog.write_head(*id);
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
        let committing = commit.logs.keys().copied().chain(held);
        for id in self.backlog.refused(committing) {
            if let Some(log) = self.logs.get_mut(&id)
                && log.log_end_offset > log.durable_end
            {
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

/// The last chunk of a log with its bytes, if more batches should join it.
fn mergeable_chunk(
    log: &Log,
    merge_bytes_max: usize,
    cache: &mut ChunkCache,
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
