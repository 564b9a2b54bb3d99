//! Every message in every version, against the crate `kafka-protocol`: both read the same bytes,
//! see the same fields with the same names and values, and write the same bytes again.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, VersionRange};
use proptest::prelude::*;
use tablog::protocol::messages as ours;
use tablog::protocol::{ApiKey, Message, Reader, Request, Response, Uuid};

use crate::random_message::{Entropy, messages, random_message};
use crate::schema::{self, Kind};

/// Fields that Kafka 4.3 has and the oracle, made from Kafka 4.1, does not, as they look in
/// versions without them.
const FIELDS_ONLY_OURS: [&str; 2] = [" cordoned_log_dirs: None,", " transaction_version: 0,"];

/// The same for versions of messages.
const ONLY_OURS: [&str; 10] = [
    "ListOffsetsRequest 11",
    "ListOffsetsResponse 11",
    "WriteTxnMarkersRequest 2",
    "WriteTxnMarkersResponse 2",
    "BrokerHeartbeatRequest 2",
    "BrokerHeartbeatResponse 2",
    "OffsetCommitRequest 10",
    "OffsetCommitResponse 10",
    "OffsetFetchRequest 10",
    "OffsetFetchResponse 10",
];

/// What a decoder made of some bytes.
#[derive(Debug, PartialEq)]
struct Read {
    /// `Debug` of the struct, in our spelling: names of structs and fields, values, defaults.
    seen: String,
    /// The struct encoded again.
    encoded: Bytes,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_message_in_every_version_is_read_and_written_alike(
        entropy in proptest::collection::vec(any::<u8>(), 0..600)
    ) {
        for message in messages() {
            for version in message.versions.min..=message.versions.max {
                let bytes = random_message(&message, version, &mut Entropy::new(&entropy));
                let bytes = Bytes::from(bytes);
                let at = format!("{} version {version}", message.name);
                let we = we_read(&message, version, bytes.clone());
                prop_assert_eq!(&we.encoded, &bytes, "{}", at);
                if let Some(they) = they_read(&message, version, bytes.clone()) {
                    prop_assert_eq!(we.without_newer_fields(), they, "{}", at);
                }
            }
        }
    }
}

#[test]
fn the_oracle_knows_all_but_the_newest_versions() {
    let mut alone = Vec::new();
    for message in messages() {
        for version in message.versions.min..=message.versions.max {
            let bytes = random_message(&message, version, &mut Entropy::new(&[]));
            if they_read(&message, version, Bytes::from(bytes)).is_none() {
                alone.push(format!("{} {version}", message.name));
            }
        }
    }
    let internal = ["Key", "Value", "Record"];
    alone.retain(|message| {
        !internal
            .iter()
            .any(|end| message.contains(&format!("{end} ")))
    });
    assert_eq!(alone, ONLY_OURS);
}

#[test]
fn defaults_are_those_of_the_oracle() {
    for message in messages() {
        let (Kind::Request(_) | Kind::Response(_)) = message.kind else {
            continue;
        };
        // An empty array and an empty string are what most fields default to; what a version does
        // not have shows the default itself, so the lowest version shows the most of them.
        let version = message.versions.min;
        let bytes = Bytes::from(random_message(&message, version, &mut Entropy::new(&[])));
        let we = we_read(&message, version, bytes.clone());
        let they = they_read(&message, version, bytes).unwrap();
        assert_eq!(we.without_newer_fields(), they, "{}", message.name);
    }
}

impl Read {
    /// As the oracle sees it in a version that it knows.
    fn without_newer_fields(mut self) -> Read {
        for field in FIELDS_ONLY_OURS {
            self.seen = self.seen.replace(field, "");
        }
        self
    }
}

fn we_read(message: &schema::Message, version: i16, bytes: Bytes) -> Read {
    fn read<M: Message + std::fmt::Debug>(version: i16, bytes: Bytes) -> Read {
        let mut input = Reader::new(bytes);
        let message = M::decode(version, &mut input)
            .unwrap_or_else(|error| panic!("{} version {version}: {error}", M::NAME));
        input.finish().unwrap();
        let mut encoded = BytesMut::new();
        message.encode(version, &mut encoded).unwrap();
        Read {
            seen: format!("{message:?}"),
            encoded: encoded.freeze(),
        }
    }

    let mut input = Reader::new(bytes.clone());
    let mut encoded = BytesMut::new();
    let seen = match (message.kind, message.name.as_str()) {
        (Kind::Request(key), _) => {
            let api_key = ApiKey::from_code(key).unwrap();
            let request = Request::decode(api_key, version, &mut input).unwrap();
            request.encode(version, &mut encoded).unwrap();
            format!("{request:?}")
        }
        (Kind::Response(key), _) => {
            let api_key = ApiKey::from_code(key).unwrap();
            let response = Response::decode(api_key, version, &mut input).unwrap();
            response.encode(version, &mut encoded).unwrap();
            format!("{response:?}")
        }
        (Kind::MetadataRecord(key), _) => {
            let record = ours::MetadataRecord::decode(key, version, &mut input).unwrap();
            record.encode(version, &mut encoded).unwrap();
            format!("{record:?}")
        }
        (_, name) => {
            macro_rules! read_as {
                ($($module:ident::$type:ident)*) => {
                    match name {
                        $(stringify!($type) => read::<ours::$module::$type>(version, bytes),)*
                        _ => panic!("{name} is not tested"),
                    }
                };
            }
            return read_as! {
                request_header::RequestHeader
                response_header::ResponseHeader
                consumer_protocol_subscription::ConsumerProtocolSubscription
                consumer_protocol_assignment::ConsumerProtocolAssignment
                offset_commit_key::OffsetCommitKey
                offset_commit_value::OffsetCommitValue
                group_metadata_key::GroupMetadataKey
                group_metadata_value::GroupMetadataValue
                transaction_log_key::TransactionLogKey
                transaction_log_value::TransactionLogValue
            };
        }
    };
    input.finish().unwrap();
    Read {
        seen,
        encoded: encoded.freeze(),
    }
}

/// `None` where the oracle knows no such message or version.
fn they_read(message: &schema::Message, version: i16, bytes: Bytes) -> Option<Read> {
    fn read<M: Decodable + Encodable + std::fmt::Debug>(
        version: i16,
        mut bytes: Bytes,
    ) -> Option<Read> {
        let message = M::decode(&mut bytes, version).unwrap();
        assert!(!bytes.has_remaining());
        let mut encoded = BytesMut::new();
        message.encode(&mut encoded, version).unwrap();
        Some(Read {
            seen: our_spelling(&format!("{message:?}")),
            encoded: encoded.freeze(),
        })
    }

    let known = |key: i16| {
        let api_key = theirs::ApiKey::try_from(key).ok()?;
        let versions = match api_key {
            // It has no structs for the version 10 that it says it knows.
            theirs::ApiKey::OffsetCommit | theirs::ApiKey::OffsetFetch => VersionRange {
                max: 9,
                ..api_key.valid_versions()
            },
            _ => api_key.valid_versions(),
        };
        (versions.min <= version && version <= versions.max).then_some(api_key)
    };
    let mut input = bytes.clone();
    let mut encoded = BytesMut::new();
    let seen = match (message.kind, message.name.as_str()) {
        (Kind::Request(key), _) => {
            let request = theirs::RequestKind::decode(known(key)?, &mut input, version).unwrap();
            request.encode(&mut encoded, version).unwrap();
            format!("{request:?}")
        }
        (Kind::Response(key), _) => {
            let response = theirs::ResponseKind::decode(known(key)?, &mut input, version).unwrap();
            response.encode(&mut encoded, version).unwrap();
            format!("{response:?}")
        }
        (_, "RequestHeader") => return read::<theirs::RequestHeader>(version, bytes),
        (_, "ResponseHeader") => return read::<theirs::ResponseHeader>(version, bytes),
        (_, "ConsumerProtocolSubscription") => {
            return read::<theirs::ConsumerProtocolSubscription>(version, bytes);
        }
        (_, "ConsumerProtocolAssignment") => {
            return read::<theirs::ConsumerProtocolAssignment>(version, bytes);
        }
        _ => return None,
    };
    assert!(!input.has_remaining());
    Some(Read {
        seen: our_spelling(&seen),
        encoded: encoded.freeze(),
    })
}

/// The oracle's `Debug` as ours would be: without its newtypes, UUIDs in Kafka's base64, unknown
/// tagged fields as a list. Random strings are lower-case letters only, so nothing in quotes
/// is changed.
fn our_spelling(debug: &str) -> String {
    let mut text = debug.to_string();
    for newtype in [
        "TopicName",
        "GroupId",
        "TransactionalId",
        "BrokerId",
        "ProducerId",
    ] {
        // Inside of a struct, so that the variant `InitProducerId(…)` is left as it is.
        while let Some(before) = text.find(&format!(" {newtype}(")) {
            let open = before + 1 + newtype.len();
            let close = open + text[open..].find(')').unwrap();
            text.replace_range(close..=close, "");
            text.replace_range(before + 1..=open, "");
        }
    }
    while let Some(start) = text.find("unknown_tagged_fields: {") {
        let open = start + "unknown_tagged_fields: ".len();
        let close = open + text[open..].find('}').unwrap();
        let entries = text[open + 1..close]
            .split(", ")
            .filter(|entry| !entry.is_empty());
        let pairs: Vec<String> = entries
            .map(|entry| format!("({})", entry.replace(": ", ", ")))
            .collect();
        text.replace_range(open..=close, &format!("[{}]", pairs.join(", ")));
    }
    while let Some(dash) = text.find("-0000-0000-0000-") {
        let (start, end) = (dash - 8, dash + 28);
        let hex = text[start..end].replace('-', "");
        let bits = u128::from_str_radix(&hex, 16).unwrap();
        text.replace_range(start..end, &Uuid(bits.to_be_bytes()).to_string());
    }
    text
}
