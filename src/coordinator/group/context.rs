//! What a group needs of its shard while it handles one event.

use super::config::GroupConfig;
use super::member_id::MemberIds;
use super::outcome::Outcome;
use super::timer::{Timer, TimerKey};
use crate::now::Now;

pub(super) struct Context<'a> {
    pub now: Now,
    pub config: &'a GroupConfig,
    pub timer: &'a mut Timer,
    pub member_ids: &'a mut MemberIds,
    pub outcome: &'a mut Outcome,
}

impl Context<'_> {
    pub fn schedule(&mut self, key: TimerKey, timeout_ms: u64) {
        self.timer.schedule(self.now.monotonic, key, timeout_ms);
    }
}
