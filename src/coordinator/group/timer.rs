//! The deadlines of a shard.

use std::collections::{BTreeMap, BTreeSet};

use crate::now::Instant;

/// What is due at a deadline. A key has one deadline at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey {
    /// A member, or the taker of a pending member id, was not heard of.
    Session { group_id: String, member_id: String },
    /// A rebalance stops waiting for members to join.
    Join { group_id: String },
    /// A rebalance stops waiting for members to sync.
    Sync { group_id: String },
    /// Expired offsets are looked for.
    OffsetExpiry,
}

#[derive(Clone, Copy, Debug)]
struct Scheduled {
    at: Instant,
    timeout_ms: u64,
}

/// Deadlines by what they are for and by when they are due.
#[derive(Debug, Default)]
pub(super) struct Timer {
    by_key: BTreeMap<TimerKey, Scheduled>,
    by_instant: BTreeSet<(Instant, TimerKey)>,
}

impl Timer {
    /// Sets the deadline of `key`, in place of an earlier one.
    pub fn schedule(&mut self, now: Instant, key: TimerKey, timeout_ms: u64) {
        self.cancel(&key);
        let at = now + timeout_ms;
        self.by_instant.insert((at, key.clone()));
        self.by_key.insert(key, Scheduled { at, timeout_ms });
    }

    pub fn cancel(&mut self, key: &TimerKey) {
        if let Some(Scheduled { at, .. }) = self.by_key.remove(key) {
            self.by_instant.remove(&(at, key.clone()));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_instant.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline that is not after `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<TimerKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_instant.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// Gives every deadline its whole time again, from `now`.
    pub fn restart(&mut self, now: Instant) {
        self.by_instant.clear();
        for (key, scheduled) in &mut self.by_key {
            scheduled.at = now + scheduled.timeout_ms;
            self.by_instant.insert((scheduled.at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(member_id: &str) -> TimerKey {
        TimerKey::Session {
            group_id: "g".to_owned(),
            member_id: member_id.to_owned(),
        }
    }

    #[test]
    fn a_key_has_one_deadline_and_the_last_one_counts() {
        let mut timer = Timer::default();
        timer.schedule(Instant(0), session("a"), 10);
        timer.schedule(Instant(5), session("a"), 10);
        assert_eq!(timer.pop_due(Instant(14)), None);
        assert_eq!(timer.pop_due(Instant(15)), Some(session("a")));
        assert_eq!(timer.next(), None);
    }

    #[test]
    fn deadlines_come_in_the_order_of_time() {
        let mut timer = Timer::default();
        timer.schedule(Instant(0), session("late"), 20);
        timer.schedule(Instant(0), session("early"), 10);
        assert_eq!(timer.next(), Some(Instant(10)));
        assert_eq!(timer.pop_due(Instant(30)), Some(session("early")));
        assert_eq!(timer.pop_due(Instant(30)), Some(session("late")));
    }

    #[test]
    fn a_cancelled_deadline_never_comes() {
        let mut timer = Timer::default();
        timer.schedule(Instant(0), session("a"), 10);
        timer.cancel(&session("a"));
        assert_eq!(timer.pop_due(Instant(100)), None);
    }

    #[test]
    fn restart_gives_the_whole_time_again() {
        let mut timer = Timer::default();
        timer.schedule(Instant(0), session("a"), 10);
        timer.restart(Instant(1_000));
        assert_eq!(timer.pop_due(Instant(1_009)), None);
        assert_eq!(timer.pop_due(Instant(1_010)), Some(session("a")));
    }
}
