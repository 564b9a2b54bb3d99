//! Batches built, read, validated, damaged.

use proptest::prelude::*;

use super::*;
use crate::protocol::ErrorCode;

const IDEMPOTENT: BatchFields = BatchFields {
    base_offset: 0,
    partition_leader_epoch: -1,
    producer_id: 42,
    producer_epoch: 3,
    base_sequence: 0,
    is_transactional: false,
    is_control: false,
};

#[test]
fn null_and_empty_stay_apart_and_headers_keep_order_and_repeats() {
    let headers = [
        Header {
            key: Bytes::from_static(b"k"),
            value: text("1"),
        },
        Header {
            key: Bytes::from_static(b""),
            value: None,
        },
        Header {
            key: Bytes::from_static(b"k"),
            value: text(""),
        },
    ];
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(codec);
        builder.append(5, None, Some(b""), &headers).unwrap();
        builder.append(3, Some(b""), None, &[]).unwrap();
        let batch = builder.build(BatchFields {
            base_offset: 7,
            ..IDEMPOTENT
        });
        let first = Record {
            offset: 7,
            timestamp: 5,
            key: None,
            value: text(""),
            headers: headers.to_vec(),
        };
        let second = Record {
            offset: 8,
            timestamp: 3,
            key: text(""),
            value: None,
            headers: vec![],
        };
        assert_eq!(decode(&batch), Ok(vec![first, second]), "{codec:?}");
        assert_eq!(BatchHeader::read(&batch).unwrap().max_timestamp, 5);
    }
}

#[test]
fn uncompressed_records_are_slices_of_the_batch() {
    let batch = batch(Compression::None, 1, IDEMPOTENT);
    let value = decode(&batch).unwrap().remove(0).value.unwrap();
    assert!(batch.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn the_builder_knows_its_size() {
    let mut builder = BatchBuilder::new(Compression::None);
    let headers = [Header {
        key: Bytes::from_static(b"k"),
        value: None,
    }];
    assert_eq!(builder.size_in_bytes(), BATCH_OVERHEAD);
    for key in [None, Some(&[7; 200][..])] {
        let with = builder.size_in_bytes_with(9, key, Some(b"v"), &headers);
        builder.append(9, key, Some(b"v"), &headers).unwrap();
        assert_eq!(builder.size_in_bytes(), with);
    }
    let size = builder.size_in_bytes();
    assert_eq!(builder.build(IDEMPOTENT).len(), size);
}

#[test]
fn a_batch_cannot_be_built_larger_than_it_could_be_read() {
    let mut builder = BatchBuilder::new(Compression::Zstd);
    let value = vec![0; INFLATED_BYTES_MAX / 2];
    builder.append(0, None, Some(&value), &[]).unwrap();
    let size = builder.size_in_bytes();
    assert_eq!(
        builder.append(0, None, Some(&value), &[]),
        Err(RecordError::TooLarge)
    );
    assert_eq!((builder.size_in_bytes(), builder.record_count()), (size, 1));
}

#[test]
fn iterates_over_batches_and_stops_at_a_part_of_one() {
    let first = batch(Compression::None, 2, IDEMPOTENT);
    let second = batch(Compression::Gzip, 3, IDEMPOTENT);
    let row: Bytes = [&first[..], &second[..], &first[..]].concat().into();
    for cut in first.len() + second.len()..row.len() {
        let part = row.slice(..cut);
        let mut lenient = batches(&part);
        let seen: Vec<Bytes> = lenient.by_ref().map(|batch| batch.unwrap().1).collect();
        assert_eq!(seen, [&first, &second]);
        assert_eq!(lenient.rest().len(), cut - first.len() - second.len());
        let errors = batches(&part).strict().filter_map(Result::err);
        let expected = (cut > first.len() + second.len()).then_some(RecordError::Truncated);
        assert_eq!(errors.collect::<Vec<_>>(), Vec::from_iter(expected));
    }
    assert_eq!(
        batches(&row)
            .strict()
            .map(|batch| batch.unwrap().0.record_count)
            .sum::<i32>(),
        7
    );
}

#[test]
fn a_malformed_batch_ends_the_iteration_with_an_error() {
    let good = batch(Compression::None, 1, IDEMPOTENT);
    let mut old = good.to_vec();
    old[16] = 1;
    let mut short = good.to_vec();
    short[8..12].copy_from_slice(&48i32.to_be_bytes());
    let cases = [
        (old, RecordError::UnsupportedMagic(1)),
        (short, RecordError::InvalidLength(48)),
    ];
    for (bad, error) in cases {
        let row: Bytes = [&good[..], &bad[..], &good[..]].concat().into();
        let results: Vec<_> = batches(&row).map(|batch| batch.map(|_| ())).collect();
        assert_eq!(results, [Ok(()), Err(error)]);
    }
}

#[test]
fn the_leaders_fields_are_written_without_touching_the_crc() {
    let mut bytes = batch(Compression::Lz4, 3, IDEMPOTENT).to_vec();
    let before = BatchHeader::read(&bytes).unwrap();
    set_base_offset(&mut bytes, 1 << 40);
    set_partition_leader_epoch(&mut bytes, 9);
    let after = BatchHeader::ensure_valid(&bytes).unwrap();
    assert_eq!(
        after,
        BatchHeader {
            base_offset: 1 << 40,
            partition_leader_epoch: 9,
            ..before
        }
    );
    assert_eq!(
        (after.last_offset(), after.next_offset()),
        ((1 << 40) + 2, (1 << 40) + 3)
    );
}

#[test]
fn log_append_time_holds_for_every_record() {
    for codec in Compression::ALL {
        let mut bytes = batch(codec, 3, IDEMPOTENT).to_vec();
        set_log_append_time(&mut bytes, 77);
        let header = BatchHeader::ensure_valid(&bytes).unwrap();
        assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(header.compression(), Ok(codec));
        let records = decode(&bytes.into()).unwrap();
        assert!(records.iter().all(|record| record.timestamp == 77));
    }
}

#[test]
fn a_producers_max_timestamp_can_be_corrected() {
    let right = batch(Compression::None, 3, IDEMPOTENT);
    let mut wrong = right.to_vec();
    set_max_timestamp(&mut wrong, TimestampType::CreateTime, 5);
    assert_eq!(BatchHeader::ensure_valid(&wrong).unwrap().max_timestamp, 5);
    let max_timestamp = validate_records(&wrong.clone().into(), |_, _| {}).unwrap();
    set_max_timestamp(&mut wrong, TimestampType::CreateTime, max_timestamp);
    assert_eq!(wrong, right);
}

#[test]
fn the_producer_state_can_be_replaced() {
    let mut bytes = batch(Compression::None, 2, IDEMPOTENT).to_vec();
    set_producer_state(&mut bytes, 5, 6, 7);
    let expected = BatchFields {
        producer_id: 5,
        producer_epoch: 6,
        base_sequence: 7,
        ..IDEMPOTENT
    };
    assert_eq!(bytes, batch(Compression::None, 2, expected));
}

#[test]
fn sequences_wrap_to_zero() {
    let fields = BatchFields {
        base_sequence: i32::MAX - 1,
        ..IDEMPOTENT
    };
    let header = BatchHeader::read(&batch(Compression::None, 4, fields)).unwrap();
    assert_eq!(header.last_sequence(), 1);
    assert_eq!(increment_sequence(i32::MAX, 1), 0);
    assert_eq!(increment_sequence(i32::MAX, i32::MAX), i32::MAX - 1);
    assert_eq!(increment_sequence(5, 3), 8);
    assert_eq!(decrement_sequence(0, 1), i32::MAX);
    assert_eq!(decrement_sequence(8, 3), 5);
    let none = BatchHeader::read(&batch(Compression::None, 4, BatchFields::default())).unwrap();
    assert_eq!(none.last_sequence(), NO_SEQUENCE);
}

#[test]
fn a_producers_batch_is_checked() {
    let good = batch(Compression::Snappy, 3, IDEMPOTENT);
    assert_eq!(validate(&good).unwrap().record_count, 3);

    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec();
        change(&mut bytes);
        validate(&bytes).unwrap_err()
    };
    let with_crc = |at: usize, value: &[u8]| {
        let value = value.to_vec();
        move |bytes: &mut Vec<u8>| {
            bytes[at..at + value.len()].copy_from_slice(&value);
            let crc = crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
    };
    let (corrupt, invalid) = (ErrorCode::CorruptMessage, ErrorCode::InvalidRecord);
    let expected = [
        (
            error(&|bytes| bytes.clear()),
            RecordError::NotOneBatch,
            invalid,
        ),
        (
            error(&|bytes| bytes.extend_from_within(..)),
            RecordError::NotOneBatch,
            invalid,
        ),
        (
            error(&|bytes| bytes.truncate(70)),
            RecordError::NotOneBatch,
            invalid,
        ),
        (
            error(&|bytes| bytes[16] = 1),
            RecordError::UnsupportedMagic(1),
            invalid,
        ),
        (
            error(&|bytes| bytes[16] = 3),
            RecordError::UnsupportedMagic(3),
            corrupt,
        ),
        (
            error(&|bytes| bytes[11] = 48),
            RecordError::InvalidLength(48),
            corrupt,
        ),
        (
            error(&|bytes| bytes[7] = 1),
            RecordError::InvalidBaseOffset(1),
            invalid,
        ),
        (
            error(&with_crc(57, &[0; 4])),
            RecordError::InvalidRecordCount(0),
            invalid,
        ),
        (
            error(&with_crc(57, &[0xff; 4])),
            RecordError::InvalidRecordCount(-1),
            invalid,
        ),
        (
            error(&with_crc(57, &[0, 0, 0, 4])),
            RecordError::InvalidLastOffsetDelta {
                last_offset_delta: 2,
                record_count: 4,
            },
            invalid,
        ),
        (
            error(&with_crc(21, &[0, 0x20])),
            RecordError::ControlBatch,
            invalid,
        ),
        (
            error(&with_crc(53, &[0xff; 4])),
            RecordError::InvalidSequence(-1),
            invalid,
        ),
        (
            error(&with_crc(21, &[0, 5])),
            RecordError::UnsupportedCompression(5),
            ErrorCode::UnsupportedCompressionType,
        ),
    ];
    for (error, expected, code) in expected {
        assert_eq!(error, expected);
        assert_eq!(error.error_code(), code, "{error}");
    }
    let crc = error(&|bytes| bytes[70] ^= 1);
    assert!(matches!(crc, RecordError::CrcMismatch { .. }));
    assert_eq!(crc.error_code(), corrupt);
}

#[test]
fn records_must_follow_each_other_in_a_producers_batch() {
    let original = batch(Compression::Zstd, 3, IDEMPOTENT);
    let mut seen = vec![];
    let max_timestamp = validate_records(&original, |index, record| {
        seen.push((index, record.offset));
    });
    assert_eq!(
        (max_timestamp, seen),
        (Ok(1002), vec![(0, 0), (1, 1), (2, 2)])
    );

    let mut retained = decode(&original).unwrap();
    retained.remove(1);
    let gap = retain(&BatchHeader::read(&original).unwrap(), &retained, None).unwrap();
    let error = validate_records(&gap, |_, _| {});
    assert_eq!(error, Err(RecordError::InvalidOffsetDelta { index: 1 }));
}

#[test]
fn the_count_of_records_must_be_right() {
    let good = batch(Compression::None, 3, IDEMPOTENT);
    let with_count = |count: i32| {
        let mut bytes = good.to_vec();
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        decode(&bytes.into())
    };
    assert_eq!(with_count(2), Err(RecordError::TrailingBytes));
    assert_eq!(
        with_count(4),
        Err(RecordError::MalformedRecord { index: 3 })
    );
    assert_eq!(
        with_count(i32::MAX),
        Err(RecordError::MalformedRecord { index: 3 })
    );
    assert_eq!(with_count(-1), Err(RecordError::InvalidRecordCount(-1)));
}

#[test]
fn compaction_keeps_the_place_of_what_it_removes() {
    for codec in Compression::ALL {
        let fields = BatchFields {
            base_offset: 100,
            base_sequence: 50,
            ..IDEMPOTENT
        };
        let original = batch(codec, 5, fields);
        let header = BatchHeader::read(&original).unwrap();
        let mut retained = decode(&original).unwrap();
        retained.retain(|record| record.offset == 101 || record.offset == 103);

        let compacted = retain(&header, &retained, Some(123_456)).unwrap();
        let after = BatchHeader::ensure_valid(&compacted).unwrap();
        assert_eq!(
            (after.base_offset, after.last_offset(), after.record_count),
            (100, 104, 2)
        );
        assert_eq!(
            (after.last_sequence(), after.compression()),
            (54, Ok(codec))
        );
        assert_eq!(
            (after.delete_horizon_ms(), after.max_timestamp),
            (Some(123_456), 1003)
        );
        assert_eq!(decode(&compacted).unwrap(), retained);

        // The horizon stays when it is cleaned again, and goes with the last record.
        let again = retain(&after, &retained[..1], after.delete_horizon_ms()).unwrap();
        assert_eq!(
            BatchHeader::read(&again).unwrap().delete_horizon_ms(),
            Some(123_456)
        );
        assert_eq!(decode(&again).unwrap(), retained[..1]);

        let empty = retain(&after, &[], after.delete_horizon_ms()).unwrap();
        let emptied = BatchHeader::ensure_valid(&empty).unwrap();
        assert_eq!((empty.len(), emptied.record_count), (BATCH_OVERHEAD, 0));
        assert_eq!((emptied.base_offset, emptied.last_offset()), (100, 104));
        assert_eq!((emptied.producer_id, emptied.last_sequence()), (42, 54));
        assert_eq!(emptied.delete_horizon_ms(), None);
        assert_eq!(decode(&empty), Ok(vec![]));
    }
}

#[test]
fn recompression_changes_the_codec_and_nothing_else() {
    let fields = BatchFields {
        base_offset: 9,
        is_transactional: true,
        ..IDEMPOTENT
    };
    for from in Compression::ALL {
        for to in Compression::ALL {
            let other = recompress(&batch(from, 20, fields), to).unwrap();
            assert_eq!(other, batch(to, 20, fields), "{from:?} to {to:?}");
        }
    }
}

#[test]
fn an_end_transaction_marker_is_a_control_batch() {
    for result in [TransactionResult::Commit, TransactionResult::Abort] {
        let marker = EndTransactionMarker {
            result,
            coordinator_epoch: 12,
        };
        let batch = marker.to_batch(1000, 42, 3);
        let header = BatchHeader::ensure_valid(&batch).unwrap();
        assert!(header.is_control() && header.is_transactional());
        assert_eq!((header.producer_id, header.producer_epoch), (42, 3));
        assert_eq!(header.base_sequence, NO_SEQUENCE);
        assert_eq!(validate(&batch), Err(RecordError::ControlBatch));
        let records = decode(&batch).unwrap();
        assert_eq!(
            EndTransactionMarker::from_record(&records[0]),
            Ok(Some(marker))
        );
    }
}

#[test]
fn other_control_records_are_told_apart() {
    let record = |key: &'static [u8], value: &'static [u8]| Record {
        key: Some(Bytes::from_static(key)),
        value: Some(Bytes::from_static(value)),
        ..Record::default()
    };
    let marker = EndTransactionMarker::from_record;
    assert_eq!(
        marker(&record(&[0, 0, 0, 2], b"")),
        Ok(None),
        "a leader change"
    );
    let malformed = Err(RecordError::MalformedControlRecord);
    assert_eq!(marker(&record(&[0, 0, 0], &[0; 6])), malformed);
    assert_eq!(marker(&record(&[0xff, 0xff, 0, 1], &[0; 6])), malformed);
    assert_eq!(marker(&record(&[0, 0, 0, 1], &[0; 5])), malformed);
    assert_eq!(
        marker(&record(&[0, 0, 0, 1], &[0xff, 0xff, 0, 0, 0, 0])),
        malformed
    );
    assert_eq!(marker(&Record::default()), malformed);
    let later = record(&[0, 1, 0, 1, 9], &[0, 1, 0, 0, 0, 5, 9]);
    let commit = EndTransactionMarker {
        result: TransactionResult::Commit,
        coordinator_epoch: 5,
    };
    assert_eq!(marker(&later), Ok(Some(commit)));
}

proptest! {
    /// Whatever bytes are read, there is an answer.
    #[test]
    fn damaged_batches_do_no_harm(
        codec in 0..5u8,
        count in 1..20usize,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let codec = Compression::from_id(codec).unwrap();
        let mut damaged = batch(codec, count, IDEMPOTENT).to_vec();
        for (index, byte) in flips {
            let index = index.index(damaged.len());
            damaged[index] = byte;
        }
        damaged.truncate(cut.index(damaged.len() + 1));
        let damaged = Bytes::from(damaged);
        for (header, batch) in batches(&damaged).flatten() {
            prop_assert_eq!(header.size_in_bytes(), batch.len());
            let _ = validate(&batch);
            let _ = validate_records(&batch, |_, _| {});
            let (_, _) = (header.next_offset(), header.last_sequence());
            let _ = recompress(&batch, Compression::None);
        }
        let _ = decode(&damaged);
    }

    /// The records' bytes alone: they come behind a right CRC.
    #[test]
    fn any_record_bytes_do_no_harm(
        body in proptest::collection::vec(any::<u8>(), 0..60),
        codec in 0..8u8,
        count in 0..4i32,
    ) {
        let mut bytes = batch(Compression::None, 1, IDEMPOTENT)[..BATCH_OVERHEAD].to_vec();
        bytes.extend_from_slice(&body);
        let length = (bytes.len() - LOG_OVERHEAD) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[22] = codec;
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        if let Ok(records) = decode(&bytes.into()) {
            prop_assert_eq!(records.len(), count as usize);
        }
    }
}
