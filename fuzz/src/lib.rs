//! What must hold for any bytes. The fuzzer looks for bytes for which it does not; a test on the
//! stable toolchain (`tests/fuzz_corpus.rs`) replays those in `corpus/`.

use bytes::Bytes;
use tablog::protocol::messages::group_metadata_value::GroupMetadataValue;
use tablog::protocol::messages::offset_commit_value::OffsetCommitValue;
use tablog::protocol::messages::transaction_log_value::TransactionLogValue;
use tablog::protocol::{self, ApiKey, EncodeError, Message, Reader};
use tablog::record;

/// A request that can be read can be shown, and written; what was written is read and written
/// again as it is.
pub fn decode_request(input: &[u8]) {
    let rewrite = |frame: Bytes| {
        let (header, request) = protocol::decode_request(frame).ok()?;
        assert!(
            !request
                .view(header.request_api_version)
                .to_string()
                .is_empty()
        );
        written(protocol::encode_request(&header, &request))
    };
    ensure_stable(input, rewrite);
}

/// The same for a response. Before its frame stand the API key and the version that it answers.
pub fn decode_response(input: &[u8]) {
    let mut input = Reader::new(Bytes::copy_from_slice(input));
    let (Ok(code), Ok(version)) = (input.i16(), input.i16()) else {
        return;
    };
    let Some(api_key) = ApiKey::from_code(code) else {
        return;
    };
    let rewrite = |frame: Bytes| {
        let (correlation_id, response) = protocol::decode_response(api_key, version, frame).ok()?;
        assert!(!response.view(version).to_string().is_empty());
        written(protocol::encode_response(
            api_key,
            version,
            correlation_id,
            &response,
        ))
    };
    ensure_stable(&input.rest(), rewrite);
}

/// The same for the values of records in Kafka's internal topics.
pub fn decode_internal_record(input: &[u8]) {
    ensure_stable(input, |value: Bytes| {
        let (record, version) = protocol::decode_metadata_record(value).ok()?;
        assert!(!record.view(version).to_string().is_empty());
        written(protocol::encode_metadata_record(&record, version))
    });
    ensure_stable(input, rewrite_coordinator_value::<GroupMetadataValue>);
    ensure_stable(input, rewrite_coordinator_value::<OffsetCommitValue>);
    ensure_stable(input, rewrite_coordinator_value::<TransactionLogValue>);
}

fn rewrite_coordinator_value<V: Message>(value: Bytes) -> Option<Bytes> {
    let (value, version) = protocol::decode_coordinator_value::<V>(value).ok()?;
    written(protocol::encode_coordinator_value(&value, version))
}

/// `rewrite` reads bytes, and writes what it read. There are many ways to say the same (the order of
/// tagged fields, a default that is said), but only one in which we do.
fn ensure_stable(input: &[u8], rewrite: impl Fn(Bytes) -> Option<Bytes>) {
    if let Some(written) = rewrite(Bytes::copy_from_slice(input)) {
        assert_eq!(rewrite(written.clone()), Some(written));
    }
}

/// What was read can be written, but for a tag that is there twice: like Kafka, that is tolerated
/// in what is read only.
fn written(result: Result<Bytes, EncodeError>) -> Option<Bytes> {
    match result {
        Ok(bytes) => Some(bytes),
        Err(EncodeError::DuplicateTag { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Batches are read, or refused; no record appears that the header does not count.
pub fn read_record_batches(input: &[u8]) {
    for batch in record::batches(&Bytes::copy_from_slice(input)) {
        let Ok((header, batch)) = batch else { return };
        assert_eq!(header.size_in_bytes(), batch.len());
        if let Ok(records) = record::records(&batch) {
            let count = records.take_while(Result::is_ok).count();
            assert!(count <= header.record_count as usize);
        }
    }
}
