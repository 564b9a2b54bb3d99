//! The group coordinator's side of the broker: which shard answers, when its records are durable.

mod calls;
mod shards;

pub(super) use calls::{DelayedGroupCall, coordinators, find_coordinator, handle};
pub(super) use shards::Shards;
