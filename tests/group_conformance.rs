//! The group coordinator answers and records as Apache Kafka does: a recorded conversation is held
//! again with a shard, and every answer and every record of `__consumer_offsets` compared.
//!
//! Member ids are random. Kafka's and ours have the same length, so a request is translated by
//! putting our ids in the place of Kafka's in its bytes.
#![cfg(not(target_family = "wasm"))]

use std::collections::BTreeMap;

use bytes::Bytes;
use tablog::coordinator::group::{
    CoordinatorRecord, GroupConfig, GroupRequest, GroupShard, Outcome, RequestId,
};
use tablog::now::{Instant, Now, Timestamp};
use tablog::protocol::messages::group_metadata_key::GroupMetadataKey;
use tablog::protocol::messages::group_metadata_value::GroupMetadataValue;
use tablog::protocol::messages::offset_commit_key::OffsetCommitKey;
use tablog::protocol::messages::offset_commit_value::OffsetCommitValue;
use tablog::protocol::{
    ApiKey, CoordinatorKey, Request, RequestHeader, Response, Uuid, coordinator_record_type,
    decode_coordinator_key, decode_coordinator_value, decode_request, decode_response,
    encode_response,
};

const RECORDED: &str = include_str!("fixtures/groups-kafka-4.3.1.txt");

/// The characters of a UUID.
const UUID_LEN: usize = 36;

struct Conversation {
    shard: GroupShard,
    now_ms: u64,
    /// API key, version and our answer, by request.
    asked: BTreeMap<u64, (ApiKey, i16)>,
    answers: BTreeMap<u64, Response>,
    appended: Vec<CoordinatorRecord>,
    /// Kafka's member UUIDs with ours.
    uuids: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Conversation {
    fn now(&self) -> Now {
        Now {
            monotonic: Instant(self.now_ms),
            wall: Timestamp(1_700_000_000_000 + self.now_ms as i64),
        }
    }

    fn keep(&mut self, outcome: Outcome) {
        self.appended.extend(outcome.append);
        for (RequestId(id), response) in outcome.replies {
            assert!(
                self.answers.insert(id, response).is_none(),
                "request {id} has two answers"
            );
        }
    }

    fn pass_to(&mut self, end_ms: u64) {
        while let Some(deadline) = self.shard.next_deadline().filter(|at| at.0 <= end_ms) {
            self.now_ms = self.now_ms.max(deadline.0);
            let mut outcome = Outcome::default();
            self.shard.expire(self.now(), &mut outcome);
            self.keep(outcome);
        }
        self.now_ms = end_ms;
    }

    fn request(&mut self, id: u64, recorded: Vec<u8>) {
        let frame = self.uuids.iter().fold(recorded, |frame, (kafkas, ours)| {
            replace(frame, kafkas, ours)
        });
        let (header, body) = decode_request(Bytes::from(frame)).expect("a recorded request");
        let RequestHeader {
            request_api_version: version,
            client_id,
            ..
        } = header;
        self.asked.insert(id, (body.api_key(), version));
        let request = GroupRequest {
            id: RequestId(id),
            version,
            client_id: client_id.unwrap_or_default(),
            client_host: "/127.0.0.1".to_owned(),
            body,
        };
        let mut outcome = Outcome::default();
        self.shard.handle(self.now(), request, &mut outcome);
        self.keep(outcome);
        self.pass_to(self.now_ms);
    }

    fn answer(&mut self, id: u64, recorded: Vec<u8>) {
        let (api_key, version) = self.asked[&id];
        let ours = self
            .answers
            .remove(&id)
            .unwrap_or_else(|| panic!("no answer to request {id}"));
        let correlation_id = i32::try_from(id).expect("a small number");
        let frame = encode_response(api_key, version, correlation_id, &ours).expect("encodes");
        self.learn_uuid(&recorded, &frame);
        let frame = self
            .uuids
            .iter()
            .fold(frame.to_vec(), |frame, (kafkas, ours)| {
                replace(frame, ours, kafkas)
            });
        let decode = |frame| {
            let frame = Bytes::from(frame);
            let decoded = decode_response(api_key, version, frame).expect("a response");
            in_order(decoded.1)
        };
        assert_eq!(
            decode(frame),
            decode(recorded),
            "request {id}, {api_key:?} version {version}"
        );
    }

    /// A UUID that neither side has shown before is a member's that was just named.
    fn learn_uuid(&mut self, recorded: &[u8], frame: &[u8]) {
        let fresh = |frame: &[u8], known: &dyn Fn(&[u8]) -> bool| {
            frame
                .windows(UUID_LEN)
                .find(|text| is_uuid(text) && !known(text))
                .map(<[u8]>::to_vec)
        };
        let kafkas = fresh(recorded, &|uuid| {
            self.uuids.iter().any(|(known, _)| known == uuid)
        });
        let ours = fresh(frame, &|uuid| {
            self.uuids.iter().any(|(_, known)| known == uuid)
        });
        if let (Some(kafkas), Some(ours)) = (kafkas, ours) {
            self.uuids.push((kafkas, ours));
        }
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn replace(mut frame: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    for start in 0..(frame.len() + 1).saturating_sub(from.len()) {
        if frame[start..].starts_with(from) {
            frame[start..start + to.len()].copy_from_slice(to);
        }
    }
    frame
}

/// Sorts what Kafka keeps in hash maps.
fn in_order(mut response: Response) -> Response {
    match &mut response {
        Response::JoinGroup(response) => {
            response
                .members
                .sort_by(|a, b| a.member_id.cmp(&b.member_id));
        }
        Response::DescribeGroups(response) => {
            for group in &mut response.groups {
                group.members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
            }
        }
        Response::ListGroups(response) => {
            response.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        }
        _ => {}
    }
    response
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hex digit") as u8;
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// What a record says, but for the clock, and for the topic's id, which the broker puts into a
/// commit before the coordinator sees it.
#[derive(Debug, PartialEq)]
enum Said {
    Group(GroupMetadataKey, Option<(GroupMetadataValue, i16)>),
    Offset(OffsetCommitKey, Option<(OffsetCommitValue, i16)>),
}

fn said(key: &Bytes, value: Option<Bytes>) -> Said {
    const PROOF: &str = "a record of a coordinator";
    if coordinator_record_type(key).expect(PROOF) == GroupMetadataKey::RECORD_TYPE {
        let value = value.map(|value| {
            let (mut value, version): (GroupMetadataValue, i16) =
                decode_coordinator_value(value).expect(PROOF);
            value.current_state_timestamp = 0;
            value.members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
            (value, version)
        });
        return Said::Group(decode_coordinator_key(key.clone()).expect(PROOF), value);
    }
    let value = value.map(|value| {
        let (mut value, version): (OffsetCommitValue, i16) =
            decode_coordinator_value(value).expect(PROOF);
        value.commit_timestamp = 0;
        value.topic_id = Uuid::default();
        (value, version)
    });
    Said::Offset(decode_coordinator_key(key.clone()).expect(PROOF), value)
}

/// The records in the order of each group; Kafka's groups lie in several partitions.
fn by_group(records: Vec<Said>) -> BTreeMap<String, Vec<Said>> {
    let mut groups: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for record in records {
        let group = match &record {
            Said::Group(key, _) => key.group.clone(),
            Said::Offset(key, _) => key.group.clone(),
        };
        groups.entry(group).or_default().push(record);
    }
    groups
}

/// A record of the recording: its key, and its value unless it is a tombstone.
fn recorded_record(line: &str) -> Option<(Bytes, Option<Bytes>)> {
    let (key, value) = line.strip_prefix("= ")?.split_once(' ')?;
    let value = Some(value).filter(|value| *value != "-");
    Some((bytes(key).into(), value.map(|value| bytes(value).into())))
}

fn hold_the_conversation() -> Conversation {
    let mut shard = GroupShard::new(GroupConfig::default(), [7; 16]);
    shard.loaded(Now::default());
    let mut conversation = Conversation {
        shard,
        now_ms: 0,
        asked: BTreeMap::new(),
        answers: BTreeMap::new(),
        appended: Vec::new(),
        uuids: Vec::new(),
    };
    for line in RECORDED.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [direction @ (">" | "<"), id, now_ms, frame] = words[..] else {
            continue;
        };
        let id = id.parse().expect("a request");
        conversation.pass_to(now_ms.parse().expect("milliseconds"));
        match direction {
            ">" => conversation.request(id, bytes(frame)),
            _ => conversation.answer(id, bytes(frame)),
        }
    }
    // The records were read minutes later, when the silent members had been expired.
    conversation.pass_to(conversation.now_ms + 120_000);
    conversation
}

#[test]
fn every_recorded_answer_is_ours() {
    let conversation = hold_the_conversation();
    assert_eq!(conversation.asked.len(), 125);
    assert!(
        conversation.answers.is_empty(),
        "answers that Kafka did not give"
    );
}

#[test]
fn every_record_of_the_conversation_is_ours() {
    let conversation = hold_the_conversation();
    let in_kafkas_ids = |frame: &Bytes| -> Bytes {
        let to_kafkas = |frame, (kafkas, ours): &(Vec<u8>, Vec<u8>)| replace(frame, ours, kafkas);
        conversation
            .uuids
            .iter()
            .fold(frame.to_vec(), to_kafkas)
            .into()
    };
    let ours = conversation
        .appended
        .iter()
        .map(|record| said(&record.key, record.value.as_ref().map(in_kafkas_ids)));
    let kafkas = RECORDED
        .lines()
        .filter_map(recorded_record)
        .map(|(key, value)| said(&key, value));
    let (ours, kafkas) = (by_group(ours.collect()), by_group(kafkas.collect()));
    assert!(kafkas.len() >= 4, "groups: {:?}", kafkas.keys());
    assert_eq!(ours, kafkas);
}

#[test]
fn the_records_of_kafka_make_the_same_groups() {
    let mut theirs = GroupShard::new(GroupConfig::default(), [1; 16]);
    for (key, value) in RECORDED.lines().filter_map(recorded_record) {
        theirs
            .replay(Some(&key), value.as_deref())
            .expect("Kafka wrote it");
    }
    theirs.loaded(Now::default());
    let list = GroupRequest {
        id: RequestId(0),
        version: 5,
        client_id: String::new(),
        client_host: String::new(),
        body: Request::ListGroups(Default::default()),
    };
    let mut outcome = Outcome::default();
    theirs.handle(Now::default(), list, &mut outcome);
    let Some((_, Response::ListGroups(response))) = outcome.replies.pop() else {
        panic!("not a ListGroups answer");
    };
    let groups: Vec<(&str, &str)> = response
        .groups
        .iter()
        .map(|group| (&group.group_id[..], &group.group_state[..]))
        .collect();
    // `dynamic` was deleted.
    let expected = ["", "errors", "silent", "static"].map(|group_id| (group_id, "Empty"));
    assert_eq!(groups, expected);
}
