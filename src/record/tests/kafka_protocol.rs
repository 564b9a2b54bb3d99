//! Against the crate kafka-protocol, both ways. It has headers as a map, so a repeated key is
//! left out here, and it reads no codec in the build that tests use.

use ::kafka_protocol::protocol::StrBytes;
use ::kafka_protocol::records as theirs;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn any_bytes() -> impl Strategy<Value = Option<Bytes>> {
    option::of(vec(any::<u8>(), 0..100).prop_map(Bytes::from))
}

fn any_records() -> impl Strategy<Value = Vec<Record>> {
    let headers = btree_map("[a-zü]{0,3}", any_bytes(), 0..4);
    let record = (0..1i64 << 60, any_bytes(), any_bytes(), headers);
    vec(record, 1..12).prop_map(|records| {
        (0..)
            .zip(records)
            .map(|(offset, (timestamp, key, value, headers))| {
                let headers = headers
                    .into_iter()
                    .map(|(key, value)| Header {
                        key: key.into_bytes().into(),
                        value,
                    })
                    .collect();
                Record {
                    offset,
                    timestamp,
                    key,
                    value,
                    headers,
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn it_reads_what_is_written_here(
        mut records in any_records(),
        base_offset in 0..1i64 << 30,
        producer_id in -1..100i64,
        base_sequence in 0..1000i32,
        is_transactional in any::<bool>(),
    ) {
        let mut builder = BatchBuilder::new(Compression::None);
        for record in &mut records {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            builder.append(record.timestamp, key, value, &record.headers).unwrap();
            record.offset += base_offset;
        }
        let fields = BatchFields {
            base_offset,
            partition_leader_epoch: 3,
            producer_id,
            producer_epoch: 4,
            base_sequence,
            is_transactional,
            is_control: false,
        };
        let mut batch = builder.build(fields);
        let read = theirs::RecordBatchDecoder::decode(&mut batch).unwrap().records;
        prop_assert_eq!(read.len(), records.len());
        for (sequence, (read, record)) in (base_sequence..).zip(read.into_iter().zip(records)) {
            prop_assert_eq!(read, to_theirs(record, BatchFields { base_sequence: sequence, ..fields }));
        }
    }

    #[test]
    fn what_it_writes_is_read_here(records in any_records(), base_sequence in 0..1000i32) {
        let fields = BatchFields { base_sequence, producer_id: 7, ..BatchFields::default() };
        let written: Vec<theirs::Record> = (base_sequence..)
            .zip(records.clone())
            .map(|(base_sequence, record)| to_theirs(record, BatchFields { base_sequence, ..fields }))
            .collect();
        let mut out = bytes::BytesMut::new();
        let options = theirs::RecordEncodeOptions {
            version: 2,
            compression: theirs::Compression::None,
        };
        theirs::RecordBatchEncoder::encode(&mut out, &written, &options).unwrap();
        let batch = out.freeze();
        let header = validate(&batch).unwrap();
        prop_assert_eq!(header.base_sequence, base_sequence);
        prop_assert_eq!(validate_records(&batch, |_, _| {}), Ok(header.max_timestamp));
        prop_assert_eq!(decode(&batch).unwrap(), records);
    }
}

fn to_theirs(record: Record, fields: BatchFields) -> theirs::Record {
    theirs::Record {
        transactional: fields.is_transactional,
        control: fields.is_control,
        delete_horizon: false,
        partition_leader_epoch: fields.partition_leader_epoch,
        producer_id: fields.producer_id,
        producer_epoch: fields.producer_epoch,
        timestamp_type: theirs::TimestampType::Creation,
        offset: record.offset,
        sequence: fields.base_sequence,
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
        headers: record
            .headers
            .into_iter()
            .map(|header| {
                (
                    StrBytes::from_string(header.key_text().into_owned()),
                    header.value,
                )
            })
            .collect(),
    }
}
