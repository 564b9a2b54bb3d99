//! Tests that need more than one file of the room.

mod batches;
mod codecs;
mod kafka;
mod kafka_protocol;

use bytes::Bytes;

use super::*;

/// Text for a test, as bytes.
fn text(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

/// A batch of `count` records whose keys are their numbers, at base offset 0.
fn batch(compression: Compression, count: usize, fields: BatchFields) -> Bytes {
    let mut builder = BatchBuilder::new(compression);
    for index in 0..count {
        let key = index.to_string();
        builder
            .append(
                1000 + index as i64,
                Some(key.as_bytes()),
                Some(b"value"),
                &[],
            )
            .unwrap();
    }
    builder.build(fields)
}

/// All records of a batch.
fn decode(batch: &Bytes) -> Result<Vec<Record>, RecordError> {
    records(batch)?.collect()
}
