//! Sizes at which a node's logs do something else.

use super::cleaner::{CLEANER_KEYS_BYTES_MAX, CLEANER_RUN_BYTES_MAX};
use super::commit::DIRECT_BYTES_MIN;
use super::journal::{JOURNAL_IDLE_MOVE_ROWS, JOURNAL_MOVE_ROWS};
use super::load::INDEX_LOAD_BYTES;
use super::opening::OPENING_LOAD_BYTES;
use super::segment::{CHUNK_BYTES_MAX, CHUNK_MERGE_BYTES_MAX};

/// The product has the constants, which are the default. The simulator makes them small, so that a
/// short run meets what otherwise takes a large log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// See [`DIRECT_BYTES_MIN`].
    pub direct_bytes_min: usize,
    /// See [`JOURNAL_MOVE_ROWS`].
    pub journal_move_rows: usize,
    /// See [`JOURNAL_IDLE_MOVE_ROWS`].
    pub journal_idle_move_rows: usize,
    /// See [`CHUNK_BYTES_MAX`], which is the most.
    pub chunk_bytes_max: usize,
    /// See [`CHUNK_MERGE_BYTES_MAX`].
    pub chunk_merge_bytes_max: usize,
    /// See [`INDEX_LOAD_BYTES`].
    pub index_load_bytes: usize,
    /// See [`OPENING_LOAD_BYTES`].
    pub opening_load_bytes: usize,
    /// See [`CLEANER_KEYS_BYTES_MAX`].
    pub cleaner_keys_bytes_max: usize,
    /// See [`CLEANER_RUN_BYTES_MAX`].
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
            index_load_bytes: INDEX_LOAD_BYTES,
            opening_load_bytes: OPENING_LOAD_BYTES,
            cleaner_keys_bytes_max: CLEANER_KEYS_BYTES_MAX,
            cleaner_run_bytes_max: CLEANER_RUN_BYTES_MAX,
        }
    }
}
