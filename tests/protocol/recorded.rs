//! Bytes that a real Apache Kafka 4.3.1 and its clients sent and stored. How they were recorded:
//! `tests/fixtures/kafka-4.3.1/record.sh`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tablog::protocol::messages::consumer_protocol_assignment::ConsumerProtocolAssignment;
use tablog::protocol::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use tablog::protocol::messages::group_metadata_key::GroupMetadataKey;
use tablog::protocol::messages::group_metadata_value::GroupMetadataValue;
use tablog::protocol::messages::offset_commit_key::OffsetCommitKey;
use tablog::protocol::messages::offset_commit_value::OffsetCommitValue;
use tablog::protocol::messages::transaction_log_key::TransactionLogKey;
use tablog::protocol::messages::transaction_log_value::TransactionLogValue;
use tablog::protocol::{
    ApiKey, CoordinatorKey, DecodeError, Message, Reader, Request, RequestHeader, Response,
    VersionRange, coordinator_record_type, decode_consumer_protocol, decode_coordinator_key,
    decode_coordinator_value, decode_metadata_record, decode_request, decode_response,
    encode_consumer_protocol, encode_coordinator_key, encode_coordinator_value,
    encode_metadata_record, encode_request, encode_response,
};
use tablog::record::{Record, batches, records};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/kafka-4.3.1")
        .join(name)
}

#[derive(Debug)]
struct Frame {
    is_request: bool,
    api_key: i16,
    version: i16,
    bytes: Bytes,
}

fn frames() -> Vec<Frame> {
    let text = std::fs::read_to_string(fixture("frames.txt")).unwrap();
    let frame = |line: &str| {
        let mut words = line.split(' ');
        Frame {
            is_request: words.next().unwrap() == "request",
            api_key: words.next().unwrap().parse().unwrap(),
            version: words.next().unwrap().parse().unwrap(),
            bytes: bytes_of_hex(words.next().unwrap()),
        }
    };
    text.lines().map(frame).collect()
}

fn bytes_of_hex(hex: &str) -> Bytes {
    let digits = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| str::from_utf8(pair).unwrap());
    digits
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// The records of a log, without control batches.
fn log(name: &str) -> Vec<Record> {
    let bytes = Bytes::from(std::fs::read(fixture(name)).unwrap());
    let mut all = Vec::new();
    for batch in batches(&bytes).strict() {
        let (header, batch) = batch.unwrap();
        if !header.is_control() {
            all.extend(records(&batch).unwrap().map(Result::unwrap));
        }
    }
    all
}

#[test]
fn every_frame_is_read_and_written_again_as_it_was() {
    let mut seen = BTreeSet::new();
    let mut not_served = BTreeSet::new();
    for frame in frames() {
        let Some(api_key) = ApiKey::from_code(frame.api_key) else {
            not_served.insert(frame.api_key);
            continue;
        };
        seen.insert((api_key, frame.is_request));
        let (version, at) = (frame.version, format!("{frame:?}"));
        if !frame.is_request {
            let (correlation_id, response) =
                decode_response(api_key, version, frame.bytes.clone()).expect(&at);
            let again = encode_response(api_key, version, correlation_id, &response);
            assert_eq!(again, Ok(frame.bytes), "{at}");
        } else if api_key.versions().contains(version) {
            let (header, request) = decode_request(frame.bytes.clone()).expect(&at);
            assert_eq!(encode_request(&header, &request), Ok(frame.bytes), "{at}");
        } else {
            // Kafka's own client may use versions that we do not offer.
            let mut input = Reader::new(frame.bytes.clone());
            let header_version = api_key.request_header_version(version);
            let header = RequestHeader::decode(header_version, &mut input).expect(&at);
            let request = Request::decode(api_key, version, &mut input).expect(&at);
            input.finish().expect(&at);
            assert_eq!(encode_request(&header, &request), Ok(frame.bytes), "{at}");
        }
    }
    // ListPartitionReassignments, Envelope, ConsumerGroupDescribe, ControllerRegistration,
    // DescribeTopicPartitions.
    assert_eq!(Vec::from_iter(not_served), [46, 58, 69, 70, 75]);
    let unseen = |api_key: &&ApiKey| !seen.contains(&(**api_key, true));
    assert_eq!(
        Vec::from_iter(ApiKey::ALL.iter().filter(unseen)),
        [
            &ApiKey::OffsetForLeaderEpoch,
            &ApiKey::AlterPartition,
            &ApiKey::UnregisterBroker
        ]
    );
}

#[test]
fn the_offered_versions_are_kafkas_but_for_those_that_are_left_out_on_purpose() {
    let (_, response) = frames()
        .into_iter()
        .filter(|frame| !frame.is_request && frame.api_key == ApiKey::ApiVersions.code())
        .map(|frame| decode_response(ApiKey::ApiVersions, frame.version, frame.bytes).unwrap())
        .find(|(_, response)| response.view(4).to_string().contains("\"api_key\":0,"))
        .unwrap();
    let Response::ApiVersions(response) = response else {
        panic!("{response:?}")
    };
    let kafka: BTreeMap<i16, VersionRange> = response
        .api_keys
        .iter()
        .map(|api| {
            (
                api.api_key,
                VersionRange {
                    min: api.min_version,
                    max: api.max_version,
                },
            )
        })
        .collect();

    let mut lower = Vec::new();
    for &api_key in ApiKey::ALL {
        // The controller's APIs are not offered to clients.
        let Some(range) = kafka.get(&api_key.code()) else {
            continue;
        };
        assert_eq!(api_key.versions().min, range.min, "{api_key:?}");
        if api_key.versions().max != range.max {
            lower.push((api_key, api_key.versions().max, range.max));
        }
    }
    assert_eq!(
        lower,
        [
            (ApiKey::Produce, 11, 13),
            (ApiKey::Fetch, 17, 18),
            (ApiKey::ListOffsets, 9, 11),
            (ApiKey::Metadata, 12, 13),
            (ApiKey::OffsetCommit, 9, 10),
            (ApiKey::OffsetFetch, 9, 10),
            (ApiKey::AddPartitionsToTxn, 3, 5),
            (ApiKey::EndTxn, 4, 5),
            (ApiKey::TxnOffsetCommit, 4, 5),
        ]
    );
}

#[test]
fn consumer_offsets_are_read_and_written_again_as_they_were() {
    let (mut groups, mut offsets) = (0, 0);
    for record in log("consumer_offsets.log") {
        let (key, value) = (record.key.unwrap(), record.value);
        match coordinator_record_type(&key).unwrap() {
            GroupMetadataKey::RECORD_TYPE => {
                let group = value_again::<GroupMetadataKey, GroupMetadataValue>(key, value);
                for member in group.map(|group| group.members).unwrap_or_default() {
                    protocol_again::<ConsumerProtocolSubscription>(member.subscription);
                    protocol_again::<ConsumerProtocolAssignment>(member.assignment);
                    groups += 1;
                }
            }
            OffsetCommitKey::RECORD_TYPE => {
                value_again::<OffsetCommitKey, OffsetCommitValue>(key, value);
                offsets += 1;
            }
            other => panic!("a key of type {other}"),
        }
    }
    assert!(groups > 0 && offsets > 0, "{groups} {offsets}");
}

#[test]
fn transaction_state_is_read_and_written_again_as_it_was() {
    let records = log("transaction_state.log");
    assert!(!records.is_empty());
    for record in records {
        value_again::<TransactionLogKey, TransactionLogValue>(record.key.unwrap(), record.value);
    }
}

#[test]
fn cluster_metadata_is_read_and_written_again_as_it_was() {
    let mut seen = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for record in log("cluster_metadata.log") {
        let value = record.value.unwrap();
        match decode_metadata_record(value.clone()) {
            Ok((record, version)) => {
                assert_eq!(encode_metadata_record(&record, version), Ok(value));
                seen.insert(record.record_type());
            }
            Err(DecodeError::UnknownRecord { key }) => {
                unknown.insert(key);
            }
            Err(error) => panic!("{error}: {value:?}"),
        }
    }
    // BeginTransaction, EndTransaction, RegisterController, ClearElr.
    assert_eq!(Vec::from_iter(unknown), [23, 24, 27, 28]);
    assert!(seen.len() >= 8, "{seen:?}");
}

fn value_again<K: CoordinatorKey, V: Message>(key: Bytes, value: Option<Bytes>) -> Option<V> {
    let decoded: K = decode_coordinator_key(key.clone()).unwrap();
    assert_eq!(encode_coordinator_key(&decoded), Ok(key));
    let value = value?;
    let (decoded, version): (V, i16) = decode_coordinator_value(value.clone()).unwrap();
    assert_eq!(encode_coordinator_value(&decoded, version), Ok(value));
    Some(decoded)
}

fn protocol_again<M: Message>(bytes: Bytes) {
    let (message, version): (M, i16) = decode_consumer_protocol(bytes.clone()).unwrap();
    assert_eq!(encode_consumer_protocol(&message, version), Ok(bytes));
}
