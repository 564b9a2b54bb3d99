//! Virtual time, and what happens next in it.

use crate::now::{Instant, Now, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The date at which every run begins, in ms since the Unix epoch.
pub const START_MS: i64 = 1_700_000_000_000;

/// Every choice of a run comes from here, so its seed is the run.
#[derive(Debug)]
pub struct Random {
    source: oorandom::Rand64,
}

impl Random {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Random {
        let mut source = oorandom::Rand64::new(u128::from(seed));
        // Neighbouring seeds begin alike.
        for _ in 0..4 {
            source.rand_u64();
        }
        Random { source }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.source.rand_u64()
    }

    /// A number from 0 to before `end`; 0 where that is empty.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            end => self.source.rand_range(0..end as u64) as usize,
        }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.source.rand_range(low..high.max(low) + 1)
    }

    /// True so often: 0.0 never, 1.0 always.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.source.rand_float() < probability
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// 16 bytes, as the edge gives them to a machine.
    pub fn seed(&mut self) -> [u8; 16] {
        let (high, low) = (self.number(), self.number());
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }
}

/// What is due, in the order of time; what is due in the same millisecond comes in any order.
#[derive(Debug)]
pub struct Scheduler<S> {
    now: Instant,
    /// What the wall clock shows beyond the start and the time that has passed.
    wall_shift_ms: i64,
    due: BinaryHeap<Reverse<Due<S>>>,
    scheduled: u64,
}

#[derive(Debug)]
struct Due<S> {
    at: Instant,
    tie: u64,
    /// Makes the order total.
    number: u64,
    step: S,
}

impl<S> Due<S> {
    fn key(&self) -> (Instant, u64, u64) {
        (self.at, self.tie, self.number)
    }
}

impl<S> PartialEq for Due<S> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<S> Eq for Due<S> {}

impl<S> PartialOrd for Due<S> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<S> Ord for Due<S> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<S> Scheduler<S> {
    /// Nothing is due, at the start of time.
    pub fn new() -> Scheduler<S> {
        Scheduler {
            now: Instant(0),
            wall_shift_ms: 0,
            due: BinaryHeap::new(),
            scheduled: 0,
        }
    }

    /// What both clocks show.
    pub fn now(&self) -> Now {
        Now {
            monotonic: self.now,
            wall: Timestamp(START_MS + self.now.0 as i64 + self.wall_shift_ms),
        }
    }

    /// Makes `step` due in `ms`.
    pub fn after(&mut self, random: &mut Random, ms: u64, step: S) {
        self.at(random, self.now + ms, step);
    }

    /// Makes `step` due at an instant; at once if that is past.
    pub fn at(&mut self, random: &mut Random, at: Instant, step: S) {
        self.scheduled += 1;
        self.due.push(Reverse(Due {
            at,
            tie: random.number(),
            number: self.scheduled,
            step,
        }));
    }

    /// The next step; time moves on to it, and never back.
    pub fn next(&mut self) -> Option<S> {
        let Reverse(due) = self.due.pop()?;
        self.now = self.now.max(due.at);
        Some(due.step)
    }

    /// A gap in time: nobody runs, and what was due meanwhile comes late.
    pub fn sleep(&mut self, ms: u64) {
        self.now = self.now + ms;
    }

    /// Somebody sets the wall clock.
    pub fn shift_wall(&mut self, ms: i64) {
        self.wall_shift_ms += ms;
    }
}

impl<S> Default for Scheduler<S> {
    fn default() -> Self {
        Scheduler::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_the_order_of_time_and_late_after_a_sleep() {
        let mut random = Random::new(1);
        let mut scheduler = Scheduler::new();
        scheduler.after(&mut random, 20, 'b');
        scheduler.after(&mut random, 10, 'a');
        assert_eq!(scheduler.next(), Some('a'));
        assert_eq!(scheduler.now().monotonic, Instant(10));
        scheduler.sleep(100);
        assert_eq!(scheduler.next(), Some('b'));
        assert_eq!(scheduler.now().monotonic, Instant(110));
        assert_eq!(scheduler.next(), None);
    }

    #[test]
    fn a_seed_makes_the_same_choices_again_and_another_seed_others() {
        let choices = |seed| {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
    }
}
