//! Record batch v2: read in place, built, validated, compressed.
//!
//! A batch is the unit that is produced, stored, replicated and fetched, and its bytes stay as
//! they are on that whole way. The broker reads the 61 bytes of header ([`BatchHeader`]), writes
//! the two fields that the CRC leaves out ([`set_base_offset`], [`set_partition_leader_epoch`]),
//! and decodes [`records`] only where Kafka does. Layout: `DefaultRecordBatch` and
//! `DefaultRecord` of Kafka's clients, KIP-98. The older formats (magic 0 and 1) are refused, as
//! Kafka 4 does for Produce (KIP-724).

mod batch;
mod builder;
mod compression;
mod control;
mod crc32c;
mod error;
#[expect(
    clippy::module_inception,
    reason = "one noun per file, and the noun is the record"
)]
mod record;
mod validate;
mod varint;

#[cfg(test)]
mod tests;

pub use batch::*;
pub use builder::*;
pub use compression::*;
pub use control::*;
pub use crc32c::crc32c;
pub use error::RecordError;
pub use record::*;
pub use validate::*;
