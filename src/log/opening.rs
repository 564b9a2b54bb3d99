//! Opening: heads, snapshots and the journal become logs.
//!
//! What is read has a bound that does not depend on how much the logs hold.

use super::derived::Derived;
use super::journal::{JournalRow, decode_row};
use super::layout::{self, Head, Malformed};
use super::load::{Load, Loads, key_behind};
use super::log::Log;
use super::manager::{LogEvent, LogManager, State};
use crate::now::Now;
use crate::planted::{self, PlantedBug};
use crate::storage::{Entry, KeyRange, StorageError, Store};

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
        for row in opening.heads {
            let malformed = |it: Malformed| it.in_store(Store::Head);
            let id = layout::partition_of_key(&row.key).map_err(malformed)?;
            let head = Head::decode(&row.value).map_err(malformed)?;
            let mut log = Log::of_head(id, self.take_version(), head);
            if head.stopped {
                log.stop("it was stopped when it was opened before".to_owned());
            }
            self.journal.next_seq = self.journal.next_seq.max(head.journal_from);
            self.logs.insert(id, log);
        }
        for row in opening.snapshots {
            let malformed = |it: Malformed| it.in_store(Store::Snapshot);
            let id = layout::partition_of_key(&row.key).map_err(malformed)?;
            let Some(log) = self.logs.get_mut(&id) else {
                continue;
            };
            log.derived = Derived::decode(&row.value).map_err(malformed)?;
            if planted::active(PlantedBug::ProducerStateNotRestored) {
                log.derived.producers = Default::default();
            }
            log.derived.truncate_from_start(log.head.log_start_offset);
            log.snapshot = row.value;
        }
        for row in opening.journal {
            let malformed = |it: Malformed| it.in_store(Store::Journal);
            let seq = layout::seq_of_journal_key(&row.key).map_err(malformed)?;
            let JournalRow { written_ms, parts } = decode_row(&row.value).map_err(malformed)?;
            let written_ms = written_ms.min(now.wall.0);
            for (id, start_offset, bytes) in parts {
                // Without a head it is what is left of a log that was removed.
                let Some(log) = self.logs.get_mut(&id) else {
                    continue;
                };
                if seq < log.head.journal_from || log.stopped.is_some() {
                    continue;
                }
                match log.restore(written_ms, seq, start_offset, &bytes) {
                    Ok(()) => self.journal.need(log.journal_first.unwrap_or(seq), id),
                    Err(why) => {
                        log.stop(why);
                        // Later openings must find it stopped, when the journal has moved on.
                        self.dirty_heads.insert(id);
                    }
                }
            }
            self.journal.row_stored(seq, row.value.len());
        }
        if planted::active(PlantedBug::ProducerStateNotRestored) {
            for log in self.logs.values_mut() {
                log.derived.producers = Default::default();
            }
        }
        Ok(())
    }
}
