//! The log: what is kept of a partition, and how it becomes durable.
//!
//! A [`LogManager`] holds all logs of a node. Appended batches stand in the tail of their log, in
//! memory, until a commit has made them durable; all that is appended while a commit is in flight
//! joins the next. A commit writes one row to the journal; larger shares, and old rows later, go
//! into segments, as chunks of many batches (`segment`). Nothing above the durable end is shown.
//!
//! Producer state, leader epochs and aborted transactions follow from the batches (`derived`).
//! Opening reads a head and a snapshot for each partition, and the journal, whatever the logs'
//! sizes. `maintenance` deletes and compacts what may go.

mod backlog;
mod chunk;
mod cleaner;
mod commit;
mod committing;
mod config;
mod deadlines;
mod derived;
mod epoch_cache;
mod error;
mod index_memory;
mod jobs;
mod journal;
mod layout;
mod limits;
mod load;
#[expect(
    clippy::module_inception,
    reason = "one noun per file, and the noun is the log"
)]
mod log;
mod lookup;
mod maintenance;
mod manager;
mod opening;
mod partition_id;
mod producer_state;
mod read;
mod replay;
mod retention;
mod segment;
mod swapped;
mod tail;
mod validate;

#[cfg(test)]
mod tests;

pub use backlog::UNCOMMITTED_BYTES_MAX;
pub use chunk::CHUNK_CACHE_BYTES_MAX;
pub use committing::DIRECT_BYTES_MIN;
pub use config::{LogConfig, MaintenanceConfig};
pub use epoch_cache::{UNDEFINED_EPOCH, UNDEFINED_OFFSET};
pub use error::{AppendError, LogError, RecordIndexError};
pub use journal::{JOURNAL_BYTES_MAX, JOURNAL_PURGE_DELAY_MS, JOURNAL_ROWS_MAX};
pub use limits::LogLimits;
pub use load::LoadId;
pub use lookup::TimestampOffset;
pub use manager::{AppendOrigin, Appended, LogEvent, LogManager};
pub use partition_id::PartitionId;
pub use producer_state::{AbortedTransaction, ProducerError};
pub use read::{Lookup, Read};
pub use replay::{Replay, ReplayStep};
pub use segment::CHUNK_BYTES_MAX;
