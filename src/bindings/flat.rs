//! Records as flat buffers, the form in which they cross between page and wasm.
//!
//! Little-endian, no padding. To the broker, per record:
//! `i32 partition (-1: the partitioner chooses) | i64 timestamp (the least: now) | bytes key | bytes value
//! | i32 header_count | { bytes name | bytes value }*`, where `bytes` is `i32 length (-1: null)` and
//! that many bytes. From the broker the same with `i64 offset` in place of the partition.

use crate::client::producer::ProducerRecord;
use crate::record::{Header, Record};
use bytes::{Buf, BufMut, Bytes};

/// The buffer ends inside a record, or a length in it is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the records of a send.
pub fn decode(flat: Bytes) -> Result<Vec<ProducerRecord>, Malformed> {
    let mut input = Input(flat);
    let mut records = Vec::new();
    while input.0.has_remaining() {
        let partition = input.0.try_get_i32_le().map_err(|_| Malformed)?;
        let timestamp = input.0.try_get_i64_le().map_err(|_| Malformed)?;
        let key = input.bytes()?;
        let value = input.bytes()?;
        let header_count = input.0.try_get_i32_le().map_err(|_| Malformed)?;
        let mut headers = Vec::new();
        for _ in 0..header_count {
            let key = input.bytes()?.ok_or(Malformed)?;
            headers.push(Header {
                key,
                value: input.bytes()?,
            });
        }
        records.push(ProducerRecord {
            key,
            value,
            headers,
            partition: (partition != -1).then_some(partition),
            timestamp: (timestamp != i64::MIN).then_some(timestamp),
        });
    }
    Ok(records)
}

struct Input(Bytes);

impl Input {
    fn bytes(&mut self) -> Result<Option<Bytes>, Malformed> {
        let length = self.0.try_get_i32_le().map_err(|_| Malformed)?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        if self.0.remaining() < length {
            return Err(Malformed);
        }
        Ok(Some(self.0.split_to(length)))
    }
}

/// Writes fetched records.
pub fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.iter().map(size).sum());
    for record in records {
        out.put_i64_le(record.offset);
        out.put_i64_le(record.timestamp);
        put_bytes(&mut out, record.key.as_ref());
        put_bytes(&mut out, record.value.as_ref());
        out.put_i32_le(record.headers.len() as i32);
        for header in &record.headers {
            put_bytes(&mut out, Some(&header.key));
            put_bytes(&mut out, header.value.as_ref());
        }
    }
    out
}

fn size(record: &Record) -> usize {
    let bytes = |bytes: &Option<Bytes>| 4 + bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record
        .headers
        .iter()
        .map(|h| 4 + h.key.len() + bytes(&h.value))
        .sum();
    8 + 8 + bytes(&record.key) + bytes(&record.value) + 4 + headers
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&Bytes>) {
    match bytes {
        None => out.put_i32_le(-1),
        Some(bytes) => {
            out.put_i32_le(bytes.len() as i32);
            out.put_slice(bytes);
        }
    }
}
