//! Opening: heads, snapshots and the journal become logs.
//!
//! What is read has a bound that does not depend on how much the logs hold.

use super::PartitionId;
use super::derived::Derived;
use super::journal::{LogEnds, decode_row};
use super::layout::{self, Head, Malformed};
use super::load::{Load, Loads, key_behind};
use super::log::Log;
use super::manager::{LogEvent, LogManager, State};
use crate::now::Now;
use crate::planted::{self, PlantedBug};
use crate::storage::{Entry, KeyRange, StorageError, Store};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that one load of the opening asks for.
pub const OPENING_LOAD_BYTES: usize = 1 << 20;

const STORES: [Store; 3] = [Store::Head, Store::Snapshot, Store::Journal];

/// The rows that were read so far.
#[derive(Debug, Default)]
pub(super) struct Opening {
    heads: Vec<Entry>,
    snapshots: Vec<Entry>,
    journal: Vec<Entry>,
    stores_read: usize,
}

impl Opening {
    pub fn start(loads: &mut Loads, page_bytes: usize) -> Opening {
        for store in STORES {
            // No load of an opening can have failed before.
            let _ = loads.start(Load::Opening(store), || KeyRange::all(store), page_bytes);
        }
        Opening::default()
    }

    fn rows(&mut self, store: Store) -> &mut Vec<Entry> {
        match store {
            Store::Head => &mut self.heads,
            Store::Snapshot => &mut self.snapshots,
            _ => &mut self.journal,
        }
    }
}

impl LogManager {
    /// Takes a page of a store; with the last one of all, the logs are there.
    pub(super) fn opening_loaded(
        &mut self,
        now: Now,
        store: Store,
        result: Result<Vec<Entry>, StorageError>,
        events: &mut Vec<LogEvent>,
    ) {
        let State::Opening(opening) = &mut self.state else {
            return;
        };
        let page = match result {
            Ok(page) => page,
            Err(error) => return self.fail(error, events),
        };
        if let Some(last) = page.last() {
            let range = KeyRange {
                start: key_behind(&last.key),
                ..KeyRange::all(store)
            };
            opening.rows(store).extend(page);
            let load = Load::Opening(store);
            let page_bytes = self.limits.opening_load_bytes;
            if let Err(error) = self.loads.start(load, || range, page_bytes) {
                self.fail(error, events);
            }
            return;
        }
        opening.stores_read += 1;
        if opening.stores_read < STORES.len() {
            return;
        }
        let opening = std::mem::take(opening);
        self.state = State::Open;
        if let Err(error) = self.make_logs(now, opening) {
            return self.fail(error, events);
        }
        self.maintenance.opened(now);
        events.push(LogEvent::Opened);
        for log in self.logs.values() {
            if let Some(why) = &log.stopped {
                let why = why.clone();
                events.push(LogEvent::Stopped { id: log.id, why });
            }
        }
    }

    fn make_logs(&mut self, now: Now, opening: Opening) -> Result<(), StorageError> {
        self.take_heads(opening.heads)?;
        self.take_snapshots(opening.snapshots)?;
        self.take_journal(now, opening.journal)?;
        if planted::active(PlantedBug::ProducerStateNotRestored) {
            for log in self.logs.values_mut() {
                log.derived.producers = Default::default();
            }
        }
        Ok(())
    }

    fn take_heads(&mut self, rows: Vec<Entry>) -> Result<(), StorageError> {
        for row in rows {
            let id = partition_of(Store::Head, &row)?;
            let incarnation = self.take_version();
            let log = match readable(Store::Head, Head::decode(&row.key, &row.value))? {
                Some(head) => {
                    self.journal.next_seq = self.journal.next_seq.max(head.journal_from);
                    let mut log = Log::of_head(id, incarnation, head);
                    if head.stopped {
                        log.stop("it was stopped when it was opened before".to_owned());
                    }
                    log
                }
                None => {
                    let mut log = Log::of_head(id, incarnation, Head::default());
                    log.stop("its head row is damaged".to_owned());
                    log
                }
            };
            self.logs.insert(id, log);
        }
        Ok(())
    }

    fn take_snapshots(&mut self, rows: Vec<Entry>) -> Result<(), StorageError> {
        let mut missing: BTreeSet<PartitionId> = self.logs.keys().copied().collect();
        for row in rows {
            let id = partition_of(Store::Snapshot, &row)?;
            let Some(log) = self.logs.get_mut(&id) else {
                self.headless.insert(id);
                continue;
            };
            missing.remove(&id);
            match readable(Store::Snapshot, Derived::decode(&row.key, &row.value))? {
                Some(derived) => log.derived = derived,
                None => log.stop("its snapshot row is damaged".to_owned()),
            }
            log.derived.truncate_from_start(log.head.log_start_offset);
            log.snapshot = row.value;
        }
        for log in self.logs.values_mut() {
            if log.head.segments_end > 0 && missing.contains(&log.id) {
                log.stop("its snapshot row is missing".to_owned());
            }
        }
        Ok(())
    }

    fn take_journal(&mut self, now: Now, rows: Vec<Entry>) -> Result<(), StorageError> {
        let mut reading = JournalReading::default();
        for row in rows {
            let key = layout::seq_of_journal_key(&row.key);
            let seq = key.map_err(|it| it.in_store(Store::Journal))?;
            let read = readable(Store::Journal, decode_row(&row.key, &row.value))?;
            reading.saw(seq, read.is_some());
            let read = read.unwrap_or_default();
            for (id, end) in &read.previous {
                if let Some(log) = self.logs.get_mut(id)
                    && log.head.journal_from < seq
                    && log.log_end_offset < *end
                {
                    self.backlog.write_head(*id);
                    log.stop(format!(
                        "journal row {} is missing or damaged: the log ends at offset {}, not {end}",
                        seq - 1,
                        log.log_end_offset
                    ));
                }
            }
            let written_ms = read.written_ms.min(now.wall.0);
            let mut ends = LogEnds::new();
            let mut has_deleted = false;
            for part in read.parts {
                let id = part.id;
                ends.extend(part.end_offset.map(|end| (id, end)));
                let Some(log) = self.logs.get_mut(&id) else {
                    // What is left of a log that was removed, unless it is wanted again.
                    self.headless.insert(id);
                    has_deleted = true;
                    continue;
                };
                let deleted_to = log.head.log_start_offset.max(log.head.first_dirty_offset);
                has_deleted |= part.start_offset < deleted_to;
                if seq < log.head.journal_from || log.stopped.is_some() {
                    continue;
                }
                reading.last_of.insert(id, seq);
                match log.restore(written_ms, seq, &part) {
                    Ok(()) => self.journal.need(log.journal_first.unwrap_or(seq), id),
                    Err(why) => {
                        log.stop(why);
                        // Later openings must find it stopped, when the journal has moved on.
                        self.backlog.write_head(id);
                    }
                }
            }
            self.journal.row_stored(seq, row.value.len(), ends);
            if has_deleted {
                // Nobody may have been here for long enough to let it go.
                self.journal.purge_later(now.wall.0);
            }
        }
        if let Some(lost) = reading.lost() {
            for log in self.logs.values_mut() {
                let is_whole = reading
                    .last_of
                    .get(&log.id)
                    .is_some_and(|last| lost < *last);
                if log.head.journal_from <= lost && !is_whole && log.stopped.is_none() {
                    log.stop(format!(
                        "journal row {lost} cannot be read, and may have batches from offset {} on",
                        log.log_end_offset
                    ));
                    self.backlog.write_head(log.id);
                }
            }
        }
        Ok(())
    }
}

/// Which rows of the journal were there and could be read.
#[derive(Default)]
struct JournalReading {
    last: Option<(u64, bool)>,
    /// The last row of which nobody says whose batches it had: the next cannot be read either.
    lost: Option<u64>,
    /// The last row that was read of each partition.
    last_of: BTreeMap<PartitionId, u64>,
}

impl JournalReading {
    fn saw(&mut self, seq: u64, readable: bool) {
        if let Some((last, last_readable)) = self.last {
            let missing = seq - last - 1;
            if missing > 1 || (missing == 1 && !readable) {
                self.lost = Some(seq - 1 - u64::from(readable));
            } else if !last_readable && (missing == 1 || !readable) {
                self.lost = Some(last);
            }
        }
        self.last = Some((seq, readable));
    }

    /// The last row that is lost, with all that nobody knows of it.
    fn lost(&self) -> Option<u64> {
        match self.last {
            Some((last, false)) => Some(last),
            _ => self.lost,
        }
    }
}

fn partition_of(store: Store, row: &Entry) -> Result<PartitionId, StorageError> {
    layout::partition_of_key(&row.key).map_err(|it| it.in_store(store))
}

/// `None` for a row that is damaged: that concerns its partition only.
fn readable<T>(store: Store, row: Result<T, Malformed>) -> Result<Option<T>, StorageError> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(Malformed::Damaged) => Ok(None),
        Err(newer) => Err(newer.in_store(store)),
    }
}
