//! The members of a classic group.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::outcome::Parked;
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;

/// The members of a group, with the counts that every JoinGroup asks for: no request looks at all
/// members (as Kafka's `ClassicGroup`).
#[derive(Debug, Default)]
pub(super) struct Members {
    by_id: BTreeMap<String, Member>,
    /// Member ids by group instance id.
    static_ids: BTreeMap<String, String>,
    awaiting_join: usize,
    /// How many members support each protocol.
    protocols: BTreeMap<String, usize>,
}

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
    /// What the leader assigned in the current generation; empty until then.
    pub assignment: Bytes,
    /// It has not taken part in a generation yet.
    pub is_new: bool,
    pub awaiting_sync: Option<Parked>,
    /// What it can do, in the order of its preference. Never empty, names differ.
    protocols: Vec<JoinGroupRequestProtocol>,
    awaiting_join: Option<Parked>,
}

impl Members {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn contains(&self, member_id: &str) -> bool {
        self.by_id.contains_key(member_id)
    }

    pub fn get(&self, member_id: &str) -> Option<&Member> {
        self.by_id.get(member_id)
    }

    pub fn get_mut(&mut self, member_id: &str) -> Option<&mut Member> {
        self.by_id.get_mut(member_id)
    }

    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.by_id.keys()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.by_id.values_mut()
    }

    /// The member that holds a group instance id now.
    pub fn static_id(&self, group_instance_id: &str) -> Option<&String> {
        self.static_ids.get(group_instance_id)
    }

    /// Members whose JoinGroup is parked.
    pub fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    /// Whether every member supports a protocol.
    pub fn all_support(&self, protocol_name: &str) -> bool {
        self.protocols.get(protocol_name).copied().unwrap_or(0) == self.len()
    }

    pub fn insert(&mut self, member: Member) {
        self.remove(&member.member_id);
        if let Some(instance_id) = &member.group_instance_id {
            self.static_ids
                .insert(instance_id.clone(), member.member_id.clone());
        }
        self.awaiting_join += usize::from(member.awaiting_join.is_some());
        for protocol in &member.protocols {
            *self.protocols.entry(protocol.name.clone()).or_default() += 1;
        }
        self.by_id.insert(member.member_id.clone(), member);
    }

    pub fn remove(&mut self, member_id: &str) -> Option<Member> {
        let member = self.by_id.remove(member_id)?;
        if let Some(instance_id) = &member.group_instance_id {
            self.static_ids.remove(instance_id);
        }
        self.awaiting_join -= usize::from(member.awaiting_join.is_some());
        for protocol in &member.protocols {
            let Some(count) = self.protocols.get_mut(&protocol.name) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.protocols.remove(&protocol.name);
            }
        }
        Some(member)
    }

    /// Gives a member other protocols.
    pub fn set_protocols(&mut self, member_id: &str, protocols: Vec<JoinGroupRequestProtocol>) {
        if let Some(mut member) = self.remove(member_id) {
            member.protocols = protocols;
            self.insert(member);
        }
    }

    /// Parks a member's JoinGroup; returns an earlier one that is still there.
    pub fn park_join(&mut self, member_id: &str, parked: Parked) -> Option<Parked> {
        let member = self.by_id.get_mut(member_id)?;
        let earlier = member.awaiting_join.replace(parked);
        self.awaiting_join += usize::from(earlier.is_none());
        earlier
    }

    /// Takes a member's parked JoinGroup, to answer it.
    pub fn take_join(&mut self, member_id: &str) -> Option<Parked> {
        let member = self.by_id.get_mut(member_id)?;
        let parked = member.awaiting_join.take();
        self.awaiting_join -= usize::from(parked.is_some());
        parked
    }

    /// The counts are what they count.
    #[cfg(test)]
    pub fn check(&self) {
        let mut counted = Members::default();
        for member in self.iter() {
            counted.insert(member.clone());
        }
        assert_eq!(counted.static_ids, self.static_ids);
        assert_eq!(counted.awaiting_join, self.awaiting_join);
        assert_eq!(counted.protocols, self.protocols);
    }
}

impl Member {
    pub fn new(member_id: String, protocols: Vec<JoinGroupRequestProtocol>) -> Member {
        Member {
            member_id,
            group_instance_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            assignment: Bytes::new(),
            is_new: false,
            awaiting_sync: None,
            protocols,
            awaiting_join: None,
        }
    }

    /// The same under another id, waiting for nothing.
    pub fn renamed(&self, member_id: &str) -> Member {
        Member {
            member_id: member_id.to_owned(),
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
            ..self.clone()
        }
    }

    /// Its metadata for `protocol_name`, for a consumer its subscription.
    pub fn metadata(&self, protocol_name: &str) -> Option<&Bytes> {
        let protocol = self
            .protocols
            .iter()
            .find(|protocol| protocol.name == protocol_name)?;
        Some(&protocol.metadata)
    }

    pub fn protocols(&self) -> &[JoinGroupRequestProtocol] {
        &self.protocols
    }

    pub fn awaiting_join(&self) -> Option<Parked> {
        self.awaiting_join
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
