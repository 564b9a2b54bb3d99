//! One member of a classic group.

use bytes::Bytes;

use super::outcome::Parked;
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;

/// A member (Kafka's `ClassicGroupMember`).
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Given by the coordinator.
    pub member_id: String,
    /// Given by the user: a static member (KIP-345), which may come back under a new member id.
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// What it can do, in the order of its preference. Never empty, names differ.
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// What the leader assigned in the current generation; empty until then.
    pub assignment: Bytes,
    /// It has not taken part in a generation yet.
    pub is_new: bool,
    pub awaiting_join: Option<Parked>,
    pub awaiting_sync: Option<Parked>,
}

impl Member {
    /// Its metadata for `protocol_name`, for a consumer its subscription.
    pub fn metadata(&self, protocol_name: &str) -> Option<&Bytes> {
        let protocol = self
            .protocols
            .iter()
            .find(|protocol| protocol.name == protocol_name)?;
        Some(&protocol.metadata)
    }

    pub fn supports(&self, protocol_name: &str) -> bool {
        self.metadata(protocol_name).is_some()
    }

    pub fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    /// Whether it need not heartbeat now: who waits for others is not expired for it. A new
    /// member is, since its client may have given up and joined again under another id.
    pub fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// `session_timeout_ms` as a duration.
    pub fn session_timeout(&self) -> u64 {
        duration_ms(self.session_timeout_ms)
    }
}

/// A timeout of a request as a duration; a negative one is over at once, as in Kafka.
pub(super) fn duration_ms(timeout_ms: i32) -> u64 {
    u64::try_from(timeout_ms).unwrap_or(0)
}

/// The protocols of a request without repeated names: the first one counts, as in Kafka's
/// `JoinGroupRequestProtocolCollection`.
pub(super) fn distinct_protocols(
    protocols: Vec<JoinGroupRequestProtocol>,
) -> Vec<JoinGroupRequestProtocol> {
    let mut distinct: Vec<JoinGroupRequestProtocol> = Vec::with_capacity(protocols.len());
    for protocol in protocols {
        if !distinct.iter().any(|known| known.name == protocol.name) {
            distinct.push(protocol);
        }
    }
    distinct
}
