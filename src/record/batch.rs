//! The header of a record batch, read and written in place.

use bytes::Bytes;

use super::RecordError;
use super::compression::Compression;
use super::crc32c::crc32c;

/// Bytes of a batch before its records.
pub const BATCH_OVERHEAD: usize = 61;

/// Bytes before `batch_length` counts: the base offset and the length itself.
pub const LOG_OVERHEAD: usize = 12;

/// The only format there is here.
pub const MAGIC: i8 = 2;

/// No producer id: the batch is neither idempotent nor transactional.
pub const NO_PRODUCER_ID: i64 = -1;
/// The epoch of [`NO_PRODUCER_ID`].
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The base sequence of a batch without one: of [`NO_PRODUCER_ID`], or a control batch.
pub const NO_SEQUENCE: i32 = -1;
/// No timestamp was given.
pub const NO_TIMESTAMP: i64 = -1;
/// The leader epoch of a batch that no leader has stored yet.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

const BASE_OFFSET: usize = 0;
const BATCH_LENGTH: usize = 8;
const PARTITION_LEADER_EPOCH: usize = 12;
const MAGIC_AT: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const BASE_TIMESTAMP: usize = 27;
const MAX_TIMESTAMP: usize = 35;
const PRODUCER_ID: usize = 43;
const PRODUCER_EPOCH: usize = 51;
const BASE_SEQUENCE: usize = 53;
const RECORD_COUNT: usize = 57;

/// The header of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset from which the records count; compaction keeps it when the first record goes.
    pub base_offset: i64,
    /// Bytes of the batch after this field.
    pub batch_length: i32,
    /// The epoch of the leader that gave the batch its offsets.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes to the end.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// The last offset less the base offset; compaction keeps it when the last record goes.
    pub last_offset_delta: i32,
    /// What the records' timestamps count from, in ms; with
    /// [`Attributes::has_delete_horizon`] it is the delete horizon.
    pub base_timestamp: i64,
    /// The greatest timestamp of the records, in ms, or the time of the append.
    pub max_timestamp: i64,
    /// Who produced it, or [`NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// The producer's epoch, or [`NO_PRODUCER_EPOCH`].
    pub producer_epoch: i16,
    /// The sequence of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// How many records there are; 0 after compaction of a batch that a producer's state needs.
    pub record_count: i32,
}

/// The codec and the flags of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

/// What the timestamps of a batch mean (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The leader's, the same for all records of a batch.
    LogAppendTime,
}

impl Attributes {
    const COMPRESSION: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// The codec of the records; an error for an id that is none.
    pub fn compression(self) -> Result<Compression, RecordError> {
        Compression::from_id((self.0 & Self::COMPRESSION) as u8)
    }

    /// What the timestamps mean.
    pub fn timestamp_type(self) -> TimestampType {
        match self.0 & Self::LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether its records are markers that consumers do not see.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    pub(super) fn with_compression(self, compression: Compression) -> Attributes {
        Attributes(self.0 & !Self::COMPRESSION | i16::from(compression.id()))
    }

    pub(super) fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        self.with(
            Self::LOG_APPEND_TIME,
            timestamp_type == TimestampType::LogAppendTime,
        )
    }

    pub(super) fn with_transactional(self, set: bool) -> Attributes {
        self.with(Self::TRANSACTIONAL, set)
    }

    pub(super) fn with_control(self, set: bool) -> Attributes {
        self.with(Self::CONTROL, set)
    }

    pub(super) fn with_delete_horizon(self, set: bool) -> Attributes {
        self.with(Self::DELETE_HORIZON, set)
    }

    fn with(self, bit: i16, set: bool) -> Attributes {
        Attributes(if set { self.0 | bit } else { self.0 & !bit })
    }
}

impl std::fmt::Debug for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attributes({:#09b})", self.0)
    }
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the records need not be there.
    ///
    /// Errors: `Truncated`, `UnsupportedMagic`, `InvalidLength`. Nothing else is checked.
    pub fn read(bytes: &[u8]) -> Result<BatchHeader, RecordError> {
        // The magic first: the older formats may be shorter than this header.
        let magic = *bytes.get(MAGIC_AT).ok_or(RecordError::Truncated)? as i8;
        if magic != MAGIC {
            return Err(RecordError::UnsupportedMagic(magic));
        }
        let Some(header) = bytes.first_chunk::<BATCH_OVERHEAD>() else {
            return Err(RecordError::Truncated);
        };
        let batch_length = i32::from_be_bytes(get(header, BATCH_LENGTH));
        if batch_length < (BATCH_OVERHEAD - LOG_OVERHEAD) as i32 {
            return Err(RecordError::InvalidLength(batch_length));
        }
        Ok(BatchHeader {
            base_offset: i64::from_be_bytes(get(header, BASE_OFFSET)),
            batch_length,
            partition_leader_epoch: i32::from_be_bytes(get(header, PARTITION_LEADER_EPOCH)),
            crc: u32::from_be_bytes(get(header, CRC)),
            attributes: Attributes(i16::from_be_bytes(get(header, ATTRIBUTES))),
            last_offset_delta: i32::from_be_bytes(get(header, LAST_OFFSET_DELTA)),
            base_timestamp: i64::from_be_bytes(get(header, BASE_TIMESTAMP)),
            max_timestamp: i64::from_be_bytes(get(header, MAX_TIMESTAMP)),
            producer_id: i64::from_be_bytes(get(header, PRODUCER_ID)),
            producer_epoch: i16::from_be_bytes(get(header, PRODUCER_EPOCH)),
            base_sequence: i32::from_be_bytes(get(header, BASE_SEQUENCE)),
            record_count: i32::from_be_bytes(get(header, RECORD_COUNT)),
        })
    }

    /// Bytes of the whole batch.
    pub fn size_in_bytes(&self) -> usize {
        LOG_OVERHEAD + self.batch_length as usize
    }

    /// The offset of the last record, even if compaction has removed it.
    pub fn last_offset(&self) -> i64 {
        // Wraps like Java's: a producer may send any base offset, the leader replaces it.
        self.base_offset
            .wrapping_add(i64::from(self.last_offset_delta))
    }

    /// The offset behind the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// The sequence of the last record; [`NO_SEQUENCE`] if the batch has none.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            NO_SEQUENCE => NO_SEQUENCE,
            base_sequence => increment_sequence(base_sequence, self.last_offset_delta),
        }
    }

    /// The codec of the records; an error for an id that is none.
    pub fn compression(&self) -> Result<Compression, RecordError> {
        self.attributes.compression()
    }

    /// What the timestamps mean.
    pub fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    /// Whether its records are markers that consumers do not see.
    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// Whether it has a producer id, so that sequences tell duplicates.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// When compaction may remove the batch's tombstones or marker, in ms since the Unix epoch;
    /// set by the first cleaning that sees them (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp)
    }

    /// Checks that the batch is all there and that its CRC is right: `ensureValid` of Kafka's
    /// `DefaultRecordBatch`. `batch` may go on behind it.
    ///
    /// Errors: those of [`BatchHeader::read`], `Truncated`, `CrcMismatch`.
    pub fn ensure_valid(batch: &[u8]) -> Result<BatchHeader, RecordError> {
        let header = BatchHeader::read(batch)?;
        let batch = batch
            .get(..header.size_in_bytes())
            .ok_or(RecordError::Truncated)?;
        let computed = crc32c(&batch[ATTRIBUTES..]);
        if computed != header.crc {
            return Err(RecordError::CrcMismatch {
                stored: header.crc,
                computed,
            });
        }
        Ok(header)
    }

    /// Writes the header over the first bytes of `batch`, and the CRC of what follows it.
    ///
    /// `batch` is the whole batch; `batch_length` and `crc` are set from it.
    pub(super) fn write(&mut self, batch: &mut [u8]) {
        self.batch_length = i32::try_from(batch.len() - LOG_OVERHEAD)
            .expect("a batch cannot be larger than INFLATED_BYTES_MAX and its codec's overhead");
        put(batch, BASE_OFFSET, self.base_offset.to_be_bytes());
        put(batch, BATCH_LENGTH, self.batch_length.to_be_bytes());
        put(
            batch,
            PARTITION_LEADER_EPOCH,
            self.partition_leader_epoch.to_be_bytes(),
        );
        put(batch, MAGIC_AT, MAGIC.to_be_bytes());
        put(batch, ATTRIBUTES, self.attributes.0.to_be_bytes());
        put(
            batch,
            LAST_OFFSET_DELTA,
            self.last_offset_delta.to_be_bytes(),
        );
        put(batch, BASE_TIMESTAMP, self.base_timestamp.to_be_bytes());
        put(batch, MAX_TIMESTAMP, self.max_timestamp.to_be_bytes());
        put(batch, PRODUCER_ID, self.producer_id.to_be_bytes());
        put(batch, PRODUCER_EPOCH, self.producer_epoch.to_be_bytes());
        put(batch, BASE_SEQUENCE, self.base_sequence.to_be_bytes());
        put(batch, RECORD_COUNT, self.record_count.to_be_bytes());
        self.crc = write_crc(batch);
    }
}

/// The sequence that is `increment` behind `sequence`; 0 follows 2³¹−1
/// (`DefaultRecordBatch.incrementSequence`).
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    // Both are below 2^31, so their sum is below 2^32; dropping the top bit wraps it.
    (sequence.wrapping_add(increment) as u32 & i32::MAX as u32) as i32
}

/// The sequence `decrement` before `sequence`; 2³¹−1 comes before 0.
pub fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    (sequence.wrapping_sub(decrement) as u32 & i32::MAX as u32) as i32
}

/// Writes the offset of the first record. The CRC does not cover it.
///
/// Panics if `batch` is shorter than [`BATCH_OVERHEAD`], as all setters do: they are for batches
/// that were validated.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    put(batch, BASE_OFFSET, base_offset.to_be_bytes());
}

/// Writes the leader's epoch. The CRC does not cover it.
pub fn set_partition_leader_epoch(batch: &mut [u8], partition_leader_epoch: i32) {
    put(
        batch,
        PARTITION_LEADER_EPOCH,
        partition_leader_epoch.to_be_bytes(),
    );
}

/// Gives all records of the batch the leader's time: writes the max timestamp, the timestamp type
/// and the CRC. `batch` is exactly one batch.
pub fn set_log_append_time(batch: &mut [u8], now_ms: i64) {
    set_max_timestamp(batch, TimestampType::LogAppendTime, now_ms);
}

/// Writes the max timestamp, its type and the CRC, unless they are so already: a producer's max
/// timestamp is not trusted (`DefaultRecordBatch.setMaxTimestamp`). `batch` is exactly one batch.
pub fn set_max_timestamp(batch: &mut [u8], timestamp_type: TimestampType, max_timestamp: i64) {
    let attributes = Attributes(i16::from_be_bytes(get(batch, ATTRIBUTES)));
    let written = i64::from_be_bytes(get(batch, MAX_TIMESTAMP));
    if attributes.timestamp_type() == timestamp_type && written == max_timestamp {
        return;
    }
    put(
        batch,
        ATTRIBUTES,
        attributes
            .with_timestamp_type(timestamp_type)
            .0
            .to_be_bytes(),
    );
    put(batch, MAX_TIMESTAMP, max_timestamp.to_be_bytes());
    write_crc(batch);
}

/// Gives the batch a producer's id, epoch and sequence, and writes the CRC: for a producer whose
/// epoch was bumped while the batch waited to be sent. `batch` is exactly one batch.
pub fn set_producer_state(
    batch: &mut [u8],
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) {
    put(batch, PRODUCER_ID, producer_id.to_be_bytes());
    put(batch, PRODUCER_EPOCH, producer_epoch.to_be_bytes());
    put(batch, BASE_SEQUENCE, base_sequence.to_be_bytes());
    write_crc(batch);
}

/// Iterates over the batches that `bytes` is a row of, without copying.
///
/// A batch that is cut off at the end ends the iteration without an error: a fetch may return
/// one. [`Batches::strict`] makes that an error. After an error the iteration has ended.
pub fn batches(bytes: &Bytes) -> Batches {
    Batches {
        rest: bytes.clone(),
        strict: false,
    }
}

/// See [`batches`]: yields each header with the bytes of its whole batch.
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
    strict: bool,
}

impl Batches {
    /// Makes a batch that is cut off at the end an error, `Truncated`.
    pub fn strict(mut self) -> Batches {
        self.strict = true;
        self
    }

    /// The bytes that were not yielded: behind the last whole batch when the iteration has ended.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }
}

impl Iterator for Batches {
    type Item = Result<(BatchHeader, Bytes), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = BatchHeader::read(&self.rest).and_then(|header| {
            match self.rest.len() < header.size_in_bytes() {
                true => Err(RecordError::Truncated),
                false => Ok((header, self.rest.split_to(header.size_in_bytes()))),
            }
        });
        match batch {
            Err(RecordError::Truncated) if !self.strict => None,
            Err(error) => {
                self.rest.clear();
                Some(Err(error))
            }
            Ok(batch) => Some(Ok(batch)),
        }
    }
}

impl std::iter::FusedIterator for Batches {}

fn write_crc(batch: &mut [u8]) -> u32 {
    let crc = crc32c(&batch[ATTRIBUTES..]);
    put(batch, CRC, crc.to_be_bytes());
    crc
}

fn get<const N: usize>(batch: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&batch[at..at + N]);
    value
}

fn put<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    batch[at..at + N].copy_from_slice(&value);
}
