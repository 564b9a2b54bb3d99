//! The states of a classic group.

use std::fmt;

/// Where a group stands (Kafka's `ClassicGroupState`). Kafka's fifth state, `Dead`, is here the
/// absence of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members; it lingers until its offsets have expired. Also a group that only stores
    /// offsets and never had members.
    Empty,
    /// Members are being collected: their JoinGroups are parked.
    PreparingRebalance,
    /// The generation stands; the leader's assignment is awaited and the others' SyncGroups are
    /// parked.
    CompletingRebalance,
    /// Every member can have its assignment.
    Stable,
}

impl GroupState {
    /// Every state.
    pub const ALL: [GroupState; 4] = [
        GroupState::Empty,
        GroupState::PreparingRebalance,
        GroupState::CompletingRebalance,
        GroupState::Stable,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
