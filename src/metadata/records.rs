//! Batches of metadata records.

use super::image::ImageError;
use crate::protocol::{
    DecodeError, EncodeError, ErrorCode, MetadataRecord, decode_metadata_record,
    encode_metadata_record,
};
use crate::record::{BatchBuilder, BatchFields, Compression, RecordError, records as records_of};
use bytes::Bytes;
use std::fmt;

/// Bytes of records from which a batch is compressed. Smaller ones can be read as they are; those of
/// many partitions repeat themselves, and are what a full quota has to have room for.
const COMPRESSED_BYTES_MIN: usize = 4 * 1024;

/// Bytes of records up to which it is: more would take too long in one event.
const COMPRESSED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One batch of `__cluster_metadata`: `records` happen together.
///
/// Error: when something in them is too long for Kafka's formats.
pub fn encode_batch(records: &[MetadataRecord], timestamp: i64) -> Result<Bytes, EncodeError> {
    let values = records
        .iter()
        .map(|record| encode_metadata_record(record, version(record)))
        .collect::<Result<Vec<_>, _>>()?;
    let compression = match values.iter().map(|value| value.len()).sum() {
        COMPRESSED_BYTES_MIN..=COMPRESSED_BYTES_MAX => Compression::Gzip,
        _ => Compression::None,
    };
    let mut builder = BatchBuilder::new(compression);
    for value in values {
        builder
            .append(timestamp, None, Some(&value), &[])
            .map_err(|_| EncodeError::TooLong { len: value.len() })?;
    }
    Ok(builder.build(BatchFields::default()))
}

/// The records of one batch of `__cluster_metadata`, and the offset of the first.
pub fn decode_batch(batch: &Bytes) -> Result<(i64, Vec<MetadataRecord>), MetadataError> {
    let records = records_of(batch)?;
    let base_offset = records.header().base_offset;
    let mut decoded = Vec::new();
    for record in records {
        let value = record?.value.unwrap_or_default();
        decoded.push(decode_metadata_record(value)?.0);
    }
    Ok((base_offset, decoded))
}

/// The version that a record is written in: those of the image's metadata version.
fn version(record: &MetadataRecord) -> i16 {
    match record {
        MetadataRecord::RegisterBroker(_) | MetadataRecord::BrokerRegistrationChange(_) => 1,
        _ => 0,
    }
}

/// Why the metadata log cannot be followed further.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataError {
    /// A batch is damaged.
    Batch(RecordError),
    /// A record, or an answer of the controller, cannot be read.
    Record(DecodeError),
    /// A record contradicts those before it.
    Image(ImageError),
    /// The controller answers something that was not asked.
    UnexpectedReply,
    /// The controller does not let this broker into the cluster; the code says why.
    RegistrationRefused(ErrorCode),
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => write!(f, "a batch of the metadata log: {error}"),
            Self::Record(error) => write!(f, "a message about metadata: {error}"),
            Self::Image(error) => write!(f, "the metadata log: {error}"),
            Self::RegistrationRefused(error) => {
                write!(f, "the controller refused the registration: {error}")
            }
            Self::UnexpectedReply => f.write_str("the controller answered what was not asked"),
        }
    }
}

impl std::error::Error for MetadataError {}

impl From<RecordError> for MetadataError {
    fn from(error: RecordError) -> MetadataError {
        MetadataError::Batch(error)
    }
}

impl From<DecodeError> for MetadataError {
    fn from(error: DecodeError) -> MetadataError {
        MetadataError::Record(error)
    }
}

impl From<ImageError> for MetadataError {
    fn from(error: ImageError) -> MetadataError {
        MetadataError::Image(error)
    }
}
