//! Sizes at which a node's logs do something else.

use super::cleaner::{CLEANER_KEYS_BYTES_MAX, CLEANER_RUN_BYTES_MAX};
use super::committing::DIRECT_BYTES_MIN;
use super::index_memory::INDEX_ROWS_MAX;
use super::journal::{JOURNAL_IDLE_MOVE_ROWS, JOURNAL_MOVE_ROWS};
use super::load::INDEX_LOAD_BYTES;
use super::opening::OPENING_LOAD_BYTES;
use super::segment::{CHUNK_BYTES_MAX, CHUNK_MERGE_BYTES_MAX};

/// The defaults are the constants of the product. The simulator makes them small, so that a short
/// run meets what otherwise takes a large log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of a partition in one commit from which they go straight to its segment.
    pub direct_bytes_min: usize,
    /// Rows of the journal from which every commit also moves old ones into segments.
    pub journal_move_rows: usize,
    /// Rows of the journal from which they are moved when nothing else waits.
    pub journal_idle_move_rows: usize,
    /// Bytes of a chunk, unless one batch is larger; not more than
    /// [`CHUNK_BYTES_MAX`].
    pub chunk_bytes_max: usize,
    /// Bytes of the last chunk below which more batches join it.
    pub chunk_merge_bytes_max: usize,
    /// Index rows that are kept in memory, over all logs.
    pub index_rows_max: usize,
    /// Bytes of index rows that one load brings, but at least one row.
    pub index_load_bytes: usize,
    /// Bytes that one load of an opening brings, but at least one row.
    pub opening_load_bytes: usize,
    /// Bytes of keys that one cleaning notes.
    pub cleaner_keys_bytes_max: usize,
    /// Bytes of chunks that one commit of a cleaning replaces, unless one alone is larger.
    pub cleaner_run_bytes_max: usize,
}

impl Default for LogLimits {
    fn default() -> LogLimits {
        LogLimits {
            direct_bytes_min: DIRECT_BYTES_MIN,
            journal_move_rows: JOURNAL_MOVE_ROWS,
            journal_idle_move_rows: JOURNAL_IDLE_MOVE_ROWS,
            chunk_bytes_max: CHUNK_BYTES_MAX,
            chunk_merge_bytes_max: CHUNK_MERGE_BYTES_MAX,
            index_rows_max: INDEX_ROWS_MAX,
            index_load_bytes: INDEX_LOAD_BYTES,
            opening_load_bytes: OPENING_LOAD_BYTES,
            cleaner_keys_bytes_max: CLEANER_KEYS_BYTES_MAX,
            cleaner_run_bytes_max: CLEANER_RUN_BYTES_MAX,
        }
    }
}
