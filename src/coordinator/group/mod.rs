//! Consumer groups of Kafka's classic protocol, and the offsets that they commit.
//!
//! [`GroupShard`] owns every group whose id hashes to one partition of `__consumer_offsets`. It is
//! a fold: a request changes the state at once and yields records; replaying those records gives
//! the same groups and offsets again. One file per request, as in Kafka's `GroupMetadataManager`
//! and `OffsetMetadataManager`, whose behaviour this room follows.
//!
//! What a shard holds is bounded by [`GROUPS_PER_SHARD_MAX`], [`PENDING_MEMBERS_MAX`],
//! [`GroupConfig::group_max_size`], and, for offsets, by the partitions that the broker knows: it
//! turns away commits for any other.

mod classic_group;
mod config;
mod context;
mod describe_groups;
mod group_state;
mod heartbeat;
mod join_group;
mod leave_group;
mod member_id;
mod members;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offsets;
mod outcome;
mod rebalance;
mod records;
mod shard;
mod sync_group;
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
mod timer;

pub use config::{GROUP_MEMBERS_MAX, GROUPS_PER_SHARD_MAX, GroupConfig, PENDING_MEMBERS_MAX};
pub use describe_groups::narrow_filters;
pub use group_state::GroupState;
pub use outcome::{CoordinatorRecord, GroupRequest, Outcome, RequestId};
pub use shard::{GroupShard, partition_for};
