use super::*;
use crate::record::{Attributes, NO_PARTITION_LEADER_EPOCH};

const PRODUCER_ID: i64 = 7;

fn header(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchHeader {
    BatchHeader {
        base_offset,
        batch_length: 0,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        crc: 0,
        attributes: Attributes::default(),
        last_offset_delta: count - 1,
        base_timestamp: 0,
        max_timestamp: 1000,
        producer_id: PRODUCER_ID,
        producer_epoch: epoch,
        base_sequence,
        record_count: count,
    }
}

/// Appends as a client does; `Ok(None)` is a new batch.
fn append(
    state: &mut ProducerState,
    header: BatchHeader,
) -> Result<Option<ProducerBatch>, ProducerError> {
    if let Some(duplicate) = state.duplicate(&header) {
        return Ok(Some(duplicate));
    }
    state.check(&header, None, AppendOrigin::Client)?;
    state.update(header.max_timestamp, &header, None);
    Ok(None)
}

fn out_of_order(base_sequence: i32, last_sequence: i32) -> ProducerError {
    ProducerError::OutOfOrderSequence {
        base_sequence,
        last_sequence,
    }
}

#[test]
fn sequences_follow_each_other() {
    let mut state = ProducerState::default();
    assert_eq!(append(&mut state, header(0, 0, 3, 0)), Ok(None));
    assert_eq!(append(&mut state, header(0, 3, 1, 3)), Ok(None));
    assert_eq!(
        append(&mut state, header(0, 5, 1, 4)),
        Err(out_of_order(5, 3))
    );
    assert_eq!(
        append(&mut state, header(0, 2, 2, 4)),
        Err(out_of_order(2, 3))
    );
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    let mut state = ProducerState::default();
    assert_eq!(append(&mut state, header(3, 7, 1, 0)), Ok(None));
    assert_eq!(append(&mut state, header(3, 8, 1, 1)), Ok(None));
}

#[test]
fn five_batches_are_remembered() {
    let mut state = ProducerState::default();
    for batch in 0..6 {
        let header = header(0, batch * 2, 2, 100 + i64::from(batch) * 2);
        assert_eq!(append(&mut state, header), Ok(None));
    }
    for batch in 1..6 {
        let duplicate = append(&mut state, header(0, batch * 2, 2, 0)).unwrap();
        let offsets = duplicate.map(|it| (it.base_offset, it.last_offset));
        let base_offset = 100 + i64::from(batch) * 2;
        assert_eq!(offsets, Some((base_offset, base_offset + 1)));
    }
    assert_eq!(
        append(&mut state, header(0, 0, 2, 0)),
        Err(out_of_order(0, 11))
    );
    // The same first sequence with another count is no duplicate.
    assert_eq!(
        append(&mut state, header(0, 10, 3, 0)),
        Err(out_of_order(10, 11))
    );
}

#[test]
fn sequences_wrap_to_zero() {
    let mut state = ProducerState::default();
    append(&mut state, header(0, i32::MAX, 1, 0)).unwrap();
    assert_eq!(append(&mut state, header(0, 0, 1, 1)), Ok(None));
    let mut state = ProducerState::default();
    append(&mut state, header(0, i32::MAX - 1, 4, 0)).unwrap();
    assert_eq!(append(&mut state, header(0, 2, 1, 4)), Ok(None));
    assert!(
        append(&mut state, header(0, i32::MAX - 1, 4, 9))
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let mut state = ProducerState::default();
    append(&mut state, header(1, 0, 1, 0)).unwrap();
    assert_eq!(
        append(&mut state, header(2, 1, 1, 1)),
        Err(out_of_order(1, NO_SEQUENCE))
    );
    assert_eq!(append(&mut state, header(2, 0, 1, 1)), Ok(None));
    assert_eq!(
        append(&mut state, header(1, 1, 1, 2)),
        Err(ProducerError::InvalidEpoch {
            epoch: 1,
            current: 2
        })
    );
}

#[test]
fn silent_producers_expire_but_not_in_a_transaction() {
    const EXPIRATION_MS: i64 = 60_000;
    let mut state = ProducerState::default();
    append(&mut state, header(0, 0, 1, 0)).unwrap();
    state.expire(1000 + EXPIRATION_MS - 1, EXPIRATION_MS);
    assert_eq!(state.producers.len(), 1);
    state.expire(1000 + EXPIRATION_MS, EXPIRATION_MS);
    assert_eq!(state.producers.len(), 0);
    // It may go on at any sequence.
    assert_eq!(append(&mut state, header(0, 5, 1, 1)), Ok(None));
    let mut transactional = header(0, 6, 1, 2);
    transactional.attributes = Attributes(0x10);
    append(&mut state, transactional).unwrap();
    state.expire(i64::MAX, EXPIRATION_MS);
    assert_eq!(state.producers.len(), 1);
}

#[test]
fn the_producer_that_was_silent_longest_makes_room() {
    let mut state = ProducerState::default();
    for producer_id in 0..=PRODUCERS_MAX as i64 {
        let mut header = header(0, 0, 1, producer_id);
        header.producer_id = producer_id;
        header.max_timestamp = 1000 + (producer_id - 5).abs();
        append(&mut state, header).unwrap();
    }
    assert_eq!(state.producers.len(), PRODUCERS_MAX);
    assert!(!state.producers.contains_key(&5));
}

#[test]
fn reads_back_as_encoded() {
    let mut state = ProducerState::default();
    let marker = |result| EndTransactionMarker {
        result,
        coordinator_epoch: 3,
    };
    for (offset, producer_id, ends) in [
        (0, 1, None),
        (1, 2, None),
        (2, 1, Some(TransactionResult::Abort)),
        (3, 2, Some(TransactionResult::Commit)),
        (4, 1, None),
    ] {
        let mut header = header(0, 0, 1, offset);
        header.producer_id = producer_id;
        header.attributes = Attributes(if ends.is_some() { 0x30 } else { 0x10 });
        state.update(header.max_timestamp, &header, ends.map(marker).as_ref());
    }
    let mut row = Vec::new();
    state.encode(&mut row);
    assert_eq!(ProducerState::decode(&mut &row[..]), Ok(state));
    for length in 0..row.len() {
        assert!(ProducerState::decode(&mut &row[..length]).is_err());
    }
}
