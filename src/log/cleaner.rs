//! Compaction: of the records of a key the last one stays (`LogCleaner`, `Cleaner`).
//!
//! A cleaning reads the closed segments that were not cleaned yet, and notes for each key its last
//! offset; then it rewrites the log from its start up to there, without the records that a later
//! one of their key replaces. It rewrites some neighbouring chunks at a time, each time with one
//! commit: after any of them the log is whole, as whatever is removed has its successor further on.
//! Offsets do not change. A batch keeps its base and last offset when it loses records.

use super::chunk::ChunkBytes;
use super::error::LogError;
use super::layout::{Chunk, NEVER_MS};
use super::load::Loaded;
use super::log::Log;
use super::maintenance::{Cleaned, Rewrite, Step};
use super::manager::LogManager;
use super::segment::Packer;
use super::{LogLimits, PartitionId};
use crate::now::Now;
use crate::planted::{self, PlantedBug};
use crate::record::{BatchHeader, Record, RecordError, records, retain};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Bytes of keys, with [`KEY_OVERHEAD_BYTES`] for each, that one cleaning notes; what is dirty
/// behind is left to the next (`log.cleaner.dedupe.buffer.size`).
pub const CLEANER_KEYS_BYTES_MAX: usize = 16 << 20;

/// What an entry of the map of keys takes beside the key.
pub const KEY_OVERHEAD_BYTES: usize = 64;

/// Bytes of chunks that one commit of a cleaning replaces, unless one chunk alone is larger.
pub const CLEANER_RUN_BYTES_MAX: usize = 4 << 20;

/// One cleaning of one log.
#[derive(Debug)]
pub(super) struct Cleaning {
    pub id: PartitionId,
    limits: LogLimits,
    now_ms: i64,
    phase: Phase,
    /// The next offset to look at, in this phase.
    at: i64,
    /// Behind the last offset that is noted.
    end: i64,
    last_offsets: BTreeMap<Box<[u8]>, i64>,
    keys_bytes: usize,
    run: Run,
    /// Producers whose current transaction, as the rewriting reads on, has records left.
    transactions_with_records: BTreeMap<i64, bool>,
    /// When the first of the tombstones and markers that stay may go.
    delete_horizon_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    NoteKeys,
    Rewrite,
    Finish,
}

/// The chunks that are to be replaced together: they become part of the first one's segment.
#[derive(Debug, Default)]
struct Run {
    chunks: Vec<(Chunk, Rc<ChunkBytes>)>,
    bytes: u64,
    /// The segment in which what is before them ends, and how large that is.
    before: (i64, u64),
}

impl Run {
    /// Whether `chunk` may join. Small segments become one, whose size has the usual limit.
    fn admits(&self, chunk: &Chunk, bytes_max: usize, segment_bytes_max: u64) -> bool {
        let Some((first, _)) = self.chunks.first() else {
            return true;
        };
        let bytes = self.bytes + u64::from(chunk.size_bytes);
        let before = match self.before {
            (segment_base, bytes) if segment_base == first.segment_base => bytes,
            _ => 0,
        };
        let fits = chunk.segment_base == first.segment_base || before + bytes <= segment_bytes_max;
        bytes <= bytes_max as u64 && fits
    }

    fn push(&mut self, chunk: Chunk, bytes: Rc<ChunkBytes>) {
        self.bytes += u64::from(chunk.size_bytes);
        self.chunks.push((chunk, bytes));
    }

    fn take(&mut self) -> Vec<(Chunk, Rc<ChunkBytes>)> {
        self.bytes = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Takes note of what stands before the next one.
    fn left<'a>(&mut self, chunks: impl Iterator<Item = &'a Chunk>) {
        for chunk in chunks {
            if self.before.0 != chunk.segment_base {
                self.before = (chunk.segment_base, 0);
            }
            self.before.1 += u64::from(chunk.size_bytes);
        }
    }
}

impl Log {
    /// When the cleaner is to look at it, or earlier.
    pub fn cleaned_at_ms(&self) -> i64 {
        if !self.config.cleanup_compact {
            return NEVER_MS;
        }
        let closed_end = self.closed_end();
        let dirty_at_ms = match self.dirty_start() < closed_end {
            // Whether it is worth it is known: only age can change that.
            true if self.looked_at_to == closed_end => self.too_old_at_ms(),
            true => 0,
            false => NEVER_MS,
        };
        let horizon_ms = match self.head.log_start_offset < self.head.first_dirty_offset {
            true => self.head.delete_horizon_ms,
            false => NEVER_MS,
        };
        self.rolls_at_ms().min(dirty_at_ms).min(horizon_ms)
    }

    fn too_old_at_ms(&self) -> i64 {
        self.dirty_since_ms
            .saturating_add(self.config.max_compaction_lag_ms)
            .saturating_add(1)
    }

    fn dirty_start(&self) -> i64 {
        self.head.first_dirty_offset.max(self.head.log_start_offset)
    }

    /// Whether batches of a segment that does not grow any more are still in the tail.
    pub fn has_closed_tail(&self) -> bool {
        let closed_end = self.closed_end();
        let first = self.tail.batches().next();
        first.is_some_and(|first| first.segment_base < closed_end)
    }

    /// What the first record that is not compacted will be, when the log is clean up to `end`.
    pub fn dirty_since_ms_from(&self, end: i64) -> i64 {
        match self.closed_end() == end {
            true => self.tail.active().map_or(NEVER_MS, |it| it.created_ms),
            false => self.dirty_since_ms,
        }
    }
}

impl Cleaning {
    /// A cleaning of `log`, if there is enough to clean; if not, when to look again. Its index must
    /// be complete, and what is closed in segments.
    pub fn start(log: &Log, limits: LogLimits, now_ms: i64) -> Result<Cleaning, i64> {
        let dirty_start = log.dirty_start();
        let stable_end = log
            .derived
            .producers
            .last_stable_offset(log.cleanable_end());
        let active = log.tail.active().map(|active| active.base_offset);
        let (mut clean_bytes, mut dirty_bytes) = (0, 0);
        let (mut end, mut again_ms) = (dirty_start, NEVER_MS);
        for segment in log.index.segments() {
            if Some(segment.base_offset) == active {
                break;
            }
            if segment.last_offset < dirty_start {
                clean_bytes += segment.size_bytes;
                continue;
            }
            let lag_ms = log.config.min_compaction_lag_ms;
            let old_enough_ms = segment.dated_ms().saturating_add(lag_ms);
            if lag_ms > 0 && old_enough_ms > now_ms {
                again_ms = old_enough_ms;
                break;
            }
            if segment.last_offset >= stable_end {
                // The next check sees how far transactions and followers are then.
                again_ms = now_ms;
                break;
            }
            dirty_bytes += segment.size_bytes;
            end = segment.last_offset + 1;
        }
        let too_old = dirty_bytes > 0 && log.too_old_at_ms() <= now_ms;
        let ratio = dirty_bytes as f64 / ((clean_bytes + dirty_bytes) as f64).max(1.0);
        let horizon_passed =
            log.head.delete_horizon_ms <= now_ms && log.head.log_start_offset < end;
        if ratio <= log.config.min_cleanable_dirty_ratio && !too_old && !horizon_passed {
            let too_old_at_ms = match dirty_bytes {
                0 => NEVER_MS,
                _ => log.too_old_at_ms(),
            };
            return Err(again_ms.min(too_old_at_ms));
        }
        Ok(Cleaning {
            id: log.id,
            limits,
            now_ms,
            phase: Phase::NoteKeys,
            at: dirty_start,
            end,
            last_offsets: BTreeMap::new(),
            keys_bytes: 0,
            run: Run::default(),
            transactions_with_records: BTreeMap::new(),
            delete_horizon_ms: NEVER_MS,
        })
    }

    fn note_keys(&mut self, log: &Log, chunk: &Chunk, bytes: &ChunkBytes) -> Result<(), LogError> {
        for (header, batch) in bytes.batches() {
            if header.is_control() || is_aborted(log, header) {
                continue;
            }
            for record in records(&batch).map_err(damaged)? {
                let record = record.map_err(damaged)?;
                let Some(key) = record.key else {
                    continue;
                };
                match self.last_offsets.get_mut(&key[..]) {
                    Some(last_offset) => *last_offset = record.offset,
                    None => {
                        self.keys_bytes += key.len() + KEY_OVERHEAD_BYTES;
                        self.last_offsets.insert(key[..].into(), record.offset);
                    }
                }
            }
        }
        self.at = chunk.end_offset();
        if self.keys_bytes >= self.limits.cleaner_keys_bytes_max {
            self.end = self.at;
        }
        Ok(())
    }

    /// What replaces the run; `None` if it may stay as it is.
    fn rewrite_run(&mut self, log: &Log) -> Result<Option<Rewrite>, LogError> {
        let run = self.run.take();
        let Some(segment_base) = run.first().map(|(chunk, _)| chunk.segment_base) else {
            return Ok(None);
        };
        let mut packer = Packer::new(self.limits.chunk_bytes_max);
        let mut changed = false;
        for (chunk, bytes) in &run {
            for (header, batch) in bytes.batches() {
                let (header, batch) = match self.filter(log, header, &batch).map_err(damaged)? {
                    Filtered::Kept => (*header, batch),
                    Filtered::Removed => {
                        changed = true;
                        continue;
                    }
                    Filtered::Replaced(batch) => {
                        changed = true;
                        (BatchHeader::read(&batch).map_err(damaged)?, batch)
                    }
                };
                let horizon_ms = header.delete_horizon_ms().unwrap_or(NEVER_MS);
                self.delete_horizon_ms = self.delete_horizon_ms.min(horizon_ms);
                packer.add(segment_base, &header, batch, chunk.appended_ms);
            }
        }
        let written = packer.finish();
        let smaller = written.len() < run.len();
        if !changed && !smaller {
            self.run.left(run.iter().map(|(chunk, _)| chunk));
            return Ok(None);
        }
        self.run.left(written.iter().map(|(chunk, _)| chunk));
        Ok(Some(Rewrite {
            deleted: run.into_iter().map(|(chunk, _)| chunk).collect(),
            written,
            ..Rewrite::of(self.id)
        }))
    }

    fn filter(
        &mut self,
        log: &Log,
        header: &BatchHeader,
        batch: &Bytes,
    ) -> Result<Filtered, RecordError> {
        let filtered = match header.is_control() {
            _ if header.record_count == 0 => Filtered::Removed,
            true => self.filter_marker(log, header, batch)?,
            false => self.filter_records(log, header, batch)?,
        };
        match filtered {
            Filtered::Removed if !is_needed(log, header) => Ok(Filtered::Removed),
            Filtered::Removed if header.record_count == 0 => Ok(Filtered::Kept),
            Filtered::Removed => retain(header, &[], None).map(Filtered::Replaced),
            filtered => Ok(filtered),
        }
    }

    fn filter_records(
        &mut self,
        log: &Log,
        header: &BatchHeader,
        batch: &Bytes,
    ) -> Result<Filtered, RecordError> {
        let aborted = is_aborted(log, header);
        let horizon_passed = header
            .delete_horizon_ms()
            .is_some_and(|horizon| self.now_ms >= horizon)
            && !planted::active(PlantedBug::TombstonesKept);
        let mut retained: Vec<Record> = Vec::new();
        let mut has_tombstones = false;
        if !aborted {
            for record in records(batch)? {
                let record = record?;
                if self.is_replaced(&record) || (record.value.is_none() && horizon_passed) {
                    continue;
                }
                has_tombstones |= record.value.is_none();
                retained.push(record);
            }
        }
        if header.is_transactional() && !retained.is_empty() {
            self.transactions_with_records
                .insert(header.producer_id, true);
        }
        if retained.is_empty() {
            return Ok(Filtered::Removed);
        }
        let horizon = has_tombstones.then(|| {
            let later = self.now_ms.saturating_add(log.config.delete_retention_ms);
            header.delete_horizon_ms().unwrap_or(later)
        });
        let unchanged = retained.len() == header.record_count as usize
            && (horizon.is_none() || header.delete_horizon_ms().is_some());
        match unchanged {
            true => Ok(Filtered::Kept),
            false => retain(header, &retained, horizon).map(Filtered::Replaced),
        }
    }

    /// A marker stays while its transaction has records, and for `delete.retention.ms` after the
    /// cleaning that found none: a reader who saw one of them must see how it ended.
    fn filter_marker(
        &mut self,
        log: &Log,
        header: &BatchHeader,
        batch: &Bytes,
    ) -> Result<Filtered, RecordError> {
        let has_records = self
            .transactions_with_records
            .remove(&header.producer_id)
            .unwrap_or(false);
        if has_records || !header.is_transactional() {
            return Ok(Filtered::Kept);
        }
        match header.delete_horizon_ms() {
            Some(horizon) if self.now_ms >= horizon => Ok(Filtered::Removed),
            Some(_) => Ok(Filtered::Kept),
            None => {
                let horizon = self.now_ms.saturating_add(log.config.delete_retention_ms);
                let marker: Vec<Record> = records(batch)?.collect::<Result<_, _>>()?;
                retain(header, &marker, Some(horizon)).map(Filtered::Replaced)
            }
        }
    }

    /// Whether a later record has the same key. Records without a key have no place in a compacted
    /// log; a topic may have had them before it was one.
    fn is_replaced(&self, record: &Record) -> bool {
        match &record.key {
            Some(key) => self.last_offsets.get(&key[..]).is_some_and(|last_offset| {
                let is_last = record.offset == *last_offset;
                record.offset < *last_offset
                    || (is_last && planted::active(PlantedBug::LastValueCompacted))
            }),
            None => true,
        }
    }
}

enum Filtered {
    Kept,
    Removed,
    Replaced(Bytes),
}

/// Whether a batch without records stays as a header. The newest of a producer does: a follower that
/// copies the log learns its sequence from it. The last of the log does: who reads up to the high
/// watermark would never get there. (Kafka closes a segment only when something follows, so it
/// always has a last batch.)
fn is_needed(log: &Log, header: &BatchHeader) -> bool {
    let producers = &log.derived.producers;
    let is_last_of_producer = !header.is_control()
        && header.has_producer_id()
        && producers.is_last_batch(header.producer_id, header.last_offset());
    is_last_of_producer || header.next_offset() >= log.cleanable_end()
}

fn is_aborted(log: &Log, header: &BatchHeader) -> bool {
    header.is_transactional()
        && log
            .derived
            .producers
            .is_aborted(header.producer_id, header.base_offset)
}

fn damaged(error: RecordError) -> LogError {
    LogError::Stopped(format!("a stored batch cannot be decoded: {error}"))
}

impl LogManager {
    /// Does the next step of a cleaning.
    pub(super) fn clean(&mut self, now: Now, cleaning: &mut Cleaning) -> Result<Step, LogError> {
        let id = cleaning.id;
        let log = self.usable(id)?;
        if cleaning.phase == Phase::Finish {
            self.check_cleaning(now, id);
            return Ok(Step::Done);
        }
        // What the log has lost at its start meanwhile needs no cleaning.
        cleaning.at = cleaning.at.max(log.head.log_start_offset);
        let end = cleaning.end;
        let next = log.index.find(cleaning.at).unwrap_or(None);
        let Some(indexed) = next.filter(|it| it.chunk.end_offset() <= end) else {
            return self.end_phase(cleaning);
        };
        let segment_bytes_max = log.config.segment_bytes.max(0) as u64;
        let run_bytes_max = cleaning.limits.cleaner_run_bytes_max;
        if cleaning.phase == Phase::Rewrite
            && !(cleaning.run).admits(&indexed.chunk, run_bytes_max, segment_bytes_max)
        {
            return self.end_run(cleaning);
        }
        let bytes = match self.chunk(id, &indexed)? {
            Loaded::Ready(bytes) => bytes,
            Loaded::Pending(load) => return Ok(Step::Wait(load)),
        };
        match cleaning.phase {
            Phase::NoteKeys => {
                let log = self.usable(id)?;
                cleaning.note_keys(log, &indexed.chunk, &bytes)?;
            }
            Phase::Rewrite | Phase::Finish => {
                cleaning.at = indexed.chunk.end_offset();
                cleaning.run.push(indexed.chunk, bytes);
            }
        }
        Ok(Step::GoOn)
    }

    fn end_phase(&mut self, cleaning: &mut Cleaning) -> Result<Step, LogError> {
        if cleaning.phase == Phase::NoteKeys {
            cleaning.phase = Phase::Rewrite;
            cleaning.at = self.usable(cleaning.id)?.head.log_start_offset;
            return Ok(Step::GoOn);
        }
        if !cleaning.run.chunks.is_empty() {
            return self.end_run(cleaning);
        }
        cleaning.phase = Phase::Finish;
        Ok(Step::Commit(Rewrite {
            cleaned: Some(Cleaned {
                end: cleaning.end,
                delete_horizon_ms: cleaning.delete_horizon_ms,
            }),
            ..Rewrite::of(cleaning.id)
        }))
    }

    fn end_run(&mut self, cleaning: &mut Cleaning) -> Result<Step, LogError> {
        let log = self.usable(cleaning.id)?;
        match cleaning.rewrite_run(log)? {
            Some(rewrite) => Ok(Step::Commit(rewrite)),
            None => Ok(Step::GoOn),
        }
    }
}
