//! What a group coordinator is configured with.

/// Members of one group, unless `group.max.size` says less.
pub const GROUP_MEMBERS_MAX: usize = 10_000;

/// Member ids of one group that were handed out and not yet used. Each is forgotten after its
/// session timeout, so only a client that asks in a loop comes near.
pub const PENDING_MEMBERS_MAX: usize = 10_000;

/// Groups of one partition of `__consumer_offsets`.
pub const GROUPS_PER_SHARD_MAX: usize = 100_000;

/// The broker configs of group coordination, under Kafka's names and with its defaults where
/// nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub group_max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long the first rebalance of an empty group waits
    /// for more members. Kafka waits 3,000 ms; in a tab there is nobody to wait for.
    pub group_initial_rebalance_delay_ms: u64,
    /// `group.max.size`
    pub group_max_size: usize,
    /// How long a new member may wait in JoinGroup without a sign of life. Not configurable in
    /// Kafka (`CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`).
    pub group_new_member_join_timeout_ms: u64,
    /// `offset.metadata.max.bytes`, counted in UTF-16 units as Kafka does.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval_ms: u64,
}

impl Default for GroupConfig {
    fn default() -> GroupConfig {
        GroupConfig {
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 0,
            group_max_size: GROUP_MEMBERS_MAX,
            group_new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
        }
    }
}
