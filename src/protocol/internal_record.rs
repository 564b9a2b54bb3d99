//! The frames around records that Kafka keeps in its internal topics.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::message::{Message, put_unsigned_varint};
use super::messages::MetadataRecord;
use super::reader::Reader;

/// The only version there is of the frame around a metadata record.
const METADATA_FRAME_VERSION: u32 = 1;

/// Writes the value of a record of `__cluster_metadata`: frame version, record type and version as
/// unsigned varints, then the record (Kafka's `AbstractApiMessageSerde`).
pub fn encode_metadata_record(record: &MetadataRecord, version: i16) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::new();
    put_unsigned_varint(&mut out, METADATA_FRAME_VERSION);
    // Types and versions in the table are small and not negative.
    put_unsigned_varint(&mut out, record.record_type() as u32);
    put_unsigned_varint(&mut out, version as u32);
    record.encode(version, &mut out)?;
    Ok(out.freeze())
}

/// Reads the value of a record of `__cluster_metadata`, and its version.
pub fn decode_metadata_record(value: Bytes) -> Result<(MetadataRecord, i16), DecodeError> {
    let mut input = Reader::new(value);
    match input.unsigned_varint()? {
        METADATA_FRAME_VERSION => {}
        version => return Err(DecodeError::UnknownFrameVersion { version }),
    }
    let mut number =
        || i16::try_from(input.unsigned_varint()?).map_err(|_| DecodeError::VarintTooLong);
    let (record_type, version) = (number()?, number()?);
    let record = MetadataRecord::decode(record_type, version, &mut input)?;
    input.finish()?;
    Ok((record, version))
}

/// A key of `__consumer_offsets` or `__transaction_state`.
pub trait CoordinatorKey: Message {
    /// The number before the key, which also says what the value is (Kafka's
    /// `CoordinatorRecordType`).
    const RECORD_TYPE: i16;
}

/// Writes the key of a record of `__consumer_offsets` or `__transaction_state`.
pub fn encode_coordinator_key<K: CoordinatorKey>(key: &K) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::new();
    out.put_i16(K::RECORD_TYPE);
    key.encode(K::VERSIONS.max, &mut out)?;
    Ok(out.freeze())
}

/// The [`CoordinatorKey::RECORD_TYPE`] of a key, to know what to decode it as.
pub fn coordinator_record_type(key: &Bytes) -> Result<i16, DecodeError> {
    Reader::new(key.clone()).i16()
}

/// Reads the key of a record of `__consumer_offsets` or `__transaction_state`.
pub fn decode_coordinator_key<K: CoordinatorKey>(key: Bytes) -> Result<K, DecodeError> {
    let mut input = Reader::new(key);
    let record_type = input.i16()?;
    if record_type != K::RECORD_TYPE {
        return Err(DecodeError::UnknownRecord { key: record_type });
    }
    let key = K::decode(K::VERSIONS.max, &mut input)?;
    input.finish()?;
    Ok(key)
}

/// Writes the value of a record of `__consumer_offsets` or `__transaction_state`: its version, then
/// the value.
pub fn encode_coordinator_value<V: Message>(value: &V, version: i16) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::new();
    out.put_i16(version);
    value.encode(version, &mut out)?;
    Ok(out.freeze())
}

/// Reads the value of a record of `__consumer_offsets` or `__transaction_state`, and its version.
pub fn decode_coordinator_value<V: Message>(value: Bytes) -> Result<(V, i16), DecodeError> {
    let mut input = Reader::new(value);
    let version = input.i16()?;
    let value = V::decode(version, &mut input)?;
    input.finish()?;
    Ok((value, version))
}
