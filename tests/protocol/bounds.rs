//! Bytes that are no messages: never a panic, and never more memory than they justify.

use allocation_counter::AllocationInfo;
use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use tablog::protocol::{
    ApiKey, DecodeError, RequestError, decode_metadata_record, decode_request, decode_response,
};

use crate::random_message::{Entropy, messages, random_message};
use crate::schema::{Kind, Message};

/// Bytes of memory that a byte of a frame may cost. The dearest is an empty string in an array:
/// one byte on the wire, 24 in memory, and while the array grows it is there three times.
const MEMORY_PER_BYTE_MAX: u64 = 24 * 3;
const MEMORY_BASE: u64 = 1024;

/// Decodes `frame` as everything that it could be, and measures the memory that each decoding held.
fn decode_as_anything(frame: &[u8]) {
    let frame = Bytes::copy_from_slice(frame);
    let limit = MEMORY_BASE + MEMORY_PER_BYTE_MAX * frame.len() as u64;
    let within = |what: &str, used: AllocationInfo| {
        assert!(
            used.bytes_max <= limit,
            "{what}: {used:?} for {} bytes",
            frame.len()
        );
    };
    let request = frame.clone();
    within(
        "request",
        allocation_counter::measure(|| drop(decode_request(request))),
    );
    let record = frame.clone();
    within(
        "record",
        allocation_counter::measure(|| drop(decode_metadata_record(record))),
    );
    for &api_key in ApiKey::ALL {
        for version in api_key.versions().min..=api_key.versions().max {
            let response = frame.clone();
            let decode = || drop(decode_response(api_key, version, response));
            within(api_key.name(), allocation_counter::measure(decode));
        }
    }
}

/// The frame of a request of `version`.
fn request_frame(api_key: ApiKey, version: i16, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_i16(api_key.code());
    frame.put_i16(version);
    frame.put_i32(7);
    frame.put_i16(-1);
    if api_key.request_header_version(version) == 2 {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    frame
}

/// A frame of `message` as it would cross the wire, if it is a request or a response.
fn frame_of(message: &Message, version: i16, entropy: &mut Entropy) -> Option<BytesMut> {
    let body = random_message(message, version, entropy);
    match message.kind {
        Kind::Request(key) => Some(request_frame(
            ApiKey::from_code(key).unwrap(),
            version,
            &body,
        )),
        Kind::Response(key) => {
            let mut frame = BytesMut::new();
            frame.put_i32(7);
            if ApiKey::from_code(key)
                .unwrap()
                .response_header_version(version)
                == 1
            {
                frame.put_u8(0);
            }
            frame.put_slice(&body);
            Some(frame)
        }
        _ => None,
    }
}

fn decodes(message: &Message, version: i16, frame: Bytes) -> bool {
    match message.kind {
        Kind::Request(_) => decode_request(frame).is_ok(),
        Kind::Response(key) => {
            decode_response(ApiKey::from_code(key).unwrap(), version, frame).is_ok()
        }
        _ => panic!("{} is not in a frame", message.name),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_decode_to_something_or_to_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        decode_as_anything(&bytes);
    }

    #[test]
    fn a_damaged_message_decodes_to_something_or_to_an_error(
        entropy in proptest::collection::vec(any::<u8>(), 0..300),
        message in any::<prop::sample::Index>(),
        version in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let messages = messages();
        let message = message.get(&messages);
        let versions: Vec<i16> = (message.versions.min..=message.versions.max).collect();
        let version = *version.get(&versions);
        if let Some(mut frame) = frame_of(message, version, &mut Entropy::new(&entropy)) {
            for (index, byte) in damage {
                let index = index.index(frame.len());
                frame[index] = byte;
            }
            decode_as_anything(&frame);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_message_that_is_cut_off_is_an_error(
        entropy in proptest::collection::vec(any::<u8>(), 0..100)
    ) {
        for message in messages() {
            for version in message.versions.min..=message.versions.max {
                let frame = frame_of(&message, version, &mut Entropy::new(&entropy));
                let Some(frame) = frame.map(BytesMut::freeze) else { continue };
                for len in 0..frame.len() {
                    let cut = frame.slice(..len);
                    prop_assert!(!decodes(&message, version, cut), "{} {version}", message.name);
                }
            }
        }
    }
}

#[test]
fn a_count_that_the_bytes_do_not_justify_is_an_error_and_costs_no_memory() {
    // Metadata 1: an array of topics, its count alone.
    let metadata = request_frame(ApiKey::Metadata, 1, &i32::MAX.to_be_bytes()).freeze();
    // Metadata 9: the same as a varint.
    let compact = request_frame(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f]).freeze();
    for frame in [metadata, compact] {
        let used = allocation_counter::measure(|| {
            assert!(matches!(
                decode_request(frame),
                Err(RequestError::Malformed(DecodeError::Truncated {
                    remaining: 0,
                    ..
                }))
            ));
        });
        // What `Bytes` needs to be shared.
        assert!(used.bytes_max <= 64, "{used:?}");
    }
}

#[test]
fn a_count_as_large_as_the_frame_reserves_no_more_memory_than_the_frame() {
    // 100,000 topics are claimed. The bytes are there, and hold three names and a bit.
    let mut body = 100_000i32.to_be_bytes().to_vec();
    body.extend([0x7f; 100_000]);
    let frame = request_frame(ApiKey::Metadata, 1, &body).freeze();
    let used = allocation_counter::measure(|| {
        assert!(decode_request(frame).is_err());
    });
    // The array takes one time the frame, the names another.
    assert!(used.bytes_max <= 200_000 + MEMORY_BASE, "{used:?}");
}

#[test]
fn a_length_below_minus_one_is_an_error() {
    let frame = request_frame(ApiKey::Metadata, 1, &(-2i32).to_be_bytes()).freeze();
    let error = DecodeError::NegativeLength { length: -2 };
    assert_eq!(decode_request(frame), Err(RequestError::Malformed(error)));
}

#[test]
fn null_where_the_version_has_none_is_an_error() {
    // Topics may be null from Metadata 1 on.
    let frame = request_frame(ApiKey::Metadata, 0, &(-1i32).to_be_bytes()).freeze();
    let error = DecodeError::UnexpectedNull;
    assert_eq!(decode_request(frame), Err(RequestError::Malformed(error)));
}

#[test]
fn a_string_that_is_not_utf8_is_an_error() {
    let frame = request_frame(ApiKey::FindCoordinator, 0, &[0, 2, 0xc3, 0x28]).freeze();
    let error = DecodeError::InvalidUtf8;
    assert_eq!(decode_request(frame), Err(RequestError::Malformed(error)));
}

#[test]
fn a_string_that_is_longer_than_kafka_allows_is_an_error() {
    // FindCoordinator 3, the first flexible one: a length of 32,768, plus one.
    let mut body = vec![0x81, 0x80, 0x02];
    body.extend([b'x'; 32_768]);
    let frame = request_frame(ApiKey::FindCoordinator, 3, &body).freeze();
    let error = DecodeError::StringTooLong { length: 32_768 };
    assert_eq!(decode_request(frame), Err(RequestError::Malformed(error)));
}
