//! The records of a batch.

use std::borrow::Cow;

use bytes::{Buf, BufMut, Bytes};

use super::RecordError;
use super::batch::{BATCH_OVERHEAD, BatchHeader, TimestampType};
use super::compression::{Compression, INFLATED_BYTES_MAX};
use super::varint::{
    put_varint, put_varlong, read_varint, read_varlong, varint_size, varlong_size,
};

/// One record. Null and empty are different things for key, value and header values.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// In ms since the Unix epoch; the batch says whether the producer or the leader gave it.
    pub timestamp: i64,
    /// What the partitioner and compaction go by.
    pub key: Option<Bytes>,
    /// `None` is a tombstone for compaction.
    pub value: Option<Bytes>,
    /// In the producer's order, with repeated keys.
    pub headers: Vec<Header>,
}

/// One header of a record.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// UTF-8 by convention; like Kafka's broker we do not look.
    pub key: Bytes,
    /// Any bytes.
    pub value: Option<Bytes>,
}

impl Header {
    /// The key as text; bytes that are not UTF-8 become U+FFFD.
    pub fn key_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.key)
    }
}

/// Iterates over the records of the batch at the start of `batch`; bytes behind it are ignored.
///
/// Uncompressed records are slices of `batch`; compressed ones are inflated here, once. The CRC is
/// not looked at ([`BatchHeader::ensure_valid`] does that). After an error the iteration has ended.
///
/// Errors: those of [`BatchHeader::read`], `Truncated`, `InvalidRecordCount`, and those of
/// [`Compression::decompress`]; the iterator's are `MalformedRecord` and `TrailingBytes`.
pub fn records(batch: &Bytes) -> Result<Records, RecordError> {
    let header = BatchHeader::read(batch)?;
    let size = header.size_in_bytes();
    if batch.len() < size {
        return Err(RecordError::Truncated);
    }
    if header.record_count < 0 {
        return Err(RecordError::InvalidRecordCount(header.record_count));
    }
    let rest = match header.compression()? {
        // An empty batch that compaction left has no compressed stream, whatever it was.
        _ if size == BATCH_OVERHEAD => Bytes::new(),
        Compression::None => batch.slice(BATCH_OVERHEAD..size),
        codec => codec
            .decompress(&batch[BATCH_OVERHEAD..size], INFLATED_BYTES_MAX)?
            .into(),
    };
    Ok(Records {
        header,
        rest,
        index: 0,
    })
}

/// See [`records`].
#[derive(Clone, Debug)]
pub struct Records {
    header: BatchHeader,
    /// The bytes that no record has been read from, uncompressed.
    rest: Bytes,
    /// Of the next record.
    index: i32,
}

impl Records {
    /// The header of the batch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes of the records that are still to come, uncompressed.
    pub(super) fn uncompressed(&self) -> &[u8] {
        &self.rest
    }

    fn read_record(&mut self) -> Option<Record> {
        let mut input = &self.rest[..];
        let length = usize::try_from(read_varint(&mut input)?).ok()?;
        let (record, behind) = input.split_at_checked(length)?;
        let reader = RecordReader {
            records: &self.rest,
            rest: record,
        };
        let record = reader.record(&self.header)?;
        self.rest.advance(self.rest.len() - behind.len());
        Some(record)
    }
}

impl Iterator for Records {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.header.record_count {
            let trailing = !self.rest.is_empty();
            self.rest.clear();
            return trailing.then_some(Err(RecordError::TrailingBytes));
        }
        match self.read_record() {
            Some(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            None => {
                let index = self.index;
                self.index = self.header.record_count;
                self.rest.clear();
                Some(Err(RecordError::MalformedRecord { index }))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A record takes at least 7 bytes; the header's count alone is not to be believed.
        let left = (self.header.record_count - self.index) as usize;
        (0, Some(left.min(self.rest.len() / RECORD_BYTES_MIN + 1)))
    }
}

impl std::iter::FusedIterator for Records {}

/// Length, attributes, timestamp delta, offset delta, key length, value length, header count.
const RECORD_BYTES_MIN: usize = 7;

/// Takes the fields off one record's bytes; `None` when they do not fit.
struct RecordReader<'a> {
    /// What keys and values are slices of.
    records: &'a Bytes,
    rest: &'a [u8],
}

impl RecordReader<'_> {
    fn record(mut self, header: &BatchHeader) -> Option<Record> {
        self.rest.try_get_u8().ok()?; // no attribute of a record has a meaning
        let timestamp_delta = read_varlong(&mut self.rest)?;
        let offset_delta = read_varint(&mut self.rest)?;
        let key = self.nullable_bytes()?;
        let value = self.nullable_bytes()?;
        let count = usize::try_from(read_varint(&mut self.rest)?).ok()?;
        // A header takes at least 2 bytes, so nothing larger than the input justifies is allocated.
        if count > self.rest.len() / 2 {
            return None;
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            let key = self.nullable_bytes()??;
            headers.push(Header {
                key,
                value: self.nullable_bytes()?,
            });
        }
        let timestamp = match header.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.wrapping_add(timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        };
        let offset = header.base_offset.wrapping_add(i64::from(offset_delta));
        self.rest.is_empty().then_some(Record {
            offset,
            timestamp,
            key,
            value,
            headers,
        })
    }

    /// The outer `None` is malformed, the inner one null.
    fn nullable_bytes(&mut self) -> Option<Option<Bytes>> {
        let Ok(length) = usize::try_from(read_varint(&mut self.rest)?) else {
            return Some(None);
        };
        let (bytes, behind) = self.rest.split_at_checked(length)?;
        self.rest = behind;
        Some(Some(self.records.slice_ref(bytes)))
    }
}

/// What a record's bytes are made of, borrowed.
pub(super) struct RecordFields<'a> {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
}

impl RecordFields<'_> {
    /// Bytes of the record behind its length.
    fn body_size(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|header| {
                nullable_bytes_size(Some(&header.key))
                    + nullable_bytes_size(header.value.as_deref())
            })
            .sum();
        1 + varlong_size(self.timestamp_delta)
            + varint_size(self.offset_delta)
            + nullable_bytes_size(self.key)
            + nullable_bytes_size(self.value)
            + varint_size(self.headers.len() as i32)
            + headers
    }

    /// Bytes of the whole record, uncompressed.
    pub fn size_in_bytes(&self) -> usize {
        let body = self.body_size();
        varint_size(body as i32) + body
    }

    /// Writes the record. It must have been found smaller than [`INFLATED_BYTES_MAX`], so that
    /// all lengths fit an i32.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.body_size() as i32);
        out.put_u8(0);
        put_varlong(out, self.timestamp_delta);
        put_varint(out, self.offset_delta);
        put_nullable_bytes(out, self.key);
        put_nullable_bytes(out, self.value);
        put_varint(out, self.headers.len() as i32);
        for header in self.headers {
            put_nullable_bytes(out, Some(&header.key));
            put_nullable_bytes(out, header.value.as_deref());
        }
    }
}

fn nullable_bytes_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint_size(bytes.len() as i32) + bytes.len())
}

fn put_nullable_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.put_slice(bytes);
        }
    }
}
