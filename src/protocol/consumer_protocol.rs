//! What consumers tell each other through the coordinator, which passes it on as bytes: their
//! subscriptions to the leader of the group, its assignments back to them.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::message::Message;
use super::reader::Reader;

/// Writes a `ConsumerProtocolSubscription` or a `ConsumerProtocolAssignment` behind its version.
pub fn encode_consumer_protocol<M: Message>(
    message: &M,
    version: i16,
) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::new();
    out.put_i16(version);
    message.encode(version, &mut out)?;
    Ok(out.freeze())
}

/// Reads a `ConsumerProtocolSubscription` or a `ConsumerProtocolAssignment`, and its version. A
/// version that is newer than the table is read as the newest that it has, and what it adds is left
/// out: members of a group may differ in age (Kafka's `ConsumerProtocol`).
pub fn decode_consumer_protocol<M: Message>(bytes: Bytes) -> Result<(M, i16), DecodeError> {
    let mut input = Reader::new(bytes);
    let version = input.i16()?;
    let message = M::decode(version.min(M::VERSIONS.max), &mut input)?;
    Ok((message, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;

    #[test]
    fn a_newer_version_is_read_as_the_newest_that_is_known() {
        let subscription = ConsumerProtocolSubscription {
            topics: vec!["a".to_string()],
            rack_id: Some("r".to_string()),
            ..Default::default()
        };
        let mut newer = BytesMut::from(&encode_consumer_protocol(&subscription, 3).unwrap()[..]);
        newer[1] = 9;
        newer.put_slice(b"a field that version 9 added");
        assert_eq!(
            decode_consumer_protocol(newer.freeze()),
            Ok((subscription, 9))
        );
    }
}
