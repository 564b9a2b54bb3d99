//! A commit: the rows that it writes and deletes, and what its end means to each log.
//!
//! It is built from what logs are; it changes none. `committing` decides what goes into one, and
//! what becomes of the logs when it has ended.

use super::PartitionId;
use super::journal::{JournalPart, LogEnds, encode_row};
use super::layout::{Chunk, Head, chunk_key, journal_before, journal_key, partition_key};
use super::log::Log;
use super::maintenance::{Cleaned, Rewrite};
use super::retention::Trim;
use crate::storage::{Durability, KeyRange, Reserve, Store, Ticket, WriteBatch};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A commit as those have to know it who wait for its end.
#[derive(Debug)]
pub(super) struct Commit {
    pub ticket: Ticket,
    pub logs: BTreeMap<PartitionId, LogCommit>,
    pub removed: Vec<PartitionId>,
    pub row: Option<CommittedRow>,
    /// Journal rows before this one are deleted.
    pub rows_deleted_before: Option<u64>,
    /// Bytes of batches that it makes durable.
    pub appended_bytes: usize,
    /// It is that of a job of maintenance.
    pub rewrites: bool,
}

/// The journal row that a commit writes.
#[derive(Debug)]
pub(super) struct CommittedRow {
    pub seq: u64,
    pub size_bytes: usize,
    pub ends: LogEnds,
}

/// What a commit means for one log.
#[derive(Debug)]
pub(super) struct LogCommit {
    pub incarnation: u64,
    pub head: Option<Head>,
    /// The durable end after it.
    pub end: i64,
    pub snapshot: Option<Bytes>,
    pub written: Vec<(Chunk, Bytes)>,
    pub deleted: Vec<Chunk>,
    pub cleaned: Option<Cleaned>,
    /// What retention leaves counts its age from there.
    pub trimmed_to_ms: Option<i64>,
    /// Whether batches of it are in the journal row.
    pub journaled: bool,
}

impl LogCommit {
    fn of(log: &Log) -> LogCommit {
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
    pub fn end_of(&self, id: PartitionId) -> Option<i64> {
        self.logs.get(&id).map(|log| log.end)
    }
}

/// A commit that is being put together.
#[derive(Debug)]
pub(super) struct CommitBuilder {
    commit: Commit,
    batch: WriteBatch,
    /// The row that its journaled batches go into, if there are any.
    row_seq: u64,
    parts: Vec<JournalPart>,
}

impl CommitBuilder {
    /// One that changes nothing yet; `row_seq` is the next row of the journal.
    pub fn new(ticket: Ticket, row_seq: u64) -> CommitBuilder {
        CommitBuilder {
            commit: Commit {
                ticket,
                logs: BTreeMap::new(),
                removed: Vec::new(),
                row: None,
                rows_deleted_before: None,
                appended_bytes: 0,
                rewrites: false,
            },
            batch: WriteBatch::default(),
            row_seq,
            parts: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.parts.is_empty()
    }

    /// Whether a state of this log's head is in it: another must not overtake that.
    pub fn has(&self, id: PartitionId) -> bool {
        self.commit.logs.contains_key(&id)
    }

    /// How many logs it changes, besides those that it removes.
    pub fn logs_count(&self) -> usize {
        self.commit.logs.len()
    }

    /// Deletes everything of a log but what the journal has.
    pub fn remove(&mut self, id: PartitionId) {
        let key = partition_key(id);
        for store in [Store::Head, Store::Snapshot, Store::Segment, Store::Index] {
            self.batch.delete(KeyRange::prefix(store, &key));
        }
        self.commit.removed.push(id);
    }

    /// Writes the head of a log alone: a start that DeleteRecords moves, or that it has stopped.
    pub fn head(&mut self, log: &Log) {
        let mut head = self.head_of(log);
        head.stopped = log.stopped.is_some();
        if let Some(offset) = log.delete_records_to {
            head.log_start_offset = head.log_start_offset.max(offset);
            // Whoever flushes every record expects that those it deletes are gone as surely.
            self.flush_for(log);
        }
        self.put(log, head, LogCommit::of(log));
    }

    /// Deletes what retention deletes.
    pub fn trim(&mut self, log: &Log, trim: Trim) {
        let mut head = self.head_of(log);
        head.log_start_offset = trim.log_start_offset;
        head.oldest_ms = trim.oldest_ms;
        head.chunk_count = counted(&log.head, 0, trim.deleted.len());
        self.delete_chunks(log.id, &trim.deleted);
        let log_commit = LogCommit {
            deleted: trim.deleted,
            trimmed_to_ms: Some(trim.oldest_ms),
            ..LogCommit::of(log)
        };
        self.put(log, head, log_commit);
        self.commit.rewrites = true;
    }

    /// Replaces chunks by others, as a cleaning wants it.
    pub fn rewrite(&mut self, log: &Log, rewrite: Rewrite) {
        let mut head = self.head_of(log);
        if let Some(cleaned) = rewrite.cleaned {
            head.first_dirty_offset = cleaned.end;
            head.delete_horizon_ms = cleaned.delete_horizon_ms;
            head.dirty_since_ms = log.dirty_since_ms_from(cleaned.end);
        }
        head.chunk_count = counted(&log.head, rewrite.written.len(), rewrite.deleted.len());
        self.delete_chunks(log.id, &rewrite.deleted);
        self.put_chunks(log.id, &rewrite.written);
        let log_commit = LogCommit {
            written: rewrite.written,
            deleted: rewrite.deleted,
            cleaned: rewrite.cleaned,
            ..LogCommit::of(log)
        };
        self.put(log, head, log_commit);
        self.commit.rewrites = true;
    }

    /// Puts the whole tail of a log into segments, as these chunks, of which the first may be the
    /// last that is stored, `merged` with more.
    pub fn move_tail(&mut self, log: &Log, chunks: Vec<(Chunk, Bytes)>, merged: bool) {
        let key = partition_key(log.id);
        let snapshot = log.derived.encode(&key);
        self.batch.put(Store::Snapshot, key, snapshot.clone());
        self.put_chunks(log.id, &chunks);
        let head = Head {
            segments_end: log.log_end_offset,
            journal_from: self.row_seq,
            active: log.tail.active(),
            chunk_count: counted(&log.head, chunks.len(), usize::from(merged)),
            ..log.next_head()
        };
        let log_commit = LogCommit {
            end: log.log_end_offset,
            snapshot: Some(snapshot),
            written: chunks,
            ..LogCommit::of(log)
        };
        self.put(log, head, log_commit);
    }

    /// Writes the batches of a log from `start_offset` on to the journal.
    pub fn journal(&mut self, log: &Log, start_offset: i64) {
        let batches = log.tail.from(start_offset).map(|it| it.bytes.clone());
        self.parts.push(JournalPart {
            id: log.id,
            start_offset,
            end_offset: log.log_end_offset,
            batches: batches.collect(),
        });
        let log_commit = LogCommit {
            end: log.log_end_offset,
            journaled: true,
            ..LogCommit::of(log)
        };
        match log.stored {
            true => {
                self.commit.logs.insert(log.id, log_commit);
            }
            false => self.put(log, self.head_of(log), log_commit),
        }
    }

    /// Counts the batches of a log from `start_offset` on, which it makes durable.
    pub fn makes_durable(&mut self, log: &Log, start_offset: i64) {
        let appended = log.tail.from(start_offset);
        self.commit.appended_bytes += appended.map(|it| it.bytes.len()).sum::<usize>();
    }

    /// Deletes the journal rows before `seq`.
    pub fn delete_rows_before(&mut self, seq: u64) {
        self.commit.rows_deleted_before = Some(seq);
        self.batch.delete(journal_before(seq));
    }

    /// Survives a power cut if the log's topic asks for it.
    pub fn flush_for(&mut self, log: &Log) {
        if log.config.flush_messages == 1 {
            self.batch.durability = Durability::Strict;
        }
    }

    /// What it may use when the quota is full.
    pub fn use_reserve(&mut self, reserve: Reserve) {
        self.batch.reserve = reserve;
    }

    /// The commit with its rows; `previous` is what the last row of the journal has moved.
    pub fn finish(mut self, now_ms: i64, previous: &LogEnds) -> (Commit, WriteBatch) {
        if !self.parts.is_empty() {
            let seq = self.row_seq;
            let key = journal_key(seq);
            let row = encode_row(&key, now_ms, previous, &self.parts);
            let ends = self.parts.iter().map(|it| (it.id, it.end_offset));
            self.commit.row = Some(CommittedRow {
                seq,
                size_bytes: row.len(),
                ends: ends.collect(),
            });
            self.batch.put(Store::Journal, key, row);
        }
        (self.commit, self.batch)
    }

    /// The head that a log has if nothing else of it changes. One that has none yet has nothing in
    /// the rows that are there.
    fn head_of(&self, log: &Log) -> Head {
        let mut head = log.next_head();
        if !log.stored {
            head.journal_from = self.row_seq;
        }
        head
    }

    fn put(&mut self, log: &Log, head: Head, log_commit: LogCommit) {
        let key = partition_key(log.id);
        let row = head.encode(&key);
        self.batch.put(Store::Head, key, row);
        let log_commit = LogCommit {
            head: Some(head),
            ..log_commit
        };
        self.commit.logs.insert(log.id, log_commit);
    }

    fn put_chunks(&mut self, id: PartitionId, chunks: &[(Chunk, Bytes)]) {
        for (chunk, bytes) in chunks {
            let key = chunk_key(id, chunk.segment_base, chunk.base_offset);
            let row = chunk.encode(&key);
            self.batch.put(Store::Segment, key.clone(), bytes.clone());
            self.batch.put(Store::Index, key, row);
        }
    }

    /// Deletes neighbours.
    fn delete_chunks(&mut self, id: PartitionId, chunks: &[Chunk]) {
        if let (Some(first), Some(last)) = (chunks.first(), chunks.last()) {
            for store in [Store::Segment, Store::Index] {
                self.batch.delete(KeyRange {
                    store,
                    start: first.key(id),
                    end: KeyRange::one(store, &last.key(id)).end,
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
