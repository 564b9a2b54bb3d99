//! The records of `__consumer_offsets`, as Kafka's `GroupCoordinatorRecordHelpers` writes them.

use bytes::Bytes;

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use super::members::Member;
use super::offsets::{CommittedOffset, TopicPartition};
use super::outcome::CoordinatorRecord;
use crate::now::Timestamp;
use crate::protocol::messages::group_metadata_key::GroupMetadataKey;
use crate::protocol::messages::group_metadata_value::{GroupMetadataValue, MemberMetadata};
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use crate::protocol::messages::offset_commit_key::OffsetCommitKey;
use crate::protocol::messages::offset_commit_value::OffsetCommitValue;
use crate::protocol::{
    CoordinatorKey, DecodeError, Message, coordinator_record_type, decode_coordinator_key,
    decode_coordinator_value, encode_coordinator_key, encode_coordinator_value,
};

/// The version in which Kafka 4 writes `GroupMetadataValue`.
const GROUP_METADATA_VALUE_VERSION: i16 = 3;
/// The version in which Kafka 4 writes `OffsetCommitValue`: with the topic's id.
const OFFSET_COMMIT_VALUE_VERSION: i16 = 4;
/// The only version with an expire timestamp, for clients that ask for a retention of their own.
const OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY: i16 = 1;

/// What a record says.
#[derive(Debug)]
pub(super) enum Replayed {
    Group {
        group_id: String,
        value: Option<GroupMetadataValue>,
    },
    Offset {
        group_id: String,
        partition: TopicPartition,
        value: Option<OffsetCommitValue>,
    },
    /// A type that this version does not know, as Kafka skips on a downgrade.
    Unknown,
}

/// Reads a record.
pub(super) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Replayed, DecodeError> {
    let key = Bytes::copy_from_slice(key);
    let value = value.map(Bytes::copy_from_slice);
    match coordinator_record_type(&key)? {
        GroupMetadataKey::RECORD_TYPE => {
            let key: GroupMetadataKey = decode_coordinator_key(key)?;
            let value = value.map(decode_coordinator_value).transpose()?;
            Ok(Replayed::Group {
                group_id: key.group,
                value: value.map(|(value, _)| value),
            })
        }
        OffsetCommitKey::RECORD_TYPE => {
            let key: OffsetCommitKey = decode_coordinator_key(key)?;
            let value = value.map(decode_coordinator_value).transpose()?;
            Ok(Replayed::Offset {
                group_id: key.group,
                partition: TopicPartition {
                    topic: key.topic,
                    partition: key.partition,
                },
                value: value.map(|(value, _)| value),
            })
        }
        _ => Ok(Replayed::Unknown),
    }
}

/// A group with its members and their assignments, in the generation that stands.
pub(super) fn group_metadata_record(group: &ClassicGroup) -> CoordinatorRecord {
    let protocol_name = group.protocol_name.as_deref().unwrap_or_default();
    let members = group
        .members
        .iter()
        .map(|member| MemberMetadata {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol_name).cloned().unwrap_or_default(),
            assignment: member.assignment.clone(),
            ..Default::default()
        })
        .collect();
    let value = GroupMetadataValue {
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        generation: group.generation_id,
        protocol: group.protocol_name.clone(),
        leader: group.leader_id.clone(),
        current_state_timestamp: group.state_timestamp.map_or(-1, |timestamp| timestamp.0),
        members,
        ..Default::default()
    };
    group_record(
        &group.group_id,
        Some((&value, GROUP_METADATA_VALUE_VERSION)),
    )
}

/// A group that was just created, before its first generation.
pub(super) fn new_group_record(group_id: &str, now: Timestamp) -> CoordinatorRecord {
    let mut group = ClassicGroup::new(group_id);
    group.state_timestamp = Some(now);
    group_metadata_record(&group)
}

/// A group is no more.
pub(super) fn group_tombstone(group_id: &str) -> CoordinatorRecord {
    group_record(group_id, None)
}

fn group_record(group_id: &str, value: Option<(&GroupMetadataValue, i16)>) -> CoordinatorRecord {
    record(
        &GroupMetadataKey {
            group: group_id.to_owned(),
        },
        value,
    )
}

/// A committed offset.
pub(super) fn offset_commit_record(
    group_id: &str,
    partition: &TopicPartition,
    committed: &CommittedOffset,
) -> CoordinatorRecord {
    let value = OffsetCommitValue {
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.clone(),
        commit_timestamp: committed.commit_timestamp.0,
        expire_timestamp: committed
            .expire_timestamp
            .map_or(-1, |timestamp| timestamp.0),
        topic_id: committed.topic_id,
        ..Default::default()
    };
    let version = match committed.expire_timestamp {
        Some(_) => OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY,
        None => OFFSET_COMMIT_VALUE_VERSION,
    };
    offset_record(group_id, partition, Some((&value, version)))
}

/// A committed offset is no more.
pub(super) fn offset_tombstone(group_id: &str, partition: &TopicPartition) -> CoordinatorRecord {
    offset_record(group_id, partition, None)
}

fn offset_record(
    group_id: &str,
    partition: &TopicPartition,
    value: Option<(&OffsetCommitValue, i16)>,
) -> CoordinatorRecord {
    let key = OffsetCommitKey {
        group: group_id.to_owned(),
        topic: partition.topic.clone(),
        partition: partition.partition,
    };
    record(&key, value)
}

fn record<K: CoordinatorKey, V: Message>(key: &K, value: Option<(&V, i16)>) -> CoordinatorRecord {
    // Every string and byte sequence comes from a request, whose length fields are no larger than
    // the record's, or is bounded by us (member ids).
    const PROOF: &str = "what came in by a request fits into a record";
    CoordinatorRecord {
        key: encode_coordinator_key(key).expect(PROOF),
        value: value.map(|(value, version)| encode_coordinator_value(value, version).expect(PROOF)),
    }
}

/// The group that a record describes (Kafka's `GroupMetadataManager.replay`).
pub(super) fn group_from_record(group_id: &str, value: GroupMetadataValue) -> ClassicGroup {
    let mut group = ClassicGroup::new(group_id);
    let protocol_name = value.protocol.clone().unwrap_or_default();
    for member in value.members {
        // Only the protocol that was selected is recorded.
        let protocols = vec![JoinGroupRequestProtocol {
            name: protocol_name.clone(),
            metadata: member.subscription,
            ..Default::default()
        }];
        let rebalance_timeout_ms = match member.rebalance_timeout {
            -1 => member.session_timeout,
            rebalance_timeout_ms => rebalance_timeout_ms,
        };
        let mut recorded = Member::new(member.member_id, protocols);
        recorded.group_instance_id = member.group_instance_id;
        recorded.client_id = member.client_id;
        recorded.client_host = member.client_host;
        recorded.rebalance_timeout_ms = rebalance_timeout_ms;
        recorded.session_timeout_ms = member.session_timeout;
        recorded.assignment = member.assignment;
        group.add(recorded, &value.protocol_type);
    }
    group.state = if group.members.is_empty() {
        GroupState::Empty
    } else {
        GroupState::Stable
    };
    group.generation_id = value.generation;
    group.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
    group.protocol_name = value.protocol;
    group.leader_id = value.leader;
    group.state_timestamp = Some(value.current_state_timestamp)
        .filter(|ms| *ms != -1)
        .map(Timestamp);
    group.subscribed_topics = group.compute_subscribed_topics();
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("hex digits are ASCII");
                u8::from_str_radix(pair, 16).expect("hex digits are a number")
            })
            .collect()
    }

    #[test]
    fn keys_are_kafkas_bytes() {
        let partition = TopicPartition {
            topic: "t".to_owned(),
            partition: 3,
        };
        let record = offset_tombstone("g", &partition);
        assert_eq!(record.key, hex("0001 0001 67 0001 74 00000003"));
        assert_eq!(record.value, None);
        assert_eq!(group_tombstone("g").key, hex("0002 0001 67"));
    }

    #[test]
    fn a_new_group_is_recorded_as_generation_zero_without_members() {
        let record = new_group_record("g", Timestamp(1));
        // Version 3: protocol type "", generation 0, protocol and leader null, timestamp, members.
        let expected = hex("0003 0000 00000000 ffff ffff 0000000000000001 00000000");
        assert_eq!(record.value.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn an_unknown_record_type_is_skipped_and_broken_bytes_are_not() {
        // Type 3 is KIP-848's ConsumerGroupMetadata.
        let unknown = decode(&hex("0003 0001 67"), None);
        assert!(matches!(unknown, Ok(Replayed::Unknown)));
        assert!(decode(&hex("0002 0009 67"), None).is_err());
        assert!(decode(&hex("0002 0001 67"), Some(&hex("0063"))).is_err());
    }
}
