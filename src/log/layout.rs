//! Keys and rows in the stores.
//!
//! Every key is big-endian, so that keys ascend as offsets do. Every value starts with the version
//! of its layout. From version 1 on it is sealed by a CRC, whatever the version: damage is told
//! apart from what a newer version has written. (Batches have CRCs of their own.)

use super::PartitionId;
use crate::protocol::Uuid;
use crate::record::crc32c;
use crate::storage::{KeyRange, StorageError, Store};
use bytes::{Buf, BufMut, Bytes};

/// The version that is written. Rows of version 0, which lack some times, are understood too.
const LAYOUT_VERSION: u8 = 1;

/// A time that does not come.
pub(super) const NEVER_MS: i64 = i64::MAX;
/// A time of which only is known that it has come.
const LONG_AGO_MS: i64 = 0;

const PARTITION_KEY_BYTES: usize = 20;
const CHUNK_KEY_BYTES: usize = PARTITION_KEY_BYTES + 16;

/// What the head row of a partition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The first offset that may be read.
    pub log_start_offset: i64,
    /// Batches below it are in segments, those from it on in the journal.
    pub segments_end: i64,
    /// Journal rows before this one hold nothing of the partition that counts.
    pub journal_from: u64,
    /// The segment that grows.
    pub active: Option<ActiveSegment>,
    /// Up to here the log was compacted.
    pub first_dirty_offset: i64,
    /// The log was found broken at an opening; nothing of it may be used.
    pub stopped: bool,
    /// No segment was written last, or has a newest record, before this: a lower bound, from which
    /// retention need not look earlier, nor load an index to know it.
    pub oldest_ms: i64,
    /// When the first record that was not compacted yet was appended, or earlier.
    pub dirty_since_ms: i64,
    /// When the first tombstone or marker of the compacted part may go.
    pub delete_horizon_ms: i64,
    /// How many chunks there are, so that a missing index row is noticed: offsets have gaps.
    /// Negative if it is not known.
    pub chunk_count: i64,
}

impl Default for Head {
    fn default() -> Head {
        Head {
            log_start_offset: 0,
            segments_end: 0,
            journal_from: 0,
            active: None,
            first_dirty_offset: 0,
            stopped: false,
            oldest_ms: NEVER_MS,
            dirty_since_ms: NEVER_MS,
            delete_horizon_ms: NEVER_MS,
            chunk_count: 0,
        }
    }
}

/// The segment that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ActiveSegment {
    pub base_offset: i64,
    pub size_bytes: u64,
    /// The greatest timestamp of its first batch: `segment.ms` counts from there.
    pub rolling_timestamp: i64,
    /// When its first batch was appended.
    pub created_ms: i64,
}

/// One value of the segment store, as its index row describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The base offset of its segment.
    pub segment_base: i64,
    /// The base offset of its first batch.
    pub base_offset: i64,
    /// The last offset of its last batch.
    pub last_offset: i64,
    /// The greatest timestamp of its records.
    pub max_timestamp: i64,
    /// The leader epoch of its first batch.
    pub leader_epoch: i32,
    /// Bytes of its batches.
    pub size_bytes: u32,
    /// When its last batch was appended.
    pub appended_ms: i64,
}

pub(super) fn partition_key(id: PartitionId) -> Vec<u8> {
    let mut key = Vec::with_capacity(PARTITION_KEY_BYTES);
    put_partition(&mut key, id);
    key
}

pub(super) fn put_partition(out: &mut Vec<u8>, id: PartitionId) {
    out.put_slice(&id.topic_id.0);
    out.put_i32(id.partition);
}

pub(super) fn take_partition(input: &mut &[u8]) -> Result<PartitionId, Malformed> {
    let mut topic_id = Uuid::ZERO;
    input.try_copy_to_slice(&mut topic_id.0)?;
    Ok(PartitionId {
        topic_id,
        partition: input.try_get_i32()?,
    })
}

pub(super) fn partition_of_key(mut key: &[u8]) -> Result<PartitionId, Malformed> {
    let id = take_partition(&mut key)?;
    ended(key)?;
    Ok(id)
}

pub(super) fn chunk_key(id: PartitionId, segment_base: i64, chunk_base: i64) -> Vec<u8> {
    let mut key = Vec::with_capacity(CHUNK_KEY_BYTES);
    put_partition(&mut key, id);
    key.put_i64(segment_base);
    key.put_i64(chunk_base);
    key
}

pub(super) fn journal_key(seq: u64) -> Vec<u8> {
    seq.to_be_bytes().to_vec()
}

pub(super) fn seq_of_journal_key(key: &[u8]) -> Result<u64, Malformed> {
    Ok(u64::from_be_bytes(
        key.try_into().map_err(|_| Malformed::Damaged)?,
    ))
}

/// Journal rows before `seq`.
pub(super) fn journal_before(seq: u64) -> KeyRange {
    KeyRange {
        store: Store::Journal,
        start: Vec::new(),
        end: Some(journal_key(seq)),
    }
}

impl Head {
    pub fn encode(&self, key: &[u8]) -> Bytes {
        let mut row = versioned();
        row.put_i64(self.log_start_offset);
        row.put_i64(self.segments_end);
        row.put_u64(self.journal_from);
        row.put_i64(self.first_dirty_offset);
        row.put_u8(u8::from(self.stopped));
        row.put_u8(u8::from(self.active.is_some()));
        if let Some(active) = &self.active {
            row.put_i64(active.base_offset);
            row.put_u64(active.size_bytes);
            row.put_i64(active.rolling_timestamp);
            row.put_i64(active.created_ms);
        }
        row.put_i64(self.oldest_ms);
        row.put_i64(self.dirty_since_ms);
        row.put_i64(self.delete_horizon_ms);
        row.put_i64(self.chunk_count);
        seal(key, row)
    }

    pub fn decode(key: &[u8], row: &[u8]) -> Result<Head, Malformed> {
        let (version, mut fields) = unseal(key, row)?;
        let input = &mut fields;
        let head = Head {
            log_start_offset: input.try_get_i64()?,
            segments_end: input.try_get_i64()?,
            journal_from: input.try_get_u64()?,
            first_dirty_offset: input.try_get_i64()?,
            stopped: match input.try_get_u8()? {
                0 => false,
                1 => true,
                _ => return Err(Malformed::Damaged),
            },
            active: match input.try_get_u8()? {
                0 => None,
                1 => Some(ActiveSegment {
                    base_offset: input.try_get_i64()?,
                    size_bytes: input.try_get_u64()?,
                    rolling_timestamp: input.try_get_i64()?,
                    created_ms: since_1(version, input, LONG_AGO_MS)?,
                }),
                _ => return Err(Malformed::Damaged),
            },
            oldest_ms: since_1(version, input, LONG_AGO_MS)?,
            dirty_since_ms: since_1(version, input, LONG_AGO_MS)?,
            delete_horizon_ms: since_1(version, input, LONG_AGO_MS)?,
            chunk_count: since_1(version, input, -1)?,
        };
        ended(fields)?;
        Ok(head)
    }
}

impl Chunk {
    /// The offset behind it.
    pub fn end_offset(&self) -> i64 {
        self.last_offset + 1
    }

    pub fn key(&self, id: PartitionId) -> Vec<u8> {
        chunk_key(id, self.segment_base, self.base_offset)
    }

    pub fn encode(&self, key: &[u8]) -> Bytes {
        let mut row = versioned();
        row.put_i64(self.last_offset);
        row.put_i64(self.max_timestamp);
        row.put_i32(self.leader_epoch);
        row.put_u32(self.size_bytes);
        row.put_i64(self.appended_ms);
        seal(key, row)
    }

    pub fn decode(mut key: &[u8], row: &[u8]) -> Result<(PartitionId, Chunk), Malformed> {
        let (version, mut fields) = unseal(key, row)?;
        let input = &mut fields;
        let id = take_partition(&mut key)?;
        let chunk = Chunk {
            segment_base: key.try_get_i64()?,
            base_offset: key.try_get_i64()?,
            last_offset: input.try_get_i64()?,
            max_timestamp: input.try_get_i64()?,
            leader_epoch: input.try_get_i32()?,
            size_bytes: input.try_get_u32()?,
            // Nothing is deleted for an age that is not known.
            appended_ms: since_1(version, input, NEVER_MS)?,
        };
        ended(key)?;
        ended(fields)?;
        match chunk.segment_base <= chunk.base_offset && chunk.base_offset <= chunk.last_offset {
            true => Ok((id, chunk)),
            false => Err(Malformed::Damaged),
        }
    }
}

/// Starts a row.
pub(super) fn versioned() -> Vec<u8> {
    vec![LAYOUT_VERSION]
}

/// Ends a row with the CRC of it and its key.
pub(super) fn seal(key: &[u8], mut row: Vec<u8>) -> Bytes {
    let crc = crc_of(key, &row);
    row.put_u32(crc);
    row.into()
}

/// The version of a row that was sealed, and its fields.
pub(super) fn unseal<'a>(key: &[u8], row: &'a [u8]) -> Result<(u8, &'a [u8]), Malformed> {
    if let Some((0, fields)) = row.split_first() {
        return Ok((0, fields));
    }
    let sealed_bytes = row.len().checked_sub(4).ok_or(Malformed::Damaged)?;
    let (sealed, mut crc) = row.split_at(sealed_bytes);
    if crc.try_get_u32()? != crc_of(key, sealed) {
        return Err(Malformed::Damaged);
    }
    match sealed.split_first() {
        Some((version @ 0..=LAYOUT_VERSION, fields)) => Ok((*version, fields)),
        Some(_) => Err(Malformed::Newer),
        None => Err(Malformed::Damaged),
    }
}

fn crc_of(key: &[u8], row: &[u8]) -> u32 {
    let mut with_key = key.to_vec();
    with_key.put_u32(crc32c(row));
    crc32c(&with_key)
}

/// A row as a later version would write it.
#[cfg(test)]
pub(super) fn of_newer_version(key: &[u8]) -> Bytes {
    seal(key, vec![LAYOUT_VERSION + 1])
}

/// What rows of version 0 do not have.
pub(super) fn since_1(version: u8, input: &mut &[u8], missing: i64) -> Result<i64, Malformed> {
    match version {
        0 => Ok(missing),
        _ => Ok(input.try_get_i64()?),
    }
}

/// What the age of records is counted from: their newest timestamp, or, where none of them has one,
/// their append (Kafka takes the time of the segment's file: `LogSegment.largestTimestamp`).
pub(super) fn dated_ms(max_timestamp: i64, appended_ms: i64) -> i64 {
    match max_timestamp {
        0.. => max_timestamp,
        _ => appended_ms,
    }
}

/// A row has nothing behind what is known of it.
pub(super) fn ended(rest: &[u8]) -> Result<(), Malformed> {
    match rest.is_empty() {
        true => Ok(()),
        false => Err(Malformed::Damaged),
    }
}

/// Why a row cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Nobody has written it so.
    Damaged,
    /// A newer version of tablog has.
    Newer,
}

impl Malformed {
    /// The error of a whole store.
    pub fn in_store(self, store: Store) -> StorageError {
        match self {
            Malformed::Damaged => {
                StorageError::Corrupt(format!("a key of {} is damaged", store.name()))
            }
            Malformed::Newer => StorageError::TooNew,
        }
    }
}

impl From<bytes::TryGetError> for Malformed {
    fn from(_: bytes::TryGetError) -> Malformed {
        Malformed::Damaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: PartitionId = PartitionId {
        topic_id: Uuid([7; 16]),
        partition: 3,
    };

    #[test]
    fn rows_read_back_as_written() {
        let head = Head {
            log_start_offset: 5,
            segments_end: 70,
            journal_from: 9,
            active: Some(ActiveSegment {
                base_offset: 60,
                size_bytes: 1 << 40,
                rolling_timestamp: -1,
                created_ms: 4,
            }),
            first_dirty_offset: 50,
            stopped: true,
            oldest_ms: 1,
            dirty_since_ms: 2,
            delete_horizon_ms: 3,
            chunk_count: 4,
        };
        let key = partition_key(ID);
        for head in [head, Head::default()] {
            assert_eq!(Head::decode(&key, &head.encode(&key)), Ok(head));
        }
        let chunk = Chunk {
            segment_base: 60,
            base_offset: 64,
            last_offset: 69,
            max_timestamp: 1,
            leader_epoch: 2,
            size_bytes: 3,
            appended_ms: 4,
        };
        let key = chunk.key(ID);
        assert_eq!(Chunk::decode(&key, &chunk.encode(&key)), Ok((ID, chunk)));
    }

    #[test]
    fn rows_of_version_0_are_as_old_as_can_be_but_delete_nothing_for_it() {
        let mut row = vec![0];
        row.put_slice(&[0; 32]);
        row.put_slice(&[0, 1]);
        row.put_slice(&[0; 24]);
        let head = Head::decode(&partition_key(ID), &row).unwrap();
        assert_eq!(head.active.unwrap().created_ms, LONG_AGO_MS);
        assert_eq!(head.oldest_ms, LONG_AGO_MS);
        let mut row = vec![0];
        row.put_slice(&[0; 24]);
        let (_, chunk) = Chunk::decode(&chunk_key(ID, 0, 0), &row).unwrap();
        assert_eq!(chunk.appended_ms, NEVER_MS);
    }

    #[test]
    fn damage_is_told_apart_from_what_a_newer_version_writes() {
        let key = partition_key(ID);
        let row = Head::default().encode(&key);
        let decode = |row: &[u8]| Head::decode(&key, row);
        assert_eq!(decode(&row[..5]), Err(Malformed::Damaged));
        assert_eq!(decode(&[]), Err(Malformed::Damaged));
        let mut damaged = row.to_vec();
        damaged[0] += 1;
        assert_eq!(decode(&damaged), Err(Malformed::Damaged));
        let other = partition_key(PartitionId { partition: 4, ..ID });
        assert_eq!(Head::decode(&other, &row), Err(Malformed::Damaged));
        assert_eq!(decode(&of_newer_version(&key)), Err(Malformed::Newer));
    }

    #[test]
    fn chunk_keys_ascend_as_offsets_do() {
        assert!(chunk_key(ID, 0, 255) < chunk_key(ID, 0, 256));
        assert!(chunk_key(ID, 1, 1) < chunk_key(ID, 256, 256));
    }
}
